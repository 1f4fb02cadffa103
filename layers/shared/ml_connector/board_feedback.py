"""What people do on a board, told by monday's webhooks: into the record's trail, and where wanted as a note in Zoho.

    item ─► its record, by the trail or its external id ── nobody's ─► ignored
      │
    by our own user, and what we wrote last ─► ignored, without a call
      │
    written already ─► its note is queued again, for that may have failed
      │
    read the item ── not as the call says (any more) ─► ignored: a later change tells of itself
      │
    written into the record's trail, once ─┬─ status, group ─► a note on the Zoho record (`feedback`)
                                           └─ taken away ────► made anew, left, or told (`gone`)

A call proves nothing (contracts: monday 7.3), so what it tells counts only as far as monday's API shows it. Two
webhooks may tell of one change, and each of them twice and late: a change is known by item, place, value and second.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Protocol

from ml_connector import feedback
from ml_connector.board_items import external_id, label_of, labels_of, record_of, status_of
from ml_connector.connections import Connection
from ml_connector.delivery import Result
from ml_connector.errors import RetryLater
from ml_connector.events import Delivery, Event, Version
from ml_connector.feedback import Feedback, Happening
from ml_connector.modules import MODULES
from ml_connector.notices import Notices
from ml_connector.ports import AuditEntry, Clock, Memory, Queue
from ml_connector.rows import MOVING, doubted
from ml_connector.sources.monday import ARCHIVED, DELETED, GROUP, RESTORED, STATUS
from ml_connector.times import stamp

CHANGED, IGNORED = "changed", "ignored"
_ANEW = 3
"""How many items of a record that were taken away within a day are made anew: an automation may do it to each."""
_LOOKED_AT = 50
"""Entries of one item that are looked through for its record."""


@dataclass(frozen=True, slots=True)
class Cell:
    """`id` is that of a status' label, "" if it has none."""

    text: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """An item as monday shows it now, and whose token asked. `state` of one that is not there is `deleted`."""

    me: str
    state: str
    board: str = ""
    group: str = ""
    url: str = ""
    cells: Mapping[str, Cell] = field(default_factory=dict)


class Board(Protocol):
    def seen(self, item: str, columns: Collection[str]) -> Seen:
        """Raises RetryLater, NeedsAttention or Undeliverable."""
        ...

    def user(self, identity: str) -> str:
        """A person's name; "" if the token may not ask."""
        ...


class Rows(Protocol):
    def read(self, record_key: str, destination: str) -> Memory: ...


class Trail(Protocol):
    def of_external_id(self, external_id: str) -> Iterable[AuditEntry]: ...

    def of_record(self, connection: str, module: str, record_id: str) -> Iterable[AuditEntry]: ...


