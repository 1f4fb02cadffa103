"""The monday stand-in refuses what monday refuses, and keeps what monday keeps."""

from __future__ import annotations

import json
from typing import Any

import pytest
from vendors_desk import Desk

from sandbox.vendors import default_world as w
from sandbox.vendors.monday_columns import number_text
from sandbox.vendors.wire import Answer

URL = "https://api.monday.com/v2"
CREATE = """mutation CreateRecord($board: ID!, $group: String, $name: String!, $cols: JSON!) {
  create_item(board_id: $board, group_id: $group, item_name: $name, column_values: $cols) { id name group { id } }
}"""
UPDATE = """mutation UpdateRecord($board: ID!, $item: ID!, $cols: JSON!) {
  change_multiple_column_values(board_id: $board, item_id: $item, column_values: $cols) { id updated_at }
}"""
SIMPLE = """mutation Simple($board: ID!, $item: ID!, $col: String!, $value: String) {
  change_simple_column_value(board_id: $board, item_id: $item, column_id: $col, value: $value) { id name }
}"""
FIND = """query Find($board: ID!, $col: String!, $val: String!) {
  items_page_by_column_values(board_id: $board, limit: 10, columns: [{column_id: $col, column_values: [$val]}]) {
    cursor items { id name state column_values(ids: [$col]) { id text } }
  }
}"""
STATE = """query ItemsState($ids: [ID!]!, $live: Boolean) {
  items(ids: $ids, limit: 100, exclude_nonactive: $live) { id state column_values { id text value } }
}"""


def create(desk: Desk, cols: Any = None, name: str = "INV-1", **headers: str) -> Answer:
    """Create an item; `cols` is encoded unless it is a string."""
    text = cols if isinstance(cols, str) else json.dumps(cols or {})
    given = {key.replace("_", "-"): value for key, value in headers.items()}
    return desk.monday(CREATE, {"board": w.MONDAY_BOARD, "name": name, "cols": text}, given)


def item_id(answer: Answer) -> str:
    """The id in an answer of `create`."""
    return str(answer.json()["data"]["create_item"]["id"])


def code(answer: Answer) -> str:
    """The first error's code."""
    return str(answer.json()["errors"][0]["extensions"]["code"])


def cell(desk: Desk, key: str, column: str) -> tuple[Any, Any]:
    """Text and raw value of one cell, as the control API shows it."""
    items = desk.control("GET", f"monday/boards/{w.MONDAY_BOARD}").json()["items"]
    (item,) = [one for one in items if one["id"] == key]
    return item["text"][column], item["raw"][column]


# --- the request


@pytest.mark.parametrize("token", ["", f"Bearer {w.MONDAY_TOKEN}", "nobody"])
def test_only_the_bare_token_is_a_token(desk: Desk, token: str) -> None:
    """No scheme, no default."""
    answer = desk.monday("{ me { id } }", headers={"Authorization": token})
    assert (answer.status, answer.json()) == (401, {"errors": ["Not Authenticated"]})


def test_a_user_that_was_deactivated_is_403(desk: Desk) -> None:
    """Staff change, tokens die."""
    desk.world.monday.users[w.MONDAY_TOKEN].enabled = False
    answer = desk.monday("{ me { id } }")
    assert (answer.status, code(answer)) == (403, "USER_ACCESS_DENIED")


@pytest.mark.parametrize(
    ("asked", "served"),
    [
        ("2026-10", "2026-10"),
        ("2026-07", "2026-07"),
        ("2029-01", "2026-10"),
        ("2024-02", "2026-10"),
        ("2024-10", "2026-07"),
    ],
)
def test_the_answer_names_the_version_that_served_it(desk: Desk, asked: str, served: str) -> None:
    """Unknown versions are served by the current one without a word, old ones by the maintenance one."""
    answer = desk.monday("{ version { value } }", headers={"API-Version": asked})
    assert answer.headers["API-Version"] == served
    assert answer.json()["data"]["version"]["value"] == served


