"""An organization is connected from end to end: `mlc`, Zoho's own page, the oauth function, `mlc` again.

Tables and secrets are moto's, Zoho is the strict stand-in, and nothing of ours is replaced but the way to both.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
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
from ml_connector.aws.organizations import ConsentLinks, Organizations
from ml_connector.aws.secrets import SecretStore
from ml_connector.aws.token_agenda import TokenAgenda
from ml_connector.config.apply import apply
from ml_connector.config.load import load, parse
from ml_connector.consent import Connected, Link, Outcome
from ml_connector.errors import ConfigError
from ml_connector.ports import Organization
from ml_connector.tokens import Due
from ml_connector.vendors.http import Http
from mlc import auth
from mlc.main import app as mlc
from mlc.stack import Stack
from sandbox.vendors import default_world as w
from sandbox.vendors.world import Clock, World
from sandbox.vendors.zoho_state import User
from tests.contract.test_against_standins import InProcess
from tests.integration.conftest import REGION, Aws

EXAMPLE = Path(__file__).parents[2] / "connections" / "example.toml"
CALLBACK = "https://abcdef.execute-api.eu-central-1.amazonaws.com/oauth/zoho/callback"
OTHER = "20064550999"
BUILT: tuple[Any, ...] = (
    bootstrap.connections, bootstrap.secrets, bootstrap.consent,
    clients.dynamodb, clients.secretsmanager, clients._session,
)  # fmt: skip


class Office:
    """The stack, Zoho, and the people who sit before them."""

    def __init__(self, aws: Aws, world: World) -> None:
        self.aws = aws
        self.world = world
        self.table = ConnectionsTable(aws.dynamodb, "connections")
        self.secrets = SecretStore(aws.secretsmanager, "stack", "key", denied_is_missing=False)
        self.wire = InProcess(world)
        self.client = world.zoho.clients[w.ZOHO_CLIENT_ID]

    def http(self, hosts: frozenset[str]) -> Http:
        client = Http(hosts, "http://sandbox")
        client._session.mount("http://sandbox", self.wire)
        return client

    def mlc(self, *words: str, given: str | None = None) -> Result:
        return CliRunner().invoke(mlc, [*words, "--stack", "stack"], input=given, catch_exceptions=False)

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.mlc("auth", "zoho", "acme-eu", "--check", "--json").stdout)
        return found

    def begin(self) -> str:
        """The address that `mlc` prints."""
        done = self.mlc("auth", "zoho", "acme-eu", "--no-wait", "--json")
        assert done.exit_code == 0, done.stderr
        url: str = json.loads(done.stdout)["url"]
        return url

    def page_of_zoho(self, url: str) -> str:
        """Where Zoho sends the browser back to."""
        address = f"http://sandbox/{url.removeprefix('https://')}"
        answer = self.wire.send(requests.Request("GET", address).prepare())
        assert answer.status_code == 302, answer.text
        return answer.headers["Location"]

    def callback(self, url: str) -> tuple[int, str]:
        """The gateway's part."""
        assert url.partition("?")[0] == CALLBACK
        event = {
            "pathParameters": {"vendor": "zoho"},
            "queryStringParameters": dict(parse_qsl(urlsplit(url).query)),
            "requestContext": {"domainName": "abcdef.execute-api.eu-central-1.amazonaws.com"},
        }
        answer = app.handler(event, None)
        return answer["statusCode"], answer["body"]

    def agree(self, url: str) -> tuple[int, str]:
        return self.callback(self.page_of_zoho(url))

    @property
    def stored(self) -> Mapping[str, Any]:
        return self.secrets.get("acme-eu", "zoho", max_age=0)

    @property
    def live(self) -> list[str]:
        """The refresh tokens that Zoho honours."""
        return list(self.world.zoho.refresh_tokens)


