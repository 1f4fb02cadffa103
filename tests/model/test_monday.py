"""The real board with subitems and the engine against a monday that does what its contract fears (monday 5, 6).

People edit in Zoho and archive on the board, webhooks come late, twice and in any order, answers get lost or are only
half of it, creates happen after their caller has given up, workers crash at any instruction.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ml_connector.delivery import Courier
from ml_connector.destinations.monday import connect
from ml_connector.events import DELETED, Delivery, Event, Version
from ml_connector.parked import again, unwrap
from ml_connector.records import read
from tests.fakes import ORGANIZATION, connection, monday_settings, payload, toolbox
from tests.model.world import Only, Place, World
from tests.monday_board import TROUBLES, Board, Item
from tests.points import Crash

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "200"))
RECORDS = ("1", "2")
LINES = ("a", "b", "c", "d")
STATES = {"sent": "open", "paid": "settled", "void": "settled"}

choices = st.integers(0, 9)
points = st.integers(1, 60)


class Ledger(World):
    """Zoho and one board."""

    def __init__(self) -> None:
        super().__init__("park", ())
        self.board = Board(self.clock)
        file = monday_settings(
            lines="subitems",
            line_id_column="line_id",
            line_columns={"line_total": {"from": "total", "type": "numbers"}},
            groups={"*": "open", "paid": "settled", "void": "settled", "overdue": "late", "deleted": "removed"},
        )
        self.place = Only(Place(connect("ledger", file, connection(), toolbox(self.board, self.clock))))

    def _courier(self) -> Courier:
        return replace(super()._courier(), destinations=self.place)

    def arrive(self, event: Event) -> None:
        each = Delivery(event, "ledger")
        self.queue.put(each.to_json(), each.lane, each.id)

    def edit(self, record: str, seconds: int, *, thin: bool, **fields: Any) -> None:
        """Somebody saves; Zoho's clock has seconds and does not go back."""
        before = self.books.records.get(("invoice", record))
        content = {**(before or payload(invoice_id=record, status="sent", line_items=lines("a"))), **fields}
        newest = str(before["last_modified_time"]) if before else ""
        moment = self.clock.now + timedelta(seconds=seconds)
        content["last_modified_time"] = max(moment.strftime(_TIME), newest)
        known = [each.version for each in self.events if each.record_id == record]
        while (version := read("invoice", content).version) in known[:-1]:
            # Back and forth within one second would be the same version once more, for the queue too.
            moment += timedelta(seconds=1)
            content["last_modified_time"] = max(moment.strftime(_TIME), newest)
        self.books.records["invoice", record] = content
        self.books.made.setdefault(record, self.clock.now)
        self.tell("updated" if before else "created", record, version, None if thin else content)

    def remove(self, record: str) -> None:
        del self.books.records["invoice", record]
        heard = self.clock.now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        self.tell(DELETED, record, Version.deletion(heard), {"invoice_id": record})

    def tell(
        self, action: str, record: str, version: Version, content: dict[str, Any] | None, origin: str = "webhook"
    ) -> None:
        number, heard = len(self.events), "2026-11-22T08:00:00.000000Z"
        event = Event("acme-eu", "invoice", record, action, version, origin, heard, f"call-{number}", content)
        self.events.append(event)
        self.pool.append(event)

    def items(self, record: str) -> list[Item]:
        return self.board.of(f"zb:{ORGANIZATION}:invoice:{record}")

    def send_again(self, body: str) -> None:
        """A person sends what is parked again."""
        self.parked.held.remove(body)
        kept = unwrap(body)
        assert kept.delivery is not None
        sent = again(kept.delivery, kept.why.asked)
        self.queue.put(sent.to_json(), sent.lane, f"replay-{len(self.queue.recent)}")


_TIME = "%Y-%m-%dT%H:%M:%S%z"


def lines(names: str, total: int = 10) -> list[dict[str, Any]]:
    return [{"line_item_id": f"id{each}", "name": f"Line {each}", "quantity": 1, "item_total": total} for each in names]


