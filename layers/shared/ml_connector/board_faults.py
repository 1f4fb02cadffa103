"""What is wrong with a board, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from ml_connector.board_items import label_of
from ml_connector.boards import Board, Column, plan, told

NEARLY_FULL = 0.95
"""Of the items that a board may hold."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a board, why it matters, and how it is put right.

    `how`: `create` if `mlc monday board create` does, `map` if the file must say something else, `invite` if the user
    must be let onto the board, `restore` if that is archived or deleted.
    """

    what: str
    why: str
    how: str = "map"


_PARKED = "every item is refused and parked"


def faults_of(settings: Mapping[str, Any], board: Board, lines: Board | None, modules: Iterable[str]) -> list[Fault]:
    """What of the mapping does not fit the live board."""
    found: list[Fault] = []
    if board.state != "active":
        return [Fault(f"board {board.name} is {board.state}", _PARKED, how="restore")]
    if not board.may_write:
        found.append(Fault(f"the token's user may only view board {board.name}", _PARKED, how="invite"))
    if board.multi_level:
        found.append(
            Fault(
                f"board {board.name} is a multi-level board",
                "what is written to a column that sums up its subitems is accepted and lost",
            )
        )
    if board.items_limit and board.items >= NEARLY_FULL * board.items_limit:
        found.append(
            Fault(
                f"board {board.name} holds {board.items:,} of {board.items_limit:,} items",
                "from then on new items are refused: archive old ones, or name another board",
            )
        )
    wanted = plan(settings, modules)
    found += _column_faults(wanted.columns, settings, settings["columns"], board, modules)
    if group := settings.get("group"):
        found += _group_faults([group], board)
    found += _group_faults(_named_groups(settings.get("groups", {})), board)
    if wanted.line_columns and not (board.subitems and lines):
        why = "line items are refused; the items themselves are there"
        found.append(Fault(f"board {board.name} has no subitems column", why, how="create"))
    elif wanted.line_columns and lines:
        found += _column_faults(wanted.line_columns, settings, settings.get("line_columns", {}), lines, modules)
    return found


def _named_groups(groups: Any) -> list[str]:
    return [each for each in groups.values() if isinstance(each, str)] if isinstance(groups, Mapping) else []


def _group_faults(groups: Iterable[str], board: Board) -> Iterator[Fault]:
    for group in dict.fromkeys(groups):
        if group not in board.groups:
            known = ", ".join(f"{identity} ({title})" for identity, title in board.groups.items())
            yield Fault(f"board {board.name} has no group {group!r}; there are {known}", _PARKED)


def _column_faults(
    wanted: Iterable[Column],
    settings: Mapping[str, Any],
    mapping: Mapping[str, Any],
    board: Board,
    modules: Iterable[str],
) -> Iterator[Fault]:
    known = {each.id: each for each in board.columns}
    for column in wanted:
        there = known.get(column.id)
        if there is None:
            near = get_close_matches(column.id, known, n=1) or [
                each.id for each in board.columns if each.title.casefold() == column.title.casefold()
            ]
            hint = f"; did you mean {near[0]!r}?" if near else ""
            yield Fault(f"board {board.name} has no column {column.id!r}{hint}", _PARKED, how="create")
        elif there.type != column.type:
            yield Fault(
                f"column {column.id} ({there.title}) of board {board.name} is of type {there.type}, the file says "
                f"{column.type}",
                _PARKED,
            )
        elif not settings.get("create_labels"):
            yield from _label_faults(column, there, board, mapping.get(column.id, {}), modules)


def _label_faults(
    column: Column, there: Column, board: Board, mapped: Mapping[str, Any], modules: Iterable[str]
) -> Iterator[Fault]:
    """Labels that are named in the file, or that a route or a state of these modules will ask for."""
    labels = mapped.get("labels", {})
    asked = [label_of(word, labels) for word in labels]
    if mapped.get("from") == "status" and column.type in ("status", "dropdown"):
        asked += [label_of(word, labels) for word in told(modules)]
    have = {label.text for label in there.labels} | {int(label.id) for label in there.labels if label.id.isdigit()}
    if lacking := [text for text in dict.fromkeys(asked) if text not in have]:
        yield Fault(
            f"column {column.id} ({there.title}) of board {board.name} has no label {', '.join(map(repr, lacking))}",
            "records that come into such a status are parked: add the labels, map the words under labels, or say "
            "create_labels = true",
        )
