"""Subscriptions and notifications of the stand-in of Graph (contracts: microsoft-teams 7)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from vendors_desk import Desk, activity, conversation

from sandbox.vendors import default_world as w
from sandbox.vendors import graph_notifications
from sandbox.vendors.faults import Fault
from sandbox.vendors.wire import Answer

BOT, GRAPH = "https://api.botframework.com", "https://graph.microsoft.com"
CHANNEL = f"teams/channels/{w.CHANNEL_FINANCE}"
MESSAGES = f"/teams/{w.MICROSOFT_TEAM}/channels/{w.CHANNEL_FINANCE}/messages"
CHANNELS = f"/teams/{w.MICROSOFT_TEAM}/channels"


def inside(desk: Desk, minutes: float) -> str:
    at = datetime.fromtimestamp(desk.world.clock.now(), UTC) + timedelta(minutes=minutes)
    return at.strftime("%Y-%m-%dT%H:%M:%S.%f0Z")


def wanted(desk: Desk, **changes: Any) -> dict[str, Any]:
    body = {
        "changeType": "created,updated,deleted",
        "resource": MESSAGES,
        "notificationUrl": "https://api.example.com/graph",
        "lifecycleNotificationUrl": "https://api.example.com/lifecycle",
        "expirationDateTime": inside(desk, 4200),
        "clientState": "state-1",
        **changes,
    }
    return {name: value for name, value in body.items() if value is not None}


def subscribe(desk: Desk, **changes: Any) -> Answer:
    return desk.graph("POST", "subscriptions", desk.microsoft_token(GRAPH), wanted(desk, **changes))


def post(desk: Desk) -> str:
    answer = desk.bot("POST", "conversations", desk.microsoft_token(BOT), conversation())
    return str(answer.json()["activityId"])


def kinds(desk: Desk) -> list[str]:
    return [each.get("changeType") or each["lifecycleEvent"] for each in desk.notified]


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.world.unlimited |= {"graph", "bot"}
    return desk


# --- making ----------------------------------------------------------------------------------------------------------


def test_both_addresses_answer_before_there_is_a_subscription(desk: Desk) -> None:
    """Two calls, also for one address; then 201."""
    made = subscribe(desk, lifecycleNotificationUrl="https://api.example.com/graph")
    assert (made.status, desk.validated) == (201, ["https://api.example.com/graph"] * 2)


def test_query_of_an_address_stays(desk: Desk) -> None:
    """The token comes behind it."""
    assert subscribe(desk, notificationUrl="https://api.example.com/graph?token=a").status == 201


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Answer(0), "timed out"),
        (Answer(202, b"", {"Content-Type": "text/plain"}), "200 OK"),
        (Answer(404), "200 OK"),
        (Answer(302, b"", {"Location": "https://elsewhere.example"}), "200 OK"),
        (Answer(200, b"", {"Content-Type": "text/plain"}), "exactly match"),
        (Answer(200, b"Validation%3A+Testing", {"Content-Type": "text/plain"}), "exactly match"),
    ],
    ids=["none", "202", "404", "redirect", "empty", "encoded"],
)
def test_address_that_does_not_answer_right(desk: Desk, answer: Answer, says: str) -> None:
    """400, and nothing is made (7.2)."""
    desk.validation = answer
    refused = subscribe(desk)
    error = refused.json()["error"]
    assert (refused.status, error["code"], says in error["message"]) == (400, "InvalidRequest", True)
    assert desk.world.microsoft.subscriptions == {}


def test_token_as_json_is_no_answer(desk: Desk) -> None:
    """The right bytes with the wrong type."""

    echo = desk._ask

    def as_json(url: str, body: bytes, headers: Any) -> Answer:
        return Answer(200, echo(url, body, headers).body, {"Content-Type": "application/json"})

    desk.world.ask = as_json
    assert subscribe(desk).status == 400


def test_more_than_an_hour_needs_the_lifecycle_address(desk: Desk) -> None:
    """In Microsoft's own words."""
    refused = subscribe(desk, lifecycleNotificationUrl=None, expirationDateTime=inside(desk, 61))
    assert refused.json()["error"]["message"] == (
        "lifecycleNotificationUrl is a required property for subscription creation on this resource when the "
        "expirationDateTime value is set to greater than 1 hour."
    )
    assert subscribe(desk, lifecycleNotificationUrl=None, expirationDateTime=inside(desk, 60)).status == 201


