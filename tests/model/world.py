"""A small world that is true to the real one where it matters: SQS's FIFO queue, two vendors, a person, a clock.

Nothing here knows how the engine works; what the world sees going wrong it keeps in `faults`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from ml_connector.connections import Connection
from ml_connector.delivery import Courier
from ml_connector.errors import Gone, Missing, NeedsAttention, RetryLater, Throttled, Undeliverable, Unknown
from ml_connector.events import DELETED, Delivery, Event, Version
from ml_connector.lanes import Lanes, Message
from ml_connector.parked import again, unwrap
from ml_connector.ports import CannotTell, Destination, Memory, NothingThere, Receipt, Request
from ml_connector.records import Record, read
from ml_connector.retry import Policy
from tests.fakes import Books, Clock, Connections, Deliveries, connection, payload
from tests.points import Crash, Points

VISIBILITY = 180
LEASE = timedelta(seconds=100)
DEDUPLICATION = timedelta(minutes=5)
KEYS_LIVE = timedelta(minutes=30)
KEY_TRUSTED = timedelta(minutes=25)
LAG = timedelta(seconds=40)
"""How long the vendor's search does not find a new item."""
UNSEEN = timedelta(seconds=50)
"""How long Zoho does not show a new record."""


class Ticking(Clock):
    """No two readings are the same."""

    def __call__(self) -> datetime:
        self.now += timedelta(microseconds=1)
        return self.now


# --- SQS ---------------------------------------------------------------------------------------------------------


@dataclass
class Held:
    """A message in the queue."""

    id: str
    body: str
    group: str
    visible_at: datetime
    receives: int = 0
    first_received: datetime | None = None

    @property
    def handle(self) -> str:
        """Another one with each receive; an old one is good for nothing."""
        return f"{self.id}/{self.receives}"


@dataclass
class Fifo:
    """Order and exclusion within a group, visibility, receive counts, five minutes of deduplication."""

    clock: Clock
    held: list[Held] = field(default_factory=list)
    recent: dict[str, datetime] = field(default_factory=dict)
    numbers: Any = field(default_factory=count)

    def put(self, body: str, group: str, key: str) -> None:
        now = self.clock()
        if key in self.recent and now - self.recent[key] < DEDUPLICATION:
            return
        self.recent[key] = now
        self.held.append(Held(f"m{next(self.numbers)}", body, group, now))

    def receive(self, choice: int) -> Held | None:
        """The first message of some group that has none in flight."""
        now, firsts = self.clock(), dict[str, Held]()
        for each in self.held:
            firsts.setdefault(each.group, each)
        busy = {each.group for each in self.held if each.visible_at > now}
        ready = [each for group, each in firsts.items() if group not in busy]
        if not ready:
            return None
        each = ready[choice % len(ready)]
        each.receives += 1
        each.first_received = each.first_received or now
        each.visible_at = now + timedelta(seconds=VISIBILITY)
        return each

    def find(self, handle: str) -> Held | None:
        return next((each for each in self.held if each.handle == handle), None)

    def delete(self, handle: str) -> None:
        if each := self.find(handle):
            self.held.remove(each)

    # What ml_connector.lanes asks of it:

    def move(self, delivery: Delivery, key: str) -> None:
        self.put(delivery.to_json(), delivery.group, key)

    def postpone(self, receipt_handle: str, seconds: int) -> None:
        if each := self.find(receipt_handle):
            each.visible_at = self.clock() + timedelta(seconds=seconds)


@dataclass
class ParkedQueue:
    clock: Clock
    held: list[str] = field(default_factory=list)
    recent: dict[str, datetime] = field(default_factory=dict)

    def park(self, body: str, *, key: str, reason: str) -> None:
        now, key = self.clock(), f"{key}#{reason}"
        if key not in self.recent or now - self.recent[key] >= DEDUPLICATION:
            self.recent[key] = now
            self.held.append(body)


# --- Zoho --------------------------------------------------------------------------------------------------------


@dataclass
class Slow(Books):
    """Zoho Books, whose reading knows of a new record only a while after its webhook was sent."""

    clock: Clock = field(default_factory=Clock)
    made: dict[str, datetime] = field(default_factory=dict)

    def fetch(self, connection: Connection, module: str, record_id: str) -> Mapping[str, Any]:
        if self.clock.now - self.made[record_id] < UNSEEN:
            raise Missing("it does not exist (any more)", 404)
        return super().fetch(connection, module, record_id)


# --- vendors -----------------------------------------------------------------------------------------------------


@dataclass
class Item:
    """A card or a board's item, with every version that it ever showed."""

    id: str
    record: str
    made_at: datetime
    shown: list[Version] = field(default_factory=list)
    told: list[tuple[Version, int]] = field(default_factory=list)
    """The parts that are within it, as replies in a thread: each one's version and number."""
    removed: bool = False


