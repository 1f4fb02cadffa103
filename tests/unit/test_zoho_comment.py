"""Notes on Zoho's own records (contracts: zoho-books 7)."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from ml_connector.connections import Connection
from ml_connector.destinations.zoho_comment import LENGTH, ZohoComment, connect
from ml_connector.errors import NotAllowed, RetryLater, Throttled, Undeliverable, Unknown
from ml_connector.limits import Budget
from ml_connector.modules import MODULES
from ml_connector.ports import CannotTell, Memory, NothingThere, Request
from tests.fakes import ORGANIZATION, Says, Step, Wire, connection, delivery, record_of, toolbox

ADDED = Says(200, {"code": 0, "message": "Comments added."})
ABLE = [name for name, module in MODULES.items() if module.comments]
MARKER = re.compile(r"^\[ml-connector ([0-9a-f]{8})\] ")


def place(*answers: Step, at: Connection | None = None, **settings: Any) -> tuple[ZohoComment, Wire]:
    wire = Wire(*answers or (ADDED,))
    return connect("notes", {"type": "zoho_comment", **settings}, at or connection(), toolbox(wire)), wire


def plan(
    destination: ZohoComment | None = None, memory: Memory | None = None, into: str = "", **changes: Any
) -> Request:
    """What is planned for an event; `into` is the status that the record came into with it."""
    each = delivery("notes", **changes)
    event = replace(each.event, status=into)
    return (destination or place()[0]).plan(event, record_of(each), memory or Memory())


def note(*args: Any, **changes: Any) -> str:
    """What it says behind its marker."""
    text = str(plan(*args, **changes).body["description"])
    return text[MARKER.match(text).end() :]  # type: ignore[union-attr]


def listed(*comments: dict[str, Any], **more: Any) -> Says:
    return Says(200, {"code": 0, "message": "success", "comments": list(comments), **more})


# --- what it says ------------------------------------------------------------------------------------------------


def test_a_note_says_what_happened_and_where_it_was_told() -> None:
    """The event, the amount, the status, and the destinations that the routes name."""
    at = connection(routes=[{"events": ["invoice.*"], "when": {}, "to": ["finance", "notes"]}])
    destination, _ = place(at=at)
    assert note(destination, action="updated", into="paid") == (
        "Invoice paid: 1,284.50 EUR. Status: sent. Routed to: finance, notes."
    )
    assert note(destination, action="created").startswith("Invoice created: ")
    assert note(destination, action="updated", into="partially_paid").startswith("Invoice partially paid: ")


def test_a_note_begins_with_its_marker() -> None:
    """One per version: the same note again has the same, another version of the record another."""
    markers = [
        MARKER.findall(str(plan(**changes).body["description"]))
        for changes in ({}, {}, {"modified": "2026-11-22T09:00:00+0100"}, {"invoice_id": "1"})
    ]
    assert markers[0] == markers[1]
    assert len({marker for (marker,) in markers}) == 3


def test_the_marker_names_the_delivery() -> None:
    """Whoever reads it in Zoho finds the delivery's entries by it."""
    each = delivery("notes")
    assert MARKER.findall(str(plan().body["description"])) == [each.id[:8]]


def test_what_is_not_there_is_said_so() -> None:
    """A note never has a hole in it."""
    assert note(total="", status="") == "Invoice created: not given. Status: not given. Routed to: ledger."


def test_a_text_of_ones_own() -> None:
    """Placeholders of the template, and braces as they are."""
    destination, _ = place(text="{event} {number} of {party}, due {due} ({{{status}}})")
    assert note(destination) == "invoice.created INV-000412 of Harbour Lane Bakery, due 2026-12-05 ({sent})"


@given(st.text(max_size=900), st.text(max_size=900))
def test_a_note_is_plain_and_short_whatever_the_record_holds(party: str, status: str) -> None:
    """Names come from strangers: one line, no markup, no second template, at most 500 characters, marker first."""
    destination, _ = place(text="{party} {status} {party}")
    text = str(plan(destination, customer_name=party, status=status).body["description"])
    assert MARKER.match(text)
    assert len(text) <= LENGTH == 500
    assert "<" not in text
    assert ">" not in text
    assert " ".join(text.split()) == text


