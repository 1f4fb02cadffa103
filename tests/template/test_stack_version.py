"""The stack says of which version it is: `mlc doctor` and an upgrade compare it with their own."""

from __future__ import annotations

import tomllib

from scripts.expand_template import ROOT, Template


def test_the_stack_tells_the_projects_version(source: Template) -> None:
    """Raised in one place and forgotten in the other, every stack would look as old as the last one."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert source["Outputs"]["Version"]["Value"] == project["version"]
