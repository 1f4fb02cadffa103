"""Groups by state, items that people take away, and items that are there already (contracts: monday 3.4, 6)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from ml_connector.destinations.monday.groups import group_of
from ml_connector.errors import RetryLater
from tests.fakes import delivery
from tests.monday_board import OURS, Bookkeeping

GROUPS = {"invoice.paid": "won", "paid": "done", "invoice": "invoices", "void": "off", "deleted": "bin"}


@pytest.mark.parametrize(
    ("module", "status", "group"),
    [
        ("invoice", "paid", "won"),
        ("bill", "paid", "done"),
        ("invoice", "sent", "invoices"),
        ("invoice", "", "invoices"),
        ("bill", "Voided", "off"),
        ("bill", "open", "topics"),
        ("invoice", "deleted", "bin"),
    ],
)
def test_the_most_particular_key_counts(module: str, status: str, group: str) -> None:
    """Module and status, then status, then module, then *, then the group of new items; Zoho's words mean the same."""
    assert group_of(GROUPS, "topics", module, status) == group
    assert group_of({**GROUPS, "*": "rest"}, "topics", "bill", "open") == "rest"
    assert group_of({"invoice": "invoices", "*": "rest"}, "topics", "invoice", "deleted") == ""


def world(**settings: Any) -> Bookkeeping:
    return Bookkeeping(**{"lines": "none", "groups": GROUPS, **settings})


def test_new_item_begins_where_it_belongs() -> None:
    """Also one that is paid when it is first seen."""
    here = world()
    here.carry("created", status="paid")
    assert here.item.group == "won"


def test_item_moves_when_its_state_does_and_then_only() -> None:
    """In the same call as its values; where people put it since stays as it is."""
    here = world()
    here.carry("created", status="sent")
    here.item.group = "this week"
    here.carry(status="sent", reference_number="PO-7")
    assert here.item.group == "this week"
    here.carry(status="paid", balance="0")
    assert here.item.group == "won"
    assert here.board.asked == ["CreateRecord", "UpdateRecord", "UpdateRecord"], "a move takes no call of its own"


def test_status_is_written_when_zohos_has_changed_and_then_only() -> None:
    """What a person set meanwhile stays until then, as a group does; our own note in Zoho must not undo it."""
    here = world()
    here.carry("created", status="sent")
    here.item.cells["zb_status"] = {"label": "Escalated"}
    here.carry(status="sent", reference_number="PO-7")
    assert here.item.cells["zb_status"] == {"label": "Escalated"}
    here.carry(status="paid", balance="0")
    assert here.item.cells["zb_status"] == {"label": "Paid"}


@pytest.mark.parametrize("origin", ["replay", "repair"])
def test_what_people_send_again_writes_the_status_too(origin: str) -> None:
    """That is what they send it again for."""
    here = world()
    here.carry("created", status="sent")
    here.item.cells["zb_status"] = {"label": "Escalated"}
    here.carry(status="sent", reference_number="PO-7", origin=origin)
    assert here.item.cells["zb_status"] == {"label": "Sent"}


def test_state_without_a_group_leaves_the_item_where_it_is() -> None:
    """Nothing is guessed: neither a group of its own nor one of new items."""
    here = world(groups={"paid": "won"})
    here.carry("created", status="sent")
    here.carry(status="paid")
    here.carry(status="sent")
    assert here.item.group == "won"
    assert world(groups={"paid": "won"}, group="topics").linked.destinations["ledger"]["group"] == "topics"


def test_it_goes_back_to_the_group_of_new_items() -> None:
    """A payment that is taken back."""
    here = world(groups={"paid": "won"}, group="topics")
    here.carry("created", status="sent")
    here.carry(status="paid")
    here.carry(status="sent")
    assert here.item.group == "topics"


def test_unanswered_move_is_not_believed_not_to_have_happened() -> None:
    """Going back to what the row remembers moves it all the same."""
    here = world()
    here.carry("created", status="sent")
    here.board.answers = ["lost after"]
    with pytest.raises(RetryLater):
        here.carry(status="paid")
    assert here.item.group == "won"
    here.clock.advance(61)
    here.carry(status="sent")
    assert here.item.group == "invoices"


def test_unanswered_change_does_not_come_after_a_newer_one() -> None:
    """monday may be at work on it for a minute: the newer version waits so long, and so does its repetition (1)."""
    here = world()
    here.carry("created", status="sent")
    here.board.answers = ["slow"]
    paid = delivery(action="updated", status="paid", modified="2026-11-22T08:55:00+0100")
    with pytest.raises(RetryLater):
        here.again(paid)
    newer = delivery(action="updated", status="void", modified="2026-11-22T08:56:00+0100")
    with pytest.raises(RetryLater, match="still be under way") as later:
        here.again(newer)
    with pytest.raises(RetryLater, match="still be under way"):
        here.again(paid)
    here.clock.advance(later.value.after or 0)
    here.again(paid)
    here.again(newer)
    here.board.due()
    assert here.item.cells["zb_status"] == {"label": "Void"}


