"""The Zoho stand-in refuses what Zoho refuses, and signs as Zoho signs."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from vendors_desk import Desk, refresh_form

from sandbox.vendors import default_world as w
from sandbox.vendors.cards import contracts
from sandbox.vendors.wire import Answer
from sandbox.vendors.zoho_webhooks import signature, signing_string

TOKEN = "https://accounts.zoho.eu/oauth/v2/token"
ORG = w.ZOHO_ORGANIZATION
MODULES = (
    "invoice", "bill", "purchase_order", "customer_payment", "vendor_payment", "expense", "credit_note", "sales_order",
    "estimate", "vendor_credit",
)  # fmt: skip


# --- tokens


@pytest.mark.parametrize(
    ("url", "form", "error"),
    [
        (TOKEN, refresh_form(client_id="1000.NOBODY"), "invalid_client"),
        (TOKEN, refresh_form(grant_type="password"), "invalid_client"),
        (TOKEN, refresh_form(client_secret="wrong"), "invalid_client_secret"),
        (TOKEN, refresh_form(refresh_token="1000.gone"), "invalid_code"),
        (TOKEN, refresh_form(refresh_token=""), "invalid_code"),
        ("https://accounts.zoho.com/oauth/v2/token", refresh_form(), "invalid_client"),
        (TOKEN, refresh_form(grant_type="authorization_code"), "invalid_code"),
    ],
)
def test_token_errors_come_with_status_200(desk: Desk, url: str, form: dict[str, str], error: str) -> None:
    """A client that trusts the status takes a refusal for a token."""
    answer = desk.ask("POST", url, form=form)
    assert (answer.status, answer.json()) == (200, {"error": error})


def test_a_multi_dc_client_still_refreshes_in_the_users_data_centre_only(desk: Desk) -> None:
    """A refresh token belongs to one data centre, whatever the client may do."""
    desk.world.zoho.clients[w.ZOHO_CLIENT_ID].multi_dc = True
    answer = desk.ask("POST", "https://accounts.zoho.com/oauth/v2/token", form=refresh_form())
    assert answer.json() == {"error": "invalid_code"}


@pytest.mark.parametrize(("method", "form"), [("GET", refresh_form()), ("POST", refresh_form(grant_type=""))])
def test_token_call_without_method_or_grant_is_400(desk: Desk, method: str, form: dict[str, str]) -> None:
    """Only these two token mistakes have a status of their own."""
    assert desk.ask(method, TOKEN, form=form).status == 400


def test_the_eleventh_token_in_ten_minutes_is_denied(desk: Desk) -> None:
    """A client that refreshes per call locks itself out for the rest of the window."""
    for _ in range(10):
        assert "access_token" in desk.ask("POST", TOKEN, form=refresh_form()).json()
    answer = desk.ask("POST", TOKEN, form=refresh_form())
    assert (answer.status, answer.json()["error"]) == (200, "Access Denied")
    desk.world.clock.advance(600)
    assert "access_token" in desk.ask("POST", TOKEN, form=refresh_form()).json()


def test_the_sixteenth_token_deletes_the_oldest(desk: Desk) -> None:
    """Fifteen access tokens of a refresh token live at once."""
    first = desk.zoho_token()
    for _ in range(15):
        desk.world.clock.advance(61)
        desk.zoho_token()
    assert desk.books("invoices", first).json()["code"] == 14


def test_self_client_code_works_once_and_gives_a_refresh_token(desk: Desk) -> None:
    """A self client has no redirect URI; its code is single use."""
    form = refresh_form(grant_type="authorization_code", refresh_token="", code=w.ZOHO_SELF_CLIENT_CODE)
    first = desk.ask("POST", TOKEN, form=form).json()
    assert first["api_domain"] == "https://www.zohoapis.eu"
    assert first["expires_in"] == 3600
    assert "access_token" in desk.ask("POST", TOKEN, form=refresh_form(refresh_token=first["refresh_token"])).json()
    assert desk.ask("POST", TOKEN, form=form).json() == {"error": "invalid_code"}


def test_consent_hands_out_a_code_for_the_right_redirect_and_two_minutes(desk: Desk) -> None:
    """The code belongs to the redirect URI, says its data centre, and dies young."""
    back = "https://example.com/oauth/zoho/callback"
    url = (
        f"https://accounts.zoho.eu/oauth/v2/auth?response_type=code&client_id={w.ZOHO_CLIENT_ID}"
        f"&scope=ZohoBooks.invoices.READ&redirect_uri={back}&access_type=offline&state=s1"
    )
    location = desk.ask("GET", url).headers["Location"]
    sent = {key: value[0] for key, value in parse_qs(urlsplit(location).query).items()}
    assert (sent["state"], sent["location"], sent["accounts-server"]) == ("s1", "eu", "https://accounts.zoho.eu")
    form = refresh_form(grant_type="authorization_code", refresh_token="", code=sent["code"])
    assert desk.ask("POST", TOKEN, form=form).json() == {"error": "invalid_redirect_uri"}
    desk.world.clock.advance(121)
    assert desk.ask("POST", TOKEN, form={**form, "redirect_uri": back}).json() == {"error": "invalid_code"}


BACK = "https://example.com/oauth/zoho/callback"


def _consent(desk: Desk, host: str = "accounts.zoho.eu", **changes: str | None) -> Answer:
    asked = {
        "response_type": "code",
        "client_id": w.ZOHO_CLIENT_ID,
        "scope": "ZohoBooks.invoices.READ,ZohoBooks.settings.READ",
        "redirect_uri": BACK,
        "access_type": "offline",
        "prompt": "consent",
        "state": "s1",
    } | changes
    query = urlencode({key: value for key, value in asked.items() if value is not None})
    return desk.ask("GET", f"https://{host}/oauth/v2/auth?{query}")


def _sent_back(answer: Answer) -> dict[str, str]:
    return {key: value[0] for key, value in parse_qs(urlsplit(answer.headers["Location"]).query).items()}


def _exchanged(desk: Desk, back: dict[str, str]) -> dict[str, Any]:
    form = refresh_form(grant_type="authorization_code", refresh_token="", code=back["code"], redirect_uri=BACK)
    answer: dict[str, Any] = desk.ask("POST", f"{back['accounts-server']}/oauth/v2/token", form=form).json()
    return answer


@pytest.mark.parametrize(
    ("wrong", "page"),
    [
        ({"client_id": "1000.NOBODY"}, b"Invalid Client"),
        ({"response_type": "token"}, b"Invalid Client"),
        ({"host": "accounts.zoho.com"}, b"Invalid Client"),
        ({"redirect_uri": "https://evil.example/"}, b"Invalid Redirect Uri"),
        ({"redirect_uri": BACK + "/"}, b"Invalid Redirect Uri"),
        ({"scope": "ZohoBooks.invoice.READ"}, b"Invalid OAuth scope"),
        ({"scope": "ZohoBooks.invoices.READ ZohoBooks.bills.READ"}, b"Invalid OAuth scope"),
        ({"scope": ""}, b"Invalid OAuth scope"),
    ],
)
def test_mistakes_of_a_consent_are_shown_on_a_page(desk: Desk, wrong: dict[str, str], page: bytes) -> None:
    """Nobody is sent anywhere with them."""
    answer = _consent(desk, **wrong)
    assert (answer.status, "Location" in answer.headers, page in answer.body) == (400, False, True)


def test_a_user_can_deny(desk: Desk) -> None:
    """The state comes back with the error."""
    desk.control("PUT", "zoho-user", {"dc": "eu", "organization_ids": [ORG], "denies": True})
    assert _sent_back(_consent(desk)) == {"state": "s1", "error": "access_denied"}


def test_the_consent_is_the_signed_in_users(desk: Desk) -> None:
    """The user's data centre and organizations; of another data centre only where the client is enabled for it."""
    other = {"organization_id": "777", "name": "Tokyo", "dc": "jp", "time_zone": "Asia/Tokyo"}
    desk.control("POST", "seed", {"zoho": {"organizations": [other, other | {"organization_id": "778"}]}})
    desk.control("PUT", "zoho-user", {"dc": "jp", "organization_ids": ["777", "778"]})
    assert b"Invalid Client" in _consent(desk).body
    desk.control("PATCH", f"zoho-clients/{w.ZOHO_CLIENT_ID}", {"multi_dc": True})
    back = _sent_back(_consent(desk))
    assert (back["location"], back["accounts-server"]) == ("jp", "https://accounts.zoho.jp")
    issued = _exchanged(desk, back)
    assert issued["api_domain"] == "https://www.zohoapis.jp"
    headers = {"Authorization": f"Zoho-oauthtoken {issued['access_token']}"}
    found = desk.ask("GET", "https://www.zohoapis.jp/books/v3/organizations", headers=headers).json()["organizations"]
    assert [(each["organization_id"], each["is_default_org"]) for each in found] == [("777", True), ("778", False)]
    assert desk.books("invoices", issued["access_token"]).json()["code"] == 57


