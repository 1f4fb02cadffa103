"""Our fast check of a card gives the verdicts of the schema."""

from __future__ import annotations

import json

from jsonschema import Draft6Validator

from sandbox.vendors import cards


def test_the_fast_check_agrees_with_a_plain_validator() -> None:
    """Deciding by `type` instead of trying every element gives the same verdicts."""
    plain = Draft6Validator(json.loads(cards.SCHEMA.read_text(encoding="utf-8")))
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
        assert (cards.problems(card) == []) is good, element
