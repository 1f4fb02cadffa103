"""The scheduled functions: tokens, subscriptions, reconcile."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from functions.reconcile import app as reconcile_app
from functions.refresh_tokens import app as tokens_app
from functions.renew_subscriptions import app as subscriptions_app
from ml_connector.connections import Connection
from ml_connector.reconcile import Found
from tests.fakes import connection


def counted(printed: str) -> dict[str, list[float]]:
    """Metric values by name, of all printed lines."""
    found: dict[str, list[float]] = {}
    for line in map(json.loads, filter(lambda line: line.startswith("{"), printed.splitlines())):
        for group in line.get("_aws", {}).get("CloudWatchMetrics", ()):
            for metric in group["Metrics"]:
                found.setdefault(metric["Name"], []).extend(line[metric["Name"]])
    return found


def test_tokens_are_counted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What the alarms look at."""
    counts = {"refreshed": 2, "failed": 1, "waiting": 0}
    monkeypatch.setattr(tokens_app, "tokens", lambda: SimpleNamespace(refresh_due=lambda: counts))
    assert tokens_app.handler({}, None) == counts
    assert counted(capsys.readouterr().out) == {
        "TokensRefreshed": [2.0],
        "TokensFailed": [1.0],
        "TokensWaiting": [0.0],
    }


def test_idle_minute_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run every minute that finds nothing writes no log line."""
    log = io.StringIO()
    monkeypatch.setattr(tokens_app.logger.registered_handler, "stream", log)
    counts = {"refreshed": 0, "failed": 0, "waiting": 0}
    monkeypatch.setattr(tokens_app, "tokens", lambda: SimpleNamespace(refresh_due=lambda: counts))
    tokens_app.handler({}, None)
    assert log.getvalue() == ""


def test_subscriptions_are_counted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What the alarms look at."""
    counts = {"renewed": 1, "gone": 1, "failed": 0}
    monkeypatch.setattr(subscriptions_app, "renewals", lambda: SimpleNamespace(run=lambda: counts))
    assert subscriptions_app.handler({}, None) == counts
    assert counted(capsys.readouterr().out)["SubscriptionsGone"] == [1.0]


@dataclass
class Reconciles:
    """Two connections, of which one has been removed since the list was read."""

    left: int = 60_000
    ran: list[str] = field(default_factory=list)
    had_time: list[bool] = field(default_factory=list)

    def names(self) -> list[str]:
        return ["acme-eu", "removed"]

    def connection(self, name: str) -> Connection | None:
        return connection(name) if name != "removed" else None

    def run(self, each: Connection, correlation_id: str, time_left: Callable[[], bool]) -> Found:
        self.ran.append(f"{each.name} {correlation_id}")
        self.had_time.append(time_left())
        return Found(rows=3, missing=1, enqueued=2, failed={"bill": "Zoho answered 500"})

    @property
    def context(self) -> Any:
        return SimpleNamespace(aws_request_id="r-1", get_remaining_time_in_millis=lambda: self.left)


@pytest.fixture
def reconciles(monkeypatch: pytest.MonkeyPatch) -> Reconciles:
    fake = Reconciles()
    monkeypatch.setattr(reconcile_app, "connections", lambda: fake)
    monkeypatch.setattr(reconcile_app, "reconcile", lambda: fake)
    return fake


def test_reconcile_walks_all_connections(
    reconciles: Reconciles, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each under the run's own id; what was found missing and what failed is counted; failure is an error."""
    log = io.StringIO()
    monkeypatch.setattr(reconcile_app.logger.registered_handler, "stream", log)
    found = reconcile_app.handler({}, reconciles.context)
    assert reconciles.ran == ["acme-eu r-1"]
    assert found["acme-eu"]["failed"] == {"bill": "Zoho answered 500"}
    assert counted(capsys.readouterr().out) == {"ReconcileMissing": [1.0], "ReconcileFailed": [1.0]}
    assert '"level":"ERROR"' in log.getvalue()


def test_reconcile_of_one_connection(reconciles: Reconciles) -> None:
    """`{"connection": …}` runs that one; one that does not exist runs nothing."""
    assert set(reconcile_app.handler({"connection": "beta-us"}, reconciles.context)) == {"beta-us"}
    assert reconcile_app.handler({"connection": "removed"}, reconciles.context) == {}


@pytest.mark.parametrize(("left", "had_time"), [(30_001, [True]), (30_000, [])])
def test_reconcile_stops_before_lambda_stops_it(reconciles: Reconciles, left: int, had_time: list[bool]) -> None:
    """Half a minute is kept for finishing what is under way: no connection is begun in it."""
    reconciles.left = left
    reconcile_app.handler({}, reconciles.context)
    assert reconciles.had_time == had_time


def test_nobody_is_always_the_last(reconciles: Reconciles, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time may end before the list does: each run has an order of its own."""
    monkeypatch.setattr(reconciles, "names", lambda: ["acme-eu", "beta-us"])
    monkeypatch.setattr(random, "shuffle", list.reverse)
    reconcile_app.handler({}, reconciles.context)
    assert reconciles.ran == ["beta-us r-1", "acme-eu r-1"]
