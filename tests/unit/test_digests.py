"""Digests: what is gathered is told once, with proof, whatever crashes, and a channel stays readable."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_connector import gathering
from ml_connector.audit import SETTLED
from ml_connector.digests import summed
from ml_connector.events import Delivery, Version
from ml_connector.gathering import MODULE
from ml_connector.parked import again, unwrap
from ml_connector.ports import Memory, Shelved
from tests.digest_world import World
from tests.points import Crash, crash_at

MORNING = datetime(2026, 11, 23, 9, 0, 10, tzinfo=UTC)
EVENING = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
NIGHT = {"from": "19:00", "to": "07:00"}


def quiet(**changes: Any) -> World:
    return World(EVENING, above=changes.pop("above", 15), quiet=NIGHT, **changes)


def every_event_is_told_once(world: World) -> None:
    """In the trail with the id of a message that is there; nothing waits any more, and all chains hold."""
    told = world.told()
    for each in world.sent:
        ids = told.get(f"{each.event.record_id}@{each.event.version}", [])
        assert len(ids) == 1, (each.event.record_id, ids)
        assert ids[0] in {post.id for post in world.channel.posts}
    assert not any(world.deliveries.shelf.held.values())
    assert world.deliveries.faults() == []
    rows = {key: row for key, row in world.deliveries.rows.items() if f"#{MODULE}#" not in key[0]}
    assert {row.state for row in rows.values()} == {"done"}
    assert not any(row.gathered for row in rows.values())
    assert world.parked.held == []
    # A card and a digest never tell of the same version, and no two posts are of one.
    cards = Counter(post.mark for post in world.channel.posts)
    assert set(cards.values()) <= {1}


# --- bursts ----------------------------------------------------------------------------------------------------------


def test_what_a_channel_can_take_is_posted_as_it_comes() -> None:
    """Fifteen in a minute are cards; nothing is gathered."""
    world = World(MORNING, above=15)
    for number in range(15):
        world.send(world.event(f"1{number:03}"))
    world.run()
    assert (len(world.channel.posts), world.channel.digests) == (15, [])
    every_event_is_told_once(world)


def test_above_that_the_rest_of_the_minute_is_one_card() -> None:
    """A hundred invoices at once: fifteen cards, then one that tells of the others, with their sums."""
    world = World(MORNING, above=15)
    for number in range(100):
        world.send(
            world.event(f"1{number:03}", total="10.50", balance="10.50", currency_code="EUR" if number % 2 else "USD")
        )
    world.run()
    (digest,) = world.channel.digests
    assert len(world.channel.posts) == 16
    assert digest.facts["count"] == 85
    (events,) = digest.facts["events"]
    assert (events["event"], events["count"]) == ("invoice.created", 85)
    assert set(events["sums"]) == {"EUR", "USD"}
    every_event_is_told_once(world)


def test_few_are_put_back_and_posted_one_by_one() -> None:
    """A digest of two would be no shorter; they come when the minute is over, however busy the channel is then."""
    world = World(MORNING, above=3)
    for number in range(5):
        world.send(world.event(f"1{number:03}"))
    world.run()
    assert (len(world.channel.posts), world.channel.digests) == (5, [])
    assert "gathered" in world.deliveries.audit.outcomes
    every_event_is_told_once(world)


def test_a_channel_without_a_limit_is_never_gathered() -> None:
    """`above = 0` posts everything, a message a second."""
    world = World(MORNING, above=0)
    for number in range(40):
        world.send(world.event(f"1{number:03}"))
    world.run()
    assert (len(world.channel.posts), world.channel.digests) == (40, [])
    every_event_is_told_once(world)


def month_end(world: World, invoices: int, minutes: int, at: Callable[[], Any] = lambda: None) -> None:
    """So many invoices in so many minutes, worked off by whoever is there."""
    start = world.clock.now
    while len(world.sent) < invoices:
        due = int((world.clock.now - start) / timedelta(minutes=minutes) * invoices)
        while len(world.sent) <= min(due, invoices - 1):
            world.send(world.event(f"{len(world.sent):04}"))
        if not world.work(at()):
            world.clock.advance(0.2)
        world.clock.advance(0.02)
    world.run(at=at)


def test_a_month_end_makes_a_readable_channel() -> None:
    """2,000 invoices in ten minutes: at most a post a second, fifteen cards and a digest a minute, nothing lost."""
    world = World(MORNING, above=15)
    month_end(world, 2000, 10)
    times = [post.at for post in world.channel.posts]
    assert all((later - earlier) >= timedelta(seconds=1) for earlier, later in pairwise(times))
    cards = [post.at for post in world.channel.posts if not post.facts]
    for first in cards:
        assert sum(first <= other < first + timedelta(seconds=60) for other in cards) <= 15
    assert 10 <= len(world.channel.digests) <= 14
    assert len(world.channel.posts) < 200
    every_event_is_told_once(world)


@pytest.mark.parametrize("seed", range(4))
def test_a_month_end_whose_workers_crash(seed: int) -> None:
    """One call in five hundred is a worker's last: later, but all of it, once."""
    world, chance = World(MORNING, seed, above=15), random.Random(seed)

    def at(number: int, name: str) -> None:
        if chance.random() < 0.002:
            raise Crash

    month_end(world, 300, 2, lambda: at)
    assert world.channel.digests
    every_event_is_told_once(world)


