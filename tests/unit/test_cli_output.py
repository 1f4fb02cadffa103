"""How `mlc` speaks: safe tables, plain errors, no secrets."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ProfileNotFound,
)
from rich.console import Console
from rich.text import Text
from typer import Exit as TyperExit

from ml_connector.errors import ConfigError, NotQueued, Undeliverable
from ml_connector.ports import AuditEntry
from mlc import credentials, output, trail
from mlc.audit import COLUMNS, Format, write
from mlc.main import app


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    text = io.StringIO()
    monkeypatch.setattr(output, "console", Console(file=text, width=200))
    return text


def entry(**changes: Any) -> dict[str, Any]:
    plain = {"at": "2026-10-21T14:03:05.250Z", "event": "invoice.created", "module": "invoice", "record_id": "1"}
    return {**plain, "destination": "board", "outcome": "delivered", **changes}


@pytest.mark.parametrize("name", ["[red]x[/red]", "[/]", "[bold", "a [b] c", "[link=https://evil.example]x[/link]"])
def test_markup_in_a_table_is_text(name: str, screen: io.StringIO) -> None:
    """Names come from strangers: brackets are shown as brackets."""
    output.table(("name",), [[name]])
    assert name in screen.getvalue()


def test_control_characters_do_not_reach_the_terminal(screen: io.StringIO) -> None:
    """A name can neither move the cursor nor ring the bell nor retitle the window."""
    output.table(("name",), [["a\x1b]0;owned\x07b\x9bc\r"]])
    assert not set(screen.getvalue()) & set("\x1b\x07\x9b\r")
    assert "a�]0;owned�b�c�" in screen.getvalue()


def test_text_with_a_style_of_its_own_cannot_steer_the_terminal_either(screen: io.StringIO) -> None:
    """What doctor shows are vendors' words, beside a coloured sign of ours, whose colour stays."""
    styled = Text.assemble(("✗", "red"), " a\x1b]0;owned\x9bc")
    output.line(styled)
    output.table(("name",), [[styled]])
    output.lines([("heading", [styled, "x"], [])])
    assert not set(screen.getvalue()) & set("\x1b\x9b")
    assert screen.getvalue().count("✗ a�]0;owned�c") == 3
    assert "\x1b" in styled.plain, "the caller's own stays as it was"


