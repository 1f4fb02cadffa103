"""What is told in a record's thread: one sentence about what has changed, or nothing (destinations/teams/reply.py)."""

from __future__ import annotations

from typing import Any

import pytest

from ml_connector.connections import Connection
from ml_connector.destinations.teams.cards import Cards
from ml_connector.destinations.teams.reply import MAX_SENTENCE, Reply
from ml_connector.events import DELETED, Event, Version
from ml_connector.ports import Memory
from ml_connector.records import deleted, read
from sandbox.vendors import cards
from tests.card_cases import NOW, connection, memory_of
from tests.fakes import payload

BEFORE: dict[str, Any] = {"total": "1200", "balance": "1200", "due_date": "2026-11-30"}
BILL: dict[str, Any] = {**BEFORE, "status": "open"}


def told(
    before: dict[str, Any] | None,
    module: str = "invoice",
    *,
    action: str = "updated",
    came: str = "",
    at: Connection | None = None,
    **changes: Any,
) -> Reply | None:
    """The reply for a record with `changes` over what the row remembers; None for `before`: it remembers nothing."""
    at = at or connection()
    record = (deleted if action == DELETED else read)(module, payload(module, **{**(before or BEFORE), **changes}))
    version = Version.deletion("2026-11-22T08:00:00Z") if action == DELETED else record.version
    event = Event("acme-eu", module, record.id, action, version, "webhook", "", "", {}, came)
    memory = Memory() if before is None else memory_of(read(module, payload(module, **before)))
    return Cards(at.destinations["finance"], at, lambda: NOW).reply(event, record, memory)


def text(*args: Any, **changes: Any) -> str:
    found = told(*args, **changes)
    assert found is not None
    shown: str = found.card["body"][0]["text"]
    return shown.replace("\\", "")


# --- payments ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, "Paid: 1,200.00 EUR"),
        ({"last_payment_date": "2026-11-12"}, "Paid: 1,200.00 EUR on 12 Nov 2026"),
        ({"last_payment_date": "2026-11-12", "credits_applied": 200}, "Paid"),
        ({"last_payment_date": "2026-11-12", "write_off_amount": "0.5"}, "Paid"),
        ({"last_payment_date": "2026-11-12", "credits_applied": 0}, "Paid: 1,200.00 EUR on 12 Nov 2026"),
        ({"last_payment_date": "soon"}, "Paid: 1,200.00 EUR"),
    ],
    ids=["", "date", "credits", "written off", "no credits", "no date"],
)
def test_paid_invoice_says_how_much_and_when_as_far_as_it_is_known(changes: dict[str, Any], says: str) -> None:
    """Of an invoice Zoho says no more than the last payment's date, which credits may have nothing to do with."""
    assert text(BEFORE, status="paid", balance="0", **changes) == says


PAYMENT = {"payment_id": "1", "date": "2026-11-12", "payment_mode": "banktransfer", "amount": "1200"}


@pytest.mark.parametrize(
    ("payments", "says"),
    [
        ([PAYMENT], "Paid: 1,200.00 EUR on 12 Nov 2026 by bank transfer"),
        ([{**PAYMENT, "payment_mode": "ACH"}], "Paid: 1,200.00 EUR on 12 Nov 2026 by ACH"),
        ([{**PAYMENT, "payment_mode": "cash"}], "Paid: 1,200.00 EUR on 12 Nov 2026 by cash"),
        ([{**PAYMENT, "amount": "700"}, {**PAYMENT, "amount": "500"}], "Paid: 1,200.00 EUR"),
        ([{**PAYMENT, "date": "2026-10-01", "payment_mode": "cash"}, PAYMENT],
         "Paid: 1,200.00 EUR on 12 Nov 2026 by bank transfer"),
        ([{**PAYMENT, "date": "", "payment_mode": ""}], "Paid: 1,200.00 EUR"),
        ([{**PAYMENT, "amount": "much"}], "Paid: 1,200.00 EUR"),
    ],
    ids=["one", "a mode of their own", "cash", "two at once", "the newest", "says nothing", "unreadable"],
)  # fmt: skip
def test_paid_bill_says_how(payments: list[dict[str, Any]], says: str) -> None:
    """Bills list their payments: the newest one is told of if it is what has been paid since."""
    assert text(BILL, "bill", status="paid", balance="0", payments=payments) == says


def test_partial_payment_says_what_is_left() -> None:
    """How much was paid is how much less is due."""
    half = {"status": "partially_paid", "balance": "800"}
    assert text(BEFORE, **half) == "Partially paid: 400.00 EUR, 800.00 EUR still due"
    second = text({**BEFORE, **half}, status="partially_paid", balance="600")
    assert second == "Partially paid: 200.00 EUR, 600.00 EUR still due", "though the status is the same"
    rest = text({**BEFORE, **half}, status="paid", balance="0", last_payment_date="2026-11-12")
    assert rest == "Paid: 800.00 EUR on 12 Nov 2026"


