"""What CloudFormation makes of template.yaml: SAM's resources expanded, in this process, without an account.

    python scripts/expand_template.py [PARAMETER=VALUE ...] > expanded.json

Lint the expansion as well as the source: a linter sees only half of the faults in a SAM template.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from samtranslator.parser.parser import Parser  # type: ignore[import-untyped]
from samtranslator.translator.translator import Translator  # type: ignore[import-untyped]
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parent.parent
Template = dict[str, Any]


def logical_id(function: str) -> str:
    """The resource of a folder below functions/: ingest -> IngestFunction."""
    return "".join(word.capitalize() for word in function.split("_")) + "Function"


def read(path: Path = ROOT / "template.yaml") -> Template:
    """The SAM template, intrinsic functions in their long form ({"Ref": ...}, {"Fn::GetAtt": ...})."""
    template: Template = yaml_parse(path.read_text())
    return template


def expand(template: Template, **parameters: str) -> Template:
    """Expand a SAM template; `parameters` override its defaults. The given template is left as it is.

    Raises samtranslator.model.exceptions.InvalidDocumentException when SAM refuses it.
    """
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    template = json.loads(json.dumps(template))
    defaults = {name: str(known.get("Default", "")) for name, known in template.get("Parameters", {}).items()}
    for resource in template["Resources"].values():
        for folder in {"CodeUri", "ContentUri"} & resource.get("Properties", {}).keys():
            # Folders become S3 addresses before CloudFormation sees them; any valid one will do.
            resource["Properties"][folder] = "s3://a-bucket-for-linting/key.zip"
    expanded: Template = Translator({}, Parser()).translate(template, parameter_values=defaults | parameters)
    return expanded


if __name__ == "__main__":
    overrides = dict(word.split("=", 1) for word in sys.argv[1:])
    print(json.dumps(expand(read(), **overrides), indent=1, default=str))
