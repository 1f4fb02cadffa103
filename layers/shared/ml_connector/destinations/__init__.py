"""Destinations: one module per kind, each settings, a pure renderer and a thin sender. None knows another.

A new kind is one module, its settings in ml_connector.config.model, and one line here and in the contract tests:
docs/adding-a-destination.md.
The module is imported when a connection first uses it, so a cold start pays only for what is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

from ml_connector.connections import Connection
from ml_connector.errors import Undeliverable
from ml_connector.limits import UNLIMITED, Limits
from ml_connector.ports import AccessTokens, Clock, Destination
from ml_connector.vendors.http import Http

KINDS: Mapping[str, str] = {
    "teams": "ml_connector.destinations.teams",
    "monday": "ml_connector.destinations.monday",
    "zoho_comment": "ml_connector.destinations.zoho_comment",
}


class Secrets(Protocol):
    def get(self, connection: str, purpose: str, *, max_age: float = ...) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Toolbox:
    """What a destination may use."""

    http: Callable[[frozenset[str]], Http]
    tokens: AccessTokens
    secrets: Secrets
    clock: Clock
    limits: Limits = UNLIMITED
    pause: Callable[[float], None] | None = None
    """Waits a few seconds within a call; None: nobody waits."""
    gathers: bool = False
    """Whether Crowded is raised where a channel has enough new messages: whoever uses it gathers them for a digest."""


class Registry:
    """Builds destinations from a connection's settings and keeps them for as long as these stay the same."""

    def __init__(self, tools: Toolbox) -> None:
        self._tools = tools
        self._built: dict[tuple[str, int, str], Destination] = {}

    def destination(self, connection: Connection, name: str) -> Destination:
        key = (connection.name, connection.version, name)
        if key not in self._built:
            settings = connection.destinations.get(name)
            if settings is None:
                raise Undeliverable(
                    f"destination {name!r} is not configured (any more) in connection {connection.name!r}"
                )
            module = import_module(KINDS[settings["type"]])
            built: Destination = module.connect(name, settings, connection, self._tools)
            self._built[key] = built
        return self._built[key]
