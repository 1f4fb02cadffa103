"""Graph subscriptions: what is watched has one, whatever becomes of it (contracts: microsoft-teams 7.1, 7.4 to 7.6)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ml_connector.errors import NeedsAttention, NotQueued, RetryLater, Undeliverable
from ml_connector.sources.graph import channels_of, client_state, messages_of, slot_of
from ml_connector.subscriptions import Address, Subscription
from ml_connector.watches import watches
from tests import fakes
from tests.fakes import CHANNEL, TEAM
from tests.teams_world import BASE, KEY, World, connection, stamp

MESSAGES, CHANNELS = messages_of(TEAM, CHANNEL), channels_of(TEAM)


def row(world: World, resource: str = MESSAGES) -> Subscription:
    found = world.rows.get("acme-eu", slot_of(resource))
    assert found
    return found


def running(**changes: Any) -> World:
    """Both subscriptions are there, and what their making queued is done."""
    world = World(**changes)
    world.run()
    world.work()
    world.graph.calls.clear()
    return world


def test_routed_channels_are_watched_and_their_teams() -> None:
    """Of a channel its messages, of its team the channels; with the address, both of it, and a state of each."""
    world = World()
    counts = world.run()
    assert (counts["created"], counts["failed"]) == (2, 0)
    made = {each["resource"]: each for each in world.graph.subs.values()}
    assert {resource: each["changeType"] for resource, each in made.items()} == {
        MESSAGES: "created",
        CHANNELS: "updated,deleted",
    }
    for resource, each in made.items():
        assert each["notificationUrl"] == each["lifecycleNotificationUrl"] == f"{BASE}/graph/{world.token('acme-eu')}"
        assert each["clientState"] == client_state(KEY, slot_of(resource))
        assert each["expirationDateTime"] == stamp(world.clock() + timedelta(minutes=4200))
        assert (row(world, resource).state, row(world, resource).id) == ("ok", each["id"])


def test_what_no_route_leads_to_is_not_watched() -> None:
    """Nor what cannot be known by its id: workflows, activity feeds, a chat with a person."""
    destinations = {
        "finance": {"type": "teams", "transport": "bot", "team_id": TEAM, "channel_id": CHANNEL},
        "purchasing": {"type": "teams", "transport": "workflows"},
        "chef": {"type": "teams", "transport": "bot", "person": "chef@acme.example"},
        "news": {"type": "teams", "transport": "activity", "team_id": TEAM, "channel_id": "19:n", "people": ["1"]},
    }
    everything = [{"events": ["*"], "when": {}, "to": list(destinations)}]
    assert [each.resource for each in watches([connection(destinations=destinations, routes=everything)])] == [
        MESSAGES,
        CHANNELS,
    ]
    assert watches([connection(destinations=destinations, routes=[])]) == []


def test_connections_that_share_app_and_channel_share_a_subscription() -> None:
    """Graph takes one of an app to a channel (7.1); another app has its own."""
    other = connection("acme-xx", microsoft={"tenant_id": "t", "client_id": "c"})
    found = watches([connection("acme-us"), other, connection("acme-eu")])
    assert [(each.connection, each.serves) for each in found if each.resource == MESSAGES] == [
        ("acme-eu", ("acme-eu", "acme-us")),
        ("acme-xx", ("acme-xx",)),
    ]


def test_connection_that_joins_a_channel_is_served_at_once() -> None:
    """Also while there is nothing to renew: its people hear of the channel's changes, too."""
    world = running()
    world.connections.held["acme-us"] = connection("acme-us")
    assert world.run()["created"] == 0
    assert row(world).serves == row(world, CHANNELS).serves == ("acme-eu", "acme-us")


def test_every_hour_all_are_renewed_and_within_it_none() -> None:
    """The expiry would wait for days; the access behind it ends within the hour (7.4)."""
    world = running()
    assert world.run()["renewed"] == 0
    world.clock.advance(3600)
    assert world.run()["renewed"] == 2
    assert row(world).expires == stamp(world.clock() + timedelta(minutes=4200))


