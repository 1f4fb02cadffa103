"""The delivery table: one row per (record, destination), every write conditional on the revision it has read.

pk  <connection>#<module>#<record id>   sk  <destination>
index `number`   number_pk  <connection>#<document number>   (keys only: written once per row, not with each attempt)

Rows never expire: they are the memory that makes a repetition one, and a record may change after years.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from ml_connector.aws import items
from ml_connector.aws.audit_table import AuditTable
from ml_connector.events import Version
from ml_connector.ports import AuditEntry, Conflict, Memory, Request

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


_PAUSES = (0.05, 0.2, 0.8)
"""Seconds between attempts at a transaction that was throttled or met another one."""


class DeliveriesTable:
    """A stored request is compressed. Without `audit` it is for reading only."""

    def __init__(
        self,
        client: DynamoDBClient,
        table: str,
        audit: AuditTable | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._sleep = sleep
        self._client = client
        self._table = table
        self._audit = audit

    def read(self, record_key: str, destination: str) -> Memory:
        answer = self._client.get_item(
            TableName=self._table,
            Key={"pk": {"S": record_key}, "sk": {"S": destination}},
            ConsistentRead=True,
        )
        return _memory(items.load(answer["Item"])) if "Item" in answer else Memory()

    def write(self, record_key: str, destination: str, memory: Memory, entry: AuditEntry | None = None) -> Memory:
        after = replace(memory, rev=memory.rev + 1)
        if entry and entry.number and entry.outcome != "skipped":
            after = replace(after, number=entry.number)
        put: dict[str, Any] = {
            "TableName": self._table,
            "Item": items.dump({"pk": record_key, "sk": destination, **_row(record_key, after)}),
        }
        if memory.rev:
            put["ConditionExpression"] = "rev = :rev"
            put["ExpressionAttributeValues"] = {":rev": {"N": str(memory.rev)}}
        else:
            put["ConditionExpression"] = "attribute_not_exists(pk)"
        if entry is None:
            try:
                self._client.put_item(**put)
            except self._client.exceptions.ConditionalCheckFailedException:
                raise Conflict from None
        else:
            assert self._audit is not None, "made for reading only"  # noqa: S101
            self._together([{"Put": put}, {"Put": self._audit.put(entry)}])
        return after

    def _together(self, puts: Any) -> None:
        """Both or neither. What stands in the way only for a moment is waited for: an effect may be behind us."""
        for pause in (*_PAUSES, None):
            try:
                self._client.transact_write_items(TransactItems=puts)
            except self._client.exceptions.TransactionCanceledException as error:
                codes = {reason.get("Code") for reason in error.response.get("CancellationReasons", [])}
                if "ConditionalCheckFailed" in codes:
                    raise Conflict from None
                if pause is None:
                    raise
                self._sleep(pause)
            else:
                return

    def of_record(self, record_key: str) -> Mapping[str, Memory]:
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": record_key}},
            ConsistentRead=True,
        )
        return {row["sk"]: _memory(row) for page in pages for row in map(items.load, page["Items"])}

    def of_number(self, connection: str, number: str) -> list[str]:
        """Keys of the records with this document number: usually one. A renumbered one has its newest."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            IndexName="number",
            KeyConditionExpression="number_pk = :number",
            ExpressionAttributeValues={":number": {"S": f"{connection}#{number}"}},
        )
        return sorted({row["pk"]["S"] for page in pages for row in page["Items"]})

    def of_connection(self, connection: str) -> set[str]:
        """Keys of all its records. Reads the whole table."""
        return items.keys(self._client, self._table, f"{connection}#")


def _row(record_key: str, memory: Memory) -> dict[str, Any]:
    row = {name: getattr(memory, name) for name in Memory.__dataclass_fields__ if name != "number"}
    row["number_pk"] = f"{record_key.partition('#')[0]}#{memory.number}" if memory.number else ""
    row["version"] = str(memory.version) if memory.version else None
    row["pending"] = str(memory.pending) if memory.pending else None
    row["doubt"] = str(memory.doubt) if memory.doubt else None
    row["request"] = zlib.compress(json.dumps(asdict(memory.request)).encode()) if memory.request else None
    return row


def _memory(row: Mapping[str, Any]) -> Memory:
    known = {name: row[name] for name in Memory.__dataclass_fields__ if name in row}
    known["number"] = row.get("number_pk", "").partition("#")[2]
    for name in ("version", "pending", "doubt"):
        if name in known:
            known[name] = Version.parse(known[name])
    if "request" in known:
        known["request"] = Request(**json.loads(zlib.decompress(bytes(known["request"]))))
    return Memory(**known)
