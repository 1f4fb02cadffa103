"""What the webhooks missed is found, and nothing else is sent (contracts: zoho-books 6.3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from ml_connector.connections import Connection
from ml_connector.errors import ConnectorError, NeedsAttention, NotAllowed, RetryLater, Throttled, Undeliverable
from ml_connector.events import Version
from ml_connector.gaps import Gap, Reading
from ml_connector.modules import MODULES
from ml_connector.ports import Memory
from ml_connector.reconcile import Found, Reconcile, tracks
from tests.fakes import ORGANIZATION, Books, Clock, Deliveries, Desk, Known, Queue, connection, delivery, payload


@dataclass
class Cursors:
    """`writes` counts what was stored."""

    rows: dict[str, Reading] = field(default_factory=dict)
    writes: int = 0

    def all(self, connection: str) -> dict[str, Reading]:
        return dict(self.rows)

    def set(self, connection: str, track: str, reading: Reading) -> None:
        self.rows[track] = reading
        self.writes += 1


@dataclass
class Office:
    clock: Clock = field(default_factory=Clock)
    books: Books = field(default_factory=Books)
    cursors: Cursors = field(default_factory=Cursors)
    deliveries: Deliveries = field(default_factory=Deliveries)
    queue: Queue = field(default_factory=Queue)
    known: Known = field(default_factory=Known)

    def saves(
        self, number: int = 1, modified: str = "2026-11-22T08:00:00+0100", module: str = "invoice", **fields: Any
    ) -> None:
        """A record is saved in Zoho and its webhook never comes. Its row in the list holds these fields, too."""
        shape = MODULES[module]
        content = payload(module, modified, **{shape.id_field: f"46000{number}"}, **fields)
        listed = {key: content[key] for key in (shape.id_field, "last_modified_time", "created_time", *fields)}
        self.books.rows.setdefault(module, []).append(listed)
        self.books.rows[module].sort(key=lambda row: str(row["last_modified_time"]), reverse=True)
        self.books.records[module, f"46000{number}"] = content

    def remembers(self, number: int = 1, **memory: Any) -> None:
        each = delivery(invoice_id=f"46000{number}")
        self.deliveries.write(each.event.record_key, "ledger", Memory(**memory))

    @property
    def reconcile(self) -> Reconcile:
        return Reconcile(self.books, self.cursors, self.deliveries, self.queue, self.clock, self.known)

    def run(self, at: Connection | None = None, time_left: Callable[[], bool] = lambda: True, **options: Any) -> Found:
        return self.reconcile.run(at or connection(), "run-1", time_left, **options)

    def gaps(self, track: str = "invoice") -> tuple[Gap, ...]:
        return self.cursors.rows[track].gaps

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
        {"state": "waiting", "pending": ROW, "gathered": "finance.quiet-20261122T1800Z"},
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
    first = [("2026-11-21T00:00:00+0000", 1), ("2026-10-31T23:50:00+0000", 2), ("2026-10-31T23:49:59+0000", 3)]
    for modified, number in first:
        office.saves(number, modified)
    office.run()
    assert {key: reading for key, reading in office.cursors.rows.items() if "~" not in key} == dict.fromkeys(
        MODULES, Reading("2026-11-22T07:58:00Z")
    )
    assert office.sent == ["460001", "460002"], "first: since it was applied, and ten minutes before"
    office.queue.sent.clear()
    office.saves(4, "2026-11-22T07:47:59+0000")
    office.saves(5, "2026-11-22T07:48:00+0000")
    office.clock.advance(900)
    office.run()
    assert office.sent == ["460005"]


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
    assert {key for key, reading in office.cursors.rows.items() if reading.gaps} == {"bill"}
    office.books.broken.clear()
    office.saves(2, module="bill")
    assert office.run().failed == {}
    assert office.sent == ["460001", "460002"]
    assert office.gaps("bill") == ()


def test_unreadable_time_keeps_the_cursor(office: Office) -> None:
    """A row whose time cannot be read might be the one that is missing."""
    office.books.rows["invoice"] = [{"invoice_id": "1", "last_modified_time": "yesterday"}]
    assert "invoice" in office.run().failed
    assert office.gaps() == (Gap("2026-10-31T23:50:00Z", "2026-11-22T07:58:00Z"),)


def test_queue_that_refuses_keeps_the_cursor(office: Office) -> None:
    """Nothing is ticked off that is not in the queue."""
    office.saves()
    office.queue.refuses = True
    assert "invoice" in office.run().failed
    assert office.gaps() == (Gap("2026-10-31T23:50:00Z", "2026-11-22T07:58:00Z", by="modified"),)


INVOICES = {"region": "eu", "organization_id": ORGANIZATION, "modules": ["invoice"]}


def steps(count: int) -> Callable[[], bool]:
    """True so often."""
    answers = iter([True] * count)
    return lambda: next(answers, False)


def test_run_without_time_goes_on_at_the_next_row(office: Office) -> None:
    """What has been dealt with is not looked at again; the rest is found by the next run."""
    for number in range(5):
        office.saves(number, f"2026-11-22T0{7 - number}:00:00+0000")
    # One asks before the list, one before each page, one before each row.
    found = office.run(connection(zoho=INVOICES), steps(4))
    assert office.sent == ["460000", "460001"]
    assert (found.open, office.gaps()[0].seen) == (1, "2026-11-22T06:00:00Z")
    office.queue.sent.clear()
    assert office.run(connection(zoho=INVOICES)).open == 0
    # The row at which it stopped is looked at once more: many may be of one second.
    assert office.sent == ["460001", "460002", "460003", "460004"]
    assert office.gaps() == ()


@pytest.mark.parametrize("count", range(6, 40, 4))
def test_gap_of_any_length_is_worked_off(office: Office, count: int) -> None:
    """However little time each run has, all is found in the end, and newer losses on the way."""
    office.books.size = 4
    for number in range(30):
        office.saves(100 + number, f"2026-11-{1 + number // 2:02}T{7 + number % 2:02}:00:00+0000")
    wanted, runs = {f"46000{100 + number}" for number in range(30)}, 0
    while not office.cursors.rows or office.gaps():
        runs += 1
        assert runs < 100
        office.clock.advance(60)
        if runs == 2:
            office.saves(7, "2026-11-22T08:00:00+0000")
            wanted.add("460007")
        office.run(connection(zoho=INVOICES), steps(count), stale="" if runs % 5 == 4 else "2026-11-21T00:00:00Z")
        for each in office.queue.sent:
            office.remembers(int(each.event.record_id[5:]), state="done", version=each.event.version) if (
                each.event.record_key,
                "ledger",
            ) not in office.deliveries.rows else None
    office.clock.advance(600)
    office.run(connection(zoho=INVOICES))
    assert set(office.sent) == wanted


def test_what_is_new_comes_before_what_was_left(office: Office) -> None:
    """A gap that takes days does not keep the losses of today waiting: one page of each list comes first."""
    office.books.size = 2
    for number in range(6):
        office.saves(number, f"2026-11-1{number}T08:00:00+0000")
    office.saves(9, module="bill")
    at = connection(zoho={**INVOICES, "modules": ["invoice", "bill"]})
    office.run(at, deep=lambda: False)
    assert office.sent == ["460005", "460004", "460009"]
    assert office.gaps() == (
        Gap("2026-10-31T23:50:00Z", "2026-11-22T07:58:00Z", 2, "2026-11-14T08:00:00Z", "modified"),
    )
    office.saves(8, "2026-11-22T08:00:00+0000")
    office.clock.advance(900)
    office.queue.sent.clear()
    office.run(at)
    assert office.sent[0] == "460008"
    assert set(office.sent) == {"460000", "460001", "460002", "460003", "460004", "460008"}


def test_own_limit_ends_the_run_and_keeps_the_place(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else of the organization would get a call through; the next run goes on at this row."""
    office.saves(1)
    office.saves(2, "2026-11-22T06:00:00+0000")
    fetch = office.books.fetch
    left = iter([True])

    def limited(*which: Any) -> Any:
        if not next(left, False):
            raise Throttled("zoho: 72 calls in 60 s are made", 17)
        return fetch(*which)

    monkeypatch.setattr(office.books, "fetch", limited)
    found = office.run()
    assert (found.stopped, found.after, found.failed) == ("zoho: 72 calls in 60 s are made", 17, {})
    assert office.sent == ["460001"]
    assert [module for module, _ in office.books.asked] == ["invoice"]
    monkeypatch.undo()
    office.run()
    assert office.sent[-1] == "460002"


