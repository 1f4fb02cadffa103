"""What the scheduled functions remember between runs, in the connections table."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any

from ml_connector.aws.connections_table import ConnectionsTable
from ml_connector.gaps import Gap, Reading
from ml_connector.rounds import Turn


class Cursors:
    """How far reconcile has read each track of a connection, and what it has left open."""

    def __init__(self, table: ConnectionsTable) -> None:
        self._table = table

    def all(self, connection: str) -> Mapping[str, Reading]:
        return {row["sk"]: _reading(row) for row in self._table.query(f"cursor#{connection}")}

    def set(self, connection: str, track: str, reading: Reading) -> None:
        gaps = json.dumps([gap.data() for gap in reading.gaps], separators=(",", ":")) if reading.gaps else ""
        self._table.put(f"cursor#{connection}", track, read_until=reading.until, gaps=gaps)


def _reading(row: Mapping[str, Any]) -> Reading:
    return Reading(row["read_until"], tuple(Gap(**gap) for gap in json.loads(row.get("gaps", "[]"))))


class TurnList:
    """When each connection is reconciled next: one small item each, read together once a minute."""

    def __init__(self, table: ConnectionsTable) -> None:
        self._table = table

    def all(self) -> Iterable[Turn]:
        yield from map(_turn, self._table.query("reconcile"))

    def get(self, connection: str) -> Turn | None:
        row = self._table.get("reconcile", connection, consistent=True)
        return _turn(row) if row else None

    def claim(self, turn: Turn, until: str) -> bool:
        unchanged: dict[str, Any] = {"only_if": ("due_at", turn.due_at)} if turn.due_at else {"only_new": True}
        return self._put(replace(turn, due_at=until), **unchanged)

    def set(self, turn: Turn) -> None:
        self._put(turn)

    def _put(self, turn: Turn, **condition: Any) -> bool:
        attributes = {name: value for name, value in asdict(turn).items() if name != "connection"}
        return self._table.put("reconcile", turn.connection, **attributes, **condition)


def _turn(row: Mapping[str, Any]) -> Turn:
    return Turn(row["sk"], **{name: row[name] for name in Turn.__dataclass_fields__ if name in row})
