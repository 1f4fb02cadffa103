"""Zoho's accounts servers: consent, tokens, revocation (contracts: zoho-books 4)."""

from __future__ import annotations

import base64
import binascii
from typing import Any
from urllib.parse import urlencode

from sandbox.vendors.wire import Answer, Call, Refusal, html, reply
from sandbox.vendors.world import World
from sandbox.vendors.zoho_regions import ACCOUNTS, DATA_CENTRES
from sandbox.vendors.zoho_state import Grant, User, ZohoAccess, ZohoClient

_SECONDS = 3600  # life of an access token
_CODE_SECONDS = 120
_ACTIVE_TOKENS = 15  # per refresh token; one more deletes the oldest
_REFRESH_TOKENS = 20  # per client and user
FAMILIES = (
    "invoices", "bills", "purchaseorders", "customerpayments", "vendorpayments", "creditnotes", "debitnotes",
    "estimates", "salesorders", "expenses", "contacts", "projects", "banking", "accountants", "fixedasset",
    "custommodules", "settings",
)  # fmt: skip
VERBS = ("CREATE", "READ", "UPDATE", "DELETE", "ALL")
_SCOPES = {f"ZohoBooks.{family}.{verb}" for family in FAMILIES for verb in VERBS} | {"ZohoBooks.fullaccess.all"}


def handle(world: World, call: Call) -> Answer:
    """The token calls and the consent page of one data centre."""
    dc = ACCOUNTS[call.host]
    match call.path:
        case ("oauth", "v2", "token"):
            return _token(world, call, dc)
        case ("oauth", "v2", "token", "revoke"):
            return _revoke(world, call, dc, call.form().get("token") or call.param("token") or "")
        case ("oauth", "v2", "revoke", "token"):
            return _revoke_as_client(world, call, dc)
        case ("oauth", "v2", "auth"):
            return _consent(world, call, dc) if call.method == "GET" else Answer(405)
    return reply(404, {"error": "invalid_url"})


# --- tokens


def _error(name: str) -> Refusal:
    """Token errors come as HTTP 200 (contracts: zoho-books 4.5)."""
    return Refusal(reply(200, {"error": name}))


def _known(world: World, client_id: str | None, dc: str) -> ZohoClient | None:
    client = world.zoho.clients.get(client_id or "")
    return client if client and (client.dc == dc or client.multi_dc) else None


def _token(world: World, call: Call, dc: str) -> Answer:
    form = call.form()
    if call.method != "POST" or not form.get("grant_type"):
        return reply(400, {"error": "invalid_request"})
    client = _known(world, form.get("client_id"), dc)
    if client is None or form["grant_type"] not in ("authorization_code", "refresh_token"):
        raise _error("invalid_client")
    if form.get("client_secret") != client.client_secret:
        raise _error("invalid_client_secret")
    if form["grant_type"] == "authorization_code":
        return reply(200, _exchange(world, form, client, dc))
    grant = world.zoho.refresh_tokens.get(form.get("refresh_token", ""))
    if grant is None or grant.client_id != client.client_id or grant.dc != dc:
        raise _error("invalid_code")
    return reply(200, _access(world, grant))


def _exchange(world: World, form: dict[str, str], client: ZohoClient, dc: str) -> dict[str, Any]:
    code = world.zoho.codes.get(form.get("code", ""))
    now = world.clock.now()
    if code is None or code.client_id != client.client_id or code.dc != dc or code.used:
        raise _error("invalid_code")
    if code.expires_at is not None and now > code.expires_at:
        raise _error("invalid_code")
    if code.redirect_uri != form.get("redirect_uri"):
        raise _error("invalid_redirect_uri")
    if not code.online and client.grants.take(now):
        raise _denied()
    code.used = True
    grant = Grant(f"1000.{world.opaque()}.{world.opaque()}", client.client_id, dc, code.organization_ids, code.scopes)
    answer = _access(world, grant)
    if not code.online:
        own = [
            key
            for key, kept in world.zoho.refresh_tokens.items()
            if (kept.client_id, kept.organization_ids) == (client.client_id, code.organization_ids)  # the same user
        ]
        for oldest in own[: max(0, len(own) - _REFRESH_TOKENS + 1)]:
            forget(world, oldest)
        world.zoho.refresh_tokens[grant.token] = grant
        answer["refresh_token"] = grant.token
    return answer


