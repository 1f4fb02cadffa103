"""Times of which a list has not been looked at, and the walk that closes them (contracts: zoho-books 6.3).

A gap is worked off newest first, page by page, and can be left at any row: what is left of it is a smaller gap, which
says on which page to go on and how far down its rows have been looked at. Between two reads of a list rows move:

    something is made or changed   the rows above it move down: a page repeats rows that have been looked at
    something is deleted           the rows below it move up, from a page ahead to one behind

So a page is taken as the next one only if the page before it is still as it was, and a walk goes on at a page that
begins with a row that has been looked at; otherwise the page before is looked at again. (What a deletion moves up and a
change moves back between the same two reads would still be missed.) Zoho's order is checked, not trusted: a list that
is not in the order asked for is read by creation, and one that is in no order at all is read to its end. A row whose
time cannot be read stands where its neighbours do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from ml_connector.records import BadRecord, timestamp
from ml_connector.times import stamp

Row = Mapping[str, Any]
_ORDERS = ("modified", "created", "")
AT_MOST = 6
"""Gaps of one list: of more, the two oldest become one."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list. `more` says that another one follows, `by` what it says to be sorted by, if it does."""

    rows: Sequence[Row]
    more: bool
    by: str = ""


@dataclass(frozen=True, slots=True)
class Gap:
    """Rows modified from `since` to `until` (UTC, both included) that have not been looked at.

    Of them, those on pages before `page` have been, and on it those above `seen`: a time of `by`, the order that the
    list had (`modified`, `created`, or "" if none).
    """

    since: str
    until: str
    page: int = 1
    seen: str = ""
    by: str = ""

    def data(self) -> dict[str, Any]:
        """For JSON, without what is as it is in a gap that nobody has begun."""
        return {name: value for name, value in asdict(self).items() if value not in ("", 1)}


@dataclass(frozen=True, slots=True)
class Reading:
    """How far a list has been read: all modified up to `until` has been looked at, except for the gaps (newest first).

    Two runs at once do no harm: each reading tells the truth, so the one stored last loses nothing.
    """

    until: str
    gaps: tuple[Gap, ...] = ()

    def opened(self, until: str, overlap: timedelta) -> Reading:
        """With what has come since as a new gap. It reaches back a little: lists may lag."""
        since = stamp(datetime.fromisoformat(self.until) - overlap)
        return Reading(max(until, self.until), _few((Gap(since, until), *self.gaps))) if until > since else self

    def also(self, gap: Gap) -> Reading:
        """With another gap beside those that are open."""
        gaps = sorted({*self.gaps, gap}, key=lambda each: each.until, reverse=True)
        return Reading(max(self.until, gap.until), _few(tuple(gaps)))

    def with_(self, gap: Gap | None, left: Gap | None) -> Reading:
        """With what is left of a gap in its place."""
        now = [left if each == gap else each for each in self.gaps]
        return replace(self, gaps=tuple(filter(None, now)))


def _few(gaps: tuple[Gap, ...]) -> tuple[Gap, ...]:
    """At most AT_MOST: what lies between the two oldest is looked at twice."""
    while len(gaps) > AT_MOST:
        *others, newer, older = gaps
        since = min(newer.since, older.since)
        # By creation, what was looked at for the one has not been for the other.
        joined = replace(newer, since=since) if newer.by == "modified" else Gap(since, newer.until)
        gaps = (*others, joined)
    return gaps


