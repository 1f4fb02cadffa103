"""What holds for every suite: no network where none is needed, and the same examples in every run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import pytest_socket
from hypothesis import HealthCheck, settings

# Powertools reads these when a function is imported; the template sets them in production.
os.environ.setdefault("POWERTOOLS_METRICS_NAMESPACE", "MlConnector")
os.environ.setdefault("POWERTOOLS_SERVICE_NAME", "tests")

settings.register_profile(
    "same-every-time",
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("same-every-time")

_HERE = Path(__file__).parent
_WITHOUT_NETWORK = (_HERE / "unit", _HERE / "contract")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser and end-to-end tests come last: their sandboxes live on, and their threads need sockets."""
    last = (_HERE / "browser", _HERE / "e2e")
    items.sort(key=lambda item: [item.path.is_relative_to(folder) for folder in last[::-1]])


@pytest.fixture(autouse=True)
def network(request: pytest.FixtureRequest) -> Iterator[None]:
    """Unit and contract tests open no socket (Unix sockets apart, which event loops need)."""
    if not any(request.path.is_relative_to(folder) for folder in _WITHOUT_NETWORK):
        yield
        return
    pytest_socket.disable_socket(allow_unix_socket=True)
    try:
        yield
    finally:
        pytest_socket.enable_socket()
