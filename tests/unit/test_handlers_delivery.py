"""Queue in, destination out: what comes back to the queue, what is logged, what is counted."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from functions.delivery import app
from ml_connector.delivery import Result
from ml_connector.errors import RetryLater, Throttled
from ml_connector.events import Delivery
from ml_connector.lanes import CRASHES, FAULT_SECONDS, Lanes
from ml_connector.ports import Receipt
from tests.fakes import NOW, Clock, Queue, connection, delivery

CONTEXT = SimpleNamespace(
    function_name="delivery", memory_limit_in_mb=512, invoked_function_arn="arn:aws:lambda:x", aws_request_id="r-1"
)


@dataclass
class Courier:
    """Does what stands in `outcomes` for a destination; `delivered` otherwise."""

    outcomes: dict[str, Result | Exception] = field(default_factory=dict)
    carried: list[tuple[Delivery, int, datetime | None]] = field(default_factory=list)
    rejected: list[tuple[str, str, str]] = field(default_factory=list)

    def carry(self, each: Delivery, receives: int = 1, first_received: datetime | None = None) -> Result:
        self.carried.append((each, receives, first_received))
        outcome = self.outcomes.get(each.event.record_id, Result("delivered"))
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def reject(self, body: str, key: str, reason: str) -> None:
        self.rejected.append((body, key, reason))


@pytest.fixture
def courier() -> Courier:
    return Courier()


@pytest.fixture
def queue(courier: Courier, monkeypatch: pytest.MonkeyPatch) -> Queue:
    fake = Queue()
    monkeypatch.setattr(app, "lanes", lambda faulted: Lanes(courier, fake, Clock(), faulted))  # type: ignore[arg-type]
    monkeypatch.setattr(app, "courier", lambda: courier)
    monkeypatch.setattr(app, "utc_now", lambda: NOW)
    monkeypatch.setattr(app, "connections", lambda: SimpleNamespace(read_lately=connection))
    return fake


Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Lines:
    """What was printed, as JSON: log lines and metrics."""
    # The logger keeps the stream that it found when it was made.
    log = io.StringIO()
    monkeypatch.setattr(app.logger.registered_handler, "stream", log)

    def read() -> list[dict[str, Any]]:
        text = log.getvalue() + capsys.readouterr().out
        log.seek(0)
        log.truncate()
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    return read


def message(each: Delivery | str, number: int = 1, *, receives: int = 1) -> dict[str, Any]:
    """As it comes out of the queue: in its lane, or in its own group once it has left it."""
    body = each if isinstance(each, str) else each.to_json()
    group = "g" if isinstance(each, str) else each.own_group if each.not_before else each.lane
    return {
        "messageId": f"m-{number}",
        "receiptHandle": f"handle-{number}",
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": str(receives),
            "ApproximateFirstReceiveTimestamp": str(int(NOW.timestamp() * 1000)),
            "SentTimestamp": str(int(NOW.timestamp() * 1000) - 9000),
            "MessageGroupId": group,
            "MessageDeduplicationId": f"d-{number}",
        },
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-central-1:1:x-deliveries.fifo",
        "awsRegion": "eu-central-1",
    }


def handle(*messages: dict[str, Any]) -> list[str]:
    """The ids that must come back."""
    return [each["itemIdentifier"] for each in app.handler({"Records": list(messages)}, CONTEXT)["batchItemFailures"]]


def _metrics(printed: list[dict[str, Any]]) -> set[str]:
    return {name for line in printed if "_aws" in line for name in line if name.startswith("Deliveries")}


def test_delivered_message_does_not_come_back(courier: Courier, queue: Queue, lines: Lines) -> None:
    """One line of log, one metric; the queue's own count and date go along."""
    each = delivery()
    assert handle(message(each, receives=2)) == []
    assert courier.carried == [(each, 2, datetime.fromtimestamp(NOW.timestamp(), UTC))]
    printed = lines()
    (line,) = [one for one in printed if one.get("message") == "delivered"]
    assert (line["connection"], line["record"], line["destination"]) == ("acme-eu", "invoice/460000000098765", "ledger")
    assert _metrics(printed) == {"DeliveriesDelivered"}
    assert "Harbour Lane Bakery" not in json.dumps(printed), "no payload in the log"


def test_failed_delivery_leaves_its_lane(courier: Courier, queue: Queue, lines: Lines) -> None:
    """It goes into a group of its own with the time of its next attempt; the lane is free; the log says why."""
    courier.outcomes["460000000098765"] = RetryLater("Teams is throttling the bot", 37, 429)
    assert handle(message(delivery())) == []
    ((moved, key),) = queue.moved
    assert (moved.not_before, moved.since, key) == ("2026-11-22T08:00:37.000000Z", "2026-11-22T08:00:00.000000Z", "m-1")
    assert (moved.tries, moved.alone) == (1, False)
    assert Delivery(moved.event, moved.destination) == delivery()
    printed = lines()
    (line,) = [one for one in printed if one.get("message") == "moved"]
    assert (line["level"], line["reason"]) == ("WARNING", "Teams is throttling the bot")
    assert _metrics(printed) == {"DeliveriesRetried"}


