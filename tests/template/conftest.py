"""template.yaml as CloudFormation sees it, and the bundle as SAM builds it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scripts.expand_template import ROOT, Template, expand, read


@pytest.fixture(scope="session")
def source() -> Template:
    """template.yaml as written, intrinsic functions in their long form."""
    return read()


@pytest.fixture(scope="session")
def expanded(source: Template) -> Template:
    """template.yaml after SAM's transform."""
    return expand(source)


@pytest.fixture(scope="session")
def built() -> Path:
    """The folder of the sandbox's build; builds only what changed."""
    done = subprocess.run([sys.executable, ROOT / "scripts/build", "local"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return ROOT / done.stdout.strip()
