"""Zoho's accounts servers: tokens, what they see, and giving them back (contracts: zoho-books 4, 6.1)."""

from __future__ import annotations

from base64 import b64decode
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from ml_connector.errors import ConnectorError, NeedsAttention, NotAllowed, RetryLater, Undeliverable
from ml_connector.ports import Grant, Issued, Organization
from ml_connector.regions import HOSTS, REGIONS
from ml_connector.vendors.zoho_accounts import ZohoAccounts
from tests.fakes import Says, Wire, http

CREDENTIALS = {"region": "ca", "client_id": "1000.X", "client_secret": "bot-token-sEcReT", "refresh_token": "sEcReT-r"}
CALLBACK = "https://hooks.fjord.example/oauth/zoho/callback"
TOKEN = {"access_token": "t", "expires_in": 3600}


def accounts(*answers: Says | Exception) -> tuple[ZohoAccounts, Wire]:
    wire = Wire(*answers)
    return ZohoAccounts(http(wire, HOSTS)), wire


def issue(answer: Says | Exception) -> tuple[Issued, Wire]:
    zoho, wire = accounts(answer)
    return zoho.issue(CREDENTIALS), wire


def exchange(answer: Says, redirect_uri: str = CALLBACK) -> tuple[Grant, Wire]:
    zoho, wire = accounts(answer)
    return zoho.exchange("au", "1000.X", "bot-token-sEcReT", "sEcReT-code", redirect_uri), wire


def form(wire: Wire, index: int = -1) -> dict[str, str]:
    return dict(parse_qsl(str(wire.calls[index].body)))


# --- issue -------------------------------------------------------------------------------------------------------


def test_refresh() -> None:
    """A form at the accounts server of the connection's own data centre; Canada's has another name (4.1)."""
    issued, wire = issue(Says(200, {**TOKEN, "api_domain": "https://evil.com"}))
    assert issued == Issued("t", 3600)
    assert wire.calls[0].url == "https://accounts.zohocloud.ca/oauth/v2/token"
    assert form(wire) == {
        "grant_type": "refresh_token",
        "client_id": "1000.X",
        "client_secret": "bot-token-sEcReT",
        "refresh_token": "sEcReT-r",
    }


@pytest.mark.parametrize("said", [None, "", 0])
def test_token_without_a_lifetime_has_the_usual_one(said: object) -> None:
    """An hour, for a refresh and for a consent alike (4.3)."""
    answer = Says(200, {**TOKEN, "refresh_token": "r", "expires_in": said})
    assert issue(answer)[0] == Issued("t", 3600)
    assert exchange(answer)[0].issued == Issued("t", 3600)


@pytest.mark.parametrize(
    ("outcome", "status", "body", "after"),
    [
        # 4.5: errors come with HTTP 200
        (NeedsAttention, 200, {"error": "invalid_code"}, None),
        (NeedsAttention, 200, {"error": "invalid_grant"}, None),
        (NeedsAttention, 200, {"error": "invalid_client"}, None),
        (NeedsAttention, 200, {"error": "invalid_client_secret"}, None),
        (NeedsAttention, 200, {"error": "invalid_redirect_uri"}, None),
        (NeedsAttention, 400, {"error": "something_new"}, None),
        (RetryLater, 200, {"error": "Access Denied", "error_description": "too many requests"}, 600),
        (RetryLater, 400, {"error": "Access Denied"}, 600),
        (RetryLater, 500, {"error": "server_error"}, None),
        (RetryLater, 429, {"error": "x"}, None),
        (RetryLater, 200, {}, None),
        (RetryLater, 200, [], None),
        (RetryLater, 502, b"<html>", None),
    ],
)
def test_token_error_table(outcome: type[Exception], status: int, body: Any, after: float | None) -> None:
    """Success is an access token in the body and nothing else; only refusals of credentials need a person."""
    with pytest.raises(outcome) as caught:
        issue(Says(status, body))
    assert type(caught.value) is outcome
    assert getattr(caught.value, "after", None) == after
    assert "sEcReT" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "says", "remedy"),
    [
        ("invalid_code", "revoked", "consent"),
        ("invalid_grant", "refresh token", "consent"),
        ("invalid_client", "data centre CA", "credentials"),
        ("invalid_client_secret", "secret of its own", "credentials"),
        ("something_new", "something_new", "consent"),
    ],
)
def test_refused_refresh_says_what_helps(error: str, says: str, remedy: str) -> None:
    """A person is told in a sentence, and sent to the right command: a new consent does not cure a wrong secret."""
    with pytest.raises(NeedsAttention, match=says) as caught:
        issue(Says(200, {"error": error}))
    assert caught.value.remedy == remedy


