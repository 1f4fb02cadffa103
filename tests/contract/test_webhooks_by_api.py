"""`mlc webhooks` against the strict stand-in of Zoho: installed by API, called by Zoho, verified by ingest's own code.

Bookkeeper → stand-in's rules → its signature → our intake; no socket, and time is the stand-in's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner, Result

from ml_connector import regions
from ml_connector.aws.secrets import EndpointSecrets
from ml_connector.connections import Connection, Endpoint, token_hash
from ml_connector.errors import InboundRejected
from ml_connector.intake import Intake
from ml_connector.modules import ACTIONS, CORE
from ml_connector.rotation import SETTLE
from ml_connector.sources import Inbound
from ml_connector.tokens import Tokens
from ml_connector.vendors.http import Http
from ml_connector.vendors.zoho_accounts import ZohoAccounts
from ml_connector.vendors.zoho_api import ZohoApi
from ml_connector.vendors.zoho_settings import ZohoSettings
from mlc import main, webhook_desk, webhooks
from sandbox.vendors import control
from sandbox.vendors import default_world as w
from sandbox.vendors.wire import Call
from sandbox.vendors.world import Clock as WorldClock
from sandbox.vendors.world import World
from tests import fakes
from tests.contract.test_against_standins import START, InProcess, SharedClock
from tests.unit.zoho_automation import Installations

BASE = "https://api.example/webhooks"
SETTINGS = [f"ZohoBooks.settings.{verb}" for verb in ("READ", "CREATE", "UPDATE", "DELETE")]


class Stack:
    """The deployed stack as `mlc` sees it, and its ingest function; Zoho is the stand-in."""

    def __init__(self, scopes: list[str] = SETTINGS, **zoho: Any) -> None:
        seed = w.seed()
        for grant in seed["zoho"]["refresh_tokens"]:
            grant["scopes"] = [*w.ZOHO_SCOPES, *scopes]
        self.answered: list[int] = []
        self.world = World(seed, WorldClock(START, frozen=True), self.ingest)
        self.clock = SharedClock(self.world)
        self.configured = fakes.without_boards(
            zoho={"region": w.ZOHO_REGION, "organization_id": w.ZOHO_ORGANIZATION, "modules": list(CORE), **zoho}
        )
        credentials = {
            "region": w.ZOHO_REGION,
            "client_id": w.ZOHO_CLIENT_ID,
            "client_secret": w.ZOHO_CLIENT_SECRET,
            "refresh_token": w.ZOHO_REFRESH_TOKEN,
        }
        self.stored: dict[tuple[str, str], Mapping[str, Any]] = {("acme-eu", "zoho"): credentials}
        self.secrets = fakes.Secrets(self.stored, self.clock)
        self.secrets.put("acme-eu", "webhooks", {"endpoints": self._addresses()})
        self.installations = Installations()
        self.leases = fakes.Leases()
        self.queue = fakes.Queue()
        self.ingests = EndpointSecrets(self.secrets.view())  # type: ignore[arg-type]

    @staticmethod
    def _addresses() -> dict[str, Any]:
        return {
            f"zoho.{module}.{action}": {
                "token": token_hash(f"{module} {action}")[:43],
                "secrets": [token_hash(f"secret of {module} {action}")[:40]],
            }
            for module in CORE
            for action in ACTIONS
        }

    # --- what mlc uses

    def connection(self, name: str) -> Connection:
        assert name == "acme-eu"
        return self.configured

    def webhook_address(self, token: str) -> str:
        return f"{BASE}/zoho/{token}"

    def zoho_settings(self, waits: Callable[[float, str], None]) -> ZohoSettings:
        http = Http(regions.HOSTS, "http://sandbox", self.clock.monotonic)
        http._session.mount("http://sandbox", InProcess(self.world))
        tokens = Tokens(self.secrets, self.leases, fakes.Agenda(), {"zoho": ZohoAccounts(http)}, self.clock)
        return ZohoSettings(ZohoApi(http, tokens), self.clock.advance, self.clock.monotonic, waits)

    # --- what Zoho calls

    def ingest(self, url: str, body: bytes, headers: Mapping[str, str], *, method: str = "POST") -> int:
        parts = urlsplit(url)
        assert method == "POST"
        assert parts.scheme + "://" + parts.netloc == "https://api.example"
        token = parts.path.removeprefix("/webhooks/zoho/")
        call = Inbound("zoho", token, parts.query, {name.lower(): value for name, value in headers.items()}, body)
        try:
            self.intake.receive(call, "call-1")
        except InboundRejected as refusal:
            self.answered.append(refusal.status)
        else:
            self.answered.append(202)
        return self.answered[-1]

    @cached_property
    def intake(self) -> Intake:
        endpoints = {
            token_hash(each["token"]): Endpoint(name, "acme-eu", "zoho", *name.split(".")[1:])
            for name, each in self.endpoints.items()
        }
        connections = fakes.Connections({"acme-eu": self.configured}, endpoints)
        return Intake(connections, self.ingests, self.queue, self.clock, fakes.Known())

    @property
    def endpoints(self) -> dict[str, Any]:
        stored: dict[str, Any] = self.stored["acme-eu", "webhooks"]["endpoints"]
        return stored

    # --- what people do

    def mlc(self, *words: str, typed: str = "") -> Result:
        result = CliRunner().invoke(main.app, ["webhooks", *words], input=typed, catch_exceptions=False)
        for each in self.endpoints.values():
            if words[0] not in ("manual", "list") and "by hand" not in result.output and "by_hand" not in result.output:
                assert not any(secret in result.output for secret in (each["token"], *each["secrets"]))
        return result

    def control(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        path = f"/zoho/{w.ZOHO_ORGANIZATION}{path}"
        answer = control.handle(self.world, Call(method, "_control", path, {}, json.dumps(body or {}).encode()))
        assert answer.status == 200, answer.body
        return answer.json()

    def saves(self, module: str, record_id: str = "", **fields: Any) -> str:
        method, path = ("PATCH", f"/{record_id}") if record_id else ("POST", "")
        return str(self.control(method, f"/records/{module}{path}", {"fields": fields})["id"])

    @property
    def told(self) -> list[str]:
        """The events that ingest took, in order; and forgets them."""
        told = [each.event.name for each in self.queue.sent]
        self.queue.sent.clear()
        return told

    @property
    def organization(self) -> Any:
        return self.world.zoho.organizations[w.ZOHO_ORGANIZATION]


def build(monkeypatch: pytest.MonkeyPatch, *scopes: str, **zoho: Any) -> Stack:
    stack = Stack(list(scopes) or SETTINGS, **zoho)
    monkeypatch.setattr("mlc.options.Stack", lambda *_: stack)
    monkeypatch.setattr("mlc.options.terminal", lambda: True)
    for module in (webhooks, webhook_desk):
        monkeypatch.setattr(module, "utc_now", stack.clock)
    monkeypatch.setattr(webhook_desk.time, "sleep", stack.clock.advance)
    return stack


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Stack:
    return build(monkeypatch)


def test_installed_by_api_and_called_by_zoho(stack: Stack) -> None:
    """Each event of each module comes in signed with its own secret at its own address; installed twice, once."""
    result = stack.mlc("install", "acme-eu")
    assert result.exit_code == 0, result.output
    assert (len(stack.organization.actions), len(stack.organization.rules)) == (15, 15)
    again = stack.mlc("install", "acme-eu", "--json")
    assert json.loads(again.stdout)["steps"] == []
    assert stack.mlc("verify", "acme-eu").exit_code == 0
    for module in CORE:
        made = stack.saves(module)
        stack.saves(module, made, notes="changed")
        stack.control("DELETE", f"/records/{module}/{made}")
        assert stack.told == [f"{module}.{action}" for action in ACTIONS]
    assert set(stack.answered) == {202}


def test_edit_refused_by_zoho(stack: Stack) -> None:
    """add_edit tells of a new record twice, at two addresses: nothing is missed (3.2)."""
    stack.control("PATCH", "", {"edit_refused": True})
    assert stack.mlc("install", "acme-eu").exit_code == 0
    assert stack.mlc("verify", "acme-eu").exit_code == 0
    made = stack.saves("invoice")
    assert sorted(stack.told) == ["invoice.created", "invoice.updated"]
    stack.saves("invoice", made, notes="changed")
    assert stack.told == ["invoice.updated"]


def test_drift_is_found_with_what_to_type_and_repaired(stack: Stack) -> None:
    """Somebody changes a URL, switches a rule off, deletes another: verify says so (3), install puts it right."""
    stack.mlc("install", "acme-eu")
    held = stack.installations.held
    stack.control("PATCH", f"/settings/webhooks/{held['zoho.bill.created'].webhook_id}", {"url": "https://x.example"})
    stack.control("PATCH", f"/settings/workflows/{held['zoho.bill.updated'].workflow_id}", {"is_active": False})
    stack.control("DELETE", f"/settings/workflows/{held['zoho.bill.deleted'].workflow_id}")
    found = stack.mlc("verify", "acme-eu", "--json")
    assert found.exit_code == 3
    findings = json.loads(found.stdout)["findings"]
    assert [(each["event"], each["what"].split(":")[0]) for each in findings] == [
        ("bill.created", "webhook"),
        ("bill.updated", "rule"),
        ("bill.deleted", "rule"),
    ]
    assert {each["type"] for each in findings} == {"mlc webhooks install acme-eu"}
    assert stack.mlc("install", "acme-eu").exit_code == 0
    assert stack.mlc("verify", "acme-eu").exit_code == 0


def test_removed(stack: Stack) -> None:
    """Rules and webhooks of ours, after a question; somebody else's stay."""
    stack.control("POST", "/hooks", {"url": "https://x.example", "secret": "", "module": "invoice", "event": "created"})
    stack.mlc("install", "acme-eu")
    assert stack.mlc("remove", "acme-eu", typed="n\n").exit_code == 1
    assert len(stack.organization.rules) == 15
    result = stack.mlc("remove", "acme-eu", typed="y\n")
    assert result.exit_code == 0, result.output
    assert "15 webhook(s) and 15 workflow rule(s)" in result.output
    assert (stack.organization.actions, stack.organization.rules) == ({}, {})
    assert stack.mlc("remove", "acme-eu", "--yes").exit_code == 0
    assert stack.mlc("verify", "acme-eu").exit_code == 3


