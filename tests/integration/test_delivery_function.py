"""The whole delivery function: real tables and queues of moto, scripted vendors."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from functions.delivery import app
from ml_connector import bootstrap
from ml_connector.aws import clients
from ml_connector.aws.audit_table import AuditTable
from ml_connector.aws.deliveries_table import DeliveriesTable
from ml_connector.aws.queues import DeliveriesQueue
from ml_connector.config.apply import apply
from ml_connector.config.load import load
from ml_connector.events import Delivery
from ml_connector.parked import unwrap
from ml_connector.ports import AuditEntry, Memory
from tests import fakes
from tests.fakes import SECRET_URL, Clock, Says, delivery
from tests.integration.conftest import Aws

CONTEXT = SimpleNamespace(
    function_name="delivery", memory_limit_in_mb=512, invoked_function_arn="arn:aws:lambda:x", aws_request_id="r-1"
)
EXAMPLE = Path(__file__).parents[2] / "connections" / "example.toml"
BUILT: tuple[Any, ...] = (
    bootstrap.connections, bootstrap.secrets, bootstrap.queue, bootstrap.tokens, bootstrap.courier, bootstrap.lanes,
    bootstrap.limiter,
    clients.dynamodb, clients.sqs, clients.secretsmanager, clients._session,
)  # fmt: skip


class Vendors:
    """All hosts behind one wire: `answers` by a part of the address, else a plain success."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Says | Exception]] = {}
        self.calls: list[tuple[str, Any]] = []
        self.wire = fakes.Wire(self._answer)

    def _answer(self, request: requests.PreparedRequest) -> Says:
        url = str(request.url)
        body = json.loads(request.body) if isinstance(request.body, bytes) else request.body
        self.calls.append((url, body))
        for part, waiting in self.answers.items():
            if part in url and waiting:
                answer = waiting.pop(0)
                if isinstance(answer, Exception):
                    raise answer
                return answer
        if "oauth2" in url:
            return Says(200, {"access_token": "bot-token-sEcReT", "expires_in": 3599})
        if "monday" in url:
            item = {"id": "77", "url": "https://acme.monday.com/77"}
            # To whichever it is: the item, a look at its lines, or the one line that is made.
            return Says(200, {"data": {"item": item, "items": [{"id": "77", "state": "active"}], "l0": {"id": "78"}}})
        if "smba" in url:
            return Says(201, {"id": "19:x@thread.tacv2;messageid=17", "activityId": "17"})
        return Says(202)

    def to(self, part: str) -> list[Any]:
        return [body for url, body in self.calls if part in url]


class World:
    """The stack with its function; time stands still."""

    def __init__(self, aws: Aws, vendors: Vendors) -> None:
        self.aws = aws
        self.vendors = vendors
        self.queue = DeliveriesQueue(aws.sqs, aws.deliveries_url)
        self.deliveries = DeliveriesTable(aws.dynamodb, "delivery")

    def invoke(self) -> tuple[int, list[str]]:
        """Lambda's part: a batch in, what was not reported as failed deleted. Counts of messages and failures."""
        received = self.aws.messages(self.aws.deliveries_url)
        records = [
            {
                "messageId": each["MessageId"], "receiptHandle": each["ReceiptHandle"], "body": each["Body"],
                "attributes": each["Attributes"], "messageAttributes": {}, "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:test-deliveries.fifo",
                "awsRegion": "eu-central-1",
            }
            for each in received
        ]  # fmt: skip
        failed = [each["itemIdentifier"] for each in app.handler({"Records": records}, CONTEXT)["batchItemFailures"]]
        for each in received:
            if each["MessageId"] not in failed:
                self.aws.sqs.delete_message(QueueUrl=self.aws.deliveries_url, ReceiptHandle=each["ReceiptHandle"])
        return len(records), failed

    def memory(self, each: Delivery) -> Memory:
        return self.deliveries.read(each.event.record_key, each.destination)

    def trail(self) -> list[AuditEntry]:
        audit: AuditTable = AuditTable(self.aws.dynamodb, "audit", timedelta(days=400))
        return list(audit.of_record("acme-eu", "invoice", "460000000098765"))


