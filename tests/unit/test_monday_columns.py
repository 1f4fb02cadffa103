"""What a record says and how each column type takes it (contracts: monday 3.3, 4, 12)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_connector.board_items import cut
from ml_connector.config.load import parse
from ml_connector.destinations.monday.columns import Columns, encode, facts
from ml_connector.errors import ConfigError, Undeliverable
from ml_connector.records import read
from tests.fakes import connection, delivery, record_of

EURO = {"from": "amount", "type": "numbers", "currency": "EUR"}


def said(module: str = "invoice", **changes: Any) -> dict[str, Any]:
    return facts(record_of(delivery(module=module, **changes)), connection())


def written(columns: dict[str, Any], **changes: Any) -> dict[str, Any]:
    record = record_of(delivery(**changes))
    return Columns(columns).values(facts(record, connection()), record.title, record.currency)


@pytest.mark.parametrize(
    ("kind", "value", "labels", "expected"),
    [
        ("status", "paid", {"paid": 3}, {"index": 3}),
        ("status", "paid", {"*": 0}, {"index": 0}),
        ("dropdown", "EUR", {"EUR": 2}, {"ids": [2]}),
        ("dropdown", ["EUR", "USD"], {}, {"labels": ["EUR", "USD"]}),
        ("dropdown", [], {}, None),
        ("dropdown", ["", None], {}, None),
        ("people", "Jo Lane", {"Jo Lane": 12345}, {"personsAndTeams": [{"id": 12345, "kind": "person"}]}),
        ("people", "Nobody", {"Jo Lane": 12345}, None),
        ("people", ["A", "B", "B"], {"A": 1, "B": "team:7"}, {"personsAndTeams": [
            {"id": 1, "kind": "person"}, {"id": 7, "kind": "team"}]}),
        ("timeline", ["2026-11-20", "2026-12-05"], {}, {"from": "2026-11-20", "to": "2026-12-05"}),
        ("timeline", ["2026-12-05", "2026-11-20"], {}, {"from": "2026-11-20", "to": "2026-12-05"}),
        ("timeline", ["2026-11-20", None], {}, {"from": "2026-11-20", "to": "2026-11-20"}),
        ("timeline", [None, None], {}, None),
        ("email", "not an address", {}, None),
        ("email", "a@b.example", {}, {"email": "a@b.example", "text": "a@b.example"}),
        ("link", "www.acme.example", {}, {"url": "https://www.acme.example", "text": "Invoice 1"}),
        ("checkbox", False, {}, None),
        ("checkbox", "true", {}, {"checked": "true"}),
        ("numbers", "0", {}, "0"),
        ("numbers", "0.00", {}, "0.00"),
        ("numbers", "-12.50", {}, "-12.50"),
        ("text", "😀" * 3000, {}, "😀" * 1000),
    ],
)  # fmt: skip
def test_every_type_has_its_own_form(kind: str, value: Any, labels: dict[str, Any], expected: Any) -> None:
    """The table of section 4; ids of labels are sent as `index` or `ids`, and what is empty is null."""
    assert encode(kind, value, labels, "Invoice 1") == expected


@pytest.mark.parametrize(
    ("text", "country", "expected"),
    [
        ("+1 (202) 555-0169", "US", {"phone": "+12025550169", "countryShortName": "US"}),
        ("call us", "US", None),
        ("12", "US", None),
    ],
)
def test_phone_is_digits_and_a_country(text: str, country: str, expected: Any) -> None:
    """What cannot be a number leaves the cell empty: a record is not lost for a phone number."""
    assert encode("phone", text, {}, "", country) == expected


@pytest.mark.parametrize("kind", ["text", "long_text", "numbers", "status", "dropdown", "date", "timeline", "link",
                                  "email", "phone", "people", "checkbox"])  # fmt: skip
@pytest.mark.parametrize("nothing", [None, "", []])
def test_nothing_is_null_in_every_type(kind: str, nothing: Any) -> None:
    """Only null clears: "" would store 0 in a numbers column (0, fact 5)."""
    assert encode(kind, nothing, {}, "", "US") is None


@pytest.mark.parametrize(("kind", "value"), [("status", "2023"), ("dropdown", "7"), ("numbers", "NaN"),
                                             ("numbers", "Infinity"), ("numbers", "1.000,50")])  # fmt: skip
def test_what_monday_would_take_for_something_else_is_told(kind: str, value: str) -> None:
    """A label of digits is read as an id, and what is no number must not become one: the column is named."""
    column = {"zb_x": {"from": "zoho.x", "type": kind}}
    with pytest.raises(Undeliverable, match="column zb_x"):
        written(column, x=value)


def test_amounts_of_several_currencies_stay_apart() -> None:
    """A column for one currency is empty for others, so that its sum means something; the text says which (4)."""
    columns = {
        "eur": EURO,
        "usd": {**EURO, "currency": "USD"},
        "base": {"from": "base_amount", "type": "numbers"},
        "text": {"from": "amount_text", "type": "text"},
    }
    dollars = {"currency_code": "USD", "total": "100.00", "exchange_rate": "0.9"}
    assert written(columns) == {"eur": "1284.50", "usd": None, "base": "1284.50", "text": "1,284.50 EUR"}
    assert written(columns, **dollars) == {"eur": None, "usd": "100.00", "base": "90.000", "text": "100.00 USD"}


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"balance": "1284.50"}, "unpaid"),
        ({"balance": "84.50"}, "partially_paid"),
        ({"balance": 0}, "paid"),
        ({"balance": "0.00", "status": "overdue"}, "paid"),
        ({"balance": "1284.50", "status": "void"}, ""),
        ({"balance": "1284.50", "status": "draft"}, ""),
        ({"balance": ""}, ""),
        ({"module": "customer_payment", "balance": "", "payment_status": "paid"}, "paid"),
    ],
)
def test_payment_status_is_by_what_is_still_due(changes: dict[str, Any], status: str) -> None:
    """Beside Zoho's status, which says "overdue" of what is partly paid."""
    assert said(**changes)["payment_status"] == status


