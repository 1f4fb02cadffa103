"""A running sandbox for somebody who looks at it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sandbox import serving


def test_a_second_terminal_finds_the_sandbox_while_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file sets what `mlc` needs, over a profile of one's own; of two sandboxes the newer one's stays."""
    monkeypatch.setattr(serving, "ROOT", tmp_path)
    file = tmp_path / serving.ENVIRONMENT
    file.parent.mkdir()
    stack = SimpleNamespace(
        environment=lambda: {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"},
        deployment=SimpleNamespace(stack="ml-connector"),
        webhook_url="http://127.0.0.1:4566/it's",
    )
    box: Any = SimpleNamespace(stack=stack)
    with serving.second_terminal(box, "http://127.0.0.1:4566/back"):
        names = "$AWS_ENDPOINT_URL $MLC_STACK $MLC_WEBHOOK_URL ${AWS_PROFILE-none} $PATH"
        shown = subprocess.run(
            ["/bin/sh", "-c", f". {file}; echo {names}"],
            env={"AWS_PROFILE": "work", "PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
    assert shown.split()[:4] == ["http://127.0.0.1:4566", "ml-connector", "http://127.0.0.1:4566/it's/webhooks", "none"]
    assert shown.split()[4].startswith(f"{tmp_path}/.venv/bin:")
    assert not file.exists()
    with serving.second_terminal(box, "first"):
        file.write_text("the other's")
    assert file.read_text() == "the other's"