def test_a_second_consent_needs_the_prompt(desk: Desk) -> None:
    """Without `prompt=consent` there is no refresh token a second time."""
    assert "refresh_token" in _exchanged(desk, _sent_back(_consent(desk, prompt=None)))
    assert "refresh_token" not in _exchanged(desk, _sent_back(_consent(desk, prompt=None)))
    assert "refresh_token" in _exchanged(desk, _sent_back(_consent(desk)))


def test_a_client_can_have_more_redirect_uris(desk: Desk) -> None:
    """As in the API console; each must be exact."""
    uri = "http://127.0.0.1:4566/oauth/zoho/callback"
    assert b"Invalid Redirect Uri" in _consent(desk, redirect_uri=uri).body
    desk.control("POST", f"zoho-clients/{w.ZOHO_CLIENT_ID}/redirect_uris", {"uri": uri})
    assert _consent(desk, redirect_uri=uri).headers["Location"].startswith(uri + "?state=s1&code=")


def test_ten_refresh_tokens_in_ten_minutes(desk: Desk) -> None:
    """And twenty per user and client: one more pushes out the oldest."""
    assert ["refresh_token" in _exchanged(desk, _sent_back(_consent(desk))) for _ in range(11)] == [True] * 10 + [False]
    assert w.ZOHO_REFRESH_TOKEN in desk.world.zoho.refresh_tokens
    desk.world.clock.advance(600)
    for _ in range(10):
        desk.world.clock.advance(61)
        _exchanged(desk, _sent_back(_consent(desk)))
    assert w.ZOHO_REFRESH_TOKEN not in desk.world.zoho.refresh_tokens
    assert len(desk.world.zoho.refresh_tokens) == 20


