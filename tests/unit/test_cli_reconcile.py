"""`mlc reconcile`: what it asks, what it says, and that it can be broken off (contracts: zoho-books 6.3, 8)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner, Result

from ml_connector.errors import NeedsAttention, RetryLater, Throttled
from ml_connector.limits import Quota
from mlc import options
from mlc import reconcile as command
from mlc.main import app
from mlc.reconcile import Office
from tests.fakes import connection
from tests.unit import test_reconcile
from tests.unit.test_reconcile import INVOICES


@dataclass
class Desk:
    """A connection of one module in a fake Zoho; `slept` are the seconds that the command has waited."""

    zoho: test_reconcile.Office = field(default_factory=test_reconcile.Office)
    slept: list[float] = field(default_factory=list)
    fetches_a_minute: int = 10**6

    def office(self, stack: object, name: str) -> Office:
        fetch, self.left = self.zoho.books.fetch, self.fetches_a_minute

        def limited(*which: Any) -> Any:
            if not self.left:
                raise Throttled("zoho: 72 calls in 60 s are made", 60)
            self.left -= 1
            return fetch(*which)

        self.zoho.books.fetch = limited  # type: ignore[method-assign]
        at, books = connection(zoho=INVOICES), self.zoho.books
        zone = ZoneInfo("America/New_York")
        return Office(at, self.zoho.reconcile, books, zone, self.sleep, self.zoho.clock)  # type: ignore[arg-type]

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.zoho.clock.now += timedelta(seconds=seconds)
        self.left = self.fetches_a_minute


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    desk = Desk()
    monkeypatch.setattr(options, "Stack", lambda *_: None)
    monkeypatch.setattr(command, "office", desk.office)
    return desk


def mlc(*arguments: str, answer: str = "") -> Result:
    return CliRunner().invoke(app, ["reconcile", "acme-eu", *arguments], input=answer)


def old(desk: Desk, count: int) -> None:
    """Invoices of March, long before the connection."""
    for number in range(count):
        made = f"2026-03-{1 + number % 28:02}T12:00:{number // 28:02}+0000"
        desk.zoho.saves(100 + number, made, created_time=made)


def test_what_is_missing_is_queued_now(desk: Desk) -> None:
    """And told in a sentence, or as JSON for programs."""
    desk.zoho.saves(1)
    result = mlc()
    assert result.exit_code == 0, result.output
    assert "1 records were missing" in result.output
    assert desk.zoho.sent == ["460001"]
    desk.zoho.books.day = Quota(5000, 4321, 60)
    said = json.loads(mlc("--json").stdout)
    assert (said["missing"], said["open"], said["quota"]["left"]) == (0, 0, 4321)


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["--backfill"], "--from"),
        (["--from", "2026-01-01"], "--backfill or --dry-run"),
        (["--to", "2026-01-01"], "--backfill or --dry-run"),
        (["--backfill", "--from", "2026-02-01", "--to", "2026-01-01"], "before --from"),
        (["--backfill", "--from", "soon"], "'soon' is no date; write it as in 2026-11-22"),
        (["--dry-run", "--to", "2026-02-30"], "'2026-02-30' is no date"),
    ],
)
def test_wrong_usage(desk: Desk, arguments: list[str], hint: str) -> None:
    """Nothing is begun."""
    result = mlc(*arguments)
    assert (result.exit_code, hint in result.output) == (2, True)
    assert desk.zoho.books.calls == 0


def test_dry_run_lists_and_does_nothing(desk: Desk) -> None:
    """Exit code 3, because something is missing; 0 when nothing is."""
    desk.zoho.saves(1, invoice_number="INV-7")
    result = mlc("--dry-run")
    assert result.exit_code == 3
    assert "Invoice INV-7" in result.stdout
    assert "ledger (invoice.created)" in result.stdout
    assert json.loads(mlc("--dry-run", "--json").stdout)[0]["missing"] == {"ledger": "invoice.created"}
    assert (desk.zoho.sent, desk.zoho.cursors.rows) == ([], {})
    desk.zoho.books.rows.clear()
    result = mlc("--dry-run")
    assert (result.exit_code, "nothing is missing" in result.stdout) == (0, True)


def test_days_are_the_organizations(desk: Desk) -> None:
    """From its midnight on, and the last day whole."""
    for number, made in enumerate(["03-01T04:59:59", "03-01T05:00:00", "03-03T04:59:59", "03-03T05:00:01"]):
        desk.zoho.saves(number, f"2026-{made}+0000", created_time=f"2026-{made}+0000")
    result = mlc("--dry-run", "--backfill", "--from", "2026-03-01", "--to", "2026-03-02", "--json")
    assert [each["id"] for each in json.loads(result.stdout)] == ["460002", "460001"]


def test_backfill_brings_in_what_is_older_than_the_connection(desk: Desk) -> None:
    """As new records, and whole."""
    old(desk, 40)
    result = mlc("--backfill", "--from", "2026-01-01")
    assert result.exit_code == 0, result.output
    assert len(desk.zoho.sent) == 40
    assert {each.event.name for each in desk.zoho.queue.sent} == {"invoice.created"}


def test_large_backfill_asks_first(desk: Desk) -> None:
    """It takes a call for each record, of the organization's day; without a terminal it says how to agree."""
    old(desk, 12)
    desk.zoho.books.day = Quota(1000, 900, 60)
    result = mlc("--backfill", "--from", "2026-01-01", "--ask-above", "11")
    assert result.exit_code == 2
    assert "12 records are missing" in result.output
    assert "--yes" in result.output
    assert desk.zoho.sent == []
    assert mlc("--backfill", "--from", "2026-01-01", "--ask-above", "11", "-y").exit_code == 0
    assert len(desk.zoho.sent) == 12


