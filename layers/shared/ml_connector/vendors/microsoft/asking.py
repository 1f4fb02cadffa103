"""Asking Entra ID for tokens, by MSAL (contracts: microsoft-teams 6; docs/adr/0012-msal.md).

MSAL's HTTP goes through our own client, so the allow-list and the sandbox hold for it; what it would look up about a
tenant is answered from our table of clouds. It keeps nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import msal  # type: ignore[import-untyped]

from ml_connector.clouds import Cloud, cloud_of, hosts
from ml_connector.errors import NeedsAttention
from ml_connector.ports import Issued
from ml_connector.vendors.http import Answer, Http
from ml_connector.vendors.microsoft.faults import entra_fault

HOUR = 3599
_READ = ("access_token", "refresh_token", "token_type", "scope", "id_token")
CallHosts = Callable[[frozenset[str]], Http]


@dataclass(slots=True)
class _Response:
    """What MSAL reads of an answer."""

    status_code: int
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def raise_for_status(self) -> None:
        """Never needed: what is no answer to a question for a token has been raised before."""


class _Wire:
    """MSAL's HTTP client: ours. `answer` is the last one."""

    def __init__(self, http: Http, authority: str) -> None:
        self._http = http
        self._authority = authority
        self.answer = Answer(0, {}, b"")

    def post(self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], **_: Any) -> _Response:
        self.answer = self._http.call("POST", url, form=data, headers=headers)
        content = self.answer.json()
        if not isinstance(content, dict) or self.answer.status >= 500 or self.answer.status == 429:
            raise entra_fault(self.answer)
        if content.get("access_token"):
            # MSAL would stumble over oddities in what it only reads for its own cache, which nobody uses.
            content = {name: content[name] for name in _READ if content.get(name)} | {"expires_in": _lifetime(content)}
        return _Response(self.answer.status, json.dumps(content))

    def get(self, url: str, **_: Any) -> _Response:
        """Where a tenant's endpoints are: MSAL asks for nothing else, and the table knows it."""
        document = {
            "issuer": f"{self._authority}/v2.0",
            "authorization_endpoint": f"{self._authority}/oauth2/v2.0/authorize",
            "token_endpoint": f"{self._authority}/oauth2/v2.0/token",
        }
        return _Response(200, json.dumps(document))

    def close(self) -> None:
        """The client is not MSAL's to close."""


def asked(
    http: CallHosts, credentials: Mapping[str, Any], ask: Callable[[Any], Mapping[str, Any]]
) -> Mapping[str, Any]:
    """MSAL's answer, which holds a token. Raises RetryLater or NeedsAttention."""
    _require(credentials)
    cloud = cloud_of(credentials)
    authority = authority_of(cloud, credentials)
    wire = _Wire(http(hosts(cloud)), authority)
    try:
        app = msal.ConfidentialClientApplication(
            credentials["client_id"],
            authority=authority,
            client_credential=_credential(credentials),
            http_client=wire,
            instance_discovery=False,
        )
        data: Mapping[str, Any] = ask(app)
    except ImportError as error:
        raise NeedsAttention(
            "Signing with a certificate needs the package cryptography, which this build leaves out. "
            "Build with CERTIFICATES=1 (docs/teams.md), or store a client secret."
        ) from error
    except Exception as error:
        unreadable = isinstance(error, ValueError) or type(error).__module__.startswith(("jwt.", "cryptography."))
        if not unreadable or not credentials.get("private_key"):
            raise
        # Their words may repeat the key.
        raise NeedsAttention("The certificate or its private key is not readable: both are PEM texts.") from None
    if not data.get("access_token"):
        raise entra_fault(wire.answer)
    return data


def _credential(credentials: Mapping[str, Any]) -> str | dict[str, str]:
    """A certificate, if there is one: a secret beside it is from before."""
    if credentials.get("private_key"):
        return {"private_key": credentials["private_key"], "public_certificate": credentials["certificate"]}
    secret: str = credentials["client_secret"]
    return secret


def _require(credentials: Mapping[str, Any]) -> None:
    needed = ["tenant_id", "client_id", *(["certificate"] if credentials.get("private_key") else ["client_secret"])]
    for name in needed:
        if not credentials.get(name):
            raise NeedsAttention(f"the Microsoft credentials lack {name}; store them whole")


def authority_of(cloud: Cloud, app: Mapping[str, Any]) -> str:
    return f"https://{cloud.authority}/{quote(app['tenant_id'], safe='')}"


def named(cloud: Cloud, scopes: Sequence[str]) -> list[str]:
    """Whole names of Graph's scopes: of another resource's there may be some of the same name."""
    return [f"https://{cloud.graph}/{scope}" for scope in scopes]


def issued(data: Mapping[str, Any], keep: Mapping[str, Any] | None = None) -> Issued:
    return Issued(str(data["access_token"]), _lifetime(data), keep or {})


def _lifetime(data: Mapping[str, Any]) -> int:
    """Seconds; an hour if the answer does not say so in a way that can be read."""
    try:
        return int(data.get("expires_in") or HOUR)
    except (TypeError, ValueError):
        return HOUR
