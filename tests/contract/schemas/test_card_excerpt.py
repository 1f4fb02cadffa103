"""Our excerpt of the Adaptive Card schema allows nothing that the real one does not know."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft6Validator

from sandbox.vendors import cards

REAL = cards.contracts() / "schemas" / "adaptive-card-1.5.0.json"
EXCERPT = json.loads(cards.EXCERPT.read_text(encoding="utf-8"))["definitions"]
OBJECTS = [name for name, one in EXCERPT.items() if "properties" in one]
ENUMS = [name for name, one in EXCERPT.items() if "enum" in one]


@pytest.fixture(scope="module")
def real() -> dict[str, Any]:
    """The real schema's definitions, where they lie."""
    if not REAL.is_file():
        pytest.skip("the vendor contracts do not lie beside this repository")
    definitions: dict[str, Any] = json.loads(REAL.read_text(encoding="utf-8"))["definitions"]
    return definitions


@pytest.mark.parametrize("name", OBJECTS)
def test_every_element_and_property_exists_and_is_required_alike(real: dict[str, Any], name: str) -> None:
    """An element of the excerpt is an element of the schema, with the same required properties."""
    own, other = EXCERPT[name], real[name]
    assert set(own["properties"]) <= set(other["properties"])
    assert set(own.get("required", ())) == set(other.get("required", ()))
    assert own["additionalProperties"] is False


@pytest.mark.parametrize("name", ENUMS)
def test_every_word_of_an_enumeration_is_known(real: dict[str, Any], name: str) -> None:
    """The schema offers each word in its spelling."""
    words = [word for one in real[name]["anyOf"] for word in one.get("enum", ())]
    assert set(EXCERPT[name]["enum"]) <= set(words)


def test_the_fast_check_agrees_with_a_plain_validator(real: dict[str, Any]) -> None:
    """Deciding by `type` instead of trying every element gives the same verdicts."""
    plain = Draft6Validator(json.loads(REAL.read_text(encoding="utf-8")))
    base = {"type": "AdaptiveCard", "version": "1.5", "fallbackText": "x"}
    for element, good in (
        ({"type": "TextBlock", "text": "x"}, True),
        ({"type": "TextBlock"}, False),
        ({"type": "TextBlock", "text": "x", "size": "huge"}, False),
        ({"type": "FactSet", "facts": [{"title": "a", "value": "b"}]}, True),
        ({"type": "Container", "items": [{"type": "Column"}]}, False),
        ({"type": "ColumnSet", "columns": [{"type": "Column", "items": [{"type": "TextBlock", "text": "x"}]}]}, True),
        ({"type": "Badge", "text": "x"}, False),
        ({"text": "x"}, False),
        ("text", False),
    ):
        card = {**base, "body": [element]}
        assert plain.is_valid(card) is good, element
        assert (cards.problems(card, REAL) == []) is good, element
