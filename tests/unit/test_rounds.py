"""Whose turn it is, with how many of the day's calls, and what Zoho's history says (contracts: zoho-books 1.8, 8)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from threading import Barrier
from typing import Any

import pytest

from ml_connector.connections import Connection
from ml_connector.errors import ConnectorError, NeedsAttention, NotAllowed, RetryLater, Throttled, Undeliverable
from ml_connector.limits import Quota
from ml_connector.reconcile import Found, Reconcile
from ml_connector.rounds import (
    CLAIM,
    UNKNOWN_QUOTA,
    WORKERS,
    Done,
    Rounds,
    Turn,
    allowance,
    day_of,
    pace,
    tight,
)
from tests.fakes import ORGANIZATION, Books, Clock, Deliveries, Known, Queue, connection, payload
from tests.unit.test_reconcile import Cursors

FIVE = {
    "region": "eu",
    "organization_id": ORGANIZATION,
    "modules": ["invoice", "bill", "purchase_order", "customer_payment", "vendor_payment"],
}


@dataclass
class TurnRows:
    rows: dict[str, Turn] = field(default_factory=dict)
    claims: list[str] = field(default_factory=list)

    def all(self) -> Iterable[Turn]:
        return list(self.rows.values())

    def get(self, connection: str) -> Turn | None:
        return self.rows.get(connection)

    def claim(self, turn: Turn, until: str) -> bool:
        if self.rows.get(turn.connection, Turn(turn.connection)).due_at != turn.due_at:
            return False
        self.rows[turn.connection] = replace(turn, due_at=until)
        self.claims.append(turn.connection)
        return True

    def set(self, turn: Turn) -> None:
        self.rows[turn.connection] = turn


@dataclass
class Held:
    held: dict[str, Connection] = field(default_factory=lambda: {"acme-eu": connection(zoho=FIVE)})

    def names(self) -> Iterable[str]:
        return [*self.held, "removed"]

    def connection(self, name: str) -> Connection | None:
        return self.held.get(name)


@dataclass(frozen=True)
class Entry:
    at: str = "2026-11-22T08:30:00+0100"
    failed: bool = False
    module: str = "invoice"
    record_id: str = "460001"


@dataclass
class History:
    entries: list[Entry] = field(default_factory=list)
    asked: list[tuple[str, str, bool]] = field(default_factory=list)
    error: Exception | None = None

    def history(self, connection: Connection, since: str, until: str, *, failed: bool = False) -> Iterator[Entry]:
        self.asked.append((since, until, failed))
        if self.error:
            raise self.error
        yield from (entry for entry in self.entries if entry.failed or not failed)


@dataclass
class Told:
    told: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def tell(
        self, connection: Connection, key: str, title: str, text: str, facts: Mapping[str, str], command: str
    ) -> bool:
        self.told.append((key, facts))
        self.texts.append(text)
        return True


@dataclass
class Stand:
    """One connection of five modules, read by the real Reconcile from a fake Zoho."""

    clock: Clock = field(default_factory=Clock)
    books: Books = field(default_factory=lambda: Books(day=Quota(5000, 4000, 15 * 3600)))
    turns: TurnRows = field(default_factory=TurnRows)
    held: Held = field(default_factory=Held)
    history: History = field(default_factory=History)
    notices: Told = field(default_factory=Told)
    queue: Queue = field(default_factory=Queue)
    cursors: Cursors = field(default_factory=Cursors)
    faults: list[str] = field(default_factory=list)

    @property
    def rounds(self) -> Rounds:
        reconcile = Reconcile(self.books, self.cursors, Deliveries(), self.queue, self.clock, Known())
        return Rounds(
            self.held, self.turns, reconcile, self.books, self.history, self.notices, self.clock, lambda: 0.0,
            faulted=lambda name, error: self.faults.append(f"{name}: {error}"),
        )  # fmt: skip

    def run(self, time_left: Callable[[], bool] = lambda: True) -> dict[str, Done]:
        return self.rounds.run_due("run-1", time_left)

    def loses(self, count: int) -> None:
        """So many invoices without a webhook."""
        for number in range(count):
            modified = f"2026-11-22T06:{59 - number // 60:02}:{59 - number % 60:02}+0000"
            content = payload(modified=modified, invoice_id=f"46000{number}")
            self.books.rows.setdefault("invoice", []).append(
                {name: content[name] for name in ("invoice_id", "last_modified_time", "created_time")}
            )
            self.books.records["invoice", f"46000{number}"] = content

    @property
    def turn(self) -> Turn:
        return self.turns.rows["acme-eu"]

    def wait(self) -> timedelta:
        """Until the next turn."""
        return datetime.fromisoformat(self.turn.due_at) - self.clock()


@pytest.fixture
def stand() -> Stand:
    return Stand()


# --- turns ---------------------------------------------------------------------------------------------------------


def test_connection_without_a_turn_is_due(stand: Stand) -> None:
    """A new one is looked at within a minute, then every quarter of an hour."""
    assert set(stand.run()) == {"acme-eu"}
    assert stand.wait() == timedelta(minutes=15)
    assert stand.run() == {}
    stand.clock.advance(15 * 60 - 1)
    assert stand.run() == {}
    stand.clock.advance(1)
    assert set(stand.run()) == {"acme-eu"}


def test_minute_without_a_turn_costs_no_call(stand: Stand) -> None:
    """The list of turns is read, and nothing else happens."""
    stand.turns.rows = {"acme-eu": Turn("acme-eu", due_at="2026-11-22T08:00:01Z")}
    assert stand.run() == {}
    assert (stand.books.calls, stand.turns.claims) == (0, [])


def test_turn_that_somebody_else_has_is_left(stand: Stand) -> None:
    """Two runs of the function overlap: one takes it."""
    rounds = stand.rounds
    known = Turn("acme-eu")
    stand.turns.rows["acme-eu"] = replace(known, due_at="2026-11-22T08:10:00Z")
    assert rounds._claimed(known, "run-2", lambda: True) is None
    assert stand.books.calls == 0


def test_claim_outlives_the_run_and_ends(stand: Stand) -> None:
    """A worker that dies is followed by another one ten minutes later."""
    stand.held.connection = lambda name: 1 / 0  # type: ignore[assignment, method-assign, return-value]
    assert stand.run() == {}
    assert stand.faults == ["acme-eu: division by zero", "removed: division by zero"]
    assert timedelta(seconds=300) < CLAIM < timedelta(minutes=15)


def test_fault_of_one_connection_stops_no_other(stand: Stand) -> None:
    """Its claim runs out, and it is tried again."""
    stand.held.held["beta-us"] = connection("beta-us", zoho=FIVE)
    look = stand.books.page
    stand.books.page = lambda at, *rest, **more: 1 / 0 if at.name == "acme-eu" else look(at, *rest, **more)  # type: ignore[method-assign, return-value]
    assert set(stand.run()) == {"beta-us"}
    assert stand.faults == ["acme-eu: division by zero"]
    assert stand.wait() == CLAIM


def test_several_at_a_time(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand connections fit into a quarter of an hour: so many calls of Zoho are waited for together."""
    together = Barrier(WORKERS, timeout=10)
    stand.held.held = {f"c-{number}": connection(f"c-{number}") for number in range(WORKERS)}

    def run(self: Reconcile, *args: Any, **options: Any) -> Found:
        together.wait()
        return Found()

    monkeypatch.setattr(Reconcile, "run", run)
    assert len(stand.run()) == WORKERS


