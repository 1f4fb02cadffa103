"""docs/configuration.md: every key of a connection file, from the model. `make docs` writes it, a test compares."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, NamedTuple

from ml_connector.config.load import PATTERNS
from ml_connector.config.schema import schema

Node = Mapping[str, Any]


class Section(NamedTuple):
    """Where a model stands in the file, and the page that says more."""

    title: str
    where: str
    page: str


SECTIONS = {
    "ConnectionFile": Section("The file", "At the top, before any `[table]`", "quick-start-aws.md"),
    "Zoho": Section("Zoho Books", "`[zoho]`", "zoho.md#settings"),
    "Microsoft": Section("Microsoft", "`[microsoft]`", "teams.md#which-way"),
    "Teams": Section("A Teams destination", '`[destinations.NAME]` with `type = "teams"`', "teams.md#which-way"),
    "Author": Section("The author of imported messages", "`author = { … }` there", "teams.md#the-other-two-ways"),
    "Card": Section("Cards", "`[destinations.NAME.card]`", "cards.md"),
    "Digest": Section("Digests", "`[destinations.NAME.digest]`", "teams.md#bursts-quiet-hours-digests"),
    "Quiet": Section("Quiet hours", "`quiet = { … }` there", "teams.md#bursts-quiet-hours-digests"),
    "Monday": Section("A monday destination", '`[destinations.NAME]` with `type = "monday"`', "monday.md"),
    "Column": Section(
        "Columns",
        "`[destinations.NAME.columns]`, `.also` and `.line_columns`: `COLUMN = { … }` each",
        "monday.md#columns",
    ),
    "ZohoComment": Section(
        "Notes in Zoho", '`[destinations.NAME]` with `type = "zoho_comment"`', "zoho.md#notes-on-zohos-records"
    ),
    "Route": Section("Routes", "`[[routes]]`, as many as you like", "routes.md"),
    "Conditions": Section("Conditions", "`when = { … }` of a route", "routes.md"),
    "Retry": Section("Retries", "`[retry]`", "architecture.md#guarantees-and-where-they-end"),
}
"""In the order of the page; a model that is missing here is a KeyError."""
TABLE = ("| key | takes | default | says | example |", "| --- | --- | --- | --- | --- |")
HEAD = """# Configuration

Every key of a connection file, `connections/NAME.toml`. This page is made from the model that checks the file, so it
says what is accepted today (`make docs`). [example.toml](../connections/example.toml) is a file to copy from; an editor
that knows TOML schemas completes and checks while you type, by [schema.json](../connections/schema.json).

`mlc connections validate FILE` checks a file whole and names line, key and way out; `mlc connections apply FILE` puts
it into force within a minute. Other keys are refused. No secret ever stands in the file: `mlc credentials set`.

