"""monday's webhooks: who is told of what, the events themselves, the JWT, sending and repeating.

contracts: monday 7.1 (registration), 7.2 (challenge), 7.3 (JWT), 7.4 (retries), 7.5 (payloads).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sandbox.vendors.monday_columns import event_value, old_type
from sandbox.vendors.monday_state import SUBITEMS, MondayBoard, MondayCall, MondayColumn, MondayItem, MondayWebhook
from sandbox.vendors.world import World, iso

RETRIES = 30
_RETRY_SECONDS = 60
_TOKEN_SECONDS = 300
_KEPT = 5000
_JSON = {"Content-Type": "application/json"}
_CONFIGURED = {
    "change_specific_column_value": "columnId",
    "change_status_column_value": "columnId",
    "item_moved_to_specific_group": "groupId",
}
OF_SUBITEMS = (
    "create_subitem", "change_subitem_column_value", "change_subitem_name", "move_subitem", "subitem_archived",
    "subitem_deleted", "create_subitem_update",
)  # fmt: skip


# --- registering ------------------------------------------------------------------------------------------------


def flaw(board: MondayBoard, url: str, event: str, config: Any) -> str:
    """What is wrong with a registration, "" when nothing is. `config` is an object (7.1)."""
    if not re.match(r"https?://[^/\s]+", url) or len(url) > 255:
        return "url must be an address of at most 255 characters."
    if not isinstance(config, dict):
        return "config must be an object."
    needed = _CONFIGURED.get(event)
    if needed and not isinstance(config.get(needed), str):
        return f"config of {event} needs {needed}."
    if needed == "columnId":
        column = board.columns.get(config["columnId"])
        if column is None or (event == "change_status_column_value" and column.type != "status"):
            return f"The board has no such column: {config['columnId']}."
    if needed == "groupId" and config["groupId"] not in board.groups:
        return f"The board has no such group: {config['groupId']}."
    if event in OF_SUBITEMS and not any(item.subitem_ids for item in board.items.values()):
        return "The board has no subitems yet."
    return ""


def answers_challenge(world: World, url: str) -> bool:
    """Whether the address repeats a challenge in an answer with status 200 (7.2). Lets go of the lock meanwhile."""
    sent = {"challenge": world.opaque(40)}
    with world.outside():
        answer = world.ask(url, json.dumps(sent).encode(), _JSON)
    try:
        return answer.status == 200 and bool(answer.json() == sent)
    except ValueError:
        return False


# --- what has happened ------------------------------------------------------------------------------------------


def changed(
    world: World, board: MondayBoard, item: MondayItem, column: MondayColumn, old: Any, new: Any, user_id: str
) -> None:
    """A cell holds another value."""

    def fits(hook: MondayWebhook) -> bool:
        if hook.event == "change_specific_column_value":
            return bool(hook.config["columnId"] == column.id)
        if hook.event == "change_status_column_value":
            wanted = hook.config.get("columnValue") or {"$any$": True}
            return bool(hook.config["columnId"] == column.id and (wanted.get("$any$") or wanted.get("index") == new))
        return True

    names = ["change_subitem_column_value"]
    if not item.parent_id:
        names = ["change_column_value", "change_specific_column_value", "change_status_column_value"]
    fields = _place(board, item) | {
        "columnId": column.id,
        "columnType": old_type(column),
        "columnTitle": column.title,
        "value": event_value(column, new),
        "previousValue": event_value(column, old),
        "changedAt": world.clock.now(),
        "isTopGroup": _is_top(board, item.group_id),
    }
    _tell(world, board, names, "update_column_value", user_id, fields, fits)


def named(world: World, board: MondayBoard, item: MondayItem, old: str, user_id: str) -> None:
    """An item has another name."""
    fields = _place(board, item) | {"value": {"name": item.name}, "previousValue": {"name": old}}
    name = "change_subitem_name" if item.parent_id else "change_name"
    _tell(world, board, [name], "update_name", user_id, fields)


def created(world: World, board: MondayBoard, item: MondayItem, user_id: str) -> None:
    """A new item or subitem."""
    group = board.groups[item.group_id]
    cells = {key: event_value(board.columns[key], value) for key, value in item.values.items() if key in board.columns}
    fields = _place(board, item) | {
        "groupName": group.title,
        "groupColor": group.color,
        "isTopGroup": _is_top(board, item.group_id),
        "columnValues": cells,
    }
    if item.parent_id:  # here the parents are strings (7.5)
        home = world.monday.items[item.parent_id].board_id
        fields |= {"itemId": int(item.id), "parentItemId": item.parent_id, "parentItemBoardId": home}
    _tell(world, board, ["create_subitem" if item.parent_id else "create_item"], "create_pulse", user_id, fields)


def retired(world: World, board: MondayBoard, item: MondayItem, user_id: str) -> None:
    """An item was archived, deleted or restored, as its state says. Such an event of an item has no pulseId (7.5)."""
    kind = {"archived": "archive", "deleted": "delete", "active": "restore"}[item.state]
    fields: dict[str, Any] = {"itemId": int(item.id), "itemName": item.name}
    if item.parent_id:  # here the parents are numbers
        home = world.monday.items[item.parent_id].board_id
        fields |= {"pulseId": int(item.id), "parentItemId": int(item.parent_id), "parentBoardId": int(home)}
    past = {"archived": "archived", "deleted": "deleted", "active": "restored"}[item.state]
    _tell(world, board, [f"{'subitem' if item.parent_id else 'item'}_{past}"], f"{kind}_pulse", user_id, fields)


def moved(world: World, board: MondayBoard, item: MondayItem, old_group: str, user_id: str) -> None:
    """An item is in another group."""
    group = board.groups[item.group_id]
    shown = {"id": group.id, "title": group.title, "color": group.color, "is_top_group": _is_top(board, group.id)}
    fields = {
        "pulseId": int(item.id),
        "sourceGroupId": old_group,
        "destGroupId": group.id,
        "destGroup": shown,
    }

    def fits(hook: MondayWebhook) -> bool:
        return hook.event == "item_moved_to_any_group" or hook.config["groupId"] == group.id

    names = ["item_moved_to_any_group", "item_moved_to_specific_group"]
    _tell(world, board, names, "move_pulse_into_group", user_id, fields, fits)


def commented(world: World, board: MondayBoard, item: MondayItem, update: Mapping[str, Any]) -> None:
    """Somebody wrote an update."""
    fields = {
        "pulseId": int(item.id),
        "body": update["body"],
        "textBody": update["text_body"],
        "updateId": int(update["id"]),
        "replyId": None,
    }
    name = "create_subitem_update" if item.parent_id else "create_update"
    _tell(world, board, [name], "create_update", update["creator_id"], fields)


def column_added(world: World, board: MondayBoard, column: MondayColumn, user_id: str) -> None:
    """The board has a new column."""
    fields = {
        "columnId": column.id,
        "columnTitle": column.title,
        "columnType": old_type(column),
        "accountId": int(board.account_id),
        "createdAt": iso(world.clock.now()),
        "retryCount": 0,
    }
    _tell(world, board, ["create_column"], "create_column", user_id, fields)


def _place(board: MondayBoard, item: MondayItem) -> dict[str, Any]:
    place: dict[str, Any] = {"groupId": item.group_id, "pulseId": int(item.id), "pulseName": item.name}
    if item.parent_id:
        place |= {"parentItemId": item.parent_id, "parentItemBoardId": board.parent_board_id or board.board_id}
    return place


def _is_top(board: MondayBoard, group_id: str) -> bool:
    return next(iter(board.groups), "") == group_id


def _tell(
    world: World,
    board: MondayBoard,
    names: Sequence[str],
    kind: str,
    user_id: str,
    fields: Mapping[str, Any],
    fits: Callable[[MondayWebhook], bool] = lambda _: True,
) -> None:
    """Compose the event for every registration that it concerns; those of subitems stand on the parent's board."""
    state = world.monday
    home = board.parent_board_id or board.board_id
    for hook in state.webhooks.values():
        if hook.board_id != home or hook.event not in names or not fits(hook):
            continue
        event = {
            "app": "monday",
            "type": kind,
            "triggerTime": iso(world.clock.now()),
            "subscriptionId": int(hook.id),
            "isRetry": False,
            "userId": int(user_id),
            "originalTriggerUuid": None,
            "boardId": int(board.board_id),
            "triggerUuid": world.opaque(32),
            **fields,
        }
        call = MondayCall(str(4_000_000_000 + world.number()), hook, event, world.clock.now())
        state.calls[call.id] = call
        while len(state.calls) > _KEPT:
            state.calls.pop(next(iter(state.calls)))
        if state.delivering.lose:
            state.delivering.lose -= 1
        elif not state.delivering.hold:
            state.outbox += [(call.at, call.id)] * state.delivering.copies