@pytest.fixture
def office(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    for name, value in {
        "CONNECTIONS_TABLE": "connections", "LIMITS_TABLE": "limits", "SECRETS_PREFIX": "stack", "SECRETS_KEY": "key",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    for built in BUILT:
        built.cache_clear()
    seed = w.seed()
    seed["zoho"]["clients"][0]["redirect_uris"] = [CALLBACK]
    world = World(seed, Clock())
    outputs = {
        "ConnectionsTableName": "connections", "LimitsTableName": "limits", "SecretsPrefix": "stack",
        "SecretsKeyArn": "key", "OAuthCallbackUrl": CALLBACK, "WebhookUrl": "https://x/webhooks",
    }  # fmt: skip
    outputs["Version"] = version("ml-connector")
    listed = [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()]
    described = {"StackStatus": "CREATE_COMPLETE", "Outputs": listed}
    monkeypatch.setattr(Stack, "_described", described)
    session = boto3.Session(region_name=REGION)
    monkeypatch.setattr(Stack, "__post_init__", lambda stack: setattr(stack, "session", session))
    here = Office(aws, world)
    monkeypatch.setattr(bootstrap, "http", here.http)
    monkeypatch.setattr(Stack, "http", lambda _, hosts: here.http(hosts))
    monkeypatch.setattr(auth, "identity", lambda session: "ola")
    aws.secretsmanager.create_secret(Name="stack/oauth-state", SecretString="signing-key")
    apply(load(EXAMPLE), here.table, here.secrets, datetime.now(UTC))
    client = {"client_id": w.ZOHO_CLIENT_ID, "client_secret": w.ZOHO_CLIENT_SECRET}
    done = here.mlc("credentials", "set", "acme-eu", "zoho", "--from-stdin", given=json.dumps(client))
    assert done.exit_code == 0, done.stderr
    yield here
    for built in BUILT:
        built.cache_clear()


# --- the whole way -----------------------------------------------------------------------------------------------


def test_an_organization_is_connected(office: Office) -> None:
    """The address, Zoho's page, the callback: then the tokens are stored, planned, and shown without a secret."""
    assert office.mlc("auth", "zoho", "acme-eu", "--check").exit_code == 3
    before = office.live
    status, page = office.agree(office.begin())
    assert (status, "Harbour Supplies GmbH" in page) == (200, True)
    (mine,) = set(office.live) - set(before)
    assert office.stored["refresh_token"] == mine
    shown = office.mlc("auth", "zoho", "acme-eu", "--check")
    assert shown.exit_code == 0
    for text in ("Harbour Supplies GmbH", w.ZOHO_ORGANIZATION, "EU", "ola", "ZohoBooks.settings.CREATE"):
        assert text in shown.stdout
    found = office.status()
    assert (found["connected"], found["missing_scopes"], found["token"]["state"]) == (True, [], "ok")
    for secret in (mine, office.stored["tokens"]["zoho"]["access_token"], w.ZOHO_CLIENT_SECRET):
        assert secret not in page + shown.stdout + json.dumps(found)


def test_the_page_loaded_twice_is_the_same(office: Office) -> None:
    """The second exchanges nothing: Zoho would refuse the code."""
    back = office.page_of_zoho(office.begin())
    first = office.callback(back)
    stored = office.stored
    assert office.callback(back) == first
    assert office.stored == stored


def test_waiting_ends_when_somebody_agrees(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address goes to the error output, what was connected to the output."""
    seen: list[tuple[int, str]] = []

    def person(seconds: float) -> None:
        seen.append(office.agree(next(word for word in told if word.startswith("https://accounts."))))

    told: list[str] = []
    monkeypatch.setattr(auth, "_tell", lambda text: told.append(text.strip()))
    monkeypatch.setattr(auth, "time", SimpleNamespace(sleep=person))
    done = office.mlc("auth", "zoho", "acme-eu", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["organization"]["name"] == "Harbour Supplies GmbH"
    assert [status for status, _ in seen] == [200]
    assert any(CALLBACK in text for text in told)


def test_waiting_ends_when_somebody_declines(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 3, and the sentence of the page."""
    office.world.zoho.user = User("eu", [w.ZOHO_ORGANIZATION], denies=True)
    monkeypatch.setattr(auth, "_tell", lambda text: told.append(text.strip()))
    told: list[str] = []

    def person(seconds: float) -> None:
        office.agree(next(word for word in told if word.startswith("https://accounts.")))

    monkeypatch.setattr(auth, "time", SimpleNamespace(sleep=person))
    done = office.mlc("auth", "zoho", "acme-eu")
    assert done.exit_code == 3
    assert "press Accept" in done.stderr


def test_waiting_can_be_broken_off(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C is one sentence, and the address still works."""

    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    told: list[str] = []
    monkeypatch.setattr(auth, "_tell", lambda text: told.append(text.strip()))
    monkeypatch.setattr(auth, "time", SimpleNamespace(sleep=interrupted))
    done = office.mlc("auth", "zoho", "acme-eu")
    assert (done.exit_code, "--check" in done.stderr) == (1, True)
    assert f"Authorized Redirect URI must be {CALLBACK}" in done.stderr
    status, _ = office.agree(next(word for word in told if word.startswith("https://accounts.")))
    assert status == 200


# --- what goes wrong ---------------------------------------------------------------------------------------------


def test_user_of_another_organization_is_shown_what_there_is(office: Office) -> None:
    """Nothing is stored, and Zoho has its token back; once the file is right, the same person is connected."""
    office.world.sow({"zoho": {"organizations": [{"organization_id": OTHER, "name": "Harbour Trading", "dc": "eu"}]}})
    office.world.zoho.user = User("eu", [OTHER])
    before, stored = office.live, office.stored
    status, page = office.agree(office.begin())
    assert status == 400
    assert "Harbour Trading" in page
    assert OTHER in page
    assert (office.live, office.stored) == (before, stored)
    text = EXAMPLE.read_bytes().replace(w.ZOHO_ORGANIZATION.encode(), OTHER.encode())
    apply(parse(text, "x.toml"), office.table, office.secrets, datetime.now(UTC))
    status, page = office.agree(office.begin())
    assert (status, "Harbour Trading" in page) == (200, True)


def test_user_of_another_data_centre_is_told(office: Office) -> None:
    """Zoho offers the client there; the connection's file says otherwise."""
    office.client.multi_dc = True
    office.world.zoho.user = User("in", [])
    stored = office.stored
    status, page = office.agree(office.begin())
    assert status == 400
    assert "region = &quot;in&quot;" in page
    assert office.stored == stored


def test_wrong_client_secret_is_told(office: Office) -> None:
    """With the way out; what was stored stays."""
    office.client.client_secret = "another"
    status, page = office.agree(office.begin())
    assert (status, "client secret" in page) == (400, True)
    assert "refresh_token" not in office.stored


def test_new_client_secret_keeps_the_consent(office: Office) -> None:
    """Rotating the client's secret in Zoho's console ends no access; another client does."""
    office.agree(office.begin())
    before = office.stored
    for client_id, kept in ((w.ZOHO_CLIENT_ID, True), ("1000.OTHER", False)):
        given = json.dumps({"client_id": client_id, "client_secret": "rotated"})
        words = ("credentials", "set", "acme-eu", "zoho", "--from-stdin", *(() if kept else ("--yes",)))
        assert office.mlc(*words, given=given).exit_code == 0
        assert office.stored["client_secret"] == "rotated"
        assert (office.stored.get("refresh_token") == before["refresh_token"]) == kept
        assert (office.stored.get("tokens") == before["tokens"]) == kept
        assert (Organizations(office.table).of("acme-eu") is not None) == kept


def test_another_client_ends_a_consent_only_when_that_is_said(office: Office) -> None:
    """A working access is not thrown away by a mistyped id; where there is none, nobody is asked."""
    words = ("credentials", "set", "acme-eu", "zoho", "--from-stdin")
    given = json.dumps({"client_id": "1000.OTHER", "client_secret": "s"})
    assert office.mlc(*words, given=given).exit_code == 0
    mine = json.dumps({"client_id": w.ZOHO_CLIENT_ID, "client_secret": w.ZOHO_CLIENT_SECRET})
    assert office.mlc(*words, given=mine).exit_code == 0
    office.agree(office.begin())
    before = office.stored
    done = office.mlc(*words, given=given)
    assert (done.exit_code, "--yes" in done.stderr, "mlc auth zoho acme-eu" in done.stderr) == (2, True, True)
    assert (office.stored, Organizations(office.table).of("acme-eu") is not None) == (before, True)


def test_second_consent_leaves_one_token_at_zoho(office: Office) -> None:
    """The first is given back: a user's twenty are not used up by connecting again."""
    office.agree(office.begin())
    first = office.stored["refresh_token"]
    before = len(office.live)
    office.agree(office.begin())
    assert (first in office.live, office.stored["refresh_token"] in office.live) == (False, True)
    assert len(office.live) == before


def test_client_region_must_be_one(office: Office) -> None:
    """A mistyped one is told before anything is stored."""
    before = office.stored
    given = {"client_id": "x", "client_secret": "y", "client_region": "europe"}
    done = office.mlc("credentials", "set", "acme-eu", "zoho", "--from-stdin", given=json.dumps(given))
    assert (done.exit_code, "there are us, eu" in done.stderr) == (3, True)
    assert office.stored == before


def test_credentials_wait_for_a_refresh_under_way(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would write its old ones over them; it is waited for, and never written around."""
    key = {"pk": {"S": "lease#acme-eu#zoho"}}
    lease = {**key, "lease_owner": {"S": "somebody"}, "expires_at": {"N": "99999999999"}}
    office.aws.dynamodb.put_item(TableName="limits", Item=lease)
    pauses: list[float] = []
    monkeypatch.setattr("mlc.main.time", SimpleNamespace(sleep=pauses.append))
    before = office.stored
    given = json.dumps({"client_id": "x", "client_secret": "y"})
    done = office.mlc("credentials", "set", "acme-eu", "zoho", "--from-stdin", given=given)
    assert (done.exit_code, "being refreshed" in done.stderr) == (1, True)
    assert (office.stored, len(pauses)) == (before, 8)


def test_another_organization_takes_an_end_of_the_access(office: Office) -> None:
    """What was agreed to belongs to one organization: while it holds, the file cannot name another one."""
    office.agree(office.begin())
    other = parse(EXAMPLE.read_bytes().replace(w.ZOHO_ORGANIZATION.encode(), OTHER.encode()), "x.toml")
    with pytest.raises(ConfigError, match="mlc auth revoke acme-eu zoho"):
        apply(other, office.table, office.secrets, datetime.now(UTC))
    assert office.status()["organization"]["id"] == w.ZOHO_ORGANIZATION
    assert office.mlc("auth", "revoke", "zoho", "acme-eu", "--yes").exit_code == 0
    apply(other, office.table, office.secrets, datetime.now(UTC))
    assert office.status()["organization"] == {"id": OTHER}


# --- self client -------------------------------------------------------------------------------------------------


def test_self_client(office: Office) -> None:
    """Its code from standard input, once; the second time Zoho's refusal in a sentence."""
    done = office.mlc("auth", "zoho", "acme-eu", "--code-stdin", "--json", given=f"{w.ZOHO_SELF_CLIENT_CODE}\n")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["organization"]["id"] == w.ZOHO_ORGANIZATION
    stored = office.stored
    done = office.mlc("auth", "zoho", "acme-eu", "--code-stdin", given=f"{w.ZOHO_SELF_CLIENT_CODE}\n")
    assert (done.exit_code, "works once" in done.stderr) == (3, True)
    assert w.ZOHO_SELF_CLIENT_CODE not in done.output
    assert office.stored == stored


# --- organizations, revoke ---------------------------------------------------------------------------------------


def test_organizations_are_listed(office: Office) -> None:
    """The connection's is marked; when it is not among them, that is a problem found."""
    office.agree(office.begin())
    done = office.mlc("auth", "organizations", "acme-eu", "--json")
    assert [(row["id"], row["chosen"]) for row in json.loads(done.stdout)] == [(w.ZOHO_ORGANIZATION, True)]
    for access in office.world.zoho.access_tokens.values():
        access.organization_ids[:] = []
    done = office.mlc("auth", "organizations", "acme-eu")
    assert (done.exit_code, "not among the 0" in done.stderr) == (3, True)


def test_access_is_given_back(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """At Zoho and here, after a question; the client stays, so that one can connect again."""
    monkeypatch.setattr("mlc.options.terminal", lambda: True)
    office.agree(office.begin())
    token = office.stored["refresh_token"]
    assert office.mlc("auth", "revoke", "acme-eu", "zoho", given="n\n").exit_code == 1
    assert token in office.live
    # The words in the order of earlier versions, too.
    assert office.mlc("auth", "revoke", "zoho", "acme-eu", "--yes").exit_code == 0
    assert token not in office.live
    assert set(office.stored) == {"client_id", "client_secret", "region"}
    assert TokenAgenda(office.table).of("acme-eu", "zoho") is None
    assert office.mlc("auth", "zoho", "acme-eu", "--check").exit_code == 3
    assert office.mlc("auth", "revoke", "zoho", "acme-eu", "--yes").exit_code == 3


def test_token_that_zoho_does_not_know_is_forgotten_on_demand(office: Office) -> None:
    """Without --forget nothing is thrown away that might still be good."""
    office.agree(office.begin())
    office.world.zoho.refresh_tokens.clear()
    done = office.mlc("auth", "revoke", "zoho", "acme-eu", "--yes")
    assert (done.exit_code, "--forget" in done.stderr) == (1, True)
    assert "refresh_token" in office.stored
    done = office.mlc("auth", "revoke", "acme-eu", "zoho", "--yes", "--forget", "--json")
    assert json.loads(done.stdout)["revoked"] is False
    assert "refresh_token" not in office.stored


# --- doctor ------------------------------------------------------------------------------------------------------


def states(done: Result) -> dict[str, str]:
    return {each["check"]: each["state"] for each in json.loads(done.stdout)["findings"]}


def test_doctor_finds_a_connected_organization_well(office: Office) -> None:
    """Asked of Zoho itself, with the token that the functions use."""
    office.agree(office.begin())
    done = office.mlc("doctor", "acme-eu", "--json")
    found = states(done)
    assert {found[name] for name in ("stack", "credentials", "tokens", "organization", "permissions")} == {"ok"}, found


def test_doctor_finds_what_is_wrong_and_says_what_to_type(office: Office) -> None:
    """Exit code 3; the command can be copied."""
    done = office.mlc("doctor", "acme-eu")
    assert done.exit_code == 3
    assert "nobody has given access to Zoho Books yet" in done.stdout
    assert "mlc auth zoho acme-eu" in done.stdout


def test_doctor_knows_a_revoked_token(office: Office) -> None:
    """The schedule's own record of Zoho's refusal, with its sentence and its command."""
    office.agree(office.begin())
    TokenAgenda(office.table).set(
        Due(
            "acme-eu",
            "zoho",
            "2099-01-01T00:00:00Z",
            "needs_attention",
            "Zoho does not know it",
            "mlc auth zoho acme-eu",
        )
    )
    done = office.mlc("doctor", "acme-eu", "--json")
    (finding,) = [each for each in json.loads(done.stdout)["findings"] if each["check"] == "tokens"]
    assert (finding["state"], finding["what"]) == ("wrong", "Zoho's token: Zoho does not know it")
    assert finding["type"] == ["mlc auth zoho acme-eu"]


# --- rows --------------------------------------------------------------------------------------------------------


def test_links_are_spent_once_and_only_if_begun(aws: Aws) -> None:
    """Two browsers at the same moment: one of them has it."""
    links = ConsentLinks(ConnectionsTable(aws.dynamodb, "connections"))
    assert links.find("nonce") is None
    link = Link("acme-eu", CALLBACK, "")
    links.begin("nonce", link, 9)
    assert links.find("nonce") == link
    assert [links.spend("nonce", 9), links.spend("nonce", 9)] == [True, False]
    assert links.outcome("nonce") is None
    for outcome, kept in (
        (Outcome("declined", "no"), Outcome("declined", "no")),
        (Outcome("refused", "because"), Outcome("refused", "because")),
        (Outcome("declined", "no"), Outcome("refused", "because")),
    ):
        links.settle("nonce", outcome, 9)
        assert links.outcome("nonce") == kept
    items = aws.dynamodb.scan(TableName="connections")["Items"]
    assert {item["expires_at"]["N"] for item in items} == {"9"}


def test_organizations_are_remembered(aws: Aws) -> None:
    """As they were described, until they are forgotten."""
    table = ConnectionsTable(aws.dynamodb, "connections")
    known = Organizations(table)
    assert known.of("acme-eu") is None
    each = Connected("acme-eu", "eu", Organization("1", "Müller & Söhne", "UTC"), ("a", "b"), "2026", "ola", "odd")
    known.remember(each)
    assert (known.of("acme-eu"), list(known.all())) == (each, [each])
    known.forget("acme-eu")
    assert list(known.all()) == []