def test_answered_trouble_makes_nobody_wait() -> None:
    """A fault that monday itself answers is over."""
    here = world()
    here.carry("created", status="sent")
    here.board.answers = ["broken before"]
    with pytest.raises(RetryLater):
        here.carry(status="paid")
    here.carry(status="void")
    assert here.item.cells["zb_status"] == {"label": "Void"}


@pytest.mark.parametrize("status", ["void", "deleted"])
def test_void_and_deleted_are_marked_and_moved(status: str) -> None:
    """The item is never removed: its status says what became of the record."""
    here = world()
    here.carry("created")
    if status == "void":
        here.carry(status="void")
    else:
        here.again(delivery(action="deleted"))
    assert here.item.cells["zb_status"] == {"label": status.capitalize()}
    assert here.item.group == {"void": "off", "deleted": "bin"}[status]
    assert here.item.cells["zb_total"] == "1284.50"


def test_deleted_record_stays_in_its_group_unless_the_file_says_otherwise() -> None:
    """A group for invoices is none for deleted ones: all but the status is as it was."""
    here = world(groups={"paid": "done", "invoice": "invoices", "*": "rest"}, group="topics")
    here.carry("created", status="paid")
    here.again(delivery(action="deleted"))
    assert (here.item.group, here.item.cells["zb_status"]) == ("done", {"label": "Deleted"})


def test_board_without_a_status_column_still_has_a_group_for_the_deleted() -> None:
    """Nothing but the group is changed then."""
    here = world(columns={"t": {"from": "amount", "type": "numbers"}})
    here.carry("created")
    here.again(delivery(action="deleted"))
    assert (here.item.group, here.item.cells["t"]) == ("bin", "1284.50")


# --- items that people take away ---------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["archived", "deleted"])
@pytest.mark.parametrize("says_so", [True, False], ids=["refused", "accepted in silence"])
def test_removed_item_is_made_anew(how: str, says_so: bool) -> None:
    """By default. monday may refuse the change, or take it and tell the state (3.4)."""
    here = world()
    here.carry("created")
    old = here.item
    old.state = how
    here.board.answers = [] if says_so else ["quiet"]
    assert here.carry(status="paid").outcome == "delivered"
    assert here.item.id != old.id
    assert here.item.cells["zb_status"] == {"label": "Paid"}


@pytest.mark.parametrize("says_so", [True, False], ids=["refused", "accepted in silence"])
def test_removed_item_is_left_if_the_file_says_so(says_so: bool) -> None:
    """Nothing is made, and the trail says why."""
    here = world(gone="leave")
    here.carry("created")
    old = here.item
    old.state = "archived"
    here.board.answers = [] if says_so else ["quiet"]
    result = here.carry(status="paid")
    assert (result.outcome, here.board.of(OURS)) == ("skipped", [])
    assert f"item {old.id} was archived" in result.reason
    old.state = "active"
    here.carry(status="void")
    assert here.item.cells["zb_status"] == {"label": "Void"}, "restored, it is kept up to date again"


def test_removed_item_is_told_if_the_file_says_so() -> None:
    """Parked with what to do; restored and sent again, the change arrives."""
    here = world(gone="tell")
    here.carry("created")
    here.item.state = "archived"
    each = delivery(status="paid", modified="2026-11-22T08:59:00+0100", action="updated")
    result = here.again(each)
    assert result.outcome == "parked"
    assert "Restore it there" in result.reason
    here.board.items[next(iter(here.board.items))].state = "active"
    assert here.again(each).outcome == "delivered"
    assert here.item.cells["zb_status"] == {"label": "Paid"}


@pytest.mark.parametrize("gone", ["recreate", "leave", "tell"])
def test_deletion_of_a_record_whose_item_was_removed_is_nothing(gone: str) -> None:
    """Both are gone: nothing is made anew, and nobody is asked."""
    here = world(gone=gone)
    here.carry("created")
    here.item.state = "deleted"
    assert here.again(delivery(action="deleted")).outcome == "skipped"
    assert here.board.of(OURS) == []


# --- items that are there already ---------------------------------------------------------------------------


def test_first_webhook_of_a_new_record_is_one_call() -> None:
    """Nobody else can have made an item of what has just been made in Zoho."""
    here = world()
    here.carry("created")
    assert here.board.asked == ["CreateRecord"]


