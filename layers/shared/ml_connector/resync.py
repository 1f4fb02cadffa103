"""Finds the replies that nobody was told of: after a gap, and once a day (contracts: microsoft-teams 7.8).

Graph's delta call, from the last look on: its filter is documented to give each post that has changed, or has been
replied to, and `$expand=replies` the replies with it. Whether a reply alone makes its post come up has not been tried
on a live tenant [assumption]. A look may take several messages of the queue: the next page's address is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from ml_connector.connections import Connection
from ml_connector.errors import RetryLater, Throttled, Undeliverable
from ml_connector.ports import Clock
from ml_connector.sources.graph import Place
from ml_connector.times import stamp

OVERLAP = timedelta(minutes=10)
"""How far a look reaches behind the one before: Graph shows things late, and clocks differ."""
PATIENCE = 3.0
"""Seconds that a call waits for its turn within the function, at most."""
CALLS = 25
"""Of one message of the queue; one a second is allowed."""
A_RUN = timedelta(seconds=40)
"""After which a message stops and comes again: half of what the delivery function may take."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Read until `until` (UTC); `link` is the next page of the look that `began` then, "" if none is under way."""

    until: str
    link: str = ""
    began: str = ""


class Readings(Protocol):
    def get(self, connection: str, slot: str) -> Reading | None: ...

    def set(self, connection: str, slot: str, reading: Reading) -> None: ...


class Graph(Protocol):
    def changed(self, connection: str, team_id: str, channel_id: str, since: str, link: str = "") -> Mapping[str, Any]:
        """A page: `value`, `@odata.nextLink` if there is more."""
        ...


class Replies(Protocol):
    def seen(self, connection: Connection, place: Place, message: Mapping[str, Any]) -> bool: ...


@dataclass(frozen=True, slots=True)
class Resync:
    readings: Readings
    graph: Graph
    replies: Replies
    clock: Clock
    pause: Callable[[float], None]

    def run(self, connection: Connection, slot: str, team: str, channel: str) -> int:
        """How many replies were recorded that were not before. Raises RetryLater when there is more to read."""
        begun = self.clock()
        now = stamp(begun)
        reading = self.readings.get(connection.name, slot) or Reading(now)
        if not reading.link:
            reading = replace(reading, began=now)
        found = calls = 0
        while True:
            page = self._page(connection, team, channel, reading)
            calls += 1
            for place, reply in self._replies(connection, team, channel, page):
                if str(reply.get("createdDateTime", "")) >= _since(reading):
                    found += self.replies.seen(connection, place, reply)
            link = str(page.get("@odata.nextLink") or "")
            reading = replace(reading, link=link) if link else Reading(until=reading.began)
            self.readings.set(connection.name, slot, reading)
            if not link:
                return found
            if calls >= CALLS or self.clock() - begun >= A_RUN:
                raise RetryLater("there is more to read in the channel", 5)

    def _page(self, connection: Connection, team: str, channel: str, reading: Reading) -> Mapping[str, Any]:
        since = _since(reading)
        try:
            return self._turn(lambda: self.graph.changed(connection.name, team, channel, since, reading.link))
        except Undeliverable as error:
            if not reading.link or error.status not in (400, 404, 410):
                raise
        # Graph keeps the place in a list for a while only: from the beginning, which is no harm.
        return self._turn(lambda: self.graph.changed(connection.name, team, channel, since))

    def _replies(
        self, connection: Connection, team: str, channel: str, page: Mapping[str, Any]
    ) -> Iterator[tuple[Place, Mapping[str, Any]]]:
        for post in _objects(page, "value"):
            root, replies = str(post.get("id", "")), post
            key = "replies"
            while True:
                for reply in _objects(replies, key):
                    yield Place(team, channel, root, str(reply.get("id", ""))), reply
                link = str(replies.get("replies@odata.nextLink" if key == "replies" else "@odata.nextLink") or "")
                if not link:
                    break
                # A thread of more than a thousand.
                replies, key = self._next(connection, team, channel, link), "value"

    def _next(self, connection: Connection, team: str, channel: str, link: str) -> Mapping[str, Any]:
        return self._turn(lambda: self.graph.changed(connection.name, team, channel, "", link))

    def _turn(self, call: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
        """Makes a call when its turn comes, if that is soon."""
        for _ in range(3):
            try:
                return call()
            except Throttled as busy:
                if (busy.after or 1.0) > PATIENCE:
                    raise
                self.pause(busy.after or 1.0)
        return call()


def _since(reading: Reading) -> str:
    return stamp(datetime.fromisoformat(reading.until) - OVERLAP)


def _objects(data: Mapping[str, Any], key: str) -> Iterator[Mapping[str, Any]]:
    found = data.get(key)
    yield from (each for each in (found if isinstance(found, list) else ()) if isinstance(each, dict))
