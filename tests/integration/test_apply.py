"""A checked connection file comes into force (design 6)."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ml_connector.aws.connections_table import ConnectionsTable
from ml_connector.aws.secrets import EndpointSecrets, SecretStore
from ml_connector.config.apply import Applied, apply
from ml_connector.config.load import load, parse
from ml_connector.connections import token_hash
from ml_connector.modules import ACTIONS, CORE
from tests.fakes import Clock
from tests.integration.conftest import Aws

EXAMPLE = Path(__file__).parents[2] / "connections" / "example.toml"
FIRST, SECOND = (datetime(2026, 11, day, 8, tzinfo=UTC) for day in (22, 23))
ALL = len(CORE) * len(ACTIONS)


class Stack:
    def __init__(self, aws: Aws) -> None:
        self.clock = Clock()
        self.table = ConnectionsTable(aws.dynamodb, "connections", self.clock.monotonic)
        self.store = SecretStore(aws.secretsmanager, "stack", "key", self.clock.monotonic)

    def apply(self, text: bytes | None = None, now: datetime = FIRST) -> Applied:
        file = parse(text, "x.toml") if text else load(EXAMPLE)
        return apply(file, self.table, self.store, now)

    @property
    def endpoints(self) -> dict[str, dict[str, object]]:
        found: dict[str, dict[str, object]] = self.store.get("acme-eu", "webhooks", max_age=0)["endpoints"]
        return found


@pytest.fixture
def stack(aws: Aws) -> Stack:
    return Stack(aws)


def test_functions_see_what_was_applied(stack: Stack) -> None:
    """The example file, as the functions read it."""
    assert stack.apply() == Applied("acme-eu", 1, True, ALL)
    connection = stack.table.connection("acme-eu")
    assert connection is not None
    assert (connection.version, connection.applied_at, connection.region) == (1, "2026-11-22T08:00:00Z", "eu")
    assert set(connection.destinations) == set(load(EXAMPLE).destinations)
    assert stack.table.names() == ["acme-eu"]


def test_every_endpoint_has_a_token_and_a_secret_of_its_own(stack: Stack) -> None:
    """Found by the token's hash alone; the secret is one that Zoho takes."""
    stack.apply()
    tokens = [str(each["token"]) for each in stack.endpoints.values()]
    secrets = [str(each["secrets"]) for each in stack.endpoints.values()]
    assert (len(set(tokens)), len(set(secrets))) == (ALL, ALL)
    for identity, held in stack.endpoints.items():
        endpoint = stack.table.endpoint(token_hash(str(held["token"])))
        assert endpoint is not None
        assert endpoint.id == identity == f"zoho.{endpoint.module}.{endpoint.action}"
        (secret,) = EndpointSecrets(stack.store).secrets(endpoint)
        assert (12 <= len(secret) <= 50, secret.isalnum()) == (True, True)


def test_same_file_again_changes_nothing(stack: Stack) -> None:
    """Addresses that people have given to Zoho stay; no new version."""
    stack.apply()
    before = stack.endpoints
    assert stack.apply(now=SECOND) == Applied("acme-eu", 1, False, ALL)
    assert stack.endpoints == before


def test_change_is_a_new_version_with_its_history(stack: Stack) -> None:
    """The one before stays readable; reconcile's beginning stays where it was."""
    stack.apply()
    text = EXAMPLE.read_bytes().replace(b"min_amount = 10000", b"min_amount = 5000")
    assert text != EXAMPLE.read_bytes()
    assert stack.apply(text, SECOND) == Applied("acme-eu", 2, True, ALL)
    connection = stack.table.connection("acme-eu")
    assert connection is not None
    assert (connection.version, connection.applied_at) == (2, "2026-11-22T08:00:00Z")
    versions = [row["sk"] for row in stack.table.query("connection#acme-eu")]
    assert versions == ["current", "v#000001", "v#000002"]


def test_new_module_gets_endpoints_and_others_keep_theirs(stack: Stack) -> None:
    """Adding bills later moves no invoice address."""
    text = EXAMPLE.read_bytes()
    organization = b'organization_id = "'
    few = text.replace(organization, b'modules = ["invoice"]\n' + organization)
    assert stack.apply(few).endpoints == len(ACTIONS)
    before = stack.endpoints
    assert stack.apply(text, SECOND).endpoints == ALL
    assert {name: stack.endpoints[name] for name in before} == before


def test_lost_endpoint_row_is_put_back(stack: Stack) -> None:
    """Applying again repairs an interrupted apply."""
    stack.apply()
    token = str(stack.endpoints["zoho.invoice.created"]["token"])
    stack.table.delete(f"endpoint#{token_hash(token)}", "-")
    stack.apply(now=SECOND)
    assert stack.table.endpoint(token_hash(token)) is not None


def test_no_secret_is_in_the_table(stack: Stack, aws: Aws) -> None:
    """Neither a path token nor a signing secret: whoever reads the table cannot call an endpoint."""
    stack.apply()
    rows = str(aws.dynamodb.scan(TableName="connections")["Items"])
    for held in stack.endpoints.values():
        for secret in (held["token"], *held["secrets"]):  # type: ignore[misc]
            assert str(secret) not in rows


def test_graph_has_one_address_for_each_connection(stack: Stack) -> None:
    """Made once, with the key of its client states; only a hash of the token is in the table."""
    stack.apply()
    stored = stack.store.get("acme-eu", "graph", max_age=0)
    assert {name: len(value) for name, value in stored.items()} == {"token": 43, "key": 43}
    endpoint = stack.table.endpoint(token_hash(stored["token"]))
    assert endpoint is not None
    assert (endpoint.connection, endpoint.source) == ("acme-eu", "graph")
    stack.apply()
    assert stack.store.get("acme-eu", "graph", max_age=0) == stored


def test_without_microsoft_there_is_nothing_for_graph_to_call(stack: Stack) -> None:
    """No secret, no address."""
    plain = b"""
connection = "acme-eu"
[zoho]
region = "eu"
organization_id = "20064550123"
[destinations.ledger]
type = "monday"
board_id = 1
[[routes]]
events = ["*"]
to = ["ledger"]
"""
    stack.apply(plain)
    assert stack.store.get("acme-eu", "graph", max_age=0) == {}
