"""Who hears about what (design 6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_connector.config.model import Conditions
from ml_connector.events import DELETED, Event
from ml_connector.records import Record, deleted, read
from ml_connector.routing import Check, destinations_for, explain, matches, routes_taken, unsaid_by
from tests.unit.ingest.world import connection

PAYLOAD: Mapping[str, Any] = {
    "invoice_id": "1",
    "customer_name": "Straße & Söhne [North]",
    "currency_code": "EUR",
    "total": "10000.00",
    "status": "Partially_Paid",
    "exchange_rate": "1.25",
    "location_name": "Lyon Part-Dieu",
    "custom_fields": [{"api_name": "cf_cost_centre", "value": "HAM-2"}],
}


def invoice(**changes: Any) -> Record:
    return read("invoice", {**PAYLOAD, **changes})


def event(name: str = "invoice.created") -> Event:
    module, _, action = name.partition(".")
    record = invoice()
    return Event("fjord", module, record.id, action, record.version, "webhook", "", "", PAYLOAD)


def meets(when: Mapping[str, Any], **changes: Any) -> bool:
    return matches({"events": ["*"], "when": when, "to": ["x"]}, event(), invoice(**changes))


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
    assert matches({"events": patterns, "to": ["x"]}, event(name), invoice()) is match


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
        ({"custom": {"cf_cost_centre": ["ham-*"]}}, True),
        ({"custom": {"cf_cost_centre": ["HAM-2"], "cf_other": ["*"]}}, False),
        ({"status": ["PARTIALLY_PAID"]}, True),
        ({"party": ["STRASSE & Söhne [North]"]}, True),
        ({"office": ["Berlin", "LYON*"]}, True),
        ({"office": ["Lyon"]}, False),
        ({"office": ["Berlin", "Paris*"]}, False),
        ({"min_base_amount": "12500"}, True),
        ({"min_base_amount": "12500.01"}, False),
        ({"max_base_amount": "12500"}, True),
        ({"max_base_amount": "12499.99"}, False),
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
    assert not meets({"min_base_amount": "0"}, exchange_rate="")
    assert not meets({"max_base_amount": "99999999"}, exchange_rate="")


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


# --- offices -----------------------------------------------------------------------------------------------------


def test_branches_are_offices_too() -> None:
    """Organizations from before Zoho had locations have branches; where both are named, the location counts."""
    assert meets({"office": ["Berlin"]}, location_name="", branch_name="Berlin")
    assert not meets({"office": ["Berlin"]}, branch_name="Berlin")


def test_an_office_that_nobody_names_is_unsaid() -> None:
    """Rows of lists, and perhaps webhooks, do not have it: the full record decides. An empty one is an answer."""
    bare = {name: value for name, value in PAYLOAD.items() if name != "location_name"}
    assert unsaid_by(read("invoice", bare)) == {"office"}
    assert unsaid_by(read("invoice", {**bare, "branch_name": ""})) == frozenset()
    route = {"events": ["*"], "when": {"office": ["Berlin"]}, "to": ["x"]}
    assert matches(route, event(), read("invoice", bare), {"office"})
    assert not matches(route, event(), read("invoice", bare))


def test_only_what_routes_look_at_is_missed() -> None:
    """What no route asks for costs nothing; a status may stand in a route's events."""
    nothing = read("invoice", {"invoice_id": "1"})
    routes = [{"events": ["*"], "to": ["x"]}, {"events": ["*"], "when": {"office": ["Berlin"]}, "to": ["x"]}]
    assert unsaid_by(nothing, routes) == {"office", "status"}
    assert unsaid_by(nothing, routes[:1]) == {"status"}
    assert unsaid_by(invoice(), routes) == frozenset()


# --- why ---------------------------------------------------------------------------------------------------------


def test_the_file_can_say_all_conditions_and_no_other() -> None:
    """What the model takes, routing knows."""
    nothing = deleted("invoice", {"invoice_id": "1"})
    assert unsaid_by(nothing) == set(Conditions.model_fields)


def test_each_rule_with_both_values() -> None:
    """Also after the first that is not met: whoever changes a route wants to know all of it."""
    route = {"events": ["bill.*"], "when": {"min_amount": "10000.01", "currency": ["EUR"]}, "to": ["x"]}
    record = invoice()
    assert explain(route, event(), record) == (
        Check("events", ["bill.*"], ("invoice.created",), said=True, met=False),
        Check("min_amount", "10000.01", record.amount, said=True, met=False),
        Check("currency", ["EUR"], "EUR", said=True, met=True),
    )


def test_what_is_unsaid_counts_as_met_and_is_marked() -> None:
    """It is not the same as being met."""
    route = {"events": ["*"], "when": {"currency": ["USD"]}, "to": ["x"]}
    *_, check = explain(route, event(), invoice(), {"currency"})
    assert (check.said, check.met) == (False, True)


_ROUTES = st.fixed_dictionaries(
    {
        "events": st.lists(st.sampled_from(["*", "invoice.*", "*.created", "bill.*", "invoice.paid"]), min_size=1),
        "when": st.fixed_dictionaries(
            {},
            optional={
                "min_amount": st.sampled_from(["1", "10000", "20000"]),
                "max_base_amount": st.sampled_from(["1", "12500", "20000"]),
                "currency": st.sampled_from([["EUR"], ["USD"]]),
                "status": st.sampled_from([["partially_paid"], ["paid"]]),
                "party": st.sampled_from([["*north*"], ["acme"]]),
                "office": st.sampled_from([["lyon*"], ["Berlin"]]),
                "custom": st.sampled_from([{"cf_cost_centre": ["HAM-2"]}, {"cf_none": ["*"]}]),
            },
        ),
        "to": st.just(["x"]),
    }
)


@given(_ROUTES, st.sampled_from(["invoice.created", "invoice.updated", f"invoice.{DELETED}"]))
def test_the_rules_that_are_named_are_the_reason(route: dict[str, Any], name: str) -> None:
    """Without what is said to be unmet the route matches, and with any one of it it does not."""
    happened, record = event(name), invoice()
    unmet = {check.name for check in explain(route, happened, record) if not check.met}
    assert matches(route, happened, record) is not bool(unmet)
    kept = {name: wanted for name, wanted in route["when"].items() if name not in unmet}
    eased = {**route, "when": kept, **({"events": ["*"]} if "events" in unmet else {})}
    assert matches(eased, happened, record)
    for each in unmet - {"events"}:
        assert not matches({**eased, "when": {**kept, each: route["when"][each]}}, happened, record)
