"""What the webhooks missed is found, and nothing else is sent (contracts: zoho-books 6.3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from ml_connector.connections import Connection
from ml_connector.errors import ConnectorError, NeedsAttention, RetryLater, Undeliverable
from ml_connector.events import Version
from ml_connector.modules import MODULES
from ml_connector.ports import Memory
from ml_connector.reconcile import Found, Reconcile
from tests.fakes import Books, Clock, Deliveries, Queue, connection, delivery, payload


@dataclass
class Cursors:
    rows: dict[tuple[str, str], str] = field(default_factory=dict)

    def get(self, connection: str, module: str) -> str | None:
        return self.rows.get((connection, module))

    def set(self, connection: str, module: str, read_until: str) -> None:
        self.rows[connection, module] = read_until


@dataclass
class Office:
    clock: Clock = field(default_factory=Clock)
    books: Books = field(default_factory=Books)
    cursors: Cursors = field(default_factory=Cursors)
    deliveries: Deliveries = field(default_factory=Deliveries)
    queue: Queue = field(default_factory=Queue)

    def saves(self, number: int = 1, modified: str = "2026-11-22T08:00:00+0100", module: str = "invoice") -> None:
        """A record is saved in Zoho and its webhook never comes."""
        shape = MODULES[module]
        content = payload(module, modified, **{shape.id_field: f"46000{number}"})
        listed = {key: content[key] for key in (shape.id_field, "last_modified_time", "created_time")}
        self.books.rows.setdefault(module, []).append(listed)
        self.books.records[module, f"46000{number}"] = content

    def remembers(self, number: int = 1, **memory: Any) -> None:
        each = delivery(invoice_id=f"46000{number}")
        self.deliveries.write(each.event.record_key, "ledger", Memory(**memory))

    def run(self, at: Connection | None = None, time_left: Callable[[], bool] = lambda: True) -> Found:
        reconcile = Reconcile(self.books, self.cursors, self.deliveries, self.queue, self.clock)
        return reconcile.run(at or connection(), "run-1", time_left)

    @property
    def sent(self) -> list[str]:
        return [each.event.record_id for each in self.queue.sent]


@pytest.fixture
def office() -> Office:
    return Office()


ROW = Version("2026-11-22T07:00:00Z", "f")


def test_missed_record_is_enqueued_whole(office: Office) -> None:
    """A record that no delivery has seen is read from Zoho and goes the way of a webhook."""
    office.saves()
    found = office.run()
    (each,) = office.queue.sent
    assert (found.rows, found.missing, found.enqueued, found.failed) == (1, 1, 1, {})
    assert (each.event.name, each.event.origin, each.destination) == ("invoice.created", "reconcile", "ledger")
    assert each.event.payload is not None
    assert each.event.payload["total"] == "1284.50"
    assert each.event.version.at == "2026-11-22T07:00:00Z"


def test_it_is_the_same_version_as_the_webhooks(office: Office) -> None:
    """Webhook and reconcile overlap: both speak of one version, so the second is skipped."""
    office.saves()
    office.run()
    assert office.queue.sent[0].event.version == delivery(modified="2026-11-22T08:00:00+0100").event.version


@pytest.mark.parametrize(
    "memory",
    [
        {"state": "done", "version": ROW},
        {"state": "done", "version": Version("2026-11-22T07:30:00Z", "newer")},
        {"state": "waiting", "pending": ROW},
        {"state": "unknown", "pending": ROW},
        {"state": "sending", "pending": ROW},
        {"state": "parked", "pending": ROW},
        {"state": "parked", "version": Version("2026-11-01T00:00:00Z", "old"), "pending": ROW},
    ],
    ids=lambda memory: f"{memory['state']}",
)
def test_what_is_known_is_not_sent_again(office: Office, memory: dict[str, Any]) -> None:
    """Applied, under way, or parked for a person: reconcile keeps its hands off, and asks Zoho for nothing."""
    office.saves()
    office.remembers(**memory)
    office.books.records.clear()
    assert office.run().failed == {}
    assert office.sent == []


def test_known_record_with_a_newer_change_is_an_update(office: Office) -> None:
    """The destination has an older state: what is missing is the change."""
    office.saves()
    office.remembers(state="done", version=Version("2026-11-22T06:59:59Z", "f"), external_id="1")
    office.run()
    assert [each.event.name for each in office.queue.sent] == ["invoice.updated"]


def test_only_the_destinations_that_miss_it_get_it(office: Office) -> None:
    """A record that reached the board but not the channel goes to the channel."""
    office.saves()
    office.remembers(state="done", version=ROW)
    each = delivery(invoice_id="460001")
    office.deliveries.write(each.event.record_key, "finance", Memory("done", Version("2026-11-01T00:00:00Z", "old")))
    routes = [{"events": ["*"], "when": {}, "to": ["finance", "ledger"]}]
    office.run(connection(routes=routes))
    assert [each.destination for each in office.queue.sent] == ["finance"]


def test_cursor_moves_to_two_minutes_ago_and_looks_back_ten(office: Office) -> None:
    """Webhooks get two minutes; every run overlaps the one before, because Zoho's lists may lag."""
    office.run()
    assert set(office.cursors.rows.values()) == {"2026-11-22T07:58:00Z"}
    assert {since for _, since in office.books.asked} == {"2026-10-31T23:50:00Z"}, "first: since it was applied"
    office.books.asked.clear()
    office.clock.advance(900)
    office.run()
    assert {since for _, since in office.books.asked} == {"2026-11-22T07:48:00Z"}


