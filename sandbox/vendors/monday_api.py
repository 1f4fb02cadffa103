"""What monday's queries and mutations do: the resolvers behind the schema. contracts: monday 3, 3.3, 3.4."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from graphql import GraphQLError

from sandbox.vendors import monday_columns as columns_of
from sandbox.vendors.monday_columns import BadValue
from sandbox.vendors.world import (
    MondayAccount,
    MondayBoard,
    MondayColumn,
    MondayGroup,
    MondayItem,
    MondayUser,
    World,
    iso,
)

VERSIONS = {
    "2026-04": "old_maintenance",
    "2026-07": "maintenance",
    "2026-10": "current",
    "2027-01": "release_candidate",
}
CURRENT, MAINTENANCE = "2026-10", "2026-07"
_KINDS = {"old_maintenance": "old__maintenance"}
_CURSOR_SECONDS = 3600
_CELLS_BYTES = 64 * 1024


def refuse(code: str, message: str, status: int = 200, **data: Any) -> GraphQLError:
    """An application error in the format of 2025-01 and later (contracts: monday 5.2 a)."""
    return GraphQLError(message, extensions={"code": code, "error_data": data, "status_code": status})


@dataclass
class Session:
    """One request of one user: the root value whose methods are the root fields."""

    world: World
    account: MondayAccount
    user: MondayUser
    version: str
    complexity: dict[str, int]
    now: float = field(init=False)

    def __post_init__(self) -> None:
        self.now = self.world.clock.now()

    # --- finding ------------------------------------------------------------------------------------------------

    def _board(self, board_id: Any) -> MondayBoard:
        board = self.world.monday.boards.get(str(board_id))
        if board is None or board.account_id != self.account.account_id or board.state == "deleted":
            raise refuse("InvalidBoardIdException", "This board does not exist or you have no access to it.")
        return board

    def _item(self, item_id: Any, board: MondayBoard | None = None) -> MondayItem:
        """An active item (of the board); what monday says of inactive ones is unpublished (contracts: monday 3.4)."""
        if item_id is None:
            raise refuse("InvalidArgumentException", "item_id is required.")
        item = self.world.monday.items.get(str(item_id))
        own = item is not None and self.world.monday.boards[item.board_id].account_id == self.account.account_id
        if item is None or not own or item.state != "active":
            raise refuse("ResourceNotFoundException", "Item not found.", item_id=str(item_id))
        if board is not None and item.board_id != board.board_id:
            raise refuse("InvalidArgumentException", "The item is not on this board.", item_id=str(item_id))
        return item

    def _column(self, board: MondayBoard, column_id: str) -> MondayColumn:
        column = board.columns.get(column_id)
        if column is None or column.archived:
            raise refuse("InvalidColumnIdException", f"This column ID doesn't exist: {column_id}", column_id=column_id)
        return column

    # --- queries ------------------------------------------------------------------------------------------------

    def boards(
        self, _info: Any, ids: list[str] | None = None, state: str = "active", limit: int = 25, page: int = 1, **_: Any
    ) -> Any:
        """An unknown board is left out, not an error."""
        own = [one for one in self.world.monday.boards.values() if one.account_id == self.account.account_id]
        wanted = [one for one in own if ids is None or one.board_id in set(map(str, ids))]
        shown = [one for one in wanted if state in ("all", one.state)]
        return [self._board_view(one) for one in shown[(page - 1) * limit : page * limit]]

    def items(
        self,
        _info: Any,
        ids: list[str] | None = None,
        limit: int = 25,
        page: int = 1,
        exclude_nonactive: bool = False,
        newest_first: bool = False,
    ) -> Any:
        """Known items, archived and deleted ones included; at most 100 ids and 100 per page."""
        if not ids or len(ids) > 100 or not 1 <= limit <= 100 or page < 1:
            raise refuse("InvalidArgumentException", "items takes 1 to 100 ids and a limit of at most 100.")
        found = [self.world.monday.items.get(str(one)) for one in dict.fromkeys(ids)]
        own = [one for one in found if one and self._owns(one) and (one.state == "active" or not exclude_nonactive)]
        own.sort(key=lambda one: int(one.id), reverse=newest_first)
        return [self._item_view(one) for one in own[(page - 1) * limit : page * limit]]

    def _owns(self, item: MondayItem) -> bool:
        return self.world.monday.boards[item.board_id].account_id == self.account.account_id

    def items_page_by_column_values(
        self,
        _info: Any,
        board_id: str,
        columns: list[dict[str, Any]] | None = None,
        cursor: str | None = None,
        limit: int = 25,
        **_: Any,
    ) -> Any:
        """Whole values, case ignored; columns ANDed, values ORed; active items only, after the index lag."""
        if not 1 <= limit <= 500:
            raise refuse("InvalidArgumentException", "limit must be between 1 and 500.")
        if (columns is None) == (cursor is None):
            raise refuse("InvalidArgumentException", "Send either columns or cursor.")
        if cursor is not None:
            return self._page(cursor, limit)
        board = self._board(board_id)
        wanted = []
        for one in columns or ():
            column = self._column(board, one["column_id"])
            if column.type in columns_of.NOT_SEARCHABLE or not columns_of.readable(column):
                raise refuse("InvalidArgumentException", f"Column type {column.type} is not supported by this query.")
            wanted.append((column, {str(value or "").casefold() for value in one["column_values"]}))
        found = [
            item.id
            for item in board.items.values()
            if item.state == "active"
            and item.at + self.account.index_lag <= self.now
            and all(columns_of.search_text(c, item.values.get(c.id)).casefold() in values for c, values in wanted)
        ]
        return self._first_page(found, limit)

    def next_items_page(self, _info: Any, cursor: str, limit: int = 25) -> Any:
        """The page after a cursor; a cursor lives 60 minutes from the first request."""
        if not 1 <= limit <= 500:
            raise refuse("InvalidArgumentException", "limit must be between 1 and 500.")
        return self._page(cursor, limit)

    def _first_page(self, ids: list[str], limit: int) -> Any:
        cursor = f"MSw{self.world.opaque(24)}"
        cursors = self.world.monday.cursors
        cursors[cursor] = {"ids": ids, "at": self.now}
        while len(cursors) > 1000:
            cursors.pop(next(iter(cursors)))
        return self._page(cursor, limit)

    def _page(self, cursor: str, limit: int) -> Any:
        kept = self.world.monday.cursors.pop(cursor, None)
        if kept is None or self.now - kept["at"] > _CURSOR_SECONDS:
            raise refuse("CursorException", "The cursor provided for pagination has expired.")
        page, rest = kept["ids"][:limit], kept["ids"][limit:]
        following = None
        if rest:
            following = f"MSw{self.world.opaque(24)}"
            self.world.monday.cursors[following] = {"ids": rest, "at": kept["at"]}
        return {"cursor": following, "items": [self._item_view(self.world.monday.items[one]) for one in page]}

    def me(self, _info: Any) -> Any:
        """The token's user."""
        user = self.user
        return {
            "id": user.user_id,
            "name": user.name,
            "email": user.email,
            "kind": "member",
            "status": "ACTIVE",
            "account": self.account_view(),
        }

    def account_view(self) -> dict[str, Any]:
        """The account."""
        one = self.account
        plan = {"max_users": 10, "period": "monthly", "tier": one.plan, "version": 1}
        return {"id": one.account_id, "name": one.slug.title(), "slug": one.slug, "tier": one.plan, "plan": plan}

    def versions(self, _info: Any) -> Any:
        """All versions of the API."""
        kinds = {value: _KINDS.get(kind, kind) for value, kind in VERSIONS.items()}
        return [{"value": value, "kind": kind, "display_name": kind.title()} for value, kind in kinds.items()]

    def version_view(self, _info: Any) -> Any:
        """The version that answers."""
        return next(one for one in self.versions(None) if one["value"] == self.version)

    # --- mutations: items ---------------------------------------------------------------------------------------

    def create_item(
        self,
        _info: Any,
        board_id: str,
        item_name: str,
        group_id: str | None = None,
        column_values: Any = None,
        create_labels_if_missing: bool = False,
        **_: Any,
    ) -> Any:
        """All values are checked before the item exists."""
        board = self._board(board_id)
        if board.state != "active":
            raise refuse("InvalidBoardIdException", "The board is archived.")
        self._name(item_name)
        live = [group for group in board.groups.values() if not group.archived and not group.deleted]
        group = next((one for one in live if group_id in (None, one.id)), None)
        if group is None:
            raise refuse("ResourceNotFoundException", "Group not found.", group_id=group_id)
        if len([one for one in board.items.values() if one.state == "active"]) >= board.items_limit:
            raise refuse("ItemsLimitationException", "The board has reached its limit of items.")
        values: dict[str, Any] = {}
        if column_values is not None:
            values, _rename = self._values(board, column_values, {}, create_labels_if_missing)
        item = MondayItem(
            str(2_000_000_000 + self.world.number()), board.board_id, group.id, item_name, self.now, self.now
        )
        item.values = values
        item.history.append(values)
        board.items[item.id] = self.world.monday.items[item.id] = item
        return self._item_view(item)

    def change_multiple_column_values(
        self,
        _info: Any,
        board_id: str,
        column_values: Any,
        item_id: str | None = None,
        create_labels_if_missing: bool = False,
    ) -> Any:
        """All values or none."""
        board = self._board(board_id)
        item = self._item(item_id, board)
        item.values, name = self._values(board, column_values, item.values, create_labels_if_missing)
        item.history.append(item.values)
        item.name = name or item.name
        item.updated_at = self.now
        return self._item_view(item)

    def change_column_value(
        self,
        _info: Any,
        board_id: str,
        column_id: str,
        value: Any,
        item_id: str | None = None,
        create_labels_if_missing: bool = False,
    ) -> Any:
        """One value in its JSON form, as a string of JSON."""
        board = self._board(board_id)
        item = self._item(item_id, board)
        column = self._column(board, column_id)
        item.values = self._set(item.values, column, self._json(value, "value"), create_labels_if_missing)
        item.updated_at = self.now
        return self._item_view(item)

    def change_simple_column_value(
        self,
        _info: Any,
        board_id: str,
        column_id: str,
        item_id: str | None = None,
        value: str | None = None,
        create_labels_if_missing: bool = False,
    ) -> Any:
        """One value as a plain string; the name is the column `name`."""
        board = self._board(board_id)
        item = self._item(item_id, board)
        if column_id == "name":
            self._name(value or "")
            item.name = value or ""
        else:
            column = self._column(board, column_id)
            try:
                kept = columns_of.simple(column, value or "", create_labels=create_labels_if_missing)
            except BadValue as bad:
                raise refuse(bad.code, str(bad), column_id=bad.column_id) from None
            item.values = _with(item.values, column_id, kept)
        item.updated_at = self.now
        return self._item_view(item)

    def _name(self, name: str) -> None:
        if not 1 <= len(name) <= 255:
            raise refuse("ItemNameTooLongException", "Item name must be between 1 and 255 characters.")

    def _json(self, given: Any, name: str) -> Any:
        """The scalar is JSON, but only a string holding JSON is taken (contracts: monday 0, fact 4)."""
        if not isinstance(given, str):
            raise refuse("ColumnValueException", f"{name} must be a JSON string.")
        try:
            return json.loads(given)
        except ValueError:
            raise refuse("INTERNAL_SERVER_ERROR", "Internal server error", 500) from None

    def _values(
        self, board: MondayBoard, given: Any, values: dict[str, Any], create: bool
    ) -> tuple[dict[str, Any], str | None]:
        wanted = self._json(given, "column_values")
        if not isinstance(wanted, dict):
            raise refuse("ColumnValueException", "column_values must hold an object of column ids.")
        name = None
        for column_id, value in wanted.items():
            if column_id == "name":
                self._name(value if isinstance(value, str) else "")
                name = value
                continue
            values = self._set(values, self._column(board, column_id), value, create)
        if len(json.dumps(values, ensure_ascii=False).encode()) > _CELLS_BYTES:
            raise refuse("ColumnValueException", "The column values of an item take 64 KB at most.")
        return values, name

    def _set(self, values: dict[str, Any], column: MondayColumn, value: Any, create: bool) -> dict[str, Any]:
        try:
            return _with(values, column.id, columns_of.write(column, value, create_labels=create))
        except BadValue as bad:
            raise refuse(bad.code, str(bad), column_id=bad.column_id) from None

    def archive_item(self, _info: Any, item_id: str | None = None) -> Any:
        """The item stays readable by id, with its state."""
        return self._retire(item_id, "archived")

    def delete_item(self, _info: Any, item_id: str | None = None) -> Any:
        """The item stays readable by id, with its state."""
        return self._retire(item_id, "deleted")

    def _retire(self, item_id: str | None, state: str) -> Any:
        item = self._item(item_id)
        item.state, item.updated_at = state, self.now
        return self._item_view(item)

    def create_update(self, _info: Any, body: str, item_id: str | None = None, **_: Any) -> Any:
        """A comment on an item; repeats add repeats."""
        item = self._item(item_id)
        if not body.strip():
            raise refuse("InvalidArgumentException", "body must not be empty.")
        update = {
            "id": str(3_000_000_000 + self.world.number()),
            "body": body,
            "text_body": re.sub(r"<[^>]+>", "", body),
            "creator_id": self.user.user_id,
            "created_at": iso(self.now),
            "updated_at": iso(self.now),
            "item_id": item.id,
        }
        item.updates.insert(0, update)
        return update

    # --- mutations: boards --------------------------------------------------------------------------------------

    def create_board(self, _info: Any, board_name: str, board_kind: str, **_: Any) -> Any:
        """`empty: true` spares the items only; default columns and a group come along (contracts: monday 3.1)."""
        wait = self.account.boards_created.take(self.now)
        if wait:
            raise refuse(
                "FIELD_MINUTE_RATE_LIMIT_EXCEEDED", "Minute limit exceeded", 429, retry_in_seconds=int(wait) + 1
            )
        if not 1 <= len(board_name) <= 255:
            raise refuse("InvalidArgumentException", "board_name must be between 1 and 255 characters.")
        board = MondayBoard(
            str(1_000_000_000 + self.world.number()), self.account.account_id, board_name, kind=board_kind, at=self.now
        )
        labels = [columns_of.status_label("Done", "done_green", 1, done=True)]
        labels.append(columns_of.status_label("Stuck", "stuck_red", 2))
        board.columns = {
            "person": MondayColumn("person", "Person", "people"),
            "status": MondayColumn("status", "Status", "status", {"labels": labels}),
            "date4": MondayColumn("date4", "Date", "date"),
        }
        board.groups = {"topics": MondayGroup("topics", "Group Title")}
        self.world.monday.boards[board.board_id] = board
        return self._board_view(board)

    def create_group(self, _info: Any, board_id: str, group_name: str, **_: Any) -> Any:
        """A new group at the top."""
        board = self._board(board_id)
        if not 1 <= len(group_name) <= 255:
            raise refuse("InvalidArgumentException", "group_name must be between 1 and 255 characters.")
        group = MondayGroup(f"group_mm{self.world.opaque(8)}", group_name)
        board.groups = {group.id: group, **board.groups}
        return _group_view(group)

    def create_column(
        self,
        _info: Any,
        board_id: str,
        title: str,
        column_type: str,
        id: str | None = None,
        defaults: Any = None,
        **_: Any,
    ) -> Any:
        """`defaults` is an object or a string holding one."""
        settings = self._json(defaults, "defaults") if isinstance(defaults, str) else defaults or {}
        if not isinstance(settings, dict):
            raise refuse("InvalidArgumentException", "defaults must be an object.")
        if column_type in ("status", "dropdown") and "labels" not in settings:
            settings = {**settings, "labels": []}
        return self._add_column(board_id, id, title, column_type, settings)

    def create_status_column(
        self, _info: Any, board_id: str, title: str, id: str | None = None, defaults: Any = None, **_: Any
    ) -> Any:
        """At most 40 labels of 30 characters, each colour and index once."""
        labels = (defaults or {}).get("labels", [])
        colours, indices = [one["color"] for one in labels], [one["index"] for one in labels]
        if len(labels) > 40 or any(not 1 <= len(one["label"]) <= 30 for one in labels):
            raise refuse("InvalidArgumentException", "A status column takes 40 labels of 1 to 30 characters.")
        if len(set(colours)) < len(labels) or len(set(indices)) < len(labels):
            raise refuse("InvalidArgumentException", "Each colour and each index may be used once.")
        made = [
            columns_of.status_label(one["label"], one["color"], one["index"], done=bool(one.get("is_done")))
            for one in labels
        ]
        return self._add_column(board_id, id, title, "status", {"labels": made})

    def create_dropdown_column(
        self, _info: Any, board_id: str, title: str, id: str | None = None, defaults: Any = None, **_: Any
    ) -> Any:
        """Labels get ids from 1."""
        given = dict(defaults or {})
        names = [one["label"] for one in given.get("labels", [])]
        if len(set(names)) < len(names) or "" in names:
            raise refuse("InvalidArgumentException", "Labels must differ and must not be empty.")
        given["labels"] = [
            {"id": number, "label": name, "is_deactivated": False} for number, name in enumerate(names, 1)
        ]
        return self._add_column(board_id, id, title, "dropdown", given)

    def _add_column(self, board_id: str, column_id: str | None, title: str, kind: str, settings: dict[str, Any]) -> Any:
        board = self._board(board_id)
        if column_id is not None and not re.fullmatch("[a-z_]{1,20}", column_id):
            raise refuse("InvalidColumnIdException", "A column id is 1 to 20 lower-case letters and underscores.")
        column_id = column_id or f"{kind}_mm{self.world.opaque(6)}"
        if column_id in board.columns or column_id == "name":
            raise refuse("InvalidColumnIdException", f"Column id {column_id} already exists.", column_id=column_id)
        if not 1 <= len(title) <= 255:
            raise refuse("InvalidArgumentException", "title must be between 1 and 255 characters.")
        board.columns[column_id] = MondayColumn(column_id, title, kind, settings)
        return _column_view(board.columns[column_id])

    # --- views --------------------------------------------------------------------------------------------------

    def _board_view(self, board: MondayBoard) -> dict[str, Any]:
        def columns(_info: Any, ids: list[str] | None = None, types: list[str] | None = None, **_: Any) -> Any:
            name = MondayColumn("name", "Name", "name")
            shown = [name, *board.columns.values()]
            return [
                _column_view(one)
                for one in shown
                if (ids is None or one.id in ids) and (types is None or one.type in types)
            ]

        def groups(_info: Any, ids: list[str] | None = None) -> Any:
            return [_group_view(one) for one in board.groups.values() if ids is None or one.id in ids]

        def items_page(_info: Any, limit: int = 25, cursor: str | None = None, **asked: Any) -> Any:
            if asked.get("query_params"):
                raise refuse("InvalidArgumentException", "The stand-in does not know query_params.")
            if not 1 <= limit <= 500:
                raise refuse("InvalidArgumentException", "limit must be between 1 and 500.")
            if cursor is not None:
                return self._page(cursor, limit)
            return self._first_page([one.id for one in board.items.values() if one.state == "active"], limit)

        return {
            "id": board.board_id,
            "name": board.name,
            "state": board.state,
            "board_kind": board.kind,
            "hierarchy_type": board.hierarchy_type,
            "items_count": lambda _info: len([one for one in board.items.values() if one.state == "active"]),
            "items_limit": board.items_limit,
            "permissions": "everyone",
            "workspace_id": None,
            "description": None,
            "url": f"https://{self.account.slug}.monday.com/boards/{board.board_id}",
            "updated_at": lambda _info: iso(max((one.updated_at for one in board.items.values()), default=board.at)),
            "columns": columns,
            "groups": groups,
            "items_page": items_page,
        }

    def _item_view(self, item: MondayItem) -> dict[str, Any]:
        board = self.world.monday.boards[item.board_id]

        def column_values(_info: Any, ids: list[str] | None = None, types: list[str] | None = None, **_: Any) -> Any:
            return [
                columns_of.view(one, item.values.get(one.id)) | {"column": _column_view(one)}
                for one in board.columns.values()
                if columns_of.readable(one) and (ids is None or one.id in ids) and (types is None or one.type in types)
            ]

        def updates(_info: Any, limit: int = 25, page: int = 1, **_: Any) -> Any:
            return item.updates[(page - 1) * limit : page * limit]

        return {
            "id": item.id,
            "name": item.name,
            "state": item.state,
            "board": lambda _info: self._board_view(board),
            "group": _group_view(board.groups[item.group_id]),
            "parent_item": None,
            "subitems": None,
            "created_at": iso(item.at),
            "updated_at": iso(item.updated_at),
            "creator_id": self.user.user_id,
            "url": f"https://{self.account.slug}.monday.com/boards/{board.board_id}/pulses/{item.id}",
            "column_values": column_values,
            "updates": updates,
        }

    def root(self) -> dict[str, Callable[..., Any] | Any]:
        """Root fields of Query and Mutation by name."""
        names = [
            "boards",
            "items",
            "items_page_by_column_values",
            "next_items_page",
            "me",
            "versions",
            "create_item",
            "change_multiple_column_values",
            "change_column_value",
            "change_simple_column_value",
            "archive_item",
            "delete_item",
            "create_update",
            "create_board",
            "create_group",
            "create_column",
            "create_status_column",
            "create_dropdown_column",
        ]
        fields: dict[str, Any] = {name: getattr(self, name) for name in names}
        total = daily_calls(self.account)
        fields["account"] = lambda _info: self.account_view()
        fields["version"] = self.version_view
        fields["complexity"] = lambda _info: self.complexity
        fields["platform_api"] = lambda _info: {"daily_limit": {"base": total, "total": total}}
        return fields


