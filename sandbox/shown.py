"""What the page shows of a sandbox (`sandbox.page.app.Sources`), and what `make demo` counts at its end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ml_connector.modules import MODULES, Module
from mlc.status import closed
from sandbox.alarms import Alarms
from sandbox.onboarding import LocalMlc
from sandbox.session import Box
from sandbox.switches import Switches
from sandbox.vendors import default_world as world

CHANNELS = {"finance": world.CHANNEL_FINANCE, "large-invoices": world.CHANNEL_PURCHASING}
NEWEST = 40
"""Records that the books show."""
REFUSED = 5
"""Calls turned away that it shows, the last ones."""
ENVIRONMENT = ".local/demo.env"
"""What `make demo` writes for a second terminal, from where it was started."""
OURS = "[ml-connector "
"""What a note of ours begins with; behind it stands what it is told apart by."""
FRESH = 0.9
"""Seconds for which a look at the trail is good."""


@dataclass
class Shown:
    """A sandbox, looked at about once a second for every open page."""

    box: Box
    switches: Switches
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _trail: list[dict[str, Any]] = field(default_factory=list)
    _looked_at: float = float("-inf")

    def __post_init__(self) -> None:
        self.alarms = Alarms(self.box.stack)
        self._at = LocalMlc(self.box.stack)

    def books(self) -> dict[str, Any]:
        return books(self.box.zoho.records(self.box.organization))

    def channels(self) -> list[dict[str, Any]]:
        links = self._links()
        return [each | {"messages": linked(each["messages"], links)} for each in channels(self.box)]

    def board(self) -> dict[str, Any]:
        board = self.box.zoho.board(world.MONDAY_BOARD)
        return board | {"items": linked(board["items"], self._links())}

    def operations(self) -> dict[str, Any]:
        entries = self._entries()
        return {
            "counts": self.summary(),
            "retries": retries(entries),
            "parked": next((each["reason"] for each in entries if each["outcome"] == "parked"), ""),
            "refused": refused(self.box)[-REFUSED:],
            "limits": [
                {"vendor": each["budget"].partition("#")[0], "why": each["why"], "until": each["until"]}
                for each in closed(self._at, datetime.now(UTC))
            ],
            "switches": self.switches.states(),
            "alarms": self.alarms.states(),
        }

    def place(self) -> dict[str, str]:
        return {"connection": self.box.connection, "environment": ENVIRONMENT}

    def summary(self) -> dict[str, int]:
        """What the page counts, and the demo's last line: `operations.js` says what each figure means."""
        entries = self._entries()
        return {
            "accepted": len(ingest_lines(self.box, "accepted")),
            "delivered": len(arrived(entries)),
            "waiting": self.box.waiting(),
            "gathered": gathered(entries),
            "parked": self.box.parked(),
            "skipped": sum(entry["outcome"] == "skipped" for entry in entries),
            "refused": len(ingest_lines(self.box, "rejected")),
        }

    def _entries(self) -> list[dict[str, Any]]:
        """The trail, newest first: several parts of the page share one look at it."""
        with self._lock:
            if time.monotonic() - self._looked_at > FRESH:
                self._trail, self._looked_at = self.box.audit(), time.monotonic()
            return self._trail

    def _links(self) -> dict[str, str]:
        """By message or item: its address, of all that the trail knows."""
        return {each["external_id"]: each["link"] for each in self._entries() if each["external_id"] and each["link"]}


def books(found: Mapping[str, Any]) -> dict[str, Any]:
    """The newest records of Zoho Books, and the notes that the product wrote on them: `Sources.books`."""
    every = [(shape, record) for shape in MODULES.values() for record in found["records"].get(shape.path, {}).values()]
    every.sort(key=lambda each: int(each[1][each[0].id_field]), reverse=True)
    return {
        "many": len(every),
        "records": [_row(shape, record, found["comments"]) for shape, record in every[:NEWEST]],
    }


