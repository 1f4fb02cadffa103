"""A person's reply to a card becomes one entry in its record's trail, whatever is repeated, early, late or at once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ml_connector.errors import NeedsAttention, RetryLater, Undeliverable
from ml_connector.events import Version
from ml_connector.ports import AuditEntry, Conflict, Memory
from tests import fakes
from tests.fakes import NOW, TEAM
from tests.teams_world import World, connection

KEY = ("acme-eu#invoice#460000000098765", "finance")


def ready(**changes: Any) -> World:
    """Subscribed, and a card in the channel: message 1000."""
    world = World(**changes)
    world.run()
    world.work()
    world.card()
    world.graph.calls.clear()
    return world


def reply(world: World, identity: str = "2000", root: str = "1000", **changes: Any) -> list[str]:
    """Somebody replies; what the notification came to."""
    item = world.graph.reply(root, identity)
    world.graph.messages[identity] |= changes
    world.tell(item)
    return world.work()


def test_reply_is_recorded_with_its_author_and_not_its_text() -> None:
    """Who, when, which message and where it is; the chain holds."""
    world = ready()
    assert reply(world, body={"content": "I will pay"}) == ["acknowledged"]
    (entry,) = world.acknowledged
    assert (entry.record_id, entry.destination, entry.external_id) == ("460000000098765", "finance", "2000")
    assert (entry.by, entry.version) == ("Anna Müller (id-of-Anna Müller)", "2026-11-22T08:00:00Z~2000")
    assert "I will pay" not in str(world.deliveries.audit.entries)
    assert world.deliveries.faults() == []
    assert world.recorded == ["acknowledged"]


def test_told_again_and_read_again_it_is_one_entry() -> None:
    """Two subscriptions tell of it, Graph repeats itself, the daily look sees it, too."""
    world = ready()
    item = world.graph.reply("1000", "2000")
    for _ in range(2):
        for told in world.graph.told(item):
            world.notify(told, {**told, "subscriptionId": "another"})
        world.work()
    assert world.resync.run(world.connections.held["acme-eu"], "slot", TEAM, fakes.CHANNEL) == 0
    assert len(world.acknowledged) == 1


def test_trails_index_that_lags_makes_no_second_entry() -> None:
    """The trail itself is asked before an entry is written."""
    world = ready()
    reply(world)
    seen = world.replies.trail.of_external_id
    world.replies.trail.of_external_id = lambda identity: [  # type: ignore[method-assign]
        each for each in seen(identity) if each.outcome != "acknowledged"
    ]
    world.tell(world.graph.item(f"teams('{TEAM}')/channels('{fakes.CHANNEL}')/messages('1000')/replies('2000')"))
    assert world.work() == ["ignored: known already"]
    assert len(world.acknowledged) == 1


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"from": {"application": {"id": "bot"}}}, "written by an app"),
        ({"from": None}, "written by an app"),
        ({"from": {"user": {"id": "id-of-the-account", "displayName": "Zoho"}}}, "written by the service account"),
        ({"deletedDateTime": "2026-11-22T08:00:01Z"}, "it was removed, or is none"),
        ({"messageType": "systemEventMessage"}, "it was removed, or is none"),
    ],
)
def test_what_is_no_persons_reply_acknowledges_nothing(changes: dict[str, Any], why: str) -> None:
    """Apps, ourselves, Teams' own remarks, and what was taken back."""
    world = ready()
    assert reply(world, **changes) == [f"ignored: {why}"]
    assert world.acknowledged == []


def test_guest_without_a_name_or_an_id_is_somebody() -> None:
    """Federated and anonymous people have one of both, or none; nothing is made up."""
    world = ready()
    reply(world, **{"from": {"user": {"id": None, "displayName": None}}})
    reply(world, "2001", **{"from": {"user": {"id": "u-1", "displayName": None}}})
    assert [each.by for each in world.acknowledged] == ["somebody", "somebody (u-1)"]


def test_reply_to_a_digest_belongs_to_the_digest() -> None:
    """Its card's id stands in the trails of all it told of as well."""
    world = ready()
    world.card("1001", "1")
    world.card("1001", "finance-2026", "digest")
    reply(world, "2000", "1001")
    assert [(each.module, each.record_id) for each in world.acknowledged] == [("digest", "finance-2026")]


def test_connections_that_share_a_channel_each_have_their_own_replies() -> None:
    """The first one is told; the card's trail says whose record it is, and with its credentials the reply is read."""
    held = {name: connection(name) for name in ("acme-eu", "acme-us")}
    world = ready(connections=fakes.Connections(held))
    world.card("1000", "1")
    rows, entries = world.deliveries.rows, world.deliveries.audit.entries
    rows["acme-us#invoice#1", "finance"] = replace(rows["acme-eu#invoice#1", "finance"], external_id="1001")
    entries.append(replace(entries[-1], connection="acme-us", external_id="1001"))
    asked: list[str] = []
    message = world.graph.message
    world.graph.message = lambda name, *place: asked.append(name) or message(name, *place)
    reply(world, "2000", "1001")
    assert [(each.connection, each.record_id) for each in world.acknowledged] == [("acme-us", "1")]
    assert asked == ["acme-us"]


