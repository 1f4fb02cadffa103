"""`mlc connections`: for people, for programs, and its exit codes (design 9)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ml_connector.config.schema import schema
from mlc import main, options, parked
from tests.unit.test_config_apply import Account

WHO = "kim (arn:aws:iam::123456789012:user/kim)"
EXAMPLE = Path(__file__).parents[2] / "connections" / "example.toml"


def mlc(*words: str | Path) -> Result:
    return CliRunner().invoke(main.app, [str(word) for word in words], catch_exceptions=False)


def broken(folder: Path, name: str = "broken.toml") -> Path:
    path = folder / name
    path.write_text(EXAMPLE.read_text("utf-8").replace("board_id", "bord_id"), "utf-8")
    return path


def test_a_good_file() -> None:
    """Exit code 0 and one line."""
    result = mlc("connections", "validate", EXAMPLE)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "is in order" in result.stdout


def test_a_good_file_for_programs() -> None:
    """JSON and nothing else."""
    result = mlc("connections", "validate", EXAMPLE, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {
        "connection": "acme-eu",
        "valid": True,
        "destinations": ["finance", "large-invoices", "ledger", "notes"],
        "warnings": [],
    }


def test_a_bad_file(tmp_path: Path) -> None:
    """Exit code 3, faults on stderr with file, line, key and way out; no traceback."""
    file = broken(tmp_path)
    number = 1 + Path(file).read_text("utf-8").partition("bord_id")[0].count("\n")
    result = mlc("connections", "validate", file)
    assert (result.exit_code, result.stdout) == (3, "")
    assert f"broken.toml:{number}: destinations.ledger.bord_id: no such key; did you mean 'board_id'?" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_bad_file_for_programs(tmp_path: Path) -> None:
    """A program gets the list of problems."""
    result = mlc("connections", "validate", broken(tmp_path), "--json")
    assert result.exit_code == 3
    answer = json.loads(result.stdout)
    assert answer["valid"] is False
    assert len(answer["problems"]) == 2


@pytest.mark.parametrize("words", [(), ("connections", "validate"), ("connections", "validate", "a", "b"), ("bogus",)])
def test_wrong_usage(words: tuple[str, ...]) -> None:
    """Exit code 2 and help."""
    result = mlc(*words)
    assert result.exit_code == 2
    assert "Usage" in result.output


def test_a_missing_file() -> None:
    """It is wrong usage, and is named."""
    for words in (
        ("connections", "validate", "nowhere.toml"),
        ("connections", "apply", "nowhere.toml"),
        ("routes", "test", "nowhere.toml", "--event", "invoice.paid"),
        ("preview", "pyproject.toml", "--event", "invoice.paid", "--connection", "nowhere.toml"),
    ):
        result = mlc(*words)
        assert (result.exit_code, "'nowhere.toml' does not exist" in result.stderr) == (2, True), words


def test_a_files_name_is_only_a_name(tmp_path: Path) -> None:
    """Markup in a name is shown, not obeyed, and breaks nothing."""
    for name in ("[red]x.toml", "[bold.toml", "x[link=a].toml"):
        good = tmp_path / name
        good.write_text(EXAMPLE.read_text("utf-8"), "utf-8")
        result = mlc("connections", "validate", good)
        assert result.exit_code == 0
        assert name in result.stdout.replace("\n", "")
        assert name in mlc("connections", "validate", broken(tmp_path, name)).stderr


def test_the_schema_is_printed() -> None:
    """For editors: what connections/schema.json is made with."""
    result = mlc("connections", "schema")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == schema()


# --- apply ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Account:
    """A stack in which the example file is in force."""
    account = Account()
    monkeypatch.setattr(options, "Stack", lambda *_: account)
    monkeypatch.setattr(parked, "identity", lambda _: WHO)
    assert mlc("connections", "apply", EXAMPLE).exit_code == 0
    return account


def edited(folder: Path, old: str, new: str) -> Path:
    path = folder / "edited.toml"
    path.write_text(EXAMPLE.read_text("utf-8").replace(old, new), "utf-8")
    return path


def test_a_destinations_new_name_is_asked_about(account: Account, tmp_path: Path) -> None:
    """The consequence in plain words; without a terminal nothing is applied until somebody says --yes."""
    file = edited(tmp_path, "ledger", "board")
    result = mlc("connections", "apply", file)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "each record that changes gets a second item" in result.stderr
    assert "Keep the name 'ledger'" in result.stderr
    assert account.current.version == 1
    assert mlc("connections", "apply", file, "--yes").exit_code == 0
    assert (account.current.version, "board" in account.current.destinations) == (2, True)


@pytest.mark.parametrize(("answer", "version"), [("n\n", 1), ("y\n", 2)])
def test_whoever_sits_at_a_terminal_is_asked(
    account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, version: int
) -> None:
    """No is no."""
    monkeypatch.setattr(options, "terminal", lambda: True)
    words = ["connections", "apply", str(edited(tmp_path, "ledger", "board"))]
    result = CliRunner().invoke(main.app, words, input=answer, catch_exceptions=False)
    assert (result.exit_code, account.current.version) == (2 - version, version)


def test_another_organization_is_refused(account: Account, tmp_path: Path) -> None:
    """Exit code 3, and the way out; what is in force stays."""
    account.kept["acme-eu", "zoho"] = {"refresh_token": "r"}
    result = mlc("connections", "apply", edited(tmp_path, "20064550123", "20064550124"))
    assert (result.exit_code, account.current.version) == (3, 1)
    assert "mlc auth revoke acme-eu zoho" in result.stderr


def test_a_module_that_comes_back_is_told_of(account: Account, tmp_path: Path) -> None:
    """With the time from which on it is looked at."""
    fewer = edited(tmp_path, '# modules = ["invoice", "bill"] ', 'modules = ["invoice"] ')
    assert "no longer carried: bill" in mlc("connections", "apply", fewer).stdout
    account.rows["cursor#acme-eu", "bill"] = {"read_until": "2026-10-21T14:45:00Z"}
    result = mlc("connections", "apply", EXAMPLE)
    assert "carried again: bill; what changed in Zoho since 2026-10-21T14:45:00Z" in result.stdout
