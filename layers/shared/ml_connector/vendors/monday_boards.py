"""monday.com's boards: reading, making and paging through them (contracts: monday 3.1, 3.2, 3.3)."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import NAMESPACE_URL, uuid4, uuid5

from ml_connector.boards import Board, Column, Label
from ml_connector.errors import NeedsAttention, RetryLater, Undeliverable
from ml_connector.monday_consent import Member
from ml_connector.vendors.monday import Reply

WHOAMI = """query Whoami { me { id name kind status account { id slug plan { tier } } } }"""

META = """query BoardMeta($ids: [ID!]!) {
  boards(ids: $ids, state: all, limit: 100) {
    id name state access_level hierarchy_type items_count items_limit
    groups { id title archived deleted }
    columns { id title type archived settings }
  }
}"""

NAMED = """query BoardsNamed($page: Int!) { boards(limit: 100, page: $page, state: active) { id name } }"""

NEW_BOARD = """mutation NewBoard($name: String!, $ws: ID) {
  board: create_board(board_name: $name, board_kind: private, workspace_id: $ws, empty: true) { id }
}"""

NEW_GROUP = """mutation NewGroup($board: ID!, $name: String!) {
  group: create_group(board_id: $board, group_name: $name) { id }
}"""

NEW_COLUMN = """mutation NewColumn($board: ID!, $id: String, $title: String!, $type: ColumnType!, $settings: JSON) {
  column: create_column(board_id: $board, id: $id, title: $title, column_type: $type, defaults: $settings) { id }
}"""

NEW_STATUS = """mutation NewStatus(
  $board: ID!, $id: String, $title: String!, $settings: CreateStatusColumnSettingsInput
) { column: create_status_column(board_id: $board, id: $id, title: $title, defaults: $settings) { id } }"""

NEW_DROPDOWN = """mutation NewDropdown(
  $board: ID!, $id: String, $title: String!, $settings: CreateDropdownColumnSettingsInput
) { column: create_dropdown_column(board_id: $board, id: $id, title: $title, defaults: $settings) { id } }"""

FIRST_PAGE = """query FirstPage($ids: [ID!]!, $cols: [String!]) {
  boards(ids: $ids) {
    items_page(limit: 500) {
      cursor items { id url name group { id } column_values(ids: $cols) { id type text value } }
    }
  }
}"""

NEXT_PAGE = """query NextPage($cursor: String!, $cols: [String!]) {
  next_items_page(cursor: $cursor, limit: 500) {
    cursor items { id url name group { id } column_values(ids: $cols) { id type text value } }
  }
}"""

THESE = """query TheseItems($ids: [ID!]!, $cols: [String!]) {
  items(ids: $ids, limit: 100, exclude_nonactive: true) {
    id url name board { id } group { id } column_values(ids: $cols) { id type text value }
  }
}"""

ARCHIVE = """mutation ArchiveItem($item: ID!) { item: archive_item(item_id: $item) { id } }"""

AT_ONCE = 100
"""Items that are asked for by id with one call (3.3)."""

DOCUMENTS = (
    WHOAMI, META, NAMED, NEW_BOARD, NEW_GROUP, NEW_COLUMN, NEW_STATUS, NEW_DROPDOWN, FIRST_PAGE, NEXT_PAGE, THESE,
    ARCHIVE,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Item:
    """An active item of a board. `cells`: texts as monday shows them, numbers exactly, by column id."""

    id: str
    name: str
    group: str
    cells: Mapping[str, str]
    url: str = ""


class Api(Protocol):
    def call(self, body: Mapping[str, Any], *, idempotency_key: str = "") -> Reply: ...


def whoami(api: Api) -> Member:
    """The token's user. Raises RetryLater, NeedsAttention or Undeliverable."""
    me = api.call({"query": WHOAMI, "variables": {}}).data.get("me")
    if not isinstance(me, dict):
        raise RetryLater("monday did not say whose token it is")
    account = me.get("account") or {}
    plan = account.get("plan") or {}
    texts = (me.get("id"), me.get("name"), me.get("kind"), account.get("id"), account.get("slug"), plan.get("tier"))
    return Member(*(str(text or "") for text in texts))