def cards_of(world: World, records: int) -> None:
    """A card of each record is there, from before."""
    for number in range(records):
        event = world.event(f"{number:04}").event
        card = Memory("done", version=event.version, external_id=f"card{number}", shown='{"status":"sent"}')
        world.deliveries.write(event.record_key, "finance", card)


def test_a_day_that_two_thousand_are_overdue_is_readable_and_every_card_current_at_once() -> None:
    """Fifteen replies a minute beside a digest; each card is edited once, as fast as Microsoft takes it."""
    world = World(MORNING, above=15)
    cards_of(world, 2000)
    began = world.clock.now
    for number in range(2000):
        each = world.event(f"{number:04}", "updated", version=1)
        world.send(replace(each, event=replace(each.event, status="overdue")))
    world.run()
    edits = [at for at, _, _ in world.channel.edits]
    assert len(edits) == 2000
    # 60 calls in half a minute and 1,800 an hour are all that a conversation takes: replies have not their share of it.
    assert edits[1500] - began < timedelta(minutes=20)
    new = world.channel.posts
    replies = [post.at for post in new if not post.facts]
    assert len(replies) <= 15 * 25
    for first in replies:
        assert sum(first <= other < first + timedelta(seconds=60) for other in replies) <= 15
    told = sum(line["count"] for post in new for line in post.facts.get("events", ()) if post.facts)
    assert told + len(replies) == 2000
    assert {line["event"] for post in new for line in post.facts.get("events", ())} == {"invoice.overdue"}
    every_event_is_told_once(world)


def test_a_record_that_changes_again_while_its_reply_waits_goes_ahead_at_once() -> None:
    """Its card is edited again, at once; the newest wins, and the trail has a message for either version."""
    world = World(MORNING, above=1)
    cards_of(world, 4)
    for number in range(4):
        world.send(world.event(f"{number:04}", "updated", version=1))
    world.run(until=lambda: world.deliveries.audit.outcomes.count("gathered") == 3)
    waits = next(each for each in world.sent if world.deliveries.of(each).state == "waiting")
    assert world.deliveries.of(waits).step == 1
    newer = world.event(waits.event.record_id, "updated", version=2)
    world.send(newer)
    before = world.clock.now
    world.run(until=lambda: len(world.channel.edits) == 5)
    assert world.clock.now - before < timedelta(seconds=5)
    assert world.channel.edits[-1][2] == str(newer.event.version)
    world.run()
    assert world.deliveries.of(newer).version == newer.event.version
    assert len(world.channel.digests) == 1
    every_event_is_told_once(world)


def _replies_above_one() -> World:
    world = World(MORNING, above=1)
    cards_of(world, 3)
    for number in range(3):
        world.send(world.event(f"{number:04}", "updated", version=1))
    world.send(world.event("0001", "updated", version=2))
    return world


# --- quiet hours -----------------------------------------------------------------------------------------------------


def test_the_night_is_one_card_in_the_morning() -> None:
    """Nothing is posted before seven; then one card tells of all, and the row of each says that it was told."""
    world = quiet()
    for number in range(30):
        world.send(world.event(f"1{number:03}"))
        world.work()
        world.clock.advance(600)
    assert world.channel.posts == []
    world.run()
    (digest,) = world.channel.posts
    assert digest.facts["count"] == 30
    assert datetime(2026, 11, 24, 6, 0, tzinfo=UTC) <= digest.at <= datetime(2026, 11, 24, 6, 1, tzinfo=UTC)
    every_event_is_told_once(world)


