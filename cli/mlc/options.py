"""Options and arguments that all command groups have in common."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec, TypeVar

import typer

from ml_connector.modules import EVENTS
from mlc.output import Exit, fail, friendly, near
from mlc.stack import Stack

P = ParamSpec("P")
R = TypeVar("R")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
StackName = Annotated[str, typer.Option("--stack", envvar="MLC_STACK", help="Name of the CloudFormation stack.")]
Profile = Annotated[str | None, typer.Option("--profile", envvar="AWS_PROFILE", help="AWS profile.")]
Region = Annotated[str | None, typer.Option("--region", envvar="AWS_REGION", help="AWS region.")]
Name = Annotated[str, typer.Argument(help="Name of the connection.")]
NameOrOnly = Annotated[str, typer.Argument(help="Name of the connection; the only one may be left out.")]
File = Annotated[
    Path, typer.Argument(help="A connection file, such as connections/example.toml.", exists=True, dir_okay=False)
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DEFAULT_STACK = "ml-connector"


def on_stack(command: Callable[Concatenate[Stack, P], R]) -> Callable[..., R]:
    """A `friendly` command on a deployed stack, its first argument: that is made of --stack, --profile and --region,
    which the command thereby has.
    """
    own = inspect.signature(command, eval_str=True)
    places = {
        name: inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, default, kind in (
            ("stack", DEFAULT_STACK, StackName), ("profile", None, Profile), ("region", None, Region)
        )
    }  # fmt: skip
    _, *others = own.parameters.values()
    parameters = [*(each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in others), *places.values()]

    @friendly
    @wraps(command)
    def run(**given: Any) -> R:
        at = Stack(*(given.pop(name, place.default) for name, place in places.items()))
        return command(at, **given)  # type: ignore[call-arg]  # typer calls by the signature below

    run.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run


def sure(question: str, *, yes: bool) -> None:
    """Goes on only with somebody's word; where nobody can be asked, that is --yes."""
    if yes:
        return
    if not terminal():
        fail(f"{question} There is no terminal to ask at: say --yes", Exit.USAGE)
    typer.confirm(question, abort=True, err=True)


def terminal() -> bool:
    return sys.stdin.isatty()


def day(text: str) -> datetime:
    """Midnight of a day, without a zone: whose day it is, the command knows."""
    try:
        return datetime.strptime(text, "%Y-%m-%d")  # noqa: DTZ007
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no date; write it as in 2026-11-22") from None


def date_option(name: str, text: str) -> Any:
    """An option that takes a day."""
    return typer.Option(name, metavar="DATE", parser=day, help=text)


def word(given: str, known: Iterable[str], what: str) -> str:
    """The word itself, if it is one of them; else the command ends with the nearest one (exit code 2)."""
    if given not in (every := list(known)):
        fail(f"{given!r} is no {what}; {near(given, every)}", Exit.USAGE)
    return given


def event_named(name: str) -> str:
    """The name, if routes can name it; else the command ends with a hint."""
    return word(name, EVENTS, "event")
