"""Our fixtures have the shapes of the contract's samples: every sample has one, with the same fields."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ml_connector.sources import signature
from sandbox.vendors.cards import contracts

SAMPLES = contracts() / "samples" / "zoho"
FIXTURES = Path(__file__).parents[2] / "fixtures" / "zoho"
OURS = {path.name: path for folder in ("shapes", "answers") for path in (FIXTURES / folder).iterdir()}
"""What is in `shapes` goes through ingest (unit/ingest/test_sample_shapes.py), in `answers` through our clients."""


def _fields(data: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Each field's path and kind of value; names of custom fields are people's own."""
    kind = "number" if isinstance(data, int | float) and not isinstance(data, bool) else type(data).__name__
    yield path, kind
    for name, value in data.items() if isinstance(data, dict) else ():
        yield from _fields(value, f"{path}.{'cf' if name.startswith('cf_') else name}")
    for value in data if isinstance(data, list) else ():
        yield from _fields(value, f"{path}[]")


def _read(path: Path) -> Any:
    if path.suffix == ".json":
        return json.loads(path.read_text("utf-8"))
    fields = signature.form_fields(path.read_bytes())
    return json.loads(fields["JSONString"]) if "JSONString" in fields else fields


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the vendor contracts do not lie beside this repository")
def test_each_sample_has_its_fixture() -> None:
    """Whatever shape was seen, ours is the same below the same keys."""
    # Examples of signatures are not a shape: their strings and digests are checked by test_signature.py.
    samples = [path for path in sorted(SAMPLES.iterdir()) if path.name != "signature_examples.json"]
    assert {path.name for path in samples} == OURS.keys()
    for path in samples:
        assert set(_fields(_read(OURS[path.name]))) == set(_fields(_read(path))), path.name
