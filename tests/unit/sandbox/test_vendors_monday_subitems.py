"""Subitems, and what multi-level boards do with them. contracts: monday 3.1, 3.3, 3.4, 4."""

from __future__ import annotations

import json
from typing import Any

import pytest
from monday_calls import SUBITEM, code, data, item, subitem, update
from vendors_desk import Desk

from sandbox.vendors import default_world as w

LINES = w.MONDAY_SUBITEM_BOARD
EXISTING = """query ($parents: [ID!]!, $col: [String!]) { items(ids: $parents, limit: 100) { id
  subitems { id name state board { id } parent_item { id } column_values(ids: $col) { id text } } } }"""
TOWER = {
    "board_id": "777",
    "account_id": w.MONDAY_ACCOUNT,
    "name": "Tower",
    "hierarchy_type": "multi_level",
    "groups": [{"id": "g", "title": "G"}],
}


def existing(desk: Desk, parent: str, column: str = "zb_line_id") -> list[dict[str, Any]]:
    """The subitems of one item, read by its id."""
    (found,) = data(desk.monday(EXISTING, {"parents": [parent], "col": [column]}))["items"]
    return list(found["subitems"])


def test_subitems_live_on_a_hidden_board_with_columns_of_their_own(desk: Desk) -> None:
    """3.1: the parent's column ids mean nothing there."""
    parent = item(desk)
    made = subitem(desk, parent, {"zb_line_id": "1", "zb_line_total": "310.5"})
    (line,) = existing(desk, parent)
    assert (line["id"], line["board"]["id"], line["parent_item"]["id"]) == (made, LINES, parent)
    assert line["column_values"] == [{"id": "zb_line_id", "text": "1"}]
    refused = desk.monday(SUBITEM, {"parent": parent, "name": "x", "cols": json.dumps({"zb_number": "1"})})
    assert code(refused) == "InvalidColumnIdException"


def test_subitems_are_changed_on_their_own_board(desk: Desk) -> None:
    """3.1: `change_multiple_column_values(board_id: <subitem board>)`; the parent's board is the wrong one."""
    made = subitem(desk, item(desk), {"zb_line_id": "1"})
    data(update(desk, made, {"zb_line_total": "2"}, board=LINES))
    assert code(update(desk, made, {"zb_number": "2"})) == "InvalidArgumentException"
    assert desk.world.monday.items[made].values == {"zb_line_id": "1", "zb_line_total": "2"}


def test_items_are_not_made_on_a_subitem_board(desk: Desk) -> None:
    """5.3: "subitem board id where a board id is due"."""
    query = 'mutation ($b: ID!) { create_item(board_id: $b, item_name: "x") { id } }'
    assert code(desk.monday(query, {"b": LINES})) == "InvalidArgumentException"


def test_several_are_made_in_one_request_and_each_fails_alone(desk: Desk) -> None:
    """3.1: aliases run one after the other; `data.<alias>` and `errors[].path[0]` say what became of each."""
    query = """mutation ($p: ID!, $c: JSON!, $bad: JSON!) {
      l0: create_subitem(parent_item_id: $p, item_name: "a", column_values: $c) { id }
      l1: create_subitem(parent_item_id: $p, item_name: "b", column_values: $bad) { id }
      l2: create_subitem(parent_item_id: $p, item_name: "c", column_values: $c) { id }
      complexity { query } }"""
    parent = item(desk)
    given = {"p": parent, "c": '{"zb_line_id": "1"}', "bad": '{"zb_line_total": "much"}'}
    answer = desk.monday(query, given).json()
    assert answer["data"]["l1"] is None
    assert [one["path"] for one in answer["errors"]] == [["l1"]]
    assert [one["name"] for one in existing(desk, parent)] == ["a", "c"]
    assert answer["data"]["complexity"]["query"] > 30_000


