"""What the buttons of the sandbox's page do, on stand-ins that write down what was asked of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from sandbox import onboarding, play
from sandbox.aws import FunctionFailed
from sandbox.page.deeds import CannotBeDone, Nothing
from sandbox.play import Play
from sandbox.switches import SWITCHES, Switches
from sandbox.vendors.client import ControlError

INVOICE = {
    "invoice_id": "1", "invoice_number": "INV-1", "customer_name": "Harbour Lane Bakery", "status": "sent",
    "balance": 90.0, "line_items": [{"name": "Bread", "quantity": 2, "rate": 45}],
}  # fmt: skip
PAID = {**INVOICE, "invoice_id": "2", "invoice_number": "INV-2", "status": "paid", "balance": 0.0}
PAYMENT = {"payment_id": "3", "payment_number": "201", "amount": 90.0}


class Vendors:
    """The stand-ins' control API. `calls` are its calls, each with its arguments."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def records(self, organization: str) -> dict[str, Any]:
        found = {"invoices": {"1": INVOICE, "2": PAID}, "customerpayments": {"3": PAYMENT}}
        return {"records": found, "comments": {}}

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*given: Any, **more: Any) -> Any:
            self.calls.append((name, *given, *([more] if more else [])))
            webhooks = [{"status": 401 if "forged" in str(more) else 202}]
            if name == "person" and more["value"] == {"label": "Nonsense"}:
                raise ControlError("400")
            return webhooks if name == "send_payload" else {"record": INVOICE, "webhooks": webhooks}

        return call


class Stack:
    """Functions that answer as they are told."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.invoked: list[str] = []

    def invoke(self, name: str, event: Any) -> Any:
        self.invoked.append(name)
        answer = self.answers.get(name)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def vendors() -> Vendors:
    return Vendors()


def at(vendors: Vendors, monkeypatch: pytest.MonkeyPatch, **answers: Any) -> Play:
    monkeypatch.setattr(onboarding, "LocalMlc", lambda stack: SimpleNamespace(parked=None, deliveries=None))
    box: Any = SimpleNamespace(zoho=vendors, stack=Stack(**answers), connection="acme-eu", organization="20")
    return Play(box)


def test_a_change_is_dearer_by_one_line(vendors: Vendors, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line, and a balance that agrees with it."""
    at(vendors, monkeypatch).change("invoice", "1")
    ((_, _, module, record, fields),) = vendors.calls
    assert (module, record, fields["balance"]) == ("invoice", "1", 135.0)
    assert fields["line_items"] == [*INVOICE["line_items"], play.MORE]


def test_pay_pays_what_is_left(vendors: Vendors, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a payment of its own, applied to the document."""
    said = at(vendors, monkeypatch).pay("invoice", "1")
    assert vendors.calls == [("pay", "20", {"1": 90.0}, "customer_payment")]
    assert said.endswith("Zoho’s webhook was answered 202.")


@pytest.mark.parametrize(
    ("deed", "given"),
    [("pay", ("invoice", "2")), ("change", ("invoice", "2")), ("void", ("invoice", "2")),
     ("pay", ("customer_payment", "3")), ("void", ("customer_payment", "3"))],
    ids=str,
)  # fmt: skip
def test_what_makes_no_sense_is_not_done(
    vendors: Vendors, monkeypatch: pytest.MonkeyPatch, deed: str, given: tuple[str, str]
) -> None:
    """What is settled stays as it is; Zoho does not void payments."""
    with pytest.raises(CannotBeDone):
        getattr(at(vendors, monkeypatch), deed)(*given)
    assert vendors.calls == []


@pytest.mark.parametrize("given", [("invoice", "9"), ("bill", "1"), ("nonsense", "1")], ids=str)
def test_what_is_not_there_is_named(vendors: Vendors, monkeypatch: pytest.MonkeyPatch, given: tuple[str, str]) -> None:
    """By its module and id."""
    with pytest.raises(Nothing, match=" ".join(given)):
        at(vendors, monkeypatch).void(*given)


def test_a_burst_enters_every_record_once(vendors: Vendors, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many as were asked for, and it says what ingest answered."""
    said = at(vendors, monkeypatch).burst(7)
    rates = sorted(fields["line_items"][0]["rate"] for _, _, _, fields in vendors.calls)
    assert rates == [120 + 5 * number for number in range(7)]
    assert "answered 7 × 202" in said


def test_a_forged_call_is_told_with_its_refusal(vendors: Vendors, monkeypatch: pytest.MonkeyPatch) -> None:
    """The call is about a real record, says something else, and its signature is wrong."""
    said = at(vendors, monkeypatch).forge("invoice", "1")
    ((_, _, module, event, body, how),) = vendors.calls
    lie = json.loads(body)["invoice"]
    assert (module, event, how, lie["customer_name"]) == ("invoice", "updated", {"signed": "forged"}, "Mallory & Sons")
    assert lie["invoice_id"] == "1"
    assert "answered 401" in said


FOUND = {"missing": 0, "failed": {}, "forbidden": [], "stopped": ""}


def test_reconcile_says_what_it_found(vendors: Vendors, monkeypatch: pytest.MonkeyPatch) -> None:
    """How many were missing, or that nothing is."""
    for missing, says in ((1, "1 missing"), (0, "nothing is missing")):
        answer = {"acme-eu": {**FOUND, "missing": missing}}
        assert says in at(vendors, monkeypatch, reconcile=answer).reconcile()


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({}, "under way already"),
        ({"acme-eu": {**FOUND, "failed": {"bill": "access was revoked"}}}, "access was revoked"),
        # Every list fails of the same: it is said once.
        ({"acme-eu": {**FOUND, "failed": {"bill": "revoked", "invoice": "revoked"}}}, "lists: revoked$"),
        ({"acme-eu": {**FOUND, "stopped": "no call is left"}}, "no call is left"),
        (FunctionFailed("reconcile", {"errorMessage": "out of memory"}), "out of memory"),
    ],
)
def test_a_reconcile_that_could_not_look_says_so(
    vendors: Vendors, monkeypatch: pytest.MonkeyPatch, answer: Any, says: str
) -> None:
    """It is never told as “nothing is missing”."""
    with pytest.raises(CannotBeDone, match=says):
        at(vendors, monkeypatch, reconcile=answer).reconcile()


