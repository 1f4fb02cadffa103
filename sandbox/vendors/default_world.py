"""The world of `make demo` and the end-to-end tests: one company, one tenant, one board. All values are made up."""

from __future__ import annotations

from typing import Any

from sandbox.vendors.monday_columns import COLOURS, status_label

ZOHO_REGION = "eu"
ZOHO_ORGANIZATION = "20064550123"
ZOHO_CLIENT_ID = "1000.SANDBOXCLIENT0000000000000001"
ZOHO_CLIENT_SECRET = "sandbox-zoho-client-secret"
ZOHO_REFRESH_TOKEN = "1000.sandbox00000000000000000000000001.sandbox00000000000000000000000002"
ZOHO_SELF_CLIENT_CODE = "1000.sandboxcode0000000000000000000001.sandboxcode0000000000000000000002"
ZOHO_SCOPES = [
    "ZohoBooks.invoices.READ",
    "ZohoBooks.bills.READ",
    "ZohoBooks.purchaseorders.READ",
    "ZohoBooks.customerpayments.READ",
    "ZohoBooks.vendorpayments.READ",
    "ZohoBooks.expenses.READ",
    "ZohoBooks.creditnotes.READ",
    "ZohoBooks.salesorders.READ",
    "ZohoBooks.estimates.READ",
    "ZohoBooks.debitnotes.READ",
    "ZohoBooks.settings.READ",
    "ZohoBooks.invoices.CREATE",
    "ZohoBooks.bills.CREATE",
    "ZohoBooks.purchaseorders.CREATE",
]
# One secret per (module, event), as the contracts advise; letters and digits, 12 to 50.
ZOHO_HOOK_SECRET = "SandboxHookSecret0123456789"

MICROSOFT_TENANT = "6f1d2c3b-0000-4000-a000-0000000000aa"
MICROSOFT_CLIENT_ID = "b0a7c1de-0000-4000-a000-0000000000bb"
MICROSOFT_CLIENT_SECRET = "sandbox-entra-client-secret"
MICROSOFT_REFRESH_TOKEN = "sandbox-entra-refresh-token"
MICROSOFT_USER = "d4e5f6a7-0000-4000-a000-0000000000dd"
MICROSOFT_BOSS = "e5f6a7b8-0000-4000-a000-0000000000ee"
MICROSOFT_BOSS_UPN = "asha.rao@harbour.example"
MICROSOFT_REDIRECT_URI = "https://example.com/oauth/microsoft/callback"
MICROSOFT_TEAM = "c4e5f6a7-0000-4000-a000-0000000000cc"
MICROSOFT_TEAM_THREAD = "19:sandboxgeneral0000000000000000001@thread.tacv2"
CHANNEL_FINANCE = "19:sandboxfinance0000000000000000001@thread.tacv2"
CHANNEL_PURCHASING = "19:sandboxpurchasing00000000000001@thread.tacv2"
CHANNEL_WITHOUT_BOT = "19:sandboxlocked000000000000000001@thread.tacv2"
WORKFLOW_URL = (
    "https://default6f1d2c3b00004000a0000000000000aa.07.environment.api.powerplatform.com:443/powerautomate/automations/"
    "direct/workflows/5a1b0c0000000000000000000000abcd/triggers/manual/paths/invoke?api-version=1"
    "&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=sandboxSignature-0000000000000000000000000000"
)

MONDAY_ACCOUNT = "11223344"
MONDAY_TOKEN = "sandbox-monday-personal-token"
MONDAY_USER = "55667788"
MONDAY_PERSON = "55667799"
MONDAY_PERSON_TOKEN = "sandbox-monday-token-of-asha"
MONDAY_CLIENT_ID = "sandboxmondayapp000000000000000001"
MONDAY_CLIENT_SECRET = "sandbox-monday-client-secret"
MONDAY_SIGNING_SECRET = "sandbox-monday-signing-secret-00001"
MONDAY_REDIRECT_URI = "https://example.com/oauth/monday/callback"
MONDAY_BOARD = "1234567890"
MONDAY_GROUP = "zoho_books"
MONDAY_SUBITEM_BOARD = f"{MONDAY_BOARD}9"
MONDAY_SCOPES = ["account:read", "boards:read", "boards:write", "me:read", "webhooks:read", "webhooks:write"]

