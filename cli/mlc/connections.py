"""`mlc connections`: files checked and put into force; what is in force, what was, and its end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ml_connector.errors import ConfigError
from mlc.options import AsJson, File, Name, Yes, on_stack, sure
from mlc.output import Exit, console, fail, friendly, line, literal, printable, say, table
from mlc.stack import Stack, utc_now

if TYPE_CHECKING:
    from ml_connector.config import apply as applying
    from ml_connector.config.history import Applied, Difference
    from ml_connector.config.remove import Remains

group = typer.Typer(no_args_is_help=True, help="Connection files, and what is in force.")

SHOWN = 3
"""Differences told of each version in a list; --json has all."""
Version = Annotated[int, typer.Argument(min=1, help="As in `mlc connections history`.")]


# --- files ---------------------------------------------------------------------------------------------------------


@group.command("validate", epilog="Example: mlc connections validate connections/example.toml")
@friendly
def connections_validate(file: File, as_json: AsJson = False) -> None:
    """Check a file whole, without AWS. Exit code 3 if something is wrong."""
    from ml_connector.config.load import load
    from ml_connector.config.load import warnings as warnings_of

    try:
        checked = load(file)
    except ConfigError as error:
        if as_json:
            say({"valid": False, "problems": str(error).splitlines()}, as_json=True, people=lambda: None)
        raise
    warnings = warnings_of(checked)

    def people() -> None:
        console.print(f"[green]✓[/] {literal(file)}: connection {checked.connection!r} is in order")
        _show_warnings(warnings)

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


@group.command("schema", epilog="Example: mlc connections schema > connections/schema.json")
@friendly
def connections_schema(_: AsJson = True) -> None:
    """Print the JSON schema of connection files, for editors."""
    from ml_connector.config.schema import schema

    say(schema(), as_json=True, people=lambda: None)


# --- in force ------------------------------------------------------------------------------------------------------


@group.command("apply", epilog="Example: mlc connections apply connections/example.toml --stack ml-connector")
@on_stack
def connections_apply(at: Stack, file: File, yes: Yes = False, as_json: AsJson = False) -> None:
    """Check a file and put it into force within a minute. The old configuration stays if anything is wrong."""
    from ml_connector.config.apply import apply, renamed
    from ml_connector.config.load import load, warnings
    from mlc.parked import identity

    checked = load(file)
    _ask_renamed(renamed(checked.compiled(), at.connections), yes=yes)
    done = apply(checked, at.connections, at.secrets, utc_now(), identity(at.session))

    def people() -> None:
        _show_applied(done)
        _show_warnings(warnings(checked))

    say(asdict(done), as_json=as_json, people=people)


@group.command("rollback", epilog="Example: mlc connections rollback acme-eu 6")
@on_stack
def connections_rollback(
    at: Stack, connection: Name, version: Version, yes: Yes = False, as_json: AsJson = False
) -> None:
    """Put an older version into force once more, as a new one; also that of a connection that was removed.

    Your file still says what it says: take it back in your git, too, or the next apply undoes this.
    """
    from ml_connector.config.apply import put_into_force, renamed
    from ml_connector.config.history import differences, in_force, once_more, versions
    from mlc.parked import identity

    held = versions(at.connections, connection)
    wanted = next((each for each in held if each.version == version), None)
    if wanted is None:
        known = f"kept: {', '.join(str(each.version) for each in reversed(held)) or 'none'}"
        fail(f"version {version} of {connection!r} is not kept; {known}", Exit.FOUND_PROBLEMS)
    compiled = once_more(wanted)
    now = in_force(at.connections, connection)
    changed = differences(now.data if now else {}, compiled)
    if changed and not yes:
        for each in changed:
            typer.echo(_said(each), err=True)
    _ask_renamed(renamed(compiled, at.connections), yes=yes)
    if changed:
        sure(f"Put version {version} of {connection} into force once more?", yes=yes)
    done = put_into_force(compiled, at.connections, at.secrets, utc_now(), identity(at.session))

    def people() -> None:
        _show_applied(done)
        if done.changed:
            line("  the connection's file still says what it said: take it back, too", "yellow")

    data = {**asdict(done), "from": version, "differences": [asdict(each) for each in changed]}
    say(data, as_json=as_json, people=people)


@group.command("list", epilog="Example: mlc connections list")
@on_stack
def connections_list(at: Stack, as_json: AsJson = False) -> None:
    """The connections of the stack, and since when each is in force as it is."""
    from ml_connector.config.history import in_force

    names = at.connections.names()
    held = [each for name in names if (each := in_force(at.connections, name))]
    rows = [{"connection": each.data["connection"], **_summary(each)} for each in held]

    def people() -> None:
        if not rows:
            line("no connection is applied yet: mlc connections apply FILE")
            return
        table(
            ("connection", "version", "applied (UTC)", "by", "organization", "modules", "destinations", "routes"),
            [
                (
                    row["connection"], row["version"], _minute(row["at"]), row["by"],
                    f"{row['organization_id']} ({row['region']})", len(row["modules"]), len(row["destinations"]),
                    row["routes"],
                )
                for row in rows
            ],
        )  # fmt: skip

    say(rows, as_json=as_json, people=people)


@group.command("show", epilog="Example: mlc connections show acme-eu --version 6")
@on_stack
def connections_show(
    at: Stack,
    connection: Name,
    version: Annotated[int | None, typer.Option(min=1, help="An older one; what is in force if left out.")] = None,
    as_json: AsJson = False,
) -> None:
    """What a connection's configuration says: where it leads, and who hears about what. --json has it whole."""
    from ml_connector.config.history import in_force, versions

    if version is None:
        at.connection(connection)
        held = in_force(at.connections, connection)
    else:
        held = next((each for each in versions(at.connections, connection) if each.version == version), None)
    if held is None:
        fail(f"version {version} of {connection!r} is not kept: mlc connections history {connection}",
             Exit.FOUND_PROBLEMS)  # fmt: skip
    say(
        {"version": held.version, "at": held.at, "by": held.by, "configuration": held.data},
        as_json=as_json,
        people=lambda: _show(held),
    )


