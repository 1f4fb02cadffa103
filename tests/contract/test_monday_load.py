"""The first filling of a board, against the strict monday (contracts: monday 3.1, 3.2, 5, 6)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from ml_connector.bulk_load import LEASE, BulkLoad, Loaded, Placed
from ml_connector.completeness import Completeness
from ml_connector.connections import Connection
from ml_connector.errors import NeedsAttention, RetryLater, Undeliverable, Unknown
from ml_connector.events import Delivery
from ml_connector.gaps import Page
from ml_connector.limits import UNLIMITED
from ml_connector.ports import Memory, Request
from ml_connector.vendors import monday
from ml_connector.vendors.monday_load import UPLOADS, Aliases, Import
from mlc.monday import Patient
from sandbox.vendors import default_world as w
from tests.contract.test_against_standins import Company
from tests.fakes import Known, Queue, payload

WAYS = ("import", "requests")
LISTED = 200


@dataclass
class Lists:
    """Zoho's list of invoices: as many as there are, newest date first, without their line items."""

    rows: list[dict[str, Any]]
    pages: int = 0

    def dated(self, connection: Connection, module: str, number: int, since: str, until: str) -> Page:
        if module != "invoice":
            return Page((), more=False)
        self.pages += 1
        rows = [row for row in self.rows if since <= row["date"] <= until]
        return Page(rows[(number - 1) * LISTED : number * LISTED], len(rows) > number * LISTED)

    def fetch(self, connection: Connection, module: str, record_id: str) -> Mapping[str, Any]:
        row = next(row for row in self.rows if row["invoice_id"] == record_id)
        return {
            **row,
            "line_items": [{"line_item_id": "1", "name": "Crate", "quantity": 1, "item_total": row["total"]}],
        }


def invoices(count: int) -> list[dict[str, Any]]:
    first = datetime(2026, 10, 31, tzinfo=UTC)
    made = []
    for number in range(count):
        row = payload(
            "invoice",
            invoice_id=str(460000000100000 + number),
            invoice_number=f"INV-{number:06}",
            date=f"{first - timedelta(days=number // 50):%Y-%m-%d}",
            total=f"{100 + number}.50",
            status=("sent", "paid", "overdue", "draft")[number % 4],
            created_time="2026-10-01T09:00:00+0100",
            last_modified_time="2026-10-02T09:00:00+0100",
        )
        del row["line_items"]
        made.append(row)
    return made


