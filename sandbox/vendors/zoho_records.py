"""Full Zoho Books records as their bookkeepers make and change them (contracts: zoho-books 6.5)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from sandbox.vendors.world import World
from sandbox.vendors.zoho_modules import Module
from sandbox.vendors.zoho_state import Organization, Record
from sandbox.vendors.zoho_time import day_of, moment, stamp


def next_id(world: World) -> str:
    """19 digits: more than a float holds (contracts: zoho-books 2.4)."""
    return f"4600000000000{world.number():06d}"


def new_record(world: World, org: Organization, module: Module, fields: Mapping[str, Any]) -> Record:
    """A full record from a few fields; `fields` win over all that is made up here."""
    now = world.clock.now()
    today = day_of(now, org.time_zone)
    number = org.numbers[module.plural] = org.numbers.get(module.plural, 0) + 1
    record: Record = {
        module.id_field: next_id(world),
        "date": today.isoformat(),
        "currency_id": "4600000000000000101",
        "currency_code": org.currency_code,
        "currency_symbol": org.currency_symbol if fields.get("currency_code", org.currency_code) == org.currency_code
        else {"USD": "$", "GBP": "£", "EUR": "€"}.get(str(fields.get("currency_code")), ""),
        "exchange_rate": 1,
        "reference_number": "",
        "custom_fields": [],
        "custom_field_hash": {},
        "tags": [],
        "created_time": stamp(now, org.time_zone),
        module.modified_field: stamp(now, org.time_zone),
    }  # fmt: skip
    due = (today + timedelta(days=30)).isoformat()
    if module.plural in _WITH_DOCUMENTS:
        record["documents"] = ""  # an empty list comes as an empty text
    if module.plural in _WITH_PRECISION:
        record["price_precision"] = 2
    if module.plural == "expenses":
        del record["currency_symbol"]
    record |= _SHAPES[module.plural](number, due)
    record |= dict(fields)
    _lines(world, record)
    _money(module, record)
    return record


def changed_record(
    world: World, org: Organization, module: Module, record: Record, fields: Mapping[str, Any]
) -> Record:
    """The record after an edit. Its modification time grows by a second at least: Zoho counts in seconds, and no
    bookkeeper saves the same record twice in one."""
    field = module.modified_field
    changed = {**record, **fields}
    _lines(world, changed)
    if "total" not in fields and "line_items" in fields:
        changed["total"] = changed["sub_total"] = _sum(changed["line_items"])
    if "status" in fields:
        changed["current_sub_status"] = fields["status"]
        if fields["status"] == "paid" and "payment_made" in record and "balance" not in fields:
            changed |= {"balance": 0.0, "payment_made": changed.get("total", 0)}
    if field not in fields:
        changed[field] = stamp(max(world.clock.now(), moment(record[field]) + 1), org.time_zone)
    return changed


def _sum(lines: list[Record]) -> float:
    return float(sum(Decimal(str(line["item_total"])) for line in lines))


def _lines(world: World, record: Record) -> None:
    lines = [dict(line) for line in record.get("line_items", ())]
    for order, line in enumerate(lines, 1):
        rate, quantity = Decimal(str(line.get("rate", 0))), Decimal(str(line.get("quantity", 1)))
        line.setdefault("line_item_id", next_id(world))
        line.setdefault("item_order", order)
        line.setdefault("description", "")
        line.setdefault("unit", "pcs")
        line.setdefault("quantity", 1)
        line.setdefault("rate", 0)
        line.setdefault("tax_name", "")
        line.setdefault("tax_percentage", 0)
        line.setdefault("item_total", float(rate * quantity))
    if "line_items" in record:
        record["line_items"] = lines


def _money(module: Module, record: Record) -> None:
    if module.is_payment:
        record.setdefault("amount", 0)
        return
    if module.plural == "expenses":
        total = record.get("total", record.get("amount", 0))
        record |= {"total": total, "amount": total, "sub_total": record.get("sub_total", total), "bcy_total": total}
        return
    record.setdefault("total", _sum(record["line_items"]))
    record.setdefault("sub_total", record["total"])
    if module.payments:
        made = record.setdefault("payment_made", 0.0)
        record.setdefault("balance", float(Decimal(str(record["total"])) - Decimal(str(made))))
    elif module.plural in ("salesorders", "creditnotes", "vendorcredits"):
        record.setdefault("balance", record["total"])


def _invoice(number: int, due: str) -> Record:
    return {
        "invoice_number": f"INV-{number:06d}", "due_date": due,
        "customer_id": "4600000000000071002", "customer_name": "Harbour Lane Bakery",
        "email": "accounts@harbourlane.example", "status": "sent", "current_sub_status": "sent",
        "payment_terms": 30, "payment_terms_label": "Net 30", "line_items": [], "tax_total": 0, "discount_total": 0,
        "credits_applied": 0, "write_off_amount": 0, "taxes": [], "payment_expected_date": "",
        "last_payment_date": "", "invoice_source": "Client", "is_emailed": True, "template_id": "4600000000000017001",
        "salesperson_name": "", "notes": "", "terms": "", "billing_address": _address(), "shipping_address": _address(),
        "invoice_url": "https://zohosecurepay.example/books/secure?CInvoiceID=2-abc",
        "created_by_id": "4600000000000093001", "created_by_name": "Priya Nair",
        "last_modified_by_id": "4600000000000093001",
    }  # fmt: skip


def _bill(number: int, due: str) -> Record:
    return {
        "bill_number": f"BILL-{number:05d}", "due_date": due, "vendor_id": "4600000000000072010",
        "vendor_name": "Northwind Packaging Ltd", "status": "open", "current_sub_status": "open",
        "payment_terms": 14, "payment_terms_label": "Net 14", "due_in_days": 14, "due_by_days": "", "line_items": [],
        "tax_total": 0, "discount_total": 0, "vendor_credits_applied": 0, "taxes": [], "purchaseorders": [],
        "payments": [], "attachment_name": "", "notes": "", "terms": "", "entity_type": "bill",
        "created_by_id": "4600000000000093001", "last_modified_id": "4600000000000093001",
    }  # fmt: skip


def _purchase_order(number: int, due: str) -> Record:
    return {
        "purchaseorder_number": f"PO-{number:05d}", "expected_delivery_date": "", "delivery_date": due,
        "vendor_id": "4600000000000072010", "vendor_name": "Northwind Packaging Ltd", "status": "open",
        "order_status": "open", "received_status": "to_be_received", "billed_status": "to_be_billed",
        "current_sub_status": "open", "line_items": [], "tax_total": 0, "total_quantity": 0, "taxes": [],
        "delivery_address": _address(), "notes": "", "terms": "", "created_by_id": "4600000000000093001",
    }  # fmt: skip


def _customer_payment(number: int, _due: str) -> Record:
    return {
        "payment_number": str(200 + number), "customer_id": "4600000000000071002",
        "customer_name": "Harbour Lane Bakery", "payment_mode": "banktransfer", "account_id": "4600000000000000358",
        "account_name": "Operating account", "unused_amount": 0, "bank_charges": 0, "description": "",
        "invoices": [], "payment_status": "paid", "payment_refunds": [], "created_by": "Priya Nair",
    }  # fmt: skip


def _vendor_payment(number: int, _due: str) -> Record:
    return {
        "payment_number": str(10 + number), "vendor_id": "4600000000000072010",
        "vendor_name": "Northwind Packaging Ltd", "status": "paid", "payment_mode": "Bank Transfer",
        "description": "", "balance": 0, "bank_charges": 0, "paid_through_account_id": "4600000000000000358",
        "paid_through_account_name": "Operating account", "bills": [], "vendorpayment_refunds": [], "comments": [],
        "created_by_name": "Priya Nair",
    }  # fmt: skip


def _expense(_number: int, _due: str) -> Record:
    return {
        "transaction_type": "expense", "account_id": "4600000000000000418", "account_name": "Travel expense",
        "paid_through_account_id": "4600000000000000358", "paid_through_account_name": "Operating account",
        "vendor_id": "", "vendor_name": "", "customer_id": "", "customer_name": "", "tax_id": "", "tax_name": "",
        "tax_percentage": 0, "tax_amount": 0, "is_inclusive_tax": False, "description": "Train to the fair",
        "is_billable": False, "expense_type": "non_mileage", "status": "nonbillable", "invoice_id": "",
        "invoice_number": "", "payment_mode": "Cash",
    }  # fmt: skip


def _credit_note(number: int, _due: str) -> Record:
    return {
        "creditnote_number": f"CN-{number:05d}", "customer_id": "4600000000000071002",
        "customer_name": "Harbour Lane Bakery", "status": "open", "current_sub_status": "open", "line_items": [],
        "tax_total": 0, "total_credits_used": 0, "total_refunded_amount": 0, "invoices_credited": [], "notes": "",
        "terms": "", "created_by_name": "Priya Nair",
    }  # fmt: skip


def _sales_order(number: int, due: str) -> Record:
    return {
        "salesorder_number": f"SO-{number:05d}", "shipment_date": due, "customer_id": "4600000000000071002",
        "customer_name": "Harbour Lane Bakery", "status": "open", "current_sub_status": "open", "line_items": [],
        "tax_total": 0,
    }  # fmt: skip


def _estimate(number: int, due: str) -> Record:
    return {
        "estimate_number": f"QT-{number:06d}", "expiry_date": due, "customer_id": "4600000000000071002",
        "customer_name": "Harbour Lane Bakery", "status": "sent", "current_sub_status": "sent", "line_items": [],
        "tax_total": 0,
    }  # fmt: skip


def _vendor_credit(number: int, _due: str) -> Record:
    return {
        "vendor_credit_number": f"VC-{number:05d}", "vendor_id": "4600000000000072010",
        "vendor_name": "Northwind Packaging Ltd", "status": "open", "current_sub_status": "open", "line_items": [],
        "tax_total": 0, "total_credits_used": 0, "total_refunded_amount": 0, "bills_credited": [], "notes": "",
    }  # fmt: skip


def _address() -> Record:
    return dict.fromkeys(("address", "street2", "city", "state", "zip", "country", "phone", "attention"), "")


_SHAPES = {
    "invoices": _invoice,
    "bills": _bill,
    "purchaseorders": _purchase_order,
    "customerpayments": _customer_payment,
    "vendorpayments": _vendor_payment,
    "expenses": _expense,
    "creditnotes": _credit_note,
    "salesorders": _sales_order,
    "estimates": _estimate,
    "vendorcredits": _vendor_credit,
}
_WITH_DOCUMENTS = ("invoices", "bills", "purchaseorders", "vendorpayments", "expenses")
_WITH_PRECISION = ("invoices", "bills", "purchaseorders", "creditnotes", "vendorcredits")
