"""Zoho's webhook signature (contracts: zoho-books 1.1 to 1.5)."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_connector.sources import signature
from ml_connector.sources.signature import FORM, MAX_PAIRS, candidates, fault, matches
from tests.unit.ingest.world import FIXTURES, sign

CONTRACTS = Path(os.environ.get("CONTRACTS_DIR", Path(__file__).parents[2] / "../shared/contracts"))
PRINTED = CONTRACTS / "samples" / "zoho" / "signature_examples.json"
JSON = "application/json"
SECRET = "OakShelf2026Secret"
OURS: list[dict[str, Any]] = json.loads((FIXTURES / "signatures.json").read_text("utf-8"))["examples"]


@pytest.mark.parametrize("example", OURS, ids=[example["name"] for example in OURS])
def test_every_reading_of_the_contract_is_accepted(example: dict[str, Any]) -> None:
    """The documented construction and each tolerated reading of what Zoho leaves open (1.2, 1.4)."""
    body = example["body"].encode()
    assert sign(example["secret"], example["signed"].encode()) == example["hex"], "the fixture is wrong"
    assert matches(example["hex"], [example["secret"]], example["query"], example["content_type"], body)


@pytest.mark.skipif(not PRINTED.exists(), reason="the contracts are not here (CONTRACTS_DIR)")
def test_the_contracts_own_examples_verify() -> None:
    """The published construction and its companions (1.3)."""
    for example in json.loads(PRINTED.read_text("utf-8"))["examples"]:
        given_by_zoho = (example["hex"], [example["secret"]], example["query_string"], example["content_type"])
        assert matches(*given_by_zoho, example["body"].encode()), example["name"]


def test_the_published_construction() -> None:
    """The one example that Zoho prints: pairs sorted by key without separators, then the body (1.3)."""
    body = b'{"created_date":"2019-03-06","event_id":"5675"}'
    text = b"namebasicsubscription_id90343" + body
    assert next(candidates("subscription_id=90343&name=basic", JSON, body)) == ("decoded", text)


def test_without_a_query_and_with_json_there_is_one_reading() -> None:
    """The case to design for costs one digest, over the body as it came (1.2)."""
    assert list(candidates("", JSON, b' {"a": 1}\r\n')) == [("body", b' {"a": 1}\r\n')]


@given(query=st.text(max_size=60), form=st.booleans(), body=st.binary(max_size=80))
def test_a_short_fixed_list_of_readings(query: str, form: bool, body: bytes) -> None:
    """At most six texts are tried, each once, whatever comes in; none of it raises."""
    texts = [text for _, text in candidates(query, FORM if form else JSON, body)]
    assert (0 if form else 1) <= len(texts) <= 6
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("query", ["&" * MAX_PAIRS, "a=1&" * MAX_PAIRS])
def test_a_flood_of_pairs_is_not_sorted(query: str) -> None:
    """Whoever sends thousands of pairs makes us neither sort nor hash them."""
    assert list(candidates(query, JSON, b"{}")) == []
    assert list(candidates("", FORM, query.encode())) == []


def test_a_large_json_body_is_not_taken_for_pairs() -> None:
    """Ampersands in a JSON body are text."""
    body = json.dumps({"note": "&" * 10 * MAX_PAIRS}).encode()
    assert matches(sign(SECRET, b"a1" + body), [SECRET], "a=1", JSON, body)


def test_half_a_character_in_a_query_is_only_a_wrong_query() -> None:
    """What cannot be written in UTF-8 has bytes of its own here: it matches nothing and breaks nothing."""
    assert matches("a" * 64, [SECRET], "a=\ud800&b=\udcff", JSON, b"{}") is None


@pytest.mark.parametrize("secret", ["OakShelf2026Secre", "oakshelf2026secret", "Other"])
def test_another_secret_does_not_match(secret: str) -> None:
    """Only the very secret of the endpoint opens it."""
    assert matches(sign(secret, b"{}"), [SECRET], "", JSON, b"{}") is None


def test_an_empty_secret_opens_nothing() -> None:
    """An endpoint whose secret got lost refuses all calls rather than taking everybody's."""
    assert matches(sign("", b"{}"), ["", ""], "", JSON, b"{}") is None
    assert matches(sign("", b"{}"), [], "", JSON, b"{}") is None


def test_each_live_secret_matches() -> None:
    """While a secret is rotated, the old and the new one both work."""
    for secret in ("Old1234567890", "New1234567890"):
        assert matches(sign(secret, b"{}"), ["Old1234567890", "New1234567890"], "", JSON, b"{}") == "body"


