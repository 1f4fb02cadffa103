"""The one way out (design 4, invariants 7 and 8)."""

from __future__ import annotations

import gzip
import logging
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from http.client import HTTPResponse
from io import BufferedReader, BytesIO, RawIOBase
from typing import Any

import pytest
import requests
import urllib3
from hypothesis import given
from hypothesis import strategies as st
from urllib3.exceptions import (
    ConnectTimeoutError,
    MaxRetryError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
    SSLError,
)
from urllib3.util import parse_url

from ml_connector.errors import RetryLater, Undeliverable, Unknown
from ml_connector.regions import HOSTS as ZOHO
from ml_connector.vendors.http import ANSWER_SECONDS, CONNECT_SECONDS, MAX_ANSWER, MAX_IDLE, Answer
from ml_connector.vendors.microsoft import HOSTS as MICROSOFT
from tests.fakes import NOW, SECRET_URL, Clock, Says, Wire, http

ALLOWED = ZOHO | MICROSOFT


@pytest.mark.parametrize(
    "url",
    [
        "https://www.zohoapis.eu/books/v3/invoices",
        "https://www.zohoapis.eu:443/books",
        "https://WWW.ZOHOAPIS.EU/books",
        "https://prod-07.westeurope.logic.azure.com:443/workflows/1?sig=a%2Fb",
        "https://default1.07.environment.api.powerplatform.com:443/powerautomate",
    ],
)
def test_vendors_hosts_are_called(url: str) -> None:
    """The vendors' own addresses pass, with the port spelled out or not."""
    wire = Wire(Says())
    assert http(wire, ALLOWED).call("GET", url).status == 200
    assert len(wire.calls) == 1


def test_too_many_calls_are_told_by_host() -> None:
    """For the metric by vendor; the answer is the caller's to read all the same."""
    told: list[str] = []
    called = http(Wire(Says(429), Says(200)), ALLOWED)
    called._too_many = told.append
    assert [called.call("GET", "https://www.zohoapis.eu/books").status for _ in range(2)] == [429, 200]
    assert told == ["www.zohoapis.eu"]


@pytest.mark.parametrize(
    "url",
    [
        "http://www.zohoapis.eu/books",
        "ftp://www.zohoapis.eu/books",
        "//www.zohoapis.eu/books",
        "www.zohoapis.eu",
        "",
        "https://",
        "https://www.zohoapis.eu:8443/books",
        "https://www.zohoapis.eu:443x/books",
        "https://www.zohoapis.eu:99999/books",
        "https://user@www.zohoapis.eu/books",
        "https://:@www.zohoapis.eu/books",
        "https://www.zohoapis.eu@evil.com/books",
        "https://www.zohoapis.eu.evil.com/books",
        "https://evil.com/www.zohoapis.eu",
        "https://evil.com#.logic.azure.com",
        "https://evil.com?.logic.azure.com",
        "https://evil.com\\.logic.azure.com/workflows",
        "https://evil.com%2f.logic.azure.com/workflows",
        "https://evil.com;.logic.azure.com/workflows",
        "https://evil.com .logic.azure.com/workflows",
        "https://evil.com／.logic.azure.com/workflows",
        "https://logic.azure.com/workflows",
        "https://evillogic.azure.com/workflows",
        "https://xwww.zohoapis.eu/books",
        "https://www.zohoapis.eu./books",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/",
        "https://[::1/",
        "https://wwwazohoapis.eu/books",
        "file:///etc/passwd",
    ],
)
def test_other_addresses_are_refused_before_anything_is_sent(url: str) -> None:
    """Neither a configuration nor a vendor's answer can lead a call anywhere else."""
    wire = Wire(Says())
    with pytest.raises(Undeliverable, match="not one that we call"):
        http(wire, ALLOWED).call("GET", url)
    assert wire.calls == []


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=30))
def test_no_prefix_makes_another_host_ours(prefix: str) -> None:
    """What is called is always a host of the list, as the HTTP library reads the address too."""
    wire = Wire(Says())
    try:
        http(wire, ALLOWED).call("GET", f"https://{prefix}.logic.azure.com/x")
    except Undeliverable:
        return
    host = parse_url(str(wire.calls[0].url)).host
    assert str(host).endswith(".logic.azure.com")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status: int) -> None:
    """A redirect would carry credentials to another host."""
    wire = Wire(Says(status, headers={"Location": "https://evil.com/"}), Says())
    with pytest.raises(Undeliverable, match="redirect"):
        http(wire, ALLOWED).call("POST", "https://www.zohoapis.eu/x", body={})
    assert len(wire.calls) == 1


