"""Every shape in which Zoho's records are known to come, through ingest (contracts: zoho-books 2.1, 2.3, 2.4, 6.5).

The files in tests/fixtures/zoho/shapes have the shapes of recorded samples, and values of our own.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ml_connector.events import Event
from ml_connector.modules import MODULES
from ml_connector.records import Record, read
from ml_connector.sources import signature
from ml_connector.sources.zoho_books import loads
from tests.unit.ingest.world import FORM, JSON, World, call, connection, secret_of, sign

SHAPES = Path(__file__).parents[2] / "fixtures" / "zoho" / "shapes"
ORGANIZATION = "60045501234"
TEA, CARTONS = "Sahyadri Tea Traders", "Kaveri Cartons LLP"


@dataclass(frozen=True)
class Shape:
    """What a file says. `lacks`: what Zoho must be asked for."""

    event: str
    number: str = ""
    party: str = ""
    amount: str = ""
    status: str = ""
    modified: str = ""
    lines: int = 0
    applied: tuple[tuple[str, str], ...] = ()
    lacks: tuple[str, ...] = ()


SETTLED, PAID = (("STT-214000", "3211.25"),), (("KC/71055", "1575"),)
WEBHOOKS = {
    "webhook_bill_created.json": Shape(
        "bill.created", "KC/71055", CARTONS, "1575", "open", "2026-07-28T06:27:40Z", lines=1
    ),
    "webhook_bill_paid.json": Shape(
        "bill.updated", "KC/71055", CARTONS, "1575", "paid", "2026-08-10T09:12:09Z", lines=1
    ),
    "webhook_creditnote_created.json": Shape(
        "credit_note.created", "SCN-91000", TEA, "237.5", "open", "2026-08-03T07:07:30Z", lines=1
    ),
    "webhook_customerpayment_created.json": Shape(
        "customer_payment.created", "5071", TEA, "3211.25", "paid", "2026-08-12T11:48:04Z", applied=SETTLED
    ),
    "webhook_customerpayment_created_alt_key.json": Shape(
        "customer_payment.created", "5071", TEA, "3211.25", "", "2026-08-12T11:48:04Z", 0, SETTLED, ("status",)
    ),
    "webhook_estimate_created.json": Shape(
        "estimate.created", "SQ-332000", TEA, "2498.75", "sent", "2026-07-15T10:19:48Z", lines=1
    ),
    # No vendor, no customer: the account says what it was for. Expenses have no number.
    "webhook_expense_created.json": Shape(
        "expense.created", "", "Freight", "470.5", "non-billable", "2026-08-01T13:17:00Z"
    ),
    "webhook_invoice_created.json": Shape(
        "invoice.created", "STT-214000", TEA, "3211.25", "sent", "2026-07-27T05:22:27Z", lines=2
    ),
    "webhook_invoice_updated.json": Shape(
        "invoice.updated", "STT-214000", TEA, "3211.25", "sent", "2026-07-29T04:09:11Z", lines=2
    ),
    "webhook_invoice_paid.json": Shape(
        "invoice.updated", "STT-214000", TEA, "3211.25", "paid", "2026-08-12T11:48:05Z", lines=2
    ),
    "webhook_invoice_deleted.json": Shape("invoice.deleted", status="deleted"),
    "webhook_invoice_with_organization_id.json": Shape(
        "invoice.updated", "STT-214000", "", "3211.25", "sent", lacks=("party", "currency")
    ),
    "webhook_invoice_custom_raw_data.json": Shape(
        "invoice.created", status="sent", lacks=("number", "party", "currency", "amount")
    ),
    "webhook_invoice_form_fields.txt": Shape(
        "invoice.created", "STT-214000", "Sahyadri Tea & Sons", "3211.25", "sent", lacks=("currency",)
    ),
    "webhook_invoice_form_jsonstring.txt": Shape(
        "invoice.created", "STT-214000", "Sahyadri Tea & Sons", "3211.25", "sent", lacks=("currency",)
    ),
    "webhook_purchaseorder_created.json": Shape(
        "purchase_order.created", "SPO-13000", CARTONS, "1575", "open", "2026-07-24T03:57:02Z", lines=1
    ),
    "webhook_salesorder_created.json": Shape(
        "sales_order.created", "SSO-09000", TEA, "2498.75", "open", "2026-07-25T04:37:15Z", lines=1
    ),
    # Its comments[] tell people what Zoho did, and us nothing.
    "webhook_vendorpayment_created.json": Shape(
        "vendor_payment.created", "36", CARTONS, "1575", "paid", "2026-08-10T09:12:08Z", applied=PAID
    ),
    "webhook_vendorpayment_created_alt_key.json": Shape(
        "vendor_payment.created", "36", CARTONS, "1575", "", "2026-08-10T09:12:08Z", applied=PAID, lacks=("status",)
    ),
}  # fmt: skip
SAME_STATE = {
    "api_get_bill.json": ("bill", "webhook_bill_created.json"),
    "api_get_creditnote.json": ("credit_note", "webhook_creditnote_created.json"),
    "api_get_customerpayment.json": ("customer_payment", "webhook_customerpayment_created.json"),
    "api_get_estimate.json": ("estimate", "webhook_estimate_created.json"),
    "api_get_expense.json": ("expense", "webhook_expense_created.json"),
    "api_get_invoice.json": ("invoice", "webhook_invoice_created.json"),
    "api_get_invoice_paid.json": ("invoice", "webhook_invoice_paid.json"),
    "api_get_purchaseorder.json": ("purchase_order", "webhook_purchaseorder_created.json"),
    "api_get_salesorder.json": ("sales_order", "webhook_salesorder_created.json"),
    "api_get_vendorpayment.json": ("vendor_payment", "webhook_vendorpayment_created.json"),
}
"""A read of a record, and the webhook that told of the same state."""


def taken(name: str) -> tuple[Event, Record, World]:
    """The file as a signed call, taken by intake: the event that is queued, and the record that was read."""
    shape = WEBHOOKS[name]
    body = (SHAPES / name).read_bytes()
    applied = connection(
        zoho={"region": "in", "organization_id": ORGANIZATION, "modules": list(MODULES)},
    )
    world = World(applied=applied)
    if name.endswith(".json"):
        inbound = call(shape.event, body, content_type=JSON)
    else:
        pairs = sorted(signature.form_fields(body).items())
        text = "".join(f"{key}{value}" for key, value in pairs).encode()
        inbound = call(shape.event, body, content_type=FORM, signature=sign(secret_of(shape.event), text))
    accepted = world.intake.receive(inbound, "call-1")
    return accepted.deliveries[0].event, accepted.record, world


def test_every_file_is_walked_over() -> None:
    """No shape without its expectation, and none that is only expected."""
    assert {path.name for path in SHAPES.iterdir()} == {*WEBHOOKS, *SAME_STATE}
    assert {shape.event.partition(".")[0] for shape in WEBHOOKS.values()} == set(MODULES) - {"vendor_credit"}


@pytest.mark.parametrize("name", WEBHOOKS)
def test_webhook_is_read(name: str) -> None:
    """What people must see is found whatever the body's form; a record that lacks some of it is fetched."""
    shape = WEBHOOKS[name]
    event, record, _ = taken(name)
    assert event.name == shape.event
    assert (record.number, record.party, record.status) == (shape.number, shape.party, shape.status)
    assert record.amount == (Decimal(shape.amount) if shape.amount else None)
    assert record.currency == ("" if not shape.modified else "INR")
    assert record.modified_at == shape.modified
    assert len(record.lines) == shape.lines
    assert [(each.number, each.amount) for each in record.applied] == [(n, Decimal(a)) for n, a in shape.applied]
    assert record.title == f"{MODULES[record.module].label} {shape.number or record.id}"
    if record.status != "deleted":
        assert record.lacks == shape.lacks
        assert (event.payload is None) is bool(shape.lacks)


