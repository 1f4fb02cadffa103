"""The commands in our documents exist, with their options."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from mlc.main import app

ROOT = Path(__file__).parents[2]
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
_FENCED = re.compile(r"^```.*?^```", re.M | re.S)
_IN_BLOCK = re.compile(r"^(?:\$ |\.venv/bin/)?(mlc .+)$", re.M)
_IN_TEXT = re.compile(r"`(mlc [^`]+)`")
_REST = re.compile(r" (?:[#<>;…]|\[).*")
"""A comment, and what is the shell's."""


def commands() -> list[tuple[str, str]]:
    """Document and command, once each."""
    found: dict[tuple[str, str], None] = {}
    for path in DOCUMENTS:
        text = path.read_text("utf-8")
        lines = [line for block in _FENCED.findall(text) for line in _IN_BLOCK.findall(block)]
        for line in (*lines, *_IN_TEXT.findall(_FENCED.sub("", text))):
            found[path.name, _REST.sub("", " ".join(line.split()))] = None
    return list(found)


@pytest.mark.parametrize(("document", "line"), commands())
def test_command_exists(document: str, line: str) -> None:
    """What people copy from our pages works, as far as its words go."""
    command: Any = get_command(app)
    _, *words = shlex.split(line)
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        command = command.commands[words.pop(0)]
    known = {"--help"} | {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
    assert {word for word in words if word.startswith("--")} <= known
