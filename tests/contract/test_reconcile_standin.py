"""Reconcile against the stand-in of Zoho, which keeps its lists, its quotas and its silence as the real one does."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from ml_connector import regions
from ml_connector.connections import Connection
from ml_connector.limits import Limiter
from ml_connector.modules import MODULES
from ml_connector.reconcile import Reconcile
from ml_connector.rounds import Done, Rounds
from ml_connector.times import stamp
from ml_connector.vendors.zoho import ZohoBooks
from ml_connector.vendors.zoho_settings import ZohoSettings
from sandbox.vendors import default_world as w
from tests.contract.test_against_standins import Company
from tests.fakes import Known, Queue
from tests.unit.test_limits import Buckets
from tests.unit.test_reconcile import Cursors
from tests.unit.test_rounds import Held, Told, TurnRows


@dataclass
class Stand:
    company: Company = field(default_factory=Company)
    queue: Queue = field(default_factory=Queue)
    cursors: Cursors = field(default_factory=Cursors)
    known: Known = field(default_factory=Known)
    turns: TurnRows = field(default_factory=TurnRows)

    def __post_init__(self) -> None:
        at, clock = self.company.connection, self.company.clock
        self.connection = replace(at, applied_at=stamp(clock() - timedelta(days=1)))
        limiter = Limiter(Buckets(), clock)
        self.books = ZohoBooks(self.company.http(regions.HOSTS), self.company.tokens, limiter, optional=True)
        self.reconcile = Reconcile(self.books, self.cursors, self.company.deliveries, self.queue, clock, self.known)

    def run(self, at: Connection | None = None) -> Done:
        """A turn, five minutes after whatever was last."""
        self.company.clock.advance(300)
        at = at or self.connection
        rounds = Rounds(
            Held({at.name: at}), self.turns, self.reconcile, self.books, ZohoSettings(self.books.api), Told(),
            self.company.clock, lambda: 0.0,
        )  # fmt: skip
        done = rounds.run(at.name, "run-1", lambda: True)
        assert done
        return done

    @property
    def found(self) -> list[str]:
        return [each.event.record_id for each in self.queue.sent]

    @property
    def organization(self) -> Any:
        return self.company.world.zoho.organizations[w.ZOHO_ORGANIZATION]


@pytest.fixture
def stand() -> Stand:
    return Stand()


def test_lost_webhooks_are_found_in_one_run(stand: Stand) -> None:
    """Of every module, created and changed; and not a second time."""
    made = {module: stand.company.saves(module).event.record_id for module in MODULES}
    done = stand.run()
    assert done.found.failed == {}
    assert sorted(stand.found) == sorted(made.values())
    for each in stand.queue.sent:
        stand.company.carries(each)
    stand.company.clock.advance(900)
    stand.company.saves("invoice", {"status": "paid"}, made["invoice"])
    stand.queue.sent.clear()
    stand.run()
    assert [(each.event.record_id, each.event.name) for each in stand.queue.sent] == [
        (made["invoice"], "invoice.updated")
    ]


def test_outage_of_several_pages_is_worked_off(stand: Stand) -> None:
    """More rows than a page and more calls than a minute has: minute by minute, until all is found."""
    made = set()
    for _ in range(230):
        made.add(stand.company.saves("bill").event.record_id)
        stand.company.clock.advance(7)
    stand.organization.daily_limit = 5000
    at = replace(stand.connection, modules=("bill",))
    runs = 0
    while not runs or stand.turns.rows["acme-eu"].spent == 0 or stand.cursors.rows["bill"].gaps:
        runs += 1
        assert runs < 20
        done = stand.run(at)
        assert done.found.failed == {}
    assert set(stand.found) == made
    assert runs > 1
    assert done.calls < 100


def test_reserve_is_left_to_the_customers_other_integrations(stand: Stand) -> None:
    """Reconcile stops at it and waits for the organization's midnight; a delivery's fetch still gets through."""
    stand.organization.daily_limit = 1000
    record = stand.company.saves("invoice").event.record_id
    stand.run()
    stand.organization.calls_today = 905
    done = stand.run()
    assert "little is left" in done.found.stopped
    calls = stand.organization.calls_today
    assert stand.run().calls == 0
    assert stand.organization.calls_today == calls
    assert stand.company.books.fetch(stand.connection, "invoice", record)["invoice_id"] == record
    turn = stand.turns.rows["acme-eu"]
    assert turn.due_at == turn.day_ends


def test_quota_used_up_is_waited_for(stand: Stand) -> None:
    """Code 45: nobody knocks again before the organization's midnight, and nothing is lost by then."""
    record = stand.company.saves("invoice").event.record_id
    stand.organization.daily_limit = 1000
    stand.run(replace(stand.connection, modules=("bill",)))
    stand.organization.calls_today = 1000
    stand.run()
    stand.company.clock.advance(24 * 3600)
    stand.run()
    assert record in stand.found


def test_invoice_that_midnight_makes_overdue_is_told(stand: Stand) -> None:
    """Its list is the only one that shows it: no webhook, and the time of its last change stays."""
    routes = ({"events": ["invoice.overdue"], "when": {}, "to": ["finance"]},)
    at = replace(stand.connection, routes=routes, modules=("invoice",))
    today = f"{stand.company.clock():%Y-%m-%d}"
    saved = stand.company.saves("invoice", {"status": "sent", "due_date": today})
    paid = stand.company.saves("invoice", {"status": "paid", "due_date": today})
    for each in (saved, paid):
        stand.known.learn(each.event.record_key, each.event.version, "sent")
    stand.run(at)
    stand.company.clock.advance(26 * 3600)
    stand.organization.records["invoices"][saved.event.record_id]["status"] = "overdue"
    stand.run(at)
    told = [(each.event.record_id, each.event.names[-1]) for each in stand.queue.sent]
    assert told == [(saved.event.record_id, "invoice.overdue")]
    stand.company.clock.advance(26 * 3600)
    stand.run(at)
    assert len(stand.queue.sent) == 1


def test_zohos_history_is_read(stand: Stand) -> None:
    """What the stand-in says of its webhooks is counted; without any, the share of the cap is 0."""
    done = stand.run()
    assert (done.cap, done.troubles) == (0, [])
