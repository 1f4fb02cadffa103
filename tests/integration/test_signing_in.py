"""A service account from end to end: `mlc`, Microsoft's page, the oauth function, `mlc` again, and a message as it.

Tables and secrets are moto's, Microsoft is the strict stand-in, and nothing of ours is replaced but the way to both.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
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
from mlc import auth
from mlc.main import app as mlc
from mlc.stack import Stack
from sandbox.vendors import default_world as w
from sandbox.vendors.world import Clock, World
from tests.contract.test_against_standins import InProcess
from tests.integration.conftest import REGION, Aws

CALLBACK = "https://abcdef.execute-api.eu-central-1.amazonaws.com/oauth/{}/callback"
BUILT: tuple[Any, ...] = (
    bootstrap.connections, bootstrap.secrets, bootstrap.service_account,
    clients.dynamodb, clients.secretsmanager, clients._session,
)  # fmt: skip
FILE = f"""\
connection = "acme-eu"
[zoho]
region = "eu"
organization_id = "{w.ZOHO_ORGANIZATION}"
[microsoft]
tenant_id = "{w.MICROSOFT_TENANT}"
client_id = "{w.MICROSOFT_CLIENT_ID}"
[destinations.finance]
type = "teams"
transport = "delegated"
edits = EDITS
team_id = "{w.MICROSOFT_TEAM}"
channel_id = "{w.CHANNEL_FINANCE}"
[[routes]]
to = ["finance"]
"""


class Office:
    """The stack, Microsoft, and the people who sit before them."""

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

    def apply(self, edits: bool = False) -> None:
        file = FILE.replace("EDITS", str(edits).lower())
        apply(parse(file.encode(), "acme-eu.toml"), self.table, self.secrets, datetime.now(UTC))

    def page(self, url: str) -> str:
        """Where Microsoft sends the browser back to."""
        answer = self.wire.send(requests.Request("GET", f"http://sandbox/{url.removeprefix('https://')}").prepare())
        assert answer.status_code == 302, answer.text
        return str(answer.headers["Location"])

    def agree(self) -> tuple[int, str]:
        done = self.mlc("auth", "microsoft", "acme-eu", "--no-wait", "--json")
        assert done.exit_code == 0, done.stderr
        back = self.page(json.loads(done.stdout)["url"])
        query = dict(parse_qsl(urlsplit(back).query))
        answer = app.handler({"pathParameters": {"vendor": "microsoft"}, "queryStringParameters": query}, None)
        return answer["statusCode"], answer["body"]

    @property
    def stored(self) -> Any:
        return self.secrets.get("acme-eu", "microsoft", max_age=0)


@pytest.fixture
def office(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    for name, value in {
        "CONNECTIONS_TABLE": "connections", "LIMITS_TABLE": "limits", "SECRETS_PREFIX": "stack", "SECRETS_KEY": "key",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    for built in BUILT:
        built.cache_clear()
    seed = w.seed()
    seed["microsoft"]["apps"][0]["redirect_uris"] = [CALLBACK.format("microsoft")]
    here = Office(aws, World(seed, Clock()))
    outputs = {
        "ConnectionsTableName": "connections", "LimitsTableName": "limits", "SecretsPrefix": "stack",
        "SecretsKeyArn": "key", "OAuthCallbackUrl": CALLBACK.format("zoho"), "WebhookUrl": "https://x/webhooks",
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
    here.apply()
    given = json.dumps({"client_secret": w.MICROSOFT_CLIENT_SECRET})
    done = here.mlc("credentials", "set", "acme-eu", "microsoft", "--from-stdin", given=given)
    assert done.exit_code == 0, done.stderr
    yield here
    for built in BUILT:
        built.cache_clear()


def test_account_signs_in_and_posts(office: Office) -> None:
    """The address, Microsoft's page, the callback: then it is stored, planned, shown without a secret, and works."""
    assert office.mlc("auth", "microsoft", "acme-eu", "--check").exit_code == 3
    status, page = office.agree()
    assert (status, "books@harbour.example" in page) == (200, True)
    due = TokenAgenda(office.table).of("acme-eu", "microsoft.delegated")
    assert due is not None
    shown = office.mlc("auth", "microsoft", "acme-eu", "--check")
    assert (shown.exit_code, "books@harbour.example" in shown.stdout, "ola" in shown.stdout) == (0, True, True)
    posted = office.mlc("doctor", "acme-eu", "--post", "--json")
    (found,) = [each for each in json.loads(posted.stdout)["findings"] if each["check"] == "teams"]
    assert (found["state"], "a test card was posted" in found["what"]) == ("ok", True), found
    (message,) = office.world.microsoft.channels[w.CHANNEL_FINANCE].messages
    assert message.sender == w.MICROSOFT_USER
    stored = office.stored
    for secret in (stored["delegated"]["refresh_token"], w.MICROSOFT_CLIENT_SECRET):
        assert secret not in page + shown.stdout + posted.stdout


