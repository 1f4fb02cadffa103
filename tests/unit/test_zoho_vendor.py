"""Zoho's answers and what we make of them (contracts: zoho-books 6, 8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from ml_connector.errors import Missing, NeedsAttention, NotAllowed, RetryLater, Undeliverable
from ml_connector.gaps import Page
from ml_connector.limits import Quota
from ml_connector.modules import MODULES
from ml_connector.regions import HOSTS, REGIONS
from ml_connector.vendors.zoho import ZohoBooks
from ml_connector.vendors.zoho_api import Refused
from tests.fakes import ORGANIZATION, AccessTokens, Says, Wire, connection, http


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
        (NotAllowed, 401, {"code": 57, "message": "not authorized"}, {}, None),
        (NeedsAttention, 401, {"code": 14}, {}, None),
        (NeedsAttention, 401, b"", {}, None),
        (Refused, 404, {"code": 5, "message": "Invalid URL Passed"}, {}, None),
        (Missing, 404, {"code": 1002, "message": "Invoice does not exist."}, {}, None),
        (Missing, 400, {"code": 1002}, {}, None),
        (Refused, 400, {"code": 2, "message": "Invalid value passed"}, {}, None),
        (Refused, 405, b"", {}, None),
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

ROWS = [{"invoice_id": "1", "last_modified_time": "2026-11-22T08:00:00+0000"}]


def test_list_asks_newest_first() -> None:
    """200 rows a page, sorted by modification where Zoho can (6.3)."""
    zoho, wire = books(Says(200, {"code": 0, "invoices": ROWS, "page_context": {"has_more_page": True}}))
    assert zoho.page(connection(), "invoice", 7) == Page(tuple(ROWS), True)
    assert parse_qs(urlsplit(str(wire.calls[0].url)).query) == {
        "organization_id": [ORGANIZATION],
        "page": ["7"],
        "per_page": ["200"],
        "sort_column": ["last_modified_time"],
        "sort_order": ["D"],
    }


def test_list_of_one_status_is_asked_for_by_it() -> None:
    """What is overdue, which no other list tells (6.3)."""
    zoho, wire = books(Says(200, {"code": 0, "invoices": []}))
    zoho.page(connection(), "invoice", 1, "overdue")
    assert parse_qs(urlsplit(str(wire.calls[0].url)).query)["filter_by"] == ["Status.Overdue"]


@pytest.mark.parametrize("module", MODULES)
def test_every_module_has_its_list(module: str) -> None:
    """Under either key, where sources disagree (6.2); sorted by creation where Zoho knows no other order (6.3)."""
    shape = MODULES[module]
    for key in shape.list_keys:
        zoho, wire = books(Says(200, {"code": 0, key: [{shape.id_field: "1"}]}))
        assert [row[shape.id_field] for row in zoho.page(connection(), module, 1).rows] == ["1"]
        url = urlsplit(str(wire.calls[0].url))
        assert (url.path, parse_qs(url.query)["sort_column"]) == (f"/books/v3/{shape.path}", [shape.sort])


@pytest.mark.parametrize(
    ("context", "by"),
    [
        ({"sort_column": "last_modified_time"}, "modified"),
        ({"sort_column": "created_time"}, "created"),
        ({"sort_column": "date"}, "other"),
        ({}, ""),
    ],
)
def test_list_says_what_it_is_sorted_by(context: dict[str, str], by: str) -> None:
    """Where it does not say what was asked for, that is not trusted."""
    zoho, _ = books(Says(200, {"code": 0, "invoices": [], "page_context": context}))
    assert zoho.page(connection(), "invoice", 1).by == by


def test_odd_lists_do_no_harm() -> None:
    """Rows that are none are passed over; a page without context is the last."""
    zoho, _ = books(Says(200, {"code": 0, "invoices": ["x", None], "page_context": []}))
    assert zoho.page(connection(), "invoice", 1) == Page((), False)


FULL = [{"invoice_id": str(number)} for number in range(200)]


@pytest.mark.parametrize(
    ("rows", "context", "more"),
    [
        (FULL, {}, True),
        (FULL, {"page_context": ""}, True),
        (FULL, {"page_context": {"page": 1}}, True),
        (FULL, {"page_context": [{"page": 1, "has_more_page": True}]}, True),
        (FULL, {"page_context": [{"page": 1, "has_more_page": False}]}, False),
        (FULL, {"page_context": {"has_more_page": False}}, False),
        (FULL[:3], {"page_context": {"has_more_page": "true"}}, True),
        (FULL, {"page_context": {"has_more_page": "false"}}, False),
        (FULL[:100], {"page_context": {"per_page": 100}}, True),
        (FULL[:199], {}, False),
        ([], {}, False),
    ],
)
def test_full_page_without_a_clear_no_is_not_the_last(rows: list[Any], context: dict[str, Any], more: bool) -> None:
    """Zoho's specification has the context within an array for some modules, and leaves it out for others (6.1)."""
    answer = Says(200, {"code": 0, "invoices": rows, **context})
    assert books(answer)[0].page(connection(), "invoice", 1).more is more
    assert books(answer)[0].dated(connection(), "invoice", 1, "2026-11-01", "2026-11-30").more is more


