"""`mlc parked` and `mlc audit verify` on the deployed template: what a person does when the alarm comes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from mlc.main import app
from sandbox.session import Box
from sandbox.sites import Site
from sandbox.soak import PATIENCE

pytestmark = pytest.mark.e2e

COUNT = 12
"""More than SQS gives out at a time."""


@pytest.fixture
def site(box: Box, numbers: Iterator[int]) -> Site:
    """A company whose board refuses all that comes."""
    site = Site(next(numbers), PATIENCE)
    box.open(site)
    body = {"errors": [{"message": "no such column", "extensions": {"code": "InvalidColumnIdException"}}]}
    box.zoho.fault("status", vendor="monday", status=200, body=body, contains="refused", count=None)
    return site


def mlc(box: Box, *words: str, code: int = 0) -> Any:
    """What the command prints as JSON."""
    result = CliRunner().invoke(app, [*words, "--json"], env=box.stack.environment(), catch_exceptions=False)
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def test_what_is_parked_is_seen_sent_again_and_dropped(box: Box, site: Site) -> None:
    """Looked at twice, with the same result; after the fault is gone it arrives, once; the audit trail is whole."""
    for number in range(COUNT):
        box.zoho.create(site.organization, "bill", {"vendor_name": f"refused {number}"})
    assert box.settled()
    rows = mlc(box, "parked", "list", site.connection)
    assert len(rows) == COUNT
    assert {(row["destination"], "no such column" in row["reason"]) for row in rows} == {("ledger", True)}
    assert mlc(box, "parked", "list", site.connection) == rows
    assert box.zoho.items(site.board) == []

    box.zoho.clear_faults()
    (dropped,) = mlc(box, "parked", "drop", site.connection, rows[0]["id"], "--yes")
    (sent,) = mlc(box, "parked", "retry", site.connection, rows[1]["record"])
    assert (dropped["done"], sent["done"]) == ("dropped", "sent")
    done = mlc(box, "parked", "retry", site.connection, "--reason", "No Such Column")
    assert [row["done"] for row in done] == ["sent"] * (COUNT - 2)
    assert mlc(box, "parked", "list", site.connection) == []
    assert box.settled()
    assert len(box.zoho.items(site.board)) == COUNT - 1

    story = mlc(box, "audit", "show", site.connection, rows[1]["number"])
    assert [each["outcome"] for each in story if each["destination"] == "ledger"] == ["parked", "delivered"]
    story = mlc(box, "audit", "show", site.connection, rows[0]["number"])
    assert [each["outcome"] for each in story if each["destination"] == "ledger"] == ["parked", "dropped"]
    assert mlc(box, "audit", "verify", site.connection) == {"records": COUNT, "faults": []}


def test_removed_entry_is_found(box: Box, site: Site) -> None:
    """Exit code 3 and the record."""
    made = box.zoho.create(site.organization, "bill")["id"]
    assert box.settled()
    table = box.stack.outputs["AuditTableName"]
    key = {":pk": {"S": f"{site.connection}#bill#{made}"}}
    dynamodb = box.stack.client("dynamodb")
    item, *_ = dynamodb.query(
        TableName=table, KeyConditionExpression="pk = :pk", ExpressionAttributeValues=key
    )["Items"]  # fmt: skip
    dynamodb.delete_item(TableName=table, Key={"pk": item["pk"], "sk": item["sk"]})
    found = mlc(box, "audit", "verify", site.connection, code=3)
    assert [each["record"] for each in found["faults"]] == [f"bill/{made}"]
