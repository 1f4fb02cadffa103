"""When a month has ended: its completeness, told to the connection's admin channel, once, in numbers.

It is worked on at the connection's turns to be reconciled, in the first days of the month by the connection's time
zone, and only with what time and calls those leave. What a run has counted is kept: a list in order of its dates is
gone on with at the last date that is not whole, any other from its start.

Records that are only at a destination are not looked for: that reads the whole delivery table. `mlc` does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta, timezone, tzinfo
from typing import Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ml_connector.completeness import Completeness
from ml_connector.connections import Connection
from ml_connector.errors import ConnectorError, NeedsAttention, NotAllowed, RetryLater
from ml_connector.modules import MODULES
from ml_connector.money import shown
from ml_connector.ports import Clock
from ml_connector.records import Record
from ml_connector.tally import STATES, Sum, Tally

DAYS = 7
"""Of the new month, on which the old one may still be worked on."""
_OPEN = ("waiting", "undecided")
_LAST_ON_EARTH = timezone(timedelta(hours=-12))
"""Where there is no database of time zones, the month has ended when it has everywhere."""


@dataclass(slots=True)
class Progress:
    """How far a month (YYYY-MM) is counted: not the modules in `left` yet, the first of them from `until` back."""

    month: str
    left: tuple[str, ...]
    until: str
    tally: Tally = field(default_factory=Tally)
    told: bool = False


class Shelf(Protocol):
    """One row per connection."""

    def get(self, connection: str) -> Progress | None: ...

    def set(self, connection: str, progress: Progress) -> None: ...


class Notices(Protocol):
    def tell(
        self,
        connection: Connection,
        key: str,
        title: str,
        text: str,
        facts: Mapping[str, str],
        command: str,
        *,
        good: bool,
    ) -> bool: ...


@dataclass(frozen=True, slots=True)
class MonthEnd:
    """`completeness` gives a connection's report."""

    completeness: Callable[[Connection], Completeness]
    shelf: Shelf
    notices: Notices
    clock: Clock

    def run(self, connection: Connection, goes_on: Callable[[], bool]) -> None:
        """Counts on as long as `goes_on`, and tells when all is counted. What Zoho refuses for now is for later."""
        today = self.clock().astimezone(_zone(connection)).date()
        first = (today.replace(day=1) - timedelta(days=1)).replace(day=1)
        month = f"{first:%Y-%m}"
        # Who was connected only this month has nothing to be told of the last one.
        if not connection.admin or today.day > DAYS or connection.applied_at[:7] > month:
            return
        progress = self.shelf.get(connection.name)
        if progress is None or progress.month != month:
            progress = Progress(month, connection.modules, str(_last_of(first)))
        if progress.told:
            return
        try:
            self._count(connection, progress, first, goes_on)
            progress.told = not progress.left and self._tell(connection, progress, first)
        finally:
            self.shelf.set(connection.name, progress)

    def _count(self, connection: Connection, progress: Progress, first: date, goes_on: Callable[[], bool]) -> None:
        completeness = self.completeness(connection)
        while progress.left and goes_on():
            module = progress.left[0]
            try:
                if not self._module(completeness, connection, progress, first, goes_on):
                    return
            except NotAllowed as error:
                progress.tally.failed[module] = error.reason
            except (RetryLater, NeedsAttention):
                return
            except ConnectorError as error:
                progress.tally.failed[module] = str(error)
            progress.left, progress.until = progress.left[1:], str(_last_of(first))

    def _module(
        self,
        completeness: Completeness,
        connection: Connection,
        progress: Progress,
        first: date,
        goes_on: Callable[[], bool],
    ) -> bool:
        """True when the first module that is left has been counted."""
        module, tally = progress.left[0], progress.tally
        tally.open(connection, module)
        waiting: list[Record] = []
        unreadable = 0
        for batch in completeness.pages(connection, module, str(first), progress.until):
            waiting += batch.records
            unreadable += batch.unreadable
            if batch.more and not batch.whole_after:
                if not goes_on():
                    return False
                continue
            # Of the date that the page ends with, the next one may have more.
            whole = [each for each in waiting if str(each.date) > batch.whole_after]
            waiting = [each for each in waiting if str(each.date) <= batch.whole_after]
            items = completeness.items(connection, whole)
            # From here on nothing may fail: what is counted and what is left go together.
            tally.add(whole, items)
            tally.unreadable[module] += unreadable
            unreadable = 0
            if batch.more:
                progress.until = batch.whole_after
                if not goes_on():
                    return False
        return True

    def _tell(self, connection: Connection, progress: Progress, first: date) -> bool:
        tally = progress.tally
        records = sum(each.records for each in tally.zoho.values())
        of_month = f"{records:,} records of {first:%B %Y}"
        if tally.whole:
            title = f"All {of_month} are where they belong"
            text = "By count and by amount in every currency, in Zoho Books and at every destination."
        else:
            title = f"{tally.faults:,} of {of_month} need a look" if tally.faults else f"The {of_month} need a look"
            text = "Zoho Books and the destinations do not agree. The report names each record and what to type for it."
        counts = Counter({state: sum(line.states[state] for _, _, line in tally.every) for state in _OPEN})
        text += "".join(f"\n{count:,} are {state}." for state, count in counts.items() if count)
        if unknown := sum(line.unknown for _, _, line in tally.every):
            text += f"\nOf {unknown:,} it is not known which amount is there."
        facts = {MODULES[module].label: _fact(tally, module) for module in tally.zoho}
        command = f"mlc reconcile {connection.name} --report --from {first} --to {_last_of(first)}"
        return self.notices.tell(
            connection, f"completeness-{progress.month}", title, text, facts, command, good=tally.whole
        )


def _fact(tally: Tally, module: str) -> str:
    """`412 (1,284.50 EUR) in Zoho; finance: all; ledger: 2 missing, 410 (1,200.00 EUR)`."""
    if module in tally.failed:
        return "could not be read"
    total = tally.zoho[module]
    said = [f"{_sum(total)} in Zoho"]
    if tally.unreadable[module]:
        said.append(f"{tally.unreadable[module]:,} unreadable")
    for name, line in tally.lines[module].items():
        states = [f"{line.states[state]:,} {state}" for state in STATES[1:] if line.states[state]]
        if line.agrees and not states:
            said.append(f"{name}: all")
        else:
            should = f" of {_sum(line.zoho)}" if line.zoho != total else ""
            said.append(f"{name}: " + ", ".join([*states, f"{_sum(line.there)}{should}"]))
    return "; ".join(said)


def _sum(total: Sum) -> str:
    amounts = [shown(amount, currency) for currency, amount in sorted(total.amounts.items())]
    unknown = [f"{total.unknown:,} without amount"] if total.unknown else []
    told = " + ".join([*amounts, *unknown])
    return f"{total.records:,} ({told})" if told else f"{total.records:,}"


def _last_of(first: date) -> date:
    return (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def _zone(connection: Connection) -> tzinfo:
    try:
        return ZoneInfo(connection.time_zone)
    except (ZoneInfoNotFoundError, ValueError):
        return _LAST_ON_EARTH
