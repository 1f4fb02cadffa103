"""monday.com from end to end: `mlc`, monday's page, the oauth function, a board that is made, filled and checked.

Tables, queues and secrets are moto's, the vendors are the strict stand-ins.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import boto3
import pytest
import requests
from typer.testing import CliRunner, Result

from functions.oauth import app
from ml_connector import bootstrap
from ml_connector.aws import clients
from ml_connector.aws.connections_table import ConnectionsTable
from ml_connector.aws.secrets import SecretStore
from ml_connector.aws.token_agenda import TokenAgenda
from ml_connector.config.apply import apply
from ml_connector.config.load import parse
from ml_connector.vendors.http import Http
from mlc import auth, monday_toml
from mlc.main import app as mlc
from mlc.stack import Stack
from sandbox.vendors import control
from sandbox.vendors import default_world as w
from sandbox.vendors.wire import Call
from sandbox.vendors.world import Clock, World
from tests.contract.test_against_standins import InProcess
from tests.integration.conftest import REGION, Aws

CALLBACK = "https://abcdef.execute-api.eu-central-1.amazonaws.com/oauth/{}/callback"
BUILT: tuple[Any, ...] = (
    bootstrap.connections, bootstrap.secrets, bootstrap.monday_consent, bootstrap.tokens, bootstrap.limiter,
    bootstrap.notices, clients.dynamodb, clients.secretsmanager,
    clients._session,
)  # fmt: skip
BOARD = {"type": "monday", "board_id": int(w.MONDAY_BOARD), "group": w.MONDAY_GROUP, "plan": "pro"}
APP = {"client_id": w.MONDAY_CLIENT_ID, "client_secret": w.MONDAY_CLIENT_SECRET, "signing_secret": "sIgN"}
FILE = f"""\
connection = "acme-eu"
[zoho]
region = "{w.ZOHO_REGION}"
organization_id = "{w.ZOHO_ORGANIZATION}"
[[routes]]
to = ["ledger"]
"""


class Office:
    """The stack, monday, and the people who sit before them."""

    def __init__(self, aws: Aws, world: World) -> None:
        self.world = world
        self.table = ConnectionsTable(aws.dynamodb, "connections")
        self.secrets = SecretStore(aws.secretsmanager, "stack", "key", denied_is_missing=False)
        self.wire = InProcess(world)

    def http(self, hosts: frozenset[str]) -> Http:
        client = Http(hosts, "http://sandbox")
        client._session.mount("http://sandbox", self.wire)
        return client

    def mlc(self, *words: str, given: str | None = None) -> Result:
        return CliRunner().invoke(mlc, [*words, "--stack", "stack"], input=given, catch_exceptions=False)

    def data(self, *words: str, ends: int = 0) -> Any:
        done = self.mlc(*words, "--json")
        assert done.exit_code == ends, done.output
        return json.loads(done.stdout)

    def apply(self, place: dict[str, Any]) -> None:
        file = FILE + monday_toml.destination("ledger", place)
        apply(parse(file.encode(), "acme-eu.toml"), self.table, self.secrets, datetime.now(UTC))

    def store(self, vendor: str, given: dict[str, str], *words: str) -> Result:
        return self.mlc("credentials", "set", "acme-eu", vendor, "--from-stdin", *words, given=json.dumps(given))

    def agree(self) -> tuple[int, str]:
        url = self.data("auth", "monday", "acme-eu", "--no-wait")["url"]
        answer = self.wire.send(requests.Request("GET", f"http://sandbox/{url.removeprefix('https://')}").prepare())
        assert answer.status_code == 302, answer.text
        query = dict(parse_qsl(urlsplit(str(answer.headers["Location"])).query))
        page = app.handler({"pathParameters": {"vendor": "monday"}, "queryStringParameters": query}, None)
        return page["statusCode"], page["body"]

    def saves(self, module: str) -> None:
        """A record of a while ago, of which no webhook has told."""
        body = json.dumps({"fields": {}, "webhook": "lose"}).encode()
        path = f"/zoho/{w.ZOHO_ORGANIZATION}/records/{module}"
        answer = control.handle(self.world, Call("POST", "_control", path, {}, body))
        assert answer.status == 200, answer.body
        self.world.clock.advance(300)

    @property
    def stored(self) -> Any:
        return self.secrets.get("acme-eu", "monday", max_age=0)


@pytest.fixture
def office(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    for name, value in {
        "CONNECTIONS_TABLE": "connections", "LIMITS_TABLE": "limits", "SECRETS_PREFIX": "stack", "SECRETS_KEY": "key",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    for built in BUILT:
        built.cache_clear()
    seed = w.seed()
    seed["monday"]["apps"][0]["redirect_uris"] = [CALLBACK.format("monday")]
    here = Office(aws, World(seed, Clock()))
    outputs = {
        "ConnectionsTableName": "connections", "LimitsTableName": "limits", "SecretsPrefix": "stack",
        "SecretsKeyArn": "key", "OAuthCallbackUrl": CALLBACK.format("zoho"), "WebhookUrl": "https://x/webhooks",
        "DeliveryTableName": "delivery", "AuditTableName": "audit", "AuditRetentionDays": "400",
        "DeliveriesQueueUrl": aws.deliveries_url,
    }  # fmt: skip
    outputs["Version"] = version("ml-connector")
    listed = [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()]
    described = {"StackStatus": "CREATE_COMPLETE", "Outputs": listed}
    monkeypatch.setattr(Stack, "_described", described)
    session = boto3.Session(region_name=REGION)
    monkeypatch.setattr(Stack, "__post_init__", lambda stack: setattr(stack, "session", session))
    monkeypatch.setattr(bootstrap, "http", here.http)
    monkeypatch.setattr(Stack, "http", lambda _, hosts: here.http(hosts))
    monkeypatch.setattr(auth, "identity", lambda session: "ola")
    aws.secretsmanager.create_secret(Name="stack/oauth-state", SecretString="signing-key")
    here.apply(BOARD)
    yield here
    for built in BUILT:
        built.cache_clear()


# --- access ----------------------------------------------------------------------------------------------------------


def test_app_is_given_access_and_sees_the_board(office: Office) -> None:
    """The address, monday's page, the callback: then it is stored, planned and shown without a secret."""
    assert office.store("monday", APP).exit_code == 0
    assert office.mlc("auth", "monday", "acme-eu", "--check").exit_code == 3
    status, page = office.agree()
    assert (status, "harbour.monday.com" in page) == (200, True)
    assert TokenAgenda(office.table).of("acme-eu", "monday") is not None
    shown = office.mlc("auth", "monday", "acme-eu", "--check")
    assert (shown.exit_code, "harbour.monday.com" in shown.stdout, "ola" in shown.stdout) == (0, True, True)
    (found,) = [each for each in office.data("doctor", "acme-eu", ends=3)["findings"] if each["check"] == "monday"]
    assert found["state"] == "ok", found
    for secret in (office.stored["delegated"]["refresh_token"], w.MONDAY_CLIENT_SECRET):
        assert secret not in page + shown.stdout


