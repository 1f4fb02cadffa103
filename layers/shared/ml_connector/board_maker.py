"""Making what a board lacks. It stops at any step and goes on there: what exists is left as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from ml_connector.boards import SUBITEMS, Board, Column, Plan
from ml_connector.errors import ConfigError, Undeliverable

TURNS, LAG = 5, 2.0
"""How often a board is looked at while it is made (for its columns, its subitems', all of it), and seconds between."""


class Boards(Protocol):
    """monday's boards. Raises RetryLater, NeedsAttention or Undeliverable."""

    def board(self, board_id: str) -> Board | None: ...

    def named(self, name: str) -> list[str]:
        """Ids of the active boards with exactly this name."""
        ...

    def create(self, name: str, workspace: str, key: str) -> str:
        """The id of a new board. The same `key` within 25 minutes makes it once (6)."""
        ...

    def add_column(self, board_id: str, column: Column) -> None: ...

    def add_group(self, board_id: str, title: str, key: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is missing. `of`: the board or, for a line's column, `subitems`."""

    what: str
    title: str
    column: Column | None = None
    of: str = "board"


def missing(wanted: Plan, board: Board, lines: Board | None) -> list[Step]:
    """What the board lacks, in the order in which it is made. `lines`: the board of its subitems, if it has one.

    Raises ConfigError for what is there and of another kind: nothing of a board is changed.
    """
    steps = list(_lacking(wanted.columns, board, "board"))
    if wanted.line_columns:
        if board.subitems is None:
            steps.append(Step("column", "Subitems", Column("", "Subitems", SUBITEMS)))
        steps += _lacking(wanted.line_columns, lines or Board("", "", (), {}), "subitems")
    have = set(board.groups.values())
    return steps + [Step("group", title) for title in wanted.groups if title not in have]


def _lacking(columns: Iterable[Column], board: Board, of: str) -> Iterator[Step]:
    for column in columns:
        there = board.column(column.id)
        if there and there.type != column.type:
            raise ConfigError(
                f"{board.name}: column {column.id} is there as {there.type}, not as {column.type}; "
                "rename nothing, map another column instead: mlc monday board map"
            )
        if there is None:
            yield Step("column", column.title, column, of)


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes what is missing. `pause` waits for that many seconds; `made` hears of each step."""

    boards: Boards
    pause: Callable[[float], None]
    made: Callable[[Step], None] = lambda step: None

    def complete(self, board_id: str, wanted: Plan, key: str) -> Board:
        """The board with all of it. `key` is this board's, for groups: their ids are monday's. Raises ConfigError."""
        for turn in range(TURNS):
            if turn > 1:
                self.pause(LAG)
            board = self._board(board_id)
            lines = self._lines(board)
            steps = missing(wanted, board, lines)
            if not steps:
                return board
            # What is made shows what can be made next: subitems have a board only when their column is there.
            ready = [step for step in steps if step.of == "board" or lines is not None]
            if not ready:
                raise ConfigError(
                    f"{board.name} has a subitems column, but monday does not say on which board its subitems are; "
                    "add one subitem by hand, then run this again"
                )
            for step in ready:
                self._make(step, board, lines, key)
        unseen = ", ".join(step.title for step in steps)
        raise ConfigError(f"monday does not show yet what was made: {unseen}. Run this again in a minute")

    def _make(self, step: Step, board: Board, lines: Board | None, key: str) -> None:
        place = lines if step.of == "subitems" else board
        assert place is not None  # noqa: S101 - for the type checker
        try:
            if step.column:
                self.boards.add_column(place.id, step.column)
            else:
                self.boards.add_group(place.id, step.title, f"{key}:group:{step.title}")
        except Undeliverable as error:
            # "already exists" has no code that is documented: only the board says whether it is there (3.1).
            if not self._has(step, self.boards.board(place.id)):
                raise ConfigError(
                    f"{step.what} {step.title!r} could not be made: {error.reason}. What was made stays: run this "
                    "again when it is put right"
                ) from error
        self.made(step)

    def _has(self, step: Step, board: Board | None) -> bool:
        if board is None or step.column is None:
            return bool(board and step.title in board.groups.values())
        return bool(board.column(step.column.id) or (step.column.type == SUBITEMS and board.subitems))

    def _board(self, board_id: str) -> Board:
        board = self.boards.board(board_id)
        if board is None or board.state != "active":
            raise ConfigError(f"the token's user does not see an active board {board_id}")
        return board

    def _lines(self, board: Board) -> Board | None:
        column = board.subitems
        return self.boards.board(column.board) if column and column.board else None
