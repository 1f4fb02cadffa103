"""How `mlc` speaks: tables for people, JSON for programs, one clear line for an error. No secret passes here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import IntEnum
from functools import wraps
from typing import Any, NoReturn, ParamSpec, TypeVar

import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ml_connector.errors import ConfigError, ConnectorError

P = ParamSpec("P")
R = TypeVar("R")

console = Console()
problems = Console(stderr=True)


class Exit(IntEnum):
    """Exit codes (design 9)."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    FOUND_PROBLEMS = 3


def say(data: Any, *, as_json: bool, people: Callable[[], None]) -> None:
    """`data` as one JSON document, or whatever `people` prints."""
    if as_json:
        typer.echo(json.dumps(data, ensure_ascii=False, indent=2, default=str))
    else:
        people()


def printable(text: object) -> str:
    """Without control characters: a record's name must not steer the terminal."""
    return "".join(sign if sign.isprintable() or sign == "\n" else "�" for sign in str(text))


def literal(text: object) -> str:
    """Somebody else's text, to stand in one of our lines with markup: shown as it is."""
    return escape(printable(text))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
    """Cells are shown as they are; a cell that has a style of its own comes as a Text."""
    grid = Table(*columns, title=title or None, title_justify="left", box=None, header_style="bold", pad_edge=False)
    for row in rows:
        grid.add_row(*(cell if isinstance(cell, Text) else Text(printable(cell)) for cell in row))
    console.print(grid)


def fail(message: str, code: Exit = Exit.FAILED) -> NoReturn:
    problems.print(printable(message), style="red", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(code)


def friendly(command: Callable[P, R]) -> Callable[P, R]:
    """Errors that we have a name for end a command with their sentence rather than a traceback."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except ConfigError as error:
            fail(str(error), Exit.FOUND_PROBLEMS)
        except ConnectorError as error:
            fail(str(error))
        except ClientError as error:
            fail(f"AWS refuses {error.operation_name}: {error.response['Error'].get('Message', error)}")
        except BotoCoreError as error:
            fail(f"AWS cannot be reached: {error}")

    return run


def plain(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is empty."""
    return {name: value for name, value in entry.items() if value not in ("", None, 0, {})}
