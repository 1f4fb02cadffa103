"""The model of `connections/<name>.toml` (design 6). What it accepts, the functions can carry out."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import date
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
from ml_connector.gathering import ABOVE, DAYS
from ml_connector.modules import CORE, EVENTS, MODULES, no_notes_on
from ml_connector.regions import REGIONS
from ml_connector.routing import hears

Slug = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,39}$")]
Guid = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
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
    organization_id: str = Field(
        pattern=r"^\d{4,20}$",
        description="As under Settings > Organization in Zoho Books.",
        examples=["20064550123"],
    )
    base_currency: str | None = Field(
        default=None,
        pattern=r"^[A-Z]{3}$",
        description="The organization's own currency, for foreign documents; found out once it is connected.",
        examples=["EUR"],
    )
    modules: tuple[str, ...] = Field(
        default=CORE,
        min_length=1,
        description=f"Kinds of records to carry, of {', '.join(MODULES)}.",
        examples=[["invoice", "bill"]],
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
        default=ZOHO["reconcile_share"],
        ge=1,
        le=80,
        description="Percent of a day's API calls that reconcile may use.",
        examples=[40],
    )
    reserve: int = Field(
        default=ZOHO["reserve"],
        ge=0,
        le=80,
        description="Percent of a day's API calls left to your other integrations.",
        examples=[30],
    )
    webhooks_per_day: int = Field(
        default=ZOHO["webhooks_per_day"],
        ge=1,
        description="How many webhooks Zoho sends a day, as your plan says.",
        examples=[500],
    )

    @field_validator("modules")
    @classmethod
    def _known(cls, modules: tuple[str, ...]) -> tuple[str, ...]:
        for module in modules:
            if module not in MODULES:
                raise ValueError(f"{module!r} is not a module; modules are {', '.join(MODULES)}")
        return modules


assert set(Zoho.model_fields["region"].annotation.__args__) == set(REGIONS)  # type: ignore[union-attr]  # noqa: S101 (mlc only)


class Microsoft(Strict):
    """The app registration that the bot posts with."""

    tenant_id: Guid = Field(
        description="Directory (tenant) id of the app registration.",
        examples=["6f1d2c3b-0000-4000-a000-0000000000aa"],
    )
    client_id: Guid = Field(
        description="Application (client) id of the app registration.",
        examples=["b0a7c1de-0000-4000-a000-0000000000bb"],
    )
    cloud: Literal["global", "gcc", "gcch", "dod", "china"] = Field(
        default="global", description="Where the tenant is; gcch is GCC High. Tokens of one cloud work in no other."
    )
    secret_ends: date | None = Field(
        default=None,
        description="The day on which the client secret or certificate ends, as Entra ID shows it where it was made: "
        "the alarm SecretEndsAlarm tells a month before.",
        examples=["2027-11-22"],
    )


assert set(Microsoft.model_fields["cloud"].annotation.__args__) == set(CLOUDS)  # type: ignore[union-attr]  # noqa: S101 (mlc only)


class Author(Strict):
    """Whom imported messages are shown as coming from."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, populate_by_name=True)

    id: Guid = Field(description="The user's object id in Entra ID.", examples=["e5f6a7b8-0000-4000-a000-0000000000ee"])
    name: str = Field(
        alias="displayName", min_length=1, max_length=256, description="The name shown.", examples=["Books"]
    )


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
        examples=[["due", "balance", "custom.cf_project"]],
    )
    labels: dict[str, Annotated[str, Field(min_length=1, max_length=60)]] = Field(
        default={},
        description=f"Other words for fields, record types, {', '.join(words.PHRASES)}, many.<record type>, "
        "status.<word>, mode.<word>.",
        examples=[{"due": "Pay by", "status.overdue": "Late"}],
    )
    title: TitleTemplate = Field(
        default=words.TITLE,
        min_length=1,
        max_length=200,
        description=f"With {', '.join(f'{{{name}}}' for name in words.TITLE_PLACEHOLDERS)}; "
        "the headline says what happened.",
        examples=["{party}: {headline}"],
    )
    lines: int = Field(
        default=MAX_LINES, ge=0, le=20, description="Line items shown; the others fold into a link.", examples=[5]
    )
    replies: bool = Field(default=True, description="Tell in the thread, too, what has happened to the record.")

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
                hint = (
                    f"did you mean {near[0]!r}?"
                    if near
                    else f"there are {', '.join([*known, words.MANY, *words.PREFIXES])}"
                )
                raise ValueError(f"{name!r} is no label of a card; {hint}")
            if name in words.PLACEHOLDERS:
                try:
                    _template(text, words.PLACEHOLDERS[name])
                except ValueError as error:
                    raise ValueError(f"{name}: {error}") from None
        return labels


