"""The completeness report: every record's state at every destination, and figures that agree with it."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_connector.errors import NotAllowed, RetryLater
from ml_connector.events import Version
from ml_connector.modules import MODULES
from ml_connector.reconcile import Reconcile
from ml_connector.tally import STATES, Line, Sum, Tally, remedy
from tests.completeness_world import AT, BOARD, Month, with_routes
from tests.fakes import Known, connection

OLD = Version("2026-10-19T08:00:00Z", "old")
DELETION = Version.deletion("2026-10-21T08:00:00Z")


@pytest.fixture
def month() -> Month:
    return Month()


@pytest.mark.parametrize(
    ("state", "row"),
    [
        ("delivered", {}),
        ("delivered", {"version": Version("2026-10-21T08:00:00Z", "newer")}),
        ("delivered", {"version": Version("", "without a time")}),
        ("delivered", {"state": "parked"}),
        ("different", {"amount": "100.01"}),
        ("different", {"currency": "USD"}),
        ("different", {"version": OLD, "amount": "99.00"}),
        ("outdated", {"version": OLD}),
        ("outdated", {"version": OLD, "amount": ""}),
        ("waiting", {"version": OLD, "state": "waiting", "pending": AT}),
        ("waiting", {"version": OLD, "state": "sending", "pending": AT}),
        ("waiting", {"version": OLD, "state": "unknown", "pending": AT}),
        ("parked", {"version": OLD, "state": "parked"}),
        ("missing", {"version": DELETION}),
        ("delivered", {"amount": "100", "external_id": "", "target": ""}),
        ("delivered", {"amount": ""}),
    ],
    ids=lambda each: each if isinstance(each, str) else "-".join(each) or "as it is",
)
def test_what_is_there_is_compared_with_what_zoho_has(month: Month, state: str, row: dict[str, Any]) -> None:
    """Version first, then amount and currency; what is under way or parked is no riddle."""
    month.has(1)
    month.shows(1, **row)
    assert month.states() == {"1 ledger": state}


@pytest.mark.parametrize(
    ("state", "row"),
    [
        ("missing", None),
        ("waiting", {"state": "waiting", "pending": AT}),
        ("waiting", {"state": "sending", "pending": AT}),
        ("waiting", {"state": "unknown", "pending": AT}),
        ("parked", {"state": "parked"}),
    ],
)
def test_what_is_not_there_is_missing_unless_it_is_on_its_way(
    month: Month, state: str, row: dict[str, Any] | None
) -> None:
    """A delivery that waits or is parked has a row; of what never came there is none."""
    month.has(1)
    if row is not None:
        month.knows(1, **row)
    assert month.states() == {"1 ledger": state}
    tally, _ = month.report()
    line = tally.lines["invoice"]["ledger"]
    assert (line.zoho.records, line.there.records, line.agrees) == (1, 0, False)


def test_a_change_of_this_very_minute_is_not_missing(month: Month) -> None:
    """Its webhook may be on the way; two minutes later nobody can say so."""
    month.has(1, last_modified_time="2026-11-22T07:58:30+0000")
    assert month.states() == {"1 ledger": "waiting"}
    month.clock.advance(60)
    assert month.states() == {"1 ledger": "missing"}


def test_what_the_engine_decided_not_to_put_there_is_not_missing(month: Month) -> None:
    """A note that Zoho has no place for, or a condition that the fetched record did not meet."""
    month.has(1)
    month.has(2)
    month.knows(1, state="done", version=AT)
    month.knows(2, state="done")
    tally, items = month.report()
    assert items == []
    assert tally.zoho["invoice"].records == 2
    assert tally.whole


def test_only_what_routes_send_is_expected(month: Month) -> None:
    """A small invoice is no business of the channel, but Zoho has it."""
    month.connection = with_routes((["invoice.*"], {"min_amount": "500"}, ["finance"]), (["bill.*"], {}, ["ledger"]))
    month.has(1, "499.99")
    month.has(2, "500.00")
    tally, items = month.report()
    assert [(item.record_id, item.destination, item.state) for item in items] == [("2", "finance", "missing")]
    assert tally.zoho["invoice"].records == 2
    assert list(tally.lines["invoice"]) == ["finance"]


def test_what_is_there_counts_though_no_route_sends_it_any_more(month: Month) -> None:
    """An invoice that fell below the route's amount stands on the board with the old one: finance must know."""
    month.connection = with_routes((["invoice.*"], {"min_amount": "500"}, ["ledger"]))
    month.has(1, "400.00")
    month.shows(1, "600.00")
    month.has(2, "300.00")
    month.shows(2, "300.00", version=OLD)
    (first, second) = month.report()[1]
    assert (first.state, first.why) == ("different", "no route sends it there any more")
    assert second.state == "delivered"


