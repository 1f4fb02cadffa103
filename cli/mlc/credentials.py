"""Credentials by vendor: what is asked for, how it is stored, and when a token is due first."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TextIO

import typer

from ml_connector.aws.connections_table import ConnectionsTable
from ml_connector.aws.schedules import TokenAgenda
from ml_connector.aws.secrets import SecretStore
from ml_connector.connections import Connection
from ml_connector.consent import Consent
from ml_connector.errors import ConfigError
from ml_connector.regions import HOSTS
from ml_connector.tokens import Due
from mlc.stack import Stack


class Vendor(StrEnum):
    ZOHO = "zoho"
    MICROSOFT = "microsoft"
    MONDAY = "monday"
    WORKFLOWS = "workflows"


# What must be given, and what may be. Everything here is asked for without echo.
FIELDS: Mapping[Vendor, tuple[tuple[str, ...], tuple[str, ...]]] = {
    Vendor.ZOHO: (("client_id", "client_secret"), ("refresh_token",)),
    Vendor.MICROSOFT: (("client_secret",), ()),
    Vendor.MONDAY: (("token",), ()),
}
_KINDS = {Vendor.ZOHO: ("zoho",), Vendor.MICROSOFT: ("microsoft.bot",)}


def ask(vendor: Vendor, connection: Connection) -> dict[str, str]:
    names = _workflows(connection) if vendor is Vendor.WORKFLOWS else FIELDS[vendor][0]
    return {name: typer.prompt(name, hide_input=True) for name in names}


def read(stream: TextIO) -> object:
    """JSON. Raises ConfigError, which repeats nothing of what stands there."""
    try:
        return json.load(stream)
    except (ValueError, RecursionError):
        raise ConfigError("standard input is not JSON; credentials are an object of texts") from None


def store(
    table: ConnectionsTable, secrets: SecretStore, connection: Connection, vendor: Vendor, given: object
) -> list[str]:
    """Stores the values; gives back their names. Raises ConfigError for a wrong set of names."""
    if not isinstance(given, dict) or not all(isinstance(value, str) and value for value in given.values()):
        raise ConfigError("credentials are a JSON object of texts")
    needed, optional = (_workflows(connection), ()) if vendor is Vendor.WORKFLOWS else FIELDS[vendor]
    missing, unknown = set(needed) - set(given), set(given) - set(needed) - set(optional)
    if missing or unknown:
        raise ConfigError(
            f"{vendor.value} credentials are {', '.join((*needed, *optional))}; "
            + "; ".join(
                f"{word}: {', '.join(sorted(names))}"
                for word, names in (("missing", missing), ("unknown", unknown))
                if names
            )
        )
    fixed: dict[str, Any] = {}
    if vendor is Vendor.ZOHO:
        fixed = {"region": connection.region}
    if vendor is Vendor.MICROSOFT:
        fixed = dict(connection.microsoft)
    secrets.put(connection.name, vendor.value, {**fixed, **given})
    if vendor is not Vendor.ZOHO or "refresh_token" in given:
        now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        for kind in _KINDS.get(vendor, ()):
            TokenAgenda(table).set(Due(connection.name, kind, now, "ok"))
    return sorted(given)


def _workflows(connection: Connection) -> tuple[str, ...]:
    names = tuple(
        name
        for name, settings in connection.destinations.items()
        if settings["type"] == "teams" and settings["transport"] == "workflows"
    )
    if not names:
        raise ConfigError(f"connection {connection.name!r} has no destination with the workflows transport")
    return names


def consent(stack: Stack) -> Consent:
    from ml_connector.vendors.http import Http
    from ml_connector.vendors.zoho import ZohoAccounts

    return Consent(
        secrets=stack.secrets,
        accounts=ZohoAccounts(Http(HOSTS)),
        spend=lambda nonce, ends: False,
        tokens_changed=lambda connection: None,
        key=lambda: stack.secrets.text("oauth-state"),
        clock=lambda: datetime.now(UTC),
        redirect_uri=f"{stack.outputs['OAuthCallbackUrl'].replace('{vendor}', 'zoho')}",
    )
