"""`mlc`: the command line of ml-connector."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from ml_connector.consent import only_writer
from ml_connector.errors import ConfigError
from mlc import auth, doctor, reconcile, routes, teams, trail, webhooks
from mlc import credentials as keys
from mlc import parked as waiting
from mlc.options import DEFAULT_STACK, AsJson, File, Name, Profile, Region, StackName, date_option, event_named
from mlc.output import Exit, console, fail, friendly, literal, problems, say, table
from mlc.stack import Stack

# pydantic, boto3 and requests are imported by the commands that need them: `mlc --help` shall not wait for them.

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,  # a traceback may hold secrets
    pretty_exceptions_show_locals=False,
    help="Zoho Books to Microsoft Teams and monday.com.",
)
connections = typer.Typer(no_args_is_help=True, help="Check and apply connection files.")
parked = typer.Typer(no_args_is_help=True, help="Deliveries that wait for a person.")
audit = typer.Typer(no_args_is_help=True, help="What happened to which record, and where it went.")
credentials = typer.Typer(no_args_is_help=True, help="Credentials, kept in Secrets Manager.")
for name, group in {
    "connections": connections,
    "parked": parked,
    "audit": audit,
    "routes": routes.group,
    "webhooks": webhooks.group,
    "credentials": credentials,
    "auth": auth.group,
    "teams": teams.group,
}.items():
    app.add_typer(group, name=name)
app.command("doctor", epilog="Example: mlc doctor acme-eu")(doctor.doctor)
app.command("reconcile", epilog="Example: mlc reconcile acme-eu --report --from 2026-10-01")(reconcile.reconcile)

What = Annotated[str, typer.Argument(help="Document number, Zoho id, Teams message or monday item id, or a link.")]
WhatOrAll = Annotated[str | None, typer.Argument(help="Number, id or link of one record; all if left out.")]
WhatParked = Annotated[str, typer.Argument(help="Its id in `mlc parked list`, a Zoho id or a document number.")]
Whats = Annotated[
    list[str] | None,
    typer.Argument(help="Ids in `mlc parked list`, Zoho ids or document numbers.", metavar="[WHAT]..."),
]
Destination = Annotated[str, typer.Option("--destination", help="Only for this destination.")]
Reason = Annotated[str, typer.Option("--reason", help="Only if the reason contains this.")]
EventName = Annotated[str, typer.Option("--event", help="Such as invoice.created.")]
DEFAULT_CONNECTION = Path("connections/example.toml")


def _version(wanted: bool) -> None:
    if wanted:
        console.print(f"mlc {version('ml-connector')}")
        raise typer.Exit


@app.callback()
def mlc(
    _: Annotated[bool, typer.Option("--version", help="Show the version and end.", callback=_version)] = False,
) -> None:
    """Zoho Books to Microsoft Teams and monday.com."""


class Outcome(StrEnum):
    """How an attempt ended, as the audit trail says it."""

    DELIVERED = "delivered"
    ACCEPTED = "accepted"
    SKIPPED = "skipped"
    RETRY = "retry"
    UNKNOWN = "unknown"
    PARKED = "parked"
    RESENT = "resent"
    DROPPED = "dropped"


# --- connections -----------------------------------------------------------------------------------------------


@connections.command("validate", epilog="Example: mlc connections validate connections/example.toml")
@friendly
def connections_validate(file: File, as_json: AsJson = False) -> None:
    """Check a file whole, without AWS. Exit code 3 if something is wrong."""
    from ml_connector.config.load import load, unused

    try:
        checked = load(file)
    except ConfigError as error:
        if as_json:
            say({"valid": False, "problems": str(error).splitlines()}, as_json=True, people=lambda: None)
        raise
    warnings = [f"destination {name!r} is used by no route: nothing is sent there" for name in unused(checked)]

    def people() -> None:
        console.print(f"[green]✓[/] {literal(file)}: connection {checked.connection!r} is in order")
        for warning in warnings:
            console.print(f"  [yellow]warning:[/] {warning}")

    say(
        {
            "connection": checked.connection,
            "valid": True,
            "destinations": sorted(checked.destinations),
            "warnings": warnings,
        },
        as_json=as_json,
        people=people,
    )


@connections.command("schema", epilog="Example: mlc connections schema > connections/schema.json")
@friendly
def connections_schema() -> None:
    """Print the JSON schema of connection files, for editors."""
    from ml_connector.config.schema import schema

    say(schema(), as_json=True, people=lambda: None)


@connections.command("apply", epilog="Example: mlc connections apply connections/example.toml --stack ml-connector")
@friendly
def connections_apply(
    file: File,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask, whatever is renamed.")] = False,
    stack: StackName = DEFAULT_STACK,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Check a file and put it into force within a minute. The old configuration stays if anything is wrong."""
    from ml_connector.config.apply import apply, renamed
    from ml_connector.config.load import load

    checked = load(file)
    at = Stack(stack, profile, region)
    if not yes:
        _ask_renamed(renamed(checked, at.connections))
    done = apply(checked, at.connections, at.secrets, datetime.now(UTC))

    def people() -> None:
        word = "applied as" if done.changed else "already in force:"
        console.print(f"[green]✓[/] {done.connection}: {word} version {done.version}, {done.endpoints} endpoints")
        if done.dropped:
            console.print(f"  no longer carried: {', '.join(done.dropped)}; what Zoho still sends of it is ignored")
        for module, since in done.resumed.items():
            console.print(f"  carried again: {module}; what changed in Zoho since {since} is looked for and sent")
        console.print(f"  webhooks in Zoho, made or put right: mlc webhooks install {done.connection}")

    say(asdict(done), as_json=as_json, people=people)


