"""Our SQS adapters (design 4, invariants 1, 4 and 5)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ml_connector.aws.queues import MAX_BYTES, DeliveriesQueue, ParkedDeliveries
from ml_connector.errors import NotQueued
from ml_connector.events import Delivery
from ml_connector.parked import Why, unwrap, wrap
from tests.fakes import delivery
from tests.integration.conftest import Aws


@pytest.fixture
def queue(aws: Aws) -> DeliveriesQueue:
    return DeliveriesQueue(aws.sqs, aws.deliveries_url)


class Refusing:
    """SQS that takes a batch only in part, or not at all."""

    def __init__(self, client: Any, *, refuse: list[set[str]]) -> None:
        self._client = client
        self._refuse = refuse
        self.batches: list[list[str]] = []

    def send_message_batch(self, **call: Any) -> Any:
        self.batches.append([entry["Id"] for entry in call["Entries"]])
        refused = self._refuse.pop(0) if self._refuse else set()
        taken = [entry for entry in call["Entries"] if entry["Id"] not in refused]
        answer = self._client.send_message_batch(QueueUrl=call["QueueUrl"], Entries=taken) if taken else {}
        return {**answer, "Failed": [{"Id": each} for each in refused]}


def test_every_delivery_is_a_message(queue: DeliveriesQueue, aws: Aws) -> None:
    """Body, group and name; of more than ten too."""
    sent = [delivery(invoice_id=str(number)) for number in range(13)]
    queue.send(sent)
    found: list[dict[str, Any]] = []
    while batch := aws.messages(aws.deliveries_url):
        found += batch
        for each in batch:
            aws.sqs.delete_message(QueueUrl=aws.deliveries_url, ReceiptHandle=each["ReceiptHandle"])
    assert {Delivery.from_json(each["Body"]).event.record_id for each in found} == {str(n) for n in range(13)}
    assert Delivery.from_json(found[0]["Body"]) in sent
    assert found[0]["Attributes"]["MessageGroupId"] == Delivery.from_json(found[0]["Body"]).lane


def test_moved_delivery_waits_in_a_group_of_its_own(queue: DeliveriesQueue, aws: Aws) -> None:
    """It leaves its lane free, and a crash before the acknowledgement moves it no second time."""
    each = delivery()
    queue.send([each])
    (first,) = aws.messages(aws.deliveries_url)
    moved = replace(each, not_before="2026-11-22T08:05:00.000000Z", since="2026-11-22T08:00:00.000000Z")
    for _ in range(2):
        queue.move(moved, first["MessageId"])
    (again,) = aws.messages(aws.deliveries_url)
    assert (again["Attributes"]["MessageGroupId"], Delivery.from_json(again["Body"])) == (each.own_group, moved)


def test_duplicates_are_taken_once(queue: DeliveriesQueue, aws: Aws) -> None:
    """The same version for the same destination is one message, whoever sends it."""
    queue.send([delivery()])
    queue.send([delivery(origin="reconcile")])
    queue.send([delivery("finance")])
    assert aws.counts(aws.deliveries_url)[0] == 2


def test_lane_waits_behind_itself_only(queue: DeliveriesQueue, aws: Aws) -> None:
    """While one message of a lane is hidden, its followers are too; other lanes are not."""
    queue.send([delivery(invoice_id="1")])
    (first,) = aws.messages(aws.deliveries_url)
    queue.send([delivery(invoice_id="1", status="paid"), delivery("finance", invoice_id="1")])
    (other,) = aws.messages(aws.deliveries_url)
    assert Delivery.from_json(other["Body"]).destination == "finance"
    queue.postpone(first["ReceiptHandle"], 900)
    assert aws.messages(aws.deliveries_url) == []
    queue.postpone(first["ReceiptHandle"], 0)
    (again, follower) = aws.messages(aws.deliveries_url)
    assert (again["Body"], Delivery.from_json(follower["Body"]).event.version != delivery().event.version) == (
        first["Body"],
        True,
    )
    assert again["Attributes"]["ApproximateReceiveCount"] == "2"
    assert again["Attributes"]["ApproximateFirstReceiveTimestamp"].isdigit()


def test_refused_part_is_sent_once_more(aws: Aws) -> None:
    """A batch that SQS takes in part is completed before it is acknowledged."""
    client = Refusing(aws.sqs, refuse=[{"1"}])
    DeliveriesQueue(client, aws.deliveries_url).send([delivery(invoice_id=str(number)) for number in range(3)])  # type: ignore[arg-type]
    assert client.batches == [["0", "1", "2"], ["1"]]
    assert aws.counts(aws.deliveries_url)[0] == 3


def test_part_that_stays_refused_is_not_acknowledged(aws: Aws) -> None:
    """Nothing is pretended; what was taken already is recognised when the caller repeats it."""
    client = Refusing(aws.sqs, refuse=[{"1"}, {"1"}])
    deliveries = [delivery(invoice_id=str(number)) for number in range(3)]
    with pytest.raises(NotQueued, match="1 of 3"):
        DeliveriesQueue(client, aws.deliveries_url).send(deliveries)  # type: ignore[arg-type]
    DeliveriesQueue(aws.sqs, aws.deliveries_url).send(deliveries)
    assert aws.counts(aws.deliveries_url)[0] == 3


def test_queue_that_is_not_to_be_had_is_said(aws: Aws) -> None:
    """An AWS error is an answer to the caller, not a crash."""
    with pytest.raises(NotQueued, match="took nothing"):
        DeliveriesQueue(aws.sqs, aws.deliveries_url + "x").send([delivery()])


def test_large_record_travels_thin(queue: DeliveriesQueue, aws: Aws) -> None:
    """A record that passes the queue's limit is fetched again by the delivery; the others keep theirs."""
    queue.send([delivery(invoice_id="1", notes="n" * MAX_BYTES), delivery("finance", invoice_id="2")])
    found = [Delivery.from_json(each["Body"]) for each in aws.messages(aws.deliveries_url)]
    payloads = {each.event.record_id: each.event.payload for each in found}
    assert payloads["1"] is None
    assert payloads["2"] is not None


