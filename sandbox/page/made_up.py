"""Content for working on the page's looks: the product's own cards and items, in the stand-ins, without any AWS.

python -m sandbox.page.made_up [--port N] [--empty] [--lively]
"""

from __future__ import annotations

import argparse
import itertools
import json
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ml_connector.config.load import parse
from ml_connector.connections import Connection
from ml_connector.destinations.monday import Monday
from ml_connector.destinations.teams.card import card, summary
from ml_connector.events import Event
from ml_connector.modules import MODULES
from ml_connector.ports import AuditEntry, Memory
from ml_connector.records import Record, read
from ml_connector.vendors.http import Http
from ml_connector.vendors.monday import MondayApi
from mlc.samples import sample
from sandbox.page.server import page
from sandbox.vendors import bot_connector, cards, control, default_world, monday
from sandbox.vendors.wire import call_of
from sandbox.vendors.world import Clock, Message, World

START = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
CONNECTION = f"""
connection = "acme-eu"
[zoho]
region = "eu"
organization_id = "{default_world.ZOHO_ORGANIZATION}"
[microsoft]
tenant_id = "{default_world.MICROSOFT_TENANT}"
client_id = "{default_world.MICROSOFT_CLIENT_ID}"
[destinations.finance]
type = "teams"
team_id = "{default_world.MICROSOFT_TEAM}"
channel_id = "{default_world.CHANNEL_FINANCE}"
[destinations.large-invoices]
type = "teams"
transport = "workflows"
[destinations.ledger]
type = "monday"
board_id = {default_world.MONDAY_BOARD}
[[routes]]
events = ["*"]
to = ["finance", "ledger"]
"""
CHANNELS = {"finance": default_world.CHANNEL_FINANCE, "large-invoices": default_world.CHANNEL_PURCHASING}
Change = Mapping[str, Any]


