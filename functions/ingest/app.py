"""HTTP in, queue out: `POST /webhooks/{source}/{token}`."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger, Metrics, single_metric
from aws_lambda_powertools.metrics import MetricUnit

from ml_connector.bootstrap import board_calls, intake, notifications
from ml_connector.errors import InboundRejected, NotQueued
from ml_connector.sources import Inbound

if TYPE_CHECKING:
    from ml_connector.notifications import BoardCalls, Notifications

logger = Logger()
metrics = Metrics()


@metrics.log_metrics
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """202 once every delivery is queued; one plain 4xx for a bad call; 503 if the queue did not take it all."""
    correlation_id = event["requestContext"]["requestId"]
    source = (event.get("pathParameters") or {}).get("source")
    if source == "graph":
        return _notified(notifications, event, correlation_id, 202, "text/plain; charset=utf-8")
    if source == "monday":
        # Anything but exactly 200 is sent again, once a minute (contracts: monday 7.4).
        return _notified(board_calls, event, correlation_id, 200, "application/json")
    try:
        accepted = intake().receive(_inbound(event), correlation_id)
    except InboundRejected as refusal:
        _rejected(refusal, correlation_id)
        return _answer(refusal.status, "rejected")
    except NotQueued as failure:
        logger.error("not queued", extra={"reason": str(failure), "correlation_id": correlation_id})
        metrics.add_metric("WebhooksNotQueued", MetricUnit.Count, 1)
        return _answer(503, "try again")
    logger.info(
        "accepted",
        extra={
            "connection": accepted.event.connection,
            "event": accepted.event.names[-1],
            "record": f"{accepted.event.module}/{accepted.event.record_id}",
            "deliveries": [delivery.id for delivery in accepted.deliveries],
            "correlation_id": correlation_id,
        },
    )
    metrics.add_metric("EventsAccepted", MetricUnit.Count, 1)
    metrics.add_metric("DeliveriesQueued", MetricUnit.Count, len(accepted.deliveries))
    return _answer(202, "accepted")


def _notified(
    taker: Callable[[], Notifications | BoardCalls],
    event: dict[str, Any],
    correlation_id: str,
    done: int,
    content_type: str,
) -> dict[str, Any]:
    """Somebody tells that something has changed: `done` once it is queued. Or tries the address: then what it wants."""
    try:
        heard = taker().receive(_inbound(event), correlation_id)
    except InboundRejected as refusal:
        _rejected(refusal, correlation_id)
        metrics.add_metric("NotificationsRejected", MetricUnit.Count, 1)
        return _answer(refusal.status, "rejected")
    except NotQueued as failure:
        logger.error("not queued", extra={"reason": str(failure), "correlation_id": correlation_id})
        metrics.add_metric("WebhooksNotQueued", MetricUnit.Count, 1)
        return _answer(503, "try again")
    metrics.add_metric("NotificationsQueued", MetricUnit.Count, heard.queued)
    if heard.handshake is not None:
        logger.info("address confirmed", extra={"connection": heard.connection, "correlation_id": correlation_id})
        headers = {"content-type": content_type, "x-content-type-options": "nosniff"}
        return {"statusCode": 200, "headers": headers, "body": heard.handshake}
    counted = {"queued": heard.queued, "dropped": heard.dropped}
    logger.info("notified", extra={"connection": heard.connection, "correlation_id": correlation_id, **counted})
    if heard.dropped:
        # The address is known to Graph alone: what bears no client state of ours is forged, or from an old key.
        metrics.add_metric("NotificationsRejected", MetricUnit.Count, heard.dropped)
    return _answer(done, "accepted")


def _rejected(refusal: InboundRejected, correlation_id: str) -> None:
    """Says why, and where. A signature that fails at an address which only Zoho knows is a secret that has drifted."""
    place = {"connection": refusal.connection, "endpoint": refusal.endpoint} if refusal.endpoint else {}
    logger.warning(
        "rejected",
        extra={"reason": refusal.reason, "detail": str(refusal), "correlation_id": correlation_id, **place},
    )
    metrics.add_metric("WebhooksRejected", MetricUnit.Count, 1)
    if refusal.reason == "endpoint_unknown":
        metrics.add_metric("WebhooksUnknown", MetricUnit.Count, 1)
    if refusal.reason.startswith("signature_"):
        # Once for the alarm, and once by endpoint: there are as many of these as were applied, whatever anybody sends.
        metrics.add_metric("SignatureFailures", MetricUnit.Count, 1)
        with single_metric(name="SignatureFailures", unit=MetricUnit.Count, value=1) as by_endpoint:
            for name, value in place.items():
                by_endpoint.add_dimension(name, value)


def _inbound(event: dict[str, Any]) -> Inbound:
    """The call as Zoho sent it: HTTP API gives bodies that are not text, and some that are, in base64."""
    path = event.get("pathParameters") or {}
    text = event.get("body") or ""
    try:
        body = base64.b64decode(text) if event.get("isBase64Encoded") else text.encode("utf-8", "surrogatepass")
    except ValueError as error:
        raise InboundRejected(400, "body_unreadable", str(error)) from error
    return Inbound(
        source=path.get("source", ""),
        token=path.get("token", ""),
        query=event.get("rawQueryString") or "",
        headers={name.lower(): value for name, value in (event.get("headers") or {}).items()},
        body=body,
    )


def _answer(status: int, message: str) -> dict[str, Any]:
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json"},
        "body": f'{{"message":"{message}"}}',
    }
