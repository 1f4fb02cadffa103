"""Line items as subitems: what is to be made, changed and archived (contracts: monday 3.1, 6.4).

Subitems are read by their parent, not searched: what is read is what there is. Each carries its Zoho line's id, so
that it is made once and found again; one without such an id was made by a person, and is left alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import NAMESPACE_URL, uuid5

from ml_connector.board_items import cut
from ml_connector.destinations.monday.columns import NAME_LENGTH, Columns
from ml_connector.records import Record, as_mapping
from ml_connector.vendors import monday

COVERED = frozenset({"id", "position", "name", "quantity", "rate", "total"})
"""What of a line's facts is in `Memory.shown` (changes.py): without a change there, no subitem is looked at."""
AT_ONCE = 20
"""Mutations in one request: monday states no number, and makes 10 to 20 items in real time (3.1, 3.3)."""
MOST = 500
"""Subitems of an item: monday states no number (3.1). Of a longer document the last one stands for the rest."""


class Wanted(NamedTuple):
    """A line as its subitem is to show it: Zoho's id of it, the name, and values by column id."""

    id: str
    name: str
    values: dict[str, Any]


class Call(NamedTuple):
    """One request with so many `parts`; `key` for those that make something."""

    body: dict[str, Any]
    parts: int
    key: str = ""


@dataclass(frozen=True, slots=True)
class Steps:
    """What brings a parent's subitems to what is wanted; `changes` as (kind, subitem, value) of monday.change_lines."""

    board: str
    missing: tuple[Wanted, ...]
    changes: tuple[tuple[str, str, str], ...]


def wanted(record: Record, columns: Columns) -> list[Wanted]:
    """The record's lines in their order, each with an id of its own. Raises Undeliverable for a wrong mapping."""
    rows = record.raw.get("line_items")
    raw = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    told = list(zip(as_mapping(record)["lines"], raw, strict=True))
    if len(told) > MOST:
        told, rest = told[: MOST - 1], record.lines[MOST - 1 :]
        total = sum((line.total for line in rest if line.total is not None), Decimal())
        told.append(({"id": "rest", "name": f"… {len(rest):,} more lines", "total": format(total, "f")}, {}))
    found: dict[str, Wanted] = {}
    for position, (line, zoho) in enumerate(told, 1):
        identity = line["id"] or f"line-{position}"
        if identity in found:
            identity = f"{identity}-{position}"
        source = {**line, "id": identity, "position": position, "currency": record.currency, "zoho": zoho}
        name = cut(line["name"], NAME_LENGTH) or f"Line {position}"
        found[identity] = Wanted(identity, name, columns.values(source, name, record.currency))
    return list(found.values())


def compare(lines: Sequence[Wanted], there: Sequence[Mapping[str, Any]], id_column: str, columns: Columns) -> Steps:
    """What differs between the lines and the subitems `there` (monday.LINES). Of twins the first made stays.

    Only what surely shows its value already is left out of the changes.
    """
    ids = {line.id for line in lines}
    known: dict[str, Mapping[str, Any]] = {}
    changes: list[tuple[str, str, str]] = []
    board = ""
    for each in sorted(there, key=lambda item: int(item["id"])):
        cells = {cell["id"]: cell.get("text") for cell in each.get("column_values") or ()}
        if each.get("state", "active") != "active" or not (identity := cells.get(id_column)):
            continue
        board = str((each.get("board") or {}).get("id") or board)
        if identity in known or identity not in ids:
            changes.append(("archive", str(each["id"]), ""))
        else:
            known[identity] = {**each, "cells": cells}
    missing = []
    for line in lines:
        if (item := known.get(line.id)) is None:
            missing.append(line)
            continue
        values = {
            name: value for name, value in line.values.items() if not columns.same(name, item["cells"].get(name), value)
        }
        if values:
            changes.append(("values", str(item["id"]), dumped(values)))
        if item.get("name") != line.name:
            changes.append(("name", str(item["id"]), line.name))
    return Steps(board, tuple(missing), tuple(changes))


def calls(steps: Steps, parent: str, id_column: str, of: str, *, labels: bool) -> Iterator[Call]:
    """The requests, those that make something first. A key is of the parent and the lines that it makes (6.4), and
    `of` this version: a line may come back that was archived since it was made under the key of another.
    """
    for at in range(0, len(steps.missing), AT_ONCE):
        batch = steps.missing[at : at + AT_ONCE]
        variables: dict[str, Any] = {"parent": parent, "labels": labels}
        for number, line in enumerate(batch):
            variables[f"n{number}"] = line.name
            variables[f"c{number}"] = dumped({**line.values, id_column: line.id})
        name = f"ml-connector:{parent}:{of}:lines:{','.join(sorted(line.id for line in batch))}"
        yield Call(
            {"query": monday.create_lines(len(batch)), "variables": variables},
            len(batch),
            str(uuid5(NAMESPACE_URL, name)),
        )
    for at in range(0, len(steps.changes), AT_ONCE):
        changed = steps.changes[at : at + AT_ONCE]
        kinds = [kind for kind, _, _ in changed]
        variables = {"board": steps.board, "labels": labels}
        for number, (_, item, value) in enumerate(changed):
            variables |= {f"i{number}": item, f"v{number}": value}
        query = monday.change_lines(kinds)
        declared = {name: value for name, value in variables.items() if f"${name}:" in query}
        yield Call({"query": query, "variables": declared}, len(changed))


def dumped(values: Mapping[str, Any]) -> str:
    """Declared JSON, but it must be a string that contains JSON (0, fact 4)."""
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"))
