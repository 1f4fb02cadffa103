"""A person gives an app access to monday.com (contracts: monday 2.2, 2.3, 2.4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from ml_connector.connections import Connection
from ml_connector.errors import ConfigError, NeedsAttention, RetryLater
from ml_connector.links import ConsentRefused
from ml_connector.monday_consent import SCOPES, AppGrant, Joined, Member, MondayConsent
from ml_connector.ports import Issued
from ml_connector.tokens import Due, Tokens
from ml_connector.vendors.monday_token import Access
from tests.fakes import AccessTokens, Clock, Leases, Links, Secrets, connection

CALLBACK = "https://hooks.acme.example/oauth/monday/callback"
APP = {"client_id": "app", "client_secret": "sEcReT", "signing_secret": "sign"}
OLA = Member("7", "Ola", "member", "11", "harbour")


@dataclass
class Desk(Links):
    """monday and the tables, in memory."""

    clock: Clock = field(default_factory=Clock)
    stored: Mapping[str, Any] = field(default_factory=lambda: dict(APP))
    grant: AppGrant = field(default_factory=lambda: AppGrant(Issued("access", 3600), "refresh", SCOPES))
    member: Member = OLA
    fault: Exception | None = None
    due: list[str] = field(default_factory=list)
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    site: Connection = field(default_factory=connection)

    def __post_init__(self) -> None:
        self.secrets = Secrets({("acme-eu", "monday"): self.stored}, self.clock)

    def authorize_url(self, *asked: Any) -> str:
        self.asked.append(asked)
        return "https://auth.monday.com/oauth2/authorize"

    def exchange(self, credentials: Mapping[str, Any], *asked: Any) -> AppGrant:
        self.asked.append(asked)
        if self.fault:
            raise self.fault
        return self.grant

    def consent(self) -> MondayConsent:
        return MondayConsent(
            connections=lambda name: self.site,
            secrets=self.secrets,
            leases=Leases(),
            accounts=self,
            whoami=lambda token: self.member,
            links=self,
            tokens_changed=self.due.append,
            key=lambda: "signing-key",
            clock=self.clock,
            pause=lambda seconds: None,
        )

    def complete(self, **query: str) -> Joined:
        self.spent.clear()
        self.consent().begin(connection(), "nonce-1", CALLBACK, "by-me")
        state: str = self.asked[-1][3]
        return self.consent().complete({"state": state, "code": "code-1", **query})

    @property
    def kept(self) -> Mapping[str, Any]:
        return self.secrets.stored["acme-eu", "monday"]


def test_newer_flow_is_kept_with_its_refresh_token_and_the_schedule_hears_of_it() -> None:
    desk = Desk()
    joined = desk.complete()
    assert (joined.member, joined.renewed, joined.by) == (OLA, True, "by-me")
    assert desk.kept["delegated"]["refresh_token"] == "refresh"
    assert desk.kept["tokens"]["monday"]["access_token"] == "access"
    assert {name: desk.kept[name] for name in APP} == APP
    assert "token" not in desk.kept
    assert desk.due == ["acme-eu"]
    assert desk.consent().of("acme-eu") == joined


def test_older_flow_is_kept_like_a_personal_token() -> None:
    """It does not end (2.2): nothing is to be renewed."""
    desk = Desk(grant=AppGrant(Issued("forever", 3600), "", SCOPES))
    assert not desk.complete().renewed
    assert (desk.kept["token"], desk.due) == ("forever", [])
    assert "tokens" not in desk.kept
    assert Access(desk.secrets, AccessTokens(), "acme-eu").token() == "forever"


def test_verifier_of_the_exchange_is_that_of_the_page() -> None:
    """PKCE binds the code to whoever asked for it; it is kept nowhere."""
    desk = Desk()
    desk.complete()
    (_, _, _, _, shown), (_, _, sent) = desk.asked
    assert shown == sent
    assert shown not in str(desk.kept)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"fault": NeedsAttention("monday does not accept this code any more")}, "this code"),
        ({"grant": AppGrant(Issued("a", 1), "r", ("boards:read",))}, "boards:write"),
        ({"member": Member("7", "Ola", "view_only", "11", "harbour")}, "may only view"),
    ],
)
def test_what_could_not_write_is_not_kept(changes: dict[str, Any], says: str) -> None:
    """Nothing is stored, and the person is told why."""
    desk = Desk(**changes)
    with pytest.raises(ConsentRefused, match=says):
        desk.complete()
    assert (desk.kept, desk.due) == (APP, [])
    assert desk.outcomes["nonce-1"].state == "refused"


def test_account_that_the_file_does_not_name_is_refused() -> None:
    """Whoever opens the address may be signed in to another account: nothing could be written to the boards."""
    site = connection(destinations={"ledger": {"type": "monday", "board_id": 1, "account": "harbour"}})
    desk = Desk(member=replace(OLA, account_id="12", account="elsewhere"), site=site)
    with pytest.raises(ConsentRefused, match=r"elsewhere\.monday\.com.*harbour"):
        desk.complete()
    assert desk.kept == APP
    desk.member = replace(OLA, account="Harbour")
    assert desk.complete().member == desk.member


def test_another_account_than_before_is_refused_until_that_is_given_back() -> None:
    """A new consent is for the same boards, unless somebody says otherwise."""
    desk = Desk()
    desk.complete()
    desk.member = replace(OLA, account_id="12", account="elsewhere")
    before = desk.kept
    with pytest.raises(ConsentRefused, match="mlc auth revoke acme-eu monday"):
        desk.complete()
    assert desk.kept == before


@pytest.mark.parametrize(
    ("error", "says"),
    [("access_denied", "not given permission"), ("unauthorized_client", "not installed"), ("server_error", "ended it")],
)
def test_error_of_the_page_is_told_and_its_own_words_are_not(error: str, says: str) -> None:
    with pytest.raises(ConsentRefused, match=says) as caught:
        Desk().complete(error=error, error_description="<b>evil</b>")
    assert "evil" not in str(caught.value)


def test_monday_that_cannot_say_changes_nothing() -> None:
    desk = Desk(fault=RetryLater("monday's accounts server answered 500"))
    with pytest.raises(RetryLater):
        desk.complete()
    assert desk.kept == APP


def test_app_must_be_stored_first() -> None:
    with pytest.raises(ConfigError, match="mlc credentials set acme-eu monday"):
        Desk(stored={"token": "personal"}).complete()


# --- using it ------------------------------------------------------------------------------------------------------


def test_renewed_token_comes_from_the_shared_tokens_and_its_calls_count_for_the_app() -> None:
    """By account and app (5.1), whatever the hour's token is."""
    desk = Desk()
    desk.complete()
    access = Access(desk.secrets, AccessTokens(), "acme-eu")
    first = access.token()
    again = access.renew(first)
    assert again != first
    assert access.account(first) == access.account(again) == "app#11"


