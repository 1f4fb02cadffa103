"""The stand-in's Zoho records have the shape of the recorded samples."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.vendors import default_world as w
from sandbox.vendors.cards import contracts
from sandbox.vendors.world import World
from sandbox.vendors.zoho_modules import MODULES, list_row
from sandbox.vendors.zoho_records import new_record

SAMPLES = contracts() / "samples" / "zoho"
GETS = {
    "invoices": "api_get_invoice.json",
    "bills": "api_get_bill.json",
    "purchaseorders": "api_get_purchaseorder.json",
    "customerpayments": "api_get_customerpayment.json",
    "vendorpayments": "api_get_vendorpayment.json",
    "expenses": "api_get_expense.json",
    "creditnotes": "api_get_creditnote.json",
    "salesorders": "api_get_salesorder.json",
    "estimates": "api_get_estimate.json",
}
LISTS = {
    "invoices": "api_list_invoices_page1.json",
    "bills": "api_list_bills.json",
    "purchaseorders": "api_list_purchaseorders.json",
    "customerpayments": "api_list_customerpayments.json",
    "vendorpayments": "api_list_vendorpayments.json",
}
# Documented in the contracts (6.4, 6.5) though the samples leave them out.
ALSO = {
    "invoices": {"billing_address", "company_name", "shipping_address", "current_sub_status", "custom_field_hash",
                 "invoice_source"},
}  # fmt: skip


def _sample(name: str) -> Any:
    path = SAMPLES / name
    if not path.is_file():
        pytest.skip("the vendor contracts do not lie beside this repository")
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("plural", GETS)
def test_full_records_have_no_field_of_their_own(plural: str) -> None:
    """What the stand-in sends, Zoho sends: below the same key, under the same names, of the same kind."""
    module = MODULES[plural]
    sample = _sample(GETS[plural])[module.key]
    world = World(w.seed())
    lines = (
        {}
        if plural in ("customerpayments", "vendorpayments", "expenses")
        else {"line_items": [{"name": "Box", "rate": 1, "quantity": 2}]}
    )
    record = new_record(world, world.zoho.organizations[w.ZOHO_ORGANIZATION], module, lines)
    assert set(record) <= set(sample)
    for name, value in record.items():
        if value not in ("", None) and sample.get(name) not in ("", None):
            assert isinstance(value, str) == isinstance(sample[name], str), name
    for line in record.get("line_items", ()):
        assert set(line) <= set(sample["line_items"][0])


@pytest.mark.parametrize("plural", LISTS)
def test_list_rows_have_no_field_of_their_own(plural: str) -> None:
    """A row shows what a recorded row shows."""
    module = MODULES[plural]
    sample = _sample(LISTS[plural])
    world = World(w.seed())
    row = list_row(module, new_record(world, world.zoho.organizations[w.ZOHO_ORGANIZATION], module, {}))
    assert set(row) - set(sample[plural][0]) <= ALSO.get(plural, set())
    assert {"line_items", "payments"}.isdisjoint(row)
