"""Zoho: tokens of the accounts servers and reads of Books v3 (contracts: zoho-books 4, 6, 8)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from ml_connector import limits
from ml_connector.connections import Connection
from ml_connector.errors import NeedsAttention, RetryLater, Undeliverable
from ml_connector.modules import MODULES
from ml_connector.ports import AccessTokens, Issued
from ml_connector.records import timestamp
from ml_connector.regions import REGIONS
from ml_connector.vendors.http import Answer, Http

PAGE = 200
MAX_PAGES = 50
"""10,000 rows of one module in one run."""
SCARCE = 0.1
"""Share of the day's quota that is left to what cannot wait (8)."""
WINDOW = timedelta(days=30)
"""Where Zoho does not sort by modification, records made within this time before `since` are looked through (6.3)."""

_DAILY = 45
_PAUSES = {44: 60.0, 1070: 5.0}
"""Seconds, if Zoho does not say, after too many calls in a minute and too many at once."""

# `Access Denied` is Zoho's answer to more than 10 tokens in 10 minutes (4.5, 4.6).
_TOO_MANY_TOKENS = "access denied"
_TOKEN_FAULTS = {
    "invalid_code": "Zoho does not know this refresh token any more (revoked, or pushed out by newer ones)",
    "invalid_grant": "Zoho does not accept this refresh token any more",
    "invalid_client": "Zoho does not know this client in this data centre: wrong region or client id",
    "invalid_client_secret": "Zoho does not accept the client secret",
    "invalid_redirect_uri": "the redirect URI is not the one registered with Zoho",
}


class ZohoAccounts:
    """Issues access tokens."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def issue(self, credentials: Mapping[str, Any]) -> Issued:
        """A new access token for the stored refresh token. Errors come as HTTP 200: only the body counts (4.5)."""
        for name in ("region", "client_id", "client_secret", "refresh_token"):
            if not credentials.get(name):
                raise NeedsAttention(f"the Zoho credentials lack {name}; connect the organization")
        return self._token(
            credentials["region"],
            {
                "grant_type": "refresh_token",
                "client_id": credentials["client_id"],
                "client_secret": credentials["client_secret"],
                "refresh_token": credentials["refresh_token"],
            },
        )[0]

    def exchange(
        self, region: str, client_id: str, client_secret: str, code: str, redirect_uri: str
    ) -> tuple[Issued, str]:
        """Tokens for an authorization code: the access token and the refresh token."""
        issued, data = self._token(
            region,
            {
                "grant_type": "authorization_code",
                "client_id": client_id,
                "client_secret": client_secret,
                "code": code,
                **({"redirect_uri": redirect_uri} if redirect_uri else {}),
            },
        )
        refresh_token = data.get("refresh_token")
        if not refresh_token:
            raise NeedsAttention("Zoho sent no refresh token; connect again and agree to offline access")
        return issued, str(refresh_token)

    def _token(self, region: str, form: Mapping[str, str]) -> tuple[Issued, Mapping[str, Any]]:
        answer = self._http.call("POST", f"https://{REGIONS[region].accounts}/oauth/v2/token", form=form)
        data = answer.json()
        data = data if isinstance(data, dict) else {}
        token, error = data.get("access_token"), str(data.get("error", ""))
        if token:
            return Issued(str(token), int(data.get("expires_in", 3600))), data
        if error.lower() == _TOO_MANY_TOKENS:
            raise RetryLater("Zoho gives no more tokens for a while (10 in 10 minutes)", 600)
        if answer.status >= 500 or answer.status == 429 or not error:
            raise RetryLater(f"Zoho's accounts server answered {answer.status}", answer.retry_after())
        raise NeedsAttention(_TOKEN_FAULTS.get(error, f"Zoho refuses a token: {error[:60]}"))


class ZohoBooks:
    """Reads of Zoho Books. `organization_id` goes on every call; success is `code` 0, whatever the status (6.1).

    `optional` reads can wait (reconcile): they leave a share of the limits to the others (8).
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

    def fetch(self, connection: Connection, module: str, record_id: str) -> Mapping[str, Any]:
        shape = MODULES[module]
        data = self._get(connection, f"{shape.path}/{record_id}", {})
        for key in shape.keys:
            if isinstance(data.get(key), dict):
                return dict(data[key])
        raise Undeliverable(f"Zoho's answer holds no {module}")

    def changed_since(self, connection: Connection, module: str, since: str) -> Iterator[Mapping[str, Any]]:
        """Rows modified at or after `since`. Zoho's order is checked, not trusted: a page out of order is read on.

        Raises Undeliverable when there are more rows than one run may read.
        """
        shape = MODULES[module]
        made_after = (datetime.fromisoformat(since) - WINDOW).strftime("%Y-%m-%dT%H:%M:%SZ")
        for page in range(1, MAX_PAGES + 1):
            data = self._get(
                connection,
                shape.path,
                {"page": str(page), "per_page": str(PAGE), "sort_column": shape.sort, "sort_order": "D"},
            )
            listed: list[Any] = next((data[key] for key in shape.list_keys if isinstance(data.get(key), list)), [])
            rows = [row for row in listed if isinstance(row, dict)]
            made = [timestamp(row.get("created_time")) for row in rows]
            changed = [timestamp(row.get("last_modified_time") or row.get("created_time")) for row in rows]
            yield from (row for row, time in zip(rows, changed, strict=True) if time >= since)
            more = isinstance(data.get("page_context"), dict) and data["page_context"].get("has_more_page")
            in_order = shape.sort == "last_modified_time" and _descending(changed)
            if not more or (_past(changed, since) if in_order else _past(made, made_after)):
                return
        raise Undeliverable(f"Zoho Books, {shape.path}: more than {MAX_PAGES * PAGE} rows to read since {since}")

    def _get(self, connection: Connection, path: str, query: Mapping[str, str]) -> dict[str, Any]:
        token = self._tokens.access_token(connection.name, "zoho")
        answer = self._call(connection, path, query, token)
        if answer.status == 401 and _code(answer) != 57:
            # Once. 57 is a missing scope or role, which no new token has: asking for one at each call would use up
            # Zoho's ten in ten minutes, and the secret's hundred versions a day (8).
            token = self._tokens.access_token(connection.name, "zoho", rejected=token)
            answer = self._call(connection, path, query, token)
        return _checked(answer, path)

    def _call(self, connection: Connection, path: str, query: Mapping[str, str], token: str) -> Answer:
        budget = limits.zoho(connection.region, connection.organization_id)
        self._limits.take(budget, optional=self._optional)
        answer = self._http.call(
            "GET",
            f"https://{REGIONS[connection.region].api}/books/v3/{path}",
            headers={"Authorization": f"Zoho-oauthtoken {token}"},
            query={**query, "organization_id": connection.organization_id},
        )
        self._share(budget, answer)
        return answer

    def _share(self, budget: limits.Budget, answer: Answer) -> None:
        """Tells the other instances what this answer says about the limits (8)."""
        if (pause := _pause(answer)) is not None:
            self._limits.closed(budget, pause)
        quota, left, reset = (_number(answer, f"x-rate-limit-{name}") for name in ("limit", "remaining", "reset"))
        if quota and left is not None and reset and left < quota * SCARCE:
            self._limits.scarce(budget, reset)


