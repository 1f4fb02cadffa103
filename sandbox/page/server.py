"""The page, served beside whatever else the process does."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from sandbox.page.app import Sources, create_page
from sandbox.page.deeds import Deeds

LOOPBACK = "127.0.0.1"


@contextmanager
def page(
    sources: Sources, deeds: Deeds | None = None, widget: ASGIApp | None = None, *, port: int = 0
) -> Iterator[str]:
    """Serves the page in a thread and gives its URL; 0 takes a free port. OSError if the port is taken."""
    with socket.create_server((LOOPBACK, port)) as listening:
        server = uvicorn.Server(
            uvicorn.Config(
                create_page(sources, deeds, widget=widget),
                lifespan="off",
                proxy_headers=False,
                server_header=False,
                access_log=False,
                log_config=None,
                timeout_graceful_shutdown=1,
            )
        )
        # The socket listens already: a browser that comes early waits for the thread.
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="page", daemon=True)
        thread.start()
        try:
            yield f"http://{LOOPBACK}:{listening.getsockname()[1]}/"
        finally:
            server.should_exit = True
            thread.join(timeout=5)
