"""Do the destinations hold what Zoho holds? Records, counts, and sums of every currency, by the documents' dates.

Zoho's lists say what there is, the routes what of it must be where, and the delivery table what was last put there.
Each record is in one state at each destination that the routes send it to, or that has it all the same:

    delivered   its newest version is there
    waiting     that is under way, or changed so recently that it may be
    parked      a person must act
    missing     nothing of it is there
    outdated    an older version is there; the amount is the same
    different   another amount is there
    gone        it is there, but Zoho has no such document of that time (any more)
    undecided   nothing is there, and whether something must be depends on what Zoho's lists do not say

Amounts are compared and added up by currency, never across. A row written before rows knew amounts has none: counted as
`unknown`. Void documents count on both sides. Deleted ones are in none of Zoho's lists; what is marked as deleted
counts nowhere.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, Protocol

from ml_connector.connections import Connection
from ml_connector.errors import Missing, NotAllowed
from ml_connector.events import Event
from ml_connector.gaps import Page
from ml_connector.ports import Books, Clock, Memory
from ml_connector.records import BadRecord, Record, read
from ml_connector.routing import destinations_for, reachable, unsaid_by
from ml_connector.statuses import came_into
from ml_connector.tally import Item, Tally
from ml_connector.times import stamp

SETTLING = timedelta(minutes=2)
"""Changes younger than this may be on their way without a trace in the delivery table."""
_CHANGED = ("last_modified_time", "updated_time", "created_time")
_ON_ITS_WAY = ("waiting", "sending", "unknown")

Place = tuple[str, str]
"""A record's key and a destination."""


class Lists(Books, Protocol):
    """Zoho Books of one connection, with its lists by document date."""

    def dated(self, connection: Connection, module: str, number: int, since: str, until: str) -> Page:
        """Page `number` (from 1) of the documents with these dates, the newest date first.

        As far as Zoho keeps to it: what it ignores it ignores without a word (zoho-books 6.1), so rows are checked.
        """
        ...


class Rows(Protocol):
    """The delivery table, read many rows at a time."""

    def of_places(self, places: Collection[Place]) -> Mapping[Place, Memory]:
        """The rows that there are."""
        ...

    def dated(self, connection: str, since: str, until: str) -> Iterator[tuple[Place, Memory]]:
        """All rows that show a document of these dates. Reads the whole table."""
        ...


@dataclass(frozen=True, slots=True)
class Batch:
    """The records of one page that no page before has had; `more` pages follow.

    All records with a date after `whole_after` have been given; "" if that is not sure, the list being in no order.
    """

    records: Sequence[Record]
    more: bool
    whole_after: str = ""
    unreadable: int = 0


