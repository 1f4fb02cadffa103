"""What Zoho Books calls things, one row per module (contracts: zoho-books 2.3, 3.3, 6.2, 6.5, 9)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Module:
    """One kind of Zoho record. `keys` are the names a payload may wrap it in; field tuples are tried in order."""

    name: str
    label: str
    keys: tuple[str, ...]
    path: str
    list_keys: tuple[str, ...]
    id_field: str
    number_field: str
    party: tuple[str, ...]
    amount: str
    due: tuple[str, ...]
    status: tuple[str, ...]
    modified: tuple[str, ...]
    route: str
    sort: str
    settles: tuple[str, str] | None = None
    """For payments: the list of documents it was applied to, and the field with their number."""


_MODIFIED = ("last_modified_time", "updated_time")

MODULES: dict[str, Module] = {
    module.name: module
    for module in (
        Module(
            name="invoice",
            label="Invoice",
            keys=("invoice",),
            path="invoices",
            list_keys=("invoices",),
            id_field="invoice_id",
            number_field="invoice_number",
            party=("customer_name",),
            amount="total",
            due=("due_date",),
            status=("status",),
            modified=_MODIFIED,
            route="invoices",
            sort="last_modified_time",
        ),
        Module(
            name="bill",
            label="Bill",
            keys=("bill",),
            path="bills",
            list_keys=("bills",),
            id_field="bill_id",
            number_field="bill_number",
            party=("vendor_name",),
            amount="total",
            due=("due_date",),
            status=("status",),
            modified=_MODIFIED,
            route="bills",
            sort="last_modified_time",
        ),
        Module(
            name="purchase_order",
            label="Purchase order",
            keys=("purchaseorder", "purchase_order"),
            path="purchaseorders",
            list_keys=("purchaseorders",),
            id_field="purchaseorder_id",
            number_field="purchaseorder_number",
            party=("vendor_name",),
            amount="total",
            due=("expected_delivery_date", "delivery_date"),
            status=("status",),
            modified=_MODIFIED,
            route="purchaseorders",
            sort="last_modified_time",
        ),
        Module(
            name="customer_payment",
            label="Payment received",
            keys=("payment", "customer_payment", "customerpayment"),
            path="customerpayments",
            list_keys=("customerpayments", "customer_payments"),
            id_field="payment_id",
            number_field="payment_number",
            party=("customer_name",),
            amount="amount",
            due=(),
            status=("payment_status", "status"),
            modified=_MODIFIED,
            route="paymentsreceived",
            sort="created_time",
            settles=("invoices", "invoice_number"),
        ),
        Module(
            name="vendor_payment",
            label="Payment made",
            keys=("vendorpayment", "vendor_payment"),
            path="vendorpayments",
            list_keys=("vendorpayments", "vendor_payments"),
            id_field="payment_id",
            number_field="payment_number",
            party=("vendor_name",),
            amount="amount",
            due=(),
            status=("status", "payment_status"),
            modified=_MODIFIED,
            route="paymentsmade",
            sort="last_modified_time",
            settles=("bills", "bill_number"),
        ),
    )
}

ACTIONS = ("created", "updated")
EVENTS = tuple(f"{module}.{action}" for module in MODULES for action in ACTIONS)
