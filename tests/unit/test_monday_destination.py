"""What goes onto the board (contracts: monday 3, 4, 6, 12)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_connector.destinations.monday import Monday, connect, encode, item_name
from ml_connector.errors import Gone, RetryLater, Undeliverable
from ml_connector.ports import Memory, NothingThere, Receipt
from ml_connector.vendors import monday
from tests.fakes import Clock, Says, Wire, connection, delivery, monday_settings, record_of, toolbox

LONG_AGO = "2026-11-22T07:34:00.000000Z"
"""26 minutes before the test's clock."""


def board(*answers: Says | Exception, clock: Clock | None = None, **settings: Any) -> tuple[Monday, Wire]:
    wire = Wire(*answers or (Says(),))
    return connect("ledger", monday_settings(**settings), connection(), toolbox(wire, clock)), wire


def values(memory: Memory | None = None, **changes: Any) -> dict[str, Any]:
    each = delivery(**changes)
    request = board()[0].plan(each.event, record_of(each), memory or Memory())
    cols = request.body["variables"]["cols"]
    assert isinstance(cols, str), "declared JSON, sent as a string that contains JSON"
    found: dict[str, Any] = json.loads(cols)
    return found


def test_default_columns() -> None:
    """The column plan of section 12, each value in its type's own form (4)."""
    assert values(exchange_rate="1.1", currency_code="USD", status="partially_paid") == {
        "zb_doc_id": "zb:20081234567:invoice:460000000098765",
        "zb_number": "INV-000412",
        "zb_party": "Harbour Lane Bakery",
        "zb_status": {"label": "Partially paid"},
        "zb_date": {"date": "2026-11-20"},
        "zb_due": {"date": "2026-12-05"},
        "zb_total": "1284.50",
        "zb_balance": "1284.50",
        "zb_currency": {"labels": ["USD"]},
        "zb_rate": "1.1",
        "zb_total_base": "1412.950",
        "zb_link": {
            "url": "https://books.zoho.eu/app/20081234567#/invoices/460000000098765",
            "text": "Invoice INV-000412",
        },
        "zb_lines": {"text": "1 × Display case: 1,284.50 USD"},
        "zb_synced": {"date": "2026-11-22", "time": "07:50:00"},
    }  # fmt: skip


@pytest.mark.parametrize("word", ["void", "voided"])
def test_label_is_found_by_either_of_zohos_words(word: str) -> None:
    """Zoho says "void" and "voided" for the same: a file that maps one of them means both."""
    columns = {"s": {"from": "status", "type": "status", "labels": {word: "Storno", "*": "Offen"}}}
    each = delivery(status="Voided")
    request = board(columns=columns)[0].plan(each.event, record_of(each), Memory())
    assert json.loads(request.body["variables"]["cols"])["s"] == {"label": "Storno"}


def test_deletion_sets_the_status_alone() -> None:
    """The item keeps its name and its values: all that is known of a deleted record is that it is (3.1)."""
    each = delivery(action="deleted")
    there = Memory(external_id="77", target="1234567890", number="INV-000412")
    request = board()[0].plan(each.event, record_of(each), there)
    variables = request.body["variables"]
    assert json.loads(variables["cols"]) == {"zb_status": {"label": "Deleted"}}
    assert variables["item"] == "77"
    assert "name" not in variables
    assert "change_simple_column_value" not in request.body["query"]


def test_deletion_takes_the_boards_own_word() -> None:
    """Labels are mapped like any status; a board without a status column has nothing to set."""
    status = {"from": "status", "type": "status", "labels": {"deleted": "Storniert"}}
    each = delivery(action="deleted")
    place, _ = board(columns={"s": status, "t": {"from": "amount", "type": "numbers"}})
    request = place.plan(each.event, record_of(each), Memory(external_id="77"))
    assert json.loads(request.body["variables"]["cols"]) == {"s": {"label": "Storniert"}}
    bare, _ = board(columns={"t": {"from": "amount", "type": "numbers"}})
    with pytest.raises(NothingThere):
        bare.plan(each.event, record_of(each), Memory(external_id="77"))


def test_nothing_is_null_never_empty() -> None:
    """An empty text would store 0 in a numbers column (0, fact 5)."""
    empty = values(balance="", due_date="", status="", line_items=[], currency_code="", exchange_rate="")
    assert [empty[f"zb_{name}"] for name in ("balance", "due", "status", "lines", "currency", "rate")] == [None] * 6


