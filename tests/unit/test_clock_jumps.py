"""A clock that jumps, ours or Zoho's: a delivery waits or is parked with its reason; none is lost or doubled."""

from __future__ import annotations

from datetime import timedelta

import fakes
import pytest

from ml_connector.errors import RetryLater

DAY = 24 * 3600


@pytest.mark.parametrize("seconds", [-DAY, -60, 60, DAY])
def test_our_clock_jumps_between_two_attempts(seconds: int) -> None:
    """Row and message hold times of another clock: one item in the end, and an unbroken chain."""
    desk = fakes.Desk()
    desk.vendor.faults = [RetryLater("busy", 30.0, 429)]
    one = fakes.delivery()
    with pytest.raises(RetryLater):
        desk.courier().carry(one, 1, fakes.NOW)
    desk.clock.advance(seconds)
    assert desk.courier().carry(one, 2, fakes.NOW).outcome == "delivered"
    assert (desk.vendor.creates, desk.parked.reasons, desk.deliveries.faults()) == (1, [], [])


def test_our_clock_jumps_over_the_horizon() -> None:
    """What looks like four days of trying is parked and says so; a person sends it again."""
    desk = fakes.Desk()
    desk.vendor.faults = [RetryLater("busy", 30.0, 429)] * 2
    one = fakes.delivery()
    with pytest.raises(RetryLater):
        desk.courier().carry(one, 1, fakes.NOW)
    desk.clock.advance(4 * DAY)
    assert desk.courier().carry(one, 2, fakes.NOW).outcome == "parked"
    assert desk.parked.reasons == ["gave up after 76 hours: busy"]
    assert desk.courier().carry(one, 1, desk.clock()).outcome == "delivered"
    assert desk.vendor.creates == 1


def test_our_clock_jumps_back_while_a_claim_is_held() -> None:
    """The claim of a crashed worker seems to hold for longer: the message waits for it, and is delivered once."""
    desk = fakes.Desk()

    class Crash(BaseException):
        pass

    desk.vendor.faults = [("after", Crash())]  # type: ignore[list-item]
    one = fakes.delivery()
    with pytest.raises(Crash):
        desk.courier().carry(one, 1, fakes.NOW)
    desk.clock.advance(-3600)
    with pytest.raises(RetryLater) as waiting:
        desk.courier().carry(one, 2, fakes.NOW)
    assert waiting.value.after is not None
    desk.clock.now = max(desk.clock(), fakes.NOW + desk.lease) + timedelta(seconds=1)
    assert desk.courier().carry(one, 3, fakes.NOW).outcome == "delivered"
    assert (desk.vendor.creates, desk.deliveries.faults()) == (1, [])


def test_zohos_clock_jumps_back() -> None:
    """A change with an older time than the last one is told apart from it and skipped, with its reason."""
    desk = fakes.Desk()
    new = fakes.delivery(modified="2027-01-01T00:00:00+0000")
    old = fakes.delivery(action="updated", modified="2026-11-22T09:00:00+0000", status="paid")
    assert desk.courier().carry(new).outcome == "delivered"
    result = desk.courier().carry(old)
    assert (result.outcome, result.reason) == ("skipped", "out of order: a newer version is already there")
    assert desk.audit.entries[-1].reason == result.reason