def test_the_digests_letter_case_does_not_matter() -> None:
    """Zoho does not print the digest's form: hex in any case is taken (1.1)."""
    assert matches(sign(SECRET, b"{}").upper(), [SECRET], "", JSON, b"{}")


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("text", [b'{"a":1}', b"x", b"y"])
def test_base64_is_the_second_form(encode: Callable[[bytes], bytes], text: bytes) -> None:
    """Zoho does not say how the digest is written: hex is what was seen, 32 bytes in base64 are as good (1.1)."""
    given = encode(bytes.fromhex(sign(SECRET, text))).decode()
    for form in (given, given.rstrip("=")):
        assert fault(form) is None
        assert matches(form, [SECRET], "", JSON, text) == "body"
        assert matches(form, ["Other"], "", JSON, text) is None
        assert matches(form, [SECRET], "", JSON, text + b" ") is None


def test_one_changed_byte_breaks_it() -> None:
    """A body that was parsed and dumped again, or trimmed, is another body (1.5)."""
    digest = sign(SECRET, b'{"a": 1}\n')
    for body in (b'{"a":1}', b'{"a": 1}', b'{"a": 2}\n', b'{"a": 1}\r\n'):
        assert matches(digest, [SECRET], "", JSON, body) is None


def test_the_query_of_a_call_cannot_be_moved_about_silently() -> None:
    """A query added by somebody on the way still needs a text that Zoho signed."""
    digest = sign(SECRET, b"a1{}")
    assert matches(digest, [SECRET], "a=1", JSON, b"{}") == "decoded"
    assert matches(digest, [SECRET], "a=2", JSON, b"{}") is None
    assert matches(digest, [SECRET], "", JSON, b"{}") is None


FIELDS = "invoice_id9total9999z"
RECORD = quote('{"invoice_id":"9","total":"9999"}')


@pytest.mark.parametrize("blank", ["", "\r\n ", "\ufeff"])
@pytest.mark.parametrize("query", ["", "JSONString="])
@pytest.mark.parametrize(
    ("note", "cut"),
    [
        (f"a&JSONString={RECORD}&b", {}),
        (f"JSONString{RECORD}z", {"": "=", f"JSONString{RECORD}": f"&JSONString={RECORD}&"}),
        (FIELDS, {"": "=", FIELDS: "&invoice_id=9&total=9999&z="}),
    ],
)
def test_signed_json_is_not_read_as_a_form(note: str, cut: dict[str, str], query: str, blank: str) -> None:
    """Neither the content type nor what parts a form's pairs is signed: a customer's note could become a record."""
    signed = body = blank + json.dumps({"invoice": {"invoice_id": "1", "notes": note, "total": 5}})
    for text, pairs in cut.items():
        body = body.replace(text, pairs, 1)
    assert matches(sign(SECRET, signed.encode()), [SECRET], query, FORM, body.encode()) is None


@pytest.mark.parametrize("body", ["JSONString={}", "JSONString=%7B%7D&=", "=&JSONString=%7B&JSONString=%7D"])
def test_json_alone_is_a_forms_text_only_if_it_is_what_is_read(body: str) -> None:
    """What Zoho leaves open of JSONString stays accepted; what is cut out of it is no JSON any more (1.4)."""
    assert matches(sign(SECRET, b"{}"), [SECRET], "", FORM, body.encode()) == "JSONString last"
    read = signature.form_fields(body.encode())["JSONString"]
    assert read in ("{}", "}")


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (None, "signature_missing"),
        ("", "signature_missing"),
        ("t=1767000000000,v=" + "a" * 64, "signature_scheme"),
        ("t=1767000000000, v=" + "a" * 64, "signature_scheme"),
        ("a" * 63, "signature_malformed"),
        ("a" * 65, "signature_malformed"),
        ("g" * 64, "signature_malformed"),
        ("a" * 64 + "\n", "signature_malformed"),
        (" " + "a" * 64, "signature_malformed"),
        ("sha256=" + "a" * 64, "signature_malformed"),
        ("a" * 64 + "," + "b" * 64, "signature_malformed"),
        ("١" * 64, "signature_malformed"),
        ("A" * 64, None),
    ],
)
def test_what_cannot_be_a_signature_is_told_apart(value: str | None, why: str | None) -> None:
    """Missing, Zoho Payments' scheme under the same header name, and malformed are three entries in the log (1.5)."""
    assert fault(value) == why


def test_form_fields_are_strict() -> None:
    """What is not UTF-8 is refused, not repaired."""
    assert signature.form_fields(b"a=1&b=%C3%A4+x&c") == {"a": "1", "b": "ä x", "c": ""}
    for broken in (b"a=%FF", b"\xff=1", b"a=%ED%A0%80"):
        with pytest.raises(UnicodeDecodeError):
            signature.form_fields(broken)
