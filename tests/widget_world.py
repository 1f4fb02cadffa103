"""What the widget looks at: records with their stories, some parked, in the tables and queues of the template."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from ml_connector import audit, bootstrap
from ml_connector.aws import clients
from ml_connector.aws.audit_table import AuditTable
from ml_connector.aws.connections_table import ConnectionsTable
from ml_connector.aws.deliveries_table import DeliveriesTable
from ml_connector.aws.queues import ParkedDeliveries
from ml_connector.aws.secrets import SecretStore
from ml_connector.config.apply import apply
from ml_connector.config.load import load
from ml_connector.events import Delivery
from ml_connector.parked import Why, wrap
from ml_connector.ports import Memory
from ml_connector.times import exact_stamp
from tests.fakes import NOW, delivery
from tests.integration.conftest import Aws

WIDGET = "arn:aws:lambda:eu-central-1:123456789012:function:test-ops-widget"
RETRY = "arn:aws:lambda:eu-central-1:123456789012:function:test-ops-retry"
EXAMPLE = Path(__file__).parents[1] / "connections" / "example.toml"
NO_COLUMN = "the board has no column 'total'"
TEAMS = "https://teams.microsoft.com/l/message/19%3Ax%40thread.tacv2/17?groupId=g"
MONDAY = "https://acme.monday.com/boards/1234567890/pulses/77"
_BUILT = (bootstrap.connections, bootstrap.widget, bootstrap.again, clients.dynamodb, clients.sqs, clients._session)


def asks(view: str = "", /, **said: Any) -> dict[str, Any]:
    """What CloudWatch sends when a button is pressed; `form`, `theme`, `width` and `timezone` go into the context."""
    context: dict[str, Any] = {
        "theme": said.pop("theme", "light"),
        "forms": {"all": said.pop("form", {})},
        "params": said.pop("params", {}),
        "width": said.pop("width", 1180),
        "timezone": said.pop("timezone", {"label": "UTC", "offsetISO": "+00:00", "offsetInMinutes": 0}),
    }
    return {**({"view": view} if view else {}), **said, "widgetContext": context}


class Page(HTMLParser):
    """A page as a browser reads it: its text, the names of its elements, and their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.calls: list[tuple[dict[str, str], str]] = []
        self._said: list[str] = []
        self._inside = ""
        self.feed(html)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self._said).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self._inside = tag
        if tag == "cwdb-action":
            self.calls.append(({name: value or "" for name, value in attrs}, ""))

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "cwdb-action":
            self.calls[-1] = (self.calls[-1][0], data)
        elif self._inside != "style":
            self._said.append(data)


@dataclass
class Desk:
    """The connection of the example file, with its name `name`."""

    aws: Aws
    name: str
    rows: DeliveriesTable

    def note(self, each: Delivery, outcome: str, minutes: float, memory: Memory, **changes: Any) -> Memory:
        """One attempt, so many minutes ago: row and entry. The row as it is then."""
        entry = audit.entry_of(each, memory, exact_stamp(NOW - timedelta(minutes=minutes)), outcome)
        entry = audit.closed(replace(entry, **changes), memory.chain)
        return self.rows.write(each.event.record_key, each.destination, replace(memory, chain=entry.hash), entry)

    def park(self, each: Delivery, number: str, minutes: float = 5, reason: str = NO_COLUMN) -> Memory:
        memory = Memory(state="parked", attempts=2, number=number, pending=each.event.version)
        memory = self.note(each, "parked", minutes, memory, reason=reason, status=200)
        why = Why(reason, at=exact_stamp(NOW - timedelta(minutes=minutes)), attempts=2)
        ParkedDeliveries(self.aws.sqs, self.aws.parked_url).park(wrap(each.to_json(), why), key=each.id, reason=reason)
        return memory

    def deliver(self, each: Delivery, number: str, minutes: float, link: str = "", **changes: Any) -> Memory:
        memory = Memory(
            state="done", version=each.event.version, attempts=1, number=number, link=link, amount="1284.50",
            currency="EUR", external_id=changes.pop("external_id", "77"),
        )  # fmt: skip
        return self.note(each, "delivered", minutes, memory, operation="create", status=200, duration_ms=412, **changes)

    def of(self, destination: str, **changes: Any) -> Delivery:
        each = delivery(destination, **changes)
        return replace(each, event=replace(each.event, connection=self.name))


@contextmanager
def desk(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """The tables, and what the functions are given to find them."""
    for name, value in {
        "CONNECTIONS_TABLE": "connections", "DELIVERY_TABLE": "delivery", "AUDIT_TABLE": "audit",
        "AUDIT_RETENTION_DAYS": "400", "DELIVERIES_QUEUE_URL": aws.deliveries_url, "PARKED_QUEUE_URL": aws.parked_url,
        "WIDGET_FUNCTION_ARN": WIDGET, "RETRY_FUNCTION_ARN": RETRY, "SECRETS_PREFIX": "test",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(bootstrap, "utc_now", lambda: NOW)
    file = load(EXAMPLE)
    apply(file, ConnectionsTable(aws.dynamodb, "connections"), SecretStore(aws.secretsmanager, "test", ""), NOW)
    rows = DeliveriesTable(aws.dynamodb, "delivery", AuditTable(aws.dynamodb, "audit", timedelta(days=400)))
    for each in _BUILT:
        each.cache_clear()
    yield Desk(aws, file.connection, rows)
    for each in _BUILT:
        each.cache_clear()