def test_tokens_end_on_demand(desk: Desk) -> None:
    """Expired ones are replaced by a refresh, revoked ones are not."""
    token = desk.zoho_token()
    assert desk.control("POST", f"zoho/{ORG}/tokens", {"action": "expire"}).json()["ended"] == 1
    assert desk.books("invoices", token).json()["code"] == 14
    token = desk.zoho_token()
    desk.control("POST", f"zoho/{ORG}/tokens", {"action": "revoke"})
    assert desk.books("invoices", token).json()["code"] == 14
    assert desk.ask("POST", TOKEN, form=refresh_form()).json() == {"error": "invalid_code"}


def test_the_newer_revocation_wants_the_client(desk: Desk) -> None:
    """Basic credentials and a form; an access token can be revoked alone."""
    url, token = "https://accounts.zoho.eu/oauth/v2/revoke/token", desk.zoho_token()
    form = {"token": token, "token_type": "access_token"}
    assert desk.ask("POST", url, form=form).status == 401
    secret = base64.b64encode(f"{w.ZOHO_CLIENT_ID}:{w.ZOHO_CLIENT_SECRET}".encode()).decode()
    basic = {"Authorization": f"Basic {secret}"}
    assert desk.ask("POST", url, form=form, headers=basic).json() == {"status": "success"}
    assert desk.books("invoices", token).json()["code"] == 14
    form = {"token": w.ZOHO_REFRESH_TOKEN, "token_type": "refresh_token"}
    assert desk.ask("POST", url, form=form, headers=basic).status == 200
    assert desk.ask("POST", TOKEN, form=refresh_form()).json() == {"error": "invalid_code"}


def test_revoking_a_refresh_token_kills_its_access_tokens(desk: Desk) -> None:
    """Revocation is complete."""
    token = desk.zoho_token()
    assert desk.ask("POST", f"{TOKEN}/revoke", form={"token": w.ZOHO_REFRESH_TOKEN}).json() == {"status": "success"}
    assert desk.books("invoices", token).status == 401
    assert desk.ask("POST", f"{TOKEN}/revoke", form={"token": w.ZOHO_REFRESH_TOKEN}).status == 400


