"""Shapes of Zoho Books records: the full record, its list row and the tables that tell the modules apart.

contracts: zoho-books 6.2 (endpoints, keys), 6.3 (sorting), 6.4 (list rows), 6.5 (full records).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sandbox.vendors.world import Organization, World

Record = dict[str, Any]


@dataclass(frozen=True)
class Module:
    """One kind of record. `plural` is the path and the list key, `key` the get key and the webhook's top key."""

    plural: str
    key: str
    id_field: str
    number_field: str
    title: str  # as in "Invoice does not exist."
    report: str
    row: tuple[str, ...]
    sortable: tuple[str, ...]
    default_sort: str
    modified_filter: str  # "exact", "since" or "" (silently ignored)
    modified_field: str = "last_modified_time"
    comment_status: int = 0  # success status of a comment, 0 when the module takes none
    always_descending: bool = False


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


MODULES = {
    module.plural: module
    for module in (
        Module(
            "invoices", "invoice", "invoice_id", "invoice_number", "Invoice", "Invoices",
            _words("""invoice_id customer_id customer_name company_name status current_sub_status invoice_number
                reference_number date due_date due_days email billing_address shipping_address created_by total balance
                payment_expected_date last_payment_date custom_fields custom_field_hash created_time last_modified_time
                updated_time is_emailed currency_id currency_code currency_symbol invoice_source template_id
                exchange_rate documents has_attachment"""),
            _words("customer_name invoice_number date due_date total balance created_time last_modified_time"),
            "created_time", "exact", comment_status=200,
        ),
        Module(
            "bills", "bill", "bill_id", "bill_number", "Bill", "Bills",
            _words("""bill_id vendor_id vendor_name status current_sub_status bill_number reference_number date due_date
                due_days currency_id currency_code price_precision exchange_rate total balance balance_due created_time
                last_modified_time attachment_name created_by last_modified_by has_attachment"""),
            _words("vendor_name bill_number date due_date total balance created_time"),
            "created_time", "since", comment_status=201,
        ),
        Module(
            "purchaseorders", "purchaseorder", "purchaseorder_id", "purchaseorder_number", "Purchase order",
            "Purchase Orders",
            _words("""purchaseorder_id vendor_id vendor_name order_status billed_status received_status status
                current_sub_status purchaseorder_number reference_number date delivery_date expected_delivery_date
                currency_id currency_code total created_time last_modified_time company_name has_attachment"""),
            _words("vendor_name purchaseorder_number date delivery_date total created_time"),
            "created_time", "since", comment_status=201, always_descending=True,
        ),
        Module(
            "customerpayments", "payment", "payment_id", "payment_number", "Payment", "Payments Received",
            _words("""payment_id payment_number invoice_numbers date payment_mode payment_mode_formatted amount
                bcy_amount unused_amount account_id account_name description reference_number customer_id customer_name
                created_time last_modified_time applied_invoices payment_type payment_status has_attachment"""),
            _words("created_time"),
            "date", "", modified_field="updated_time",
        ),
        Module(
            "vendorpayments", "vendorpayment", "payment_id", "payment_number", "Payment", "Payments Made",
            _words("""payment_id vendor_id vendor_name status bill_numbers payment_mode payment_number date description
                reference_number exchange_rate amount balance bcy_amount currency_id currency_code
                paid_through_account_id paid_through_account_name created_time last_modified_time has_attachment"""),
            _words("vendor_name date reference_number amount balance"),
            "date", "since",
        ),
    )
}  # fmt: skip

# What people and the product call the modules.
ALIASES = {
    "invoice": "invoices",
    "bill": "bills",
    "purchase_order": "purchaseorders",
    "purchaseorder": "purchaseorders",
    "purchase_orders": "purchaseorders",
    "customer_payment": "customerpayments",
    "customerpayment": "customerpayments",
    "customer_payments": "customerpayments",
    "payment": "customerpayments",
    "vendor_payment": "vendorpayments",
    "vendorpayment": "vendorpayments",
    "vendor_payments": "vendorpayments",
}