@dataclass
class Vendor:
    """monday (`keys`: idempotency keys, a search that lags) or Teams (neither).

    Each version is the item, then `parts` things within it; `reads`: without keys, these can be looked for.
    `answers` are those to the next calls: ok, busy, full (by our own count), refused, credentials, lost before or after
    the effect.
    """

    clock: Clock
    keys: bool
    faults: list[str]
    items: list[Item] = field(default_factory=list)
    kept: dict[str, tuple[datetime, Item]] = field(default_factory=dict)
    answers: list[str] = field(default_factory=list)
    covered: bool = False
    parts: int = 0
    reads: bool = False

    def of(self, record: str) -> list[Item]:
        """What people see of a record."""
        return [item for item in self.items if item.record == record and not item.removed]

    def plan(self, event: Event, record: Record, memory: Memory) -> Request:
        if event.action == DELETED and not memory.external_id:
            raise NothingThere
        within = bool(memory.external_id and memory.step)
        operation = "update" if memory.external_id and not within else "create"
        key = f"{record.id}:{memory.generation}"
        if within:
            key = f"{memory.external_id}:{event.version}:{memory.step}"
        number = memory.step if within else 0
        return Request(
            operation=operation,
            method="POST",
            url="https://vendor.example",
            body={
                "record": record.id,
                "version": str(event.version),
                "item": memory.external_id,
                "number": number,
            },
            idempotency_key=key if operation == "create" else "",
            about=record.title,
            more=number < self.parts,
            within=within,
        )

    def send(self, request: Request) -> Receipt:
        answer = self.answers.pop(0) if self.answers else "ok"
        if answer == "busy":
            raise RetryLater("busy", 30, 429)
        if answer == "full":
            raise Throttled("our own count", 1)
        if answer == "refused":
            raise Undeliverable("refused", 400)
        if answer == "credentials":
            raise NeedsAttention("connect again", 401)
        if answer == "lost before":
            raise Unknown("no answer")
        if request.within:
            receipt = self._tell(request)
        else:
            receipt = self._create(request) if request.operation == "create" else self._update(request)
        if answer == "lost after":
            raise Unknown("no answer")
        return receipt

    def _create(self, request: Request) -> Receipt:
        now, key, record = self.clock(), request.idempotency_key, request.body["record"]
        if self.keys and key in self.kept and now - self.kept[key][0] < KEYS_LIVE:
            return Receipt("created", external_id=self.kept[key][1].id, replayed=True)
        item = Item(f"item-{len(self.items)}", record, now)
        self.items.append(item)
        self.kept[key] = (now, item)
        self._show(item, request)
        return Receipt("created", external_id=item.id, thread_id="thread")

    def _tell(self, request: Request) -> Receipt:
        item, part = self._item(request), self.part(request)
        replayed = self.keys and part in item.told
        if not replayed:
            if any(_before(part, each) for each in item.told):
                self.faults.append(f"{item.id}: {part} told after something newer")
            item.told.append(part)
        return Receipt("created", external_id=f"{item.id}-{part[1]}", replayed=replayed)

    def there(self, request: Request) -> bool:
        """Whether what was asked for is to be seen."""
        if not request.within:
            return bool(self.of(request.body["record"]))
        item = next(each for each in self.items if each.id == request.body["item"])
        return not item.removed and self.part(request) in item.told

    @staticmethod
    def part(request: Request) -> tuple[Version, int]:
        return Version.parse(request.body["version"]), request.body["number"]

    def _item(self, request: Request) -> Item:
        item = next(each for each in self.items if each.id == request.body["item"])
        if item.removed:
            raise Gone("somebody removed it")
        return item

    def _update(self, request: Request) -> Receipt:
        item = self._item(request)
        self._show(item, request)
        return Receipt("updated")

    def _show(self, item: Item, request: Request) -> None:
        version = Version.parse(request.body["version"])
        shown = [each for other in self.items if other.record == item.record for each in other.shown]
        # Nothing comes after a deletion, which is the newest whatever its time: our clock is not Zoho's.
        if not version.deletes and any(each.deletes or version.older_than(each) for each in shown):
            self.faults.append(f"{item.id}: {version} over a newer one")
        item.shown.append(version)

    def settle(self, request: Request, memory: Memory) -> Receipt | None:
        if not self.keys and not (request.within and self.reads):
            raise CannotTell
        now = self.clock()
        if self.keys and now - datetime.fromisoformat(memory.first_attempt_at) < KEY_TRUSTED:
            return self.send(request)
        if request.within:
            return Receipt("created", external_id="found") if self.there(request) else None
        found = [item for item in self.of(request.body["record"]) if now - item.made_at >= LAG]
        return Receipt("created", external_id=found[0].id) if found else None


# --- all of it ---------------------------------------------------------------------------------------------------


