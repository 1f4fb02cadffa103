"""Which token a connection calls monday.com with: one that does not end, or one that its app renews (monday 2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ml_connector.errors import NeedsAttention
from ml_connector.ports import AccessTokens

KIND = "monday"


class Secrets(Protocol):
    def get(self, connection: str, purpose: str, *, max_age: float = ...) -> Mapping[str, Any]: ...


class Access:
    """Of one connection. The secret holds `token` (personal, or of the older OAuth flow), or an app's `delegated`."""

    def __init__(self, secrets: Secrets, tokens: AccessTokens, connection: str) -> None:
        self._secrets = secrets
        self._tokens = tokens
        self._connection = connection

    def token(self) -> str:
        """Raises NeedsAttention if there is none, or RetryLater while it is being renewed."""
        stored = self._stored()
        if token := stored.get("token"):
            return str(token)
        name = self._connection
        if not stored.get("client_id"):
            raise NeedsAttention(
                f"connection {name} has no monday token yet; set it with `mlc credentials set {name} monday`"
            )
        if not stored.get("delegated"):
            raise NeedsAttention(
                f"nobody has given connection {name} access to monday yet: mlc auth monday {name}", remedy="consent"
            )
        return self._tokens.access_token(name, KIND)

    def renew(self, rejected: str) -> str:
        """Another token than the one that monday has just refused; "" if there can be none (2.3: once after a 401).

        Raises as `token`.
        """
        stored = self._stored()
        delegated = stored.get("delegated")
        if delegated and stored.get("token"):
            who = delegated["user"]
            raise NeedsAttention(f"monday does not accept the access that {who} gave any more", 401, remedy="consent")
        if not delegated:
            return ""
        return self._tokens.access_token(self._connection, KIND, rejected=rejected)

    def account(self, token: str) -> str:
        """Whose calls are counted together: monday counts by account and app (5.1); an app's tokens change hourly."""
        stored = self._stored()
        delegated = stored.get("delegated")
        return f"{stored['client_id']}#{delegated['account_id']}" if delegated else token

    def _stored(self) -> Mapping[str, Any]:
        return self._secrets.get(self._connection, "monday")
