"""Calls of monday: the challenge, who sent it, what is taken from it (contracts: monday 7.2, 7.3, 7.5)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import jwt
import pytest

from ml_connector.connections import Endpoint, token_hash
from ml_connector.errors import InboundRejected, NotQueued
from ml_connector.notifications import BoardCalls, Heard
from ml_connector.sources import Inbound
from ml_connector.sources.monday import LEEWAY, MAX_BODY
from tests.fakes import NOW, Clock, Connections, Queue, Secrets

TOKEN, BOARD = "board-token-".ljust(43, "x"), "1234567890"
SECRET = "a-signing-secret-of-an-app-000001"
URL = f"https://api.example/webhooks/monday/{TOKEN}"
SIGNED = {"token": TOKEN, "signing_secret": SECRET, "url": URL}


class Door:
    """A connection with one board. `entry` is what its secret says of the board."""

    def __init__(self, entry: Mapping[str, Any] | None = None) -> None:
        self.clock, self.queue = Clock(), Queue()
        endpoint = Endpoint(f"monday.{BOARD}", "acme-eu", "monday", "board", "changed")
        self.secrets = Secrets({("acme-eu", "boards"): {BOARD: entry or {"token": TOKEN}}}, self.clock)
        connections = Connections(endpoints={token_hash(TOKEN): endpoint})
        self.calls = BoardCalls(connections, self.secrets, self.queue, self.clock)

    def __call__(
        self, body: Any, authorization: str | None = None, *, token: str = TOKEN, source: str = "monday"
    ) -> Heard:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {} if authorization is None else {"authorization": authorization}
        return self.calls.receive(Inbound(source, token, "", headers, raw), "call-1")

    def refused(self, body: Any, authorization: str | None = None, **how: Any) -> tuple[int, str]:
        with pytest.raises(InboundRejected) as raised:
            self(body, authorization, **how)
        assert self.queue.sent == []
        # Neither the JWT nor what it holds may stand in a log.
        assert SECRET not in str(raised.value)
        assert "short-lived" not in str(raised.value)
        return raised.value.status, raised.value.reason


def event(**changes: Any) -> dict[str, Any]:
    """A person sets a status (7.5)."""
    told = {
        "app": "monday",
        "type": "update_column_value",
        "triggerTime": "2026-11-22T07:59:58.000Z",
        "triggerUuid": "a" * 32,
        "userId": 55667799,
        "boardId": int(BOARD),
        "pulseId": 42,
        "columnId": "zb_status",
        "value": {"label": {"index": 1, "text": "Paid", "is_done": True}, "post_id": None},
        "previousValue": {"label": {"index": 2, "text": "Sent"}},
        "changedAt": 1795334398.75,
        "isRetry": False,
        **changes,
    }
    return {"event": {name: value for name, value in told.items() if value is not ...}}


def signed(secret: str = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    now = NOW.timestamp()
    held = {"accountId": 1, "userId": 2, "aud": URL, "iat": now, "exp": now + 300, "shortLivedToken": "short-lived"}
    whole = {name: value for name, value in {**held, **claims}.items() if value is not None}
    return jwt.encode(whole, secret, algorithm=algorithm)


# --- the challenge


@pytest.mark.parametrize("entry", [None, SIGNED])
def test_challenge_is_repeated_and_nothing_else(entry: Mapping[str, Any] | None) -> None:
    """7.2: also where a JWT is wanted of events; nothing of the call but the challenge comes back."""
    heard = Door(entry)({"challenge": "x" * 512, "more": "y"})
    assert heard.handshake == json.dumps({"challenge": "x" * 512})


@pytest.mark.parametrize(
    "body",
    [{"challenge": "x" * 513}, {"challenge": ""}, {"challenge": 7}, {"challenge": None}, {"challenge": "x", **event()}],
)
def test_other_challenges_are_refused(body: Any) -> None:
    """A string of at most 512 characters, and no event beside it."""
    assert Door().refused(body) == (400, "challenge")


@pytest.mark.parametrize("how", [{"token": "t" * 43}, {"token": "short"}, {"source": "graph"}])
def test_challenge_elsewhere_is_not_answered(how: dict[str, str]) -> None:
    """Only on the registered path."""
    assert Door().refused({"challenge": "x"}, **how) == (404, "endpoint_unknown")


# --- who sent it


@pytest.mark.parametrize("prefix", ["", "Bearer ", "bearer "])
def test_jwt_is_taken_with_and_without_bearer(prefix: str) -> None:
    """7.3."""
    assert Door(SIGNED)(event(), prefix + signed()).queued == 1


@pytest.mark.parametrize(
    ("authorization", "reason"),
    [
        (None, "signature_missing"),
        ("", "signature_missing"),
        ("Bearer ", "signature_wrong"),
        ("nonsense", "signature_wrong"),
        (signed("another-secret-of-another-app-0001"), "signature_wrong"),
        (signed(algorithm="HS512", secret=SECRET.ljust(64, "x")), "signature_wrong"),
        (signed("", algorithm="none"), "signature_wrong"),
        (signed(aud=None), "signature_wrong"),
        (signed(exp=None), "signature_wrong"),
        (signed(aud=URL + "y"), "signature_audience"),
        (signed(exp=NOW.timestamp() - LEEWAY - 1), "signature_expired"),
    ],
)
def test_other_jwts_are_refused(authorization: str | None, reason: str) -> None:
    """HS256 with our secret, for this very address, and not ended: nothing else."""
    assert Door(SIGNED).refused(event(isRetry=True), authorization) == (401, reason)


def test_hs512_of_the_right_secret_is_refused() -> None:
    """The algorithm is ours to choose, not the caller's."""
    secret = SECRET.ljust(64, "x")
    door = Door({**SIGNED, "signing_secret": secret})
    assert door(event(), signed(secret)).queued == 1
    door.queue.sent.clear()
    assert door.refused(event(), signed(secret, "HS512")) == (401, "signature_wrong")


