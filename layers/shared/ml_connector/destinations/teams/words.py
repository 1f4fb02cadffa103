"""What a card can say, and what it says unless the connection file has other `labels`."""

from __future__ import annotations

from collections.abc import Mapping

from ml_connector.modules import MODULES
from ml_connector.records import Record

FIELDS = {
    "date": "Date",
    "due": "Due",
    "balance": "Balance due",
    "base": "In base currency",
    "mode": "Paid by",
    "applied": "Settles",
    "reference": "Reference",
    "number": "Number",
    "party": "Party",
    "amount": "Amount",
    "status": "Status",
    "id": "Zoho id",
}
"""The facts that a card can list, and their labels; custom fields besides, as `custom.<API name>`."""
SHOWN = ("date", "due", "balance", "base", "mode", "applied", "reference", "id")
"""The facts of a card whose destination names none. `id` is on every card: it leads back to the books."""
PHRASES = {
    "created": "New {label} {number}",
    "became": "{label} {status}: {number}",
    "rate": "{amount} at {rate}",
    "changed": "Changed",
    "lines": "Line items",
    "other": "changed",
    "item": "Item",
    "quantity": "Qty",
    "more": "and {count} more lines",
    "folded": "{count} lines",
    "as_of": "As of {date}",
    "on": "on {date}",
    "by": "by {mode}",
    "left": "{amount} still due",
    "deleted": "Deleted in Zoho Books",
    "open": "Open in Zoho Books",
    "open_monday": "Open in monday",
    "digest_busy": "{count} events while it was busy",
    "digest_quiet": "{count} events in quiet hours",
    "digest_daily": "The day's figures",
    "digest_new": "{count} new {label}",
    "digest_some": "{count} {label} {status}",
    "digest_others": "and {count} other events",
    "since": "Since {time}",
    "largest": "The largest",
    "parked": "{count} deliveries wait for a person",
    "all": "All {label}",
}
PLACEHOLDERS = {
    "created": ("label", "number"),
    "became": ("label", "status", "number"),
    "rate": ("amount", "rate"),
    "more": ("count",),
    "folded": ("count",),
    "as_of": ("date",),
    "on": ("date",),
    "by": ("mode",),
    "left": ("amount",),
    "digest_busy": ("count",),
    "digest_quiet": ("count",),
    "digest_new": ("count", "label"),
    "digest_some": ("count", "label", "status"),
    "digest_others": ("count",),
    "since": ("time",),
    "parked": ("count",),
    "all": ("label",),
}
"""Of the phrases that have some."""
TITLE = "{headline}"
TITLE_PLACEHOLDERS = ("headline", "label", "number", "party", "amount", "status", "event")
PREFIXES = ("custom.", "status.", "mode.")
"""Labels of custom fields, and words for Zoho's statuses and payment modes, are called by these and Zoho's own word."""

MANY = "many."
"""Begins the label of several records of a module, as `many.invoice`."""

# Zoho's words for payment modes (contracts: zoho-books 6.5); others are people's own and are shown as they are.
_MODES = {
    "banktransfer": "Bank transfer",
    "bankremittance": "Bank remittance",
    "creditcard": "Credit card",
    "autotransaction": "Automatic transaction",
}


def known(label: str) -> bool:
    """Whether `labels` may have it."""
    prefix, dot, rest = label.partition(".")
    many = prefix + dot == MANY and rest in MODULES
    return label in FIELDS or label in PHRASES or label in MODULES or many or (prefix + dot in PREFIXES and bool(rest))


class Words:
    """The words of one destination: its labels over ours."""

    def __init__(self, labels: Mapping[str, str]) -> None:
        self._labels = labels

    def phrase(self, name: str, **values: object) -> str:
        text = self._labels.get(name) or PHRASES[name]
        return text.format(**values) if name in PLACEHOLDERS else text

    def more(self, count: int) -> str:
        if count == 1 and "more" not in self._labels:
            return "and 1 more line"
        return self.phrase("more", count=count)

    def field(self, name: str, record: Record, base: str = "") -> str:
        """The label of a fact: the one given, else the module's own, else ours. `base` is the base currency's code."""
        if name in self._labels:
            return self._labels[name]
        module = MODULES[record.module]
        of_module = {
            "due": module.due_label,
            "balance": module.balance_label,
            "party": "Customer" if module.party[0] == "customer_name" else "Vendor",
            "base": base and f"In {base}",
        }
        return of_module.get(name) or FIELDS.get(name) or name.partition(".")[2]

    def module(self, record: Record, *, within: bool = False) -> str:
        """`within` a sentence of ours it begins small."""
        given = self._labels.get(record.module)
        return given or (_small(record.label) if within else record.label)

    def count(self, module: str, what: str, number: str, *, one: bool) -> str:
        """So many of an event, within a sentence: `1 new invoice`, `20 invoices paid`. `number` as people write it."""
        label = self._within(module) if one else self.many(module)
        if what == "created":
            return self.phrase("digest_new", count=number, label=label)
        return self.phrase("digest_some", count=number, label=label, status=self.status(what, within=True))

    def many(self, module: str) -> str:
        """Several records of a module, within a sentence: `purchase orders`."""
        shape = MODULES[module]
        given = self._labels.get(f"{MANY}{module}", self._labels.get(module))
        return given or _small(shape.many or f"{shape.label}s")

    def _within(self, module: str) -> str:
        return self._labels.get(module) or _small(MODULES[module].label)

    def status(self, status: str, *, within: bool = False) -> str:
        given = self._labels.get(f"status.{status}")
        words = status.replace("_", " ")
        return given or (words if within else words.capitalize())

    def mode(self, mode: str, *, within: bool = False) -> str:
        if given := self._labels.get(f"mode.{mode}"):
            return given
        words = _MODES.get(mode)
        if within:
            # A word of people's own, as ACH, stays as they write it.
            return words[0].lower() + words[1:] if words else mode
        return words or mode[:1].upper() + mode[1:]


def _small(words: str) -> str:
    return words[0].lower() + words[1:]
