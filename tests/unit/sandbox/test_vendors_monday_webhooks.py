"""Webhooks: challenge, what fires them, JWT, retries. contracts: monday 7."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from typing import Any

import pytest
from monday_calls import code, data, item, subitem, update
from vendors_desk import Desk

from sandbox.vendors import default_world as w
from sandbox.vendors.monday_state import MondayGrant
from sandbox.vendors.wire import Answer

BOARD, ASHA = w.MONDAY_BOARD, w.MONDAY_PERSON
URL = "https://hooks.example.com/webhooks/monday/0123456789abcdef0123456789abcdef"
ADD = """mutation ($board: ID!, $url: String!, $event: WebhookEventType!, $cfg: JSON) {
  create_webhook(board_id: $board, url: $url, event: $event, config: $cfg) { id board_id event config } }"""


def register(desk: Desk, event: str, config: Any = None, *, token: str = w.MONDAY_TOKEN, url: str = URL) -> Answer:
    """Ask for a webhook."""
    cfg = json.dumps(config) if config is not None else None
    return desk.monday(ADD, {"board": BOARD, "url": url, "event": event, "cfg": cfg}, token=token)


def hook(desk: Desk, event: str, config: Any = None, **how: Any) -> str:
    """The id of a new webhook; events are answered with 200 from now on."""
    desk.hook_status = 200
    return str(data(register(desk, event, config, **how))["create_webhook"]["id"])


def act(desk: Desk, do: str, **what: Any) -> str:
    """Asha does something before the board; what monday has to tell is sent."""
    answer = desk.control("POST", f"monday/people/{ASHA}", {"do": do, **what})
    assert answer.status == 200, answer.body
    return str(answer.json().get("id", ""))


def told(desk: Desk) -> list[dict[str, Any]]:
    """The events that arrived since the last look."""
    desk.control("POST", "monday/events/settle")
    events = [json.loads(body)["event"] for url, body, _ in desk.sent if url == URL]
    desk.sent.clear()
    return events


# --- registering


def test_the_address_answers_a_challenge_first(desk: Desk) -> None:
    """7.2: a POST with `challenge`, answered with 200 and the same JSON."""
    made = data(register(desk, "change_specific_column_value", {"columnId": "zb_status"}))["create_webhook"]
    assert desk.challenged == [URL]
    assert (made["board_id"], json.loads(made["config"])) == (BOARD, {"columnId": "zb_status"})


@pytest.mark.parametrize(
    "answer", [Answer(404), Answer(200, b'{"challenge":"x"}'), Answer(200, b"ok"), Answer(200), Answer(0)]
)
def test_an_address_that_does_not_repeat_the_challenge_gets_no_webhook(desk: Desk, answer: Answer) -> None:
    """7.2: exactly 200, exactly the same."""
    desk.challenge_answer = answer
    assert code(register(desk, "create_item")) == "InvalidArgumentException"
    assert desk.world.monday.webhooks == {}


@pytest.mark.parametrize(
    ("event", "config", "url"),
    [
        ("change_specific_column_value", None, URL),
        ("change_specific_column_value", {"columnId": "nothing"}, URL),
        ("change_status_column_value", {"columnId": "zb_number"}, URL),
        ("item_moved_to_specific_group", {"groupId": "nowhere"}, URL),
        ("item_moved_to_specific_group", {}, URL),
        ("create_item", None, "https://hooks.example.com/" + "x" * 230),
        ("create_item", None, "hooks.example.com"),
        ("create_subitem", None, URL),
    ],
)
def test_wrong_registrations_are_refused_unasked(desk: Desk, event: str, config: Any, url: str) -> None:
    """3.3: 255 characters; 7.1: the configs; subitem events need a subitem. Nobody is asked then."""
    assert code(register(desk, event, config, url=url)) == "InvalidArgumentException"
    assert desk.challenged == []


def test_webhooks_stand_on_the_parents_board(desk: Desk) -> None:
    """7.1: "for subitem events pass the parent board id"."""
    subitem(desk, item(desk))
    hook(desk, "create_subitem")
    refused = desk.monday(ADD, {"board": w.MONDAY_SUBITEM_BOARD, "url": URL, "event": "create_item"})
    assert code(refused) == "InvalidArgumentException"


def test_webhooks_are_listed_without_their_address_and_deleted(desk: Desk) -> None:
    """7.1."""
    key = hook(desk, "create_item")
    listing = "query ($b: ID!) { webhooks(board_id: $b) { id event board_id config } }"
    (found,) = data(desk.monday(listing, {"b": BOARD}))["webhooks"]
    assert found == {"id": key, "event": "create_item", "board_id": BOARD, "config": "{}"}
    delete = "mutation ($i: ID!) { delete_webhook(id: $i) { id } }"
    act(desk, "create", board=BOARD, name="x")
    assert len(told(desk)) == 1
    data(desk.monday(delete, {"i": key}))
    act(desk, "create", board=BOARD, name="y")
    assert told(desk) == []
    assert code(desk.monday(delete, {"i": key})) == "ResourceNotFoundException"


def test_a_registration_may_be_gone_one_day(desk: Desk) -> None:
    """7.4: the `webhooks` query is how to notice."""
    key = hook(desk, "create_item")
    assert desk.control("DELETE", f"monday/webhooks/{key}").status == 200
    assert desk.control("DELETE", f"monday/webhooks/{key}").status == 404
    assert data(desk.monday("query ($b: ID!) { webhooks(board_id: $b) { id } }", {"b": BOARD}))["webhooks"] == []


def test_the_address_may_call_monday_while_it_is_asked(desk: Desk) -> None:
    """7.2: no call waits for somebody else's challenge."""
    answers = []

    def ask(_: str, body: bytes, __: object) -> Answer:
        caller = threading.Thread(target=lambda: answers.append(desk.monday("{ me { id } }").status))
        caller.start()
        caller.join(10)
        return Answer(200, body)

    desk.world.ask = ask
    data(register(desk, "create_item"))
    assert answers == [200]


