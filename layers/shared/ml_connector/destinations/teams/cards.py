"""How one destination draws its records: the settings under `card`, the connection's place and day, what was there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from ml_connector.connections import Connection
from ml_connector.destinations.teams.card import Around, card, summary
from ml_connector.destinations.teams.reply import Reply, reply
from ml_connector.events import Event
from ml_connector.gathering import zone_of
from ml_connector.ports import Clock, Memory
from ml_connector.records import Record
from ml_connector.routing import destinations_for


class Cards:
    """Draws the cards of a destination with these settings."""

    def __init__(self, settings: Mapping[str, Any], connection: Connection, clock: Clock) -> None:
        self.settings = settings
        self.connection = connection
        self.clock = clock

    def card(self, event: Event, record: Record, memory: Memory, lines: int | None = None) -> dict[str, Any]:
        """`lines`: how many line items at most, in place of what the settings say."""
        look = self.settings.get("card", {})
        around = Around(
            look=look if lines is None else {**look, "lines": lines},
            today=today(self.connection, self.clock()),
            memory=memory,
            monday=monday_link(self.connection, event, record, memory),
        )
        return card(event, record, self.connection, around)

    def reply(self, event: Event, record: Record, memory: Memory, *, state: bool = False) -> Reply | None:
        """What to tell in the record's thread, unless that is nothing or not wanted. `state`: and how it is now."""
        look = self.settings.get("card", {})
        if not look.get("replies", True):
            return None
        line = self.line(event, record) if state else ""
        return reply(event, record, memory, self.connection, look, line)

    def line(self, event: Event, record: Record) -> str:
        """For the notification: plain text."""
        return summary(event, record, self.connection, self.settings.get("card"))


def today(connection: Connection, now: datetime) -> date:
    """The day that it is where the connection is."""
    return now.astimezone(zone_of(connection.time_zone)).date()


def monday_link(connection: Connection, event: Event, record: Record, memory: Memory) -> str:
    """The record's item on monday, if its row knows it by now; else the board that it is routed to; "" for none.

    When a record first arrives its item is being made at the same time. The board's address needs the account's name.
    """
    boards = {name: each for name, each in connection.destinations.items() if each["type"] == "monday"}
    for name in boards:
        if link := memory.links.get(name):
            return link
    routed = destinations_for(connection, event, record) if boards else ()
    for name, board in boards.items():
        if name in routed and board.get("account"):
            return f"https://{board['account']}.monday.com/boards/{board['board_id']}"
    return ""
