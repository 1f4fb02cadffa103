"""Rate limits that all instances share: what each vendor allows, as data, and the counting (docs/adr/0007).

A budget is one item of the limits table: the meters of a vendor's account, such as a tenant and the channels in it.
A meter is one number that only grows, and notes of what it was when a slot of time began. Of a window of ten slots:

    calls within it  ≤  the number now − the smallest note of the last ten slots and this one

What is past does not change, so an instance that has once seen the notes knows below which number one more call fits,
whoever else is counting: a take is one conditional update, `number < ceiling`. What an instance has not seen yet makes
its ceiling too low, never too high; a refused update brings the truth, and is made again if there is room after all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple, Protocol, TypeVar

from ml_connector.errors import Crowded, Throttled, Unknown
from ml_connector.ports import Clock

View = Mapping[str, int]
"""A budget's numbers by name: `<meter>n` calls, `<meter>u` closed until, `<meter>o` kept for what matters until,
`<meter><seconds>.<slot>` a note. Times are in ms."""


class Window(NamedTuple):
    """At most `calls` in any `seconds`. It slides slot by slot; without slots it is the calendar's (a UTC day)."""

    calls: int
    seconds: int
    slots: int = 10

    @property
    def length(self) -> int:
        """Of a slot, in ms."""
        return self.seconds * 1000 // max(1, self.slots)


class Budget(NamedTuple):
    """What one call to a vendor draws on. `meters` from the widest to the narrowest, which a 429 closes."""

    vendor: str
    account: str
    meters: Mapping[str, tuple[Window, ...]]

    @property
    def key(self) -> str:
        return f"{self.vendor}#{self.account}"

    @property
    def narrowest(self) -> str:
        return list(self.meters)[-1]


class Quota(NamedTuple):
    """What a vendor says of the day: calls allowed and left in it, and seconds until it ends at the account's place."""

    calls: int
    left: int
    seconds: int


# --- what the vendors allow ----------------------------------------------------------------------------------------

_DAY = 86_400
_ZOHO = (Window(80, 60),)
"""Of 100 a minute, because other integrations share them; the day's quota is read from headers (zoho-books 8)."""
_SHARE = "share."
"""The meter of a share that a connection gives: no share of it is left to anybody else."""
_CROWD = "~"
"""Begins the meter of a channel's new messages that people are to read one by one: ours to keep, not the vendor's."""
TOKENS = "tokens"
_TOKENS = (Window(9, 600),)
"""Of Zoho's 10 per refresh token, after which it gives none for the rest of ten minutes; one is left for the consent
that began it (zoho-books 4.6). Nobody else needs so many."""
_APP_IN_TENANT = (Window(50, 1),)
_TEAM = (Window(4, 1),)
"""Of an app on one team (microsoft-teams 8.1)."""
_POSTS = (Window(1, 1),)
"""New posts of an app, or of the person it posts as, in one channel (microsoft-teams 8.1): nobody reads faster."""
_CHANNEL = (Window(7, 1, slots=5), Window(8, 2, slots=5), Window(60, 30), Window(1800, 3600))
"""Of a bot, per conversation (microsoft-teams 1.2.6). Counted for the channel with all its threads: then it holds for
each of them, whichever of the two Microsoft takes for the conversation."""
_ACTIVITIES = {False: (Window(5, 1),), True: (Window(2, 1),)}
"""Notifications to one person, or to several at once (microsoft-teams 1.5)."""
_WORKFLOW = (Window(25, 300),)
"""What the flow bot posts per connection; more is accepted and then fails unseen (microsoft-teams 1.3)."""
_MONDAY_OPTIONAL = 70
"""Percent of a day's calls that loads and checks may take together: the others are for deliveries."""
_MONDAY = {
    # The help centre says 200 for free accounts, other pages 1,000 (monday 5.1).
    "free": (Window(1000, 60), Window(200, _DAY, slots=0)),
    "basic": (Window(1000, 60), Window(1000, _DAY, slots=0)),
    "standard": (Window(1000, 60), Window(1000, _DAY, slots=0)),
    "pro": (Window(2500, 60), Window(10_000, _DAY, slots=0)),
    "enterprise": (Window(5000, 60), Window(25_000, _DAY, slots=0)),
}


def zoho(region: str, organization_id: str, share: int | None = None) -> Budget:
    """`share`: how many calls of a day the caller's kind of work, which can wait, may make in all (UTC days)."""
    own = {_SHARE: (Window(share, _DAY, slots=0),)} if share is not None else {}
    return Budget("zoho", f"{region}#{organization_id}", {**own, "": _ZOHO})


