"""Telling people that one of them must act (ml_connector.notices, destinations/teams/notice.py)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from ml_connector.connections import Connection
from ml_connector.destinations import Registry
from ml_connector.destinations.teams import notice
from ml_connector.destinations.teams.card import MAX_BYTES
from ml_connector.notices import CLAIM, PAUSE, Claim, Notice, Notices
from sandbox.vendors import cards
from tests.fakes import CHANNEL, SECRET_URL, SECRETS, Clock, Says, Wire, connection, toolbox

MADE = Says(201, {"id": f"{CHANNEL};messageid=17943", "activityId": "17943"})
KEY = "token.zoho.2026-11-22T08:00:00Z"


@dataclass
class Board:
    """Rows by matter: when it may be told again, None once it is told."""

    rows: dict[tuple[str, str], int | None] = field(default_factory=dict)
    broken: bool = False

    def claim(self, connection: str, key: str, *, now: int, until: int, expires_at: int) -> Claim:
        if self.broken:
            raise RuntimeError("the table cannot be reached")
        if (connection, key) in self.rows:
            again = self.rows[connection, key]
            if again is None:
                return "told"
            if again > now:
                return "busy"
        self.rows[connection, key] = until
        return "mine"

    def close(self, connection: str, key: str, *, again_at: int | None, expires_at: int) -> None:
        self.rows[connection, key] = again_at


class Desk:
    """Notices over a wire of ours, the connection's admin channel being `admin`."""

    def __init__(self, *answers: Says | Exception, admin: str = "finance") -> None:
        self.clock = Clock()
        self.wire = Wire(*answers or (MADE,))
        self.board = Board()
        self.connection = connection(admin=admin)
        self.failures: list[str] = []
        self.notices = Notices(
            self.board, Registry(toolbox(self.wire, self.clock)), notice.request, self.clock, self._failed
        )

    def _failed(self, connection: Connection, key: str, error: Exception) -> None:
        self.failures.append(f"{connection.name} {key} {error}")

    def tell(self, key: str = KEY) -> bool:
        return self.notices.tell(
            self.connection,
            key,
            "Zoho no longer accepts this connection",
            "The consent was withdrawn.\n\nEvents are kept.",
            {"Organization": "20081234567"},
            "mlc auth zoho acme-eu",
        )


def texts(node: Any) -> list[str]:
    if isinstance(node, list):
        return [text for each in node for text in texts(each)]
    if isinstance(node, dict):
        own = [node[key] for key in ("text", "value") if isinstance(node.get(key), str)]
        return own + [text for each in node.values() for text in texts(each)]
    return []


def test_bot_posts_the_notice_to_the_admin_channel() -> None:
    """Title, text, facts and what to type, in a thread of its own; the toast names the connection."""
    desk = Desk()
    assert desk.tell() is True
    body = desk.wire.sent()
    assert body["channelData"] == {"channel": {"id": CHANNEL}}
    assert body["activity"]["summary"] == "acme-eu: Zoho no longer accepts this connection"
    shown = texts(body["activity"]["attachments"][0]["content"]["body"])
    assert shown == [
        "Zoho no longer accepts this connection", "The consent was withdrawn.", "Events are kept.",
        "acme-eu", "20081234567", "Type:", "mlc auth zoho acme-eu",
    ]  # fmt: skip


def test_workflow_posts_the_notice_too() -> None:
    """The other transport: no authorization, the secret address only on the wire."""
    desk = Desk(Says(202), admin="purchasing")
    assert desk.tell() is True
    assert desk.wire.calls[0].url == SECRET_URL
    (attachment,) = desk.wire.sent()["attachments"]
    assert attachment["contentUrl"] is None
    assert "mlc auth zoho acme-eu" in texts(attachment["content"])


def test_a_matter_is_told_once() -> None:
    """Every minute finds the same trouble; people hear of it once, and of another matter once more."""
    desk = Desk()
    assert [desk.tell(), desk.tell(), desk.tell("another")] == [True, True, True]
    assert len(desk.wire.calls) == 2


