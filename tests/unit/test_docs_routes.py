"""docs/routes.md says what the code does."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ml_connector.config.model import Conditions, Route
from mlc.main import app

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "routes.md").read_text("utf-8")


def test_every_condition_with_an_example_that_is_one() -> None:
    """As the file may say it."""
    rows = re.findall(r"^\| `(\w+)` \|.*\| `([^|]+)` \|$", PAGE, re.M)
    assert [name for name, _ in rows] == list(Conditions.model_fields)
    for name, example in rows:
        Conditions.model_validate(tomllib.loads(f"{name} = {example}"))


def test_the_route_is_one() -> None:
    """Copied into a file, it is taken."""
    (block,) = re.findall(r"^```toml\n(.*?)^```", PAGE, re.M | re.S)
    (route,) = tomllib.loads(block)["routes"]
    Route.model_validate(route)


def test_the_answer_is_the_real_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Line by line."""
    monkeypatch.chdir(ROOT)
    (shown,) = re.findall(r"^```\n\$ (.*?)^```", PAGE, re.M | re.S)
    command, _, answer = shown.partition("\n")
    assert CliRunner().invoke(app, shlex.split(command)[1:]).stdout == answer
