"""The model of `connections/<name>.toml` (design 6). What it accepts, the functions can carry out."""

from __future__ import annotations

import re
from collections.abc import Collection
from decimal import Decimal
from difflib import get_close_matches
from functools import partial
from string import Formatter
from typing import Annotated, Any, Literal, Self
from zoneinfo import available_timezones

import jmespath
from jmespath.exceptions import JMESPathError
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from ml_connector.clouds import CLOUDS
from ml_connector.connections import ZOHO
from ml_connector.destinations.teams import words
from ml_connector.destinations.teams.card import MAX_LINES
from ml_connector.destinations.zoho_comment import LENGTH, PLACEHOLDERS, TEXT
from ml_connector.events import DELETED
from ml_connector.modules import CORE, EVENTS, MODULES, no_notes_on
from ml_connector.regions import REGIONS
from ml_connector.routing import hears

Slug = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,39}$")]
Guid = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")]
Person = Annotated[
    str, Field(pattern=r"^([0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[^@\s/?#]{1,64}@[a-zA-Z0-9.-]{1,190})$")
]


def _expression(text: str) -> str:
    try:
        jmespath.compile(text)
    except JMESPathError as error:
        raise ValueError(f"not a JMESPath expression: {str(error).splitlines()[0]}") from None
    return text


def _pattern(text: str) -> str:
    if not hears([text], EVENTS):
        near = get_close_matches(text, EVENTS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"events are {', '.join(EVENTS)}"
        raise ValueError(f"{text!r} matches no event; {hint} (* stands for anything)")
    return text


def _time_zone(name: str) -> str:
    known = available_timezones() if name != "UTC" else set()  # empty, too, on a machine without the database
    if known and name not in known:
        raise ValueError("no such time zone; they are called like Europe/Berlin")
    return name


def _locale(name: str) -> str:
    # Imported when a file names one: Babel is slow to come.
    from ml_connector.config.formats import locale_of

    locale_of(name)
    return name


def _template(text: str, placeholders: Collection[str]) -> str:
    """Refuses what `str.format` would stumble over when a record comes."""
    try:
        # Name, format and conversion of each; `{{` stands for a brace.
        found = [part[1:] for part in Formatter().parse(text) if part[1] is not None]
    except ValueError:
        raise ValueError("a { or } stands alone; write {{ or }} for one") from None
    for name, form, conversion in found:
        if name not in placeholders or form or conversion:
            known = ", ".join(f"{{{each}}}" for each in placeholders)
            raise ValueError(f"{{{name}}} is no placeholder as it is written; there are {known}")
    return text


TimeZone = Annotated[str, AfterValidator(_time_zone)]
Expression = Annotated[str, AfterValidator(_expression)]
EventPattern = Annotated[str, AfterValidator(_pattern)]
Locale = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|\d{3}))?$"), AfterValidator(_locale)]
NoteTemplate = Annotated[str, AfterValidator(partial(_template, placeholders=PLACEHOLDERS))]
TitleTemplate = Annotated[str, AfterValidator(partial(_template, placeholders=words.TITLE_PLACEHOLDERS))]


class Misplaced(ValueError):
    """A fault of the file as a whole that has a place in it: `path` below the model that finds it."""

    def __init__(self, path: tuple[str | int, ...], message: str) -> None:
        super().__init__(message)
        self.path = path


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Zoho(Strict):
    """The Zoho Books organization."""

    region: Literal["us", "eu", "in", "au", "jp", "ca", "cn", "sa", "ae"] = Field(description="Data centre.")
    organization_id: str = Field(pattern=r"^\d{4,20}$", description="As under Settings > Organization in Zoho Books.")
    base_currency: str | None = Field(
        default=None,
        pattern=r"^[A-Z]{3}$",
        description="The organization's own currency, for foreign documents; found out once it is connected.",
    )
    modules: tuple[str, ...] = Field(
        default=CORE, min_length=1, description=f"Kinds of records to carry, of {', '.join(MODULES)}."
    )
    enrich: Literal["missing", "always", "never"] = Field(
        default=ZOHO["enrich"],
        description="When to fetch the record from Zoho: if the webhook lacks its number, party, amount or status; "
        "always; or never, and what is missing is shown as not given.",
    )
    manage_webhooks: bool = Field(
        default=ZOHO["manage_webhooks"],
        description="Ask for the rights to install webhooks by API (ZohoBooks.settings.*). Without: by hand.",
    )
    reconcile_share: int = Field(
        default=ZOHO["reconcile_share"], ge=1, le=80, description="Percent of a day's API calls that reconcile may use."
    )
    reserve: int = Field(
        default=ZOHO["reserve"],
        ge=0,
        le=80,
        description="Percent of a day's API calls left to your other integrations.",
    )
    webhooks_per_day: int = Field(
        default=ZOHO["webhooks_per_day"], ge=1, description="How many webhooks Zoho sends a day, as your plan says."
    )

    @field_validator("modules")
    @classmethod
    def _known(cls, modules: tuple[str, ...]) -> tuple[str, ...]:
        for module in modules:
            if module not in MODULES:
                raise ValueError(f"{module!r} is not a module; modules are {', '.join(MODULES)}")
        return modules


