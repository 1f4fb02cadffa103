"""The Teams Bot Connector: posts, replies, edits and deletions with a bot token.

contracts: microsoft-teams 1.2.3 (post), 1.2.4 (reply, edit, delete), 1.2.5 (errors), 1.2.6 (limits), 2 (people).
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from sandbox.vendors import cards, personal_chats
from sandbox.vendors.entra import token_of
from sandbox.vendors.graph_notifications import message_changed
from sandbox.vendors.limits import SlidingWindow
from sandbox.vendors.microsoft_clouds import CLOUDS, SERVICES
from sandbox.vendors.wire import Answer, Call, Refusal, reply
from sandbox.vendors.world import Channel, Message, MicrosoftToken, World

HOSTS = SERVICES
CARD = "application/vnd.microsoft.card.adaptive"
_MOST_BYTES = 100 * 1024  # as UTF-16
_PER_BOT = ((7, 1), (8, 2), (60, 30), (1800, 3600))
_ALL_BOTS = ((14, 1), (16, 2))
_PER_TENANT = ((50, 1),)
_REGIONS = ("amer", "emea", "apac", "in", "uk", "de", "fr", "ch", "ca", "au")


def handle(world: World, call: Call) -> Answer:
    """`{service URL}/v3/...`; every answer carries MS-CV."""
    try:
        answer = _route(world, call)
    except Refusal as refusal:
        answer = refusal.answer
    answer.headers["MS-CV"] = f"{world.opaque(22)}.0"
    return answer


def _no(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Refusal:
    return Refusal(reply(status, {"error": {"code": code, "message": message}}, headers))


def _route(world: World, call: Call) -> Answer:
    path = call.path
    # https://smba.trafficmanager.net/teams/ or the regional form .../emea/{tenant}/ of received activities
    base = 1 if path[:1] == ("teams",) else 2 if path[:1] and path[0] in _REGIONS else 0
    if not base or path[base : base + 1] != ("v3",):
        return Answer(404)
    token = token_of(world, call)
    if token is None or token.audience != "bot":
        return reply(401, {"message": "Authorization has been denied for this request."})
    cloud = CLOUDS[world.microsoft.apps[token.tenant_id, token.client_id].cloud]
    if cloud.service != call.host:
        # Tokens of the global cloud and of GCC look alike; those of the others are strangers here.
        if cloud.name == "gcc":
            raise _no(403, "InvalidBotApiHost", "The tenant is served by another host.")
        return reply(401, {"message": "Authorization has been denied for this request."})
    if not world.microsoft.apps[token.tenant_id, token.client_id].bot:
        raise _no(401, "BotNotRegistered", "No bot is registered for this app id.")
    route = (call.method, *path[base + 1 :])
    match route:
        case ("POST", "conversations"):
            return _create(world, call, token)
        case ("POST", "conversations", conversation, "activities"):
            return _add(world, call, token, conversation)
        case ("PUT", "conversations", conversation, "activities", activity_id):
            return _edit(world, call, token, conversation, activity_id)
        case ("DELETE", "conversations", conversation, "activities", activity_id):
            channel, message = _own_message(world, token, conversation, activity_id)
            message.deleted = True
            message_changed(world, channel, message, "deleted")
            return Answer(200)
        case ("GET", "conversations", thread, "pagedmembers"):
            _team(world, token, thread)
            team = next(one for one in world.microsoft.teams.values() if one.thread_id == thread)
            return reply(200, personal_chats.members(world, call, token, team))
        case ("GET", "teams", thread):
            return reply(200, _team(world, token, thread)[0])
        case ("GET", "teams", thread, "conversations"):
            return reply(200, {"conversations": _team(world, token, thread)[1]})
    return Answer(405 if path[base + 1 : base + 2] == ("conversations",) else 404)


def _create(world: World, call: Call, token: MicrosoftToken) -> Answer:
    wanted = _body(call)
    if not wanted.get("tenantId"):
        raise _no(400, "BadSyntax", "Incorrect conversation creation parameters: tenantId is required.")
    if wanted["tenantId"] != token.tenant_id:
        raise _no(403, "NotEnoughPermissions", "The bot's token is of another tenant.")
    if wanted.get("isGroup") is not True:
        return _create_chat(world, token, wanted)
    if "activity" not in wanted:
        raise _no(400, "BadSyntax", "Incorrect conversation creation parameters: activity is required.")
    data = wanted.get("channelData")
    inner = data.get("channel") if isinstance(data, dict) else None
    channel_id = inner.get("id") if isinstance(inner, dict) else None
    if not isinstance(channel_id, str):
        raise _no(400, "BadSyntax", "Incorrect conversation creation parameters: channelData.channel.id.")
    channel = _channel(world, token, channel_id)
    message = _post(world, token, channel, wanted["activity"], "")
    return reply(201, {"id": f"{channel_id};messageid={message.id}", "activityId": message.id})


def _create_chat(world: World, token: MicrosoftToken, wanted: dict[str, Any]) -> Answer:
    """With one person, always the same; of a message that comes along the answer gives no id."""
    given = wanted.get("members")
    if not isinstance(given, list) or len(given) != 1 or not isinstance(given[0], dict) or not given[0].get("id"):
        raise _no(400, "BadSyntax", "Incorrect conversation creation parameters: members must hold exactly one member.")
    user = personal_chats.person(world, token, str(given[0]["id"]))
    if user is None:
        raise _no(400, "Bad Argument", "Invalid user identity in provided tenant.")
    chat = _channel(world, token, personal_chats.chat(world, token, user).channel_id)
    if "activity" in wanted:
        _post(world, token, chat, wanted["activity"], "")
    return reply(201, {"id": chat.channel_id})


def _add(world: World, call: Call, token: MicrosoftToken, conversation: str) -> Answer:
    """A reply into a thread, or without `;messageid=` a new post."""
    channel, root = _conversation(world, token, conversation)
    if root and not any(message.id == message.thread == root and not message.deleted for message in channel.messages):
        raise _no(404, "ActivityNotFoundInConversation", "The thread does not exist.")
    return reply(201, {"id": _post(world, token, channel, _body(call), root).id})


def _edit(world: World, call: Call, token: MicrosoftToken, conversation: str, activity_id: str) -> Answer:
    channel, message = _own_message(world, token, conversation, activity_id)
    message.text, message.summary, message.card = _content(_body(call))
    message.size = cards.size(message.card) if message.card else 0
    message.edits += 1
    message.history.append(message.card)
    message.edited_at = world.clock.now()
    message_changed(world, channel, message, "updated")
    return reply(200, {"id": message.id})


def _body(call: Call) -> dict[str, Any]:
    if call.content_type != "application/json":
        raise _no(400, "BadSyntax", "Content-Type must be application/json.")
    if not call.body.isascii() and not call.says_utf8:
        raise _no(400, "BadSyntax", "A body beyond ASCII needs Content-Type: application/json; charset=utf-8.")
    try:
        body = json.loads(call.body)
    except ValueError:
        raise _no(400, "BadSyntax", "The body is not JSON.") from None
    if not isinstance(body, dict):
        raise _no(400, "BadSyntax", "The body must be an object.")
    if len(call.body.decode().encode("utf-16-le")) > _MOST_BYTES:
        raise _no(413, "MessageSizeTooBig", "Message size too large.")
    return body


def _conversation(world: World, token: MicrosoftToken, conversation: str) -> tuple[Channel, str]:
    channel_id, suffix, root = conversation.partition(";messageid=")
    if suffix and not re.fullmatch(r"0*[1-9][0-9]*", root):
        raise _no(400, "BadSyntax", "messageid must be a number above zero.")
    channel = _channel(world, token, channel_id)
    if suffix and channel.person:
        raise _no(400, "BadSyntax", "A chat with a person has no threads.")
    return channel, root


def _channel(world: World, token: MicrosoftToken, channel_id: str) -> Channel:
    """The channel the bot may write to, after counting the call."""
    channel = world.microsoft.channels.get(channel_id)
    if channel is None or channel.deleted or channel.tenant_id != token.tenant_id:
        raise _no(404, "ConversationNotFound", "Conversation not found.")
    if channel.blocked_by_admin:
        raise _no(403, "BotDisabledByAdmin", "The tenant admin disabled this bot.")
    if channel.person:
        if trouble := personal_chats.refused(world, token, world.microsoft.users[channel.person]):
            raise _no(403, *trouble)
    elif token.client_id not in channel.installed:
        raise _no(403, "BotNotInConversationRoster", "The bot is not part of the conversation roster.")
    _throttle(world, token, channel)
    return channel


def _throttle(world: World, token: MicrosoftToken, channel: Channel) -> None:
    if "bot" in world.unlimited:
        return
    tenants, now = world.microsoft.tenant_windows, world.clock.now()
    windows = (
        channel.windows.setdefault(token.client_id, SlidingWindow(*_PER_BOT)),
        channel.windows.setdefault("*", SlidingWindow(*_ALL_BOTS)),
        tenants.setdefault(f"{token.tenant_id}/{token.client_id}", SlidingWindow(*_PER_TENANT)),
    )
    wait = max(window.wait(now) for window in windows)
    if wait:
        raise _no(429, "Throttled", "Too many requests.", {"Retry-After": str(max(1, math.ceil(wait)))})
    for window in windows:
        window.take(now)


def _content(activity: Any) -> tuple[str, str, dict[str, Any] | None]:
    """Text, summary and card of an activity; the card's `content` is an object here."""
    if not isinstance(activity, dict) or activity.get("type") != "message":
        raise _no(400, "Bad Argument", "activity.type must be message.")
    text, summary, attachments = (activity.get(key) for key in ("text", "summary", "attachments"))
    for name, value in (("text", text), ("summary", summary)):
        if value is not None and not isinstance(value, str):
            raise _no(400, "Bad Argument", f"activity.{name} must be a string.")
    if attachments is not None and not isinstance(attachments, list):
        raise _no(400, "Bad Argument", "activity.attachments must be a list.")
    if not text and not attachments:
        raise _no(400, "Bad Argument", "The activity has neither text nor attachments.")
    card = None
    for attachment in attachments or ():
        if not isinstance(attachment, dict) or attachment.get("contentType") != CARD:
            raise _no(400, "Bad Argument", f"attachments: contentType must be {CARD}.")
        card = attachment.get("content")
        found = cards.problems(card)
        if found:
            raise _no(400, "Bad Argument", f"Invalid Adaptive Card: {found[0]}")
    return text or "", summary or "", card


