"""When a delivery comes back (design 5)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ml_connector.retry import LONGEST, Policy, given_up, wait

attempts = st.integers(-1, 10_000)
asked = st.one_of(st.none(), st.floats(0, 200_000), st.just(float("inf")))
share = st.floats(0, 1)
policies = st.builds(Policy, st.floats(0.1, 60), st.floats(1, 40_000))


@given(attempts, asked, policies, share)
def test_wait_is_what_sqs_takes(count: int, after: float | None, policy: Policy, part: float) -> None:
    """Whole seconds, at least one, and less than the twelve hours that SQS can hide a message for."""
    seconds = wait(count, after, policy, lambda low, high: low + part * (high - low))
    assert isinstance(seconds, int)
    assert 1 <= seconds <= LONGEST < 12 * 3600


@given(attempts, st.floats(0, LONGEST), policies, share)
def test_never_sooner_than_the_vendor_asked(count: int, after: float, policy: Policy, part: float) -> None:
    """Retry-After is obeyed, fractions of a second included."""
    assert wait(count, after, policy, lambda low, high: low + part * (high - low)) >= after


@given(attempts, policies, share)
def test_own_back_off_stays_below_its_ceiling(count: int, policy: Policy, part: float) -> None:
    """The ceiling doubles from the connection's `base_seconds` to its `cap_seconds`."""
    ceiling = min(policy.cap, policy.base * 2 ** min(max(count - 1, 0), 60), LONGEST)
    assert wait(count, None, policy, lambda low, high: low + part * (high - low)) < ceiling + 1


@given(st.integers(1, 30), policies)
def test_jitter_is_full(count: int, policy: Policy) -> None:
    """Drawn from nothing to the ceiling, so that a thousand waiting deliveries do not come back at once."""
    drawn: list[tuple[float, float]] = []

    def draw(low: float, high: float) -> float:
        drawn.append((low, high))
        return low

    wait(count, None, policy, draw)
    assert drawn == [(0, min(policy.cap, policy.base * 2.0 ** min(count - 1, 20)))]


def test_first_retry_comes_within_two_seconds() -> None:
    """A hiccup costs no more than that."""
    assert wait(1, None, Policy(), lambda low, high: high) == 2


def test_attempts_until_giving_up_fit_the_queues_count() -> None:
    """Even with the luckiest draws 76 hours take fewer receives than the queue allows (200)."""
    total, count = 0.0, 0
    while total < Policy().horizon.total_seconds():
        count += 1
        total += wait(count, None, Policy(), lambda low, high: high / 6)
    assert count < 200


def test_given_up_after_a_weekend() -> None:
    """76 hours: from Friday evening until Monday night."""
    friday = datetime(2026, 11, 20, 18, 0, tzinfo=UTC)
    assert not given_up(friday, friday + timedelta(hours=75, minutes=59))
    assert given_up(friday, friday + Policy().horizon)


def test_connection_may_be_more_or_less_patient() -> None:
    """`[retry]` sets base, cap and horizon; what it leaves out is as documented: 2 s, 6 h, 76 h."""
    assert Policy.of({}) == Policy(2, 6 * 3600, timedelta(hours=76))
    assert Policy.of({"base_seconds": 5, "cap_seconds": 60, "horizon_hours": 100}) == Policy(
        5, 60, timedelta(hours=100)
    )
