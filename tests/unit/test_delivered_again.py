"""What a person asks for once more: the version guard lets it through once, and for nobody else (`mlc replay`)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ml_connector.errors import RetryLater
from ml_connector.events import Delivery
from tests.fakes import Desk, delivery, payload


@pytest.fixture
def desk() -> Desk:
    """The first event of an invoice is there."""
    desk = Desk()
    desk.courier().carry(delivery())
    return desk


def asked(name: str = "1a2b3c", **changes: str) -> Delivery:
    return replace(delivery(action="updated", origin="replay", **changes), again=name)


def test_same_version_is_sent_once_for_each_asking(desk: Desk) -> None:
    """However often its message comes; the next asking is another one."""
    outcomes = [desk.courier().carry(asked(name)).outcome for name in ("first", "first", "second", "second")]
    assert outcomes == ["delivered", "skipped", "delivered", "skipped"]
    assert (desk.vendor.creates, len(desk.vendor.updates)) == (1, 2)
    assert desk.deliveries.faults() == []


def test_what_was_not_asked_for_is_a_duplicate_as_ever(desk: Desk) -> None:
    """A replay without it, and a webhook after it."""
    desk.courier().carry(asked())
    assert desk.courier().carry(delivery(action="updated", origin="replay")).outcome == "skipped"
    assert desk.courier().carry(delivery()).outcome == "skipped"
    assert len(desk.vendor.updates) == 1


def test_nobody_can_ask_for_an_older_version(desk: Desk) -> None:
    """It would overwrite a newer one."""
    desk.courier().carry(delivery(action="updated", modified="2026-11-22T09:00:00+0100", status="paid"))
    late = desk.courier().carry(asked(modified="2026-11-22T08:00:00+0100", status="draft"))
    assert (late.outcome, "newer" in late.reason) == ("skipped", True)
    assert desk.vendor.items == {"item-1": "paid"}


def test_removed_item_is_made_anew(desk: Desk) -> None:
    """What a person deleted by mistake comes back; the row names the new one."""
    desk.vendor.items.clear()
    assert desk.courier().carry(asked()).outcome == "delivered"
    assert list(desk.vendor.items) == [desk.deliveries.of(asked()).external_id]
    assert desk.vendor.creates == 2


def test_asking_outlives_a_failure(desk: Desk) -> None:
    """The message comes back and is done then."""
    desk.vendor.faults = [RetryLater("busy", 1, 503)]
    with pytest.raises(RetryLater):
        desk.courier().carry(asked())
    desk.clock.advance(5)
    assert desk.courier().carry(asked()).outcome == "delivered"
    assert desk.courier().carry(asked()).outcome == "skipped"


def test_asking_travels_with_the_message_under_a_name_of_its_own() -> None:
    """The queue takes it though the same version was queued less than five minutes ago; others' are as ever."""
    assert Delivery.from_json(asked().to_json()) == asked()
    ids = {delivery(action="updated").id, asked("1").id, asked("2").id}
    assert len(ids) == 3
    assert "again" not in delivery().to_json()


def test_payload_of_the_asking_needs_no_call_to_zoho(desk: Desk) -> None:
    """It brings its record; Zoho is not asked."""
    desk.books.records["invoice", "460000000098765"] = payload(status="void")
    desk.courier().carry(asked())
    assert desk.vendor.items == {"item-1": "sent"}
