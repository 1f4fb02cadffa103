"""The completeness report by the strict stand-in's lists: its date filter, its orders, what its rows leave out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

import pytest

from ml_connector.completeness import Completeness, Place
from ml_connector.modules import MODULES
from ml_connector.ports import Memory
from sandbox.vendors import default_world as w
from tests.contract.test_against_standins import Company
from tests.fakes import Deliveries

DAY = "2026-11-18"


@dataclass
class Table:
    deliveries: Deliveries

    def of_places(self, places: Collection[Place]) -> Mapping[Place, Memory]:
        return {place: memory for place, memory in self.deliveries.rows.items() if place in places}

    def dated(self, connection: str, since: str, until: str) -> Iterator[tuple[Place, Memory]]:
        yield from ((place, each) for place, each in self.deliveries.rows.items() if since <= each.date <= until)


@pytest.fixture
def company() -> Company:
    return Company()


def completeness(company: Company) -> Completeness:
    return Completeness(company.books, Table(company.deliveries), company.clock, "EUR")


@pytest.mark.parametrize("module", MODULES)
def test_every_module_agrees_with_what_was_delivered(company: Company, module: str) -> None:
    """What full records said on their way to the board is what list rows say: amount, currency, version, date."""
    for _ in range(2):
        each = company.saves(module, {MODULES[module].amount: 12.5})
        assert company.courier().carry(each).outcome == "delivered"
    lost = company.saves(module)
    company.clock.advance(180)
    today = str(company.clock().date())
    tally, items = completeness(company).report(company.connection, today, today)
    assert not tally.failed
    of_module = {item.record_id: item for item in items if item.module == module}
    assert of_module.pop(lost.event.record_id).state == "missing"
    assert {item.state for item in of_module.values() if item.there} == {"delivered"}
    assert sum(item.there for item in of_module.values()) == 2
    assert {(item.amount, item.amount_there) for item in of_module.values() if item.there} == {(Decimal("12.5"),) * 2}
    assert {item.currency for item in of_module.values() if item.there} == {"EUR"}


def test_days_before_and_after_are_left_out(company: Company) -> None:
    """Zoho's filter takes both ends, and more than a page of documents comes whole."""
    for day in (17, 18, 18, 19, 20):
        company.saves("invoice", {"date": f"2026-10-{day}"})
    tally, items = completeness(company).report(company.connection, "2026-10-18", "2026-10-19")
    assert sorted(item.date for item in items if item.module == "invoice") == ["2026-10-18", "2026-10-18", "2026-10-19"]
    for _ in range(201):
        company.saves("customer_payment", {"date": "2026-09-05"})
    tally, _ = completeness(company).report(company.connection, "2026-09-01", "2026-09-30")
    assert tally.zoho["customer_payment"].records == 201
    pages = completeness(company).pages(company.connection, "customer_payment", "2026-09-01", "2026-09-30")
    assert [(len(batch.records), batch.more) for batch in pages] == [(200, True), (1, False)]


def test_changed_behind_our_back_and_deleted(company: Company) -> None:
    """A lost update is another amount, a lost deletion is gone; both sides' sums say by how much."""
    first, second = company.saves("invoice", {"date": DAY}), company.saves("invoice", {"date": DAY})
    for each in (first, second):
        company.courier().carry(each)
    before = Decimal(company.deliveries.of(first).amount)
    company.clock.advance(60)
    company.saves("invoice", {"total": 1.25}, first.event.record_id)
    company.control(
        "DELETE", f"/zoho/{w.ZOHO_ORGANIZATION}/records/invoice/{second.event.record_id}", {"webhook": "lose"}
    )
    company.clock.advance(180)
    _, items = completeness(company).report(company.connection, DAY, DAY)
    found = {item.record_id: item for item in items}
    assert found[first.event.record_id].state == "different"
    assert (found[first.event.record_id].amount, found[first.event.record_id].amount_there) == (Decimal("1.25"), before)
    assert found[second.event.record_id].state == "gone"
