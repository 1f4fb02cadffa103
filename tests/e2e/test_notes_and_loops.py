"""Notes on Zoho's records, where Zoho takes a note for an edit and tells us of it: no event begets another."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from sandbox.session import Box
from sandbox.sites import Site
from sandbox.soak import PATIENCE

pytestmark = pytest.mark.e2e

NOTES = "trail"


@pytest.fixture
def site(box: Box, numbers: Iterator[int]) -> Iterator[Site]:
    """A company whose Zoho takes a note for an edit, until the test is over: then even a loop would come to its end."""
    routes = [{"events": ["invoice.*"], "to": ["invoices", "ledger", NOTES]}]
    site = Site(next(numbers), PATIENCE, modules=("invoice",), routes=routes, notes=NOTES)
    box.open(site)
    box.zoho.switch(site.organization, comments_edit=True)
    yield site
    box.zoho.switch(site.organization, comments_edit=False)


def test_each_event_leaves_one_note_and_then_there_is_peace(box: Box, site: Site) -> None:
    """A note comes back as an edit of its record; that shows nothing new, so it is noted nowhere."""
    made = box.zoho.create(site.organization, "invoice")["id"]
    quiet(box, site)
    box.zoho.advance(2)
    box.zoho.update(site.organization, "invoice", made, {"status": "paid", "balance": 0})
    quiet(box, site)

    notes = [each["description"] for each in box.zoho.comments(site.organization, made)]
    notes = [note for note in notes if note.startswith("[ml-connector ")]
    assert ["Invoice updated" in note for note in notes] == [True, False], notes
    sent = [hook["event"] for hook in box.zoho.webhooks(site.organization)]
    assert sent == ["created", "updated", "updated", "updated"], "each event, and the echo of each note"
    trail = [entry for entry in box.trail.of_record(site.connection, "invoice", made) if entry.destination == NOTES]
    assert [entry.outcome for entry in trail].count("delivered") == 2
    (item,) = box.zoho.items(site.board)
    assert item["text"]["zb_status"] == "Paid"
    assert len(box.zoho.messages(site.channels["invoices"])) == 1


def quiet(box: Box, site: Site) -> None:
    """Waits until no delivery and no webhook is under way any more."""
    for _ in range(10):
        before = len(box.zoho.webhooks(site.organization))
        assert box.settled(10), "events go on and on"
        box.zoho.settle(site.organization)
        time.sleep(0.2)
        if box.settled(10) and len(box.zoho.webhooks(site.organization)) == before:
            return
    pytest.fail("events go on and on")
