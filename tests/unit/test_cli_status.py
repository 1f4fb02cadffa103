"""`mlc status`: what is counted, what is said where nothing is known, and how the live view ends."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from ml_connector.ports import AuditEntry
from mlc import options, output, status
from mlc.main import app

NOW = datetime(2026, 11, 22, 0, 30, tzinfo=UTC)
QUEUE = {"ready": 3, "hidden": 2, "oldest_seconds": 600, "parked": 1, "failed_schedules": None}


def entry(ago: timedelta, outcome: str = "delivered") -> AuditEntry:
    return AuditEntry(
        at=f"{NOW - ago:%Y-%m-%dT%H:%M:%S.%fZ}", connection="acme-eu", module="invoice", record_id="1", number="INV-1",
        event="invoice.created", version="v", origin="webhook", destination="ledger", outcome=outcome, attempt=1,
        correlation_id="call",
    )  # fmt: skip


def days(*entries: AuditEntry) -> Any:
    """The trail by day, newest first; a day that nobody needs is a fault."""

    def of_day(connection: str, day: str) -> Iterable[AuditEntry]:
        assert day in ("2026-11-22", "2026-11-21")
        return sorted((each for each in entries if each.at[:10] == day), key=lambda each: each.at, reverse=True)

    return of_day


def test_the_last_hour_may_have_begun_yesterday() -> None:
    """Both days are read, and what is older is not counted."""
    minutes = [timedelta(minutes=number) for number in (5, 31, 59, 61)]
    found = status.flow(days(*(entry(each) for each in minutes), entry(minutes[0], "retry")), "acme-eu", NOW)
    assert (found.outcomes, found.whole) == ({"delivered": 3, "retry": 1}, True)
    assert found.last_at == entry(minutes[0]).at


def test_a_busy_hour_is_a_lower_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more is read than a look may cost, and the screen says that it is not all."""
    monkeypatch.setattr(status, "MOST", 2)
    found = status.flow(days(*(entry(timedelta(seconds=number)) for number in range(1, 5))), "acme-eu", NOW)
    assert (found.outcomes, found.whole) == ({"delivered": 2}, False)
    exactly = status.flow(days(entry(timedelta(seconds=1)), entry(timedelta(seconds=2))), "acme-eu", NOW)
    assert exactly.whole


def shown(**changes: Any) -> str:
    row = {
        "connection": "acme-eu",
        "last_hour": {"outcomes": {"delivered": 2, "parked": 1}, "last_at": "2026-11-22T00:25:00Z", "whole": False},
        "tokens": [],
        "subscriptions": [],
        "reconcile": None,
        "webhooks_today": None,
        **changes,
    }
    found = {"stack": "x", "at": "2026-11-22T00:30:00Z", "queue": QUEUE, "connections": [row], "limits": []}
    with output.console.capture() as captured:
        output.console.print(status.screen(found))
    return captured.get()


def test_what_is_not_known_is_said_to_be_so() -> None:
    """Rather than 0. A lower bound is marked, the oldest is in minutes."""
    text = shown()
    assert text.count("not known") == 3, "failed schedules, Zoho's calls, webhooks"
    assert ("≥ 2" in text, "10 min" in text, "00:25:00" in text) == (True, True, True)


def test_an_empty_queue_is_a_dash_and_outcomes_are_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    """No "about 0", and no age of what is not there; a note only where there is something to note."""
    monkeypatch.setitem(QUEUE, "ready", 0)
    assert "about 0" not in shown()
    assert "parked: within this hour" in shown()
    monkeypatch.setitem(QUEUE, "hidden", 0)
    monkeypatch.setitem(QUEUE, "oldest_seconds", None)
    hour = {"outcomes": {"unknown": 3}, "last_at": "2026-11-22T00:25:00Z", "whole": True}
    text = shown(last_hour=hour)
    assert "unknown: no answer came; it is looked up and tried again" in text
    assert "parked: " not in text
    assert text.count("not known") == 3, "failed schedules, Zoho's calls, webhooks: the oldest is none of them"


def test_what_people_did_is_counted_and_all_fits_a_screen() -> None:
    """Replies and changes on a board are outcomes as others are; 120 columns are enough for each table."""
    hour = {"outcomes": dict.fromkeys(status.OUTCOMES, 1999), "last_at": "2026-11-22T00:25:00Z", "whole": False}
    tokens = [{"kind": "zoho", "state": "ok", "due_at": "2026-11-22T00:55:00Z"}]
    subscriptions = [{"state": "ok", "expires": "2026-11-24T22:00:00Z", "reason": ""}]
    text = shown(last_hour=hour, tokens=tokens, subscriptions=subscriptions)
    assert ("acknowledged" in text, "changed" in text) == (True, True)
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"tokens": [{"kind": "zoho", "state": "ok", "due_at": "2026-11-22T00:55:00Z"}]}, "1 ok, next at 00:55"),
        (
            {"tokens": [{"kind": "monday", "state": "needs_attention", "due_at": "", "reason": "revoked"}]},
            "monday: revoked",
        ),
        (
            {"subscriptions": [{"state": "ok", "expires": "2026-11-24T22:00:00Z", "reason": ""}]},
            "1 ok, until 2026-11-24 22:00",
        ),
        (
            {"subscriptions": [{"state": "refused", "expires": "", "reason": "a permission is missing"}]},
            "1 of 1 refused: a permission is missing",
        ),
        ({"reconcile": {"calls_today": 12, "calls_a_day": 5000}}, "12 of 5000"),
        ({"connection": "[red]x\x1b[2J"}, "[red]x�"),
    ],
)
def test_tokens_and_subscriptions_tell_when_they_end_or_what_is_wrong(changes: dict[str, Any], says: str) -> None:
    """And somebody else's text is shown, not obeyed."""
    assert says in shown(**changes)


def test_live_view_looks_again_until_ctrl_c() -> None:
    """Which is no failure."""
    looks: list[str] = []

    def pause() -> None:
        if len(looks) == 3:
            raise KeyboardInterrupt

    def draw() -> str:
        looks.append("look")
        return "screen"

    with output.console.capture():
        status.watching(draw, pause)
    assert len(looks) == 3


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_live_view_is_for_people(monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]) -> None:
    """Exit code 2 without a terminal, and with --json."""
    monkeypatch.setattr(options, "Stack", lambda *_: None)
    monkeypatch.setattr(status, "terminal", lambda: bool(more))
    done = CliRunner().invoke(app, ["status", "--watch", *more])
    assert (done.exit_code, "a program asks again" in done.stderr) == (2, True)
