"""Finding and showing audit entries."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from rich.text import Text

from ml_connector.audit import MAX_TEXT, verify
from ml_connector.aws.audit_table import AuditTable
from ml_connector.aws.deliveries_table import DeliveriesTable
from ml_connector.modules import MODULES
from ml_connector.ports import AuditEntry
from mlc import output
from mlc.output import line, lines, plain, printable, width_of

_COLOURS = {"delivered": "green", "accepted": "green", "skipped": "dim", "retry": "yellow", "unknown": "yellow"}
# The id in a link to a Teams message, to a monday item, or to a record in Zoho Books (contracts: zoho-books 9).
_LINKS = (
    re.compile(r"/l/message/[^/]+/(\d+)"),
    re.compile(r"monday\.com/boards/\d+/(?:views/\d+/)?pulses/(\d+)"),
    re.compile(r"^https://\S+#/[\w/-]*?(\d{6,})(?:[?/&]\S*)?$"),
)
_MOST_RECEIPT = 16
"""Columns that a receipt may take beside the rest; on a narrow terminal it stands below."""


def newest(audit: AuditTable, connection: str, since: datetime, state: str | None, limit: int) -> list[dict[str, Any]]:
    """Newest first."""

    def entries() -> Iterator[AuditEntry]:
        for day in _days_back(since):
            for entry in audit.of_day(connection, day):
                if state in (None, entry.outcome):
                    yield entry

    return [plain(asdict(entry)) for entry in islice(entries(), limit)]


def story(audit: AuditTable, deliveries: DeliveriesTable, connection: str, what: str) -> list[dict[str, Any]]:
    """All entries of the record that `what` names, oldest first; an empty list if there is none.

    A document number that several records have (Zoho lets bills share one) tells the story of each.
    """
    entries = (
        entry
        for module, record_id in records(audit, deliveries, connection, what)
        for entry in audit.of_record(connection, module, record_id)
    )
    return [plain(asdict(entry)) for entry in entries]


def records(audit: AuditTable, deliveries: DeliveriesTable, connection: str, what: str) -> list[tuple[str, str]]:
    """Module and id of the records with this number, Zoho id, item or message id, or link. One look per index."""
    for link in _LINKS:
        if match := link.search(what):
            what = match[1]
    module, _, record_id = what.partition("/")
    if module in MODULES and record_id:
        return [(module, record_id)]
    for entry in audit.of_external_id(what):
        if entry.connection == connection:
            return [(entry.module, entry.record_id)]
    if keys := deliveries.of_number(connection, what.encode()[:MAX_TEXT].decode(errors="ignore")):
        return [_parts(key) for key in keys]
    return [
        (module, what) for module in MODULES if any(True for _ in islice(audit.of_record(connection, module, what), 1))
    ]


def faults(audit: AuditTable, deliveries: DeliveriesTable, connection: str, module: str, record_id: str) -> list[str]:
    """What is wrong with a record's chains. Looks again if an entry was written meanwhile."""
    for _ in range(5):
        heads = _heads(deliveries, connection, module, record_id)
        kept_since = audit.kept_since(datetime.now(UTC))
        found = verify(list(audit.of_record(connection, module, record_id)), heads, kept_since)
        if not found or heads == _heads(deliveries, connection, module, record_id):
            return found
    return found


def everything(audit: AuditTable, deliveries: DeliveriesTable, connection: str) -> list[tuple[str, str]]:
    """All records of a connection that have a row or an entry. Reads both tables whole."""
    return sorted(map(_parts, deliveries.of_connection(connection) | audit.of_connection(connection)))


def _heads(deliveries: DeliveriesTable, connection: str, module: str, record_id: str) -> dict[str, str]:
    rows = deliveries.of_record(f"{connection}#{module}#{record_id}")
    return {destination: memory.chain for destination, memory in rows.items() if memory.chain}


def _parts(key: str) -> tuple[str, str]:
    _, module, record_id = key.split("#", 2)
    return module, record_id


def _days_back(since: datetime) -> Iterator[str]:
    """UTC days from today back to `since`."""
    day = datetime.now(UTC).date()
    while day >= since.date():
        yield str(day)
        day -= timedelta(days=1)


def show(entries: Sequence[Mapping[str, Any]]) -> None:
    """A heading per UTC day, a line per attempt, and under it what else is to be said."""
    if not entries:
        line("no entries")
        return
    columns = [_columns(entry) for entry in entries]
    roomy = width_of(columns) + _MOST_RECEIPT <= output.console.width
    receipts = [entry.get("external_id", "") if entry["outcome"] != "skipped" else "" for entry in entries]
    lines(
        (
            f"{datetime.fromisoformat(entry['at']):%A, %d %B %Y} (UTC)",
            (*row, receipt) if roomy else row,
            [f"receipt {receipt}" if receipt and not roomy else "", entry.get("reason", "")],
        )
        for row, receipt, entry in zip(columns, receipts, entries, strict=True)
    )


def _columns(entry: Mapping[str, Any]) -> tuple[object, ...]:
    outcome = entry["outcome"]
    return (
        entry["at"][11:19],
        entry.get("number") or entry["record_id"],
        entry["event"],
        entry["destination"],
        Text(printable(outcome), style=_COLOURS.get(outcome, "red")),
    )