def test_clocks_may_differ_by_a_minute() -> None:
    """7.3, both ways."""
    door, now = Door(SIGNED), NOW.timestamp()
    assert door(event(), signed(exp=now - LEEWAY + 1)).queued == 1
    assert door(event(), signed(iat=now + LEEWAY, exp=now + 360)).queued == 1


def test_new_signing_secret_is_looked_for_before_a_call_is_refused() -> None:
    """Secrets are kept for minutes; forged calls cost one look in 15 seconds."""
    door = Door(SIGNED)
    door(event(), signed())
    entry = {**SIGNED, "signing_secret": "a-signing-secret-of-an-app-000002"}
    door.secrets.stored["acme-eu", "boards"] = {BOARD: entry}
    door.clock.advance(20)
    assert door(event(triggerUuid="b" * 32), signed("a-signing-secret-of-an-app-000002")).queued == 1


def test_secret_that_cannot_be_read_is_our_fault() -> None:
    """503: monday comes again."""
    door = Door()
    door.secrets.stored.clear()
    with pytest.raises(NotQueued):
        door(event())


# --- what is taken from it


def test_status_change_becomes_one_thin_message() -> None:
    """Ids as texts; the label's id is called index (7.5); of a retry SQS sees the same message."""
    door = Door()
    door(event())
    door(event(isRetry=True))
    first, again = door.queue.sent
    assert first.id == again.id
    assert (first.event.module, first.event.record_id, first.event.action) == ("monday_item", "42", "status")
    assert first.event.payload == {
        "board": BOARD,
        "column": "zb_status",
        "user": "55667799",
        "at": "2026-11-22T07:59:58Z",
        "to": "Paid",
        "to_id": "1",
        "before": "Sent",
    }
    door(event(triggerUuid="b" * 32))
    assert door.queue.sent[-1].id != first.id


def test_cleared_status_and_one_from_nothing_are_read() -> None:
    """7.5: both values may be null."""
    door = Door()
    door(event(value=None, previousValue=None))
    payload = door.queue.sent[0].event.payload or {}
    assert (payload["to"], payload["to_id"], payload["before"]) == ("", "", "")


@pytest.mark.parametrize(
    ("kind", "action"), [("delete_pulse", "deleted"), ("archive_pulse", "archived"), ("restore_pulse", "restored")]
)
def test_removal_names_its_item_otherwise(kind: str, action: str) -> None:
    """7.5: itemId, no pulseId; there is no changedAt."""
    door = Door()
    door(event(type=kind, itemId="42", pulseId=..., columnId=..., value=..., previousValue=..., changedAt=...))
    (sent,) = door.queue.sent
    assert (sent.event.action, sent.event.record_id) == (action, "42")
    assert (sent.event.payload or {})["at"] == "2026-11-22T07:59:58Z"


@pytest.mark.parametrize("changes", [{"type": "create_update"}, {"type": "delete_pulse", "parentItemId": 7}])
def test_what_concerns_nobody_is_acknowledged(changes: dict[str, Any]) -> None:
    """Else monday would send it thirty times more."""
    door = Door()
    assert door(event(**changes)).queued == 0
    assert door.queue.sent == []


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        (b"", (400, "body_unreadable")),
        (b"\xff{", (400, "body_unreadable")),
        (b"[" * 9999, (400, "body_unreadable")),
        (b"[]", (400, "body_unreadable")),
        ({}, (400, "body_unreadable")),
        ({"event": []}, (400, "body_unreadable")),
        (b"x" * (MAX_BODY + 1), (413, "body_too_large")),
        (event(boardId=1), (400, "another_board")),
        (event(pulseId="1 OR 1=1"), (400, "another_board")),
        (event(pulseId=...), (400, "another_board")),
    ],
)
def test_what_is_no_event_of_this_board_is_refused(body: Any, refusal: tuple[int, str]) -> None:
    """One plain 4xx."""
    assert Door().refused(body) == refusal


@pytest.mark.parametrize("value", [True, "text", [], {"label": []}, {"label": {"index": {}, "text": 7}}])
def test_odd_values_are_read_as_nothing(value: Any) -> None:
    """Whoever knows the address cannot break who carries it."""
    door = Door()
    door(event(value=value, changedAt=1e300, userId=-4, columnId=["x"]))
    payload = door.queue.sent[0].event.payload or {}
    assert (payload["to"], payload["user"], payload["column"]) == ("", "", "")
    assert payload["at"] == f"{NOW:%Y-%m-%dT%H:%M:%SZ}"


def test_queue_that_does_not_take_it_is_told() -> None:
    """503, so that monday comes again (7.4)."""
    door = Door()
    door.queue.refuses = True
    with pytest.raises(NotQueued):
        door(event())
