"""`python -m sandbox.vendors --port N`: the stand-ins on 127.0.0.1, with the default world."""

from __future__ import annotations

import argparse
import signal
from datetime import datetime
from pathlib import Path

import uvicorn

from sandbox.vendors import monday
from sandbox.vendors.app import create_app
from sandbox.vendors.default_world import seed
from sandbox.vendors.world import Clock, World


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.vendors", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--empty", action="store_true", help="start without the default world")
    parser.add_argument("--clock", metavar="TIME", help="the vendors' time at the start, e.g. 2026-11-22T08:00:00Z")
    parser.add_argument("--frozen", action="store_true", help="let the clock move by control calls only")
    parser.add_argument(
        "--keep", type=Path, metavar="FILE", help="go on from this file if it exists; write it at the end"
    )
    given = parser.parse_args()
    start = datetime.fromisoformat(given.clock).timestamp() if given.clock else None
    if given.frozen and start is None:
        parser.error("--frozen needs --clock")
    monday.schema()  # before the first call, not during it
    world = World(None if given.empty else seed(), Clock(start, frozen=given.frozen))
    if given.keep:
        if given.keep.exists():
            world.restore(given.keep.read_bytes())
        # uvicorn ends in order and then raises the signal again, which would end us before we have written.
        signal.signal(signal.SIGTERM, lambda *_: None)
    uvicorn.run(
        create_app(world),
        host="127.0.0.1",
        port=given.port,
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_level="warning",
        timeout_keep_alive=75,
    )
    if given.keep:
        given.keep.write_bytes(world.dump())


if __name__ == "__main__":
    main()
