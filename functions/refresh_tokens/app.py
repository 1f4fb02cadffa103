"""Every minute: refreshes the access tokens that are due, which for Zoho's is their 55th minute."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from ml_connector.bootstrap import tokens

logger = Logger()
metrics = Metrics()


@metrics.log_metrics
def handler(_event: dict[str, Any], _context: object) -> dict[str, int]:
    """Counts of tokens `refreshed`, `failed` (a person must connect again) and `waiting` for the next run."""
    counts = tokens().refresh_due()
    for name, count in counts.items():
        metrics.add_metric(f"Tokens{name.capitalize()}", MetricUnit.Count, count)
    if any(counts.values()):
        logger.info("tokens", extra=counts)
    return counts