def test_young_changes_are_left_to_their_webhook(office: Office) -> None:
    """What changed within the last two minutes is looked at in the next run."""
    office.saves(1, "2026-11-22T08:58:00+0100")
    office.saves(2, "2026-11-22T08:58:01+0100")
    office.run()
    assert office.sent == ["460001"]
    office.clock.advance(900)
    office.deliveries.write("acme-eu#invoice#460001", "ledger", Memory("done", office.queue.sent[0].event.version))
    office.run()
    assert office.sent == ["460001", "460002"]


@pytest.mark.parametrize(
    "error", [RetryLater("Zoho answered 500"), Undeliverable("Zoho refuses it")], ids=lambda e: type(e).__name__
)
def test_failing_module_keeps_its_cursor_and_stops_no_other(office: Office, error: Exception) -> None:
    """Bills are unreadable: invoices go on, and bills are read from the same place next time."""
    office.saves()
    office.books.broken["bill"] = error
    found = office.run()
    assert found.failed == {"bill": str(error)}
    assert office.sent == ["460001"]
    assert {module for _, module in office.cursors.rows} == set(MODULES) - {"bill"}


def test_unreadable_time_keeps_the_cursor(office: Office) -> None:
    """A row whose time cannot be read might be the one that is missing."""
    office.books.rows["invoice"] = [{"invoice_id": "1", "last_modified_time": "yesterday"}]
    assert "invoice" in office.run().failed
    assert ("acme-eu", "invoice") not in office.cursors.rows


def test_queue_that_refuses_keeps_the_cursor(office: Office) -> None:
    """Nothing is ticked off that is not in the queue."""
    office.saves()
    office.queue.refuses = True
    assert "invoice" in office.run().failed
    assert ("acme-eu", "invoice") not in office.cursors.rows


def test_run_without_time_keeps_the_cursor(office: Office) -> None:
    """The rest is found by the next run, which does not start behind it."""
    office.saves(1)
    office.saves(2)
    answers = iter([True, True, False])
    office.run(connection(zoho={"region": "eu", "organization_id": "1", "modules": ["invoice"]}), lambda: next(answers))
    assert office.sent == ["460001"]
    assert office.cursors.rows == {}


def test_unusable_record_is_counted_and_holds_nobody_up(office: Office) -> None:
    """One record without a readable amount must not keep the module from moving on."""
    office.saves(1)
    office.saves(2)
    office.books.records["invoice", "460001"] = {**payload(), "total": "a lot"}
    found = office.run()
    assert (found.unusable, office.sent) == (1, ["460002"])
    assert ("acme-eu", "invoice") in office.cursors.rows


def test_record_that_no_route_wants_is_not_missing(office: Office) -> None:
    """Who hears of nothing misses nothing."""
    office.saves()
    found = office.run(connection(routes=[{"events": ["bill.*"], "when": {}, "to": ["ledger"]}]))
    assert (found.missing, office.sent) == (0, [])


def _routes(*routes: tuple[str, str], **when: Any) -> Connection:
    return connection(routes=[{"events": [event], "when": when, "to": [name]} for event, name in routes])


def test_destination_that_the_queue_did_not_take_is_found(office: Office) -> None:
    """SQS took one of two destinations, and Zoho never repeated the call: the other has no row."""
    office.saves()
    office.remembers(state="done", version=ROW)
    office.run(_routes(("*", "ledger"), ("*", "finance")))
    assert [(each.destination, each.event.name) for each in office.queue.sent] == [("finance", "invoice.created")]


