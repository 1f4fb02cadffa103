"""Every minute: finds what the webhooks missed of the connections whose turn it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from ml_connector.bootstrap import rounds, silence

logger = Logger()
metrics = Metrics()

SPARE_MS = 45_000
"""Milliseconds kept for finishing the row under way: a fetch may take half a minute."""


@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """All connections that are due, or the one in `{"connection": …}`. What each run found, by connection."""
    only = event.get("connection")
    run, time_left = rounds(_faulted), lambda: context.get_remaining_time_in_millis() > SPARE_MS
    if only:
        done = {only: each} if (each := run.run(only, context.aws_request_id, time_left)) else {}
    else:
        done = run.run_due(context.aws_request_id, time_left)
    for name, each in done.items():
        log = logger.error if each.found.failed else logger.info
        log(
            "reconciled",
            extra={"connection": name, "correlation_id": context.aws_request_id, **asdict(each)},
        )
        if each.cap is not None:
            metrics.add_metric("WebhookCapShare", MetricUnit.Percent, each.cap)
    # Also without a connection: an alarm needs points to look at.
    missing = sum(each.found.missing - each.found.ordinary for each in done.values())
    metrics.add_metric("ReconcileMissing", MetricUnit.Count, missing)
    metrics.add_metric("ReconcileFailed", MetricUnit.Count, sum(len(each.found.failed) for each in done.values()))
    if not only and (silent := _silent(time_left)) is not None:
        metrics.add_metric("SilentConnections", MetricUnit.Count, silent)
    return {name: {**asdict(each.found), "witness": each.witness, "calls": each.calls} for name, each in done.items()}


def _silent(time_left: Callable[[], bool]) -> int | None:
    """How many connections have fallen silent; None for a fault of ours, which must not undo the run."""
    try:
        return silence(_unheard).run(time_left)
    except Exception as error:
        _unheard("", error)
        return None


def _unheard(name: str, error: Exception) -> None:
    """A fault of ours in the look at one connection, or at all of them."""
    logger.error("silence not looked at", extra={"connection": name} if name else {}, exc_info=error)
    metrics.add_metric("ReconcileFailed", MetricUnit.Count, 1)


def _faulted(name: str, error: Exception) -> None:
    """A fault of ours in one connection's run; it is tried again when its claim has run out."""
    logger.error("not reconciled", extra={"connection": name, "reason": type(error).__name__}, exc_info=error)
    metrics.add_metric("ReconcileFailed", MetricUnit.Count, 1)
