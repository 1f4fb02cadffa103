"""The arithmetic of the cold start measurement."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from bench.cold_start import ColdStart, floor, medians
from sandbox.aws.runtime import FunctionSpec


def test_medians_are_taken_field_by_field() -> None:
    """One slow run does not decide a figure."""
    assert medians([ColdStart(1, 10, 5, 7), ColdStart(2, 30, 4, 9), ColdStart(99, 20, 6, 8)]) == ColdStart(2, 20, 5, 8)


def test_a_value_that_was_not_reported_shows() -> None:
    """A gap in the reports must not look like a figure."""
    assert math.isnan(medians([ColdStart(math.nan, 1, 1, 1), ColdStart(1, 1, 1, 1)]).init_ms)


def test_the_ratio_counts_init_and_first_invocation() -> None:
    """Work moved from the import into the first call does not flatter the ratio."""
    assert ColdStart(200, 100, 0, 0).ratio(ColdStart(150, 50, 0, 0)) == pytest.approx(1.5)


def test_the_floor_differs_from_its_function_by_the_handler_only(tmp_path: Path) -> None:
    """Layers, variables and role are the same, or the comparison would be of something else."""
    spec = FunctionSpec("f", Path("/build/f"), "other.main", Path("/opt"), {"A": "1"}, timeout=9, memory=256)

    subject = floor(spec, tmp_path, "sqs", "send_message_batch", {"QueueUrl": "q"})

    found = subject.spec
    assert (found.name, found.opt, found.timeout, found.memory) == ("f", Path("/opt"), 9, 256)
    assert (found.task, found.handler, found.environment["A"]) == (tmp_path.resolve(), "app.handler", "1")
    assert json.loads(found.environment["FLOOR_ARGUMENTS"]) == {"QueueUrl": "q"}
    compile((tmp_path / "app.py").read_text(), "app.py", "exec")
