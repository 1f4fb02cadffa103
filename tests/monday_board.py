"""A monday board in memory, by what the vendor contract says of it (contracts: monday 3.1, 5, 6); it knows no GraphQL.

Documents are told apart by their names; that they are valid is for tests/contract/test_monday_documents.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import requests

from ml_connector.connections import Connection
from ml_connector.delivery import Result
from ml_connector.destinations.monday import connect
from ml_connector.errors import RetryLater
from ml_connector.events import Delivery
from tests.fakes import Clock, Desk, Says, Wire, connection, delivery, monday_settings, toolbox

KEYS_LIVE = timedelta(minutes=30)
SLOW = timedelta(seconds=55)
"""How long a slow call takes: nearly as long as monday lets one (1)."""
LAG = timedelta(seconds=40)
"""How long the search does not find a new item."""
BOARD, LINES_BOARD = "1234567890", "12345678909"
OK = Says(200)


@dataclass
class Item:
    """An item or a subitem. `cells` as they were written; `history`: every state that it ever had."""

    id: str
    name: str
    group: str
    cells: dict[str, Any]
    made_at: datetime
    board: str = BOARD
    state: str = "active"
    lines: list[Item] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)

    def text(self, column: str) -> str:
        """A cell as monday reads it."""
        value = self.cells.get(column)
        if isinstance(value, dict):
            return str(value.get("label") or value.get("text") or value.get("date") or value.get("labels", [""])[0])
        return str(value or "")


class Board(Wire):
    """The way to monday. `answers` are those to the next calls: ok, or one of the troubles of `_trouble`."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(OK)
        self.clock = clock
        self.items: dict[str, Item] = {}
        self.kept: dict[str, tuple[datetime, Says]] = {}
        self.answers: list[str] = []
        self.asked: list[str] = []
        """Names of the documents, in the order in which they came."""
        self.widest = 0
        """The most mutations of one request."""
        self._ids = count(100)
        self._under_way: list[tuple[datetime, Callable[[], Says]]] = []

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        self.steps = [lambda _: self._answer(request)]
        return super().send(request, *args, **kwargs)

    def of(self, external_id: str) -> list[Item]:
        """What people see of a record."""
        return [each for each in self.items.values() if self._is(each, external_id) and each.state == "active"]

    def add(self, external_id: str, column: str = "zb_doc_id", **cells: Any) -> Item:
        """An item that was there before."""
        made = self._make("before", "", {column: external_id, **cells}, BOARD)
        made.made_at -= timedelta(days=1)
        self.items[made.id] = made
        return made

    @staticmethod
    def _is(item: Item, external_id: str) -> bool:
        return item.board == BOARD and external_id in item.cells.values()

    def _answer(self, request: requests.PreparedRequest) -> Says:
        body = json.loads(request.body or b"{}")
        query, variables = body["query"], body["variables"]
        name = query.split("(")[0].split()[1]
        self.asked.append(name)
        self.widest = max(self.widest, len(re.findall(r"^  l\d+:", query, re.M)))
        key = request.headers.get("Idempotency-Key", "")
        trouble = self.answers.pop(0) if self.answers else "ok"
        self.due()
        if early := _EARLY.get(trouble):
            return early()
        now = self.clock()
        if key in self.kept and now - self.kept[key][0] < KEYS_LIVE:
            kept = self.kept[key][1]
            answer = Says(kept.status, kept.body, {"Idempotency-Replayed": "true"})
        elif trouble == "slow" and query.startswith("mutation"):
            # It is done when its caller has given up; who asks with the key meanwhile is told to wait (6).
            if key:
                self.kept[key] = (now, _EARLY["running"]())
            self._under_way.append((now + SLOW, lambda: self._done(key, name, variables, query)))
            raise requests.ReadTimeout
        else:
            answer = getattr(self, f"_{name}")(variables, query, trouble)
            if key:
                self.kept[key] = (now, answer)
        return _late(trouble, answer)

    def _done(self, key: str, name: str, variables: dict[str, Any], query: str) -> Says:
        answer: Says = getattr(self, f"_{name}")(variables, query, "ok")
        if key:
            self.kept[key] = (self.kept[key][0], answer)
        return answer

    def due(self) -> None:
        """What is under way takes effect when its time has come."""
        ready = [each for at, each in self._under_way if at <= self.clock.now]
        self._under_way = [each for each in self._under_way if each[0] > self.clock.now]
        for each in ready:
            each()

    # --- what the documents do

    def _CreateRecord(self, asked: dict[str, Any], _: str, trouble: str) -> Says:  # noqa: N802
        if trouble == "refused":
            return _error("ColumnValueException")
        item = self._make(asked["name"], asked["group"] or "top", json.loads(asked["cols"]), BOARD)
        self.items[item.id] = item
        if trouble == "partial":
            return Says(200, {"data": {"item": {"id": item.id}}, "errors": [{"message": "half of it"}]})
        return _data(item={"id": item.id, "url": f"https://acme.monday.com/{item.id}"})

    def _UpdateRecord(self, asked: dict[str, Any], query: str, trouble: str) -> Says:  # noqa: N802
        item = self.items.get(asked["item"])
        if trouble == "refused" or item is None or (item.state != "active" and trouble != "quiet"):
            return _error("ResourceNotFoundException", item=None)
        if item.state == "active":
            item.cells |= json.loads(asked["cols"])
            item.name = asked.get("name", item.name)
            item.group = asked["group"] if "move_item_to_group" in query else item.group
            item.history.append(dict(item.cells))
        return _data(item={"id": item.id, "url": f"https://acme.monday.com/{item.id}", "state": item.state})

    _MarkRecord = _UpdateRecord

    def _FindByExternalId(self, asked: dict[str, Any], *_: str) -> Says:  # noqa: N802
        old = [each for each in self.items.values() if self.clock() - each.made_at >= LAG and each.state == "active"]
        hits = [each for each in old if each.text(asked["col"]).casefold() == asked["val"].casefold()]
        listed = [
            {"id": each.id, "url": "u", "state": each.state,
             "column_values": [{"id": asked["col"], "text": each.text(asked["col"])}]}
            for each in hits
        ]  # fmt: skip
        return _data(items_page_by_column_values={"items": listed})

    def _ItemsState(self, asked: dict[str, Any], *_: str) -> Says:  # noqa: N802
        return _data(items=[
            {"id": each, "state": self.items[each].state, "board": {"id": BOARD}}
            for each in asked["ids"] if each in self.items
        ], boards=[{"id": each, "state": "active"} for each in asked["boards"]])  # fmt: skip

    def _ExistingLines(self, asked: dict[str, Any], *_: str) -> Says:  # noqa: N802
        return _data(items=[
            {"id": item.id, "state": item.state, "subitems": [
                {"id": each.id, "name": each.name, "state": each.state, "board": {"id": LINES_BOARD},
                 "column_values": [{"id": one, "text": each.text(one)} for one in asked["columns"]]}
                for each in item.lines if each.state == "active"
            ]}
            for item in (self.items[each] for each in asked["parents"] if each in self.items)
        ])  # fmt: skip

    def _CreateLines(self, asked: dict[str, Any], _: str, trouble: str) -> Says:  # noqa: N802
        parent, made = self.items[asked["parent"]], {}
        if trouble == "refused":
            return _error("InvalidArgumentException")
        for at in _numbered(asked, "n"):
            if trouble == "half" and at:
                made[f"l{at}"] = None
                continue
            line = self._make(asked[f"n{at}"], "", json.loads(asked[f"c{at}"]), LINES_BOARD)
            parent.lines.append(line)
            self.items[line.id] = line
            made[f"l{at}"] = {"id": line.id}
        if trouble == "half":
            return Says(
                200, {"data": made, "errors": [{"message": "?", "extensions": {"code": "INTERNAL_SERVER_ERROR"}}]}
            )
        return _data(**made)

    def _ChangeLines(self, asked: dict[str, Any], query: str, _: str) -> Says:  # noqa: N802
        for at in _numbered(asked, "i"):
            item, value = self.items[asked[f"i{at}"]], asked.get(f"v{at}")
            if f"l{at}: archive_item" in query:
                item.state = "archived"
            elif f"l{at}: change_simple" in query:
                item.name = str(value)
            else:
                assert asked["board"] == LINES_BOARD
                item.cells |= json.loads(str(value))
        return _data(**{f"l{at}": {"id": asked[f"i{at}"]} for at in _numbered(asked, "i")})

    def _make(self, name: str, group: str, cells: dict[str, Any], board: str) -> Item:
        assert 1 <= len(name) <= 255, "ItemNameTooLongException"
        return Item(str(next(self._ids)), name, group, cells, self.clock(), board, history=[dict(cells)])