class MadeUp:
    """A small day at a made-up company. Satisfies `app.Sources`."""

    def __init__(self, *, start: datetime = START, empty: bool = False) -> None:
        self._now = start
        self._world = World(default_world.seed(), Clock(start.timestamp(), frozen=True))
        data = {**parse(CONNECTION.encode(), "made up").compiled(), "version": 1, "applied_at": ""}
        self._connection = Connection.from_data(data)
        api = MondayApi(Http(frozenset()), str, lambda: self._now)
        self._monday = Monday(self._connection.destinations["ledger"], self._connection, api, lambda: self._now)
        self._memories: dict[tuple[str, str], Memory] = {}
        self._entries: list[AuditEntry] = []
        self._counts = {"accepted": 0, "delivered": 0, "waiting": 0, "parked": 0, "skipped": 0, "refused": 0}
        self._refused: list[dict[str, str]] = []
        self._numbers = itertools.count(412)
        self._lock = threading.Lock()
        if not empty:
            self._day()

    # --- what the page asks for

    def channels(self) -> Sequence[Mapping[str, Any]]:
        with self._lock:
            return [{"name": name, **self._look(f"teams/channels/{key}/messages")} for name, key in CHANNELS.items()]

    def board(self) -> Mapping[str, Any] | None:
        with self._lock:
            return self._look(f"monday/boards/{default_world.MONDAY_BOARD}")

    def audit(self) -> Sequence[Mapping[str, Any]]:
        with self._lock:
            return [*(asdict(entry) for entry in self._entries), *self._refused]

    def summary(self) -> Mapping[str, int]:
        with self._lock:
            return dict(self._counts)

    def _look(self, path: str) -> dict[str, Any]:
        answer = control.handle(self._world, call_of("GET", f"http://x/{path}"))
        content: dict[str, Any] = answer.json()
        return content

    # --- what happens

    def happen(self, module: str, number: int, change: Change | None = None, *, late: str = "") -> None:
        """A record is created, or updated when it is known; `late` is a reason for a first attempt that failed."""
        with self._lock:
            self._counts["accepted"] += 1
            self._pass(61)
            payload = sample(module, f"41500000000{number:04}", f"{number:06}", self._now)
            fields = {**next(iter(payload.values())), **(change or {})}
            record = read(module, fields)
            action = "updated" if (module, record.id) in self._memories else "created"
            version = replace(record.version, at=f"{self._now:%Y-%m-%dT%H:%M:%SZ}")
            event = Event(
                "acme-eu", module, record.id, action, version, "webhook", "", f"1-{number:08x}-{module}", fields
            )
            self._teams(event, record)
            self._pass(0.24)
            self._ledger(event, record, late)

    def _teams(self, event: Event, record: Record) -> None:
        memory = self._memories.get((record.module, record.id), Memory())
        content, line = card(event, record, self._connection), summary(event, record)
        channel = self._world.microsoft.channels[default_world.CHANNEL_FINANCE]
        if memory.thread_id:
            message = next(one for one in channel.messages if one.id == memory.thread_id)
            message.card, message.summary, message.edits = content, line, message.edits + 1
            message.edited_at = self._world.clock.now()
        else:
            message = self._post(default_world.CHANNEL_FINANCE, "bot", line, content)
            memory = replace(memory, thread_id=message.id)
        self._memories[record.module, record.id] = memory
        self._note(event, record, "finance", "delivered", message.id, operation=self._operation(event), status=201)
        if record.amount and record.amount > 10_000 and event.action == "created":
            self._post(default_world.CHANNEL_PURCHASING, "workflows", line, content)
            self._note(event, record, "large-invoices", "accepted", operation="create", status=202)

    def _post(self, channel: str, sender: str, line: str, content: dict[str, Any]) -> Message:
        posted = bot_connector.add_message(
            self._world, self._world.microsoft.channels[channel], sender, "", line, content
        )
        posted.size = cards.size(content)
        return posted

    def _ledger(self, event: Event, record: Record, late: str) -> None:
        if late:
            self._note(event, record, "ledger", "retry", reason=late, status=429, operation=self._operation(event))
            self._pass(12.7)
        memory = self._memories[record.module, record.id]
        request = self._monday.plan(event, record, memory)
        body = json.dumps(request.body).encode()
        headers = [("Authorization", default_world.MONDAY_TOKEN), ("Content-Type", "application/json")]
        answer = monday.handle(self._world, call_of("POST", request.url, headers, body)).json()
        item = answer["data"]["item"]
        self._memories[record.module, record.id] = replace(memory, external_id=item["id"])
        link = f"https://harbour.monday.com/boards/{default_world.MONDAY_BOARD}/pulses/{item['id']}"
        self._note(event, record, "ledger", "delivered", item["id"], operation=request.operation, status=200, link=link)

    def duplicate(self, module: str, number: int) -> None:
        """A webhook that came twice."""
        self._again(module, number, "duplicate: this version is already there")

    def out_of_order(self, module: str, number: int) -> None:
        """An older state that came last."""
        self._again(module, number, "out of order: a newer version is already there")

    def _again(self, module: str, number: int, reason: str) -> None:
        with self._lock:
            self._pass(31)
            self._counts["accepted"] += 1
            self._counts["skipped"] += 1
            record_id = f"41500000000{number:04}"
            for entry in [one for one in self._entries if (one.module, one.record_id) == (module, record_id)][-2:]:
                self._entries.append(
                    replace(entry, at=self._stamp(), outcome="skipped", reason=reason, duration_ms=4, status=0)
                )
                self._pass(0.011)

    def park(self, module: str, number: int) -> None:
        """A delivery that needs a person."""
        with self._lock:
            self._pass(44)
            self._counts["accepted"] += 1
            fields = next(iter(sample(module, f"41500000000{number:04}", f"{number:06}", self._now).values()))
            record = read(module, fields)
            event = Event("acme-eu", module, record.id, "created", record.version, "webhook", "", "1-00ff", fields)
            reason = "The bot is not part of the channel's team: add the app to the team, then retry (BotNotInRoster)."
            self._note(event, record, "finance", "parked", reason=reason, status=403, operation="create")

    def refuse(self, reason: str) -> None:
        """A call that ingest turns away."""
        with self._lock:
            self._pass(7)
            self._counts["refused"] += 1
            self._refused.append({"at": self._stamp(), "outcome": "refused", "reason": reason, "detail": reason})

    def _operation(self, event: Event) -> str:
        return "create" if event.action == "created" else "update"

    def _pass(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self._world.clock.advance(seconds)

    def _stamp(self) -> str:
        return f"{self._now:%Y-%m-%dT%H:%M:%S.%fZ}"

    def _note(
        self, event: Event, record: Record, destination: str, outcome: str, external_id: str = "", **more: Any
    ) -> None:
        name = {"accepted": "delivered"}.get(outcome, outcome)
        if name in self._counts:
            self._counts[name] += 1
        place = len(self._entries)
        self._entries.append(
            AuditEntry(
                at=self._stamp(),
                connection=event.connection,
                module=event.module,
                record_id=event.record_id,
                number=record.number,
                event=event.name,
                version=str(event.version),
                origin=event.origin,
                destination=destination,
                outcome=outcome,
                attempt=2 if self._entries and self._entries[-1].outcome == "retry" else 1,
                correlation_id=event.correlation_id,
                external_id=external_id,
                duration_ms=180 + 7 * (place % 9),
                request_id=f"req-{place:06x}",
                delivery=f"{place:032x}",
                **more,
            )
        )

    def _day(self) -> None:
        big = {"customer_name": "Müller & Söhne <b>GmbH</b>", "status": "overdue", "due_date": "2026-11-02"}
        lines = [
            {"name": f"Oven part no. {n} *special* [A]", "quantity": n, "item_total": 310.5 * n} for n in range(1, 14)
        ]
        self.happen("invoice", 412)
        self.happen("bill", 77, {"status": "overdue"})
        self.happen("purchase_order", 31, late="monday: 429, complexity budget exhausted; resets in 12 s")
        self.happen("customer_payment", 903)
        self.happen("invoice", 412, {"status": "partially_paid", "balance": 284.5})
        self.duplicate("invoice", 412)
        self.happen("vendor_payment", 55, {"currency_code": "USD", "exchange_rate": 0.92})
        self.happen("invoice", 413, {**big, "total": 28_255.5, "balance": 28_255.5, "line_items": lines})
        self.happen("invoice", 412, {"status": "paid", "balance": 0})
        self.out_of_order("invoice", 412)
        self.park("bill", 78)
        self.refuse("signature_wrong")
        first = next(iter(self._world.monday.items.values()))
        first.updates.append({"id": "1", "body": "Called the customer: pays on Friday."})


def lively(company: MadeUp, stop: threading.Event) -> None:
    """Something happens every few seconds."""
    modules = itertools.cycle(MODULES)
    for number in itertools.count(1000):
        if stop.wait(3):
            return
        company.happen(next(modules), number)


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.page.made_up", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--empty", action="store_true")
    parser.add_argument("--lively", action="store_true", help="something happens every three seconds")
    given = parser.parse_args()
    company, stop = MadeUp(empty=given.empty), threading.Event()
    if given.lively:
        threading.Thread(target=lively, args=(company, stop), daemon=True).start()
    with page(company, given.port) as url, suppress(KeyboardInterrupt):
        print(url, flush=True)
        stop.wait()


if __name__ == "__main__":
    main()
