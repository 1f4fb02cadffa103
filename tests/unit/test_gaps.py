"""A gap is closed whole, however often its walk is broken off and whatever moves in the list meanwhile (6.3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from ml_connector.gaps import AT_MOST, Gap, Page, Reading, Row, Walk
from ml_connector.records import BadRecord
from ml_connector.times import stamp

DAY0 = datetime(2026, 11, 1, tzinfo=UTC)
SIZE = 5


def at(minute: float) -> str:
    return stamp(DAY0 + timedelta(minutes=minute))


@dataclass
class Zoho:
    """A list as Zoho gives it: newest first by modification, by creation, or in an order of its own."""

    order: str = "modified"
    says: str = ""
    """What it says to be sorted by."""
    rows: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Minutes of creation and of the last change, by id."""
    reads: list[int] = field(default_factory=list)
    then: Callable[[], None] = lambda: None
    """Happens after each read."""

    def saves(self, number: int, made: float, modified: float | None = None) -> None:
        self.rows[str(number)] = (made, made if modified is None else modified)

    def page(self, number: int) -> Page:
        self.reads.append(number)
        if self.order == "none":
            listed = sorted(self.rows)
        else:
            place = {"created": 0, "modified": 1}[self.order]
            listed = sorted(self.rows, key=lambda key: (self.rows[key][place], key), reverse=True)
        shown = listed[(number - 1) * SIZE : number * SIZE]
        rows = [
            {"id": key, "created_time": at(self.rows[key][0]), "last_modified_time": at(self.rows[key][1])}
            for key in shown
        ]
        self.then()
        return Page(rows, len(listed) > number * SIZE, self.says)

    def walk(self, gap: Gap, reach: timedelta = timedelta(days=30)) -> Walk:
        return Walk(gap, self.page, "id", self.order != "created", reach)


def walked(zoho: Zoho, gap: Gap, **options: Any) -> list[str]:
    """Ids of a walk from beginning to end."""
    walk, found = zoho.walk(gap, **options), []
    while walk.left:
        found += [str(row["id"]) for row in walk.page()]
    return found


def filled(count: int, order: str = "modified") -> Zoho:
    zoho = Zoho(order)
    for number in range(count):
        zoho.saves(number, number)
    return zoho


@pytest.mark.parametrize("order", ["modified", "created", "none"])
def test_all_of_the_gap_and_nothing_else(order: str) -> None:
    """Both ends are in it, whatever order Zoho gives the list."""
    assert sorted(map(int, walked(filled(40, order), Gap(at(7), at(30))))) == list(range(7, 31))


def test_reading_ends_at_the_first_older_row() -> None:
    """In descending order the pages behind an older row hold nothing newer: an idle list costs one call."""
    zoho = filled(1000)
    assert walked(zoho, Gap(at(996), at(2000))) == ["999", "998", "997", "996"]
    assert zoho.reads == [1]


def test_gap_of_ten_thousand_rows_and_more() -> None:
    """There is no number of rows that is too many."""
    zoho = filled(11_000)
    listed = sorted(zoho.rows, key=int, reverse=True)

    def page(number: int) -> Page:
        rows = [{"id": key, "last_modified_time": at(int(key))} for key in listed[(number - 1) * 200 : number * 200]]
        return Page(rows, len(listed) > number * 200)

    walk, found = Walk(Gap(at(0), at(20_000)), page, "id", True, timedelta()), []
    while walk.left:
        found += [row["id"] for row in walk.page()]
    assert found == listed


def test_list_by_creation_is_looked_through_as_far_as_told() -> None:
    """What was made before the gap may have changed in it: found within `reach`; without, on the first page only."""
    zoho = Zoho("created")
    for number in range(20):
        zoho.saves(number, number, modified=100 if number in (4, 12, 19) else None)
    assert walked(zoho, Gap(at(90), at(110)), reach=timedelta(minutes=80)) == ["19", "12"]
    zoho.reads.clear()
    assert walked(zoho, Gap(at(90), at(110)), reach=timedelta()) == ["19"]
    assert zoho.reads == [1]


@pytest.mark.parametrize("says", ["", "created"])
def test_order_is_checked_not_trusted(says: str) -> None:
    """Asked for by modification, given by creation: seen by what it says, or by a row out of place."""
    zoho = filled(20, "created")
    zoho.says = says
    zoho.saves(3, 3, modified=100)
    if not says:
        zoho.saves(18, 18, modified=80)
    walk = Walk(Gap(at(90), at(110)), zoho.page, "id", modified_first=True, reach=timedelta(days=30))
    found = []
    while walk.left:
        found += [row["id"] for row in walk.page()]
    assert found == ["3"]


