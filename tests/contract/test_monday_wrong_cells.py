"""No cell stays other than Zoho's newest state, whatever went wrong before: against the strict stand-in (monday 6)."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from ml_connector.errors import RetryLater
from ml_connector.events import Delivery
from ml_connector.parked import again
from sandbox.vendors import default_world as w
from sandbox.vendors.monday_state import MondayColumn
from tests.contract.test_monday_board import Ledger, lines, settings
from tests.contract.test_monday_load import Site, _changed


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


def saved(ledger: Ledger, each: Delivery, **fields: Any) -> Delivery:
    ledger.clock.advance(60)
    return ledger.saves("invoice", fields, each.event.record_id)


def begun(ledger: Ledger, **fields: Any) -> Delivery:
    each = ledger.saves("invoice", {"status": "sent", "line_items": [], **fields})
    ledger.carries(each)
    return each


def cells(ledger: Ledger) -> dict[str, str]:
    (item,) = [each for each in ledger.items() if each["state"] == "active"]
    text: dict[str, str] = item["text"]
    return text


def test_status_column_that_the_file_names_anew_is_filled_by_the_next_change(ledger: Ledger) -> None:
    """Zoho's status is as before, but nobody has written it there."""
    each = begun(ledger)
    old = ledger.board.columns["zb_status"]
    ledger.board.columns["state"] = MondayColumn("state", "State", "status", old.settings)
    columns = settings()["columns"]
    columns["state"] = columns.pop("zb_status")
    ledger.use(columns=columns)
    ledger.carries(saved(ledger, each, reference_number="PO-1"))
    assert cells(ledger)["state"] == "Sent"


def test_status_that_the_file_gives_another_label_is_written_by_the_next_change(ledger: Ledger) -> None:
    each = begun(ledger)
    columns = settings()["columns"]
    columns["zb_status"] = {**columns["zb_status"], "labels": {"sent": "Open"}}
    ledger.use(columns=columns)
    ledger.carries(saved(ledger, each, reference_number="PO-1"))
    assert cells(ledger)["zb_status"] == "Open"


def test_copy_that_takes_the_place_of_a_deleted_item_is_brought_up_to_date(ledger: Ledger) -> None:
    """A person copied the item, Zoho's id with it, and deleted the first one: status, group, lines are the copy's."""
    each = begun(ledger, line_items=lines("Oven"))
    (item,) = ledger.items()
    ledger.person(
        "create", board=w.MONDAY_BOARD, name="copy", group="bin",
        values={"zb_doc_id": item["text"]["zb_doc_id"], "zb_status": {"label": "Paid"}},
    )  # fmt: skip
    ledger.person("delete", item=item["id"])
    ledger.carries(saved(ledger, each, reference_number="PO-1"))
    assert cells(ledger)["zb_status"] == "Sent"
    (copy,) = [one for one in ledger.items() if one["state"] == "active"]
    assert ledger.subitems(copy) == [("Oven", "1", "10")]
    assert copy["group"] == w.MONDAY_GROUP


@pytest.mark.parametrize("parked", [True, False])
def test_change_of_which_monday_took_a_part_is_not_believed_not_to_have_happened(ledger: Ledger, parked: bool) -> None:
    """The values were written, the move was refused: back in Zoho, the status is written back."""
    each = begun(ledger)
    if parked:
        group = ledger.board.groups.pop("paid")
        assert ledger.carries(saved(ledger, each, status="paid")).outcome == "parked"
        ledger.board.groups["paid"] = group
    else:
        error = {"message": "Concurrency limit exceeded", "extensions": {"code": "maxConcurrencyExceeded"}}
        paid = saved(ledger, each, status="paid")
        call = ledger.registry.destination(ledger.connection, "ledger")._api  # type: ignore[attr-defined]
        real = call._http.call

        def half(*args: Any, **more: Any) -> Any:
            answer = real(*args, **more)
            content = {**answer.json(), "errors": [error]}
            return type(answer)(429, answer.headers, json.dumps(content).encode())

        call._http.call = half
        with pytest.raises(RetryLater):
            ledger.courier().carry(paid, 1, ledger.clock())
        call._http.call = real
    assert cells(ledger)["zb_status"] == "Paid"
    ledger.carries(saved(ledger, each, status="sent"))
    assert cells(ledger)["zb_status"] == "Sent"


def test_what_a_person_sends_again_writes_the_lines_too(ledger: Ledger) -> None:
    """Somebody has deleted one: Zoho's lines are as they were, and yet one is missing."""
    each = begun(ledger, line_items=lines("Oven", "Tray"))
    (item,) = ledger.items()
    ledger.person("delete", item=item["subitems"][0]["id"])
    changed = saved(ledger, each, reference_number="PO-1")
    ledger.carries(again(changed, None))
    (item,) = ledger.items()
    assert sorted(name for name, _, _ in ledger.subitems(item)) == ["Oven", "Tray"]


def test_line_that_was_deleted_at_once_is_made_again_and_not_taken_from_monday_s_memory(ledger: Ledger) -> None:
    """The same version makes the same line under the same key, whose answer monday keeps for half an hour (6)."""
    each = begun(ledger, line_items=lines("Oven"))
    (item,) = ledger.items()
    ledger.person("delete", item=item["subitems"][0]["id"])
    once_more = replace(again(each, None), again="asked-1")
    for _ in range(40):
        try:
            assert ledger.courier().carry(once_more, 1, ledger.clock()).outcome == "delivered"
            break
        except RetryLater as later:
            ledger.clock.advance(max(60, later.after or 0))
    (item,) = ledger.items()
    assert [name for name, _, _ in ledger.subitems(item)] == ["Oven"]


@pytest.mark.parametrize("order", [("overdue", "paid"), ("paid", "overdue")])
def test_status_that_came_and_went_while_it_could_not_be_written(ledger: Ledger, order: tuple[str, str]) -> None:
    """A → B → A with B's call unanswered, done or not."""
    each = begun(ledger)
    for status in order:
        ledger.fault("timeout_after", vendor="monday", contains="UpdateRecord")
        with pytest.raises(RetryLater):
            ledger.courier().carry(saved(ledger, each, status=status), 1, ledger.clock())
        ledger.clock.advance(120)
    ledger.carries(saved(ledger, each, status="sent"))
    assert cells(ledger)["zb_status"] == "Sent"


@pytest.mark.parametrize("way", ["import", "requests"])
def test_status_of_a_loaded_item_is_a_persons_until_zohos_changes(way: str) -> None:
    """A load writes the status as any delivery does, and the row knows it."""
    site = Site(count=3, way=way)
    site.load()
    row = site.lists.rows[1] | {"reference_number": "PO-1", "last_modified_time": "2026-11-02T09:00:00+0100"}
    (item,) = [each for each in site.items() if str(row["invoice_number"]) in each["name"]]
    site.company.control(
        "POST", f"/monday/people/{w.MONDAY_PERSON}",
        {"do": "set", "item": item["id"], "column": "zb_status", "value": {"label": "Approved"}},
    )  # fmt: skip
    site.company.carries(_changed(site, row))
    row |= {"status": "void", "last_modified_time": "2026-11-02T10:00:00+0100"}
    before = [each["text"]["zb_status"] for each in site.items() if each["id"] == item["id"]]
    site.company.carries(_changed(site, row))
    after = [each["text"]["zb_status"] for each in site.items() if each["id"] == item["id"]]
    assert (before, after) == (["Approved"], ["Void"])
