"""The connections table: applied configurations, endpoints, and what the schedules must not forget.

pk                     sk               holds
connection#<name>      current          the applied configuration, as data, and who applied it when
connection#<name>      v#000007         the same, one item per version: the newest ones (config/history.py)
connections            <name>           the list that scheduled functions walk
endpoint#<token hash>  -                connection, source, module, action
webhooks#<name>        <endpoint>       what was installed in Zoho for it (installations.py)
tokens                 <name>#<vendor>  when a token is due, and its state
subscriptions          <name>#<slot>    Graph subscriptions and their expiry
resync                 <name>#<slot>    until when a Teams channel was read for replies (both: graph_rows.py)
channels               <name>#<id>      a Teams channel's name, and since when it is missing
attention              <name>#<vendor>  since when a token needs a person, and whether one was told
notices#<name>         <matter>         what people have been told (TTL; notices_table.py)
cursor#<name>          <track>          how far reconcile has read a list, and what it has left open
silence                <name>           what is known of its webhooks, and whether it is silent (silence_rows.py)
completeness           <name>           how far the last month has been counted, and whether it was told
reconcile              <name>           when it is reconciled next, and what is known of its day
organizations          <name>           what each connection is connected to, since when and by whom
oauth#<nonce>          begun            a consent under way (TTL); `used` and `outcome` when it has been
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

    def connection(self, name: str, *, fresh: bool = False) -> Connection | None:
        """`fresh`: as it is now, for what a person has just put right."""
        if fresh:
            self._cache.pop(f"c#{name}", None)

        def read() -> Connection | None:
            item = self.get(f"connection#{name}", "current")
            return Connection.from_data(json.loads(item["data"])) if item else None

        return self._cached(f"c#{name}", read)

    def read_lately(self, name: str) -> Connection | None:
        """As it is remembered here, without a call: for what must neither cost nor fail."""
        hit = self._cache.get(f"c#{name}")
        connection: Connection | None = hit[1] if hit else None
        return connection

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

    def put(
        self, pk: str, sk: str, *, only_new: bool = False, only_if: tuple[str, str] | None = None, **attributes: Any
    ) -> bool:
        """Stores a whole item.

        False with `only_new` if there is one already, and with `only_if` unless that attribute of it has that value.
        """
        condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(pk)"} if only_new else {}
        if only_if:
            condition = {
                "ConditionExpression": "#name = :value",
                "ExpressionAttributeNames": {"#name": only_if[0]},
                "ExpressionAttributeValues": {":value": {"S": only_if[1]}},
            }
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
