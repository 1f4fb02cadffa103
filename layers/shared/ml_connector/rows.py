"""What a row of the delivery table says of a version, and what it is to say next. Pure: delivery.py writes it.

The changes that are given back go into a move (states.py). In what follows a version is *there* when the destination
shows it, *pending* when an attempt at it has begun, and *in doubt* when a call without an answer may have put it there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ml_connector.changes import snapshot
from ml_connector.events import Version
from ml_connector.ports import Memory, Receipt, Request
from ml_connector.records import Record

DUPLICATE = "duplicate: this version is already there"
NOWHERE: Mapping[str, Any] = {"external_id": "", "thread_id": ""}
"""Where a record is of which a person has taken away what there was."""

MOVING = ("sending", "waiting", "unknown")
"""States of a record that is being brought up to date: what the row says of it may be over."""

Changes = dict[str, Any]


# --- what it says ------------------------------------------------------------------------------------------------


def superseded(version: Version, there: Version | None) -> str:
    """Why a version need not be sent: the destination already shows it, or a newer one. "" if it must be sent."""
    if there is None:
        return ""
    if version == there or (version.deletes and there.deletes):
        return DUPLICATE
    # A deletion is the last one, however our clock and Zoho's compare.
    if version.older_than(there) and not version.deletes:
        return "out of order: a newer version is already there"
    return ""


def before(version: Version, other: Version) -> bool:
    """True if the other one is surely later; a deletion is, however our clock and Zoho's compare."""
    return not version.deletes and (other.deletes or version.older_than(other))


def shows_nothing_new(memory: Memory, version: Version) -> bool:
    """True if the destination surely shows the very state that this version has."""
    # What is parked certainly did not happen, unless the row still has its request.
    waits = memory.state == "parked" and not memory.request and not memory.step
    in_question = memory.doubt or (memory.pending and not waits)
    return memory.version is not None and not in_question and memory.version.fingerprint == version.fingerprint


def in_doubt(memory: Memory) -> Version | None:
    """The newer of what was in doubt already and what the call without an answer was to put there."""
    known, now = memory.doubt, memory.pending
    return known if known and (now is None or before(now, known)) else now


def begun(memory: Memory) -> Version | None:
    """The version of which something is there: what comes next goes on with it, or knows that it may be seen."""
    return memory.pending if memory.step else None


# --- what it is to say -------------------------------------------------------------------------------------------


def taken_up(memory: Memory, version: Version) -> Changes:
    """When this version is the pending one, at whatever step that is."""
    pending = memory.pending
    if memory.step and pending and pending != version and not (pending.deletes and version.deletes):
        return {"pending": version, "step": 0, "doubt": in_doubt(memory)}
    return {"pending": version}


def answered(memory: Memory) -> Changes:
    """When it is known whether a create happened: the next one is another request."""
    return {"request": None, "looked_at": "", "generation": memory.generation + 1}


def anew(memory: Memory) -> Changes:
    """When a create certainly did not happen."""
    return {**answered(memory), "pending": begun(memory)}


def removed(memory: Memory) -> Changes:
    """When a person has removed the message or item: a new one is made, under another key.

    It is forgotten only when that is there: a channel may be restored, and what was in it with it.
    """
    return {"step": 0, "generation": memory.generation + 1}


def applied(memory: Memory, receipt: Receipt, version: Version | None, request: Request | None) -> Changes:
    """When a version is there."""
    return {
        "version": version,
        "pending": None,
        "doubt": None,
        "step": 0,
        "request": None,
        "attempts": 0,
        "first_attempt_at": "",
        "looked_at": "",
        "gathered": "",
        "target": request.target if request else "",
        **(request.shows if request else {}),
        **place(memory, receipt, request),
    }


def stepped(memory: Memory, receipt: Receipt, request: Request) -> Memory:
    """The row when one request of a version is done, and another one follows."""
    there = place(memory, receipt, request)
    return replace(memory, step=memory.step + 1, request=None, target=request.target, **there)


def place(memory: Memory, receipt: Receipt, request: Request | None) -> Changes:
    """Where the record is by now. An answer to an update repeats nothing; what is within it does not stand for it.

    At another channel or board than before, or at one that names none, the ids of before mean nothing.
    """
    if request and request.within:
        return {}
    elsewhere = request and memory.target not in ("", request.target)
    found = {name: getattr(receipt, name) for name in ("external_id", "thread_id", "link")}
    return {name: value for name, value in found.items() if value or elsewhere}


def shown_of(record: Record) -> dict[str, str]:
    """What was sent of a record: for the completeness report, and for telling what changes next."""
    return {
        "amount": format(record.amount, "f") if record.amount is not None else "",
        "currency": record.currency,
        "date": str(record.date or ""),
        "shown": snapshot(record),
    }


def doubted(memory: Memory) -> Memory:
    """The row when a person has changed what is there: the next delivery asks Zoho, and skips no version."""
    return replace(memory, version=None, doubt=memory.version or memory.doubt or Version("", ""))