def test_a_key_covers_the_whole_request(desk: Desk) -> None:
    """6: repeated, the aliased creates make nothing new."""
    query = """mutation ($p: ID!) { a: create_subitem(parent_item_id: $p, item_name: "a") { id }
      b: create_subitem(parent_item_id: $p, item_name: "b") { id } }"""
    parent = item(desk)
    first, second = (desk.monday(query, {"p": parent}, {"Idempotency-Key": "k"}) for _ in range(2))
    assert second.headers["Idempotency-Replayed"] == "true"
    assert first.body == second.body
    assert len(existing(desk, parent)) == 2


def test_without_a_subitems_column_there_are_no_subitems(desk: Desk) -> None:
    """3.1: `create_subitem` fails; creating the column is the way out."""
    made = data(desk.monday('mutation { create_board(board_name: "B", board_kind: private) { id } }'))
    board = made["create_board"]["id"]
    parent = item(desk, board=board)
    ask = {"parent": parent, "name": "x", "cols": "{}"}
    assert code(desk.monday(SUBITEM, ask)) == "InvalidArgumentException"
    column = 'mutation ($b: ID!) { create_column(board_id: $b, title: "Subitems", column_type: subtasks) { settings } }'
    hidden = str(data(desk.monday(column, {"b": board}))["create_column"]["settings"]["boardIds"][0])
    assert data(desk.monday(SUBITEM, ask))["create_subitem"]["board"]["id"] == hidden
    assert code(desk.monday(column, {"b": board})) == "InvalidArgumentException"
    columns = data(desk.monday("query ($b: [ID!]) { boards(ids: $b) { type columns { id } } }", {"b": [hidden]}))
    assert columns["boards"][0]["type"] == "sub_items_board"
    new = (
        """mutation ($b: ID!) { create_column(board_id: $b, id: "zb_line_id", title: "x", column_type: text) { id } }"""
    )
    assert data(desk.monday(new, {"b": hidden}))["create_column"]["id"] == "zb_line_id"


def test_a_subitem_has_no_subitems_on_a_classic_board(desk: Desk) -> None:
    """Two levels, not more."""
    line = subitem(desk, item(desk))
    assert code(desk.monday(SUBITEM, {"parent": line, "name": "x", "cols": "{}"})) == "InvalidArgumentException"


def test_the_subitems_column_only_shows(desk: Desk) -> None:
    """3.1: read-only through `column_values`; ids and names are there, `text` and `value` are null."""
    parent = item(desk)
    line = subitem(desk, parent)
    query = """query ($i: [ID!]) { items(ids: $i) { column_values(ids: ["subitems"]) { text value
      ... on SubtasksValue { is_leaf subitems_ids display_value } } } }"""
    (found,) = data(desk.monday(query, {"i": [parent]}))["items"][0]["column_values"]
    assert found == {"text": None, "value": None, "is_leaf": False, "subitems_ids": [line], "display_value": "Oven"}


@pytest.mark.parametrize(("verb", "state"), [("archive_item", "archived"), ("delete_item", "deleted")])
def test_an_item_takes_its_subitems_along(desk: Desk, verb: str, state: str) -> None:
    """3.1; a restored one brings back those that went with it, and no others."""
    parent = item(desk)
    gone, along = subitem(desk, parent, name="gone"), subitem(desk, parent, name="along")
    retire = f"mutation ($i: ID) {{ {verb}(item_id: $i) {{ state }} }}"
    other = "delete_item" if verb == "archive_item" else "archive_item"
    data(desk.monday(f"mutation ($i: ID) {{ {other}(item_id: $i) {{ id }} }}", {"i": gone}))
    assert [one["id"] for one in existing(desk, parent)] == [along]
    assert data(desk.monday(retire, {"i": parent}))[verb]["state"] == state
    assert desk.world.monday.items[along].state == state
    assert existing(desk, parent) == []
    desk.control("POST", f"monday/people/{w.MONDAY_PERSON}", {"do": "restore", "item": parent})
    assert [one["id"] for one in existing(desk, parent)] == [along]


def test_an_item_has_room_for_so_many(desk: Desk) -> None:
    """3.3: no figure is published; the board's is."""
    parent = item(desk)
    desk.control("PATCH", f"monday/boards/{w.MONDAY_BOARD}", {"subitems_limit": 1})
    subitem(desk, parent)
    assert code(desk.monday(SUBITEM, {"parent": parent, "name": "x", "cols": "{}"})) == "ItemsLimitationException"


