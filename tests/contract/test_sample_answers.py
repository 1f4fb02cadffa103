"""Every shape in which Zoho is known to answer us, through our clients (contracts: zoho-books 3, 4, 6, 7, 8).

The files in tests/fixtures/zoho/answers have the shapes of the contract's samples, and values of our own.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from ml_connector.destinations.zoho_comment import connect
from ml_connector.errors import Missing, NeedsAttention, NotAllowed, RetryLater
from ml_connector.limits import Quota
from ml_connector.ports import Memory
from ml_connector.records import read
from ml_connector.regions import HOSTS, region_of
from ml_connector.vendors.zoho import ZohoBooks
from ml_connector.vendors.zoho_accounts import ZohoAccounts
from ml_connector.vendors.zoho_api import Refused, ZohoApi
from ml_connector.vendors.zoho_settings import ZohoSettings
from ml_connector.webhook_plan import Wanted, ZohoWebhook, rule_body, webhook_body
from ml_connector.webhook_setup import NameTaken
from tests.fakes import AccessTokens, Says, Wire, connection, delivery, http, record_of, toolbox

ANSWERS = Path(__file__).parents[1] / "fixtures" / "zoho" / "answers"
CREDENTIALS = {"region": "eu", "client_id": "1000.X", "client_secret": "s", "refresh_token": "r"}
EU = connection()


def answer(name: str) -> Any:
    return json.loads((ANSWERS / f"{name}.json").read_text("utf-8"))


def books(name: str, status: int = 200, **headers: str) -> ZohoBooks:
    return ZohoBooks(http(Wire(Says(status, answer(name), headers)), HOSTS), AccessTokens())


def accounts(name: str) -> ZohoAccounts:
    return ZohoAccounts(http(Wire(Says(200, answer(name))), HOSTS))


def settings(name: str, status: int = 200) -> ZohoSettings:
    return ZohoSettings(ZohoApi(http(Wire(Says(status, answer(name))), HOSTS), AccessTokens()))


# --- lists -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "module", "numbers", "more", "by"),
    [
        ("api_list_invoices_page1", "invoice", ["STT-214012", "STT-214013"], True, "modified"),
        ("api_list_invoices_page2", "invoice", ["STT-214010"], False, "modified"),
        ("api_list_bills", "bill", ["KC/71055"], False, "created"),
        ("api_list_purchaseorders", "purchase_order", ["SPO-13000"], False, "created"),
        ("api_list_customerpayments", "customer_payment", ["208"], False, "other"),
        ("api_list_vendorpayments", "vendor_payment", ["17"], False, "other"),
    ],
)
def test_lists(name: str, module: str, numbers: list[str], more: bool, by: str) -> None:
    """Every row is a record with a time and an amount, and the page says whether another one follows."""
    page = books(name).page(EU, module, 1)
    records = [read(module, row) for row in page.rows]
    assert ([record.number for record in records], page.more, page.by) == (numbers, more, by)
    assert all(record.modified_at and record.created_at and record.amount for record in records)


def test_organizations() -> None:
    """What a person chooses from."""
    (found,) = accounts("api_list_organizations").organizations("in", "token")
    assert (found.id, found.name, found.time_zone) == ("60045501234", "Deccan Leaf & Box", "Asia/Kolkata")
    assert (found.currency, found.plan, found.active) == ("INR", "Elite", True)


def test_headers_tell_of_the_day() -> None:
    """Not of the minute (8)."""
    told = {name: value for name, value in answer("api_rate_limit_headers").items() if name != "note"}
    zoho = books("api_list_bills", **told)
    zoho.page(EU, "bill", 1)
    assert zoho.quota(EU) == Quota(5000, 4711, 30100)


# --- errors ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "status", "expected", "after"),
    [
        ("api_error_invalid_url", 404, Refused, None),
        ("api_error_not_authorized", 401, NotAllowed, None),
        ("api_error_not_found", 404, Missing, None),
        ("api_error_not_found", 400, Missing, None),
        ("api_error_rate_limit_concurrent", 429, RetryLater, 5.0),
        ("api_error_rate_limit_day", 429, RetryLater, 3600.0),
        ("api_error_rate_limit_minute", 429, RetryLater, 60.0),
    ],
)
def test_errors(name: str, status: int, expected: type[Exception], after: float | None) -> None:
    """By the code, whatever the status: what may be tried again, when, and what needs a person."""
    with pytest.raises(expected) as caught:
        books(name, status).fetch(EU, "invoice", "1")
    assert type(caught.value) is expected
    assert getattr(caught.value, "after", None) == after


# --- access ------------------------------------------------------------------------------------------------------


def test_tokens() -> None:
    """Of a code, and of a refresh, which brings no refresh token."""
    grant = accounts("oauth_token_response").exchange("us", "1000.X", "s", "code", "https://app.example/callback")
    said = answer("oauth_token_response")
    assert (grant.refresh_token, grant.api_domain) == (said["refresh_token"], "https://www.zohoapis.com")
    assert (grant.issued.access_token, grant.issued.lifetime) == (said["access_token"], 3600)
    issued = accounts("oauth_refresh_response").issue(CREDENTIALS)
    assert (issued.access_token, issued.lifetime) == (answer("oauth_refresh_response")["access_token"], 3600)


def test_refused_tokens() -> None:
    """With status 200: one needs a person, the other ten minutes."""
    with pytest.raises(NeedsAttention):
        accounts("oauth_error_invalid_code").issue(CREDENTIALS)
    with pytest.raises(RetryLater) as caught:
        accounts("oauth_error_access_denied").issue(CREDENTIALS)
    assert caught.value.after == 600


def test_redirect() -> None:
    """What the browser brings back names the code, and a data centre of our table."""
    came = dict(parse_qsl(urlsplit(answer("oauth_redirect_examples")["success"]).query))
    assert came.keys() == {"state", "code", "location", "accounts-server"}
    assert region_of(came["accounts-server"]) == came["location"] == "eu"
    denied = dict(parse_qsl(urlsplit(answer("oauth_redirect_examples")["denied"]).query))
    assert denied.keys() == {"state", "error"}


# --- webhooks and rules ------------------------------------------------------------------------------------------

WANTED = Wanted(
    "zoho.invoice.created", "invoice", "created", "tok", "https://api.example/tok", "Secret0123456789", "name", "what"
)


def test_webhooks_and_rules() -> None:
    """The ids of what was made, what there is, and a name that is taken."""
    assert settings("api_webhook_create_response", 201).create_webhook(EU, {}) == "9820000000181008"
    assert settings("api_workflow_create_response", 201).create_rule(EU, {}) == "9820000000182008"
    with pytest.raises(NameTaken):
        settings("api_webhook_duplicate_name_error", 400).create_webhook(EU, {})
    at = "https://hooks.courier.example/v1/zoho/p_41Xw/"
    assert settings("api_webhooks_list_response").webhooks(EU) == [
        ZohoWebhook(
            "9820000000181008", "Courier invoice created", f"{at}invoice.created", "invoice", "POST",
            ("9820000000182008",),
        ),
        ZohoWebhook("9820000000181009", "Courier bill created", f"{at}bill.created", "bill", "POST", ()),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "ours", "also"),
    [
        # The default payload is what Zoho sends if nothing is said (2.1), and we need no header of our own.
        ("api_webhook_create_request", lambda: webhook_body(WANTED, "invoice"), {"body_type", "raw_data", "headers"}),
        ("api_workflow_create_request", lambda: rule_body(WANTED, "invoice", "add", "9820000000181008"), set()),
    ],
)
def test_what_we_ask_for_is_what_others_have_asked_for(
    name: str, ours: Callable[[], dict[str, Any]], also: set[str]
) -> None:
    """The same attributes of the same kinds; `also` is what we leave out."""
    theirs, body = answer(name), ours()
    assert theirs.keys() - body.keys() == also
    for attribute in theirs.keys() & body.keys():
        assert type(body[attribute]) is type(theirs[attribute]), attribute


# --- notes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "name", "status", "identity"),
    [
        ("invoice", "api_invoice_comment_create_response", 200, ""),
        ("bill", "api_bill_comment_create_response", 201, "9820000000171029"),
    ],
)
def test_notes(module: str, name: str, status: int, identity: str) -> None:
    """Of invoices Zoho does not say the note's id: the marker stands for it."""
    each = delivery("notes", module=module)
    notes = connect("notes", {"type": "zoho_comment"}, EU, toolbox(Wire(Says(status, answer(name)))))
    request = notes.plan(each.event, record_of(each), Memory())
    receipt = notes.send(request)
    assert receipt.outcome == "created"
    assert receipt.external_id == (identity or str(request.body["description"])[14:22])
    if module == "invoice":
        assert request.body.keys() == answer("api_invoice_comment_create_request").keys()


def test_a_note_of_zohos_own_is_none_of_ours() -> None:
    """Zoho writes notes, too: a lost answer is not taken for one of them."""
    each = delivery("notes", module="invoice")
    wire = Wire(Says(200, answer("api_invoice_comments_list")))
    notes = connect("notes", {"type": "zoho_comment"}, EU, toolbox(wire))
    assert notes.settle(notes.plan(each.event, record_of(each), Memory()), Memory()) is None


def test_every_file_is_read() -> None:
    """No answer without a test: their names stand in this file."""
    source = Path(__file__).read_text("utf-8")
    assert [path.stem for path in sorted(ANSWERS.iterdir()) if f'"{path.stem}"' not in source] == []
