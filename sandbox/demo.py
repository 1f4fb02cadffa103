"""`make demo`: the main job on one machine, on real input, for people to look at.

The real template on a local AWS, strict stand-ins of Zoho Books, Microsoft and monday.com, the example connection.
A bookkeeper works in Zoho; what arrives in Teams and on monday is shown and checked.
Environment: ONCE=1 ends after the run; FILE and EVENT send a payload of one's own instead. Exit code 0 if all arrived.
`--check` only looks whether FILE and EVENT can be used, before anything is built: exit code 2 if they cannot.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ml_connector.config.load import load
from ml_connector.modules import EVENTS, MODULES
from mlc.samples import told
from sandbox.session import CONNECTION_FILE, Box, sandbox
from sandbox.vendors import default_world as world

console = Console(highlight=False)


# What the bookkeeper enters; Zoho fills in the rest.
RECORDS: dict[str, dict[str, Any]] = {
    "invoice": {
        "line_items": [
            {"name": "Deck oven, three decks", "quantity": 1, "rate": 18400},
            {"name": "Installation and training", "quantity": 6, "rate": 95},
        ]
    },
    "bill": {"line_items": [{"name": "Kraft boxes 30 × 20", "quantity": 1500, "rate": 0.42}]},
    "purchase_order": {"line_items": [{"name": "Baking parchment, 500 sheets", "quantity": 40, "rate": 12.75}]},
    "customer_payment": {"amount": 9485},
    "vendor_payment": {"amount": 630},
}


CHANNELS = {"finance": world.CHANNEL_FINANCE, "large-invoices": world.CHANNEL_PURCHASING}


@dataclass
class Story:
    """What was done in Zoho, what came of each call, and what must be true in the end."""

    sent: int = 0
    checks: list[tuple[str, bool]] = field(default_factory=list)

    def send(self, what: str, answer: dict[str, Any], wanted: int = 202, *, why: str = "") -> dict[str, Any]:
        """Counts and shows what ingest answered; `why` is what it says if that was not as wanted."""
        statuses = [webhook["status"] for webhook in answer["webhooks"]]
        self.sent += sum(webhook["attempts"] for webhook in answer["webhooks"] if webhook["status"] == 202)
        colour = "green" if set(statuses) == {wanted} else "red"
        console.print(f"  {what} [dim]→[/] [{colour}]{', '.join(map(str, statuses)) or 'no webhook'}[/]")
        if set(statuses) != {wanted}:
            said = ", ".join(map(str, statuses)) or "nothing"
            self.check(f"{what}: answered {said}, not {wanted}" + (f": {why}" if why else ""), holds=False)
        return answer

    def check(self, what: str, *, holds: bool) -> None:
        self.checks.append((what, holds))


def main() -> int:
    once, file, event = bool(os.environ.get("ONCE")), os.environ.get("FILE", ""), os.environ.get("EVENT", "")
    if fault := unusable(file, event):
        console.print(fault, style="red", markup=False, soft_wrap=True)
        return 2
    if "--check" in sys.argv[1:]:
        return 0
    started = time.monotonic()
    with sandbox(
        progress=lambda step: console.print(f"[dim]·[/] {step} [dim]{time.monotonic() - started:.1f} s[/]")
    ) as box:
        console.print()
        begun = time.monotonic()
        story = _own_payload(box, Path(file), event) if file else _bookkeeping(box)
        arrived = box.settled(120)
        seconds = time.monotonic() - begun
        story.check("every delivery has ended", holds=arrived)
        summary = _report(box, story, seconds)
        if not once:
            _stay(box)
        # The last line is for scripts.
        print(json.dumps(summary), flush=True)
        return 0 if all(holds for _, holds in story.checks) else 1


def unusable(file: str, event: str) -> str:
    """Why FILE and EVENT cannot be sent, with the way out; "" if they can, or if there are none."""
    if not file:
        return f"EVENT={event} says what happened, FILE=payload.json what to send: both, or neither" if event else ""
    path = Path(file)
    if not path.is_file():
        folder = path.parent if path.parent.is_dir() else Path("examples")
        names = [str(each) for each in sorted(folder.glob("*.json"))]
        near = get_close_matches(file, names, n=1, cutoff=0.5) or names[:1]
        return f"there is no file {file}" + (f"; did you mean FILE={near[0]}?" if near else "")
    if event not in EVENTS:
        near = get_close_matches(event, EVENTS, n=1)
        said = f"{event} is no event" if event else "FILE needs an EVENT that says what happened"
        return f"{said}; " + (f"did you mean EVENT={near[0]}?" if near else f"events are {', '.join(EVENTS)}")
    module, _, _ = told(event)
    if module not in (carried := load(CONNECTION_FILE).zoho.modules):
        return f"the example connection does not carry {module}; it carries {', '.join(carried)} (modules in its file)"
    try:
        path.read_bytes().decode()
    except UnicodeDecodeError as error:
        return f"{file} is not UTF-8 text (byte {error.start}); Zoho Books sends nothing else"
    except OSError as error:
        return f"{file} cannot be read: {error.strerror}"
    return ""


# --- what happens in Zoho --------------------------------------------------------------------------------------------


def _bookkeeping(box: Box) -> Story:
    """One of each module, two updates, and the three things that must change nothing."""
    console.print("[bold]In Zoho Books[/] (each line is a signed webhook, and what ingest answered)")
    story = Story()
    org, zoho = box.organization, box.zoho
    made = {module: zoho.create(org, module, fields) for module, fields in RECORDS.items()}
    for module, answer in made.items():
        story.send(f"{MODULES[module].label.lower()} created", answer)
    invoice, bill = made["invoice"]["id"], made["bill"]["id"]
    box.settled()

    zoho.advance(2)
    story.send("bill paid, webhook sent twice", zoho.update(org, "bill", bill, _paid(box, "bill", bill), copies=2))
    box.settled()
    before = _seen(box)
    forgery = zoho.send_payload(org, "bill", "updated", _forgery(box, bill), signed="forged")
    story.send("bill forged: paid to somebody else", {"webhooks": forgery}, 401)
    box.settled()
    story.check("the forged webhook was refused and changed nothing", holds=_seen(box) == before)

    zoho.advance(2)
    held = zoho.update(org, "invoice", invoice, {"status": "viewed"}, webhook="hold")["webhooks"][0]["id"]
    zoho.advance(2)
    story.send("invoice paid", zoho.update(org, "invoice", invoice, _paid(box, "invoice", invoice)))
    box.settled()
    before = _seen(box)
    statuses = zoho.send_again(org, held)
    story.sent += 1
    console.print(f"  the older “invoice viewed”, late [dim]→[/] [green]{statuses[0]}[/]")
    box.settled()
    story.check("the webhook that came late changed nothing: the newer state stayed", holds=_seen(box) == before)

    _lose(box, story)
    items = {item["text"]["zb_doc_id"]: item for item in box.items()}
    story.check(
        "one item per record on the board, six in all", holds=len(items) == len(box.items()) == len(RECORDS) + 1
    )
    story.check("one card per record in the channel, six in all", holds=len(box.messages()) == len(RECORDS) + 1)
    for module, identity in (("invoice", invoice), ("bill", bill)):
        item = items.get(f"zb:{org}:{module}:{identity}", {"text": {}})
        story.check(f"the {module}'s item says Paid", holds=item["text"].get("zb_status") == "Paid")
    edits = sorted(message["edits"] for message in box.messages())
    story.check("the duplicate changed nothing: two cards were edited, once each", holds=edits == [0, 0, 0, 0, 1, 1])
    return story


def _lose(box: Box, story: Story) -> None:
    """A webhook that never arrives: Zoho's lists still hold the bill, and one run of reconcile carries it."""
    # Reconcile leaves the youngest changes to their webhooks, so this bill is some minutes old.
    entered = (datetime.now(UTC) - timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%S+0000")
    fields = {**RECORDS["bill"], "created_time": entered, "last_modified_time": entered}
    lost = box.zoho.create(box.organization, "bill", fields, webhook="lose")["id"]
    console.print("  bill created, its webhook lost on the way [dim]→[/] nobody was called")
    box.stack.invoke("reconcile", {"connection": box.connection})
    console.print("  one run of reconcile [dim]→[/] looked through Zoho's lists")
    box.settled()
    outcomes = [(each["event"], each["origin"], each["outcome"]) for each in box.audit() if each["record_id"] == lost]
    story.check(
        "the bill whose webhook was lost was found by reconcile, and is in Teams and on the board",
        holds=outcomes == [("bill.created", "reconcile", "delivered")] * 2,
    )


def _record(box: Box, module: str, identity: str) -> dict[str, Any]:
    records = box.zoho.records(box.organization)["records"]
    found: dict[str, Any] = records[MODULES[module].path][identity]
    return found


def _paid(box: Box, module: str, identity: str) -> dict[str, Any]:
    return {"status": "paid", "balance": 0, "payment_made": _record(box, module, identity)["total"]}


def _forgery(box: Box, bill: str) -> str:
    later = (datetime.now(UTC) + timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%S+0000")
    record = _record(box, "bill", bill) | {"vendor_name": "Mallory & Sons", "last_modified_time": later}
    return json.dumps({"bill": record})


def _seen(box: Box) -> tuple[Any, ...]:
    """Everything that people see in the channel and on the board."""
    return (
        [(message["id"], message["edits"], message["card"]) for message in box.messages()],
        [(item["id"], item["name"], item["text"], item["updated_at"]) for item in box.items()],
    )


def _own_payload(box: Box, file: Path, event: str) -> Story:
    story = Story()
    module, action, _ = told(event)
    console.print(f"[bold]{event}[/] with {file}")
    # Byte for byte: read_text would change line ends.
    webhooks = box.zoho.send_payload(box.organization, module, action, file.read_bytes().decode())
    rejected = [f"{call['reason']}: {call['detail']}" for call in refused(box)]
    story.send("sent", {"webhooks": webhooks}, why=rejected[-1] if rejected else "")
    box.settled()
    if not rejected:
        entries = box.audit()
        story.check("it was delivered", holds=any(entry["outcome"] in ("delivered", "accepted") for entry in entries))
    return story


def refused(box: Box) -> list[dict[str, Any]]:
    """The calls that ingest turned away, oldest first: `{at, outcome, reason, detail}`."""
    return [
        {
            "at": datetime.strptime(each["timestamp"], "%Y-%m-%d %H:%M:%S,%f%z").isoformat(),
            "outcome": "refused",
            "reason": each["reason"],
            "detail": each["detail"],
        }
        for each in _ingest(box, "rejected")
    ]


def _ingest(box: Box, message: str) -> list[dict[str, Any]]:
    return [line for line in box.stack.records("ingest") if line.get("message") == message]


# --- what people see -----------------------------------------------------------------------------------------------


def _report(box: Box, story: Story, seconds: float) -> dict[str, Any]:
    entries = box.audit()
    delivered = [entry for entry in entries if entry["outcome"] in ("delivered", "accepted")]
    parked = box.parked()
    story.check("nothing is parked", holds=parked == 0)
    doubled = sum(count - 1 for count in Counter(item["text"]["zb_doc_id"] for item in box.items()).values())

    for channel in channels(box):
        posts = [(_summary(m), f"{m['edits']}×" if m["edits"] else "") for m in channel["messages"]]
        _table(f"In Teams, channel {channel['name']}", ("card", "edited"), posts)
    columns = ("zb_number", "zb_party", "zb_status", "zb_total", "zb_currency", "zb_due")
    rows = [[item["text"].get(name) or "" for name in columns] for item in box.items()]
    _table("On monday, board Zoho Books", ("number", "party", "status", "total", "currency", "due"), rows)
    trail = [(e["at"][11:19], e["event"], _name(e), e["destination"], _ending(e)) for e in reversed(entries)]
    _table("Audit trail", ("time", "event", "record", "destination", "outcome"), trail)
    turned_away = [(call["at"][11:19], call["reason"]) for call in refused(box)]
    _table("Refused at the door (no entry in the trail: it changed nothing)", ("time", "reason"), turned_away)
    console.print()
    for what, holds in story.checks:
        console.print(f"[{'green' if holds else 'red'}]{'✓' if holds else '✗'}[/] {what}")
    console.print()
    return {
        "sent": story.sent,
        "delivered": len(delivered),
        "parked": parked,
        "duplicates": doubled,
        "seconds": round(seconds, 2),
    }


def _summary(message: dict[str, Any]) -> str:
    """A message through a workflow has no summary of its own; its card has."""
    return str(message["summary"] or (message["card"] or {}).get("fallbackText") or message["text"])


def _name(entry: dict[str, Any]) -> str:
    return str(entry["number"] or entry["record_id"])


def _ending(entry: dict[str, Any]) -> str:
    """`delivered`, `skipped: out of order`: the first half of the reason is enough beside the page."""
    reason = entry["reason"].partition(":")[0]
    return f"{entry['outcome']}: {reason}" if reason else str(entry["outcome"])


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if not rows:
        return
    grid = Table(*columns, box=None, header_style="dim", pad_edge=False)
    for row in rows:
        grid.add_row(*(escape(str(cell)) for cell in row))
    console.print()
    console.print(title, style="bold", soft_wrap=True)  # a table's own title would be folded to the table's width
    console.print(grid)


@dataclass
class Shown:
    """What the page shows of a sandbox (`sandbox.page.app.Sources`)."""

    box: Box

    def channels(self) -> list[dict[str, Any]]:
        return channels(self.box)

    def board(self) -> dict[str, Any]:
        return self.box.zoho.board(world.MONDAY_BOARD)

    def audit(self) -> list[dict[str, Any]]:
        return [*self.box.audit(), *refused(self.box)]

    def summary(self) -> dict[str, int]:
        outcomes = Counter(entry["outcome"] for entry in self.box.audit())
        return {
            "accepted": len(_ingest(self.box, "accepted")),
            "delivered": outcomes["delivered"] + outcomes["accepted"],
            "waiting": _waiting(self.box),
            "parked": self.box.parked(),
            "skipped": outcomes["skipped"],
            "refused": len(_ingest(self.box, "rejected")),
        }


def channels(box: Box) -> list[dict[str, Any]]:
    """The Teams channels that the example connection posts to, by the names of its destinations."""
    return [
        {"name": name, "team": "Harbour Supplies", "messages": box.zoho.messages(channel)}
        for name, channel in CHANNELS.items()
    ]


def _waiting(box: Box) -> int:
    """Deliveries that are queued, under way, or put off."""
    names = ("", "NotVisible", "Delayed")
    attributes = box.stack.client("sqs").get_queue_attributes(
        QueueUrl=box.stack.outputs["DeliveriesQueueUrl"],
        AttributeNames=[f"ApproximateNumberOfMessages{name}" for name in names],
    )["Attributes"]
    return sum(map(int, attributes.values()))


def _stay(box: Box) -> None:
    """The page, until Ctrl-C."""
    from sandbox.page.server import page

    stop = threading.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: stop.set())
    callback = f"{box.stack.webhook_url}/oauth/zoho/callback"
    box.zoho.redirect_uri(callback)
    with page(Shown(box)) as url:
        console.print(f"[bold]Look at it:[/] {url}")
        console.print("mlc works on this sandbox, from another terminal:", style="dim")
        own = {"MLC_WEBHOOK_URL": f"{box.stack.webhook_url}/webhooks", "MLC_OAUTH_URL": callback}
        for name, value in {**box.stack.environment(), **own}.items():
            console.print(f"  export {name}={value}", style="dim", soft_wrap=True)
        console.print("  .venv/bin/mlc send-test acme-eu --event invoice.created", style="dim")
        console.print("Ctrl-C ends it and removes everything.", style="dim")
        stop.wait()


if __name__ == "__main__":
    sys.exit(main())
