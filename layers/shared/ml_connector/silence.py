"""The dead-man's switch: connections for which no webhooks of Zoho's come any more (docs/runbook.md).

What a connection's webhooks bring is learnt from its audit trail, in Zoho's own time: of each entry, when the version
that it tells of was modified. So a retry of days ago makes nobody look alive. Two things are told apart:

    deaf    reconcile has brought ENOUGH records of a module since its last webhook: Zoho works, its webhooks do not
    quiet   no webhook for longer than ever, and nothing was found either: perhaps there is nothing to tell

A connection whose webhooks never came is not judged, nor for being quiet one that is younger than LEARNING. Nothing is
done for it where events come in or go out: once an hour the trail's newest entries are read.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Protocol

from ml_connector.connections import Connection
from ml_connector.modules import MODULES
from ml_connector.ports import AuditEntry, Clock
from ml_connector.times import stamp

EVERY = timedelta(hours=1)
ENOUGH = 3
"""Records of one module: of one or two the webhooks may just have been lost, which happens."""
LEARNING = timedelta(days=14)
"""Two weekends: before, nobody knows how long a connection is silent."""
MEMORY = timedelta(days=90)
"""Longer ago is not what it does any more; a company's holidays of the last quarter are."""
LEAST = timedelta(hours=24)
MARGIN = 1.5
"""Of the longest silence: a weekend with a holiday is half as long again as one without."""
AT_MOST = 1000
"""Entries that are read at a look; a busier hour has had its webhook among them, or its failures are told of anyway."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What is known of one connection's webhooks. Times are UTC to the second, Zoho's unless said otherwise."""

    connection: str
    looked_at: str = ""
    """When the trail was read last, by our clock."""
    since: str = ""
    """The first that was heard."""
    last: Mapping[str, str] = field(default_factory=dict)
    """The newest version that a webhook brought, by module; under "" of those that the connection no longer has."""
    found: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Ids of records that reconcile has brought since then, by module: ENOUGH at most."""
    silences: tuple[tuple[str, int], ...] = ()
    """The longest ones: when each ended, and its seconds; each is shorter than the one before it."""
    state: str = ""
    """`deaf`, `quiet` or "", as of the last look."""

    @property
    def newest(self) -> str:
        """The newest version that any webhook brought; "" if none came."""
        return max(self.last.values(), default="")

    @property
    def usual(self) -> timedelta:
        """How long it may be silent before anybody wonders."""
        longest = max((seconds for _, seconds in self.silences), default=0)
        return max(LEAST, timedelta(seconds=longest * MARGIN))

    @property
    def deaf(self) -> list[str]:
        """Modules that reconcile alone brings by now."""
        return [module for module, ids in self.found.items() if len(ids) >= ENOUGH]


def learnt(heard: Heard, entries: Iterable[AuditEntry], now: datetime) -> Heard:
    """With what these entries tell, in whatever order, and the state that follows from it."""
    last, found, silences = dict(heard.last), dict(heard.found), list(heard.silences)
    since, newest = heard.since, heard.newest
    for at, entry in sorted(_told(entries, stamp(now)), key=lambda each: (each[0], each[1].record_id)):
        module = entry.module
        if entry.origin == "webhook":
            if newest and at > newest:
                _remember(silences, at, _seconds(newest, at))
            since, newest = min(since or at, at), max(newest, at)
            if at > last.get(module, ""):
                last[module] = at
                found.pop(module, None)
        elif module in last and at > last[module] and entry.record_id not in found.get(module, ()):
            found[module] = (*found.get(module, ()), entry.record_id)[-ENOUGH:]
    kept = tuple(each for each in silences if each[0] >= stamp(now - MEMORY))
    heard = replace(heard, looked_at=stamp(now), since=since, last=last, found=found, silences=kept)
    return replace(heard, state=_state(heard, now))


def _told(entries: Iterable[AuditEntry], now: str) -> Iterator[tuple[str, AuditEntry]]:
    """What tells of a version of Zoho's, with its time, now at the latest; deletions have none.

    What reconcile brought in vain was not missed: a note of ours may count as a change of its record.
    """
    for entry in entries:
        at, _, fingerprint = entry.version.partition("~")
        told = entry.origin == "webhook" or (entry.origin == "reconcile" and entry.outcome != "skipped")
        if entry.module in MODULES and told and at and fingerprint != "deleted":
            yield min(at, now), entry


def of_modules(heard: Heard, modules: Container[str]) -> Heard:
    """Without what was heard and found of other modules than these, but for when that was."""
    others = [at for module, at in heard.last.items() if module not in modules]
    if not others:
        return heard
    return replace(
        heard,
        last={**{module: at for module, at in heard.last.items() if module in modules}, "": max(others)},
        found={module: ids for module, ids in heard.found.items() if module in modules},
    )


def _remember(silences: list[tuple[str, int]], ended: str, seconds: int) -> None:
    """A later silence that is as long makes the shorter ones before it forgotten: they would end before it does."""
    while silences and silences[-1][1] <= seconds:
        silences.pop()
    silences.append((ended, seconds))


def _state(heard: Heard, now: datetime) -> str:
    if heard.deaf:
        return "deaf"
    if not heard.since or datetime.fromisoformat(heard.since) > now - LEARNING:
        return ""
    return "quiet" if now - datetime.fromisoformat(heard.newest) > heard.usual else ""


def _seconds(since: str, until: str) -> int:
    return round((datetime.fromisoformat(until) - datetime.fromisoformat(since)).total_seconds())


class Trail(Protocol):
    def written_since(self, connection: str, since: str, until: str) -> Iterator[AuditEntry]:
        """Entries written from one UTC time to another, newest first."""
        ...


class Rows(Protocol):
    """One row per connection."""

    def all(self) -> Iterable[Heard]: ...

    def set(self, heard: Heard) -> None: ...


class Connections(Protocol):
    def names(self) -> Iterable[str]: ...

    def connection(self, name: str) -> Connection | None: ...


class Notices(Protocol):
    def tell(
        self, connection: Connection, key: str, title: str, text: str, facts: Mapping[str, str], command: str
    ) -> bool: ...


@dataclass(frozen=True, slots=True)
class Silence:
    """`fell` hears of each connection that has just become silent, with the sentence that says so; `faulted` of each
    that could not be looked at, which keeps no other one from it."""

    connections: Connections
    rows: Rows
    trail: Trail
    notices: Notices
    clock: Clock
    fell: Callable[[Heard, str], None] = lambda heard, text: None
    faulted: Callable[[str, Exception], None] = lambda name, error: None

    def run(self, goes_on: Callable[[], bool]) -> int:
        """Looks at the connections whose hour has passed; how many are silent by now, those not looked at included."""
        rows = {each.connection: each for each in self.rows.all()}
        known = {name: rows.get(name, Heard(name)) for name in self.connections.names()}
        due = stamp(self.clock() - EVERY)
        for heard in sorted(known.values(), key=lambda each: each.looked_at):
            if heard.looked_at > due or not goes_on():
                break
            try:
                known[heard.connection] = self._look(heard)
            except Exception as error:
                self.faulted(heard.connection, error)
        return sum(each.state != "" for each in known.values())

    def _look(self, before: Heard) -> Heard:
        now, connection = self.clock(), self.connections.connection(before.connection)
        if connection is None:
            return Heard(before.connection)  # removed meanwhile, with its row
        # What was written in the very second of the last look may not have been seen; an index lags, too.
        since = before.looked_at or stamp(now - EVERY)
        since = stamp(datetime.fromisoformat(since) - timedelta(minutes=1))
        entries = islice(self.trail.written_since(before.connection, since, stamp(now)), AT_MOST)
        heard = learnt(of_modules(before, connection.modules), entries, now)
        self.rows.set(heard)
        if heard.state:
            self._tell(connection, heard, new=heard.state != before.state)
        return heard

    def _tell(self, connection: Connection, heard: Heard, *, new: bool) -> None:
        title, text = _words(heard)
        if new:
            self.fell(heard, text)
        facts = {"Last webhook": heard.newest, "Longest silence": _hours(heard.usual / MARGIN)}
        # Once for each silence: it is named by what was heard last.
        key = f"silence.{heard.state}.{heard.newest}"
        self.notices.tell(connection, key, title, text, facts, f"mlc webhooks verify {heard.connection}")


def _words(heard: Heard) -> tuple[str, str]:
    if heard.state == "deaf":
        labels = ", ".join(MODULES[module].label for module in heard.deaf)
        return (
            "Zoho's webhooks have stopped",
            f"{labels}: since the last webhook only reconcile has brought what is new. Nothing is lost but "
            "deletions, and all of it comes later. The webhook or its rule in Zoho Books is off, or calls elsewhere.",
        )
    return (
        "Zoho has been silent for longer than ever",
        f"No webhook since {heard.newest}, and reconcile has found nothing either. Perhaps there is nothing to "
        "tell. If people work in Zoho Books, it does not let us see it.",
    )


def _hours(span: timedelta) -> str:
    return f"{span.total_seconds() / 3600:.0f} hours"