# --- reads


@pytest.mark.parametrize(
    ("url", "scheme", "status", "code"),
    [
        ("https://www.zohoapis.eu/books/v3/invoices?organization_id=" + ORG, "Bearer", 401, 14),
        ("https://www.zohoapis.eu/books/v3/invoices?organization_id=" + ORG, "", 401, 57),
        ("https://www.zohoapis.com/books/v3/invoices?organization_id=" + ORG, "Zoho-oauthtoken", 401, 57),
        ("https://www.zohoapis.eu/books/v3/invoices", "Zoho-oauthtoken", 400, 4),
        ("https://www.zohoapis.eu/books/v3/invoices?organization_id=999", "Zoho-oauthtoken", 401, 57),
        ("https://www.zohoapis.eu/books/v2/invoices?organization_id=" + ORG, "Zoho-oauthtoken", 404, 5),
        ("https://www.zohoapis.eu/books/v3/invoice?organization_id=" + ORG, "Zoho-oauthtoken", 404, 5),
        ("https://www.zohoapis.eu/books/v3/invoices/1?organization_id=" + ORG, "Zoho-oauthtoken", 404, 1002),
        ("https://www.zohoapis.eu/books/v3/invoices?per_page=201&organization_id=" + ORG, "Zoho-oauthtoken", 400, 4),
        ("https://www.zohoapis.eu/books/v3/invoices?page=0&organization_id=" + ORG, "Zoho-oauthtoken", 400, 4),
        (
            "https://www.zohoapis.eu/books/v3/bills?last_modified_time=2026-01-01T00:00:00Z1&organization_id=" + ORG,
            "Zoho-oauthtoken",
            400,
            4,
        ),
        ("https://www.zohoapis.eu/books/v3/contacts?organization_id=" + ORG, "Zoho-oauthtoken", 404, 5),
        ("https://www.zohoapis.eu/books/v3/invoices/1/lines?organization_id=" + ORG, "Zoho-oauthtoken", 404, 5),
        ("https://www.zohoapis.eu/books/v3/invoices/1/payments?organization_id=" + ORG, "Zoho-oauthtoken", 404, 1002),
        ("https://www.zohoapis.eu/books/v3/expenses/1/payments?organization_id=" + ORG, "Zoho-oauthtoken", 404, 5),
        (
            "https://www.zohoapis.eu/books/v3/bills?last_modified_time=2026-01-01T00:00:00Z&organization_id=" + ORG,
            "Zoho-oauthtoken",
            400,
            4,
        ),
    ],
)
def test_wrong_books_calls_are_refused(desk: Desk, url: str, scheme: str, status: int, code: int) -> None:
    """Header scheme, data centre, organization, path and paging are all checked."""
    token = desk.zoho_token()
    headers = {"Authorization": f"{scheme} {token}"} if scheme else {}
    answer = desk.ask("GET", url, headers=headers)
    assert (answer.status, answer.json()["code"]) == (status, code)


def test_other_methods_are_405(desk: Desk) -> None:
    """We never write records, and Zoho would not take it here."""
    assert desk.books("invoices", desk.zoho_token(), "POST", content={}).status == 405


def test_an_access_token_lives_an_hour(desk: Desk) -> None:
    """3600 seconds by the vendors' clock, not one more."""
    token = desk.zoho_token()
    desk.world.clock.advance(3599)
    assert desk.books("invoices", token).status == 200
    desk.world.clock.advance(1)
    assert desk.books("invoices", token).json()["code"] == 14


def test_a_scope_not_granted_is_57(desk: Desk) -> None:
    """A missing scope looks like missing authorisation."""
    desk.world.zoho.refresh_tokens[w.ZOHO_REFRESH_TOKEN].scopes = ["ZohoBooks.bills.READ"]
    token = desk.zoho_token()
    assert desk.books("bills", token).status == 200
    assert desk.books("invoices", token).json()["code"] == 57


