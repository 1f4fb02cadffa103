"""The delivery table: one row per (record, destination), every write conditional on the revision it has read."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from ml_connector.aws import items
from ml_connector.events import Version
from ml_connector.ports import Conflict, Memory, Request

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class DeliveriesTable:
    """pk `<connection>#<module>#<record id>`, sk the destination's name. A stored request is compressed."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def read(self, record_key: str, destination: str) -> Memory:
        answer = self._client.get_item(
            TableName=self._table,
            Key={"pk": {"S": record_key}, "sk": {"S": destination}},
            ConsistentRead=True,
        )
        return _memory(items.load(answer["Item"])) if "Item" in answer else Memory()

    def write(self, record_key: str, destination: str, memory: Memory) -> Memory:
        after = replace(memory, rev=memory.rev + 1)
        condition: dict[str, Any] = (
            {"ConditionExpression": "rev = :rev", "ExpressionAttributeValues": {":rev": {"N": str(memory.rev)}}}
            if memory.rev
            else {"ConditionExpression": "attribute_not_exists(pk)"}
        )
        try:
            self._client.put_item(
                TableName=self._table,
                Item=items.dump({"pk": record_key, "sk": destination, **_row(after)}),
                **condition,
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            raise Conflict from None
        return after

    def of_record(self, record_key: str) -> Mapping[str, Memory]:
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": record_key}},
            ConsistentRead=True,
        )
        return {row["sk"]: _memory(row) for page in pages for row in map(items.load, page["Items"])}


def _row(memory: Memory) -> dict[str, Any]:
    row = {name: getattr(memory, name) for name in Memory.__dataclass_fields__}
    row["version"] = str(memory.version) if memory.version else None
    row["pending"] = str(memory.pending) if memory.pending else None
    row["request"] = zlib.compress(json.dumps(asdict(memory.request)).encode()) if memory.request else None
    return row


def _memory(row: Mapping[str, Any]) -> Memory:
    known = {name: row[name] for name in Memory.__dataclass_fields__ if name in row}
    for name in ("version", "pending"):
        if name in known:
            known[name] = Version.parse(known[name])
    if "request" in known:
        known["request"] = Request(**json.loads(zlib.decompress(bytes(known["request"]))))
    return Memory(**known)