@pytest.fixture
def world(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    for name, value in {
        "CONNECTIONS_TABLE": "connections", "DELIVERY_TABLE": "delivery", "AUDIT_TABLE": "audit",
        "LIMITS_TABLE": "limits", "DELIVERIES_QUEUE_URL": aws.deliveries_url, "PARKED_QUEUE_URL": aws.parked_url,
        "SECRETS_PREFIX": "stack", "SECRETS_KEY": "key", "AUDIT_RETENTION_DAYS": "400",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    for built in BUILT:
        built.cache_clear()
    vendors, clock = Vendors(), Clock(datetime.now(UTC))
    http: Callable[[frozenset[str]], Any] = lambda hosts: fakes.http(vendors.wire, hosts, clock=clock)  # noqa: E731
    monkeypatch.setattr(bootstrap, "http", http)
    store = bootstrap.secrets()
    apply(load(EXAMPLE), bootstrap.connections(), store, clock())
    store.put("acme-eu", "microsoft", {"tenant_id": fakes.TENANT, "client_id": "a", "client_secret": "sEcReT"})
    store.put("acme-eu", "monday", {"token": "monday-token-sEcReT"})
    store.put("acme-eu", "workflows", dict.fromkeys(load(EXAMPLE).destinations, SECRET_URL))
    yield World(aws, vendors)
    for built in BUILT:
        built.cache_clear()


def test_delivered_everywhere(world: World) -> None:
    """One message per routed destination; each is delivered, remembered, in the trail, and gone from the queue."""
    names = sorted({name for route in load(EXAMPLE).routes for name in route.to})
    world.queue.send([delivery(name) for name in names])
    assert world.invoke() == (len(names), [])
    assert world.aws.counts(world.aws.deliveries_url) == (0, 0)
    assert {world.memory(delivery(name)).state for name in names} == {"done"}
    assert {entry.destination: entry.outcome for entry in world.trail()}.keys() == set(names)
    assert world.memory(delivery("ledger")).external_id == "77"


def test_duplicate_has_no_effect(world: World) -> None:
    """A redelivered webhook, after SQS's own five minutes."""
    world.queue.send([delivery()])
    world.invoke()
    calls = len(world.vendors.to("monday"))
    world.queue.send([delivery(action="updated")])
    world.invoke()
    assert len(world.vendors.to("monday")) == calls == 3, "the item, a look at its lines, and these"
    assert [entry.outcome for entry in world.trail()] == ["delivered", "skipped"]


def test_busy_destination_holds_back_its_own_message_only(world: World) -> None:
    """monday is busy for 900 s: its message leaves the lane and is hidden that long; Teams and other records go on."""
    body = {"errors": [{"message": "…", "extensions": {"code": "RATE_LIMIT_EXCEEDED"}}]}
    world.vendors.answers["monday"] = [Says(429, body, {"Retry-After": "900"})]
    world.queue.send([delivery("ledger"), delivery("finance")])
    assert world.invoke() == (2, [])
    count, failed = world.invoke()
    assert (count, len(failed)) == (1, 1), "it is not yet due"
    assert world.aws.counts(world.aws.deliveries_url) == (0, 1)
    assert len(world.vendors.to("monday")) == 1
    assert (world.memory(delivery("ledger")).state, world.memory(delivery("finance")).state) == ("waiting", "done")


def test_refused_delivery_is_parked(world: World) -> None:
    """Acknowledged, kept with its reason, in the trail."""
    body = {"errors": [{"message": "no label", "extensions": {"code": "ColumnValueException"}}]}
    world.vendors.answers["monday"] = [Says(200, body)]
    world.queue.send([delivery()])
    assert world.invoke() == (1, [])
    (kept,) = world.aws.messages(world.aws.parked_url)
    parked = unwrap(kept["Body"])
    assert (parked.delivery, parked.why.attempts) == (delivery(), 1)
    assert "no label" in parked.why.reason
    assert "no label" in kept["MessageAttributes"]["reason"]["StringValue"]
    assert [entry.outcome for entry in world.trail()] == ["parked"]


def test_unanswered_create_is_repeated_as_it_was(world: World) -> None:
    """The stored request goes out again, byte for byte, from the table."""
    world.vendors.answers["monday"] = [requests.ReadTimeout("x")]
    world.queue.send([delivery()])
    assert world.invoke() == (1, [])
    memory = world.memory(delivery())
    assert (memory.state, memory.request is not None) == ("unknown", True)
    bootstrap.courier().carry(delivery(), 2)
    first, second, *_ = world.vendors.to("monday")
    assert first == second
    assert [entry.outcome for entry in world.trail()] == ["unknown", "delivered"]


def test_unreadable_message_is_parked(world: World) -> None:
    """A message of a newer release is kept as it is."""
    world.aws.sqs.send_message(
        QueueUrl=world.aws.deliveries_url, MessageBody='{"v":9}', MessageGroupId="g", MessageDeduplicationId="d"
    )
    assert world.invoke() == (1, [])
    (kept,) = world.aws.messages(world.aws.parked_url)
    assert unwrap(kept["Body"]).text == '{"v":9}'


def test_token_is_issued_once_for_all_deliveries(world: World) -> None:
    """The second card uses the token of the first, from Secrets Manager."""
    for number in range(3):
        world.queue.send([delivery("finance", invoice_id=str(number))])
    world.invoke()
    assert len(world.vendors.to("oauth2")) == 1
    stored = bootstrap.secrets().get("acme-eu", "microsoft", max_age=0)
    assert stored["tokens"]["microsoft.bot"]["access_token"] == "bot-token-sEcReT"


def test_no_secret_is_in_tables_or_queues(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither after success nor after failure, nor in what is printed."""
    world.vendors.answers["logic.azure.com"] = [Says(500)]
    world.vendors.answers["smba"] = [Says(403, {"error": {"code": "BotNotInConversationRoster"}})]
    world.queue.send([delivery(name) for name in load(EXAMPLE).destinations])
    world.invoke()
    tables = [world.aws.dynamodb.scan(TableName=name)["Items"] for name in ("delivery", "audit", "limits")]
    everything = f"{tables} {world.aws.messages(world.aws.parked_url)} {capsys.readouterr()}"
    assert not [secret for secret in fakes.SECRETS if secret in everything]