@pytest.mark.parametrize(
    ("scopes", "switch", "says"),
    [
        (SETTINGS[:1], {}, "ZohoBooks.settings"),
        (SETTINGS, {"plan_name": "Standard"}, "plan Professional"),
    ],
)
def test_where_zoho_does_not_allow_it_the_steps_are_printed(
    monkeypatch: pytest.MonkeyPatch, scopes: list[str], switch: dict[str, Any], says: str
) -> None:
    """Plan without rules, consent without scope: the reason, the exact steps, exit code 3, and no orphan (3.5)."""
    stack = build(monkeypatch, *scopes)
    stack.control("PATCH", "", switch)
    result = stack.mlc("install", "acme-eu")
    assert result.exit_code == 3
    assert says in result.stderr
    for each in stack.endpoints.values():
        assert f"{BASE}/zoho/{each['token']}" in result.stdout
        assert each["secrets"][0] in result.stdout
    assert stack.organization.actions == {}
    assert stack.leases.taken == set()


def test_connection_that_wants_it_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """manage_webhooks = false: Zoho is not called."""
    stack = build(monkeypatch, manage_webhooks=False)
    result = stack.mlc("install", "acme-eu", "--json")
    assert result.exit_code == 3
    data = json.loads(result.stdout)
    assert "manage_webhooks" in data["problem"]
    assert len(data["by_hand"]) == 15
    assert not stack.world.requests


