"""One sandbox with its page for all browser tests, as `make demo` runs it, in the system's Chromium.

Without a Chromium they are skipped with a word; with BROWSER_TESTS=required (as in .ci/run) they fail instead.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from sandbox.aws.emulator import ROOT
from sandbox.browser import MISSING, browser, chromium
from sandbox.page.node import SetupFailed, install
from sandbox.serving import serve
from sandbox.session import Box, sandbox
from sandbox.shown import ENVIRONMENT
from tests.browser.visitor import Visitor

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def unavailable(why: str) -> NoReturn:
    if os.environ.get("BROWSER_TESTS") == "required":
        pytest.fail(f"the browser tests must run here, but {why}", pytrace=False)
    pytest.skip(f"the browser tests did not run: {why}")


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    if not chromium():
        unavailable(MISSING)
    try:
        install()
    except SetupFailed as error:
        unavailable(f"the page's card renderer could not be installed: {error}")
    with browser() as running:
        yield running


@pytest.fixture(scope="module")
def box(chrome: Browser) -> Iterator[Box]:
    with sandbox(digests=True) as box:
        yield box


@pytest.fixture(scope="module")
def address(box: Box) -> Iterator[str]:
    with serve(box) as url:
        yield url


@pytest.fixture
def visitor(chrome: Browser, address: str) -> Iterator[Visitor]:
    """Somebody before the page at 1280 × 900; at the end the browser must not have complained about anything."""
    with Visitor.opens(chrome, address) as somebody:
        yield somebody
        assert somebody.complaints == []


@pytest.fixture
def mlc(address: str) -> Callable[..., Any]:
    """`mlc("parked", "list", name)` in a second terminal, as the page says it: what it prints as JSON.

    AssertionError if it fails.
    """

    def run(*words: str) -> Any:
        typed = f". {ENVIRONMENT} && mlc {shlex.join(words)} --json"
        shell = ["bash", "-c", typed]
        done = subprocess.run(shell, cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    return run
