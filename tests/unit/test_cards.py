"""The card of a record (contracts: microsoft-teams 5)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft6Validator

from ml_connector.destinations.teams.card import MAX_BYTES, MAX_LINES, card, escape, summary
from ml_connector.modules import ACTIONS, MODULES
from sandbox.vendors import cards
from tests.fakes import connection, delivery, payload, record_of

_INJECTION = "[click](https://evil.example) **b** _i_ `c` # h\n- l\n1. n <at>x</at> {{DATE(2026-01-01T00:00:00Z)}} \\"
_RTL = "شركة الميناء \u202eevil\u202c للتجارة 株式会社 🧾"


def _line(number: int) -> dict[str, Any]:
    return {"line_item_id": str(number), "name": f"Position {number} " + "x" * 300, "quantity": 3, "item_total": "9.99"}


VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "500 lines": {"line_items": [_line(number) for number in range(500)]},
    "no lines": {"line_items": ""},
    "other currency": {"currency_code": "JPY", "exchange_rate": "0.0061"},
    "injection": {"reference_number": _INJECTION, "status": _INJECTION, "payment_mode": _INJECTION},
    "right to left": {"reference_number": _RTL, "line_items": [{"name": _RTL}]},
    "long": {"reference_number": "9" * 100_000, "status": "s" * 100_000, "payment_mode": "m" * 100_000},
    "huge amounts": {"total": "9" * 30, "amount": "9" * 30, "exchange_rate": "1234.5678901"},
}


def _deliveries() -> Iterator[Any]:
    for module, shape in MODULES.items():
        for action in ACTIONS:
            for name, changes in VARIANTS.items():
                named = {"injection": _INJECTION, "right to left": _RTL, "long": "n" * 100_000}
                parties = {shape.party[0]: named[name], shape.number_field: named[name]} if name in named else {}
                settled = (
                    {shape.settles[0]: [{shape.settles[1]: name, "amount_applied": "1"}] * 500} if shape.settles else {}
                )
                each = delivery(module=module, action=action, **{**changes, **parties, **settled})
                yield pytest.param(each, id=f"{each.event.name}, {name}")
            bare: dict[str, Any] = {key: "" for key in payload(module) if key != shape.id_field}
            yield pytest.param(delivery(module=module, action=action, **bare), id=f"{module}.{action}, missing fields")


SCHEMAS: list[Path] = sorted({cards.EXCERPT, cards.schema_path()})
"""Our excerpt, and the real schema where the contracts lie beside the repository."""


@pytest.mark.parametrize("each", list(_deliveries()))
def test_every_card_is_one_that_teams_takes(each: Any) -> None:
    """Whatever stands in the record: valid against the schema (5.4), within its size, with text for old clients."""
    content = card(each.event, record_of(each), connection())
    assert [cards.problems(content, schema) for schema in SCHEMAS] == [[]] * len(SCHEMAS)
    assert (content["version"], content["msteams"]) == ("1.5", {"width": "Full"})
    assert len(json.dumps(content, ensure_ascii=False).encode()) <= MAX_BYTES
    assert 0 < len(summary(each.event, record_of(each))) <= 400


@pytest.mark.parametrize("module", MODULES)
def test_plain_validator_agrees(module: str) -> None:
    """The same verdict without the shortcuts of our own check."""
    each = delivery(module=module)
    content = card(each.event, record_of(each), connection())
    del content["msteams"]
    Draft6Validator(json.loads(cards.schema_path().read_text(encoding="utf-8"))).validate(content)


def texts(node: Any) -> list[str]:
    """All that a reader sees."""
    if isinstance(node, list):
        return [text for each in node for text in texts(each)]
    if isinstance(node, dict):
        own = [node[key] for key in ("text", "value") if isinstance(node.get(key), str)]
        return own + [text for each in node.values() for text in texts(each)]
    return []


def shown(**changes: Any) -> list[str]:
    each = delivery(**changes)
    return texts(card(each.event, record_of(each), connection())["body"])


def test_facts_that_matter_are_there() -> None:
    """Number, party, amount with its currency, status, dates, balance, and the id that leads back to Zoho."""
    text = shown(status="partially_paid")
    for wanted in (
        "New invoice INV-000412", "Harbour Lane Bakery", "1,284.50 EUR", "Partially paid", "20 Nov 2026",
        "5 Dec 2026", "460000000098765",
    ):  # fmt: skip
        assert wanted in text


def test_later_states_do_not_call_it_new() -> None:
    """The same card, brought up to date, speaks of the record as it is."""
    assert shown(action="updated")[0] == "Invoice INV-000412"


def test_link_opens_the_record_in_its_data_centre() -> None:
    """One click from the channel to the books."""
    each = delivery()
    (action,) = card(each.event, record_of(each), connection())["actions"]
    assert action["url"] == "https://books.zoho.eu/app/20081234567#/invoices/460000000098765"


def test_line_items_fold() -> None:
    """Ten lines, and how many more there are."""
    text = shown(line_items=[{"name": f"Position {number}", "item_total": "1"} for number in range(47)])
    assert sum(each.startswith("Position") for each in text) == MAX_LINES
    assert text[-1] == "and 37 more lines"
    assert shown(line_items=[{"name": "x"}] * 11)[-1] == "and 1 more line"


def test_other_currencies_show_the_books_own() -> None:
    """A foreign invoice says what it is in the organization's currency."""
    assert "1,412.95 at 1.1" in shown(currency_code="USD", exchange_rate="1.1")
    assert not [text for text in shown(exchange_rate="1.0") if " at " in text]


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("Ölmühle & Söhne, Inc. - 50% off", "Ölmühle & Söhne, Inc. - 50% off"),
        ("[click](https://evil.example)", "\\[click\\]\\(https://evil.example\\)"),
        ("**bold** _it_ `c`", "\\*\\*bold\\*\\* \\_it\\_ \\`c\\`"),
        ("\\[not a link](x)", "\\\\\\[not a link\\]\\(x\\)"),
        ("# heading > quote | cell ~s~", "\\# heading \\> quote \\| cell \\~s\\~"),
        ("- item", "\\- item"),
        ("+ item", "\\+ item"),
        ("* item", "\\* item"),
        ("1. item", "1\\. item"),
        ("1) item", "1\\) item"),
        ("2026-11-22", "2026-11-22"),
        ("3.14", "3.14"),
        ("-5", "-5"),
        ("a\n\n- b\r\n1. c", "a - b 1. c"),
        ("{{DATE(2026-01-01T00:00:00Z, SHORT)}}", "{ {DATE\\(2026-01-01T00:00:00Z, SHORT\\)}}"),
        ("{{{x", "{ { {x"),
    ],
)
def test_markdown_of_strangers_is_shown_not_obeyed(text: str, escaped: str) -> None:
    """A customer's name can hold anything (5.3); a digit is not escaped, for a backslash would show there."""
    assert escape(text) == escaped


@given(st.text(max_size=300))
def test_escaped_text_is_one_short_line_without_open_markdown(text: str) -> None:
    """No text makes a link, a list, a second line or an unlimited card."""
    escaped = escape(text)
    assert len(escaped.replace("\\", "")) <= 200
    assert len(escaped.splitlines()) <= 1 or not any(each in escaped for each in "\r\n")
    plain = escaped.replace("\\\\", "")
    assert not [each for each in "[]()*_`" if plain.count(each) != plain.count("\\" + each)]
    assert "{{" not in escaped