@pytest.mark.parametrize(
    "answer",
    [
        {"code": 0, "credits": [{"vendor_credit_id": "1"}]},
        {"code": 0, "vendor_credits": {"vendor_credit_id": "1"}},
        {"code": 0, "vendor_credits": {}},
        {"code": 0, "vendor_credits": "none"},
    ],
    ids=str,
)
def test_list_that_is_not_understood_is_not_an_empty_one(answer: dict[str, Any]) -> None:
    """Nothing would ever be missing of that module: the reading of the list fails, and the completeness report's."""
    with pytest.raises(Undeliverable, match="vendorcredits"):
        books(Says(200, answer))[0].page(connection(), "vendor_credit", 1)
    with pytest.raises(Undeliverable, match="no list of it"):
        books(Says(200, answer))[0].dated(connection(), "vendor_credit", 1, "2026-11-01", "2026-11-30")


# --- the day's calls -----------------------------------------------------------------------------------------------

HEADERS = {"X-Rate-Limit-Limit": "5000", "X-Rate-Limit-Remaining": "4321", "X-Rate-Limit-Reset": "3600"}


def test_what_zoho_says_of_the_day_is_remembered() -> None:
    """The quota is the organization's plan, and its reset the organization's midnight (8)."""
    zoho, _ = books(Says(200, {"code": 0, "invoice": {}}, HEADERS))
    assert (zoho.quota(connection()), zoho.made(connection())) == (None, 0)
    zoho.fetch(connection(), "invoice", "1")
    assert (zoho.quota(connection()), zoho.made(connection())) == (Quota(5000, 4321, 3600), 1)


@pytest.mark.parametrize("reset", [54_000_000, 1_795_000_000, 10**15])
def test_reset_that_is_no_time_of_a_day_says_nothing(reset: int) -> None:
    """Milliseconds, or a time since 1970: the organization's midnight is not moved by years."""
    headers = {"X-Rate-Limit-Limit": "5000", "X-Rate-Limit-Remaining": "0", "X-Rate-Limit-Reset": str(reset)}
    zoho, _ = books(Says(200, {"code": 0, "invoices": []}, headers), Says(429, {"code": 45}, headers))
    zoho.page(connection(), "invoice", 1)
    assert zoho.quota(connection()) is None
    with pytest.raises(RetryLater) as caught:
        zoho.page(connection(), "invoice", 1)
    assert caught.value.after == 3600


def test_odd_headers_say_nothing() -> None:
    """What was known stays."""
    zoho, _ = books(
        Says(200, {"code": 0, "invoice": {}}, HEADERS),
        Says(200, {"code": 0, "invoice": {}}, {"X-Rate-Limit-Limit": "many"}),
    )
    for _ in range(2):
        zoho.fetch(connection(), "invoice", "1")
    assert zoho.quota(connection()) == Quota(5000, 4321, 3600)
