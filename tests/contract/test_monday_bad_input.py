"""What goes wrong with monday.com: each has a clear sentence and the next step; once mended the item is there, once.

Through the product's own courier against the strict stand-in; a person undoes on the board what was done there, and
sends again what was parked. More of what `mlc doctor` finds is in test_monday_doctor.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from ml_connector.delivery import Result
from ml_connector.errors import RetryLater
from ml_connector.events import Delivery
from ml_connector.parked import again
from sandbox.vendors import default_world as w
from sandbox.vendors.monday_state import MondayBoard
from tests.contract.test_monday_board import Ledger, lines
from tests.contract.test_monday_doctor import examined
from tests.contract.test_monday_way_back import made

Does = Callable[[Ledger], object]


class Kept(Ledger):
    """`undo` puts everything but the items back to what it was in the beginning."""

    def __init__(self) -> None:
        super().__init__()
        self._before = {key: self._kept(board) for key, board in self.world.monday.boards.items()}

    @staticmethod
    def _kept(board: MondayBoard) -> dict[str, Any]:
        return deepcopy({name: value for name, value in vars(board).items() if name != "items"})

    def undo(self) -> None:
        for key, before in self._before.items():
            vars(self.world.monday.boards[key]).update(deepcopy(before))
        self.use()

    def sends_again(self) -> list[Result]:
        """`mlc parked retry --all`."""
        texts, self.parked.kept = list(self.parked.kept.values()), {}
        return [self.carries(again(Delivery.from_json(text), None)) for text in texts]

    def live(self) -> list[dict[str, Any]]:
        return [each for each in self.items() if each["state"] == "active"]


@pytest.fixture
def ledger() -> Kept:
    return Kept()


def _person(do: str, **what: Any) -> Does:
    return lambda ledger: ledger.person(do, **what)


def _board(**what: Any) -> Does:
    return lambda ledger: ledger.control("PATCH", f"/monday/boards/{w.MONDAY_BOARD}", what)


NO_COLUMN = _person("delete_column", board=w.MONDAY_BOARD, column="zb_rate")
NO_ID_COLUMN = _person("delete_column", board=w.MONDAY_BOARD, column="zb_doc_id")
WRONG_TYPE: Does = lambda ledger: setattr(ledger.board.columns["zb_party"], "type", "numbers")  # noqa: E731
NO_LABEL = _person("delete_label", board=w.MONDAY_BOARD, column="zb_status", label="Overdue")
NO_BOARD = _person("delete_board", board=w.MONDAY_BOARD)
ARCHIVED_BOARD = _person("archive_board", board=w.MONDAY_BOARD)
FULL = _board(items_limit=0)
NO_RIGHT = _board(editors=[w.MONDAY_PERSON])
NO_GROUP: Does = lambda ledger: ledger.board.groups.pop("paid")  # noqa: E731
NO_LINE_COLUMN = _person("delete_column", board=w.MONDAY_SUBITEM_BOARD, column="zb_line_total")
NO_SUBITEMS: Does = lambda ledger: ledger.board.columns.pop(  # noqa: E731
    next(name for name, each in ledger.board.columns.items() if each.type == "subtasks")
)
_DOCTOR = "`mlc doctor`"

CREATES = {
    "board deleted": (NO_BOARD, {}, "This board does not exist or you have no access to it", _DOCTOR),
    "board archived": (ARCHIVED_BOARD, {}, "The board is archived", _DOCTOR),
    "board full": (FULL, {}, "its limit of items", "archive items there, or give the destination another board"),
    "no right on the board": (NO_RIGHT, {}, "unauthorized to perform action", "an editor of the board"),
    "column deleted": (NO_COLUMN, {}, "zb_rate", "take it out of the mapping"),
    "column of the Zoho id deleted": (NO_ID_COLUMN, {}, "zb_doc_id", "make it on the board"),
    "wrong column type": (WRONG_TYPE, {}, "zb_party", _DOCTOR),
    "label missing": (NO_LABEL, {"status": "overdue"}, "Overdue", "add the label, or map it under `labels`"),
    "group missing": (NO_GROUP, {"status": "paid"}, "Group not found", _DOCTOR),
    "subitem column deleted": (NO_LINE_COLUMN, {}, "its line items are not", 'lines = "none"'),
    "no subitems column": (NO_SUBITEMS, {}, "no subitems column", "`mlc monday board"),
}
UPDATES = {name: each for name, each in CREATES.items() if each[0] not in (ARCHIVED_BOARD, FULL, NO_SUBITEMS)}


def _mended(ledger: Kept, result: Result, says: str, todo: str) -> None:
    """It says what happened and what to do; the trail and the parked queue name the record; then it is there."""
    assert result.outcome == "parked"
    assert says in result.reason
    assert todo in result.reason
    assert "mlc parked retry" in result.reason
    entry = ledger.deliveries.audit.entries[-1]
    assert (entry.outcome, entry.connection, entry.destination) == ("parked", "acme-eu", "ledger")
    assert (entry.reason, bool(entry.number)) == (result.reason, True)
    ledger.undo()
    ledger.clock.advance(60)
    assert [each.outcome for each in ledger.sends_again()] == ["delivered"]


@pytest.mark.parametrize(("breaks", "fields", "says", "todo"), CREATES.values(), ids=CREATES)
def test_what_monday_refuses_of_a_new_record_is_parked_and_not_lost(
    ledger: Kept, breaks: Does, fields: dict[str, Any], says: str, todo: str
) -> None:
    """One item in the end, with its lines."""
    each = ledger.saves("invoice", {"status": "sent", "line_items": lines("Oven"), **fields})
    breaks(ledger)
    _mended(ledger, ledger.carries(each), says, todo)
    (item,) = ledger.items()
    assert ledger.subitems(item) == [("Oven", "1", "10")]


@pytest.mark.parametrize("gone", ["recreate", "leave", "tell"])
@pytest.mark.parametrize(("breaks", "fields", "says", "todo"), UPDATES.values(), ids=UPDATES)
def test_what_monday_refuses_of_a_change_is_parked_and_not_lost(
    ledger: Kept, breaks: Does, fields: dict[str, Any], says: str, todo: str, gone: str
) -> None:
    """It is the board's matter, not the item's: no second item, and nothing is left so (`gone`)."""
    ledger.use = lambda **more: Ledger.use(ledger, gone=gone, **more)  # type: ignore[method-assign]
    ledger.use()
    each = ledger.saves("invoice", {"status": "sent", "line_items": lines("Oven")})
    ledger.carries(each)
    ledger.clock.advance(60)
    changed = ledger.saves("invoice", {"line_items": lines("Oven", total=12), **fields}, each.event.record_id)
    breaks(ledger)
    _mended(ledger, ledger.carries(changed), says, todo)
    (item,) = ledger.items()
    assert ledger.subitems(item) == [("Oven", "1", "12")]
    wanted = {"overdue": "Overdue", "paid": "Paid"}.get(str(fields.get("status")), "Sent")
    assert item["text"]["zb_status"] == wanted


@pytest.mark.parametrize("breaks", [each[0] for each in CREATES.values() if each[0] is not FULL])
def test_doctor_finds_it_before_the_first_record_does(ledger: Kept, breaks: Does) -> None:
    """With what to type."""
    assert examined(ledger) == ([], ["ledger: Zoho Books"])
    breaks(ledger)
    wrong, _ = examined(ledger)
    assert wrong
    assert all(what and why and command for what, why, command in wrong)


def test_doctor_says_that_the_day_is_used_up(ledger: Kept) -> None:
    ledger.control("PATCH", f"/monday/accounts/{w.MONDAY_ACCOUNT}", {"calls_per_day": 0})
    assert examined(ledger) == (
        [("monday: the day's API calls are used up", "what is to be put on its boards waits", "")],
        [],
    )


def test_board_that_is_full_takes_changes_all_the_same(ledger: Kept) -> None:
    each = ledger.saves("invoice", {"line_items": []})
    ledger.carries(each)
    FULL(ledger)
    ledger.clock.advance(60)
    changed = ledger.saves("invoice", {"reference_number": "PO-1"}, each.event.record_id)
    assert ledger.carries(changed).outcome == "delivered"


def test_missing_label_is_made_where_the_file_says_so(ledger: Kept) -> None:
    """create_labels = true."""
    ledger.use(create_labels=True)
    NO_LABEL(ledger)
    assert ledger.carries(ledger.saves("invoice", {"status": "overdue"})).outcome == "delivered"
    assert [each["text"]["zb_status"] for each in ledger.items()] == ["Overdue"]


def test_group_that_is_deleted_takes_its_items_and_they_are_made_anew(ledger: Kept) -> None:
    """In the group that the file says; while that one is gone, it waits for a person."""
    each = ledger.saves("invoice", {"status": "sent", "line_items": []})
    ledger.carries(each)
    ledger.person("delete_group", board=w.MONDAY_BOARD, group=w.MONDAY_GROUP)
    ledger.clock.advance(60)
    changed = ledger.saves("invoice", {"reference_number": "PO-1"}, each.event.record_id)
    _mended(ledger, ledger.carries(changed), "Group not found", _DOCTOR)
    assert [one["group"] for one in ledger.live()] == [w.MONDAY_GROUP]


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [("view_only", True, "a viewer or not confirmed"), ("enabled", False, "inactive")],
)
def test_token_of_somebody_who_may_not_write_waits(ledger: Kept, field: str, value: bool, says: str) -> None:
    """Nothing is parked for credentials: the trail says whose token helps, and it goes out when it is there."""
    each = ledger.saves("invoice")
    user = f"/monday/users/{w.MONDAY_USER}"
    ledger.control("PATCH", user, {field: value})
    with pytest.raises(RetryLater, match=says):
        ledger.courier().carry(each)
    entry = ledger.deliveries.audit.entries[-1]
    assert entry.outcome == "retry"
    assert "store the token of a member" in entry.reason
    assert w.MONDAY_TOKEN not in entry.reason
    ledger.control("PATCH", user, {field: not value})
    ledger.clock.advance(600)
    assert ledger.carries(each).outcome == "delivered"
    assert len(ledger.items()) == 1


def test_used_up_day_waits_until_midnight(ledger: Kept) -> None:
    """As monday counts days: in UTC; all that comes meanwhile waits too."""
    each = ledger.saves("invoice")
    account = f"/monday/accounts/{w.MONDAY_ACCOUNT}"
    ledger.control("PATCH", account, {"calls_per_day": 0})
    with pytest.raises(RetryLater, match="the day's API calls are used up") as later:
        ledger.courier().carry(each)
    ledger.clock.advance(later.value.after or 0)
    assert (ledger.clock().hour, ledger.clock().minute) == (0, 1)
    ledger.control("PATCH", account, {"calls_per_day": 1000})
    assert ledger.carries(each).outcome == "delivered"
    assert len(ledger.items()) == 1


@pytest.mark.parametrize(
    ("fields", "shows"),
    [
        ({"total": 0, "balance": 0}, {"zb_total": "0", "zb_balance": "0"}),
        ({"total": -120.5, "balance": -120.5}, {"zb_total": "-120.5", "zb_balance": "-120.5"}),
        ({"customer_name": "😀 Bäckerei 𝔖traße 🇩🇪"}, {"zb_party": "😀 Bäckerei 𝔖traße 🇩🇪"}),
        ({"customer_name": "x" * 400}, {"zb_party": "x" * 400}),
        ({"customer_name": "😀" * 200}, {"zb_party": "😀" * 200}),
        ({"date": "", "due_date": ""}, {"zb_date": "", "zb_due": ""}),
        ({"line_items": [{"line_item_id": "1", "name": "", "item_total": 0}]}, {}),
        ({"reference_number": "\u0000\u202e\n"}, {}),
    ],
    ids=["zero", "negative", "4 bytes", "long", "long in 4 bytes", "no date", "nameless line", "control"],
)
def test_odd_content_is_an_item_all_the_same(ledger: Kept, fields: dict[str, Any], shows: dict[str, str]) -> None:
    """As it was written; a name as long as monday takes one."""
    assert ledger.carries(ledger.saves("invoice", fields)).outcome == "delivered"
    (item,) = ledger.items()
    assert 1 <= len(item["name"]) <= 255
    assert {name: item["text"][name] for name in shows} == shows


def test_webhook_of_a_board_that_was_deleted_makes_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """It tells of nothing that can be seen; restored, the item that was there is the record's."""
    office = made(monkeypatch)
    office.install()
    item, each = office.invoice()
    office.sets(item, "Paid")
    office.does("delete_board", item, board=w.MONDAY_BOARD)
    came = office.settle()
    assert came == ["ignored: it is not on the board"]
    office.does("restore_board", item, board=w.MONDAY_BOARD)
    office.company.carries(office.company.saves("invoice", {"status": "overdue"}, each.event.record_id))
    assert [one["id"] for one in office.items()] == [item]
