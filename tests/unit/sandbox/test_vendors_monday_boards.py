"""Boards, groups and columns as programs and people change them; moves, rights, rules of pages."""

from __future__ import annotations

from typing import Any

import pytest
from monday_calls import code, data, item, shown, update
from vendors_desk import Desk

from sandbox.vendors import default_world as w

BOARD = w.MONDAY_BOARD
GROUP = 'mutation ($b: ID!) { create_group(board_id: $b, group_name: "Paid") { id position } }'
MOVE = "mutation ($i: ID, $g: String!) { move_item_to_group(item_id: $i, group_id: $g) { group { id title } } }"


def person(desk: Desk, do: str, **what: Any) -> None:
    """Asha does something before the board."""
    answer = desk.control("POST", f"monday/people/{w.MONDAY_PERSON}", {"do": do, **what})
    assert answer.status == 200, answer.body


# --- groups


def test_items_move_between_groups(desk: Desk) -> None:
    """3: `move_item_to_group`."""
    key = item(desk)
    group = data(desk.monday(GROUP, {"b": BOARD}))["create_group"]["id"]
    assert data(desk.monday(MOVE, {"i": key, "g": group}))["move_item_to_group"]["group"]["title"] == "Paid"
    assert code(desk.monday(MOVE, {"i": key, "g": "nowhere"})) == "ResourceNotFoundException"
    assert code(desk.monday(MOVE, {"i": "1", "g": group})) == "ResourceNotFoundException"


def test_a_group_is_made_at_the_top_or_beside_another(desk: Desk) -> None:
    """3: `position_relative_method`; an unknown neighbour is an error."""
    query = """mutation ($b: ID!, $to: String) { create_group(board_id: $b, group_name: "G", group_color: "#00c875",
      position_relative_method: after_at, relative_to: $to) { id color } }"""
    after = data(desk.monday(query, {"b": BOARD, "to": w.MONDAY_GROUP}))["create_group"]
    top = data(desk.monday(GROUP, {"b": BOARD}))["create_group"]["id"]
    groups = data(desk.monday("query ($b: [ID!]) { boards(ids: $b) { groups { id } } }", {"b": [BOARD]}))
    assert [one["id"] for one in groups["boards"][0]["groups"]] == [top, w.MONDAY_GROUP, after["id"]]
    assert code(desk.monday(query, {"b": BOARD, "to": "nowhere"})) == "ResourceNotFoundException"


@pytest.mark.parametrize(("verb", "state"), [("archive_group", "archived"), ("delete_group", "deleted")])
def test_a_group_goes_with_its_items_but_never_the_last(desk: Desk, verb: str, state: str) -> None:
    """5.3: DeleteLastGroupException, 409 in the error."""
    key = item(desk)
    query = f"mutation ($b: ID!, $g: String!) {{ {verb}(board_id: $b, group_id: $g) {{ id }} }}"
    last = desk.monday(query, {"b": BOARD, "g": w.MONDAY_GROUP})
    assert code(last) == "DeleteLastGroupException"
    assert last.json()["errors"][0]["extensions"]["status_code"] == 409
    desk.monday(GROUP, {"b": BOARD})
    data(desk.monday(query, {"b": BOARD, "g": w.MONDAY_GROUP}))
    assert desk.world.monday.items[key].state == state
    assert code(desk.monday(MOVE, {"i": item(desk), "g": w.MONDAY_GROUP})) == "ResourceNotFoundException"


# --- boards