@dataclass(frozen=True, slots=True)
class Completeness:
    """`home`: currency of the connection's organization, "" if not known. Dates are the organization's YYYY-MM-DD."""

    books: Lists
    rows: Rows
    clock: Clock
    home: str = ""

    def report(
        self, connection: Connection, since: str, until: str, looked: Callable[[str], None] = lambda module: None
    ) -> tuple[Tally, list[Item]]:
        """Everything of these days, both included, and what is gone. `looked` hears of each page, "" of the table.

        What cannot be read for want of a scope is named in `failed`; any other ConnectorError is raised.
        """
        tally, every, seen = Tally(), [], set[tuple[str, str]]()
        for module in connection.modules:
            tally.open(connection, module)
            try:
                for batch in self.pages(connection, module, since, until):
                    items = self.items(connection, batch.records)
                    tally.add(batch.records, items)
                    tally.unreadable[module] += batch.unreadable
                    every += items
                    seen |= {(module, record.id) for record in batch.records}
                    looked(module)
            except NotAllowed as error:
                tally.failed[module] = error.reason
        looked("")
        for records, gone in self.gone(connection, since, until, seen, tally.failed):
            tally.add(records, gone)
            every += gone
        return tally, every

    def pages(self, connection: Connection, module: str, since: str, until: str) -> Iterator[Batch]:
        """What Zoho has of these days, both included, page by page. Raises ConnectorError."""
        given: set[str] = set()
        number, last, in_order = 1, "", True
        while True:
            page = self.books.dated(connection, module, number, since, until)
            records, unreadable = [], 0
            in_order = in_order and page.by in ("", "other")  # what Zoho says it sorted by: `date` is no other order's
            for row in page.rows:
                record = self._read(module, row)
                if record is None:
                    unreadable += 1
                    continue
                date = str(record.date)
                in_order = in_order and (not last or date <= last)
                last = date
                if record.id not in given and since <= date <= until:
                    given.add(record.id)
                    records.append(record)
            # A filter that Zoho ignores gives all the years: in order, they need not be read to their end.
            more = page.more and bool(page.rows) and not (in_order and last < since)
            yield Batch(records, more, last if more and in_order else "", unreadable)
            if not more:
                return
            number += 1

    def items(self, connection: Connection, records: Sequence[Record]) -> list[Item]:
        """The state of each record at each destination. Records are of any modules."""
        places = [
            (_key(connection, record), name) for record in records for name in reachable(connection, record.module)
        ]
        rows = self.rows.of_places(places)
        return [
            item
            for record in records
            for item in self._items(
                connection,
                record,
                {name: rows.get((_key(connection, record), name)) for name in reachable(connection, record.module)},
            )
        ]

    def gone(
        self,
        connection: Connection,
        since: str,
        until: str,
        seen: Container[tuple[str, str]],
        unread: Container[str] = (),
    ) -> Iterator[tuple[Sequence[Record], Sequence[Item]]]:
        """What destinations show of these days besides what was `seen` (module, id) in Zoho's lists.

        Not of the modules in `unread`. With a record, if Zoho has it of these days all the same: while its list was
        read, it moved to a page that had been. Raises ConnectorError.
        """
        looked_at: dict[tuple[str, str], tuple[Record | None, str]] = {}
        for (key, name), memory in self.rows.dated(connection.name, since, until):
            _, module, record_id = key.split("#", 2)
            known = module in connection.modules and module not in unread and name in connection.destinations
            if not known or not _is_there(memory) or (module, record_id) in seen:
                continue
            first = (module, record_id) not in looked_at
            if first:
                looked_at[module, record_id] = self._looked_at(connection, module, record_id)
            record, why = looked_at[module, record_id]
            if record and since <= str(record.date) <= until:
                if first:
                    yield [record], self.items(connection, [record])
                continue
            yield [], [Item(
                module, record_id, memory.number, memory.date, name, "gone",
                there=True, currency_there=memory.currency, amount_there=_amount(memory), why=why,
            )]  # fmt: skip

    def _looked_at(self, connection: Connection, module: str, record_id: str) -> tuple[Record | None, str]:
        """What Zoho has of it, and what is to be said of that."""
        try:
            record = self._read(module, self.books.fetch(connection, module, record_id))
        except Missing:
            return None, "Zoho does not have it any more"
        return record, f"in Zoho it is dated {record.date}" if record else "what Zoho has of it is unreadable"

    def _read(self, module: str, row: Mapping[str, Any]) -> Record | None:
        """With its currency, which some lists leave out: the base amount tells the organization's own (6.4)."""
        try:
            record = read(module, row)
        except BadRecord:
            return None
        if record.date is None:
            return None
        if not record.currency and record.amount is not None and record.amount == record.base_amount:
            record = replace(record, currency=self.home)
        return record

    def _items(self, connection: Connection, record: Record, memories: Mapping[str, Memory | None]) -> Iterator[Item]:
        """One for each destination that must have it, and for each that has it all the same."""
        must, may = _wanted(connection, record)
        for name, memory in memories.items():
            there = _is_there(memory)
            if not there and (name not in may or _is_settled(memory)):
                continue
            if name in must or there:
                state, why = self._state(record, memory, hears=may.get(name), now=stamp(self.clock() - SETTLING))
            else:
                state, why = "undecided", "its route looks at what Zoho's lists do not say"
            yield Item(
                record.module, record.id, record.number, str(record.date), name, state,
                currency=_currency(record, memory), amount=record.amount, there=there,
                currency_there=memory.currency if memory and there else "",
                amount_there=_amount(memory) if memory and there else None,
                why=why,
                since=_lost_since(record, memory, state, hears=bool(may.get(name))), until=_day(record, *_CHANGED),
            )  # fmt: skip

    def _state(self, record: Record, memory: Memory | None, *, hears: bool | None, now: str) -> tuple[str, str]:
        """Of what a destination must have. `hears`: of changes, too; None if no route leads there (any more)."""
        there, same = _is_there(memory), _same(record, memory)
        newest = there and (not hears or _has(memory, record.modified_at))
        if newest and same is not False:
            return "delivered", "" if same else "what amount is there is not known"
        if memory and memory.state in _ON_ITS_WAY:
            return "waiting", ""
        if memory and memory.state == "parked":
            return "parked", ""
        if record.modified_at > now:
            return "waiting", "changed a moment ago"
        if not there:
            return "missing", "it is marked as deleted there" if memory and memory.version else ""
        if same is not False:
            return "outdated", f"its change of {record.modified_at} is not there"
        reasons = {None: "no route sends it there any more", False: "no route sends its changes there"}
        return "different", reasons.get(hears, "")


