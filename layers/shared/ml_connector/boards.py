"""Boards that fit: what monday has, and what a destination needs of it.

Needs are data: columns with fixed ids (contracts: monday 3.1, 12), which make a repeated creation harmless. What is
missing is made by board_maker.py, a mapping proposed by board_mapping.py, what is wrong told by board_faults.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ml_connector.board_items import label_of
from ml_connector.modules import MODULES

EXTERNAL_ID = "zb_doc_id"
SUBITEMS = "subtasks"
"""The type of the column that shows subitems."""
MOST_LABELS = 40
"""Of a status column (3.3)."""

TITLES: Mapping[str, str] = {
    "external_id": "Zoho ID",
    "number": "Number",
    "party": "Customer or vendor",
    "status": "Status",
    "date": "Date",
    "due": "Due",
    "amount": "Total",
    "balance": "Balance",
    "currency": "Currency",
    "exchange_rate": "Rate",
    "base_amount": "Total in base currency",
    "link": "Open in Zoho",
    "lines_text": "Lines",
    "modified_at": "Changed in Zoho",
    "amount_text": "Amount",
    "label": "Document",
    "organization": "Organization",
    "payment_status": "Payment",
    "reference": "Reference",
    "mode": "Paid by",
    "office": "Office",
    "position": "No.",
    "quantity": "Quantity",
    "rate": "Rate",
    "total": "Total",
}
"""What a column is called by what goes into it; others by their id."""

COLOURS: Mapping[str, str] = {
    "draft": "american_gray",
    "sent": "bright_blue",
    "viewed": "sky",
    "open": "river",
    "unpaid": "egg_yolk",
    "overdue": "stuck_red",
    "partially_paid": "working_orange",
    "paid": "done_green",
    "void": "blackish",
    "deleted": "pecan",
    "pending_approval": "lavender",
    "approved": "saladish",
    "rejected": "dark_red",
    "billed": "grass_green",
    "partially_billed": "tan",
    "cancelled": "brown",
    "closed": "steel",
    "invoiced": "bright_green",
    "partially_invoiced": "dark_orange",
    "accepted": "teal",
    "declined": "sunset",
    "expired": "coffee",
    "unbilled": "peach",
    "non-billable": "winter",
    "reimbursed": "aquamarine",
    "success": "navy",
    "confirmed": "royal",
    "issued": "lilac",
}
"""Zoho's statuses and the colour of their label: each colour once in a column (3.3)."""
_DONE = ("paid", "closed", "billed", "invoiced", "reimbursed")
_SPARE_COLOURS = ("dark_blue", "purple", "explosive", "sofia_pink", "lipstick", "dark_purple", "chili_blue", "bubble",
                  "berry", "indigo", "dark_indigo", "orchid")  # fmt: skip

CURRENCIES = (
    "USD", "EUR", "GBP", "INR", "AUD", "CAD", "JPY", "CNY", "CHF", "SEK", "NOK", "DKK", "NZD", "SGD", "HKD", "AED",
    "SAR", "ZAR", "BRL", "MXN", "PLN", "CZK", "HUF", "RON", "TRY", "ILS", "THB", "MYR", "IDR", "PHP", "KRW", "KES",
    "NGN", "EGP",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Label:
    """`id` is monday's, which a file may name in place of the text; "" of one that is to be made."""

    text: str
    colour: str = ""
    done: bool = False
    id: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column as it is, or as it shall be. `labels` of status and dropdown; `board`: of the subitems it shows."""

    id: str
    title: str
    type: str
    labels: tuple[Label, ...] = ()
    settings: Mapping[str, Any] | None = None
    board: str = ""


@dataclass(frozen=True, slots=True)
class Board:
    """A live board. `groups`: titles by id. `may_write`: whether the token's user may change it, as far as known."""

    id: str
    name: str
    columns: tuple[Column, ...]
    groups: Mapping[str, str]
    state: str = "active"
    may_write: bool = True
    multi_level: bool = False
    items: int = 0
    items_limit: int = 0

    def column(self, identity: str) -> Column | None:
        return next((each for each in self.columns if each.id == identity), None)

    @property
    def subitems(self) -> Column | None:
        return next((each for each in self.columns if each.type == SUBITEMS), None)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a board shall have: columns, titles of groups, and the columns of its subitems (none: no subitems)."""

    columns: tuple[Column, ...]
    groups: tuple[str, ...] = ()
    line_columns: tuple[Column, ...] = ()


# --- what a board shall have -----------------------------------------------------------------------------------------


def plan(
    settings: Mapping[str, Any], modules: Iterable[str], base_currency: str = "", currencies: Sequence[str] = CURRENCIES
) -> Plan:
    """What the settings of a destination need, its `columns` being all of them. Labels: what records will ask for."""
    external = settings["external_id_column"]
    columns = [Column(external, TITLES["external_id"], "text")]
    columns += [
        _wanted(identity, each, modules, base_currency, currencies) for identity, each in settings["columns"].items()
    ]
    lines: tuple[Column, ...] = ()
    if settings.get("lines") == "subitems":
        line_id = settings.get("line_id_column", "")
        lines = (
            *((Column(line_id, "Zoho line", "text"),) if line_id else ()),
            *(
                _wanted(identity, each, modules, base_currency, currencies)
                for identity, each in settings.get("line_columns", {}).items()
            ),
        )
    return Plan(tuple(columns), line_columns=lines)


def _wanted(
    identity: str, mapped: Mapping[str, Any], modules: Iterable[str], base_currency: str, currencies: Sequence[str]
) -> Column:
    source, kind, labels = mapped["from"], mapped["type"], mapped.get("labels", {})
    title = TITLES.get(source, identity.removeprefix("zb_").replace("_", " ").capitalize())
    column = Column(identity, title, kind)
    if kind == "status":
        words = statuses(modules) if source == "status" else list(labels)
        return replace(column, labels=_labels(words, labels))
    if kind == "dropdown":
        texts = currencies if source == "currency" and not labels else [label_of(word, labels) for word in labels]
        return replace(column, labels=tuple(Label(str(text)) for text in dict.fromkeys(texts)))
    if kind == "numbers":
        return replace(column, settings=_unit(source, base_currency))
    return column


def statuses(modules: Iterable[str]) -> list[str]:
    """The words that records of these modules can come with: those that can be routed by, and the usual others."""
    return list(dict.fromkeys([*COLOURS, *told(modules)]))


def told(modules: Iterable[str]) -> list[str]:
    """Those that routes can name: what the records of these modules come into."""
    return list(dict.fromkeys(word for module in modules for word in MODULES[module].statuses))


def _labels(words: Iterable[str], labels: Mapping[str, str | int]) -> tuple[Label, ...]:
    found: dict[str, Label] = {}
    used: set[str] = set()
    for word in words:
        text = label_of(word, labels)
        if isinstance(text, int) or text in found or len(found) == MOST_LABELS:
            continue  # an id is of a label that is there
        free = (each for each in (COLOURS.get(word, ""), *_SPARE_COLOURS, *COLOURS.values()) if each)
        colour = next(each for each in free if each not in used)
        used.add(colour)
        found[text] = Label(text, colour, word in _DONE)
    return tuple(found.values())


def _unit(source: str, base_currency: str) -> Mapping[str, Any] | None:
    """Only one column has a unit: sums over several currencies mean something there alone (monday 4)."""
    if source == "exchange_rate":
        return {"unit": {"symbol": "custom", "custom_unit": "", "direction": "right", "precision": 5}}
    if source == "base_amount" and base_currency:
        return {"unit": {"symbol": "custom", "custom_unit": base_currency, "direction": "right", "precision": 2}}
    return None
