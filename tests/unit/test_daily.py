"""The day's figures of a channel: from Zoho's lists, once a day, at the connection's time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ml_connector.connections import Connection
from ml_connector.daily import PAGES, Daily, parked
from ml_connector.errors import NotAllowed, NotQueued, RetryLater
from ml_connector.gaps import Page
from ml_connector.gathering import MODULE
from ml_connector.modules import MODULES
from ml_connector.ports import AuditEntry, Memory
from tests.digest_world import World
from tests.fakes import CHANNEL, TEAM, Clock, Queue, connection

# Eight in the morning in Berlin.
EIGHT = datetime(2026, 11, 24, 7, 0, tzinfo=UTC)


def row(module: str, number: int, **changes: Any) -> dict[str, Any]:
    """A row of Zoho's list; made yesterday, due far away."""
    shape = MODULES[module]
    return {
        shape.id_field: f"46000000000{number:04}",
        shape.number_field: f"N-{number}",
        shape.party[0]: "Bakery",
        "status": "sent",
        "date": "2026-11-23",
        "due_date": "2027-03-01",
        "currency_code": "EUR",
        shape.amount: "10.00",
        "balance": "4.00",
        "created_time": "2026-11-23T12:00:00+0100",
        "last_modified_time": "2026-11-23T12:00:00+0100",
        **changes,
    }


@dataclass
class Lists:
    """Zoho's lists, by module; each gives what it has, in pages of `size`."""

    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    error: Exception | None = None
    calls: int = 0
    size: int = 200

    def page(self, connection: Connection, module: str, number: int, status: str = "") -> Page:
        # Zoho ignores what it does not know: the caller looks at the rows.
        return self._page(module, number)

    def dated(self, connection: Connection, module: str, number: int, since: str, until: str) -> Page:
        return self._page(module, number)

    def by_due(self, connection: Connection, module: str, number: int) -> Page:
        ordered = sorted(self.rows.get(module, []), key=lambda each: each["due_date"], reverse=True)
        return self._page(module, number, ordered)

    def _page(self, module: str, number: int, rows: list[dict[str, Any]] | None = None) -> Page:
        self.calls += 1
        if self.error:
            raise self.error
        rows = self.rows.get(module, []) if rows is None else rows
        return Page(rows[(number - 1) * self.size : number * self.size], len(rows) > number * self.size)


@dataclass
class Noted:
    days: dict[tuple[str, str], str] = field(default_factory=dict)

    def get(self, connection: str, destination: str) -> str:
        return self.days.get((connection, destination), "")

    def set(self, connection: str, destination: str, day: str) -> None:
        self.days[connection, destination] = day


@dataclass
class Office:
    clock: Clock = field(default_factory=lambda: Clock(EIGHT))
    books: Lists = field(default_factory=Lists)
    noted: Noted = field(default_factory=Noted)
    queue: Queue = field(default_factory=Queue)
    dropped: list[tuple[str, str, str]] = field(default_factory=list)

    def run(self, at: str | None = "08:00", goes_on: Callable[[], bool] = lambda: True, **changes: Any) -> None:
        bot = {"type": "teams", "transport": "bot", "team_id": TEAM, "channel_id": CHANNEL}
        daily = {"digest": {"above": 15, "daily": at}} if at else {}
        there = connection(
            time_zone="Europe/Berlin",
            destinations={"finance": {**bot, **daily, **changes}, "ledger": {"type": "monday"}},
        )
        Daily(
            self.books, self.noted, lambda _: 3, self.queue, self.clock,
            lambda *said: self.dropped.append(said),
        ).run(there, goes_on)  # fmt: skip

    def lines(self) -> dict[str, tuple[int, dict[str, str]]]:
        (sent,) = self.queue.sent
        assert sent.event.payload is not None
        return {each["event"]: (each["count"], each["sums"]) for each in sent.event.payload["events"]}


def test_a_connection_without_a_scope_is_asked_once_a_day() -> None:
    """No figures, which the log says; its calls are left to reconcile, and tomorrow it is tried again."""
    office = Office()
    office.books.error = NotAllowed("Zoho refuses: a scope is missing", 401)
    for _ in range(3):
        office.run()
    assert (office.books.calls, office.queue.sent) == (1, [])
    assert [reason for _, _, reason in office.dropped] == ["Zoho refuses: a scope is missing"]
    office.clock.advance(24 * 3600)
    office.books.error = None
    office.run()
    assert len(office.queue.sent) == 1


