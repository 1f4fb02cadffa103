"""The audit trail: append-only, one item of at most 1 kB per attempt (design 7).

pk  <connection>#<module>#<record id>   sk  <time>#<delivery>#<attempt>   (and not a second time as attributes)
index `time`      time_pk  <connection>#<day>       at
index `state`     state_pk <connection>#<outcome>   at    (only what needs a person or is under way)
index `external`  external_id                       at
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ml_connector.audit import SETTLED
from ml_connector.aws import items
from ml_connector.ports import AuditEntry

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_IN_KEYS = ("connection", "module", "record_id", "delivery", "attempt")
_FIELDS = tuple(field.name for field in fields(AuditEntry) if field.name not in _IN_KEYS)


class AuditTable:
    """Writes entries; `mlc audit` and the widget read them. `page`: how many of one read, else as many as fit."""

    def __init__(self, client: DynamoDBClient, table: str, retention: timedelta, page: int | None = None) -> None:
        self._client = client
        self._table = table
        self._retention = retention
        self._page = page

    def put(self, entry: AuditEntry) -> dict[str, Any]:
        """The write of one entry, for a transaction with the row that it tells of. An entry is never written over."""
        item: dict[str, Any] = {name: getattr(entry, name) for name in _FIELDS}
        item["pk"] = f"{entry.connection}#{entry.module}#{entry.record_id}"
        item["sk"] = f"{entry.at}#{entry.delivery}#{entry.attempt}"
        item["time_pk"] = f"{entry.connection}#{entry.at[:10]}"
        if entry.outcome not in SETTLED:
            item["state_pk"] = f"{entry.connection}#{entry.outcome}"
        item["expires_at"] = int((datetime.fromisoformat(entry.at) + self._retention).timestamp())
        return {
            "TableName": self._table,
            "Item": items.dump(item),
            "ConditionExpression": "attribute_not_exists(pk)",
        }

    def kept_since(self, now: datetime) -> str:
        """The UTC day `YYYY-MM-DD` of and before which entries may have expired."""
        return f"{now - self._retention:%Y-%m-%d}"

    def of_record(
        self, connection: str, module: str, record_id: str, *, newest_first: bool = False
    ) -> Iterator[AuditEntry]:
        """Oldest first, if not asked otherwise."""
        return self._query("pk", f"{connection}#{module}#{record_id}", newest_first=newest_first)

    def of_connection(self, connection: str) -> set[str]:
        """Keys of all its records. Reads the whole table."""
        return items.keys(self._client, self._table, f"{connection}#")

    def of_day(self, connection: str, day: str, *, newest_first: bool = True) -> Iterator[AuditEntry]:
        """Of a UTC day `YYYY-MM-DD`."""
        return self._query("time_pk", f"{connection}#{day}", index="time", newest_first=newest_first)

    def written_since(self, connection: str, since: str, until: str) -> Iterator[AuditEntry]:
        """Written from one UTC time to another (`2026-11-22T08:00:00Z`), newest first, read as they are taken."""
        day, first = datetime.fromisoformat(until).date(), datetime.fromisoformat(since).date()
        while day >= first:
            yield from self._query("time_pk", f"{connection}#{day}", index="time", newest_first=True, since=since)
            day -= timedelta(days=1)

    def of_external_id(self, external_id: str) -> Iterator[AuditEntry]:
        """From a Teams message id or a monday item id back to the Zoho record, oldest first."""
        return self._query("external_id", external_id, index="external")

    def in_state(
        self, connection: str, outcome: str, since: str = "", *, newest_first: bool = True
    ) -> Iterator[AuditEntry]:
        """Attempts with an outcome that is not settled (audit.SETTLED), from a UTC time on. Others are not indexed."""
        return self._query("state_pk", f"{connection}#{outcome}", index="state", newest_first=newest_first, since=since)

    def _query(
        self, key: str, value: str, *, index: str | None = None, newest_first: bool = False, since: str = ""
    ) -> Iterator[AuditEntry]:
        later = {":since": {"S": since}} if since else {}
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="#key = :value" + (" AND #at >= :since" if later else ""),
            ExpressionAttributeNames={"#key": key, **({"#at": "at"} if later else {})},
            ExpressionAttributeValues={":value": {"S": value}, **later},
            ScanIndexForward=not newest_first,
            PaginationConfig={"PageSize": self._page} if self._page else {},
            # The trail itself is read as it is now: `mlc audit verify` compares it with the rows.
            **({"IndexName": index} if index else {"ConsistentRead": True}),
        )
        for page in pages:
            for row in map(items.load, page["Items"]):
                # Empty texts were left out of the item; the dataclass has them as defaults.
                yield AuditEntry(
                    **dict(zip(_IN_KEYS, (*row["pk"].split("#"), *row["sk"].split("#")[1:]), strict=True))
                    | {"number": "", "attempt": int(row["sk"].rpartition("#")[2])}
                    | {name: row[name] for name in _FIELDS if name in row}
                )
