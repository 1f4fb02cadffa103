"""A channel's messages read through Graph: lists, single ones, and what has changed (delta).

contracts: microsoft-teams 3 (lists), 7.8 (delta), 8.1 (limits). Microsoft's page chatmessage-delta (v1.0) says: delta
gives posts without their replies, unless `$expand=replies` is asked for; `$top` is at most 50; the filter
`lastModifiedDateTime gt` looks at whole reply chains; it reaches eight months back; its links carry the parameters of
the first call. It knows no `$deltatoken=latest`. That a new reply brings its post into the next round follows from
"reply chain" there; where no filter is given it is [assumption].
"""

from __future__ import annotations

import base64
import json
import math
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from sandbox.vendors.bot_connector import CARD
from sandbox.vendors.graph_refusals import refusal
from sandbox.vendors.limits import SlidingWindow
from sandbox.vendors.wire import Answer, Call, reply
from sandbox.vendors.world import Channel, Message, MicrosoftToken, World

_MOST, _USUAL, _MOST_REPLIES = 50, 20, 1000
_EIGHT_MONTHS = 243 * 86_400
_FILTER = re.compile(r"lastModifiedDateTime gt (\S+)")


def throttle(world: World, token: MicrosoftToken, *, channel: Channel, what: str, per_second: int) -> None:
    """One such call a second per channel, `per_second` per tenant; refused calls count too (8.1, 8.2)."""
    if "graph" in world.unlimited:
        return
    now, owner = world.clock.now(), f"{what}/{token.tenant_id}/{token.client_id}"
    windows = (
        channel.windows.setdefault(owner, SlidingWindow((1, 1))),
        world.microsoft.tenant_windows.setdefault(owner, SlidingWindow((per_second, 1))),
    )
    wait = max(window.wait(now) for window in windows)
    for window in windows:
        window.count(now)
    if wait:
        after = {"Retry-After": str(max(1, math.ceil(wait)))}
        raise refusal(world, 429, "TooManyRequests", "Please retry again later.", after)


# --- lists ------------------------------------------------------------------------------------------------------


def listed(world: World, call: Call, channel: Channel) -> Answer:
    """Root posts, newest first; `$top` 1 to 50 (20), `$expand=replies`, `$skiptoken` of the next link."""
    return _page(world, call, channel, _roots(channel)[::-1])


def replies(world: World, call: Call, channel: Channel, root: str) -> Answer:
    """Of a post, newest first."""
    found(world, channel, root)
    return _page(world, call, channel, _below(channel, root))


def one(world: World, channel: Channel, key: str, root: str) -> Answer:
    """A post (`root` is then the same), or a reply below its root; what people deleted is there, without its text."""
    message = found(world, channel, key)
    if message.thread != root:
        raise _unknown(world, key)
    return reply(200, view(world, channel, message))


def found(world: World, channel: Channel, key: str) -> Message:
    message = next((one for one in channel.messages if one.id == key), None)
    if message is None:
        raise _unknown(world, key)
    return message


def _unknown(world: World, key: str) -> Exception:
    return refusal(world, 404, "NotFound", f"MessageNotFound-Message {key} does not exist.")


def _roots(channel: Channel) -> list[Message]:
    return [each for each in channel.messages if each.id == each.thread]


def _below(channel: Channel, root: str) -> list[Message]:
    return [each for each in channel.messages if each.thread == root and each.id != root][::-1]


def _top(world: World, call: Call) -> int:
    top = call.param("$top") or str(_USUAL)
    if not top.isdigit() or not 1 <= int(top) <= _MOST:
        raise refusal(world, 400, "BadRequest", "Invalid value for $top.")
    return int(top)


def _known(world: World, call: Call, *names: str) -> None:
    """Other OData parameters are refused, not overlooked."""
    for name, value in call.query:
        if name.startswith("$") and name not in names:
            raise refusal(world, 400, "BadRequest", f"Query option '{name}' is not allowed.")
        if name == "$expand" and value != "replies":
            raise refusal(world, 400, "BadRequest", f"Could not find a property named '{value}'.")


def _page(world: World, call: Call, channel: Channel, messages: list[Message]) -> Answer:
    _known(world, call, "$top", "$expand", "$skiptoken")
    top, skip = _top(world, call), call.param("$skiptoken") or "0"
    if not skip.isdigit():
        raise refusal(world, 400, "BadRequest", "Invalid value for $skiptoken.")
    expand, end = call.param("$expand") == "replies", int(skip) + top
    page = messages[int(skip) : end]
    content: dict[str, Any] = {
        "@odata.count": len(page),
        "value": [view(world, channel, each, expand=expand) for each in page],
    }
    if len(messages) > end:
        more = "&$expand=replies" if expand else ""
        content["@odata.nextLink"] = f"{_address(call)}?$top={top}{more}&$skiptoken={end}"
    return reply(200, content)


def _address(call: Call) -> str:
    return f"https://{call.host}{call.target.partition('?')[0]}"


# --- delta ------------------------------------------------------------------------------------------------------


