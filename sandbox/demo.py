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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ml_connector.config.load import load
from ml_connector.modules import EVENTS, MODULES
from mlc.samples import told
from sandbox.play import RECORDS, Play, lie, older_bill
from sandbox.secrecy import leaks
from sandbox.serving import serve
from sandbox.session import CONNECTION_FILE, Box, sandbox
from sandbox.shown import ENVIRONMENT, OURS, Shown, arrived, channels, gathered, ingest_lines, latencies, refused
from sandbox.vendors import default_world as world

# In a file or a pipe nothing has to fit.
console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)

PATIENCE = {"cap_seconds": 15}
"""People who switch trouble off want to see what waits arrive: it is tried again after so long at the latest."""
BURST = 32
"""Invoices at the end of the month: so many that more wait for the channel than it takes one by one."""
CROWDED = 66.0
"""Seconds in which the shared limit counts a channel's new messages of a minute: it slides by a tenth."""


@dataclass
class Story:
    """What was done in Zoho, what came of each call, and what must be true in the end."""

    records: set[str] = field(default_factory=set)
    """Ids of all that the bookkeeper made."""
    crowd: set[str] = field(default_factory=set)
    """Ids of the many records of the month's end, which the tables leave out."""
    checks: list[tuple[str, bool]] = field(default_factory=list)

    def send(self, what: str, answer: dict[str, Any], wanted: int = 202, *, why: str = "") -> dict[str, Any]:
        """Counts and shows what ingest answered; `why` is what it says if that was not as wanted."""
        statuses = [webhook["status"] for webhook in answer["webhooks"]]
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
        digests=True,
        retry=PATIENCE,
        progress=lambda step: console.print(f"[dim]·[/] {step} [dim]{time.monotonic() - started:.1f} s[/]"),
    ) as box:
        console.print()
        begun = time.monotonic()
        story = _own_payload(box, Path(file), event) if file else _bookkeeping(box)
        arrived = box.settled(120)
        seconds = time.monotonic() - begun
        story.check("every delivery has ended", holds=arrived)
        story.check("nothing secret is in a log, a table or a queue", holds=not leaks(box))
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
    box.listen()
    made = {module: zoho.create(org, module, fields) for module, fields in RECORDS.items()}
    for module, answer in made.items():
        story.send(f"{MODULES[module].label.lower()} created", answer)
    story.records = {answer["id"] for answer in made.values()}
    invoice, bill = made["invoice"]["id"], made["bill"]["id"]
    box.settled()

    _next_second()
    story.send("bill paid, webhook sent twice", zoho.update(org, "bill", bill, _paid(box, "bill", bill), copies=2))
    box.settled()
    before = _seen(box)
    forgery = zoho.send_payload(org, "bill", "updated", lie("bill", _record(box, "bill", bill)), signed="forged")
    story.send("bill forged: paid to somebody else", {"webhooks": forgery}, 401)
    box.settled()
    story.check("the forged webhook was refused and changed nothing", holds=_seen(box) == before)

    _next_second()
    held = zoho.update(org, "invoice", invoice, {"status": "viewed"}, webhook="hold")["webhooks"][0]["id"]
    _next_second()
    story.send("invoice paid", zoho.update(org, "invoice", invoice, _paid(box, "invoice", invoice)))
    box.settled()
    before = _seen(box)
    statuses = zoho.send_again(org, held)
    console.print(f"  the older “invoice viewed”, late [dim]→[/] [green]{statuses[0]}[/]")
    box.settled()
    story.check("the webhook that came late changed nothing: the newer state stayed", holds=_seen(box) == before)

    order = made["purchase_order"]["id"]
    _next_second()
    story.send("purchase order void", zoho.update(org, "purchase_order", order, {"status": "void"}))
    lost = _lose(box, story)
    items = {item["text"]["zb_doc_id"]: item for item in box.items()}
    for module, identity, status in (
        ("invoice", invoice, "Paid"),
        ("bill", bill, "Paid"),
        ("purchase_order", order, "Void"),
    ):
        item = items.get(f"zb:{org}:{module}:{identity}", {"text": {}})
        says = item["text"].get("zb_status") == status
        story.check(f"the {MODULES[module].label.lower()}'s item says {status}", holds=says)
    changed = sorted((message["edits"], len(message["replies"])) for message in box.messages())
    story.check(
        "three cards were edited, and their threads say why, once each: the duplicate changed nothing",
        holds=changed == [(0, 0)] * (len(story.records) - 3) + [(1, 1)] * 3,
    )
    _month_end(box, story)
    _answer(box, story, invoice)
    _decide(box, story, lost, items.get(f"zb:{org}:bill:{lost}", {}).get("id", ""))
    _complete(box, story)
    return story


