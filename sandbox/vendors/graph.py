"""Microsoft Graph: subscriptions, teams and channels, and messages of people; an app alone is refused.

contracts: microsoft-teams 0 (facts 1, 2, 6), 3 (reads), 7.1 and 7.5 (subscriptions), 8.1 and 8.3 (limits, errors).
Messages are in graph_messages.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

from sandbox.vendors import graph_messages
from sandbox.vendors.entra import token_of
from sandbox.vendors.graph_messages import need, refusal
from sandbox.vendors.microsoft_clouds import CLOUDS, GRAPHS
from sandbox.vendors.wire import Answer, Call, reply
from sandbox.vendors.world import Channel, MicrosoftToken, World

HOSTS = GRAPHS
_MOST_MINUTES, _LEAST_MINUTES, _PLAIN_MINUTES = 4320, 45, 60
_READ_MESSAGES = ("ChannelMessage.Read.Group", "ChannelMessage.Read.All")
_READ_CHANNELS = ("ChannelSettings.Read.Group", "Channel.ReadBasic.All")
_INSTALL = ("TeamsAppInstallation.ReadWriteAndConsentSelfForTeam.All",)
_READ_TEAM = ("TeamSettings.Read.Group", "Team.ReadBasic.All")
_RESOURCES = (
    (re.compile(r"/?teams/(?P<team>[^/]+)/channels/(?P<channel>[^/]+)/messages(\?.*)?"), _READ_MESSAGES),
    (re.compile(r"/?teams/getAllMessages"), _READ_MESSAGES[1:]),
    (re.compile(r"/?teams/(?P<team>[^/]+)/channels"), _READ_CHANNELS),
    (re.compile(r"/?teams/getAllChannels"), _READ_CHANNELS[1:]),
    (re.compile(r"/?teams/(?P<team>[^/]+)"), _READ_TEAM),
    (re.compile(r"/?teams"), _READ_TEAM[1:]),
)


_no, _need = refusal, need


def handle(world: World, call: Call) -> Answer:
    """`/v1.0/...` with a Graph token; a bot token is refused."""
    if call.path[:1] != ("v1.0",):
        raise _no(world, 404, "UnknownError", "404 page not found")
    token = _authorise(world, call)
    _expire(world)
    match (call.method, *call.path[1:]):
        case ("POST", "subscriptions"):
            return _subscribe(world, call, token)
        case ("GET", "subscriptions"):
            own = [one for one in world.microsoft.subscriptions.values() if one["applicationId"] == token.client_id]
            return reply(200, {"value": own})
        case ("GET", "subscriptions", key):
            return reply(200, _subscription(world, token, key))
        case ("PATCH", "subscriptions", key):
            return _renew(world, call, _subscription(world, token, key))
        case ("POST", "subscriptions", key, "reauthorize"):
            _subscription(world, token, key)
            return Answer(204)
        case ("DELETE", "subscriptions", key):
            del world.microsoft.subscriptions[_subscription(world, token, key)["id"]]
            return Answer(204)
        case ("GET", "teams"):
            _need(world, token, _READ_TEAM[1:])
            teams = [one for one in world.microsoft.teams.values() if one.tenant_id == token.tenant_id]
            return reply(200, {"value": [{"id": one.team_id, "displayName": one.name} for one in teams]})
        case ("GET", "teams", team):
            _need(world, token, _READ_TEAM)
            return reply(200, {"id": team, "displayName": world.microsoft.teams[_team(world, token, team)].name})
        case ("GET", "appCatalogs", "teamsApps"):
            _need(world, token, ("AppCatalog.Read.All",))
            return reply(200, {"value": _catalogued(world, call)})
        case ("GET", "teams", team, "installedApps"):
            _need(world, token, ("TeamsAppInstallation.Read.Group", *_INSTALL))
            return reply(200, {"value": _installed(world, call, _team(world, token, team))})
        case ("POST", "teams", team, "installedApps"):
            _need(world, token, _INSTALL)
            return _install(world, call, _team(world, token, team))
        case ("POST", "users", user, "teamwork", "sendActivityNotification"):
            return graph_messages.notify(world, call, token, user)
        case ("POST", "teamwork", "sendActivityNotificationToRecipients"):
            return graph_messages.notify(world, call, token, "")
        case (method, "teams", team, "channels", channel, "messages", *rest) if method != "GET":
            place = _channel(world, token, team, channel)
            return graph_messages.change(world, call, token, place, tuple(rest))
        case ("GET", "teams", team, "channels", channel, "messages", root, "replies"):
            _need(world, token, _READ_MESSAGES)
            return graph_messages.replies(world, call, _channel(world, token, team, channel), root)
        case ("GET", "teams", team, "channels"):
            _need(world, token, _READ_CHANNELS)
            channels = [one for one in world.microsoft.channels.values() if one.team_id == _team(world, token, team)]
            return reply(200, {"value": [_channel_view(one) for one in channels]})
        case ("GET", "teams", team, "channels", channel):
            _need(world, token, _READ_CHANNELS)
            return reply(200, _channel_view(_channel(world, token, team, channel)))
        case ("GET", "teams", team, "channels", channel, "messages"):
            _need(world, token, _READ_MESSAGES)
            return graph_messages.listed(world, call, _channel(world, token, team, channel))
    raise _no(world, 404, "UnknownError", "404 page not found")


def _authorise(world: World, call: Call) -> MicrosoftToken:
    if not call.bearer():
        raise _no(world, 401, "InvalidAuthenticationToken", "Access token is empty.")
    token = token_of(world, call)
    if token is None:
        text = "Access token has expired or is not yet valid."
        raise _no(world, 401, "InvalidAuthenticationToken", text)
    app = world.microsoft.apps[token.tenant_id, token.client_id]
    if token.audience != "graph" or CLOUDS[app.cloud].graph != call.host:
        text = "Access token validation failure. Invalid audience."
        raise _no(world, 401, "InvalidAuthenticationToken", text)
    return token


def _team(world: World, token: MicrosoftToken, team_id: str) -> str:
    team = world.microsoft.teams.get(team_id)
    if team is None or team.tenant_id != token.tenant_id:
        raise _no(world, 404, "NotFound", f"No team found with Group Id {team_id}")
    return team.team_id


def _channel(world: World, token: MicrosoftToken, team_id: str, channel_id: str) -> Channel:
    channel = world.microsoft.channels.get(channel_id)
    if channel is None or channel.team_id != _team(world, token, team_id):
        raise _no(world, 404, "NotFound", f"No threadId found for TeamId {team_id}")
    return channel


def _channel_view(channel: Channel) -> dict[str, Any]:
    return {
        "id": channel.channel_id,
        "displayName": channel.name,
        "description": "",
        "membershipType": "standard",
        "isArchived": False,
        "tenantId": channel.tenant_id,
        "webUrl": f"https://teams.microsoft.com/l/channel/{quote(channel.channel_id, safe='')}/{quote(channel.name)}",
    }


# --- the Teams app ----------------------------------------------------------------------------------------------

_FILTER = re.compile(r"(?:teamsApp/)?externalId eq '([^']+)'")


def _wanted(world: World, call: Call) -> str:
    match = _FILTER.fullmatch(call.param("$filter") or "")
    if match is None:
        raise _no(world, 400, "BadRequest", "Invalid filter clause.")
    return match[1]


def _catalogued(world: World, call: Call) -> list[dict[str, str]]:
    app = world.microsoft.catalogue.get(_wanted(world, call))
    return [{"id": app["id"], "externalId": app["external_id"], "displayName": "Books alerts"}] if app else []


def _channels(world: World, team_id: str) -> list[Channel]:
    return [one for one in world.microsoft.channels.values() if one.team_id == team_id]


def _installed(world: World, call: Call, team_id: str) -> list[dict[str, Any]]:
    app = world.microsoft.catalogue.get(_wanted(world, call))
    there = app and any(app["client_id"] in one.installed for one in _channels(world, team_id))
    return [{"id": world.guid(), "teamsApp": {"externalId": app["external_id"]}}] if app and there else []


def _install(world: World, call: Call, team_id: str) -> Answer:
    """Of an uploaded app; one with resource-specific permissions wants each of them agreed to."""
    wanted = _object(world, call)
    key = str(wanted.get("teamsApp@odata.bind", "")).rpartition("/")[2]
    app = next((one for one in world.microsoft.catalogue.values() if one["id"] == key), None)
    if app is None:
        raise _no(world, 404, "NotFound", "The app is not in the catalogue.")
    given = wanted.get("consentedPermissionSet")
    permissions = given.get("resourceSpecificPermissions") if isinstance(given, dict) else None
    if not permissions or not all(isinstance(one, dict) and one.get("permissionValue") for one in permissions):
        raise _no(world, 400, "BadRequest", "The app has resource-specific permissions; consent is missing.")
    if any(app["client_id"] in one.installed for one in _channels(world, team_id)):
        raise _no(world, 409, "Conflict", "The app is already installed.")
    for channel in _channels(world, team_id):
        channel.installed.append(app["client_id"])
    return Answer(201)


# --- subscriptions ----------------------------------------------------------------------------------------------


def _expire(world: World) -> None:
    now = world.clock.now()
    for key, one in list(world.microsoft.subscriptions.items()):
        if _moment(one["expirationDateTime"]) <= now:
            del world.microsoft.subscriptions[key]


def _moment(text: str) -> float:
    """Accepts the 7 digits of a second that Graph writes; raises ValueError."""
    cut = re.sub(r"(\.\d{6})\d+", r"\1", text)
    at = datetime.fromisoformat(cut)
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _object(world: World, call: Call) -> dict[str, Any]:
    try:
        body = json.loads(call.body) if call.content_type == "application/json" else None
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise _no(world, 400, "BadRequest", "Unable to read JSON request payload.")
    return body


def _expiry(world: World, wanted: Any) -> tuple[str, float]:
    """The expiry Graph keeps, and the minutes asked for; under 45 minutes is silently raised."""
    try:
        at = _moment(wanted)
    except (TypeError, ValueError):
        raise _no(world, 400, "InvalidRequest", "expirationDateTime is not a valid date and time.") from None
    minutes = (at - world.clock.now()) / 60
    if minutes <= 0:
        raise _no(world, 400, "InvalidRequest", "Subscription expiration must be in the future.")
    if minutes > _MOST_MINUTES:
        text = f"Subscription expiration can only be {_MOST_MINUTES} minutes in the future."
        raise _no(world, 400, "InvalidRequest", text)
    kept = max(at, world.clock.now() + _LEAST_MINUTES * 60)
    return datetime.fromtimestamp(kept, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f0Z"), minutes


def _url(world: World, wanted: dict[str, Any], name: str) -> None:
    parts = urlsplit(str(wanted[name]))
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost"):  # the sandbox's own endpoint
        raise _no(world, 400, "InvalidRequest", f"{name} must be an https URL.")


def _subscribe(world: World, call: Call, token: MicrosoftToken) -> Answer:
    wanted = _object(world, call)
    for name in ("changeType", "notificationUrl", "resource", "expirationDateTime"):
        if not isinstance(wanted.get(name), str) or not wanted[name]:
            raise _no(world, 400, "InvalidRequest", f"{name} is a required property for subscription creation.")
    if not set(wanted["changeType"].split(",")) <= {"created", "updated", "deleted"}:
        raise _no(world, 400, "InvalidRequest", "changeType must be of created, updated, deleted.")
    expiry, minutes = _expiry(world, wanted["expirationDateTime"])
    if minutes > _PLAIN_MINUTES and not wanted.get("lifecycleNotificationUrl"):
        text = (
            "lifecycleNotificationUrl is a required property for subscription creation on this resource when the"
            " expirationDateTime value is set to greater than 1 hour."
        )
        raise _no(world, 400, "InvalidRequest", text)
    for name in ("notificationUrl", "lifecycleNotificationUrl"):
        if wanted.get(name):
            _url(world, wanted, name)
    state = wanted.get("clientState")
    if state is not None and (not isinstance(state, str) or len(state) > 128):
        raise _no(world, 400, "InvalidRequest", "clientState must be a string of at most 128 characters.")
    if wanted.get("includeResourceData") and not wanted.get("encryptionCertificate"):
        text = "encryptionCertificate is required when includeResourceData is true."
        raise _no(world, 400, "InvalidRequest", text)
    _resource(world, token, wanted["resource"])
    for one in world.microsoft.subscriptions.values():
        if (one["applicationId"], one["resource"]) == (token.client_id, wanted["resource"]):
            text = "Subscription operation failed: the limit of 1 subscription per app and resource is reached."
            raise _no(world, 403, "Forbidden", text)
    kept = {
        "id": world.guid(),
        "resource": wanted["resource"],
        "applicationId": token.client_id,
        "changeType": wanted["changeType"],
        "clientState": state,
        "notificationUrl": wanted["notificationUrl"],
        "lifecycleNotificationUrl": wanted.get("lifecycleNotificationUrl"),
        "expirationDateTime": expiry,
        "creatorId": token.client_id,
        "includeResourceData": wanted.get("includeResourceData"),
        "latestSupportedTlsVersion": wanted.get("latestSupportedTlsVersion", "v1_2"),
    }
    world.microsoft.subscriptions[str(kept["id"])] = kept
    return reply(201, kept)


def _resource(world: World, token: MicrosoftToken, resource: str) -> None:
    for pattern, roles in _RESOURCES:
        match = pattern.fullmatch(resource)
        if match:
            _need(world, token, roles)
            parts = match.groupdict()
            if parts.get("channel"):
                _channel(world, token, parts["team"] or "", parts["channel"] or "")
            elif parts.get("team"):
                _team(world, token, parts["team"] or "")
            return
    raise _no(world, 400, "InvalidRequest", f"Resource '{resource}' is not supported.")


def _subscription(world: World, token: MicrosoftToken, key: str) -> dict[str, Any]:
    kept = world.microsoft.subscriptions.get(key)
    if kept is None or kept["applicationId"] != token.client_id:
        raise _no(world, 404, "ResourceNotFound", "The object was not found.")
    return kept


def _renew(world: World, call: Call, kept: dict[str, Any]) -> Answer:
    """`expirationDateTime` and `notificationUrl` only; the lifecycle URL can never be added."""
    wanted = _object(world, call)
    if not wanted or set(wanted) - {"expirationDateTime", "notificationUrl"}:
        text = "Only expirationDateTime and notificationUrl can be changed."
        raise _no(world, 400, "InvalidRequest", text)
    if "expirationDateTime" in wanted:
        expiry, minutes = _expiry(world, wanted["expirationDateTime"])
        if minutes > _PLAIN_MINUTES and not kept["lifecycleNotificationUrl"]:
            raise _no(world, 400, "InvalidRequest", "Without lifecycleNotificationUrl the most is 1 hour.")
        kept["expirationDateTime"] = expiry
    if "notificationUrl" in wanted:
        _url(world, wanted, "notificationUrl")
        kept["notificationUrl"] = wanted["notificationUrl"]
    return reply(200, kept)
