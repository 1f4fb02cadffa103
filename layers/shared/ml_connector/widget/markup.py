"""Markup in which every text is escaped, unless it is markup already. There is no other way to make a tag here."""

from __future__ import annotations

import re
from html import escape
from urllib.parse import urlsplit

from ml_connector.clouds import CLOUDS
from ml_connector.regions import REGIONS

_VOID = ("br", "input")
_HOST = re.compile(r"[a-z0-9.-]+")
LINK_HOSTS = frozenset(
    {"monday.com", *(cloud.web for cloud in CLOUDS.values())} | {region.web for region in REGIONS.values()}
)
"""Where links may lead, each with what is below it."""


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def text(content: object) -> Html:
    """Anything as text; what is markup already stays as it is. Signs that would turn or hide the text are shown."""
    if isinstance(content, Html):
        return content
    return Html(escape("".join(sign if sign.isprintable() else " " for sign in str(content))))


def join(*parts: object) -> Html:
    return Html("".join(text(part) for part in parts if part is not None))


def tag(kind: str, /, *inside: object, **attributes: str | bool | None) -> Html:
    """An element; `None` inside, and attributes of None or False, are left out. `class_` is the attribute class."""
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text("" if value is True else value)}"'
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    return Html(f"<{kind}{said}>" if kind in _VOID else f"<{kind}{said}>{join(*inside)}</{kind}>")


def link(address: str, *inside: object) -> Html:
    """A link in a new tab, if it leads to a vendor's pages by https; else only what it would say."""
    if not _allowed(address):
        return join(*inside)
    return tag("a", *inside, href=address, target="_blank", rel="noopener noreferrer")


def _allowed(address: str) -> bool:
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    # Of other signs, such as a backslash, a browser makes something else of the host than we do.
    known = _HOST.fullmatch(host) and any(host == each or host.endswith(f".{each}") for each in LINK_HOSTS)
    return parts.scheme == "https" and bool(known) and port is None and parts.username is None
