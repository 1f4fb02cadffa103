"""In-memory fakes of our own ports, and a wire that answers by script. No test patches somebody else's library."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse

from ml_connector.audit import verify
from ml_connector.connections import Connection, Endpoint
from ml_connector.delivery import Courier
from ml_connector.destinations import Toolbox
from ml_connector.errors import Gone, Missing, NotQueued, RetryLater, Undeliverable
from ml_connector.events import DELETED, Delivery, Event, Version
from ml_connector.gaps import Page
from ml_connector.limits import Quota
from ml_connector.links import Link, Outcome
from ml_connector.modules import MODULES
from ml_connector.parked import unwrap
from ml_connector.ports import (
    AuditEntry,
    CannotTell,
    Conflict,
    Destination,
    Issued,
    Memory,
    NothingThere,
    Receipt,
    Request,
    Shelved,
)
from ml_connector.records import Record, deleted, read
from ml_connector.tokens import Due
from ml_connector.vendors.http import Http

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
ORGANIZATION = "20081234567"
TENANT = "11111111-2222-4333-8444-555555555555"
TEAM = "99999999-8888-4777-8666-555555555555"
CHANNEL = "19:financechannel@thread.tacv2"
SECRET_URL = "https://prod-07.westeurope.logic.azure.com:443/workflows/1/triggers/manual/paths/invoke?sig=sEcReTsIg"
SECRETS = ("token-sEcReT", "sEcReTsIg")
"""What must never stand in an error, a request, a log line or an audit entry."""
STORED: Mapping[str, Mapping[str, str]] = {
    "monday": {"token": "monday-token-sEcReT"},
    "workflows": {"purchasing": SECRET_URL},
}
"""Credentials that are set by hand, by purpose."""


class Clock:
    """Stands still until it is moved."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def monotonic(self) -> float:
        return self.now.timestamp()


# --- what the product speaks of ----------------------------------------------------------------------------------

_COLUMNS = {
    "zb_number": ("number", "text"),
    "zb_party": ("party", "text"),
    "zb_status": ("status", "status"),
    "zb_date": ("date", "date"),
    "zb_due": ("due", "date"),
    "zb_total": ("amount", "numbers"),
    "zb_balance": ("balance", "numbers"),
    "zb_currency": ("currency", "dropdown"),
    "zb_rate": ("exchange_rate", "numbers"),
    "zb_total_base": ("base_amount", "numbers"),
    "zb_link": ("link", "link"),
    "zb_lines": ("lines_text", "long_text"),
    "zb_synced": ("modified_at", "date"),
}


def monday_settings(**changes: Any) -> dict[str, Any]:
    return {
        "type": "monday",
        "board_id": 1234567890,
        "group": "",
        "external_id_column": "zb_doc_id",
        "create_labels": False,
        "columns": {name: {"from": source, "type": kind} for name, (source, kind) in _COLUMNS.items()},
        **changes,
    }


def connection(name: str = "acme-eu", **changes: Any) -> Connection:
    """A connection with a bot channel, a workflow channel, a board and notes; everything goes to the board."""
    data = {
        "connection": name,
        "version": 1,
        "applied_at": "2026-11-01T00:00:00Z",
        "locale": "en",
        "time_zone": "UTC",
        "zoho": {"region": "eu", "organization_id": ORGANIZATION, "modules": list(MODULES)},
        "microsoft": {"tenant_id": TENANT, "client_id": "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"},
        "destinations": {
            "finance": {"type": "teams", "transport": "bot", "team_id": TEAM, "channel_id": CHANNEL},
            "purchasing": {"type": "teams", "transport": "workflows"},
            "ledger": monday_settings(),
            "notes": {"type": "zoho_comment"},
        },
        "routing": "all",
        "routes": [{"events": ["*"], "when": {}, "to": ["ledger"]}],
        "retry": {"unknown": "park"},
    }
    return Connection.from_data({**data, **changes})


def without_boards(**changes: Any) -> Connection:
    """A connection that tells its channel alone."""
    made = connection(routes=[{"events": ["*"], "when": {}, "to": ["finance"]}], **changes)
    return replace(made, destinations={"finance": made.destinations["finance"]})