def test_lost_beginning_is_found_behind_a_change_that_arrived(office: Office) -> None:
    """`created` was lost, `updated` came: who hears of beginnings alone gets this one, in the state of today."""
    office.saves()
    office.remembers(state="done", version=ROW)
    both = _routes(("*.created", "finance"), ("*.updated", "ledger"))
    office.run(both)
    assert [(each.destination, each.event.name) for each in office.queue.sent] == [("finance", "invoice.created")]


def test_who_hears_of_beginnings_misses_no_change(office: Office) -> None:
    """It has the record since it was made; that it has changed is nobody's loss."""
    office.saves()
    office.remembers(state="done", version=Version("2026-11-20T08:00:00Z", "first"))
    found = office.run(_routes(("*.created", "ledger")))
    assert (found.missing, office.sent) == (0, [])


def test_record_made_before_the_connection_is_a_change(office: Office) -> None:
    """It is no news that it exists."""
    office.saves()
    office.books.records["invoice", "460001"] |= {"created_time": "2026-10-01T09:00:00+0100"}  # type: ignore[operator]
    office.books.rows["invoice"][0] |= {"created_time": "2026-10-01T09:00:00+0100"}  # type: ignore[operator]
    office.run(_routes(("*.created", "finance"), ("*.updated", "ledger")))
    assert [(each.destination, each.event.name) for each in office.queue.sent] == [("ledger", "invoice.updated")]


def test_record_that_no_route_wants_costs_no_fetch(office: Office) -> None:
    """The list's row says enough to route by: Zoho's daily calls are for what is missing."""
    office.saves()
    office.books.rows["invoice"][0] |= {"currency_code": "EUR", "total": "1284.50"}  # type: ignore[operator]
    office.books.records.clear()
    found = office.run(_routes(("*", "ledger"), min_amount="5000"))
    assert (found.unusable, found.missing, found.failed) == (0, 0, {})


@pytest.mark.parametrize("routing", ["all", "first"])
@pytest.mark.parametrize("when", [{"currency": ["EUR"]}, {"custom": {"cf_region": ["north"]}}], ids=str)
def test_row_that_cannot_answer_is_looked_up(office: Office, when: dict[str, Any], routing: str) -> None:
    """Lists of payments have no currency, and most have no custom fields: the full record decides (6.4)."""
    office.saves(1, module="customer_payment")
    office.saves(2, module="customer_payment")
    fields = [{"api_name": "cf_region", "value": "north"}]
    office.books.records["customer_payment", "460001"] |= {"custom_fields": fields}  # type: ignore[operator]
    office.books.records["customer_payment", "460002"] |= {"currency_code": "USD"}  # type: ignore[operator]
    routes = [{"events": ["*"], "when": when, "to": ["ledger"]}, {"events": ["*"], "when": {}, "to": ["finance"]}]
    # The second record is where its route sends it: only the first is missing anywhere.
    office.deliveries.write("acme-eu#customer_payment#460002", "finance", Memory("done", ROW))
    office.run(connection(routes=routes, routing=routing))
    sent = [(each.event.record_id, each.destination) for each in office.queue.sent]
    assert sent == [("460001", "ledger"), *([("460001", "finance")] if routing == "all" else [])]


def test_record_that_cannot_be_fetched_is_counted(office: Office) -> None:
    """Deleted since it was listed: the others are found, and the cursor moves on."""
    office.saves(1)
    office.saves(2)
    del office.books.records["invoice", "460001"]
    found = office.run()
    assert (found.unusable, office.sent, found.failed) == (1, ["460002"], {})
    assert ("acme-eu", "invoice") in office.cursors.rows


@pytest.mark.parametrize("error", [NeedsAttention("connect Zoho again"), RetryLater("busy")], ids=str)
def test_fetch_that_nobody_can_make_now_stops_the_module(
    office: Office, monkeypatch: pytest.MonkeyPatch, error: ConnectorError
) -> None:
    """That is not the record's fault: its cursor stays where it was."""
    office.saves()

    def fetch(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(office.books, "fetch", fetch)
    found = office.run()
    assert (found.failed, found.unusable) == ({"invoice": str(error)}, 0)
    assert ("acme-eu", "invoice") not in office.cursors.rows


def test_no_module_is_begun_without_time(office: Office) -> None:
    """Each asks first: a list without rows would end a run that has no time as if it had been read."""
    answers = iter([True, False])
    office.run(time_left=lambda: next(answers))
    assert [module for module, _ in office.books.asked] == [next(iter(MODULES))]
    assert len(office.cursors.rows) == 1
