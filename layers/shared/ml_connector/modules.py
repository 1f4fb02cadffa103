"""What Zoho Books calls things, one row per module (contracts: zoho-books 2.3, 3.3, 6.2, 6.5, 9)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Module:
    """One kind of Zoho record. `keys` are the names a payload may wrap it in; field tuples are tried in order."""

    name: str
    label: str
    """One of them, as people say; several are `many`, or it with an s."""
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
    scope: str
    """Family of OAuth scopes (zoho-books 5)."""
    entities: tuple[str, ...]
    """What workflow rules may call it; the first that Zoho takes (3.3)."""
    statuses: tuple[str, ...] = ()
    """Changes of status that are events of their own, as `invoice.paid` (6.5). Zoho's word for each is the same."""
    comments: bool = False
    """Whether a note can be written on it (7)."""
    settles: tuple[str, str] | None = None
    """For payments and credits: the list of documents it was applied to, and the field with their number."""
    numbered: bool = True
    """False for what has no number: people see the id."""
    many: str = ""
    due_label: str = "Due"
    balance_label: str = "Balance due"


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
            scope="invoices",
            entities=("invoice",),
            statuses=("sent", "viewed", "overdue", "partially_paid", "paid", "void"),
            comments=True,
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
            scope="bills",
            entities=("bill",),
            statuses=("open", "overdue", "partially_paid", "paid", "void"),
            comments=True,
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
            scope="purchaseorders",
            entities=("purchaseorder", "purchase_order"),
            statuses=("open", "billed", "cancelled"),
            comments=True,
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
            scope="customerpayments",
            entities=("customer_payment",),
            many="Payments received",
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
            balance_label="Unapplied",
            scope="vendorpayments",
            entities=("vendor_payment", "vendorpayment"),
            many="Payments made",
        ),
        Module(
            name="expense",
            label="Expense",
            keys=("expense",),
            path="expenses",
            list_keys=("expenses",),
            id_field="expense_id",
            number_field="expense_number",
            numbered=False,
            party=("vendor_name", "customer_name", "account_name"),
            amount="total",
            due=(),
            status=("status",),
            modified=_MODIFIED,
            route="expenses",
            sort="created_time",
            scope="expenses",
            entities=("expense",),
            statuses=("invoiced", "reimbursed"),
        ),
        Module(
            name="credit_note",
            label="Credit note",
            keys=("creditnote", "credit_note"),
            path="creditnotes",
            list_keys=("creditnotes",),
            id_field="creditnote_id",
            number_field="creditnote_number",
            party=("customer_name",),
            amount="total",
            due=(),
            status=("status",),
            modified=_MODIFIED,
            route="creditnotes",
            sort="created_time",
            settles=("invoices_credited", "invoice_number"),
            balance_label="Credit left",
            scope="creditnotes",
            entities=("creditnote", "credit_note"),
            statuses=("open", "closed", "void"),
            comments=True,
        ),
        Module(
            name="sales_order",
            label="Sales order",
            keys=("salesorder", "sales_order"),
            path="salesorders",
            list_keys=("salesorders",),
            id_field="salesorder_id",
            number_field="salesorder_number",
            party=("customer_name",),
            amount="total",
            due=("shipment_date",),
            due_label="Ships",
            status=("status",),
            modified=_MODIFIED,
            route="salesorders",
            sort="last_modified_time",
            scope="salesorders",
            entities=("salesorder",),
            statuses=("open", "overdue", "partially_invoiced", "invoiced", "void"),
            comments=True,
        ),
        Module(
            name="estimate",
            label="Quote",
            keys=("estimate",),
            path="estimates",
            list_keys=("estimates",),
            id_field="estimate_id",
            number_field="estimate_number",
            party=("customer_name",),
            amount="total",
            due=("expiry_date",),
            due_label="Expires",
            status=("status",),
            modified=_MODIFIED,
            route="quotes",
            sort="last_modified_time",
            scope="estimates",
            entities=("estimate",),
            statuses=("sent", "accepted", "declined", "expired", "invoiced"),
            comments=True,
        ),
        Module(
            # Not among the recorded answers: names as in Zoho's specification, unconfirmed (zoho-books 5, 10).
            name="vendor_credit",
            label="Vendor credit",
            keys=("vendor_credit", "vendorcredit"),
            path="vendorcredits",
            list_keys=("vendor_credits", "vendorcredits"),
            id_field="vendor_credit_id",
            number_field="vendor_credit_number",
            party=("vendor_name",),
            amount="total",
            due=(),
            status=("status",),
            modified=_MODIFIED,
            route="vendorcredits",
            sort="created_time",
            settles=("bills_credited", "bill_number"),
            balance_label="Credit left",
            scope="debitnotes",
            entities=("vendor_credit", "vendorcredit"),
            statuses=("open", "closed", "void"),
        ),
    )
}

CORE = ("invoice", "bill", "purchase_order", "customer_payment", "vendor_payment")
"""The modules of a connection that names none."""
PAYMENTS = ("customer_payment", "vendor_payment")
ACTIONS = ("created", "updated", "deleted")
"""What a webhook can say by its endpoint."""
EVENTS = tuple(f"{module.name}.{what}" for module in MODULES.values() for what in (*ACTIONS, *module.statuses))
"""What routes can name. A status is derived, by comparing with the newest version known (statuses.py)."""
assert len(set(EVENTS)) == len(EVENTS)  # noqa: S101 - an action must not be a status, too


def no_notes_on(*modules: str) -> str:
    """What is said where a note cannot be written (zoho-books 7)."""
    return f"Zoho has no endpoint for notes on {', '.join(MODULES[each].label.lower() for each in modules)}"
