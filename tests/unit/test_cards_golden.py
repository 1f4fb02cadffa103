"""The cards that people have looked at: docs/cards.md shows their pictures."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ml_connector.destinations.teams.card import MAX_BYTES
from ml_connector.modules import EVENTS
from sandbox.vendors import cards
from tests.card_cases import FOLDER, files, written

FILES = files()
CARDS = [pytest.param(card, id=name) for file in FILES.values() for name, card in file.items()]


@pytest.mark.parametrize("file", FILES)
def test_cards_are_as_they_were_looked_at(file: str) -> None:
    """A card that changes is looked at again: `python -m tests.card_cases`, then `scripts/draw-cards`."""
    assert written(FILES[file]) == (FOLDER / f"{file}.json").read_text(encoding="utf-8")


def test_every_event_type_has_its_card() -> None:
    """None is forgotten when a module comes, and no file stays behind when one goes."""
    assert [name for file in FILES.values() for name in file if name in EVENTS] == list(EVENTS)
    assert {path.stem for path in FOLDER.glob("*.json")} == set(FILES)


@pytest.mark.parametrize("card", CARDS)
def test_golden_cards_are_ones_that_teams_takes(card: dict[str, Any]) -> None:
    """Valid against the schema (microsoft-teams 5.4), and small enough for every transport."""
    assert cards.problems(card) == []
    assert len(json.dumps(card, ensure_ascii=False).encode()) <= MAX_BYTES
