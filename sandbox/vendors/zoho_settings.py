"""Zoho Books' settings: who may call what, and not too fast (contracts: zoho-books 3.1, 3.2, 3.4, 8).

Messages, and the codes of refusals other than 57 and 107051, are our invention: Zoho does not publish them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.vendors import zoho_histories, zoho_webhook_settings, zoho_workflows
from sandbox.vendors.wire import Answer, Call
from sandbox.vendors.world import World
from sandbox.vendors.zoho_api import need, not_allowed, nowhere, refusal
from sandbox.vendors.zoho_state import Organization, ZohoAccess

_BUSY = 43  # invented
_VERBS = {"GET": "READ", "POST": "CREATE", "PUT": "UPDATE", "DELETE": "DELETE"}

Works = dict[str, Callable[[], Answer]]
"""What an address does, by method."""


def handle(world: World, call: Call, access: ZohoAccess, org: Organization, parts: tuple[str, ...]) -> Answer:
    """`/settings/webhooks`, `/settings/workflows` and what is below them."""
    works = _works(world, call, org, parts)
    if call.method not in works:
        raise not_allowed()
    need(access, "settings", _VERBS[call.method])
    if "zoho" not in world.unlimited and org.settings_window.take(world.clock.now()):
        raise refusal(429, _BUSY, "You have made too many requests to the settings. Kindly try again after some time.")
    return works[call.method]()


def _works(world: World, call: Call, org: Organization, parts: tuple[str, ...]) -> Works:
    match parts:
        case ("webhooks", "histories", *below):
            return _history_works(world, call, org, below)
        case ("webhooks" | "workflows" as kind,):
            things: Any = _THINGS[kind]
            return {"GET": lambda: things.listing(call, org), "POST": lambda: things.create(world, call, org)}
        case ("webhooks" | "workflows" as kind, key):
            things = _THINGS[kind]
            return {
                "GET": lambda: things.get(org, key),
                "PUT": lambda: things.update(world, call, org, key),
                "DELETE": lambda: things.delete(org, key),
            }
    raise nowhere()


_THINGS = {"webhooks": zoho_webhook_settings, "workflows": zoho_workflows}


def _history_works(world: World, call: Call, org: Organization, below: list[str]) -> Works:
    match below:
        case []:
            return {"GET": lambda: zoho_histories.listing(call, org)}
        case ["bulkresend"]:
            return {"POST": lambda: zoho_histories.bulk_resend(world, call, org)}
        case [key]:
            return {"GET": lambda: zoho_histories.get(org, key)}
        case [key, "resend"]:
            return {"POST": lambda: zoho_histories.resend(world, org, [key])}
    raise nowhere()
