"""How a parked delivery looks in its queue: what a person must know, around the message as it was.

    {"v": 1, "parked": {"reason", "at", "attempts", "first_attempt_at", "status", "asked"}, "delivery": {...}}

A message that nobody could read stands as it was under `text` instead. What the queue itself has put aside, because its
workers crashed too often, has nothing around it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from ml_connector.errors import Undeliverable
from ml_connector.events import Delivery

SCHEMA = 1
CRASHED = "its workers crashed too often; their logs say why"
MAX_REASON = 1000
"""Bytes."""
MAX_TEXT = 1_000_000
"""Bytes that an unreadable message may take as a JSON text; of a longer one a tenth of as many characters is kept."""


@dataclass(frozen=True, slots=True)
class Why:
    """Why a delivery was parked. Times are UTC; `attempts` were made since `first_attempt_at`; `status` is HTTP's.

    `asked`: which unanswered create a person is asked to look for, by its generation; None if none.
    """

    reason: str
    at: str = ""
    attempts: int = 0
    first_attempt_at: str = ""
    status: int = 0
    asked: int | None = None


@dataclass(frozen=True, slots=True)
class Parked:
    """What the queue keeps. `delivery` is None if nobody can read it; `text` is the message as it was."""

    why: Why
    delivery: Delivery | None
    text: str


def wrap(message: str, why: Why) -> str:
    """At most 4000 bytes more than a message that is readable; `message` itself is not touched."""
    about = json.dumps(asdict(replace(why, reason=shown(why.reason))), separators=(",", ":"), ensure_ascii=False)
    if _delivery(message) is None:
        text = json.dumps(message)
        text = text if len(text) <= MAX_TEXT else json.dumps(message[: MAX_TEXT // 10])
        return f'{{"v":{SCHEMA},"parked":{about},"text":{text}}}'
    return f'{{"v":{SCHEMA},"parked":{about},"delivery":{message}}}'


def unwrap(body: str) -> Parked:
    """Reads whatever the parked queue may hold; never raises."""
    data = _object(body)
    about = data.get("parked") if data else None
    if data is None or not isinstance(about, dict):
        return Parked(Why(CRASHED), _delivery(body), body)
    inner = data.get("delivery")
    text = json.dumps(inner, separators=(",", ":")) if isinstance(inner, dict) else str(data.get("text", ""))
    if "parked" in (_object(text) or {}):
        # Sent back by hand, with everything around it, it was refused and parked once more.
        return unwrap(text)
    return Parked(_why(about), _delivery(text), text)


def again(delivery: Delivery, asked: int | None) -> Delivery:
    """The delivery as a person sends it once more: its patience starts anew, and it answers what he was `asked`."""
    event = replace(delivery.event, origin="replay")
    return replace(delivery, event=event, not_before="", since="", tries=0, alone=False, asked=asked)


def shown(reason: str, size: int = MAX_REASON) -> str:
    """A reason that SQS takes: vendors' texts may hold control characters. At most `size` bytes."""
    printable = "".join(each if each.isprintable() else " " for each in reason)
    return printable.encode()[:size].decode(errors="ignore") or "unknown"


def _why(about: dict[str, Any]) -> Why:
    known: dict[str, Any] = {
        each.name: value for each in fields(Why) if isinstance(value := about.get(each.name), str | int)
    }
    asked = about.get("asked")
    return Why(**{"reason": "unknown", **known, "asked": asked if type(asked) is int else None})


def _delivery(text: str) -> Delivery | None:
    try:
        return Delivery.from_json(text)
    except Undeliverable:
        return None


def _object(text: str) -> dict[str, Any] | None:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None
