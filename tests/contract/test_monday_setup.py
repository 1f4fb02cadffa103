"""Boards that are made, mapped and examined, against the strict monday (contracts: monday 3.1, 4, 12)."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from ml_connector.board_faults import faults_of
from ml_connector.board_maker import Maker, Step, missing
from ml_connector.board_mapping import propose
from ml_connector.boards import Board, Column, plan
from ml_connector.config.model import ConnectionFile, Monday
from ml_connector.errors import ConfigError, RetryLater, Undeliverable, Unknown
from ml_connector.limits import UNLIMITED
from ml_connector.modules import CORE
from ml_connector.vendors.monday import CREATE, HOSTS, MondayApi
from ml_connector.vendors.monday_boards import MondayBoards, whoami
from mlc import monday as desk
from mlc import monday_toml
from mlc.main import app
from sandbox.vendors import default_world as w
from tests.contract.test_against_standins import Company


def settings(**changes: Any) -> dict[str, Any]:
    plain = Monday.model_validate({"type": "monday", "board_id": 1, **changes})
    return plain.compiled(plain.model_dump(mode="json", by_alias=True, exclude_none=True))


class Site(Company):
    """A company whose boards are made through the product's own client."""

    def __init__(self) -> None:
        super().__init__()
        self.api = MondayApi(self.http(HOSTS), lambda: w.MONDAY_TOKEN, self.clock)
        self.boards = MondayBoards(self.api)
        self.made: list[str] = []

    def maker(self, boards: Any = None) -> Maker:
        return Maker(boards or self.boards, lambda seconds: None, self.tell)

    def tell(self, step: Step) -> None:
        self.made.append(f"{step.of} {step.title}")

    def completed(self, **changes: Any) -> tuple[Board, dict[str, Any]]:
        asked = settings(**changes)
        wanted = replace(plan(asked, CORE, "EUR"), groups=("Invoices", "Bills"))
        board_id = self.boards.create("Zoho Books", "", "key")
        return self.maker().complete(board_id, wanted, "key"), asked

    def lines(self, board: Board) -> Board | None:
        return self.boards.board(board.subitems.board) if board.subitems else None


@pytest.fixture
def site() -> Site:
    return Site()


# --- making ----------------------------------------------------------------------------------------------------------


def test_board_that_was_made_has_nothing_wrong(site: Site) -> None:
    """Columns with our ids, labels, groups, and the subitems' own columns on their own board (12, 3.1)."""
    board, asked = site.completed()
    below = site.lines(board)
    assert below is not None
    assert faults_of({**asked, "group": next(iter(board.groups))}, board, below, CORE) == []
    assert {asked["external_id_column"], *asked["columns"]} <= {each.id for each in board.columns}
    assert {asked["line_id_column"], *asked["line_columns"]} <= {each.id for each in below.columns}
    assert {"Invoices", "Bills"} <= set(board.groups.values())


def test_colours_of_a_status_column_stand_once_each_and_money_has_a_unit_in_the_base_currency_only(site: Site) -> None:
    """Each colour once per column (3.3); a sum over currencies has no unit (4)."""
    board, _ = site.completed()
    status = board.column("zb_status")
    assert status is not None
    colours = [label.colour for label in status.labels]
    assert len(colours) == len(set(colours)) <= 40
    assert {"Paid", "Overdue", "Partially paid", "Deleted"} <= {label.text for label in status.labels}
    units = {each.id: (each.settings or {}).get("unit", {}) for each in board.columns if each.type == "numbers"}
    assert units["zb_total"] == {}
    assert units["zb_total_base"]["custom_unit"] == "EUR"


def test_records_are_delivered_to_a_board_that_was_made(site: Site) -> None:
    """Every label and every column that the default mapping writes is there; the lines are, too."""
    board, asked = site.completed()
    place = {**asked, "board_id": int(board.id), "group": next(iter(board.groups))}
    site.connection = replace(site.connection, destinations={"ledger": place})
    invoice = site.saves("invoice")
    assert site.carries(invoice).outcome == "delivered"


