"""Which message waits behind which.

Deliveries are queued in a few lanes (message groups) per connection and destination. A lane is worked off one message
at a time, and SQS passes over a lane that is busy; so a backlog of ten thousand events of one connection keeps at most
LANES workers per destination, and another connection's event is next as soon as one is free.

A delivery that cannot be made at once must not hold up its lane: it leaves it for a group of its own, with the time
before which it is not tried, and is hidden there by its visibility time-out. When that time has come it goes back into
its lane: were it tried where it is, a thousand waiting deliveries of one connection would take all workers at once.
Order needs no lane: the version guard of the delivery never lets an older version over a newer one. A message whose
worker crashed stays in its lane until it is visible again; at its fifth receive it is taken for one that crashes
workers, and leaves for good. Where our own count of a vendor's limits says "not yet", the lane as a whole waits; for
Zoho's next day only what must be fetched does (delivery.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from ml_connector.carriers import Carrier
from ml_connector.delivery import Result
from ml_connector.errors import RetryLater, Throttled
from ml_connector.events import Delivery
from ml_connector.ports import Clock
from ml_connector.times import exact_stamp

CRASHES = 5
"""Receives of one message in its lane from which on it is not tried there any more."""
FAULT_SECONDS = 60
"""Wait after a fault of ours or of AWS."""
_HIDDEN_AT_MOST = 12 * 3600 - 60


@dataclass(frozen=True, slots=True)
class Message:
    """A message of the queue: its delivery, and what the queue says of it."""

    delivery: Delivery
    id: str
    group: str
    receives: int
    first_received: datetime
    handle: str


class NotDue(RetryLater):
    """Its time has not come: nothing was tried."""


class Queue(Protocol):
    def move(self, delivery: Delivery, key: str) -> None: ...

    def postpone(self, receipt_handle: str, seconds: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Lanes:
    """Hands messages to who carries them, and what failed to its own group. `faulted` is told what is not raised."""

    carrier: Carrier
    queue: Queue
    clock: Clock
    faulted: Callable[[Exception], None] = lambda error: None

    def work(self, message: Message) -> Result:
        """The result; `moved` if the delivery has left its lane, `returned` if it went back into it.

        Raises when the message must come back itself: RetryLater (NotDue if nothing was tried) or a fault of ours.
        """
        delivery = message.delivery
        in_lane = message.group != delivery.own_group
        if in_lane and message.receives >= CRASHES:
            return self._move(message, "its workers crashed", FAULT_SECONDS, alone=True)
        if (early := self._early(delivery)) > 0:
            self.queue.postpone(message.handle, early)
            raise NotDue("not yet due", early)
        if not in_lane and not delivery.alone:
            self.queue.move(replace(delivery, not_before=""), message.id)
            return Result("returned", "its time has come")
        first = datetime.fromisoformat(delivery.since) if delivery.since else message.first_received
        try:
            return self.carrier.carry(delivery, message.receives + delivery.tries, first)
        except RetryLater as later:
            seconds = math.ceil(later.after or 1)
            if in_lane and isinstance(later, Throttled) and message.receives < CRASHES - 1:
                # Those behind it would be refused too: the lane as a whole waits.
                self.queue.postpone(message.handle, seconds)
                raise
            if in_lane:
                return self._move(message, later.reason, seconds)
            self.queue.postpone(message.handle, seconds)
            raise
        except Exception as error:
            if not in_lane:
                raise
            self.faulted(error)
            return self._move(message, type(error).__name__, FAULT_SECONDS, alone=True)

    def _early(self, delivery: Delivery) -> int:
        if not delivery.not_before:
            return 0
        left = (datetime.fromisoformat(delivery.not_before) - self.clock()).total_seconds()
        return min(round(left + 0.5), _HIDDEN_AT_MOST)

    def _move(self, message: Message, reason: str, seconds: int, *, alone: bool = False) -> Result:
        moved = replace(
            message.delivery,
            not_before=exact_stamp(self.clock() + timedelta(seconds=seconds)),
            since=message.delivery.since or exact_stamp(message.first_received),
            tries=message.delivery.tries + 1,
            alone=alone,
        )
        # A crash before the acknowledgement repeats this: the message's id makes it the same one.
        self.queue.move(moved, message.id)
        return Result("moved", reason)