assert set(Zoho.model_fields["region"].annotation.__args__) == set(REGIONS)  # type: ignore[union-attr]  # noqa: S101


class Microsoft(Strict):
    """The app registration that the bot posts with."""

    tenant_id: Guid
    client_id: Guid
    cloud: Literal["global", "gcc", "gcch", "dod", "china"] = Field(
        default="global", description="Where the tenant is; gcch is GCC High. Tokens of one cloud work in no other."
    )


assert set(Microsoft.model_fields["cloud"].annotation.__args__) == set(CLOUDS)  # type: ignore[union-attr]  # noqa: S101


class Author(Strict):
    """Whom imported messages are shown as coming from."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, populate_by_name=True)

    id: Guid = Field(description="The user's object id in Entra ID.")
    name: str = Field(alias="displayName", min_length=1, max_length=256)


def _fact(name: str) -> str:
    if name not in words.FIELDS and not re.fullmatch(r"custom\.\w+", name):
        near = get_close_matches(name, words.FIELDS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(words.FIELDS)} and custom.<API name>"
        raise ValueError(f"{name!r} is no field of a card; {hint}")
    return name


class Card(Strict):
    """How a destination's cards look: what they list, in which order, under which labels."""

    fields: tuple[Annotated[str, AfterValidator(_fact)], ...] = Field(
        default=words.SHOWN,
        max_length=20,
        description=f"Facts to list, of {', '.join(words.FIELDS)} and custom.<API name>. The id is always there.",
    )
    labels: dict[str, Annotated[str, Field(min_length=1, max_length=60)]] = Field(
        default={},
        description=f"Other words for fields, record types, {', '.join(words.PHRASES)}, status.<word>, mode.<word>.",
    )
    title: TitleTemplate = Field(
        default=words.TITLE,
        min_length=1,
        max_length=200,
        description=f"With {', '.join(f'{{{name}}}' for name in words.TITLE_PLACEHOLDERS)}; "
        "the headline says what happened.",
    )
    lines: int = Field(default=MAX_LINES, ge=0, le=20, description="Line items shown; the others fold into a link.")

    @field_validator("fields")
    @classmethod
    def _once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
            raise ValueError(f"{twice[0]!r} stands there twice")
        return names

    @field_validator("labels")
    @classmethod
    def _sayable(cls, labels: dict[str, str]) -> dict[str, str]:
        for name, text in labels.items():
            if not words.known(name):
                known = [*words.FIELDS, *words.PHRASES, *MODULES]
                near = get_close_matches(name, known, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join([*known, *words.PREFIXES])}"
                raise ValueError(f"{name!r} is no label of a card; {hint}")
            if name in words.PLACEHOLDERS:
                try:
                    _template(text, words.PLACEHOLDERS[name])
                except ValueError as error:
                    raise ValueError(f"{name}: {error}") from None
        return labels


class Teams(Strict):
    """A Teams channel, or people's activity feeds."""

    type: Literal["teams"]
    transport: Literal["bot", "workflows", "delegated", "graph_import", "activity"] = Field(
        default="bot",
        description="bot: as an installed Teams app. workflows: a webhook, which only posts. delegated: as a service "
        "account that signed in once. graph_import: into a channel in migration mode. activity: a notification to "
        "people, beside a channel.",
    )
    team_id: Guid | None = Field(default=None, description="The team's group id; makes links to messages work.")
    channel_id: str | None = Field(default=None, pattern=r"^19:[^/?#\s]+@thread\.(tacv2|skype)$")
    edits: bool = Field(
        default=False,
        description="delegated only: put new states in the message's place. Needs an administrator's consent to "
        "ChannelMessage.ReadWrite; without, they are replies.",
    )
    author: Author | None = Field(default=None, description="graph_import only.")
    people: tuple[Person, ...] = Field(
        default=(), max_length=100, description="activity only: object ids, or the address of a single one."
    )
    card: Card | None = Field(default=None, description="Leave it out for cards as they come.")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.transport == "workflows":
            if self.team_id or self.channel_id:
                raise ValueError("a workflow knows its channel itself: leave out team_id and channel_id")
        elif not (self.team_id and self.channel_id):
            raise ValueError(f"the {self.transport} transport needs team_id and channel_id")
        for key, transport in {"edits": "delegated", "author": "graph_import", "people": "activity"}.items():
            if getattr(self, key) and self.transport != transport:
                raise ValueError(f"{key} is for the {transport} transport only")
        if self.transport == "graph_import" and self.author is None:
            raise ValueError('imported messages need an author: author = { id = "…", displayName = "…" }')
        if self.transport == "activity" and not self.people:
            raise ValueError("the activity transport needs people: their object ids in Entra ID")
        if len(self.people) > 1 and any("@" in person for person in self.people):
            raise ValueError("several people are named by their object ids in Entra ID, not by addresses")
        return self


