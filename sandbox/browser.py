"""The system's Chromium, without a window, for tests and screenshots of the page. None is downloaded."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MISSING = f"no Chromium here: none of {', '.join(NAMES)} is in PATH (scripts/install-chromium installs one)"


def chromium(path: str | None = None) -> str:
    """Where it lies in `path` (default: PATH); "" if there is none."""
    return next((found for name in NAMES if (found := shutil.which(name, path=path))), "")


@contextmanager
def browser() -> Iterator[Browser]:
    """A running Chromium. Raises LookupError, with what to do, where there is none."""
    program = chromium()
    if not program:
        raise LookupError(MISSING)
    from playwright.sync_api import sync_playwright

    # Chromium refuses its own cage to root; what it shows here is our page alone.
    caged = [] if os.geteuid() else ["--no-sandbox"]
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=["--font-render-hinting=none", *caged])
        try:
            yield running
        finally:
            running.close()
