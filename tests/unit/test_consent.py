"""Connecting a Zoho organization (contracts: zoho-books 4, 5)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ml_connector.connections import Connection
from ml_connector.consent import (
    Connected,
    Consent,
    ConsentRefused,
    Outcome,
    StillWorking,
    commented,
    scopes,
)
from ml_connector.errors import ConfigError, ConnectorError, NeedsAttention, NotAllowed, RetryLater
from ml_connector.modules import CORE
from ml_connector.ports import Grant, Issued, Organization
from ml_connector.regions import REGIONS
from tests.fakes import Links, connection

NOW = datetime(2026, 10, 21, 14, 0, tzinfo=UTC)
CALLBACK = "https://hooks.fjord.example/oauth/zoho/callback"
CLIENT = {"client_id": "1000.CLIENT", "client_secret": "client-secret"}
STORED = {**CLIENT, "region": "eu", "refresh_token": "old", "tokens": {"zoho": {}}, "refusals": {"zoho": {}}}
FJORD = Organization("700100200", "Fjord Seafood", "Europe/Oslo", "NOK", "Premium")
OTHER = Organization("700100201", "Fjord Holding", "Europe/Oslo", "NOK")


def site(**zoho: Any) -> Connection:
    return connection(
        "fjord", zoho={"region": "eu", "organization_id": FJORD.id, "modules": list(CORE), **zoho}, routes=[]
    )


@dataclass
class Desk(Links):
    """Zoho, Secrets Manager, the leases and the tables, in memory."""

    now: datetime = NOW
    key: str = "signing-key"
    connection: Connection | None = field(default_factory=site)
    kept: dict[tuple[str, str], Mapping[str, Any]] = field(default_factory=lambda: {("fjord", "zoho"): STORED})
    known: dict[str, Connected] = field(default_factory=dict)
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    due: list[str] = field(default_factory=list)
    grant: Grant = field(
        default_factory=lambda: Grant(Issued("access-1", 3600), "refresh-1", "https://www.zohoapis.eu")
    )
    visible: tuple[Organization, ...] = (OTHER, FJORD)
    faults: dict[str, Exception] = field(default_factory=dict)
    held_by_others: int = 0
    """How many more times the lease is somebody else's."""
    holding: bool = False
    pauses: list[float] = field(default_factory=list)

    # --- ports

    def get(self, connection: str, purpose: str, *, max_age: float = 300.0) -> Mapping[str, Any]:
        assert max_age == 0
        return self.kept.get((connection, purpose), {})

    def newest(self, connection: str, purpose: str) -> Mapping[str, Any]:
        assert self.holding
        if fault := self.faults.get("newest"):
            raise fault
        return self.kept.get((connection, purpose), {})

    def put(self, connection: str, purpose: str, value: Mapping[str, Any]) -> None:
        assert self.holding
        self.kept[connection, purpose] = value

    @contextmanager
    def held(self, name: str, seconds: int) -> Iterator[bool]:
        assert name == "fjord#zoho"
        if self.held_by_others:
            self.held_by_others -= 1
            yield False
            return
        self.holding = True
        try:
            yield True
        finally:
            self.holding = False

    def exchange(self, *call: str) -> Grant:
        self._called("exchange", *call)
        return self.grant

    def organizations(self, *call: str) -> tuple[Organization, ...]:
        self._called("organizations", *call)
        return self.visible

    def revoke(self, credentials: Mapping[str, Any]) -> None:
        self._called("revoke", credentials["refresh_token"])

    def _called(self, name: str, *arguments: Any) -> None:
        self.calls.append((name, *arguments))
        if fault := self.faults.get(name):
            raise fault

    def remember(self, connected: Connected) -> None:
        self.known[connected.connection] = connected

    def of(self, connection: str) -> Connected | None:
        return self.known.get(connection)

    # --- steps

    @property
    def consent(self) -> Consent:
        return Consent(
            connections=lambda name: self.connection if name == "fjord" else None,
            secrets=self,
            leases=self,
            accounts=self,
            links=self,
            organizations=self,
            tokens_changed=self.due.append,
            key=lambda: self.key,
            clock=lambda: self.now,
            pause=self.pauses.append,
        )

    def link(self, nonce: str = "nonce-1") -> dict[str, str]:
        """The query of the address that the person opens."""
        assert self.connection
        url = urlsplit(self.consent.begin(self.connection, nonce, CALLBACK, "ola"))
        assert (url.scheme, url.path) == ("https", "/oauth/v2/auth")
        return {"host": url.netloc, **{name: value[0] for name, value in parse_qs(url.query).items()}}

    def answer(self, **changes: str) -> dict[str, str]:
        """What Zoho sends the browser back with. What is changed to "" is left out."""
        whole = {
            "state": self.link()["state"],
            "code": "code-1",
            "location": "eu",
            "accounts-server": "https://accounts.zoho.eu",
            **{name.replace("_", "-"): value for name, value in changes.items()},
        }
        return {name: value for name, value in whole.items() if value}