def test_a_route_of_creations_promises_no_changes(month: Month) -> None:
    """Its old version is not outdated; another amount is told, with why nothing will put it right."""
    month.connection = with_routes((["invoice.created"], {}, ["ledger"]))
    month.has(1)
    month.shows(1, version=OLD)
    month.has(2, "120.00")
    month.shows(2, "100.00", version=OLD)
    (first, second) = month.report()[1]
    assert first.state == "delivered"
    assert (second.state, second.why) == ("different", "no route sends its changes there")
    assert remedy("acme-eu", second) == "mlc audit show acme-eu 2"


def test_a_route_of_a_status_wants_records_in_it(month: Month) -> None:
    """`invoice.paid` promises paid invoices and no others."""
    month.connection = with_routes((["invoice.paid"], {}, ["finance"]))
    month.has(1, status="sent")
    month.has(2, status="paid")
    assert month.states() == {"2 finance": "missing"}


def test_what_lists_do_not_say_is_undecided_and_no_fault(month: Month) -> None:
    """Rows of bills hold no custom fields: without a row nobody can tell whether the bill must be there."""
    month.connection = with_routes((["bill.*"], {"custom": {"cf_region": ["EMEA"]}}, ["ledger"]), modules=["bill"])
    month.has(1, module="bill")
    tally, (item,) = month.report()
    assert item.state == "undecided"
    assert (tally.lines["bill"]["ledger"].zoho.records, tally.whole) == (0, True)
    month.shows(1, "90.00", module="bill")
    assert month.states() == {"1 ledger": "different"}


def test_in_order_of_routes_nothing_is_sure_behind_what_is_not_said(month: Month) -> None:
    """With `first`, an earlier route may take the bill for a field that the list leaves out."""
    routes: list[Any] = [(["bill.*"], {"custom": {"cf_region": ["EMEA"]}}, ["finance"]), (["*"], {}, ["ledger"])]
    month.connection = with_routes(*routes, modules=["bill"], routing="first")
    month.has(1, module="bill")
    assert month.states() == {"1 finance": "undecided", "1 ledger": "undecided"}
    month.connection = with_routes(routes[1], modules=["bill"], routing="first")
    assert month.states() == {"1 ledger": "missing"}, "a route without conditions is sure"


# --- which documents ---------------------------------------------------------------------------------------------


def test_the_documents_date_decides(month: Month) -> None:
    """Both ends are included; when a record was made or changed does not matter."""
    for number, date in enumerate(("2026-09-30", "2026-10-01", "2026-10-31", "2026-11-01"), start=1):
        month.has(number, date=date)
    assert set(month.states()) == {"2 ledger", "3 ledger"}
    assert set(month.states("2026-10-31", "2026-10-31")) == {"3 ledger"}