def test_a_label_that_the_board_does_not_have_is_refused(vendors: Vendors, monkeypatch: pytest.MonkeyPatch) -> None:
    """The board's own labels are set in a person's name; others are not."""
    here = at(vendors, monkeypatch)
    here.label("7", "Paid")
    assert vendors.calls[0][0] == "person"
    with pytest.raises(CannotBeDone, match="Nonsense"):
        here.label("7", "Nonsense")


@pytest.mark.parametrize(
    ("rows", "says"),
    [(["sent", "sent"], "2 sent again."), (["sent", "failed"], "1 sent again; 1 failed."), ([], None)],
    ids=str,
)
def test_retry_says_what_came_of_each(
    vendors: Vendors, monkeypatch: pytest.MonkeyPatch, rows: list[str], says: str | None
) -> None:
    """All that is parked of the connection; with nothing there it says so."""
    wanted: list[Any] = []

    def retry(queue: Any, deliveries: Any, which: Any, connection: str, who: str) -> list[Mapping[str, str]]:
        wanted.append((which.connection, which.narrow, connection, who))
        return [{"done": each} for each in rows]

    monkeypatch.setattr(play.parked_desk, "retry", retry)
    here = at(vendors, monkeypatch)
    if says is None:
        with pytest.raises(CannotBeDone, match="Nothing is parked"):
            here.retry()
    else:
        assert here.retry() == says
    assert wanted == [("acme-eu", False, "acme-eu", play.WHO)]


def test_lost_consent_is_noticed_at_once(vendors: Vendors, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reconcile runs into it, then the tokens are counted, though reconcile fails of it."""
    here = at(vendors, monkeypatch, reconcile=FunctionFailed("reconcile", {}))
    said = here.switch("zoho-revoked", on=True)
    assert ("revoke_tokens", "20") in vendors.calls
    assert here._box.stack.invoked == ["reconcile", "refresh_tokens"]  # type: ignore[attr-defined]
    assert said.startswith("Zoho’s consent is revoked.")


def test_an_unknown_switch_is_nothing(vendors: Vendors, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing happens."""
    with pytest.raises(Nothing, match="no switch nonsense"):
        at(vendors, monkeypatch).switch("nonsense", on=True)
    assert vendors.calls == []


class Office:
    def lose_consent(self) -> None: ...

    def give_consent(self) -> None: ...


def test_ending_one_trouble_leaves_the_other(vendors: Vendors) -> None:
    """The stand-ins forget all faults at once, so those that are still on are set again."""
    zoho: Any = vendors
    switches = Switches(zoho, Office())
    switches.turn("teams-busy", on=True)
    switches.turn("monday-down", on=True)
    vendors.calls.clear()
    switches.turn("teams-busy", on=False)
    assert vendors.calls == [("clear_faults",), ("fault", dict(SWITCHES["monday-down"].fault))]
    assert [one["name"] for one in switches.states() if one["on"]] == ["monday-down"]


def test_a_switch_that_is_on_is_not_switched_on_again(vendors: Vendors) -> None:
    """Two pages may be open."""
    zoho: Any = vendors
    switches = Switches(zoho, Office())
    switches.turn("teams-refuses", on=False)
    switches.turn("teams-refuses", on=True)
    switches.turn("teams-refuses", on=True)
    assert [name for name, *_ in vendors.calls] == ["install"]


def test_trouble_that_did_not_begin_is_not_shown(vendors: Vendors, monkeypatch: pytest.MonkeyPatch) -> None:
    """A switch shows what is: if it failed, it is off."""
    zoho: Any = vendors
    switches = Switches(zoho, Office())

    def fail(*_: Any) -> None:
        raise ControlError("gone")

    monkeypatch.setattr(vendors, "install", fail, raising=False)
    with pytest.raises(ControlError):
        switches.turn("teams-refuses", on=True)
    assert not any(one["on"] for one in switches.states())