# Zoho's status words as people read them: `partially_paid` is "Partially paid".
STATUS_LABELS = {
    "Draft": "american_gray",
    "Sent": "bright_blue",
    "Viewed": "dark_blue",
    "Open": "river",
    "Unpaid": "egg_yolk",
    "Overdue": "stuck_red",
    "Partially paid": "working_orange",
    "Paid": "done_green",
    "Billed": "grass_green",
    "Void": "blackish",
    "Cancelled": "brown",
    "Pending approval": "purple",
    "Approved": "saladish",
    "Deleted": "dark_red",
    "Closed": "teal",
    "Invoiced": "aquamarine",
    "Partially invoiced": "sky",
    "Accepted": "lilac",
    "Declined": "coffee",
    "Expired": "sunset",
    "Non-billable": "steel",
    "Billable": "lavender",
    "Unbilled": "tan",
    "Reimbursed": "royal",
}
CURRENCIES = ("EUR", "USD", "GBP", "CHF", "INR", "JPY", "AUD", "CAD", "SEK", "PLN")


def _status() -> dict[str, Any]:
    done = ("Paid", "Billed")
    return {
        "labels": [
            status_label(text, colour, place, done=text in done)
            for place, (text, colour) in enumerate(STATUS_LABELS.items())
            if colour in COLOURS
        ]
    }


def _dropdown() -> dict[str, Any]:
    labels = [{"id": place, "label": code, "is_deactivated": False} for place, code in enumerate(CURRENCIES, 1)]
    return {"labels": labels, "limit_select": True, "label_limit_count": 1}


def board_columns() -> list[dict[str, Any]]:
    """The column plan of contracts: monday 12."""
    base = {"unit": {"symbol": "€", "direction": "left", "precision": 2}}
    return [
        {"id": "zb_number", "title": "Number", "type": "text"},
        {"id": "zb_party", "title": "Customer or vendor", "type": "text"},
        {"id": "zb_status", "title": "Status", "type": "status", "settings": _status()},
        {"id": "zb_total", "title": "Total", "type": "numbers"},
        {"id": "zb_balance", "title": "Balance", "type": "numbers"},
        {"id": "zb_currency", "title": "Currency", "type": "dropdown", "settings": _dropdown()},
        {"id": "zb_due", "title": "Due date", "type": "date"},
        {"id": "zb_date", "title": "Date", "type": "date"},
        {"id": "zb_link", "title": "Open in Zoho", "type": "link"},
        {"id": "zb_lines", "title": "Lines", "type": "long_text"},
        {"id": "zb_rate", "title": "Rate", "type": "numbers", "settings": {"unit": {"precision": 5}}},
        {"id": "zb_total_base", "title": "Total (EUR)", "type": "numbers", "settings": base},
        {"id": "zb_synced", "title": "Changed in Zoho", "type": "date"},
        {"id": "zb_doc_id", "title": "Zoho ID", "type": "text"},
    ]


def line_columns() -> list[dict[str, Any]]:
    """The columns of the subitems, which are line items."""
    return [
        {"id": "zb_line_no", "title": "No.", "type": "numbers"},
        {"id": "zb_line_quantity", "title": "Quantity", "type": "numbers"},
        {"id": "zb_line_rate", "title": "Rate", "type": "numbers"},
        {"id": "zb_line_total", "title": "Total", "type": "numbers"},
        {"id": "zb_line_id", "title": "Zoho line", "type": "text"},
    ]