def payload(module: str = "invoice", modified: str = "2026-11-22T08:50:00+0100", **changes: Any) -> dict[str, Any]:
    """A record as Zoho sends it (contracts: zoho-books 6.5)."""
    shape = MODULES[module]
    return {
        shape.id_field: "460000000098765",
        shape.number_field: "INV-000412",
        shape.party[0]: "Harbour Lane Bakery",
        "date": "2026-11-20",
        "due_date": "2026-12-05",
        "currency_code": "EUR",
        "exchange_rate": 1,
        "status": "sent",
        shape.amount: "1284.50",
        "balance": "1284.50",
        "line_items": [{"line_item_id": "1", "name": "Display case", "quantity": 1, "item_total": "1284.50"}],
        "created_time": "2026-11-20T09:00:00+0100",
        "last_modified_time": modified,
        **changes,
    }


def delivery(
    destination: str = "ledger",
    *,
    module: str = "invoice",
    action: str = "created",
    origin: str = "webhook",
    thin: bool = False,
    **changes: Any,
) -> Delivery:
    """One event about one record; `changes` go into its payload. Of a deleted one Zoho gives the id alone."""
    content = payload(module, **changes)
    deletes = action == DELETED
    if deletes:
        content = {MODULES[module].id_field: content[MODULES[module].id_field], **changes}
    record = (deleted if deletes else read)(module, content)
    event = Event(
        connection="acme-eu",
        module=module,
        record_id=record.id,
        action=action,
        version=Version.deletion("2026-11-22T08:00:00.000000Z") if deletes else record.version,
        origin=origin,
        received_at="2026-11-22T08:00:00.000000Z",
        correlation_id="call-1",
        payload=None if thin else content,
    )
    return Delivery(event, destination)


def record_of(each: Delivery) -> Record:
    assert each.event.payload is not None
    return (deleted if each.event.action == DELETED else read)(each.event.module, each.event.payload)


# --- state -------------------------------------------------------------------------------------------------------


@dataclass
class Connections:
    held: dict[str, Connection] = field(default_factory=lambda: {"acme-eu": connection()})
    endpoints: dict[str, Endpoint] = field(default_factory=dict)

    def connection(self, name: str) -> Connection | None:
        return self.held.get(name)

    def endpoint(self, token_hash: str) -> Endpoint | None:
        return self.endpoints.get(token_hash)


@dataclass
class Audit:
    entries: list[AuditEntry] = field(default_factory=list)

    @property
    def outcomes(self) -> list[str]:
        return [entry.outcome for entry in self.entries]


@dataclass
class Shelf:
    """What waits for digests, by connection and digest."""

    held: dict[tuple[str, str], dict[str, Shelved]] = field(default_factory=dict)

    def read(self, connection: str, digest: str) -> list[Shelved]:
        return [each for _, each in sorted(self.held.get((connection, digest), {}).items())]

    def put(self, shelved: Shelved) -> None:
        # As it is stored: a delivery comes back from its text.
        stored = replace(shelved, delivery=Delivery.from_json(shelved.delivery.to_json()))
        self.held.setdefault((shelved.delivery.event.connection, shelved.digest), {})[shelved.key] = stored

    def drop(self, shelved: Shelved) -> None:
        self.held.get((shelved.delivery.event.connection, shelved.digest), {}).pop(shelved.key, None)


