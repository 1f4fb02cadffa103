"""Access to monday.com through an app, both flows, against the strict monday (contracts: monday 2.2, 2.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests

from ml_connector.errors import NeedsAttention
from ml_connector.links import ConsentRefused
from ml_connector.monday_consent import Joined, MondayConsent
from ml_connector.vendors import monday, monday_accounts, monday_boards
from ml_connector.vendors.monday_token import Access
from sandbox.vendors import default_world as w
from tests.contract.test_against_standins import Company, InProcess
from tests.fakes import Leases, Links

APP = {"client_id": w.MONDAY_CLIENT_ID, "client_secret": w.MONDAY_CLIENT_SECRET}


class Joining(Company):
    """A company that connects monday through an app rather than with a personal token."""

    def __init__(self, flow: str = "2.1") -> None:
        super().__init__()
        self.secrets.stored["acme-eu", "monday"] = dict(APP)
        self.world.monday.apps[w.MONDAY_CLIENT_ID].flow = flow
        self.accounts = monday_accounts.MondayAccounts(self.http(monday_accounts.HOSTS), self.clock)
        self.tokens.issuers["monday"] = self.accounts  # type: ignore[index]
        self.links, self.due = Links(), list[str]()

    def consent(self) -> MondayConsent:
        def whoami(token: str) -> Any:
            return monday_boards.whoami(monday.MondayApi(self.http(monday.HOSTS), lambda: token, self.clock))

        return MondayConsent(
            connections=lambda name: self.connection,
            secrets=self.secrets,
            leases=Leases(),
            accounts=self.accounts,
            whoami=whoami,
            links=self.links,
            tokens_changed=self.due.append,
            key=lambda: "signing-key",
            clock=self.clock,
            pause=lambda seconds: None,
        )

    def agreed(self, nonce: str = "nonce-1") -> dict[str, str]:
        """What monday sends the browser back with."""
        url = self.consent().begin(self.connection, nonce, w.MONDAY_REDIRECT_URI, "ola")
        asked = requests.Request("GET", f"http://sandbox/{url.removeprefix('https://')}").prepare()
        answer = InProcess(self.world).send(asked)
        return dict(parse_qsl(urlsplit(answer.headers["Location"]).query))

    def joined(self) -> Joined:
        return self.consent().complete(self.agreed())

    @property
    def kept(self) -> Mapping[str, Any]:
        return self.secrets.stored["acme-eu", "monday"]


@pytest.mark.parametrize(("flow", "renewed"), [("2.1", True), ("2.0", False)])
def test_both_flows_end_in_items_on_the_board(flow: str, renewed: bool) -> None:
    """Which one an app has is found out by asking; an invoice is then delivered with its token."""
    company = Joining(flow)
    joined = company.joined()
    assert (joined.renewed, joined.member.account, company.due) == (renewed, "harbour", ["acme-eu"] if renewed else [])
    assert company.carries(company.saves("invoice")).outcome == "delivered"


def test_token_is_renewed_for_days_with_rotating_refresh_tokens() -> None:
    """Each is good once: the newest is stored with its access token (2.3)."""
    company = Joining()
    company.joined()
    seen = set()
    for hour in range(30):
        company.clock.advance(3600)
        assert company.carries(company.saves("invoice", {"notes": str(hour)})).outcome == "delivered"
        seen.add(company.kept["delegated"]["refresh_token"])
    assert len(seen) == 30


def test_token_that_monday_ends_early_is_renewed_once_after_the_401() -> None:
    """And the delivery goes on (2.3)."""
    company = Joining()
    company.joined()
    company.control("POST", f"/monday/apps/{w.MONDAY_CLIENT_ID}/tokens", {"action": "expire"})
    assert company.carries(company.saves("invoice")).outcome == "delivered"


def test_uninstalled_app_needs_a_person() -> None:
    """The refresh token is worth nothing any more: a new consent, not other credentials."""
    company = Joining()
    company.joined()
    company.control("POST", f"/monday/apps/{w.MONDAY_CLIENT_ID}/tokens", {"action": "uninstall"})
    access = Access(company.secrets, company.tokens, "acme-eu")
    with pytest.raises(NeedsAttention) as caught:
        access.renew(access.token())
    assert caught.value.remedy == "consent"


def test_code_is_good_once_and_the_second_page_shows_the_outcome() -> None:
    company = Joining()
    query = company.agreed()
    first = company.consent().complete(query)
    assert company.consent().complete(query) == first


def test_denied_is_told_and_nothing_is_kept() -> None:
    company = Joining()
    company.control("PUT", "/monday/signed-in", {"user_id": "", "denies": True})
    with pytest.raises(ConsentRefused, match="not given permission"):
        company.consent().complete(company.agreed())
    assert company.kept == APP


def test_wrong_client_secret_is_told_as_that() -> None:
    company = Joining()
    company.secrets.stored["acme-eu", "monday"] = {**APP, "client_secret": "wrong"}
    with pytest.raises(ConsentRefused, match="client secret"):
        company.consent().complete(company.agreed())


def test_access_is_given_back() -> None:
    company = Joining()
    company.joined()
    assert company.accounts.revoke(company.kept)
    assert company.kept["delegated"]["refresh_token"] not in company.world.monday.refresh_tokens
