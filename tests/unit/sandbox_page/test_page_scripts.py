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
    done = subprocess.run(
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
    """Of many people two are named, each once."""
    calls = [
        ["among", ["Asha Rao"]],
        ["among", ["Asha Rao", "ml-connector", "Asha Rao"]],
        ["among", ["Asha Rao", "ml-connector", "Jon Ek"]],
        ["among", ["A", "B", "C", "D"]],
        ["initials", "Asha Rao"],
        ["initials", "ml-connector"],
        ["initials", " "],
        ["tally", ["Sent", "Paid", "Sent"]],
    ]
    assert run("format.js", calls) == [
        "Asha Rao", "Asha Rao and ml-connector", "Asha Rao, ml-connector and 1 other", "A, B and 2 others",
        "AR", "M", "?", [["Sent", 2], ["Paid", 1]],
    ]  # fmt: skip