def test_partial_payment_of_an_amount_that_changed_too() -> None:
    """What came in is what is not due any more of what is charged, before and now."""
    found = text(BEFORE, status="partially_paid", total="1500", balance="800")
    assert found.startswith("Partially paid: 700.00 EUR, 800.00 EUR still due · Amount: 1,200.00 EUR → 1,500.00 EUR")


# --- other changes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"status": "void"}, "Void"),
        ({"status": "voided"}, "Void"),
        ({"status": "overdue"}, "Overdue"),
        ({"total": "1500", "balance": "1500"}, "Amount: 1,200.00 EUR → 1,500.00 EUR"),
        ({"total": "1500"}, "Amount: 1,200.00 EUR → 1,500.00 EUR"),
        ({"balance": "1000"}, "Balance due: 1,200.00 EUR → 1,000.00 EUR"),
        ({"currency_code": "USD"}, "Amount: 1,200.00 EUR → 1,200.00 USD"),
        ({"due_date": "2026-12-12"}, "Due: 30 Nov 2026 → 12 Dec 2026"),
        ({"due_date": ""}, "Due: 30 Nov 2026 → —"),
        ({"reference_number": "PO-77"}, "Reference: — → PO-77"),
        ({"line_items": [{"name": "Oven", "item_total": "1200"}]}, "Line items: changed"),
        ({"status": "paid", "balance": "0", "due_date": "2026-12-12"},
         "Paid: 1,200.00 EUR · Due: 30 Nov 2026 → 12 Dec 2026"),
    ],
    ids=str,
)  # fmt: skip
def test_what_has_changed_is_said_in_a_line(changes: dict[str, Any], says: str) -> None:
    """Before and after, in the connection's own formats; a balance that only follows the amount is not said twice."""
    assert text(BEFORE, **changes) == says


def test_deletion_is_said() -> None:
    """Of a deleted record there is nothing else to tell."""
    assert text(BEFORE, action=DELETED) == "Deleted in Zoho Books"


@pytest.mark.parametrize("changes", [{}, {"notes": "Thank you"}, {"custom_field_hash": {"cf_x": "1"}}], ids=str)
def test_nothing_to_tell(changes: dict[str, Any]) -> None:
    """What a sentence does not tell of is the card's to show."""
    assert told(BEFORE, **changes) is None


def test_row_that_remembers_nothing_tells_the_status_that_the_event_names() -> None:
    """As rows of an older release: nothing can be compared."""
    assert told(None, status="void") is None
    assert text(None, status="void", came="void") == "Void"


# --- as a card ---------------------------------------------------------------------------------------------------


def test_reply_is_a_card_that_teams_takes() -> None:
    """Its first element names the record and the version; the notification says which document it is about."""
    found = told(BEFORE, status="paid", balance="0")
    assert found is not None
    assert cards.problems(found.card) == []
    assert found.text == found.card["fallbackText"] == "INV-000412 · Paid: 1,200.00 EUR"
    first = found.card["body"][0]["id"]
    assert first.startswith("zoho-invoice-460000000098765-")
    again = told(BEFORE, status="paid", balance="0", modified="2026-11-22T08:51:00+0100")
    assert again is not None
    assert again.card["body"][0]["id"] != first, "the same state at another time is another version"


def test_texts_of_a_record_are_shown_as_they_are() -> None:
    """Markdown and functions from outside are text; a long one is cut."""
    found = told(BEFORE, reference_number="[x](https://evil.example) **b** {{DATE(2026)}}" + "x" * 2000)
    assert found is not None
    shown = found.card["body"][0]["text"]
    assert "\\[x\\]\\(https" in shown
    assert "{{" not in shown
    assert len(shown) < 2 * MAX_SENTENCE
    assert cards.problems(found.card) == []


def test_words_and_formats_are_the_connections_own() -> None:
    """Every word of a reply can be another."""
    head = 'locale = "de"\ntime_zone = "Europe/Berlin"'
    look = """
[destinations.finance.card.labels]
"status.paid" = "Bezahlt"
"mode.banktransfer" = "Überweisung"
on = "am {date}"
by = "per {mode}"
due = "Fällig"
"""
    found = text(
        BILL, "bill", at=connection(head, look), status="paid", balance="0", payments=[PAYMENT], due_date="2026-12-12"
    )
    assert found == "Bezahlt: 1.200,00 EUR am 12.11.2026 per Überweisung · Fällig: 30.11.2026 → 12.12.2026"


def test_right_to_left() -> None:
    """The arrow turns round, and each part keeps its own order."""
    found = told(BEFORE, at=connection('locale = "ar"'), due_date="2026-12-12")
    assert found is not None
    assert found.card["rtl"] is True
    assert "←" in found.card["body"][0]["text"]


def test_replies_can_be_turned_off() -> None:
    """`replies = false`: the card alone."""
    assert told(BEFORE, at=connection(card="card = { replies = false }"), status="paid", balance="0") is None