def test_longest_waiting_comes_first(stand: Stand) -> None:
    """Time may end before the list does: nobody is always the last."""
    stand.held.held = {f"c-{number}": connection(f"c-{number}") for number in range(20)}
    stand.turns.rows = {
        name: Turn(name, due_at=f"2026-11-22T07:{59 - number:02}:00Z") for number, name in enumerate(stand.held.held)
    }
    answers = iter([True] * 4)
    stand.run(lambda: next(answers, False))
    assert stand.turns.claims
    assert set(stand.turns.claims) <= {f"c-{number}" for number in range(14, 20)}


def test_turns_are_spread(stand: Stand) -> None:
    """A thousand connections that came into force together do not stay together."""
    rounds = replace(stand.rounds, chance=lambda: 0.5)
    rounds.run_due("run-1", lambda: True)
    assert stand.wait() == timedelta(minutes=14, seconds=15)


def test_removed_connection_is_left_alone(stand: Stand) -> None:
    """It may still stand in a list."""
    assert stand.rounds.run("removed", "run-1", lambda: True) is None
    stand.held.held.clear()
    assert stand.run() == {}
    assert stand.turns.rows == {}


def test_asked_for_it_runs_whether_it_is_due_or_not(stand: Stand) -> None:
    """And looks at every list, even at one that was read a minute ago."""
    stand.run()
    stand.clock.advance(60)
    calls = stand.books.calls
    done = stand.rounds.run("acme-eu", "run-1", lambda: True)
    assert done
    assert done.calls == stand.books.calls - calls == 5


