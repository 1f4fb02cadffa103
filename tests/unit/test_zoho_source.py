"""Webhooks from Zoho Books: verified over the raw bytes, then read (contracts: zoho-books 1 and 2)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_connector.connections import Endpoint
from ml_connector.errors import InboundRejected
from ml_connector.events import Event
from ml_connector.records import Record
from ml_connector.sources.zoho_books import MAX_DEPTH, loads, translate, verify
from tests.unit.ingest.world import FORM, JSON, as_json, call, connection, fixture, secret_of, sign

CREATED = ("invoice", "bill", "purchase_order", "customer_payment", "vendor_payment")


def translated(body: bytes, event: str = "invoice.created", content_type: str = JSON) -> tuple[Event, Record]:
    module, _, action = event.partition(".")
    endpoint = Endpoint(f"zoho.{event}", "fjord", "zoho", module, action)
    inbound = call(event, body, content_type=content_type)
    return translate(inbound, endpoint, connection(), received_at="now", correlation_id="call-1")


def refusal(body: bytes, event: str = "invoice.created", content_type: str = JSON) -> tuple[int, str]:
    with pytest.raises(InboundRejected) as caught:
        translated(body, event, content_type)
    return caught.value.status, caught.value.reason


def never() -> Sequence[str]:
    raise AssertionError("looked for newer secrets")


# --- verifying ---------------------------------------------------------------------------------------------------


def test_a_right_signature_needs_no_second_look() -> None:
    """The usual call costs one look-up of the secrets."""
    verify(call(), [secret_of("invoice.created")], never)


@pytest.mark.parametrize("signature", ["", "t=1,v=" + "a" * 64, "nonsense"])
def test_what_cannot_be_a_signature_is_refused_without_a_look(signature: str) -> None:
    """Noise costs no call to Secrets Manager."""
    with pytest.raises(InboundRejected) as caught:
        verify(call(signature=signature), ["x"], never)
    assert caught.value.status == 401


def test_a_missing_header_is_refused() -> None:
    """A webhook without a secret in Zoho sends no signature: it is refused, not trusted (section 0, 3)."""
    with pytest.raises(InboundRejected, match="signature_missing"):
        verify(call(headers={"content-type": JSON}), ["x"], never)


def test_a_rotated_secret_costs_one_more_look_and_no_event() -> None:
    """A secret that is newer than the cached one is found."""
    verify(call(signature=sign("New", call().body)), ["Old"], lambda: ["Old", "New"])


def test_a_wrong_signature_stays_wrong() -> None:
    """The second look decides."""
    newer: list[str]
    for newer in (["Old"], ["Old", "New"], []):
        with pytest.raises(InboundRejected, match="signature_wrong"):
            verify(call(signature="a" * 64), ["Old"], newer.copy)


# --- translating -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", CREATED)
def test_the_modules_in_their_default_shape(module: str) -> None:
    """One webhook is one event of the endpoint's module and action, with the record as sent."""
    event, record = translated(fixture(f"{module}_created"), f"{module}.created")
    assert event.name == f"{module}.created"
    assert event.record_id == record.id
    assert event.version == record.version
    assert event.version.at.startswith("2026-10-")
    assert (event.origin, event.connection) == ("webhook", "fjord")
    assert event.payload == record.raw


@pytest.mark.parametrize(
    ("key", "module", "id_field"),
    [
        ("purchase_order", "purchase_order", "purchaseorder_id"),
        ("customer_payment", "customer_payment", "payment_id"),
        ("customerpayment", "customer_payment", "payment_id"),
        ("vendor_payment", "vendor_payment", "payment_id"),
    ],
)
def test_the_other_keys(key: str, module: str, id_field: str) -> None:
    """The wrapping key of some modules is not printed anywhere: each that the contract names is taken (2.3)."""
    event, _ = translated(as_json({key: {id_field: "77"}}), f"{module}.created")
    assert event.record_id == "77"


@pytest.mark.parametrize("module", CREATED)
def test_the_record_at_the_root(module: str) -> None:
    """A raw body may hold the record's fields without a wrapper (2.3)."""
    wrapped = json.loads(fixture(f"{module}_created"))
    (inner,) = wrapped.values()
    event, _ = translated(as_json({"organization_id": "60018273645", **inner}), f"{module}.created")
    reference, _ = translated(as_json(wrapped), f"{module}.created")
    assert event.version == reference.version


def test_the_old_form_with_the_record_as_json() -> None:
    """Old webhooks carry the whole record in the form field JSONString (2.1)."""
    text = fixture("invoice_created").decode()
    event, record = translated(f"JSONString={quote(text)}".encode(), content_type=FORM)
    assert record.party == "Fjord & Pine Interiørs"
    assert event.version == translated(text.encode())[0].version


def test_a_form_of_chosen_fields() -> None:
    """A form's fields are the record; everything is text."""
    body = urlencode({"invoice_id": "77", "customer_name": "Fjord & Pine", "total": "1284.5"}).encode()
    event, record = translated(body, content_type=FORM + "; charset=UTF-8")
    assert (event.record_id, record.party, str(record.amount)) == ("77", "Fjord & Pine", "1284.5")


@pytest.mark.parametrize("organization", ["60018273645", 60018273645, "", None])
def test_our_own_organization_passes(organization: object) -> None:
    """Present, as number or text, or absent."""
    translated(as_json({"organization_id": organization, "invoice": {"invoice_id": "1"}}))


