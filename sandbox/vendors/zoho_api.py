"""The gate of Zoho Books v3: token, organization, limits, scope; then records or settings.

contracts: zoho-books 6.1 (envelope), 8 (limits and errors).
"""

from __future__ import annotations

import json
from typing import Any

from sandbox.vendors.limits import SlidingWindow
from sandbox.vendors.wire import Answer, Call, Refusal, reply
from sandbox.vendors.world import World
from sandbox.vendors.zoho_state import Organization, ZohoAccess
from sandbox.vendors.zoho_time import today_in

BLOCK_SECONDS = 60


def refusal(status: int, code: int, message: str) -> Refusal:
    """An error in Zoho's envelope."""
    return Refusal(reply(status, {"code": code, "message": message}))


def invalid(name: str) -> Refusal:
    """A value that Zoho does not take."""
    return refusal(400, 4, f"Invalid value passed for {name}")


def too_long(name: str, most: int) -> Refusal:
    """A text beyond its length."""
    return refusal(400, 15, f"Please ensure that the {name} has less than {most} characters.")


def nowhere() -> Refusal:
    """No such address."""
    return refusal(404, 5, "Invalid URL Passed")


def forbidden() -> Refusal:
    """Missing scope or right."""
    return refusal(401, 57, "You are not authorized to perform this operation")


def missing(title: str) -> Refusal:
    """No such thing."""
    return refusal(404, 1002, f"{title} does not exist.")


def not_allowed() -> Refusal:
    """The address knows other methods."""
    return Refusal(reply(405, {"code": 5, "message": "Method not allowed"}))


def success(content: dict[str, Any], status: int = 200, message: str = "success") -> Answer:
    """What was asked for, in Zoho's envelope."""
    return reply(status, {"code": 0, "message": message, **content})


def content_of(call: Call) -> dict[str, Any]:
    """The JSON object of a call that creates or changes; raises Refusal."""
    try:
        given = json.loads(call.body) if call.content_type == "application/json" else None
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise invalid("JSONString")
    return given


def whole(call: Call, name: str, default: int, most: int) -> int:
    """A positive number of the query; raises Refusal."""
    given = call.param(name)
    if given is None:
        return default
    if not given.isascii() or not given.isdigit() or not 1 <= int(given) <= most:
        raise invalid(name)
    return int(given)


def page_of(call: Call, rows: list[Any], **context: Any) -> tuple[list[Any], dict[str, Any]]:
    """The rows of the asked page and its `page_context` (6.1)."""
    page, size = whole(call, "page", 1, 10**6), whole(call, "per_page", 200, 200)
    shown = rows[(page - 1) * size : page * size]
    return shown, {"page": page, "per_page": size, "has_more_page": len(rows) > page * size, **context}


def authorise(world: World, call: Call, dc: str) -> ZohoAccess:
    """The header's scheme is `Zoho-oauthtoken`; a token lives in its own data centre only."""
    access = world.zoho.access_tokens.get(call.bearer("Zoho-oauthtoken") or "")
    if "authorization" not in call.headers:
        raise forbidden()
    if access is None or world.clock.now() >= access.expires_at:
        raise refusal(401, 14, "Invalid value passed for authtoken.")
    if access.dc != dc:
        raise forbidden()
    return access


def need(access: ZohoAccess, family: str, verb: str) -> None:
    """Refuses without the scope."""
    wanted = {f"ZohoBooks.{family}.{verb}", f"ZohoBooks.{family}.ALL", "ZohoBooks.fullaccess.all"}
    if not wanted & set(access.scopes):
        raise forbidden()


def organization_of(world: World, call: Call, access: ZohoAccess, dc: str) -> Organization:
    """The organization of the query, if the user sees it."""
    given = call.param("organization_id")
    if not given:
        raise invalid("organization_id")
    org = world.zoho.organizations.get(given)
    if org is None or given not in access.organization_ids or org.dc != dc or not org.active:
        raise forbidden()
    return org


def count(world: World, org: Organization, delay: float) -> None:
    """The calls of a minute, of a day and at once, all per organization; `delay`: how long this one takes (8)."""
    if "zoho" in world.unlimited:
        return
    now = world.clock.now()
    org.busy_until = [until for until in org.busy_until if until > now]
    if len(org.busy_until) >= org.plan.in_flight:
        text = "You have reached the maximum number of in process requests allowed. Kindly try again after some time."
        raise refusal(429, 1070, text)
    org.window = org.window or SlidingWindow((org.minute_limit, 60))
    day, _ = today_in(org, now)
    if org.day != day:
        org.day, org.calls_today = day, 0
    if now < org.blocked_until or org.window.take(now):
        if now >= org.blocked_until:
            org.blocked_until = now + BLOCK_SECONDS
        text = (
            "For security reasons your organization has been blocked as it have exceeded the maximum number of"
            " requests per minute that can originate from an organization."
        )
        raise refusal(429, 44, text)
    if org.calls_today >= org.calls_per_day:
        text = "The API call for this organization has exceeded the maximum call rate limit of"
        raise refusal(429, 45, f"{text} {org.calls_per_day}.")
    org.calls_today += 1
    if delay:
        org.busy_until.append(now + delay)


def quota(world: World, org: Organization) -> dict[str, str]:
    """The headers of every answer: they speak of the day only (8)."""
    day, seconds = today_in(org, world.clock.now())
    left = org.calls_per_day - (org.calls_today if org.day == day else 0)
    return {
        "X-Rate-Limit-Limit": str(org.calls_per_day),
        "X-Rate-Limit-Remaining": str(max(0, left)),
        "X-Rate-Limit-Reset": str(seconds),
    }
