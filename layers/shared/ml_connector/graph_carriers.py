"""What Graph tells of, carried out by the delivery function: replies, channels, subscriptions' ends, and resyncs.

Nothing of it is parked: a person could do nothing about a lost notification, and the daily look finds what it told.
What monday tells of is carried by a GraphCarrier, too (board_feedback.py), but nobody else finds it: that is parked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from ml_connector import retry
from ml_connector.channel_watch import ChannelWatch
from ml_connector.connections import Connection
from ml_connector.delivery import Result
from ml_connector.errors import NeedsAttention, RetryLater, Throttled, Undeliverable
from ml_connector.events import Delivery
from ml_connector.parked import Why, wrap
from ml_connector.ports import Clock, Connections, ParkedQueue
from ml_connector.replies import ACKNOWLEDGED, Replies
from ml_connector.resync import Resync
from ml_connector.sources.graph import Place, channels_of, slot_of
from ml_connector.subscriptions import Renewals, Subscription
from ml_connector.times import exact_stamp

IGNORED, LOOKED = "ignored", "looked"
PATIENCE = retry.Policy(cap=1800.0, horizon=timedelta(hours=25))
"""By then the daily look has come by."""
ATTENTION = 300.0
Step = Callable[[Connection, Delivery], Result]


class Rows(Protocol):
    def get(self, connection: str, slot: str) -> Subscription | None: ...


@dataclass(frozen=True, slots=True)
class GraphCarrier:
    """Takes one `step`, again and again for `patience`; whatever no repetition can change ends it.

    What ends without success is `parked` for a person, where there is such a queue; else it is given up.
    """

    connections: Connections
    clock: Clock
    step: Step
    patience: retry.Policy = PATIENCE
    parked: ParkedQueue | None = None

    def carry(self, delivery: Delivery, receives: int = 1, first_received: datetime | None = None) -> Result:
        connection = self.connections.connection(delivery.event.connection)
        if connection is None:
            return Result(IGNORED, "the connection is not configured any more")
        now = self.clock()
        try:
            return self.step(connection, delivery)
        except Throttled:
            # No call was made: its lane waits, and it is no attempt.
            raise
        except NeedsAttention as error:
            wait, reason, status = ATTENTION, error.reason, error.status
        except Undeliverable as error:
            return self._end(delivery, error.reason, error.status, receives, first_received or now)
        except RetryLater as error:
            wait, reason, status = error.after or 0.0, error.reason, error.status
        if retry.given_up(first_received or now, now, self.patience):
            return self._end(delivery, f"given up: {reason}", status, receives, first_received or now)
        raise RetryLater(reason, retry.wait(receives, wait, self.patience), status)

    def _end(
        self, delivery: Delivery, reason: str, status: int | None, receives: int, first_received: datetime
    ) -> Result:
        if self.parked is None:
            return Result(IGNORED, reason)
        since = exact_stamp(first_received)
        at = exact_stamp(self.clock())
        why = Why(reason, at, receives, since, status or 0)
        self.parked.park(wrap(delivery.to_json(), why), key=f"{delivery.id}#{since}", reason=reason)
        return Result("parked", reason)


def message(replies: Replies) -> Step:
    """A reply in a channel."""

    def step(connection: Connection, delivery: Delivery) -> Result:
        place = Place(**{name: str((delivery.event.payload or {}).get(name, "")) for name in Place._fields})
        why = replies.heard(connection, place, delivery.event.correlation_id)
        return Result(IGNORED, why) if why else Result(ACKNOWLEDGED)

    return step


def channel(watch: ChannelWatch, rows: Rows) -> Step:
    """Something about a channel has changed, or may have."""

    def step(connection: Connection, delivery: Delivery) -> Result:
        team, channel_id = _channel(delivery)
        row = rows.get(connection.name, slot_of(channels_of(team)))
        return Result(LOOKED, watch.look(connection, team, channel_id, row.serves if row else ()))

    return step


def lifecycle(renewals: Renewals) -> Step:
    """Graph wants an answer about a subscription."""

    def step(connection: Connection, delivery: Delivery) -> Result:
        event = delivery.event
        subscription = str((event.payload or {}).get("subscription", ""))
        said = renewals.asked(connection.name, event.record_id, subscription, event.action, event.correlation_id)
        return Result(LOOKED, said)

    return step


def resync(readers: Resync) -> Step:
    """What was missed in a channel."""

    def step(connection: Connection, delivery: Delivery) -> Result:
        team, channel_id = _channel(delivery)
        found = readers.run(connection, delivery.event.record_id, team, channel_id)
        return Result(LOOKED, f"{found} replies were found")

    return step


def _channel(delivery: Delivery) -> tuple[str, str]:
    payload = delivery.event.payload or {}
    return str(payload.get("team", "")), str(payload.get("channel", ""))
