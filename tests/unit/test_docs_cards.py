"""docs/cards.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ml_connector.config.model import Card
from ml_connector.destinations.teams.card import MAX_BYTES, MAX_LINES
from ml_connector.destinations.teams.words import FIELDS, PHRASES, SHOWN, TITLE_PLACEHOLDERS
from tests.card_cases import connection

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "cards.md").read_text("utf-8")


def rows(head: str) -> dict[str, str]:
    """First and second cells of the table whose head begins so."""
    lines = PAGE.partition(f"\n| {head} |")[2].partition("\n\n")[0].splitlines()[2:]
    return {first.strip(" `"): second.strip() for first, second in (line.strip("| ").split(" | ", 1) for line in lines)}


def test_fields_settings_and_words_are_those_of_the_code() -> None:
    """None is missing on the page, none is only there."""
    assert {*rows("field")} - {"custom.cf_…"} == set(FIELDS)
    settings = rows("key")
    assert set(settings) == set(Card.model_fields)
    assert re.findall(r"`(\w+)`", settings["fields"])[: len(SHOWN)] == list(SHOWN)
    assert re.findall(r"\{(\w+)\}", settings["title"])[:-1] == list(TITLE_PLACEHOLDERS)
    assert f"{MAX_LINES} without it" in settings["lines"]
    assert {name: text for name, text in rows("label").items() if name in PHRASES} == PHRASES
    assert f"{MAX_BYTES // 1000} kB" in PAGE


def test_the_settings_shown_are_ones_that_can_be_applied() -> None:
    """People copy them."""
    example = re.findall(r"```toml\n(.*?)```", PAGE, re.S)[1]
    assert connection(card=example).destinations["finance"]["card"]["lines"] == 5


@pytest.mark.parametrize("picture", sorted(path.name for path in (DOCS / "cards").glob("*.png")))
def test_pictures_are_shown_and_small(picture: str) -> None:
    """The page loads at once, and shows all of them."""
    assert f"](cards/{picture})" in PAGE
    assert (DOCS / "cards" / picture).stat().st_size < 60_000
