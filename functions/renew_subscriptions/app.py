"""Every six hours: renews the Graph subscriptions that have less than 36 hours left."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from ml_connector.bootstrap import renewals

logger = Logger()
metrics = Metrics()


@metrics.log_metrics
def handler(_event: dict[str, Any], _context: object) -> dict[str, int]:
    """Counts of subscriptions `renewed`, `gone` and `failed`."""
    counts = renewals().run()
    for name, count in counts.items():
        metrics.add_metric(f"Subscriptions{name.capitalize()}", MetricUnit.Count, count)
    logger.info("subscriptions", extra=counts)
    return counts