def test_an_archived_board_takes_no_items_and_a_deleted_one_is_unknown(desk: Desk) -> None:
    """5.3: InvalidBoardIdException; `boards` shows archived ones on demand, deleted items of it are gone too."""
    key = item(desk)
    query = "query ($b: [ID!]) { boards(ids: $b, state: all) { state } items(ids: [KEY]) { id } }".replace("KEY", key)
    data(desk.monday("mutation ($b: ID!) { archive_board(board_id: $b) { state } }", {"b": BOARD}))
    create = 'mutation ($b: ID!) { create_item(board_id: $b, item_name: "x") { id } }'
    assert code(desk.monday(create, {"b": BOARD})) == "InvalidBoardIdException"
    assert data(desk.monday(query, {"b": [BOARD]})) == {"boards": [{"state": "archived"}], "items": [{"id": key}]}
    person(desk, "restore_board", board=BOARD)
    item(desk)
    data(desk.monday("mutation ($b: ID!) { delete_board(board_id: $b) { state } }", {"b": BOARD}))
    assert code(update(desk, key, {"zb_number": "x"})) == "InvalidBoardIdException"
    assert data(desk.monday(query, {"b": [BOARD]}))["items"] == []


def test_who_may_not_change_a_board_is_told_so(desk: Desk) -> None:
    """5.3: UserUnauthorizedException inside a 200 with status_code 403; reading goes on."""
    key = item(desk)
    desk.control("PATCH", f"monday/boards/{BOARD}", {"editors": [w.MONDAY_PERSON]})
    answer = update(desk, key, {"zb_number": "x"})
    assert (answer.status, code(answer)) == (200, "UserUnauthorizedException")
    assert answer.json()["errors"][0]["extensions"]["status_code"] == 403
    column = 'mutation { create_column(board_id: BOARD, title: "x", column_type: text) { id } }'.replace("BOARD", BOARD)
    assert code(desk.monday(column)) == "UserUnauthorizedException"
    data(desk.monday("query ($i: [ID!]) { items(ids: $i) { id } }", {"i": [key]}))
    data(update(desk, key, {"zb_number": "x"}, token=w.MONDAY_PERSON_TOKEN))


def test_a_viewers_token_is_refused_whole(desk: Desk) -> None:
    """2.1: view-only users get USER_ACCESS_DENIED, 403."""
    assert desk.control("PATCH", f"monday/users/{w.MONDAY_USER}", {"view_only": True}).status == 200
    answer = desk.monday("{ me { id } }")
    assert (answer.status, code(answer)) == (403, "USER_ACCESS_DENIED")


def test_users_are_read_by_id(desk: Desk) -> None:
    """Who did it: a name to a user id of an event."""
    query = "query ($i: [ID!]) { users(ids: $i) { id name kind status } }"
    (found,) = data(desk.monday(query, {"i": [w.MONDAY_PERSON]}))["users"]
    assert found == {"id": w.MONDAY_PERSON, "name": "Asha Rao", "kind": "member", "status": "ACTIVE"}


def test_what_the_stand_in_lacks_is_said_and_not_answered_with_null(desk: Desk) -> None:
    """A valid document must not look as if it had been done."""
    query = "mutation { duplicate_board(board_id: 1, duplicate_type: duplicate_board_with_structure) { is_async } }"
    content = desk.monday(query).json()
    assert content["errors"]
    assert "data" not in content


# --- columns


def test_a_deleted_column_takes_no_values_and_its_cells_are_gone(desk: Desk) -> None:
    """5.3: InvalidColumnIdException, whoever deleted it; the name cannot be deleted."""
    key = item(desk, {"zb_number": "INV-1", "zb_party": "Acme"})
    person(desk, "delete_column", board=BOARD, column="zb_number")
    assert code(update(desk, key, {"zb_number": "x"})) == "InvalidColumnIdException"
    query = "mutation ($b: ID!, $c: String!) { delete_column(board_id: $b, column_id: $c) { id } }"
    assert data(desk.monday(query, {"b": BOARD, "c": "zb_party"}))["delete_column"]["id"] == "zb_party"
    assert code(desk.monday(query, {"b": BOARD, "c": "zb_party"})) == "InvalidColumnIdException"
    assert code(desk.monday(query, {"b": BOARD, "c": "name"})) == "InvalidArgumentException"
    assert desk.world.monday.items[key].values == {}