# --- the day's calls -----------------------------------------------------------------------------------------------


def test_share_of_the_day() -> None:
    """1,000 calls a day until Zoho says how many; then so many percent of what it says."""
    at = connection(zoho={**FIVE, "reconcile_share": 30, "reserve": 15})
    assert allowance(Turn("a"), at) == UNKNOWN_QUOTA * 30 // 100 == 300
    assert allowance(Turn("a", quota=5000), at) == 1500
    assert allowance(Turn("a", quota=5000, webhooks=900), at) == 4250


def test_quota_is_learnt_and_calls_are_counted(stand: Stand) -> None:
    """The first run may use a share of the smallest plan's, the next one of what Zoho said."""
    stand.run()
    assert stand.books.allowed == 200
    assert (stand.turn.quota, stand.turn.day, stand.turn.spent) == (5000, "2026-11-22", 6)
    stand.clock.advance(900)
    stand.run()
    assert (stand.books.allowed, stand.turn.spent) == (1000, 11)
    stand.clock.advance(24 * 3600)
    stand.run()
    assert (stand.turn.day, stand.turn.spent) == ("2026-11-23", 6)


@pytest.mark.parametrize(
    ("left", "hours", "minutes"),
    [(1000, 16, 15), (384, 16, 15), (192, 16, 30), (96, 16, 60), (6, 16, 16 * 60), (5, 16, 16 * 60), (0, 3, 180)],
)
def test_pace_lasts_until_midnight(left: int, hours: int, minutes: int) -> None:
    """Six calls a look: if fewer looks are left than quarters of an hour, they are spread over the day."""
    assert pace(timedelta(minutes=15), 6, left, timedelta(hours=hours)) == timedelta(minutes=minutes)


def test_free_plan_is_looked_at_all_day(stand: Stand) -> None:
    """200 calls a day are a look in 40 minutes, not 33 looks in the morning and none after."""
    stand.books.day = Quota(1000, 900, 16 * 3600)
    stand.clock.now = datetime(2026, 11, 22, 0, 0, 30, tzinfo=UTC)
    times = []
    while stand.clock().day == 22:
        assert stand.run(), "it was due"
        times.append(stand.clock())
        stand.clock.now = datetime.fromisoformat(stand.turn.due_at)
    spans = [after - before for before, after in pairwise(times)]
    assert stand.turn.spent <= 200
    assert max(spans) < timedelta(hours=2)
    assert times[-1].hour >= 22


def test_gap_is_worked_off_minute_by_minute(stand: Stand) -> None:
    """While something is open and calls are left, the next turn is soon; then it is the quarter of an hour again."""
    stand.loses(30)
    fetch, left = stand.books.fetch, [20]

    def limited(*which: Any) -> Any:
        if not left[0]:
            raise Throttled("zoho: 72 calls in 60 s are made", 41)
        left[0] -= 1
        return fetch(*which)

    stand.books.fetch = limited  # type: ignore[method-assign]
    (done,) = stand.run().values()
    assert (done.found.stopped, done.found.open, stand.wait()) == (
        "zoho: 72 calls in 60 s are made",
        1,
        timedelta(minutes=1),
    )
    left[0] = 20
    stand.clock.advance(60)
    (done,) = stand.run().values()
    assert (done.found.stopped, done.found.open) == ("", 0)
    # Those that were enqueued but not yet delivered are told once more; the queue knows them.
    assert len({each.id for each in stand.queue.sent}) == 30
    assert stand.wait() == timedelta(minutes=15)


