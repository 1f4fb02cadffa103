"""What has changed since the card, told by what the row remembers."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from ml_connector.changes import FACTS, MOST_BYTES, changes, recalled, snapshot
from ml_connector.destinations import Registry
from ml_connector.errors import RetryLater
from ml_connector.modules import MODULES
from ml_connector.ports import Memory
from ml_connector.records import Record, read
from tests.fakes import CHANNEL, SECRET_URL, TENANT, Desk, Says, Wire, delivery, payload, record_of, toolbox

MADE = Says(201, {"id": f"{CHANNEL};messageid=17943", "activityId": "17943"})
EDITED = Says(200, {"id": "17943"})


def record(module: str = "invoice", **changes: Any) -> Record:
    return read(module, payload(module, **changes))


def memory_of(each: Record) -> Memory:
    """What the engine leaves in the row."""
    return Memory(
        "done", number=each.number, amount="" if each.amount is None else f"{each.amount:f}", currency=each.currency,
        date=str(each.date or ""), shown=snapshot(each),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, {}),
        ({"total": "1284.5", "balance": 1284.50}, {}),
        ({"balance": "84.50"}, {"balance": ("1284.5", "84.5")}),
        ({"total": "9", "balance": "9"}, {"amount": ("1284.5", "9"), "balance": ("1284.5", "9")}),
        ({"currency_code": "USD"}, {"amount": ("1284.5", "1284.5")}),
        ({"status": "paid"}, {"status": ("sent", "paid")}),
        ({"due_date": "2026-12-24"}, {"due": ("2026-12-05", "2026-12-24")}),
        ({"due_date": ""}, {"due": ("2026-12-05", "")}),
        ({"reference_number": "R-1"}, {"reference": ("", "R-1")}),
        ({"invoice_number": "INV-1"}, {"number": ("INV-000412", "INV-1")}),
        ({"line_items": [{"name": "Oven"}]}, {"lines": ("…", "…")}),
        ({"last_modified_time": "2027-01-01T00:00:00+0100", "custom_field_hash": {"cf_a": "b"}}, {}),
    ],
)
def test_what_differs_is_told(change: dict[str, Any], told: dict[str, tuple[str, str]]) -> None:
    """Equal amounts are equal however they are written; a time of modification is no news."""
    found = changes(memory_of(record()), record(**change))
    if "lines" in found:
        found["lines"] = ("…", "…")
    assert found == told


@pytest.mark.parametrize("missing", ["balance", "status", "customer_name", "line_items", "invoice_number", "date"])
def test_what_a_payload_leaves_out_has_not_changed(missing: str) -> None:
    """People choose what a webhook says (zoho-books 2.3): neither its absence nor its coming back is told."""
    less, whole = record(**{missing: ""}), record()
    assert changes(memory_of(whole), less) == {}
    assert changes(memory_of(less), whole) == {}


def test_nothing_is_told_of_a_row_that_remembers_nothing() -> None:
    """Of a record that is new, or from before rows remembered."""
    assert changes(Memory(), record()) == {}
    assert changes(Memory("done", number="INV-1", amount="5", currency="EUR"), record()) == {}


_texts = st.text(max_size=300)


@given(st.sampled_from(list(MODULES)), _texts, _texts, _texts, st.integers(-(10**29), 10**29))
def test_a_row_stays_small_and_cut_texts_are_not_news(
    module: str, party: str, status: str, reference: str, amount: int
) -> None:
    """What is remembered has its limit; the same record again has not changed, however much of it was cut."""
    shape = MODULES[module]
    each = record(module, **{
        shape.party[0]: party, shape.status[0]: status, "reference_number": reference,
        shape.amount: str(amount), "balance": str(amount), "payment_mode": reference,
    })  # fmt: skip
    assert len(snapshot(each).encode()) <= MOST_BYTES
    assert changes(memory_of(each), each) == {}
    assert json.loads(snapshot(each)).keys() <= set(FACTS)


def test_a_deletion_recalls_party_and_amount() -> None:
    """Zoho gives the id alone. A row that remembers nothing has nothing to add."""
    bare = record_of(delivery(action="deleted"))
    told = recalled(memory_of(record()), bare)
    assert (told.party, str(told.amount), told.currency) == ("Harbour Lane Bakery", "1284.50", "EUR")
    assert recalled(Memory(), bare) == bare


# --- with the engine -----------------------------------------------------------------------------------------------


def desk_with(*answers: Says) -> tuple[Desk, Wire]:
    wire = Wire(*answers)
    desk = Desk()
    plain = desk.connections.held["acme-eu"]
    card_alone = {**plain.destinations["finance"], "card": {"replies": False}}
    told = replace(plain, destinations={**plain.destinations, "finance": card_alone})
    desk.vendor = Registry(toolbox(wire, desk.clock)).destination(told, "finance")
    return desk, wire


def told_by(wire: Wire, call: int = -1) -> dict[str, str]:
    """What the card of a call says has changed."""
    body = wire.sent(call)
    (_, second, *_) = body.get("activity", body)["attachments"][0]["content"]["body"]
    return {fact["title"]: fact["value"] for fact in second["items"][1]["facts"]} if "items" in second else {}


def at(minute: int) -> str:
    return f"2026-11-22T09:{minute:02}:00+0100"


def test_each_card_tells_what_changed_since_the_one_before() -> None:
    """The row remembers what was applied last; the first card has nothing to tell."""
    desk, wire = desk_with(MADE, EDITED, EDITED)
    desk.courier().carry(delivery("finance", modified=at(1)))
    assert told_by(wire) == {}
    desk.courier().carry(delivery("finance", action="updated", modified=at(2), balance="84.50"))
    assert told_by(wire) == {"Balance due": "1,284.50 EUR → 84.50 EUR"}
    desk.courier().carry(delivery("finance", action="updated", modified=at(3), balance="0", status="paid"))
    assert told_by(wire) == {"Balance due": "84.50 EUR → 0.00 EUR", "Status": "Sent → Paid"}


@pytest.mark.parametrize("number", [" INV-000412 ", "فاتورة-" * 14, "番" * 30, "x" * 99])
def test_a_number_is_no_news_however_it_is_written(number: str) -> None:
    """The row keeps what the trail keeps of it, which cuts long ones; a vendor's number is his own invention."""
    desk, wire = desk_with(MADE, EDITED, EDITED)
    desk.courier().carry(delivery("finance", modified=at(1), invoice_number=number))
    change = delivery("finance", action="updated", modified=at(2), invoice_number=number, balance="84.50")
    desk.courier().carry(change)
    assert told_by(wire) == {"Balance due": "1,284.50 EUR → 84.50 EUR"}
    desk.courier().carry(delivery("finance", action="updated", modified=at(3), invoice_number=f"9-{number}"))
    assert "Number" in told_by(wire)


