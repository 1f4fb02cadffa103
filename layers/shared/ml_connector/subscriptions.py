"""Graph subscriptions: made for what is watched, renewed by every run, made anew when Graph has lost one.

    what should be (watches.py) ── against the rows ──► create · renew · delete
    create ── refused: a permission, or there is one already ─► adopt ours · delete an old one of ours · say whose it is
    renew ─── 404 ─► create anew, and a resync: what was told meanwhile is lost

A subscription lives 70 hours, but Graph stops telling when the access token behind it ends, unless somebody has
answered its challenge or renewed (contracts: microsoft-teams 7.4 to 7.6). So each run renews all that was not renewed
in the last hour, and what Graph asks in between is answered at once (`asked`; docs/adr/0014-graph-notifications.md).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from ml_connector.connections import Connection
from ml_connector.errors import Gone, NeedsAttention, NotQueued, RetryLater, Undeliverable
from ml_connector.events import Delivery, Event, Version
from ml_connector.ports import Clock, Queue
from ml_connector.sources.graph import CHANNEL, RESYNC, Place, client_state, place_of
from ml_connector.times import stamp
from ml_connector.watches import Watch, watches

LIFETIME = timedelta(minutes=4200)
"""Asked for; a little under Graph's limit of 4,320 minutes, and it may grant less."""
FRESH = timedelta(minutes=50)
"""A subscription renewed since then is left alone: the schedule runs every hour."""
GAP = timedelta(minutes=150)
"""What was not renewed for so long stood still, or Graph did: what it told meanwhile may be lost."""
PAUSE = timedelta(minutes=50)
"""After a refusal, at least."""
RESYNC_EVERY = timedelta(days=1)
CHANGES = {True: "created", False: "updated,deleted"}
"""Of a channel's messages, and of a team's channels. A reply that is edited acknowledges nothing, and each of our own
edits of a card would come back as a change."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """One row. Times are UTC, "" for never; `id` is Graph's, "" if there is none (any more).

    `state`: `ok`; `failed` (tried again); `refused` (a permission is missing, `reason` says which); `waiting` (the
    connection's credentials need a person).
    """

    connection: str
    slot: str
    resource: str
    serves: tuple[str, ...] = ()
    id: str = ""
    expires: str = ""
    renewed_at: str = ""
    state: str = "failed"
    reason: str = ""
    again_at: str = ""
    resync_at: str = ""
    address: str = ""
    """A digest of where Graph was told to call, and of the key of its client state."""


class SubscriptionList(Protocol):
    def all(self) -> Iterable[Subscription]: ...

    def get(self, connection: str, slot: str) -> Subscription | None: ...

    def set(self, subscription: Subscription) -> None: ...

    def remove(self, subscription: Subscription) -> None: ...

    def begin(self, connection: str, slot: str, since: str) -> None:
        """From when on replies count, unless that is known already (resync.py)."""
        ...


class Graph(Protocol):
    def subscribe(self, connection: str, body: Mapping[str, Any]) -> Mapping[str, Any]: ...

    def renew(self, connection: str, subscription_id: str, until: str) -> str: ...

    def unsubscribe(self, connection: str, subscription_id: str) -> None: ...

    def subscriptions(self, connection: str) -> Iterator[Mapping[str, Any]]: ...


@dataclass(frozen=True, slots=True)
class Address:
    """Where Graph calls for a connection, below `base`, and the key of the client states that it repeats."""

    base: str
    token: str
    key: str

    @property
    def url(self) -> str:
        return f"{self.base}/graph/{self.token}"

    @property
    def digest(self) -> str:
        return hashlib.sha256(f"{self.url}#{self.key}".encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Renewals:
    """`address` gives None for a connection that was applied before there were such addresses; `faulted` hears of what
    went wrong with one though nobody at Microsoft's said so.
    """

    subscriptions: SubscriptionList
    graph: Graph
    address: Callable[[str], Address | None]
    queue: Queue
    clock: Clock
    faulted: Callable[[Subscription, Exception], None] = lambda row, error: None

    def run(
        self, connections: Iterable[Connection], call: str = "", time_left: Callable[[], bool] = lambda: True
    ) -> dict[str, int]:
        """Counts of `created`, `renewed`, `gone`, `deleted`, `failed`, `later` (failed, but not in the last run, too),
        `refused`, `waiting` and `left` (no time).

        Whose last turn is longest ago comes first, so that all have theirs, however many there are; a connection whose
        calls are refused for its credentials or its pace is left alone for the rest of the run.
        """
        counts = Counter(dict.fromkeys(COUNTED, 0))
        rows = {(each.connection, each.slot): each for each in self.subscriptions.all()}

        def rank(name: str, slot: str) -> int:
            """Who has it keeps it; whose credentials are refused is the last to get it."""
            row = rows.get((name, slot))
            return 1 if row is None else 2 if row.state == "waiting" else 0

        should = {(each.connection, each.slot): each for each in watches(connections, rank)}
        jobs = [self._current(watch, rows.get(key)) for key, watch in should.items()]
        jobs += [row for key, row in rows.items() if key not in should]
        jobs.sort(key=lambda each: max(each.renewed_at, each.again_at))
        resting: set[str] = set()
        # Of many calls one now and then gets no answer: nobody must be woken for what did not fail before, too.
        failing = {each.connection for each in rows.values() if each.state == "failed"}
        for row in jobs:
            if not time_left():
                counts["left"] += 1
                continue
            try:
                if (row.connection, row.slot) not in should:
                    self._end(row, counts)
                    continue
                if row.connection not in resting and self._due(row):
                    row, _ = self._settle(row, call, counts, resting, failing)
                if row.resync_at and row.resync_at <= self._now():
                    self._resync(row, call)
            except Exception as error:
                # One connection's broken secret is not the others' trouble.
                counts["failed"] += 1
                resting.add(row.connection)
                self.faulted(row, error)
        return dict(counts)

    def asked(self, connection: str, slot: str, subscription_id: str, event: str, call: str) -> str:
        """Answers a lifecycle event at once (7.6); gives back what came of it.

        Raises RetryLater. The row says what went wrong, and the next run tries again: nobody else needs to where only
        people can help.
        """
        row = self.subscriptions.get(connection, slot)
        if row is None or row.id != subscription_id:
            return "not one that we know"
        if event == "missed":
            self._resync(row, call)
            return "missed"
        counts = Counter(dict.fromkeys(COUNTED, 0))
        if event == "subscriptionRemoved":
            row = replace(row, id="", expires="")
            counts["gone"] += 1
        row, error = self._settle(row, call, counts, set(), set())
        if isinstance(error, RetryLater):
            raise error
        if error:
            return error.reason
        if row.resync_at <= self._now():
            self._resync(row, call)
        return "renewed" if counts["renewed"] else "created"

    def hours_left(self) -> float | None:
        """Of the subscription that ends first; None if there is none."""
        ends = [each.expires for each in self.subscriptions.all() if each.id and each.expires]
        return (datetime.fromisoformat(min(ends)) - self.clock()).total_seconds() / 3600 if ends else None

    # --- one subscription

    def _current(self, watch: Watch, row: Subscription | None) -> Subscription:
        """The row of a watch; whom it serves by now is written down at once."""
        if row is None:
            return Subscription(watch.connection, watch.slot, watch.resource, watch.serves)
        if row.serves != watch.serves:
            row = replace(row, serves=watch.serves)
            self.subscriptions.set(row)
        return row

    def _due(self, row: Subscription) -> bool:
        now = self.clock()
        if row.again_at and datetime.fromisoformat(row.again_at) > now:
            return False
        return not row.id or row.state != "ok" or datetime.fromisoformat(row.renewed_at) + FRESH <= now

    def _settle(
        self, row: Subscription, call: str, counts: Counter[str], resting: set[str], failing: set[str]
    ) -> tuple[Subscription, RetryLater | Undeliverable | None]:
        """Brings one up to date; the row says what came of it."""
        before = row
        error: RetryLater | Undeliverable | None = None
        try:
            row = self._alive(row, counts)
        except NeedsAttention as refusal:
            # The tokens' own alarm tells a person.
            counts["waiting"] += 1
            resting.add(row.connection)
            row, error = replace(row, state="waiting", reason=refusal.reason, again_at=self._now()), refusal
        except RetryLater as later:
            counts["failed" if row.connection in failing else "later"] += 1
            resting.add(row.connection)
            row = replace(row, state="failed", reason=later.reason, again_at=self._now(later.after or 0))
            error = later
        except Undeliverable as refusal:
            # Not permitted, or no such channel: only people can change that.
            state = "refused" if refusal.status in (403, 404) else "failed"
            counts["later" if state == "failed" and row.connection not in failing else state] += 1
            # What Graph refuses to renew may live on until its end.
            row = replace(row, state=state, reason=refusal.reason, again_at=self._now(PAUSE.total_seconds()))
            error = refusal
        if row.state == "ok" and (row.id != before.id or self._stood_still(before)):
            # It may have been another connection's, and then removed with it: nobody was told since.
            self.subscriptions.begin(row.connection, row.slot, self._now(-RESYNC_EVERY.total_seconds()))
            # Also the first time: what was written between two subscriptions nobody was told of.
            row = replace(row, resync_at=self._now())
        self.subscriptions.set(row)
        if row.state != before.state:
            # The channel itself may have gone, or come back.
            self._send(row, call, CHANNEL)
        return row, error

    def _stood_still(self, row: Subscription) -> bool:
        return bool(row.renewed_at) and datetime.fromisoformat(row.renewed_at) + GAP <= self.clock()

    def _alive(self, row: Subscription, counts: Counter[str]) -> Subscription:
        address = self.address(row.connection)
        if address is None:
            text = "Graph has no address to call yet: put the file into force again (mlc connections apply)"
            raise Undeliverable(text, 403)
        if row.id and row.address != address.digest:
            # It calls where nobody takes it any more, and neither address nor state can be changed.
            self.graph.unsubscribe(row.connection, row.id)
            row = replace(row, id="", expires="")
        if row.id:
            try:
                expires = self.graph.renew(row.connection, row.id, self._now(LIFETIME.total_seconds()))
            except Gone:
                counts["gone"] += 1
                row = replace(row, id="", expires="")
            else:
                counts["renewed"] += 1
                return self._ok(row, row.id, expires)
        made = self._create(row, address)
        counts["created"] += 1
        row = replace(row, address=address.digest)
        return self._ok(row, str(made["id"]), made.get("expirationDateTime"))

    def _ok(self, row: Subscription, identity: str, expires: Any) -> Subscription:
        ends = _time(expires) or self._now(3600)
        return replace(row, id=identity, expires=ends, renewed_at=self._now(), state="ok", reason="", again_at="")

    def _create(self, row: Subscription, address: Address) -> Mapping[str, Any]:
        body = {
            "changeType": CHANGES[row.resource.endswith("/messages")],
            "resource": row.resource,
            "notificationUrl": address.url,
            "lifecycleNotificationUrl": address.url,
            "expirationDateTime": self._now(LIFETIME.total_seconds()),
            "clientState": client_state(address.key, row.slot),
            "latestSupportedTlsVersion": "v1_2",
        }
        try:
            return self.graph.subscribe(row.connection, body)
        except Undeliverable as refusal:
            if refusal.status not in (403, 409):
                raise
            there = self._there(row)
            if not there:
                raise
            if there.get("notificationUrl") == address.url and there.get("clientState") in (None, body["clientState"]):
                # An answer of ours was lost: its client state is the same, for it is made from the resource.
                return there
            if not str(there.get("notificationUrl", "")).startswith(f"{address.base}/"):
                raise Undeliverable(
                    "the same app has a subscription to it that is not this stack's, until "
                    f"{there.get('expirationDateTime')}: another stack, or what is left of one",
                    409,
                ) from refusal
        self.graph.unsubscribe(row.connection, str(there["id"]))
        return self.graph.subscribe(row.connection, body)

    def _there(self, row: Subscription) -> Mapping[str, Any]:
        """The subscription that the app has to this already; empty if it has none."""
        wanted = row.resource.strip("/").lower()
        for each in self.graph.subscriptions(row.connection):
            if str(each.get("resource", "")).strip("/").lower() == wanted:
                return each
        return {}

    def _end(self, row: Subscription, counts: Counter[str]) -> None:
        """No route needs it any more. What cannot be deleted ends by itself within three days."""
        try:
            if row.id:
                self.graph.unsubscribe(row.connection, row.id)
        except (RetryLater, Undeliverable):
            pass
        except Exception as error:
            self.faulted(row, error)
        self.subscriptions.remove(row)
        counts["deleted"] += 1

    # --- what follows

    def _resync(self, row: Subscription, call: str) -> None:
        """Queues a look at what was missed, in the channel and of it; what cannot be queued is by the next run."""
        sent = self._send(row, call, RESYNC, CHANNEL)
        self.subscriptions.set(replace(row, resync_at=self._now(RESYNC_EVERY.total_seconds() if sent else 0)))

    def _send(self, row: Subscription, call: str, *modules: str) -> bool:
        place = place_of(row.resource)
        if place is None or not place.channel:
            return True  # of a team's channels there is nothing to read
        try:
            self.queue.send([self._job(module, row, place, call) for module in modules])
        except NotQueued:
            return False
        return True

    def _job(self, module: str, row: Subscription, place: Place, call: str) -> Delivery:
        now = self._now()
        payload = {"team": place.team, "channel": place.channel}
        event = Event(row.connection, module, row.slot, "look", Version("", now), "renewal", now, call, payload)
        return Delivery(event, place.channel)

    def _now(self, plus: float = 0.0) -> str:
        return stamp(self.clock() + timedelta(seconds=plus))


def _time(text: Any) -> str:
    """A time of Graph's in UTC; "" if it is none."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return ""
    return stamp(moment) if moment.tzinfo else ""


COUNTED = ("created", "renewed", "gone", "deleted", "failed", "later", "refused", "waiting", "left")
