"""How `mlc` speaks: tables for people, JSON for programs, one clear line for an error. No secret passes here."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from difflib import SequenceMatcher, get_close_matches
from enum import IntEnum
from functools import wraps
from traceback import extract_tb
from typing import Any, NoReturn, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text
from typer.core import TyperGroup

from ml_connector.errors import ConfigError, ConnectorError

P = ParamSpec("P")
R = TypeVar("R")


def _width() -> int | None:
    """Of the terminal; where there is none, wide enough that nothing is ever folded or cut."""
    return None if sys.stdout.isatty() or "COLUMNS" in os.environ else 10_000


console = Console(width=_width(), highlight=False)
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
        answered()
        typer.echo(json_text(data, indent=2))
    else:
        people()


_ANSWERED = ContextVar("answered", default=False)


def answered() -> None:
    """From here on stdout belongs to the command's answer: a refusal after it stands on stderr only."""
    _ANSWERED.set(True)


def json_text(data: Any, **layout: Any) -> str:
    """JSON in which no sign of a name steers the terminal, or ends a line for those who cut by lines."""
    text = json.dumps(data, ensure_ascii=False, default=str, **layout)
    return _STEERING.sub(lambda sign: f"\\u{ord(sign[0]):04x}", text)


_STEERING = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Beside those that JSON itself spells out."""


def printable(text: object) -> str:
    """Without control characters: a record's name must not steer the terminal."""
    return "".join(sign if sign.isprintable() or sign == "\n" else "�" for sign in str(text))


def near(given: str, known: Iterable[str]) -> str:
    """What may have been meant by a mistyped word: `did you mean 'zoho'?`, or which words there are."""
    every = sorted(map(str, known))
    close = get_close_matches(given, every)
    # Equally near ones all: whoever typed `acme` may have meant acme-eu or acme-us.
    found = [each for each in every if each in close and _alike(given, each) == _alike(given, close[0])]
    return f"did you mean {' or '.join(map(repr, found))}?" if found else f"there are {', '.join(every) or 'none'}"


def _alike(one: str, other: str) -> float:
    return SequenceMatcher(None, other, one).ratio()


def minutes(span: timedelta) -> str:
    """`90 seconds`, `12 minutes`, `3 hours`."""
    seconds = int(span.total_seconds())
    if seconds < 120:
        return f"{seconds} seconds"
    return f"{seconds // 60} minutes" if seconds < 7200 else f"{seconds // 3600} hours"


def named(text: str, connection: str) -> str:
    """A reason in whose commands to type the connection has its name: who wrote it did not know which one it is."""
    return _NAMELESS.sub(lambda found: f"{found[1]}{connection}", text) if connection else text


_NAMELESS = re.compile(r"(`mlc [^`]*?)\bCONNECTION\b")


def literal(text: object) -> str:
    """Somebody else's text, to stand in one of our lines with markup: shown as it is."""
    return escape(printable(text))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
    """Cells are shown as they are, folded rather than cut; a cell that has a style of its own comes as a Text."""
    grid = Table(title=title or None, title_justify="left", box=None, header_style="bold", pad_edge=False)
    for name in columns:
        grid.add_column(name, overflow="fold")
    for row in rows:
        grid.add_row(*map(shown, row))
    console.print(grid)


def shown(text: object, style: str = "") -> Text:
    """Anything as it is, brackets too, without what would steer the terminal; a Text keeps its own styles."""
    if not isinstance(text, Text):
        return Text(printable(text), style)
    safe = text.copy()
    safe.plain = printable(text.plain)
    return safe


def cell(text: str) -> str:
    """For CSV: somebody else's text must not be a formula where the file is opened; an amount may begin with a minus.

    It gets an apostrophe in front, by which a spreadsheet knows a text.
    """
    number = text[1:].replace(".", "", 1).isdigit()
    begins = text[:1] in ("=", "+", "@", "\t", "\r", "\n", "＝", "＋", "＠") or (text[:1] == "-" and not number)
    return f"'{text}" if begins else text


