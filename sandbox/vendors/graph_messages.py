"""Messages through Graph: as a person, into a channel that is being imported into, or into activity feeds.

contracts: microsoft-teams 0 (facts 1 and 2), 1.1, 1.4 (people), 1.5 (activity feeds), 4 (the body), 8.1 and 8.3.
"""

from __future__ import annotations

import json
import math
import re
from datetime import datetime
from typing import Any

from sandbox.vendors import cards
from sandbox.vendors.bot_connector import CARD, add_message
from sandbox.vendors.graph_notifications import message_changed
from sandbox.vendors.graph_reading import view
from sandbox.vendors.graph_refusals import body_of, need, refusal
from sandbox.vendors.limits import SlidingWindow
from sandbox.vendors.wire import Answer, Call, reply
from sandbox.vendors.world import Channel, Message, MicrosoftToken, World, iso

_MOST_BYTES = 28 * 1024
_SEND = ("ChannelMessage.Send", "Group.ReadWrite.All")
_EDIT = ("ChannelMessage.ReadWrite",)
_MIGRATE = "Teamwork.Migrate.All"
_NOTIFY = ("TeamsActivity.Send.User", "TeamsActivity.Send")
_TEAMS_LINK = re.compile(r"https://([a-z]+\.)?teams\.microsoft(online)?\.(com|us|cn)/l/")
_GOVERNED = ("gcch", "dod", "china")  # where messages cannot be changed


# --- writing ----------------------------------------------------------------------------------------------------


def change(world: World, call: Call, token: MicrosoftToken, channel: Channel, rest: tuple[str, ...]) -> Answer:
    """POST of a message or a reply, PATCH or softDelete of one's own."""
    if channel.archived:
        raise refusal(world, 423, "Locked", "The team is archived.")
    match (call.method, *rest):
        case ("POST",):
            return _post(world, call, token, channel, "")
        case ("POST", root, "replies"):
            return _post(world, call, token, channel, root)
        case ("PATCH", key) | ("PATCH", _, "replies", key):
            return _edit(world, call, token, channel, _message(world, channel, key))
        case ("POST", key, "softDelete"):
            message = _own(world, token, _message(world, channel, key))
            message.deleted = True
            message_changed(world, channel, message, "deleted")
            return Answer(204)
    raise refusal(world, 404, "UnknownError", "404 page not found")


def _post(world: World, call: Call, token: MicrosoftToken, channel: Channel, root: str) -> Answer:
    if not token.user_id:
        return _import(world, call, token, channel, root)
    need(world, token, _SEND)
    if token.user_id not in world.microsoft.teams[channel.team_id].members:
        inner = '{"errorCode":209,"message":"AclCheckFailed"}'
        raise refusal(world, 403, "Forbidden", inner)
    _throttle(world, token, channel)
    body = _object(world, call)
    if "from" in body or "createdDateTime" in body:
        raise refusal(world, 400, "BadRequest", "from and createdDateTime can be set only when importing.")
    return _added(world, channel, token.user_id, body, root)


def _import(world: World, call: Call, token: MicrosoftToken, channel: Channel, root: str) -> Answer:
    """An app alone never posts but to import: 403 without the role, 401 with it (facts 1 and 2)."""
    need(world, token, (_MIGRATE,))
    if not channel.migration:
        text = "Message POST is allowed in application-only context only for import purposes."
        raise refusal(world, 401, "Unauthorized", text)
    _throttle(world, token, channel)
    body = _object(world, call)
    author = body.get("from")
    user = author.get("user") if isinstance(author, dict) else None
    try:
        at = datetime.fromisoformat(str(body.get("createdDateTime"))).timestamp()
    except ValueError:
        raise refusal(world, 400, "BadRequest", "createdDateTime is missing or malformed.") from None
    if not isinstance(user, dict) or not user.get("id") or user.get("userIdentityType") != "aadUser":
        raise refusal(world, 400, "BadRequest", "from.user with id and userIdentityType is missing.")
    if body.get("attachments"):
        raise refusal(world, 400, "BadRequest", "Cards cannot be imported.")
    return _added(world, channel, str(user["id"]), body, root, at)


def _added(
    world: World, channel: Channel, sender: str, body: dict[str, Any], root: str, at: float | None = None
) -> Answer:
    """`at`: the message's own time, of one that is imported."""
    thread = _message(world, channel, root).thread if root else ""
    html, card, attachment = _content(world, body)
    message = add_message(world, channel, sender, "", "", card, thread)
    message.html, message.attachment = html, attachment
    message.at = message.at if at is None else at
    message.text = "" if card else re.sub(r"<[^>]+>", " ", html)
    return reply(201, view(world, channel, message))


def _edit(world: World, call: Call, token: MicrosoftToken, channel: Channel, message: Message) -> Answer:
    app = world.microsoft.apps[token.tenant_id, token.client_id]
    if app.cloud in _GOVERNED:
        raise refusal(world, 405, "MethodNotAllowed", "Not available in this cloud.")
    _own(world, token, message)
    _throttle(world, token, channel)
    message.html, message.card, message.attachment = _content(world, _object(world, call))
    message.size = cards.size(message.card) if message.card else 0
    message.edits += 1
    message.history.append(message.card)
    message.edited_at = world.clock.now()
    message_changed(world, channel, message, "updated")
    return Answer(204)


def _message(world: World, channel: Channel, key: str) -> Message:
    found = next((one for one in channel.messages if one.id == key and not one.deleted), None)
    if found is None:
        raise refusal(world, 404, "NotFound", f"MessageNotFound-Message {key} does not exist.")
    return found


