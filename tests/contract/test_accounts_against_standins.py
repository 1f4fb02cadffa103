"""Our client of Zoho's accounts servers against the strict stand-in, in every data centre (contracts: zoho-books 4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import requests

from ml_connector.consent import scopes
from ml_connector.errors import ConnectorError, NeedsAttention, NotAllowed, RetryLater, Undeliverable
from ml_connector.modules import MODULES
from ml_connector.ports import Grant
from ml_connector.regions import HOSTS, REGIONS
from ml_connector.vendors.http import Http
from ml_connector.vendors.zoho_accounts import ZohoAccounts
from sandbox.vendors.world import Clock, World
from tests.contract.test_against_standins import InProcess
from tests.fakes import connection

CALLBACK = "https://hooks.fjord.example/oauth/zoho/callback"
ORGANIZATION = "700100200"


@dataclass
class Zoho:
    """One data centre with a client and an organization; its user agrees."""

    dc: str = "eu"
    asked: tuple[str, ...] = ("ZohoBooks.invoices.READ", "ZohoBooks.settings.READ")
    world: World = field(init=False)
    accounts: ZohoAccounts = field(init=False)

    def __post_init__(self) -> None:
        client = {"client_id": "1000.F", "client_secret": "s3", "dc": self.dc, "redirect_uris": [CALLBACK]}
        organization = {"organization_id": ORGANIZATION, "name": "Fjord Seafood", "dc": self.dc}
        self.world = World(
            {"zoho": {"clients": [client], "organizations": [organization]}}, Clock(1_795_000_000.0, frozen=True)
        )
        http = Http(HOSTS, "http://sandbox")
        http._session.mount("http://sandbox", InProcess(self.world))
        self.accounts = ZohoAccounts(http)

    def agree(self, **changes: str) -> dict[str, str]:
        """What the browser comes back with; {} if Zoho shows a page of its own."""
        query = {
            "response_type": "code", "client_id": "1000.F", "redirect_uri": CALLBACK, "scope": ",".join(self.asked),
            "access_type": "offline", "prompt": "consent", "state": "s", **changes,
        }  # fmt: skip
        url = f"http://sandbox/{REGIONS[self.dc].accounts}/oauth/v2/auth?{urlencode(query)}"
        answer = InProcess(self.world).send(requests.Request("GET", url).prepare())
        return dict(parse_qsl(urlsplit(answer.headers.get("Location", "")).query))

    def exchange(self, code: str, region: str = "", **changes: str) -> Grant:
        given = {"client_id": "1000.F", "client_secret": "s3", "redirect_uri": CALLBACK, **changes}
        return self.accounts.exchange(
            region or self.dc, given["client_id"], given["client_secret"], code, given["redirect_uri"]
        )

    def credentials(self, grant: Grant, **changes: str) -> dict[str, str]:
        return {
            "region": self.dc, "client_id": "1000.F", "client_secret": "s3", "refresh_token": grant.refresh_token,
            **changes,
        }  # fmt: skip


@pytest.mark.parametrize("dc", REGIONS)
def test_whole_life_of_an_access(dc: str) -> None:
    """Consent, tokens, the organization, a refresh, and giving it back, in each of the nine."""
    zoho = Zoho(dc)
    back = zoho.agree()
    assert (back["location"], back["accounts-server"]) == (dc, f"https://{REGIONS[dc].accounts}")
    grant = zoho.exchange(back["code"])
    assert grant.api_domain == f"https://{REGIONS[dc].api}"
    assert grant.issued.lifetime == 3600
    (organization,) = zoho.accounts.organizations(dc, grant.issued.access_token)
    assert (organization.id, organization.name, organization.active) == (ORGANIZATION, "Fjord Seafood", True)
    credentials = zoho.credentials(grant)
    assert zoho.accounts.issue(credentials).access_token != grant.issued.access_token
    zoho.accounts.revoke(credentials)
    with pytest.raises(NeedsAttention, match="revoked"):
        zoho.accounts.issue(credentials)
    with pytest.raises(NeedsAttention):
        zoho.accounts.organizations(dc, grant.issued.access_token)
    with pytest.raises(Undeliverable):
        zoho.accounts.revoke(credentials)


def test_scopes_of_a_whole_connection_are_ones_that_zoho_knows() -> None:
    """Of all modules, with webhooks by API and notes: a misspelt one would end on Zoho's own page."""
    notes = {"destinations": {"notes": {"type": "zoho_comment"}}}
    routes = [{"events": ["*"], "when": {}, "to": ["notes"]}]
    zoho_of = {"region": "eu", "organization_id": ORGANIZATION, "modules": list(MODULES)}
    wanted = scopes(connection("fjord", zoho=zoho_of, routes=routes, **notes))
    assert len(wanted) == len(MODULES) + 4 + sum(shape.comments for shape in MODULES.values())
    assert Zoho(asked=wanted).agree()["code"]
    assert Zoho(asked=(*wanted, "ZohoBooks.invoices.READS")).agree() == {}


