"""When a new message is gathered for a digest instead of being posted, and until when (docs/adr/0013-digests.md).

Two reasons, each with its slot of time: quiet hours, known before anything is done; and a channel that has had its new
messages of the last minute, which the shared limits tell (limits.Crowded). All that is gathered in a slot of a
destination is told together when the slot has ended.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cache
from typing import Any, NamedTuple

from ml_connector.connections import Connection
from ml_connector.events import Delivery, Event, Version
from ml_connector.records import Record
from ml_connector.times import exact_stamp, stamp

MODULE = "digest"
"""What the events of digests are about, in place of a Zoho module."""
ABOVE = 15
"""New messages of a channel within a minute above which they are gathered, unless the file says otherwise."""
BUSY, QUIET, DAILY = "busy", "quiet", "daily"
GRACE = timedelta(seconds=5)
"""From a slot's end to its digest: instances' clocks differ by less, so that none still gathers when it is made."""
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_STAMP = "%Y%m%dT%H%MZ"
_MINUTE = timedelta(minutes=1)
_TEXT = 100
_DAY = timedelta(days=1)
_AROUND = 9
"""Days before and after that are looked at: at most six of a week are off, so none is longer than a week."""


class Slot(NamedTuple):
    """A time in which messages are gathered. Times are UTC; `ends` is the first moment after it."""

    kind: str
    begins: datetime
    ends: datetime

    @property
    def due(self) -> datetime:
        """When its digest is made."""
        return self.ends + GRACE

    def digest(self, destination: str) -> str:
        """What the digest of this slot is called: the id of its record."""
        return f"{destination}.{self.kind}-{self.begins:{_STAMP}}"


def posts_cards(settings: Mapping[str, Any]) -> bool:
    """Whether a destination posts cards to a channel: nothing else has digests."""
    transport = settings.get("transport")
    return transport in ("bot", "workflows", "delegated") and not settings.get("person")


def above(settings: Mapping[str, Any]) -> int:
    """How many new messages a minute a destination's channel may have; 0 for any number."""
    if not posts_cards(settings):
        return 0
    number: int = settings.get("digest", {}).get("above", ABOVE)
    return number


def busy(now: datetime) -> Slot:
    """The slot of what comes while a channel is crowded: the minute that it is."""
    begins = now.astimezone(UTC).replace(second=0, microsecond=0)
    return Slot(BUSY, begins, begins + _MINUTE)


def quiet(connection: Connection, destination: str, now: datetime) -> Slot | None:
    """The quiet hours that it is at a destination, as long as they last without a break; None if it is not quiet."""
    settings = connection.destinations[destination]
    hours = settings.get("digest", {}).get("quiet")
    if not hours or not posts_cards(settings):
        return None
    zone = zone_of(connection.time_zone)
    begins = ends = None
    # In order of their beginnings: those that touch are one.
    for since, until in _stretches(hours, zone, now.astimezone(zone).date()):
        if ends is not None and since <= ends:
            ends = max(ends, until)
        elif ends is not None and now < ends:
            break
        else:
            begins, ends = since, until
    if begins is None or ends is None or not begins <= now < ends:
        return None
    return Slot(QUIET, begins, ends)


def _stretches(hours: Mapping[str, Any], zone: tzinfo, today: date) -> Iterator[tuple[datetime, datetime]]:
    """Quiet stretches around a day, as moments: what the clocks do in between is in them."""
    found = []
    for day in (today + each * _DAY for each in range(-_AROUND, _AROUND + 1)):
        if hours.get("from"):
            since, until = time.fromisoformat(hours["from"]), time.fromisoformat(hours["to"])
            found.append((_moment(day, since, zone), _moment(day + _DAY if until <= since else day, until, zone)))
        if DAYS[day.weekday()] in hours.get("days", ()):
            found.append((_moment(day, time(), zone), _moment(day + _DAY, time(), zone)))
    # A stretch that the clocks jump over is none.
    yield from sorted((since, until) for since, until in found if since < until)


def _moment(day: date, at: time, zone: tzinfo) -> datetime:
    """A time of the day that comes twice is the first of both; one that does not come, when it would have been."""
    return datetime.combine(day, at, zone).astimezone(UTC)


def zone_of(name: str) -> tzinfo:
    """The time zone of this name."""
    if name == "UTC":
        return UTC
    # Imported at first use: it costs 4 ms of a cold start.
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(name)
    except ZoneInfoNotFoundError:
        _unknown(name)
        return UTC


@cache
def _unknown(name: str) -> None:
    """Said once by each instance. `mlc` has checked the name; Lambda's runtime may have an older database, or none."""
    logging.getLogger(__name__).warning("time zone %s is not known here: days and quiet hours are UTC's", name)


def over(connection: Connection | None, destination: str, digest: str, now: datetime) -> bool:
    """Whether the slot of this digest has ended."""
    if kind_of(digest) == BUSY:
        return begun(digest) + _MINUTE <= now
    slot = quiet(connection, destination, now) if connection else None
    return slot is None or slot.digest(destination) != digest


def flush(event: Event, destination: str, digest: str, due: datetime) -> Delivery:
    """The message by which a digest is made when it is due. It has a group of its own and holds up nobody."""
    begins, due_at = begun(digest), exact_stamp(due)
    about = Event(
        connection=event.connection,
        module=MODULE,
        record_id=digest,
        action="posted",
        version=Version(stamp(begins), MODULE),
        origin=MODULE,
        received_at=due_at,
        correlation_id=event.correlation_id,
        payload=None,
    )
    return Delivery(about, destination, not_before=due_at, since=due_at, alone=True)


def facts(record: Record) -> dict[str, str]:
    """What a digest says of a record, as text; what is not known is left out. `base` is in the organization's currency.

    Names are cut as far as no card shows more of them.
    """
    found = {
        "number": record.number[:_TEXT],
        "party": record.party[:_TEXT],
        "currency": record.currency[:_TEXT],
        "amount": "" if record.amount is None else format(record.amount, "f"),
        "base": "" if record.base_amount is None else format(record.base_amount, "f"),
    }
    return {name: text for name, text in found.items() if text}


def kind_of(digest: str) -> str:
    """Of a digest's id: BUSY, QUIET or DAILY."""
    return digest.partition(".")[2].partition("-")[0]


def begun(digest: str) -> datetime:
    """When the slot of a digest with this id began."""
    return datetime.strptime(digest.rpartition("-")[2], _STAMP).replace(tzinfo=UTC)
