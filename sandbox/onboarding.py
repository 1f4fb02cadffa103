"""What an administrator does to connect a company: by `mlc`'s own ways, on the sandbox's stack.

Zoho's consent page is opened by a browser of ours, the callback is the deployed function's, and webhooks and rules are
made through Zoho's API. The pause between two calls of Zoho's settings passes on the vendors' clock, not on ours.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests

from ml_connector.connections import Connection
from ml_connector.vendors.zoho_settings import ZohoSettings
from mlc import auth
from mlc.board_webhooks import BoardDesk
from mlc.stack import Stack
from mlc.webhook_desk import open_desk
from sandbox.aws import LocalStack

if TYPE_CHECKING:
    from sandbox.vendors.client import Control

BROWSER_SECONDS = 30


class LocalMlc(Stack):
    """The stack as `mlc` sees it, without an environment of its own."""

    def __init__(self, local: LocalStack, pause: Callable[[float], object] = time.sleep) -> None:
        self.name = local.deployment.stack
        self.session: Any = local
        self._local = local
        self._pause = pause

    @property
    def webhook_url(self) -> str:
        return f"{self._local.webhook_url}/webhooks"

    def zoho_settings(self, waits: Callable[[float, str], None]) -> ZohoSettings:
        return ZohoSettings(self.zoho_api, lambda seconds: (self._pause(seconds), None)[1], waits=waits)


class NotConnected(RuntimeError):
    """The consent did not end well; the message is what the page says."""


def agree(at: LocalMlc, local: LocalStack, zoho: Control, connection: Connection) -> None:
    """`mlc auth zoho`, and the administrator who opens the address and accepts. Raises NotConnected."""
    callback = auth.redirect_uri(at)
    zoho.redirect_uri(callback)
    zoho.sign_in(connection.region, [connection.organization_id])
    url = urlsplit(auth.consent(at).begin(connection, token_urlsafe(16), callback, "an administrator"))
    answer = come_back(local, press_accept(f"{zoho.base}/{url.netloc}{url.path}?{url.query}", callback))
    if not answer.ok:
        raise NotConnected(answer.text)


def press_accept(page: str, callback: str) -> str:
    """Where Zoho's consent page sends the browser. Raises NotConnected if that is not our callback."""
    back = _get(page).headers.get("Location", "")
    if not back.startswith(callback):
        raise NotConnected("Zoho's consent page did not send the browser back")
    return back


def come_back(local: LocalStack, address: str) -> requests.Response:
    """The deployed callback's page. Outside of AWS the API's own name, which the address has, does not resolve."""
    url = urlsplit(address)
    return _get(f"{local.webhook_url}{url.path}?{url.query}")


def _get(url: str) -> requests.Response:
    with requests.Session() as browser:
        browser.trust_env = False
        return browser.get(url, allow_redirects=False, timeout=BROWSER_SECONDS)


def install_webhooks(at: LocalMlc, connection: Connection) -> int:
    """`mlc webhooks install`: how many webhooks, each with its rule, Zoho has now. Boards get theirs, too.

    Raises NotConnected for a board that refuses them.
    """
    boards = BoardDesk(at, connection).install()
    if boards.failed:
        raise NotConnected(str(boards.data))
    desk = open_desk(at, connection.name)
    endpoints = desk.endpoints
    with desk.alone():
        for _ in desk.carry_out(desk.plan(endpoints), endpoints):
            pass
    return len(desk.chosen(()))