def test_no_at_the_question_does_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The question is one."""
    old(desk, 12)
    asked: list[str] = []

    def confirm(question: str, *, abort: bool, err: bool) -> None:
        asked.append(question)
        raise command.typer.Abort

    monkeypatch.setattr(command.typer, "confirm", confirm)
    monkeypatch.setattr(options, "terminal", lambda: True)
    with pytest.raises(command.typer.Abort):
        command._ask(desk.office(None, "acme-eu"), 12, yes=False)
    assert "12 records" in asked[0]
    assert "20 %" in asked[0]


def test_limit_of_a_minute_is_waited_for(desk: Desk) -> None:
    """Three minutes' calls take three minutes, not three commands."""
    old(desk, 30)
    desk.fetches_a_minute = 12
    result = mlc("--backfill", "--from", "2026-01-01")
    assert (result.exit_code, set(desk.slept)) == (0, {60})
    assert len(set(desk.zoho.sent)) == 30


def test_long_list_is_looked_through_page_by_page(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit in the middle of it does not begin it anew; one that is too long for a person ends it."""
    old(desk, 30)
    desk.zoho.books.size = 5
    page, calls = desk.zoho.books.page, [0]

    def limited(*which: Any, **more: Any) -> Any:
        calls[0] += 1
        if calls[0] % 3 == 0:
            raise Throttled("zoho: 72 calls in 60 s are made", 60)
        return page(*which, **more)

    monkeypatch.setattr(desk.zoho.books, "page", limited)
    result = mlc("--dry-run", "--backfill", "--from", "2026-01-01", "--json")
    assert (len(json.loads(result.stdout)), result.exit_code) == (30, 3)
    assert len(desk.slept) < 10
    monkeypatch.setattr(desk.zoho.books, "page", lambda *_, **__: (_ for _ in ()).throw(Throttled("tomorrow", 30_000)))
    result = mlc("--dry-run")
    assert (result.exit_code, "tomorrow" in result.output) == (1, True)


def test_limit_of_a_day_is_left_to_the_schedule(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is open stays noted: the runs that follow go on with it."""
    old(desk, 3)
    monkeypatch.setattr(
        desk.zoho.books, "fetch", lambda *_: (_ for _ in ()).throw(Throttled("zoho: 200 calls are made", 30_000))
    )
    result = mlc("--backfill", "--from", "2026-01-01")
    assert (result.exit_code, desk.slept) == (0, [])
    assert "200 calls are made" in result.output
    assert "The schedule goes on with it" in result.output
    assert "✓" not in result.output
    assert len(desk.zoho.gaps("invoice~backfill")) == 1


def test_used_up_day_is_said_and_is_no_success(desk: Desk) -> None:
    """Nothing was looked at: no tick, and when there is more."""
    desk.zoho.books.day = Quota(1000, 0, 5 * 3600 + 90)
    desk.zoho.books.broken["invoice"] = RetryLater("Zoho Books, invoices: the day's API quota is used up", 30_000, 429)
    result = mlc()
    assert (result.exit_code, "✓" in result.output) == (1, False)
    assert "the day's 1000 API calls are used up; the organization has new ones in 5 h 2 min" in result.output


def test_refused_credentials_are_a_failure(desk: Desk) -> None:
    """With Zoho's reason."""
    desk.zoho.books.broken["invoice"] = NeedsAttention("the token is not accepted; connect again")
    result = mlc()
    assert result.exit_code == 1
    assert "connect again" in result.output
