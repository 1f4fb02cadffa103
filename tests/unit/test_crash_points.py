"""Killed at every point of every way through a delivery, and once more while that is repaired (invariants 3, 5, 9).

The points are those that a run without a crash passes (tests/points.py), not a list made by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from ml_connector.delivery import Courier
from ml_connector.errors import NeedsAttention, RetryLater, Throttled, Undeliverable, Unknown
from ml_connector.events import Delivery
from ml_connector.ports import Memory
from tests.fakes import Connections, Desk, PartedVendor, connection, delivery, payload, record_of
from tests.points import Crash, Points, crash_at

NEWER = "2026-11-22T09:00:00+0100"
FINAL = ("delivered", "accepted", "skipped", "parked")


class Always(list[Any]):
    """Faults that do not go away."""

    def pop(self, index: Any = -1) -> Any:
        return self[index]


@dataclass(frozen=True)
class Way:
    """One way through a delivery, and what is to come out of it however often it is interrupted."""

    prepare: Callable[[Desk], Delivery]
    creates: int = 1
    """Items made, over all."""
    ends: tuple[str, ...] = ("done",)
    """States that the row may end in."""
    keys: bool = True
    """Whether the destination takes idempotency keys and can be asked."""
    unknown: str = "park"
    parts: int = 0
    """Requests that follow the first one of each version."""


# --- the ways ----------------------------------------------------------------------------------------------------


def _create(desk: Desk) -> Delivery:
    return delivery()


def _update(desk: Desk) -> Delivery:
    desk.courier().carry(delivery())
    return delivery(action="updated", modified=NEWER, status="paid")


def _thin(desk: Desk) -> Delivery:
    desk.books.records["invoice", "460000000098765"] = payload()
    return delivery(thin=True)


def _skip(desk: Desk) -> Delivery:
    desk.courier().carry(delivery())
    return delivery(origin="reconcile")


def _gone(desk: Desk) -> Delivery:
    each = _update(desk)
    del desk.vendor.items["item-1"]
    return each


def _same_second(desk: Desk) -> Delivery:
    """A change that no time tells from the one that is there: Zoho is asked."""
    desk.courier().carry(delivery(status="draft"))
    desk.books.records["invoice", "460000000098765"] = payload()
    return delivery()


def _replayed(desk: Desk) -> Delivery:
    """An item that the vendor knows the key of, and our table does not."""
    desk.vendor._create(desk.vendor.plan(delivery().event, record_of(delivery()), Memory()))
    return delivery(modified=NEWER, status="paid")


def _with(*faults: Any) -> Callable[[Desk], Delivery]:
    def prepare(desk: Desk) -> Delivery:
        desk.vendor.faults = list(faults)
        return delivery()

    return prepare


def _with_update(*faults: Any) -> Callable[[Desk], Delivery]:
    def prepare(desk: Desk) -> Delivery:
        each = _update(desk)
        desk.vendor.faults = list(faults)
        return each

    return prepare


def _refused(desk: Desk) -> Delivery:
    desk.vendor.faults = Always([Undeliverable("the board is full")])
    return delivery()


def _lost(*, created: bool, keep: bool = False) -> Callable[[Desk], Delivery]:
    """A create without an answer, 26 minutes ago; `keep`: its version is not the one that comes now."""

    def prepare(desk: Desk) -> Delivery:
        fault = Unknown("no answer")
        desk.vendor.faults = [("after", fault) if created else fault]
        with pytest.raises(RetryLater):
            desk.courier().carry(delivery())
        desk.clock.advance(26 * 60)
        return delivery(modified=NEWER, status="paid") if keep else delivery()

    return prepare


def _deleted(before: Callable[[Desk], object]) -> Callable[[Desk], Delivery]:
    """A deletion, after what `before` left."""

    def prepare(desk: Desk) -> Delivery:
        before(desk)
        return delivery(action="deleted")

    return prepare


def _made(desk: Desk) -> None:
    desk.courier().carry(delivery())


def _removed(desk: Desk) -> None:
    """A person has taken the item off the board."""
    _made(desk)
    desk.vendor.items.clear()


def _missing(desk: Desk) -> Delivery:
    """An update that must be fetched, of a record that Zoho does not have any more."""
    _made(desk)
    return delivery(action="updated", modified=NEWER, thin=True)


def _after_parts(*faults: Any) -> Callable[[Desk], Delivery]:
    """An older version has stopped at its second part: the faults begin there."""

    def prepare(desk: Desk) -> Delivery:
        desk.courier().carry(delivery(modified="2026-11-22T07:00:00+0100", status="draft"))
        desk.vendor.faults = [None, None, *faults]
        with pytest.raises(RetryLater):
            desk.courier().carry(delivery())
        assert desk.deliveries.of(delivery()).step == 2
        return delivery(action="updated", modified=NEWER, status="paid")

    return prepare


def _gone_between(desk: Desk) -> Delivery:
    """A person removes the item while the version's parts are under way."""
    each = _update(desk)

    def send(request: Any) -> Any:
        if request.within and request.body["item"] == "item-1":
            desk.vendor.items.pop("item-1", None)
        return type(desk.vendor).send(desk.vendor, request)

    desk.vendor.send = send
    return each


