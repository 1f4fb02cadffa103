"""The webhooks of Zoho Books' settings: create, list, get, update, delete (contracts: zoho-books 3.1, 3.3)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sandbox.vendors.wire import Answer, Call
from sandbox.vendors.world import World
from sandbox.vendors.zoho_api import content_of, invalid, missing, page_of, refusal, success, too_long
from sandbox.vendors.zoho_modules import ENTITIES
from sandbox.vendors.zoho_records import next_id
from sandbox.vendors.zoho_state import Organization, Record, WebhookAction

NAME_TAKEN = 107051
IN_USE = 107052  # invented
OTHER_ENTITIES = ("customer", "item", "retainer_invoice")  # taken, though nothing here fires them
_MOST_RAW = 100_000
_SECRET = re.compile(r"[A-Za-z0-9]{12,50}")
_PAIRS = ("headers", "query_parameters", "form_data")
_KEPT_ONLY = {
    "entity_parameters", "additional_parameters", "user_defined_format_name", "user_defined_format_value", "events",
    "is_new_response_format", "placeholder", "is_hidden", "lock_type",
}  # fmt: skip
_LENGTHS = {
    "webhook_name": 50, "description": 100, "url": 5000, "raw_data": _MOST_RAW, "body_type": 100, "entity": 100,
    "method": 10, "secret": 50,
}  # fmt: skip


def _action(org: Organization, key: str) -> WebhookAction:
    action = org.actions.get(key)
    if action is None:
        raise missing("Webhook")
    return action


def listing(call: Call, org: Organization) -> Answer:
    """All of them."""
    shown, context = page_of(call, list(org.actions.values()))
    return success({"webhooks": [_webhook(org, each) for each in shown], "page_context": context})


def _webhook(org: Organization, action: WebhookAction, *, whole: bool = False) -> Record:
    """As it is read back: never with its secret, headers without their values; no rules are an empty text."""
    rules = [
        {"workflow_id": rule.workflow_id, "workflow_name": rule.workflow_name}
        for rule in org.rules.values()
        if rule.webhook_id == action.webhook_id
    ]
    short = {
        "webhook_id": action.webhook_id,
        "webhook_name": action.webhook_name,
        "entity": action.entity,
        "method": action.method,
        "url": action.url,
        "related_rules": rules or "",
    }
    if not whole:
        return short
    return short | {
        "description": action.description,
        "body_type": action.body_type,
        "raw_data": action.raw_data,
        "headers": [{"param_name": row["param_name"]} for row in action.headers] or "",
        "query_parameters": action.query_parameters or "",
        "form_data": action.form_data or "",
    }


def get(org: Organization, key: str) -> Answer:
    """One of them, whole."""
    return success({"webhook": _webhook(org, _action(org, key), whole=True)})


def create(world: World, call: Call, org: Organization) -> Answer:
    """A new one."""
    action = make(world, org, content_of(call))
    return success({"webhook": _webhook(org, action)}, 201, "The webhook has been created.")


def make(world: World, org: Organization, given: Mapping[str, Any]) -> WebhookAction:
    """A webhook of what a call gave; raises Refusal."""
    values = _values(org, given, "")
    action = WebhookAction(next_id(world), **{"webhook_name": "", "url": "", **values})
    if not action.url:
        raise invalid("url")
    if not action.webhook_name:
        raise invalid("webhook_name")
    org.actions[action.webhook_id] = action
    return action


def update(_: World, call: Call, org: Organization, key: str) -> Answer:
    """What is not given stays as it is; `url` must be given, as it is required (3.1)."""
    action, given = _action(org, key), content_of(call)
    if "url" not in given:
        raise invalid("url")
    values = _values(org, given, key)
    entity = values.get("entity", action.entity)
    if any(rule.webhook_id == key and rule.entity != entity for rule in org.rules.values()):
        raise refusal(400, IN_USE, "The module of a webhook cannot be changed while a workflow rule uses it.")
    for name, value in values.items():
        setattr(action, name, value)
    return success({"webhook": _webhook(org, action)}, message="The webhook has been updated.")


def _values(org: Organization, given: Mapping[str, Any], own: str) -> dict[str, Any]:
    """What a create or an update may set; raises Refusal for what Zoho does not take. Unknown names are ignored."""
    values: dict[str, Any] = {}
    for name, most in _LENGTHS.items():
        if name in given:
            if not isinstance(given[name], str):
                raise invalid(name)
            if len(given[name]) > most:
                raise too_long(name, most)
            values[name] = given[name]
    for name in ("url", "webhook_name"):
        if name in values and not values[name].strip():
            raise invalid(name)
    if "url" in values and not values["url"].startswith(("https://", "http://")):
        raise invalid("url")
    if values.get("method", "POST") not in ("POST", "PUT", "DELETE"):
        raise invalid("method")
    if "secret" in values and not _SECRET.fullmatch(values["secret"]):
        raise invalid("secret")
    if "entity" in values and values["entity"] not in (*ENTITIES, *OTHER_ENTITIES):
        raise invalid("entity")
    for name in _PAIRS:
        if name in given:
            values[name] = _pairs(name, given[name])
    if more := {name: given[name] for name in _KEPT_ONLY if name in given}:
        values["more"] = more
    names = {each.webhook_name for each in org.actions.values() if each.webhook_id != own}
    if values.get("webhook_name") in names:
        raise refusal(400, NAME_TAKEN, "A webhook with the same name already exists.")
    return values


def _pairs(name: str, given: Any) -> list[dict[str, str]]:
    pairs = []
    for row in given if isinstance(given, list) else [None]:
        match row:
            case {"param_name": str(key), "param_value": str(value)}:
                pairs.append({"param_name": key, "param_value": value})
            case _:
                raise invalid(name)
    return pairs


def delete(org: Organization, key: str) -> Answer:
    """Only one that no rule uses."""
    action = _action(org, key)
    if any(rule.webhook_id == key for rule in org.rules.values()):
        raise refusal(400, IN_USE, "This webhook cannot be deleted as it is associated with a workflow rule.")
    del org.actions[action.webhook_id]
    return success({}, message="The webhook has been deleted.")
