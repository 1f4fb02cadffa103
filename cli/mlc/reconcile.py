"""`mlc reconcile`: looks for what the webhooks missed, now and in this process, with what the function uses.

A backfill is only noted in the connection's cursors and then worked off by whoever comes by, this command or the
schedule: it can be broken off at any moment.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from ml_connector.modules import MODULES
from mlc.options import AsJson, Name, Yes, date_option, on_stack, sure
from mlc.output import Exit, console, fail, literal, problems, say, table, watch
from mlc.stack import Stack, utc_now

if TYPE_CHECKING:
    from ml_connector.connections import Connection
    from ml_connector.limits import Quota
    from ml_connector.reconcile import Found, Lost, Reconcile
    from ml_connector.vendors.zoho import ZohoBooks

PATIENCE = 120.0
"""Seconds that a limit is waited for; what is used up for longer is left to the schedule."""
SHOWN = 50
"""Missing records shown to people; --json has them all."""


@dataclass(frozen=True, slots=True)
class Office:
    """What the command works with."""

    connection: Connection
    reconcile: Reconcile
    books: ZohoBooks
    zone: ZoneInfo | Any
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], datetime] = utc_now

    def stamp(self, day: datetime) -> str:
        """Midnight of a day at the organization's place, in UTC."""
        return f"{day.replace(tzinfo=self.zone).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def office(at: Stack, name: str) -> Office:
    from ml_connector import regions
    from ml_connector.aws.organizations import Organizations
    from ml_connector.aws.queues import DeliveriesQueue
    from ml_connector.aws.schedules import Cursors, TurnList
    from ml_connector.reconcile import Reconcile
    from ml_connector.rounds import Turn, allowance
    from ml_connector.vendors.zoho import ZohoBooks

    connection = at.connection(name)
    books = ZohoBooks(at.http(regions.HOSTS), at.tokens, at.limiter, optional=True)
    turn = TurnList(at.connections).get(name) or Turn(name)
    books.allow(connection, allowance(turn.at(utc_now()), connection))
    queue = DeliveriesQueue(at.session.client("sqs"), at.outputs["DeliveriesQueueUrl"])
    reconcile = Reconcile(books, Cursors(at.connections), at.deliveries, queue, utc_now, at.known)
    connected = Organizations(at.connections).of(name)
    return Office(
        connection, reconcile, books, _zone(connected.organization.time_zone if connected else connection.time_zone)
    )


def _zone(name: str) -> Any:
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


