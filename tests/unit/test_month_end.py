"""A month's completeness is told once, from the first of the next month on, whatever comes between."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ml_connector import month_end
from ml_connector.connections import Connection
from ml_connector.destinations.teams.card import MAX_BYTES
from ml_connector.destinations.teams.notice import MAX_FACTS, card
from ml_connector.errors import NeedsAttention, NotAllowed, RetryLater, Throttled, Undeliverable
from ml_connector.modules import MODULES
from ml_connector.month_end import MonthEnd, Progress
from ml_connector.notices import Notice
from ml_connector.tally import Tally
from tests.completeness_world import BOARD, Month
from tests.fakes import Clock, connection


@dataclass
class Shelf:
    """Keeps it as the table does: nothing that happens to the object later changes it."""

    rows: dict[str, tuple[Any, ...]] = field(default_factory=dict)

    def get(self, connection: str) -> Progress | None:
        if (row := self.rows.get(connection)) is None:
            return None
        month, left, until, tally, told = row
        return Progress(month, left, until, Tally.of(tally), told)

    def set(self, connection: str, progress: Progress) -> None:
        data = (progress.month, progress.left, progress.until, progress.tally.data(), progress.told)
        self.rows[connection] = data


@dataclass
class Notices:
    told: list[dict[str, Any]] = field(default_factory=list)
    fails: bool = False

    def tell(
        self,
        connection: Connection,
        key: str,
        title: str,
        text: str,
        facts: Mapping[str, str],
        command: str,
        *,
        good: bool,
    ) -> bool:
        if self.fails:
            return False
        self.told.append({"key": key, "title": title, "text": text, "facts": facts, "command": command, "good": good})
        return True


@dataclass
class Office:
    month: Month = field(default_factory=lambda: Month(clock=Clock(datetime(2026, 11, 1, 8, 0, tzinfo=UTC))))
    shelf: Shelf = field(default_factory=Shelf)
    notices: Notices = field(default_factory=Notices)

    def __post_init__(self) -> None:
        self.month.connection = self.at()

    def at(self, *modules: str, **changes: Any) -> Connection:
        zoho = {"region": "eu", "organization_id": "20081234567", "modules": list(modules or ("invoice",))}
        given = {"routes": BOARD, "zoho": zoho, "admin": "finance", "applied_at": "2026-05-01T00:00:00Z"}
        return connection(**(given | changes))

    def run(self, goes_on: Callable[[], bool] = lambda: True) -> None:
        end = MonthEnd(lambda _: self.month.completeness, self.shelf, self.notices, self.month.clock)
        end.run(self.month.connection, goes_on)

    @property
    def titles(self) -> list[str]:
        return [each["title"] for each in self.notices.told]


@pytest.fixture
def office() -> Office:
    return Office()


def test_a_whole_month_is_told_in_numbers(office: Office) -> None:
    """Counts and sums per module; no record's number, no customer."""
    office.month.has(1, "100.10")
    office.month.shows(1, "100.10")
    office.month.has(2, "7", currency_code="USD")
    office.month.shows(2, "7", currency="USD")
    office.run()
    (told,) = office.notices.told
    assert told == {
        "key": "completeness-2026-10",
        "title": "All 2 records of October 2026 are where they belong",
        "text": "By count and by amount in every currency, in Zoho Books and at every destination.",
        "facts": {"Invoice": "2 (100.10 EUR + 7.00 USD) in Zoho; ledger: all"},
        "command": "mlc reconcile acme-eu --report --from 2026-10-01 --to 2026-10-31",
        "good": True,
    }


def test_faults_are_counted_by_kind(office: Office) -> None:
    """What needs a look, and where."""
    for number, amount in enumerate(("10", "20", "30"), start=1):
        office.month.has(number, amount)
    office.month.shows(1, "10")
    office.month.shows(2, "25")
    office.run()
    (told,) = office.notices.told
    assert told["title"] == "2 of 3 records of October 2026 need a look"
    assert told["facts"] == {"Invoice": "3 (60.00 EUR) in Zoho; ledger: 1 missing, 1 different, 2 (35.00 EUR)"}
    assert not told["good"]


def test_what_is_open_or_unknown_is_said(office: Office) -> None:
    """`All` is not said of what nobody knows."""
    office.month.has(1)
    office.month.shows(1, amount="")
    office.month.has(2)
    office.month.knows(2, state="waiting")
    office.run()
    assert office.notices.told[0]["text"].splitlines()[1:] == [
        "1 are waiting.",
        "Of 1 it is not known which amount is there.",
    ]


def test_amounts_that_nobody_knows_are_not_all(office: Office) -> None:
    """Everything is there; that its amounts agree is not said."""
    office.month.has(1)
    office.month.shows(1, amount="")
    office.run()
    assert office.notices.told[0]["facts"] == {"Invoice": "1 (100.00 EUR) in Zoho; ledger: 1 (1 without amount)"}


