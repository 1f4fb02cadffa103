"""The cards that are kept as golden files: one per event type, and the odd ones. Looked at as pictures, too.

python -m tests.card_cases    writes tests/golden/cards/*.json anew; what changed is yours to look at
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ml_connector.changes import snapshot
from ml_connector.config.load import parse
from ml_connector.connections import Connection
from ml_connector.destinations.teams import digest
from ml_connector.destinations.teams.cards import Cards
from ml_connector.events import DELETED, Event, Version
from ml_connector.modules import EVENTS, MODULES
from ml_connector.ports import Memory
from ml_connector.records import Record, deleted, read
from mlc.samples import sample, told

FOLDER = Path(__file__).parent / "golden" / "cards"
NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
IDENTITY = "460000000098765"
NUMBER = "000412"
FILE = """
connection = "acme-eu"
{head}
[zoho]
region = "eu"
organization_id = "20081234567"
base_currency = "EUR"
modules = {modules}
[microsoft]
tenant_id = "11111111-2222-4333-8444-555555555555"
client_id = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
[destinations.finance]
type = "teams"
team_id = "99999999-8888-4777-8666-555555555555"
channel_id = "19:financechannel@thread.tacv2"
{card}
[destinations.ledger]
type = "monday"
board_id = 1234567890
account = "acme"
[[routes]]
events = ["*"]
to = ["finance", "ledger"]
"""
GERMAN = """
[destinations.finance.card]
title = "{headline}"
fields = ["due", "balance", "base", "custom.cf_cost_centre", "reference", "id"]
[destinations.finance.card.labels]
invoice = "Rechnung"
"many.invoice" = "Rechnungen"
all = "Alle {label}"
digest_new = "{count} neue {label}"
digest_some = "{count} {label} {status}"
created = "Neu: {label} {number}"
due = "Fällig"
balance = "Offen"
base = "In Euro"
rate = "{amount} zu {rate}"
reference = "Zeichen"
id = "Zoho-Nr."
amount = "Betrag"
item = "Position"
quantity = "Menge"
open = "In Zoho Books öffnen"
open_monday = "In monday öffnen"
as_of = "Stand {date}"
"custom.cf_cost_centre" = "Kostenstelle"
"status.sent" = "Versendet"
"""
GERMAN_REPLIES = """
[destinations.finance.card.labels]
"status.paid" = "Bezahlt"
"mode.banktransfer" = "Überweisung"
on = "am {date}"
by = "per {mode}"
"""
_STRANGE = "[click](https://evil.example) **b** _i_ `c` <at>all</at> <b>h</b> {{DATE(2026-01-01T00:00:00Z)}}"
_ARABIC = "شركة ميناء الإسكندرية للتجارة (فرع ٢)"


def connection(head: str = "", card: str = "") -> Connection:
    text = FILE.format(head=head, card=card, modules=json.dumps(list(MODULES)))
    return Connection.from_data({**parse(text.encode(), "golden").compiled(), "version": 1, "applied_at": ""})


def card(
    event: str,
    *,
    before: Mapping[str, Any] | None = None,
    links: Mapping[str, str] | None = None,
    at: Connection | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """The card of an event about the usual record with `changes`; `before`: fields as the card showed them."""
    at = at or connection()
    happened, record, memory = _happened(event, before, changes)
    return Cards(at.destinations["finance"], at, lambda: NOW).card(happened, record, replace(memory, links=links or {}))


def reply(
    event: str, *, before: Mapping[str, Any], at: Connection | None = None, state: bool = False, **changes: Any
) -> dict[str, Any]:
    """What is told in the thread with the same event."""
    at = at or connection()
    told_of = Cards(at.destinations["finance"], at, lambda: NOW).reply(*_happened(event, before, changes), state=state)
    assert told_of is not None
    return told_of.card


def _happened(event: str, before: Mapping[str, Any] | None, changes: Mapping[str, Any]) -> tuple[Event, Record, Memory]:
    module, action, status = told(event)
    payload = next(iter(sample(module, IDENTITY, NUMBER, NOW, action=action, status=status).values())) | changes
    record = (deleted if action == DELETED else read)(module, payload)
    if action == DELETED:
        record = replace(record, number=read(module, next(iter(sample(module, IDENTITY, NUMBER, NOW).values()))).number)
    version = Version.deletion("2026-11-22T08:00:00.000000Z") if action == DELETED else record.version
    happened = Event("acme-eu", module, IDENTITY, action, version, "webhook", "", "", payload, status)
    return happened, record, memory_of(read(module, payload | before)) if before is not None else Memory()


def memory_of(record: Record) -> Memory:
    amount = "" if record.amount is None else f"{record.amount:f}"
    return Memory(
        "done", number=record.number, amount=amount, currency=record.currency, date=str(record.date or ""),
        shown=snapshot(record),
    )  # fmt: skip


def events() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """File, name and card of every event type: of updates with what has changed."""
    for event in EVENTS:
        module, action, status = told(event)
        before: dict[str, Any] | None = None
        changes: dict[str, Any] = {}
        if status == "overdue":
            changes = dict.fromkeys(MODULES[module].due, "2026-11-19")
        if status == "partially_paid":
            changes = {"balance": 284.5}
        if status:
            before = {"status": "draft", **({"balance": 1284.5} if changes.get("balance") or status == "paid" else {})}
        elif action == DELETED:
            before = next(iter(sample(module, IDENTITY, NUMBER, NOW).values()))
        elif action == "updated":
            before = {"reference_number": "REF-000400", MODULES[module].amount: 1184.5}
        yield module, event, card(event, before=before, **changes)


def odd() -> Iterator[tuple[str, str, dict[str, Any]]]:
    lines = [{"name": f"Baking tin, size {number}", "quantity": number, "item_total": 19.9} for number in range(1, 48)]
    long = "Northern Harbour District Association of Independent Bakeries and Confectioners, Registered Society, " * 3
    new = "invoice.created"
    item = "https://acme.monday.com/boards/1234567890/pulses/9876543210"
    german = connection('locale = "de"\ntime_zone = "Europe/Berlin"', GERMAN)
    own = connection(card='card = { title = "{label} {number} for {party}", fields = ["due", "amount"], lines = 0 }')
    cases: dict[str, dict[str, Any]] = {
        "47 line items": card(new, line_items=lines),
        "foreign currency": card(new, currency_code="USD", exchange_rate="1.0823"),
        "no decimals": card(new, currency_code="JPY", exchange_rate="0.0061", total="1284500", balance="1284500"),
        "three decimals": card(new, currency_code="KWD", exchange_rate="3.01", total="1284.5", balance="1284.5"),
        "unknown currency": card(new, currency_code="XQZ", total="1284.507", balance="1284.507"),
        "credit": card("credit_note.updated", before={}, total="-1284.50", balance="-1284.50"),
        "huge amount": card(new, total="9" * 24, balance="9" * 24),
        "due today": card(new, due_date="2026-11-22"),
        "due tomorrow": card(new, due_date="2026-11-23"),
        "much has changed": card(
            "invoice.updated",
            before={
                "customer_name": "Harbour Bakery", "invoice_number": "INV-000400", "due_date": "2026-12-01",
                "total": "1000", "balance": "1000", "currency_code": "USD", "status": "draft",
                "reference_number": "", "line_items": lines[:1],
            },
            links={"ledger": item},
        ),
        "nothing given": card(
            new, invoice_number="", customer_name="", date="", due_date="", currency_code="", total="", balance="",
            status="", reference_number="", line_items="",
        ),
        "markdown and HTML": card(
            new, customer_name=_STRANGE, reference_number=_STRANGE, invoice_number="*INV*_1",
            line_items=[{"name": _STRANGE}],
        ),
        "right to left name": card(
            new, customer_name=_ARABIC, reference_number=_ARABIC, line_items=[{"name": _ARABIC, "item_total": 1}]
        ),
        "right to left locale": card(
            "invoice.updated", at=connection('locale = "ar"'), customer_name=_ARABIC, before={"balance": "2000"}
        ),
        "emoji": card(
            new, customer_name="🥐 Croissant & Söhne 👩‍🍳", line_items=[{"name": "株式会社 🧾", "item_total": 5}]
        ),
        "nine documents settled": card(
            "customer_payment.created",
            invoices=[{"invoice_number": f"INV-{number:06}", "amount_applied": 100} for number in range(1, 10)],
        ),
        "German with words of its own": card(new, at=german, currency_code="USD", exchange_rate="1.0823"),
        "American": card(new, at=connection('locale = "en-US"\ntime_zone = "America/New_York"')),
        "Indian": card(new, at=connection('locale = "en-IN"'), currency_code="INR", total="1284500", balance="1284500"),
        "fields and title of its own": card(new, at=own),
        "long texts": card(new, customer_name=long, reference_number=long, invoice_number="INV-" + "0" * 120),
    }  # fmt: skip
    for name, content in cases.items():
        yield "odd", name, content


def replies() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """What is told in a record's thread."""
    due = {"status": "sent", "balance": "1284.50"}
    payment = {"date": "2026-11-12", "payment_mode": "banktransfer", "amount": "1284.50"}
    paid: dict[str, Any] = {"status": "paid", "balance": 0, "payments": [payment]}
    cases = {
        "paid": reply("bill.paid", before={"status": "open", "balance": "1284.50"}, **paid),
        "partially paid": reply("invoice.partially_paid", before=due, balance="884.50"),
        "void": reply("invoice.void", before=due),
        "deleted": reply("invoice.deleted", before=due),
        "other amount and date": reply(
            "invoice.updated", before={"total": "1000", "balance": "1000", "due_date": "2026-11-30"}
        ),
        "as a person, whose card stays": reply("invoice.overdue", before=due, state=True),
        "German": reply(
            "bill.paid",
            before={"status": "open", "balance": "1284.50"},
            at=connection('locale = "de"\ntime_zone = "Europe/Berlin"', GERMAN_REPLIES),
            **paid,
        ),
        "markdown": reply("invoice.updated", before={"reference_number": ""}, reference_number=_STRANGE),
    }
    for name, content in cases.items():
        yield "replies", name, content


