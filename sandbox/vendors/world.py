"""All that the stand-ins know, in memory, under one lock and one clock."""

from __future__ import annotations

import contextlib
import copy
import pickle
import random
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

import requests

from sandbox.vendors import monday_state
from sandbox.vendors.faults import Faults
from sandbox.vendors.limits import SlidingWindow
from sandbox.vendors.monday_state import Monday
from sandbox.vendors.wire import Answer
from sandbox.vendors.zoho_state import Grant, Organization, User, Zoho, ZohoClient


class Post(Protocol):
    """Sends a body to a URL and returns the status of the answer, 0 when none came. `method` is given if not POST."""

    def __call__(self, url: str, body: bytes, headers: Mapping[str, str], /, *, method: str = "POST") -> int: ...


class Ask(Protocol):
    """Sends a body by POST and returns the whole answer; its status is 0 when none came in time."""

    def __call__(self, url: str, body: bytes, headers: Mapping[str, str], /) -> Answer: ...


class Clock:
    """Seconds since 1970. Runs with the machine's clock from `start`, or stands still when frozen."""

    def __init__(self, start: float | None = None, *, frozen: bool = False) -> None:
        self._frozen = frozen
        self._offset = 0.0 if start is None else start - (0.0 if frozen else time.time())

    def now(self) -> float:
        """The present."""
        return self._offset if self._frozen else time.time() + self._offset

    def advance(self, seconds: float) -> None:
        """Let time pass at once."""
        self._offset += seconds


# --- Microsoft --------------------------------------------------------------------------------------------------


@dataclass
class EntraApp:
    """An app registration in one tenant. `secrets` maps a value to its expiry (None: far away).

    `certificates` are PEM; `granted` the delegated scopes that an administrator has consented to for all.
    """

    tenant_id: str
    client_id: str
    secrets: dict[str, float | None]
    enabled: bool = True
    bot: bool = True  # a bot is registered for it, with the Teams channel on
    graph_roles: list[str] = field(default_factory=list)
    cloud: str = "global"
    certificates: list[str] = field(default_factory=list)
    redirect_uris: list[str] = field(default_factory=list)
    granted: list[str] = field(default_factory=list)
    roster_ids_only: bool = False  # a chat with a person is not given for the object id


@dataclass
class MicrosoftUser:
    """A person of a tenant. `blocked` holds the AADSTS number of what is in the way of signing in (0: nothing).

    `installed` lists the bots (client ids) whose app the person has.
    """

    user_id: str
    tenant_id: str
    name: str
    upn: str
    enabled: bool = True
    blocked: int = 0
    installed: list[str] = field(default_factory=list)
    blocks_bots: bool = False


@dataclass
class Consented:
    """A refresh token, or a code that becomes one; `challenge` and `redirect_uri` are a code's."""

    token: str
    tenant_id: str
    client_id: str
    user_id: str
    scopes: list[str]
    expires_at: float
    redirect_uri: str = ""
    challenge: str = ""
    nonce: str = ""
    revoked: bool = False


@dataclass
class MicrosoftToken:
    """An access token for exactly one audience: "bot" or "graph". `user_id` and `scopes` are a person's."""

    token: str
    audience: str
    tenant_id: str
    client_id: str
    roles: list[str]
    expires_at: float
    user_id: str = ""
    scopes: list[str] = field(default_factory=list)


@dataclass
class Team:
    """A team: Graph GUID and thread id. `members` are user ids."""

    team_id: str
    tenant_id: str
    name: str
    thread_id: str = ""
    members: list[str] = field(default_factory=list)


@dataclass
class Message:
    """A post or a reply. `thread` is the root's id; `card` None means text only."""

    id: str
    thread: str
    sender: str  # client id of the bot, user id of a person, or "workflows"
    at: float
    text: str = ""
    summary: str = ""
    card: dict[str, Any] | None = None
    size: int = 0  # bytes of the card as JSON
    edits: int = 0
    edited_at: float | None = None
    deleted: bool = False
    history: list[dict[str, Any] | None] = field(default_factory=list)  # the card after the post and after each edit
    html: str = ""  # the body of a message through Graph
    attachment: str = "card"  # id of the card's attachment
    deleted_at: float | None = None
    revision: int = 0  # of the last change; a thread's root also counts what happens to its replies