def _access(world: World, grant: Grant) -> dict[str, Any]:
    now = world.clock.now()
    if grant.window.take(now):
        raise _denied()
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


def _denied() -> Refusal:
    text = "You have made too many requests continuously. Please try again after some time."
    return Refusal(reply(200, {"error": "Access Denied", "error_description": text, "status": "failure"}))


def forget(world: World, refresh_token: str) -> None:
    """A refresh token and its access tokens are no more."""
    world.zoho.refresh_tokens.pop(refresh_token, None)
    for key in [key for key, kept in world.zoho.access_tokens.items() if kept.grant == refresh_token]:
        del world.zoho.access_tokens[key]


# --- revocation, in both documented forms (4.7)


def _revoke(world: World, call: Call, dc: str, token: str) -> Answer:
    grant = world.zoho.refresh_tokens.get(token)
    if call.method != "POST" or grant is None or grant.dc != dc:
        return reply(400, {"error": "invalid_token"})
    forget(world, token)
    return reply(200, {"status": "success"})


def _revoke_as_client(world: World, call: Call, dc: str) -> Answer:
    try:
        given = base64.b64decode(call.bearer("Basic") or "", validate=True).decode()
    except (binascii.Error, ValueError):
        given = ""
    client_id, _, secret = given.partition(":")
    client = _known(world, client_id, dc)
    if client is None or secret != client.client_secret:
        return reply(401, {"error": "invalid_client"})
    form = call.form()
    token = form.get("token", "")
    if form.get("token_type") == "access_token" and token in world.zoho.access_tokens:
        del world.zoho.access_tokens[token]
        return reply(200, {"status": "success"})
    return _revoke(world, call, dc, token)


# --- the consent page (4.2)


def _consent(world: World, call: Call, dc: str) -> Answer:
    """The signed-in user agrees, or denies; mistakes of the client are shown on a page and lead nowhere."""
    asked = dict(call.query)
    client = _known(world, asked.get("client_id"), dc)
    if client is None or asked.get("response_type") != "code":
        return html(400, "Invalid Client")
    if asked.get("redirect_uri") not in client.redirect_uris:
        return html(400, "Invalid Redirect Uri")
    scopes = asked.get("scope", "").split(",")
    if not set(scopes) <= _SCOPES:
        return html(400, "Invalid OAuth scope")
    user = world.zoho.user or _anybody(world, client)
    if user.dc != client.dc and not client.multi_dc:
        return html(400, "Invalid Client")  # a user of another data centre; nobody enabled it for this client
    back = {"state": asked["state"]} if "state" in asked else {}
    if user.denies:
        return _redirect(asked["redirect_uri"], back | {"error": "access_denied"})
    code = f"1000.{world.opaque()}.{world.opaque()}"
    offline = asked.get("access_type") == "offline" and (asked.get("prompt") == "consent" or not client.agreed)
    client.agreed = True
    world.zoho.codes[code] = Grant(
        code,
        client.client_id,
        user.dc,
        user.organization_ids,
        scopes,
        redirect_uri=asked["redirect_uri"],
        expires_at=world.clock.now() + _CODE_SECONDS,
        online=not offline,
    )
    accounts = f"https://{DATA_CENTRES[user.dc][0]}"
    return _redirect(asked["redirect_uri"], back | {"code": code, "location": user.dc, "accounts-server": accounts})


def _anybody(world: World, client: ZohoClient) -> User:
    """Where no user is known: one who sees every organization of a data centre."""
    first = next(iter(world.zoho.organizations.values()), None)
    dc = first.dc if first and client.multi_dc else client.dc
    return User(dc, [org.organization_id for org in world.zoho.organizations.values() if org.dc == dc])


def _redirect(uri: str, query: dict[str, str]) -> Answer:
    return Answer(302, b"", {"Location": f"{uri}?{urlencode(query)}"})