def test_environment_has_no_say() -> None:
    """No proxy and no .netrc of the machine takes part."""
    assert http(Wire(Says()), ALLOWED)._session.trust_env is False


def test_sandbox_takes_the_place_of_every_host() -> None:
    """With the stand-ins' address, host and path become a path there; the list still holds."""
    wire = Wire(Says())
    client = http(wire, ALLOWED, sandbox="http://127.0.0.1:8400/")
    client.call("GET", "https://prod-07.westeurope.logic.azure.com:443/workflows/1?sig=a%2Fb", query=None)
    assert wire.calls[0].url == "http://127.0.0.1:8400/prod-07.westeurope.logic.azure.com:443/workflows/1?sig=a%2Fb"
    with pytest.raises(Undeliverable):
        client.call("GET", "https://evil.com/")
    assert len(wire.calls) == 1


def test_query_string_is_kept_byte_for_byte() -> None:
    """A workflow's signature covers its address (contracts: microsoft-teams 1.3)."""
    url = SECRET_URL + "&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0"
    wire = Wire(Says(202))
    http(wire, ALLOWED).call("POST", url, body={})
    assert wire.calls[0].url == url


def test_body_is_json_in_utf8() -> None:
    """Teams asks for the charset; half a surrogate pair is replaced rather than failing for ever."""
    wire = Wire(Says())
    http(wire, ALLOWED).call("POST", "https://www.zohoapis.eu/x", body={"a": "Ölß 🧾 \ud800"})
    assert wire.sent() == {"a": "Ölß 🧾 ?"}
    assert wire.calls[0].headers["Content-Type"] == "application/json; charset=utf-8"


def test_oversized_answer_is_unknown() -> None:
    """An answer without end fills no memory; the call may have had its effect."""
    with pytest.raises(Unknown, match="more than"):
        http(Wire(Says(200, b" " * (MAX_ANSWER + 1))), ALLOWED).call("GET", "https://www.zohoapis.eu/x")
    assert http(Wire(Says(200, b" " * MAX_ANSWER)), ALLOWED).call("GET", "https://www.zohoapis.eu/x").status == 200


def _wrapped(reason: Exception) -> MaxRetryError:
    return MaxRetryError(None, SECRET_URL, reason)  # type: ignore[arg-type]


_POOL: Any = None
_NOT_SENT = [
    requests.ConnectTimeout(_wrapped(ConnectTimeoutError(SECRET_URL))),
    requests.ConnectionError(_wrapped(NewConnectionError(_POOL, SECRET_URL))),
    requests.ConnectionError(_wrapped(NameResolutionError("host", _POOL, OSError()))),  # type: ignore[arg-type]
    requests.exceptions.SSLError(_wrapped(SSLError(ssl.SSLCertVerificationError(1, "self-signed certificate")))),
]
_PERHAPS_SENT = [
    requests.ReadTimeout(ReadTimeoutError(_POOL, SECRET_URL, "read timed out")),
    requests.ConnectionError(ProtocolError("Connection aborted.", ConnectionResetError(104, SECRET_URL))),
    requests.ConnectionError(SECRET_URL),
    requests.exceptions.SSLError(_wrapped(SSLError(ssl.SSLEOFError(8, "EOF occurred in violation of protocol")))),
    requests.exceptions.ChunkedEncodingError(SECRET_URL),
    requests.RequestException(),
    ProtocolError(SECRET_URL),
    ConnectionResetError(104, SECRET_URL),
]