def test_lists_that_were_read_lately_are_not_read_again(office: Office) -> None:
    """A run that works off a gap costs no look at every list."""
    office.run()
    office.books.asked.clear()
    office.clock.advance(60)
    office.run(stale="2026-11-22T07:50:00Z")
    assert office.books.asked == []
    office.run(stale="2026-11-22T07:58:01Z")
    assert len(office.books.asked) == len(MODULES)


def test_longest_unread_list_comes_first(office: Office) -> None:
    """A run that never gets to the end of its lists begins with another one each time."""
    office.cursors.rows = {"invoice": Reading("2026-11-22T07:00:00Z"), "bill": Reading("2026-11-22T06:00:00Z")}
    office.run(connection(zoho={**INVOICES, "modules": ["invoice", "bill"]}), steps(2))
    assert office.books.asked == [("bill", 1)]


def test_unusable_record_is_counted_and_holds_nobody_up(office: Office) -> None:
    """One record without a readable amount must not keep the module from moving on."""
    office.saves(1)
    office.saves(2)
    office.books.records["invoice", "460001"] = {**payload(), "total": "a lot"}
    found = office.run()
    assert (found.unusable, office.sent) == (1, ["460002"])
    assert office.gaps() == ()


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
    assert office.gaps() == ()


@pytest.mark.parametrize(
    "error", [NeedsAttention("connect Zoho again"), NotAllowed("no scope"), RetryLater("busy", 60, 429)], ids=str
)
def test_fetch_that_nobody_can_make_now_stops_the_module(
    office: Office, monkeypatch: pytest.MonkeyPatch, error: ConnectorError
) -> None:
    """That is not the record's fault: it is looked at again. Refused credentials end the run, a missing scope not."""
    office.saves()

    def fetch(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(office.books, "fetch", fetch)
    found = office.run()
    assert (found.failed, found.unusable) == ({"invoice": str(error)}, 0)
    assert office.gaps() == (Gap("2026-10-31T23:50:00Z", "2026-11-22T07:58:00Z", by="modified"),)
    assert (len(office.books.asked) == 1) == (type(error) is NeedsAttention)
    assert found.forbidden == (["invoice"] if type(error) is NotAllowed else [])


def cannot_give(office: Office, *numbers: int) -> None:
    """Zoho answers 500 for these records, and gives all others."""
    fetch = office.books.fetch

    def failing(at: Connection, module: str, record_id: str) -> Any:
        if record_id in {f"46000{number}" for number in numbers}:
            raise RetryLater(f"Zoho Books, invoices/{record_id}: Zoho answered 500", None, 500)
        return fetch(at, module, record_id)

    object.__setattr__(office.books, "fetch", failing)


def test_record_that_zoho_cannot_give_holds_up_no_other(office: Office) -> None:
    """It is queued without its payload: its deliveries ask again for days, and the gap is closed."""
    for number in range(3):
        office.saves(number, f"2026-11-22T0{7 - number}:00:00+0000")
    cannot_give(office, 1)
    found = office.run()
    assert office.sent == ["460000", "460001", "460002"]
    assert (found.failed, found.missing, office.gaps()) == ({}, 3, ())
    thin = office.queue.sent[1]
    assert (thin.event.payload, thin.perhaps, thin.event.name) == (None, True, "invoice.created")
    assert thin.event.version.at == "2026-11-22T06:00:00Z"


def test_record_that_zoho_cannot_give_arrives_when_it_can(office: Office) -> None:
    """What reconcile queued of a record that it knew by its id alone is delivered in its newest version."""
    office.saves(1)
    cannot_give(office, 1)
    office.reconcile.look_at(connection(), "invoice", "460001", "run-1")
    (thin,) = office.queue.sent
    desk = Desk(deliveries=office.deliveries)
    desk.books.records = office.books.records
    desk.courier().carry(thin)
    assert len(desk.vendor.items) == 1
    memory = office.deliveries.of_record("acme-eu#invoice#460001")["ledger"]
    assert (memory.state, memory.version and memory.version.at) == ("done", "2026-11-22T07:00:00Z")


def test_failed_webhook_whose_record_zoho_cannot_give_is_left_to_its_deliveries(office: Office) -> None:
    """Nothing but the id is known: as created to who has nothing of it, as a change to who has."""
    office.remembers(1, state="done", version=ROW, external_id="7")
    cannot_give(office, 1)
    at = _routes(("*.created", "ledger"), ("*", "finance"), ("*.updated", "ledger"))
    found = office.reconcile.look_at(at, "invoice", "460001", "run-1")
    told = {each.destination: (each.event.name, each.event.payload, each.perhaps) for each in office.queue.sent}
    assert told == {"finance": ("invoice.created", None, True), "ledger": ("invoice.updated", None, True)}
    assert (found.missing, found.enqueued) == (1, 2)


@pytest.mark.parametrize("bad", ["2026-11-22", "22 Nov 2026"])
def test_row_without_a_readable_time_is_looked_at_by_its_id(office: Office, bad: str) -> None:
    """The record says it better; it and all others of the list are found."""
    for number in range(3):
        office.saves(number, f"2026-11-22T0{7 - number}:00:00+0000")
    office.books.rows["invoice"][1] = {**office.books.rows["invoice"][1], "last_modified_time": bad}
    found = office.run()
    assert (office.sent, found.failed, found.unusable) == (["460000", "460001", "460002"], {}, 0)
    assert office.gaps() == ()


def test_row_without_an_id_is_counted(office: Office) -> None:
    """There is nothing to look it up by."""
    office.saves(1)
    office.books.rows["invoice"].append({"last_modified_time": "2026-11-22T06:00:00+0000", "invoice_id": "../1"})
    found = office.run()
    assert (found.unusable, office.sent) == (1, ["460001"])


def test_no_module_is_begun_without_time(office: Office) -> None:
    """Each asks first: a list without rows would end a run that has no time as if it had been read."""
    office.run(time_left=steps(2))
    assert office.books.asked == [(next(iter(MODULES)), 1)]
    assert office.cursors.writes == 1


# --- lists that Zoho sorts by creation only ------------------------------------------------------------------------

PAYMENTS = {**INVOICES, "modules": ["customer_payment"]}


def test_old_payments_are_looked_through_once_a_day(office: Office) -> None:
    """What is new or changed on the first page is found at once; other changes of the last month within a day."""
    office.books.size = 2
    for number, made in enumerate(["22T07:00", "21T07:00", "19T07:00", "10T07:00"]):
        office.saves(number, "2026-11-22T07:10:00+0000", "customer_payment", created_time=f"2026-11-{made}:00+0000")
    office.books.rows["customer_payment"].sort(key=lambda row: str(row["created_time"]), reverse=True)
    read_before = Reading("2026-11-22T07:00:00Z")
    office.cursors.rows = {"customer_payment": read_before, "customer_payment~changed": read_before}
    office.run(connection(zoho=PAYMENTS))
    assert office.sent == ["460000", "460001"]
    assert office.books.asked == [("customer_payment", 1)]
    office.queue.sent.clear()
    office.clock.advance(24 * 3600)
    office.run(connection(zoho=PAYMENTS))
    assert set(office.sent) == {"460000", "460001", "460002", "460003"}


# --- changes of status ---------------------------------------------------------------------------------------------


def test_lost_change_of_status_is_told_by_its_name(office: Office) -> None:
    """The newest version known was sent, this one is paid: a route that asks for `invoice.paid` hears of it, once."""
    office.saves(status="paid")
    office.known.learn("acme-eu#invoice#460001", Version("2026-11-21T00:00:00Z", "f"), "sent")
    paid = _routes(("invoice.paid", "finance"))
    office.run(paid)
    assert [each.event.names for each in office.queue.sent] == [("invoice.updated", "invoice.paid")]
    assert office.known.rows["acme-eu#invoice#460001"][1] == "paid"
    office.run(paid)
    assert len(office.queue.sent) == 1


def overdue(office: Office, number: int, due: str = "2026-11-22", **fields: Any) -> None:
    """An invoice that midnight has made overdue: its last change was weeks ago."""
    office.saves(number, "2026-11-02T08:00:00+0000", status="overdue", due_date=due, **fields)


OVERDUE = {**INVOICES, "modules": ["invoice"]}


@pytest.fixture
def read_lately(office: Office) -> Office:
    office.cursors.rows["invoice"] = Reading("2026-11-22T07:58:00Z")
    return office


def overdue_route(**zoho: Any) -> Connection:
    routes = [{"events": ["*.overdue"], "when": {}, "to": ["finance"]}, {"events": ["*"], "when": {}, "to": ["ledger"]}]
    return connection(zoho={**OVERDUE, **zoho}, routes=routes)


def test_what_the_calendar_changes_is_found(read_lately: Office) -> None:
    """No webhook and no modification time: the list of what is overdue tells, compared with what is known."""
    office = read_lately
    overdue(office, 1)
    overdue(office, 2)
    for number, status in ((1, "sent"), (2, "overdue")):
        office.known.learn(f"acme-eu#invoice#46000{number}", Version("2026-11-02T08:00:00Z", "f"), status)
    office.remembers(1, state="done", version=Version("2026-11-02T08:00:00Z", "f"))
    office.run(overdue_route(), day_ends="2026-11-22T23:00:00Z")
    told = [(each.event.record_id, each.event.names[-1], each.destination) for each in office.queue.sent]
    assert told == [("460001", "invoice.overdue", "finance"), ("460001", "invoice.overdue", "ledger")]
    assert office.known.rows["acme-eu#invoice#460001"][1] == "overdue"


def test_calendar_is_looked_at_once_a_day_of_the_organization(read_lately: Office) -> None:
    """Right after its midnight, and not again before the next."""
    office = read_lately
    ends = "2026-11-22T23:00:00Z"
    office.run(overdue_route(), day_ends=ends)
    assert office.cursors.rows["invoice~overdue"].until == ends
    overdue(office, 1)
    office.run(overdue_route(), day_ends=ends)
    assert office.sent == []
    office.clock.advance(15 * 3600 + 60)
    office.run(overdue_route(), day_ends="2026-11-23T23:00:00Z")
    assert set(office.sent) == {"460001"}


def test_nobody_who_did_not_ask_pays_for_the_calendar(office: Office) -> None:
    """`*` and `invoice.*` need no list of what is overdue."""
    for pattern in ("*", "invoice.*", "invoice.paid"):
        assert "invoice~overdue" not in [each.key for each in tracks(_routes((pattern, "ledger")))]
    assert "estimate~expired" in [each.key for each in tracks(_routes(("estimate.expired", "ledger")))]


def test_what_was_overdue_before_the_connection_is_no_news(read_lately: Office) -> None:
    """Nothing is known of it, and it fell due before anybody asked."""
    office = read_lately
    overdue(office, 1, due="2026-10-30")
    overdue(office, 2, due="2026-11-05")
    office.run(overdue_route(), day_ends="2026-11-22T23:00:00Z")
    assert set(office.sent) == {"460002"}


def test_filter_that_zoho_ignores_is_noticed(read_lately: Office) -> None:
    """It answers with everything, without a word: nothing is told, and no more than a page is read."""
    office = read_lately
    office.books.size = 2
    for number in range(6):
        office.saves(number, "2026-11-02T08:00:00+0000", status="sent")
    page = office.books.page
    ignoring = replace(office.reconcile, books=office.books)
    object.__setattr__(office.books, "page", lambda at, module, number, status="": page(at, module, number))
    ignoring.run(overdue_route(), "run-1", lambda: True, day_ends="2026-11-22T23:00:00Z")
    assert office.sent == []
    assert office.books.asked.count(("invoice", 2)) == 0


def test_overdue_without_a_readable_record_holds_nobody_up(read_lately: Office) -> None:
    """Deleted since it was listed."""
    office = read_lately
    overdue(office, 1)
    overdue(office, 2)
    del office.books.records["invoice", "460001"]
    found = office.run(overdue_route(), day_ends="2026-11-22T23:00:00Z")
    assert (found.unusable, set(office.sent)) == (1, {"460002"})


def test_overdue_record_that_zoho_cannot_give_holds_up_no_other(read_lately: Office) -> None:
    """Its deliveries ask again."""
    office = read_lately
    overdue(office, 1)
    overdue(office, 2)
    cannot_give(office, 1)
    found = office.run(overdue_route(), day_ends="2026-11-22T23:00:00Z")
    told = {(each.event.record_id, each.event.names[-1], each.event.payload is None) for each in office.queue.sent}
    assert told == {("460001", "invoice.overdue", True), ("460002", "invoice.overdue", False)}
    assert found.failed == {}


# --- backfill ------------------------------------------------------------------------------------------------------


def test_backfill_tells_of_what_is_older_than_the_connection(office: Office) -> None:
    """From its date on everything is new; what is there already is not told again."""
    made = {"created_time": "2026-03-01T09:00:00+0100"}
    office.saves(1, "2026-03-01T09:00:00+0100", **made)
    office.saves(2, "2026-04-01T09:00:00+0100", **made)
    office.saves(3, "2026-02-01T09:00:00+0100", created_time="2026-02-01T09:00:00+0100")
    office.saves(4, "2026-03-02T09:00:00+0100", created_time="2026-02-01T09:00:00+0100")
    office.remembers(2, state="done", version=Version("2026-04-01T08:00:00Z", "f"))
    at = connection(zoho=INVOICES)
    office.reconcile.backfill(at, "2026-03-01T00:00:00Z", "2026-11-22T08:00:00Z")
    office.run(at)
    told = [(each.event.record_id, each.event.name) for each in office.queue.sent]
    assert told == [("460004", "invoice.updated"), ("460001", "invoice.created")]
    assert office.gaps("invoice~backfill") == ()


def test_what_no_webhook_was_to_bring_is_ordinary(read_lately: Office) -> None:
    """A change by the calendar, and a backfill; but not a record that has just been changed."""
    office = read_lately
    overdue(office, 1)
    office.remembers(1, state="done", version=Version("2026-11-02T08:00:00Z", "f"))
    calendar = office.run(overdue_route(), day_ends="2026-11-22T23:00:00Z")
    assert (calendar.missing, calendar.ordinary) == (1, 1)
    office.saves(2, "2026-11-22T08:55:00+0100")
    office.clock.advance(3600)
    new = office.run(overdue_route(), day_ends="2026-11-22T23:00:00Z")
    assert (new.missing, new.ordinary) == (1, 0)
    office.saves(3, "2026-03-01T09:00:00+0100", created_time="2026-03-01T09:00:00+0100")
    office.reconcile.backfill(overdue_route(), "2026-02-01T00:00:00Z", "2026-04-01T00:00:00Z")
    asked = office.run(overdue_route(), day_ends="2026-11-22T23:00:00Z")
    assert (asked.missing, asked.ordinary) == (1, 1)


def june(office: Office) -> Connection:
    office.saves(1, "2026-06-10T09:00:00+0000", created_time="2026-06-10T09:00:00+0000")
    return connection(zoho=INVOICES)


def test_second_backfill_leaves_the_first_as_it_is(office: Office) -> None:
    """Both are worked off."""
    at = june(office)
    office.reconcile.backfill(at, "2026-06-01T00:00:00Z", "2026-07-01T00:00:00Z")
    office.reconcile.backfill(at, "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z")
    office.run(at)
    assert office.sent == ["460001"]
    assert office.gaps("invoice~backfill") == ()


def test_backfill_asked_for_during_a_run_is_worked_off(office: Office) -> None:
    """The run that works at another one does not write over it."""
    at, page, asked = june(office), office.books.page, list[str]()
    office.reconcile.backfill(at, "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z")

    def meanwhile(*which: Any, **options: Any) -> Any:
        if not asked:
            asked.append("by mlc")
            office.reconcile.backfill(at, "2026-06-01T00:00:00Z", "2026-07-01T00:00:00Z")
        return page(*which, **options)

    object.__setattr__(office.books, "page", meanwhile)
    for _ in range(2):
        office.run(at)
    assert office.sent == ["460001"]
    assert office.gaps("invoice~backfill") == ()


def test_backfill_can_be_broken_off_anywhere(office: Office) -> None:
    """It is worked off by whatever runs follow, a row at a time if need be."""
    office.books.size = 3
    for number in range(10):
        made = f"2026-03-{number + 1:02}T09:00:00+0100"
        office.saves(10 + number, made, created_time=made)
    at = connection(zoho=INVOICES)
    office.reconcile.backfill(at, "2026-03-01T00:00:00Z", "2026-11-01T00:00:00Z")
    for _ in range(50):
        if not office.gaps("invoice~backfill"):
            break
        office.run(at, steps(6), stale="2026-11-22T00:00:00Z")
    assert set(office.sent) == {f"46000{10 + number}" for number in range(10)}


def test_dry_run_enqueues_nothing_and_fetches_nothing(office: Office) -> None:
    """What Zoho's lists say is missing, with what it would be told as."""
    office.saves(1)
    office.saves(2)
    office.remembers(2, state="done", version=ROW)
    pages: list[str] = []
    lost = list(
        office.reconcile.lost(
            connection(zoho=INVOICES), "2026-11-01T00:00:00Z", "2026-11-23T00:00:00Z", looked=pages.append
        )
    )
    assert [(each.record_id, dict(each.events)) for each in lost] == [("460001", {"ledger": "invoice.created"})]
    assert (office.sent, office.books.calls, pages, office.cursors.rows) == ([], 1, ["invoice"], {})


def test_dry_run_shows_what_it_cannot_read(office: Office) -> None:
    """Nobody can say whether it is missing: it is not passed over."""
    office.saves(1, total="a lot")
    lost = list(office.reconcile.lost(connection(zoho=INVOICES), "2026-11-01T00:00:00Z", "2026-11-23T00:00:00Z"))
    assert [(each.record_id, list(each.events)) for each in lost] == [("460001", ["?"])]


# --- the second witness --------------------------------------------------------------------------------------------


def test_record_of_a_failed_webhook_is_looked_at(office: Office) -> None:
    """Whatever the lists say: what is missing is enqueued, what is there is not."""
    office.saves(1)
    found = office.reconcile.look_at(connection(), "invoice", "460001", "run-1")
    assert (found.missing, office.sent) == (1, ["460001"])
    office.remembers(1, state="done", version=ROW)
    assert office.reconcile.look_at(connection(), "invoice", "460001", "run-1").missing == 0


def test_failed_webhook_of_a_deletion_is_told_as_one(office: Office) -> None:
    """Zoho does not have the record any more: who has it hears so, once; who never had it does not."""
    office.remembers(1, state="done", version=ROW, external_id="7")
    at = _routes(("*", "ledger"), ("*", "finance"))
    office.reconcile.look_at(at, "invoice", "460001", "run-1")
    assert [(each.event.name, each.destination) for each in office.queue.sent] == [("invoice.deleted", "ledger")]
    deleted = office.queue.sent[0].event
    assert (deleted.version, deleted.payload) == (Version.deletion("2026-11-22T08:00:00Z"), {"invoice_id": "460001"})
    office.deliveries.rows.clear()
    office.remembers(1, state="done", version=deleted.version, external_id="7")
    office.reconcile.look_at(at, "invoice", "460001", "run-1")
    assert len(office.queue.sent) == 1
