"""The counting of calls that all instances share (docs/adr/0007)."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_connector import limits
from ml_connector.config.model import Monday
from ml_connector.errors import Crowded, Throttled, Unknown
from ml_connector.limits import Budget, Limiter, Refused, Take, Unreachable, View, Window
from tests.fakes import CHANNEL, TEAM, TENANT, Clock

TEAMS = limits.teams(TENANT, "app", TEAM, CHANNEL, posts=False)
POSTS = limits.teams(TENANT, "app", TEAM, CHANNEL, posts=True)
IMPORTS = limits.graph(TENANT, "app", TEAM, CHANNEL)
BUDGETS = [
    TEAMS,
    limits.zoho("eu", "1"),
    limits.workflows("acme-eu", "purchasing"),
    limits.monday("token", "basic"),
    limits.teams(TENANT, "app", TEAM, CHANNEL, posts=True, crowd=15),
    # Small ones, in which a mistake of one call shows.
    Budget("v", "three", {"": (Window(3, 10),)}),
    Budget("v", "one", {"": (Window(1, 1), Window(5, 60))}),
    Budget("v", "two meters", {"": (Window(4, 1),), "x.": (Window(3, 2, slots=5), Window(6, 20))}),
    limits.personal(TENANT, "app", "ola@acme.example"),
]


@dataclass
class Buckets:
    """The limits table in memory; `meanwhile` runs between an instance's thought and its write."""

    held: dict[str, dict[str, int]] = field(default_factory=dict)
    meanwhile: Callable[[], None] = lambda: None
    updates: int = 0
    broken: bool = False

    def take(self, key: str, take: Take) -> View:
        self.meanwhile()
        self._count()
        item = self.held.get(key, {})
        for number, ceiling in take.ceilings.items():
            held = item.get(number)
            if held is not None if ceiling is None else held is None or held >= ceiling:
                raise Refused(dict(item))
        if any(item.get(time, 0) > take.now for time in take.open_at):
            raise Refused(dict(item))
        after = {name: value for name, value in item.items() if name not in take.stale}
        for note, number in take.notes.items():
            after.setdefault(note, item.get(number, 0))
        for number in take.ceilings:
            after[number] = item.get(number, 0) + 1
        self.held[key] = after
        return dict(after)

    def raise_to(self, key: str, name: str, until: int, expires_at: int) -> View:
        self._count()
        item = self.held.setdefault(key, {})
        item[name] = max(until, item.get(name, 0))
        return dict(item)

    def _count(self) -> None:
        self.updates += 1
        if self.broken:
            raise Unreachable("ConnectTimeoutError")


def took(limiter: Limiter, budget: Budget, *, optional: bool = False) -> bool:
    try:
        limiter.take(budget, optional=optional)
    except Throttled:
        return False
    return True


def most_within(times: Sequence[float], seconds: float) -> int:
    """Most calls in any window of that length, as a vendor with an exact sliding window counts them."""
    first, most = 0, 0
    for index, time in enumerate(times):
        while times[first] <= time - seconds:
            first += 1
        most = max(most, index - first + 1)
    return most


def windows(budget: Budget) -> list[Window]:
    return [window for meter in budget.meters.values() for window in meter]


# --- as many as people can read --------------------------------------------------------------------------------------


CROWDED = limits.teams(TENANT, "app", TEAM, CHANNEL, posts=True, crowd=3)


@pytest.mark.parametrize(
    ("crowd", "free"),
    [
        (CROWDED, POSTS),
        (limits.graph(TENANT, "app", TEAM, CHANNEL, crowd=3), IMPORTS),
        (limits.workflows("acme-eu", "purchasing", crowd=3), limits.workflows("acme-eu", "purchasing")),
    ],
)
def test_a_crowded_channel_takes_what_must_not_be_gathered(crowd: Budget, free: Budget) -> None:
    """One update a post as ever; the fourth of a minute is told apart from what the vendor would refuse."""
    clock, buckets = Clock(), Buckets()
    limiter = Limiter(buckets, clock, percent=100_000)
    for _ in range(3):
        limiter.take(crowd)
        clock.advance(2)
    assert buckets.updates == 3
    with pytest.raises(Crowded) as refused:
        limiter.take(crowd)
    assert 40 < (refused.value.after or 0) <= 66
    limiter.take(free)
    clock.advance(64)
    limiter.take(crowd)


