"""Zoho's record, read once into the few fields that the product speaks of (contracts: zoho-books 2.4, 6.5).

Types wobble in Zoho's payloads: ids and amounts come as numbers or text, "" stands for "nothing", lists can be "".
Amounts are parsed from their exact text, never through float.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from datetime import date as Date  # noqa: N812 - `date` is a field's name
from decimal import Decimal, InvalidOperation
from typing import Any

from ml_connector.events import DELETED, Payload, Version
from ml_connector.modules import MODULES, Module

STATUSES = {"voided": "void", "canceled": "cancelled", "nonbillable": "non-billable"}
"""Zoho's other words for the same status, and the one that is used (6.5)."""
OFFICE = ("location_name", "branch_name")
"""What Zoho may call the office of a record; newer organizations have locations, older ones branches (unconfirmed)."""
_NOT_PAID = ("credits_applied", "vendor_credits_applied", "write_off_amount")
"""What lowers a document's balance without a payment."""
_APPLIED = ("amount_applied", "credited_amount", "amount")


class BadRecord(ValueError):
    """The payload is not a usable record; the message says which field and why."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line item. Amounts in the document's currency."""

    id: str
    name: str
    quantity: Decimal | None
    rate: Decimal | None
    total: Decimal | None


@dataclass(frozen=True, slots=True)
class Applied:
    """A document that a payment or a credit settles, and by how much."""

    number: str
    amount: Decimal | None


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment towards a document, as far as the document tells of it. `amount` is in its currency."""

    date: Date | None
    mode: str
    amount: Decimal | None


@dataclass(frozen=True, slots=True)
class Record:
    """One Zoho document. Amounts are in `currency` unless `base_` says otherwise; dates are the organization's."""

    module: str
    id: str
    number: str
    party: str
    date: Date | None
    due: Date | None
    currency: str
    amount: Decimal | None
    balance: Decimal | None
    status: str
    reference: str
    office: str
    """The branch or location that it was written for. People are not shown it, so it is not in the fingerprint."""
    exchange_rate: Decimal | None
    base_amount: Decimal | None
    mode: str
    lines: tuple[Line, ...]
    applied: tuple[Applied, ...]
    custom: Mapping[str, str]
    modified_at: str
    created_at: str
    raw: Payload = field(repr=False, compare=False)

    @property
    def label(self) -> str:
        return MODULES[self.module].label

    @property
    def name(self) -> str:
        """Its number, or its id if it has none: never empty."""
        return self.number[:100] or self.id

    @property
    def title(self) -> str:
        """`Invoice INV-000412`."""
        return f"{self.label} {self.name}"

    @property
    def lacks(self) -> tuple[str, ...]:
        """What the payload does not give of what its module has, and people must see."""
        named = [name for name in ("number", "party", "currency", "status") if not getattr(self, name)]
        if not MODULES[self.module].numbered and "number" in named:
            named.remove("number")
        return (*named, *(["amount"] if self.amount is None else []))

    @property
    def version(self) -> Version:
        return Version(self.modified_at, self.fingerprint)

    @property
    def fingerprint(self) -> str:
        """16 hex digits over what people are shown: the same for a webhook and for a read of the same state."""
        shown = {
            "number": self.number,
            "party": self.party,
            "date": str(self.date),
            "due": str(self.due),
            "currency": self.currency,
            "amount": _canonical(self.amount),
            "balance": _canonical(self.balance),
            "status": self.status,
            "reference": self.reference,
            "mode": self.mode,
            "lines": [[line.name, _canonical(line.quantity), _canonical(line.total)] for line in self.lines],
            "applied": [[document.number, _canonical(document.amount)] for document in self.applied],
            "custom": dict(sorted(self.custom.items())),
            # As it is shown: in the base currency itself there is no rate.
            **({"rate": _canonical(self.exchange_rate)} if self.exchange_rate not in (None, 1) else {}),
        }
        text = json.dumps(shown, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def read(module: str, payload: Payload) -> Record:
    """The record in `payload` (Zoho's own field names). Raises BadRecord."""
    shape = MODULES[module]
    identity = _text(payload, shape.id_field)
    if not identity:
        raise BadRecord(f"{shape.id_field} is missing")
    if len(identity) > 64 or not (identity.isascii() and identity.isalnum()):
        raise BadRecord(f"{shape.id_field} is not an id")
    amount = _money(payload, shape.amount)
    rate = _money(payload, "exchange_rate")
    base = _money(payload, f"bcy_{shape.amount}")
    if base is None and amount is not None and rate is not None:
        base = amount * rate
    return Record(
        module=module,
        id=identity,
        number=_text(payload, shape.number_field),
        party=_first(payload, shape.party),
        date=_date(payload, "date"),
        due=next((found for name in shape.due if (found := _date(payload, name))), None),
        currency=_text(payload, "currency_code"),
        amount=amount,
        balance=_money(payload, "balance"),
        status=same_status(_first(payload, shape.status)),
        reference=_text(payload, "reference_number"),
        office=_first(payload, OFFICE),
        exchange_rate=rate,
        base_amount=base,
        mode=_text(payload, "payment_mode"),
        lines=tuple(_lines(payload)),
        applied=tuple(_applied(shape, payload)),
        custom=_custom(payload),
        modified_at=next((stamp for name in shape.modified if (stamp := timestamp(payload.get(name)))), ""),
        created_at=timestamp(payload.get("created_time")),
        raw=payload,
    )


def deleted(module: str, payload: Payload, number: str = "") -> Record:
    """A record that is no more. Zoho gives its id and perhaps nothing else; `number` is what we remember of it.

    Raises BadRecord.
    """
    record = read(module, payload)
    return replace(record, number=record.number or number, status=DELETED)


def credited(record: Record) -> bool:
    """Whether something else than payments has lowered its balance, or that cannot be read: it is no part of it."""
    try:
        return any(_money(record.raw, name) for name in _NOT_PAID)
    except BadRecord:
        return True


def unapplied(record: Record) -> Decimal | None:
    """What of a payment pays no document yet; None if nothing is left, or what is said is not readable.

    Zoho has two names for it: one for customers' payments, one for vendors' (6.2).
    """
    try:
        return _money(record.raw, "unused_amount") or record.balance or None
    except BadRecord:
        return None


def last_payment(record: Record) -> Payment | None:
    """The newest payment that the document names: bills list theirs, of an invoice only the date is said (6.5).

    None where credits may have settled it, and where what is said is not readable: it is no part of the record.
    """
    payload = record.raw
    try:
        paid = [
            Payment(_date(row, "date"), _text(row, "payment_mode"), _money(row, "amount"))
            for row in _rows(payload, "payments")
        ]
        if paid:
            return max(paid, key=lambda each: str(each.date or ""))
        if credited(record):
            return None
        day = _date(payload, "last_payment_date")
    except BadRecord:
        return None
    return Payment(day, "", None) if day else None


def same_status(word: str) -> str:
    """One word for each status: Zoho has several for some."""
    return STATUSES.get(word.casefold(), word)


def timestamp(value: object) -> str:
    """Zoho's `2026-03-04T10:15:27-0500` as UTC `2026-03-04T15:15:27Z`; "" if there is none (zoho-books 6.1)."""
    if not isinstance(value, str) or not value:
        return ""
    try:
        moment = datetime.fromisoformat(value)
        utc = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadRecord(f"a time is not readable: {value[:40]!r}") from None
    if moment.tzinfo is None:
        raise BadRecord(f"a time has no offset: {value[:40]!r}")
    # isoformat, because it pads the year: versions are compared as texts.
    return utc.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def _text(payload: Payload, name: str) -> str:
    value = payload.get(name)
    if value is None or isinstance(value, bool | list | dict):
        return ""
    # Half a surrogate pair can be written in JSON, but not in UTF-8, which everything after this needs.
    return str(value).encode(errors="replace").decode().strip()


def _first(payload: Payload, names: tuple[str, ...]) -> str:
    return next((text for name in names if (text := _text(payload, name))), "")


def _money(payload: Payload, name: str) -> Decimal | None:
    text = _text(payload, name)
    if not text:
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or abs(amount.adjusted()) > 30:
        raise BadRecord(f"{name} is not an amount: {text[:40]!r}")
    return amount


def _date(payload: Payload, name: str) -> Date | None:
    text = _text(payload, name)
    if not text:
        return None
    try:
        return Date.fromisoformat(text[:10])
    except ValueError:
        raise BadRecord(f"{name} is not a date: {text[:40]!r}") from None


def _rows(payload: Payload, name: str) -> list[Payload]:
    value = payload.get(name)
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def _lines(payload: Payload) -> list[Line]:
    return [
        Line(
            id=_text(row, "line_item_id"),
            name=_text(row, "name") or _text(row, "description"),
            quantity=_money(row, "quantity"),
            rate=_money(row, "rate"),
            total=_money(row, "item_total"),
        )
        for row in _rows(payload, "line_items")
    ]


def _applied(shape: Module, payload: Payload) -> list[Applied]:
    if shape.settles is None:
        return []
    rows, number = shape.settles
    return [
        Applied(
            _text(row, number), next((found for name in _APPLIED if (found := _money(row, name)) is not None), None)
        )
        for row in _rows(payload, rows)
    ]


def _custom(payload: Payload) -> dict[str, str]:
    """Custom fields by API name. They come twice, as a list and as a map; payloads may hold only one (2.4)."""
    listed = {name: _text(row, "value") for row in _rows(payload, "custom_fields") if (name := _text(row, "api_name"))}
    by_name = payload.get("custom_field_hash")
    if listed or not isinstance(by_name, dict):
        return listed
    return {name: _text(by_name, name) for name in by_name if not name.endswith("_unformatted")}


def _canonical(amount: Decimal | None) -> str:
    """One text for equal amounts: 0 is added because -0 equals 0 but is not written like it."""
    return "" if amount is None else format((amount + 0).normalize(), "f")


def as_mapping(record: Record) -> dict[str, Any]:
    """The record as plain data for JMESPath: amounts and dates as text, Zoho's own record under `zoho`."""

    def plain(value: Any) -> Any:
        if isinstance(value, Decimal | Date):
            return str(value)
        return value

    return {
        **{
            name: plain(getattr(record, name))
            for name in (
                "module", "id", "number", "party", "date", "due", "currency", "amount", "balance", "status",
                "reference", "office", "exchange_rate", "base_amount", "mode", "modified_at", "created_at", "label",
                "title",
            )
        },
        "lines": [
            {name: plain(getattr(line, name)) for name in ("id", "name", "quantity", "rate", "total")}
            for line in record.lines
        ],
        "applied": [{"number": item.number, "amount": plain(item.amount)} for item in record.applied],
        "custom": dict(record.custom),
        "zoho": record.raw,
    }  # fmt: skip
