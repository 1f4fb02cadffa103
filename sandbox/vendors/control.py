"""The control API under `/_control/`: look into the world, sow it, play the bookkeeper, cause trouble.

Not part of any vendor. JSON in, JSON out; 400 with `error` for a bad call, 404 for an unknown thing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from typing import Any

from sandbox.vendors import (
    cards,
    control_graph,
    control_monday,
    control_zoho,
    graph_notifications,
    monday_webhooks,
    zoho_webhooks,
)
from sandbox.vendors.faults import Fault
from sandbox.vendors.wire import Answer, Call, reply
from sandbox.vendors.world import Channel, Message, World, iso

PREFIX = "_control"


def handle(world: World, call: Call) -> Answer:
    """One control call."""
    try:
        body = json.loads(call.body) if call.body else {}
        if not isinstance(body, dict):
            raise TypeError("the body must be an object")
        content = _route(world, call, body)
        zoho_webhooks.settle(world)
        monday_webhooks.settle(world)
        graph_notifications.settle(world)
    except (KeyError, TypeError, ValueError) as error:
        known = isinstance(error, KeyError)
        return reply(404 if known else 400, {"error": f"{type(error).__name__}: {error}"})
    return reply(200, content)


def _route(world: World, call: Call, body: dict[str, Any]) -> Any:
    match (call.method, *call.path):
        case ("GET", "health"):
            return {"ok": True, "now": iso(world.clock.now())}
        case ("GET", "requests"):
            return _locked(world, lambda: _requests(world, call))
        case ("GET", "secrets"):
            return _locked(world, lambda: {"secrets": sorted(world.secrets)})
        case ("POST", "reset"):
            return _quietly(world, lambda: world.reset(empty=bool(body.get("empty"))))
        case ("POST", "seed"):
            return _quietly(world, lambda: world.sow(body))
        case ("POST", "clock"):
            return _locked(world, lambda: _clock(world, body))
        case ("POST", "limits"):
            return _locked(world, lambda: _limits(world, body))
        case ("GET", "faults"):
            return _locked(world, lambda: {"faults": [asdict(one) for one in world.faults.rules]})
        case ("POST", "faults"):
            return _locked(world, lambda: _faults(world, body))
        case ("DELETE", "faults"):
            return _quietly(world, world.faults.rules.clear)
        case ("GET", "teams", "channels"):
            return _locked(world, lambda: {"channels": [_channel(one) for one in world.microsoft.channels.values()]})
        case ("GET", "teams", "channels", key, "messages"):
            return _locked(world, lambda: _messages(world, world.microsoft.channels[key]))
        case ("GET", "teams", "channels", key, "history"):
            return _locked(world, lambda: {one.id: one.history for one in world.microsoft.channels[key].messages})
        case ("PATCH", "teams", "channels", key):
            return _locked(world, lambda: _rename(world, world.microsoft.channels[key], body))
        case ("PATCH", "teams", "apps", tenant, client):
            return _locked(world, lambda: _change(world.microsoft.apps[tenant, client], body, *_APP))
        case ("PATCH", "teams", "users", key):
            return _locked(world, lambda: _change(world.microsoft.users[key], body, *_USER))
        case ("POST", "teams", "revoke"):
            return _locked(world, lambda: _revoke(world))
        case ("GET", "teams", "notifications"):
            return _locked(world, lambda: {"notifications": world.microsoft.notifications})
        case (_, "teams" | "graph", *_):
            return _locked(world, lambda: control_graph.route(world, call.method, call.path, body))
        case (_, "monday", *rest):
            return control_monday.route(world, call.method, rest, body)
        case (_, "zoho" | "zoho-user" | "zoho-clients", *_):
            return control_zoho.route(world, call.method, call.path, body)
    raise KeyError("no such control call")


_USER = ("enabled", "blocked", "upn", "installed", "blocks_bots")
_CHANNEL = ("installed", "blocked_by_admin", "migration", "archived", "name")
_APP = (
    "secrets", "certificates", "redirect_uris", "granted", "graph_roles", "enabled", "bot", "cloud", "roster_ids_only",
)  # fmt: skip


def _revoke(world: World) -> dict[str, Any]:
    """An administrator ends all sign-ins: refresh tokens are dead, access tokens live on until they end."""
    for token in world.microsoft.refresh_tokens.values():
        token.revoked = True
    return {"ok": True, "revoked": len(world.microsoft.refresh_tokens)}


def _locked(world: World, work: Callable[[], Any]) -> Any:
    with world.lock:
        return work()


def _quietly(world: World, work: Callable[[], None]) -> dict[str, Any]:
    with world.lock:
        work()
    return {"ok": True}


# --- the world --------------------------------------------------------------------------------------------------


def _requests(world: World, call: Call) -> dict[str, Any]:
    """`?vendor=` and `?since=n` narrow the list."""
    vendor, since = call.param("vendor"), int(call.param("since") or 0)
    shown = [one for one in world.requests if vendor in (None, "", one["vendor"]) and one["n"] > since]
    return {"served": world.served, "requests": shown}


def _clock(world: World, body: Mapping[str, Any]) -> dict[str, Any]:
    world.clock.advance(float(body.get("advance", 0)))
    return {"ok": True, "now": iso(world.clock.now())}


def _limits(world: World, body: Mapping[str, Any]) -> dict[str, Any]:
    """`{"zoho": false, "bot": false}` switches rate limits off, true on; also `graph`, `workflows`, `monday`."""
    for vendor, on in body.items():
        if vendor not in ("zoho", "bot", "graph", "workflows", "monday"):
            raise ValueError(f"no limits are known of {vendor}")
        (world.unlimited.discard if on else world.unlimited.add)(vendor)
    return {"off": sorted(world.unlimited)}


def _faults(world: World, body: Mapping[str, Any]) -> dict[str, Any]:
    """One rule, or `rules` with several; added behind those in force."""
    rules = [Fault(**rule) for rule in body.get("rules", [body])]
    world.faults.rules += rules
    return {"ok": True, "faults": len(world.faults.rules)}


def _change(thing: Any, body: Mapping[str, Any], *names: str) -> dict[str, Any]:
    known = {one.name for one in fields(thing)} & set(names)
    if set(body) - known:
        raise ValueError(f"may be changed: {', '.join(sorted(known))}")
    for name, value in body.items():
        setattr(thing, name, value)
    return {"ok": True}


# --- Teams ------------------------------------------------------------------------------------------------------


def _channel(channel: Channel) -> dict[str, Any]:
    return {
        "channel_id": channel.channel_id,
        "team_id": channel.team_id,
        "tenant_id": channel.tenant_id,
        "name": channel.name,
        "person": channel.person,
        "deleted": channel.deleted,
        "installed": channel.installed,
        "messages": len(channel.messages),
    }


def _messages(world: World, channel: Channel) -> dict[str, Any]:
    """Root posts in order, each with its replies; beside them the run history of the channel's workflows."""
    roots = [_message(world, one) for one in channel.messages if one.id == one.thread]
    by_id = {one["id"]: one for one in roots}
    for message in channel.messages:
        if message.id != message.thread and message.thread in by_id:
            by_id[message.thread]["replies"].append(_message(world, message))
    runs = [run for one in world.microsoft.workflows if one.channel_id == channel.channel_id for run in one.runs]
    return {"channel": _channel(channel), "messages": roots, "workflow_runs": runs}


def _rename(world: World, channel: Channel, body: Mapping[str, Any]) -> dict[str, Any]:
    """An administrator changes something of a channel; a new name is told to who has subscribed."""
    before = channel.name
    changed = _change(channel, body, *_CHANNEL)
    if channel.name != before:
        graph_notifications.channel_changed(world, channel, "updated")
    return changed


def _message(world: World, message: Message) -> dict[str, Any]:
    """`from` is bot, workflows or person; of a person `by` is the name."""
    user = world.microsoft.users.get(message.sender)
    return {
        "id": message.id,
        "from": "workflows" if message.sender == "workflows" else "person" if user else "bot",
        "by": user.name if user else "",
        "at": iso(message.at),
        "text": message.text,
        "summary": message.summary,
        "card": message.card,
        "card_bytes": message.size,
        "over_28_kb": message.size > cards.PREFERRED_BYTES,
        "edits": message.edits,
        "edited_at": iso(message.edited_at) if message.edited_at else None,
        "deleted": message.deleted,
        "replies": [],
    }