def digests() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Of a burst, of a day, of quiet hours in another language, and from right to left."""
    busy = {
        "kind": "busy", "count": 124, "since": "2026-11-22T07:41:00+00:00", "others": 0,
        "events": [
            {"event": "invoice.created", "count": 98, "sums": {"EUR": "120400.00", "USD": "4000.00"}},
            {"event": "invoice.paid", "count": 20, "sums": {"EUR": "18250.50"}},
            {"event": "bill.created", "count": 6, "sums": {"EUR": "2200.00"}},
        ],
        "modules": ["bill", "invoice"],
        "largest": [
            {
                "module": "invoice", "id": f"46000000009876{number}", "number": f"INV-00041{number}",
                "party": "Harbour Lane Bakery", "amount": f"{9000 - 100 * number}.00", "currency": "EUR",
            }
            for number in range(5)
        ],
    }  # fmt: skip
    day = {
        "kind": "daily", "count": 12, "since": "2026-11-21T00:00:00+00:00", "modules": ["invoice", "bill"], "parked": 2,
        "events": [
            *(
                {"event": f"{module}.{what}", "count": count, "sums": {"EUR": "1284.50"}}
                for module in ("invoice", "bill")
                for count, what in enumerate(("created", "due_this_week", "overdue"), 1)
            ),
            {"event": "customer_payment.created", "count": 0, "sums": {}},
            {"event": "vendor_payment.created", "count": 1000, "sums": {"EUR": "90.00"}, "more": True},
        ],
    }  # fmt: skip
    german = connection('locale = "de"\ntime_zone = "Europe/Berlin"', GERMAN)
    cases = {
        "busy": (connection(), busy),
        "the day": (connection(), day),
        "German": (german, {**busy, "kind": "quiet"}),
        "right to left": (connection('locale = "ar"'), busy),
    }
    for name, (at, facts) in cases.items():
        request = digest.request(at, "finance", "finance.busy-20261122T0741Z", facts)
        yield "digest", name, request.body["activity"]["attachments"][0]["content"]


def files() -> dict[str, dict[str, Any]]:
    """Cards by file and name."""
    found: dict[str, dict[str, Any]] = {}
    for file, name, content in (*events(), *odd(), *replies(), *digests()):
        found.setdefault(file, {})[name] = content
    return found


def written(cards: Mapping[str, Any]) -> str:
    return json.dumps(cards, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.glob("*.json"):
        old.unlink()
    for file, cards in files().items():
        (FOLDER / f"{file}.json").write_text(written(cards), encoding="utf-8")
