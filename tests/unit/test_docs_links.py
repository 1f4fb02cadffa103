"""What our pages lead to is there: files, chapters, verbs of make."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
_FENCED = re.compile(r"^ *```.*?^ *```", re.M | re.S)
_LINK = re.compile(r"\]\(([^()\s]+)\)")
_MAKE = re.compile(r"(?:^|`)make ((?:[a-z-]+ ?)+)", re.M)


@cache
def anchors(page: Path) -> frozenset[str]:
    """As GitHub makes them from headings: small letters, no punctuation, hyphens for spaces, numbers for twins."""
    found: dict[str, int] = {}
    for heading in re.findall(r"^#+ (.+)$", _FENCED.sub("", page.read_text("utf-8")), re.M):
        plain = re.sub(r"[^\w\- ]", "", re.sub(r"\[(.*?)\]\(.*?\)", r"\1", heading).lower()).replace(" ", "-")
        found[plain] = found.get(plain, -1) + 1
    return frozenset(f"{name}-{twin}" if twin else name for name, count in found.items() for twin in range(count + 1))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    """A page that moves, or a chapter with another title, takes its links along."""
    lost = []
    for link in _LINK.findall(_FENCED.sub("", page.read_text("utf-8"))):
        name, _, chapter = link.partition("#")
        if ":" in name:
            continue  # elsewhere
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (chapter and chapter not in anchors(target)):
            lost.append(link)
    assert lost == []


def test_every_page_is_in_the_index() -> None:
    """Nobody has to know that a page exists to find it."""
    index = (ROOT / "docs" / "README.md").read_text("utf-8")
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert pages == set(re.findall(r"\]\(([\w-]+\.md)\)", index))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_verb_of_make_is_there(page: Path) -> None:
    """What people type from our pages is in the Makefile."""
    verbs = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    named = {verb for words in _MAKE.findall(page.read_text("utf-8")) for verb in words.split()}
    assert named <= verbs, named - verbs