def column_of(desk: Desk, column: str) -> dict[str, Any]:
    """A column as the API shows it."""
    query = "query ($b: [ID!], $c: [String]) { boards(ids: $b) { columns(ids: $c) { title settings revision } } }"
    return dict(data(desk.monday(query, {"b": [BOARD], "c": [column]}))["boards"][0]["columns"][0])


def test_labels_are_changed_under_an_optimistic_lock(desk: Desk) -> None:
    """3: `update_status_column(revision)`; known labels keep their ids, a new one gets its colour's number."""
    query = """mutation ($b: ID!, $r: String!, $s: UpdateStatusColumnSettingsInput) {
      update_status_column(board_id: $b, id: "zb_status", revision: $r, settings: $s) { revision } }"""
    labels = [{"id": 1, "label": "Settled", "color": "done_green", "index": 0},
              {"label": "Late", "color": "stuck_red", "index": 1}]  # fmt: skip
    given = {"b": BOARD, "r": column_of(desk, "zb_status")["revision"], "s": {"labels": labels}}
    data(desk.monday(query, given))
    assert code(desk.monday(query, given)) == "InvalidArgumentException"
    shown_labels = column_of(desk, "zb_status")["settings"]["labels"]
    assert [(one["id"], one["label"]) for one in shown_labels] == [(1, "Settled"), (2, "Late")]
    twice = [labels[0], {**labels[1], "color": "done_green"}]
    fresh = {**given, "r": column_of(desk, "zb_status")["revision"], "s": {"labels": twice}}
    assert code(desk.monday(query, fresh)) == "InvalidArgumentException"


def test_a_dropdown_loses_one_label_a_request(desk: Desk) -> None:
    """4: the list is replaced whole, at most one label may be missing."""
    query = """mutation ($b: ID!, $r: String!, $s: UpdateDropdownColumnSettingsInput) {
      update_dropdown_column(board_id: $b, id: "zb_currency", revision: $r, settings: $s) { id } }"""
    labels = [{"id": one["id"], "label": one["label"]} for one in column_of(desk, "zb_currency")["settings"]["labels"]]
    given = {"b": BOARD, "r": column_of(desk, "zb_currency")["revision"]}
    assert code(desk.monday(query, {**given, "s": {"labels": labels[2:]}})) == "InvalidArgumentException"
    data(desk.monday(query, {**given, "s": {"labels": [*labels[1:], {"label": "NOK"}]}}))
    assert {"id": len(labels) + 1, "label": "NOK", "is_deactivated": False} in column_of(desk, "zb_currency")[
        "settings"
    ]["labels"]


def test_titles_and_settings_are_changed(desk: Desk) -> None:
    """3: `update_column` with the right type; `change_column_title`."""
    query = """mutation ($b: ID!, $r: String!, $t: ColumnType!) { update_column(board_id: $b, id: "zb_total",
      revision: $r, column_type: $t, title: "Amount", settings: "{\\"unit\\": {\\"precision\\": 2}}") { title } }"""
    given = {"b": BOARD, "r": column_of(desk, "zb_total")["revision"], "t": "numbers"}
    assert code(desk.monday(query, {**given, "t": "text"})) == "InvalidArgumentException"
    data(desk.monday(query, given))
    assert column_of(desk, "zb_total")["settings"] == {"unit": {"precision": 2}}
    title = 'mutation ($b: ID!) { change_column_title(board_id: $b, column_id: "zb_total", title: "Sum") { title } }'
    assert data(desk.monday(title, {"b": BOARD}))["change_column_title"]["title"] == "Sum"