def test_create_and_update_are_told_apart_by_memory() -> None:
    """A create carries the external id and the group; an update names its item and takes the name along."""
    each = delivery()
    destination, _ = board(group="zoho_books")
    create = destination.plan(each.event, record_of(each), Memory())
    update = destination.plan(each.event, record_of(each), Memory(external_id="77"))
    assert (create.operation, create.body["query"]) == ("create", monday.CREATE)
    assert create.body["variables"] | {"cols": ""} == {
        "board": "1234567890", "group": "zoho_books", "name": "Invoice INV-000412 · Harbour Lane Bakery",
        "cols": "", "labels": False,
    }  # fmt: skip
    assert (update.operation, update.body["query"], update.idempotency_key) == ("update", monday.UPDATE, "")
    assert (update.body["variables"]["item"], "group" in update.body["variables"]) == ("77", False)


@pytest.mark.parametrize(
    ("kind", "value", "written"),
    [
        ("text", "abc", "abc"),
        ("text", 12, "12"),
        ("text", "x" * 3000, "x" * 2000),
        ("long_text", "a\nb", {"text": "a\nb"}),
        ("numbers", "1E+3", "1000"),
        ("numbers", "-0.10", "-0.10"),
        ("numbers", 0, "0"),
        ("status", "void", {"label": "Void"}),
        ("dropdown", "EUR", {"labels": ["EUR"]}),
        ("date", "2026-12-05", {"date": "2026-12-05"}),
        ("date", "2026-12-05T09:00:00Z", {"date": "2026-12-05", "time": "09:00:00"}),
        ("link", "https://x", {"url": "https://x", "text": "Invoice 1"}),
        ("email", "a@b.c", {"email": "a@b.c", "text": "a@b.c"}),
        ("checkbox", True, {"checked": "true"}),
        ("checkbox", "no", None),
        *((kind, None, None) for kind in ("text", "long_text", "numbers", "status", "dropdown", "date", "link")),
        *((kind, "", None) for kind in ("numbers", "status", "link", "email")),
    ],
)  # fmt: skip
def test_encodings(kind: str, value: Any, written: Any) -> None:
    """The table of section 4."""
    assert encode(kind, value, {}, "Invoice 1") == written


def test_labels_are_mapped() -> None:
    """The board's words for Zoho's; `*` for all others; else Zoho's word, as people write it."""
    labels = {"sent": "Out", "*": "Other"}
    assert [encode("status", each, labels, "")["label"] for each in ("sent", "void")] == ["Out", "Other"]
    assert encode("dropdown", "sent", labels, "") == {"labels": ["Out"]}
    assert encode("status", "pending_approval", {"sent": "Out"}, "")["label"] == "Pending approval"
    assert len(encode("status", "x" * 99, {}, "")["label"]) == 30


@pytest.mark.parametrize(
    "column",
    [
        {"from": "party", "type": "numbers"},
        {"from": "sum(party)", "type": "numbers"},
        {"from": "join(',', reference_numbers)", "type": "text"},
    ],
)
def test_mapping_that_does_not_fit_the_record_is_told(column: dict[str, str]) -> None:
    """A wrong mapping parks the delivery with the column's name; it does not go round for ever."""
    destination, _ = board(columns={"zb_x": column})
    each = delivery()
    with pytest.raises(Undeliverable, match="column zb_x"):
        destination.plan(each.event, record_of(each), Memory())


@given(number=st.text(max_size=300), party=st.text(max_size=400))
def test_name_is_never_empty_and_never_too_long(number: str, party: str) -> None:
    """1 to 255 characters (3.3), and half a surrogate pair stops nothing."""
    name = item_name(record_of(delivery(invoice_number=number, customer_name=party)))
    assert 1 <= len(name) <= 255
    name.encode()


def test_long_list_of_lines_fits_its_column() -> None:
    """2,000 characters at most (3.3)."""
    lines = [{"name": f"Position {n}", "quantity": 2, "item_total": "10.00"} for n in range(500)]
    text = values(line_items=lines)["zb_lines"]["text"]
    assert len(text) == 2000
    assert text.endswith("…")


# --- updates that fail -------------------------------------------------------------------------------------------

REFUSED = Says(200, {"errors": [{"message": "?", "extensions": {"code": "InvalidColumnIdException"}}]})