def test_subscription_that_ends_first_is_what_counts() -> None:
    """In hours; a row without a subscription has no end."""
    assert World().renewals.hours_left() is None
    world = running()
    world.clock.advance(3600)
    assert world.renewals.hours_left() == 69


def test_what_graph_has_lost_is_made_anew_at_once_and_the_gap_looked_through() -> None:
    """404 at the renewal: nothing was told for a while."""
    world = running()
    world.clock.advance(80 * 3600)
    counts = world.run()
    assert (counts["gone"], counts["created"], counts["renewed"]) == (2, 2, 0)
    assert [each.event.module for each in world.queue.sent] == ["graph_resync", "teams_channel"]


@pytest.mark.parametrize(("hours", "looks"), [(2, []), (3, ["graph_resync", "teams_channel"])])
def test_after_a_standstill_the_gap_is_looked_through(hours: int, looks: list[str]) -> None:
    """The subscription outlived it; what Graph told meanwhile may be lost."""
    world = running()
    world.clock.advance(hours * 3600)
    assert world.run()["renewed"] == 2
    assert [each.event.module for each in world.queue.sent] == looks


def test_broken_secret_of_one_connection_stops_nobody() -> None:
    """It is told, and counted for the alarm."""
    app = {"tenant_id": "t", "client_id": "c"}
    held = {"acme-aa": connection("acme-aa", microsoft=app), "acme-eu": connection()}
    world = World(connections=fakes.Connections(held))
    faulted: list[tuple[str, str]] = []

    def address(name: str) -> Address | None:
        if name == "acme-aa":
            raise KeyError("token")
        return world.address(name)

    world.renewals = replace(
        world.renewals, address=address, faulted=lambda row, error: faulted.append((row.connection, repr(error)))
    )
    counts = world.run()
    assert (counts["failed"], counts["created"]) == (1, 2)
    assert faulted == [("acme-aa", "KeyError('token')")]


def test_once_a_day_the_channel_is_looked_through() -> None:
    """What a gap of Graph's own has swallowed is found all the same."""
    world = running()
    looks = []
    for hour in range(49):
        world.clock.advance(3600)
        world.run()
        looks += [(hour, each.event.module) for each in world.queue.sent]
        world.work()
    assert looks == [(hour, module) for hour in (23, 47) for module in ("graph_resync", "teams_channel")]


def test_what_cannot_be_queued_is_by_the_next_run() -> None:
    """A look that SQS did not take is due again."""
    world = World(queue=fakes.Queue(refuses=True))
    world.run()
    assert row(world).state == "ok"
    world.queue.refuses = False
    world.run()
    assert [each.event.module for each in world.queue.sent] == ["graph_resync", "teams_channel"]


def test_what_is_not_needed_any_more_is_ended_as_far_as_that_can_be() -> None:
    """Also when Graph refuses: it ends by itself."""
    for fault in (None, RetryLater("503"), Undeliverable("403", 403)):
        world = running()
        world.connections.held["acme-eu"] = connection(routes=[])
        world.graph.faults = [fault] if fault else []
        assert world.run()["deleted"] == 2
        assert (world.rows.subs, len(world.graph.subs)) == ({}, 1 if fault else 0)


def test_lost_answer_of_a_creation_is_adopted() -> None:
    """It is there under our address, and its client state is the same: it is made of the resource."""
    world = running()
    for each in world.rows.all():
        world.rows.set(replace(each, id="", expires=""))
    counts = world.run()
    assert (counts["created"], counts["failed"]) == (2, 0)
    assert row(world).id in world.graph.subs
    assert len(world.graph.subs) == 2


