"""docs/zoho.md says what the code does."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from ml_connector.config.model import Zoho
from ml_connector.connections import ZOHO
from ml_connector.modules import MODULES
from ml_connector.regions import REGIONS
from ml_connector.tally import STATES
from ml_connector.vendors.zoho_accounts import CODE_FAULTS, REFRESH_FAULTS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "zoho.md").read_text("utf-8")
CODE = [path for folder in ("layers/shared", "cli", "functions") for path in sorted((ROOT / folder).rglob("*.py"))]


def part(heading: str) -> str:
    """The text of one chapter."""
    return PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def rows(text: str) -> list[list[str]]:
    """Cells of all tables, without heads."""
    every = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line[:1] == "|"]
    heads = [index - 1 for index, cells in enumerate(every) if set("".join(cells)) <= set("-| ")]
    return [cells for index, cells in enumerate(every) if index not in heads and index - 1 not in heads]


def texts(tree: ast.AST) -> list[str]:
    """Every text in the code; what is filled in is a line end."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append(node.value)
        if isinstance(node, ast.JoinedStr):
            found.append("".join(str(p.value) if isinstance(p, ast.Constant) else "\n" for p in node.values))
    return found


def said() -> list[str]:
    """What the page says that our messages are."""
    messages = []
    for cells in rows(part("What the messages mean")):
        first, *_ = cells
        messages += cells[1].split(", ") if first.isdigit() else first.split(" · ")
    return messages


def test_every_data_centre_is_on_the_page() -> None:
    """With its console and its web host, and none that we do not call."""
    centres = {name: hosts for name, *hosts in re.findall(r"^ *\| (\w\w) \| (\S+) \| (\S+) \|$", PAGE, re.M)}
    assert centres == {
        name: [region.accounts.replace("accounts.", "api-console."), region.web] for name, region in REGIONS.items()
    }


def test_every_status_that_routes_can_name() -> None:
    """Module by module."""
    listed = {cells[0].strip("`"): tuple(re.findall(r"`(\w+)`", cells[1])) for cells in rows(part("What is told"))}
    assert listed == {name: module.statuses for name, module in MODULES.items()}


def test_every_setting_with_its_default() -> None:
    """As the model of connection files has it."""
    listed = {cells[0].strip("`"): cells[1].strip('`"') for cells in rows(part("Settings"))}
    fields = {name: field for name, field in Zoho.model_fields.items() if not field.is_required()}
    assert listed.keys() == fields.keys()
    for name, default in ZOHO.items():
        assert listed[name] == (str(default).lower() if isinstance(default, bool) else str(default))


def test_every_state_of_the_report() -> None:
    """In its order."""
    assert tuple(cells[0].strip("`") for cells in rows(part("Is all of it there?"))) == STATES


@pytest.fixture(scope="module")
def literals() -> list[str]:
    return [text for path in CODE for text in texts(ast.parse(path.read_text("utf-8")))]


@pytest.mark.parametrize("message", said())
def test_we_really_say_so(message: str, literals: list[str]) -> None:
    """A message that people look up on the page is one of ours, word for word."""
    pattern = re.compile(".*".join(re.escape(piece.strip()) for piece in message.split("…")), re.DOTALL)
    assert any(pattern.search(text) for text in literals), message


def test_every_reason_of_ingest_is_explained() -> None:
    """People find them in its log. Those of other callers than Zoho stand elsewhere."""
    sources = [path for path in CODE if path.name in ("intake.py", "zoho_books.py", "signature.py")]
    calls = [node for path in sources for node in ast.walk(ast.parse(path.read_text("utf-8")))]
    reasons = {text for node in calls if isinstance(node, ast.Call) for text in _reasons(node)}
    signatures = {text for path in sources for text in texts(ast.parse(path.read_text("utf-8"))) if _signature(text)}
    assert len(reasons) > 5
    assert len(signatures) == 4
    assert reasons | signatures <= set(said())


def _reasons(node: ast.Call) -> list[str]:
    named = isinstance(node.func, ast.Name) and node.func.id == "InboundRejected"
    return [str(arg.value) for arg in node.args[1:2] if named and isinstance(arg, ast.Constant)]


def _signature(text: str) -> bool:
    return re.fullmatch(r"signature_\w+", text) is not None


@pytest.mark.parametrize("fault", sorted({*REFRESH_FAULTS.values(), *CODE_FAULTS.values()}))
def test_every_refusal_of_a_token_is_explained(fault: str) -> None:
    """With what to do."""
    assert any(fault.startswith(message.rstrip(" …")) for message in said()), fault