def test_a_malformed_version_is_an_error(desk: Desk) -> None:
    """Inside HTTP 200."""
    answer = desk.monday("{ me { id } }", headers={"API-Version": "2023"})
    assert (answer.status, code(answer)) == (200, "InvalidVersionException")


@pytest.mark.parametrize(
    ("method", "kind", "raw", "status"),
    [
        ("GET", "application/json", b"", 405),
        ("POST", "text/plain", b'{"query":"{ me { id } }"}', 400),
        ("POST", "application/json", b"{", 400),
        ("POST", "application/json", b"[]", 400),
        ("POST", "application/json", b'{"query":""}', 400),
        ("POST", "application/json", b'{"query":"{ me { id } }","variables":[]}', 400),
    ],
)
def test_malformed_requests(desk: Desk, method: str, kind: str, raw: bytes, status: int) -> None:
    """Before GraphQL comes HTTP."""
    headers = {"Authorization": w.MONDAY_TOKEN, "Content-Type": kind}
    assert desk.ask(method, URL, raw=raw, headers=headers).status == status


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("{ me { idd } }", "undefinedField"),
        ("{ groups { id } }", "undefinedField"),
        ("mutation { create_item(item_name: 5) { id } }", "GRAPHQL_VALIDATION_FAILED"),
        ("mutation { upsert_item(name: 1) { id } }", "undefinedField"),
        ("query ($ids: [ID!]!) { items(ids: $ids) { id } }", "GRAPHQL_VALIDATION_FAILED"),
    ],
)
def test_documents_are_checked_against_the_schema(desk: Desk, query: str, expected: str) -> None:
    """A wrong document is our bug, answered inside HTTP 200 without data."""
    answer = desk.monday(query)
    assert (answer.status, code(answer), answer.json().get("data")) == (200, expected, None)
    assert "request_id" in answer.json()["extensions"]


def test_a_parse_error_is_inside_200(desk: Desk) -> None:
    """And says where."""
    answer = desk.monday("{ me {")
    assert answer.status == 200
    assert answer.json()["errors"][0]["message"].startswith("Parse error on")


def test_operation_name_chooses(desk: Desk) -> None:
    """Two operations need a name."""
    query = "query A { me { id } } query B { version { value } }"
    body = {"query": query, "operationName": "B"}
    headers = {"Authorization": w.MONDAY_TOKEN}
    assert "version" in desk.ask("POST", URL, content=body, headers=headers).json()["data"]
    assert "errors" in desk.ask("POST", URL, content={"query": query}, headers=headers).json()


# --- column values

SYNCED = {"date": "2026-12-05", "time": "09:00:00"}
GOOD: list[tuple[str, Any, Any, Any]] = [
    ("zb_doc_id", "zb:1", "zb:1", "zb:1"),
    ("zb_lines", {"text": "a\nb"}, "a\nb", {"text": "a\nb"}),
    ("zb_lines", "plain", "plain", {"text": "plain"}),
    ("zb_total", "1180.50", "1180.5", "1180.50"),
    ("zb_total", "-3", "-3", "-3"),
    ("zb_total", "100", "100", "100"),
    ("zb_total", "", "0", "0"),
    ("zb_total_base", "2", "2.00", "2"),
    ("zb_status", {"label": "Paid"}, "Paid", {"index": 1}),
    ("zb_status", {"index": 1}, "Paid", {"index": 1}),
    ("zb_status", "Paid", "Paid", {"index": 1}),
    ("zb_currency", {"labels": ["USD"]}, "USD", {"ids": [2]}),
    ("zb_currency", {"ids": [1]}, "EUR", {"ids": [1]}),
    ("zb_due", {"date": "2026-12-05"}, "2026-12-05", {"date": "2026-12-05", "time": ""}),
    ("zb_synced", SYNCED, "2026-12-05 09:00", SYNCED),
    ("zb_link", {"url": "https://a.b", "text": "INV"}, "INV - https://a.b", {"url": "https://a.b", "text": "INV"}),
    ("zb_link", {"url": "https://a.b", "text": ""}, "https://a.b", {"url": "https://a.b", "text": ""}),
]  # fmt: skip