@dataclass
class Site:
    """A company that comes with a history."""

    count: int = 45
    way: str = "import"
    company: Company = field(default_factory=Company)
    queue: Queue = field(default_factory=Queue)
    known: Known = field(default_factory=Known)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.company.connection = self.company.connected(**self.settings)
        self.lists = Lists(invoices(self.count))
        self.calls = 0
        self.before: Callable[[], None] = lambda: None

    def api(self) -> Any:
        plain = monday.MondayApi(
            self.company.http(monday.HOSTS), lambda: w.MONDAY_TOKEN, self.company.clock, UNLIMITED, "pro"
        )

        class Counting:
            def call(_, *args: Any, **kwargs: Any) -> monday.Reply:  # noqa: N805
                self.calls += 1
                return plain.call(*args, **kwargs)

        return Patient(Counting(), self.company.clock.advance)  # type: ignore[arg-type]

    def filling(self) -> Any:
        at = (self.api(), w.MONDAY_BOARD, "zb_doc_id")
        if self.way == "requests":
            return Aliases(*at)
        uploads = self.company.http(UPLOADS)
        return Import(at[0], uploads, *at[1:], w.MONDAY_GROUP, self.company.clock.advance)

    def load(self, filling: Any = None, **changes: Any) -> Loaded:
        filling = filling or self.filling()
        company = self.company
        batch = getattr(filling, "batch", 20)
        load = BulkLoad(
            company.connection,
            "ledger",
            company.registry.destination(company.connection, "ledger"),
            filling,
            Completeness(self.lists, Rows(company), company.clock),
            self.lists,
            company.deliveries,
            self.known,
            self.queue,
            company.clock,
            "load-1",
            "call-1",
            workers=1,
            batch=batch,
        )
        return replace(load, **changes).run("2020-01-01", "2026-12-31")

    def items(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.company.control("GET", f"/monday/boards/{w.MONDAY_BOARD}")["items"]
        return [each for each in found if each["state"] == "active"]

    def rows(self) -> list[Memory]:
        return [row for (key, name), row in self.company.deliveries.rows.items() if name == "ledger"]

    def deliver(self) -> Counter[str]:
        """What was queued, carried as any delivery is."""
        self.company.books = self.lists  # type: ignore[assignment]
        outcomes = Counter(self.company.carries(each).outcome for each in self.queue.sent)
        self.queue.sent.clear()
        return outcomes

    def assert_whole(self) -> None:
        """Each record has one item, its row knows it, and nothing in the trail is broken."""
        ids = Counter(row.external_id for row in self.rows())
        assert len(self.items()) == len(ids) == self.count
        assert {each["id"] for each in self.items()} == set(ids)
        assert {row.state for row in self.rows()} == {"done"}
        assert self.company.deliveries.faults() == []


def text(item: Mapping[str, Any], column: str) -> str:
    return str(item["text"][column])


class Rows:
    """The delivery table, read many rows at a time."""

    def __init__(self, company: Company) -> None:
        self._company = company

    def of_places(self, places: Collection[tuple[str, str]]) -> Mapping[tuple[str, str], Memory]:
        rows = self._company.deliveries.rows
        return {place: rows[place] for place in places if place in rows}

    def dated(self, connection: str, since: str, until: str) -> Any:
        raise AssertionError("not read here")


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


# --- loading ---------------------------------------------------------------------------------------------------------


def test_each_record_has_one_item_with_its_values(way: str) -> None:
    """And its row: amount, currency, version, as if it had been delivered."""
    site = Site(way=way)
    loaded = site.load()
    assert (loaded.records, loaded.created, loaded.left, loaded.stopped) == (45, 45, 0, "")
    site.assert_whole()
    item = next(each for each in site.items() if "INV-000007" in each["name"])
    assert [text(item, name) for name in ("zb_total", "zb_currency", "zb_status")] == ["107.5", "EUR", "Draft"]
    row = site.company.deliveries.rows["acme-eu#invoice#460000000100007", "ledger"]
    assert (row.amount, row.currency, row.number) == ("107.50", "EUR", "INV-000007")
    assert {entry.origin for entry in site.company.deliveries.audit.entries} == {"load"}


def test_second_run_finds_nothing_to_do(way: str) -> None:
    site = Site(way=way)
    site.load()
    again = site.load()
    assert (again.created, again.adopted, again.skipped) == (0, 0, 45)
    site.assert_whole()


def test_later_change_updates_the_loaded_item(way: str) -> None:
    """Nothing is doubled by the first webhook after the load."""
    site = Site(way=way)
    site.load()
    row = site.lists.rows[3] | {"total": "999.00", "last_modified_time": "2026-11-02T09:00:00+0100"}
    each = _changed(site, row)
    assert site.company.carries(each).outcome == "delivered"
    site.assert_whole()
    texts = [text(item, "zb_total") for item in site.items() if "INV-000003" in item["name"]]
    assert texts == ["999"]


def _changed(site: Site, row: Mapping[str, Any]) -> Delivery:
    from ml_connector.events import Event
    from ml_connector.records import read

    record = read("invoice", row)
    event = Event(
        "acme-eu", "invoice", record.id, "updated", record.version, "webhook", "2026-11-02T08:00:00Z", "c", row
    )
    return Delivery(event, "ledger")


def test_items_that_are_there_are_adopted_and_brought_up_to_date(way: str) -> None:
    """Our rows were lost, or another tool has written the same ids: the external id tells (6, layer 2)."""
    site = Site(way=way)
    site.load()
    before = {each["id"] for each in site.items()}
    site.company.deliveries.rows.clear()
    site.lists.rows = [row | {"total": "1.00"} for row in site.lists.rows]
    loaded = site.load()
    assert (loaded.created, loaded.adopted) == (0, 45)
    assert {each["id"] for each in site.items()} == before
    assert {text(each, "zb_total") for each in site.items()} == {"1"}


def test_lines_follow_through_the_queue_when_they_are_asked_for(way: str) -> None:
    """A load makes items only; a delivery of each then brings its subitems."""
    place = {
        "lines": "subitems", "line_id_column": "zb_line_id",
        "line_columns": {"zb_line_quantity": {"from": "quantity", "type": "numbers"}},
    }  # fmt: skip
    site = Site(count=3, way=way, settings=place)
    site.load(lines=True)
    assert len(site.queue.sent) == 3
    assert site.deliver() == {"delivered": 3}
    lines = [item for item in site.company.world.monday.items.values() if item.parent_id]
    assert len(lines) == site.count
    site.assert_whole()


def test_wide_fetch_fills_what_lists_do_not_say() -> None:
    site = Site(count=3)
    site.load(whole=True)
    assert {text(each, "zb_lines")[:9] for each in site.items()} == {"1 × Crate"}


# --- what comes meanwhile --------------------------------------------------------------------------------------------


def test_webhook_that_comes_during_the_load_waits_and_then_updates(way: str) -> None:
    """The claim is there before the call: the delivery finds the row taken, and no second item is made."""
    site = Site(way=way)
    filling = site.filling()
    seen: list[RetryLater] = []
    row = site.lists.rows[0] | {"total": "777.00", "last_modified_time": "2026-11-03T09:00:00+0100"}

    class Meanwhile:
        batch = filling.batch
        there, name, lot = filling.there, filling.name, filling.lot

        def fill(self, requests: Sequence[Request], there: Mapping[str, Placed]) -> Mapping[str, Placed]:
            if not seen:
                with pytest.raises(RetryLater, match="another worker has this delivery") as caught:
                    site.company.courier().carry(_changed(site, row))
                seen.append(caught.value)
            placed: Mapping[str, Placed] = filling.fill(requests, there)
            return placed

    site.load(Meanwhile())
    assert site.company.carries(_changed(site, row)).outcome == "delivered"
    site.assert_whole()
    assert [text(each, "zb_total") for each in site.items() if "INV-000000" in each["name"]] == ["777"]


def test_webhook_that_came_before_keeps_its_row(way: str) -> None:
    site = Site(way=way)
    site.company.carries(_changed(site, site.lists.rows[0]))
    loaded = site.load()
    assert loaded.created == site.count - 1
    site.assert_whole()


# --- breaking off ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", ["before", "after"])
def test_crash_in_the_middle_of_a_batch_makes_nothing_twice(way: str, at: str) -> None:
    """Before the call or after it: the claims that are left end with their lease, and are settled by looking."""
    site = Site(way=way, count=12)
    filling = site.filling()

    class Crashing:
        batch = 12
        there, name, lot = filling.there, filling.name, filling.lot

        def fill(self, requests: Sequence[Request], there: Mapping[str, Placed]) -> Mapping[str, Placed]:
            if at == "after":
                filling.fill(requests, there)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        site.load(Crashing())
    assert {row.state for row in site.rows()} == {"sending"}
    assert site.load().created == 0  # their leases hold: they are somebody's
    site.company.clock.advance(3600)
    for row in site.lists.rows:
        site.company.books = site.lists  # type: ignore[assignment]
        site.company.carries(_changed(site, row))
    site.assert_whole()


class Killed(BaseException):
    """The process is gone: nothing that it would still do happens."""


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("at", range(20))
def test_kill_at_any_call_is_made_good_by_running_again(way: str, at: int, before: bool) -> None:
    """Rows, items, queue: each record has one item in the end, whatever the last thing was that happened."""
    site = Site(way=way, count=4)
    left = [at]

    def deadly(call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            left[0] -= 1
            if left[0] < 0 and (before or left[0] < -1):
                raise Killed
            done = call(*args, **kwargs)
            if left[0] < 0:
                raise Killed
            return done

        return run

    deliveries, queue, filling = site.company.deliveries, site.queue, site.filling()
    plain = deliveries.read, deliveries.write, queue.send, filling._api.call
    deliveries.read, deliveries.write, queue.send = map(deadly, plain[:3])  # type: ignore[method-assign]
    filling._api = SimpleNamespace(call=deadly(plain[3]))
    with suppress(Killed):
        site.load(filling, lines=True)
    deliveries.read, deliveries.write, queue.send = plain[:3]  # type: ignore[method-assign]
    site.company.clock.advance(3600)
    site.load()
    site.deliver()
    site.assert_whole()


def test_breaking_off_queues_what_is_claimed(way: str) -> None:
    """Ctrl-C: nobody need run it again for those."""
    site = Site(way=way, count=5)
    filling = site.filling()

    class Interrupted:
        batch = 5
        there, name, lot = filling.there, filling.name, filling.lot

        def fill(self, requests: Sequence[Request], there: Mapping[str, Placed]) -> Mapping[str, Placed]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        site.load(Interrupted())
    assert len(site.queue.sent) == 5
    site.company.clock.advance(3600)
    assert site.deliver() == {"delivered": 5}
    site.assert_whole()


def test_lost_answer_is_left_to_deliveries_that_look_first() -> None:
    """The whole batch may be there or not: nothing is made again before it was looked for twice."""
    site = Site(count=8)
    filling = site.filling()

    class Lost:
        batch = 8
        there, name, lot = filling.there, filling.name, filling.lot

        def fill(self, requests: Sequence[Request], there: Mapping[str, Placed]) -> Mapping[str, Placed]:
            filling.fill(requests[:5], there)
            raise Unknown("no readable answer")

    loaded = site.load(Lost())
    assert (loaded.left, loaded.stopped) == (8, "no readable answer")
    assert {row.state for row in site.rows()} == {"sending"}  # it may go on for a while: nobody looks before
    assert site.deliver() == {"delivered": 8}
    site.assert_whole()


def test_refused_call_leaves_the_rows_free(way: str) -> None:
    """The day's calls are used up: nothing was sent, and the next run loads all."""
    site = Site(way=way)
    filling = site.filling()

    class Refusing:
        batch = 20
        there, name, lot = filling.there, filling.name, filling.lot

        def fill(self, requests: Sequence[Request], there: Mapping[str, Placed]) -> Mapping[str, Placed]:
            raise RetryLater("monday: the day's API calls are used up", 3600, 429)

    loaded = site.load(Refusing())
    assert (loaded.stopped, loaded.after, loaded.created) == ("monday: the day's API calls are used up", 3600, 0)
    assert site.load().created == site.count
    site.assert_whole()


def test_rejected_file_leaves_the_rows_free_for_the_other_way() -> None:
    """The form of the file is not published: monday may reject it (3.2)."""
    site = Site()
    del site.company.world.monday.boards[w.MONDAY_BOARD].columns["zb_rate"]
    with pytest.raises(Undeliverable, match=r"rejects the import: INVALID_UPLOAD.*zb_rate"):
        site.load()
    assert {row.state for row in site.rows()} == {"waiting"}


def test_account_that_may_import_no_more_this_hour_is_waited_for() -> None:
    """19,000 items an hour (3.2): nothing was made, the rows are free."""
    site = Site()
    account = site.company.world.monday.accounts[w.MONDAY_ACCOUNT]
    account.ingested = [(site.company.clock().timestamp(), 19_000)]
    loaded = site.load()
    assert "ACCOUNT_CAPACITY_EXCEEDED" in loaded.stopped
    assert (loaded.created, loaded.left, loaded.after) == (0, 0, 3600)
    site.company.clock.advance(3601)
    assert site.load().created == site.count
    site.assert_whole()


@pytest.mark.parametrize(("hidden", "paged"), [(1, False), (99, True)], ids=["for a while", "for long"])
def test_items_that_are_not_shown_at_once_are_looked_for_again(hidden: int, paged: bool) -> None:
    """An index that lags makes no work for the queue: after two more looks the board itself is paged through."""
    site = Site(count=30)
    filling = site.filling()
    call, asked = filling._api.call, list[str]()

    def lagging(body: Mapping[str, Any], **more: Any) -> monday.Reply:
        name = body["query"].split("(")[0].split()[1]
        reply: monday.Reply = call(body, **more)
        asked.append(name)
        if name == "LoadedItems" and asked.count(name) <= hidden:
            return replace(reply, data={"boards": [{"items_page": {"cursor": None, "items": []}}]})
        return reply

    filling._api = SimpleNamespace(call=lagging)
    loaded = site.load(filling)
    assert (loaded.created, loaded.left, asked.count("FirstPage") == 2) == (30, 0, paged)
    site.assert_whole()


def test_board_that_is_full_is_an_end() -> None:
    """Nothing is left to the queue that would be refused one by one."""
    site = Site()
    site.company.world.monday.boards[w.MONDAY_BOARD].items_limit = 10
    with pytest.raises(Undeliverable, match="BOARD_CAPACITY_EXCEEDED"):
        site.load()
    assert ({row.state for row in site.rows()}, site.queue.sent) == ({"waiting"}, [])


def test_record_that_monday_refuses_is_left_to_its_own_delivery(way: str) -> None:
    """A label that the board lacks: the others are loaded; this one is parked with its reason."""
    site = Site(way=way)
    site.lists.rows[5] |= {"status": "nowhere_known"}
    loaded = site.load()
    assert (loaded.created, loaded.left) == (44, 1)
    site.company.clock.advance(60)
    assert site.deliver() == {"parked": 1}
    assert len(site.items()) == 44


def test_answer_of_each_mutation_counts_by_itself() -> None:
    """Data and errors together are normal: what has an id is there (5.4)."""
    site = Site(count=20, way="requests")
    site.lists.rows[5] |= {"status": "nowhere_known"}
    assert site.load().created == 19


# --- size ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("way", "calls"), [("import", 200), ("requests", 550)])
def test_ten_thousand_records_fit_into_the_smallest_plans_day(way: str, calls: int) -> None:
    """1,000 calls a day on Basic, 200 perhaps on Free (5.1). Counted on 1,000 records, and by its parts for 10,000."""
    site = Site(count=1000, way=way)
    loaded = site.load()
    assert loaded.created == 1000
    site.assert_whole()
    # What is there is paged once, 500 items a call; the rest is by batch.
    paging = 1
    assert (site.calls - paging) * 10 + 21 <= calls


# --- what stands in its way ------------------------------------------------------------------------------------------


def test_batch_of_which_every_record_is_refused_does_not_end_the_load() -> None:
    """By chance, or the last one alone: it would end every further run at the same place."""
    site = Site(count=21, way="requests")
    site.lists.rows[20] |= {"status": "nowhere_known"}
    loaded = site.load()
    assert (loaded.created, loaded.left) == (20, 1)


def test_batch_that_was_refused_is_made_when_it_is_put_right() -> None:
    """Within the half hour in which monday repeats what it has answered (6): the second run is another call."""
    site = Site(count=5, way="requests")
    board = site.company.world.monday.boards[w.MONDAY_BOARD]
    board.items_limit, room = 0, board.items_limit
    with pytest.raises(Undeliverable, match="full"):
        site.load()
    board.items_limit = room
    assert site.load().created == 5
    site.assert_whole()


def test_access_to_zoho_that_ends_meanwhile_ends_the_load(way: str) -> None:
    """It is no fault of each record: nothing is left to the queue, and the next run loads all."""
    site = Site(count=5, way=way)
    fetch = site.lists.fetch

    def refused(*_: Any) -> Any:
        raise NeedsAttention("Zoho refuses the token")

    site.lists.fetch = refused  # type: ignore[method-assign]
    with pytest.raises(NeedsAttention):
        site.load(whole=True)
    assert site.queue.sent == []
    site.lists.fetch = fetch  # type: ignore[method-assign]
    assert site.load().created == 5


def grouped(count: int) -> Site:
    """Each status has a group of its own."""
    named = {each: f"group_{each}" for each in ("paid", "overdue", "draft")}
    site = Site(count, settings={"groups": named})
    groups = site.company.world.monday.boards[w.MONDAY_BOARD].groups
    groups |= {name: replace(groups[w.MONDAY_GROUP], id=name) for name in named.values()}
    return site


def test_group_that_may_not_be_imported_for_now_is_left_for_the_next_run() -> None:
    """100 jobs an hour (3.2), and a job fills one group: the others' records need no delivery each."""
    site = grouped(8)
    filling = site.filling()
    call, jobs = filling._api.call, list[str]()

    def at_most_one(body: Mapping[str, Any], **more: Any) -> monday.Reply:
        if "ingest_items" in body["query"]:
            jobs.append(body["variables"]["group"])
            if len(jobs) == 2:
                raise RetryLater("monday is busy: Too many imports were started.", 1800, 429)
        return call(body, **more)

    filling._api = SimpleNamespace(call=at_most_one)
    loaded = site.load(filling)
    assert (loaded.created, loaded.left, loaded.after) == (2, 0, 1800)
    again = site.load(filling)
    assert (again.created, again.left, site.queue.sent) == (6, 0, [])
    site.assert_whole()


def test_no_import_is_begun_that_would_outlast_its_claims() -> None:
    """A webhook would find the claim ended, make the item, and the import a second one."""
    site = grouped(8)
    site.company.world.monday.accounts[w.MONDAY_ACCOUNT].ingest_seconds = 230
    filling = site.filling()
    call, ends = filling._api.call, list[datetime]()

    def watched(body: Mapping[str, Any], **more: Any) -> monday.Reply:
        if "ingest_items" in body["query"]:
            ends.append(site.company.clock() + timedelta(seconds=230))
            leases = [row.lease_until for row in site.rows() if row.state == "sending"]
            assert f"{ends[-1]:%Y-%m-%dT%H:%M:%SZ}" < min(leases)
        return call(body, **more)

    filling._api = SimpleNamespace(call=watched)
    while (loaded := site.load(filling)).stopped:
        assert loaded.left == 0
    site.assert_whole()
    assert len(ends) == 4


def test_books_and_board_agree_after_a_load(way: str) -> None:
    """Nothing is missing for reconcile, and the completeness report counts the same sums."""
    site = Site(way=way)
    site.load()
    completeness = Completeness(site.lists, Rows(site.company), site.company.clock)
    found = [
        item
        for page in completeness.pages(site.company.connection, "invoice", "2020-01-01", "2026-12-31")
        for item in completeness.items(site.company.connection, page.records)
    ]
    assert Counter(each.state for each in found if each.destination == "ledger") == {"delivered": 45}
    assert sum(each.amount_there or 0 for each in found) == sum(each.amount or 0 for each in found)


def test_two_loads_at_once_make_nothing_twice(way: str) -> None:
    """Two people, or one who is impatient: each record is the first one's who claims it."""
    site = Site(way=way)
    filling = site.filling()
    seconds: list[Loaded] = []

    class Twice:
        batch = filling.batch
        there, name, lot = filling.there, filling.name, filling.lot

        def fill(self, requests: Sequence[Request], there: Mapping[str, Placed]) -> Mapping[str, Placed]:
            if not seconds:
                seconds.append(Loaded())
                seconds[0] = site.load()
            placed: Mapping[str, Placed] = filling.fill(requests, there)
            return placed

    first = site.load(Twice())
    assert first.created + seconds[0].created == site.count
    assert (first.left, seconds[0].left) == (0, 0)
    site.assert_whole()


def test_record_that_is_on_two_pages_is_loaded_once(way: str) -> None:
    """While Zoho's list is read, a new document shifts all others by one (zoho-books 6.1)."""
    site = Site(count=LISTED + 20, way=way)
    plain = site.lists.dated

    def shifted(connection: Connection, module: str, number: int, since: str, until: str) -> Page:
        page = plain(connection, module, number, since, until)
        return (
            Page((site.lists.rows[LISTED - 1], *page.rows), page.more) if module == "invoice" and number > 1 else page
        )

    site.lists.dated = shifted  # type: ignore[method-assign]
    loaded = site.load()
    assert (loaded.created, loaded.left) == (site.count, 0)
    site.assert_whole()


def test_import_leaves_alone_what_it_would_put_onto_the_wrong_item() -> None:
    """Of twins it changes the newest (3.2), while the first made is ours; a delivery changes that one."""
    site = Site(count=3)
    site.load()
    ours = site.company.deliveries.rows["acme-eu#invoice#460000000100001", "ledger"].external_id
    twin = {"zb_doc_id": f"zb:{site.company.connection.organization_id}:invoice:460000000100001"}
    variables = {"board": w.MONDAY_BOARD, "name": "Twin", "cols": json.dumps(twin), "labels": False, "group": None}
    site.api().call({"query": monday.CREATE, "variables": variables})
    site.company.deliveries.rows.clear()
    site.lists.rows = [row | {"total": "1.00"} for row in site.lists.rows]
    loaded = site.load()
    assert (loaded.adopted, loaded.left) == (2, 1)
    site.company.clock.advance(60)
    assert site.deliver() == {"delivered": 1}
    assert [text(each, "zb_total") for each in site.items() if each["id"] == ours] == ["1"]


def test_import_that_takes_too_long_is_not_looked_for_before_it_must_be_over() -> None:
    """Its items may come minutes later: made meanwhile, they would be there twice."""
    site = Site(count=4)
    account = site.company.world.monday.accounts[w.MONDAY_ACCOUNT]
    account.ingest_seconds = 3600
    began = site.company.clock()
    filling = site.filling()
    filling._found = lambda names: {}
    loaded = site.load(filling)
    assert (loaded.stopped, loaded.left) == ("monday's import takes too long", 4)
    assert {row.state for row in site.rows()} == {"sending"}
    assert site.deliver() == {"delivered": 4}
    assert site.company.clock() - began >= LEASE
    site.assert_whole()


def test_limit_that_is_reached_before_the_first_record_says_when_to_go_on(way: str) -> None:
    """Looking through the board takes calls, too."""
    site = Site(way=way)
    filling = site.filling()

    def used_up(*_: Any, **__: Any) -> Any:
        raise RetryLater("monday: the day's API calls are used up", 3600, 429)

    filling._api = SimpleNamespace(call=used_up)
    loaded = site.load(filling)
    assert (loaded.stopped, loaded.after) == ("monday: the day's API calls are used up", 3600)
