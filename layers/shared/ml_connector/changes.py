"""What has changed: a record's facts against those that a row remembers of the version before.

The row has number, date, amount and currency anyway (ports.Memory). The others are one short text, `Memory.shown`,
which is written with the row when a version is there: no call and no read more.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from decimal import Context, Decimal

from ml_connector.events import DELETED
from ml_connector.ports import Memory
from ml_connector.records import Record

MOST_BYTES = 400
"""Of `Memory.shown`: a row that stays below 1 kB costs one write unit."""
CUT = 56
"""Bytes: of a number longer than this the row may have the beginning only (audit.py)."""
FACTS = ("number", "party", "date", "due", "amount", "balance", "status", "mode", "reference", "lines")
"""What is compared, in the order in which it is told."""
_LENGTHS = (60, 30, 15)
_EXACT = Context(prec=100)
_REMEMBERED = ("party", "due", "balance", "status", "mode", "reference", "lines")
_CLEARABLE = ("due", "reference")
_ALWAYS = ("number", "party", "date", "balance", "status", "lines")
"""What a document had before, too, if it has it now."""


def snapshot(record: Record) -> str:
    """What `Memory.shown` is to say of this version: JSON of at most MOST_BYTES; long texts are cut."""
    facts = _facts(record)
    for length in _LENGTHS:
        short = {name: _cut(facts[name], length) for name in _REMEMBERED if facts[name]}
        text = json.dumps(short, separators=(",", ":"), ensure_ascii=False)
        if len(text.encode()) <= MOST_BYTES:
            break
    return text


def changes(memory: Memory, record: Record) -> dict[str, tuple[str, str]]:
    """The facts of FACTS that differ, before and after, as plain texts: `balance` is `1284.5`, `due` `2026-12-05`.

    Amounts before are in `memory.currency`. Of `lines` only that they are others is known: both texts are digests.
    Empty if nothing is remembered of the version before; of a deletion nothing but that is.
    """
    if not memory.shown:
        return {}
    after = _facts(record)
    before = {**dict.fromkeys(after, ""), **json.loads(memory.shown), "number": memory.number, "date": memory.date}
    found = {
        name: (before[name], after[name])
        for name in FACTS
        if name != "amount" and not _same(name, before[name], after[name])
    }
    if memory.amount and (Decimal(memory.amount), memory.currency) != (record.amount, record.currency):
        found["amount"] = (_text(Decimal(memory.amount)), after["amount"])
    told = ("status",) if before.get("status") == DELETED else FACTS
    return {name: found[name] for name in told if name in found}


def owed(memory: Memory) -> Decimal | None:
    """What was due of it, in `memory.currency`; None if that is not known."""
    before = json.loads(memory.shown).get("balance") if memory.shown else None
    return Decimal(before) if before else None


def recalled(memory: Memory, record: Record) -> Record:
    """A deleted record, of which Zoho gives the id alone, with the party and the amount that it had."""
    if not memory.shown:
        return record
    return replace(
        record,
        party=record.party or json.loads(memory.shown).get("party", ""),
        amount=Decimal(memory.amount) if memory.amount and record.amount is None else record.amount,
        currency=record.currency or memory.currency,
    )


def _facts(record: Record) -> dict[str, str]:
    lines = [[line.name, _text(line.quantity), _text(line.rate), _text(line.total)] for line in record.lines]
    return {
        "number": record.number,
        "party": record.party,
        "date": str(record.date or ""),
        "due": str(record.due or ""),
        "amount": _text(record.amount),
        "balance": _text(record.balance),
        "status": record.status,
        "mode": record.mode,
        "reference": record.reference,
        "lines": hashlib.sha256(json.dumps(lines).encode()).hexdigest()[:8] if lines else "",
    }


def _same(name: str, before: str, after: str) -> bool:
    if before.endswith("…") and after.startswith(before[:-1]):
        return True
    # Not all payloads say all: what one of them leaves out has not changed, unless a person can have emptied it.
    unsaid = (not after and name not in _CLEARABLE) or (not before and name in _ALWAYS)
    begun = name == "number" and len(before.encode()) > CUT and after.startswith(before)
    return before == after or unsaid or begun


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _text(amount: Decimal | None) -> str:
    return "" if amount is None else f"{_EXACT.add(amount, 0).normalize(_EXACT):f}"
