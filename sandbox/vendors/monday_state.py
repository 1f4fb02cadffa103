"""What monday knows: accounts, users, apps, boards, items, webhooks, imports. State only; the rules are elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.vendors.limits import SlidingWindow
from sandbox.vendors.wire import Answer

SUBITEMS = "subtasks"
"""The type of the column that shows an item's subitems; on a classic board it names their board."""


@dataclass
class MondayColumn:
    """A column; `settings` in the shape the API returns. `calculated` is the roll-up function on multi-level boards."""

    id: str
    title: str
    type: str
    settings: dict[str, Any] = field(default_factory=dict)
    archived: bool = False
    revision: int = 1
    calculated: str = ""


@dataclass
class MondayGroup:
    """A group of items."""

    id: str
    title: str
    archived: bool = False
    deleted: bool = False
    color: str = "#579bfc"


@dataclass
class MondayItem:
    """An item; `values` by column id, in the stored form of `monday_columns`; a missing key is an empty cell."""

    id: str
    board_id: str
    group_id: str
    name: str
    at: float
    updated_at: float
    state: str = "active"
    values: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)  # the values after the create and after each change
    updates: list[dict[str, Any]] = field(default_factory=list)
    parent_id: str = ""  # of a subitem
    creator_id: str = ""
    subitem_ids: list[str] = field(default_factory=list)
    moved_from: str = ""  # the group that it was in before, if it was moved


@dataclass
class MondayBoard:
    """A board with its columns, groups and items in order of creation.

    A classic board's subitems live on a hidden board of their own, whose `parent_board_id` names it. `editors` are the
    users who may change it; none named means everybody.
    """

    board_id: str
    account_id: str
    name: str
    columns: dict[str, MondayColumn] = field(default_factory=dict)
    groups: dict[str, MondayGroup] = field(default_factory=dict)
    items: dict[str, MondayItem] = field(default_factory=dict)
    state: str = "active"
    kind: str = "private"
    hierarchy_type: str = "classic"
    items_limit: int = 10_000
    subitems_limit: int = 500
    at: float = 0.0
    parent_board_id: str = ""
    editors: list[str] = field(default_factory=list)

    @property
    def subitem_board_id(self) -> str:
        """The hidden board of its subitems; "" when there is none."""
        column = next((one for one in self.columns.values() if one.type == SUBITEMS), None)
        return str(column.settings["boardIds"][0]) if column and column.settings.get("boardIds") else ""

    def live(self) -> int:
        """How many active items it has."""
        return sum(one.state == "active" for one in self.items.values())


@dataclass
class MondayAccount:
    """An account; a limit that is None follows from the plan (contracts: monday 5.1)."""

    account_id: str
    slug: str = "acme"
    plan: str = "pro"
    calls_per_day: int | None = None
    calls_per_minute: int | None = None
    complexity_per_minute: int | None = None
    concurrency: int | None = None
    index_lag: float = 0.0  # seconds until a new item shows up in items_page_by_column_values
    ingest_seconds: float = 2.0  # until an import is done
    keeps: bool = True  # answers for idempotency keys; False when the memory for them is used up (6)
    day: str = ""
    calls_today: float = 0.0
    window: SlidingWindow | None = None
    busy_until: list[float] = field(default_factory=list)
    boards_created: SlidingWindow = field(default_factory=lambda: SlidingWindow((40, 60)))
    ingests: SlidingWindow = field(default_factory=lambda: SlidingWindow((100, 3600)))
    ingested: list[tuple[float, int]] = field(default_factory=list)  # when, how many items


@dataclass
class MondayUser:
    """A user with the personal token."""

    token: str
    user_id: str
    account_id: str
    name: str = "Integration"
    email: str = "integration@acme.example"
    enabled: bool = True
    view_only: bool = False


@dataclass
class MondayApp:
    """An app with OAuth. `flow` is "2.0" (tokens for ever) or "2.1" (PKCE, refresh tokens); installed on accounts."""

    client_id: str
    client_secret: str
    signing_secret: str
    redirect_uris: list[str] = field(default_factory=list)
    scopes: list[str] = field(default_factory=list)
    flow: str = "2.1"
    installed: list[str] = field(default_factory=list)
    token_seconds: int = 3600


@dataclass
class MondayGrant:
    """A code, an access token or a refresh token of an app for a user."""

    token: str
    client_id: str
    user_id: str
    account_id: str
    scopes: list[str]
    expires_at: float | None = None
    redirect_uri: str = ""
    challenge: str = ""
    used: bool = False  # a refresh token that has been exchanged


@dataclass
class MondaySignIn:
    """Who sits before the consent page, and what that person answers."""

    user_id: str = ""
    denies: bool = False


@dataclass
class Budget:
    """Complexity points used since the minute began."""

    since: float = 0.0
    used: int = 0


@dataclass
class MondayWebhook:
    """A registration. `client_id` of the app whose token made it; "" with a personal token."""

    id: str
    account_id: str
    board_id: str
    url: str
    event: str
    config: dict[str, Any]
    user_id: str
    client_id: str = ""


