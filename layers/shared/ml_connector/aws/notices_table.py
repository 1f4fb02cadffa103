"""What people have been told, in the connections table.

pk `notices#<connection>`, sk the matter: a row with `again_at` is not told, and nobody else tells it before that time;
one without is. pk `attention`, sk `<connection>#<kind>`: since when a token needs a person, and whether one was told.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ml_connector.attention import Incident
from ml_connector.aws import items
from ml_connector.aws.connections_table import ConnectionsTable
from ml_connector.notices import Claim

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class NoticeBoard:
    """Rows end by TTL; AWS may take two days longer over that, which matters to no matter."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def claim(self, connection: str, key: str, *, now: int, until: int, expires_at: int) -> Claim:
        try:
            self._client.put_item(
                TableName=self._table,
                Item=_item(connection, key, until, expires_at),
                ConditionExpression="attribute_not_exists(pk) OR again_at <= :now",
                ExpressionAttributeValues={":now": {"N": str(now)}},
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self._client.exceptions.ConditionalCheckFailedException as error:
            held: Any = error.response.get("Item", {})
            return "busy" if "again_at" in held else "told"
        return "mine"

    def close(self, connection: str, key: str, *, again_at: int | None, expires_at: int) -> None:
        self._client.put_item(TableName=self._table, Item=_item(connection, key, again_at, expires_at))


def _item(connection: str, key: str, again_at: int | None, expires_at: int) -> dict[str, Any]:
    return items.dump({"pk": f"notices#{connection}", "sk": key, "again_at": again_at, "expires_at": expires_at})


class Incidents:
    """Tokens that need a person, and whether one was told."""

    def __init__(self, table: ConnectionsTable) -> None:
        self._table = table

    def all(self) -> Iterable[Incident]:
        for row in self._table.query("attention"):
            connection, _, kind = row["sk"].partition("#")
            yield Incident(connection, kind, row["since"], bool(row["told"]))

    def open(self, incident: Incident) -> bool:
        return self._put(incident, only_new=True)

    def told(self, incident: Incident) -> None:
        self._put(replace(incident, told=True))

    def close(self, incident: Incident) -> None:
        self._table.delete("attention", f"{incident.connection}#{incident.kind}")

    def _put(self, incident: Incident, *, only_new: bool = False) -> bool:
        key = f"{incident.connection}#{incident.kind}"
        return self._table.put("attention", key, only_new=only_new, since=incident.since, told=int(incident.told))
