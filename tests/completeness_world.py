"""Books with lists by date, and the delivery table, for tests of the completeness report."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ml_connector.completeness import Completeness, Place
from ml_connector.connections import Connection
from ml_connector.errors import Missing
from ml_connector.events import Version
from ml_connector.gaps import Page
from ml_connector.modules import MODULES
from ml_connector.ports import Memory
from ml_connector.tally import Item, Tally
from tests.fakes import Clock, connection, payload

AT = Version("2026-10-20T08:00:00Z", "f")
SINCE, UNTIL = "2026-10-01", "2026-10-31"
BOARD = [{"events": ["*"], "when": {}, "to": ["ledger"]}]


@dataclass
class Shelves:
    """Zoho's lists, `size` rows a page. `filters` and `sorts` say what of the request Zoho keeps to."""

    rows: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    size: int = 2
    filters: bool = True
    sorts: bool = True
    by: str = ""
    calls: list[tuple[str, int, str, str]] = field(default_factory=list)
    broken: dict[str, Exception] = field(default_factory=dict)
    before: Callable[[int], None] = lambda number: None

    def dated(self, connection: Connection, module: str, number: int, since: str, until: str) -> Page:
        self.before(len(self.calls))
        self.calls.append((module, number, since, until))
        if module in self.broken:
            raise self.broken[module]
        rows = self.rows.get(module, [])
        if self.sorts:
            rows = sorted(rows, key=lambda row: str(row["date"]), reverse=True)
        if self.filters:
            rows = [row for row in rows if since <= str(row["date"]) <= until]
        start = (number - 1) * self.size
        return Page(rows[start : start + self.size], len(rows) > start + self.size, self.by)

    def page(self, connection: Connection, module: str, number: int, status: str = "") -> Page:
        """By modification, as reconcile reads it."""
        rows = sorted(self.rows.get(module, []), key=lambda row: str(row["last_modified_time"]), reverse=True)
        return Page(rows, False, "modified")

    def fetch(self, connection: Connection, module: str, record_id: str) -> Mapping[str, Any]:
        name = MODULES[module].id_field
        for row in self.rows.get(module, ()):
            if row[name] == record_id:
                return row
        raise Missing("it does not exist (any more)", 404)


@dataclass
class Table:
    rows: dict[Place, Memory] = field(default_factory=dict)
    asked: list[Place] = field(default_factory=list)

    def of_places(self, places: Collection[Place]) -> Mapping[Place, Memory]:
        self.asked += places
        return {place: self.rows[place] for place in places if place in self.rows}

    def of_record(self, record_key: str) -> Mapping[str, Memory]:
        return {name: memory for (key, name), memory in self.rows.items() if key == record_key}

    def dated(self, connection: str, since: str, until: str) -> Iterator[tuple[Place, Memory]]:
        for place, memory in self.rows.items():
            if place[0].startswith(f"{connection}#") and memory.date and since <= memory.date <= until:
                yield place, memory


@dataclass
class Month:
    """October 2026 of a connection whose every record goes to the board."""

    clock: Clock = field(default_factory=Clock)
    books: Shelves = field(default_factory=Shelves)
    table: Table = field(default_factory=Table)
    connection: Connection = field(
        default_factory=lambda: connection(routes=BOARD, zoho=_zoho("invoice"), admin="finance")
    )
    home: str = "EUR"

    def has(self, number: int, amount: str = "100.00", module: str = "invoice", **changes: Any) -> str:
        """Zoho has a document."""
        shape = MODULES[module]
        content = payload(module, "2026-10-20T08:00:00+0000", date="2026-10-20")
        content |= {
            shape.id_field: str(number),
            shape.number_field: f"INV-{number:06d}",
            shape.amount: amount,
            "created_time": "2026-10-19T08:00:00+0000",
            **changes,
        }
        self.books.rows.setdefault(module, []).append(content)
        return str(number)

    def shows(
        self, number: int, amount: str = "100.00", module: str = "invoice", name: str = "ledger", **changes: Any
    ) -> None:
        """A destination has it."""
        fields: dict[str, Any] = {
            "state": "done", "version": AT, "external_id": "77", "number": f"INV-{number:06d}",
            "amount": amount, "currency": "EUR", "date": "2026-10-20",
        }  # fmt: skip
        key = f"{self.connection.name}#{module}#{number}"
        self.table.rows[key, name] = Memory(**(fields | changes))

    def knows(self, number: int, name: str = "ledger", **memory: Any) -> None:
        """The delivery table has a row that shows nothing (yet)."""
        self.table.rows[f"{self.connection.name}#invoice#{number}", name] = Memory(**memory)

    @property
    def completeness(self) -> Completeness:
        return Completeness(self.books, self.table, self.clock, self.home)

    def report(self, since: str = SINCE, until: str = UNTIL) -> tuple[Tally, list[Item]]:
        return self.completeness.report(self.connection, since, until)

    def states(self, since: str = SINCE, until: str = UNTIL) -> dict[str, str]:
        """By `number destination`."""
        return {f"{item.record_id} {item.destination}": item.state for item in self.report(since, until)[1]}


def _zoho(*modules: str) -> dict[str, Any]:
    return {"region": "eu", "organization_id": "20081234567", "modules": list(modules)}


def with_routes(
    *routes: tuple[list[str], dict[str, Any], list[str]], modules: Collection[str] = ("invoice",), **more: Any
) -> Connection:
    every = [{"events": events, "when": when, "to": to} for events, when, to in routes]
    return connection(routes=every, zoho=_zoho(*modules), admin="finance", **more)
