"""Zoho's settings: webhooks, workflow rules, and the history of what was sent (contracts: zoho-books 3.1, 3.2).

Settings have a much tighter limit than records: calls are paced, and a refusal is waited for (3.4).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

from ml_connector.connections import Connection
from ml_connector.errors import RetryLater, Unknown
from ml_connector.vendors.zoho_api import DOES_NOT_EXIST, Refused, ZohoApi, listed, more
from ml_connector.webhook_plan import ZohoRule, ZohoWebhook
from ml_connector.webhook_setup import NameTaken, RulesUnavailable

PACE = 0.6
"""Seconds between two calls: what works in practice."""
TRIES = 5
PATIENCE = 120.0
"""Seconds that a person at a terminal waits for one call; a day's quota is longer."""
PAGE = 200
MAX_PAGES = 50
AT_ONCE = 10
"""How many entries of the history can be sent again with one call."""

_NAME_TAKEN = 107051
_PLAN = re.compile(r"\b(plan|plans|upgrade|edition|subscription|subscribe)\b", re.IGNORECASE)
_HISTORIES = ("webhook_histories", "histories", "webhooks_histories", "history")
"""What the list may be called: nobody has published an answer."""


@dataclass(frozen=True, slots=True)
class Sent:
    """An entry of the history: one webhook that Zoho has sent or has tried to. What it does not say is empty."""

    id: str
    webhook_id: str = ""
    webhook: str = ""
    at: str = ""
    status: str = ""
    module: str = ""
    record_id: str = ""
    retries: int = 0
    next_retry_at: str = ""
    answer: str = ""

    @property
    def failed(self) -> bool:
        return self.status.casefold().startswith("fail")


class ZohoSettings:
    """Implements webhook_setup.Settings. `wait` sleeps; without it calls are neither paced nor repeated.

    A function's `wait` raises where it would take long: what is left is another run's.

    `waits` is told the seconds and the reason of each wait that is longer than the pace.
    """

    def __init__(
        self,
        api: ZohoApi,
        wait: Callable[[float], None] | None = None,
        now: Callable[[], float] = monotonic,
        waits: Callable[[float, str], None] = lambda seconds, reason: None,
    ) -> None:
        self._api = api
        self._wait = wait
        self._now = now
        self._waits = waits
        self._last: float | None = None

    # --- webhooks

    def webhooks(self, connection: Connection) -> Sequence[ZohoWebhook]:
        return [_webhook(row) for row in self._pages(connection, "settings/webhooks", ("webhooks",))]

    def create_webhook(self, connection: Connection, body: Mapping[str, Any]) -> str:
        """Made again after a lost answer, it is refused because of its name: NameTaken."""
        return _id(self._save(connection, "settings/webhooks", "POST", body), "webhook")

    def update_webhook(self, connection: Connection, webhook_id: str, body: Mapping[str, Any]) -> None:
        self._save(connection, f"settings/webhooks/{webhook_id}", "PUT", body)

    def delete_webhook(self, connection: Connection, webhook_id: str) -> None:
        self._delete(connection, f"settings/webhooks/{webhook_id}")

    # --- rules

    def rules(self, connection: Connection) -> Sequence[ZohoRule]:
        return [_rule(row) for row in self._pages(connection, "settings/workflows", ("workflows",))]

    def rule(self, connection: Connection, rule_id: str) -> ZohoRule:
        data = self._call(connection, f"settings/workflows/{rule_id}").get("workflow")
        return _rule({"workflow_id": rule_id, **(data if isinstance(data, dict) else {})})

    def create_rule(self, connection: Connection, body: Mapping[str, Any]) -> str:
        return _id(self._save(connection, "settings/workflows", "POST", body, repeatable=False), "workflow")

    def update_rule(self, connection: Connection, rule_id: str, body: Mapping[str, Any]) -> None:
        self._save(connection, f"settings/workflows/{rule_id}", "PUT", body)

    def delete_rule(self, connection: Connection, rule_id: str) -> None:
        self._delete(connection, f"settings/workflows/{rule_id}")

    # --- history

    def history(
        self, connection: Connection, since: str, until: str, *, failed: bool = False, webhook_id: str = ""
    ) -> Iterator[Sent]:
        """What was sent from the day `since` to the day `until`, both as yyyy-mm-dd, in Zoho's order."""
        query = {"from_date": since, "to_date": until}
        query |= {"filter_by": "Status.Failed"} if failed else {}
        query |= {"webhook_id": webhook_id} if webhook_id else {}
        for row in self._pages(connection, "settings/webhooks/histories", _HISTORIES, query):
            sent = _sent(row)
            # Filters that Zoho does not know are silently ignored.
            if not (failed and sent.status and not sent.failed) and webhook_id in ("", sent.webhook_id):
                yield sent

    def resend(self, connection: Connection, ids: Sequence[str]) -> None:
        """Sends up to AT_ONCE entries of the history again. Not repeated by itself: it may have worked."""
        path = (
            f"settings/webhooks/histories/{ids[0]}/resend"
            if len(ids) == 1
            else "settings/webhooks/histories/bulkresend"
        )
        query = {"history_ids": ",".join(ids)} if len(ids) > 1 else {}
        self._call(connection, path, "POST", query, repeatable=False)

    # --- calls

    def _pages(
        self, connection: Connection, path: str, keys: Sequence[str], query: Mapping[str, str] | None = None
    ) -> Iterator[Mapping[str, Any]]:
        for page in range(1, MAX_PAGES + 1):
            asked = {**(query or {}), "page": str(page), "per_page": str(PAGE)}
            data = self._call(connection, path, query=asked)
            rows = listed(data, keys, path)
            yield from rows
            if not rows or not more(data, len(rows), PAGE):
                return

    def _save(
        self, connection: Connection, path: str, method: str, body: Mapping[str, Any], *, repeatable: bool = True
    ) -> dict[str, Any]:
        try:
            return self._call(connection, path, method, body=body, repeatable=repeatable)
        except Refused as error:
            raise _named(error) from None

    def _delete(self, connection: Connection, path: str) -> None:
        try:
            self._call(connection, path, "DELETE")
        except Refused as error:
            if error.code != DOES_NOT_EXIST and error.status != 404:
                raise

    def _call(
        self,
        connection: Connection,
        path: str,
        method: str = "GET",
        query: Mapping[str, str] | None = None,
        *,
        body: Mapping[str, Any] | None = None,
        repeatable: bool = True,
    ) -> dict[str, Any]:
        for tried in range(1, TRIES + 1):
            self._pace()
            try:
                return self._api.call(connection, path, query, method=method, body=body)
            except RetryLater as error:
                again = repeatable or not isinstance(error, Unknown)
                seconds = max(error.after or 0.0, 2.0**tried)
                if self._wait is None or not again or tried == TRIES or seconds > PATIENCE:
                    raise
                self._waits(seconds, error.reason)
                self._wait(seconds)
        raise AssertionError("the last try returns or raises")

    def _pace(self) -> None:
        if self._wait is None:
            return
        if self._last is not None and (left := self._last + PACE - self._now()) > 0:
            self._wait(left)
        self._last = self._now()


