"""docs/teams.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from ml_connector.clouds import CLOUDS
from ml_connector.config.model import Teams
from ml_connector.vendors.microsoft import faults
from mlc import teams_app

PAGE = (Path(__file__).parents[2] / "docs" / "teams.md").read_text("utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| ")]


def words() -> str:
    """All that the tables of Microsoft's refusals say to people."""
    tables = (faults.CONNECTOR.rows, faults.PERSONAL.rows, faults.GRAPH.rows, faults.WORKFLOW.rows, faults.ENTRA)
    return " ".join(row.says for table in tables for row in table.values()).lower()


def test_every_transport_has_its_row() -> None:
    """What each can and cannot do, in the one table that people choose by."""
    listed = [match[1] for row in ROWS if (match := re.match(r"`(\w+)`", row[0])) and len(row) == 9]
    assert sorted(listed) == sorted([*get_args(Teams.model_fields["transport"].annotation), "transport"])


def test_every_cloud_has_its_row() -> None:
    """With what is missing there, as the table of clouds says."""
    listed = {match[1]: row[2] for row in ROWS if len(row) == 3 and (match := re.match(r"`(\w+)`", row[0]))}
    listed.pop("cloud")
    assert {name: {word for word, missing in _missing(name).items() if missing} for name in CLOUDS} == {
        name: set(re.findall(r"`(\w+)`", text)) for name, text in listed.items()
    }


def _missing(name: str) -> dict[str, bool]:
    cloud = CLOUDS[name]
    return {"workflows": not cloud.workflows, "edits": not cloud.edits, "bot": not cloud.service}


def test_sentences_to_look_up_are_said_by_the_code() -> None:
    """Whoever searches the page for what stood in an error finds it."""
    said = [row[0].lower() for row in ROWS if len(row) == 2 and row[0] not in ("it says", "---")]
    assert len(said) >= 10
    for sentence in said[:-1]:
        assert sentence in words(), sentence
    for part in ("revoked", "inactivity", "sign in again"):
        assert part in words()


def test_permissions_are_those_of_the_app() -> None:
    """An administrator reads here what the app will ask for."""
    for name in teams_app.PERMISSIONS:
        assert name in PAGE or name == "TeamsActivity.Send.Group", name
