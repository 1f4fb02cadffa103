"""The reply in a record's thread: what has happened to it, in a sentence (contracts: microsoft-teams 1.2.4, 5).

"Paid: 1,200.00 EUR on 12 Nov 2026 by bank transfer · Due: 5 Dec 2026 → 12 Dec 2026". What the card shows besides stays
the card's to tell: a version that changes nothing of this needs no reply.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from ml_connector.changes import changes, owed
from ml_connector.connections import Connection
from ml_connector.destinations.teams.card import MAX_SUMMARY, aside, cut, escape, said
from ml_connector.destinations.teams.words import Words
from ml_connector.events import DELETED, Event
from ml_connector.ports import Memory
from ml_connector.records import Record, credited, last_payment

MAX_SENTENCE = 600
MAX_FACT = 80
_PAID = ("paid", "partially_paid")


class Reply(NamedTuple):
    card: dict[str, Any]
    text: str
    """For the notification: plain text."""


def reply(
    event: Event,
    record: Record,
    memory: Memory,
    connection: Connection,
    look: Mapping[str, Any],
    state: str = "",
) -> Reply | None:
    """What has changed since the version that `memory` tells of, as a small card; None if that is nothing.

    `look`: the destination's `card` settings. `state`: a line of how it is now, where the card cannot be changed.
    """
    told = _Sentence(event, record, memory, connection, Words(look.get("labels", {}))).parts()
    if not told:
        return None
    sentence = " · ".join(told)
    body = [{"type": "TextBlock", "id": identity(event, record), "text": escape(sentence, MAX_SENTENCE), "wrap": True}]
    if state:
        body.append({"type": "TextBlock", "text": escape(state, MAX_SENTENCE), "wrap": True, "isSubtle": True})
    text = cut(f"{record.name} · {sentence}", MAX_SUMMARY)
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.5",
        "fallbackText": text,
        **({"rtl": True} if connection.formats.rtl else {}),
        "body": body,
    }
    return Reply(card, text)


def identity(event: Event, record: Record) -> str:
    """By this a message of a thread whose answer was lost is found again: the record and its version."""
    # Not the fingerprint alone: a record comes back to a state that it had.
    version = hashlib.sha256(str(event.version).encode()).hexdigest()[:16]
    return f"zoho-{record.module}-{record.id}-{version}"


class _Sentence:
    """Plain texts: escaped when they are put into a card."""

    def __init__(self, event: Event, record: Record, memory: Memory, connection: Connection, words: Words) -> None:
        self.event = event
        self.record = record
        self.memory = memory
        self.formats = connection.formats
        self.words = words
        self.found = changes(memory, record)
        self.paid = self._paid()
        self.happened = bool("status" in self.found or (event.status and not memory.shown) or self.paid)
        """Whether the status, or what was paid, is news."""

    def parts(self) -> list[str]:
        if self.event.action == DELETED:
            return [self.words.phrase("deleted")]
        return [*self._status(), *(self._change(name) for name in self.found if name not in self._told())]

    def _status(self) -> list[str]:
        """`Paid: 1,200.00 EUR on 12 Nov 2026`, `Partially paid: 400.00 EUR, 800.00 EUR still due`, `Void`."""
        if not self.happened:
            return []
        told = self.words.status(self.record.status)
        if self.paid:
            told += f": {self._amount(self.paid)}{self._how(self.paid)}"
        if self.record.status == "partially_paid" and self.record.balance:
            told += ", " + self.words.phrase("left", amount=self._amount(self.record.balance))
        return [told]

    def _paid(self) -> Decimal | None:
        """How much more of what is charged is not due any more; None if that is not known, or not only of payments."""
        record, due = self.record, owed(self.memory)
        balance = Decimal(0) if record.balance is None and record.status == "paid" else record.balance
        if record.status not in _PAID or credited(record) or self.memory.currency != record.currency:
            return None
        if due is None or balance is None or record.amount is None or not self.memory.amount:
            return None
        paid = (record.amount - balance) - (Decimal(self.memory.amount) - due)
        return paid if paid > 0 else None

    def _how(self, paid: Decimal) -> str:
        """` on 12 Nov 2026 by bank transfer`, as far as it is certain that this is the payment."""
        payment = last_payment(self.record)
        if payment is None or payment.amount not in (None, paid):
            return ""
        how = ""
        if payment.date:
            how = " " + self.words.phrase("on", date=self._aside(self.formats.day(payment.date)))
        if payment.mode:
            how += " " + self.words.phrase("by", mode=self._aside(self.words.mode(payment.mode, within=True)))
        return how

    def _told(self) -> set[str]:
        """What needs no words of its own: the status that is told, and a balance that follows from what is."""
        settled = self.record.status in ("paid", "void") or (self.record.status == "partially_paid" and self.happened)
        return {"status", "balance"} if settled or self._balance_follows() else {"status"}

    def _balance_follows(self) -> bool:
        """Whether it has changed by as much as the amount."""
        amount, balance = self.found.get("amount"), self.found.get("balance")
        if not (amount and balance and all((*amount, *balance))):
            return False
        return Decimal(amount[1]) - Decimal(amount[0]) == Decimal(balance[1]) - Decimal(balance[0])

    def _change(self, name: str) -> str:
        """`Due: 12 Nov 2026 → 30 Nov 2026`."""
        if name == "lines":
            return f"{self.words.phrase('lines')}: {self.words.phrase('other')}"
        before, after = self.found[name]
        currency = self.memory.currency or self.record.currency
        old, new = (
            self._aside(cut(said(name, text, code, self.formats, self.words), MAX_FACT)) or "—"
            for text, code in ((before, currency), (after, self.record.currency))
        )
        arrow = "←" if self.formats.rtl else "→"
        return f"{self.words.field(name, self.record)}: {old} {arrow} {new}"

    def _amount(self, amount: Decimal | None) -> str:
        return self._aside(self.formats.amount(amount, self.record.currency))

    def _aside(self, text: str) -> str:
        return aside(text, self.formats)
