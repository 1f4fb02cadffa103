"""What the scheduled functions remember between runs, in the connections table."""

from __future__ import annotations

from collections.abc import Iterable

from ml_connector.aws.connections_table import ConnectionsTable
from ml_connector.subscriptions import Subscription
from ml_connector.tokens import Due


class TokenAgenda:
    """When each token is due."""

    def __init__(self, table: ConnectionsTable) -> None:
        self._table = table

    def all(self) -> Iterable[Due]:
        for row in self._table.query("tokens"):
            connection, _, kind = row["sk"].partition("#")
            yield Due(connection, kind, row["due_at"], row["state"], row.get("reason", ""))

    def set(self, due: Due) -> None:
        self._table.put("tokens", f"{due.connection}#{due.kind}", due_at=due.due_at, state=due.state, reason=due.reason)


class Cursors:
    """How far reconcile has read a module (UTC time)."""

    def __init__(self, table: ConnectionsTable) -> None:
        self._table = table

    def get(self, connection: str, module: str) -> str | None:
        row = self._table.get(f"cursor#{connection}", module)
        return str(row["read_until"]) if row else None

    def set(self, connection: str, module: str, read_until: str) -> None:
        self._table.put(f"cursor#{connection}", module, read_until=read_until)


class SubscriptionList:
    """The Graph subscriptions that we have made."""

    def __init__(self, table: ConnectionsTable) -> None:
        self._table = table

    def all(self) -> Iterable[Subscription]:
        for row in self._table.query("subscriptions"):
            connection, _, identity = row["sk"].partition("#")
            yield Subscription(connection, identity, row["resource"], row["expires"], row["state"])

    def set(self, subscription: Subscription) -> None:
        self._table.put(
            "subscriptions",
            f"{subscription.connection}#{subscription.id}",
            resource=subscription.resource,
            expires=subscription.expires,
            state=subscription.state,
        )
