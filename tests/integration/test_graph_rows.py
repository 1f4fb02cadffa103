"""What is remembered of Graph comes back as it was; an acknowledgement is in the trail or not, never half."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from ml_connector import audit
from ml_connector.aws.audit_table import AuditTable
from ml_connector.aws.connections_table import ConnectionsTable
from ml_connector.aws.deliveries_table import DeliveriesTable
from ml_connector.aws.graph_rows import Channels, Readings, SubscriptionList
from ml_connector.channel_watch import Channel
from ml_connector.errors import RetryLater
from ml_connector.feedback import Feedback, Happening
from ml_connector.ports import AuditEntry, Memory
from ml_connector.resync import Reading
from ml_connector.subscriptions import Subscription
from tests.fakes import Clock
from tests.integration.conftest import Aws

KEY = "acme-eu#invoice#1"
REPLY = Happening("acknowledged", "reply", "teams", "2026-11-22T08:00:00.123Z", "Anna (id-1)", "2000", "https://x/2000")


@pytest.fixture
def table(aws: Aws) -> ConnectionsTable:
    return ConnectionsTable(aws.dynamodb, "connections", Clock().monotonic)


def test_subscriptions(table: ConnectionsTable) -> None:
    """With all that they say, or with nothing yet; one that goes takes its reading with it."""
    rows, readings = SubscriptionList(table), Readings(table)
    bare = Subscription("acme-eu", "slot-1", "/teams/1/channels")
    whole = Subscription(
        "acme-us", "slot-1", "/teams/1/channels/2/messages", ("acme-us", "acme-xx"), "s#1", "2026-11-25T06:00:00Z",
        "2026-11-22T08:00:00Z", "ok", "why", "2026-11-22T09:00:00Z", "2026-11-23T08:00:00Z",
    )  # fmt: skip
    for each in (bare, whole):
        rows.set(each)
    assert list(rows.all()) == [bare, whole]
    assert (rows.get("acme-us", "slot-1"), rows.get("acme-us", "slot-2")) == (whole, None)
    for since in ("2026-11-22T08:00:00Z", "2026-11-24T08:00:00Z"):
        rows.begin("acme-us", "slot-1", since)
    assert readings.get("acme-us", "slot-1") == Reading("2026-11-22T08:00:00Z")
    rows.remove(whole)
    assert (list(rows.all()), readings.get("acme-us", "slot-1")) == ([bare], None)


def test_row_of_a_release_that_knew_no_slots_is_read(table: ConnectionsTable) -> None:
    """Nothing wants it any more, so the next run removes it."""
    table.put("subscriptions", "acme-eu#s-1", resource="/teams/1", expires="2026-11-25T06:00:00Z", state="ok")
    (old,) = SubscriptionList(table).all()
    assert (old.slot, old.id, old.serves) == ("s-1", "", ())


def test_readings_and_channels(table: ConnectionsTable) -> None:
    """A look under way, and a channel that is missing."""
    readings, channels = Readings(table), Channels(table)
    reading = Reading("2026-11-22T08:00:00Z", "https://graph/next", "2026-11-22T09:00:00Z")
    readings.set("acme-eu", "slot-1", reading)
    assert readings.get("acme-eu", "slot-1") == reading
    for channel in (
        Channel("acme-eu", "19:a@thread.tacv2", "Finance", "2026-11-22T08:00:00Z", "2026-11-22T08:01:00Z"),
        Channel("acme-eu", "19:a@thread.tacv2"),
    ):
        channels.set(channel)
        assert channels.get("acme-eu", "19:a@thread.tacv2") == channel
    assert channels.get("acme-us", "19:a@thread.tacv2") is None


@pytest.fixture
def desk(aws: Aws) -> tuple[Feedback, AuditTable, DeliveriesTable]:
    """A record with one delivered entry at `finance`."""
    trail = AuditTable(aws.dynamodb, "audit", timedelta(days=400))
    rows = DeliveriesTable(aws.dynamodb, "delivery", trail, sleep=lambda _: None)
    entry = AuditEntry(
        at="2026-11-22T07:59:00.000000Z", connection="acme-eu", module="invoice", record_id="1", number="INV-1",
        event="invoice.created", version="~f", origin="webhook", destination="finance", outcome="delivered", attempt=1,
        correlation_id="c", external_id="1000", delivery="d1",
    )  # fmt: skip
    sealed = audit.seal(audit.fit(entry), "")
    rows.write(KEY, "finance", Memory(state="done", external_id="1000", chain=sealed.hash), sealed)
    return Feedback(rows, trail, Clock()), trail, rows


def test_acknowledgement_is_written_once_and_the_chain_holds(
    desk: tuple[Feedback, AuditTable, DeliveriesTable],
) -> None:
    """Found by the card's message id before, by the reply's own after."""
    feedback, trail, rows = desk
    assert [feedback.write("acme-eu", "invoice", "1", "finance", REPLY, "call") for _ in range(3)] == [
        True,
        False,
        False,
    ]
    entries = list(trail.of_record("acme-eu", "invoice", "1"))
    assert [each.outcome for each in entries] == ["delivered", "acknowledged"]
    assert entries == [*trail.of_external_id("1000"), *trail.of_external_id("2000")]
    assert (entries[1].by, entries[1].link, entries[1].number) == ("Anna (id-1)", "https://x/2000", "INV-1")
    heads = {name: memory.chain for name, memory in rows.of_record(KEY).items()}
    assert audit.verify(entries, heads) == []
    assert audit.verify([entries[0], replace(entries[1], by="Berta (id-2)")], heads) != []


def test_two_workers_write_one_acknowledgement(desk: tuple[Feedback, AuditTable, DeliveriesTable]) -> None:
    """The second one has read the row before the first one wrote."""
    feedback, trail, rows = desk

    class Late:
        """The row as it was before the first worker's write."""

        def __init__(self) -> None:
            self.seen = rows.read(KEY, "finance")

        def read(self, record_key: str, destination: str) -> Memory:
            return self.seen

        write = rows.write

    late = replace(feedback, rows=Late())
    assert feedback.write("acme-eu", "invoice", "1", "finance", REPLY, "call")
    assert not late.write("acme-eu", "invoice", "1", "finance", REPLY, "call")
    other = replace(REPLY, external_id="2001")
    with pytest.raises(RetryLater):
        late.write("acme-eu", "invoice", "1", "finance", other, "call")
    assert [each.outcome for each in trail.of_record("acme-eu", "invoice", "1")] == ["delivered", "acknowledged"]
