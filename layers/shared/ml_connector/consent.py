"""Connecting a Zoho organization: the authorization-code flow through the stack's own callback (zoho-books 4, 5).

    begin ──► link ──► Zoho's page ──► complete: state, data centre, code, organization ──► stored, or nothing changed

The `state` is signed, names the connection, ends after ten minutes and works once. The data centre is the answer's, if
it is in our table and is the connection's: a browser cannot send our client secret anywhere else. Zoho documents no
PKCE (4.2); what binds the answer to the question is the state, and the code is worth nothing without the client secret.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol
from urllib.parse import urlencode

from ml_connector.connections import Connection
from ml_connector.errors import ConfigError, ConnectorError, NeedsAttention, NotAllowed
from ml_connector.links import (
    LIFETIME,
    ConsentRefused,
    Door,
    Leases,
    Link,
    Links,
    Outcome,
    Secrets,
    StillWorking,
    only_writer,
)
from ml_connector.modules import EVENTS, MODULES
from ml_connector.ports import Clock, Grant, Organization
from ml_connector.regions import REGIONS, region_of
from ml_connector.routing import hears
from ml_connector.times import stamp

__all__ = [
    "CLIENT", "LIFETIME", "Accounts", "Connected", "Consent", "ConsentRefused", "Leases", "Link", "Links",
    "Organizations", "Outcome", "Secrets", "StillWorking", "commented", "only_writer", "scopes",
]  # fmt: skip

CLIENT = ("client_id", "client_secret", "client_region")
"""What of the credentials outlives a consent. The rest belongs to the refresh token."""

_DENIED = "Zoho was not given permission. Start again and press Accept."
_ERRORS = {
    "access_denied": _DENIED,
    "invalid_scope": "Zoho does not know one of the permissions that were asked for.",
    "invalid_client": "Zoho does not know the client id in this data centre.",
}


@dataclass(frozen=True, slots=True)
class Connected:
    """What a connection is connected to, since when and by whom. It holds no secret."""

    connection: str
    region: str
    organization: Organization
    scopes: tuple[str, ...]
    at: str
    by: str
    remark: str = ""
    """What was odd and did no harm, for the log."""


class Accounts(Protocol):
    """Raises RetryLater or NeedsAttention."""

    def exchange(self, region: str, client_id: str, client_secret: str, code: str, redirect_uri: str) -> Grant: ...

    def organizations(self, region: str, access_token: str) -> tuple[Organization, ...]: ...

    def revoke(self, credentials: Mapping[str, Any]) -> None: ...


class Organizations(Protocol):
    """What each connection is connected to."""

    def remember(self, connected: Connected) -> None: ...

    def of(self, connection: str) -> Connected | None: ...


def scopes(connection: Connection) -> tuple[str, ...]:
    """What the connection needs, and no more (zoho-books 5)."""
    wanted = {f"{MODULES[module].scope}.READ": None for module in connection.modules}
    wanted["settings.READ"] = None
    if connection.zoho["manage_webhooks"]:
        wanted |= dict.fromkeys(f"settings.{verb}" for verb in ("CREATE", "UPDATE", "DELETE"))
    # Writing a note takes the right to create the document itself: asked for only where notes are written.
    wanted |= dict.fromkeys(f"{MODULES[module].scope}.CREATE" for module in commented(connection))
    return tuple(f"ZohoBooks.{name}" for name in wanted)


def commented(connection: Connection) -> tuple[str, ...]:
    """The modules that take comments (zoho-books 7) and whose events a route sends to a zoho_comment destination, or
    onto a board of which what people do is noted.
    """
    places = connection.destinations.items()
    notes = {name for name, each in places if each["type"] == "zoho_comment" or each.get("feedback")}
    patterns = [pattern for route in connection.routes if notes & set(route["to"]) for pattern in route["events"]]
    return tuple(
        module
        for module in connection.modules
        if MODULES[module].comments and hears(patterns, [event for event in EVENTS if event.startswith(f"{module}.")])
    )


@dataclass(frozen=True, slots=True)
class Consent:
    """`key` signs the state; `tokens_changed` tells the schedule; `pause` waits for that many seconds."""

    connections: Callable[[str], Connection | None]
    secrets: Secrets
    leases: Leases
    accounts: Accounts
    links: Links
    organizations: Organizations
    tokens_changed: Callable[[str], None]
    key: Callable[[], str]
    clock: Clock
    pause: Callable[[float], None]

    def begin(self, connection: Connection, nonce: str, redirect_uri: str, by: str) -> str:
        """The address that the person opens. Raises ConfigError if there is no client yet."""
        credentials = self._client(self.secrets.get(connection.name, "zoho", max_age=0.0), connection)
        state = self._door.begin(Link(connection.name, redirect_uri, by), nonce)
        query = urlencode(
            {
                "response_type": "code",
                "client_id": credentials["client_id"],
                "scope": ",".join(scopes(connection)),
                "redirect_uri": redirect_uri,
                "access_type": "offline",
                "prompt": "consent",
                "state": state,
            }
        )
        # Asked where the client is registered; the person's data centre is in the answer (4.2).
        region = credentials.get("client_region") or connection.region
        return f"https://{REGIONS[region].accounts}/oauth/v2/auth?{query}"

    def complete(self, query: Mapping[str, str]) -> Connected:
        """Exchanges the code and stores the tokens. A second use tells the outcome of the first.

        Raises ConsentRefused, and RetryLater if Zoho cannot say; nothing is changed then.
        """
        replaced: list[Mapping[str, Any]] = []
        connected = self._door.complete(
            query.get("state", ""), lambda link, _: self._answered(link, query, replaced), self.organizations.of
        )
        # Not before how it ended is kept: Zoho may let us wait.
        self._give_back(replaced)
        return connected

    def by_code(self, connection: Connection, code: str, by: str) -> Connected:
        """Of a self client: there is no redirect, and the data centre is where its code was made (4.8)."""
        replaced: list[Mapping[str, Any]] = []
        connected = self._connect(connection, code, "", by, replaced)
        self._give_back(replaced)
        return connected

    @property
    def _door(self) -> Door:
        return Door("zoho", self.links, self.key, self.clock)

    def _answered(
        self, link: Link, query: Mapping[str, str], replaced: list[Mapping[str, Any]]
    ) -> Callable[[], Connected]:
        """The exchange, if what came back is the answer of the connection's own Zoho."""
        if error := query.get("error"):
            raise ConsentRefused(_ERRORS.get(error, "Zoho ended it with an error. Start again."))
        connection = self.connections(link.connection)
        if connection is None:
            raise ConsentRefused(f"There is no connection {link.connection} any more.")
        region = _region(query)
        if region != connection.region:
            raise ConsentRefused(
                f"The Zoho account that agreed is at home in the data centre {region.upper()}, but connection "
                f"{connection.name} says {connection.region.upper()}. Either agree with an account of "
                f'{connection.region.upper()}, or say region = "{region}" under [zoho] in the connection\'s file, '
                f"apply it, and start again."
            )
        if not query.get("code"):
            raise ConsentRefused("Zoho's answer holds no code. Start again.")
        return lambda: self._connect(connection, query["code"], link.redirect_uri, link.by, replaced)

    def _connect(
        self, connection: Connection, code: str, redirect_uri: str, by: str, replaced: list[Mapping[str, Any]]
    ) -> Connected:
        """Stores the tokens; credentials of ours that nobody needs any more are added to `replaced`."""
        with only_writer(self.leases, connection.name, "zoho", self.pause):
            credentials = self._client(self.secrets.newest(connection.name, "zoho"), connection)
            client = {name: credentials[name] for name in CLIENT if credentials.get(name)}
            region = connection.region
            try:
                grant = self.accounts.exchange(region, client["client_id"], client["client_secret"], code, redirect_uri)
            except NeedsAttention as error:
                raise ConsentRefused(f"{error}. Start again.") from error
            now = self.clock()
            new = {**client, "region": region, "refresh_token": grant.refresh_token}
            try:
                organization = self._chosen(connection, grant)
            except ConnectorError:
                # Not kept: it would be one of the twenty that a user may have (4.6).
                with suppress(ConnectorError):
                    self.accounts.revoke(new)
                raise
            token = {
                "access_token": grant.issued.access_token,
                "expires_at": stamp(now + timedelta(seconds=grant.issued.lifetime)),
            }
            self.secrets.put(connection.name, "zoho", {**new, "tokens": {"zoho": token}})
            self.tokens_changed(connection.name)
        # One that a person had stored may be in use elsewhere.
        if self.organizations.of(connection.name) and credentials.get("refresh_token") not in (
            None,
            new["refresh_token"],
        ):
            replaced.append({"region": region, **credentials})
        connected = Connected(
            connection=connection.name,
            region=region,
            organization=organization,
            scopes=grant.scopes or scopes(connection),
            at=stamp(now),
            by=by,
            remark=_remark(region, grant.api_domain),
        )
        self.organizations.remember(connected)
        return connected

    def _give_back(self, replaced: Iterable[Mapping[str, Any]]) -> None:
        """To Zoho: as one of a user's twenty it would in the end cost another connection its own (4.6)."""
        for credentials in replaced:
            with suppress(ConnectorError):
                self.accounts.revoke(credentials)

    def _chosen(self, connection: Connection, grant: Grant) -> Organization:
        """The connection's organization, if the one who agreed can see it."""
        try:
            visible = self.accounts.organizations(connection.region, grant.issued.access_token)
        except NotAllowed as error:
            raise ConsentRefused(
                "The access does not allow to list organizations: its scopes lack ZohoBooks.settings.READ. "
                f"The connection needs {','.join(scopes(connection))}"
            ) from error
        except NeedsAttention as error:
            raise ConsentRefused(f"{error}. Start again.") from error
        chosen = next((each for each in visible if each.id == connection.organization_id), None)
        if chosen is None:
            raise ConsentRefused(
                f"The Zoho user who agreed cannot see organization {connection.organization_id}, which connection "
                f"{connection.name} names. Either agree as a user of that organization, or set organization_id under "
                "[zoho] in the connection's file to one of these, apply it, and start again."
                if visible
                else "The Zoho user who agreed is in no Zoho Books organization of this data centre. "
                f"Agree as a user of organization {connection.organization_id}.",
                visible,
            )
        if not chosen.active:
            raise ConsentRefused(
                f"The organization {chosen.name} ({chosen.id}) is not active in Zoho Books. Reactivate it there, "
                "or name another one in the connection's file.",
                visible,
            )
        return chosen

    def _client(self, credentials: Mapping[str, Any], connection: Connection) -> Mapping[str, Any]:
        if not credentials.get("client_id") or not credentials.get("client_secret"):
            raise ConfigError(f"store the Zoho client first: mlc credentials set {connection.name} zoho")
        return credentials


def _region(query: Mapping[str, str]) -> str:
    """Of `accounts-server`, or of `location` where that is missing. Both come through the browser (4.3).

    They must not contradict each other; but the words of `location` are documented for three data centres only (4.1),
    so one that is not in our table says nothing against a server that is.
    """
    server, location = query.get("accounts-server", "").rstrip("/"), query.get("location", "").lower()
    region = region_of(server) if server else location
    if region not in REGIONS:
        raise ConsentRefused("The answer names a Zoho data centre that we do not know. Nothing was sent there.")
    if location in REGIONS and location != region:
        raise ConsentRefused("The answer names two different Zoho data centres. Nothing was sent to either.")
    return region


def _remark(region: str, api_domain: str) -> str:
    """Zoho's own examples disagree about `api_domain`: our table says where to call, whatever it says (4.4)."""
    if not api_domain or api_domain.rstrip("/") == f"https://{REGIONS[region].api}":
        return ""
    return f"Zoho's answer names the API domain {api_domain[:80]}; {REGIONS[region].api} is called"
