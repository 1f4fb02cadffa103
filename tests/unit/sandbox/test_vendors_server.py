"""The stand-ins as a process: `python -m sandbox.vendors`, its client, and connections that really break."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

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
    process = subprocess.Popen(  # noqa: S603
        command, cwd=REPOSITORY, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}
    )
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