@pytest.mark.parametrize("sorts", [True, False])
@pytest.mark.parametrize("filters", [True, False])
def test_what_zoho_makes_of_the_request_changes_nothing(month: Month, filters: bool, sorts: bool) -> None:
    """A filter may be ignored without a word, and so may the order: rows are checked, and none is given twice."""
    month.books.filters, month.books.sorts = filters, sorts
    days = [*range(1, 31, 3), 2, 17]
    for number, day in enumerate(days, start=1):
        month.has(number, date=f"2026-10-{day:02}")
    for number in range(101, 106):
        month.has(number, date="2026-12-24")
        month.has(number + 100, date="2025-01-01")
    tally, items = month.report()
    assert sorted(int(item.record_id) for item in items) == list(range(1, len(days) + 1))
    assert tally.zoho["invoice"].records == len(days)
    if sorts and not filters:
        # 5 later ones, 12 of October, and not all of the 5 earlier ones
        assert len(month.books.calls) == 9, "in order, years ago need not be read"


@pytest.mark.parametrize("by", ["", "other", "created", "modified"])
def test_an_order_is_believed_when_it_is_seen_and_not_denied(month: Month, by: str) -> None:
    """A list by creation may begin with old dates in a row: what follows must be read all the same."""
    for number, date in enumerate(("2026-09-02", "2026-09-01", "2026-10-05", "2026-10-06", "2026-10-04"), start=1):
        month.has(number, date=date)
    month.books.filters = month.books.sorts = False
    month.books.by = by
    batches = list(month.completeness.pages(month.connection, "invoice", "2026-10-01", "2026-10-31"))
    assert len(batches) == (1 if by in ("", "other") else 3)
    month.books.rows["invoice"].insert(0, month.books.rows["invoice"].pop(1))
    batches = list(month.completeness.pages(month.connection, "invoice", "2026-10-01", "2026-10-31"))
    assert [record.id for batch in batches for record in batch.records] == ["3", "4", "5"]
    assert {batch.whole_after for batch in batches} == {""}


def test_records_that_move_between_pages_count_once(month: Month) -> None:
    """A document made meanwhile moves rows down, one deleted moves rows up: what slips through is found."""
    for number in range(1, 7):
        month.has(number, date=f"2026-10-{number:02}")
        for name in ("ledger", "finance"):
            month.shows(number, date=f"2026-10-{number:02}", name=name)
    month.connection = with_routes((["*"], {}, ["ledger", "finance"]))

    def meanwhile(calls: int) -> None:
        if calls == 1:
            month.has(50, date="2026-10-30")
            for name in ("ledger", "finance"):
                month.shows(50, date="2026-10-30", name=name)
        if calls == 2:
            del month.books.rows["invoice"][5]  # of the 6th: what was first on page 3 is now last on page 2

    month.books.before = meanwhile
    tally, items = month.report()
    places = sorted((int(item.record_id), item.destination) for item in items)
    assert places == [(number, name) for number in (1, 2, 3, 4, 5, 6, 50) for name in ("finance", "ledger")]
    assert {item.state for item in items} == {"delivered"}
    assert tally.zoho["invoice"].records == 7


def test_unreadable_rows_are_told(month: Month) -> None:
    """A report that leaves out what it cannot read must not say that all is well."""
    month.has(1, "a lot")
    month.has(2, date="")
    month.books.filters = False
    tally, items = month.report()
    assert (items, tally.unreadable["invoice"], tally.whole) == ([], 2, False)


def test_a_module_without_its_scope_is_told(month: Month) -> None:
    """The others are reported; what destinations show of the one that could not be read is not called gone."""
    month.connection = connection(routes=BOARD, zoho={**month.connection.zoho, "modules": ["invoice", "bill"]})
    month.books.broken["invoice"] = NotAllowed("the access lacks a scope", 401)
    month.shows(9)
    month.has(1, module="bill")
    month.shows(1, module="bill")
    tally, items = month.report()
    assert tally.failed == {"invoice": "the access lacks a scope"}
    assert [(item.module, item.state) for item in items] == [("bill", "delivered")]
    assert not tally.whole


def test_a_busy_zoho_is_the_callers_matter(month: Month) -> None:
    """Half a report would be a wrong one."""
    month.books.broken["invoice"] = RetryLater("too many requests", 60, 429)
    with pytest.raises(RetryLater):
        month.report()