def _descending(times: list[str]) -> bool:
    return times == sorted(times, reverse=True)


def _past(times: list[str], end: str) -> bool:
    """True if the page is in descending order and goes beyond `end`: the pages after it hold nothing newer."""
    return bool(times) and _descending(times) and times[-1] < end


def _code(answer: Answer) -> int | None:
    data = answer.json()
    code = data.get("code") if isinstance(data, dict) else None
    return code if isinstance(code, int) else None


def _number(answer: Answer, header: str) -> int | None:
    value = answer.headers.get(header, "").strip()
    return int(value) if value.isascii() and value.isdigit() else None


def _pause(answer: Answer) -> float | None:
    """For how many seconds Zoho takes no more calls; None if it does (8)."""
    code = _code(answer)
    if code == _DAILY:
        return float(_number(answer, "x-rate-limit-reset") or 3600)
    if code in _PAUSES or (code != 0 and answer.status == 429):
        return answer.retry_after() or _PAUSES.get(code or 0, 60.0)
    return None


def _checked(answer: Answer, path: str) -> dict[str, Any]:
    """Zoho's error table: `code` first, then the status (8)."""
    data = answer.json()
    code = _code(answer)
    if code == 0 and isinstance(data, dict):
        return data
    said = str(data.get("message", ""))[:200] if isinstance(data, dict) else ""
    where = f"Zoho Books, {path}"
    if (pause := _pause(answer)) is not None:
        what = "the day's API quota is used up" if code == _DAILY else f"too many requests ({code})"
        raise RetryLater(f"{where}: {what}", pause, 429)
    if code == 1000 or answer.status >= 500 or (code is None and answer.status < 400):
        raise RetryLater(f"{where}: Zoho answered {answer.status}", answer.retry_after(), answer.status)
    if code in (14, 57) or answer.status == 401:
        raise NeedsAttention(f"{where}: the token is not accepted or lacks a scope; connect again. Zoho: {said}", 401)
    if code == 1002:
        raise Undeliverable(f"{where}: the record does not exist (any more)", answer.status)
    raise Undeliverable(f"{where}: Zoho refuses it, code {code}: {said}", answer.status)