def test_history_and_resend(stack: Stack) -> None:
    """What failed is listed with its event and sent again; ours only."""
    stack.mlc("install", "acme-eu")
    stack.world.post = lambda url, body, headers, **_: 503
    for _ in range(12):
        stack.saves("invoice")
    stack.world.post = stack.ingest
    stack.saves("bill")
    rows = json.loads(stack.mlc("history", "acme-eu", "--json").stdout)
    assert len(rows) == 13
    failed = json.loads(stack.mlc("history", "acme-eu", "--failed", "--json").stdout)
    assert {(row["event"], row["status"]) for row in failed} == {("invoice.created", "failed")}
    assert len(failed) == 12
    assert stack.told == ["bill.created"]
    result = stack.mlc("resend", "acme-eu", "--failed", "--json")
    assert sorted(json.loads(result.stdout)["resent"]) == sorted(row["id"] for row in failed)
    stack.control("POST", "/webhooks/settle")
    assert stack.told == ["invoice.created"] * 12
    assert stack.mlc("resend", "acme-eu", "--failed").exit_code == 3
    assert stack.mlc("resend", "acme-eu").exit_code == 2
    assert stack.mlc("history", "acme-eu", "--from", "2020-01-01", "--to", "2020-01-31", "--json").stdout == "[]\n"