def measured(printed: list[dict[str, Any]]) -> dict[tuple[str, ...], list[float]]:
    """Metric values by name and dimension's values, without the service."""
    found: dict[tuple[str, ...], list[float]] = {}
    for line in printed:
        for group in line.get("_aws", {}).get("CloudWatchMetrics", ()):
            place = tuple(line[name] for name in group["Dimensions"][0] if name != "service")
            for metric in group["Metrics"]:
                found.setdefault((metric["Name"], *place), []).extend(line[metric["Name"]])
    return found


def test_delivery_is_measured_from_zohos_clock_to_its_receipt(courier: Courier, queue: Queue, lines: Lines) -> None:
    """From Zoho's modification time, by vendor; and how long it lay in the queue though it was due."""
    receipt = Receipt("created", "9900", link="https://x.monday.com/9900", request_id="v-1")
    courier.outcomes["460000000098765"] = Result("delivered", receipt=receipt)
    each = delivery()  # modified at 07:50 UTC, ten minutes ago
    assert handle(message(each)) == []
    printed = lines()
    assert measured(printed) == {
        ("QueueSeconds",): [9.0],
        ("DeliveriesDelivered",): [1.0],
        ("DeliverySeconds", "monday"): [600.0],
    }
    (line,) = [one for one in printed if one.get("message") == "delivered"]
    told = {name: line[name] for name in ("correlation_id", "delivery", "external_id", "request_id")}
    assert told == {
        "correlation_id": each.event.correlation_id, "delivery": each.id, "external_id": "9900", "request_id": "v-1",
    }  # fmt: skip


def test_retries_are_counted_by_vendor_and_only_when_something_was_tried(
    courier: Courier, queue: Queue, lines: Lines
) -> None:
    """Being hidden until its time, and going back into the lane, is no retry."""
    courier.outcomes["460000000098765"] = RetryLater("Teams is throttling the bot", 37, 429)
    handle(message(replace(delivery(), destination="finance")))
    handle(message(waiting(90)), message(waiting(), 2))
    counted = measured(lines())
    assert {name: counted[name] for name in counted if name[0] == "DeliveriesRetried"} == {
        ("DeliveriesRetried",): [1.0],
        ("DeliveriesRetried", "microsoft"): [1.0],
    }


