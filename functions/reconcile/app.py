"""Every quarter of an hour: finds what the webhooks missed."""

from __future__ import annotations

import random
from dataclasses import asdict
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from ml_connector.bootstrap import connections, reconcile

logger = Logger()
metrics = Metrics()

SPARE_MS = 30_000
"""Milliseconds kept for finishing the page under way."""


@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """All connections, or the one in `{"connection": …}`. What each run found, by connection."""
    only = event.get("connection")
    found = {}
    missing = failed = 0
    names = [only] if only else list(connections().names())
    # Time may end before the list does: nobody is always the last.
    random.shuffle(names)
    for name in names:
        if context.get_remaining_time_in_millis() <= SPARE_MS:
            break
        connection = connections().connection(name)
        if connection is None:
            continue
        result = reconcile().run(
            connection, context.aws_request_id, lambda: context.get_remaining_time_in_millis() > SPARE_MS
        )
        found[name] = asdict(result)
        missing += result.missing
        failed += len(result.failed)
        log = logger.error if result.failed else logger.info
        log("reconciled", extra={"connection": name, **found[name]})
    # Also without a connection: an alarm needs points to look at.
    metrics.add_metric("ReconcileMissing", MetricUnit.Count, missing)
    metrics.add_metric("ReconcileFailed", MetricUnit.Count, failed)
    return found
