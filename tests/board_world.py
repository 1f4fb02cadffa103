"""A company whose board people work on, and our side of what monday tells of it: the strict stand-in, the real ingest
handler, the real carriers; AWS and HTTP are left out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from functions.ingest import app
from ml_connector import feedback, retry
from ml_connector.board_feedback import BoardFeedback
from ml_connector.board_webhooks import BoardWebhooks, Installed, address_of, told_how
from ml_connector.connections import Connection, Endpoint, token_hash
from ml_connector.destinations.monday.groups import group_of
from ml_connector.errors import RetryLater, Throttled
from ml_connector.events import Delivery
from ml_connector.feedback import Feedback
from ml_connector.notices import Notices
from ml_connector.notifications import BoardCalls
from ml_connector.ports import AuditEntry, Memory, Request
from ml_connector.step_carrier import StepCarrier
from ml_connector.vendors import monday
from ml_connector.vendors.monday_token import Access
from ml_connector.vendors.monday_webhooks import MondayWebhooks
from sandbox.vendors import control_monday, monday_webhooks
from sandbox.vendors import default_world as w
from sandbox.vendors.wire import Answer
from tests import fakes
from tests.contract.test_against_standins import Company
from tests.teams_world import Admin, Board, Trail

BASE = "https://api.example/webhooks"
TOKEN = "board-token-".ljust(43, "x")
ASHA = f"Asha Rao ({w.MONDAY_PERSON})"


@dataclass
class Hooks:
    """The rows of aws/board_hooks.py."""

    rows: dict[tuple[str, str], Installed] = field(default_factory=dict)

    def all(self) -> list[Installed]:
        return list(self.rows.values())

    def get(self, connection: str, board: str) -> Installed | None:
        return self.rows.get((connection, board))

    def set(self, row: Installed) -> None:
        self.rows[row.connection, row.board] = row

    def remove(self, row: Installed) -> None:
        self.rows.pop((row.connection, row.board), None)


class Office:
    """`settings` are the board's, beside those of the default plan. `looks`: how often we have turned to monday."""

    def __init__(self, **settings: Any) -> None:
        self.company = Company()
        applied = self.company.connected(lines="none", **{"feedback": "notes", **settings})
        notes = {"notes": {"type": "zoho_comment"}}
        self.company.connection = replace(applied, destinations={**applied.destinations, **notes}, admin="finance")
        self.world, self.clock = self.company.world, self.company.clock
        self.world.ask, self.world.post = self.asked, self.posted
        self.secrets = self.company.secrets
        self.secrets.put("acme-eu", "boards", {w.MONDAY_BOARD: {"token": TOKEN}})
        endpoint = Endpoint(f"monday.{w.MONDAY_BOARD}", "acme-eu", "monday", "board", "changed")
        self.connections = fakes.Connections({"acme-eu": self.company.connection}, {token_hash(TOKEN): endpoint})
        self.queue, self.hooks, self.admin = fakes.Queue(), Hooks(), Admin()
        self.calls = BoardCalls(self.connections, self.secrets, self.queue, self.clock)
        self.webhooks = BoardWebhooks(self.hooks, self.board, self.address, self.clock)
        trail = Trail(self.company.deliveries.audit)
        told = lambda connection, notice: Request("create", "POST", "", {"text": notice.text}, about=notice.title)  # noqa: E731
        self.feedback = BoardFeedback(
            rows=self.company.deliveries,
            trail=trail,
            feedback=Feedback(self.company.deliveries, trail, self.clock),
            board=self.board,
            us=lambda connection, board: (self.hooks.get(connection.name, board) or Installed("", "")).user,
            group_of=group_of,
            queue=self.queue,
            notices=Notices(Board(), self.admin, told, self.clock, lambda connection, key, error: None),
            clock=self.clock,
        )
        self.carrier = StepCarrier(
            self.connections, self.clock, self.feedback.step, retry.Policy(), self.company.parked
        )
        self.answers: list[Mapping[str, Any]] = []
        self.looks = 0
        self.waiting: list[tuple[datetime, int, Delivery]] = []

    def board(self, connection: Connection, name: str) -> MondayWebhooks:
        self.looks += 1
        access = Access(self.secrets, self.company.tokens, connection.name)
        api = monday.MondayApi(self.company.http(monday.HOSTS), access.token, self.clock, plan="pro")
        return MondayWebhooks(api)

    def address(self, connection: Connection, board: str) -> Any:
        return address_of(*(self.secrets.get("acme-eu", each) for each in ("boards", "monday")), BASE, board)

    # --- monday calls

    def call(self, body: bytes, headers: Mapping[str, str] | None = None, token: str = TOKEN) -> Mapping[str, Any]:
        """As API Gateway hands it over."""
        event = {
            "requestContext": {"requestId": "call-1"},
            "pathParameters": {"source": "monday", "token": token},
            "rawQueryString": "",
            "headers": dict(headers or {}),
            "body": body.decode(),
        }
        answer = app.handler(event, None)
        self.answers.append(answer)
        return answer

    def asked(self, url: str, body: bytes, headers: Mapping[str, str], /) -> Answer:
        assert url.startswith(f"{BASE}/monday/"), url
        answer = self.call(body, headers, urlsplit(url).path.rpartition("/")[2])
        return Answer(answer["statusCode"], answer["body"].encode(), answer["headers"])

    def posted(self, url: str, body: bytes, headers: Mapping[str, str], /, *, method: str = "POST") -> int:
        return self.asked(url, body, headers).status

    def install(self) -> list[str]:
        """`mlc webhooks install`: what was done."""
        kept = {each: self.secrets.get("acme-eu", each, max_age=0.0) for each in ("boards", "monday")}
        self.secrets.put("acme-eu", "boards", told_how(kept["boards"], kept["monday"], BASE, w.MONDAY_BOARD))
        done = self.webhooks.install(self.company.connection, w.MONDAY_BOARD)
        return [f"{each.hook} {each.did}{': ' + each.failed if each.failed else ''}" for each in done]

    # --- people, and the work that follows

    def does(self, do: str, item: str, user: str = w.MONDAY_PERSON, **what: Any) -> None:
        with self.world.lock:
            control_monday.act(self.world, user, {"do": do, "item": item, **what})

    def sets(self, item: str, label: str, user: str = w.MONDAY_PERSON) -> None:
        self.does("set", item, user, column="zb_status", value={"label": label})

    def invoice(self, **fields: Any) -> tuple[str, Delivery]:
        """An invoice on the board: its item and the delivery that put it there."""
        each = self.company.saves("invoice", {"status": "sent", **fields})
        self.company.carries(each)
        self.clock.advance(2)
        return self.row(each).external_id, each

    def row(self, each: Delivery) -> Memory:
        return self.company.deliveries.read(each.event.record_key, "ledger")

    def settle(self) -> list[str]:
        """monday sends what is due, and we work it off, waits included; what each message came to."""
        came: list[str] = []
        for _ in range(20):
            monday_webhooks.settle(self.world)
            now = self.clock()
            self.waiting += [(now, 1, each) for each in self.queue.sent]
            self.queue.sent.clear()
            if not self.waiting:
                return came
            for entry in [each for each in self.waiting if each[0] <= now]:
                self.waiting.remove(entry)
                came.append(self.carry(entry[2], entry[1], now))
            self.clock.advance(5)
        raise AssertionError(f"it never ends: {came}")

    def carry(self, each: Delivery, receives: int, now: datetime) -> str:
        each = Delivery.from_json(each.to_json())
        courier: Any = self.company.courier()
        if each.event.module == "monday_item":
            courier = self.carrier
        elif each.event.module == feedback.MODULE:
            courier = replace(courier, others={feedback.MODULE: feedback.noted})
        try:
            result = courier.carry(each, receives, now)
        except (RetryLater, Throttled) as later:
            self.waiting.append((now + timedelta(seconds=later.after or 1), receives + 1, each))
            return "later"
        return f"{result.outcome}: {result.reason}" if result.reason else str(result.outcome)

    @property
    def changed(self) -> list[AuditEntry]:
        return [each for each in self.company.deliveries.audit.entries if each.outcome == "changed"]

    def notes(self, each: Delivery) -> list[str]:
        org = self.world.zoho.organizations[self.company.connection.organization_id]
        return [str(one["description"]) for one in reversed(org.comments.get(each.event.record_id, []))]

    def items(self) -> list[dict[str, Any]]:
        return [each for each in self.company.items() if each["state"] == "active"]


def event(**changes: Any) -> bytes:
    """A status change as monday tells of it (7.5)."""
    label = lambda index, text: {"label": {"index": index, "text": text}, "post_id": None}  # noqa: E731
    told = {
        "app": "monday", "type": "update_column_value", "triggerTime": "2026-11-22T08:00:00.000Z", "isRetry": False,
        "subscriptionId": 1, "userId": int(w.MONDAY_PERSON), "originalTriggerUuid": None,
        "boardId": int(w.MONDAY_BOARD), "triggerUuid": "a" * 32, "pulseId": 42, "columnId": "zb_status",
        "columnType": "color", "value": label(1, "Paid"), "previousValue": label(2, "Sent"),
        "changedAt": 1795334400.25,
    }  # fmt: skip
    return json.dumps({"event": {**told, **changes}}).encode()
