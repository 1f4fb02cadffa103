"""`mlc reconcile --report`: for people, as CSV and as JSON, with exit codes that scripts can trust (design 9)."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from ml_connector.errors import NotAllowed, RetryLater
from ml_connector.events import Version
from ml_connector.gaps import Page
from mlc import completeness, options, output, reconcile
from mlc.main import app
from mlc.reconcile import Office
from tests.completeness_world import AT, BOARD, Month
from tests.fakes import connection

OLD = Version("2026-10-19T08:00:00Z", "old")
LOST = "mlc reconcile acme-eu --from 2026-10-19 --to 2026-10-20 --backfill"
GOLDEN = f"""\
module,number,id,date,destination,state,currency,amount,currency_there,amount_there,difference,why,type
invoice,'=SUM(A1),8,2026-10-20,ledger,waiting,EUR,80.00,,,,,
invoice,INV-000001,1,2026-10-20,ledger,delivered,EUR,100.00,EUR,100.00,0.00,,
invoice,INV-000002,2,2026-10-20,ledger,missing,EUR,-7.50,,,,,{LOST}
invoice,INV-000003,3,2026-10-20,ledger,different,EUR,30.00,EUR,20.00,-10.00,,mlc audit show acme-eu 3
invoice,INV-000004,4,2026-10-20,ledger,parked,EUR,40.00,,,,,mlc parked retry acme-eu 4 --destination ledger
invoice,INV-000005,5,2026-10-20,ledger,different,EUR,50.00,USD,50.00,,,mlc audit show acme-eu 5
invoice,INV-000006,6,2026-10-20,ledger,delivered,EUR,60.00,,,,what amount is there is not known,
invoice,INV-000007,7,2026-10-20,ledger,gone,,,EUR,70.00,,Zoho does not have it any more,mlc audit show acme-eu 7
"""


@dataclass
class Desk:
    month: Month = field(default_factory=Month)
    slept: list[float] = field(default_factory=list)

    def office(self, stack: object, name: str) -> Office:
        month: Any = self.month
        return Office(month.connection, None, month.books, None, self.slept.append, month.clock)  # type: ignore[arg-type]

    def all_kinds(self) -> None:
        """One record of every kind."""
        month = self.month
        for number, amount in ((1, "100.00"), (2, "-7.50"), (3, "30.00"), (4, "40.00"), (5, "50.00"), (6, "60.00")):
            month.has(number, amount)
        month.has(8, "80.00", invoice_number="=SUM(A1)")
        month.shows(1, "100.00")
        month.shows(3, "20.00")
        month.knows(4, state="parked")
        month.shows(5, "50.00", currency="USD")
        month.shows(6, "", currency="")
        month.shows(7, "70.00")
        month.knows(8, state="waiting", pending=AT)


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    desk = Desk()
    monkeypatch.setattr(options, "Stack", lambda *_: None)
    monkeypatch.setattr(reconcile, "office", desk.office)
    monkeypatch.setattr(completeness, "ours", lambda *_: (desk.month.table, "EUR"))
    return desk


def mlc(*arguments: str, until: str = "2026-10-31") -> Result:
    last = ("--to", until) if until else ()
    return CliRunner().invoke(app, ["reconcile", "acme-eu", "--report", "--from", "2026-10-01", *last, *arguments])


def test_csv_holds_every_record(desk: Desk, tmp_path: Path) -> None:
    """Those that are as they should be, too; amounts are exact, and no number of somebody's is a formula."""
    desk.all_kinds()
    file = tmp_path / "october.csv"
    result = mlc("--csv", str(file))
    assert result.exit_code == 3, result.output
    assert file.read_bytes().decode() == GOLDEN.replace("\n", "\r\n")
    with file.open(newline="") as read:
        assert len(list(csv.DictReader(read))) == 8
    assert "8 rows written" in result.stdout


