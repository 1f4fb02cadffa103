"""What an event would do, without doing it: the same planning as in delivery, and no call (`mlc preview`)."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from ml_connector.config.model import ConnectionFile
from ml_connector.connections import Connection, Endpoint
from ml_connector.destinations import Registry, Toolbox
from ml_connector.errors import ConfigError, InboundRejected
from ml_connector.ports import Memory
from ml_connector.routing import destinations_for, routes_taken
from ml_connector.sources import Inbound
from ml_connector.sources.zoho_books import translate
from ml_connector.vendors.http import Http


class _NoSecrets:
    """Planning needs none."""

    def get(self, connection: str, purpose: str, *, max_age: float = 0) -> dict[str, Any]:
        raise AssertionError(f"planning asked for {purpose} of {connection}")

    def access_token(self, connection: str, kind: str, *, rejected: str = "") -> str:
        raise AssertionError(f"planning asked for a {kind} token of {connection}")


def preview(file: ConnectionFile, event_name: str, body: bytes, content_type: str) -> dict[str, Any]:
    """The event, the routes taken (counted from 1) and the exact requests of a first delivery. Raises ConfigError."""
    module, _, action = event_name.partition(".")
    now = datetime.now(UTC)
    connection = Connection.from_data({**file.compiled(), "version": 1, "applied_at": ""})
    endpoint = Endpoint("preview", connection.name, "zoho", module, action)
    call = Inbound("zoho", "", "", {"content-type": content_type}, body)
    try:
        event, record = translate(
            call, endpoint, connection, received_at=now.strftime("%Y-%m-%dT%H:%M:%SZ"), correlation_id="preview"
        )
    except InboundRejected as refusal:
        raise ConfigError(f"ingest would answer {refusal.status} ({refusal.reason}): {refusal}") from refusal
    nothing = _NoSecrets()
    registry = Registry(Toolbox(lambda hosts: Http(hosts), nothing, nothing, lambda: now))
    requests = {}
    for name in destinations_for(connection, event, record):
        requests[name] = asdict(registry.destination(connection, name).plan(event, record, Memory()))
    return {
        "event": event.name,
        "connection": connection.name,
        "record": record.id,
        "title": record.title,
        "version": str(event.version),
        "routes": [
            {"route": index + 1, "to": list(connection.routes[index]["to"])}
            for index in routes_taken(connection, event, record)
        ],
        "requests": requests,
    }
