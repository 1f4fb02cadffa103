"""What the stand-ins of Entra ID and Graph refuse people and apps (contracts: microsoft-teams 0, 1.4, 1.5, 4, 6)."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from vendors_desk import CARD_TYPE, Desk, card, entra_url

from sandbox.vendors import default_world as w
from sandbox.vendors.wire import Answer

MESSAGES = f"teams/{w.MICROSOFT_TEAM}/channels/{w.CHANNEL_FINANCE}/messages"
VERIFIER = "v" * 43


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.world.unlimited.add("graph")
    return desk


def signed_in(desk: Desk, **changes: str) -> Answer:
    form = {
        "grant_type": "refresh_token",
        "client_id": w.MICROSOFT_CLIENT_ID,
        "client_secret": w.MICROSOFT_CLIENT_SECRET,
        "refresh_token": w.MICROSOFT_REFRESH_TOKEN,
        "scope": "https://graph.microsoft.com/ChannelMessage.Send offline_access",
        **changes,
    }
    return desk.ask("POST", entra_url(), form={key: value for key, value in form.items() if value})


def person(desk: Desk) -> str:
    token: str = signed_in(desk).json()["access_token"]
    return token


def message(**changes: Any) -> dict[str, Any]:
    attachment = {"id": "a1", "contentType": CARD_TYPE, "contentUrl": None, "content": json.dumps(card())}
    body = {"contentType": "html", "content": '<attachment id="a1"></attachment>'}
    return {"body": body, "attachments": [attachment | changes.pop("attachment", {})]} | changes


# --- messages --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "status", "says"),
    [
        (message(attachment={"content": card()}), 400, "must be a string"),
        (message(attachment={"content": "{"}), 400, "not JSON"),
        (message(attachment={"content": json.dumps({"type": "AdaptiveCard"})}), 400, "Invalid Adaptive Card"),
        (message(attachment={"id": "other"}), 400, "no marker"),
        (message(attachment={"contentType": "text/html"}), 400, "contentType"),
        (message(body={"contentType": "html"}), 400, "body"),
        (message(createdDateTime="2026-11-18T08:00:00Z"), 400, "only when importing"),
        (message(subject="x" * 30_000), 413, "too large"),
    ],
    ids=["object", "no JSON", "no card", "no marker", "type", "no body", "dated", "large"],
)
def test_what_graph_refuses_of_a_message(desk: Desk, content: dict[str, Any], status: int, says: str) -> None:
    """A card is a text with a marker, and nobody but an import says when."""
    answer = desk.graph("POST", MESSAGES, person(desk), content)
    assert (answer.status, says in answer.json()["error"]["message"]) == (status, True)


def test_a_message_is_its_senders(desk: Desk) -> None:
    """With the permission: not the bot's, not after it was deleted."""
    posted = desk.graph("POST", MESSAGES, person(desk), message())
    assert posted.status == 201
    path = f"{MESSAGES}/{posted.json()['id']}"
    assert desk.graph("PATCH", path, person(desk), message()).status == 403
    desk.world.microsoft.refresh_tokens[w.MICROSOFT_REFRESH_TOKEN].scopes.append("ChannelMessage.ReadWrite")
    scope = "https://graph.microsoft.com/ChannelMessage.ReadWrite offline_access"
    editor = signed_in(desk, scope=scope).json()["access_token"]
    assert desk.graph("PATCH", path, editor, message()).status == 204
    desk.world.microsoft.channels[w.CHANNEL_FINANCE].messages[0].sender = "somebody else"
    assert desk.graph("PATCH", path, editor, message()).status == 403
    desk.world.microsoft.channels[w.CHANNEL_FINANCE].messages[0].sender = w.MICROSOFT_USER
    assert desk.graph("POST", f"{path}/softDelete", editor, {}).status == 204
    assert desk.graph("PATCH", path, editor, message()).status == 404
    assert desk.graph("POST", f"{path}/replies", person(desk), message()).status == 404


def test_messages_stay_as_they_are_in_national_clouds(desk: Desk) -> None:
    """There is no PATCH there (1.4)."""
    app = desk.world.microsoft.apps[w.MICROSOFT_TENANT, w.MICROSOFT_CLIENT_ID]
    token = person(desk)
    posted = desk.graph("POST", MESSAGES, token, message()).json()["id"]
    desk.world.microsoft.tokens[token].scopes.append("ChannelMessage.ReadWrite")
    app.cloud = "gcch"
    url = f"https://graph.microsoft.us/v1.0/{MESSAGES}/{posted}"
    answer = desk.ask("PATCH", url, content=message(), headers={"Authorization": f"Bearer {token}"})
    assert answer.status == 405


