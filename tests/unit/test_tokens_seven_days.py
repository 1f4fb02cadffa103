"""A thousand connections for seven days: no token is used that has ended or is about to (zoho-books 4.6)."""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ml_connector.errors import NeedsAttention, RetryLater, Throttled, Unknown
from ml_connector.limits import Budget, Unlimited
from ml_connector.ports import Issued
from ml_connector.tokens import WORKERS, Due, Tokens
from tests.fakes import NOW, Agenda, Clock, Leases, Secrets

CONNECTIONS, DAYS = 1000, 7
LAST = timedelta(minutes=4)
"""Of a token's hour: no use may be begun in them."""
ANSWER = 0.4
"""Seconds that a refresh takes. One thread plays the eight workers: it takes an eighth of that for each."""
USES = 8
"""Calls of Zoho Books in a minute, by deliveries and reconcile; connection and process are left to chance."""


@dataclass
class Accounts:
    """Zoho's accounts server: tokens of an hour, 15 active and 10 in ten minutes per refresh token, and bad days."""

    clock: Clock
    dice: random.Random
    ends: dict[str, datetime] = field(default_factory=dict)
    active: dict[str, deque[str]] = field(default_factory=dict)
    given: dict[str, deque[datetime]] = field(default_factory=dict)
    times: list[int] = field(default_factory=list)
    blocked: int = 0
    failed: int = 0

    def issue(self, credentials: Mapping[str, Any]) -> Issued:
        self.clock.advance(ANSWER / WORKERS)
        who, chance = credentials["refresh_token"], self.dice.random()
        now = self.clock.now
        if now.hour == 3 and now.minute < 20:
            chance /= 10  # every night it is restarted, or so it seems
        if chance < 0.02:
            self.failed += 1
            raise RetryLater("Zoho's accounts server answered 503")
        given = self.given.setdefault(who, deque(maxlen=10))
        if len(given) == 10 and now - given[0] < timedelta(minutes=10):
            self.blocked += 1
            raise RetryLater("Zoho gives no more tokens for a while (10 in 10 minutes)", 600)
        given.append(now)
        token = f"{who}.{len(self.times)}"
        active = self.active.setdefault(who, deque())
        active.append(token)
        if len(active) > 15:
            del self.ends[active.popleft()]
        self.ends[token] = now + timedelta(hours=1)
        self.times.append(int((now - NOW).total_seconds()))
        if chance < 0.023:
            raise Unknown("accounts.zoho.eu gave no readable answer")
        return Issued(token, 3600)


@dataclass
class Counted(Unlimited):
    """What ml_connector.limits does, without its table: each budget's calls within its only window."""

    clock: Clock
    calls: dict[str, deque[datetime]] = field(default_factory=dict)

    def take(self, budget: Budget, *, optional: bool = False) -> None:
        ((window,),) = budget.meters.values()
        now, calls = self.clock(), self.calls.setdefault(budget.account, deque(maxlen=window.calls))
        if len(calls) == window.calls and now - calls[0] < timedelta(seconds=window.seconds):
            raise Throttled("tokens: too many", 60)
        calls.append(now)


@dataclass
class Week:
    """The schedule of every minute, late or left out at times, and processes that use tokens whenever they like."""

    dice: random.Random = field(default_factory=lambda: random.Random(20261122))
    clock: Clock = field(default_factory=Clock)
    used: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.accounts = Accounts(self.clock, self.dice)
        self.names = [f"c{number:03}" for number in range(CONNECTIONS)]
        stored = {(name, "zoho"): {"region": "eu", "refresh_token": name} for name in self.names}
        self.secrets = Secrets(dict(stored), self.clock)
        self.agenda, self.leases, self.limits = Agenda(), Leases(), Counted(self.clock)
        for name in self.names:
            # All are connected in the same second: nothing has drifted apart yet.
            self.agenda.set(Due(name, "zoho", f"{NOW:%Y-%m-%dT%H:%M:%SZ}", "ok"))

    def process(self) -> Tokens:
        """One function instance, with its own cache of secrets."""
        return Tokens(
            self.secrets.view(), self.leases, self.agenda, {"zoho": self.accounts}, self.clock, self.limits,
            jitter=self.dice.uniform, workers=1,
        )  # fmt: skip

    def runs(self) -> Iterator[float]:
        """When the schedule's runs begin, in seconds: one in 30 is left out, one in 20 is up to two minutes late."""
        for minute in range(DAYS * 24 * 60):
            chance = self.dice.random()
            if chance > 1 / 30:
                yield minute * 60 + (self.dice.uniform(0, 120) if chance > 0.95 else self.dice.uniform(0, 2))

    def use(self, tokens: Tokens) -> None:
        """A call of Zoho Books, as vendors/zoho_api.py makes it: a refused token is replaced once.

        At noon, for half an hour, one organization's Books refuse whatever they are shown, and it has much to do.
        """
        now = self.clock()
        noon = now.hour == 12 and now.minute < 30
        name = self.names[now.day] if noon and self.dice.random() < 0.5 else self.dice.choice(self.names)
        try:
            token = tokens.access_token(name, "zoho")
            if self.dice.random() < 0.001 or (noon and name == self.names[now.day]):
                self.used["refused early"] += 1
                token = tokens.access_token(name, "zoho", rejected=token)
        except RetryLater:
            self.used["waited"] += 1
            return
        except NeedsAttention:
            # Books refused a token and the one in its place: somebody is told, and no third one is asked for.
            self.used["told"] += 1
            return
        left = self.accounts.ends[token] - self.clock() if token in self.accounts.ends else timedelta(0)
        self.used["expired" if left <= timedelta(0) else "in its last minutes" if left <= LAST else "good"] += 1

    def live(self) -> None:
        schedule, instances = self.process(), [self.process() for _ in range(4)]
        uses = (second * 60 / USES for second in range(DAYS * 24 * 60 * USES))
        moments = sorted([(at, True) for at in self.runs()] + [(at, False) for at in uses])
        for at, scheduled in moments:
            self.clock.now = max(self.clock.now, NOW + timedelta(seconds=at))
            if scheduled:
                self.used.update({f"run {name}": count for name, count in schedule.refresh_due().items()})
            else:
                self.use(self.dice.choice(instances))


def most(times: list[int], seconds: int) -> int:
    """Of any such slot of time."""
    return Counter(time // seconds for time in times).most_common(1)[0][1]


def test_a_week_of_a_thousand_connections() -> None:
    """Nothing expired is used, Zoho blocks nobody, and refreshes drift apart instead of coming all at once."""
    week = Week()
    week.live()
    used, accounts = week.used, week.accounts
    assert (used["expired"], used["in its last minutes"], accounts.blocked) == (0, 0, 0)
    assert used["good"] > DAYS * 24 * 60 * USES * 0.985, "hardly anybody waits"
    assert (used["run failed"], used["run faulted"]) == (0, 0)

    hours = DAYS * 24
    assert hours * CONNECTIONS < len(accounts.times) < hours * CONNECTIONS * 60 / 52 * 1.02
    later = [time for time in accounts.times if time >= 3600]
    assert most(later, 1) <= WORKERS / ANSWER + 1
    assert most(later, 60) < CONNECTIONS / 2, "all in one minute"
    assert most([time for time in later if time >= 6 * 24 * 3600], 60) < CONNECTIONS / 8, "by the end they hardly meet"
    # The week was not an easy one.
    assert accounts.failed > 1000
    assert used["refused early"] > 50
    # Who was refused at noon was told of, and is well again by itself.
    assert used["told"] > 50
    assert {due.state for due in week.agenda.all()} == {"ok"}
