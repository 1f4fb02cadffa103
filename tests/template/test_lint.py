"""Other people's rules for templates."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from scripts.expand_template import ROOT, Template, expand

TOOLS = Path(sys.executable).parent


def test_expansion_is_clean(expanded: Template, tmp_path: Path) -> None:
    """Half of a SAM template's faults show only after the expansion: lint what CloudFormation will see."""
    file = tmp_path / "expanded.json"
    file.write_text(json.dumps(expanded))
    done = subprocess.run([TOOLS / "cfn-lint", "--regions", "eu-central-1", "--", file], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_source_is_clean() -> None:
    """`sam validate --lint` has nothing to say."""
    environment = {**os.environ, "SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "eu-central-1"}
    command: list[str | Path] = [TOOLS / "sam", "validate", "--lint", "--template-file", ROOT / "template.yaml"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_option_escapes_the_linter(source: Template, expanded: Template) -> None:
    """Options are conditions, which the linter tries both ways: whatever is chosen, the expansion is the one above."""
    for name, parameter in source["Parameters"].items():
        other = str(parameter.get("AllowedValues", [f"another {name}"])[-1])
        assert expand(source, **{name: other}) == expanded, name