@pytest.mark.parametrize(
    ("answer", "wait"),
    [
        (Says(403, {"error": {"code": "BotNotInConversationRoster"}}), PAUSE),
        (Says(412, {"error": {"code": "PreconditionFailed"}}), PAUSE),
        (Says(429, {}, {"Retry-After": "900"}), timedelta(seconds=900)),
    ],
)
def test_what_was_refused_is_told_later(answer: Says, wait: timedelta) -> None:
    """Never an exception; not each minute anew, but when its pause is over."""
    desk = Desk(answer, MADE)
    assert desk.tell() is False
    assert len(desk.failures) == 1
    desk.clock.advance(wait.total_seconds() - 1)
    assert (desk.tell(), len(desk.wire.calls), len(desk.failures)) == (False, 1, 1)
    desk.clock.advance(1)
    assert desk.tell() is True
    assert (len(desk.wire.calls), desk.tell()) == (2, True)


@pytest.mark.parametrize("answer", [Says(503, {}), ZeroDivisionError("a bug")])
def test_what_got_no_answer_is_told_once_more(answer: Says | Exception) -> None:
    """It may be there already: twice is better than never, but not at once."""
    desk = Desk(answer, MADE)
    assert desk.tell() is False
    desk.clock.advance(3600 - 1)
    assert (desk.tell(), len(desk.wire.calls)) == (False, 1)
    desk.clock.advance(1)
    assert (desk.tell(), desk.tell(), len(desk.wire.calls)) == (True, True, 2)


def test_what_a_crashed_run_had_claimed_is_told_by_another() -> None:
    """A claim outlives its function by minutes, not for ever."""

    class Crash(BaseException):
        pass

    desk = Desk()

    def crash(_: Any) -> Says:
        raise Crash

    desk.wire.steps = [crash, MADE]
    with pytest.raises(Crash):
        desk.tell()
    desk.clock.advance(CLAIM.total_seconds() - 1)
    assert desk.tell() is False
    desk.clock.advance(1)
    assert desk.tell() is True


def test_two_runs_at_once_tell_it_once() -> None:
    """The row is written before the post: the second run leaves it to the first."""
    desk = Desk()
    seen: list[bool] = []

    def meanwhile(_: Any) -> Says:
        seen.append(desk.tell())
        return MADE

    desk.wire.steps = [meanwhile]
    assert (desk.tell(), seen, len(desk.wire.calls)) == (True, [False], 1)


@pytest.mark.parametrize("broken", [True, False])
def test_telling_never_raises(broken: bool) -> None:
    """Neither a table that cannot be reached nor a fault of ours stops what was under way for the connection."""
    desk = Desk(RuntimeError("bug"))
    desk.board.broken = broken
    assert desk.tell() is False
    assert len(desk.failures) == 1


def test_without_admin_nothing_is_remembered() -> None:
    """Who names an admin channel while the trouble lasts hears of it."""
    desk = Desk(admin="")
    assert desk.tell() is False
    assert (desk.wire.calls, desk.failures) == ([], [])
    desk.connection = connection(admin="finance")
    assert desk.tell() is True


def test_admin_that_is_not_there_is_a_failure() -> None:
    """A destination that was removed from the file: said in the log, tried again, not raised."""
    desk = Desk(admin="nobody")
    assert desk.tell() is False
    assert "nobody" in desk.failures[0]


LONG = "**x** [y](https://evil.example) <b>💥</b> {{DATE(2026-01-01T00:00:00Z)}} " * 400


@pytest.mark.parametrize(
    "each",
    [
        Notice("Title", "Text"),
        Notice("Title", "One.\nTwo.", {"Since": "9:00", "Nothing": ""}, "mlc auth zoho acme-eu"),
        Notice("Well again", "It works.", good=True),
        Notice(LONG, "\n".join([LONG] * 40), {f"{LONG} {n}": LONG for n in range(40)}, LONG),
        Notice("", ""),
    ],
)
def test_every_notice_is_a_card_that_teams_takes(each: Notice) -> None:
    """Valid against the schema (5.4) and within its size, whatever stands in it; markdown of others shows as it is."""
    content = notice.card(connection(admin="finance"), each)
    assert cards.problems(content) == []
    assert content["version"] == "1.5"
    assert len(json.dumps(content, ensure_ascii=False).encode()) <= MAX_BYTES
    assert not [text for text in texts(content) if "**x" in text or "{{" in text]


def test_no_notice_shows_a_secret() -> None:
    """What is planned holds no address and no token."""
    for admin in ("finance", "purchasing"):
        planned = notice.request(connection(admin=admin), Notice("t", "x"))
        assert not [secret for secret in SECRETS if secret in json.dumps(dict(planned.body)) + planned.url]
