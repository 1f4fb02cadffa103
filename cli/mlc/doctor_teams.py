"""What `mlc doctor` looks at in Teams: credentials, channels, and on request whether a card really gets there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ml_connector.clouds import cloud_of, hosts
from ml_connector.connections import Connection
from ml_connector.errors import ConnectorError, NeedsAttention, Undeliverable
from ml_connector.measures import days_of_secrets
from ml_connector.service_account import scopes
from ml_connector.tokens import remedy
from mlc.doctor_graph import heard
from mlc.stack import Stack, utc_now
from mlc.teams import directory_of
from mlc.teams_app import manifest_id

if TYPE_CHECKING:
    from ml_connector.vendors.microsoft.directory import Directory

Fault = tuple[str, str, str]
"""What was found, why it matters, what to type."""

_WHY = "cards for this channel wait, and are parked after the retry time"
_REGISTRATION = ("tenant_id", "client_id", "cloud")
MONTH = 30
"""Days before its end from which on a secret is told."""
TEST = "Test card of ml-connector"


def destinations(connection: Connection) -> Mapping[str, Mapping[str, Any]]:
    return {name: each for name, each in connection.destinations.items() if each["type"] == "teams"}


def faults(at: Stack, connection: Connection, *, post: bool) -> tuple[list[Fault], list[str]]:
    """What is wrong, and what was found to be right. `post`: a test card is posted to each place and deleted."""
    wrong: list[Fault] = []
    right: list[str] = []
    seen: dict[str, str] = {}
    directory = directory_of(at, connection) if connection.microsoft else None
    for name, settings in destinations(connection).items():
        try:
            found = list(_credentials(at, connection, name, settings))
            if not found and directory and (channel := settings.get("channel_id")):
                # Graph shows a channel once a second, and several destinations may be the same one (8.1).
                seen[channel] = seen.get(channel) or _channel(directory, settings)
                right.append(f"{name}: {seen[channel]}")
            if not found and directory and settings.get("person"):
                right.append(f"{name}: {_person(directory, connection, settings['person'])}")
            if not found and not post and settings["transport"] == "workflows":
                right.append(f"{name}: address stored; whether posts arrive cannot be asked")
            if not found and post:
                right.append(f"{name}: {_posted(at, connection, name, settings)}")
        except NeedsAttention as error:
            kind = "microsoft.delegated" if settings["transport"] == "delegated" else "microsoft.bot"
            found = [(f"{name}: {error.reason}", _WHY, remedy(connection.name, kind, error.remedy))]
        except Undeliverable as error:
            found = [(f"{name}: {error.reason}", _WHY, _step(connection, settings, error.status))]
        except ConnectorError as error:
            found = [(f"{name}: {error}", "it may be down", "")]
        wrong += found
    deaf, listening = heard(at, connection)
    return [*wrong, *deaf, *_ending(connection)], right + listening


def _ending(connection: Connection) -> Iterator[Fault]:
    """A client secret or certificate that ends within MONTH, if the file says when: the alarm's own measure."""
    for days in days_of_secrets([connection], utc_now().date()).values():
        if days <= MONTH:
            what = f"the secret or certificate of the app registration ends in {days} days"
            yield (
                what if days >= 0 else "the secret or certificate of the app registration has ended",
                "from then on no card is posted: make a new one in Entra ID, store it, and put secret_ends right",
                f"mlc credentials set {connection.name} microsoft",
            )


