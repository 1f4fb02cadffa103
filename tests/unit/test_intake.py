"""A call comes in: verify, translate, route, enqueue; only then answer (design 4)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ml_connector.errors import InboundRejected, NotQueued
from ml_connector.intake import MAX_BODY
from ml_connector.modules import ACTIONS, MODULES
from ml_connector.sources import Inbound
from tests.unit.ingest.world import (
    FORM,
    World,
    as_json,
    call,
    connection,
    fixture,
    secret_of,
    sign,
    token_of,
)


def refused(world: World, inbound: Inbound) -> tuple[int, str]:
    with pytest.raises(InboundRejected) as caught:
        world.intake.receive(inbound, "call-1")
    assert world.sent == []
    return caught.value.status, caught.value.reason


@pytest.mark.parametrize("event", [f"{name}.created" for name in ("invoice", "bill", "purchase_order")])
def test_every_destination_of_the_routes_gets_a_delivery(event: str) -> None:
    """One event, one delivery per destination, all with the same payload, in the queue before the answer."""
    world = World()
    accepted = world.intake.receive(call(event), "call-1")
    assert tuple(world.sent) == accepted.deliveries
    assert [each.destination for each in world.sent] == ["channel", "board"]
    assert accepted.event.name == event
    assert accepted.event.received_at == "2026-10-21T14:03:05.250000Z"
    assert accepted.event.correlation_id == "call-1"


def test_no_matching_route_is_accepted_without_a_delivery() -> None:
    """Zoho is not asked to repeat what nobody wants to hear."""
    world = World(applied=connection(routes=[{"events": ["bill.*"], "to": ["board"]}]))
    accepted = world.intake.receive(call(), "call-1")
    assert accepted.deliveries == ()
    assert world.sent == []


def test_what_the_queue_refuses_is_not_accepted() -> None:
    """Durable before acknowledged: the error goes on, and nothing is pretended."""
    world = World(queue_is_up=False)
    with pytest.raises(NotQueued):
        world.intake.receive(call(), "call-1")


@pytest.mark.parametrize(
    "token", ["", "x", "x" * 43, "../" + "x" * 40, "x" * 65, "ü" * 43, token_of("invoice.created") + "\n"]
)
def test_an_unknown_token_is_refused(token: str) -> None:
    """Whoever does not know an address learns nothing, and no secret is looked up."""
    world = World()
    assert refused(world, call(token=token)) == (404, "endpoint_unknown")
    assert world.lookups == []


@pytest.mark.parametrize(
    ("source", "token"),
    [
        ("monday", None),
        ("graph", None),
        ("", None),
        ("monday", token_of("monday.item")),
        ("zoho", token_of("monday.item")),
    ],
)
def test_a_token_belongs_to_its_source(source: str, token: str | None) -> None:
    """An address of one source is unknown under another's path, and a source that is not built yet takes nothing."""
    assert refused(World(), call(source=source, token=token)) == (404, "endpoint_unknown")


def test_a_call_replayed_to_another_path_is_refused() -> None:
    """The path is not signed, so each endpoint has its own secret (zoho-books 1.6)."""
    world = World()
    captured = call("invoice.created")
    world.intake.receive(captured, "call-1")
    world.sent.clear()
    for event in (f"{module}.{action}" for module in MODULES for action in ACTIONS):
        if event != "invoice.created":
            assert refused(world, replace(captured, token=token_of(event))) == (401, "signature_wrong")


def test_a_removed_connection_is_refused() -> None:
    """Its addresses lead nowhere any more."""
    assert refused(World(applied=None), call()) == (404, "connection_removed")


def test_a_secret_that_we_cannot_read_is_our_fault() -> None:
    """The endpoint is known, so Zoho is asked to repeat the call (503) rather than told that it is wrong."""
    world = World(stored={"invoice.created": ()})
    for signature in (None, sign("", call().body)):
        with pytest.raises(NotQueued, match=r"zoho\.invoice\.created"):
            world.intake.receive(call(signature=signature), "call-1")
    assert world.sent == []
    assert world.lookups == [("zoho.invoice.created", False), ("zoho.invoice.created", True)] * 2


def test_an_empty_secret_refuses_everybody() -> None:
    """No secret is not the same as any secret."""
    world = World(stored={"invoice.created": ("",)})
    assert refused(world, call(signature=sign("", call().body))) == (401, "signature_wrong")


def test_a_secret_that_this_process_does_not_know_yet_is_looked_for() -> None:
    """An endpoint may be younger than what is cached."""
    world = World(cached={"invoice.created": ()})
    assert len(world.intake.receive(call(), "call-1").deliveries) == 2


def test_both_secrets_work_while_one_replaces_the_other() -> None:
    """The old one until Zoho is changed, the new one from then on."""
    world = World(stored={"invoice.created": ("Old", "New")})
    for secret in ("Old", "New"):
        world.intake.receive(call(signature=sign(secret, call().body)), "call-1")
    assert [fresh for _, fresh in world.lookups] == [False, False]
    assert len(world.sent) == 4


