"""Which items a page holds: rules of `query_params`, and cursors. contracts: monday 3.1 (filtered pages)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from sandbox.vendors.monday_columns import search_text
from sandbox.vendors.monday_session import Session, refuse
from sandbox.vendors.monday_state import MondayBoard, MondayItem

_CURSOR_SECONDS = 3600
_MOST_CURSORS = 1000

Page = tuple[str | None, list[MondayItem]]


def first_page(
    session: Session, board: MondayBoard, limit: int, params: Mapping[str, Any] | None = None, group_id: str = ""
) -> Page:
    """The board's active items, of a multi-level board those at the top, in order of creation."""
    _check(limit)
    fits = _fits(session, board, params or {})
    top = board.hierarchy_type != "multi_level"
    found = [one.id for one in board.items.values() if one.state == "active" and (top or not one.parent_id)]
    items = session.world.monday.items
    return _start(session, [key for key in found if group_id in ("", items[key].group_id) and fits(items[key])], limit)


def by_values(session: Session, board: MondayBoard, asked: list[dict[str, Any]], limit: int) -> Page:
    """Whole values, case ignored; columns ANDed, values ORed; active items only, after the index lag."""
    _check(limit)
    wanted = [(session.column(board, one["column_id"]), one["column_values"]) for one in asked]
    cells = [(column, {str(value or "").casefold() for value in values}) for column, values in wanted]
    found = [
        item.id
        for item in board.items.values()
        if item.state == "active"
        and item.at + session.account.index_lag <= session.now
        and all(search_text(column, item.values.get(column.id)).casefold() in values for column, values in cells)
    ]
    return _start(session, found, limit)


def next_page(session: Session, cursor: str, limit: int) -> Page:
    """The page after a cursor, which lives 60 minutes from the first request."""
    _check(limit)
    state = session.world.monday
    kept = state.cursors.get(cursor)
    if kept is None or session.now - kept["at"] > _CURSOR_SECONDS:
        raise refuse("CursorException", "The cursor provided for pagination has expired.")
    page, rest = kept["ids"][:limit], kept["ids"][limit:]
    following = None
    if rest:
        following = f"MSw{session.world.opaque(24)}"
        state.cursors[following] = {"ids": rest, "at": kept["at"]}
    return following, [state.items[one] for one in page]


def _check(limit: int) -> None:
    if not 1 <= limit <= 500:
        raise refuse("InvalidArgumentException", "limit must be between 1 and 500.")


def _start(session: Session, ids: list[str], limit: int) -> Page:
    cursor = f"MSw{session.world.opaque(24)}"
    cursors = session.world.monday.cursors
    cursors[cursor] = {"ids": ids, "at": session.now}
    while len(cursors) > _MOST_CURSORS:
        cursors.pop(next(iter(cursors)))
    return next_page(session, cursor, limit)


# --- rules ------------------------------------------------------------------------------------------------------

Fits = Callable[[MondayItem], bool]


def _fits(session: Session, board: MondayBoard, params: Mapping[str, Any]) -> Fits:
    if params.get("groups") or params.get("order_by"):
        raise refuse("InvalidArgumentException", "The stand-in knows ids and rules of query_params only.")
    ids = params.get("ids")
    if ids is not None and len(ids) > 100:
        raise refuse("InvalidArgumentException", "query_params takes 100 ids at most.")
    rules = [_rule(session, board, one) for one in params.get("rules") or ()]
    joined = any if params.get("operator") == "or" else all

    def fits(item: MondayItem) -> bool:
        return (ids is None or item.id in ids) and (not rules or joined(rule(item) for rule in rules))

    return fits


def _rule(session: Session, board: MondayBoard, rule: Mapping[str, Any]) -> Fits:
    """One rule; a compare value of a wrong shape is a server error (third-party notes in contracts: monday 3.1)."""
    operator, wanted = rule.get("operator") or "any_of", rule["compare_value"]
    key = str(rule["column_id"])
    if key == "name":

        def kept(item: MondayItem) -> Any:
            return item.name

        kind = "text"
    else:
        column = session.column(board, key)

        def kept(item: MondayItem) -> Any:
            return item.values.get(column.id)

        kind = column.type
    match operator:
        case "is_empty":
            return lambda item: kept(item) is None
        case "is_not_empty":
            return lambda item: kept(item) is not None
        case "any_of" | "not_any_of" if isinstance(wanted, list):
            sure = operator == "any_of"
            return lambda item: _any_of(kind, kept(item), wanted) is sure
        case "contains_text" | "not_contains_text" if isinstance(wanted, str) and kind in ("text", "long_text"):
            sure = operator == "contains_text"
            return lambda item: (wanted.casefold() in (kept(item) or "").casefold()) is sure
    compare = _COMPARED.get(operator)
    number = wanted[0] if isinstance(wanted, list) and len(wanted) == 1 else wanted
    if compare is None or kind != "numbers" or isinstance(number, bool | list | dict):
        raise refuse("INTERNAL_SERVER_ERROR", "Internal server error", 500)
    try:
        limit = Decimal(str(number))
    except InvalidOperation:
        raise refuse("INTERNAL_SERVER_ERROR", "Internal server error", 500) from None
    return lambda item: kept(item) is not None and compare(Decimal(kept(item)), limit)


_COMPARED: dict[str, Callable[[Decimal, Decimal], bool]] = {
    "greater_than": Decimal.__gt__,
    "greater_than_or_equals": Decimal.__ge__,
    "lower_than": Decimal.__lt__,
    "lower_than_or_equal": Decimal.__le__,
}


def _any_of(kind: str, kept: Any, wanted: list[Any]) -> bool:
    match kind:
        case "status":  # label ids
            return kept in [one for one in wanted if isinstance(one, int)]
        case "dropdown":
            return bool(set(kept or ()) & {one for one in wanted if isinstance(one, int)})
        case "date":  # ["EXACT", "2026-07-01"]
            return kept is not None and wanted[:1] == ["EXACT"] and kept["date"] in wanted[1:]
        case "people":
            people = {f"{one['kind']}-{one['id']}" for one in (kept or {}).get("personsAndTeams", ())}
            return bool(people & set(map(str, wanted)))
        case "numbers":
            return kept is not None and Decimal(kept) in [Decimal(str(one)) for one in wanted]
    return kept in wanted
