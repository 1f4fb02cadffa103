"""What people do on the page: one small POST each, from the page itself only, one after the other."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

LONGEST = 2_000
"""Bytes of a call."""
WORD = 100
"""Characters of a text in it."""
BURST = 200
"""Records that one call may enter."""
HEADER = "x-sandbox"
"""A form of another site cannot send it, and a script of one is not allowed to."""

_log = logging.getLogger(__name__)


class CannotBeDone(Exception):
    """It makes no sense now; the message says why, for people."""


class Nothing(CannotBeDone):
    """What is named does not exist."""


class Deeds(Protocol):
    """Each says in a sentence what came of it. Raises CannotBeDone or Nothing; whatever else is the sandbox's failure.

    `module` and `record` name a record as `Sources.books` does.
    """

    def create(self, module: str) -> str: ...

    def change(self, module: str, record: str) -> str: ...

    def pay(self, module: str, record: str) -> str: ...

    def void(self, module: str, record: str) -> str: ...

    def burst(self, count: int) -> str:
        """So many invoices at once, at most BURST."""
        ...

    def lose(self) -> str:
        """A record whose webhook does not arrive."""
        ...

    def reconcile(self) -> str:
        """Looks for what webhooks did not tell."""
        ...

    def forge(self, module: str, record: str) -> str:
        """A call about a record with a wrong signature."""
        ...

    def label(self, item: str, label: str) -> str:
        """A person sets an item's status on the board."""
        ...

    def switch(self, name: str, *, on: bool) -> str:
        """Trouble begins or ends."""
        ...

    def retry(self) -> str:
        """Sends again what is parked."""
        ...


_RECORD = {"module": str, "record": str}
DEEDS: Mapping[str, Mapping[str, type]] = {
    "create": {"module": str},
    "change": _RECORD,
    "pay": _RECORD,
    "void": _RECORD,
    "burst": {"count": int},
    "lose": {},
    "reconcile": {},
    "forge": _RECORD,
    "label": {"item": str, "label": str},
    "switch": {"name": str, "on": bool},
    "retry": {},
}
"""What each is given, all of it."""


class _Refused(Exception):
    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


def door(deeds: Deeds) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint of `POST /api/do/{name}`: 200 `{said}`, else `{error}`.

    400 wrong arguments, 403 not from this page, 404 no such deed or record, 409 cannot be done now, 413 too long, 502
    the sandbox failed.
    """
    alone = threading.Lock()

    def do(name: str, given: Mapping[str, Any]) -> str:
        if not alone.acquire(blocking=False):
            raise _Refused(409, "Something else is being done; try again in a moment.")
        try:
            said: str = getattr(deeds, name)(**given)
        finally:
            alone.release()
        return said

    async def answer(request: Request) -> Response:
        name = request.path_params["name"]
        try:
            _from_the_page(request)
            if name not in DEEDS:
                raise _Refused(404, "There is no such button.")
            given = _arguments(await _body(request), DEEDS[name])
            return JSONResponse({"said": await run_in_threadpool(do, name, given)})
        except _Refused as error:
            return _error(error.status, str(error))
        except CannotBeDone as error:
            return _error(404 if isinstance(error, Nothing) else 409, str(error))
        except Exception as error:  # whatever a sandbox in trouble can raise: the person is told
            _log.warning("the page cannot do %s: %s", name, type(error).__name__)
            return _error(502, f"The sandbox could not do it ({type(error).__name__}).")

    return answer


def _error(status: int, why: str) -> Response:
    return JSONResponse({"error": why}, status)


def _from_the_page(request: Request) -> None:
    """Browsers say where a POST comes from; a header of our own needs a permission that no other site gets."""
    headers = request.headers
    own = headers.get("origin") == f"http://{headers['host']}"
    if not own or headers.get(HEADER) != "page" or headers.get("sec-fetch-site", "same-origin") != "same-origin":
        raise _Refused(403, "Only the page itself may do that.")


async def _body(request: Request) -> bytes:
    body = b""
    try:
        async for part in request.stream():
            body += part
            if len(body) > LONGEST:
                raise _Refused(413, "That is too long.")
    except ClientDisconnect:
        raise _Refused(400, "The call broke off.") from None
    return body


def _arguments(body: bytes, wanted: Mapping[str, type]) -> dict[str, Any]:
    try:
        given = json.loads(body or b"{}")
    except ValueError:
        raise _Refused(400, "That is no JSON.") from None
    if not isinstance(given, dict) or given.keys() != wanted.keys():
        raise _Refused(400, f"It takes {', '.join(wanted) or 'nothing'}.")
    for name, kind in wanted.items():
        if not _fits(given[name], kind):
            raise _Refused(400, f"This is no {name}.")
    return given


def _fits(value: Any, kind: type) -> bool:
    match value:
        case bool():  # first: in Python it is a number, too
            return kind is bool
        case int():
            return kind is int and 0 < value <= BURST
        case str():
            return kind is str and 0 < len(value) <= WORD
    return False
