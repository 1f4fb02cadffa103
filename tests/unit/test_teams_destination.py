"""Cards on their way to a channel (contracts: microsoft-teams 1.2, 1.3)."""

from __future__ import annotations

from ml_connector.destinations import Registry
from ml_connector.ports import Destination, Memory, Receipt, Request
from tests.fakes import CHANNEL, SECRET_URL, TENANT, Says, Wire, connection, delivery, record_of, toolbox

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
