"""A call comes in: verify, translate, route, enqueue; only then answer (design 4, invariants 1 and 2)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from ml_connector.connections import token_hash
from ml_connector.errors import InboundRejected, NotQueued
from ml_connector.events import Delivery, Event
from ml_connector.ports import Clock, Connections, Queue, WebhookSecrets
from ml_connector.records import Record
from ml_connector.routing import destinations_for
from ml_connector.sources import Inbound, zoho_books

MAX_BODY = 5 * 1024 * 1024
"""Bytes. Lambda hands over at most 6 MB, base64 included; 4,000 invoice lines are about 2 MB."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]{32,64}\Z")


@dataclass(frozen=True, slots=True)
class Accepted:
    """What was taken on: the event and the deliveries that are now in the queue."""

    event: Event
    record: Record
    deliveries: tuple[Delivery, ...]


@dataclass(frozen=True, slots=True)
class Intake:
    """Takes webhooks. Raises InboundRejected for a bad call and NotQueued when the queue is not to be had."""

    connections: Connections
    secrets: WebhookSecrets
    queue: Queue
    clock: Clock

    def receive(self, call: Inbound, correlation_id: str) -> Accepted:
        if len(call.body) > MAX_BODY:
            raise InboundRejected(413, "body_too_large")
        endpoint = self.connections.endpoint(token_hash(call.token)) if _TOKEN.match(call.token) else None
        if endpoint is None or endpoint.source != call.source or call.source != "zoho":
            raise InboundRejected(404, "endpoint_unknown")
        again: Callable[[], tuple[str, ...]] = lambda: tuple(self.secrets.secrets(endpoint, fresh=True))  # noqa: E731
        live = self.secrets.secrets(endpoint) or again()
        if not live:
            # The endpoint exists, so its secret does: it is we who cannot read it.
            raise NotQueued(f"the signing secret of {endpoint.id} cannot be read")
        zoho_books.verify(call, live, again)
        connection = self.connections.connection(endpoint.connection)
        if connection is None:
            raise InboundRejected(404, "connection_removed")
        event, record = zoho_books.translate(
            call,
            endpoint,
            connection,
            received_at=self.clock().strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            correlation_id=correlation_id,
        )
        deliveries = tuple(Delivery(event, name) for name in destinations_for(connection, event, record))
        if deliveries:
            self.queue.send(deliveries)
        return Accepted(event, record, deliveries)
