"""A service account signs in (contracts: microsoft-teams 1.4)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from ml_connector.connections import Connection
from ml_connector.errors import ConfigError, NeedsAttention, RetryLater
from ml_connector.links import ConsentRefused, Door, Link, Outcome, StillWorking
from ml_connector.ports import Issued
from ml_connector.service_account import EDIT, KIND, SEND, Person, ServiceAccount, SignedIn, UserGrant, scopes
from tests.fakes import CHANNEL, TEAM, Clock, Leases, Links, Secrets, connection

CALLBACK = "https://hooks.acme.example/oauth/microsoft/callback"
OLD = {"refresh_token": "old", "user_id": "1", "user": "old@acme.example", "scopes": [SEND], "at": "x", "by": "y"}
STORED = {
    "client_id": "app",
    "client_secret": "secret",
    "tokens": {"microsoft.bot": {"access_token": "bot"}},
    "refusals": {KIND: {"reason": "revoked"}, "microsoft.bot": {"reason": "expired"}},
    "delegated": OLD,
}


def site(*, edits: bool = False) -> Connection:
    person = {"type": "teams", "transport": "delegated", "team_id": TEAM, "channel_id": CHANNEL, "edits": edits}
    plain = connection()
    return replace(plain, destinations={**plain.destinations, "person": person})


@dataclass
class Desk(Links):
    """Microsoft and the tables, in memory."""

    clock: Clock = field(default_factory=Clock)
    connection: Connection | None = field(default_factory=site)
    leases: Leases = field(default_factory=Leases)
    due: list[str] = field(default_factory=list)
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    grant: UserGrant = field(
        default_factory=lambda: UserGrant(Issued("access", 3600), "new", (SEND,), Person("7", "books@acme.example"))
    )
    fault: Exception | None = None

    def __post_init__(self) -> None:
        self.secrets = Secrets({("acme-eu", "microsoft"): STORED}, self.clock)

    def sign_in_url(self, app: Mapping[str, Any], *asked: Any) -> str:
        self.asked.append(asked)
        return "https://login.microsoftonline.com/"

    def exchange(self, credentials: Mapping[str, Any], *asked: Any) -> UserGrant:
        self.asked.append(asked)
        if self.fault:
            raise self.fault
        return self.grant

    def account(self) -> ServiceAccount:
        return ServiceAccount(
            connections=lambda name: self.connection,
            secrets=self.secrets,
            leases=self.leases,
            accounts=self,
            links=self,
            tokens_changed=self.due.append,
            key=lambda: "signing-key",
            clock=self.clock,
            pause=lambda seconds: None,
        )

    def state(self) -> str:
        """Of a link that was begun."""
        assert self.connection is not None
        self.account().begin(self.connection, "nonce-1", CALLBACK, "ola")
        state: str = self.asked[-1][2]
        return state

    def complete(self, **query: str) -> SignedIn:
        return self.account().complete({"state": self.state(), "code": "code-1", **query})

    @property
    def stored(self) -> Mapping[str, Any]:
        return self.secrets.stored["acme-eu", "microsoft"]


def test_sign_in_is_kept_beside_what_was_there() -> None:
    """The secret and the bot's token stay; the refusal of this token ends; the schedule is told."""
    desk = Desk()
    done = desk.complete()
    assert (done.person.address, done.scopes, done.by) == ("books@acme.example", (SEND,), "ola")
    assert desk.stored["delegated"]["refresh_token"] == "new"
    assert set(desk.stored["tokens"]) == {"microsoft.bot", KIND}
    assert set(desk.stored["refusals"]) == {"microsoft.bot"}
    assert (desk.stored["client_secret"], desk.due) == ("secret", ["acme-eu"])
    assert desk.account().of("acme-eu") == done


def test_code_is_bound_to_the_link() -> None:
    """PKCE: page and exchange get the same verifier, which is kept nowhere and is another one for another link."""
    desk = Desk()
    desk.complete()
    (_, _, _, at_page), (_, _, _, at_exchange) = desk.asked
    assert at_page == at_exchange
    assert at_page not in str(desk.begun) + str(desk.stored)
    other = Door("microsoft", desk, lambda: "signing-key", desk.clock).verifier("nonce-2")
    assert (other != at_page, 43 <= len(other) <= 128) == (True, True)
    assert hashlib.sha256(b"nonce-1").hexdigest() not in at_page


@pytest.mark.parametrize("edits", [False, True])
def test_only_what_is_needed_is_asked_for(edits: bool) -> None:
    """The permission to change messages needs an administrator: asked for only where the file says `edits`."""
    assert scopes(site(edits=edits)) == ((SEND, EDIT) if edits else (SEND,))


