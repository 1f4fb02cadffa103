"""What the use cases need from the world. Adapters are in aws/, vendors/ and destinations/; tests have their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from ml_connector.connections import Connection, Endpoint
from ml_connector.events import Delivery, Event, Version
from ml_connector.records import Record


class Clock(Protocol):
    def __call__(self) -> datetime:
        """Now, in UTC."""
        ...


# --- destinations ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Request:
    """One exact call to a vendor, ready to be stored, shown and repeated byte for byte. It holds no credentials.

    `operation` is `create` or `update`; only a create can leave a second item or message behind.
    """

    operation: str
    method: str
    url: str
    body: Mapping[str, Any]
    idempotency_key: str = ""
    target: str = ""
    """The channel or board that it goes to."""
    about: str = ""
    """What people call it, e.g. `Invoice INV-000412`."""
    shows: Mapping[str, str] = field(default_factory=dict)
    """What the row is to say of the record once this is there: Memory's `amount`, `currency`, `date` and `shown`."""
    more: bool = False
    """Another request of the same version follows when this one is done."""
    look: bool = False
    """Of a create: there may be one already, from before the row; `send` looks first."""
    within: bool = False
    """It makes something within the message or item that stands for the record, as a reply in its thread: the audit
    entry names it, the row goes on naming the other. Its idempotency key, if it has one, is of its content."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the destination answered. `outcome` is `created`, `updated` or `accepted` (no proof of the effect)."""

    outcome: str
    external_id: str = ""
    thread_id: str = ""
    link: str = ""
    status: int = 0
    request_id: str = ""
    replayed: bool = False
    """The vendor repeated its first answer: the item holds the first attempt's values."""
    note: str = ""
    """What a person should know of it: goes into the audit trail as the reason."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What we remember of one record at one destination: a row of the delivery table.

    States: `new` (no row yet), `sending` (claimed; a call may be under way), `done`, `waiting` (to be tried again),
    `unknown` (may have happened), `parked`. `rev` counts writes: every write names the one it has read.
    """

    state: str = "new"
    version: Version | None = None
    """The newest version applied at the destination."""
    pending: Version | None = None
    step: int = 0
    """How many requests of the pending version are done; the next one is planned by it."""
    doubt: Version | None = None
    """The newest version that an update without an answer may have put there."""
    external_id: str = ""
    thread_id: str = ""
    target: str = ""
    """The channel or board that holds it: a destination may be given another one."""
    link: str = ""
    generation: int = 0
    """Part of a create's idempotency key. It grows whenever a question whether one happened is settled: its name."""
    request: Request | None = None
    """The exact request of the attempt under way."""
    attempts: int = 0
    first_attempt_at: str = ""
    looked_at: str = ""
    """When an unanswered create was looked for and not found; a second look follows, because indexes lag."""
    lease_until: str = ""
    """Of a claim; while it is waiting, until when an unanswered call may still be under way."""
    owner: str = ""
    """Who holds the lease: a name that the logs know."""
    chain: str = ""
    """Hash of the newest audit entry."""
    number: str = ""
    """The document's number, as people know it."""
    amount: str = ""
    """What the version applied says, as `1284.50`; "" if not known. These three are for the completeness report."""
    currency: str = ""
    date: str = ""
    """The document's own, as YYYY-MM-DD."""
    shown: str = ""
    """What else the version applied says, for telling what changes next (changes.py)."""
    gathered: str = ""
    """The digest that is to tell of the pending version, by its record id; "" if none is (digests.py)."""
    again: str = ""
    """The last asking for what is there that was done (Delivery.again)."""
    rev: int = 0
    links: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Where the record is at its other destinations, as far as their rows know. Read with the row, not kept in it."""


class Destination(Protocol):
    """A place that events go to. One module per kind in destinations/."""

    @property
    def covered(self) -> bool:
        """Whether all that it shows of a record is in the record's fingerprint: another version with the same one
        changes nothing there, and needs no call.
        """
        ...

    def plan(self, event: Event, record: Record, memory: Memory) -> Request:
        """The request that brings the destination to this state of the record. Pure: no call is made.

        With `more` in it, `plan` is called again when it is done, with the memory of then: its `step`, and the ids of
        what was made. The row still says what the version before showed. Any step may be asked for again.

        Raises NothingThere for a deletion when the destination has nothing of the record, or for what it cannot hold.
        """
        ...

    def send(self, request: Request) -> Receipt:
        """Makes the call. Raises RetryLater, Unknown or Undeliverable; NothingThere as `plan` does."""
        ...

    def settle(self, request: Request, memory: Memory) -> Receipt | None:
        """Looks whether an unanswered create happened: its receipt, or None if no trace of it is found.

        It may have been for another place, if the connection's file has changed since: then it is not here.
        Raises RetryLater when it is too early to tell and CannotTell when the destination cannot be asked.
        """
        ...


class CannotTell(Exception):
    """The destination offers no way to find out whether a call happened."""


class NothingThere(Exception):
    """There is nothing to do: a record was deleted that the destination has nothing of, or as the message says."""


class Destinations(Protocol):
    def destination(self, connection: Connection, name: str) -> Destination:
        """Raises Undeliverable if the connection has no destination of that name."""
        ...


# --- state -----------------------------------------------------------------------------------------------------


class Connections(Protocol):
    def connection(self, name: str) -> Connection | None: ...

    def endpoint(self, token_hash: str) -> Endpoint | None: ...


class WebhookSecrets(Protocol):
    def secrets(self, endpoint: Endpoint, *, fresh: bool = False) -> Sequence[str]:
        """The one or two live secrets of an endpoint. `fresh` looks again if what is cached is not quite new."""
        ...


class Queue(Protocol):
    def send(self, deliveries: Sequence[Delivery]) -> None:
        """Raises NotQueued unless every delivery was taken."""
        ...


class ParkedQueue(Protocol):
    def park(self, body: str, *, key: str, reason: str) -> None:
        """Keeps `body` (parked.py); the same `key` and reason within five minutes once."""
        ...


@dataclass(frozen=True, slots=True)
class Shelved:
    """A delivery that waits on the shelf of a digest. `facts` are what the digest says of its record (digests.py);
    `shows` what the row is to say of it once it was told. The delivery is without its payload.
    """

    digest: str
    delivery: Delivery
    facts: Mapping[str, str]
    shows: Mapping[str, str]

    @property
    def key(self) -> str:
        event = self.delivery.event
        return f"{event.module}#{event.record_id}#{event.version}"


class Conflict(Exception):
    """The row has changed since it was read."""


class Deliveries(Protocol):
    """The delivery table. Every write is conditional on `memory.rev` and raises Conflict otherwise."""

    def read(self, record_key: str, destination: str) -> Memory: ...

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
        """Stores `memory` over its own `rev` and gives it back with a new one.

        With it, all or nothing: `entry`; what is `put` onto a digest's shelf, or `taken` off it.
        """
        ...

    def of_record(self, record_key: str) -> Mapping[str, Memory]: ...


class Known(Protocol):
    """The newest version of each record that was routed, with its status: what changes of status are told by."""

    def seen(self, record_key: str) -> tuple[Version, str] | None: ...

    def learn(self, record_key: str, version: Version, status: str) -> None:
        """Keeps it unless a newer version is known."""
        ...


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line of the trail. `outcome` is one of audit.Outcome."""

    at: str
    connection: str
    module: str
    record_id: str
    number: str
    event: str
    version: str
    origin: str
    destination: str
    outcome: str
    attempt: int
    correlation_id: str
    operation: str = ""
    external_id: str = ""
    link: str = ""
    status: int = 0
    request_id: str = ""
    duration_ms: int = 0
    reason: str = ""
    by: str = ""
    """Who did it, where it was a person: `Anna Müller (8ea0e38b-…)`. Of an entry that tells of what somebody did at the
    destination, `version` is `<when>~<id there>`, and its time is that of the writing."""
    delivery: str = ""
    previous: str = ""
    """Hash of the entry before this one, of the same record and destination."""
    hash: str = ""


# --- vendors ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Issued:
    """A new access token and its lifetime in seconds. `keep` is stored beside it, such as the next refresh token."""

    access_token: str
    lifetime: int
    keep: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Grant:
    """What a person's consent gives. `scopes` is empty where the vendor does not repeat them (zoho-books 4.3)."""

    issued: Issued
    refresh_token: str
    api_domain: str = ""
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Organization:
    """A Zoho Books organization that an access token can see (zoho-books 6.1). `time_zone` as America/New_York."""

    id: str
    name: str
    time_zone: str = ""
    currency: str = ""
    plan: str = ""
    active: bool = True


class AccessTokens(Protocol):
    def access_token(self, connection: str, kind: str, *, rejected: str = "") -> str:
        """A live token of `kind`; another one than `rejected`.

        Kinds are `zoho`, `microsoft.bot`, `microsoft.graph`, `microsoft.delegated` and `monday`.
        """
        ...


class Books(Protocol):
    """Zoho Books of one connection."""

    def fetch(self, connection: Connection, module: str, record_id: str) -> Mapping[str, Any]:
        """The full record. Raises Missing if there is none (any more), RetryLater or Undeliverable."""
        ...
