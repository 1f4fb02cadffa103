"""How an item on a monday board says which record it is, and in which status (contracts: monday 3.1, 3.3, 4)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ml_connector.connections import Connection
from ml_connector.events import DELETED
from ml_connector.modules import MODULES
from ml_connector.ports import Memory
from ml_connector.records import same_status

LABEL_LENGTH = 30
Label = str | int
"""A label's text, or its id (4: a number is always an id)."""


def external_id(connection: Connection, module: str, record_id: str) -> str:
    """What names the Zoho record on the board; unique whatever the case (3.1)."""
    return f"zb:{connection.organization_id}:{module}:{record_id}"


def record_of(connection: Connection, external: str) -> tuple[str, str] | None:
    """Module and id of the record that an external id names; None if it is none of this organization's."""
    zb, organization, module, record_id = (*external.split(":"), "", "", "", "")[:4]
    ours = zb == "zb" and organization == connection.organization_id and module in MODULES
    return (module, record_id) if ours and record_id else None


def labels_of(column: Mapping[str, Any]) -> dict[str, Label]:
    """A mapped column's labels by the one word that we have for each status, whichever of Zoho's the file has."""
    return {same_status(word): label for word, label in column.get("labels", {}).items()}


def label_of(status: str, labels: Mapping[str, Label]) -> Label:
    """The board's label for Zoho's word: mapped, else in words ("partially_paid" → "Partially paid")."""
    if (mapped := labels.get(status, labels.get("*"))) is not None:
        return mapped
    return cut(status.replace("_", " ").capitalize(), LABEL_LENGTH, "")


def status_of(memory: Memory) -> str:
    """Zoho's status that was written last; "" if nothing is known of that."""
    if memory.version and memory.version.deletes:
        return DELETED
    status: str = json.loads(memory.shown or "{}").get("status", "")
    return status


def cut(text: str, length: int, end: str = "…") -> str:
    """At most so long, counted as UTF-16 does: nobody says whether monday takes an emoji for one or two (3.3)."""
    if len(text) <= length and len(text.encode("utf-16-le", "replace")) <= 2 * length:
        return text
    raw = text.encode("utf-16-le", "replace")[: 2 * (length - len(end))]
    return raw.decode("utf-16-le", "ignore") + end
