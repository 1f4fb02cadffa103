"""The page's own scripts, run by node: what must hold whatever a vendor sent."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
from typing import Any

import pytest

from ml_connector.destinations.teams.card import escape
from sandbox.page import node
from sandbox.page.app import STATIC


def address(module: str) -> str:
    """The module, and those that it imports, as a data URL: so it is a module for every node, old or new."""
    source = re.sub(r'"\./([\w-]+\.js)"', lambda found: f'"{address(found[1])}"', (STATIC / module).read_text())
    return f"data:text/javascript;base64,{base64.b64encode(source.encode()).decode()}"


def run(module: str, calls: list[list[Any]]) -> list[Any]:
    """Calls functions of a module that needs no page: `[[name, *arguments], ...]` gives the list of results."""
    command = node.node_on(os.environ.get("PATH", os.defpath))
    if command is None:
        pytest.skip("no node on this machine (scripts/page-setup gets one where npm is missing)")
    script = (
        f"import * as it from '{address(module)}';"
        f"console.log(JSON.stringify({json.dumps(calls)}.map(([name, ...given]) => it[name](...given))))"
    )
    done = subprocess.run(  # noqa: S603 - our own script
        [command, "--input-type=module", "-e", script],
        capture_output=True, text=True, env={**os.environ, "TZ": "UTC"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    results: list[Any] = json.loads(done.stdout)
    return results


MARKDOWN = {
    "plain": "<p>plain</p>",
    "<img src=x onerror=alert(1)> & 'q'": "<p>&lt;img src=x onerror=alert(1)&gt; &amp; &#39;q&#39;</p>",
    r"A \*star\* and \[A\] 1\.": "<p>A *star* and [A] 1.</p>",
    r"\<b\>bold\</b\>": r"<p>\&lt;b&gt;bold\&lt;/b&gt;</p>",
    "**bold** and _italic_": "<p><strong>bold</strong> and <em>italic</em></p>",
    "[Zoho](https://books.zoho.eu/?a=1&b=2)": (
        '<p><a href="https://books.zoho.eu/?a=1&amp;b=2" target="_blank" rel="noopener noreferrer">Zoho</a></p>'
    ),
    "[x](javascript:alert)": "<p>[x](javascript:alert)</p>",
    '[x](https://a.example/"onclick="b)': (
        '<p><a href="https://a.example/&quot;onclick=&quot;b" target="_blank" rel="noopener noreferrer">x</a></p>'
    ),
    "- one\n- two\nthree": "<ul><li>one</li><li>two</li></ul><p>three</p>",
    "1. one\r2. two": "<ol><li>one</li><li>two</li></ol>",
}


def test_markdown_never_becomes_foreign_html() -> None:
    """Card texts are drawn with Teams' few markdown forms; HTML and unsafe links in them stay text."""
    drawn = run("markdown.js", [["markdown", text] for text in MARKDOWN])
    assert dict(zip(MARKDOWN, drawn, strict=True)) == MARKDOWN


def test_escaped_texts_show_as_they_were() -> None:
    """What the product escapes for a card is shown exactly as Zoho sent it."""
    texts = ["Müller & Söhne", "a_b*c*[d](e)", r"back\slash `code` ~x~ #1 > 2 | 3", "- minus", "1. first", "2) x"]
    drawn = run("markdown.js", [["markdown", escape(text)] for text in texts])
    expected = [f"<p>{text.replace('&', '&amp;').replace('>', '&gt;')}</p>" for text in texts]
    assert drawn == expected


def test_money_keeps_its_digits() -> None:
    """Amounts are grouped as text: no digit is rounded away, however long."""
    amounts = ["0", "999", "1284.5", "-1234567.89", "12345678901234567890.123456"]
    assert run("format.js", [["number", amount] for amount in amounts]) == [
        "0", "999", "1,284.5", "-1,234,567.89", "12,345,678,901,234,567,890.123456",
    ]  # fmt: skip


def test_dates_do_not_shift() -> None:
    """A day is that day in every time zone; a UTC time is shown with it."""
    assert run("format.js", [["date", "2026-11-22"], ["date", "2026-11-22", "06:40:00"]]) == [
        "22 Nov 2026", "22 Nov, 06:40",
    ]  # fmt: skip


def test_pills_are_readable() -> None:
    """The text on a status colour is the one of the two inks that can be read."""
    inks = run("format.js", [["ink", colour] for colour in ("#00c875", "#ffcb00", "#333333", "#784bd1")])
    assert inks == ["#1b1d28", "#1b1d28", "#ffffff", "#ffffff"]


