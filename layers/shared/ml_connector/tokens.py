"""Access tokens: refreshed before they end, by one writer at a time, shared by all instances (design 3 and 7).

A token is due five minutes before it expires, which for Zoho's hour is the 55th minute. The schedule refreshes what
is due; a function that meets a token in its last minutes, or one that the vendor has refused, refreshes it itself
under the same lease. Tokens are in the connection's secret, under `tokens`; when they are due is in the connections
table, so that the schedule reads one small list rather than every secret.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from ml_connector.errors import NeedsAttention, RetryLater, Undeliverable, Unknown
from ml_connector.ports import Clock, Issued

EARLY = timedelta(minutes=5)
"""How long before its end a token is refreshed."""
UNUSED = timedelta(minutes=4)
"""How long before its end a token is no longer used."""
LEASE_SECONDS = 90


class Issuer(Protocol):
    def issue(self, credentials: Mapping[str, Any]) -> Issued:
        """Raises RetryLater or NeedsAttention."""
        ...


class Secrets(Protocol):
    def get(self, connection: str, purpose: str, *, max_age: float = ...) -> Mapping[str, Any]: ...

    def put(self, connection: str, purpose: str, value: Mapping[str, Any]) -> None: ...


class Leases(Protocol):
    def held(self, name: str, seconds: int) -> AbstractContextManager[bool]: ...


@dataclass(frozen=True, slots=True)
class Due:
    """When a connection's token is to be refreshed; `state` is `ok` or `needs_attention`."""

    connection: str
    kind: str
    due_at: str
    state: str
    reason: str = ""


class Agenda(Protocol):
    """The list of tokens with the times at which they are due."""

    def all(self) -> Iterable[Due]: ...

    def set(self, due: Due) -> None: ...


@dataclass(frozen=True, slots=True)
class Tokens:
    """`kind` is `zoho`, `microsoft.bot` or `microsoft.graph`; its first part names the secret."""

    secrets: Secrets
    leases: Leases
    agenda: Agenda
    issuers: Mapping[str, Issuer]
    clock: Clock

    def access_token(self, connection: str, kind: str, *, rejected: str = "") -> str:
        """A token with at least four minutes left. `rejected` is one that the vendor has just refused."""
        for max_age in (300.0, 0.0):
            if token := self._usable(self.secrets.get(connection, _purpose(kind), max_age=max_age), kind, rejected):
                return token
        return self._refresh(connection, kind, rejected)

    def refresh_due(self, left: timedelta = timedelta(seconds=100)) -> dict[str, int]:
        """Refreshes what is due, for at most `left`. Counts of `refreshed`, `failed` and `waiting`."""
        counts = {"refreshed": 0, "failed": 0, "waiting": 0}
        until = self.clock() + left
        for due in sorted(self.agenda.all(), key=lambda each: each.due_at):
            now = self.clock()
            if datetime.fromisoformat(due.due_at) > now:
                continue
            if now >= until:
                counts["waiting"] += 1
                continue
            try:
                self._refresh(due.connection, due.kind, "", scheduled=True)
            except RetryLater:
                counts["waiting"] += 1
            except Undeliverable:
                counts["failed"] += 1
            else:
                counts["refreshed"] += 1
        return counts

    def _usable(self, credentials: Mapping[str, Any], kind: str, rejected: str, spare: timedelta = UNUSED) -> str:
        token = credentials.get("tokens", {}).get(kind)
        if not token or token["access_token"] == rejected:
            return ""
        left = datetime.fromisoformat(token["expires_at"]) - self.clock()
        return str(token["access_token"]) if left > spare else ""

    def _refresh(self, connection: str, kind: str, rejected: str, *, scheduled: bool = False) -> str:
        purpose = _purpose(kind)
        with self.leases.held(f"{connection}#{purpose}", LEASE_SECONDS) as mine:
            credentials = self.secrets.get(connection, purpose, max_age=0.0)
            if not credentials:
                raise NeedsAttention(
                    f"connection {connection} has no {purpose} credentials yet; set them with "
                    f"`mlc credentials set {connection} {purpose}`"
                )
            # Somebody may have refreshed it between our look and our turn.
            spare = EARLY if scheduled else UNUSED
            if token := self._usable(credentials, kind, rejected, spare):
                if scheduled:
                    ends = datetime.fromisoformat(credentials["tokens"][kind]["expires_at"])
                    self.agenda.set(Due(connection, kind, _stamp(ends - EARLY), "ok"))
                return token
            if not mine:
                raise RetryLater(f"the {kind} token of {connection} is being refreshed", 3)
            try:
                issued = self.issuers[kind].issue(credentials)
            except NeedsAttention as error:
                # Looked at again in an hour, in case somebody has put it right at the vendor's side.
                retry_at = _stamp(self.clock() + timedelta(hours=1))
                self.agenda.set(Due(connection, kind, retry_at, "needs_attention", error.reason))
                raise
            except Unknown as error:
                # A token that may have been issued is no harm; and what waits for it has not been sent.
                raise RetryLater(error.reason, error.after, error.status) from error
            except RetryLater as error:
                if error.after:
                    # Zoho blocks for ten minutes who asks too often; asking on would not shorten it (zoho-books 4.6).
                    retry_at = _stamp(self.clock() + timedelta(seconds=error.after))
                    self.agenda.set(Due(connection, kind, retry_at, "ok", error.reason))
                raise
            latest = self.secrets.get(connection, purpose, max_age=0.0)
            if latest != credentials:
                # A person has put in others meanwhile: these must not be written over.
                raise RetryLater(f"the {purpose} credentials of {connection} have just changed", 3)
            expires = self.clock() + timedelta(seconds=issued.lifetime)
            new = {"access_token": issued.access_token, "expires_at": _stamp(expires)}
            tokens = {**credentials.get("tokens", {}), kind: new}
            self.secrets.put(connection, purpose, {**credentials, "tokens": tokens})
            self.agenda.set(Due(connection, kind, _stamp(expires - EARLY), "ok"))
            return issued.access_token


def _purpose(kind: str) -> str:
    return kind.partition(".")[0]


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
