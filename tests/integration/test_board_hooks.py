"""monday's webhooks that were made, in the connections table."""

from __future__ import annotations

from ml_connector.aws.board_hooks import BoardHooks
from ml_connector.aws.connections_table import ConnectionsTable
from ml_connector.board_webhooks import Installed
from tests.integration.conftest import Aws


def test_each_board_is_remembered_by_its_connection(aws: Aws) -> None:
    """All of a row comes back, texts that are empty too; another connection's board of the same id is another row."""
    rows = BoardHooks(ConnectionsTable(aws.dynamodb, "connections"))
    whole = Installed("acme-eu", "42", {"item_deleted": "7"}, "55", True, "2026-11-22T08:00:00Z", "why", "h.example")
    bare = Installed("beta", "42")
    for row in (whole, bare):
        rows.set(row)
    assert (rows.get("acme-eu", "42"), rows.get("beta", "42"), rows.get("beta", "43")) == (whole, bare, None)
    assert list(rows.all()) == [whole, bare]
    rows.remove(whole)
    rows.remove(whole)
    assert list(rows.all()) == [bare]