def test_facts_beside_the_record() -> None:
    """Whose it is and where it is, for boards that several organizations share."""
    found = said(balance="84.50")
    assert found["balance_text"] == "84.50 EUR"
    assert (found["organization"], found["connection"]) == ("20081234567", "acme-eu")
    assert found["external_id"] == "zb:20081234567:invoice:460000000098765"


@pytest.mark.parametrize("total", ["0", "-50.00", "0.00"])
def test_zero_and_negative_amounts_are_written(total: str) -> None:
    """0 is an amount; only what is missing is null."""
    assert written({"a": {"from": "amount", "type": "numbers"}}, total=total) == {"a": total}


def test_missing_date_is_an_empty_cell() -> None:
    """No date is no reason to stop a record."""
    columns = {"d": {"from": "date", "type": "date"}, "t": {"from": "[date, due]", "type": "timeline"}}
    assert written(columns, date="", due_date="") == {"d": None, "t": None}


@given(text=st.text(alphabet=st.characters(), max_size=400), length=st.integers(2, 255))
def test_cut_fits_however_characters_are_counted(text: str, length: int) -> None:
    """Code points or UTF-16: never more than allowed, never half an emoji, and untouched if it fits (3.3)."""
    short = cut(text, length)
    assert len(short.encode("utf-16-le", "replace")) <= 2 * length
    assert len(short) <= length
    if len(text.encode("utf-16-le", "replace")) <= 2 * length:
        assert short == text


@pytest.mark.parametrize(("kind", "text", "value", "same"), [
    ("numbers", "1284.5", "1284.50", True),
    ("numbers", "1,284.5", "1284.50", False),
    ("numbers", "", "0", False),
    ("numbers", "", None, True),
    ("numbers", "0", None, False),
    ("text", "a", "a", True),
    ("long_text", "a", {"text": "b"}, False),
    ("date", "2026-12-05", {"date": "2026-12-05"}, True),
    ("date", "2026-12-05 09:00", {"date": "2026-12-05", "time": "09:00:30"}, True),
    ("status", "Paid", {"label": "Paid"}, True),
    ("status", "Paid", {"index": 3}, False),
    ("dropdown", "EUR, USD", {"labels": ["EUR", "USD"]}, True),
    ("people", "Jo", {"personsAndTeams": []}, False),
])  # fmt: skip
def test_a_cell_is_only_left_if_it_surely_shows_the_value(kind: str, text: str, value: Any, same: bool) -> None:
    """In doubt it is written again."""
    assert Columns({"c": {"from": "x", "type": kind}}).same("c", text, value) is same


