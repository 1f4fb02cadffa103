"""Microsoft Graph: who calls, and where to; teams, channels and the Teams app.

contracts: microsoft-teams 0 (facts 1, 2, 6), 3 (reads), 8.1 and 8.3 (limits, errors). Messages are written in
graph_messages and read in graph_reading, subscriptions are in graph_subscriptions.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from sandbox.vendors import graph_apps, graph_messages, graph_reading, graph_subscriptions
from sandbox.vendors.entra import token_of
from sandbox.vendors.graph_notifications import READ_CHANNELS, READ_MESSAGES
from sandbox.vendors.graph_refusals import need, refusal
from sandbox.vendors.graph_subscriptions import READ_TEAM
from sandbox.vendors.microsoft_clouds import CLOUDS, GRAPHS
from sandbox.vendors.wire import Answer, Call, Refusal, reply
from sandbox.vendors.world import Channel, MicrosoftToken, World

HOSTS = GRAPHS


def handle(world: World, call: Call) -> Answer:
    """`/v1.0/...` with a Graph token; a bot token is refused. The caller's `client-request-id` comes back."""
    try:
        answer = _route(world, call)
    except Refusal as refused:
        answer = refused.answer
    then = answer.then
    if then is not None:
        answer.then = lambda: _identified(world, call, _settled(then))
        return answer
    return _identified(world, call, answer)


def _settled(then: Callable[[], Answer]) -> Answer:
    try:
        return then()
    except Refusal as refused:
        return refused.answer


def _identified(world: World, call: Call, answer: Answer) -> Answer:
    """Both ids are in the headers, and in the body of a refusal (8.3)."""
    known = json.loads(answer.body)["error"]["innerError"] if answer.status >= 400 and answer.body else {}
    own, theirs = known.get("request-id") or world.guid(), call.headers.get("client-request-id")
    answer.headers |= {"request-id": own, "client-request-id": theirs or own}
    if known:
        content = json.loads(answer.body)
        content["error"]["innerError"]["client-request-id"] = theirs or own
        answer.body = json.dumps(content).encode()
    return answer


def _route(world: World, call: Call) -> Answer:
    if call.path[:1] != ("v1.0",):
        raise refusal(world, 404, "UnknownError", "404 page not found")
    token = _authorise(world, call)
    answer = _by_subject(world, call, token)
    if answer is None:
        raise refusal(world, 404, "UnknownError", "404 page not found")
    return answer


def _by_subject(world: World, call: Call, token: MicrosoftToken) -> Answer | None:
    match (call.method, *call.path[1:]):
        case (_, "subscriptions", *_):
            return graph_subscriptions.handle(world, call, token)
        case (method, "teams", team, "channels", channel, "messages", *rest):
            place = _channel(world, token, team, channel)
            if method != "GET":
                return graph_messages.change(world, call, token, place, tuple(rest))
            need(world, token, READ_MESSAGES, place.team_id)
            return _messages(world, call, token, place, tuple(rest))
        case ("GET", "teams"):
            need(world, token, READ_TEAM[1:])
            teams = [one for one in world.microsoft.teams.values() if one.tenant_id == token.tenant_id]
            return reply(200, {"value": [{"id": one.team_id, "displayName": one.name} for one in teams]})
        case ("GET", "teams", team):
            need(world, token, READ_TEAM, team)
            found = world.microsoft.teams[_team(world, token, team)]
            return reply(200, {"id": team, "displayName": found.name, "internalId": found.thread_id})
        case ("GET", "appCatalogs", "teamsApps"):
            return graph_apps.catalogue(world, call, token)
        case ("GET" | "POST", "teams", team, "installedApps"):
            return graph_apps.in_team(world, call, token, _team(world, token, team))
        case ("GET" | "POST", "users", user, "teamwork", "installedApps"):
            return graph_apps.for_person(world, call, token, user)
        case ("GET", "users", user):
            return graph_apps.user(world, token, user)
        case ("POST", "users", user, "teamwork", "sendActivityNotification"):
            return graph_messages.notify(world, call, token, user)
        case ("POST", "teamwork", "sendActivityNotificationToRecipients"):
            return graph_messages.notify(world, call, token, "")
        case ("GET", "teams", team, "channels"):
            need(world, token, READ_CHANNELS, team)
            _team(world, token, team)
            there = [one for one in world.microsoft.channels.values() if one.team_id == team and not one.deleted]
            return reply(200, {"value": [_channel_view(one) for one in there]})
        case ("GET", "teams", team, "channels", channel):
            need(world, token, READ_CHANNELS, team)
            place = _channel(world, token, team, channel)
            graph_reading.throttle(world, token, channel=place, what="channel", per_second=30)
            return reply(200, _channel_view(place))
    return None


def _messages(
    world: World, call: Call, token: MicrosoftToken, channel: Channel, rest: tuple[str, ...]
) -> Answer | None:
    """All reads of messages share one limit (8.1)."""
    graph_reading.throttle(world, token, channel=channel, what="messages", per_second=20)
    match rest:
        case ():
            return graph_reading.listed(world, call, channel)
        case ("delta",) | ("microsoft.graph.delta()",):
            return graph_reading.delta(world, call, channel)
        case (key,):
            return graph_reading.one(world, channel, key, key)
        case (root, "replies"):
            return graph_reading.replies(world, call, channel, root)
        case (root, "replies", key):
            return graph_reading.one(world, channel, key, root)
    return None


def _authorise(world: World, call: Call) -> MicrosoftToken:
    if not call.bearer():
        raise refusal(world, 401, "InvalidAuthenticationToken", "Access token is empty.")
    token = token_of(world, call)
    if token is None:
        text = "Access token has expired or is not yet valid."
        raise refusal(world, 401, "InvalidAuthenticationToken", text)
    app = world.microsoft.apps[token.tenant_id, token.client_id]
    if token.audience != "graph" or CLOUDS[app.cloud].graph != call.host:
        text = "Access token validation failure. Invalid audience."
        raise refusal(world, 401, "InvalidAuthenticationToken", text)
    return token


def _team(world: World, token: MicrosoftToken, team_id: str) -> str:
    team = world.microsoft.teams.get(team_id)
    if team is None or team.tenant_id != token.tenant_id:
        raise refusal(world, 404, "NotFound", f"No team found with Group Id {team_id}")
    return team.team_id


def _channel(world: World, token: MicrosoftToken, team_id: str, channel_id: str) -> Channel:
    channel = world.microsoft.channels.get(channel_id)
    if channel is None or channel.deleted or channel.team_id != _team(world, token, team_id):
        raise refusal(world, 404, "NotFound", f"No threadId found for TeamId {team_id}")
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