def test_unreadable_rows_are_counted_once(office: Office) -> None:
    """Whichever page they are on, and however many follow."""
    for number in range(1, 9):
        office.month.has(number, "a lot" if number in (2, 7) else "1", date=f"2026-10-{number:02}")
        office.month.shows(number, "1")
    office.run()
    (told,) = office.notices.told
    assert told["facts"] == {"Invoice": "6 (6.00 EUR) in Zoho; 2 unreadable; ledger: all"}
    assert (told["title"], told["good"]) == ("The 6 records of October 2026 need a look", False)


def test_it_is_told_once(office: Office) -> None:
    """Run after run on the first, and on the days after it; Zoho is asked once."""
    office.month.has(1)
    for _ in range(3):
        office.run()
        office.month.clock.advance(86_400)
    assert len(office.notices.told) == 1
    assert len(office.month.books.calls) == 1
    office.month.clock.now = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)
    office.run()
    assert [each["key"] for each in office.notices.told] == ["completeness-2026-10", "completeness-2026-11"]


def test_who_could_not_be_told_is_told_by_the_next_run(office: Office) -> None:
    """The channel was out of reach; what was counted stays counted."""
    office.notices.fails = True
    office.month.has(1)
    office.run()
    office.notices.fails = False
    office.run()
    assert (len(office.notices.told), len(office.month.books.calls)) == (1, 1)


@pytest.mark.parametrize(
    ("zone", "utc", "told"),
    [
        ("UTC", datetime(2026, 10, 31, 23, 59, tzinfo=UTC), False),
        ("UTC", datetime(2026, 11, 1, tzinfo=UTC), True),
        ("Asia/Kolkata", datetime(2026, 10, 31, 18, 29, tzinfo=UTC), False),
        ("Asia/Kolkata", datetime(2026, 10, 31, 18, 30, tzinfo=UTC), True),
        ("America/New_York", datetime(2026, 11, 1, 3, 59, tzinfo=UTC), False),
        ("America/New_York", datetime(2026, 11, 1, 4, 0, tzinfo=UTC), True),
        ("UTC", datetime(2026, 11, 7, 23, 59, tzinfo=UTC), True),
        ("UTC", datetime(2026, 11, 8, tzinfo=UTC), False),
    ],
)
def test_the_month_ends_by_the_connections_time_zone(office: Office, zone: str, utc: datetime, told: bool) -> None:
    """Not by Amazon's clock; a week later nobody is surprised with it any more."""
    office.month.connection = office.at(time_zone=zone)
    office.month.clock.now = utc
    office.month.has(1, last_modified_time="2026-10-20T08:00:00+0000")
    office.run()
    assert bool(office.notices.told) is told
    assert bool(office.month.books.calls) is told


def test_without_a_database_of_zones_the_month_ends_when_it_has_everywhere(office: Office) -> None:
    """Too late by hours is better than half a day too early."""
    office.month.connection = office.at(time_zone="Nowhere/Atall")
    office.month.clock.now = datetime(2026, 11, 1, 11, 59, tzinfo=UTC)
    office.run()
    assert office.titles == []
    office.month.clock.advance(60)
    office.run()
    assert len(office.titles) == 1


@pytest.mark.parametrize("changes", [{"admin": ""}, {"applied_at": "2026-11-01T00:00:00Z"}])
def test_who_has_nothing_to_be_told_costs_no_call(office: Office, changes: dict[str, str]) -> None:
    """Without a channel for it, or connected only this month."""
    office.month.connection = office.at(**changes)
    office.run()
    assert (office.month.books.calls, office.notices.told, office.shelf.rows) == ([], [], {})


# --- resumed -----------------------------------------------------------------------------------------------------


def _filled(office: Office, *modules: str) -> dict[str, Any]:
    """Several pages of a few modules with all kinds of states; the facts that an undisturbed run tells."""
    office.month.connection = office.at(*modules)
    for module in modules:
        for number in range(1, 14):
            date = f"2026-10-{1 + number * 2 // 3:02}"
            office.month.has(number, f"{number}.50", module=module, date=date)
            if number % 4:
                office.month.shows(number, f"{number}.50" if number % 5 else "1", module=module, date=date)
    undisturbed = Office(replace(office.month))
    undisturbed.month.connection = office.month.connection
    undisturbed.run()
    office.month.books.calls.clear()
    facts: dict[str, Any] = undisturbed.notices.told[0]["facts"]
    return facts


def _turns(*lengths: int) -> Iterator[Callable[[], bool]]:
    """Each run may go on so many times."""
    for length in lengths:
        left = iter([True] * length)
        yield lambda left=left: next(left, False)


@pytest.mark.parametrize("length", [2, 3, 5])
def test_a_month_too_long_for_one_run_is_counted_in_several(office: Office, length: int) -> None:
    """Time or calls run out at any page: the figures are those of a run that was not interrupted.

    As long as a run gets through one date's documents.
    """
    facts = _filled(office, "invoice", "bill")
    for goes_on in _turns(*[length] * 40):
        office.run(goes_on)
    assert [each["facts"] for each in office.notices.told] == [facts]


