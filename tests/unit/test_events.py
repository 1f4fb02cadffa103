"""The language: versions, events, deliveries."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_connector.errors import Undeliverable
from ml_connector.events import LANES, Delivery, Event, Version

stamps = st.datetimes().map(lambda moment: moment.isoformat(timespec="seconds") + "Z") | st.just("")
versions = st.builds(Version, stamps, st.text("0123456789abcdef", min_size=16, max_size=16))
words = st.text(max_size=20)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=10,
)
payloads = st.none() | st.dictionaries(words, plain, max_size=4)
events = st.builds(Event, words, words, words, words, versions, words, words, words, payloads, words)
deliveries = st.builds(
    Delivery, events, words, asked=st.none() | st.integers(0, 99), perhaps=st.booleans(), single=st.booleans()
)

EVENT = Event(
    connection="fjord",
    module="invoice",
    record_id="7310000000204811",
    action="created",
    version=Version("2026-10-05T07:12:44Z", "0123456789abcdef"),
    origin="webhook",
    received_at="2026-10-05T07:12:50.000000Z",
    correlation_id="call-1",
    payload={"invoice_id": "7310000000204811", "total": "18240.75"},
)


@given(versions, versions, versions)
def test_older_than_is_a_strict_partial_order(a: Version, b: Version, c: Version) -> None:
    """No version is older than itself, none is older both ways, and older than older is older."""
    assert not a.older_than(a)
    assert not (a.older_than(b) and b.older_than(a))
    if a.older_than(b) and b.older_than(c):
        assert a.older_than(c)


def test_an_unknown_time_is_neither_older_nor_newer() -> None:
    """A payload without a modification time is never dropped as old, and never makes another one old."""
    unknown, known = Version("", "aa"), Version("2026-10-05T07:12:44Z", "bb")
    assert not unknown.older_than(known)
    assert not known.older_than(unknown)


def test_two_changes_within_one_second_are_two_versions_of_the_same_age() -> None:
    """The fingerprint tells them apart; neither overwrites the other as the newer one."""
    one, two = Version("2026-10-05T07:12:44Z", "aa"), Version("2026-10-05T07:12:44Z", "bb")
    assert one != two
    assert not one.older_than(two)
    assert not two.older_than(one)


@given(versions)
def test_a_version_reads_back_from_its_text(version: Version) -> None:
    """The text is what the queue and the tables hold."""
    assert Version.parse(str(version)) == version


@given(deliveries)
def test_a_delivery_comes_out_of_the_queue_as_it_went_in(delivery: Delivery) -> None:
    """Nothing is lost or changed between ingest and delivery, and the message is plain ASCII."""
    text = delivery.to_json()
    assert Delivery.from_json(text) == delivery
    assert text.isascii()


def test_a_message_without_a_status_is_as_it_always_was() -> None:
    """Messages in flight while a release is deployed lack what it knows new, and the old one ignores it."""
    old = json.loads(Delivery(EVENT, "ledger").to_json())
    assert {"status", "perhaps", "single"}.isdisjoint(old)
    read = Delivery.from_json(json.dumps(old))
    assert (read.event.status, read.event.names, read.perhaps) == ("", ("invoice.created",), False)
    with pytest.raises(Undeliverable, match="status"):
        Delivery.from_json(json.dumps({**old, "status": 7}))


def test_a_status_changes_no_name_of_the_delivery() -> None:
    """The key is of the action: the same change told with and without its status is one delivery to the queue."""
    paid = replace(EVENT, action="updated", status="paid")
    assert paid.names == ("invoice.updated", "invoice.paid")
    assert Delivery(paid, "ledger").id == Delivery(replace(paid, status=""), "ledger").id


@given(deliveries)
def test_a_thin_delivery_is_the_same_delivery(delivery: Delivery) -> None:
    """Leaving out the payload changes neither what a delivery is called nor its place in the order."""
    assert delivery.thin().id == delivery.id
    assert (delivery.thin().lane, delivery.thin().own_group) == (delivery.lane, delivery.own_group)
    assert delivery.thin().event.payload is None


@pytest.mark.parametrize(
    ("action", "status", "name"),
    [
        ("created", "sent", "invoice.created"),
        ("updated", "sent", "invoice.sent"),
        ("updated", "", "invoice.updated"),
        ("deleted", "", "invoice.deleted"),
    ],
)
def test_the_audit_trail_says_the_status_of_changes_only(action: str, status: str, name: str) -> None:
    """A new record is new, whatever status it came with."""
    assert replace(EVENT, action=action, status=status).entry_name == name


def test_an_id_names_what_happens_to_which_version_where() -> None:
    """Any other record, version, event or destination is another delivery; when or why it came is not."""
    one = Delivery(EVENT, "channel")
    others = [
        Delivery(EVENT, "board"),
        Delivery(replace(EVENT, record_id="7310000000204812"), "channel"),
        Delivery(replace(EVENT, action="updated"), "channel"),
        Delivery(replace(EVENT, connection="fjord-us"), "channel"),
        Delivery(replace(EVENT, module="bill"), "channel"),
        Delivery(replace(EVENT, version=Version(EVENT.version.at, "fedcba9876543210")), "channel"),
    ]
    assert len({each.id for each in (one, *others)}) == 1 + len(others)
    again = replace(EVENT, origin="reconcile", received_at="later", correlation_id="call-2", payload=None)
    assert Delivery(again, "channel").id == one.id
    assert len(one.id) == 32


def test_the_own_group_is_the_record_at_its_destination() -> None:
    """Versions and kinds of events of a record wait together; other records and destinations do not wait for them."""
    one = Delivery(EVENT, "channel")
    newer = Delivery(replace(EVENT, action="updated", version=Version("2026-11-01T00:00:00Z", "aa")), "channel")
    assert newer.own_group == one.own_group
    assert Delivery(EVENT, "board").own_group != one.own_group
    assert Delivery(replace(EVENT, record_id="1"), "channel").own_group != one.own_group


def test_a_connection_has_a_few_lanes_per_destination() -> None:
    """However many records it has; a record keeps its lane, and shares none with another connection or destination."""

    def lanes(connection: str, destination: str) -> set[str]:
        events = (replace(EVENT, connection=connection, record_id=str(number)) for number in range(200))
        return {Delivery(event, destination).lane for event in events}

    assert len(lanes("acme-eu", "channel")) == LANES
    assert not lanes("acme-eu", "channel") & (lanes("acme-eu", "board") | lanes("beta-us", "channel"))
    one = Delivery(EVENT, "channel")
    assert one.lane == Delivery(replace(EVENT, action="updated", version=Version("", "aa")), "channel").lane
    assert one.lane != one.own_group


def test_a_delivery_that_has_left_its_lane_keeps_its_name_and_its_times() -> None:
    """It is the same delivery, and the queue carries since when and until when it waits."""
    one = Delivery(EVENT, "channel")
    moved = replace(one, not_before="2026-11-22T08:05:00.000000Z", since="2026-11-22T08:00:00.000000Z", asked=3)
    assert Delivery.from_json(moved.to_json()) == moved
    assert (moved.id, moved.own_group) == (one.id, one.own_group)


def test_message_that_answers_no_question_is_as_it_always_was() -> None:
    """Messages of older releases lack `asked`, and answer nothing."""
    assert "asked" not in json.loads(Delivery(EVENT, "channel").to_json())
    assert Delivery.from_json(_message(asked=None)).asked is None


def _message(**changes: object) -> str:
    return json.dumps({**json.loads(Delivery(EVENT, "channel").to_json()), **changes})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not JSON",
        "[" * 100_000,
        "[]",
        "null",
        "{}",
        '{"v":1}',
        _message(v=2),
        _message(v="1"),
        _message(version=7),
        _message(destination=None),
        _message(connection=["fjord"]),
        _message(record=7310000000204811),
        _message(payload="text"),
        _message(payload=[1]),
        _message(not_before=5),
        _message(since=None),
        _message(asked="3"),
        _message(asked=True),
    ],
)
def test_an_unreadable_message_is_parked_not_retried(text: str) -> None:
    """Another release's message, or none of ours, ends as Undeliverable with a reason: it never loops."""
    with pytest.raises(Undeliverable, match="the queue message"):
        Delivery.from_json(text)


@given(plain)
def test_no_json_message_raises_anything_else(value: object) -> None:
    """Whatever stands in the queue, reading it has two outcomes."""
    with pytest.raises(Undeliverable):
        Delivery.from_json(json.dumps(value))
