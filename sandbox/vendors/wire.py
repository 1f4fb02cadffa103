"""One HTTP call as the vendors see it, and the answer they give. No server, no sockets."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote


@dataclass(frozen=True)
class Call:
    """A call to `https://{host}{target}`; `target` keeps path and query byte for byte."""

    method: str
    host: str
    target: str
    headers: Mapping[str, str]  # names in lower case
    body: bytes = b""
    delay: float = 0.0  # seconds for which an injected fault keeps the caller waiting

    @property
    def path(self) -> tuple[str, ...]:
        """The decoded segments of the path, without empty ones."""
        return tuple(unquote(part) for part in self.target.partition("?")[0].split("/") if part)

    @property
    def query(self) -> list[tuple[str, str]]:
        """Decoded query pairs in the order of arrival."""
        return parse_qsl(self.target.partition("?")[2], keep_blank_values=True)

    def param(self, name: str) -> str | None:
        """The first value of a query parameter."""
        return next((value for key, value in self.query if key == name), None)

    @property
    def content_type(self) -> str:
        """Media type without parameters, lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def says_utf8(self) -> bool:
        """Whether the content type names the charset utf-8."""
        return "charset=utf-8" in self.headers.get("content-type", "").replace(" ", "").replace('"', "").lower()

    def form(self) -> dict[str, str]:
        """A form body; the first value of a repeated key wins. Empty for any other content type."""
        if self.content_type != "application/x-www-form-urlencoded":
            return {}
        pairs = parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True)
        return dict(reversed(pairs))

    def bearer(self, scheme: str = "Bearer") -> str | None:
        """The token of `Authorization: {scheme} token`, None when it is absent or of another scheme."""
        given, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if given.lower() == scheme.lower() and token.strip() else None


@dataclass
class Answer:
    """What goes back. A dropped answer closes the connection without a byte.

    With `then` it is not known yet: the vendor first calls somebody, outside the lock; `then` gives the answer.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    dropped: bool = False
    delay: float = 0.0
    then: Callable[[], Answer] | None = None

    def json(self) -> Any:
        """The body, parsed; for tests and for faults that bend an answer."""
        return json.loads(self.body)


class Refusal(Exception):
    """Raised anywhere inside a vendor: the call ends with this answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def reply(status: int, content: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
    """A JSON answer; no content means an empty body."""
    if content is None:
        return Answer(status, b"", dict(headers or {}))
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    return Answer(status, body, {"Content-Type": "application/json; charset=utf-8", **(headers or {})})


def html(status: int, title: str) -> Answer:
    """What a gateway in front of a vendor answers: never JSON (contracts: monday 5.2 i, microsoft-teams 8.3)."""
    page = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return Answer(status, page.encode(), {"Content-Type": "text/html"})


def call_of(method: str, url: str, headers: Iterable[tuple[str, str]] = (), body: bytes = b"") -> Call:
    """Build a call from a full `https://host/path?query` URL (for tests and tools)."""
    host, slash, target = url.split("://", 1)[1].partition("/")
    return Call(method, host.lower(), slash + target or "/", {k.lower(): v for k, v in headers}, body)
