"""The scheduled functions: tokens, subscriptions, reconcile."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from functions.reconcile import app as reconcile_app
from functions.refresh_tokens import app as tokens_app
from functions.renew_subscriptions import app as subscriptions_app
from ml_connector.reconcile import Found
from ml_connector.rounds import Done
from ml_connector.subscriptions import COUNTED
from tests.fakes import NOW, connection


def counted(printed: str) -> dict[str, list[float]]:
    """Metric values by name, of all printed lines."""
    found: dict[str, list[float]] = {}
    for line in map(json.loads, filter(lambda line: line.startswith("{"), printed.splitlines())):
        for group in line.get("_aws", {}).get("CloudWatchMetrics", ()):
            for metric in group["Metrics"]:
                found.setdefault(metric["Name"], []).extend(line[metric["Name"]])
    return found


def refreshed(monkeypatch: pytest.MonkeyPatch, attention: int = 0, **counts: int) -> dict[str, int]:
    """What a run of the tokens is to count."""
    found = {"refreshed": 0, "failed": 0, "waiting": 0, "faulted": 0} | counts
    fake = SimpleNamespace(refresh_due=lambda: dict(found), minutes_left=lambda: 7.5)
    monkeypatch.setattr(tokens_app, "tokens", lambda: fake)
    monkeypatch.setattr(tokens_app, "attention", lambda: SimpleNamespace(run=lambda: attention))
    return found


def test_tokens_are_counted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What the alarms look at."""
    counts = refreshed(monkeypatch, attention=3, refreshed=2, failed=1)
    assert tokens_app.handler({}, None) == counts | {"need_attention": 3}
    assert counted(capsys.readouterr().out) == {
        "TokensRefreshed": [2.0],
        "TokensFailed": [1.0],
        "TokensNeedAttention": [3.0],
        "TokenMinutesLeft": [7.5],
    }


def test_fault_of_ours_fails_the_run_when_all_is_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The others are refreshed and people are told; then the run fails, which raises an alarm."""
    refreshed(monkeypatch, attention=1, refreshed=2, faulted=1)
    with pytest.raises(RuntimeError, match="1 tokens"):
        tokens_app.handler({}, None)
    assert counted(capsys.readouterr().out)["TokensNeedAttention"] == [1.0]


@pytest.mark.parametrize("attention", [0, 1])
def test_idle_minute_is_silent(monkeypatch: pytest.MonkeyPatch, attention: int) -> None:
    """A run every minute that finds nothing new writes no log line."""
    log = io.StringIO()
    monkeypatch.setattr(tokens_app.logger.registered_handler, "stream", log)
    refreshed(monkeypatch, attention)
    tokens_app.handler({}, None)
    assert log.getvalue() == ""


def test_subscriptions_are_counted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What the alarms look at; the run ends while there is time for what is under way."""
    counts = dict.fromkeys(COUNTED, 0) | {"created": 2, "renewed": 1, "gone": 1, "failed": 2}
    hooks = {"hooks_looked_at": 2, "hooks_made": 1, "hooks_failed": 1}
    had: list[bool] = []

    def run(connections: Any, call: str, time_left: Callable[[], bool]) -> dict[str, int]:
        had.append(time_left())
        return counts

    ends = {"acme-eu": NOW + timedelta(days=29), "acme-us": NOW + timedelta(days=400)}
    known = [connection(name, microsoft={"secret_ends": str(at.date())}) for name, at in ends.items()]
    monkeypatch.setattr(subscriptions_app, "applied", lambda: iter(known))
    monkeypatch.setattr(subscriptions_app, "utc_now", lambda: NOW)
    renewals = SimpleNamespace(run=run, hours_left=lambda: 69.5)
    monkeypatch.setattr(subscriptions_app, "renewals", lambda: renewals)
    monkeypatch.setattr(
        subscriptions_app, "board_webhooks", lambda: SimpleNamespace(run=lambda connections, time_left: hooks)
    )
    assert subscriptions_app.handler({}, Turns({}, 75_001).context) == counts | hooks
    assert counted(capsys.readouterr().out) == {
        "SubscriptionsCreated": [2.0],
        "SubscriptionsRenewed": [1.0],
        "SubscriptionsGone": [1.0],
        "SubscriptionsFailed": [3.0],
        "SubscriptionHoursLeft": [69.5],
        "SecretDaysLeft": [29.0],
    }
    subscriptions_app.handler({}, Turns({}, 75_000).context)
    assert had == [True, False]


