"""Finding and showing audit entries."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from rich.text import Text

from ml_connector.aws.audit_table import AuditTable
from ml_connector.modules import MODULES
from ml_connector.ports import AuditEntry
from mlc.output import console, plain, printable, table

_COLOURS = {"delivered": "green", "accepted": "green", "skipped": "dim", "retry": "yellow", "unknown": "yellow"}
# The id in a link to a Teams message or to a monday item.
_LINKS = (re.compile(r"/l/message/[^/]+/(\d+)"), re.compile(r"monday\.com/boards/\d+/(?:views/\d+/)?pulses/(\d+)"))


def newest(audit: AuditTable, connection: str, since: datetime, state: str | None, limit: int) -> list[dict[str, Any]]:
    """Newest first."""

    def entries() -> Iterator[AuditEntry]:
        for day in _days_back(since):
            for entry in audit.of_day(connection, day):
                if state in (None, entry.outcome):
                    yield entry

    return [plain(asdict(entry)) for entry in islice(entries(), limit)]


def story(audit: AuditTable, connection: str, what: str, now: datetime, days: int) -> list[dict[str, Any]]:
    """All entries of the record that `what` names, oldest first; an empty list if there is none."""
    for link in _LINKS:
        if match := link.search(what):
            what = match[1]
    record = _record(audit, connection, what, now, days)
    return [plain(asdict(entry)) for entry in audit.of_record(connection, *record)] if record else []


def _record(audit: AuditTable, connection: str, what: str, now: datetime, days: int) -> tuple[str, str] | None:
    for entry in audit.of_external_id(what):
        if entry.connection == connection:
            return entry.module, entry.record_id
    for module in MODULES:
        if any(True for _ in islice(audit.of_record(connection, module, what), 1)):
            return module, what
    for day in _days_back(now - timedelta(days=days - 1), now):
        for entry in audit.of_day(connection, day):
            if entry.number == what:
                return entry.module, entry.record_id
    return None


def _days_back(since: datetime, until: datetime | None = None) -> Iterator[str]:
    """UTC days from `until` (today) back to `since`."""
    day = (until or datetime.now(tz=since.tzinfo)).date()
    while day >= since.date():
        yield str(day)
        day -= timedelta(days=1)


def show(entries: Sequence[dict[str, Any]]) -> None:
    if not entries:
        console.print("no entries")
        return
    table(
        ("time (UTC)", "event", "record", "destination", "outcome", "", "receipt"),
        [
            (
                entry["at"][:19].replace("T", " "),
                entry["event"],
                entry.get("number") or entry["record_id"],
                entry["destination"],
                Text(printable(entry["outcome"]), style=_COLOURS.get(entry["outcome"], "red")),
                entry.get("operation", ""),
                entry.get("reason") or entry.get("external_id", ""),
            )
            for entry in entries
        ],
    )
