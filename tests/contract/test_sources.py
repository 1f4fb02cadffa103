"""What every source promises: it verifies and translates in one step, and says nothing to forgers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from ml_connector.errors import InboundRejected
from ml_connector.sources import Inbound
from tests.unit.ingest.world import FIXTURES, World, call, secret_of, sign, token_of

SIGNATURE = "x-zoho-webhook-signature"


@dataclass(frozen=True)
class Source:
    """A source under test: a good call, and the same call resigned after a change of its body."""

    good: Inbound
    resigned: Callable[[bytes], Inbound]
    secret: str
    signature_header: str
    other_token: str


def _zoho(event: str, other: str, shape: str = "") -> Source:
    body = (FIXTURES / "shapes" / shape).read_bytes() if shape else None
    return Source(
        good=call(event, body),
        resigned=lambda body: call(event, body),
        secret=secret_of(event),
        signature_header=SIGNATURE,
        other_token=token_of(other),
    )


SOURCES = {
    "zoho, an invoice": _zoho("invoice.created", "invoice.updated"),
    "zoho, a payment": _zoho("customer_payment.created", "vendor_payment.created"),
    "zoho, a deletion": _zoho("invoice.deleted", "invoice.updated", "webhook_invoice_deleted.json"),
}


@pytest.fixture(params=SOURCES.values(), ids=list(SOURCES))
def source(request: pytest.FixtureRequest) -> Source:
    found: Source = request.param
    return found


def refusal(inbound: Inbound) -> InboundRejected:
    world = World()
    with pytest.raises(InboundRejected) as caught:
        world.intake.receive(inbound, "call-1")
    assert world.sent == []
    return caught.value


def test_a_good_call_becomes_an_event(source: Source) -> None:
    """Connection, record and version are known, and the payload is the record."""
    event = World().intake.receive(source.good, "call-1").event
    assert event.connection == "fjord"
    assert event.record_id.isalnum()
    assert event.version.fingerprint
    assert event.payload


def test_the_same_call_twice_is_the_same_event(source: Source) -> None:
    """A redelivery has the same record, version and deliveries."""
    first, second = (World().intake.receive(source.good, each) for each in ("call-1", "call-2"))
    assert [each.key for each in first.deliveries] == [each.key for each in second.deliveries]


def test_every_changed_byte_is_noticed(source: Source) -> None:
    """Each byte of the body is covered: at the beginning, in the middle and at the end."""
    body = source.good.body
    for place in (0, len(body) // 2, len(body) - 1):
        changed = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
        assert refusal(replace(source.good, body=changed)).status == 401
    assert refusal(replace(source.good, body=body[:-1])).status == 401
    assert refusal(replace(source.good, body=body + b" ")).status == 401
    assert refusal(replace(source.good, body=b"")).status == 401


def test_another_address_refuses_it(source: Source) -> None:
    """A captured call works at no other endpoint."""
    assert refusal(replace(source.good, token=source.other_token)).status == 401


@pytest.mark.parametrize(
    "forged", [None, "", "0" * 64, "t=1767000000000,v=" + "0" * 64, "x", "\u0661" * 64, "a" * 10_000]
)
def test_a_forged_signature_is_refused(source: Source, forged: str | None) -> None:
    """Missing, wrong, of another scheme or absurd: 401, whatever the body."""
    headers = {name: value for name, value in source.good.headers.items() if name != source.signature_header}
    if forged is not None:
        headers[source.signature_header] = forged
    assert refusal(replace(source.good, headers=headers)).status == 401


def test_a_signature_with_an_empty_or_public_key_is_refused(source: Source) -> None:
    """Neither nothing nor the address itself is a key."""
    for key in ("", source.good.token, "secret"):
        headers = {**source.good.headers, source.signature_header: sign(key, source.good.body)}
        assert refusal(replace(source.good, headers=headers)).status == 401


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"a":1,"a":2}', b'{"a":NaN}'])
def test_signed_nonsense_is_refused(source: Source, body: bytes) -> None:
    """A right signature does not make sense of a body: 400, nothing is queued."""
    assert refusal(source.resigned(body)).status == 400


def test_no_error_holds_a_secret(source: Source) -> None:
    """Errors go to logs: neither key, signature, address nor body stands in them."""
    signature = source.good.headers[source.signature_header]
    calls = (
        replace(source.good, headers={**source.good.headers, source.signature_header: "0" * 64}),
        replace(source.good, token="x" * 43),
        replace(source.good, token=source.other_token),
        source.resigned(source.good.body[:-9]),
        source.resigned(b'{"customer": "Fjord & Pine"}'),
    )
    for each in calls:
        error = refusal(each)
        said = f"{error} {error.reason} {error.__cause__}"
        for hidden in (source.secret, signature, source.good.token, source.other_token, "Fjord & Pine"):
            assert hidden not in said
