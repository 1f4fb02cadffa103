"""`make demo FILE=… EVENT=…`: what cannot be sent is said before anything is built."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox import demo
from sandbox.demo import unusable

ROOT = Path(__file__).parents[2]
EXAMPLE = str(ROOT / "examples" / "invoice.json")


@pytest.mark.parametrize(
    ("file", "event", "says"),
    [
        (EXAMPLE, "invoice.created", ""),
        ("", "", ""),
        (EXAMPLE.replace("invoice", "invoce"), "invoice.created", f"did you mean FILE={EXAMPLE}?"),
        (EXAMPLE, "invoice.create", "invoice.create is no event; did you mean EVENT=invoice.created?"),
        (EXAMPLE, "nonsense", "events are invoice.created, "),
        (EXAMPLE, "invoice.paid", ""),
        (EXAMPLE, "expense.created", "does not carry expense; it carries invoice, bill, "),
        (EXAMPLE, "", "FILE needs an EVENT"),
        ("", "invoice.created", "both, or neither"),
        (str(ROOT / "examples"), "invoice.created", "there is no file"),
    ],
)
def test_a_wrong_wish_is_told_with_the_right_one(file: str, event: str, says: str) -> None:
    """A wrong FILE and a wrong EVENT are told apart, each with what was probably meant."""
    assert says in unusable(file, event)
    assert bool(says) == bool(unusable(file, event))


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """The place is named."""
    file = tmp_path / "latin.json"
    file.write_bytes(b'{"name": "M\xfcller"}')
    assert (
        unusable(str(file), "invoice.created") == f"{file} is not UTF-8 text (byte 11); Zoho Books sends nothing else"
    )


@pytest.mark.parametrize(("file", "code"), [(EXAMPLE, 0), ("none.json", 2)])
def test_the_check_ends_before_the_sandbox(file: str, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--check` starts nothing: it runs before the build."""
    monkeypatch.setenv("FILE", file)
    monkeypatch.setenv("EVENT", "invoice.created")
    monkeypatch.setattr("sys.argv", ["demo", "--check"])
    monkeypatch.setattr(demo, "sandbox", None)
    assert demo.main() == code
