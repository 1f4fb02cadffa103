"""monday's OAuth server, both flows (contracts: monday 2.2, 2.3)."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ml_connector.errors import NeedsAttention, RetryLater
from ml_connector.vendors.http import Http
from ml_connector.vendors.monday_accounts import HOSTS, MondayAccounts
from tests.fakes import Clock, Says, Wire

APP = {"client_id": "app", "client_secret": "app-sEcReT"}
JOINED = {**APP, "delegated": {"refresh_token": "old-sEcReT", "user_id": "7", "account_id": "1"}}
NEWER, OLDER = "https://auth.monday.com/oauth_ms/oauth/token", "https://auth.monday.com/oauth2/token"


def accounts(*answers: Says) -> tuple[MondayAccounts, Wire]:
    client = Http(HOSTS)
    wire = Wire(*answers)
    client._session.mount("https://", wire)
    return MondayAccounts(client, Clock()), wire


def sent(wire: Wire) -> list[tuple[str, dict[str, Any]]]:
    return [(str(call.url), json.loads(call.body or b"{}")) for call in wire.calls]


def jwt(**claims: int) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"e30.{payload}.c2ln"


def test_page_has_the_challenge_and_never_the_verifier() -> None:
    """S256, as the newer flow asks for (2.3); the client secret is in no address."""
    url = accounts(Says(200))[0].authorize_url("app", ("boards:read", "me:read"), "https://x/cb", "state", "v" * 43)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    assert url.startswith("https://auth.monday.com/oauth2/authorize?")
    assert (asked["scope"], asked["code_challenge_method"]) == ("boards:read me:read", "S256")
    assert len(asked["code_challenge"]) == 43
    assert "v" * 43 not in url


def test_newer_flow_gives_a_refresh_token_and_a_lifetime_from_the_token() -> None:
    """There is no expires_in: the JWT's exp says when it ends (2.3)."""
    token = jwt(exp=int(Clock()().timestamp()) + 1200)
    desk, wire = accounts(Says(200, {"access_token": token, "refresh_token": "r", "scope": "boards:read,me:read"}))
    grant = desk.exchange(APP, "code", "https://x/cb", "verifier")
    assert (grant.refresh_token, grant.issued.lifetime, grant.scopes) == ("r", 1200, ("boards:read", "me:read"))
    ((url, body),) = sent(wire)
    assert url == NEWER
    assert body == {
        **APP, "grant_type": "authorization_code", "code": "code", "code_verifier": "verifier",
        "redirect_uri": "https://x/cb",
    }  # fmt: skip


def test_app_of_the_older_flow_is_asked_for_there() -> None:
    """Which flow an app has is not to be seen from outside; a token without a refresh token does not end (2.2)."""
    desk, wire = accounts(
        Says(400, {"error": "invalid_grant"}), Says(200, {"access_token": "t", "scope": "boards:read"})
    )
    grant = desk.exchange(APP, "code", "https://x/cb", "verifier")
    assert (grant.issued.access_token, grant.refresh_token) == ("t", "")
    assert [url for url, _ in sent(wire)] == [NEWER, OLDER]
    assert set(sent(wire)[1][1]) == {"client_id", "client_secret", "code", "redirect_uri"}


def test_server_that_is_down_is_not_asked_twice() -> None:
    """A code works once: only a refusal of the newer flow says that it may be the older one's."""
    desk, wire = accounts(Says(503))
    with pytest.raises(RetryLater):
        desk.exchange(APP, "code", "https://x/cb", "verifier")
    assert len(wire.calls) == 1


def test_refresh_token_rotates() -> None:
    """The newest is kept with who it is of; the old one is worth nothing any more (2.3)."""
    desk, wire = accounts(Says(200, {"access_token": "t", "refresh_token": "new"}))
    issued = desk.issue(JOINED)
    assert issued.keep == {"delegated": {"refresh_token": "new", "user_id": "7", "account_id": "1"}}
    assert issued.lifetime == 3600
    assert sent(wire) == [(NEWER, {**APP, "grant_type": "refresh_token", "refresh_token": "old-sEcReT"})]


def test_refused_code_is_told_by_the_flow_that_knows_the_app() -> None:
    """Else a code that came too late would look like a wrong client secret."""
    desk, _ = accounts(Says(400, {"error": "invalid_grant"}), Says(401, {"error": "invalid_client"}))
    with pytest.raises(NeedsAttention, match="does not accept this code"):
        desk.exchange(APP, "code", "https://x/cb", "verifier")


@pytest.mark.parametrize(
    ("outcome", "status", "body", "after", "remedy"),
    [
        (NeedsAttention, 400, {"error": "invalid_grant"}, None, "consent"),
        (NeedsAttention, 401, {"error": "invalid_client"}, None, "credentials"),
        # Whatever else is refused may pass (2.3, assumed).
        (RetryLater, 400, {"error": "invalid_request"}, None, None),
        (RetryLater, 401, b"<html>", None, None),
        (RetryLater, 429, {"error": "too_many_requests"}, 300.0, None),
        (RetryLater, 500, b"", None, None),
        (RetryLater, 200, {}, None, None),
    ],
)
def test_refresh_error_table(
    outcome: type[Exception], status: int, body: Any, after: float | None, remedy: str | None
) -> None:
    """Only a grant or a client that is refused needs a person."""
    desk, _ = accounts(Says(status, body))
    with pytest.raises(outcome) as caught:
        desk.issue(JOINED)
    assert type(caught.value) is outcome
    assert (getattr(caught.value, "after", None), getattr(caught.value, "remedy", None)) == (after, remedy)
    assert "sEcReT" not in str(caught.value)


@pytest.mark.parametrize("stored", [APP, {"delegated": JOINED["delegated"]}])
def test_what_is_not_stored_is_asked_for_without_a_call(stored: dict[str, Any]) -> None:
    desk, wire = accounts(Says(200))
    with pytest.raises(NeedsAttention):
        desk.issue(stored)
    assert wire.calls == []


@pytest.mark.parametrize(("answer", "taken"), [(Says(200, {"success": True}), True), (Says(400, {}), False)])
def test_access_is_given_back(answer: Says, taken: bool) -> None:
    desk, wire = accounts(answer)
    assert desk.revoke(JOINED) is taken
    assert sent(wire)[0][1]["token"] == "old-sEcReT"