def _numbered(asked: dict[str, Any], letter: str) -> Iterator[int]:
    return iter(sorted(int(name[1:]) for name in asked if re.fullmatch(rf"{letter}\d+", name)))


def _data(**data: Any) -> Says:
    return Says(200, {"data": data, "extensions": {"request_id": "r"}})


def _error(code: str, **data: Any) -> Says:
    return Says(200, {"data": data, "errors": [{"message": "…", "extensions": {"code": code}}]})


def _lost() -> Says:
    raise requests.ReadTimeout


_EARLY: dict[str, Callable[[], Says]] = {
    "busy": lambda: Says(429, {"errors": [{"message": "?", "extensions": {"code": "RATE_LIMIT_EXCEEDED"}}]}),
    "locked": lambda: Says(423, {"errors": [{"message": "Resource is currently locked"}]}),
    "day": lambda: Says(429, {"errors": [{"message": "?", "extensions": {"code": "DAILY_LIMIT_EXCEEDED"}}]}),
    "running": lambda: Says(409, {"errors": [{"message": "?", "extensions": {"code": "IDEMPOTENCY_CONFLICT"}}]}),
    "broken before": lambda: Says(500, {"errors": [{"message": "?"}]}),
    "gateway before": lambda: Says(502, b"<html>"),
    "lost before": _lost,
    "credentials": lambda: Says(401, {"errors": ["Not Authenticated"]}),
}
"""What is answered before anything has happened."""
TROUBLES = (
    *_EARLY, "lost after", "gateway after", "broken after", "empty after", "slow", "refused", "partial", "half",
    "quiet",
)  # fmt: skip


