"""Credentials by vendor: what is asked for, how it is stored, and when a token is due first."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TextIO

import typer

from ml_connector.aws.connections_table import ConnectionsTable
from ml_connector.aws.organizations import Organizations
from ml_connector.aws.secrets import SecretStore
from ml_connector.aws.token_agenda import TokenAgenda
from ml_connector.connections import Connection
from ml_connector.errors import ConfigError
from ml_connector.regions import REGIONS
from ml_connector.times import stamp
from ml_connector.tokens import Due


class Vendor(StrEnum):
    ZOHO = "zoho"
    MICROSOFT = "microsoft"
    MONDAY = "monday"
    WORKFLOWS = "workflows"


# What must be given, and what may be. Everything here is asked for without echo.
FIELDS: Mapping[Vendor, tuple[tuple[str, ...], tuple[str, ...]]] = {
    # `client_region`: the data centre whose API console the client was made in, if it is not the connection's.
    Vendor.ZOHO: (("client_id", "client_secret"), ("client_region", "refresh_token")),
    # A certificate in place of the secret: `private_key` and `certificate` as PEM texts, from standard input.
    Vendor.MICROSOFT: (("client_secret",), ("private_key", "certificate")),
    # A personal API token; or, for `mlc auth monday`, what names an app (its signing secret signs webhooks).
    Vendor.MONDAY: (("token",), ()),
}
_MONDAY_APP = (("client_id", "client_secret"), ("signing_secret",))


def ask(vendor: Vendor, connection: Connection) -> dict[str, str]:
    names = _workflows(connection) if vendor is Vendor.WORKFLOWS else FIELDS[vendor][0]
    if vendor is Vendor.MONDAY:
        token = typer.prompt("token (leave it empty for an app's client id and secret)", default="", hide_input=True)
        if token:
            return {"token": token}
        names = (*_MONDAY_APP[0], *_MONDAY_APP[1])
    return {name: typer.prompt(name, hide_input=True) for name in names}


def read(stream: TextIO) -> object:
    """JSON. Raises ConfigError, which repeats nothing of what stands there."""
    try:
        return json.load(stream)
    except (ValueError, RecursionError):
        raise ConfigError("standard input is not JSON; credentials are an object of texts") from None


def ends(secrets: SecretStore, connection: Connection, vendor: Vendor, given: object) -> str:
    """Which working access ends when this is stored, as a sentence; "" if none does, or none that was not replaced."""
    old = secrets.get(connection.name, vendor.value, max_age=0.0)
    if vendor is Vendor.ZOHO and old.get("refresh_token") and isinstance(given, dict):
        if "refresh_token" in given or not given.get("client_id") or "refresh_token" in _kept(old, given, connection):
            return ""
        return (
            f"{connection.name} is connected to Zoho Books through another client or data centre. With this one "
            f"nothing is fetched until somebody agrees anew (mlc auth zoho {connection.name}), and the old access can "
            f"no longer be given back from here: mlc auth revoke {connection.name} zoho does it before."
        )
    if vendor is Vendor.MICROSOFT and "delegated" in old and "delegated" not in _registered(old, connection):
        return (
            f"The service account of {connection.name} signed in to another app registration. With this one nothing is "
            f"posted as it until it signs in anew: mlc auth microsoft {connection.name}."
        )
    if vendor is Vendor.MONDAY and "delegated" in old and isinstance(given, dict) and not _same_app(old, given):
        return (
            f"{connection.name} writes boards through an app that {old['delegated']['user']} gave access to. With this "
            f"that access ends here, but not at monday; mlc auth revoke {connection.name} monday gives it back before."
        )
    return ""


def store(
    table: ConnectionsTable, secrets: SecretStore, connection: Connection, vendor: Vendor, given: object
) -> list[str]:
    """Stores the values; gives back their names. The caller is the only writer (consent.only_writer).

    Raises ConfigError for a wrong set of names.
    """
    if not isinstance(given, dict) or not all(isinstance(value, str) and value for value in given.values()):
        raise ConfigError("credentials are a JSON object of texts")
    needed, optional = (_workflows(connection), ()) if vendor is Vendor.WORKFLOWS else FIELDS[vendor]
    if vendor is Vendor.MICROSOFT and "private_key" in given:
        needed, optional = ("private_key", "certificate"), ()
    if vendor is Vendor.MONDAY and "client_id" in given:
        needed, optional = _MONDAY_APP
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
    if vendor is Vendor.WORKFLOWS:
        _refuse_connectors(given)
    fixed: dict[str, Any] = {}
    if vendor is Vendor.ZOHO:
        fixed = _kept(secrets.newest(connection.name, vendor.value), given, connection)
        if "refresh_token" not in fixed:
            Organizations(table).forget(connection.name)
    if vendor is Vendor.MICROSOFT:
        if not connection.microsoft:
            raise ConfigError(f"connection {connection.name!r} has no [microsoft] with tenant_id and client_id")
        fixed = _registered(secrets.newest(connection.name, vendor.value), connection)
    if vendor is Vendor.MONDAY:
        old = secrets.newest(connection.name, vendor.value)
        fixed = dict(old) if _same_app(old, given) else {}
        if "delegated" not in fixed:
            TokenAgenda(table).remove(connection.name, "monday")
    stored = {**fixed, **given}
    secrets.put(connection.name, vendor.value, stored)
    if vendor is not Vendor.ZOHO or "refresh_token" in stored:
        now = stamp(datetime.now(UTC))
        for kind in _kinds(vendor, connection, stored):
            TokenAgenda(table).set(Due(connection.name, kind, now, "ok"))
    return sorted(given)


def _kept(old: Mapping[str, Any], given: Mapping[str, str], connection: Connection) -> dict[str, Any]:
    """What stays of the old ones: a new secret of the client ends no consent, another client ends it."""
    region = given.get("client_region", connection.region)
    if region not in REGIONS:
        raise ConfigError(f"client_region {region[:20]!r} is no data centre; there are {', '.join(REGIONS)}")
    same = (old.get("client_id"), old.get("region")) == (given["client_id"], connection.region)
    return {**(old if same and "refresh_token" not in given else {}), "region": connection.region}


def _kinds(vendor: Vendor, connection: Connection, stored: Mapping[str, Any]) -> list[str]:
    """The tokens that the schedule renews with these credentials. Others are fetched by whoever needs them."""
    if vendor is Vendor.ZOHO:
        return ["zoho"]
    if vendor is Vendor.MONDAY:
        return ["monday"] if "refresh_token" in stored.get("delegated", {}) else []
    if vendor is not Vendor.MICROSOFT:
        return []
    transports = {each["transport"] for each in connection.destinations.values() if each["type"] == "teams"}
    kinds = ["microsoft.bot"] if "bot" in transports else []
    return kinds + (["microsoft.delegated"] if "delegated" in stored else [])


def _same_app(old: Mapping[str, Any], given: Mapping[str, str]) -> bool:
    """Whether only the secrets of the same monday app are new: that ends nobody's access."""
    return "client_id" in given and old.get("client_id") == given["client_id"]


def _registered(old: Mapping[str, Any], connection: Connection) -> dict[str, Any]:
    """The registration as the file names it. A new secret of the same one ends no service account's sign-in."""
    now = dict(connection.microsoft)
    same = all(old.get(name) == now.get(name) for name in ("tenant_id", "client_id"))
    return {**now, **({"delegated": old["delegated"]} if same and "delegated" in old else {})}


def _refuse_connectors(given: Mapping[str, str]) -> None:
    """Addresses that Microsoft has switched off (contracts: microsoft-teams 1.3). Nothing of them is repeated."""
    from ml_connector.vendors.microsoft import is_connector

    if old := [name for name, url in given.items() if is_connector(url)]:
        raise ConfigError(
            f"{', '.join(old)}: this is the address of an Office 365 connector; Microsoft switched these off "
            "in May 2026. Make a Workflows webhook in the channel (docs/teams.md) and give its address"
        )


def _workflows(connection: Connection) -> tuple[str, ...]:
    names = tuple(
        name
        for name, settings in connection.destinations.items()
        if settings["type"] == "teams" and settings["transport"] == "workflows"
    )
    if not names:
        raise ConfigError(f"connection {connection.name!r} has no destination with the workflows transport")
    return names
