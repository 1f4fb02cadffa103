"""Audit entries: what fits into 1 kB, and the chain that shows when one was changed or removed.

Each record at a destination has a chain of its own: an entry holds the hash of the one before it, and the row of the
delivery table holds the last hash. Entry and row are written in one transaction, so neither is ever without the other.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from enum import StrEnum
from typing import Any

from ml_connector.events import Delivery
from ml_connector.ports import AuditEntry, Memory

MAX_ITEM = 1000
"""Bytes of an entry in the table, indexes' keys included: more than 1 kB would cost another write."""
LENGTHS = {"number": 60, "external_id": 60, "by": 120, "request_id": 75}
"""Bytes of texts that come from outside; the reason takes the room that is left. A request of Graph's has two Guids."""
SETTLED = ("delivered", "accepted", "skipped", "acknowledged", "changed")
_KEYS = 60
"""Bytes that the table's keys take beyond the fields in them, the connection's name in two indexes apart."""


class Outcome(StrEnum):
    """How an attempt ended, or what a person did: there (`acknowledged`, `changed`) or here (`resent`, `dropped`)."""

    DELIVERED = "delivered"
    ACCEPTED = "accepted"
    SKIPPED = "skipped"
    GATHERED = "gathered"
    ACKNOWLEDGED = "acknowledged"
    CHANGED = "changed"
    RETRY = "retry"
    UNKNOWN = "unknown"
    PARKED = "parked"
    RESENT = "resent"
    DROPPED = "dropped"


def entry_of(delivery: Delivery, memory: Memory, at: str, outcome: str) -> AuditEntry:
    """What a delivery and its row say by themselves; the caller adds what has come of it."""
    event = delivery.event
    return AuditEntry(
        at=at,
        connection=event.connection,
        module=event.module,
        record_id=event.record_id,
        number=memory.number,
        event=event.entry_name,
        version=str(event.version),
        origin=event.origin,
        destination=delivery.destination,
        outcome=outcome,
        attempt=memory.attempts,
        correlation_id=event.correlation_id,
        external_id=memory.external_id,
        link=memory.link,
        delivery=delivery.id,
    )


def closed(entry: AuditEntry, previous: str) -> AuditEntry:
    """The entry as it is stored: cut to what fits, and in its place in the chain."""
    return seal(fit(entry), previous)


def fit(entry: AuditEntry) -> AuditEntry:
    """The entry cut to what is stored of it."""
    texts: dict[str, Any] = {name: _cut(getattr(entry, name), length) for name, length in LENGTHS.items()}
    # An entry that needs a person keeps its room for the reason; the link stands in the delivered one.
    link = entry.link if entry.outcome in SETTLED else ""
    bare = replace(entry, reason="", link=link, previous="0" * 32, hash="0" * 32, **texts)
    # What is empty is not stored; the reason's own name is.
    held = {each.name: str(getattr(bare, each.name)) for each in fields(bare)} | {"reason": " "}
    size = sum(len(name) + len(value.encode()) for name, value in held.items() if value)
    room = MAX_ITEM - _KEYS - size - 2 * len(entry.connection)
    return replace(bare, previous="", hash="", reason=_cut(entry.reason, max(0, room)))


def seal(entry: AuditEntry, previous: str) -> AuditEntry:
    """The entry with its place in the chain: the hash before it ("" for the first) and its own."""
    entry = replace(entry, previous=previous, hash="")
    return replace(entry, hash=_hash(entry))


def verify(entries: Iterable[AuditEntry], heads: Mapping[str, str], kept_since: str = "") -> list[str]:
    """What is wrong with a record's trail; an empty list if nothing is.

    `heads` holds the last hash by destination. Entries expire, not in order: those of the day `kept_since`
    (`YYYY-MM-DD`, UTC) and before may be missing. A hash begins with its entry's day, so that this can be told.
    """
    faults: list[str] = []
    by_destination: dict[str, list[AuditEntry]] = {}
    for entry in entries:
        by_destination.setdefault(entry.destination, []).append(entry)
    for destination in sorted({*by_destination, *heads}):
        faults += _chain(destination, by_destination.get(destination, []), heads.get(destination, ""), kept_since)
    return faults


def _chain(destination: str, entries: Sequence[AuditEntry], head: str, kept_since: str) -> list[str]:
    faults = [
        f"{destination}: the entry of {entry.at} was changed"
        for entry in entries
        if _hash(replace(entry, hash="")) != entry.hash
    ]
    by_hash = {entry.hash: entry for entry in entries}
    reached: set[str] = set()
    place = head
    while place in by_hash and place not in reached:
        reached.add(place)
        place = by_hash[place].previous
    if place[:8] <= kept_since.replace("-", ""):
        place = ""
    if place and entries:
        faults.append(
            f"{destination}: entries before {min(e.at for e in entries)} are missing or one between was removed"
        )
    elif place:
        faults.append(f"{destination}: all entries are missing")
    faults += [
        f"{destination}: the entry of {entry.at} does not belong to the chain"
        for entry in entries
        if entry.hash not in reached and not place and entry.at[:10] > kept_since
    ]
    return faults


def _hash(entry: AuditEntry) -> str:
    content = {each.name: getattr(entry, each.name) for each in fields(entry) if getattr(entry, each.name)}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    return f"{entry.at[:10].replace('-', '')}{digest[:24]}"


def _cut(text: str, size: int) -> str:
    """At most `size` bytes of UTF-8, whole characters."""
    return text.encode(errors="replace")[:size].decode(errors="ignore")
