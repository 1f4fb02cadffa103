"""Zoho's record, read once (contracts: zoho-books 2.4, 6.1, 6.5)."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_connector.destinations.teams.card import escape
from ml_connector.modules import MODULES
from ml_connector.records import BadRecord, Record, as_mapping, read, timestamp
from ml_connector.sources.zoho_books import loads
from tests.unit.ingest.world import fixture

MINIMAL = {"invoice_id": "7310000000204811"}
WRAPPERS = {
    "invoice": "invoice",
    "bill": "bill",
    "purchase_order": "purchaseorder",
    "customer_payment": "payment",
    "vendor_payment": "vendorpayment",
}


def record(module: str, name: str = "") -> Record:
    payload: dict[str, Any] = loads(fixture(name or f"{module}_created").decode())
    return read(module, payload[WRAPPERS[module]])


def invoice(**changes: object) -> Record:
    return read("invoice", {**MINIMAL, **changes})


# --- what is read ------------------------------------------------------------------------------------------------


def test_an_invoice() -> None:
    """Each field that the product speaks of is found."""
    seen = record("invoice")
    assert (seen.id, seen.number, seen.party) == ("7310000000204811", "FP-2026-0093", "Fjord & Pine Interiørs")
    assert (seen.date, seen.due) == (date(2026, 10, 5), date(2026, 11, 4))
    assert (seen.amount, seen.balance, seen.currency) == (Decimal("18240.75"), Decimal("18240.75"), "EUR")
    assert (seen.status, seen.reference) == ("sent", "PO 5531 / spring")
    assert seen.version.at == "2026-10-05T07:12:44Z"
    assert [(line.name, line.quantity, line.total) for line in seen.lines] == [
        ("Oak shelving, 3 m", Decimal(12), Decimal(14286)),
        ("Assembly on site", Decimal("8.5"), Decimal("1042.36")),
    ]
    assert seen.custom == {"cf_cost_centre": "HAM-2"}
    assert seen.title == "Invoice FP-2026-0093"


def test_a_bill_with_wobbling_types() -> None:
    """Ids as numbers, amounts as text, "" for a date and for lists are all ordinary."""
    seen = record("bill")
    assert seen.id == "7310000000209934"
    assert (seen.amount, seen.due) == (Decimal("2310.40"), None)
    assert seen.base_amount == Decimal("2310.40") * Decimal("1.1523")
    assert (seen.custom, seen.applied) == ({}, ())
    assert seen.version.at == "2026-10-08T00:40:09Z", "the offset carries it over midnight"


def test_a_purchase_order() -> None:
    """It has neither due date nor balance; the delivery date stands in when the expected one is empty."""
    seen = record("purchase_order")
    assert (seen.due, seen.balance) == (date(2026, 10, 30), None)
    assert seen.title == "Purchase order BO-118"


def test_a_customer_payment() -> None:
    """Its version is updated_time, and it says what it settles."""
    seen = record("customer_payment")
    assert seen.version.at == "2026-10-21T14:03:01Z"
    assert (seen.status, seen.mode) == ("paid", "bankremittance")
    assert [(each.number, each.amount) for each in seen.applied] == [("FP-2026-0093", Decimal(10000))]
    assert seen.title == "Payment received 57"


def test_a_vendor_payment() -> None:
    """It settles bills, and its status is under another name."""
    seen = record("vendor_payment")
    assert seen.status == "success"
    assert [(each.number, each.amount) for each in seen.applied] == [("KF/7781", Decimal("2310.40"))]


@pytest.mark.parametrize("module", MODULES)
def test_the_id_is_enough(module: str) -> None:
    """A record that holds only its id has a title, a version and a fingerprint, and no amount."""
    seen = read(module, {MODULES[module].id_field: 7310000000204811})
    assert seen.title.endswith("7310000000204811")
    assert (seen.amount, seen.date, seen.version.at) == (None, None, "")
    assert len(seen.fingerprint) == 16
    json.dumps(as_mapping(seen))


def test_an_office_is_told_but_not_shown() -> None:
    """Routes and columns can look at it; that it changed is no news to people who never saw it."""
    seen = invoice(location_name=" Lyon ", branch_name="Paris")
    assert (seen.office, as_mapping(seen)["office"], invoice().office) == ("Lyon", "Lyon", "")
    assert seen.fingerprint == invoice().fingerprint


def test_nineteen_digits_survive() -> None:
    """Ids never pass through a float."""
    assert read("invoice", loads('{"invoice_id": 7310000000204811999}')).id == "7310000000204811999"


def test_amounts_keep_their_exact_text() -> None:
    """0.1 is a tenth, however long the fraction."""
    payload = loads('{"invoice_id": 1, "total": 0.1000000000000000000000000001}')
    assert read("invoice", payload).amount == Decimal("0.1000000000000000000000000001")


@pytest.mark.parametrize("empty", ["", None, [], {}, "  "])
def test_empty_has_many_forms(empty: object) -> None:
    """ "" and null and an empty list mean that nothing is there."""
    seen = invoice(total=empty, date=empty, line_items=empty, custom_fields=empty, customer_name=empty)
    assert (seen.amount, seen.date, seen.lines, seen.custom, seen.party) == (None, None, (), {}, "")


# --- what is refused ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("identity", [None, "", " ", True, [], {}, "a/b", "a#b", "../x", "1" * 65, "é", "١٢", "1.5"])
def test_an_id_is_letters_and_digits(identity: object) -> None:
    """It becomes part of keys and addresses: anything else is no id."""
    with pytest.raises(BadRecord, match="invoice_id"):
        read("invoice", {"invoice_id": identity})


@pytest.mark.parametrize("amount", ["abc", "1,284.50", "12 EUR", "NaN", "Infinity", "-inf", "1e999999999999", "9e31"])
def test_an_amount_is_a_finite_number(amount: str) -> None:
    """Text is fine if it is a number; a word is refused by the name of its field."""
    with pytest.raises(BadRecord, match="total is not an amount"):
        invoice(total=amount)


@pytest.mark.parametrize("day", ["yesterday", "2026-13-01", "2026-02-30", "05/10/2026"])
def test_a_date_is_a_date(day: str) -> None:
    """A date may be missing; an unreadable one is not guessed at."""
    with pytest.raises(BadRecord, match="date is not a date"):
        invoice(date=day)


@pytest.mark.parametrize("moment", ["noon", "2026-10-05T09:12:44", "2026-10-05", "0001-01-01T00:00:00+2300"])
def test_a_version_has_a_readable_time_with_an_offset(moment: str) -> None:
    """Without an offset a time orders nothing; a time before all time is refused rather than crashing."""
    with pytest.raises(BadRecord, match="a time"):
        invoice(last_modified_time=moment)


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals().map(str) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FIELDS = (
    "invoice_id", "payment_id", "total", "amount", "bcy_total", "balance", "date", "due_date", "exchange_rate",
    "last_modified_time", "updated_time", "created_time", "line_items", "invoices", "custom_fields", "customer_name",
)  # fmt: skip
rows = st.lists(
    st.dictionaries(st.sampled_from(("name", "quantity", "item_total", "value", "api_name", "amount_applied")), plain),
    max_size=2,
)


@given(st.sampled_from(sorted(MODULES)), st.dictionaries(st.sampled_from(FIELDS), plain | rows))
def test_any_payload_is_a_record_or_a_bad_record(module: str, payload: dict[str, Any]) -> None:
    """Nothing else is ever raised, and a record that was read can be shown and versioned."""
    payload = {MODULES[module].id_field: "1", **payload}
    try:
        seen = read(module, payload)
    except BadRecord:
        return
    assert seen.title
    assert len(seen.fingerprint) == 16
    json.dumps(as_mapping(seen))


# --- versions ----------------------------------------------------------------------------------------------------


@given(
    st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1)),  # noqa: DTZ001
    st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1)),  # noqa: DTZ001
    st.integers(-14, 14),
    st.integers(-14, 14),
)
def test_stamps_order_as_times_do(one: datetime, two: datetime, here: int, there: int) -> None:
    """Whatever the organization's time zone, the texts compare as the moments do."""
    a = one.replace(microsecond=0, tzinfo=timezone(timedelta(hours=here)))
    b = two.replace(microsecond=0, tzinfo=timezone(timedelta(hours=there)))
    left, right = timestamp(a.isoformat()), timestamp(b.isoformat())
    assert (left < right) == (a < b)
    assert datetime.fromisoformat(left) == a.astimezone(UTC)


money = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=4)
writings = st.sampled_from(
    [str, lambda amount: f"{amount}00", lambda amount: f"{amount:e}", lambda amount: f" {amount}"]
)


@given(money, writings, writings)
def test_the_same_state_has_the_same_fingerprint(amount: Decimal, one: Any, other: Any) -> None:
    """A webhook and a read of the same record agree, however each writes its numbers and its nothings."""
    a = invoice(total=one(amount), reference_number="", customer_id="1", line_items=[{"quantity": one(amount)}])
    b = invoice(total=other(amount), notes="n", line_items=[{"quantity": other(amount), "discount": 0}])
    assert a.fingerprint == b.fingerprint


@pytest.mark.parametrize(("one", "other"), [(1284.5, "1284.50"), (12, "12.0"), (0, "-0.0"), ("", None), (100, "1E+2")])
def test_numbers_and_texts_are_the_same(one: object, other: object) -> None:
    """Typing is Zoho's mood of the day, not a change of the record."""
    assert invoice(total=one, balance=one).fingerprint == invoice(total=other, balance=other).fingerprint


@pytest.mark.parametrize(
    "change",
    [
        {"total": 2},
        {"balance": 1},
        {"exchange_rate": "1.2"},
        {"status": "paid"},
        {"invoice_number": "X"},
        {"customer_name": "X"},
        {"due_date": "2026-11-05"},
        {"line_items": [{"name": "Oak", "quantity": 1}]},
        {"custom_fields": [{"api_name": "cf_a", "value": "x"}]},
    ],
)
def test_what_people_see_is_in_the_fingerprint(change: dict[str, Any]) -> None:
    """A change that people would see is another version even within the same second."""
    before = {"total": 1}
    assert invoice(**{**before, **change}).fingerprint != invoice(**before).fingerprint


def test_the_fixtures_update_is_newer() -> None:
    """The later state of the same invoice orders after the earlier one."""
    before, after = record("invoice"), record("invoice", "invoice_updated")
    assert before.version.older_than(after.version)
    assert before.fingerprint != after.fingerprint


# --- showing -----------------------------------------------------------------------------------------------------

ACTIVE = set("*_`[]()#~>|\\")


@given(st.text(alphabet=st.sampled_from([*"*_`[]()#~>|\\ab1.-+! \n\t"]), max_size=60) | st.text(max_size=250))
def test_escaping_leaves_no_active_markdown(text: str) -> None:
    """Names come from strangers: in a card they are text, never a link, a heading, a list or emphasis (teams 5.3)."""
    shown = escape(text)
    position = 0
    while position < len(shown):
        if shown[position] == "\\":
            position += 2
            continue
        assert shown[position] not in ACTIVE
        position += 1
    assert "\n" not in shown
    assert not shown.startswith(("- ", "+ ")), "a list"
    assert position == len(shown), "the last backslash escapes nothing"
