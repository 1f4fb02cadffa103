"""The control API's Zoho part: the bookkeeper, the user who consents, and the switches of an organization.

Below `/_control/zoho/{organization}/`, `/_control/zoho-clients/{client id}/` and `/_control/zoho-user`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from sandbox.vendors import zoho_accounts, zoho_bookkeeping, zoho_rules, zoho_webhooks
from sandbox.vendors.world import World
from sandbox.vendors.zoho_bookkeeping import Change
from sandbox.vendors.zoho_modules import Module, module_named
from sandbox.vendors.zoho_rules import EVENTS, fire
from sandbox.vendors.zoho_state import Hook, Organization, Switches, User, Webhook, ZohoClient

_WAYS = ("send", "hold", "lose")
_ORGANIZATION = ("name", "plan_name", "daily_limit", "minute_limit", "time_zone", "active", "calls_today", "lose")
_SWITCHES = tuple(one.name for one in fields(Switches))


def route(world: World, method: str, path: Sequence[str], body: dict[str, Any]) -> Any:
    """One control call; raises KeyError, TypeError, ValueError."""
    match path:
        case ("zoho", key, *rest):
            return _organization(world, method, world.zoho.organizations[key], rest, body)
        case ("zoho-user",) if method == "PUT":
            return _quietly(world, lambda: setattr(world.zoho, "user", User(**body)))
        case ("zoho-clients", key) if method == "PATCH":
            return _quietly(world, lambda: _client(world.zoho.clients[key], body))
        case ("zoho-clients", key, "redirect_uris") if method == "POST":
            return _quietly(world, lambda: _redirect(world.zoho.clients[key], str(body["uri"])))
    raise KeyError("no such control call")


def _organization(world: World, method: str, org: Organization, rest: list[str], body: dict[str, Any]) -> Any:
    match (method, *rest):
        case ("PATCH",):
            return _quietly(world, lambda: _switch(org, body))
        case ("GET", "records"):
            return _locked(world, lambda: {"records": org.records, "comments": org.comments})
        case ("GET", "webhooks"):
            return _locked(world, lambda: {"webhooks": [_webhook(one) for one in org.webhooks.values()]})
        case ("GET", "settings"):
            return _locked(world, lambda: _settings(org))
        case ("PATCH", "settings", "webhooks", key):
            return _quietly(world, lambda: _change(org.actions[key], body, "url", "secret", "webhook_name", "method"))
        case ("DELETE", "settings", "webhooks", key):
            return _quietly(world, lambda: org.actions.pop(key))
        case ("PATCH", "settings", "workflows", key):
            names = ("is_active", "rule_type", "workflow_name", "field_update", "webhook_id")
            return _quietly(world, lambda: _change(org.rules[key], body, *names))
        case ("DELETE", "settings", "workflows", key):
            return _quietly(world, lambda: org.rules.pop(key))
        case ("GET", "hooks"):
            shown = ("url", "module", "event", "top_key", "form")
            return _locked(world, lambda: {"hooks": [{key: getattr(one, key) for key in shown} for one in org.hooks]})
        case ("POST", "hooks"):
            return _locked(world, lambda: _hook(org, body))
        case ("DELETE", "hooks"):
            return _quietly(world, org.hooks.clear)
        case ("POST", "records", name):
            module = module_named(name)
            return _act(world, org, body, lambda given: [zoho_bookkeeping.create(world, org, module, given)])
        case ("PATCH", "records", name, key):
            module = module_named(name)
            return _act(world, org, body, lambda given: [zoho_bookkeeping.update(world, org, module, key, given)])
        case ("DELETE", "records", name, key):
            module = module_named(name)
            return _act(world, org, body, lambda _: [zoho_bookkeeping.delete(org, module, key)])
        case ("POST", "payments", name):
            module, amounts = module_named(name), dict(body.pop("amounts"))
            return _act(world, org, body, lambda given: zoho_bookkeeping.pay(world, org, module, amounts, given))
        case ("POST", "midnight"):
            return _locked(world, lambda: _midnight(world, org))
        case ("POST", "payloads", name):
            return _payload(world, org, module_named(name), body)
        case ("POST", "webhooks", "settle"):
            return {"webhooks": [_webhook(one) for one in zoho_webhooks.settle(world)]}
        case ("POST", "webhooks", key, "send"):
            webhook = _locked(world, lambda: org.webhooks[key])
            copies = int(body.get("copies", 1))
            return {"statuses": [zoho_webhooks.send(world, org, webhook) for _ in range(copies)]}
        case ("POST", "tokens"):
            return _locked(world, lambda: _tokens(world, org, str(body["action"])))
    raise KeyError("no such control call")


def _locked(world: World, work: Callable[[], Any]) -> Any:
    with world.lock:
        return work()


def _quietly(world: World, work: Callable[[], object]) -> dict[str, Any]:
    with world.lock:
        work()
    return {"ok": True}


def _change(thing: object, body: Mapping[str, Any], *names: str) -> None:
    if set(body) - set(names):
        raise ValueError(f"may be changed: {', '.join(sorted(names))}")
    for name, value in body.items():
        setattr(thing, name, value)


# --- switches


def _switch(org: Organization, body: Mapping[str, Any]) -> None:
    """Plan, quotas and what the real Zoho leaves open; a new plan brings its own quota."""
    if unknown := set(body) - {*_ORGANIZATION, *_SWITCHES}:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join((*_ORGANIZATION, *_SWITCHES))}")
    if "plan_name" in body:
        org.daily_limit = None
    if "minute_limit" in body:
        org.window = None  # it counts by the old limit
    for name, value in body.items():
        setattr(org.switches if name in _SWITCHES else org, name, value)


def _client(client: ZohoClient, body: Mapping[str, Any]) -> None:
    _change(client, body, "client_secret", "dc", "multi_dc", "redirect_uris", "agreed")


def _redirect(client: ZohoClient, uri: str) -> None:
    if uri not in client.redirect_uris:
        client.redirect_uris.append(uri)


def _tokens(world: World, org: Organization, action: str) -> dict[str, Any]:
    """`expire`: the access tokens end now. `revoke`: the refresh tokens are gone too. Of those who see this one."""
    zoho, key = world.zoho, org.organization_id
    if action == "revoke":
        for token in [each.token for each in zoho.refresh_tokens.values() if key in each.organization_ids]:
            zoho_accounts.forget(world, token)
    elif action != "expire":
        raise ValueError("action is expire or revoke")
    ended = [token for token, each in zoho.access_tokens.items() if key in each.organization_ids]
    for token in ended:
        del zoho.access_tokens[token]
    return {"ok": True, "ended": len(ended)}


def _settings(org: Organization) -> dict[str, Any]:
    """Webhooks and rules as they are, without URLs' tokens and secrets: `signed` says whether there is one."""
    shown = ("webhook_id", "webhook_name", "entity", "method", "body_type", "raw_data")
    webhooks = [
        {key: getattr(one, key) for key in shown} | {"signed": bool(one.secret)} for one in org.actions.values()
    ]
    rules = [{key: value for key, value in asdict(one).items() if key != "ran"} for one in org.rules.values()]
    return {"webhooks": webhooks, "workflows": rules}


