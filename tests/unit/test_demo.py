"""`make demo FILE=… EVENT=…`: what cannot be sent is said before anything is built."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from sandbox import demo
from sandbox.demo import unusable
from sandbox.shown import arrived, gathered, latencies

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


def test_what_a_digest_told_waits_no_more() -> None:
    """Counted is what was gathered last, of each delivery: not what a digest told, nor what was posted by itself."""
    newest_first = [("c", "delivered"), ("b", "gathered"), ("a", "gathered"), ("c", "gathered"), ("a", "retry")]
    assert gathered([{"delivery": delivery, "outcome": outcome} for delivery, outcome in newest_first]) == 2


ENTRY = {"module": "invoice", "outcome": "delivered", "operation": "create", "at": "2026-11-22T09:00:02.500000Z"}


@pytest.mark.parametrize(("now", "seconds"), [(4, 62), (40, 26), (80, 0)])
def test_the_page_is_shown_when_a_new_card_would_be_posted_at_once(now: float, seconds: float) -> None:
    """The first click shows a card, not a digest a minute later: the channel may have had its messages of a minute."""
    gathered_at = ["2026-11-22T09:00:00.000000Z", "2026-11-22T08:59:59.000000Z"]
    entries = [ENTRY, *({"outcome": "gathered", "at": at} for at in gathered_at)]
    nine = datetime(2026, 11, 22, 9, tzinfo=UTC).timestamp()
    assert demo.crowded_for(entries, nine + now) == seconds
    assert demo.crowded_for([ENTRY], nine) == 0


def test_what_a_digest_told_has_arrived_once() -> None:
    """Each delivery counts once, whatever was written about it; the digest itself tells what is counted already."""
    entries = [
        ENTRY | {"delivery": "d", "module": "digest"},
        ENTRY | {"delivery": "a", "operation": "digest"},
        ENTRY | {"delivery": "b", "outcome": "accepted"},
        ENTRY | {"delivery": "a", "outcome": "gathered"},
        ENTRY | {"delivery": "c", "outcome": "skipped"},
    ]
    assert sorted(each["delivery"] for each in arrived(entries)) == ["a", "b"]


def test_latency_is_from_the_webhook_to_the_receipt() -> None:
    """In seconds, over two clocks' formats; without what waited for a digest and what no webhook brought."""
    accepted = [{"timestamp": "2026-11-22 10:00:01,250+0100", "deliveries": ["a", "b"]}]
    entries = [
        ENTRY | {"delivery": "a"},
        ENTRY | {"delivery": "b", "operation": "digest"},
        ENTRY | {"delivery": "c"},
    ]
    assert latencies(accepted, entries) == [1.25]