def test_less_than_needed_is_refused() -> None:
    """Nothing is changed; the sentence says who must do what."""
    desk = Desk(connection=site(edits=True))
    with pytest.raises(ConsentRefused, match=r"without ChannelMessage.ReadWrite.*administrator"):
        desk.complete()
    assert (desk.stored, desk.due) == (STORED, [])


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"error": "access_denied", "error_description": "AADSTS65004: User declined"}, "declined"),
        ({"error": "access_denied", "error_description": "AADSTS90094: admin"}, "administrator must consent"),
        ({"error": "server_error", "error_description": "<script>"}, "Microsoft ended it"),
        ({"code": ""}, "no code"),
    ],
)
def test_page_that_ends_otherwise(query: dict[str, str], says: str) -> None:
    """Of what came through the browser only a number is read; the person at the command line hears of it too."""
    desk = Desk()
    with pytest.raises(ConsentRefused, match=says) as caught:
        desk.complete(**query)
    assert "<script>" not in str(caught.value)
    # Anybody who has seen the address could have written that: the link still works.
    assert desk.outcomes["nonce-1"] == Outcome("declined", str(caught.value))
    assert desk.spent == set()
    assert desk.stored == STORED


def test_account_can_still_sign_in_after_an_answer_that_anybody_could_write() -> None:
    """Only a code spends the link."""
    desk = Desk()
    state = desk.state()
    for made_up in ({"error": "access_denied"}, {}):
        with pytest.raises(ConsentRefused):
            desk.account().complete({"state": state, **made_up})
    assert desk.account().complete({"state": state, "code": "code-1"}).person.id == "7"
    assert desk.outcomes["nonce-1"] == Outcome("connected")


def test_refused_code_changes_nothing() -> None:
    """And whoever loads the page again reads the same."""
    desk = Desk(fault=NeedsAttention("The code has ended."))
    state = desk.state()
    for says in ("The code has ended", "This link has been used: The code has ended"):
        with pytest.raises(ConsentRefused, match=says):
            desk.account().complete({"state": state, "code": "x"})
    assert desk.stored == STORED


def test_second_use_tells_the_first() -> None:
    """A browser that loads the page twice shall not frighten anybody; the code is exchanged once."""
    desk = Desk()
    state = desk.state()
    first = desk.account().complete({"state": state, "code": "x"})
    assert desk.account().complete({"state": state, "code": "x"}) == first
    assert len(desk.asked) == 2
    desk.outcomes.clear()
    with pytest.raises(StillWorking):
        desk.account().complete({"state": state, "code": "x"})


@pytest.mark.parametrize("state", ["", "x", "acme-eu.nonce-1.9999999999.00", "acme-eu.nonce-1"])
def test_forged_state_opens_nothing(state: str) -> None:
    """Neither a made-up one nor one that was signed for Zoho's callback."""
    desk = Desk()
    zoho = Door("zoho", desk, lambda: "signing-key", desk.clock).begin(Link("acme-eu", CALLBACK, "ola"), "nonce-1")
    for each in (state, zoho):
        with pytest.raises(ConsentRefused, match="not made by us"):
            desk.account().complete({"state": each, "code": "x"})
    assert desk.spent == set()


def test_old_link_is_refused() -> None:
    """After ten minutes."""
    desk = Desk()
    state = desk.state()
    desk.clock.advance(601)
    with pytest.raises(ConsentRefused, match="older than ten minutes"):
        desk.account().complete({"state": state, "code": "x"})


def test_refresh_under_way_is_waited_for() -> None:
    """One writer at a time: a refresh would write the old sign-in over the new one."""
    desk = Desk()
    state = desk.state()
    desk.leases.taken.add("acme-eu#microsoft")
    with pytest.raises(RetryLater):
        desk.account().complete({"state": state, "code": "x"})
    assert desk.stored == STORED


def test_credentials_of_a_moment_ago_are_not_built_upon() -> None:
    """While Secrets Manager still shows what was there before, nothing is exchanged, nothing written."""
    desk = Desk()
    state = desk.state()
    desk.secrets.lagging["acme-eu", "microsoft"] = {**STORED, "client_secret": "older"}
    with pytest.raises(RetryLater, match="just changed"):
        desk.account().complete({"state": state, "code": "x"})
    assert (desk.stored, len(desk.asked)) == (STORED, 1)


def test_connection_that_posts_otherwise_needs_nobody() -> None:
    """And one without an app registration's secret says which command stores it."""
    desk = Desk(connection=connection())
    with pytest.raises(ConfigError, match="delegated"):
        desk.state()
    desk = Desk()
    desk.secrets.stored.clear()
    with pytest.raises(ConfigError, match="mlc credentials set acme-eu microsoft"):
        desk.state()


def test_removed_connection_is_said() -> None:
    """Between the link and its use."""
    desk = Desk()
    state = desk.state()
    desk.connection = None
    with pytest.raises(ConsentRefused, match="no connection acme-eu any more"):
        desk.account().complete({"state": state, "code": "x"})
