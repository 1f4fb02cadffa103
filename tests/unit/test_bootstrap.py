"""What the functions are really built of."""

from __future__ import annotations

from collections.abc import Iterator
from unittest.mock import Mock

import pytest

from ml_connector import bootstrap
from ml_connector.aws import clients
from ml_connector.limits import Limiter, Unreachable

VARIABLES = {
    "CONNECTIONS_TABLE": "connections", "DELIVERY_TABLE": "delivery", "AUDIT_TABLE": "audit", "LIMITS_TABLE": "limits",
    "DELIVERIES_QUEUE_URL": "https://x/deliveries.fifo", "PARKED_QUEUE_URL": "https://x/parked.fifo",
    "SECRETS_PREFIX": "stack", "AUDIT_RETENTION_DAYS": "400", "LIMITS_PERCENT": "50", "AWS_DEFAULT_REGION": "x",
    "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing",
    "POWERTOOLS_METRICS_NAMESPACE": "MlConnector", "POWERTOOLS_SERVICE_NAME": "delivery",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    built = [each for module in (bootstrap, clients) for each in vars(module).values() if hasattr(each, "cache_clear")]
    for each in built:
        each.cache_clear()
    yield
    for each in built:
        each.cache_clear()


def test_everything_that_calls_vendors_counts() -> None:
    """Deliveries, their fetches and reconcile share one limiter per instance; only reconcile can wait."""
    courier, reconcile = bootstrap.courier(), bootstrap.reconcile()
    limiter = bootstrap.limiter()
    assert isinstance(limiter, Limiter)
    assert limiter.percent == 50
    assert courier.destinations._tools.limits is limiter  # type: ignore[attr-defined]
    for books, optional in ((courier.books, False), (reconcile.books, True)):
        assert (books._limits, books._optional) == (limiter, optional)  # type: ignore[attr-defined]


def test_uncounted_calls_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    """A warning for people and a metric for alarms."""
    from aws_lambda_powertools import Metrics

    metrics = Metrics()
    bootstrap._uncounted(Unreachable("ConnectTimeoutError"))
    assert "LimitsUnreachable" in metrics.metric_set
    metrics.clear_metrics()
    assert "ConnectTimeoutError" in capsys.readouterr().out


def test_clients_are_built_at_their_first_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading a service's description takes time of a cold start; a delivery that succeeds needs no queue."""
    session = Mock()
    monkeypatch.setattr(clients, "_session", lambda: session)
    bootstrap.lanes().queue.postpone("handle", 1)
    bootstrap.courier().parked.park("{}", key="k", reason="r")
    ((service,), _) = session.create_client.call_args
    assert (service, session.create_client.call_count) == ("sqs", 1)
    assert session.create_client().change_message_visibility.call_count == 1
