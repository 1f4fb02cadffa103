"""A checked connection comes into force (design 6)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from ml_connector.aws.connections_table import ConnectionsTable
from ml_connector.aws.secrets import SecretStore
from ml_connector.config.apply import Applied, apply
from ml_connector.config.load import load
from ml_connector.config.model import ConnectionFile, Retry, Zoho
from ml_connector.connections import Connection, token_hash
from ml_connector.modules import EVENTS

EXAMPLE = Path(__file__).parents[2] / "connections" / "example.toml"
NOW = datetime(2026, 10, 21, 14, 0, tzinfo=UTC)


@dataclass
class Account:
    """The connections table and Secrets Manager, in memory. `log` is the order of the writes."""

    rows: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    kept: dict[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)

    def put_row(self, pk: str, sk: str, **attributes: Any) -> None:
        self.rows[pk, sk] = attributes
        self.log.append(pk.partition("#")[0])

    def apply(self, file: ConnectionFile, now: datetime = NOW) -> Applied:
        table = _Table(self)
        return apply(file, cast("ConnectionsTable", table), cast("SecretStore", _Secrets(self)), now)

    @property
    def current(self) -> Connection:
        return Connection.from_data(json.loads(self.rows["connection#acme-eu", "current"]["data"]))

    @property
    def endpoints(self) -> dict[str, Any]:
        endpoints: dict[str, Any] = self.kept["acme-eu", "webhooks"]["endpoints"]
        return endpoints


@dataclass
class _Table:
    account: Account

    def get(self, pk: str, sk: str) -> dict[str, Any] | None:
        return self.account.rows.get((pk, sk))

    def put(self, pk: str, sk: str, **attributes: Any) -> None:
        self.account.put_row(pk, sk, **attributes)


@dataclass
class _Secrets:
    account: Account

    def get(self, connection: str, purpose: str, *, max_age: float) -> Mapping[str, Any]:
        return self.account.kept.get((connection, purpose), {})

    def put(self, connection: str, purpose: str, value: Mapping[str, Any]) -> None:
        self.account.kept[connection, purpose] = value
        self.account.log.append("secret")


@pytest.fixture
def file() -> ConnectionFile:
    return load(EXAMPLE)


def test_the_first_time(file: ConnectionFile) -> None:
    """Version 1, an endpoint per module and action, a name in the list of connections."""
    account = Account()
    assert account.apply(file) == Applied("acme-eu", 1, True, len(EVENTS))
    assert account.current.applied_at == "2026-10-21T14:00:00Z"
    assert ("connections", "acme-eu") in account.rows
    assert account.rows["connection#acme-eu", "v#000001"] == account.rows["connection#acme-eu", "current"]


def test_each_endpoint_has_an_address_and_a_secret_of_its_own(file: ConnectionFile) -> None:
    """Zoho takes 12 to 50 letters and digits; the table holds a hash of the address only (zoho-books 1.1, 1.6)."""
    account = Account()
    account.apply(file)
    tokens = [each["token"] for each in account.endpoints.values()]
    secrets = [secret for each in account.endpoints.values() for secret in each["secrets"]]
    assert len(set(tokens)) == len(set(secrets)) == len(EVENTS)
    assert all(12 <= len(secret) <= 50 and secret.isascii() and secret.isalnum() for secret in secrets)
    for event, each in account.endpoints.items():
        row = account.rows[f"endpoint#{token_hash(each['token'])}", "-"]
        assert (row["id"], row["connection"], row["source"]) == (event, "acme-eu", "zoho")
        assert event == f"zoho.{row['module']}.{row['action']}"
    stored = json.dumps([[*key, value] for key, value in account.rows.items()])
    assert not any(word in stored for word in (*tokens, *secrets))


def test_an_address_works_before_it_is_shown_and_the_configuration_comes_last(file: ConnectionFile) -> None:
    """A crash in between leaves the old configuration in force, and the next apply finishes the work."""
    account = Account()
    account.apply(file)
    assert account.log == ["secret", *["endpoint"] * len(EVENTS), "connection", "connection", "connections"]


def test_the_same_file_again_changes_nothing(file: ConnectionFile) -> None:
    """Applying is safe to repeat: same version, same addresses, same secrets."""
    account = Account()
    account.apply(file)
    endpoints = account.endpoints
    assert account.apply(file, NOW + timedelta(days=1)) == Applied("acme-eu", 1, False, len(EVENTS))
    assert account.endpoints == endpoints
    assert account.current.version == 1


def test_a_change_is_the_next_version(file: ConnectionFile) -> None:
    """History stays; reconcile goes on from where the connection first came into force."""
    account = Account()
    account.apply(file)
    changed = file.model_copy(update={"retry": Retry(unknown="repeat")})
    assert account.apply(changed, NOW + timedelta(days=1)) == Applied("acme-eu", 2, True, len(EVENTS))
    assert account.current.retry == {"unknown": "repeat"}
    assert account.current.applied_at == "2026-10-21T14:00:00Z"
    assert ("connection#acme-eu", "v#000001") in account.rows


def test_a_new_module_leaves_the_old_addresses_alone(file: ConnectionFile) -> None:
    """What was pasted into Zoho keeps working."""
    account = Account()
    zoho = Zoho(region="eu", organization_id=file.zoho.organization_id, modules=("invoice",))
    assert account.apply(file.model_copy(update={"zoho": zoho})).endpoints == 2
    before = dict(account.endpoints)
    account.apply(file)
    assert {name: account.endpoints[name] for name in before} == before
    assert len(account.endpoints) == len(EVENTS)