# --- where it goes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", ABLE)
def test_every_module_that_takes_notes(module: str) -> None:
    """Its own address, in the connection's data centre, for its organization; customers do not see it."""
    destination, wire = place()
    request = plan(destination, module=module)
    path = MODULES[module].path
    assert request.url == f"https://www.zohoapis.eu/books/v3/{path}/460000000098765/comments"
    seen_by_customers = {"show_comment_to_clients": False} if "customer_name" in MODULES[module].party else {}
    assert request.body == {"description": request.body["description"], **seen_by_customers}
    receipt = destination.send(request)
    (call,) = wire.calls
    assert call.url is not None
    assert call.url.split("?") == [request.url, f"organization_id={ORGANIZATION}"]
    assert (call.method, wire.sent()) == ("POST", request.body)
    route = MODULES[module].route
    assert receipt.link == f"https://books.zoho.eu/app/{ORGANIZATION}#/{route}/460000000098765"


@pytest.mark.parametrize("module", sorted(set(MODULES) - set(ABLE)))
def test_a_module_without_notes_is_skipped_with_the_reason(module: str) -> None:
    """A route of `*` may send them: nobody can do anything about it, so nobody is alarmed."""
    with pytest.raises(NothingThere, match="Zoho has no endpoint for notes on "):
        plan(module=module)


def test_a_deleted_record_takes_no_notes() -> None:
    """There is nothing left to write on."""
    with pytest.raises(NothingThere, match="deleted"):
        plan(action="deleted")


def test_each_event_is_a_note_of_its_own() -> None:
    """What is remembered of earlier notes makes no update of this one."""
    memory = Memory("done", external_id="4600000000140022", generation=3, rev=9)
    request = plan(memory=memory, action="updated")
    assert request == plan(action="updated")
    assert (request.operation, request.idempotency_key, request.target) == ("create", "", "")


def test_the_receipt_names_the_note() -> None:
    """By Zoho's id; of an invoice Zoho gives none, and the trail is found by what stands in the marker."""
    destination, _ = place(Says(201, {"code": 0, "comment": {"comment_id": "4600000000140022"}}))
    assert destination.send(plan(destination, module="bill")).external_id == "4600000000140022"
    destination, _ = place(ADDED)
    assert destination.send(plan(destination)).external_id == delivery("notes").id[:8]


# --- purchase orders ---------------------------------------------------------------------------------------------

REFUSED = Says(400, {"code": 4, "message": "Invalid value passed for expected_delivery_date"})


def order(**dates: str) -> Says:
    return Says(200, {"code": 0, "purchaseorder": {"purchaseorder_id": "460000000098765", **dates}})


@pytest.mark.parametrize(
    ("dates", "sent"),
    [
        ({"expected_delivery_date": "2026-12-01", "delivery_date": "2026-12-24"}, "2026-12-01"),
        ({"expected_delivery_date": "", "delivery_date": "2026-12-24"}, "2026-12-24"),
    ],
)
def test_an_orders_note_is_sent_again_with_the_orders_own_date(dates: dict[str, str], sent: str) -> None:
    """The date that it has by now, not the one that it had when the event was queued: another would change it."""
    destination, wire = place(REFUSED, order(**dates), ADDED)
    request = plan(destination, module="purchase_order", expected_delivery_date="2020-01-01")
    destination.send(request)
    assert [call.method for call in wire.calls] == ["POST", "GET", "POST"]
    assert wire.sent(0) == request.body
    assert wire.sent(2) == {**request.body, "expected_delivery_date": sent}


def test_an_order_without_a_date_gets_none() -> None:
    """No date is made up: the refusal stays one."""
    destination, wire = place(REFUSED, order(expected_delivery_date="", delivery_date=""))
    with pytest.raises(Undeliverable, match="expected_delivery_date"):
        destination.send(plan(destination, module="purchase_order"))
    assert [call.method for call in wire.calls] == ["POST", "GET"]


def test_a_question_without_an_answer_leaves_no_note_in_doubt() -> None:
    """The first try was refused, the second not made: it may simply be tried again."""
    destination, _ = place(REFUSED, requests.ReadTimeout("slow"))
    with pytest.raises(RetryLater) as caught:
        destination.send(plan(destination, module="purchase_order"))
    assert not isinstance(caught.value, Unknown)


def test_only_orders_are_sent_twice() -> None:
    """Another module's refusal is final."""
    destination, wire = place(REFUSED)
    with pytest.raises(Undeliverable):
        destination.send(plan(destination, module="bill"))
    assert len(wire.calls) == 1


# --- what Zoho answers -------------------------------------------------------------------------------------------


def test_a_record_that_is_gone_takes_no_note() -> None:
    """Deleted between event and note, also an order: nobody can do anything about it."""
    for module in ("invoice", "purchase_order"):
        destination, wire = place(Says(404, {"code": 1002, "message": "Invoice does not exist."}))
        with pytest.raises(NothingThere):
            destination.send(plan(destination, module=module))
        assert len(wire.calls) == 1