def delta(world: World, call: Call, channel: Channel) -> Answer:
    """Posts of the threads that were touched, the longest ago first; a round ends with a deltaLink.

    What is touched while a round is read comes in the next one.
    """
    skip, again = call.param("$skiptoken"), call.param("$deltatoken")
    newest = world.microsoft.last_revision
    if skip is not None:
        state = _state(world, channel, skip)
    elif again is not None:
        state = _state(world, channel, again) | {"until": newest}
    else:
        _known(world, call, "$top", "$expand", "$filter")
        state = {
            "channel": channel.channel_id,
            "after": [-1, 0],
            "until": newest,
            "top": _top(world, call),
            "expand": call.param("$expand") == "replies",
            "since": _since(world, call.param("$filter")),
        }
    state["since"] = max(state["since"], world.clock.now() - _EIGHT_MONTHS)
    touched = sorted((_order(each), each) for each in _roots(channel))
    waiting = [
        (order, each)
        for order, each in touched
        if list(order) > state["after"] and order[0] <= state["until"] and _last_touched(channel, each) > state["since"]
    ]
    page = waiting[: state["top"]]
    content: dict[str, Any] = {
        "@odata.context": f"https://{call.host}/v1.0/$metadata#Collection(chatMessage)",
        "value": [view(world, channel, each, expand=state["expand"]) for _, each in page],
    }
    if len(waiting) > len(page):
        token = _token({**state, "after": list(page[-1][0])})
        content["@odata.nextLink"] = f"{_address(call)}?$skiptoken={token}"
    else:
        # A whole number is behind whatever carries it: ids of messages only tell those apart that carry none.
        token = _token({**state, "after": [state["until"], 10**18]})
        content["@odata.deltaLink"] = f"{_address(call)}?$deltatoken={token}"
    return reply(200, content)


def _order(root: Message) -> tuple[int, int]:
    return root.revision, int(root.id)


def _last_touched(channel: Channel, root: Message) -> float:
    return max(modified(each) for each in channel.messages if each.thread == root.id)


def _since(world: World, text: str | None) -> float:
    if not text:
        return 0.0
    match = _FILTER.fullmatch(text)
    try:
        at = datetime.fromisoformat(match[1]) if match else None
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise refusal(world, 400, "BadRequest", "Only lastModifiedDateTime with gt can be filtered by.")
    return at.timestamp()


def _token(state: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(state).encode()).decode().rstrip("=")


def _state(world: World, channel: Channel, token: str) -> dict[str, Any]:
    try:
        state = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except ValueError:
        state = None
    if not isinstance(state, dict) or state.get("channel") != channel.channel_id:
        raise refusal(world, 400, "BadRequest", "Parameter 'DeltaToken' not supported for this request.")
    return state


# --- one message ------------------------------------------------------------------------------------------------


def modified(message: Message) -> float:
    return max(at for at in (message.at, message.edited_at, message.deleted_at) if at is not None)


def view(world: World, channel: Channel, message: Message, *, expand: bool = False) -> dict[str, Any]:
    """The chatMessage as Graph shows it; `expand` with its replies, of which more than 1,000 are not shown."""
    shown = message.card is not None and not message.deleted
    attachment = {
        "id": message.attachment, "contentType": CARD, "contentUrl": None, "content": json.dumps(message.card),
    }  # fmt: skip
    address = f"{quote(channel.channel_id, safe='')}/{message.id}?groupId={channel.team_id}"
    text = message.html or (f'<attachment id="{message.attachment}"></attachment>' if shown else message.text)
    content = {
        "id": message.id,
        "replyToId": None if message.id == message.thread else message.thread,
        "etag": str(int(modified(message) * 1000)),
        "messageType": "message",
        "createdDateTime": _stamp(message.at),
        "lastModifiedDateTime": _stamp(modified(message)),
        "lastEditedDateTime": _stamp(message.edited_at) if message.edited_at else None,
        "deletedDateTime": _stamp(message.deleted_at or message.at) if message.deleted else None,
        "summary": message.summary or None,
        "webUrl": f"https://teams.microsoft.com/l/message/{address}&tenantId={channel.tenant_id}"
        f"&createdTime={message.id}&parentMessageId={message.thread}",
        "from": _sender(world, channel, message),
        "body": {"contentType": "html", "content": "" if message.deleted else text},
        "channelIdentity": {"teamId": channel.team_id, "channelId": channel.channel_id},
        "attachments": [attachment] if shown else [],
    }
    if expand:
        below = _below(channel, message.id)[:_MOST_REPLIES]
        content["replies"] = [view(world, channel, each) for each in below]
    return content


def _sender(world: World, channel: Channel, message: Message) -> dict[str, Any]:
    user = world.microsoft.users.get(message.sender)
    if user or message.html:
        person = {
            "id": message.sender,
            "displayName": user.name if user else None,
            "userIdentityType": "aadUser",
            "tenantId": channel.tenant_id,
        }
        return {"application": None, "device": None, "user": person}
    name = "Workflows" if message.sender == "workflows" else "Books alerts"
    app = {"id": message.sender, "displayName": name, "applicationIdentityType": "bot"}
    return {"application": app, "device": None, "user": None}


def _stamp(at: float) -> str:
    """`2026-11-22T08:00:00.123Z`."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