def test_one_message_a_second(desk: Desk) -> None:
    """In a channel; four in a team, whichever of its channels (8.1)."""
    desk.world.unlimited.clear()
    token = person(desk)
    places = [w.CHANNEL_FINANCE, w.CHANNEL_PURCHASING, w.CHANNEL_WITHOUT_BOT]
    paths = [MESSAGES.replace(w.CHANNEL_FINANCE, place) for place in places]
    assert [desk.graph("POST", path, token, message()).status for path in paths] == [201] * 3
    throttled = desk.graph("POST", MESSAGES, token, message())
    assert (throttled.status, throttled.headers["Retry-After"]) == (429, "1")


# --- signing in -------------------------------------------------------------------------------------------------------


def asked(desk: Desk, **changes: str) -> Answer:
    digest = hashlib.sha256(VERIFIER.encode()).digest()
    query = {
        "client_id": w.MICROSOFT_CLIENT_ID,
        "response_type": "code",
        "redirect_uri": w.MICROSOFT_REDIRECT_URI,
        "scope": "https://graph.microsoft.com/ChannelMessage.Send offline_access openid profile",
        "state": "s",
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
        **changes,
    }
    return desk.ask("GET", f"{entra_url().removesuffix('token')}authorize?{urlencode(query)}")


def back(answer: Answer) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(answer.headers["Location"]).query))


def exchanged(desk: Desk, code: str, **changes: str) -> Answer:
    form = {"code": code, "redirect_uri": w.MICROSOFT_REDIRECT_URI, "code_verifier": VERIFIER}
    return signed_in(desk, grant_type="authorization_code", refresh_token="", **{**form, **changes})


def test_code_works_once_for_who_asked(desk: Desk) -> None:
    """With the verifier and the redirect URI of the request; then there is a refresh token."""
    for changes in ({"code_verifier": "other"}, {"redirect_uri": "https://evil.example"}):
        assert exchanged(desk, back(asked(desk))["code"], **changes).json()["error"] == "invalid_grant"
    code = back(asked(desk))["code"]
    first = exchanged(desk, code).json()
    assert {"access_token", "refresh_token", "id_token"} <= set(first)
    assert exchanged(desk, code).json()["error_codes"] == [70008]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"scope": "https://graph.microsoft.com/ChannelMessage.ReadWrite"}, "access_denied"),
        ({"scope": "https://graph.microsoft.com/Nothing.Known"}, "invalid_client"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
    ],
)
def test_page_sends_back_an_error(desk: Desk, changes: dict[str, str], error: str) -> None:
    """What an administrator must consent to, what is unknown, what lacks PKCE."""
    answer = back(asked(desk, **changes))
    assert (answer["error"], answer["state"], "code" in answer) == (error, "s", False)


def test_page_sends_nobody_to_a_stranger(desk: Desk) -> None:
    """An unregistered redirect URI is answered on the page itself."""
    answer = asked(desk, redirect_uri="https://evil.example")
    assert (answer.status, "Location" in answer.headers) == (400, False)


def test_refresh_token_lives_on_with_its_successor(desk: Desk) -> None:
    """The old one is not revoked by its use (1.4); one that was revoked is dead."""
    first = signed_in(desk).json()["refresh_token"]
    assert first != w.MICROSOFT_REFRESH_TOKEN
    assert signed_in(desk).status == 200
    desk.world.microsoft.refresh_tokens[first].revoked = True
    assert signed_in(desk, refresh_token=first).json()["error_codes"] == [50173]
    assert signed_in(desk, scope="https://graph.microsoft.com/ChannelMessage.ReadWrite").json()["error_codes"] == [
        65001
    ]


def test_administrators_hand(desk: Desk) -> None:
    """What an administrator changes can be changed here too, by hand or by a demo."""
    app = f"teams/apps/{w.MICROSOFT_TENANT}/{w.MICROSOFT_CLIENT_ID}"
    assert desk.control("PATCH", app, {"redirect_uris": ["https://x.example/cb"], "granted": []}).status == 200
    assert asked(desk).status == 400
    assert desk.control("PATCH", f"teams/users/{w.MICROSOFT_USER}", {"blocked": 50076}).status == 200
    assert signed_in(desk).json()["error_codes"] == [50076]
    desk.control("PATCH", f"teams/users/{w.MICROSOFT_USER}", {"blocked": 0})
    assert desk.control("POST", "teams/revoke").json()["revoked"] == 1
    assert signed_in(desk).json()["error_codes"] == [50173]
    assert desk.control("PATCH", f"teams/channels/{w.CHANNEL_FINANCE}", {"migration": True}).status == 200
    assert desk.control("PATCH", app, {"tenant_id": "x"}).status == 400


@pytest.mark.parametrize("assertion", ["", "a.b.c", "e30.e30.e30"])
def test_assertion_must_be_signed_by_a_known_certificate(desk: Desk, assertion: str) -> None:
    """Rubbish is refused as such."""
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    answer = signed_in(desk, client_secret="", client_assertion=assertion, client_assertion_type=kind)
    assert (answer.status, answer.json()["error_codes"][0]) == (401, 700027 if assertion else 7000218)