@pytest.mark.parametrize(("column", "value", "text", "raw"), GOOD)
def test_good_values_read_back(desk: Desk, column: str, value: Any, text: str, raw: Any) -> None:
    """Every column type in the form monday documents; `""` in a number is zero, not empty."""
    assert cell(desk, item_id(create(desk, {column: value})), column) == (text, raw)


BAD: list[tuple[str, Any, str]] = [
    ("zb_doc_id", 5, "ColumnValueException"),
    ("zb_lines", {"text": "x" * 2001}, "ColumnValueException"),
    ("zb_total", 1180.5, "ColumnValueException"),
    ("zb_total", "1,180.50", "ColumnValueException"),
    ("zb_total", "1180.50 EUR", "ColumnValueException"),
    ("zb_total", "1e3", "ColumnValueException"),
    ("zb_total", "NaN", "ColumnValueException"),
    ("zb_status", {"label": "paid"}, "ColumnValueException"),
    ("zb_status", {"label": "Nothing"}, "ColumnValueException"),
    ("zb_status", {"index": 99}, "ColumnValueException"),
    ("zb_status", {"label": "2023"}, "ColumnValueException"),
    ("zb_status", {"label": "Paid", "index": 1}, "ColumnValueException"),
    ("zb_currency", {"labels": ["XXX"]}, "ColumnValueException"),
    ("zb_currency", {"labels": ["EUR"], "ids": [1]}, "ColumnValueException"),
    ("zb_currency", {"labels": ["EUR", "USD"]}, "ColumnValueException"),
    ("zb_currency", {"labels": "EUR"}, "ColumnValueException"),
    ("zb_due", {"date": "05.12.2026"}, "ColumnValueException"),
    ("zb_due", {"date": "2026-02-30"}, "ColumnValueException"),
    ("zb_synced", {"date": "2026-12-05", "time": "9:00"}, "ColumnValueException"),
    ("zb_link", {"url": "https://a.b"}, "ColumnValueException"),
    ("zb_link", {"url": "a.b", "text": "x"}, "ColumnValueException"),
    ("zb_nothing", "x", "InvalidColumnIdException"),
]


@pytest.mark.parametrize(("column", "value", "expected"), BAD)
def test_bad_values_are_refused_and_nothing_is_created(desk: Desk, column: str, value: Any, expected: str) -> None:
    """Inside HTTP 200, with the column named, and no half-made item."""
    answer = create(desk, {"zb_number": "INV-1", column: value})
    assert (answer.status, code(answer), answer.json()["data"]) == (200, expected, {"create_item": None})
    assert answer.json()["errors"][0]["extensions"]["error_data"]["column_id"] == column
    assert desk.world.monday.items == {}


@pytest.mark.parametrize(
    "column", ["zb_doc_id", "zb_lines", "zb_total", "zb_status", "zb_currency", "zb_due", "zb_link"]
)
def test_null_clears(desk: Desk, column: str) -> None:
    """Null empties every type; status and dropdown then read null, the others an empty string."""
    value = next(value for name, value, *_ in GOOD if name == column)
    key = item_id(create(desk, {column: value}))
    desk.monday(UPDATE, {"board": w.MONDAY_BOARD, "item": key, "cols": json.dumps({column: None})})
    assert cell(desk, key, column) == (None if column in ("zb_status", "zb_currency") else "", None)


@pytest.mark.parametrize("given", [{"zb_number": "x"}, ["x"], 5])
def test_column_values_must_be_a_string_of_json(desk: Desk, given: Any) -> None:
    """The scalar takes anything; monday takes a string."""
    answer = desk.monday(CREATE, {"board": w.MONDAY_BOARD, "name": "x", "cols": given})
    assert code(answer) == "ColumnValueException"


def test_malformed_column_json_is_a_server_error(desk: Desk) -> None:
    """As the real one: 500 for our mistake."""
    answer = create(desk, "{")
    assert (answer.status, code(answer)) == (500, "INTERNAL_SERVER_ERROR")


