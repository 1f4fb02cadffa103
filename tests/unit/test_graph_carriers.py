"""What Graph tells of is tried as long as that can help, and never parked: a person could do nothing about it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ml_connector.connections import Connection
from ml_connector.delivery import Result
from ml_connector.errors import NeedsAttention, RetryLater, Throttled, Undeliverable
from ml_connector.events import Delivery, Event, Version
from ml_connector.retry import Policy
from ml_connector.step_carrier import StepCarrier
from tests import fakes
from tests.fakes import NOW, Clock

DELIVERY = Delivery(
    Event("acme-eu", "teams_message", "1", "created", Version("", "f"), "graph", "2026-11-22T08:00:00Z", "c", {}),
    "19:x",
)


def carrier(error: Exception | None, clock: Clock | None = None) -> StepCarrier:
    def step(connection: Connection, delivery: Delivery) -> Result:
        if error:
            raise error
        return Result("looked")

    return StepCarrier(fakes.Connections(), clock or Clock(), step)


@pytest.mark.parametrize(
    ("error", "seconds"),
    [(RetryLater("503", 40), 40), (NeedsAttention("The client secret has expired."), 300)],
)
def test_what_may_help_later_comes_back(error: Exception, seconds: int) -> None:
    """Not sooner than the vendor asks."""
    with pytest.raises(RetryLater) as raised:
        carrier(error).carry(DELIVERY)
    assert raised.value.after is not None
    assert raised.value.after >= seconds


def test_our_own_count_makes_the_lane_wait() -> None:
    """No call was made: those behind it would be refused too."""
    with pytest.raises(Throttled):
        carrier(Throttled("graph: 1 calls in 1 s are made", 0.5)).carry(DELIVERY)


def test_refusal_ends_it() -> None:
    """With the reason in the log."""
    assert carrier(Undeliverable("403: a permission is missing")).carry(DELIVERY) == Result(
        "ignored", "403: a permission is missing"
    )


def test_after_a_day_it_is_given_up() -> None:
    """The daily look has found by then what it told."""
    clock = Clock(NOW + timedelta(hours=25))
    assert carrier(RetryLater("503"), clock).carry(DELIVERY, 9, NOW) == Result("ignored", "given up: 503")
    with pytest.raises(RetryLater):
        carrier(RetryLater("503"), Clock(NOW + timedelta(hours=24))).carry(DELIVERY, 9, NOW)


def test_connection_that_was_removed_ends_it() -> None:
    """Graph goes on telling for up to three days."""
    elsewhere = StepCarrier(fakes.Connections({}), Clock(), lambda connection, delivery: Result("looked"))
    assert elsewhere.carry(DELIVERY).outcome == "ignored"


@pytest.mark.parametrize(
    ("error", "after", "reason"),
    [
        (Undeliverable("monday refuses it", 404), timedelta(0), "monday refuses it"),
        (RetryLater("503"), timedelta(hours=76), "given up: 503"),
    ],
)
def test_what_nobody_else_finds_is_parked(error: Exception, after: timedelta, reason: str) -> None:
    """As it was, with its reason; parked twice by a crash in between is once."""
    parked, clock = fakes.Parked(), Clock(NOW + after)

    def step(connection: Connection, delivery: Delivery) -> Result:
        raise error

    patient = StepCarrier(fakes.Connections(), clock, step, Policy(), parked)
    for _ in range(2):
        assert patient.carry(DELIVERY, 9, NOW) == Result("parked", reason)
    ((_, why),) = parked.kept
    assert (why, Delivery.from_json(parked.kept.popitem()[1])) == (reason, DELIVERY)


def test_patience_of_a_delivery_is_longer_than_a_day() -> None:
    """Credentials may need a person, and that may be a weekend."""
    clock = Clock(NOW + timedelta(hours=70))

    def step(connection: Connection, delivery: Delivery) -> Result:
        raise NeedsAttention("the token was regenerated")

    with pytest.raises(RetryLater):
        StepCarrier(fakes.Connections(), clock, step, Policy(), fakes.Parked()).carry(DELIVERY, 9, NOW)
