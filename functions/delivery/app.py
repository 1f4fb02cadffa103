"""Queue in, destination out. What fails for now leaves its lane until its next attempt; everybody else goes on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import SqsFifoPartialProcessor, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from ml_connector.bootstrap import lanes
from ml_connector.errors import RetryLater, Undeliverable
from ml_connector.events import Delivery
from ml_connector.lanes import Message

logger = Logger()
metrics = Metrics()
processor = SqsFifoPartialProcessor(skip_group_on_error=True)
processor.raise_on_entire_batch_failure = False

METRICS = {"moved": "DeliveriesRetried"}
"""Metric by outcome, where it is not simply `Deliveries` and the outcome."""


def carry(record: SQSRecord) -> None:
    """One message: delivered, skipped, parked or moved. Raises when the message itself must come back."""
    try:
        delivery = Delivery.from_json(record.body)
    except Undeliverable as error:
        logger.error("unreadable message parked", extra={"message_id": record.message_id, "reason": error.reason})
        metrics.add_metric("DeliveriesParked", MetricUnit.Count, 1)
        return lanes(faulted).courier.reject(record.body, record.message_id, error.reason)
    with logger.append_context_keys(
        connection=delivery.event.connection,
        record=f"{delivery.event.module}/{delivery.event.record_id}",
        event=delivery.event.name,
        destination=delivery.destination,
        delivery=delivery.id,
        call=delivery.event.correlation_id,
    ):
        return _work(_message(delivery, record))


def _message(delivery: Delivery, record: SQSRecord) -> Message:
    attributes = record.attributes
    return Message(
        delivery=delivery,
        id=record.message_id,
        group=attributes.message_group_id or "",
        receives=int(attributes.approximate_receive_count),
        first_received=datetime.fromtimestamp(int(attributes.approximate_first_receive_timestamp) / 1000, UTC),
        handle=record.receipt_handle,
    )


def _work(message: Message) -> None:
    try:
        result = lanes(faulted).work(message)
    except RetryLater as later:
        logger.warning("will be tried again", extra={"reason": later.reason, "seconds": later.after})
        metrics.add_metric("DeliveriesRetried", MetricUnit.Count, 1)
        raise
    log = {"parked": logger.error, "moved": logger.warning}.get(result.outcome, logger.info)
    log(result.outcome, extra={"reason": result.reason} if result.reason else {})
    metrics.add_metric(METRICS.get(result.outcome, f"Deliveries{result.outcome.capitalize()}"), MetricUnit.Count, 1)


def faulted(error: Exception) -> None:
    """A fault of ours or of AWS: the batch processor would only report the message, and say nothing."""
    logger.error("failed", exc_info=error)
    metrics.add_metric("DeliveriesFailed", MetricUnit.Count, 1)


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> PartialItemFailureResponse:
    """Lambda entry point: an SQS FIFO batch in, the messages that must come back out."""
    return process_partial_response(event, carry, processor, context)
