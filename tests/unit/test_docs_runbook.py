"""docs/runbook.md counts as the template and the sandbox do. That each alarm has its heading: tests/template."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from scripts.expand_template import read

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "runbook.md").read_text("utf-8")


def unmeasured() -> set[str]:
    """The alarms that have no data in the sandbox, as its own test names them."""
    tree = ast.parse((ROOT / "tests" / "e2e" / "test_alarms_of_the_template.py").read_text("utf-8"))
    (found,) = (
        each.value
        for each in tree.body
        if isinstance(each, ast.Assign) and isinstance(each.targets[0], ast.Name) and each.targets[0].id == "UNMEASURED"
    )
    return set(ast.literal_eval(found))


def test_whoever_counts_the_alarms_of_the_page_finds_the_missing_ones_named() -> None:
    """The page of the sandbox shows fewer than the template has."""
    said = re.search(
        r"There are (\d+) alarms\. The page of `make demo` shows data for (\d+) of them: (.+?)\n\n", PAGE, re.S
    )
    assert said is not None
    alarms = {name for name, each in read()["Resources"].items() if each["Type"] == "AWS::CloudWatch::Alarm"}
    assert unmeasured() <= alarms
    assert (int(said[1]), int(said[2])) == (len(alarms), len(alarms) - len(unmeasured()))
    assert set(re.findall(r"\w+Alarm\b", said[3])) == unmeasured()
