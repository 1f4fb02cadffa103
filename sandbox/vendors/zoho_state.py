"""What Zoho knows: clients, tokens, organizations with their records, webhooks, rules and what was sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sandbox.vendors.limits import SlidingWindow

Record = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """What an organization may do (contracts: zoho-books 1.8, 8)."""

    calls_per_day: int
    in_flight: int = 10
    rules: bool = True


PLANS = {
    "Free": Plan(1000, in_flight=5, rules=False),
    "Standard": Plan(2000, rules=False),
    "Professional": Plan(5000),
    "Premium": Plan(10_000),
    "Elite": Plan(10_000),
    "Ultimate": Plan(10_000),
}


@dataclass
class ZohoClient:
    """An API client; without `multi_dc` it is known in its own data centre only (contracts: zoho-books 4.2)."""

    client_id: str
    client_secret: str
    dc: str = "eu"
    multi_dc: bool = False
    redirect_uris: list[str] = field(default_factory=list)
    agreed: bool = False  # a user agreed before: no refresh token again without prompt=consent
    grants: SlidingWindow = field(default_factory=lambda: SlidingWindow((10, 600)))


@dataclass
class User:
    """The person who is signed in when a consent page opens. `denies`: presses the other button."""

    dc: str
    organization_ids: list[str]
    denies: bool = False


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
    """A shortcut for tests: calls a URL at an event, without webhook and rule. `form` sends the old JSONString form."""

    url: str
    module: str
    event: str
    secret: str = ""
    top_key: str = ""
    form: bool = False


@dataclass
class WebhookAction:
    """A webhook of the settings: where a rule that names it calls, and how. `more` is what is kept and not used."""

    webhook_id: str
    webhook_name: str
    url: str
    entity: str = ""
    description: str = ""
    method: str = "POST"
    secret: str = ""
    body_type: str = ""
    raw_data: str = ""
    headers: list[dict[str, str]] = field(default_factory=list)
    query_parameters: list[dict[str, str]] = field(default_factory=list)
    form_data: list[dict[str, str]] = field(default_factory=list)
    more: Record = field(default_factory=dict)


@dataclass
class Rule:
    """A workflow rule. `ran` holds the records it ran for: without `apply_rule_always` it runs once for each."""

    workflow_id: str
    workflow_name: str
    entity: str
    rule_type: str
    webhook_id: str = ""
    description: str = ""
    field_update: list[str] = field(default_factory=list)
    field_update_comparator: str = "any"
    apply_rule_always: bool = False
    is_active: bool = True
    ran: set[str] = field(default_factory=set)
    failures: int = 0  # in a row


@dataclass
class Webhook:
    """One composed call; `status` is the last answer, None while it is held back, 0 for no answer.

    `webhook_id` and `workflow_id` are empty for the hooks of tests; `due` is the time of the next attempt, if any.
    """

    id: str
    url: str
    module: str
    event: str
    record_id: str
    headers: dict[str, str]
    body: bytes
    method: str = "POST"
    webhook_id: str = ""
    workflow_id: str = ""
    at: float = 0.0
    tried_at: float = 0.0
    due: float | None = None
    status: int | None = None
    attempts: int = 0
    retries: int = 0

    @property
    def failed(self) -> bool:
        """Answered, but not with 2xx, or not answered."""
        return self.status is not None and not 200 <= self.status < 300


@dataclass
class Switches:
    """How this organization's Zoho behaves where nobody can say how the real one does (contracts: zoho-books 13)."""

    edit_refused: bool = False  # `rule_type: edit` is not taken (3.2)
    comments_edit: bool = True  # a comment changes last_modified_time and triggers the edited rules (7)
    order_comment_needs_date: bool = False  # comments on purchase orders need expected_delivery_date (7)
    retry_after: list[float] = field(default_factory=list)  # the retry policy: seconds before each further attempt
    disable_after: int | None = None  # so many failures in a row switch a rule off (1.7)
    webhooks_per_day: int | None = 1000  # None: no cap (1.8)
    payload_keys: dict[str, str] = field(default_factory=dict)  # another top key, by module: `payment` (2.3)
    payload_organization: bool = False  # `organization_id` beside the record (2.3)


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
    active: bool = True
    daily_limit: int | None = None  # None: the plan's
    minute_limit: int = 100
    records: dict[str, dict[str, Record]] = field(default_factory=dict)
    comments: dict[str, list[Record]] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)  # the last one of each module
    switches: Switches = field(default_factory=Switches)
    actions: dict[str, WebhookAction] = field(default_factory=dict)
    rules: dict[str, Rule] = field(default_factory=dict)
    hooks: list[Hook] = field(default_factory=list)
    webhooks: dict[str, Webhook] = field(default_factory=dict)  # what was sent, oldest first
    lose: int = 0  # so many of the next webhooks of rules never leave
    webhook_day: str = ""
    webhooks_today: int = 0
    window: SlidingWindow | None = None
    settings_window: SlidingWindow = field(default_factory=lambda: SlidingWindow((1, 0.5)))
    busy_until: list[float] = field(default_factory=list)
    blocked_until: float = 0.0
    day: str = ""
    calls_today: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.switches, dict):  # as a seed gives them
            self.switches = Switches(**self.switches)

    @property
    def plan(self) -> Plan:
        """Of an unknown name: the best one."""
        return PLANS.get(self.plan_name, PLANS["Ultimate"])

    @property
    def calls_per_day(self) -> int:
        """The day's quota of API calls."""
        return self.plan.calls_per_day if self.daily_limit is None else self.daily_limit


@dataclass
class Zoho:
    """Everything of Zoho."""

    clients: dict[str, ZohoClient] = field(default_factory=dict)
    organizations: dict[str, Organization] = field(default_factory=dict)
    user: User | None = None
    outbox: list[tuple[float, str, str]] = field(default_factory=list)  # when, organization, webhook
    refresh_tokens: dict[str, Grant] = field(default_factory=dict)
    codes: dict[str, Grant] = field(default_factory=dict)
    access_tokens: dict[str, ZohoAccess] = field(default_factory=dict)
