"""What the tests of the monday stand-in say again and again."""

from __future__ import annotations

import json
from typing import Any

from vendors_desk import Desk

from sandbox.vendors import default_world as w
from sandbox.vendors.wire import Answer

CREATE = """mutation ($board: ID!, $group: String, $name: String!, $cols: JSON) {
  create_item(board_id: $board, group_id: $group, item_name: $name, column_values: $cols) { id }
}"""
SUBITEM = """mutation ($parent: ID!, $name: String!, $cols: JSON) {
  create_subitem(parent_item_id: $parent, item_name: $name, column_values: $cols) { id board { id } parent_item { id } }
}"""
UPDATE = """mutation ($board: ID!, $item: ID!, $cols: JSON!) {
  change_multiple_column_values(board_id: $board, item_id: $item, column_values: $cols) { id }
}"""


def code(answer: Answer) -> str:
    """The first error's code."""
    return str(answer.json()["errors"][0]["extensions"]["code"])


def data(answer: Answer) -> Any:
    """The data of an answer without errors."""
    content = answer.json()
    assert "errors" not in content, content["errors"]
    return content["data"]


def item(desk: Desk, cols: Any = None, *, name: str = "INV-1", board: str = w.MONDAY_BOARD) -> str:
    """The id of a new item."""
    made = desk.monday(CREATE, {"board": board, "name": name, "cols": json.dumps(cols or {})})
    return str(data(made)["create_item"]["id"])


def subitem(desk: Desk, parent: str, cols: Any = None, name: str = "Oven") -> str:
    """The id of a new subitem."""
    made = desk.monday(SUBITEM, {"parent": parent, "name": name, "cols": json.dumps(cols or {})})
    return str(data(made)["create_subitem"]["id"])


def update(desk: Desk, key: str, cols: Any, *, board: str = w.MONDAY_BOARD, token: str = w.MONDAY_TOKEN) -> Answer:
    """Change several values."""
    return desk.monday(UPDATE, {"board": board, "item": key, "cols": json.dumps(cols)}, token=token)


def shown(desk: Desk, key: str) -> dict[str, Any]:
    """An item as the control API shows it."""
    items = desk.control("GET", f"monday/boards/{w.MONDAY_BOARD}").json()["items"]
    return next(one for each in items for one in (each, *each["subitems"]) if one["id"] == key)
