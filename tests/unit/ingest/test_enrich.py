"""What a webhook does not say: fetched before it is delivered, or shown as not given (`enrich`); and deletions."""

from __future__ import annotations

from typing import Any

import pytest

from ml_connector.errors import InboundRejected
from ml_connector.events import Delivery
from ml_connector.intake import Accepted
from tests.unit.ingest.world import ORGANIZATION, World, as_json, call, connection, fixture

WHOLE: dict[str, Any] = {
    "invoice_id": "7310000000204811",
    "invoice_number": "FP-2026-0093",
    "customer_name": "Fjord & Pine Interiørs",
    "currency_code": "EUR",
    "total": "18240.75",
    "status": "sent",
    "custom_fields": [],
    "last_modified_time": "2026-10-05T09:12:44+0200",
}
LARGE = {"events": ["invoice.*"], "when": {"min_amount": "10000"}, "to": ["chef"]}


def received(
    enrich: str = "missing",
    *,
    event: str = "invoice.updated",
    routes: Any = None,
    at: World | None = None,
    **changes: Any,
) -> Accepted:
    record = {name: value for name, value in {**WHOLE, **changes}.items() if value is not None}
    zoho = {"region": "eu", "organization_id": ORGANIZATION, "modules": ["invoice"], "enrich": enrich}
    world = at or World(applied=connection(zoho=zoho, routes=routes or [{"events": ["*"], "to": ["board"]}]))
    return world.intake.receive(call(event, as_json({"invoice": record})), "call-1")


def thin(deliveries: tuple[Delivery, ...]) -> bool:
    assert deliveries
    assert len({each.event.payload is None for each in deliveries}) == 1
    return deliveries[0].event.payload is None


LACKING = ["invoice_number", "customer_name", "total", "status", "currency_code"]


@pytest.mark.parametrize("field", LACKING)
@pytest.mark.parametrize("nothing", [None, "", "  ", [], {}])
def test_what_people_must_see_is_fetched(field: str, nothing: Any) -> None:
    """Left out, null or empty are the same: Zoho is asked before anything is sent."""
    assert thin(received(**{field: nothing}).deliveries)


def test_a_whole_record_is_not_fetched_again() -> None:
    """A webhook that says it all costs no call of Zoho's quota."""
    assert not thin(received().deliveries)


@pytest.mark.parametrize(("enrich", "whole", "lacking"), [("always", True, True), ("never", False, False)])
def test_the_connection_decides(enrich: str, whole: bool, lacking: bool) -> None:
    """`always` trusts no payload; `never` shows what is missing as not given."""
    assert thin(received(enrich).deliveries) is whole
    assert thin(received(enrich, total=None).deliveries) is lacking


def test_a_fetch_for_each_event_that_tells_no_version() -> None:
    """Two changes of which nothing but the id is told are two: the queue must not take the second for the first."""
    world = World()
    bare = call("invoice.updated", as_json({"invoice_id": "1"}))
    one, two = (world.intake.receive(bare, f"call-{number}").deliveries[0] for number in range(2))
    assert one.id != two.id
    assert one.event.version.at == two.event.version.at == ""
    dated = (received(total=None).deliveries[0] for _ in range(2))
    assert len({each.id for each in dated}) == 1, "with a time it is the same version"


# --- routes that look at what is lacking -------------------------------------------------------------------------


def test_a_route_that_cannot_be_decided_is_taken_for_now() -> None:
    """The amount is not told, so the fetched record decides; what is told decides at once."""
    (delivery,) = received(routes=[LARGE], total=None).deliveries
    assert (delivery.destination, delivery.perhaps, thin((delivery,))) == ("chef", True, True)
    assert received(routes=[LARGE], total="9999.99").deliveries == ()
    (sure,) = received(routes=[LARGE], invoice_number=None).deliveries
    assert not sure.perhaps


def test_without_enrich_a_missing_amount_meets_no_amount_rule() -> None:
    """As the file says: nothing is fetched, and nothing is guessed."""
    assert received("never", routes=[LARGE], total=None).deliveries == ()


