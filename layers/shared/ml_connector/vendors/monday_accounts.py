"""monday.com's OAuth server: both flows of its apps (contracts: monday 2.2, 2.3).

Which flow an app version has is not to be seen from outside: the newer one is tried first, and whether its answer
holds a refresh token decides how the token is kept.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from ml_connector.errors import NeedsAttention, RetryLater
from ml_connector.ports import Issued
from ml_connector.vendors.http import Answer, Http

if TYPE_CHECKING:
    from ml_connector.monday_consent import AppGrant

HOSTS = frozenset({"auth.monday.com"})
_BASE = "https://auth.monday.com"
_NEWER, _OLDER = f"{_BASE}/oauth_ms/oauth/token", f"{_BASE}/oauth2/token"
_TOO_MANY = 300.0
"""Seconds, as monday asks for after too many (2.3)."""
_LIFETIME = 3600
"""Seconds, where neither the token nor the answer says: the only figure in monday's own samples (2.3)."""
_NO_END = 10 * 365 * 24 * 3600
"""Seconds, of a token of the older flow."""
_FAULTS = {
    "invalid_client": "monday does not know the app's client id, or not with this client secret",
    "invalid_grant": "monday does not accept this {what} any more",
}
"""These need a person; whatever else is refused may pass (2.3)."""


class MondayAccounts:
    """Implements tokens.Issuer and monday_consent.Accounts."""

    def __init__(self, http: Http, clock: Callable[[], datetime]) -> None:
        self._http = http
        self._clock = clock

    def authorize_url(self, client_id: str, scopes: Sequence[str], redirect_uri: str, state: str, verifier: str) -> str:
        """monday's page. The challenge does no harm in the older flow, and the newer one asks for it."""
        digest = hashlib.sha256(verifier.encode()).digest()
        query = {
            "client_id": client_id,
            "redirect_uri": redirect_uri,
            "response_type": "code",
            "scope": " ".join(scopes),
            "state": state,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        return f"{_BASE}/oauth2/authorize?{urlencode(query)}"

    def exchange(self, credentials: Mapping[str, Any], code: str, redirect_uri: str, verifier: str) -> AppGrant:
        """Tokens for a code. Raises RetryLater or NeedsAttention."""
        from ml_connector.monday_consent import AppGrant  # deliveries, which only renew, do without

        asked = {**_client(credentials), "code": code, "redirect_uri": redirect_uri}
        newer = {**asked, "grant_type": "authorization_code", "code_verifier": verifier}
        answer = self._http.call("POST", _NEWER, body=newer)
        if 400 <= answer.status < 500 and answer.status != 429:
            # Perhaps an app of the older flow. If that refuses it, too, who knows the client tells why.
            unknown = _object(answer).get("error") == "invalid_client"
            older = self._http.call("POST", _OLDER, body=asked)
            answer = older if unknown or older.status == 200 else answer
        data = _granted(answer, "code", "consent")
        return AppGrant(
            self._issued(data),
            str(data.get("refresh_token") or ""),
            tuple(str(data.get("scope", "")).replace(",", " ").split()),
        )

    def issue(self, credentials: Mapping[str, Any]) -> Issued:
        """A new access token; the refresh token that comes with it ends the old one. Raises as `exchange`.

        A token that does not end is its own next one.
        """
        if token := credentials.get("token"):
            return Issued(str(token), _NO_END)
        delegated = credentials.get("delegated", {})
        if not delegated.get("refresh_token"):
            raise NeedsAttention("nobody has given access to monday.com", remedy="consent")
        asked = {
            **_client(credentials),
            "grant_type": "refresh_token",
            "refresh_token": delegated["refresh_token"],
        }
        data = _granted(self._http.call("POST", _NEWER, body=asked), "refresh token", "consent")
        newest = str(data.get("refresh_token") or delegated["refresh_token"])
        return self._issued(data, {"delegated": {**delegated, "refresh_token": newest}})

    def revoke(self, credentials: Mapping[str, Any]) -> bool:
        """Gives the access back; False if monday does not take it. The older flow's ends with the app (2.2)."""
        refresh_token = credentials.get("delegated", {}).get("refresh_token")
        if not refresh_token:
            return False
        asked = {**_client(credentials), "token": refresh_token, "token_type_hint": "refresh_token"}
        answer = self._http.call("POST", f"{_BASE}/oauth_ms/oauth/revoke", body=asked)
        if answer.status >= 500 or answer.status == 429:
            raise RetryLater(f"monday's accounts server answered {answer.status}", answer.retry_after())
        return answer.status == 200 and _object(answer).get("success") is True

    def _issued(self, data: Mapping[str, Any], keep: Mapping[str, Any] | None = None) -> Issued:
        token = str(data["access_token"])
        ends = _ends(token)
        given = data.get("expires_in")
        lifetime = ends - int(self._clock().timestamp()) if ends else int(given) if given else _LIFETIME
        return Issued(token, lifetime, keep or {})


def _client(credentials: Mapping[str, Any]) -> dict[str, str]:
    if lacking := [name for name in ("client_id", "client_secret") if not credentials.get(name)]:
        raise NeedsAttention(f"the monday credentials lack {' and '.join(lacking)}")
    return {name: credentials[name] for name in ("client_id", "client_secret")}


def _granted(answer: Answer, what: str, remedy: str) -> Mapping[str, Any]:
    data = _object(answer)
    if answer.status == 200 and data.get("access_token"):
        return data
    error = str(data.get("error", "")).lower()
    if answer.status == 429:
        raise RetryLater("monday gives no more tokens for a while", answer.retry_after() or _TOO_MANY, 429)
    if error in _FAULTS:
        raise NeedsAttention(
            _FAULTS[error].format(what=what),
            answer.status,
            remedy="credentials" if error == "invalid_client" else remedy,
        )
    raise RetryLater(f"monday's accounts server answered {answer.status}", answer.retry_after(), answer.status)


def _ends(token: str) -> int:
    """`exp` of a token that is a JWT, in seconds of the epoch; 0 if it does not say.

    Its signature is not checked: it came from monday itself, over TLS, and only says when to ask for the next.
    """
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return int(claims["exp"])
    except (IndexError, KeyError, ValueError, TypeError):
        return 0


def _object(answer: Answer) -> Mapping[str, Any]:
    data = answer.json()
    return data if isinstance(data, dict) else {}
