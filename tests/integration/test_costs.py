"""What docs/costs.md counts with is what the code uses: requests, and DynamoDB's units by the items' real sizes."""

from __future__ import annotations

import hmac
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from bench import costs
from ml_connector import bootstrap
from ml_connector.aws import clients
from ml_connector.events import Delivery
from ml_connector.sources import Inbound
from scripts.expand_template import ROOT, read
from tests.fakes import Says, delivery, payload
from tests.integration import test_delivery_function as stage
from tests.integration.conftest import TABLES

world = stage.world
KB = 1024


def size(value: Mapping[str, Any]) -> int:
    """Bytes of one attribute value, or of an item, as DynamoDB counts them."""
    ((kind, each),) = value.items()
    match kind:
        case "S":
            return len(each.encode())
        case "B":
            return len(each)
        case "N":
            return len(each) // 2 + 2
        case "M":
            return 3 + sum(len(name) + 1 + size(inner) for name, inner in each.items())
        case "L":
            return 3 + sum(1 + size(inner) for inner in each)
    return 1


def item_size(item: Mapping[str, Any]) -> int:
    return sum(len(name) + size(value) for name, value in item.items())


def index_writes(table: str, item: Mapping[str, Any]) -> int:
    """Units for a new item's entries in the table's indexes."""
    indexes = read()["Resources"][TABLES[table]]["Properties"].get("GlobalSecondaryIndexes", [])
    return sum(
        1 if each["Projection"]["ProjectionType"] == "KEYS_ONLY" else math.ceil(item_size(item) / KB)
        for each in indexes
        if all(key["AttributeName"] in item for key in each["KeySchema"])
    )


class Meter:
    """Counts requests, and units of what is written; an item's index entries once."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.writes = 0
        self.largest = 0
        self._indexed: set[tuple[str, str, str]] = set()

    def __call__(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        self.calls[model.name] += 1
        match model.name:
            case "PutItem":
                self._put(params, 1)
            case "UpdateItem":
                self.writes += 1  # a budget: below 1 kB
            case "TransactWriteItems":
                for each in params["TransactItems"]:
                    self._put(each["Put"], 2)

    def _put(self, put: Mapping[str, Any], factor: int) -> None:
        item = put["Item"]
        self.largest = max(self.largest, item_size(item))
        self.writes += factor * math.ceil(item_size(item) / KB)
        key = (put["TableName"], str(item["pk"]), str(item["sk"]))
        if key not in self._indexed and (writes := index_writes(put["TableName"], item)):
            self._indexed.add(key)
            self.writes += writes


@contextmanager
def counted() -> Iterator[Meter]:
    meter = Meter()
    used = (clients.dynamodb(), clients.sqs(), clients.secretsmanager())
    for client in used:
        client.meta.events.register("provide-client-params", meter)
    yield meter
    for client in used:
        client.meta.events.unregister("provide-client-params", meter)


def real(destination: str) -> Delivery:
    """An invoice with ten lines and texts as long as they are in life."""
    lines = [
        {"line_item_id": f"4600000000{line:05}", "name": f"Oak shelf, oiled, 80 x 30 cm, batch {line}", "quantity": 2,
         "rate": "64.20", "item_total": "128.40"}
        for line in range(10)
    ]  # fmt: skip
    return delivery(destination, line_items=lines, notes="Thank you." * 20)


@pytest.fixture
def warm(world: stage.World) -> stage.World:
    """With full caches: what is left is what the function does for each record again."""
    bootstrap.connections().connection("acme-eu")
    bootstrap.tokens().access_token("acme-eu", "microsoft.bot")
    bootstrap.secrets().get("acme-eu", "monday")
    made = {f"l{line}": {"id": str(100 + line)} for line in range(10)}
    item = {"id": "77", "url": "https://acme.monday.com/77"}
    whole = Says(200, {"data": {"item": item, "items": [{"id": "77", "state": "active"}], **made}})
    world.vendors.answers["monday"] = [whole] * 3
    return world


@pytest.mark.parametrize(
    ("destination", "writes"),
    [
        ("finance", "DynamoDB write units of a Teams delivery"),
        ("ledger", "DynamoDB write units of a monday delivery with subitems"),
    ],
)
def test_a_delivery(warm: stage.World, destination: str, writes: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A new invoice with ten lines. Logs: what is ours must leave room for Lambda's own lines."""
    warm.queue.send([real(destination)])
    with counted() as meter:
        assert warm.invoke() == (1, [])
    assert [entry.outcome for entry in warm.trail()][-1:] == ["delivered"]
    assert meter.writes == costs.COUNTED[writes]
    assert meter.calls["Query"] == costs.COUNTED["DynamoDB read units of a delivery"]
    assert meter.calls.keys() <= {"Query", "PutItem", "UpdateItem", "TransactWriteItems"}, "no secret, no queue"
    assert len(capsys.readouterr().out) < costs.ASSUMED["kB of log for a delivery"] * 1000 * 0.6
    for table, kept in (("delivery", "kB of a delivery's row"), ("audit", "kB of a delivery's audit entry")):
        stored = warm.aws.dynamodb.scan(TableName=table)["Items"]
        assert max(map(item_size, stored)) <= costs.COUNTED[kept] * KB


def test_an_event(warm: stage.World) -> None:
    """One call to the queue, whatever it is routed to."""
    endpoints = bootstrap.secrets().get("acme-eu", "webhooks")["endpoints"]
    mine = endpoints["zoho.invoice.created"]
    body = json.dumps({"invoice": payload()}).encode()
    signature = hmac.new(mine["secrets"][0].encode(), body, "sha256").hexdigest()
    headers = {"content-type": "application/json", "x-zoho-webhook-signature": signature}
    bootstrap.intake.cache_clear()
    for _ in range(2):
        with counted() as meter:
            accepted = bootstrap.intake().receive(Inbound("zoho", mine["token"], "", headers, body), "call-1")
    bootstrap.intake.cache_clear()
    assert len(accepted.deliveries) == costs.DELIVERIES
    assert dict(meter.calls) == {"SendMessageBatch": costs.COUNTED["SQS requests of an event"]}


def test_custom_metrics_are_not_more_than_the_page_says() -> None:
    """Each name in each service, and again by vendor; those of the HTTP API's two routes are billed alike."""
    page = (ROOT / "docs" / "metrics.md").read_text("utf-8")
    rows = re.findall(r"^\| `\w+` \| \w+ \| (\w+) \| ([^|]+) \|", page, re.M)
    series = sum((3 if service == "several" else 1) * ("–" in by) + 4 * ("vendor" in by) for service, by in rows)
    assert 40 < series <= costs.ASSUMED["Custom metrics"] - 2 * 6