@pytest.mark.parametrize("name", ["", "x" * 256])
def test_names_have_1_to_255_characters(desk: Desk, name: str) -> None:
    """Also when renaming, in both ways."""
    assert code(create(desk, name=name)) == "ItemNameTooLongException"
    key = item_id(create(desk))
    for document, variables in (
        (SIMPLE, {"col": "name", "value": name}),
        (UPDATE, {"cols": json.dumps({"name": name})}),
    ):
        answer = desk.monday(document, {"board": w.MONDAY_BOARD, "item": key, **variables})
        assert code(answer) == "ItemNameTooLongException"


@pytest.mark.parametrize(
    ("column", "value", "text"),
    [
        ("zb_status", "Paid", "Paid"),
        ("zb_status", "1", "Paid"),
        ("zb_currency", "USD", "USD"),
        ("zb_due", "2026-12-05", "2026-12-05"),
        ("zb_synced", "2026-12-05 09:00:00", "2026-12-05 09:00"),
        ("zb_link", "https://a.b INV", "INV - https://a.b"),
        ("zb_total", "7", "7"),
        ("zb_total", "", ""),
        ("zb_total", None, ""),
        ("zb_lines", "x", "x"),
    ],
)
def test_simple_values(desk: Desk, column: str, value: str | None, text: str) -> None:
    """Plain strings; here an empty one clears a number too."""
    key = item_id(create(desk, {"zb_total": "1"}))
    answer = desk.monday(SIMPLE, {"board": w.MONDAY_BOARD, "item": key, "col": column, "value": value})
    assert "errors" not in answer.json()
    assert cell(desk, key, column)[0] == text


def test_labels_are_made_only_on_demand(desk: Desk) -> None:
    """With the flag a missing label appears, in a colour of its own."""
    query = CREATE.replace("column_values: $cols", "column_values: $cols, create_labels_if_missing: true")
    cols = json.dumps({"zb_status": {"label": "Disputed"}, "zb_currency": {"labels": ["NOK"]}})
    answer = desk.monday(query, {"board": w.MONDAY_BOARD, "name": "x", "cols": cols})
    key = item_id(answer)
    assert (cell(desk, key, "zb_status")[0], cell(desk, key, "zb_currency")[0]) == ("Disputed", "NOK")
    labels = desk.world.monday.boards[w.MONDAY_BOARD].columns["zb_status"].settings["labels"]
    assert len({label["id"] for label in labels}) == len(labels)


@pytest.mark.parametrize(
    ("kept", "precision", "text"), [("1180.50", -1, "1180.5"), ("5", 2, "5.00"), ("0.00", -1, "0")]
)
def test_numbers_show_by_precision(kept: str, precision: int, text: str) -> None:
    """Compare money as decimals, not as text."""
    assert number_text(kept, precision) == text


# --- items


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"board": "1", "name": "x", "cols": "{}"}, "InvalidBoardIdException"),
        ({"board": w.MONDAY_BOARD, "group": "nowhere", "name": "x", "cols": "{}"}, "ResourceNotFoundException"),
    ],
)
def test_items_need_a_board_and_a_group(desk: Desk, variables: dict[str, str], expected: str) -> None:
    """No item without a home."""
    assert code(desk.monday(CREATE, variables)) == expected


def test_a_full_board_takes_no_more(desk: Desk) -> None:
    """`items_limit` counts active items."""
    desk.world.monday.boards[w.MONDAY_BOARD].items_limit = 1
    create(desk)
    assert code(create(desk)) == "ItemsLimitationException"


@pytest.mark.parametrize(
    ("item", "expected"), [("1", "ResourceNotFoundException"), ("archived", "ResourceNotFoundException")]
)
def test_updates_need_an_active_item(desk: Desk, item: str, expected: str) -> None:
    """An archived item is not written to."""
    key = item_id(create(desk)) if item == "archived" else item
    if item == "archived":
        desk.monday("mutation ($id: ID) { archive_item(item_id: $id) { id } }", {"id": key})
    answer = desk.monday(UPDATE, {"board": w.MONDAY_BOARD, "item": key, "cols": "{}"})
    assert code(answer) == expected