def test_one_of_the_night_is_posted_by_itself_in_the_morning() -> None:
    """A digest of one is its card."""
    world = quiet()
    world.send(world.event("1000"))
    world.run()
    (post,) = world.channel.posts
    assert (post.record, post.facts) == ("1000", {})
    assert post.at >= datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
    every_event_is_told_once(world)


def test_a_card_is_kept_current_in_quiet_hours() -> None:
    """Its edit makes no noise; only the reply waits, for the digest, and the next change replies again."""
    world = World(datetime(2026, 11, 23, 15, 0, tzinfo=UTC), above=15, quiet=NIGHT)
    for name in ("1000", "1001"):
        world.send(world.event(name))
    world.run()
    assert len(world.channel.posts) == 2
    world.clock.now = EVENING
    for name in ("1000", "1001"):
        world.send(world.event(name, "updated", version=1))
    world.run(until=lambda: world.clock.now > EVENING + timedelta(minutes=5))
    assert [at < EVENING + timedelta(minutes=5) for at, _, _ in world.channel.edits] == [True, True]
    world.run()
    assert [post.facts.get("count") for post in world.channel.posts[2:]] == [2]
    world.send(world.event("1000", "updated", version=2))
    world.run()
    assert len(world.channel.edits) == 3
    assert world.channel.posts[3].record == "1000"
    every_event_is_told_once(world)


def test_a_record_that_only_a_digest_told_of_gets_a_card_with_its_next_change() -> None:
    """The digest itself is never edited."""
    world = quiet()
    for name in ("1000", "1001"):
        world.send(world.event(name))
    world.run()
    world.clock.now = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
    world.send(world.event("1000", "updated", version=1))
    world.run()
    assert [bool(post.facts) for post in world.channel.posts] == [True, False]
    assert world.channel.edits == []
    every_event_is_told_once(world)


def test_two_versions_of_a_night_are_both_told_and_the_newest_is_shown() -> None:
    """Each has its entry; among the largest stands what is true."""
    world = quiet()
    world.send(world.event("1000", total="10", balance="10"))
    world.run(until=lambda: "gathered" in world.deliveries.audit.outcomes)
    world.send(world.event("1000", "updated", version=1, total="20", balance="20"))
    world.run()
    (digest,) = world.channel.posts
    assert digest.facts["count"] == 2
    assert [each["amount"] for each in digest.facts["largest"]] == ["20"]
    every_event_is_told_once(world)


def test_what_waits_for_a_digest_is_not_sent_by_a_repetition() -> None:
    """A webhook that comes twice, or reconcile's: it is skipped while the digest is still to come."""
    world = quiet()
    for name in ("1000", "1001"):
        world.send(world.event(name))
    world.run(until=lambda: world.deliveries.audit.outcomes.count("gathered") == 2)
    again = world.sent[0]
    world.queue.put(again.to_json(), again.lane, "once more")
    world.run()
    assert "skipped" in world.deliveries.audit.outcomes
    assert len(world.channel.posts) == 1
    every_event_is_told_once(world)


def test_a_version_older_than_the_one_that_waits_is_out_of_order() -> None:
    """It does not come after it, nor beside it."""
    world = quiet()
    newer = world.event("1000", "updated", version=5)
    world.send(newer)
    world.run(until=lambda: "gathered" in world.deliveries.audit.outcomes)
    older = world.event("1000", version=1)
    world.queue.put(older.to_json(), older.lane, older.id)
    world.run()
    skipped = [each for each in world.deliveries.audit.entries if each.outcome == "skipped" and each.module != MODULE]
    assert [each.reason for each in skipped] == ["out of order: a newer version waits"]
    assert len(world.channel.posts) == 1


# --- trouble ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answers", [["lost before"], ["lost after"], ["busy"], ["lost before", "lost before"]])
def test_a_digest_without_an_answer_is_looked_for_and_made_once(answers: list[str]) -> None:
    """As any post: by its mark, in the channel."""
    world = quiet()
    for number in range(3):
        world.send(world.event(f"1{number:03}"))
    world.run(until=lambda: world.deliveries.audit.outcomes.count("gathered") == 3)
    world.channel.answers = answers
    world.run()
    assert len(world.channel.posts) == 1
    every_event_is_told_once(world)


