"""What is known of records' statuses (statuses.py), and what it costs ingest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from ml_connector.aws.deliveries_table import DeliveriesTable
from ml_connector.aws.known_table import KnownTable
from ml_connector.aws.queues import DeliveriesQueue
from ml_connector.events import Version
from ml_connector.intake import Intake
from ml_connector.ports import Memory
from tests.integration.conftest import Aws
from tests.unit.ingest.world import World, call, connection

KEY = "acme-eu#invoice#460000000098765"
ONE, TWO, UNKNOWN = Version("2026-11-22T08:00:00Z", "aa"), Version("2026-11-22T08:00:01Z", "bb"), Version("", "cc")


@pytest.fixture
def known(aws: Aws) -> KnownTable:
    return KnownTable(aws.dynamodb, "delivery")


def test_what_is_learnt_is_known(known: KnownTable) -> None:
    """Version and status, for the next event to compare with."""
    assert known.seen(KEY) is None
    known.learn(KEY, ONE, "sent")
    assert known.seen(KEY) == (ONE, "sent")
    known.learn(KEY, TWO, "paid")
    assert known.seen(KEY) == (TWO, "paid")


def test_older_versions_teach_nothing(known: KnownTable) -> None:
    """Whatever the arrival, the newest counts; within one second the last one."""
    known.learn(KEY, TWO, "paid")
    known.learn(KEY, ONE, "sent")
    assert known.seen(KEY) == (TWO, "paid")
    known.learn(KEY, Version(TWO.at, "dd"), "void")
    assert known.seen(KEY) == (Version(TWO.at, "dd"), "void")


def test_version_without_a_time_counts_as_the_newest(known: KnownTable) -> None:
    """Nothing can put it in order; the newest time known stays, so that what is older than that stays out."""
    known.learn(KEY, UNKNOWN, "draft")
    assert known.seen(KEY) == (UNKNOWN, "draft")
    known.learn(KEY, TWO, "sent")
    known.learn(KEY, UNKNOWN, "paid")
    assert known.seen(KEY) == (Version(TWO.at, "cc"), "paid")
    known.learn(KEY, ONE, "sent")
    assert known.seen(KEY) == (Version(TWO.at, "cc"), "paid")


def test_it_is_no_destination(known: KnownTable, aws: Aws) -> None:
    """The row lies beside those of the destinations, and is none of them."""
    deliveries = DeliveriesTable(aws.dynamodb, "delivery")
    deliveries.write(KEY, "ledger", Memory(state="done"))
    known.learn(KEY, ONE, "sent")
    assert set(deliveries.of_record(KEY)) == {"ledger"}
    assert deliveries.of_connection("acme-eu") == {KEY}


@pytest.mark.parametrize(
    ("pattern", "calls"),
    [
        ("*", {"SendMessageBatch": 1}),
        ("invoice.*", {"SendMessageBatch": 1}),
        ("*.paid", {"GetItem": 1, "SendMessageBatch": 1, "UpdateItem": 1}),
    ],
)
def test_only_a_route_that_names_a_status_costs_calls(aws: Aws, pattern: str, calls: dict[str, int]) -> None:
    """Ingest answers after one call of AWS; a read and a write more are for those who ask for changes of status."""
    made: Counter[str] = Counter()
    for client in (aws.dynamodb, aws.sqs):
        count: Callable[..., Any] = lambda model, **_: made.update([model.name])  # noqa: E731
        client.meta.events.register("before-call.*.*", count)
    routes = [{"events": [pattern], "to": ["channel"]}, {"events": ["*"], "to": ["board"]}]
    world = World(applied=connection(routes=routes))
    intake = Intake(
        connections=world,
        secrets=world,
        queue=DeliveriesQueue(aws.sqs, aws.deliveries_url),
        clock=lambda: datetime(2026, 11, 22, tzinfo=UTC),
        known=KnownTable(aws.dynamodb, "delivery"),
    )
    accepted = intake.receive(call("invoice.updated"), "call-1")
    assert {each.destination for each in accepted.deliveries} >= {"board"}
    assert made == calls
