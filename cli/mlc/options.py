"""Options and arguments that all command groups have in common."""

from __future__ import annotations

from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import typer

from ml_connector.modules import EVENTS
from mlc.output import Exit, fail

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
StackName = Annotated[str, typer.Option("--stack", envvar="MLC_STACK", help="Name of the CloudFormation stack.")]
Profile = Annotated[str | None, typer.Option("--profile", envvar="AWS_PROFILE", help="AWS profile.")]
Region = Annotated[str | None, typer.Option("--region", envvar="AWS_REGION", help="AWS region.")]
Name = Annotated[str, typer.Argument(help="Name of the connection.")]
File = Annotated[
    Path, typer.Argument(help="A connection file, such as connections/example.toml.", exists=True, dir_okay=False)
]
DEFAULT_STACK = "ml-connector"


def day(text: str) -> datetime:
    """Midnight of a day, without a zone: whose day it is, the command knows."""
    try:
        return datetime.strptime(text, "%Y-%m-%d")  # noqa: DTZ007
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no date; write it as in 2026-11-22") from None


def date_option(name: str, text: str) -> Any:
    """An option that takes a day."""
    return typer.Option(name, metavar="DATE", parser=day, help=text)


def event_named(name: str) -> str:
    """The name, if routes can name it; else the command ends with a hint."""
    if name not in EVENTS:
        near = get_close_matches(name, EVENTS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"events are {', '.join(EVENTS)}"
        fail(f"{name!r} is no event; {hint}", Exit.USAGE)
    return name
