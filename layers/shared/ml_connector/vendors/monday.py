"""monday.com's GraphQL API (contracts: monday 1, 3, 5, 6). HTTP 200 does not mean success.

`call` gives back the data of the one mutation or query that was sent, or raises by the error table of 5.3.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ml_connector import limits
from ml_connector.errors import NeedsAttention, RetryLater, Undeliverable, Unknown
from ml_connector.limits import FREE, Share
from ml_connector.vendors.http import Answer, Http

URL = "https://api.monday.com/v2"
HOSTS = frozenset({"api.monday.com"})
API_VERSION = "2026-10"

CREATE = """mutation CreateRecord($board: ID!, $group: String, $name: String!, $cols: JSON!, $labels: Boolean) {
  item: create_item(board_id: $board, group_id: $group, item_name: $name, column_values: $cols,
    create_labels_if_missing: $labels) { id url }
}"""

# Two mutations, one call of the day's budget: the values and, because a party can be renamed, the name (3.1).
UPDATE = """mutation UpdateRecord($board: ID!, $item: ID!, $name: String!, $cols: JSON!, $labels: Boolean) {
  item: change_multiple_column_values(board_id: $board, item_id: $item, column_values: $cols,
    create_labels_if_missing: $labels) { id url }
  name: change_simple_column_value(board_id: $board, item_id: $item, column_id: "name", value: $name) { id }
}"""

# Of a record that was deleted only the status is told: its name and values stay as they were.
MARK = """mutation MarkRecord($board: ID!, $item: ID!, $cols: JSON!, $labels: Boolean) {
  item: change_multiple_column_values(board_id: $board, item_id: $item, column_values: $cols,
    create_labels_if_missing: $labels) { id url }
}"""

FIND = """query FindByExternalId($board: ID!, $col: String!, $val: String!) {
  items_page_by_column_values(board_id: $board, limit: 10, columns: [{column_id: $col, column_values: [$val]}]) {
    items { id url state column_values(ids: [$col]) { id text } }
  }
}"""

BOARDS = """query BoardsSeen($ids: [ID!]) { boards(ids: $ids, limit: 100) { id name } }"""

STATE = """query ItemsState($ids: [ID!]!) { items(ids: $ids, limit: 100) { id state } }"""

_BUSY = {
    "complexity_budget_exhausted",
    "complexityexception",
    "complexitybudgetexhausted",
    "rate_limit_exceeded",
    "maxconcurrencyexceeded",
    "field_limit_exceeded",
    "field_minute_rate_limit_exceeded",
    "ip_rate_limit_exceeded",
    "api_temporarily_blocked",
}
_BUSY_TEXT = re.compile(
    r"complexity budget exhausted|rate limit exceeded|limit rate exceeded|concurrency limit|currently locked", re.I
)
_DAILY = "daily_limit_exceeded"
_PENDING = "idempotency_conflict"
_SERVER = {"internal_server_error", "internal server error"}
_CREDENTIALS = {"unauthorized", "user_access_denied", "missingrequiredpermissions", "unauthorized_field_or_type"}
_RESET = re.compile(r"reset in (\d+) seconds")
_USED_UP = re.compile(r"r=0;t=(\d+)")


@dataclass(frozen=True, slots=True)
class Reply:
    """What monday answered: `data` of the operation, its request id, and whether it repeated a kept answer."""

    data: Mapping[str, Any]
    status: int
    request_id: str
    replayed: bool


class MondayApi:
    """One account's API under a personal token."""

    def __init__(
        self,
        http: Http,
        token: Callable[[], str],
        clock: Callable[[], datetime],
        shared: limits.Limits = limits.UNLIMITED,
        plan: str = "basic",
    ) -> None:
        self._http = http
        self._token = token
        self._clock = clock
        self._limits = shared
        self._share = FREE
        self._plan = plan

    def call(self, body: Mapping[str, Any], *, idempotency_key: str = "") -> Reply:
        """`body` holds `query` and `variables`. Raises RetryLater, Unknown, NeedsAttention or Undeliverable.

        If the data names an item, the write happened, whatever the errors beside it say (5.4).
        """
        token = self._token()
        headers = {"Authorization": token, "API-Version": API_VERSION}
        if idempotency_key:
            headers["Idempotency-Key"] = idempotency_key
        budget = limits.monday(token, self._plan)
        if self._share.budget != budget:
            self._share = Share(self._limits, budget)
        answer = self._share.call(lambda: self._http.call("POST", URL, headers=headers, body=body))
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
        if (errors and not _item_id(data)) or answer.status >= 400:
            raise self._error(answer, errors, budget)
        extensions = content.get("extensions")
        return Reply(
            data,
            answer.status,
            str(extensions.get("request_id", "")) if isinstance(extensions, dict) else "",
            answer.headers.get("idempotency-replayed", "").lower() == "true",
        )

    def _error(self, answer: Answer, errors: list[_Error], budget: limits.Budget) -> Exception:
        codes = {error.code.lower() for error in errors}
        text = "; ".join(error.message for error in errors)[:300] or f"HTTP {answer.status}"
        status = answer.status
        wait = (
            answer.retry_after(self._clock)
            or next((error.wait for error in errors if error.wait), None)
            or _exhausted(answer.headers.get("ratelimit", ""))
        )
        if _DAILY in codes:
            now = self._clock()
            midnight = (now + timedelta(days=1)).replace(hour=0, minute=1, second=0, microsecond=0)
            left = (midnight - now).total_seconds()
            self._limits.closed(budget, left)
            return RetryLater("monday: the day's API calls are used up", left, 429)
        if _PENDING in codes:
            return Unknown("monday is still working on this create", wait or 5, 409)
        if codes & _BUSY or status in (423, 429) or _BUSY_TEXT.search(text):
            if status != 423:  # a board that is locked is that board's business
                self._limits.closed(budget, wait)
            return RetryLater(f"monday is busy: {text}", wait, status)
        if codes & _SERVER or status >= 500:
            return Unknown(f"monday answered {status}: {text}", wait, status)
        if status == 401 or codes & _CREDENTIALS:
            return NeedsAttention(f"monday refuses the token: {text}", status)
        return Undeliverable(f"monday refuses it ({', '.join(sorted(codes)) or status}): {text}", status)


@dataclass(frozen=True, slots=True)
class _Error:
    code: str
    message: str
    wait: float | None


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
        found.append(_Error(str(extensions.get("code", "")), message, _wait(extensions) or _said(message)))
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


def _exhausted(policies: str) -> float | None:
    """Seconds until the used-up policies of a RateLimit header begin anew (5.1)."""
    return max((float(seconds) for seconds in _USED_UP.findall(policies)), default=None)


def _said(message: str) -> float | None:
    match = _RESET.search(message)
    return float(match[1]) if match else None


def _item_id(data: Mapping[str, Any]) -> str:
    item = data.get("item")
    return str(item["id"]) if isinstance(item, dict) and item.get("id") else ""


def _unreadable(answer: Answer) -> Exception:
    if answer.status == 401:
        return NeedsAttention("monday refuses the token", 401)
    if answer.status == 429:
        return RetryLater("monday is busy", answer.retry_after(), 429)
    # Gateways answer in HTML. Whatever the status, the call may have reached monday.
    return Unknown(f"monday gave an unreadable answer with status {answer.status}", answer.retry_after(), answer.status)
