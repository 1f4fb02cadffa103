"""Connecting a Zoho organization: the authorization-code flow through the stack's own callback (zoho-books 4.2, 4.3).

The `state` is signed, names the connection, ends after ten minutes and works once. The data centre is taken from the
answer only if it is in our table; a browser can not send our client secret anywhere else.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol
from urllib.parse import urlencode

from ml_connector.errors import ConfigError
from ml_connector.ports import Clock, Issued
from ml_connector.regions import REGIONS, region_of

LIFETIME = timedelta(minutes=10)
SCOPES = tuple(
    f"ZohoBooks.{family}.READ"
    for family in ("invoices", "bills", "purchaseorders", "customerpayments", "vendorpayments", "settings")
)


class ConsentRefused(Exception):
    """The callback can not be honoured; the message is for the person in front of the browser."""


class Secrets(Protocol):
    def get(self, connection: str, purpose: str, *, max_age: float = ...) -> Mapping[str, Any]: ...

    def put(self, connection: str, purpose: str, value: Mapping[str, Any]) -> None: ...


class Accounts(Protocol):
    def exchange(
        self, region: str, client_id: str, client_secret: str, code: str, redirect_uri: str
    ) -> tuple[Issued, str]: ...


@dataclass(frozen=True, slots=True)
class Consent:
    """`spend` marks a nonce as used and says False if it was used before; `key` signs the state."""

    secrets: Secrets
    accounts: Accounts
    spend: Callable[[str, int], bool]
    tokens_changed: Callable[[str], None]
    key: Callable[[], str]
    clock: Clock
    redirect_uri: str

    def begin(self, connection: str, nonce: str) -> str:
        """The address that the person opens."""
        credentials = self.secrets.get(connection, "zoho", max_age=0.0)
        if not credentials.get("client_id"):
            raise ConfigError(f"store the Zoho client first: mlc credentials set {connection} zoho")
        ends = int((self.clock() + LIFETIME).timestamp())
        query = urlencode(
            {
                "response_type": "code",
                "client_id": credentials["client_id"],
                "scope": ",".join(SCOPES),
                "redirect_uri": self.redirect_uri,
                "access_type": "offline",
                "prompt": "consent",
                "state": self._signed(f"{connection}.{nonce}.{ends}"),
            }
        )
        return f"https://{REGIONS[credentials['region']].accounts}/oauth/v2/auth?{query}"

    def complete(self, query: Mapping[str, str]) -> str:
        """Exchanges the code and stores the tokens; gives back the connection's name. Raises ConsentRefused."""
        connection = self._opened(query.get("state", ""))
        if query.get("error"):
            raise ConsentRefused("Zoho was not given permission. Start again and press Accept.")
        region = region_of(query.get("accounts-server", ""))
        if region is None:
            raise ConsentRefused("The answer names a Zoho data centre that we do not know.")
        credentials = self.secrets.get(connection, "zoho", max_age=0.0)
        issued, refresh_token = self.accounts.exchange(
            region, credentials["client_id"], credentials["client_secret"], query.get("code", ""), self.redirect_uri
        )
        expires = self.clock() + timedelta(seconds=issued.lifetime)
        token = {"access_token": issued.access_token, "expires_at": expires.strftime("%Y-%m-%dT%H:%M:%SZ")}
        stored = {**credentials, "region": region, "refresh_token": refresh_token, "tokens": {"zoho": token}}
        self.secrets.put(connection, "zoho", stored)
        self.tokens_changed(connection)
        return connection

    def _opened(self, state: str) -> str:
        text, _, _ = state.rpartition(".")
        parts = text.split(".")
        if len(parts) != 3 or not hmac.compare_digest(self._signed(text).encode(), state.encode()):
            raise ConsentRefused("This link was not made by us. Start again with `mlc auth zoho`.")
        connection, nonce, ends = parts
        if int(ends) < self.clock().timestamp() or not self.spend(nonce, int(ends)):
            raise ConsentRefused("This link has been used or is older than ten minutes. Start again.")
        return connection

    def _signed(self, text: str) -> str:
        return f"{text}.{hmac.new(self.key().encode(), text.encode(), hashlib.sha256).hexdigest()}"
