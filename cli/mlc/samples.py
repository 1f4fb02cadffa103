"""A record of each module in the shape that Zoho sends, for `mlc send-test` and the demo. All values are made up."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from ml_connector.events import DELETED
from ml_connector.modules import ACTIONS, MODULES

_CUSTOMER, _VENDOR = "Harbour Lane Bakery", "Northwind Packaging Ltd"
_NUMBERS = {
    "invoice": "INV-{}",
    "bill": "NWP-{}",
    "purchase_order": "PO-{}",
    "credit_note": "CN-{}",
    "sales_order": "SO-{}",
    "estimate": "QT-{}",
    "vendor_credit": "VC-{}",
}
_STATUSES = {"invoice": "sent", "estimate": "sent", "expense": "unbilled"}
_WITHOUT_BALANCE = ("purchase_order", "estimate", "expense")


def told(event: str) -> tuple[str, str, str]:
    """Module, action and status: a status such as `invoice.paid` is what an update brings."""
    module, _, what = event.partition(".")
    return (module, what, "") if what in ACTIONS else (module, "updated", what)


def sample(
    module: str,
    record_id: str,
    number: str,
    now: datetime,
    *,
    currency: str = "EUR",
    action: str = "created",
    status: str = "",
) -> dict[str, Any]:
    """The default payload of a webhook: `{"invoice": {...}}`. `now` is when the record was last modified."""
    shape = MODULES[module]
    if action == DELETED:
        return {shape.keys[0]: {shape.id_field: record_id}}
    stamp = now.strftime("%Y-%m-%dT%H:%M:%S%z")
    today = now.date()
    party = shape.party[0]
    record: dict[str, Any] = {
        shape.id_field: record_id,
        **({shape.number_field: _NUMBERS.get(module, "{}").format(number)} if shape.numbered else {}),
        party: _CUSTOMER if party == "customer_name" else _VENDOR,
        "date": str(today),
        "currency_code": currency,
        "currency_symbol": "€",
        "exchange_rate": 1,
        "reference_number": f"REF-{number}",
        "custom_fields": [{"api_name": "cf_cost_centre", "label": "Cost centre", "value": "RETAIL-07"}],
        "created_time": stamp,
        "last_modified_time": stamp,
        shape.amount: 1284.5,
    }
    if shape.settles:
        documents, document_number = shape.settles
        record[documents] = [{document_number: f"INV-{number}", "amount_applied": 1284.5}]
    if module.endswith("_payment"):
        record |= {"payment_mode": "banktransfer", "payment_status": "paid", "status": "paid"}
    else:
        record["status"] = status or _STATUSES.get(module, "open")
        record["balance"] = 0 if record["status"] == "paid" else 1284.5
        record["line_items"] = [
            _line("1", "Sourdough display case", 1, 999.5),
            _line("2", "Delivery and fitting", 3, 95),
        ]
    if shape.due:
        record[shape.due[-1]] = str(today + timedelta(days=30))
    if module in _WITHOUT_BALANCE:
        del record["balance"]
    if module == "expense":
        del record["line_items"]
        record |= {"account_name": "Office supplies", "payment_mode": "Cash"}
    if module == "customer_payment":
        # Zoho's customer payment has no last_modified_time (contracts: zoho-books 6.5).
        record["updated_time"] = record.pop("last_modified_time")
    return {shape.keys[0]: record}


def _line(identity: str, name: str, quantity: int, rate: float) -> dict[str, Any]:
    return {
        "line_item_id": f"41500000001000{identity}",
        "name": name,
        "quantity": quantity,
        "rate": rate,
        "item_total": quantity * rate,
    }
