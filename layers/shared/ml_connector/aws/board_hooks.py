"""monday's webhooks that were made: connections table, pk `board_webhooks`, sk `<connection>#<board>`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from ml_connector.aws.connections_table import ConnectionsTable
from ml_connector.board_webhooks import Installed

_PK = "board_webhooks"


class BoardHooks:
    """One item per board."""

    def __init__(self, table: ConnectionsTable) -> None:
        self._table = table

    def all(self) -> Iterable[Installed]:
        yield from map(_installed, self._table.query(_PK))

    def get(self, connection: str, board: str) -> Installed | None:
        row = self._table.get(_PK, f"{connection}#{board}", consistent=True)
        return _installed(row) if row else None

    def set(self, row: Installed) -> None:
        known = asdict(row) | {"ids": json.dumps(dict(row.ids), separators=(",", ":")), "signed": str(int(row.signed))}
        del known["connection"], known["board"]
        self._table.put(_PK, f"{row.connection}#{row.board}", **known)

    def remove(self, row: Installed) -> None:
        self._table.delete(_PK, f"{row.connection}#{row.board}")


def _installed(row: Mapping[str, Any]) -> Installed:
    connection, _, board = row["sk"].rpartition("#")
    texts = {name: str(row.get(name, "")) for name in ("user", "host", "looked_at", "reason")}
    return Installed(connection, board, json.loads(row["ids"]), signed=row.get("signed") == "1", **texts)
