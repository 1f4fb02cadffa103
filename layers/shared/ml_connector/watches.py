"""What is to be watched in Teams, from the connections: the channels that routes lead to (docs/adr/0014)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ml_connector.connections import Connection
from ml_connector.sources.graph import channels_of, messages_of, slot_of

TRANSPORTS = ("bot", "delegated")
"""Those whose cards are known by id and posted with an app that may read the channel."""


@dataclass(frozen=True, slots=True)
class Watch:
    """One resource that Graph tells us of: a channel's messages, or a team's channels.

    Graph takes one subscription of an app to a channel, so connections that share app and channel share one: it is one
    of theirs, and `serves` all of them.
    """

    connection: str
    resource: str
    serves: tuple[str, ...]

    @property
    def slot(self) -> str:
        return slot_of(self.resource)


def watched(connection: Connection) -> dict[str, Mapping[str, Any]]:
    """The destinations that are watched, with their settings: channels that some route leads to."""
    routed = {name for route in connection.routes for name in route["to"]}
    return {
        name: settings
        for name, settings in connection.destinations.items()
        if name in routed
        and settings["type"] == "teams"
        and settings["transport"] in TRANSPORTS
        and settings.get("team_id")
        and settings.get("channel_id")
    }


def at_channel(connection: Connection, channel_id: str) -> list[str]:
    """Names of the watched destinations that are this channel, in whatever case its id is written."""
    here = channel_id.lower()
    return [name for name, settings in watched(connection).items() if settings["channel_id"].lower() == here]


def same_app(one: Connection, other: Connection) -> bool:
    return _app(one) == _app(other)


def _app(connection: Connection) -> tuple[str, str]:
    tenant, client = (str(connection.microsoft.get(name, "")).lower() for name in ("tenant_id", "client_id"))
    return tenant, client


def watches(connections: Iterable[Connection], rank: Callable[[str, str], int] = lambda name, slot: 0) -> list[Watch]:
    """Every resource once for each app, in a fixed order.

    It is the connection's, of those that share it, whose name and the slot have the lowest `rank`.
    """
    found: dict[tuple[tuple[str, str], str], tuple[str, dict[str, None]]] = {}
    for connection in sorted(connections, key=lambda each: each.name):
        for resource in _resources(connection):
            _, names = found.setdefault((_app(connection), slot_of(resource)), (resource, {}))
            names[connection.name] = None
    return [
        Watch(min(names, key=lambda name: rank(name, slot)), resource, tuple(names))
        for (_, slot), (resource, names) in found.items()
    ]


def _resources(connection: Connection) -> Iterator[str]:
    for settings in watched(connection).values():
        yield messages_of(settings["team_id"], settings["channel_id"])
        yield channels_of(settings["team_id"])
