"""A burst in one channel: a few cards, then one that tells of all others."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from sandbox.session import Box
from sandbox.sites import Site
from sandbox.soak import PATIENCE

pytestmark = pytest.mark.e2e

RECORDS = 8


def test_a_burst_is_told_in_one_card(box: Box, numbers: Iterator[int]) -> None:
    """Two a minute are posted; of the other invoices one card tells, and the trail of each names its message."""
    site = Site(next(numbers), PATIENCE, modules=("invoice",), digest={"above": 2})
    box.open(site)
    made = [box.zoho.create(site.organization, "invoice", {})["id"] for _ in range(RECORDS)]
    assert box.settled(150)

    messages = {message["id"]: json.dumps(message["card"]) for message in box.zoho.messages(site.channels["invoices"])}
    digests = [name for name, card in messages.items() if "while it was busy" in card]
    assert digests
    assert len(messages) < RECORDS
    told = []
    for record in made:
        entries = [
            each for each in box.trail.of_record(site.connection, "invoice", record) if each.destination == "invoices"
        ]
        assert entries[-1].outcome == "delivered"
        assert entries[-1].external_id in messages
        told += [entries[-1].external_id]
    assert sum(name in digests for name in told) > 2
    # A record's own card comes with its next change.
    gathered = made[next(index for index, name in enumerate(told) if name in digests)]
    box.zoho.advance(5)
    box.zoho.update(site.organization, "invoice", gathered, {"status": "paid"})
    assert box.settled(150)
    assert len(box.zoho.messages(site.channels["invoices"])) == len(messages) + 1
