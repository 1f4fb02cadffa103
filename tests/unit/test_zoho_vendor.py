"""Zoho's answers and what we make of them (contracts: zoho-books 4.5, 6, 8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
import requests

from ml_connector.errors import NeedsAttention, RetryLater, Undeliverable
from ml_connector.modules import MODULES
from ml_connector.ports import Issued
from ml_connector.regions import HOSTS, REGIONS
from ml_connector.vendors.zoho import MAX_PAGES, ZohoAccounts, ZohoBooks
from tests.fakes import ORGANIZATION, AccessTokens, Says, Wire, connection, http

CREDENTIALS = {"region": "ca", "client_id": "1000.X", "client_secret": "bot-token-sEcReT", "refresh_token": "sEcReT-r"}


def issue(answer: Says | Exception) -> tuple[Issued, Wire]:
    wire = Wire(answer)
    return ZohoAccounts(http(wire, HOSTS)).issue(CREDENTIALS), wire


def test_refresh() -> None:
    """A form at the accounts server of the connection's own data centre; Canada's has another name (4.1)."""
    issued, wire = issue(Says(200, {"access_token": "t", "expires_in": 3600, "api_domain": "https://evil.com"}))
    assert issued == Issued("t", 3600)
    assert wire.calls[0].url == "https://accounts.zohocloud.ca/oauth/v2/token"
    assert dict(parse_qsl(str(wire.calls[0].body))) == {
        "grant_type": "refresh_token",
        "client_id": "1000.X",
        "client_secret": "bot-token-sEcReT",
        "refresh_token": "sEcReT-r",
    }


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


@pytest.mark.parametrize("name", CREDENTIALS)
def test_incomplete_credentials_are_not_sent(name: str) -> None:
    """A client without consent needs a person, not a call."""
    wire = Wire(Says())
    with pytest.raises(NeedsAttention, match=name):
        ZohoAccounts(http(wire, HOSTS)).issue({**CREDENTIALS, name: ""})
    assert wire.calls == []


def test_exchange_needs_a_refresh_token() -> None:
    """Without offline access the connection would end within the hour."""
    accounts = ZohoAccounts(http(Wire(Says(200, {"access_token": "t"})), HOSTS))
    with pytest.raises(NeedsAttention, match="offline"):
        accounts.exchange("eu", "id", "secret", "code", "https://x/callback")


def books(*answers: Says | Exception | Callable[[requests.PreparedRequest], Says]) -> tuple[ZohoBooks, Wire]:
    wire = Wire(*answers)
    return ZohoBooks(http(wire, HOSTS), AccessTokens()), wire


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("region", REGIONS)
def test_fetch_goes_to_the_connections_data_centre(module: str, region: str) -> None:
    """Every call names the organization and goes to the table's host (6); payments come under either key."""
    shape = MODULES[module]
    for key in shape.keys:
        zoho, wire = books(Says(200, {"code": 0, key: {shape.id_field: "1"}}))
        place = connection(zoho={"region": region, "organization_id": ORGANIZATION, "modules": [module]})
        assert zoho.fetch(place, module, "1") == {shape.id_field: "1"}
        url = urlsplit(str(wire.calls[0].url))
        assert (url.hostname, url.path) == (REGIONS[region].api, f"/books/v3/{shape.path}/1")
        assert parse_qs(url.query) == {"organization_id": [ORGANIZATION]}
        assert wire.calls[0].headers["Authorization"] == "Zoho-oauthtoken bot-token-sEcReT"


@pytest.mark.parametrize(
    ("outcome", "status", "body", "headers", "after"),
    [
        (RetryLater, 429, {"code": 44}, {}, 60),
        (RetryLater, 429, {"code": 44}, {"Retry-After": "7"}, 7),
        (RetryLater, 429, {"code": 45}, {"X-Rate-Limit-Reset": "5400"}, 5400),
        (RetryLater, 429, {"code": 45}, {}, 3600),
        (RetryLater, 429, {"code": 1070}, {}, 5),
        (RetryLater, 429, b"<html>", {}, 60),
        (RetryLater, 200, {"code": 44}, {}, 60),
        (RetryLater, 500, {"code": 1000}, {}, None),
        (RetryLater, 503, b"<html>", {}, None),
        (RetryLater, 200, b"<html>", {}, None),
        (RetryLater, 200, {}, {}, None),
        (RetryLater, 200, [], {}, None),
        (NeedsAttention, 401, {"code": 57, "message": "not authorized"}, {}, None),
        (NeedsAttention, 401, {"code": 14}, {}, None),
        (NeedsAttention, 401, b"", {}, None),
        (Undeliverable, 404, {"code": 5, "message": "Invalid URL Passed"}, {}, None),
        (Undeliverable, 404, {"code": 1002, "message": "Invoice does not exist."}, {}, None),
        (Undeliverable, 400, {"code": 1002}, {}, None),
        (Undeliverable, 400, {"code": 2, "message": "Invalid value passed"}, {}, None),
        (Undeliverable, 405, b"", {}, None),
        (Undeliverable, 200, {"code": 0, "message": "success"}, {}, None),
    ],
)
def test_error_table(
    outcome: type[Exception], status: int, body: Any, headers: dict[str, str], after: float | None
) -> None:
    """`code` first, then the status (8); a non-zero code is an error whatever the status (6.1)."""
    zoho, _ = books(Says(status, body, headers))
    with pytest.raises(outcome) as caught:
        zoho.fetch(connection(), "invoice", "1")
    assert type(caught.value) is outcome
    assert getattr(caught.value, "after", None) == after


