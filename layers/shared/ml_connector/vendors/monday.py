"""monday.com's GraphQL API (contracts: monday 1, 3, 5, 6). HTTP 200 does not mean success.

`call` gives back the data of the one mutation or query that was sent, or raises by the error table of 5.3.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from ml_connector import limits
from ml_connector.errors import ConnectorError, NeedsAttention, RetryLater, Undeliverable, Unknown
from ml_connector.limits import FREE, Share
from ml_connector.vendors.http import Answer, Http

URL = "https://api.monday.com/v2"
HOSTS = frozenset({"api.monday.com"})
API_VERSION = "2026-10"
RUNS = 60.0
"""Seconds that monday takes for a call at most (1): one without an answer may be done so long after."""

CREATE = """mutation CreateRecord($board: ID!, $group: String, $name: String!, $cols: JSON!, $labels: Boolean) {
  item: create_item(board_id: $board, group_id: $group, item_name: $name, column_values: $cols,
    create_labels_if_missing: $labels) { id url }
}"""


def change(*, renames: bool, moves: bool) -> str:
    """Values, and because a party can be renamed the name, and the group, as one call of the day's budget (3.1).

    Its answer tells whether somebody has archived the item meanwhile.
    """
    parts = [
        """item: change_multiple_column_values(board_id: $board, item_id: $item, column_values: $cols,
    create_labels_if_missing: $labels) { id url state }"""
    ]
    if renames:
        parts.append("""name: change_simple_column_value(board_id: $board, item_id: $item, column_id: "name",
    value: $name) { id }""")
    if moves:
        parts.append("group: move_item_to_group(item_id: $item, group_id: $group) { id }")
    declared = f"{', $name: String!' if renames else ''}{', $group: String!' if moves else ''}"
    name, body = "UpdateRecord" if renames else "MarkRecord", "\n  ".join(parts)
    return f"mutation {name}($board: ID!, $item: ID!, $cols: JSON!, $labels: Boolean{declared}) {{\n  {body}\n}}"


UPDATE = change(renames=True, moves=False)
# Of a record that was deleted only the status is told: its name and values stay as they were.
MARK = change(renames=False, moves=False)
MARKS = frozenset({MARK, change(renames=False, moves=True)})

FIND = """query FindByExternalId($board: ID!, $col: String!, $val: String!) {
  items_page_by_column_values(board_id: $board, limit: 10, columns: [{column_id: $col, column_values: [$val]}]) {
    items { id url state column_values(ids: [$col]) { id text } }
  }
}"""

STATE = """query ItemsState($ids: [ID!]!, $boards: [ID!]) {
  items(ids: $ids, limit: 100) { id state board { id } }
  boards(ids: $boards, state: all) { id state }
}"""

LINES = """query ExistingLines($parents: [ID!]!, $columns: [String!]) {
  items(ids: $parents, limit: 100) {
    id state
    subitems { id name state board { id } column_values(ids: $columns) { id text } }
  }
}"""

_COMPLEXITY = "complexity { query after reset_in_x_seconds }"


def create_lines(count: int) -> str:
    """Subitems of one parent, made in this order: `$n0` and `$c0` are name and values of the first (3.1)."""
    declared = "".join(f", $n{at}: String!, $c{at}: JSON!" for at in range(count))
    made = "".join(
        f"  l{at}: create_subitem(parent_item_id: $parent, item_name: $n{at}, column_values: $c{at},"
        " create_labels_if_missing: $labels) { id }\n"
        for at in range(count)
    )
    return f"mutation CreateLines($parent: ID!, $labels: Boolean{declared}) {{\n{made}  {_COMPLEXITY}\n}}"


_ON_LINES: Mapping[str, tuple[str, str]] = {
    "values": (
        ", $i{at}: ID!, $v{at}: JSON!",
        "change_multiple_column_values(board_id: $board, item_id: $i{at}, column_values: $v{at},"
        " create_labels_if_missing: $labels)",
    ),
    "name": (
        ", $i{at}: ID!, $v{at}: String!",
        'change_simple_column_value(board_id: $board, item_id: $i{at}, column_id: "name", value: $v{at})',
    ),
    "archive": (", $i{at}: ID!", "archive_item(item_id: $i{at})"),
}


def change_lines(kinds: Sequence[str]) -> str:
    """Changes of subitems: `values`, `name` or `archive`, the first of `$i0`, to `$v0`."""
    declared = "".join(_ON_LINES[kind][0].format(at=at) for at, kind in enumerate(kinds))
    if set(kinds) - {"archive"}:
        declared = f", $board: ID!{declared}"
    if "values" in kinds:
        declared = f", $labels: Boolean{declared}"
    made = "".join(f"  l{at}: {_ON_LINES[kind][1].format(at=at)} {{ id }}\n" for at, kind in enumerate(kinds))
    return f"mutation ChangeLines({declared.removeprefix(', ')}) {{\n{made}  {_COMPLEXITY}\n}}"


class _Meaning(NamedTuple):
    """What a code means for us, and what a person can do about it."""

    kind: str
    todo: str = ""


_SCOPE = _Meaning("credentials", "The token lacks a right: give access again, or store the token of another user.")
_USER = _Meaning("refused", "Make the token's user an editor of the board.")
_VALUE = _Meaning(
    "refused",
    "A value does not fit its column, or the label is missing there: `mlc doctor` compares the mapping with the board; "
    "add the label, or map it under `labels`.",
)
_OURS = _Meaning("refused", "This is a fault of ours: please report it.")
_BUSY = _Meaning("busy")
_TABLE: Mapping[str, _Meaning] = {
    "complexity_budget_exhausted": _BUSY,
    "complexityexception": _BUSY,
    "complexitybudgetexhausted": _BUSY,
    "rate_limit_exceeded": _BUSY,
    "maxconcurrencyexceeded": _BUSY,
    "field_limit_exceeded": _BUSY,
    "field_minute_rate_limit_exceeded": _BUSY,
    "ip_rate_limit_exceeded": _BUSY,
    "api_temporarily_blocked": _BUSY,
    "daily_limit_exceeded": _Meaning("day"),
    "idempotency_conflict": _Meaning("pending"),
    "internal_server_error": _Meaning("server"),
    "internal server error": _Meaning("server"),
    "unauthorized": _Meaning("credentials"),
    "user_access_denied": _Meaning(
        "credentials", "Its user is inactive, a viewer or not confirmed: store the token of a member."
    ),
    "missingrequiredpermissions": _SCOPE,
    "unauthorized_field_or_type": _SCOPE,
    "userunauthorizedexception": _USER,
    "user_unauthorized": _USER,
    "columnvalueexception": _VALUE,
    "correctedvalueexception": _VALUE,
    "invalidcolumnidexception": _Meaning(
        "refused", "A column was deleted or never made: make it on the board, or take it out of the mapping."
    ),
    "invalidboardidexception": _Meaning(
        "refused",
        "The board was deleted or archived, or the token's user does not see it: `mlc doctor` says which; restore it, "
        "or give the destination another board.",
    ),
    "invaliduseridexception": _Meaning("refused", "A mapped person is not on the board: invite them, or map another."),
    "resourcenotfoundexception": _Meaning(
        "refused", "The item, its group or its board is gone: `mlc doctor` compares the file with the board."
    ),
    "itemslimitationexception": _Meaning(
        "refused", "The board is full: archive items there, or give the destination another board."
    ),
    "itemnametoolongexception": _OURS,
    "invalidargumentexception": _Meaning(
        "refused", "A group or column of the file is not on this board: `mlc doctor` says which."
    ),
    "invalidversionexception": _OURS,
    "request_max_complexity_exceeded": _OURS,
    "jsonparseexception": _OURS,
    "bad request": _OURS,
    "undefinedfield": _OURS,
    "recordinvalidexception": _Meaning("refused", "The board has too many subscribers."),
    "deletelastgroupexception": _Meaning("refused"),
    "cursorexpirederror": _Meaning("refused", "The paging took more than an hour: begin it again."),
    "cursorexception": _Meaning("refused", "The paging took more than an hour: begin it again."),
}
"""5.3, by codes in lower case. What is not here goes by its HTTP status."""
_OF_THE_RECORD = {_VALUE, _TABLE["invaliduseridexception"]}
"""What another record may be taken in spite of."""
_BY_STATUS = {401: "credentials", 423: "locked", 429: "busy"}
_BUSY_TEXT = re.compile(r"complexity budget exhausted|rate limit exceeded|limit rate exceeded|concurrency limit", re.I)
_LOCKED_TEXT = re.compile(r"currently locked", re.I)
_STRENGTH = ("refused", "credentials", "server", "locked", "busy", "pending", "day")
"""Of several errors in one answer the last of these counts."""
_RESET = re.compile(r"reset in (\d+) seconds")
_USED_UP = re.compile(r"r=0;t=(\d+)")
_POLICY = re.compile(r'"(\w+)"((?:;\w+=[\w."-]+)+)')
TOLD = 200
"""Characters of monday's own words: it may list all labels of a column, and what to do comes after them."""
LOW = 0.1
"""Share of a minute's quota from which on what can wait is to wait (5.1)."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What monday answered: `data` of the operation, its request id, and whether it repeated a kept answer."""

    data: Mapping[str, Any]
    status: int
    request_id: str
    replayed: bool


