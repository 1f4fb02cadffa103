"""The files in events/ are what AWS sends: for `sam local invoke`, and read here so that they stay true."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest

from ml_connector.events import Delivery

ROOT = Path(__file__).resolve().parents[2]


def event(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((ROOT / "events" / name).read_text())
    return content


@pytest.mark.parametrize("function", sorted(path.parent.name for path in (ROOT / "functions").glob("*/app.py")))
def test_each_function_has_a_sample(function: str) -> None:
    """Whoever opens a function finds a call of it to try."""
    assert list((ROOT / "events" / function).glob("*.json"))


def test_the_signed_webhook_is_signed() -> None:
    """The sample's signature is right under the secret that the sample names: ExampleSecret0123456789."""
    call = event("ingest/invoice_created.json")
    right = hmac.new(b"ExampleSecret0123456789", call["body"].encode(), hashlib.sha256).hexdigest()
    assert call["headers"]["x-zoho-webhook-signature"] == right
    assert event("ingest/forged.json")["headers"]["x-zoho-webhook-signature"] != right


def test_the_queue_message_is_one_that_this_release_reads() -> None:
    """A change of the message's schema must not leave the sample behind."""
    (record,) = event("delivery/invoice_created.json")["Records"]
    delivery = Delivery.from_json(record["body"])
    assert record["attributes"]["MessageGroupId"] == delivery.lane
    assert record["attributes"]["MessageDeduplicationId"] == delivery.id
    assert delivery.to_json() == record["body"]
