"""The Bot Connector's side of people: rosters, and a chat of the bot with each person (contracts: microsoft-teams 2).

A chat is a Channel with a `person` and no team.
"""

from __future__ import annotations

import hashlib
from typing import Any

from sandbox.vendors.wire import Call
from sandbox.vendors.world import Channel, MicrosoftToken, MicrosoftUser, Team, World


def roster_id(token: MicrosoftToken, user: MicrosoftUser) -> str:
    """By which this bot knows a person; another bot knows them by another."""
    return f"29:1{hashlib.sha256(f'{token.client_id}/{user.user_id}'.encode()).hexdigest()[:48]}"


def person(world: World, token: MicrosoftToken, member: str) -> MicrosoftUser | None:
    """Of a roster id, or of an object id where these are taken."""
    takes_object_ids = not world.microsoft.apps[token.tenant_id, token.client_id].roster_ids_only
    for user in world.microsoft.users.values():
        known = {roster_id(token, user), *({user.user_id.lower()} if takes_object_ids else ())}
        if user.tenant_id == token.tenant_id and (member in known or member.lower() in known):
            return user
    return None


def chat(world: World, token: MicrosoftToken, user: MicrosoftUser) -> Channel:
    """The one chat of this bot with this person."""
    key = f"a:1{hashlib.sha256(f'{user.user_id}/{token.client_id}'.encode()).hexdigest()[:40]}"
    return world.microsoft.channels.setdefault(
        key, Channel(key, "", user.tenant_id, user.name, [token.client_id], person=user.user_id)
    )


def refused(world: World, token: MicrosoftToken, user: MicrosoftUser) -> tuple[str, str] | None:
    """Code and message of why the bot may not write to the person; None if it may."""
    if token.client_id not in user.installed:
        return "ForbiddenOperationException", "Bot is not installed in user's personal scope."
    if user.blocks_bots:
        return "ConversationBlockedByUser", "User blocked the conversation with the bot."
    return None


def members(world: World, call: Call, token: MicrosoftToken, team: Team) -> dict[str, Any]:
    """A page of a team's roster: 200 of them, or 50 to 500 as `pageSize` says."""
    size, start = call.param("pageSize") or "200", call.param("continuationToken") or "0"
    count = min(max(int(size) if size.isdigit() else 200, 50), 500)
    at = int(start) if start.isdigit() else 0
    users = [world.microsoft.users[key] for key in team.members if key in world.microsoft.users]
    page = [
        {
            "id": roster_id(token, user),
            "aadObjectId": user.user_id,
            "objectId": user.user_id,
            "name": user.name,
            "userPrincipalName": user.upn,
            "tenantId": user.tenant_id,
        }
        for user in users[at : at + count]
    ]
    return {"members": page} | ({"continuationToken": str(at + count)} if at + count < len(users) else {})