def tokens(kind: str, digest: str) -> Budget:
    """Access tokens issued on the same credentials, which `digest` tells apart."""
    return Budget(TOKENS, f"{kind}#{digest}", {"": _TOKENS})


def teams(tenant_id: str, client_id: str, team_id: str, channel_id: str, *, posts: bool, crowd: int = 0) -> Budget:
    """The bot's calls to one channel. `posts`: they make a message; others change or remove one.

    `crowd`: how many messages a minute the channel may have, above which Crowded is raised; 0 for any number.
    """
    channel = _short(channel_id)
    meters = {"": _APP_IN_TENANT, f"t{_short(team_id)}.": _TEAM, f"{channel}.": _CHANNEL}
    if posts:
        # The channel stays the narrowest: what a 429 closes is closed for changes too.
        meters = {"": meters.pop(""), f"p{channel}.": _POSTS, **_crowd(channel, crowd), **meters}
    return Budget("teams", f"{tenant_id}#{client_id}", meters)


def personal(tenant_id: str, client_id: str, person: str) -> Budget:
    """The bot's calls to one person's chat: those that ask for the chat count as well (microsoft-teams 1.2.6)."""
    return Budget("teams", f"{tenant_id}#{client_id}", {"": _APP_IN_TENANT, f"c{_short(person.lower())}.": _CHANNEL})


def graph(tenant_id: str, client_id: str, team_id: str, channel_id: str, *, crowd: int = 0) -> Budget:
    """Messages through Graph: one a second in a channel, whether they are made or changed (microsoft-teams 8.1).

    `crowd` as in `teams`, for what makes one.
    """
    channel = _short(channel_id)
    meters = {"": _APP_IN_TENANT, **_crowd(channel, crowd), f"t{_short(team_id)}.": _TEAM, f"g{channel}.": _POSTS}
    return Budget("teams", f"{tenant_id}#{client_id}", meters)


def graph_reads(tenant_id: str, client_id: str, channel_id: str) -> Budget:
    """What is read of a channel through Graph: one call a second, and twenty in the tenant (microsoft-teams 8.1)."""
    return Budget("graph", f"{tenant_id}#{client_id}", {"": (Window(20, 1),), f"r{_short(channel_id)}.": _POSTS})


def activities(tenant_id: str, client_id: str, *, several: bool) -> Budget:
    return Budget("activity", f"{tenant_id}#{client_id}", {"": _ACTIVITIES[several]})


def workflows(connection: str, destination: str, *, crowd: int = 0) -> Budget:
    """`crowd` as in `teams`."""
    return Budget("workflows", f"{connection}#{destination}", {**_crowd("", crowd), "": _WORKFLOW})


