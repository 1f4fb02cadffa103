"""The stand-ins without a server: a frozen clock, the default world, no sockets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from sandbox.vendors import control
from sandbox.vendors import default_world as w
from sandbox.vendors.app import serve
from sandbox.vendors.wire import Answer, Call, call_of
from sandbox.vendors.world import Clock, World

START = 1_795_000_000.0  # 2026-11-18T11:06:40Z
CARD_TYPE = "application/vnd.microsoft.card.adaptive"


class Desk:
    """Makes calls as a client would, and keeps what Zoho's webhooks carried."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes, dict[str, str]]] = []
        self.hook_status = 202
        self.notified: list[dict[str, Any]] = []
        self.validated: list[str] = []
        self.notification_status = 202
        self.validation: Answer | None = None
        self.challenged: list[str] = []
        self.challenge_answer: Answer | None = None
        self.world = World(w.seed(), Clock(START, frozen=True), self._post, ask=self._ask)

    def _post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        self.sent.append((url, body, dict(headers)))
        return self.hook_status

    def _ask(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """As an endpoint of Graph's notifications: gives the token back; keeps what else comes, item by item. As one of
        monday's: answers the challenge."""
        if b'"challenge"' in body:
            self.challenged.append(url)
            return self.challenge_answer or Answer(200, body)
        token = dict(parse_qsl(urlsplit(url).query)).get("validationToken")
        if token is not None:
            self.validated.append(url.partition("?")[0])
            return self.validation or Answer(200, token.encode(), {"Content-Type": "text/plain"})
        if self.notification_status == 202:
            self.notified += json.loads(body)["value"]
        return Answer(self.notification_status)

    def ask(
        self,
        method: str,
        url: str,
        *,
        content: Any = None,
        form: dict[str, str] | None = None,
        raw: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """One call; `content` goes as JSON, `form` as a form, `raw` as it is."""
        given, body = dict(headers or {}), raw or b""
        if content is not None:
            body = json.dumps(content).encode()
            given.setdefault("Content-Type", "application/json")
        if form is not None:
            body = urlencode(form).encode()
            given.setdefault("Content-Type", "application/x-www-form-urlencoded")
        return serve(self.world, call_of(method, url, given.items(), body))

    def control(self, method: str, path: str, body: dict[str, Any] | None = None) -> Answer:
        """One control call."""
        raw = json.dumps(body).encode() if body is not None else b""
        return control.handle(self.world, Call(method, "_control", f"/{path}", {}, raw))

    # --- Zoho

    def zoho_token(self) -> str:
        """A fresh access token."""
        answer = self.ask("POST", "https://accounts.zoho.eu/oauth/v2/token", form=refresh_form()).json()
        return str(answer["access_token"])

    def books(self, path: str, token: str, method: str = "GET", **more: Any) -> Answer:
        """A Books call of the default organization."""
        mark = "&" if "?" in path else "?"
        url = f"https://www.zohoapis.eu/books/v3/{path}{mark}organization_id={w.ZOHO_ORGANIZATION}"
        return self.ask(method, url, headers={"Authorization": f"Zoho-oauthtoken {token}"}, **more)

    def save(self, module: str, fields: dict[str, Any] | None = None, **how: Any) -> dict[str, Any]:
        """A bookkeeper saves a new record."""
        path = f"zoho/{w.ZOHO_ORGANIZATION}/records/{module}"
        answer: dict[str, Any] = self.control("POST", path, {"fields": fields or {}, **how}).json()
        return answer

    # --- Microsoft

    def microsoft_token(self, resource: str) -> str:
        """A token for `https://api.botframework.com` or `https://graph.microsoft.com`."""
        answer = self.ask("POST", entra_url(), form=entra_form(scope=f"{resource}/.default")).json()
        return str(answer["access_token"])

    def bot(self, method: str, path: str, token: str, content: Any = None, **more: Any) -> Answer:
        """A Bot Connector call below `/teams/v3/`."""
        url = f"https://smba.trafficmanager.net/teams/v3/{path}"
        return self.ask(method, url, content=content, headers={"Authorization": f"Bearer {token}"}, **more)

    def graph(self, method: str, path: str, token: str, content: Any = None) -> Answer:
        """A Graph call below `/v1.0/`."""
        url = f"https://graph.microsoft.com/v1.0/{path}"
        return self.ask(method, url, content=content, headers={"Authorization": f"Bearer {token}"})

    # --- monday

    def monday(
        self,
        query: str,
        variables: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        token: str = w.MONDAY_TOKEN,
    ) -> Answer:
        """A GraphQL call, with the default token unless another is given."""
        given = {"Authorization": token, "API-Version": "2026-10", **(headers or {})}
        body = {"query": query, "variables": variables or {}}
        return self.ask("POST", "https://api.monday.com/v2", content=body, headers=given)


def refresh_form(**changes: str) -> dict[str, str]:
    """A good refresh request, with changes."""
    good = {
        "grant_type": "refresh_token",
        "client_id": w.ZOHO_CLIENT_ID,
        "client_secret": w.ZOHO_CLIENT_SECRET,
        "refresh_token": w.ZOHO_REFRESH_TOKEN,
    }
    return {key: value for key, value in (good | changes).items() if value}


def entra_url(tenant: str = w.MICROSOFT_TENANT) -> str:
    """The token endpoint of a tenant."""
    return f"https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token"


def entra_form(**changes: str) -> dict[str, str]:
    """A good client-credentials request, with changes; an empty value drops the key."""
    good = {
        "grant_type": "client_credentials",
        "client_id": w.MICROSOFT_CLIENT_ID,
        "client_secret": w.MICROSOFT_CLIENT_SECRET,
        "scope": "https://api.botframework.com/.default",
    }
    return {key: value for key, value in (good | changes).items() if value}


def card(**changes: Any) -> dict[str, Any]:
    """A good card, with changes; None drops the key."""
    good: dict[str, Any] = {
        "type": "AdaptiveCard",
        "version": "1.5",
        "fallbackText": "Invoice INV-1",
        "body": [{"type": "TextBlock", "text": "Invoice INV-1", "wrap": True}],
    }
    return {key: value for key, value in (good | changes).items() if value is not None}


def activity(**changes: Any) -> dict[str, Any]:
    """A good activity with a card, with changes."""
    return {"type": "message", "attachments": [{"contentType": CARD_TYPE, "content": card()}]} | changes


def conversation(**changes: Any) -> dict[str, Any]:
    """A good body of `POST /v3/conversations`, with changes; None drops the key."""
    good: dict[str, Any] = {
        "isGroup": True,
        "tenantId": w.MICROSOFT_TENANT,
        "channelData": {"channel": {"id": w.CHANNEL_FINANCE}},
        "activity": activity(),
    }
    return {key: value for key, value in (good | changes).items() if value is not None}