def test_list_that_fails_is_not_knocked_at_every_minute(stand: Stand) -> None:
    """What is open of it waits for the usual turn."""
    stand.books.broken["bill"] = RetryLater("Zoho answered 500")
    (done,) = stand.run().values()
    assert (done.found.failed, done.found.open, stand.wait()) == (
        {"bill": "Zoho answered 500"},
        0,
        timedelta(minutes=15),
    )
    stand.books.broken.clear()
    stand.clock.advance(900)
    assert stand.run()["acme-eu"].found.failed == {}
    assert stand.cursors.rows["bill"].gaps == ()


def test_looks_of_the_day_are_kept_from_gaps(stand: Stand) -> None:
    """A gap of thousands may not use up what is needed to find the losses of the afternoon."""
    stand.books.size = 10
    stand.loses(600)
    stand.turns.rows["acme-eu"] = Turn("acme-eu", quota=1000, day="2026-11-22", spent=20)
    stand.books.day = Quota(1000, 900, 16 * 3600)
    (done,) = stand.run().values()
    # 64 looks of 6 calls until midnight would be more than half of the day's 200: half is kept.
    assert done.found.open == 1
    assert 90 <= 200 - stand.turn.spent <= 100
    assert stand.wait() > timedelta(minutes=15)


def test_limit_that_says_when_is_waited_for(stand: Stand) -> None:
    """The organization's calls are used up until its midnight: nobody looks before."""
    page = stand.books.page
    stand.books.page = lambda *_, **__: (_ for _ in ()).throw(
        Throttled("zoho: little is left of the day's calls", 7200)
    )  # type: ignore[method-assign]
    stand.run()
    assert stand.wait() == timedelta(hours=2)
    stand.books.page = page  # type: ignore[method-assign]


def test_somebody_hears_of_lists_that_must_not_be_read(stand: Stand) -> None:
    """Only a person can give the access (Zoho's code 57): one notice a month names all such lists and what to type."""
    stand.books.broken = {"bill": NotAllowed("no scope"), "purchase_order": NotAllowed("no role")}
    (done,) = stand.run().values()
    assert sorted(done.found.forbidden) == ["bill", "purchase_order"]
    ((key, facts),) = stand.notices.told
    assert (key, facts["Not readable"]) == ("forbidden.2026-11.Bill, Purchase order", "Bill, Purchase order")
    stand.clock.advance(900)
    stand.run()
    assert {key for key, _ in stand.notices.told} == {key}, "the matter is the same: the notices tell it once"


def test_list_that_fails_for_now_is_no_matter_for_a_notice(stand: Stand) -> None:
    """The alarm tells of those that go on failing."""
    stand.books.broken["bill"] = RetryLater("Zoho answered 500")
    stand.run()
    assert stand.notices.told == []


# --- the cap of webhooks -------------------------------------------------------------------------------------------


def sent(count: int) -> list[Entry]:
    return [Entry() for _ in range(count)]


@pytest.mark.parametrize(
    ("count", "share", "told", "wait"),
    [(799, 79, False, 15), (800, 80, True, 15), (899, 89, True, 15), (900, 90, True, 1), (1000, 100, True, 1)],
)
def test_near_the_cap_people_are_told_and_lists_read_every_minute(
    stand: Stand, count: int, share: int, told: bool, wait: int
) -> None:
    """Zoho sends about 1,000 webhooks a day and says nothing when it stops: what it sent is in its own history."""
    stand.history.entries = sent(count)
    stand.books.day = Quota(10_000, 9000, 15 * 3600)
    (done,) = stand.run().values()
    assert (done.cap, bool(stand.notices.told)) == (share, told)
    assert stand.wait() == timedelta(minutes=wait)
    assert all(key == "webhook-cap#2026-11-22" for key, _ in stand.notices.told)


def test_near_the_cap_people_are_told_what_may_be_missed(stand: Stand) -> None:
    """Lists show what is new and what has changed, but not what is gone."""
    stand.history.entries = sent(900)
    stand.run()
    (said,) = stand.notices.texts
    assert "A deletion beyond the cap is seen only if Zoho lists its webhook as failed" in said


