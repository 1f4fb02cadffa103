"""`mlc`: the command line of ml-connector."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_urlsafe
from typing import Annotated

import typer

from ml_connector.config.apply import apply
from ml_connector.config.load import load
from ml_connector.config.schema import schema
from ml_connector.errors import ConfigError
from ml_connector.modules import EVENTS
from mlc import credentials as keys
from mlc import trail
from mlc.output import Exit, console, fail, friendly, literal, say, table
from mlc.preview import preview as preview_event
from mlc.send_test import follow, send
from mlc.stack import Stack

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,  # they may hold secrets
    help="Zoho Books to Microsoft Teams and monday.com.",
)
connections = typer.Typer(no_args_is_help=True, help="Check and apply connection files.")
audit = typer.Typer(no_args_is_help=True, help="What happened to which record, and where it went.")
webhooks = typer.Typer(no_args_is_help=True, help="The addresses that Zoho calls.")
credentials = typer.Typer(no_args_is_help=True, help="Credentials, kept in Secrets Manager.")
auth = typer.Typer(no_args_is_help=True, help="Connect accounts.")
for name, group in {
    "connections": connections,
    "audit": audit,
    "webhooks": webhooks,
    "credentials": credentials,
    "auth": auth,
}.items():
    app.add_typer(group, name=name)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
StackName = Annotated[str, typer.Option("--stack", envvar="MLC_STACK", help="Name of the CloudFormation stack.")]
Profile = Annotated[str | None, typer.Option("--profile", envvar="AWS_PROFILE", help="AWS profile.")]
Region = Annotated[str | None, typer.Option("--region", envvar="AWS_REGION", help="AWS region.")]
FileArg = Annotated[Path, typer.Argument(help="A connection file, such as connections/example.toml.")]
Name = Annotated[str, typer.Argument(help="Name of the connection.")]
EventName = Annotated[str, typer.Option("--event", help="Such as invoice.created.")]
DEFAULT_STACK = "ml-connector"


def _event(name: str) -> str:
    if name not in EVENTS:
        fail(f"{name!r} is no event; events are {', '.join(EVENTS)}", Exit.USAGE)
    return name


# --- connections -----------------------------------------------------------------------------------------------


@connections.command("validate", epilog="Example: mlc connections validate connections/example.toml")
@friendly
def connections_validate(file: FileArg, as_json: AsJson = False) -> None:
    """Check a file whole, without AWS. Exit code 3 if something is wrong."""
    try:
        checked = load(file)
    except ConfigError as error:
        if as_json:
            say({"valid": False, "problems": str(error).splitlines()}, as_json=True, people=lambda: None)
        raise
    say(
        {"connection": checked.connection, "valid": True, "destinations": sorted(checked.destinations)},
        as_json=as_json,
        people=lambda: console.print(f"[green]✓[/] {literal(file)}: connection {checked.connection!r} is in order"),
    )


@connections.command("schema", epilog="Example: mlc connections schema > connections/schema.json")
@friendly
def connections_schema() -> None:
    """Print the JSON schema of connection files, for editors."""
    say(schema(), as_json=True, people=lambda: None)


@connections.command("apply", epilog="Example: mlc connections apply connections/example.toml --stack ml-connector")
@friendly
def connections_apply(
    file: FileArg,
    stack: StackName = DEFAULT_STACK,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Check a file and put it into force within a minute. The old configuration stays if anything is wrong."""
    at = Stack(stack, profile, region)
    done = apply(load(file), at.connections, at.secrets, datetime.now(UTC))

    def people() -> None:
        word = "applied as" if done.changed else "already in force:"
        console.print(f"[green]✓[/] {done.connection}: {word} version {done.version}, {done.endpoints} endpoints")
        console.print(f"  addresses for Zoho: mlc webhooks list {done.connection}")

    say(asdict(done), as_json=as_json, people=people)


# --- webhooks and credentials ------------------------------------------------------------------------------------