@dataclass
class Deliveries:
    """The delivery table: a write that does not name the revision in the row is a Conflict; row and entry, or neither.

    Each row that was ever written is in `history`, the newest last.
    """

    rows: dict[tuple[str, str], Memory] = field(default_factory=dict)
    audit: Audit = field(default_factory=Audit)
    history: list[Memory] = field(default_factory=list)
    shelf: Shelf = field(default_factory=Shelf)

    def read(self, record_key: str, destination: str) -> Memory:
        others = {name: row.link for (key, name), row in self.rows.items() if key == record_key and name != destination}
        links = {name: link for name, link in others.items() if link}
        return replace(self.rows.get((record_key, destination), Memory()), links=links)

    def write(
        self,
        record_key: str,
        destination: str,
        memory: Memory,
        entry: AuditEntry | None = None,
        *,
        put: Shelved | None = None,
        taken: Shelved | None = None,
    ) -> Memory:
        if memory.rev != self.read(record_key, destination).rev:
            raise Conflict
        after = replace(memory, rev=memory.rev + 1)
        if entry and entry.number and entry.outcome != "skipped":
            after = replace(after, number=entry.number)
        self.rows[record_key, destination] = after
        self.history.append(after)
        if entry:
            self.audit.entries.append(entry)
        if put:
            self.shelf.put(put)
        if taken:
            self.shelf.drop(taken)
        return after

    def of_record(self, record_key: str) -> Mapping[str, Memory]:
        return {destination: memory for (key, destination), memory in self.rows.items() if key == record_key}

    def of(self, each: Delivery) -> Memory:
        return self.read(each.event.record_key, each.destination)

    def faults(self) -> list[str]:
        """What `audit.verify` finds wrong with the trails of all records."""
        found: list[str] = []
        for key in sorted({key for key, _ in self.rows}):
            entries = [e for e in self.audit.entries if f"{e.connection}#{e.module}#{e.record_id}" == key]
            found += verify(entries, {name: memory.chain for name, memory in self.of_record(key).items()})
        return found