@dataclass
class Channel:
    """A channel; `installed` lists the bots (client ids) that its team has. `person`: it is a bot's chat with them."""

    channel_id: str
    team_id: str
    tenant_id: str
    name: str
    installed: list[str] = field(default_factory=list)
    blocked_by_admin: bool = False
    migration: bool = False
    archived: bool = False
    deleted: bool = False
    person: str = ""
    messages: list[Message] = field(default_factory=list)
    windows: dict[str, SlidingWindow] = field(default_factory=dict)


@dataclass
class Workflow:
    """A Workflows webhook; only its exact URL reaches it. `runs` is the run history."""

    url: str
    channel_id: str
    enabled: bool = True
    runs: list[dict[str, Any]] = field(default_factory=list)
    calls: SlidingWindow = field(default_factory=lambda: SlidingWindow((4500, 300)))
    posts: SlidingWindow = field(default_factory=lambda: SlidingWindow((25, 300)))


@dataclass
class Subscription:
    """A Graph subscription: as the API shows it, and what stands behind it. Times are seconds since 1970."""

    shown: dict[str, Any]
    tenant_id: str
    expires_at: float
    authorized_until: float  # the end of the token that made, renewed or reauthorised it: then nothing is delivered
    challenge_at: float  # of the next reauthorizationRequired


@dataclass
class Notice:
    """One item of a notification that is on its way, or was; `status` is that of the last answer (0: none)."""

    subscription_id: str
    url: str
    item: dict[str, Any]
    at: float
    due: float
    attempts: int = 0
    status: int | None = None
    held: bool = False  # because nobody's token allows it

    @property
    def lifecycle(self) -> bool:
        return "lifecycleEvent" in self.item


@dataclass
class Notifying:
    """Notifications on their way, what became of others, and the trouble that a test may make with them.

    `lose` so many of the next items, send `copies` of each, `delay` them by seconds, `reorder`: the last comes first.
    """

    outbox: list[Notice] = field(default_factory=list)
    sent: list[Notice] = field(default_factory=list)
    lose: int = 0
    copies: int = 1
    delay: float = 0.0
    reorder: bool = False


@dataclass
class Microsoft:
    """Everything of Microsoft."""

    apps: dict[tuple[str, str], EntraApp] = field(default_factory=dict)
    tokens: dict[str, MicrosoftToken] = field(default_factory=dict)
    users: dict[str, MicrosoftUser] = field(default_factory=dict)
    codes: dict[str, Consented] = field(default_factory=dict)
    refresh_tokens: dict[str, Consented] = field(default_factory=dict)
    catalogue: dict[str, dict[str, str]] = field(default_factory=dict)  # uploaded Teams apps by manifest id
    notifications: list[dict[str, Any]] = field(default_factory=list)  # of activity feeds
    teams: dict[str, Team] = field(default_factory=dict)
    channels: dict[str, Channel] = field(default_factory=dict)
    workflows: list[Workflow] = field(default_factory=list)
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    notifying: Notifying = field(default_factory=Notifying)
    tenant_windows: dict[str, SlidingWindow] = field(default_factory=dict)
    last_message_id: int = 0
    last_revision: int = 0


_KEPT = ("zoho", "microsoft", "monday", "faults", "unlimited", "served", "secrets", "clock", "_number", "_random")

# --- the whole --------------------------------------------------------------------------------------------------


