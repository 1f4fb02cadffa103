"""Where Zoho sends the browser back to: pages for people that give nothing away (contracts: zoho-books 4.2)."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from functions.oauth import app
from ml_connector.consent import ConsentRefused
from ml_connector.errors import NeedsAttention, RetryLater

QUERY = {"state": "sEcReT-state", "code": "1000.sEcReT-code", "location": "eu", "accounts-server": "https://x"}


@dataclass
class Consent:
    result: str | Exception = "acme-eu"
    seen: list[Mapping[str, str]] = field(default_factory=list)

    def complete(self, query: Mapping[str, str]) -> str:
        self.seen.append(query)
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


@pytest.fixture
def consent(monkeypatch: pytest.MonkeyPatch) -> Consent:
    fake = Consent()
    monkeypatch.setattr(app, "consent", lambda redirect_uri: fake)
    return fake


def call(query: Mapping[str, str] | None = QUERY, vendor: str = "zoho") -> dict[str, Any]:
    event = {
        "pathParameters": {"vendor": vendor},
        "queryStringParameters": query,
        "requestContext": {"domainName": "abc.execute-api.eu-central-1.amazonaws.com"},
    }
    return app.handler(event, None)


def test_connected(consent: Consent) -> None:
    """The person reads which connection it is."""
    answer = call()
    assert (answer["statusCode"], consent.seen) == (200, [QUERY])
    assert "Zoho Books is connected to acme-eu" in answer["body"]


def test_redirect_uri_is_the_stacks_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The address that was registered with Zoho."""
    asked: list[str] = []

    def build(redirect_uri: str) -> Consent:
        asked.append(redirect_uri)
        return Consent()

    monkeypatch.setattr(app, "consent", build)
    call()
    assert asked == ["https://abc.execute-api.eu-central-1.amazonaws.com/oauth/zoho/callback"]


@pytest.mark.parametrize(
    ("result", "status"),
    [
        ("acme-eu", 200),
        (ConsentRefused("This link has been used."), 400),
        (NeedsAttention("Zoho does not know this client"), 502),
        (RetryLater("Zoho's accounts server answered 500"), 502),
    ],
)
def test_no_page_and_no_log_shows_the_code(
    consent: Consent,
    result: str | Exception,
    status: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither code nor state leaves the function; no page is kept, framed or scripted, or tells where it came from."""
    log = io.StringIO()
    monkeypatch.setattr(app.logger.registered_handler, "stream", log)
    consent.result = result
    answer = call()
    assert answer["statusCode"] == status
    assert "sEcReT" not in str(answer) + log.getvalue() + capsys.readouterr().out
    assert answer["headers"]["cache-control"] == "no-store"
    assert answer["headers"]["content-security-policy"].startswith("default-src 'none'")
    assert answer["headers"]["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    "result",
    ["<script>alert(1)</script>", ConsentRefused("<script>alert(1)</script>"), RetryLater("<script>alert(1)</script>")],
    ids=lambda result: type(result).__name__,
)
def test_pages_escape(consent: Consent, result: str | Exception) -> None:
    """Whatever a page says is text."""
    consent.result = result
    body = call()["body"]
    assert "<script>" not in body
    assert "&lt;script&gt;" in body


def test_other_vendors_are_not_there(consent: Consent) -> None:
    """One plain 404, and nothing is tried."""
    for vendor in ("monday", "", "zoho/"):
        assert call(vendor=vendor)["statusCode"] == 404
    assert consent.seen == []


def test_call_without_a_query_is_refused_politely(consent: Consent) -> None:
    """A person who opens the bare address gets a page."""
    consent.result = ConsentRefused("This link was not made by us.")
    assert call(None)["statusCode"] == 400
    assert consent.seen == [{}]