def test_an_update_is_whole_or_nothing(desk: Desk) -> None:
    """One bad value spoils the call, not the item."""
    key = item_id(create(desk, {"zb_number": "INV-1"}))
    cols = json.dumps({"zb_number": "INV-2", "zb_status": {"label": "Nothing"}})
    assert code(desk.monday(UPDATE, {"board": w.MONDAY_BOARD, "item": key, "cols": cols})) == "ColumnValueException"
    assert cell(desk, key, "zb_number")[0] == "INV-1"


def _found(desk: Desk, value: str, column: str = "zb_doc_id") -> list[str]:
    answer = desk.monday(FIND, {"board": w.MONDAY_BOARD, "col": column, "val": value}).json()
    return [one["id"] for one in answer["data"]["items_page_by_column_values"]["items"]]


def test_the_search_takes_whole_values_ignoring_case_and_hides_archived_items(desk: Desk) -> None:
    """So the caller compares exactly, and reads known items by id."""
    key = item_id(create(desk, {"zb_doc_id": "ZB:invoice:1", "zb_status": {"label": "Paid"}}))
    assert _found(desk, "zb:INVOICE:1") == [key]
    assert _found(desk, "zb:invoice") == []
    assert _found(desk, "Paid", "zb_status") == [key]
    desk.monday("mutation ($id: ID) { delete_item(item_id: $id) { id } }", {"id": key})
    assert _found(desk, "ZB:invoice:1") == []
    assert desk.monday(STATE, {"ids": [key]}).json()["data"]["items"][0]["state"] == "deleted"
    assert desk.monday(STATE, {"ids": [key], "live": True}).json()["data"]["items"] == []


def test_the_index_may_lag(desk: Desk) -> None:
    """ "Not found" never proves that nothing exists."""
    desk.control("PATCH", f"monday/accounts/{w.MONDAY_ACCOUNT}", {"index_lag": 5})
    key = item_id(create(desk, {"zb_doc_id": "a"}))
    assert _found(desk, "a") == []
    desk.world.clock.advance(5)
    assert _found(desk, "a") == [key]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("{ items_page_by_column_values(board_id: 1, columns: []) { cursor } }", "InvalidBoardIdException"),
        ("{ FIND, limit: 501, columns: []) { cursor } }", "InvalidArgumentException"),
        ("{ FIND) { cursor } }", "InvalidArgumentException"),
        ('{ FIND, cursor: "c", columns: []) { cursor } }', "InvalidArgumentException"),
        ('{ FIND, columns: [{column_id: "x", column_values: ["1"]}]) { cursor } }', "InvalidColumnIdException"),
        ('{ FIND, columns: [{column_id: "zb_due", column_values: ["", ""]}]) { cursor } }', "InvalidArgumentException"),
        ('{ FIND, columns: [{column_id: "subitems", column_values: ["a"]}]) { cursor } }', "InvalidArgumentException"),
        ('{ next_items_page(cursor: "gone") { cursor } }', "CursorException"),
        ("{ items { id } }", "InvalidArgumentException"),
        ("{ items(ids: [1], limit: 101) { id } }", "InvalidArgumentException"),
        ("{ items(ids: [IDS]) { id } }", "InvalidArgumentException"),
    ],
)
def test_wrong_queries(desk: Desk, query: str, expected: str) -> None:
    """Limits and arguments are checked."""
    text = query.replace("FIND", f"items_page_by_column_values(board_id: {w.MONDAY_BOARD}").replace(
        "IDS", ", ".join(map(str, range(101)))
    )
    assert code(desk.monday(text)) == expected


def test_pages_follow_a_cursor_for_an_hour(desk: Desk) -> None:
    """60 minutes from the first request."""
    for _ in range(3):
        create(desk)
    query = f"{{ boards(ids: [{w.MONDAY_BOARD}]) {{ items_page(limit: 2) {{ cursor items {{ id }} }} }} }}"
    page = desk.monday(query).json()["data"]["boards"][0]["items_page"]
    assert len(page["items"]) == 2
    following = "query ($c: String!) { next_items_page(cursor: $c) { cursor items { id } } }"
    other = desk.monday(query).json()["data"]["boards"][0]["items_page"]["cursor"]
    rest = desk.monday(following, {"c": page["cursor"]}).json()["data"]["next_items_page"]
    assert (len(rest["items"]), rest["cursor"]) == (1, None)
    desk.world.clock.advance(3601)
    assert code(desk.monday(following, {"c": other})) == "CursorException"