def _row(shape: Module, record: Mapping[str, Any], comments: Mapping[str, Any]) -> dict[str, Any]:
    identity = str(record[shape.id_field])
    notes = [str(each["description"]) for each in comments.get(identity, ())]
    status = next((str(record[name]) for name in shape.status if record.get(name)), "")
    settled = status in ("paid", "void")
    document = not shape.name.endswith("payment")
    return {
        "module": shape.name,
        "id": identity,
        "label": shape.label,
        "number": str(record[shape.number_field]),
        "party": next((str(record[name]) for name in shape.party if record.get(name)), ""),
        "amount": f"{record[shape.amount]:.2f}",
        "currency": str(record.get("currency_code", "")),
        "status": status.replace("_", " "),
        "notes": [note.partition("] ")[2] for note in notes if note.startswith(OURS)],
        "can": [
            *(["change"] if not document or not settled else []),
            *(["pay"] if record.get("balance") and not settled else []),
            *(["void"] if document and not settled else []),
        ],
    }


def channels(box: Box) -> list[dict[str, Any]]:
    """The Teams channels that the example connection posts to, by its destinations' names; then chats with people."""
    known = {each["channel_id"]: each for each in box.zoho.channels()}
    chats = {key: each["name"] for key, each in known.items() if each["person"]}
    return [
        {
            "name": name,
            "person": known[key]["person"],
            "deleted": known[key]["deleted"],
            "messages": box.zoho.messages(key),
        }
        for key, name in [*((key, name) for name, key in CHANNELS.items()), *chats.items()]
    ]


def linked(messages: Sequence[Mapping[str, Any]], links: Mapping[str, str]) -> list[dict[str, Any]]:
    """Messages, with their replies, or items: each with its `link`, "" if the trail knows none."""
    return [
        {**each, "link": links.get(each["id"], "")}
        | ({"replies": linked(each["replies"], links)} if "replies" in each else {})
        for each in messages
    ]


def retries(entries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Deliveries that are to be tried again or looked for, by destination: `{destination, many, reason, at}`.

    `reason` and `at` are of the last attempt. `entries` are the newest first.
    """
    found: dict[str, dict[str, Any]] = {}
    for entry in _last(entries):
        if entry["outcome"] in ("retry", "unknown"):
            name = entry["destination"]
            row = found.setdefault(name, {"destination": name, "many": 0, "reason": entry["reason"], "at": entry["at"]})
            row["many"] += 1
    return list(found.values())


def refused(box: Box) -> list[dict[str, Any]]:
    """The calls that ingest turned away, oldest first: `{at, reason, detail}`."""
    return [
        {"at": logged(each).isoformat(), "reason": each["reason"], "detail": each["detail"]}
        for each in ingest_lines(box, "rejected")
    ]


def ingest_lines(box: Box, message: str) -> list[dict[str, Any]]:
    """Lines of ingest's log."""
    return [line for line in box.stack.records("ingest") if line.get("message") == message]


def arrived(entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The last entry of each delivery that arrived: as a card, an item or a note, or told in a digest.

    The digest itself is none: what it tells is counted already. `entries` are the newest first.
    """
    ends = {each["delivery"]: each for each in reversed(entries) if each["outcome"] in ("delivered", "accepted")}
    return [each for each in ends.values() if each["module"] != "digest"]


def latencies(accepted: Sequence[dict[str, Any]], entries: Sequence[dict[str, Any]]) -> list[float]:
    """Seconds from ingest's log lines `accepted` to the entry of each delivery that arrived, but not in a digest."""
    came = {delivery: logged(line) for line in reversed(accepted) for delivery in line["deliveries"]}
    return [
        (datetime.fromisoformat(each["at"]) - came[each["delivery"]]).total_seconds()
        for each in arrived(entries)
        if each["delivery"] in came and each["operation"] != "digest"
    ]


def logged(line: dict[str, Any]) -> datetime:
    """When a line of a function's log was written."""
    return datetime.strptime(line["timestamp"], "%Y-%m-%d %H:%M:%S,%f%z")


def gathered(entries: Sequence[dict[str, Any]]) -> int:
    """Deliveries that wait to be told in a digest. `entries` are the newest first."""
    return sum(each["outcome"] == "gathered" for each in _last(entries))


def _last(entries: Sequence[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
    """The newest entry of each delivery. `entries` are the newest first."""
    found: dict[str, Mapping[str, Any]] = {}
    for entry in entries:
        found.setdefault(entry["delivery"], entry)
    return found.values()
