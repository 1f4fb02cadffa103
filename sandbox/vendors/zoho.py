"""Zoho accounts (tokens) and Zoho Books v3, per data centre.

contracts: zoho-books 4 (OAuth), 6 (reads), 7 (comments), 8 (limits and errors).
"""

from __future__ import annotations

import json
import operator
from typing import Any
from urllib.parse import urlencode

from sandbox.vendors.limits import SlidingWindow
from sandbox.vendors.wire import Answer, Call, Refusal, reply
from sandbox.vendors.world import Grant, Organization, World, ZohoAccess, ZohoClient
from sandbox.vendors.zoho_records import (
    MODULES,
    Module,
    Record,
    list_row,
    moment,
    next_id,
    stamp,
    today_in,
)

# location -> (accounts host, API host); contracts: zoho-books 4.1
DATA_CENTRES = {
    "us": ("accounts.zoho.com", "www.zohoapis.com"),
    "eu": ("accounts.zoho.eu", "www.zohoapis.eu"),
    "in": ("accounts.zoho.in", "www.zohoapis.in"),
    "au": ("accounts.zoho.com.au", "www.zohoapis.com.au"),
    "jp": ("accounts.zoho.jp", "www.zohoapis.jp"),
    "ca": ("accounts.zohocloud.ca", "www.zohoapis.ca"),
    "cn": ("accounts.zoho.com.cn", "www.zohoapis.com.cn"),
    "sa": ("accounts.zoho.sa", "www.zohoapis.sa"),
    "uk": ("accounts.zoho.uk", "www.zohoapis.uk"),
    "ae": ("accounts.zoho.ae", "www.zohoapis.ae"),
}
ACCOUNTS = {accounts: dc for dc, (accounts, _) in DATA_CENTRES.items()}
APIS = {api: dc for dc, (_, api) in DATA_CENTRES.items()}

_SECONDS = 3600  # life of an access token
_CODE_SECONDS = 120
_ACTIVE_TOKENS = 15  # per refresh token; one more deletes the oldest
_REFRESH_TOKENS = 20  # per client and user
_BLOCK_SECONDS = 60
_COMMENT_CHARACTERS = 500  # the length Zoho takes is unpublished; we hold ourselves to this


# --- accounts ---------------------------------------------------------------------------------------------------


def accounts(world: World, call: Call) -> Answer:
    """`/oauth/v2/token`, `/oauth/v2/token/revoke` and the consent redirect of one data centre."""
    dc = ACCOUNTS[call.host]
    if call.path == ("oauth", "v2", "token"):
        return _token(world, call, dc)
    if call.path == ("oauth", "v2", "token", "revoke"):
        return _revoke(world, call)
    if call.path == ("oauth", "v2", "auth") and call.method == "GET":
        return _consent(world, call)
    return reply(404, {"error": "invalid_url"})


def _error(name: str) -> Refusal:
    """Token errors come as HTTP 200 (contracts: zoho-books 4.5)."""
    return Refusal(reply(200, {"error": name}))


def _client(world: World, client_id: str | None, dc: str) -> ZohoClient:
    client = world.zoho.clients.get(client_id or "")
    if client is None or (client.dc != dc and not client.multi_dc):
        raise _error("invalid_client")
    return client


def _token(world: World, call: Call, dc: str) -> Answer:
    form = call.form()
    if call.method != "POST" or not form.get("grant_type"):
        return reply(400, {"error": "invalid_request"})
    client = _client(world, form.get("client_id"), dc)
    if form["grant_type"] not in ("authorization_code", "refresh_token"):
        raise _error("invalid_client")
    if form.get("client_secret") != client.client_secret:
        raise _error("invalid_client_secret")
    if form["grant_type"] == "refresh_token":
        grant = world.zoho.refresh_tokens.get(form.get("refresh_token", ""))
        if grant is None or grant.client_id != client.client_id or grant.dc != dc:
            raise _error("invalid_code")
        return reply(200, _access(world, grant))
    code = world.zoho.codes.get(form.get("code", ""))
    now = world.clock.now()
    if code is None or code.client_id != client.client_id or code.dc != dc or code.used:
        raise _error("invalid_code")
    if code.expires_at is not None and now > code.expires_at:
        raise _error("invalid_code")
    if code.redirect_uri != form.get("redirect_uri"):
        raise _error("invalid_redirect_uri")
    code.used = True
    grant = Grant(f"1000.{world.opaque()}.{world.opaque()}", client.client_id, dc, code.organization_ids, code.scopes)
    answer = _access(world, grant)
    if not code.online:
        own = [key for key, kept in world.zoho.refresh_tokens.items() if kept.client_id == client.client_id]
        for oldest in own[: max(0, len(own) - _REFRESH_TOKENS + 1)]:
            _forget(world, oldest)
        world.zoho.refresh_tokens[grant.token] = grant
        answer["refresh_token"] = grant.token
    return reply(200, answer)


