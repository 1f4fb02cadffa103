"""The kinds of records, one row each: their names, what a list shows of them, and what it can filter and sort by.

contracts: zoho-books 2.3 (keys), 3.3 (entities), 5 (scopes), 6.2 (endpoints), 6.3 (sorting), 6.4 (list rows).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sandbox.vendors.zoho_state import Record


@dataclass(frozen=True)
class Module:
    """One kind of record. `plural` is the path, `key` the get key and the webhook's top key."""

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
    entity: str  # what rules call it; where nobody could say (3.3), the name that is tried second
    modified_field: str = "last_modified_time"
    comment_status: int = 0  # success status of a new comment, 0 when the module takes none
    always_descending: bool = False
    list_key: str = ""  # where it is not `plural`
    scope: str = ""  # where it is not `plural`
    comments_readable: bool = False  # though none can be written
    payments: bool = False  # `{id}/payments` can be read
    party: str = "customer_name"

    @property
    def is_payment(self) -> bool:
        """Of a customer or to a vendor."""
        return self.key.endswith("payment")


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_SALE = _words("""customer_id customer_name company_name status current_sub_status reference_number date currency_id
    currency_code currency_symbol total created_time last_modified_time custom_fields custom_field_hash
    has_attachment""")

_ROWS = (
    Module(
        "invoices", "invoice", "invoice_id", "invoice_number", "Invoice", "Invoices",
        _words("""invoice_id customer_id customer_name company_name status current_sub_status invoice_number
            reference_number date due_date due_days email billing_address shipping_address created_by total balance
            payment_expected_date last_payment_date custom_fields custom_field_hash created_time last_modified_time
            updated_time is_emailed currency_id currency_code currency_symbol invoice_source template_id
            exchange_rate documents has_attachment"""),
        _words("customer_name invoice_number date due_date total balance created_time last_modified_time"),
        "created_time", "exact", "invoice", comment_status=200, payments=True,
    ),
    Module(
        "bills", "bill", "bill_id", "bill_number", "Bill", "Bills",
        _words("""bill_id vendor_id vendor_name status current_sub_status bill_number reference_number date due_date
            due_days currency_id currency_code price_precision exchange_rate total balance balance_due created_time
            last_modified_time attachment_name created_by last_modified_by has_attachment"""),
        _words("vendor_name bill_number date due_date total balance created_time"),
        "created_time", "since", "bill", comment_status=201, payments=True, party="vendor_name",
    ),
    Module(
        "purchaseorders", "purchaseorder", "purchaseorder_id", "purchaseorder_number", "Purchase order",
        "Purchase Orders",
        _words("""purchaseorder_id vendor_id vendor_name order_status billed_status received_status status
            current_sub_status purchaseorder_number reference_number date delivery_date expected_delivery_date
            currency_id currency_code total created_time last_modified_time company_name has_attachment"""),
        _words("vendor_name purchaseorder_number date delivery_date total created_time"),
        "created_time", "since", "purchase_order", comment_status=201, always_descending=True, party="vendor_name",
    ),
    Module(
        "customerpayments", "payment", "payment_id", "payment_number", "Payment", "Payments Received",
        _words("""payment_id payment_number invoice_numbers date payment_mode payment_mode_formatted amount
            bcy_amount unused_amount account_id account_name description reference_number customer_id customer_name
            created_time last_modified_time applied_invoices payment_type payment_status has_attachment"""),
        _words("created_time"),
        "date", "", "customer_payment", modified_field="updated_time",
    ),
    Module(
        "vendorpayments", "vendorpayment", "payment_id", "payment_number", "Payment", "Payments Made",
        _words("""payment_id vendor_id vendor_name status bill_numbers payment_mode payment_number date description
            reference_number exchange_rate amount balance bcy_amount currency_id currency_code
            paid_through_account_id paid_through_account_name created_time last_modified_time has_attachment"""),
        _words("vendor_name date reference_number amount balance"),
        "date", "since", "vendorpayment", party="vendor_name",
    ),
    Module(
        "expenses", "expense", "expense_id", "expense_id", "Expense", "Expenses",
        _words("""expense_id date account_name paid_through_account_name description currency_id currency_code
            bcy_total total is_billable reference_number customer_id customer_name vendor_id vendor_name status
            created_time last_modified_time has_attachment"""),
        _words("date account_name total bcy_total reference_number customer_name created_time"),
        "created_time", "", "expense", comments_readable=True, party="vendor_name",
    ),
    Module(
        "creditnotes", "creditnote", "creditnote_id", "creditnote_number", "Credit note", "Credit Notes",
        (*_words("creditnote_id creditnote_number balance"), *_SALE),
        _words("customer_name creditnote_number balance total date created_time"),
        "created_time", "", "creditnote", comment_status=200,
    ),
    Module(
        "salesorders", "salesorder", "salesorder_id", "salesorder_number", "Sales order", "Sales Orders",
        (*_words("salesorder_id salesorder_number shipment_date"), *_SALE),
        _words("customer_name salesorder_number shipment_date total reference_number date created_time "
               "last_modified_time"),
        "created_time", "since", "salesorder", comment_status=201,
    ),
    Module(
        "estimates", "estimate", "estimate_id", "estimate_number", "Estimate", "Estimates",
        (*_words("estimate_id estimate_number expiry_date"), *_SALE),
        _words("customer_name estimate_number date total created_time last_modified_time"),
        "created_time", "", "estimate", comment_status=201,
    ),
    Module(  # no recorded answer is public: after the specification, and as poor as its neighbours
        "vendorcredits", "vendor_credit", "vendor_credit_id", "vendor_credit_number", "Vendor credit",
        "Vendor Credits",
        _words("""vendor_credit_id vendor_credit_number vendor_id vendor_name status reference_number date
            currency_id currency_code total balance created_time last_modified_time has_attachment"""),
        _words("vendor_name vendor_credit_number balance total date created_time"),
        "created_time", "", "vendor_credit", list_key="vendor_credits", scope="debitnotes", party="vendor_name",
    ),
)  # fmt: skip

