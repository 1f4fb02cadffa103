"""All that the stand-ins know, in memory, under one lock and one clock."""

from __future__ import annotations

import copy
import pickle
import random
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from sandbox.vendors.faults import Faults
from sandbox.vendors.limits import SlidingWindow
from sandbox.vendors.wire import Answer
from sandbox.vendors.zoho_state import Grant, Organization, User, Zoho, ZohoClient


class Post(Protocol):
    """Sends a body to a URL and returns the status of the answer, 0 when none came. `method` is given if not POST."""

    def __call__(self, url: str, body: bytes, headers: Mapping[str, str], /, *, method: str = "POST") -> int: ...


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


@dataclass
class MicrosoftUser:
    """A person of a tenant. `blocked` holds the AADSTS number of what is in the way of signing in (0: nothing)."""

    user_id: str
    tenant_id: str
    name: str
    upn: str
    enabled: bool = True
    blocked: int = 0


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


@dataclass
class Channel:
    """A channel; `installed` lists the bots (client ids) that its team has."""

    channel_id: str
    team_id: str
    tenant_id: str
    name: str
    installed: list[str] = field(default_factory=list)
    blocked_by_admin: bool = False
    migration: bool = False
    archived: bool = False
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
    subscriptions: dict[str, dict[str, Any]] = field(default_factory=dict)
    tenant_windows: dict[str, SlidingWindow] = field(default_factory=dict)
    last_message_id: int = 0


# --- monday -----------------------------------------------------------------------------------------------------


@dataclass
class MondayColumn:
    """A column; `settings` in the shape the API returns."""

    id: str
    title: str
    type: str
    settings: dict[str, Any] = field(default_factory=dict)
    archived: bool = False
    revision: int = 1


@dataclass
class MondayGroup:
    """A group of items."""

    id: str
    title: str
    archived: bool = False
    deleted: bool = False


@dataclass
class MondayItem:
    """An item; `values` by column id, in the stored form of `monday_columns`; a missing key is an empty cell."""

    id: str
    board_id: str
    group_id: str
    name: str
    at: float
    updated_at: float
    state: str = "active"
    values: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)  # the values after the create and after each change
    updates: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class MondayBoard:
    """A board with its columns, groups and items in order of creation."""

    board_id: str
    account_id: str
    name: str
    columns: dict[str, MondayColumn] = field(default_factory=dict)
    groups: dict[str, MondayGroup] = field(default_factory=dict)
    items: dict[str, MondayItem] = field(default_factory=dict)
    state: str = "active"
    kind: str = "private"
    hierarchy_type: str = "classic"
    items_limit: int = 10_000
    at: float = 0.0


@dataclass
class MondayAccount:
    """An account; a limit that is None follows from the plan (contracts: monday 5.1)."""

    account_id: str
    slug: str = "acme"
    plan: str = "pro"
    calls_per_day: int | None = None
    calls_per_minute: int | None = None
    complexity_per_minute: int | None = None
    concurrency: int | None = None
    index_lag: float = 0.0  # seconds until a new item shows up in items_page_by_column_values
    day: str = ""
    calls_today: float = 0.0
    window: SlidingWindow | None = None
    busy_until: list[float] = field(default_factory=list)
    boards_created: SlidingWindow = field(default_factory=lambda: SlidingWindow((40, 60)))


@dataclass
class MondayUser:
    """A user with the personal token; complexity is counted per token."""

    token: str
    user_id: str
    account_id: str
    name: str = "Integration"
    email: str = "integration@acme.example"
    enabled: bool = True
    budget_since: float = 0.0
    budget_used: int = 0


@dataclass
class Kept:
    """A kept answer of an idempotency key; busy while its first call has not been answered."""

    answer: Answer | None
    at: float
    busy_until: float


@dataclass
class Monday:
    """Everything of monday."""

    accounts: dict[str, MondayAccount] = field(default_factory=dict)
    users: dict[str, MondayUser] = field(default_factory=dict)
    boards: dict[str, MondayBoard] = field(default_factory=dict)
    items: dict[str, MondayItem] = field(default_factory=dict)
    kept: dict[tuple[str, str], Kept] = field(default_factory=dict)
    cursors: dict[str, dict[str, Any]] = field(default_factory=dict)


_KEPT = ("zoho", "microsoft", "monday", "faults", "unlimited", "served", "clock", "_number", "_random")

# --- the whole --------------------------------------------------------------------------------------------------


class World:
    """State of all vendors. Hold `lock` for every look and every change."""

    def __init__(
        self, seed: Mapping[str, Any] | None = None, clock: Clock | None = None, post: Post | None = None
    ) -> None:
        self.lock = threading.RLock()
        self.clock = clock or Clock()
        self.post = post or post_once
        self._first = seed
        self.reset()

    def reset(self, *, empty: bool = False) -> None:
        """Forget everything, then sow the first seed again unless `empty`."""
        self.zoho, self.microsoft, self.monday = Zoho(), Microsoft(), Monday()
        self.faults = Faults()
        self.unlimited: set[str] = set()  # vendors whose rate limits are off (for benches)
        self.requests: deque[dict[str, Any]] = deque(maxlen=2000)
        self.served = 0
        self._number = 0
        self._random = random.Random(20261122)  # noqa: S311
        if self._first is not None and not empty:
            self.sow(self._first)

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
        for entry in monday.get("accounts", ()):
            self.monday.accounts[entry["account_id"]] = MondayAccount(**entry)
        for entry in monday.get("users", ()):
            self.monday.users[entry["token"]] = MondayUser(**entry)
        for entry in monday.get("boards", ()):
            columns = {column["id"]: MondayColumn(**column) for column in entry.get("columns", ())}
            groups = {group["id"]: MondayGroup(**group) for group in entry.get("groups", ())}
            board = MondayBoard(**{**entry, "columns": columns, "groups": groups, "at": self.clock.now()})
            self.monday.boards[board.board_id] = board


def _expiries(secrets: Any) -> dict[str, float | None]:
    return dict(secrets) if isinstance(secrets, Mapping) else {}


def iso(at: float) -> str:
    """`2026-11-22T08:00:00Z`."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def post_once(url: str, body: bytes, headers: Mapping[str, str], /, *, method: str = "POST") -> int:
    """Call and return the status, 0 when no answer came within 15 s."""
    request = urllib.request.Request(url, data=body, headers=dict(headers), method=method)
    try:
        with urllib.request.urlopen(request, timeout=15) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0