def _access(world: World, grant: Grant) -> Record:
    now = world.clock.now()
    if grant.window.take(now):
        text = "You have made too many requests continuously. Please try again after some time."
        raise Refusal(reply(200, {"error": "Access Denied", "error_description": text, "status": "failure"}))
    mine = [key for key, kept in world.zoho.access_tokens.items() if kept.grant == grant.token]
    for oldest in mine[: max(0, len(mine) - _ACTIVE_TOKENS + 1)]:
        del world.zoho.access_tokens[oldest]
    token = f"1000.{world.opaque()}.{world.opaque()}"
    world.zoho.access_tokens[token] = ZohoAccess(
        token, grant.token, grant.dc, grant.organization_ids, grant.scopes, now + _SECONDS
    )
    return {
        "access_token": token,
        "api_domain": f"https://{DATA_CENTRES[grant.dc][1]}",
        "token_type": "Bearer",
        "expires_in": _SECONDS,
    }


def _forget(world: World, refresh_token: str) -> None:
    world.zoho.refresh_tokens.pop(refresh_token, None)
    for key in [key for key, kept in world.zoho.access_tokens.items() if kept.grant == refresh_token]:
        del world.zoho.access_tokens[key]


def _revoke(world: World, call: Call) -> Answer:
    token = call.form().get("token") or call.param("token") or ""
    if call.method != "POST" or token not in world.zoho.refresh_tokens:
        return reply(400, {"error": "invalid_token"})
    _forget(world, token)
    return reply(200, {"status": "success"})


def _consent(world: World, call: Call) -> Answer:
    """A user who always agrees; the code belongs to the data centre of the first organization."""
    asked = dict(call.query)
    client = world.zoho.clients.get(asked.get("client_id", ""))
    if client is None:
        return reply(400, {"error": "invalid_client"})
    if asked.get("redirect_uri") not in client.redirect_uris:
        return reply(400, {"error": "invalid_redirect_uri"})
    organization = next(iter(world.zoho.organizations.values()), None)
    if asked.get("response_type") != "code" or not asked.get("scope") or organization is None:
        return reply(400, {"error": "invalid_scope"})
    dc = organization.dc if client.multi_dc else client.dc
    owned = [org.organization_id for org in world.zoho.organizations.values() if org.dc == dc]
    code = f"1000.{world.opaque()}.{world.opaque()}"
    world.zoho.codes[code] = Grant(
        code,
        client.client_id,
        dc,
        owned,
        asked["scope"].split(","),
        redirect_uri=asked["redirect_uri"],
        expires_at=world.clock.now() + _CODE_SECONDS,
        online=asked.get("access_type") != "offline",
    )
    back = {"code": code, "location": dc, "accounts-server": f"https://{DATA_CENTRES[dc][0]}"}
    if "state" in asked:
        back = {"state": asked["state"], **back}
    return Answer(302, b"", {"Location": f"{asked['redirect_uri']}?{urlencode(back)}"})


# --- Books ------------------------------------------------------------------------------------------------------


def _no(status: int, code: int, message: str) -> Refusal:
    return Refusal(reply(status, {"code": code, "message": message}))


def _forbidden() -> Refusal:
    return _no(401, 57, "You are not authorized to perform this operation")


def books(world: World, call: Call) -> Answer:
    """`/books/v3/...` of one data centre."""
    dc = APIS[call.host]
    if call.path[:2] != ("books", "v3"):
        raise _no(404, 5, "Invalid URL Passed")
    access = _authorise(world, call, dc)
    parts = call.path[2:]
    if parts == ("organizations",):
        _scope(access, "settings", "READ")
        if call.method != "GET":
            return reply(405, {"code": 5, "message": "Method not allowed"})
        found = [org for org in world.zoho.organizations.values() if org.organization_id in access.organization_ids]
        return reply(200, {"code": 0, "message": "success", "organizations": [_organization(org) for org in found]})
    org = _organization_of(world, call, access, dc)
    try:
        _count(world, org)
        answer = _route(world, call, access, org, parts)
    except Refusal as refusal:
        answer = refusal.answer
    day, seconds = today_in(org, world.clock.now())
    left = org.daily_limit - (org.calls_today if org.day == day else 0)
    answer.headers |= {
        "X-Rate-Limit-Limit": str(org.daily_limit),
        "X-Rate-Limit-Remaining": str(max(0, left)),
        "X-Rate-Limit-Reset": str(seconds),
    }
    return answer


