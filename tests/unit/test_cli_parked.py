"""`mlc parked`: what is chosen, what becomes of it, and how that is said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from typer.testing import CliRunner, Result

from ml_connector.aws.parked_desk import Held
from ml_connector.events import Delivery
from ml_connector.gathering import flush
from ml_connector.parked import Parked, Why, unwrap
from ml_connector.ports import Memory, Shelved
from mlc import main, options, parked
from mlc.stack import Stack
from tests.fakes import SECRETS, Deliveries, connection, delivery

SENT = datetime(2026, 11, 22, 8, tzinfo=UTC)
WHO = "kim (arn:aws:iam::123456789012:user/kim)"


def held(each: Delivery | None, reason: str = "the board has no column 'total'", number: int = 1) -> Held:
    kept = Parked(Why(reason, "2026-11-22T08:00:00.000000Z", 2, status=403), each, each.to_json() if each else "poison")
    identity = f"{number:08x}-0000-4000-8000-000000000000"
    return Held(identity, f"handle-{number}", SENT, SENT + timedelta(days=14), kept)


@dataclass
class Queue:
    """The parked queue: what was sent again and deleted, in order."""

    found: list[Held] = field(default_factory=list)
    done: list[tuple[str, str]] = field(default_factory=list)
    unseen: int = 0
    broken: str = ""

    @contextmanager
    def looking(self) -> Iterator[list[Held]]:
        yield list(self.found)

    def send_again(self, each: Held) -> None:
        if each.id == self.broken:
            raise EndpointConnectionError(endpoint_url="https://sqs.eu-central-1.amazonaws.com")
        self.done.append(("sent", each.id))

    def delete(self, each: Held) -> None:
        self.done.append(("deleted", each.id))
        self.found.remove(each)


@dataclass
class Desk:
    queue: Queue = field(default_factory=Queue)
    deliveries: Deliveries = field(default_factory=Deliveries)
    connections: list[str] = field(default_factory=list)

    def mlc(self, *words: str, typed: str = "") -> Result:
        return CliRunner().invoke(main.app, ["parked", *words], input=typed, catch_exceptions=False)


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    desk = Desk()
    shelf = desk.deliveries.shelf
    stack = SimpleNamespace(
        parked=desk.queue, deliveries=desk.deliveries, session=None, shelf=shelf, connection=lambda _: connection(),
        only=lambda: Stack.only(stack),  # type: ignore[arg-type]
        connections=SimpleNamespace(names=lambda: desk.connections),
    )  # fmt: skip
    monkeypatch.setattr(options, "Stack", lambda *_: stack)
    monkeypatch.setattr(options, "terminal", lambda: True)
    monkeypatch.setattr(parked, "identity", lambda _: WHO)
    return desk


ONE = held(delivery(), number=1)
OTHER_RECORD = held(delivery(invoice_id="7", invoice_number="INV-7"), "Zoho's invoice is unusable", 2)
OTHER_PLACE = held(delivery("finance"), "an earlier call got no answer", 3)
OTHER_CONNECTION = held(replace(delivery(), event=replace(delivery().event, connection="beta-us")), number=4)
UNREADABLE = held(None, "the queue message is not JSON", 5)
ALL = [ONE, OTHER_RECORD, OTHER_PLACE, OTHER_CONNECTION, UNREADABLE]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ((), [ONE, OTHER_RECORD, OTHER_PLACE, UNREADABLE]),
        (("7",), [OTHER_RECORD]),
        (("invoice/7",), [OTHER_RECORD]),
        (("INV-7",), [OTHER_RECORD]),
        (("INV-7", "INV-000412"), [ONE, OTHER_RECORD, OTHER_PLACE]),
        (("00000003",), [OTHER_PLACE]),
        (("00000005",), [UNREADABLE]),
        (("0000",), []),
        (("--destination", "ledger"), [ONE, OTHER_RECORD]),
        (("--reason", "COLUMN"), [ONE]),
        (("--reason", "not JSON"), []),
        (("INV-000412", "--destination", "finance"), [OTHER_PLACE]),
        (("00000004",), []),
    ],
)
def test_what_is_listed(desk: Desk, words: tuple[str, ...], found: list[Held]) -> None:
    """By record, number, id, destination and reason; never of another connection; nothing is taken away."""
    desk.queue.found = list(ALL)
    result = desk.mlc("list", "acme-eu", *words, "--json")
    assert result.exit_code == 0
    assert [row["id"] for row in json.loads(result.stdout)] == [each.id for each in found]
    assert (desk.queue.found, desk.queue.done) == (ALL, [])


def test_row_says_what_a_person_must_know(desk: Desk) -> None:
    """What, where, why, since when, and until when it is kept. No payload."""
    desk.queue.found = [ONE]
    (row,) = json.loads(desk.mlc("list", "acme-eu", "--json").stdout)
    assert row == {
        "id": ONE.id,
        "record": "invoice/460000000098765",
        "number": "INV-000412",
        "event": "invoice.created",
        "version": str(delivery().event.version),
        "destination": "ledger",
        "delivery": delivery().id,
        "call": "call-1",
        "reason": "the board has no column 'total'",
        "at": "2026-11-22T08:00:00.000000Z",
        "attempts": 2,
        "status": 403,
        "kept_until": "2026-12-06T08:00:00.000000Z",
    }


def test_people_see_a_line_each_and_its_reason_below(desk: Desk) -> None:
    """Not wider than a terminal. And a sentence when there is nothing, with exit code 0: that is the good case."""
    assert "nothing is parked" in desk.mlc("list", "acme-eu").stdout
    desk.queue.found = [ONE, UNREADABLE]
    shown = desk.mlc("list", "acme-eu").stdout
    assert all(each in shown for each in ("00000001", "INV-000412", "ledger", "unreadable"))
    assert max(map(len, shown.splitlines())) <= 120
    assert shown.splitlines()[1].strip() == "the board has no column 'total'"


def test_the_only_connection_need_not_be_named(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The alarm says `mlc parked list`; where there are several, they are named (exit code 3)."""
    desk.queue.found = [ONE]
    desk.connections.append("acme-eu")
    assert "INV-000412" in desk.mlc("list").stdout
    desk.connections.append("beta-us")
    done = desk.mlc("list")
    assert (done.exit_code, "say which connection: acme-eu, beta-us" in done.stderr) == (3, True)


