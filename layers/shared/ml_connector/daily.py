"""The day's figures of a channel: what was made and paid yesterday, is due this week, overdue, and waits for a person.

Worked out at the connection's turns to be reconciled, from the first one after the time that the file names, with what
time and calls those leave; a few pages of Zoho's lists. It is queued as a digest with its figures in it, so it is
claimed, delivered once and audited as all others are. What Zoho does not give now is asked for at the next turn; a day
that ends without is dropped, and the log says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Protocol

from ml_connector import gathering
from ml_connector.connections import Connection
from ml_connector.errors import ConnectorError, NotAllowed
from ml_connector.events import Delivery, Event, Version
from ml_connector.gaps import Page
from ml_connector.gathering import MODULE, zone_of
from ml_connector.modules import PAYMENTS
from ml_connector.ports import AuditEntry, Clock, Memory, Queue
from ml_connector.records import BadRecord, Record, read
from ml_connector.times import exact_stamp, stamp

WEEK = 7
PAGES = 5
"""Of a list at most: what is longer is told as "more than"."""
KEPT = timedelta(days=14)
"""As long as the parked queue keeps them."""
_SETTLED = frozenset({"draft", "paid", "void", "overdue", "pending_approval"})
_OWED = ("invoice", "bill")


class Books(Protocol):
    def page(self, connection: Connection, module: str, number: int, status: str = "") -> Page: ...

    def dated(self, connection: Connection, module: str, number: int, since: str, until: str) -> Page: ...

    def by_due(self, connection: Connection, module: str, number: int) -> Page: ...


class Noted(Protocol):
    """The last day (YYYY-MM-DD) that a destination was told of; "" for none."""

    def get(self, connection: str, destination: str) -> str: ...

    def set(self, connection: str, destination: str, day: str) -> None: ...


class TooLate(Exception):
    """The turn's time or calls are used up."""


@dataclass(frozen=True, slots=True)
class Daily:
    """`parked` counts a connection's deliveries that wait for a person; `dropped` hears of days without figures."""

    books: Books
    noted: Noted
    parked: Callable[[Connection], int]
    queue: Queue
    clock: Clock
    dropped: Callable[[str, str, str], None] = lambda connection, destination, reason: None

    def run(self, connection: Connection, goes_on: Callable[[], bool]) -> None:
        """Queues the day's figures of each destination that asks for them and has none yet. Faults are for later."""
        local = self.clock().astimezone(zone_of(connection.time_zone))
        today, figures = local.date(), None
        for name, settings in connection.destinations.items():
            at = settings.get("digest", {}).get("daily") if gathering.posts_cards(settings) else None
            if not at:
                continue
            last = self.noted.get(connection.name, name)
            if last and last < str(today - timedelta(days=1)):
                self.dropped(connection.name, name, f"no figures after those of {last}: the day ended without them")
                self.noted.set(connection.name, name, str(today - timedelta(days=1)))
            if local.time() < time.fromisoformat(at) or last >= str(today):
                continue
            try:
                figures = figures or self._figures(connection, today, goes_on)
            except NotAllowed as error:
                # Until a person connects again; asked at every turn, it would use up the day's calls.
                self.dropped(connection.name, name, error.reason)
                self.noted.set(connection.name, name, str(today))
                continue
            except (ConnectorError, TooLate):
                return
            self.queue.send([_delivery(connection, name, today, figures, self.clock())])
            self.noted.set(connection.name, name, str(today))

    def _figures(self, connection: Connection, today: date, goes_on: Callable[[], bool]) -> dict[str, Any]:
        zone = zone_of(connection.time_zone)
        yesterday = today - timedelta(days=1)
        begins = datetime.combine(yesterday, time(), zone).astimezone(UTC)
        ends = datetime.combine(today, time(), zone).astimezone(UTC)
        since, until = stamp(begins), stamp(ends)
        lists = _Lists(connection, self.books, goes_on)
        lines = []
        for module in (each for each in _OWED if each in connection.modules):
            made = lists.changed(module, since, lambda each: since <= each.created_at < until)
            lines.append(made.line(f"{module}.created"))
            week = lists.due(module, today, today + timedelta(days=WEEK - 1))
            lines.append(week.line(f"{module}.due_this_week"))
            lines.append(lists.overdue(module).line(f"{module}.overdue"))
        payments = [each for each in PAYMENTS if each in connection.modules]
        lines += [lists.paid(module, str(yesterday)).line(f"{module}.created") for module in payments]
        return {
            "kind": gathering.DAILY,
            "since": begins.isoformat(),
            "count": sum(line["count"] for line in lines),
            "events": lines,
            "modules": [each for each in (*_OWED, *PAYMENTS) if each in connection.modules],
            "parked": self.parked(connection),
        }


