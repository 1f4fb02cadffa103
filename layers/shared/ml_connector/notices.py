"""Telling people that one of them must act: a card to the connection's `admin` channel, once per matter.

claim the matter's row ── told already ──► True
     ├─ somebody is about it, or tries again later ──► False
post ── a refusal ─► open again after PAUSE
     ├─ no answer ─► open again after AGAIN: a card twice is better than none, but not every minute
     └─ posted ────► told, for as long as the row lives
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Literal, Protocol

from ml_connector.connections import Connection
from ml_connector.errors import RetryLater, Undeliverable, Unknown
from ml_connector.ports import Clock, Destinations, Request

KEPT = timedelta(days=35)
"""For how long a matter counts as told: longer than any that is named by its month."""
CLAIM = timedelta(minutes=10)
"""For how long one teller has a matter to itself: longer than any function may run."""
PAUSE = timedelta(minutes=5)
"""After a refusal, at least."""
AGAIN = timedelta(hours=1)
"""After a post that may be there."""

Claim = Literal["mine", "busy", "told"]


@dataclass(frozen=True, slots=True)
class Notice:
    """What is told. `command` is what to type; `good` says that a trouble is over."""

    title: str
    text: str
    facts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    command: str = ""
    good: bool = False


class Board(Protocol):
    """One row per matter. Times are whole seconds since 1970."""

    def claim(self, connection: str, key: str, *, now: int, until: int, expires_at: int) -> Claim:
        """`mine`: nobody else tells it until `until`."""
        ...

    def close(self, connection: str, key: str, *, again_at: int | None, expires_at: int) -> None:
        """Ends a claim: told, or to be tried again at `again_at`."""
        ...


@dataclass(frozen=True, slots=True)
class Notices:
    """`render` makes the admin destination's request of a notice; `failed` hears why one could not be told."""

    board: Board
    destinations: Destinations
    render: Callable[[Connection, Notice], Request]
    clock: Clock
    failed: Callable[[Connection, str, Exception], None]

    def tell(
        self,
        connection: Connection,
        key: str,
        title: str,
        text: str,
        facts: Mapping[str, str] = MappingProxyType({}),
        command: str = "",
        *,
        good: bool = False,
    ) -> bool:
        """True once the matter `key` is told. False if not (yet): the next run tries again. Never raises.

        Without an admin channel nobody is told, and nothing is remembered: whoever names one later hears of what is
        still open.
        """
        if not connection.admin:
            return False
        try:
            return self._tell(connection, key, Notice(title, text, facts, command, good))
        except Exception as error:
            # What the caller does for its connection must not fail because nobody could be told.
            self.failed(connection, key, error)
            return False

    def _tell(self, connection: Connection, key: str, notice: Notice) -> bool:
        now = self.clock()
        expires = _seconds(now + KEPT)
        claim = self.board.claim(
            connection.name, key, now=_seconds(now), until=_seconds(now + CLAIM), expires_at=expires
        )
        if claim != "mine":
            return claim == "told"
        try:
            self.destinations.destination(connection, connection.admin).send(self.render(connection, notice))
        except Exception as error:
            again = _seconds(now + _wait(error))
            self.board.close(connection.name, key, again_at=again, expires_at=expires)
            raise
        self.board.close(connection.name, key, again_at=None, expires_at=expires)
        return True


def _wait(error: Exception) -> timedelta:
    if isinstance(error, Unknown) or not isinstance(error, RetryLater | Undeliverable):
        return AGAIN
    return max(timedelta(seconds=getattr(error, "after", None) or 0), PAUSE)


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
