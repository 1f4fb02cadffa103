"""A record is deleted in Zoho: what is there is marked, what is not there is left alone, and nothing comes after it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ml_connector.errors import Gone, RetryLater, Undeliverable, Unknown
from ml_connector.events import DELETED, Delivery, Version
from ml_connector.ports import Memory
from ml_connector.rows import superseded
from tests.fakes import Desk, ModelVendor, delivery, payload

KEY = ("acme-eu#invoice#460000000098765", "ledger")
ID = "460000000098765"


def gone(destination: str = "ledger", at: str = "2026-11-22T08:00:00.000000Z") -> Delivery:
    """The deletion, heard of at `at`."""
    each = delivery(destination, action="deleted")
    return replace(each, event=replace(each.event, version=Version.deletion(at)))


@pytest.fixture
def desk() -> Desk:
    return Desk()


def carry(desk: Desk, each: Delivery) -> tuple[str, str]:
    result = desk.courier().carry(each)
    return result.outcome, result.reason


def carry_late(desk: Desk, each: Delivery) -> tuple[str, str]:
    """More than a minute after it was first tried."""
    result = desk.courier().carry(each, 2, desk.clock() - timedelta(seconds=61))
    return result.outcome, result.reason


# --- what is there -----------------------------------------------------------------------------------------------


def test_what_is_there_is_marked(desk: Desk) -> None:
    """The item stays and says that it is deleted; the trail knows the number, which a deletion does not tell."""
    desk.courier().carry(delivery())
    assert carry(desk, gone()) == ("delivered", "")
    assert desk.vendor.items == {"item-1": "deleted"}
    entry = desk.audit.entries[-1]
    assert (entry.event, entry.outcome, entry.number) == ("invoice.deleted", "delivered", "INV-000412")
    assert desk.vendor.requests[-1].about == "Invoice INV-000412"
    assert desk.deliveries.faults() == []


def test_nothing_comes_after_it(desk: Desk) -> None:
    """An update that was under way, the same deletion again, and a second one are all skipped, without a call."""
    desk.courier().carry(delivery())
    desk.courier().carry(gone())
    for late in (delivery(action="updated", status="paid"), gone(), gone(at="2026-11-22T09:00:00.000000Z")):
        assert carry(desk, late)[0] == "skipped"
    assert desk.vendor.items == {"item-1": "deleted"}
    assert len(desk.vendor.requests) == 2


@pytest.mark.parametrize("modified", ["2026-11-22T09:00:00+0100", "2026-11-22T09:00:03+0100"])
def test_clocks_that_disagree_do_not_bring_it_back(desk: Desk, modified: str) -> None:
    """Our clock may be behind Zoho's: a change of the same second or of a later one is looked up before it is sent."""
    desk.courier().carry(delivery())
    desk.courier().carry(gone())
    assert carry(desk, delivery(action="updated", modified=modified)) == (
        "skipped", "duplicate: this version is already there",
    )  # fmt: skip
    assert desk.vendor.items == {"item-1": "deleted"}


def test_a_deletion_is_newer_than_anything(desk: Desk) -> None:
    """Even than what Zoho's clock says is of a later second: it is final."""
    desk.courier().carry(delivery(modified="2026-11-22T09:00:05+0100"))
    assert carry(desk, gone()) == ("delivered", "")


def test_a_record_that_is_there_after_all_is_shown_again(desk: Desk) -> None:
    """A deletion that somebody made up, or that Zoho took back: what Zoho gives is what people see."""
    desk.courier().carry(delivery())
    desk.courier().carry(gone())
    newer = delivery(action="updated", modified="2026-11-22T10:00:00+0100", status="paid")
    assert newer.event.payload is not None
    desk.books.records["invoice", ID] = newer.event.payload
    assert carry(desk, newer) == ("delivered", "")
    assert desk.vendor.items == {"item-1": "paid"}


@pytest.mark.parametrize(
    ("fault", "later"),
    [(RetryLater("busy", 5), {"item-1": "sent"}), (("after", Unknown("no answer")), {"item-1": "deleted"})],
)
def test_a_deletion_is_tried_like_everything_else(desk: Desk, fault: Any, later: dict[str, str]) -> None:
    """A busy vendor gets it later; what may have happened is made again."""
    desk.courier().carry(delivery())
    desk.vendor.faults = [fault]
    with pytest.raises(RetryLater):
        desk.courier().carry(gone())
    assert desk.vendor.items == later
    assert carry(desk, delivery(action="updated"))[0] == "skipped", "the version that is there already"
    assert carry(desk, gone()) == ("delivered", "")
    assert desk.vendor.items == {"item-1": "deleted"}


