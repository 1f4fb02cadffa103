"""Ten thousand events of one connection, one of another: what it waits for, on a model of the FIFO queue.

The lanes are the product's own; queue, workers and time are modelled. The queue is the least kind one that SQS allows:
it always hands out the oldest message whose group is free.
"""

from __future__ import annotations

import heapq
import random
import re
from collections import defaultdict, deque
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import fakes
import pytest

from ml_connector import retry
from ml_connector.delivery import Result
from ml_connector.errors import RetryLater
from ml_connector.events import LANES, Delivery
from ml_connector.lanes import Lanes, Message

BURST = 10_000
TEMPLATE = Path(__file__).parents[2] / "template.yaml"
START = datetime(2026, 11, 22, 8, tzinfo=UTC)


def workers() -> int:
    """As many as the template has by default."""
    found = re.search(r"DeliveryConcurrency:\n    Type: Number\n    Default: (\d+)", TEMPLATE.read_text())
    assert found
    return int(found[1])


@dataclass
class Waiting:
    """A message in the queue."""

    number: int
    delivery: Delivery
    receives: int = 0


@dataclass
class Model:
    """FIFO queue, workers and a clock. A call for the connection `slow` takes `seconds` and, if told so, fails."""

    slow: str
    seconds: float
    fails: bool = False
    quick: float = 0.02
    now: float = 0.0
    groups: dict[str, deque[Waiting]] = field(default_factory=lambda: defaultdict(deque))
    free: list[tuple[int, str]] = field(default_factory=list)
    """The heads of groups that are neither locked nor hidden, by age."""
    steps: list[tuple[float, int, Any]] = field(default_factory=list)
    sent: int = 0
    idle: int = 0
    done: dict[tuple[str, str], float] = field(default_factory=dict)
    called: bool = False
    moved: Delivery | None = None
    dice: random.Random = field(default_factory=lambda: random.Random(1))

    def __post_init__(self) -> None:
        self.idle = workers()
        courier: Any = self
        queue: Any = self
        self.lanes = Lanes(courier, queue, lambda: START + timedelta(seconds=self.now))

    # --- what the lanes see

    def carry(self, delivery: Delivery, receives: int, first: datetime) -> Result:
        self.called = True
        if self.fails and delivery.event.connection == self.slow:
            age = (self.lanes.clock() - first).total_seconds()
            attempts = 1 + int(age > 0) * max(1, round(age)).bit_length()
            raise RetryLater("out of order", retry.wait(attempts, None, retry.Policy(), self.dice.uniform))
        return Result("delivered")

    def move(self, delivery: Delivery, key: str) -> None:
        self.moved = delivery

    def postpone(self, handle: str, seconds: int) -> None:
        """The exception that follows says it too."""

    # --- the queue

    def send(self, delivery: Delivery, group: str) -> None:
        self.sent += 1
        messages = self.groups[group]
        messages.append(Waiting(self.sent, delivery))
        if len(messages) == 1:
            heapq.heappush(self.free, (self.sent, group))

    def later(self, seconds: float, step: Any) -> None:
        self.sent += 1
        heapq.heappush(self.steps, (self.now + seconds, self.sent, step))

    def run(self, until: float) -> None:
        while True:
            while self.idle and self.free:
                self.start(heapq.heappop(self.free)[1])
            if not self.steps or self.steps[0][0] > until:
                self.now = until
                return
            self.now, _, step = heapq.heappop(self.steps)
            step()

    def start(self, group: str) -> None:
        """A worker takes the group's head; the group is locked until it is done with."""
        self.idle -= 1
        waiting = self.groups[group][0]
        waiting.receives += 1
        self.called, self.moved = False, None
        hidden = 0.0
        message = Message(waiting.delivery, str(waiting.number), group, waiting.receives, self.lanes.clock(), "")
        try:
            self.lanes.work(message)
        except RetryLater as later:
            hidden = later.after or 1
        slow = self.called and waiting.delivery.event.connection == self.slow
        moved = self.moved
        self.later(self.seconds if slow else self.quick, lambda: self.end(group, hidden, moved))

    def end(self, group: str, hidden: float, moved: Delivery | None) -> None:
        self.idle += 1
        if hidden:
            self.later(hidden, lambda: heapq.heappush(self.free, (self.groups[group][0].number, group)))
            return
        waiting = self.groups[group].popleft()
        if moved:
            self.send(moved, moved.own_group if moved.not_before else moved.lane)
        else:
            self.done[waiting.delivery.event.connection, waiting.delivery.destination] = self.now
        if self.groups[group]:
            heapq.heappush(self.free, (self.groups[group][0].number, group))


def delivery(connection: str, number: int, destination: str) -> Delivery:
    one = fakes.delivery(destination)
    return replace(one, event=replace(one.event, connection=connection, record_id=str(number), payload=None))


def latency(model: Model, arrives: float) -> float:
    """Seconds that the other connection's event takes when it comes at that time."""
    for number in range(BURST // 2):
        for destination in ("finance", "ledger"):
            each = delivery(model.slow, number, destination)
            model.send(each, each.lane)
    model.run(arrives)
    single = delivery("other", 1, "ledger")
    model.send(single, single.lane)
    while ("other", "ledger") not in model.done:
        assert model.now < arrives + 3600, "it is stuck"
        model.run(model.now + 0.1)
    return model.done["other", "ledger"] - arrives


@pytest.mark.parametrize("seconds", [0.2, 55.0])
@pytest.mark.parametrize("arrives", [1.0, 100.0])
def test_a_burst_holds_up_another_connections_event_no_longer_than_the_calls_in_flight(
    seconds: float, arrives: float
) -> None:
    """A burst keeps LANES workers busy at each of its two destinations; the others are for everybody else."""
    assert workers() > 2 * LANES
    assert latency(Model("burst", seconds), arrives) <= seconds + 0.1


@pytest.mark.parametrize("seconds", [0.2, 55.0])
@pytest.mark.parametrize("arrives", [100.0, 400.0])
def test_a_burst_that_fails_holds_up_nobody_either(seconds: float, arrives: float) -> None:
    """What waits to be tried again does not take the workers of others."""
    assert latency(Model("burst", seconds, fails=True), arrives) <= seconds + 1
