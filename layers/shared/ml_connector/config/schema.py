"""The JSON schema of connection files, for editors: `mlc connections schema > connections/schema.json`."""

from __future__ import annotations

from typing import Any

from ml_connector.config.model import ConnectionFile


def schema() -> dict[str, Any]:
    """What an editor can check. `mlc connections validate` checks more: routes to nowhere, expressions, time zones."""
    plain = ConnectionFile.model_json_schema()
    for node in (plain, *plain["$defs"].values()):
        for field in node.get("properties", {}).values():
            if "patternProperties" in field:
                # pydantic refuses names that miss the pattern; JSON schema would let them pass unseen.
                field["additionalProperties"] = False
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **plain}
