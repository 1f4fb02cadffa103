"""The delivery table: one row per (record, destination), every write conditional on the revision it has read.

pk  <connection>#<module>#<record id>   sk  <destination>
pk  <connection>#<module>#<record id>   sk  ~   (what is known of its status: known_table.py)
pk  ~shelf#<connection>#<digest>        sk  <record>   (what waits for a digest: shelf_table.py)
index `number`   number_pk  <connection>#<document number>   (keys only: written once per row, not with each attempt)

Rows never expire: they are the memory that makes a repetition one, and a record may change after years.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from ml_connector.aws import items, known_table, shelf_table
from ml_connector.aws.audit_table import AuditTable
from ml_connector.errors import RetryLater
from ml_connector.events import Version
from ml_connector.ports import AuditEntry, Conflict, Memory, Request, Shelved

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


_PAUSES = (0.05, 0.2, 0.8)
"""Seconds between attempts at what was throttled, or a transaction that met another one."""
_AT_ONCE = 100
"""Rows that DynamoDB gives with one call."""


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
        # All rows of the record, for their links: a query costs by its 4 kB, as the read of one of them would.
        rows = {row["sk"]: row for row in self._rows(record_key)}
        links = {name: str(row["link"]) for name, row in rows.items() if name != destination and row.get("link")}
        return replace(_memory(rows[destination]) if destination in rows else Memory(), links=links)

    def write(
        self,
        record_key: str,
        destination: str,
        memory: Memory,
        entry: AuditEntry | None = None,
        *,
        put: Shelved | None = None,
        taken: Shelved | None = None,
    ) -> Memory:
        after = replace(memory, rev=memory.rev + 1)
        if entry and entry.number and entry.outcome != "skipped":
            after = replace(after, number=entry.number)
        row: dict[str, Any] = {
            "TableName": self._table,
            "Item": items.dump({"pk": record_key, "sk": destination, **_row(record_key, after)}),
        }
        if memory.rev:
            row["ConditionExpression"] = "rev = :rev"
            row["ExpressionAttributeValues"] = {":rev": {"N": str(memory.rev)}}
        else:
            row["ConditionExpression"] = "attribute_not_exists(pk)"
        with_it: list[dict[str, Any]] = []
        if entry is not None:
            assert self._audit is not None, "made for reading only"  # noqa: S101 (for mypy)
            with_it.append({"Put": self._audit.put(entry)})
        with_it += [shelf_table.put(self._table, put)] if put else []
        with_it += [shelf_table.delete(self._table, taken)] if taken else []
        if with_it:
            self._together([{"Put": row}, *with_it])
            return after
        self._alone(row)
        return after

    def _alone(self, row: Any) -> None:
        """One write. Another worker's transaction stands in its way for a moment only."""
        for pause in (*_PAUSES, None):
            try:
                self._client.put_item(**row)
            except self._client.exceptions.ConditionalCheckFailedException:
                raise Conflict from None
            except self._client.exceptions.TransactionConflictException:
                if pause is None:
                    raise
                self._sleep(pause)
            else:
                return

    def _together(self, puts: Any) -> None:
        """All or nothing. What stands in the way only for a moment is waited for: an effect may be behind us."""
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
        return {row["sk"]: _memory(row) for row in self._rows(record_key) if row["sk"] != known_table.SORT_KEY}

    def _rows(self, record_key: str) -> Iterator[dict[str, Any]]:
        # Without botocore's paginator: its model would be read from disk at a cold start.
        asked: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": {"S": record_key}},
            "ConsistentRead": True,
        }
        while True:
            answer = self._client.query(**asked)
            yield from map(items.load, answer["Items"])
            if "LastEvaluatedKey" not in answer:
                return
            asked["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def of_places(self, places: Collection[tuple[str, str]]) -> Mapping[tuple[str, str], Memory]:
        """The rows that there are of these (record key, destination), read a hundred at a time.

        As they were a moment ago: half a read unit each, as long as a row stays below 4 kB.
        """
        keys: list[Any] = [items.dump({"pk": key, "sk": name}) for key, name in dict.fromkeys(places)]
        found: dict[tuple[str, str], Memory] = {}
        pauses = list(_PAUSES)
        while keys:
            asked, keys = keys[:_AT_ONCE], keys[_AT_ONCE:]
            answer = self._client.batch_get_item(RequestItems={self._table: {"Keys": asked}})
            for row in map(items.load, answer["Responses"].get(self._table, [])):
                found[row["pk"], row["sk"]] = _memory(row)
            # More than 16 MB, or throttled: nobody else asks for the rest.
            unread: Any = answer.get("UnprocessedKeys", {})
            left = unread.get(self._table, {}).get("Keys", [])
            if len(left) < len(asked):
                pauses = list(_PAUSES)
            elif pauses:
                self._sleep(pauses.pop(0))
            else:
                raise RetryLater("the delivery table is busy")
            keys = [*left, *keys]
        return found

    def dated(self, connection: str, since: str, until: str) -> Iterator[tuple[tuple[str, str], Memory]]:
        """All rows of a connection that show a document of these dates (YYYY-MM-DD, both included).

        Reads the whole table: half a read unit for each 4 kB of it.
        """
        pages = self._client.get_paginator("scan").paginate(
            TableName=self._table,
            FilterExpression="begins_with(pk, :prefix) AND #date BETWEEN :since AND :until",
            ExpressionAttributeNames={"#date": "date"},
            ExpressionAttributeValues=items.dump({":prefix": f"{connection}#", ":since": since, ":until": until}),
        )
        for page in pages:
            for row in map(items.load, page["Items"]):
                yield (row["pk"], row["sk"]), _memory(row)

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
    row = {name: getattr(memory, name) for name in Memory.__dataclass_fields__ if name not in ("number", "links")}
    row["number_pk"] = f"{record_key.partition('#')[0]}#{memory.number}" if memory.number else ""
    row["version"] = str(memory.version) if memory.version else None
    row["pending"] = str(memory.pending) if memory.pending else None
    row["doubt"] = str(memory.doubt) if memory.doubt else None
    row["step"] = memory.step or None
    row["request"] = zlib.compress(json.dumps(_said(memory.request)).encode()) if memory.request else None
    return row


def _said(request: Request) -> dict[str, Any]:
    """What it says, without what it leaves unsaid: the release before may not know all that it could say."""
    return {name: value for name, value in asdict(request).items() if value or name == "body"}


def _memory(row: Mapping[str, Any]) -> Memory:
    known = {name: row[name] for name in Memory.__dataclass_fields__ if name in row}
    known["number"] = row.get("number_pk", "").partition("#")[2]
    for name in ("version", "pending", "doubt"):
        if name in known:
            known[name] = Version.parse(known[name])
    if "request" in known:
        said = json.loads(zlib.decompress(bytes(known["request"])))
        # The release after may say more.
        known["request"] = Request(**{name: said[name] for name in Request.__dataclass_fields__ if name in said})
    return Memory(**known)