def test_comments_repeat(desk: Desk) -> None:
    """`create_update` is not idempotent by nature."""
    key = item_id(create(desk))
    query = "mutation ($i: ID, $b: String!) { create_update(item_id: $i, body: $b) { id text_body } }"
    for _ in range(2):
        assert desk.monday(query, {"i": key, "b": "<b>hi</b>"}).json()["data"]["create_update"]["text_body"] == "hi"
    assert len(desk.world.monday.items[key].updates) == 2
    assert code(desk.monday(query, {"i": key, "b": " "})) == "InvalidArgumentException"


# --- idempotency


def test_a_key_replays_its_answer_for_30_minutes(desk: Desk) -> None:
    """Also for another body: the old answer comes back and nothing new is made."""
    first = create(desk, Idempotency_Key="k")
    again = create(desk, name="other", Idempotency_Key="k")
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.body == first.body
    assert "Idempotency-Replayed" not in first.headers
    assert len(desk.world.monday.items) == 1
    desk.world.clock.advance(1800)
    assert "Idempotency-Replayed" not in create(desk, Idempotency_Key="k").headers
    assert len(desk.world.monday.items) == 2


def test_a_key_is_no_promise(desk: Desk) -> None:
    """6: without memory for it the call runs again. Nor is an answer over 1 MB kept."""
    desk.control("PATCH", f"monday/accounts/{w.MONDAY_ACCOUNT}", {"keeps": False})
    for _ in range(2):
        assert "Idempotency-Replayed" not in create(desk, Idempotency_Key="k").headers
    desk.control("PATCH", f"monday/accounts/{w.MONDAY_ACCOUNT}", {"keeps": True})
    pages = " ".join(f"u{n}: create_update(item_id: $i, body: $b) {{ id body text_body }}" for n in range(10))
    variables = {"i": next(iter(desk.world.monday.items)), "b": "x" * 60_000}
    for _ in range(2):
        answer = desk.monday(f"mutation ($i: ID, $b: String!) {{ {pages} }}", variables, {"Idempotency-Key": "big"})
        assert "Idempotency-Replayed" not in answer.headers
    assert len(desk.world.monday.items) == 2


def test_a_refusal_is_kept_too(desk: Desk) -> None:
    """A corrected body needs a new key."""
    assert code(create(desk, {"zb_total": "x"}, Idempotency_Key="k")) == "ColumnValueException"
    assert code(create(desk, {"zb_total": "1"}, Idempotency_Key="k")) == "ColumnValueException"


def test_a_key_in_flight_is_409(desk: Desk) -> None:
    """The first call is still unanswered; afterwards its answer is replayed."""
    desk.control("POST", "faults", {"kind": "slow", "vendor": "monday", "slow_ms": 3000})
    create(desk, Idempotency_Key="k")
    answer = create(desk, Idempotency_Key="k")
    assert (answer.status, code(answer), answer.headers["Retry-After"]) == (409, "IDEMPOTENCY_CONFLICT", "3")
    desk.world.clock.advance(3)
    assert create(desk, Idempotency_Key="k").headers["Idempotency-Replayed"] == "true"


def test_keys_are_ignored_on_queries_and_on_429(desk: Desk) -> None:
    """Nothing was executed, so nothing is kept."""
    for _ in range(2):
        answer = desk.monday("{ me { id } }", headers={"Idempotency-Key": "q"})
        assert "Idempotency-Replayed" not in answer.headers
    desk.control("PATCH", f"monday/accounts/{w.MONDAY_ACCOUNT}", {"calls_per_minute": 1})
    create(desk, Idempotency_Key="a")
    assert create(desk, Idempotency_Key="b").status == 429
    desk.world.clock.advance(61)
    assert "Idempotency-Replayed" not in create(desk, Idempotency_Key="b").headers


