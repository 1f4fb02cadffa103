"""The browser tests take the machine's own Chromium, and say so when there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.browser import NAMES, browser, chromium


@pytest.mark.parametrize("name", NAMES)
def test_each_usual_name_is_found(tmp_path: Path, name: str) -> None:
    """Distributions call it differently."""
    program = tmp_path / name
    program.write_text("#!/bin/sh\n")
    assert chromium(str(tmp_path)) == ""
    program.chmod(0o755)
    assert chromium(str(tmp_path)) == str(program)


def test_without_one_the_word_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is downloaded instead."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LookupError, match="scripts/install-chromium"), browser():
        pass
