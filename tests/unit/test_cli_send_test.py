"""`mlc send-test`: what it expects, what it says of a refusal, and that its address never shows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest
import requests

from ml_connector.config.load import load
from ml_connector.connections import Connection
from ml_connector.errors import ConnectorError
from ml_connector.ports import AuditEntry
from mlc import send_test
from mlc.output import Exit
from mlc.samples import told
from mlc.send_test import Done
from mlc.stack import Stack
from tests.fakes import Known

ROOT = Path(__file__).parents[2]
INVOICE = (ROOT / "examples" / "invoice.json").read_bytes()
TOKEN = "T0KEN" * 8
ENTRY = AuditEntry(
    at="", connection="acme-eu", module="invoice", record_id="5820000000417203", number="", event="invoice.created",
    version="", origin="webhook", destination="", outcome="delivered", attempt=1, correlation_id="",
)  # fmt: skip


@dataclass
class Desk:
    """A stack whose trail is a list; `work` is what delivery writes when a call was accepted."""

    status: int = 202
    outcomes: dict[str, str] = field(default_factory=dict)
    trail: list[AuditEntry] = field(default_factory=list)
    time: float = 0.0
    known: Known = field(default_factory=Known)
    sent: bytes = b""
    unlike: str = ""
    """What the stack's ids have that ours have not: where the payload gives no version, the stack makes one."""

    # What send_test asks of a stack.
    def connection(self, name: str) -> Connection:
        compiled = load(ROOT / "connections" / "example.toml").compiled()
        return Connection.from_data({**compiled, "version": 1, "applied_at": ""})

    def get(self, connection: str, purpose: str, max_age: float) -> dict[str, Any]:
        actions = ("created", "updated", "deleted")
        return {"endpoints": {f"zoho.invoice.{each}": {"token": TOKEN, "secrets": ["s3cr3t"]} for each in actions}}

    def webhook_address(self, token: str) -> str:
        return f"https://api.example/webhooks/zoho/{token}"

    def of_record(self, connection: str, module: str, record_id: str) -> Iterator[AuditEntry]:
        yield from self.trail

    @property
    def secrets(self) -> Desk:
        return self

    @property
    def audit(self) -> Desk:
        return self

    # What happens.
    def run(self, body: bytes | None = INVOICE, seconds: float = 20, event: str = "invoice.created") -> Done:
        def post(url: str, secret: str, sent: bytes) -> int:
            self.sent = sent
            if self.status == 202:
                module, action, _ = told(event)
                plan = send_test._plan(self.connection(""), module, action, sent, self.known)
                for place, each in enumerate(plan.deliveries):
                    if outcome := self.outcomes.get(each.destination):
                        self.trail.append(
                            replace(
                                ENTRY,
                                at=f"2026-11-22T08:00:{len(self.trail):02}.{place}Z",
                                destination=each.destination,
                                delivery=f"{each.id}{self.unlike}",
                                version=str(each.event.version),
                                outcome=outcome,
                            )
                        )
            return self.status

        def tick(pause: float) -> None:
            self.time += pause

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(send_test, "_post", post)
            stack = cast(Stack, self)
            return send_test.send_and_follow(stack, "acme-eu", event, body, seconds, tick, lambda: self.time)


ALL = {"finance": "delivered", "ledger": "delivered", "large-invoices": "accepted"}


def test_every_expected_delivery_is_awaited() -> None:
    """The routes decide how many there are: a large invoice goes to three places, and no more is waited for."""
    desk = Desk(outcomes=ALL)
    done = desk.run()
    assert (done.exit, done.problem, desk.time) == (Exit.DONE, "", 0.0)
    assert set(done.expected) == set(ALL)
    assert len(done.entries) == 3


@pytest.mark.parametrize(
    ("event", "record"),
    [
        ("invoice.deleted", {"invoice_id": "5820000000417203"}),
        ("invoice.updated", {"invoice_id": "5820000000417203", "status": "sent"}),
    ],
)
def test_what_gives_no_version_is_followed_all_the_same(event: str, record: dict[str, str]) -> None:
    """A deletion, and an event that is fetched, have their version from the stack: by its name nobody knows it here."""
    desk = Desk(outcomes=ALL, unlike="!")
    done = desk.run(json.dumps({"invoice": record}).encode(), event=event)
    assert (done.exit, done.problem, desk.time) == (Exit.DONE, "", 0.0)
    assert set(done.expected) == set(ALL) - ({"large-invoices"})
    dated = Desk(outcomes=ALL, unlike="!").run()
    assert dated.exit == Exit.FAILED, "any other is known by its id"


