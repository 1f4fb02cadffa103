"""`mlc`: the command line of ml-connector."""

from __future__ import annotations

import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from ml_connector.aws import parked_desk
from ml_connector.consent import only_writer
from mlc import (
    audit,
    auth,
    connections,
    destroy,
    doctor,
    init,
    monday,
    reconcile,
    replay,
    routes,
    status,
    teams,
    webhooks,
)
from mlc import credentials as keys
from mlc import parked as waiting
from mlc.options import AsJson, Name, NameOrOnly, Yes, event_named, on_stack, sure, terminal, word
from mlc.output import Exit, Root, console, fail, friendly, line, printable, problems, say
from mlc.stack import Stack

# pydantic, boto3 and requests are imported by the commands that need them: `mlc --help` shall not wait for them.

app = typer.Typer(
    cls=Root,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,  # a traceback may hold secrets
    pretty_exceptions_show_locals=False,
    help="Zoho Books to Microsoft Teams and monday.com.",
    epilog="Example: mlc doctor   or   mlc audit show acme-eu INV-000412",
)
parked = typer.Typer(no_args_is_help=True, help="Deliveries that wait for a person.")
credentials = typer.Typer(no_args_is_help=True, help="Credentials, kept in Secrets Manager.")
for name, group in {
    "connections": connections.group,
    "parked": parked,
    "audit": audit.group,
    "routes": routes.group,
    "webhooks": webhooks.group,
    "credentials": credentials,
    "auth": auth.group,
    "teams": teams.group,
    "monday": monday.group,
}.items():
    app.add_typer(group, name=name)
app.command("doctor", epilog="Example: mlc doctor acme-eu")(doctor.doctor)
app.command("init", epilog="Example: mlc init   or   mlc init --connection acme-eu --organization 20064550123 …")(
    init.init
)
app.command("status", epilog="Example: mlc status acme-eu --watch")(status.status)
app.command("destroy", epilog="Example: mlc destroy --stack ml-connector --export trail.ndjson")(destroy.destroy)
app.command("replay", epilog="Example: mlc replay acme-eu --record INV-000412   and, to send it, --send")(replay.replay)
app.command("reconcile", epilog="Example: mlc reconcile acme-eu --report --from 2026-10-01")(reconcile.reconcile)

