"""What is read for a page. Nothing is written, and every page reads little, however much there is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from heapq import merge
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from ml_connector import stories
from ml_connector.audit import SETTLED
from ml_connector.gathering import MODULE
from ml_connector.times import stamp
from ml_connector.widget import asked as asking
from ml_connector.widget import pages
from ml_connector.widget.asked import Asked
from ml_connector.widget.frame import Frame
from ml_connector.widget.markup import Html, join

if TYPE_CHECKING:
    from ml_connector.connections import Connection
    from ml_connector.ports import AuditEntry, Clock, Memory
    from ml_connector.rounds import Turn
    from ml_connector.silence import Heard
    from ml_connector.subscriptions import Subscription
    from ml_connector.tokens import Due

SIZE = 25
"""Entries of a page."""
STORY = 60
"""Entries of a story that are shown: its newest."""
MOST_READ = 1000
"""Entries that are looked at for a page, and at most of one record's story."""
TOGETHER = 20
"""Connections that a page looks into at once; with more of them a person chooses one."""
DAYS = 7
"""How far back entries are looked for where no day is asked for."""
KEPT = timedelta(days=14)
"""As long as the parked queue keeps a message (template.yaml)."""
HEALTHS = 12
"""Connections of a page of them."""
RECORDS = 200
"""Records that a page looks into, to see what of them is still parked."""
PARKED = 50
"""Parked deliveries that are counted of a connection."""


class Trail(stories.Trail, Protocol):
    def of_day(self, connection: str, day: str) -> Iterator[AuditEntry]:
        """Newest first."""
        ...

    def in_state(self, connection: str, outcome: str, since: str = "") -> Iterator[AuditEntry]:
        """Newest first; of outcomes that are not settled."""
        ...


class Rows(stories.Rows, Protocol):
    def of_record(self, record_key: str) -> Mapping[str, Memory]: ...


class Connections(Protocol):
    def names(self) -> list[str]: ...

    def connection(self, name: str) -> Connection | None: ...


@dataclass(frozen=True, slots=True)
class Notes:
    """What the schedules have noted, of all connections."""

    tokens: Callable[[], Iterable[Due]]
    subscriptions: Callable[[], Iterable[Subscription]]
    turns: Callable[[], Iterable[Turn]]
    heard: Callable[[], Iterable[Heard]]