# --- the bookkeeper


def _event(name: str) -> str:
    event = name.rpartition(".")[2]
    if event not in EVENTS:
        raise ValueError(f"event must be one of {', '.join(EVENTS)}")
    return event


def _hook(org: Organization, body: dict[str, Any]) -> dict[str, Any]:
    """`{url, secret, module, event}` and optionally `top_key`, `form`; Zoho's rule for secrets applies."""
    hook = Hook(**body | {"module": module_named(body["module"]).plural, "event": _event(body["event"])})
    if hook.secret and not (12 <= len(hook.secret) <= 50 and hook.secret.isascii() and hook.secret.isalnum()):
        raise ValueError("a secret is 12 to 50 letters and digits")
    org.hooks = [one for one in org.hooks if (one.module, one.event, one.url) != (hook.module, hook.event, hook.url)]
    org.hooks.append(hook)
    return {"ok": True, "hooks": len(org.hooks)}


def _act(
    world: World, org: Organization, body: dict[str, Any], work: Callable[[dict[str, Any]], list[Change]]
) -> dict[str, Any]:
    """What a bookkeeper does, then the webhooks of it.

    Body: `fields` of the record; `webhook`: "send" (default), "hold" (composed, sent later by
    `webhooks/{id}/send`) or "lose"; `copies` of each (1); `signed`: "valid", "forged" or "missing";
    `form` true for the old JSONString body (hooks only). `changed` names what was touched besides the first record.
    """
    unknown = set(body) - {"fields", "webhook", "copies", "signed", "form"}
    way, given = body.get("webhook", "send"), body.get("fields", {})
    if unknown or way not in _WAYS or not isinstance(given, dict):
        raise ValueError("takes fields, webhook (send, hold, lose), copies, signed, form")
    with world.lock:
        changes = work(given)
        webhooks = [] if way == "lose" else _compose(world, org, changes, body)
    if way == "send":
        for webhook in webhooks:
            for _ in range(int(body.get("copies", 1))):
                zoho_webhooks.send(world, org, webhook)
    first, *others = changes
    return {
        "id": first.id,
        "record": first.record,
        "changed": _named(others),
        "webhooks": [_webhook(one) for one in webhooks],
    }


def _compose(world: World, org: Organization, changes: list[Change], body: Mapping[str, Any]) -> list[Webhook]:
    signed, form = body.get("signed", "valid"), bool(body.get("form"))
    return [
        webhook
        for each in changes
        for webhook in fire(world, org, each.module, each.event, each.record, each.fields, signed=signed, form=form)
    ]


def _midnight(world: World, org: Organization) -> dict[str, Any]:
    """Records that a new day makes overdue or expired; no webhook says so."""
    return {"changed": _named(zoho_bookkeeping.midnight(world, org))}


def _named(changes: Sequence[Change]) -> list[dict[str, str]]:
    return [{"module": each.module.plural, "id": each.id, "status": each.record.get("status", "")} for each in changes]


def _payload(world: World, org: Organization, module: Module, body: dict[str, Any]) -> dict[str, Any]:
    """Sends a body of one's own to the hooks and webhooks of an event: `{event, body: text, content_type, signed,
    copies}`."""
    kind, signed = body.get("content_type", zoho_webhooks.JSON), body.get("signed", "valid")
    content, event = (str(body["body"]).encode(), kind), _event(body["event"])
    with world.lock:
        made = [
            zoho_webhooks.of_hook(world, org, hook, "", content, signed=signed)
            for hook in zoho_rules.listeners(org, module, event)
        ]
    for webhook in made:
        for _ in range(int(body.get("copies", 1))):
            zoho_webhooks.send(world, org, webhook)
    return {"webhooks": [_webhook(one) for one in made]}


def _webhook(webhook: Webhook) -> dict[str, Any]:
    """Without its URL, which holds the endpoint's token."""
    return {
        "id": webhook.id,
        "module": webhook.module,
        "event": webhook.event,
        "record_id": webhook.record_id,
        "workflow_id": webhook.workflow_id,
        "status": webhook.status,
        "attempts": webhook.attempts,
    }