def test_forty_labels_of_thirty_characters(desk: Desk) -> None:
    """3.3."""
    query = """mutation ($b: ID!, $d: CreateStatusColumnSettingsInput) {
      create_status_column(board_id: $b, title: "S", defaults: $d) { id } }"""
    for text in ("x" * 31, ""):
        given = {"labels": [{"label": text, "color": "sky", "index": 0}]}
        assert code(desk.monday(query, {"b": BOARD, "d": given})) == "InvalidArgumentException"


# --- pages


def found(desk: Desk, **params: Any) -> list[str]:
    """Names that `items_page(query_params)` finds."""
    query = """query ($b: [ID!], $q: ItemsQuery) { boards(ids: $b) { items_page(limit: 500, query_params: $q) {
      cursor items { name } } } }"""
    page = data(desk.monday(query, {"b": [BOARD], "q": params}))["boards"][0]["items_page"]
    return [one["name"] for one in page["items"]]


@pytest.fixture
def three(desk: Desk) -> Desk:
    """Three invoices."""
    due = {"date": "2026-12-01"}
    first = {"zb_number": "INV-1", "zb_total": "10", "zb_status": {"label": "Paid"}, "zb_due": due}
    item(desk, first, name="one")
    item(desk, {"zb_number": "INV-2", "zb_total": "20", "zb_currency": {"ids": [2]}}, name="two")
    item(desk, name="three")
    return desk


@pytest.mark.parametrize(
    ("column", "operator", "value", "names"),
    [
        ("zb_number", "any_of", ["INV-1"], ["one"]),
        ("zb_number", "contains_text", "inv", ["one", "two"]),
        ("zb_number", "is_empty", [], ["three"]),
        ("zb_number", "is_not_empty", [], ["one", "two"]),
        ("zb_status", "any_of", [1], ["one"]),
        ("zb_status", "not_any_of", [1], ["two", "three"]),
        ("zb_currency", "any_of", [2], ["two"]),
        ("zb_due", "any_of", ["EXACT", "2026-12-01"], ["one"]),
        ("zb_total", "any_of", [20], ["two"]),
        ("zb_total", "greater_than", [10], ["two"]),
        ("zb_total", "greater_than_or_equals", [10], ["one", "two"]),
        ("zb_total", "lower_than_or_equal", [10], ["one"]),
        ("name", "any_of", ["three"], ["three"]),
    ],
)
def test_rules_compare_in_the_shape_of_the_type(
    three: Desk, column: str, operator: str, value: Any, names: list[str]
) -> None:
    """3.1: text whole, status and dropdown by label ids, dates EXACT, numbers as numbers."""
    assert found(three, rules=[{"column_id": column, "operator": operator, "compare_value": value}]) == names


def test_rules_are_joined_and_ids_narrow(three: Desk) -> None:
    """`and` unless `or` is asked for; at most 100 ids."""
    rules = [
        {"column_id": "zb_number", "compare_value": ["INV-1"]},
        {"column_id": "zb_total", "compare_value": [20]},
    ]
    assert found(three, rules=rules) == []
    assert found(three, rules=rules, operator="or") == ["one", "two"]
    keys = list(three.world.monday.items)
    assert found(three, ids=keys[:1]) == ["one"]
    query = "query ($b: [ID!], $q: ItemsQuery) { boards(ids: $b) { items_page(query_params: $q) { cursor } } }"
    many = {"ids": [str(one) for one in range(101)]}
    assert code(three.monday(query, {"b": [BOARD], "q": many})) == "InvalidArgumentException"


@pytest.mark.parametrize(
    ("column", "operator", "value"),
    [("zb_total", "greater_than", "much"), ("zb_number", "any_of", "INV-1"), ("zb_status", "contains_text", "Paid")],
)
def test_a_compare_value_of_a_wrong_shape_is_a_server_error(
    three: Desk, column: str, operator: str, value: Any
) -> None:
    """3.1: "may come back as a 500"."""
    query = "query ($b: [ID!], $q: ItemsQuery) { boards(ids: $b) { items_page(query_params: $q) { cursor } } }"
    rules = [{"column_id": column, "operator": operator, "compare_value": value}]
    answer = three.monday(query, {"b": [BOARD], "q": {"rules": rules}})
    assert (answer.status, code(answer)) == (500, "INTERNAL_SERVER_ERROR")