def test_one_per_app_and_resource(desk: Desk) -> None:
    """However the resource is written; 403 names the limit, and a fault makes the 409 that others have seen."""
    made = subscribe(desk).json()
    again = subscribe(desk, resource=MESSAGES.strip("/"))
    assert (again.status, "limit of 1" in again.json()["error"]["message"]) == (403, True)
    assert subscribe(desk, resource=CHANNELS).status == 201
    desk.world.faults.rules.append(Fault("status", "graph", path="/v1.0/subscriptions", status=409))
    assert subscribe(desk).status == 409
    token = desk.microsoft_token(GRAPH)
    assert desk.graph("DELETE", f"subscriptions/{made['id']}", token).status == 204
    assert subscribe(desk).status == 201


@pytest.mark.parametrize("resource", [MESSAGES, CHANNELS])
def test_permission_is_the_teams_or_the_tenants(desk: Desk, resource: str) -> None:
    """Resource-specific consent holds where the app is installed."""
    for channel in desk.world.microsoft.channels.values():
        channel.installed.clear()
    assert subscribe(desk, resource=resource).status == 403
    app = desk.world.microsoft.apps[w.MICROSOFT_TENANT, w.MICROSOFT_CLIENT_ID]
    app.graph_roles = ["ChannelMessage.Read.All", "Channel.ReadBasic.All"]
    assert subscribe(desk, resource=resource).status == 201


@pytest.mark.parametrize(
    "changes",
    [
        {"resource": f"/teams/{w.MICROSOFT_TEAM}", "changeType": "created"},
        {"resource": f"{MESSAGES}?$search=x"},
        {"notificationUrl": "ftp://127.0.0.1/"},
        {"notificationUrl": "http://192.168.1.1/"},
        {"clientState": 5},
    ],
    ids=["kind", "query", "ftp", "http", "state"],
)
def test_what_is_not_taken(desk: Desk, changes: dict[str, Any]) -> None:
    """400 each; 128 characters of state and the sandbox's own http are."""
    assert subscribe(desk, **changes).status == 400
    assert subscribe(desk, clientState="x" * 128, notificationUrl="http://127.0.0.1:8400/graph").status == 201


def test_each_app_sees_its_own(desk: Desk) -> None:
    """And nobody of another tenant, though the app is the same."""
    key = subscribe(desk).json()["id"]
    desk.world.microsoft.subscriptions[key].tenant_id = "another"
    token = desk.microsoft_token(GRAPH)
    assert desk.graph("GET", "subscriptions", token).json()["value"] == []
    assert desk.graph("GET", f"subscriptions/{key}", token).status == 404


def test_new_address_is_validated_before_it_counts(desk: Desk) -> None:
    """PATCH; the old one stays if the new one does not answer."""
    key, token = subscribe(desk).json()["id"], desk.microsoft_token(GRAPH)
    patched = desk.graph("PATCH", f"subscriptions/{key}", token, {"notificationUrl": "https://b.example/"})
    assert (patched.status, desk.validated[-1]) == (200, "https://b.example/")
    desk.validation = Answer(500)
    assert desk.graph("PATCH", f"subscriptions/{key}", token, {"notificationUrl": "https://c.example/"}).status == 400
    shown = desk.graph("GET", f"subscriptions/{key}", token).json()
    assert shown["notificationUrl"] == "https://b.example/"


# --- what is told ----------------------------------------------------------------------------------------------------


def test_messages_and_replies_of_everybody_are_told(desk: Desk) -> None:
    """Of the bot and of people, made, changed and removed; never their text."""
    subscribe(desk)
    root = post(desk)
    reply = desk.control("POST", f"{CHANNEL}/messages/{root}/replies", {"text": "Agreed, secretly"}).json()["id"]
    thread = f"{w.CHANNEL_FINANCE};messageid={root}"
    bot = desk.microsoft_token(BOT)
    desk.bot("PUT", f"conversations/{thread}/activities/{root}", bot, activity())
    desk.control("PATCH", f"{CHANNEL}/messages/{reply}", {"text": "x"})
    desk.control("DELETE", f"{CHANNEL}/messages/{reply}")
    desk.bot("DELETE", f"conversations/{thread}/activities/{root}", bot)
    graph_notifications.settle(desk.world)
    assert kinds(desk) == ["created", "created", "updated", "updated", "deleted", "deleted"]
    first, second = desk.notified[:2]
    where = f"teams('{w.MICROSOFT_TEAM}')/channels('{w.CHANNEL_FINANCE}')/messages('{root}')"
    assert (first["resource"], second["resource"]) == (where, f"{where}/replies('{reply}')")
    assert second["resourceData"]["id"] == reply
    assert (first["clientState"], first["tenantId"]) == ("state-1", w.MICROSOFT_TENANT)
    assert "secretly" not in str(desk.notified)