@pytest.mark.parametrize("error", _NOT_SENT, ids=lambda error: type(error).__name__)
def test_before_anything_was_sent_it_is_retried(error: Exception) -> None:
    """No connection, no effect."""
    with pytest.raises(RetryLater) as caught:
        http(Wire(error), ALLOWED).call("POST", "https://www.zohoapis.eu/x", body={})
    assert not isinstance(caught.value, Unknown)
    assert "sEcReT" not in str(caught.value)


@pytest.mark.parametrize("error", _PERHAPS_SENT, ids=lambda error: type(error).__name__)
def test_after_it_may_have_been_sent_it_is_unknown(error: Exception) -> None:
    """A connection that breaks later proves nothing about the call; a TLS fault after the handshake neither."""
    with pytest.raises(Unknown) as caught:
        http(Wire(error), ALLOWED).call("POST", "https://www.zohoapis.eu/x", body={})
    assert "sEcReT" not in str(caught.value)
    assert caught.value.__cause__ is None


class _Peer:
    """The other end of a socket, for Python's own HTTP client: says these bytes, and then nothing more or `fault`."""

    def __init__(self, said: bytes, fault: Exception | None = None, pause: Callable[[], None] = lambda: None) -> None:
        self._raw = _Line(said, fault, pause)

    def makefile(self, mode: str) -> BufferedReader:
        return BufferedReader(self._raw)


class _Line(RawIOBase):
    """One byte at a time, with a pause before each."""

    def __init__(self, said: bytes, fault: Exception | None, pause: Callable[[], None]) -> None:
        self._said = BytesIO(said)
        self._fault = fault
        self._pause = pause

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._pause()
        byte = self._said.read(1)
        if not byte and self._fault:
            raise self._fault
        buffer[: len(byte)] = byte
        return len(byte)


class _PeerWire(Wire):
    def __init__(self, peer: _Peer) -> None:
        super().__init__(Says())
        self._peer = peer

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        answer = HTTPResponse(self._peer, method=request.method)  # type: ignore[arg-type]
        answer.begin()
        raw = urllib3.HTTPResponse(
            answer,
            urllib3.HTTPHeaderDict(answer.headers.items()),
            answer.status,
            preload_content=False,
            request_method=request.method,
            original_response=answer,  # type: ignore[arg-type]
        )
        self.calls.append(request)
        return self.build_response(request, raw)


_OK = b"HTTP/1.1 200 OK\r\n"
_BROKEN_OFF = {
    "before its length": (_OK + b'Content-Length: 11\r\n\r\n{"a": 1', None),
    "in a chunk": (_OK + b'Transfer-Encoding: chunked\r\n\r\nb\r\n{"a": 1', None),
    "after a chunk": (_OK + b'Transfer-Encoding: chunked\r\n\r\n8\r\n{"a": 1}\r\n', None),
    "by a reset": (_OK + b'Content-Length: 11\r\n\r\n{"a": 1', ConnectionResetError(104, SECRET_URL)),
    "by silence": (_OK + b"Content-Length: 11\r\n\r\n", TimeoutError(SECRET_URL)),
}


@pytest.mark.parametrize("how", _BROKEN_OFF)
def test_answer_that_breaks_off_is_unknown(how: str) -> None:
    """The head was read, the body only in part: nobody knows what it said."""
    with pytest.raises(Unknown) as caught:
        http(_PeerWire(_Peer(*_BROKEN_OFF[how])), ALLOWED).call("POST", "https://www.zohoapis.eu/x", body={})
    assert "sEcReT" not in str(caught.value)


@pytest.mark.parametrize(
    "said",
    [
        b'Content-Length: 8\r\n\r\n{"a": 1}',
        b'Transfer-Encoding: chunked\r\n\r\n3\r\n{"a\r\n5\r\n": 1}\r\n0\r\n\r\n',
        b'\r\n{"a": 1}',
        b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b'{"a": 1}'),
    ],
    ids=["length", "chunked", "until the end", "gzip"],
)
def test_whole_answer_is_read(said: bytes) -> None:
    """In whatever pieces it comes."""
    answer = http(_PeerWire(_Peer(_OK + said)), ALLOWED).call("POST", "https://www.zohoapis.eu/x", body={})
    assert answer.json() == {"a": 1}


