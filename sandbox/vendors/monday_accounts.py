"""monday's OAuth on auth.monday.com, both flows: tokens for ever, or PKCE with rotating refresh tokens.

contracts: monday 2.2 (flow A), 2.3 (flow B), 2.4 (scopes, installation). Error bodies are RFC 6749's, which is assumed.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any
from urllib.parse import urlencode

from sandbox.vendors.monday_state import MondayApp, MondayGrant, MondayUser
from sandbox.vendors.monday_webhooks import jwt
from sandbox.vendors.wire import Answer, Call, html, reply
from sandbox.vendors.world import World

HOST = "auth.monday.com"
BY_ACCOUNT = re.compile(r"(?P<slug>[a-z0-9-]+)\.monday\.com")
_SCOPES = """account:read assets:read boards:read boards:write departments:read departments:write docs:read docs:write
me:read notifications:write tags:read teams:read teams:write updates:read updates:write users:read users:write
webhooks:read webhooks:write workspaces:read workspaces:write"""
SCOPES = frozenset(_SCOPES.split())
_CODE_SECONDS = 600
_NEW = ("oauth_ms", "oauth")


def handle(world: World, call: Call) -> Answer:
    """One call to the host of accounts; `https://{slug}.monday.com/oauth2/authorize` preselects an account."""
    match (call.method, *call.path):
        case ("GET", "oauth2", "authorize"):
            return _authorize(world, call)
        case ("POST", "oauth2", "token"):
            return _token_for_ever(world, call)
        case ("POST", *path, "token") if tuple(path) == _NEW:
            return _token(world, call)
        case ("POST", *path, "revoke") if tuple(path) == _NEW:
            return _revoke(world, call)
        case ("GET", "oauth_ms", ".well-known", "oauth-authorization-server"):
            return _discovery()
    return reply(404, {"error": "not_found"})


def _discovery() -> Answer:
    base = f"https://{HOST}"
    return reply(
        200,
        {
            "issuer": f"{base}/oauth_ms",
            "authorization_endpoint": f"{base}/oauth2/authorize",
            "token_endpoint": f"{base}/oauth_ms/oauth/token",
            "revocation_endpoint": f"{base}/oauth_ms/oauth/revoke",
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
            "code_challenge_methods_supported": ["S256"],
            "scopes_supported": sorted(SCOPES),
        },
    )


# --- consent ----------------------------------------------------------------------------------------------------


def _authorize(world: World, call: Call) -> Answer:
    """The signed-in user agrees, or denies. What cannot go back to the app is shown on a page."""
    asked = dict(call.query)
    app = world.monday.apps.get(asked.get("client_id", ""))
    if app is None:
        return html(400, "Invalid client_id")
    uri = asked.get("redirect_uri") or (app.redirect_uris[0] if len(app.redirect_uris) == 1 else "")
    if uri not in app.redirect_uris:
        return html(400, "Invalid redirect_uri")
    back = {"state": asked["state"]} if "state" in asked else {}
    user = _signed_in(world, call)
    if user is None:
        return html(400, "No user of this account is signed in")
    error = _refused(world, app, asked, user)
    if error:
        return _redirect(uri, {"error": error[0], "error_description": error[1]} | back)
    scopes = _scopes(app, asked)
    if asked.get("force_install_if_needed") == "true" and user.account_id not in app.installed:
        app.installed.append(user.account_id)
    code = world.opaque()
    world.monday.codes[code] = MondayGrant(
        code,
        app.client_id,
        user.user_id,
        user.account_id,
        scopes,
        world.clock.now() + _CODE_SECONDS,
        redirect_uri=asked.get("redirect_uri", ""),
        challenge=asked.get("code_challenge", ""),
    )
    return _redirect(uri, {"code": code} | back)


def _signed_in(world: World, call: Call) -> MondayUser | None:
    """The one that a test has named, else anybody; of the account that the host or `subdomain` names."""
    match = BY_ACCOUNT.fullmatch(call.host)
    slug = call.param("subdomain") or (match["slug"] if match and call.host != HOST else "")
    state = world.monday
    wanted = state.signed_in.user_id
    found = (one for one in state.users.values() if wanted in ("", one.user_id))
    return next((one for one in found if slug in ("", state.accounts[one.account_id].slug)), None)


def _refused(world: World, app: MondayApp, asked: dict[str, str], user: MondayUser) -> tuple[str, str] | None:
    if not set(_scopes(app, asked)) <= (set(app.scopes) & SCOPES):
        return "invalid_scope", "The scope is not among those of the app."
    if app.flow == "2.1":
        challenge = asked.get("code_challenge", "")
        if asked.get("code_challenge_method") != "S256" or not re.fullmatch(r"[A-Za-z0-9._~-]{43,128}", challenge):
            return "invalid_request", "PKCE with S256 is required."
    if user.account_id not in app.installed and asked.get("force_install_if_needed") != "true":
        return "unauthorized_client", "The app is not installed on this account."
    if world.monday.signed_in.denies or not user.enabled or user.view_only:
        return "access_denied", "The user denied access."
    return None


def _scopes(app: MondayApp, asked: dict[str, str]) -> list[str]:
    return asked["scope"].split() if asked.get("scope") else list(app.scopes)


def _redirect(uri: str, query: dict[str, str]) -> Answer:
    return Answer(302, b"", {"Location": f"{uri}?{urlencode(query)}"})


# --- tokens -----------------------------------------------------------------------------------------------------


def _no(error: str, description: str, status: int = 400) -> Answer:
    return reply(status, {"error": error, "error_description": description})


def _client(world: World, given: dict[str, Any], flow: str) -> MondayApp | None:
    app = world.monday.apps.get(str(given.get("client_id")))
    good = app is not None and given.get("client_secret") == app.client_secret and app.flow == flow
    return app if good else None


def _json(call: Call) -> dict[str, Any]:
    try:
        given = json.loads(call.body) if call.content_type == "application/json" else {}
    except ValueError:
        return {}
    return given if isinstance(given, dict) else {}


def _code(world: World, given: dict[str, Any], app: MondayApp) -> MondayGrant | None:
    """The grant of a code, which is good once, for ten minutes, for the same app and address."""
    grant = world.monday.codes.pop(str(given.get("code")), None)
    if grant is None or grant.client_id != app.client_id or world.clock.now() >= (grant.expires_at or 0):
        return None
    return grant if given.get("redirect_uri", "") in (grant.redirect_uri, *_default(app, grant)) else None


def _default(app: MondayApp, grant: MondayGrant) -> tuple[str, ...]:
    return tuple(app.redirect_uris[:1]) if not grant.redirect_uri else ()


def _token_for_ever(world: World, call: Call) -> Answer:
    """Flow A: the token ends when the app is uninstalled; there is no refresh token."""
    given = _json(call) or call.form()
    app = _client(world, given, "2.0")
    if app is None:
        return _no("invalid_client", "Client authentication failed.", 401)
    grant = _code(world, given, app)
    if grant is None:
        return _no("invalid_grant", "The code is invalid, expired or used.")
    token = world.opaque(64)
    world.monday.tokens[token] = _grant(grant, token, None)
    return reply(200, {"access_token": token, "token_type": "Bearer", "scope": " ".join(grant.scopes)})


def _token(world: World, call: Call) -> Answer:
    """Flow B: JSON in; the access token is a JWT whose `exp` says when it ends; a refresh token is good once."""
    given = _json(call)
    if not given:
        return _no("invalid_request", "The body must be JSON.")
    app = _client(world, given, "2.1")
    if app is None:
        return _no("invalid_client", "Client authentication failed.", 401)
    if given.get("grant_type") == "authorization_code":
        grant = _code(world, given, app)
        verifier = str(given.get("code_verifier", ""))
        hashed = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        if grant is None or grant.challenge != hashed:
            return _no("invalid_grant", "The code or its verifier is invalid, expired or used.")
        return _issue(world, app, grant)
    if given.get("grant_type") != "refresh_token":
        return _no("unsupported_grant_type", "authorization_code or refresh_token.")
    grant = world.monday.refresh_tokens.get(str(given.get("refresh_token")))
    if grant is None or grant.client_id != app.client_id or grant.used or grant.account_id not in app.installed:
        return _no("invalid_grant", "The refresh token is invalid, revoked or used.")
    grant.used = True
    return _issue(world, app, grant)


def _issue(world: World, app: MondayApp, grant: MondayGrant) -> Answer:
    ends = world.clock.now() + app.token_seconds
    claims = {"uid": int(grant.user_id), "actid": int(grant.account_id), "jti": world.opaque(), "exp": int(ends)}
    access, refresh = jwt("monday's own", claims), world.opaque(64)
    world.monday.tokens[access] = _grant(grant, access, ends)
    world.monday.refresh_tokens[refresh] = _grant(grant, refresh, None)
    # No `expires_in`: monday's sample has none (contracts: monday 2.3).
    scope = " ".join(grant.scopes)
    return reply(200, {"access_token": access, "refresh_token": refresh, "token_type": "Bearer", "scope": scope})


def _grant(grant: MondayGrant, token: str, expires_at: float | None) -> MondayGrant:
    return MondayGrant(token, grant.client_id, grant.user_id, grant.account_id, list(grant.scopes), expires_at)


def _revoke(world: World, call: Call) -> Answer:
    """A token of either kind ends now."""
    given = _json(call)
    app = _client(world, given, "2.1")
    if app is None:
        return _no("invalid_client", "Client authentication failed.", 401)
    token = str(given.get("token"))
    for kind in (world.monday.tokens, world.monday.refresh_tokens):
        if token in kind and kind[token].client_id == app.client_id:
            del kind[token]
    return reply(200, {"success": True})
