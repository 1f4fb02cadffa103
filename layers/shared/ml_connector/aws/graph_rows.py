"""What is remembered of Microsoft Graph, in the connections table: subscriptions, how far channels were read, channels.

pk             sk                     holds
subscriptions  <connection>#<slot>    Graph's id, expiry and state of a subscription; the slot names its resource
resync         <connection>#<slot>    until when the channel was read for replies (resync.py)
channels       <connection>#<id>      a channel's name, and since when it is missing (channel_watch.py)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from ml_connector.aws.connections_table import ConnectionsTable
from ml_connector.channel_watch import Channel
from ml_connector.resync import Reading
from ml_connector.subscriptions import Subscription


class SubscriptionList:
    """The Graph subscriptions that there should be: one row each, with what became of it."""

    def __init__(self, table: ConnectionsTable) -> None:
        self._table = table

    def all(self) -> Iterable[Subscription]:
        yield from map(_subscription, self._table.query("subscriptions"))

    def get(self, connection: str, slot: str) -> Subscription | None:
        row = self._table.get("subscriptions", f"{connection}#{slot}", consistent=True)
        return _subscription(row) if row else None

    def set(self, subscription: Subscription) -> None:
        attributes = asdict(subscription) | {"serves": ",".join(subscription.serves)}
        del attributes["connection"], attributes["slot"]
        self._table.put("subscriptions", f"{subscription.connection}#{subscription.slot}", **attributes)

    def remove(self, subscription: Subscription) -> None:
        key = f"{subscription.connection}#{subscription.slot}"
        self._table.delete("subscriptions", key)
        self._table.delete("resync", key)

    def begin(self, connection: str, slot: str, since: str) -> None:
        self._table.put("resync", f"{connection}#{slot}", only_new=True, until=since)


def _subscription(row: Mapping[str, Any]) -> Subscription:
    connection, _, slot = row["sk"].partition("#")
    known = {name: row[name] for name in Subscription.__dataclass_fields__ if name in row}
    serves = tuple(filter(None, str(row.get("serves", "")).split(",")))
    # A release that knew no slots kept Graph's id there; such a row is not wanted and goes.
    return Subscription(connection, slot, **{"resource": "", **known, "serves": serves})


class Readings:
    """How far each watched channel has been read for replies."""

    def __init__(self, table: ConnectionsTable) -> None:
        self._table = table

    def get(self, connection: str, slot: str) -> Reading | None:
        row = self._table.get("resync", f"{connection}#{slot}", consistent=True)
        return Reading(row["until"], row.get("link", ""), row.get("began", "")) if row else None

    def set(self, connection: str, slot: str, reading: Reading) -> None:
        self._table.put("resync", f"{connection}#{slot}", **asdict(reading))


class Channels:
    """What each connection knows of the channels that its routes lead to."""

    def __init__(self, table: ConnectionsTable) -> None:
        self._table = table

    def get(self, connection: str, channel_id: str) -> Channel | None:
        row = self._table.get("channels", f"{connection}#{channel_id}", consistent=True)
        return _channel(connection, channel_id, row) if row else None

    def set(self, channel: Channel) -> None:
        key = f"{channel.connection}#{channel.id}"
        known = {"name": channel.name, "missing_at": channel.missing_at, "gone_at": channel.gone_at}
        self._table.put("channels", key, only_new=False, only_if=None, **known)


def _channel(connection: str, channel_id: str, row: Mapping[str, Any]) -> Channel:
    return Channel(connection, channel_id, row.get("name", ""), row.get("missing_at", ""), row.get("gone_at", ""))
