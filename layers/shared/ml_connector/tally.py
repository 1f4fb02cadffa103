"""What the completeness report counts: records by state, and sums of every currency on both sides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from ml_connector.connections import Connection
from ml_connector.records import Record
from ml_connector.routing import reachable

STATES = ("delivered", "waiting", "parked", "missing", "outdated", "different", "gone", "undecided")
FAULTS = frozenset({"parked", "missing", "outdated", "different", "gone"})
"""What a person must look at."""


@dataclass(frozen=True, slots=True)
class Item:
    """One record at one destination. Amounts are None, and currencies "", where they are not known."""

    module: str
    record_id: str
    number: str
    date: str
    destination: str
    state: str
    currency: str = ""
    amount: Decimal | None = None
    there: bool = False
    currency_there: str = ""
    amount_there: Decimal | None = None
    why: str = ""
    since: str = ""
    """From this day of the organization to `until` lies what reconcile would send; "" if it would send nothing."""
    until: str = ""


@dataclass(slots=True)
class Sum:
    """So many records, and their amounts by currency. Of `unknown` ones amount or currency is not known."""

    records: int = 0
    unknown: int = 0
    amounts: dict[str, Decimal] = field(default_factory=dict)

    def add(self, amount: Decimal | None, currency: str) -> None:
        self.records += 1
        if amount is None or not currency:
            self.unknown += 1
        else:
            self.amounts[currency] = self.amounts.get(currency, Decimal()) + amount

    def data(self) -> dict[str, Any]:
        """For JSON; amounts stay exact."""
        amounts = {currency: format(amount, "f") for currency, amount in sorted(self.amounts.items())}
        return {"records": self.records, "unknown": self.unknown, "amounts": amounts}

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Sum:
        amounts = {currency: Decimal(amount) for currency, amount in data["amounts"].items()}
        return cls(data["records"], data["unknown"], amounts)


@dataclass(slots=True)
class Line:
    """One module at one destination: what should be there, and what is."""

    zoho: Sum = field(default_factory=Sum)
    there: Sum = field(default_factory=Sum)
    states: Counter[str] = field(default_factory=Counter)

    @property
    def agrees(self) -> bool | None:
        """Whether both sides have as many records, and as much in every currency; None if amounts are not known."""
        if self.zoho.records != self.there.records:
            return False
        if self.unknown:
            return None
        return self.zoho.amounts == self.there.amounts

    @property
    def unknown(self) -> int:
        return max(self.zoho.unknown, self.there.unknown)

    def add(self, item: Item) -> None:
        self.states[item.state] += 1
        if item.state not in ("gone", "undecided"):
            self.zoho.add(item.amount, item.currency)
        if item.there:
            self.there.add(item.amount_there, item.currency_there)

    def data(self) -> dict[str, Any]:
        return {
            "zoho": self.zoho.data(),
            "there": self.there.data(),
            "agrees": self.agrees,
            **{state: self.states[state] for state in STATES},
        }

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Line:
        return cls(Sum.of(data["zoho"]), Sum.of(data["there"]), Counter({state: data[state] for state in STATES}))


@dataclass(slots=True)
class Tally:
    """The figures of a time: of each module what Zoho has of it, and a line for each of its destinations.

    `unreadable` counts rows of Zoho's lists that could not be read; `failed` says why a whole list could not.
    """

    zoho: dict[str, Sum] = field(default_factory=dict)
    lines: dict[str, dict[str, Line]] = field(default_factory=dict)
    unreadable: Counter[str] = field(default_factory=Counter)
    failed: dict[str, str] = field(default_factory=dict)

    def open(self, connection: Connection, module: str) -> None:
        """Gives the module its lines, so that those stand in the report of which there is nothing to tell."""
        self.zoho.setdefault(module, Sum())
        of_module = self.lines.setdefault(module, {})
        for name in reachable(connection, module):
            of_module.setdefault(name, Line())

    def add(self, records: Iterable[Record], items: Iterable[Item]) -> None:
        for record in records:
            self.zoho[record.module].add(record.amount, record.currency)
        for item in items:
            self.lines[item.module].setdefault(item.destination, Line()).add(item)

    @property
    def every(self) -> Iterator[tuple[str, str, Line]]:
        for module, of_module in self.lines.items():
            for name, line in of_module.items():
                yield module, name, line

    @property
    def faults(self) -> int:
        return sum(line.states[state] for _, _, line in self.every for state in FAULTS)

    @property
    def whole(self) -> bool:
        """True if nothing needs a person, as far as that could be found out."""
        read_whole = not self.failed and not self.unreadable.total()
        # What is on its way or undecided is left out: its sums may differ without a fault.
        settled = (line for _, _, line in self.every if not line.states["waiting"])
        return read_whole and not self.faults and all(line.agrees is not False for line in settled)

    def data(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "modules": {
                module: {
                    "zoho": total.data(),
                    "destinations": {name: line.data() for name, line in self.lines[module].items()},
                }
                for module, total in self.zoho.items()
            },
            "unreadable": {module: count for module, count in self.unreadable.items() if count},
            "failed": dict(self.failed),
        }

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Tally:
        modules = data["modules"]
        return cls(
            {module: Sum.of(each["zoho"]) for module, each in modules.items()},
            {
                module: {name: Line.of(line) for name, line in each["destinations"].items()}
                for module, each in modules.items()
            },
            Counter(data["unreadable"]),
            dict(data["failed"]),
        )


def remedy(connection: str, item: Item) -> str:
    """What to type for an item that a person must look at."""
    if item.state == "parked":
        return f"mlc parked retry {connection} {item.record_id} --destination {item.destination}"
    if item.since:
        return backfill(connection, item.since, item.until)
    return f"mlc audit show {connection} {item.record_id}"


def backfill(connection: str, since: str, until: str) -> str:
    """Has what was changed on these days of the organization looked through again."""
    return f"mlc reconcile {connection} --from {since} --to {until} --backfill"