@pytest.mark.parametrize("form", [Format.JSON, Format.NDJSON])
def test_no_sign_in_json_steers_a_terminal_or_ends_a_line(
    form: Format, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A program reads what was written; who looks at it in a terminal, or cuts it into lines, is not misled."""
    name = "a\x9b31mb\x85c\u2028d\u202ee\x1b€"
    output.say({"number": name}, as_json=True, people=lambda: None)
    said = capsys.readouterr().out
    write([AuditEntry(**{**dict.fromkeys(COLUMNS, ""), "number": name})], form, tmp_path / "x")
    written = (tmp_path / "x").read_text(encoding="utf-8")
    for text in (said, written):
        assert not set(text) & set("\x9b\x85\u2028\u202e\x1b")
        assert "€" in text
    assert json.loads(said) == {"number": name}
    (found,) = json.loads(written) if form is Format.JSON else map(json.loads, written.splitlines())
    assert found["number"] == name


def test_acknowledgement_says_who_and_when(screen: io.StringIO) -> None:
    """When somebody replied, not when it was written down; a name is a text like any other."""
    trail.show(
        [
            entry(
                outcome="acknowledged",
                event="reply",
                external_id="2000",
                by="Anna [red] (id-1)",
                version="2026-10-20T09:15:30.123Z~2000",
            )
        ]
    )
    assert "acknowledged" in screen.getvalue()
    assert "by Anna [red] (id-1), 2026-10-20 09:15 UTC" in screen.getvalue()


def test_a_trail_with_hostile_names(screen: io.StringIO) -> None:
    """Number, reason and receipt are shown as they are, whatever stands in them."""
    trail.show(
        [
            entry(number="[red]INV-1", reason="refused: [/] and [bold]", outcome="parked"),
            entry(number="INV [2]", external_id="[link=x]77", outcome="[blink]odd"),
        ]
    )
    for text in ("[red]INV-1", "refused: [/] and [bold]", "INV [2]", "[link=x]77", "[blink]odd", "parked"):
        assert text in screen.getvalue()


def test_a_reason_in_the_trail_names_the_connection(screen: io.StringIO) -> None:
    """In the command that is to be typed, which a vendor's module cannot know."""
    reason = "CONNECTION_RESET; install it (`mlc teams install CONNECTION --person PERSON`), then retry"
    trail.show([entry(outcome="parked", connection="acme-eu", reason=reason)])
    assert "CONNECTION_RESET; install it (`mlc teams install acme-eu --person PERSON`)" in screen.getvalue()


def test_outcomes_have_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Green for what arrived, red for what needs a person."""
    text = io.StringIO()
    terminal = Console(file=text, width=200, force_terminal=True, color_system="standard", no_color=False, _environ={})
    monkeypatch.setattr(output, "console", terminal)
    trail.show([entry(), entry(outcome="parked")])
    assert "\x1b[32mdelivered" in text.getvalue()
    assert "\x1b[31mparked" in text.getvalue()


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (ConfigError("x.toml:3: [red]key: wrong"), 3, "x.toml:3: [red]key: wrong"),
        (Undeliverable("monday refuses the token"), 1, "monday refuses the token"),
        (NotQueued("the queue is down"), 1, "the queue is down"),
        (
            ClientError({"Error": {"Code": "AccessDenied", "Message": "not you"}}, "GetItem"),
            1,
            "AWS refuses GetItem: not you",
        ),
        (EndpointConnectionError(endpoint_url="https://sqs.example"), 1, "AWS cannot be reached: "),
        (NoRegionError(), 1, "--region or AWS_REGION"),
        (NoCredentialsError(), 1, "--profile or AWS_PROFILE"),
        (ProfileNotFound(profile="acme"), 1, "--profile or AWS_PROFILE"),
    ],
)
def test_errors_with_a_name_end_with_their_sentence(
    error: Exception, code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line on stderr and an exit code; no traceback."""

    @output.friendly
    def command() -> None:
        raise error

    with pytest.raises(TyperExit) as caught:
        command()
    assert caught.value.exit_code == code
    assert says in capsys.readouterr().err


def test_an_error_of_ours_says_where_and_shows_no_value(capsys: pytest.CaptureFixture[str]) -> None:
    """What has no name is a bug: it names its kind and place, and nothing that may be a secret."""

    @output.friendly
    def command() -> None:
        raise KeyError("https://host/webhooks/zoho/s3cr3t")

    with pytest.raises(TyperExit) as caught:
        command()
    said = capsys.readouterr().err
    assert caught.value.exit_code == 1
    assert "a fault in mlc: KeyError in test_cli_output.py, line " in said
    assert "s3cr3t" not in said


def test_usage_errors_and_exits_pass() -> None:
    """Whoever ends a command by an exit code of its own gets it."""

    @output.friendly
    def command() -> None:
        raise TyperExit(7)

    with pytest.raises(TyperExit) as caught:
        command()
    assert caught.value.exit_code == 7


def test_tracebacks_are_never_shown() -> None:
    """Lines and local variables may hold secrets."""
    assert app.pretty_exceptions_enable is False
    assert app.pretty_exceptions_show_locals is False


NARROW = [
    entry(number="INV-2026-000000412", event="customer_payment.created", destination="large-invoices"),
    entry(number="B-1", outcome="parked", reason="the board has no column zb_total: " + "x" * 80),
    entry(at="2026-10-22T00:00:01Z", external_id="1795333932067"),
]


@pytest.mark.parametrize("width", [20, 80, 200])
def test_a_trail_is_whole_at_any_width(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is cut: no number, no reason, no receipt. The day stands once, above its attempts."""
    text = io.StringIO()
    monkeypatch.setattr(output, "console", Console(file=text, width=width))
    trail.show(NARROW)
    shown = text.getvalue()
    for whole in ("INV-2026-000000412", "customer_payment.created", "x" * 80, "1795333932067", "14:03:05  "):
        assert whole in shown
    assert "…" not in shown
    assert shown.count("21 October 2026 (UTC)") == 1
    assert shown.count("22 October 2026 (UTC)") == 1


def test_what_is_to_be_copied_stands_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address and its secret are one line each, however narrow the terminal: they are pasted into Zoho."""
    text = io.StringIO()
    monkeypatch.setattr(output, "console", Console(file=text, width=40))
    url = "https://abcdefghij.execute-api.eu-central-1.amazonaws.com/webhooks/zoho/" + "t" * 43
    output.blocks([{"event": "invoice.created", "url": url, "secret": "s" * 40}])
    assert text.getvalue().splitlines() == ["invoice.created", f"  url     {url}", f"  secret  {'s' * 40}"]


@pytest.mark.parametrize("text", ["", "s3cr3t", '{"token": "s3cr3t"', "[" * 100_000])
def test_credentials_that_are_not_json(text: str) -> None:
    """The complaint repeats nothing of what was given."""
    with pytest.raises(ConfigError, match="standard input is not JSON") as caught:
        credentials.read(io.StringIO(text))
    assert "s3cr3t" not in str(caught.value)
    assert caught.value.__cause__ is None