@dataclass(slots=True)
class Walk:
    """Goes through a gap. `left` is what remains of it when the rows given so far have been dealt with."""

    gap: Gap
    read: Callable[[int], Page]
    id_field: str
    modified_first: bool
    """Whether the list was asked for in the order of modification; if not, in that of creation."""
    reach: timedelta
    """How much older than the gap a record may be that was modified in it, where only creation gives an order."""
    left: Gap | None = field(init=False)
    _behind: Page | None = None
    """The page before the next one, as it was."""
    _given: set[tuple[str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.left = self.gap

    def page(self) -> Iterator[Row]:
        """The gap's rows on the next page, each version once, and those that may be of it because no time says when.

        Raises what `read` raises, and BadRecord if no time can be read at all, which is not one row's fault.
        """
        assert self.left, "walked to its end"  # noqa: S101 (our own mistake)
        number, page = self._next(self.left)
        by = self._order(page)
        # In another order, what was looked at is no place: of this page, everything counts as new.
        left = replace(self.left, page=number, seen=self.left.seen if by == self.left.by else "", by=by)
        places, modified = _times(page.rows, by), _times(page.rows, "modified")
        places = _filled(places, "" if any(places) else left.seen)
        if number == 1 and page.rows and not any(modified):
            raise BadRecord("no row of the list says readably when it was changed")
        self.left = left
        for row, (earliest, latest), place, at in zip(
            page.rows, self._spans(modified, by), places, modified, strict=True
        ):
            # Its neighbours may have moved: where a row without a time stood before, nobody knows.
            if left.seen and place > left.seen and at:
                continue
            version = (str(row.get(self.id_field, "")), latest)
            if self.gap.since <= latest and earliest <= self.gap.until and version not in self._given:
                yield row
                self._given.add(version)
            if by:
                self.left = left = replace(left, seen=place)
        self._behind = page
        if not page.more or not page.rows or self._beyond(places, by):
            self.left = None
        else:
            self.left = replace(left, page=number + 1)

    def _spans(self, modified: Sequence[str], by: str) -> Iterator[tuple[str, str]]:
        """When each row was changed, at the earliest and at the latest.

        Without a time of its own that is between its neighbours, if the rows are in order; else it may be any time.
        """
        since, until = self.gap.since, self.gap.until
        if by != "modified":
            return ((each or since, each or until) for each in modified)
        return zip(_filled(modified[::-1], since)[::-1], _filled(modified, until), strict=True)

    def _next(self, left: Gap) -> tuple[int, Page]:
        """The page to look at, which may be one that has been, and its number."""
        number, page = left.page, self.read(left.page)
        if number > 1 and self._behind and self._order(page):
            before = self.read(number - 1)
            if before.rows == self._behind.rows:
                return number, page
            number, page = number - 1, before
        while number > 1 and left.seen and self._order(page) == left.by and not self._reaches(page, left):
            number -= 1
            page = self.read(number)
        return number, page

    def _reaches(self, page: Page, left: Gap) -> bool:
        """True if it begins with rows that have been looked at: newer ones, as many may be of one second."""
        return bool(page.rows) and _filled(_times(page.rows, left.by))[0] > left.seen

    def _order(self, page: Page) -> str:
        """The best order that the page is in. One that a page of this walk was not in does not come back."""
        best = 0 if self.modified_first and page.by in ("", "modified") else 1
        if self.left and self.left.page > 1:
            best = max(best, _ORDERS.index(self.left.by))
        # A page without a readable time says nothing against the order that the others were in.
        held = self.left.by if self.left else ""
        return next((by for by in _ORDERS[best:2] if _in_order(_times(page.rows, by), unread=by == held)), "")

    def _beyond(self, places: Sequence[str], by: str) -> bool:
        """True if the pages after this one hold nothing of the gap."""
        since = self.gap.since
        end = {"modified": since, "created": stamp(datetime.fromisoformat(since) - self.reach)}
        return by in end and places[-1] < end[by]


def _times(rows: Sequence[Row], by: str) -> list[str]:
    """Of each row, "" if there is none that can be read."""
    if by == "modified":
        return [_time(row.get("last_modified_time") or row.get("created_time")) for row in rows]
    return [_time(row.get("created_time")) for row in rows]


def _time(value: object) -> str:
    try:
        return timestamp(value)
    except BadRecord:
        return ""


def _filled(times: Sequence[str], first: str = "") -> list[str]:
    """With the time before it in place of each that is lacking; `first`, or else the one after, where there is none."""
    last = first or next(filter(None, times), "")
    return [last := time or last for time in times]


def _in_order(times: Sequence[str], *, unread: bool) -> bool:
    """True if those that can be read descend; if none can, it is as `unread` says. An empty page is in any order."""
    known = list(filter(None, times))
    return all(one >= following for one, following in pairwise(known)) if known or not times else unread