# --- limits


def _limits(desk: Desk, **limits: int) -> None:
    assert desk.control("PATCH", f"monday/accounts/{w.MONDAY_ACCOUNT}", limits).status == 200


def test_calls_a_minute(desk: Desk) -> None:
    """429 with Retry-After and the seconds in the body; the headers say the same."""
    _limits(desk, calls_per_minute=2)
    create(desk)
    create(desk)
    answer = create(desk)
    error = answer.json()["errors"][0]["extensions"]
    assert (answer.status, error["code"], error["retry_in_seconds"]) == (429, "RATE_LIMIT_EXCEEDED", 60)
    assert answer.headers["Retry-After"] == "60"
    assert '"minuteRate";r=0;t=60' in answer.headers["RateLimit"]
    assert len(desk.world.monday.items) == 2


def test_complexity_a_minute_speaks_in_the_body_only(desk: Desk) -> None:
    """`retry_in_seconds`, no Retry-After; refilled 60 s after the first call."""
    _limits(desk, complexity_per_minute=25_000)
    create(desk)
    create(desk)
    desk.world.clock.advance(10)
    answer = create(desk)
    assert (answer.status, code(answer)) == (429, "COMPLEXITY_BUDGET_EXHAUSTED")
    assert answer.json()["errors"][0]["extensions"]["retry_in_seconds"] == 50
    assert "Retry-After" not in answer.headers
    desk.world.clock.advance(50)
    assert create(desk).status == 200


def test_one_request_may_not_be_too_complex(desk: Desk) -> None:
    """5,000,000 points: 500 aliased creates are too many, and none of them is done (5.1)."""
    made = " ".join(f'a{n}: create_item(board_id: {w.MONDAY_BOARD}, item_name: "x") {{ id }}' for n in range(500))
    assert code(desk.monday(f"mutation {{ {made} }}")) == "REQUEST_MAX_COMPLEXITY_EXCEEDED"
    assert desk.world.monday.items == {}


def test_calls_a_day_end_at_midnight_utc(desk: Desk) -> None:
    """Refused calls count a tenth."""
    _limits(desk, calls_per_day=2)
    create(desk)
    create(desk)
    assert (create(desk).status, code(create(desk))) == (429, "DAILY_LIMIT_EXCEEDED")
    assert desk.world.monday.accounts[w.MONDAY_ACCOUNT].calls_today == pytest.approx(2.2)
    desk.world.clock.advance(13 * 3600)
    assert create(desk).status == 200


def test_calls_in_flight(desk: Desk) -> None:
    """Unanswered calls count."""
    _limits(desk, concurrency=1)
    desk.control("POST", "faults", {"kind": "slow", "vendor": "monday", "slow_ms": 2000})
    create(desk)
    assert code(create(desk)) == "maxConcurrencyExceeded"
    desk.world.clock.advance(2)
    assert create(desk).status == 200


def test_complexity_can_be_asked_for(desk: Desk) -> None:
    """Beside any query."""
    answer = desk.monday("{ complexity { query before after reset_in_x_seconds } me { id } }").json()["data"][
        "complexity"
    ]
    assert answer["before"] - answer["after"] == answer["query"] > 0


# --- boards

PROVISION = """mutation Provision($b: ID!, $money: JSON!) {
  g: create_group(board_id: $b, group_name: "Invoices") { id }
  c1: create_column(board_id: $b, id: "zb_doc_id", title: "Zoho ID", column_type: text) { id }
  c2: create_column(board_id: $b, id: "zb_total", title: "Total", column_type: numbers, defaults: $money) { settings }
  c3: create_dropdown_column(board_id: $b, id: "zb_currency", title: "Currency",
    defaults: {labels: [{label: "USD"}, {label: "EUR"}], limit_select: true, label_limit_count: 1}) { settings }
  c4: create_status_column(board_id: $b, id: "zb_status", title: "Status", defaults: {labels: [
    {label: "Draft", color: american_gray, index: 0}, {label: "Paid", color: done_green, index: 3, is_done: true}]}) {
    settings }
}"""