class MondayApi:
    """One account's API. `renew` gives another token than a refused one, or ""; `account` says what is counted by.

    `reserve` and `optional` as in limits.monday.
    """

    def __init__(
        self,
        http: Http,
        token: Callable[[], str],
        clock: Callable[[], datetime],
        shared: limits.Limits = limits.UNLIMITED,
        plan: str = "basic",
        *,
        reserve: int = 0,
        optional: bool = False,
        renew: Callable[[str], str] = lambda rejected: "",
        account: Callable[[str], str] = lambda token: token,
    ) -> None:
        self._http = http
        self._token = token
        self._clock = clock
        self._limits = shared
        self._share = FREE
        self._plan = plan
        self._reserve = reserve
        self._optional = optional
        self._renew = renew
        self._account = account

    def call(self, body: Mapping[str, Any], *, idempotency_key: str = "", partial: bool = False) -> Reply:
        """`body` holds `query` and `variables`. Raises RetryLater, Unknown, NeedsAttention or Undeliverable.

        If the data names an item that a call with a key has made, that happened, whatever the errors beside it say
        (5.4). Without a key a call may be made again, and any error counts. `partial`: of several mutations what was
        made stands, and what lacks in the data was refused or is open; also if that is all of them.
        """
        token = self._token()
        headers = {"Authorization": token, "API-Version": API_VERSION}
        if idempotency_key:
            headers["Idempotency-Key"] = idempotency_key
        budget = limits.monday(self._account(token), self._plan, reserve=self._reserve, optional=self._optional)
        if self._share.budget != budget:
            self._share = Share(self._limits, budget, self._optional)
        try:
            answer = self._share.call(lambda: self._http.call("POST", URL, headers=headers, body=body))
            if answer.status == 401 and (renewed := self._renew(token)):
                # Refused, so nothing happened; once (2.3).
                headers["Authorization"] = renewed
                answer = self._share.call(lambda: self._http.call("POST", URL, headers=headers, body=body))
        except Unknown as unanswered:
            unanswered.under_way = RUNS
            raise
        if used_up := _exhausted(answer.headers.get("ratelimit", "")):
            self._limits.closed(budget, used_up)
        content = answer.json()
        if not isinstance(content, dict):
            if answer.status == 429:
                self._limits.closed(budget, answer.retry_after(self._clock))
            raise _unreadable(answer)
        data = content.get("data")
        data = data if isinstance(data, dict) else {}
        errors = _errors(content)
        self._slow_down(budget, answer, data)
        made = idempotency_key and (_ids(data) if partial else _item_id(data))
        each_refused = partial and errors and {_meaning(each, answer.status) for each in errors} <= _OF_THE_RECORD
        if not (made or each_refused) and (errors or answer.status >= 400):
            error = self._error(answer, errors, budget)
            error.partly = bool(_ids(data))
            raise error
        extensions = content.get("extensions")
        return Reply(
            data,
            answer.status,
            str(extensions.get("request_id", "")) if isinstance(extensions, dict) else "",
            answer.headers.get("idempotency-replayed", "").lower() == "true",
        )

    def _slow_down(self, budget: limits.Budget, answer: Answer, data: Mapping[str, Any]) -> None:
        """Tells the others when a minute's calls or points are nearly used up."""
        quotas, left = (_policies(answer.headers.get(name, "")) for name in ("ratelimit-policy", "ratelimit"))
        for name, quota in quotas.items():
            if quota.get("w") and name in left and left[name].get("r", 0.0) < quota.get("q", 0.0) * LOW:
                self._limits.scarce(budget, left[name].get("t") or quota["w"])
        points = data.get("complexity")
        if isinstance(points, dict) and points.get("after", 0) < points.get("query", 0):
            # The next one like it would be refused.
            self._limits.closed(budget, float(points.get("reset_in_x_seconds") or 0))

    def _error(self, answer: Answer, errors: list[_Error], budget: limits.Budget) -> ConnectorError:
        status = answer.status
        found = [(_meaning(error, status), error) for error in errors] or [(_meaning(_Error(), status), _Error())]
        meaning, worst = max(found, key=lambda each: _STRENGTH.index(each[0].kind))
        told = "; ".join(dict.fromkeys(error.told for error in errors))[:TOLD] or f"HTTP {status}"
        wait = (
            answer.retry_after(self._clock)
            or next((error.wait for error in errors if error.wait), None)
            or _exhausted(answer.headers.get("ratelimit", ""))
        )
        match meaning.kind:
            case "day":
                now = self._clock()
                midnight = (now + timedelta(days=1)).replace(hour=0, minute=1, second=0, microsecond=0)
                left = (midnight - now).total_seconds()
                self._limits.closed(budget, left)
                return RetryLater("monday: the day's API calls are used up", left, 429)
            case "pending":
                return Unknown("monday is still working on this create", wait or 5, 409)
            case "busy" | "locked":
                if meaning.kind == "busy":  # a board that is locked is that board's business
                    self._limits.closed(budget, wait)
                return RetryLater(f"monday is busy: {told}", wait, status)
            case "server":
                said = f"monday answered {status}"
                return Unknown(f"{said}: {told}" if errors else said, wait, status)
            case "credentials":
                return NeedsAttention(f"monday refuses the token: {told}. {meaning.todo}".rstrip(" ."), status)
        code = f" ({worst.code})" if worst.code else ""
        return Undeliverable(f"monday refuses it{code}: {told.rstrip(' .')}. {meaning.todo}".rstrip(), status)


