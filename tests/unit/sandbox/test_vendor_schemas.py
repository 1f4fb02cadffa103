"""`make vendor-schemas` keeps what monday published, and nothing else."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from sandbox.vendors import schemas


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Two made-up files with their checksums, by commit."""
    files = {"c1": b"type Query { a: Int }", "c2": b"type Query { b: Int }"}
    table = {f"{commit}.graphql": (commit, hashlib.sha256(text).hexdigest()) for commit, text in files.items()}
    monkeypatch.setattr(schemas, "PUBLISHED", table)
    return files


def test_what_is_missing_is_fetched_once(published: dict[str, bytes], tmp_path: Path) -> None:
    """From the commit that the contract names; a second run asks for nothing."""
    asked = []

    def get(url: str) -> bytes:
        asked.append(url)
        return published[url.split("/")[5]]

    assert schemas.fetch(get, tmp_path / "new") == []
    assert schemas.fetch(get, tmp_path / "new") == []
    assert asked[0].startswith("https://raw.githubusercontent.com/mondaycom/mcp/c1/packages/agent-toolkit/")
    assert len(asked) == 2
    assert (tmp_path / "new" / "c2.graphql").read_bytes() == published["c2"]


def test_a_file_with_another_checksum_is_not_kept(published: dict[str, bytes], tmp_path: Path) -> None:
    """Whatever it is, it is not what was read before."""
    (fault, _) = schemas.fetch(lambda _: published["c1"] + b" ", tmp_path)
    assert "SHA-256 differs" in fault
    assert list(tmp_path.iterdir()) == []


def test_no_network_is_said(published: dict[str, bytes], tmp_path: Path) -> None:
    """One line per file."""

    def get(_: str) -> bytes:
        raise OSError("no route to host")

    assert len(schemas.fetch(get, tmp_path)) == len(published)


@pytest.mark.parametrize("name", schemas.PUBLISHED)
def test_what_lies_here_is_what_was_published(name: str) -> None:
    """The stand-in goes by these very files."""
    assert hashlib.sha256((schemas.FOLDER / name).read_bytes()).hexdigest() == schemas.PUBLISHED[name][1]
