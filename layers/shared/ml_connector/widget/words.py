"""What an entry of the audit trail says, in words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from ml_connector.gathering import BUSY, DAILY, MODULE, QUIET
from ml_connector.modules import MODULES
from ml_connector.ports import AuditEntry

_DONE = {"create": "Created in", "update": "Updated in", "digest": "Told in a digest in"}
_SAID = {
    "accepted": "Accepted by",
    "skipped": "Nothing to do for",
    "gathered": "Waits for a digest in",
    "retry": "To be tried again:",
    "unknown": "Outcome open:",
    "parked": "Parked:",
    "resent": "Sent again by a person:",
    "dropped": "Given up by a person:",
}
_DEEDS = {"acknowledged": "answered in", "changed": "changed it in"}
_DIGESTS = {BUSY: "Digest of a busy minute", QUIET: "Digest of quiet hours", DAILY: "Daily digest"}
_KIND = re.compile(rf"\.({'|'.join(_DIGESTS)})-(\d{{4}})(\d\d)(\d\d)T(\d\d)(\d\d)Z$")
_ID = re.compile(r" \([^()]*\)$")

TONES: Mapping[str, str] = {
    **dict.fromkeys(("delivered", "accepted", "acknowledged", "changed"), "good"),
    **dict.fromkeys(("retry", "unknown", "gathered", "resent"), "wait"),
    **dict.fromkeys(("parked", "dropped"), "bad"),
}
"""How an outcome is coloured; the others are calm."""


def by_people(entry: AuditEntry) -> bool:
    """Whether it tells of what somebody did at the destination: `version` is then when they did it."""
    return entry.outcome in _DEEDS


def person(by: str) -> str:
    """Without the id behind a name."""
    return _ID.sub("", by) or "somebody"


def sentence(entry: AuditEntry) -> str:
    """`Created in finance`, `Asha Rao answered in finance`."""
    if entry.outcome in _DEEDS:
        return f"{person(entry.by)} {_DEEDS[entry.outcome]} {entry.destination}"
    told = entry.outcome == "delivered" or (entry.outcome == "accepted" and entry.operation == "digest")
    said = _DONE.get(entry.operation, "Delivered to") if told else _SAID.get(entry.outcome, entry.outcome)
    return f"{said} {entry.destination}"


def title(module: str, record_id: str, number: str = "") -> str:
    """`Invoice INV-000412`, `Digest of a busy minute, 2026-11-22 09:40 UTC`."""
    if module == MODULE and (parts := _KIND.search(record_id)):
        return f"{_DIGESTS[parts[1]]}, {parts[2]}-{parts[3]}-{parts[4]} {parts[5]}:{parts[6]} UTC"
    label = MODULES[module].label if module in MODULES else module.replace("_", " ").capitalize()
    return f"{label} {number or record_id}"


def span(seconds: float) -> str:
    """`0.4 s`, `12 s`, `5 min`, `3 h`, `2 days`."""
    for size, word in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {word}"
    return f"{seconds:.0f} s" if seconds >= 9.95 else f"{seconds:.1f} s"


def moment(at: str) -> datetime | None:
    """A time of the trail; None if there is none, it cannot be read, or not be told in every time zone."""
    try:
        found = datetime.fromisoformat(at)
    except ValueError:
        return None
    return found if found.tzinfo and 1 < found.year < 9999 else None
