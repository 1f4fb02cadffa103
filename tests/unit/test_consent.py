"""Connecting a Zoho organization (contracts: zoho-books 4.2, 4.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ml_connector.consent import SCOPES, Consent, ConsentRefused
from ml_connector.errors import ConfigError, RetryLater
from ml_connector.ports import Issued

NOW = datetime(2026, 10, 21, 14, 0, tzinfo=UTC)
CALLBACK = "https://hooks.fjord.example/oauth/zoho/callback"
CLIENT = {"client_id": "1000.CLIENT", "client_secret": "client-secret", "region": "eu"}


@dataclass
class Desk:
    """Zoho, Secrets Manager and the nonces, in memory."""

    now: datetime = NOW
    key: str = "signing-key"
    kept: dict[tuple[str, str], Mapping[str, Any]] = field(default_factory=lambda: {("fjord", "zoho"): CLIENT})
    spent: set[str] = field(default_factory=set)
    exchanged: list[tuple[str, ...]] = field(default_factory=list)
    due: list[str] = field(default_factory=list)
    zoho_is_up: bool = True

    def get(self, connection: str, purpose: str, *, max_age: float = 0) -> Mapping[str, Any]:
        return self.kept.get((connection, purpose), {})

    def put(self, connection: str, purpose: str, value: Mapping[str, Any]) -> None:
        self.kept[connection, purpose] = value

    def exchange(self, *call: str) -> tuple[Issued, str]:
        if not self.zoho_is_up:
            raise RetryLater("Zoho is busy")
        self.exchanged.append(call)
        return Issued("access-1", 3600), "refresh-1"

    def spend(self, nonce: str, ends: int) -> bool:
        new = nonce not in self.spent
        self.spent.add(nonce)
        return new

    @property
    def consent(self) -> Consent:
        return Consent(
            secrets=self,
            accounts=self,
            spend=self.spend,
            tokens_changed=self.due.append,
            key=lambda: self.key,
            clock=lambda: self.now,
            redirect_uri=CALLBACK,
        )

    def answer(self, **changes: str) -> dict[str, str]:
        """What Zoho sends the browser back with."""
        state = parse_qs(urlsplit(self.consent.begin("fjord", "nonce-1")).query)["state"][0]
        return {"state": state, "code": "code-1", "accounts-server": "https://accounts.zoho.eu", **changes}


def refusal(desk: Desk, query: Mapping[str, str]) -> str:
    with pytest.raises(ConsentRefused) as caught:
        desk.consent.complete(query)
    assert desk.exchanged == []
    assert desk.due == []
    return str(caught.value)


def test_the_address_asks_for_reading_offline() -> None:
    """The person grants reading only, for good, and comes back to the stack's own callback."""
    url = urlsplit(Desk().consent.begin("fjord", "nonce-1"))
    query = {name: value[0] for name, value in parse_qs(url.query).items()}
    assert (url.scheme, url.netloc, url.path) == ("https", "accounts.zoho.eu", "/oauth/v2/auth")
    assert query["redirect_uri"] == CALLBACK
    assert (query["access_type"], query["prompt"], query["client_id"]) == ("offline", "consent", "1000.CLIENT")
    assert all(scope.endswith(".READ") for scope in query["scope"].split(","))
    assert len(SCOPES) == 6
    assert "client-secret" not in url.geturl()


def test_the_tokens_are_stored_and_due_at_once() -> None:
    """After one visit the connection has its refresh token, its region, and a place in the schedule."""
    desk = Desk()
    assert desk.consent.complete(desk.answer()) == "fjord"
    assert desk.exchanged == [("eu", "1000.CLIENT", "client-secret", "code-1", CALLBACK)]
    assert desk.kept["fjord", "zoho"] == {
        **CLIENT,
        "refresh_token": "refresh-1",
        "tokens": {"zoho": {"access_token": "access-1", "expires_at": "2026-10-21T15:00:00Z"}},
    }
    assert desk.due == ["fjord"]


def test_the_answer_names_the_data_centre() -> None:
    """An organization that turns out to live elsewhere is asked there from then on."""
    desk = Desk()
    desk.consent.complete(desk.answer(**{"accounts-server": "https://accounts.zoho.in"}))
    assert desk.exchanged[0][0] == "in"
    assert desk.kept["fjord", "zoho"]["region"] == "in"


@pytest.mark.parametrize(
    "server", ["", "https://accounts.zoho.eu.evil.example", "http://accounts.zoho.eu", "https://x"]
)
def test_no_secret_goes_to_an_unknown_server(server: str) -> None:
    """A browser cannot send our client secret to a host of its choice."""
    desk = Desk()
    assert "data centre" in refusal(desk, desk.answer(**{"accounts-server": server}))


@pytest.mark.parametrize(
    "state",
    ["", ".", "...", "fjord.nonce-1.9999999999", "fjord.nonce-1.9999999999." + "0" * 64, "ü.ü.ü.ü", "a.b.c.d.e"],
)
def test_a_made_up_state_is_refused(state: str) -> None:
    """Only a link that mlc made is honoured."""
    desk = Desk()
    assert "not made by us" in refusal(desk, desk.answer(state=state))


def test_a_state_for_one_connection_opens_no_other() -> None:
    """The connection's name is signed."""
    desk = Desk()
    state = desk.answer()["state"]
    assert "not made by us" in refusal(desk, desk.answer(state=state.replace("fjord", "other", 1)))


def test_a_state_of_another_key_is_refused() -> None:
    """After the key was replaced, links made before it are void."""
    desk = Desk()
    answer = desk.answer()
    desk.key = "another-key"
    assert "not made by us" in refusal(desk, answer)


def test_a_link_ends_after_ten_minutes() -> None:
    """An address left in a mailbox is worth nothing."""
    desk = Desk()
    answer = desk.answer()
    desk.now = NOW + timedelta(minutes=10, seconds=1)
    assert "ten minutes" in refusal(desk, answer)


def test_a_link_works_once() -> None:
    """A second use, by whomever, is refused."""
    desk = Desk()
    answer = desk.answer()
    desk.consent.complete(answer)
    desk.exchanged.clear()
    desk.due.clear()
    assert "has been used" in refusal(desk, answer)


def test_a_person_may_say_no() -> None:
    """Declining is said so and changes nothing."""
    desk = Desk()
    assert "not given permission" in refusal(desk, desk.answer(error="access_denied"))


def test_zoho_in_trouble_changes_nothing() -> None:
    """What was stored stays as it was."""
    desk = Desk(zoho_is_up=False)
    with pytest.raises(RetryLater):
        desk.consent.complete(desk.answer())
    assert desk.kept["fjord", "zoho"] == CLIENT


def test_without_a_client_there_is_nothing_to_consent_to() -> None:
    """The way out is in the message."""
    with pytest.raises(ConfigError, match="mlc credentials set fjord zoho"):
        Desk(kept={}).consent.begin("fjord", "nonce-1")
