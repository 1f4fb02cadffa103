"""What Zoho remembers of the webhooks it sent, and sends again on demand (contracts: zoho-books 1.7, 3.1).

Keys and names of the entries are our invention, but for the three that 1.7 names: no answer is public.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from sandbox.vendors import zoho_webhooks
from sandbox.vendors.wire import Answer, Call
from sandbox.vendors.world import World
from sandbox.vendors.zoho_api import invalid, missing, page_of, refusal, success
from sandbox.vendors.zoho_state import Organization, Record, Webhook
from sandbox.vendors.zoho_time import day_of, stamp

_TOO_MANY = 107053  # invented
_RESENT_AT_ONCE = 10


def _entry(org: Organization, key: str) -> Webhook:
    entry = org.webhooks.get(key)
    if entry is None or not entry.webhook_id:
        raise missing("Webhook history")
    return entry


def listing(call: Call, org: Organization) -> Answer:
    """Newest first. Filters that are not known are ignored silently, as everywhere."""
    asked = dict(call.query)
    rows = [each for each in reversed(org.webhooks.values()) if each.webhook_id and each.status is not None]
    if "webhook_id" in asked:
        rows = [each for each in rows if each.webhook_id == asked["webhook_id"]]
    if "entity_id" in asked:
        rows = [each for each in rows if each.record_id == asked["entity_id"]]
    if asked.get("filter_by") in ("Status.Failed", "Status.Success"):
        rows = [each for each in rows if each.failed == (asked["filter_by"] == "Status.Failed")]
    first, last = _date(asked, "from_date", date.min), _date(asked, "to_date", date.max)
    rows = [each for each in rows if first <= day_of(each.at, org.time_zone) <= last]
    shown, context = page_of(call, rows, applied_filter=asked.get("filter_by", "Status.All"))
    return success({"webhook_histories": [_history(org, each) for each in shown], "page_context": context})


def _date(asked: Mapping[str, str], name: str, other: date) -> date:
    try:
        return date.fromisoformat(asked[name]) if name in asked else other
    except ValueError:
        raise invalid(name) from None


def _history(org: Organization, entry: Webhook, *, whole: bool = False) -> Record:
    action, rule = org.actions.get(entry.webhook_id), org.rules.get(entry.workflow_id)
    short = {
        "history_id": entry.id,
        "webhook_id": entry.webhook_id,
        "webhook_name": action.webhook_name if action else "",
        "workflow_id": entry.workflow_id,
        "workflow_name": rule.workflow_name if rule else "",
        "entity": action.entity if action else "",
        "entity_id": entry.record_id,
        "status": "failed" if entry.failed else "success",
        "response_code": entry.status or "",
        "retry_count": entry.retries,
        "executed_time": stamp(entry.at, org.time_zone),
        "last_execution_time": stamp(entry.tried_at, org.time_zone),
        "next_retry_time": stamp(entry.due, org.time_zone) if entry.due is not None else "",
    }
    if not whole:
        return short
    return short | {"url": entry.url, "method": entry.method, "request_body": entry.body.decode("utf-8", "replace")}


def get(org: Organization, key: str) -> Answer:
    """One of them, whole."""
    return success({"webhook_history": _history(org, _entry(org, key), whole=True)})


def bulk_resend(world: World, call: Call, org: Organization) -> Answer:
    """`?history_ids=a,b`: ten at a time."""
    keys = [key for key in (call.param("history_ids") or "").split(",") if key]
    if not keys:
        raise invalid("history_ids")
    if len(keys) > _RESENT_AT_ONCE:
        raise refusal(400, _TOO_MANY, f"You can resend up to {_RESENT_AT_ONCE} webhooks at a time.")
    return resend(world, org, keys)


def resend(world: World, org: Organization, keys: Sequence[str]) -> Answer:
    """Byte for byte what was sent, to the same URL; it goes out after the answer."""
    for entry in [_entry(org, key) for key in keys]:
        entry.retries += 1
        zoho_webhooks.later(world, org, entry)
    return success({}, message="The webhook has been queued to be sent again.")
