"""What the functions are really built of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from ml_connector import bootstrap
from ml_connector.aws import clients
from ml_connector.limits import Limiter
from ml_connector.sources import graph
from ml_connector.subscriptions import Address

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


def test_who_issues_tokens_counts_them() -> None:
    """Nine in ten minutes, whoever asks: the schedule and the deliveries draw on the same budget."""
    assert bootstrap.tokens().limits is bootstrap.limiter()


def test_watch_tells_through_the_admin_channel() -> None:
    """What needs a person is read where the tokens write it, and told with the tokens that all others use."""
    attention = bootstrap.attention()
    assert attention.notices is bootstrap.notices()
    assert attention.connections is bootstrap.connections()
    assert attention.notices.destinations._tools.tokens is bootstrap.tokens()  # type: ignore[attr-defined]


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


def test_calls_that_a_vendor_refuses_are_counted_by_vendor(capsys: pytest.CaptureFixture[str]) -> None:
    """One series per function and vendor, however many hosts there are."""
    bootstrap.http(frozenset({"*"}))._too_many("graph.microsoft.com")
    line = json.loads(capsys.readouterr().out)
    (group,) = line["_aws"]["CloudWatchMetrics"]
    assert (sorted(group["Dimensions"][0]), group["Metrics"][0]["Name"]) == (
        ["service", "vendor"], "VendorTooManyRequests",
    )  # fmt: skip
    assert (line["service"], line["vendor"]) == ("delivery", "microsoft")
