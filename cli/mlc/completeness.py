"""`mlc reconcile --report`: what Zoho has of some days beside what the destinations have, for people, CSV and JSON."""

from __future__ import annotations

import csv
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rich.text import Text

from ml_connector.completeness import Completeness
from ml_connector.errors import RetryLater
from ml_connector.modules import MODULES
from ml_connector.money import shown
from ml_connector.tally import FAULTS, STATES, Item, Line, Sum, Tally, backfill, remedy
from mlc.output import Exit, cell, console, fail, line, literal, plain, printable, problems, say, table, watch
from mlc.reconcile import PATIENCE

if TYPE_CHECKING:
    from ml_connector.completeness import Lists, Rows
    from ml_connector.connections import Connection
    from ml_connector.gaps import Page
    from mlc.reconcile import Office
    from mlc.stack import Stack

T = TypeVar("T")

SHOWN = 50
"""Records shown to people; --csv and --json have them all."""
COLUMNS = (
    "module", "number", "id", "date", "destination", "state", "currency", "amount", "currency_there", "amount_there",
    "difference", "why", "type",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PatientLists:
    """Zoho's lists; where a limit asks for it, the same page is asked for again after that time, if it is not too long.

    Nothing that has been read is read twice.
    """

    lists: Lists
    most: float
    waits: Callable[[str, float], None]
    sleep: Callable[[float], None] = time.sleep

    def dated(self, connection: Connection, module: str, number: int, since: str, until: str) -> Page:
        return self._asked(lambda: self.lists.dated(connection, module, number, since, until))

    def fetch(self, connection: Connection, module: str, record_id: str) -> Mapping[str, Any]:
        return self._asked(lambda: self.lists.fetch(connection, module, record_id))

    def _asked(self, ask: Callable[[], T]) -> T:
        while True:
            try:
                return ask()
            except RetryLater as error:
                if not error.after or error.after > self.most:
                    raise
                self.waits(error.reason, error.after)
                self.sleep(error.after)


def report(at: Stack, here: Office, since: str, until: str, file: Path | None, *, as_json: bool) -> Exit:
    """Counts, prints, and writes all records to `file` as CSV. FOUND_PROBLEMS if something needs a person."""
    with watch(as_json, "lists") as show:
        pages: Counter[str] = Counter()

        def looked(module: str) -> None:
            pages[module] += 1
            what = f"{MODULES[module].label}: page {pages[module]} read" if module else "reading the delivery table"
            show(what, None, None)

        def waits(why: str, seconds: float) -> None:
            show(f"{why}; going on in {seconds:.0f} s", None, None)

        rows, home = ours(at, here.connection.name)
        counted = Completeness(PatientLists(here.books, PATIENCE, waits, here.sleep), rows, here.clock, home)
        tally, items = counted.report(here.connection, since, until, looked)
    return told(here.connection.name, since, until, tally, items, file=file, as_json=as_json)


def ours(at: Stack, name: str) -> tuple[Rows, str]:
    """The delivery table, and the currency of the connection's organization."""
    from ml_connector.aws.organizations import Organizations

    connected = Organizations(at.connections).of(name)
    return at.deliveries, connected.organization.currency if connected else ""


def told(
    connection: str,
    since: str,
    until: str,
    tally: Tally,
    items: list[Item],
    *,
    file: Path | None = None,
    as_json: bool = False,
) -> Exit:
    items.sort(key=lambda item: (list(MODULES).index(item.module), item.destination, item.date, item.number))
    if file:
        try:
            write(file, connection, items)
        except OSError as error:
            fail(f"cannot write {file}: {error.strerror}")
    open_ = [item for item in items if item.state != "delivered"]
    data = {
        "connection": connection,
        "from": since,
        "to": until,
        "whole": tally.whole,
        **tally.data(),
        "records": [_for_programs(connection, item) for item in open_],
    }
    say(data, as_json=as_json, people=lambda: show(connection, since, until, tally, open_))
    if file and not as_json:
        line(f"{len(items)} rows written to {file}", "dim")
    return Exit.DONE if tally.whole else Exit.FOUND_PROBLEMS


# --- for programs --------------------------------------------------------------------------------------------------


def write(file: Path, connection: str, items: Iterable[Item]) -> None:
    """One row for each record and destination, those that are as they should be included."""
    with file.open("w", encoding="utf-8", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(COLUMNS)
        rows.writerows([cell(value) for value in _row(connection, item).values()] for item in items)


def _row(connection: str, item: Item) -> dict[str, str]:
    known = item.amount is not None and item.amount_there is not None and item.currency == item.currency_there
    values = (
        item.module, item.number, item.record_id, item.date, item.destination, item.state,
        item.currency, _exact(item.amount), item.currency_there, _exact(item.amount_there),
        _exact((item.amount_there or Decimal()) - (item.amount or Decimal())) if known else "",
        item.why, remedy(connection, item) if item.state in FAULTS else "",
    )  # fmt: skip
    return dict(zip(COLUMNS, values, strict=True))


def _for_programs(connection: str, item: Item) -> dict[str, Any]:
    return plain({**_row(connection, item), "there": item.there})


def _exact(amount: Decimal | None) -> str:
    return "" if amount is None else format(amount, "f")


# --- for people ----------------------------------------------------------------------------------------------------


def show(connection: str, since: str, until: str, tally: Tally, items: Sequence[Item]) -> None:
    line(f"{connection}: documents of {since} to {until}", "bold")
    used = [state for state in STATES if any(each.states[state] for _, _, each in tally.every)]
    used = used or ["delivered"]
    table(
        ("module", "destination", "in Zoho", "there", *used, "sum in Zoho", "sum there", ""),
        [row for module in tally.zoho for row in _lines(tally, module, used)],
    )
    for module, reason in tally.failed.items():
        problems.print(f"{MODULES[module].label}: could not be read: {literal(reason)}", style="red", soft_wrap=True)
    for module, count in tally.unreadable.items():
        if count:
            problems.print(f"{MODULES[module].label}: {count} rows of Zoho's list are unreadable", style="red")
    if items:
        console.print()
        table(
            ("state", "record", "date", "destination", "in Zoho", "there", "type, or why"),
            [_item(connection, item) for item in items[:SHOWN]],
        )
    if len(items) > SHOWN:
        line(f"{len(items) - SHOWN} more: --csv FILE and --json have all", "dim")
    days = [(item.since, item.until) for item in items if item.since]
    if days:
        first, last = min(day for day, _ in days), max(day for _, day in days)
        line(f"Bring in what was lost: {backfill(connection, first, last)}")
    if any(item.state == "parked" for item in items):
        line(f"Send again what is parked: mlc parked retry {connection} --all")
    if tally.whole:
        console.print(f"[green]✓[/] {literal(connection)}: everything is where it belongs")


def _lines(tally: Tally, module: str, used: Sequence[str]) -> Iterator[tuple[object, ...]]:
    label, lines = MODULES[module].label, tally.lines[module]
    if not lines:
        yield label, "no route", tally.zoho[module].records, *[""] * (len(used) + 1), _sum(tally.zoho[module]), "", ""
    for name, each in lines.items():
        states = (each.states[state] or "" for state in used)
        yield (
            label, name, each.zoho.records, each.there.records, *states, _sum(each.zoho), _sum(each.there), _mark(each),
        )  # fmt: skip


def _mark(each: Line) -> Text:
    if each.agrees is None:
        return Text("?", "yellow")
    return Text("✓", "green") if each.agrees else Text("≠", "red")


def _sum(total: Sum) -> str:
    amounts = [shown(amount, currency) for currency, amount in sorted(total.amounts.items())]
    return " + ".join([*amounts, *([f"{total.unknown} unknown"] if total.unknown else [])])


def _item(connection: str, item: Item) -> tuple[object, ...]:
    style = "red" if item.state in FAULTS else "yellow"
    what = "; ".join(filter(None, (item.why, remedy(connection, item) if item.state in FAULTS else "")))
    return (
        Text(item.state, style),
        f"{MODULES[item.module].label} {item.number or item.record_id}",
        item.date,
        item.destination,
        shown(item.amount, item.currency),
        shown(item.amount_there, item.currency_there) or ("unknown" if item.there else "–"),
        printable(what),
    )
