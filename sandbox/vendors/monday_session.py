"""One request of one user: who asks, what may be found and changed. contracts: monday 2.4, 5.2, 5.3."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from graphql import GraphQLError

from sandbox.vendors.monday_columns import Around
from sandbox.vendors.monday_state import MondayAccount, MondayApp, MondayBoard, MondayColumn, MondayItem, MondayUser
from sandbox.vendors.world import World

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


def refuse(code: str, message: str, status: int = 200, **data: Any) -> GraphQLError:
    """An application error in the format of 2025-01 and later (contracts: monday 5.2 a)."""
    return GraphQLError(message, extensions={"code": code, "error_data": data, "status_code": status})


@dataclass(frozen=True)
class Caller:
    """Whose token it is; `app` and `scopes` where an app got it by OAuth, None with a personal token."""

    token: str
    user: MondayUser
    account: MondayAccount
    app: MondayApp | None = None
    scopes: frozenset[str] | None = None

    @property
    def key(self) -> str:
        """User and app: what idempotency keys belong to, also after the token was renewed (6, assumed)."""
        return f"{self.user.user_id}/{self.app.client_id if self.app else ''}"


@dataclass
class Session:
    """What resolvers work with."""

    world: World
    caller: Caller
    version: str
    complexity: dict[str, int]
    now: float = field(init=False)

    def __post_init__(self) -> None:
        self.now = self.world.clock.now()

    @property
    def user_id(self) -> str:
        """Who acts."""
        return self.caller.user.user_id

    @property
    def account(self) -> MondayAccount:
        """Where."""
        return self.caller.account

    @cached_property
    def around(self) -> Around:
        """What column values may refer to: the users and items of the account."""
        state = self.world.monday
        own = frozenset(one.user_id for one in state.users.values() if one.account_id == self.account.account_id)

        def board_of(item_id: str) -> str:
            item = state.items.get(item_id)
            return item.board_id if item is not None and item.state == "active" else ""

        return Around(own, board_of)

    def may(self, scope: str) -> None:
        """A scope of the app's token; a personal token has all (2.4)."""
        scopes = self.caller.scopes
        if scopes is not None and scope not in scopes:
            raise refuse("missingRequiredPermissions", f"The token lacks the scope {scope}.", required=[scope])

    def board(self, board_id: Any, *, change: bool = False) -> MondayBoard:
        """A board of the account that is not deleted; to change it, the user must be one of its editors."""
        board = self.world.monday.boards.get(str(board_id))
        if board is None or board.account_id != self.account.account_id or board.state == "deleted":
            raise refuse("InvalidBoardIdException", "This board does not exist or you have no access to it.")
        home = self.world.monday.boards.get(board.parent_board_id, board)
        if change and home.editors and self.user_id not in home.editors:
            raise refuse("UserUnauthorizedException", "User unauthorized to perform action", 403)
        return board

    def item(self, item_id: Any, board: MondayBoard | None = None) -> MondayItem:
        """An active item (of the board) to change; what monday says of others is unpublished (3.4)."""
        if item_id is None:
            raise refuse("InvalidArgumentException", "item_id is required.")
        item = self.world.monday.items.get(str(item_id))
        if item is None or not self.owns(item) or item.state != "active":
            raise refuse("ResourceNotFoundException", "Item not found.", item_id=str(item_id))
        if board is not None and item.board_id != board.board_id:
            raise refuse("InvalidArgumentException", "The item is not on this board.", item_id=str(item_id))
        self.board(item.board_id, change=True)
        return item

    def owns(self, item: MondayItem) -> bool:
        """Whether the item is on a board of the account that can still be seen."""
        board = self.world.monday.boards[item.board_id]
        return board.account_id == self.account.account_id and board.state != "deleted"

    def column(self, board: MondayBoard, column_id: str) -> MondayColumn:
        """A column that can be written and searched."""
        column = board.columns.get(column_id)
        if column is None or column.archived:
            raise refuse("InvalidColumnIdException", f"This column ID doesn't exist: {column_id}", column_id=column_id)
        return column


Resolver = Callable[..., Any]
"""Called with the session, graphql's info, and the field's arguments by name."""

Fields = dict[str, tuple[Resolver, str]]
"""Root fields by name, each with the scope that it needs ("": none)."""