@dataclass(frozen=True, slots=True)
class _Told:
    """What a webhook says (sources/monday.py)."""

    item: str
    action: str
    board: str
    column: str
    user: str
    at: str
    to: str
    to_id: str
    before: str

    @classmethod
    def of(cls, event: Event) -> _Told:
        payload = event.payload or {}
        texts = ("board", "column", "user", "at", "to", "to_id", "before")
        return cls(event.record_id, event.action, *(str(payload.get(name, "")) for name in texts))

    def as_shown(self, seen: Seen) -> _Told:
        """With the board's own word for the label, which a call names by its id and could call anything."""
        cell = seen.cells.get(self.column, Cell(""))
        return replace(self, to=cell.text) if self.to_id and cell.id == self.to_id else self

    @property
    def identity(self) -> str:
        what = json.dumps([self.item, self.action, self.column, self.to_id or self.to, self.at])
        return hashlib.sha256(what.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class _Place:
    """A record at a destination that is this board."""

    connection: Connection
    destination: str
    module: str
    record_id: str
    memory: Memory

    @property
    def settings(self) -> Mapping[str, Any]:
        return self.connection.destinations[self.destination]

    @property
    def external(self) -> str:
        return external_id(self.connection, self.module, self.record_id)

    @property
    def label(self) -> str:
        return f"{MODULES[self.module].label} {self.memory.number or self.record_id}"


@dataclass(frozen=True, slots=True)
class BoardFeedback:
    """`board` gives access to a destination's board, `us` the id of our own user there ("" if not known), `group_of`
    the group that a record belongs in (destinations/monday/groups.py).
    """

    rows: Rows
    trail: Trail
    feedback: Feedback
    board: Callable[[Connection, str], Board]
    us: Callable[[Connection, str], str]
    group_of: Callable[[Mapping[str, str], str, str, str], str]
    queue: Queue
    notices: Notices
    clock: Clock

    def step(self, connection: Connection, delivery: Delivery) -> Result:
        """Carries one webhook's message. Raises RetryLater, NeedsAttention or Undeliverable."""
        told = _Told.of(delivery.event)
        boards = {
            name: each
            for name, each in connection.destinations.items()
            if each["type"] == "monday" and str(each["board_id"]) == told.board
        }
        if not boards:
            return Result(IGNORED, "the board is none of this connection's (any more)")
        place = self._by_trail(connection, boards, told.item)
        if place and told.user and told.user == self.us(connection, told.board) and self._as_written(place, told):
            return Result(IGNORED, "our own change")
        if place and told.action in (STATUS, GROUP) and (entry := self._known(place, told)):
            # What follows may have failed when it was written, and the board may show something else by now.
            self._note(place, told, entry)
            return Result(IGNORED, "known already")
        name = place.destination if place else next(iter(boards))
        external = str(boards[name]["external_id_column"])
        seen = self.board(connection, name).seen(told.item, {external, told.column} - {""})
        named = seen.cells.get(external, Cell("")).text
        told = told.as_shown(seen)
        place = place or self._by_name(connection, boards, named, told.item)
        if place is None:
            return Result(IGNORED, "no item of ours")
        if seen.board not in ("", told.board) or named not in ("", place.external):
            return Result(IGNORED, "the item names another record, or is on another board")
        return self._changed(place, told, seen, delivery.event.correlation_id)

    # --- whose item it is --------------------------------------------------------------------------------------

    def _by_trail(self, connection: Connection, boards: Collection[str], item: str) -> _Place | None:
        for entry in islice(self.trail.of_external_id(item), _LOOKED_AT):
            if entry.connection == connection.name and entry.destination in boards and entry.module in MODULES:
                return self._place(connection, entry.destination, entry.module, entry.record_id)
        return None

    def _by_name(self, connection: Connection, boards: Collection[str], named: str, item: str) -> _Place | None:
        """By the external id on the board: the trail's index may lag."""
        record = record_of(connection, named)
        if record is None:
            return None
        places = [self._place(connection, name, *record) for name in boards]
        return next((each for each in places if each.memory.external_id == item), None)

    def _place(self, connection: Connection, destination: str, module: str, record_id: str) -> _Place:
        memory = self.rows.read(f"{connection.name}#{module}#{record_id}", destination)
        return _Place(connection, destination, module, record_id, memory)

    # --- whether it counts -------------------------------------------------------------------------------------

    def _changed(self, place: _Place, told: _Told, seen: Seen, call: str) -> Result:
        if told.action == RESTORED:
            why = "" if seen.state == "active" else "it is not on the board"
        elif told.action in (DELETED, ARCHIVED):
            why = "it is on the board" if seen.state == "active" else self._not_its_item(place, told)
        else:
            why = self._not_a_state(place, told, seen)
        if why:
            return Result(IGNORED, why)
        entry = self._written(place, told, seen, call)
        if told.action in (STATUS, GROUP):
            self._note(place, told, entry)
        elif told.action in (DELETED, ARCHIVED):
            self._gone(place, told, entry)
        elif self._catches_up(place, told):
            self._send_again(place, entry)
        return Result(CHANGED, entry.reason)

    def _not_its_item(self, place: _Place, told: _Told) -> str:
        return "" if place.memory.external_id == told.item else "another item stands for the record"

    def _not_a_state(self, place: _Place, told: _Told, seen: Seen) -> str:
        """Why a change of status or group is none of ours to tell; "" if it is."""
        if seen.state != "active":
            return "it is not on the board"
        if told.action == STATUS:
            column = place.settings["columns"].get(told.column, {})
            if column.get("type") != "status" or column.get("from") != "status":
                return "not a status of the mapping"
            now = seen.cells.get(told.column, Cell(""))
            same = now.id == told.to_id if now.id and told.to_id else now.text == told.to
        else:
            if not place.settings.get("groups"):
                return "groups say nothing about a record's state"
            same = seen.group == told.to_id
        if not same:
            return "it was changed again since"
        if why := self._not_its_item(place, told):
            return why
        if told.user != seen.me:
            return ""
        if self._as_written(place, told):
            return "our own change"
        if place.memory.state in MOVING:
            # It may be what is just being written: the row will say.
            raise RetryLater("a delivery of this record is under way", feedback.SOON)
        # An earlier one of ours, that somebody has set again since.
        return "our own change" if self._before_our_last(place, told) else ""

    def _before_our_last(self, place: _Place, told: _Told) -> bool:
        entries = self.trail.of_record(place.connection.name, place.module, place.record_id)
        ours = [each.at for each in entries if (each.destination, each.outcome) == (place.destination, "delivered")]
        return bool(ours) and told.at[:19] <= max(ours)[:19]

    def _as_written(self, place: _Place, told: _Told) -> bool:
        """Whether it is what our deliveries have put there last, as far as the row knows that (7.6)."""
        memory = place.memory
        status = status_of(memory)
        if told.action == GROUP:
            groups = place.settings.get("groups") or {}
            group = self.group_of(groups, place.settings.get("group", ""), place.module, status)
            return group in ("", told.to_id)
        if told.action != STATUS:
            return False
        if not status:
            # Nothing is known of what was written, or nothing was.
            return not told.to
        column = place.settings["columns"].get(told.column, {})
        label = label_of(status, labels_of(column))
        return told.to_id == str(label) if isinstance(label, int) else told.to == label

    # --- what comes of it --------------------------------------------------------------------------------------

    def _written(self, place: _Place, told: _Told, seen: Seen, call: str) -> AuditEntry:
        """The entry of it, written now or before."""
        if entry := self._known(place, told):
            return entry
        what = Happening(
            outcome=CHANGED,
            event=f"item.{told.action}",
            origin="monday",
            at=told.at,
            by=self._who(place, told),
            external_id=told.item,
            link=seen.url or place.memory.link,
            reason=_said(told),
            known_by=told.identity,
        )
        taken = told.action in (DELETED, ARCHIVED)
        anew = self._recreates(place, told) if taken else self._catches_up(place, told)
        where = (place.connection.name, place.module, place.record_id, place.destination)
        self.feedback.write(*where, what, call, doubted if anew else lambda memory: memory)
        if entry := self._known(place, told):
            return entry
        raise RetryLater("the record's row is not there yet", feedback.SOON)

    def _known(self, place: _Place, told: _Told) -> AuditEntry | None:
        where = (place.connection.name, place.module, place.record_id, place.destination)
        return self.feedback.known(*where, CHANGED, told.identity)

    def _who(self, place: _Place, told: _Told) -> str:
        if not told.user:
            return "an automation on monday"
        name = self.board(place.connection, place.destination).user(told.user)
        return f"{name or 'monday user'} ({told.user})"

    def _note(self, place: _Place, told: _Told, entry: AuditEntry) -> None:
        """Has the Zoho record noted. Said twice it is one delivery."""
        if not (name := place.settings.get("feedback")):
            return
        when = datetime.fromisoformat(told.at)
        text = f"{entry.by} changed the {_said(told)} on monday.com on {when:%Y-%m-%d at %H:%M} UTC."
        self.queue.send([feedback.note(entry, text, str(name))])

    def _recreates(self, place: _Place, told: _Told) -> bool:
        deleted = place.memory.version and place.memory.version.deletes
        wanted = place.settings.get("gone", "recreate") == "recreate" and not deleted
        return wanted and len(self._taken_before(place, told)) < _ANEW

    def _taken_before(self, place: _Place, told: _Told) -> set[str]:
        """The record's other items that were taken away within a day."""
        since = (self.clock() - timedelta(days=1)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {
            each.external_id
            for each in self.trail.of_record(place.connection.name, place.module, place.record_id)
            if each.destination == place.destination
            and each.event in (f"item.{DELETED}", f"item.{ARCHIVED}")
            and each.at > since
        } - {told.item}

    def _catches_up(self, place: _Place, told: _Told) -> bool:
        """Whether an item that is back may lack what has changed in Zoho while it was away, and was let go."""
        left = place.settings.get("gone") == "leave" and not (place.memory.version and place.memory.version.deletes)
        return told.action == RESTORED and left and not self._not_its_item(place, told)

    def _send_again(self, place: _Place, entry: AuditEntry) -> None:
        """Has Zoho's newest state put there."""
        now = stamp(self.clock())
        where = (place.connection.name, place.module, place.record_id, "updated", Version(now, ""), "monday", now)
        self.queue.send([Delivery(Event(*where, entry.correlation_id, None), place.destination)])

    def _gone(self, place: _Place, told: _Told, entry: AuditEntry) -> None:
        name, memory = place.connection.name, place.memory
        deleted = memory.version and memory.version.deletes
        policy = place.settings.get("gone", "recreate")
        if self._recreates(place, told):
            self._send_again(place, entry)
        elif policy != "leave" and not deleted:
            hint = "Restore the item on monday.com: until then, what changes in Zoho is parked."
            if policy == "recreate":
                hint = (
                    f"It was made anew {_ANEW} times today and is not any more, until it changes in Zoho: "
                    "look for an automation of the board that does it."
                )
            self.notices.tell(
                place.connection,
                f"item-{told.item}-{told.identity}",
                f"{place.label} was {told.action} on the board of {place.destination}",
                f"{entry.by} did it. {hint}",
                {"Item": told.item, "When": f"{told.at[:16].replace('T', ' ')} UTC"},
                f"mlc audit show {name} {told.item}",
            )


def _said(told: _Told) -> str:
    if told.action in (STATUS, GROUP):
        return f"{told.action} from {told.before or 'nothing'} to {told.to or 'nothing'}"
    return f"item {told.item} was {told.action}"