@webhooks.command("list", epilog="Example: mlc webhooks list acme-eu --reveal")
@friendly
def webhooks_list(
    connection: Name,
    reveal: Annotated[bool, typer.Option(help="Show addresses and secrets whole, to be pasted into Zoho.")] = False,
    stack: StackName = DEFAULT_STACK,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """One address and secret per module and event. They are bearer secrets: hidden unless you say --reveal."""
    at = Stack(stack, profile, region)
    stored = at.secrets.get(connection, "webhooks", max_age=0.0).get("endpoints", {})
    if not stored:
        raise ConfigError(f"connection {connection!r} has no endpoints; apply it first")
    rows = [
        {
            "event": identity.removeprefix("zoho."),
            "url": at.webhook_address(each["token"] if reveal else "…"),
            "secret": each["secrets"][-1] if reveal else "…",
        }
        for identity, each in sorted(stored.items())
    ]
    columns = ("event", "url", "secret")
    say(rows, as_json=as_json, people=lambda: table(columns, [[row[name] for name in columns] for row in rows]))


@credentials.command("set", epilog="Example: mlc credentials set acme-eu monday --from-stdin < monday.json")
@friendly
def credentials_set(
    connection: Name,
    vendor: Annotated[keys.Vendor, typer.Argument(help="Whose credentials.")],
    from_stdin: Annotated[bool, typer.Option(help="Read a JSON object instead of asking.")] = False,
    stack: StackName = DEFAULT_STACK,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Store credentials in Secrets Manager. Nothing that you type is shown or kept anywhere else."""
    at = Stack(stack, profile, region)
    configured = at.connections.connection(connection)
    if configured is None:
        raise ConfigError(f"connection {connection!r} is not applied yet: mlc connections apply FILE")
    given = keys.read(sys.stdin) if from_stdin else keys.ask(vendor, configured)
    names = keys.store(at.connections, at.secrets, configured, vendor, given)
    say(
        {"connection": connection, "vendor": vendor.value, "stored": names},
        as_json=as_json,
        people=lambda: console.print(
            f"[green]✓[/] {connection}: {vendor.value} credentials stored ({', '.join(names)})"
        ),
    )


@auth.command("zoho", epilog="Example: mlc auth zoho acme-eu")
@friendly
def auth_zoho(
    connection: Name,
    stack: StackName = DEFAULT_STACK,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Print the address at which a Zoho administrator gives access. It works once, for ten minutes."""
    at = Stack(stack, profile, region)
    url = keys.consent(at).begin(connection, token_urlsafe(16))
    say({"connection": connection, "url": url}, as_json=as_json, people=lambda: console.print(url, soft_wrap=True))


# --- trying out ----------------------------------------------------------------------------------------------------


@app.command(epilog="Example: mlc preview invoice.json --event invoice.created --connection connections/example.toml")
@friendly
def preview(
    payload: Annotated[Path, typer.Argument(help="The body that Zoho would send.", exists=True, dir_okay=False)],
    event: EventName,
    connection: Annotated[Path, typer.Option("--connection", help="Connection file.")] = Path(
        "connections/example.toml"
    ),
    content_type: Annotated[str, typer.Option(help="Content type of the payload.")] = "application/json",
    as_json: AsJson = False,
) -> None:
    """Show the event, the routes taken and the exact requests that would go out. Nothing is sent; AWS is not needed."""
    plan = preview_event(load(connection), _event(event), payload.read_bytes(), content_type)

    def people() -> None:
        console.print(f"[bold]{plan['event']}[/] {literal(plan['title'])}, version {plan['version']}")
        for route in plan["routes"]:
            console.print(f"  route {route['route']} → {', '.join(route['to'])}")
        if not plan["routes"]:
            console.print("  [yellow]no route matches: nothing would be sent[/]")
        for name, request in plan["requests"].items():
            title = f"{name}: {request['operation']} {request['method']} {request['url']}"
            console.rule(literal(title), align="left")
            if request["idempotency_key"]:
                console.print(f"Idempotency-Key: {request['idempotency_key']}")
            console.print_json(data=request["body"])

    say(plan, as_json=as_json, people=people)


@app.command("send-test", epilog="Example: mlc send-test acme-eu --event invoice.created")
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
    at = Stack(stack, profile, region)
    since = datetime.now(UTC) - timedelta(milliseconds=1)
    body = payload.read_bytes() if payload else None
    status, took = send(at, connection, _event(event), body, "application/json")
    if status != 202:
        fail(f"the stack answered {status}; its ingest function's log says why")
    entries = follow(at, connection, since, at.expected(connection, event), seconds, time.sleep)
    undelivered = [entry for entry in entries if entry["outcome"] not in ("delivered", "accepted", "skipped")]

    def people() -> None:
        console.print(f"[green]✓[/] accepted in {took * 1000:.0f} ms")
        trail.show(entries)

    say({"status": status, "seconds": round(took, 3), "entries": entries}, as_json=as_json, people=people)
    if undelivered or not entries:
        raise typer.Exit(Exit.FAILED)


# --- audit ---------------------------------------------------------------------------------------------------------


@audit.command("list", epilog="Example: mlc audit list acme-eu --since 2026-11-20 --state parked")
@friendly
def audit_list(
    connection: Name,
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First UTC day; today if left out.")
    ] = None,
    state: Annotated[str | None, typer.Option(help="Only this outcome, such as parked, retry or unknown.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    stack: StackName = DEFAULT_STACK,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """The newest entries of a connection."""
    at = Stack(stack, profile, region)
    entries = trail.newest(at.audit, connection, since or datetime.now(UTC), state, limit)
    say(entries, as_json=as_json, people=lambda: trail.show(entries))


@audit.command("show", epilog="Example: mlc audit show acme-eu INV-000412   or a Zoho id, an item id, a link")
@friendly
def audit_show(
    connection: Name,
    what: Annotated[str, typer.Argument(help="Document number, Zoho id, Teams message or monday item id, or a link.")],
    days: Annotated[int, typer.Option(min=1, max=400, help="How far back a document number is looked for.")] = 30,
    stack: StackName = DEFAULT_STACK,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """The whole story of one record: every attempt, with its receipt."""
    at = Stack(stack, profile, region)
    entries = trail.story(at.audit, connection, what, datetime.now(UTC), days)
    if not entries:
        fail(f"nothing is known of {what!r} in connection {connection!r}", Exit.FOUND_PROBLEMS)
    say(entries, as_json=as_json, people=lambda: trail.show(entries))


if __name__ == "__main__":
    app()
