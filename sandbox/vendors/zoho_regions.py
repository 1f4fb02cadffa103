"""Zoho's data centres (contracts: zoho-books 4.1)."""

from __future__ import annotations

# location -> (accounts host, API host)
DATA_CENTRES = {
    "us": ("accounts.zoho.com", "www.zohoapis.com"),
    "eu": ("accounts.zoho.eu", "www.zohoapis.eu"),
    "in": ("accounts.zoho.in", "www.zohoapis.in"),
    "au": ("accounts.zoho.com.au", "www.zohoapis.com.au"),
    "jp": ("accounts.zoho.jp", "www.zohoapis.jp"),
    "ca": ("accounts.zohocloud.ca", "www.zohoapis.ca"),
    "cn": ("accounts.zoho.com.cn", "www.zohoapis.com.cn"),
    "sa": ("accounts.zoho.sa", "www.zohoapis.sa"),
    "uk": ("accounts.zoho.uk", "www.zohoapis.uk"),
    "ae": ("accounts.zoho.ae", "www.zohoapis.ae"),
}
ACCOUNTS = {accounts: dc for dc, (accounts, _) in DATA_CENTRES.items()}
APIS = {api: dc for dc, (_, api) in DATA_CENTRES.items()}
