"""A record of each module in the shape that Zoho sends, for `mlc send-test` and the demo. All values are made up."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from ml_connector.modules import MODULES

_PARTIES = {
    "invoice": ("customer_name", "Harbour Lane Bakery"),
    "bill": ("vendor_name", "Northwind Packaging Ltd"),
    "purchase_order": ("vendor_name", "Northwind Packaging Ltd"),
    "customer_payment": ("customer_name", "Harbour Lane Bakery"),
    "vendor_payment": ("vendor_name", "Northwind Packaging Ltd"),
}
_NUMBERS = {
    "invoice": "INV-{}",
    "bill": "NWP-{}",
    "purchase_order": "PO-{}",
    "customer_payment": "{}",
    "vendor_payment": "{}",
}


def sample(module: str, record_id: str, number: str, now: datetime, *, currency: str = "EUR") -> dict[str, Any]:
    """The default payload of a webhook: `{"invoice": {...}}`. `now` is when the record was last modified."""
    shape = MODULES[module]
    party, name = _PARTIES[module]
    stamp = now.strftime("%Y-%m-%dT%H:%M:%S%z")
    today = now.date()
    record: dict[str, Any] = {
        shape.id_field: record_id,
        shape.number_field: _NUMBERS[module].format(number),
        party: name,
        "date": str(today),
        "currency_code": currency,
        "currency_symbol": "€",
        "exchange_rate": 1,
        "reference_number": f"REF-{number}",
        "custom_fields": [{"api_name": "cf_cost_centre", "label": "Cost centre", "value": "RETAIL-07"}],
        "created_time": stamp,
        "last_modified_time": stamp,
    }
    if shape.settles:
        documents, document_number = shape.settles
        record |= {
            "amount": 1284.5,
            "payment_mode": "banktransfer",
            "payment_status": "paid",
            "status": "paid",
            documents: [{document_number: f"INV-{number}", "amount_applied": 1284.5}],
        }
        if module == "customer_payment":
            # Zoho's customer payment has no last_modified_time (contracts: zoho-books 6.5).
            record["updated_time"] = record.pop("last_modified_time")
    else:
        record |= {
            "status": "sent" if module == "invoice" else "open",
            "total": 1284.5,
            "balance": 1284.5,
            "line_items": [
                _line("1", "Sourdough display case", 1, 999.5),
                _line("2", "Delivery and fitting", 3, 95),
            ],
        }
        due = "delivery_date" if module == "purchase_order" else "due_date"
        record[due] = str(today + timedelta(days=30))
        if module == "purchase_order":
            del record["balance"]
    return {shape.keys[0]: record}


def _line(identity: str, name: str, quantity: int, rate: float) -> dict[str, Any]:
    return {
        "line_item_id": f"41500000001000{identity}",
        "name": name,
        "quantity": quantity,
        "rate": rate,
        "item_total": quantity * rate,
    }