@pytest.mark.parametrize("after", range(0, 24, 3))
def test_making_goes_on_where_it_was_broken_off(site: Site, after: int) -> None:
    """Columns have fixed ids, groups are known by their title: nothing is made twice, nothing is left out."""

    class Broken(MondayBoards):
        left = after

        def _asked(self, query: str, key: str = "", **variables: Any) -> Any:
            if query.startswith("mutation"):
                if self.left == 0:
                    raise RetryLater("monday is busy", 5)
                self.left -= 1
            return super()._asked(query, key, **variables)

    wanted = replace(plan(settings(), CORE, "EUR"), groups=("Invoices", "Bills"))
    board_id = site.boards.create("Zoho Books", "", "key")
    with pytest.raises(RetryLater):
        site.maker(Broken(site.api)).complete(board_id, wanted, "key")
    first, site.made = site.made, []
    board = site.maker().complete(board_id, wanted, "key")
    assert missing(wanted, board, site.lines(board)) == []
    assert not set(first) & set(site.made)
    titles = [*board.groups.values()]
    assert titles.count("Invoices") == titles.count("Bills") == 1


def test_board_is_made_once_though_the_answer_was_lost(site: Site) -> None:
    """The same idempotency key (6)."""
    assert site.boards.create("Zoho Books", "", "key") == site.boards.create("Zoho Books", "", "key")
    assert len(site.boards.named("Zoho Books")) == 2  # the default world has one of this name already


def test_refusal_that_was_put_right_is_no_refusal_any_more(site: Site) -> None:
    """Within the half hour in which monday repeats what it has answered (6)."""
    board = w.MONDAY_BOARD
    site.world.monday.boards[board].editors = ["somebody else"]
    with pytest.raises(Undeliverable):
        site.boards.add_group(board, "Bills", "key")
    site.world.monday.boards[board].editors = []
    site.boards.add_group(board, "Bills", "key")
    assert [*site.boards.boards({board})[board].groups.values()].count("Bills") == 1


def test_column_of_another_type_is_not_touched(site: Site) -> None:
    """A board is added to, never changed."""
    site.boards.add_column(w.MONDAY_BOARD, Column("zb_extra", "Extra", "text"))
    wanted = plan(settings(also={"zb_extra": {"from": "amount", "type": "numbers"}}), CORE)
    with pytest.raises(ConfigError, match="zb_extra is there as text, not as numbers"):
        site.maker().complete(w.MONDAY_BOARD, wanted, "key")


def test_viewer_cannot_make_a_column_and_is_told_what_stays(site: Site) -> None:
    """A sentence with what was made and what to do, not a traceback."""
    site.control("PATCH", f"/monday/users/{w.MONDAY_USER}", {"view_only": True})
    wanted = plan(settings(also={"zb_extra": {"from": "reference", "type": "text"}}), CORE)
    with pytest.raises(Exception, match=r"(?i)monday refuses|could not be made"):
        site.maker().complete(w.MONDAY_BOARD, wanted, "key")


def test_board_that_does_not_show_what_was_made_is_no_endless_loop(site: Site) -> None:
    """A few looks, with time between, and a sentence: groups have ids of monday's, and would be made again."""

    class Blind(MondayBoards):
        def boards(self, ids: Any) -> dict[str, Board]:
            return {key: replace(each, groups={}) for key, each in super().boards(ids).items()}

    waited: list[float] = []
    maker = Maker(Blind(site.api), waited.append)
    with pytest.raises(ConfigError, match="does not show yet what was made: Invoices"):
        maker.complete(w.MONDAY_BOARD, replace(plan(settings(lines="none"), CORE), groups=("Invoices",)), "key")
    titles = [each.title for each in site.world.monday.boards[w.MONDAY_BOARD].groups.values()]
    assert (titles.count("Invoices"), len(waited)) == (1, 3)


# --- mapping ---------------------------------------------------------------------------------------------------------


def column(identity: str, title: str, kind: str, **more: Any) -> Column:
    return Column(identity, title, kind, **more)


def test_own_board_is_mapped_whole(site: Site) -> None:
    """By id: what was made by us is found again, with its external id."""
    board, asked = site.completed()
    found = propose(board, CORE, {each["type"] for each in asked["columns"].values()} | {"text"})
    assert found.external_id == "zb_doc_id"
    for name in ("zb_total", "zb_status", "zb_due", "zb_party", "zb_currency", "zb_link"):
        assert found.columns[name]["from"] == asked["columns"][name]["from"]