def test_names_stay_short() -> None:
    """Of many people two are named; each once, and without the id that the trail has behind the name."""
    calls = [
        ["among", ["Asha Rao"]],
        ["among", ["Asha Rao", "ml-connector", "Asha Rao"]],
        ["among", ["Asha Rao", "ml-connector", "Jon Ek"]],
        ["among", ["A", "B", "C", "D"]],
        ["person", "Asha Rao (e5f6a7b8-0000)"],
        ["person", "Anna (Lisbon) Sá (77)"],
        ["person", "an automation on monday"],
        ["initials", "Asha Rao"],
        ["initials", "ml-connector"],
        ["initials", " "],
        ["tally", ["Sent", "Paid", "Sent"]],
    ]
    assert run("format.js", calls) == [
        "Asha Rao", "Asha Rao and ml-connector", "Asha Rao, ml-connector and 1 other", "A, B and 2 others",
        "Asha Rao", "Anna (Lisbon) Sá", "an automation on monday", "AR", "M", "?", [["Sent", 2], ["Paid", 1]],
    ]  # fmt: skip


ENTRY = {
    "module": "invoice", "record_id": "415", "number": "INV-1", "event": "invoice.partially_paid", "by": "",
    "destination": "finance", "outcome": "delivered", "operation": "update", "version": "v~f", "external_id": "7",
}  # fmt: skip
ANSWERED = ENTRY | {
    "event": "reply", "outcome": "acknowledged", "operation": "", "by": "Asha Rao (e5)",
    "version": "2026-11-22T09:31:48Z~8",
}  # fmt: skip
CHANGED = ANSWERED | {"event": "item.status", "outcome": "changed", "by": "an automation on monday"}
TOLD = ENTRY | {"operation": "digest", "external_id": "9"}
DIGEST = ENTRY | {
    "module": "digest", "record_id": "finance.busy-20261122T0944Z", "number": "", "event": "digest.posted",
    "operation": "create", "external_id": "9",
}  # fmt: skip


def test_trail_says_who_did_what() -> None:
    """What people did stands with their names, in the list and in the story; the rest with what became of it."""
    entries = [ENTRY, ANSWERED, CHANGED, TOLD, TOLD | {"outcome": "accepted"}, ENTRY | {"outcome": "gathered"}]
    assert run("trail.js", [["sentence", entry] for entry in entries]) == [
        "Updated in finance", "Asha Rao answered in finance", "An automation on monday changed it in finance",
        "Told in a digest in finance", "Told in a digest in finance", "Waits for a digest in finance",
    ]  # fmt: skip
    assert run("trail.js", [["happened", entry] for entry in (ENTRY, ANSWERED, CHANGED, DIGEST)]) == [
        "partially paid", "Asha Rao answered", "An automation on monday changed it", "posted",
    ]  # fmt: skip


def test_trail_says_when_people_did_it() -> None:
    """An answer was given before it was written down: its own time is told, of nothing else."""
    answered, other = run("trail.js", [["since", ANSWERED], ["since", ENTRY]])
    assert "22 November 2026" in answered
    assert "09:31:48" in answered
    assert other == ""


def test_digest_has_a_name() -> None:
    """A digest is called by its kind and its time, a record by its number, a note by what it is for."""
    daily = DIGEST | {"record_id": "finance.daily-20201121T1600Z"}
    names = run("trail.js", [["title", entry] for entry in (DIGEST, daily, ENTRY, ENTRY | {"module": "feedback"})])
    assert names[0].startswith("Digest of a busy minute, ")
    assert names[0].endswith("09:44")
    assert names[1:] == ["Daily digest, 21 Nov, 16:00", "Invoice INV-1", "Note on INV-1"]


def test_message_of_a_digest_leads_to_the_digest() -> None:
    """What a digest told has its message's id too; the message's story is the digest's, which lists what it told."""
    trail = [TOLD, DIGEST, ENTRY]
    behind, own, nothing, told, none = run(
        "trail.js",
        [["behind", trail, "9"], ["behind", trail, "7"], ["behind", trail, "1"], ["told", trail, [DIGEST]],
         ["told", trail, [TOLD]]],
    )  # fmt: skip
    assert (behind["module"], own["operation"], nothing) == ("digest", "update", None)
    assert (told, none) == ([TOLD], [])


def test_a_digest_is_one_row_of_the_list() -> None:
    """What it told is in its own row, also that it was gathered before; what still waits is one row, with how many."""
    told = [TOLD | {"delivery": name} for name in "ab"]
    before = [each | {"outcome": "gathered", "operation": "create", "external_id": "", "reason": "x"} for each in told]
    waits = [ENTRY | {"outcome": "gathered", "delivery": name, "reason": "for y"} for name in "cd"]
    alone = ENTRY | {"delivery": "e", "reason": ""}
    (rows,) = run("trail.js", [["listed", [*waits, *told, DIGEST, *before, alone]]])
    assert rows == [waits[0] | {"waits": 2}, DIGEST | {"tells": 2}, alone]


def test_what_a_digest_out_of_sight_told_is_listed() -> None:
    """The list holds the newest entries only: without the digest's own row, nothing else would say it."""
    assert run("trail.js", [["listed", [TOLD]]]) == [[TOLD]]