def _credentials(at: Stack, connection: Connection, name: str, settings: Mapping[str, Any]) -> Iterator[Fault]:
    """What is stored, and whether Microsoft takes it."""
    set_microsoft = f"mlc credentials set {connection.name} microsoft"
    if settings["transport"] == "workflows":
        if not at.secrets.get(connection.name, "workflows", max_age=0.0).get(name):
            what = f"{name}: no address of a workflow is stored"
            yield what, _WHY, f"mlc credentials set {connection.name} workflows"
        return
    stored = at.secrets.get(connection.name, "microsoft", max_age=0.0)
    wanted = {"cloud": "global", **connection.microsoft}
    other = [key for key in _REGISTRATION if {"cloud": "global", **stored}.get(key) != wanted.get(key)]
    if stored and other:
        yield (
            f"{name}: credentials are stored for another {' and '.join(other)} than the file says",
            _WHY,
            set_microsoft,
        )
        return
    if settings["transport"] == "delegated":
        given = stored.get("delegated", {}).get("scopes", [])
        if lacking := sorted(set(scopes(connection)) - set(given)) if given else []:
            what = f"{name}: the service account signed in without {', '.join(lacking)}, which the file needs by now"
            yield what, _WHY, f"mlc auth microsoft {connection.name}"
            return
    kinds = {"bot": "microsoft.bot", "delegated": "microsoft.delegated"}
    at.tokens.access_token(connection.name, kinds.get(settings["transport"], "microsoft.graph"))


def _channel(directory: Directory, settings: Mapping[str, Any]) -> str:
    """Graph is asked whether the channel is there; an app that may not read it posts all the same."""
    try:
        channel = directory.channel(settings["team_id"], settings["channel_id"])
    except NeedsAttention:
        raise
    except Undeliverable as error:
        if error.status == 403:
            return "whether the channel is there cannot be seen: the app has no permission to read it"
        raise
    return f"channel {channel.name}" + (", which is archived" if channel.archived else "")


def _person(directory: Directory, connection: Connection, person: str) -> str:
    """Graph is asked whether the person has the app; a bot that may not see that writes to them all the same."""
    from ml_connector.vendors.microsoft.directory import person_home

    try:
        there = directory.installed(person_home(person), manifest_id(connection))
    except NeedsAttention:
        raise
    except Undeliverable as error:
        if error.status == 403:
            return "whether the app is there cannot be seen: the app lacks TeamsAppInstallation.ReadForUser.All"
        raise Undeliverable(f"there is no {person} in the tenant; put person right and apply", error.status) from error
    if not there:
        raise Undeliverable(f"the Teams app is not installed for {person}", 403)
    return f"{person} has the app"


def _step(connection: Connection, settings: Mapping[str, Any], status: int | None) -> str:
    """What to type about a refusal."""
    person = settings.get("person")
    if person:
        return f"mlc teams install {connection.name} --person {person}" if status == 403 else ""
    return f"mlc teams {'install' if status == 403 else 'channels'} {connection.name}"


def _posted(at: Stack, connection: Connection, name: str, settings: Mapping[str, Any]) -> str:
    from ml_connector.destinations import Registry, Toolbox
    from ml_connector.destinations.teams.transports import post
    from ml_connector.vendors import microsoft

    if settings["transport"] not in ("bot", "delegated", "workflows"):
        return "a test card cannot be taken back there, so none was posted"
    tools = Toolbox(at.http, at.tokens, at.secrets, utc_now, at.limiter)
    request = post(connection, name, _card(connection.name), TEST, TEST)
    receipt = Registry(tools).destination(connection, name).send(request)
    if settings["transport"] == "workflows":
        return "the workflow took a test card; it cannot be taken back, delete it in the channel"
    cloud = cloud_of(connection.microsoft)
    http = at.http(hosts(cloud))
    if settings["transport"] == "bot":
        url = microsoft.activity_url(receipt.thread_id, receipt.external_id, cloud)
        microsoft.BotConnector(http, at.tokens).call(connection.name, "DELETE", url, None)
        return "a test card was posted and deleted"
    if not settings["edits"]:
        return "a test card was posted; the account may not delete it, so delete it in the channel"
    place = (settings["team_id"], settings["channel_id"], receipt.external_id)
    url = f"{microsoft.messages_url(cloud, *place)}/softDelete"
    microsoft.Graph(http, at.tokens, cloud, "microsoft.delegated").post(connection.name, "POST", url, {})
    return "a test card was posted and deleted"


def _card(connection: str) -> dict[str, Any]:
    text = f"{TEST} ({connection}): it works."
    return {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.5",
        "fallbackText": text,
        "body": [{"type": "TextBlock", "id": "ml-connector-test", "text": text, "wrap": True}],
    }
