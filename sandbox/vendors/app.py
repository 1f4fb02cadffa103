"""The HTTP side: finds the vendor by the first path segment, applies faults, keeps the log of requests.

The product rewrites `https://HOST/PATH?QUERY` to `http://127.0.0.1:PORT/HOST/PATH?QUERY` when it runs here.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import re
import time
from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sandbox.vendors import (
    bot_connector,
    control,
    entra,
    graph,
    graph_notifications,
    graph_subscriptions,
    monday,
    monday_accounts,
    monday_ingest,
    monday_webhooks,
    secrecy,
    workflows,
    zoho,
    zoho_webhooks,
)
from sandbox.vendors.wire import Answer, Call, Refusal, reply
from sandbox.vendors.world import World, iso

Handler = Callable[[World, Call], Answer]


def vendor_of(host: str) -> tuple[str, Handler] | None:
    """Name and handler of the vendor behind a real host; the port 443 may be spelled out."""
    bare = host.removesuffix(":443")
    fixed: dict[str, tuple[str, Handler]] = {
        **dict.fromkeys(entra.HOSTS, ("entra", entra.handle)),
        **dict.fromkeys(bot_connector.HOSTS, ("bot", bot_connector.handle)),
        **dict.fromkeys(graph.HOSTS, ("graph", graph.handle)),
        monday.HOST: ("monday", monday.handle),
        monday_accounts.HOST: ("monday_accounts", monday_accounts.handle),
        monday_ingest.UPLOADS: ("monday_uploads", monday_ingest.upload),
    }
    if bare in zoho.ACCOUNTS:
        return "zoho_accounts", zoho.accounts
    if bare in zoho.APIS:
        return "zoho", zoho.books
    if workflows.HOSTS.fullmatch(host):
        return "workflows", workflows.handle
    if bare not in fixed and monday_accounts.BY_ACCOUNT.fullmatch(bare):
        return "monday_accounts", monday_accounts.handle
    return fixed.get(bare)


def serve(world: World, call: Call) -> Answer:
    """One call to a vendor, faults included. Never raises for anything a caller can send."""
    started = time.perf_counter()
    with world.lock:
        found = vendor_of(call.host)
        if found is None:
            return reply(421, {"error": f"no such host in the sandbox: {call.host[:100]}"})
        name, handler = found
        fault = world.faults.take(name, call)
        answer = None
        if fault is None or fault.has_effect:
            bare = call.host.removesuffix(":443") if name != "workflows" else call.host
            delay = fault.slow_ms / 1000 if fault else 0.0
            try:
                answer = handler(world, dataclasses.replace(call, host=bare, delay=delay))
            except Refusal as refusal:
                answer = refusal.answer
    if answer and answer.then:
        answer = answer.then()
    with world.lock:
        answer = fault.bend(answer) if fault else answer or Answer(500)
        _log(world, name, call, answer, fault.kind if fault else "", started)
        world.secrets.update(secrecy.secrets(name, call, answer))
        return answer


_GRAPHQL_FIELD = re.compile(
    rb"\b(?:create|change|archive|delete|move|update|ingest|fetch|items|next|boards|webhooks|me|version)[a-z_]*"
    rb"(?=\s*[({])"
)


def _log(world: World, name: str, call: Call, answer: Answer, fault: str, started: float) -> None:
    """Who was called and what came of it: no query strings, no headers, no bodies, so no secrets."""
    world.served += 1
    operation = b",".join(_GRAPHQL_FIELD.findall(call.body)[:5]).decode() if name == "monday" else ""
    world.requests.append(
        {
            "n": world.served,
            "at": iso(world.clock.now()),
            "vendor": name,
            "method": call.method,
            "host": call.host,
            "path": call.target.partition("?")[0],
            "operation": operation,
            "status": answer.status,
            "ms": round((time.perf_counter() - started) * 1000, 2),
            "fault": fault,
        }
    )


class Vendors:
    """The ASGI application."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._timer: asyncio.TimerHandle | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Vendors answer on the loop, for they never wait; what calls somebody else runs in a thread."""
        if scope["type"] != "http":
            raise RuntimeError("only HTTP is served")
        body = await Request(scope, receive).body()
        call = _call(scope, body)
        if call.host == control.PREFIX:
            answer = await run_in_threadpool(control.handle, self.world, call)
        elif (graph_subscriptions.calls_out(call) or monday.calls_out(call)) and _loop():
            answer = await run_in_threadpool(serve, self.world, call)
        else:
            answer = serve(self.world, call)
        self._settle()
        if answer.delay:
            await asyncio.sleep(answer.delay)
        if answer.dropped:
            await _drop(send)
            return
        await Response(answer.body, answer.status, answer.headers)(scope, receive, send)

    def _settle(self) -> None:
        """Webhooks that this call set off leave after it, beside it. Driven by hand, without a loop, they wait for a
        control call."""
        if loop := _loop():
            if zoho_webhooks.is_due(self.world):
                loop.run_in_executor(None, zoho_webhooks.settle, self.world)
            self._notify(loop)

    def _notify(self, loop: asyncio.AbstractEventLoop) -> None:
        """What Graph and monday tell leaves when it is due, whether anybody calls or not: the timer is the loop's."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        waits = {teller: teller.wait(self.world) for teller in (graph_notifications, monday_webhooks)}
        for teller, wait in waits.items():
            if wait == 0:
                sent = loop.run_in_executor(None, teller.settle, self.world)
                sent.add_done_callback(lambda _: self._notify(loop))
        if later := [wait for wait in waits.values() if wait]:
            self._timer = loop.call_later(min(later), self._notify, loop)


def _loop() -> asyncio.AbstractEventLoop | None:
    """The running one; None when the application is driven by hand."""
    with contextlib.suppress(RuntimeError):
        return asyncio.get_running_loop()
    return None


def _call(scope: Scope, body: bytes) -> Call:
    raw = scope.get("raw_path") or scope["path"].encode()
    host, slash, rest = raw.partition(b"?")[0].decode("latin-1").lstrip("/").partition("/")
    query = scope["query_string"].decode("latin-1")
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    target = slash + rest + (f"?{query}" if query else "")
    return Call(scope["method"], host.lower().replace("%3a", ":"), target or "/", headers, body)


async def _drop(send: Send) -> None:
    """Close the connection without an answer: uvicorn's `send` belongs to the cycle that knows the transport."""
    transport: Any = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        raise ConnectionResetError("dropped by an injected fault")
    transport.close()
    await asyncio.sleep(0.01)  # let the server notice, or it would complain of a missing answer


def create_app(world: World | None = None) -> Vendors:
    """The application over a world of its own, or a given one; without one it starts empty."""
    return Vendors(world or World())