def test_json_has_figures_and_what_is_open(desk: Desk) -> None:
    """What was delivered is in the figures; every other record is named, with what to type."""
    desk.all_kinds()
    result = mlc("--json")
    assert result.exit_code == 3
    said = json.loads(result.stdout)
    assert (said["connection"], said["from"], said["to"], said["whole"]) == (
        "acme-eu", "2026-10-01", "2026-10-31", False,
    )  # fmt: skip
    ledger = said["modules"]["invoice"]["destinations"]["ledger"]
    assert ledger == {
        "zoho": {"records": 7, "unknown": 0, "amounts": {"EUR": "352.50"}},
        "there": {"records": 5, "unknown": 1, "amounts": {"EUR": "190.00", "USD": "50.00"}},
        "agrees": False,
        "delivered": 2, "waiting": 1, "parked": 1, "missing": 1, "outdated": 0, "different": 2, "gone": 1,
        "undecided": 0,
    }  # fmt: skip
    assert [each["id"] for each in said["records"]] == ["8", "2", "3", "4", "5", "7"]
    assert said["records"][1] == {
        "module": "invoice", "number": "INV-000002", "id": "2", "date": "2026-10-20", "destination": "ledger",
        "state": "missing", "currency": "EUR", "amount": "-7.50",
        "type": "mlc reconcile acme-eu --from 2026-10-19 --to 2026-10-20 --backfill",
    }  # fmt: skip
    assert "mlc" not in result.stderr


def test_people_see_figures_then_records_then_what_to_type(desk: Desk) -> None:
    """States that nothing is in have no column."""
    desk.all_kinds()
    result = mlc()
    assert result.exit_code == 3
    lines = [" ".join(each.split()) for each in result.stdout.splitlines()]
    assert lines[0] == "acme-eu: documents of 2026-10-01 to 2026-10-31"
    assert lines[1] == (
        "module destination in Zoho there delivered waiting parked missing different gone sum in Zoho sum there"
    )
    assert lines[2] == "Invoice ledger 7 5 2 1 1 1 2 1 352.50 EUR 190.00 EUR + 50.00 USD + 1 unknown ≠"
    assert (
        "missing Invoice INV-000002 2026-10-20 ledger -7.50 EUR – "
        "mlc reconcile acme-eu --from 2026-10-19 --to 2026-10-20 --backfill"
    ) in lines
    assert (
        "gone Invoice INV-000007 2026-10-20 ledger 70.00 EUR Zoho does not have it any more; mlc audit show acme-eu 7"
    ) in lines
    assert lines[-2:] == [
        "Bring in what was lost: mlc reconcile acme-eu --from 2026-10-19 --to 2026-10-20 --backfill",
        "Send again what is parked: mlc parked retry acme-eu --all",
    ]


def test_all_well_is_exit_code_0(desk: Desk) -> None:
    """What is under way, or of unknown amount, needs nobody."""
    desk.month.has(1)
    desk.month.shows(1)
    desk.month.has(2)
    desk.month.knows(2, state="waiting")
    desk.month.has(3)
    desk.month.shows(3, "")
    result = mlc()
    assert result.exit_code == 0, result.output
    assert "everything is where it belongs" in result.stdout
    assert json.loads(mlc("--json").stdout)["whole"] is True


@pytest.mark.parametrize("row", [None, {"amount": "1"}, {"version": OLD}, {"version": OLD, "state": "parked"}])
def test_anything_missing_or_different_is_exit_code_3(desk: Desk, row: dict[str, Any] | None) -> None:
    """Whoever runs it from a schedule need not read it."""
    desk.month.has(1)
    if row is not None:
        desk.month.shows(1, **row)
    assert (mlc().exit_code, mlc("--json").exit_code) == (3, 3)


def test_what_could_not_be_read_is_exit_code_3(desk: Desk) -> None:
    """A module without its scope, and rows that are unreadable, are named."""
    desk.month.connection = connection(
        routes=BOARD, zoho={**desk.month.connection.zoho, "modules": ["invoice", "bill"]}
    )
    desk.month.books.broken["bill"] = NotAllowed("the access lacks a scope", 401)
    assert mlc().exit_code == 3
    assert "Bill: could not be read: the access lacks a scope" in mlc().stderr
    desk.month.books.broken.clear()
    desk.month.has(1, "a lot")
    result = mlc()
    assert (result.exit_code, "1 rows of Zoho's list are unreadable" in result.stderr) == (3, True)


