"""Line items as subitems: made once, changed by their id, archived when they are gone (contracts: monday 3.1, 6.4)."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from ml_connector.errors import RetryLater
from tests.fakes import delivery
from tests.monday_board import COLUMNS, LINES_BOARD, Bookkeeping, Item, lines


def test_new_record_is_an_item_with_its_lines() -> None:
    """Three calls: the item, a look, and the lines in one request, in their order (8)."""
    world = Bookkeeping()
    assert world.carry("created", line_items=lines("Oven", "Delivery")).outcome == "delivered"
    assert world.shown == [("Oven", "1", "10.00"), ("Delivery", "2", "10.00")]
    assert world.board.asked == ["CreateRecord", "ExistingLines", "CreateLines"]
    assert [each.cells["line_id"] for each in world.item.lines] == ["idOven", "idDelivery"]
    (entry,) = world.desk.audit.entries
    told = (entry.outcome, entry.operation, entry.external_id)
    assert told == ("delivered", "create", world.item.id), "one entry, and it names the item"


def test_change_that_leaves_the_lines_alone_is_one_call() -> None:
    """The row remembers which lines are there: a payment does not cost a look at them."""
    world = Bookkeeping()
    world.carry("created", line_items=lines("Oven"))
    world.board.asked.clear()
    world.carry(line_items=lines("Oven"), status="paid", balance="0")
    assert world.board.asked == ["UpdateRecord"]


def test_lines_are_changed_added_and_archived() -> None:
    """By their id: a new name is the same line; what is gone is archived, which people can undo."""
    world = Bookkeeping()
    world.carry("created", line_items=lines("Oven", "Delivery", "Tray"))
    changed = [{**lines("Tray", total="12.00")[0], "name": "Large tray"}, *lines("Oven"), *lines("Fee")]
    world.carry(line_items=changed)
    assert sorted(world.shown) == [("Fee", "3", "10.00"), ("Large tray", "1", "12.00"), ("Oven", "2", "10.00")]
    assert [each.state for each in world.item.lines] == ["active", "archived", "active", "active"]


def test_what_people_add_is_left_alone() -> None:
    """A subitem without a line's id is somebody's own."""
    world = Bookkeeping()
    world.carry("created", line_items=lines("Oven"))
    own = Item("900", "Call them", "", {}, world.clock(), LINES_BOARD)
    world.item.lines.append(own)
    world.carry(line_items=lines("Tray"))
    assert (own.state, own.name) == ("active", "Call them")


def test_twins_are_made_one() -> None:
    """Of two subitems of one line the first made stays."""
    world = Bookkeeping()
    world.carry("created", line_items=lines("Oven"))
    (first,) = world.item.lines
    twin = Item("900", "Oven", "", dict(first.cells), world.clock(), LINES_BOARD)
    world.board.items[twin.id] = twin
    world.item.lines.insert(0, twin)
    world.carry(line_items=lines("Oven", "Tray"))
    assert (first.state, twin.state) == ("active", "archived")


def test_500_lines_take_requests_of_20_and_little_time_each() -> None:
    """An attempt begins no call after 25 s; the next goes on with what is missing, and nothing is made twice."""
    world = Bookkeeping()
    names = [f"Position {number}" for number in range(500)]
    slow = world.board.answered

    def seconds_pass(*args: Any, **kwargs: Any) -> Any:
        world.clock.advance(5)
        return slow(*args, **kwargs)

    world.board.answered = seconds_pass  # type: ignore[method-assign]
    waits = world.until_done(delivery(action="created", line_items=lines(*names)), 40)
    assert [name for name, _, _ in world.shown] == names
    assert [number for _, number, _ in world.shown] == [str(number) for number in range(1, 501)]
    assert world.board.widest == 20
    assert world.board.asked.count("CreateLines") == 25
    assert 4 <= len(waits) <= 6
    assert set(world.desk.audit.outcomes[:-1]) == {"retry"}
    assert "of its lines" in world.desk.audit.entries[0].reason


@pytest.mark.parametrize("trouble", ["lost before", "lost after", "slow", "half", "busy", "running", "gateway after"])
def test_unanswered_lines_are_made_once(trouble: str) -> None:
    """They are read again by their parent when monday has surely done or given up the call (6.4)."""
    world = Bookkeeping()
    world.board.answers = ["ok", "ok", trouble]
    world.until_done(delivery(action="created", line_items=lines("Oven", "Tray")))
    world.clock.advance(300)
    world.board.due()
    assert sorted(world.shown) == [("Oven", "1", "10.00"), ("Tray", "2", "10.00")]
    assert len(world.item.lines) == 2


def test_newer_version_does_not_read_lines_while_a_call_may_be_under_way() -> None:
    """What an unanswered call is still to make would be missing, and made again."""
    world = Bookkeeping()
    world.board.answers = ["ok", "ok", "slow"]
    with pytest.raises(RetryLater):
        world.carry("created", line_items=lines("Oven"))
    with pytest.raises(RetryLater) as later:
        world.carry(line_items=lines("Oven", "Tray"))
    assert later.value.after == 60
    world.clock.advance(60)
    world.carry(line_items=lines("Oven", "Tray"))
    assert sorted(name for name, _, _ in world.shown) == ["Oven", "Tray"]


def test_doubt_about_the_lines_is_settled_by_looking() -> None:
    """An unanswered change may be there: going back to what the row remembers needs a look all the same."""
    world = Bookkeeping()
    world.carry("created", line_items=lines("Oven"))
    world.board.answers = ["ok", "ok", "lost after"]
    with pytest.raises(RetryLater):
        world.carry(line_items=lines("Tray"))
    world.clock.advance(200)
    world.carry(line_items=lines("Oven"))
    assert world.shown == [("Oven", "1", "10.00")]


def test_line_that_comes_back_is_made_anew() -> None:
    """The key of the request that made it first is another version's: its kept answer names what is archived."""
    world = Bookkeeping()
    for names in (("Oven",), ("Tray",), ("Oven",)):
        world.carry("updated", line_items=lines(*names))
    assert world.shown == [("Oven", "1", "10.00")]


