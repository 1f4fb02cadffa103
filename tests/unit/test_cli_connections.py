"""`mlc connections`: for people, for programs, and its exit codes (design 9)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ml_connector.config.schema import schema
from mlc.main import app

EXAMPLE = Path(__file__).parents[2] / "connections" / "example.toml"


def mlc(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)


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
        "destinations": ["finance", "large-invoices", "ledger"],
        "warnings": [],
    }


def test_a_bad_file(tmp_path: Path) -> None:
    """Exit code 3, faults on stderr with file, line, key and way out; no traceback."""
    result = mlc("connections", "validate", broken(tmp_path))
    assert (result.exit_code, result.stdout) == (3, "")
    assert "broken.toml:26: destinations.ledger.bord_id: no such key; did you mean 'board_id'?" in result.stderr
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
    """It is named."""
    result = mlc("connections", "validate", "nowhere.toml")
    assert result.exit_code == 3
    assert "nowhere.toml: cannot be read" in result.stderr


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
