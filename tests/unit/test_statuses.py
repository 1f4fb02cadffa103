"""Changes of status as events of their own: `invoice.paid` (contracts: zoho-books 2.2, 6.5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from ml_connector.errors import NotQueued
from ml_connector.events import Event, Version
from ml_connector.modules import EVENTS, MODULES
from ml_connector.statuses import asked, came_into, derive, learn, names
from tests.fakes import Known, delivery, record_of
from tests.unit.ingest.world import World, as_json, call, connection

PAID: Sequence[Mapping[str, Any]] = ({"events": ["invoice.paid"], "to": ["channel"]},)
KEY = "fjord#invoice#7310000000204811"


def webhook(status: str, at: str = "2026-10-21T16:03:02+0200", action: str = "updated") -> Any:
    record = {
        "invoice_id": "7310000000204811",
        "invoice_number": "FP-2026-0093",
        "customer_name": "Fjord & Pine Interiørs",
        "currency_code": "EUR",
        "total": 10,
        "status": status,
        "last_modified_time": at,
        "custom_fields": [],
    }
    return call(f"invoice.{action}", as_json({"invoice": record}))


def world(*events: str) -> World:
    """Its first route takes `events` to the channel; everything goes to the board."""
    routes = [{"events": list(events), "to": ["channel"]}, {"events": ["*"], "to": ["board"]}]
    return World(applied=connection(routes=routes))


def told(there: World, *calls: Any) -> list[tuple[str, ...]]:
    """What each call was told as, and to the channel only if its last name is a status."""
    accepted = [there.intake.receive(each, f"call-{number}") for number, each in enumerate(calls)]
    for each in accepted:
        places = [delivery.destination for delivery in each.deliveries]
        assert places == (["channel", "board"] if each.event.status == "paid" else ["board"])
    return [each.event.names for each in accepted]


@pytest.mark.parametrize(
    ("patterns", "module", "expected"),
    [
        (["invoice.paid"], "invoice", True),
        (["invoice.paid"], "bill", False),
        (["*.overdue"], "bill", True),
        (["*.overdue"], "customer_payment", False),
        (["invoice.p*"], "invoice", True),
        (["*"], "invoice", False),
        (["invoice.*"], "invoice", False),
        (["*.*d"], "invoice", False),
        (["invoice.created", "invoice.updated"], "invoice", False),
        (["*.created", "*.void"], "credit_note", True),
    ],
)
def test_only_a_route_that_names_a_status_asks_for_it(patterns: list[str], module: str, expected: bool) -> None:
    """What takes created, updated and deleted takes every change anyway: nothing needs to be known for it."""
    assert asked(connection(routes=[{"events": patterns, "to": ["board"]}]), module) is expected


def test_which_status_a_route_names() -> None:
    """Only that one: neither another of the module nor one that the module does not have."""
    place = connection(routes=[{"events": ["invoice.over*"], "to": ["board"]}, {"events": ["*"], "to": ["ledger"]}])
    named = [status for status in MODULES["invoice"].statuses if names(place, "invoice", status)]
    assert named == ["overdue"]
    assert not names(place, "invoice", "overdrawn")


def test_every_status_that_routes_can_name_is_derived() -> None:
    """No event in the list is one that can never happen."""
    for module, shape in MODULES.items():
        for status in shape.statuses:
            each = delivery(module=module, action="updated", **{shape.status[0]: status})
            assert came_into(each.event, record_of(each)).names == (f"{module}.updated", f"{module}.{status}")
            assert f"{module}.{status}" in EVENTS


def test_a_change_of_status_is_told_once() -> None:
    """Sent, then paid, then an edit of the paid invoice: only the second says that it was paid."""
    there = world("invoice.paid")
    assert told(
        there,
        webhook("sent", "2026-10-21T16:03:02+0200", "created"),
        webhook("paid", "2026-10-21T16:04:02+0200"),
        webhook("paid", "2026-10-21T16:05:02+0200"),
    ) == [("invoice.created", "invoice.sent"), ("invoice.updated", "invoice.paid"), ("invoice.updated",)]


def test_a_status_that_comes_back_is_told_again() -> None:
    """A payment is deleted and made anew: it is paid a second time. Statuses that are no events are remembered too."""
    there = world("invoice.paid")
    names = told(
        there,
        webhook("paid", "2026-10-21T16:03:02+0200"),
        webhook("pending_approval", "2026-10-21T16:04:02+0200"),
        webhook("Paid", "2026-10-21T16:05:02+0200"),
    )
    assert [each[-1] for each in names] == ["invoice.paid", "invoice.updated", "invoice.paid"]


def test_what_comes_late_changes_nothing_that_is_known() -> None:
    """An older version with the newest one's status says nothing new; one with another status may: it is told."""
    there = world("invoice.paid")
    told(there, webhook("paid", "2026-10-21T16:05:02+0200"))
    assert told(there, webhook("paid", "2026-10-21T16:04:02+0200")) == [("invoice.updated",)]
    there.intake.receive(webhook("sent", "2026-10-21T16:03:02+0200"), "call-9")
    assert there.known.rows[KEY][1] == "paid"


def test_the_other_routes_cost_no_look() -> None:
    """Ingest of a connection without such a route asks and keeps nothing."""
    there = world("invoice.*", "*")
    accepted = there.intake.receive(webhook("paid"), "call-1")
    assert accepted.event.names == ("invoice.updated",)
    assert (there.known.asked, there.known.learnt) == ([], [])


def test_it_is_learnt_after_it_is_queued() -> None:
    """A queue that takes nothing leaves nothing learnt: the repeated call is told as the change that it is."""
    there = world("invoice.paid")
    there.queue_is_up = False
    with pytest.raises(NotQueued):
        there.intake.receive(webhook("paid"), "call-1")
    assert there.known.learnt == []
    there.queue_is_up = True
    assert told(there, webhook("paid")) == [("invoice.updated", "invoice.paid")]
    assert there.known.learnt == ["paid"]


def test_a_crash_before_learning_tells_it_twice_and_never_loses_it() -> None:
    """The same call again makes the same deliveries, which the queue knows by their ids."""
    there = world("invoice.paid")
    first = there.intake.receive(webhook("paid"), "call-1")
    there.known.rows.clear()
    again = there.intake.receive(webhook("paid"), "call-2")
    assert [each.id for each in again.deliveries] == [each.id for each in first.deliveries]


def test_voided_is_void() -> None:
    """Zoho has two words; a route has one."""
    there = world("invoice.void")
    assert there.intake.receive(webhook("voided"), "call-1").event.names[-1] == "invoice.void"


def test_a_deletion_is_no_status() -> None:
    """It is an action: nothing is compared, and what was known stays."""
    each = delivery(action="deleted")
    known = Known({each.event.record_key: (Version("2026-11-22T07:00:00Z", "f"), "paid")})
    place = connection(routes=[{"events": ["invoice.paid"], "to": ["board"]}])
    assert derive(place, each.event, record_of(each), known) == each.event
    learn(place, each.event, record_of(each), known)
    assert (known.asked, known.learnt) == ([], [])


def test_an_event_without_a_status_is_called_by_its_action_alone() -> None:
    """`name` stays module and action, whatever else it is called: it is part of the delivery's key."""
    event = delivery(action="updated").event
    assert (event.name, event.names) == ("invoice.updated", ("invoice.updated",))
    paid: Event = came_into(event, record_of(delivery(action="updated", status="paid")))
    assert (paid.name, paid.names) == ("invoice.updated", ("invoice.updated", "invoice.paid"))