def test_the_hundred_and_first_call_in_a_minute_blocks_the_organization(desk: Desk) -> None:
    """Code 44 for a while; the headers speak of the day only."""
    token = desk.zoho_token()
    for _ in range(100):
        assert desk.books("invoices", token).status == 200
    answer = desk.books("invoices", token)
    assert (answer.status, answer.json()["code"]) == (429, 44)
    assert answer.headers["X-Rate-Limit-Remaining"] == "4900"
    assert "Retry-After" not in answer.headers
    desk.world.clock.advance(59)
    assert desk.books("invoices", token).status == 429
    desk.world.clock.advance(2)
    assert desk.books("invoices", token).status == 200


@pytest.mark.parametrize(("plan", "most"), [("Free", 5), ("Professional", 10)])
def test_too_many_calls_at_once_are_code_1070(desk: Desk, plan: str, most: int) -> None:
    """Five under way on the free plan, ten on the others; one that ends makes room."""
    desk.control("PATCH", f"zoho/{ORG}", {"plan_name": plan})
    token = desk.zoho_token()
    desk.control("POST", "faults", {"kind": "slow", "vendor": "zoho", "slow_ms": 2000, "count": most})
    assert [desk.books("invoices", token).status for _ in range(most)] == [200] * most
    answer = desk.books("invoices", token)
    assert (answer.status, answer.json()["code"]) == (429, 1070)
    desk.world.clock.advance(2)
    assert desk.books("invoices", token).status == 200


@pytest.mark.parametrize(("plan", "quota"), [("Free", 1000), ("Standard", 2000), ("Premium", 10_000)])
def test_the_plan_sets_the_days_quota(desk: Desk, plan: str, quota: int) -> None:
    """Until an organization has one of its own."""
    desk.control("PATCH", f"zoho/{ORG}", {"plan_name": plan})
    token = desk.zoho_token()
    assert desk.books("invoices", token).headers["X-Rate-Limit-Limit"] == str(quota)
    desk.control("PATCH", f"zoho/{ORG}", {"daily_limit": 50_000, "calls_today": 49_998})
    assert desk.books("invoices", token).headers["X-Rate-Limit-Remaining"] == "1"


def test_an_inactive_organization_is_listed_and_refused(desk: Desk) -> None:
    """It still belongs to the user."""
    desk.control("PATCH", f"zoho/{ORG}", {"active": False})
    token = desk.zoho_token()
    (found,) = desk.books("organizations", token).json()["organizations"]
    assert found["org_settings"] == {"is_org_active": False}
    assert desk.books("invoices", token).json()["code"] == 57


def test_the_days_quota_is_code_45(desk: Desk) -> None:
    """The day ends at midnight of the organization's zone."""
    org = desk.world.zoho.organizations[ORG]
    org.daily_limit = 1
    token = desk.zoho_token()
    assert desk.books("invoices", token).status == 200
    answer = desk.books("invoices", token)
    assert (answer.status, answer.json()["code"]) == (429, 45)
    # 2026-11-18T11:06:40Z is 12:06:40 in Berlin
    assert answer.headers["X-Rate-Limit-Reset"] == str(11 * 3600 + 53 * 60 + 20)
    desk.world.clock.advance(42_800)
    assert desk.books("organizations", desk.zoho_token()).status == 200
    assert desk.books("invoices", desk.zoho_token()).status == 200


@pytest.mark.parametrize(
    ("module", "plural", "key"),
    [
        ("invoice", "invoices", "invoice"),
        ("bill", "bills", "bill"),
        ("purchase_order", "purchaseorders", "purchaseorder"),
        ("customer_payment", "customerpayments", "payment"),
        ("vendor_payment", "vendorpayments", "vendorpayment"),
        ("credit_note", "creditnotes", "creditnote"),
        ("sales_order", "salesorders", "salesorder"),
        ("estimate", "estimates", "estimate"),
    ],
)
def test_keys_differ_between_list_and_get(desk: Desk, module: str, plural: str, key: str) -> None:
    """Lists have no line items; a payment received is `payment` in a get and has `updated_time` there."""
    fields: dict[str, Any] = (
        {} if "payment" in module else {"line_items": [{"name": "Box", "rate": 2.5, "quantity": 4}]}
    )
    made = desk.save(module, fields)
    token = desk.zoho_token()
    row = desk.books(plural, token).json()[plural][0]
    record = desk.books(f"{plural}/{made['id']}", token).json()[key]
    assert "line_items" not in row
    assert "last_modified_time" in row
    assert ("updated_time" in record, "last_modified_time" in record) == (
        module == "customer_payment",
        module != "customer_payment",
    )
    if fields:
        assert (record["total"], record["line_items"][0]["item_total"]) == (10.0, 10.0)
    if module == "purchase_order":
        assert not {"balance", "due_date"} & set(record)