@pytest.mark.parametrize("name", SAME_STATE)
def test_read_of_the_same_state_is_the_same_version(name: str) -> None:
    """What reconcile reads and what a webhook told are not delivered twice."""
    module, webhook = SAME_STATE[name]
    data: dict[str, Any] = loads((SHAPES / name).read_text("utf-8"))
    record = read(module, data[MODULES[module].keys[0]])
    assert record.version == taken(webhook)[1].version
    assert record.lacks == ()


def test_custom_fields_come_as_a_list_or_as_a_map() -> None:
    """Zoho sends both; a payload with only one of them is read all the same."""
    record = taken("webhook_invoice_created.json")[1]
    assert record.custom == {"cf_branch": "PN-SOUTH"}
    assert read("invoice", {**record.raw, "custom_fields": ""}).custom == {"cf_branch": "PN-SOUTH"}


@pytest.mark.parametrize("rows", ["amount_applied", "credited_amount", "amount"])
@pytest.mark.parametrize(("module", "number"), [("credit_note", "invoice_number"), ("vendor_credit", "bill_number")])
def test_a_credit_says_what_it_settles(module: str, number: str, rows: str) -> None:
    """The samples hold no applied credit: the amount's name is unconfirmed, so all that are documented are taken."""
    listed, _ = MODULES[module].settles or ("", "")
    record = read(module, {MODULES[module].id_field: "1", listed: [{number: "X-1", rows: "12.50"}]})
    assert [(each.number, each.amount) for each in record.applied] == [("X-1", Decimal("12.50"))]


@pytest.mark.parametrize(("word", "status"), [("voided", "void"), ("Voided", "void"), ("nonbillable", "non-billable")])
def test_one_word_for_each_status(word: str, status: str) -> None:
    """Zoho has two words for some; routes and boards know one."""
    assert read("invoice", {"invoice_id": "1", "status": word}).status == status