# --- gone --------------------------------------------------------------------------------------------------------


def test_what_zoho_does_not_have_any_more_is_gone(month: Month) -> None:
    """A lost deletion: no list of Zoho's tells of it, the destination's side does."""
    month.shows(1)
    month.shows(1, name="finance")
    tally, items = month.report()
    assert {(item.destination, item.state, item.why) for item in items} == {
        (name, "gone", "Zoho does not have it any more") for name in ("ledger", "finance")
    }
    assert items[0].number == "INV-000001"
    line = tally.lines["invoice"]["ledger"]
    assert (line.zoho.records, line.there.records, line.there.amounts) == (0, 1, {"EUR": Decimal("100.00")})
    assert not tally.whole


def test_a_document_with_another_date_now_is_gone_from_these_days(month: Month) -> None:
    """The destination's sum of October holds it; Zoho's does not."""
    month.has(1, date="2026-11-02")
    month.shows(1, version=OLD)
    (item,) = month.report()[1]
    assert (item.state, item.why) == ("gone", "in Zoho it is dated 2026-11-02")


@pytest.mark.parametrize(
    "row",
    [
        {"version": DELETION},
        {"date": "2026-09-30"},
        {"date": ""},
        {"name": "former"},
        {"module": "bill"},
    ],
    ids=lambda row: next(iter(row)),
)
def test_what_is_not_gone(month: Month, row: dict[str, Any]) -> None:
    """Marked as deleted, of other days, of no known date, or at a place or of a module that the file does not have."""
    month.shows(1, **row)
    assert month.states() == {}


# --- figures -----------------------------------------------------------------------------------------------------


def test_counts_and_sums_of_every_currency(month: Month) -> None:
    """Two currencies are never added up, and each must agree."""
    month.has(1, "100.10")
    month.shows(1, "100.10")
    month.has(2, "0.20")
    month.shows(2, "0.2")
    month.has(3, "7", currency_code="USD", exchange_rate="0.9")
    month.shows(3, "7.00", currency="USD")
    tally, _ = month.report()
    line = tally.lines["invoice"]["ledger"]
    assert line.zoho.amounts == line.there.amounts == {"EUR": Decimal("100.30"), "USD": Decimal("7")}
    assert (line.agrees, tally.whole, line.states["delivered"]) == (True, True, 3)


def test_as_many_records_with_another_sum_do_not_agree(month: Month) -> None:
    """Ids and counts are the same on both sides; the money is not."""
    month.has(1, "100.00")
    month.shows(1, "10.00")
    tally, (item,) = month.report()
    line = tally.lines["invoice"]["ledger"]
    assert (line.zoho.records, line.there.records, line.agrees) == (1, 1, False)
    assert (item.amount, item.amount_there) == (Decimal("100.00"), Decimal("10.00"))


def test_sums_that_do_not_agree_are_enough() -> None:
    """Whatever each record is said to be: a report whose sums differ is not whole."""
    line = Line(Sum(1, 0, {"EUR": Decimal("100")}), Sum(1, 0, {"EUR": Decimal("10")}), Counter(delivered=1))
    tally = Tally({"invoice": line.zoho}, {"invoice": {"ledger": line}})
    assert (tally.faults, line.agrees, tally.whole) == (0, False, False)


def test_the_same_sum_of_fewer_records_does_not_agree(month: Month) -> None:
    """A document of nothing is a document."""
    month.has(1, "0.00")
    month.has(2, "5.00")
    month.shows(2, "5.00")
    tally, _ = month.report()
    assert tally.lines["invoice"]["ledger"].agrees is False


def test_amounts_that_nobody_knows_are_no_fault_and_no_agreement(month: Month) -> None:
    """Rows of an earlier release know no amount: it is there, and its sum cannot be compared."""
    month.has(1)
    month.shows(1, amount="", currency="", date="")
    tally, (item,) = month.report()
    line = tally.lines["invoice"]["ledger"]
    assert (item.state, item.why) == ("delivered", "what amount is there is not known")
    assert (line.agrees, line.unknown, tally.whole) == (None, 1, True)


