"""The shelf of a digest in the delivery table: put and taken off with its record's row and entry, or not at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from ml_connector.audit import fit, seal
from ml_connector.aws.audit_table import AuditTable
from ml_connector.aws.connections_table import ConnectionsTable
from ml_connector.aws.deliveries_table import DeliveriesTable
from ml_connector.aws.shelf_table import NotedDays, ShelfTable
from ml_connector.ports import AuditEntry, Conflict, Memory, Shelved
from ml_connector.stories import records
from mlc.trail import story
from tests.fakes import delivery
from tests.integration.conftest import Aws

DIGEST = "finance.busy-20261122T0800Z"


def entry(shelved: Shelved, at: str) -> AuditEntry:
    event = shelved.delivery.event
    made = AuditEntry(
        at, event.connection, event.module, event.record_id, "INV-1", event.name, str(event.version), "webhook",
        "finance", "gathered", 0, "call-1", delivery=shelved.delivery.id,
    )  # fmt: skip
    return seal(fit(made), "")


def shelved(number: int = 1, party: str = "Bäckerei 🥐") -> Shelved:
    each = delivery("finance", invoice_id=f"46000000000{number:04}").thin()
    return Shelved(DIGEST, each, {"party": party, "amount": "10.50"}, {"amount": "10.50", "shown": "{}"})


@pytest.fixture
def table(aws: Aws) -> DeliveriesTable:
    return DeliveriesTable(aws.dynamodb, "delivery", AuditTable(aws.dynamodb, "audit", timedelta(days=400)))


def test_what_is_put_is_read_and_taken_with_its_row(aws: Aws, table: DeliveriesTable) -> None:
    """As it was, and it is no row of its record."""
    shelf, each = ShelfTable(aws.dynamodb, "delivery"), shelved()
    key = each.delivery.event.record_key
    waiting = table.write(
        key, "finance", Memory("waiting", gathered=DIGEST), entry(each, "2026-11-22T08:00:01Z"), put=each
    )
    assert shelf.read("acme-eu", DIGEST) == [each]
    assert shelf.read("acme-us", DIGEST) == shelf.read("acme-eu", "finance.busy-20261122T0801Z") == []
    assert list(table.of_record(key)) == ["finance"]
    assert table.read(key, "finance").gathered == DIGEST
    assert table.of_connection("acme-eu") == {key}
    table.write(key, "finance", replace(waiting, state="done", gathered=""), taken=each)
    assert shelf.read("acme-eu", DIGEST) == []
    assert table.read(key, "finance").state == "done"


def test_who_has_not_seen_the_row_puts_and_takes_nothing(aws: Aws, table: DeliveriesTable) -> None:
    """All or nothing: a conflict leaves the shelf as it is."""
    shelf, each = ShelfTable(aws.dynamodb, "delivery"), shelved()
    key = each.delivery.event.record_key
    seen = table.write(key, "finance", Memory("waiting"))
    with pytest.raises(Conflict):
        table.write(key, "finance", Memory("waiting"), entry(each, "2026-11-22T08:00:01Z"), put=each)
    assert shelf.read("acme-eu", DIGEST) == []
    table.write(key, "finance", seen, put=each)
    with pytest.raises(Conflict):
        table.write(key, "finance", seen, taken=each)
    assert shelf.read("acme-eu", DIGEST) == [each]
    shelf.drop(each)
    assert shelf.read("acme-eu", DIGEST) == []


def test_a_shelf_of_more_than_a_page_is_read_whole(aws: Aws, table: DeliveriesTable) -> None:
    """DynamoDB gives a megabyte at a time."""
    for number in range(40):
        each = shelved(number, party="x" * 30_000)
        table.write(each.delivery.event.record_key, "finance", Memory("waiting"), put=each)
    assert len(ShelfTable(aws.dynamodb, "delivery").read("acme-eu", DIGEST)) == 40


def test_a_digests_message_leads_to_all_that_it_told_of(aws: Aws, table: DeliveriesTable) -> None:
    """From the message in the channel back to every record in Zoho, and to the digest's own delivery."""
    audit = AuditTable(aws.dynamodb, "audit", timedelta(days=400))
    keys = [("digest", DIGEST), ("invoice", "460000000000001"), ("invoice", "460000000000002")]
    for number, (module, record) in enumerate(keys):
        told = replace(
            entry(shelved(), f"2026-11-22T08:01:0{number}.000000Z"),
            module=module, record_id=record, outcome="delivered", external_id="17943",
        )  # fmt: skip
        table.write(f"acme-eu#{module}#{record}", "finance", Memory("done"), told)
    link = "https://teams.microsoft.com/l/message/19%3Aa%40thread.tacv2/17943?groupId=g&parentMessageId=17943"
    for what in ("17943", link):
        assert records(audit, table, "acme-eu", what) == keys
    assert records(audit, table, "acme-eu", f"digest/{DIGEST}") == keys[:1]
    assert len(story(audit, table, "acme-eu", "17943")) == 3


def test_days_are_noted_by_destination(aws: Aws) -> None:
    """What one channel was told, another was not."""
    noted = NotedDays(ConnectionsTable(aws.dynamodb, "connections"))
    noted.set("acme-eu", "finance", "2026-11-22")
    assert (noted.get("acme-eu", "finance"), noted.get("acme-eu", "office")) == ("2026-11-22", "")