def _given_up(desk: Desk) -> Delivery:
    desk.vendor.faults = Always([RetryLater("busy", 3600, 429)])
    return delivery()


def _unconfigured(desk: Desk) -> Delivery:
    return delivery("nowhere")


BUSY, LATE = RetryLater("busy", 42, 429), Unknown("no answer", status=503)
WAYS = {
    "create": Way(_create),
    "update": Way(_update),
    "thin": Way(_thin),
    "skip": Way(_skip),
    "busy": Way(_with(BUSY, BUSY)),
    "busy update": Way(_with_update(BUSY, BUSY)),
    "lost before": Way(_with(LATE)),
    "lost after": Way(_with(("after", LATE))),
    "update lost before": Way(_with_update(LATE)),
    "update lost after": Way(_with_update(("after", LATE))),
    "credentials": Way(_with(NeedsAttention("connect again", 401))),
    # A crash leaves the question open, and a refusal of the repeated call does not answer it.
    "refused": Way(_refused, creates=0, ends=("parked", "unknown")),
    "not configured": Way(_unconfigured, creates=0, ends=("parked",)),
    "given up": Way(_given_up, creates=0, ends=("parked", "unknown")),
    "gone": Way(_gone, creates=2),
    "replayed": Way(_replayed),
    "found": Way(_lost(created=True)),
    "found, older": Way(_lost(created=True, keep=True)),
    "absent": Way(_lost(created=False)),
    "absent, older": Way(_lost(created=False, keep=True)),
    "same second": Way(_same_second),
    "deleted": Way(_deleted(_made)),
    "deleted, nothing there": Way(_deleted(lambda desk: None), creates=0),
    "deleted, removed by hand": Way(_deleted(_removed)),
    "deleted, found": Way(_deleted(_lost(created=True))),
    "deleted, absent": Way(_deleted(_lost(created=False)), creates=0),
    "deleted, busy": Way(_deleted(_with_update(BUSY))),
    "deleted, found by fetching": Way(_missing),
    "teams: create": Way(_create, keys=False, ends=("done", "unknown")),
    "teams: update": Way(_update, keys=False),
    "teams: busy": Way(_with(BUSY), keys=False, ends=("done", "unknown")),
    "teams: lost": Way(_with(("after", LATE)), keys=False, ends=("unknown",)),
    "teams: lost, repeated": Way(_with(LATE), keys=False, unknown="repeat"),
    "teams: create, repeated": Way(_create, keys=False, unknown="repeat"),
}
PARTED = (
    "create", "update", "skip", "busy update", "lost after", "refused", "gone", "replayed", "found", "found, older",
    "same second", "deleted", "deleted, found", "teams: update",
)  # fmt: skip
WAYS |= {f"parts: {name}": replace(WAYS[name], parts=2) for name in PARTED} | {
    "parts: busy at one": Way(_with_update(None, None, BUSY), parts=2),
    "parts: throttled at one": Way(_with_update(None, Throttled("our own count", 1)), parts=2),
    "parts: lost before": Way(_with_update(None, LATE), parts=2),
    "parts: lost after": Way(_with_update(None, None, ("after", LATE)), parts=2),
    "parts: credentials at one": Way(_with_update(None, NeedsAttention("connect again", 401)), parts=2),
    "parts: gone at one": Way(_gone_between, creates=2, parts=2),
    "parts: a newer version": Way(_after_parts(BUSY), parts=2),
    "parts: a newer version, lost": Way(_after_parts(("after", LATE)), parts=2),
    "teams, parts: lost before": Way(_with_update(None, LATE), keys=False, parts=1),
    "teams, parts: lost after": Way(_with_update(None, None, ("after", LATE)), keys=False, parts=2),
    "teams, parts: a newer version": Way(_after_parts(LATE), keys=False, parts=2),
}


# --- the run -----------------------------------------------------------------------------------------------------