def test_reading_subitems_costs_more(desk: Desk) -> None:
    """3.1: they raise complexity."""
    plain = "{ items(ids: [1]) { id } complexity { query } }"
    nested = "{ items(ids: [1]) { id subitems { id } } complexity { query } }"
    costs = [data(desk.monday(query))["complexity"]["query"] for query in (plain, nested)]
    assert costs[1] > costs[0]


# --- multi-level boards

READ = """query ($i: [ID!], $caps: [ColumnCapability!]) { items(ids: $i) { column_values(capabilities: $caps) {
  id text ... on NumbersValue { number } ... on BatteryValue { battery_value { key count } } } } }"""


def tower(desk: Desk, capabilities: str = "") -> tuple[str, str]:
    """An item and its subitem on a multi-level board with a numbers and a status column."""
    desk.world.sow({"monday": {"boards": [TOWER]}})
    query = f"""mutation {{
      n: create_column(board_id: 777, id: "zb_total", title: "T", column_type: numbers{capabilities}) {{
        capabilities {{ calculated {{ function }} }} }}
      s: create_status_column(board_id: 777, id: "zb_status", title: "S", defaults: {{labels: [
        {{label: "Paid", color: done_green, index: 0}}]}}) {{ capabilities {{ calculated {{ function }} }} }} }}"""
    data(desk.monday(query))
    parent = item(desk, {"zb_total": "1", "zb_status": {"label": "Paid"}}, board="777")
    return parent, subitem(desk, parent, {"zb_total": "2.5", "zb_status": {"label": "Paid"}})


def test_a_parents_roll_up_takes_every_write_and_changes_nothing(desk: Desk) -> None:
    """0, fact 10: success, and the value is what it was."""
    parent, child = tower(desk)
    data(update(desk, parent, {"zb_total": "99", "zb_status": None}, board="777"))
    assert desk.world.monday.items[parent].values == {"zb_total": "1", "zb_status": 1}
    data(update(desk, child, {"zb_total": "3"}, board="777"))
    assert desk.world.monday.items[child].values["zb_total"] == "3"


def test_a_roll_up_number_is_only_read_when_asked_for(desk: Desk) -> None:
    """4: an empty list without `capabilities: [CALCULATED]`; a status reads as BatteryValue."""
    parent, child = tower(desk)
    subitem(desk, parent, {"zb_total": "1.5"})
    (plain,) = data(desk.monday(READ, {"i": [parent]}))["items"]
    assert [(one["id"], one.get("battery_value")) for one in plain["column_values"]] == [
        ("zb_status", [{"key": "1", "count": 1}])
    ]
    (asked,) = data(desk.monday(READ, {"i": [parent], "caps": ["CALCULATED"]}))["items"]
    assert asked["column_values"][0]["number"] == 4.0
    (leaf,) = data(desk.monday(READ, {"i": [child]}))["items"]
    assert [one["text"] for one in leaf["column_values"]] == ["2.5", "Paid"]


def test_roll_ups_can_be_switched_off(desk: Desk) -> None:
    """4: `capabilities: {calculated: {function: NONE}}`."""
    parent, _ = tower(desk, ", capabilities: {calculated: {function: NONE}}")
    data(update(desk, parent, {"zb_total": "99"}, board="777"))
    assert desk.world.monday.items[parent].values["zb_total"] == "99"


def test_multi_level_boards_nest_five_levels_on_one_board(desk: Desk) -> None:
    """Their subitems have the board's own columns; a page of the board shows the top ones."""
    top, child = tower(desk)
    for _ in range(3):
        child = subitem(desk, child)
    assert code(desk.monday(SUBITEM, {"parent": child, "name": "x", "cols": "{}"})) == "InvalidArgumentException"
    page = data(desk.monday("{ boards(ids: [777]) { hierarchy_type items_page { items { id } } } }"))["boards"][0]
    assert (page["hierarchy_type"], page["items_page"]["items"]) == ("multi_level", [{"id": top}])
