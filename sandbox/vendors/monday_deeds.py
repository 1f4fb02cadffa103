"""What happens on a monday board, whoever does it: the API's mutations and the people before the board end here.

Each deed changes the state and tells the webhooks, with the user who did it. What is allowed is decided before.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sandbox.vendors import monday_webhooks as webhooks
from sandbox.vendors.monday_state import MondayBoard, MondayColumn, MondayGroup, MondayItem, subitem_board
from sandbox.vendors.world import World, iso


def make_item(
    world: World,
    board: MondayBoard,
    group: MondayGroup,
    name: str,
    values: Mapping[str, Any],
    user_id: str,
    parent: MondayItem | None = None,
) -> MondayItem:
    """A new item, or a new subitem of `parent`; `values` in the kept form."""
    now, state = world.clock.now(), world.monday
    item = MondayItem(str(2_000_000_000 + world.number()), board.board_id, group.id, name, now, now)
    item.values, item.creator_id = dict(values), user_id
    item.history.append(item.values)
    if parent is not None:
        item.parent_id = parent.id
        parent.subitem_ids.append(item.id)
    board.items[item.id] = state.items[item.id] = item
    webhooks.created(world, board, item, user_id)
    return item


def set_values(world: World, item: MondayItem, values: Mapping[str, Any], user_id: str) -> None:
    """Other values, in the kept form and whole. Webhooks hear of the cells that differ."""
    board, old = world.monday.boards[item.board_id], item.values
    item.values = dict(values)
    item.history.append(item.values)
    item.updated_at = world.clock.now()
    for key in sorted(old.keys() | values.keys()):
        if old.get(key) != values.get(key) and key in board.columns:
            webhooks.changed(world, board, item, board.columns[key], old.get(key), values.get(key), user_id)


def rename(world: World, item: MondayItem, name: str, user_id: str) -> None:
    """Another name."""
    old, item.name = item.name, name
    item.updated_at = world.clock.now()
    if old != name:
        webhooks.named(world, world.monday.boards[item.board_id], item, old, user_id)


def move(world: World, item: MondayItem, group_id: str, user_id: str) -> None:
    """Into another group of the board."""
    old, item.group_id = item.group_id, group_id
    item.updated_at = world.clock.now()
    if old != group_id:
        item.moved_from = old
        webhooks.moved(world, world.monday.boards[item.board_id], item, old, user_id)


def retire(world: World, item: MondayItem, state: str, user_id: str) -> None:
    """Archive or delete; the subitems go along, and webhooks hear of the item only (contracts: monday 3.1)."""
    _put(world, item, state, "active")
    webhooks.retired(world, world.monday.boards[item.board_id], item, user_id)


def restore(world: World, item: MondayItem, user_id: str) -> None:
    """Out of the archive or the bin, with the subitems that went along. Only people can (contracts: monday 3.4)."""
    _put(world, item, "active", item.state)
    webhooks.retired(world, world.monday.boards[item.board_id], item, user_id)


def _put(world: World, item: MondayItem, state: str, along: str) -> None:
    item.state, item.updated_at = state, world.clock.now()
    for key in item.subitem_ids:
        if world.monday.items[key].state == along:
            _put(world, world.monday.items[key], state, along)


def comment(world: World, item: MondayItem, body: str, user_id: str) -> dict[str, Any]:
    """An update on an item, as the API shows it."""
    now = iso(world.clock.now())
    update = {
        "id": str(3_000_000_000 + world.number()),
        "body": body,
        "text_body": re.sub(r"<[^>]+>", "", body),
        "creator_id": user_id,
        "created_at": now,
        "updated_at": now,
        "item_id": item.id,
    }
    item.updates.insert(0, update)
    webhooks.commented(world, world.monday.boards[item.board_id], item, update)
    return update


def add_column(world: World, board: MondayBoard, column: MondayColumn, user_id: str) -> MondayColumn:
    """A new column; one of subitems brings the hidden board, with the columns that monday gives it."""
    if column.type == "subtasks" and board.hierarchy_type == "classic":
        key = str(1_000_000_000 + world.number())
        hidden = subitem_board(board, key, world.clock.now(), column.id)
        board.columns[column.id].title = column.title
        for one in (
            MondayColumn("person", "Owner", "people"),
            MondayColumn("status", "Status", "status", {"labels": []}),
            MondayColumn("date0", "Date", "date"),
        ):
            hidden.columns[one.id] = one
        world.monday.boards[key] = hidden
    else:
        board.columns[column.id] = column
    webhooks.column_added(world, board, board.columns[column.id], user_id)
    return board.columns[column.id]


def drop_column(board: MondayBoard, column_id: str) -> MondayColumn:
    """The column and its cells are gone."""
    for item in board.items.values():
        item.values = {key: value for key, value in item.values.items() if key != column_id}
    return board.columns.pop(column_id)


def drop_label(column: MondayColumn, text: str) -> None:
    """A label that can no longer be chosen; cells that hold it keep it. Raises KeyError."""
    for label in column.settings.get("labels", ()):
        if label["label"] == text:
            label["is_deactivated"] = True
            column.revision += 1
            return
    raise KeyError(f"no label {text} in column {column.id}")