# --- the file ----------------------------------------------------------------------------------------------------

FILE = """
connection = "acme-eu"
[zoho]
region = "eu"
organization_id = "20081234567"
[destinations.ledger]
type = "monday"
board_id = 1
{more}
[[routes]]
to = ["ledger"]
"""


def compiled(more: str) -> dict[str, Any]:
    found: dict[str, Any] = parse(FILE.format(more=more).encode(), "acme.toml").compiled()["destinations"]["ledger"]
    return found


def test_columns_are_added_and_left_out_by_the_file() -> None:
    """A finance team needs no code, and need not repeat the plan, to have a column more or less."""
    more = 'without = ["zb_rate", "zb_synced"]\nalso = {{ owner = {{ from = "custom.cf_owner", type = "text" }} }}'
    plan, changed = compiled("")["columns"], compiled(more.replace("{{", "{").replace("}}", "}"))
    assert set(plan) - set(changed["columns"]) == {"zb_rate", "zb_synced"}
    assert set(changed["columns"]) - set(plan) == {"owner"}
    assert not {"also", "without"} & set(changed), "what the functions see is the outcome"


def test_line_is_written_as_amounts_are_and_its_quantity_without_empty_decimals() -> None:
    """With the currency's own decimals; what Zoho does not say is left out."""
    lines = [
        {"line_item_id": "1", "name": "Crate", "quantity": "2.50", "item_total": "12500"},
        {"line_item_id": "2", "name": "Pallet", "quantity": "100.00", "item_total": 0},
        {"line_item_id": "3", "name": "Advice"},
    ]
    text = facts(record_of(delivery(line_items=lines, currency_code="JPY")), connection())["lines_text"]
    assert text == "2.5 × Crate: 12,500 JPY\n100 × Pallet: 0 JPY\nAdvice"


@pytest.mark.parametrize(("module", "name"), [("customer_payment", "unused_amount"), ("vendor_payment", "balance")])
def test_balance_of_a_payment_is_what_is_not_applied_or_nothing(module: str, name: str) -> None:
    """Zoho has a word of its own for each kind; the column is alike."""
    shown = [
        facts(read(module, {"payment_id": "1", "amount": 90, "currency_code": "EUR", name: left}), connection())
        for left in ("40.5", 0, "")
    ]
    assert [each["balance"] for each in shown] == ["40.5", None, None]
    assert [each["balance_text"] for each in shown] == ["40.50 EUR", "", ""]


def test_without_lines_there_is_no_summary_of_them() -> None:
    """lines = "none" leaves them out whole."""
    assert "zb_lines" in compiled("")["columns"]
    assert "zb_lines" not in compiled('lines = "none"')["columns"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ('without = ["zb_due_date"]', "none of the columns"),
        ('lines = "text"\nwithout = ["zb_lines"]', "needs a long_text column"),
        ('line_id_column = "zb_line_no"', "holds the line's id"),
        ('columns.a = { from = "amount", type = "text", currency = "EUR" }', "numbers columns only"),
        ('columns.a = { from = "zoho.phone", type = "phone" }', "needs country"),
        ('columns.a = { from = "party", type = "people" }', "needs labels"),
        ('columns.a = { from = "party", type = "people", labels = { Jo = "jo@acme.example" } }', "no id of a user"),
        ('columns.a = { from = "party", type = "text", labels = { Jo = "J" } }', "labels are for"),
        ('columns.a = { from = "status", type = "status", labels = { paid = "2023" } }', "write that as a number"),
        ('groups = { "invoices.paid" = "new_group" }', "not a module"),
        ('groups = { paid = "new group" }', "must be a group's id"),
        ('gone = "forget"', "gone"),
        ('lines = "items"', "lines"),
        ('payments = "all"', "payments"),
    ],
)
def test_a_slip_in_the_file_is_told(more: str, message: str) -> None:
    """With the key and the way out, before anything is delivered."""
    with pytest.raises(ConfigError, match=message):
        compiled(more)