def test_walk_goes_on_where_it_was_left() -> None:
    """What has been dealt with is not given again, and pages that have been read through are not read again."""
    zoho = filled(40)
    first = zoho.walk(Gap(at(0), at(40)))
    rows = [next(page)["id"] for page in [first.page()] for _ in range(3)]
    assert rows == ["39", "38", "37"]
    assert first.left is not None
    # The third was given, but nobody has said that it is dealt with.
    assert first.left.seen == at(38)
    left = Gap(**first.left.data())
    assert walked(zoho, left) == [str(number) for number in range(38, -1, -1)]


def test_deleted_records_hide_none() -> None:
    """Rows move up into a page that has been read: it is looked at again."""
    zoho = filled(30)
    deleted = iter(range(29, 0, -3))

    def delete() -> None:
        zoho.rows.pop(str(next(deleted, "")), None)

    before = set(zoho.rows)
    zoho.then = delete
    found = walked(zoho, Gap(at(0), at(40)))
    assert before - set(found) <= {str(number) for number in range(29, 0, -3)}
    assert len(found) == len(set(found))


@pytest.mark.parametrize("broken_off", range(23))
def test_records_of_one_second_are_all_found(broken_off: int) -> None:
    """An import writes hundreds in a second, more than a page: a walk broken off among them loses none."""
    zoho = Zoho()
    for number in range(23):
        zoho.saves(number, 10)
    walk = zoho.walk(Gap(at(0), at(40)))
    found = {str(row["id"]) for row in _rows(walk, broken_off)}
    assert walk.left
    del zoho.rows["22"]  # the first: all others move up
    assert found | set(walked(zoho, walk.left)) >= {str(number) for number in range(22)}


@pytest.mark.parametrize("order", ["modified", "created"])
@pytest.mark.parametrize("seed", range(40))
def test_nothing_is_lost_between_pages_and_runs(seed: int, order: str) -> None:
    """Records are made, changed and deleted between any two reads, and walks broken off anywhere: by the end every
    version that still stood when its time was looked at has been given."""
    chance = Random(seed)
    zoho, now, found = Zoho(order), 200.0, set[tuple[str, str]]()
    for number in range(60):
        zoho.saves(number, number * 3 + chance.random())

    def live() -> None:
        """Something happens after every third read: what two changes hide between two reads is not claimed."""
        nonlocal now
        if len(zoho.reads) % 3:
            return
        now += 0.1
        key = chance.choice(list(zoho.rows))
        match chance.randrange(3):
            case 0:
                zoho.saves(1000 + len(zoho.reads), now)
            case 1:
                zoho.rows[key] = (zoho.rows[key][0], now)
            case _:
                del zoho.rows[key]

    zoho.then = live
    reading = Reading(at(0), ())
    for _ in range(400):
        end = now
        reading = reading.opened(at(end), timedelta())
        for gap in reading.gaps:
            walk = zoho.walk(gap)
            budget = chance.randrange(1, 12)
            for row in _rows(walk, budget):
                found.add((str(row["id"]), str(row["last_modified_time"])))
            reading = reading.with_(gap, walk.left)
            if walk.left:
                break
        if chance.random() < 0.05:
            zoho.then = lambda: None  # the office closes
            if not reading.gaps and now == end:
                break
    else:
        pytest.fail("the gaps are never closed")
    assert {(key, at(modified)) for key, (_, modified) in zoho.rows.items()} <= found


def _rows(walk: Walk, budget: int) -> list[Row]:
    """Rows of a walk that ends after so many."""
    given: list[Row] = []
    while walk.left:
        for row in walk.page():
            if len(given) == budget:
                return given
            given.append(row)
    return given


@pytest.mark.parametrize("bad", ["2026-11-22", "2026-11-22 07:00:00", "22 Nov 2026"])
@pytest.mark.parametrize("order", ["modified", "created"])
@pytest.mark.parametrize("broken", [[12], [14, 10], [19], [0], [11, 12, 13]], ids=str)
def test_time_that_cannot_be_read_stops_no_walk(order: str, broken: list[int], bad: str) -> None:
    """The row stands where its neighbours do: it is given if they are of the gap, and hides nothing else."""
    zoho = filled(20, order)
    read = zoho.page

    def page(number: int) -> Page:
        shown = read(number)
        return Page(
            [row | {"last_modified_time": bad} if int(row["id"]) in broken else row for row in shown.rows], shown.more
        )

    walk = Walk(Gap(at(8), at(15)), page, "id", order == "modified", timedelta(days=30))
    found: list[int] = []
    while walk.left:
        found += [int(row["id"]) for row in walk.page()]
    assert {number for number in range(8, 16) if number not in broken} <= set(found)
    assert {number for number in broken if 8 <= number <= 15} <= set(found)
    assert set(found) - set(broken) == set(range(8, 16)) - set(broken)


