"""Connecting a monday.com account through an app: the authorization-code flow with PKCE (contracts: monday 2.2, 2.3).

    begin ──► link ──► monday's page ──► complete: state, code, PKCE, who it is ──► stored, or nothing changed

What is kept is in the connection's `monday` secret under `delegated`: the refresh token, who agreed, in which account.
A token of the older flow does not end and is kept as `token`, like a personal one; a newer one is under `tokens`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from ml_connector.connections import Connection
from ml_connector.errors import ConfigError, NeedsAttention
from ml_connector.links import ConsentRefused, Door, Leases, Link, Links, Secrets, only_writer
from ml_connector.ports import Clock, Issued
from ml_connector.times import stamp

KIND = "monday"
SCOPES = ("account:read", "boards:read", "boards:write", "me:read", "webhooks:read", "webhooks:write")
"""What the product needs, and no more (2.4). They must be among those that the app is set up with."""
APP = ("client_id", "client_secret", "signing_secret")
"""What of the credentials outlives a consent."""

_AGAIN = "Start again with `mlc auth monday`."
_ERRORS = {
    "access_denied": f"monday was not given permission. {_AGAIN}",
    "invalid_scope": f"The app is not set up with one of the scopes {' '.join(SCOPES)}: add it under OAuth in the "
    f"app's settings. {_AGAIN}",
    "unauthorized_client": "The app is not installed in this account: an administrator of it must install it first. "
    + _AGAIN,
}


@dataclass(frozen=True, slots=True)
class Member:
    """Who gave access: user and account. `kind` and `plan` are monday's words, such as member or view_only, and pro."""

    id: str
    name: str
    kind: str
    account_id: str
    account: str
    """The account's name, as in <name>.monday.com."""
    plan: str = field(default="", compare=False)
    """As it is now: it is not kept."""


@dataclass(frozen=True, slots=True)
class AppGrant:
    """`refresh_token` is "" in the older flow, whose tokens do not end."""

    issued: Issued
    refresh_token: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Joined:
    """What a connection works in monday as, since when, and who connected it. It holds no secret."""

    connection: str
    member: Member
    scopes: tuple[str, ...]
    renewed: bool
    """Whether its token ends and is renewed by the schedule."""
    at: str
    by: str


class Accounts(Protocol):
    def authorize_url(
        self, client_id: str, scopes: Sequence[str], redirect_uri: str, state: str, verifier: str
    ) -> str: ...

    def exchange(self, credentials: Mapping[str, Any], code: str, redirect_uri: str, verifier: str) -> AppGrant:
        """Raises RetryLater or NeedsAttention."""
        ...


