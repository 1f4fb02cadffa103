"""The control API's monday part: people before the board, the user who consents, apps, accounts, webhooks.

Below `/_control/monday/`. Answers 404 for an unknown thing, 400 for what cannot be done.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from sandbox.vendors import monday_deeds as deeds
from sandbox.vendors import monday_webhooks
from sandbox.vendors.monday_columns import BadValue, readable, view, write
from sandbox.vendors.monday_session import Caller, Session
from sandbox.vendors.monday_state import SUBITEMS, MondayBoard, MondayCall, MondayItem, MondaySignIn, MondayUser
from sandbox.vendors.world import World, iso

_ACCOUNT = (
    "plan", "calls_per_day", "calls_per_minute", "complexity_per_minute", "concurrency", "index_lag", "ingest_seconds",
    "calls_today", "keeps",
)  # fmt: skip
_APP = ("client_secret", "signing_secret", "redirect_uris", "scopes", "flow", "installed", "token_seconds")
_USER = ("enabled", "view_only", "name")
_BOARD = ("editors", "items_limit", "subitems_limit", "name", "hierarchy_type")
_DELIVERING = ("hold", "copies", "lose", "reverse")


def route(world: World, method: str, path: Sequence[str], body: dict[str, Any]) -> Any:
    """One control call; raises KeyError, TypeError, ValueError."""
    state = world.monday
    match (method, *path):
        case ("GET", "boards"):
            return _locked(world, lambda: {"boards": [_summary(one) for one in state.boards.values()]})
        case ("GET", "boards", key):
            return _locked(world, lambda: _board(world, state.boards[key]))
        case ("GET", "boards", key, "history"):
            return _locked(world, lambda: _history(state.boards[key]))
        case ("PATCH", "boards", key):
            return _locked(world, lambda: _change(state.boards[key], body, _BOARD))
        case ("PATCH", "accounts", key):
            return _locked(world, lambda: _account(world, key, body))
        case ("PATCH", "items", key):
            return _locked(world, lambda: _change(state.items[key], body, ("state", "name")))
        case ("PATCH", "users", key):
            return _locked(world, lambda: _change(_user(world, key), body, _USER))
        case ("POST", "people", key):
            return _locked(world, lambda: act(world, key, body))
        case ("PUT", "signed-in"):
            return _locked(world, lambda: _sign_in(world, body))
        case ("PATCH", "apps", key):
            return _locked(world, lambda: _change(state.apps[key], body, _APP))
        case ("POST", "apps", key, "tokens"):
            return _locked(world, lambda: _end_tokens(world, key, body))
        case ("GET", "webhooks"):
            return _locked(world, lambda: {"webhooks": [asdict(one) for one in state.webhooks.values()]})
        case ("DELETE", "webhooks", key):
            return _locked(world, lambda: {"ok": bool(state.webhooks.pop(key))})
        case ("GET", "events"):
            return _locked(world, lambda: {"events": [_call(one) for one in state.calls.values()]})
        case ("PATCH", "events"):
            return _locked(world, lambda: _change(state.delivering, body, _DELIVERING))
        case ("POST", "events", "settle"):
            return {"events": [_call(one) for one in monday_webhooks.settle(world)]}
        case ("POST", "events", key, "send"):
            return _send(world, key, body)
    raise KeyError("no such control call")


def _locked(world: World, work: Callable[[], Any]) -> Any:
    with world.lock:
        return work()


def _change(thing: Any, body: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    known = {one.name for one in fields(thing)} & set(names)
    if set(body) - known:
        raise ValueError(f"may be changed: {', '.join(sorted(known))}")
    for name, value in body.items():
        setattr(thing, name, value)
    return {"ok": True}


def _account(world: World, key: str, body: Mapping[str, Any]) -> dict[str, Any]:
    account = world.monday.accounts[key]
    account.window = None  # it counts by the old limit
    return _change(account, body, _ACCOUNT)


def _user(world: World, user_id: str) -> MondayUser:
    return next(one for one in world.monday.users.values() if one.user_id == user_id)


# --- people -----------------------------------------------------------------------------------------------------


def act(world: World, user_id: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """What user `user_id` does before a board; `do` names it:

    set {item, column, value}, rename {item, name}, move {item, group}, archive, delete, restore {item},
    comment {item, body}, create {board, name, group?, values?}, create_subitem {parent, name, values?},
    delete_column {board, column}, rename_column {board, column, title}, delete_label {board, column, label},
    rename_group {board, group, title}, delete_group {board, group},
    archive_board, delete_board, restore_board {board}. Values are in the API's JSON form. `{ok, id?}`.
    """
    kind = str(body["do"])
    if kind in _OF_ITEMS:
        _OF_ITEMS[kind](world, world.monday.items[str(body["item"])], body, user_id)
    elif kind in _OF_BOARDS:
        _OF_BOARDS[kind](world, world.monday.boards[str(body["board"])], body, user_id)
    elif kind == "create":
        board = world.monday.boards[str(body["board"])]
        group = board.groups[str(body["group"])] if "group" in body else next(iter(board.groups.values()))
        values = _kept(world, board, body.get("values") or {})
        return {"ok": True, "id": deeds.make_item(world, board, group, str(body["name"]), values, user_id).id}
    elif kind == "create_subitem":
        parent = world.monday.items[str(body["parent"])]
        home = world.monday.boards[parent.board_id]
        board = world.monday.boards[home.subitem_board_id or home.board_id]
        values = _kept(world, board, body.get("values") or {})
        group = next(iter(board.groups.values()))
        return {"ok": True, "id": deeds.make_item(world, board, group, str(body["name"]), values, user_id, parent).id}
    else:
        raise ValueError(f"people can: {', '.join([*_OF_ITEMS, *_OF_BOARDS, 'create', 'create_subitem'])}")
    return {"ok": True}


def _kept(world: World, board: MondayBoard, values: Mapping[str, Any]) -> dict[str, Any]:
    around = _session(world, board).around
    try:
        return {key: write(board.columns[key], value, around=around) for key, value in values.items()}
    except BadValue as bad:
        raise ValueError(str(bad)) from None


def _session(world: World, board: MondayBoard) -> Session:
    account = world.monday.accounts[board.account_id]
    return Session(world, Caller("", MondayUser("", "0", account.account_id), account), "", {})


def _set(world: World, item: MondayItem, body: Mapping[str, Any], user_id: str) -> None:
    board = world.monday.boards[item.board_id]
    kept = _kept(world, board, {str(body["column"]): body["value"]})
    values = {key: value for key, value in (item.values | kept).items() if value is not None}
    deeds.set_values(world, item, values, user_id)


def _move(world: World, item: MondayItem, body: Mapping[str, Any], user_id: str) -> None:
    group = world.monday.boards[item.board_id].groups[str(body["group"])]
    deeds.move(world, item, group.id, user_id)


def _comment(world: World, item: MondayItem, body: Mapping[str, Any], user_id: str) -> None:
    deeds.comment(world, item, str(body["body"]), user_id)


def _delete_group(world: World, board: MondayBoard, body: Mapping[str, Any], user_id: str) -> None:
    group = board.groups[str(body["group"])]
    for item in board.items.values():
        if item.group_id == group.id and item.state == "active":
            deeds.retire(world, item, "deleted", user_id)
    group.deleted = True


def _state(state: str) -> Callable[[World, MondayBoard, Mapping[str, Any], str], None]:
    return lambda _world, board, _body, _user_id: setattr(board, "state", state)


_OF_ITEMS: dict[str, Callable[[World, MondayItem, Mapping[str, Any], str], None]] = {
    "set": _set,
    "rename": lambda world, item, body, user_id: deeds.rename(world, item, str(body["name"]), user_id),
    "move": _move,
    "archive": lambda world, item, _, user_id: deeds.retire(world, item, "archived", user_id),
    "delete": lambda world, item, _, user_id: deeds.retire(world, item, "deleted", user_id),
    "restore": lambda world, item, _, user_id: deeds.restore(world, item, user_id),
    "comment": _comment,
}
_OF_BOARDS: dict[str, Callable[[World, MondayBoard, Mapping[str, Any], str], Any]] = {
    "delete_column": lambda _, board, body, __: deeds.drop_column(board, str(body["column"])),
    "rename_column": lambda _, board, body, __: setattr(board.columns[str(body["column"])], "title", body["title"]),
    "delete_label": lambda _, board, body, __: deeds.drop_label(board.columns[str(body["column"])], str(body["label"])),
    "rename_group": lambda _, board, body, __: setattr(board.groups[str(body["group"])], "title", body["title"]),
    "delete_group": _delete_group,
    "archive_board": _state("archived"),
    "delete_board": _state("deleted"),
    "restore_board": _state("active"),
}


# --- consent ----------------------------------------------------------------------------------------------------


def _sign_in(world: World, body: Mapping[str, Any]) -> dict[str, Any]:
    world.monday.signed_in = MondaySignIn(**body)
    return {"ok": True}


def _end_tokens(world: World, client_id: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """`expire`: the app's access tokens end now. `uninstall`: an administrator removes the app from all accounts."""
    state, app = world.monday, world.monday.apps[client_id]
    own = [one for one in state.tokens.values() if one.client_id == client_id]
    match body.get("action"):
        case "expire":
            for one in own:
                one.expires_at = world.clock.now()
        case "uninstall":
            app.installed.clear()
            for kind in (state.tokens, state.refresh_tokens):
                for key in [key for key, one in kind.items() if one.client_id == client_id]:
                    del kind[key]
        case _:
            raise ValueError("action is expire or uninstall")
    return {"ok": True, "ended": len(own)}