def test_an_older_update_does_not_overtake_a_deletion_under_way(desk: Desk) -> None:
    """The deletion got no answer and may be there: an update of before it is looked up, and marks it itself."""
    desk.courier().carry(delivery())
    desk.vendor.faults = [("after", Unknown("no answer"))]
    with pytest.raises(RetryLater):
        desk.courier().carry(gone())
    assert carry(desk, delivery(action="updated", modified="2026-11-22T08:59:00+0100", status="paid"))[0] == "delivered"
    assert desk.vendor.items == {"item-1": "deleted"}


# --- what is not there -------------------------------------------------------------------------------------------


def test_nothing_there_is_nothing_to_mark(desk: Desk) -> None:
    """No item is made to say that there is none; the trail says why nothing was sent."""
    assert carry(desk, gone()) == ("skipped", "deleted in Zoho: nothing of it is there to mark")
    assert (desk.vendor.items, desk.vendor.requests, desk.audit.outcomes) == ({}, [], ["skipped"])
    assert desk.deliveries.faults() == []


def test_what_was_created_before_and_comes_late_is_skipped(desk: Desk) -> None:
    """Webhooks have no order: the deletion may be here first."""
    desk.courier().carry(gone())
    assert carry(desk, delivery()) == ("skipped", "out of order: a newer version is already there")
    assert carry(desk, gone())[0] == "skipped"
    assert desk.vendor.items == {}


def test_what_a_person_removed_needs_no_mark(desk: Desk) -> None:
    """The item is gone from the board: a deletion does not make it anew."""
    desk.courier().carry(delivery())
    desk.vendor.faults = [Gone("a person deleted it")]
    assert carry(desk, gone()) == ("skipped", "deleted in Zoho: nothing of it is there to mark")
    assert desk.vendor.creates == 1
    row = desk.deliveries.rows[KEY]
    assert (row.state, row.external_id, row.lease_until, row.version) == ("done", "", "", gone().event.version)
    assert carry(desk, delivery(action="updated", status="paid"))[0] == "skipped"


def test_a_create_that_was_refused_is_not_sent_any_more(desk: Desk) -> None:
    """It is parked; the record was deleted meanwhile, so that sending it again finds nothing to do."""
    desk.vendor.faults = [Undeliverable("the board is full")]
    assert carry(desk, delivery())[0] == "parked"
    assert carry(desk, gone())[0] == "skipped"
    assert carry(desk, delivery(origin="replay"))[0] == "skipped"
    assert desk.vendor.items == {}


def test_an_unanswered_create_is_settled_first(desk: Desk) -> None:
    """What may be there is looked for before anybody says that nothing is."""
    desk.vendor.faults = [("after", Unknown("no answer"))]
    with pytest.raises(RetryLater):
        desk.courier().carry(delivery())
    assert carry(desk, gone()) == ("delivered", "")
    assert desk.vendor.items == {"item-1": "deleted"}
    assert desk.audit.outcomes == ["unknown", "delivered", "delivered"]


def test_a_destination_that_cannot_be_asked_asks_a_person(desk: Desk) -> None:
    """A post without an answer may stand in the channel: its deletion is parked until somebody has looked."""
    desk = Desk(vendor=ModelVendor(desk.clock, keys=False))
    desk.vendor.faults = [("after", Unknown("no answer"))]
    with pytest.raises(RetryLater):
        desk.courier().carry(delivery())
    outcome, reason = carry(desk, gone())
    assert (outcome, "Look there" in reason) == ("parked", True)


# --- what Zoho does not have any more ----------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["created", "updated"])
def test_a_fetch_that_finds_nothing_is_a_deletion(desk: Desk, action: str) -> None:
    """The webhook told too little, and the record is gone by now (code 1002): nothing is parked."""
    assert carry_late(desk, delivery(action=action, thin=True))[0] == "skipped"
    assert desk.parked.reasons == []
    desk.courier().carry(delivery(invoice_id="77"))
    assert carry_late(desk, delivery(action=action, thin=True, invoice_id="77", status="paid"))[0] == "delivered"
    assert desk.vendor.items == {"item-1": "deleted"}
    assert desk.audit.entries[-1].event == "invoice.deleted"


def test_what_zoho_does_not_show_yet_is_not_deleted(desk: Desk) -> None:
    """A webhook can be here before Zoho's own reading knows of the record: it is looked for again after a minute."""
    new = delivery(thin=True)
    with pytest.raises(RetryLater) as caught:
        desk.courier().carry(new)
    assert (caught.value.after, "or not yet" in str(caught.value)) == (60, True)
    assert (desk.vendor.items, desk.deliveries.rows[KEY].version, desk.audit.outcomes) == ({}, None, ["retry"])
    desk.books.records["invoice", ID] = payload()
    assert carry_late(desk, new) == ("delivered", "")
    assert desk.vendor.items == {"item-1": "sent"}


