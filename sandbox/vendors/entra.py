"""Microsoft Entra ID: client-credentials tokens. contracts: microsoft-teams 1.2.2, 6.1 to 6.3."""

from __future__ import annotations

from sandbox.vendors.wire import Answer, Call, Refusal, reply
from sandbox.vendors.world import MicrosoftToken, World, iso

HOST = "login.microsoftonline.com"
_SECONDS = 3599
_AUDIENCES = {
    "https://api.botframework.com": "bot",
    "https://graph.microsoft.com": "graph",
}


def handle(world: World, call: Call) -> Answer:
    """`POST /{tenant}/oauth2/v2.0/token`; every refusal carries `error` and an AADSTS number."""
    path = call.path
    if len(path) != 4 or path[1:] != ("oauth2", "v2.0", "token"):
        return Answer(404)
    if call.method != "POST":
        raise _no(world, 400, "invalid_request", 900561, "The endpoint only accepts POST requests.")
    form = call.form()
    if not form.get("grant_type"):
        text = "The request body must contain the following parameter: 'grant_type'."
        raise _no(world, 400, "invalid_request", 900144, text)
    if form["grant_type"] != "client_credentials":
        text = "The app requested an unsupported grant type."
        raise _no(world, 400, "unsupported_grant_type", 70003, text)
    tenant, client_id = path[0].lower(), form.get("client_id", "")
    if tenant in ("common", "organizations", "consumers"):
        text = "Endpoint /common is not supported for such apps."
        raise _no(world, 400, "invalid_request", 9001023, text)
    if tenant != "botframework.com" and all(known != tenant for known, _ in world.microsoft.apps):
        raise _no(world, 400, "invalid_request", 90002, f"Tenant '{tenant}' not found.")
    app = world.microsoft.apps.get((tenant, client_id))
    if app is None:
        text = f"Application with identifier '{client_id}' was not found in the directory '{tenant}'."
        raise _no(world, 400, "unauthorized_client", 700016, text)
    if not app.enabled:
        raise _no(world, 400, "unauthorized_client", 7000112, f"Application '{client_id}' is disabled.")
    if not form.get("client_secret"):
        text = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."
        raise _no(world, 401, "invalid_client", 7000218, text)
    now = world.clock.now()
    if form["client_secret"] not in app.secrets:
        raise _no(world, 401, "invalid_client", 7000215, "Invalid client secret provided.")
    expiry = app.secrets[form["client_secret"]]
    if expiry is not None and now >= expiry:
        text = f"The provided client secret keys for app '{client_id}' are expired."
        raise _no(world, 401, "invalid_client", 7000222, text)
    audience = _audience(world, form.get("scope", ""))
    token = f"eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.{world.opaque(96)}.{world.opaque(64)}"
    roles = app.graph_roles if audience == "graph" else []
    world.microsoft.tokens[token] = MicrosoftToken(token, audience, tenant, client_id, roles, now + _SECONDS)
    content = {"token_type": "Bearer", "expires_in": _SECONDS, "ext_expires_in": _SECONDS, "access_token": token}
    return reply(200, content, {"Cache-Control": "no-store, no-cache"})


def _audience(world: World, scope: str) -> str:
    scopes = scope.split()
    if len(scopes) > 1:
        text = "Provided value for the input parameter scope is not valid: it names more than one resource."
        raise _no(world, 400, "invalid_scope", 28002, text)
    if not scopes or not scopes[0].endswith("/.default"):
        text = "The provided value for the input parameter 'scope' is not valid."
        raise _no(world, 400, "invalid_scope", 70011, text)
    resource = scopes[0].removesuffix("/.default")
    if resource not in _AUDIENCES:
        text = f"The resource principal named {resource} was not found in the tenant."
        raise _no(world, 400, "invalid_resource", 500011, text)
    return _AUDIENCES[resource]


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
