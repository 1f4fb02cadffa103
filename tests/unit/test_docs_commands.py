"""The commands in our documents exist, with their options."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, NoCredentialsError
from typer.main import get_command
from typer.testing import CliRunner, Result

from ml_connector.errors import ConfigError, RetryLater
from mlc.main import app
from mlc.stack import Stack

ROOT = Path(__file__).parents[2]
DOCUMENTS = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))
_FENCED = re.compile(r"^```.*?^```", re.M | re.S)
_IN_BLOCK = re.compile(r"^(?:\$ |\.venv/bin/)?(mlc .+)$", re.M)
_IN_TEXT = re.compile(r"`(mlc [^`]+)`")
_REST = re.compile(r" (?:[#<>;…]|\[).*")
"""A comment, and what is the shell's."""


def commands() -> list[tuple[str, str]]:
    """Document and command, once each."""
    found: dict[tuple[str, str], None] = {}
    for path in DOCUMENTS:
        text = path.read_text("utf-8")
        lines = [line for block in _FENCED.findall(text) for line in _IN_BLOCK.findall(block)]
        for line in (*lines, *_IN_TEXT.findall(_FENCED.sub("", text))):
            found[path.name, _REST.sub("", " ".join(line.split()))] = None
    return list(found)


def every(command: Any = None, path: tuple[str, ...] = ("mlc",)) -> list[tuple[str, Any]]:
    """All commands by their whole names."""
    command = command or get_command(app)
    if not hasattr(command, "commands"):
        return [(" ".join(path), command)]
    return [found for name, each in command.commands.items() for found in every(each, (*path, name))]


def options(command: Any) -> set[str]:
    return {option for each in command.params for option in (*each.opts, *each.secondary_opts)}


@pytest.mark.parametrize(("name", "command"), every())
def test_command_is_as_all_are(name: str, command: Any) -> None:
    """An example in its help that its options take, --json, and all three words of where the stack is, or none."""
    example = command.epilog or ""
    assert f"Example: {name}" in example
    assert {word for word in shlex.split(_REST.sub("", example)) if word.startswith("--")} <= options(command)
    assert "--json" in options(command)
    assert len({"--stack", "--profile", "--region"} & options(command)) in (0, 3)


def words_for(name: str, command: Any) -> list[str]:
    """The command with the least that it takes."""
    said = name.split()[1:]
    for each in command.params:
        if each.required:
            value = WORDS.get(each.name, "x")
            said += [value] if each.param_type_name == "argument" else [each.opts[0], value]
    return said


EXAMPLE = str(ROOT / "connections" / "example.toml")
WORDS = {
    "vendor": "zoho", "event": "invoice.created", "board_id": "1", "version": "1", "file": EXAMPLE, "payload": EXAMPLE,
    "body_file": EXAMPLE,
}  # fmt: skip
ON_STACK = [(name, command) for name, command in every() if "--stack" in options(command)]
ENDS = [
    (ConfigError("nothing of that name"), 3, "nothing of that name"),
    (RetryLater("Zoho is busy"), 1, "Zoho is busy"),
    (NoCredentialsError(), 1, "name a profile with --profile or AWS_PROFILE"),
    (
        ClientError({"Error": {"Code": "AccessDenied", "Message": "not for you"}}, "ListTables"),
        1,
        "AWS refuses ListTables",
    ),
    (ValueError("sEcReT"), 1, "a fault in mlc: ValueError"),
]


def ended(monkeypatch: pytest.MonkeyPatch, error: Exception, words: list[str]) -> Result:
    """How the command ends if the stack cannot be looked at."""

    def fails(_: Any) -> None:
        raise error

    monkeypatch.setattr(Stack, "__post_init__", fails)
    return CliRunner().invoke(app, words)


@pytest.mark.parametrize(("error", "code", "says"), ENDS)
def test_a_failure_is_a_sentence_and_an_exit_code(
    error: Exception, code: int, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """3 for what is not there, 1 for what failed."""
    done = ended(monkeypatch, error, ["audit", "list", "acme-eu"])
    assert (done.exit_code, says in " ".join(done.stderr.split())) == (code, True), done.output


@pytest.mark.parametrize(("name", "command"), ON_STACK, ids=[name for name, _ in ON_STACK])
def test_no_command_on_a_stack_ends_with_a_traceback(name: str, command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its values may be secrets. What each of them does with the other failures is one code (options.on_stack)."""
    done = ended(monkeypatch, ValueError("sEcReT"), words_for(name, command))
    assert (done.exit_code, "a fault in mlc: ValueError" in done.stderr, "sEcReT" in done.output) == (1, True, False)


@pytest.mark.parametrize(("name", "command"), every(), ids=[name for name, _ in every()])
def test_a_mistyped_option_is_answered_with_the_nearest(name: str, command: Any) -> None:
    """Exit code 2."""
    done = CliRunner().invoke(app, [*words_for(name, command), "--jsn"])
    assert (done.exit_code, "--json" in done.output) == (2, True), done.output


def test_a_word_that_lacks_is_asked_for() -> None:
    """Exit code 2."""
    done = CliRunner().invoke(app, ["audit", "show", "acme-eu"])
    assert (done.exit_code, "Missing argument" in done.output) == (2, True)


def test_every_command_stands_in_the_list() -> None:
    """docs/commands.md has each once or more."""
    text = (ROOT / "docs" / "commands.md").read_text("utf-8")
    assert [name for name, _ in every() if f"`{name}`" not in text] == []


@pytest.mark.parametrize(
    ("words", "near"), [(("conections",), "'connections'"), (("audit", "lst"), "'list'"), (("replya",), "'replay'")]
)
def test_a_mistyped_command_is_answered_with_the_nearest(words: tuple[str, ...], near: str) -> None:
    """Exit code 2."""
    done = CliRunner().invoke(app, words)
    assert (done.exit_code, f"Did you mean {near}" in done.output) == (2, True)


def test_shell_completion_knows_the_commands() -> None:
    """As bash asks for it."""
    asked = {"_MLC_COMPLETE": "complete_bash", "COMP_WORDS": "mlc connections ro", "COMP_CWORD": "2"}
    done = CliRunner().invoke(app, [], env=asked, prog_name="mlc")
    assert done.stdout.split() == ["rollback"]


@pytest.mark.parametrize(("document", "line"), commands())
def test_command_exists(document: str, line: str) -> None:
    """What people copy from our pages works, as far as its words go."""
    command: Any = get_command(app)
    _, *words = shlex.split(line)
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        command = command.commands[words.pop(0)]
    known = {"--help"} | {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
    assert {word for word in words if word.startswith("--")} <= known