@dataclass(frozen=True, slots=True)
class Widget:
    """The pages. `backlog` and `parked` count messages of the two queues (ready, hidden), as SQS knows them."""

    connections: Connections
    trail: Trail
    rows: Rows
    notes: Notes
    backlog: Callable[[], tuple[int, int]]
    parked: Callable[[], tuple[int, int]]
    clock: Clock
    widget_arn: str
    retry_arn: str

    def page(self, event: Mapping[str, Any]) -> str:
        """The HTML of what CloudWatch's event asks for. Raises what the tables and queues raise."""
        asked = asking.read(event)
        names = self.connections.names()
        if asked.connection and asked.connection not in names:
            asked = replace(asked, connection="", view="start")
        frame = Frame(self.widget_arn, self.retry_arn, asked)
        held = sum(self.parked())
        draw = {"search": self._search, "story": self._story, "parked": self._parked, "connections": self._connections}
        content = draw.get(asked.view, self._start)(frame, names, held)
        return frame.whole(content, now=self.clock(), parked=held)

    # --- the trail

    def _start(self, frame: Frame, names: list[str], held: int) -> Html:
        return join(pages.form(frame, names), self._entries(frame, names))

    def _search(self, frame: Frame, names: list[str], held: int) -> Html:
        asked, among = frame.asked, self._among(frame.asked, names)
        if not asked.what:
            return join(pages.form(frame, names), self._entries(frame, names))
        if len(among) > TOGETHER:
            holders = stories.holders(self.trail, asked.what, MOST_READ)
            among = [*filter(names.__contains__, holders), *(name for name in among if name not in holders)]
        found = [
            (name, *record)
            for name in among[:TOGETHER]
            for record in stories.records(self.trail, self.rows, name, asked.what, most=MOST_READ // TOGETHER)[:SIZE]
        ]
        if len(found) == 1:
            ((name, module, record),) = found
            return join(pages.form(frame, names), self._told(frame, name, module, record))
        every = (self.trail.of_record(*each, newest_first=True) for each in found[:SIZE])
        newest = [entry for of_record in every for entry in islice(of_record, 1)]
        listed = pages.Listed(sorted(newest, key=lambda entry: entry.at, reverse=True), looked=_narrow(among))
        empty = f"Nothing is known of “{asked.what}”."
        return join(pages.form(frame, names), pages.entries(frame, listed, several=len(names) > 1, empty=empty))

    def _among(self, asked: Asked, names: list[str]) -> list[str]:
        return [asked.connection] if asked.connection else names

    def _entries(self, frame: Frame, names: list[str]) -> Html:
        asked, among = frame.asked, self._among(frame.asked, names)
        looked = 0
        chosen: list[AuditEntry] = []
        first, wanted = asked.page * SIZE, asked.page * SIZE + SIZE + 1
        for entry in self._newest_first(asked, among[:TOGETHER]):
            looked += 1
            if asked.state in ("", entry.outcome) and asked.day in ("", entry.at[:10]):
                chosen.append(entry)
            if len(chosen) == wanted or looked == MOST_READ:
                break
        said = "" if looked < MOST_READ else f"Only the newest {MOST_READ} entries were looked at: choose a day."
        listed = pages.Listed(chosen[first : first + SIZE], self._more(asked, chosen), said or _narrow(among))
        empty = "There is no such entry" + ("." if asked.day else f" in the last {DAYS} days.")
        return pages.entries(frame, listed, several=len(names) > 1 and not asked.connection, empty=empty)

    def _more(self, asked: Asked, chosen: Sequence[AuditEntry]) -> bool:
        return len(chosen) > (asked.page + 1) * SIZE and asked.page < asking.MOST_PAGE

    def _newest_first(self, asked: Asked, names: Sequence[str]) -> Iterator[AuditEntry]:
        def together(of: Callable[[str], Iterator[AuditEntry]]) -> Iterator[AuditEntry]:
            return merge(*map(of, names), key=lambda entry: entry.at, reverse=True)

        if asked.day:
            yield from together(partial(self.trail.of_day, day=asked.day))
        elif asked.state and asked.state not in SETTLED:
            yield from together(partial(self.trail.in_state, outcome=asked.state))
        else:
            for day in self._days():
                yield from together(partial(self.trail.of_day, day=day))

    def _days(self) -> Iterator[str]:
        today: date = self.clock().date()
        return (str(today - timedelta(days=back)) for back in range(DAYS))

    # --- a record

    def _story(self, frame: Frame, names: list[str], held: int) -> Html:
        asked = frame.asked
        if not (asked.connection and asked.module and asked.record):
            return self._start(frame, names, held)
        told = self._told(frame, asked.connection, asked.module, asked.record)
        return join(frame.button("← Back", self._back(asked), kind="to"), told)

    def _back(self, asked: Asked) -> dict[str, Any]:
        return asked.at("search" if asked.what or asked.state or asked.day else "start")

    def _told(self, frame: Frame, name: str, module: str, record: str) -> Html:
        connection = self.connections.connection(name)
        if connection is None:
            return pages.note(f"There is no connection {name} (any more).", "bad")
        every = self._last(name, module, record)
        newest = every[-STORY:]
        told: list[AuditEntry] = []
        if module == MODULE and (message := next((each.external_id for each in newest if each.external_id), "")):
            among = islice(self.trail.of_external_id(message), MOST_READ)
            told = [each for each in among if each.operation == "digest" and each.connection == name]
        found = pages.Story(
            connection, module, record, newest, len(every) - len(newest), len(every) < MOST_READ, waiting(every),
            self.rows.of_record(f"{name}#{module}#{record}"), told[: SIZE * 4],
        )  # fmt: skip
        return pages.story(frame, found)

    def _last(self, name: str, module: str, record: str) -> list[AuditEntry]:
        """A record's newest entries, oldest first: how it is now is at their end, however often it was tried."""
        return list(islice(self.trail.of_record(name, module, record, newest_first=True), MOST_READ))[::-1]

    # --- what is parked

    def _parked(self, frame: Frame, names: list[str], held: int) -> Html:
        among = self._among(frame.asked, names)[:TOGETHER]
        found, more = self._waiting(among, SIZE, RECORDS, held)
        # Of all connections the queue's count can be compared with what the trail names.
        unnamed = not frame.asked.connection and len(among) == len(names) and held > len(found) and not more
        shown = pages.parked(frame, found, more=more, unnamed=unnamed)
        return join(shown, pages.note(_narrow(names)) if not frame.asked.connection and _narrow(names) else None)

    def _waiting(self, names: Sequence[str], most: int, into: int, held: int) -> tuple[list[AuditEntry], bool]:
        """Entries of deliveries that are still parked, newest first, and whether there may be others: not if the queue
        has `held` no more. Looked for in `into` records: after such an entry its delivery has no other.
        """
        since = stamp(self.clock() - KEPT)
        every = merge(
            *(self.trail.in_state(name, "parked", since) for name in names), key=lambda entry: entry.at, reverse=True
        )
        found: list[AuditEntry] = []
        seen: set[tuple[str, str, str]] = set()
        for looked, entry in enumerate(every):
            record = (entry.connection, entry.module, entry.record_id)
            if looked == MOST_READ or len(found) > most or (len(seen) == into and record not in seen):
                return found[:most], len(found) > most or held > len(found)
            if record not in seen:
                seen.add(record)
                found += waiting(self._last(*record)).values()
        return found[:most], len(found) > most

    # --- connections

    def _connections(self, frame: Frame, names: list[str], held: int) -> Html:
        first = frame.asked.page * HEALTHS
        shown = [frame.asked.connection] if frame.asked.connection else names[first : first + HEALTHS]
        tokens, subscriptions = list(self.notes.tokens()), list(self.notes.subscriptions())
        turns = {turn.connection: turn.at(self.clock()) for turn in self.notes.turns()}
        heard = {each.connection: each for each in self.notes.heard()}
        every = []
        for name in shown:
            parked, others = self._waiting([name], PARKED, RECORDS // len(shown), held)
            last = next((entry for day in self._days() for entry in self.trail.of_day(name, day)), None)
            every.append(
                pages.Health(
                    name, last, DAYS, len(parked), others,
                    [each for each in tokens if each.connection == name],
                    [each for each in subscriptions if each.connection == name], turns.get(name), heard.get(name),
                )
            )  # fmt: skip
        more = not frame.asked.connection and len(names) > first + HEALTHS
        return pages.connections(frame, every, backlog=self.backlog(), more=more, now=self.clock())


def waiting(story: Iterable[AuditEntry]) -> dict[str, AuditEntry]:
    """What of a record's entries (oldest first) is still parked, by delivery: nothing came after that entry."""
    last = {entry.delivery: entry for entry in story if entry.delivery}
    return {name: entry for name, entry in last.items() if entry.outcome == "parked"}


def _narrow(names: Sequence[str]) -> str:
    """What to say when not all connections were looked into; "" if all were."""
    return f"Looked into the first {TOGETHER} of {len(names)} connections: choose one." if len(names) > TOGETHER else ""
