"""Messages through Graph: as a person, into a channel that is being imported into, or into activity feeds.

contracts: microsoft-teams 0 (facts 1 and 2), 1.1, 1.4 (people), 1.5 (activity feeds), 4 (the body), 8.1 and 8.3.
"""

from __future__ import annotations

import json
import math
import re
from datetime import datetime
from typing import Any
from urllib.parse import quote

from sandbox.vendors import cards
from sandbox.vendors.bot_connector import CARD, add_message
from sandbox.vendors.limits import SlidingWindow
from sandbox.vendors.wire import Answer, Call, Refusal, reply
from sandbox.vendors.world import Channel, Message, MicrosoftToken, World, iso

_MOST_BYTES = 28 * 1024
_SEND = ("ChannelMessage.Send", "Group.ReadWrite.All")
_EDIT = ("ChannelMessage.ReadWrite",)
_MIGRATE = "Teamwork.Migrate.All"
_NOTIFY = ("TeamsActivity.Send.User", "TeamsActivity.Send")
_TEAMS_LINK = re.compile(r"https://([a-z]+\.)?teams\.microsoft(online)?\.(com|us|cn)/l/")
_GOVERNED = ("gcch", "dod", "china")  # where messages cannot be changed


def refusal(world: World, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Refusal:
    inner = {"date": iso(world.clock.now())[:-1], "request-id": world.guid(), "client-request-id": world.guid()}
    return Refusal(reply(status, {"error": {"code": code, "message": message, "innerError": inner}}, headers))


def need(world: World, token: MicrosoftToken, roles: tuple[str, ...]) -> None:
    if not set(roles) & {*token.roles, *token.scopes}:
        text = (
            f"Missing role permissions on the request. API requires one of '{', '.join(roles)}'."
            f" Roles on the request '{', '.join(token.roles)}'."
        )
        raise refusal(world, 403, "Forbidden", text)


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
        datetime.fromisoformat(str(body.get("createdDateTime")))
    except ValueError:
        raise refusal(world, 400, "BadRequest", "createdDateTime is missing or malformed.") from None
    if not isinstance(user, dict) or not user.get("id") or user.get("userIdentityType") != "aadUser":
        raise refusal(world, 400, "BadRequest", "from.user with id and userIdentityType is missing.")
    if body.get("attachments"):
        raise refusal(world, 400, "BadRequest", "Cards cannot be imported.")
    return _added(world, channel, str(user["id"]), body, root)


def _added(world: World, channel: Channel, sender: str, body: dict[str, Any], root: str) -> Answer:
    thread = _message(world, channel, root).thread if root else ""
    html, card, attachment = _content(world, body)
    message = add_message(world, channel, sender, "", "", card, thread)
    message.html, message.attachment = html, attachment
    message.text = "" if card else re.sub(r"<[^>]+>", " ", html)
    return reply(201, view(channel, message))


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
    try:
        body = json.loads(call.body) if call.content_type == "application/json" else None
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise refusal(world, 400, "BadRequest", "Unable to read JSON request payload.")
    return body


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


# --- reading ----------------------------------------------------------------------------------------------------


def listed(world: World, call: Call, channel: Channel) -> Answer:
    """Root posts, newest first; `$top` 1 to 50 (20), `$expand=replies`, `$skiptoken` of the next link."""
    return _page(world, call, channel, [one for one in channel.messages if one.id == one.thread][::-1])


def replies(world: World, call: Call, channel: Channel, root: str) -> Answer:
    """Of a post, newest first."""
    found = [one for one in channel.messages if one.thread == root and one.id != root][::-1]
    if not any(one.id == root for one in channel.messages):
        raise refusal(world, 404, "NotFound", f"MessageNotFound-Message {root} does not exist.")
    return _page(world, call, channel, found)


def _page(world: World, call: Call, channel: Channel, found: list[Message]) -> Answer:
    top, skip = call.param("$top") or "20", call.param("$skiptoken") or "0"
    if not top.isdigit() or not 1 <= int(top) <= 50 or not skip.isdigit():
        raise refusal(world, 400, "BadRequest", "Invalid value for $top.")
    page = found[int(skip) : int(skip) + int(top)]
    value = []
    for one in page:
        shown = view(channel, one)
        if call.param("$expand") == "replies":
            below = [other for other in channel.messages if other.thread == one.id and other.id != one.id][::-1]
            shown["replies"] = [view(channel, other) for other in below]
        value.append(shown)
    content: dict[str, Any] = {"@odata.count": len(value), "value": value}
    if len(found) > int(skip) + len(page):
        path = call.target.partition("?")[0]
        content["@odata.nextLink"] = f"https://{call.host}{path}?$top={top}&$skiptoken={int(skip) + len(page)}"
    return reply(200, content)


def view(channel: Channel, message: Message) -> dict[str, Any]:
    shown = message.card is not None and not message.deleted
    attachment = {
        "id": message.attachment, "contentType": CARD, "contentUrl": None, "content": json.dumps(message.card),
    }  # fmt: skip
    address = f"{quote(channel.channel_id, safe='')}/{message.id}?groupId={channel.team_id}"
    text = message.html or (f'<attachment id="{message.attachment}"></attachment>' if shown else message.text)
    bot = {"application": {"id": message.sender, "applicationIdentityType": "bot"}}
    person = {"user": {"id": message.sender, "userIdentityType": "aadUser"}}
    return {
        "id": message.id,
        "replyToId": None if message.id == message.thread else message.thread,
        "messageType": "message",
        "createdDateTime": iso(message.at),
        "lastModifiedDateTime": iso(message.edited_at or message.at),
        "deletedDateTime": iso(message.at) if message.deleted else None,
        "summary": message.summary or None,
        "webUrl": f"https://teams.microsoft.com/l/message/{address}&tenantId={channel.tenant_id}"
        f"&createdTime={message.id}&parentMessageId={message.thread}",
        "from": person if message.html else bot,
        "body": {"contentType": "html", "content": "" if message.deleted else text},
        "channelIdentity": {"teamId": channel.team_id, "channelId": channel.channel_id},
        "attachments": [attachment] if shown else [],
    }


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
        if not any(
            token.client_id in one.installed and one.team_id in teams for one in world.microsoft.channels.values()
        ):
            raise refusal(world, 403, "Forbidden", "The application with the associated manifest is not installed.")
        world.microsoft.notifications.append({"user_id": found.user_id, "at": iso(world.clock.now()), **body})
    return Answer(204 if user else 202)
