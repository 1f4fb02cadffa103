"""monday.com's webhooks, and what is read when one of them calls (contracts: monday 3.1, 7.1)."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any, Protocol

from ml_connector.board_feedback import Cell, Seen
from ml_connector.board_webhooks import Hook
from ml_connector.errors import RetryLater, Undeliverable
from ml_connector.vendors.monday import Reply

HOOKS = """query Hooks($board: ID!) { me { id } webhooks(board_id: $board) { id event config } }"""

ADD = """mutation AddHook($board: ID!, $url: String!, $event: WebhookEventType!, $config: JSON) {
  hook: create_webhook(board_id: $board, url: $url, event: $event, config: $config) { id }
}"""

REMOVE = """mutation RemoveHook($id: ID!) { hook: delete_webhook(id: $id) { id } }"""

SEEN = """query ItemSeen($ids: [ID!]!, $columns: [String!]) {
  me { id }
  items(ids: $ids, limit: 1) { id state url board { id } group { id } column_values(ids: $columns) { id text value } }
}"""

USER = """query UserNamed($ids: [ID!]) { users(ids: $ids, limit: 1) { id name } }"""

DOCUMENTS = (HOOKS, ADD, REMOVE, SEEN, USER)


class Api(Protocol):
    def call(self, body: Mapping[str, Any], *, idempotency_key: str = "") -> Reply: ...


class MondayWebhooks:
    """Implements board_webhooks.Board and board_feedback.Board. All may raise RetryLater or Undeliverable."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def hooks(self, board: str) -> tuple[str, dict[str, Hook]]:
        """Our own user's id, and a board's webhooks by their ids: also those of others."""
        data = self._asked(HOOKS, board=board)
        rows = data.get("webhooks")
        if not isinstance(rows, list):
            raise RetryLater("monday did not say which webhooks the board has")
        found = [each for each in rows if isinstance(each, dict)]
        return _me(data), {str(each["id"]): Hook(str(each["event"]), _config(each.get("config"))) for each in found}

    def add(self, board: str, url: str, hook: Hook) -> str:
        """Its id. monday asks the address before it answers (7.2)."""
        config = json.dumps(dict(hook.config)) if hook.config else None
        made = self._asked(ADD, board=board, url=url, event=hook.event, config=config).get("hook")
        if not isinstance(made, dict) or not made.get("id"):
            raise RetryLater("monday did not say which webhook it made; run this again")
        return str(made["id"])

    def remove(self, identity: str) -> None:
        self._asked(REMOVE, id=identity)

    def seen(self, item: str, columns: Collection[str]) -> Seen:
        data = self._asked(SEEN, ids=[item], columns=sorted(columns))
        rows = data.get("items")
        if not isinstance(rows, list):
            # No list is no proof of absence.
            raise RetryLater("monday did not say whether the item is there")
        row = next((each for each in rows if isinstance(each, dict)), None)
        if row is None:
            return Seen(_me(data), "deleted")
        cells = {str(each["id"]): _cell(each) for each in row.get("column_values") or ()}
        board, group = ((row.get(name) or {}).get("id") for name in ("board", "group"))
        state = str(row.get("state") or "active")
        return Seen(_me(data), state, str(board or ""), str(group or ""), str(row.get("url") or ""), cells)

    def user(self, identity: str) -> str:
        try:
            rows = self._asked(USER, ids=[identity]).get("users") or ()
        except Undeliverable:
            # The right to see users is none that the product needs (2.4).
            return ""
        return next((str(each.get("name") or "") for each in rows if isinstance(each, dict)), "")

    def _asked(self, query: str, **variables: Any) -> Mapping[str, Any]:
        return self._api.call({"query": query, "variables": variables}).data


def _me(data: Mapping[str, Any]) -> str:
    me = data.get("me")
    return str(me.get("id") or "") if isinstance(me, dict) else ""


def _config(config: Any) -> Mapping[str, Any]:
    """An object, or a text of one."""
    try:
        read = json.loads(config) if isinstance(config, str) else config
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def _cell(row: Mapping[str, Any]) -> Cell:
    """A status' label id stands in its value, as `index` (4)."""
    value = _config(row.get("value"))
    index = value.get("index")
    return Cell(str(row.get("text") or ""), "" if index is None else str(index))
