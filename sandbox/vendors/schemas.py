"""The vendors' own schemas (published/README.md), and the way to monday's when its version changes.

`make vendor-schemas` fetches what monday publishes in its repository: exactly the files that the checksums name.
"""

from __future__ import annotations

import hashlib
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

FOLDER = Path(__file__).with_name("published")
_THERE = "packages/agent-toolkit/src/monday-graphql"
SOURCE = f"https://raw.githubusercontent.com/mondaycom/mcp/{{commit}}/{_THERE}/schema.graphql"
PUBLISHED = {
    "monday-2026-10.graphql": (
        "fc03eb276c6a1561631fd24d3256ed7378453f33",
        "0303956a648522d626f13bd7bdcc2f16b27fc3081110076ce2a90d0bc81da751",
    ),
    "monday-2026-07.graphql": (
        "c445d65b207867b9072d23fd13836524733e593b",
        "719718bb1419dbb3071437e32c61e0f9dbe3a209c73b5586cb410db682c16ad8",
    ),
}
"""File -> commit, SHA-256."""


def fetch(get: Callable[[str], bytes], folder: Path = FOLDER) -> list[str]:
    """Fetch what `folder` lacks; returns a line per file that could not be had."""
    faults = []
    for name, (commit, checksum) in PUBLISHED.items():
        if (folder / name).is_file():
            continue
        try:
            content = get(SOURCE.format(commit=commit))
        except OSError as error:
            faults.append(f"{name} could not be fetched: {error}")
            continue
        if hashlib.sha256(content).hexdigest() != checksum:
            faults.append(f"{name} is not the file that was published: its SHA-256 differs; nothing was kept")
            continue
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return faults


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 (our own addresses)
        content: bytes = answer.read(10_000_000)
        return content


if __name__ == "__main__":
    problems = fetch(_get)
    print("\n".join(problems) or f"monday's schemas are in {FOLDER}")
    sys.exit(1 if problems else 0)
