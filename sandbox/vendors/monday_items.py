"""monday's mutations of items, subitems and updates. contracts: monday 3, 3.1, 3.3, 3.4, 4."""

from __future__ import annotations

import json
from typing import Any

from graphql import GraphQLError

from sandbox.vendors import monday_columns as columns_of
from sandbox.vendors import monday_deeds as deeds
from sandbox.vendors.monday_columns import BadValue
from sandbox.vendors.monday_session import Fields, Session, refuse
from sandbox.vendors.monday_state import MondayBoard, MondayColumn, MondayGroup, MondayItem
from sandbox.vendors.monday_views import item_view, rolls_up
from sandbox.vendors.monday_webhooks import has_subitems

_CELLS_BYTES = 64 * 1024
_MOST_LEVELS = 5


def create_item(
    session: Session,
    _info: Any,
    board_id: str,
    item_name: str,
    group_id: str | None = None,
    column_values: Any = None,
    create_labels_if_missing: bool = False,
    **_: Any,
) -> Any:
    """All values are checked before the item exists."""
    board = session.board(board_id, change=True)
    if board.parent_board_id:
        raise refuse("InvalidArgumentException", "Use create_subitem for a board of subitems.", board_id=board_id)
    if board.state != "active":
        raise refuse("InvalidBoardIdException", "The board is archived.")
    check_name(item_name)
    group = find_group(board, group_id)
    _room(board)
    values = _new_values(session, board, column_values, create_labels_if_missing)
    return item_view(session, deeds.make_item(session.world, board, group, item_name, values, session.user_id))


def create_subitem(
    session: Session,
    _info: Any,
    parent_item_id: str,
    item_name: str,
    column_values: Any = None,
    create_labels_if_missing: bool = False,
) -> Any:
    """On the hidden board of a classic board, with the columns of that; on the board itself of a multi-level one."""
    parent = session.item(parent_item_id)
    home = session.board(parent.board_id, change=True)
    check_name(item_name)
    if not has_subitems(home):
        raise refuse("InvalidArgumentException", "The board has no subitems column.", board_id=home.board_id)
    if home.hierarchy_type == "multi_level":
        board, group = home, home.groups[parent.group_id]
        if _depth(session, parent) >= _MOST_LEVELS:
            raise refuse("InvalidArgumentException", f"Items nest {_MOST_LEVELS} levels deep at most.")
    else:
        board = session.board(home.subitem_board_id)
        group = next(iter(board.groups.values()))
    held = sum(session.world.monday.items[key].state == "active" for key in parent.subitem_ids)
    if held >= home.subitems_limit:
        raise refuse("ItemsLimitationException", "The item has reached its limit of subitems.")
    _room(board)
    values = _new_values(session, board, column_values, create_labels_if_missing)
    made = deeds.make_item(session.world, board, group, item_name, values, session.user_id, parent)
    return item_view(session, made)


def _depth(session: Session, item: MondayItem) -> int:
    above = session.world.monday.items.get(item.parent_id)
    return 1 + (_depth(session, above) if above else 0)


def find_group(board: MondayBoard, group_id: str | None) -> MondayGroup:
    """A live group of the board, by default the top one."""
    live = [group for group in board.groups.values() if not group.archived and not group.deleted]
    found = next((one for one in live if group_id in (None, one.id)), None)
    if found is None:
        raise refuse("ResourceNotFoundException", "Group not found.", group_id=group_id)
    return found


def _room(board: MondayBoard) -> None:
    if board.live() >= board.items_limit:
        raise refuse("ItemsLimitationException", "The board has reached its limit of items.")


def check_name(name: str) -> None:
    """1 to 255 characters."""
    if not 1 <= len(name) <= 255:
        raise refuse("ItemNameTooLongException", "Item name must be between 1 and 255 characters.")


def parsed(given: Any, name: str) -> Any:
    """The scalar is JSON, but only a string holding JSON is taken (contracts: monday 0, fact 4)."""
    if not isinstance(given, str):
        raise refuse("ColumnValueException", f"{name} must be a JSON string.")
    try:
        return json.loads(given)
    except ValueError:
        raise refuse("INTERNAL_SERVER_ERROR", "Internal server error", 500) from None


def refusal(bad: BadValue) -> GraphQLError:
    """A bad value in the words of the API."""
    return refuse(bad.code, str(bad), column_id=bad.column_id)


def _new_values(session: Session, board: MondayBoard, given: Any, create: bool) -> dict[str, Any]:
    if given is None:
        return {}
    values, _name = _values(session, board, None, given, create)
    return values


def _values(
    session: Session, board: MondayBoard, item: MondayItem | None, given: Any, create: bool
) -> tuple[dict[str, Any], str | None]:
    """The item's values after `given`, and its new name if that is among them. All of them or none."""
    wanted = parsed(given, "column_values")
    if not isinstance(wanted, dict):
        raise refuse("ColumnValueException", "column_values must hold an object of column ids.")
    values, name = dict(item.values) if item else {}, None
    for key, value in wanted.items():
        if key == "name":
            check_name(value if isinstance(value, str) else "")
            name = value
            continue
        values = _with(session, item, values, session.column(board, key), value, create)
    if len(json.dumps(values, ensure_ascii=False).encode()) > _CELLS_BYTES:
        raise refuse("ColumnValueException", "The column values of an item take 64 KB at most.")
    return values, name


