"""`mlc webhooks` without Zoho: addresses, steps by hand, signatures. With Zoho: contract/test_webhooks_by_api.py."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from ml_connector.connections import Connection
from ml_connector.errors import NeedsAttention, NotAllowed
from ml_connector.modules import ACTIONS, MODULES
from mlc import main, webhook_desk
from tests.fakes import ORGANIZATION, Clock, Leases, Secrets, connection, without_boards
from tests.unit.zoho_automation import Installations

SECRET = "DevSecret0123456789"
BODY = b'{"created_date":"2019-03-06","event_id":"5675"}'


class Account:
    """A stack whose Zoho must not be called."""

    def __init__(self, place: Connection, modules: list[str]) -> None:
        self.place = place
        self.clock = Clock()
        self.secrets = Secrets(clock=self.clock)
        self.secrets.put(
            "acme-eu",
            "webhooks",
            {
                "endpoints": {
                    f"zoho.{module}.{action}": {"token": f"tok-{module}-{action}", "secrets": [f"Sec{module}{action}"]}
                    for module in modules
                    for action in ACTIONS
                }
            },
        )
        self.stack = SimpleNamespace(
            connection=lambda name: place,
            secrets=self.secrets,
            leases=Leases(),
            installations=Installations(),
            webhook_address=lambda token: f"https://api.example/webhooks/zoho/{token}",
        )

    @property
    def endpoints(self) -> dict[str, Any]:
        stored: dict[str, Any] = self.secrets.stored["acme-eu", "webhooks"]["endpoints"]
        return stored


def mlc(*words: str, typed: str = "") -> Result:
    return CliRunner().invoke(main.app, ["webhooks", *words], input=typed, catch_exceptions=False)


def build(monkeypatch: pytest.MonkeyPatch, modules: list[str], **zoho: Any) -> Account:
    settings = {"region": "eu", "organization_id": ORGANIZATION, "modules": modules, "manage_webhooks": False, **zoho}
    account = Account(without_boards(zoho=settings), modules)
    monkeypatch.setattr("mlc.options.Stack", lambda *_: account.stack)
    monkeypatch.setattr(webhook_desk, "utc_now", account.clock)
    monkeypatch.setattr(webhook_desk.time, "sleep", account.clock.advance)
    return account


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Account:
    return build(monkeypatch, ["invoice"])


# --- addresses ---------------------------------------------------------------------------------------------------


def test_addresses_are_hidden_unless_they_are_asked_for(account: Account) -> None:
    """Whoever has them can send events."""
    hidden = mlc("list", "acme-eu").output
    assert "tok-" not in hidden
    assert "Secinvoice" not in hidden
    rows = json.loads(mlc("list", "acme-eu", "--reveal", "--json").stdout)
    assert rows[0] == {
        "event": "invoice.created",
        "url": "https://api.example/webhooks/zoho/tok-invoice-created",
        "secret": "Secinvoicecreated",
    }


def test_steps_by_hand(account: Account) -> None:
    """Menus and fields as Zoho shows them, with address and secret whole on lines of their own (3.5)."""
    text = mlc("manual", "acme-eu", "--endpoint", "invoice.updated").stdout
    lines = [" ".join(line.split()) for line in text.splitlines()]
    for expected in (
        "A. Settings > Automation > Workflow Actions > Webhooks > + New Webhook",
        "Module Invoice",
        "URL & Parameters POST https://api.example/webhooks/zoho/tok-invoice-updated",
        "Authorization Type Self-Authorization",
        "I want to secure this webhook tick it",
        "Secret Token Secinvoiceupdated",
        "Body Default Payload",
        "B. Settings > Automation > Workflow Rules > + New Workflow Rule",
        "Workflow Type Event Based",
        "Action Type Edited",
        "Execute the workflow when any field is updated",
        "Execute when the record is Edited each time",
    ):
        assert expected in lines
    assert "tok-invoice-created" not in text


def test_steps_for_every_module_and_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them; "edited" has two fields more."""
    build(monkeypatch, list(MODULES))
    every = json.loads(mlc("manual", "acme-eu", "--json").stdout)
    assert [each["event"] for each in every] == [f"{module}.{action}" for module in MODULES for action in ACTIONS]
    assert {len(each["steps"]) for each in every} == {2}
    assert {each["steps"][1]["Action Type"] for each in every} == {"Created", "Edited", "Deleted"}


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (
            ("manual", "acme-eu", "--endpoint", "invoice.paid"),
            3,
            "no endpoint 'invoice.paid'; did you mean 'invoice.",
        ),
        (("resend", "acme-eu"), 2, "say which"),
        (("resend", "acme-eu", "1", "--failed"), 2, "say which"),
        (("resend", "acme-eu", "--failed", "--from", "2026-11-20", "--to", "2026-11-19"), 2, "--to lies before --from"),
        (("history", "acme-eu", "--from", "2026-11-20", "--to", "2026-11-19"), 2, "--to lies before --from"),
        (("rotate", "acme-eu", "--force"), 2, "--force goes with --finish"),
        (("install", "acme-eu"), 3, "manage_webhooks = false"),
    ],
)
def test_clear_refusals(account: Account, words: tuple[str, ...], code: int, says: str) -> None:
    """A sentence and its exit code; no call to Zoho."""
    result = mlc(*words)
    assert result.exit_code == code
    assert says in result.stderr


