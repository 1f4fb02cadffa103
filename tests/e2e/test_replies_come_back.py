"""What people do in Teams comes back: a reply acknowledges its record, a channel's end is told (deployed template)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sandbox.session import Box
from sandbox.sites import OFFICE, Site

pytestmark = pytest.mark.e2e

Mlc = Callable[..., Any]


@pytest.fixture
def site(box: Box, numbers: Iterator[int]) -> Iterator[Site]:
    """A company whose invoices go to a channel that Graph tells us of."""
    routes = [{"events": ["invoice.*"], "to": ["invoices"]}]
    site = Site(next(numbers), modules=("invoice",), routes=routes, office=True)
    box.open(site)
    box.listen()
    assert box.settled(30)
    yield site
    # A channel that was deleted is not looked for in other tests.
    box.zoho.restore_channel(site.channels["invoices"])


def waited(look: Callable[[], Any], seconds: float = 30) -> Any:
    until = time.monotonic() + seconds
    while not (found := look()) and time.monotonic() < until:
        time.sleep(0.1)
    return found


def acknowledged(box: Box, site: Site) -> list[dict[str, Any]]:
    return [each for each in box.audit(site.connection) if each["outcome"] == "acknowledged"]


def told(box: Box, site: Site) -> str:
    return str([each["summary"] for each in box.zoho.messages(site.channels[OFFICE])])


def test_persons_reply_stands_in_the_records_trail_once(box: Box, site: Site, mlc: Mlc) -> None:
    """Told three times; the trail names who and when, and verifies."""
    box.zoho.create(site.organization, "invoice")
    (card,) = waited(lambda: box.zoho.messages(site.channels["invoices"]))
    assert box.settled(30)
    box.zoho.notifying(copies=3)
    try:
        reply = box.zoho.reply(site.channels["invoices"], card["id"], "On it", user_id="u-anna", name="Anna Müller")
        (entry,) = waited(lambda: acknowledged(box, site))
    finally:
        box.zoho.notifying(copies=1)
    assert box.settled(30)
    assert acknowledged(box, site) == [entry]
    assert (entry["by"], entry["external_id"]) == ("Anna Müller (u-anna)", reply)
    story = mlc("audit", "show", site.connection, reply)
    assert [each["outcome"] for each in story] == ["delivered", "acknowledged"]
    assert "On it" not in str(story)
    mlc("audit", "verify", site.connection)
    # Its webhooks in Zoho are made by hand, which doctor cannot know.
    assert "invoices: replies are heard" in str(mlc("doctor", site.connection, code=3))


def test_channel_that_is_renamed_and_deleted_is_told(box: Box, site: Site, mlc: Mlc) -> None:
    """In the administrators' channel, each once; doctor names the flagged destination."""
    channel = site.channels["invoices"]
    box.zoho.rename_channel(channel, "Billing")
    assert waited(lambda: "is called Billing now" in told(box, site)), told(box, site)
    box.zoho.delete_channel(channel)
    assert waited(lambda: "The Teams channel Billing was deleted" in told(box, site)), told(box, site)
    assert box.settled(30)
    assert "Billing was deleted" in str(mlc("doctor", site.connection, code=3))