def _late(trouble: str, answer: Says) -> Says:
    """What is answered although it has happened."""
    if trouble == "lost after":
        raise requests.ReadTimeout
    if trouble == "gateway after":
        return Says(504, b"")
    if trouble == "broken after":
        return Says(500, {"errors": [{"message": "?", "extensions": {"code": "INTERNAL_SERVER_ERROR"}}]})
    if trouble == "empty after":
        return Says(200, {"data": {"item": None}})
    return answer


# --- a courier to it ---------------------------------------------------------------------------

COLUMNS = {
    "line_no": {"from": "position", "type": "numbers"},
    "line_total": {"from": "total", "type": "numbers"},
}
OURS = "zb:20081234567:invoice:460000000098765"


def lines(*names: str, total: str = "10.00") -> list[dict[str, Any]]:
    return [{"line_item_id": f"id{each}", "name": each, "quantity": 1, "item_total": total} for each in names]


class Bookkeeping:
    """A board, and a courier to it."""

    def __init__(self, **settings: Any) -> None:
        file = {"lines": "subitems", "line_id_column": "line_id", "line_columns": COLUMNS, **settings}
        self.clock = Clock()
        self.board = Board(self.clock)
        self.linked: Connection = connection(destinations={"ledger": monday_settings(**file)})
        place = connect("ledger", self.linked.destinations["ledger"], self.linked, toolbox(self.board, self.clock))
        self.desk = Desk(self.clock, vendor=place)
        self.minute = 50

    def carry(self, action: str = "updated", *, origin: str = "webhook", **changes: Any) -> Result:
        """A newer version than the last one."""
        self.minute += 1
        return self.again(
            delivery(action=action, origin=origin, modified=f"2026-11-22T08:{self.minute}:00+0100", **changes)
        )

    def again(self, each: Delivery) -> Result:
        self.desk.books.records["invoice", each.event.record_id] = each.event.payload or {}
        return self.desk.courier().carry(each)

    def until_done(self, each: Delivery, at_most: int = 20) -> list[float]:
        """As the queue does: again after each wait."""
        waits: list[float] = []
        while len(waits) < at_most:
            try:
                self.again(each)
            except RetryLater as later:
                waits.append(later.after or 0)
                self.clock.advance(later.after or 0)
            else:
                return waits
        raise AssertionError(f"never done: {waits}")

    @property
    def item(self) -> Item:
        (found,) = self.board.of(OURS)
        return found

    @property
    def shown(self) -> list[tuple[str, str, str]]:
        """What people see: name, number and total of each line."""
        live = [each for each in self.item.lines if each.state == "active"]
        return [(each.name, each.cells["line_no"], each.cells["line_total"]) for each in live]