@dataclass(frozen=True, slots=True)
class MondayConsent:
    """`whoami` asks monday with a token; `key` signs the state; `tokens_changed` tells the schedule."""

    connections: Callable[[str], Connection | None]
    secrets: Secrets
    leases: Leases
    accounts: Accounts
    whoami: Callable[[str], Member]
    links: Links
    tokens_changed: Callable[[str], None]
    key: Callable[[], str]
    clock: Clock
    pause: Callable[[float], None]

    def begin(self, connection: Connection, nonce: str, redirect_uri: str, by: str) -> str:
        """The address that the person opens. Raises ConfigError if no app is stored yet."""
        app = _app(self.secrets.get(connection.name, "monday", max_age=0.0), connection)
        state = self._door.begin(Link(connection.name, redirect_uri, by), nonce)
        return self.accounts.authorize_url(app["client_id"], SCOPES, redirect_uri, state, self._door.verifier(nonce))

    def complete(self, query: Mapping[str, str]) -> Joined:
        """Exchanges the code and stores the tokens. A second use tells the outcome of the first.

        Raises ConsentRefused, and RetryLater if monday cannot say; nothing is changed then.
        """
        return self._door.complete(
            query.get("state", ""), lambda link, nonce: self._answered(link, nonce, query), self.of
        )

    def of(self, connection: str) -> Joined | None:
        kept = self.secrets.get(connection, "monday", max_age=0.0).get("delegated")
        if not kept:
            return None
        member = Member(*(str(kept[name]) for name in ("user_id", "user", "kind", "account_id", "account")))
        return Joined(connection, member, tuple(kept["scopes"]), "refresh_token" in kept, kept["at"], kept["by"])

    def _answered(self, link: Link, nonce: str, query: Mapping[str, str]) -> Callable[[], Joined]:
        """The exchange, if what came back is a code."""
        if error := query.get("error"):
            raise ConsentRefused(_ERRORS.get(error, f"monday ended it with an error. {_AGAIN}"))
        connection = self.connections(link.connection)
        if connection is None:
            raise ConsentRefused(f"There is no connection {link.connection} any more.")
        if not query.get("code"):
            raise ConsentRefused(f"monday's answer holds no code. {_AGAIN}")

        def exchange() -> Joined:
            with only_writer(self.leases, connection.name, "monday", self.pause):
                return self._joined(connection, link, query["code"], self._door.verifier(nonce))

        return exchange

    def _joined(self, connection: Connection, link: Link, code: str, verifier: str) -> Joined:
        app = _app(self.secrets.newest(connection.name, "monday"), connection)
        try:
            grant = self.accounts.exchange(app, code, link.redirect_uri, verifier)
            if lacking := [scope for scope in SCOPES if scope not in grant.scopes] if grant.scopes else []:
                raise ConsentRefused(f"Access was given without {', '.join(lacking)}. {_ERRORS['invalid_scope']}")
            member = self.whoami(grant.issued.access_token)
        except NeedsAttention as error:
            raise ConsentRefused(f"{error}. {_AGAIN}") from error
        if member.kind == "view_only":
            raise ConsentRefused(f"{member.name} may only view: agree as a member who may edit the board. {_AGAIN}")
        if elsewhere := _elsewhere(connection, member, app.get("delegated", {})):
            raise ConsentRefused(f"{member.name} is of {member.account}.monday.com, {elsewhere}")
        now = self.clock()
        joined = Joined(connection.name, member, grant.scopes or SCOPES, bool(grant.refresh_token), stamp(now), link.by)
        whole = {**{name: app[name] for name in APP if app.get(name)}, "delegated": _kept(joined, grant)}
        if grant.refresh_token:
            ends = stamp(now + timedelta(seconds=grant.issued.lifetime))
            whole["tokens"] = {KIND: {"access_token": grant.issued.access_token, "expires_at": ends}}
        else:
            whole["token"] = grant.issued.access_token
        self.secrets.put(connection.name, "monday", whole)
        if grant.refresh_token:
            self.tokens_changed(connection.name)
        return joined

    @property
    def _door(self) -> Door:
        return Door("monday", self.links, self.key, self.clock)


def _kept(joined: Joined, grant: AppGrant) -> dict[str, Any]:
    member = joined.member
    return {
        **({"refresh_token": grant.refresh_token} if grant.refresh_token else {}),
        "user_id": member.id,
        "user": member.name,
        "kind": member.kind,
        "account_id": member.account_id,
        "account": member.account,
        "scopes": list(joined.scopes),
        "at": joined.at,
        "by": joined.by,
    }


def _elsewhere(connection: Connection, member: Member, before: Mapping[str, Any]) -> str:
    """Why the account cannot be the one that has the boards; "" if it may be."""
    places = [each for each in connection.destinations.values() if each["type"] == "monday"]
    named = {each["account"].casefold() for each in places if each.get("account")}
    if member.account and named and member.account.casefold() not in named:
        return f"but the connection's file has the boards in {', '.join(sorted(named))}. {_AGAIN}"
    if not named and before and before["account_id"] != member.account_id:
        name = connection.name
        return f"but boards are written in {before['account']}.monday.com: first `mlc auth revoke {name} monday`"
    return ""


def _app(credentials: Mapping[str, Any], connection: Connection) -> Mapping[str, Any]:
    if not credentials.get("client_id") or not credentials.get("client_secret"):
        raise ConfigError(
            f"store the monday app's client id and secret first: mlc credentials set {connection.name} monday"
        )
    return credentials
