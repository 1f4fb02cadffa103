"""Is the board still right? Its items against our rows: duplicates, orphans, drift, and what is gone (monday 6, 6).

    duplicate   several items name one record; the row knows which of them is ours
    orphan      an item names a record of ours that no row knows an item of
    drift       amount or status on the board is not what was last put there
    gone        a row has an item that is not on the board any more (only when all rows are read)

A status that a person has set, as the trail knows, is no drift: it stands until Zoho's own changes (`Report.statuses`).
Nothing is changed. `repair` has a record's state put there anew by an ordinary delivery, and the twins of a duplicate
archived, which a person can undo in monday; nothing is ever deleted. Items that name no record are people's own.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Protocol

from ml_connector import audit
from ml_connector.board_items import label_of, labels_of, record_of, status_of
from ml_connector.connections import Connection
from ml_connector.errors import ConnectorError, Undeliverable
from ml_connector.events import Delivery, Event, Version
from ml_connector.modules import MODULES
from ml_connector.ports import AuditEntry, Clock, Conflict, Deliveries, Memory, Queue
from ml_connector.routing import reachable
from ml_connector.rows import MOVING, doubted
from ml_connector.times import stamp

KINDS = ("duplicate", "orphan", "drift", "gone")
AT_ONCE = 500
"""Rows that are read at a time."""
NIGHT = timedelta(hours=20)
"""Between two checks of one board: once a night, whenever a turn has time for it."""

Named = tuple[str, str]
"""A record's module and id."""