def test_a_reason_names_the_connection_in_what_is_to_be_typed(desk: Desk) -> None:
    """A vendor's module does not know it; and what else is in a reason stays."""
    desk.queue.found = [held(delivery(), "CONNECTION: install it (`mlc teams install CONNECTION`), then retry")]
    for words in (("list", "acme-eu"), ("show", "acme-eu", "INV-000412")):
        assert "CONNECTION: install it (`mlc teams install acme-eu`), then retry" in desk.mlc(*words).stdout


def test_what_could_not_be_looked_at_is_said(desk: Desk) -> None:
    """On stderr, so that programs read clean JSON."""
    desk.queue.unseen = 4
    result = desk.mlc("list", "acme-eu", "--json")
    assert (json.loads(result.stdout), "about 4 more" in result.stderr) == ([], True)


def test_one_is_shown_whole(desk: Desk) -> None:
    """The record as it was sent only when asked for: it holds links that are keys."""
    desk.queue.found = [ONE]
    (row,) = json.loads(desk.mlc("show", "acme-eu", "INV-000412", "--json").stdout)
    assert "message" not in row
    (row,) = json.loads(desk.mlc("show", "acme-eu", "INV-000412", "--message", "--json").stdout)
    assert row["message"] == json.loads(delivery().to_json())
    assert "the board has no column 'total'" in desk.mlc("show", "acme-eu", "INV-000412", "--message").stdout


def test_what_is_not_there_is_a_finding(desk: Desk) -> None:
    """Exit code 3."""
    for words in (("show", "acme-eu", "9"), ("retry", "acme-eu", "9"), ("drop", "acme-eu", "9", "--yes")):
        assert desk.mlc(*words).exit_code == 3


@pytest.mark.parametrize("command", ["retry", "drop"])
@pytest.mark.parametrize("words", [(), ("--all", "7"), ("--all", "--reason", "x")])
def test_all_must_be_said(desk: Desk, command: str, words: tuple[str, ...]) -> None:
    """Nothing is chosen by accident: exit code 2, and nothing has happened."""
    desk.queue.found = list(ALL)
    result = desk.mlc(command, "acme-eu", *words)
    assert (result.exit_code, desk.queue.done) == (2, [])


