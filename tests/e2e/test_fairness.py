"""One connection's burst at a slow destination does not hold up another connection."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from ml_connector.config.apply import apply
from sandbox.session import Box
from sandbox.sites import LEDGER, Site
from sandbox.soak import PATIENCE

pytestmark = pytest.mark.e2e

BURST, SLOW_MS = 200, 200


def test_a_burst_of_one_connection_delays_another_ones_event_by_the_calls_in_flight(
    box: Box, numbers: Iterator[int]
) -> None:
    """The backlog holds its lanes, no more: the other event overtakes it."""
    busy, other = Site(next(numbers), PATIENCE), Site(next(numbers), PATIENCE)
    box.open(busy, other)
    # As in AWS there are more workers than the burst has lanes: here 6 and 4, there 10 and 4 per destination.
    whole = busy.file()
    board_only = whole.model_copy(
        update={"routes": tuple(route.model_copy(update={"to": (LEDGER,)}) for route in whole.routes)}
    )
    apply(board_only, box.connections, box.secrets, datetime.now(UTC))
    box.zoho.fault("slow", vendor="monday", contains=busy.board, slow_ms=SLOW_MS, count=None)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: box.zoho.create(busy.organization, "bill"), range(BURST)))
    before = len(box.zoho.items(busy.board))
    assert before < BURST / 2, "the backlog was gone too soon to prove anything"

    began = time.monotonic()
    box.zoho.create(other.organization, "bill")
    while not (box.zoho.items(other.board) and box.zoho.messages(other.channels["bills"])):
        assert time.monotonic() - began < 30, "the other connection's event is stuck"
        time.sleep(0.02)
    took = time.monotonic() - began
    left = BURST - len(box.zoho.items(busy.board))
    assert left > BURST / 4, f"the event came after {took:.1f} s, with {left} of {BURST} left: it waited its turn"
    assert took < 3, f"{took:.1f} s is longer than the calls in flight"
    box.zoho.clear_faults()
    assert box.settled(90)
    assert len(box.zoho.items(busy.board)) == BURST
    assert {entry["outcome"] for entry in box.audit(busy.connection)} == {"delivered"}