def test_tight_until_the_organizations_midnight(stand: Stand) -> None:
    """And no longer: then Zoho sends again."""
    stand.history.entries = sent(950)
    stand.books.day = Quota(5000, 4000, 3 * 3600)
    stand.run()
    assert stand.wait() == timedelta(minutes=1)
    assert tight(stand.turn, connection(zoho=FIVE))
    assert (stand.turn.day_ends, stand.books.allowed) == ("2026-11-22T11:00:00Z", 200)
    stand.clock.advance(60)
    stand.run()
    assert (stand.books.allowed, stand.wait()) == (4500, timedelta(minutes=1))
    stand.clock.advance(3 * 3600)
    stand.history.entries = []
    stand.books.day = Quota(5000, 5000, 24 * 3600 - 60)
    stand.run()
    assert (stand.books.allowed, stand.wait()) == (1000, timedelta(minutes=15))


def test_webhooks_are_counted_hourly_and_near_the_cap_often(stand: Stand) -> None:
    """The count costs calls, too."""
    for count, every in ((499, timedelta(hours=1)), (500, timedelta(minutes=10))):
        stand.history.entries = sent(count)
        stand.turns.rows.clear()
        stand.rounds.run("acme-eu", "run-1", lambda: True)
        asked = len(stand.history.asked)
        stand.clock.advance(every.total_seconds() - 1)
        stand.rounds.run("acme-eu", "run-1", lambda: True)
        assert len(stand.history.asked) == asked
        stand.clock.advance(1)
        stand.rounds.run("acme-eu", "run-1", lambda: True)
        assert len(stand.history.asked) == asked + 1


def test_without_the_right_to_see_the_history_nobody_asks_again_today(stand: Stand) -> None:
    """Everything else goes on."""
    stand.history.error = NotAllowed("Zoho Books, settings/webhooks/histories: no scope")
    stand.loses(1)
    (done,) = stand.run().values()
    assert (done.cap, done.troubles, done.found.missing) == (None, [str(stand.history.error)], 1)
    ((key, facts),) = stand.notices.told
    assert (key, facts["Not readable"]) == ("forbidden.2026-11.History of webhooks", "History of webhooks")
    stand.clock.advance(12 * 3600)
    stand.run()
    assert len(stand.history.asked) == 1


def test_history_that_cannot_be_understood_is_not_asked_for_again_today(stand: Stand) -> None:
    """Everything else goes on."""
    stand.history.error = Undeliverable("Zoho Books, settings/webhooks/histories: the answer has no list of it")
    (done,) = stand.run().values()
    assert done.troubles == [str(stand.history.error)]
    stand.clock.advance(12 * 3600)
    stand.run()
    assert (len(stand.history.asked), stand.notices.told) == (1, [])


@pytest.mark.parametrize("error", [RetryLater("busy", 60), NeedsAttention("connect again")], ids=str)
def test_history_that_is_out_of_reach_is_asked_again_in_the_next_run(stand: Stand, error: ConnectorError) -> None:
    """Settings have tighter limits; refused credentials are put right by a person, perhaps at once."""
    stand.history.error = error
    stand.run()
    stand.clock.advance(900)
    stand.run()
    assert len(stand.history.asked) == 2


@pytest.mark.parametrize(
    ("day_ends", "today"),
    [
        ("2026-11-23T00:00:00Z", "2026-11-22"),  # UTC
        ("2026-11-22T23:00:00Z", "2026-11-22"),  # Berlin
        ("2026-11-23T05:00:00Z", "2026-11-22"),  # New York
        ("2026-11-23T10:00:00Z", "2026-11-22"),  # Honolulu
        ("2026-11-22T18:30:00Z", "2026-11-22"),  # Kolkata
        ("2026-11-22T11:00:00Z", "2026-11-22"),  # Auckland, in summer
    ],
)
def test_date_of_the_organization(day_ends: str, today: str) -> None:
    """Its midnight says in which part of the world it is: Zoho's history is asked for by its own dates."""
    assert day_of(day_ends) == today


# --- the second witness --------------------------------------------------------------------------------------------


def test_records_of_failed_webhooks_are_looked_at_once(stand: Stand) -> None:
    """Whoever's webhook it was: one record once, and not again in the next hour."""
    content = payload(invoice_id="460001")
    stand.books.records["invoice", "460001"] = content
    stand.history.entries = [
        Entry(failed=True),
        Entry("2026-11-22T08:40:00+0100", failed=True),
        Entry(failed=False, record_id="460002"),
        Entry(failed=True, module="customer"),
        Entry(failed=True, module="expense"),
        Entry(failed=True, record_id=""),
    ]
    (done,) = stand.run().values()
    assert (done.witness, done.found.missing) == (1, 1)
    assert [each.event.record_id for each in stand.queue.sent] == ["460001"]
    assert stand.turn.failed_until == "2026-11-22T07:40:00Z"
    stand.clock.advance(3600)
    (done,) = stand.run().values()
    assert done.witness == 0