def test_expenses_and_vendor_credits_have_names_of_their_own(desk: Desk) -> None:
    """An expense has no number and no symbol of its currency; vendor credits need the scope `debitnotes`."""
    desk.world.zoho.refresh_tokens[w.ZOHO_REFRESH_TOKEN].scopes = [
        "ZohoBooks.expenses.READ",
        "ZohoBooks.debitnotes.READ",
    ]
    expense, credit = desk.save("expense", {"total": 12.5})["id"], desk.save("vendor_credit")["id"]
    token = desk.zoho_token()
    record = desk.books(f"expenses/{expense}", token).json()["expense"]
    assert (record["amount"], "currency_symbol" in record) == (12.5, False)
    assert desk.books("expenses", token).json()["expenses"][0]["total"] == 12.5
    assert desk.books(f"expenses/{expense}/comments", token).json()["comments"][0]["comment_type"] == "system"
    assert desk.books("vendorcredits", token).json()["vendor_credits"][0]["vendor_credit_id"] == credit
    assert desk.books(f"vendorcredits/{credit}", token).json()["vendor_credit"]["vendor_credit_number"] == "VC-00001"


def test_numbers_are_not_used_again(desk: Desk) -> None:
    """Also after the last record was deleted."""
    first = desk.save("invoice")
    desk.control("DELETE", f"zoho/{ORG}/records/invoices/{first['id']}")
    assert desk.save("invoice")["record"]["invoice_number"] == "INV-000002"


def test_times_carry_the_organizations_offset_without_a_colon(desk: Desk) -> None:
    """`+0100` in a Berlin winter."""
    assert desk.save("invoice")["record"]["created_time"] == "2026-11-18T12:06:40+0100"


def test_lists_page_and_sort(desk: Desk) -> None:
    """`has_more_page` tells when to stop; unknown sort columns and purchase orders ascending are ignored silently."""
    ids = []
    for _ in range(3):
        ids.append(desk.save("invoice")["id"])
        desk.save("purchase_order")
        desk.world.clock.advance(10)
    path = f"zoho/{ORG}/records/invoices/{ids[0]}"
    desk.control("PATCH", path, {"fields": {"status": "paid"}})
    token = desk.zoho_token()
    first = desk.books("invoices?sort_column=last_modified_time&sort_order=D&per_page=2", token).json()
    assert [row["invoice_id"] for row in first["invoices"]] == [ids[0], ids[2]]
    assert first["page_context"]["has_more_page"] is True
    last = desk.books("invoices?sort_column=last_modified_time&sort_order=D&per_page=2&page=2", token).json()
    assert [row["invoice_id"] for row in last["invoices"]] == [ids[1]]
    assert last["page_context"]["has_more_page"] is False
    orders = desk.books("purchaseorders?sort_column=created_time&sort_order=A", token).json()
    assert orders["page_context"]["sort_order"] == "D"
    bills = desk.books("bills?sort_column=last_modified_time", token).json()
    assert bills["page_context"]["sort_column"] == "created_time"


def test_filters_known_and_unknown(desk: Desk) -> None:
    """A mistyped filter changes nothing, and the invoice list takes `last_modified_time` as an exact match."""
    made = desk.save("invoice", {"status": "draft"})["record"]
    desk.world.clock.advance(5)
    desk.save("invoice")
    token = desk.zoho_token()
    when = made["last_modified_time"].replace("+", "%2B")

    def numbers(query: str) -> int:
        return len(desk.books(f"invoices?{query}", token).json()["invoices"])

    assert numbers("statuss=draft") == 2
    assert numbers("status=draft") == 1
    assert numbers(f"last_modified_time={when}") == 1
    assert numbers("date_after=2026-11-18") == 0
    assert numbers("date_start=2026-11-18") == 2
    assert numbers("search_text=inv-000001") == 1
    assert numbers("filter_by=Status.Draft") == 1
    desk.save("credit_note")
    notes = desk.books(
        f"creditnotes?last_modified_time={when}&sort_column=last_modified_time", desk.zoho_token()
    ).json()
    assert (len(notes["creditnotes"]), notes["page_context"]["sort_column"]) == (1, "created_time")


