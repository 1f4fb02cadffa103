"""The tables and queues of template.yaml, in memory (contracts: aws-local 9)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import boto3
import pytest
from moto import mock_aws

from scripts.expand_template import Template, read

REGION = "eu-central-1"
TABLES = {
    "connections": "ConnectionsTable",
    "delivery": "DeliveryTable",
    "audit": "AuditTable",
    "limits": "LimitsTable",
}


@cache
def _template() -> Template:
    return read()


@dataclass(frozen=True)
class Aws:
    """Clients, and what the template makes of tables and queues."""

    dynamodb: Any
    sqs: Any
    secretsmanager: Any
    deliveries_url: str
    parked_url: str

    def messages(self, url: str) -> list[dict[str, Any]]:
        """What can be received now; it stays hidden afterwards."""
        answer = self.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], AttributeNames=["All"]
        )
        found: list[dict[str, Any]] = answer.get("Messages", [])
        return found

    def counts(self, url: str) -> tuple[int, int]:
        """Messages that can be received, and hidden ones."""
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        attributes = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return int(attributes[names[0]]), int(attributes[names[1]])


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        session = boto3.Session(region_name=REGION)
        dynamodb, sqs = session.client("dynamodb"), session.client("sqs")
        for name, resource in TABLES.items():
            dynamodb.create_table(TableName=name, **_schema(resource))
        urls = [_queue(sqs, f"test-{name}.fifo", resource) for name, resource in
                (("parked", "ParkedQueue"), ("deliveries", "DeliveriesQueue"))]  # fmt: skip
        yield Aws(dynamodb, sqs, session.client("secretsmanager"), urls[1], urls[0])


def _schema(resource: str) -> dict[str, Any]:
    properties = _template()["Resources"][resource]["Properties"]
    names = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
    return {name: properties[name] for name in names if name in properties}


def _queue(sqs: Any, name: str, resource: str) -> str:
    properties = _template()["Resources"][resource]["Properties"]
    wanted = ("FifoQueue", "DeduplicationScope", "FifoThroughputLimit", "VisibilityTimeout")
    attributes = {each: str(properties[each]).removesuffix("True") or "true" for each in wanted if each in properties}
    url: str = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return url