def module_named(name: str) -> Module:
    """A module by its path, singular or product name; raises KeyError."""
    return MODULES[ALIASES.get(name, name)]


def stamp(at: float, zone: str) -> str:
    """`2026-03-04T10:15:27-0500` in the organization's zone (contracts: zoho-books 6.1)."""
    return datetime.fromtimestamp(at, ZoneInfo(zone)).strftime("%Y-%m-%dT%H:%M:%S%z")


def moment(text: str) -> float:
    """The reverse of `stamp`; raises ValueError, also for a trailing Z."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z").timestamp()


def next_id(world: World) -> str:
    """19 digits: more than a float holds (contracts: zoho-books 2.4)."""
    return f"4600000000000{world.number():06d}"


def new_record(world: World, org: Organization, module: Module, fields: Mapping[str, Any]) -> Record:
    """A full record from a few fields; `fields` win over all that is made up here."""
    now = world.clock.now()
    today = datetime.fromtimestamp(now, ZoneInfo(org.time_zone)).date()
    number = len(org.records.get(module.plural, {})) + 1
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
    if module.plural != "customerpayments":
        record["documents"] = ""  # an empty list comes as an empty text
    if not module.plural.endswith("payments"):
        record["price_precision"] = 2
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
        if fields["status"] == "paid" and "balance" in record and "balance" not in fields:
            changed |= {"balance": 0.0, "payment_made": changed.get("total", 0)}
    if field not in fields:
        changed[field] = stamp(max(world.clock.now(), moment(record[field]) + 1), org.time_zone)
    return changed


def list_row(module: Module, record: Record) -> Record:
    """What a list shows of a record: no line items, no address detail beyond the invoice's, no payments."""
    status = record.get("status", "")
    computed = {
        "current_sub_status": status,
        "updated_time": record.get("last_modified_time", ""),
        "last_modified_time": record.get(module.modified_field, ""),
        "created_by": record.get("created_by_name", "Priya Nair"),
        "last_modified_by": "Priya Nair",
        "balance_due": record.get("balance", 0),
        "bcy_amount": record.get("amount", 0),
        "due_days": "",
        "has_attachment": False,
        "invoice_numbers": ",".join(row["invoice_number"] for row in record.get("invoices", ())),
        "bill_numbers": ",".join(row["bill_number"] for row in record.get("bills", ()) if "bill_number" in row),
        "payment_mode_formatted": str(record.get("payment_mode", "")).title(),
        "payment_type": "Invoice Payment",
        "applied_invoices": [],
    }
    return {key: computed.get(key, record.get(key, "")) for key in module.row}


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
    if module.plural in ("customerpayments", "vendorpayments"):
        record.setdefault("amount", 0)
        return
    record.setdefault("total", _sum(record["line_items"]))
    record.setdefault("sub_total", record["total"])
    if module.plural != "purchaseorders":
        made = record.setdefault("payment_made", 0.0)
        record.setdefault("balance", float(Decimal(str(record["total"])) - Decimal(str(made))))


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


def _address() -> Record:
    return dict.fromkeys(("address", "street2", "city", "state", "zip", "country", "phone", "attention"), "")


_SHAPES = {
    "invoices": _invoice,
    "bills": _bill,
    "purchaseorders": _purchase_order,
    "customerpayments": _customer_payment,
    "vendorpayments": _vendor_payment,
}


def today_in(org: Organization, at: float) -> tuple[str, int]:
    """The organization's date and the seconds until its midnight (contracts: zoho-books 8)."""
    local = datetime.fromtimestamp(at, UTC).astimezone(ZoneInfo(org.time_zone))
    midnight = datetime.combine(local.date() + timedelta(days=1), datetime.min.time(), local.tzinfo)
    return local.date().isoformat(), int(midnight.timestamp() - at)
