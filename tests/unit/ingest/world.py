"""A world for intake: one connection, its endpoints and secrets, a queue that remembers. All of it in memory."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

from ml_connector.connections import Connection, Endpoint, token_hash
from ml_connector.errors import NotQueued
from ml_connector.events import Delivery
from ml_connector.intake import Intake
from ml_connector.modules import ACTIONS, MODULES
from ml_connector.sources import Inbound
from tests.fakes import Known

FIXTURES = Path(__file__).parents[2] / "fixtures" / "zoho"
NOW = datetime(2026, 10, 21, 14, 3, 5, 250_000, tzinfo=UTC)
ORGANIZATION = "60018273645"
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
EVERYTHING: Mapping[str, Any] = {"events": ["*"], "to": ["channel", "board"]}


def fixture(name: str) -> bytes:
    return (FIXTURES / f"{name}.json").read_bytes()


def sign(secret: str, text: bytes) -> str:
    return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()


def token_of(event: str) -> str:
    return f"tok-{event.replace('.', '-')}-".ljust(43, "x")


def secret_of(event: str) -> str:
    return f"Secret{event.replace('.', '').replace('_', '')}2026"


def connection(**changes: Any) -> Connection:
    data: dict[str, Any] = {
        "connection": "fjord",
        "version": 1,
        "zoho": {
            "region": "eu",
            "organization_id": ORGANIZATION,
            "modules": ["invoice", "bill", "purchase_order", "customer_payment", "vendor_payment"],
        },
        "destinations": {"channel": {"type": "teams"}, "board": {"type": "monday"}, "chef": {"type": "teams"}},
        "routing": "all",
        "routes": [EVERYTHING],
        "retry": {},
        "microsoft": {},
        "locale": "en",
        "time_zone": "UTC",
        "applied_at": "2026-10-01T00:00:00Z",
    }
    return Connection.from_data({**data, **changes})


@dataclass
class World:
    """Fakes behind a real Intake. `lookups` lists what was asked of the secrets; `sent` what is in the queue."""

    applied: Connection | None = field(default_factory=connection)
    cached: dict[str, Sequence[str]] = field(default_factory=dict)
    stored: dict[str, Sequence[str]] = field(default_factory=dict)
    lookups: list[tuple[str, bool]] = field(default_factory=list)
    sent: list[Delivery] = field(default_factory=list)
    queue_is_up: bool = True
    known: Known = field(default_factory=Known)

    def connection(self, name: str) -> Connection | None:
        return self.applied if self.applied and self.applied.name == name else None

    def endpoint(self, hashed: str) -> Endpoint | None:
        for module, action in product(MODULES, ACTIONS):
            event = f"{module}.{action}"
            if hashed == token_hash(token_of(event)):
                return Endpoint(f"zoho.{event}", "fjord", "zoho", module, action)
        if hashed == token_hash(token_of("monday.item")):
            return Endpoint("monday.item", "fjord", "monday", "", "")
        return None

    def secrets(self, endpoint: Endpoint, *, fresh: bool = False) -> Sequence[str]:
        self.lookups.append((endpoint.id, fresh))
        event = endpoint.id.removeprefix("zoho.")
        usual = self.stored.get(event, (secret_of(event),))
        return usual if fresh else self.cached.get(event, usual)

    def send(self, deliveries: Sequence[Delivery]) -> None:
        if not self.queue_is_up:
            raise NotQueued("the queue is down")
        self.sent.extend(deliveries)

    @property
    def intake(self) -> Intake:
        return Intake(connections=self, secrets=self, queue=self, clock=lambda: NOW, known=self.known)


def call(
    event: str = "invoice.created",
    body: bytes | None = None,
    *,
    content_type: str = JSON,
    query: str = "",
    token: str | None = None,
    source: str = "zoho",
    signature: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Inbound:
    """A call to the endpoint of `event`, signed over the body unless told otherwise."""
    body = fixture(event.replace(".", "_")) if body is None else body
    given = sign(secret_of(event), body) if signature is None else signature
    sent = {"content-type": content_type, "x-zoho-webhook-signature": given}
    return Inbound(
        source=source,
        token=token_of(event) if token is None else token,
        query=query,
        headers=sent if headers is None else headers,
        body=body,
    )


def http(inbound: Inbound, *, base64_encoded: bool = False) -> dict[str, Any]:
    """The call as HTTP API hands it to Lambda (payload format 2.0)."""
    body = base64.b64encode(inbound.body).decode() if base64_encoded else inbound.body.decode()
    return {
        "version": "2.0",
        "routeKey": "POST /webhooks/{source}/{token}",
        "rawPath": f"/webhooks/{inbound.source}/{inbound.token}",
        "rawQueryString": inbound.query,
        "headers": dict(inbound.headers),
        "pathParameters": {"source": inbound.source, "token": inbound.token},
        "requestContext": {"requestId": "call-1", "http": {"method": "POST"}},
        "body": body,
        "isBase64Encoded": base64_encoded,
    }


def as_json(value: object) -> bytes:
    return json.dumps(value).encode()
