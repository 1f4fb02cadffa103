"""monday's mutations of boards, groups, columns and webhooks. contracts: monday 3, 3.1 (provisioning), 3.3, 4, 7.1."""

from __future__ import annotations

import json
import re
from typing import Any

from sandbox.vendors import monday_columns as columns_of
from sandbox.vendors import monday_deeds as deeds
from sandbox.vendors import monday_webhooks
from sandbox.vendors.monday_items import parsed
from sandbox.vendors.monday_session import Fields, Session, refuse
from sandbox.vendors.monday_state import MondayBoard, MondayColumn, MondayGroup, MondayWebhook
from sandbox.vendors.monday_views import board_view, column_view, group_view

_ROLL_UPS = {"numbers": "SUM", "status": "COUNT_KEYS", "date": "MAX"}

# --- boards -----------------------------------------------------------------------------------------------------


def create_board(session: Session, _info: Any, board_name: str, board_kind: str, **_: Any) -> Any:
    """`empty: true` spares the items only; default columns and a group come along (contracts: monday 3.1)."""
    wait = session.account.boards_created.take(session.now)
    if wait:
        raise refuse("FIELD_MINUTE_RATE_LIMIT_EXCEEDED", "Minute limit exceeded", 429, retry_in_seconds=int(wait) + 1)
    _check_text(board_name, "board_name")
    board = MondayBoard(
        str(1_000_000_000 + session.world.number()),
        session.account.account_id,
        board_name,
        kind=board_kind,
        at=session.now,
    )
    labels = [columns_of.status_label("Done", "done_green", 1, done=True)]
    labels.append(columns_of.status_label("Stuck", "stuck_red", 2))
    board.columns = {
        "person": MondayColumn("person", "Person", "people"),
        "status": MondayColumn("status", "Status", "status", {"labels": labels}),
        "date4": MondayColumn("date4", "Date", "date"),
    }
    board.groups = {"topics": MondayGroup("topics", "Group Title")}
    session.world.monday.boards[board.board_id] = board
    return board_view(session, board)


def archive_board(session: Session, _info: Any, board_id: str) -> Any:
    """Readable, no longer writable."""
    return _retire(session, board_id, "archived")


def delete_board(session: Session, _info: Any, board_id: str) -> Any:
    """Gone for the API."""
    return _retire(session, board_id, "deleted")


def _retire(session: Session, board_id: str, state: str) -> Any:
    board = session.board(board_id, change=True)
    board.state = state
    return board_view(session, board)


def _check_text(text: str, name: str) -> None:
    if not 1 <= len(text) <= 255:
        raise refuse("InvalidArgumentException", f"{name} must be between 1 and 255 characters.")


# --- groups -----------------------------------------------------------------------------------------------------


def create_group(
    session: Session,
    _info: Any,
    board_id: str,
    group_name: str,
    group_color: str | None = None,
    position_relative_method: str | None = None,
    relative_to: str | None = None,
    **_: Any,
) -> Any:
    """A new group, at the top or beside another one. The id is monday's to choose."""
    board = session.board(board_id, change=True)
    _check_text(group_name, "group_name")
    if relative_to is not None and relative_to not in board.groups:
        raise refuse("ResourceNotFoundException", "Group not found.", group_id=relative_to)
    group = MondayGroup(f"group_mm{session.world.opaque(8)}", group_name)
    group.color = group_color or group.color
    if group_color is not None and not re.fullmatch("#[0-9A-Fa-f]{6}", group_color):
        raise refuse("InvalidArgumentException", "group_color must be a hex colour.")
    keys = list(board.groups)
    place = keys.index(relative_to) + (position_relative_method == "after_at") if relative_to else 0
    keys.insert(place, group.id)
    board.groups = {key: board.groups.get(key, group) for key in keys}
    return group_view(session, board, group)


def archive_group(session: Session, _info: Any, board_id: str, group_id: str) -> Any:
    """With its items; the last one stays."""
    return _drop_group(session, board_id, group_id, "archived")


def delete_group(session: Session, _info: Any, board_id: str, group_id: str) -> Any:
    """With its items; the last one stays."""
    return _drop_group(session, board_id, group_id, "deleted")


def _drop_group(session: Session, board_id: str, group_id: str, state: str) -> Any:
    board = session.board(board_id, change=True)
    live = [one for one in board.groups.values() if not one.archived and not one.deleted]
    group = next((one for one in live if one.id == group_id), None)
    if group is None:
        raise refuse("ResourceNotFoundException", "Group not found.", group_id=group_id)
    if len(live) == 1:
        raise refuse("DeleteLastGroupException", "A board keeps one group.", 409)
    for item in board.items.values():
        if item.group_id == group_id and item.state == "active":
            deeds.retire(session.world, item, state, session.user_id)
    group.archived, group.deleted = state == "archived", state == "deleted"
    return group_view(session, board, group)


# --- columns ----------------------------------------------------------------------------------------------------