def refusal(desk: Desk, query: Mapping[str, str], outcome: type[ConnectorError] = ConsentRefused) -> ConnectorError:
    """Nothing is stored, nothing is due, nothing remembered."""
    before = dict(desk.kept)
    with pytest.raises(outcome) as caught:
        desk.consent.complete(query)
    assert type(caught.value) is outcome
    assert (desk.kept, desk.due, desk.known) == (before, [], {})
    assert "secret" not in str(caught.value).replace("client secret", "")
    return caught.value


# --- scopes ------------------------------------------------------------------------------------------------------

READ = {f"ZohoBooks.{family}.READ" for family in ("invoices", "bills", "purchaseorders", "customerpayments")}
READ |= {"ZohoBooks.vendorpayments.READ", "ZohoBooks.settings.READ"}
SET_UP = {f"ZohoBooks.settings.{verb}" for verb in ("CREATE", "UPDATE", "DELETE")}


def test_scopes_are_those_of_the_connection() -> None:
    """Reading of its modules and of the organizations; writing settings only where webhooks are installed by API."""
    assert set(scopes(site())) == READ | SET_UP
    assert set(scopes(site(manage_webhooks=False))) == READ
    assert scopes(site(manage_webhooks=False, modules=["vendor_credit"])) == (
        "ZohoBooks.debitnotes.READ",
        "ZohoBooks.settings.READ",
    )


@pytest.mark.parametrize(
    ("patterns", "modules"),
    [
        (["invoice.paid"], ("invoice",)),
        (["invoice.*", "*.deleted"], ("invoice", "bill", "purchase_order")),
        (["customer_payment.created"], ()),  # takes no comments
        (["estimate.sent"], ()),  # is not carried
        ([], ()),
    ],
)
def test_right_to_write_is_asked_for_only_where_notes_are_written(
    patterns: list[str], modules: tuple[str, ...]
) -> None:
    """It would also allow to create the documents themselves."""
    notes = {"notes": {"type": "zoho_comment"}, "ledger": {"type": "monday"}}
    routes = [{"events": patterns, "when": {}, "to": ["notes"]}, {"events": ["*"], "when": {}, "to": ["ledger"]}]
    each = replace(site(manage_webhooks=False), destinations=notes, routes=tuple(routes))
    assert commented(each) == modules
    extra = set(scopes(each)) - READ
    assert extra == {f"ZohoBooks.{name.replace('_', '')}s.CREATE" for name in modules}


def test_right_to_write_is_asked_for_what_people_do_on_a_board() -> None:
    """Also if no route leads to the notes: what is routed onto the board may be noted."""
    places = {"notes": {"type": "zoho_comment"}, "ledger": {"type": "monday", "feedback": "notes"}}
    routes = ({"events": ["bill.*"], "when": {}, "to": ["ledger"]},)
    assert commented(replace(site(manage_webhooks=False), destinations=places, routes=routes)) == ("bill",)


# --- begin -------------------------------------------------------------------------------------------------------


def test_the_address_asks_for_lasting_access() -> None:
    """The person grants what the connection needs, for good, and comes back to the stack's own callback."""
    link = Desk().link()
    assert link["host"] == "accounts.zoho.eu"
    assert link["redirect_uri"] == CALLBACK
    assert (link["access_type"], link["prompt"], link["response_type"]) == ("offline", "consent", "code")
    assert link["client_id"] == "1000.CLIENT"
    assert link["scope"].split(",") == list(scopes(site()))
    assert "client-secret" not in str(link)