@dataclass(frozen=True, slots=True)
class _Error:
    code: str = ""
    message: str = ""
    wait: float | None = None
    column: str = ""

    @property
    def told(self) -> str:
        return f"{self.column}: {self.message}" if self.column and self.column not in self.message else self.message


def _meaning(error: _Error, status: int) -> _Meaning:
    if known := _TABLE.get(error.code.lower()):
        return known
    if _BUSY_TEXT.search(error.message):
        return _BUSY
    if _LOCKED_TEXT.search(error.message):
        return _Meaning("locked")
    return _Meaning("server" if status >= 500 else _BY_STATUS.get(status, "refused"))


def _errors(content: Mapping[str, Any]) -> list[_Error]:
    """The errors of the current format, of the legacy one, and plain texts (5.2)."""
    found = []
    listed = content.get("errors")
    for error in listed if isinstance(listed, list) else []:
        if not isinstance(error, dict):
            found.append(_Error("", str(error), _said(str(error))))
            continue
        extensions = error.get("extensions")
        extensions = extensions if isinstance(extensions, dict) else {}
        message = str(error.get("message", ""))
        found.append(
            _Error(str(extensions.get("code", "")), message, _wait(extensions) or _said(message), _column(extensions))
        )
    if content.get("error_code") or content.get("error_message"):
        message = str(content.get("error_message", ""))
        found.append(_Error(str(content.get("error_code", "")), message, _wait(content) or _said(message)))
    return found