def _update(*answers: Says) -> Receipt:
    destination, _ = board(*answers)
    each = delivery()
    return destination.send(destination.plan(each.event, record_of(each), Memory(external_id="77")))


SEEN = {"boards": [{"id": "1234567890", "state": "active"}]}


def items(*states: str | None) -> Says:
    return Says(200, {"data": {"items": [{"id": "77", "state": state} for state in states], **SEEN}})


@pytest.mark.parametrize("answer", [items("archived"), items("deleted"), items()], ids=str)
def test_update_of_a_removed_item_is_gone(answer: Says) -> None:
    """Any refusal of an update asks for the item's state (6, procedure 1)."""
    with pytest.raises(Gone):
        _update(REFUSED, answer)


def test_update_of_a_live_item_is_refused_as_it_is() -> None:
    """The item is there: the refusal is the reason."""
    with pytest.raises(Undeliverable, match="InvalidColumnId"):
        _update(REFUSED, items("active"))


@pytest.mark.parametrize("data", [None, {"items": None, **SEEN}, {"items": []}, {"items": [], "boards": None}], ids=str)
def test_no_list_is_no_proof_of_absence(data: Any) -> None:
    """A half answer must not make a second item."""
    with pytest.raises(RetryLater):
        _update(REFUSED, Says(200, {"data": data}))


@pytest.mark.parametrize("boards", [[], [{"id": "1234567890", "state": "deleted"}]], ids=str)
def test_item_of_a_board_that_is_not_seen_counts_as_there(boards: list[Any]) -> None:
    """With the board all its items are out of sight: the refusal is the reason, and no item is made anew."""
    with pytest.raises(Undeliverable, match="InvalidColumnId"):
        _update(REFUSED, Says(200, {"data": {"items": [], "boards": boards}}))


# --- settling ----------------------------------------------------------------------------------------------------


def _settle(*answers: Says, first_attempt_at: str = LONG_AGO) -> tuple[Receipt | None, Wire]:
    destination, wire = board(*answers)
    each = delivery()
    request = destination.plan(each.event, record_of(each), Memory())
    return destination.settle(request, Memory("unknown", request=request, first_attempt_at=first_attempt_at)), wire


def found(*hits: tuple[str, str]) -> Says:
    listed = [
        {"id": item, "url": "u", "state": "active", "column_values": [{"id": "zb_doc_id", "text": text}]}
        for item, text in hits
    ]
    return Says(200, {"data": {"items_page_by_column_values": {"items": listed}}})


OURS = "zb:20081234567:invoice:460000000098765"


@pytest.mark.parametrize(("first_attempt_at", "query"), [
    ("2026-11-22T07:35:01.000000Z", monday.CREATE),
    ("2026-11-22T07:35:00.000000Z", monday.FIND),
])  # fmt: skip
def test_25_minutes_divide_repeating_from_looking(first_attempt_at: str, query: str) -> None:
    """monday keeps answers for 30 minutes; five are left for the clock and the way (6)."""
    answer = Says(200, {"data": {"item": {"id": "5"}, "items_page_by_column_values": {"items": []}}})
    _, wire = _settle(answer, first_attempt_at=first_attempt_at)
    assert wire.sent()["query"] == query


def test_item_is_found_by_its_external_id() -> None:
    """The search takes whole values of the column that was written with the item."""
    receipt, wire = _settle(found(("5", OURS)))
    assert receipt is not None
    assert receipt.external_id == "5"
    assert wire.sent()["variables"] == {"board": "1234567890", "col": "zb_doc_id", "val": OURS}


def test_of_several_the_first_made_counts() -> None:
    """Numerically the lowest id; the others are not touched."""
    receipt, _ = _settle(found(("100", OURS), ("99", OURS)))
    assert receipt is not None
    assert receipt.external_id == "99"


def test_search_ignores_case_and_we_do_not() -> None:
    """A hit that differs in case is another record."""
    assert _settle(found(("5", OURS.upper())))[0] is None
    assert _settle(found())[0] is None


@pytest.mark.parametrize(
    "data", [None, {}, {"items_page_by_column_values": None}, {"items_page_by_column_values": {"items": None}}], ids=str
)
def test_no_page_is_no_proof_of_absence(data: Any) -> None:
    """An empty answer must not make a second item."""
    with pytest.raises(RetryLater):
        _settle(Says(200, {"data": data}))
