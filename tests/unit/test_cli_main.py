"""`mlc` as a program: quick to start, and unknown names answered with the known ones."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ml_connector.connections import Connection
from ml_connector.errors import ConfigError
from ml_connector.stories import _LINKS, foreign
from mlc.main import app
from mlc.stack import Stack

EXAMPLE = Path(__file__).parents[2] / "connections" / "example.toml"


def mlc(*words: str) -> Result:
    return CliRunner().invoke(app, words, catch_exceptions=False)


class Table:
    """A connections table with names only."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = list(names)

    def connection(self, name: str) -> Connection | None:
        return None

    def names(self) -> list[str]:
        return self._names


@pytest.fixture
def empty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every stack has the connections acme-eu and acme-us, and nothing else."""
    monkeypatch.setattr(Stack, "__post_init__", lambda _: None)
    monkeypatch.setattr(Stack, "connections", Table(["acme-eu", "acme-us"]))


def test_help_does_not_wait_for_what_it_does_not_need() -> None:
    """The slow packages are imported by the commands that use them."""
    script = (
        "import sys, mlc.main;"
        "print([name for name in ('boto3', 'pydantic', 'requests', 'jmespath') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_it_tells_its_version() -> None:
    """For reports of faults."""
    result = mlc("--version")
    assert result.exit_code == 0
    assert result.stdout.startswith("mlc 0.")


@pytest.mark.parametrize(
    "words",
    [
        ("audit", "list", "acme"),
        ("audit", "show", "acme", "INV-1"),
        ("webhooks", "list", "acme"),
        ("send-test", "acme"),
        ("auth", "zoho", "acme"),
    ],
)
def test_an_unknown_connection_is_answered_with_the_nearest(words: Sequence[str], empty: None) -> None:
    """Exit code 3, rather than "no entries"."""
    result = mlc(*words)
    assert result.exit_code == 3
    assert "there is no connection 'acme'; did you mean 'acme-eu' or 'acme-us'?" in result.stderr


def test_before_the_first_connection_it_says_how_to_make_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A newcomer learns the command."""
    monkeypatch.setattr(Stack, "__post_init__", lambda _: None)
    monkeypatch.setattr(Stack, "connections", Table([]))
    with pytest.raises(ConfigError, match="none is applied yet: mlc connections apply FILE"):
        Stack("x").connection("acme-eu")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("audit", "show", "acme-eu", " "), "say which record"),
        (("audit", "list", "acme-eu", "--state", "parkd"), "did you mean"),
        (("send-test", "acme-eu", "--event", "invoice.create"), "did you mean 'invoice.created'?"),
        (("credentials", "set", "acme-eu", "monday"), "use --from-stdin"),
        (("credentials", "set", "acme-eu", "mondy"), "did you mean 'monday'?"),
        (("auth", "revoke", "acme-eu", "zhoo"), "did you mean 'zoho'?"),
    ],
)
def test_wrong_usage_costs_no_call(words: Sequence[str], says: str) -> None:
    """Exit code 2, before AWS is asked anything (there is none here)."""
    result = mlc(*words)
    assert result.exit_code == 2
    assert says in result.stderr


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("audit", "list", "acme", "--json"), 3, "there is no connection 'acme'"),
        (("audit", "show", "INV-1", "--json"), 2, "Missing argument 'what'. Example: mlc audit show acme-eu INV-"),
        (("audit", "show", "acme-eu", " ", "--json"), 2, "say which record"),
        (("audit", "list", "acme-eu", "--json", "--sinc", "x"), 2, "No such option: --sinc"),
        (("audit", "export", "acme-eu", "--format", "xls", "--json"), 2, "'xls' is no format; there are csv, json,"),
    ],
)
def test_a_refusal_is_an_object_for_programs(words: Sequence[str], code: int, says: str, empty: None) -> None:
    """On stdout: the sentence that people read on stderr, and the exit code. Without --json stdout stays empty."""
    result = mlc(*words)
    told = json.loads(result.stdout)
    assert (result.exit_code, told["exit"], says in told["error"]) == (code, code, True), told
    assert result.stderr
    assert mlc(*(each for each in words if each != "--json")).stdout == ""


def test_a_word_that_lacks_is_told_with_an_example() -> None:
    """Whoever leaves the connection out sees where it goes."""
    assert "Example: mlc audit show acme-eu INV-000412" in " ".join(mlc("audit", "show", "INV-1").stderr.split())


def test_a_destination_without_a_route_is_a_warning(tmp_path: Path) -> None:
    """The file is in order (exit code 0), but hardly what was meant."""
    file = tmp_path / "idle.toml"
    file.write_text(EXAMPLE.read_text("utf-8").replace('to = ["large-invoices"]', 'to = ["finance"]'), "utf-8")
    result = mlc("connections", "validate", str(file))
    assert result.exit_code == 0
    assert "destination 'large-invoices' is used by no route" in result.stdout


@pytest.mark.parametrize(
    ("link", "found"),
    [
        ("https://books.zoho.eu/app/20064550123#/invoices/5820000000417203", "5820000000417203"),
        ("https://books.zoho.com/app/1234#/paymentsreceived/46000000000011?filter_by=x", "46000000000011"),
        ("https://harbour.monday.com/boards/1234567890/views/9/pulses/2000000017", "2000000017"),
        ("https://teams.microsoft.com/l/message/19:x@thread.tacv2/1795334153303?groupId=1", "1795334153303"),
        ("INV-000412", ""),
        ("INV-#/123456", ""),
        ("https://example.com/invoices/123456", ""),
    ],
)
def test_a_pasted_link_names_its_record(link: str, found: str) -> None:
    """Whatever stands in the address bar of Zoho Books, Teams or monday leads to the story."""
    assert next((match[1] for each in _LINKS if (match := each.search(link))), "") == found
    assert foreign(link) == (not found and link.startswith("https://"))