def test_refused_lines_are_parked_and_the_item_is_there() -> None:
    """The reason says what to do; sent again, only the lines are made."""
    world = Bookkeeping()
    world.board.answers = ["ok", "ok", "refused"]
    each = delivery(action="created", line_items=lines("Oven"))
    result = world.again(each)
    assert result.outcome == "parked"
    assert "the item is there, its line items are not" in result.reason
    assert "mlc monday board" in result.reason
    world.board.asked.clear()
    assert world.again(each).outcome == "delivered"
    assert world.board.asked == ["ExistingLines", "CreateLines"]


def test_item_that_was_archived_before_its_lines_came_is_made_anew() -> None:
    """With them: the setting `gone` counts at every step."""
    world = Bookkeeping()
    world.board.answers = ["ok", "busy"]
    each = delivery(action="created", line_items=lines("Oven"))
    with pytest.raises(RetryLater):
        world.again(each)
    world.item.state = "archived"
    world.clock.advance(60)
    world.again(each)
    assert world.shown == [("Oven", "1", "10.00")]


def test_lines_without_names_ids_or_with_emoji() -> None:
    """A name is never empty or too long, and each line has an id of its own."""
    world = Bookkeeping()
    odd = [{"name": "", "item_total": "1"}, {"name": "😀" * 300, "item_total": "-2"}, {"line_item_id": "x"}] * 2
    world.carry("created", line_items=odd)
    names = [name for name, _, _ in [(each.name, 0, 0) for each in world.item.lines]]
    assert names == ["Line 1", "😀" * 127 + "…", "Line 3", "Line 4", "😀" * 127 + "…", "Line 6"]
    ids = [each.cells["line_id"] for each in world.item.lines]
    assert len(set(ids)) == 6


def test_payload_without_lines_removes_none() -> None:
    """Not all payloads tell them: no document is without any."""
    world = Bookkeeping()
    world.carry("created", line_items=lines("Oven"))
    world.board.asked.clear()
    world.carry(line_items=[], reference_number="PO-1")
    assert world.board.asked == ["UpdateRecord"]
    assert len(world.shown) == 1


def test_lines_that_come_later_are_made() -> None:
    """The row of a payload without lines does not say that there are none."""
    world = Bookkeeping()
    world.carry("created", line_items=[])
    world.carry(line_items=lines("Oven"))
    assert world.shown == [("Oven", "1", "10.00")]


@pytest.mark.parametrize("mode", ["text", "none"])
def test_one_call_per_record_without_subitems(mode: str) -> None:
    """What a plan of 1,000 calls a day asks for (8)."""
    world = Bookkeeping(lines=mode)
    world.carry("created", line_items=lines("Oven"))
    world.carry(line_items=lines("Tray"))
    assert world.board.asked == ["CreateRecord", "UpdateRecord"]


def test_columns_beyond_what_the_row_remembers_are_looked_at_each_time() -> None:
    """A field of Zoho's line may change and nothing that the row knows with it."""
    taxed = {"tax": {"from": "zoho.tax_percentage", "type": "numbers"}, **COLUMNS}
    world = Bookkeeping(line_columns=taxed)
    world.carry("created", line_items=[{**lines("Oven")[0], "tax_percentage": 7}])
    world.carry(line_items=[{**lines("Oven")[0], "tax_percentage": 19}])
    assert world.item.lines[0].cells["tax"] == "19"


def test_waiting_for_a_call_under_way_ends() -> None:
    """However often it is refused meanwhile."""
    world = Bookkeeping()
    world.board.answers = ["ok", "ok", "slow", "busy", "busy"]
    waits = world.until_done(delivery(action="created", line_items=lines("Oven")))
    assert sum(waits) < timedelta(minutes=10).total_seconds()


def test_beyond_500_the_last_subitem_stands_for_the_rest() -> None:
    """monday states no number, so a document may be too long: the totals of its subitems are still its own."""
    world = Bookkeeping()
    world.until_done(delivery(action="created", line_items=lines(*(f"Part {n}" for n in range(4000)), total="2.50")))
    assert len(world.shown) == 500
    assert world.shown[-1] == ("… 3,501 more lines", "500", "8752.50")
    assert sum(Decimal(total) for _, _, total in world.shown) == 10_000
    world.clock.advance(60)
    world.carry(line_items=lines("Part 0", "Part 1"))
    assert [name for name, _, _ in world.shown] == ["Part 0", "Part 1"]


@pytest.mark.parametrize(("source", "covered"), [("total", True), ("rate", False), ("zoho.tax_percentage", False)])
def test_a_line_column_beyond_the_fingerprint_is_no_reason_to_skip(source: str, covered: bool) -> None:
    """A version with the fingerprint that is there already is skipped only where nothing else is shown (ports.py)."""
    columns = {"total": {"from": "amount", "type": "numbers"}}
    world = Bookkeeping(columns=columns, line_columns={"x": {"from": source, "type": "numbers"}})
    assert world.desk.vendor.covered is covered
