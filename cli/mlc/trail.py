"""Finding and showing audit entries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from rich.text import Text

from ml_connector.audit import SETTLED, verify
from ml_connector.aws.audit_table import AuditTable
from ml_connector.aws.deliveries_table import DeliveriesTable
from ml_connector.gathering import MODULE
from ml_connector.ports import AuditEntry
from ml_connector.stories import parts, records
from mlc import output
from mlc.output import line, lines, named, plain, printable, width_of

_COLOURS = {
    "delivered": "green", "accepted": "green", "acknowledged": "green", "changed": "green", "skipped": "dim",
    "gathered": "yellow", "retry": "yellow", "unknown": "yellow",
}  # fmt: skip
_NAMED = 20
"""Records of a digest that people are shown; --json has all."""
_MOST_RECEIPT = 16
"""Columns that a receipt may take beside the rest; on a narrow terminal it stands below."""


def newest(
    audit: AuditTable,
    deliveries: DeliveriesTable,
    connection: str,
    limit: int,
    *,
    what: Sequence[str] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    state: str | None = None,
) -> list[dict[str, Any]]:
    """Newest first, of these records and UTC days. Without either: today's, and of a state that is not settled all that
    is kept.
    """
    last = f"{until:%Y-%m-%d}" if until else "9999"

    def entries() -> Iterator[AuditEntry]:
        if what:
            named = chosen(audit, deliveries, connection, what=what, since=since, until=until, state=state)
            yield from sorted(named, key=lambda entry: entry.at, reverse=True)
        elif state and state not in SETTLED:
            under_way = audit.in_state(connection, state, f"{since:%Y-%m-%d}" if since else "")
            yield from (entry for entry in under_way if entry.at[:10] <= last)
        else:
            end = until or datetime.now(UTC)
            for day in reversed(list(_days(since or end, end))):
                yield from (entry for entry in audit.of_day(connection, day) if state in (None, entry.outcome))

    return [plain(asdict(entry)) for entry in islice(entries(), limit)]


def chosen(
    audit: AuditTable,
    deliveries: DeliveriesTable,
    connection: str,
    *,
    what: Sequence[str] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    state: str | None = None,
) -> Iterator[AuditEntry]:
    """Entries of these records (all if none is named), UTC days and outcome, oldest first within each record, day or
    state; one by one as they are read. Without days all that is kept.
    """
    first = f"{since:%Y-%m-%d}" if since else ""
    last = f"{until:%Y-%m-%d}" if until else "9999"
    every: Iterator[AuditEntry]
    if what:
        keys = dict.fromkeys(key for each in what for key in records(audit, deliveries, connection, each))
        every = (entry for module, identity in keys for entry in audit.of_record(connection, module, identity))
    elif state and state not in SETTLED:
        every = audit.in_state(connection, state, first, newest_first=False)
    else:
        now = datetime.now(UTC)
        begin = since or datetime.fromisoformat(audit.kept_since(now))
        # Entries of a time to come are none of ours.
        days = _days(begin, min(until.replace(tzinfo=UTC), now) if until else now)
        every = (entry for day in days for entry in audit.of_day(connection, day, newest_first=False))
    for entry in every:
        if first <= entry.at[:10] <= last and state in (None, entry.outcome):
            yield entry


def story(audit: AuditTable, deliveries: DeliveriesTable, connection: str, what: str) -> list[dict[str, Any]]:
    """All entries of the record that `what` names, oldest first; an empty list if there is none.

    A document number that several records have (Zoho lets bills share one) tells the story of each. The entry by which
    a digest was posted says what it has `told` of: module, record and number of each.
    """
    entries = (
        entry
        for module, record_id in records(audit, deliveries, connection, what)
        for entry in audit.of_record(connection, module, record_id)
    )
    return [
        plain(asdict(entry))
        | ({"told": told} if entry.module == MODULE and (told := _told(audit, connection, entry)) else {})
        for entry in entries
    ]


def _told(audit: AuditTable, connection: str, digest: AuditEntry) -> list[dict[str, str]]:
    """What a digest told of, if this is the entry of its posting: each record is noted right after it."""
    if digest.outcome not in ("delivered", "accepted"):
        return []
    first, reason = datetime.fromisoformat(digest.at), f"told in the digest {digest.record_id}"
    every = (each for day in _days(first, first + timedelta(days=1)) for each in audit.of_day(connection, day))
    found = [each for each in every if (each.destination, each.reason) == (digest.destination, reason)]
    return [{"module": each.module, "record": each.record_id, "number": each.number} for each in reversed(found)]


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
    return sorted(map(parts, deliveries.of_connection(connection) | audit.of_connection(connection)))


def _heads(deliveries: DeliveriesTable, connection: str, module: str, record_id: str) -> dict[str, str]:
    rows = deliveries.of_record(f"{connection}#{module}#{record_id}")
    return {destination: memory.chain for destination, memory in rows.items() if memory.chain}


def _days(since: datetime, until: datetime) -> Iterator[str]:
    """UTC days from the first to the last."""
    day = since.date()
    while day <= until.date():
        yield str(day)
        day += timedelta(days=1)


def show(entries: Sequence[Mapping[str, Any]], *, newest_first: bool = False) -> None:
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
            [
                f"receipt {receipt}" if receipt and not roomy else "", _who(entry),
                named(entry.get("reason", ""), entry.get("connection", "")),
                _of(entry), was,
            ],
        )
        for row, receipt, entry, was in zip(columns, receipts, entries, _renumbered(entries, newest_first), strict=True)
    )  # fmt: skip


def _renumbered(entries: Sequence[Mapping[str, Any]], newest_first: bool) -> list[str]:
    """Of each entry which number its record had in an earlier one of these; "" if the same or not known."""
    known: dict[tuple[str, str], str] = {}
    said = []
    for entry in reversed(entries) if newest_first else entries:
        record, number = (entry["module"], entry["record_id"]), entry.get("number", "")
        before = known.get(record, "")
        known[record] = number or before
        said.append(f"the document's number was {before}" if number and before not in ("", number) else "")
    return said[::-1] if newest_first else said


def _who(entry: Mapping[str, Any]) -> str:
    """Who did what it tells of, and when: it may have been written later."""
    if not entry.get("by"):
        return ""
    when = entry["version"].partition("~")[0]
    return f"by {entry['by']}, {when[:10]} {when[11:16]} UTC"


def _of(entry: Mapping[str, Any]) -> str:
    """How many records a digest told of, and which."""
    told = list(dict.fromkeys(each["number"] or each["record"] for each in entry.get("told", ())))
    if not told:
        return ""
    more = f" and {len(told) - _NAMED:,} more: --json has all" if len(told) > _NAMED else ""
    return f"told of {len(told):,} record{'s' if len(told) > 1 else ''}: {', '.join(told[:_NAMED])}{more}"


def _columns(entry: Mapping[str, Any]) -> tuple[object, ...]:
    outcome, operation = entry["outcome"], entry.get("operation", "")
    return (
        entry["at"][11:19],
        entry.get("number") or entry["record_id"],
        entry["event"],
        entry["destination"],
        # What was done there, unless that is the usual: made, or nothing.
        Text(
            printable(outcome if operation in ("", "create") else f"{outcome} ({operation})"),
            style=_COLOURS.get(outcome, "red"),
        ),
    )