# --- events


def test_a_persons_status_is_told_with_who_and_when(desk: Desk) -> None:
    """7.5: the old type name, label ids as `index`, the value before, seconds as a float."""
    key = item(desk, {"zb_status": {"label": "Sent"}})
    webhook = hook(desk, "change_specific_column_value", {"columnId": "zb_status"})
    act(desk, "set", item=key, column="zb_status", value={"label": "Paid"})
    act(desk, "set", item=key, column="zb_number", value="other")
    (event,) = told(desk)
    value, before = event.pop("value"), event.pop("previousValue")
    assert (value["label"]["index"], value["label"]["text"], value["label"]["is_done"]) == (1, "Paid", True)
    assert before["label"]["text"] == "Sent"
    uuid = event.pop("triggerUuid")
    assert len(uuid) == 32
    assert event == {
        "app": "monday",
        "type": "update_column_value",
        "triggerTime": "2026-11-18T11:06:40Z",
        "subscriptionId": int(webhook),
        "isRetry": False,
        "userId": int(ASHA),
        "originalTriggerUuid": None,
        "boardId": int(BOARD),
        "groupId": w.MONDAY_GROUP,
        "pulseId": int(key),
        "pulseName": "INV-1",
        "columnId": "zb_status",
        "columnType": "color",
        "columnTitle": "Status",
        "changedAt": 1_795_000_000.0,
        "isTopGroup": True,
    }


def test_a_cleared_status_is_null(desk: Desk) -> None:
    """7.5."""
    key = item(desk, {"zb_status": {"label": "Sent"}})
    hook(desk, "change_column_value")
    act(desk, "set", item=key, column="zb_status", value=None)
    assert [one["value"] for one in told(desk)] == [None]


def test_writes_of_programs_are_told_too_and_only_what_differs(desk: Desk) -> None:
    """7.6: `userId` is the token's user; a write of what is there already is no change."""
    key = item(desk, {"zb_number": "INV-1"})
    hook(desk, "change_column_value")
    data(update(desk, key, {"zb_number": "INV-1", "zb_total": "5", "zb_currency": {"ids": [1]}}))
    events = told(desk)
    assert [(one["columnId"], one["columnType"], one["userId"]) for one in events] == [
        ("zb_currency", "dropdown", int(w.MONDAY_USER)),
        ("zb_total", "numeric", int(w.MONDAY_USER)),
    ]
    assert events[0]["value"] == {"chosenValues": [{"id": 1, "name": "EUR"}]}


@pytest.mark.parametrize(
    ("wanted", "fires"),
    [({"$any$": True}, True), ({"index": 1}, True), ({"index": 2}, False), (None, True)],
)
def test_a_status_webhook_may_wait_for_one_label(desk: Desk, wanted: Any, fires: bool) -> None:
    """7.1: `columnValue` by label id, or any."""
    key = item(desk)
    config = {"columnId": "zb_status"} | ({"columnValue": wanted} if wanted else {})
    hook(desk, "change_status_column_value", config)
    act(desk, "set", item=key, column="zb_status", value={"index": 1})
    assert bool(told(desk)) is fires


