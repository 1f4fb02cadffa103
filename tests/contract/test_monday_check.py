"""Boards against what was put there, on the strict monday: duplicates, orphans, drift, what is gone (monday 6, 6)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from functions.ingest import app
from ml_connector.board_check import BoardCheck, Finding, Nightly, Repair, Report, neighbours
from ml_connector.connections import Connection
from ml_connector.errors import NeedsAttention, RetryLater, Undeliverable
from ml_connector.vendors import monday
from ml_connector.vendors.monday_boards import MondayBoards
from sandbox.vendors import default_world as w
from tests.board_world import Office
from tests.contract.test_monday_load import Rows, Site
from tests.fakes import connection
from tests.teams_world import Trail


class Checked(Site):
    """A loaded board that people have been at."""

    def __init__(self, count: int = 6) -> None:
        super().__init__(count=count)
        self.load()

    def boards(self) -> MondayBoards:
        return MondayBoards(self.api())

    def report(self, *beside: tuple[str, str], **changes: Any) -> Report:
        known = {key for key, _ in self.company.deliveries.rows}
        settings = {**self.company.connection.destinations["ledger"], **changes}
        check = BoardCheck(self.company.connection, "ledger", settings, self.boards(), Rows(self.company))
        report = replace(check, neighbours=lambda: beside).run(known=known)
        assert report is not None
        return report

    def repaired(self, report: Report) -> dict[str, int]:
        boards = self.boards()
        repair = Repair(
            self.company.connection,
            "ledger",
            w.MONDAY_BOARD,
            self.company.deliveries,
            self.queue,
            boards.archive,
            self.company.clock,
            "call-9",
        )
        return dict(repair.put_right(report.findings))

    def item(self, number: int) -> str:
        return self.company.deliveries.rows[self.key(number), "ledger"].external_id

    def key(self, number: int) -> str:
        return f"acme-eu#invoice#{self.lists.rows[number]['invoice_id']}"

    def twin(self, number: int) -> str:
        """Another item with the external id of a record."""
        name = f"zb:{self.company.connection.organization_id}:invoice:{self.lists.rows[number]['invoice_id']}"
        cols = json.dumps({"zb_doc_id": name})
        variables = {"board": w.MONDAY_BOARD, "name": "Twin", "cols": cols, "labels": False, "group": None}
        return str(self.api().call({"query": monday.CREATE, "variables": variables}).data["item"]["id"])

    def person(self, do: str, **what: Any) -> None:
        self.company.control("POST", f"/monday/people/{w.MONDAY_PERSON}", {"do": do, **what})

    def sets(self, number: int, column: str, value: Any) -> None:
        cols = json.dumps({column: value})
        variables = {"board": w.MONDAY_BOARD, "item": self.item(number), "cols": cols, "labels": False}
        self.api().call({"query": monday.MARK, "variables": variables})


@pytest.fixture
def site() -> Checked:
    return Checked()


def kinds(report: Report) -> list[tuple[str, str]]:
    return [(each.kind, each.number or each.record_id) for each in report.findings]


def test_board_as_it_was_filled_has_nothing_wrong(site: Checked) -> None:
    """Amounts are compared exactly, whatever monday shows of them; people's own items are nobody's business."""
    variables = {"board": w.MONDAY_BOARD, "name": "Call Ola", "cols": "{}", "labels": False, "group": None}
    site.api().call({"query": monday.CREATE, "variables": variables})
    report = site.report()
    assert (report.items, report.own, report.findings) == (7, 1, [])


def test_two_items_of_one_record_are_a_duplicate_and_ours_is_named_first(site: Checked) -> None:
    twin = site.twin(2)
    (found,) = site.report().findings
    assert (found.kind, found.items) == ("duplicate", (site.item(2), twin))
    assert "INV-000002" in found.says


@pytest.mark.parametrize(
    ("column", "value", "there", "should"),
    [
        ("zb_total", "1.00", "1.00", "102.50 EUR"),
        ("zb_total", None, "", "102.50 EUR"),
        ("zb_status", {"label": "Void"}, "Void", "Overdue"),
    ],
)
def test_amount_or_status_that_a_person_has_changed_is_drift(
    site: Checked, column: str, value: Any, there: str, should: str
) -> None:
    site.sets(2, column, value)
    (found,) = site.report().findings
    assert (found.kind, found.column, found.there, found.should) == ("drift", column, there, should)


def test_item_that_no_row_knows_is_an_orphan(site: Checked) -> None:
    """Made by another tool, or by us before our rows were lost."""
    item = site.item(1)
    del site.company.deliveries.rows[site.key(1), "ledger"]
    (found,) = site.report().findings
    assert (found.kind, found.items) == ("orphan", (item,))


def test_item_that_a_person_took_away_is_gone_unless_that_is_as_it_should_be(site: Checked) -> None:
    site.boards().archive(site.item(3))
    assert kinds(site.report()) == [("gone", "INV-000003")]
    assert site.report(gone="leave").findings == []


def test_record_that_is_being_delivered_is_not_judged(site: Checked) -> None:
    """Its item may differ for a moment."""
    site.sets(2, "zb_total", "1.00")
    row = site.company.deliveries.rows[site.key(2), "ledger"]
    site.company.deliveries.rows[site.key(2), "ledger"] = replace(row, state="sending")
    assert site.report().findings == []


def test_another_organizations_items_are_not_ours(site: Checked) -> None:
    cols = json.dumps({"zb_doc_id": "zb:999:invoice:1"})
    variables = {"board": w.MONDAY_BOARD, "name": "Theirs", "cols": cols, "labels": False, "group": None}
    site.api().call({"query": monday.CREATE, "variables": variables})
    assert site.report().findings == []


@pytest.mark.parametrize("neighbour", [("acme-eu", "second"), ("acme-uk", "ledger")], ids=["destination", "connection"])
def test_items_of_a_neighbour_on_the_same_board_are_its_own(site: Checked, neighbour: tuple[str, str]) -> None:
    """Another destination, or another connection to the same organization: its row knows the item, and a repair here
    would have two of them write it."""
    connection, name = neighbour
    row = site.company.deliveries.rows.pop((site.key(1), "ledger"))
    site.company.deliveries.rows[site.key(1).replace("acme-eu", connection), name] = row
    assert [kind for kind, _ in kinds(site.report())] == ["orphan"]
    assert site.report(neighbour).findings == []


def test_record_that_no_route_sends_here_is_nobodys_orphan(site: Checked) -> None:
    """It is not taken over: it would be kept up to date by nobody."""
    del site.company.deliveries.rows[site.key(1), "ledger"]
    bills = [{"events": ["bill.*"], "when": {}, "to": ["ledger"]}]
    site.company.connection = replace(site.company.connection, routes=bills)
    assert "orphan" not in [kind for kind, _ in kinds(site.report())]


def test_change_while_the_board_is_paged_is_no_drift(site: Checked) -> None:
    """The page is of before, the row of after: what looks wrong is looked at once more."""
    from tests.contract.test_monday_load import _changed

    boards = site.boards()
    plain = boards.pages

    def meanwhile(*asked: Any) -> Any:
        pages = list(plain(*asked))
        row = site.lists.rows[2] | {"total": "7.00", "last_modified_time": "2026-11-02T09:00:00+0100"}
        site.company.carries(_changed(site, row))
        yield from pages

    boards.pages = meanwhile  # type: ignore[method-assign]
    site.boards = lambda: boards  # type: ignore[method-assign]
    assert site.report().findings == []


def test_item_that_is_made_or_taken_away_while_the_board_is_paged_is_not_gone(site: Checked) -> None:
    """Its row was there before its page came: it is looked for by its id."""
    boards = site.boards()
    plain = boards.pages
    boards.pages = lambda *asked: (list(page[1:]) for page in plain(*asked))  # type: ignore[method-assign]
    site.boards = lambda: boards  # type: ignore[method-assign]
    assert site.report().findings == []


def test_column_that_monday_does_not_read_out_is_not_judged(site: Checked) -> None:
    """Columns that sum up subitems on multi-level boards give no value (4): doctor tells of them."""
    boards = site.boards()
    plain = boards.pages

    def summing(*asked: Any) -> Any:
        for page in plain(*asked):
            yield [replace(each, cells={k: v for k, v in each.cells.items() if k != "zb_total"}) for each in page]

    boards.pages = summing  # type: ignore[method-assign]
    site.boards = lambda: boards  # type: ignore[method-assign]
    assert site.report().findings == []


def test_neighbours_write_the_same_board_about_the_same_organization() -> None:
    """The external id says no more than organization, module and record."""
    board, other = ({"type": "monday", "board_id": each} for each in (1, 2))
    us = connection(destinations={"ledger": board, "second": board, "third": other, "finance": {"type": "teams"}})
    every = [
        us,
        replace(us, name="acme-uk", destinations={"x": board}),
        None,
        replace(us, name="far", organization_id="999"),
    ]
    assert [*neighbours(us, "ledger", every)] == [("acme-eu", "second"), ("acme-uk", "x")]


# --- what people set -------------------------------------------------------------------------------------------------


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> Office:
    """monday tells us what people do."""
    office = Office()
    monkeypatch.setattr(app, "board_calls", lambda: office.calls)
    office.install()
    return office


def looking(office: Office) -> BoardCheck:
    company = office.company
    boards = MondayBoards(office.board(company.connection, "ledger")._api)
    settings = company.connection.destinations["ledger"]
    return BoardCheck(
        company.connection, "ledger", settings, boards, Rows(company), trail=Trail(company.deliveries.audit)
    )


def seen(office: Office) -> Report:
    report = looking(office).run()
    assert report is not None
    return report


def test_nobody_is_told_by_night_of_a_status_that_a_person_set(office: Office) -> None:
    item, _ = office.invoice()
    office.sets(item, "Paid")
    office.settle()
    assert seen(office).statuses
    told = Told()
    Nightly(lambda *_: looking(office), Nights(), told, office.clock).run(office.company.connection, lambda: True)
    assert told.said == []


def test_status_that_a_person_set_is_told_and_is_no_drift(office: Office) -> None:
    """Also after other things of the record have changed in Zoho, and after a second change by a person."""
    item, each = office.invoice()
    office.sets(item, "Paid")
    office.settle()
    report = seen(office)
    (found,) = report.statuses
    assert (report.findings, found.kind, found.there, found.should) == ([], "status", "Paid", "Sent")
    assert "zb_status shows Paid, set by Asha Rao" in found.says
    assert found.says.endswith("UTC; Zoho says Sent")
    office.clock.advance(60)
    office.sets(item, "Void")
    office.settle()
    office.company.carries(office.company.saves("invoice", {"reference_number": "PO 7"}, each.event.record_id))
    assert [(found.there, found.should) for found in seen(office).statuses] == [("Void", "Sent")]


def test_status_of_which_monday_told_nothing_is_drift(office: Office) -> None:
    """Whatever a person set before: who set this one is not known."""
    item, _ = office.invoice()
    office.sets(item, "Paid")
    office.settle()
    office.world.monday.webhooks.clear()
    office.clock.advance(60)
    office.sets(item, "Void")
    report = seen(office)
    assert ([each.kind for each in report.findings], report.statuses) == (["drift"], [])


def test_old_change_by_a_person_does_not_excuse_a_status_that_zoho_has_changed_since(office: Office) -> None:
    """Zoho's word was put there in between; the same label came back without a word from monday."""
    item, each = office.invoice()
    office.sets(item, "Paid")
    office.settle()
    office.clock.advance(60)
    office.company.carries(office.company.saves("invoice", {"status": "overdue"}, each.event.record_id))
    assert seen(office).statuses == []
    office.world.monday.webhooks.clear()
    office.sets(item, "Paid")
    report = seen(office)
    assert ([each.should for each in report.findings], report.statuses) == (["Overdue"], [])