def test_foreign_board_is_mapped_by_the_words_of_its_titles() -> None:
    """A due date is no document's date, a balance no total; labels are found by likeness."""
    from ml_connector.boards import Label

    board = Board(
        "1",
        "Receivables",
        (
            column("name", "Name", "name"),
            column("text1", "Zoho ID", "text"),
            column("text2", "Client", "text"),
            column("numbers1", "Amount due", "numbers"),
            column("numbers2", "Invoice total", "numbers"),
            column("date1", "Due date", "date"),
            column("date2", "Invoice date", "date"),
            column("status1", "State", "status", labels=(Label("Done"), Label("Stuck"), Label("Sent"))),
            column("people1", "Owner", "people"),
        ),
        {"topics": "All"},
    )
    found = propose(board, ("invoice",), ("text", "numbers", "date", "status"))
    assert found.external_id == "text1"
    assert {name: each["from"] for name, each in found.columns.items()} == {
        "text2": "party", "numbers1": "balance", "numbers2": "amount", "date1": "due", "date2": "date",
        "status1": "status",
    }  # fmt: skip
    assert found.columns["status1"]["labels"] == {"overdue": "Stuck", "paid": "Done"}
    assert "void" in found.unlabelled["status1"]
    assert [each.id for each in found.unused] == ["people1"]
    assert "currency" in found.unmapped


def test_proposal_is_a_destination_that_the_configuration_takes() -> None:
    """What is printed can be pasted, whatever the titles hold."""
    place = {
        "type": "monday", "board_id": 12, "group": 'a"b', "columns": {"x": {"from": "status", "type": "status",
        "labels": {"paid": 'Done "\\ ☃'}}},
    }  # fmt: skip
    data = tomllib.loads(monday_toml.destination("ledger", place, ["nothing is for due"]))
    assert data == {"destinations": {"ledger": place}}
    file = {
        "connection": "acme-eu", "zoho": {"region": "eu", "organization_id": "12345"}, **data,
        "routes": [{"to": ["ledger"]}],
    }  # fmt: skip
    ConnectionFile.model_validate(file)


def test_person_who_waits_does_not_make_twice_what_may_be_there() -> None:
    """Only a call with a key, or one that changes nothing, is repeated after an answer was lost."""
    calls: list[str] = []

    class Silent:
        def call(self, body: Any, **_: Any) -> Any:
            calls.append(body["query"].split()[0])
            raise Unknown("no readable answer")

    patient = desk.Patient(Silent(), lambda seconds: None)  # type: ignore[arg-type]
    for query, key, times in (("mutation A", "", 1), ("mutation A", "key", desk.TRIES), ("query A", "", desk.TRIES)):
        calls.clear()
        with pytest.raises(Unknown):
            patient.call({"query": query}, idempotency_key=key)
        assert len(calls) == times


# --- the command -----------------------------------------------------------------------------------------------------


class Table:
    """No organization is known."""

    def get(self, *_: Any, **__: Any) -> None:
        return None


def stack(site: Site) -> Any:
    return SimpleNamespace(
        http=site.http, secrets=site.secrets, tokens=site.tokens, limiter=UNLIMITED, connections=Table(),
        connection=lambda name: site.connection,
    )  # fmt: skip


