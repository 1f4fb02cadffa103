"""Leases in the limits table: one writer at a time for what must not be done twice, such as a token refresh."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from uuid import uuid4

from ml_connector.ports import Clock

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class Leases:
    """`with leases.held(name, seconds) as mine:`. `mine` is False while somebody else holds it."""

    def __init__(self, client: DynamoDBClient, table: str, clock: Clock) -> None:
        self._client = client
        self._table = table
        self._clock = clock

    @contextmanager
    def held(self, name: str, seconds: int) -> Iterator[bool]:
        owner = uuid4().hex
        now = int(self._clock().timestamp())
        key = {"pk": {"S": f"lease#{name}"}}
        try:
            self._client.update_item(
                TableName=self._table,
                Key=key,
                UpdateExpression="SET lease_owner = :owner, expires_at = :until",
                ConditionExpression="attribute_not_exists(pk) OR expires_at < :now",
                ExpressionAttributeValues={
                    ":owner": {"S": owner},
                    ":until": {"N": str(now + seconds)},
                    ":now": {"N": str(now)},
                },
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            yield False
            return
        try:
            yield True
        finally:
            # If it took too long, somebody else has it by now.
            with suppress(self._client.exceptions.ConditionalCheckFailedException):
                self._client.delete_item(
                    TableName=self._table,
                    Key=key,
                    ConditionExpression="lease_owner = :owner",
                    ExpressionAttributeValues={":owner": {"S": owner}},
                )