A key in **bold** must be there. Where `default` is empty, a key that is left out means none, or what is said beside it.
"""


def reference() -> str:
    """The page as Markdown."""
    whole = schema()
    models = {"ConnectionFile": whole, **whole["$defs"]}
    parts = [HEAD]
    for name in sorted(models, key=list(SECTIONS).index):
        section, model = SECTIONS[name], models[name]
        more = f"More: [{section.page.partition('#')[0]}]({section.page})."
        rows = "\n".join([*TABLE, *_rows(model)])
        parts.append(f"## {section.title}\n\n{section.where} · {model['description']} {more}\n\n{rows}\n")
    return "\n".join(parts)


def _rows(model: Node) -> Iterator[str]:
    required = model.get("required", [])
    for key, node in model["properties"].items():
        name = f"**`{key}`**" if key in required else f"`{key}`"
        default = node.get("default")
        # Of a table: its own keys say what holds without it.
        shown = "" if default in (None, "", [], {}) or tables(node) else _code(default)
        cells = (name, _takes(node), shown, _plain(node["description"]), _example(key, node))
        yield f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    """Nothing of it is markup, but what stands in `backticks`."""
    parts = text.split("`")
    parts[::2] = (re.sub(r"([<*_])", r"\\\1", part) for part in parts[::2])
    return "`".join(parts)


# --- what it takes ---------------------------------------------------------------------------------------------------


def _takes(node: Node) -> str:
    """`whole number, 1 to 80`; what a pattern asks for in the words of its error message."""
    if named := tables(node):
        links = " or ".join(f"[{SECTIONS[name].title}](#{anchor(SECTIONS[name].title)})" for name in named)
        return f"{'tables' if _many(node) else 'table'}: {links}"
    node = _without_null(node)
    if "enum" in node or "const" in node:
        return " · ".join(_code(each) for each in node.get("enum", [node.get("const")]))
    match node.get("type"):
        case "boolean":
            return "`true` · `false`"
        case "integer":
            return f"whole number{_range(node)}"
        case "number":
            return f"number{_range(node)}"
        case "array":
            most = f", at most {node['maxItems']}" if "maxItems" in node else ""
            return f"list{most}, each: {_takes(node['items'])}"
        case "object":
            inner = [*node.get("patternProperties", {}).values(), node.get("additionalProperties")]
            return f"table, values: {_takes(inner[0])}"
    if "anyOf" in node:
        if {"type": "number"} in node["anyOf"]:
            return "number"  # a decimal; as text it is taken, too, which people need not know
        return " or ".join(map(_takes, node["anyOf"]))
    if node.get("format") == "date":
        return "a day such as 2027-11-22, without quotes"
    if "pattern" in node:
        return _plain(PATTERNS[node["pattern"]].removeprefix("must be "))
    return f"text{_length(node)}"


def _range(node: Node) -> str:
    low, above, high = node.get("minimum"), node.get("exclusiveMinimum"), node.get("maximum")
    if low is not None:
        return f", {low:g} to {high:g}" if high is not None else f", {low:g} or more"
    return "".join(
        [f", above {above:g}" if above is not None else "", f", at most {high:g}" if high is not None else ""]
    )


def _length(node: Node) -> str:
    return f", at most {node['maxLength']} characters" if "maxLength" in node else ""


def _without_null(node: Node) -> Node:
    kinds = [each for each in node.get("anyOf", []) if each.get("type") != "null"]
    return kinds[0] if len(kinds) == 1 else {**node, "anyOf": kinds} if kinds else node


def tables(node: Node) -> list[str]:
    """The models that a value, or each of several, is of."""
    node = _without_null(node)
    inner = next(iter(node.get("patternProperties", {}).values()), node.get("items", node))
    return [each["$ref"].rpartition("/")[2] for each in inner.get("oneOf", [inner]) if "$ref" in each]


def _many(node: Node) -> bool:
    return _without_null(node).get("type") in ("array", "object")


# --- examples --------------------------------------------------------------------------------------------------------


def _example(key: str, node: Node) -> str:
    if tables(node) and "examples" not in node:
        return ""
    return f"`{toml_key(key)} = {toml(example(node))}`"


def example(node: Node) -> Any:
    """A value that the key takes: the model's, or another choice than the default."""
    kind = _without_null(node)
    if "examples" in node:
        written = node["examples"][0]
        return date.fromisoformat(written) if kind.get("format") == "date" else written
    node = {**node, **kind}
    if node.get("type") == "boolean":
        return not node.get("default", False)
    choices = node.get("enum", [node.get("const")])
    return next(each for each in choices if each != node.get("default"))


def toml(value: Any) -> str:
    """As it is written in a file, on one line."""
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{toml_key(key)} = {toml(each)}' for key, each in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    return str(value) if isinstance(value, date) else json.dumps(value, ensure_ascii=False)


def toml_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key)


def _code(value: Any) -> str:
    return f"`{toml(int(value) if isinstance(value, float) and value.is_integer() else value)}`"


def anchor(title: str) -> str:
    """As GitHub makes it from a heading of letters and spaces."""
    return title.lower().replace(" ", "-")


if __name__ == "__main__":
    sys.stdout.write(reference())