@pytest.mark.parametrize("organization", ["60018273646", 1, True, ["60018273645"], {"id": "60018273645"}])
def test_another_organization_is_refused(organization: object) -> None:
    """A webhook of another organization that uses our address and secret is a mistake, not an event (1.6)."""
    body = as_json({"organization_id": organization, "invoice": {"invoice_id": "1"}})
    assert refusal(body) == (422, "organization_mismatch")


def test_the_modification_time_decides_the_version() -> None:
    """Payments have updated_time instead; a body without either is versioned by its content alone."""
    event, _ = translated(as_json({"invoice": {"invoice_id": "1", "total": 5}}))
    again, _ = translated(as_json({"invoice": {"total": "5.0", "invoice_id": 1}}))
    assert event.version.at == ""
    assert event.version == again.version


# --- what is refused ---------------------------------------------------------------------------------------------

WHOLE = b'{"invoice": {"invoice_id": "1", "total": 5}}'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        WHOLE[:-1],
        WHOLE + b"}",
        WHOLE + WHOLE,
        b"\xff\xfe" + WHOLE,
        WHOLE.decode().encode("utf-16"),
        b'{"invoice": {"invoice_id": "\xff"}}',
        b'{"invoice": {"invoice_id": "1"}, "invoice": {"invoice_id": "2"}}',
        b'{"invoice": {"invoice_id": "1", "total": 5, "total": 6}}',
        b'{"invoice": {"invoice_id": "1", "total": NaN}}',
        b'{"invoice": {"invoice_id": "1", "total": -Infinity}}',
        b'{"invoice": {"invoice_id": "1", "customer_name": "\\ud83d"}}',
        b'{"invoice": {"invoice_id": "1", "\\uDE00": 1}}',
        b'{"invoice": {"invoice_id": ' + b"9" * 5000 + b"}}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
        b'{"invoice": ' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1),
        b"[]",
        b"null",
        b'"text"',
        b"17",
        b"{'invoice': 1}",
    ],
)
def test_unreadable_bodies(body: bytes) -> None:
    """Empty, truncated, doubled, not UTF-8, ambiguous, half a character, endless or bottomless: one answer."""
    assert refusal(body) == (400, "body_unreadable")


def test_a_byte_order_mark_is_only_a_mark() -> None:
    """Some editors put one before a raw body."""
    assert translated(b"\xef\xbb\xbf" + WHOLE)[0].record_id == "1"


def test_a_whole_pair_of_surrogates_is_a_character() -> None:
    """Escaped emoji in names are ordinary; so is a text about backslashes."""
    body = b'{"invoice": {"invoice_id": "1", "customer_name": "\\ud83d\\ude00 \\\\ud83d"}}'
    assert translated(body)[1].party == "😀 \\ud83d"


def test_depth_that_zoho_uses_passes() -> None:
    """The limit is far above any record."""
    deep: Any = "x"
    for _ in range(MAX_DEPTH - 4):
        deep = [deep]
    assert translated(as_json({"invoice": {"invoice_id": "1", "extra": deep}}))[0].record_id == "1"


@pytest.mark.parametrize("content_type", ["", "application/xml", "multipart/form-data; boundary=x", "image/png", ";"])
def test_other_content_types(content_type: str) -> None:
    """Zoho sends JSON or a form (2.1)."""
    assert refusal(WHOLE, content_type=content_type) == (415, "content_type")


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=UTF-8", "text/plain"])
def test_the_content_types_of_json(content_type: str) -> None:
    """A raw body may come as text."""
    assert translated(WHOLE, content_type=content_type)[0].record_id == "1"


@pytest.mark.parametrize(
    "data",
    [{}, {"bill": {"bill_id": "1"}}, {"invoice": []}, {"invoice": None}, {"invoice": "1"}, {"invoices": [{}]}],
)
def test_no_record_of_the_endpoints_module(data: dict[str, Any]) -> None:
    """A rule that calls the wrong address is refused: a bill is never told as an invoice."""
    assert refusal(as_json(data)) == (422, "record_missing")


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"invoice_id": ""},
        {"invoice_id": None},
        {"invoice_id": "1", "total": "a lot"},
        {"invoice_id": "1", "date": "soon"},
        {"invoice_id": "1", "last_modified_time": "soon"},
        {"invoice_id": "1", "line_items": [{"rate": "x"}]},
    ],
)
def test_unusable_records(record: dict[str, Any]) -> None:
    """A record without an id, or with an amount or a time that is none, is refused."""
    assert refusal(as_json({"invoice": record})) == (422, "record_unusable")


def test_an_amount_as_text_and_no_date_are_fine() -> None:
    """Zoho's types wobble; what is missing is missing (2.4)."""
    _, record = translated(as_json({"invoice": {"invoice_id": 1, "total": "1284.50"}}))
    assert (str(record.amount), record.date) == ("1284.50", None)


@pytest.mark.parametrize("body", [b"JSONString={", b"JSONString=[]", b"JSONString=", b"a=%FF", b"\xff", b"", b"&&"])
def test_broken_forms(body: bytes) -> None:
    """A form is held to the same rules."""
    assert refusal(body, content_type=FORM)[0] in (400, 422)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**25), 10**25) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(values)
def test_reading_json_agrees_with_the_standard_library(value: Any) -> None:
    """Strictness changes what is refused, never what is read."""
    assert loads(json.dumps(value)) == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_fractions_stay_text(number: float) -> None:
    """A fraction is kept as it was written."""
    assert loads(json.dumps(number)) == json.dumps(number)
