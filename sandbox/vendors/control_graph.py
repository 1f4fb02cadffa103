"""The control API's part for Graph: people in channels, administrators of them, notifications and their trouble."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sandbox.vendors.bot_connector import add_message
from sandbox.vendors.default_world import MICROSOFT_BOSS
from sandbox.vendors.graph_notifications import channel_changed, expire, lifecycle, message_changed, remove
from sandbox.vendors.world import Channel, Message, MicrosoftUser, World, iso


def route(world: World, method: str, path: tuple[str, ...], body: dict[str, Any]) -> Any:
    """Calls below `teams/channels/{id}` that change something, and below `graph/`. Call with the lock held."""
    match (method, *path):
        case ("POST", "teams", "channels", key, "messages"):
            return {"id": _say(world, world.microsoft.channels[key], "", body).id}
        case ("POST", "teams", "channels", key, "messages", root, "replies"):
            channel = world.microsoft.channels[key]
            return {"id": _say(world, channel, _message(channel, root).thread, body).id}
        case ("PATCH", "teams", "channels", key, "messages", number):
            return _edit(world, world.microsoft.channels[key], number, body)
        case ("DELETE", "teams", "channels", key, "messages", number):
            channel = world.microsoft.channels[key]
            message = _message(channel, number)
            message.deleted = True
            message_changed(world, channel, message, "deleted")
            return {"ok": True}
        case ("POST", "teams", "channels", key, "delete"):
            return _turn(world, world.microsoft.channels[key], deleted=True)
        case ("POST", "teams", "channels", key, "restore"):
            return _turn(world, world.microsoft.channels[key], deleted=False)
        case ("GET", "graph", "subscriptions"):
            expire(world)
            return {"subscriptions": [one.shown for one in world.microsoft.subscriptions.values()]}
        case ("DELETE", "graph", "subscriptions", key):
            remove(world, world.microsoft.subscriptions[key])
            return {"ok": True}
        case ("POST", "graph", "subscriptions", key, "lifecycle"):
            lifecycle(world, world.microsoft.subscriptions[key], str(body.get("event", "")))
            return {"ok": True}
        case ("PATCH", "graph", "notifying"):
            return _trouble(world, body)
        case ("GET", "graph", "notifications"):
            notices = [*world.microsoft.notifying.sent, *world.microsoft.notifying.outbox]
            return {"notifications": [_notice(one) for one in sorted(notices, key=lambda one: one.at)]}
        case ("POST", "graph", "settle"):
            return {"ok": True}  # every control call ends with it
    raise KeyError("no such control call")


def _say(world: World, channel: Channel, root: str, body: Mapping[str, Any]) -> Message:
    """A person writes: `text`, and who: `user_id` with `name`, or somebody known."""
    user_id = str(body.get("user_id") or MICROSOFT_BOSS)
    if body.get("name"):
        users = world.microsoft.users
        upn = f"{user_id}@{channel.tenant_id}.example"
        users.setdefault(user_id, MicrosoftUser(user_id, channel.tenant_id, "", upn)).name = str(body["name"])
    if user_id not in world.microsoft.users:
        raise ValueError(f"nobody knows the user {user_id!r}: give a name too")
    return add_message(world, channel, user_id, str(body["text"]), "", None, root)


def _message(channel: Channel, number: str) -> Message:
    return {one.id: one for one in channel.messages}[number]


def _edit(world: World, channel: Channel, number: str, body: Mapping[str, Any]) -> dict[str, Any]:
    message = _message(channel, number)
    message.text, message.edits, message.edited_at = str(body["text"]), message.edits + 1, world.clock.now()
    message_changed(world, channel, message, "updated")
    return {"ok": True}


def _turn(world: World, channel: Channel, *, deleted: bool) -> dict[str, Any]:
    """Deleted, or restored; what Graph calls a restored channel is not documented: `updated` here."""
    if channel.deleted != deleted:
        channel.deleted = deleted
        channel_changed(world, channel, "deleted" if deleted else "updated")
    return {"ok": True}


def _trouble(world: World, body: Mapping[str, Any]) -> dict[str, Any]:
    known = ("lose", "copies", "delay", "reorder")
    if set(body) - set(known):
        raise ValueError(f"may be changed: {', '.join(known)}")
    for name, value in body.items():
        setattr(world.microsoft.notifying, name, value)
    return {"ok": True}


def _notice(one: Any) -> dict[str, Any]:
    """Without address and clientState: both are secrets."""
    shown = asdict(one)
    item = shown.pop("item")
    del shown["url"]
    about = {name: item[name] for name in ("changeType", "resource", "lifecycleEvent") if name in item}
    return {**shown, "at": iso(one.at), "due": iso(one.due), **about}