# --- repair ----------------------------------------------------------------------------------------------------------


def test_repair_puts_zohos_state_back_and_archives_twins(site: Checked) -> None:
    """Through the queue, as any delivery: afterwards nothing is wrong, and nothing was deleted."""
    twin, gone = site.twin(0), site.item(3)
    site.sets(1, "zb_total", "1.00")
    site.sets(2, "zb_status", {"label": "Void"})
    site.boards().archive(gone)
    orphan = site.item(4)
    del site.company.deliveries.rows[site.key(4), "ledger"]
    report = site.report()
    assert sorted(kind for kind, _ in kinds(report)) == ["drift", "drift", "duplicate", "gone", "orphan"]
    assert site.repaired(report) == {"sent": 5, "archived": 1}
    assert site.deliver() == {"delivered": 5}
    assert site.report().findings == []
    assert len(site.items()) == site.count
    reasons = [each.reason for each in site.company.deliveries.audit.entries if each.outcome == "resent"]
    assert any(f"items {site.item(0)}, {twin} name this record" in each for each in reasons)
    items = site.company.world.monday.items
    assert (items[twin].state, items[gone].state) == ("archived", "archived")
    assert site.item(4) == orphan
    assert site.item(3) != gone


def test_repair_does_nothing_by_itself(site: Checked) -> None:
    """A check changes neither rows nor board."""
    site.sets(1, "zb_total", "1.00")
    before = dict(site.company.deliveries.rows)
    site.report()
    assert (site.company.deliveries.rows, site.queue.sent) == (before, [])


