"""Zoho's data centres (contracts: zoho-books 4.1). What is not in this table is not called."""

from __future__ import annotations

from typing import NamedTuple


class Region(NamedTuple):
    """Host names of one data centre: OAuth, API and web application."""

    accounts: str
    api: str
    web: str


REGIONS: dict[str, Region] = {
    "us": Region("accounts.zoho.com", "www.zohoapis.com", "books.zoho.com"),
    "eu": Region("accounts.zoho.eu", "www.zohoapis.eu", "books.zoho.eu"),
    "in": Region("accounts.zoho.in", "www.zohoapis.in", "books.zoho.in"),
    "au": Region("accounts.zoho.com.au", "www.zohoapis.com.au", "books.zoho.com.au"),
    "jp": Region("accounts.zoho.jp", "www.zohoapis.jp", "books.zoho.jp"),
    # Canada alone has other names for accounts and web.
    "ca": Region("accounts.zohocloud.ca", "www.zohoapis.ca", "books.zohocloud.ca"),
    "cn": Region("accounts.zoho.com.cn", "www.zohoapis.com.cn", "books.zoho.com.cn"),
    "sa": Region("accounts.zoho.sa", "www.zohoapis.sa", "books.zoho.sa"),
    "ae": Region("accounts.zoho.ae", "www.zohoapis.ae", "books.zoho.ae"),
}

HOSTS = frozenset(host for region in REGIONS.values() for host in (region.accounts, region.api))


def region_of(accounts_server: str) -> str | None:
    """The region whose accounts server this is, as `https://accounts.zoho.eu`; None if it is none of ours."""
    return next((name for name, region in REGIONS.items() if accounts_server == f"https://{region.accounts}"), None)


def web_link(region: str, organization_id: str, route: str, record_id: str) -> str:
    """Where a person opens a record (contracts: zoho-books 9)."""
    return f"https://{REGIONS[region].web}/app/{organization_id}#/{route}/{record_id}"