def test_old_one_of_ours_gives_way() -> None:
    """Another address of this stack: its endpoint may be gone."""
    world = running()
    for each in world.graph.subs.values():
        each["notificationUrl"] = f"{BASE}/graph/old"
    for each in world.rows.all():
        world.rows.set(replace(each, id="", expires=""))
    assert world.run()["created"] == 2
    assert {each["notificationUrl"] for each in world.graph.subs.values()} == {f"{BASE}/graph/{world.token('acme-eu')}"}


def test_address_or_key_that_has_changed_makes_it_anew() -> None:
    """Its secret was lost and made again: what the old one is told would be dropped for ever."""
    world = running()
    world.renewals = replace(world.renewals, address=lambda name: Address(BASE, world.token(name), "another key"))
    before = {each.id for each in world.rows.all()}
    world.clock.advance(3600)
    assert world.run()["created"] == 2
    assert not before & set(world.graph.subs)
    assert {each["clientState"] for each in world.graph.subs.values()} == {
        client_state("another key", slot_of(resource)) for resource in (MESSAGES, CHANNELS)
    }


def test_another_stacks_subscription_is_left_alone_and_named() -> None:
    """Two stacks with one app would otherwise take each other's for ever."""
    world = running()
    for each in world.graph.subs.values():
        each["notificationUrl"] = "https://another.example/webhooks/graph/t"
    for each in world.rows.all():
        world.rows.set(replace(each, id="", expires=""))
    assert world.run()["later"] == 2
    assert "not this stack's" in row(world).reason
    assert world.graph.calls.count("unsubscribe") == 0


@pytest.mark.parametrize(
    ("fault", "state", "again"),
    [
        (Undeliverable("Graph answered 403: a permission is missing", 403), "refused", 3000),
        (Undeliverable("Graph answered 404: no such channel", 404), "refused", 3000),
        (Undeliverable("Graph answered 400: InvalidRequest", 400), "failed", 3000),
        (NeedsAttention("The client secret has expired."), "waiting", 0),
        (RetryLater("Graph answered 429", 120), "failed", 120),
    ],
)
def test_refusal_is_kept_with_its_reason_and_tried_again(
    fault: RetryLater | Undeliverable, state: str, again: int
) -> None:
    """`mlc doctor` shows it. About hourly, and not before the vendor wants it."""
    world = World()
    world.graph.refusals["subscribe"] = fault
    counts = world.run()
    assert counts["later" if state == "failed" else state] >= 1
    first = next(each for each in world.rows.all() if each.reason)
    assert (first.state, first.reason) == (state, fault.reason)
    world.graph.refusals.clear()
    if again:
        world.clock.advance(again - 1)
        world.run()
        assert row(world, first.resource).id == ""
    world.clock.advance(1)
    world.run()
    assert (row(world, first.resource).state, row(world, first.resource).reason) == ("ok", "")


def test_permission_that_is_missing_is_not_asked_for_within_the_hour() -> None:
    """However often the function is started by hand."""
    world = World()
    world.graph.refusals["subscribe"] = Undeliverable("403", 403)
    world.run()
    world.graph.calls.clear()
    world.clock.advance(600)
    world.run()
    assert world.graph.calls == []


def test_one_connections_trouble_is_its_own() -> None:
    """Its other calls wait for the next run; the others' are made."""
    held = {
        "acme-eu": connection(),
        "acme-us": connection("acme-us", microsoft={"tenant_id": "t", "client_id": "c"}),
    }
    world = World(connections=fakes.Connections(held))
    world.graph.faults = [RetryLater("Graph answered 429", 600)]
    counts = world.run()
    assert (counts["later"], counts["created"]) == (1, 2)
    assert {each.connection for each in world.rows.all() if each.id} == {"acme-us"}