@on_stack
def reconcile(
    at: Stack,
    connection: Name,
    since: Annotated[datetime | None, date_option("--from", "First day, the organization's own.")] = None,
    until: Annotated[datetime | None, date_option("--to", "Last day; today if left out.")] = None,
    backfill: Annotated[
        bool, typer.Option("--backfill", help="Bring in what is older than the connection, from --from on.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what is missing.")] = False,
    report: Annotated[
        bool, typer.Option("--report", help="Count and add up what Zoho and the destinations have, by document date.")
    ] = False,
    csv: Annotated[
        Path | None, typer.Option("--csv", dir_okay=False, writable=True, help="With --report: all records, to a file.")
    ] = None,
    ask_above: Annotated[int, typer.Option(min=0, help="Ask before a backfill that takes more API calls.")] = 100,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Find what the webhooks missed, now: missing records are queued, and go the way of a webhook.

    Exit code 3 if a dry run or a report finds something missing or different, 1 if a list could not be read to its end.
    """
    if backfill and since is None:
        fail("a backfill needs a first day: --from 2026-01-01", Exit.USAGE)
    if (since or until) and not (backfill or dry_run or report):
        fail("--from and --to go with --report, --backfill or --dry-run", Exit.USAGE)
    if report and (backfill or dry_run or since is None):
        fail("a report needs a first day, and nothing else is done with it: --report --from 2026-10-01", Exit.USAGE)
    if csv and not report:
        fail("--csv goes with --report", Exit.USAGE)
    if csv and not csv.absolute().parent.is_dir():
        fail(f"there is no folder {csv.parent}", Exit.USAGE)
    if since and until and until < since:
        fail("--to lies before --from", Exit.USAGE)
    here = office(at, connection)
    if report and since:
        from mlc import completeness

        last = until or here.clock().astimezone(here.zone)
        raise typer.Exit(completeness.report(at, here, f"{since:%Y-%m-%d}", f"{last:%Y-%m-%d}", csv, as_json=as_json))
    from_ = here.stamp(since) if since else _unread(here)
    to = here.stamp(until + timedelta(days=1)) if until else f"{here.clock():%Y-%m-%dT%H:%M:%SZ}"
    if dry_run:
        missing = look(here, from_, to, backfill=backfill, quiet=as_json)
        say([_row(each) for each in missing], as_json=as_json, people=lambda: _show(missing))
        raise typer.Exit(Exit.FOUND_PROBLEMS if missing else Exit.DONE)
    total = None
    if backfill:
        total = len(look(here, from_, to, backfill=True, quiet=as_json))
        if total > ask_above:
            _ask(here, total, yes=yes)
        here.reconcile.backfill(here.connection, from_, to)
    found = work(here, total, quiet=as_json)
    left = here.books.quota(here.connection)
    say(
        {**asdict(found), "calls": here.books.made(here.connection), "quota": left._asdict() if left else None},
        as_json=as_json,
        people=lambda: _told(found, left),
    )
    raise typer.Exit(Exit.FAILED if found.failed else Exit.DONE)


def look(here: Office, since: str, until: str, *, backfill: bool, quiet: bool) -> list[Lost]:
    """What is missing, by Zoho's lists alone. Waits where a limit asks for it."""
    from ml_connector.errors import RetryLater

    missing: list[Lost] = []
    with watch(quiet, "lists") as show:

        def wait(error: RetryLater) -> None:
            if not (error.after and error.after <= PATIENCE):
                raise error
            show(f"{error.reason}; going on in {error.after:.0f} s", None, None)
            here.sleep(error.after)

        def looked(module: str) -> None:
            show(f"{MODULES[module].label}: {len(missing)} missing", None, None)

        young = since if backfill else ""
        # One by one: `looked` counts them.
        missing.extend(here.reconcile.lost(here.connection, since, until, young=young, looked=looked, wait=wait))
    return missing


def work(here: Office, total: int | None, *, quiet: bool) -> Found:
    """Runs until nothing is open, waiting where a limit asks for it; stops where that would be too long."""
    from ml_connector.reconcile import Found

    found = Found()
    with watch(quiet, "records") as show:
        stale = ""

        def goes_on() -> bool:
            show(f"{found.rows} rows, {found.missing} missing", found.missing, total)
            return True

        while True:
            here.reconcile.run(
                here.connection, f"mlc-{uuid4().hex[:12]}", goes_on, stale=stale, day_ends=_day_ends(here), found=found
            )
            if not found.open or not found.after or found.after > PATIENCE:
                return found
            show(f"{found.stopped}; going on in {found.after:.0f} s", found.missing, total)
            here.sleep(found.after)
            # New things have been looked at: from here on only what is open.
            stale = f"{here.clock() - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"


def _unread(here: Office) -> str:
    """From when on the next run would look."""
    readings = here.reconcile.cursors.all(here.connection.name)
    times = [reading.gaps[-1].since if reading.gaps else reading.until for reading in readings.values()]
    return min((time for time in times if not time.startswith("1970")), default=here.connection.applied_at)


def _day_ends(here: Office) -> str:
    tomorrow = here.clock().astimezone(here.zone) + timedelta(days=1)
    return here.stamp(datetime(tomorrow.year, tomorrow.month, tomorrow.day))  # noqa: DTZ001 - stamp gives it its zone


def _ask(here: Office, calls: int, *, yes: bool) -> None:
    quota = here.books.quota(here.connection)
    left = f" Zoho allows {quota.calls} a day, of which {quota.left} are left." if quota else ""
    share = here.connection.zoho["reconcile_share"]
    sure(
        f"{calls} records are missing; each takes an API call.{left} Reconcile uses {share} % of a day's; "
        "what is left over is brought in on the days that follow. Go on?",
        yes=yes,
    )


def _row(each: Lost) -> dict[str, Any]:
    return {
        "module": each.module,
        "id": each.record_id,
        "number": each.number,
        "modified_at": each.modified_at,
        "missing": dict(each.events),
    }


def _show(missing: list[Lost]) -> None:
    if not missing:
        console.print("[green]✓[/] nothing is missing")
        return
    table(
        ("record", "changed (UTC)", "missing at"),
        [
            (
                f"{MODULES[each.module].label} {each.number or each.record_id}",
                each.modified_at,
                ", ".join(f"{name} ({event})" for name, event in each.events.items()),
            )
            for each in missing[:SHOWN]
        ],
    )
    more = f", {SHOWN} of them shown; --json has all" if len(missing) > SHOWN else ""
    console.print(f"{len(missing)} records are missing{more}. Bring them in with the same command without --dry-run.")


def _told(found: Found, quota: Quota | None) -> None:
    mark = "" if found.failed or found.open else "[green]✓[/] "
    console.print(
        f"{mark}{found.rows} rows looked at, {found.missing} records were missing: {found.enqueued} deliveries queued"
    )
    if found.unusable:
        problems.print(f"{found.unusable} records could not be read; the schedule's log has them", style="yellow")
    for module, reason in found.failed.items():
        problems.print(f"{literal(MODULES[module].label)}: {literal(reason)}", style="red", soft_wrap=True)
    if quota and not quota.left:
        minutes = math.ceil(quota.seconds / 60)
        problems.print(
            f"the day's {quota.calls} API calls are used up; the organization has new ones in "
            f"{minutes // 60} h {minutes % 60} min",
            style="red",
            soft_wrap=True,
        )
    if found.open:
        why = f": {found.stopped}" if found.stopped else ""
        console.print(
            f"not finished{literal(why)}. The schedule goes on with it; so does this command.", soft_wrap=True
        )