LocalTime = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
assert Weekday.__args__ == DAYS  # type: ignore[attr-defined]  # noqa: S101 (mlc only)


class Quiet(Strict):
    """When no new message is posted; times are the connection's own."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, populate_by_name=True)

    since: LocalTime | None = Field(default=None, alias="from", description="When it begins.", examples=["19:00"])
    to: LocalTime | None = Field(
        default=None, description="When it ends; on the next day if it is not later than from.", examples=["07:00"]
    )
    days: tuple[Weekday, ...] = Field(
        default=(), description="Days that are quiet as a whole; six at most.", examples=[["sat", "sun"]]
    )

    @model_validator(mode="after")
    def _some(self) -> Self:
        if (self.since is None) != (self.to is None):
            raise ValueError("from and to belong together")
        if self.since is None and not self.days:
            raise ValueError('it is never quiet: say from and to, as { from = "19:00", to = "07:00" }, or days')
        if (self.since is not None and self.since == self.to) or set(self.days) == set(DAYS):
            raise ValueError("it would always be quiet: from and to must differ, and one day of the week be left")
        return self


class Digest(Strict):
    """When messages of a channel are told together, as one card."""

    above: int = Field(
        default=ABOVE,
        ge=0,
        le=60,
        description="New messages a minute above which they are gathered into one; 0: never.",
        examples=[30],
    )
    quiet: Quiet | None = Field(default=None, description="Hours in which they are gathered for one when these end.")
    daily: LocalTime | None = Field(
        default=None,
        description="When to post the day's figures: what was made and paid, is due, overdue, parked.",
        examples=["08:00"],
    )


class Teams(Strict):
    """A Teams channel, one person's chat with the bot, or people's activity feeds."""

    type: Literal["teams"] = Field(description="Says that this destination is in Microsoft Teams.")
    transport: Literal["bot", "workflows", "delegated", "graph_import", "activity"] = Field(
        default="bot",
        description="bot: as an installed Teams app. workflows: a webhook, which only posts. delegated: as a service "
        "account that signed in once. graph_import: into a channel in migration mode. activity: a notification to "
        "people, beside a channel.",
    )
    team_id: Guid | None = Field(
        default=None,
        description="The team's group id; makes links to messages work.",
        examples=["c4e5f6a7-0000-4000-a000-0000000000cc"],
    )
    channel_id: str | None = Field(
        default=None,
        pattern=r"^19:[^/?#\s]+@thread\.(tacv2|skype)$",
        description="The channel's id; with team_id, and as both stand in the channel's link.",
        examples=["19:finance0000000000000000000000001@thread.tacv2"],
    )
    person: Person | None = Field(
        default=None,
        description="bot only, in place of team_id and channel_id: whose chat with the bot gets the messages; object "
        "id, or an address, which takes the permission User.ReadBasic.All.",
        examples=["asha.rao@example.com"],
    )
    edits: bool = Field(
        default=False,
        description="delegated only: put new states in the message's place. Needs an administrator's consent to "
        "ChannelMessage.ReadWrite; without, they are replies.",
    )
    author: Author | None = Field(default=None, description="graph_import only.")
    people: tuple[Person, ...] = Field(
        default=(),
        max_length=100,
        description="activity only: object ids, or the address of a single one.",
        examples=[["e5f6a7b8-0000-4000-a000-0000000000ee"]],
    )
    card: Card | None = Field(default=None, description="Leave it out for cards as they come.")
    digest: Digest | None = Field(default=None, description="What is told together. For channels that get cards.")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        only = {"edits": "delegated", "author": "graph_import", "people": "activity", "person": "bot"}
        for key, transport in only.items():
            if getattr(self, key) and self.transport != transport:
                raise ValueError(f"{key} is for the {transport} transport only")
        if self.transport == "workflows":
            if self.team_id or self.channel_id:
                raise ValueError("a workflow knows its channel itself: leave out team_id and channel_id")
        elif self.person:
            if self.team_id or self.channel_id:
                raise ValueError("messages go to person or to a channel: leave out person, or team_id and channel_id")
        elif not (self.team_id and self.channel_id):
            also = ", or person" if self.transport == "bot" else ""
            raise ValueError(f"the {self.transport} transport needs team_id and channel_id{also}")
        if self.digest and (self.person or self.transport in ("graph_import", "activity")):
            place = "a person's chat" if self.person else f"the {self.transport} transport"
            raise ValueError(f"{place} has no digests: they are cards in a channel; leave digest out")
        if self.transport == "graph_import" and self.author is None:
            raise ValueError('imported messages need an author: author = { id = "…", displayName = "…" }')
        if self.transport == "activity" and not self.people:
            raise ValueError("the activity transport needs people: their object ids in Entra ID")
        if len(self.people) > 1 and any("@" in person for person in self.people):
            raise ValueError("several people are named by their object ids in Entra ID, not by addresses")
        return self


ColumnType = Literal[
    "text", "long_text", "numbers", "status", "dropdown", "date", "timeline", "link", "email", "phone", "people",
    "checkbox",
]  # fmt: skip


class Column(Strict):
    """What goes into one column of the board."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, populate_by_name=True)

    source: Expression = Field(
        alias="from", description="JMESPath into the record: a fact's name is enough.", examples=["custom.cf_project"]
    )
    type: ColumnType = Field(description="What kind of column it is on the board.")
    labels: dict[str, Annotated[str, Field(min_length=1)] | int] = Field(
        default={},
        description="Zoho's word to the board's label, or to its id as a number; `*` for all others. In a people "
        "column: a name to a user's id, or to `team:<id>`.",
        examples=[{"overdue": "Stuck", "paid": 1}],
    )
    currency: Currency | None = Field(
        default=None,
        description="numbers only: the column is for documents in this currency, so that its sum means something.",
        examples=["EUR"],
    )
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = Field(
        default=None, description="phone only: whose numbers they are; monday checks them.", examples=["US"]
    )

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.currency and self.type != "numbers":
            raise ValueError("currency is for numbers columns only")
        if (self.type == "phone") != bool(self.country):
            raise ValueError('a phone column, and no other, needs country, such as "US"')
        if self.labels and self.type not in ("status", "dropdown", "people"):
            raise ValueError("labels are for status, dropdown and people columns only")
        if self.type == "people" and not self.labels:
            raise ValueError('a people column needs labels: names to ids of users, such as { "Jo Lane" = 12345 }')
        for word, label in self.labels.items():
            if self.type == "people":
                if not re.fullmatch(r"(team:)?\d+", str(label)):
                    raise ValueError(f"labels: {word!r} is given no id of a user, nor team:<id>")
            elif isinstance(label, str) and label.isdigit():
                raise ValueError(f"labels: monday takes the text {label!r} for a label's id: write that as a number")
        return self