class World:
    """State of all vendors. Hold `lock` for every look and every change."""

    def __init__(
        self,
        seed: Mapping[str, Any] | None = None,
        clock: Clock | None = None,
        post: Post | None = None,
        ask: Ask | None = None,
    ) -> None:
        self.lock = threading.RLock()
        self.clock = clock or Clock()
        self.post = post or post_once
        self.ask = ask or ask_once
        self._first = seed
        self.reset()

    def reset(self, *, empty: bool = False) -> None:
        """Forget everything, then sow the first seed again unless `empty`."""
        self.zoho, self.microsoft, self.monday = Zoho(), Microsoft(), Monday()
        self.faults = Faults()
        self.unlimited: set[str] = set()  # vendors whose rate limits are off (for benches)
        self.requests: deque[dict[str, Any]] = deque(maxlen=2000)
        self.served = 0
        self.secrets: set[str] = set()  # all that were ever shown or given (secrecy.py)
        self._number = 0
        self._random = random.Random(20261122)
        if self._first is not None and not empty:
            self.sow(self._first)

    @contextlib.contextmanager
    def outside(self) -> Iterator[None]:
        """Let go of the lock, held once, while somebody outside is asked."""
        self.lock.release()
        try:
            yield
        finally:
            self.lock.acquire()

    def number(self) -> int:
        """The next of one growing row of numbers, for ids."""
        self._number += 1
        return self._number

    def opaque(self, length: int = 32) -> str:
        """Hex digits for tokens; the same row after every reset."""
        return f"{self._random.getrandbits(length * 4):0{length}x}"

    def guid(self) -> str:
        """A GUID-shaped id."""
        raw = self.opaque(32)
        return f"{raw[:8]}-{raw[8:12]}-4{raw[13:16]}-a{raw[17:20]}-{raw[20:]}"

    def dump(self) -> bytes:
        """All that the vendors know, for `restore` in another process: a vendor that restarts forgets nothing."""
        with self.lock:
            return pickle.dumps({name: getattr(self, name) for name in _KEPT})

    def restore(self, dump: bytes) -> None:
        """Go on where another process of ours ended."""
        with self.lock:
            for name, value in pickle.loads(dump).items():  # noqa: S301 (our own file)
                setattr(self, name, value)

    def sow(self, seed: Mapping[str, Any]) -> None:
        """Add what a seed describes (shape: `default_world.seed()`); raises KeyError, TypeError, ValueError."""
        seed = copy.deepcopy(dict(seed))  # what happens later must not change the seed
        zoho, microsoft, monday = seed.get("zoho", {}), seed.get("microsoft", {}), seed.get("monday", {})
        for entry in zoho.get("clients", ()):
            self.zoho.clients[entry["client_id"]] = ZohoClient(**entry)
        for entry in zoho.get("organizations", ()):
            self.zoho.organizations[entry["organization_id"]] = Organization(**entry)
        if "user" in zoho:
            self.zoho.user = User(**zoho["user"])
        for kind in ("refresh_tokens", "codes"):
            for entry in zoho.get(kind, ()):
                getattr(self.zoho, kind)[entry["token"]] = Grant(**entry)
        for entry in microsoft.get("apps", ()):
            app = {**entry, "secrets": dict.fromkeys(entry["secrets"]) | _expiries(entry["secrets"])}
            self.microsoft.apps[entry["tenant_id"], entry["client_id"]] = EntraApp(**app)
        for entry in microsoft.get("users", ()):
            self.microsoft.users[entry["user_id"]] = MicrosoftUser(**entry)
        for entry in microsoft.get("refresh_tokens", ()):
            far = self.clock.now() + 90 * 86_400
            self.microsoft.refresh_tokens[entry["token"]] = Consented(**{"expires_at": far, **entry})
        for entry in microsoft.get("catalogue", ()):
            self.microsoft.catalogue[entry["external_id"]] = entry
        for entry in microsoft.get("teams", ()):
            self.microsoft.teams[entry["team_id"]] = Team(**entry)
        for entry in microsoft.get("channels", ()):
            self.microsoft.channels[entry["channel_id"]] = Channel(**entry)
        for entry in microsoft.get("workflows", ()):
            self.microsoft.workflows.append(Workflow(**entry))
        monday_state.sow(self.monday, monday, self.clock.now())


def _expiries(secrets: Any) -> dict[str, float | None]:
    return dict(secrets) if isinstance(secrets, Mapping) else {}


def iso(at: float) -> str:
    """`2026-11-22T08:00:00Z`."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def post_once(url: str, body: bytes, headers: Mapping[str, str], /, *, method: str = "POST") -> int:
    """Call and return the status, 0 when no answer came within 15 s."""
    # S310: where the product said that it listens, on this machine.
    request = urllib.request.Request(url, data=body, headers=dict(headers), method=method)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=15) as answer:  # noqa: S310
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def ask_once(url: str, body: bytes, headers: Mapping[str, str], /) -> Answer:
    """As Graph calls: 10 s for an answer, and no redirect is followed."""
    with requests.Session() as session:
        session.trust_env = False
        try:
            answer = session.post(url, data=body, headers=dict(headers), timeout=10, allow_redirects=False)
        except requests.RequestException:
            return Answer(0)
        return Answer(answer.status_code, answer.content, dict(answer.headers))