def test_void_documents_count_on_both_sides(month: Month) -> None:
    """Zoho's lists hold them, with their amounts, and so do the destinations."""
    month.has(1, status="void")
    month.shows(1)
    tally, _ = month.report()
    assert tally.lines["invoice"]["ledger"].agrees is True


@pytest.mark.parametrize(
    ("changes", "home", "currency"),
    [
        ({"bcy_amount": "100.00"}, "EUR", "EUR"),
        ({"bcy_amount": "100.00"}, "", ""),
        ({"bcy_amount": "93.10"}, "EUR", ""),
        ({"currency_code": "USD", "bcy_amount": "93.10"}, "EUR", "USD"),
    ],
)
def test_payments_without_a_currency_in_their_list(
    month: Month, changes: dict[str, str], home: str, currency: str
) -> None:
    """Zoho's list of payments received names none (6.4): the base amount tells the home currency, and no other."""
    month.home = home
    month.connection = with_routes((["*"], {}, ["ledger"]), modules=["customer_payment"])
    month.has(1, module="customer_payment", **({"currency_code": "", "exchange_rate": ""} | changes))
    tally, (item,) = month.report()
    assert item.currency == currency
    assert tally.zoho["customer_payment"].unknown == (not currency)
    month.shows(1, module="customer_payment", currency="USD")
    (item,) = month.report()[1]
    assert (item.state, item.currency) == ("delivered", "USD"), "the full record said it when it was delivered"


@pytest.mark.parametrize("module", MODULES)
def test_every_module_is_reported(module: str) -> None:
    """Payments, expenses and credits as well as invoices, each by its own amount."""
    month = Month(connection=with_routes((["*"], {}, ["ledger"]), modules=[module]))
    month.has(1, "31.50", module=module)
    month.shows(1, "31.5", module=module)
    month.has(2, "1.00", module=module)
    tally, items = month.report()
    assert [item.state for item in items] == ["delivered", "missing"]
    assert tally.zoho[module].amounts == {"EUR": Decimal("32.50")}


def test_modules_and_destinations_without_records_stand_in_the_report(month: Month) -> None:
    """Nothing of a kind is something to know, too."""
    month.connection = with_routes(
        (["invoice.*"], {}, ["ledger", "finance"]), (["*"], {}, ["notes"]), modules=["invoice", "bill"]
    )
    tally, _ = month.report()
    assert {module: list(lines) for module, lines in tally.lines.items()} == {
        "invoice": ["ledger", "finance", "notes"],
        "bill": ["notes"],
    }
    assert tally.whole


_ROWS = st.lists(
    st.tuples(
        st.sampled_from(["none", "there", "old", "waiting", "parked", "deleted", "extra", "unknown"]),
        st.decimals("-500", "500", places=2),
        st.decimals("-500", "500", places=2),
        st.sampled_from(["EUR", "USD"]),
    ),
    max_size=12,
)


@given(rows=_ROWS)
def test_figures_and_items_tell_the_same(rows: list[tuple[str, Decimal, Decimal, str]]) -> None:
    """The sums of a line are those of its items; and if all is delivered, they agree."""
    month = Month()
    for number, (kind, amount, other, currency) in enumerate(rows, start=1):
        if kind != "extra":
            month.has(number, str(amount), currency_code=currency)
        there = {
            "old": {"version": OLD},
            "waiting": {"version": OLD, "state": "waiting", "pending": AT},
            "parked": {"version": OLD, "state": "parked"},
            "deleted": {"version": DELETION},
            "unknown": {"amount": ""},
        }
        if kind != "none":
            month.shows(number, **({"amount": str(other), "currency": currency} | there.get(kind, {})))
    tally, items = month.report()
    line = tally.lines["invoice"]["ledger"]
    assert sum(line.states.values()) == len(items) == len(rows)
    assert line.there.records == sum(item.there for item in items)
    assert line.zoho.records == sum(item.state != "gone" for item in items) == tally.zoho["invoice"].records
    assert line.zoho.amounts == tally.zoho["invoice"].amounts
    for each in ("EUR", "USD"):
        known = [i.amount_there for i in items if i.there and i.currency_there == each and i.amount_there is not None]
        assert line.there.amounts.get(each, 0) == sum(known)
    quiet = {"delivered"} >= {state for state in STATES if line.states[state]}
    if quiet:
        assert line.agrees is (None if line.unknown else True)
    assert tally.whole is not bool({"parked", "missing", "outdated", "different", "gone"} & {i.state for i in items})


