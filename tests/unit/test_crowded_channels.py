"""Which of a Teams destination's calls count as new messages, and what a digest is on its way there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ml_connector.destinations import Registry
from ml_connector.destinations.teams.digest import request
from ml_connector.digests import Pages
from ml_connector.errors import Crowded
from ml_connector.events import Event, Version
from ml_connector.limits import Limiter
from ml_connector.ports import Destination, Memory, Request
from tests.fakes import CHANNEL, TEAM, Clock, Says, Wire, connection, delivery, record_of, toolbox
from tests.unit.test_limits import Buckets

ABOVE = 2
PLACE = {"team_id": TEAM, "channel_id": CHANNEL}
KINDS: dict[str, dict[str, Any]] = {
    "bot": {"transport": "bot", **PLACE},
    "delegated": {"transport": "delegated", **PLACE, "edits": True},
    "workflows": {"transport": "workflows"},
}
MADE = Says(201, {"id": "17943", "activityId": "17943"})
FACTS = {
    "kind": "busy", "count": 3, "since": "2026-11-22T07:41:00+00:00", "modules": ["invoice"],
    "told": "0123456789abcdef",
    "events": [{"event": "invoice.created", "count": 3, "sums": {"EUR": "30.00"}}],
}  # fmt: skip


class Place:
    """A destination as the deliveries see it (`gathers`) and as a digest sees it, on the same limits."""

    def __init__(self, kind: str) -> None:
        self.clock, self.wire = Clock(), Wire(MADE)
        self.there = connection(
            destinations={"purchasing": {"type": "teams", **KINDS[kind], "digest": {"above": ABOVE}}}
        )
        self.tools = replace(toolbox(self.wire, self.clock), limits=Limiter(Buckets(), self.clock))

    def open(self, *, gathers: bool) -> Destination:
        return Registry(replace(self.tools, gathers=gathers)).destination(self.there, "purchasing")

    def planned(self, destination: Destination, memory: Memory | None = None) -> Request:
        each = delivery("purchasing")
        return destination.plan(each.event, record_of(each), memory or Memory())


@pytest.mark.parametrize("kind", KINDS)
def test_new_messages_above_the_limit_are_refused_where_they_can_be_gathered(kind: str) -> None:
    """Before any call; what is not gathered (notices, digests, what was put back) is posted all the same."""
    place = Place(kind)
    busy, calm = place.open(gathers=True), place.open(gathers=False)
    for _ in range(ABOVE):
        busy.send(place.planned(busy))
        place.clock.advance(2)
    with pytest.raises(Crowded):
        busy.send(place.planned(busy))
    assert len(place.wire.calls) == ABOVE
    calm.send(place.planned(calm))
    assert len(place.wire.calls) == ABOVE + 1


@pytest.mark.parametrize("kind", ["bot", "delegated"])
def test_edits_are_no_new_messages(kind: str) -> None:
    """However crowded a channel is, its cards stay current."""
    place = Place(kind)
    busy = place.open(gathers=True)
    first = place.planned(busy)
    busy.send(first)
    memory = Memory(
        "done", version=Version("2026-11-22T07:00:00Z", "aa"), external_id="17943",
        thread_id=f"{CHANNEL};messageid=17943", target=first.target,
    )  # fmt: skip
    for _ in range(3 * ABOVE):
        place.clock.advance(2)
        edit = place.planned(busy, memory)
        assert edit.operation == "update"
        busy.send(edit)


def test_a_reply_is_a_new_message() -> None:
    """It rings as a card does: both count, and either is refused above the limit, in place of a second a reply."""
    for kind in ("bot", "delegated"):
        place = Place(kind)
        busy = place.open(gathers=True)
        first = place.planned(busy)
        busy.send(first)
        memory = Memory(
            "sending", version=Version("2026-11-22T07:00:00Z", "aa"), external_id="17943",
            thread_id=f"{CHANNEL};messageid=17943", target=first.target, step=1, amount="1.00", currency="EUR",
            shown='{"status": "draft"}',
        )  # fmt: skip
        place.clock.advance(2)
        reply = place.planned(busy, memory)
        assert (reply.operation, reply.within) == ("create", True)
        busy.send(reply)
        place.clock.advance(2)
        with pytest.raises(Crowded):
            busy.send(reply)
        place.open(gathers=False).send(reply)


@pytest.mark.parametrize("kind", KINDS)
def test_a_digest_goes_the_same_way_as_cards(kind: str) -> None:
    """Drawn from its facts, sent by the destination, and remembered by the marks of what it told of."""
    place = Place(kind)
    page = Pages(Registry(place.tools), request).destination(place.there, "purchasing")
    event = Event(
        "acme-eu", "digest", "purchasing.busy-20261122T0741Z", "posted", Version("", "digest"), "", "", "", FACTS
    )
    planned = page.plan(event, record_of(delivery()), Memory())
    assert planned.shows == {"shown": FACTS["told"]}
    assert page.send(planned).outcome in ("created", "accepted")
    assert b"3 events while it was busy" in (place.wire.calls[0].body or b"")  # type: ignore[operator]
