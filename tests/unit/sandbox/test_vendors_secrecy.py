"""What the stand-ins keep of secrets, and how these are looked for."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from vendors_desk import Desk

from sandbox.secrecy import SHORTEST, Sieve
from sandbox.vendors import default_world as w

SECRET = 'of "forty-two" /characters+and=some&signs'


def test_what_a_token_call_shows_and_gives_is_kept(desk: Desk) -> None:
    """The client's secret, the refresh token and the access token; and that again when it is used."""
    token = desk.zoho_token()
    kept = set(desk.control("GET", "secrets").json()["secrets"])
    assert {token, w.ZOHO_CLIENT_SECRET, w.ZOHO_REFRESH_TOKEN} <= kept
    desk.ask("POST", "https://api.monday.com/v2", headers={"Authorization": "used-and-made-up"}, content={})
    assert "used-and-made-up" in desk.control("GET", "secrets").json()["secrets"]


@pytest.mark.parametrize(
    "written",
    [
        SECRET,
        f"told: {SECRET}.",
        json.dumps({"x": SECRET}),
        f"https://vendor.example/?token={quote(SECRET, safe='')}&x=1",
        base64.b64encode(SECRET.encode()).decode(),
    ],
)
def test_a_secret_is_found_however_it_is_written(written: str) -> None:
    """As it is, inside a text, in JSON, in an address, in base64."""
    assert Sieve({SECRET: "a kind", "another, of another kind": "none"}).kinds(written) == ["a kind"]


def test_a_part_of_a_secret_is_none() -> None:
    """Its first characters may be those of any text; and what is too short is in every second one."""
    assert Sieve({SECRET: "a kind", "short": "none"}).kinds(f"short {SECRET[: SHORTEST + 5]}") == []