@dataclass(slots=True)
class _Sum:
    count: int = 0
    sums: dict[str, Decimal] = field(default_factory=dict)
    more: bool = False

    def add(self, record: Record, amount: Decimal | None) -> None:
        self.count += 1
        if amount is not None:
            self.sums[record.currency] = self.sums.get(record.currency, Decimal()) + amount

    def line(self, event: str) -> dict[str, Any]:
        sums = {currency: format(total, "f") for currency, total in sorted(self.sums.items())}
        return {"event": event, "count": self.count, "sums": sums, **({"more": True} if self.more else {})}


@dataclass(frozen=True, slots=True)
class _Lists:
    """Zoho's lists, a few pages of each. The rows are looked at: Zoho ignores filters that it does not know (6.3)."""

    connection: Connection
    books: Books
    goes_on: Callable[[], bool]

    def changed(self, module: str, since: str, wanted: Callable[[Record], bool]) -> _Sum:
        """Newest change first, as far back as anything may be of."""
        return self._sum(
            module,
            lambda number: self.books.page(self.connection, module, number),
            wanted=wanted,
            over=lambda each: max(each.modified_at, each.created_at) < since,
            amount=lambda each: each.amount,
        )

    def due(self, module: str, since: date, until: date) -> _Sum:
        """What is owed and due on these days; the list comes with the latest first."""
        return self._sum(
            module,
            lambda number: self.books.by_due(self.connection, module, number),
            wanted=lambda each: (
                each.due is not None
                and since <= each.due <= until
                and each.status.casefold() not in _SETTLED
                and each.balance != 0
            ),
            over=lambda each: each.due is not None and each.due < since,
            amount=lambda each: each.balance,
        )

    def overdue(self, module: str) -> _Sum:
        return self._sum(
            module,
            lambda number: self.books.page(self.connection, module, number, "overdue"),
            wanted=lambda each: each.status.casefold() == "overdue",
            over=lambda each: False,
            amount=lambda each: each.balance,
        )

    def paid(self, module: str, day: str) -> _Sum:
        return self._sum(
            module,
            lambda number: self.books.dated(self.connection, module, number, day, day),
            wanted=lambda each: str(each.date) == day,
            over=lambda each: each.date is not None and str(each.date) < day,
            amount=lambda each: each.amount,
        )

    def _sum(
        self,
        module: str,
        page: Callable[[int], Page],
        *,
        wanted: Callable[[Record], bool],
        over: Callable[[Record], bool],
        amount: Callable[[Record], Decimal | None],
    ) -> _Sum:
        """Sums up what is `wanted`, to the first that is `over`; each record once, though rows shift between pages."""
        found, seen = _Sum(), set[str]()
        for number in range(1, PAGES + 1):
            if not self.goes_on():
                raise TooLate
            read_page = page(number)
            for record in _records(module, read_page.rows):
                if over(record):
                    return found
                if record.id not in seen and wanted(record):
                    found.add(record, amount(record))
                seen.add(record.id)
            if not read_page.more:
                return found
        found.more = True
        return found


def _records(module: str, rows: Any) -> Iterator[Record]:
    for row in rows:
        try:
            yield read(module, row)
        except BadRecord:
            continue  # one row's fault must not hold up the others


def parked(
    entries: Callable[[str, str, str], Iterator[AuditEntry]],
    row: Callable[[str, str], Memory],
    clock: Clock,
    connection: Connection,
) -> int:
    """How many deliveries of a connection wait for a person: parked in the last KEPT, and their rows still say so."""
    since = stamp(clock() - KEPT)
    found = {
        (f"{entry.connection}#{entry.module}#{entry.record_id}", entry.destination)
        for entry in entries(connection.name, "parked", since)
    }
    return sum(row(*place).state in ("parked", "unknown") for place in found)


def _delivery(
    connection: Connection, destination: str, day: date, figures: Mapping[str, Any], now: datetime
) -> Delivery:
    event = Event(
        connection=connection.name,
        module=MODULE,
        record_id=f"{destination}.{gathering.DAILY}-{day:%Y%m%d}T0000Z",
        action="posted",
        version=Version(f"{day}T00:00:00Z", MODULE),
        origin=MODULE,
        received_at=exact_stamp(now),
        correlation_id=f"daily-{day}",
        payload=dict(figures),
    )
    return Delivery(event, destination)