@group.command("history", epilog="Example: mlc connections history acme-eu")
@on_stack
def connections_history(at: Stack, connection: Name, as_json: AsJson = False) -> None:
    """Who applied which version when, and what it changed; the newest 50 are kept, also after a removal."""
    from ml_connector.config.history import differences, in_force, versions

    held = versions(at.connections, connection)
    if not held:
        at.connection(connection)
        fail(f"no version of {connection!r} is kept", Exit.FOUND_PROBLEMS)
    now = in_force(at.connections, connection)
    before = [*held[1:], None]
    changed = [differences(old.data, new.data) if old else [] for new, old in zip(held, before, strict=True)]

    def people() -> None:
        rows = [
            (
                f"{each.version}{' (in force)' if now and each.version == now.version else ''}",
                _minute(each.at),
                each.by or "not noted",
                _in_short(found) if old else "the first that is kept",
            )
            for each, found, old in zip(held, changed, before, strict=True)
        ]
        table(("version", "applied (UTC)", "by", "changed"), rows)
        if now is None:
            line(f"{connection} was removed; it comes back with: mlc connections rollback {connection} "
                 f"{held[0].version}", "yellow")  # fmt: skip

    rows = [
        {
            "version": each.version,
            "at": each.at,
            "by": each.by,
            "in_force": bool(now and each.version == now.version),
            "differences": [asdict(one) for one in found],
        }
        for each, found in zip(held, changed, strict=True)
    ]
    say(rows, as_json=as_json, people=people)


