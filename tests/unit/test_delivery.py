"""One delivery from the queue to its destination: design 4, invariants 3, 4, 5 and 9."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ml_connector.delivery import Result
from ml_connector.errors import Gone, NeedsAttention, RetryLater, Throttled, Undeliverable, Unknown
from ml_connector.events import Delivery, Version
from ml_connector.lanes import Lanes, Message
from ml_connector.parked import again
from ml_connector.ports import Conflict, Memory, NothingThere
from ml_connector.retry import Policy
from tests.fakes import NOW, Connections, Desk, ModelVendor, PartedVendor, Queue, connection, delivery, payload

HORIZON = Policy().horizon


@pytest.fixture
def desk() -> Desk:
    return Desk()


def carry_on(desk: Desk, each: Delivery, *, limit: int = 50) -> Result:
    """What the queue does: the message comes back after its wait, until it is done."""
    first_received = desk.clock()
    for receives in range(1, limit):
        try:
            return desk.courier().carry(each, receives, first_received)
        except RetryLater as later:
            desk.clock.advance(later.after or 180)
    raise AssertionError("it never ends")


# --- the plain way -----------------------------------------------------------------------------------------------


def test_first_event_creates_and_remembers(desk: Desk) -> None:
    """A first event makes the item, remembers it and leaves one entry with the receipt."""
    each = delivery()
    result = desk.courier().carry(each)
    memory = desk.deliveries.of(each)
    assert result.outcome == "delivered"
    assert (memory.state, memory.external_id, memory.version) == ("done", "item-1", each.event.version)
    assert (memory.request, memory.pending, memory.attempts, memory.lease_until) == (None, None, 0, "")
    (entry,) = desk.audit.entries
    assert (entry.outcome, entry.operation, entry.external_id, entry.attempt) == ("delivered", "create", "item-1", 1)
    assert entry.correlation_id == "call-1"
    assert entry.number == "INV-000412"


def test_later_version_updates_the_same_item(desk: Desk) -> None:
    """A change of the record changes the item that the first event made."""
    desk.courier().carry(delivery())
    desk.courier().carry(delivery(action="updated", modified="2026-11-22T09:00:00+0100", status="paid"))
    assert (desk.vendor.creates, desk.vendor.items) == (1, {"item-1": "paid"})
    assert desk.audit.entries[-1].external_id == "item-1", "an update's entry leads to the item too"


def test_duplicate_is_skipped(desk: Desk) -> None:
    """The same version again, from a webhook or from reconcile, has no effect and leaves an entry."""
    desk.courier().carry(delivery())
    again = desk.courier().carry(delivery(action="updated", origin="reconcile"))
    assert again.outcome == "skipped"
    assert (desk.vendor.creates, desk.vendor.updates) == (1, [])
    assert desk.audit.outcomes == ["delivered", "skipped"]


def test_older_version_never_overwrites(desk: Desk) -> None:
    """An older version that arrives late is skipped."""
    desk.courier().carry(delivery(modified="2026-11-22T09:00:00+0100", status="paid"))
    late = desk.courier().carry(delivery(modified="2026-11-22T08:00:00+0100", status="draft"))
    assert late.outcome == "skipped"
    assert "newer" in late.reason
    assert desk.vendor.items == {"item-1": "paid"}


def test_two_changes_within_one_second_are_both_applied(desk: Desk) -> None:
    """Zoho's times have seconds: another fingerprint at the same time is another version."""
    first, second = delivery(status="sent"), delivery(status="paid")
    desk.courier().carry(first)
    desk.books.records["invoice", "460000000098765"] = payload(status="paid")
    desk.courier().carry(second)
    assert desk.vendor.items == {"item-1": "paid"}
    assert desk.courier().carry(first).outcome == "skipped", "Zoho is asked which is the newest"
    assert desk.vendor.items == {"item-1": "paid"}


def test_older_event_does_not_go_over_a_newer_update_without_an_answer(desk: Desk) -> None:
    """The newer version may be there: what Zoho has by now is sent, which is never older."""
    desk.courier().carry(delivery(modified="2026-11-22T08:00:00+0100", status="draft"))
    desk.vendor.faults = [("after", Unknown("no answer"))]
    newer = delivery(modified="2026-11-22T09:00:00+0100", status="paid")
    with pytest.raises(RetryLater):
        desk.courier().carry(newer)
    desk.books.records["invoice", "460000000098765"] = newer.event.payload or {}
    assert desk.courier().carry(delivery(status="sent")).outcome == "delivered"
    assert [version for _, version in desk.vendor.updates] == [str(newer.event.version)] * 2
    assert desk.courier().carry(newer).outcome == "skipped"


def test_doubt_about_a_newer_update_outlives_attempts_of_others(desk: Desk) -> None:
    """A soak found it: 9 went unanswered but was there, 10 was throttled, and then 8 was put over 9."""
    desk.courier().carry(delivery(modified="2026-11-22T07:00:00+0100", status="draft"))
    desk.vendor.faults = [("after", Unknown("no answer")), RetryLater("too many", 1, 429)]
    nine = delivery(modified="2026-11-22T09:00:00+0100", status="paid")
    ten = delivery(modified="2026-11-22T10:00:00+0100", status="void")
    for each in (nine, ten):
        with pytest.raises(RetryLater):
            desk.courier().carry(each)
    desk.books.records["invoice", "460000000098765"] = ten.event.payload or {}
    desk.courier().carry(delivery(modified="2026-11-22T08:00:00+0100", status="sent"))
    assert [version for _, version in desk.vendor.updates] == [str(nine.event.version), str(ten.event.version)]


def test_change_of_the_same_second_as_one_that_is_found_does_not_go_over_it(desk: Desk) -> None:
    """The order of two versions is decided when all is known that is there."""
    desk.books.records["invoice", "460000000098765"] = payload(status="paid")
    desk.vendor.faults = [("after", Unknown("no answer"))]
    with pytest.raises(RetryLater):
        desk.courier().carry(delivery(status="paid"))
    desk.clock.advance(26 * 60)
    assert desk.courier().carry(delivery(status="sent")).outcome == "skipped"
    assert desk.vendor.items == {"item-1": "paid"}


def test_without_a_time_every_new_fingerprint_is_applied(desk: Desk) -> None:
    """A payload without a time cannot be ordered, only recognised; Zoho says which is the newest."""
    for status in ("sent", "paid", "paid"):
        desk.books.records["invoice", "460000000098765"] = payload(status=status, modified="", created_time="")
        desk.courier().carry(delivery(status=status, modified="", created_time=""))
    assert desk.vendor.items == {"item-1": "paid"}
    assert desk.audit.outcomes == ["delivered", "delivered", "skipped"]