@pytest.mark.parametrize("seed", range(200))
def test_rows_without_a_readable_time_are_found_however_often_a_walk_is_broken_off(seed: int) -> None:
    """Their neighbours change between two runs, so that they seem to stand elsewhere."""
    random = Random(seed)
    zoho = filled(25)
    read = zoho.page
    changed: set[str] = set()

    def page(number: int) -> Page:
        shown = read(number)
        return Page([row | {"last_modified_time": "?"} if int(row["id"]) % 5 == 0 else row for row in shown.rows],
                    shown.more)  # fmt: skip

    left, found, minute = Gap(at(0), at(22)), set[str](), 30
    while left:
        walk = Walk(left, page, "id", True, timedelta(days=30))
        while walk.left and random.random() < 0.8:
            for row in walk.page():
                if random.random() < 0.2:
                    break
                found.add(str(row["id"]))
            else:
                continue
            break
        left = walk.left  # type: ignore[assignment]
        if left and len(changed) < 10:
            number, minute = random.randrange(25), minute + 1
            changed.add(str(number))
            zoho.saves(number, number, modified=minute)
    assert {str(number) for number in range(23)} <= found | changed


def test_row_without_a_readable_time_costs_no_order() -> None:
    """A list in order is not read to its end because of it, nor is the row given of a gap that it is not in."""
    zoho = filled(1000)
    read = zoho.page
    zoho.page = lambda number: (  # type: ignore[method-assign]
        Page([row | {"last_modified_time": "?"} if row["id"] == "997" else row for row in read(number).rows], True)
    )
    assert walked(zoho, Gap(at(996), at(2000))) == ["999", "998", "997", "996"]
    assert walked(zoho, Gap(at(999), at(2000))) == ["999"]
    assert zoho.reads == [1, 1]


def test_list_without_any_readable_time_is_nobodys_fault_but_zohos() -> None:
    """Looking up every single record is no answer to it: the list fails, and people hear of that."""
    walk = Walk(
        Gap(at(0), at(9)), lambda _: Page([{"id": "1", "last_modified_time": "?"}], False), "id", True, timedelta()
    )
    with pytest.raises(BadRecord):
        list(walk.page())
    assert walk.left == Gap(at(0), at(9))


def test_empty_and_odd_pages_end_a_walk() -> None:
    """A page without rows has nothing behind it, whatever it says."""
    walk = Walk(Gap(at(0), at(9)), lambda number: Page((), True), "id", True, timedelta())
    assert list(walk.page()) == []
    assert walk.left is None


def test_new_gap_reaches_back_over_the_old_end() -> None:
    """Lists may lag behind what was saved."""
    reading = Reading(at(100)).opened(at(115), timedelta(minutes=10))
    assert reading == Reading(at(115), (Gap(at(90), at(115)),))
    assert reading.with_(reading.gaps[0], None) == Reading(at(115))


def test_clock_set_back_opens_nothing() -> None:
    """What has been read stays read."""
    reading = Reading(at(100))
    assert reading.opened(at(80), timedelta(minutes=10)) is reading
    assert reading.opened(at(95), timedelta(minutes=10)) == Reading(at(100), (Gap(at(90), at(95)),))


def test_gaps_stay_few() -> None:
    """If no run ever gets through, the oldest are joined: what lies between is looked at twice, nothing is lost."""
    reading = Reading(at(0))
    for minute in range(10, 200, 10):
        reading = reading.opened(at(minute), timedelta())
        newest = reading.gaps[0]
        reading = reading.with_(newest, Gap(newest.since, newest.until, 2, at(minute - 1), "modified"))
    assert len(reading.gaps) == AT_MOST
    assert reading.gaps[-1].since == at(0)
    ends = [(gap.since, gap.until) for gap in reading.gaps]
    assert all(newer[0] <= older[1] for newer, older in pairwise(ends))


def test_another_gap_stands_beside_those_that_are_open() -> None:
    """Newest first, each once."""
    reading = Reading(at(20), (Gap(at(10), at(20), page=3),)).also(Gap(at(0), at(5)))
    assert reading == Reading(at(20), (Gap(at(10), at(20), page=3), Gap(at(0), at(5))))
    assert reading.also(Gap(at(0), at(5))) == reading
    assert reading.also(Gap(at(30), at(40))).until == at(40)