def _named(error: Refused) -> Refused | NameTaken | RulesUnavailable:
    """A refusal by its name."""
    if error.code == _NAME_TAKEN:
        return NameTaken(error.reason, error.status)
    if _PLAN.search(error.reason):
        return RulesUnavailable(error.reason, error.status)
    return error


def _webhook(row: Mapping[str, Any]) -> ZohoWebhook:
    return ZohoWebhook(
        id=_text(row, "webhook_id"),
        name=_text(row, "webhook_name"),
        url=_text(row, "url"),
        entity=_text(row, "entity"),
        method=_text(row, "method").upper(),
        # "" when there is none (3.1)
        rules=tuple(_text(rule, "workflow_id") for rule in _rows(row.get("related_rules"))),
    )


def _rule(row: Mapping[str, Any]) -> ZohoRule:
    actions = None
    if "instant_actions" in row:
        listed = [*_rows(row.get("instant_actions")), *_rows(row.get("time_based_actions"))]
        actions = tuple((_text(each, "action_type"), _text(each, "action_id")) for each in listed)
    fields = row.get("field_update")
    return ZohoRule(
        id=_text(row, "workflow_id"),
        name=_text(row, "workflow_name"),
        active=row.get("is_active") not in (False, "false"),
        entity=_text(row, "entity"),
        rule_type=_text(row, "rule_type"),
        actions=actions,
        fields=tuple(str(each) for each in fields if each) if isinstance(fields, list) else (),
    )


def _sent(row: Mapping[str, Any]) -> Sent:
    retries = _text(row, "retry_count")
    return Sent(
        id=_text(row, "history_id", "webhook_history_id"),
        webhook_id=_text(row, "webhook_id"),
        webhook=_text(row, "webhook_name", "action_name"),
        at=_text(row, "last_execution_time", "execution_time", "created_time"),
        status=_text(row, "status"),
        module=_text(row, "entity", "entity_type"),
        record_id=_text(row, "entity_id"),
        retries=int(retries) if retries.isascii() and retries.isdigit() else 0,
        next_retry_at=_text(row, "next_retry_time"),
        answer=_text(row, "response_code", "status_code", "http_status"),
    )


def _id(data: Mapping[str, Any], kind: str) -> str:
    """Of what was created: success is that there is one (3.1). Without, it is looked for by name."""
    made = data.get(kind)
    identity = _text(made, f"{kind}_id") if isinstance(made, dict) else ""
    if not identity:
        raise Unknown(f"Zoho does not say which {kind} it has made")
    return identity


def _text(row: Mapping[str, Any], *names: str) -> str:
    return next((str(row[name]) for name in names if row.get(name) not in (None, "")), "")


def _rows(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