# --- comments


@pytest.mark.parametrize(("plural", "module", "status"), [("invoices", "invoice", 200), ("bills", "bill", 201)])
def test_comments_are_added_each_time(desk: Desk, plural: str, module: str, status: int) -> None:
    """Repeats add repeats: only the caller can prevent that."""
    key, token = desk.save(module)["id"], desk.zoho_token()
    for _ in range(2):
        assert desk.books(f"{plural}/{key}/comments", token, "POST", content={"description": "done"}).status == status
    found = desk.books(f"{plural}/{key}/comments", token).json()["comments"]
    assert [each["comment_type"] for each in found] == ["internal", "internal", "system"]


@pytest.mark.parametrize(
    ("path", "content", "status"),
    [
        ("invoices/{id}/comments", {}, 400),
        ("invoices/{id}/comments", {"description": " "}, 400),
        ("invoices/{id}/comments", {"description": "x" * 501}, 400),
        ("invoices/1/comments", {"description": "x"}, 404),
        ("customerpayments/{id}/comments", {"description": "x"}, 404),
        ("vendorpayments/{id}/comments", {"description": "x"}, 404),
        ("expenses/{id}/comments", {"description": "x"}, 405),
        ("vendorcredits/{id}/comments", {"description": "x"}, 404),
    ],
)
def test_wrong_comments_are_refused(desk: Desk, path: str, content: dict[str, str], status: int) -> None:
    """Payments take no comments, and an empty one is none."""
    key, token = desk.save("invoice")["id"], desk.zoho_token()
    assert desk.books(path.format(id=key), token, "POST", content=content).status == status


def test_a_comment_must_be_json(desk: Desk) -> None:
    """Anything else is a bad JSONString."""
    key, token = desk.save("invoice")["id"], desk.zoho_token()
    assert desk.books(f"invoices/{key}/comments", token, "POST", raw=b"description=x").status == 400


# --- webhooks


@pytest.mark.parametrize(
    ("query", "body", "kind", "digest"),
    [
        (
            "subscription_id=90343&name=basic",
            b'{"created_date":"2019-03-06","event_id":"5675"}',
            "application/json",
            "325806db4b4936415a25a51910ea82f9eae85db09c497e780bec342941c4d28f",
        ),
        (
            "",
            b"bill_id=4150000000108120&vendor_name=Northwind%20Packaging&status=open",
            "application/x-www-form-urlencoded",
            "1239e5e1462a2650a0ddf9d7bbb66ba8e4060ce127ce05278f7552b2ef6d4409",
        ),
    ],
)
def test_signing_matches_known_digests(query: str, body: bytes, kind: str, digest: str) -> None:
    """Sorted pairs, then the raw JSON body; a form body is decoded into the pairs."""
    assert signature("DevSecret0123456789", query, body, kind) == digest


def test_signing_matches_the_contracts_examples() -> None:
    """Every published and computed example of the contracts."""
    path = contracts() / "samples" / "zoho" / "signature_examples.json"
    if not path.is_file():
        pytest.skip("the vendor contracts do not lie beside this repository")
    for one in json.loads(path.read_text(encoding="utf-8"))["examples"]:
        given = one["query_string"], one["body"].encode(), one["content_type"]
        assert signing_string(*given).decode() == one["signing_string"], one["name"]
        assert signature(one["secret"], *given) == one["hex"], one["name"]


def _hook(desk: Desk, module: str = "invoice", event: str = "created", **more: Any) -> None:
    body = {"url": "http://127.0.0.1/hook", "secret": w.ZOHO_HOOK_SECRET, "module": module, "event": event, **more}
    assert desk.control("POST", f"zoho/{ORG}/hooks", body).status == 200


@pytest.mark.parametrize("module", MODULES)
def test_a_saved_record_calls_its_hook_with_the_whole_record(desk: Desk, module: str) -> None:
    """The body is the full record below the module's key, signed byte for byte, and names no event."""
    _hook(desk, module)
    made = desk.save(module, {"reference_number": "Müller & Söhne"})
    ((_, body, headers),) = desk.sent
    (content,) = json.loads(body).values()
    assert content == made["record"]
    digest = hmac.new(w.ZOHO_HOOK_SECRET.encode(), body, hashlib.sha256).hexdigest()
    assert headers["X-Zoho-Webhook-Signature"] == digest
    assert made["webhooks"][0]["status"] == 202


