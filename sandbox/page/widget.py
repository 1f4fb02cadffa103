"""CloudWatch's part for the audit widget: a document that asks the deployed function and shows its HTML.

What a dashboard does, and no more: docs/widget.md. Serve it on 127.0.0.1 only.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

STATIC = Path(__file__).resolve().parent / "static"
_FILES = {"/": "widget.html", "/widget.js": "widget.js", "/widget.css": "widget.css"}
_MOST = 100_000
"""Bytes of a call."""

# The widget's own style is inline, as on a dashboard. Nothing in its HTML can run: scripts come from files only.
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "img-src data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'self'",
        "require-trusted-types-for 'script'",
        "trusted-types widget",
    )
)

Invoke = Callable[[str, Mapping[str, Any]], Any]
"""Runs the function with this ARN on an event, and gives back its result. Raises if it fails."""

_log = logging.getLogger(__name__)


def create_widget(invoke: Invoke, widget: str, others: frozenset[str] = frozenset()) -> Starlette:
    """GET / is the document. POST /call `{endpoint, params, widgetContext}` runs the function `widget`, or one of
    `others` that `endpoint` names: 200 `{html, repeatable}`, the latter if it was the widget's own; 400 for another
    body, 403 for another function, 502 `{error}` if it fails.
    """

    def file(request: Request) -> Response:
        path = request.url.path.removeprefix(request.scope.get("root_path", "")) or "/"
        return FileResponse(STATIC / _FILES[path], headers={"Content-Security-Policy": _POLICY})

    async def call(request: Request) -> Response:
        # Another page's script cannot send this type without being asked for permission first.
        if request.headers.get("content-type") != "application/json":
            return JSONResponse({"error": "no JSON"}, 400)
        body = await request.body()
        asked = _object(body) if len(body) <= _MOST else None
        if asked is None:
            return JSONResponse({"error": "no such call"}, 400)
        endpoint = asked.get("endpoint") or widget
        if endpoint != widget and endpoint not in others:
            return JSONResponse({"error": "this is none of the widget's functions"}, 403)
        event = {**asked["params"], "widgetContext": {"dashboardName": "sandbox", **asked["widgetContext"]}}
        try:
            html = await run_in_threadpool(invoke, endpoint, event)
        except Exception as error:  # whatever a function can do: the page says so
            _log.warning("the widget's function failed: %s", type(error).__name__)
            return JSONResponse({"error": f"{type(error).__name__}: its log says why"}, 502)
        shown = html if isinstance(html, str) else json.dumps(html)
        return JSONResponse({"html": shown, "repeatable": endpoint == widget})

    return Starlette(
        routes=[*(Route(path, file, methods=["GET"]) for path in _FILES), Route("/call", call, methods=["POST"])]
    )


def _object(body: bytes) -> dict[str, Any] | None:
    """A call, if it is one."""
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(asked, dict) or not all(
        isinstance(asked.get(name), dict) for name in ("params", "widgetContext")
    ):
        return None
    return asked


def by_lambda(client: Any) -> Invoke:
    """Through Lambda's API, as CloudWatch does it."""

    def invoke(function: str, event: Mapping[str, Any]) -> Any:
        answer = client.invoke(FunctionName=function, Payload=json.dumps(event).encode())
        result = json.loads(answer["Payload"].read())
        if answer.get("FunctionError"):
            raise RuntimeError(f"{function.rpartition(':')[2]} failed")
        return result

    return invoke