def test_rotation_loses_nothing(stack: Stack) -> None:
    """A call right after Zoho has the new secret, with ingest's memory as old as can be; then the old one ends."""
    stack.mlc("install", "acme-eu")
    before = {name: each["secrets"][0] for name, each in stack.endpoints.items()}
    stack.saves("invoice")
    started = stack.clock.monotonic()
    result = stack.mlc("rotate", "acme-eu", "--endpoint", "invoice.created")
    assert result.exit_code == 0, result.output
    assert stack.clock.monotonic() - started > SETTLE
    stack.saves("invoice")
    stack.saves("bill")
    assert stack.told == ["invoice.created", "invoice.created", "bill.created"]
    assert set(stack.answered) == {202}
    held = stack.endpoints
    assert [name for name, each in held.items() if each["secrets"] != [before[name]]] == ["zoho.invoice.created"]
    newest = held["zoho.invoice.created"]["secrets"][-1]
    action = stack.organization.actions[stack.installations.held["zoho.invoice.created"].webhook_id]
    assert action.secret == newest != before["zoho.invoice.created"]

    early = stack.mlc("rotate", "acme-eu", "--finish")
    assert early.exit_code == 3
    assert "60 min" in early.output
    stack.clock.advance(3600)
    assert stack.mlc("rotate", "acme-eu", "--finish").exit_code == 0
    assert stack.endpoints["zoho.invoice.created"]["secrets"] == [newest]
    assert "rotated_at" not in stack.endpoints["zoho.invoice.created"]
    stack.saves("invoice")
    assert stack.answered[-1] == 202


def test_rotation_that_zoho_did_not_take_is_gone_on_with(stack: Stack) -> None:
    """Both secrets stay live, the old one cannot end, and the same command goes on instead of making a third."""
    stack.mlc("install", "acme-eu")
    grant = next(iter(stack.world.zoho.refresh_tokens.values()))
    for access in stack.world.zoho.access_tokens.values():
        access.scopes = [scope for scope in access.scopes if "UPDATE" not in scope]
    assert grant.scopes
    result = stack.mlc("rotate", "acme-eu", "--endpoint", "bill.created")
    assert result.exit_code == 3
    assert stack.mlc("rotate", "acme-eu", "--finish", "--force").exit_code == 3
    stack.saves("bill")
    assert stack.answered[-1] == 202
    for access in stack.world.zoho.access_tokens.values():
        access.scopes = list(grant.scopes)
    assert stack.mlc("rotate", "acme-eu", "--endpoint", "bill.created").exit_code == 0
    assert len(stack.endpoints["zoho.bill.created"]["secrets"]) == 2
    stack.saves("bill")
    assert stack.answered[-1] == 202
    assert datetime.fromtimestamp(START, UTC) < stack.clock()
