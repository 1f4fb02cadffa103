"""What use cases tell beside their results."""

from __future__ import annotations

import pytest
from aws_lambda_powertools import Metrics

from ml_connector import reports
from ml_connector.errors import RetryLater
from ml_connector.limits import Unreachable
from ml_connector.tokens import Due
from tests.fakes import connection


@pytest.fixture
def metrics(monkeypatch: pytest.MonkeyPatch) -> Metrics:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "MlConnector")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "delivery")
    counted = Metrics()
    counted.clear_metrics()
    return counted


def test_uncounted_calls_are_told(metrics: Metrics, caplog: pytest.LogCaptureFixture) -> None:
    """A warning for people and a metric for alarms."""
    reports.uncounted(Unreachable("ConnectTimeoutError"))
    assert "LimitsUnreachable" in metrics.metric_set
    metrics.clear_metrics()
    (logged,) = caplog.records
    assert (logged.levelname, vars(logged)["reason"]) == ("WARNING", "ConnectTimeoutError")


@pytest.mark.parametrize(
    ("error", "shown"),
    [(RetryLater("Teams is throttling the bot"), "throttling"), (ValueError("sEcReT"), "ValueError")],
)
def test_what_nobody_could_be_told_is_logged(
    error: Exception, shown: str, metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    """A warning and a metric; of an error that is not ours only its name."""
    reports.untold(connection(), "token.zoho", error)
    assert "NoticesFailed" in metrics.metric_set
    metrics.clear_metrics()
    (logged,) = caplog.records
    assert (logged.levelname, vars(logged)["notice"]) == ("WARNING", "token.zoho")
    assert shown in vars(logged)["reason"]
    assert "sEcReT" not in str(vars(logged))


def test_fault_of_a_token_is_logged_with_its_name(caplog: pytest.LogCaptureFixture) -> None:
    """Whose it is, and where it happened."""
    reports.token_faulted(Due("acme-eu", "zoho", "2026-11-22T08:00:00Z", "ok"), KeyError("expires_at"))
    (logged,) = caplog.records
    assert (logged.levelname, vars(logged)["connection"], vars(logged)["token"]) == ("ERROR", "acme-eu", "zoho")
    assert "KeyError" in str(logged.exc_info)


def test_recorded_replies_are_counted(metrics: Metrics) -> None:
    """For the dashboard; other outcomes have their own metrics."""
    reports.recorded("acknowledged")
    assert "AcknowledgementsRecorded" in metrics.metric_set
    metrics.clear_metrics()
    reports.recorded("gathered")
    assert metrics.metric_set == {}