def test_what_came_too_late_for_a_digest_is_posted_by_itself() -> None:
    """A worker that gathered while the digest was being made: its item is not among those that were told."""
    world = quiet()
    for number in range(3):
        world.send(world.event(f"1{number:03}"))
    world.run(until=lambda: bool(world.channel.posts))
    late = world.event("2000")
    shelf, digest = world.deliveries.shelf, "finance.quiet-20261123T1800Z"
    memory = world.deliveries.of(late)
    shelved = Shelved(digest, Delivery(late.event, "finance").thin(), {}, {})
    row = gathering.flush(late.event, "finance", digest, world.clock.now)
    world.deliveries.write(
        late.event.record_key, "finance",
        replace(memory, state="waiting", pending=late.event.version, gathered=digest), put=shelved,
    )  # fmt: skip
    assert shelf.read("acme-eu", digest)
    world.sent.append(late)
    world.queue.move(row, "late")
    world.run()
    assert [bool(post.facts) for post in world.channel.posts] == [True, False]
    every_event_is_told_once(world)


def test_a_parked_digest_leaves_its_members_waiting_and_goes_on_when_it_is_sent_again() -> None:
    """What it would have told is seen to wait; a person puts the channel right, and nothing is told twice."""
    world = quiet()
    for number in range(3):
        world.send(world.event(f"1{number:03}"))
    world.run(until=lambda: world.deliveries.audit.outcomes.count("gathered") == 3)
    world.channel.answers = ["refused"]
    world.run()
    (held,) = world.parked.held
    assert [world.deliveries.of(each).state for each in world.sent] == ["waiting"] * 3
    kept = unwrap(held)
    assert kept.delivery is not None
    sent = again(kept.delivery, kept.why.asked)
    world.parked.held.clear()
    world.queue.put(sent.to_json(), sent.lane, "replay")
    world.run()
    assert [post.facts["count"] for post in world.channel.posts] == [3]
    every_event_is_told_once(world)


@pytest.mark.parametrize("came_later", [0, 2])
def test_a_digest_without_an_answer_that_nobody_can_look_for_waits_for_a_person(came_later: int) -> None:
    """As behind a workflow. Sent again it is made once more, and tells of what was called late, too."""
    world = quiet()
    world.channel.blind = True
    for number in range(3):
        world.send(world.event(f"1{number:03}"))
    world.run(until=lambda: world.deliveries.audit.outcomes.count("gathered") == 3)
    world.channel.answers = ["lost before"]
    world.run()
    (held,) = world.parked.held
    for number in range(came_later):
        late = world.event(f"2{number:03}")
        world.sent.append(late)
        row = Memory("waiting", pending=late.event.version, gathered="finance.quiet-20261123T1800Z")
        shelved = Shelved(row.gathered, late.thin(), {}, {})
        world.deliveries.write(late.event.record_key, "finance", row, put=shelved)
    kept = unwrap(held)
    assert kept.delivery is not None
    sent = again(kept.delivery, kept.why.asked)
    world.parked.held.clear()
    world.queue.put(sent.to_json(), sent.lane, "replay")
    world.run()
    assert [post.facts["count"] for post in world.channel.posts] == [3 + came_later]
    every_event_is_told_once(world)


def test_more_than_a_run_can_settle_is_settled_by_the_next() -> None:
    """The function ends after a minute and a half; the digest is not posted again for the rest."""
    world = quiet()
    for number in range(200):
        world.send(world.event(f"{number:04}"))
    world.run(until=lambda: world.deliveries.audit.outcomes.count("gathered") == 200)

    def at(number: int, name: str) -> None:
        if name == "before deliveries.write":
            world.clock.advance(1)

    began = world.clock.now = datetime(2026, 11, 24, 6, 0, 6, tzinfo=UTC)
    world.work(at)
    assert world.clock.now - began < timedelta(seconds=60)
    assert 0 < world.deliveries.audit.outcomes.count("delivered") < 60
    world.run(at=lambda: at)
    assert [post.facts["count"] for post in world.channel.posts] == [200]
    every_event_is_told_once(world)


SHELF = "finance.busy-20261123T0900Z"


