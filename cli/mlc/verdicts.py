"""What becomes of a webhook by the routes of a connection file, and why (`mlc routes test`, `mlc preview`).

Nothing is decided here: ingest's own code reads, routes and explains; this only puts it into words.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ml_connector.connections import Connection, Endpoint
from ml_connector.errors import ConfigError, InboundRejected
from ml_connector.events import DELETED, Delivery, Event
from ml_connector.intake import deliveries_of
from ml_connector.modules import MODULES
from ml_connector.money import rounded, shown
from ml_connector.records import Record
from ml_connector.routing import Check, explain, matches, routes_taken, unsaid_by
from ml_connector.sources import Inbound
from ml_connector.sources.zoho_books import translate
from ml_connector.statuses import asked, came_into
from ml_connector.times import stamp
from mlc.samples import told

if TYPE_CHECKING:
    from ml_connector.config.model import ConnectionFile

TAKEN, PERHAPS, NOT_TAKEN = "taken", "perhaps", "not taken"


@dataclass(frozen=True, slots=True)
class Reading:
    """A webhook as ingest would take it, if nothing were known of the record."""

    connection: Connection
    event: Event
    record: Record
    deliveries: tuple[Delivery, ...]
    unsaid: Container[str]
    """Conditions that count as met, because Zoho is asked first, or cannot be asked any more."""
    now: datetime

    @property
    def thin(self) -> bool:
        """Whether Zoho is asked for the record before anything is sent."""
        return any(each.event.payload is None for each in self.deliveries)

    @property
    def asked(self) -> list[str]:
        return list(self.record.lacks or ("record",)) if self.thin else []


def reading(file: ConnectionFile, event_name: str, body: bytes, content_type: str) -> Reading:
    """Raises ConfigError with what ingest would answer if it would refuse the call."""
    if not body.strip():
        raise ConfigError("the file is empty: ingest would answer 400 (body_unreadable)")
    module, action, status = told(event_name)
    now = datetime.now(UTC)
    connection = Connection.from_data({**file.compiled(), "version": 1, "applied_at": ""})
    endpoint = Endpoint("preview", connection.name, "zoho", module, action)
    call = Inbound("zoho", "", "", {"content-type": content_type}, body)
    try:
        event, record = translate(call, endpoint, connection, received_at=stamp(now), correlation_id="preview")
    except InboundRejected as refusal:
        detail = f": {refusal}" if str(refusal) != refusal.reason else ""
        raise ConfigError(f"ingest would answer {refusal.status} ({refusal.reason}){detail}") from refusal
    if status and record.status.casefold() not in ("", status):
        raise ConfigError(f"this is not {event_name}: the record's status is {record.status!r}")
    if status or asked(connection, module):
        event = came_into(event, record)
    deliveries = deliveries_of(connection, event, record)
    thin = any(each.event.payload is None for each in deliveries)
    unsaid = unsaid_by(record) if thin or action == DELETED else frozenset()
    return Reading(connection, event, record, deliveries, unsaid, now)


def verdicts(read: Reading) -> list[dict[str, Any]]:
    """Every route (counted from 1): where it leads, its verdict, and each of its rules with both values.

    `why` is there for a route whose rules are all met and that is not taken all the same.
    """
    connection, event, record = read.connection, read.event, read.record
    taken = routes_taken(connection, event, record, read.unsaid)
    found = []
    for index, route in enumerate(connection.routes):
        checks = explain(route, event, record, read.unsaid)
        verdict = NOT_TAKEN
        if index in taken:
            surely = event.action == DELETED or matches(route, event, record)
            verdict = TAKEN if surely else PERHAPS
        passed_over = verdict == NOT_TAKEN and all(check.met for check in checks)
        found.append(
            {
                "route": index + 1,
                "to": list(route["to"]),
                "verdict": verdict,
                "why": _why_passed_over(read, taken) if passed_over else "",
                "rules": [_rule(check, read) for check in checks],
            }
        )
    return found


def unmet(verdict: Mapping[str, Any]) -> list[str]:
    """Why a route is not taken, in sentences."""
    return [verdict["why"]] if verdict["why"] else [each["says"] for each in verdict["rules"] if not each["met"]]


def _why_passed_over(read: Reading, taken: tuple[int, ...]) -> str:
    if read.event.module not in read.connection.modules:
        return f"the connection does not carry {read.event.module}: it is not among zoho.modules"
    return f'route {taken[-1] + 1} is taken before, and routing is "first"'


def _rule(check: Check, read: Reading) -> dict[str, Any]:
    found = check.found
    if check.name == "custom":
        found = {name: found.get(name) for name in check.wanted}
    return {
        "rule": check.name,
        "wanted": check.wanted,
        "found": str(found) if isinstance(found, Decimal) else found,
        "met": check.met,
        "said": check.said,
        "says": f"{_asks(check)}: {_finds(check, read)}",
    }


def _asks(check: Check) -> str:
    """`currency EUR or USD`: as it stands in the file."""
    if check.name == "custom":
        return "custom " + ", ".join(f"{name} {_any_of(values)}" for name, values in check.wanted.items())
    return f"{check.name} {check.wanted if isinstance(check.wanted, str) else _any_of(check.wanted)}"


def _any_of(words: Any) -> str:
    return " or ".join(word or '""' for word in words)


def _finds(check: Check, read: Reading) -> str:
    """`the invoice's total is 9,485.00 EUR`."""
    record = read.record
    if not check.said:
        return "the webhook does not say; " + (
            "a deletion goes to all who may have the record" if read.event.action == DELETED else "Zoho is asked"
        )
    owner = f"the {record.module.replace('_', ' ')}'s"
    total = MODULES[record.module].amount
    match check.name:
        case "events":
            return f"this is {' and '.join(check.found)}"
        case "min_amount" | "max_amount":
            return f"{owner} {total} is {_amount(check.found, record.currency)}"
        case "min_base_amount" | "max_base_amount":
            code = read.connection.zoho.get("base_currency", "")
            return f"{owner} {total} in the base currency is {_amount(check.found, code)}"
        case "custom":
            values = {name: check.found.get(name) for name in check.wanted}
            return ", ".join(_field(name, value) for name, value in values.items())
    return f"{owner} {check.name} is {check.found or 'not given'}"


def _field(name: str, value: str | None) -> str:
    return f"{name} is {'not given' if value is None else value or 'empty'}"


def _amount(amount: Decimal | None, currency: str) -> str:
    """Rounded as on cards, unless that would hide why a limit is not met."""
    if amount is None:
        return "not given"
    return shown(amount, currency) if rounded(amount, currency) == amount else f"{amount:,f} {currency}".rstrip()
