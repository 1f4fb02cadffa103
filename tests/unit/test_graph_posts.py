"""Messages through Graph: their exact bodies (contracts: microsoft-teams 1.1, 1.4, 1.5, 4)."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_connector.destinations import Registry
from ml_connector.destinations.teams import notice
from ml_connector.destinations.teams.graph_posts import MOST_BYTES
from ml_connector.errors import Undeliverable
from ml_connector.notices import Notice
from ml_connector.ports import CannotTell, Destination, Memory, Request
from tests.fakes import CHANNEL, TEAM, TENANT, Says, Wire, connection, delivery, record_of, toolbox

PLACE = {"type": "teams", "team_id": TEAM, "channel_id": CHANNEL}
PERSON = {**PLACE, "transport": "delegated", "edits": False}
MESSAGES = f"https://graph.microsoft.com/v1.0/teams/{TEAM}/channels/19%3Afinancechannel%40thread.tacv2/messages"
THERE = Memory("done", external_id="2", thread_id=f"{CHANNEL};messageid=1")


def place(settings: dict[str, Any], *answers: Says) -> tuple[Destination, Wire]:
    wire = Wire(*answers or (Says(201, {"id": "1", "webUrl": "https://teams.microsoft.com/l/message/1"}),))
    at = replace(connection(), destinations={"there": settings})
    return Registry(toolbox(wire)).destination(at, "there"), wire


def planned(settings: dict[str, Any], memory: Memory | None = None, **changes: Any) -> Request:
    each = delivery(**changes)
    return place(settings)[0].plan(each.event, record_of(each), memory or Memory())


def test_card_is_a_text_with_its_marker() -> None:
    """Body, marker and attachment as section 4 wants them; nothing else."""
    request = planned(PERSON)
    (attachment,) = request.body["attachments"]
    identity = attachment["id"]
    assert (request.method, request.url, set(request.body)) == ("POST", MESSAGES, {"body", "attachments"})
    assert request.body["body"] == {
        "contentType": "html",
        "content": f'<attachment id="{identity}"></attachment>',
    }
    card = json.loads(attachment.pop("content"))
    assert attachment == {
        "id": identity,
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "name": None,
        "thumbnailUrl": None,
    }
    assert card["type"] == "AdaptiveCard"


@pytest.mark.parametrize(
    ("settings", "operation", "method", "url"),
    [
        (PERSON, "create", "POST", f"{MESSAGES}/1/replies"),
        ({**PERSON, "edits": True}, "update", "PATCH", f"{MESSAGES}/1"),
    ],
)
def test_later_versions_go_to_the_thread(settings: dict[str, Any], operation: str, method: str, url: str) -> None:
    """Its root, even when the newest message of the record is a reply."""
    request = planned(settings, THERE, action="updated")
    assert (request.operation, request.method, request.url) == (operation, method, url)


def test_a_card_of_a_bot_is_not_a_persons_to_change() -> None:
    """Another transport is another place: what stands there stays, and a new thread begins."""
    other = replace(THERE, target=CHANNEL)
    assert planned(PERSON, other).url == MESSAGES
    assert planned(PERSON, replace(THERE, target=planned(PERSON).target)).url == f"{MESSAGES}/1/replies"


def test_each_version_has_a_mark_of_its_own() -> None:
    """In one thread the card that was lost is told from those that were not."""
    first, second = (planned(PERSON, **each) for each in ({}, {"status": "paid"}))
    marks = [json.loads(each.body["attachments"][0]["content"])["body"][0]["id"] for each in (first, second)]
    assert len(set(marks)) == 2
    assert all(mark.startswith("zoho-invoice-460000000098765-") for mark in marks)


IMPORT = {**PLACE, "transport": "graph_import", "author": {"id": TENANT, "displayName": "Books"}}


@pytest.mark.parametrize("settings", [IMPORT, {**PERSON, "card": {"replies": False}}], ids=["import", "cards only"])
def test_state_that_comes_back_is_another_message(settings: dict[str, Any]) -> None:
    """Sent, void and sent again within minutes: the first message is not taken for the last, whose answer was lost."""
    first, again = (planned(settings, THERE, modified=f"2026-11-22T08:5{each}:00+0100") for each in (0, 2))
    message = {"id": "9", "createdDateTime": "2026-11-22T08:00:00Z", "deletedDateTime": None}
    for lost, found in ((first, True), (again, False)):
        destination, _ = place(settings, Says(200, {"value": [{**message, **first.body}]}))
        memory = replace(THERE, state="unknown", request=lost, first_attempt_at="2026-11-22T08:00:00.000000Z")
        assert bool(destination.settle(lost, memory)) is found


def test_reply_of_the_release_before_is_looked_for_in_its_thread() -> None:
    """Its stored request does not say that it is one; its address does."""
    lost = replace(planned(PERSON, THERE), within=False)
    memory = replace(THERE, state="unknown", request=lost, first_attempt_at="2026-11-22T08:00:00.000000Z")
    destination, wire = place(PERSON, Says(200, {"value": []}))
    assert destination.settle(lost, memory) is None
    assert str(wire.calls[0].url) == f"{MESSAGES}/1/replies?$top=50"


def test_imported_message_is_found_by_its_own_time() -> None:
    """It is dated when the event came in; its delivery may have been tried hours later."""
    lost = planned(IMPORT)
    memory = Memory("unknown", request=lost, first_attempt_at="2026-11-22T20:00:00.000000Z")
    post = {"id": "9", "deletedDateTime": None, **lost.body}
    destination, _ = place(IMPORT, Says(200, {"value": [post]}))
    assert destination.settle(lost, memory) is not None


@given(st.integers(0, 60), st.text(alphabet=st.sampled_from('\\"*\n😀a '), min_size=1, max_size=30))
def test_no_message_is_larger_than_teams_takes(lines: int, sign: str) -> None:
    """A card grows as a text, quotes and backslashes most: then fewer lines are shown, and how many there are."""
    text = sign * 300
    items = [{"name": text, "quantity": 1, "item_total": "9"} for _ in range(lines)]
    facts = dict.fromkeys(("customer_name", "reference_number", "status", "payment_mode"), text)
    message = planned(PERSON, line_items=items, **facts).body
    content = json.loads(message["attachments"][0]["content"])
    assert len(json.dumps(message, ensure_ascii=False).encode()) <= MOST_BYTES
    if lines > 1 and not any(each["type"] == "Table" for each in content["body"]):
        assert f"{lines} lines" in json.dumps(content)


def test_link_is_graphs_own_and_made_where_it_gives_none() -> None:
    """`webUrl` opens the very message (1.7)."""
    destination, _ = place(PERSON)
    assert destination.send(planned(PERSON)).link == "https://teams.microsoft.com/l/message/1"
    destination, _ = place(PERSON, Says(201, {"id": "7"}))
    receipt = destination.send(planned(PERSON))
    assert receipt.link.startswith("https://teams.microsoft.com/l/message/19%3Afinancechannel%40thread.tacv2/7?")
    assert (receipt.external_id, receipt.thread_id) == ("7", f"{CHANNEL};messageid=7")


@pytest.mark.parametrize(("answers", "calls", "fails"), [(1, 2, False), (2, 3, False), (3, 3, True)])
def test_backends_moods_are_tried_three_times(answers: int, calls: int, fails: bool) -> None:
    """A 400 `BadRequest` is at times not about the request (8.3); nothing was posted, so it is made again at once."""
    mood = Says(400, {"error": {"code": "BadRequest", "message": "Failed to execute Skype backend request"}})
    destination, wire = place(PERSON, *[mood] * answers, Says(201, {"id": "1"}))
    if fails:
        with pytest.raises(Undeliverable):
            destination.send(planned(PERSON))
    else:
        assert destination.send(planned(PERSON)).external_id == "1"
    assert len(wire.calls) == calls


def test_import_carries_time_and_author() -> None:
    """And no card: that is not taken (1.1)."""
    author = {"id": TENANT, "displayName": "Books"}
    body = planned({**PLACE, "transport": "graph_import", "author": author}).body
    assert body["from"] == {"user": {**author, "userIdentityType": "aadUser"}}
    assert body["createdDateTime"] == "2026-11-22T08:00:00.000000Z"
    assert "attachments" not in body


@pytest.mark.parametrize(
    ("people", "url"),
    [
        (["ola@acme.example"], "users/ola%40acme.example/teamwork/sendActivityNotification"),
        ([TENANT, TEAM], "teamwork/sendActivityNotificationToRecipients"),
    ],
)
def test_notification_leads_to_the_channel(people: list[str], url: str) -> None:
    """A Teams link, for no other is taken (1.5); nobody can look whether it arrived."""
    settings = {**PLACE, "transport": "activity", "people": people}
    request = planned(settings)
    assert request.url == f"https://graph.microsoft.com/v1.0/{url}"
    assert request.body["topic"]["source"] == "text"
    assert request.body["topic"]["webUrl"].startswith("https://teams.microsoft.com/l/channel/19%3A")
    assert request.body["activityType"] == "systemDefault"
    assert 0 < len(request.body["previewText"]["content"]) <= 150
    assert [each["userId"] for each in request.body.get("recipients", [])] == (people if len(people) > 1 else [])
    with pytest.raises(CannotTell):
        place(settings)[0].settle(request, Memory("unknown", request=request))


def test_notices_go_the_same_way() -> None:
    """Whoever must act is told as the account too; where only records can go, that is said."""
    plain = connection(admin="finance")
    told = Notice("The Teams bot needs you", "Its secret has expired.")
    planned = notice.request(replace(plain, destinations={"finance": PERSON}), told)
    assert (planned.url, set(planned.body)) == (MESSAGES, {"body", "attachments"})
    feed = {**PLACE, "transport": "activity", "people": [TENANT]}
    with pytest.raises(Undeliverable, match="name another one"):
        notice.request(replace(plain, destinations={"finance": feed}), told)