@pytest.mark.parametrize("name", CREDENTIALS)
def test_incomplete_credentials_are_not_sent(name: str) -> None:
    """A client without consent needs a person, not a call."""
    zoho, wire = accounts(Says())
    with pytest.raises(NeedsAttention, match=name) as caught:
        zoho.issue({**CREDENTIALS, name: ""})
    assert caught.value.remedy == ("consent" if name == "refresh_token" else "credentials")
    assert wire.calls == []


# --- exchange ----------------------------------------------------------------------------------------------------


def test_exchange() -> None:
    """The code with the very redirect URI it was asked for with; what the answer says beside the tokens is kept."""
    body = {**TOKEN, "refresh_token": "r", "api_domain": "https://www.zohoapis.com.au", "scope": "A.READ,B.READ"}
    grant, wire = exchange(Says(200, body))
    assert grant == Grant(Issued("t", 3600), "r", "https://www.zohoapis.com.au", ("A.READ", "B.READ"))
    assert wire.calls[0].url == "https://accounts.zoho.com.au/oauth/v2/token"
    assert form(wire) == {
        "grant_type": "authorization_code",
        "client_id": "1000.X",
        "client_secret": "bot-token-sEcReT",
        "code": "sEcReT-code",
        "redirect_uri": CALLBACK,
    }


def test_code_of_a_self_client_goes_without_a_redirect_uri() -> None:
    """There was none (4.8)."""
    grant, wire = exchange(Says(200, {**TOKEN, "refresh_token": "r"}), redirect_uri="")
    assert "redirect_uri" not in form(wire)
    assert (grant.api_domain, grant.scopes) == ("", ())


def test_exchange_needs_a_refresh_token() -> None:
    """Without offline access the connection would end within the hour."""
    with pytest.raises(NeedsAttention, match="offline"):
        exchange(Says(200, TOKEN))


@pytest.mark.parametrize(
    ("error", "says"),
    [
        ("invalid_code", "works once"),
        ("invalid_client", "data centre AU"),
        ("invalid_client_secret", "the one of AU"),
        ("invalid_redirect_uri", CALLBACK),
        ("general_error", "general_error"),
    ],
)
def test_refused_code_is_explained(error: str, says: str) -> None:
    """Used twice, too late, of another data centre, a wrong secret, a redirect URI that differs: each its sentence."""
    with pytest.raises(NeedsAttention) as caught:
        exchange(Says(200, {"error": error}))
    assert says in str(caught.value)
    assert "sEcReT" not in str(caught.value)


# --- organizations -----------------------------------------------------------------------------------------------


def test_organizations() -> None:
    """One call without an organization's id, at the API of the data centre; the token only in its header."""
    rows = [
        {
            "organization_id": "700100200",
            "name": "Kaimai Freight",
            "time_zone": "Pacific/Auckland",
            "currency_code": "NZD",
            "plan_name": "Elite",
            "org_settings": {"is_org_active": True},
        },
        {"organization_id": 700100201, "name": "Old", "org_settings": {"is_org_active": False}},
        {"organization_id": "700100202", "name": "Bare"},
    ]
    zoho, wire = accounts(Says(200, {"code": 0, "organizations": rows}))
    assert zoho.organizations("au", "sEcReT-token") == (
        Organization("700100200", "Kaimai Freight", "Pacific/Auckland", "NZD", "Elite", active=True),
        Organization("700100201", "Old", active=False),
        Organization("700100202", "Bare", active=True),
    )
    assert wire.calls[0].url == "https://www.zohoapis.com.au/books/v3/organizations"
    assert wire.calls[0].headers["Authorization"] == "Zoho-oauthtoken sEcReT-token"