def test_two_registrations_are_both_told_of_one_change(desk: Desk) -> None:
    """7.6: register one kind only."""
    key = item(desk)
    hook(desk, "change_column_value")
    hook(desk, "change_status_column_value", {"columnId": "zb_status"})
    act(desk, "set", item=key, column="zb_status", value={"index": 1})
    assert len({one["triggerUuid"] for one in told(desk)}) == 2


@pytest.mark.parametrize(
    ("event", "do", "kind"),
    [
        ("item_archived", "archive", "archive_pulse"),
        ("item_deleted", "delete", "delete_pulse"),
        ("item_restored", "restore", "restore_pulse"),
    ],
)
def test_items_come_and_go_without_a_pulse_id(desk: Desk, event: str, do: str, kind: str) -> None:
    """7.5: itemId and itemName, "no pulseId"; subitems that go along are not told."""
    key = item(desk)
    subitem(desk, key)
    if do == "restore":
        act(desk, "archive", item=key)
    hook(desk, event)
    hook(desk, "subitem_archived")
    act(desk, do, item=key)
    (told_of,) = told(desk)
    assert (told_of["type"], told_of["itemId"], told_of["itemName"]) == (kind, int(key), "INV-1")
    assert "pulseId" not in told_of


def test_new_items_names_moves_comments_and_columns_are_told(desk: Desk) -> None:
    """7.5: one shape each."""
    key = item(desk)
    group = data(desk.monday(f'mutation {{ create_group(board_id: {BOARD}, group_name: "Paid") {{ id }} }}'))
    other = group["create_group"]["id"]
    for name in ("create_item", "change_name", "item_moved_to_any_group", "create_update", "create_column"):
        hook(desk, name)
    hook(desk, "item_moved_to_specific_group", {"groupId": w.MONDAY_GROUP})
    made = act(desk, "create", board=BOARD, name="By hand", values={"zb_number": "X"})
    act(desk, "rename", item=key, name="Renamed")
    act(desk, "rename", item=key, name="Renamed")
    act(desk, "move", item=key, group=other)
    act(desk, "comment", item=key, body="<p>Called.</p>")
    data(desk.monday(f'mutation {{ create_column(board_id: {BOARD}, title: "N", column_type: text) {{ id }} }}'))
    create, rename, move, comment, column = told(desk)
    assert (create["type"], create["pulseId"], create["columnValues"]) == (
        "create_pulse",
        int(made),
        {"zb_number": {"value": "X"}},
    )
    assert (rename["type"], rename["value"], rename["previousValue"]) == (
        "update_name",
        {"name": "Renamed"},
        {"name": "INV-1"},
    )
    assert (move["type"], move["sourceGroupId"], move["destGroupId"]) == (
        "move_pulse_into_group",
        w.MONDAY_GROUP,
        other,
    )
    assert (comment["type"], comment["textBody"]) == ("create_update", "Called.")
    assert (column["type"], column["columnType"]) == ("create_column", "text")


def test_subitems_are_told_with_their_parents(desk: Desk) -> None:
    """7.5: as strings when made, as numbers when retired; boardId is the subitem board."""
    parent = item(desk)
    first = subitem(desk, parent)
    for name in ("create_subitem", "change_subitem_column_value", "change_subitem_name", "subitem_deleted"):
        hook(desk, name)
    for name in ("create_item", "change_column_value"):
        hook(desk, name)
    made = act(desk, "create_subitem", parent=parent, name="New")
    act(desk, "set", item=made, column="zb_line_total", value="5")
    act(desk, "rename", item=made, name="Newer")
    act(desk, "delete", item=first)
    create, value, name, delete = told(desk)
    assert {one["boardId"] for one in (create, value, name, delete)} == {int(w.MONDAY_SUBITEM_BOARD)}
    assert (create["parentItemId"], create["parentItemBoardId"], create["itemId"]) == (parent, BOARD, int(made))
    assert (value["columnId"], name["value"]) == ("zb_line_total", {"name": "Newer"})
    assert (delete["parentItemId"], delete["parentBoardId"], delete["pulseId"]) == (int(parent), int(BOARD), int(first))


# --- who sent it