def _month_end(box: Box, story: Story) -> None:
    """More new records in a minute than anybody reads: the first go out one by one, the others as a digest."""
    for number in range(BURST):
        rate = 120 + 35 * number
        fields = {"line_items": [{"name": "Bread, monthly", "quantity": 1, "rate": rate}]}
        answer = box.zoho.create(box.organization, "invoice", fields)
        story.crowd.add(answer["id"])
    story.records |= story.crowd
    console.print(f"  {BURST} invoices at once, as at the end of a month [dim]→[/] queued")


def _answer(box: Box, story: Story, invoice: str) -> None:
    """A person answers a card in Teams, and the invoice's trail says so."""
    (card,) = (
        each
        for each in box.audit()
        if each["record_id"] == invoice and each["event"] == "invoice.created" and each["destination"] == "finance"
    )
    words = "Thanks, posted to the ledger."
    box.zoho.reply(world.CHANNEL_FINANCE, card["external_id"], words)
    console.print(f"[bold]In Teams[/] Asha Rao answers the invoice's card: “{words}”")
    told = _until(20, lambda: [each for each in box.audit() if each["outcome"] == "acknowledged"])
    story.check(
        "her answer is in the invoice's trail, with her name",
        holds=[(each["record_id"], each["by"].partition(" (")[0]) for each in told] == [(invoice, "Asha Rao")],
    )


def _decide(box: Box, story: Story, bill: str, item: str) -> None:
    """A person approves an open bill on the board: it is in the bill's trail, and a note on the bill in Zoho."""
    before = _record(box, "bill", bill)["status"]
    box.zoho.person(world.MONDAY_PERSON, "set", item=item, column="zb_status", value={"label": "Approved"})
    console.print("[bold]On monday.com[/] Asha Rao sets the open bill's status to Approved")
    notes = _until(20, lambda: _notes(box, bill))
    for note in notes:
        console.print(f"  Zoho's bill now has the note [dim]→[/] {escape(note)}")
    told = [(each["record_id"], each["event"]) for each in box.audit() if each["outcome"] == "changed"]
    story.check(
        "her status came back to Zoho as one note in her name",
        holds=len(notes) == 1 and "Asha Rao" in notes[0] and told == [(bill, "item.status")],
    )
    _gathered_is_told(box, 80)
    (shown,) = (each["text"]["zb_status"] for each in box.items() if each["id"] == item)
    untouched = _record(box, "bill", bill)["status"] == before
    story.check(
        "the bill itself is as it was in Zoho, and stands on the board as she left it",
        holds=untouched and shown == "Approved",
    )


def _notes(box: Box, record: str) -> list[str]:
    written = [str(each["description"]) for each in box.zoho.comments(box.organization, record)]
    return [note for note in written if note.startswith(OURS)]


def _gathered_is_told(box: Box, seconds: float) -> None:
    """Waits until no delivery is under way, and none waits for a digest."""
    if waiting := gathered(box.audit()):
        said = f"{waiting} of the invoices are held back: when the minute ends, one card in Teams tells of them all"
        console.print(f"[dim]· {said}[/]")
    _until(seconds, lambda: box.settled(1) and not gathered(box.audit()))