def _authorise(world: World, call: Call, dc: str) -> ZohoAccess:
    """The header's scheme is `Zoho-oauthtoken`; a token lives in its own data centre only."""
    access = world.zoho.access_tokens.get(call.bearer("Zoho-oauthtoken") or "")
    if "authorization" not in call.headers:
        raise _forbidden()
    if access is None or world.clock.now() >= access.expires_at:
        raise _no(401, 14, "Invalid value passed for authtoken.")
    if access.dc != dc:
        raise _forbidden()
    return access


def _scope(access: ZohoAccess, family: str, verb: str) -> None:
    wanted = {f"ZohoBooks.{family}.{verb}", f"ZohoBooks.{family}.ALL", "ZohoBooks.fullaccess.all"}
    if not wanted & set(access.scopes):
        raise _forbidden()


def _organization_of(world: World, call: Call, access: ZohoAccess, dc: str) -> Organization:
    given = call.param("organization_id")
    if not given:
        raise _no(400, 4, "Invalid value passed for organization_id")
    org = world.zoho.organizations.get(given)
    if org is None or given not in access.organization_ids or org.dc != dc:
        raise _forbidden()
    return org


def _count(world: World, org: Organization) -> None:
    """100 calls a minute and the day's quota, both per organization (contracts: zoho-books 8)."""
    if "zoho" in world.unlimited:
        return
    now = world.clock.now()
    org.window = org.window or SlidingWindow((org.minute_limit, 60))
    day, _ = today_in(org, now)
    if org.day != day:
        org.day, org.calls_today = day, 0
    if now < org.blocked_until or org.window.take(now):
        if now >= org.blocked_until:
            org.blocked_until = now + _BLOCK_SECONDS
        text = (
            "For security reasons your organization has been blocked as it have exceeded the maximum number of"
            " requests per minute that can originate from an organization."
        )
        raise _no(429, 44, text)
    if org.calls_today >= org.daily_limit:
        text = "The API call for this organization has exceeded the maximum call rate limit of"
        raise _no(429, 45, f"{text} {org.daily_limit}.")
    org.calls_today += 1


def _route(world: World, call: Call, access: ZohoAccess, org: Organization, parts: tuple[str, ...]) -> Answer:
    module = MODULES.get(parts[0]) if parts else None
    if module is None or len(parts) > 3 or (len(parts) == 3 and parts[2] != "comments"):
        raise _no(404, 5, "Invalid URL Passed")
    if len(parts) == 3:
        return _comments(world, call, access, org, module, parts[1])
    if call.method != "GET":
        return reply(405, {"code": 5, "message": "Method not allowed"})
    _scope(access, module.plural, "READ")
    if len(parts) == 2:
        record = _record(org, module, parts[1])
        return reply(200, {"code": 0, "message": "success", module.key: record})
    return _list(call, org, module)


def _record(org: Organization, module: Module, record_id: str) -> Record:
    record = org.records.get(module.plural, {}).get(record_id)
    if record is None:
        raise _no(404, 1002, f"{module.title} does not exist.")
    return record


def _whole(call: Call, name: str, default: int, most: int) -> int:
    given = call.param(name)
    if given is None:
        return default
    if not given.isascii() or not given.isdigit() or not 1 <= int(given) <= most:
        raise _no(400, 4, f"Invalid value passed for {name}")
    return int(given)


def _list(call: Call, org: Organization, module: Module) -> Answer:
    page, size = _whole(call, "page", 1, 10**6), _whole(call, "per_page", 200, 200)
    records = _filtered(call, module, list(org.records.get(module.plural, {}).values()))
    # Unknown sort columns are ignored without a word, and purchase orders ignore A (contracts: zoho-books 6.3).
    column = call.param("sort_column")
    column = column if column in module.sortable else module.default_sort
    order = "A" if call.param("sort_order") == "A" and not module.always_descending else "D"
    records.sort(key=lambda record: _sort_key(module, record, column), reverse=order == "D")
    rows = [list_row(module, record) for record in records[(page - 1) * size : page * size]]
    context = {
        "page": page,
        "per_page": size,
        "has_more_page": len(records) > page * size,
        "report_name": module.report,
        "applied_filter": call.param("filter_by")
        or ("PaymentMode.All" if module.key.endswith("payment") else "Status.All"),
        "custom_fields": [],
        "sort_column": column,
        "sort_order": order,
    }
    return reply(200, {"code": 0, "message": "success", module.plural: rows, "page_context": context})