def _with(values: dict[str, Any], column_id: str, kept: Any) -> dict[str, Any]:
    rest = {key: value for key, value in values.items() if key != column_id}
    return rest if kept is None else {**rest, column_id: kept}


def _group_view(group: MondayGroup) -> dict[str, Any]:
    return {
        "id": group.id,
        "title": group.title,
        "archived": group.archived,
        "deleted": group.deleted,
        "color": "#579bfc",
        "position": "65536",
    }


def _column_view(column: MondayColumn) -> dict[str, Any]:
    return {
        "id": column.id,
        "title": column.title,
        "description": None,
        "type": column.type,
        "archived": column.archived,
        "settings": column.settings,
        "settings_str": json.dumps(column.settings),
        "revision": str(column.revision),
        "capabilities": {},
    }


# plan -> calls a day, calls a minute, calls in flight, complexity a minute of a personal token (contracts: monday 5.1)
PLANS = {
    "free": (200, 1000, 40, 1_000_000),
    "basic": (1000, 1000, 40, 10_000_000),
    "standard": (1000, 1000, 40, 10_000_000),
    "pro": (10_000, 2500, 100, 10_000_000),
    "enterprise": (25_000, 5000, 250, 10_000_000),
}


def daily_calls(account: MondayAccount) -> int:
    """The account's calls a day."""
    return account.calls_per_day if account.calls_per_day is not None else PLANS[account.plan][0]