def test_a_group_has_pages_of_its_own(three: Desk) -> None:
    """Groups hang under boards, items under groups."""
    group = data(three.monday(GROUP, {"b": BOARD}))["create_group"]["id"]
    data(three.monday(MOVE, {"i": next(iter(three.world.monday.items)), "g": group}))
    query = "query ($b: [ID!]) { boards(ids: $b) { groups { id items_page { items { name } } } } }"
    groups = data(three.monday(query, {"b": [BOARD]}))["boards"][0]["groups"]
    assert {one["id"]: [each["name"] for each in one["items_page"]["items"]] for one in groups} == {
        group: ["one"],
        w.MONDAY_GROUP: ["two", "three"],
    }


def test_a_page_may_be_asked_for_twice(three: Desk) -> None:
    """3.1: a cursor is valid for 60 minutes, not for one call: who lost the answer asks again."""
    first = data(three.monday("{ boards(ids: [BOARD]) { items_page(limit: 1) { cursor } } }".replace("BOARD", BOARD)))
    cursor = first["boards"][0]["items_page"]["cursor"]
    query = "query ($c: String!) { next_items_page(cursor: $c, limit: 1) { cursor items { name } } }"
    pages = [data(three.monday(query, {"c": cursor}))["next_items_page"]["items"] for _ in range(2)]
    assert pages == [[{"name": "two"}]] * 2


# --- people


def test_people_do_what_programs_do_and_more(desk: Desk) -> None:
    """They set, rename, move, comment, archive, restore and make; each with its user."""
    key = item(desk)
    person(desk, "set", item=key, column="zb_status", value={"label": "Paid"})
    person(desk, "rename", item=key, name="Renamed")
    desk.monday(GROUP, {"b": BOARD})
    group = next(iter(desk.world.monday.boards[BOARD].groups))
    person(desk, "move", item=key, group=group)
    person(desk, "comment", item=key, body="<p>Called.</p>")
    found_item = shown(desk, key)
    assert (found_item["text"]["zb_status"], found_item["name"], found_item["group"]) == ("Paid", "Renamed", group)
    assert found_item["updates"][0]["creator_id"] == w.MONDAY_PERSON
    person(desk, "archive", item=key)
    assert shown(desk, key)["state"] == "archived"
    person(desk, "restore", item=key)
    assert shown(desk, key)["state"] == "active"
    person(desk, "set", item=key, column="zb_status", value=None)
    assert shown(desk, key)["text"]["zb_status"] is None
    body = {"do": "create", "board": BOARD, "name": "By hand", "values": {"zb_number": "X"}}
    made = desk.control("POST", f"monday/people/{w.MONDAY_PERSON}", body).json()["id"]
    line = {"do": "create_subitem", "parent": made, "name": "Line", "values": {"zb_line_total": "1"}}
    desk.control("POST", f"monday/people/{w.MONDAY_PERSON}", line)
    assert [one["text"]["zb_line_total"] for one in shown(desk, made)["subitems"]] == ["1"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"do": "fly"}, 400),
        ({"do": "set", "item": "1", "column": "zb_status", "value": None}, 404),
        ({"do": "delete_column", "board": BOARD, "column": "nothing"}, 404),
        ({"do": "delete_label", "board": BOARD, "column": "zb_status", "label": "Nothing"}, 404),
        ({"do": "create", "board": BOARD, "name": "x", "values": {"zb_total": "much"}}, 400),
    ],
)
def test_people_cannot_do_everything(desk: Desk, body: dict[str, Any], status: int) -> None:
    """The control API says so."""
    assert desk.control("POST", f"monday/people/{w.MONDAY_PERSON}", body).status == status