def _columns(plan: Mapping[str, tuple[str, ColumnType]]) -> dict[str, Column]:
    return {column: Column(**{"from": source}, type=kind) for column, (source, kind) in plan.items()}


def default_columns() -> dict[str, Column]:
    """The column plan of contracts: monday 12."""
    return _columns({
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
    })  # fmt: skip


def default_line_columns() -> dict[str, Column]:
    """Of the subitems, which have columns of their own (contracts: monday 3.1)."""
    return _columns({
        "zb_line_no": ("position", "numbers"),
        "zb_line_quantity": ("quantity", "numbers"),
        "zb_line_rate": ("rate", "numbers"),
        "zb_line_total": ("total", "numbers"),
    })  # fmt: skip


ColumnId = Annotated[str, Field(pattern=r"^[a-z0-9_]{1,64}$")]
GroupId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{1,64}$")]


def _state(key: str) -> str:
    """A key of `groups`. What stands before a point must be a module; statuses are open words of Zoho's."""
    module, dot, _ = key.rpartition(".")
    if dot and module not in MODULES:
        raise ValueError(f"{module!r} is not a module; modules are {', '.join(MODULES)}")
    return key


State = Annotated[str, Field(pattern=r"^(\*|([a-z_]+\.)?[A-Za-z][A-Za-z _-]*)$"), AfterValidator(_state)]