@pytest.mark.parametrize("region", REGIONS)
def test_every_data_centre_has_its_page(region: str) -> None:
    """The connection's, whatever was stored with the client earlier."""
    assert Desk(connection=site(region=region)).link()["host"] == REGIONS[region].accounts


def test_client_may_be_registered_elsewhere() -> None:
    """Zoho is asked where the client is registered, and says itself where the person is at home (4.2)."""
    desk = Desk(kept={("fjord", "zoho"): {**STORED, "client_region": "us"}})
    assert desk.link()["host"] == "accounts.zoho.com"
    desk.consent.complete(desk.answer())
    assert desk.calls[0][:2] == ("exchange", "eu")
    assert desk.kept["fjord", "zoho"]["client_region"] == "us"


@pytest.mark.parametrize("stored", [{}, {"client_id": "1000.CLIENT"}])
def test_without_a_client_there_is_nothing_to_consent_to(stored: dict[str, str]) -> None:
    """The way out is in the message."""
    desk = Desk(kept={("fjord", "zoho"): stored})
    with pytest.raises(ConfigError, match="mlc credentials set fjord zoho"):
        desk.link()
    assert desk.begun == {}


# --- complete ----------------------------------------------------------------------------------------------------


def test_tokens_are_stored_and_due_at_once() -> None:
    """After one visit the connection has its tokens and a place in the schedule; of the old consent nothing is left."""
    desk = Desk()
    connected = desk.consent.complete(desk.answer())
    assert desk.calls == [
        ("exchange", "eu", "1000.CLIENT", "client-secret", "code-1", CALLBACK),
        ("organizations", "eu", "access-1"),
    ]
    assert desk.kept["fjord", "zoho"] == {
        **CLIENT,
        "region": "eu",
        "refresh_token": "refresh-1",
        "tokens": {"zoho": {"access_token": "access-1", "expires_at": "2026-10-21T15:00:00Z"}},
    }
    assert desk.due == ["fjord"]
    assert connected == Connected("fjord", "eu", FJORD, scopes(site()), "2026-10-21T14:00:00Z", "ola")
    assert desk.known == {"fjord": connected}
    assert desk.outcomes == {"nonce-1": Outcome("connected")}


def test_scopes_that_zoho_names_are_the_ones_kept() -> None:
    """What was granted counts, where the answer says it."""
    desk = Desk()
    desk.grant = replace(desk.grant, scopes=("ZohoBooks.invoices.READ",))
    assert desk.consent.complete(desk.answer()).scopes == ("ZohoBooks.invoices.READ",)


@pytest.mark.parametrize(
    ("api_domain", "odd"),
    [
        ("https://www.zohoapis.eu", False),
        ("https://www.zohoapis.eu/", False),
        ("", False),
        ("https://api.zoho.eu", True),
        ("https://evil.example", True),
    ],
)
def test_api_domain_of_the_answer_is_compared_and_never_followed(api_domain: str, odd: bool) -> None:
    """The table says where to call; a difference goes into the log (4.4)."""
    desk = Desk()
    desk.grant = replace(desk.grant, api_domain=api_domain)
    remark = desk.consent.complete(desk.answer()).remark
    assert bool(remark) == odd
    assert (api_domain in remark and "www.zohoapis.eu is called" in remark) or not odd
    assert desk.calls[1] == ("organizations", "eu", "access-1")


@pytest.mark.parametrize(
    ("changes", "fine"),
    [
        ({}, True),
        ({"location": ""}, True),
        ({"accounts_server": ""}, True),
        ({"accounts_server": "https://accounts.zoho.eu/", "location": "EU"}, True),
        ({"accounts_server": "", "location": ""}, False),
        ({"accounts_server": "https://accounts.zoho.eu.evil.example"}, False),
        ({"accounts_server": "https://accounts.zoho.eu.evil.example", "location": ""}, False),
        ({"accounts_server": "http://accounts.zoho.eu"}, False),
        ({"accounts_server": "https://x"}, False),
        ({"accounts_server": "https://accounts.zoho.uk", "location": "uk"}, False),  # no Books known there (4.1)
        ({"location": "xx"}, True),  # the server is in our table, and no word of our table contradicts it
        ({"accounts_server": "", "location": "xx"}, False),
        ({"location": "in"}, False),
        ({"accounts_server": "https://accounts.zoho.in"}, False),
    ],
)
def test_no_secret_goes_to_an_unknown_server(changes: dict[str, str], fine: bool) -> None:
    """A browser cannot send our client secret to a host of its choice: what it says must be one row of our table."""
    desk = Desk()
    query = desk.answer(**changes)
    if fine:
        assert desk.consent.complete(query).region == "eu"
    else:
        assert "data centre" in str(refusal(desk, query))
        assert desk.calls == []