def _expired(zoho: Zoho, code: str) -> Grant:
    zoho.world.clock.advance(121)
    return zoho.exchange(code)


def _twice(zoho: Zoho, code: str) -> Grant:
    zoho.exchange(code)
    return zoho.exchange(code)


@pytest.mark.parametrize(
    ("step", "says"),
    [
        (_twice, "works once"),
        (_expired, "a minute or two"),
        (lambda zoho, code: zoho.exchange(code, region="in"), "data centre IN"),
        (lambda zoho, code: zoho.exchange(code, client_id="1000.G"), "client id"),
        (lambda zoho, code: zoho.exchange(code, client_secret="s4"), "client secret"),
        (lambda zoho, code: zoho.exchange(code, redirect_uri=f"{CALLBACK}/"), f"{CALLBACK}/"),
    ],
)
def test_code_that_is_not_taken(step: Callable[[Zoho, str], Any], says: str) -> None:
    """Used twice, too late, in the wrong region, by the wrong client, for another address: each in a sentence."""
    zoho = Zoho()
    code = zoho.agree()["code"]
    with pytest.raises(NeedsAttention) as caught:
        step(zoho, code)
    assert says in str(caught.value)
    assert not {code, "s3", "s4"} & set(str(caught.value).split())


def test_wrong_region_of_a_refresh_is_told() -> None:
    """The client is not enabled there."""
    zoho = Zoho()
    grant = zoho.exchange(zoho.agree()["code"])
    with pytest.raises(NeedsAttention, match="data centre AU") as caught:
        zoho.accounts.issue(zoho.credentials(grant, region="au"))
    assert caught.value.remedy == "credentials"


def test_access_without_offline_is_none() -> None:
    """It would end within the hour."""
    zoho = Zoho()
    with pytest.raises(NeedsAttention, match="offline"):
        zoho.exchange(zoho.agree(access_type="online")["code"])


@pytest.mark.parametrize(
    ("asked", "outcome"), [(("ZohoBooks.invoices.READ",), NotAllowed), (("ZohoBooks.settings.READ",), None)]
)
def test_list_of_organizations_needs_its_scope(asked: tuple[str, ...], outcome: type[ConnectorError] | None) -> None:
    """Code 57 is told apart from a token that is not known."""
    zoho = Zoho(asked=asked)
    grant = zoho.exchange(zoho.agree()["code"])
    if outcome is None:
        assert len(zoho.accounts.organizations("eu", grant.issued.access_token)) == 1
    else:
        with pytest.raises(outcome):
            zoho.accounts.organizations("eu", grant.issued.access_token)


def test_too_many_tokens_are_waited_for() -> None:
    """Access Denied, with HTTP 200, is no refusal of the credentials."""
    zoho = Zoho()
    credentials = zoho.credentials(zoho.exchange(zoho.agree()["code"]))
    for _ in range(9):
        zoho.accounts.issue(credentials)
    with pytest.raises(RetryLater) as caught:
        zoho.accounts.issue(credentials)
    assert caught.value.after == 600