def _own(world: World, token: MicrosoftToken, message: Message) -> Message:
    need(world, token, _EDIT)
    if message.sender != token.user_id:
        raise refusal(world, 403, "Forbidden", "Only the sender may change a message.")
    return message


def _throttle(world: World, token: MicrosoftToken, channel: Channel) -> None:
    """One a second in a channel for the app, and four in a team (8.1)."""
    if "graph" in world.unlimited:
        return
    now, windows = world.clock.now(), world.microsoft.tenant_windows
    asked = (
        channel.windows.setdefault(f"graph/{token.client_id}", SlidingWindow((1, 1))),
        windows.setdefault(f"graph/{token.client_id}/{channel.team_id}", SlidingWindow((4, 1))),
    )
    wait = max(window.wait(now) for window in asked)
    if wait:
        after = {"Retry-After": str(max(1, math.ceil(wait)))}
        raise refusal(world, 429, "TooManyRequests", "Please retry again later.", after)
    for window in asked:
        window.take(now)


def _object(world: World, call: Call) -> dict[str, Any]:
    if len(call.body) > _MOST_BYTES:
        raise refusal(world, 413, "RequestEntityTooLarge", "The message is too large.")
    return body_of(world, call)


def _content(world: World, message: dict[str, Any]) -> tuple[str, dict[str, Any] | None, str]:
    """HTML, card and the id of its attachment; a card is a text here, and shown where its marker is (section 4)."""
    body = message.get("body")
    html = body.get("content") if isinstance(body, dict) else None
    if (
        not isinstance(body, dict)
        or not isinstance(html, str)
        or body.get("contentType", "text") not in ("text", "html")
    ):
        raise refusal(world, 400, "BadRequest", "body with content and contentType is missing.")
    card, identity = None, "card"
    for attachment in message.get("attachments") or ():
        if not isinstance(attachment, dict) or attachment.get("contentType") != CARD:
            raise refusal(world, 400, "BadRequest", f"attachments: contentType must be {CARD}.")
        if not isinstance(attachment.get("content"), str):
            raise refusal(world, 400, "BadRequest", "attachments: content must be a string.")
        identity = str(attachment.get("id") or "")
        if not identity or f'<attachment id="{identity}"></attachment>' not in html:
            raise refusal(world, 400, "BadRequest", "attachments: the body has no marker of this id.")
        try:
            card = json.loads(attachment["content"])
        except ValueError:
            raise refusal(world, 400, "BadRequest", "attachments: content is not JSON.") from None
        found = cards.problems(card)
        if found:
            raise refusal(world, 400, "BadRequest", f"Invalid Adaptive Card: {found[0]}")
    return html, card, identity


# --- activity feeds ---------------------------------------------------------------------------------------------


def notify(world: World, call: Call, token: MicrosoftToken, user: str) -> Answer:
    """To one person (204), or to those that the body names (202): no id in either answer."""
    need(world, token, _NOTIFY)
    body = _object(world, call)
    topic, preview = body.get("topic"), body.get("previewText")
    if not isinstance(topic, dict) or topic.get("source") not in ("text", "entityUrl") or not topic.get("value"):
        raise refusal(world, 400, "BadRequest", "topic is missing or wrong.")
    if topic["source"] == "text" and not _TEAMS_LINK.match(str(topic.get("webUrl", ""))):
        raise refusal(world, 400, "BadRequest", "topic.webUrl must be a Teams link.")
    if not isinstance(preview, dict) or not 0 < len(str(preview.get("content", ""))) <= 150:
        raise refusal(world, 400, "BadRequest", "previewText.content has 1 to 150 characters.")
    if body.get("activityType") != "systemDefault":
        raise refusal(world, 400, "BadRequest", "The activity type is not declared in the manifest.")
    if not any(one.get("name") == "systemDefaultText" for one in body.get("templateParameters") or ()):
        raise refusal(world, 400, "BadRequest", "templateParameters lack systemDefaultText.")
    if user:
        people = [user]
    else:
        people = [str(one.get("userId")) for one in body.get("recipients") or () if isinstance(one, dict)]
        if not 1 <= len(people) <= 100:
            raise refusal(world, 400, "BadRequest", "recipients: 1 to 100.")
    if "graph" not in world.unlimited:
        window = world.microsoft.tenant_windows.setdefault(
            f"activity/{token.client_id}/{not user}", SlidingWindow((5, 1) if user else (2, 1))
        )
        if wait := window.take(world.clock.now()):
            after = {"Retry-After": str(max(1, math.ceil(wait)))}
            raise refusal(world, 429, "TooManyRequests", "Please retry again later.", after)
    known = {one.user_id: one for one in world.microsoft.users.values() if one.tenant_id == token.tenant_id}
    by_name = {one.upn: one for one in known.values()} if user else {}
    for person in people:
        found = known.get(person) or by_name.get(person)
        if found is None:
            raise refusal(world, 404, "NotFound", f"User {person} does not exist.")
        teams = [one.team_id for one in world.microsoft.teams.values() if found.user_id in one.members]
        if token.client_id not in found.installed and not any(
            token.client_id in one.installed and one.team_id in teams for one in world.microsoft.channels.values()
        ):
            raise refusal(world, 403, "Forbidden", "The application with the associated manifest is not installed.")
        world.microsoft.notifications.append({"user_id": found.user_id, "at": iso(world.clock.now()), **body})
    return Answer(204 if user else 202)