@group.command("remove", epilog="Example: mlc connections remove acme-eu")
@on_stack
def connections_remove(
    at: Stack,
    connection: Name,
    secrets: Annotated[
        bool, typer.Option("--secrets", help="Also delete its credentials and the secrets of its addresses.")
    ] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Take a connection out of force: nothing is taken in or sent for it any more. Says first what will be left."""
    from ml_connector.config.remove import remains, remove

    at.connection(connection)
    left = remains(connection, at.connections, at.secrets)
    kept = list(_kept(connection, left, secrets=secrets))
    for text in kept if not yes else ():
        typer.echo(text, err=True)
    sure(f"Remove {connection}?", yes=yes)
    remove(connection, at.connections, at.secrets, secrets=secrets)

    def people() -> None:
        console.print(f"[green]✓[/] {literal(connection)} is removed; the functions forget it within a minute")
        if yes:
            for text in kept:
                line(f"  {text}")

    say({"connection": connection, "removed": True, **asdict(left), "left": kept}, as_json=as_json, people=people)


def _kept(name: str, left: Remains, *, secrets: bool) -> Iterable[str]:
    """What will be left, and what to type first."""
    first = f"mlc webhooks remove {name}"
    if left.zoho_webhooks:
        yield f"{left.zoho_webhooks} webhooks in Zoho go on calling and are refused; to delete them, first: {first}"
    if left.monday_boards:
        yield f"{left.monday_boards} boards of monday.com have webhooks of ours; to delete them, first: {first}"
    if left.graph_subscriptions:
        yield f"{left.graph_subscriptions} subscriptions at Microsoft Graph end by themselves within three days"
    yield "the audit trail and the delivery rows stay, so that nothing comes twice should it come back"
    yield "deliveries that are under way are parked, and parked ones stay where they are"
    if left.secrets and secrets:
        yield f"deleted, to be restored within 7 days in AWS's console only: secrets {', '.join(left.secrets)}"
    elif left.secrets:
        yield f"the secrets stay ({', '.join(left.secrets)}); --secrets deletes them"
    yield f"its versions stay: mlc connections history {name}"


# --- for people ----------------------------------------------------------------------------------------------------


def _show_applied(done: applying.Applied) -> None:
    word = "applied as" if done.changed else "already in force:"
    console.print(f"[green]✓[/] {done.connection}: {word} version {done.version}, {done.endpoints} endpoints")
    if done.dropped:
        console.print(f"  no longer carried: {', '.join(done.dropped)}; what Zoho still sends of it is ignored")
    for module, since in done.resumed.items():
        console.print(f"  carried again: {module}; what changed in Zoho since {since} is looked for and sent")
    console.print(f"  webhooks in Zoho, made or put right: mlc webhooks install {done.connection}")


def _show_warnings(warnings: Iterable[str]) -> None:
    for warning in warnings:
        console.print(f"  [yellow]warning:[/] {literal(warning)}")


def _ask_renamed(pairs: Sequence[tuple[str, str]], *, yes: bool) -> None:
    """Goes on only with somebody's word that records may be there twice."""
    for old, new in pairs if not yes else ():
        typer.echo(
            f"{old!r} is gone and {new!r} leads to the same board or channel. What {old!r} made there is not known to "
            f"{new!r}: each record that changes gets a second item or card, and the first one is never changed again. "
            f"Keep the name {old!r} to go on with what is there.",
            err=True,
        )
    if pairs:
        sure("Apply it all the same?", yes=yes)


def _summary(held: Applied) -> dict[str, Any]:
    zoho = held.data["zoho"]
    return {
        "version": held.version,
        "at": held.at,
        "by": held.by,
        "organization_id": zoho["organization_id"],
        "region": zoho["region"],
        "modules": zoho["modules"],
        "destinations": sorted(held.data["destinations"]),
        "routes": len(held.data["routes"]),
    }


def _show(held: Applied) -> None:
    data, zoho = held.data, held.data["zoho"]
    by = f" by {held.by}" if held.by else ""
    line(f"{data['connection']}, version {held.version}, applied {_minute(held.at)} UTC{by}", "bold")
    line(f"  organization {zoho['organization_id']} in {zoho['region']}: {', '.join(zoho['modules'])}")
    for name, settings in data["destinations"].items():
        line(f"  destination {name}: {_place(settings)}")
    for number, route in enumerate(data["routes"], 1):
        when = "".join(f", {name} {_value(value)}" for name, value in route.get("when", {}).items())
        line(f"  route {number}: {', '.join(route['events'])}{when} → {', '.join(route['to'])}")


def _place(settings: Mapping[str, Any]) -> str:
    match settings["type"]:
        case "monday":
            return f"monday board {settings['board_id']}"
        case "teams":
            place = settings.get("channel_id") or settings.get("person") or ", ".join(settings.get("people", ()))
            return f"Teams, {settings['transport']}{f', {place}' if place else ''}"
    return "a note on the record in Zoho Books"


def _in_short(found: Sequence[Difference]) -> str:
    more = f"\n… and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return "\n".join(_said(each) for each in found[:SHOWN]) + more if found else "nothing"


def _said(each: Difference) -> str:
    """`destinations.ledger.board_id: 1234567890 → 99`, or what came and went."""
    if each.before is None:
        return printable(f"+ {each.key}: {_value(each.after)}")
    if each.after is None:
        return printable(f"- {each.key}: {_value(each.before)}")
    return printable(f"{each.key}: {_value(each.before)} → {_value(each.after)}")


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("type") or f"{len(value)} keys")
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _minute(stamp: str) -> str:
    return stamp[:16].replace("T", " ")
