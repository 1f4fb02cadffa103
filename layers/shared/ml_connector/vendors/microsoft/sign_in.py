"""A service account signs in at Microsoft's page, with PKCE (contracts: microsoft-teams 1.4)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from ml_connector.clouds import cloud_of
from ml_connector.errors import NeedsAttention
from ml_connector.service_account import SIGN_IN, Person, UserGrant
from ml_connector.vendors.microsoft.asking import CallHosts, asked, authority_of, issued, named


class SignIn:
    """Implements service_account.Accounts."""

    def __init__(self, http: CallHosts) -> None:
        self._http = http

    def sign_in_url(
        self, app: Mapping[str, Any], scopes: Sequence[str], redirect_uri: str, state: str, verifier: str
    ) -> str:
        """Microsoft's page, with PKCE. Whoever is signed in there already is asked which account to take."""
        cloud = cloud_of(app)
        digest = hashlib.sha256(verifier.encode()).digest()
        query = {
            "client_id": app["client_id"],
            "response_type": "code",
            "redirect_uri": redirect_uri,
            "response_mode": "query",
            "scope": " ".join((*named(cloud, scopes), *SIGN_IN)),
            "state": state,
            "nonce": _nonce(verifier),
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
            "prompt": "select_account",
        }
        return f"{authority_of(cloud, app)}/oauth2/v2.0/authorize?{urlencode(query)}"

    def exchange(
        self, credentials: Mapping[str, Any], scopes: Sequence[str], code: str, redirect_uri: str, verifier: str
    ) -> UserGrant:
        """Tokens for a code. Raises RetryLater or NeedsAttention."""
        cloud = cloud_of(credentials)
        flow = {
            # Ours has been checked already.
            "state": "checked",
            "redirect_uri": redirect_uri,
            "scope": [*named(cloud, scopes), *SIGN_IN],
            "nonce": verifier,
            "code_verifier": verifier,
            "claims_challenge": None,
        }
        answer = {"code": code, "state": "checked"}
        data = asked(self._http, credentials, lambda app: app.acquire_token_by_auth_code_flow(flow, answer))
        claims = data.get("id_token_claims") or {}
        # It came from Entra itself, over TLS: that stands in for its signature (OpenID Connect Core 3.1.3.7).
        # Ids are the same in capitals, which connection files may use.
        given, wanted = (claims.get("tid"), claims.get("aud")), (credentials["tenant_id"], credentials["client_id"])
        if [str(each).lower() for each in given] != [each.lower() for each in wanted]:
            raise NeedsAttention("The account that signed in is of another tenant.", remedy="consent")
        if not data.get("refresh_token"):
            raise NeedsAttention("Microsoft sent no refresh token.", remedy="consent")
        granted = tuple(scope.rpartition("/")[2] for scope in str(data.get("scope", "")).split())
        person = Person(str(claims.get("oid", "")), str(claims.get("preferred_username", "")))
        return UserGrant(issued(data), str(data["refresh_token"]), granted, person)


def _nonce(verifier: str) -> str:
    """As MSAL makes it of the nonce that it is given, to compare it with that of the ID token."""
    return hashlib.sha256(verifier.encode()).hexdigest()