# --- boards -----------------------------------------------------------------------------------------------------


def _summary(board: MondayBoard) -> dict[str, Any]:
    names = ("board_id", "account_id", "name", "state", "hierarchy_type", "parent_board_id")
    return {name: getattr(board, name) for name in names} | {"items": board.live()}


def _board(world: World, board: MondayBoard) -> dict[str, Any]:
    """Items in order of creation, each with its `subitems`, whose columns are `subitem_columns` (the column that stands
    for them is left out)."""
    hidden = world.monday.boards.get(board.subitem_board_id, board)
    top = [one for one in board.items.values() if not one.parent_id or board.parent_board_id]
    return {
        "id": board.board_id,
        "name": board.name,
        "state": board.state,
        "columns": [asdict(one) for one in board.columns.values() if one.type != SUBITEMS],
        "groups": [asdict(one) for one in board.groups.values()],
        "subitem_board_id": board.subitem_board_id,
        "subitem_columns": [asdict(one) for one in hidden.columns.values()] if hidden is not board else [],
        "items": [
            _item(world, board, one)
            | {"subitems": [_item(world, hidden, world.monday.items[key]) for key in one.subitem_ids]}
            for one in top
        ],
    }


def _item(world: World, board: MondayBoard, item: MondayItem) -> dict[str, Any]:
    """`text` and `raw` by column id; `raw` is the API's `value`, parsed."""
    shown = [one for one in board.columns.values() if readable(one) and one.type != SUBITEMS]
    cells = {one.id: view(one, item.values.get(one.id), item) for one in shown}
    return {
        "id": item.id,
        "name": item.name,
        "state": item.state,
        "group": item.group_id,
        "moved_from": item.moved_from,
        "parent": item.parent_id,
        "created_at": iso(item.at),
        "updated_at": iso(item.updated_at),
        "text": {key: cell["text"] for key, cell in cells.items()},
        "raw": {key: json.loads(cell["value"]) if cell["value"] else None for key, cell in cells.items()},
        "updates": item.updates,
    }


def _history(board: MondayBoard) -> dict[str, list[dict[str, str]]]:
    """By item: the texts of its columns after the create and after each change."""
    shown = [one for one in board.columns.values() if readable(one) and one.type != SUBITEMS]
    return {
        item.id: [{one.id: view(one, values.get(one.id))["text"] for one in shown} for values in item.history]
        for item in board.items.values()
    }


# --- webhooks ---------------------------------------------------------------------------------------------------


def _call(call: MondayCall) -> dict[str, Any]:
    return {
        "id": call.id,
        "webhook": call.webhook.id,
        "at": iso(call.at),
        "event": call.event,
        "statuses": call.statuses,
    }


def _send(world: World, key: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Send an event (again), `copies` times."""
    call = world.monday.calls[key]
    return {"statuses": [monday_webhooks.send(world, call) for _ in range(int(body.get("copies", 1)))]}
