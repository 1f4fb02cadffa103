"""What a reply in a record's thread says: only what is certain, in the amounts' own currencies (reply.py)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ml_connector.destinations.teams.reply import reply
from ml_connector.events import Version
from ml_connector.ports import Memory
from ml_connector.records import Record, deleted, read
from ml_connector.rows import shown_of
from tests.fakes import connection, delivery, payload

OPEN = {"total": "1000", "balance": "1000", "status": "sent"}
PART = {**OPEN, "balance": "600", "status": "partially_paid"}
PAID = {**OPEN, "balance": "0", "status": "paid"}
VOID = {**OPEN, "balance": "0", "status": "void"}
ID = {"invoice_id": "460000000098765"}


def remembered(before: Record) -> Memory:
    return Memory("done", version=Version("2026-11-22T07:00:00Z", "f"), number=before.number, **shown_of(before))


def said(memory: Memory, record: Record, status: str = "") -> str:
    event = replace(delivery(module=record.module, action="updated").event, status=status)
    told = reply(event, record, memory, connection(), {})
    return told.card["body"][0]["text"] if told else ""


def told(before: dict[str, Any], after: dict[str, Any], module: str = "invoice") -> str:
    return said(remembered(read(module, payload(module, **before))), read(module, payload(module, **after)))


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (PART, {**PART, "balance": "400"}, "Partially paid: 200.00 EUR, 400.00 EUR still due"),
        (PART, PAID, "Paid: 600.00 EUR"),
        (PART, {**PART, "balance": "700"}, "Balance due: 600.00 EUR → 700.00 EUR"),
        (PAID, PART, "Partially paid, 600.00 EUR still due"),
        (PAID, OPEN, "Sent · Balance due: 0.00 EUR → 1,000.00 EUR"),
        (VOID, OPEN, "Sent · Balance due: 0.00 EUR → 1,000.00 EUR"),
        (OPEN, VOID, "Void"),
    ],
    ids=["paid again", "the rest", "taken back in part", "taken back", "taken back whole", "opened again", "voided"],
)
def test_payments_come_and_go(before: dict[str, Any], after: dict[str, Any], text: str) -> None:
    """What is told is what was paid since, not what was paid at all, and nothing twice."""
    assert told(before, after) == text


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (OPEN, {**PAID, "total": "1200"}, "Paid: 1,200.00 EUR · Amount: 1,000.00 EUR → 1,200.00 EUR"),
        (PART, {**PAID, "total": "1200"}, "Paid: 800.00 EUR · Amount: 1,000.00 EUR → 1,200.00 EUR"),
        (
            OPEN,
            {**PART, "total": "1200", "balance": "800"},
            "Partially paid: 400.00 EUR, 800.00 EUR still due · Amount: 1,000.00 EUR → 1,200.00 EUR",
        ),
        (
            OPEN,
            {**PART, "total": "1200", "balance": "1000"},
            "Partially paid: 200.00 EUR, 1,000.00 EUR still due · Amount: 1,000.00 EUR → 1,200.00 EUR",
        ),
        (OPEN, {**PAID, "currency_code": "USD"}, "Paid · Amount: 1,000.00 EUR → 1,000.00 USD"),
        (
            OPEN,
            {**OPEN, "currency_code": "JPY", "total": "150000", "balance": "150000"},
            "Amount: 1,000.00 EUR → 150,000 JPY",
        ),
        ({**OPEN, "total": "0", "balance": "0"}, {**PAID, "total": "0"}, "Paid"),
        (OPEN, {**OPEN, "total": "-50", "balance": "-50"}, "Amount: 1,000.00 EUR → -50.00 EUR"),
    ],
    ids=[
        "more and paid",
        "more and the rest",
        "more and some",
        "as much more as paid",
        "in dollars",
        "yen",
        "0",
        "-50",
    ],
)
def test_amount_that_changes_with_a_payment_is_told_apart(
    before: dict[str, Any], after: dict[str, Any], text: str
) -> None:
    """Paid is what is charged and not due any more; amounts of two currencies are not taken from each other."""
    assert told(before, after) == text


@pytest.mark.parametrize(
    ("after", "text"),
    [
        ({**PAID, "write_off_amount": "1000"}, "Paid"),
        ({**PART, "credits_applied": "400"}, "Partially paid, 600.00 EUR still due"),
    ],
    ids=["written off", "a credit"],
)
def test_what_nobody_paid_is_not_said_to_be(after: dict[str, Any], text: str) -> None:
    """Zoho calls it paid; money came in for none of it, or for less."""
    assert told(OPEN, {**after, "last_payment_date": "2026-11-12"}) == text


def test_row_that_remembers_nothing_tells_no_sum() -> None:
    """Of a release that kept less: the status is what the event says, what was paid before nobody knows."""
    assert (
        said(Memory("done", version=Version("2026-11-22T07:00:00Z", "f")), read("invoice", payload(**PAID)), "paid")
        == "Paid"
    )


def test_record_that_was_not_deleted_after_all_is_told_by_its_status() -> None:
    """Of a deleted one nothing else is remembered: nothing else was empty before."""
    memory = remembered(deleted("invoice", ID, "INV-000412"))
    assert said(memory, read("invoice", payload(**OPEN, reference_number="PO-1"))) == "Sent"


def test_what_is_left_of_a_payment_is_not_due() -> None:
    """A vendor payment's balance is what is not applied to bills yet (zoho-books 6.5)."""
    before, after = ({"amount": "500", "balance": balance, "status": ""} for balance in ("500", "0"))
    assert told(before, after, "vendor_payment") == "Unapplied: 500.00 EUR → 0.00 EUR"
