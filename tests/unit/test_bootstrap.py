"""What the functions are really built of."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from ml_connector import bootstrap
from ml_connector.aws import clients
from ml_connector.errors import RetryLater
from ml_connector.limits import Limiter, Unreachable
from ml_connector.sources import graph
from ml_connector.subscriptions import Address
from ml_connector.tokens import Due
from tests.fakes import connection

VARIABLES = {
    "CONNECTIONS_TABLE": "connections", "DELIVERY_TABLE": "delivery", "AUDIT_TABLE": "audit", "LIMITS_TABLE": "limits",
    "DELIVERIES_QUEUE_URL": "https://x/deliveries.fifo", "PARKED_QUEUE_URL": "https://x/parked.fifo",
    "SECRETS_PREFIX": "stack", "AUDIT_RETENTION_DAYS": "400", "LIMITS_PERCENT": "50", "AWS_DEFAULT_REGION": "x",
    "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing",
    "POWERTOOLS_METRICS_NAMESPACE": "MlConnector", "POWERTOOLS_SERVICE_NAME": "delivery",
    "WEBHOOKS_URL": "https://api.example/webhooks",
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
        assert (books.api._limits, books.api._optional) == (limiter, optional)  # type: ignore[attr-defined]


def test_deliveries_gather_and_digests_do_not() -> None:
    """What must be posted is never refused for the crowd that it would join: digests, notices, what was put back."""
    courier, digests = bootstrap.courier(), bootstrap.digests()
    assert courier.gathering is not None
    assert courier.gathering.destinations._tools.gathers  # type: ignore[attr-defined]
    assert digests.courier.gathering is None
    calm = (courier.destinations, digests.courier.destinations.destinations, bootstrap.notices().destinations)  # type: ignore[attr-defined]
    assert not any(each._tools.gathers for each in calm)
    lanes = bootstrap.lanes()
    assert lanes.carrier.others["digest"]() is digests  # type: ignore[attr-defined]
    assert bootstrap.daily().queue is bootstrap.queue()


def test_uncounted_calls_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    """A warning for people and a metric for alarms."""
    from aws_lambda_powertools import Metrics

    metrics = Metrics()
    bootstrap._uncounted(Unreachable("ConnectTimeoutError"))
    assert "LimitsUnreachable" in metrics.metric_set
    metrics.clear_metrics()
    assert "ConnectTimeoutError" in capsys.readouterr().out


def test_who_issues_tokens_counts_them() -> None:
    """Nine in ten minutes, whoever asks: the schedule and the deliveries draw on the same budget."""
    assert bootstrap.tokens().limits is bootstrap.limiter()


def test_watch_tells_through_the_admin_channel() -> None:
    """What needs a person is read where the tokens write it, and told with the tokens that all others use."""
    attention = bootstrap.attention()
    assert attention.notices is bootstrap.notices()
    assert attention.connections is bootstrap.connections()
    assert attention.notices.destinations._tools.tokens is bootstrap.tokens()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("error", "shown"),
    [(RetryLater("Teams is throttling the bot"), "throttling"), (ValueError("sEcReT"), "ValueError")],
)
def test_what_nobody_could_be_told_is_logged(error: Exception, shown: str, caplog: pytest.LogCaptureFixture) -> None:
    """A warning and a metric; of an error that is not ours only its name."""
    from aws_lambda_powertools import Metrics

    metrics = Metrics()
    bootstrap._untold(connection(), "token.zoho", error)
    assert "NoticesFailed" in metrics.metric_set
    metrics.clear_metrics()
    (logged,) = caplog.records
    assert (logged.levelname, vars(logged)["notice"]) == ("WARNING", "token.zoho")
    assert shown in vars(logged)["reason"]
    assert "sEcReT" not in str(vars(logged))


def test_fault_of_a_token_is_logged_with_its_name(caplog: pytest.LogCaptureFixture) -> None:
    """Whose it is, and where it happened."""
    bootstrap._faulted(Due("acme-eu", "zoho", "2026-11-22T08:00:00Z", "ok"), KeyError("expires_at"))
    (logged,) = caplog.records
    assert (logged.levelname, vars(logged)["connection"], vars(logged)["token"]) == ("ERROR", "acme-eu", "zoho")
    assert "KeyError" in str(logged.exc_info)


def test_clients_are_built_at_their_first_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading a service's description takes time of a cold start; a delivery that succeeds needs no queue."""
    session = Mock()
    monkeypatch.setattr(clients, "_session", lambda: session)
    bootstrap.lanes().queue.postpone("handle", 1)
    bootstrap.courier().parked.park("{}", key="k", reason="r")
    ((service,), _) = session.create_client.call_args
    assert (service, session.create_client.call_count) == ("sqs", 1)
    assert session.create_client().change_message_visibility.call_count == 1


def test_what_graph_tells_has_its_carriers() -> None:
    """Each is made once, when its first message comes; they draw on everybody's limits."""
    others = bootstrap.lanes().carrier.others  # type: ignore[attr-defined]
    modules = (graph.MESSAGE, graph.CHANNEL, graph.LIFECYCLE, graph.RESYNC)
    assert set(modules) <= set(others)
    for module in modules:
        assert others[module]() is others[module]()
    assert bootstrap.replies().graph._limits is bootstrap.limiter()  # type: ignore[attr-defined]
    assert bootstrap.notifications().queue is bootstrap.queue()


@pytest.mark.parametrize(
    ("stored", "address"),
    [
        ({}, None),
        ({"token": "t"}, None),
        ({"token": "t", "key": "k"}, Address("https://api.example/webhooks", "t", "k")),
    ],
)
def test_graph_calls_where_apply_has_said(
    stored: dict[str, str], address: Address | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a secret is none."""
    monkeypatch.setattr(bootstrap, "secrets", lambda: SimpleNamespace(get=lambda name, purpose: stored))
    assert bootstrap.renewals().address("acme-eu") == address


def test_recorded_replies_are_counted() -> None:
    """For the dashboard; other outcomes have their own metrics."""
    from aws_lambda_powertools import Metrics

    metrics = Metrics()
    bootstrap._recorded("acknowledged")
    assert "AcknowledgementsRecorded" in metrics.metric_set
    metrics.clear_metrics()
    bootstrap._recorded("gathered")
    assert metrics.metric_set == {}
