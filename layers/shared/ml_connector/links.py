"""Links at which a person gives access: signed, for ten minutes, for one use, one writer of what comes of it.

The `state` names the connection and is signed. What a vendor answers, and what is kept of it, is the matter of its own
module: consent.py for Zoho, service_account.py for Microsoft, monday_consent.py for monday.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol, TypeVar

from ml_connector.errors import ConnectorError, RetryLater
from ml_connector.ports import Clock, Organization

LIFETIME = timedelta(minutes=10)
LEASE_SECONDS = 90
WAITS = 8
"""How often, a second apart, a refresh under way is waited for; it takes one. The browser waits for thirty."""
T = TypeVar("T")


class ConsentRefused(ConnectorError):
    """Nothing was changed; the message is for the person. `visible`: the organizations that there are instead."""

    def __init__(self, message: str, visible: Sequence[Organization] = ()) -> None:
        super().__init__(message)
        self.visible = tuple(visible)


class StillWorking(ConsentRefused):
    """The link is being used by another call; how that ends is known in a few seconds."""


@dataclass(frozen=True, slots=True)
class Link:
    """A consent under way, as it was begun. `by`: who began it."""

    connection: str
    redirect_uri: str
    by: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a link ended: `connected` or `refused`, and what the person was told.

    `declined`: what came back was no code to exchange. The link still works, for anybody could have written that.
    """

    state: str
    text: str = ""


class Secrets(Protocol):
    def get(self, connection: str, purpose: str, *, max_age: float = ...) -> Mapping[str, Any]: ...

    def newest(self, connection: str, purpose: str) -> Mapping[str, Any]:
        """What was written last, for its only writer. Raises RetryLater as long as that is not to be seen."""
        ...

    def put(self, connection: str, purpose: str, value: Mapping[str, Any]) -> None: ...


class Leases(Protocol):
    def held(self, name: str, seconds: int) -> AbstractContextManager[bool]: ...


class Links(Protocol):
    """The consents under way, by nonce; forgotten some time after `ends` (seconds of the epoch)."""

    def begin(self, nonce: str, link: Link, ends: int) -> None: ...

    def find(self, nonce: str) -> Link | None:
        """As it was begun."""
        ...

    def spend(self, nonce: str, ends: int) -> bool:
        """True at a link's first use only."""
        ...

    def settle(self, nonce: str, outcome: Outcome, ends: int) -> None:
        """Keeps it. One that is `declined` changes nothing if there is another already."""
        ...

    def outcome(self, nonce: str) -> Outcome | None:
        """None as long as it has not been used, or is being used."""
        ...


@contextmanager
def only_writer(leases: Leases, connection: str, purpose: str, pause: Callable[[float], None]) -> Iterator[None]:
    """Nobody else writes these credentials meanwhile: a refresh under way would write over them (tokens.py).

    Raises RetryLater if somebody else does not come to an end.
    """
    for _ in range(WAITS):
        with leases.held(f"{connection}#{purpose}", LEASE_SECONDS) as mine:
            if mine:
                yield
                return
        pause(1.0)
    raise RetryLater(f"the {purpose} credentials of {connection} are being refreshed; try again in a minute", 60)


@dataclass(frozen=True, slots=True)
class Door:
    """One vendor's links. `key` signs the states; those of one vendor open nothing at another's."""

    vendor: str
    links: Links
    key: Callable[[], str]
    clock: Clock

    def begin(self, link: Link, nonce: str) -> str:
        """Keeps the link and gives its `state`."""
        ends = int((self.clock() + LIFETIME).timestamp())
        self.links.begin(nonce, link, ends)
        return self._signed(f"{link.connection}.{nonce}.{ends}")

    def complete(
        self, state: str, answered: Callable[[Link, str], Callable[[], T]], again: Callable[[str], T | None]
    ) -> T:
        """What comes of a link's first use, and what `again` knows later.

        `answered` looks at what came back with the link and its nonce, and gives the exchange. Only that spends the
        link: what it refuses itself may have been written by anybody who has seen the address. How it ends is kept
        either way: the person at the command line waits for it.
        """
        name, nonce, ends = self._opened(state)
        link = self.links.find(nonce)
        if link is None:
            return self._again(name, nonce, again)
        try:
            exchange = answered(link, nonce)
        except ConsentRefused as refusal:
            self.links.settle(nonce, Outcome("declined", str(refusal)), ends)
            raise
        if not self.links.spend(nonce, ends):
            return self._again(name, nonce, again)
        try:
            done = exchange()
        except Exception as error:
            text = str(error) if isinstance(error, ConnectorError) else "a fault in the connector; its log says more"
            self.links.settle(nonce, Outcome("refused", _with_list(text, error)), ends)
            raise
        self.links.settle(nonce, Outcome("connected"), ends)
        return done

    def verifier(self, nonce: str) -> str:
        """PKCE's secret of a link: made of our own key, so that it is kept nowhere."""
        digest = hmac.new(self.key().encode(), f"pkce.{nonce}".encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    def _again(self, name: str, nonce: str, again: Callable[[str], T | None]) -> T:
        """A browser that loads the page twice, or ahead of its person, shall not frighten anybody."""
        outcome = self.links.outcome(nonce)
        known = again(name)
        if outcome and outcome.state == "connected" and known:
            return known
        if outcome and outcome.state != "declined":
            # Not the organizations that are in the list below it: this may be anybody who has seen the address.
            said, _, _ = outcome.text.partition("\n")
            raise ConsentRefused(f"This link has been used: {said}")
        raise StillWorking("This link has been used, and the answer is being worked on. Reload in a few seconds.")

    def _opened(self, state: str) -> tuple[str, str, int]:
        """Connection, nonce and end of a state that we have signed."""
        text, _, _ = state.rpartition(".")
        parts = text.split(".")
        if len(parts) != 3 or not hmac.compare_digest(self._signed(text).encode(), state.encode()):
            raise ConsentRefused(f"This link was not made by us. Start again with `mlc auth {self.vendor}`.")
        connection, nonce, ends = parts
        if int(ends) < self.clock().timestamp():
            raise ConsentRefused(f"This link is older than ten minutes. Start again with `mlc auth {self.vendor}`.")
        return connection, nonce, int(ends)

    def _signed(self, text: str) -> str:
        signed = f"{self.vendor}.{text}".encode()
        return f"{text}.{hmac.new(self.key().encode(), signed, hashlib.sha256).hexdigest()}"


def _with_list(text: str, error: Exception) -> str:
    visible = error.visible if isinstance(error, ConsentRefused) else ()
    return "\n".join((text, *(f"{each.id}  {each.name}  {each.time_zone}" for each in visible)))