@dataclass
class MondayCall:
    """One event for one registration, and what its receiver has answered (0: nothing)."""

    id: str
    webhook: MondayWebhook
    event: dict[str, Any]
    at: float
    statuses: list[int] = field(default_factory=list)


@dataclass
class Delivering:
    """How events leave: held back until they are sent by name, sent several times, lost, the newest first."""

    hold: bool = False
    copies: int = 1
    lose: int = 0
    reverse: bool = False


@dataclass
class MondayJob:
    """An import (contracts: monday 3.2)."""

    job_id: str
    account_id: str
    user_id: str
    board_id: str
    group_id: str
    match_column_id: str
    behaviour: str
    key: str  # of the upload address
    until: float  # the upload is possible
    status: str = "UPLOAD_PENDING"
    done_at: float = 0.0
    outcome: str = ""
    failure_reason: str | None = None
    failure_message: str | None = None
    counts: dict[str, int] = field(default_factory=dict)


@dataclass
class Kept:
    """A kept answer of an idempotency key; busy while its first call has not been answered."""

    answer: Answer | None
    at: float
    busy_until: float


@dataclass
class Monday:
    """Everything of monday."""

    accounts: dict[str, MondayAccount] = field(default_factory=dict)
    users: dict[str, MondayUser] = field(default_factory=dict)  # by personal token
    apps: dict[str, MondayApp] = field(default_factory=dict)
    signed_in: MondaySignIn = field(default_factory=MondaySignIn)
    codes: dict[str, MondayGrant] = field(default_factory=dict)
    tokens: dict[str, MondayGrant] = field(default_factory=dict)
    refresh_tokens: dict[str, MondayGrant] = field(default_factory=dict)
    budgets: dict[str, Budget] = field(default_factory=dict)  # by token, an app's by token and kind
    boards: dict[str, MondayBoard] = field(default_factory=dict)
    items: dict[str, MondayItem] = field(default_factory=dict)
    kept: dict[tuple[str, str], Kept] = field(default_factory=dict)
    cursors: dict[str, dict[str, Any]] = field(default_factory=dict)
    webhooks: dict[str, MondayWebhook] = field(default_factory=dict)
    calls: dict[str, MondayCall] = field(default_factory=dict)
    outbox: list[tuple[float, str]] = field(default_factory=list)  # when, which call
    delivering: Delivering = field(default_factory=Delivering)
    jobs: dict[str, MondayJob] = field(default_factory=dict)

    def user(self, account_id: str, user_id: str) -> MondayUser | None:
        """A user by id."""
        own = (one for one in self.users.values() if one.account_id == account_id)
        return next((one for one in own if one.user_id == user_id), None)


def sow(monday: Monday, seed: Mapping[str, Any], now: float) -> None:
    """Add what a seed describes (shape: `default_world.seed()["monday"]`); raises KeyError, TypeError.

    A board's `subitem_columns` make its subitems column and the hidden board behind it, `{board id}9`.
    """
    for entry in seed.get("accounts", ()):
        monday.accounts[entry["account_id"]] = MondayAccount(**entry)
    for entry in seed.get("users", ()):
        monday.users[entry["token"]] = MondayUser(**entry)
    for entry in seed.get("apps", ()):
        monday.apps[entry["client_id"]] = MondayApp(**entry)
    for entry in seed.get("boards", ()):
        own = dict(entry)
        lines = own.pop("subitem_columns", None)
        board = _board(own, now)
        monday.boards[board.board_id] = board
        if lines is not None:
            hidden = subitem_board(board, f"{board.board_id}9", now)
            hidden.columns |= {column["id"]: MondayColumn(**column) for column in lines}
            monday.boards[hidden.board_id] = hidden


def _board(entry: Mapping[str, Any], now: float) -> MondayBoard:
    columns = {column["id"]: MondayColumn(**column) for column in entry.get("columns", ())}
    groups = {group["id"]: MondayGroup(**group) for group in entry.get("groups", ())}
    return MondayBoard(**{**entry, "columns": columns, "groups": groups, "at": now})


def subitem_board(board: MondayBoard, board_id: str, now: float, column_id: str = "subitems") -> MondayBoard:
    """Give a classic board its subitems column, and return the hidden board that the column names.

    The settings are those of monday's page on the subitems column (contracts: monday 14 [subcol]).
    """
    settings = {
        "allowMultipleItems": True,
        "itemTypeName": "column.subtasks.title",
        "displayType": "BOARD_INLINE",
        "boardIds": [int(board_id)],
    }
    board.columns[column_id] = MondayColumn(column_id, "Subitems", SUBITEMS, settings)
    return MondayBoard(
        board_id,
        board.account_id,
        f"Subitems of {board.name}",
        groups={"topics": MondayGroup("topics", "Subitems")},
        kind=board.kind,
        at=now,
        parent_board_id=board.board_id,
    )
