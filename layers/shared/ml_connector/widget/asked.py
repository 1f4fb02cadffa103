"""What a call asks for: CloudWatch's event, with everything in it taken for somebody else's text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from typing import Any

from ml_connector.audit import Outcome

VIEWS = ("start", "search", "story", "parked", "connections")
OUTCOMES = tuple(Outcome)
MOST_PAGE = 25
_MOST_TEXT = 1000
_MOST_NAME = 100
"""With all three, a key of the tables is at most 2048 bytes."""
_NARROW = 560
"""Pixels below which a row takes two lines."""
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True, slots=True)
class Asked:
    """A page. Texts are at most 1000 bytes; what makes no sense is as if it had not been said."""

    view: str = "start"
    connection: str = ""
    what: str = ""
    """A number, an id or a link, as people paste it."""
    state: str = ""
    day: str = ""
    """UTC, YYYY-MM-DD."""
    module: str = ""
    record: str = ""
    delivery: str = ""
    page: int = 0
    dark: bool = False
    narrow: bool = False
    zone: tzinfo = UTC
    zone_name: str = "UTC"

    def at(self, view: str, **changes: Any) -> dict[str, Any]:
        """The parameters of a button that leads to another page, with what is asked for by the search form kept."""
        kept = {name: getattr(self, name) for name in ("connection", "what", "state", "day")}
        said = {"view": view, **kept, **changes}
        return {name: value for name, value in said.items() if value not in ("", 0)}

    def turned(self, pages: int) -> dict[str, Any]:
        """The same view, so many pages on."""
        return self.at(self.view, page=self.page + pages)


def read(event: Mapping[str, Any]) -> Asked:
    """Never raises. The parameters of a button, or the widget's own; for the view `search` those of its form."""
    context = _mapping(event.get("widgetContext"))
    said: Mapping[str, Any] = {**_mapping(context.get("params")), **event}
    if said.get("view") == "search" and (form := _mapping(_mapping(context.get("forms")).get("all"))):
        # Whoever turns the page has the form on it, too: both say the same.
        said = {**said, **{name: form[name] for name in ("connection", "what", "state", "day") if name in form}}
    view, day = _text(said, "view"), _text(said, "day")
    asked = Asked(
        view=view if view in VIEWS else "start",
        connection=_text(said, "connection"),
        what=_text(said, "what"),
        state=state if (state := _text(said, "state")) in OUTCOMES else "",
        day=day if _DAY.fullmatch(day) and _is_date(day) else "",
        module=_text(said, "module")[:_MOST_NAME],
        record=_text(said, "record"),
        delivery=_text(said, "delivery"),
        page=page if type(page := said.get("page")) is int and 0 <= page <= MOST_PAGE else 0,
        dark=context.get("theme") == "dark",
        narrow=type(width := context.get("width")) is int and width < _NARROW,
    )
    zone = _mapping(context.get("timezone"))
    try:
        found = datetime.strptime(_text(zone, "offsetISO"), "%z").tzinfo
    except ValueError:
        return asked
    return replace(asked, zone=found or UTC, zone_name=_text(zone, "label")[:40] or "UTC")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(said: Mapping[str, Any], name: str) -> str:
    value = said.get(name)
    # What is no whole sign cannot be asked for: half of a pair that JSON spelt out, or was cut off here.
    return value.strip().encode(errors="ignore")[:_MOST_TEXT].decode(errors="ignore") if isinstance(value, str) else ""


def _is_date(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