@pytest.mark.parametrize(
    ("region", "location"), [("au", "com.au"), ("ca", "zohocloud.ca"), ("cn", "com.cn"), ("ae", "uae"), ("jp", "jp")]
)
def test_server_of_our_table_counts_whatever_location_is_called(region: str, location: str) -> None:
    """Its words are documented for three data centres only (4.1)."""
    desk = Desk(connection=site(region=region))
    server = f"https://{REGIONS[region].accounts}"
    assert desk.consent.complete(desk.answer(accounts_server=server, location=location)).region == region


def test_account_of_another_data_centre_is_refused_before_anything_is_sent() -> None:
    """The connection's file is the authority on where its organization lives; the person is told what to write."""
    desk = Desk()
    error = refusal(desk, desk.answer(location="in", accounts_server="https://accounts.zoho.in"))
    assert 'region = "in"' in str(error)
    assert "says EU" in str(error)
    assert desk.calls == []


@pytest.mark.parametrize(
    "state",
    ["", ".", "...", "fjord.nonce-1.9999999999", "fjord.nonce-1.9999999999." + "0" * 64, "ü.ü.ü.ü", "a.b.c.d.e"],
)
def test_a_made_up_state_is_refused(state: str) -> None:
    """Only a link that mlc made is honoured."""
    desk = Desk()
    assert "not made by us" in str(refusal(desk, desk.answer() | {"state": state}))
    assert (desk.calls, desk.outcomes) == ([], {})


def test_a_state_for_one_connection_opens_no_other() -> None:
    """The connection's name is signed."""
    desk = Desk()
    state = desk.answer()["state"]
    assert "not made by us" in str(refusal(desk, desk.answer(state=state.replace("fjord", "other", 1))))


def test_a_state_of_another_key_is_refused() -> None:
    """After the key was replaced, links made before it are void."""
    desk = Desk()
    answer = desk.answer()
    desk.key = "another-key"
    assert "not made by us" in str(refusal(desk, answer))


def test_a_link_ends_after_ten_minutes() -> None:
    """An address left in a mailbox is worth nothing."""
    desk = Desk()
    answer = desk.answer()
    desk.now = NOW + timedelta(minutes=10, seconds=1)
    assert "ten minutes" in str(refusal(desk, answer))


def test_signed_state_that_nobody_began_is_refused() -> None:
    """Whoever learns the signing key still has no link."""
    desk = Desk()
    answer = desk.answer()
    desk.begun.clear()
    refusal(desk, answer, StillWorking)
    assert desk.calls == []


# --- once --------------------------------------------------------------------------------------------------------


def test_a_link_works_once_and_a_reload_shows_the_same() -> None:
    """A browser that loads ahead of its person, or twice, neither exchanges twice nor frightens anybody."""
    desk = Desk()
    answer = desk.answer()
    connected = desk.consent.complete(answer)
    desk.calls.clear()
    assert desk.consent.complete(answer) == connected
    assert (desk.calls, desk.due) == ([], ["fjord"])


def test_reload_of_a_refusal_repeats_its_reason() -> None:
    """Not merely that the link is used."""
    desk = Desk(visible=(OTHER,))
    answer = desk.answer()
    refusal(desk, answer)
    desk.calls.clear()
    desk.visible = (FJORD,)
    assert "cannot see organization 700100200" in str(refusal(desk, answer))
    assert desk.calls == []


def test_second_call_while_the_first_is_at_work_waits() -> None:
    """It is no refusal: the page is loaded again."""
    desk = Desk()
    answer = desk.answer()
    desk.spent.add("nonce-1")
    assert "in a few seconds" in str(refusal(desk, answer, StillWorking))


