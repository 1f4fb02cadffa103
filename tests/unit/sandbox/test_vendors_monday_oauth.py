"""OAuth in both flows, and what an app's token may do. contracts: monday 2.2 to 2.4, 5.1."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from monday_calls import code, data
from vendors_desk import Desk

from sandbox.vendors import default_world as w
from sandbox.vendors.wire import Answer

AUTHORIZE = "https://auth.monday.com/oauth2/authorize"
OLD, NEW = "https://auth.monday.com/oauth2/token", "https://auth.monday.com/oauth_ms/oauth/token"
REVOKE = "https://auth.monday.com/oauth_ms/oauth/revoke"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
CLIENT = {"client_id": w.MONDAY_CLIENT_ID, "client_secret": w.MONDAY_CLIENT_SECRET}


def app(desk: Desk, **values: Any) -> None:
    """Change the app."""
    assert desk.control("PATCH", f"monday/apps/{w.MONDAY_CLIENT_ID}", values).status == 200


def authorize(desk: Desk, url: str = AUTHORIZE, **changes: str) -> Answer:
    """The consent page, which the signed-in user answers at once; an empty value drops the key."""
    good = {
        "client_id": w.MONDAY_CLIENT_ID,
        "redirect_uri": w.MONDAY_REDIRECT_URI,
        "scope": "boards:read boards:write me:read",
        "state": "s1",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    } | changes
    return desk.ask("GET", f"{url}?{urlencode({key: value for key, value in good.items() if value})}")


def back(answer: Answer) -> dict[str, str]:
    """What the redirect carries."""
    assert answer.status == 302, answer.body
    assert answer.headers["Location"].startswith(w.MONDAY_REDIRECT_URI + "?")
    return dict(parse_qsl(urlsplit(answer.headers["Location"]).query))


def exchange(desk: Desk, given: str, url: str = NEW, **changes: str) -> Answer:
    """A code for tokens."""
    body = {
        **CLIENT,
        "grant_type": "authorization_code",
        "code": given,
        "code_verifier": VERIFIER,
        "redirect_uri": w.MONDAY_REDIRECT_URI,
    } | changes
    return desk.ask("POST", url, content=body)


def tokens(desk: Desk, **asked: str) -> dict[str, Any]:
    """The tokens of a whole consent."""
    answer = exchange(desk, back(authorize(desk, **asked))["code"])
    assert answer.status == 200, answer.body
    return dict(answer.json())


def refresh(desk: Desk, token: str, **changes: str) -> Answer:
    """New tokens."""
    return desk.ask("POST", NEW, content={**CLIENT, "grant_type": "refresh_token", "refresh_token": token} | changes)


# --- consent


def test_the_state_comes_back_and_the_code_becomes_tokens(desk: Desk) -> None:
    """2.3: no `expires_in`; the access token is a JWT whose `exp` says when it ends."""
    assert back(authorize(desk))["state"] == "s1"
    found = tokens(desk)
    assert set(found) == {"access_token", "refresh_token", "token_type", "scope"}
    payload = json.loads(base64.urlsafe_b64decode(found["access_token"].split(".")[1] + "=="))
    assert payload["exp"] == int(desk.world.clock.now()) + 3600
    assert data(desk.monday("{ me { id } }", token=found["access_token"]))["me"]["id"] == w.MONDAY_USER


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"scope": "boards:read docs:write"}, "invalid_scope"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": "x" * 42}, "invalid_request"),
        ({"code_challenge": "x" * 129}, "invalid_request"),
    ],
)
def test_errors_of_the_consent_come_back(desk: Desk, changes: dict[str, str], error: str) -> None:
    """2.2, 2.3: PKCE with S256 and 43 to 128 characters; scopes within the app's list."""
    found = back(authorize(desk, **changes))
    assert (found["error"], found["state"]) == (error, "s1")


@pytest.mark.parametrize("changes", [{"client_id": "nobody"}, {"redirect_uri": "https://evil.example/callback"}])
def test_nothing_leads_to_an_address_that_is_not_registered(desk: Desk, changes: dict[str, str]) -> None:
    """A page, no redirect."""
    answer = authorize(desk, **changes)
    assert (answer.status, "Location" in answer.headers) == (400, False)


