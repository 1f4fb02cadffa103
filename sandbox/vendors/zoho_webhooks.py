"""Zoho's webhooks as Zoho composes, signs and sends them. Its own implementation: it shares no code with the verifier.

contracts: zoho-books 1.1 (header, HMAC-SHA256, hex), 1.2 (canonical string), 1.7 (retries), 2.1 to 2.3 (bodies, keys).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from sandbox.vendors.world import World
from sandbox.vendors.zoho_modules import Module
from sandbox.vendors.zoho_state import Hook, Organization, Record, Webhook, WebhookAction

SIGNATURE = "X-Zoho-Webhook-Signature"
JSON = "application/json;charset=UTF-8"
FORM = "application/x-www-form-urlencoded"
WHOLE_RECORD = "${JSONString}"
_KEPT = 5000
_PLACEHOLDER = re.compile(r"\$\{([A-Z_]+)\.([A-Z0-9_]+)\}")

Body = tuple[bytes, str]
"""The bytes and their content type."""


# --- signing ----------------------------------------------------------------------------------------------------


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


def _signed(secret: str, url: str, body: Body, how: str) -> dict[str, str]:
    headers = {"Content-Type": body[1], "User-Agent": "ZohoBooks"}
    if secret and how != "missing":
        key = secret if how == "valid" else "Forged" + secret[::-1]
        headers[SIGNATURE] = signature(key, urlsplit(url).query, *body)
    return headers


# --- bodies -----------------------------------------------------------------------------------------------------


def payload(org: Organization, module: Module, record: Record, event: str, top_key: str = "") -> str:
    """The default payload: the whole record below its key, of a deleted one the id only. It names no event (2.2)."""
    content: Any = {module.id_field: record[module.id_field]} if event == "deleted" else record
    whole: Record = {"organization_id": org.organization_id} if org.switches.payload_organization else {}
    key = top_key or org.switches.payload_keys.get(module.plural, module.key)
    return json.dumps(whole | {key: content}, ensure_ascii=False)


def hook_body(org: Organization, module: Module, hook: Hook, record: Record, event: str, *, form: bool) -> Body:
    """What a hook of the tests sends."""
    text = payload(org, module, record, event, hook.top_key)
    if hook.form or form:
        return f"JSONString={quote(text, safe='')}".encode(), FORM
    return text.encode(), JSON


def action_body(org: Organization, module: Module, action: WebhookAction, record: Record, event: str) -> Body:
    """What a webhook of the settings sends: default payload, form or raw text with placeholders (2.1)."""
    text = payload(org, module, record, event)
    known = {module.id_field: record[module.id_field]} if event == "deleted" else record
    if action.form_data or action.body_type.startswith(FORM):
        pairs = [(row["param_name"], _filled(row["param_value"], text, known)) for row in action.form_data]
        return urlencode(pairs).encode(), FORM
    if action.raw_data.strip() in ("", WHOLE_RECORD):
        return text.encode(), JSON
    return _filled(action.raw_data, text, known, escaped=True).encode(), action.body_type or JSON


def _filled(template: str, whole: str, record: Mapping[str, Any], *, escaped: bool = False) -> str:
    """A text with its placeholders replaced: `${INVOICE.INVOICE_TOTAL}` is the field `invoice_total` or `total`."""
    if template.strip() == WHOLE_RECORD:
        return whole

    def value(found: re.Match[str]) -> str:
        prefix, name = (part.lower() for part in found.groups())
        given = record.get(name, record.get(name.removeprefix(f"{prefix}_"), ""))
        return json.dumps(str(given), ensure_ascii=False)[1:-1] if escaped else str(given)

    return _PLACEHOLDER.sub(value, template)


# --- composing --------------------------------------------------------------------------------------------------


def of_hook(
    world: World, org: Organization, hook: Hook, record_id: str, body: Body, *, signed: str = "valid"
) -> Webhook:
    """A call to a hook of the tests. `signed`: valid, forged or missing."""
    headers = _signed(hook.secret, hook.url, body, signed)
    return _keep(world, org, Webhook(_id(world), hook.url, hook.module, hook.event, record_id, headers, body[0]))


def of_action(
    world: World,
    org: Organization,
    module: Module,
    action: WebhookAction,
    record: Record,
    event: str,
    *,
    workflow_id: str = "",
    signed: str = "valid",
) -> Webhook:
    """A call of a webhook of the settings."""
    body = action_body(org, module, action, record, event)
    url = address(action)
    headers = {row["param_name"]: row["param_value"] for row in action.headers}
    headers |= _signed(action.secret, url, body, signed)
    key = str(record[module.id_field])
    return _keep(
        world,
        org,
        Webhook(
            _id(world), url, module.plural, event, key, headers, body[0], action.method, action.webhook_id, workflow_id
        ),
    )


def address(action: WebhookAction) -> str:
    """The URL with the query parameters of the settings."""
    query = urlencode([(row["param_name"], row["param_value"]) for row in action.query_parameters])
    return action.url + (("&" if urlsplit(action.url).query else "?") + query if query else "")


def _id(world: World) -> str:
    return f"4600000000001{world.number():06d}"


def _keep(world: World, org: Organization, webhook: Webhook) -> Webhook:
    webhook.at = world.clock.now()
    org.webhooks[webhook.id] = webhook
    while len(org.webhooks) > _KEPT:
        org.webhooks.pop(next(iter(org.webhooks)))
    return webhook


# --- sending ----------------------------------------------------------------------------------------------------


def send(world: World, org: Organization, webhook: Webhook) -> int:
    """Call once, outside the lock; returns the status (0: no answer). A failure waits for the retry policy, if any."""
    method = {} if webhook.method == "POST" else {"method": webhook.method}
    status = world.post(webhook.url, webhook.body, webhook.headers, **method)
    with world.lock:
        webhook.status, webhook.tried_at, webhook.due = status, world.clock.now(), None
        webhook.attempts += 1
        rule = org.rules.get(webhook.workflow_id)
        if rule:
            rule.failures = rule.failures + 1 if webhook.failed else 0
            if org.switches.disable_after and rule.failures >= org.switches.disable_after:
                rule.is_active = False
        if webhook.failed and webhook.webhook_id and webhook.retries < len(org.switches.retry_after):
            later(world, org, webhook, org.switches.retry_after[webhook.retries])
            webhook.retries += 1
    return status


def later(world: World, org: Organization, webhook: Webhook, seconds: float = 0.0) -> None:
    """Queue it: rules run after the record is saved, and not instantly (1.8)."""
    webhook.due = world.clock.now() + seconds
    world.zoho.outbox.append((webhook.due, org.organization_id, webhook.id))


def is_due(world: World) -> bool:
    """Whether `settle` has something to do."""
    now = world.clock.now()
    return any(due <= now for due, _, _ in world.zoho.outbox)


def settle(world: World) -> list[Webhook]:
    """Send what is due, in order."""
    with world.lock:
        now = world.clock.now()
        due = [entry for entry in world.zoho.outbox if entry[0] <= now]
        world.zoho.outbox = [entry for entry in world.zoho.outbox if entry[0] > now]
        found = [(org, org.webhooks.get(key)) for org, key in _places(world, sorted(due, key=lambda each: each[0]))]
    sent = [(org, webhook) for org, webhook in found if webhook is not None]
    for org, webhook in sent:
        send(world, org, webhook)
    return [webhook for _, webhook in sent]


def _places(world: World, due: Sequence[tuple[float, str, str]]) -> list[tuple[Organization, str]]:
    known = world.zoho.organizations
    return [(known[organization], key) for _, organization, key in due if organization in known]