def create_column(
    session: Session,
    _info: Any,
    board_id: str,
    title: str,
    column_type: str,
    id: str | None = None,
    defaults: Any = None,
    capabilities: Any = None,
    **_: Any,
) -> Any:
    """`defaults` is an object or a string holding one."""
    settings = parsed(defaults, "defaults") if isinstance(defaults, str) else defaults or {}
    if not isinstance(settings, dict):
        raise refuse("InvalidArgumentException", "defaults must be an object.")
    if column_type in ("status", "dropdown") and "labels" not in settings:
        settings = {**settings, "labels": []}
    return _add(session, board_id, id, title, column_type, settings, capabilities)


def create_status_column(
    session: Session,
    _info: Any,
    board_id: str,
    title: str,
    id: str | None = None,
    defaults: Any = None,
    capabilities: Any = None,
    **_: Any,
) -> Any:
    """At most 40 labels of 30 characters, each colour and index once."""
    made = _status_labels((defaults or {}).get("labels", []))
    return _add(session, board_id, id, title, "status", {"labels": made}, capabilities)


def create_dropdown_column(
    session: Session, _info: Any, board_id: str, title: str, id: str | None = None, defaults: Any = None, **_: Any
) -> Any:
    """Labels get ids from 1."""
    given = dict(defaults or {})
    given["labels"] = _dropdown_labels(given.get("labels", []), 0)
    return _add(session, board_id, id, title, "dropdown", given, None)


