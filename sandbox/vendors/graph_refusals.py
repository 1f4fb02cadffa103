"""How Graph says no, and who may do what (contracts: microsoft-teams 8.3)."""

from __future__ import annotations

import json
from typing import Any

from sandbox.vendors.wire import Call, Refusal, reply
from sandbox.vendors.world import MicrosoftToken, World, iso


def refusal(world: World, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Refusal:
    """The body of 8.3, to which graph.handle adds the caller's own id."""
    inner = {"date": iso(world.clock.now())[:-1], "request-id": world.guid()}
    return Refusal(reply(status, {"error": {"code": code, "message": message, "innerError": inner}}, headers))


def need(world: World, token: MicrosoftToken, roles: tuple[str, ...], team_id: str = "") -> None:
    """One of `roles`; a resource-specific one (`....Group`) counts in a team only that has the app."""
    if not may(world, token.client_id, {*token.roles, *token.scopes}, roles, team_id):
        text = (
            f"Missing role permissions on the request. API requires one of '{', '.join(roles)}'."
            f" Roles on the request '{', '.join(token.roles)}'."
        )
        raise refusal(world, 403, "Forbidden", text)


def may(world: World, client_id: str, given: set[str], roles: tuple[str, ...], team_id: str = "") -> bool:
    """As `need`, for who is not calling just now."""
    channels = [one for one in world.microsoft.channels.values() if team_id and one.team_id == team_id]
    there = any(client_id in one.installed for one in channels)
    return any(role in given and (there or not role.endswith(".Group")) for role in roles)


def body_of(world: World, call: Call) -> dict[str, Any]:
    """A call's JSON object."""
    try:
        body = json.loads(call.body) if call.content_type == "application/json" else None
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise refusal(world, 400, "BadRequest", "Unable to read JSON request payload.")
    return body
