"""The drill: what cannot be delivered is parked with its reason, and its neighbours do not notice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from ml_connector.config.apply import apply
from ml_connector.parked import unwrap
from sandbox.session import Box
from sandbox.sites import LEDGER, Site
from sandbox.soak import PATIENCE

pytestmark = pytest.mark.e2e


@pytest.fixture(autouse=True)
def nothing_parked(box: Box) -> None:
    """What earlier tests parked is not of interest here."""
    taken(box)


def taken(box: Box) -> list[dict[str, Any]]:
    """Empties the parked queue: `reason` and `body` of each message."""
    sqs, url = box.stack.client("sqs"), box.stack.outputs["ParkedQueueUrl"]
    found = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]).get(
        "Messages", []
    ):
        for message in messages:
            kept = unwrap(message["Body"])
            found.append({"body": kept.text, "reason": kept.why.reason})
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return found


def neighbour_arrives(box: Box, identity: str) -> None:
    """The example connection's record is on the board and in the channel."""
    assert [item for item in box.items() if item["text"]["zb_doc_id"].endswith(f":{identity}")]
    assert [message for message in box.messages() if identity in str(message["card"])]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("poison", "the queue message is not JSON"),
        ('{"v": 99, "destination": "ledger"}', "the queue message has schema 99; this release reads schema 1"),
        ('{"v": 1, "destination": "ledger"}', "the queue message lacks"),
        ("[" * 5000, "the queue message is not JSON"),
    ],
)
def test_a_message_that_cannot_be_read(box: Box, body: str, reason: str) -> None:
    """It is parked as it is, once; the queue goes on, also behind it in its group."""
    url = box.stack.outputs["DeliveriesQueueUrl"]
    made = box.zoho.create(box.organization, "bill")["id"]
    for group in ("poison", "poison", "other"):
        box.stack.client("sqs").send_message(
            QueueUrl=url, MessageBody=body, MessageGroupId=group, MessageDeduplicationId=uuid4().hex
        )
    assert box.settled()
    parked = taken(box)
    assert [each["body"] for each in parked] == [body] * 3
    assert all(each["reason"].startswith(reason) for each in parked)
    neighbour_arrives(box, made)


def test_a_connection_removed_while_its_messages_are_under_way(box: Box, numbers: Iterator[int]) -> None:
    """Each delivery is parked and says what to do; when the connection is back, it goes out."""
    site = Site(next(numbers), PATIENCE)
    box.open(site)
    with box.stack.paused("delivery"):
        made = box.zoho.create(site.organization, "invoice")["id"]
        other = box.zoho.create(box.organization, "invoice")["id"]
        box.connections.delete(f"connection#{site.connection}", "current")
    assert box.settled()
    parked = taken(box)
    assert len(parked) == 2
    reason = f"connection '{site.connection}' is not configured; apply it, then retry"
    assert {each["reason"] for each in parked} == {reason}
    trail = list(box.trail.of_record(site.connection, "invoice", made))
    assert [(entry.outcome, entry.reason) for entry in trail] == [("parked", reason)] * 2
    assert box.zoho.items(site.board) == []
    neighbour_arrives(box, other)

    apply(site.file(), box.connections, box.secrets, datetime.now(UTC))
    for each in parked:
        send_again(box, each["body"])
    assert box.settled()
    assert len(box.zoho.items(site.board)) == 1


def test_a_destination_removed_while_its_messages_are_under_way(box: Box, numbers: Iterator[int]) -> None:
    """Its deliveries are parked; the record's other destination gets its own."""
    site = Site(next(numbers), PATIENCE)
    box.open(site)
    with box.stack.paused("delivery"):
        made = box.zoho.create(site.organization, "invoice")["id"]
        whole = site.file()
        without = whole.model_copy(
            update={
                "destinations": {name: each for name, each in whole.destinations.items() if name != LEDGER},
                "routes": tuple(route.model_copy(update={"to": (route.to[0],)}) for route in whole.routes),
            }
        )
        apply(without, box.connections, box.secrets, datetime.now(UTC))
    assert box.settled()
    (parked,) = taken(box)
    assert LEDGER in parked["reason"]
    assert "not configured" in parked["reason"]
    trail = {entry.destination: entry for entry in box.trail.of_record(site.connection, "invoice", made)}
    assert {name: entry.outcome for name, entry in trail.items()} == {LEDGER: "parked", "invoices": "delivered"}
    assert trail[LEDGER].reason == parked["reason"]


def test_a_refused_record_blocks_nobody(box: Box, numbers: Iterator[int]) -> None:
    """monday's refusal parks that record's delivery at once; the records around it go through."""
    site = Site(next(numbers), PATIENCE)
    box.open(site)
    body = {"errors": [{"message": "no such column", "extensions": {"code": "InvalidColumnIdException"}}]}
    refused = "refuse-me"
    box.zoho.fault("status", vendor="monday", status=200, body=body, contains=refused, count=None)
    names = [f"Party {n}" for n in range(4)] + [refused] + [f"Party {n}" for n in range(4, 8)]
    for name in names:
        box.zoho.create(site.organization, "bill", {"vendor_name": name})
    assert box.settled()
    (parked,) = taken(box)
    assert "no such column" in parked["reason"]
    assert sorted(item["text"]["zb_party"] for item in box.zoho.items(site.board)) == [f"Party {n}" for n in range(8)]


def send_again(box: Box, body: str) -> None:
    delivery = json.loads(body)
    delivery = delivery.get("delivery", delivery) | {"origin": "replay"}
    box.stack.client("sqs").send_message(
        QueueUrl=box.stack.outputs["DeliveriesQueueUrl"],
        MessageBody=json.dumps(delivery),
        MessageGroupId=uuid4().hex,
        MessageDeduplicationId=uuid4().hex,
    )
