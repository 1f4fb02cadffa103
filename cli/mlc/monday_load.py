"""What `mlc monday load` does: the first filling of a board (ml_connector/bulk_load.py)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ml_connector.bulk_load import BulkLoad, Filling, Loaded
from ml_connector.connections import Connection
from ml_connector.errors import ConfigError, NeedsAttention, Undeliverable
from ml_connector.modules import MODULES
from mlc.monday import Method, Office, Patient, api_of, office_of, patiently
from mlc.output import console, line, literal, problems, watch
from mlc.stack import Stack, utc_now

if TYPE_CHECKING:
    from ml_connector.completeness import Lists
    from ml_connector.gaps import Page
    from ml_connector.vendors.monday_load import Aliases, Import

_LISTED = frozenset({
    "module", "number", "party", "date", "due", "currency", "amount", "balance", "status", "reference", "exchange_rate",
    "base_amount", "modified_at", "created_at", "label", "title", "link", "external_id", "amount_text", "balance_text",
    "payment_status", "organization", "connection", "office", "mode",
})  # fmt: skip
"""What Zoho's lists say of a record (zoho-books 6.1)."""
_EVER = "1970-01-01"
FETCHED = 100
"""Records of a batch that are fetched each by itself: as many calls as Zoho allows a minute."""


def load(
    at: Stack,
    connection: Connection,
    name: str,
    settings: Mapping[str, Any],
    since: datetime | None,
    method: Method,
    *,
    fetch: bool,
    lines: bool,
    quiet: bool,
) -> Loaded:
    """By the import, and where monday rejects that, by several mutations in one request. Raises ConnectorError."""
    office = office_of(at, connection, settings)
    unfilled = sorted({each["from"] for each in settings["columns"].values()} - _LISTED)
    if unfilled and not fetch:
        _tell(f"filled with each record's next change, or by --fetch (one call of Zoho each): {', '.join(unfilled)}")
    if settings.get("lines") == "subitems" and not lines:
        _tell("line items come with each record's next change, or by --lines (two calls of monday or more each)")
    first, second = _ways(at, office, settings, method)
    try:
        return _run(at, connection, name, first, since, fetch=fetch, lines=lines, quiet=quiet)
    except NeedsAttention:
        raise
    except Undeliverable as error:
        if second is None:
            raise
        _tell(f"{error.reason}; going on with several items in one request")
        return _run(at, connection, name, second, since, fetch=fetch, lines=lines, quiet=quiet)


def missing(at: Stack, connection: Connection, name: str, settings: Mapping[str, Any], since: datetime | None) -> int:
    """How many records a load would bring, by Zoho's lists and our rows; monday is not asked. Raises ConnectorError."""
    from ml_connector.vendors.monday_load import Aliases

    way = Aliases(Patient(api_of(at, connection, settings)), str(settings["board_id"]), settings["external_id_column"])
    with watch(False, "records") as show_progress:

        def told(loaded: Loaded, module: str) -> None:
            show_progress(f"{MODULES[module].label}: {loaded.records:,} records", loaded.records, None)

        loading = loading_of(at, connection, name, way, way.batch, fetch=False, lines=False)
        return replace(loading, told=told).missing(*_days(since))


def show(loaded: Loaded, connection: Connection, name: str) -> None:
    done = f"{loaded.created:,} items made, {loaded.adopted:,} that were there brought up to date"
    console.print(f"[green]✓[/] {literal(name)}: {done}; {loaded.skipped:,} records are there already or not for it")
    if loaded.left:
        line(f"{loaded.left:,} are left to ordinary deliveries; mlc parked list {connection.name} if they fail:")
        for reason, count in sorted(loaded.reasons.items(), key=lambda each: -each[1])[:5]:
            line(f"  {count:,}: {reason}", "dim")
    if loaded.undecided:
        line(
            f"{loaded.undecided:,} only Zoho itself can decide on: "
            f"mlc reconcile {connection.name} --from DATE --backfill brings those that belong there"
        )
    if loaded.unreadable:
        line(f"{loaded.unreadable:,} rows of Zoho's lists are unreadable", "yellow")
    if loaded.stopped:
        again = f"in {loaded.after / 60:.0f} minutes" if loaded.after else "later"
        problems.print(literal(f"stopped: {loaded.stopped}. Run this again {again}: it goes on."), style="red")
    else:
        line(f"Look whether all is right: mlc monday check {connection.name}", "dim")


