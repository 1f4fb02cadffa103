"""Webhooks of monday.com (contracts: monday 7).

Nothing signs a body. What proves that a call is ours is the path's token, one for each connection and board, which only
monday was told; and where the webhook was made by an app that has a signing secret, a JWT as well, whose `aud` is that
very address. Nothing but a hint is taken from a call: whoever carries it reads the item (7.3, 7.5).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ml_connector.connections import Endpoint
from ml_connector.errors import InboundRejected
from ml_connector.events import Delivery, Event, Version
from ml_connector.sources import Inbound

ITEM = "monday_item"
"""Module of the events that come of it; who carries them is said in bootstrap."""
MAX_BODY = 256 * 1024
"""Bytes: the values of one item take 64 kB at most (3.3)."""
MAX_CHALLENGE = 512
MAX_TEXT = 255
LEEWAY = 60
"""Seconds between monday's clock and ours (7.3)."""
STATUS, GROUP, DELETED, ARCHIVED, RESTORED = "status", "group", "deleted", "archived", "restored"
_ACTIONS = {
    "update_column_value": STATUS,
    "move_pulse_into_group": GROUP,
    "delete_pulse": DELETED,
    "archive_pulse": ARCHIVED,
    "restore_pulse": RESTORED,
}
"""What is heard, by monday's names of events; all else is acknowledged and dropped (7.5)."""


def board_of(endpoint: Endpoint) -> str:
    """The board whose webhooks call an endpoint: its id is `monday.<board>`."""
    return endpoint.id.partition(".")[2]


def read(call: Inbound) -> Mapping[str, Any]:
    """The body. Raises InboundRejected(400 or 413)."""
    if len(call.body) > MAX_BODY:
        raise InboundRejected(413, "body_too_large")
    try:
        data = json.loads(call.body)
    except (ValueError, RecursionError) as error:
        raise InboundRejected(400, "body_unreadable", str(error)[:200]) from error
    if not isinstance(data, dict):
        raise InboundRejected(400, "body_unreadable", "the body is no object")
    return data


def challenge(data: Mapping[str, Any]) -> str | None:
    """The answer to a challenge, as JSON that repeats it and nothing else (7.2); None if it is none.

    Raises InboundRejected for one that is not as monday sends it.
    """
    if "challenge" not in data:
        return None
    text = data["challenge"]
    if "event" in data or not isinstance(text, str) or not 0 < len(text) <= MAX_CHALLENGE:
        raise InboundRejected(400, "challenge")
    return json.dumps({"challenge": text})


def verify(call: Inbound, secret: str, address: str, now: datetime) -> None:
    """Checks the JWT of a call to `address`, with or without `Bearer` (7.3). Raises InboundRejected(401)."""
    import jwt  # of those who call us, only monday needs it

    token = call.headers.get("authorization", "").strip()
    token = token[7:].strip() if token[:7].lower() == "bearer " else token
    if not token:
        raise InboundRejected(401, "signature_missing")
    # Times are compared with our own clock, below.
    options: Any = {"require": ["exp", "aud"], "verify_exp": False, "verify_iat": False, "verify_nbf": False}
    try:
        claims = jwt.decode(token, secret, algorithms=["HS256"], audience=address, options=options)
    except jwt.InvalidAudienceError as error:
        raise InboundRejected(401, "signature_audience", "the JWT is for another address") from error
    except jwt.InvalidTokenError as error:
        # Its words may repeat what the JWT holds, and that holds a token of monday's API.
        raise InboundRejected(401, "signature_wrong", type(error).__name__) from error
    ends = claims["exp"]
    if not isinstance(ends, int | float) or not math.isfinite(ends) or ends + LEEWAY < now.timestamp():
        raise InboundRejected(401, "signature_expired", "the JWT has ended")


def translate(data: Mapping[str, Any], endpoint: Endpoint, *, received_at: str, correlation_id: str) -> Delivery | None:
    """What is to be looked at; None for what concerns nobody. Raises InboundRejected(400) for what is no event.

    The payload's texts: `board`, `column`, `user` (monday's id), `at` (UTC), `to` and `before` as people see them, and
    `to_id`, the id of the label or group.
    """
    event = data.get("event")
    if not isinstance(event, dict) or not isinstance(event.get("type"), str):
        raise InboundRejected(400, "body_unreadable", "the body holds no event")
    board = board_of(endpoint)
    action = _ACTIONS.get(event["type"])
    item = _id(event.get("pulseId") or event.get("itemId"))
    if action is None or event.get("parentItemId"):
        return None
    if _id(event.get("boardId")) != board or not item:
        raise InboundRejected(400, "another_board", "the event is of another board than its address")
    payload = {
        "board": board,
        "column": _text(event.get("columnId")),
        "user": _id(event.get("userId")),
        "at": _when(event, received_at),
        **_values(event, action),
    }
    told = json.dumps([event.get("triggerUuid"), event["type"], item, payload], default=str)
    version = Version("", hashlib.sha256(told.encode()).hexdigest()[:16])
    found = Event(endpoint.connection, ITEM, item, action, version, "monday", received_at, correlation_id, payload)
    return Delivery(found, board)


def _values(event: Mapping[str, Any], action: str) -> dict[str, str]:
    if action == STATUS:
        (to, to_id), (before, _) = _label(event.get("value")), _label(event.get("previousValue"))
        return {"to": to, "to_id": to_id, "before": before}
    if action == GROUP:
        group = event.get("destGroup")
        title = group.get("title") if isinstance(group, dict) else ""
        return {
            "to": _text(title),
            "to_id": _text(event.get("destGroupId")),
            "before": _text(event.get("sourceGroupId")),
        }
    return {"to": action, "to_id": "", "before": ""}


def _label(value: Any) -> tuple[str, str]:
    """A status' text and the id of its label, which monday calls its index here; both "" for a cleared one (7.5)."""
    label = value.get("label") if isinstance(value, dict) else None
    if not isinstance(label, dict):
        return "", ""
    return _text(label.get("text")), _id(label.get("index"))


def _when(event: Mapping[str, Any], otherwise: str) -> str:
    """When it was, in whole seconds: two webhooks that tell of one change agree in that."""
    changed = event.get("changedAt")
    try:
        if isinstance(changed, int | float):
            moment = datetime.fromtimestamp(changed, UTC)
        else:
            moment = datetime.fromisoformat(str(event.get("triggerTime")))
        # isoformat, because it pads the year.
        return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
    except (ValueError, OverflowError, OSError):
        return otherwise[:19] + "Z"


def _id(value: Any) -> str:
    """Ids come as numbers or as texts (7.5); "" if it is none."""
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    return text if text.isascii() and text.isdigit() and len(text) <= 20 else ""


def _text(value: Any) -> str:
    return value.encode(errors="replace").decode()[:MAX_TEXT] if isinstance(value, str) else ""
