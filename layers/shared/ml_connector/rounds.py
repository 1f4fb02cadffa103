"""Whose turn it is to be reconciled, and with how many of the day's API calls (contracts: zoho-books 1.8, 8).

Every minute the list of turns is read once, and those that are due are run, several at a time. A turn is claimed by
moving its due time, so two runs of the function never take the same one. When it is done it is due again

    after EVERY           less a little chance, so that a thousand connections spread over the quarter of an hour
    in a minute           while gaps are left to work off
    later                 if the share of the day's calls would not last until midnight at that pace
    every minute          from 90 % of the webhooks that Zoho sends a day until the organization's midnight

Of a day's calls reconcile uses `reconcile_share` percent; near the webhooks' cap all but the `reserve`, because then it
is the way in. What must be looked at until midnight is kept from gaps and backfills, which can wait for tomorrow's.
Our day is UTC's, Zoho's quota ends at the organization's midnight: at worst two shares fall into one of its days.

Zoho's own history of webhooks is read for two things: how many it has sent today, those of other products included,
because the cap is the organization's; and which of them failed, as a second witness of what was missed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from ml_connector.connections import Connection
from ml_connector.errors import ConnectorError, NeedsAttention, NotAllowed, Undeliverable
from ml_connector.limits import Quota
from ml_connector.modules import MODULES
from ml_connector.ports import Clock
from ml_connector.reconcile import Found, Reconcile, tracks
from ml_connector.records import BadRecord, timestamp
from ml_connector.times import stamp

EVERY = timedelta(minutes=15)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
CLAIM = timedelta(minutes=10)
"""For how long a turn is claimed: longer than the function may run."""
WORKERS = 8
UNKNOWN_QUOTA = 1000
"""Calls a day until Zoho's first answer tells how many: those of the smallest plan."""
TOLD_FROM, TIGHT_FROM = 80, 90
"""Percent of the webhooks that Zoho sends a day."""
COUNTED_EVERY, COUNTED_OFTEN = timedelta(hours=1), timedelta(minutes=10)
"""How often the day's webhooks are counted, and from half of the cap on."""
_NO_TIME = "~"
"""Sorts after every time."""
_WEST = 10
"""Hours: the organization's midnight at 10:00 UTC or before is one of the Americas, after that one of the East."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What is remembered of a connection between its runs. Times are UTC; "" or 0 is not known yet."""

    connection: str
    due_at: str = ""
    quota: int = 0
    """API calls that Zoho allows its organization a day."""
    day: str = ""
    """UTC date that `spent` counts the calls of."""
    spent: int = 0
    day_ends: str = ""
    """The organization's midnight."""
    webhooks: int = 0
    """That Zoho had sent in this day of the organization at `counted_at`."""
    counted_at: str = ""
    failed_until: str = ""
    """Failed webhooks up to this time have been looked at."""
    untimed: str = ""
    """The organization's date on which those without a readable time last were."""

    def at(self, now: datetime) -> Turn:
        """The same at another time: a new day starts from zero."""
        turn = self
        if turn.day != f"{now:%Y-%m-%d}":
            turn = replace(turn, day=f"{now:%Y-%m-%d}", spent=0)
        if not turn.day_ends or turn.day_ends <= stamp(now):
            ends = datetime.fromisoformat(turn.day_ends) if turn.day_ends else _midnight(now)
            while ends <= now:
                ends += DAY
            turn = replace(turn, day_ends=stamp(ends), webhooks=0)
        return turn


class Turns(Protocol):
    """The list of turns. `claim` moves the due time unless somebody else has; `set` stores whatever is there."""

    def all(self) -> Iterable[Turn]: ...

    def get(self, connection: str) -> Turn | None: ...

    def claim(self, turn: Turn, until: str) -> bool: ...

    def set(self, turn: Turn) -> None: ...


class Connections(Protocol):
    def names(self) -> Iterable[str]: ...

    def connection(self, name: str) -> Connection | None: ...


class Calls(Protocol):
    """The API calls of reconcile's own client."""

    def allow(self, connection: Connection, calls: int) -> None: ...

    def quota(self, connection: Connection) -> Quota | None: ...

    def made(self, connection: Connection) -> int: ...