def _run(way: Way, *crashes: int) -> tuple[Desk, Delivery, Points, int]:
    """The desk after the delivery has come to its end: the queue brings it back after every crash and every wait."""
    retry = {"unknown": way.unknown, "horizon_hours": 3}
    desk = Desk(connections=Connections({"acme-eu": connection(retry=retry)}))
    desk.vendor = PartedVendor(desk.clock, keys=way.keys, parts=way.parts)
    each = way.prepare(desk)
    points, killed, started = Points(crash_at(*crashes)), 0, desk.clock()
    for receives in range(1, 200):
        # Each worker has a name of its own, as each function's process has.
        courier: Courier = points.courier(replace(desk.courier(), owner=f"worker-{receives}"))
        try:
            courier.carry(each, receives, started)
        except Crash:
            killed += 1
            desk.clock.advance(200)
        except RetryLater as later:
            desk.clock.advance(later.after or 1)
        else:
            return desk, each, points, killed
    raise AssertionError("it never ends")


def _check(way: Way, desk: Desk, each: Delivery, at: object) -> None:
    memory, entries = desk.deliveries.of(each), desk.audit.entries
    flagged = sum("possible duplicate" in entry.reason for entry in entries)
    assert memory.state in way.ends, at
    assert (memory.owner, memory.lease_until) == ("", ""), at
    if way.keys:
        assert desk.vendor.creates == way.creates, at
    else:
        assert desk.vendor.creates <= way.creates + flagged, "twice only where the trail says so"
    assert len(set(desk.vendor.told)) == len(desk.vendor.told), "no part is told twice"
    versions = [version for _, _, version, _ in desk.vendor.told]
    assert versions == sorted(versions), "nothing older is told after something newer"
    if memory.state == "done" and memory.external_id in desk.vendor.items:
        told = [
            part[3] for part in desk.vendor.told if part[0] == memory.external_id and part[2] == str(memory.version)
        ]
        assert told == list(range(1, way.parts + 1)), "all parts of the newest version, in order"
    assert desk.deliveries.faults() == [], at
    # The trail ends with what became of this delivery, and says of each effect that it is there.
    assert entries[-1].outcome in FINAL, at
    if memory.state == "done" and memory.version and memory.version.deletes:
        assert set(desk.vendor.items.values()) <= {"deleted"}, at
        marked = [entry.outcome for entry in entries if entry.event == "invoice.deleted"]
        assert ("delivered" if desk.vendor.items else "skipped") in marked, at
    elif memory.state == "done":
        version = (desk.books.records and entries[-1].version) or str(each.event.version)
        assert str(memory.version) == version, at
        assert version in [entry.version for entry in entries if entry.outcome in ("delivered", "accepted")], at
        assert set(desk.vendor.items.values()) == {_status(each)}, at
    else:
        assert entries[-1].outcome == "parked", at
        assert len(desk.parked.kept) >= 1, "a person sees it"
    assert len({entry.hash for entry in entries}) == len(entries)


def _status(each: Delivery) -> str:
    return str((each.event.payload or payload())["status"])


@pytest.mark.parametrize("name", WAYS)
def test_killed_anywhere_it_has_one_effect_and_a_whole_trail(name: str) -> None:
    """Before or after any call to any port: one item, the newest state, every effect in the trail, the chain whole."""
    way = WAYS[name]
    desk, each, points, _ = _run(way)
    _check(way, desk, each, "without a crash")
    for number, point in enumerate(points.seen, 1):
        desk, each, _, killed = _run(way, number)
        assert killed == 1
        _check(way, desk, each, (number, point))


@pytest.mark.parametrize("name", WAYS)
def test_killed_once_more_while_it_is_repaired(name: str) -> None:
    """The second crash comes at any point of the repair (every third one, from three places)."""
    way = WAYS[name]
    _, _, points, _ = _run(way)
    for first in range(1, min(len(points.seen), 36) + 1):
        for second in range(first + 1 + first % 4, first + 24, 4):
            desk, each, _, _ = _run(way, first, second)
            _check(way, desk, each, (first, second))


def test_the_points_are_all_ports_of_the_courier() -> None:
    """What is recorded is every port that makes a call, found by itself."""
    seen = {point for way in WAYS.values() for point in _run(way)[2].seen}
    ports = {point.split()[1].split(".")[0] for point in seen}
    assert ports == {"connections", "destinations", "deliveries", "parked", "books", "clock", "jitter"}
    calls = {point.split()[1] for point in seen}
    assert {"destinations.destination.send", "destinations.destination.settle", "deliveries.write"} <= calls
    assert {point for point in seen if point.startswith("after")} == {
        point.replace("before", "after") for point in seen if point.startswith("before")
    }


def test_parking_is_once_however_often_it_is_interrupted() -> None:
    """The queue knows the key: a crash between the parked message and the row parks no second one."""
    for name in ("refused", "not configured"):
        _, _, points, _ = _run(WAYS[name])
        for number in range(1, len(points.seen) + 1):
            desk, *_ = _run(WAYS[name], number)
            assert len(desk.parked.kept) == 1, (name, number)
