"""Takes a connection out of force. What people may need later stays: its history, its rows and its trail."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ml_connector.aws.board_hooks import BoardHooks
from ml_connector.aws.connections_table import ConnectionsTable
from ml_connector.aws.graph_rows import SubscriptionList
from ml_connector.aws.installations import Installations
from ml_connector.aws.organizations import Organizations
from ml_connector.aws.secrets import SecretStore
from ml_connector.connections import token_hash

PURPOSES = ("webhooks", "graph", "boards", "zoho", "microsoft", "monday", "workflows")
_OWN_ROW = ("silence", "reconcile", "completeness", "boards")
"""Lists of the schedules with one row per connection."""
_SEVERAL_ROWS = ("tokens", "attention", "channels", "digests")
"""And with several: `<connection>#<something>`. Those of `subscriptions` and `board_webhooks` are their schedules' to
end: these know what is to be said to the vendor first."""


@dataclass(frozen=True, slots=True)
class Remains:
    """What a removal leaves at the vendors, as numbers, and the secrets that the connection has."""

    zoho_webhooks: int
    graph_subscriptions: int
    monday_boards: int
    secrets: tuple[str, ...]


def remains(name: str, table: ConnectionsTable, store: SecretStore) -> Remains:
    return Remains(
        len(Installations(table).all(name)),
        sum(each.connection == name and bool(each.id) for each in SubscriptionList(table).all()),
        sum(each.connection == name for each in BoardHooks(table).all()),
        tuple(purpose for purpose in PURPOSES if store.get(name, purpose, max_age=0.0)),
    )


def remove(name: str, table: ConnectionsTable, store: SecretStore, *, secrets: bool) -> None:
    """The schedules' rows and the addresses, with `secrets` also these; the configuration last: broken off, it can be
    said again.

    Applied or rolled back to once more, the connection has the addresses that it had, unless their secrets are gone,
    and reconcile reads on where it was left.
    """
    table.delete("connections", name)
    for key, row in _scheduled(name, table):
        table.delete(key, row)
    for token in _tokens(*(store.get(name, purpose, max_age=0.0) for purpose in ("webhooks", "boards", "graph"))):
        table.delete(f"endpoint#{token_hash(token)}", "-")
    if secrets:
        for endpoint in Installations(table).all(name):
            Installations(table).forget(name, endpoint)
        Organizations(table).forget(name)
        for purpose in PURPOSES:
            store.remove(name, purpose)
    table.delete(f"connection#{name}", "current")


def _scheduled(name: str, table: ConnectionsTable) -> Iterator[tuple[str, str]]:
    yield from ((key, name) for key in _OWN_ROW)
    for key in _SEVERAL_ROWS:
        rows: Sequence[str] = [row["sk"] for row in table.query(key)]
        yield from ((key, row) for row in rows if row.startswith(f"{name}#"))


def _tokens(webhooks: Mapping[str, Any], boards: Mapping[str, Any], graph: Mapping[str, Any]) -> Iterator[str]:
    for held in (webhooks.get("endpoints", {}), boards):
        yield from (each["token"] for each in held.values())
    if token := graph.get("token"):
        yield str(token)
