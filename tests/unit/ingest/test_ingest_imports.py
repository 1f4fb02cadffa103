"""A cold start pays for what ingest uses, and for nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
HEAVY = ("pydantic", "requests", "boto3", "typer", "rich", "ml_connector.config", "ml_connector.vendors.http")


def _imported(statement: str) -> set[str]:
    """The modules that a fresh Python has after `statement`, with an environment that names no resource."""
    script = f"import json, sys\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    path = os.pathsep.join((str(ROOT), str(ROOT / "layers" / "shared")))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        env={"PYTHONPATH": path, "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(done.stdout))


def test_importing_the_handler_is_light_and_touches_nothing() -> None:
    """No pydantic, requests or boto3, and no environment variable is needed: nothing is built before the first call."""
    loaded = _imported("import functions.ingest.app")
    assert "functions.ingest.app" in loaded
    assert loaded.isdisjoint(HEAVY)


def test_zohos_calls_pay_nothing_for_graphs_and_mondays() -> None:
    """What reads their notifications is imported when the first one comes."""
    loaded = _imported("import functions.ingest.app, ml_connector.intake")
    assert loaded.isdisjoint(
        {"ml_connector.notifications", "ml_connector.sources.graph", "ml_connector.sources.monday", "jwt"}
    )


def test_the_use_case_itself_needs_the_standard_library_only() -> None:
    """Intake and all below it run without AWS's, Powertools' or anybody's package."""
    loaded = _imported("before = set(sys.modules); import ml_connector.intake; [sys.modules.pop(m) for m in before]")
    ours = {name for name in loaded if name.partition(".")[0] == "ml_connector"}
    assert "ml_connector.sources.zoho_books" in ours
    assert {name.partition(".")[0] for name in loaded - ours} <= set(sys.stdlib_module_names)