def test_the_minute_counts_from_the_first_attempt(desk: Desk) -> None:
    """However long the message was in the queue: only who looked, and looked again, knows."""
    first = desk.clock()
    for after, left in ((0, 60), (40, 20), (59, 1)):
        desk.clock.now = first + timedelta(seconds=after)
        with pytest.raises(RetryLater) as caught:
            desk.courier().carry(delivery(thin=True), 2, first)
        assert caught.value.after == left
    desk.clock.now = first + timedelta(seconds=60)
    assert desk.courier().carry(delivery(thin=True), 3, first).outcome == "skipped"


def test_how_long_zoho_is_doubted_is_the_couriers(desk: Desk) -> None:
    """The sandbox does not wait for a minute; what is there by then is delivered all the same."""
    courier = replace(desk.courier(), missing=timedelta(seconds=5))
    with pytest.raises(RetryLater) as caught:
        courier.carry(delivery(thin=True))
    assert caught.value.after == 5
    first = desk.clock()
    desk.clock.advance(5)
    assert courier.carry(delivery(thin=True), 2, first).outcome == "skipped"


def test_zoho_out_of_reach_is_no_deletion(desk: Desk) -> None:
    """Only a record that Zoho says it does not have is one."""
    desk.books.broken["invoice"] = RetryLater("Zoho answered 500", status=500)
    with pytest.raises(RetryLater):
        desk.courier().carry(delivery(thin=True))
    desk.books.broken["invoice"] = Undeliverable("Zoho refuses it", 400)
    assert carry(desk, delivery(thin=True))[0] == "parked"


def test_the_rule_of_versions() -> None:
    """A deletion is skipped only where there is one; what is older than one is skipped like anything older."""
    before, deletion = Version("2026-11-22T07:50:00Z", "aa"), Version.deletion("2026-11-22T08:00:00.123456Z")
    assert str(deletion) == "2026-11-22T08:00:00Z~deleted"
    assert Version.parse(str(deletion)).deletes
    assert superseded(deletion, before) == superseded(deletion, None) == ""
    assert superseded(deletion, Version("2026-11-22T08:00:09Z", "aa")) == ""
    assert superseded(deletion, Version.deletion("2026-11-22T07:00:00Z")).startswith("duplicate")
    assert superseded(before, deletion).startswith("out of order")
    assert DELETED == "deleted"


# --- what only the fetched record can decide ---------------------------------------------------------------------

LARGE = {"events": ["*"], "when": {"min_amount": "1000"}, "to": ["ledger"]}


def perhaps(desk: Desk, route: dict[str, Any], **changes: Any) -> Delivery:
    """A thin delivery that was queued for a condition; Zoho has the record with `changes`."""
    held = desk.connections.held
    held["acme-eu"] = replace(held["acme-eu"], routes=(route,))
    whole = delivery(action="updated", **changes)
    assert whole.event.payload is not None
    desk.books.records["invoice", ID] = whole.event.payload
    return replace(whole.thin(), perhaps=True)


@pytest.mark.parametrize(("total", "outcome"), [("1000", "delivered"), ("999.99", "skipped")])
def test_the_fetched_record_decides_where_it_goes(desk: Desk, total: str, outcome: str) -> None:
    """The webhook did not tell the amount that the route asks for."""
    assert carry(desk, perhaps(desk, LARGE, total=total))[0] == outcome
    assert bool(desk.vendor.items) is (outcome == "delivered")
    assert desk.audit.outcomes == [outcome]
    assert desk.deliveries.faults() == []


def test_a_skip_for_its_route_keeps_what_is_there(desk: Desk) -> None:
    """It is no version: what comes later is compared with what was sent."""
    desk.courier().carry(delivery())
    before = desk.deliveries.rows[KEY]
    assert carry(desk, perhaps(desk, LARGE, total="5", status="paid"))[0] == "skipped"
    after = desk.deliveries.rows[KEY]
    assert (after.version, after.state, after.external_id) == (before.version, "done", "item-1")


@pytest.mark.parametrize(("status", "outcome"), [("paid", "delivered"), ("sent", "skipped")])
def test_a_status_that_was_not_told_counts_as_changed(desk: Desk, status: str, outcome: str) -> None:
    """A route for `invoice.paid` hears of it from the fetched record."""
    each = perhaps(desk, {"events": ["invoice.paid"], "to": ["ledger"]}, status=status)
    assert carry(desk, each)[0] == outcome
    assert desk.audit.entries[-1].event == f"invoice.{status}"


def test_without_doubt_routes_are_not_asked_twice(desk: Desk) -> None:
    """What was queued surely is delivered, though the routes or the record have changed since."""
    each = replace(perhaps(desk, LARGE, total="5"), perhaps=False)
    assert carry(desk, each)[0] == "delivered"


def test_memory_of_a_skip_is_a_row_like_any_other(desk: Desk) -> None:
    """A first event that goes nowhere leaves its trail's beginning, and no version."""
    carry(desk, perhaps(desk, LARGE, total="5"))
    row = desk.deliveries.rows[KEY]
    assert (row.state, row.version, row.rev) == ("done", None, 1)
    assert replace(row, chain="", rev=0, state="new") == Memory()
