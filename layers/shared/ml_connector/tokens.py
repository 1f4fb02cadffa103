"""Access tokens: refreshed before they end, by one writer at a time, shared by all instances (design 3 and 7).

A token is due about five minutes before it expires, which for Zoho's hour is the 55th minute or up to SPREAD earlier:
tokens that were issued together drift apart. The schedule refreshes what is due, a few at a time; a function that meets
a token in its last minutes, or one that the vendor has refused, refreshes it itself under the same lease. Tokens are in
the connection's secret, under `tokens`; when they are due is in the connections table, so that the schedule reads one
small list rather than every secret.

What a vendor has refused is in the secret too, under `refusals`, for as long as the credentials stay the same:
deliveries that wait for a person do not ask the vendor each time anew. A vendor may also issue tokens and then refuse
them (`tokens_refused`): another one is then on trial until it is due, and only if nobody had it refused is all well.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Protocol

from ml_connector import limits
from ml_connector.errors import NeedsAttention, RetryLater, Throttled, Undeliverable, Unknown
from ml_connector.ports import Clock, Issued
from ml_connector.times import stamp

EARLY = timedelta(minutes=5)
"""How long before its end a token is refreshed, at least."""
SPREAD = timedelta(minutes=3)
"""Up to this much earlier, each by its own chance: a thousand tokens of one minute are not refreshed in one."""
UNUSED = timedelta(minutes=4)
"""How long before its end a token is no longer used."""
RECHECK = timedelta(hours=1)
"""When refused credentials are tried again unchanged: somebody may have put it right at the vendor's side."""
TOO_SOON = timedelta(minutes=30)
"""A token that was issued in place of a refused one, and is refused itself within this time: a third would be too.
Zoho's ten in ten minutes and the secret's hundred versions a day are not spent on it; somebody is told."""
LEASE_SECONDS = 90
WORKERS = 8
"""Refreshes at the same time. Each is a call or two of half a second, so at most about twenty a second are made."""

_NEW_ONES_REFUSED = {
    "zoho": "Zoho Books refuses access tokens that were only just issued: the organization is not of this data centre, "
    "or the user who gave access may not use it any more",
    "microsoft": "Microsoft refuses access tokens that were only just issued: the app or the account was blocked, or "
    "is not the one that may post there",
    "monday": "monday.com refuses access tokens that were only just issued: the app was uninstalled, or the user who "
    "gave access may not use it any more, or the account allows only some addresses",
}
_WAYS_OUT = {"microsoft.bot": "credentials", "microsoft.graph": "credentials"}
"""Of such a refusal; that of the others is a new consent."""


class Issuer(Protocol):
    def issue(self, credentials: Mapping[str, Any]) -> Issued:
        """Raises RetryLater or NeedsAttention."""
        ...


class Secrets(Protocol):
    def get(self, connection: str, purpose: str, *, max_age: float = ...) -> Mapping[str, Any]: ...

    def newest(self, connection: str, purpose: str) -> Mapping[str, Any]:
        """What was written last, for its only writer. Raises RetryLater as long as that is not to be seen."""
        ...

    def put(self, connection: str, purpose: str, value: Mapping[str, Any]) -> None: ...


class Leases(Protocol):
    def held(self, name: str, seconds: int) -> AbstractContextManager[bool]: ...


@dataclass(frozen=True, slots=True)
class Due:
    """When a connection's token is to be refreshed; `state` is `ok` or `needs_attention`.

    `reason` says what went wrong last, `command` what a person must type. Without a reason the token is well.
    """

    connection: str
    kind: str
    due_at: str
    state: str
    reason: str = ""
    command: str = ""
    expires_at: str = ""
    """When the newest access token ends, if that is known."""


class Agenda(Protocol):
    """The list of tokens with the times at which they are due."""

    def all(self) -> Iterable[Due]: ...

    def set(self, due: Due) -> None: ...


