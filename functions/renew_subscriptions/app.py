"""Every hour: makes, renews and ends the Graph subscriptions of what is watched, and has missed replies looked for.

Once a day it looks whether monday still has the webhooks of our boards, and makes anew those that it has not.
"""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from ml_connector import measures
from ml_connector.bootstrap import applied, board_webhooks, renewals, utc_now

logger = Logger()
metrics = Metrics()

SOON = 30
"""Days before its end from which on a secret's end is told, as by SecretEndsAlarm."""
SPARE_MS = 75_000
"""Milliseconds kept for what is under way: making one takes up to four calls, and a hanging one half a minute."""


@metrics.log_metrics
def handler(_event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Counts of subscriptions `created`, `renewed`, `gone`, `failed` and so on (subscriptions.COUNTED), and of monday's
    webhooks (board_webhooks.COUNTED).
    """

    def time_left() -> bool:
        return context.get_remaining_time_in_millis() > SPARE_MS

    counts = renewals().run(applied(), context.aws_request_id, time_left)
    counts |= board_webhooks().run(applied(), time_left)
    metrics.add_metric("SubscriptionsCreated", MetricUnit.Count, counts["created"])
    metrics.add_metric("SubscriptionsRenewed", MetricUnit.Count, counts["renewed"])
    metrics.add_metric("SubscriptionsGone", MetricUnit.Count, counts["gone"])
    metrics.add_metric("SubscriptionsFailed", MetricUnit.Count, counts["failed"] + counts["hooks_failed"])
    if (hours := renewals().hours_left()) is not None:
        metrics.add_metric("SubscriptionHoursLeft", MetricUnit.NoUnit, hours)
    ends = measures.days_of_secrets(applied(), utc_now().date())
    if ends:
        metrics.add_metric("SecretDaysLeft", MetricUnit.NoUnit, min(ends.values()))
    for name, days in ends.items():
        if days < SOON:
            logger.warning("secret ends", extra={"connection": name, "vendor": "microsoft", "days": days})
    log = logger.warning if counts["failed"] or counts["hooks_failed"] or counts["left"] else logger.info
    log("subscriptions", extra={"counts": counts})
    return counts
