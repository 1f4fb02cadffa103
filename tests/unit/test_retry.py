"""When a delivery comes back (design 5)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ml_connector.retry import BASE, CAP, HORIZON, LONGEST, given_up, wait

attempts = st.integers(-1, 10_000)
asked = st.one_of(st.none(), st.floats(0, 200_000), st.just(float("inf")))
share = st.floats(0, 1)


@given(attempts, asked, share)
def test_wait_is_what_sqs_takes(count: int, after: float | None, part: float) -> None:
    """Whole seconds, at least one, and less than the twelve hours that SQS can hide a message for."""
    seconds = wait(count, after, lambda low, high: low + part * (high - low))
    assert isinstance(seconds, int)
    assert 1 <= seconds <= LONGEST < 12 * 3600


@given(attempts, st.floats(0, LONGEST), share)
def test_never_sooner_than_the_vendor_asked(count: int, after: float, part: float) -> None:
    """Retry-After is obeyed, fractions of a second included."""
    assert wait(count, after, lambda low, high: low + part * (high - low)) >= after


@given(attempts, share)
def test_own_back_off_stays_below_its_ceiling(count: int, part: float) -> None:
    """The ceiling doubles from two seconds to six hours."""
    ceiling = min(CAP, BASE * 2 ** max(count - 1, 0)) if count < 60 else CAP
    assert wait(count, None, lambda low, high: low + part * (high - low)) <= max(1, ceiling)


@given(st.integers(1, 30))
def test_jitter_is_full(count: int) -> None:
    """Drawn from nothing to the ceiling, so that a thousand waiting deliveries do not come back at once."""
    drawn: list[tuple[float, float]] = []

    def draw(low: float, high: float) -> float:
        drawn.append((low, high))
        return low

    wait(count, None, draw)
    assert drawn == [(0, min(CAP, BASE * 2.0 ** min(count - 1, 20)))]


def test_first_retry_comes_within_two_seconds() -> None:
    """A hiccup costs no more than that."""
    assert wait(1, None, lambda low, high: high) == BASE


def test_attempts_until_giving_up_fit_the_queues_count() -> None:
    """Even with the luckiest draws 76 hours take fewer receives than the queue allows (200)."""
    total, count = 0.0, 0
    while total < HORIZON.total_seconds():
        count += 1
        total += wait(count, None, lambda low, high: high / 6)
    assert count < 200


def test_given_up_after_a_weekend() -> None:
    """76 hours: from Friday evening until Monday night."""
    friday = datetime(2026, 11, 20, 18, 0, tzinfo=UTC)
    assert not given_up(friday, friday + timedelta(hours=75, minutes=59))
    assert given_up(friday, friday + HORIZON)
