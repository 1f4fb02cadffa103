"""The model of `connections/<name>.toml` (design 6). What it accepts, the functions can carry out."""

from __future__ import annotations

from decimal import Decimal
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal, Self
from zoneinfo import available_timezones

import jmespath
from jmespath.exceptions import JMESPathError
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from ml_connector.modules import EVENTS, MODULES
from ml_connector.regions import REGIONS

Slug = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,39}$")]
Guid = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")]


def _expression(text: str) -> str:
    try:
        jmespath.compile(text)
    except JMESPathError as error:
        raise ValueError(f"not a JMESPath expression: {str(error).splitlines()[0]}") from None
    return text


def _pattern(text: str) -> str:
    if not any(fnmatchcase(event, text) for event in EVENTS):
        near = get_close_matches(text, EVENTS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"events are {', '.join(EVENTS)}"
        raise ValueError(f"{text!r} matches no event; {hint} (* stands for anything)")
    return text


def _time_zone(name: str) -> str:
    known = available_timezones() if name != "UTC" else set()  # empty, too, on a machine without the database
    if known and name not in known:
        raise ValueError("no such time zone; they are called like Europe/Berlin")
    return name


TimeZone = Annotated[str, AfterValidator(_time_zone)]
Expression = Annotated[str, AfterValidator(_expression)]
EventPattern = Annotated[str, AfterValidator(_pattern)]


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
    modules: tuple[str, ...] = Field(default=tuple(MODULES), min_length=1, description="Kinds of records to carry.")

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


class Teams(Strict):
    """A Teams channel."""

    type: Literal["teams"]
    transport: Literal["bot", "workflows"] = "bot"
    team_id: Guid | None = Field(default=None, description="The team's group id; makes links to messages work.")
    channel_id: str | None = Field(default=None, pattern=r"^19:[^/?#\s]+@thread\.(tacv2|skype)$")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.transport == "bot" and not (self.team_id and self.channel_id):
            raise ValueError("the bot transport needs team_id and channel_id")
        if self.transport == "workflows" and (self.team_id or self.channel_id):
            raise ValueError("a workflow knows its channel itself: leave out team_id and channel_id")
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
    group: str = Field(default="", description="Id of the group that new items go to; empty: the board's first.")
    external_id_column: ColumnId = Field(default="zb_doc_id", description="Text column that names the Zoho record.")
    create_labels: bool = Field(default=False, description="Let monday make missing status and dropdown labels.")
    columns: dict[ColumnId, Column] = Field(default_factory=default_columns)

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.external_id_column in self.columns:
            raise ValueError(f"{self.external_id_column} holds the Zoho id; map something else to another column")
        return self


Destination = Annotated[Teams | Monday, Field(discriminator="type")]


class Conditions(Strict):
    """All of them must hold."""

    min_amount: Decimal | None = None
    max_amount: Decimal | None = None
    currency: tuple[Annotated[str, Field(pattern=r"^[A-Z]{3}$")], ...] | None = None
    status: tuple[str, ...] | None = None
    party: tuple[str, ...] | None = Field(default=None, description="Names; * stands for anything, case is ignored.")
    custom: dict[str, tuple[str, ...]] | None = Field(default=None, description="Custom field's API name to values.")

    @field_validator("status", "party")
    @classmethod
    def _folded(cls, words: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return None if words is None else tuple(word.casefold() for word in words)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.min_amount is not None and self.max_amount is not None and self.min_amount > self.max_amount:
            raise ValueError("min_amount is above max_amount: nothing would ever match")
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
    locale: str = Field(default="en", pattern=r"^[a-z]{2}(-[A-Z]{2})?$")
    time_zone: TimeZone = Field(default="UTC", description="Such as Europe/Berlin.")
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
        for name, each in self.destinations.items():
            if isinstance(each, Teams) and each.transport == "bot" and self.microsoft is None:
                raise Misplaced(
                    ("destinations", name), "the bot transport needs [microsoft] with tenant_id and client_id"
                )
        return self

    def compiled(self) -> dict[str, Any]:
        """The plain data that the functions work with."""
        data: dict[str, Any] = self.model_dump(mode="json", exclude_none=True, by_alias=True)
        data.setdefault("microsoft", {})
        return data