@pytest.mark.parametrize("at", range(1, 14))
@pytest.mark.parametrize(
    "error", [RetryLater("busy", 60), Throttled("the day's share is used up", 600), NeedsAttention("revoked", 401)]
)
def test_what_zoho_refuses_for_now_is_asked_for_later(office: Office, at: int, error: Exception) -> None:
    """At whatever page: nothing is told before all is counted, and nothing is counted twice."""
    facts = _filled(office, "invoice", "bill")

    def refuse(calls: int) -> None:
        if calls == at:
            office.month.books.before = lambda calls: None
            raise error

    office.month.books.before = refuse
    office.run()
    assert office.notices.told == []
    office.run()
    assert [each["facts"] for each in office.notices.told] == [facts]


def test_a_fault_of_ours_keeps_what_was_counted(office: Office) -> None:
    """It is raised for the log, and the next run goes on."""
    facts = _filled(office, "invoice")
    real = office.month.table.of_places

    def fail_once(places: Any) -> Any:
        if len(office.month.books.calls) == 4:
            office.month.table.of_places = real  # type: ignore[method-assign]
            raise ZeroDivisionError
        return real(places)

    office.month.table.of_places = fail_once  # type: ignore[method-assign]
    with pytest.raises(ZeroDivisionError):
        office.run()
    office.run()
    assert [each["facts"] for each in office.notices.told] == [facts]


def test_a_list_in_no_order_is_begun_anew(office: Office) -> None:
    """Of such a list no date is whole before its end: it is counted in one run or not at all."""
    facts = _filled(office, "invoice")
    office.month.books.sorts = False
    office.month.books.rows["invoice"].sort(key=lambda row: str(row["invoice_id"]))
    office.month.books.rows["invoice"].append(office.month.books.rows["invoice"].pop(0))
    for goes_on in _turns(3, 3):
        office.run(goes_on)
    assert office.notices.told == []
    office.run()
    assert [each["facts"] for each in office.notices.told] == [facts]


@pytest.mark.parametrize("error", [NotAllowed("the access lacks a scope", 401), Undeliverable("refused", 400)])
def test_a_module_that_cannot_be_read_is_named(office: Office, error: Exception) -> None:
    """The others are told of, and that it is not all."""
    office.month.connection = office.at("invoice", "bill")
    office.month.has(1, module="bill")
    office.month.shows(1, module="bill")
    office.month.books.broken["invoice"] = error
    office.run()
    (told,) = office.notices.told
    assert told["facts"]["Invoice"] == "could not be read"
    assert (told["title"], told["good"]) == ("The 1 records of October 2026 need a look", False)


def test_a_month_that_was_left_half_counted_does_not_mix_with_the_next(office: Office) -> None:
    """A new month begins at nothing."""
    _filled(office, "invoice")
    office.run(next(_turns(2)))
    office.month.clock.now += timedelta(days=30)
    office.run()
    assert office.titles == ["All 0 records of November 2026 are where they belong"]


def test_what_only_some_routes_send_is_compared_with_that(office: Office) -> None:
    """`all` is all that the destination should have; otherwise both sums are said."""
    routes = [
        {"events": ["*"], "when": {"min_amount": "500"}, "to": ["finance"]},
        {"events": ["*"], "when": {"max_amount": "500"}, "to": ["ledger"]},
    ]
    office.month.connection = office.at(routes=routes)
    office.month.has(1, "800")
    office.month.shows(1, "800", name="finance")
    office.month.has(2, "20")
    office.month.has(3, "30")
    office.month.shows(3, "30")
    office.run()
    assert office.notices.told[0]["facts"] == {
        "Invoice": "3 (850.00 EUR) in Zoho; finance: all; ledger: 1 missing, 1 (30.00 EUR) of 2 (50.00 EUR)"
    }


def test_the_notice_is_a_card_with_all_its_figures(office: Office) -> None:
    """All modules, two destinations, two currencies, and sums of millions: nothing is cut off."""
    routes = [{"events": ["*"], "when": {}, "to": ["ledger", "finance"]}]
    office.month.connection = office.at(*MODULES, routes=routes)
    for module in MODULES:
        for number, currency in enumerate(("EUR", "USD"), start=1):
            office.month.has(number, "1234567.89", module=module, currency_code=currency)
            for name in ("ledger", "finance"):
                if number == 1 or name == "finance":
                    office.month.shows(number, "1234567.89", module=module, name=name, currency=currency)
    office.run()
    (told,) = office.notices.told
    notice = Notice(told["title"], told["text"], told["facts"], told["command"])
    content = card(office.month.connection, notice)
    facts = [fact for each in content["body"] if each["type"] == "FactSet" for fact in each["facts"]]
    assert len(facts) == len(MODULES) + 1
    assert not [fact for fact in facts if "…" in fact["value"]]
    assert len(json.dumps(content).encode()) < MAX_BYTES


def test_the_facts_fit_a_card(office: Office) -> None:
    """One for each module, beside the connection's name."""
    assert len(MODULES) < MAX_FACTS
    assert month_end.DAYS < 28
