"""What consent remembers, in the connections table: the links that were begun, and what is connected to what."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from ml_connector.aws.connections_table import ConnectionsTable
from ml_connector.consent import Connected, Link, Outcome
from ml_connector.ports import Organization


class ConsentLinks:
    """One item when a link is begun, one when it is used, one when that has ended."""

    def __init__(self, table: ConnectionsTable) -> None:
        self._table = table

    def begin(self, nonce: str, link: Link, ends: int) -> None:
        self._table.put(f"oauth#{nonce}", "begun", expires_at=ends, **asdict(link))

    def find(self, nonce: str) -> Link | None:
        begun = self._table.get(f"oauth#{nonce}", "begun", consistent=True)
        return Link(begun["connection"], begun["redirect_uri"], begun.get("by", "")) if begun else None

    def spend(self, nonce: str, ends: int) -> bool:
        return self._table.put(f"oauth#{nonce}", "used", only_new=True, expires_at=ends)

    def settle(self, nonce: str, outcome: Outcome, ends: int) -> None:
        only_new = outcome.state == "declined"
        self._table.put(f"oauth#{nonce}", "outcome", only_new=only_new, expires_at=ends, **asdict(outcome))

    def outcome(self, nonce: str) -> Outcome | None:
        row = self._table.get(f"oauth#{nonce}", "outcome", consistent=True)
        return Outcome(row["state"], row.get("text", "")) if row else None


class Organizations:
    """The organization of each connection, as Zoho described it when access was given."""

    def __init__(self, table: ConnectionsTable) -> None:
        self._table = table

    def remember(self, connected: Connected) -> None:
        self._table.put("organizations", connected.connection, data=json.dumps(asdict(connected), ensure_ascii=False))

    def of(self, connection: str) -> Connected | None:
        row = self._table.get("organizations", connection, consistent=True)
        return _read(row) if row else None

    def all(self) -> Iterator[Connected]:
        yield from map(_read, self._table.query("organizations"))

    def forget(self, connection: str) -> None:
        self._table.delete("organizations", connection)


def _read(row: dict[str, Any]) -> Connected:
    data = json.loads(row["data"])
    return Connected(**{**data, "organization": Organization(**data["organization"]), "scopes": tuple(data["scopes"])})
