"""Notes on Zoho's own records never lead to notes: the real destination and engine against a Zoho that sets the trap.

In this Zoho a note changes the record's modification time and triggers the rule "edited", as the real one may
(contracts: zoho-books 7). People edit, webhooks come late, twice and in any order, answers get lost, workers crash.
"""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import requests
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ml_connector.delivery import Courier
from ml_connector.destinations.zoho_comment import connect
from ml_connector.events import Delivery, Event, Version
from ml_connector.parked import again, unwrap
from ml_connector.records import read
from tests.fakes import Says, Wire, connection, payload, toolbox
from tests.model.world import Only, Place, World
from tests.points import Crash

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "200"))
RECORDS = ("1", "2")
STATUSES = ("sent", "overdue", "paid")
ANSWERS = ("ok", "busy", "lost before", "lost after", "broken after", "refused", "credentials")

choices = st.integers(0, 9)
points = st.integers(1, 50)


@dataclass
class Books(World):
    """Zoho Books with its comments; `trap`: a note is an edit."""

    trap: bool
    answers: list[str] = field(default_factory=list)
    comments: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    states: dict[str, list[Version]] = field(default_factory=lambda: defaultdict(list))
    """What people made of each record, one after the other; what changes nothing that is shown is none."""
    echoes: int = 0

    def __post_init__(self) -> None:
        super().__init__("park", ())
        wire = Wire(self._answer)
        place = connect("notes", {"type": "zoho_comment"}, connection(), toolbox(wire, self.clock))
        self.places = Only(Place(place))

    def _courier(self) -> Courier:
        return replace(super()._courier(), destinations=self.places)

    def arrive(self, event: Event) -> None:
        each = Delivery(event, "notes")
        self.queue.put(each.to_json(), each.lane, each.id)

    # --- what happens in it

    def edit(self, record: str, seconds: int, *, thin: bool, **fields: str) -> None:
        """Somebody saves; Zoho's clock has seconds and does not go back.

        Nobody goes back and forth within one second: that would be the same version once more, for the queue too.
        """
        before = self.books.records.get(("invoice", record))
        content = {**(before or payload(invoice_id=record, status="draft")), **fields}
        newest = str(before["last_modified_time"]) if before else ""
        moment = self.clock.now + timedelta(seconds=seconds)
        content["last_modified_time"] = max(moment.strftime(_TIME), newest)
        while (version := read("invoice", content).version) in self.states[record][:-1]:
            moment += timedelta(seconds=1)
            content["last_modified_time"] = max(moment.strftime(_TIME), newest)
        self._saved("updated" if before else "created", record, content, thin=thin)
        if not self.states[record] or self.states[record][-1].fingerprint != version.fingerprint:
            self.states[record].append(version)

    def _saved(self, action: str, record: str, content: dict[str, Any], *, thin: bool = False) -> None:
        self.books.records["invoice", record] = content
        self.books.made.setdefault(record, self.clock.now)
        self.pool.append(self.event(action, record, thin=thin))

    def event(self, action: str, record: str, *, thin: bool = False, origin: str = "webhook") -> Event:
        content = self.books.records["invoice", record]
        event = Event(
            "acme-eu", "invoice", record, action, read("invoice", content).version,
            origin, "2026-11-22T08:00:00.000000Z", f"call-{len(self.events)}", None if thin else content,
        )  # fmt: skip
        self.events.append(event)
        return event

    def _answer(self, call: requests.PreparedRequest) -> Says:
        answer = self.answers.pop(0) if self.answers else "ok"
        if answer == "busy":
            return Says(429, {"code": 1070, "message": "busy"})
        if answer == "refused":
            return Says(400, {"code": 4, "message": "Invalid value passed for description"})
        if answer == "credentials":
            return Says(401, {"code": 57, "message": "You are not authorized"})
        if answer == "lost before":
            raise requests.ReadTimeout
        record = str(call.path_url).split("/")[4]
        if call.method == "GET":
            listed = [{"comment_id": str(at), "description": each} for at, each in enumerate(self.comments[record])]
            return Says(200, {"code": 0, "comments": listed})
        assert isinstance(call.body, bytes)
        self.comments[record].append(json.loads(call.body)["description"])
        if self.trap:
            self.echoes += 1
            content = dict(self.books.records["invoice", record])
            now = self.clock.now.strftime(_TIME)
            self._saved("updated", record, content | {"last_modified_time": max(now, content["last_modified_time"])})
        if answer == "lost after":
            raise requests.ReadTimeout
        return Says(500, {"code": 1000}) if answer == "broken after" else Says(200, {"code": 0})

    def send_again(self, body: str) -> None:
        """A person sends what is parked again."""
        self.parked.held.remove(body)
        kept = unwrap(body)
        assert kept.delivery is not None
        sent = again(kept.delivery, kept.why.asked)
        self.queue.put(sent.to_json(), sent.lane, f"replay-{len(self.queue.recent)}")


_TIME = "%Y-%m-%dT%H:%M:%S%z"


