"""`mlc teams`: the app that a Teams administrator uploads, where it is installed, and which channels there are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from ml_connector.clouds import cloud_of, hosts
from ml_connector.connections import Connection
from ml_connector.errors import ConfigError, ConnectorError, NeedsAttention, Undeliverable
from mlc import teams_app
from mlc.monday_toml import text_of
from mlc.options import AsJson, Name, on_stack
from mlc.output import Exit, console, fail, line, literal, say
from mlc.stack import Stack

if TYPE_CHECKING:
    from ml_connector.vendors.microsoft.directory import Channel, Directory, Team

group = typer.Typer(no_args_is_help=True, help="The Teams app, and the channels it can reach.")

_VERSION = re.compile(r"\d{1,5}\.\d{1,5}\.\d{1,5}")
_INSTALLS = {
    "teams": "TeamsAppInstallation.ReadWriteAndConsentSelfForTeam.All",
    "people": "TeamsAppInstallation.ReadWriteAndConsentSelfForUser.All",
}
"""The permissions that installing takes; those without `AndConsent` are not enough for an app that reads (1.2.1)."""


@group.command(epilog="Example: mlc teams package acme-eu -o books-alerts.zip --website https://acme.example")
@on_stack
def package(
    at: Stack,
    connection: Name,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File; CONNECTION-teams-app.zip.")] = None,
    name: Annotated[str, typer.Option("--name", help="What people see, at most 30 characters.")] = "Books alerts",
    developer: Annotated[str, typer.Option(help="Your organization, at most 32 characters.")] = "ml-connector",
    website: Annotated[
        str,
        typer.Option(help="A page of yours (https); /privacy and /terms are added.  [default: the stack's address]"),
    ] = "",
    app_version: Annotated[str, typer.Option("--app-version", help="A higher one for each upload.")] = "1.0.0",
    as_json: AsJson = False,
) -> None:
    """Write the Teams app that an administrator uploads, and print the steps. It holds no secret."""
    configured = _registered(at, connection)
    if not 0 < len(name) <= 30 or not 0 < len(developer) <= 32:
        fail("--name has 1 to 30 characters, --developer 1 to 32", Exit.USAGE)
    if not _VERSION.fullmatch(app_version):
        fail("--app-version is three numbers, such as 1.0.1", Exit.USAGE)
    try:
        parts = urlsplit(website or at.outputs["WebhookUrl"])
    except ValueError:
        fail("--website is no address", Exit.USAGE)
    if website and (parts.scheme != "https" or not parts.hostname):
        fail("--website must begin with https://", Exit.USAGE)
    look = teams_app.Look(name, developer, website or f"https://{parts.netloc}", app_version)
    file = output or Path(f"{connection}-teams-app.zip")
    file.write_bytes(teams_app.package(configured, look))
    steps = teams_app.steps(configured, str(file), list(teams_of(configured)), list(people_of(configured)))

    def people() -> None:
        console.print(f"[green]✓[/] {literal(file)}: {literal(name)} {app_version}")
        _show_steps(steps)

    data = {"file": str(file), "id": teams_app.manifest_id(configured), "version": app_version, "steps": steps}
    say(data, as_json=as_json, people=people)


@group.command(epilog="Example: mlc teams install acme-eu")
@on_stack
def install(
    at: Stack,
    connection: Name,
    team: Annotated[
        list[str] | None, typer.Option("--team", help="Group id of a team; the destinations' if left out.")
    ] = None,
    person: Annotated[
        list[str] | None,
        typer.Option("--person", help="Object id or address of a person; the destinations' if left out."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Install the uploaded app in the teams and for the people that are told in person.

    Where Graph does not let us, the steps are printed (exit code 3). Needs the permissions AppCatalog.Read.All and
    TeamsAppInstallation.ReadWriteAndConsentSelfForTeam.All; for people, ...SelfForUser.All in place of the latter.
    """
    from ml_connector.vendors.microsoft.directory import person_home, team_home

    configured = _registered(at, connection)
    named = team or person
    teams = list((team or ()) if named else teams_of(configured))
    persons = list((person or ()) if named else people_of(configured))
    if not teams and not persons:
        fail("no destination names a team_id or a person; name one with --team or --person", Exit.USAGE)
    identity = teams_app.manifest_id(configured)
    directory = directory_of(at, configured)
    steps = teams_app.steps(configured, f"what `mlc teams package {connection}` writes", teams, persons)
    outcome: dict[str, dict[str, str]] = {"teams": {}, "people": {}}
    problems: list[str] = []
    homes = [("teams", each, team_home(each)) for each in teams]
    homes += [("people", each, person_home(each)) for each in persons]
    with _by_hand(problems, "", "AppCatalog.Read.All"):
        app = directory.catalogued(identity)
        if not app:
            problems.append("the app is not in the organization's catalogue yet; upload it first")
        for kind, each, home in homes if app else ():
            with _by_hand(problems, f"{each}: ", _INSTALLS[kind]):
                there = directory.installed(home, identity)
                if not there:
                    directory.install(home, app, teams_app.PERMISSIONS)
                outcome[kind][each] = "was installed already" if there else "installed"

    def people() -> None:
        for identity, what in (outcome["teams"] | outcome["people"]).items():
            console.print(f"[green]✓[/] {literal(identity)}: {what}")
        for problem in problems:
            line(problem, "red")
        if problems:
            _show_steps(steps)

    say({**outcome, "problem": "; ".join(problems), "steps": steps if problems else []}, as_json=as_json, people=people)
    if problems:
        raise typer.Exit(Exit.FOUND_PROBLEMS)


