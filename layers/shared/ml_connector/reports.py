"""What use cases tell beside their results: lines of the log, and metrics (docs/metrics.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger, Metrics, single_metric
from aws_lambda_powertools.metrics import MetricUnit

from ml_connector.errors import ConnectorError

if TYPE_CHECKING:
    from ml_connector.board_webhooks import Installed
    from ml_connector.connections import Connection
    from ml_connector.limits import Unreachable
    from ml_connector.silence import Heard
    from ml_connector.subscriptions import Subscription
    from ml_connector.tokens import Due


def too_many(host: str) -> None:
    """A host has answered 429."""
    from ml_connector.measures import vendor_of_host

    with single_metric(name="VendorTooManyRequests", unit=MetricUnit.Count, value=1) as metric:
        metric.add_dimension("vendor", vendor_of_host(host))


def uncounted(error: Unreachable) -> None:
    """Calls are made without the shared limits."""
    Logger().warning("calls are not counted: the limits table cannot be reached", extra={"reason": str(error)})
    Metrics().add_metric("LimitsUnreachable", MetricUnit.Count, 1)


def token_faulted(due: Due, error: Exception) -> None:
    """A fault of ours with one token; the others go on."""
    Logger().error("failed", exc_info=error, extra={"connection": due.connection, "token": due.kind})


def hooks_faulted(row: Installed, error: Exception) -> None:
    """A fault of ours with one board's webhooks."""
    Logger().error("failed", exc_info=error, extra={"connection": row.connection, "board": row.board})


def not_renewed(row: Subscription, error: Exception) -> None:
    """A fault of ours with one subscription."""
    Logger().error("failed", exc_info=error, extra={"connection": row.connection, "resource": row.resource})


def recorded(outcome: str) -> None:
    """What a person did has become an entry; of replies that is counted."""
    if outcome == "acknowledged":
        Metrics().add_metric("AcknowledgementsRecorded", MetricUnit.Count, 1)


def untold(connection: Connection, key: str, error: Exception) -> None:
    """A notice that did not arrive."""
    # Our own errors hold no secret; of others only the name is sure not to.
    reason = str(error) if isinstance(error, ConnectorError) else type(error).__name__
    extra = {"connection": connection.name, "notice": key, "reason": reason}
    Logger().warning("nobody could be told", extra=extra)
    Metrics().add_metric("NoticesFailed", MetricUnit.Count, 1)


def fell_silent(heard: Heard, text: str) -> None:
    """Zoho's webhooks have stopped, or nothing comes at all."""
    extra = {"connection": heard.connection, "state": heard.state, "last_webhook": heard.newest, "reason": text}
    Logger().warning("silent", extra=extra)


def no_figures(connection: str, destination: str, reason: str) -> None:
    """A day's figures that could not be worked out."""
    Logger().warning("no digest", extra={"connection": connection, "destination": destination, "reason": reason})