def _sort_key(module: Module, record: Record, column: str) -> tuple[Any, ...]:
    value = record.get(column, "")
    if column.endswith("_time") and value:
        value = moment(value)
    number = float(value) if isinstance(value, int | float) else 0.0
    return (number, str(value), int(record[module.id_field]))


_DATE_FILTERS = {
    "date_start": operator.ge,
    "date_end": operator.le,
    "date_before": operator.lt,
    "date_after": operator.gt,
}


def _filtered(call: Call, module: Module, records: list[Record]) -> list[Record]:
    """The supported filters; any other parameter is ignored silently (contracts: zoho-books 6.1, 6.3)."""
    asked = dict(call.query)
    for name in ("date", "customer_id", "vendor_id", "status", module.number_field):
        if name in asked:
            records = [record for record in records if str(record.get(name, "")) == asked[name]]
    if asked.get("filter_by", "").startswith("Status.") and asked["filter_by"] != "Status.All":
        status = asked["filter_by"].removeprefix("Status.").lower()
        records = [record for record in records if str(record.get("status", "")).replace("_", "") == status]
    for name, keep in _DATE_FILTERS.items():
        if name in asked:
            records = [record for record in records if keep(str(record["date"]), asked[name])]
    if "last_modified_time" in asked and module.modified_filter:
        try:
            since = moment(asked["last_modified_time"])
        except ValueError:
            raise _no(400, 4, "Invalid value passed for last_modified_time") from None
        exact = module.modified_filter == "exact"
        times = [(moment(record[module.modified_field]), record) for record in records]
        records = [record for at, record in times if (at == since if exact else at >= since)]
    return records


def _comments(
    world: World, call: Call, access: ZohoAccess, org: Organization, module: Module, record_id: str
) -> Answer:
    """Read or add; payments take none, and repeats add repeats (contracts: zoho-books 7)."""
    if not module.comment_status:
        raise _no(404, 5, "Invalid URL Passed")
    if call.method not in ("GET", "POST"):
        return reply(405, {"code": 5, "message": "Method not allowed"})
    _scope(access, module.plural, "READ" if call.method == "GET" else "CREATE")
    _record(org, module, record_id)
    kept = org.comments.setdefault(record_id, [])
    if call.method == "GET":
        return reply(200, {"code": 0, "message": "success", "comments": kept})
    if call.content_type != "application/json":
        raise _no(400, 4, "Invalid value passed for JSONString")
    try:
        given = json.loads(call.body)
    except ValueError:
        raise _no(400, 4, "Invalid value passed for JSONString") from None
    text = given.get("description") if isinstance(given, dict) else None
    if not isinstance(text, str) or not text.strip():
        raise _no(400, 4, "Invalid value passed for description")
    if len(text) > _COMMENT_CHARACTERS:
        raise _no(400, 15, f"Please ensure that the description has less than {_COMMENT_CHARACTERS} characters.")
    now = stamp(world.clock.now(), org.time_zone)
    comment = {
        "comment_id": next_id(world),
        module.id_field: record_id,
        "description": text,
        "commented_by_id": "4600000000000093001",
        "commented_by": "Priya Nair",
        "comment_type": "internal",
        "date": now[:10],
        "date_description": "a few seconds ago",
        "time": now[11:16],
    }
    kept.insert(0, comment)
    content: Record = {"code": 0, "message": "Comments added."}
    if module.comment_status == 201:
        content["comment"] = comment
    return reply(module.comment_status, content)


def _organization(org: Organization) -> Record:
    return {
        "organization_id": org.organization_id,
        "name": org.name,
        "is_default_org": True,
        "time_zone": org.time_zone,
        "currency_code": org.currency_code,
        "currency_symbol": org.currency_symbol,
        "price_precision": 2,
        "plan_name": org.plan_name,
        "country_code": org.country_code,
        "org_settings": {"is_org_active": True},
    }
