"""Cards on their way to a channel (contracts: microsoft-teams 1.2, 1.3)."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import requests

from ml_connector.destinations import Registry
from ml_connector.destinations.teams.looking import MOST_POSTS, PAGE
from ml_connector.errors import NeedsAttention, RetryLater, Unknown
from ml_connector.events import Version
from ml_connector.limits import Budget, Unlimited
from ml_connector.ports import CannotTell, Destination, Memory, Receipt, Request
from tests.fakes import CHANNEL, SECRET_URL, TEAM, TENANT, Says, Wire, connection, delivery, record_of, toolbox

MADE = Says(201, {"id": f"{CHANNEL};messageid=17943", "activityId": "17943"}, {"MS-CV": "cv.1"})


def place(name: str, *answers: Says) -> tuple[Destination, Wire]:
    wire = Wire(*answers or (MADE,))
    return Registry(toolbox(wire)).destination(connection(), name), wire


def planned(destination: Destination, memory: Memory | None = None) -> Request:
    each = delivery()
    return destination.plan(each.event, record_of(each), memory or Memory())


def test_post_is_a_new_thread() -> None:
    """`isGroup`, tenant, channel and the activity are what the Connector demands (1.2.3); the card is an object."""
    destination, wire = place("finance")
    destination.send(planned(destination))
    body = wire.sent()
    assert wire.calls[0].url == "https://smba.trafficmanager.net/teams/v3/conversations"
    assert (body["isGroup"], body["tenantId"], body["channelData"]) == (True, TENANT, {"channel": {"id": CHANNEL}})
    (attachment,) = body["activity"]["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert attachment["content"]["type"] == "AdaptiveCard"
    assert body["activity"]["summary"] == "New invoice INV-000412 · Harbour Lane Bakery · 1,284.50 EUR · Sent"
    assert wire.calls[0].headers["Content-Type"] == "application/json; charset=utf-8"


def test_receipt_leads_to_the_message() -> None:
    """Message, thread, link and Microsoft's correlation vector are kept."""
    destination, _ = place("finance")
    assert destination.send(planned(destination)) == Receipt(
        "created",
        external_id="17943",
        thread_id=f"{CHANNEL};messageid=17943",
        link="https://teams.microsoft.com/l/message/19%3Afinancechannel%40thread.tacv2/17943"
        "?groupId=99999999-8888-4777-8666-555555555555&tenantId=11111111-2222-4333-8444-555555555555"
        "&createdTime=17943&parentMessageId=17943",
        status=201,
        request_id="cv.1",
    )


def test_change_takes_the_cards_place() -> None:
    """PUT on the message in its thread (1.2.4), with the bare activity."""
    destination, wire = place("finance", Says(200, {"id": "17943"}))
    memory = Memory("done", external_id="17943", thread_id=f"{CHANNEL};messageid=17943")
    assert destination.send(planned(destination, memory)).outcome == "updated"
    assert (wire.calls[0].method, str(wire.calls[0].url).rpartition("/conversations/")[2]) == (
        "PUT",
        "19%3Afinancechannel%40thread.tacv2%3Bmessageid%3D17943/activities/17943",
    )
    assert set(wire.sent()) == {"type", "summary", "attachments"}


# --- replies -----------------------------------------------------------------------------------------------------

SHOWN = Memory(
    "done", external_id="17943", thread_id=f"{CHANNEL};messageid=17943", amount="1284.50", currency="EUR",
    shown='{"balance":"1284.5","due":"2026-12-05","status":"draft"}', version=Version("2026-11-22T07:00:00Z", "aa"),
)  # fmt: skip
REPLIED = Says(201, {"id": "17950"}, {"MS-CV": "cv.2"})
TOLD = replace(SHOWN, step=1)


def test_change_with_something_to_tell_takes_two_requests() -> None:
    """First the card in its place, then the reply: what is told can be looked at."""
    destination, _ = place("finance")
    edit, told = planned(destination, SHOWN), planned(destination, TOLD)
    assert [(each.operation, each.more, each.within) for each in (edit, told)] == [
        ("update", True, False),
        ("create", False, True),
    ]
    assert planned(destination).more is False, "the first event is a card"


def test_reply_goes_into_the_thread() -> None:
    """POST to the thread's conversation, with the bare activity (1.2.4); the link leads to the reply (1.7)."""
    destination, wire = place("finance", REPLIED)
    receipt = destination.send(planned(destination, TOLD))
    assert (wire.calls[0].method, str(wire.calls[0].url).rpartition("/conversations/")[2]) == (
        "POST",
        "19%3Afinancechannel%40thread.tacv2%3Bmessageid%3D17943/activities",
    )
    assert (wire.sent()["type"], wire.sent()["summary"]) == ("message", "INV-000412 · Sent")
    assert (receipt.external_id, receipt.thread_id) == ("17950", TOLD.thread_id)
    assert "/17950?" in receipt.link
    assert receipt.link.endswith("&createdTime=17950&parentMessageId=17943")