@contextmanager
def _by_hand(problems: list[str], what: str, permission: str) -> Iterator[None]:
    """What Graph refuses becomes a problem that a person can solve in two ways."""
    try:
        yield
    except NeedsAttention:
        raise
    except Undeliverable as error:
        needs = f"grant {permission}, or " if error.status == 403 else ""
        problems.append(f"{what}{error.reason}; {needs}do it by hand")


@group.command(epilog="Example: mlc teams channels acme-eu")
@on_stack
def channels(
    at: Stack,
    connection: Name,
    as_json: AsJson = False,
) -> None:
    """List teams and channels with the ids that a connection file wants, and which destination is which.

    All teams with the permission Team.ReadBasic.All; without it, those that the file names and the app is installed in.
    """
    configured = _registered(at, connection)
    rows = [
        {
            "team": each.name,
            "team_id": each.id,
            "channel": channel.name + (" (archived)" if channel.archived else ""),
            "channel_id": channel.id,
            "kind": channel.kind,
            "destinations": _destinations(configured, each.id, channel.id),
            "problem": "",
        }
        if channel
        else {"team": each.name, "team_id": each.id, "channel": "", "problem": problem}
        for each, channel, problem in found(directory_of(at, configured), configured)
    ]

    def people() -> None:
        for row in rows:
            if row["channel"]:
                taken = f": {', '.join(row['destinations'])}" if row["destinations"] else ""
                line(f"{row['team']} › {row['channel']} ({row['kind']}){taken}", "bold")
                line(f"  team_id = {text_of(str(row['team_id']))}")
                line(f"  channel_id = {text_of(str(row['channel_id']))}")
        for row in rows:
            if row["problem"]:
                line(f"{row['team'] or row['team_id']}: {row['problem']}", "yellow")

    say(rows, as_json=as_json, people=people)
    if not any(row["channel"] for row in rows):
        fail(f"no channel can be seen; is the app installed? mlc teams install {connection}", Exit.FOUND_PROBLEMS)


# --- the work ------------------------------------------------------------------------------------------------------


def directory_of(at: Stack, connection: Connection) -> Directory:
    from ml_connector.vendors.microsoft import Graph
    from ml_connector.vendors.microsoft.directory import Directory

    cloud = cloud_of(connection.microsoft)
    return Directory(Graph(at.http(hosts(cloud)), at.tokens, cloud), connection.name, cloud)


def teams_of(connection: Connection) -> Mapping[str, list[str]]:
    """The teams that destinations name, with those destinations."""
    teams: dict[str, list[str]] = {}
    for name, settings in connection.destinations.items():
        if settings["type"] == "teams" and settings.get("team_id"):
            teams.setdefault(settings["team_id"], []).append(name)
    return teams


def people_of(connection: Connection) -> Mapping[str, list[str]]:
    """The people whose chats with the bot destinations name, with those destinations."""
    people: dict[str, list[str]] = {}
    for name, settings in connection.destinations.items():
        if settings["type"] == "teams" and settings.get("person"):
            people.setdefault(settings["person"], []).append(name)
    return people


def found(directory: Directory, connection: Connection) -> Iterator[tuple[Team, Channel | None, str]]:
    """Each channel with its team; a team that does not show its channels comes once, with the reason."""
    from ml_connector.vendors.microsoft.directory import Team

    try:
        teams = list(directory.teams())
    except NeedsAttention:
        raise
    except Undeliverable:
        teams = [Team(team_id, "") for team_id in teams_of(connection)]
    for team in teams:
        try:
            named = team if team.name else directory.team(team.id)
            for channel in directory.channels(team.id):
                yield named, channel, ""
        except NeedsAttention:
            raise
        except ConnectorError as error:
            yield team, None, str(error)


def _destinations(connection: Connection, team_id: str, channel_id: str) -> list[str]:
    return [
        name
        for name, settings in connection.destinations.items()
        if (settings.get("team_id"), settings.get("channel_id")) == (team_id, channel_id)
    ]


def _registered(at: Stack, name: str) -> Connection:
    """The connection, if it has an app registration."""
    connection = at.connection(name)
    if not connection.microsoft.get("client_id"):
        raise ConfigError(f"connection {name!r} has no [microsoft] with tenant_id and client_id: no app is registered")
    return connection


def _show_steps(steps: list[str]) -> None:
    for number, step in enumerate(steps, 1):
        line(f"{number}. {step}")
