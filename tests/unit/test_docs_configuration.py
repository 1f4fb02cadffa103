"""docs/configuration.md is made from the model, and what it shows can be copied."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from ml_connector.config import model, reference
from ml_connector.config.schema import schema

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"
MODELS = {name: getattr(model, name) for name in reference.SECTIONS}


def keys() -> Iterator[tuple[str, str, Any]]:
    """Model, key and the key's node in the schema."""
    whole = schema()
    for name, each in {"ConnectionFile": whole, **whole["$defs"]}.items():
        for key, node in each["properties"].items():
            if "examples" in node or not reference.tables(node):
                yield name, key, node


def adapter(name: str, key: str) -> TypeAdapter[Any]:
    of: type[BaseModel] = MODELS[name]
    field = next(each for field, each in of.model_fields.items() if key in (field, each.alias))
    return TypeAdapter(Annotated[field.annotation, "alone", *field.metadata])


def test_the_page_is_made_from_the_model() -> None:
    """Nobody edits it. Renew with: make docs"""
    assert PAGE.read_text("utf-8") == reference.reference()


@pytest.mark.parametrize(("name", "key", "node"), list(keys()), ids=lambda part: part if isinstance(part, str) else "")
def test_example_is_taken(name: str, key: str, node: Any) -> None:
    """Written as the page writes it, read as a file is read, accepted by the key; and it says more than the default."""
    written = f"{reference.toml_key(key)} = {reference.toml(reference.example(node))}"
    value = tomllib.loads(written)[key]
    assert adapter(name, key).validate_python(value) is not None
    assert "const" in node or value != node.get("default")


def test_examples_are_really_checked() -> None:
    """The test above would see a wrong one."""
    with pytest.raises(ValidationError):
        adapter("Zoho", "reserve").validate_python(81)


def test_every_key_says_what_it_means() -> None:
    """Editors show it, too."""
    whole = schema()
    dumb = [
        f"{name}.{key}"
        for name, each in {"ConnectionFile": whole, **whole["$defs"]}.items()
        for key, node in each["properties"].items()
        if not node.get("description")
    ]
    assert dumb == []
