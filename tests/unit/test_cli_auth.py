"""`mlc auth`: what it asks, how long it waits, and what it shows. The whole way is in tests/integration."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from ml_connector.consent import LIFETIME, Link, Outcome
from mlc import auth
from mlc.main import app
from tests.fakes import Clock

FOUND: Mapping[str, Any] = {
    "connection": "acme-eu",
    "connected": True,
    "region": "eu",
    "organization": {"id": "1", "name": "Harbour [red]Supplies", "time_zone": "Europe/Berlin"},
    "scopes": ["ZohoBooks.invoices.READ"],
    "missing_scopes": ["ZohoBooks.bills.READ"],
    "since": "2026-11-01T00:00:00Z",
    "by": "ola",
    "token": {"state": "ok", "reason": "", "command": "", "expires_at": "", "next_refresh": ""},
}


class Links:
    """A link whose outcome is known after so many looks."""

    def __init__(self, *outcomes: Outcome | None) -> None:
        self.outcomes = list(outcomes)

    def begin(self, nonce: str, link: Link, ends: int) -> None: ...

    def find(self, nonce: str) -> Link | None: ...

    def spend(self, nonce: str, ends: int) -> bool: ...

    def settle(self, nonce: str, outcome: Outcome, ends: int) -> None: ...

    def outcome(self, nonce: str) -> Outcome | None:
        return self.outcomes.pop(0) if self.outcomes else None


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("zoho", "acme-eu", "--check", "--self-client"), "--check only looks"),
        (("zoho", "acme-eu", "--self-client"), "use --code-stdin"),
        (("revoke", "slack", "acme-eu"), "zoho"),
    ],
)
def test_wrong_usage_costs_no_call(words: Sequence[str], says: str) -> None:
    """Exit code 2, before AWS is asked anything (there is none here)."""
    done = CliRunner().invoke(app, ["auth", *words])
    assert (done.exit_code, says in done.stderr) == (2, True)


def test_outcome_is_looked_for_until_it_is_there() -> None:
    """Every two seconds."""
    clock = Clock()
    connected = Outcome("connected")
    assert auth.wait_for(Links(None, None, connected), "n", clock, clock.advance) == connected
    assert clock() - Clock()() == timedelta(seconds=2 * auth.LOOK_EVERY)


def test_waiting_ends_with_the_link() -> None:
    """And not before."""
    clock = Clock()
    assert auth.wait_for(Links(), "n", clock, clock.advance) is None
    assert clock() - Clock()() == LIFETIME


def test_shown_is_who_was_connected(capsys: pytest.CaptureFixture[str]) -> None:
    """Organization, data centre, scopes and what they lack; Zoho's texts are no markup."""
    auth.show(FOUND)
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "✓ acme-eu is connected to Zoho Books",
        "organization Harbour [red]Supplies",
        "id 1",
        "data centre EU",
        "time zone Europe/Berlin",
        "since 2026-11-01T00:00:00Z by ola",
        "scopes ZohoBooks.invoices.READ",
        "lacks ZohoBooks.bills.READ",
    ]


@pytest.mark.parametrize("command", ["mlc credentials set acme-eu zoho", ""])
def test_access_that_zoho_does_not_take_is_no_access(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is a token, and it does not work: exit code 3, no tick, and what to type."""
    token = {**FOUND["token"], "state": "needs_attention", "reason": "Zoho says [no]", "command": command}
    monkeypatch.setattr("mlc.options.Stack", lambda *_: SimpleNamespace(connection=lambda name: None))
    monkeypatch.setattr(auth, "status", lambda *_: {**FOUND, "token": token})
    done = CliRunner().invoke(app, ["auth", "zoho", "acme-eu", "--check", "--json"])
    assert (done.exit_code, json.loads(done.stdout)["connected"]) == (3, True)
    auth.show({**FOUND, "token": token})
    shown = capsys.readouterr()
    assert "✓" not in shown.out
    assert "Zoho says [no]" in shown.err
    assert shown.err.splitlines()[-1] == f"Type: {command or 'mlc auth zoho acme-eu'}"


def test_organization_of_a_given_refresh_token_is_not_made_up(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever brings one of their own is told how little is known."""
    auth.show({**FOUND, "organization": {"id": "1"}})
    assert "not known" in capsys.readouterr().out