def test_what_the_figures_are() -> None:
    """Made and paid yesterday, due within a week, overdue; by currency, of what is owed still where that counts."""
    office = Office()
    office.books.rows = {
        "invoice": [
            row("invoice", 1),
            row("invoice", 2, currency_code="USD"),
            row("invoice", 3, created_time="2026-11-24T00:10:00+0100", last_modified_time="2026-11-24T00:10:00+0100"),
            row("invoice", 4, created_time="2026-10-01T00:00:00+0200", due_date="2026-11-24"),
            row("invoice", 5, created_time="2026-10-01T00:00:00+0200", due_date="2026-11-30", status="partially_paid"),
            row("invoice", 6, created_time="2026-10-01T00:00:00+0200", due_date="2026-12-01"),
            row(
                "invoice", 7, created_time="2026-10-01T00:00:00+0200", due_date="2026-11-25", status="paid", balance="0"
            ),
            row("invoice", 8, created_time="2026-10-01T00:00:00+0200", due_date="2026-11-20", status="overdue"),
        ],
        "customer_payment": [
            row("customer_payment", 9, amount="7.50"),
            row("customer_payment", 10, date="2026-11-22", amount="99"),
        ],
    }
    office.run()
    assert office.lines() == {
        "invoice.created": (2, {"EUR": "10.00", "USD": "10.00"}),
        "invoice.due_this_week": (2, {"EUR": "8.00"}),
        "invoice.overdue": (1, {"EUR": "4.00"}),
        "bill.created": (0, {}),
        "bill.due_this_week": (0, {}),
        "bill.overdue": (0, {}),
        "customer_payment.created": (1, {"EUR": "7.50"}),
        "vendor_payment.created": (0, {}),
    }
    (sent,) = office.queue.sent
    assert sent.event.payload is not None
    assert (sent.event.payload["parked"], sent.event.payload["since"]) == (3, "2026-11-22T23:00:00+00:00")
    assert (sent.event.module, sent.event.record_id) == (MODULE, "finance.daily-20261124T0000Z")


def test_a_long_list_is_said_to_be_longer() -> None:
    """A handful of calls, whatever a company owes."""
    office = Office()
    office.books.size = 2
    office.books.rows = {"invoice": [row("invoice", number, status="overdue") for number in range(40)]}
    office.run()
    (sent,) = office.queue.sent
    assert sent.event.payload is not None
    (overdue,) = [each for each in sent.event.payload["events"] if each["event"] == "invoice.overdue"]
    assert (overdue["count"], overdue["more"]) == (2 * PAGES, True)
    assert office.books.calls <= 8 * PAGES


@pytest.mark.parametrize(
    ("minutes", "at", "changes", "sent"),
    [
        (-1, "08:00", {}, 0),
        (0, "08:00", {}, 1),
        (600, "08:00", {}, 1),
        (0, None, {}, 0),
        (0, "08:00", {"transport": "activity"}, 0),
    ],
)
def test_they_come_at_the_connections_time(minutes: int, at: str | None, changes: dict[str, Any], sent: int) -> None:
    """Not before, not without being asked for, and only where a card can be posted."""
    office = Office()
    office.clock.advance(60 * minutes)
    office.run(at, **changes)
    assert len(office.queue.sent) == sent


def test_once_a_day() -> None:
    """However many turns there are; tomorrow's are another digest."""
    office = Office()
    for _ in range(96):
        office.run()
        office.clock.advance(900)
    office.run()
    assert [each.event.record_id for each in office.queue.sent] == [
        "finance.daily-20261124T0000Z", "finance.daily-20261125T0000Z",
    ]  # fmt: skip
    assert office.dropped == []


def test_what_zoho_does_not_give_now_comes_later_the_same_day() -> None:
    """Nor is anything noted that was not queued."""
    office = Office()
    office.books.error = RetryLater("Zoho Books is busy")
    office.run()
    office.run(goes_on=lambda: False)
    assert (office.queue.sent, office.noted.days) == ([], {})
    office.books.error = None
    office.queue.refuses = True
    with pytest.raises(NotQueued):
        office.run()
    assert office.noted.days == {}
    office.queue.refuses = False
    office.run()
    assert len(office.queue.sent) == 1


def test_a_day_that_ends_without_is_dropped_and_said_so() -> None:
    """Yesterday's figures are nobody's tomorrow; the log says that there were none."""
    office = Office()
    office.run()
    office.books.error = RetryLater("Zoho Books is busy")
    for _ in range(2 * 96):
        office.clock.advance(900)
        office.run()
    assert [reason for *_, reason in office.dropped] == [
        "no figures after those of 2026-11-24: the day ended without them"
    ]
    office.books.error = None
    office.run()
    assert [each.event.record_id for each in office.queue.sent][1:] == ["finance.daily-20261126T0000Z"]


def test_they_are_posted_as_any_digest_and_once() -> None:
    """With a row and an entry of their own; a repetition is skipped."""
    office = Office()
    office.run()
    world = World(EIGHT, above=15)
    (sent,) = office.queue.sent
    world.queue.put(sent.to_json(), sent.lane, sent.id)
    world.queue.put(sent.to_json(), sent.lane, "again")
    world.run()
    (post,) = world.channel.posts
    assert post.facts["kind"] == "daily"
    assert world.deliveries.audit.outcomes == ["delivered", "skipped"]
    assert world.deliveries.faults() == []


def test_only_what_still_waits_is_counted_as_parked() -> None:
    """An entry tells of then, the row of now; older ones than the queue keeps are gone."""

    def entry(record: str, days: int) -> AuditEntry:
        at = f"{EIGHT - timedelta(days=days):%Y-%m-%dT%H:%M:%S.%fZ}"
        return AuditEntry(at, "acme-eu", "invoice", record, "", "", "", "", "ledger", "parked", 1, "")

    entries = [entry("1", 0), entry("2", 1), entry("1", 2), entry("3", 13), entry("4", 15)]
    states = {"1": "parked", "2": "done", "3": "unknown", "4": "parked"}
    asked = parked(
        lambda connection, outcome, since: (each for each in entries if each.at >= since),
        lambda key, destination: Memory(states[key.rpartition("#")[2]]),
        Clock(EIGHT),
        connection(),
    )
    assert asked == 2