WhatParked = Annotated[str, typer.Argument(help="Its id in `mlc parked list`, a Zoho id or a document number.")]
Whats = Annotated[
    list[str] | None,
    typer.Argument(help="Ids in `mlc parked list`, Zoho ids or document numbers.", metavar="WHAT"),
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


# --- credentials ---------------------------------------------------------------------------------------------------


@credentials.command("set", epilog="Example: mlc credentials set acme-eu monday --from-stdin < monday.json")
@on_stack
def credentials_set(
    at: Stack,
    connection: Name,
    vendor: Annotated[
        str, typer.Argument(help=f"Whose: {', '.join(keys.Vendor)}.", autocompletion=lambda: [*keys.Vendor])
    ],
    from_stdin: Annotated[bool, typer.Option(help="Read a JSON object instead of asking.")] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Store credentials in Secrets Manager. Nothing that you type is shown or kept anywhere else."""
    whose = keys.Vendor(word(vendor, keys.Vendor, "vendor"))
    if not from_stdin and not terminal():
        fail("there is no terminal to ask at; use --from-stdin and give a JSON object", Exit.USAGE)
    configured = at.connection(connection)
    given = keys.read(sys.stdin) if from_stdin else keys.ask(whose, configured)
    if loss := keys.ends(at.secrets, configured, whose, given):
        sure(f"{loss} Store them all the same?", yes=yes)
    with only_writer(at.leases, connection, whose.value, time.sleep):
        names = keys.store(at.connections, at.secrets, configured, whose, given)
    say(
        {"connection": connection, "vendor": whose.value, "stored": names},
        as_json=as_json,
        people=lambda: console.print(
            f"[green]✓[/] {connection}: {whose.value} credentials stored ({', '.join(names)})"
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
    if payload.suffix == ".toml":
        fail(f"{payload} is a connection file; preview takes a payload, such as examples/invoice.json: "
             f"mlc preview examples/invoice.json --event {event} --connection {payload}", Exit.USAGE)  # fmt: skip
    file = connection or DEFAULT_CONNECTION
    if connection is None and not file.exists():
        fail(f"there is no {file} here; name a connection file with --connection", Exit.FOUND_PROBLEMS)
    from ml_connector.config.load import load
    from mlc import preview as planning

    plan = planning.preview(load(file), event, payload.read_bytes(), content_type)
    say(plan, as_json=as_json, people=lambda: planning.show(plan, raw=raw))


@app.command("send-test", epilog="Example: mlc send-test acme-eu --payload examples/invoice.json")
@on_stack
def send_test(
    at: Stack,
    connection: Name,
    event: EventName = "invoice.created",
    payload: Annotated[Path | None, typer.Option(help="A body of your own.", exists=True, dir_okay=False)] = None,
    seconds: Annotated[float, typer.Option(help="How long to follow it.")] = 20.0,
    as_json: AsJson = False,
) -> None:
    """Send a signed webhook to the stack, as Zoho would, and follow it to its destinations. It is really delivered."""
    event_named(event)
    from mlc import send_test as testing

    done = testing.send_and_follow(at, connection, event, payload.read_bytes() if payload else None, seconds)
    say(done.for_programs(), as_json=as_json, people=lambda: testing.show(done))
    if not as_json and done.problem:
        fail(done.problem, done.exit)
    raise typer.Exit(done.exit)


# --- parked --------------------------------------------------------------------------------------------------------


@parked.command("list", epilog="Example: mlc parked list acme-eu --destination ledger --reason column")
@on_stack
def parked_list(
    at: Stack,
    connection: NameOrOnly = "",
    what: Whats = None,
    destination: Destination = "",
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """What waits, why, and until when it is kept. Looking takes nothing away."""
    connection = connection or at.only()
    queue = at.parked
    wanted = parked_desk.Wanted(connection, what or (), destination, reason, unreadable=True)
    with queue.looking() as found:
        rows = [waiting.named(each.row, connection) for each in found if wanted(each)]
    if not rows:
        _known(at, connection, destination)

    def people() -> None:
        waiting.show(rows) if rows else line("nothing is parked" + (" that matches" if wanted.narrow else ""))
        if rows:
            line(f"Put right what the reason names, then: mlc parked retry {connection} WHAT, or --all", "dim")

    say(rows, as_json=as_json, people=people)
    _say_unseen(queue)


@parked.command("show", epilog="Example: mlc parked show acme-eu INV-000412 --message")
@on_stack
def parked_show(
    at: Stack,
    connection: Name,
    what: WhatParked,
    message: Annotated[bool, typer.Option("--message", help="Also the record as it was sent.")] = False,
    as_json: AsJson = False,
) -> None:
    """Everything about what is parked of one record."""
    queue = at.parked
    with queue.looking() as found:
        rows = [
            waiting.named(each.row, connection) | ({"message": each.content} if message else {})
            for each in found
            if parked_desk.Wanted(connection, [what])(each)
        ]

    def people() -> None:
        for row in rows:
            waiting.show_one(row)

    _say_unseen(queue)
    if not rows:
        _known(at, connection)
        fail(f"nothing of {what!r} is parked in connection {connection!r}", Exit.FOUND_PROBLEMS)
    say(rows, as_json=as_json, people=people)


@parked.command(
    "retry", epilog="Example: mlc parked retry acme-eu --reason 'column'   or   mlc parked retry acme-eu --all"
)
@on_stack
def parked_retry(
    at: Stack,
    connection: Name,
    what: Whats = None,
    destination: Destination = "",
    reason: Reason = "",
    everything: Annotated[bool, typer.Option("--all", help="All that is parked of this connection.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send parked deliveries again, after their reason is gone.

    If the reason says that a call got no answer, look at the destination first: by sending it again you say that
    it is not there. If it is, drop it. The audit trail keeps who sent what.
    """
    wanted = _wanted(connection, what, destination, reason, everything=everything)
    who = waiting.identity(at.session)
    _report(at, wanted, parked_desk.retry(at.parked, at.deliveries, wanted, connection, who), as_json=as_json)


@parked.command("drop", epilog="Example: mlc parked drop acme-eu INV-000412 --yes")
@on_stack
def parked_drop(
    at: Stack,
    connection: Name,
    what: Whats = None,
    destination: Destination = "",
    reason: Reason = "",
    everything: Annotated[bool, typer.Option("--all", help="All that is parked of this connection.")] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Give up parked deliveries for good. The audit trail keeps who did, and why they were parked.

    With a digest, all records that it was to tell of are given up.
    """
    wanted = _wanted(connection, what, destination, reason, everything=everything)
    if not yes:
        with at.parked.looking() as found:
            rows = [each.row for each in found if wanted(each)]
        if rows:
            # The question goes where it does not disturb a program that reads our output.
            typer.echo(printable("\n".join(map(_to_drop, rows))), err=True)
            sure(f"Drop these {len(rows)}?", yes=False)
            wanted = parked_desk.Wanted(connection, [row["id"] for row in rows])
    who = waiting.identity(at.session)
    done = parked_desk.drop(at.parked, at.deliveries, wanted, connection, who, lambda *digest: at.shelf.read(*digest))
    _report(at, wanted, done, as_json=as_json)


def _to_drop(row: dict[str, Any]) -> str:
    digest = "  (a digest: with all that it was to tell of)" if row.get("record", "").startswith("digest/") else ""
    return f"{row['id'][:8]}  {row['reason']}{digest}"


def _wanted(
    connection: str, what: list[str] | None, destination: str, reason: str, *, everything: bool
) -> parked_desk.Wanted:
    wanted = parked_desk.Wanted(connection, what or (), destination, reason)
    if wanted.narrow == everything:
        fail("say which: a record or id, --destination, --reason, or else --all", Exit.USAGE)
    return wanted


def _known(at: Stack, connection: str, destination: str = "") -> None:
    """Nothing was found: perhaps a name is mistyped. What is parked of a connection that was removed is found."""
    configured = at.connection(connection)
    if destination:
        word(destination, configured.destinations, f"destination of {connection}")


def _report(at: Stack, wanted: parked_desk.Wanted, done: list[dict[str, Any]], *, as_json: bool) -> None:
    """Exit code 1 if one failed, 3 if there was nothing to do."""
    _say_unseen(at.parked)
    if not done:
        _known(at, wanted.connection, wanted.destination)
        fail("nothing that is parked matches", Exit.FOUND_PROBLEMS)

    def people() -> None:
        waiting.show(done)
        if any(each["done"] == "sent" for each in done):
            line(f"Queued; what becomes of them: mlc audit show {wanted.connection} WHAT, or mlc status", "dim")

    say(done, as_json=as_json, people=people)
    if any(each["done"] == "failed" for each in done):
        raise typer.Exit(Exit.FAILED)


def _say_unseen(queue: parked_desk.ParkedDesk) -> None:
    if queue.unseen:
        problems.print(
            f"about {queue.unseen} more could not be looked at now: somebody else has them, or they are behind "
            "ten others of one message group; look again after these are gone",
            style="yellow",
            soft_wrap=True,
        )


if __name__ == "__main__":
    app()