def test_the_user_may_say_no(desk: Desk) -> None:
    """access_denied."""
    desk.control("PUT", "monday/signed-in", {"user_id": w.MONDAY_PERSON, "denies": True})
    assert back(authorize(desk))["error"] == "access_denied"


def test_the_one_who_is_signed_in_gives_the_token(desk: Desk) -> None:
    """Of the account that the address names."""
    desk.control("PUT", "monday/signed-in", {"user_id": w.MONDAY_PERSON})
    found = tokens(desk, url="https://harbour.monday.com/oauth2/authorize")
    assert data(desk.monday("{ me { id } }", token=found["access_token"]))["me"]["id"] == w.MONDAY_PERSON
    assert authorize(desk, subdomain="elsewhere").status == 400


def test_an_app_is_installed_first(desk: Desk) -> None:
    """2.4: an admin installs it; `force_install_if_needed` leads there."""
    app(desk, installed=[])
    assert back(authorize(desk))["error"] == "unauthorized_client"
    assert "code" in back(authorize(desk, force_install_if_needed="true"))


# --- tokens


@pytest.mark.parametrize(
    "changes",
    [
        {"code_verifier": "w" * 43},
        {"code": "nothing"},
        {"redirect_uri": "https://other.example"},
    ],
)
def test_a_code_needs_its_verifier_and_its_address(desk: Desk, changes: dict[str, str]) -> None:
    """invalid_grant; and the code is spent."""
    given = back(authorize(desk))["code"]
    answer = exchange(desk, **{"given": given, **changes})
    assert (answer.status, answer.json()["error"]) == (400, "invalid_grant")


def test_a_code_is_good_once_and_for_ten_minutes(desk: Desk) -> None:
    """2.2."""
    given = back(authorize(desk))["code"]
    assert exchange(desk, given).status == 200
    assert exchange(desk, given).json()["error"] == "invalid_grant"
    late = back(authorize(desk))["code"]
    desk.world.clock.advance(600)
    assert exchange(desk, late).json()["error"] == "invalid_grant"


def test_who_is_not_the_app_gets_nothing(desk: Desk) -> None:
    """client_secret_post, JSON."""
    answer = exchange(desk, back(authorize(desk))["code"], client_secret="wrong")
    assert (answer.status, answer.json()["error"]) == (401, "invalid_client")
    assert desk.ask("POST", NEW, form={**CLIENT, "grant_type": "refresh_token"}).json()["error"] == "invalid_request"
    assert refresh(desk, "x", grant_type="password").json()["error"] == "unsupported_grant_type"


def test_refresh_tokens_rotate(desk: Desk) -> None:
    """2.3: "store the newest, discard the old": the old one is refused."""
    first = tokens(desk)["refresh_token"]
    second = refresh(desk, first).json()["refresh_token"]
    again = refresh(desk, first)
    assert (again.status, again.json()["error"]) == (400, "invalid_grant")
    assert refresh(desk, second).status == 200


def test_an_access_token_ends(desk: Desk) -> None:
    """401 after its hour, or when control says so; a refreshed one works."""
    found = tokens(desk)
    desk.world.clock.advance(3600)
    assert desk.monday("{ me { id } }", token=found["access_token"]).status == 401
    fresh = refresh(desk, found["refresh_token"]).json()["access_token"]
    assert desk.monday("{ me { id } }", token=fresh).status == 200
    desk.control("POST", f"monday/apps/{w.MONDAY_CLIENT_ID}/tokens", {"action": "expire"})
    assert desk.monday("{ me { id } }", token=fresh).status == 401


def test_a_revoked_token_is_dead(desk: Desk) -> None:
    """2.3: `{"success": true}`."""
    found = tokens(desk)
    for kind in ("access_token", "refresh_token"):
        answer = desk.ask("POST", REVOKE, content={**CLIENT, "token": found[kind], "token_type_hint": kind})
        assert (answer.status, answer.json()) == (200, {"success": True})
    assert desk.monday("{ me { id } }", token=found["access_token"]).status == 401
    assert refresh(desk, found["refresh_token"]).json()["error"] == "invalid_grant"