def test_a_made_up_record_is_in_the_status_that_was_asked_for() -> None:
    """`--event invoice.paid` is an update of a paid invoice; `invoice.deleted` holds the id alone."""
    desk = Desk(outcomes=ALL)
    assert desk.run(None, event="invoice.paid").exit == Exit.DONE
    assert json.loads(desk.sent)["invoice"]["status"] == "paid"
    desk.run(None, event="invoice.deleted")
    assert set(json.loads(desk.sent)["invoice"]) == {"invoice_id"}


def test_a_delivery_that_does_not_come_is_named() -> None:
    """The time is over: exit code 1 and the destination that is missing."""
    done = Desk(outcomes={"finance": "delivered", "ledger": "retry", "large-invoices": "accepted"}).run()
    assert done.exit == Exit.FAILED
    assert "not delivered within 20 s: ledger" in done.problem


def test_a_parked_delivery_fails() -> None:
    """It ended, but not where it should."""
    done = Desk(outcomes={**ALL, "ledger": "parked"}).run()
    assert done.exit == Exit.FAILED
    assert "parked, with the reason in the trail: ledger" in done.problem


@pytest.mark.parametrize("outcomes", [{}, dict.fromkeys(ALL, "skipped")], ids=["the queue knew it", "delivery knew it"])
def test_the_same_version_again_is_already_delivered(outcomes: dict[str, str]) -> None:
    """Repeating the command is no failure, and not waited for to the end."""
    desk = Desk(outcomes=ALL)
    desk.run()
    desk.outcomes = outcomes
    done = desk.run()
    assert (done.exit, done.note) == (Exit.DONE, "already delivered: nothing to do")
    assert done.for_programs()["reason"] == "already delivered: nothing to do"
    assert desk.time < 5


def test_nothing_matches() -> None:
    """Accepted and sent nowhere is a problem found (exit code 3), at once."""
    body = json.loads(INVOICE)
    desk = Desk(outcomes=ALL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(send_test, "deliveries_of", lambda *_: ())
        done = desk.run(json.dumps(body).encode())
    assert (done.exit, desk.time) == (Exit.FOUND_PROBLEMS, 0.0)
    assert "no route matches" in done.problem


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (422, b'{"bill": {}}', "record_missing: the body holds no invoice"),
        (422, b'{"organization_id": "1", "invoice": {}}', "organization_mismatch"),
        (400, b"nonsense", "body_unreadable: Expecting value"),
        (400, b"  \n", "body_unreadable: the file is empty"),
        (401, INVOICE, "nothing is wrong with the payload itself"),
    ],
)
def test_a_refusal_is_explained(status: int, body: bytes, reason: str) -> None:
    """The stack tells callers nothing; the payload's fault is found here, for people and for programs."""
    done = Desk(status=status).run(body)
    answer = done.for_programs()
    assert done.exit == Exit.FAILED
    assert f"the stack answered {status}, not 202: {reason}" in done.problem
    assert set(answer) == {"status", "reason"}
    assert answer["reason"].startswith(reason)


@pytest.mark.parametrize(
    "error", [requests.ConnectionError, requests.Timeout, requests.exceptions.SSLError, requests.exceptions.InvalidURL]
)
def test_an_unreachable_stack_is_one_line_without_the_address(
    error: type[requests.RequestException], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The path of a webhook is a bearer token: neither the sentence nor its causes show it."""

    def unreachable(url: str, **_: Any) -> None:
        raise error(f"HTTPSConnectionPool(host='api.example'): Max retries exceeded with url: {url}")

    monkeypatch.setattr(requests, "post", unreachable)
    with pytest.raises(ConnectorError) as caught:
        send_test._post(f"https://api.example/webhooks/zoho/{TOKEN}", "s3cr3t", b"{}")
    assert str(caught.value) == f"api.example cannot be reached ({error.__name__})"
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
