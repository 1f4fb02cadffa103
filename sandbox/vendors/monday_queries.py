"""What monday's queries answer. contracts: monday 1 (versions), 3 (signatures), 3.1 (documents)."""

from __future__ import annotations

import json
from typing import Any

from sandbox.vendors import monday_columns as columns_of
from sandbox.vendors.monday_pages import by_values, next_page
from sandbox.vendors.monday_session import Fields, Session, daily_calls, refuse
from sandbox.vendors.monday_views import board_view, item_view, page_view

VERSIONS = {
    "2026-04": "old__maintenance",
    "2026-07": "maintenance",
    "2026-10": "current",
    "2027-01": "release_candidate",
}
CURRENT, MAINTENANCE = "2026-10", "2026-07"


def boards(
    session: Session,
    _info: Any,
    ids: list[str] | None = None,
    state: str = "active",
    limit: int = 25,
    page: int = 1,
    board_kind: str | None = None,
    hierarchy_types: list[str] | None = None,
    **_: Any,
) -> Any:
    """An unknown board is left out, not an error; multi-level boards are among them since 2026-04."""
    shown = [
        one
        for one in session.world.monday.boards.values()
        if one.account_id == session.account.account_id
        and (ids is None or one.board_id in ids)
        and state in ("all", one.state)
        and board_kind in (None, one.kind)
        and (hierarchy_types is None or one.hierarchy_type in hierarchy_types)
    ]
    return [board_view(session, one) for one in shown[(page - 1) * limit : page * limit]]


def items(
    session: Session,
    _info: Any,
    ids: list[str] | None = None,
    limit: int = 25,
    page: int = 1,
    exclude_nonactive: bool = False,
    newest_first: bool = False,
) -> Any:
    """Known items, archived and deleted ones included; at most 100 ids and 100 per page."""
    if not ids or len(ids) > 100 or not 1 <= limit <= 100 or page < 1:
        raise refuse("InvalidArgumentException", "items takes 1 to 100 ids and a limit of at most 100.")
    found = [session.world.monday.items.get(one) for one in dict.fromkeys(ids)]
    own = [one for one in found if one and session.owns(one) and (one.state == "active" or not exclude_nonactive)]
    own.sort(key=lambda one: int(one.id), reverse=newest_first)
    return [item_view(session, one) for one in own[(page - 1) * limit : page * limit]]


def items_page_by_column_values(
    session: Session,
    _info: Any,
    board_id: str,
    columns: list[dict[str, Any]] | None = None,
    cursor: str | None = None,
    limit: int = 25,
    **_: Any,
) -> Any:
    """Either columns or the cursor of a page before."""
    if (columns is None) == (cursor is None):
        raise refuse("InvalidArgumentException", "Send either columns or cursor.")
    if cursor is not None:
        return page_view(session, next_page(session, cursor, limit))
    board = session.board(board_id)
    for one in columns or ():
        column = session.column(board, one["column_id"])
        if column.type in columns_of.NOT_SEARCHABLE or not columns_of.readable(column):
            raise refuse("InvalidArgumentException", f"Column type {column.type} is not supported by this query.")
        if column.type in ("date", "timeline") and len(one["column_values"]) != 1:
            raise refuse("InvalidArgumentException", f"Column type {column.type} takes one value.")
    return page_view(session, by_values(session, board, columns or [], limit))


def next_items_page(session: Session, _info: Any, cursor: str, limit: int = 25) -> Any:
    """The page after a cursor."""
    return page_view(session, next_page(session, cursor, limit))


def webhooks(session: Session, _info: Any, board_id: str, app_webhooks_only: bool = False) -> Any:
    """Of a board; without their addresses. `app_webhooks_only`: those that the asking app has made."""
    board = session.board(board_id)
    client = session.caller.app.client_id if session.caller.app else ""
    own = [one for one in session.world.monday.webhooks.values() if one.board_id == board.board_id]
    shown = [one for one in own if not app_webhooks_only or (client and one.client_id == client)]
    return [
        {"id": one.id, "board_id": one.board_id, "event": one.event, "config": json.dumps(one.config)} for one in shown
    ]


def me(session: Session, _info: Any) -> Any:
    """The token's user."""
    user = session.caller.user
    return {
        "id": user.user_id,
        "name": user.name,
        "email": user.email,
        "kind": "member",
        "status": "ACTIVE",
        "account": account(session, None),
    }


def users(session: Session, _info: Any, ids: list[str] | None = None, **_: Any) -> Any:
    """The account's users, by id."""
    own = [one for one in session.world.monday.users.values() if one.account_id == session.account.account_id]
    return [
        {
            "id": one.user_id,
            "name": one.name,
            "email": one.email,
            "kind": "view_only" if one.view_only else "member",
            "status": "ACTIVE" if one.enabled else "INACTIVE",
        }
        for one in own
        if ids is None or one.user_id in ids
    ]


def account(session: Session, _info: Any) -> dict[str, Any]:
    """The account."""
    one = session.account
    plan = {"max_users": 10, "period": "monthly", "tier": one.plan, "version": 1}
    return {"id": one.account_id, "name": one.slug.title(), "slug": one.slug, "tier": one.plan, "plan": plan}


def versions(_session: Session, _info: Any) -> Any:
    """All versions of the API."""
    return [{"value": value, "kind": kind, "display_name": kind.title()} for value, kind in VERSIONS.items()]


def version(session: Session, _info: Any) -> Any:
    """The version that answers."""
    return next(one for one in versions(session, None) if one["value"] == session.version)


def complexity(session: Session, _info: Any) -> Any:
    """What the request costs, and what is left of the minute."""
    return session.complexity


def platform_api(session: Session, _info: Any) -> Any:
    """The calls a day."""
    total = daily_calls(session.account)
    return {"daily_limit": {"base": total, "total": total, "addon": None}}


# field -> resolver, scope (contracts: monday 2.4)
QUERIES: Fields = {
    "boards": (boards, "boards:read"),
    "items": (items, "boards:read"),
    "items_page_by_column_values": (items_page_by_column_values, "boards:read"),
    "next_items_page": (next_items_page, "boards:read"),
    "webhooks": (webhooks, "webhooks:read"),
    "me": (me, "me:read"),
    "users": (users, "users:read"),
    "account": (account, "account:read"),
    "version": (version, ""),
    "versions": (versions, ""),
    "complexity": (complexity, ""),
    "platform_api": (platform_api, ""),
}
