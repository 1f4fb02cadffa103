"""Column values of every type, as contracts: monday 4 has them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from monday_calls import code, data, item, update
from vendors_desk import Desk

from sandbox.vendors import default_world as w
from sandbox.vendors.monday_columns import COLOURS
from sandbox.vendors.monday_state import MondayColumn

VALUES = """query ($ids: [ID!]!, $cols: [String!]) { items(ids: $ids, limit: 100) { column_values(ids: $cols) {
  id type text value
  ... on EmailValue { email label } ... on PhoneValue { phone country_short_name }
  ... on PeopleValue { persons_and_teams { id kind } } ... on TimelineValue { from to }
  ... on CheckboxValue { checked } ... on BoardRelationValue { linked_item_ids display_value }
  ... on StatusValue { label index is_done } ... on DropdownValue { values { id label } }
  ... on NumbersValue { number symbol direction }
  ... on CreationLogValue { created_at creator_id } ... on ItemIdValue { item_id } } } }"""
SIMPLE = """mutation ($board: ID!, $item: ID!, $col: String!, $value: String) {
  change_simple_column_value(board_id: $board, item_id: $item, column_id: $col, value: $value) { id } }"""
SINGLE = """mutation ($board: ID!, $item: ID!, $col: String!, $value: JSON!) {
  change_column_value(board_id: $board, item_id: $item, column_id: $col, value: $value) { id } }"""
OTHER = "1234567891"


@pytest.fixture
def every(desk: Desk) -> Desk:
    """The default board with a column of each type that the default plan lacks, and a connected board."""
    board = desk.world.monday.boards[w.MONDAY_BOARD]
    for kind in ("email", "phone", "people", "timeline", "checkbox", "creation_log", "item_id", "mirror", "formula"):
        board.columns[kind] = MondayColumn(kind, kind, kind)
    board.columns["linked"] = MondayColumn("linked", "Linked", "board_relation", {"boardIds": [int(OTHER)]})
    seed = {"board_id": OTHER, "account_id": w.MONDAY_ACCOUNT, "name": "Other", "groups": [{"id": "g", "title": "G"}]}
    desk.world.sow({"monday": {"boards": [seed]}})
    return desk


def cell(desk: Desk, key: str, column: str) -> dict[str, Any]:
    """One cell through the API."""
    (found,) = data(desk.monday(VALUES, {"ids": [key], "cols": [column]}))["items"]
    return dict(found["column_values"][0])


GOOD: list[tuple[str, Any, dict[str, Any]]] = [
    ("email", {"email": "a@b.c", "text": "A"}, {"email": "a@b.c", "label": "A", "text": "A"}),
    ("phone", {"phone": "+12025550169", "countryShortName": "US"}, {"phone": "+12025550169"}),
    ("people", {"personsAndTeams": [{"id": int(w.MONDAY_USER), "kind": "person"}]}, {"text": w.MONDAY_USER}),
    ("timeline", {"from": "2026-12-01", "to": "2026-12-05"}, {"from": "2026-12-01", "text": "2026-12-01 - 2026-12-05"}),
    ("checkbox", {"checked": "true"}, {"checked": True}),
    ("zb_status", {"label": "Paid"}, {"label": "Paid", "index": 1, "is_done": True, "value": '{"index": 1}'}),
    ("zb_currency", {"labels": ["USD"]}, {"values": [{"id": "2", "label": "USD"}], "text": "USD"}),
    ("zb_total_base", "5", {"number": 5.0, "text": "5.00", "symbol": "€", "direction": "left"}),
]


@pytest.mark.parametrize(("column", "value", "expected"), GOOD)
def test_values_read_back_in_the_fields_of_their_type(
    every: Desk, column: str, value: Any, expected: dict[str, Any]
) -> None:
    """4: the read fields."""
    assert expected.items() <= cell(every, item(every, {column: value}), column).items()


@pytest.mark.parametrize(
    ("column", "clear"),
    [
        *((column, None) for column, *_ in GOOD),
        ("email", ""),
        ("email", {}),
        ("timeline", {}),
        ("zb_status", {}),
        ("zb_currency", {"labels": []}),
        ("zb_number", ""),
        ("linked", None),
    ],
)
def test_each_type_is_cleared_its_own_way(every: Desk, column: str, clear: Any) -> None:
    """4: the column "clear"; a cleared cell has no value."""
    target = item(every, board=OTHER)
    values = {name: value for name, value, _ in GOOD} | {"zb_number": "x", "linked": {"item_ids": [int(target)]}}
    key = item(every, {column: values[column]})
    data(update(every, key, {column: clear}))
    assert every.world.monday.items[key].values.get(column) is None
    assert cell(every, key, column)["value"] is None


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("email", {"email": "a@b.c"}, "ColumnValueException"),
        ("email", {"email": "nobody", "text": "x"}, "ColumnValueException"),
        ("phone", {"phone": "+12025550169", "countryShortName": "us"}, "ColumnValueException"),
        ("phone", {"phone": "ask at the desk", "countryShortName": "US"}, "ColumnValueException"),
        ("people", {"personsAndTeams": [{"id": "a@b.c", "kind": "person"}]}, "ColumnValueException"),
        ("people", {"personsAndTeams": [{"id": 4711, "kind": "person"}]}, "InvalidUserIdException"),
        ("timeline", {"from": "2026-12-05", "to": "2026-12-01"}, "ColumnValueException"),
        ("checkbox", {"checked": True}, "ColumnValueException"),
        ("linked", {"item_ids": "1"}, "ColumnValueException"),
        ("linked", {"item_ids": [1]}, "ColumnValueException"),
        ("creation_log", "x", "CorrectedValueException"),
        ("item_id", "1", "CorrectedValueException"),
        ("mirror", "x", "CorrectedValueException"),
        ("formula", "x", "CorrectedValueException"),
        ("subitems", {"item_ids": [1]}, "CorrectedValueException"),
    ],
)
def test_values_of_a_wrong_shape_are_refused(every: Desk, column: str, value: Any, expected: str) -> None:
    """4: both keys of an email, user ids not e-mails, connected boards only, read-only types."""
    assert code(update(every, item(every), {column: value})) == expected


@pytest.mark.parametrize("column", ["timeline", "checkbox", "linked"])
def test_some_types_take_no_plain_string(every: Desk, column: str) -> None:
    """4: "not supported" is a CorrectedValueException."""
    answer = every.monday(SIMPLE, {"board": w.MONDAY_BOARD, "item": item(every), "col": column, "value": "x"})
    assert code(answer) == "CorrectedValueException"


def test_connected_boards_are_written_by_two_mutations_and_read_without_text_and_value(every: Desk) -> None:
    """4: create_item and change_multiple_column_values; `text` and `value` are always null."""
    target = item(every, board=OTHER)
    key = item(every, {"linked": {"item_ids": [target]}})
    expected = {"id": "linked", "type": "board_relation", "text": None, "value": None, "linked_item_ids": [target]}
    assert expected.items() <= cell(every, key, "linked").items()
    single = {"board": w.MONDAY_BOARD, "item": key, "col": "linked", "value": json.dumps({"item_ids": []})}
    assert code(every.monday(SINGLE, single)) == "CorrectedValueException"


def test_what_the_board_computes_is_read(every: Desk) -> None:
    """4: creation log and item id."""
    key = item(every)
    assert cell(every, key, "item_id")["item_id"] == key
    assert cell(every, key, "creation_log")["creator_id"] == w.MONDAY_USER


def test_a_deactivated_label_is_no_label_and_its_cells_stay(every: Desk) -> None:
    """4: `is_deactivated`; what a person took away cannot be written, what holds it still shows it."""
    key = item(every, {"zb_status": {"label": "Paid"}, "zb_currency": {"ids": [1]}})
    for column, label in (("zb_status", "Paid"), ("zb_currency", "EUR")):
        body = {"do": "delete_label", "board": w.MONDAY_BOARD, "column": column, "label": label}
        assert every.control("POST", f"monday/people/{w.MONDAY_PERSON}", body).status == 200
        assert cell(every, key, column)["text"] == label
    assert code(update(every, key, {"zb_status": {"index": COLOURS["done_green"]}})) == "ColumnValueException"
    assert code(update(every, key, {"zb_currency": {"labels": ["EUR"]}})) == "ColumnValueException"


def test_a_missing_dropdown_label_names_those_that_exist(desk: Desk) -> None:
    """4: "for dropdowns the message lists the existing labels"."""
    answer = update(desk, item(desk), {"zb_currency": {"labels": ["XXX"]}})
    assert "1: EUR" in answer.json()["errors"][0]["message"]


def test_four_byte_unicode_is_text_like_any_other(desk: Desk) -> None:
    """A name of 255 characters of it fits, one more does not (3.3)."""
    key = item(desk, {"zb_party": "𝔄🧾"}, name="🧾" * 255)
    assert cell(desk, key, "zb_party")["text"] == "𝔄🧾"


def test_the_values_of_an_item_take_64_kb_together(desk: Desk) -> None:
    """3.3."""
    key = item(desk, {"zb_party": "x" * 60_000})
    assert code(update(desk, key, {"zb_number": "x" * 6_000})) == "ColumnValueException"