def test_a_custom_field_that_was_not_sent_is_fetched_only_if_a_route_asks() -> None:
    """The record lacks nothing that people must see; but where it goes hinges on it."""
    by_branch = {"events": ["*"], "when": {"custom": {"cf_branch": ["HAM"]}}, "to": ["chef"]}
    assert received(routes=[by_branch]).deliveries == (), "an empty list is an answer"
    (delivery,) = received(routes=[by_branch], custom_fields=None).deliveries
    assert delivery.perhaps
    assert thin((delivery,))
    assert not thin(received(custom_fields=None).deliveries)


def test_a_status_that_was_not_sent_may_be_any() -> None:
    """A route for `invoice.paid` hears of an update that does not say its status."""
    (delivery,) = received(routes=[{"events": ["invoice.paid"], "to": ["chef"]}], status=None).deliveries
    assert delivery.perhaps
    assert received("never", routes=[{"events": ["invoice.paid"], "to": ["chef"]}], status=None).deliveries == ()


def test_with_the_first_route_only_those_after_a_doubtful_one_are_taken_too() -> None:
    """Each of them may turn out to be the first that matches; those after a sure one cannot."""
    routes = [LARGE, {"events": ["*"], "to": ["board"]}, {"events": ["*"], "to": ["channel"]}]
    zoho = {"region": "eu", "organization_id": ORGANIZATION, "modules": ["invoice"]}
    world = World(applied=connection(zoho=zoho, routes=routes, routing="first"))
    deliveries = received(at=world, total=None).deliveries
    assert [(each.destination, each.perhaps) for each in deliveries] == [("chef", True), ("board", True)]


# --- deletions ---------------------------------------------------------------------------------------------------


def test_a_deletion_is_the_last_version() -> None:
    """The body holds the id alone; the version is when we heard of it, and nothing is fetched."""
    world = World()
    body = as_json({"invoice": {"invoice_id": "7310000000204811"}})
    accepted = world.intake.receive(call("invoice.deleted", body), "call-1")
    assert accepted.event.name == "invoice.deleted"
    assert str(accepted.event.version) == "2026-10-21T14:03:05Z~deleted"
    assert accepted.record.status == "deleted"
    assert not thin(accepted.deliveries)
    before = world.intake.receive(call("invoice.updated"), "call-2")
    assert before.event.version.older_than(accepted.event.version)


def test_a_deletion_goes_wherever_the_record_may_be() -> None:
    """Conditions look at what a deletion does not say: whoever has nothing of the record skips it."""
    routes = [LARGE, {"events": ["*.deleted"], "when": {"status": ["draft"]}, "to": ["channel"]}]
    accepted = received(event="invoice.deleted", routes=routes, **dict.fromkeys(set(WHOLE) - {"invoice_id"}))
    assert [(each.destination, each.perhaps) for each in accepted.deliveries] == [("chef", False), ("channel", False)]
    assert received("never", event="invoice.deleted", routes=routes, total=None).deliveries


def test_a_route_for_other_events_hears_of_no_deletion() -> None:
    """It names what it wants."""
    routes = [{"events": ["invoice.created", "invoice.paid"], "to": ["chef"]}]
    assert (
        received(event="invoice.deleted", routes=routes, **dict.fromkeys(set(WHOLE) - {"invoice_id"})).deliveries == ()
    )


def test_a_deletion_needs_an_id() -> None:
    """It marks one record or none."""
    with pytest.raises(InboundRejected, match="invoice_id is missing"):
        World().intake.receive(call("invoice.deleted", as_json({"invoice": {"invoice_id": ""}})), "call-1")


def test_fixtures_say_it_all() -> None:
    """The usual payloads of the suite are whole: their events keep their payload."""
    for name in ("invoice_created", "bill_created", "purchase_order_created", "customer_payment_created"):
        module, _, action = name.rpartition("_")
        assert not thin(World().intake.receive(call(f"{module}.{action}", fixture(name)), "c").deliveries)