def app_token(desk: Desk) -> str:
    """A token that the app got by OAuth."""
    grant = MondayGrant("app-token", w.MONDAY_CLIENT_ID, ASHA, w.MONDAY_ACCOUNT, w.MONDAY_SCOPES)
    desk.world.monday.tokens["app-token"] = grant
    return "app-token"


def claims(token: str) -> dict[str, Any]:
    """The claims of a JWT with a right signature."""
    head, payload, signature = token.split(".")
    expected = hmac.new(w.MONDAY_SIGNING_SECRET.encode(), f"{head}.{payload}".encode(), hashlib.sha256).digest()
    assert base64.urlsafe_b64decode(signature + "==") == expected
    assert json.loads(base64.urlsafe_b64decode(head + "==")) == {"alg": "HS256", "typ": "JWT"}
    return dict(json.loads(base64.urlsafe_b64decode(payload + "==")))


def test_an_apps_webhook_carries_a_jwt(desk: Desk) -> None:
    """7.3: signed with the Signing Secret, for the address, 300 s; fresh with each attempt."""
    hook(desk, "create_item", token=app_token(desk))
    desk.hook_status = 500
    act(desk, "create", board=BOARD, name="x")
    desk.world.clock.advance(60)
    desk.control("POST", "monday/events/settle")
    first, second = (claims(headers["Authorization"]) for _, _, headers in desk.sent)
    assert (first["aud"], first["accountId"], first["userId"]) == (URL, int(w.MONDAY_ACCOUNT), int(ASHA))
    assert (first["exp"] - first["iat"], second["iat"] - first["iat"]) == (300, 60)


def test_a_personal_tokens_webhook_proves_nothing(desk: Desk) -> None:
    """7.3."""
    hook(desk, "create_item")
    act(desk, "create", board=BOARD, name="x")
    assert "Authorization" not in desk.sent[-1][2]


def test_an_app_can_ask_for_its_own(desk: Desk) -> None:
    """`app_webhooks_only`."""
    hook(desk, "create_item")
    own = hook(desk, "create_item", token=app_token(desk))
    query = "query ($b: ID!) { webhooks(board_id: $b, app_webhooks_only: true) { id } }"
    assert data(desk.monday(query, {"b": BOARD}, token="app-token"))["webhooks"] == [{"id": own}]
    assert data(desk.monday(query, {"b": BOARD}))["webhooks"] == []


# --- delivery


@pytest.mark.parametrize("status", [0, 201, 202, 204, 400, 500])
def test_anything_but_200_is_repeated_once_a_minute_thirty_times(desk: Desk, status: int) -> None:
    """7.4: the same triggerUuid, `isRetry` from the second on."""
    hook(desk, "create_item")
    desk.hook_status = status
    act(desk, "create", board=BOARD, name="x")
    for _ in range(40):
        desk.world.clock.advance(59)
        desk.control("GET", "health")
        desk.world.clock.advance(1)
        desk.control("GET", "health")
    events = told(desk)
    assert len(events) == 31
    assert len({one["triggerUuid"] for one in events}) == 1
    assert [one["isRetry"] for one in events] == [False] + [True] * 30


def test_an_event_that_was_taken_is_not_repeated(desk: Desk) -> None:
    """200 ends it, also after a failure."""
    hook(desk, "create_item")
    desk.hook_status = 503
    act(desk, "create", board=BOARD, name="x")
    desk.hook_status = 200
    for _ in range(3):
        desk.world.clock.advance(60)
        desk.control("GET", "health")
    assert [one["isRetry"] for one in told(desk)] == [False, True]


def test_control_repeats_loses_holds_and_turns_round(desk: Desk) -> None:
    """7.4: neither order nor once is promised."""
    hook(desk, "create_item")

    def names(**trouble: Any) -> list[str]:
        assert desk.control("PATCH", "monday/events", trouble).status == 200
        desk.monday(f"""mutation {{ a: create_item(board_id: {BOARD}, item_name: "a") {{ id }}
          b: create_item(board_id: {BOARD}, item_name: "b") {{ id }} }}""")
        return [one["pulseName"] for one in told(desk)]

    assert names(copies=2) == ["a", "a", "b", "b"]
    assert names(copies=1, reverse=True) == ["b", "a"]
    assert names(reverse=False, lose=1) == ["b"]
    assert names(hold=True) == []
    held = desk.control("GET", "monday/events").json()["events"][-1]
    assert desk.control("POST", f"monday/events/{held['id']}/send", {"copies": 2}).json() == {"statuses": [200, 200]}
    assert [one["isRetry"] for one in told(desk)] == [False, True]
