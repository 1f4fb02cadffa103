"""`make soak`: thousands of events through the deployed template while its neighbours misbehave. Then a comparison.

    --events N --records M --connections K --seed S

Bookkeepers of K companies make and change M records. Meanwhile 10 % of the calls to Teams and monday are answered 429,
5 % 5xx, 3 % not at all (half of them after they took effect); 5 % of the webhooks come twice, some late; a function's
process is killed twice while it works; the stand-ins are restarted once. Nothing is lost, doubled or out of order in
the end, or the exit code is 1. The last line is one JSON object with the figures.

The last connection parks what cannot be known (`retry.unknown = "park"`): a person looks and sends it again. The others
repeat it (`"repeat"`): a second message is allowed if the audit trail says so.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import uuid4

from ml_connector import audit
from ml_connector.events import Delivery
from ml_connector.modules import MODULES
from ml_connector.parked import again, unwrap
from ml_connector.ports import AuditEntry, Memory
from ml_connector.records import read
from sandbox.session import Box, sandbox
from sandbox.sites import LEDGER, Site, destination_of

HIDDEN_SECONDS = 12
PATIENCE = {"base_seconds": 0.2, "cap_seconds": 5}
FLAG = "possible duplicate"
FAULTS: tuple[dict[str, Any], ...] = (
    # Of 100 calls: 10 are answered 429, 5 with a 5xx, 3 not at all.
    {"kind": "status", "status": 429, "probability": 0.05, "retry_after": 1},
    {"kind": "status", "status": 429, "probability": 0.05 / 0.95},
    {"kind": "status", "status": 503, "probability": 0.03 / 0.90},
    {"kind": "html", "status": 502, "probability": 0.01 / 0.87},
    {"kind": "status", "status": 500, "after": True, "probability": 0.01 / 0.86},
    {"kind": "timeout_before", "probability": 0.015 / 0.85},
    {"kind": "timeout_after", "probability": 0.015 / 0.835},
)
VENDORS = ("bot", "monday")


@dataclass
class Figures:
    """What is counted. Those of `must_be_zero` decide."""

    events: int = 0
    records: int = 0
    connections: int = 0
    webhooks: int = 0
    refused_webhooks: int = 0
    lost: int = 0
    duplicated_items: int = 0
    duplicated_messages: int = 0
    flagged_messages: int = 0
    order_violations: int = 0
    broken_chains: int = 0
    incomplete_audits: int = 0
    parked_and_sent_again: int = 0
    still_parked: int = 0
    still_queued: int = 0
    kills: int = 0
    restarts: int = 0
    faults: int = 0
    attempts: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    events_per_second: float = 0.0

    def bad(self) -> dict[str, int]:
        names = (
            "refused_webhooks", "lost", "duplicated_items", "duplicated_messages", "order_violations", "broken_chains",
            "incomplete_audits", "still_parked", "still_queued",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names if getattr(self, name)}


Progress = Callable[[str], None]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m sandbox.soak", description=__doc__.partition("\n")[0])
    parser.add_argument("--events", type=int, default=5000)
    parser.add_argument("--records", type=int, default=240)
    parser.add_argument("--connections", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    began = time.monotonic()

    def progress(text: str) -> None:
        print(f"· {text} ({time.monotonic() - began:.0f} s)", file=sys.stderr, flush=True)

    with sandbox(hidden_seconds=HIDDEN_SECONDS, progress=progress) as box:
        sites = sites_of(given.connections)
        box.open(*sites)
        figures, findings = soak(
            box, sites, events=given.events, records=given.records, seed=given.seed, progress=progress
        )
    for finding in findings[:20]:
        print(f"! {finding}", file=sys.stderr)
    print(json.dumps(asdict(figures)), flush=True)
    return 1 if figures.bad() else 0


def sites_of(connections: int, first: int = 1) -> list[Site]:
    """Companies; the last one parks what it cannot know, if there is more than one."""
    return [
        Site(first + n, {**PATIENCE, "unknown": "park" if 0 < n == connections - 1 else "repeat"})
        for n in range(connections)
    ]


def soak(
    box: Box,
    sites: Sequence[Site],
    *,
    events: int,
    records: int,
    seed: int = 1,
    settle: float = 900,
    unknown_posts: bool = True,
    progress: Progress = lambda _: None,
) -> tuple[Figures, list[str]]:
    """The figures, and a line for each fault that was found. The faults of the stand-ins are cleared in the end.

    `unknown_posts`: whether a new message, too, may go unanswered; to look for it twice takes more than a minute.
    """
    figures = Figures(events=events, records=records, connections=len(sites))
    began = time.monotonic()
    for vendor in VENDORS:
        for number, fault in enumerate(FAULTS):
            sure = vendor == "monday" or fault.get("status") == 429 or unknown_posts
            method = {} if sure else {"method": "PUT"}
            box.zoho.fault(**fault, **method, vendor=vendor, count=None, seed=seed * 100 + number)
    books = Books(box, sites, records, random.Random(seed))
    disasters = {events * 3 // 10: "kill", events // 2: "restart", events * 7 // 10: "kill"}
    done = told = 0
    with ThreadPoolExecutor(6) as pool:
        while done < events:
            for at in [at for at in disasters if done >= at]:
                _strike(box, disasters.pop(at), figures, progress)
            for accepted, made, copies in pool.map(lambda work: work(), books.work(min(20, events - done))):
                done += made
                figures.webhooks += copies
                figures.refused_webhooks += not accepted
            if done - told >= 500:
                told = done
                progress(f"{done} events")
    figures.events = done
    progress("all are sent; waiting for the last ones")
    figures.still_queued = not box.settled(settle)
    figures.faults = sum(fault["hits"] for fault in box.zoho.faults())
    box.zoho.clear_faults()
    figures.seconds = round(time.monotonic() - began, 1)
    figures.events_per_second = round(events / figures.seconds, 1)
    figures.parked_and_sent_again = send_parked_again(box, sites)
    figures.still_queued += not box.settled(settle)
    figures.still_parked = box.parked()
    progress("comparing")
    return figures, compare(box, sites, figures)


def _strike(box: Box, what: str, figures: Figures, progress: Progress) -> None:
    progress(what)
    if what == "kill":
        figures.kills += box.stack.kill_one("delivery")
    else:
        box.stand_ins.restart()
        figures.restarts += 1


class Books:
    """What the bookkeepers do. A record is worked on by one of them at a time, as in life."""

    def __init__(self, box: Box, sites: Sequence[Site], records: int, dice: random.Random) -> None:
        self._box = box
        self._dice = dice
        self._places = [(sites[n % len(sites)], tuple(MODULES)[n // len(sites) % len(MODULES)]) for n in range(records)]
        self._made: dict[int, str] = {}
        self._steps: Counter[int] = Counter()

    def work(self, events: int) -> Iterator[Callable[[], tuple[bool, int, int]]]:
        """At most so many changes, all of different records: if accepted, events made, webhooks sent."""
        fresh = [n for n in range(len(self._places)) if n not in self._made][:events]
        # Some records change often, most seldom.
        old = sorted(self._made, key=lambda n: self._dice.random() * (1 + n % 7))
        for n in (fresh[: max(1, events // 2)] + old + fresh)[:events] if old else fresh[:events]:
            yield lambda n=n: self._event(n)  # type: ignore[misc]

    def _event(self, n: int) -> tuple[bool, int, int]:
        site, module = self._places[n]
        zoho, copies = self._box.zoho, 1 + (self._dice.random() < 0.05)
        self._steps[n] += 1
        step = self._steps[n]
        fields: dict[str, Any] = {"reference_number": f"v{step}"}
        fields |= {"amount": step} if module.endswith("payment") else {"total": step}
        if n not in self._made:
            answer = zoho.create(site.organization, module, fields, copies=copies)
            self._made[n] = answer["id"]
        else:
            late = self._dice.random() < 0.03
            answer = zoho.update(
                site.organization, module, self._made[n], fields, copies=copies, webhook="hold" if late else "send"
            )
            if late:
                # It overtakes: the next change goes first, this one comes after it.
                self._steps[n] += 1
                fields = {
                    name: f"v{step + 1}" if isinstance(value, str) else step + 1 for name, value in fields.items()
                }
                after = zoho.update(site.organization, module, self._made[n], fields)
                zoho.send_again(site.organization, answer["webhooks"][0]["id"])
                return after["webhooks"][0]["status"] == 202, 2, 2
        return all(hook["status"] == 202 for hook in answer["webhooks"]), 1, copies


# --- the person ------------------------------------------------------------------------------------------------------


def send_parked_again(box: Box, sites: Sequence[Site]) -> int:
    """What a person does with what is parked: looks, removes a message that nobody knows of, sends it again."""
    found: dict[str, tuple[Delivery, int | None]] = {}
    sqs, url = box.stack.client("sqs"), box.stack.outputs["ParkedQueueUrl"]
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
        for message in messages:
            kept = unwrap(message["Body"])
            if kept.delivery is None:
                raise ValueError(f"unreadable: {kept.text}")
            if kept.delivery.id not in found or kept.why.asked is not None:
                found[kept.delivery.id] = kept.delivery, kept.why.asked
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    channels = {(site.connection, name): channel for site in sites for name, channel in site.channels.items()}
    for key, channel in channels.items():
        known = {
            delivery.event.record_id: box.rows.read(delivery.event.record_key, delivery.destination).external_id
            for delivery, _ in found.values()
            if (delivery.event.connection, delivery.destination) == key
        }
        if known:
            for message in box.zoho.messages(channel):
                about = shown_in(message["card"]).get("Zoho id", "")
                if about in known and message["id"] != known[about] and not message["deleted"]:
                    box.zoho.delete_message(channel, message["id"])
    for delivery, asked in sorted(found.values(), key=lambda each: str(each[0].event.version)):
        resent = again(delivery, asked)
        sqs.send_message(
            QueueUrl=box.stack.outputs["DeliveriesQueueUrl"],
            MessageBody=resent.to_json(),
            MessageGroupId=resent.own_group,
            MessageDeduplicationId=uuid4().hex,
        )
    return len(found)


# --- the comparison --------------------------------------------------------------------------------------------------


def compare(box: Box, sites: Sequence[Site], figures: Figures) -> list[str]:
    """Zoho beside channels, boards, rows and audit trail. Counts into `figures`; a line for each fault."""
    findings: list[str] = []

    def count(name: str, holds: bool, text: str) -> None:
        if not holds:
            setattr(figures, name, getattr(figures, name) + 1)
            findings.append(f"{name}: {text}\n    " + "\n    ".join(map(_line, trail)))

    trail: list[AuditEntry] = []
    attempts: Counter[str] = Counter()
    for site in sites:
        board, cards = _items(box, site), _messages(box, site)
        changes = box.zoho.item_history(site.board)
        for module, record_id, record in _records(box, site):
            key = f"{site.connection}#{module}#{record_id}"
            about = f"{site.connection} {module} {record_id}"
            rows = box.rows.of_record(key)
            trail = list(box.trail.of_record(site.connection, module, record_id))
            attempts.update(entry.outcome for entry in trail)
            newest = str(record.get("reference_number"))
            wanted = read(module, record).version

            items = board.get(f"zb:{site.organization}:{module}:{record_id}", [])
            count("lost", bool(items), f"{about}: no item")
            count("duplicated_items", len(items) <= 1, f"{about}: {len(items)} items")
            for item in items:
                total = str(item["text"]["zb_total"])
                count("lost", float(total or 0) == int(newest[1:]), f"{about}: item says {total}, Zoho {newest}")
                shown = [each["text"]["zb_line_id"] for each in item["subitems"] if each["state"] == "active"]
                lines = {str(each["line_item_id"]) for each in record.get("line_items") or ()}
                count("duplicated_items", len(shown) == len(set(shown)), f"{about}: lines twice: {shown}")
                count("lost", set(shown) == lines, f"{about}: lines {shown}, Zoho {sorted(lines)}")
                times = [each["zb_synced"] for each in changes[item["id"]]]
                count("order_violations", times == sorted(times), f"{about}: item went {times}")

            name = destination_of(module)
            messages = cards.get((name, record_id), [])
            flagged = sum(1 for entry in trail if entry.destination == name and FLAG in entry.reason)
            figures.flagged_messages += max(0, len(messages) - 1)
            count("lost", bool(messages), f"{about}: no message")
            count(
                "duplicated_messages",
                len(messages) <= 1 + flagged,
                f"{about}: {len(messages)} messages, {flagged} flagged",
            )
            told = [
                reply["card"]["body"][0]["id"] for message in messages for reply in message["replies"] if reply["card"]
            ]
            count("duplicated_messages", len(told) <= len(set(told)) + flagged, f"{about}: told twice: {told}")
            current = [each for each in messages if each["id"] == rows.get(name, Memory()).external_id]
            says = [shown_in(each["card"]).get("Reference") for each in current]
            count("lost", says == [newest], f"{about}: message says {says}, Zoho {newest}")
            for message in messages:
                steps = [int(shown_in(card)["Reference"][1:]) for card in message["history"]]
                count("order_violations", steps == sorted(steps), f"{about}: message went {steps}")

            for destination in (LEDGER, name):
                row = rows.get(destination, Memory())
                count(
                    "incomplete_audits",
                    _complete(trail, destination, str(wanted)) and row.version == wanted and row.state == "done",
                    f"{about} at {destination}: {row.state} {row.version}, Zoho {wanted}",
                )
            heads = {destination: row.chain for destination, row in rows.items()}
            faults = audit.verify(trail, heads)
            count("broken_chains", not faults, f"{about}: {faults}")
    figures.attempts = dict(attempts)
    return findings


def _line(entry: AuditEntry) -> str:
    words = (entry.at, entry.destination, entry.outcome, entry.operation, entry.version, entry.status, entry.reason)
    return " ".join(map(str, words))


def _complete(trail: Sequence[AuditEntry], destination: str, version: str) -> bool:
    return any(
        entry.destination == destination and entry.outcome == "delivered" and entry.version == version
        for entry in trail
    )


def _records(box: Box, site: Site) -> Iterator[tuple[str, str, dict[str, Any]]]:
    kept = box.zoho.records(site.organization)["records"]
    for module, shape in MODULES.items():
        for record_id, record in kept.get(shape.path, {}).items():
            yield module, record_id, record


def _items(box: Box, site: Site) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for item in box.zoho.items(site.board):
        found[item["text"]["zb_doc_id"]].append(item)
    return found


def _messages(box: Box, site: Site) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """By destination and record: the messages that people see, each with its history."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for name, channel in site.channels.items():
        history = box.zoho.card_history(channel)
        for message in box.zoho.messages(channel):
            if not message["deleted"]:
                facts = shown_in(message["card"])
                found[name, facts.get("Zoho id", "")].append({**message, "history": history[message["id"]]})
    return found


def shown_in(card: Any) -> dict[str, str]:
    """The facts that a card shows."""
    for part in card["body"]:
        if part["type"] == "FactSet":
            return {fact["title"]: fact["value"] for fact in part["facts"]}
    return {}


if __name__ == "__main__":
    sys.exit(main())