@pytest.mark.parametrize("dies", [False, True])
def test_a_worker_that_is_slower_than_its_slot_calls_once_more(dies: bool) -> None:
    """The digest was made while it was about to write: somebody comes for what it left, even if it dies over that."""
    world = World(MORNING, above=1)
    for number in range(2):
        world.send(world.event(f"1{number:03}"))
    world.work()
    written = []

    def at(number: int, name: str) -> None:
        # The second write, after that of the claim.
        if name == "before deliveries.write" and len(written) < 2:
            written.append(name)
            if len(written) == 2:
                world.clock.advance(60)
                # Its call is answered by another worker: nothing is on the shelf yet.
                world.run(until=lambda: not any(MODULE in held.body for held in world.queue.held))
        if dies and name == "after deliveries.write" and len(written) == 2:
            raise Crash

    world.work(at)
    assert len(world.deliveries.shelf.read("acme-eu", SHELF)) == 1
    world.run()
    every_event_is_told_once(world)


def test_what_was_put_back_waits_until_its_digest_has_let_go() -> None:
    """The digest's worker dies over it, and late ones make it a real digest: that tells of all of them, once."""
    world = World(MORNING, above=3)
    for number in range(5):
        world.send(world.event(f"1{number:03}"))
    world.run(until=lambda: world.deliveries.audit.outcomes.count("gathered") == 2)
    world.clock.advance(60)

    def at(number: int, name: str) -> None:
        if name == "after queue.move":
            raise Crash

    while not any('"single":true' in held.body for held in world.queue.held):
        world.work(at)
        world.clock.advance(0.1)
    for number in range(5, 8):
        late = world.event(f"1{number:03}")
        world.sent.append(late)
        row = Memory("waiting", pending=late.event.version, gathered=SHELF)
        world.deliveries.write(
            late.event.record_key, "finance", row, put=Shelved(SHELF, late.thin(), {}, {"shown": "{}"})
        )
    world.run()
    assert [post.facts["count"] for post in world.channel.digests] == [5]
    every_event_is_told_once(world)


def test_what_was_put_back_is_posted_however_crowded_the_channel_is() -> None:
    """It has waited once."""
    world = World(MORNING, above=1)
    for number in range(2):
        world.send(world.event(f"1{number:03}"))
    world.run()
    first, second = (post.at for post in world.channel.posts)
    assert second - first < timedelta(seconds=60)
    assert world.deliveries.audit.outcomes.count("gathered") == 1
    every_event_is_told_once(world)


def test_a_row_that_somebody_has_is_settled_later() -> None:
    """A claim holds: what it says of the record is not written over."""
    world = quiet()
    for number in range(3):
        world.send(world.event(f"1{number:03}"))
    world.run(until=lambda: world.deliveries.audit.outcomes.count("gathered") == 3)
    key = (world.sent[0].event.record_key, "finance")
    held = replace(
        world.deliveries.rows[key], state="sending", lease_until="2026-11-24T06:01:00.000000Z", owner="other"
    )
    world.deliveries.rows[key] = held
    world.run(until=lambda: world.deliveries.audit.outcomes.count("delivered") == 3)
    assert world.deliveries.rows[key] == held
    world.deliveries.rows[key] = replace(held, state="waiting", lease_until="", owner="")
    world.run()
    every_event_is_told_once(world)


def test_a_newer_version_that_came_meanwhile_stays_the_newer_one() -> None:
    """Somebody lifted the limit: the newer one was posted before the digest told of the older one."""
    world = World(MORNING, above=1)
    for number in range(3):
        world.send(world.event(f"1{number:03}"))
    world.run(until=lambda: world.deliveries.audit.outcomes.count("gathered") == 2)
    gathered = [each.record_id for each in world.deliveries.audit.entries if each.outcome == "gathered"]
    lifted = {"finance": {**world.connection.destinations["finance"], "digest": {"above": 0}}}
    world.connection = replace(world.connection, destinations=lifted)
    newer = world.event(gathered[0], "updated", version=9)
    world.send(newer)
    world.run()
    assert world.deliveries.of(newer).version == newer.event.version
    assert [post.facts["count"] for post in world.channel.digests] == [2]
    every_event_is_told_once(world)