def monday(account: str, plan: str, *, reserve: int = 0, optional: bool = False) -> Budget:
    """By a digest of the token, or of app and account: connections that share it share the account's calls.

    `reserve`: percent of a day's calls that are left to others. `optional` is work that can wait: a load, a check.
    """
    minute, day = _MONDAY[plan]
    day = day._replace(calls=day.calls * (100 - reserve) // 100)
    own = {_SHARE: (day._replace(calls=day.calls * _MONDAY_OPTIONAL // 100),)} if optional else {}
    return Budget("monday", _short(account, 32), {**own, "": (minute, day)})


def _crowd(channel: str, crowd: int) -> Mapping[str, tuple[Window, ...]]:
    return {f"{_CROWD}{channel}.": (Window(crowd, 60),)} if crowd else {}


def _short(text: str, digits: int = 6) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:digits]


# --- counting --------------------------------------------------------------------------------------------------------

OPTIONAL = 0.9
"""Share of each sliding window that work which can wait (reconcile) may use: the rest is for deliveries."""
CLOSED = 1.0
"""Seconds of a vendor's "too many" that does not say for how long."""
CLOSED_AT_MOST = 25 * 3600.0
"""A day's quota is back by then, whatever an answer says."""
KEPT = 3 * _DAY * 1000
"""After how many ms without a call a budget may be forgotten: longer than any window and any closing."""
BLIND = 30_000
"""For how many ms the table is not asked after it could not be reached: its time-outs would add to every call."""
_SKEW = 2_000
"""By how many ms two instances' clocks may differ when old notes are removed."""
_TRIES = 4
HANGS = 2
HUNG = 60.0
"""Seconds: twice what a hanging call takes."""
T = TypeVar("T")


class Take(NamedTuple):
    """One call to be counted. Names are those of View."""

    ceilings: Mapping[str, int | None]
    """Each number goes up by one and must be below its ceiling; None: it must not exist yet, and becomes 1."""
    notes: Mapping[str, str]
    """Where the number's value before this call is noted, if nobody has: note → number."""
    open_at: tuple[str, ...]
    """Times that must have passed."""
    stale: tuple[str, ...]
    """Notes that nobody looks at any more."""
    now: int
    expires_at: int


class Refused(Exception):
    """A condition did not hold; `view` is what the item holds."""

    def __init__(self, view: View) -> None:
        super().__init__("refused")
        self.view = view


class Unreachable(Exception):
    """The table did not answer as it should."""


class Buckets(Protocol):
    """The limits table. Both raise Unreachable for whatever goes wrong."""

    def take(self, key: str, take: Take) -> View:
        """Counts, all or nothing, and gives the whole item back. Raises Refused."""
        ...

    def raise_to(self, key: str, name: str, until: int, expires_at: int) -> View:
        """Sets a time, unless it is later already, and gives the whole item back."""
        ...


class Limits(Protocol):
    """What vendors' clients ask before and tell after each call."""

    def take(self, budget: Budget, *, optional: bool = False) -> None:
        """Counts a call that is about to be made. Raises Throttled or Crowded, before anything has happened."""
        ...

    def closed(self, budget: Budget, seconds: float | None) -> None:
        """The vendor refuses calls for so long: nobody else needs to run into it."""
        ...

    def scarce(self, budget: Budget, seconds: float) -> None:
        """What is left for so long is for what cannot wait."""
        ...


class Unlimited:
    """Counts nothing: for previews and tests of something else."""

    def take(self, budget: Budget, *, optional: bool = False) -> None: ...

    def closed(self, budget: Budget, seconds: float | None) -> None: ...

    def scarce(self, budget: Budget, seconds: float) -> None: ...


UNLIMITED: Limits = Unlimited()


@dataclass(frozen=True, slots=True)
class Share:
    """The limits of a client that always draws on the same budget."""

    limits: Limits
    budget: Budget
    optional: bool = False
    hung: list[None] = field(default_factory=list)
    """One for each call in a row that got no answer."""

    def call(self, make: Callable[[], T]) -> T:
        """Makes a call of this budget, if there is room (Throttled).

        A vendor that hangs keeps each worker for the whole time-out, and workers are everybody's: after HANGS calls in
        a row without an answer the budget is closed for a while, for all instances.
        """
        self.limits.take(self.budget, optional=self.optional)
        try:
            answer = make()
        except Unknown:
            self.hung.append(None)
            if len(self.hung) >= HANGS:
                self.limits.closed(self.budget, HUNG)
            raise
        self.hung.clear()
        return answer

    def closed(self, seconds: float | None) -> None:
        self.limits.closed(self.budget, seconds)


FREE = Share(UNLIMITED, Budget("", "", {"": ()}))


@dataclass(slots=True)
class Limiter:
    """One instance's share in the counting. `percent` of the vendors' limits are used.

    A table that cannot be reached limits nothing: the vendors still do.
    """

    buckets: Buckets
    clock: Clock
    unreachable: Callable[[Unreachable], None] = lambda error: None
    percent: int = 100
    _views: dict[str, View] = field(default_factory=dict)
    _blind_until: int = 0

    def take(self, budget: Budget, *, optional: bool = False) -> None:
        budget = self._scaled(budget)
        for _ in range(_TRIES):
            now = self._now()
            view = self._views.get(budget.key)
            if view is not None:
                until, why = opens(view, budget, now, optional)
                if until > now:
                    # No need to ask: numbers only grow, and times only move on.
                    if (crowded := opens(view, _crowd_of(budget), now)[0]) > now:
                        raise Crowded(f"{budget.vendor}: enough new messages for a minute", (crowded - now) / 1000)
                    raise Throttled(f"{budget.vendor}: {why}", (until - now) / 1000)
            if now < self._blind_until:
                return
            try:
                self._views[budget.key] = self.buckets.take(budget.key, plan(view or {}, budget, now, optional))
            except Refused as refused:
                self._views[budget.key] = refused.view
            except Unreachable as error:
                self._blind(error)
                return
            else:
                return
        raise Throttled(f"{budget.vendor}: too many at once", 1)

    def closed(self, budget: Budget, seconds: float | None) -> None:
        self._raise_to(budget, f"{budget.narrowest}u", CLOSED if seconds is None else seconds)

    def scarce(self, budget: Budget, seconds: float) -> None:
        # Every answer says so anew, with a second less: told once a minute.
        self._raise_to(budget, f"{next(iter(budget.meters))}o", seconds, at_least=60_000)

    def _raise_to(self, budget: Budget, name: str, seconds: float, at_least: int = 0) -> None:
        now = self._now()
        until = now + round(min(max(seconds, 0.0), CLOSED_AT_MOST) * 1000)
        known = self._views.get(budget.key, {}).get(name, 0)
        if until <= max(now, known) or (known > now and until < known + at_least) or now < self._blind_until:
            return
        try:
            self._views[budget.key] = self.buckets.raise_to(budget.key, name, until, (now + KEPT) // 1000)
        except Unreachable as error:
            self._blind(error)

    def _blind(self, error: Unreachable) -> None:
        self._blind_until = self._now() + BLIND
        self.unreachable(error)

    def _scaled(self, budget: Budget) -> Budget:
        if self.percent == 100 or budget.vendor == TOKENS:
            # Tokens are ours alone to ask for, and one too many ends them all for ten minutes.
            return budget
        meters = {
            meter: windows
            if meter == _SHARE or meter.startswith(_CROWD)
            else tuple(each._replace(calls=max(1, each.calls * self.percent // 100)) for each in windows)
            for meter, windows in budget.meters.items()
        }
        return budget._replace(meters=meters)

    def _now(self) -> int:
        return round(self.clock().timestamp() * 1000)


def _crowd_of(budget: Budget) -> Budget:
    """What of it people are to be spared, apart from what the vendor allows."""
    return budget._replace(meters={name: each for name, each in budget.meters.items() if name.startswith(_CROWD)})


def plan(view: View, budget: Budget, now: int, optional: bool = False) -> Take:
    """The update that counts one call, as far as an instance that has seen `view` can tell."""
    ceilings: dict[str, int | None] = {}
    notes, stale, open_at = {}, [], []
    for meter, windows in budget.meters.items():
        number = f"{meter}n"
        ceilings[number] = None
        if number in view:
            ceilings[number] = min(_began(view, meter, window, now) + _allowed(window, optional) for window in windows)
        for window in windows:
            notes[f"{meter}{window.seconds}.{now // window.length}"] = number
            stale += [name for name, slot, _ in _notes(view, meter, window) if slot < _first(window, now - _SKEW) - 1]
        open_at += [f"{meter}u", *((f"{meter}o",) if optional else ())]
    return Take(MappingProxyType(ceilings), notes, tuple(open_at), tuple(stale[:60]), now, (now + KEPT) // 1000)


def opens(view: View, budget: Budget, now: int, optional: bool = False) -> tuple[int, str]:
    """When one more call fits, in ms, as far as `view` tells, and what stands in its way until then."""
    until, why = now, ""
    for meter, windows in budget.meters.items():
        if view.get(f"{meter}u", 0) > until:
            until, why = view[f"{meter}u"], "asked for a pause"
        if optional and view.get(f"{meter}o", 0) > until:
            until, why = view[f"{meter}o"], "little is left of the day's calls"
        for window in windows:
            if (fits := _fits(view, meter, window, now, optional)) > until:
                until, why = fits, f"{_allowed(window, optional)} calls in {window.seconds} s are made"
    return until, why


def made(view: View, meter: str, window: Window, now: int) -> int:
    """How many calls were made within the window up to `now` (in ms), as far as `view` tells."""
    return view[f"{meter}n"] - _began(view, meter, window, now) if f"{meter}n" in view else 0


def _allowed(window: Window, optional: bool) -> int:
    return max(1, int(window.calls * OPTIONAL)) if optional and window.slots else window.calls


def _first(window: Window, now: int) -> int:
    """The oldest slot that reaches into the window."""
    return now // window.length - window.slots


def _notes(view: View, meter: str, window: Window) -> Iterator[tuple[str, int, int]]:
    """Name, slot and number of a window's notes."""
    prefix = f"{meter}{window.seconds}."
    for name, number in view.items():
        if name.startswith(prefix):
            yield name, int(name[len(prefix) :]), number


def _began(view: View, meter: str, window: Window, now: int) -> int:
    """A number that the meter had when the window began, or an earlier, smaller one.

    The smallest, because an instance that is slow to write may note a slot after the next one has begun.
    """
    first = _first(window, now)
    numbers = [number for _, slot, number in _notes(view, meter, window) if slot >= first]
    return min(numbers, default=view[f"{meter}n"])


def _fits(view: View, meter: str, window: Window, now: int, optional: bool) -> int:
    """When the window has room for one more call: `now`, or the end of the slot that must leave it first."""
    count, allowed = view.get(f"{meter}n", 0), _allowed(window, optional)
    inside = sorted((slot, number) for _, slot, number in _notes(view, meter, window) if slot >= _first(window, now))
    numbers = [number for _, number in inside]
    at = now
    for index, (slot, _) in enumerate(inside):
        if count < min(numbers[index:]) + allowed:
            break
        at = (slot + 1 + window.slots) * window.length
    return at