# --- sending ----------------------------------------------------------------------------------------------------


def wait(world: World) -> float | None:
    """Seconds until `settle` has something to do: 0.0 now, None while nothing waits."""
    with world.lock:
        now = world.clock.now()
        return max(0.0, min(due for due, _ in world.monday.outbox) - now) if world.monday.outbox else None


def settle(world: World) -> list[MondayCall]:
    """Send what is due, in order (or the newest first, if so told). Not under the lock."""
    with world.lock:
        now, state = world.clock.now(), world.monday
        due = sorted(entry for entry in state.outbox if entry[0] <= now)
        state.outbox = [entry for entry in state.outbox if entry[0] > now]
        calls = [state.calls[key] for _, key in due if key in state.calls]
        if state.delivering.reverse:
            calls.reverse()
    for call in calls:
        send(world, call)
    return calls


def send(world: World, call: MondayCall) -> int:
    """Send once, outside the lock; returns the status (0: no answer). All but 200 is repeated in a minute (7.4)."""
    with world.lock:
        hook = call.webhook
        if hook.id not in world.monday.webhooks:
            return 0
        body = json.dumps({"event": {**call.event, "isRetry": bool(call.statuses)}}, ensure_ascii=False).encode()
        headers = _JSON | _authorization(world, hook)
    status = world.post(hook.url, body, headers)
    with world.lock:
        call.statuses.append(status)
        if status != 200 and len(call.statuses) <= RETRIES:
            world.monday.outbox.append((world.clock.now() + _RETRY_SECONDS, call.id))
    return status


