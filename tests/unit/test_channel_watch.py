"""Channels that routes lead to: renamed, deleted, back again; people hear of each once."""

from __future__ import annotations

import pytest

from ml_connector.channel_watch import Channel
from ml_connector.errors import RetryLater, Undeliverable
from tests import fakes
from tests.fakes import CHANNEL, TEAM
from tests.teams_world import World, connection


def ready(**changes: object) -> World:
    """Subscribed; the channel's name is known."""
    world = World(**changes)  # type: ignore[arg-type]
    world.run()
    world.work()
    return world


def told(world: World, change: str) -> list[str]:
    """Graph tells of a change; what the messages came to, with all waits passed."""
    world.tell(world.graph.item(f"teams('{TEAM}')/channels('{CHANNEL}')", change))
    came = world.work()
    for _ in range(4):
        world.clock.advance(60)
        came += world.work()
    return came


def flag(world: World, name: str = "acme-eu") -> Channel | None:
    return world.rows.known.get((name, CHANNEL))


def test_name_is_learnt_in_silence() -> None:
    """The first look tells nobody anything."""
    world = ready()
    assert flag(world) == Channel("acme-eu", CHANNEL, "Finance")
    assert world.admin.posts == []


def test_renamed_channel_is_told_once() -> None:
    """The destination goes on: it is known by its id."""
    world = ready()
    world.graph.names[CHANNEL] = "Accounting"
    assert told(world, "updated") == ["looked: renamed"]
    assert told(world, "updated") == ["looked: as it was"]
    assert world.admin.posts == ["The Teams channel Finance is called Accounting now"]


def test_name_that_comes_back_is_told_again() -> None:
    """Another day's change is another matter, though it is the same two names."""
    world = ready()
    for name in ("Accounting", "Finance", "Accounting"):
        world.clock.advance(24 * 3600)
        world.run()
        world.graph.names[CHANNEL] = name
        told(world, "updated")
    assert [each.rpartition(" called ")[2] for each in world.admin.posts] == [
        "Accounting now",
        "Finance now",
        "Accounting now",
    ]


def test_channel_that_was_never_seen_was_not_deleted() -> None:
    """Its id is mistyped, or Graph does not show it to the app: its cards may well get there."""
    world = World()
    del world.graph.names[CHANNEL]
    world.run()
    assert "looked: it was never seen" in world.work()
    world.clock.advance(61)
    world.work()
    assert (flag(world), world.admin.posts) == (None, [])


def test_change_of_something_else_is_silence() -> None:
    """A new description is an update, too."""
    world = ready()
    assert told(world, "updated") == ["looked: as it was"]
    assert world.admin.posts == []


def test_deleted_channel_is_flagged_after_a_second_look_and_told_once() -> None:
    """A 404 may pass (8.3); the notice names the destination's routes and what to do."""
    world = ready()
    del world.graph.names[CHANNEL]
    world.tell(world.graph.item(f"teams('{TEAM}')/channels('{CHANNEL}')", "deleted"))
    assert world.work() == ["later"]
    assert flag(world) is not None
    assert (world.rows.known["acme-eu", CHANNEL].gone_at, world.admin.posts) == ("", [])
    world.clock.advance(61)
    assert world.work() == ["looked: deleted"]
    assert world.rows.known["acme-eu", CHANNEL].gone_at == "2026-11-22T08:01:01Z"
    assert told(world, "deleted") == ["looked: deleted"]
    assert world.admin.posts == ["The Teams channel Finance was deleted"]


def test_single_404_passes() -> None:
    """It was there at the second look: nobody hears of it."""
    world = ready()
    name = world.graph.names.pop(CHANNEL)
    world.tell(world.graph.item(f"teams('{TEAM}')/channels('{CHANNEL}')", "deleted"))
    world.work()
    world.graph.names[CHANNEL] = name
    world.clock.advance(61)
    assert world.work() == ["looked: as it was"]
    assert (flag(world), world.admin.posts) == (Channel("acme-eu", CHANNEL, "Finance"), [])


def test_flag_ends_when_the_channel_is_back() -> None:
    """Told once, too; the hourly run notices it by the subscription that can be made again."""
    world = ready()
    name = world.graph.names.pop(CHANNEL)
    told(world, "deleted")
    world.graph.names[CHANNEL] = name
    world.graph.subs.clear()
    world.graph.refusals["subscribe"] = Undeliverable("Graph answered 404", 404)
    world.clock.advance(3600)
    world.run()
    world.graph.refusals.clear()
    world.clock.advance(3600)
    world.run()
    world.work()
    assert (flag(world), world.admin.posts[1:]) == (
        Channel("acme-eu", CHANNEL, "Finance"),
        ["The Teams channel Finance is back"],
    )


def test_all_connections_of_the_channel_are_told() -> None:
    """They share its subscription; each has people of its own."""
    held = {"acme-eu": connection(), "acme-us": connection("acme-us"), "acme-xx": connection("acme-xx", routes=[])}
    world = ready(connections=fakes.Connections(held))
    world.graph.names[CHANNEL] = "Accounting"
    told(world, "updated")
    assert len(world.admin.posts) == 2
    assert set(world.rows.known) == {("acme-eu", CHANNEL), ("acme-us", CHANNEL)}


def test_admin_channel_that_is_busy_is_told_later() -> None:
    """The flag does not wait for it."""
    world = ready()
    del world.graph.names[CHANNEL]
    world.admin.fault = RetryLater("Teams answered 429")
    told(world, "deleted")
    assert world.rows.known["acme-eu", CHANNEL].gone_at
    world.admin.fault = None
    world.clock.advance(3600)
    assert world.work() == ["looked: deleted"]
    assert world.admin.posts == ["The Teams channel Finance was deleted"]


def test_without_an_admin_channel_the_flag_alone_tells() -> None:
    """Nothing is tried again and again for nobody."""
    world = ready(connections=fakes.Connections({"acme-eu": connection(admin="")}))
    del world.graph.names[CHANNEL]
    assert told(world, "deleted") == ["later", "looked: deleted"]
    assert world.rows.known["acme-eu", CHANNEL].gone_at


def test_admin_channel_that_was_itself_deleted_is_not_waited_for() -> None:
    """Nobody can be told there."""
    world = ready(connections=fakes.Connections({"acme-eu": connection(admin="finance")}))
    del world.graph.names[CHANNEL]
    world.admin.fault = Undeliverable("the channel does not exist (any more)", 404)
    assert told(world, "deleted") == ["later", "looked: deleted"]


def test_channel_that_may_not_be_read_flags_nothing() -> None:
    """403 says nothing about whether it is there."""
    world = ready()
    world.graph.refusals["channel"] = Undeliverable("Graph answered 403: a permission is missing", 403)
    assert told(world, "deleted") == ["ignored: Graph answered 403: a permission is missing"]
    assert flag(world) == Channel("acme-eu", CHANNEL, "Finance")


def test_channel_that_no_route_leads_to_is_none_of_ours() -> None:
    """Teams tell of all their channels."""
    world = ready()
    world.tell(world.graph.item(f"teams('{TEAM}')/channels('19:lunch@thread.tacv2')", "deleted"))
    assert world.work() == ["looked: no route leads there"]
    with pytest.raises(KeyError):
        world.rows.known["acme-eu", "19:lunch@thread.tacv2"]