class Entry(Protocol):
    """A webhook in Zoho's history. `module` is Zoho's name of the entity; what is not known is empty."""

    @property
    def at(self) -> str: ...
    @property
    def failed(self) -> bool: ...
    @property
    def module(self) -> str: ...
    @property
    def record_id(self) -> str: ...


class History(Protocol):
    def history(self, connection: Connection, since: str, until: str, *, failed: bool = False) -> Iterable[Entry]:
        """What Zoho has sent on these days of the organization, as YYYY-MM-DD."""
        ...


class Notices(Protocol):
    def tell(
        self, connection: Connection, key: str, title: str, text: str, facts: Mapping[str, str], command: str
    ) -> bool: ...


@dataclass(slots=True)
class Done:
    """What came of a turn. `cap` is the share of the day's webhooks in percent, None where it was not counted."""

    found: Found
    calls: int = 0
    witness: int = 0
    """Failed webhooks whose records were looked at."""
    cap: int | None = None
    due_at: str = ""
    troubles: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Rounds:
    """`chance` is random in [0, 1); `faulted` hears of faults that stop one connection's run and no other."""

    connections: Connections
    turns: Turns
    reconcile: Reconcile
    calls: Calls
    history: History
    notices: Notices
    clock: Clock
    chance: Callable[[], float]
    every: timedelta = EVERY
    faulted: Callable[[str, Exception], None] = lambda name, error: None
    also: Callable[[Connection, Callable[[], bool]], None] = lambda connection, goes_on: None
    """What else is done with the time and the calls that a turn leaves, as long as its second argument says so."""

    def run_due(self, correlation_id: str, time_left: Callable[[], bool]) -> dict[str, Done]:
        """All connections that are due, the longest waiting first. What there is no time for stays due."""
        now = stamp(self.clock())
        known = {turn.connection: turn for turn in self.turns.all()}
        due = [known.get(name, Turn(name)) for name in self.connections.names()]
        due = sorted((turn for turn in due if turn.due_at <= now), key=lambda turn: turn.due_at)
        if not due:
            return {}

        def run(turn: Turn) -> Done | None:
            try:
                return self._claimed(turn, correlation_id, time_left)
            except Exception as error:
                self.faulted(turn.connection, error)
                return None

        with ThreadPoolExecutor(min(WORKERS, len(due))) as pool:
            results = list(pool.map(run, due))
        return {turn.connection: done for turn, done in zip(due, results, strict=True) if done}

    def run(self, name: str, correlation_id: str, time_left: Callable[[], bool]) -> Done | None:
        """One connection now, whether it is due or not; None if there is no such connection."""
        connection = self.connections.connection(name)
        if connection is None:
            return None
        return self._run(connection, self.turns.get(name) or Turn(name), correlation_id, time_left, asked=True)

    def _claimed(self, turn: Turn, correlation_id: str, time_left: Callable[[], bool]) -> Done | None:
        connection = self.connections.connection(turn.connection)
        if connection is None or not time_left() or not self.turns.claim(turn, stamp(self.clock() + CLAIM)):
            return None
        return self._run(connection, turn, correlation_id, time_left)

    def _run(
        self,
        connection: Connection,
        turn: Turn,
        correlation_id: str,
        time_left: Callable[[], bool],
        *,
        asked: bool = False,
    ) -> Done:
        now = self.clock()
        turn = turn.at(now)
        allowed = allowance(turn, connection)
        self.calls.allow(connection, allowed)
        before = self.calls.made(connection)

        def left() -> int:
            return allowed - turn.spent - (self.calls.made(connection) - before)

        every = MINUTE if tight(turn, connection) else self.every
        look, until_midnight = _look(connection), _midnight(now) - now
        kept = min(round(look * (until_midnight / every)), allowed // 2)
        found = self.reconcile.run(
            connection,
            correlation_id,
            time_left,
            deep=lambda: left() > kept,
            stale="" if asked else stamp(now - 0.8 * every),
            day_ends=turn.day_ends,
        )
        done = Done(found)
        if found.forbidden:
            reasons = {MODULES[module].label: found.failed[module] for module in sorted(set(found.forbidden))}
            self._tell_forbidden(connection, reasons)
        if not found.stopped and time_left():
            turn = self._counted(connection, turn, correlation_id, done, lambda: time_left() and left() > kept)
        if not found.stopped:
            self._also(connection, lambda: time_left() and left() > kept)
        done.calls = self.calls.made(connection) - before
        if done.calls and (quota := self.calls.quota(connection)):
            turn = replace(turn, quota=quota.calls, day_ends=_minute(self.clock() + timedelta(seconds=quota.seconds)))
        spread = until_midnight
        if tight(turn, connection):
            every, spread = MINUTE, min(spread, max(MINUTE, datetime.fromisoformat(turn.day_ends) - now))
        wait = pace(every, look, allowance(turn, connection) - turn.spent - done.calls, spread)
        if found.open and left() > kept:
            wait = MINUTE
        wait = max(wait * (1 - self.chance() / 10), timedelta(seconds=found.after))
        turn = replace(turn, spent=turn.spent + done.calls, due_at=stamp(self.clock() + wait))
        self.turns.set(turn)
        done.due_at = turn.due_at
        return done

    def _also(self, connection: Connection, goes_on: Callable[[], bool]) -> None:
        try:
            self.also(connection, goes_on)
        except Exception as error:
            self.faulted(connection.name, error)  # the turn itself is done, and is to be remembered

    # --- Zoho's own history --------------------------------------------------------------------------------------

    def _counted(
        self, connection: Connection, turn: Turn, correlation_id: str, done: Done, goes_on: Callable[[], bool]
    ) -> Turn:
        """Counts the day's webhooks, if it is time to, looks at what failed, and tells people when the cap is near."""
        now, cap = self.clock(), connection.zoho["webhooks_per_day"]
        often = COUNTED_OFTEN if turn.webhooks * 2 >= cap else COUNTED_EVERY
        if turn.counted_at > stamp(now - often):
            return turn
        today, last = day_of(turn.day_ends), day_of(turn.day_ends, timedelta(days=-1))
        try:
            entries = list(self.history.history(connection, today, today))
            failed = [entry for entry in entries if entry.failed]
            if turn.counted_at and turn.counted_at < stamp(datetime.fromisoformat(turn.day_ends) - DAY):
                failed += self.history.history(connection, last, last, failed=True)
        except ConnectorError as error:
            done.troubles.append(str(error))
            if isinstance(error, NotAllowed):
                self._tell_forbidden(connection, {"History of webhooks": error.reason})
            # Without the right to see it, or where it cannot be read, there is nobody to ask: not before tomorrow.
            return replace(turn, counted_at=stamp(now + DAY)) if _for_today(error) else turn
        # Without a time they cannot be told from those of an hour ago: once a day will do.
        failed = [entry for entry in failed if turn.untimed != today or _time(entry)]
        whole, until = self._witness(connection, failed, turn.failed_until, correlation_id, done, goes_on)
        turn = replace(turn, webhooks=len(entries), failed_until=until)
        if whole:  # what is left of the failed ones is for the next run
            turn = replace(turn, counted_at=stamp(now), untimed=today)
        done.cap = 100 * len(entries) // cap
        if done.cap >= TOLD_FROM:
            self._tell(connection, turn, today)
        return turn

    def _witness(
        self,
        connection: Connection,
        failed: Iterable[Entry],
        since: str,
        correlation_id: str,
        done: Done,
        goes_on: Callable[[], bool],
    ) -> tuple[bool, str]:
        """Looks at the records of failed webhooks, whoever's they were.

        True if at all of them, and the time up to which that has been done.
        """
        records: dict[tuple[str, str], str] = {}
        for entry in failed:
            module, at = _MODULES.get(entry.module, ""), _time(entry)
            if module in connection.modules and entry.record_id and (not at or at > since):
                records[module, entry.record_id] = max(at, records.get((module, entry.record_id), ""))
        looked = since
        for (module, record_id), at in sorted(records.items(), key=lambda each: each[1] or _NO_TIME):
            if at > looked:
                since, looked = looked, at
            try:
                if not goes_on():
                    return False, since
                seen = self.reconcile.look_at(connection, module, record_id, correlation_id)
            except NotAllowed as error:
                done.troubles.append(error.reason)
                continue  # of another module more may be allowed
            except ConnectorError as error:
                done.troubles.append(str(error))
                return False, since
            done.found.missing += seen.missing
            done.found.enqueued += seen.enqueued
            done.found.unusable += seen.unusable
            done.witness += 1
        return True, looked

    # --- what people are told ------------------------------------------------------------------------------------

    def _tell_forbidden(self, connection: Connection, reasons: Mapping[str, str]) -> None:
        """What must not be read, with Zoho's reasons. Told once a month: only a person can give the access."""
        names = ", ".join(reasons)
        self.notices.tell(
            connection,
            f"forbidden.{self.clock():%Y-%m}.{names}",
            "Zoho Books does not let us look for what was missed",
            f"{next(iter(reasons.values())).rstrip('.')}.\n"
            "What webhooks bring still arrives. What they lose is not found here until the access is given.",
            {"Not readable": names, "Organization": connection.organization_id},
            f"mlc auth zoho {connection.name}",
        )

    def _tell(self, connection: Connection, turn: Turn, today: str) -> None:
        cap = connection.zoho["webhooks_per_day"]
        self.notices.tell(
            connection,
            f"webhook-cap#{today}",
            "Zoho's webhooks of the day are nearly used up",
            f"Zoho has sent {turn.webhooks} of the about {cap} webhooks that this organization has a day. From "
            f"{TIGHT_FROM} % on, what is new or changed is fetched every minute until the organization's midnight, so "
            "none of it is lost. A deletion beyond the cap is seen only if Zoho lists its webhook as failed.",
            {"Sent today": str(turn.webhooks), "A day, at most": str(cap), "Midnight (UTC)": turn.day_ends},
            f"mlc webhooks history {connection.name} --from {today}",
        )


def allowance(turn: Turn, connection: Connection) -> int:
    """Calls that reconcile may make in a UTC day."""
    zoho = connection.zoho
    percent = 100 - zoho["reserve"] if tight(turn, connection) else zoho["reconcile_share"]
    return max(1, int((turn.quota or UNKNOWN_QUOTA) * percent // 100))


def tight(turn: Turn, connection: Connection) -> bool:
    """True if Zoho will soon send no more webhooks today."""
    return bool(turn.webhooks * 100 >= connection.zoho["webhooks_per_day"] * TIGHT_FROM)


def pace(every: timedelta, look: int, left: int, until_midnight: timedelta) -> timedelta:
    """After what time to look again, if each look takes so many calls and so many are left until midnight."""
    if left < look:
        return until_midnight
    return max(every, until_midnight * look / left)


def day_of(day_ends: str, later: timedelta = timedelta()) -> str:
    """The organization's date, as YYYY-MM-DD, of the day that ends at this UTC time.

    What is midnight there tells its offset from UTC, all but one of which a day has only once.
    """
    ends = datetime.fromisoformat(day_ends)
    utc = timedelta(hours=ends.hour, minutes=ends.minute)
    offset = -utc if utc <= timedelta(hours=_WEST) else DAY - utc
    return f"{ends + offset - DAY + later:%Y-%m-%d}"


def _look(connection: Connection) -> int:
    """Calls of a run that finds nothing."""
    return 1 + sum(not each.daily and each.kind == "" for each in tracks(connection))


def _midnight(now: datetime) -> datetime:
    """The next one, in UTC."""
    return datetime(now.year, now.month, now.day, tzinfo=UTC) + DAY


def _minute(moment: datetime) -> str:
    """The nearest full minute: answers tell it to the second, a little after they were made."""
    return stamp((moment + timedelta(seconds=30)).replace(second=0, microsecond=0))


def _for_today(error: ConnectorError) -> bool:
    """True if asking again is of no use: a call that was refused, but not for want of valid credentials."""
    return isinstance(error, NotAllowed) or (isinstance(error, Undeliverable) and not isinstance(error, NeedsAttention))


def _time(entry: Entry) -> str:
    """UTC, or "" if the entry does not say it readably."""
    try:
        return timestamp(entry.at)
    except BadRecord:
        return ""


_MODULES = {name: module.name for module in MODULES.values() for name in (*module.entities, module.name)}