class Monday(Strict):
    """A monday.com board."""

    type: Literal["monday"] = Field(description="Says that this destination is on monday.com.")
    board_id: int = Field(gt=0, description="The number in the board's address.", examples=[1234567890])
    plan: Literal["free", "basic", "standard", "pro", "enterprise"] = Field(
        default="basic", description="The account's plan: how many calls a minute and a day are made at most."
    )
    reserve: int = Field(
        default=5, ge=0, le=90, description="Percent of a day's calls left to whoever else needs some.", examples=[20]
    )
    account: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9][a-z0-9-]{0,62}$",
        description="The account's name, as in <name>.monday.com: cards lead to the board until there is an item.",
        examples=["harbour"],
    )
    group: str = Field(
        default="", description="Id of the group that new items go to; empty: the board's first.", examples=["topics"]
    )
    groups: dict[State, GroupId] = Field(
        default={},
        description="Ids of groups by `invoice.paid`, `paid`, `invoice` or `*`: the first of these that there is. An "
        "item moves when its state does.",
        examples=[{"invoice": "topics", "paid": "group_mm1a2b3c"}],
    )
    external_id_column: ColumnId = Field(
        default="zb_doc_id", description="Text column that names the Zoho record.", examples=["text_mm1a2b3c"]
    )
    create_labels: bool = Field(default=False, description="Let monday make missing status and dropdown labels.")
    columns: dict[ColumnId, Column] = Field(
        default_factory=default_columns,
        description="The whole mapping, by ids of columns; left out: that of `mlc monday board create`.",
        examples=[{"numbers4": {"from": "amount", "type": "numbers"}}],
    )
    also: dict[ColumnId, Column] = Field(
        default={},
        description="Columns beside those, or in place of one of them.",
        examples=[{"eur": {"from": "amount", "type": "numbers", "currency": "EUR"}}],
    )
    without: tuple[ColumnId, ...] = Field(
        default=(), description="Columns of them that the board does not have.", examples=[["zb_rate"]]
    )
    lines: Literal["subitems", "text", "none"] = Field(
        default="subitems",
        description="Line items: as subitems; as text in the column that comes from lines_text, which takes no further "
        "call; or left out.",
    )
    line_id_column: ColumnId = Field(
        default="zb_line_id", description="Text column of subitems with Zoho's line id.", examples=["text_mm4d5e6f"]
    )
    line_columns: dict[ColumnId, Column] = Field(
        default_factory=default_line_columns,
        description="The subitems' columns, from position, name, quantity, rate, total or zoho.<field> of the line.",
        examples=[{"numbers7": {"from": "total", "type": "numbers"}}],
    )
    payments: Literal["own", "invoice", "both"] = Field(
        default="own",
        description="A payment is an item of its own; or only brings up to date what it pays; or both.",
    )
    gone: Literal["recreate", "leave", "tell"] = Field(
        default="recreate",
        description="If a person archives or deletes an item: make a new one; leave it so; or tell the admin channel, "
        "and park the next change for a person.",
    )
    feedback: str | None = Field(
        default=None,
        description="A zoho_comment destination: what people do to an item's status is noted on its Zoho record.",
        examples=["notes"],
    )
    manage_webhooks: bool = Field(
        default=True, description="Let `mlc webhooks install` make the board's webhooks; else they are made by hand."
    )

    @model_validator(mode="after")
    def _apart(self) -> Self:
        every = {**self.columns, **self.also}
        if self.external_id_column in every:
            raise ValueError(f"{self.external_id_column} holds the Zoho id; map something else to another column")
        if self.line_id_column in self.line_columns:
            raise ValueError(f"{self.line_id_column} holds the line's id; map something else to another column")
        for name in self.without:
            if name not in self.columns:
                raise ValueError(f"without: {name!r} is none of the columns: {', '.join(self.columns)}")
        texts = [name for name, each in every.items() if each.source == "lines_text" and name not in self.without]
        if self.lines == "text" and not texts:
            raise ValueError('lines = "text" needs a long_text column from lines_text')
        return self

    def compiled(self, data: dict[str, Any]) -> dict[str, Any]:
        """With `columns` as they hold: what is added, and without what is left out."""
        every = {**data["columns"], **data.pop("also")}
        left_out = {*data.pop("without"), *(n for n, each in every.items() if self._no_lines(each["from"]))}
        return {**data, "columns": {name: each for name, each in every.items() if name not in left_out}}

    def _no_lines(self, source: str) -> bool:
        return self.lines == "none" and source == "lines_text"


class ZohoComment(Strict):
    """A note on the Zoho record itself, which your customers do not see."""

    type: Literal["zoho_comment"] = Field(description="Says that this destination is the Zoho record's comments.")
    text: NoteTemplate = Field(
        default=TEXT,
        min_length=1,
        max_length=LENGTH,
        description=f"What it says, with {', '.join(f'{{{name}}}' for name in PLACEHOLDERS)}; "
        f"at most {LENGTH} characters of it, a marker before them included.",
        examples=["{title}: told to {destinations}"],
    )


Destination = Annotated[Teams | Monday | ZohoComment, Field(discriminator="type")]


