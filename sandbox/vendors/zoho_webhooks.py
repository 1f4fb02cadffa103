"""Zoho's webhooks as Zoho composes and signs them. Its own implementation: it shares no code with the verifier.

contracts: zoho-books 1.1 (header, HMAC-SHA256, hex), 1.2 (canonical string), 2.1 to 2.3 (bodies and top keys).
"""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from sandbox.vendors.world import Hook, Organization, Webhook, World
from sandbox.vendors.zoho_records import Module, Record

SIGNATURE = "X-Zoho-Webhook-Signature"
JSON = "application/json;charset=UTF-8"
FORM = "application/x-www-form-urlencoded"


def signing_string(query: str, body: bytes, content_type: str) -> bytes:
    """Sorted query and form pairs, each key followed by its value, then a JSON body as it is."""
    pairs = parse_qsl(query, keep_blank_values=True)
    raw = body
    if content_type.startswith(FORM):
        pairs += parse_qsl(body.decode(), keep_blank_values=True)
        raw = b""
    return "".join(key + value for key, value in sorted(pairs)).encode() + raw


def signature(secret: str, query: str, body: bytes, content_type: str) -> str:
    """Lower-case hex of the HMAC-SHA256 over the canonical string."""
    return hmac.new(secret.encode(), signing_string(query, body, content_type), hashlib.sha256).hexdigest()


def compose(
    world: World,
    org: Organization,
    hook: Hook,
    record_id: str,
    body: bytes,
    content_type: str,
    *,
    signed: str = "valid",
) -> Webhook:
    """A webhook ready to go, kept in the organization's history. `signed`: valid, forged or missing."""
    headers = {"Content-Type": content_type, "User-Agent": "ZohoBooks"}
    if hook.secret and signed != "missing":
        secret = hook.secret if signed == "valid" else "Forged" + hook.secret[::-1]
        headers[SIGNATURE] = signature(secret, urlsplit(hook.url).query, body, content_type)
    webhook = Webhook(f"wh{world.number()}", hook.url, hook.module, hook.event, record_id, headers, body)
    org.webhooks[webhook.id] = webhook
    while len(org.webhooks) > 1000:
        org.webhooks.pop(next(iter(org.webhooks)))
    return webhook


def default_payload(module: Module, hook: Hook, record: Record, event: str) -> tuple[bytes, str]:
    """Body and content type: the whole record, of a deleted one the id only."""
    content: Any = {module.id_field: record[module.id_field]} if event == "deleted" else record
    text = json.dumps({hook.top_key or module.key: content}, ensure_ascii=False)
    if hook.form:
        return f"JSONString={quote(text, safe='')}".encode(), FORM
    return text.encode(), JSON


def hooks_for(org: Organization, module: Module, event: str) -> list[Hook]:
    """The registered hooks of a module's event."""
    return [hook for hook in org.hooks if hook.module == module.plural and hook.event == event]


def send(world: World, webhook: Webhook) -> int:
    """POST it once, outside the lock; returns the status (0: no answer)."""
    status = world.post(webhook.url, webhook.body, webhook.headers)
    with world.lock:
        webhook.status = status
        webhook.attempts += 1
    return status