class World:
    """One connection, and of two destinations those named: `ledger` like monday, `finance` like Teams.

    `unknown`: the policy; `parts` and `reads`: the vendors'.
    """

    def __init__(
        self, unknown: str, names: Sequence[str] = ("ledger", "finance"), parts: int = 0, reads: bool = False
    ) -> None:
        self.clock = Ticking()
        self.faults: list[str] = []
        self.connections = Connections({"acme-eu": connection(retry={"unknown": unknown})})
        self.deliveries, self.books = Deliveries(), Slow(clock=self.clock)
        self.queue, self.parked = Fifo(self.clock), ParkedQueue(self.clock)
        self.vendors = {
            name: Vendor(self.clock, name == "ledger", self.faults, parts=parts, reads=reads) for name in names
        }
        self.events: list[Event] = []
        """All that ever happened, in the order in which it did."""
        self.pool: list[Event] = []
        """Those whose webhook is still under way."""
        self.left: set[str] = set()
        """Deliveries (their ids) that a person gave up, because the message was there."""
        self.workers = count(1)

    # --- Zoho

    def save(self, record: str, seconds: int, thin: bool) -> None:
        """The bookkeeper saves; two saves may fall into one second."""
        number = sum(each.record_id == record for each in self.events)
        modified = (self.clock.now + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S+0000")
        newest = max((each.version.at for each in self.events if each.record_id == record), default="")
        # Zoho's clock does not go back.
        modified = max(modified, newest.replace("Z", "+0000"))
        content = payload(invoice_id=record, modified=modified, status=f"status-{number}")
        self.books.records["invoice", record] = content
        self.books.made.setdefault(record, self.clock.now)
        event = Event(
            "acme-eu", "invoice", record, "updated" if number else "created", read("invoice", content).version,
            "webhook", modified, f"call-{len(self.events)}", None if thin else content,
        )  # fmt: skip
        self.events.append(event)
        self.pool.append(event)

    def delete(self, record: str) -> None:
        """The bookkeeper deletes it: Zoho tells no more than that, and has it no more."""
        del self.books.records["invoice", record]
        heard = self.clock.now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        event = Event(
            "acme-eu", "invoice", record, DELETED, Version.deletion(heard),
            "webhook", heard, f"call-{len(self.events)}", {"invoice_id": record},
        )  # fmt: skip
        self.events.append(event)
        self.pool.append(event)

    def arrive(self, event: Event) -> None:
        for name in self.vendors:
            each = Delivery(event, name)
            self.queue.put(each.to_json(), each.lane, each.id)

    # --- workers

    def work(self, choice: int, at: Callable[[int, str], None] = lambda number, name: None) -> Held | None:
        """One invocation: a message received and worked on, deleted if it is done."""
        held = self.queue.receive(choice)
        if held is None:
            return None
        points = Points(at)
        courier: Courier = points.courier(self._courier())
        lanes = Lanes(courier, points.wrap("queue", self.queue), points.wrap("clock", self.clock), self._faulted)
        delivery, handle = Delivery.from_json(held.body), held.handle
        assert held.first_received is not None
        message = Message(delivery, held.id, held.group, held.receives, held.first_received, handle)
        try:
            lanes.work(message)
        except Crash:
            return held
        except RetryLater:
            return held
        self.queue.delete(handle)
        return held

    def _faulted(self, error: Exception) -> None:
        self.faults.append(f"a fault of ours: {error!r}")
        raise error

    def _courier(self) -> Courier:
        return Courier(
            connections=self.connections,
            destinations=_Registry(self.vendors),
            deliveries=self.deliveries,
            parked=self.parked,
            books=self.books,
            clock=self.clock,
            lease=LEASE,
            owner=f"worker-{next(self.workers)}",
            jitter=_jitter,
        )

    # --- people

    def look_after(self, body: str) -> None:
        """A person takes a parked delivery, whatever else is under way: looks, if the row is an open question, and
        sends it again, or leaves it be because it is there.
        """
        kept = unwrap(body)
        delivery = kept.delivery
        assert delivery is not None
        self.parked.held.remove(body)
        vendor = self.vendors[delivery.destination]
        row = self.deliveries.of(delivery)
        if not vendor.keys and row.state == "unknown" and row.request and vendor.there(row.request):
            self.left.add(delivery.id)
            return
        sent = again(delivery, kept.why.asked)
        self.queue.put(sent.to_json(), sent.lane, f"replay-{len(self.queue.recent)}")


@dataclass
class _Registry:
    vendors: dict[str, Vendor]

    def destination(self, connection: Connection, name: str) -> Destination:
        return self.vendors[name]


def _before(part: tuple[Version, int], other: tuple[Version, int]) -> bool:
    """Whether a part should have been told before the other one. Two deletions are one: the last version."""
    (version, number), (newer, least) = part, other
    if version.deletes or newer.deletes:
        return newer.deletes and (not version.deletes or number < least)
    return number < least if version == newer else version.older_than(newer)


def _jitter(attempts: int, asked: float | None, policy: Policy) -> int:
    return max(1, round(asked or 0), min(1 << attempts, 600))


@dataclass
class Place:
    """The destination, in a coat that lets tests stop a worker before and after each of its calls."""

    real: Destination

    @property
    def covered(self) -> bool:
        return self.real.covered

    def plan(self, event: Event, record: Record, memory: Memory) -> Request:
        return self.real.plan(event, record, memory)

    def send(self, request: Request) -> Receipt:
        return self.real.send(request)

    def settle(self, request: Request, memory: Memory) -> Receipt | None:
        return self.real.settle(request, memory)


@dataclass
class Only:
    """A registry with one place."""

    place: Destination

    def destination(self, connection: Connection, name: str) -> Destination:
        return self.place