@pytest.mark.parametrize(
    ("stored", "says", "remedy"),
    [({}, "mlc credentials set acme-eu monday", "credentials"), (APP, "mlc auth monday acme-eu", "consent")],
)
def test_no_access_says_what_to_type(stored: dict[str, str], says: str, remedy: str) -> None:
    desk = Desk(stored=stored)
    with pytest.raises(NeedsAttention, match=says) as caught:
        Access(desk.secrets, AccessTokens(), "acme-eu").token()
    assert caught.value.remedy == remedy


def test_access_of_the_older_flow_that_ended_needs_a_new_consent() -> None:
    """The app was uninstalled (2.2): its client id and secret are right, and storing them again would not help."""
    desk = Desk(grant=AppGrant(Issued("forever", 3600), "", SCOPES))
    desk.complete()
    with pytest.raises(NeedsAttention, match="Ola") as caught:
        Access(desk.secrets, AccessTokens(), "acme-eu").renew("forever")
    assert caught.value.remedy == "consent"


def test_personal_token_is_not_renewed() -> None:
    """It does not end; one that is refused was regenerated (2.1)."""
    access = Access(Secrets({("acme-eu", "monday"): {"token": "personal"}}), AccessTokens(), "acme-eu")
    assert (access.renew("personal"), access.account("personal")) == ("", "personal")


def test_refresh_token_rotates_under_the_same_lease_as_zohos() -> None:
    """One writer; the newest refresh token goes in with the token, and the refusal of the old one is forgotten."""
    from tests.fakes import Agenda

    desk = Desk()
    desk.complete()
    asked: list[str] = []

    class Rotating:
        def issue(self, credentials: Mapping[str, Any]) -> Issued:
            asked.append(credentials["delegated"]["refresh_token"])
            new = {**credentials["delegated"], "refresh_token": f"refresh-{len(asked)}"}
            return Issued(f"access-{len(asked)}", 3600, {"delegated": new})

    leases = Leases()
    tokens = Tokens(desk.secrets, leases, Agenda(), {"monday": Rotating()}, desk.clock)
    for _ in range(3):
        desk.clock.advance(3600)
        tokens.access_token("acme-eu", "monday")
    assert asked == ["refresh", "refresh-1", "refresh-2"]
    assert desk.kept["delegated"]["refresh_token"] == "refresh-3"
    assert desk.kept["delegated"]["user"] == "Ola"


def test_rotated_refresh_token_is_kept_though_the_secret_cannot_be_read_again() -> None:
    """The old one is spent: without the new one a person would have to agree anew (2.3). Nobody else writes then."""
    from tests.fakes import Agenda

    desk = Desk()
    desk.complete()
    stale = dict(desk.kept)

    class Lagging:
        def issue(self, credentials: Mapping[str, Any]) -> Issued:
            desk.secrets.lagging["acme-eu", "monday"] = stale
            return Issued("access-2", 3600, {"delegated": {**credentials["delegated"], "refresh_token": "refresh-2"}})

    desk.clock.advance(3600)
    tokens = Tokens(desk.secrets, Leases(), Agenda(), {"monday": Lagging()}, desk.clock)
    assert tokens.access_token("acme-eu", "monday") == "access-2"
    assert desk.kept["delegated"]["refresh_token"] == "refresh-2"


def test_consent_of_the_older_flow_ends_the_alarm_of_the_newer_one() -> None:
    """Its token does not end, so nothing is renewed: but the row that needs a person must not need one for ever."""
    from ml_connector.vendors.monday_accounts import MondayAccounts
    from tests.fakes import Agenda

    desk = Desk(grant=AppGrant(Issued("forever", 3600), "", SCOPES))
    desk.complete()
    agenda = Agenda()
    agenda.set(Due("acme-eu", "monday", "2026-01-01T00:00:00Z", "needs_attention", "refused"))
    issuer = MondayAccounts(http=None, clock=desk.clock)  # type: ignore[arg-type]
    tokens = Tokens(desk.secrets, Leases(), agenda, {"monday": issuer}, desk.clock)
    assert tokens.refresh_due()["refreshed"] == 1
    (row,) = agenda.all()
    assert (row.state, row.reason, row.due_at > "2027") == ("ok", "", True)
    assert Access(desk.secrets, AccessTokens(), "acme-eu").token() == "forever"
