"""Boards, groups, columns and items as GraphQL shows them. contracts: monday 3, 4."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from sandbox.vendors import monday_columns as columns_of
from sandbox.vendors.monday_pages import first_page, next_page
from sandbox.vendors.monday_session import Session, refuse
from sandbox.vendors.monday_state import SUBITEMS, MondayBoard, MondayColumn, MondayGroup, MondayItem
from sandbox.vendors.world import iso


def group_view(session: Session, board: MondayBoard, group: MondayGroup) -> dict[str, Any]:
    """A group."""
    return {
        "id": group.id,
        "title": group.title,
        "archived": group.archived,
        "deleted": group.deleted,
        "color": group.color,
        "position": str(65_536 * (1 + list(board.groups).index(group.id))),
        "items_page": lambda _info, **asked: _items_page(session, board, asked, group.id),
    }


def column_view(column: MondayColumn) -> dict[str, Any]:
    """A column; `settings_str` is the deprecated twin of `settings`."""
    calculated = {"function": column.calculated, "calculated_type": column.type} if column.calculated else None
    return {
        "id": column.id,
        "title": column.title,
        "description": None,
        "type": column.type,
        "archived": column.archived,
        "settings": column.settings,
        "settings_str": json.dumps(column.settings),
        "revision": str(column.revision),
        "capabilities": {"calculated": calculated},
    }


def board_view(session: Session, board: MondayBoard) -> dict[str, Any]:
    """A board."""

    def columns(_info: Any, ids: list[str] | None = None, types: list[str] | None = None, **_: Any) -> Any:
        shown = [MondayColumn("name", "Name", "name"), *board.columns.values()]
        return [
            column_view(one) for one in shown if (ids is None or one.id in ids) and (types is None or one.type in types)
        ]

    def groups(_info: Any, ids: list[str] | None = None) -> Any:
        shown = [one for one in board.groups.values() if not one.deleted]
        return [group_view(session, board, one) for one in shown if ids is None or one.id in ids]

    return {
        "id": board.board_id,
        "name": board.name,
        "state": board.state,
        "type": "sub_items_board" if board.parent_board_id else "board",
        "board_kind": board.kind,
        "hierarchy_type": board.hierarchy_type,
        "items_count": lambda _info: board.live(),
        "items_limit": board.items_limit,
        "permissions": "collaborators" if board.editors else "everyone",
        "access_level": "view" if board.editors and session.user_id not in board.editors else "edit",
        "workspace_id": None,
        "description": None,
        "url": f"https://{session.account.slug}.monday.com/boards/{board.board_id}",
        "updated_at": lambda _info: iso(max((one.updated_at for one in board.items.values()), default=board.at)),
        "columns": columns,
        "groups": groups,
        "top_group": lambda _info: group_view(session, board, next(iter(board.groups.values()))),
        "items_page": lambda _info, **asked: _items_page(session, board, asked),
    }


def _items_page(session: Session, board: MondayBoard, asked: dict[str, Any], group_id: str = "") -> Any:
    """The first page by `query_params`, or the one after `cursor`: not both."""
    if asked.get("cursor") is not None:
        if asked.get("query_params"):
            raise refuse("InvalidArgumentException", "Send either query_params or cursor.")
        return page_view(session, next_page(session, asked["cursor"], asked["limit"]))
    return page_view(session, first_page(session, board, asked["limit"], asked.get("query_params"), group_id))


def page_view(session: Session, page: tuple[str | None, list[MondayItem]]) -> dict[str, Any]:
    """A page of items with the cursor of the next."""
    return {"cursor": page[0], "items": [item_view(session, one) for one in page[1]]}


def _lines(session: Session, item: MondayItem) -> list[MondayItem]:
    found = [session.world.monday.items[key] for key in item.subitem_ids]
    return [one for one in found if one.state == "active"]


def item_view(session: Session, item: MondayItem) -> dict[str, Any]:
    """An item. Its `subitems` are the active ones, which is assumed."""
    board = session.world.monday.boards[item.board_id]

    def column_values(
        _info: Any,
        ids: list[str] | None = None,
        types: list[str] | None = None,
        capabilities: list[str] | None = None,
        **_: Any,
    ) -> Any:
        cells = []
        for one in board.columns.values():
            asked = (ids is None or one.id in ids) and (types is None or one.type in types)
            if asked and columns_of.readable(one) and not one.archived:
                cell = _cell(session, board, item, one, capabilities or ())
                cells += [cell | {"column": column_view(one)}] if cell else []
        return cells

    def parent(_info: Any) -> Any:
        return item_view(session, session.world.monday.items[item.parent_id]) if item.parent_id else None

    return {
        "id": item.id,
        "name": item.name,
        "state": item.state,
        "board": lambda _info: board_view(session, board),
        "group": lambda _info: group_view(session, board, board.groups[item.group_id]),
        "parent_item": parent,
        "subitems": lambda _info: [item_view(session, one) for one in _lines(session, item)],
        "created_at": iso(item.at),
        "updated_at": iso(item.updated_at),
        "creator_id": item.creator_id,
        "url": f"https://{session.account.slug}.monday.com/boards/{board.board_id}/pulses/{item.id}",
        "column_values": column_values,
        "updates": lambda _info, limit=25, page=1, **_: item.updates[(page - 1) * limit : page * limit],
    }


def rolls_up(session: Session, item: MondayItem, column: MondayColumn) -> bool:
    """Whether the cell shows what the item's subitems hold: on multi-level boards, of a parent (4)."""
    return column.calculated not in ("", "NONE") and bool(_lines(session, item))


def _cell(
    session: Session, board: MondayBoard, item: MondayItem, column: MondayColumn, capabilities: Any
) -> dict[str, Any] | None:
    if column.type == SUBITEMS:
        lines = _lines(session, item)
        views = [item_view(session, one) for one in lines]
        return columns_of.view(column, None) | {
            "is_leaf": not lines,
            "subitems_ids": [one.id for one in lines],
            "subitems": views,
            "display_value": ", ".join(one.name for one in lines),
        }
    if board.hierarchy_type != "multi_level" or not rolls_up(session, item, column):
        return columns_of.view(column, item.values.get(column.id), item)
    held = [one.values[column.id] for one in _lines(session, item) if column.id in one.values]
    if column.type == "status":
        counts = [{"key": str(key), "count": held.count(key)} for key in dict.fromkeys(held)]
        empty = columns_of.view(column, None)
        return empty | {"__typename": "BatteryValue", "battery_value": counts, "is_leaf": False}
    if "CALCULATED" not in capabilities:
        return None
    kept: Any = None
    if held:
        kept = str(sum(map(Decimal, held))) if column.type == "numbers" else max(held, key=lambda one: str(one["date"]))
    return columns_of.view(column, kept) | {"is_leaf": False}