def test_refused_token_is_replaced_once() -> None:
    """One refresh, one more call, then a person (8)."""
    zoho, wire = books(Says(401, {"code": 14}), Says(200, {"code": 0, "invoice": {}}))
    assert zoho.fetch(connection(), "invoice", "1") == {}
    assert [each.headers["Authorization"][-1] for each in wire.calls] == ["T", "1"]
    zoho, wire = books(Says(401, {"code": 14}))
    with pytest.raises(NeedsAttention):
        zoho.fetch(connection(), "invoice", "1")
    assert len(wire.calls) == 2


def test_missing_permission_costs_no_token() -> None:
    """57 is a scope or role that no new token has: refreshing at each call would use up Zoho's ten in ten minutes."""
    zoho, wire = books(Says(401, {"code": 57}))
    with pytest.raises(NeedsAttention):
        zoho.fetch(connection(), "invoice", "1")
    assert len(wire.calls) == 1


# --- lists -------------------------------------------------------------------------------------------------------

SINCE = "2026-11-20T00:00:00Z"


def row(number: int, changed: str, made: str = "") -> dict[str, Any]:
    return {"invoice_id": str(number), "last_modified_time": changed, "created_time": made or changed}


def pages(key: str, *content: list[Any], more: bool = False) -> Callable[[requests.PreparedRequest], Says]:
    """Answers by page number, as Zoho does; `more` says that there is no end."""

    def answer(request: requests.PreparedRequest) -> Says:
        page = int(parse_qs(urlsplit(str(request.url)).query)["page"][0])
        rows = content[min(page, len(content)) - 1]
        return Says(200, {"code": 0, key: rows, "page_context": {"has_more_page": more or page < len(content)}})

    return answer


def ids(module: str, answer: Callable[[requests.PreparedRequest], Says]) -> tuple[list[str], int]:
    zoho, wire = books(answer)
    found = [str(each["invoice_id"]) for each in zoho.changed_since(connection(), module, SINCE)]
    return found, len(wire.calls)


def test_list_asks_newest_first() -> None:
    """200 rows a page, sorted by modification where Zoho can (6.3)."""
    zoho, wire = books(pages("invoices", []))
    assert list(zoho.changed_since(connection(), "invoice", SINCE)) == []
    assert parse_qs(urlsplit(str(wire.calls[0].url)).query) == {
        "organization_id": [ORGANIZATION],
        "page": ["1"],
        "per_page": ["200"],
        "sort_column": ["last_modified_time"],
        "sort_order": ["D"],
    }


def test_reading_ends_at_the_first_older_row() -> None:
    """In descending order the pages behind an older row hold nothing newer."""
    first = [row(1, "2026-11-22T08:00:00+0000"), row(2, "2026-11-20T01:00:00+0100"), row(3, "2026-11-19T23:59:59+0000")]
    assert ids("invoice", pages("invoices", first, [row(4, "2026-11-01T00:00:00+0000")])) == (["1", "2"], 1)


def test_reading_goes_on_while_rows_are_new() -> None:
    """A page full of news has more behind it."""
    content = [[row(page, "2026-11-22T08:00:00+0000")] for page in range(3)]
    assert ids("invoice", pages("invoices", *content)) == (["0", "1", "2"], 3)


def test_page_out_of_order_is_read_on() -> None:
    """Zoho may ignore the sorting: then records made within 30 days are looked through, by their creation."""
    first = [row(1, "2026-11-01T00:00:00+0000", "2026-11-19T00:00:00+0000"), row(2, "2026-11-21T00:00:00+0000")]
    second = [row(3, "2026-11-21T00:00:00+0000", "2026-11-10T00:00:00+0000")]
    assert ids("invoice", pages("invoices", first, second))[0] == ["2", "3"]


def test_payments_are_looked_through_for_a_month() -> None:
    """Payments cannot be sorted by modification: an old page is the end only 30 days before, by creation."""
    content = [
        [row(1, "2026-11-21T00:00:00+0000")],
        [row(2, "2026-11-01T00:00:00+0000")],
        [row(3, "2026-11-21T00:00:00+0000", "2026-10-20T00:00:00+0000")],
        [row(4, "2026-10-01T00:00:00+0000")],
    ]
    assert ids("customer_payment", pages("customerpayments", *content)) == (["1", "3"], 3)
    assert ids("customer_payment", pages("customer_payments", *content))[0] == ["1", "3"], "the other key of 6.2"


def test_too_many_rows_are_a_failure_not_an_end() -> None:
    """What was not read must not be ticked off: the cursor stays where it is."""
    endless = pages("invoices", [row(1, "2026-11-22T08:00:00+0000")], more=True)
    zoho, wire = books(endless)
    with pytest.raises(Undeliverable, match="more than"):
        list(zoho.changed_since(connection(), "invoice", SINCE))
    assert len(wire.calls) == MAX_PAGES


def test_odd_lists_do_no_harm() -> None:
    """Rows that are none are passed over; a page without context is the last."""
    zoho, _ = books(Says(200, {"code": 0, "invoices": ["x", None], "page_context": []}))
    assert list(zoho.changed_since(connection(), "invoice", SINCE)) == []