@pytest.mark.parametrize("there", ["", "2026-11-22T08:50:00+0100"], ids=["no time", "same second"])
def test_what_cannot_be_put_in_order_is_asked_of_zoho(desk: Desk, there: str) -> None:
    """Not strictly newer than what is there: the state that Zoho has by now wins, whatever the event says."""
    late = delivery(action="updated", modified=there, created_time="", status="draft")
    desk.courier().carry(delivery(created_time="", status="sent"))
    desk.books.records["invoice", "460000000098765"] = payload(
        modified="2026-11-22T09:30:00+0100", created_time="", status="paid"
    )
    assert desk.courier().carry(late).outcome == "delivered"
    assert desk.vendor.items == {"item-1": "paid"}
    memory = desk.deliveries.of(late)
    assert memory.version is not None
    assert memory.version.at == "2026-11-22T08:30:00Z", "what is remembered is what was fetched"


def test_order_that_is_known_costs_no_fetch(desk: Desk) -> None:
    """A first event, a newer one and a repeated one speak for themselves."""
    newer = delivery(action="updated", modified="2026-11-22T09:00:00+0100", status="paid")
    outcomes = [desk.courier().carry(each).outcome for each in (delivery(), newer, newer, delivery())]
    assert outcomes == ["delivered", "delivered", "skipped", "skipped"]
    assert desk.books.records == {}, "a fetch would have failed"


def test_thin_event_is_fetched(desk: Desk) -> None:
    """A record too large for the queue is read from Zoho, in the state it has by now."""
    desk.books.records["invoice", "460000000098765"] = payload(modified="2026-11-22T10:00:00+0100", status="paid")
    desk.courier().carry(delivery(thin=True))
    assert desk.vendor.items == {"item-1": "paid"}
    assert desk.deliveries.of(delivery()).version == Version("2026-11-22T09:00:00Z", delivery(
        modified="2026-11-22T10:00:00+0100", status="paid").event.version.fingerprint)  # fmt: skip


def test_thin_event_whose_state_is_already_there_is_skipped(desk: Desk) -> None:
    """What was fetched may have been delivered by a later event meanwhile."""
    desk.courier().carry(delivery(modified="2026-11-22T10:00:00+0100", status="paid"))
    desk.books.records["invoice", "460000000098765"] = payload(modified="2026-11-22T10:00:00+0100", status="paid")
    thin = delivery(thin=True, modified="2026-11-22T10:00:00+0100", status="sent")
    assert desk.courier().carry(thin).outcome == "skipped"
    assert desk.vendor.updates == []


@pytest.mark.parametrize("seconds", [1, 66, 90])
def test_a_lane_waits_while_a_minutes_calls_come_back(desk: Desk, seconds: float) -> None:
    """Zoho's minute is soon over: a thousand that must be fetched wait in their lane, not each by itself."""
    desk.books.broken["invoice"] = Throttled("zoho: 80 calls in 60 s are made", seconds)
    thin, queue = delivery(thin=True), Queue()
    with pytest.raises(Throttled):
        Lanes(desk.courier(), queue, desk.clock).work(Message(thin, "m-1", thin.lane, 1, desk.clock(), "h-1"))
    assert (queue.postponed, queue.moved, desk.audit.entries) == ([("h-1", seconds)], [], [])


def test_a_used_up_day_holds_up_no_lane(desk: Desk) -> None:
    """What must be fetched waits until midnight by itself: those behind it may need nothing of Zoho."""
    desk.books.broken["invoice"] = Throttled("zoho: asked for a pause", 9 * 3600)
    thin, queue = delivery(thin=True), Queue()
    lanes = Lanes(desk.courier(), queue, desk.clock)
    assert lanes.work(Message(thin, "m-1", thin.lane, 1, desk.clock(), "h-1")).outcome == "moved"
    ((moved, _),) = queue.moved
    assert (moved.not_before, queue.postponed) == ("2026-11-22T17:00:00.000000Z", [])
    assert [(each.outcome, each.reason) for each in desk.audit.entries] == [("retry", "zoho: asked for a pause")]
    other = delivery(invoice_id="2")
    assert lanes.work(Message(other, "m-2", thin.lane, 1, desk.clock(), "h-2")).outcome == "delivered"


# --- claims ------------------------------------------------------------------------------------------------------


