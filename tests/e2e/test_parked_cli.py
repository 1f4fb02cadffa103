"""`mlc parked` and `mlc audit verify` on the deployed template: what a person does when the alarm comes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

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


def test_what_is_parked_is_seen_sent_again_and_dropped(box: Box, site: Site, mlc: Callable[..., Any]) -> None:
    """Looked at twice, with the same result; after the fault is gone it arrives, once; the audit trail is whole."""
    for number in range(COUNT):
        box.zoho.create(site.organization, "bill", {"vendor_name": f"refused {number}"})
    assert box.settled()
    rows = mlc("parked", "list", site.connection)
    assert len(rows) == COUNT
    assert {(row["destination"], "no such column" in row["reason"]) for row in rows} == {("ledger", True)}
    assert mlc("parked", "list", site.connection) == rows
    assert box.zoho.items(site.board) == []

    box.zoho.clear_faults()
    (dropped,) = mlc("parked", "drop", site.connection, rows[0]["id"], "--yes")
    (sent,) = mlc("parked", "retry", site.connection, rows[1]["record"])
    assert (dropped["done"], sent["done"]) == ("dropped", "sent")
    done = mlc("parked", "retry", site.connection, "--reason", "No Such Column")
    assert [row["done"] for row in done] == ["sent"] * (COUNT - 2)
    assert mlc("parked", "list", site.connection) == []
    assert box.settled()
    assert len(box.zoho.items(site.board)) == COUNT - 1

    story = mlc("audit", "show", site.connection, rows[1]["number"])
    assert [each["outcome"] for each in story if each["destination"] == "ledger"] == ["parked", "resent", "delivered"]
    story = mlc("audit", "show", site.connection, rows[0]["number"])
    assert [each["outcome"] for each in story if each["destination"] == "ledger"] == ["parked", "dropped"]
    assert mlc("audit", "verify", site.connection) == {"records": COUNT, "faults": []}


def test_removed_entry_is_found(box: Box, site: Site, mlc: Callable[..., Any]) -> None:
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
    found = mlc("audit", "verify", site.connection, code=3)
    assert [each["record"] for each in found["faults"]] == [f"bill/{made}"]
