"""When each access token is due, in the connections table. Apart from the other schedules: deliveries read it too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ml_connector.aws.connections_table import ConnectionsTable
from ml_connector.tokens import Due


class TokenAgenda:
    """When each token is due."""

    def __init__(self, table: ConnectionsTable) -> None:
        self._table = table

    def all(self) -> Iterable[Due]:
        return map(_due, self._table.query("tokens"))

    def of(self, connection: str, kind: str) -> Due | None:
        row = self._table.get("tokens", f"{connection}#{kind}", consistent=True)
        return _due(row) if row else None

    def remove(self, connection: str, kind: str) -> None:
        self._table.delete("tokens", f"{connection}#{kind}")

    def set(self, due: Due) -> None:
        self._table.put(
            "tokens",
            f"{due.connection}#{due.kind}",
            due_at=due.due_at,
            state=due.state,
            reason=due.reason,
            command=due.command,
            expires_at=due.expires_at,
        )


def _due(row: Mapping[str, Any]) -> Due:
    connection, _, kind = row["sk"].partition("#")
    told = {name: row.get(name, "") for name in ("reason", "command", "expires_at")}
    return Due(connection, kind, row["due_at"], row["state"], **told)