def _wait(place: Mapping[str, Any]) -> float | None:
    data = place.get("error_data")
    for value in (place.get("retry_in_seconds"), data.get("retry_in_seconds") if isinstance(data, dict) else None):
        if isinstance(value, int | float | str) and str(value).replace(".", "", 1).isdigit():
            return float(value)
    milliseconds = place.get("retryAfterMs")
    return float(milliseconds) / 1000 if isinstance(milliseconds, int) else None


def _column(place: Mapping[str, Any]) -> str:
    data = place.get("error_data")
    return str(data.get("column_id") or "") if isinstance(data, dict) else ""


def _policies(header: str) -> dict[str, dict[str, float]]:
    """The numbers of a RateLimit or RateLimit-Policy header by policy (5.1)."""
    found: dict[str, dict[str, float]] = {}
    for name, parameters in _POLICY.findall(header):
        pairs = (each.split("=") for each in parameters[1:].split(";"))
        found[name] = {key: float(value) for key, value in pairs if value.replace(".", "", 1).isdigit()}
    return found


def _exhausted(policies: str) -> float | None:
    """Seconds until the used-up policies of a RateLimit header begin anew (5.1)."""
    return max((float(seconds) for seconds in _USED_UP.findall(policies)), default=None)


def _said(message: str) -> float | None:
    match = _RESET.search(message)
    return float(match[1]) if match else None


def _ids(data: Mapping[str, Any]) -> list[str]:
    return [str(each["id"]) for each in data.values() if isinstance(each, dict) and each.get("id")]


def _item_id(data: Mapping[str, Any]) -> str:
    item = data.get("item")
    return str(item["id"]) if isinstance(item, dict) and item.get("id") else ""


def _unreadable(answer: Answer) -> Exception:
    if answer.status == 401:
        return NeedsAttention("monday refuses the token", 401)
    if answer.status == 429:
        return RetryLater("monday is busy", answer.retry_after(), 429)
    # Gateways answer in HTML. Whatever the status, the call may have reached monday, which may be at work on it.
    lost = Unknown(f"monday gave an unreadable answer with status {answer.status}", answer.retry_after(), answer.status)
    lost.under_way = RUNS if answer.status in (502, 504) else 0.0
    return lost