def test_only_what_was_subscribed_to_is_told(desk: Desk) -> None:
    """The kinds of change, and the channel."""
    subscribe(desk, changeType="deleted")
    root = post(desk)
    desk.control("POST", f"teams/channels/{w.CHANNEL_PURCHASING}/messages", {"text": "elsewhere"})
    desk.control("DELETE", f"{CHANNEL}/messages/{root}")
    assert kinds(desk) == ["deleted"]


def test_renamed_deleted_and_restored_channel(desk: Desk) -> None:
    """A deleted one takes the subscription to its messages along, and cannot be found by anybody."""
    subscribe(desk)
    subscribe(desk, resource=CHANNELS, clientState="state-2")
    desk.control("PATCH", CHANNEL, {"name": "money"})
    desk.control("PATCH", CHANNEL, {"name": "money"})
    desk.control("POST", f"{CHANNEL}/delete")
    assert sorted(kinds(desk)) == ["deleted", "subscriptionRemoved", "updated"]
    token, bot = desk.microsoft_token(GRAPH), desk.microsoft_token(BOT)
    assert desk.graph("GET", MESSAGES.removesuffix("/messages"), token).status == 404
    assert len(desk.graph("GET", CHANNELS.strip("/"), token).json()["value"]) == 2
    assert desk.bot("POST", "conversations", bot, conversation()).json()["error"]["code"] == "ConversationNotFound"
    assert [each["resource"] for each in desk.control("GET", "graph/subscriptions").json()["subscriptions"]] == [
        CHANNELS
    ]
    desk.control("POST", f"{CHANNEL}/restore")
    assert kinds(desk)[-1] == "updated"
    assert desk.graph("GET", MESSAGES.removesuffix("/messages").strip("/"), token).json()["displayName"] == "money"
    assert {each["clientState"] for each in desk.notified} == {"state-1", "state-2"}


def test_items_for_one_address_travel_together(desk: Desk) -> None:
    """Of several subscriptions too."""
    bodies: list[int] = []
    keep = desk._ask

    def count(url: str, body: bytes, headers: Any) -> Answer:
        before = len(desk.notified)
        answer = keep(url, body, headers)
        bodies.append(len(desk.notified) - before)
        return answer

    subscribe(desk)
    desk.world.ask = count
    for _ in range(3):
        post(desk)
    graph_notifications.settle(desk.world)
    assert bodies == [3]


@pytest.mark.parametrize("trouble", [{"lose": 1}, {"copies": 2}, {"reorder": True}, {"delay": 30}], ids=str)
def test_trouble_with_notifications(desk: Desk, trouble: dict[str, Any]) -> None:
    """At least once and in no order is all that Graph promises; what it loses it may not even know of."""
    subscribe(desk)
    assert desk.control("PATCH", "graph/notifying", {"other": 1}).status == 400
    desk.control("PATCH", "graph/notifying", trouble)
    made = [post(desk), post(desk)]
    desk.control("POST", "graph/settle")
    told = [each["resourceData"]["id"] for each in desk.notified]
    match trouble:
        case {"lose": _}:
            assert told == made[1:]
        case {"copies": _}:
            assert sorted(told) == sorted(made * 2)
        case {"reorder": _}:
            assert told == made[::-1]
        case _:
            assert told == []
            desk.control("POST", "clock", {"advance": 30})
            assert told + [each["resourceData"]["id"] for each in desk.notified] == made


def test_refused_notification_is_repeated_for_four_hours(desk: Desk) -> None:
    """At growing intervals; then it is lost, and `missed` says so, once."""
    subscribe(desk)
    desk.notification_status = 503
    post(desk)
    post(desk)
    (key,) = desk.world.microsoft.subscriptions
    minutes = []
    for minute in range(5 * 60):
        if minute % 30 == 0:
            desk.graph("POST", f"subscriptions/{key}/reauthorize", desk.microsoft_token(GRAPH))
        tried = [notice for notice in graph_notifications.settle(desk.world) if not notice.lifecycle]
        minutes += [minute] * len(tried)
        desk.world.clock.advance(60)
    assert minutes[::2] == [0, 1, 2, 3, 5, 8, 14, 25, 47, 77, 107, 137, 167, 197, 227, 257]
    assert minutes[1::2] == minutes[::2]
    assert [each.lifecycle for each in desk.world.microsoft.notifying.outbox] == [True]
    desk.notification_status = 202
    desk.world.clock.advance(1800)
    graph_notifications.settle(desk.world)
    assert kinds(desk)[0] == "missed"
    assert kinds(desk).count("missed") == 1
    assert "created" not in kinds(desk)