ColumnType = Literal["text", "long_text", "numbers", "status", "dropdown", "date", "link", "email", "checkbox"]


class Column(Strict):
    """What goes into one column of the board."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, populate_by_name=True)

    source: Expression = Field(alias="from", description="JMESPath into the record, e.g. `amount` or `custom.cf_x`.")
    type: ColumnType
    labels: dict[str, str] = Field(default={}, description="Zoho's word to the board's label; `*` for all others.")


def default_columns() -> dict[str, Column]:
    """The column plan of contracts: monday 12."""
    plan: dict[str, tuple[str, ColumnType]] = {
        "zb_number": ("number", "text"),
        "zb_party": ("party", "text"),
        "zb_status": ("status", "status"),
        "zb_date": ("date", "date"),
        "zb_due": ("due", "date"),
        "zb_total": ("amount", "numbers"),
        "zb_balance": ("balance", "numbers"),
        "zb_currency": ("currency", "dropdown"),
        "zb_rate": ("exchange_rate", "numbers"),
        "zb_total_base": ("base_amount", "numbers"),
        "zb_link": ("link", "link"),
        "zb_lines": ("lines_text", "long_text"),
        "zb_synced": ("modified_at", "date"),
    }
    return {column: Column(**{"from": source}, type=kind) for column, (source, kind) in plan.items()}


ColumnId = Annotated[str, Field(pattern=r"^[a-z0-9_]{1,64}$")]


class Monday(Strict):
    """A monday.com board."""

    type: Literal["monday"]
    board_id: int = Field(gt=0)
    plan: Literal["free", "basic", "standard", "pro", "enterprise"] = Field(
        default="basic", description="The account's plan: how many calls a minute and a day are made at most."
    )
    account: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9][a-z0-9-]{0,62}$",
        description="The account's name, as in <name>.monday.com: cards lead to the board until there is an item.",
    )
    group: str = Field(default="", description="Id of the group that new items go to; empty: the board's first.")
    external_id_column: ColumnId = Field(default="zb_doc_id", description="Text column that names the Zoho record.")
    create_labels: bool = Field(default=False, description="Let monday make missing status and dropdown labels.")
    columns: dict[ColumnId, Column] = Field(default_factory=default_columns)

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.external_id_column in self.columns:
            raise ValueError(f"{self.external_id_column} holds the Zoho id; map something else to another column")
        return self


class ZohoComment(Strict):
    """A note on the Zoho record itself, which your customers do not see."""

    type: Literal["zoho_comment"]
    text: NoteTemplate = Field(
        default=TEXT,
        min_length=1,
        max_length=LENGTH,
        description=f"What it says, with {', '.join(f'{{{name}}}' for name in PLACEHOLDERS)}; "
        f"at most {LENGTH} characters of it, a marker before them included.",
    )


Destination = Annotated[Teams | Monday | ZohoComment, Field(discriminator="type")]


class Conditions(Strict):
    """All of them must hold."""

    min_amount: Decimal | None = Field(default=None, description="At least so much, in the document's own currency.")
    max_amount: Decimal | None = Field(default=None, description="At most so much, in the document's own currency.")
    min_base_amount: Decimal | None = Field(
        default=None, description="At least so much in the organization's currency, at the document's rate."
    )
    max_base_amount: Decimal | None = Field(
        default=None, description="At most so much in the organization's currency, at the document's rate."
    )
    currency: tuple[Annotated[str, Field(pattern=r"^[A-Z]{3}$")], ...] | None = Field(default=None, min_length=1)
    status: tuple[str, ...] | None = Field(default=None, min_length=1, description="Zoho's words; case is ignored.")
    party: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="Names; * stands for anything, case is ignored."
    )
    office: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="Zoho's locations or branches; as names of parties."
    )
    custom: dict[str, Annotated[tuple[str, ...], Field(min_length=1)]] | None = Field(
        default=None, description="Custom field's API name to values; as names of parties."
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        for kind in ("amount", "base_amount"):
            least, most = getattr(self, f"min_{kind}"), getattr(self, f"max_{kind}")
            if least is not None and most is not None and least > most:
                raise ValueError(f"min_{kind} is above max_{kind}: nothing would ever match")
        return self


class Route(Strict):
    """Which events go where."""

    events: tuple[EventPattern, ...] = Field(default=("*",), min_length=1)
    when: Conditions = Conditions()
    to: tuple[str, ...] = Field(min_length=1)


class Retry(Strict):
    """How patiently deliveries are tried, and what to do when it stays unknown whether a call took effect."""

    unknown: Literal["park", "repeat"] = Field(
        default="park",
        description="If the destination cannot be asked: park, and a person looks; or repeat, and mark it in the audit "
        "as a possible duplicate.",
    )
    base_seconds: float = Field(default=2, gt=0, le=60, description="Longest wait before the first retry.")
    cap_seconds: float = Field(default=6 * 3600, gt=0, le=11 * 3600, description="Longest wait between two attempts.")
    horizon_hours: float = Field(
        default=76, gt=0, le=300, description="How long a delivery is tried before it is parked; 76 bridge a weekend."
    )


class ConnectionFile(Strict):
    """One Zoho Books organization and all that belongs to it."""

    connection: Slug
    locale: Locale = Field(
        default="en", description="How amounts and dates are written, such as de, de-CH or en-US; en is of no country."
    )
    time_zone: TimeZone = Field(default="UTC", description="Such as Europe/Berlin.")
    admin: Slug | None = Field(
        default=None, description="The Teams destination that is told when a person must act (a revoked token, a cap)."
    )
    zoho: Zoho
    microsoft: Microsoft | None = None
    destinations: dict[Slug, Destination] = Field(min_length=1)
    routing: Literal["all", "first"] = Field(default="all", description="Every matching route, or the first one only.")
    routes: tuple[Route, ...] = Field(min_length=1)
    retry: Retry = Retry()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for index, route in enumerate(self.routes):
            for name in route.to:
                if name not in self.destinations:
                    known = ", ".join(self.destinations)
                    raise Misplaced(("routes", index, "to"), f"{name!r} is no destination; there are {known}")
                if isinstance(self.destinations[name], ZohoComment):
                    self._takes_notes(index, route)
        if self.admin is not None and not isinstance(self.destinations.get(self.admin), Teams):
            known = ", ".join(name for name, each in self.destinations.items() if isinstance(each, Teams)) or "none"
            raise Misplaced(("admin",), f"{self.admin!r} is no Teams destination; there are {known}")
        admin = self.destinations.get(self.admin or "")
        if isinstance(admin, Teams) and admin.transport in ("graph_import", "activity"):
            raise Misplaced(("admin",), f"{self.admin!r} takes records only, not messages; name another one")
        for name, each in self.destinations.items():
            if isinstance(each, Teams):
                self._reachable(name, each)
        return self

    def _reachable(self, name: str, teams: Teams) -> None:
        """Refuses a transport that the tenant's cloud does not have (contracts: microsoft-teams 1)."""
        transport, place = teams.transport, ("destinations", name)
        if transport != "workflows" and self.microsoft is None:
            raise Misplaced(place, f"the {transport} transport needs [microsoft] with tenant_id and client_id")
        named = self.microsoft.cloud if self.microsoft else "global"
        cloud = CLOUDS[named]
        if transport == "workflows" and not cloud.workflows:
            raise Misplaced(place, f"the cloud {named} has no Flow bot, so a workflow cannot post there; use bot")
        if transport == "bot" and not cloud.service:
            raise Misplaced(place, f"no address for bots is documented in the cloud {named}; use delegated")
        if teams.edits and not cloud.edits:
            raise Misplaced((*place, "edits"), f"messages cannot be changed through Graph in the cloud {named}")

    def _takes_notes(self, index: int, route: Route) -> None:
        """Refuses a route to notes of which none can ever be written."""
        sent = [
            event.split(".")
            for event in EVENTS
            if event.split(".")[0] in self.zoho.modules and hears(route.events, [event])
        ]
        if not sent or any(MODULES[module].comments and what != DELETED for module, what in sent):
            return
        without = dict.fromkeys(module for module, _ in sent if not MODULES[module].comments)
        reason = no_notes_on(*without) if without else "a deleted record takes no notes"
        able = ", ".join(name for name, module in MODULES.items() if module.comments)
        raise Misplaced(("routes", index, "events"), f"{reason}; a zoho_comment destination is for {able}")

    def compiled(self) -> dict[str, Any]:
        """The plain data that the functions work with."""
        data: dict[str, Any] = self.model_dump(mode="json", exclude_none=True, by_alias=True)
        data.setdefault("microsoft", {})
        if self.locale != ConnectionFile.model_fields["locale"].default:
            from ml_connector.config.formats import formats_of

            data["formats"] = formats_of(self.locale)
        return data
