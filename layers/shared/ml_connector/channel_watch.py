"""Channels that routes lead to, watched: renamed, deleted, back again. People are told once, in the `admin` channel.

read it ── as it was ─► nothing
   ├─ another name ───► told; the destination goes on, it is known by its id
   ├─ 404, and seen before ─► again after a minute ── still 404 ─► flagged, and told which routes lead there
   └─ there, and flagged ─► the flag ends, told
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from ml_connector.connections import Connection
from ml_connector.errors import RetryLater, Undeliverable
from ml_connector.notices import Notices
from ml_connector.ports import Clock, Connections
from ml_connector.retry import Policy
from ml_connector.times import stamp
from ml_connector.watches import at_channel, same_app

SURE = timedelta(minutes=1)
"""Between the two looks that prove a channel's absence (contracts: microsoft-teams 8.3)."""
TELL_AGAIN = 10.0
"""Seconds, at least: another look at the same channel may be about to tell it."""


@dataclass(frozen=True, slots=True)
class Channel:
    """What a connection knows of a channel. Times are UTC; `missing_at`: not found since, `gone_at`: believed so."""

    connection: str
    id: str
    name: str = ""
    missing_at: str = ""
    gone_at: str = ""


class Channels(Protocol):
    def get(self, connection: str, channel_id: str) -> Channel | None: ...

    def set(self, channel: Channel) -> None: ...


class Graph(Protocol):
    def channel(self, connection: str, team_id: str, channel_id: str) -> Mapping[str, Any]:
        """Raises Undeliverable, with status 404 if there is none."""
        ...


@dataclass(frozen=True, slots=True)
class ChannelWatch:
    connections: Connections
    channels: Channels
    graph: Graph
    notices: Notices
    clock: Clock
    sure: timedelta = SURE

    def look(self, connection: Connection, team: str, channel_id: str, serves: tuple[str, ...]) -> str:
        """Looks at a channel, for all connections that its subscription serves; gives back what was found.

        Raises RetryLater (a second look is due, or somebody could not be told yet) or Undeliverable.
        """
        others = [self.connections.connection(name) for name in serves if name != connection.name]
        concerned = [
            each
            for each in (connection, *others)
            if each and same_app(each, connection) and at_channel(each, channel_id)
        ]
        if not concerned:
            return "no route leads there"
        try:
            name = str(self.graph.channel(connection.name, team, channel_id).get("displayName") or "")
        except Undeliverable as error:
            if error.status != 404:
                raise
            return self._missing(concerned, channel_id)
        found = [self._there(each, channel_id, name) for each in concerned]
        return next(filter(None, found), "as it was")

    def _there(self, connection: Connection, channel_id: str, name: str) -> str:
        known = self.channels.get(connection.name, channel_id) or Channel(connection.name, channel_id)
        here = replace(known, name=name or known.name, missing_at="", gone_at="")
        said = ""
        if known.gone_at:
            said = "it is back"
            title = f"The Teams channel {here.name} is back"
            text = "Cards go there again. What was parked meanwhile is sent again by the command below."
            command = f"mlc parked retry {connection.name} --all"
            self._tell(connection, channel_id, f"back.{known.gone_at}", title, text, command, good=True)
        elif known.name and known.name != here.name:
            said = "renamed"
            title = f"The Teams channel {known.name} is called {here.name} now"
            text = "Its cards go on as before: the connection knows the channel by its id. Nothing needs to be done."
            # The same change on another day is told again.
            what = f"name.{_short(f'{known.name}>{here.name}')}.{self.clock():%Y%m%d}"
            self._tell(connection, channel_id, what, title, text, good=True)
        if here != known:
            self.channels.set(here)
        return said

    def _missing(self, concerned: list[Connection], channel_id: str) -> str:
        now = self.clock()
        # What Graph never showed may be none of the app's to see, or a mistyped id: nobody has deleted it.
        seen = ((each, self.channels.get(each.name, channel_id)) for each in concerned)
        gone = [(each, known) for each, known in seen if known and known.name]
        for connection, known in gone:
            if not known.missing_at:
                known = replace(known, missing_at=stamp(now))
                self.channels.set(known)
            left = (datetime.fromisoformat(known.missing_at) + self.sure - now).total_seconds()
            if left > 0:
                raise RetryLater("the channel is not found; looking once more", left)
            if not known.gone_at:
                known = replace(known, gone_at=stamp(now))
                # The flag first: `mlc doctor` shows it, whoever can be told.
                self.channels.set(known)
            self._tell_gone(connection, known)
        return "deleted" if gone else "it was never seen"

    def _tell_gone(self, connection: Connection, channel: Channel) -> None:
        names = at_channel(connection, channel.id)
        routes = [route for route in connection.routes if set(names) & set(route["to"])]
        events = sorted({event for route in routes for event in route["events"]})
        hours = int(Policy.of(connection.retry).horizon.total_seconds() // 3600)
        text = (
            f"Routes lead there for {', '.join(events)}. Their cards are parked, or tried for {hours} hours and then "
            "parked: nothing is lost.\n"
            "Restore the channel in Teams (within 30 days), or put another channel_id into the connection's file and "
            "apply it; then send again what was parked."
        )
        self._tell(
            connection,
            channel.id,
            f"gone.{channel.gone_at}",
            f"The Teams channel {channel.name or channel.id} was deleted",
            text,
            f"mlc teams channels {connection.name}",
            facts={"Destination": ", ".join(names)},
        )

    def _tell(
        self,
        connection: Connection,
        channel_id: str,
        what: str,
        title: str,
        text: str,
        command: str = "",
        *,
        facts: Mapping[str, str] | None = None,
        good: bool = False,
    ) -> None:
        key = f"channel.{_short(channel_id)}.{what}"
        told = self.notices.tell(connection, key, title, text, facts or {}, command, good=good)
        if not told and connection.admin and self._can_tell(connection):
            raise RetryLater("the admin channel could not be told yet", TELL_AGAIN)

    def _can_tell(self, connection: Connection) -> bool:
        """False if the admin channel is itself one that has gone."""
        settings: Mapping[str, Any] = connection.destinations.get(connection.admin, {})
        known = self.channels.get(connection.name, str(settings.get("channel_id", "")))
        return not (known and known.gone_at)


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