@dataclass
class Turns:
    """Rounds in which one connection was due."""

    done: dict[str, Done]
    left: int = 60_000
    ran: list[str] = field(default_factory=list)
    had_time: list[bool] = field(default_factory=list)

    def run_due(self, correlation_id: str, time_left: Callable[[], bool]) -> dict[str, Done]:
        self.ran.append(f"due {correlation_id}")
        self.had_time.append(time_left())
        return self.done

    def run(self, name: str, correlation_id: str, time_left: Callable[[], bool]) -> Done | None:
        self.ran.append(f"{name} {correlation_id}")
        return self.done.get(name)

    @property
    def context(self) -> Any:
        return SimpleNamespace(aws_request_id="r-1", get_remaining_time_in_millis=lambda: self.left)


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> Turns:
    found = Found(rows=3, missing=5, ordinary=4, enqueued=2, failed={"bill": "Zoho answered 500"})
    fake = Turns({"acme-eu": Done(found, calls=7, witness=1, cap=81)})
    monkeypatch.setattr(reconcile_app, "rounds", lambda faulted: fake)
    monkeypatch.setattr(reconcile_app, "silence", lambda faulted: SimpleNamespace(run=lambda goes_on: 2))
    return fake


def test_reconcile_runs_what_is_due(
    turns: Turns, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under the run's own id; what was missing or failed and how near the cap is are counted; failure is an error."""
    log = io.StringIO()
    monkeypatch.setattr(reconcile_app.logger.registered_handler, "stream", log)
    found = reconcile_app.handler({}, turns.context)
    assert turns.ran == ["due r-1"]
    assert {name: found["acme-eu"][name] for name in ("missing", "witness", "calls", "failed")} == {
        "missing": 5, "witness": 1, "calls": 7, "failed": {"bill": "Zoho answered 500"},
    }  # fmt: skip
    assert counted(capsys.readouterr().out) == {
        "ReconcileMissing": [1.0],
        "ReconcileFailed": [1.0],
        "WebhookCapShare": [81.0],
        "SilentConnections": [2.0],
    }
    assert '"level":"ERROR"' in log.getvalue()


def test_reconcile_of_one_connection(turns: Turns) -> None:
    """`{"connection": …}` runs that one; one that does not exist runs nothing."""
    assert set(reconcile_app.handler({"connection": "acme-eu"}, turns.context)) == {"acme-eu"}
    assert reconcile_app.handler({"connection": "removed"}, turns.context) == {}
    assert turns.ran == ["acme-eu r-1", "removed r-1"]


@pytest.mark.parametrize(("left", "had_time"), [(45_001, [True]), (45_000, [False])])
def test_reconcile_stops_before_lambda_stops_it(turns: Turns, left: int, had_time: list[bool]) -> None:
    """What is under way may need a fetch of half a minute: nothing is begun in the last 45 seconds."""
    turns.left = left
    reconcile_app.handler({}, turns.context)
    assert turns.had_time == had_time


def test_minute_without_a_turn_is_silent(
    turns: Turns, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No log line; the metrics all the same, because an alarm needs points to look at."""
    log = io.StringIO()
    monkeypatch.setattr(reconcile_app.logger.registered_handler, "stream", log)
    turns.done.clear()
    assert reconcile_app.handler({}, turns.context) == {}
    assert log.getvalue() == ""
    assert counted(capsys.readouterr().out) == {
        "ReconcileMissing": [0.0], "ReconcileFailed": [0.0], "SilentConnections": [2.0],
    }  # fmt: skip


def test_fault_of_the_dead_mans_switch_undoes_no_run(
    turns: Turns, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was reconciled is told; the fault is counted, and no number of silent connections is made up."""

    def broken(goes_on: Callable[[], bool]) -> int:
        raise KeyError("last")

    monkeypatch.setattr(reconcile_app, "silence", lambda faulted: SimpleNamespace(run=broken))
    assert set(reconcile_app.handler({}, turns.context)) == {"acme-eu"}
    found = counted(capsys.readouterr().out)
    assert "SilentConnections" not in found
    assert found["ReconcileFailed"] == [1.0, 1.0]


def test_connection_that_cannot_be_listened_to_is_named_and_counted(
    turns: Turns, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others were: their number is told."""
    log = io.StringIO()
    monkeypatch.setattr(reconcile_app.logger.registered_handler, "stream", log)

    def silence(faulted: Callable[[str, Exception], None]) -> Any:
        def run(goes_on: Callable[[], bool]) -> int:
            faulted("acme-us", KeyError("last"))
            return 1

        return SimpleNamespace(run=run)

    monkeypatch.setattr(reconcile_app, "silence", silence)
    reconcile_app.handler({}, turns.context)
    found = counted(capsys.readouterr().out)
    assert (found["SilentConnections"], found["ReconcileFailed"]) == ([1.0], [1.0, 1.0])
    assert '"connection":"acme-us"' in log.getvalue()


def test_fault_of_ours_is_counted_and_logged(
    turns: Turns, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One connection's run broke: the others went on, and somebody must look."""
    log = io.StringIO()
    monkeypatch.setattr(reconcile_app.logger.registered_handler, "stream", log)
    reconcile_app._faulted("acme-eu", KeyError("due_at"))
    reconcile_app.handler({}, turns.context)
    assert counted(capsys.readouterr().out)["ReconcileFailed"] == [1.0, 1.0]
    assert '"connection":"acme-eu"' in log.getvalue()
