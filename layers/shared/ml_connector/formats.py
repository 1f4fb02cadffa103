"""How amounts, dates and days are written for people: a few hundred bytes of plain data per locale.

`mlc connections apply` works them out of CLDR (config/formats.py) and stores them with the connection: Babel's tables
(31 MB) and its import (20 ms) never reach a function (docs/adr/0011-formats-when-applied.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date as Date  # noqa: N812 - `date` is a field's name
from decimal import Decimal
from typing import Any, NamedTuple

from ml_connector.money import rounded


class Formats(NamedTuple):
    """One locale's ways. What it is without data is English as it is written internationally (CLDR's en-001)."""

    decimal: str = "."
    group: str = ","
    groups: tuple[int, int] = (3, 3)
    """Digits of the last group, and of those before it: 12,34,567 has (3, 2)."""
    minus: str = "-"
    date: str = "{d} {MMM} {y}"
    """CLDR's medium date; the names in braces are CLDR's."""
    months: tuple[str, ...] = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sept", "Oct", "Nov", "Dec")
    plurals: str = ""
    """For each number of days up to 199 which form of `ahead` and `ago` it takes; "" for "one" and "other"."""
    ahead: tuple[str, ...] = ("in {0} day", "in {0} days")
    ago: tuple[str, ...] = ("{0} day ago", "{0} days ago")
    overdue: tuple[str, ...] = ("{0} day overdue", "{0} days overdue")
    """CLDR has no such words: empty in other languages than English, where `ago` says it."""
    today: str = "today"
    rtl: bool = False

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Formats:
        """From what was stored: what is missing is as in English, what another release has stored is left alone."""
        known: dict[str, Any] = {name: data[name] for name in cls._fields if name in data}
        for name, value in known.items():
            known[name] = tuple(value) if isinstance(value, list) else value
        return cls(**known)

    def number(self, value: Decimal) -> str:
        """All its digits, in groups."""
        whole, _, fraction = f"{value.copy_abs():f}".partition(".")
        last, further = self.groups
        head, parts = whole[:-last], [whole[-last:]]
        while head:
            parts.append(head[-further:])
            head = head[:-further]
        sign = self.minus if value < 0 else ""
        return sign + self.group.join(reversed(parts)) + (self.decimal + fraction if fraction else "")

    def amount(self, value: Decimal | None, currency: str) -> str:
        """`1,284.50 EUR`: ISO 4217's decimals, its code always beside them; "" for no amount."""
        return "" if value is None else f"{self.number(rounded(value, currency))} {currency}".rstrip()

    def day(self, day: Date | None) -> str:
        """`5 Dec 2026`; "" for none."""
        if day is None:
            return ""
        values = {
            "d": f"{day.day}",
            "dd": f"{day.day:02}",
            "M": f"{day.month}",
            "MM": f"{day.month:02}",
            "MMM": self.months[day.month - 1],
            "y": f"{day.year}",
        }
        return self.date.format_map(values)

    def away(self, days: int, *, owed: bool = True) -> str:
        """`in 12 days`, `3 days overdue`, or `3 days ago` of what is not `owed`. "" if there are no words for it."""
        if days == 0:
            return self.today
        forms = self.ahead if days > 0 else (self.overdue if owed and self.overdue else self.ago)
        return forms[self._form(abs(days))].format(abs(days))

    def _form(self, number: int) -> int:
        if not self.plurals:
            return int(number != 1)
        # No language's rule looks further than the last two digits, but for small numbers themselves.
        return int(self.plurals[number if number < 200 else 100 + number % 100])