def test_step_that_has_nothing_to_tell_any_more_is_the_card_once_more() -> None:
    """As after replies were turned off: an edit may be made twice."""
    quiet = replace(
        connection(), destinations={"finance": {**connection().destinations["finance"], "card": {"replies": False}}}
    )
    destination = Registry(toolbox(Wire(MADE))).destination(quiet, "finance")
    for memory in (SHOWN, TOLD):
        assert (planned(destination, memory).operation, planned(destination, memory).more) == ("update", False)


def test_reply_that_is_not_answered_is_looked_for_in_its_thread() -> None:
    """Among the replies of the card, by the id of its own first element; the card's own is another."""
    card, told = planned(place("finance")[0], SHOWN), planned(place("finance")[0], TOLD)
    memory = replace(TOLD, state="unknown", request=told, first_attempt_at=TRIED)
    wire = Wire(page(_reply(1, card), _reply(2, told)))
    receipt = Registry(toolbox(wire)).destination(connection(), "finance").settle(told, memory)
    assert receipt is not None
    assert (receipt.external_id, receipt.thread_id) == ("2", TOLD.thread_id)
    assert str(wire.calls[0].url).endswith("/messages/17943/replies?$top=50")
    assert (
        Registry(toolbox(Wire(page(_reply(1, card))))).destination(connection(), "finance").settle(told, memory) is None
    )


def _reply(number: int, request: Request) -> dict[str, Any]:
    return post(number, replace(request, body={"activity": request.body}))


class Counted(Unlimited):
    """Keeps what was drawn on."""

    def __init__(self) -> None:
        self.budgets: list[Budget] = []

    def take(self, budget: Budget, *, optional: bool = False) -> None:
        self.budgets.append(budget)


def test_reply_counts_as_a_new_message_and_an_edit_does_not() -> None:
    """Teams takes one post a second, replies too, and what rings is what people are spared by a digest."""
    counted = Counted()
    tools = replace(toolbox(Wire(MADE, Says(200, {}), REPLIED)), limits=counted, gathers=True)
    destination = Registry(tools).destination(connection(), "finance")
    for memory in (Memory(), SHOWN, TOLD):
        destination.send(planned(destination, memory))
    posts = [[meter[0] for meter in budget.meters if meter[:1] in ("p", "~")] for budget in counted.budgets]
    assert posts == [["p", "~"], [], ["p", "~"]]


@pytest.mark.parametrize("answer", [Says(200, {}), Says(200, b"")], ids=["no id", "nothing"])
def test_reply_without_an_id_may_be_there(answer: Says) -> None:
    """As a post: it is looked for."""
    destination, _ = place("finance", answer)
    with pytest.raises(Unknown):
        destination.send(planned(destination, TOLD))


def test_workflow_gets_the_one_shape_it_takes() -> None:
    """`contentUrl` is null, the content an object, no Authorization (1.3); the address is known to the wire alone."""
    destination, wire = place("purchasing", Says(202))
    request = planned(destination)
    receipt = destination.send(request)
    (attachment,) = wire.sent()["attachments"]
    assert (wire.sent()["type"], attachment["contentUrl"]) == ("message", None)
    assert wire.calls[0].url == SECRET_URL
    assert "Authorization" not in wire.calls[0].headers
    assert (request.url, receipt.outcome, receipt.link) == ("workflows:purchasing", "accepted", "")


def test_workflow_posts_every_version_anew() -> None:
    """It can not edit: each state of the record is a message of its own."""
    destination, _ = place("purchasing", Says(202))
    assert planned(destination, Memory("done", rev=1)).operation == "create"


# --- settling: looked for in the channel, through Graph (3, 8.4) -------------------------------------------------

TRIED = "2026-11-22T08:00:00.000000Z"


def post(number: int, request: Request | None = None, *, at: str = "08:00:01", **changes: Any) -> dict[str, Any]:
    """A message as Graph lists it: the card is JSON in a text."""
    content = request.body["activity"]["attachments"][0]["content"] if request else {"body": [{"id": "another"}]}
    card = {"contentType": "application/vnd.microsoft.card.adaptive", "content": json.dumps(content)}
    made = {"id": str(number), "createdDateTime": f"2026-11-22T{at}.123Z", "deletedDateTime": None}
    return {**made, "attachments": [card], **changes}


def page(*posts: dict[str, Any], more: bool = False) -> Says:
    link = {"@odata.nextLink": "https://graph.microsoft.com/v1.0/next"} if more else {}
    return Says(200, {"value": list(posts), **link})


