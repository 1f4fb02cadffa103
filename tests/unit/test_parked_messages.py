"""How a parked delivery looks in its queue."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_connector import parked
from ml_connector.aws.queues import MAX_BYTES
from ml_connector.events import SCHEMA, Delivery
from ml_connector.parked import CRASHED, Why, again, unwrap, wrap
from tests.fakes import delivery

WHY = Why("the board has no column 'total'", "2026-11-22T08:00:00.000000Z", 3, "2026-11-22T07:00:00.000000Z", 403, 2)


def test_what_is_wrapped_comes_back() -> None:
    """Reason, history and delivery."""
    each = delivery()
    kept = unwrap(wrap(each.to_json(), WHY))
    assert (kept.why, kept.delivery) == (WHY, each)


def test_form_is_as_written_down() -> None:
    """Programs may read the queue: its form is a promise."""
    each = delivery()
    assert json.loads(wrap(each.to_json(), WHY)) == {
        "v": 1,
        "parked": {
            "reason": WHY.reason,
            "at": WHY.at,
            "attempts": 3,
            "first_attempt_at": WHY.first_attempt_at,
            "status": 403,
            "asked": 2,
        },
        "delivery": json.loads(each.to_json()),
    }


def test_what_the_queue_put_aside_itself_can_be_read() -> None:
    """A message whose workers crashed has nothing around it: the queue's own dead-letter rule moved it."""
    each = delivery()
    assert unwrap(each.to_json()) == parked.Parked(Why(CRASHED), each, each.to_json())


def test_what_was_sent_back_by_hand_is_one_layer() -> None:
    """Redriven from the console, a parked message is refused for its form; the first reason is the one that counts."""
    each = delivery()
    twice = wrap(wrap(each.to_json(), WHY), Why("the queue message lacks destination"))
    assert (unwrap(twice).why, unwrap(twice).delivery) == (WHY, each)


@given(st.text())
def test_whatever_cannot_be_read_is_kept(text: str) -> None:
    """Any text at all: wrapped, it comes back; bare, it does no harm."""
    kept = unwrap(wrap(text, Why("unreadable")))
    assert kept.delivery is None
    assert kept.why.reason == "unreadable"
    assert unwrap(text).delivery is None


def test_message_of_another_release_is_kept_whole() -> None:
    """It can be sent again after an upgrade."""
    newer = json.dumps(json.loads(delivery().to_json()) | {"v": SCHEMA + 1, "more": [1, {"a": "ß"}]})
    kept = unwrap(wrap(newer, WHY))
    assert (kept.delivery, kept.text) == (None, newer)


@pytest.mark.parametrize(("text", "kept"), [("x" * 900_000, 900_000), ("理" * 900_000, 100_000)])
def test_unreadable_message_fits(text: str, kept: int) -> None:
    """Whole if it can be, else its beginning."""
    body = wrap(text, WHY)
    assert len(body) < MAX_BYTES
    assert unwrap(body).text == text[:kept]


@pytest.mark.parametrize(
    "about", ['{"reason":[1],"attempts":"x"}', "{}", '{"asked":"2"}', '{"asked":true}', '{"attempts":null,"extra":1}']
)
def test_strange_reasons_are_no_obstacle(about: str) -> None:
    """Somebody may have written into the queue by hand."""
    each = delivery()
    kept = unwrap(f'{{"v":1,"parked":{about},"delivery":{each.to_json()}}}')
    assert (kept.delivery, kept.why.asked) == (each, None)


@given(st.text(max_size=3000))
def test_reason_fits_and_is_printable(reason: str) -> None:
    """SQS refuses control characters, and what is around a message has 4000 bytes."""
    largest = delivery(notes="n" * (MAX_BYTES - 2000)).to_json()
    body = wrap(largest, replace(WHY, reason=reason))
    assert len(body.encode()) <= len(largest) + 4000
    assert unwrap(body).why.reason.isprintable()


def test_sent_again_its_patience_starts_anew() -> None:
    """A delivery that gave up after 76 hours would give up at once otherwise. Its name stays, for the audit trail."""
    each = replace(delivery(), not_before="2026-11-22T08:00:00Z", since="2026-11-01T08:00:00Z", tries=9, alone=True)
    resent = again(each, None)
    assert resent == delivery(origin="replay")
    assert (resent.event.origin, resent.not_before, resent.since) == ("replay", "", "")
    assert (resent.id, resent.event.payload) == (each.id, each.event.payload)


def test_answer_is_to_what_was_asked_last() -> None:
    """A delivery that was itself an answer, and is parked for another reason, answers nothing any more."""
    each = again(delivery(), 3)
    assert Delivery.from_json(each.to_json()).asked == 3
    kept = unwrap(wrap(each.to_json(), replace(WHY, asked=None)))
    assert again(each, kept.why.asked).asked is None
