"""Puts a checked connection into force: its endpoints, its configuration, the schedules' entries."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ml_connector.aws.connections_table import ConnectionsTable
from ml_connector.aws.organizations import Organizations
from ml_connector.aws.secrets import SecretStore
from ml_connector.config.model import ConnectionFile
from ml_connector.connections import token_hash
from ml_connector.errors import ConfigError
from ml_connector.modules import ACTIONS, MODULES
from ml_connector.reconcile import changes
from ml_connector.rotation import new_secret
from ml_connector.times import stamp

VERSIONS = 50
"""Of a connection's configurations that are kept; older ones go when a new one comes."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What came of it. `changed` is False if the same configuration was in force already.

    `dropped` are modules that the connection carried once: their addresses still answer, and nothing is sent on.
    `resumed` are modules that it carries again, with the time (UTC) from which on reconcile looks at what changed.
    """

    connection: str
    version: int
    changed: bool
    endpoints: int
    dropped: tuple[str, ...] = ()
    resumed: Mapping[str, str] = field(default_factory=dict)


def apply(file: ConnectionFile, table: ConnectionsTable, store: SecretStore, now: datetime, by: str = "") -> Applied:
    """As `put_into_force`, what a file says."""
    return put_into_force(file.compiled(), table, store, now, by)


def put_into_force(
    compiled: dict[str, Any], table: ConnectionsTable, store: SecretStore, now: datetime, by: str = ""
) -> Applied:
    """Endpoints first, so that an address that people see always works; the configuration last. `by`: who does it.

    Raises ConfigError if somebody else applies the connection at the same time, or if it is another organization's.
    """
    name = compiled["connection"]
    # Counted on from the history: a connection may have been removed and come back, or an apply have crashed. It is
    # read before what is in force, so that who comes in between is noticed.
    past = [int(item["sk"][2:]) for item in table.query(f"connection#{name}") if item["sk"].startswith("v#")]
    row = table.get(f"connection#{name}", "current", consistent=True)
    current: Mapping[str, Any] = json.loads(row["data"]) if row else {}
    compiled = _with_currency(compiled, table)
    if {**current, "version": 0, "applied_at": ""} == {**compiled, "version": 0, "applied_at": ""}:
        return Applied(name, current["version"], False, *_endpoints(compiled, table, store))
    _same_organization(current, compiled, store)
    version = max(past, default=0) + 1
    at = stamp(now)
    data = json.dumps({**compiled, "version": version, "applied_at": current.get("applied_at", at)})
    if not table.put(f"connection#{name}", f"v#{version:06}", only_new=True, data=data, at=at, by=by):
        raise ConfigError(f"connection {name!r} is being applied by somebody else; look at it, then apply again")
    endpoints = _endpoints(compiled, table, store)
    modules = compiled["zoho"]["modules"]
    new = [module for module in modules if module not in current.get("zoho", {}).get("modules", ())]
    resumed = _begin(name, new, table, at)
    table.put(f"connection#{name}", "current", data=data, at=at, by=by)
    table.put("connections", name, at=at)
    for old in past:
        if old <= version - VERSIONS:
            table.delete(f"connection#{name}", f"v#{old:06}")
    return Applied(name, version, True, *endpoints, resumed)


def _with_currency(compiled: dict[str, Any], table: ConnectionsTable) -> dict[str, Any]:
    """With the base currency of its organization, if that is connected and the file does not say it."""
    zoho, connected = compiled["zoho"], Organizations(table).of(compiled["connection"])
    if connected is None or connected.organization.id != zoho["organization_id"] or not connected.organization.currency:
        return compiled
    return {**compiled, "zoho": {"base_currency": connected.organization.currency, **zoho}}


def _same_organization(current: Mapping[str, Any], compiled: Mapping[str, Any], store: SecretStore) -> None:
    """Raises ConfigError if a connection that has access is to become another organization's.

    What waits would be looked up there and taken for deleted, and its records would be shown to the first one's people.
    """
    if not current:
        return
    before, after = ((each["zoho"]["organization_id"], each["zoho"]["region"]) for each in (current, compiled))
    name = compiled["connection"]
    if before == after or not store.get(name, "zoho", max_age=0.0).get("refresh_token"):
        return
    raise ConfigError(
        f"connection {name!r} is connected to organization {before[0]} ({before[1]}), and the file names {after[0]} "
        f"({after[1]}). Another organization needs a file of its own, with another name at `connection`. If this one "
        f"was wrong from the start, give its access back first: mlc auth revoke {name} zoho"
    )


def _begin(name: str, modules: Sequence[str], table: ConnectionsTable, now: str) -> dict[str, str]:
    """Reconcile starts where a module first came into force, not at the beginning of the books.

    A module that comes back is read on from where it was left, for its webhooks were dropped in between: gives the
    times of these back.
    """
    since = dict.fromkeys(modules, now)
    for module in modules:
        for track in changes(module):
            if not table.put(f"cursor#{name}", track.key, only_new=True, read_until=now):
                left = table.get(f"cursor#{name}", track.key, consistent=True)
                since[module] = min(since[module], left["read_until"] if left else now)
    return {module: at for module, at in since.items() if at < now}


def renamed(compiled: Mapping[str, Any], table: ConnectionsTable) -> list[tuple[str, str]]:
    """Destinations in force that this configuration does not name any more, each with one that leads to the same place.

    What was made is known by the destination's name: under another name it would be made there once more.
    """
    row = table.get(f"connection#{compiled['connection']}", "current", consistent=True)
    before = json.loads(row["data"])["destinations"] if row else {}
    after = compiled["destinations"]
    places = {new: _place(settings) for new, settings in after.items()}
    gone = {old: place for old, settings in before.items() if old not in after and (place := _place(settings))}
    return [(old, new) for old, at in gone.items() for new, place in places.items() if at == place]


def _place(settings: Mapping[str, Any]) -> tuple[str, Any] | None:
    """Where a destination makes one thing per record and keeps it up to date; None if each change is a new message."""
    if settings["type"] == "monday":
        return "board", settings["board_id"]
    if settings["type"] == "teams" and settings["transport"] in ("bot", "delegated", "graph_import"):
        return "channel", settings.get("channel_id") or settings["person"]
    return None


def _endpoints(compiled: Mapping[str, Any], table: ConnectionsTable, store: SecretStore) -> tuple[int, tuple[str, ...]]:
    """One endpoint per module and action, each with a path token and a secret of its own (zoho-books 1.6).

    Those of modules that are no longer carried stay: Zoho may call them until its webhooks are removed, and a module
    that comes back has the addresses that people know. Gives back how many there are, and the modules dropped.
    """
    name, modules = compiled["connection"], compiled["zoho"]["modules"]
    stored = store.get(name, "webhooks", max_age=0.0)
    endpoints: dict[str, Any] = dict(stored.get("endpoints", {}))
    if compiled["microsoft"]:
        _graph_endpoint(name, table, store)
    _board_endpoints(compiled, table, store)
    wanted = [(module, action) for module in modules for action in ACTIONS]
    new = [pair for pair in wanted if endpoint_id(*pair) not in endpoints]
    for module, action in new:
        endpoints[endpoint_id(module, action)] = {
            "token": secrets.token_urlsafe(32),
            "secrets": [new_secret()],
        }
    if new:
        store.put(name, "webhooks", {**stored, "endpoints": endpoints})
    for module, action in wanted:
        identity = endpoint_id(module, action)
        table.put(
            f"endpoint#{token_hash(endpoints[identity]['token'])}",
            "-",
            id=identity,
            connection=name,
            source="zoho",
            module=module,
            action=action,
        )
    dropped = {identity.split(".")[1] for identity in endpoints} - set(modules)
    return len(wanted), tuple(module for module in MODULES if module in dropped)


def _graph_endpoint(name: str, table: ConnectionsTable, store: SecretStore) -> None:
    """Where Microsoft Graph calls, and the key by which its calls are known (sources/graph.py). Made once."""
    stored = store.get(name, "graph", max_age=0.0)
    if not stored.get("token"):
        stored = {"token": secrets.token_urlsafe(32), "key": secrets.token_urlsafe(32)}
        store.put(name, "graph", stored)
    key = f"endpoint#{token_hash(stored['token'])}"
    table.put(key, "-", id="graph", connection=name, source="graph", module="graph", action="notified")


def _board_endpoints(compiled: Mapping[str, Any], table: ConnectionsTable, store: SecretStore) -> None:
    """Where monday calls about each board that is written (sources/monday.py). Made once."""
    name, destinations = compiled["connection"], compiled["destinations"].values()
    wanted = sorted({str(each["board_id"]) for each in destinations if each["type"] == "monday"})
    stored = store.get(name, "boards", max_age=0.0) if wanted else {}
    boards = {board: {"token": secrets.token_urlsafe(32)} for board in wanted} | dict(stored)
    if boards != stored:
        store.put(name, "boards", boards)
    for board in wanted:
        key = f"endpoint#{token_hash(boards[board]['token'])}"
        table.put(key, "-", id=f"monday.{board}", connection=name, source="monday", module="board", action="changed")


def endpoint_id(module: str, action: str) -> str:
    return f"zoho.{module}.{action}"
