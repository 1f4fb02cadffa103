"""Where Zoho sends the browser back to: pages for people that give nothing away (contracts: zoho-books 4.2)."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import pytest

from functions.oauth import app
from ml_connector.consent import Connected, ConsentRefused, StillWorking
from ml_connector.errors import NeedsAttention, RetryLater
from ml_connector.ports import Organization

QUERY = {"state": "sEcReT-state", "code": "1000.sEcReT-code", "location": "eu", "accounts-server": "https://x"}
HARBOUR = Organization("700100200", "Harbour Supplies", "Europe/Berlin", "EUR", "Premium")


def connected(name: str = "acme-eu", organization: Organization = HARBOUR, remark: str = "") -> Connected:
    return Connected(name, "eu", organization, ("ZohoBooks.invoices.READ",), "2026-10-21T14:00:00Z", "ola", remark)


@dataclass
class Consent:
    result: Connected | Exception = field(default_factory=connected)
    seen: list[Mapping[str, str]] = field(default_factory=list)

    def complete(self, query: Mapping[str, str]) -> Connected:
        self.seen.append(query)
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


@pytest.fixture
def consent(monkeypatch: pytest.MonkeyPatch) -> Consent:
    fake = Consent()
    monkeypatch.setattr(app, "consent", lambda: fake)
    return fake


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    kept = io.StringIO()
    monkeypatch.setattr(app.logger.registered_handler, "stream", kept)
    return kept


def call(query: Mapping[str, str] | None = QUERY, vendor: str = "zoho") -> dict[str, Any]:
    event = {
        "pathParameters": {"vendor": vendor},
        "queryStringParameters": query,
        "requestContext": {"domainName": "abc.execute-api.eu-central-1.amazonaws.com"},
    }
    return app.handler(event, None)


class Text(HTMLParser):
    """What a person sees, and every tag that the page is made of."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_connected(consent: Consent) -> None:
    """The person reads which connection it is, and which organization."""
    answer = call()
    assert (answer["statusCode"], consent.seen) == (200, [QUERY])
    words = Text(answer["body"]).words
    assert "Zoho Books is connected to acme-eu." in words
    assert {"Harbour Supplies", "700100200", "EU", "Europe/Berlin", "EUR"} <= set(words)


def test_facts_that_zoho_does_not_give_are_left_out(consent: Consent) -> None:
    """No empty rows."""
    consent.result = connected(organization=Organization("700100200", "Harbour Supplies"))
    words = Text(call()["body"]).words
    assert {"Time zone", "Currency"}.isdisjoint(words)


def test_organizations_to_choose_from_are_listed(consent: Consent) -> None:
    """Name, id and time zone of each, and what to change."""
    consent.result = ConsentRefused("The user cannot see organization 1.", (HARBOUR, Organization("2", "B", "UTC")))
    answer = call()
    assert answer["statusCode"] == 400
    words = Text(answer["body"]).words
    assert "The user cannot see organization 1." in words
    assert words[-6:] == ["Harbour Supplies", "700100200", "Europe/Berlin", "B", "2", "UTC"]


def test_call_that_is_still_at_work_is_asked_again(consent: Consent) -> None:
    """The browser does so by itself: nothing to press, no script."""
    consent.result = StillWorking("In a few seconds.")
    answer = call()
    assert (answer["statusCode"], answer["headers"]["refresh"]) == (202, "3")
    assert "refresh" not in app.HEADERS


@pytest.mark.parametrize(
    ("result", "status"),
    [
        (connected(remark="Zoho names the API domain https://api.zoho.eu"), 200),
        (ConsentRefused("This link has been used.", (HARBOUR,)), 400),
        (StillWorking("In a few seconds."), 202),
        (NeedsAttention("Zoho does not know this client"), 502),
        (RetryLater("Zoho's accounts server answered 500"), 502),
        (KeyError("x"), 500),
    ],
)
def test_no_page_and_no_log_shows_the_code(
    consent: Consent,
    log: io.StringIO,
    result: Connected | Exception,
    status: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Neither code nor state leaves the function; no page is kept, framed or scripted, or tells where it came from."""
    consent.result = result
    answer = call()
    assert answer["statusCode"] == status
    assert "sEcReT" not in str(answer) + log.getvalue() + capsys.readouterr().out
    assert answer["headers"]["cache-control"] == "no-store"
    assert answer["headers"]["content-security-policy"].startswith("default-src 'none'")
    assert answer["headers"]["referrer-policy"] == "no-referrer"


def test_log_says_who_was_connected_and_what_was_odd(consent: Consent, log: io.StringIO) -> None:
    """An API domain that is not the table's is no fault, but somebody should know (4.4)."""
    consent.result = connected(remark="Zoho's answer names the API domain https://api.zoho.eu")
    call()
    assert all(word in log.getvalue() for word in ('"700100200"', '"acme-eu"', "https://api.zoho.eu", "WARNING"))
    log.truncate(0)
    consent.result = connected()
    call()
    assert "WARNING" not in log.getvalue()


def test_our_own_fault_is_a_page_too(consent: Consent, log: io.StringIO) -> None:
    """Not the bare error of the gateway; the log has the traceback."""
    consent.result = KeyError("region")
    assert "The fault is ours" in call()["body"]
    assert "KeyError" in log.getvalue()


EVIL = "<script>alert(1)</script>"


@pytest.mark.parametrize(
    "result",
    [
        connected(EVIL),
        connected(organization=Organization(EVIL, EVIL, EVIL, EVIL)),
        ConsentRefused(EVIL, (Organization(EVIL, EVIL, EVIL),)),
        RetryLater(EVIL),
    ],
    ids=lambda result: type(result).__name__,
)
def test_pages_escape(consent: Consent, result: Connected | Exception) -> None:
    """Whatever a page says is text."""
    consent.result = result
    page = Text(call()["body"])
    assert page.tags <= {"html", "meta", "title", "style", "h1", "p", "table", "tr", "th", "td"}
    assert any(EVIL in words for words in page.words)


def test_other_vendors_are_not_there(consent: Consent) -> None:
    """One plain 404, and nothing is tried."""
    for vendor in ("slack", "", "zoho/"):
        assert call(vendor=vendor)["statusCode"] == 404
    assert consent.seen == []


def test_call_without_a_query_is_refused_politely(consent: Consent) -> None:
    """A person who opens the bare address gets a page."""
    consent.result = ConsentRefused("This link was not made by us.")
    assert call(None)["statusCode"] == 400
    assert consent.seen == [{}]
