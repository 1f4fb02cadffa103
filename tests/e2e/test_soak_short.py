"""The soak in its short form: everything misbehaves at once, and nothing is lost, doubled or out of order."""

from __future__ import annotations

import pytest

from sandbox.session import Box
from sandbox.soak import sites_of, soak

pytestmark = pytest.mark.e2e


def test_nothing_is_lost_doubled_or_out_of_order_whatever_fails(box: Box) -> None:
    """300 events, three connections, refusals, time-outs, duplicates, late webhooks, two kills and a restart."""
    parked = box.parked()
    sites = sites_of(3)
    box.open(*sites)
    figures, findings = soak(box, sites, events=300, records=45, unknown_posts=False)
    figures.still_parked -= parked  # by other tests
    assert figures.bad() == {}, "\n".join(findings)
    assert (figures.kills, figures.restarts) == (2, 1)
    assert figures.faults > 30
