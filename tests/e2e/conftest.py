"""One sandbox for all end-to-end tests: the deployed template on a local AWS, the real runtime, strict stand-ins."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from sandbox.session import Box, sandbox


@pytest.fixture(scope="session")
def running() -> Iterator[Box]:
    with sandbox(hidden_seconds=12) as box:
        yield box


@pytest.fixture(scope="session")
def numbers() -> Iterator[int]:
    """Numbers of sites that no test has opened yet. A fresh site is in no function's memory."""
    return count(100)


@pytest.fixture
def box(running: Box) -> Iterator[Box]:
    """The sandbox, without faults and with nothing under way."""
    running.zoho.clear_faults()
    yield running
    running.zoho.clear_faults()
    assert running.settled(60), "a test left deliveries under way"