class Boards(RuleBasedStateMachine):
    """Rules are what may happen."""

    world: Ledger

    @initialize()
    def begin(self) -> None:
        self.world = Ledger()
        self.gone: set[str] = set()

    @rule(
        record=st.sampled_from(RECORDS),
        status=st.sampled_from(sorted(STATES)),
        names=st.lists(st.sampled_from(LINES), min_size=1, unique=True).map("".join),
        total=st.integers(10, 11),
        seconds=st.integers(0, 2),
        thin=st.booleans(),
        at_once=st.booleans(),
    )
    def somebody_edits(
        self, record: str, status: str, names: str, total: int, seconds: int, *, thin: bool, at_once: bool
    ) -> None:
        if record in self.gone:
            return
        self.world.edit(record, seconds, thin=thin, status=status, line_items=lines(names, total))
        if at_once:
            self.world.arrive(self.world.pool.pop())

    @precondition(lambda self: self.world.books.records)
    @rule(choice=choices)
    def somebody_deletes(self, choice: int) -> None:
        if choice > 1:  # seldom: nothing can happen to that record any more
            return
        _, record = sorted(self.world.books.records)[choice % len(self.world.books.records)]
        self.gone.add(record)
        self.world.remove(record)

    @rule(record=st.sampled_from(RECORDS), how=st.sampled_from(("archived", "deleted")))
    def somebody_takes_the_item_away(self, record: str, how: str) -> None:
        for item in self.world.items(record):
            item.state = how

    @rule(record=st.sampled_from(RECORDS))
    def somebody_moves_the_item(self, record: str) -> None:
        for item in self.world.items(record) if record not in self.gone else ():
            item.group = "elsewhere"

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
        _, record = sorted(self.world.books.records)[choice % len(self.world.books.records)]
        content = self.world.books.records["invoice", record]
        self.world.tell("updated", record, read("invoice", content).version, None, "reconcile")

    @rule(answers=st.lists(st.sampled_from(("ok", *TROUBLES)), max_size=4))
    def monday_will_answer(self, answers: list[str]) -> None:
        self.world.board.answers[:] = answers

    @rule(
        record=st.sampled_from(RECORDS),
        names=st.sampled_from(("ab", "abc", "bd", "d")),
        status=st.sampled_from(sorted(STATES)),
        calls=st.integers(0, 3),
        trouble=st.sampled_from(("slow", "lost after", "half", "refused", "busy")),
    )
    def trouble_in_the_middle(self, record: str, names: str, status: str, calls: int, trouble: str) -> None:
        """A change comes in at once, and one of its calls goes wrong."""
        self.somebody_edits(record, status, names, 10, 1, thin=False, at_once=True)
        self.world.board.answers[:] = [*["ok"] * calls, trouble]
        self.world.work(0)

    @rule(choice=choices)
    def worker(self, choice: int) -> None:
        self.world.work(choice)

    @rule(choice=choices, point=points)
    def worker_that_crashes(self, choice: int, point: int) -> None:
        self.world.work(choice, _crash(point))

    @rule(choice=choices, point=points, seconds=st.integers(0, 90), rival=choices)
    def two_workers(self, choice: int, point: int, seconds: int, rival: int) -> None:
        """While the first is held up a second works on another message."""

        def meanwhile(number: int, name: str) -> None:
            if number == point:
                self.world.clock.advance(seconds)
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
    def nothing_is_there_twice(self) -> None:
        self.world.board.due()
        for record in RECORDS:
            items = self.world.items(record)
            assert len(items) <= 1, (record, items)
            for item in items:
                ids = [each.cells["line_id"] for each in item.lines if each.state == "active"]
                assert len(ids) == len(set(ids)), (record, ids)

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        world = self.world
        for _, record in sorted(world.books.records):
            world.edit(record, 1, thin=False, status="overdue", line_items=lines("dba", 12))
        self._come_to_rest()
        world.clock.advance(300)
        self.nothing_is_there_twice()
        assert world.faults == []
        assert world.deliveries.faults() == [], "every chain is whole"
        for _, record in world.books.records:
            (item,) = world.items(record)
            assert item.cells["zb_status"] == {"label": "Overdue"}
            assert item.group == "late", "where its state belongs, wherever people had it"
            shown = {each.name: Decimal(each.cells["line_total"]) for each in item.lines if each.state == "active"}
            assert shown == {"Line d": 12, "Line b": 12, "Line a": 12}
        for record in self.gone:
            for item in world.items(record):
                assert item.cells["zb_status"] == {"label": "Deleted"}
                assert item.group == "removed"

    def _come_to_rest(self) -> None:
        """Nobody edits any more, all webhooks come, monday is well: then it must become still."""
        world = self.world
        world.board.answers.clear()
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
        raise AssertionError("it never becomes still")


def _crash(point: int) -> Callable[[int, str], None]:
    def at(number: int, name: str) -> None:
        if number == point:
            raise Crash(name)

    return at


TestBoards = Boards.TestCase
TestBoards.settings = settings(
    max_examples=EXAMPLES, stateful_step_count=40, derandomize="MODEL_EXAMPLES" not in os.environ
)
