"""Cold start of a built function beside its floor, in one run, on the real runtime (contracts: aws-local 4 and 8).

The floor is a handler that imports boto3 from the same layers, makes one client and does the same AWS call: what the
function could not go below without leaving boto3. Both start in fresh processes, by turns (A B B A ...), so that a
busy minute of the machine hits both.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from sandbox.aws.runtime import Answer, FunctionSpec, Rie

_FLOOR = """\
import json
import os

import boto3

client = boto3.client(os.environ["FLOOR_SERVICE"])
arguments = json.loads(os.environ["FLOOR_ARGUMENTS"])


def handler(event, context):
    getattr(client, os.environ["FLOOR_CALL"])(**arguments)
    return "ok"
"""


class BenchFailed(RuntimeError):
    """A measured invocation did not succeed: its times would mean nothing."""


@dataclass(frozen=True)
class Subject:
    """What is measured: a function and the event of its first invocation (JSON-able)."""

    spec: FunctionSpec
    event: Any


@dataclass(frozen=True)
class ColdStart:
    """One cold start, or the medians of several.

    Milliseconds: `init_ms` (imports) and `first_invoke_ms` (handler) as the runtime reports them, `total_ms` as the
    caller sees the first call to a process that listens but has not begun its init. `rss_mb`: peak memory, in MB.
    """

    init_ms: float
    first_invoke_ms: float
    total_ms: float
    rss_mb: float

    def ratio(self, floor: ColdStart) -> float:
        """Init and first invocation together, as a multiple of the floor's."""
        return (self.init_ms + self.first_invoke_ms) / (floor.init_ms + floor.first_invoke_ms)


def floor(spec: FunctionSpec, folder: Path, service: str, call: str, arguments: Mapping[str, Any]) -> Subject:
    """The floor of a function: same layers, role and variables; one boto3 call, e.g. "sqs", "send_message_batch".

    `folder` takes the handler's source; `arguments` are the call's, JSON-able.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "app.py").write_text(_FLOOR)
    variables = {
        "FLOOR_SERVICE": service,
        "FLOOR_CALL": call,
        "FLOOR_ARGUMENTS": json.dumps(arguments),
    }
    environment = {**spec.environment, **variables}
    return Subject(replace(spec, task=folder.resolve(), handler="app.handler", environment=environment), {})


def measure(subjects: Mapping[str, Subject], folder: Path, runs: int = 7) -> dict[str, ColdStart]:
    """Medians per subject over `runs` fresh processes each. Raises BenchFailed when an invocation fails."""
    folder.mkdir(parents=True, exist_ok=True)
    samples: dict[str, list[ColdStart]] = {name: [] for name in subjects}
    for turn in range(runs):
        order = list(subjects)
        for name in order if turn % 2 == 0 else reversed(order):
            log = folder / f"{name}-{turn}.log"
            log.unlink(missing_ok=True)
            samples[name].append(_start_once(subjects[name], log))
    return {name: medians(found) for name, found in samples.items()}


def medians(samples: list[ColdStart]) -> ColdStart:
    """Field by field; a value that was not reported (NaN) makes the median NaN."""
    rows = ((s.init_ms, s.first_invoke_ms, s.total_ms, s.rss_mb) for s in samples)
    columns = zip(*rows, strict=True)
    return ColdStart(*(math.nan if any(map(math.isnan, column)) else median(column) for column in columns))


def warm(subject: Subject, folder: Path, calls: int = 50, skip: int = 5) -> list[float]:
    """Handler times in milliseconds of warm calls of one process, the first `skip` left out. Raises BenchFailed.

    The same event each time: for events that must differ, drive `Rie` directly.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "warm.log"
    log.unlink(missing_ok=True)
    event = json.dumps(subject.event).encode()
    with Rie(subject.spec, log) as rie:
        times = [_call(rie, event) for _ in range(calls + skip)]
    return times[skip:]


def _start_once(subject: Subject, log: Path) -> ColdStart:
    with Rie(subject.spec, log) as rie:
        started = time.perf_counter()
        answer = rie.invoke(json.dumps(subject.event).encode())
        total = (time.perf_counter() - started) * 1000
        _check(rie, answer)
        return ColdStart(rie.init_ms, rie.invoke_ms, total, rie.rss_mb)


def _call(rie: Rie, event: bytes) -> float:
    _check(rie, rie.invoke(event))
    return rie.invoke_ms


def _check(rie: Rie, answer: Answer) -> None:
    if answer.failed:
        raise BenchFailed(f"{rie.spec.name}: {answer.body.decode(errors='replace')[:2000]}")