def test_new_secret_of_the_same_app_ends_nobodys_access(office: Office) -> None:
    office.store("monday", APP)
    office.agree()
    kept = office.stored["delegated"]
    assert office.store("monday", {**APP, "signing_secret": "another"}).exit_code == 0
    assert (office.stored["delegated"], office.stored["signing_secret"]) == (kept, "another")


def test_personal_token_in_place_of_an_app_is_said_before_it_is_stored(office: Office) -> None:
    """The access that was given would be forgotten here, but live on at monday."""
    office.store("monday", APP)
    office.agree()
    kept = office.stored
    done = office.store("monday", {"token": w.MONDAY_TOKEN})
    assert (done.exit_code, "mlc auth revoke acme-eu monday" in done.stderr, office.stored) == (2, True, kept)
    assert office.store("monday", {"token": w.MONDAY_TOKEN}, "--yes").exit_code == 0
    assert office.stored == {"token": w.MONDAY_TOKEN}
    assert TokenAgenda(office.table).of("acme-eu", "monday") is None


def test_access_is_given_back_on_command(office: Office) -> None:
    assert office.store("monday", APP).exit_code == 0
    assert office.mlc("auth", "revoke", "monday", "acme-eu", "--yes").exit_code == 3
    office.agree()
    assert office.data("auth", "revoke", "monday", "acme-eu", "--yes")["revoked"] is True
    assert set(office.stored) == set(APP)
    assert TokenAgenda(office.table).of("acme-eu", "monday") is None


@pytest.mark.parametrize("given", [{"client_id": "x"}, {"token": "x", "client_id": "y"}, {"client_secret": "x"}])
def test_half_of_an_apps_credentials_is_refused(office: Office, given: dict[str, str]) -> None:
    assert office.store("monday", given).exit_code == 3
    assert office.stored == {}


# --- boards ----------------------------------------------------------------------------------------------------------


def test_board_is_made_pasted_filled_and_checked(office: Office) -> None:
    """Ten minutes of a person, in one go: and a second run of each does nothing more."""
    office.store("monday", {"token": w.MONDAY_TOKEN})
    office.store("zoho", {
        "client_id": w.ZOHO_CLIENT_ID, "client_secret": w.ZOHO_CLIENT_SECRET, "refresh_token": w.ZOHO_REFRESH_TOKEN,
    })  # fmt: skip
    made = office.data("monday", "board", "create", "acme-eu", "--name", "Books", "--groups", "states")
    office.apply({**tomllib.loads(made["toml"])["destinations"]["ledger"], "plan": "pro"})
    (found,) = [each for each in office.data("doctor", "acme-eu", ends=3)["findings"] if each["check"] == "monday"]
    assert found["state"] == "ok", found
    for module in ("invoice", "invoice", "bill", "customer_payment"):
        office.saves(module)
    loaded = office.data("monday", "load", "acme-eu", "--yes")
    assert (loaded["created"], loaded["left"], loaded["stopped"]) == (4, 0, "")
    assert office.data("monday", "load", "acme-eu", "--yes")["created"] == 0
    report = office.data("monday", "check", "acme-eu")["ledger"]
    assert (report["items"], report["findings"]) == (4, [])


def test_reconciles_turn_checks_the_board_once_a_night(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what the function builds, and its own note of it."""
    for name, value in {"DELIVERY_TABLE": "delivery", "AUDIT_TABLE": "audit", "AUDIT_RETENTION_DAYS": "400"}.items():
        monkeypatch.setenv(name, value)
    bootstrap.nightly.cache_clear()
    office.store("monday", {"token": w.MONDAY_TOKEN})
    connection = office.table.connection("acme-eu", fresh=True)
    assert connection is not None
    bootstrap.nightly().run(replace(connection, admin="finance"), lambda: True)
    (row,) = office.table.query("boards")
    assert (row["sk"], list(json.loads(row["checked"]))) == ("acme-eu", ["ledger"])
    bootstrap.nightly.cache_clear()
