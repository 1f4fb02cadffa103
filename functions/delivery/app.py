"""Queue in, destination out. What fails for now leaves its lane until its next attempt; everybody else goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from aws_lambda_powertools import Logger, Metrics, single_metric
from aws_lambda_powertools.metrics import MetricUnit

from ml_connector import measures
from ml_connector.bootstrap import connections, courier, lanes, utc_now
from ml_connector.errors import RetryLater, Undeliverable
from ml_connector.events import Delivery
from ml_connector.lanes import Message, NotDue

logger = Logger()
metrics = Metrics()

METRICS = {
    "moved": "DeliveriesRetried",
    "told": "DigestsPosted",
    **dict.fromkeys(("acknowledged", "changed", "ignored", "looked"), "NotificationsCarried"),
}
"""Metric by outcome, where it is not simply `Deliveries` and the outcome."""


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Lambda entry point: an SQS FIFO batch in, the messages that must come back out."""
    return {"batchItemFailures": [{"itemIdentifier": each} for each in _coming_back(event["Records"])]}


def _coming_back(records: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Ids of the messages that failed, and of those behind them in their groups, which are not tried.

    A loop of our own: Powertools' batch processor imports its classes for every event source that there is (ADR 1).
    """
    failed: set[str] = set()
    for record in records:
        group = record["attributes"]["MessageGroupId"]
        if group in failed or not carry(record):
            failed.add(group)
            yield record["messageId"]


def carry(record: dict[str, Any]) -> bool:
    """One message: delivered, skipped, parked or moved. False if the message itself must come back."""
    try:
        delivery = Delivery.from_json(record["body"])
    except Undeliverable as error:
        return _done(partial(_reject, record, error.reason))
    with logger.append_context_keys(
        connection=delivery.event.connection,
        record=f"{delivery.event.module}/{delivery.event.record_id}",
        event=delivery.event.name,
        destination=delivery.destination,
        delivery=delivery.id,
        correlation_id=delivery.event.correlation_id,
    ):
        return _done(partial(_work, record, delivery), delivery)


def _done(step: Callable[[], None], delivery: Delivery | None = None) -> bool:
    """Takes the step. False if it must be taken again; the log says why."""
    try:
        step()
    except NotDue:
        # Why was told when it left its lane.
        metrics.add_metric("DeliveriesHidden", MetricUnit.Count, 1)
        return False
    except RetryLater as later:
        logger.warning("will be tried again", extra={"reason": later.reason, "seconds": later.after})
        metrics.add_metric("DeliveriesRetried", MetricUnit.Count, 1)
        if delivery:
            _by_vendor("DeliveriesRetried", MetricUnit.Count, 1, delivery)
        return False
    except Exception as error:
        faulted(error)
        return False
    return True


def _reject(record: dict[str, Any], reason: str) -> None:
    logger.error("unreadable message parked", extra={"message_id": record["messageId"], "reason": reason})
    metrics.add_metric("DeliveriesParked", MetricUnit.Count, 1)
    courier().reject(record["body"], record["messageId"], reason)


def _work(record: dict[str, Any], delivery: Delivery) -> None:
    attributes = record["attributes"]
    sent = datetime.fromtimestamp(int(attributes["SentTimestamp"]) / 1000, UTC)
    if (waited := measures.waited(delivery, sent, utc_now())) is not None:
        metrics.add_metric("QueueSeconds", MetricUnit.Seconds, waited)
    message = Message(
        delivery=delivery,
        id=record["messageId"],
        group=attributes["MessageGroupId"],
        receives=int(attributes["ApproximateReceiveCount"]),
        first_received=datetime.fromtimestamp(int(attributes["ApproximateFirstReceiveTimestamp"]) / 1000, UTC),
        handle=record["receiptHandle"],
    )
    result = lanes(faulted).work(message)
    log = {"parked": logger.error, "moved": logger.warning}.get(result.outcome, logger.info)
    receipt = result.receipt
    told = {"external_id": receipt.external_id, "request_id": receipt.request_id} if receipt else {}
    told["reason"] = result.reason
    log(result.outcome, extra={name: value for name, value in told.items() if value})
    metrics.add_metric(METRICS.get(result.outcome, f"Deliveries{result.outcome.capitalize()}"), MetricUnit.Count, 1)
    if result.outcome == "moved":
        _by_vendor("DeliveriesRetried", MetricUnit.Count, 1, delivery)
    if (took := measures.took(delivery, result.outcome, utc_now())) is not None:
        _by_vendor("DeliverySeconds", MetricUnit.Seconds, took, delivery)


def _by_vendor(name: str, unit: MetricUnit, value: float, delivery: Delivery) -> None:
    connection = connections().read_lately(delivery.event.connection)
    with single_metric(name=name, unit=unit, value=value) as metric:
        metric.add_dimension("vendor", measures.vendor(delivery, connection))


def faulted(error: Exception) -> None:
    """A fault of ours or of AWS: the message is tried again, but not in silence."""
    logger.error("failed", exc_info=error)
    metrics.add_metric("DeliveriesFailed", MetricUnit.Count, 1)
