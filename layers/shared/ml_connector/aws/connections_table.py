"""The connections table: applied configurations, endpoints, and what the schedules must not forget.

pk                     sk               holds
connection#<name>      current          the applied configuration, as data
connection#<name>      v#000007         the same, one item per version, for history
connections            <name>           the list that scheduled functions walk
endpoint#<token hash>  -                connection, source, module, action
tokens                 <name>#<vendor>  when a token is due, and its state
subscriptions          <name>#<id>      Graph subscriptions and their expiry
cursor#<name>          <module>         how far reconcile has read
oauth#<nonce>          -                a consent under way (TTL)
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from ml_connector.aws import items
from ml_connector.connections import Connection, Endpoint

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

T = TypeVar("T")

LIVE_WITHIN = 60.0
"""Seconds that a function may work with a configuration it has read."""


class ConnectionsTable:
    """Reads for the functions (cached for LIVE_WITHIN seconds) and the schedules' own rows."""

    def __init__(self, client: DynamoDBClient, table: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._table = table
        self._monotonic = monotonic
        self._cache: dict[str, tuple[float, Any]] = {}

    def connection(self, name: str) -> Connection | None:
        def read() -> Connection | None:
            item = self.get(f"connection#{name}", "current")
            return Connection.from_data(json.loads(item["data"])) if item else None

        return self._cached(f"c#{name}", read)

    def endpoint(self, token_hash: str) -> Endpoint | None:
        def read() -> Endpoint | None:
            item = self.get(f"endpoint#{token_hash}", "-")
            if not item:
                return None
            return Endpoint(item["id"], item["connection"], item["source"], item["module"], item["action"])

        return self._cached(f"e#{token_hash}", read)

    def names(self) -> list[str]:
        return [item["sk"] for item in self.query("connections")]

    # --- plain access ----------------------------------------------------------------------------------------

    def get(self, pk: str, sk: str, *, consistent: bool = False) -> dict[str, Any] | None:
        answer = self._client.get_item(
            TableName=self._table, Key=items.dump({"pk": pk, "sk": sk}), ConsistentRead=consistent
        )
        return items.load(answer["Item"]) if "Item" in answer else None

    def query(self, pk: str) -> Iterator[dict[str, Any]]:
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": pk}},
        )
        for page in pages:
            yield from map(items.load, page["Items"])

    def put(self, pk: str, sk: str, *, only_new: bool = False, **attributes: Any) -> bool:
        """Stores a whole item. With `only_new`, False if there is one already."""
        condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(pk)"} if only_new else {}
        try:
            self._client.put_item(
                TableName=self._table, Item=items.dump({"pk": pk, "sk": sk, **attributes}), **condition
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def delete(self, pk: str, sk: str) -> None:
        self._client.delete_item(TableName=self._table, Key=items.dump({"pk": pk, "sk": sk}))

    def update(self, pk: str, sk: str, **changes: Any) -> None:
        """Sets these attributes and leaves the others."""
        names = {f"#{index}": name for index, name in enumerate(changes)}
        values = items.dump({f":{index}": value for index, value in enumerate(changes.values())})
        self._client.update_item(
            TableName=self._table,
            Key=items.dump({"pk": pk, "sk": sk}),
            UpdateExpression="SET " + ", ".join(f"#{index} = :{index}" for index in range(len(changes))),
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=values,
        )

    def _cached(self, key: str, read: Callable[[], T | None]) -> T | None:
        now = self._monotonic()
        if (hit := self._cache.get(key)) and now - hit[0] < LIVE_WITHIN:
            found: T | None = hit[1]
            return found
        value = read()
        if value is not None:
            # Misses are not kept: anybody can make up tokens, and a new endpoint works at once.
            self._cache[key] = (now, value)
        return value