def test_command_prints_a_destination_that_doctor_finds_nothing_wrong_with(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Made, printed, pasted, examined: with groups by module, whose ids are monday's."""
    from mlc import doctor_monday

    monkeypatch.setattr("mlc.options.Stack", lambda *_: stack(site))
    desk.board_create(connection="acme-eu", name="Books", as_json=True)
    said = json.loads(capsys.readouterr().out)
    pasted = tomllib.loads(said["toml"])["destinations"]["ledger"]
    place = settings(**pasted)
    assert (pasted["board_id"], pasted["account"], pasted["plan"]) == (int(said["board_id"]), "harbour", "pro")
    assert pasted["groups"]["invoice"] == said["groups"]["Invoices"]
    site.connection = replace(site.connection, destinations={"ledger": place})
    assert doctor_monday.faults(stack(site), site.connection) == ([], ["ledger: Books"])
    # A second run finds the board by its name, and has nothing to do.
    desk.board_create(connection="acme-eu", name="Books", as_json=True)
    again = json.loads(capsys.readouterr().out)
    assert (again["board_id"], again["made"]) == (said["board_id"], [])


def test_completing_a_board_keeps_the_group_that_the_file_names(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("mlc.options.Stack", lambda *_: stack(site))
    desk.board_create(connection="acme-eu", board_id=w.MONDAY_BOARD, groups=desk.Groups.NONE, as_json=True)
    pasted = tomllib.loads(json.loads(capsys.readouterr().out)["toml"])["destinations"]["ledger"]
    assert (pasted["board_id"], pasted["group"]) == (int(w.MONDAY_BOARD), w.MONDAY_GROUP)


def test_peoples_own_board_of_the_same_name_is_not_filled_with_columns(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A half-made board of ours has our column or no items; whoever means another one says its number."""
    monkeypatch.setattr("mlc.options.Stack", lambda *_: stack(site))
    theirs = site.boards.create("Invoices", "", "theirs")
    variables = {"board": theirs, "name": "Call Ola", "cols": "{}", "labels": False, "group": None}
    site.api.call({"query": CREATE, "variables": variables})
    before = site.boards.board(theirs)
    with pytest.raises(typer.Exit):
        desk.board_create(connection="acme-eu", name="Invoices")
    assert f"--board {theirs}" in capsys.readouterr().err
    assert site.boards.board(theirs) == before


def test_second_destination_is_not_given_the_first_ones_board(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The usual name is that of the connection: it would find the board that the other one fills."""
    monkeypatch.setattr("mlc.options.Stack", lambda *_: stack(site))
    desk.board_create(connection="acme-eu", destination="ledger", as_json=True)
    first = json.loads(capsys.readouterr().out)["board_id"]
    place = settings(board_id=int(first))
    site.connection = replace(site.connection, destinations={"ledger": place})
    desk.board_create(connection="acme-eu", destination="bills", as_json=True)
    said = json.loads(capsys.readouterr().out)
    assert (said["name"], said["board_id"] == first) == ("Zoho Books · acme-eu · bills", False)
    with pytest.raises(typer.Exit):
        desk.board_create(connection="acme-eu", destination="bills", name="Zoho Books · acme-eu")
    assert "ledger" in capsys.readouterr().err


def test_title_of_several_lines_stays_a_remark() -> None:
    """People give columns their titles: none becomes a line of the file."""
    printed = monday_toml.destination("ledger", {"type": "monday"}, ["column x (Owner\n[evil]\r\x85a = 1) is left"])
    assert tomllib.loads(printed) == {"destinations": {"ledger": {"type": "monday"}}}


def test_board_without_subitems_is_mapped_without_line_items(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The default is subitems: pasted as it is, every line item would be refused, and each record parked."""
    monkeypatch.setattr("mlc.options.Stack", lambda *_: stack(site))
    own = site.boards.create("Own", "", "own")
    for each in (Column("zb_doc_id", "Zoho ID", "text"), Column("their_total", "Total", "numbers")):
        site.boards.add_column(own, each)
    desk.board_map(connection="acme-eu", board_id=own, as_json=True)
    said = json.loads(capsys.readouterr().out)
    assert said["settings"]["lines"] == "none"
    assert "mlc monday board create acme-eu" in said["toml"]
    made, _ = site.completed()
    desk.board_map(connection="acme-eu", board_id=made.id, as_json=True)
    assert "lines" not in json.loads(capsys.readouterr().out)["settings"]


@pytest.mark.parametrize("words", [["create", "acme-eu", "--board", "x"], ["map", "acme-eu", "--board", "https://x"]])
def test_board_is_named_by_its_number(words: list[str]) -> None:
    """Wrong usage, before AWS is asked anything."""
    done = CliRunner().invoke(app, ["monday", "board", *words])
    assert (done.exit_code, "is no board" in done.stderr) == (2, True)


def test_token_is_whose_user_it_is(site: Site) -> None:
    member = whoami(site.api)
    assert (member.id, member.account) == (w.MONDAY_USER, "harbour")
