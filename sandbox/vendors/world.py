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
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sandbox.vendors.faults import Faults
from sandbox.vendors.limits import SlidingWindow
from sandbox.vendors.wire import Answer

Post = Callable[[str, bytes, Mapping[str, str]], int]


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


# --- Zoho -------------------------------------------------------------------------------------------------------


@dataclass
class ZohoClient:
    """An API client; without `multi_dc` it is known in its own data centre only (contracts: zoho-books 4.2)."""

    client_id: str
    client_secret: str
    dc: str = "eu"
    multi_dc: bool = False
    redirect_uris: list[str] = field(default_factory=list)


@dataclass
class Grant:
    """A code or a refresh token: what a user allowed a client to do."""

    token: str
    client_id: str
    dc: str
    organization_ids: list[str]
    scopes: list[str]
    redirect_uri: str | None = None  # codes only; None for a self client
    expires_at: float | None = None  # codes only
    used: bool = False
    online: bool = False  # no refresh token comes with it
    window: SlidingWindow = field(default_factory=lambda: SlidingWindow((10, 600)))


@dataclass
class ZohoAccess:
    """An access token."""

    token: str
    grant: str
    dc: str
    organization_ids: list[str]
    scopes: list[str]
    expires_at: float


@dataclass
class Hook:
    """A webhook with its rule: which module and event call which URL. `form` sends the old JSONString form."""

    url: str
    module: str
    event: str
    secret: str = ""
    top_key: str = ""
    form: bool = False


@dataclass
class Webhook:
    """One composed webhook call; `status` is the last answer, None while it is held back, 0 for no answer."""

    id: str
    url: str
    module: str
    event: str
    record_id: str
    headers: dict[str, str]
    body: bytes
    status: int | None = None
    attempts: int = 0


@dataclass
class Organization:
    """A Zoho Books organization with its records by module and id."""

    organization_id: str
    name: str
    dc: str = "eu"
    time_zone: str = "Europe/Berlin"
    currency_code: str = "EUR"
    currency_symbol: str = "€"
    country_code: str = "DE"
    plan_name: str = "Professional"
    daily_limit: int = 5000
    minute_limit: int = 100
    records: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    comments: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    hooks: list[Hook] = field(default_factory=list)
    webhooks: dict[str, Webhook] = field(default_factory=dict)
    window: SlidingWindow | None = None
    blocked_until: float = 0.0
    day: str = ""
    calls_today: int = 0


@dataclass
class Zoho:
    """Everything of Zoho."""

    clients: dict[str, ZohoClient] = field(default_factory=dict)
    organizations: dict[str, Organization] = field(default_factory=dict)
    refresh_tokens: dict[str, Grant] = field(default_factory=dict)
    codes: dict[str, Grant] = field(default_factory=dict)
    access_tokens: dict[str, ZohoAccess] = field(default_factory=dict)


# --- Microsoft --------------------------------------------------------------------------------------------------


@dataclass
class EntraApp:
    """An app registration in one tenant. `secrets` maps a value to its expiry (None: far away)."""

    tenant_id: str
    client_id: str
    secrets: dict[str, float | None]
    enabled: bool = True
    bot: bool = True  # a bot is registered for it, with the Teams channel on
    graph_roles: list[str] = field(default_factory=list)


@dataclass
class MicrosoftToken:
    """An access token for exactly one audience: "bot" or "graph"."""

    token: str
    audience: str
    tenant_id: str
    client_id: str
    roles: list[str]
    expires_at: float


@dataclass
class Team:
    """A team: Graph GUID and thread id."""

    team_id: str
    tenant_id: str
    name: str
    thread_id: str = ""


@dataclass
class Message:
    """A post or a reply. `thread` is the root's id; `card` None means text only."""

    id: str
    thread: str
    sender: str  # client id of the bot, or "workflows"
    at: float
    text: str = ""
    summary: str = ""
    card: dict[str, Any] | None = None
    size: int = 0  # bytes of the card as JSON
    edits: int = 0
    edited_at: float | None = None
    deleted: bool = False
    history: list[dict[str, Any] | None] = field(default_factory=list)  # the card after the post and after each edit


@dataclass
class Channel:
    """A channel; `installed` lists the bots (client ids) that its team has."""

    channel_id: str
    team_id: str
    tenant_id: str
    name: str
    installed: list[str] = field(default_factory=list)
    blocked_by_admin: bool = False
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
        for kind in ("refresh_tokens", "codes"):
            for entry in zoho.get(kind, ()):
                getattr(self.zoho, kind)[entry["token"]] = Grant(**entry)
        for entry in microsoft.get("apps", ()):
            app = {**entry, "secrets": dict.fromkeys(entry["secrets"]) | _expiries(entry["secrets"])}
            self.microsoft.apps[entry["tenant_id"], entry["client_id"]] = EntraApp(**app)
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


def post_once(url: str, body: bytes, headers: Mapping[str, str]) -> int:
    """POST and return the status, 0 when no answer came within 15 s."""
    request = urllib.request.Request(url, data=body, headers=dict(headers), method="POST")
    try:
        with urllib.request.urlopen(request, timeout=15) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0