def test_repair_leaves_what_is_under_way(site: Checked) -> None:
    """Also its twin: the delivery may be about to use either."""
    twin = site.twin(0)
    report = site.report()
    row = site.company.deliveries.rows[site.key(0), "ledger"]
    site.company.deliveries.rows[site.key(0), "ledger"] = replace(row, state="sending")
    assert site.repaired(report) == {"busy": 1}
    assert site.company.world.monday.items[twin].state == "active"


def test_older_webhook_after_a_repair_does_not_come_back(site: Checked) -> None:
    """The version that was there is in doubt, not forgotten: Zoho is asked for the newest."""
    from tests.contract.test_monday_load import _changed

    site.sets(1, "zb_total", "1.00")
    site.repaired(site.report())
    old = site.lists.rows[1] | {"total": "5.00", "last_modified_time": "2026-10-01T09:00:00+0100"}
    site.company.books = site.lists  # type: ignore[assignment]
    site.company.carries(_changed(site, old))
    assert site.report().findings == []


# --- by night --------------------------------------------------------------------------------------------------------


@dataclass
class Told:
    said: list[tuple[str, str, str, str]] = field(default_factory=list)

    def tell(
        self, connection: Connection, key: str, title: str, text: str, facts: Mapping[str, str], command: str
    ) -> bool:
        if key not in [each[0] for each in self.said]:
            self.said.append((key, title, text, command))
        return True


