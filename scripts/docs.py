"""Writes what is made from the code: the reference of connection files, their schema, the tables of docs/costs.md."""

from __future__ import annotations

import json

from bench import costs
from ml_connector.config.reference import reference
from ml_connector.config.schema import schema
from scripts.expand_template import ROOT

if __name__ == "__main__":
    (ROOT / "docs" / "configuration.md").write_text(reference(), "utf-8")
    (ROOT / "connections" / "schema.json").write_text(
        json.dumps(schema(), indent=2, ensure_ascii=False) + "\n", "utf-8"
    )
    costs.PAGE.write_text(costs.page(costs.PAGE.read_text("utf-8")), "utf-8")
