"""Graph's subscriptions: made after their addresses have answered, renewed, reauthorised, ended.

contracts: microsoft-teams 7.1 (fields, resources, quota), 7.2 (validation), 7.4 (tokens), 7.5 (lifetimes). Which of 403
and 409 a second subscription gets is open (11.4): it is 403 here, a fault rule makes it 409.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus, urlsplit

from sandbox.vendors.graph_notifications import READ_CHANNELS, READ_MESSAGES, authorize, expire, resource_of
from sandbox.vendors.graph_refusals import body_of, need, refusal
from sandbox.vendors.wire import Answer, Call, Refusal, reply
from sandbox.vendors.world import MicrosoftToken, Subscription, World

_MOST_MINUTES, _LEAST_MINUTES, _PLAIN_MINUTES = 4320, 45, 60
_MOST_STATE = 128
_KINDS = frozenset({"created", "updated", "deleted"})
READ_TEAM = ("TeamSettings.Read.Group", "Team.ReadBasic.All")
_RESOURCES = (
    (re.compile(r"teams/(?P<team>[^/?]+)/channels/(?P<channel>[^/?]+)/messages"), READ_MESSAGES, _KINDS),
    (re.compile(r"teams/getAllMessages"), READ_MESSAGES[1:], _KINDS),
    (re.compile(r"teams/(?P<team>[^/?]+)/channels"), READ_CHANNELS, _KINDS),
    (re.compile(r"teams/getAllChannels"), READ_CHANNELS[1:], _KINDS),
    (re.compile(r"teams/(?P<team>[^/?]+)"), READ_TEAM, _KINDS - {"created"}),
    (re.compile(r"teams"), READ_TEAM[1:], _KINDS),
)
"""Resource, permissions, change types (7.1). `$search` and `$filter` exist at Microsoft's; here they are refused."""


def calls_out(call: Call) -> bool:
    """Whether Graph calls somebody before it answers this."""
    return call.method in ("POST", "PATCH") and call.path[:2] == ("v1.0", "subscriptions")


def handle(world: World, call: Call, token: MicrosoftToken) -> Answer | None:
    """`/v1.0/subscriptions...`; None for what Graph has no such path for."""
    expire(world)
    match (call.method, *call.path[2:]):
        case ("POST",):
            wanted = _wanted(world, call, token)
            return Answer(then=lambda: _create(world, token, wanted))
        case ("GET",):
            return reply(200, {"value": [one.shown for one in _own(world, token)]})
        case ("GET", key):
            return reply(200, _one(world, token, key).shown)
        case ("PATCH", key):
            return _renew(world, call, token, _one(world, token, key))
        case ("POST", key, "reauthorize"):
            one = _one(world, token, key)
            _permitted(world, token, resource_of(one))
            authorize(world, one, token.expires_at)
            return Answer(204)
        case ("DELETE", key):
            del world.microsoft.subscriptions[_one(world, token, key).shown["id"]]
            return Answer(204)
    return None


def _no(world: World, text: str, status: int = 400, code: str = "InvalidRequest") -> Refusal:
    return refusal(world, status, code, text)


def _own(world: World, token: MicrosoftToken) -> list[Subscription]:
    return [
        one
        for one in world.microsoft.subscriptions.values()
        if (one.tenant_id, one.shown["applicationId"]) == (token.tenant_id, token.client_id)
    ]


def _one(world: World, token: MicrosoftToken, key: str) -> Subscription:
    found = next((one for one in _own(world, token) if one.shown["id"] == key), None)
    if found is None:
        raise _no(world, "The object was not found.", 404, "ResourceNotFound")
    return found


# --- making one -------------------------------------------------------------------------------------------------


def _wanted(world: World, call: Call, token: MicrosoftToken) -> dict[str, Any]:
    """What is asked for, with the expiry that Graph makes of it."""
    wanted = body_of(world, call)
    for name in ("changeType", "notificationUrl", "resource", "expirationDateTime"):
        if not isinstance(wanted.get(name), str) or not wanted[name]:
            raise _no(world, f"{name} is a required property for subscription creation.")
    expires_at, minutes = _expiry(world, wanted["expirationDateTime"])
    if minutes > _PLAIN_MINUTES and not wanted.get("lifecycleNotificationUrl"):
        text = (
            "lifecycleNotificationUrl is a required property for subscription creation on this resource when the"
            " expirationDateTime value is set to greater than 1 hour."
        )
        raise _no(world, text)
    for name in ("notificationUrl", "lifecycleNotificationUrl"):
        if wanted.get(name) is not None:
            _check_url(world, wanted, name)
    state = wanted.get("clientState")
    if state is not None and (not isinstance(state, str) or len(state) > _MOST_STATE):
        raise _no(world, f"clientState must be a string of at most {_MOST_STATE} characters.")
    if wanted.get("includeResourceData"):
        if not wanted.get("encryptionCertificate"):
            raise _no(world, "encryptionCertificate is required when includeResourceData is true.")
        raise _no(world, "Rich notifications are not played by this stand-in.")
    kinds = _permitted(world, token, wanted["resource"].strip("/"))
    if not set(wanted["changeType"].split(",")) <= kinds:
        raise _no(world, f"changeType must be of {', '.join(sorted(kinds))}.")
    _check_quota(world, token, wanted["resource"])
    return {**wanted, "expires_at": expires_at}


