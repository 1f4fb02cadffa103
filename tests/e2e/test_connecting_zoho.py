"""Connecting a company by Zoho's consent page and the deployed callback, and what happens when access ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from sandbox.session import Box
from sandbox.sites import OFFICE, Site
from sandbox.soak import PATIENCE

pytestmark = pytest.mark.e2e

Mlc = Callable[..., Any]
Consent = Callable[..., requests.Response]


@pytest.fixture
def site(box: Box, numbers: Iterator[int]) -> Site:
    """A company whose invoices are fetched from Zoho before they are told, not connected yet."""
    routes = [{"events": ["invoice.created"], "to": ["invoices", "ledger"]}]
    site = Site(next(numbers), PATIENCE, modules=("invoice",), routes=routes, zoho={"enrich": "always"}, office=True)
    box.open(site, connected=False)
    return site


@pytest.mark.parametrize(
    ("person", "says"),
    [
        ({"denies": True}, "Zoho was not given permission. Start again and press Accept."),
        ({"organization": "20064550123"}, "cannot see organization"),
    ],
)
def test_who_does_not_give_access_is_told_so_and_nothing_is_stored(
    box: Box, site: Site, mlc: Mlc, consent: Consent, person: dict[str, Any], says: str
) -> None:
    """The page names what went wrong, and the organizations that there are instead."""
    before = box.secrets.get(site.connection, "zoho", max_age=0)
    page = consent(site, **person)
    assert page.status_code == 400
    assert says in page.text
    assert "Nothing was changed." in page.text
    assert ("Harbour Supplies GmbH" in page.text) == ("organization" in person)
    assert box.secrets.get(site.connection, "zoho", max_age=0) == before
    assert mlc("auth", "zoho", site.connection, "--check", code=3)["connected"] is False


def test_a_link_that_is_used_twice_connects_once(box: Box, site: Site, mlc: Mlc, consent: Consent) -> None:
    """Who loads the page again sees the same; the code is not exchanged again, nor is another one."""
    first = consent(site)
    assert first.status_code == 200
    assert f"Site {site.number}" in first.text
    kept = box.secrets.get(site.connection, "zoho", max_age=0)
    again = requests.get(first.url, timeout=30)
    other = requests.get(first.url.replace("code=", "code=1000.other."), timeout=30)
    assert [(page.status_code, page.text) for page in (again, other)] == [(200, first.text)] * 2
    assert box.secrets.get(site.connection, "zoho", max_age=0) == kept
    assert mlc("auth", "zoho", site.connection, "--check")["organization"]["id"] == site.organization


def test_nothing_is_lost_while_access_is_revoked(box: Box, site: Site, mlc: Mlc, consent: Consent) -> None:
    """Events wait, the administrators' channel hears of it once, doctor says what to type; after that all arrives."""
    assert consent(site).ok
    mlc("webhooks", "install", site.connection)
    box.stack.invoke("refresh_tokens", {})
    assert problems(mlc("doctor", site.connection)) == {}

    box.zoho.revoke_tokens(site.organization)
    made = [box.zoho.create(site.organization, "invoice") for _ in range(3)]
    assert [hook["status"] for each in made for hook in each["webhooks"]] == [202] * 3
    until = time.monotonic() + 20
    while box.stack.invoke("refresh_tokens", {})["need_attention"] != 1:
        assert time.monotonic() < until, "no delivery has asked for an access token yet"
    box.stack.invoke("refresh_tokens", {})
    (notice,) = box.zoho.messages(site.channels[OFFICE])
    assert "Zoho Books must be connected again" in str(notice["card"])
    assert f"mlc auth zoho {site.connection}" in str(notice["card"])
    wrong = problems(mlc("doctor", site.connection, code=3))
    assert wrong["tokens"]["type"] == [f"mlc auth zoho {site.connection}"]
    assert "revoked" in wrong["tokens"]["what"]
    assert "events are still taken in" in wrong["tokens"]["why"]
    assert box.zoho.items(site.board) == mlc("parked", "list", site.connection) == []

    assert consent(site).ok
    assert box.settled()
    assert sorted(item["text"]["zb_number"] for item in box.zoho.items(site.board)) == sorted(
        each["record"]["invoice_number"] for each in made
    )
    assert len(box.zoho.messages(site.channels["invoices"])) == 3
    assert box.stack.invoke("refresh_tokens", {})["need_attention"] == 0
    assert "works again" in str(box.zoho.messages(site.channels[OFFICE])[-1]["card"])
    assert problems(mlc("doctor", site.connection)) == {}


def problems(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What doctor found wrong, by check."""
    return {each["check"]: each for each in found["findings"] if each["state"] == "wrong"}