def _post(world: World, token: MicrosoftToken, channel: Channel, activity: Any, root: str) -> Message:
    text, summary, card = _content(activity)
    return add_message(world, channel, token.client_id, text, summary, card, root)


def add_message(
    world: World, channel: Channel, sender: str, text: str, summary: str, card: dict[str, Any] | None, root: str = ""
) -> Message:
    """Put a message into a channel; ids look like epoch milliseconds and always grow."""
    now = world.clock.now()
    number = max(int(now * 1000), world.microsoft.last_message_id + 1)
    world.microsoft.last_message_id = number
    size = cards.size(card) if card else 0
    message = Message(str(number), root or str(number), sender, now, text, summary, card, size, history=[card])
    channel.messages.append(message)
    message_changed(world, channel, message, "created")
    return message


def _own_message(world: World, token: MicrosoftToken, conversation: str, activity_id: str) -> tuple[Channel, Message]:
    channel, root = _conversation(world, token, conversation)
    for message in channel.messages:
        if message.id == activity_id and (message.thread == root or channel.person) and not message.deleted:
            if message.sender != token.client_id:
                raise _no(403, "NotEnoughPermissions", "Only the bot's own messages can be changed.")
            return channel, message
    raise _no(404, "ActivityNotFoundInConversation", "The activity does not exist in this conversation.")


def _team(world: World, token: MicrosoftToken, thread: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    team = next((one for one in world.microsoft.teams.values() if one.thread_id == thread), None)
    if team is None or team.tenant_id != token.tenant_id:
        raise _no(404, "ConversationNotFound", "Conversation not found.")
    channels = [one for one in world.microsoft.channels.values() if one.team_id == team.team_id]
    if not any(token.client_id in one.installed for one in channels):
        raise _no(403, "BotNotInConversationRoster", "The bot is not part of the conversation roster.")
    about = {"id": thread, "name": team.name, "aadGroupId": team.team_id, "channelCount": len(channels)}
    return about, [{"id": one.channel_id, "name": one.name} for one in channels]
