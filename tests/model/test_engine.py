"""The engine against a model of the world, in random sequences (invariants 3, 4, 5 and 9 of the design).

200 examples in `make test`; MODEL_EXAMPLES sets another number (`make soak`: thousands, other ones in every run).
"""

from __future__ import annotations

import os
from collections.abc import Callable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ml_connector.events import Delivery
from tests.model.world import World
from tests.points import Crash

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "200"))
RECORDS = ("1", "2")
ANSWERS = ("ok", "busy", "full", "lost before", "lost after", "refused", "credentials")
FINAL = ("delivered", "accepted", "skipped", "parked")

choices = st.integers(0, 9)
points = st.integers(1, 44)


class Truths(RuleBasedStateMachine):
    """What must hold at any time; `teardown` lets the world come to rest and asks whether all is well."""

    world: World
    unknown: str

    @invariant()
    def nothing_older_is_put_over_something_newer(self) -> None:
        assert not self.world.faults, self.world.faults

    @invariant()
    def nothing_is_there_twice(self) -> None:
        """But where the policy is to repeat, and the trail says so."""
        for name, vendor in self.world.vendors.items():
            for record in RECORDS:
                allowed = 1 + (self._flagged(name, record) if self.unknown == "repeat" else 0)
                assert len(vendor.of(record)) <= allowed, (name, record)

    @invariant()
    def nothing_is_told_twice(self) -> None:
        for name, vendor in self.world.vendors.items():
            for item in vendor.items:
                # Of two versions with the same word for "deleted", people see no difference.
                told = [("deleted" if version.deletes else str(version), number) for version, number in item.told]
                allowed = self._flagged(name, item.record) if self.unknown == "repeat" else 0
                assert len(told) <= len(set(told)) + allowed, (item.id, told)

    def _flagged(self, name: str, record: str) -> int:
        entries = self.world.deliveries.audit.entries
        return sum(
            "possible duplicate" in each.reason
            for each in entries
            if (each.destination, each.record_id) == (name, record)
        )

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        self._come_to_rest()
        world = self.world
        self.nothing_older_is_put_over_something_newer()
        self.nothing_is_there_twice()
        self.nothing_is_told_twice()
        assert world.deliveries.faults() == [], "every chain is whole"
        keys = [(each.at, each.delivery, each.attempt) for each in world.deliveries.audit.entries]
        assert len(set(keys)) == len(keys), "no entry is written over another"
        ended = {each.delivery for each in world.deliveries.audit.entries if each.outcome in FINAL}
        for event in world.events:
            for name in world.vendors:
                assert Delivery(event, name).id in ended, "nothing is lost"
        for name in world.vendors:
            for record in {event.record_id for event in world.events}:
                self._check(name, record)

    def _come_to_rest(self) -> None:
        """The vendors are well again, every webhook comes, and people look after what is parked."""
        world = self.world
        for vendor in world.vendors.values():
            vendor.answers.clear()
        self._drain()
        while world.pool:
            world.arrive(world.pool.pop(0))
        for _ in range(50):
            self._drain()
            if not world.parked.held:
                return
            world.look_after(world.parked.held[0])
        raise AssertionError("people are never done")

    def _drain(self) -> None:
        world = self.world
        for _ in range(3000):
            if not world.queue.held:
                return
            if world.work(0) is None:
                now = world.clock.now
                world.clock.now = min(each.visible_at for each in world.queue.held if each.visible_at > now)
        raise AssertionError("the queue never gets empty")

    def _check(self, name: str, record: str) -> None:
        """One record at one destination, when all is at rest."""
        world, vendor = self.world, self.world.vendors[name]
        events = [each for each in world.events if each.record_id == record]
        newest = events[-1].version
        left = {each.version for each in events if Delivery(each, name).id in world.left}
        memory = world.deliveries.read(events[0].record_key, name)
        assert (memory.owner, memory.lease_until) == ("", "")
        items = vendor.of(record)
        if newest.deletes and memory.state != "unknown":
            assert memory.state == "done"
            assert memory.version is not None
            assert memory.version.deletes or newest in left
            ours_shown = [each.shown[-1] for each in items if each.id == memory.external_id]
            assert all(each.deletes for each in ours_shown), "marked, or not there at all"
            assert not items or ours_shown or self.unknown == "repeat"
            return
        if memory.state == "unknown":
            # Teams, and the policy is to ask: a person has looked, found it there and left it.
            assert (self.unknown, vendor.keys) == ("park", False)
            assert left, "somebody was asked"
            assert record in {item.record for item in vendor.items}
            return
        assert memory.state == "done"
        assert memory.version is not None
        assert memory.version == newest or newest in left
        (ours,) = [each for each in vendor.items if each.id == memory.external_id]
        assert ours.shown[-1] == memory.version
        told = [number for version, number in ours.told if version == memory.version]
        assert told == list(range(1, vendor.parts + 1)) or self.unknown == "repeat", "nothing is left untold"
        assert items in ([ours], []) or self.unknown == "repeat", "none only if somebody removed it"
        assert ours in items or ours.removed
        of_it = [each for each in world.deliveries.audit.entries if each.version == str(memory.version)]
        assert "delivered" in [each.outcome for each in of_it if (each.destination, each.record_id) == (name, record)]
        known = {each.version for each in world.deliveries.audit.entries if each.record_id == record}
        assert {str(version) for item in vendor.items if item.record == record for version in item.shown} <= known


