"""The configurations that a connection has had: told, compared, and put into force once more."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ml_connector.aws.connections_table import ConnectionsTable
from ml_connector.connections import Connection
from ml_connector.errors import ConfigError

_OURS = ("version", "applied_at", "formats")
"""What no file says: it is told by no comparison."""


@dataclass(frozen=True, slots=True)
class Applied:
    """One version. `at` is UTC; `by` is "" where an older release did not note it."""

    version: int
    at: str
    by: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Difference:
    """A key, as in a file (`destinations.ledger.board_id`, elements counted from 1), and what it said on both sides.

    None where a side does not have it.
    """

    key: str
    before: Any
    after: Any


def versions(table: ConnectionsTable, name: str) -> list[Applied]:
    """Newest first, as far as they are kept (apply.VERSIONS); also of a connection that was removed."""
    rows = (row for row in table.query(f"connection#{name}") if row["sk"].startswith("v#"))
    every = [_applied(row) for row in rows]
    return sorted(every, key=lambda each: each.version, reverse=True)


def in_force(table: ConnectionsTable, name: str) -> Applied | None:
    row = table.get(f"connection#{name}", "current", consistent=True)
    return _applied(row) if row else None


def once_more(version: Applied) -> dict[str, Any]:
    """What `put_into_force` is given. Raises ConfigError for what this release cannot work with any more."""
    try:
        Connection.from_data(version.data)
    except (KeyError, TypeError) as error:
        raise ConfigError(
            f"version {version.version} was applied by a release that this one cannot read; apply its file instead"
        ) from error
    return {name: value for name, value in version.data.items() if name not in ("version", "applied_at")}


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """In the order of their keys."""
    bare = [{name: value for name, value in each.items() if name not in _OURS} for each in (before, after)]
    return list(_differ("", *bare))


def _differ(key: str, before: Any, after: Any) -> Iterator[Difference]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in sorted({*before, *after}):
            yield from _differ(f"{key}.{name}" if key else name, before.get(name), after.get(name))
    elif _tables(before) and _tables(after):
        for index in range(max(len(before), len(after))):
            old, new = (each[index] if index < len(each) else None for each in (before, after))
            yield from _differ(f"{key}.{index + 1}", old, new)
    elif before != after:
        yield Difference(key, before, after)


def _tables(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, dict) for each in value)


def _applied(row: Mapping[str, Any]) -> Applied:
    data = json.loads(row["data"])
    return Applied(data["version"], row["at"], row.get("by", ""), data)
