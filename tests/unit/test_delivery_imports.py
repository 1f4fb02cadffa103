"""A cold start pays for what a first delivery uses, and for nothing else (docs/adr/0001-layers.md)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.unit.test_bootstrap import VARIABLES

ROOT = Path(__file__).parents[2]
START = """
import functions.delivery.app
import gc
looked = [each["collections"] for each in gc.get_stats()]
from ml_connector import bootstrap
bootstrap.courier()
import ml_connector.destinations.monday, ml_connector.destinations.teams.bot
import json, sys
looked = [each["collections"] - before for each, before in zip(gc.get_stats(), looked)]
print(json.dumps({"modules": sorted(sys.modules), "looked": looked}))
"""
OTHERS = frozenset(
    {"boto3", "msal", "pydantic"}
    | {
        f"ml_connector.{name}"
        for name in (
            "attention", "completeness", "config", "consent", "digests", "gaps", "month_end", "notices", "reconcile",
            "rounds", "service_account", "subscriptions", "webhook_setup", "replies", "resync", "channel_watch",
            "graph_carriers", "step_carrier", "sources.graph", "watches", "silence", "stories", "widget",
            "aws.parked_desk",
        )
    }
)  # fmt: skip


def _started() -> dict[str, Any]:
    """A fresh Python that has built all that both kinds of delivery need."""
    path = os.pathsep.join((str(ROOT), str(ROOT / "layers" / "shared")))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", START],
        env={**VARIABLES, "PYTHONPATH": path, "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_delivery_imports_no_other_use_case() -> None:
    """Reconcile, the month's end, consent and notices are other functions' work."""
    loaded = set(_started()["modules"])
    assert {"ml_connector.delivery", "ml_connector.destinations.teams.bot", "ml_connector.tokens"} <= loaded
    assert loaded.isdisjoint(OTHERS)


def test_a_start_is_not_searched_for_garbage() -> None:
    """Once our own code is there, what is imported and built is not gone through again and again."""
    assert _started()["looked"] == [0, 0, 0]
