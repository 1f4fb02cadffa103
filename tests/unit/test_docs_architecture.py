"""docs/architecture.md keeps up with the code (the names that people look for)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PACKAGE = ROOT / "layers" / "shared" / "ml_connector"


@pytest.mark.parametrize("module", sorted(path.stem for path in PACKAGE.glob("[a-z]*.py")))
def test_every_module_has_its_place(module: str) -> None:
    """Whoever meets a module finds on the page what it belongs to."""
    structure = PAGE.partition("## Structure")[2].partition("## ")[0]
    assert re.search(rf"(?<!\w){module}(?!\w)", structure)


def test_every_file_that_the_page_names_is_there() -> None:
    """Files move; the page must move with them."""
    named = set(re.findall(r"`([\w/]+\.py)`", PAGE))
    assert not [name for name in named if not (PACKAGE / name).exists() and not (ROOT / name).exists()]


def test_every_decision_has_a_number_of_its_own_and_is_named_where_it_matters() -> None:
    """No two ADRs have one number; each says it in its title, and some page or module leads to it."""
    papers = sorted((ROOT / "docs" / "adr").glob("*.md"))
    numbers = [int(paper.name[:4]) for paper in papers]
    assert numbers == list(range(1, len(papers) + 1))
    assert all(paper.read_text(encoding="utf-8").startswith(f"# {int(paper.name[:4])}. ") for paper in papers)
    texts = [PAGE, *(path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md"))]
    texts += [path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")]
    lost = [paper.name for paper in papers if not any(f"adr/{paper.name}" in text for text in texts)]
    assert not lost
