"""DynamoDB items as plain dicts of text, whole numbers and bytes: all that our tables hold.

boto3's own serializer does this too, but costs an import of boto3 at every cold start (docs/adr/0001).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


def dump(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes with an empty text or no value are left out: indexes stay sparse and items small."""
    return {name: _typed(value) for name, value in plain.items() if value not in ("", None)}


def load(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in item.items()}


def keys(client: DynamoDBClient, table: str, prefix: str) -> set[str]:
    """All partition keys with a prefix. Reads the whole table."""
    pages = client.get_paginator("scan").paginate(
        TableName=table,
        ProjectionExpression="pk",
        FilterExpression="begins_with(pk, :prefix)",
        ExpressionAttributeValues={":prefix": {"S": prefix}},
    )
    return {row["pk"]["S"] for page in pages for row in page["Items"]}


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
