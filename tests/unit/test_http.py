"""The one way out (design 4, invariants 7 and 8)."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pytest
import requests
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
from ml_connector.vendors.http import MAX_ANSWER, MAX_IDLE, Answer
from ml_connector.vendors.microsoft import HOSTS as MICROSOFT
from tests.fakes import SECRET_URL, Clock, Says, Wire, http

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


class _Torn(BytesIO):
    def read(self, *_: Any) -> bytes:
        raise ConnectionResetError(104, SECRET_URL)


class _TornWire(Wire):
    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        return self.answered(request, 200, {}, _Torn())


def test_answer_that_breaks_off_is_unknown() -> None:
    """The head was read, the body was not: nobody knows what it said."""
    with pytest.raises(Unknown, match="broke"):
        http(_TornWire(), ALLOWED).call("POST", "https://www.zohoapis.eu/x", body={})


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
