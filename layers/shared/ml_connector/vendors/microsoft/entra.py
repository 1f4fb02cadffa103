"""Tokens of Entra ID: of the app for two audiences, and of a service account (contracts: teams 1.2.2, 1.4, 6).

What asks for them (asking.py, MSAL) is imported when a token is fetched: a function that finds a live one, which is the
rule, pays nothing for it at its cold start. Tokens are kept, and shared, by ml_connector.tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from ml_connector.clouds import cloud_of
from ml_connector.errors import NeedsAttention
from ml_connector.ports import Issued
from ml_connector.vendors.http import Http

Audience = Literal["bot", "graph"]
CallHosts = Callable[[frozenset[str]], Http]


class Entra:
    """Issues app-only tokens for one audience, in the cloud that the credentials name (6.1 to 6.3)."""

    def __init__(self, http: CallHosts, audience: Audience) -> None:
        self._http = http
        self._audience = audience

    def issue(self, credentials: Mapping[str, Any]) -> Issued:
        """Raises RetryLater or NeedsAttention."""
        from ml_connector.vendors.microsoft.asking import asked, issued

        cloud = cloud_of(credentials)
        scope = cloud.bot_scope if self._audience == "bot" else cloud.graph_scope
        return issued(asked(self._http, credentials, lambda app: app.acquire_token_for_client([scope])))


class ServiceAccounts:
    """Renews the tokens of service accounts that have signed in (1.4; sign_in.py)."""

    def __init__(self, http: CallHosts) -> None:
        self._http = http

    def issue(self, credentials: Mapping[str, Any]) -> Issued:
        """With the stored refresh token; the next one comes with it and is to be kept. Raises as Entra."""
        from ml_connector.vendors.microsoft.asking import asked, issued, named

        kept = credentials.get("delegated") or {}
        if not kept.get("refresh_token"):
            raise NeedsAttention("nobody has signed in as the service account yet", remedy="consent")
        token, scopes = kept["refresh_token"], named(cloud_of(credentials), kept["scopes"])
        data = asked(self._http, credentials, lambda app: app.acquire_token_by_refresh_token(token, scopes))
        # An answer without a new one leaves the old one in force.
        return issued(data, {"delegated": {**kept, "refresh_token": str(data.get("refresh_token") or token)}})


def issuers(http: CallHosts) -> Mapping[str, Entra | ServiceAccounts]:
    """For every kind of token that begins with `microsoft.`."""
    return {
        "microsoft.bot": Entra(http, "bot"),
        "microsoft.graph": Entra(http, "graph"),
        "microsoft.delegated": ServiceAccounts(http),
    }
