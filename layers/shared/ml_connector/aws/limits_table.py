"""The limits table: one item per budget, one conditional update per call (ml_connector.limits).

Its other items, `lease#…` and `written#…`, are in leases.py and secrets.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from ml_connector.aws import items
from ml_connector.limits import Refused, Take, Unreachable, View

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class LimitsTable:
    """pk `limit#<vendor>#<account>`; the numbers are attributes of their own names."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def take(self, key: str, take: Take) -> View:
        names, values = _Names(), {":now": take.now, ":one": 1, ":zero": 0, ":expires": take.expires_at}
        conditions, sets = [], [f"{names['expires_at']} = :expires"]
        new = {number for number, ceiling in take.ceilings.items() if ceiling is None}
        for index, (number, ceiling) in enumerate(take.ceilings.items()):
            place = names[number]
            if ceiling is None:
                conditions.append(f"attribute_not_exists({place})")
                sets.append(f"{place} = :one")
            else:
                values[f":ceiling{index}"] = ceiling
                conditions.append(f"{place} < :ceiling{index}")
                sets.append(f"{place} = {place} + :one")
        for note, number in take.notes.items():
            before = ":zero" if number in new else names[number]
            sets.append(f"{names[note]} = if_not_exists({names[note]}, {before})")
        conditions += [f"(attribute_not_exists({names[time]}) OR {names[time]} <= :now)" for time in take.open_at]
        update = "SET " + ", ".join(sets)
        if take.stale:
            update += " REMOVE " + ", ".join(names[note] for note in take.stale)
        return self._update(key, update, " AND ".join(conditions), names, values)

    def raise_to(self, key: str, name: str, until: int, expires_at: int) -> View:
        names = _Names()
        condition = f"attribute_not_exists({names[name]}) OR {names[name]} < :until"
        update = f"SET {names[name]} = :until, {names['expires_at']} = :expires"
        try:
            return self._update(key, update, condition, names, {":until": until, ":expires": expires_at})
        except Refused as later:
            return later.view

    def get(self, key: str) -> View:
        """A budget's numbers; none if nothing was counted of it lately."""
        row = self._client.get_item(TableName=self._table, Key={"pk": {"S": f"limit#{key}"}}).get("Item", {})
        return _view(row)

    def all(self) -> dict[str, View]:
        """Every budget's numbers, by its key. Reads the whole table."""
        pages = self._client.get_paginator("scan").paginate(
            TableName=self._table,
            FilterExpression="begins_with(pk, :prefix)",
            ExpressionAttributeValues={":prefix": {"S": "limit#"}},
        )
        rows = (row for page in pages for row in page["Items"])
        return {row["pk"]["S"].removeprefix("limit#"): _view(row) for row in rows}

    def _update(self, key: str, update: str, condition: str, names: _Names, values: Mapping[str, int]) -> View:
        used = {name: value for name, value in values.items() if name in f"{update} {condition}"}
        try:
            answer = self._client.update_item(
                TableName=self._table,
                Key={"pk": {"S": f"limit#{key}"}},
                UpdateExpression=update,
                ConditionExpression=condition,
                ExpressionAttributeNames=names.placed,
                ExpressionAttributeValues=items.dump(used),
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self._client.exceptions.ConditionalCheckFailedException as error:
            held: Any = error.response.get("Item", {})
            raise Refused(_view(held)) from None
        except (ClientError, BotoCoreError) as error:
            raise Unreachable(type(error).__name__) from error
        return _view(answer["Attributes"])


class _Names:
    """Attribute names and what stands for them in an expression: dots and digits cannot stand there themselves."""

    def __init__(self) -> None:
        self._placeholders: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        return self._placeholders.setdefault(name, f"#{len(self._placeholders)}")

    @property
    def placed(self) -> dict[str, str]:
        return {placeholder: name for name, placeholder in self._placeholders.items()}


def _view(item: Mapping[str, Any]) -> View:
    return {name: value for name, value in items.load(item).items() if isinstance(value, int) and name != "expires_at"}
