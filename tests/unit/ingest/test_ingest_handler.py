"""HTTP in, queue out: what a caller sees, and what it does not."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.ingest import app
from tests.unit.ingest.world import (
    FORM,
    JSON,
    World,
    as_json,
    call,
    connection,
    fixture,
    http,
    secret_of,
    sign,
    token_of,
)

REFUSED = {"statusCode": 0, "headers": {"content-type": "application/json"}, "body": '{"message":"rejected"}'}


def ask(world: World, event: dict[str, Any]) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "intake", lambda: world.intake)
        answer: dict[str, Any] = app.handler(event, None)
    return answer


@pytest.mark.parametrize("base64_encoded", [False, True])
def test_a_signed_webhook_is_accepted(base64_encoded: bool) -> None:
    """202 once it is queued, however the gateway hands over the body."""
    world = World()
    answer = ask(world, http(call(), base64_encoded=base64_encoded))
    assert (answer["statusCode"], answer["body"]) == (202, '{"message":"accepted"}')
    assert [each.destination for each in world.sent] == ["channel", "board"]


def test_header_names_come_in_any_case() -> None:
    """HTTP API lower-cases them; a test call by hand may not."""
    event = http(call())
    event["headers"] = {name.title(): value for name, value in event["headers"].items()}
    assert ask(World(), event)["statusCode"] == 202


def test_the_raw_query_string_is_what_counts() -> None:
    """The signature covers the query as it was sent; a decoded map would have lost that (zoho-books 1.5)."""
    body = fixture("invoice_created")
    signature = sign(secret_of("invoice.created"), b"k2k1q%20" + body)
    event = http(call(query="k=2&k=1&q=%20", signature=sign(secret_of("invoice.created"), b"k1k2q " + body)))
    event["queryStringParameters"] = {"k": "2,1", "q": " "}
    assert ask(World(), event)["statusCode"] == 202
    event["headers"]["x-zoho-webhook-signature"] = signature
    assert ask(World(), event)["statusCode"] == 401, "a mixture of readings is none"


def test_an_event_for_nobody_is_accepted() -> None:
    """A connection without a matching route answers 202 and queues nothing."""
    world = World(applied=connection(routes=[]))
    assert ask(world, http(call()))["statusCode"] == 202
    assert world.sent == []


def test_what_was_not_queued_is_not_acknowledged() -> None:
    """503 makes Zoho, or a person, send it again."""
    answer = ask(World(queue_is_up=False), http(call()))
    assert (answer["statusCode"], answer["body"]) == (503, '{"message":"try again"}')


BIG = http(call(body=b"x" * 10_000_000))
BAD_BASE64 = {**http(call()), "body": "abcde", "isBase64Encoded": True}
NO_BODY = {name: value for name, value in http(call(body=b"")).items() if name != "body"}
NO_HEADERS = {name: value for name, value in http(call()).items() if name != "headers"}
NO_PATH = {**http(call()), "pathParameters": None}


@pytest.mark.parametrize(
    ("status", "event"),
    [
        (404, http(call(token="x" * 43))),
        (404, http(call(source="elsewhere"))),
        (404, NO_PATH),
        (401, http(call(signature="a" * 64))),
        (401, http(call(signature="t=1767000000000,v=" + "a" * 64))),
        (401, http(call(signature="nonsense"))),
        (401, http(call(headers={"content-type": JSON}))),
        (401, NO_HEADERS),
        (413, BIG),
        (400, BAD_BASE64),
        (400, NO_BODY),
        (400, http(call(body=b"{"))),
        (400, http(call(body=b"\xff"), base64_encoded=True)),
        (415, http(call(content_type="application/xml"))),
        (422, http(call(body=as_json({"bill": {}})))),
        (422, http(call(body=as_json({"invoice": {"invoice_id": "1", "total": "much"}})))),
        (422, http(call(body=as_json({"organization_id": "1", "invoice": {"invoice_id": "1"}})))),
    ],
)
def test_every_refusal_looks_the_same(status: int, event: dict[str, Any]) -> None:
    """One plain body for all of them: the caller learns nothing, the log says why."""
    world = World()
    assert ask(world, event) == {**REFUSED, "statusCode": status}
    assert world.sent == []


def test_the_log_names_the_reason_and_no_secret(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reads the log can tell drift of a secret from noise, and cannot forge a call with it."""
    lines = io.StringIO()
    monkeypatch.setattr(app.logger.registered_handler, "stream", lines)
    ask(World(), http(call(signature="a" * 64, query="q=private")))
    ask(World(), http(call()))
    printed = lines.getvalue() + capsys.readouterr().out
    assert '"reason":"signature_wrong"' in printed
    assert "WebhooksRejected" in printed
    for hidden in (secret_of("invoice.created"), token_of("invoice.created"), "a" * 64, "q=private", "Fjord & Pine"):
        assert hidden not in printed


def counted(printed: str) -> list[tuple[str, dict[str, str]]]:
    """Metrics by name and dimensions, as CloudWatch would read them from the log."""
    return [
        (metric["Name"], {name: line[name] for name in names})
        for line in map(json.loads, filter(lambda line: "_aws" in line, printed.splitlines()))
        for group in line["_aws"]["CloudWatchMetrics"]
        for names in group["Dimensions"]
        for metric in group["Metrics"]
    ]


