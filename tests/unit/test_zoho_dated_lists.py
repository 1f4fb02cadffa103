"""Zoho's lists by document date: what is asked for, and by which order (contracts: zoho-books 6.3)."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from ml_connector.modules import MODULES
from tests.fakes import ORGANIZATION, Says, connection
from tests.unit.test_zoho_vendor import books


@pytest.mark.parametrize("module", MODULES)
def test_documents_of_some_days_are_asked_for(module: str) -> None:
    """By documented parameters alone: for payments received no sort column is, and they come by date of themselves."""
    shape = MODULES[module]
    rows = [{shape.id_field: "1", "date": "2026-10-20"}, "no row"]
    zoho, wire = books(Says(200, {"code": 0, shape.list_keys[0]: rows, "page_context": {"has_more_page": True}}))
    page = zoho.dated(connection(), module, 3, "2026-10-01", "2026-10-31")
    assert (page.rows, page.more) == ((rows[0],), True)
    url = urlsplit(str(wire.calls[0].url))
    assert url.path == f"/books/v3/{shape.path}"
    order = {} if module == "customer_payment" else {"sort_column": ["date"]}
    assert parse_qs(url.query) == {
        "date_start": ["2026-10-01"],
        "date_end": ["2026-10-31"],
        "page": ["3"],
        "per_page": ["200"],
        "sort_order": ["D"],
        "organization_id": [ORGANIZATION],
        **order,
    }