def _status_labels(given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The id of a new label is the number of its colour; a known one keeps its own (contracts: monday 4)."""
    colours, indices = [one["color"] for one in given], [one["index"] for one in given]
    if len(given) > 40 or any(not 1 <= len(one["label"]) <= 30 for one in given):
        raise refuse("InvalidArgumentException", "A status column takes 40 labels of 1 to 30 characters.")
    if len(set(colours)) < len(given) or len(set(indices)) < len(given):
        raise refuse("InvalidArgumentException", "Each colour and each index may be used once.")
    labels = []
    for one in given:
        label = columns_of.status_label(one["label"], one["color"], one["index"], done=bool(one.get("is_done")))
        label["is_deactivated"] = bool(one.get("is_deactivated"))
        labels.append(label | ({"id": one["id"]} if one.get("id") is not None else {}))
    if len({one["id"] for one in labels}) < len(labels):
        raise refuse("InvalidArgumentException", "Two labels have the same id.")
    return labels


def _dropdown_labels(given: list[dict[str, Any]], last: int) -> list[dict[str, Any]]:
    names = [one["label"] for one in given]
    if len(set(names)) < len(names) or "" in names:
        raise refuse("InvalidArgumentException", "Labels must differ and must not be empty.")
    labels = []
    for one in given:
        key = one.get("id")
        if key is None:
            last = key = last + 1
        labels.append({"id": key, "label": one["label"], "is_deactivated": bool(one.get("is_deactivated"))})
    return labels


def _add(
    session: Session,
    board_id: str,
    column_id: str | None,
    title: str,
    kind: str,
    settings: dict[str, Any],
    capabilities: Any,
) -> Any:
    """A custom id has 1 to 20 lower-case letters and underscores, and is not taken (contracts: monday 3.1)."""
    board = session.board(board_id, change=True)
    if column_id is not None and not re.fullmatch("[a-z_]{1,20}", column_id):
        raise refuse("InvalidColumnIdException", "A column id is 1 to 20 lower-case letters and underscores.")
    column_id = column_id or f"{kind}_mm{session.world.opaque(6)}"
    if column_id in board.columns or column_id == "name":
        raise refuse("InvalidColumnIdException", f"Column id {column_id} already exists.", column_id=column_id)
    _check_text(title, "title")
    if kind == "subtasks" and monday_webhooks.has_subitems(board):
        raise refuse("InvalidArgumentException", "The board has subitems already.")
    column = MondayColumn(column_id, title, kind, settings)
    if board.hierarchy_type == "multi_level":
        asked = ((capabilities or {}).get("calculated") or {}).get("function")
        column.calculated = asked or _ROLL_UPS.get(kind, "")
    return column_view(deeds.add_column(session.world, board, column, session.user_id))


def _known(session: Session, board_id: str, column_id: str, revision: str, kind: str) -> MondayColumn:
    """The column to update, unless somebody else changed it meanwhile."""
    board = session.board(board_id, change=True)
    column = session.column(board, column_id)
    if column.type != kind:
        raise refuse("InvalidArgumentException", f"The column is of type {column.type}.", column_id=column_id)
    if str(column.revision) != revision:
        raise refuse("InvalidArgumentException", "The column was changed meanwhile: wrong revision.", 409)
    return column


def _updated(column: MondayColumn, title: str | None, settings: dict[str, Any] | None) -> Any:
    if title is not None:
        _check_text(title, "title")
        column.title = title
    if settings is not None:
        column.settings = {**column.settings, **settings}
    column.revision += 1
    return column_view(column)


def update_column(
    session: Session,
    _info: Any,
    board_id: str,
    id: str,
    revision: str,
    column_type: str,
    title: str | None = None,
    settings: Any = None,
    **_: Any,
) -> Any:
    """Title and settings, under an optimistic lock."""
    column = _known(session, board_id, id, revision, column_type)
    if settings is not None and not isinstance(settings, dict):
        settings = parsed(settings, "settings")
    return _updated(column, title, settings)


def update_status_column(
    session: Session,
    _info: Any,
    board_id: str,
    id: str,
    revision: str,
    title: str | None = None,
    settings: Any = None,
    **_: Any,
) -> Any:
    """The whole list of labels; known ones by their id."""
    column = _known(session, board_id, id, revision, "status")
    return _updated(column, title, None if settings is None else {"labels": _status_labels(settings["labels"])})


def update_dropdown_column(
    session: Session,
    _info: Any,
    board_id: str,
    id: str,
    revision: str,
    title: str | None = None,
    settings: Any = None,
    **_: Any,
) -> Any:
    """The whole list of labels; at most one may be missing (contracts: monday 4)."""
    column = _known(session, board_id, id, revision, "dropdown")
    if settings is None:
        return _updated(column, title, None)
    old = {one["id"] for one in column.settings.get("labels", ())}
    labels = _dropdown_labels(settings["labels"], max(old, default=0))
    if len(old - {one["id"] for one in labels}) > 1:
        raise refuse("InvalidArgumentException", "At most one label may be removed per request.", column_id=id)
    return _updated(column, title, {**settings, "labels": labels})


def change_column_title(session: Session, _info: Any, board_id: str, column_id: str, title: str) -> Any:
    """Another title."""
    return _updated(session.column(session.board(board_id, change=True), column_id), title, None)


def delete_column(session: Session, _info: Any, board_id: str, column_id: str) -> Any:
    """With its cells; the name cannot go."""
    board = session.board(board_id, change=True)
    if column_id == "name":
        raise refuse("InvalidArgumentException", "Mandatory columns cannot be deleted.", column_id=column_id)
    session.column(board, column_id)
    return column_view(deeds.drop_column(board, column_id))


# --- webhooks ---------------------------------------------------------------------------------------------------


def create_webhook(session: Session, _info: Any, board_id: str, url: str, event: str, config: Any = None) -> Any:
    """Of a parent board also for its subitems; the address has to answer a challenge first."""
    board = session.board(board_id, change=True)
    if board.parent_board_id:
        raise refuse("InvalidArgumentException", "Webhooks of subitems are made on the parent's board.")
    given = parsed(config, "config") if isinstance(config, str) else config or {}
    flaw = monday_webhooks.flaw(board, url, event, given)
    if flaw:
        raise refuse("InvalidArgumentException", flaw)
    if not monday_webhooks.answers_challenge(session.world, url):
        raise refuse("InvalidArgumentException", "Failed to verify the webhook: the challenge was not answered.")
    hook = MondayWebhook(
        str(500_000_000 + session.world.number()),
        session.account.account_id,
        board.board_id,
        url,
        event,
        given,
        session.user_id,
        session.caller.app.client_id if session.caller.app else "",
    )
    session.world.monday.webhooks[hook.id] = hook
    return _hook_view(hook)


def delete_webhook(session: Session, _info: Any, id: str) -> Any:
    """No more events, not even those under way."""
    hook = session.world.monday.webhooks.get(id)
    if hook is None or hook.account_id != session.account.account_id:
        raise refuse("ResourceNotFoundException", "Webhook not found.", webhook_id=id)
    del session.world.monday.webhooks[id]
    return _hook_view(hook)


def _hook_view(hook: MondayWebhook) -> dict[str, Any]:
    return {"id": hook.id, "board_id": hook.board_id, "event": hook.event, "config": json.dumps(hook.config)}


BOARD_MUTATIONS: Fields = {
    "create_board": (create_board, "boards:write"),
    "archive_board": (archive_board, "boards:write"),
    "delete_board": (delete_board, "boards:write"),
    "create_group": (create_group, "boards:write"),
    "archive_group": (archive_group, "boards:write"),
    "delete_group": (delete_group, "boards:write"),
    "create_column": (create_column, "boards:write"),
    "create_status_column": (create_status_column, "boards:write"),
    "create_dropdown_column": (create_dropdown_column, "boards:write"),
    "update_column": (update_column, "boards:write"),
    "update_status_column": (update_status_column, "boards:write"),
    "update_dropdown_column": (update_dropdown_column, "boards:write"),
    "change_column_title": (change_column_title, "boards:write"),
    "delete_column": (delete_column, "boards:write"),
    "create_webhook": (create_webhook, "webhooks:write"),
    "delete_webhook": (delete_webhook, "webhooks:write"),
}
