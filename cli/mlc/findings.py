"""What the checks of `mlc doctor` say, and how they are run: side by side, each in its time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from queue import Empty, SimpleQueue
from threading import RLock, Thread
from typing import Any, Literal, TypeVar

from ml_connector.errors import ConnectorError
from mlc.output import denied, of_aws

T = TypeVar("T")

EACH = 6.0
"""Seconds that one check may take."""
SECONDS = 9.0
"""And all of them together."""
WORKERS = 32
SHOWN = 3
"""Of several faults of one kind."""

State = Literal["ok", "wrong", "note", "skipped"]
"""A note is no fault: something that one may want to know, or that could not be looked at."""
Fault = tuple[str, str, str]
"""What was found, why it matters, what to type."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`what` was found, `why` it matters, and what to `type`. `connection` is "" for what concerns all."""

    check: str
    connection: str
    state: State
    what: str
    why: str = ""
    type: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check says, before it is known which check that was."""

    state: State
    what: str
    why: str = ""
    type: tuple[str, ...] = ()


Task = tuple[str, str, Callable[[], Verdict]]
"""Check, connection, and what finds out."""


class once(cached_property[T]):  # noqa: N801 - reads as what it is: a cached_property
    """A cached_property that several threads may want at once: the first one reads, the others wait for it."""

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        with instance.__dict__.setdefault(f"lock of {self.attrname}", RLock()):
            return super().__get__(instance, owner)


def verdict(faults: Sequence[Fault], right: str) -> Verdict:
    """Of several faults those that hurt most, with each command once; without one, what is right."""
    if not faults:
        return Verdict("ok", right)
    more = f"; and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
    types = tuple(dict.fromkeys(each[2] for each in faults if each[2]))
    return Verdict("wrong", "; ".join(each[0] for each in faults[:SHOWN]) + more, faults[0][1], types)


def run(
    tasks: Sequence[Task],
    seconds: float = SECONDS,
    each: float = EACH,
    monotonic: Callable[[], float] = time.monotonic,
) -> list[Finding]:
    """The findings in the order of the tasks, after at most `seconds`. What takes longer than `each` is left behind:
    its thread ends with the program.
    """
    done: SimpleQueue[tuple[int, Finding]] = SimpleQueue()
    waiting, begun = deque(range(len(tasks))), dict[int, float]()
    findings: dict[int, Finding] = {}
    end = monotonic() + seconds
    while (waiting or begun) and (now := monotonic()) < end:
        for index in [index for index, since in begun.items() if now - since >= each]:
            findings[index] = _slow(tasks[index], now - begun.pop(index))
        while waiting and len(begun) < WORKERS:
            index = waiting.popleft()
            begun[index] = now
            Thread(target=lambda index: done.put((index, found(tasks[index]))), args=(index,), daemon=True).start()
        if not begun:
            break  # the last ones have just been left behind
        try:
            index, finding = done.get(timeout=max(0.0, min(end, *(since + each for since in begun.values())) - now))
        except Empty:
            continue
        if begun.pop(index, None) is not None:
            findings[index] = finding
    for index, since in begun.items():
        findings[index] = _slow(tasks[index], monotonic() - since)
    for index in waiting:
        findings[index] = _late(tasks[index], seconds)
    return [findings[index] for index in range(len(tasks))]


def found(task: Task) -> Finding:
    """What the check says; one that fails, or that may not look, says that."""
    name, connection, check = task
    try:
        said = check()
    except ConnectorError as error:
        said = Verdict("wrong", str(error), _NOBODY_KNOWS, _again(connection))
    except Exception as error:
        if right := denied(error):
            said = Verdict("note", f"could not look: you lack {right}", "", ("docs/commands.md: Rights",))
        else:
            what = of_aws(error) or f"a fault in mlc: {type(error).__name__}; please report it"
            said = Verdict("wrong", what, _NOBODY_KNOWS, _again(connection))
    return Finding(name, connection, said.state, said.what, said.why, said.type)


_NOBODY_KNOWS = "so nobody knows whether it is well"


def _again(connection: str) -> tuple[str, ...]:
    return (f"mlc doctor {connection}".rstrip(),)


def _slow(task: Task, seconds: float) -> Finding:
    name, connection, _ = task
    return Finding(
        name, connection, "wrong", f"no answer within {seconds:.0f} seconds",
        "what it asks, or the way there, may be down; then what is to be sent waits, too",
        _again(connection),
    )  # fmt: skip


def _late(task: Task, seconds: float) -> Finding:
    name, connection, _ = task
    return Finding(
        name, connection, "wrong", f"not looked at: the {seconds:.0f} seconds were over",
        _NOBODY_KNOWS, _again(connection),
    )  # fmt: skip
