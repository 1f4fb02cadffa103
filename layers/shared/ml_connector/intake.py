"""A call comes in: verify, translate, route, enqueue; only then answer (design 4, invariants 1 and 2)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from ml_connector.connections import TOKEN, Connection, Endpoint, token_hash
from ml_connector.errors import InboundRejected, NotQueued
from ml_connector.events import DELETED, Delivery, Event, Version
from ml_connector.modules import MODULES
from ml_connector.ports import Clock, Connections, Known, Queue, WebhookSecrets
from ml_connector.records import Record
from ml_connector.routing import destinations_for, unsaid_by
from ml_connector.sources import Inbound, zoho_books
from ml_connector.statuses import derive, learn
from ml_connector.times import exact_stamp

MAX_BODY = 5 * 1024 * 1024
"""Bytes. Lambda hands over at most 6 MB, base64 included; 4,000 invoice lines are about 2 MB."""
PAID = {"customer_payment": ("invoice", "invoices"), "vendor_payment": ("bill", "bills")}
"""What a payment pays, and where its record lists it (zoho-books 6.5)."""


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
    known: Known

    def receive(self, call: Inbound, correlation_id: str) -> Accepted:
        if len(call.body) > MAX_BODY:
            raise InboundRejected(413, "body_too_large")
        endpoint = self.connections.endpoint(token_hash(call.token)) if TOKEN.match(call.token) else None
        if endpoint is None or endpoint.source != call.source or call.source != "zoho":
            raise InboundRejected(404, "endpoint_unknown")
        try:
            return self._take(call, endpoint, correlation_id)
        except InboundRejected as refusal:
            refusal.connection, refusal.endpoint = endpoint.connection, endpoint.id
            raise

    def _take(self, call: Inbound, endpoint: Endpoint, correlation_id: str) -> Accepted:
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
            received_at=exact_stamp(self.clock()),
            correlation_id=correlation_id,
        )
        event = derive(connection, event, record, self.known)
        deliveries = deliveries_of(connection, event, record)
        deliveries += tuple(paid_by(connection, event, record, deliveries))
        if deliveries:
            self.queue.send(deliveries)
        learn(connection, event, record, self.known)
        return Accepted(event, record, deliveries)


def deliveries_of(connection: Connection, event: Event, record: Record) -> tuple[Delivery, ...]:
    """Where the event goes. Without its payload if Zoho must be asked for what the webhook lacks (`enrich`).

    A route that hinges on what is lacking is taken: the fetched record decides, and whoever has nothing of a deleted
    record skips it.
    """
    sure = destinations_for(connection, event, record)
    deletes, enrich = event.action == DELETED, connection.zoho["enrich"]
    unsaid = unsaid_by(record, connection.routes) if deletes or enrich != "never" else frozenset()
    taken = destinations_for(connection, event, record, unsaid) if unsaid else sure
    perhaps = taken != sure and not deletes
    if not deletes and (enrich == "always" or (enrich == "missing" and (record.lacks or perhaps))):
        event = _thin(event)
    return tuple(Delivery(event, name, perhaps=perhaps) for name in taken)


def paid_by(connection: Connection, event: Event, record: Record, deliveries: Iterable[Delivery]) -> Iterator[Delivery]:
    """What a payment pays, for boards that show it there (`payments`): fetched, because its balance is another one.

    Zoho need not tell of it: a rule that looks at the status hears nothing of a second part payment (3.2).
    """
    module, rows = PAID.get(event.module, ("", ""))
    names = [each.destination for each in deliveries]
    boards = [name for name in names if connection.destinations[name].get("payments", "own") != "own"]
    if not (module and boards):
        return
    listed = record.raw.get(rows)
    ids = [str(row.get(MODULES[module].id_field, "")) for row in listed or () if isinstance(row, dict)]
    for identity in dict.fromkeys(each for each in ids if each.isascii() and each.isalnum() and len(each) <= 64):
        version = Version("", hashlib.sha256(f"{event.version}#{identity}".encode()).hexdigest()[:16])
        paid = replace(
            event, module=module, record_id=identity, action="updated", version=version, payload=None, status=""
        )
        yield from (Delivery(paid, name, perhaps=True) for name in boards)


def _thin(event: Event) -> Event:
    """The event without its payload. One that does not even tell its version is no repetition of another one."""
    version = event.version
    if not version.at:
        text = f"{version.fingerprint}{event.received_at}{event.correlation_id}"
        version = Version("", hashlib.sha256(text.encode()).hexdigest()[:16])
    return replace(event, payload=None, version=version)
