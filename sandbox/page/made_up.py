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

from ml_connector import digests, gathering
from ml_connector.audit import entry_of
from ml_connector.clouds import CLOUDS, hosts
from ml_connector.config.load import parse
from ml_connector.connections import Connection
from ml_connector.destinations.monday import Monday
from ml_connector.destinations.teams import digest
from ml_connector.destinations.teams.bot import Bot
from ml_connector.destinations.teams.cards import Cards
from ml_connector.destinations.teams.personal import Personal
from ml_connector.destinations.teams.workflow import workflow_post
from ml_connector.events import Delivery, Event, Version
from ml_connector.modules import MODULES
from ml_connector.ports import AuditEntry, Destination, Memory, Shelved
from ml_connector.records import Record, read
from ml_connector.rows import shown_of
from ml_connector.vendors import microsoft
from ml_connector.vendors import monday as monday_vendor
from ml_connector.vendors.http import Answer, Http
from ml_connector.vendors.monday import MondayApi
from mlc.samples import sample
from sandbox.page.server import page
from sandbox.shown import ENVIRONMENT, books, linked, retries
from sandbox.switches import states
from sandbox.vendors import bot_connector, control, control_monday, default_world, monday, monday_state
from sandbox.vendors.wire import call_of
from sandbox.vendors.world import Channel, Clock, MicrosoftToken, World

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
[destinations.boss]
type = "teams"
person = "{default_world.MICROSOFT_BOSS}"
[destinations.ledger]
type = "monday"
board_id = {default_world.MONDAY_BOARD}
group = "{default_world.MONDAY_GROUP}"
groups = {{ paid = "settled" }}
[[routes]]
events = ["*"]
to = ["finance", "ledger"]
"""
SHUT = "19:sandboxlisbon00000000000000000001@thread.tacv2"
CHANNELS = {
    "finance": default_world.CHANNEL_FINANCE,
    "large-invoices": default_world.CHANNEL_PURCHASING,
    "office-lisbon": SHUT,
}
ASHA = f"Asha Rao ({default_world.MICROSOFT_BOSS})"
ON_MONDAY = f"Asha Rao ({default_world.MONDAY_PERSON})"
Change = Mapping[str, Any]


class _StandIns(Http):
    """The stand-ins of Teams and monday, without a wire."""

    def __init__(self, world: World) -> None:
        super().__init__(monday_vendor.HOSTS | hosts(CLOUDS["global"]))
        self._world = world

    def call(self, method: str, url: str, **content: Any) -> Answer:
        headers = [*content["headers"].items(), ("Content-Type", "application/json")]
        handle = monday.handle if "monday" in url else bot_connector.handle
        answer = handle(self._world, call_of(method, url, headers, json.dumps(content["body"]).encode()))
        return Answer(answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.body)


class _Tokens:
    def access_token(self, connection: str, purpose: str, *, rejected: str = "") -> str:
        return "made-up"


class MadeUp:
    """A small day at a made-up company. Satisfies `app.Sources`."""

    def __init__(self, *, start: datetime = START, empty: bool = False) -> None:
        self._now = start
        self._world = World(default_world.seed(), Clock(start.timestamp(), frozen=True))
        self._world.unlimited.add("bot")
        tenant, client = default_world.MICROSOFT_TENANT, default_world.MICROSOFT_CLIENT_ID
        token = MicrosoftToken("made-up", "bot", tenant, client, [], start.timestamp() + 1e9)
        self._world.microsoft.tokens[token.token] = token
        self._world.monday.boards[default_world.MONDAY_BOARD].groups |= {
            "settled": monday_state.MondayGroup("settled", "Settled", color="#00c875"),
        }
        data = {**parse(CONNECTION.encode(), "made up").compiled(), "version": 1, "applied_at": ""}
        self._connection = Connection.from_data(data)
        self._destinations = self._connected()
        self._memories: dict[tuple[str, str, str], Memory] = {}
        self._entries: list[AuditEntry] = []
        names = ("accepted", "delivered", "waiting", "gathered", "parked", "skipped", "refused")
        self._counts = dict.fromkeys(names, 0)
        self._refused: list[dict[str, str]] = []
        self._records: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()
        if not empty:
            self._day()

    def _connected(self) -> dict[str, Destination]:
        connection, http, settings = self._connection, _StandIns(self._world), self._connection.destinations
        connector, graph = microsoft.BotConnector(http, _Tokens()), microsoft.Graph(http, _Tokens())
        api = MondayApi(http, lambda: default_world.MONDAY_TOKEN, lambda: self._now)

        def cards(name: str) -> Cards:
            return Cards(settings[name], connection, lambda: self._now)

        return {
            "finance": Bot(cards("finance"), connector, graph),
            "boss": Personal(cards("boss"), connector, graph),
            "ledger": Monday(settings["ledger"], connection, api, lambda: self._now),
        }

    # --- what the page asks for

    def channels(self) -> Sequence[Mapping[str, Any]]:
        with self._lock:
            known = self._world.microsoft.channels
            places = [(name, known[key]) for name, key in CHANNELS.items() if key in known]
            places += [(each.name, each) for each in known.values() if each.person]
            return [
                {
                    "name": name,
                    "person": channel.person,
                    "deleted": channel.deleted,
                    "messages": linked(
                        self._look(f"teams/channels/{channel.channel_id}/messages")["messages"], self._links()
                    ),
                }
                for name, channel in places
            ]

    def board(self) -> Mapping[str, Any] | None:
        with self._lock:
            board = self._look(f"monday/boards/{default_world.MONDAY_BOARD}")
            return board | {"items": linked(board["items"], self._links())}

    def books(self) -> Mapping[str, Any]:
        with self._lock:
            return books({"records": self._records, "comments": {}})

    def operations(self) -> Mapping[str, Any]:
        with self._lock:
            entries = [asdict(entry) for entry in reversed(self._entries)]
            parked = self._counts["parked"]
            alarm = {
                "name": "ParkedAlarm", "about": "Deliveries wait for a person.", "state": "alarm" if parked else "ok",
                "metric": "MessagesParked", "value": float(parked), "comparison": ">",
                "threshold": 0.0, "runbook": "docs/runbook.md#parkedalarm",
            }  # fmt: skip
            return {
                "counts": dict(self._counts),
                "retries": retries(entries),
                "parked": next((each["reason"] for each in entries if each["outcome"] == "parked"), ""),
                "limits": [],
                "refused": list(self._refused),
                "switches": states(),
                "alarms": [alarm],
            }

    def place(self) -> Mapping[str, str]:
        return {"connection": "acme-eu", "environment": ENVIRONMENT}

    def _links(self) -> Mapping[str, str]:
        return {entry.external_id: entry.link for entry in self._entries}

    def _look(self, path: str) -> dict[str, Any]:
        return self._do("GET", path)

    def _do(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        answer = control.handle(self._world, call_of(method, f"http://x/{path}", (), json.dumps(body or {}).encode()))
        content: dict[str, Any] = answer.json()
        return content

    # --- what happens

    def happen(self, module: str, number: int, change: Change | None = None, *, late: str = "") -> None:
        """A record is created, or updated when it is known; `late` is a reason for a first attempt that failed."""
        with self._lock:
            self._counts["accepted"] += 1
            self._pass(61)
            event, record = self._event(module, number, change or {})
            self._deliver(event, record, "finance")
            if record.amount and record.amount > 10_000:
                self._deliver(event, record, "boss")
                if event.action == "created":
                    self._through_workflow(event, record)
            self._pass(0.24)
            if late:
                self._note(event, record, "ledger", "retry", reason=late, status=429, operation=self._operation(event))
                self._pass(12.7)
            self._deliver(event, record, "ledger")

    def _event(self, module: str, number: int, change: Change) -> tuple[Event, Record]:
        payload = sample(module, f"41500000000{number:04}", f"{number:06}", self._now)
        fields = {**next(iter(payload.values())), **change}
        record = read(module, fields)
        self._records.setdefault(MODULES[module].path, {})[record.id] = fields
        memory = self._memories.get(("finance", module, record.id))
        version = replace(record.version, at=f"{self._now:%Y-%m-%dT%H:%M:%SZ}")
        came = record.status if memory and record.status in MODULES[module].statuses else ""
        action, call = "updated" if memory else "created", f"1-{number:08x}-{module}"
        return Event("acme-eu", module, record.id, action, version, "webhook", "", call, fields, came), record

    def _deliver(self, event: Event, record: Record, name: str) -> None:
        """As delivery.py does it, without its row."""
        key = (name, record.module, record.id)
        memory, destination, more = self._memories.get(key, Memory()), self._destinations[name], True
        while more:
            request = destination.plan(event, record, memory)
            receipt = destination.send(request)
            place = {} if request.within else {"external_id": receipt.external_id, "thread_id": receipt.thread_id}
            kept: dict[str, Any] = {field: value for field, value in place.items() if value}
            memory, more = replace(memory, **kept, target=request.target, step=memory.step + 1), request.more
        facts: dict[str, Any] = {**shown_of(record), **request.shows}
        self._memories[key] = replace(memory, step=0, **facts)
        made, link = receipt.external_id or memory.external_id, receipt.link
        if name == "ledger":
            link = f"https://harbour.monday.com/boards/{default_world.MONDAY_BOARD}/pulses/{made}"
        operation = self._operation(event)
        self._note(event, record, name, "delivered", made, operation=operation, status=receipt.status, link=link)

    def _through_workflow(self, event: Event, record: Record) -> None:
        cards = Cards(self._connection.destinations["large-invoices"], self._connection, lambda: self._now)
        content = cards.card(event, record, Memory())
        request = workflow_post("large-invoices", content, record.title)
        channel = self._world.microsoft.channels[default_world.CHANNEL_PURCHASING]
        bot_connector.add_message(self._world, channel, "workflows", "", cards.line(event, record), content)
        self._note(event, record, "large-invoices", "accepted", operation=request.operation, status=202)

    # --- what people do

    def answer(self, module: str, number: int, text: str, by: str = "Asha Rao", user_id: str = "") -> None:
        """A person replies to the record's card."""
        with self._lock:
            self._pass(47)
            user_id = user_id or default_world.MICROSOFT_BOSS
            card = self._memories["finance", module, f"41500000000{number:04}"].external_id
            path = f"teams/channels/{default_world.CHANNEL_FINANCE}/messages/{card}/replies"
            made = self._do("POST", path, {"text": text, "user_id": user_id, "name": by})["id"]
            self._pass(1.3)
            link = f"https://teams.microsoft.com/l/message/{default_world.CHANNEL_FINANCE}/{made}"
            more = {"by": f"{by} ({user_id})", "link": link, "external_id": made, "origin": "teams"}
            self._did(module, number, "finance", "acknowledged", event="reply", **more)

    def change(self, module: str, number: int, do: str, said: str, **what: Any) -> None:
        """A person does something to the record's item, and Zoho's record gets a note of it."""
        with self._lock:
            self._pass(33)
            item = self._memories["ledger", module, f"41500000000{number:04}"].external_id
            control_monday.act(self._world, default_world.MONDAY_PERSON, {"do": do, "item": item, **what})
            if said:
                self._pass(1.1)
                more = {"by": ON_MONDAY, "external_id": item, "reason": said, "origin": "monday"}
                entry = self._did(module, number, "ledger", "changed", event=f"item.{what.get('column', do)}", **more)
                note: dict[str, Any] = {
                    "module": "feedback",
                    "record_id": entry.delivery,
                    "event": "feedback.noted",
                    "by": "",
                }
                note |= {"destination": "notes", "outcome": "delivered", "operation": "create", "status": 201}
                self._pass(0.6)
                self._entries.append(replace(entry, at=self._stamp(), reason="", external_id="9001", **note))
                self._counts["delivered"] += 1

    def _did(self, module: str, number: int, destination: str, outcome: str, **what: Any) -> AuditEntry:
        record_id = f"41500000000{number:04}"
        before = next(one for one in self._entries if (one.module, one.record_id) == (module, record_id))
        version = f"{self._now - timedelta(seconds=1.3):%Y-%m-%dT%H:%M:%SZ}~{what['external_id']}"
        cleared: dict[str, Any] = {
            "operation": "",
            "status": 0,
            "duration_ms": 0,
            "request_id": "",
            "attempt": 0,
            "link": "",
        }
        about: dict[str, Any] = {
            "at": self._stamp(),
            "destination": destination,
            "outcome": outcome,
            "version": version,
        }
        entry = replace(before, **cleared | about | {"delivery": f"{len(self._entries):032x}"} | what)
        self._entries.append(entry)
        return entry

    # --- what is gathered

    def crowd(self, first: int, many: int, *, told: bool = True) -> None:
        """More new invoices than a channel takes one by one: they wait, and are `told` in one digest."""
        with self._lock:
            self._pass(20)
            slot = gathering.busy(self._now)
            name = slot.digest("finance")
            shelved = []
            for number in range(first, first + many):
                self._counts["accepted"] += 1
                self._pass(0.4)
                event, record = self._event("invoice", number, {"total": 120 + 35 * (number - first)})
                self._note(event, record, "finance", "gathered", reason=f"for the digest {name}", operation="create")
                shelved.append(Shelved(name, Delivery(event, "finance"), gathering.facts(record), {}))
                self._deliver(event, record, "ledger")
            if told:
                self._tell(name, shelved)

    def _tell(self, name: str, shelved: Sequence[Shelved]) -> None:
        self._pass(61)
        facts = digests.summed(name, shelved)
        request = digest.request(self._connection, "finance", name, facts)
        posted = self._destinations["finance"].send(request)
        event = Event("acme-eu", "digest", name, "posted", Version("", ""), "digest", "", "1-00d1-digest", facts)
        self._note(event, digests.blank(event), "finance", "delivered", posted.external_id, operation="create")
        for each in shelved:
            record = read(each.delivery.event.module, each.delivery.event.payload or {})
            more = {"operation": "digest", "reason": f"told in the digest {name}", "link": posted.link}
            self._note(each.delivery.event, record, "finance", "delivered", posted.external_id, **more)
        self._counts["gathered"] -= len(shelved)

    # --- what goes wrong

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
            known = [one for one in self._entries if (one.module, one.record_id) == (module, record_id)]
            before = {one.destination: one for one in known if one.outcome == "delivered"}
            for entry in (before["finance"], before["ledger"]):
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
            self._refused.append({"at": self._stamp(), "reason": reason, "detail": reason})

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
        if name in self._counts and event.module != "digest":
            self._counts[name] += 1
        place = len(self._entries)
        attempts = 2 if self._entries and self._entries[-1].outcome == "retry" else 1
        memory = Memory(number=record.number, attempts=attempts, external_id=external_id)
        entry = entry_of(Delivery(event, destination), memory, self._stamp(), outcome)
        took, request = 180 + 7 * (place % 9), f"req-{place:06x}"
        self._entries.append(replace(entry, duration_ms=took, request_id=request, **more))

    def _day(self) -> None:
        big = {"customer_name": "Müller & Söhne <b>GmbH</b>", "status": "overdue", "due_date": "2026-11-02"}
        lines = [
            {"name": f"Oven part no. {n} *special* [A]", "quantity": n, "item_total": 310.5 * n} for n in range(1, 14)
        ]
        self._shut_channel()
        self.happen("invoice", 412)
        self.answer("invoice", 412, "Thanks, posted to the ledger.")
        self.happen("bill", 77, {"status": "overdue"})
        self.happen("purchase_order", 31, late="monday: 429, complexity budget exhausted; resets in 12 s")
        self.happen("customer_payment", 903)
        self.happen("invoice", 412, {"status": "partially_paid", "balance": 284.5})
        self.answer("invoice", 412, "The rest comes on Friday, they said on the phone.", "Jon Ek", "a-user-jon")
        self.duplicate("invoice", 412)
        self.happen("vendor_payment", 55, {"currency_code": "USD", "exchange_rate": 0.92})
        self.happen("invoice", 413, {**big, "total": 28_255.5, "balance": 28_255.5, "line_items": lines})
        self.happen("invoice", 412, {"status": "partially_paid", "balance": 84.5})
        self.happen("invoice", 412, {"status": "paid", "balance": 0})
        self.answer("invoice", 412, "Done, closing the file.")
        self.out_of_order("invoice", 412)
        self.happen("invoice", 413, {**big, "total": 28_255.5, "balance": 8_255.5, "line_items": lines})
        self.change(
            "bill", 77, "set", "status from Overdue to Approved", column="zb_status", value={"label": "Approved"}
        )
        self.crowd(500, 6)
        self.change("invoice", 500, "archive", "item was archived")
        self.park("bill", 78)
        self.refuse("signature_wrong")
        self.crowd(520, 3, told=False)
        self.change("invoice", 412, "comment", "", body="Called the customer: pays on Friday.")

    def _shut_channel(self) -> None:
        """A channel of an office that was closed."""
        place = (default_world.MICROSOFT_TEAM, default_world.MICROSOFT_TENANT)
        channel = self._world.microsoft.channels[SHUT] = Channel(SHUT, *place, "office-lisbon")
        text = "We move to Porto: the books of this office go on there."
        bot_connector.add_message(self._world, channel, default_world.MICROSOFT_BOSS, text, "", None)
        channel.deleted = True


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