def test_a_new_secret_works_before_the_cache_knows_it() -> None:
    """A rotation costs one fresh look-up, not an event."""
    world = World(cached={"invoice.created": ("Old",)}, stored={"invoice.created": ("Old", "New")})
    world.intake.receive(call(signature=sign("New", call().body)), "call-1")
    assert world.lookups == [("zoho.invoice.created", False), ("zoho.invoice.created", True)]
    assert len(world.sent) == 2


def test_a_forged_call_costs_one_fresh_look_up() -> None:
    """Not one per secret or per reading of the signature."""
    world = World()
    forged = call(query="a=1&b=2", content_type=FORM, signature=sign("guess", b"a1"))
    assert refused(world, forged) == (401, "signature_wrong")
    assert [fresh for _, fresh in world.lookups] == [False, True]


def test_an_oversized_body_is_refused_first() -> None:
    """Ten megabytes are neither hashed nor parsed, and nothing is looked up."""
    world = World()
    assert refused(world, call(body=b"x" * 10_000_000)) == (413, "body_too_large")
    assert world.lookups == []


def test_the_largest_body_is_taken() -> None:
    """The limit itself is allowed."""
    head, tail = b'{"invoice": {"invoice_id": "1", "notes": "', b'"}}'
    body = head + b"x" * (MAX_BODY - len(head) - len(tail)) + tail
    assert World().intake.receive(call(body=body), "call-1").deliveries
    assert refused(World(), call(body=body + b" ")) == (413, "body_too_large")


def test_nothing_unverified_is_parsed() -> None:
    """A wrong signature over a broken body is a wrong signature: the body is not looked at."""
    for body in (b"", b"[" * 100_000, b"\xff", b'{"organization_id": "1"}'):
        assert refused(World(), call(body=body, signature="a" * 64)) == (401, "signature_wrong")


def test_a_signed_query_is_verified_and_then_ignored() -> None:
    """A query takes part in the signature and in nothing else (zoho-books 1.6)."""
    body = fixture("invoice_created")
    text = b"eventbill.created" + body
    inbound = call(query="event=bill.created", signature=sign(secret_of("invoice.created"), text))
    assert World().intake.receive(inbound, "call-1").event.name == "invoice.created"


def test_an_update_and_a_duplicate_keep_their_names() -> None:
    """The same call twice gives the same deliveries: the queue and the delivery table see the duplicate."""
    world = World()
    first = world.intake.receive(call("invoice.updated"), "call-1")
    second = world.intake.receive(call("invoice.updated"), "call-2")
    assert [each.id for each in first.deliveries] == [each.id for each in second.deliveries]


def test_a_record_of_another_organization_is_refused() -> None:
    """The right secret does not make it ours."""
    body = as_json({"organization_id": "1", "invoice": {"invoice_id": "1"}})
    assert refused(World(), call(body=body)) == (422, "organization_mismatch")


PAID_TWO = as_json(
    {
        "payment": {
            "payment_id": "91", "payment_number": "P-9", "date": "2026-10-20", "customer_name": "Harbour Lane Bakery",
            "amount": 30, "currency_code": "EUR", "payment_status": "paid",
            "last_modified_time": "2026-10-21T14:03:00+0000",
            "invoices": [
                {"invoice_id": "11", "invoice_number": "INV-1", "amount_applied": 10},
                {"invoice_id": 12, "invoice_number": "INV-2", "amount_applied": 20},
                {"invoice_id": "11", "invoice_number": "INV-1", "amount_applied": 0},
                {"invoice_id": "../x", "invoice_number": "INV-3"},
            ],
        }
    }
)  # fmt: skip


@pytest.mark.parametrize("payments", ["own", "invoice", "both"])
def test_payment_brings_what_it_pays_up_to_date(payments: str) -> None:
    """On boards that show payments there: Zoho need not tell of a second part payment (zoho-books 3.2)."""
    board = {"type": "monday", "payments": payments}
    applied = connection(destinations={"channel": {"type": "teams"}, "board": board, "chef": {"type": "teams"}})
    world = World(applied=applied)
    world.intake.receive(call("customer_payment.created", PAID_TWO), "call-1")
    also = [each for each in world.sent if each.event.module == "invoice"]
    assert [(each.event.record_id, each.destination) for each in also] == (
        [] if payments == "own" else [("11", "board"), ("12", "board")]
    )
    assert all(each.event.payload is None and each.perhaps and each.event.action == "updated" for each in also)
    assert [each.destination for each in world.sent if each not in also] == ["channel", "board"]


def test_payment_that_comes_again_asks_for_the_same() -> None:
    """The queue tells a repetition by its key."""
    board = {"type": "monday", "payments": "both"}
    sent = []
    for _ in range(2):
        applied = connection(destinations={"channel": {"type": "teams"}, "board": board, "chef": {"type": "teams"}})
        world = World(applied=applied)
        world.intake.receive(call("customer_payment.created", PAID_TWO), f"call-{len(sent)}")
        sent.append([each.id for each in world.sent])
    assert sent[0] == sent[1]
