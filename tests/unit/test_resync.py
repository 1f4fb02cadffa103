"""What nobody told is found by reading: page by page, at Graph's pace, and nothing twice (microsoft-teams 7.8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ml_connector.errors import RetryLater, Throttled, Undeliverable
from ml_connector.resync import CALLS, Reading
from ml_connector.sources.graph import messages_of, slot_of
from tests.fakes import CHANNEL, TEAM
from tests.teams_world import World

SLOT = slot_of(messages_of(TEAM, CHANNEL))


def ready() -> World:
    """Subscribed and read until the day before, 08:00; a card for each of 120 records, ids 1000 and up."""
    world = World()
    world.run()
    world.work()
    for number in range(120):
        world.card(str(1000 + number), str(number))
    world.clock.advance(3600)
    world.graph.calls.clear()
    return world


def look(world: World) -> int:
    return world.resync.run(world.connections.held["acme-eu"], SLOT, TEAM, CHANNEL)


def reading(world: World) -> Reading:
    return world.rows.readings["acme-eu", SLOT]


def test_missed_replies_are_found_over_pages() -> None:
    """In 120 threads; the next look begins where this one did."""
    world = ready()
    for number in range(120):
        world.graph.reply(str(1000 + number), str(5000 + number))
    assert look(world) == 120
    assert world.graph.calls == ["changed"] * 3
    assert reading(world) == Reading("2026-11-22T09:00:00Z")
    assert look(world) == 0
    assert len(world.acknowledged) == 120
    assert world.deliveries.faults() == []


def test_what_is_older_than_the_last_look_is_left_alone() -> None:
    """A thread may hold replies of last year; a new subscription begins a day before itself."""
    world = ready()
    world.graph.reply("1000", "5000")
    world.graph.messages["5000"]["createdDateTime"] = "2026-11-21T07:00:00Z"
    world.graph.reply("1000", "5001")
    assert look(world) == 1
    assert world.acknowledged[0].external_id == "5001"


def test_busy_channel_is_waited_for_a_moment_and_then_left_for_later() -> None:
    """A second passes within the function; more does not. The page is kept."""
    world = ready()
    paused: list[float] = []
    object.__setattr__(world.resync, "pause", paused.append)
    for number in range(120):
        world.graph.reply(str(1000 + number), str(5000 + number))
    changed, faults = world.graph.changed, [None, Throttled("graph", 0.4), None, Throttled("graph", 30.0)]

    def limited(*args: Any) -> Mapping[str, Any]:
        if faults and (fault := faults.pop(0)):
            raise fault
        return changed(*args)

    world.graph.changed = limited  # type: ignore[method-assign, assignment]
    with pytest.raises(Throttled):
        look(world)
    assert (paused, len(world.acknowledged)) == ([0.4], 100)
    assert reading(world).link
    assert look(world) == 20
    assert reading(world) == Reading("2026-11-22T09:00:00Z")


def test_long_look_goes_on_with_another_message() -> None:
    """A function has its time; a channel may have thousands of threads."""
    world = ready()
    world.graph.page = 1
    for number in range(120):
        world.graph.reply(str(1000 + number), str(5000 + number))
    for _ in range(120 // CALLS):
        with pytest.raises(RetryLater):
            look(world)
    look(world)
    assert len(world.acknowledged) == 120


def test_look_that_takes_long_goes_on_with_another_message() -> None:
    """Pages differ: one with many new replies takes as long as many without; the function's time is not used up."""
    world = ready()
    world.graph.page = 1
    for number in range(6):
        world.graph.reply(str(1000 + number), str(5000 + number))
    changed = world.graph.changed

    def slow(*args: Any) -> Mapping[str, Any]:
        world.clock.advance(20)
        return changed(*args)

    world.graph.changed = slow  # type: ignore[method-assign, assignment]
    with pytest.raises(RetryLater, match="more to read"):
        look(world)
    assert 0 < len(world.acknowledged) < 4
    with pytest.raises(RetryLater, match="more to read"):
        look(world)
    look(world)
    assert len(world.acknowledged) == 6


@pytest.mark.parametrize("status", [400, 404, 410])
def test_place_in_the_list_that_graph_has_forgotten_begins_anew(status: int) -> None:
    """Tokens of pages end."""
    world = ready()
    world.graph.reply("1000", "5000")
    world.rows.readings["acme-eu", SLOT] = Reading("2026-11-22T08:00:00Z", "gone|1", "2026-11-22T08:30:00Z")
    world.graph.faults = [Undeliverable("Graph answered 410", status)]
    assert look(world) == 1


def test_refused_look_says_so_and_forgets_nothing() -> None:
    """403: the next one reads from the same time on."""
    world = ready()
    before = reading(world)
    world.graph.faults = [Undeliverable("403", 403)]
    with pytest.raises(Undeliverable):
        look(world)
    assert reading(world) == before


def test_thread_of_more_than_a_thousand_is_followed() -> None:
    """Graph gives the rest of a thread's replies on pages of their own."""
    world = ready()
    world.graph.reply("1000", "5000")
    world.graph.reply("1000", "5001")
    whole = world.graph.changed(*("acme-eu", TEAM, CHANNEL, "2026"))["value"][0]
    first, second = whole["replies"]
    pages: dict[str, Mapping[str, Any]] = {
        "": {"value": [{"id": "1000", "replies": [first], "replies@odata.nextLink": "more"}]},
        "more": {"value": [second]},
    }
    world.graph.changed = lambda *args: pages[args[4]]  # type: ignore[method-assign, assignment]
    assert look(world) == 2
