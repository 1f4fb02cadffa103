"""Records of Zoho Books v3: lists with their quirks, full records, payments of a document, comments.

contracts: zoho-books 6.2 to 6.4 (reads), 7 (comments).
"""

from __future__ import annotations

import operator
from typing import Any

from sandbox.vendors import zoho_bookkeeping
from sandbox.vendors.wire import Answer, Call
from sandbox.vendors.world import World
from sandbox.vendors.zoho_api import (
    content_of,
    invalid,
    missing,
    need,
    not_allowed,
    nowhere,
    page_of,
    success,
    too_long,
)
from sandbox.vendors.zoho_modules import MODULES, Module, list_row
from sandbox.vendors.zoho_state import Organization, Record, ZohoAccess
from sandbox.vendors.zoho_time import moment

_COMMENT_CHARACTERS = 500  # the length Zoho takes is unpublished; we hold ourselves to this


def handle(world: World, call: Call, access: ZohoAccess, org: Organization, parts: tuple[str, ...]) -> Answer:
    """`/{module}`, `/{module}/{id}` and what lies below a record."""
    module = MODULES.get(parts[0]) if parts else None
    if module is None:
        raise nowhere()
    below = parts[1:]
    if below[1:] == ("comments",):
        return _comments(world, call, access, org, module, below[0])
    if below[1:] not in ((), ("payments",) if module.payments else ()):
        raise nowhere()
    if call.method != "GET":
        raise not_allowed()  # nobody but the bookkeeper writes records
    need(access, module.scope, "READ")
    if not below:
        return _list(call, org, module)
    if below[1:]:
        return success({"payments": _payments(org, module, below[0])})
    return success({module.key: record_of(org, module, below[0])})


def record_of(org: Organization, module: Module, record_id: str) -> Record:
    """One record; raises Refusal."""
    record = org.records.get(module.plural, {}).get(record_id)
    if record is None:
        raise missing(module.title)
    return record


def _payments(org: Organization, module: Module, record_id: str) -> list[Record]:
    """What was paid on an invoice or a bill."""
    record_of(org, module, record_id)
    paying, rows = ("customerpayments", "invoices") if module.plural == "invoices" else ("vendorpayments", "bills")
    return [
        {
            "payment_id": payment["payment_id"],
            "payment_number": payment["payment_number"],
            f"{module.key}_payment_id": row.get(f"{module.key}_payment_id", ""),
            module.id_field: record_id,
            "payment_mode": payment["payment_mode"],
            "date": payment["date"],
            "amount": row["amount_applied"],
            "reference_number": payment["reference_number"],
        }
        for payment in org.records.get(paying, {}).values()
        for row in payment.get(rows, ())
        if row.get(module.id_field) == record_id
    ]


# --- lists


def _list(call: Call, org: Organization, module: Module) -> Answer:
    records = _filtered(call, module, list(org.records.get(module.plural, {}).values()))
    # Unknown sort columns are ignored without a word, and purchase orders ignore A (contracts: zoho-books 6.3).
    column = call.param("sort_column")
    column = column if column in module.sortable else module.default_sort
    order = "A" if call.param("sort_order") == "A" and not module.always_descending else "D"
    records.sort(key=lambda record: _sort_key(module, record, column), reverse=order == "D")
    everything = "PaymentMode.All" if module.is_payment else "Status.All"
    shown, context = page_of(
        call,
        records,
        report_name=module.report,
        applied_filter=call.param("filter_by") or everything,
        custom_fields=[],
        sort_column=column,
        sort_order=order,
    )
    return success({module.list_key: [list_row(module, record) for record in shown], "page_context": context})


def _sort_key(module: Module, record: Record, column: str) -> tuple[Any, ...]:
    value = record.get(column, "")
    if column.endswith("_time") and value:
        value = moment(value)
    number = float(value) if isinstance(value, int | float) else 0.0
    return (number, str(value), int(record[module.id_field]))


_DATE_FILTERS = {
    "date_start": operator.ge,
    "date_end": operator.le,
    "date_before": operator.lt,
    "date_after": operator.gt,
}


def _filtered(call: Call, module: Module, records: list[Record]) -> list[Record]:
    """The supported filters; any other parameter is ignored silently (contracts: zoho-books 6.1, 6.3)."""
    asked = dict(call.query)
    for name in ("date", "customer_id", "vendor_id", "status", module.number_field):
        if name in asked:
            records = [record for record in records if str(record.get(name, "")) == asked[name]]
    kind, _, wanted = asked.get("filter_by", "").partition(".")
    field = {"Status": "status", "PaymentMode": "payment_mode"}.get(kind)
    if field and wanted and wanted != "All":
        records = [record for record in records if _plain(record.get(field, "")) == _plain(wanted)]
    if text := asked.get("search_text", "").lower():
        fields = (module.number_field, "reference_number", module.party)
        records = [one for one in records if any(text in str(one.get(name, "")).lower() for name in fields)]
    for name, keep in _DATE_FILTERS.items():
        if name in asked:
            records = [record for record in records if keep(str(record["date"]), asked[name])]
    if "last_modified_time" in asked and module.modified_filter:
        try:
            since = moment(asked["last_modified_time"])
        except ValueError:
            raise invalid("last_modified_time") from None
        exact = module.modified_filter == "exact"
        times = [(moment(record[module.modified_field]), record) for record in records]
        records = [record for at, record in times if (at == since if exact else at >= since)]
    return records


def _plain(word: object) -> str:
    return str(word).lower().replace("_", "").replace(" ", "")


# --- comments


def _comments(
    world: World, call: Call, access: ZohoAccess, org: Organization, module: Module, record_id: str
) -> Answer:
    """Read or add; payments take none, and repeats add repeats (contracts: zoho-books 7)."""
    if not module.comment_status and not module.comments_readable:
        raise nowhere()
    if call.method not in ("GET", "POST") or (call.method == "POST" and not module.comment_status):
        raise not_allowed()
    need(access, module.scope, "READ" if call.method == "GET" else "CREATE")
    record = record_of(org, module, record_id)
    if call.method == "GET":
        written = org.comments.get(record_id, ())
        return success({"comments": [*written, zoho_bookkeeping.system_comment(module, record)]})
    given = content_of(call)
    text, date = given.get("description"), given.get("expected_delivery_date", "")
    if not isinstance(text, str) or not text.strip():
        raise invalid("description")
    if len(text) > _COMMENT_CHARACTERS:
        raise too_long("description", _COMMENT_CHARACTERS)
    if module.plural == "purchaseorders" and (not isinstance(date, str) or _no_date(org, date)):
        raise invalid("expected_delivery_date")
    fields = {"expected_delivery_date": date} if module.plural == "purchaseorders" and date else {}
    comment = zoho_bookkeeping.comment(world, org, module, record_id, text, fields)
    content: Record = {"comment": comment} if module.comment_status == 201 else {}
    return success(content, module.comment_status, "Comments added.")


def _no_date(org: Organization, date: str) -> bool:
    return org.switches.order_comment_needs_date and not date
