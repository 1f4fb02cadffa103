"""What is measured of a delivery, by which vendor, and when secrets end: the numbers behind docs/metrics.md.

Vendors are few and fixed, so that a dimension of theirs stays small; what is none of them is `other`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from fnmatch import fnmatch

from ml_connector.clouds import CLOUDS, hosts
from ml_connector.connections import Connection
from ml_connector.events import Delivery
from ml_connector.modules import MODULES

OTHER = "other"
_OF_DESTINATION: Mapping[str, str] = {
    "teams": "microsoft",
    "monday": "monday",
    "zoho_comment": "zoho",
}
_OF_MESSAGE: Mapping[str, str] = {"monday": "monday", "teams": "microsoft", "graph": "microsoft"}
"""Of messages about something else than a record, by the first word of their module (carriers.py)."""


def vendor(delivery: Delivery, connection: Connection | None) -> str:
    """Whose API the delivery is for: `zoho`, `microsoft` or `monday`."""
    settings = connection.destinations.get(delivery.destination, {}) if connection else {}
    first = delivery.event.module.partition("_")[0]
    return _OF_DESTINATION.get(settings.get("type", "")) or _OF_MESSAGE.get(first, OTHER)


def vendor_of_host(host: str) -> str:
    """Whose host it is. Microsoft's are those of its clouds; the others' names are in all of theirs."""
    microsoft = frozenset[str]().union(*map(hosts, CLOUDS.values()))
    if any(fnmatch(host, pattern) for pattern in microsoft):
        return "microsoft"
    return next((name for name in _OF_DESTINATION.values() if name in host), OTHER)


def days_of_secrets(connections: Iterable[Connection], today: date) -> dict[str, int]:
    """By connection, days until its Microsoft client secret or certificate ends, of those whose file says when."""
    ends = {each.name: each.microsoft.get("secret_ends") for each in connections}
    return {name: (date.fromisoformat(day) - today).days for name, day in ends.items() if day}


def waited(delivery: Delivery, sent: datetime, now: datetime) -> float | None:
    """Seconds since it should have been tried: since it came into its lane, or since the end of its own wait.

    None for what is early, and for what stays in its own group, whose later waits the message does not tell (lanes.py).
    """
    if delivery.alone:
        return None
    due = datetime.fromisoformat(delivery.not_before) if delivery.not_before else sent
    seconds = (now - due).total_seconds()
    return seconds if seconds >= 0 else None


def took(delivery: Delivery, outcome: str, now: datetime) -> float | None:
    """Seconds from Zoho's modification of the record, which Zoho tells to the second, to the receipt.

    None for what is no receipt; for what no webhook brought, as a backfill of a year would say a year; for deletions,
    of which Zoho tells no time.
    """
    event = delivery.event
    told = event.origin == "webhook" and event.module in MODULES and event.version.at and not event.version.deletes
    if not told or outcome not in ("delivered", "accepted"):
        return None
    return max(0.0, (now - datetime.fromisoformat(event.version.at)).total_seconds())