class Notes(RuleBasedStateMachine):
    """Rules are what may happen."""

    world: Books

    @initialize(trap=st.booleans())
    def begin(self, trap: bool) -> None:
        self.world = Books(trap)

    @rule(
        record=st.sampled_from(RECORDS),
        status=st.sampled_from(STATUSES),
        seconds=st.integers(0, 2),
        thin=st.booleans(),
        at_once=st.booleans(),
    )
    def somebody_edits(self, record: str, status: str, seconds: int, thin: bool, at_once: bool) -> None:
        self.world.edit(record, seconds, thin=thin, status=status)
        if at_once:
            self.world.arrive(self.world.pool.pop())

    @rule(record=st.sampled_from(RECORDS), text=st.sampled_from(("a", "b")), thin=st.booleans())
    def somebody_edits_what_is_not_shown(self, record: str, text: str, thin: bool) -> None:
        self.world.edit(record, 1, thin=thin, terms=text)

    @precondition(lambda self: self.world.pool)
    @rule(choice=choices)
    def webhook_arrives(self, choice: int) -> None:
        self.world.arrive(self.world.pool.pop(choice % len(self.world.pool)))

    @precondition(lambda self: len(self.world.events) > len(self.world.pool))
    @rule(choice=choices)
    def webhook_arrives_again(self, choice: int) -> None:
        arrived = [each for each in self.world.events if each not in self.world.pool]
        self.world.arrive(arrived[choice % len(arrived)])

    @precondition(lambda self: self.world.books.records)
    @rule(choice=choices)
    def reconcile_finds_it(self, choice: int) -> None:
        records = sorted(self.world.books.records)
        self.world.arrive(self.world.event("updated", records[choice % len(records)][1], origin="reconcile"))

    @rule(answers=st.lists(st.sampled_from(ANSWERS), max_size=3))
    def zoho_will_answer(self, answers: list[str]) -> None:
        self.world.answers[:] = answers

    @rule(choice=choices)
    def worker(self, choice: int) -> None:
        self.world.work(choice)

    @rule(choice=choices, point=points)
    def worker_that_crashes(self, choice: int, point: int) -> None:
        self.world.work(choice, _crash(point))

    @rule(choice=choices, point=points, seconds=st.integers(0, 200), rival=choices)
    def two_workers(self, choice: int, point: int, seconds: int, rival: int) -> None:
        """While the first is held up, longer than its claim perhaps, a second works on another message."""

        def meanwhile(number: int, name: str) -> None:
            if number == point:
                self.world.clock.advance(min(seconds, 90))
                self.world.work(rival)

        self.world.work(choice, meanwhile)

    @rule(seconds=st.sampled_from((1, 10, 65, 200, 1800, 7200)))
    def time_passes(self, seconds: int) -> None:
        self.world.clock.advance(seconds)

    @precondition(lambda self: self.world.parked.held)
    @rule(choice=choices)
    def person_sends_it_again(self, choice: int) -> None:
        self.world.send_again(self.world.parked.held[choice % len(self.world.parked.held)])

    @invariant()
    def there_are_no_more_notes_than_states(self) -> None:
        """Each thing that people did is noted once at most; what notes did is never noted."""
        for record, notes in self.world.comments.items():
            assert len(notes) <= len(self.world.states[record]), notes
            markers = [re.findall(r"^\[ml-connector (\w{8})\]", note)[0] for note in notes]
            assert len(set(markers)) == len(markers), "one for each version"

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        self._come_to_rest()
        self.there_are_no_more_notes_than_states()
        world = self.world
        assert world.faults == []
        assert world.deliveries.faults() == [], "every chain is whole"
        assert world.echoes == (sum(map(len, world.comments.values())) if world.trap else 0), "the trap was set"
        for (_, record), content in world.books.records.items():
            memory = world.deliveries.read(f"acme-eu#invoice#{record}", "notes")
            assert (memory.state, memory.version) == ("done", read("invoice", content).version), "the newest is known"
            assert any(f"Status: {content['status']}." in note for note in world.comments[record]), "and was noted"

    def _come_to_rest(self) -> None:
        """Nobody edits any more, all webhooks come, Zoho is well: then it must become still."""
        world = self.world
        world.answers.clear()
        for _ in range(3000):
            while world.pool:
                world.arrive(world.pool.pop(0))
            if not world.queue.held and world.parked.held:
                world.send_again(world.parked.held[0])
            if not world.queue.held:
                return
            if world.work(0) is None:
                now = world.clock.now
                world.clock.now = min(each.visible_at for each in world.queue.held if each.visible_at > now)
        raise AssertionError("notes lead to notes: it never becomes still")


def _crash(point: int) -> Callable[[int, str], None]:
    def at(number: int, name: str) -> None:
        if number == point:
            raise Crash(name)

    return at


TestNotes = Notes.TestCase
TestNotes.settings = settings(
    max_examples=EXAMPLES, stateful_step_count=40, derandomize="MODEL_EXAMPLES" not in os.environ
)
