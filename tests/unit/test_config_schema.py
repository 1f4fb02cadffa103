"""The published schema of connection files."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from ml_connector.config.schema import schema

CONNECTIONS = Path(__file__).parents[2] / "connections"
PUBLISHED = CONNECTIONS / "schema.json"
EXAMPLE = CONNECTIONS / "example.toml"


def example() -> dict[str, Any]:
    return tomllib.loads(EXAMPLE.read_text("utf-8"))


def test_the_published_schema_is_current() -> None:
    """Editors know what the model knows. Renew with: mlc connections schema > connections/schema.json"""
    assert json.loads(PUBLISHED.read_text("utf-8")) == schema()


def test_it_is_a_schema_and_takes_the_example() -> None:
    """An editor shows no fault in a file that is in order."""
    Draft202012Validator.check_schema(schema())
    assert list(Draft202012Validator(schema()).iter_errors(example())) == []


@pytest.mark.parametrize(
    "change",
    [
        {"conection": "x"},
        {"routes": []},
        {"destinations": {"fax": {"type": "fax"}}},
        {"destinations": {"No Slug": {"type": "teams"}}},
        {"zoho": {"region": "mars", "organization_id": "1234"}},
        {"locale": "English"},
    ],
)
def test_it_sees_what_an_editor_can_see(change: dict[str, Any]) -> None:
    """Unknown keys and wrong values are underlined while they are typed."""
    assert list(Draft202012Validator(schema()).iter_errors({**example(), **change}))