def test_only_the_hooks_of_the_event_are_called(desk: Desk) -> None:
    """One hook per module and event; a deleted record leaves its id only."""
    _hook(desk, event="updated")
    _hook(desk, event="invoice.deleted")
    key = desk.save("invoice")["id"]
    assert desk.sent == []
    desk.control("PATCH", f"zoho/{ORG}/records/invoices/{key}", {"fields": {"status": "void"}})
    desk.control("DELETE", f"zoho/{ORG}/records/invoices/{key}")
    assert json.loads(desk.sent[0][1])["invoice"]["status"] == "void"
    assert json.loads(desk.sent[1][1]) == {"invoice": {"invoice_id": key}}


@pytest.mark.parametrize(("signed", "header"), [("forged", True), ("missing", False)])
def test_bad_signatures_on_demand(desk: Desk, signed: str, header: bool) -> None:
    """A forged signature is well formed and wrong."""
    _hook(desk)
    desk.save("invoice", signed=signed)
    ((_, body, headers),) = desk.sent
    digest = hmac.new(w.ZOHO_HOOK_SECRET.encode(), body, hashlib.sha256).hexdigest()
    assert ("X-Zoho-Webhook-Signature" in headers) is header
    assert headers.get("X-Zoho-Webhook-Signature") != digest


def test_webhooks_get_lost_held_back_and_doubled_on_demand(desk: Desk) -> None:
    """Out of order: hold the first, send the second, then send the first."""
    _hook(desk)
    _hook(desk, event="updated")
    desk.save("invoice", webhook="lose")
    assert desk.sent == []
    made = desk.save("invoice", webhook="hold")
    assert desk.sent == []
    desk.control("PATCH", f"zoho/{ORG}/records/invoices/{made['id']}", {"fields": {"status": "paid"}, "copies": 2})
    held = made["webhooks"][0]["id"]
    assert desk.control("POST", f"zoho/{ORG}/webhooks/{held}/send", {}).json() == {"statuses": [202]}
    assert [json.loads(body)["invoice"]["status"] for _, body, _ in desk.sent] == ["paid", "paid", "sent"]


def test_form_bodies_carry_the_record_as_jsonstring(desk: Desk) -> None:
    """The old format: one form field, signed decoded."""
    _hook(desk)
    desk.save("invoice", form=True)
    ((_, body, headers),) = desk.sent
    text = parse_qs(body.decode())["JSONString"][0]
    assert "invoice" in json.loads(text)
    digest = hmac.new(w.ZOHO_HOOK_SECRET.encode(), f"JSONString{text}".encode(), hashlib.sha256).hexdigest()
    assert headers["X-Zoho-Webhook-Signature"] == digest


def test_two_edits_never_share_a_modification_time(desk: Desk) -> None:
    """Zoho counts in seconds; versions must still differ."""
    made = desk.save("customer_payment")
    path = f"zoho/{ORG}/records/customerpayments/{made['id']}"
    changed = desk.control("PATCH", path, {"fields": {"amount": 5}}).json()["record"]
    assert changed["updated_time"] > made["record"]["updated_time"]


@pytest.mark.parametrize("secret", ["short", "with-hyphens-inside", "x" * 51])
def test_hook_secrets_follow_zohos_rule(desk: Desk, secret: str) -> None:
    """12 to 50 letters and digits."""
    body = {"url": "http://127.0.0.1/hook", "secret": secret, "module": "invoice", "event": "created"}
    assert desk.control("POST", f"zoho/{ORG}/hooks", body).status == 400


def test_payloads_of_ones_own_are_signed_too(desk: Desk) -> None:
    """Whatever a person sends goes out signed for the event's hooks."""
    _hook(desk)
    body = {"event": "invoice.created", "body": '{"invoice": {"invoice_id": "7"}}'}
    assert len(desk.control("POST", f"zoho/{ORG}/payloads/invoice", body).json()["webhooks"]) == 1
    assert desk.sent[0][1] == b'{"invoice": {"invoice_id": "7"}}'
