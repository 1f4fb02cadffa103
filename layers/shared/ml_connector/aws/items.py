"""DynamoDB items as plain dicts of text, whole numbers and bytes: all that our tables hold.

boto3's own serializer does this too, but costs an import of boto3 at every cold start (docs/adr/0001).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def dump(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes with an empty text or no value are left out: indexes stay sparse and items small."""
    return {name: _typed(value) for name, value in plain.items() if value not in ("", None)}


def load(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in item.items()}


def _typed(value: str | int | bytes) -> dict[str, str | bytes]:
    match value:
        case str():
            return {"S": value}
        case int():
            return {"N": str(value)}
        case bytes():
            return {"B": value}


def _plain(typed: Mapping[str, Any]) -> str | int | bytes:
    ((kind, value),) = typed.items()
    match kind:
        case "S":
            return str(value)
        case "N":
            return int(value)
        case "B":
            return bytes(value)
    raise TypeError(f"no item of ours holds a {kind}")