class Item(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def cells(self) -> Mapping[str, str]: ...


class Pages(Protocol):
    def pages(self, board_id: str, columns: list[str]) -> Iterator[Sequence[Item]]:
        """All active items. Raises ConnectorError."""
        ...

    def items(self, board_id: str, ids: Collection[str], columns: list[str]) -> Mapping[str, Item]:
        """Those of these items that are active there, as they are now. Raises ConnectorError."""
        ...


class Rows(Protocol):
    def of_places(self, places: Collection[tuple[str, str]]) -> Mapping[tuple[str, str], Memory]: ...


class Trail(Protocol):
    def of_record(self, connection: str, module: str, record_id: str) -> Iterable[AuditEntry]:
        """Oldest first."""
        ...


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. `items`: of a duplicate all, ours first if it is there; else the one item."""

    kind: str
    module: str
    record_id: str
    number: str
    items: tuple[str, ...]
    column: str = ""
    there: str = ""
    should: str = ""
    by: str = ""
    """Who has set it on the board, and when, if the trail knows."""

    @property
    def says(self) -> str:
        what = (
            f"{MODULES[self.module].label} {self.number or self.record_id}" if self.module in MODULES else self.number
        )
        match self.kind:
            case "duplicate":
                return f"{what}: items {', '.join(self.items)} name this record"
            case "orphan":
                return f"{what}: item {self.items[0]} names this record, but was not made from here"
            case "gone":
                return f"{what}: item {self.items[0]} is not on the board any more"
            case "status":
                return (
                    f"{what}: {self.column} shows {self.there or 'nothing'}, set by {self.by}; Zoho says {self.should}"
                )
        return f"{what}: {self.column} shows {self.there or 'nothing'}, not {self.should or 'nothing'}"


@dataclass(slots=True)
class Report:
    """What a check saw of one board. `own`: items of people, which name no record."""

    items: int = 0
    own: int = 0
    findings: list[Finding] = field(default_factory=list)
    statuses: list[Finding] = field(default_factory=list)
    """Of the kind `status`: what people have set, for information. Nothing is wrong with it."""

    @property
    def counts(self) -> Counter[str]:
        return Counter(each.kind for each in self.findings)

    @property
    def digest(self) -> str:
        """The same for the same findings: a matter is told once."""
        said = sorted((each.kind, each.module, each.record_id, each.there, each.should) for each in self.findings)
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class BoardCheck:
    """Checks one destination. `looked` hears how many items have been seen; `neighbours` names the others, as
    (connection, destination), that write to this board about the same organization. It is asked if need be, as is
    `trail`, which knows what people have set (without one nobody has).
    """

    connection: Connection
    name: str
    settings: Mapping[str, Any]
    board: Pages
    rows: Rows
    looked: Callable[[int], None] = lambda items: None
    neighbours: Callable[[], Iterable[tuple[str, str]]] = tuple
    trail: Trail | None = None

    def run(self, goes_on: Callable[[], bool] = lambda: True, known: Iterable[str] = ()) -> Report | None:
        """What is wrong; None if there was no time to see all. `known`: keys of all our records, for what is gone.

        Raises ConnectorError.
        """
        report, by_record = Report(), dict[Named, list[Item]]()
        external = self.settings["external_id_column"]
        for page in self.board.pages(self._board, self._columns):
            for item in page:
                report.items += 1
                if record := record_of(self.connection, item.cells.get(external, "")):
                    by_record.setdefault(record, []).append(item)
                else:
                    report.own += 1
            self.looked(report.items)
            if not goes_on():
                return None
        prefix = f"{self.connection.name}#"
        for key in known:
            _, module, record_id = (*key.split("#", 2), "", "")[:3]
            if key.startswith(prefix) and module in MODULES:
                by_record.setdefault((module, record_id), [])
        for found in self._confirmed(by_record, [*self._suspects(by_record)], goes_on):
            (report.statuses if found.kind == "status" else report.findings).append(found)
        return report

    @property
    def _board(self) -> str:
        return str(self.settings["board_id"])

    @property
    def _columns(self) -> list[str]:
        watched = [name for name, each in self.settings["columns"].items() if each["from"] in ("amount", "status")]
        return [self.settings["external_id_column"], *watched]

    def _suspects(self, by_record: Mapping[Named, Sequence[Item]]) -> Iterator[Named]:
        every = list(by_record)
        for at in range(0, len(every), AT_ONCE):
            rows = self._rows(every[at : at + AT_ONCE])
            for record in every[at : at + AT_ONCE]:
                if any(self._findings(record, by_record[record], rows.get(record))):
                    yield record

    def _confirmed(
        self, by_record: Mapping[Named, Sequence[Item]], suspects: Sequence[Named], goes_on: Callable[[], bool]
    ) -> Iterator[Finding]:
        """What still is wrong: deliveries went on while the board was read, and its rows were read after it.

        What there is no time to look at once more is taken as it was seen.
        """
        neighbours = list(self.neighbours()) if suspects else []
        for at in range(0, len(suspects), AT_ONCE):
            batch = suspects[at : at + AT_ONCE]
            theirs = [self._rows(batch, *each) for each in neighbours]
            rows = self._rows(batch)
            items = {record: by_record[record] for record in batch}
            if goes_on():
                before, items = rows, self._now(items, rows)
                rows = self._rows(batch)
                items = {record: each for record, each in items.items() if rows.get(record) == before.get(record)}
            for record, found in items.items():
                known = {held[record].external_id for held in theirs if record in held}
                for each in self._findings(record, found, rows.get(record), known):
                    yield self._by_a_person(each, rows.get(record))

    def _by_a_person(self, found: Finding, memory: Memory | None) -> Finding:
        """The finding; of the kind `status` if it is a status that a person has set since Zoho's last changed.

        That is sure if what Zoho says was there before the person came, or if Zoho's record is no newer.
        """
        status = found.kind == "drift" and self.settings["columns"][found.column]["from"] == "status"
        if not (status and self.trail and memory and memory.version):
            return found
        known = [
            each
            for each in self.trail.of_record(self.connection.name, found.module, found.record_id)
            if (each.destination, each.outcome, each.event) == (self.name, "changed", "item.status")
            and each.external_id == found.items[0]
        ]
        # Told late, it may stand after a newer one: when it was done is what its version says.
        last = max(known, key=lambda each: each.version, default=None)
        if last is None or not last.reason.endswith(f" to {found.there or 'nothing'}"):
            return found
        done = last.version.partition("~")[0]
        before = f"status from {found.should} to "
        if done[:19] <= memory.version.at[:19] and not any(each.reason.startswith(before) for each in known):
            return found
        return replace(found, kind="status", by=f"{last.by} on {done[:10]} at {done[11:16]} UTC")

    def _now(self, items: Mapping[Named, Sequence[Item]], rows: Mapping[Named, Memory]) -> dict[Named, Sequence[Item]]:
        """The records' items, and those that their rows know, as they are on the board by now."""
        ids = {record: {item.id for item in each} for record, each in items.items()}
        for record, row in rows.items():
            ids[record] |= {row.external_id} - {""}
        there = self.board.items(self._board, {each for some in ids.values() for each in some}, self._columns)
        return {record: [there[each] for each in some if each in there] for record, some in ids.items()}

    def _rows(self, records: Iterable[Named], connection: str = "", name: str = "") -> dict[Named, Memory]:
        keys = {record: "#".join((connection or self.connection.name, *record)) for record in records}
        found = self.rows.of_places([(key, name or self.name) for key in keys.values()])
        return {
            record: found[key, name or self.name] for record, key in keys.items() if (key, name or self.name) in found
        }

    def _findings(
        self, record: Named, items: Iterable[Item], memory: Memory | None, theirs: Collection[str] = ()
    ) -> Iterator[Finding]:
        """`theirs`: items of the record that a neighbour's row knows."""
        module, record_id = record
        ours = memory.external_id if memory and memory.target in ("", self._board) else ""
        number, moving = (memory.number, memory.state in MOVING) if memory else ("", False)
        items = sorted(items, key=lambda item: (item.id != ours, int(item.id)))
        ids = tuple(item.id for item in items)
        if not items:
            # People take items away, and where `gone` says so that is as it should be.
            minded = self.settings.get("gone") != "leave" and not (memory and memory.version and memory.version.deletes)
            if ours and minded and not moving:
                yield Finding("gone", module, record_id, number, (ours,))
            return
        if len(items) > 1:
            yield Finding("duplicate", module, record_id, number, ids)
        elif ids[0] != ours:
            if not moving and ids[0] not in theirs and self.name in reachable(self.connection, module):
                yield Finding("orphan", module, record_id, number or items[0].name, ids)
            return
        if memory and ids[0] == ours and not moving and memory.version and not memory.doubt:
            for column, there, should in self._differences(items[0], memory):
                yield Finding("drift", module, record_id, number, ids[:1], column, there, should)

    def _differences(self, item: Item, memory: Memory) -> Iterator[tuple[str, str, str]]:
        """Column, what it shows, what it should. Only of what a row remembers: amount and status."""
        status = status_of(memory)
        for name, each in self.settings["columns"].items():
            if name not in item.cells:
                continue  # it is gone, or sums up subitems (4): doctor tells
            there = item.cells[name]
            if each["from"] == "amount" and each["type"] == "numbers" and memory.amount:
                elsewhere = each.get("currency") and each["currency"] != memory.currency
                if not _same(there, "" if elsewhere else memory.amount):
                    yield name, there, "" if elsewhere else f"{memory.amount} {memory.currency}".strip()
            # A long text was cut for the row: what it said is not known any more.
            if each["from"] == "status" and each["type"] in ("status", "dropdown", "text") and _whole(status):
                labels = labels_of(each)
                plain = each["type"] == "text" or (each["type"] == "dropdown" and not labels)
                label = status if plain else label_of(status, labels)
                # Of a label that the file names by its id the text is not known here.
                if isinstance(label, str) and there != label:
                    yield name, there, label


def neighbours(connection: Connection, name: str, every: Iterable[Connection | None]) -> Iterator[tuple[str, str]]:
    """Who else writes to a destination's board about the same organization: their external ids are the same."""
    board = str(connection.destinations[name]["board_id"])
    for each in every:
        if each and each.organization_id == connection.organization_id:
            for other, place in each.destinations.items():
                same = place["type"] == "monday" and str(place["board_id"]) == board
                if same and (each.name, other) != (connection.name, name):
                    yield each.name, other


@dataclass(frozen=True, slots=True)
class Repair:
    """Puts findings right. `archive` takes an item off the board; a person can bring it back."""

    connection: Connection
    name: str
    board_id: str
    deliveries: Deliveries
    queue: Queue
    archive: Callable[[str], None]
    clock: Clock
    correlation_id: str

    def put_right(self, findings: Iterable[Finding]) -> Counter[str]:
        """Counts of `archived` items, records `sent` again, and those `busy`, which are under way already.

        Raises ConnectorError when monday takes no more; what was done is done, and a second run does the rest.
        """
        done: Counter[str] = Counter()
        records: dict[tuple[str, str], list[Finding]] = {}
        for each in findings:
            records.setdefault((each.module, each.record_id), []).append(each)
        for (module, record_id), wrong in records.items():
            if not self._again(module, record_id, wrong):
                done["busy"] += 1
                continue
            done["sent"] += 1
            for twin in (twin for each in wrong if each.kind == "duplicate" for twin in each.items[1:]):
                self.archive(twin)
                done["archived"] += 1
        return done

    def _again(self, module: str, record_id: str, wrong: Sequence[Finding]) -> bool:
        """Has the record's newest state put onto its item; if that is gone, what follows is the destination's policy.

        False if a delivery of it is under way. The trail tells of it.
        """
        item = "" if wrong[0].kind == "gone" else wrong[0].items[0]
        key = f"{self.connection.name}#{module}#{record_id}"
        memory = self.deliveries.read(key, self.name)
        if memory.state in MOVING:
            return False
        memory = doubted(memory)
        if item:
            memory = replace(memory, external_id=item, target=self.board_id)
        if memory.state == "new":
            memory = replace(memory, state="done")
        now, name = stamp(self.clock()), self.connection.name
        # Of now, so that it is older than nothing that was known before.
        event = Event(name, module, record_id, "updated", Version(now, ""), "repair", now, self.correlation_id, None)
        delivery = Delivery(event, self.name)
        entry = replace(
            audit.entry_of(delivery, memory, now, "resent"),
            attempt=0,
            reason="the board was wrong: " + "; ".join(each.says for each in wrong),
        )
        entry = audit.closed(entry, memory.chain)
        try:
            self.deliveries.write(key, self.name, replace(memory, chain=entry.hash), entry)
        except Conflict:
            return False
        self.queue.send([delivery])
        return True


# --- by night --------------------------------------------------------------------------------------------------------


class Nights(Protocol):
    """When each board was checked last: times by destination, as UTC texts."""

    def get(self, connection: str) -> Mapping[str, str]: ...

    def set(self, connection: str, checked: Mapping[str, str]) -> None: ...


class Notices(Protocol):
    def tell(
        self, connection: Connection, key: str, title: str, text: str, facts: Mapping[str, str], command: str
    ) -> bool: ...


@dataclass(frozen=True, slots=True)
class Nightly:
    """Checks each board once a night and has somebody told of what is wrong. `check` makes a destination's check."""

    check: Callable[[Connection, str], BoardCheck]
    nights: Nights
    notices: Notices
    clock: Clock

    def run(self, connection: Connection, goes_on: Callable[[], bool]) -> None:
        """The boards whose turn it is, as far as there is time. What monday refuses for now is for the next night."""
        boards = [name for name, each in connection.destinations.items() if each["type"] == "monday"]
        # Without anybody to tell, nobody need look: `mlc monday check` does.
        if not boards or not connection.admin:
            return
        checked = dict(self.nights.get(connection.name))
        for name in boards:
            now = self.clock()
            if not goes_on() or checked.get(name, "") > stamp(now - NIGHT):
                continue
            try:
                report = self.check(connection, name).run(goes_on)
            except Undeliverable as error:
                # Nobody else tells of it as long as deliveries wait: a token that is not renewed is on no agenda.
                self._refused(connection, name, error, now)
                report = Report()
            except ConnectorError:
                report = Report()  # it is busy, or down
            if report is None:
                continue
            checked[name] = stamp(now)
            self.nights.set(connection.name, checked)
            if report.findings:
                self._tell(connection, name, report)

    def _refused(self, connection: Connection, name: str, error: Undeliverable, now: datetime) -> None:
        self.notices.tell(
            connection,
            f"board-{name}-refused-{now:%Y-%m-%d}",
            f"The board of {name} cannot be looked at",
            f"{error.reason}\nWhat is to be put there waits.",
            {},
            f"mlc doctor {connection.name}",
        )

    def _tell(self, connection: Connection, name: str, report: Report) -> None:
        counts = report.counts
        said = ", ".join(f"{counts[kind]:,} {_WORDS[kind][counts[kind] != 1]}" for kind in KINDS if counts[kind])
        first = "\n".join(each.says for each in report.findings[:3])
        self.notices.tell(
            connection,
            f"board-{name}-{report.digest}",
            f"The board of {name} needs a look: {said}",
            f"{first}\nNothing was changed.",
            {"Items": f"{report.items:,}"},
            f"mlc monday check {connection.name} --destination {name}",
        )


_WORDS = {
    "duplicate": ("record with several items", "records with several items"),
    "orphan": ("item that was not made from here", "items that were not made from here"),
    "drift": ("cell that is not what Zoho says", "cells that are not what Zoho says"),
    "gone": ("item that is gone", "items that are gone"),
}


def _whole(text: str) -> bool:
    return bool(text) and not text.endswith("…")


def _same(there: str, should: str) -> bool:
    try:
        return Decimal(there or "0") == Decimal(should or "0") and bool(there) == bool(should)
    except InvalidOperation:
        return False