@dataclass(frozen=True, slots=True)
class Tokens:
    """`kind` is `zoho`, `microsoft.bot`, `microsoft.graph`, `microsoft.delegated` or `monday`; its first part names the
    secret. `faulted` hears of what went wrong in the schedule's run though no vendor said so.
    """

    secrets: Secrets
    leases: Leases
    agenda: Agenda
    issuers: Mapping[str, Issuer]
    clock: Clock
    limits: limits.Limits = limits.UNLIMITED
    jitter: Callable[[float, float], float] = random.uniform
    workers: int = WORKERS
    faulted: Callable[[Due, Exception], None] = lambda due, error: None

    def access_token(self, connection: str, kind: str, *, rejected: str = "") -> str:
        """A token with at least four minutes left. `rejected` is one that the vendor has just refused.

        Raises NeedsAttention, also without asking when these very credentials were refused within the hour; or
        RetryLater.
        """
        credentials: Mapping[str, Any] = {}
        for max_age in (300.0, 0.0):
            credentials = self.secrets.get(connection, _purpose(kind), max_age=max_age)
            if token := self._usable(credentials, kind, rejected):
                return token
        if (refusal := _refusal(credentials, kind)) and self.clock() - _moment(refusal["at"]) < RECHECK:
            raise NeedsAttention(refusal["reason"], remedy=refusal["remedy"])
        return self._refresh(connection, kind, rejected)

    def refresh_due(self, left: timedelta = timedelta(seconds=90)) -> dict[str, int]:
        """Refreshes what is due, a few at a time, beginning none after `left`.

        Counts of `refreshed`, `failed` (a person must act), `waiting` (for the next run) and `faulted`.
        """
        now = self.clock()
        at, until = stamp(now), now + left
        due = sorted((each for each in self.agenda.all() if each.due_at <= at), key=lambda each: each.due_at)
        counts = Counter({"refreshed": 0, "failed": 0, "waiting": 0, "faulted": 0})
        if self.workers == 1 or len(due) < 2:
            counts.update(self._scheduled(each, until) for each in due)
        else:
            with ThreadPoolExecutor(self.workers) as pool:
                counts.update(pool.map(lambda each: self._scheduled(each, until), due))
        return dict(counts)

    def _scheduled(self, due: Due, until: datetime) -> str:
        if self.clock() >= until:
            return "waiting"
        try:
            self._refresh(due.connection, due.kind, "", scheduled=True)
        except RetryLater:
            return "waiting"
        except Undeliverable:
            return "failed"
        except Exception as error:
            # One connection's broken secret is not the others' trouble.
            self.faulted(due, error)
            return "faulted"
        return "refreshed"

    def _usable(self, credentials: Mapping[str, Any], kind: str, rejected: str, spare: timedelta = UNUSED) -> str:
        token = credentials.get("tokens", {}).get(kind)
        if not token or token["access_token"] == rejected:
            return ""
        left = _moment(token["expires_at"]) - self.clock()
        return str(token["access_token"]) if left > spare else ""

    def _refresh(self, connection: str, kind: str, rejected: str, *, scheduled: bool = False) -> str:
        purpose = _purpose(kind)
        with self.leases.held(f"{connection}#{purpose}", LEASE_SECONDS) as mine:
            credentials = self.secrets.newest(connection, purpose)
            if not credentials:
                missing = f"connection {connection} has no {purpose} credentials"
                if scheduled:
                    # It had some once, or nobody would have put it on the agenda.
                    self._attend(connection, kind, self.clock() + RECHECK, {"reason": missing, "remedy": "credentials"})
                way_out = remedy(connection, kind, "credentials")
                raise NeedsAttention(f"{missing} yet; set them with `{way_out}`")
            # Somebody may have refreshed it between our look and our turn.
            last = credentials.get("tokens", {}).get(kind, {})
            refusal = _refusal(credentials, kind)
            # If something was refused since, it is due to be asked for anew, whether this one would still live or not.
            asked_anew = scheduled and refusal is not None and last.get("instead_at", "") <= refusal["at"]
            spare = EARLY + SPREAD if scheduled else UNUSED
            if not asked_anew and (token := self._usable(credentials, kind, rejected, spare)):
                if scheduled:
                    self._note(connection, kind, _moment(last["expires_at"]), refusal)
                return token
            if not mine:
                raise RetryLater(f"the {kind} token of {connection} is being refreshed", 3)
            if rejected and rejected == last.get("access_token") and self._too_soon(last):
                error = NeedsAttention(_NEW_ONES_REFUSED[purpose], remedy=_WAYS_OUT.get(kind, "consent"))
                self._refused(connection, kind, credentials, error, tokens_refused="yes")
                raise error
            return self._renew(connection, kind, credentials, rejected)

    def _too_soon(self, token: Mapping[str, str]) -> bool:
        at = token.get("instead_at", "")
        return bool(at) and self.clock() - _moment(at) < TOO_SOON

    def _renew(self, connection: str, kind: str, credentials: Mapping[str, Any], rejected: str) -> str:
        """A new token, stored. The lease is ours."""
        try:
            issued = self._issue(kind, credentials)
        except NeedsAttention as error:
            self._refused(connection, kind, credentials, error)
            raise
        except RetryLater as error:
            if error.after:
                # Zoho blocks for ten minutes who asks too often; asking on would not shorten it (zoho-books 4.6).
                self._put_off(connection, kind, credentials, error.after, error.reason)
            raise
        now = self.clock()
        expires = now + timedelta(seconds=issued.lifetime)
        token = {"access_token": issued.access_token, "expires_at": stamp(expires)}
        refusal = None if not rejected and _survived(credentials, kind) else _refusal(credentials, kind)
        if refusal and not refusal.get("tokens_refused"):
            refusal = None  # it was of the credentials, and a token is the vendor's yes to them
        if rejected or refusal:
            token["instead_at"] = stamp(now)
        self._store(connection, kind, credentials, token=token, refusal=refusal, keep=issued.keep)
        self._note(connection, kind, expires, refusal)
        return issued.access_token

    def _issue(self, kind: str, credentials: Mapping[str, Any]) -> Issued:
        try:
            if kind == "zoho":
                self.limits.take(limits.tokens(kind, _digest(credentials)))
            return self.issuers[kind].issue(credentials)
        except Throttled as error:
            raise RetryLater(f"no more {kind} tokens for now: {error.reason}", error.after) from error
        except Unknown as error:
            # A token that may have been issued is no harm; and what waits for it has not been sent.
            raise RetryLater(error.reason, error.after, error.status) from error

    def _refused(
        self, connection: str, kind: str, credentials: Mapping[str, Any], error: NeedsAttention, **more: str
    ) -> None:
        now = self.clock()
        refusal = {
            "at": stamp(now),
            "of": _digest(credentials),
            "reason": error.reason,
            "remedy": error.remedy,
            **more,
        }
        self._store(connection, kind, credentials, refusal=refusal)
        self._attend(connection, kind, now + RECHECK, refusal)

    def _attend(self, connection: str, kind: str, due: datetime, refusal: Mapping[str, str]) -> None:
        command = remedy(connection, kind, refusal["remedy"])
        self.agenda.set(Due(connection, kind, stamp(due), "needs_attention", refusal["reason"], command))

    def minutes_left(self) -> float | None:
        """Of the access token that ends first: less than 0 if it has. None if there is none.

        What waits for a person does not count: that has been said, and it is on nobody else's list any more.
        """
        ends = [each.expires_at for each in self.agenda.all() if each.expires_at and each.state == "ok"]
        return (_moment(min(ends)) - self.clock()).total_seconds() / 60 if ends else None

    def _put_off(self, connection: str, kind: str, credentials: Mapping[str, Any], after: float, reason: str) -> None:
        due = self.clock() + timedelta(seconds=after)
        if refusal := _refusal(credentials, kind):
            # A vendor that is busy takes nothing back of what it refused.
            self._attend(connection, kind, due, refusal)
        else:
            ends = credentials.get("tokens", {}).get(kind, {}).get("expires_at", "")
            self.agenda.set(Due(connection, kind, stamp(due), "ok", reason, expires_at=ends))

    def _store(
        self,
        connection: str,
        kind: str,
        credentials: Mapping[str, Any],
        *,
        token: Mapping[str, str] | None = None,
        refusal: Mapping[str, str] | None = None,
        keep: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """The kind's new token, which ends a refusal unless that is given too; or its refusal, beside the token that
        may still live.

        `keep` goes in with the token, in one write: of two refresh tokens the newer one must not be lost.
        """
        purpose = _purpose(kind)
        try:
            changed = self.secrets.newest(connection, purpose) != credentials
        except RetryLater:
            if not keep:
                raise
            changed = False  # a refresh token that was spent for this one is worth more than the doubt
        if changed:
            # A person has put in others meanwhile: these must not be written over.
            raise RetryLater(f"the {purpose} credentials of {connection} have just changed", 3)
        tokens, refusals = dict(credentials.get("tokens", {})), dict(credentials.get("refusals", {}))
        refusals.pop(kind, None)
        if token:
            tokens[kind] = token
        if refusal:
            refusals[kind] = refusal
        self.secrets.put(connection, purpose, {**credentials, **keep, "tokens": tokens, "refusals": refusals})

    def _note(self, connection: str, kind: str, expires: datetime, refusal: Mapping[str, str] | None = None) -> None:
        """Writes down when a token that ends then is due. With a refusal it is on trial until then."""
        due = expires - EARLY - timedelta(seconds=self.jitter(0, SPREAD.total_seconds()))
        if refusal:
            self._attend(connection, kind, due, refusal)
        else:
            self.agenda.set(Due(connection, kind, stamp(due), "ok", expires_at=stamp(expires)))


def remedy(connection: str, kind: str, what: str) -> str:
    """What a person types: `what` is NeedsAttention's."""
    # An app itself signs in nowhere: once an administrator has agreed, credentials that are stored anew are tried.
    if what == "consent" and kind not in ("microsoft.bot", "microsoft.graph"):
        return f"mlc auth {_purpose(kind)} {connection}"
    return f"mlc credentials set {connection} {_purpose(kind)}"


def _survived(credentials: Mapping[str, Any], kind: str) -> bool:
    """Whether the last token came after the last refusal: a trial that nobody had refused."""
    issued: str = credentials.get("tokens", {}).get(kind, {}).get("instead_at", "")
    refused: str = credentials.get("refusals", {}).get(kind, {}).get("at", "")
    return issued > refused


def _refusal(credentials: Mapping[str, Any], kind: str) -> Mapping[str, str] | None:
    """What the vendor last said of these very credentials, if it was no."""
    refusal: Mapping[str, str] | None = credentials.get("refusals", {}).get(kind)
    return refusal if refusal and refusal["of"] == _digest(credentials) else None


def _digest(credentials: Mapping[str, Any]) -> str:
    """Tells credentials apart, without what we put beside them (`delegated` rotates; a new one ends its refusal)."""
    ours = ("tokens", "refusals", "delegated")
    theirs = sorted((name, value) for name, value in credentials.items() if name not in ours)
    return hashlib.sha256(repr(theirs).encode()).hexdigest()[:32]


def _purpose(kind: str) -> str:
    return kind.partition(".")[0]


def _moment(stamp: str) -> datetime:
    return datetime.fromisoformat(stamp)