def test_batches_stay_below_the_limit(aws: Aws) -> None:
    """Three records of 400 kB do not go into one call."""
    client = Refusing(aws.sqs, refuse=[])
    large = [delivery(invoice_id=str(number), notes="n" * 400_000) for number in range(3)]
    DeliveriesQueue(client, aws.deliveries_url).send(large)  # type: ignore[arg-type]
    assert client.batches == [["0", "1"], ["2"]]


# --- parked ------------------------------------------------------------------------------------------------------


def test_parked_delivery_is_kept_with_its_reason(aws: Aws) -> None:
    """Whole, and readable for whoever sends it again; control characters and length do no harm."""
    each = delivery()
    reason = "monday refuses it: \x00\x1b[31m " + "x" * 2000
    ParkedDeliveries(aws.sqs, aws.parked_url).park(each.to_json(), key=each.id, reason=reason)
    (message,) = aws.messages(aws.parked_url)
    assert Delivery.from_json(message["Body"]) == each
    kept = message["MessageAttributes"]["reason"]["StringValue"]
    assert kept.startswith("monday refuses it: ")
    assert (len(kept) <= 300, kept.isprintable()) == (True, True)


def test_parking_twice_is_once_and_another_key_is_another(aws: Aws) -> None:
    """A crash in between parks no second copy; a later failure of the same delivery is not lost."""
    parked = ParkedDeliveries(aws.sqs, aws.parked_url)
    for key in ("d#1", "d#1", "d#2"):
        parked.park("{}", key=key, reason="")
    assert aws.counts(aws.parked_url)[0] == 2


def test_largest_delivery_can_be_parked(aws: Aws) -> None:
    """What the queue has brought, the parked queue takes, reason included."""
    each = delivery(notes="n" * (MAX_BYTES - 2000))
    assert len(each.to_json()) <= MAX_BYTES
    parked = ParkedDeliveries(aws.sqs, aws.parked_url)
    reason = '理"' * 1000
    parked.park(wrap(each.to_json(), Why(reason)), key="k", reason=reason)
    assert unwrap(aws.messages(aws.parked_url)[0]["Body"]).delivery == each