def _with(
    session: Session, item: MondayItem | None, values: dict[str, Any], column: MondayColumn, value: Any, create: bool
) -> dict[str, Any]:
    try:
        kept = columns_of.write(column, value, create_labels=create, around=session.around)
    except BadValue as bad:
        raise refusal(bad) from None
    return _put(session, item, values, column, kept)


def _put(
    session: Session, item: MondayItem | None, values: dict[str, Any], column: MondayColumn, kept: Any
) -> dict[str, Any]:
    if item is not None and rolls_up(session, item, column):
        return values  # accepted, and nothing changes (contracts: monday 0, fact 10)
    rest = {key: value for key, value in values.items() if key != column.id}
    return rest if kept is None else {**rest, column.id: kept}


def change_multiple_column_values(
    session: Session,
    _info: Any,
    board_id: str,
    column_values: Any,
    item_id: str | None = None,
    create_labels_if_missing: bool = False,
) -> Any:
    """All values or none."""
    board = session.board(board_id, change=True)
    item = session.item(item_id, board)
    values, name = _values(session, board, item, column_values, create_labels_if_missing)
    deeds.set_values(session.world, item, values, session.user_id)
    if name is not None:
        deeds.rename(session.world, item, name, session.user_id)
    return item_view(session, item)


def change_column_value(
    session: Session,
    _info: Any,
    board_id: str,
    column_id: str,
    value: Any,
    item_id: str | None = None,
    create_labels_if_missing: bool = False,
) -> Any:
    """One value in its JSON form, as a string of JSON; board relations take the other two mutations only."""
    board = session.board(board_id, change=True)
    item = session.item(item_id, board)
    column = session.column(board, column_id)
    if column.type == "board_relation":
        raise refuse("CorrectedValueException", "Use change_multiple_column_values.", column_id=column_id)
    values = _with(session, item, item.values, column, parsed(value, "value"), create_labels_if_missing)
    deeds.set_values(session.world, item, values, session.user_id)
    return item_view(session, item)


def change_simple_column_value(
    session: Session,
    _info: Any,
    board_id: str,
    column_id: str,
    item_id: str | None = None,
    value: str | None = None,
    create_labels_if_missing: bool = False,
) -> Any:
    """One value as a plain string; the name is the column `name`."""
    board = session.board(board_id, change=True)
    item = session.item(item_id, board)
    if column_id == "name":
        check_name(value or "")
        deeds.rename(session.world, item, value or "", session.user_id)
        return item_view(session, item)
    column = session.column(board, column_id)
    try:
        kept = columns_of.simple(column, value or "", create_labels=create_labels_if_missing, around=session.around)
    except BadValue as bad:
        raise refusal(bad) from None
    deeds.set_values(session.world, item, _put(session, item, item.values, column, kept), session.user_id)
    return item_view(session, item)


def archive_item(session: Session, _info: Any, item_id: str | None = None) -> Any:
    """The item stays readable by id, with its state; its subitems go along."""
    return _retire(session, item_id, "archived")


def delete_item(session: Session, _info: Any, item_id: str | None = None) -> Any:
    """The item stays readable by id, with its state; its subitems go along."""
    return _retire(session, item_id, "deleted")


def _retire(session: Session, item_id: str | None, state: str) -> Any:
    item = session.item(item_id)
    deeds.retire(session.world, item, state, session.user_id)
    return item_view(session, item)


def move_item_to_group(session: Session, _info: Any, group_id: str, item_id: str | None = None) -> Any:
    """Within its board. Subitems of a classic board stay with their item."""
    item = session.item(item_id)
    if item.parent_id:
        raise refuse("InvalidArgumentException", "A subitem cannot be moved to a group.", item_id=item.id)
    group = find_group(session.board(item.board_id, change=True), group_id)
    deeds.move(session.world, item, group.id, session.user_id)
    return item_view(session, item)


def create_update(session: Session, _info: Any, body: str, item_id: str | None = None, **_: Any) -> Any:
    """A comment on an item; repeats add repeats."""
    item = session.item(item_id)
    if not body.strip():
        raise refuse("InvalidArgumentException", "body must not be empty.")
    return deeds.comment(session.world, item, body, session.user_id)


ITEM_MUTATIONS: Fields = {
    "create_item": (create_item, "boards:write"),
    "create_subitem": (create_subitem, "boards:write"),
    "change_multiple_column_values": (change_multiple_column_values, "boards:write"),
    "change_column_value": (change_column_value, "boards:write"),
    "change_simple_column_value": (change_simple_column_value, "boards:write"),
    "archive_item": (archive_item, "boards:write"),
    "delete_item": (delete_item, "boards:write"),
    "move_item_to_group": (move_item_to_group, "boards:write"),
    "create_update": (create_update, "updates:write"),
}
