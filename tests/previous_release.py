"""The release before this one: its tree, built for the sandbox, and its own `mlc`."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FALLBACK = Path(__file__).parent / "previous-release"
"""Names the commit that counts as the last release where there are no tags, as in a clone that fetched none."""


@dataclass(frozen=True)
class Release:
    """`name` is for people; `tree` holds the files of that release."""

    name: str
    tree: Path

    def build(self) -> Path:
        """Its build for the sandbox, by its own script. Nothing is built twice."""
        done = subprocess.run([sys.executable, self.tree / "scripts/build", "local"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return self.tree / done.stdout.strip()

    def mlc(self, *words: str | Path, environment: Mapping[str, str], given: str | None = None) -> None:
        """Runs its command line; `given` comes on standard input."""
        paths = os.pathsep.join(str(self.tree / folder) for folder in ("layers/shared", "cli", "."))
        program = f"from mlc.main import app; import mlc; assert mlc.__file__.startswith({str(self.tree)!r}); app()"
        done = subprocess.run(
            [sys.executable, "-c", program, *words],
            cwd=self.tree,
            env={**os.environ, **environment, "PYTHONPATH": paths},
            input=given,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def previous_release() -> Release:
    """Of the newest tag before this version; skips the test where git does not have it."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    tags = _git("tag", "--list", "v*", "--merged", "HEAD", "--sort=-version:refname").decode().split()
    name = next((tag for tag in tags if tag != f"v{version}"), FALLBACK.read_text().strip())
    commit = _git("rev-parse", "--quiet", "--verify", f"{name}^{{commit}}").decode().strip()
    if not commit:
        pytest.skip(f"the release before this one, {name}, is not in git here: fetch the whole history, with tags")
    tree = ROOT / ".aws-sam/previous" / commit[:12]
    if not tree.exists():
        _unpack(commit, tree)
    return Release(name, tree)


def _git(*words: str) -> bytes:
    """What git says; nothing where it says no, or where this is no clone."""
    git = shutil.which("git")
    if not git:
        return b""
    return subprocess.run([git, *words], cwd=ROOT, capture_output=True).stdout


def _unpack(commit: str, tree: Path) -> None:
    """Whole or not at all; it uses this tree's tools."""
    half = tree.with_suffix(".half")
    shutil.rmtree(half, ignore_errors=True)
    with tarfile.open(fileobj=io.BytesIO(_git("archive", commit))) as archive:
        archive.extractall(half, filter="data")
    for tools in (".venv", ".local"):
        (half / tools).symlink_to(ROOT / tools)
    half.rename(tree)
