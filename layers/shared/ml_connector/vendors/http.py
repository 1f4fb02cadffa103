"""The one way out: HTTPS to allow-listed hosts, no redirects, bounded answers, and no guess about what happened.

Whether a call can have taken effect decides between RetryLater (nothing was sent) and Unknown (it may have).
"""

from __future__ import annotations

import json
import logging
import re
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from fnmatch import fnmatchcase
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError

from ml_connector.errors import RetryLater, Undeliverable, Unknown

# urllib3 logs addresses, at WARNING too (of answers with odd headers), and that of a Workflows webhook is a secret.
logging.getLogger("urllib3").setLevel(logging.ERROR)

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 30.0
"""For the whole answer. Vendors answer in a second or two; a worker that waits longer is one that nobody else has, and
what happened is found out by looking. Three such calls (token, fetch, send) still fit into the function's time."""
MAX_ANSWER = 8 * 1024 * 1024
MAX_IDLE = 15.0
"""Seconds after which a kept connection is not trusted: a function may have been frozen while the peer closed it,
and a call that dies on a dead connection would look like one that may have happened."""

_HOST = re.compile(r"[a-z0-9.-]+")


@dataclass(frozen=True, slots=True)
class Answer:
    """A vendor's answer. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    def json(self) -> Any:
        """The body as JSON with exact fractions as text, or None if it is not JSON."""
        try:
            return json.loads(self.content, parse_float=str)
        except (ValueError, RecursionError):
            return None

    def retry_after(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> float | None:
        """Seconds that the vendor asks us to wait: a number or an HTTP date; None if it does not say."""
        value = self.headers.get("retry-after", "").strip()
        if not value:
            return None
        try:
            return max(0.0, float(value))
        except ValueError:
            pass
        try:
            return max(0.0, (parsedate_to_datetime(value) - now()).total_seconds())
        except (ValueError, TypeError):
            return None


class Http:
    """Calls hosts of `allowed` (shell patterns). `sandbox` is the base address of the stand-ins, "" in production.

    `too_many` hears of each host that refuses a call with 429.
    """

    def __init__(
        self,
        allowed: frozenset[str],
        sandbox: str = "",
        monotonic: Callable[[], float] = time.monotonic,
        too_many: Callable[[str], None] = lambda host: None,
    ) -> None:
        self._allowed = allowed
        self._too_many = too_many
        self._sandbox = sandbox.rstrip("/")
        self._monotonic = monotonic
        self._session = requests.Session()
        self._session.trust_env = False
        # One session serves all connections: what a vendor sets for one must not go out with another's token.
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._last = monotonic()

    def call(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        form: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> Answer:
        """One call. `body` is sent as JSON in UTF-8, `form` as a form, `content` as it is.

        Raises RetryLater, Unknown, Undeliverable.
        """
        target = self._target(url)
        host = urlsplit(url).hostname or ""
        now = self._monotonic()
        if now - self._last > MAX_IDLE:
            self._session.close()
        self._last = now
        sent = dict(headers or {})
        data: bytes | Mapping[str, str] | None = form if content is None else content
        if body is not None:
            data = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
            sent["Content-Type"] = "application/json; charset=utf-8"
        try:
            with self._session.request(
                method,
                target,
                headers=sent,
                data=data,
                params=query,
                timeout=(CONNECT_SECONDS, ANSWER_SECONDS),
                allow_redirects=False,
                stream=True,
            ) as response:
                content = self._content(response, host, now + CONNECT_SECONDS + ANSWER_SECONDS)
                answer = Answer(
                    response.status_code,
                    {name.lower(): value for name, value in response.headers.items()},
                    content,
                )
        except requests.RequestException as error:
            raise _named(host, error) from None
        except (HTTPError, OSError) as error:
            raise Unknown(f"{host}: the connection broke ({type(error).__name__})") from None
        finally:
            self._last = self._monotonic()
        if answer.status == 429:
            self._too_many(host)
        if 300 <= answer.status < 400:
            raise Undeliverable(f"{host} answered with a redirect, which we do not follow", answer.status)
        return answer

    def _content(self, response: requests.Response, host: str, until: float) -> bytes:
        """The body, unless it is too large or comes too slowly: a time-out of the socket is one of each single read."""
        content = bytearray()
        while chunk := response.raw.read1(65_536, decode_content=True):
            content += chunk
            if len(content) > MAX_ANSWER:
                raise Unknown(f"{host} answered with more than {MAX_ANSWER} bytes", status=response.status_code)
            if self._monotonic() > until:
                raise Unknown(f"{host} took too long to answer", status=response.status_code)
        if response.raw.length_remaining:
            raise Unknown(f"{host} broke off its answer", status=response.status_code)
        return bytes(content)

    def _target(self, url: str) -> str:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise Undeliverable("an address is not one that we call: it is malformed") from None
        if (
            parts.scheme != "https"
            or parts.username is not None
            or port not in (None, 443)
            # Parsers disagree about other characters: to some, `evil.com\.logic.azure.com` is the host evil.com.
            or not _HOST.fullmatch(host)
            or not any(fnmatchcase(host, pattern) for pattern in self._allowed)
        ):
            raise Undeliverable(f"host {host[:100]!r} is not one that we call")
        return f"{self._sandbox}/{url.removeprefix('https://')}" if self._sandbox else url


def _named(host: str, error: requests.RequestException) -> RetryLater | Undeliverable:
    """The text of requests' own errors is not passed on: it can hold the address, which may be a secret."""
    name = type(error).__name__
    if isinstance(error, ValueError):
        return Undeliverable(f"the address or a header of a call to {host} is malformed ({name})")
    cause = getattr(error.args[0] if error.args else None, "reason", None)
    if isinstance(cause, NewConnectionError | ConnectTimeoutError) or _not_trusted(cause):
        return RetryLater(f"{host} cannot be reached ({name})")
    return Unknown(f"{host} gave no readable answer ({name})")


def _not_trusted(cause: object) -> bool:
    """The certificate was refused, which is before anything is sent. Other TLS faults can come after it."""
    return any(isinstance(each, ssl.SSLCertVerificationError) for each in getattr(cause, "args", ()))