@dataclass
class Nights:
    rows: dict[str, Mapping[str, str]] = field(default_factory=dict)

    def get(self, connection: str) -> Mapping[str, str]:
        return self.rows.get(connection, {})

    def set(self, connection: str, checked: Mapping[str, str]) -> None:
        self.rows[connection] = dict(checked)


class Night:
    def __init__(self, site: Checked) -> None:
        self.site, self.told, self.nights = site, Told(), Nights()
        self.connection = replace(site.company.connection, admin="finance")
        self.checks = 0

    def run(self, *, goes_on: bool = True, fault: Exception | None = None) -> None:
        def check(connection: Connection, name: str) -> BoardCheck:
            self.checks += 1
            if fault:
                raise fault
            boards = self.site.boards()
            return BoardCheck(connection, name, connection.destinations[name], boards, Rows(self.site.company))

        Nightly(check, self.nights, self.told, self.site.company.clock).run(self.connection, lambda: goes_on)


def test_each_board_is_checked_once_a_night_and_a_matter_is_told_once(site: Checked) -> None:
    night = Night(site)
    site.twin(0)
    for _ in range(3):
        for _ in range(4):
            night.run()
            site.company.clock.advance(900)
        site.company.clock.advance(86_400)
    assert night.checks == 3
    ((_, title, text, command),) = night.told.said
    assert title == "The board of ledger needs a look: 1 record with several items"
    assert "INV-000000" in text
    assert "Nothing was changed." in text
    assert command == "mlc monday check acme-eu --destination ledger"


def test_another_matter_is_another_notice(site: Checked) -> None:
    night = Night(site)
    site.twin(0)
    night.run()
    site.sets(1, "zb_total", "1.00")
    site.company.clock.advance(86_400)
    night.run()
    assert len(night.told.said) == 2


def test_board_that_is_right_is_not_spoken_of(site: Checked) -> None:
    night = Night(site)
    night.run()
    assert (night.checks, night.told.said) == (1, [])


def test_check_that_ran_out_of_time_is_made_again_at_the_next_turn(site: Checked) -> None:
    """Half a board says nothing of duplicates."""
    night = Night(site)
    night.run(goes_on=False)
    assert night.checks == 0
    night.run()
    assert night.checks == 1


def test_monday_that_is_down_is_asked_again_the_next_night(site: Checked) -> None:
    """Not every minute: its deliveries have their own alarm."""
    night = Night(site)
    night.run(fault=RetryLater("monday is busy"))
    night.run()
    assert night.checks == 1


@pytest.mark.parametrize("fault", [NeedsAttention("monday refuses the token"), Undeliverable("sees no board 12")])
def test_board_that_may_not_be_read_is_told_each_night_until_it_may(site: Checked, fault: Exception) -> None:
    """A personal token is renewed by nobody, so nobody else would tell of its end before its deliveries are parked."""
    night = Night(site)
    for _ in range(2):
        night.run(fault=fault)
        night.run(fault=fault)
        site.company.clock.advance(86_400)
    night.run()
    assert [each[1] for each in night.told.said] == ["The board of ledger cannot be looked at"] * 2
    assert all(str(fault) in each[2] and each[3] == "mlc doctor acme-eu" for each in night.told.said)


def test_nobody_is_told_where_nobody_is_named(site: Checked) -> None:
    night = Night(site)
    night.connection = replace(night.connection, admin="")
    night.run()
    assert night.checks == 0


def test_same_findings_have_the_same_name_in_any_order() -> None:
    one, two = (Finding("gone", "invoice", str(number), "", ("1",)) for number in (1, 2))
    assert Report(findings=[one, two]).digest == Report(findings=[two, one]).digest
    assert Report(findings=[one]).digest != Report(findings=[two]).digest