MODULES = {
    each.plural: replace(each, list_key=each.list_key or each.plural, scope=each.scope or each.plural) for each in _ROWS
}

ENTITIES = {module.entity: module for module in MODULES.values()}
"""By what workflow rules call them."""

# What people and the product call the modules.
_ALIASES = {
    "purchase_order": "purchaseorders",
    "purchase_orders": "purchaseorders",
    "customer_payment": "customerpayments",
    "customerpayment": "customerpayments",
    "customer_payments": "customerpayments",
    "vendor_payment": "vendorpayments",
    "vendor_payments": "vendorpayments",
    "credit_note": "creditnotes",
    "sales_order": "salesorders",
    "vendorcredit": "vendorcredits",
    **{module.key: module.plural for module in MODULES.values()},
}


def module_named(name: str) -> Module:
    """A module by its path, singular or product name; raises KeyError."""
    return MODULES[_ALIASES.get(name, name)]


def list_row(module: Module, record: Mapping[str, object]) -> Record:
    """What a list shows of a record: no line items, no address detail beyond the invoice's, no payments."""
    invoices, bills = record.get("invoices"), record.get("bills")
    computed = {
        "current_sub_status": record.get("status", ""),
        "updated_time": record.get("last_modified_time", ""),
        "last_modified_time": record.get(module.modified_field, ""),
        "created_by": record.get("created_by_name", "Priya Nair"),
        "last_modified_by": "Priya Nair",
        "balance_due": record.get("balance", 0),
        "bcy_amount": record.get("amount", 0),
        "due_days": "",
        "has_attachment": False,
        "invoice_numbers": _numbers(invoices, "invoice_number"),
        "bill_numbers": _numbers(bills, "bill_number"),
        "payment_mode_formatted": str(record.get("payment_mode", "")).title(),
        "payment_type": "Invoice Payment",
        "applied_invoices": [],
    }
    return {key: computed.get(key, record.get(key, "")) for key in module.row}


def _numbers(rows: object, field: str) -> str:
    return ",".join(str(row[field]) for row in rows if field in row) if isinstance(rows, list) else ""
