"""The language of the product: what happened to which record, and where it must go."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ml_connector.errors import Undeliverable

SCHEMA = 1
LANES = 4
"""Message groups per connection and destination, and so the most deliveries under way there at a time."""
Payload = Mapping[str, Any]
DELETED = "deleted"
"""The action of an event, the status of its record, and in place of a fingerprint its version."""

_TEXTS = (
    "destination", "connection", "module", "record", "action", "version", "origin", "received_at", "correlation_id",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Version:
    """The state of a record: when Zoho last modified it (UTC, second resolution, "" if unknown) and a fingerprint.

    The time orders versions; the fingerprint tells two changes within one second apart, and takes the place of
    the time where a payload carries none (contracts: zoho-books 1.6).
    """

    at: str
    fingerprint: str

    def __str__(self) -> str:
        return f"{self.at}~{self.fingerprint}"

    @classmethod
    def deletion(cls, at: str) -> Version:
        """The last version of a record. `at` is when we heard of it (UTC): Zoho says no more than the id."""
        return cls(at[:19] + "Z" if at else "", DELETED)

    @property
    def deletes(self) -> bool:
        return self.fingerprint == DELETED

    @classmethod
    def parse(cls, text: str) -> Version:
        at, _, fingerprint = text.partition("~")
        return cls(at, fingerprint)

    def older_than(self, other: Version) -> bool:
        """True if both times are known and this one is earlier."""
        return bool(self.at and other.at) and self.at < other.at


@dataclass(frozen=True, slots=True)
class Event:
    """What happened to a record. `payload` is Zoho's record as sent; None means "fetch it" (a thin event)."""

    connection: str
    module: str
    record_id: str
    action: str
    version: Version
    origin: str
    received_at: str
    correlation_id: str
    payload: Payload | None
    status: str = ""
    """The status that the record came into with this version, as in `invoice.paid`; "" if in none (statuses.py)."""

    @property
    def name(self) -> str:
        return f"{self.module}.{self.action}"

    @property
    def names(self) -> tuple[str, ...]:
        """All that routes may call it, the most specific last: `invoice.updated`, `invoice.paid`."""
        return (self.name, f"{self.module}.{self.status}") if self.status else (self.name,)

    @property
    def entry_name(self) -> str:
        """What the audit trail calls it: a new record is new, whatever status it came with; a change, its status."""
        return self.names[-1] if self.action == "updated" else self.name

    @property
    def record_key(self) -> str:
        return f"{self.connection}#{self.module}#{self.record_id}"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one destination: the unit of queueing, retry, idempotency and audit."""

    event: Event
    destination: str
    not_before: str = ""
    """UTC time before which it is not tried; set when it has left its lane (lanes.py)."""
    since: str = ""
    """UTC time of the first attempt of a delivery that has left its lane."""
    tries: int = 0
    """How often it has left its lane."""
    alone: bool = False
    """It stays in its own group: it seems to crash its workers, and would do so in its lane again."""
    asked: int | None = None
    """Set when a person sends it again who was asked about the unanswered create of this generation: it is missing."""
    perhaps: bool = False
    """A condition of its route looks at what the webhook did not say: the fetched record decides."""
    again: str = ""
    """A name of a person's asking for it, even if this version is there: then it is done once for that asking."""
    single: bool = False
    """It was gathered for a digest that too few waited for: it is posted by itself, however busy the channel is."""

    @property
    def key(self) -> str:
        event = self.event
        key = f"{event.record_key}#{event.name}#{event.version}#{self.destination}"
        return f"{key}#{self.again}" if self.again else key

    @property
    def id(self) -> str:
        """A short name of the key for queues and logs: 32 hex digits."""
        return _digest(self.key)

    @property
    def lane(self) -> str:
        """The message group it is queued in: one of LANES per connection and destination. A record keeps its lane."""
        lane = int(_digest(self.event.record_key)[:8], 16) % LANES
        return _digest(f"{self.event.connection}#{self.destination}#lane{lane}")

    @property
    def own_group(self) -> str:
        """The message group that it waits in when it could not be delivered at once: the record at its destination."""
        return _digest(f"{self.event.record_key}#{self.destination}")

    @property
    def group(self) -> str:
        """The message group that it is sent to as it is."""
        return self.own_group if self.not_before else self.lane

    def thin(self) -> Delivery:
        """The same delivery without its payload, for records that pass the queue's message limit."""
        return replace(self, event=replace(self.event, payload=None))

    def to_json(self) -> str:
        event = self.event
        return json.dumps(
            {
                "v": SCHEMA,
                "destination": self.destination,
                "connection": event.connection,
                "module": event.module,
                "record": event.record_id,
                "action": event.action,
                "version": str(event.version),
                "origin": event.origin,
                "received_at": event.received_at,
                "correlation_id": event.correlation_id,
                "payload": event.payload,
                **({"status": event.status} if event.status else {}),
                **({"perhaps": True} if self.perhaps else {}),
                **({"single": True} if self.single else {}),
                **({"again": self.again} if self.again else {}),
                **({"asked": self.asked} if self.asked is not None else {}),
                **({name: getattr(self, name) for name in _WAITING} if self.since else {}),
            },
            separators=(",", ":"),
        )

    @classmethod
    def from_json(cls, text: str) -> Delivery:
        """Raises Undeliverable for a message that this version of the code cannot read."""
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise Undeliverable("the queue message is not JSON") from error
        schema = data.get("v") if isinstance(data, dict) else None
        if schema != SCHEMA:
            raise Undeliverable(f"the queue message has schema {schema!r}; this release reads schema {SCHEMA}")
        wrong = [name for name in _TEXTS if not isinstance(data.get(name), str)]
        if not isinstance(data.get("payload"), dict | None):
            wrong.append("payload")
        wrong += [name for name in ("status", "again") if not isinstance(data.get(name, ""), str)]
        if wrong:
            raise Undeliverable(f"the queue message lacks {', '.join(wrong)}")
        event = Event(
            connection=data["connection"],
            module=data["module"],
            record_id=data["record"],
            action=data["action"],
            version=Version.parse(data["version"]),
            origin=data["origin"],
            received_at=data["received_at"],
            correlation_id=data["correlation_id"],
            payload=data.get("payload"),
            status=data.get("status", ""),
        )
        waiting = {name: data[name] for name in _WAITING if name in data}
        if not all(type(value) is type(_WAITING[name]) for name, value in waiting.items()) or not all(
            _is_time(waiting.get(name, "")) for name in ("not_before", "since")
        ):
            raise Undeliverable("the queue message says unreadably since when and until when it waits")
        asked = data.get("asked")
        if asked is not None and type(asked) is not int:
            raise Undeliverable("the queue message says unreadably which question it answers")
        flags: dict[str, Any] = {name: data.get(name) is True for name in ("perhaps", "single")}
        return cls(event, data["destination"], asked=asked, again=data.get("again", ""), **flags, **waiting)


# What a message says of its waiting, with the values of one that does not.
_WAITING: Mapping[str, Any] = {"not_before": "", "since": "", "tries": 0, "alone": False}


def _is_time(text: str) -> bool:
    try:
        return not text or datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