def test_new_secret_ends_no_sign_in(office: Office) -> None:
    """The client's secret is changed every year; nobody has to sign in again for that."""
    office.agree()
    kept = office.stored["delegated"]
    given = json.dumps({"client_secret": "another"})
    assert office.mlc("credentials", "set", "acme-eu", "microsoft", "--from-stdin", given=given).exit_code == 0
    assert (office.stored["delegated"], office.stored["client_secret"]) == (kept, "another")


def test_another_registration_ends_a_sign_in_only_when_that_is_said(office: Office) -> None:
    """The file names another app: its secret is not stored over the account's sign-in without a word."""
    office.agree()
    kept = office.stored
    file = FILE.replace("EDITS", "false").replace(w.MICROSOFT_CLIENT_ID, "0f0f0f0f-1111-4222-8333-444455556666")
    apply(parse(file.encode(), "acme-eu.toml"), office.table, office.secrets, datetime.now(UTC))
    words = ("credentials", "set", "acme-eu", "microsoft", "--from-stdin")
    given = json.dumps({"client_secret": "another"})
    done = office.mlc(*words, given=given)
    assert (done.exit_code, "mlc auth microsoft acme-eu" in done.stderr, office.stored) == (2, True, kept)
    assert office.mlc(*words, "--yes", given=given).exit_code == 0
    assert "delegated" not in office.stored


def test_certificate_is_stored_in_place_of_the_secret(office: Office) -> None:
    """Both parts of it or nothing."""
    half = json.dumps({"private_key": "PEM"})
    done = office.mlc("credentials", "set", "acme-eu", "microsoft", "--from-stdin", given=half)
    assert (done.exit_code, "missing: certificate" in done.stderr) == (3, True)
    whole = json.dumps({"private_key": "PEM", "certificate": "PEM"})
    assert office.mlc("credentials", "set", "acme-eu", "microsoft", "--from-stdin", given=whole).exit_code == 0
    assert "client_secret" not in office.stored


def test_sign_in_is_forgotten_on_command(office: Office) -> None:
    """With its token and its place in the schedule; the client's secret and the bot's token stay."""
    assert office.mlc("auth", "revoke", "microsoft", "acme-eu", "--yes").exit_code == 3
    office.agree()
    done = office.mlc("auth", "revoke", "microsoft", "acme-eu", "--yes")
    assert (done.exit_code, "Entra ID" in done.stdout) == (0, True)
    assert "delegated" not in office.stored
    assert "microsoft.delegated" not in office.stored["tokens"]
    assert office.stored["client_secret"] == w.MICROSOFT_CLIENT_SECRET
    assert TokenAgenda(office.table).of("acme-eu", "microsoft.delegated") is None
    assert office.mlc("auth", "microsoft", "acme-eu", "--check").exit_code == 3


def test_address_of_a_connector_is_refused(office: Office) -> None:
    """They are switched off; the sentence says so and does not repeat the address, which was a secret."""
    file = FILE.replace("edits = EDITS", "").replace("delegated", "workflows")
    file = "\n".join(line for line in file.splitlines() if not line.startswith(("team_id", "channel_id")))
    apply(parse(file.encode(), "acme-eu.toml"), office.table, office.secrets, datetime.now(UTC))
    given = json.dumps({"finance": "https://acme.webhook.office.com/webhookb2/sEcReT"})
    done = office.mlc("credentials", "set", "acme-eu", "workflows", "--from-stdin", given=given)
    assert (done.exit_code, "May 2026" in done.stderr, "sEcReT" in done.output) == (3, True, False)


def test_changing_messages_wants_an_administrator(office: Office) -> None:
    """The page says so, and nothing is stored; with the consent it goes on."""
    office.apply(edits=True)
    status, page = office.agree()
    assert (status, "administrator must consent" in page) == (400, True)
    assert "delegated" not in office.stored
    office.apply(edits=False)
    assert office.agree()[0] == 200
    office.apply(edits=True)
    found = json.loads(office.mlc("doctor", "acme-eu", "--json").stdout)["findings"]
    (teams,) = [each for each in found if each["check"] == "teams"]
    assert ("ChannelMessage.ReadWrite" in teams["what"], teams["type"]) == (True, ["mlc auth microsoft acme-eu"])
    office.world.microsoft.apps[w.MICROSOFT_TENANT, w.MICROSOFT_CLIENT_ID].granted = ["ChannelMessage.ReadWrite"]
    assert office.agree()[0] == 200
    assert office.stored["delegated"]["scopes"] == ["ChannelMessage.Send", "ChannelMessage.ReadWrite"]
    posted = json.loads(office.mlc("doctor", "acme-eu", "--post", "--json").stdout)["findings"]
    assert any("posted and deleted" in each["what"] for each in posted if each["check"] == "teams")