def test_ids_are_the_same_however_they_are_written() -> None:
    """A Guid and a channel's id are copied from links and pages: case tells none of them apart."""
    shouted = {"type": "teams", "transport": "bot", "team_id": TEAM.upper(), "channel_id": fakes.CHANNEL.upper()}
    world = ready(connections=fakes.Connections({"acme-eu": connection(destinations={"finance": shouted})}))
    item = world.graph.reply("1000", "2000")
    (sub,) = [each for each in world.graph.subs.values() if each["resource"].endswith("messages")]
    world.notify({**item, "subscriptionId": "s", "clientState": sub["clientState"]})
    assert world.work() == ["acknowledged"]


def test_reply_that_graph_does_not_show_yet_is_read_again() -> None:
    """A 404 is at times Graph's own delay (8.3); after a minute it is believed."""
    world = ready()
    early, gone = young(world, 1), young(world, 2)
    shown = {}
    for identity in (early, gone):
        item = world.graph.reply("1000", identity)
        shown[identity] = world.graph.messages.pop(identity)
        world.tell(item)
    assert world.work() == ["later", "later"]
    world.graph.messages[early] = shown[early]
    world.clock.advance(70)
    assert sorted(world.work()) == ["acknowledged", "ignored: it was removed"]


# --- a card that is not known yet --------------------------------------------------------------------------------


def young(world: World, seconds: float) -> str:
    """The id of a message that was posted so long ago: it is the time."""
    return str(int((world.clock() - timedelta(seconds=seconds)).timestamp() * 1000))


def test_reply_that_is_faster_than_the_cards_entry_is_not_lost() -> None:
    """The card is posted, the entry follows: at once, or a minute later if the post got no answer."""
    world = ready()
    root = young(world, 2)
    assert reply(world, "2000", root) == ["later"]
    world.card(root, "1")
    world.clock.advance(11)
    assert world.work() == ["acknowledged"]


def test_reply_in_somebody_elses_thread_is_let_go_soon() -> None:
    """Tried while its thread is young, ever more seldom, and no more; an old thread is known to be none of ours."""
    world = ready()
    came = reply(world, "2000", young(world, 1))
    tries = 1
    while came == ["later"]:
        world.clock.advance(10)
        came = world.work() or ["later"]
        tries += came != ["later"]
    assert came == ["ignored: a reply to something else"]
    assert world.clock() - NOW < timedelta(hours=1)
    assert reply(world, "2001", young(world, 3600)) == ["ignored: a reply to something else"]
    assert reply(world, "2002", "no-number") == ["ignored: a reply to something else"]
    assert world.graph.calls == []


# --- at the same time as a delivery ------------------------------------------------------------------------------


def test_reply_waits_for_a_delivery_that_is_under_way() -> None:
    """Writing now would take the claim from under it."""
    world = ready()
    memory = world.deliveries.read(*KEY)
    until = (world.clock() + timedelta(seconds=9)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    world.deliveries.write(*KEY, replace(memory, state="sending", lease_until=until))
    assert reply(world) == ["later"]
    world.clock.advance(30)
    assert world.work() == ["acknowledged"]


def test_of_two_workers_one_writes() -> None:
    """The row has moved on since it was read: it is read again later."""
    world = ready()
    write = world.deliveries.write
    lost = [True]

    def rival(key: str, name: str, memory: Memory, entry: AuditEntry | None = None, **more: Any) -> Memory:
        if lost:
            lost.clear()
            raise Conflict
        return write(key, name, memory, entry, **more)

    world.deliveries.write = rival  # type: ignore[method-assign]
    assert reply(world) == ["later"]
    world.clock.advance(30)
    assert world.work() == ["acknowledged"]
    assert len(world.acknowledged) == 1


def test_acknowledgement_leaves_the_row_as_it_is_but_for_the_chain() -> None:
    """Whatever waits for the record goes on from there."""
    world = ready()
    memory = world.deliveries.read(*KEY)
    pending = Version("2026-11-22T07:55:00Z", "f2")
    before = world.deliveries.write(*KEY, replace(memory, state="waiting", pending=pending))
    reply(world)
    after = world.deliveries.read(*KEY)
    assert replace(after, chain="", rev=0, number="") == replace(before, chain="", rev=0, number="", links={})


@pytest.mark.parametrize("fault", [NeedsAttention("The client secret has expired."), RetryLater("503", 40)])
def test_reply_that_cannot_be_read_now_is_read_later(fault: Exception) -> None:
    """Not in a tight loop."""
    world = ready()
    world.graph.faults = [fault]
    assert reply(world) == ["later"]
    assert (world.waiting[0][0] - world.clock()).total_seconds() >= 40
    world.clock.advance(3600)
    assert world.work() == ["acknowledged"]


def test_reply_that_may_not_be_read_is_let_go() -> None:
    """403: the daily look would be refused as well; `mlc doctor` says it of the subscription."""
    world = ready()
    world.graph.faults = [Undeliverable("Graph answered 403: a permission is missing", 403)]
    assert reply(world) == ["ignored: Graph answered 403: a permission is missing"]