def test_a_worker_whose_clock_is_behind_leaves_nothing_without_a_digest() -> None:
    """To it the minute still lasts, so it calls nobody once more: a digest waits for longer than clocks differ."""
    world = World(MORNING, above=1)
    for number in range(3):
        world.send(world.event(f"1{number:03}"))
    now = MORNING.replace(minute=1, second=2)
    world.run(until=lambda: world.clock.now >= now)
    world.clock.now = now - timedelta(seconds=2.2)
    world.send(world.event("1003"))
    world.work()
    assert world.deliveries.audit.outcomes[-1] == "gathered"
    world.clock.now = now
    world.run()
    every_event_is_told_once(world)


def test_a_flush_is_called_anew_for_quiet_hours_that_end_at_another_time() -> None:
    """The file was applied while the night was gathered: what comes then must not wait for a call that is answered."""
    world = quiet(above=15)
    world.clock.now = datetime(2026, 11, 24, 5, 58, tzinfo=UTC)
    for number in range(2):
        world.send(world.event(f"1{number:03}"))
    world.run()
    assert len(world.channel.digests) == 1
    longer = {**world.connection.destinations["finance"], "digest": {"above": 15, "quiet": {**NIGHT, "to": "09:00"}}}
    world.connection = replace(world.connection, destinations={"finance": longer})
    world.send(world.event("2000"))
    world.run()
    assert world.channel.posts[-1].at >= datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
    every_event_is_told_once(world)


def test_a_record_that_is_deleted_before_its_digest_is_told_and_waits_for_none() -> None:
    """The row is the deletion's; the version that was gathered has its entry, and nothing is left."""
    world = quiet()
    for name in ("1000", "1001"):
        world.send(world.event(name))
    world.run(until=lambda: world.deliveries.audit.outcomes.count("gathered") == 2)
    first = world.sent[0]
    gone = replace(first.event, action="deleted", version=Version.deletion("2026-11-23T20:30:00Z"))
    world.queue.put(Delivery(gone, "finance").to_json(), first.lane, "gone")
    world.run(until=lambda: world.deliveries.of(first).state == "done")
    assert world.deliveries.of(first).gathered == ""
    world.run()
    assert [post.facts["count"] for post in world.channel.digests] == [2]
    every_event_is_told_once(world)


def _points(build: Callable[[], World]) -> int:
    """How many points a run passes."""
    world, seen = build(), [0]

    def count(number: int, name: str) -> None:
        seen[0] += 1

    world.run(at=lambda: count)
    return seen[0]


def _three_at_night() -> World:
    world = quiet()
    for number in range(3):
        world.send(world.event(f"1{number:03}"))
    return world


def _five_above_three() -> World:
    world = World(MORNING, above=3)
    for number in range(5):
        world.send(world.event(f"1{number:03}"))
    return world


def _nine_above_three() -> World:
    world = World(MORNING, above=3)
    for number in range(9):
        world.send(world.event(f"1{number:03}"))
    return world


