"""`mlc webhooks` on boards: installed on the strict monday, which asks the address; verified, listed and removed."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from functions.ingest import app
from ml_connector.limits import UNLIMITED
from mlc import board_webhooks, doctor_monday, main, webhook_desk
from sandbox.vendors import default_world as w
from tests.board_world import BASE, TOKEN, Office
from tests.fakes import Leases
from tests.unit.zoho_automation import Installations


class Desk:
    """A connection whose webhooks in Zoho are made by hand, and its stack as `mlc` sees it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> None:
        self.office = Office(**settings)
        monkeypatch.setattr(app, "board_calls", lambda: self.office.calls)
        connected = self.office.company.connection
        self.office.company.connection = replace(connected, zoho={**connected.zoho, "manage_webhooks": False})
        secrets = self.office.secrets
        endpoint = {"token": "tok", "secrets": ["Secret000000"]}
        names = [
            f"zoho.{module}.{action}" for module in connected.modules for action in ("created", "updated", "deleted")
        ]
        secrets.put("acme-eu", "webhooks", {"endpoints": dict.fromkeys(names, endpoint)})
        stack = SimpleNamespace(
            connection=lambda name: self.office.company.connection,
            secrets=secrets,
            leases=Leases(),
            installations=Installations(),
            webhook_url=BASE,
            webhook_address=lambda token: f"{BASE}/zoho/{token}",
            connections=None,
            http=self.office.company.http,
            tokens=self.office.company.tokens,
            limiter=UNLIMITED,
        )
        monkeypatch.setattr("mlc.options.Stack", lambda *_: stack)
        monkeypatch.setattr("mlc.options.terminal", lambda: True)
        monkeypatch.setattr(webhook_desk, "utc_now", self.office.clock)
        monkeypatch.setattr(board_webhooks, "utc_now", self.office.clock)
        monkeypatch.setattr("ml_connector.aws.board_hooks.BoardHooks", lambda _: self.office.hooks)
        monkeypatch.setattr(webhook_desk.Desk, "findings", lambda self: [])

    def mlc(self, *words: str) -> Result:
        return CliRunner().invoke(main.app, ["webhooks", *words], catch_exceptions=False)

    @property
    def hooks(self) -> list[str]:
        return sorted(one.event for one in self.office.world.monday.webhooks.values())


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(monkeypatch)


ALL = ["change_specific_column_value", "item_archived", "item_deleted", "item_restored"]


def test_install_makes_the_boards_webhooks_whatever_zoho_allows(desk: Desk) -> None:
    """Said twice, the second time changes nothing; no address is printed."""
    first = desk.mlc("install", "acme-eu")
    assert desk.hooks == ALL
    assert f"✓ board {w.MONDAY_BOARD}  item_deleted created" in first.output
    assert TOKEN not in first.output
    assert first.exit_code == 3, "Zoho's are made by hand"
    again = json.loads(desk.mlc("install", "acme-eu", "--json").stdout)
    assert again["boards"] == {"steps": [], "by_hand": [], "problems": []}
    assert desk.hooks == ALL


def test_verify_says_what_is_missing_and_what_to_type(desk: Desk) -> None:
    """Exit code 3 until it is put right."""
    lacking = desk.mlc("verify", "acme-eu")
    assert lacking.exit_code == 3
    assert "no webhook was made yet" in lacking.output
    assert "mlc webhooks install acme-eu" in lacking.output
    desk.mlc("install", "acme-eu")
    assert desk.mlc("verify", "acme-eu").exit_code == 0
    desk.office.world.monday.webhooks.popitem()
    assert "is not there" in desk.mlc("verify", "acme-eu").output


def test_remove_deletes_ours(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what was made can be made again."""
    from ml_connector.webhook_plan import Plan

    desk.mlc("install", "acme-eu")
    monkeypatch.setattr(webhook_desk.Desk, "removal", lambda self: (Plan((), (), ()), []))
    monkeypatch.setattr(webhook_desk.Desk, "carry_out", lambda *_: iter(()))
    assert desk.mlc("remove", "acme-eu").exit_code == 1, "nobody has said yes"
    assert desk.hooks == ALL
    result = desk.mlc("remove", "acme-eu", "--yes")
    assert result.exit_code == 0, result.output
    assert desk.hooks == []
    desk.mlc("install", "acme-eu")
    assert desk.hooks == ALL


def test_list_shows_the_boards_address_when_it_is_asked_for(desk: Desk) -> None:
    """It is a bearer secret."""
    assert TOKEN not in desk.mlc("list", "acme-eu").output
    rows = json.loads(desk.mlc("list", "acme-eu", "--reveal", "--json").stdout)
    assert {"event": f"board {w.MONDAY_BOARD}", "url": f"{BASE}/monday/{TOKEN}", "secret": ""} in rows


def test_people_who_do_it_themselves_are_told_how(monkeypatch: pytest.MonkeyPatch) -> None:
    """manage_webhooks = false on the board: nothing is made; the address and each webhook are named."""
    desk = Desk(monkeypatch, manage_webhooks=False)
    result = desk.mlc("install", "acme-eu")
    assert desk.hooks == []
    assert f"URL {BASE}/monday/{TOKEN}" in result.output
    assert "When a column changes, send a webhook (column zb_status)" in result.output
    assert "When an item is archived, send a webhook" in result.output


def test_what_monday_refuses_is_said_and_the_rest_is_done(desk: Desk) -> None:
    """A sentence of monday's with what to do, and exit codes that programs see."""
    desk.office.secrets.put("acme-eu", "monday", {})
    result = desk.mlc("install", "acme-eu", "--json")
    (problem,) = json.loads(result.stdout)["boards"]["problems"]
    assert problem.startswith(f"board {w.MONDAY_BOARD}: connection acme-eu has no monday token yet")


def test_board_without_an_address_is_said(desk: Desk) -> None:
    """A connection that was applied before there were such addresses."""
    desk.office.secrets.put("acme-eu", "boards", {})
    assert "mlc connections apply" in desk.mlc("install", "acme-eu").output
    assert desk.hooks == []


def test_doctor_says_when_nobody_is_heard(desk: Desk) -> None:
    """Where notes are wanted of what people do: what was never made, and why the last look failed."""
    company = desk.office.company
    at: Any = SimpleNamespace(
        http=company.http, secrets=company.secrets, tokens=company.tokens, limiter=UNLIMITED, connections=None
    )

    def said() -> list[str]:
        return [" | ".join(each) for each in doctor_monday.faults(at, company.connection)[0]]

    never = (
        "ledger: no webhook was made on the board | what people do there is not heard | mlc webhooks install acme-eu"
    )
    assert said() == [never]
    desk.mlc("install", "acme-eu")
    assert said() == []
    (row,) = desk.office.hooks.all()
    desk.office.hooks.set(replace(row, reason="monday refuses it"))
    assert [each.partition(" | ")[0] for each in said()] == ["ledger: monday refuses it"]