def _create(world: World, token: MicrosoftToken, wanted: Mapping[str, Any]) -> Answer:
    """Outside the lock: both addresses must answer first."""
    for name in ("notificationUrl", "lifecycleNotificationUrl"):
        if wanted.get(name):
            _validate(world, wanted[name])
    with world.lock:
        _check_quota(world, token, wanted["resource"])
        now = world.clock.now()
        shown = {
            "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#subscriptions/$entity",
            "id": world.guid(),
            "resource": wanted["resource"],
            "applicationId": token.client_id,
            "changeType": wanted["changeType"],
            "clientState": wanted.get("clientState"),
            "notificationUrl": wanted["notificationUrl"],
            "notificationUrlAppId": None,
            "lifecycleNotificationUrl": wanted.get("lifecycleNotificationUrl"),
            "expirationDateTime": _stamp(wanted["expires_at"]),
            "creatorId": token.user_id or token.client_id,
            "includeResourceData": wanted.get("includeResourceData"),
            "latestSupportedTlsVersion": wanted.get("latestSupportedTlsVersion", "v1_2"),
            "encryptionCertificate": None,
            "encryptionCertificateId": None,
        }
        one = Subscription(shown, token.tenant_id, wanted["expires_at"], now, now)
        authorize(world, one, token.expires_at)
        world.microsoft.subscriptions[str(shown["id"])] = one
        return reply(201, shown)


def _permitted(world: World, token: MicrosoftToken, resource: str) -> frozenset[str]:
    """The change types of a resource that is there and that the app may read."""
    for pattern, roles, kinds in _RESOURCES:
        match = pattern.fullmatch(resource)
        if not match:
            continue
        parts = match.groupdict()
        team = world.microsoft.teams.get(parts.get("team") or "")
        if parts.get("team") and (team is None or team.tenant_id != token.tenant_id):
            raise _no(world, f"No team found with Group Id {parts['team']}", 404, "NotFound")
        need(world, token, roles, team.team_id if team else "")
        if parts.get("channel"):
            channel = world.microsoft.channels.get(parts["channel"] or "")
            if channel is None or channel.deleted or channel.team_id != parts["team"]:
                raise _no(world, f"No threadId found for TeamId {parts['team']}", 404, "NotFound")
        return kinds
    raise _no(world, f"Resource '{resource}' is not supported.")


def _check_quota(world: World, token: MicrosoftToken, resource: str) -> None:
    if any(resource_of(one) == resource.strip("/") for one in _own(world, token)):
        text = "Subscription operation failed: the limit of 1 subscription per app and resource is reached."
        raise _no(world, text, 403, "Forbidden")


def _moment(text: str) -> float:
    """Accepts the 7 digits of a second that Graph writes; raises ValueError."""
    at = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")


def _expiry(world: World, wanted: Any) -> tuple[float, float]:
    """When it ends, and the minutes asked for; under 45 minutes is silently raised."""
    try:
        at = _moment(wanted)
    except (TypeError, ValueError):
        raise _no(world, "expirationDateTime is not a valid date and time.") from None
    now = world.clock.now()
    minutes = (at - now) / 60
    if minutes <= 0:
        raise _no(world, "Subscription expiration must be in the future.")
    if minutes > _MOST_MINUTES:
        raise _no(world, f"Subscription expiration can only be {_MOST_MINUTES} minutes in the future.")
    return max(at, now + _LEAST_MINUTES * 60), minutes


# --- its addresses ----------------------------------------------------------------------------------------------


def _check_url(world: World, wanted: Mapping[str, Any], name: str) -> None:
    """https; or plain http to this machine, where the sandbox's own endpoint is."""
    parts = urlsplit(str(wanted[name]))
    local = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost")
    if not parts.hostname or not (parts.scheme == "https" or local):
        raise _no(world, f"{name} must be an https URL.")


def _validate(world: World, url: str) -> None:
    """Called outside the lock. The answer is the token, decoded, as plain text, with 200."""
    with world.lock:
        token = f"Validation: Testing client application reachability for subscription Request-Id: {world.guid()}"
    asked = f"{url}{'&' if urlsplit(url).query else '?'}validationToken={quote_plus(token)}"
    answer = world.ask(asked, b"", {"Content-Type": "text/plain; charset=utf-8"})
    kind = next((value for name, value in answer.headers.items() if name.lower() == "content-type"), "")
    failed = "Subscription validation request failed."
    if not answer.status:
        raise _no(world, "Subscription validation request timed out.")
    if answer.status != 200:
        raise _no(world, f"{failed} Notification endpoint must respond with 200 OK to validation request.")
    if answer.body != token.encode() or kind.partition(";")[0].strip().lower() != "text/plain":
        raise _no(world, f"{failed} Response must exactly match validationToken query parameter.")


# --- renewing it ------------------------------------------------------------------------------------------------


def _renew(world: World, call: Call, token: MicrosoftToken, one: Subscription) -> Answer:
    """`expirationDateTime` and `notificationUrl` only; the lifecycle URL can never be added. It reauthorises too."""
    wanted = body_of(world, call)
    if not wanted or set(wanted) - {"expirationDateTime", "notificationUrl"}:
        raise _no(world, "Only expirationDateTime and notificationUrl can be changed.")
    _permitted(world, token, resource_of(one))
    expires_at = one.expires_at
    if "expirationDateTime" in wanted:
        expires_at, minutes = _expiry(world, wanted["expirationDateTime"])
        if minutes > _PLAIN_MINUTES and not one.shown["lifecycleNotificationUrl"]:
            raise _no(world, "Without lifecycleNotificationUrl the most is 1 hour.")
    if "notificationUrl" in wanted:
        _check_url(world, wanted, "notificationUrl")

    def changed() -> Answer:
        if "notificationUrl" in wanted:
            _validate(world, wanted["notificationUrl"])
        with world.lock:
            one.expires_at = expires_at
            one.shown["expirationDateTime"] = _stamp(expires_at)
            one.shown["notificationUrl"] = wanted.get("notificationUrl", one.shown["notificationUrl"])
            authorize(world, one, token.expires_at)
            return reply(200, one.shown)

    return Answer(then=changed)