def waiting(seconds: int = 0) -> Delivery:
    """A delivery that has left its lane an hour ago and is due in `seconds`."""
    due = (NOW + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return replace(delivery(), not_before=due, since="2026-11-22T07:00:00.000000Z")


def test_delivery_that_is_not_due_is_hidden_untried(courier: Courier, queue: Queue) -> None:
    """The queue cannot delay a FIFO message: the first receive hides it until its time."""
    assert handle(message(waiting(90))) == ["m-1"]
    assert (courier.carried, queue.postponed) == ([], [("handle-1", 90)])


def test_delivery_that_is_due_goes_back_into_its_lane(courier: Courier, queue: Queue) -> None:
    """Tried where it waits, it would be one of a thousand that take all workers at once."""
    assert handle(message(waiting())) == []
    assert (courier.carried, queue.moved) == ([], [(replace(waiting(), not_before=""), "m-1")])


def test_patience_counts_from_the_first_attempt(courier: Courier, queue: Queue) -> None:
    """Back in its lane, a delivery is as old, and was tried as often, as it says."""
    again = replace(waiting(), not_before="", tries=8)
    assert handle(message(again)) == []
    assert courier.carried == [(again, 9, datetime(2026, 11, 22, 7, tzinfo=UTC))]


def test_delivery_that_stays_alone_is_tried_where_it_waits(courier: Courier, queue: Queue) -> None:
    """It seems to crash its workers: its own group is the only one that it may hold up."""
    alone = replace(waiting(), alone=True)
    courier.outcomes["460000000098765"] = RetryLater("busy", 37)
    assert handle(message(alone, receives=9)) == ["m-1"]
    assert (queue.moved, queue.postponed) == ([], [("handle-1", 37)])


def test_message_that_crashes_its_workers_leaves_its_lane_untried(courier: Courier, queue: Queue) -> None:
    """A lane is held up twice by a poisonous message, not until the queue gives it up."""
    assert handle(message(delivery(), receives=CRASHES)) == []
    ((moved, _),) = queue.moved
    assert (courier.carried, moved.event, moved.alone) == ([], delivery().event, True)


def test_failure_holds_back_nobody_else(courier: Courier, queue: Queue) -> None:
    """Other records of the lane are delivered."""
    courier.outcomes["1"] = RetryLater("busy", 5)
    assert handle(message(delivery(invoice_id="1"), 1), message(delivery(invoice_id="2"), 2)) == []
    assert [each.event.record_id for each, _, _ in courier.carried] == ["1", "2"]
    assert [each.event.record_id for each, _ in queue.moved] == ["1"]


def test_message_behind_a_failed_one_comes_back_untried(courier: Courier, queue: Queue) -> None:
    """SQS gives them again in their order; other groups of the batch go on."""
    courier.outcomes["1"] = Throttled("our own count says not yet", 5)
    first, second = delivery(invoice_id="1"), replace(delivery(invoice_id="2"), destination="finance")
    behind = message(delivery(invoice_id="3"), 3)
    behind["attributes"]["MessageGroupId"] = first.lane
    assert second.lane != first.lane
    assert handle(message(first, 1), message(second, 2), behind) == ["m-1", "m-3"]
    assert [each.event.record_id for each, _, _ in courier.carried] == ["1", "2"]
    assert handle(behind) == [], "the next batch starts afresh"


def test_parked_and_skipped_are_done(courier: Courier, queue: Queue, lines: Lines) -> None:
    """Both are acknowledged; what is parked is an error in the log and a metric of its own."""
    courier.outcomes = {"1": Result("parked", "the board is full"), "2": Result("skipped", "duplicate")}
    assert handle(message(delivery(invoice_id="1"), 1), message(delivery(invoice_id="2"), 2)) == []
    printed = lines()
    levels = {line["message"]: (line["level"], line["reason"]) for line in printed if "message" in line}
    assert levels == {"parked": ("ERROR", "the board is full"), "skipped": ("INFO", "duplicate")}
    assert _metrics(printed) == {"DeliveriesParked", "DeliveriesSkipped"}


@pytest.mark.parametrize("body", ["", "not json", "[]", '{"v":9}', '{"v":1}', '{"v":1,"version":3}'])
def test_unreadable_message_is_parked(courier: Courier, queue: Queue, body: str, lines: Lines) -> None:
    """A message of another release blocks nothing and is kept as it is."""
    assert handle(message(delivery(), 1), message(body, 2)) == []
    ((kept, key, reason),) = courier.rejected
    assert (kept, key, bool(reason)) == (body, "m-2", True)
    (line,) = [one for one in lines() if one.get("message") == "unreadable message parked"]
    assert "destination" not in line, "it is not told as one of the message before it"


def test_fault_of_ours_is_told_and_tried_again(courier: Courier, queue: Queue, lines: Lines) -> None:
    """A bug or an AWS error does not pass in silence, holds up no lane, and is tried again a minute later."""
    courier.outcomes["460000000098765"] = KeyError("bug")
    assert handle(message(delivery())) == []
    ((moved, _),) = queue.moved
    assert datetime.fromisoformat(moved.not_before) == NOW + timedelta(seconds=FAULT_SECONDS)
    printed = lines()
    (line,) = [one for one in printed if one.get("message") == "failed"]
    assert (line["level"], line["exception_name"]) == ("ERROR", "KeyError")
    assert _metrics(printed) == {"DeliveriesFailed", "DeliveriesRetried"}


def test_fault_in_the_own_group_comes_back_with_the_queues_time_out(
    courier: Courier, queue: Queue, lines: Lines
) -> None:
    """Nothing is moved a second time; it is told once, with the record that it is about."""
    courier.outcomes["460000000098765"] = KeyError("bug")
    assert handle(message(replace(waiting(), alone=True))) == ["m-1"]
    assert (queue.moved, queue.postponed) == ([], [])
    (line,) = [one for one in lines() if one.get("message") == "failed"]
    assert (line["exception_name"], line["record"]) == ("KeyError", "invoice/460000000098765")


def test_queue_that_cannot_be_reached_is_told(
    courier: Courier, queue: Queue, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A delivery that cannot leave its lane, and a message that cannot be parked, come back, and not in silence."""
    unreachable = Mock(side_effect=ConnectionError("no way to SQS"))
    monkeypatch.setattr(queue, "move", unreachable)
    monkeypatch.setattr(courier, "reject", unreachable)
    courier.outcomes["460000000098765"] = RetryLater("busy", 37)
    assert handle(message(delivery(), 1), message("not json", 2)) == ["m-1", "m-2"]
    printed = lines()
    assert [line["exception_name"] for line in printed if line.get("message") == "failed"] == ["ConnectionError"] * 2
    assert "DeliveriesFailed" in _metrics(printed)


def test_log_keys_do_not_outlive_their_message(courier: Courier, queue: Queue, lines: Lines) -> None:
    """The next invocation in the same process starts afresh."""
    handle(message(delivery()))
    lines()
    handle(message("not json"))
    assert all("record" not in line for line in lines())