class Engine(Truths):
    """Rules are what may happen."""

    @initialize(unknown=st.sampled_from(["park", "repeat"]), parts=st.integers(0, 2), reads=st.booleans())
    def begin(self, unknown: str, parts: int, reads: bool) -> None:
        self.unknown = unknown
        self.world = World(unknown, parts=parts, reads=reads)

    @rule(record=st.sampled_from(RECORDS), seconds=st.integers(0, 2), thin=st.booleans(), at_once=st.booleans())
    def record_is_saved(self, record: str, seconds: int, thin: bool, at_once: bool) -> None:
        if any(each.record_id == record and each.version.deletes for each in self.world.events):
            return
        self.world.save(record, seconds, thin)
        if at_once:
            self._arrive(len(self.world.pool) - 1)

    @precondition(lambda self: self.world.books.records)
    @rule(record=st.sampled_from(RECORDS), at_once=st.booleans())
    def record_is_deleted(self, record: str, at_once: bool) -> None:
        if ("invoice", record) in self.world.books.records:
            self.world.delete(record)
            if at_once:
                self._arrive(len(self.world.pool) - 1)

    @precondition(lambda self: self.world.pool)
    @rule(choice=choices)
    def webhook_arrives(self, choice: int) -> None:
        """In any order."""
        self._arrive(choice % len(self.world.pool))

    @precondition(lambda self: len(self.world.events) > len(self.world.pool))
    @rule(choice=choices)
    def webhook_arrives_again(self, choice: int) -> None:
        arrived = [each for each in self.world.events if each not in self.world.pool]
        self.world.arrive(arrived[choice % len(arrived)])

    @rule(destination=st.sampled_from(("ledger", "finance")), answers=st.lists(st.sampled_from(ANSWERS), max_size=3))
    def vendor_will_answer(self, destination: str, answers: list[str]) -> None:
        self.world.vendors[destination].answers[:] = answers

    @rule(choice=choices)
    def worker(self, choice: int) -> None:
        self.world.work(choice)

    @rule(choice=choices, point=points)
    def worker_that_crashes(self, choice: int, point: int) -> None:
        self.world.work(choice, _crash(point))

    @rule(choice=choices, point=points, seconds=st.integers(0, 30), early=st.booleans(), rival=choices, end=points)
    def two_workers(self, choice: int, point: int, seconds: int, early: bool, rival: int, end: int) -> None:
        """While the first is held up, a second works on another message, or on the same that was shown too early."""

        def meanwhile(number: int, name: str) -> None:
            if number != point:
                return
            self.world.clock.advance(seconds)
            if early:
                for each in self.world.queue.held:
                    if each.receives and each.visible_at > self.world.clock.now:
                        each.visible_at = self.world.clock.now
            self.world.work(rival, _crash(end))

        self.world.work(choice, meanwhile)

    @rule(seconds=st.sampled_from((1, 10, 65, 200, 400, 1800, 7200)))
    def time_passes(self, seconds: int) -> None:
        self.world.clock.advance(seconds)

    @rule(destination=st.sampled_from(("ledger", "finance")), record=st.sampled_from(RECORDS))
    def somebody_removes_it(self, destination: str, record: str) -> None:
        for item in self.world.vendors[destination].of(record):
            item.removed = True

    @precondition(lambda self: self.world.parked.held)
    @rule(choice=choices)
    def person_looks_after_it(self, choice: int) -> None:
        held = self.world.parked.held
        self.world.look_after(held[choice % len(held)])

    def _arrive(self, index: int) -> None:
        self.world.arrive(self.world.pool.pop(index))


class Questions(Truths):
    """One record in one channel that cannot be asked: unanswered posts, and people who look after what is parked.

    Few rules, so that a run is long enough for an answer to meet a question that is not the one that was asked.
    """

    @initialize(parts=st.integers(0, 2))
    def begin(self, parts: int) -> None:
        self.unknown = "park"
        self.world = World(self.unknown, ["finance"], parts=parts)

    @rule()
    def record_is_saved(self) -> None:
        self.world.save("1", 1, thin=False)
        self.world.arrive(self.world.pool.pop())

    @precondition(lambda self: self.world.queue.held)
    @rule(choice=choices, answer=st.sampled_from(("ok", "busy", "lost before", "lost after", "refused")))
    def worker(self, choice: int, answer: str) -> None:
        self.world.vendors["finance"].answers[:] = [answer]
        self.world.work(choice)

    @rule()
    def time_passes(self) -> None:
        self.world.clock.advance(65)

    @precondition(lambda self: self.world.parked.held)
    @rule(choice=choices)
    def person_looks_after_it(self, choice: int) -> None:
        held = self.world.parked.held
        self.world.look_after(held[choice % len(held)])


def _crash(point: int) -> Callable[[int, str], None]:
    def at(number: int, name: str) -> None:
        if number == point:
            raise Crash(name)

    return at


RUN = settings(max_examples=EXAMPLES, stateful_step_count=40, derandomize="MODEL_EXAMPLES" not in os.environ)
TestEngine, TestQuestions = Engine.TestCase, Questions.TestCase
TestEngine.settings = TestQuestions.settings = RUN
