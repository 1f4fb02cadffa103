"""Queue in, destination out: what comes back to the queue, what is logged, what is counted."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from functions.delivery import app
from ml_connector.delivery import Result
from ml_connector.errors import RetryLater
from ml_connector.events import Delivery
from tests.fakes import NOW, Queue, delivery

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
def courier(monkeypatch: pytest.MonkeyPatch) -> Courier:
    fake = Courier()
    monkeypatch.setattr(app, "courier", lambda: fake)
    return fake


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Queue:
    fake = Queue()
    monkeypatch.setattr(app, "queue", lambda: fake)
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
    body, group = (each, "g") if isinstance(each, str) else (each.to_json(), each.group)
    return {
        "messageId": f"m-{number}",
        "receiptHandle": f"handle-{number}",
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": str(receives),
            "ApproximateFirstReceiveTimestamp": str(int(NOW.timestamp() * 1000)),
            "SentTimestamp": "1",
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
    assert handle(message(each, receives=3)) == []
    assert courier.carried == [(each, 3, datetime.fromtimestamp(NOW.timestamp(), UTC))]
    printed = lines()
    (line,) = [one for one in printed if one.get("message") == "delivered"]
    assert (line["connection"], line["record"], line["destination"]) == ("acme-eu", "invoice/460000000098765", "ledger")
    assert _metrics(printed) == {"DeliveriesDelivered"}
    assert "Harbour Lane Bakery" not in json.dumps(printed), "no payload in the log"


def test_failed_message_is_hidden_until_its_next_attempt(courier: Courier, queue: Queue, lines: Lines) -> None:
    """The visibility of this message alone is set; it is reported, and the log says when and why."""
    courier.outcomes["460000000098765"] = RetryLater("Teams is throttling the bot", 37, 429)
    assert handle(message(delivery())) == ["m-1"]
    assert queue.postponed == [("handle-1", 37)]
    printed = lines()
    (line,) = [one for one in printed if one.get("message") == "will be tried again"]
    assert (line["seconds"], line["reason"]) == (37, "Teams is throttling the bot")
    assert _metrics(printed) == {"DeliveriesRetried"}


def test_failure_holds_back_its_own_group_only(courier: Courier, queue: Queue) -> None:
    """What comes after it about the same record waits untried; other records are delivered."""
    courier.outcomes["1"] = RetryLater("busy", 5)
    first, follower = delivery(invoice_id="1"), delivery(invoice_id="1", status="paid")
    other = delivery(invoice_id="2")
    assert handle(message(first, 1), message(follower, 2), message(other, 3)) == ["m-1", "m-2"]
    assert [each.event.record_id for each, _, _ in courier.carried] == ["1", "2"]
    assert queue.postponed == [("handle-1", 5)], "the follower's turn comes with the queue's own time-out"


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


def test_fault_of_ours_is_reported_and_told(courier: Courier, queue: Queue, lines: Lines) -> None:
    """A bug or an AWS error comes back with the queue's own time-out, and does not pass in silence."""
    courier.outcomes["460000000098765"] = KeyError("bug")
    assert handle(message(delivery())) == ["m-1"]
    assert queue.postponed == []
    printed = lines()
    (line,) = [one for one in printed if one.get("message") == "failed"]
    assert (line["level"], line["exception_name"]) == ("ERROR", "KeyError")
    assert _metrics(printed) == {"DeliveriesFailed"}


def test_log_keys_do_not_outlive_their_message(courier: Courier, queue: Queue, lines: Lines) -> None:
    """The next invocation in the same process starts afresh."""
    handle(message(delivery()))
    lines()
    handle(message("not json"))
    assert all("record" not in line for line in lines())
