"""Zoho's accounts servers: tokens, what they can see, and giving them back (contracts: zoho-books 4, 6.1)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any

from ml_connector.errors import NeedsAttention, RetryLater, Undeliverable
from ml_connector.ports import Grant, Issued, Organization
from ml_connector.regions import REGIONS
from ml_connector.vendors.http import Answer, Http
from ml_connector.vendors.zoho_api import checked

# `Access Denied` is Zoho's answer to more than 10 tokens in 10 minutes (4.5, 4.6).
_TOO_MANY_TOKENS = "access denied"

_CLIENT_FAULTS = {
    "invalid_client": "Zoho does not know this client id in the data centre {region}. Either the connection's region "
    "is wrong, or the client is not enabled there (API console, the client's settings), or the id is mistyped",
    "invalid_client_secret": "Zoho does not accept the client secret. A client that is enabled in several data centres "
    "may have a secret of its own in each; take the one of {region}",
}
REFRESH_FAULTS = _CLIENT_FAULTS | {
    "invalid_code": "Zoho does not know this refresh token any more: access was revoked, or pushed out by newer ones "
    "(20 per user and client), or it is of another data centre than {region}",
    "invalid_grant": "Zoho does not accept this refresh token any more",
}
CODE_FAULTS = _CLIENT_FAULTS | {
    "invalid_code": "Zoho does not accept the code: it works once, for a minute or two, and only in the data centre "
    "where it was made ({region} was asked)",
    "invalid_redirect_uri": "the redirect URI of the client in Zoho's API console is not exactly the stack's own, "
    "{redirect_uri}",
}
_OTHER_FAULT = "Zoho refuses a token: {error}"


class ZohoAccounts:
    """One data centre's accounts server by `region`. Errors come as HTTP 200: only the body counts (4.5)."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def issue(self, credentials: Mapping[str, Any]) -> Issued:
        """A new access token for the stored refresh token. Raises RetryLater or NeedsAttention."""
        for name in ("region", "client_id", "client_secret", "refresh_token"):
            if not credentials.get(name):
                remedy = "consent" if name == "refresh_token" else "credentials"
                raise NeedsAttention(f"the Zoho credentials lack {name}; connect the organization", remedy=remedy)
        return _issued(
            self._token(
                credentials["region"],
                {
                    "grant_type": "refresh_token",
                    "client_id": credentials["client_id"],
                    "client_secret": credentials["client_secret"],
                    "refresh_token": credentials["refresh_token"],
                },
                REFRESH_FAULTS,
            )
        )

    def exchange(self, region: str, client_id: str, client_secret: str, code: str, redirect_uri: str) -> Grant:
        """Tokens for an authorization code; one of a self client has no redirect URI (4.8). Raises as `issue`."""
        data = self._token(
            region,
            {
                "grant_type": "authorization_code",
                "client_id": client_id,
                "client_secret": client_secret,
                "code": code,
                **({"redirect_uri": redirect_uri} if redirect_uri else {}),
            },
            CODE_FAULTS,
        )
        refresh_token = data.get("refresh_token")
        if not refresh_token:
            raise NeedsAttention(
                "Zoho sent no refresh token; connect again and agree to offline access", remedy="consent"
            )
        return Grant(
            issued=_issued(data),
            refresh_token=str(refresh_token),
            api_domain=str(data.get("api_domain", "")),
            scopes=tuple(str(data.get("scope", "")).replace(",", " ").split()),
        )

    def organizations(self, region: str, access_token: str) -> tuple[Organization, ...]:
        """What the token can see. The one call without an organization's id (6). Raises RetryLater, NeedsAttention."""
        answer = self._http.call(
            "GET",
            f"https://{REGIONS[region].api}/books/v3/organizations",
            headers={"Authorization": f"Zoho-oauthtoken {access_token}"},
        )
        rows = checked(answer, "organizations").get("organizations")
        return tuple(_organization(row) for row in rows if isinstance(row, dict)) if isinstance(rows, list) else ()

    def revoke(self, credentials: Mapping[str, Any]) -> None:
        """Gives the refresh token back, and with it its access tokens. Raises RetryLater or Undeliverable.

        Two forms are documented, and not in which data centre: the person's or the client's (4.7).
        """
        status = 0
        for region in dict.fromkeys((credentials["region"], credentials.get("client_region") or credentials["region"])):
            for answer in self._revocations(region, credentials):
                if answer.status >= 500 or answer.status == 429:
                    raise RetryLater(f"Zoho's accounts server answered {answer.status}", answer.retry_after())
                if answer.status < 300 and _object(answer).get("status") == "success":
                    return
                status = answer.status
        raise Undeliverable(f"Zoho does not revoke the refresh token (it answered {status})", status)

    def _revocations(self, region: str, credentials: Mapping[str, Any]) -> Iterator[Answer]:
        """The answers to both forms. The token travels in the body: addresses are logged."""
        place = f"https://{REGIONS[region].accounts}/oauth/v2"
        form = {"token": credentials["refresh_token"]}
        yield self._http.call("POST", f"{place}/token/revoke", form=form)
        basic = b64encode(f"{credentials['client_id']}:{credentials['client_secret']}".encode()).decode()
        yield self._http.call(
            "POST",
            f"{place}/revoke/token",
            headers={"Authorization": f"Basic {basic}"},
            form={**form, "token_type": "refresh_token"},
        )

    def _token(self, region: str, form: Mapping[str, str], faults: Mapping[str, str]) -> Mapping[str, Any]:
        answer = self._http.call("POST", f"https://{REGIONS[region].accounts}/oauth/v2/token", form=form)
        data = _object(answer)
        error = str(data.get("error", ""))
        if data.get("access_token"):
            return data
        if error.lower() == _TOO_MANY_TOKENS:
            raise RetryLater("Zoho gives no more tokens for a while (10 in 10 minutes)", 600)
        if answer.status >= 500 or answer.status == 429 or not error:
            raise RetryLater(f"Zoho's accounts server answered {answer.status}", answer.retry_after())
        sentence = faults.get(error, _OTHER_FAULT)
        raise NeedsAttention(
            sentence.format(region=region.upper(), redirect_uri=form.get("redirect_uri", ""), error=error[:60]),
            remedy="credentials" if error in _CLIENT_FAULTS else "consent",
        )


def _issued(data: Mapping[str, Any]) -> Issued:
    return Issued(str(data["access_token"]), int(data.get("expires_in") or 3600))


def _organization(row: Mapping[str, Any]) -> Organization:
    settings = row.get("org_settings")
    return Organization(
        id=str(row.get("organization_id", "")),
        name=str(row.get("name", "")),
        time_zone=str(row.get("time_zone", "")),
        currency=str(row.get("currency_code", "")),
        plan=str(row.get("plan_name", "")),
        # Said nowhere to be always there: only a clear no is one.
        active=not isinstance(settings, dict) or settings.get("is_org_active") is not False,
    )


def _object(answer: Answer) -> Mapping[str, Any]:
    data = answer.json()
    return data if isinstance(data, dict) else {}
