"""docs/adding-a-destination.md is followed to the letter on a copy of the tree; what comes out passes the contract."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "adding-a-destination.md").read_text("utf-8")
BLOCK = re.compile(r"^```(\w+)\n# (\S+)\n(.*?)^```$", re.M | re.S)
PARTS = (
    "layers/shared/ml_connector",
    "cli/mlc",
    "tests",
    "scripts",
    "template.yaml",
    ".importlinter",
    "pyproject.toml",
)


def followed(text: str, hunk: str) -> str:
    """The file after a hunk, which must fit in one place and no other."""
    lines = hunk.splitlines()
    before = "\n".join(line[1:] for line in lines if line[0] != "+")
    after = "\n".join(line[1:] for line in lines if line[0] != "-")
    assert text.count(before) == 1, f"the page and the code have parted: {before!r}"
    return text.replace(before, after)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The copy with all that the page says."""
    copy = tmp_path_factory.mktemp("tree")
    for part in PARTS:
        source = ROOT / part
        (copy / part).parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy / part)
    for kind, name, content in BLOCK.findall(PAGE):
        path = copy / name
        if kind == "diff":
            path.write_text(followed(path.read_text("utf-8"), content), "utf-8")
        else:
            assert not path.exists()
            path.parent.mkdir(exist_ok=True)
            path.write_text(content, "utf-8")
    return copy


def run(tree: Path, *words: str) -> str:
    places = os.pathsep.join(str(tree / part) for part in ("layers/shared", "cli", ""))
    environment = {**os.environ, "PYTHONPATH": places, "PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1"}
    done = subprocess.run([sys.executable, *words], cwd=tree, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_page_has_its_steps() -> None:
    """None is left out because its fence is written otherwise."""
    assert len(BLOCK.findall(PAGE)) == PAGE.count("\n```") // 2 == 15


def test_it_passes_the_contract_of_all_destinations(tree: Path) -> None:
    """With every kind in it; and so do its own tests, through the engine."""
    suite = ("tests/contract/test_destinations.py", "tests/contract/test_slack.py", "tests/unit/test_measures.py")
    out = run(tree, "-m", "pytest", "-q", "-p", "no:cacheprovider", *suite, "-k", "sales or slack or kind")
    passed = re.search(r"(\d+) passed", out)
    assert passed is not None
    assert int(passed[1]) > 40, out


def test_its_settings_are_checked_and_explained(tree: Path) -> None:
    """A file may name it, and the reference has its chapter."""
    mlc = ("-c", "from mlc.main import app; app()")
    assert "in order" in run(tree, *mlc, "connections", "validate", "connections/slack.toml")
    assert "## A Slack destination" in run(tree, "-m", "ml_connector.config.reference")


def test_its_code_is_as_ours(tree: Path) -> None:
    """Formatted, linted, and typed."""
    made = [name for kind, name, _ in BLOCK.findall(PAGE) if kind == "python"]
    run(tree, "-m", "ruff", "check", *made)
    run(tree, "-m", "ruff", "format", "--check", *made)
    run(tree, "-m", "mypy", "-p", "ml_connector.destinations.slack")
