"""A destination that is down for 70 hours: over a weekend, and everything is right on Monday."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import fakes
import pytest

from ml_connector import retry
from ml_connector.errors import RetryLater, Unknown
from ml_connector.events import Delivery
from ml_connector.lanes import Lanes, Message

DOWN = timedelta(hours=70)
RECORDS, VERSIONS = 12, 5


class Outage:
    """A vendor of our own, which refuses every call for so long."""

    covered = False

    def __init__(self, desk: fakes.Desk, until: datetime, error: Exception) -> None:
        self.vendors: dict[str, fakes.ModelVendor] = {}
        self.desk, self.until, self.error = desk, until, error
        self.calls = 0

    def plan(self, event: Any, record: Any, memory: Any) -> Any:
        request = self._of(record.id).plan(event, record, memory)
        return replace(request, url=record.id)

    def send(self, request: Any) -> Any:
        self.calls += 1
        if self.desk.clock() < self.until:
            raise self.error
        return self._of(request.url).send(request)

    def settle(self, request: Any, memory: Any) -> Any:
        if self.desk.clock() < self.until:
            raise self.error
        return self._of(request.url).settle(request, memory)

    def _of(self, record: str) -> fakes.ModelVendor:
        return self.vendors.setdefault(record, fakes.ModelVendor(self.desk.clock))


class Line:
    """The queue's part: what must come back does, when its time has come."""

    def __init__(self, desk: fakes.Desk) -> None:
        self.desk = desk
        dice = random.Random(7)
        courier = replace(desk.courier(), jitter=partial(retry.wait, uniform=dice.uniform))
        self.lanes = Lanes(courier, self, desk.clock)
        self.due: list[tuple[datetime, int, Message]] = []
        self.numbers: Iterator[int] = iter(range(10**6))
        self.most_receives = 0

    def put(self, delivery: Delivery, group: str, at: datetime) -> None:
        number = next(self.numbers)
        heapq.heappush(self.due, (at, number, Message(delivery, str(number), group, 0, at, str(number))))

    def move(self, delivery: Delivery, key: str) -> None:
        at = datetime.fromisoformat(delivery.not_before) if delivery.not_before else self.desk.clock()
        self.put(delivery, delivery.own_group if delivery.not_before else delivery.lane, at)

    def postpone(self, receipt_handle: str, seconds: int) -> None:
        """The exception that follows says it too."""

    def run(self, until: datetime | None = None) -> None:
        while self.due and (until is None or self.due[0][0] <= until):
            at, number, message = heapq.heappop(self.due)
            self.desk.clock.now = max(self.desk.clock.now, at)
            message = replace(message, receives=message.receives + 1)
            self.most_receives = max(self.most_receives, message.receives)
            try:
                self.lanes.work(message)
            except RetryLater as later:
                again = self.desk.clock() + timedelta(seconds=later.after or 1)
                heapq.heappush(self.due, (again, number, message))


def versions(record: int) -> Iterator[tuple[datetime, Delivery]]:
    """Changes of a record through the weekend, the first as the outage begins."""
    for version in range(VERSIONS):
        at = fakes.NOW + version * DOWN / VERSIONS + timedelta(seconds=record)
        yield (
            at,
            fakes.delivery(
                action="updated" if version else "created",
                invoice_id=f"46000000000{record:04}",
                status="sent" if version < VERSIONS - 1 else "paid",
                balance=str(1000 - version),
                last_modified_time=at.strftime("%Y-%m-%dT%H:%M:%S+0000"),
            ),
        )


@pytest.mark.parametrize(
    ("error", "longest_waits"),
    [
        (RetryLater("busy", None, 429), 1),
        (RetryLater("busy", 30.0, 503), 1),
        (Unknown("no answer", None, 502), 2),  # two looks prove an item's absence
    ],
)
def test_seventy_hours_are_bridged(error: Exception, longest_waits: int) -> None:
    """Nothing is lost, doubled, parked or left on an old state, with few attempts and few receives."""
    desk = fakes.Desk()
    outage = Outage(desk, fakes.NOW + DOWN, error)
    desk.vendor = outage
    line = Line(desk)
    newest = {}
    for record in range(RECORDS):
        for at, delivery in versions(record):
            newest[delivery.event.record_id] = delivery
            line.put(delivery, delivery.lane, at)
    line.run()

    assert desk.parked.reasons == []
    assert len(outage.vendors) == RECORDS
    for identity, delivery in newest.items():
        vendor, row = outage.vendors[identity], desk.deliveries.of(delivery)
        assert (vendor.creates, list(vendor.items.values())) == (1, ["paid"])
        assert (row.state, row.version) == ("done", delivery.event.version)
    assert desk.deliveries.faults() == []
    assert desk.clock() - fakes.NOW < DOWN + longest_waits * timedelta(hours=6.1), "it came back too late"
    assert outage.calls < RECORDS * VERSIONS * 40, "more attempts than back-off allows"
    assert line.most_receives < 100, "the queue's own dead-letter queue is near"


def test_what_is_down_for_longer_than_the_horizon_is_parked_with_its_reason() -> None:
    """Four days: each delivery is parked, none is dropped, and the trail tells why."""
    desk = fakes.Desk()
    desk.vendor = Outage(desk, fakes.NOW + timedelta(hours=96), RetryLater("busy", None, 503))
    line = Line(desk)
    one = fakes.delivery()
    line.put(one, one.lane, fakes.NOW)
    line.run()
    assert desk.parked.reasons == ["gave up after 76 hours: busy"]
    assert desk.clock() - fakes.NOW >= timedelta(hours=76)
    assert desk.audit.outcomes[-1] == "parked"
    assert desk.deliveries.faults() == []
