"""Calls of Zoho Books v3: organization, token and limits on every one, and what Zoho's error table means.

Contracts: zoho-books 6.1, 8. What is read or changed by them is in zoho.py and zoho_settings.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ml_connector import limits
from ml_connector.connections import Connection
from ml_connector.errors import NeedsAttention, NotAllowed, RetryLater, Undeliverable, Unknown
from ml_connector.ports import AccessTokens
from ml_connector.regions import REGIONS
from ml_connector.vendors.http import Answer, Http

_DAILY = 45
_NOT_ALLOWED = 57
DOES_NOT_EXIST = 1002
"""Zoho's code for a record or a setting that it does not have (any more)."""
_PAUSES = {44: 60.0, 1070: 5.0}
"""Seconds, if Zoho does not say, after too many calls in a minute and too many at once."""
_LIMITS = (_DAILY, *_PAUSES)
_SETTINGS = "settings/"
_CONTEXT = "page_context"


class Refused(Undeliverable):
    """Zoho says no to this very call. `code` is Zoho's own; None if it gave none."""

    def __init__(self, reason: str, status: int, code: int | None) -> None:
        super().__init__(reason, status)
        self.code = code


class ZohoApi:
    """`organization_id` goes on every call; success is `code` 0, whatever the status (6.1).

    `optional` calls can wait (reconcile): of the minute they leave a share to deliveries; of the day they use no more
    than `allow` says, and they stop at the connection's reserve, which is the customer's other integrations'. A call
    for a delivery does not: it is one, and what it carries cannot wait until midnight (8).
    """

    def __init__(
        self,
        http: Http,
        tokens: AccessTokens,
        shared: limits.Limits = limits.UNLIMITED,
        *,
        optional: bool = False,
    ) -> None:
        self._http = http
        self._tokens = tokens
        self._limits = shared
        self._optional = optional
        self._shares: dict[str, int] = {}
        self._quotas: dict[str, limits.Quota] = {}
        self._made: Counter[str] = Counter()

    def allow(self, connection: Connection, calls: int) -> None:
        """How many optional calls all instances together may make for its organization in a UTC day."""
        self._shares[connection.organization_id] = calls

    def quota(self, connection: Connection) -> limits.Quota | None:
        """What Zoho's last answer said of the organization's day; None if it has not said anything here."""
        return self._quotas.get(connection.organization_id)

    def made(self, connection: Connection) -> int:
        """Calls that were made from here for its organization."""
        return self._made[connection.organization_id]

    def call(
        self,
        connection: Connection,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        method: str = "GET",
        body: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The answer to a call of `path` (below /books/v3/); `body` is sent as JSON.

        Raises RetryLater, NeedsAttention (NotAllowed for a missing scope or role), Refused; for a call that changes
        something, Unknown if it may have.
        """
        token = self._tokens.access_token(connection.name, "zoho")
        answer = self._once(connection, method, path, query, body, token)
        if answer.status == 401 and _code(answer) != _NOT_ALLOWED:
            # Once. 57 is a missing scope or role, which no new token has: asking for one at each call would use up
            # Zoho's ten in ten minutes, and the secret's hundred versions a day (8).
            token = self._tokens.access_token(connection.name, "zoho", rejected=token)
            answer = self._once(connection, method, path, query, body, token)
        return checked(answer, path, changes=method != "GET", hidden=_secrets_in(body))

    def _once(
        self,
        connection: Connection,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Mapping[str, Any] | None,
        token: str,
    ) -> Answer:
        organization = connection.organization_id
        share = self._shares.get(organization) if self._optional else None
        budget = limits.zoho(connection.region, organization, share)
        self._limits.take(budget, optional=self._optional)
        self._made[organization] += 1
        answer = self._http.call(
            method,
            f"https://{REGIONS[connection.region].api}/books/v3/{path}",
            headers={"Authorization": f"Zoho-oauthtoken {token}"},
            query={**(query or {}), "organization_id": connection.organization_id},
            body=body,
        )
        self._share(connection, budget, answer, path)
        return answer

    def _share(self, connection: Connection, budget: limits.Budget, answer: Answer, path: str) -> None:
        """Tells the other instances what this answer says about the limits (8).

        Settings have a limit of their own, much tighter: deliveries do not wait for it.
        """
        pause = _pause(answer, path)
        if pause is not None and (_code(answer) in _LIMITS or not path.startswith(_SETTINGS)):
            self._limits.closed(budget, pause)
        quota, left = (_number(answer, f"x-rate-limit-{name}") for name in ("limit", "remaining"))
        reset = _until_midnight(answer)
        if not quota or left is None or not reset:
            return
        self._quotas[connection.organization_id] = limits.Quota(quota, left, reset)
        if left < quota * connection.zoho["reserve"] / 100:
            self._limits.scarce(budget, reset)


def listed(data: Mapping[str, Any], keys: Sequence[str], what: str) -> list[dict[str, Any]]:
    """The rows of a list, under the first of its names that the answer has; `""` or nothing at all is an empty list.

    Raises Undeliverable if what it has are rows under another name: an empty list would say that nothing was missed.
    """
    name = next((key for key in keys if key in data), None)
    rows = data[name] if name else []
    unknown = [key for key, value in data.items() if name is None and key != _CONTEXT and _has_rows(value)]
    if unknown or not (isinstance(rows, list) or rows in (None, "")):
        found = ", ".join(unknown or [str(name)])[:100]
        raise Undeliverable(f"Zoho Books, {what}: the answer has no list of it that this release knows, but {found}")
    return [row for row in rows or () if isinstance(row, dict)]


def more(data: Mapping[str, Any], rows: int, size: int) -> bool:
    """Whether another page follows one that has so many rows; `size` were asked for.

    Zoho's specification leaves it out for some modules (6.1): then a full page is not the last.
    """
    context = page_context(data)
    said, own_size = context.get("has_more_page"), context.get("per_page")
    if isinstance(said, bool | str) and said != "":
        return str(said).casefold() == "true"
    return rows >= (min(own_size, size) if isinstance(own_size, int) and own_size > 0 else size)


def page_context(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """What an answer says of its page: an object, in Zoho's specification of some modules within an array (6.1)."""
    context = data.get(_CONTEXT)
    if isinstance(context, list):
        context = next(iter(context), None)
    return context if isinstance(context, dict) else {}


def _has_rows(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(row, dict) for row in value)


def _code(answer: Answer) -> int | None:
    data = answer.json()
    code = data.get("code") if isinstance(data, dict) else None
    return code if isinstance(code, int) else None


def _number(answer: Answer, header: str) -> int | None:
    value = answer.headers.get(header, "").strip()
    return int(value) if value.isascii() and value.isdigit() else None


def _until_midnight(answer: Answer) -> int | None:
    """Seconds until the organization's day ends; None if Zoho does not say so, or says what no day's end can be."""
    seconds = _number(answer, "x-rate-limit-reset")
    return seconds if seconds is not None and seconds <= limits.CLOSED_AT_MOST else None


def _pause(answer: Answer, path: str) -> float | None:
    """For how many seconds Zoho takes no more calls; None if it does (8)."""
    code = _code(answer)
    if code == _DAILY:
        return float(_until_midnight(answer) or 3600)
    if code in _PAUSES or (code != 0 and answer.status == 429):
        return answer.retry_after() or _PAUSES.get(code or 0, 2.0 if path.startswith(_SETTINGS) else 60.0)
    return None


def _secrets_in(body: Mapping[str, Any] | None) -> list[str]:
    """What of a webhook's settings nobody may read in an error: its address holds a token."""
    return [str(body[name]) for name in ("url", "secret") if body and body.get(name)]


def checked(answer: Answer, path: str, *, changes: bool = False, hidden: Sequence[str] = ()) -> dict[str, Any]:
    """Zoho's error table: `code` first, then the status (8). `changes`: the call may have taken effect.

    `hidden` is taken out of what Zoho says, before that is cut.
    """
    data = answer.json()
    code = _code(answer)
    if code == 0 and isinstance(data, dict):
        return data
    said = str(data.get("message", "")) if isinstance(data, dict) else ""
    for secret in hidden:
        said = said.replace(secret, "…")
    said = said[:200]
    where = f"Zoho Books, {path}"
    if (pause := _pause(answer, path)) is not None:
        what = "the day's API quota is used up" if code == _DAILY else f"too many requests ({code})"
        raise RetryLater(f"{where}: {what}", pause, 429)
    if code == 1000 or answer.status >= 500 or (code is None and answer.status < 400):
        later = Unknown if changes else RetryLater
        raise later(f"{where}: Zoho answered {answer.status}", answer.retry_after(), answer.status)
    if code == _NOT_ALLOWED:
        raise NotAllowed(f"{where}: the access lacks a scope, or its user a role; connect again. Zoho: {said}", 401)
    if code == 14 or answer.status == 401:
        raise NeedsAttention(f"{where}: the token is not accepted; connect again. Zoho: {said}", 401)
    if code == DOES_NOT_EXIST:
        raise Refused(f"{where}: the record does not exist (any more)", answer.status, code)
    raise Refused(f"{where}: Zoho refuses it, code {code}: {said}", answer.status, code)
