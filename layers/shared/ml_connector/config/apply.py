"""Puts a checked connection into force: its endpoints, its configuration, the schedules' entries."""

from __future__ import annotations

import json
import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ml_connector.aws.connections_table import ConnectionsTable
from ml_connector.aws.secrets import SecretStore
from ml_connector.config.model import ConnectionFile
from ml_connector.connections import token_hash
from ml_connector.errors import ConfigError
from ml_connector.modules import ACTIONS

_ALPHANUMERIC = string.ascii_letters + string.digits
SECRET_LENGTH = 40
"""Zoho takes 12 to 50 letters and digits (contracts: zoho-books 1.1)."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What came of it. `changed` is False if the same configuration was in force already."""

    connection: str
    version: int
    changed: bool
    endpoints: int


def apply(file: ConnectionFile, table: ConnectionsTable, store: SecretStore, now: datetime) -> Applied:
    """Endpoints first, so that an address that people see always works; the configuration last.

    Raises ConfigError if somebody else applies the connection at the same time.
    """
    name = file.connection
    # Counted on from the history: a connection may have been removed and come back, or an apply have crashed. It is
    # read before what is in force, so that who comes in between is noticed.
    past = [int(item["sk"][2:]) for item in table.query(f"connection#{name}") if item["sk"].startswith("v#")]
    row = table.get(f"connection#{name}", "current", consistent=True)
    current: Mapping[str, Any] = json.loads(row["data"]) if row else {}
    compiled = file.compiled()
    if {**current, "version": 0, "applied_at": ""} == {**compiled, "version": 0, "applied_at": ""}:
        return Applied(name, current["version"], False, _endpoints(file, table, store))
    version = max(past, default=0) + 1
    stamp = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    data = json.dumps({**compiled, "version": version, "applied_at": current.get("applied_at", stamp)})
    if not table.put(f"connection#{name}", f"v#{version:06}", only_new=True, data=data, at=stamp):
        raise ConfigError(f"connection {name!r} is being applied by somebody else; look at it, then apply again")
    endpoints = _endpoints(file, table, store)
    # Reconcile starts where a module first came into force, not at the beginning of the books.
    for module in set(file.zoho.modules) - set(current.get("zoho", {}).get("modules", ())):
        table.put(f"cursor#{name}", module, read_until=stamp)
    table.put(f"connection#{name}", "current", data=data, at=stamp)
    table.put("connections", name, at=stamp)
    return Applied(name, version, True, endpoints)


def _endpoints(file: ConnectionFile, table: ConnectionsTable, store: SecretStore) -> int:
    """One endpoint per module and action, each with a path token and a secret of its own (zoho-books 1.6)."""
    stored = store.get(file.connection, "webhooks", max_age=0.0)
    endpoints: dict[str, Any] = dict(stored.get("endpoints", {}))
    wanted = [(module, action) for module in file.zoho.modules for action in ACTIONS]
    new = [pair for pair in wanted if endpoint_id(*pair) not in endpoints]
    for module, action in new:
        endpoints[endpoint_id(module, action)] = {
            "token": secrets.token_urlsafe(32),
            "secrets": ["".join(secrets.choice(_ALPHANUMERIC) for _ in range(SECRET_LENGTH))],
        }
    if new:
        store.put(file.connection, "webhooks", {**stored, "endpoints": endpoints})
    for module, action in wanted:
        identity = endpoint_id(module, action)
        table.put(
            f"endpoint#{token_hash(endpoints[identity]['token'])}",
            "-",
            id=identity,
            connection=file.connection,
            source="zoho",
            module=module,
            action=action,
        )
    return len(wanted)


def endpoint_id(module: str, action: str) -> str:
    return f"zoho.{module}.{action}"