def test_addresses_that_are_missing_yet(account: Account) -> None:
    """Of a connection that was applied before there was such an event: what to type."""
    account.endpoints.pop("zoho.invoice.deleted")
    result = mlc("install", "acme-eu")
    assert result.exit_code == 3
    assert "invoice.deleted" in result.stderr
    assert "mlc connections apply" in result.stderr


@pytest.mark.parametrize(
    ("error", "command"),
    [
        (NeedsAttention("access was taken back", remedy="consent"), "mlc auth zoho acme-eu"),
        (NeedsAttention("the client secret is wrong"), "mlc credentials set acme-eu zoho"),
        (NotAllowed("the access lacks a scope"), "mlc auth zoho acme-eu"),
    ],
)
@pytest.mark.parametrize("words", [("verify",), ("history",), ("resend", "--failed"), ("resend", "1"), ("remove",)])
def test_refused_access_ends_with_what_to_type(
    account: Account, words: tuple[str, ...], error: NeedsAttention, command: str
) -> None:
    """Exit code 3: the webhooks may be in order, but nobody can look."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise error

    account.stack.zoho_settings = lambda waits: SimpleNamespace(webhooks=refuse, history=refuse, resend=refuse)
    done = mlc(words[0], "acme-eu", *words[1:])
    assert (done.exit_code, f"{error.reason}: {command}" in " ".join(done.stderr.split())) == (3, True), done.output


def test_one_at_a_time(account: Account) -> None:
    """Two people that install at once would make everything twice."""
    account.place = connection(zoho={"region": "eu", "organization_id": ORGANIZATION, "modules": ["invoice"]})
    account.stack.connection = lambda name: account.place
    account.stack.leases.taken.add("acme-eu#webhooks")
    for words in (("install",), ("remove", "--yes"), ("rotate",), ("rotate", "--finish")):
        result = mlc(words[0], "acme-eu", *words[1:])
        assert result.exit_code == 1
        assert "somebody else is changing the webhooks of acme-eu" in result.stderr


# --- rotation by hand --------------------------------------------------------------------------------------------


def test_rotation_by_hand(account: Account) -> None:
    """The new secrets to type in; the old ones end only when a person says that they are in Zoho."""
    result = mlc("rotate", "acme-eu", "--endpoint", "invoice.created")
    assert result.exit_code == 0, result.output
    old, new = account.endpoints["zoho.invoice.created"]["secrets"]
    assert (old, len(new)) == ("Secinvoicecreated", 40)
    assert new in result.stdout
    assert "Secret Token" in result.stdout
    assert "--finish --force" in result.stdout
    account.clock.advance(86_400)
    refused = mlc("rotate", "acme-eu", "--finish")
    assert refused.exit_code == 3
    assert "--force" in refused.stdout
    assert len(account.endpoints["zoho.invoice.created"]["secrets"]) == 2
    done = mlc("rotate", "acme-eu", "--finish", "--force", "--json")
    assert json.loads(done.stdout) == {"finished": ["invoice.created"], "refused": {}}
    assert account.endpoints["zoho.invoice.created"]["secrets"] == [new]


# --- check-signature ---------------------------------------------------------------------------------------------


def signed(text: bytes) -> str:
    return hmac.new(SECRET.encode(), text, hashlib.sha256).hexdigest()


def check(folder: Path, given: str, *words: str, body: bytes = BODY, typed: str = f"{SECRET}\n") -> Result:
    file = folder / "body"
    file.write_bytes(body)
    options = ("--secret-stdin", "--body-file", str(file), "--signature", given)
    return mlc("check-signature", *options, *words, "--json", typed=typed)


EXAMPLE = b"namebasicsubscription_id90343" + BODY


@pytest.mark.parametrize(
    ("given", "words", "body", "reading"),
    [
        (signed(BODY), (), BODY, "body"),
        (signed(BODY).upper(), (), BODY, "body"),
        # Zoho's own example and our check value for it (1.3)
        (
            "325806db4b4936415a25a51910ea82f9eae85db09c497e780bec342941c4d28f",
            ("--query", "?subscription_id=90343&name=basic"),
            BODY,
            "decoded",
        ),
        (signed(b"a+b" + BODY), ("--query", "a=+b"), BODY, "decoded, plus kept"),
        (
            signed(b"JSONString{}"),
            ("--content-type", "application/x-www-form-urlencoded"),
            b"JSONString=%7B%7D",
            "decoded",
        ),
    ],
)
def test_reading_that_matches_is_named(
    tmp_path: Path, given: str, words: tuple[str, ...], body: bytes, reading: str
) -> None:
    """Exit code 0; by the code that ingest runs."""
    result = check(tmp_path, given, *words, body=body)
    data = json.loads(result.stdout)
    assert (result.exit_code, data["matches"], data["reading"], data["reason"]) == (0, True, reading, "")


@pytest.mark.parametrize(
    ("given", "words", "body", "reason", "says"),
    [
        (signed(b"x"), (), BODY, "signature_wrong", "tried: body"),
        (signed(b"x"), ("--query", "a=1"), BODY, "signature_wrong", "tried: decoded"),
        (signed(BODY), (), BODY + b"\r\n", "signature_wrong", "line end"),
        ("t=1795334153303,v=" + signed(BODY), (), BODY, "signature_scheme", "Zoho Payments"),
        ("sha256=" + signed(BODY), (), BODY, "signature_malformed", "64 hexadecimal digits"),
        ("", (), BODY, "signature_missing", "I want to secure this webhook"),
    ],
)
def test_what_is_wrong_is_said(
    tmp_path: Path, given: str, words: tuple[str, ...], body: bytes, reason: str, says: str
) -> None:
    """Exit code 1, with what a puzzled person can look at next."""
    result = check(tmp_path, given, *words, body=body)
    data = json.loads(result.stdout)
    assert (result.exit_code, data["matches"], data["reason"]) == (1, False, reason)
    assert says in data["says"]
    assert SECRET not in result.output


def test_secret_comes_from_standard_input_only(tmp_path: Path) -> None:
    """A command line is seen by others and kept in histories."""
    file = tmp_path / "body"
    file.write_bytes(BODY)
    result = mlc("check-signature", "--body-file", str(file), "--signature", signed(BODY))
    assert result.exit_code == 2
    assert "--secret-stdin" in result.stderr
    assert check(tmp_path, signed(BODY), typed="\n").exit_code == 2