def test_many_failures_are_looked_at_in_several_runs(stand: Stand) -> None:
    """Our way in was down for an hour: hundreds failed. Each run goes on after the last one it came to."""
    stand.history.entries = [
        Entry(f"2026-11-22T08:30:{number // 2:02}+0100", failed=True, record_id=f"46000{number}")
        for number in range(50)
    ]
    for number in range(50):
        stand.books.records["invoice", f"46000{number}"] = payload(invoice_id=f"46000{number}")
    fetch, left = stand.books.fetch, [0]

    def limited(*which: Any) -> Any:
        if not left[0]:
            raise Throttled("zoho: 72 calls in 60 s are made", 41)
        left[0] -= 1
        return fetch(*which)

    stand.books.fetch = limited  # type: ignore[method-assign]
    runs, looked = 0, 0
    while runs < 10 and not (stand.turns.rows and stand.turn.counted_at):
        runs, left[0] = runs + 1, 15
        done = stand.rounds.run("acme-eu", "run-1", lambda: True)
        assert done
        looked += done.witness
    assert {each.event.record_id for each in stand.queue.sent} == {f"46000{number}" for number in range(50)}
    # Two failed in each second: at most one of them is looked at twice.
    assert (runs, looked <= 50 + 2 * runs) == (4, True)


def test_failures_of_the_evening_are_found_after_midnight(stand: Stand) -> None:
    """The last count was before the organization's midnight: its failures since are asked for, too."""
    stand.turns.rows["acme-eu"] = Turn(
        "acme-eu", day_ends="2026-11-22T07:30:00Z", counted_at="2026-11-22T07:00:00Z", due_at="2026-11-22T07:45:00Z"
    )
    stand.books.day = Quota(5000, 4000, 24 * 3600 - 1800)
    stand.run()
    assert stand.history.asked == [
        ("2026-11-22", "2026-11-22", False),
        ("2026-11-21", "2026-11-21", True),
    ]


@pytest.mark.parametrize("at", ["today, 8:30 AM", "2026-11-22 08:30 AM", ""])
def test_failures_without_a_readable_time_are_looked_at_once_a_day(stand: Stand, at: str) -> None:
    """Better twice than not at all, but not every hour: they cannot be told from those of an hour ago."""
    stand.books.day = None  # midnight is UTC's
    for number in range(50):
        stand.books.records["invoice", f"46{number:04}"] = payload(invoice_id=f"46{number:04}")
    stand.history.entries = [Entry(at, failed=True, record_id=f"46{number:04}") for number in range(50)]
    (done,) = stand.run().values()
    assert done.witness == 50
    looked = 0
    for _ in range(8 * 4):
        stand.clock.advance(900)
        looked += sum(done.witness for done in stand.run().values())
    assert looked == 0
    stand.clock.advance(12 * 3600)
    (done,) = stand.run().values()
    assert done.witness == 50


def test_full_queue_does_not_end_the_counting_for_a_day(stand: Stand) -> None:
    """What was not queued is looked at again in the next run."""
    stand.books.records["invoice", "460001"] = payload(invoice_id="460001")
    stand.history.entries = [Entry(failed=True)]
    stand.queue.refuses = True
    (done,) = stand.run().values()
    assert (done.witness, done.cap) == (0, 0)
    stand.queue.refuses = False
    stand.clock.advance(900)
    (done,) = stand.run().values()
    assert (done.witness, [each.event.record_id for each in stand.queue.sent]) == (1, ["460001"])


def test_record_that_must_not_be_read_holds_up_no_other_failure(stand: Stand) -> None:
    """Of another module it may."""
    stand.books.broken["bill"] = NotAllowed("no scope")
    stand.books.records["invoice", "460001"] = payload(invoice_id="460001")
    stand.history.entries = [
        Entry("2026-11-22T08:20:00+0100", failed=True, module="bill", record_id="461"),
        Entry(failed=True),
    ]
    (done,) = stand.run().values()
    assert (done.witness, stand.turn.counted_at != "") == (1, True)
