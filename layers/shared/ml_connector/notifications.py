"""Microsoft Graph or monday calls: verify, translate, enqueue; only then answer (design 4, invariants 1 and 2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from ml_connector.connections import TOKEN, Endpoint, token_hash
from ml_connector.errors import InboundRejected, NotQueued
from ml_connector.ports import Clock, Connections, Queue
from ml_connector.sources import Inbound, graph, monday
from ml_connector.times import exact_stamp

FRESH = 15.0
"""Seconds within which secrets are not read again: bounds what forged calls can cost."""


class Secrets(Protocol):
    def get(self, connection: str, purpose: str, *, max_age: float = ...) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of a call. `handshake` is to be answered as it is; else `queued` are in the queue, `dropped` were not
    ours.
    """

    connection: str
    handshake: str | None = None
    queued: int = 0
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Notifications:
    """Takes Graph's calls. Raises InboundRejected for a bad one and NotQueued when the queue is not to be had."""

    connections: Connections
    secrets: Secrets
    queue: Queue
    clock: Clock

    def receive(self, call: Inbound, correlation_id: str) -> Heard:
        endpoint = _endpoint(self.connections, call, "graph")
        try:
            if (token := graph.handshake(call.query)) is not None:
                return Heard(endpoint.connection, handshake=token)
            received_at = exact_stamp(self.clock())
            read = partial(graph.translate, call, endpoint, received_at=received_at, correlation_id=correlation_id)
            key = self._key(endpoint.connection, 300.0)
            deliveries, dropped = read(key)
            # The key may have been made anew since it was read.
            if dropped and (newer := self._key(endpoint.connection, FRESH)) != key:
                deliveries, dropped = read(newer)
        except InboundRejected as refusal:
            refusal.connection, refusal.endpoint = endpoint.connection, endpoint.id
            raise
        if deliveries:
            self.queue.send(deliveries)
        return Heard(endpoint.connection, queued=len(deliveries), dropped=dropped)

    def _key(self, connection: str, max_age: float) -> str:
        if key := self.secrets.get(connection, "graph", max_age=max_age).get("key"):
            return str(key)
        # The endpoint exists, so its secret does: it is we who cannot read it.
        raise NotQueued(f"the graph secret of {connection} cannot be read")


@dataclass(frozen=True, slots=True)
class BoardCalls:
    """Takes monday's calls. Raises InboundRejected for a bad one and NotQueued when the queue is not to be had.

    A board's entry in the secret says whether its webhooks bear a JWT (board_webhooks.py).
    """

    connections: Connections
    secrets: Secrets
    queue: Queue
    clock: Clock

    def receive(self, call: Inbound, correlation_id: str) -> Heard:
        endpoint = _endpoint(self.connections, call, "monday")
        try:
            data = monday.read(call)
            # Whether a challenge bears a JWT is not known (7.2); nobody learns anything by its answer.
            if (answer := monday.challenge(data)) is not None:
                return Heard(endpoint.connection, handshake=answer)
            self._verify(call, endpoint)
            received_at = exact_stamp(self.clock())
            delivery = monday.translate(data, endpoint, received_at=received_at, correlation_id=correlation_id)
        except InboundRejected as refusal:
            refusal.connection, refusal.endpoint = endpoint.connection, endpoint.id
            raise
        found = [delivery] if delivery else []
        if found:
            self.queue.send(found)
        return Heard(endpoint.connection, queued=len(found))

    def _verify(self, call: Inbound, endpoint: Endpoint) -> None:
        """By what is known; if that does not fit, by what is known now."""
        try:
            self._verify_by(call, endpoint, 300.0)
        except InboundRejected:
            self._verify_by(call, endpoint, FRESH)

    def _verify_by(self, call: Inbound, endpoint: Endpoint, max_age: float) -> None:
        board = self.secrets.get(endpoint.connection, "boards", max_age=max_age).get(monday.board_of(endpoint))
        if board is None:
            # The endpoint exists, so its entry does: it is we who cannot read it.
            raise NotQueued(f"the boards secret of {endpoint.connection} cannot be read")
        if secret := board.get("signing_secret"):
            monday.verify(call, secret, board["url"], self.clock())


def _endpoint(connections: Connections, call: Inbound, source: str) -> Endpoint:
    endpoint = connections.endpoint(token_hash(call.token)) if TOKEN.match(call.token) else None
    if endpoint is None or endpoint.source != source or call.source != source:
        raise InboundRejected(404, "endpoint_unknown")
    return endpoint
