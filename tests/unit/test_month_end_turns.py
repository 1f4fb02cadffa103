"""A month's end is counted with what a turn of reconcile leaves, and takes nothing away from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ml_connector.connections import Connection
from ml_connector.errors import Throttled
from tests.unit.test_rounds import Stand


@pytest.fixture
def stand() -> Stand:
    return Stand()


def run(stand: Stand, also: Callable[[Connection, Callable[[], bool]], None], left: bool = True) -> Any:
    return replace(stand.rounds, also=also).run_due("run-1", lambda: left)


def test_calls_of_a_months_end_are_calls_of_the_day(stand: Stand) -> None:
    """They are counted with the turn, or the day's share would be used up before its end."""

    def also(connection: Connection, goes_on: Callable[[], bool]) -> None:
        for number in range(7):
            assert goes_on()
            stand.books.page(connection, "invoice", number + 1)

    run(stand, lambda connection, goes_on: None)
    usual, stand = stand.turn.spent, Stand()
    done = run(stand, also)
    assert stand.turn.spent == usual + 7 == done["acme-eu"].calls


def test_it_ends_when_the_days_calls_get_few(stand: Stand) -> None:
    """What must be looked at until midnight is kept for that; the rest is for it."""
    made = 0

    def also(connection: Connection, goes_on: Callable[[], bool]) -> None:
        nonlocal made
        while goes_on():
            stand.books.page(connection, "invoice", 1)
            made += 1

    run(stand, also)
    share = 5000 * 20 // 100
    stand.clock.advance(900)
    run(stand, also)
    assert 0 < made < share
    assert stand.turn.spent < share, "looks are possible until midnight"


def test_it_ends_when_time_does(stand: Stand) -> None:
    """A function that is killed would lose the turn's own result."""
    seen: list[bool] = []
    time = iter([True] * 12)

    def also(connection: Connection, goes_on: Callable[[], bool]) -> None:
        while goes_on():
            pass
        seen.append(True)

    replace(stand.rounds, also=also).run_due("run-1", lambda: next(time, False))
    assert seen == [True]
    assert stand.turn.due_at > "2026-11-22T08:00:00Z"


def test_its_fault_is_told_and_the_turn_is_kept(stand: Stand) -> None:
    """Reconcile goes on every quarter of an hour, whatever is wrong with the report."""

    def also(connection: Connection, goes_on: Callable[[], bool]) -> None:
        raise ZeroDivisionError("of ours")

    assert set(run(stand, also)) == {"acme-eu"}
    assert stand.faults == ["acme-eu: of ours"]
    assert stand.turn.spent > 0
    assert stand.wait().total_seconds() == 900


def test_where_zoho_is_busy_it_is_not_begun(stand: Stand) -> None:
    """The run before has been refused: nothing more is asked."""
    stand.books.broken["invoice"] = Throttled("the day's share is used up", 600)
    called: list[str] = []
    run(stand, lambda connection, goes_on: called.append(connection.name))
    assert called == []
