"""The page's server side: small JSON answers, buttons, and static files. It knows no vendor and no AWS."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.page.deeds import Deeds, door
from sandbox.page.node import LIBRARY

STATIC = Path(__file__).resolve().parent / "static"

# The policies are those the card renderer makes for itself; our own scripts never write HTML.
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "frame-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types adaptivecards#markdownPassthroughPolicy adaptivecards#restoreContentsPolicy"
        " adaptivecards#deprecatedExportedFunctionPolicy",
    )
)
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

_log = logging.getLogger(__name__)


class Sources(Protocol):
    """Where the page looks. Plain data that JSON can carry.

    Each method is called from a thread, about once a second for every page that is open and visible.
    """

    def books(self) -> Mapping[str, Any]:
        """`{many, records}`: how many there are, and the newest of them.

        A record: `{module, id, label, number, party, amount, currency, status, notes, can}`; `notes` are the texts of
        those that the product wrote on it, `can` the names of what a bookkeeper can do (`sandbox.page.deeds`).
        """
        ...

    def channels(self) -> Sequence[Mapping[str, Any]]:
        """`[{name, messages, person?, deleted?}]`: `person` of a chat with somebody, `deleted` if the channel is gone.

        A message as `GET /_control/teams/channels/{id}/messages` shows it, with its replies; each has its `link`, which
        is "" while the trail knows none.
        """
        ...

    def board(self) -> Mapping[str, Any] | None:
        """A board as `GET /_control/monday/boards/{id}` shows it, each item with its `link`, or None."""
        ...

    def operations(self) -> Mapping[str, Any]:
        """How it goes: `{counts, retries, parked, limits, refused, switches, alarms}`.

        counts: `{accepted, delivered, waiting, gathered, parked, skipped, refused}`; retries: `[{destination, many,
        reason, at}]`; parked: why the last one was; limits: `[{vendor, why, until}]`, what takes no calls now; refused:
        `[{at, reason, detail}]`, calls turned away at the door; switches: `sandbox.switches.Switches.states`; alarms:
        `sandbox.alarms.Alarms.states`.
        """
        ...

    def place(self) -> Mapping[str, str]:
        """`{connection, environment}`: what `mlc` in a second terminal needs to know."""
        ...


def create_page(
    sources: Sources, deeds: Deeds | None = None, library: Path = LIBRARY, widget: ASGIApp | None = None
) -> Starlette:
    """The application. Serve it on 127.0.0.1 only; calls to any other name are refused with 400.

    GET /api/books, /api/channel `{channels}`, /api/board `{board}`, /api/operations, /api/place: 200 with an ETag, 304
    for an If-None-Match with that ETag, 503 `{error}` while a source cannot be read. POST /api/do/{name}: `deeds.door`;
    404 without `deeds`. /widget/: the audit widget, as CloudWatch would show it, if there is one.
    """
    answers: Mapping[str, Callable[[], Any]] = {
        "books": lambda: dict(sources.books()),
        "channel": lambda: {"channels": list(sources.channels())},
        "board": lambda: {"board": sources.board()},
        "operations": lambda: dict(sources.operations()),
        "place": lambda: dict(sources.place()),
    }

    def script(_: Request) -> Response:
        return FileResponse(library) if library.is_file() else Response(status_code=404)

    return Starlette(
        routes=[
            *(Route(f"/api/{name}", _endpoint(name, look), methods=["GET"]) for name, look in answers.items()),
            *([Route("/api/do/{name}", door(deeds), methods=["POST"])] if deeds else []),
            Route("/vendor/adaptivecards.min.js", script, methods=["GET"]),
            *([Mount("/widget", widget)] if widget else []),
            Mount("/", StaticFiles(directory=STATIC, html=True)),
        ],
        middleware=[
            Middleware(_Guarded),
            Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"], www_redirect=False),
        ],
    )


def _endpoint(name: str, look: Callable[[], Any]) -> Callable[[Request], Response]:
    def answer(request: Request) -> Response:
        try:
            content = look()
        except Exception as error:  # whatever a source can raise: the page says so and asks again
            _log.warning("the page cannot read %s: %s", name, type(error).__name__)
            return _json({"error": f"{name} cannot be read: {type(error).__name__}"}, 503)
        response = _json(content, 200)
        tag = f'"{hashlib.sha256(response.body).hexdigest()[:32]}"'
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"ETag": tag})
        response.headers["ETag"] = tag
        return response

    return answer


def _json(content: Any, status: int) -> Response:
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":"), default=str)
    return Response(body, status, media_type="application/json")


class _Guarded:
    """Adds HEADERS to every answer that has none of its own; nothing is taken from a cache without asking."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in {**HEADERS, "Cache-Control": "no-cache"}.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, guarded)