def _complete(box: Box, story: Story) -> None:
    """Every record is there, and once: counted at the end, over all that the tables show and leave out."""
    entries = box.audit()
    items = [item["text"]["zb_doc_id"].rpartition(":")[2] for item in box.items()]
    story.check(
        f"one item per record: {len(story.records)} records in Zoho, {len(items)} items on the board",
        holds=sorted(items) == sorted(story.records),
    )
    new = [each for each in arrived(entries) if each["destination"] == "finance" and each["event"].endswith(".created")]
    together = [each["record_id"] for each in new if each["operation"] == "digest"]
    threads = [each["record_id"] for each in new if each["operation"] != "digest"]
    digests = sum(each["event"].startswith("digest.") and each["outcome"] == "delivered" for each in entries)
    said = "1 digest" if digests == 1 else f"{digests} digests"
    story.check(
        f"every record once in the channel: {len(threads)} threads, {len(together)} more told in {said}",
        # The month's last records may come in two minutes: each has its own digest.
        holds=sorted(threads + together) == sorted(story.records)
        and len(box.messages()) == len(threads) + digests
        and digests in (1, 2),
    )


def _next_second() -> None:
    """Zoho's times, which tell older from newer, have whole seconds. The stand-ins' clock is left alone: people compare
    what they see with their watches."""
    time.sleep(1.01 - time.time() % 1)


def _until(seconds: float, look: Callable[[], Any]) -> Any:
    """What `look` finds, as soon as it finds anything; what it finds in the end, if it does not in that time."""
    until = time.monotonic() + seconds
    while not (found := look()) and time.monotonic() < until:
        time.sleep(0.2)
    return found


def _lose(box: Box, story: Story) -> str:
    """A webhook that never arrives: Zoho's lists still hold the bill, and one run of reconcile carries it. Its id."""
    lost = box.zoho.create(box.organization, "bill", older_bill(), webhook="lose")["id"]
    story.records.add(lost)
    console.print("  bill created, its webhook lost on the way [dim]→[/] nobody was called")
    box.stack.invoke("reconcile", {"connection": box.connection})
    console.print("  one run of reconcile [dim]→[/] looked through Zoho's lists")
    box.settled()
    outcomes = [(each["event"], each["origin"], each["outcome"]) for each in box.audit() if each["record_id"] == lost]
    story.check(
        "the bill whose webhook was lost was found by reconcile, and is in Teams and on the board",
        holds=outcomes == [("bill.created", "reconcile", "delivered")] * 2,
    )
    return str(lost)


def _record(box: Box, module: str, identity: str) -> dict[str, Any]:
    records = box.zoho.records(box.organization)["records"]
    found: dict[str, Any] = records[MODULES[module].path][identity]
    return found


def _paid(box: Box, module: str, identity: str) -> dict[str, Any]:
    return {"status": "paid", "balance": 0, "payment_made": _record(box, module, identity)["total"]}


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


# --- what people see -----------------------------------------------------------------------------------------------


def _report(box: Box, story: Story, seconds: float) -> dict[str, Any]:
    entries = box.audit()
    summary = Shown(box, Play(box).switches).summary()
    story.check("nothing is parked", holds=summary["parked"] == 0)
    doubled = sum(count - 1 for count in Counter(item["text"]["zb_doc_id"] for item in box.items()).values())

    for channel in channels(box):
        kind = "chat with" if channel["person"] else "channel"
        _table(
            f"In Teams, {kind} {channel['name']}, oldest first",
            ("edited", "card and its thread"),
            _posts(channel["messages"]),
        )
    columns = ("zb_number", "zb_party", "zb_status", "zb_total", "zb_currency", "zb_due")
    items = [item for item in box.items() if item["text"]["zb_doc_id"].rpartition(":")[2] not in story.crowd]
    rows = sorted([item["text"].get(name) or "" for name in columns] for item in items)
    _table("On monday, board Zoho Books", ("number", "party", "status", "total", "currency", "due"), rows)
    if story.crowd:
        console.print(f"[dim]and the {len(story.crowd)} invoices of the month's end[/]")
    told = [entry for entry in reversed(entries) if entry["record_id"] not in story.crowd]
    trail = [(e["at"][11:19], e["event"], _name(e), e["destination"], _ending(e)) for e in told]
    _table("Audit trail (UTC)", ("time", "event", "record", "destination", "outcome"), trail)
    if story.crowd:
        places = Counter(_place(each) for each in arrived(entries) if each["record_id"] in story.crowd)
        counts = ", ".join(f"{count} {place}" for place, count in sorted(places.items()))
        console.print(f"[dim]and the {len(story.crowd)} invoices of the month's end: {counts}[/]")
    turned_away = [(call["at"][11:19], call["reason"]) for call in refused(box)]
    _table("Refused at the door (UTC; no entry in the trail: it changed nothing)", ("time", "reason"), turned_away)
    console.print()
    for what, holds in story.checks:
        console.print(f"[{'green' if holds else 'red'}]{'✓' if holds else '✗'}[/] {what}")
    console.print()
    if took := latencies(ingest_lines(box, "accepted"), entries):
        console.print(
            f"Webhook to receipt, here: median {median(took):.2f} s, slowest {max(took):.2f} s. Of {len(took)}"
            " deliveries, from when ingest accepted the webhook (its log) to when the delivery had ended (audit"
            " trail); without those that a digest told.\n"
        )
    # `sent` is what scripts know the accepted webhooks by.
    return {"sent": summary["accepted"], **summary, "duplicates": doubled, "seconds": round(seconds, 2)}