# --- retry -------------------------------------------------------------------------------------------------------


def test_all_of_a_connection_is_sent_again(desk: Desk) -> None:
    """First sent, then deleted. What nobody can read may be another connection's, and stays."""
    desk.queue.found = list(ALL)
    result = desk.mlc("retry", "acme-eu", "--all", "--json")
    assert result.exit_code == 0
    assert [row["done"] for row in json.loads(result.stdout)] == ["sent"] * 3
    assert desk.queue.done == [(word, each.id) for each in ALL[:3] for word in ("sent", "deleted")]
    assert desk.queue.found == [OTHER_CONNECTION, UNREADABLE]


def test_unreadable_one_is_sent_again_by_its_id(desk: Desk) -> None:
    """After an upgrade, a message of a newer release can be read."""
    desk.queue.found = list(ALL)
    assert desk.mlc("retry", "acme-eu", "00000005").exit_code == 0
    assert desk.queue.done == [("sent", UNREADABLE.id), ("deleted", UNREADABLE.id)]


def test_what_is_there_already_is_not_sent(desk: Desk) -> None:
    """An earlier run that was cut short, or a newer version that has arrived since: the message only goes."""
    event = delivery().event
    desk.deliveries.write(event.record_key, "ledger", Memory(state="done", version=event.version))
    desk.queue.found = [ONE]
    (row,) = json.loads(desk.mlc("retry", "acme-eu", "--all", "--json").stdout)
    assert "already there" in row["done"]
    assert desk.queue.done == [("deleted", ONE.id)]
    (entry,) = desk.deliveries.audit.entries
    assert (entry.outcome, entry.reason) == ("skipped", f"by {WHO}; duplicate: this version is already there")


def test_one_failure_is_not_all(desk: Desk) -> None:
    """The others are sent; the failed one stays parked; exit code 1."""
    desk.queue.found, desk.queue.broken = [ONE, OTHER_RECORD], ONE.id
    result = desk.mlc("retry", "acme-eu", "--all", "--json")
    assert result.exit_code == 1
    assert [row["done"] for row in json.loads(result.stdout)] == ["failed", "sent"]
    assert desk.queue.found == [ONE]


@pytest.mark.parametrize("state", ["parked", "unknown", "done", "waiting"])
def test_retry_is_in_the_audit_trail(desk: Desk, state: str) -> None:
    """Who sent which delivery again and why it was parked, in the chain; the row keeps its state."""
    event = delivery().event
    before = desk.deliveries.write(event.record_key, "ledger", Memory(state=state, external_id="77", generation=3))
    desk.queue.found = [ONE]
    assert desk.mlc("retry", "acme-eu", "INV-000412").exit_code == 0
    (entry,) = desk.deliveries.audit.entries
    assert (entry.outcome, entry.origin, entry.delivery) == ("resent", "mlc", delivery().id)
    assert entry.reason == f"by {WHO}; was parked because: the board has no column 'total'"
    after = desk.deliveries.read(event.record_key, "ledger")
    assert after == replace(before, chain=entry.hash, number="INV-000412", rev=before.rev + 1)
    assert desk.deliveries.faults() == []


def test_retry_is_in_the_audit_trail_before_it_is_sent(desk: Desk) -> None:
    """An order that could not be carried out is told of too; the message is still there."""
    desk.queue.found, desk.queue.broken = [ONE], ONE.id
    assert desk.mlc("retry", "acme-eu", "--all").exit_code == 1
    assert desk.deliveries.audit.outcomes == ["resent"]
    assert (desk.queue.found, desk.queue.done) == ([ONE], [])


def test_versions_of_a_record_are_sent_in_one_go(desk: Desk) -> None:
    """A worker that has the first at once does not keep the others from being noted and sent."""
    event, send_again = delivery().event, desk.queue.send_again
    newer = held(delivery(modified="2026-11-22T09:00:00+0100", status="paid"), number=6)

    def taken_at_once(each: Held) -> None:
        send_again(each)
        row = desk.deliveries.read(event.record_key, "ledger")
        claim = replace(row, state="sending", lease_until="2999-01-01T00:00:00.000000Z")
        desk.deliveries.write(event.record_key, "ledger", claim)

    desk.queue.send_again = taken_at_once  # type: ignore[method-assign]
    desk.queue.found = [ONE, newer]
    result = desk.mlc("retry", "acme-eu", "--all", "--json")
    assert [row["done"] for row in json.loads(result.stdout)] == ["sent", "sent"]
    assert desk.deliveries.audit.outcomes == ["resent", "resent"]