def _terminal() -> bool:
    return sys.stdin.isatty()


def _ask_renamed(pairs: list[tuple[str, str]]) -> None:
    """Goes on only with somebody's word that records may be there twice."""
    if not pairs:
        return
    for old, new in pairs:
        typer.echo(
            f"{old!r} is gone and {new!r} leads to the same board or channel. What {old!r} made there is not known to "
            f"{new!r}: each record that changes gets a second item or card, and the first one is never changed again. "
            f"Keep the name {old!r} to go on with what is there.",
            err=True,
        )
    if not _terminal():
        fail("nothing was applied: keep the name, or say --yes", Exit.USAGE)
    typer.confirm("Apply it all the same?", abort=True, err=True)


# --- credentials ---------------------------------------------------------------------------------------------------


@credentials.command("set", epilog="Example: mlc credentials set acme-eu monday --from-stdin < monday.json")
@friendly
def credentials_set(
    connection: Name,
    vendor: Annotated[keys.Vendor, typer.Argument(help="Whose credentials.")],
    from_stdin: Annotated[bool, typer.Option(help="Read a JSON object instead of asking.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask, even if they end a working access.")] = False,
    stack: StackName = DEFAULT_STACK,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Store credentials in Secrets Manager. Nothing that you type is shown or kept anywhere else."""
    if not from_stdin and not sys.stdin.isatty():
        fail("there is no terminal to ask at; use --from-stdin and give a JSON object", Exit.USAGE)
    at = Stack(stack, profile, region)
    configured = at.connection(connection)
    given = keys.read(sys.stdin) if from_stdin else keys.ask(vendor, configured)
    if not yes and (loss := keys.ends(at.secrets, configured, vendor, given)):
        typer.echo(loss, err=True)
        if from_stdin or not sys.stdin.isatty():
            fail("nothing was stored; say --yes to store them all the same", Exit.USAGE)
        typer.confirm("Store them all the same?", abort=True, err=True)
    with only_writer(at.leases, connection, vendor.value, time.sleep):
        names = keys.store(at.connections, at.secrets, configured, vendor, given)
    say(
        {"connection": connection, "vendor": vendor.value, "stored": names},
        as_json=as_json,
        people=lambda: console.print(
            f"[green]✓[/] {connection}: {vendor.value} credentials stored ({', '.join(names)})"
        ),
    )


# --- trying out ----------------------------------------------------------------------------------------------------


@app.command(epilog="Example: mlc preview examples/invoice.json --event invoice.created")
@friendly
def preview(
    payload: Annotated[Path, typer.Argument(help="The body that Zoho would send.", exists=True, dir_okay=False)],
    event: EventName,
    connection: Annotated[
        Path | None,
        typer.Option(
            "--connection",
            help=f"Connection file.  [default: {DEFAULT_CONNECTION}]",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    content_type: Annotated[str, typer.Option(help="Content type of the payload.")] = "application/json",
    raw: Annotated[bool, typer.Option("--raw", help="Show the exact bodies of the requests.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the event, the routes taken and what would be sent there. Nothing is sent; AWS is not needed."""
    event_named(event)
    file = connection or DEFAULT_CONNECTION
    if connection is None and not file.exists():
        fail(f"there is no {file} here; name a connection file with --connection", Exit.FOUND_PROBLEMS)
    from ml_connector.config.load import load
    from mlc import preview as planning

    plan = planning.preview(load(file), event, payload.read_bytes(), content_type)
    say(plan, as_json=as_json, people=lambda: planning.show(plan, raw=raw))


@app.command("send-test", epilog="Example: mlc send-test acme-eu --payload examples/invoice.json")
@friendly
def send_test(
    connection: Name,
    event: EventName = "invoice.created",
    payload: Annotated[Path | None, typer.Option(help="A body of your own.", exists=True, dir_okay=False)] = None,
    seconds: Annotated[float, typer.Option(help="How long to follow it.")] = 20.0,
    stack: StackName = DEFAULT_STACK,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Send a signed webhook to the stack, as Zoho would, and follow it to its destinations. It is really delivered."""
    event_named(event)
    from mlc import send_test as testing

    at = Stack(stack, profile, region)
    done = testing.send_and_follow(at, connection, event, payload.read_bytes() if payload else None, seconds)
    say(done.for_programs(), as_json=as_json, people=lambda: testing.show(done))
    if not as_json and done.problem:
        fail(done.problem, done.exit)
    raise typer.Exit(done.exit)


# --- audit ---------------------------------------------------------------------------------------------------------


@audit.command("list", epilog="Example: mlc audit list acme-eu --since 2026-11-20 --state parked")
@friendly
def audit_list(
    connection: Name,
    since: Annotated[datetime | None, date_option("--since", "First UTC day; today if left out.")] = None,
    state: Annotated[Outcome | None, typer.Option(help="Only this outcome.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    stack: StackName = DEFAULT_STACK,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """The newest entries of a connection."""
    at = Stack(stack, profile, region)
    at.connection(connection)
    entries = trail.newest(at.audit, connection, since or datetime.now(UTC), state, limit)
    say(entries, as_json=as_json, people=lambda: trail.show(entries))


@audit.command("show", epilog="Example: mlc audit show acme-eu INV-000412   or a Zoho id, an item id, a link")
@friendly
def audit_show(
    connection: Name,
    what: What,
    stack: StackName = DEFAULT_STACK,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """The whole story of one record: every attempt, with its receipt."""
    if not what.strip():
        fail("say which record: a document number, an id or a link", Exit.USAGE)
    at = Stack(stack, profile, region)
    at.connection(connection)
    entries = trail.story(at.audit, at.deliveries, connection, what)
    if not entries:
        fail(f"nothing is known of {what!r} in connection {connection!r}", Exit.FOUND_PROBLEMS)
    say(entries, as_json=as_json, people=lambda: trail.show(entries))


@audit.command("verify", epilog="Example: mlc audit verify acme-eu INV-000412")
@friendly
def audit_verify(
    connection: Name,
    what: WhatOrAll = None,
    stack: StackName = DEFAULT_STACK,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Check that no audit entry was changed or removed, of one record or (reading both tables whole) of all.

    Exit code 3 if one was.
    """
    at = Stack(stack, profile, region)
    every = (
        trail.everything(at.audit, at.deliveries, connection)
        if what is None
        else trail.records(at.audit, at.deliveries, connection, what)
    )
    if what is not None and not every:
        fail(f"nothing is known of {what!r} in connection {connection!r}", Exit.FOUND_PROBLEMS)
    found = [
        {"record": f"{module}/{record_id}", "fault": fault}
        for module, record_id in every
        for fault in trail.faults(at.audit, at.deliveries, connection, module, record_id)
    ]

    def people() -> None:
        if found:
            table(("record", "fault"), [(each["record"], each["fault"]) for each in found])
        else:
            console.print(f"[green]✓[/] {connection}: the trail of {len(every)} record(s) is whole")

    say({"records": len(every), "faults": found}, as_json=as_json, people=people)
    if found:
        raise typer.Exit(Exit.FOUND_PROBLEMS)


# --- parked --------------------------------------------------------------------------------------------------------


@parked.command("list", epilog="Example: mlc parked list acme-eu --destination ledger --reason column")
@friendly
def parked_list(
    connection: Name,
    what: Whats = None,
    destination: Destination = "",
    reason: Reason = "",
    stack: StackName = DEFAULT_STACK,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """What waits, why, and until when it is kept. Looking takes nothing away."""
    queue = Stack(stack, profile, region).parked
    wanted = waiting.Wanted(connection, what or (), destination, reason, unreadable=True)
    with queue.looking() as found:
        rows = [each.row for each in found if wanted(each)]

    def people() -> None:
        waiting.show(rows) if rows else console.print("nothing is parked")

    say(rows, as_json=as_json, people=people)
    _say_unseen(queue)


@parked.command("show", epilog="Example: mlc parked show acme-eu INV-000412 --message")
@friendly
def parked_show(
    connection: Name,
    what: WhatParked,
    message: Annotated[bool, typer.Option("--message", help="Also the record as it was sent.")] = False,
    stack: StackName = DEFAULT_STACK,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Everything about what is parked of one record."""
    queue = Stack(stack, profile, region).parked
    with queue.looking() as found:
        rows = [
            each.row | ({"message": each.content} if message else {})
            for each in found
            if waiting.Wanted(connection, [what])(each)
        ]

    def people() -> None:
        for row in rows:
            waiting.show_one(row)

    _say_unseen(queue)
    if not rows:
        fail(f"nothing of {what!r} is parked in connection {connection!r}", Exit.FOUND_PROBLEMS)
    say(rows, as_json=as_json, people=people)


@parked.command(
    "retry", epilog="Example: mlc parked retry acme-eu --reason 'column'   or   mlc parked retry acme-eu --all"
)
@friendly
def parked_retry(
    connection: Name,
    what: Whats = None,
    destination: Destination = "",
    reason: Reason = "",
    everything: Annotated[bool, typer.Option("--all", help="All that is parked of this connection.")] = False,
    stack: StackName = DEFAULT_STACK,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Send parked deliveries again, after their reason is gone.

    If the reason says that a call got no answer, look at the destination first: by sending it again you say that
    it is not there. If it is, drop it. The audit trail keeps who sent what.
    """
    wanted = _wanted(connection, what, destination, reason, everything=everything)
    at = Stack(stack, profile, region)
    who = waiting.identity(at.session)
    _report(at.parked, waiting.retry(at.parked, at.deliveries, wanted, connection, who), as_json=as_json)


@parked.command("drop", epilog="Example: mlc parked drop acme-eu INV-000412 --yes")
@friendly
def parked_drop(
    connection: Name,
    what: Whats = None,
    destination: Destination = "",
    reason: Reason = "",
    everything: Annotated[bool, typer.Option("--all", help="All that is parked of this connection.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    stack: StackName = DEFAULT_STACK,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Give up parked deliveries for good. The audit trail keeps who did, and why they were parked."""
    wanted = _wanted(connection, what, destination, reason, everything=everything)
    at = Stack(stack, profile, region)
    if not yes:
        with at.parked.looking() as found:
            rows = [each.row for each in found if wanted(each)]
        if rows:
            # The question goes where it does not disturb a program that reads our output.
            typer.echo("\n".join(f"{row['id'][:8]}  {row['reason']}" for row in rows), err=True)
            typer.confirm(f"Drop these {len(rows)}?", abort=True, err=True)
            wanted = waiting.Wanted(connection, [row["id"] for row in rows])
    who = waiting.identity(at.session)
    _report(at.parked, waiting.drop(at.parked, at.deliveries, wanted, connection, who), as_json=as_json)


def _wanted(
    connection: str, what: list[str] | None, destination: str, reason: str, *, everything: bool
) -> waiting.Wanted:
    wanted = waiting.Wanted(connection, what or (), destination, reason)
    if wanted.narrow == everything:
        fail("say which: a record or id, --destination, --reason, or else --all", Exit.USAGE)
    return wanted


def _report(queue: waiting.ParkedQueue, done: list[dict[str, Any]], *, as_json: bool) -> None:
    """Exit code 1 if one failed, 3 if there was nothing to do."""
    _say_unseen(queue)
    if not done:
        fail("nothing that is parked matches", Exit.FOUND_PROBLEMS)
    say(done, as_json=as_json, people=lambda: waiting.show(done))
    if any(each["done"] == "failed" for each in done):
        raise typer.Exit(Exit.FAILED)


def _say_unseen(queue: waiting.ParkedQueue) -> None:
    if queue.unseen:
        problems.print(
            f"about {queue.unseen} more could not be looked at now: somebody else has them, or they are behind "
            "ten others of one message group; look again after these are gone",
            style="yellow",
            soft_wrap=True,
        )


if __name__ == "__main__":
    app()
