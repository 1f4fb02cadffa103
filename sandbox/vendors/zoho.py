"""Zoho as the stand-ins' server sees it: the accounts servers, and Books v3 in each data centre."""

from __future__ import annotations

from sandbox.vendors import zoho_accounts, zoho_books, zoho_settings
from sandbox.vendors.wire import Answer, Call, Refusal
from sandbox.vendors.world import World
from sandbox.vendors.zoho_api import authorise, count, need, not_allowed, nowhere, organization_of, quota, success
from sandbox.vendors.zoho_regions import ACCOUNTS, APIS
from sandbox.vendors.zoho_state import Organization, Record, ZohoAccess

__all__ = ["ACCOUNTS", "APIS", "accounts", "books"]

accounts = zoho_accounts.handle


def books(world: World, call: Call) -> Answer:
    """`/books/v3/...` of one data centre."""
    dc = APIS[call.host]
    if call.path[:2] != ("books", "v3"):
        raise nowhere()
    access, parts = authorise(world, call, dc), call.path[2:]
    if parts == ("organizations",):
        need(access, "settings", "READ")
        if call.method != "GET":
            raise not_allowed()
        found = [org for org in world.zoho.organizations.values() if org.organization_id in access.organization_ids]
        return success({"organizations": [_organization(org, first=org is found[0]) for org in found]})
    org = organization_of(world, call, access, dc)
    try:
        count(world, org, call.delay)
        answer = _route(world, call, access, org, parts)
    except Refusal as refusal:
        answer = refusal.answer
    answer.headers |= quota(world, org)
    return answer


def _route(world: World, call: Call, access: ZohoAccess, org: Organization, parts: tuple[str, ...]) -> Answer:
    if parts[:1] == ("settings",):
        return zoho_settings.handle(world, call, access, org, parts[1:])
    return zoho_books.handle(world, call, access, org, parts)


def _organization(org: Organization, *, first: bool) -> Record:
    return {
        "organization_id": org.organization_id,
        "name": org.name,
        "is_default_org": first,
        "time_zone": org.time_zone,
        "currency_code": org.currency_code,
        "currency_symbol": org.currency_symbol,
        "price_precision": 2,
        "plan_name": org.plan_name,
        "country_code": org.country_code,
        "org_settings": {"is_org_active": org.active},
    }
