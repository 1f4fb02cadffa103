"""Thirty days of a channel, by a fake clock: outages of ours and of Graph's, subscriptions that Graph removes.

The promises: after an outage no subscription is deaf for longer than one period of the schedule, and every reply, those
of the outages included, is acknowledged exactly once.
"""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml_connector.sources.graph import messages_of, slot_of
from tests.fakes import CHANNEL, NOW, TEAM
from tests.teams_world import World

STEP = timedelta(minutes=10)
PERIOD = timedelta(hours=1)
DAYS = 30


class Outage(NamedTuple):
    """Of `what`: `all` (our side stands still), `address` (Graph's calls get no answer) or `graph`."""

    what: str
    begins: int
    hours: int


class Month:
    """Every ten minutes: Graph's challenges, a reply now and then, the schedule once an hour, the queue."""

    def __init__(self, outages: list[Outage], removed: list[int], replies_every: int) -> None:
        self.outages = outages
        self.removed = sorted(removed)
        self.replies_every = replies_every
        self.world = World()
        self.world.card()
        self.written: list[str] = []
        self.deaf_since = NOW
        self.longest = timedelta(0)

    def out(self, *what: str) -> bool:
        return any(
            each.what in what
            and NOW + timedelta(hours=each.begins)
            <= self.world.clock()
            < NOW + timedelta(hours=each.begins + each.hours)
            for each in self.outages
        )

    def run(self) -> None:
        world, graph, ticks = self.world, self.world.graph, DAYS * 144
        for tick in range(ticks + 3 * 144):
            graph.down = self.out("graph")
            # Creating needs our answer to Graph's call.
            world.open = not self.out("all", "address")
            graph.refuses_address = not world.open
            while self.removed and self.removed[0] * 6 <= tick:
                self.removed.pop(0)
                self.lose()
            self.challenge()
            # Not before there is a subscription; and in the last three days nothing: the daily look has its time.
            if tick % self.replies_every == 0 and 6 <= tick < ticks:
                self.reply()
            if not self.out("all"):
                if tick % 6 == 3:
                    world.run()
                world.work()
            self.listen()
            world.clock.advance(STEP.total_seconds())

    def lose(self) -> None:
        """Graph removes the channel's subscription, and says so if it can."""
        for identity, each in list(self.world.graph.subs.items()):
            if each["resource"] == messages_of(TEAM, CHANNEL):
                del self.world.graph.subs[identity]
                self.lifecycle(identity, each, "subscriptionRemoved")

    def challenge(self) -> None:
        """Before the hour of an access token ends, Graph asks (7.6)."""
        for identity, each in list(self.world.graph.subs.items()):
            if timedelta(0) < each["authorised"] - self.world.clock() <= 2 * STEP:
                self.lifecycle(identity, each, "reauthorizationRequired")

    def lifecycle(self, identity: str, each: dict[str, object], event: str) -> None:
        if self.world.open:
            self.world.notify({"subscriptionId": identity, "clientState": each["clientState"], "lifecycleEvent": event})

    def reply(self) -> None:
        identity = str(10_000 + len(self.written))
        self.written.append(identity)
        self.world.tell(self.world.graph.reply("1000", identity))

    def listen(self) -> None:
        """How long the channel's subscription has told nothing, outages and their following period apart."""
        now, rows = self.world.clock(), self.world.rows
        row = rows.get("acme-eu", slot_of(messages_of(TEAM, CHANNEL)))
        there = self.world.graph.subs.get(row.id) if row else None
        if self.out("all", "address", "graph") or (there and there["expires"] > now and there["authorised"] > now):
            self.deaf_since = now
        else:
            self.longest = max(self.longest, now - self.deaf_since)

    def check(self) -> None:
        acknowledged = [each.external_id for each in self.world.acknowledged]
        assert sorted(acknowledged) == self.written
        assert self.world.deliveries.faults() == []
        assert self.longest <= PERIOD


def test_quiet_month() -> None:
    """Nothing happens: two subscriptions, renewed; all replies are heard as they come."""
    month = Month([], [], 60)
    month.run()
    month.check()
    assert month.world.graph.made == 2
    assert month.world.lost == []


@pytest.mark.parametrize("what", ["all", "address", "graph"])
@pytest.mark.parametrize("hours", [1, 24, 72, 100])
def test_outage(what: str, hours: int) -> None:
    """Of an hour to four days: shorter and longer than a subscription lives."""
    month = Month([Outage(what, 200, hours)], [], 45)
    month.run()
    month.check()
    if what == "graph" or hours < 70:
        return
    assert month.world.lost


outages = st.lists(
    st.builds(Outage, st.sampled_from(["all", "address", "graph"]), st.integers(1, 600), st.integers(1, 100)),
    max_size=4,
)


@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow])
@given(outages=outages, removed=st.lists(st.integers(1, 700), max_size=5), replies_every=st.integers(20, 90))
def test_any_month(outages: list[Outage], removed: list[int], replies_every: int) -> None:
    """Outages that meet, removals within them and beside them."""
    month = Month(outages, removed, replies_every)
    month.run()
    month.check()