@contextmanager
def watch(quiet: bool, what: str) -> Iterator[Callable[[str, int | None, int | None], None]]:
    """A line that tells how far we are, on a terminal; nothing for programs."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=problems, transient=True, disable=quiet or not problems.is_terminal) as progress:
        task = progress.add_task(what, total=None)

        def show(text: str, done: int | None, total: int | None) -> None:
            progress.update(task, description=literal(text), completed=done or 0, total=total)

        yield show


def line(text: str | Text, style: str = "") -> None:
    """One line, whole: the terminal may fold it, nobody cuts it."""
    console.print(shown(text, style), soft_wrap=True)


def width_of(rows: Iterable[Sequence[object]]) -> int:
    """Of rows as `lines` aligns them."""
    return sum(width + len(_GAP) for width in _widths(rows))


def lines(entries: Iterable[tuple[str, Sequence[object], Sequence[str]]]) -> None:
    """Entries of heading, aligned cells and remarks. A heading stands once, remarks dim and each on its own line."""
    every = [(heading, [_cell(cell) for cell in cells], remarks) for heading, cells, remarks in entries]
    widths = _widths(cells for _, cells, _ in every)
    said = ""
    for heading, cells, remarks in every:
        if heading != said:
            line(heading, "bold")
            said = heading
        for cell, width in zip(cells[:-1], widths, strict=False):
            cell.pad_right(width - cell.cell_len)
        joined = Text(_GAP).join(cells)
        joined.rstrip()
        line(joined)
        for remark in filter(None, remarks):
            line(" " * (widths[0] + len(_GAP)) + _flat(remark), "dim")


_GAP = "  "


def _widths(rows: Iterable[Sequence[object]]) -> list[int]:
    return [max(_cell(cell).cell_len for cell in column) for column in zip(*rows, strict=True)]


def _cell(cell: object) -> Text:
    return shown(cell if isinstance(cell, Text) else _flat(cell))


def _flat(text: object) -> str:
    return printable(text).replace("\n", " ")


def blocks(rows: Iterable[Mapping[str, str]]) -> None:
    """Things to copy: the first value as heading, each other one whole on a line of its own."""
    for row in rows:
        (_, heading), *others = row.items()
        line(heading, "bold")
        for name, value in others:
            line(f"  {name:<8}{value}")


class Refused(typer.Exit):
    """The command ends with a sentence, which stands on stderr already."""

    def __init__(self, message: str, code: Exit) -> None:
        super().__init__(code)
        self.message = message


def fail(message: str, code: Exit = Exit.FAILED) -> NoReturn:
    problems.print(printable(message), style="red", markup=False, highlight=False, soft_wrap=True)
    raise Refused(message, code)


_Usage: Any = typer.BadParameter.__bases__[0]
"""What typer raises for all wrong usage; it has no public name."""


class Root(TyperGroup):
    """All commands: what one refuses is told to programs as well, and what lacks is told with the command's example."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        ctx.meta["as_json"] = "--json" in args
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        def tell(message: str, code: int) -> None:
            if ctx.meta["as_json"] and not _ANSWERED.get():
                typer.echo(json_text({"error": message, "exit": code}, indent=2))

        _ANSWERED.set(False)
        try:
            return super().invoke(ctx)
        except Refused as end:
            tell(end.message, end.exit_code)
            raise
        except _Usage as error:
            if isinstance(error, typer.BadParameter) and not error.message and error.ctx:  # an argument lacks
                error.message = error.ctx.command.epilog or ""
            tell(error.format_message(), Exit.USAGE)
            raise


def friendly(command: Callable[P, R]) -> Callable[P, R]:
    """A command ends with a sentence rather than a traceback, whose values may be secrets."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except ConfigError as error:
            fail(str(error), Exit.FOUND_PROBLEMS)
        except ConnectorError as error:
            fail(str(error))
        except Exception as error:
            fail(of_aws(error) or _ours(error))

    return run


def of_aws(error: Exception) -> str:
    """What AWS or its client says, with the way out; "" for any other error."""
    from botocore import exceptions as aws  # takes its time, and most commands end well

    match error:
        case aws.ClientError():
            return f"AWS refuses {error.operation_name}: {error.response['Error'].get('Message', error)}"
        case aws.NoRegionError():
            return "no AWS region is chosen: name it with --region or AWS_REGION"
        case aws.ProfileNotFound():
            return f"{error}: name another one with --profile or AWS_PROFILE"
        case aws.NoCredentialsError() | aws.PartialCredentialsError() | aws.CredentialRetrievalError():
            return "there are no AWS credentials here: name a profile with --profile or AWS_PROFILE, or sign in again"
        case aws.BotoCoreError():
            return f"AWS cannot be reached: {error}"
    return ""


_DENIED = ("AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation", "NotAuthorized")


def denied(error: Exception) -> str:
    """The action that IAM does not allow us, as `kms:DescribeKey`; "" for any other error."""
    from botocore.exceptions import ClientError

    if not isinstance(error, ClientError) or error.response["Error"].get("Code") not in _DENIED:
        return ""
    said = re.search(r"perform: ([\w-]+:\w+)", error.response["Error"].get("Message", ""))
    return said[1] if said else f"the right to {error.operation_name}"


def _ours(error: Exception) -> str:
    place = extract_tb(error.__traceback__)[-1]
    name = os.path.basename(place.filename)  # noqa: PTH119 - a name to print
    return f"a fault in mlc: {type(error).__name__} in {name}, line {place.lineno}; please report it"


def plain(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is empty."""
    return {name: value for name, value in entry.items() if value not in ("", None, 0, {})}
