"""Sends a signed webhook to the deployed stack, as Zoho would, and follows it in the audit trail."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import requests

from ml_connector.config.apply import endpoint_id
from ml_connector.errors import ConfigError
from ml_connector.sources import signature
from mlc.output import plain
from mlc.samples import sample
from mlc.stack import Stack


def send(stack: Stack, connection: str, event: str, body: bytes | None, content_type: str) -> tuple[int, float]:
    """Posts the body, or a made-up record, to the endpoint of `event`. The answer's status and its seconds."""
    module, _, action = event.partition(".")
    endpoints = stack.secrets.get(connection, "webhooks", max_age=0.0).get("endpoints", {})
    endpoint = endpoints.get(endpoint_id(module, action))
    if endpoint is None:
        raise ConfigError(f"connection {connection!r} has no endpoint for {event!r}; apply it first")
    if body is None:
        now = datetime.now(UTC)
        body = json.dumps(sample(module, now.strftime("%y%m%d%H%M%S%f"), f"TEST-{now:%H%M%S}", now)).encode()
    started = time.monotonic()
    answer = requests.post(
        stack.webhook_address(endpoint["token"]),
        data=body,
        headers={
            "Content-Type": content_type,
            signature.HEADER: hmac.new(endpoint["secrets"][0].encode(), body, hashlib.sha256).hexdigest(),
        },
        timeout=30,
    )
    return answer.status_code, time.monotonic() - started


def follow(
    stack: Stack, connection: str, since: datetime, expected: int, seconds: float, tick: Callable[[float], None]
) -> list[dict[str, Any]]:
    """The audit entries written since, as soon as `expected` deliveries have ended or the time is over."""
    until = time.monotonic() + seconds
    while True:
        stamp = since.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        entries = [
            entry for entry in stack.audit.of_day(connection, f"{datetime.now(UTC):%Y-%m-%d}") if entry.at >= stamp
        ]
        ended = {entry.delivery for entry in entries if entry.outcome in ("delivered", "accepted", "skipped", "parked")}
        if len(ended) >= expected or time.monotonic() >= until:
            return [plain(asdict(entry)) for entry in reversed(entries)]
        tick(0.2)
