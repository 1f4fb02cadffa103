"""The day's figures, from the reconcile function's turn to the message in the queue, on the real tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ml_connector.audit import fit, seal
from ml_connector.aws.audit_table import AuditTable
from ml_connector.aws.connections_table import ConnectionsTable
from ml_connector.aws.deliveries_table import DeliveriesTable
from ml_connector.aws.queues import DeliveriesQueue
from ml_connector.aws.shelf_table import NotedDays
from ml_connector.daily import Daily, parked
from ml_connector.events import Delivery
from ml_connector.ports import AuditEntry, Memory
from tests.fakes import CHANNEL, TEAM, Clock, connection
from tests.integration.conftest import Aws
from tests.unit.test_daily import Lists, row

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


def test_figures_are_queued_once_with_what_is_parked_now(aws: Aws) -> None:
    """One parked delivery of two is still parked; a second turn queues nothing."""
    audit, clock = AuditTable(aws.dynamodb, "audit", timedelta(days=400)), Clock(NOW)
    rows = DeliveriesTable(aws.dynamodb, "delivery", audit)
    for number, state in enumerate(("parked", "done")):
        entry = AuditEntry(
            f"2026-11-23T09:00:0{number}.000000Z", "acme-eu", "invoice", f"{number}", "", "invoice.created", "v~1",
            "webhook", "ledger", "parked", 1, "call-1", delivery="d",
        )  # fmt: skip
        rows.write(f"acme-eu#invoice#{number}", "ledger", Memory(state), seal(fit(entry), ""))
    digest = {"above": 15, "daily": "08:00"}
    bot = {"type": "teams", "transport": "bot", "team_id": TEAM, "channel_id": CHANNEL, "digest": digest}
    there = connection(destinations={"finance": bot})
    daily = Daily(
        Lists({"invoice": [row("invoice", 1)]}),
        NotedDays(ConnectionsTable(aws.dynamodb, "connections")),
        lambda each: parked(audit.in_state, rows.read, clock, each),
        DeliveriesQueue(aws.sqs, aws.deliveries_url),
        clock,
    )
    daily.run(there, lambda: True)
    daily.run(there, lambda: True)
    found = aws.sqs.receive_message(QueueUrl=aws.deliveries_url, MaxNumberOfMessages=10)["Messages"]
    (sent,) = (Delivery.from_json(message["Body"]) for message in found)
    assert sent.event.payload is not None
    assert sent.event.record_id == "finance.daily-20261124T0000Z"
    assert (sent.event.payload["parked"], sent.event.payload["events"][0]["count"]) == (1, 1)