def _authorization(world: World, hook: MondayWebhook) -> dict[str, str]:
    """A JWT where an app made the webhook, nothing where a personal token did (7.3)."""
    app = world.monday.apps.get(hook.client_id)
    if app is None:
        return {}
    now = int(world.clock.now())
    claims = {
        "accountId": int(hook.account_id),
        "userId": int(hook.user_id),
        "aud": hook.url,
        "iat": now,
        "exp": now + _TOKEN_SECONDS,
        "shortLivedToken": world.opaque(64),
    }
    return {"Authorization": jwt(app.signing_secret, claims)}


def jwt(secret: str, claims: Mapping[str, Any]) -> str:
    """A JWT with HS256, which is assumed (7.3)."""

    def part(content: bytes) -> bytes:
        return base64.urlsafe_b64encode(content).rstrip(b"=")

    signed = part(b'{"alg":"HS256","typ":"JWT"}') + b"." + part(json.dumps(dict(claims)).encode())
    return (signed + b"." + part(hmac.new(secret.encode(), signed, hashlib.sha256).digest())).decode()


def has_subitems(board: MondayBoard) -> bool:
    """Whether items of the board can have subitems."""
    return board.hierarchy_type == "multi_level" or any(one.type == SUBITEMS for one in board.columns.values())
