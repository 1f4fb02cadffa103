"""A person's reply to one of our cards acknowledges its record; its text is read by nobody and kept nowhere.

A reply belongs to the record whose card began the thread: the audit trail knows the card by its message id. Ids are
times and so not unique; connection, app, destination and channel must be the card's, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

from ml_connector import gathering
from ml_connector.connections import Connection
from ml_connector.errors import RetryLater, Undeliverable
from ml_connector.feedback import Feedback, Happening
from ml_connector.ports import AuditEntry, Connections
from ml_connector.sources.graph import Place
from ml_connector.watches import at_channel, same_app

ACKNOWLEDGED = "acknowledged"
YOUNG = 600.0
"""Seconds from its thread's beginning in which a reply waits for the card's entry: a post that got no answer is looked
for after a minute."""
SHOWN = 60.0
"""Seconds after which Graph is believed that it does not have a reply (contracts: microsoft-teams 8.3)."""
LOOKED_AT = 50
"""Entries of one message id: that of a digest has one for each of its records, its own among the first."""


class Trail(Protocol):
    def of_external_id(self, external_id: str) -> Iterable[AuditEntry]: ...


class Graph(Protocol):
    def message(
        self, connection: str, team_id: str, channel_id: str, root: str, message_id: str
    ) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Replies:
    """`account` gives the user id of a connection's service account, "" if it has none."""

    connections: Connections
    trail: Trail
    graph: Graph
    feedback: Feedback
    account: Callable[[str], str]

    def heard(self, connection: Connection, place: Place, call: str) -> str:
        """Of a reply that Graph tells of: why it is nobody's acknowledgement, or "" if it was recorded.

        Raises RetryLater, also while the card may not be known yet; Undeliverable where the app may not read it.
        """
        if self._known(connection, place):
            return "known already"
        card = self._card(connection, place)
        if card is None:
            return self._nobodys(place)
        try:
            message = self.graph.message(card.connection, place.team, place.channel, place.root, place.message)
        except Undeliverable as error:
            if error.status != 404:
                raise
            if self._age(place.message) < SHOWN:
                raise RetryLater("Graph does not show the reply, or not yet", SHOWN) from error
            return "it was removed"
        return self._record(card, place, message, call)

    def seen(self, connection: Connection, place: Place, message: Mapping[str, Any]) -> bool:
        """Of a reply that was found by reading: True if it was recorded, and was not before."""
        if not place.root or not place.message or not _author(message) or self._known(connection, place):
            return False
        card = self._card(connection, place)
        return card is not None and not self._record(card, place, message, "resync")

    def _record(self, card: AuditEntry, place: Place, message: Mapping[str, Any], call: str) -> str:
        author = _author(message)
        if not author:
            return "written by an app"
        if author.get("id") and author["id"] == self.account(card.connection):
            return "written by the service account"
        if message.get("deletedDateTime") or message.get("messageType", "message") != "message":
            return "it was removed, or is none"
        what = Happening(
            outcome=ACKNOWLEDGED,
            event="reply",
            origin="teams",
            at=str(message.get("createdDateTime", "")),
            by=f"{author.get('displayName') or 'somebody'}" + (f" ({author['id']})" if author.get("id") else ""),
            external_id=place.message,
            link=str(message.get("webUrl") or ""),
        )
        written = self.feedback.write(card.connection, card.module, card.record_id, card.destination, what, call)
        return "" if written else "known already"

    def _nobodys(self, place: Place) -> str:
        """A reply may be faster than the card's entry: while its thread is young, it is not let go."""
        age = self._age(place.root)
        if age < YOUNG:
            raise RetryLater("no card is known that it replies to, or not yet", max(10.0, age))
        return "a reply to something else"

    def _age(self, message_id: str) -> float:
        """Seconds since a message was posted: its id is the time, in ms. Of another id, as of one long ago."""
        posted = int(message_id) / 1000 if message_id.isdecimal() else 0.0
        return abs(self.feedback.clock().timestamp() - posted)

    def _known(self, connection: Connection, place: Place) -> bool:
        """Whether it is in a trail: one of our own replies, or an acknowledgement. The trail's index may lag."""
        found = islice(self.trail.of_external_id(place.message), LOOKED_AT)
        return any(self._at(connection, place, entry) for entry in found)

    def _card(self, connection: Connection, place: Place) -> AuditEntry | None:
        """The entry of the card that began the thread."""
        found = islice(self.trail.of_external_id(place.root), LOOKED_AT)
        ours = [each for each in found if each.outcome != ACKNOWLEDGED and self._at(connection, place, each)]
        return next((each for each in ours if each.module == gathering.MODULE), ours[0] if ours else None)

    def _at(self, connection: Connection, place: Place, entry: AuditEntry) -> bool:
        """Whether an entry tells of this channel, as this app sees it."""
        owner = connection if entry.connection == connection.name else self.connections.connection(entry.connection)
        if owner is None or not same_app(owner, connection):
            return False
        return entry.destination in at_channel(owner, place.channel)


def _author(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """The person who wrote it; empty for an app's message."""
    sender = message.get("from")
    user = sender.get("user") if isinstance(sender, dict) else None
    return user if isinstance(user, dict) else {}