@dataclass
class Known:
    """What is known of records' statuses; `asked` lists what was looked up, `learnt` what was kept."""

    rows: dict[str, tuple[Version, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    learnt: list[str] = field(default_factory=list)

    def seen(self, record_key: str) -> tuple[Version, str] | None:
        self.asked.append(record_key)
        return self.rows.get(record_key)

    def learn(self, record_key: str, version: Version, status: str) -> None:
        before = self.rows.get(record_key)
        if not (before and version.older_than(before[0])):
            self.rows[record_key] = (version, status)
            self.learnt.append(status)


@dataclass
class Queue:
    sent: list[Delivery] = field(default_factory=list)
    refuses: bool = False
    postponed: list[tuple[str, int]] = field(default_factory=list)
    moved: list[tuple[Delivery, str]] = field(default_factory=list)

    def send(self, deliveries: Sequence[Delivery]) -> None:
        if self.refuses:
            raise NotQueued("SQS refused 1 of 1 messages")
        self.sent.extend(deliveries)

    def move(self, delivery: Delivery, key: str) -> None:
        self.moved.append((delivery, key))

    def postpone(self, receipt_handle: str, seconds: int) -> None:
        self.postponed.append((receipt_handle, seconds))


@dataclass
class Parked:
    """Keeps a message of the same key and reason once, as the real queue does for five minutes; as it was."""

    kept: dict[tuple[str, str], str] = field(default_factory=dict)
    asked: list[int | None] = field(default_factory=list)
    """With each, the question that a person is asked."""

    def park(self, body: str, *, key: str, reason: str) -> None:
        self.kept[key, reason] = unwrap(body).text
        self.asked.append(unwrap(body).why.asked)

    @property
    def reasons(self) -> list[str]:
        return [reason for _, reason in self.kept]


@dataclass
class Books:
    """Zoho Books: `records` by (module, id), `rows` per module as its list would give them, `size` to a page.

    `asked` lists the pages that were read, by module and number; every call counts in `calls`.
    """

    records: dict[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    rows: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    broken: dict[str, Exception] = field(default_factory=dict)
    asked: list[tuple[str, int]] = field(default_factory=list)
    size: int = 200
    calls: int = 0
    allowed: int = 0
    day: Quota | None = None

    def fetch(self, connection: Connection, module: str, record_id: str) -> Mapping[str, Any]:
        self.calls += 1
        if module in self.broken:
            raise self.broken[module]
        if (module, record_id) not in self.records:
            raise Missing(f"Zoho Books, {module}: the record does not exist (any more)", 404)
        return self.records[module, record_id]

    def page(self, connection: Connection, module: str, number: int, status: str = "") -> Page:
        self.calls += 1
        self.asked.append((module, number))
        if module in self.broken:
            raise self.broken[module]
        rows = [row for row in self.rows.get(module, []) if status in ("", row.get("status"))]
        return Page(rows[(number - 1) * self.size : number * self.size], len(rows) > number * self.size)

    def allow(self, connection: Connection, calls: int) -> None:
        self.allowed = calls

    def quota(self, connection: Connection) -> Quota | None:
        return self.day

    def made(self, connection: Connection) -> int:
        return self.calls


# --- secrets and tokens ------------------------------------------------------------------------------------------


@dataclass
class Secrets:
    """One store; every function's process has a `view` of its own with a cache, as in Lambda.

    `lagging`: what is read in place of what was stored last, as Secrets Manager may for a while.
    """

    stored: dict[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    clock: Clock = field(default_factory=Clock)
    cache: dict[tuple[str, str], tuple[float, Mapping[str, Any]]] = field(default_factory=dict)
    puts: int = 0
    lagging: dict[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)

    def get(self, connection: str, purpose: str, *, max_age: float = 300.0) -> Mapping[str, Any]:
        now = self.clock.monotonic()
        if (hit := self.cache.get((connection, purpose))) and now - hit[0] < max_age:
            return hit[1]
        value = self.lagging.get((connection, purpose)) or self.stored.get((connection, purpose))
        if value is None:
            return {}
        self.cache[connection, purpose] = (now, value)
        return value

    def newest(self, connection: str, purpose: str) -> Mapping[str, Any]:
        if (connection, purpose) in self.lagging:
            raise RetryLater(f"the {purpose} credentials of {connection} have just changed", 10)
        return self.get(connection, purpose, max_age=0.0)

    def put(self, connection: str, purpose: str, value: Mapping[str, Any]) -> None:
        self.puts += 1
        self.stored[connection, purpose] = value
        self.cache[connection, purpose] = (self.clock.monotonic(), value)

    def view(self) -> Secrets:
        return Secrets(self.stored, self.clock, lagging=self.lagging)


@dataclass
class AccessTokens:
    """Gives `bot-token-sEcReT`, and after a refusal the same with a number."""

    refused: list[str] = field(default_factory=list)

    def access_token(self, connection: str, kind: str, *, rejected: str = "") -> str:
        if rejected:
            self.refused.append(rejected)
        return f"bot-token-sEcReT{len(self.refused) or ''}"


@dataclass
class Links:
    """Consents under way (links.Links)."""

    begun: dict[str, Link] = field(default_factory=dict)
    spent: set[str] = field(default_factory=set)
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    def begin(self, nonce: str, link: Link, ends: int) -> None:
        self.begun[nonce] = link

    def find(self, nonce: str) -> Link | None:
        return self.begun.get(nonce)

    def spend(self, nonce: str, ends: int) -> bool:
        first = nonce not in self.spent
        self.spent.add(nonce)
        return first

    def settle(self, nonce: str, outcome: Outcome, ends: int) -> None:
        if outcome.state != "declined" or nonce not in self.outcomes:
            self.outcomes[nonce] = outcome

    def outcome(self, nonce: str) -> Outcome | None:
        return self.outcomes.get(nonce)


@dataclass
class Leases:
    taken: set[str] = field(default_factory=set)

    @contextmanager
    def held(self, name: str, seconds: int) -> Iterator[bool]:
        if name in self.taken:
            yield False
            return
        self.taken.add(name)
        try:
            yield True
        finally:
            self.taken.discard(name)


@dataclass
class Agenda:
    dues: dict[tuple[str, str], Due] = field(default_factory=dict)

    def all(self) -> Iterable[Due]:
        return list(self.dues.values())

    def set(self, due: Due) -> None:
        self.dues[due.connection, due.kind] = due


@dataclass
class Issuer:
    """Issues `token-1`, `token-2` … for an hour, or raises what stands in `faults`."""

    lifetime: int = 3600
    faults: list[Exception] = field(default_factory=list)
    issued: int = 0
    meanwhile: Callable[[], None] = lambda: None

    def issue(self, credentials: Mapping[str, Any]) -> Issued:
        self.meanwhile()
        if self.faults:
            raise self.faults.pop(0)
        self.issued += 1
        return Issued(f"token-{self.issued}", self.lifetime)


# --- the wire ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Says:
    """One scripted answer."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def content(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return b"" if self.body is None else json.dumps(self.body).encode()


Step = Says | Exception | Callable[[requests.PreparedRequest], Says]


class Wire(HTTPAdapter):
    """A transport adapter that keeps the calls and answers them by script; the last step goes on answering."""

    def __init__(self, *steps: Step) -> None:
        super().__init__()
        self.steps = list(steps)
        self.calls: list[requests.PreparedRequest] = []
        self.closed = 0

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        self.calls.append(request)
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        if isinstance(step, Exception):
            raise step
        says = step if isinstance(step, Says) else step(request)
        return self.answered(request, says.status, says.headers, BytesIO(says.content))

    def answered(
        self, request: requests.PreparedRequest, status: int, headers: Mapping[str, str], body: Any
    ) -> requests.Response:
        raw = HTTPResponse(body=body, headers=dict(headers), status=status, preload_content=False)
        return self.build_response(request, raw)

    def close(self) -> None:
        self.closed += 1

    def sent(self, index: int = -1) -> Any:
        """The JSON body of a call."""
        body = self.calls[index].body
        assert isinstance(body, bytes)
        return json.loads(body)


def http(wire: HTTPAdapter, allowed: Iterable[str], *, sandbox: str = "", clock: Clock | None = None) -> Http:
    """The product's own Http over a wire of ours: addresses, headers and bodies are built for real."""
    built = Http(frozenset(allowed), sandbox, (clock or Clock()).monotonic)
    built._session.mount("https://", wire)
    built._session.mount("http://", wire)
    return built


def toolbox(wire: HTTPAdapter, clock: Clock | None = None, **secrets: Mapping[str, Any]) -> Toolbox:
    """What destinations are built from, over a wire of ours. `secrets` by purpose."""
    live = clock or Clock()
    stored = {("acme-eu", purpose): value for purpose, value in {**STORED, **secrets}.items()}
    return Toolbox(lambda hosts: http(wire, hosts, clock=live), AccessTokens(), Secrets(stored, live), live)


# --- a model of a vendor -----------------------------------------------------------------------------------------


@dataclass
class ModelVendor:
    """A destination as we wish one to be, with monday's idempotency keys (contracts: monday 6) or, like Teams, none.

    `faults` are raised instead of the next calls; ("after", error) raises once the call has taken effect.
    """

    clock: Clock
    keys: bool = True
    covered: bool = False
    items: dict[str, str] = field(default_factory=dict)
    kept: dict[str, tuple[datetime, str]] = field(default_factory=dict)
    creates: int = 0
    updates: list[tuple[str, str]] = field(default_factory=list)
    faults: list[Exception | tuple[str, Exception]] = field(default_factory=list)
    hidden: bool = False
    requests: list[Request] = field(default_factory=list)
    looks: int = 0

    def plan(self, event: Event, record: Record, memory: Memory) -> Request:
        if event.action == DELETED and not memory.external_id:
            raise NothingThere
        operation = "update" if memory.external_id else "create"
        return Request(
            operation=operation,
            method="POST",
            url="https://vendor.example",
            body={"status": record.status, "version": str(event.version), "item": memory.external_id},
            idempotency_key=f"{record.id}:{memory.generation}" if operation == "create" else "",
            about=record.title,
        )

    def send(self, request: Request) -> Receipt:
        self.requests.append(request)
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, Exception):
            raise fault
        receipt = self._create(request) if request.operation == "create" else self._update(request)
        if fault:
            raise fault[1]
        return receipt

    def _create(self, request: Request) -> Receipt:
        kept = self.kept.get(request.idempotency_key)
        if self.keys and kept and self.clock() - kept[0] < timedelta(minutes=30):
            return Receipt("created", external_id=kept[1], replayed=True)
        self.creates += 1
        identity = f"item-{self.creates}"
        self.items[identity] = request.body["status"]
        self.kept[request.idempotency_key] = (self.clock(), identity)
        return Receipt("created", external_id=identity, thread_id="thread", link="https://vendor.example/1")

    def _update(self, request: Request) -> Receipt:
        identity = request.body["item"]
        if identity not in self.items:
            raise Gone("a person deleted it")
        self.items[identity] = request.body["status"]
        self.updates.append((identity, request.body["version"]))
        return Receipt("updated")

    def settle(self, request: Request, memory: Memory) -> Receipt | None:
        if not self.keys:
            raise CannotTell
        if self.clock() - datetime.fromisoformat(memory.first_attempt_at) < timedelta(minutes=25):
            return self.send(request)
        self.looks += 1
        found = None if self.hidden else next(iter(self.items), None)
        return Receipt("created", external_id=found) if found else None


@dataclass
class PartedVendor(ModelVendor):
    """One whose versions take several requests: the item, then `parts` things within it, as replies in a thread.

    `told` holds them as (item, status, version, number). Without keys they can be looked for, unless it is `blind`.
    """

    parts: int = 2
    told: list[tuple[str, str, str, int]] = field(default_factory=list)
    blind: bool = False

    def plan(self, event: Event, record: Record, memory: Memory) -> Request:
        if not memory.step or not memory.external_id:
            return replace(ModelVendor.plan(self, event, record, memory), more=self.parts > 0)
        version, number = str(event.version), memory.step
        return Request(
            operation="create",
            method="POST",
            url="https://vendor.example/part",
            body={"item": memory.external_id, "status": record.status, "version": version, "number": number},
            idempotency_key=f"{memory.external_id}:{version}:{number}",
            about=record.title,
            more=number < self.parts,
            within=True,
        )

    def _create(self, request: Request) -> Receipt:
        if not request.within:
            return ModelVendor._create(self, request)
        if request.body["item"] not in self.items:
            raise Gone("a person deleted it")
        replayed = self.keys and self._part(request) in self.told
        if not replayed:
            self.told.append(self._part(request))
        identity = f"part-{len(self.told)}"
        return Receipt("created", external_id=identity, link=f"https://vendor.example/{identity}", replayed=replayed)

    def settle(self, request: Request, memory: Memory) -> Receipt | None:
        if not request.within:
            return ModelVendor.settle(self, request, memory)
        if self.keys and self.clock() - datetime.fromisoformat(memory.first_attempt_at) < timedelta(minutes=25):
            return self.send(request)
        if self.blind:
            raise CannotTell
        self.looks += 1
        part = self._part(request)
        return Receipt("created", external_id=f"part-{self.told.index(part) + 1}") if part in self.told else None

    @staticmethod
    def _part(request: Request) -> tuple[str, str, str, int]:
        body = request.body
        return body["item"], body["status"], body["version"], body["number"]


@dataclass
class Desk:
    """A courier with all its fakes, and the queue's part: what must come back does, after its wait."""

    clock: Clock = field(default_factory=Clock)
    connections: Connections = field(default_factory=Connections)
    deliveries: Deliveries = field(default_factory=Deliveries)
    parked: Parked = field(default_factory=Parked)
    books: Books = field(default_factory=Books)
    vendor: Any = None
    lease: timedelta = timedelta(seconds=100)
    owner: str = "worker-1"

    def __post_init__(self) -> None:
        self.vendor = self.vendor or ModelVendor(self.clock)

    @property
    def audit(self) -> Audit:
        return self.deliveries.audit

    def courier(self, wrap: Callable[[Any], Any] = lambda port: port) -> Courier:
        return Courier(
            connections=wrap(self.connections),
            destinations=_Registry(wrap(self.vendor)),
            deliveries=wrap(self.deliveries),
            parked=wrap(self.parked),
            books=wrap(self.books),
            clock=self.clock,
            lease=self.lease,
            owner=self.owner,
            jitter=lambda attempts, asked, policy: max(1, round(asked or 0)),
        )


@dataclass
class _Registry:
    vendor: Any

    def destination(self, connection: Connection, name: str) -> Destination:
        if name not in connection.destinations:
            raise Undeliverable(f"destination {name!r} is not configured (any more)")
        built: Destination = self.vendor
        return built