def _posts(messages: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """Oldest first, below each what was said in its thread, by people with their names."""
    rows = []
    for post in messages:
        rows.append((f"{post['edits']}×" if post["edits"] else "", _summary(post)))
        rows += [
            ("", f"  ↳ {each['by']}: {each['text']}" if each["by"] else f"  ↳ {_summary(each)}")
            for each in post["replies"]
        ]
    return rows


def _place(entry: dict[str, Any]) -> str:
    if entry["operation"] == "digest":
        return f"told in the digest in {entry['destination']}"
    return f"delivered to {entry['destination']} one by one"


def _summary(message: dict[str, Any]) -> str:
    """A message through a workflow has no summary of its own; its card has."""
    return str(message["summary"] or (message["card"] or {}).get("fallbackText") or message["text"])


def _name(entry: dict[str, Any]) -> str:
    """A digest is no record: its event says what it is."""
    return "" if entry["module"] == "digest" else str(entry["number"] or entry["record_id"])


def _ending(entry: dict[str, Any]) -> str:
    """`delivered`, `skipped: out of order`: the first half of the reason is enough beside the page."""
    reason = entry["reason"].partition(":")[0]
    return f"{entry['outcome']}: {reason}" if reason else str(entry["outcome"])


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if not rows:
        return
    grid = Table(box=None, header_style="dim", pad_edge=False)
    for column in columns:
        grid.add_column(column, no_wrap=column != columns[-1])  # where it is narrow, only the last one is folded
    for row in rows:
        grid.add_row(*(escape(str(cell)) for cell in row))
    console.print()
    console.print(title, style="bold", soft_wrap=True)  # a table's own title would be folded to the table's width
    console.print(grid)


def crowded_for(entries: Sequence[Mapping[str, Any]], now: float) -> float:
    """Seconds until the channel, which has had its new messages of a minute, takes single ones. Newest entry first."""
    last = next((each["at"] for each in entries if each["outcome"] == "gathered"), "")
    return max(0.0, datetime.fromisoformat(last).timestamp() + CROWDED - now) if last else 0.0


def _stay(box: Box) -> None:
    """The page, until Ctrl-C."""
    stop = threading.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: stop.set())
    with serve(box) as url:
        if seconds := crowded_for(box.audit(), time.time()):
            said = f"the channel has had its new messages of this minute: in {seconds:.0f} s each is a card again"
            console.print(f"[dim]· {said}[/]")
            stop.wait(seconds)
        if refused(box):
            said = "the story's forged call rings WebhookSignaturesAlarm: the page is red for five minutes"
            console.print(f"[dim]· {said}[/]")
        console.print(f"[bold]Look at it:[/] {url}")
        console.print("mlc works on this sandbox, from another terminal in this folder:", style="dim")
        console.print(f"  . {ENVIRONMENT}", style="dim")
        console.print(f"  mlc audit list {box.connection}", style="dim")
        console.print("Ctrl-C ends it and removes everything.", style="dim")
        stop.wait()


if __name__ == "__main__":
    sys.exit(main())
