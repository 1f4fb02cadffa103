"""Graph: the Teams app in the catalogue, in teams and for people; and who the people are.

contracts: microsoft-teams 1.2.1 (teams), 2 (people), 3 (users).
"""

from __future__ import annotations

import json
import re

from sandbox.vendors.graph_refusals import need, refusal
from sandbox.vendors.wire import Answer, Call, reply
from sandbox.vendors.world import Channel, MicrosoftToken, MicrosoftUser, World

_FOR_TEAM = "TeamsAppInstallation.ReadWriteAndConsentSelfForTeam.All"
_FOR_USER = "TeamsAppInstallation.ReadWriteAndConsentSelfForUser.All"
_READ_FOR_USER = ("TeamsAppInstallation.ReadForUser.All", "TeamsAppInstallation.ReadWriteSelfForUser.All", _FOR_USER)
_FILTER = re.compile(r"(?:teamsApp/)?externalId eq '([^']+)'")


def catalogue(world: World, call: Call, token: MicrosoftToken) -> Answer:
    need(world, token, ("AppCatalog.Read.All",))
    app = _filtered(world, call)
    found = {"id": app["id"], "externalId": app["external_id"], "displayName": "Books alerts"} if app else None
    return reply(200, {"value": [found] if found else []})


def in_team(world: World, call: Call, token: MicrosoftToken, team_id: str) -> Answer:
    """GET and POST of a team's apps."""
    channels = [one for one in world.microsoft.channels.values() if one.team_id == team_id]
    if call.method == "GET":
        need(world, token, ("TeamsAppInstallation.Read.Group", _FOR_TEAM), team_id)
        return _listed(world, call, channels)
    need(world, token, (_FOR_TEAM,))
    return _install(world, call, channels)


def for_person(world: World, call: Call, token: MicrosoftToken, key: str) -> Answer:
    """GET and POST of a person's apps."""
    need(world, token, _READ_FOR_USER if call.method == "GET" else (_FOR_USER,))
    person = _person(world, token, key)
    return _listed(world, call, [person]) if call.method == "GET" else _install(world, call, [person])


def user(world: World, token: MicrosoftToken, key: str) -> Answer:
    """Of an object id or an address."""
    need(world, token, ("User.ReadBasic.All", "User.Read.All"))
    found = _person(world, token, key)
    return reply(200, {"id": found.user_id, "displayName": found.name, "userPrincipalName": found.upn})


def _person(world: World, token: MicrosoftToken, key: str) -> MicrosoftUser:
    for one in world.microsoft.users.values():
        if one.tenant_id == token.tenant_id and key.lower() in (one.user_id.lower(), one.upn.lower()):
            return one
    raise refusal(world, 404, "Request_ResourceNotFound", f"Resource '{key}' does not exist.")


def _filtered(world: World, call: Call) -> dict[str, str] | None:
    match = _FILTER.fullmatch(call.param("$filter") or "")
    if match is None:
        raise refusal(world, 400, "BadRequest", "Invalid filter clause.")
    return world.microsoft.catalogue.get(match[1])


def _listed(world: World, call: Call, homes: list[Channel] | list[MicrosoftUser]) -> Answer:
    app = _filtered(world, call)
    there = app and any(app["client_id"] in one.installed for one in homes)
    return reply(
        200,
        {"value": [{"id": world.guid(), "teamsApp": {"externalId": app["external_id"]}}] if app and there else []},
    )


def _install(world: World, call: Call, homes: list[Channel] | list[MicrosoftUser]) -> Answer:
    """Of an uploaded app; one with resource-specific permissions wants each of them agreed to."""
    try:
        wanted = json.loads(call.body) if call.content_type == "application/json" else None
    except ValueError:
        wanted = None
    if not isinstance(wanted, dict):
        raise refusal(world, 400, "BadRequest", "Unable to read JSON request payload.")
    key = str(wanted.get("teamsApp@odata.bind", "")).rpartition("/")[2]
    app = next((one for one in world.microsoft.catalogue.values() if one["id"] == key), None)
    if app is None:
        raise refusal(world, 404, "NotFound", "The app is not in the catalogue.")
    given = wanted.get("consentedPermissionSet")
    permissions = given.get("resourceSpecificPermissions") if isinstance(given, dict) else None
    if not permissions or not all(isinstance(one, dict) and one.get("permissionValue") for one in permissions):
        raise refusal(world, 400, "BadRequest", "The app has resource-specific permissions; consent is missing.")
    if any(app["client_id"] in one.installed for one in homes):
        raise refusal(world, 409, "Conflict", "The app is already installed.")
    for home in homes:
        home.installed.append(app["client_id"])
    return Answer(201)