@pytest.mark.parametrize("words", [("list",), ("retry",), ("drop", "--yes")])
def test_nothing_found_may_be_a_mistyped_name(desk: Desk, words: tuple[str, ...]) -> None:
    """Then the nearest is told; what is parked for a destination that the file has no more is found by its name."""
    done = desk.mlc(words[0], "acme-eu", *words[1:], "--destination", "legder")
    assert (done.exit_code, "did you mean 'ledger'?" in done.stderr) == (2, True), done.output
    desk.queue.found = [held(delivery("gone"), number=7)]
    assert desk.mlc(words[0], "acme-eu", *words[1:], "--destination", "gone").exit_code == 0


# --- drop --------------------------------------------------------------------------------------------------------


def test_drop_asks(desk: Desk) -> None:
    """It shows what, and No is the default: exit code 1, nothing has happened."""
    desk.queue.found = [ONE]
    result = desk.mlc("drop", "acme-eu", "--all", typed="\n")
    assert (result.exit_code, desk.queue.done) == (1, [])
    assert "Drop these 1?" in result.stderr
    assert "no column" in result.stderr


def test_yes_is_for_what_was_shown(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is parked while the question stands is not dropped with it."""
    desk.queue.found = [ONE]

    def confirm(*_: Any, **__: Any) -> bool:
        desk.queue.found.append(OTHER_RECORD)
        return True

    monkeypatch.setattr(main.typer, "confirm", confirm)
    assert desk.mlc("drop", "acme-eu", "--all").exit_code == 0
    assert desk.queue.found == [OTHER_RECORD]


@pytest.mark.parametrize("state", ["parked", "unknown", "done", "waiting"])
def test_drop_is_in_the_audit_trail(desk: Desk, state: str) -> None:
    """Who, what and why, in the chain; the row keeps its state. Only then it goes."""
    event = delivery().event
    desk.deliveries.write(event.record_key, "ledger", Memory(state=state, external_id="77", attempts=2))
    desk.queue.found = [ONE]
    result = desk.mlc("drop", "acme-eu", "INV-000412", "--yes", "--json")
    assert result.exit_code == 0
    (entry,) = desk.deliveries.audit.entries
    assert (entry.outcome, entry.number, entry.external_id) == ("dropped", "INV-000412", "77")
    assert entry.reason == f"by {WHO}; was parked because: the board has no column 'total'"
    assert desk.deliveries.read(event.record_key, "ledger").state == state
    assert desk.deliveries.faults() == []
    assert desk.queue.done == [("deleted", ONE.id)]


@pytest.mark.parametrize(("words", "outcome"), [(("drop", "--yes"), "dropped"), (("retry",), "resent")])
def test_unreadable_one_is_in_the_audit_trail(desk: Desk, words: tuple[str, ...], outcome: str) -> None:
    """Under its own id: there is no record."""
    desk.queue.found = [UNREADABLE]
    assert desk.mlc(words[0], "acme-eu", "00000005", *words[1:]).exit_code == 0
    (entry,) = desk.deliveries.audit.entries
    assert entry.outcome == outcome
    assert (entry.connection, entry.module, entry.record_id) == ("acme-eu", "unreadable", UNREADABLE.id)


@pytest.mark.parametrize("words", [("drop", "--yes"), ("retry",)])
def test_record_under_way_is_left_alone(desk: Desk, words: tuple[str, ...]) -> None:
    """A worker's claim is not written over: it would not know what came of its call."""
    event, lease = delivery().event, "2999-01-01T00:00:00.000000Z"
    row = desk.deliveries.write(event.record_key, "ledger", Memory(state="sending", lease_until=lease))
    desk.queue.found = [ONE]
    result = desk.mlc(words[0], "acme-eu", "--all", *words[1:], "--json")
    assert (result.exit_code, desk.queue.found, desk.queue.done) == (1, [ONE], [])
    assert "try again in two minutes" in result.stdout
    assert desk.deliveries.read(event.record_key, "ledger") == row


@pytest.mark.parametrize("words", [("drop", "--yes"), ("retry",)])
def test_claim_of_a_crashed_worker_is_left_to_the_next_one(desk: Desk, words: tuple[str, ...]) -> None:
    """What the queue itself has put aside leaves such a row: it says what may have happened, and goes on saying so."""
    event, lease = delivery().event, "2026-11-22T08:00:00.000000Z"
    row = desk.deliveries.write(
        event.record_key, "ledger", Memory(state="sending", lease_until=lease, owner="worker-1")
    )
    desk.queue.found = [ONE]
    assert desk.mlc(words[0], "acme-eu", "--all", *words[1:]).exit_code == 0
    after = desk.deliveries.read(event.record_key, "ledger")
    assert replace(after, chain="", rev=row.rev, number="") == row
    assert desk.deliveries.faults() == []


def _gathered(desk: Desk, *members: Delivery) -> Delivery:
    """These wait for a digest, which is the delivery that is given back."""
    digest = "ledger.quiet-20261121T1800Z"
    for each in members:
        row = Memory("waiting", pending=each.event.version, gathered=digest)
        row = replace(row, rev=desk.deliveries.of(each).rev, chain=desk.deliveries.of(each).chain)
        desk.deliveries.write(each.event.record_key, "ledger", row, put=Shelved(digest, each.thin(), {}, {}))
    return flush(members[0].event, "ledger", digest, SENT)


def test_dropping_a_digest_gives_up_what_it_was_to_tell_of(desk: Desk) -> None:
    """None is left waiting for what never comes: each trail says who gave it up, and why it was parked."""
    older, newer = delivery(), delivery(modified="2026-11-22T09:00:00+0100", total="7")
    other = delivery(invoice_id="7", invoice_number="INV-7")
    digest = held(_gathered(desk, older, newer, other), "the channel does not exist (any more)")
    desk.queue.found = [digest]
    asked = desk.mlc("drop", "acme-eu", "--all", typed="y\n")
    assert "with all that it was to tell of" in asked.stderr
    assert asked.exit_code == 0
    assert not any(desk.deliveries.shelf.held.values())
    for each in (newer, other):
        row = desk.deliveries.of(each)
        assert (row.state, row.gathered, row.pending) == ("parked", "", each.event.version)
    entries = desk.deliveries.audit.entries
    assert [(each.record_id, each.outcome) for each in entries if each.module == "invoice"] == [
        (each.event.record_id, "dropped") for each in (older, newer, other)
    ]
    assert all(WHO in each.reason and "the channel does not exist" in each.reason for each in entries)
    assert desk.deliveries.faults() == []


def test_dropping_a_digest_that_was_told_meanwhile_gives_up_nothing(desk: Desk) -> None:
    """Another run has posted it, and notes what it told of."""
    member = delivery()
    digest = _gathered(desk, member)
    desk.deliveries.write(digest.event.record_key, "ledger", Memory("done", version=digest.event.version))
    desk.queue.found = [held(digest)]
    assert desk.mlc("drop", "acme-eu", "--all", "--yes").exit_code == 0
    assert desk.deliveries.of(member).state == "waiting"
    assert [(each.module, each.outcome) for each in desk.deliveries.audit.entries] == [("digest", "dropped")]
    assert desk.queue.found == []


# --- help --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["list", "show", "retry", "drop"])
def test_help_has_an_example(desk: Desk, command: str) -> None:
    """Every command."""
    assert f"mlc parked {command} acme-eu" in desk.mlc(command, "--help").stdout


def test_credentials_do_not_stand_in_what_is_shown(desk: Desk) -> None:
    """Parked messages hold none, and the record as sent is shown only when asked for."""
    desk.queue.found = [held(delivery(notes=SECRETS[0]))]
    for words in (("list", "acme-eu"), ("show", "acme-eu", "INV-000412"), ("retry", "acme-eu", "--all")):
        assert SECRETS[0] not in desk.mlc(*words, "--json").output


def test_fake_and_form_agree() -> None:
    """The tests' messages are what the product would read from the queue."""
    assert unwrap(ONE.parked.text).delivery == ONE.delivery