def test_those_that_wait_longest_come_first_also_to_be_made() -> None:
    """With more channels than a run has time for, renewing alone would fill every run: new ones have their turn."""
    world = running()
    destinations = {
        f"d{n:02}": {"type": "teams", "transport": "bot", "team_id": TEAM, "channel_id": f"19:{n}@thread.tacv2"}
        for n in range(30)
    }
    routes = [{"events": ["*"], "when": {}, "to": list(destinations)}]
    world.connections.held["acme-eu"] = connection(destinations=destinations, routes=routes)
    for _ in range(5):
        world.clock.advance(3600)
        calls = iter([True] * 10 + [False] * 90)
        world.renewals.run(world.connections.held.values(), "r", lambda calls=calls: next(calls))  # type: ignore[misc]
    made = [each for each in world.rows.all() if each.id]
    assert len(made) == 31
    assert all(each.renewed_at > stamp(world.clock() - timedelta(hours=5)) for each in made)


def test_connection_that_takes_over_reads_what_was_told_to_nobody() -> None:
    """The one that shared its subscription was removed an hour ago, and nobody took its calls since."""
    held = {name: connection(name) for name in ("acme-eu", "acme-us")}
    world = running(connections=fakes.Connections(held))
    world.clock.advance(2 * 3600)
    removed = stamp(world.clock() - timedelta(minutes=59))
    del held["acme-eu"]
    assert world.run()["created"] == 2
    assert world.rows.readings["acme-us", slot_of(MESSAGES)].until < removed
    assert ("acme-eu", slot_of(MESSAGES)) not in world.rows.readings


def test_shared_channel_is_heard_with_the_credentials_that_work() -> None:
    """The first connection's have ended, the other's are good: that one takes over, and keeps it."""
    held = {name: connection(name) for name in ("acme-eu", "acme-us")}
    world = World(connections=fakes.Connections(held))
    model = world.graph

    class Refusing:
        def __getattr__(self, name: str) -> Any:
            def call(connection: str, *args: Any) -> Any:
                if connection == "acme-eu":
                    raise NeedsAttention("The client secret has expired.")
                return getattr(model, name)(connection, *args)

            return call

    world.renewals = replace(world.renewals, graph=Refusing())
    assert world.run()["waiting"] == 1
    for _ in range(4):
        world.clock.advance(3600)
        counts = world.run()
    assert (counts["renewed"], counts["waiting"], counts["deleted"], model.made) == (2, 0, 0, 2)
    assert {(each.connection, each.serves, each.state) for each in world.rows.all()} == {
        ("acme-us", ("acme-eu", "acme-us"), "ok")
    }


def test_broken_secret_of_a_removed_connection_stops_nobody() -> None:
    """Its subscription ends by itself; the row goes."""
    world = running()
    world.connections.held["acme-eu"] = connection(routes=[])
    world.graph.faults = [KeyError("tokens")]
    assert world.run()["deleted"] == 2
    assert world.rows.subs == {}


def test_same_guid_in_another_case_is_the_same_resource() -> None:
    """Otherwise two connections would take each other's subscription away in every run."""
    upper = {"type": "teams", "transport": "bot", "team_id": TEAM.upper(), "channel_id": CHANNEL}
    one, other = connection(), connection("acme-us", destinations={"finance": upper})
    registered = {name: value.upper() for name, value in one.microsoft.items() if isinstance(value, str)}
    found = watches([one, replace(other, microsoft={**other.microsoft, **registered})])
    assert [each.serves for each in found] == [("acme-eu", "acme-us")] * 2


def test_single_failure_is_not_counted_for_the_alarm() -> None:
    """Of a thousand calls an hour one gets no answer: the next run makes it, and only a second failure is one."""
    world = running()
    world.clock.advance(3600)
    world.graph.faults = [RetryLater("503")]
    counts = world.run()
    assert (counts["failed"], counts["later"]) == (0, 1)
    world.clock.advance(3600)
    assert world.run()["renewed"] == 2


