"""Change notifications of Microsoft Graph (contracts: microsoft-teams 7.2 to 7.6).

They are not signed. Two things prove that one is ours: the path's token, which only Graph was told, and a client state
that Graph repeats in every item. That is `<slot>.<HMAC>`: the slot stands for the resource that is watched, so an item
is known to belong to its resource without a look at any table, and a state of one channel is worth nothing for another.

Nothing but ids is taken from a notification: whoever carries it reads what there is now.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from ml_connector.connections import Endpoint
from ml_connector.errors import InboundRejected
from ml_connector.events import Delivery, Event, Version
from ml_connector.sources import Inbound

MESSAGE, CHANNEL, LIFECYCLE, RESYNC = "teams_message", "teams_channel", "graph_lifecycle", "graph_resync"
"""Modules of the events that come of it; who carries them is said in bootstrap."""
LIFECYCLE_EVENTS = ("reauthorizationRequired", "subscriptionRemoved", "missed")
MAX_BODY = 1024 * 1024
MAX_TOKEN = 2048
MAX_ID = 200
"""Characters of any id that is taken from outside."""
STORM = 100
"""Messages of one call above which their channels are read instead: that is fewer calls, and Graph waits for seconds
only until all is queued (7.4)."""

# Both forms are in use: teams('1')/channels('2') and teams/1/channels/2. An id is no path, and nothing but ASCII.
_ID = r"[\w:@=+~%-][\w:@=+~%.-]*"
_PART = rf"(?:\('({_ID})'\)|/({_ID}))"
_RESOURCE = re.compile(
    rf"/?teams{_PART}/channels(?:{_PART}(?:/messages(?:{_PART}(?:/replies{_PART})?)?)?)?\Z", re.IGNORECASE | re.ASCII
)


class Place(NamedTuple):
    """What an item is about; "" for what is not in it."""

    team: str
    channel: str = ""
    root: str = ""
    message: str = ""


def place_of(resource: str) -> Place | None:
    """Reads a resource's path; None if it is none that we watch."""
    found = _RESOURCE.match(resource) if len(resource) < 5 * MAX_ID else None
    if not found:
        return None
    quoted, plain = found.groups()[::2], found.groups()[1::2]
    return Place(*(one or other or "" for one, other in zip(quoted, plain, strict=True)))


def messages_of(team: str, channel: str) -> str:
    """What is subscribed to for a channel's messages (7.1)."""
    return f"/teams/{team}/channels/{channel}/messages"


def channels_of(team: str) -> str:
    """What is subscribed to for a team's channels (7.1)."""
    return f"/teams/{team}/channels"


def slot_of(resource: str) -> str:
    """A short name of a watched resource, however its path is written."""
    return hashlib.sha256(resource.strip("/").lower().encode()).hexdigest()[:16]


def client_state(key: str, slot: str) -> str:
    """At most 128 characters, as Graph wants it."""
    return f"{slot}.{hmac.new(key.encode(), slot.encode(), hashlib.sha256).hexdigest()}"


def handshake(query: str) -> str | None:
    """The token of a validation call, decoded (7.2); None if it is none. Raises InboundRejected."""
    try:
        tokens = parse_qs(query, keep_blank_values=True, errors="strict", max_num_fields=20).get("validationToken")
    except ValueError as error:
        raise InboundRejected(400, "query_unreadable") from error
    if not tokens:
        return None
    if not 0 < len(tokens[0]) <= MAX_TOKEN:
        raise InboundRejected(400, "validation_token")
    return tokens[0]


def translate(
    call: Inbound, endpoint: Endpoint, key: str, *, received_at: str, correlation_id: str
) -> tuple[tuple[Delivery, ...], int]:
    """What is to be looked at, each once, and how many items were dropped because they are not ours.

    Raises InboundRejected(400 or 413) for what is no notification at all.
    """
    if len(call.body) > MAX_BODY:
        raise InboundRejected(413, "body_too_large")
    try:
        data = json.loads(call.body)
    except (ValueError, RecursionError) as error:
        raise InboundRejected(400, "body_unreadable", str(error)[:200]) from error
    items = data.get("value") if isinstance(data, dict) else None
    if not isinstance(items, list):
        raise InboundRejected(400, "body_unreadable", "the body holds no list of items")
    found: dict[str, Delivery] = {}
    dropped = 0
    for item in items:
        slot = _slot(item, key)
        if not slot:
            dropped += 1
            continue
        for delivery in _deliveries(item, slot, endpoint.connection, received_at, correlation_id):
            found[delivery.id] = delivery
    return tuple(_calmed(found.values())), dropped


def _calmed(deliveries: Collection[Delivery]) -> Iterator[Delivery]:
    """The same; where there are too many messages, a look through each of their channels in place of them."""
    messages = [each for each in deliveries if each.event.module == MESSAGE]
    if len(messages) <= STORM:
        yield from deliveries
        return
    yield from (each for each in deliveries if each.event.module != MESSAGE)
    for delivery in {each.destination: each for each in messages}.values():
        event = delivery.event
        place = {name: str((event.payload or {})[name]) for name in ("team", "channel")}
        slot, version = slot_of(messages_of(**place)), Version("", event.received_at)
        look = replace(event, module=RESYNC, record_id=slot, action="look", version=version, payload=place)
        yield replace(delivery, event=look)


def _text(item: Mapping[str, Any], name: str) -> str:
    value = item.get(name)
    return value if isinstance(value, str) else ""


def _slot(item: Any, key: str) -> str:
    """Which of our subscriptions an item belongs to; "" if to none."""
    if not isinstance(item, dict):
        return ""
    state = _text(item, "clientState")
    if not state.isascii():
        return ""
    slot = state.partition(".")[0]
    return slot if hmac.compare_digest(state, client_state(key, slot)) else ""


def _deliveries(
    item: Mapping[str, Any], slot: str, connection: str, received_at: str, correlation_id: str
) -> Iterator[Delivery]:
    """None or one."""

    def about(module: str, identity: str, action: str, where: str, payload: Mapping[str, str], when: str) -> Delivery:
        # The same item again is the same message to SQS for five minutes.
        told = json.dumps([_text(item, "subscriptionId"), _text(item, "id"), payload, when])
        version = Version("", hashlib.sha256(told.encode()).hexdigest()[:16])
        event = Event(connection, module, identity, action, version, "graph", received_at, correlation_id, payload)
        return Delivery(event, where)

    subscription = _text(item, "subscriptionId")[:MAX_ID]
    lifecycle = item.get("lifecycleEvent")
    if lifecycle in LIFECYCLE_EVENTS:
        yield about(LIFECYCLE, slot, str(lifecycle), slot, {"subscription": subscription}, "")
        return
    place, change = place_of(_text(item, "resource")), item.get("changeType")
    if place is None or any(len(each) > MAX_ID for each in place) or change not in ("created", "updated", "deleted"):
        return
    team, channel, root, message = place
    # Posts are not asked about: nobody acknowledges a record by a new thread. Nor is a reply that is changed a new one.
    if message and change == "created" and slot == slot_of(messages_of(team, channel)):
        yield about(MESSAGE, message, change, channel, place._asdict(), "")
    elif channel and not root and slot == slot_of(channels_of(team)):
        # What changes twice within SQS's five minutes is looked at twice: the first look may be over.
        yield about(CHANNEL, channel, str(change), channel, {"team": team, "channel": channel}, received_at)