def test_lease_of_another_worker_is_respected(desk: Desk) -> None:
    """While a claim holds, the message waits for its end and nothing is sent or noted."""
    each = delivery()
    until = (NOW + timedelta(seconds=70)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    desk.deliveries.write(each.event.record_key, each.destination, Memory(state="sending", lease_until=until))
    with pytest.raises(RetryLater) as caught:
        desk.courier().carry(each)
    assert caught.value.after == 70
    assert (desk.vendor.requests, desk.audit.entries) == ([], [])


def test_row_that_was_written_before_the_claim_is_read_again(desk: Desk) -> None:
    """A person's reply is noted in it at that moment: nobody holds a lease, so nobody needs to wait for its end."""
    each = delivery()
    desk.courier().carry(each)
    later = delivery(modified="2026-11-22T09:00:00+0100", status="paid")
    noted: list[Memory] = []

    class Noting(type(desk.deliveries)):  # type: ignore[misc]
        def write(self, key: str, name: str, memory: Memory, *args: Any, **more: Any) -> Any:
            if not noted:
                noted.append(super().write(key, name, replace(self.read(key, name), chain="20261122aaaa")))
            return super().write(key, name, memory, *args, **more)

    deliveries = Noting(desk.deliveries.rows, desk.audit)
    second = Desk(desk.clock, deliveries=deliveries, vendor=desk.vendor)
    assert second.courier().carry(later).outcome == "delivered"
    assert desk.vendor.creates == 1
    assert deliveries.audit.entries[-1].previous == "20261122aaaa", "the chain goes on behind the note"


def test_row_that_does_not_come_to_rest_is_left_for_later(desk: Desk) -> None:
    """One more look, not a loop; nothing is sent."""
    each = delivery()

    class Restless(type(desk.deliveries)):  # type: ignore[misc]
        def write(self, *args: Any, **more: Any) -> Any:
            raise Conflict

    busy = Desk(desk.clock, deliveries=Restless(), vendor=desk.vendor)
    with pytest.raises(RetryLater, match="another worker"):
        busy.courier().carry(each)
    assert desk.vendor.requests == []


def test_lost_claim_sends_nothing(desk: Desk) -> None:
    """Two workers on one row: the one whose write is refused looks again, finds it done and sends nothing."""
    each = delivery()
    other = desk.courier()

    class Rival(type(desk.deliveries)):  # type: ignore[misc]
        """Another worker writes between our read and our claim."""

        def write(self, *args: Any, **more: Any) -> Memory:
            if not desk.vendor.creates:
                other.carry(each)
            return super().write(*args, **more)  # type: ignore[no-any-return]

    late = Desk(desk.clock, deliveries=Rival(desk.deliveries.rows), vendor=desk.vendor)
    assert late.courier().carry(each).outcome == "skipped"
    assert desk.vendor.creates == 1


class Crash(BaseException):
    """The function dies: no handler of ours sees it."""


class Tripwire:
    """Kills before or after the n-th call of any port."""

    def __init__(self, at: int) -> None:
        self.left = at

    def __call__(self, port: Any) -> Any:
        wire = self

        class Wired:
            def __getattr__(self, name: str) -> Callable[..., Any]:
                method = getattr(port, name)

                def call(*args: Any, **kwargs: Any) -> Any:
                    wire.step()
                    try:
                        return method(*args, **kwargs)
                    finally:
                        wire.step()

                return call

        return Wired()

    def step(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Crash


def _create(desk: Desk) -> Delivery:
    return delivery()


def _update(desk: Desk) -> Delivery:
    desk.courier().carry(delivery())
    return delivery(action="updated", modified="2026-11-22T09:00:00+0100", status="paid")


def _again_after_removal(desk: Desk) -> Delivery:
    each = _update(desk)
    del desk.vendor.items["item-1"]
    return each


def _unanswered(desk: Desk) -> Delivery:
    desk.vendor.faults.append(("after", Unknown("no answer")))
    return delivery()


def _refused(desk: Desk) -> Delivery:
    desk.vendor.faults.append(Undeliverable("the board is full"))
    return delivery()


@pytest.mark.parametrize(
    ("prepare", "creates"), [(_create, 1), (_update, 1), (_again_after_removal, 2), (_unanswered, 1)]
)
def test_crash_anywhere_then_redelivery_has_one_effect(prepare: Callable[[Desk], Delivery], creates: int) -> None:
    """Killed before or after any call to any port, and once more while it is repaired: one item, one end."""
    for first in range(1, 60):
        for second in (1, 4, 7, 9, 11, 14, 1000):
            desk = Desk()
            each = prepare(desk)
            crashed = 0
            for at in (first, second):
                try:
                    desk.courier(Tripwire(at)).carry(each)
                except Crash:
                    crashed += 1
                except RetryLater:
                    pass
                desk.clock.advance(200)
            carry_on(desk, each)
            memory = desk.deliveries.of(each)
            assert (memory.state, memory.version) == ("done", each.event.version), (first, second)
            assert desk.vendor.creates == creates, (first, second)
            assert "delivered" in [e.outcome for e in desk.audit.entries if e.version == str(each.event.version)]
        if not crashed:
            break
    else:
        raise AssertionError("the way is longer than the tripwire reaches")


def test_crash_anywhere_while_parking_parks_once(desk: Desk) -> None:
    """Killed anywhere on the way to the parked queue: parked all the same, in one message, with its reason."""
    for at in range(1, 40):
        desk = Desk()
        each = _refused(desk)
        try:
            desk.courier(Tripwire(at)).carry(each, 1, NOW)
        except Crash:
            if desk.vendor.requests:
                desk.vendor.faults.append(Undeliverable("the board is full"))
        desk.clock.advance(200)
        if desk.audit.outcomes != ["parked"]:
            desk.courier().carry(each, 2, NOW)
        assert desk.parked.reasons == ["the board is full"]


def test_crash_anywhere_at_a_destination_that_cannot_be_asked_never_repeats() -> None:
    """Teams takes no key and cannot be asked: after a crash the message is posted once or parked, never twice."""
    for at in range(1, 40):
        desk = Desk()
        desk.vendor = ModelVendor(desk.clock, keys=False)
        each = delivery()
        try:
            desk.courier(Tripwire(at)).carry(each)
        except Crash:
            desk.clock.advance(200)
        result = carry_on(desk, each)
        assert desk.vendor.creates <= 1
        assert result.outcome in ("delivered", "skipped", "parked")
        if result.outcome == "parked":
            assert "Look there" in result.reason


# --- unanswered creates ------------------------------------------------------------------------------------------


def test_unanswered_create_is_repeated_with_its_key_and_body(desk: Desk) -> None:
    """Within 25 minutes the same request goes out again, byte for byte; the kept answer is followed by an update."""
    desk.vendor.faults = [("after", Unknown("no answer"))]
    each = delivery()
    assert carry_on(desk, each).outcome == "delivered"
    first, second, third = desk.vendor.requests
    assert first == second
    assert (third.operation, third.body["item"]) == ("update", "item-1")
    assert desk.vendor.creates == 1
    assert desk.audit.outcomes == ["unknown", "delivered", "delivered"]
    assert desk.audit.entries[1].reason == "found by looking"


def test_unanswered_create_of_an_earlier_version_is_settled_then_updated(desk: Desk) -> None:
    """A newer event settles the older one's create first, says so in the trail, and then updates the same item."""
    desk.vendor.faults = [("after", Unknown("no answer"))]
    older, newer = delivery(), delivery(action="updated", modified="2026-11-22T09:00:00+0100", status="paid")
    with pytest.raises(RetryLater):
        desk.courier().carry(older)
    desk.clock.advance(60)
    carry_on(desk, newer)
    assert (desk.vendor.creates, desk.vendor.items) == (1, {"item-1": "paid"})
    delivered = [entry.version for entry in desk.audit.entries if entry.outcome == "delivered"]
    assert delivered == [str(older.event.version), str(newer.event.version)]


def test_settling_a_newer_create_keeps_an_older_event_out(desk: Desk) -> None:
    """Order holds also when the newer version's create is only found now."""
    desk.vendor.faults = [("after", Unknown("no answer"))]
    newer, older = delivery(modified="2026-11-22T09:00:00+0100", status="paid"), delivery(status="draft")
    with pytest.raises(RetryLater):
        desk.courier().carry(newer)
    desk.clock.advance(60)
    assert carry_on(desk, older).outcome == "skipped"
    assert desk.vendor.items == {"item-1": "paid"}


def _lost(desk: Desk, *, created: bool) -> Delivery:
    """A create without an answer, 26 minutes ago."""
    fault = Unknown("no answer")
    desk.vendor.faults = [("after", fault) if created else fault]
    with pytest.raises(RetryLater):
        desk.courier().carry(delivery())
    desk.clock.advance(26 * 60)
    return delivery()


def test_after_25_minutes_it_is_looked_for(desk: Desk) -> None:
    """The key may be forgotten by then: an item that is found is adopted."""
    carry_on(desk, _lost(desk, created=True))
    assert (desk.vendor.creates, desk.vendor.looks) == (1, 1)


def test_absence_takes_two_looks_a_minute_apart(desk: Desk) -> None:
    """Indexes lag: only two looks, 60 seconds apart, prove that nothing is there; the new create has a new key."""
    each = _lost(desk, created=False)
    with pytest.raises(RetryLater) as first:
        desk.courier().carry(each)
    assert first.value.after == 60
    desk.clock.advance(20)
    with pytest.raises(RetryLater) as early:
        desk.courier().carry(each)
    assert early.value.after == 40, "a look in between counts for nothing and moves nothing"
    assert desk.vendor.creates == 0
    desk.clock.advance(40)
    assert desk.courier().carry(each).outcome == "delivered"
    assert desk.vendor.looks == 3
    keys = [request.idempotency_key for request in desk.vendor.requests]
    assert keys[0] != keys[-1]
    assert desk.audit.outcomes == ["unknown", "unknown", "unknown", "delivered"], "every attempt is in the trail"


def test_item_that_shows_up_at_the_second_look_is_adopted(desk: Desk) -> None:
    """A lagging index is waited for."""
    each = _lost(desk, created=True)
    desk.vendor.hidden = True
    with pytest.raises(RetryLater):
        desk.courier().carry(each)
    desk.clock.advance(60)
    desk.vendor.hidden = False
    desk.courier().carry(each)
    assert desk.vendor.creates == 1


def test_trouble_while_settling_forgets_nothing(desk: Desk) -> None:
    """A vendor that is busy when it is asked leaves the open question in place."""
    each = _lost(desk, created=True)
    before = desk.deliveries.of(each)
    desk.vendor.settle = _raises(RetryLater("busy", 30))
    with pytest.raises(RetryLater):
        desk.courier().carry(each)
    after = desk.deliveries.of(each)
    assert replace(after, rev=before.rev, chain=before.chain) == before, "only the trail has grown"
    assert desk.audit.outcomes[-1] == "retry"


def _raises(error: Exception) -> Callable[..., Any]:
    def call(*_: Any) -> Any:
        raise error

    return call


@pytest.fixture
def teams() -> Desk:
    """A destination without keys and without questions, with one post that got no answer."""
    desk = Desk()
    desk.vendor = ModelVendor(desk.clock, keys=False, faults=[("after", Unknown("no answer"))])
    with pytest.raises(RetryLater):
        desk.courier().carry(delivery())
    desk.clock.advance(10)
    return desk


def test_cannot_tell_is_parked_for_a_person(teams: Desk) -> None:
    """By default nothing is posted again; a person is asked to look, and the open question stays."""
    result = teams.courier().carry(delivery())
    assert result.outcome == "parked"
    assert "Look there" in result.reason
    assert teams.vendor.creates == 1
    memory = teams.deliveries.of(delivery())
    assert (memory.state, memory.request is not None) == ("unknown", True)


def test_cannot_tell_is_repeated_where_the_connection_says_so(teams: Desk) -> None:
    """`unknown = "repeat"` posts again and marks the possible duplicate in the trail."""
    teams.connections = Connections({"acme-eu": connection(retry={"unknown": "repeat"})})
    assert teams.courier().carry(delivery()).outcome == "delivered"
    assert teams.vendor.creates == 2
    assert [entry.reason for entry in teams.audit.entries if "possible duplicate" in entry.reason]


def test_cannot_tell_is_repeated_when_a_person_sends_it_again(teams: Desk) -> None:
    """Whoever was asked to look, and replays a parked delivery, has looked."""
    assert teams.courier().carry(_answer(teams, delivery())).outcome == "delivered"
    assert teams.deliveries.of(delivery()).state == "done"


def _answer(desk: Desk, each: Delivery) -> Delivery:
    """It is parked with a question; a person looks, says that the message is missing, and sends the delivery again."""
    assert desk.courier().carry(each).outcome == "parked"
    assert desk.parked.asked[-1] is not None
    return again(each, desk.parked.asked[-1])


@pytest.mark.parametrize("asked", [False, True])
def test_person_who_was_not_asked_has_not_looked(teams: Desk, asked: bool) -> None:
    """A replay that was parked for another reason, or by an older release, answers nothing: it is parked, and asks."""
    if asked:
        teams.courier().carry(delivery())
    assert teams.courier().carry(again(delivery(), None)).outcome == "parked"
    assert teams.vendor.creates == 1


def test_answer_is_for_the_question_that_was_asked(teams: Desk) -> None:
    """The model found it: of two answers to one question, the second met the next question and posted once more."""
    newer = delivery(action="updated", modified="2026-11-22T09:00:00+0100", status="paid")
    first, second = _answer(teams, delivery()), _answer(teams, newer)
    teams.vendor.faults = [("after", Unknown("no answer"))]
    with pytest.raises(RetryLater):
        teams.courier().carry(first)
    assert (first.asked, second.asked, teams.vendor.creates) == (0, 0, 2)
    assert teams.courier().carry(first).outcome == "parked"
    assert teams.courier().carry(second).outcome == "parked"
    assert (teams.parked.asked, teams.vendor.creates) == ([0, 0, 1, 1], 2)
    assert teams.courier().carry(again(newer, 1)).outcome == "delivered"


def test_replay_of_a_refusal_answers_no_question() -> None:
    """Sent again for another reason, it waits; meanwhile another post gets no answer, and somebody is asked."""
    desk = Desk()
    desk.vendor = ModelVendor(desk.clock, keys=False, faults=[Undeliverable("the app is not in the team")])
    desk.courier().carry(delivery())
    resent = again(delivery(), *desk.parked.asked)
    desk.vendor.faults = [("after", Unknown("no answer"))]
    newer = delivery(action="updated", modified="2026-11-22T09:00:00+0100", status="paid")
    with pytest.raises(RetryLater):
        desk.courier().carry(newer)
    assert desk.courier().carry(newer).outcome == "parked"
    assert desk.courier().carry(resent).outcome == "parked"
    assert desk.vendor.creates == 1


def test_question_that_is_found_out_is_not_asked_again_under_its_name(desk: Desk) -> None:
    """Wherever the record goes next, an answer to the old question is no answer to the next."""
    assert carry_on(desk, _lost(desk, created=True)).outcome == "delivered"
    assert (desk.deliveries.of(delivery()).generation, desk.vendor.creates) == (1, 1)


def test_being_asked_is_no_look(teams: Desk) -> None:
    """When the channel can be read later on, it still takes two looks to prove that nothing is there."""
    teams.courier().carry(delivery())
    teams.clock.advance(3600)
    teams.vendor.settle = lambda *_: None
    with pytest.raises(RetryLater, match="looking once more"):
        teams.courier().carry(delivery())


def test_replay_that_gets_no_answer_itself_asks_again(teams: Desk) -> None:
    """A person's look answers one question, not the next: a replayed post without an answer is not repeated."""
    resent = _answer(teams, delivery())
    teams.vendor.faults = [("after", Unknown("no answer"))]
    with pytest.raises(RetryLater):
        teams.courier().carry(resent)
    assert teams.courier().carry(resent).outcome == "parked"
    assert teams.vendor.creates == 2


def test_key_is_trusted_from_its_own_call_on(desk: Desk) -> None:
    """An hour of refusals uses up none of the 25 minutes in which an unanswered create is repeated with its key."""
    desk.vendor.faults = [RetryLater("busy", 1800, 429), RetryLater("busy", 1800, 429), ("after", Unknown("no answer"))]
    assert carry_on(desk, delivery()).outcome == "delivered"
    assert (desk.vendor.creates, desk.vendor.looks) == (1, 0)


def test_duplicate_does_not_break_the_claim_of_another_worker(desk: Desk) -> None:
    """While a newer version is being sent, an older one's message waits too, though it would only be skipped."""
    desk.courier().carry(delivery())
    newer = delivery(action="updated", modified="2026-11-22T09:00:00+0100", status="paid")
    send = desk.vendor.send

    def meanwhile(request: Any) -> Any:
        for each in (delivery(), delivery("nowhere")):
            row = desk.deliveries.read(each.event.record_key, "ledger")
            desk.deliveries.rows[each.event.record_key, "nowhere"] = row
            with pytest.raises(RetryLater, match="another worker"):
                desk.courier().carry(each)
        return send(request)

    desk.vendor.send = meanwhile
    assert desk.courier().carry(newer).outcome == "delivered"


def test_crashed_workers_claim_ends_as_what_it_may_have_done(desk: Desk) -> None:
    """A row does not stay `sending` when the delivery that meets it ends without sending."""
    each = _unconfigured_since(desk)
    assert desk.courier().carry(each).outcome == "parked"
    memory = desk.deliveries.of(each)
    assert (memory.state, memory.request is not None, memory.owner) == ("unknown", True, "")


def _unconfigured_since(desk: Desk) -> Delivery:
    """Its worker crashed with the create under way; then the connection was removed."""
    each = delivery()
    desk.vendor.faults = [KeyError("bug")]
    with pytest.raises(KeyError):
        desk.courier().carry(each)
    desk.clock.advance(200)
    desk.connections = Connections({})
    return each


# --- versions that show nothing new ------------------------------------------------------------------------------


def unseen(modified: str = "2026-11-22T09:00:00+0100", **changes: str) -> Delivery:
    """A change of the record that no destination shows."""
    return delivery(action="updated", modified=modified, terms="Net 14", **changes)


@pytest.fixture
def covered(desk: Desk) -> Desk:
    """The destination shows nothing but what the fingerprint covers."""
    desk.vendor.covered = True
    return desk


def test_change_that_is_not_shown_is_skipped(covered: Desk) -> None:
    """No call; the trail says why; the row knows the newer version, so that reconcile does not find it missing."""
    covered.courier().carry(delivery())
    result = covered.courier().carry(unseen())
    assert (result.outcome, result.reason) == ("skipped", "nothing that is shown has changed")
    assert (len(covered.vendor.requests), covered.audit.outcomes) == (1, ["delivered", "skipped"])
    memory = covered.deliveries.of(delivery())
    assert (memory.state, memory.version) == ("done", unseen().event.version)
    assert covered.courier().carry(unseen()).reason.startswith("duplicate")


def test_what_is_older_than_a_skipped_change_stays_out(covered: Desk) -> None:
    """Order is kept by all versions, not by those that were sent alone."""
    covered.courier().carry(delivery(modified="2026-11-22T08:00:00+0100"))
    covered.courier().carry(unseen(modified="2026-11-22T10:00:00+0100"))
    late = covered.courier().carry(delivery(modified="2026-11-22T09:00:00+0100", status="paid"))
    assert (late.outcome, covered.vendor.items) == ("skipped", {"item-1": "sent"})


@pytest.mark.parametrize("fault", [RetryLater("busy", 1, 429), Undeliverable("refused")])
def test_nothing_waits_any_more_when_a_change_was_taken_back(covered: Desk, fault: Exception) -> None:
    """Sent, paid but not delivered, sent again: what was to be changed is as it shall be, and in its place."""
    covered.courier().carry(delivery())
    there = covered.deliveries.of(delivery())
    covered.deliveries.write(delivery().event.record_key, "ledger", replace(there, target="board"))
    covered.vendor.faults = [fault]
    paid = delivery(modified="2026-11-22T09:00:00+0100", status="paid")
    with suppress(RetryLater):
        covered.courier().carry(paid)
    assert covered.courier().carry(unseen(modified="2026-11-22T10:00:00+0100")).outcome == "skipped"
    memory = covered.deliveries.of(paid)
    assert (memory.state, memory.attempts, memory.target, memory.external_id) == ("done", 0, "board", "item-1")
    assert covered.courier().carry(replace(paid, event=replace(paid.event, origin="replay"))).outcome == "skipped"
    assert covered.vendor.items == {"item-1": "sent"}


def test_destination_that_may_show_more_gets_every_version(desk: Desk) -> None:
    """A column may show any field of Zoho's record."""
    desk.courier().carry(delivery())
    assert desk.courier().carry(unseen()).outcome == "delivered"


def test_change_without_a_time_does_not_make_the_row_forget_its_own(covered: Desk) -> None:
    """Nothing older could be told from newer any more."""
    covered.courier().carry(delivery())
    assert covered.courier().carry(unseen(modified="", created_time="")).outcome == "skipped"
    assert covered.deliveries.of(delivery()).version == delivery().event.version


def test_state_that_an_unanswered_update_may_have_replaced_is_sent_again(covered: Desk) -> None:
    """Sent, paid without an answer, sent again: paid may be what is shown."""
    covered.courier().carry(delivery())
    covered.vendor.faults = [("after", Unknown("no answer"))]
    with pytest.raises(RetryLater):
        covered.courier().carry(delivery(modified="2026-11-22T09:00:00+0100", status="paid"))
    assert covered.courier().carry(unseen(modified="2026-11-22T10:00:00+0100")).outcome == "delivered"
    assert covered.vendor.items == {"item-1": "sent"}


def test_unanswered_create_is_settled_before_a_version_is_called_unchanged(covered: Desk) -> None:
    """Where each event makes something new (a note): what was made is found first, and is in the trail."""

    def always_create(event: Any, record: Any, memory: Memory) -> Any:
        return plan(event, record, Memory(generation=memory.generation))

    plan, covered.vendor.plan = covered.vendor.plan, always_create
    covered.courier().carry(delivery())
    covered.clock.advance(3600)
    covered.vendor.faults = [("after", Unknown("no answer"))]
    paid = delivery(modified="2026-11-22T09:00:00+0100", status="paid")
    with pytest.raises(RetryLater):
        covered.courier().carry(paid)
    back = unseen(modified="2026-11-22T10:00:00+0100")
    assert covered.courier().carry(back).outcome == "delivered", "paid was there, and is not any more"
    told = [entry.version for entry in covered.audit.entries if entry.outcome == "delivered"]
    assert told == [str(each.event.version) for each in (delivery(), paid, back)]


@pytest.mark.parametrize("method", ["plan", "send"])
def test_what_a_destination_cannot_hold_is_skipped_with_its_reason(desk: Desk, method: str) -> None:
    """Nobody could do anything about it, so nobody is alarmed; what comes late is older."""

    def nothing(*_: Any) -> None:
        raise NothingThere("Zoho has no endpoint for notes on expense")

    setattr(desk.vendor, method, nothing)
    result = desk.courier().carry(delivery())
    assert (result.outcome, result.reason) == ("skipped", "Zoho has no endpoint for notes on expense")
    assert (desk.audit.entries[-1].outcome, desk.audit.entries[-1].reason) == ("skipped", result.reason)
    memory = desk.deliveries.of(delivery())
    assert (memory.state, memory.version, memory.owner) == ("done", delivery().event.version, "")
    assert desk.parked.kept == {}


# --- other endings -----------------------------------------------------------------------------------------------


def test_busy_vendor_means_waiting_as_long_as_it_asks(desk: Desk) -> None:
    """Nothing happened: the request is forgotten, the key stays, and the message waits for Retry-After."""
    desk.vendor.faults = [RetryLater("busy", 42, 429)]
    with pytest.raises(RetryLater) as caught:
        desk.courier().carry(delivery())
    memory = desk.deliveries.of(delivery())
    assert caught.value.after == 42
    assert (memory.state, memory.request, memory.generation, memory.lease_until) == ("waiting", None, 0, "")
    assert (desk.audit.entries[0].outcome, desk.audit.entries[0].status) == ("retry", 429)
    assert carry_on(desk, delivery()).outcome == "delivered"
    assert desk.audit.entries[-1].attempt == 2


def test_back_off_grows_with_the_queues_count_too(desk: Desk) -> None:
    """Attempts that end before the claim are counted by the queue."""
    asked: list[int] = []

    def jitter(attempts: int, _: float | None, __: Policy) -> int:
        asked.append(attempts)
        return 1

    courier = replace(desk.courier(), jitter=jitter)
    desk.books.broken["invoice"] = RetryLater("Zoho is busy")
    for receives in (1, 5):
        with pytest.raises(RetryLater):
            courier.carry(delivery(thin=True), receives)
    assert asked == [1, 5]
    assert desk.audit.outcomes == ["retry", "retry"], "every attempt is in the trail"


def test_removed_item_is_made_anew_under_another_key(desk: Desk) -> None:
    """An item that a person deleted comes back with the next change, as another item."""
    each = _again_after_removal(desk)
    assert desk.courier().carry(each).outcome == "delivered"
    memory = desk.deliveries.of(each)
    assert (memory.external_id, memory.generation) == ("item-2", 1)
    assert len({request.idempotency_key for request in desk.vendor.requests if request.operation == "create"}) == 2


@pytest.mark.parametrize("refusal", [Undeliverable("the board is full"), RetryLater("busy", 1), Throttled("full", 1)])
def test_item_that_is_put_back_is_gone_on_with(desk: Desk, refusal: Exception) -> None:
    """As a channel that was deleted and restored: no second one is made while what stood for it may come back."""
    desk.courier().carry(delivery())
    kept = dict(desk.vendor.items)
    desk.vendor.items.clear()
    desk.vendor.faults = [None, refusal]
    change = delivery(action="updated", modified="2026-11-22T09:00:00+0100", status="paid")
    with suppress(RetryLater):
        desk.courier().carry(change)
    desk.vendor.items.update(kept)
    assert desk.courier().carry(again(change, None)).outcome == "delivered"
    assert (desk.vendor.creates, desk.vendor.items) == (1, {"item-1": "paid"})


def test_removed_twice_in_one_attempt_is_parked(desk: Desk) -> None:
    """No loop between "it is gone" and "make it anew"."""
    each = _update(desk)
    desk.vendor.faults = [Gone("gone"), Gone("gone again")]
    assert desk.courier().carry(each).outcome == "parked"


def test_replayed_answer_is_followed_by_an_update(desk: Desk) -> None:
    """A kept answer belongs to an earlier body: the item is brought up to date in the same attempt."""
    desk.vendor.kept["460000000098765:0"] = (desk.clock(), "item-9")
    desk.vendor.items["item-9"] = "draft"
    assert desk.courier().carry(delivery(status="paid")).outcome == "delivered"
    assert (desk.vendor.creates, desk.vendor.items) == (0, {"item-9": "paid"})
    assert desk.deliveries.of(delivery()).external_id == "item-9"


def test_refused_credentials_wait_for_a_person(desk: Desk) -> None:
    """A revoked token parks nothing: every delivery waits, at least five minutes a time, and is delivered after."""
    desk.vendor.faults = [NeedsAttention("connect again", 401)] * 3
    with pytest.raises(RetryLater) as caught:
        desk.courier().carry(delivery())
    assert caught.value.after == 300
    assert carry_on(desk, delivery()).outcome == "delivered"
    assert desk.parked.kept == {}


def test_refusal_of_credentials_is_not_repeated_from_memory(desk: Desk) -> None:
    """monday may keep a refusal under its key: the next create gets another one."""
    desk.vendor.faults = [NeedsAttention("connect again", 401)]
    carry_on(desk, delivery())
    first, second = desk.vendor.requests
    assert first.idempotency_key != second.idempotency_key


def test_after_76_hours_it_is_parked(desk: Desk) -> None:
    """An outage over a weekend is bridged; what lasts longer is parked with the last reason."""
    each = delivery()
    busy = RetryLater("Teams is throttling the bot", None, 429)
    desk.vendor.faults = [busy]
    with pytest.raises(RetryLater):
        desk.courier().carry(each, 1, NOW)
    desk.clock.advance(HORIZON.total_seconds() - 1)
    desk.vendor.faults = [busy]
    with pytest.raises(RetryLater):
        desk.courier().carry(each, 30, NOW)
    desk.clock.advance(1)
    desk.vendor.faults = [busy]
    result = desk.courier().carry(each, 31, NOW)
    assert (result.outcome, result.reason) == ("parked", "gave up after 76 hours: Teams is throttling the bot")
    assert desk.deliveries.of(each).state == "parked"


def test_next_message_has_76_hours_of_its_own(desk: Desk) -> None:
    """What was given up takes no time from the events behind it, nor from its own second try."""
    desk.vendor.faults = [RetryLater("busy")] * 4
    with pytest.raises(RetryLater):
        desk.courier().carry(delivery(), 1, NOW)
    desk.clock.advance(HORIZON.total_seconds())
    assert desk.courier().carry(delivery(), 30, NOW).outcome == "parked"
    for each in (delivery(action="updated", modified="2026-11-22T09:00:00+0100"), delivery(origin="replay")):
        with pytest.raises(RetryLater):
            desk.courier().carry(each, 1, desk.clock())


def test_giving_up_an_open_question_leaves_it_open(desk: Desk) -> None:
    """An unanswered create that is given up is still looked for when a person sends the delivery again."""
    desk.vendor.faults = [("after", Unknown("no answer"))]
    assert desk.courier().carry(delivery(), 9, NOW - HORIZON).outcome == "parked"
    memory = desk.deliveries.of(delivery())
    assert (memory.state, memory.request is not None) == ("unknown", True)
    assert carry_on(desk, delivery(origin="replay")).outcome == "delivered"
    assert desk.vendor.creates == 1


def test_refused_delivery_is_parked_with_its_reason(desk: Desk) -> None:
    """A refusal is parked at once, whole, and acknowledged; a corrected try gets another key."""
    desk.vendor.faults = [Undeliverable("column zb_status has no label Sent", 200)]
    each = delivery()
    result = desk.courier().carry(each)
    assert (result.outcome, result.reason) == ("parked", "column zb_status has no label Sent")
    assert desk.parked.reasons == ["column zb_status has no label Sent"]
    assert Delivery.from_json(*desk.parked.kept.values()) == each
    assert (desk.audit.outcomes, desk.audit.entries[0].status) == (["parked"], 200)
    memory = desk.deliveries.of(each)
    assert (memory.state, memory.generation, memory.request) == ("parked", 1, None)
    assert desk.courier().carry(delivery(origin="replay")).outcome == "delivered"


def test_parked_again_after_a_replay_is_kept_again(desk: Desk) -> None:
    """A delivery that a person sends again and that fails again must not vanish as a duplicate of itself."""
    for minute in (0, 1):
        desk.vendor.faults = [Undeliverable("refused")]
        first_received = NOW + timedelta(minutes=minute)
        assert desk.courier().carry(delivery(origin="replay"), 1, first_received).outcome == "parked"
    assert desk.parked.reasons == ["refused", "refused"]


@pytest.mark.parametrize(
    ("each", "reason"),
    [
        (delivery("nowhere"), "not configured"),
        (replace(delivery(), event=replace(delivery().event, connection="gone")), "apply it"),
        (replace(delivery(), event=replace(delivery().event, module="timesheet")), "does not know the module"),
        (replace(delivery(), event=replace(delivery().event, payload={"total": "x"})), "unusable"),
    ],
)
def test_hopeless_deliveries_are_parked_not_dropped(desk: Desk, each: Delivery, reason: str) -> None:
    """What can not even be planned is kept with its reason."""
    result = desk.courier().carry(each)
    assert result.outcome == "parked"
    assert reason in result.reason
    assert desk.audit.outcomes == ["parked"]


def test_what_is_parked_is_remembered(desk: Desk) -> None:
    """Reconcile sees in the row that a person has this version, and does not send it again."""
    desk.courier().carry(delivery())
    refused = delivery(modified="2026-11-22T09:00:00+0100", status="paid")
    desk.vendor.faults = [Undeliverable("refused")]
    assert desk.courier().carry(refused).outcome == "parked"
    row = desk.deliveries.of(refused)
    assert (row.state, row.pending) == ("parked", refused.event.version)


def test_unreadable_message_is_parked(desk: Desk) -> None:
    """A message that this release cannot read is kept as it is."""
    desk.courier().reject('{"v":9}', "message-1", "schema 9")
    assert desk.parked.kept == {("message-1", "schema 9"): '{"v":9}'}


def test_fault_of_ours_is_not_swallowed(desk: Desk) -> None:
    """What no error of ours names leaves the courier as it is, and the next attempt repairs it."""
    desk.vendor.faults = [KeyError("bug")]
    with pytest.raises(KeyError):
        desk.courier().carry(delivery())
    desk.clock.advance(200)
    assert carry_on(desk, delivery()).outcome == "delivered"
    assert desk.vendor.creates == 1


# --- versions that take several requests -------------------------------------------------------------------------

NEWER = "2026-11-22T09:00:00+0100"


@pytest.fixture
def parted() -> Desk:
    """An item that is there, at a destination where each version is the item and two parts within it."""
    desk = Desk()
    desk.vendor = PartedVendor(desk.clock)
    desk.courier().carry(delivery(modified="2026-11-22T07:00:00+0100", status="draft"))
    desk.vendor.told.clear()
    desk.vendor.requests.clear()
    desk.deliveries.history.clear()
    desk.audit.entries.clear()
    return desk


def _stopped(desk: Desk, *faults: Any) -> Delivery:
    """A version whose item is changed, and whose first part meets the faults."""
    each = delivery(action="updated")
    desk.vendor.faults = [None, *faults]
    with suppress(RetryLater):
        desk.courier().carry(each)
    return each


def _numbers(desk: Desk) -> list[tuple[str, int]]:
    return [(status, number) for _, status, _, number in desk.vendor.told]


def test_version_of_several_requests_is_one_delivery(parted: Desk) -> None:
    """One write per request and one at the end; one entry, which names the last part; the row names the item."""
    result = parted.courier().carry(delivery(action="updated"))
    assert (result.outcome, _numbers(parted)) == ("delivered", [("sent", 1), ("sent", 2)])
    assert [row.step for row in parted.deliveries.history] == [0, 1, 2, 0]
    assert [row.state for row in parted.deliveries.history] == ["sending", "sending", "sending", "done"]
    (entry,) = parted.audit.entries
    assert (entry.outcome, entry.external_id, entry.link) == ("delivered", "part-2", "https://vendor.example/part-2")
    assert entry.operation == "update", "to the record something was added, it was not made"
    row = parted.deliveries.of(delivery())
    assert (row.external_id, row.link, row.pending, row.request) == ("item-1", "https://vendor.example/1", None, None)
    assert row.version == delivery().event.version


def test_row_tells_of_the_version_before_until_the_last_request_is_done(parted: Desk) -> None:
    """What a part says has changed is found by what the row shows."""
    parted.courier().carry(delivery(action="updated", balance="10.00"))
    *under_way, done = [json.loads(row.shown)["status"] for row in parted.deliveries.history]
    assert (set(under_way), done) == ({"draft"}, "sent")


@pytest.mark.parametrize(
    "fault",
    [
        RetryLater("busy", 1),
        Throttled("our own count", 1),
        NeedsAttention("connect again", 401),
        Unknown("no answer"),
        ("after", Unknown("no answer")),
    ],
    ids=["busy", "throttled", "credentials", "lost before", "lost after"],
)
def test_next_attempt_goes_on_where_the_last_one_stopped(parted: Desk, fault: Any) -> None:
    """What is done is not done again."""
    each = _stopped(parted, fault)
    row = parted.deliveries.of(each)
    assert (row.step, row.pending, row.owner) == (1, each.event.version, "")
    assert carry_on(parted, each).outcome == "delivered"
    assert (len(parted.vendor.updates), _numbers(parted)) == (1, [("sent", 1), ("sent", 2)])


def test_parked_part_goes_on_when_a_person_sends_it_again(parted: Desk) -> None:
    """A refusal of the second part is no reason to repeat the first."""
    each = _stopped(parted, None, Undeliverable("the thread is locked"))
    row = parted.deliveries.of(each)
    assert (parted.parked.reasons, row.state, row.step) == (["the thread is locked"], "parked", 2)
    assert parted.courier().carry(again(each, None)).outcome == "delivered"
    assert (len(parted.vendor.updates), _numbers(parted)) == (1, [("sent", 1), ("sent", 2)])


def test_given_up_part_is_parked_with_its_place(parted: Desk) -> None:
    """After the horizon too, a person's retry goes on at the same part."""
    each = delivery(action="updated")
    parted.vendor.faults = [None, RetryLater("busy")]
    assert parted.courier().carry(each, 9, NOW - HORIZON).outcome == "parked"
    assert parted.deliveries.of(each).step == 1
    assert parted.courier().carry(again(each, None)).outcome == "delivered"
    assert len(parted.vendor.updates) == 1


def test_newer_version_begins_at_its_own_first_request(parted: Desk) -> None:
    """What the older one had still to do is not done any more; the row knows what it may have shown."""
    older = _stopped(parted, RetryLater("busy", 1))
    newer = delivery(action="updated", modified=NEWER, status="paid")
    parted.vendor.faults = [RetryLater("busy", 1)]
    with pytest.raises(RetryLater):
        parted.courier().carry(newer)
    row = parted.deliveries.of(newer)
    assert (row.step, row.pending, row.doubt) == (0, None, older.event.version)
    assert parted.courier().carry(newer).outcome == "delivered"
    assert parted.courier().carry(older).outcome == "skipped"
    assert _numbers(parted) == [("paid", 1), ("paid", 2)]
    assert parted.deliveries.of(newer).doubt is None


def test_older_version_does_not_go_over_one_that_is_half_there(parted: Desk) -> None:
    """The guard knows the version that is under way: Zoho is asked for the newest."""
    newer = _stopped(parted, RetryLater("busy", 1))
    parted.books.records["invoice", "460000000098765"] = newer.event.payload or {}
    assert parted.courier().carry(delivery(modified="2026-11-22T08:00:00+0100", status="viewed")).outcome == "delivered"
    assert (parted.vendor.items, _numbers(parted)) == ({"item-1": "sent"}, [("sent", 1), ("sent", 2)])
    assert len(parted.vendor.updates) == 1, "it went on with the newer one's first part"


@pytest.mark.parametrize("fault", [RetryLater("busy", 1), Undeliverable("refused")])
def test_change_taken_back_is_sent_if_the_change_is_half_there(parted: Desk, fault: Exception) -> None:
    """Draft, sent but for its parts, draft again: the item shows what it shall not."""
    parted.vendor.covered = True
    _stopped(parted, fault)
    back = delivery(action="updated", modified=NEWER, status="draft")
    assert parted.courier().carry(back).outcome == "delivered"
    assert parted.vendor.items == {"item-1": "draft"}


def test_version_that_cannot_be_read_does_not_hide_one_that_is_half_there(parted: Desk) -> None:
    """It is parked before it is planned; the row still knows what may be shown."""
    half = _stopped(parted, RetryLater("busy", 1))
    broken = delivery(action="updated", modified=NEWER)
    broken = replace(broken, event=replace(broken.event, payload={"total": "x"}))
    assert parted.courier().carry(broken).outcome == "parked"
    row = parted.deliveries.of(half)
    assert (row.pending, row.step, row.doubt) == (broken.event.version, 0, half.event.version)


def test_removed_item_is_made_anew_with_all_its_parts(parted: Desk) -> None:
    """Found missing under a part: the version begins once more, with a new item."""
    each = _stopped(parted, RetryLater("busy", 1))
    parted.vendor.items.clear()
    assert parted.courier().carry(each).outcome == "delivered"
    assert parted.vendor.items == {"item-2": "sent"}
    assert [(item, number) for item, _, _, number in parted.vendor.told] == [("item-2", 1), ("item-2", 2)]


def test_item_that_goes_again_and_again_is_parked(parted: Desk) -> None:
    """No loop between "it is gone" and "make it anew", wherever it is found."""
    parted.vendor.faults = [None, Gone("gone"), None, Gone("gone again")]
    assert parted.courier().carry(delivery(action="updated")).outcome == "parked"


def test_found_first_request_is_followed_by_the_others(desk: Desk) -> None:
    """A create that is found by looking is not the whole version."""
    desk.vendor = PartedVendor(desk.clock)
    assert carry_on(desk, _lost(desk, created=True)).outcome == "delivered"
    assert (desk.vendor.creates, _numbers(desk)) == (1, [("sent", 1), ("sent", 2)])
    assert desk.audit.outcomes == ["unknown", "delivered"]


def _unasked(desk: Desk) -> Delivery:
    """The first part got no answer, and nobody can be asked."""
    desk.vendor.keys, desk.vendor.blind = False, True
    return _stopped(desk, ("after", Unknown("no answer")))


def test_part_that_cannot_be_looked_for_is_asked_about(parted: Desk) -> None:
    """As everything that may be there: a person looks, and what follows it is sent when it is answered."""
    each = _unasked(parted)
    parted.vendor.told.clear()
    assert parted.courier().carry(_answer(parted, each)).outcome == "delivered"
    assert (len(parted.vendor.updates), _numbers(parted)) == (1, [("sent", 1), ("sent", 2)])


def test_newer_version_waits_for_no_answer_about_an_older_ones_part(parted: Desk) -> None:
    """The item is known: only what stands for the record holds up what comes after it."""
    each = _unasked(parted)
    assert parted.courier().carry(each).outcome == "parked"
    assert parted.courier().carry(delivery(action="updated", modified=NEWER, status="paid")).outcome == "delivered"
    assert _numbers(parted) == [("sent", 1), ("paid", 1), ("paid", 2)]
    assert parted.courier().carry(again(each, parted.parked.asked[-1])).outcome == "skipped"


def test_older_event_does_not_bring_a_part_in_question_again(parted: Desk) -> None:
    """Zoho gives the newest version for it: the very one whose part nobody knows of."""
    newer = _unasked(parted)
    parted.books.records["invoice", "460000000098765"] = newer.event.payload or {}
    older = delivery(modified="2026-11-22T08:00:00+0100", status="viewed")
    assert parted.courier().carry(older).outcome == "parked"
    assert _numbers(parted) == [("sent", 1)]


def test_part_whose_answer_is_repeated_is_done(parted: Desk) -> None:
    """Its key is of its content: what the vendor knows under it is this very part."""
    each = delivery(action="updated")
    parted.vendor.told.append(("item-1", "sent", str(each.event.version), 1))
    assert parted.courier().carry(each).outcome == "delivered"
    assert _numbers(parted) == [("sent", 1), ("sent", 2)]


def test_deletion_that_is_heard_of_twice_is_one(parted: Desk) -> None:
    """Zoho gives it no time of its own: what the one has begun the other ends."""
    deletion = delivery(action="deleted")
    parted.vendor.faults = [None, None, RetryLater("busy", 1)]
    with pytest.raises(RetryLater):
        parted.courier().carry(deletion)
    later = replace(deletion, event=replace(deletion.event, version=Version.deletion("2026-11-22T08:30:00Z")))
    assert parted.courier().carry(later).outcome == "delivered"
    assert _numbers(parted) == [("deleted", 1), ("deleted", 2)]


def test_version_of_one_request_costs_two_writes(desk: Desk) -> None:
    """The claim, and the end with its entry."""
    desk.courier().carry(delivery())
    assert [row.state for row in desk.deliveries.history] == ["sending", "done"]