def test_outage_is_counted_from_the_second_run_on() -> None:
    """Also where each run tries another subscription of the connection first."""
    world = running()
    world.graph.down = True
    counted = []
    for _ in range(4):
        world.clock.advance(3600)
        counted.append(world.run()["failed"])
    assert counted == [0, 1, 1, 1]


@pytest.mark.parametrize("granted", [None, "", "soon", "2026-11-24T09:00:00", 7])
def test_expiry_that_cannot_be_read_is_taken_for_soon(granted: Any) -> None:
    """`mlc doctor` compares it with the time of day."""
    world = running()
    world.clock.advance(3600)
    world.graph.renew = lambda *call: granted
    world.run()
    assert row(world).expires == stamp(world.clock() + timedelta(hours=1))


def test_graphs_fractions_of_seconds_are_read() -> None:
    """Seven digits, as in 7.1."""
    world = running()
    world.clock.advance(3600)
    world.graph.renew = lambda *call: "2026-11-24T09:00:00.1234567Z"
    world.run()
    assert row(world).expires == "2026-11-24T09:00:00Z"


def test_connection_without_an_address_says_what_to_do() -> None:
    """Applied by a release that knew none."""
    world = World(addresses=False)
    assert world.run()["refused"] == 2
    assert "mlc connections apply" in row(world).reason
    assert world.graph.calls == []


# --- lifecycle ---------------------------------------------------------------------------------------------------


def asked(world: World, event: str, identity: str = "") -> str:
    return world.renewals.asked("acme-eu", slot_of(MESSAGES), identity or row(world).id, event, "call")


def test_challenge_is_answered_at_once() -> None:
    """Renewing authorises anew as well (7.4), also a moment after the last renewal."""
    world = running()
    assert asked(world, "reauthorizationRequired") == "renewed"
    assert world.graph.calls == ["renew"]


def test_removed_subscription_is_made_anew_and_the_gap_looked_through() -> None:
    """Nobody waits for the schedule."""
    world = running()
    before = row(world).id
    del world.graph.subs[before]
    assert asked(world, "subscriptionRemoved") == "created"
    assert row(world).id not in ("", before)
    assert "graph_resync" in [each.event.module for each in world.queue.sent]


def test_missed_notifications_are_looked_for() -> None:
    """The subscription itself is well."""
    world = running()
    asked(world, "missed")
    assert [each.event.module for each in world.queue.sent] == ["graph_resync", "teams_channel"]
    assert world.graph.calls == []


def test_word_of_a_subscription_that_was_replaced_changes_nothing() -> None:
    """Lifecycle events come late and more than once."""
    world = running()
    assert asked(world, "subscriptionRemoved", "sub-of-yesterday") == "not one that we know"
    assert (world.graph.calls, world.queue.sent) == ([], [])


@pytest.mark.parametrize("fault", [NeedsAttention("The client secret has expired."), Undeliverable("400", 400)])
def test_challenge_that_only_people_can_answer_is_left_to_the_next_run(fault: Undeliverable) -> None:
    """Graph challenges every few minutes: each asking on for a day would be hundreds of messages for nothing."""
    world = running()
    world.graph.faults = [fault]
    assert asked(world, "reauthorizationRequired") == fault.reason
    assert row(world).reason == fault.reason


@pytest.mark.parametrize("fault", [RetryLater("503")])
def test_challenge_that_cannot_be_answered_is_raised_and_noted(fault: RetryLater) -> None:
    """The queue tries again, and if it gives up the hourly run does."""
    world = running()
    world.graph.faults = [fault]
    with pytest.raises(type(fault)):
        asked(world, "reauthorizationRequired")
    assert row(world).state == "failed"
    world.clock.advance(3600)
    assert world.run()["renewed"] == 2


def test_queue_that_is_down_fails_no_run() -> None:
    """NotQueued is for who must not acknowledge; here the next run queues it."""
    world = World(queue=fakes.Queue(refuses=True))
    with pytest.raises(NotQueued):
        world.queue.send([])
    assert world.run()["created"] == 2
