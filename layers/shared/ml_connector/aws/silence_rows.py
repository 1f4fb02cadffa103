"""What is known of each connection's webhooks: connections table, pk `silence`, sk the connection (silence.py)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ml_connector.aws.connections_table import ConnectionsTable
from ml_connector.silence import Heard


class SilenceRows:
    """One item of some 100 bytes per connection, read together once a minute."""

    def __init__(self, table: ConnectionsTable) -> None:
        self._table = table

    def all(self) -> Iterator[Heard]:
        yield from map(_heard, self._table.query("silence"))

    def set(self, heard: Heard) -> None:
        self._table.put(
            "silence",
            heard.connection,
            looked_at=heard.looked_at,
            since=heard.since,
            last=_json(heard.last),
            found=_json(heard.found),
            silences=_json(heard.silences),
            state=heard.state,
        )


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _heard(row: Mapping[str, Any]) -> Heard:
    return Heard(
        row["sk"],
        looked_at=row["looked_at"],
        since=row.get("since", ""),
        last=json.loads(row["last"]),
        found={module: tuple(ids) for module, ids in json.loads(row["found"]).items()},
        silences=tuple((at, seconds) for at, seconds in json.loads(row["silences"])),
        state=row.get("state", ""),
    )
