"""What `mlc doctor` says of monday.com, against the strict stand-in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from ml_connector.limits import UNLIMITED
from mlc import doctor_monday
from sandbox.vendors import default_world as w
from sandbox.vendors.monday_state import MondayBoard, MondayColumn
from tests.contract.test_against_standins import Company

AGAIN = "mlc credentials set acme-eu monday"
CREATE = f"mlc monday board create acme-eu --destination ledger --board {w.MONDAY_BOARD} --groups none"
RESTORE = "in monday: restore the board; or put another board_id into the file: mlc connections apply FILE"
MAP = f"mlc monday board map acme-eu --board {w.MONDAY_BOARD}"


def examined(company: Company) -> tuple[list[doctor_monday.Fault], list[str]]:
    at: Any = SimpleNamespace(http=company.http, secrets=company.secrets, tokens=company.tokens, limiter=UNLIMITED)
    return doctor_monday.faults(at, company.connection)


def test_a_board_that_is_seen_is_told_by_its_name() -> None:
    wrong, right = examined(Company())
    assert (wrong, right) == ([], ["ledger: Zoho Books"])


@pytest.mark.parametrize(
    ("trouble", "says", "types"),
    [
        ("none", "no monday token", AGAIN),
        ("app", "nobody has given connection acme-eu access", "mlc auth monday acme-eu"),
        ("wrong", "monday refuses the token", AGAIN),
        ("board", "does not see board", AGAIN),
        ("viewer", "a viewer or not confirmed", AGAIN),
    ],
)
def test_what_would_stop_every_item_is_found_before_the_first(trouble: str, says: str, types: str) -> None:
    """With a sentence and what to type; the token is in neither."""
    company = Company()
    match trouble:
        case "none":
            del company.secrets.stored["acme-eu", "monday"]
        case "app":
            company.secrets.stored["acme-eu", "monday"] = {"client_id": "c", "client_secret": "sEcReT"}
        case "wrong":
            company.secrets.stored["acme-eu", "monday"] = {"token": "sEcReT"}
        case "board":
            del company.world.monday.boards[w.MONDAY_BOARD]
        case "viewer":
            company.control("PATCH", f"/monday/users/{w.MONDAY_USER}", {"view_only": True})
    ((what, why, command),), right = examined(company)
    assert says in what
    assert (bool(why), command, right) == (True, types, [])
    assert "sEcReT" not in what


def _retyped(board: MondayBoard) -> None:
    board.columns["zb_total"] = MondayColumn("zb_total", "Total", "text")


def _without_label(board: MondayBoard) -> None:
    labels = board.columns["zb_status"].settings["labels"]
    labels[:] = [each for each in labels if each["label"] != "Overdue"]


def _full(board: MondayBoard) -> None:
    board.items_limit = max(1, board.live())


@pytest.mark.parametrize(
    ("breaks", "says", "types"),
    [
        (lambda board: board.columns.pop("zb_total"), "has no column 'zb_total'", CREATE),
        (_retyped, "zb_total (Total) of board Zoho Books is of type text, the file says numbers", MAP),
        (_without_label, "has no label 'Overdue'", MAP),
        (lambda board: board.columns.pop("zb_doc_id"), "has no column 'zb_doc_id'", CREATE),
        (lambda board: setattr(board, "hierarchy_type", "multi_level"), "multi-level", MAP),
        (lambda board: setattr(board, "state", "archived"), "is archived", RESTORE),
        (lambda board: setattr(board, "state", "deleted"), "is deleted", RESTORE),
    ],
)
def test_mapping_is_compared_with_the_live_board(
    breaks: Callable[[MondayBoard], object], says: str, types: str
) -> None:
    """What a person changed on the board is told before a record runs into it."""
    company = Company()
    breaks(company.world.monday.boards[w.MONDAY_BOARD])
    wrong, _ = examined(company)
    assert [(what, command) for what, _, command in wrong if says in what] == [
        (next(what for what, _, _ in wrong if says in what), types)
    ]


def test_user_who_may_not_change_the_board_is_told() -> None:
    """Seen is not enough: what is written would be refused, record by record."""
    company = Company()
    company.world.monday.boards[w.MONDAY_BOARD].editors = [w.MONDAY_PERSON]
    ((what, _, command),), _ = examined(company)
    assert "may only view board Zoho Books" in what
    assert "Invite" in command


def test_group_that_is_not_on_the_board_is_told_with_those_that_are() -> None:
    """Of new items and of states alike."""
    company = Company()
    place = {**company.connection.destinations["ledger"], "group": "nowhere", "groups": {"paid": "gone_group"}}
    company.connection = replace(company.connection, destinations={"ledger": place})
    wrong, _ = examined(company)
    assert [name for name in ("'nowhere'", "'gone_group'") if any(name in what for what, _, _ in wrong)] == [
        "'nowhere'",
        "'gone_group'",
    ]
    assert all(w.MONDAY_GROUP in what for what, _, _ in wrong)


def test_board_that_is_nearly_full_is_told_before_it_refuses() -> None:
    company = Company()
    assert company.carries(company.saves("invoice")).outcome == "delivered"
    _full(company.world.monday.boards[w.MONDAY_BOARD])
    ((what, why, _),), _ = examined(company)
    assert "holds 1 of 1 items" in what
    assert "refused" in why


def test_labels_need_not_be_there_when_monday_makes_them() -> None:
    company = Company()
    _without_label(company.world.monday.boards[w.MONDAY_BOARD])
    place = {**company.connection.destinations["ledger"], "create_labels": True}
    company.connection = replace(company.connection, destinations={"ledger": place})
    assert examined(company) == ([], ["ledger: Zoho Books"])


def test_subitems_columns_are_compared_on_their_own_board() -> None:
    """They have ids of their own (3.1)."""
    company = Company()
    place = {
        **company.connection.destinations["ledger"],
        "lines": "subitems",
        "line_id_column": "zb_line_id",
        "line_columns": {"zb_nothing": {"from": "quantity", "type": "numbers"}},
    }
    company.connection = replace(company.connection, destinations={"ledger": place})
    wrong, _ = examined(company)
    assert any("Subitems of Zoho Books has no column 'zb_nothing'" in what for what, _, _ in wrong)


def test_board_without_a_subitems_column_is_told_where_lines_are_subitems() -> None:
    """The first line item would be refused (3.1)."""
    company = Company()
    board = company.world.monday.boards[w.MONDAY_BOARD]
    board.columns = {name: each for name, each in board.columns.items() if each.type != "subtasks"}
    place = {
        **company.connection.destinations["ledger"],
        "lines": "subitems",
        "line_id_column": "zb_line_id",
        "line_columns": {},
    }
    company.connection = replace(company.connection, destinations={"ledger": place})
    assert [(what, command) for what, _, command in examined(company)[0]] == [
        ("ledger: board Zoho Books has no subitems column", CREATE)
    ]