def test_a_board_is_provisioned_with_fixed_column_ids(desk: Desk) -> None:
    """Label ids are the numbers of their colours; a second run fails column by column instead of doubling."""
    made = desk.monday(
        'mutation { create_board(board_name: "B", board_kind: private, empty: true) { id columns { id } } }'
    )
    board = made.json()["data"]["create_board"]
    assert [column["id"] for column in board["columns"]] == ["name", "person", "status", "date4"]
    money = {"unit": {"symbol": "custom", "custom_unit": "USD", "precision": 2}}
    first = desk.monday(PROVISION, {"b": board["id"], "money": money}).json()
    assert "errors" not in first
    assert [label["id"] for label in first["data"]["c4"]["settings"]["labels"]] == [17, 1]
    assert first["data"]["c2"]["settings"] == money
    second = desk.monday(PROVISION, {"b": board["id"], "money": money}).json()
    assert [error["path"] for error in second["errors"]] == [["c1"], ["c2"], ["c3"], ["c4"]]
    assert second["data"]["g"]["id"] != first["data"]["g"]["id"]


@pytest.mark.parametrize(
    "field",
    [
        'create_column(board_id: BOARD, id: "Upper", title: "x", column_type: text)',
        'create_column(board_id: BOARD, id: "zb_2", title: "x", column_type: text)',
        'create_column(board_id: BOARD, id: "a_very_long_column_id", title: "x", column_type: text)',
        'create_column(board_id: BOARD, id: "zb_total", title: "x", column_type: text)',
        'create_column(board_id: BOARD, id: "ok", title: "", column_type: text)',
        'create_group(board_id: BOARD, group_name: "")',
        'create_status_column(board_id: BOARD, title: "x", defaults: {labels: [{label: "a", color: sky, index: 0},'
        ' {label: "b", color: sky, index: 1}]})',
        'create_dropdown_column(board_id: BOARD, title: "x", defaults: {labels: [{label: "a"}, {label: "a"}]})',
    ],
)
def test_wrong_columns_are_refused(desk: Desk, field: str) -> None:
    """Ids of 1 to 20 lower-case letters and underscores, unique; each colour once."""
    answer = desk.monday("mutation {{ f: {} {{ id }} }}".format(field.replace("BOARD", w.MONDAY_BOARD))).json()
    assert answer["data"] == {"f": None}


def test_boards_are_read_with_columns_and_groups(desk: Desk) -> None:
    """An unknown board is left out, not an error."""
    query = """query ($ids: [ID!]) { boards(ids: $ids) { id name state hierarchy_type items_count items_limit
      groups { id title } columns { id title type archived settings revision } } }"""
    (board,) = desk.monday(query, {"ids": [w.MONDAY_BOARD, "1"]}).json()["data"]["boards"]
    assert [group["id"] for group in board["groups"]] == [w.MONDAY_GROUP]
    assert {column["id"]: column["type"] for column in board["columns"]}["zb_currency"] == "dropdown"


def test_the_forty_first_board_in_a_minute_waits(desk: Desk) -> None:
    """A limit of the field, with its seconds."""
    query = 'mutation { create_board(board_name: "B", board_kind: private) { id } }'
    for _ in range(40):
        assert "errors" not in desk.monday(query).json()
    answer = desk.monday(query)
    assert (answer.status, code(answer)) == (429, "FIELD_MINUTE_RATE_LIMIT_EXCEEDED")


def test_who_am_i(desk: Desk) -> None:
    """The doctor's question."""
    query = """{ me { id name kind status account { id slug tier plan { tier max_users } } }
      platform_api { daily_limit { base total } } versions { value kind } }"""
    data = desk.monday(query).json()["data"]
    assert data["me"]["id"] == w.MONDAY_USER
    assert data["platform_api"]["daily_limit"]["total"] == 10_000
    assert {"value": "2026-10", "kind": "current"} in data["versions"]