def seed() -> dict[str, Any]:
    """The seed in the shape that `World.sow` and `POST /_control/seed` take."""
    grant = {
        "client_id": ZOHO_CLIENT_ID,
        "dc": ZOHO_REGION,
        "organization_ids": [ZOHO_ORGANIZATION],
        "scopes": ZOHO_SCOPES,
    }
    place = {"team_id": MICROSOFT_TEAM, "tenant_id": MICROSOFT_TENANT}
    return {
        "zoho": {
            "clients": [
                {
                    "client_id": ZOHO_CLIENT_ID,
                    "client_secret": ZOHO_CLIENT_SECRET,
                    "dc": ZOHO_REGION,
                    "redirect_uris": ["https://example.com/oauth/zoho/callback"],
                }
            ],
            "organizations": [
                {"organization_id": ZOHO_ORGANIZATION, "name": "Harbour Supplies GmbH", "dc": ZOHO_REGION}
            ],
            "refresh_tokens": [grant | {"token": ZOHO_REFRESH_TOKEN}],
            "codes": [grant | {"token": ZOHO_SELF_CLIENT_CODE}],
        },
        "microsoft": {
            "apps": [
                {
                    "tenant_id": MICROSOFT_TENANT,
                    "client_id": MICROSOFT_CLIENT_ID,
                    "secrets": [MICROSOFT_CLIENT_SECRET],
                    "redirect_uris": [MICROSOFT_REDIRECT_URI],
                    "graph_roles": [
                        "ChannelMessage.Read.Group",
                        "ChannelSettings.Read.Group",
                        "TeamSettings.Read.Group",
                    ],
                }
            ],
            "users": [
                {
                    "user_id": MICROSOFT_USER,
                    "tenant_id": MICROSOFT_TENANT,
                    "name": "Books Service",
                    "upn": "books@harbour.example",
                },
                {
                    "user_id": MICROSOFT_BOSS,
                    "tenant_id": MICROSOFT_TENANT,
                    "name": "Asha Rao",
                    "upn": MICROSOFT_BOSS_UPN,
                    "installed": [MICROSOFT_CLIENT_ID],
                },
            ],
            "refresh_tokens": [
                {
                    "token": MICROSOFT_REFRESH_TOKEN,
                    "tenant_id": MICROSOFT_TENANT,
                    "client_id": MICROSOFT_CLIENT_ID,
                    "user_id": MICROSOFT_USER,
                    "scopes": ["ChannelMessage.Send", "offline_access"],
                }
            ],
            "teams": [
                place | {"name": "Harbour Supplies", "thread_id": MICROSOFT_TEAM_THREAD, "members": [MICROSOFT_USER]}
            ],
            "channels": [
                place | {"channel_id": CHANNEL_FINANCE, "name": "finance", "installed": [MICROSOFT_CLIENT_ID]},
                place | {"channel_id": CHANNEL_PURCHASING, "name": "purchasing", "installed": [MICROSOFT_CLIENT_ID]},
                place | {"channel_id": CHANNEL_WITHOUT_BOT, "name": "board room", "installed": []},
            ],
            "workflows": [{"url": WORKFLOW_URL, "channel_id": CHANNEL_PURCHASING}],
        },
        "monday": {
            "accounts": [{"account_id": MONDAY_ACCOUNT, "slug": "harbour", "plan": "pro"}],
            "users": [
                {"token": MONDAY_TOKEN, "user_id": MONDAY_USER, "account_id": MONDAY_ACCOUNT},
                {
                    "token": MONDAY_PERSON_TOKEN,
                    "user_id": MONDAY_PERSON,
                    "account_id": MONDAY_ACCOUNT,
                    "name": "Asha Rao",
                    "email": "asha.rao@harbour.example",
                },
            ],
            "apps": [
                {
                    "client_id": MONDAY_CLIENT_ID,
                    "client_secret": MONDAY_CLIENT_SECRET,
                    "signing_secret": MONDAY_SIGNING_SECRET,
                    "redirect_uris": [MONDAY_REDIRECT_URI],
                    "scopes": MONDAY_SCOPES,
                    "installed": [MONDAY_ACCOUNT],
                }
            ],
            "boards": [
                {
                    "board_id": MONDAY_BOARD,
                    "account_id": MONDAY_ACCOUNT,
                    "name": "Zoho Books",
                    "columns": board_columns(),
                    "subitem_columns": line_columns(),
                    "groups": [{"id": MONDAY_GROUP, "title": "Zoho Books"}],
                }
            ],
        },
    }
