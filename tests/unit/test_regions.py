"""Zoho's data centres (contracts: zoho-books 4.1, 9)."""

from __future__ import annotations

import pytest

from ml_connector.modules import MODULES
from ml_connector.regions import HOSTS, REGIONS, region_of, web_link


@pytest.mark.parametrize("region", REGIONS)
def test_a_region_is_known_by_its_accounts_server(region: str) -> None:
    """The answer of a consent names the data centre by its accounts server."""
    assert region_of(f"https://{REGIONS[region].accounts}") == region


@pytest.mark.parametrize(
    "server",
    [
        "",
        "accounts.zoho.eu",
        "http://accounts.zoho.eu",
        "https://accounts.zoho.eu/",
        "https://accounts.zoho.eu.evil.example",
        "https://accounts.zoho.eu@evil.example",
        "https://ACCOUNTS.ZOHO.EU",
        "https://www.zohoapis.eu",
    ],
)
def test_anything_else_is_no_region(server: str) -> None:
    """A browser cannot send our client secret to a host of its choice."""
    assert region_of(server) is None


def test_only_tabled_hosts_are_called() -> None:
    """The allow-list is the table's accounts and API hosts; nothing is called on the web host."""
    assert len(HOSTS) == 2 * len(REGIONS)
    assert all(region.web not in HOSTS for region in REGIONS.values())


def test_links_lead_to_the_organizations_own_record() -> None:
    """A person lands in the right data centre, organization and module."""
    link = web_link("ca", "60018273645", MODULES["customer_payment"].route, "7310000000214550")
    assert link == "https://books.zohocloud.ca/app/60018273645#/paymentsreceived/7310000000214550"
