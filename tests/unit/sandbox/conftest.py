"""Fixtures of the sandbox's unit tests."""

from __future__ import annotations

import pytest
from vendors_desk import Desk


@pytest.fixture
def desk() -> Desk:
    """The default world, its clock frozen."""
    return Desk()