@pytest.mark.parametrize(
    ("action", "origin"), [("updated", "webhook"), ("created", "reconcile"), ("updated", "replay")]
)
def test_item_of_an_older_stack_is_adopted(action: str, origin: str) -> None:
    """Who has lost our rows does not get every item a second time: it is found and brought up to date (6, layer 2)."""
    here = world()
    old = here.board.add(OURS, zb_status={"label": "Draft"})
    assert here.carry(action, origin=origin, status="paid").outcome == "delivered"
    assert here.item is old
    assert old.cells["zb_status"] == {"label": "Paid"}
    assert old.group == "won"
    assert here.board.asked == ["FindByExternalId", "UpdateRecord"]


def test_of_several_the_first_is_adopted_and_the_others_are_told() -> None:
    """None is removed in silence: the trail names them (6, procedure 2)."""
    here = world()
    first, second, third = (here.board.add(OURS) for _ in range(3))
    result = here.carry(status="paid")
    assert result.receipt is not None
    assert result.receipt.external_id == first.id
    (entry,) = here.desk.audit.entries
    assert entry.reason == f"also on the board with the same Zoho id: {second.id}, {third.id}"
    assert all(each.state == "active" for each in (first, second, third))


def test_unanswered_create_beside_an_older_item_leaves_no_old_values() -> None:
    """After 25 minutes both are found: the first made is taken, and holds what the create was to write."""
    here = world()
    here.board.answers = ["lost after"]
    with pytest.raises(RetryLater):
        here.carry("created", status="paid")
    made = here.item
    old = here.board.add(OURS, zb_status={"label": "Draft"})
    old.id, here.board.items = "1", {"1": old, made.id: made}
    here.clock.advance(timedelta(minutes=26).total_seconds())
    here.again(delivery(status="paid", modified="2026-11-22T08:51:00+0100"))
    assert old.cells["zb_status"] == {"label": "Paid"}
    assert here.desk.deliveries.of(delivery()).external_id == "1"
    assert made.id in here.desk.audit.entries[-1].reason


def test_board_that_was_left_and_taken_again_keeps_its_items() -> None:
    """Pointed at another board and back, the destination finds what it made there."""
    here = world()
    here.carry("created")
    key = (delivery().event.record_key, "ledger")
    rows = here.desk.deliveries.rows
    rows[key] = type(rows[key])(**{**{n: getattr(rows[key], n) for n in rows[key].__slots__}, "target": "elsewhere"})
    here.clock.advance(60)
    here.carry(status="paid")
    assert here.item.cells["zb_status"] == {"label": "Paid"}


# --- payments ---------------------------------------------------------------------------


def test_payments_that_are_shown_on_invoices_have_no_items() -> None:
    """payments = "invoice": the trail says why there is none."""
    here = world(payments="invoice")
    result = here.again(delivery(module="customer_payment", action="created", payment_number="P-1", amount="5"))
    assert (result.outcome, here.board.items) == ("skipped", {})
    assert "payments are shown on the items" in result.reason


def test_item_that_is_made_anew_is_not_the_archived_one() -> None:
    """Nobody says whether the search finds archived items (6.3): what a person took away stays away."""
    here = world()
    here.carry("created", status="sent")
    here.item.state = "archived"
    here.clock.advance(3600)
    real = here.board._FindByExternalId

    def finds_all(asked: dict[str, Any], *rest: str) -> Any:
        archived = [each for each in here.board.items.values() if each.state == "archived"]
        for each in archived:
            each.state = "active"
        answer = real(asked, *rest)
        for each in archived:
            each.state = "archived"
        for each in answer.body["data"]["items_page_by_column_values"]["items"]:
            each["state"] = here.board.items[each["id"]].state
        return answer

    here.board._FindByExternalId = finds_all  # type: ignore[method-assign]
    assert here.carry(status="paid").outcome == "delivered"
    (made,) = here.board.of(OURS)
    assert made.text("zb_status") == "Paid"


def test_newest_state_waits_for_an_unanswered_call_of_an_older_one() -> None:
    """Also where the older version's own message fetches it: within one second Zoho is asked for the newest."""
    here = world()
    here.again(delivery(action="created", status="sent", modified="2026-11-22T09:00:00+0100"))
    paid = delivery(action="updated", status="paid", modified="2026-11-22T09:00:00+0100")
    here.board.answers = ["slow"]
    with pytest.raises(RetryLater):
        here.again(paid)
    newest = delivery(action="updated", status="overdue", modified="2026-11-22T09:00:00+0100")
    here.desk.books.records["invoice", newest.event.record_id] = newest.event.payload or {}
    with pytest.raises(RetryLater, match="may still be under way"):
        here.desk.courier().carry(paid)
    here.clock.advance(61)
    here.desk.courier().carry(paid)
    here.board.due()
    assert here.item.cells["zb_status"] == {"label": "Overdue"}