def test_notification_arrives_once_the_address_answers_again(desk: Desk) -> None:
    """An outage shorter than four hours loses nothing."""
    subscribe(desk)
    desk.notification_status = 500
    root = post(desk)
    graph_notifications.settle(desk.world)
    desk.notification_status = 202
    graph_notifications.settle(desk.world)
    assert desk.notified == []
    desk.world.clock.advance(10)
    graph_notifications.settle(desk.world)
    assert [each["resourceData"]["id"] for each in desk.notified] == [root]
    (shown,) = desk.control("GET", "graph/notifications").json()["notifications"]
    assert (shown["attempts"], shown["status"], shown["changeType"]) == (2, 202, "created")
    assert "state-1" not in str(shown)


# --- tokens and lifecycle --------------------------------------------------------------------------------------------


def test_nothing_is_delivered_without_a_live_token(desk: Desk) -> None:
    """Challenges come first at half its time; reauthorised, what was held back arrives (7.4)."""
    key = subscribe(desk).json()["id"]
    desk.control("POST", "clock", {"advance": 1790})
    assert kinds(desk) == []
    desk.control("POST", "clock", {"advance": 20})
    assert kinds(desk) == ["reauthorizationRequired"]
    desk.control("POST", "clock", {"advance": 1800})
    assert kinds(desk) == ["reauthorizationRequired"] * 2
    root = post(desk)
    graph_notifications.settle(desk.world)
    assert "created" not in kinds(desk)
    token = desk.microsoft_token(GRAPH)
    assert desk.graph("POST", f"subscriptions/{key}/reauthorize", token).status == 204
    graph_notifications.settle(desk.world)
    assert desk.notified[-1]["resourceData"]["id"] == root


def test_renewal_reauthorises(desk: Desk) -> None:
    """PATCH in time: no challenge for half an hour."""
    key = subscribe(desk).json()["id"]
    desk.control("POST", "clock", {"advance": 1700})
    until = inside(desk, 4200)
    assert (
        desk.graph("PATCH", f"subscriptions/{key}", desk.microsoft_token(GRAPH), {"expirationDateTime": until}).status
        == 200
    )
    desk.control("POST", "clock", {"advance": 1700})
    assert kinds(desk) == []


def test_app_that_was_removed_hears_nothing_and_cannot_reauthorise(desk: Desk) -> None:
    """Consent that was taken back ends it in effect."""
    key = subscribe(desk).json()["id"]
    desk.control("PATCH", CHANNEL, {"installed": []})
    desk.control("PATCH", f"teams/channels/{w.CHANNEL_PURCHASING}", {"installed": []})
    desk.control("POST", f"{CHANNEL}/messages", {"text": "Hello?"})
    assert desk.notified == []
    assert desk.graph("POST", f"subscriptions/{key}/reauthorize", desk.microsoft_token(GRAPH)).status == 403


def test_expired_subscription_ends_without_a_word(desk: Desk) -> None:
    """404 from then on, and nothing of what happens."""
    key = subscribe(desk, expirationDateTime=inside(desk, 50)).json()["id"]
    desk.world.clock.advance(51 * 60)
    post(desk)
    graph_notifications.settle(desk.world)
    assert desk.notified == []
    token = desk.microsoft_token(GRAPH)
    patched = desk.graph("PATCH", f"subscriptions/{key}", token, {"expirationDateTime": inside(desk, 100)})
    assert patched.json()["error"]["code"] == "ResourceNotFound"


@pytest.mark.parametrize("event", ["reauthorizationRequired", "subscriptionRemoved", "missed"])
def test_lifecycle_events_can_be_made(desk: Desk, event: str) -> None:
    """They name the subscription and its state, and no resource (7.6)."""
    key = subscribe(desk).json()["id"]
    assert desk.control("POST", f"graph/subscriptions/{key}/lifecycle", {"event": "deleted"}).status == 400
    if event == "subscriptionRemoved":
        desk.control("DELETE", f"graph/subscriptions/{key}")
        assert desk.world.microsoft.subscriptions == {}
    else:
        desk.control("POST", f"graph/subscriptions/{key}/lifecycle", {"event": event})
    (item,) = desk.notified
    assert (item["lifecycleEvent"], item["subscriptionId"], item["clientState"]) == (event, key, "state-1")
    assert "resource" not in item


def test_next_moment_is_known(desk: Desk) -> None:
    """The server sets its timer by it."""
    assert graph_notifications.wait(desk.world) is None
    subscribe(desk)
    assert graph_notifications.wait(desk.world) == pytest.approx(3599 / 2)
    post(desk)
    assert graph_notifications.wait(desk.world) == 0
