"""Which Adaptive Cards Teams takes: schema 1.5 plus the rules the schema does not know.

contracts: microsoft-teams 5.1 (version, fallbackText), 5.3 (Teams specifics), 5.4 (how to validate).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, cast

from jsonschema import Draft6Validator
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend

VERSIONS = ("1.0", "1.1", "1.2", "1.3", "1.4", "1.5")
PREFERRED_BYTES = 28 * 1024  # what every transport carries
SCHEMA = Path(__file__).with_name("published") / "adaptive-card-1.5.0.json"
_REPOSITORY = Path(__file__).resolve().parents[2]


def contracts() -> Path:
    """Where the vendor contracts lie: $CONTRACTS_DIR, else beside the repository."""
    return Path(os.environ.get("CONTRACTS_DIR") or _REPOSITORY.parent / "shared" / "contracts")


def _any_of(validator: Any, any_of: list[Any], instance: Any, schema: Any) -> Iterator[ValidationError]:
    """anyOf over card types, decided by `type`: the same verdict, 20 times faster, and readable."""
    names = [one["allOf"][0]["$ref"] for one in any_of if set(one) == {"required", "allOf"}]
    if len(names) < len(any_of):
        yield from cast(Any, Draft6Validator.VALIDATORS["anyOf"])(validator, any_of, instance, schema)
        return
    kind = instance.get("type") if isinstance(instance, dict) else None
    ref = f"#/definitions/{kind}"
    if ref in names:
        yield from validator.descend(instance, {"$ref": ref})
    else:
        yield ValidationError(f"{kind!r} is not an element that may stand here")


_CardValidator: Callable[[Any], Validator] = cast(Any, extend)(Draft6Validator, {"anyOf": _any_of})


@cache
def validator() -> Validator:
    return _CardValidator(json.loads(SCHEMA.read_text(encoding="utf-8")))


def problems(card: Any) -> list[str]:
    """Why Teams would not show this card as meant; empty when it would."""
    if not isinstance(card, dict):
        return ["content must be a JSON object"]
    found = []
    if card.get("type") != "AdaptiveCard":
        found.append("type must be AdaptiveCard")
    if card.get("version") not in VERSIONS:
        found.append("version must be a string of at most 1.5")
    if not isinstance(card.get("fallbackText"), str) or not card["fallbackText"].strip():
        found.append("fallbackText must be present")
    teams = card.get("msteams", {})
    if not isinstance(teams, dict) or set(teams) - {"width", "entities"}:
        found.append("msteams takes width and entities only")
    found += _not_in_teams(card)
    bare = _plain({key: value for key, value in card.items() if key != "msteams"})
    for error in validator().iter_errors(bare):
        found.append(f"{error.json_path}: {error.message[:200]}")
        break
    return found


# Elements only Teams knows: they may stand in a card when they bring a fallback that the schema knows.
_TEAMS_ONLY = {"Badge", "ProgressBar", "CodeBlock", "CompoundButton", "Icon"}


def _plain(node: Any) -> Any:
    if isinstance(node, list):
        return [_plain(one) for one in node]
    if not isinstance(node, dict):
        return node
    if node.get("type") in _TEAMS_ONLY and isinstance(node.get("fallback"), dict):
        return _plain(node["fallback"])
    return {key: _plain(value) for key, value in node.items()}


def _not_in_teams(node: Any) -> list[str]:
    found = []
    if isinstance(node, dict):
        if node.get("type") == "Media":
            found.append("Media is not supported")
        if str(node.get("type", "")).startswith("Action.") and node.get("style") in ("positive", "destructive"):
            found.append("action styles are not supported")
    if isinstance(node, str) and ("{{DATE(" in node or "{{TIME(" in node):
        found.append("{{DATE()}} and {{TIME()}} are not supported")
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for child in children:
        found += _not_in_teams(child)
    return found


def size(card: Any) -> int:
    """Bytes of the card as compact JSON."""
    return len(json.dumps(card, ensure_ascii=False, separators=(",", ":")).encode())
