"""docs/security.md claims nothing that no test tries to break."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from ml_connector.config.remove import PURPOSES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text("utf-8")
THREATS, _, PROOFS = PAGE.partition("\n## Threats\n")[2].partition("\n## ")[0].partition("\n### The proof of each\n")
ROWS = re.findall(r"^\| (\d+) \| (.+?) \| ", THREATS, re.M)
PROOF_OF = {
    (number, threat): tests for number, threat, tests in re.findall(r"^(\d+)\. (.+):\n((?: +- .+\n?)+)", PROOFS, re.M)
}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[1])
def test_every_threat_has_a_test_that_is_there(row: tuple[str, str]) -> None:
    """Renamed or removed, it would be missed here."""
    proofs = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PROOF_OF[row])
    assert proofs
    for path, name in proofs:
        tree = ast.parse((ROOT / path).read_text("utf-8"))
        assert name in {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}, f"{path}::{name}"


def test_every_line_of_the_threats_is_a_numbered_one() -> None:
    """None is passed over by the test above, and no proof stands there without its threat."""
    lines = [line for line in THREATS.splitlines() if line.startswith("| ")][2:]
    assert [number for number, _ in ROWS] == [str(each) for each in range(1, len(lines) + 1)]
    assert list(PROOF_OF) == ROWS
    assert len(re.findall(r"^ +- ", PROOFS, re.M)) == PROOFS.count("`tests/") == PROOFS.count("::")


def test_every_secret_is_among_the_assets() -> None:
    """What is kept in Secrets Manager is what is protected."""
    assets = PAGE.partition("\n## What is worth protecting\n")[2].partition("\n## ")[0]
    assert {f"/{purpose}`" for purpose in PURPOSES} == set(re.findall(r"/\w+`", assets))


def test_how_long_things_are_kept_is_the_templates_default() -> None:
    """People answer questions with this table."""
    template = (ROOT / "template.yaml").read_text("utf-8")
    for name in ("AuditRetentionDays", "LogRetentionDays"):
        default = re.search(rf"  {name}:\n    Type: Number\n    Default: (\d+)", template)
        assert default is not None
        assert f"`{name}`, {default[1]}" in PAGE
