"""Which group of the board a record belongs in: by what it is and the status it has (contracts: monday 3)."""

from __future__ import annotations

from collections.abc import Mapping

from ml_connector.events import DELETED
from ml_connector.records import same_status


def group_of(groups: Mapping[str, str], otherwise: str, module: str, status: str) -> str:
    """The group's id for a module's status, "" for none: the most particular key counts.

    `invoice.paid` before `paid` before `invoice` before `*`, and else `otherwise`, the group of new items. A deleted
    record stays where it is unless its own key says so.
    """
    known = {_key(key): group for key, group in groups.items()}
    status = same_status(status).casefold()
    keys, otherwise = ((), "") if status == DELETED else ((module, "*"), otherwise)
    return next((known[key] for key in (f"{module}.{status}", status, *keys) if key in known), otherwise)


def _key(text: str) -> str:
    """Zoho's other words for a status are the same key."""
    module, dot, status = text.rpartition(".")
    return f"{module}{dot}{same_status(status).casefold()}"