def _wanted(connection: Connection, record: Record) -> tuple[frozenset[str], Mapping[str, bool]]:
    """Destinations that must have the record, and all that may have to, each with whether it hears of changes.

    A route that names a status wants the record while it is in that status; which it was in before is not known here.
    """
    unsaid = unsaid_by(record)
    created, updated = (_event(connection, record, action) for action in ("created", "updated"))
    changed = came_into(updated, record)
    must = {*destinations_for(connection, created, record), *destinations_for(connection, changed, record)}
    hear = destinations_for(connection, changed, record, unsaid)
    may = dict.fromkeys((*destinations_for(connection, created, record, unsaid), *hear))
    if connection.routing == "first" and must != set(may):
        must = set()  # an earlier route may take it for what is not said here
    return frozenset(must), {name: name in hear for name in may}


def _event(connection: Connection, record: Record, action: str) -> Event:
    return Event(connection.name, record.module, record.id, action, record.version, "reconcile", "", "", record.raw)


def _key(connection: Connection, record: Record) -> str:
    return f"{connection.name}#{record.module}#{record.id}"


def _is_there(memory: Memory | None) -> bool:
    """True if something of the record was put there that nobody has marked as deleted.

    A version alone does not say so: the engine also ends with one what a destination has nothing to do for.
    """
    if memory is None or memory.version is None or memory.version.deletes:
        return False
    return bool(memory.date or memory.amount or memory.target or memory.external_id)


def _is_settled(memory: Memory | None) -> bool:
    """True if the engine has decided that there is nothing to put there."""
    return bool(memory and memory.state == "done" and not (memory.version and memory.version.deletes))


def _has(memory: Memory | None, modified: str) -> bool:
    """True if the version that is there is that one or newer. Without times nothing can be put in order."""
    at = memory.version.at if memory and memory.version else ""
    return not at or not modified or at >= modified


def _same(record: Record, memory: Memory | None) -> bool | None:
    """Whether the amount that is there is the record's; None if one of them is not known."""
    if memory is None or (there := _amount(memory)) is None or record.amount is None:
        return None
    return there == record.amount and _currency(record, memory) == (memory.currency or _currency(record, memory))


def _currency(record: Record, memory: Memory | None) -> str:
    """As Zoho's list says it; else as the delivered record said it; else as its base amount lets us think."""
    there = memory.currency if memory else ""
    return record.currency if record.raw.get("currency_code") else there or record.currency


def _amount(memory: Memory) -> Decimal | None:
    return Decimal(memory.amount) if memory.amount else None


def _lost_since(record: Record, memory: Memory | None, state: str, *, hears: bool) -> str:
    """The day from which on reconcile would find it: its beginning if there is no row, else only a change."""
    if state not in ("missing", "outdated", "different") or not record.modified_at:
        return ""
    if memory is None:
        return _day(record, "created_time", *_CHANGED)
    return _day(record, *_CHANGED) if hears and not _has(memory, record.modified_at) else ""


def _day(record: Record, *names: str) -> str:
    """Zoho's times carry the organization's offset: they begin with its date."""
    return next((str(value)[:10] for name in names if (value := record.raw.get(name))), "")
