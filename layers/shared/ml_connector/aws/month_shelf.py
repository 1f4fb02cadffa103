"""What is kept of a month's completeness between runs: connections table, pk `completeness`, sk the connection."""

from __future__ import annotations

import json

from ml_connector.aws.connections_table import ConnectionsTable
from ml_connector.month_end import Progress
from ml_connector.tally import Tally


class MonthShelf:
    """One item per connection, of some kB: the month that was counted last."""

    def __init__(self, table: ConnectionsTable) -> None:
        self._table = table

    def get(self, connection: str) -> Progress | None:
        row = self._table.get("completeness", connection, consistent=True)
        if row is None:
            return None
        left = tuple(filter(None, row.get("left", "").split(",")))
        return Progress(row["month"], left, row["until"], Tally.of(json.loads(row["tally"])), bool(row["told"]))

    def set(self, connection: str, progress: Progress) -> None:
        self._table.put(
            "completeness",
            connection,
            month=progress.month,
            left=",".join(progress.left),
            until=progress.until,
            tally=json.dumps(progress.tally.data(), separators=(",", ":")),
            told=int(progress.told),
        )
