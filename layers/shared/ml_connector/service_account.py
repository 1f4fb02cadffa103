"""A service account that posts to Teams: it signs in once, its refresh token does the rest (contracts: teams 1.4).

    begin ──► link ──► Microsoft's page ──► complete: state, code, PKCE, scopes ──► stored, or nothing changed

What is kept is in the connection's `microsoft` secret under `delegated`: the refresh token, who signed in, for what.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from ml_connector.connections import Connection
from ml_connector.errors import ConfigError, NeedsAttention
from ml_connector.links import ConsentRefused, Door, Leases, Link, Links, Secrets, only_writer
from ml_connector.ports import Clock, Issued
from ml_connector.times import stamp

SEND = "ChannelMessage.Send"
EDIT = "ChannelMessage.ReadWrite"
"""An administrator must consent to it."""
SIGN_IN = ("offline_access", "openid", "profile")
"""What yields a refresh token, and says who signed in."""
KIND = "microsoft.delegated"

_AGAIN = "Start again with `mlc auth microsoft`."
_ADMIN = (
    f"An administrator must consent to {EDIT} (or to the app as a whole) before the account can agree. "
    f"Without `edits` in the connection's file {SEND} is enough."
)
_REFUSALS = {65004: f"The permission was declined. {_AGAIN}", **dict.fromkeys((90094, 65001, 650056), _ADMIN)}
_CODE = re.compile(r"AADSTS(\d{4,7})")


@dataclass(frozen=True, slots=True)
class Person:
    """Who signed in: object id, and the name the account signs in with."""

    id: str
    address: str


@dataclass(frozen=True, slots=True)
class UserGrant:
    issued: Issued
    refresh_token: str
    scopes: tuple[str, ...]
    person: Person


@dataclass(frozen=True, slots=True)
class SignedIn:
    """As whom a connection posts, since when, and who connected it. It holds no secret."""

    connection: str
    person: Person
    scopes: tuple[str, ...]
    at: str
    by: str


class Accounts(Protocol):
    def sign_in_url(
        self, app: Mapping[str, Any], scopes: tuple[str, ...], redirect_uri: str, state: str, verifier: str
    ) -> str: ...

    def exchange(
        self, credentials: Mapping[str, Any], scopes: tuple[str, ...], code: str, redirect_uri: str, verifier: str
    ) -> UserGrant:
        """Raises RetryLater or NeedsAttention."""
        ...


def destinations(connection: Connection) -> Mapping[str, Mapping[str, Any]]:
    """Those that the account posts to."""
    return {
        name: settings
        for name, settings in connection.destinations.items()
        if settings["type"] == "teams" and settings["transport"] == "delegated"
    }


def scopes(connection: Connection) -> tuple[str, ...]:
    """What the connection's destinations need, and no more."""
    return (SEND, EDIT) if any(each.get("edits") for each in destinations(connection).values()) else (SEND,)


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """`key` signs the state; `tokens_changed` tells the schedule; `pause` waits for that many seconds."""

    connections: Callable[[str], Connection | None]
    secrets: Secrets
    leases: Leases
    accounts: Accounts
    links: Links
    tokens_changed: Callable[[str], None]
    key: Callable[[], str]
    clock: Clock
    pause: Callable[[float], None]

    def begin(self, connection: Connection, nonce: str, redirect_uri: str, by: str) -> str:
        """The address that the person opens, signed in as the service account. Raises ConfigError."""
        if not destinations(connection):
            raise ConfigError(f'connection {connection.name!r} has no destination with transport = "delegated"')
        self._credentials(self.secrets.get(connection.name, "microsoft", max_age=0.0), connection)
        state = self._door.begin(Link(connection.name, redirect_uri, by), nonce)
        verifier = self._door.verifier(nonce)
        return self.accounts.sign_in_url(connection.microsoft, scopes(connection), redirect_uri, state, verifier)

    def complete(self, query: Mapping[str, str]) -> SignedIn:
        """Exchanges the code and stores the tokens. A second use tells the outcome of the first.

        Raises ConsentRefused, and RetryLater if Microsoft cannot say; nothing is changed then.
        """
        return self._door.complete(
            query.get("state", ""), lambda link, nonce: self._answered(link, nonce, query), self.of
        )

    def of(self, connection: str) -> SignedIn | None:
        kept = self.secrets.get(connection, "microsoft", max_age=0.0).get("delegated")
        if not kept:
            return None
        person = Person(kept["user_id"], kept["user"])
        return SignedIn(connection, person, tuple(kept["scopes"]), kept["at"], kept["by"])

    def _answered(self, link: Link, nonce: str, query: Mapping[str, str]) -> Callable[[], SignedIn]:
        """The exchange, if what came back is a code."""
        if query.get("error"):
            # Of the description only its number is read: anybody can write the rest.
            found = _CODE.search(query.get("error_description", ""))
            raise ConsentRefused(_REFUSALS.get(int(found[1]) if found else 0, f"Microsoft ended it. {_AGAIN}"))
        connection = self.connections(link.connection)
        if connection is None:
            raise ConsentRefused(f"There is no connection {link.connection} any more.")
        if not query.get("code"):
            raise ConsentRefused(f"Microsoft's answer holds no code. {_AGAIN}")

        def exchange() -> SignedIn:
            with only_writer(self.leases, connection.name, "microsoft", self.pause):
                return self._signed_in(connection, link, query["code"], self._door.verifier(nonce))

        return exchange

    def _signed_in(self, connection: Connection, link: Link, code: str, verifier: str) -> SignedIn:
        credentials = self._credentials(self.secrets.newest(connection.name, "microsoft"), connection)
        wanted = scopes(connection)
        try:
            grant = self.accounts.exchange(credentials, wanted, code, link.redirect_uri, verifier)
        except NeedsAttention as error:
            raise ConsentRefused(f"{error} {_AGAIN}") from error
        if lacking := sorted(set(wanted) - set(grant.scopes)):
            raise ConsentRefused(f"Access was given without {', '.join(lacking)}. {_ADMIN}")
        now = self.clock()
        kept: dict[str, Any] = {
            "refresh_token": grant.refresh_token,
            "user_id": grant.person.id,
            "user": grant.person.address,
            "scopes": list(wanted),
            "at": stamp(now),
            "by": link.by,
        }
        token = {
            "access_token": grant.issued.access_token,
            "expires_at": stamp(now + timedelta(seconds=grant.issued.lifetime)),
        }
        tokens = {**credentials.get("tokens", {}), KIND: token}
        refusals = {kind: each for kind, each in credentials.get("refusals", {}).items() if kind != KIND}
        whole = {**credentials, "delegated": kept, "tokens": tokens, "refusals": refusals}
        self.secrets.put(connection.name, "microsoft", whole)
        self.tokens_changed(connection.name)
        return SignedIn(connection.name, grant.person, wanted, kept["at"], link.by)

    @property
    def _door(self) -> Door:
        return Door("microsoft", self.links, self.key, self.clock)

    def _credentials(self, credentials: Mapping[str, Any], connection: Connection) -> Mapping[str, Any]:
        if not credentials.get("client_id"):
            raise ConfigError(f"store the app's secret first: mlc credentials set {connection.name} microsoft")
        return credentials
