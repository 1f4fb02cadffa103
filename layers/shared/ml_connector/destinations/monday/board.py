"""A board as a destination: plans the requests, sends them, and looks whether an unanswered one took effect.

One request makes or changes the item (name, values, and its group if that is another one by now); where lines are
subitems, a second step brings these up to date (contracts: monday 6, docs/monday.md).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NoReturn
from uuid import NAMESPACE_URL, uuid5

from ml_connector.board_items import cut, external_id
from ml_connector.changes import changes
from ml_connector.connections import Connection
from ml_connector.destinations.monday import lines
from ml_connector.destinations.monday.columns import COVERED, NAME_LENGTH, Columns, facts
from ml_connector.destinations.monday.groups import group_of
from ml_connector.errors import Gone, NeedsAttention, RetryLater, Undeliverable, Unknown
from ml_connector.events import DELETED, Event
from ml_connector.modules import PAYMENTS
from ml_connector.ports import Clock, Memory, NothingThere, Receipt, Request
from ml_connector.records import Record
from ml_connector.rows import shown_of
from ml_connector.vendors import monday

KEY_LIVES = timedelta(minutes=25)
"""How long an unanswered create is repeated with its key; monday keeps answers for 30 minutes (6)."""
HEARD = ("webhook", "reconcile")
"""Origins of what Zoho tells by itself: it leaves alone what a person did to a status that Zoho has not changed since.
What people send again writes all."""
LINES_WITHIN = timedelta(seconds=25)
"""How long one attempt begins calls about lines; the rest is left to the next one: a function lives 90 s."""


class Monday:
    """A board as a destination."""

    def __init__(
        self, settings: Mapping[str, Any], connection: Connection, api: monday.MondayApi, clock: Clock
    ) -> None:
        self._settings = settings
        self._connection = connection
        self._api = api
        self._clock = clock
        self._board = str(settings["board_id"])
        self._id_column: str = settings["external_id_column"]
        self._columns = Columns(settings["columns"])
        self._status = self._columns.only("status")
        self._groups = settings.get("groups", {})
        # Connections applied before there were lines have none.
        self._lines = settings.get("lines") == "subitems"
        self._line_id: str = settings.get("line_id_column", "")
        self._line_columns = Columns(settings.get("line_columns", {}) if self._lines else {})
        self.covered = self._columns.within(COVERED) and self._line_columns.within(lines.COVERED - {"rate", "id"})

    # --- planning --------------------------------------------------------------------------------------------

    def plan(self, event: Event, record: Record, memory: Memory) -> Request:
        if record.module in PAYMENTS and self._settings.get("payments") == "invoice":
            raise NothingThere('payments are shown on the items of what they pay (payments = "invoice")')
        there = memory.external_id if memory.target in ("", self._board) else ""
        if event.action == DELETED:
            return self._mark(record, memory, there)
        if memory.step and there and self._has_lines(record):
            return self._subitems(event, record, memory, there)
        return self._update(event, record, memory, there) if there else self._create(event, record, memory)

    def _create(self, event: Event, record: Record, memory: Memory) -> Request:
        name = external_id(self._connection, record.module, record.id)
        key = uuid5(NAMESPACE_URL, f"ml-connector:{self._board}:{name}:create:{memory.generation}")
        variables = {
            **self._written(record),
            "name": item_name(record),
            "group": self._group(record.module, record.status) or None,
        }
        # Of what has just been made in Zoho no item can be there; else somebody may have lost our rows (6, layer 2).
        first = event.action == "created" and event.origin == "webhook" and not memory.generation and not memory.target
        more = self._has_lines(record)
        return self._request("create", monday.CREATE, variables, record, str(key), look=not first, more=more)

    def _update(self, event: Event, record: Record, memory: Memory, item: str) -> Request:
        heard = event.origin in HEARD
        kept = self._status.ids if heard and self._same_status(record, memory) else []
        variables = {**self._written(record, kept), "item": item, "name": item_name(record)}
        query, more = monday.UPDATE, self._has_lines(record) and not (heard and self._same_lines(record, memory))
        if group := self._moved(record, memory):
            query, variables = monday.change(renames=True, moves=True), {**variables, "group": group}
        return self._request("update", query, variables, record, more=more)

    def _mark(self, record: Record, memory: Memory, item: str) -> Request:
        """Sets the item's status and group and leaves all else as it was: of a deleted record nothing else is known."""
        values = self._status.values({"status": record.status}, record.title, "")
        group = self._moved(record, memory)
        if not item or not (values or group):
            raise NothingThere
        cols = lines.dumped(values or {self._id_column: external_id(self._connection, record.module, record.id)})
        variables = {"board": self._board, "item": item, "cols": cols, "labels": self._settings["create_labels"]}
        if not group:
            return self._request("update", monday.MARK, variables, record)
        return self._request("update", monday.change(renames=False, moves=True), {**variables, "group": group}, record)

    def _subitems(self, event: Event, record: Record, memory: Memory, item: str) -> Request:
        """The second step. Its body reads what is there and says beside it, in `lines`, what is to be."""
        columns = [self._line_id, *self._line_columns.ids]
        body = {
            "query": monday.LINES,
            "variables": {"parents": [item], "columns": columns},
            "lines": [list(each) for each in lines.wanted(record, self._line_columns)],
            "of": f"{event.version}#{memory.generation}",
        }
        shows = self._shows(record)
        return Request("update", "POST", monday.URL, body, target=self._board, about=record.title, shows=shows)

    def _written(self, record: Record, kept: Sequence[str] = ()) -> dict[str, Any]:
        """`kept` are columns that stay as they are."""
        name = external_id(self._connection, record.module, record.id)
        values = self._columns.values(facts(record, self._connection), record.title, record.currency)
        values = {column: value for column, value in values.items() if column not in kept}
        return {
            "board": self._board,
            "cols": lines.dumped({**values, self._id_column: name}),
            "labels": self._settings["create_labels"],
        }

    def _request(
        self,
        operation: str,
        query: str,
        variables: Mapping[str, Any],
        record: Record,
        key: str = "",
        *,
        look: bool = False,
        more: bool = False,
    ) -> Request:
        body = {"query": query, "variables": variables}
        about, shows = record.title, self._shows(record)
        return Request(
            operation, "POST", monday.URL, body, key, target=self._board, about=about, shows=shows, look=look, more=more
        )

    def _shows(self, record: Record) -> dict[str, str]:
        """With how the status was written, which the file may say otherwise by the next time."""
        shows = shown_of(record)
        return shows | {"shown": lines.dumped({**json.loads(shows["shown"]), "as": self._labelled(record)})}

    def _labelled(self, record: Record) -> str:
        """8 hex digits: which columns the status stands in, and what is written there."""
        values = self._status.values({"status": record.status}, record.title, "")
        return hashlib.sha256(lines.dumped(values).encode()).hexdigest()[:8]

    def _same_status(self, record: Record, memory: Memory) -> bool:
        """True if Zoho's status surely was what was written there last, in these words."""
        known = bool(record.status) and _status_there(memory) is not None
        return known and json.loads(memory.shown).get("as") == self._labelled(record)

    def _group(self, module: str, status: str) -> str:
        return group_of(self._groups, self._settings["group"], module, status)

    def _moved(self, record: Record, memory: Memory) -> str:
        """The group that the item must be put into; "" if it was put there already, wherever people have it now."""
        if not self._groups:
            return ""
        group = self._group(record.module, record.status)
        status = _status_there(memory)
        before = self._group(record.module, status) if status is not None else None
        return "" if group == before else group

    def _has_lines(self, record: Record) -> bool:
        # Without lines is what does not tell them: no document is without any.
        return self._lines and bool(record.lines)

    def _same_lines(self, record: Record, memory: Memory) -> bool:
        """True if the row surely speaks of these very lines."""
        known = memory.shown and memory.version and not memory.doubt and json.loads(memory.shown).get("lines")
        return bool(known) and "lines" not in changes(memory, record) and self._line_columns.within(lines.COVERED)

    # --- sending ---------------------------------------------------------------------------------------------

    def send(self, request: Request) -> Receipt:
        if "lines" in request.body:
            return self._send_lines(request)
        # Of what is made anew the archived one is none, should the search find that (6.3: nobody says).
        if request.look and (found := self._find(request, archived=self._settings.get("gone") == "leave")):
            # Its values are another version's: like a repeated answer, it is brought up to date next.
            return replace(found, replayed=True)
        return self._call(request)

    def _call(self, request: Request) -> Receipt:
        try:
            reply = self._api.call(request.body, idempotency_key=request.idempotency_key)
        except NeedsAttention:
            raise
        except Undeliverable as error:
            if request.operation == "update":
                try:
                    self._explain(request, str(request.body["variables"]["item"]))
                except RetryLater as unsaid:
                    unsaid.partly = error.partly
                    raise
            raise self._advised(error) from error
        item = reply.data.get("item")
        if not isinstance(item, dict) or not item.get("id"):
            # No item and no error either: the outcome is open (5.4).
            raise Unknown("monday answered without an item", status=reply.status)
        if request.operation == "update" and item.get("state", "active") != "active":
            self._removed(request, str(item["id"]), str(item["state"]))
        return Receipt(
            "created" if request.operation == "create" else "updated",
            external_id=str(item["id"]),
            link=str(item.get("url") or ""),
            status=reply.status,
            request_id=reply.request_id,
            replayed=reply.replayed,
        )

    def _send_lines(self, request: Request) -> Receipt:
        """Reads the subitems, then makes, changes and archives what differs; as much as one attempt has time for."""
        began = self._clock()
        (parent,) = request.body["variables"]["parents"]
        reply = self._api.call({name: request.body[name] for name in ("query", "variables")})
        item = next(iter(self._listed(reply)), None)
        if item is None:
            self._explain(request, parent)
            unsaid = f"monday shows neither the item nor that it is gone; was board {self._board} deleted?"
            raise RetryLater(f"{request.about}: {unsaid}", status=reply.status)
        if item.get("state", "active") != "active":
            self._removed(request, parent, str(item["state"]))
        steps = lines.compare(
            [lines.Wanted(*each) for each in request.body["lines"]],
            item.get("subitems") or (),
            self._line_id,
            self._line_columns,
        )
        calls = [*lines.calls(steps, parent, self._line_id, request.body["of"], labels=self._settings["create_labels"])]
        for number, call in enumerate(calls):
            if self._clock() - began > LINES_WITHIN:
                done = f"{number} of {len(calls)} calls"
                raise RetryLater(f"{request.about}: the item is there, and of its lines {done}; the rest follows", 1)
            try:
                reply = self._api.call(call.body, idempotency_key=call.key)
            except NeedsAttention:
                raise
            except Undeliverable as error:
                raise self._advised(error, _of_lines(error.reason)) from error
            if call.key and reply.replayed:
                # They have been made before, and are not there: not shown yet, or taken away since.
                raise RetryLater(f"{request.about}: lines that were made are not to be seen; looking once more", 60)
            if not all(reply.data.get(f"l{at}") for at in range(call.parts)):
                raise Unknown("monday did not say that all lines are there", status=reply.status)
        return Receipt("updated", parent, status=reply.status, request_id=reply.request_id)

    def _advised(self, error: Undeliverable, reason: str = "") -> Undeliverable:
        """The refusal with what to type when its cause is mended."""
        again = f"`mlc parked retry {self._connection.name} --all`"
        advised = Undeliverable(f"{reason or error.reason} Then send it again: {again}.", error.status)
        advised.partly, advised.request_id = error.partly, error.request_id
        return advised

    def _explain(self, request: Request, item_id: str) -> None:
        """Tells what a refused update means if the item is no longer on the board (6, procedure 1).

        With the board all its items are out of sight: that is no matter of the item's, and what was refused stands.
        """
        reply = self._api.call({"query": monday.STATE, "variables": {"ids": [item_id], "boards": [self._board]}})
        if not any(each.get("state") == "active" for each in self._listed(reply, "boards")):
            return
        item = next(iter(self._listed(reply)), None)
        if item is None or item.get("state") != "active":
            self._removed(request, item_id, str((item or {}).get("state") or "deleted"))
        if str((item.get("board") or {}).get("id") or self._board) != self._board:
            self._removed(request, item_id, "moved to another board")

    def _listed(self, reply: monday.Reply, name: str = "items") -> Sequence[Mapping[str, Any]]:
        found = reply.data.get(name)
        if not isinstance(found, list):
            # No list is no proof of absence.
            raise RetryLater("monday did not say whether the item is there", status=reply.status)
        return [each for each in found if isinstance(each, dict)]

    def _removed(self, request: Request, item_id: str, how: str) -> NoReturn:
        """What follows when a person has taken the item away: the setting `gone`.

        Of a deleted record no item is made again, and nothing need be told.
        """
        policy = self._settings.get("gone", "recreate")
        if policy == "recreate" or request.body["query"] in monday.MARKS:
            raise Gone(f"item {item_id} was {how} on the board")
        if policy == "leave":
            raise NothingThere(f'item {item_id} was {how} on the board, and is left so (gone = "leave")')
        raise Undeliverable(
            f"{request.about}: item {item_id} was {how} on the board. Restore it there and send this again "
            "(`mlc parked retry`), or drop it (`mlc parked drop`)"
        )

    # --- looking ---------------------------------------------------------------------------------------------

    def settle(self, request: Request, memory: Memory) -> Receipt | None:
        """Within 25 minutes the same key and body are sent again; after that the item is looked for (6.3).

        A create without a key was one of many (bulk_load.py), and is only looked for.
        """
        if request.target != self._board:
            return None
        age = self._clock() - datetime.fromisoformat(memory.first_attempt_at)
        if request.idempotency_key and age < KEY_LIVES:
            return self._call(request)
        found = self._find(request)
        if found and found.note:
            # One that was there before this create holds other values than it would have written.
            variables = {name: request.body["variables"][name] for name in ("board", "name", "cols", "labels")}
            self._api.call({"query": monday.UPDATE, "variables": {**variables, "item": found.external_id}})
        return found

    def _find(self, request: Request, *, archived: bool = True) -> Receipt | None:
        """The item with the record's external id. Of several the first made counts; the others are told."""
        wanted = json.loads(request.body["variables"]["cols"])[self._id_column]
        variables = {"board": self._board, "col": self._id_column, "val": wanted}
        reply = self._api.call({"query": monday.FIND, "variables": variables})
        page = reply.data.get("items_page_by_column_values")
        if not isinstance(page, dict) or not isinstance(page.get("items"), list):
            raise RetryLater("monday did not say whether the item is there", status=reply.status)
        # The search ignores case and matches whole values: compare exactly here.
        hits = [
            item
            for item in page["items"]
            if (archived or item.get("state", "active") == "active")
            and any(
                value.get("id") == self._id_column and value.get("text") == wanted for value in item["column_values"]
            )
        ]
        if not hits:
            return None
        first, *others = sorted(hits, key=lambda item: (item.get("state", "active") != "active", int(item["id"])))
        named = ", ".join(str(item["id"]) for item in others)
        return Receipt(
            "created",
            external_id=str(first["id"]),
            link=str(first.get("url") or ""),
            status=reply.status,
            note=f"also on the board with the same Zoho id: {named}" if others else "",
        )


def item_name(record: Record) -> str:
    """Document and party, 1 to 255 characters (3.3, 12)."""
    return cut(f"{record.title} · {record.party}" if record.party else record.title, NAME_LENGTH)


def _of_lines(reason: str) -> str:
    return (
        f"the item is there, its line items are not: {reason} If the board's subitems lack a column, "
        '`mlc monday board` makes it; or leave lines out of the file (lines = "none").'
    )


def _status_there(memory: Memory) -> str | None:
    """Zoho's status of which we wrote last; None if that is not sure."""
    if not memory.shown or not memory.version or memory.doubt:
        return None
    status: str = json.loads(memory.shown).get("status", "")
    return status
