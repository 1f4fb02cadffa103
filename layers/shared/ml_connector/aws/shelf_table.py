"""What waits for a digest: items of the delivery table, each put and deleted in one transaction with its record's row.

pk  ~shelf#<connection>#<digest>   sk  <module>#<record id>#<version>

`~` begins no connection's name, so nobody takes these for records.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ml_connector.aws import items
from ml_connector.events import Delivery
from ml_connector.ports import Shelved

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from ml_connector.aws.connections_table import ConnectionsTable


class ShelfTable:
    """Reads a shelf; DeliveriesTable writes to it."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def read(self, connection: str, digest: str) -> list[Shelved]:
        """All that waits for a digest, as it is now."""
        asked: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": {"S": _shelf(connection, digest)}},
            "ConsistentRead": True,
        }
        found: list[Shelved] = []
        while True:
            answer = self._client.query(**asked)
            found += [_shelved(digest, items.load(item)) for item in answer["Items"]]
            if "LastEvaluatedKey" not in answer:
                return found
            asked["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def drop(self, shelved: Shelved) -> None:
        """Takes off what nobody waits for any more."""
        self._client.delete_item(TableName=self._table, Key=items.dump(_key(shelved)))


class NotedDays:
    """Of which day each destination has its figures.

    Connections table, pk `digests`, sk `<connection>#<destination>`.
    """

    def __init__(self, table: ConnectionsTable) -> None:
        self._table = table

    def get(self, connection: str, destination: str) -> str:
        row = self._table.get("digests", f"{connection}#{destination}", consistent=True)
        return str(row["day"]) if row else ""

    def set(self, connection: str, destination: str, day: str) -> None:
        self._table.put("digests", f"{connection}#{destination}", day=day)


def put(table: str, shelved: Shelved) -> dict[str, Any]:
    """The write of one item, for a transaction."""
    content = {
        "delivery": shelved.delivery.to_json(),
        "facts": json.dumps(dict(shelved.facts), separators=(",", ":"), ensure_ascii=False),
        "shows": json.dumps(dict(shelved.shows), separators=(",", ":"), ensure_ascii=False),
    }
    return {"Put": {"TableName": table, "Item": items.dump({**_key(shelved), **content})}}


def delete(table: str, shelved: Shelved) -> dict[str, Any]:
    """Its end, for a transaction."""
    return {"Delete": {"TableName": table, "Key": items.dump(_key(shelved))}}


def _key(shelved: Shelved) -> dict[str, str]:
    return {"pk": _shelf(shelved.delivery.event.connection, shelved.digest), "sk": shelved.key}


def _shelf(connection: str, digest: str) -> str:
    return f"~shelf#{connection}#{digest}"


def _shelved(digest: str, row: dict[str, Any]) -> Shelved:
    return Shelved(
        digest, Delivery.from_json(row["delivery"]), facts=json.loads(row["facts"]), shows=json.loads(row["shows"])
    )