def test_a_change_that_did_not_arrive_is_told_with_the_next() -> None:
    """Compared is with what is there, not with what was tried."""
    desk, wire = desk_with(MADE, Says(503), EDITED)
    desk.courier().carry(delivery("finance", modified=at(1)))
    with pytest.raises(RetryLater):
        desk.courier().carry(delivery("finance", action="updated", modified=at(2), balance="84.50"))
    desk.clock.advance(timedelta(minutes=5).total_seconds())
    desk.courier().carry(delivery("finance", action="updated", modified=at(3), balance="0"))
    assert told_by(wire) == {"Balance due": "1,284.50 EUR → 0.00 EUR"}


def test_what_was_elsewhere_is_not_taken_for_what_is_here() -> None:
    """A channel, then a workflow, then another channel in the file: the last one gets a card of its own, and the trail
    of what came in between names nothing that was made before.
    """
    desk, wire = desk_with(MADE, Says(202), MADE)
    plain, tools = desk.connections.held["acme-eu"], toolbox(wire, desk.clock, workflows={"finance": SECRET_URL})
    bot = plain.destinations["finance"]
    ways = (bot, {"type": "teams", "transport": "workflows"}, {**bot, "channel_id": "19:other@thread.tacv2"})
    for minute, way in enumerate(ways):
        applied = replace(plain, destinations={"finance": way}, version=minute)
        desk.connections.held["acme-eu"] = applied
        desk.vendor = Registry(tools).destination(applied, "finance")
        desk.courier().carry(delivery("finance", action="updated", modified=at(minute), balance=f"{minute}"))
    assert [each.method for each in wire.calls] == ["POST"] * 3
    assert wire.sent()["channelData"]["channel"]["id"] == "19:other@thread.tacv2"
    assert [(each.outcome, each.external_id) for each in desk.audit.entries] == [
        ("delivered", "17943"),
        ("accepted", ""),
        ("delivered", "17943"),
    ]
    assert "other" in desk.audit.entries[-1].link


@pytest.mark.parametrize(
    "way", [{"channel_id": "19:other@thread.tacv2"}, {"transport": "delegated", "edits": True}, {"person": TENANT}]
)
@pytest.mark.parametrize("replied", [False, True], ids=["card", "reply"])
def test_question_about_one_place_is_no_question_in_another(way: dict[str, Any], replied: bool) -> None:
    """The answer was lost, then the file was changed: the record gets its card in the new place, and all goes on."""
    lost = requests.ReadTimeout()
    answers = (MADE, EDITED, lost) if replied else (lost,)
    desk, wire = desk_with(*answers)
    plain = desk.connections.held["acme-eu"]
    desk.vendor = Registry(toolbox(wire, desk.clock)).destination(plain, "finance")
    each = delivery("finance", modified=at(1))
    if replied:
        desk.courier().carry(each)
        each = delivery("finance", action="updated", modified=at(2), balance="0", status="paid")
    with pytest.raises(RetryLater):
        desk.courier().carry(each)
    assert desk.deliveries.of(each).state == "unknown"
    wire.steps[:] = [Says(201, {"id": "5", "activityId": "5"})]
    moved = replace(plain, destinations={"finance": {**plain.destinations["finance"], **way}}, version=2)
    desk.connections.held["acme-eu"] = moved
    desk.vendor = Registry(toolbox(wire, desk.clock)).destination(moved, "finance")
    with pytest.raises(RetryLater):
        desk.courier().carry(each)
    desk.clock.advance(61)
    assert desk.courier().carry(each).outcome == "delivered"
    row = desk.deliveries.of(each)
    assert (row.state, row.external_id, row.step, row.version) == ("done", "5", 0, each.event.version)
    assert wire.calls[-1].method == "POST"
    assert "replies" not in str(wire.calls[-1].url)


def test_a_row_knows_where_the_record_is_elsewhere() -> None:
    """The card leads to the item as soon as the board's row has its link."""
    desk, wire = desk_with(MADE, EDITED)
    desk.courier().carry(delivery("finance", modified=at(1)))
    key = (delivery().event.record_key, "ledger")
    desk.deliveries.rows[key] = replace(Memory("done"), link="https://acme.monday.com/boards/1/pulses/2")
    desk.courier().carry(delivery("finance", action="updated", modified=at(2), balance="1"))
    actions = wire.sent()["attachments"][0]["content"]["actions"]
    assert [each["url"] for each in actions][1:] == ["https://acme.monday.com/boards/1/pulses/2"]