def test_figures_come_back_from_json_whole(month: Month) -> None:
    """They are kept between the runs of a month's end."""
    month.has(1, "0.10")
    month.has(2, "1000000000000000000000.01", currency_code="USD")
    month.shows(2, "1000000000000000000000.02", currency="USD")
    month.shows(3)
    tally, _ = month.report()
    tally.failed["bill"] = "no scope"
    tally.unreadable["invoice"] = 2
    again = Tally.of(json.loads(json.dumps(tally.data())))
    assert again == tally
    assert again.data() == tally.data()


# --- what to type ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "command"),
    [
        (None, "mlc reconcile acme-eu --from 2026-10-19 --to 2026-10-20 --backfill"),
        ({"version": OLD}, "mlc reconcile acme-eu --from 2026-10-20 --to 2026-10-20 --backfill"),
        ({"version": OLD, "amount": "1"}, "mlc reconcile acme-eu --from 2026-10-20 --to 2026-10-20 --backfill"),
        ({"version": OLD, "state": "parked"}, "mlc parked retry acme-eu 1 --destination ledger"),
        ({"amount": "99.00"}, "mlc audit show acme-eu 1"),
        ({"version": DELETION}, "mlc audit show acme-eu 1"),
    ],
)
def test_every_fault_says_what_to_type(month: Month, row: dict[str, Any] | None, command: str) -> None:
    """What reconcile would send is sent by it; what no run would find is looked into."""
    month.has(1)
    if row is not None:
        month.shows(1, **row)
    (item,) = month.report()[1]
    assert remedy("acme-eu", item) == command


def test_days_are_the_organizations(month: Month) -> None:
    """What changed there in the evening changed on that day, though it was the next one in UTC."""
    month.has(1, created_time="2026-10-18T20:00:00-0500", last_modified_time="2026-10-19T20:00:00-0500")
    (item,) = month.report()[1]
    assert (item.since, item.until) == ("2026-10-18", "2026-10-19")


@pytest.mark.parametrize("routes", [["*"], ["invoice.created"], ["invoice.updated"]])
@pytest.mark.parametrize(
    "row",
    [None, {}, {"version": OLD}, {"version": OLD, "amount": "1"}, {"amount": "1"}, {"version": DELETION}],
    ids=["nothing", "delivered", "outdated", "different and old", "different", "deleted"],
)
def test_what_reconcile_is_said_to_bring_in_it_brings_in(
    month: Month, row: dict[str, Any] | None, routes: list[str]
) -> None:
    """And what it would not, it is not said to: the command is tried on the same books."""
    month.connection = with_routes((routes, {}, ["ledger"]))
    month.has(1)
    if row is not None:
        month.shows(1, **row)
    (item,) = month.report()[1]
    reconcile = Reconcile(month.books, None, month.table, None, month.clock, Known())  # type: ignore[arg-type]
    since, until = (item.since or "2026-10-01", item.until or "2026-10-31")
    first = f"{since}T00:00:00Z"
    lost = [each.record_id for each in reconcile.lost(month.connection, first, f"{until}T23:59:59Z", young=first)]
    assert bool(item.since) is (lost == ["1"])
