"""Microsoft Entra ID: tokens of apps and of people. contracts: microsoft-teams 1.2.2, 1.4, 6.1 to 6.4."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any
from urllib.parse import urlencode

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from sandbox.vendors.microsoft_clouds import AUTHORITIES, CLOUDS
from sandbox.vendors.wire import Answer, Call, Refusal, html, reply
from sandbox.vendors.world import Consented, EntraApp, MicrosoftToken, MicrosoftUser, World, iso

HOSTS = AUTHORITIES
HOST = "login.microsoftonline.com"
_SECONDS = 3599
_CODE_SECONDS = 600
_REFRESH_SECONDS = 90 * 86_400
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_OPEN = ("openid", "profile", "offline_access", "email")
_BY_ADMIN = ("ChannelMessage.ReadWrite", "ChannelMessage.Read.All", "Group.ReadWrite.All", "TeamsActivity.Send")
_BY_ANYBODY = ("ChannelMessage.Send", "User.Read")


def handle(world: World, call: Call) -> Answer:
    """The token endpoint, the consent page and the discovery document of a tenant."""
    match call.path:
        case (tenant, "oauth2", "v2.0", "token"):
            return _token(world, call, tenant.lower())
        case (tenant, "oauth2", "v2.0", "authorize"):
            return _authorize(world, call, tenant.lower()) if call.method == "GET" else Answer(405)
        case (tenant, "v2.0", ".well-known", "openid-configuration"):
            return _discovery(world, call, tenant.lower())
    return Answer(404)


def _token(world: World, call: Call, tenant: str) -> Answer:
    """Every refusal carries `error` and an AADSTS number."""
    if call.method != "POST":
        raise _no(world, 400, "invalid_request", 900561, "The endpoint only accepts POST requests.")
    form = call.form()
    if not form.get("grant_type"):
        text = "The request body must contain the following parameter: 'grant_type'."
        raise _no(world, 400, "invalid_request", 900144, text)
    if form["grant_type"] not in ("client_credentials", "authorization_code", "refresh_token"):
        text = "The app requested an unsupported grant type."
        raise _no(world, 400, "unsupported_grant_type", 70003, text)
    app = _app(world, call, tenant, form.get("client_id", ""))
    _authenticate(world, call, app, form)
    if form["grant_type"] == "client_credentials":
        audience = _audience(world, app, form.get("scope", ""))
        roles = app.graph_roles if audience == "graph" else []
        token = _issue(world, audience, app, roles=roles)
        content = {"token_type": "Bearer", "expires_in": _SECONDS, "ext_expires_in": _SECONDS, "access_token": token}
        return reply(200, content, {"Cache-Control": "no-store, no-cache"})
    given = _by_code(world, app, form) if form["grant_type"] == "authorization_code" else _by_refresh(world, app, form)
    return _for_person(world, app, given, form)


def _app(world: World, call: Call, tenant: str, client_id: str) -> EntraApp:
    if tenant in ("common", "organizations", "consumers"):
        text = "Endpoint /common is not supported for such apps."
        raise _no(world, 400, "invalid_request", 9001023, text)
    if tenant != "botframework.com" and all(known != tenant for known, _ in world.microsoft.apps):
        raise _no(world, 400, "invalid_request", 90002, f"Tenant '{tenant}' not found.")
    app = world.microsoft.apps.get((tenant, client_id))
    if app is None:
        text = f"Application with identifier '{client_id}' was not found in the directory '{tenant}'."
        raise _no(world, 400, "unauthorized_client", 700016, text)
    if CLOUDS[app.cloud].authority != call.host:
        text = "Confidential Client is not supported in Cross Cloud request."
        raise _no(world, 400, "invalid_request", 900382, text)
    if not app.enabled:
        raise _no(world, 400, "unauthorized_client", 7000112, f"Application '{client_id}' is disabled.")
    return app


def _authenticate(world: World, call: Call, app: EntraApp, form: dict[str, str]) -> None:
    if form.get("client_assertion"):
        if form.get("client_assertion_type") != _ASSERTION:
            raise _no(world, 400, "invalid_request", 900144, "client_assertion_type is missing or wrong.")
        _check_assertion(world, call, app, form["client_assertion"])
        return
    if not form.get("client_secret"):
        text = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."
        raise _no(world, 401, "invalid_client", 7000218, text)
    if form["client_secret"] not in app.secrets:
        raise _no(world, 401, "invalid_client", 7000215, "Invalid client secret provided.")
    expiry = app.secrets[form["client_secret"]]
    if expiry is not None and world.clock.now() >= expiry:
        text = f"The provided client secret keys for app '{app.client_id}' are expired."
        raise _no(world, 401, "invalid_client", 7000222, text)


def _check_assertion(world: World, call: Call, app: EntraApp, assertion: str) -> None:
    """Signed with a registered certificate, for this very endpoint, and for now (6.1)."""
    refused = _no(world, 401, "invalid_client", 700027, "The certificate used to sign the client assertion is unknown.")
    try:
        signed, _, signature = assertion.rpartition(".")
        header, claims = (json.loads(_decoded(part)) for part in signed.split("."))
        mark = header.get("x5t#S256") or header["x5t"]
        digest = hashes.SHA256() if "x5t#S256" in header else hashes.SHA1()  # noqa: S303 (the older form)
        known = [x509.load_pem_x509_certificate(pem.encode()) for pem in app.certificates]
        certificate = next(one for one in known if one.fingerprint(digest) == _decoded(mark))
        key = certificate.public_key()
        assert isinstance(key, rsa.RSAPublicKey)  # noqa: S101 (for mypy)
        pad = (
            padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
            if header["alg"] == "PS256"
            else padding.PKCS1v15()
        )
        if header["alg"] not in ("PS256", "RS256"):
            raise refused
        key.verify(_decoded(signature), signed.encode(), pad, hashes.SHA256())
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration, AssertionError, InvalidSignature):
        raise refused from None
    endpoint = f"https://{call.host}/{app.tenant_id}/oauth2/v2.0/token"
    if claims.get("aud") != endpoint or (claims.get("iss"), claims.get("sub")) != (app.client_id, app.client_id):
        raise _no(world, 401, "invalid_client", 700030, "The assertion is for another audience or app.")
    now = world.clock.now()
    if not (claims.get("nbf", now) - 300 <= now < claims.get("exp", 0) + 300) or not claims.get("jti"):
        raise _no(world, 401, "invalid_client", 500133, "Assertion is not within its valid time range.")


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _audience(world: World, app: EntraApp, scope: str) -> str:
    scopes = scope.split()
    if len(scopes) > 1:
        text = "Provided value for the input parameter scope is not valid: it names more than one resource."
        raise _no(world, 400, "invalid_scope", 28002, text)
    if not scopes or not scopes[0].endswith("/.default"):
        text = "The provided value for the input parameter 'scope' is not valid."
        raise _no(world, 400, "invalid_scope", 70011, text)
    resource, cloud = scopes[0].removesuffix("/.default"), CLOUDS[app.cloud]
    audiences = {cloud.bot: "bot", f"https://{cloud.graph}": "graph"}
    if resource not in audiences:
        text = f"The resource principal named {resource} was not found in the tenant."
        raise _no(world, 400, "invalid_resource", 500011, text)
    return audiences[resource]


def _issue(
    world: World, audience: str, app: EntraApp, *, roles: list[str], user_id: str = "", scopes: list[str] | None = None
) -> str:
    token = f"eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.{world.opaque(96)}.{world.opaque(64)}"
    world.microsoft.tokens[token] = MicrosoftToken(
        token,
        audience,
        app.tenant_id,
        app.client_id,
        roles,
        world.clock.now() + _SECONDS,
        user_id,
        scopes or [],
    )
    return token


# --- people -----------------------------------------------------------------------------------------------------


def _authorize(world: World, call: Call, tenant: str) -> Answer:
    """The person of the tenant agrees at once; what an administrator must agree to is refused without one (6.3)."""
    asked = {name: call.param(name) or "" for name in ("client_id", "redirect_uri", "scope", "state", "response_type")}
    app = world.microsoft.apps.get((tenant, asked["client_id"]))
    if app is None or CLOUDS[app.cloud].authority != call.host:
        return html(400, "AADSTS700016: Application was not found in the directory")
    if asked["redirect_uri"] not in app.redirect_uris:
        return html(400, "AADSTS50011: The redirect URI does not match the redirect URIs configured")
    back = {"state": asked["state"]}
    if asked["response_type"] != "code":
        return _back(asked["redirect_uri"], {**back, "error": "unsupported_response_type"})
    if call.param("code_challenge_method") != "S256" or not call.param("code_challenge"):
        return _back(asked["redirect_uri"], {**back, "error": "invalid_request", "error_description": "no PKCE"})
    user = next((one for one in world.microsoft.users.values() if one.tenant_id == tenant and one.enabled), None)
    if user is None:
        return _back(asked["redirect_uri"], {**back, "error": "access_denied"})
    scopes = [_short(scope, app) for scope in asked["scope"].split()]
    unknown = [one for one in scopes if one not in (*_OPEN, *_BY_ADMIN, *_BY_ANYBODY)]
    if unknown:
        return _back(asked["redirect_uri"], {**back, "error": "invalid_client", "error_description": "AADSTS650053"})
    if any(one in _BY_ADMIN and one not in app.granted for one in scopes):
        said = {"error": "access_denied", "error_description": "AADSTS90094: Admin consent is required."}
        return _back(asked["redirect_uri"], {**back, **said})
    code = f"0.A{world.opaque(60)}"
    world.microsoft.codes[code] = Consented(
        code,
        tenant,
        app.client_id,
        user.user_id,
        scopes,
        world.clock.now() + _CODE_SECONDS,
        asked["redirect_uri"],
        call.param("code_challenge") or "",
        call.param("nonce") or "",
    )
    return _back(asked["redirect_uri"], {**back, "code": code, "session_state": world.guid()})


def _back(uri: str, query: dict[str, str]) -> Answer:
    return Answer(302, b"", {"Location": f"{uri}?{urlencode(query)}"})


def _short(scope: str, app: EntraApp) -> str:
    return scope.removeprefix(f"https://{CLOUDS[app.cloud].graph}/")


def _by_code(world: World, app: EntraApp, form: dict[str, str]) -> Consented:
    given = world.microsoft.codes.pop(form.get("code", ""), None)
    if given is None or given.client_id != app.client_id or given.expires_at <= world.clock.now():
        raise _no(world, 400, "invalid_grant", 70008, "The provided authorization code has expired or was used.")
    if given.redirect_uri != form.get("redirect_uri"):
        raise _no(world, 400, "invalid_grant", 500112, "The reply address does not match the one of the request.")
    digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
    if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != given.challenge:
        raise _no(world, 400, "invalid_grant", 501481, "The Code_Verifier does not match the code_challenge.")
    return given


def _by_refresh(world: World, app: EntraApp, form: dict[str, str]) -> Consented:
    """A refresh token that was used stays valid; its successor has a window of its own (1.4)."""
    given = world.microsoft.refresh_tokens.get(form.get("refresh_token", ""))
    if given is None or given.client_id != app.client_id:
        raise _no(world, 400, "invalid_grant", 70000, "The provided grant is invalid or malformed.")
    if given.expires_at <= world.clock.now():
        raise _no(world, 400, "invalid_grant", 700082, "The refresh token has expired due to inactivity.")
    if given.revoked:
        raise _no(world, 400, "invalid_grant", 50173, "The provided grant has expired due to it being revoked.")
    return given


def _for_person(world: World, app: EntraApp, given: Consented, form: dict[str, str]) -> Answer:
    user: MicrosoftUser = world.microsoft.users[given.user_id]
    if not user.enabled:
        raise _no(world, 400, "invalid_grant", 50057, "The user account is disabled.")
    if user.blocked:
        raise _no(world, 400, "interaction_required", user.blocked, "The user must act.")
    asked = [_short(scope, app) for scope in form.get("scope", "").split()] or given.scopes
    if not set(asked) - set(_OPEN) <= set(given.scopes):
        raise _no(world, 400, "invalid_grant", 65001, "The user or administrator has not consented.")
    scopes = [one for one in asked if one not in _OPEN]
    token = _issue(world, "graph", app, roles=[], user_id=user.user_id, scopes=scopes)
    content: dict[str, Any] = {
        "token_type": "Bearer",
        "scope": " ".join(f"https://{CLOUDS[app.cloud].graph}/{one}" for one in scopes),
        "expires_in": _SECONDS,
        "ext_expires_in": _SECONDS,
        "access_token": token,
    }
    if "offline_access" in given.scopes:
        successor = f"1.A{world.opaque(80)}"
        until = world.clock.now() + _REFRESH_SECONDS
        world.microsoft.refresh_tokens[successor] = Consented(
            successor, given.tenant_id, given.client_id, given.user_id, given.scopes, until
        )
        content["refresh_token"] = successor
    if "openid" in given.scopes:
        claims = {
            "iss": f"https://{CLOUDS[app.cloud].authority}/{app.tenant_id}/v2.0",
            "aud": app.client_id,
            "tid": app.tenant_id,
            "oid": user.user_id,
            "sub": user.user_id,
            "name": user.name,
            "preferred_username": user.upn,
            "iat": int(world.clock.now()),
            "nbf": int(world.clock.now()),
            "exp": int(world.clock.now()) + _SECONDS,
            **({"nonce": given.nonce} if given.nonce else {}),
        }
        parts = ({"typ": "JWT", "alg": "RS256"}, claims)
        encoded = [base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=").decode() for one in parts]
        content["id_token"] = ".".join((*encoded, world.opaque(40)))
    return reply(200, content, {"Cache-Control": "no-store, no-cache"})


def _discovery(world: World, call: Call, tenant: str) -> Answer:
    if all(known != tenant for known, _ in world.microsoft.apps):
        raise _no(world, 400, "invalid_tenant", 90002, f"Tenant '{tenant}' not found.")
    base = f"https://{call.host}/{tenant}"
    return reply(
        200,
        {
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "issuer": f"{base}/v2.0",
        },
    )


def _no(world: World, status: int, error: str, number: int, text: str) -> Refusal:
    trace, correlation = world.guid(), world.guid()
    at = iso(world.clock.now()).replace("T", " ")
    tail = f"\r\nTrace ID: {trace}\r\nCorrelation ID: {correlation}\r\nTimestamp: {at}"
    content = {
        "error": error,
        "error_description": f"AADSTS{number}: {text}{tail}",
        "error_codes": [number],
        "timestamp": at,
        "trace_id": trace,
        "correlation_id": correlation,
        "error_uri": f"https://login.microsoftonline.com/error?code={number}",
    }
    return Refusal(reply(status, content))


def token_of(world: World, call: Call) -> MicrosoftToken | None:
    """The live token in the Authorization header, whatever its audience; None when absent, unknown or expired."""
    token = world.microsoft.tokens.get(call.bearer() or "")
    return token if token is not None and world.clock.now() < token.expires_at else None
