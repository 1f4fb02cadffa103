"""Every minute: refreshes the access tokens that are due, which for Zoho's is around their 55th minute; then has
somebody told of those that need a person."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from ml_connector.bootstrap import attention, tokens

logger = Logger()
metrics = Metrics()


@metrics.log_metrics
def handler(_event: dict[str, Any], _context: object) -> dict[str, int]:
    """Counts of tokens `refreshed`, `failed` (a person must connect again) and `waiting` for the next run in this one,
    and of all that `need_attention`. Raises for a fault that is no vendor's, when everything else is done."""
    counts = tokens().refresh_due()
    if any(counts.values()):
        logger.info("tokens", extra=counts)
    need_attention = attention().run()
    metrics.add_metric("TokensNeedAttention", MetricUnit.Count, need_attention)
    if (minutes := tokens().minutes_left()) is not None:
        # There is no unit of minutes.
        metrics.add_metric("TokenMinutesLeft", MetricUnit.NoUnit, minutes)
    for name, count in counts.items():
        if count:  # a metric is paid for by the hours in which it was counted
            metrics.add_metric(f"Tokens{name.capitalize()}", MetricUnit.Count, count)
    if counts["faulted"]:
        raise RuntimeError(f"{counts['faulted']} tokens could not be looked after; the log says why")
    return {**counts, "need_attention": need_attention}
