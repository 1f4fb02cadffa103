"""Who hears about what (design 6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ml_connector.events import Event
from ml_connector.records import Record, read
from ml_connector.routing import destinations_for, matches, routes_taken
from tests.unit.ingest.world import connection

PAYLOAD: Mapping[str, Any] = {
    "invoice_id": "1",
    "customer_name": "Straße & Söhne [North]",
    "currency_code": "EUR",
    "total": "10000.00",
    "status": "Partially_Paid",
    "custom_fields": [{"api_name": "cf_cost_centre", "value": "HAM-2"}],
}


def invoice(**changes: Any) -> Record:
    return read("invoice", {**PAYLOAD, **changes})


def event(name: str = "invoice.created") -> Event:
    module, _, action = name.partition(".")
    record = invoice()
    return Event("fjord", module, record.id, action, record.version, "webhook", "", "", PAYLOAD)


def meets(when: Mapping[str, Any], **changes: Any) -> bool:
    return matches({"events": ["*"], "when": when, "to": ["x"]}, "invoice.created", invoice(**changes))


@pytest.mark.parametrize(
    ("patterns", "name", "match"),
    [
        (["*"], "bill.updated", True),
        (["invoice.*"], "invoice.updated", True),
        (["invoice.*"], "bill.updated", False),
        (["*.created"], "vendor_payment.created", True),
        (["invoice.created"], "invoice.updated", False),
        (["bill.*", "*_payment.created"], "customer_payment.created", True),
    ],
)
def test_event_patterns(patterns: list[str], name: str, match: bool) -> None:
    """A route names events exactly or with *."""
    assert matches({"events": patterns, "to": ["x"]}, name, invoice()) is match


@pytest.mark.parametrize(
    ("when", "match"),
    [
        ({}, True),
        ({"min_amount": "10000"}, True),
        ({"min_amount": "10000.01"}, False),
        ({"max_amount": "10000"}, True),
        ({"max_amount": "9999.99"}, False),
        ({"currency": ["EUR", "USD"]}, True),
        ({"currency": ["USD"]}, False),
        ({"status": ["partially_paid"]}, True),
        ({"status": ["paid"]}, False),
        ({"party": ["strasse & söhne [north]"]}, True),
        ({"party": ["strasse*"]}, True),
        ({"party": ["*söhne*"]}, True),
        ({"party": ["strasse & s?hne*"]}, False),
        ({"party": ["*[n]*"]}, False),
        ({"custom": {"cf_cost_centre": ["HAM-1", "HAM-2"]}}, True),
        ({"custom": {"cf_cost_centre": ["HAM-1"]}}, False),
        ({"custom": {"cf_other": [""]}}, False),
        ({"min_amount": "1", "currency": ["USD"]}, False),
    ],
)
def test_conditions(when: Mapping[str, Any], match: bool) -> None:
    """All conditions of a route must hold; case is ignored where people type words, and only * is special."""
    assert meets(when) is match


def test_a_missing_amount_meets_no_amount_rule() -> None:
    """Nothing is neither small nor large."""
    assert not meets({"min_amount": "0"}, total="")
    assert not meets({"max_amount": "0"}, total="")


def test_an_unknown_condition_is_our_fault() -> None:
    """The model refuses what is not known here; if it did not, nothing is quietly ignored."""
    with pytest.raises(AssertionError, match="unknown condition"):
        meets({"weather": ["rain"]})


ROUTES = [
    {"events": ["bill.*"], "to": ["board"]},
    {"events": ["invoice.*"], "to": ["board", "channel"]},
    {"events": ["*"], "to": ["channel", "chef"]},
]


def test_all_routes_add_up() -> None:
    """Every matching route counts, and a destination hears of an event once."""
    at = connection(routes=ROUTES)
    assert routes_taken(at, event(), invoice()) == (1, 2)
    assert destinations_for(at, event(), invoice()) == ("board", "channel", "chef")


def test_the_first_route_only() -> None:
    """With routing = "first" the file reads from top to bottom."""
    at = connection(routes=ROUTES, routing="first")
    assert routes_taken(at, event(), invoice()) == (1,)
    assert destinations_for(at, event(), invoice()) == ("board", "channel")


def test_no_route_no_destination() -> None:
    """An event that nobody asked for goes nowhere."""
    assert destinations_for(connection(routes=ROUTES[:1]), event(), invoice()) == ()


def test_a_module_that_is_no_longer_carried_goes_nowhere() -> None:
    """Its address still works after the module was taken out of the file; its events are not delivered."""
    at = connection(zoho={"region": "eu", "organization_id": "60018273645", "modules": ["bill"]})
    assert destinations_for(at, event(), invoice()) == ()