def _ways(
    at: Stack, office: Office, settings: Mapping[str, Any], method: Method
) -> tuple[Import | Aliases, Aliases | None]:
    """The way to take, and the one that is left if monday refuses it."""
    from ml_connector.vendors.monday_load import IMPORTED, UPLOADS, Aliases, Import

    board_id, column = str(settings["board_id"]), settings["external_id_column"]
    requests = Aliases(office.api, board_id, column)
    odd = sorted({each["type"] for each in settings["columns"].values()} - IMPORTED)
    if method is Method.REQUESTS or (odd and method is Method.AUTO):
        return requests, None
    if odd:
        raise ConfigError(f"monday's import does not take columns of type {', '.join(odd)}: use --method requests")
    board = office.boards.board(board_id)
    if board is None:
        raise ConfigError(f"the token's user does not see board {board_id}")
    first_group = settings.get("group") or next(iter(board.groups), "")
    imports = Import(office.api, at.http(UPLOADS), board_id, column, first_group, time.sleep)
    return imports, requests if method is Method.AUTO else None


def _run(
    at: Stack,
    connection: Connection,
    name: str,
    way: Import | Aliases,
    since: datetime | None,
    *,
    fetch: bool,
    lines: bool,
    quiet: bool,
) -> Loaded:
    with watch(quiet, "records") as show_progress:

        def told(loaded: Loaded, module: str) -> None:
            done = loaded.created + loaded.adopted + loaded.left + loaded.skipped
            show_progress(f"{MODULES[module].label}: {done:,} of {loaded.records:,} records", done, loaded.records)

        loading = loading_of(at, connection, name, way, way.batch, fetch=fetch, lines=lines)
        return replace(loading, told=told).run(*_days(since))


def _days(since: datetime | None) -> tuple[str, str]:
    """The first and the last; documents may be dated ahead."""
    return f"{since:%Y-%m-%d}" if since else _EVER, f"{utc_now() + timedelta(days=366):%Y-%m-%d}"


def loading_of(
    at: Stack, connection: Connection, name: str, way: Filling, batch: int, *, fetch: bool, lines: bool
) -> BulkLoad:
    from ml_connector.aws.organizations import Organizations
    from ml_connector.aws.queues import DeliveriesQueue
    from ml_connector.completeness import Completeness
    from ml_connector.destinations import Registry, Toolbox

    connected = Organizations(at.connections).of(connection.name)
    home = connected.organization.currency if connected else ""
    books = PatientBooks(at.books)
    return BulkLoad(
        connection,
        name,
        Registry(Toolbox(at.http, at.tokens, at.secrets, utc_now, at.limiter)).destination(connection, name),
        way,
        Completeness(books, at.deliveries, utc_now, home),
        books,
        at.deliveries,
        at.known,
        DeliveriesQueue(at.session.client("sqs"), at.outputs["DeliveriesQueueUrl"]),
        utc_now,
        owner=f"load-{uuid4().hex[:8]}",
        correlation_id=uuid4().hex,
        whole=fetch,
        lines=lines,
        batch=min(batch, FETCHED) if fetch else batch,
    )


@dataclass(frozen=True, slots=True)
class PatientBooks:
    """Zoho Books, for a person who waits: a minute's limit is waited for."""

    books: Lists

    def fetch(self, connection: Connection, module: str, record_id: str) -> Mapping[str, Any]:
        return patiently(lambda: self.books.fetch(connection, module, record_id), time.sleep)

    def dated(self, connection: Connection, module: str, number: int, since: str, until: str) -> Page:
        return patiently(lambda: self.books.dated(connection, module, number, since, until), time.sleep)


def _tell(text: str) -> None:
    problems.print(literal(text), soft_wrap=True, highlight=False)
