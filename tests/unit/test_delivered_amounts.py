"""The row of a delivery knows the amount, currency and date of the very version that it says is there."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_connector.errors import RetryLater, Undeliverable, Unknown
from ml_connector.events import Delivery, Version
from ml_connector.ports import Memory
from tests.fakes import Desk, ModelVendor, delivery


@pytest.fixture
def desk() -> Desk:
    return Desk()


def there(desk: Desk, each: Delivery) -> tuple[str, str, str]:
    memory = desk.deliveries.of(each)
    return memory.amount, memory.currency, memory.date


def test_what_was_delivered_is_known(desk: Desk) -> None:
    """With the row that is written anyway; an update brings its own."""
    each = delivery()
    desk.courier().carry(each)
    assert there(desk, each) == ("1284.50", "EUR", "2026-11-20")
    desk.courier().carry(
        delivery(
            action="updated", modified="2026-11-22T09:00:00+0100", total=1.5e2, currency_code="USD", date="2026-11-21"
        )
    )
    assert there(desk, each) == ("150.0", "USD", "2026-11-21")


def test_what_is_not_given_is_not_known(desk: Desk) -> None:
    """An amount of before must not stand for a version that says none."""
    each = delivery()
    desk.courier().carry(each)
    desk.courier().carry(delivery(action="updated", modified="2026-11-22T09:00:00+0100", total="", currency_code=""))
    assert there(desk, each) == ("", "", "2026-11-20")


@pytest.mark.parametrize("error", [RetryLater("busy", 1, 429), Undeliverable("refused", 400), Unknown("no answer")])
def test_what_was_not_delivered_leaves_the_row_as_it_was(desk: Desk, error: Exception) -> None:
    """Refused, parked or unanswered: the version before is what is known to be there."""
    each = delivery()
    desk.courier().carry(each)
    desk.vendor.faults = [error]
    later = delivery(action="updated", modified="2026-11-22T09:00:00+0100", total="1.00")
    with suppress(RetryLater):
        desk.courier().carry(later)
    assert there(desk, each) == ("1284.50", "EUR", "2026-11-20")
    assert desk.deliveries.of(each).version == each.event.version


def test_a_create_that_is_found_has_the_amount_that_it_was_sent_with(desk: Desk) -> None:
    """Its request says it: the event that finds it may be another one, or hold no record at all."""
    each = delivery(total="10.00")
    desk.vendor.faults = [("after", Unknown("no answer"))]
    with pytest.raises(RetryLater):
        desk.courier().carry(each)
    assert there(desk, each) == ("", "", "")
    desk.clock.advance(26 * 60)
    late = delivery(modified="2026-11-22T08:00:00+0100", total="9.00", thin=True)
    assert desk.courier().carry(late).outcome == "skipped"
    assert there(desk, each) == ("10.00", "EUR", "2026-11-20")


def test_a_repeated_answer_proves_no_amount(desk: Desk) -> None:
    """The item may hold an even earlier attempt's values: what is there is known when the update that follows is."""
    each = delivery(total="10.00")
    desk.vendor.faults = [("after", Unknown("no answer"))]
    with pytest.raises(RetryLater):
        desk.courier().carry(each)
    desk.clock.advance(180)
    desk.vendor.faults = [None, RetryLater("busy", 1, 429)]
    with pytest.raises(RetryLater):
        desk.courier().carry(each)
    memory = desk.deliveries.of(each)
    assert (memory.external_id, memory.version, there(desk, each)) == ("item-1", None, ("", "", ""))
    desk.clock.advance(180)
    desk.courier().carry(each)
    assert there(desk, each) == ("10.00", "EUR", "2026-11-20")


def test_a_row_of_an_earlier_release_is_read(desk: Desk) -> None:
    """A request that was stored before requests said it: what is found then has no known amount."""
    each = delivery()
    desk.vendor.faults = [("after", Unknown("no answer"))]
    with pytest.raises(RetryLater):
        desk.courier().carry(each)
    memory = desk.deliveries.of(each)
    assert memory.request
    desk.deliveries.rows[each.event.record_key, "ledger"] = replace(memory, request=replace(memory.request, shows={}))
    desk.clock.advance(26 * 60)
    assert desk.courier().carry(each).outcome == "delivered"
    assert there(desk, each) == ("", "", "")


def test_what_is_not_there_has_no_amount(desk: Desk) -> None:
    """A deletion of what never came leaves a row without; one of what did takes its amount away."""
    gone = delivery(action="deleted")
    desk.courier().carry(gone)
    assert there(desk, gone) == ("", "", "")
    other = Desk()
    other.courier().carry(delivery())
    other.courier().carry(gone)
    assert there(other, gone) == ("", "", "")


FAULT = st.sampled_from(
    [None, None, RetryLater("busy", 1, 429), Unknown("no answer"), ("after", Unknown("no answer")),
     Undeliverable("refused", 400)]
)  # fmt: skip


@given(
    order=st.lists(st.integers(1, 5), min_size=1, max_size=12), faults=st.lists(FAULT, max_size=12), keys=st.booleans()
)
def test_amount_and_version_always_belong_together(order: list[int], faults: list[Any], keys: bool) -> None:
    """Whatever comes late, twice, or without an answer."""
    desk = Desk()
    vendor = ModelVendor(desk.clock, keys=keys)
    desk.vendor = vendor
    amounts: dict[Version | None, str] = {None: ""}
    for number, fault in zip(order, [*faults, *[None] * len(order)], strict=False):
        each = delivery(modified=f"2026-11-22T08:0{number}:00+0100", total=f"{number}.25")
        newest = delivery(modified="2026-11-22T08:05:00+0100", total="5.25")
        desk.books.records["invoice", each.event.record_id] = newest.event.payload or {}
        amounts |= {each.event.version: f"{number}.25", newest.event.version: "5.25"}
        vendor.faults = [fault] if fault else []
        for _ in range(3):
            try:
                desk.courier().carry(each)
            except RetryLater as later:
                desk.clock.advance(later.after or 180)
            memory: Memory = desk.deliveries.of(each)
            assert memory.amount == amounts[memory.version]