def test_a_missing_scope_is_for_a_person() -> None:
    """57: connect again, and what is queued waits for that."""
    destination, _ = place(Says(401, {"code": 57, "message": "You are not authorized to perform this operation"}))
    with pytest.raises(NotAllowed):
        destination.send(plan(destination))


@pytest.mark.parametrize(
    ("answer", "after"),
    [
        (Says(429, {"code": 44, "message": "…"}), 60),
        (Says(429, {"code": 1070, "message": "…"}), 5),
        (Says(429, {"code": 45, "message": "…"}, {"X-Rate-Limit-Reset": "1234"}), 1234),
    ],
)
def test_limits_mean_later(answer: Says, after: float) -> None:
    """Nothing happened, and how long to wait is known."""
    destination, _ = place(answer)
    with pytest.raises(RetryLater) as caught:
        destination.send(plan(destination))
    assert (caught.value.after, isinstance(caught.value, Unknown)) == (after, False)


@pytest.mark.parametrize("answer", [Says(500, {"code": 1000, "message": "Internal error"}), Says(504, b"<html>")])
def test_an_internal_error_may_have_left_a_note(answer: Says) -> None:
    """It is looked for before another is written."""
    destination, _ = place(answer)
    with pytest.raises(Unknown):
        destination.send(plan(destination))


def test_notes_draw_on_the_organizations_budget() -> None:
    """The one that reads share: where it is used up, no call is made."""
    asked: list[str] = []

    class Full:
        def take(self, budget: Budget, *, optional: bool = False) -> None:
            asked.append(f"{budget.key} {optional}")
            raise Throttled("zoho: 80 calls in 60 s are made", 7)

    wire = Wire(ADDED)
    limits: Any = Full()
    destination = connect("notes", {"type": "zoho_comment"}, connection(), replace(toolbox(wire), limits=limits))
    with pytest.raises(Throttled):
        destination.send(plan(destination))
    assert (asked, wire.calls) == ([f"zoho#eu#{ORGANIZATION} False"], [])


# --- after a lost answer -----------------------------------------------------------------------------------------

SYSTEM = {"comment_id": "1", "description": "Invoice created for €1,284.50", "comment_type": "system"}


def settled(*answers: Step, **changes: Any) -> Any:
    destination, wire = place(*answers)
    receipt = destination.settle(plan(destination, **changes), Memory("unknown"))
    assert {call.method for call in wire.calls} == {"GET"}, "looked, and wrote nothing"
    return receipt


def test_a_note_is_found_by_its_marker() -> None:
    """Among the record's other comments, whatever Zoho has made of the rest of its text."""
    mine = {"comment_id": "7", "description": f"<p>[ml-connector {delivery('notes').id[:8]}] Invoice…</p>"}
    receipt = settled(listed(SYSTEM, mine))
    assert (receipt.outcome, receipt.external_id) == ("created", "7")


def test_another_versions_note_is_not_this_one() -> None:
    """Nor is somebody's who writes about ours."""
    earlier = {"comment_id": "7", "description": str(plan(modified="2026-11-21T09:00:00+0100").body["description"])}
    assert settled(listed(SYSTEM, earlier, {"comment_id": "8", "description": "ml-connector?"}, {"odd": None})) is None


def test_every_page_is_looked_through() -> None:
    """Whether Zoho pages comments is not known: if it does, all are read; beyond five pages nobody can tell."""
    more = listed(SYSTEM, page_context={"page": 1, "has_more_page": True})
    mine = {"comment_id": "7", "description": plan().body["description"]}
    destination, wire = place(more, listed(mine, page_context={"page": 2, "has_more_page": False}))
    assert destination.settle(plan(destination), Memory("unknown")) is not None
    assert [parse_qs(urlsplit(str(call.url)).query).get("page") for call in wire.calls] == [None, ["2"]]
    with pytest.raises(CannotTell):
        settled(more)


def test_full_page_of_notes_is_not_the_last() -> None:
    """Where Zoho does not say whether more follow."""
    mine = {"comment_id": "7", "description": plan().body["description"]}
    destination, _ = place(listed(*[SYSTEM] * 200), listed(mine))
    assert destination.settle(plan(destination), Memory("unknown")) is not None


@pytest.mark.parametrize("answer", [Says(200, {"code": 0}), Says(200, {"code": 0, "comments": ""}), Says(500)], ids=str)
def test_no_list_is_no_proof_of_absence(answer: Says) -> None:
    """It is looked again later."""
    with pytest.raises(RetryLater):
        settled(answer)


def test_a_record_that_is_gone_has_no_note() -> None:
    """What follows finds out that it was deleted."""
    assert settled(Says(404, {"code": 1002, "message": "Invoice does not exist."})) is None
