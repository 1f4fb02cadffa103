"""Where cards get what no event says: links from the rows of other destinations, the organization's own currency."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ml_connector.aws import items
from ml_connector.aws.audit_table import AuditTable
from ml_connector.aws.connections_table import ConnectionsTable
from ml_connector.aws.deliveries_table import DeliveriesTable
from ml_connector.aws.known_table import KnownTable
from ml_connector.aws.organizations import Organizations
from ml_connector.aws.secrets import SecretStore
from ml_connector.changes import snapshot
from ml_connector.config.apply import apply
from ml_connector.config.load import parse
from ml_connector.consent import Connected
from ml_connector.events import Version
from ml_connector.ports import Memory, Organization
from tests.card_cases import FILE
from tests.fakes import delivery, record_of
from tests.integration.conftest import Aws

KEY = delivery().event.record_key
ITEM = "https://acme.monday.com/boards/1234567890/pulses/9876543210"
NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)


@pytest.fixture
def deliveries(aws: Aws) -> DeliveriesTable:
    return DeliveriesTable(aws.dynamodb, "delivery", AuditTable(aws.dynamodb, "audit", timedelta(days=400)))


def test_one_read_tells_where_else_a_record_is(aws: Aws, deliveries: DeliveriesTable) -> None:
    """The row and the others' links in a single call; a row without a link, and what is no row, have none."""
    deliveries.write(KEY, "ledger", Memory("done", link=ITEM))
    deliveries.write(KEY, "notes", Memory("waiting"))
    KnownTable(aws.dynamodb, "delivery").learn(KEY, Version("2026-11-22T08:00:00Z", "aa"), "sent")
    calls: Counter[str] = Counter()
    aws.dynamodb.meta.events.register("before-call", lambda model, **_: calls.update([model.name]))
    assert deliveries.read(KEY, "finance").links == {"ledger": ITEM}
    assert calls == {"Query": 1}
    written = deliveries.write(KEY, "finance", Memory("done", link="https://teams.microsoft.com/x"))
    assert deliveries.read(KEY, "finance") == written
    assert deliveries.read(KEY, "ledger").links == {"finance": "https://teams.microsoft.com/x"}


def test_links_are_not_kept_twice(aws: Aws, deliveries: DeliveriesTable) -> None:
    """They are the other rows' own: a copy would grow old."""
    deliveries.write(KEY, "ledger", Memory("done", link=ITEM))
    deliveries.write(KEY, "finance", deliveries.read(KEY, "finance"))
    row = aws.dynamodb.get_item(TableName="delivery", Key=items.dump({"pk": KEY, "sk": "finance"}))["Item"]
    assert ITEM not in str(row)


def test_a_usual_row_costs_one_write_unit(aws: Aws, deliveries: DeliveriesTable) -> None:
    """With what it remembers for the next card, it stays below 1 kB."""
    record = record_of(
        delivery(reference_number="PO-2026-00417", customer_name="Northern Harbour Association of Bakers")
    )
    channel = "19:" + "a" * 44 + "@thread.tacv2"
    deliveries.write(KEY, "finance", Memory(
        "done", version=record.version, external_id="1794301234567", target=channel,
        thread_id=f"{channel};messageid=1794301234567", link="https://teams.microsoft.com/l/message/" + "x" * 210,
        chain="0" * 32, number=record.number, amount="1284.50", currency="EUR", date="2026-11-20",
        shown=snapshot(record),
    ))  # fmt: skip
    row = aws.dynamodb.get_item(TableName="delivery", Key=items.dump({"pk": KEY, "sk": "finance"}))["Item"]
    assert sum(len(name) + len(next(iter(value.values()))) for name, value in row.items()) < 1024


# --- the base currency --------------------------------------------------------------------------------------------


def currency(aws: Aws, text: str) -> Any:
    table = ConnectionsTable(aws.dynamodb, "connections")
    apply(parse(text.encode(), "x.toml"), table, SecretStore(aws.secretsmanager, "stack", "key"), NOW)
    connection = table.connection("acme-eu", fresh=True)
    assert connection is not None
    return connection.zoho.get("base_currency")


def test_base_currency_is_that_of_the_connected_organization(aws: Aws) -> None:
    """Known once Zoho has said it; never another organization's, and never against the file."""
    text = FILE.format(head="", card="", modules='["invoice"]')
    unsaid = text.replace('base_currency = "EUR"', "")
    assert currency(aws, unsaid) is None
    organizations = Organizations(ConnectionsTable(aws.dynamodb, "connections"))
    organization = Organization("20081234567", "Acme", currency="SEK")
    organizations.remember(Connected("acme-eu", "eu", organization, (), "2026-11-22T08:00:00Z", "a user"))
    assert currency(aws, unsaid) == "SEK"
    assert currency(aws, text) == "EUR"
    assert currency(aws, unsaid.replace("20081234567", "20089999999")) is None