def test_a_second_post_in_a_second_is_not_crowded() -> None:
    """It waits its second, and is posted."""
    limiter = Limiter(Buckets(), Clock())
    limiter.take(CROWDED)
    with pytest.raises(Throttled) as refused:
        limiter.take(CROWDED)
    assert not isinstance(refused.value, Crowded)


def test_who_gathers_counts_with_who_does_not() -> None:
    """A digest's post takes its second from all others of the channel."""
    clock, buckets = Clock(), Buckets()
    Limiter(buckets, clock).take(POSTS)
    assert not took(Limiter(buckets, clock), CROWDED)
    clock.advance(2)
    assert took(Limiter(buckets, clock), CROWDED)


# --- never too many --------------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(
    budget=st.sampled_from(BUDGETS),
    seed=st.integers(0, 2**32),
    instances=st.integers(1, 8),
    pauses=st.lists(st.sampled_from([0.0, 0.001, 0.03, 0.3, 1.0, 4.0, 7.0, 35.0, 400.0]), min_size=1, max_size=12),
)
def test_no_window_is_ever_exceeded(budget: Budget, seed: int, instances: int, pauses: list[float]) -> None:
    """Any number of instances in any interleaving, also within one another's takes: never one call too many."""
    chance, clock, buckets = random.Random(seed), Clock(), Buckets()
    limiters = [Limiter(buckets, clock) for _ in range(instances)]
    calls: list[float] = []

    def one(depth: int) -> None:
        def meanwhile() -> None:
            # Somebody else comes in between; the clock may step on, too.
            if depth < 3 and chance.random() < 0.3:
                clock.advance(chance.choice([0.0, 0.0, 0.002]))
                one(depth + 1)

        began = clock.now.timestamp()
        buckets.meanwhile = meanwhile
        if chance.random() < 0.02:
            # A new instance, which has seen nothing.
            limiters[chance.randrange(instances)] = Limiter(buckets, clock)
        if took(chance.choice(limiters), budget):
            calls.append(began)

    for _ in range(300):
        one(0)
        if chance.random() < 0.3:
            clock.advance(chance.choice(pauses) * chance.random())
    calls.sort()
    for window in windows(budget):
        if window.slots:
            assert most_within(calls, window.seconds) <= window.calls
        else:
            days = [time // window.seconds for time in calls]
            assert max(map(days.count, days)) <= window.calls


@pytest.mark.parametrize("budget", BUDGETS, ids=lambda budget: f"{budget.vendor} {budget.account}"[:24])
def test_none_is_starved(budget: Budget) -> None:
    """Under constant pressure nine tenths of the rate that the windows allow in the long run get through."""
    clock, buckets, chance = Clock(), Buckets(), random.Random(1)
    limiters = [Limiter(buckets, clock) for _ in range(5)]
    slowest = max((window for window in windows(budget) if window.slots), key=lambda each: each.seconds / each.calls)
    begun, done, rounds = clock.now, 0, 40 if slowest.calls < 100 else 3
    day = min((window.calls for window in windows(budget) if not window.slots), default=10**9)
    while True:
        try:
            chance.choice(limiters).take(budget)
        except Throttled as refused:
            clock.advance(max(0.001, refused.after or 0))
        else:
            if done == min(rounds * slowest.calls, day):
                break
            done += 1
    seconds = (clock.now - begun).total_seconds()
    assert done / seconds >= 0.89 * slowest.calls / slowest.seconds or done == day


def test_a_burst_goes_through_at_once() -> None:
    """What the vendor allows at once is not stretched: four changes in a team, 80 reads, 25 flow posts."""
    for budget, burst in ((TEAMS, 4), (POSTS, 1), (IMPORTS, 1), (BUDGETS[1], 80), (BUDGETS[2], 25)):
        one = Limiter(Buckets(), Clock())
        assert [took(one, budget) for _ in range(burst + 1)] == [True] * burst + [False]


def test_wait_is_exact() -> None:
    """A call after the wait fits if nobody else came; one a moment earlier does not."""
    clock, buckets = Clock(), Buckets()
    budget = Budget("v", "a", {"": (Window(3, 10),)})
    one = Limiter(buckets, clock)
    for _ in range(3):
        one.take(budget)
        clock.advance(1.5)
    with pytest.raises(Throttled) as refused:
        one.take(budget)
    after = refused.value.after or 0
    assert after == 11 - 4.5
    clock.advance(after - 0.001)
    assert not took(one, budget)
    clock.advance(0.001)
    assert took(one, budget)


# --- what it costs ---------------------------------------------------------------------------------------------------


def test_one_update_per_call_in_the_usual_case() -> None:
    """Four lanes at work on one board, at any pace it allows: hardly a call costs a second write.

    On one channel, of which Teams takes few calls a second, less than every other one does.
    """
    for pace, budget, most in ((0.4, BUDGETS[3], 20), (0.01, TEAMS, 250), (0.1, TEAMS, 250), (0.4, TEAMS, 250)):
        clock, buckets, chance = Clock(), Buckets(), random.Random(2)
        lanes = [Limiter(buckets, clock) for _ in range(4)]
        for turn in range(500):
            clock.advance(chance.expovariate(pace))
            if turn % 4 == 0:
                chance.shuffle(lanes)
            assert took(lanes[turn % 4], budget)
        assert buckets.updates <= 500 + most


def test_refusal_that_is_known_costs_nothing() -> None:
    """An instance that has seen the bucket empty does not ask again before it can have filled."""
    clock, buckets = Clock(), Buckets()
    one = Limiter(buckets, clock)
    while took(one, TEAMS):
        pass
    before = buckets.updates
    assert not any(took(one, TEAMS) for _ in range(100))
    assert buckets.updates == before


def test_old_notes_are_removed() -> None:
    """The item does not grow with time."""
    clock, buckets = Clock(), Buckets()
    limiters = [Limiter(buckets, clock) for _ in range(3)]
    sizes = []
    for turn in range(2000):
        clock.advance(2.1)
        assert took(limiters[turn % 3], TEAMS) or turn > 1700
        sizes.append(len(buckets.held[TEAMS.key]))
    assert max(sizes) < 50


def test_slow_writer_does_not_hide_calls() -> None:
    """An instance may note its slot after the next one has begun: what came in between still counts."""
    clock, buckets = Clock(), Buckets()
    budget = Budget("v", "a", {"": (Window(3, 10),)})
    slow, fast = Limiter(buckets, clock), Limiter(buckets, clock)
    slow.take(budget)
    fast.take(budget)
    clock.advance(20)

    def overtake() -> None:
        buckets.meanwhile = lambda: None
        clock.advance(1)
        fast.take(budget)
        fast.take(budget)

    buckets.meanwhile = overtake
    slow.take(budget)
    assert not took(fast, budget)
    assert not took(Limiter(buckets, clock), budget)


# --- what vendors say ------------------------------------------------------------------------------------------------


def test_vendor_closes_the_narrowest_meter() -> None:
    """A channel that is throttled leaves the tenant's other channels open."""
    clock, buckets = Clock(), Buckets()
    one, other = Limiter(buckets, clock), Limiter(buckets, clock)
    elsewhere = limits.teams(TENANT, "app", TEAM, "19:other@thread.tacv2", posts=False)
    one.take(TEAMS)
    one.closed(TEAMS, 37)
    with pytest.raises(Throttled) as refused:
        other.take(TEAMS)
    assert refused.value.after == 37
    assert took(other, elsewhere)


def test_throttled_post_closes_the_channel_for_changes_too() -> None:
    """Requests made while throttled count too: whoever is on the way to that channel waits (microsoft-teams 8.2)."""
    clock, buckets = Clock(), Buckets()
    Limiter(buckets, clock).closed(POSTS, 20)
    assert not took(Limiter(buckets, clock), TEAMS)


def test_team_is_one_budget_for_all_ways_into_it() -> None:
    """Four calls a second, whichever channel and whoever posts (microsoft-teams 8.1)."""
    one = Limiter(Buckets(), Clock())
    others = [limits.graph(TENANT, "app", TEAM, f"19:{number}@thread.tacv2") for number in range(4)]
    assert [took(one, budget) for budget in (TEAMS, *others)] == [True] * 4 + [False]
    elsewhere = limits.graph(TENANT, "app", "another team", CHANNEL)
    assert took(one, elsewhere)


def test_person_is_a_conversation_of_its_own_within_the_apps_budget() -> None:
    """Microsoft counts the app in the tenant, and each chat; an address in other letters is the same person."""
    one, same, other = (
        limits.personal(TENANT, "app", name) for name in ("ola@acme.example", "Ola@Acme.example", "per")
    )
    assert one == same != other
    assert one.key == other.key == TEAMS.key
    assert set(one.meters) & set(TEAMS.meters) == {""}


def test_no_answer_closes_for_ever() -> None:
    """A Retry-After of years, or below zero, is not taken at its word."""
    clock = Clock()
    one = Limiter(Buckets(), clock)
    one.closed(TEAMS, 1e12)
    clock.advance(limits.CLOSED_AT_MOST)
    assert took(one, TEAMS)
    one.closed(TEAMS, -5)
    assert took(one, TEAMS)


def test_optional_work_leaves_a_tenth() -> None:
    """Reconcile cannot use up what deliveries need: 72 of Zoho's 80, 900 of monday's 1,000."""
    for budget, share in ((BUDGETS[1], 72), (BUDGETS[3], 900)):
        one = Limiter(Buckets(), Clock())
        assert [took(one, budget, optional=True) for _ in range(share + 1)] == [True] * share + [False]
        assert took(one, budget)


def test_share_of_the_day_is_counted_by_all_and_ends_with_it() -> None:
    """Several instances have one share of the organization's day; what carries deliveries has no part in it.

    It is a share already: no tenth and no LimitsPercent is taken from it.
    """
    clock, buckets = Clock(), Buckets()
    ours, all_ = limits.zoho("eu", "1", share=300), limits.zoho("eu", "1")
    readers = [Limiter(buckets, clock, percent=50) for _ in range(3)]
    done = 0
    for _ in range(20):
        done += sum(took(each, ours, optional=True) for each in readers for _ in range(40))
        clock.advance(61)
    assert done == 300
    with pytest.raises(Throttled) as refused:
        readers[0].take(ours, optional=True)
    assert refused.value.after == pytest.approx(16 * 3600 - 20 * 61)
    assert took(readers[0], all_)
    readers[1].closed(ours, 30)
    assert not took(readers[2], all_)
    clock.advance(16 * 3600)
    assert took(readers[0], ours, optional=True)


def test_a_larger_share_is_used_at_once() -> None:
    """Zoho has said that the plan is a larger one: what is counted stays counted."""
    clock = Clock()
    one = Limiter(Buckets(), clock)
    assert [took(one, limits.zoho("eu", "1", share=2), optional=True) for _ in range(3)] == [True, True, False]
    assert [took(one, limits.zoho("eu", "1", share=4), optional=True) for _ in range(3)] == [True, True, False]


def test_scarce_stops_optional_work_only() -> None:
    """Under a tenth of the day's quota, reconcile waits for the next day; deliveries' fetches go on."""
    clock, buckets = Clock(), Buckets()
    one, other = Limiter(buckets, clock), Limiter(buckets, clock)
    one.scarce(BUDGETS[1], 3600)
    assert took(other, BUDGETS[1])
    assert not took(other, BUDGETS[1], optional=True)
    assert not took(other, limits.zoho("eu", "1", share=200), optional=True)
    clock.advance(3600)
    assert took(other, BUDGETS[1], optional=True)


def test_throttled_means_nothing_happened() -> None:
    """A call that was not made leaves nothing unknown."""
    assert not issubclass(Throttled, Unknown)


def test_unreachable_table_limits_nothing() -> None:
    """It fails open, reports it, and does not pay a time-out with every call."""
    clock, faults = Clock(), list[Any]()
    buckets = Buckets(broken=True)
    one = Limiter(buckets, clock, faults.append)
    assert all(took(one, TEAMS) for _ in range(50))
    one.closed(TEAMS, 30)
    assert (len(faults), buckets.updates) == (1, 1)
    buckets.broken = False
    clock.advance(30)
    assert sum(took(one, TEAMS) for _ in range(50)) == 4


def test_zoho_is_never_asked_for_more_than_ten_tokens_in_ten_minutes() -> None:
    """Counting the one that the consent itself brought: an eleventh blocks the refresh token (zoho-books 4.6)."""
    clock, buckets, times = Clock(), Buckets(), [0.0]
    instances = [Limiter(buckets, clock) for _ in range(3)]
    for second in range(0, 3600, 5):
        times += [float(second) for one in instances if took(one, limits.tokens("zoho", "digest"))]
        clock.advance(5)
    assert len(times) >= 5 * 6
    assert most_within(times, 600) <= 10


# --- settings --------------------------------------------------------------------------------------------------------


def test_every_plan_has_its_limits() -> None:
    """A plan that a connection may name is one whose limits are known."""
    annotation: Any = Monday.model_fields["plan"].annotation
    assert set(annotation.__args__) == set(limits._MONDAY)
    assert Monday.model_fields["plan"].default == "basic"


@pytest.mark.parametrize(("percent", "burst"), [(50, 3), (1, 1), (200, 14)])
def test_percent_of_the_limits(percent: int, burst: int) -> None:
    """Who shares a tenant with other bots takes less of it; never nothing."""
    channel = TEAMS._replace(meters={"x.": (Window(7, 1, slots=5),)})
    one = Limiter(Buckets(), Clock(), percent=percent)
    assert sum(took(one, channel) for _ in range(20)) == burst


def test_accounts_are_apart_and_tokens_unseen() -> None:
    """Keys name the vendor's account: no token, and no two accounts in one."""
    keys = [budget.key for budget in BUDGETS[:4]]
    assert len(set(keys)) == 4
    assert limits.monday("sEcReT", "pro").key == limits.monday("sEcReT", "basic").key != limits.monday("x", "pro").key
    assert "sEcReT" not in limits.monday("sEcReT", "pro").key


def test_mondays_day_keeps_a_reserve_and_a_part_for_deliveries() -> None:
    """1,000 calls a day, 5 % of them not ours to use: loads and checks take 665 of the 950, deliveries all of them."""
    buckets, clock = Buckets(), Clock()
    deliveries, loads = (limits.monday("a", "basic", reserve=5, optional=each) for each in (False, True))
    one, done = Limiter(buckets, clock), 0
    for _ in range(15):
        done += sum(took(one, loads, optional=True) for _ in range(100))
        clock.advance(61)
    assert done == 665
    rest = 0
    for _ in range(5):
        rest += sum(took(one, deliveries) for _ in range(100))
        clock.advance(61)
    assert rest == 285