def test_without_an_end_today_is_the_last_day(desk: Desk) -> None:
    """By the organization's clock."""
    assert json.loads(mlc("--json", until="").stdout)["to"] == "2026-11-22"


def test_many_records_are_cut_for_people_only(desk: Desk) -> None:
    """The way to all of them is said."""
    for number in range(60):
        desk.month.has(number)
    result = mlc()
    assert "10 more: --csv FILE and --json have all" in result.stdout
    assert len(json.loads(mlc("--json").stdout)["records"]) == 60


def test_a_limit_is_waited_for_and_no_page_read_twice(desk: Desk) -> None:
    """Zoho's minute is over soon; its day is not."""
    for number in range(6):
        desk.month.has(number)
        desk.month.shows(number)
    real, refused = desk.month.books.dated, iter([None, RetryLater("too many requests", 40, 429), None, None, None])

    def dated(*asked: Any) -> Page:
        if error := next(refused):
            raise error
        return real(*asked)

    desk.month.books.dated = dated  # type: ignore[method-assign]
    assert mlc().exit_code == 0
    assert (desk.slept, [number for _, number, _, _ in desk.month.books.calls]) == ([40], [1, 2, 3])
    desk.month.books.broken["invoice"] = RetryLater("the day's API quota is used up", 5000, 429)
    desk.month.books.dated = real  # type: ignore[method-assign]
    result = mlc()
    assert (result.exit_code, "the day's API quota is used up" in result.stderr) == (1, True)
    assert desk.slept == [40]


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["--report"], "a report needs a first day"),
        (["--report", "--from", "2026-10-01", "--backfill"], "nothing else is done with it"),
        (["--report", "--from", "2026-10-01", "--dry-run"], "nothing else is done with it"),
        (["--report", "--from", "2026-10-02", "--to", "2026-10-01"], "--to lies before --from"),
        (["--csv", "x.csv"], "--csv goes with --report"),
        (["--report", "--from", "2026-10-01", "--csv", "no/such/folder/x.csv"], "there is no folder"),
    ],
)
def test_usage_errors_cost_no_call(desk: Desk, arguments: list[str], hint: str) -> None:
    """A report of an hour must not end at a folder that is not there."""
    result = CliRunner().invoke(app, ["reconcile", "acme-eu", *arguments])
    assert (result.exit_code, hint in result.stderr) == (2, True), result.output
    assert desk.month.books.calls == []


@pytest.mark.parametrize("text", ["=1+1", "+1", "@SUM(A1)", "-cmd", "-1.5.5", "\t=1", "\n=1", "＝1+1"])
def test_cells_are_no_formulas(text: str) -> None:
    """What begins like one is text."""
    assert output.cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["-1.50", "-7", "INV-1", "", "2026-10-01"])
def test_amounts_stay_amounts(text: str) -> None:
    """A credit is a number."""
    assert output.cell(text) == text


def test_organization_tells_the_home_currency(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was stored when access was given; nothing if it was given before that was stored."""
    from ml_connector.aws import organizations
    from ml_connector.consent import Connected
    from ml_connector.ports import Organization

    class At:
        connections, deliveries = None, "rows"

    def known(found: Connected | None) -> type:
        class Organizations:
            def __init__(self, table: object) -> None: ...

            def of(self, name: str) -> Connected | None:
                return found

        return Organizations

    place = Organization("1", "Acme", currency="GBP")
    fields: Mapping[str, Any] = dict.fromkeys(Connected.__dataclass_fields__, "")
    connected = Connected(**{**fields, "organization": place, "scopes": ()})
    at: Any = At()
    for found, currency in ((connected, "GBP"), (None, "")):
        monkeypatch.setattr(organizations, "Organizations", known(found))
        assert completeness.ours(at, "acme-eu") == ("rows", currency)
