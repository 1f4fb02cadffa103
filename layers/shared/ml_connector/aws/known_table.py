"""What is known of a record's status, in the delivery table beside the rows of its destinations.

pk  <connection>#<module>#<record id>   sk  ~   (no destination is called so)
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from ml_connector.aws import items
from ml_connector.events import Version

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

SORT_KEY = "~"


class KnownTable:
    """One small row per record, and only for connections with a route that names a status."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def seen(self, record_key: str) -> tuple[Version, str] | None:
        answer = self._client.get_item(
            TableName=self._table, Key=items.dump({"pk": record_key, "sk": SORT_KEY}), ConsistentRead=True
        )
        if "Item" not in answer:
            return None
        row = items.load(answer["Item"])
        return Version(row.get("at", ""), row["fingerprint"]), row["status"]

    def learn(self, record_key: str, version: Version, status: str) -> None:
        """Of versions without a time, which nothing can put in order, the one that came last counts."""
        fields = {"status": status, "fingerprint": version.fingerprint, "at": version.at}
        given = {name: value for name, value in fields.items() if value}
        condition = {"ConditionExpression": "attribute_not_exists(#at) OR #at <= :at"} if version.at else {}
        with suppress(self._client.exceptions.ConditionalCheckFailedException):  # a newer version is known
            self._client.update_item(
                TableName=self._table,
                Key=items.dump({"pk": record_key, "sk": SORT_KEY}),
                UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in given),
                ExpressionAttributeNames={f"#{name}": name for name in given},
                ExpressionAttributeValues=items.dump({f":{name}": value for name, value in given.items()}),
                **condition,  # type: ignore[arg-type]
            )
