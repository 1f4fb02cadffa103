"""When each board was checked last: connections table, pk `boards`, sk the connection."""

from __future__ import annotations

import json
from collections.abc import Mapping

from ml_connector.aws.connections_table import ConnectionsTable


class BoardNights:
    """One item per connection: the times by destination."""

    def __init__(self, table: ConnectionsTable) -> None:
        self._table = table

    def get(self, connection: str) -> Mapping[str, str]:
        row = self._table.get("boards", connection, consistent=True)
        checked: dict[str, str] = json.loads(row["checked"]) if row else {}
        return checked

    def set(self, connection: str, checked: Mapping[str, str]) -> None:
        self._table.put("boards", connection, checked=json.dumps(checked, separators=(",", ":")))