@pytest.mark.parametrize(
    "event",
    [
        http(call(signature="a" * 64)),
        http(call(signature="nonsense")),
        http(call(signature="t=1767000000000,v=" + "a" * 64)),
        http(call(headers={"content-type": JSON})),
    ],
)
def test_drifted_secret_is_counted_at_its_endpoint(
    event: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only Zoho knows the address: a wrong signature there is an outage, counted for the alarm and by endpoint."""
    lines = io.StringIO()
    monkeypatch.setattr(app.logger.registered_handler, "stream", lines)
    ask(World(), event)
    place = {"connection": "fjord", "endpoint": "zoho.invoice.created"}
    found = counted(capsys.readouterr().out)
    failures = [dimensions for name, dimensions in found if name == "SignatureFailures"]
    assert [set(each) for each in failures] == [{"service", "connection", "endpoint"}, {"service"}]
    assert failures[0].items() >= place.items()
    assert json.loads(lines.getvalue()).items() >= place.items()
    assert [name for name, _ in found].count("WebhooksRejected") == 1


@pytest.mark.parametrize(
    ("event", "counts"),
    [
        (http(call(token="x" * 43)), ["WebhooksRejected", "WebhooksUnknown"]),
        (http(call(token="Robert'); drop table")), ["WebhooksRejected", "WebhooksUnknown"]),
        (http(call(source="elsewhere")), ["WebhooksRejected", "WebhooksUnknown"]),
        (http(call(body=b"{")), ["WebhooksRejected"]),
        (BIG, ["WebhooksRejected"]),
    ],
)
def test_strangers_raise_no_alarm_and_make_no_metric(
    event: dict[str, Any], counts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever tries addresses that do not exist counts once, under no name of theirs; nor is any refusal a drift."""
    ask(World(), event)
    found = counted(capsys.readouterr().out)
    assert sorted(name for name, _ in found) == counts
    assert {frozenset(dimensions) for _, dimensions in found} == {frozenset({"service"})}


SIGNATURE = "x-zoho-webhook-signature"
tokens = st.sampled_from([token_of("invoice.created"), token_of("bill.updated"), "x" * 43]) | st.text(max_size=70)
names = st.sampled_from(["content-type", SIGNATURE, "X-Zoho-Webhook-Signature"]) | st.text(max_size=12)
texts = st.sampled_from([JSON, FORM, "a" * 64, "t=1,v=" + "a" * 64]) | st.text(max_size=80)
plausible = st.fixed_dictionaries({"content-type": st.sampled_from([JSON, FORM]), SIGNATURE: st.just("a" * 64)})
anything = settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])


@anything
@given(
    token=tokens,
    source=st.sampled_from(["zoho", "elsewhere", ""]) | st.text(max_size=8),
    headers=st.dictionaries(names, texts, max_size=5) | plausible,
    query=st.text(st.sampled_from("ab=&%+2F\ud800é") | st.characters(), max_size=60),
    body=st.binary(max_size=200) | st.text(st.characters(), max_size=60),
    encoded=st.booleans(),
)
def test_nothing_unsigned_gets_through(
    token: str, source: str, headers: dict[str, str], query: str, body: bytes | str, encoded: bool
) -> None:
    """Arbitrary bytes, headers and queries: always a 4xx, never a message in the queue."""
    world = World()
    event = http(call(token=token, source=source, headers=headers, query=query, body=b""))
    if isinstance(body, bytes):
        event |= {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
    else:
        event |= {"body": body, "isBase64Encoded": encoded}
    answer = ask(world, event)
    assert 400 <= answer["statusCode"] < 500
    assert answer["body"] == REFUSED["body"]
    assert world.sent == []


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=15),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
numbers = st.integers() | st.floats() | st.text(max_size=6) | st.decimals().map(str)
times = st.datetimes(timezones=st.timezones() | st.none()).map(lambda at: at.isoformat()) | st.text(max_size=25)
records = st.fixed_dictionaries(
    {"invoice_id": st.integers(0) | st.text("0123456789", min_size=1, max_size=20)},
    optional={
        "invoice_number": plain,
        "customer_name": plain,
        "total": numbers,
        "exchange_rate": numbers,
        "date": times,
        "last_modified_time": times,
        "line_items": st.lists(st.dictionaries(st.sampled_from(["name", "quantity", "item_total"]), plain), max_size=2),
        "custom_fields": plain,
    },
)
bodies = plain | st.dictionaries(st.sampled_from(["invoice", "invoice_id", "organization_id", "bill"]), plain | records)


@anything
@given(data=bodies | records.map(lambda record: {"invoice": record}), form=st.booleans(), ascii_only=st.booleans())
def test_a_signed_body_never_breaks_ingest(data: Any, form: bool, ascii_only: bool) -> None:
    """Whatever Zoho or its customer signs is either accepted and queued or refused; it is never a 5xx."""
    text = json.dumps(data, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    inbound = call(body=text)
    if form:
        body = b"JSONString=" + b"".join(b"%%%02x" % byte for byte in text)
        inbound = call(body=body, content_type=FORM, signature=sign(secret_of("invoice.created"), b"JSONString" + text))
    world = World()
    answer = ask(world, http(inbound, base64_encoded=True))
    if answer["statusCode"] == 202:
        assert len(world.sent) == 2
        assert [type(each).from_json(each.to_json()) for each in world.sent] == world.sent
    else:
        assert 400 <= answer["statusCode"] < 500
        assert world.sent == []