@pytest.mark.parametrize("build", [_three_at_night, _five_above_three, _nine_above_three, _replies_above_one])
def test_a_crash_at_any_point_loses_and_doubles_nothing(build: Callable[[], World]) -> None:
    """Killed before and after every call of the gathering and of the digest, once each."""
    total = _points(build)
    assert total > 50
    for crash in range(1, total + 1):
        world, seen = build(), [0]

        def at(number: int, name: str, seen: list[int] = seen, crash: int = crash) -> None:
            seen[0] += 1
            crash_at(crash)(seen[0], name)

        world.run(at=lambda at=at: at)  # type: ignore[misc]
        every_event_is_told_once(world)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_orders_repetitions_and_crashes(data: st.DataObject) -> None:
    """Any order of events, versions, repetitions, lost answers and crashes, by night and by day: each is told once."""
    world = World(
        data.draw(st.sampled_from([MORNING, EVENING, datetime(2026, 11, 23, 17, 59, 30, tzinfo=UTC)])),
        seed=data.draw(st.integers(0, 1000)),
        above=data.draw(st.integers(1, 4)),
        quiet=NIGHT,
    )
    versions: Counter[str] = Counter()
    for _ in range(data.draw(st.integers(3, 14))):
        record = f"10{data.draw(st.integers(0, 6))}"
        version = versions[record]
        versions[record] += 1
        world.send(world.event(record, "updated" if version else "created", version=version))
        if data.draw(st.booleans()):
            again = data.draw(st.sampled_from(world.sent))
            world.queue.put(again.to_json(), again.lane, f"again {data.draw(st.integers(0, 99))}")
        world.clock.advance(data.draw(st.sampled_from([0.0, 0.5, 20.0, 90.0])))
        for _ in range(data.draw(st.integers(0, 4))):
            world.work()
    world.channel.answers = data.draw(
        st.lists(st.sampled_from(["ok", "busy", "lost before", "lost after"]), max_size=4)
    )
    crashes = data.draw(st.sets(st.integers(1, 400), max_size=4))
    seen = [0]

    def at(number: int, name: str) -> None:
        seen[0] += 1
        crash_at(*crashes)(seen[0], name)

    world.run(at=lambda: at, longest=timedelta(days=3))
    newest = {each.event.record_id: each for each in world.sent}
    told = world.told()
    for each in newest.values():
        assert len(told.get(f"{each.event.record_id}@{each.event.version}", [])) >= 1
    assert all(len(ids) == 1 for ids in told.values()), told
    # What is fetched anew may be told as the newest version by then.
    last = {each.delivery: each for each in world.deliveries.audit.entries}
    for each in world.sent:
        entry = last[each.id]
        assert entry.outcome in SETTLED or f"{entry.record_id}@{entry.version}" in told
    assert not any(world.deliveries.shelf.held.values())
    assert world.deliveries.faults() == []
    marks = Counter(post.mark for post in world.channel.posts)
    assert set(marks.values()) <= {1}


# --- what it says ----------------------------------------------------------------------------------------------------


def shelved(record: str, event: str, amount: str, currency: str = "EUR", base: str = "") -> Shelved:
    world = World(MORNING)
    action = event.partition(".")[2]
    facts = {
        "number": record,
        "party": "Bakery",
        "amount": amount,
        "currency": currency,
        **({"base": base} if base else {}),
    }
    return Shelved("finance.busy-20261123T0900Z", world.event(record, action).thin(), facts, {})


def test_sums_are_never_made_over_currencies_or_kinds() -> None:
    """Invoices in euros, in dollars, and changes are lines of their own."""
    found = summed(
        "finance.busy-20261123T0900Z",
        [
            shelved("1", "invoice.created", "10.10"),
            shelved("2", "invoice.created", "0.20"),
            shelved("3", "invoice.created", "5", "USD"),
            shelved("4", "invoice.updated", "7"),
        ],
    )
    assert found["events"] == [
        {"event": "invoice.created", "count": 3, "sums": {"EUR": "10.30", "USD": "5"}},
        {"event": "invoice.updated", "count": 1, "sums": {"EUR": "7"}},
    ]
    assert (found["kind"], found["since"]) == ("busy", "2026-11-23T09:00:00+00:00")


def test_a_record_that_changed_three_times_is_one_record_with_its_newest_amount() -> None:
    """People read "1 invoice updated": neither it nor its sum is there three times."""
    world = World(MORNING)
    versions = [
        Shelved("finance.busy-20261123T0900Z", world.event("1", "updated", version=number).thin(), facts, {})
        for number, facts in enumerate({"amount": amount, "currency": "EUR"} for amount in ("10", "20", "30"))
    ]
    found = summed("finance.busy-20261123T0900Z", [versions[2], *versions[:2]])
    assert found["events"] == [{"event": "invoice.updated", "count": 1, "sums": {"EUR": "30"}}]
    assert found["count"] == 3


def test_an_amount_whose_currency_zoho_does_not_say_is_no_reason_to_crash() -> None:
    """Its sum stands by itself: the digest of all others must go out."""
    nowhere = shelved("1", "expense.created", "5", "")
    found = summed("finance.busy-20261123T0900Z", [replace(nowhere, facts={"amount": "5"})])
    assert found["events"][0]["sums"] == {"": "5"}


def test_the_largest_are_so_in_the_organizations_own_currency() -> None:
    """A million yen is no large sum."""
    yen = shelved("1", "invoice.created", "1000000", "JPY", base="6100")
    euros = [shelved(f"{number}", "invoice.created", f"{number}000", base=f"{number}000") for number in range(2, 9)]
    found = summed("finance.busy-20261123T0900Z", [yen, *euros])
    assert [each["id"] for each in found["largest"]] == ["8", "7", "1", "6", "5"]