def test_an_uninstalled_app_has_no_tokens(desk: Desk) -> None:
    """2.2: "until the app is uninstalled"."""
    found = tokens(desk)
    desk.control("POST", f"monday/apps/{w.MONDAY_CLIENT_ID}/tokens", {"action": "uninstall"})
    assert desk.monday("{ me { id } }", token=found["access_token"]).status == 401
    assert refresh(desk, found["refresh_token"]).json()["error"] == "invalid_grant"


def test_the_old_flow_gives_a_token_for_ever(desk: Desk) -> None:
    """2.2: no PKCE, no refresh token, form or JSON, at another address; the new one knows no such app."""
    app(desk, flow="2.0")
    given = back(authorize(desk, code_challenge="", code_challenge_method=""))["code"]
    assert exchange(desk, given).json()["error"] == "invalid_client"
    form = {**CLIENT, "code": given, "redirect_uri": w.MONDAY_REDIRECT_URI}
    answer = desk.ask("POST", OLD, form=form)
    assert set(answer.json()) == {"access_token", "token_type", "scope"}
    desk.world.clock.advance(400 * 86_400)
    assert desk.monday("{ me { id } }", token=answer.json()["access_token"]).status == 200


def test_the_new_flow_is_found_by_discovery(desk: Desk) -> None:
    """2.3."""
    answer = desk.ask("GET", "https://auth.monday.com/oauth_ms/.well-known/oauth-authorization-server").json()
    assert (answer["token_endpoint"], answer["code_challenge_methods_supported"]) == (NEW, ["S256"])
    assert desk.ask("GET", "https://auth.monday.com/elsewhere").status == 404


# --- what an app's token may do


@pytest.mark.parametrize(
    ("query", "scope"),
    [
        ('mutation { create_board(board_name: "B", board_kind: private) { id } }', "boards:write"),
        ("{ boards { id } }", "boards:read"),
        ("{ webhooks(board_id: 1234567890) { id } }", "webhooks:read"),
        ("mutation { delete_webhook(id: 1) { id } }", "webhooks:write"),
        ('mutation { create_update(item_id: 1, body: "x") { id } }', "updates:write"),
    ],
)
def test_a_scope_that_was_not_granted_is_missed(desk: Desk, query: str, scope: str) -> None:
    """2.4, 5.3: missingRequiredPermissions, inside a 200; with the scope it is not missed."""
    token = tokens(desk, scope="me:read")["access_token"]
    answer = desk.monday(query, token=token)
    assert (answer.status, code(answer)) == (200, "missingRequiredPermissions")
    assert answer.json()["errors"][0]["extensions"]["error_data"] == {"required": [scope]}


def test_reads_and_writes_of_an_app_have_a_budget_each(desk: Desk) -> None:
    """5.1: 5,000,000 points each; a personal token's reads and writes count together."""
    desk.control("PATCH", f"monday/accounts/{w.MONDAY_ACCOUNT}", {"complexity_per_minute": 6_000})
    token = tokens(desk)["access_token"]
    write = f'mutation {{ create_group(board_id: {w.MONDAY_BOARD}, group_name: "G") {{ id }} }}'
    read = "{ boards { id } }"
    assert [desk.monday(query, token=token).status for query in (write, read, write)] == [200, 200, 429]
    assert [desk.monday(query).status for query in (write, read)] == [200, 429]


def test_idempotency_keys_outlive_the_token(desk: Desk) -> None:
    """6: they belong to user and app (assumed), so that a refresh in between makes no second item."""
    found = tokens(desk)
    query = f'mutation {{ create_item(board_id: {w.MONDAY_BOARD}, item_name: "x") {{ id }} }}'
    fresh = refresh(desk, found["refresh_token"]).json()["access_token"]
    for token in (found["access_token"], fresh):
        answer = desk.monday(query, headers={"Idempotency-Key": "k"}, token=token)
    assert answer.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in desk.monday(query, headers={"Idempotency-Key": "k"}).headers
