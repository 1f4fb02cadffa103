"""docs/monday.md says what the file takes: it and the model agree."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from ml_connector.config.load import parse
from ml_connector.config.model import ColumnType, Monday
from ml_connector.destinations.monday.columns import facts
from tests.fakes import connection, delivery, record_of

TEXT = (Path(__file__).parents[2] / "docs" / "monday.md").read_text(encoding="utf-8")
FILE = """
connection = "acme-eu"
zoho = {{ region = "eu", organization_id = "20081234567" }}
routes = [{{ to = ["ledger"] }}]
[destinations.ledger]
type = "monday"
board_id = 1
{rest}
"""


def section(title: str) -> str:
    return TEXT.split(f"\n## {title}\n")[1].split("\n## ")[0]


def first_words(text: str) -> list[str]:
    """What the first column of its tables names."""
    return re.findall(r'^\| `"?(\w+)"?`', text, re.M)


def test_every_type_has_its_row() -> None:
    assert first_words(section("Columns")) == list(get_args(ColumnType))


def test_every_fact_is_named() -> None:
    """A fact that nobody reads about is mapped by nobody; what is in `zoho` stands there under Zoho's names."""
    known = set(facts(record_of(delivery()), connection())) - {
        "lines",
        "applied",
        "id",
        "external_id",
        "zoho",
        "custom",
    }
    named = set(re.findall(r"`([\w.]+)[`<]", section("Columns")))
    assert known <= named, known - named


def test_every_choice_has_its_row() -> None:
    rows = {
        "lines": section("Line items"),
        "payments": section("States and payments"),
        "gone": section("One item, once"),
    }
    for name, text in rows.items():
        field = Monday.model_fields[name]
        assert set(get_args(field.annotation)) <= set(first_words(text)), name
        assert f'`"{field.default}"` (if nothing is said)' in text, name


def test_examples_are_taken() -> None:
    """What the page shows of a file can be pasted."""
    for title in ("Columns", "Line items", "States and payments"):
        for example in re.findall(r"```toml\n(.*?)```", section(title), re.S):
            parse(FILE.format(rest=example.replace("[destinations.ledger]\n", "")).encode(), title)
