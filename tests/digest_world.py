"""A channel that people read, the queue before it, and the limits that all instances share: where bursts are tried."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from ml_connector import gathering, limits
from ml_connector.carriers import Carriers
from ml_connector.connections import Connection
from ml_connector.delivery import Courier, Gathering
from ml_connector.digests import Digests, Pages, blank
from ml_connector.errors import RetryLater, Undeliverable, Unknown
from ml_connector.events import DELETED, Delivery, Event
from ml_connector.gathering import MODULE
from ml_connector.lanes import Lanes, Message
from ml_connector.limits import Budget, Limiter
from ml_connector.ports import CannotTell, Destination, Memory, NothingThere, Receipt, Request
from ml_connector.records import Record, read
from tests.fakes import CHANNEL, TEAM, TENANT, Books, Clock, Connections, Deliveries, connection, payload
from tests.model.world import LEASE, Fifo, Held, ParkedQueue
from tests.points import Crash, Points
from tests.unit.test_limits import Buckets

POSTS = limits.teams(TENANT, "app", TEAM, CHANNEL, posts=True)
EDITS = limits.teams(TENANT, "app", TEAM, CHANNEL, posts=False)
Digest = Mapping[str, Any]


@dataclass(frozen=True)
class Post:
    """A message in the channel. `record` of a card and of a reply; `facts` of a digest."""

    id: str
    mark: str
    at: datetime
    record: str = ""
    facts: Digest = field(default_factory=dict)


@dataclass
class Channel:
    """Teams as the bot sees it: a card per record, edited in place, and replies below it; posts can be looked for.

    `answers` are those to the next posts: ok, lost before or after the effect, busy, refused.
    """

    clock: Clock
    limiter: Limiter
    posts: list[Post] = field(default_factory=list)
    edits: list[tuple[datetime, str, str]] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    blind: bool = False
    """Nobody can look into it, as behind a workflow."""

    def at(self, crowd: int) -> Destination:
        """As an instance has it that gathers above so many posts a minute; 0: that does not gather."""
        budget = limits.teams(TENANT, "app", TEAM, CHANNEL, posts=True, crowd=crowd) if crowd else POSTS
        return _Door(self, budget)

    @property
    def digests(self) -> list[Post]:
        return [post for post in self.posts if post.facts]


@dataclass(frozen=True)
class _Door:
    channel: Channel
    budget: Budget
    covered: bool = True

    def plan(self, event: Event, record: Record, memory: Memory) -> Request:
        if event.action == DELETED and not memory.external_id:
            raise NothingThere
        body = {"record": record.id, "version": str(event.version), "mark": f"{record.id}-{event.version.fingerprint}"}
        if memory.external_id and not memory.step:
            return Request("update", "PUT", "https://teams.example", {**body, "of": memory.external_id}, more=True)
        return Request("create", "POST", "https://teams.example", body, within=bool(memory.external_id))

    def send(self, request: Request) -> Receipt:
        channel = self.channel
        if request.operation == "update":
            channel.limiter.take(EDITS)
            channel.edits.append((channel.clock(), request.body["of"], request.body["version"]))
            return Receipt("updated")
        channel.limiter.take(self.budget)
        answer = channel.answers.pop(0) if channel.answers else "ok"
        if answer == "busy":
            raise RetryLater("busy", 2, 429)
        if answer == "refused":
            raise Undeliverable("the channel does not exist (any more)", 404)
        if answer == "lost before":
            raise Unknown("no answer")
        post = Post(
            f"m{len(channel.posts)}", request.body["mark"], channel.clock(), request.body.get("record", ""),
            request.body.get("facts", {}),
        )  # fmt: skip
        channel.posts.append(post)
        if answer == "lost after":
            raise Unknown("no answer")
        return self._receipt(post)

    def settle(self, request: Request, memory: Memory) -> Receipt | None:
        if self.channel.blind:
            raise CannotTell
        found = [post for post in self.channel.posts if post.mark == request.body["mark"]]
        return self._receipt(found[0]) if found else None

    def _receipt(self, post: Post) -> Receipt:
        return Receipt("created", external_id=post.id, thread_id=post.id, link=f"https://teams.example/{post.id}")


@dataclass(frozen=True)
class _Registry:
    channel: Channel
    gathers: bool

    def destination(self, connection: Connection, name: str) -> Destination:
        return self.channel.at(gathering.above(connection.destinations[name]) if self.gathers else 0)


def render(connection: Connection, name: str, digest: str, facts: Digest) -> Request:
    return Request("create", "POST", "https://teams.example", {"mark": digest, "facts": facts}, about="Digest")


class World:
    """One connection with one channel. `run` works off what is due, and moves the clock when nothing is."""

    def __init__(self, now: datetime, seed: int = 0, **digest: Any) -> None:
        self.clock, self.chance = Clock(now), random.Random(seed)
        bot = {"type": "teams", "transport": "bot", "team_id": TEAM, "channel_id": CHANNEL, "digest": digest}
        everything = [{"events": ["*"], "when": {}, "to": ["finance"]}]
        self.connection = connection(
            time_zone="Europe/Berlin", destinations={"finance": bot}, routes=everything, retry={"unknown": "park"}
        )
        self.buckets = Buckets()
        self.channel = Channel(self.clock, Limiter(self.buckets, self.clock))
        self.deliveries, self.books = Deliveries(), Books()
        self.queue, self.parked = Fifo(self.clock), ParkedQueue(self.clock)
        self.sent: list[Delivery] = []
        self.workers = 0

    # --- Zoho

    def event(self, record: str, action: str = "created", version: int = 0, **changes: Any) -> Delivery:
        modified = f"2026-11-22T08:{version // 60:02}:{version % 60:02}+0000"
        content = payload(
            invoice_id=record,
            invoice_number=f"INV-{record}",
            modified=modified,
            reference_number=f"v{version}",
            **changes,
        )
        self.books.records["invoice", record] = content
        version_ = read("invoice", content).version
        stamp = self.clock.now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        event = Event("acme-eu", "invoice", record, action, version_, "webhook", stamp, f"call-{record}", content)
        return Delivery(event, "finance")

    def send(self, each: Delivery) -> None:
        self.sent.append(each)
        self.queue.put(each.to_json(), each.lane, each.id)

    # --- workers

    def lanes(self, points: Points | None = None) -> Lanes:
        """An instance of the function, wrapped so that it can crash between any two calls."""
        points = points or Points()
        self.workers += 1
        courier = Courier(
            connections=Connections({"acme-eu": self.connection}),
            destinations=points.wrap("destinations", _Registry(self.channel, gathers=False)),
            deliveries=points.wrap("deliveries", self.deliveries),
            parked=points.wrap("parked", self.parked),
            books=self.books,
            clock=self.clock,
            lease=LEASE,
            owner=f"worker-{self.workers}",
            jitter=lambda attempts, asked, policy: max(1, round((asked or 0) + 0.5)),
            gathering=Gathering(
                points.wrap("gathering", _Registry(self.channel, gathers=True)), points.wrap("queue", self.queue)
            ),
        )
        pages = replace(
            courier, destinations=Pages(courier.destinations, render), gathering=None, others={MODULE: blank}
        )
        digests = Digests(
            courier.connections, points.wrap("shelf", self.deliveries.shelf), pages, courier.deliveries,
            points.wrap("queue", self.queue), self.clock,
        )  # fmt: skip
        return Lanes(Carriers(courier, {MODULE: lambda: digests}), points.wrap("queue", self.queue), self.clock, _raise)

    def work(self, at: Callable[[int, str], None] | None = None) -> Held | None:
        held = self.queue.receive(self.chance.randrange(1000))
        if held is None:
            return None
        handle = held.handle
        assert held.first_received is not None
        message = Message(
            Delivery.from_json(held.body), held.id, held.group, held.receives, held.first_received, handle
        )
        try:
            self.lanes(Points(at) if at else None).work(message)
        except (Crash, RetryLater):
            return held
        self.queue.delete(handle)
        return held

    def run(
        self,
        until: Callable[[], bool] = lambda: False,
        *,
        seconds: float = 0.05,
        longest: timedelta = timedelta(hours=30),
        at: Callable[[], Callable[[int, str], None] | None] = lambda: None,
    ) -> None:
        """Each message takes `seconds`. `at` gives the crash of each."""
        end, steps = self.clock.now + longest, 0
        while self.queue.held and not until():
            steps += 1
            assert self.clock.now < end and steps < 50_000, f"{len(self.queue.held)} messages are left"  # noqa: PT018
            if self.work(at()):
                self.clock.advance(seconds)
            else:
                # Whoever is first of its group; nothing can be done before that.
                firsts: dict[str, Held] = {}
                for each in self.queue.held:
                    firsts.setdefault(each.group, each)
                due = min(each.visible_at for each in firsts.values())
                self.clock.now = max(self.clock.now, due) + timedelta(milliseconds=1)

    # --- what came of it

    def told(self) -> dict[str, list[str]]:
        """By the key of each event: the ids of the messages that told of it, as the trail says."""
        found: dict[str, list[str]] = {}
        for entry in self.deliveries.audit.entries:
            if entry.outcome == "delivered" and entry.module != MODULE:
                found.setdefault(f"{entry.record_id}@{entry.version}", []).append(entry.external_id)
        return found


def _raise(error: Exception) -> None:
    raise error
