"""The stand-ins as a process: `python -m sandbox.vendors`, its client, and connections that really break."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from queue import Queue
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests
from vendors_desk import conversation, entra_form, refresh_form

from sandbox.vendors import default_world as w
from sandbox.vendors.client import Control, ControlError

REPOSITORY = Path(__file__).resolve().parents[3]


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
            break
    pytest.fail("the server did not start")


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    """The address of a running server."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "sandbox.vendors", "--port", str(port), "--clock", "2026-11-22T08:00:00Z"]
    process = subprocess.Popen(command, cwd=REPOSITORY, env={**os.environ, "PYTHONPATH": str(REPOSITORY)})
    try:
        _wait(process, port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def control(base: str, socket_enabled: None) -> Iterator[Control]:
    """A client of a server in its first state."""
    with Control(base) as client:
        client.reset()
        yield client


def test_the_server_runs_with_the_given_clock(control: Control) -> None:
    """And time can be moved."""
    assert control.health()["now"].startswith("2026-11-22T08:")
    assert control.advance(86_400).startswith("2026-11-23T08:")


def test_an_answer_that_never_comes_breaks_the_connection(control: Control, base: str) -> None:
    """The post exists, the caller knows nothing."""
    url = f"{base}/login.microsoftonline.com/{w.MICROSOFT_TENANT}/oauth2/v2.0/token"
    token = requests.post(url, data=entra_form(), timeout=10).json()["access_token"]
    control.fault("timeout_after", vendor="bot", path="/teams/v3/conversations")
    posts = f"{base}/smba.trafficmanager.net/teams/v3/conversations"
    with pytest.raises(requests.ConnectionError):
        requests.post(posts, json=conversation(), headers={"Authorization": f"Bearer {token}"}, timeout=10)
    assert len(control.messages(w.CHANNEL_FINANCE)) == 1
    assert control.requests("bot")[0]["fault"] == "timeout_after"
    answer = requests.post(posts, json=conversation(), headers={"Authorization": f"Bearer {token}"}, timeout=10)
    assert answer.status_code == 201


def test_the_client_plays_the_bookkeeper(control: Control, base: str) -> None:
    """A hook that nobody answers is recorded as such, and the record is there all the same."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/hook"
        control.hook(w.ZOHO_ORGANIZATION, url, w.ZOHO_HOOK_SECRET, "invoice", "invoice.created")
        made = control.create(w.ZOHO_ORGANIZATION, "invoice", {"total": 5})
    assert made["webhooks"][0]["status"] == 0
    control.update(w.ZOHO_ORGANIZATION, "invoice", made["id"], {"status": "paid"}, webhook="lose")
    record = control.records(w.ZOHO_ORGANIZATION)["records"]["invoices"][made["id"]]
    assert (record["status"], record["balance"]) == ("paid", 0.0)
    control.delete(w.ZOHO_ORGANIZATION, "invoice", made["id"])
    with pytest.raises(ControlError, match="404"):
        control.update(w.ZOHO_ORGANIZATION, "invoice", made["id"], {})
    assert requests.post(f"{base}/accounts.zoho.eu/oauth/v2/token", data=refresh_form(), timeout=10).ok
    assert control.items(w.MONDAY_BOARD) == []


@pytest.fixture
def heard(socket_enabled: None) -> Iterator[tuple[str, Queue[tuple[str, bytes]]]]:
    """The URL of somebody who listens, and what was heard: the method and the body."""
    calls: Queue[tuple[str, bytes]] = Queue()

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            calls.put((self.command, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(202)
            self.end_headers()

        do_PUT = do_POST  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with HTTPServer(("127.0.0.1", 0), Listener) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/hook", calls
        server.shutdown()
        thread.join()


def _token(base: str, **changes: str) -> dict[str, str]:
    answer = requests.post(f"{base}/accounts.zoho.eu/oauth/v2/token", data=refresh_form(**changes), timeout=10).json()
    return {"Authorization": f"Zoho-oauthtoken {answer['access_token']}"}


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_call_of_the_api_sets_off_a_rule(
    control: Control, base: str, heard: tuple[str, Queue[tuple[str, bytes]]], method: str
) -> None:
    """An administrator consents and installs; then a comment is an edit, and its webhook leaves by itself."""
    url, calls = heard
    back = "http://127.0.0.1:1/callback"
    control.redirect_uri(back)
    control.sign_in(w.ZOHO_REGION, [w.ZOHO_ORGANIZATION])
    asked = {
        "response_type": "code",
        "client_id": w.ZOHO_CLIENT_ID,
        "redirect_uri": back,
        "scope": "ZohoBooks.settings.ALL,ZohoBooks.invoices.CREATE",
    }
    page = f"{base}/accounts.zoho.eu/oauth/v2/auth?{urlencode(asked)}"
    sent = requests.get(page, allow_redirects=False, timeout=10).headers["Location"]
    code = sent.partition("code=")[2].partition("&")[0]
    headers = _token(base, grant_type="authorization_code", refresh_token="", code=code, redirect_uri=back)
    control.limits(zoho=False)
    books = f"{base}/www.zohoapis.eu/books/v3"
    query = {"organization_id": w.ZOHO_ORGANIZATION}

    def ask(path: str, body: dict[str, object]) -> dict[str, dict[str, str]]:
        answer = requests.post(f"{books}/{path}", json=body, params=query, headers=headers, timeout=10)
        content: dict[str, dict[str, str]] = answer.json()
        return content

    webhook = ask("settings/webhooks", {"webhook_name": "w", "url": url, "entity": "invoice", "method": method})
    actions = [{"action_type": "webhook", "action_id": webhook["webhook"]["webhook_id"]}]
    rule = {"workflow_name": "r", "entity": "invoice", "rule_type": "edit", "apply_rule_always": True}
    ask("settings/workflows", rule | {"instant_actions": actions})
    made = control.create(w.ZOHO_ORGANIZATION, "invoice")["id"]
    ask(f"invoices/{made}/comments", {"description": "told"})
    told = calls.get(timeout=10)
    assert (told[0], made.encode() in told[1]) == (method, True)
    control.settle(w.ZOHO_ORGANIZATION)
    assert [each["description"] for each in control.comments(w.ZOHO_ORGANIZATION, made)] == ["told"]


def test_the_client_turns_every_switch(control: Control, base: str) -> None:
    """What tests and the demo need of Zoho beyond records."""
    org = w.ZOHO_ORGANIZATION
    headers = _token(base)
    control.switch(org, plan_name="Free", edit_refused=True, webhooks_per_day=None, retry_after=[60])
    with pytest.raises(ControlError, match="known"):
        control.switch(org, plan="Free")
    control.api_client(multi_dc=True)
    books = f"{base}/www.zohoapis.eu/books/v3/invoices?organization_id={org}"
    assert requests.get(books, headers=headers, timeout=10).headers["X-Rate-Limit-Limit"] == "1000"
    assert control.expire_tokens(org) == 1
    assert requests.get(books, headers=headers, timeout=10).status_code == 401
    invoice = control.create(org, "invoice", {"total": 10, "due_date": "2026-11-01"})["id"]
    assert control.midnight(org) == [{"module": "invoices", "id": invoice, "status": "overdue"}]
    assert control.pay(org, {invoice: 10})["changed"] == [{"module": "invoices", "id": invoice, "status": "paid"}]
    assert (control.installed(org), control.webhooks(org)) == ({"webhooks": [], "workflows": []}, [])
    with pytest.raises(ControlError, match="404"):
        control.tamper(org, "workflows", "1", is_active=False)
    control.revoke_tokens(org)
    answer = requests.post(f"{base}/accounts.zoho.eu/oauth/v2/token", data=refresh_form(), timeout=10)
    assert answer.json() == {"error": "invalid_code"}


@pytest.fixture
def subscriber(base: str, socket_enabled: None) -> Iterator[tuple[str, Queue[dict[str, Any]]]]:
    """The URL of an endpoint of Graph's notifications, which calls the stand-ins itself before it answers."""
    items: Queue[dict[str, Any]] = Queue()

    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            token = parse_qs(urlsplit(self.path).query).get("validationToken")
            with Control(base) as client:
                assert client.health()["ok"]
            for item in [] if token else json.loads(body)["value"]:
                items.put(item)
            self.send_response(200 if token else 202)
            self.send_header("Content-Type", "text/plain")
            self.end_headers()
            self.wfile.write((token or [""])[0].encode())

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with HTTPServer(("127.0.0.1", 0), Endpoint) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/graph", items
        server.shutdown()
        thread.join()


def test_graph_calls_while_it_serves_others(
    control: Control, base: str, subscriber: tuple[str, Queue[dict[str, Any]]]
) -> None:
    """Nobody waits for a validation or a notification but who asked for it; what is due later leaves by itself."""
    url, items = subscriber
    tokens = {
        scope: requests.post(
            f"{base}/login.microsoftonline.com/{w.MICROSOFT_TENANT}/oauth2/v2.0/token",
            data=entra_form(scope=f"{scope}/.default"),
            timeout=10,
        ).json()["access_token"]
        for scope in ("https://graph.microsoft.com", "https://api.botframework.com")
    }
    wanted = {
        "changeType": "created",
        "resource": f"/teams/{w.MICROSOFT_TEAM}/channels/{w.CHANNEL_FINANCE}/messages",
        "notificationUrl": url,
        "expirationDateTime": (datetime.fromisoformat(control.health()["now"]) + timedelta(minutes=50)).isoformat(),
    }
    headers = {"Authorization": f"Bearer {tokens['https://graph.microsoft.com']}"}
    made = requests.post(f"{base}/graph.microsoft.com/v1.0/subscriptions", json=wanted, headers=headers, timeout=10)
    assert made.status_code == 201, made.text
    headers = {"Authorization": f"Bearer {tokens['https://api.botframework.com']}"}
    posts = f"{base}/smba.trafficmanager.net/teams/v3/conversations"
    for delay in (0, 0.3):
        control.notifying(delay=delay)
        key = requests.post(posts, json=conversation(), headers=headers, timeout=10).json()["activityId"]
        assert items.get(timeout=10)["resourceData"]["id"] == key
    reply = control.reply(w.CHANNEL_FINANCE, key, "Thank you", user_id="u-7", name="Noor Haddad")
    assert items.get(timeout=10)["resourceData"]["id"] == reply
    assert control.messages(w.CHANNEL_FINANCE)[-1]["replies"][0]["by"] == "Noor Haddad"


def test_people_and_administrators_of_teams(
    control: Control, base: str, subscriber: tuple[str, Queue[dict[str, Any]]]
) -> None:
    """What the client lets them do; each is told to who has subscribed, and Graph's own doings too."""
    url, items = subscriber
    asked = entra_form(scope="https://graph.microsoft.com/.default")
    token = requests.post(
        f"{base}/login.microsoftonline.com/{w.MICROSOFT_TENANT}/oauth2/v2.0/token", data=asked, timeout=10
    ).json()["access_token"]
    now = datetime.fromisoformat(control.health()["now"])
    ids = [
        requests.post(
            f"{base}/graph.microsoft.com/v1.0/subscriptions",
            json={
                "changeType": "created,updated,deleted",
                "resource": f"/teams/{w.MICROSOFT_TEAM}/channels{resource}",
                "notificationUrl": url,
                "lifecycleNotificationUrl": url,
                "expirationDateTime": (now + timedelta(minutes=4200)).isoformat(),
            },
            headers={"Authorization": f"Bearer {token}"},
            timeout=10,
        ).json()["id"]
        for resource in (f"/{w.CHANNEL_FINANCE}/messages", "")
    ]
    assert [each["id"] for each in control.subscriptions()] == ids

    def heard(*kinds: str) -> None:
        told = [items.get(timeout=10) for _ in kinds]
        assert tuple(each.get("changeType") or each["lifecycleEvent"] for each in told) == kinds

    key = control.say(w.CHANNEL_FINANCE, "Who pays this?")
    heard("created")
    control.edit_message(w.CHANNEL_FINANCE, key, "Who has paid this?")
    heard("updated")
    control.delete_message(w.CHANNEL_FINANCE, key)
    heard("deleted")
    control.rename_channel(w.CHANNEL_FINANCE, "money")
    heard("updated")
    control.lifecycle(ids[0], "missed")
    heard("missed")
    control.delete_channel(w.CHANNEL_FINANCE)
    heard("deleted", "subscriptionRemoved")
    control.restore_channel(w.CHANNEL_FINANCE)
    heard("updated")
    control.notifying(delay=600)
    control.rename_channel(w.CHANNEL_FINANCE, "finance")
    control.settle_graph()
    assert items.empty()
    control.remove_subscription(ids[1])
    heard("subscriptionRemoved")
    assert control.subscriptions() == []
    assert [each["status"] for each in control.notifications()] == [202] * 8 + [None, 202]


@pytest.fixture
def listener(base: str, socket_enabled: None) -> Iterator[tuple[str, Queue[dict[str, Any]]]]:
    """The URL of an endpoint of monday's webhooks, which calls the stand-ins itself before it answers."""
    events: Queue[dict[str, Any]] = Queue()

    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with Control(base) as client:
                assert client.health()["ok"]
            if "event" in json.loads(body):
                events.put(json.loads(body)["event"])
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with HTTPServer(("127.0.0.1", 0), Endpoint) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/monday", events
        server.shutdown()
        thread.join()


def test_monday_tells_of_people_and_programs(
    control: Control, base: str, listener: tuple[str, Queue[dict[str, Any]]]
) -> None:
    """What the client lets people do is told to who has registered; nobody else waits for a challenge or an event."""
    url, events = listener

    def ask(query: str) -> Any:
        headers = {"Authorization": w.MONDAY_TOKEN}
        answer = requests.post(f"{base}/api.monday.com/v2", json={"query": query}, headers=headers, timeout=10)
        assert "errors" not in answer.json(), answer.text
        return answer.json()["data"]

    board = w.MONDAY_BOARD
    for event in ("create_item", "change_column_value"):
        ask(f'mutation {{ create_webhook(board_id: {board}, url: "{url}", event: {event}) {{ id }} }}')
    assert [each["url"] for each in control.monday_webhooks()] == [url, url]
    ask(f'mutation {{ create_item(board_id: {board}, item_name: "by a program") {{ id }} }}')
    assert events.get(timeout=10)["userId"] == int(w.MONDAY_USER)
    key = control.person(w.MONDAY_PERSON, "create", board=board, name="by hand")
    assert events.get(timeout=10)["pulseId"] == int(key)
    control.telling(hold=True)
    control.person(w.MONDAY_PERSON, "set", item=key, column="zb_status", value={"label": "Paid"})
    held = control.monday_events()[-1]
    assert control.tell(held["id"], copies=2) == [200, 200]
    assert [events.get(timeout=10)["isRetry"] for _ in range(2)] == [False, True]
    assert control.settle_monday() == []
    assert control.items(board)[-1]["text"]["zb_status"] == "Paid"


def test_monday_administrators(control: Control, base: str) -> None:
    """Rights, limits, sign-in and apps are changed from outside."""
    control.monday_sign_in(w.MONDAY_PERSON, denies=True)
    control.monday_app(w.MONDAY_CLIENT_ID, flow="2.0")
    asked = urlencode({"client_id": w.MONDAY_CLIENT_ID, "redirect_uri": w.MONDAY_REDIRECT_URI})
    page = requests.get(f"{base}/auth.monday.com/oauth2/authorize?{asked}", allow_redirects=False, timeout=10)
    assert "error=access_denied" in page.headers["Location"]
    assert control.end_monday_tokens(w.MONDAY_CLIENT_ID, "expire") == 0
    control.monday_account(w.MONDAY_ACCOUNT, calls_per_day=0)

    def status() -> int:
        ask, headers = {"query": "{ me { id } }"}, {"Authorization": w.MONDAY_TOKEN}
        return requests.post(f"{base}/api.monday.com/v2", json=ask, headers=headers, timeout=10).status_code

    assert status() == 429
    control.monday_user(w.MONDAY_USER, view_only=True)
    assert status() == 403
    control.monday_board(w.MONDAY_BOARD, editors=[w.MONDAY_PERSON])
    assert [each["board_id"] for each in control.boards()] == [w.MONDAY_BOARD, w.MONDAY_SUBITEM_BOARD]
    with pytest.raises(ControlError, match="may be changed"):
        control.monday_board(w.MONDAY_BOARD, state="deleted")