def looked(*answers: Any) -> tuple[Receipt | None, Wire]:
    wire = Wire(*answers)
    destination = Registry(toolbox(wire)).destination(connection(), "finance")
    request = planned(destination)
    return destination.settle(request, Memory("unknown", request=request, first_attempt_at=TRIED)), wire


REQUEST = planned(place("finance")[0])


def test_unanswered_post_is_found_in_the_channel() -> None:
    """With all that a receipt has: later changes are put in its place."""
    receipt, wire = looked(page(post(2), more=True), page(post(1, REQUEST), post(0)))
    made = place("finance")[0].send(REQUEST)
    assert receipt == replace(
        made,
        external_id="1",
        thread_id=f"{CHANNEL};messageid=1",
        link=made.link.replace("17943", "1"),
        status=200,
        request_id="",
    )
    first, second = (str(each.url) for each in wire.calls)
    assert first == (
        f"https://graph.microsoft.com/v1.0/teams/{TEAM}/channels/19%3Afinancechannel%40thread.tacv2/messages?$top=50"
    )
    assert second == "https://graph.microsoft.com/v1.0/next"
    assert {each.method for each in wire.calls} == {"GET"}


@pytest.mark.parametrize(
    "others",
    [
        [],
        [post(1)],
        [post(1, REQUEST, deletedDateTime="2026-11-22T08:00:30Z")],
        [post(1, REQUEST, at="07:54:59")],
        [post(1, attachments=[{"content": json.dumps({"id": "zoho-invoice-4600000000987651"})}])],
        [post(1, attachments=[{"content": json.dumps({"id": "zoho-invoice-460000000098765-0a1b"})}])],
        [post(1, attachments=[])],
    ],
    ids=["nothing", "another card", "deleted", "from before the attempt", "a longer id", "a reply of it", "plain text"],
)
def test_post_that_is_not_there_is_not_found(others: list[dict[str, Any]]) -> None:
    """Only this record's card, posted since the attempt and still standing, is the one."""
    assert looked(page(*others))[0] is None


def test_old_post_in_front_does_not_end_the_search() -> None:
    """Graph promises no order, and an answer may move an old post up: only a page of old ones ends it."""
    old = [post(number, at="07:00:00") for number in range(PAGE)]
    receipt, _ = looked(page(*old[1:], post(99, REQUEST)))
    assert receipt is not None
    assert receipt.external_id == "99"
    receipt, wire = looked(page(post(1), *old, more=True))
    assert (receipt, len(wire.calls)) == (None, 1)


def test_busy_channel_is_not_read_to_its_end() -> None:
    """After 200 posts nobody can tell; the limits of Graph are there for others too."""
    with pytest.raises(CannotTell):
        looked(page(*[post(number) for number in range(50)], more=True))
    assert looked(page(*[post(number) for number in range(MOST_POSTS)]))[0] is None


@pytest.mark.parametrize(
    "answer",
    [
        Says(403, {"error": {"code": "Forbidden"}}),
        Says(404, {"error": {"code": "NotFound"}}),
        page({"id": "1", "createdDateTime": None}),
    ],
    ids=["not permitted", "no such channel", "unreadable"],
)
def test_channel_that_cannot_be_read_tells_nothing(answer: Says) -> None:
    """Without the permission a person looks, as before."""
    with pytest.raises(CannotTell):
        looked(answer)


@pytest.mark.parametrize(
    ("answer", "error", "after"),
    [
        (Says(429, None, {"Retry-After": "9"}), RetryLater, 9),
        (Says(503), RetryLater, None),
        (Says(200, b"<html>"), RetryLater, None),
        (requests.ReadTimeout(), Unknown, None),
    ],
    ids=["throttled", "out of order", "no JSON", "no answer"],
)
def test_graph_in_trouble_is_asked_later(answer: Any, error: type[RetryLater], after: float | None) -> None:
    """The question stays open; it is not answered by a fault."""
    with pytest.raises(error) as caught:
        looked(answer)
    assert (type(caught.value), caught.value.after) == (error, after)


def test_refused_credentials_are_no_answer_either() -> None:
    """Until they are put right the delivery waits; nobody is asked to look for what can still be found."""

    class Refused:
        def access_token(self, connection: str, kind: str, *, rejected: str = "") -> str:
            raise NeedsAttention("the client secret has expired")

    tools = replace(toolbox(Wire(page())), tokens=Refused())
    destination = Registry(tools).destination(connection(), "finance")
    with pytest.raises(NeedsAttention):
        destination.settle(REQUEST, Memory("unknown", request=REQUEST, first_attempt_at=TRIED))