class MondayBoards:
    """Implements boards.Boards, and gives a board's items."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def board(self, board_id: str) -> Board | None:
        return self.boards({board_id}).get(board_id)

    def boards(self, ids: Collection[str]) -> dict[str, Board]:
        """Those of them that the token's user sees, by id; one call. Unknown ones are left out (3.1, assumed)."""
        found = self._asked(META, ids=sorted(ids)).get("boards") if ids else []
        return {str(each["id"]): _board(each) for each in found or () if isinstance(each, dict)}

    def named(self, name: str) -> list[str]:
        found, page = [], 1
        while rows := self._asked(NAMED, page=page).get("boards") or []:
            found += [str(each["id"]) for each in rows if each and each.get("name") == name]
            page += 1
        return found

    def create(self, name: str, workspace: str, key: str) -> str:
        made = self._asked(NEW_BOARD, key, name=name, ws=workspace or None).get("board")
        if not isinstance(made, dict) or not made.get("id"):
            raise RetryLater("monday did not say which board it made; run this again")
        return str(made["id"])

    def add_column(self, board_id: str, column: Column) -> None:
        variables: dict[str, Any] = {"board": board_id, "id": column.id or None, "title": column.title}
        match column.type:
            case "status":
                labels = [
                    {
                        "label": each.text,
                        "color": each.colour,
                        "index": index,
                        **({"is_done": True} if each.done else {}),
                    }
                    for index, each in enumerate(column.labels)
                ]
                self._asked(NEW_STATUS, **variables, settings={"labels": labels})
            case "dropdown":
                one = {"limit_select": True, "label_limit_count": 1}
                labels = [{"label": each.text} for each in column.labels]
                self._asked(NEW_DROPDOWN, **variables, settings={"labels": labels, **one} if labels else None)
            case _:
                self._asked(
                    NEW_COLUMN,
                    **variables,
                    type=column.type,
                    settings=dict(column.settings) if column.settings else None,
                )

    def add_group(self, board_id: str, title: str, key: str) -> None:
        self._asked(NEW_GROUP, key, board=board_id, name=title)

    def archive(self, item_id: str) -> None:
        """The item leaves the board; a person can bring it back in monday."""
        self._asked(ARCHIVE, item=item_id)

    def pages(self, board_id: str, columns: list[str]) -> Iterator[list[Item]]:
        """All active items, 500 at a time, each with the cells of these columns.

        A cursor lives an hour (3.1); Undeliverable then says so, and the caller begins anew.
        """
        boards = self._asked(FIRST_PAGE, ids=[board_id], cols=columns).get("boards") or []
        if not boards or not boards[0]:
            raise Undeliverable(f"the token's user does not see board {board_id}")
        page = boards[0]["items_page"]
        while True:
            yield items_of(page)
            if not page.get("cursor"):
                return
            page = self._asked(NEXT_PAGE, cursor=page["cursor"], cols=columns)["next_items_page"]

    def items(self, board_id: str, ids: Collection[str], columns: list[str]) -> dict[str, Item]:
        """Those of these items that are active on this board, by id; a hundred a call."""
        found: dict[str, Item] = {}
        wanted = sorted(ids)
        for at in range(0, len(wanted), AT_ONCE):
            rows = self._asked(THESE, ids=wanted[at : at + AT_ONCE], cols=columns).get("items") or []
            here = [each for each in rows if each and str((each.get("board") or {}).get("id")) == board_id]
            found |= {item.id: item for item in items_of({"items": here})}
        return found

    def _asked(self, query: str, key: str = "", **variables: Any) -> Mapping[str, Any]:
        body = {"query": query, "variables": variables}
        idempotency = str(uuid5(NAMESPACE_URL, f"ml-connector:{key}")) if key else ""
        try:
            return self._api.call(body, idempotency_key=idempotency).data
        except NeedsAttention:
            raise
        except Undeliverable:
            if not key:
                raise
            # It may be a refusal of half an hour ago, repeated though it was put right (6). Nothing was made.
            return self._api.call(body, idempotency_key=str(uuid4())).data


def items_of(page: Any) -> list[Item]:
    """The items of a page; none of one that monday did not give."""
    rows = page.get("items") if isinstance(page, dict) else None
    return [_item(each) for each in rows or () if isinstance(each, dict)]


def _board(row: Mapping[str, Any]) -> Board:
    return Board(
        id=str(row["id"]),
        name=str(row.get("name") or ""),
        columns=tuple(_column(each) for each in row.get("columns") or () if each and not each.get("archived")),
        groups={
            str(each["id"]): str(each.get("title") or "")
            for each in row.get("groups") or ()
            if each and not each.get("archived") and not each.get("deleted")
        },
        state=str(row.get("state") or ""),
        may_write=row.get("access_level") != "view",
        multi_level=row.get("hierarchy_type") == "multi_level",
        items=int(row.get("items_count") or 0),
        items_limit=int(row.get("items_limit") or 0),
    )


def _column(row: Mapping[str, Any]) -> Column:
    settings = row.get("settings")
    if isinstance(settings, str):  # declared JSON: an object or a text of one
        settings = json.loads(settings)
    settings = settings if isinstance(settings, dict) else {}
    labels = settings.get("labels")
    boards = settings.get("boardIds") or settings.get("board_ids") or []
    return Column(
        id=str(row["id"]),
        title=str(row.get("title") or ""),
        type=str(row.get("type") or ""),
        labels=tuple(
            Label(
                str(each.get("label") or each.get("name") or ""),
                str(each.get("color") or ""),
                id=str(each.get("id", "")),
            )
            for each in (labels if isinstance(labels, list) else ())
            if isinstance(each, dict) and not each.get("is_deactivated")
        ),
        settings=settings,
        board=str(boards[0]) if boards else "",
    )


def _item(row: Mapping[str, Any]) -> Item:
    group = row.get("group")
    return Item(
        str(row["id"]),
        str(row.get("name") or ""),
        str(group["id"]) if isinstance(group, dict) else "",
        {str(each["id"]): _cell(each) for each in row.get("column_values") or ()},
        str(row.get("url") or ""),
    )


def _cell(cell: Mapping[str, Any]) -> str:
    """Numbers from their stored value: what is shown is rounded by the column's settings (4)."""
    if cell.get("type") == "numbers" and cell.get("value"):
        value = cell["value"]
        return str(json.loads(value) if isinstance(value, str) and value.startswith('"') else value)
    return str(cell.get("text") or "")