def test_reload_of_a_refusal_lists_no_organizations() -> None:
    """Whoever has seen the address is not shown what the one who agreed can see; who waits at the terminal is."""
    desk = Desk(visible=(OTHER,))
    answer = desk.answer()
    refusal(desk, answer)
    again = refusal(desk, answer)
    assert OTHER.name not in str(again)
    assert isinstance(again, ConsentRefused)
    assert again.visible == ()
    assert OTHER.name in desk.outcomes["nonce-1"].text


# --- the old access ----------------------------------------------------------------------------------------------


def twice(desk: Desk, second: str = "refresh-2") -> list[tuple[Any, ...]]:
    """Connects, connects once more; what Zoho was asked in all."""
    desk.consent.complete(desk.answer())
    desk.spent.clear()
    desk.grant = Grant(Issued("access-2", 3600), second)
    desk.consent.complete(desk.answer())
    assert desk.kept["fjord", "zoho"]["refresh_token"] == second
    return desk.calls


def test_new_consent_gives_the_old_token_back() -> None:
    """It would stay one of the user's twenty, and the twenty-first ends another connection's (4.6)."""
    assert twice(Desk()).count(("revoke", "refresh-1")) == 1


def test_same_token_again_is_not_given_back() -> None:
    """It is the one in use."""
    assert ("revoke", "refresh-1") not in twice(Desk(), second="refresh-1")


def test_token_that_a_person_had_stored_is_not_given_back() -> None:
    """Another connection may live on it."""
    desk = Desk()
    desk.consent.complete(desk.answer())
    assert [call[0] for call in desk.calls] == ["exchange", "organizations"]


def test_old_token_that_zoho_does_not_take_back_is_no_trouble() -> None:
    """The connection is connected all the same, and whoever waits is told before Zoho is asked."""
    desk = Desk(faults={"revoke": RetryLater("Zoho is busy")})
    assert ("revoke", "refresh-1") in twice(desk)
    assert desk.outcomes["nonce-1"] == Outcome("connected")


# --- refused -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "says"),
    [
        ("access_denied", "press Accept"),
        ("invalid_scope", "permissions"),
        ("<script>", "ended it with an error"),
    ],
)
def test_a_person_may_say_no(error: str, says: str) -> None:
    """Declining is said so, also to the one who waits at the command line, and changes nothing."""
    desk = Desk()
    message = str(refusal(desk, desk.answer(error=error, code="")))
    assert says in message
    assert "<script>" not in message
    assert desk.outcomes["nonce-1"] == Outcome("declined", message)


@pytest.mark.parametrize(
    "made_up",
    [
        {"error": "access_denied"},
        {"code": ""},
        {"accounts_server": "https://evil.example"},
        {"accounts_server": "https://accounts.zoho.in", "location": "in"},
    ],
)
def test_only_an_exchange_spends_the_link(made_up: dict[str, str]) -> None:
    """Whoever has seen the address can make up such an answer; the person whose link it is can still agree."""
    desk = Desk()
    answer = desk.answer()
    refusal(desk, desk.answer(**made_up) | {"state": answer["state"]})
    assert desk.spent == set()
    assert desk.consent.complete(answer).region == "eu"
    assert desk.outcomes == {"nonce-1": Outcome("connected")}
    with pytest.raises(ConsentRefused):
        desk.consent.complete(desk.answer(**made_up) | {"state": answer["state"]})
    assert desk.outcomes == {"nonce-1": Outcome("connected")}, "who waits at the command line is told the truth"


def test_answer_without_a_code_is_refused() -> None:
    """There is nothing to exchange."""
    desk = Desk()
    assert "no code" in str(refusal(desk, desk.answer(code="")))
    assert desk.calls == []


def test_code_that_zoho_does_not_take_is_refused() -> None:
    """Used twice, or too late: Zoho's reason, and that one can start again."""
    desk = Desk(faults={"exchange": NeedsAttention("Zoho does not accept the code")})
    assert str(refusal(desk, desk.answer())) == "Zoho does not accept the code. Start again."


def test_organization_that_is_not_visible_is_not_connected() -> None:
    """What can be seen is listed, and the token that would never be used is given back."""
    desk = Desk(visible=(OTHER,))
    error = refusal(desk, desk.answer())
    assert isinstance(error, ConsentRefused)
    assert error.visible == (OTHER,)
    assert "cannot see organization 700100200" in str(error)
    assert desk.calls[-1] == ("revoke", "refresh-1")
    assert "700100201  Fjord Holding  Europe/Oslo" in desk.outcomes["nonce-1"].text


