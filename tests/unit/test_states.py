"""The states of a record at a destination, and the moves between them (states.py): one table, and all that names it."""

from __future__ import annotations

import ast
import inspect
import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from ml_connector import delivery as engine
from ml_connector import digests, states
from ml_connector.ports import Memory
from ml_connector.states import MOVES, STATES, IllegalMove, move

PAGE = Path(__file__).parents[2] / "docs" / "architecture.md"
EVERY = [(state, name) for state in STATES for name in MOVES]
LEGAL = [(state, name, MOVES[name][state]) for state, name in EVERY if state in MOVES[name]]
ILLEGAL = [(state, name) for state, name in EVERY if state not in MOVES[name]]


@pytest.mark.parametrize(("state", "name", "after"), LEGAL)
def test_move_leads_to_its_state_and_changes_nothing_else(state: str, name: str, after: str) -> None:
    """What the table has is done; what is to change beside the state is said."""
    memory = Memory(state=state, external_id="77", attempts=3, rev=5)
    assert move(memory, name) == replace(memory, state=after)
    assert move(memory, name, attempts=4) == replace(memory, state=after, attempts=4)


@pytest.mark.parametrize(("state", "name"), ILLEGAL)
def test_move_that_the_table_does_not_have_is_a_fault(state: str, name: str) -> None:
    """It is no error that anybody handles: the attempt dies before anything is written."""
    with pytest.raises(IllegalMove, match=f"'{name}' from '{state}'"):
        move(Memory(state=state), name)


def test_every_state_can_be_reached_and_left() -> None:
    """No state is a dead end but for `done` and `parked`, which a newer version or a person leaves; none is idle."""
    reached, seen = {"new"}, set[str]()
    while reached - seen:
        seen |= reached
        reached |= {after for state, _, after in LEGAL if state in seen}
    assert seen == set(STATES)
    for state in STATES:
        assert {after for each, _, after in LEGAL if each == state} - {state}, state


def test_only_a_claim_leads_to_a_call() -> None:
    """Nothing is sent from any state that is not `sending`: the claim stores the request first."""
    assert {name for _, name, after in LEGAL if after == "sending"} - {"park", "fail", "skip"} == {"claim"}


def test_an_open_question_is_settled_before_anything_is_sent() -> None:
    """From `unknown` there is no way to a claim but through `found`, `absent` or `advance`."""
    left = {name for state, name, after in LEGAL if state == "unknown" and after != "unknown"}
    assert left == {"found", "absent", "advance"}


def test_the_engine_makes_every_move_and_no_other() -> None:
    """The names of the table stand in the code of the deliveries, and the other way round."""
    tree = ast.parse(inspect.getsource(engine) + inspect.getsource(digests))
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    assert set(MOVES) <= texts
    called = {
        node.value
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        for name, kind, index in (("move", "id", 1), ("_close", "attr", 0))
        if getattr(call.func, kind, "") == name
        for node in ast.walk(call.args[index])
        if isinstance(node, ast.Constant)
    }
    assert called == set(MOVES)


def test_memory_starts_as_new() -> None:
    """A row that is not there is a state too."""
    (state,) = [each.default for each in fields(Memory) if each.name == "state"]
    assert state == "new"
    assert set(re.findall(r"`(\w+)`", (Memory.__doc__ or "").split("`rev`")[0])) == set(STATES)


# --- the drawings ------------------------------------------------------------------------------------------------


def _drawing() -> str:
    """The indented lines of the module's docstring."""
    lines = (states.__doc__ or "").splitlines()
    return inspect.cleandoc("\n" + "\n".join(line for line in lines if line.startswith("    ")))


def test_the_docstring_draws_the_table() -> None:
    """Its words are the states and those moves that lead to another state; `skip`, `park` and `fail` are told below."""
    staying = {"skip", "park", "fail"}
    drawn = set(re.findall(r"[a-z]+", re.sub(r"\(.*?\)", "", _drawing())))
    assert drawn == set(STATES) | (set(MOVES) - staying)
    below = (states.__doc__ or "").partition("`sending` holds")[2]
    assert all(f"`{name}`" in below for name in staying)


def _arrows() -> list[tuple[str, ...]]:
    """`── move ─► state` as drawn, on one line."""
    return [found.groups() for found in re.finditer(r"─ (\w+) ─+► (\w+)", _drawing())]


def test_every_drawn_arrow_is_in_the_table() -> None:
    """An arrow that ends in a state is a move to it."""
    arrows: list[Any] = _arrows()
    assert len(arrows) >= 6
    for name, after in arrows:
        assert after in MOVES[name].values(), (name, after)


def test_the_page_shows_the_same_drawing() -> None:
    """docs/architecture.md has the docstring's drawing, word for word."""
    shown = [inspect.cleandoc("\n" + block) for block in re.findall(r"```\n(.*?)```", PAGE.read_text(), re.DOTALL)]
    assert _drawing() in shown, "copy it from ml_connector/states.py"
