"""What Graph tells of, as steps of the delivery function: replies, channels, subscriptions' ends, and resyncs."""

from __future__ import annotations

from typing import Protocol

from ml_connector.channel_watch import ChannelWatch
from ml_connector.connections import Connection
from ml_connector.delivery import Result
from ml_connector.events import Delivery
from ml_connector.replies import ACKNOWLEDGED, Replies
from ml_connector.resync import Resync
from ml_connector.sources.graph import Place, channels_of, slot_of
from ml_connector.step_carrier import IGNORED, LOOKED, Step
from ml_connector.subscriptions import Renewals, Subscription


class Rows(Protocol):
    def get(self, connection: str, slot: str) -> Subscription | None: ...


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