def test_answer_that_drips_ends_at_the_deadline() -> None:
    """A byte now and then keeps a socket's time-out away for ever, and a worker busy: it may have happened."""
    clock = Clock()
    peer = _Peer(_OK + b"Content-Length: 100\r\n\r\n" + b" " * 100, pause=lambda: clock.advance(0.5))
    with pytest.raises(Unknown, match="too long"):
        http(_PeerWire(peer), ALLOWED, clock=clock).call("POST", "https://www.zohoapis.eu/x", body={})
    assert CONNECT_SECONDS + ANSWER_SECONDS < (clock.now - NOW).total_seconds() <= CONNECT_SECONDS + ANSWER_SECONDS + 1


def test_addresses_are_in_no_log() -> None:
    """Below ERROR urllib3 writes them, and a workflow's is a secret; a logger set to DEBUG above it changes nothing."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.DEBUG)
    try:
        assert not logging.getLogger("urllib3.connectionpool").isEnabledFor(logging.DEBUG)
        # It tells of an answer with odd headers, and whose it was.
        assert not logging.getLogger("urllib3.connection").isEnabledFor(logging.WARNING)
    finally:
        root.setLevel(before)


def test_gzip_that_is_none_is_unknown() -> None:
    """An answer that cannot be decoded is an answer that cannot be read."""
    wire = Wire(Says(200, b"not gzip", {"Content-Encoding": "gzip"}))
    with pytest.raises(Unknown):
        http(wire, ALLOWED).call("GET", "https://www.zohoapis.eu/x")


def test_malformed_header_is_never_sent() -> None:
    """A token with a line break cannot smuggle a header in, and repeating it cannot help."""
    client = http(Wire(Says()), ALLOWED)
    with pytest.raises(Undeliverable, match="malformed") as caught:
        client.call("GET", "https://www.zohoapis.eu/x", headers={"Authorization": "sEcReT\r\nX: y"})
    assert "sEcReT" not in str(caught.value)


def test_idle_connection_is_not_trusted() -> None:
    """A function may have been frozen while the peer closed: after 15 seconds of rest a new connection is made."""
    clock, wire = Clock(), Wire(Says())
    client = http(wire, ALLOWED, clock=clock)
    for seconds, closed in ((0, 0), (MAX_IDLE, 0), (MAX_IDLE + 1, 1), (1, 1)):
        clock.advance(seconds)
        client.call("GET", "https://www.zohoapis.eu/x")
        # One adapter stands for two schemes, so it is closed twice each time.
        assert wire.closed == 2 * closed


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("10", 10.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("Sun, 22 Nov 2026 08:01:30 GMT", 90.0),
        ("Sun, 22 Nov 2026 07:00:00 GMT", 0.0),
        ("soon", None),
        ("", None),
        ("Sun, 22 Nov 2026 08:01:30 -0000", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float | None) -> None:
    """Both forms of Retry-After are read; nonsense is as good as none."""
    answer = Answer(429, {"retry-after": value}, b"")
    assert answer.retry_after(lambda: datetime(2026, 11, 22, 8, 0, tzinfo=UTC)) == seconds


@pytest.mark.parametrize("content", [b"", b"<html>", b"\xff\xfe", b"[" * 100_000, b"1" * 5000])
def test_what_is_not_json_is_none(content: bytes) -> None:
    """Gateways answer in HTML, or in half a body."""
    assert Answer(502, {}, content).json() is None


def test_fractions_are_exact() -> None:
    """Money never passes through a float."""
    assert Answer(200, {}, b'{"total": 1284.10}').json() == {"total": "1284.10"}


def test_a_vendors_cookies_are_not_kept() -> None:
    """One session serves all connections: what was set for one token's call must not go out with another's."""
    said = _OK + b"Set-Cookie: JSESSIONID=of-one; Path=/\r\nSet-Cookie: d=1; Domain=.zohoapis.eu\r\n\r\n{}"
    wire = _PeerWire(_Peer(said))
    client = http(wire, ALLOWED)
    for token in "ab":
        wire._peer = _Peer(said)
        client.call("GET", "https://www.zohoapis.eu/books/v3/organizations", headers={"Authorization": token})
    assert [call.headers.get("Cookie") for call in wire.calls] == [None, None]