def test_user_without_any_organization_is_told_so() -> None:
    """There is no list to choose from."""
    desk = Desk(visible=())
    assert "in no Zoho Books organization" in str(refusal(desk, desk.answer()))


def test_inactive_organization_is_refused() -> None:
    """Every read would be."""
    desk = Desk(visible=(replace(FJORD, active=False),))
    assert "Fjord Seafood (700100200) is not active" in str(refusal(desk, desk.answer()))
    assert desk.calls[-1][0] == "revoke"


def test_access_without_the_list_of_organizations_is_refused() -> None:
    """As a self client's code can be: the scopes to choose are named."""
    desk = Desk(faults={"organizations": NotAllowed("the access lacks a scope")})
    assert "ZohoBooks.settings.READ" in str(refusal(desk, desk.answer()))


@pytest.mark.parametrize("step", ["exchange", "organizations"])
def test_zoho_in_trouble_changes_nothing(step: str) -> None:
    """What was stored stays as it was; a token that cannot be checked is given back, if Zoho takes it."""
    desk = Desk(faults={step: RetryLater("Zoho is busy"), "revoke": RetryLater("Zoho is busy")})
    refusal(desk, desk.answer(), RetryLater)
    assert desk.outcomes["nonce-1"] == Outcome("refused", "Zoho is busy")
    assert [call[0] for call in desk.calls] == {
        "exchange": ["exchange"],
        "organizations": ["exchange", "organizations", "revoke"],
    }[step]


def test_connection_that_is_gone_is_refused() -> None:
    """Somebody removed it after the link was made."""
    desk = Desk()
    answer = desk.answer()
    desk.connection = None
    assert "no connection fjord" in str(refusal(desk, answer))


def test_client_that_is_gone_is_told() -> None:
    """Its credentials were removed meanwhile."""
    desk = Desk()
    answer = desk.answer()
    desk.kept.clear()
    refusal(desk, answer, ConfigError)
    assert "mlc credentials set fjord zoho" in desk.outcomes["nonce-1"].text


def test_our_own_fault_ends_the_waiting_too() -> None:
    """Whoever waits at the command line learns of it; what went wrong is for the log."""
    desk = Desk(faults={"exchange": ZeroDivisionError("sEcReT")})
    with pytest.raises(ZeroDivisionError):
        desk.consent.complete(desk.answer())
    assert desk.outcomes["nonce-1"] == Outcome("refused", "a fault in the connector; its log says more")


# --- one writer --------------------------------------------------------------------------------------------------


def test_refresh_under_way_is_waited_for() -> None:
    """The refresh would write its old credentials over the new ones; the code waits for a second, not for a minute."""
    desk = Desk(held_by_others=2)
    desk.consent.complete(desk.answer())
    assert desk.pauses == [1.0, 1.0]
    assert desk.kept["fjord", "zoho"]["refresh_token"] == "refresh-1"


def test_credentials_of_a_moment_ago_are_not_built_upon() -> None:
    """While Secrets Manager still shows the old ones nothing is exchanged, nothing written."""
    desk = Desk(faults={"newest": RetryLater("the zoho credentials of fjord have just changed", 10)})
    refusal(desk, desk.answer(), RetryLater)
    assert (desk.calls, desk.kept["fjord", "zoho"]) == ([], STORED)


def test_writer_that_does_not_end_is_not_waited_for_for_ever() -> None:
    """The code is not spent for nothing."""
    desk = Desk(held_by_others=99)
    refusal(desk, desk.answer(), RetryLater)
    assert desk.calls == []
    assert sum(desk.pauses) < 10


# --- self client -------------------------------------------------------------------------------------------------


def test_code_of_a_self_client_connects_too() -> None:
    """In the connection's data centre, without a redirect URI and without a link (4.8)."""
    desk = Desk(connection=site(region="jp"))
    assert desk.connection
    connected = desk.consent.by_code(desk.connection, "code-7", "ola")
    assert desk.calls[0] == ("exchange", "jp", "1000.CLIENT", "client-secret", "code-7", "")
    assert desk.kept["fjord", "zoho"]["region"] == "jp"
    assert desk.known["fjord"] == connected
    assert desk.outcomes == {}