@pytest.mark.parametrize("region", REGIONS)
def test_every_data_centre_has_its_hosts(region: str) -> None:
    """No call ever leaves the table of 4.1."""
    zoho, wire = accounts(Says(200, {"code": 0, "organizations": [], "access_token": "t", "refresh_token": "r"}))
    zoho.exchange(region, "id", "secret", "code", "")
    zoho.organizations(region, "t")
    hosts = [urlsplit(str(call.url)).hostname for call in wire.calls]
    assert hosts == [REGIONS[region].accounts, REGIONS[region].api]


@pytest.mark.parametrize(
    ("outcome", "status", "body"),
    [
        (NotAllowed, 401, {"code": 57, "message": "not authorized"}),
        (NeedsAttention, 401, {"code": 14}),
        (RetryLater, 429, {"code": 44}),
        (RetryLater, 500, b"<html>"),
    ],
)
def test_organizations_that_cannot_be_listed(outcome: type[ConnectorError], status: int, body: Any) -> None:
    """By the table that holds for all reads (8)."""
    zoho, _ = accounts(Says(status, body))
    with pytest.raises(outcome):
        zoho.organizations("eu", "t")


@pytest.mark.parametrize("body", [{"code": 0}, {"code": 0, "organizations": {}}, {"code": 0, "organizations": ["x"]}])
def test_odd_list_of_organizations_is_empty(body: Any) -> None:
    """Nothing is chosen from what we cannot read."""
    zoho, _ = accounts(Says(200, body))
    assert zoho.organizations("eu", "t") == ()


# --- revoke ------------------------------------------------------------------------------------------------------


def test_revoke_by_the_first_form() -> None:
    """The token travels in the body: addresses are logged (4.7)."""
    zoho, wire = accounts(Says(200, {"status": "success"}))
    zoho.revoke(CREDENTIALS)
    (call,) = wire.calls
    assert call.url == "https://accounts.zohocloud.ca/oauth/v2/token/revoke"
    assert form(wire) == {"token": "sEcReT-r"}


@pytest.mark.parametrize("first", [Says(400, {"error": "x"}), Says(404, b"<html>"), Says(200, {"status": "failure"})])
def test_revoke_by_the_second_form(first: Says) -> None:
    """Where the first is not taken, the newer one is tried, with the client as Basic credentials."""
    zoho, wire = accounts(first, Says(200, {"status": "success"}))
    zoho.revoke(CREDENTIALS)
    call = wire.calls[1]
    assert call.url == "https://accounts.zohocloud.ca/oauth/v2/revoke/token"
    assert form(wire) == {"token": "sEcReT-r", "token_type": "refresh_token"}
    kind, _, value = call.headers["Authorization"].partition(" ")
    assert (kind, b64decode(value)) == ("Basic", b"1000.X:bot-token-sEcReT")


def test_refused_revocation_is_said() -> None:
    """Neither form was taken: the token may live on, and nobody is told otherwise."""
    zoho, _ = accounts(Says(400, {"error": "invalid_token"}))
    with pytest.raises(Undeliverable, match="does not revoke") as caught:
        zoho.revoke(CREDENTIALS)
    assert "sEcReT" not in str(caught.value)


def test_revocation_is_tried_where_the_client_is_registered_too() -> None:
    """Zoho's pages do not agree on the data centre: the person's comes first (4.7)."""
    zoho, wire = accounts(Says(400), Says(400), Says(200, {"status": "success"}))
    zoho.revoke({**CREDENTIALS, "client_region": "us"})
    hosts = [urlsplit(str(call.url)).hostname for call in wire.calls]
    assert hosts == ["accounts.zohocloud.ca", "accounts.zohocloud.ca", "accounts.zoho.com"]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_revocation_that_zoho_is_too_busy_for_is_not_tried_otherwise(status: int) -> None:
    """Busy is no answer about the form."""
    zoho, wire = accounts(Says(status, b""))
    with pytest.raises(RetryLater):
        zoho.revoke(CREDENTIALS)
    assert len(wire.calls) == 1
