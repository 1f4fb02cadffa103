"""The locks: one resolution, hashed, and naming no package index."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted((ROOT / "locks").glob("*.txt"))
_PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)(?:\[[^\]]+\])?==([^ ;\\]+)", re.M)


def pins(name: str) -> dict[str, str]:
    return dict(_PIN.findall((ROOT / "locks" / name).read_text()))


def test_what_is_deployed_is_what_was_tested() -> None:
    """Every package of the layer has the version that the tests run with."""
    assert pins("layer.txt").items() <= pins("dev.txt").items()


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_pin_has_hashes(lock: Path) -> None:
    """A package that changes under its version is not installed."""
    entries = re.split(r"\n(?=\S)", lock.read_text().strip())
    assert [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_a_lock_names_no_package_index(lock: Path) -> None:
    """Behind a company's own mirror the same file installs the same packages."""
    assert "://" not in lock.read_text()