class Conditions(Strict):
    """All of them must hold."""

    min_amount: Decimal | None = Field(
        default=None, description="At least so much, in the document's own currency.", examples=[10000]
    )
    max_amount: Decimal | None = Field(
        default=None, description="At most so much, in the document's own currency.", examples=[99.5]
    )
    min_base_amount: Decimal | None = Field(
        default=None,
        description="At least so much in the organization's currency, at the document's rate.",
        examples=[10000],
    )
    max_base_amount: Decimal | None = Field(
        default=None,
        description="At most so much in the organization's currency, at the document's rate.",
        examples=[500],
    )
    currency: tuple[Currency, ...] | None = Field(
        default=None, min_length=1, description="One of these.", examples=[["EUR", "CHF"]]
    )
    status: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="One of Zoho's words; case is ignored.", examples=[["overdue"]]
    )
    party: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        description="One of these names; * stands for anything, case is ignored.",
        examples=[["Harbour*"]],
    )
    office: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        description="One of Zoho's locations or branches; as names of parties.",
        examples=[["Hamburg"]],
    )
    custom: dict[str, Annotated[tuple[str, ...], Field(min_length=1)]] | None = Field(
        default=None,
        description="Custom field's API name to values; as names of parties.",
        examples=[{"cf_project": ["Quay*"]}],
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

    events: tuple[EventPattern, ...] = Field(
        default=("*",),
        min_length=1,
        description="`<module>.<what happened>`; * stands for anything.",
        examples=[["invoice.*", "bill.paid"]],
    )
    when: Conditions = Field(default=Conditions(), description="Left out: always.")
    to: tuple[str, ...] = Field(min_length=1, description="Names of destinations.", examples=[["finance", "ledger"]])


class Retry(Strict):
    """How patiently deliveries are tried, and what to do when it stays unknown whether a call took effect."""

    unknown: Literal["park", "repeat"] = Field(
        default="park",
        description="If the destination cannot be asked: park, and a person looks; or repeat, and mark it in the audit "
        "as a possible duplicate.",
    )
    base_seconds: float = Field(
        default=2, gt=0, le=60, description="Longest wait before the first retry.", examples=[5]
    )
    cap_seconds: float = Field(
        default=6 * 3600, gt=0, le=11 * 3600, description="Longest wait between two attempts.", examples=[3600]
    )
    horizon_hours: float = Field(
        default=76,
        gt=0,
        le=300,
        description="How long a delivery is tried before it is parked; 76 bridge a weekend.",
        examples=[24],
    )


class ConnectionFile(Strict):
    """One Zoho Books organization and all that belongs to it."""

    connection: Slug = Field(
        description="The connection's name, for good: what is delivered is remembered under it.", examples=["acme-eu"]
    )
    locale: Locale = Field(
        default="en",
        description="How amounts and dates are written, such as de, de-CH or en-US; en is of no country.",
        examples=["de-CH"],
    )
    time_zone: TimeZone = Field(
        default="UTC", description="Of due dates, quiet hours and digests.", examples=["Europe/Berlin"]
    )
    admin: Slug | None = Field(
        default=None,
        description="The Teams destination that is told when a person must act (a revoked token, a cap).",
        examples=["finance"],
    )
    zoho: Zoho = Field(description="The organization that the records come from.")
    microsoft: Microsoft | None = Field(default=None, description="For every way into Teams but workflows.")
    destinations: dict[Slug, Destination] = Field(
        default={},
        min_length=1,
        description="Places, by names of yours. Without them, and without routes, there are addresses and access only.",
    )
    routing: Literal["all", "first"] = Field(default="all", description="Every matching route, or the first one only.")
    routes: tuple[Route, ...] = Field(default=(), min_length=1, description="Rules, in order.")
    retry: Retry = Field(default=Retry(), description="Left out: as it is best for most.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.destinations and not self.routes:
            raise Misplaced(("routes",), "is missing")
        for index, route in enumerate(self.routes):
            for name in route.to:
                if name not in self.destinations:
                    known = ", ".join(self.destinations) or "none"
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
            if isinstance(each, Monday) and each.feedback is not None:
                self._noted(name, each.feedback)
        return self

    def _noted(self, name: str, feedback: str) -> None:
        """Refuses feedback to what is no place for notes."""
        if not isinstance(self.destinations.get(feedback), ZohoComment):
            known = ", ".join(each for each, what in self.destinations.items() if isinstance(what, ZohoComment))
            # The union's member stands in pydantic's path.
            place = ("destinations", name, "monday", "feedback")
            raise Misplaced(place, f"{feedback!r} is no zoho_comment destination; there are {known or 'none'}")

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
        for name, each in self.destinations.items():
            if isinstance(each, Monday):
                data["destinations"][name] = each.compiled(data["destinations"][name])
        if self.locale != ConnectionFile.model_fields["locale"].default:
            from ml_connector.config.formats import formats_of

            data["formats"] = formats_of(self.locale)
        return data
