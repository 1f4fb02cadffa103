"""The reconcile function at a month's end: real tables, a Zoho and a Teams Workflow over our wire."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from functions.reconcile import app
from ml_connector import bootstrap
from ml_connector.aws import clients
from ml_connector.aws.connections_table import ConnectionsTable
from ml_connector.aws.deliveries_table import DeliveriesTable
from ml_connector.aws.organizations import Organizations
from ml_connector.aws.secrets import SecretStore
from ml_connector.consent import Connected
from ml_connector.ports import Organization
from tests.completeness_world import Month
from tests.fakes import SECRET_URL, AccessTokens, Clock, Says, Wire, http
from tests.integration.conftest import REGION, Aws

VARIABLES = {
    "CONNECTIONS_TABLE": "connections", "DELIVERY_TABLE": "delivery", "AUDIT_TABLE": "audit",
    "AUDIT_RETENTION_DAYS": "400", "LIMITS_TABLE": "limits",
    "SECRETS_PREFIX": "stack", "LIMITS_PERCENT": "100", "RECONCILE_MINUTES": "15", "AWS_REGION": REGION,
}  # fmt: skip
APPLIED = {
    "connection": "acme-eu", "version": 1, "applied_at": "2026-05-01T00:00:00Z", "locale": "en", "time_zone": "UTC",
    "zoho": {"region": "eu", "organization_id": "20081234567", "modules": ["customer_payment"]}, "admin": "finance",
    "microsoft": {}, "routing": "all", "retry": {"unknown": "park"},
    "destinations": {"finance": {"type": "teams", "transport": "workflows"}, "ledger": {"type": "monday"}},
    "routes": [{"events": ["*"], "when": {}, "to": ["ledger"]}],
}  # fmt: skip


class Context:
    aws_request_id = "run-1"

    def get_remaining_time_in_millis(self) -> int:
        return 300_000


@pytest.fixture
def month(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Iterator[Month]:
    """October's payments, and what the table says of them; it is the first of November."""
    for name, value in {**VARIABLES, "DELIVERIES_QUEUE_URL": aws.deliveries_url}.items():
        monkeypatch.setenv(name, value)
    built = [each for module in (bootstrap, clients) for each in vars(module).values() if hasattr(each, "cache_clear")]
    for each in built:
        each.cache_clear()
    clock = Clock(datetime(2026, 11, 1, 8, 0, tzinfo=UTC))
    monkeypatch.setattr(bootstrap, "utc_now", clock)
    monkeypatch.setattr(bootstrap, "tokens", AccessTokens)
    month = Month(clock=clock)
    month.wire = Wire(lambda request: _answer(month, request))  # type: ignore[attr-defined]
    monkeypatch.setattr(bootstrap, "http", lambda hosts: http(month.wire, hosts))  # type: ignore[attr-defined]
    table = ConnectionsTable(aws.dynamodb, "connections")
    table.put("connection#acme-eu", "current", data=json.dumps(APPLIED))
    table.put("connections", "acme-eu")
    place = Organization("20081234567", "Acme", "Europe/Berlin", "EUR")
    Organizations(table).remember(Connected("acme-eu", "eu", place, (), "2026-05-01T00:00:00Z", "somebody"))
    SecretStore(aws.secretsmanager, "stack", "").put("acme-eu", "workflows", {"finance": SECRET_URL})
    yield month
    for each in built:
        each.cache_clear()


def _answer(month: Month, request: requests.PreparedRequest) -> Says:
    url = urlsplit(str(request.url))
    if url.hostname and url.hostname.endswith("logic.azure.com"):
        return Says(202)
    if "histories" in url.path:
        return Says(200, {"code": 0, "webhooks": [], "page_context": {"has_more_page": False}})
    asked = parse_qs(url.query)
    since, until = (asked.get(name, [""])[0] for name in ("date_start", "date_end"))
    listed = [row for row in month.books.rows["customer_payment"] if since and since <= row["date"] <= until]
    return Says(200, {"code": 0, "customerpayments": listed, "page_context": {"has_more_page": False}})


def told(month: Month) -> list[dict[str, Any]]:
    """The cards that the admin channel got."""
    wire: Wire = month.wire  # type: ignore[attr-defined]
    posts = [call for call in wire.calls if "logic.azure.com" in str(call.url)]
    return [json.loads(call.body or b"")["attachments"][0]["content"] for call in posts]


def test_the_month_is_told_once(month: Month, aws: Aws) -> None:
    """Lists by date, rows by the hundred, the home currency of the organization: put together as they are deployed."""
    month.has(1, "10.00", module="customer_payment", currency_code="", bcy_amount="10.00")
    month.shows(1, "10.00", module="customer_payment")
    month.has(2, "5.00", module="customer_payment", currency_code="", bcy_amount="5.00")
    table = DeliveriesTable(aws.dynamodb, "delivery")
    for (key, name), memory in month.table.rows.items():
        table.write(key, name, memory)
    for _ in range(2):
        found = app.handler({"connection": "acme-eu"}, Context())  # type: ignore[arg-type]
        assert found["acme-eu"]["failed"] == {}, found
    (card,) = told(month)
    assert card["body"][0]["items"][0]["text"] == "1 of 2 records of October 2026 need a look"
    facts = {fact["title"]: fact["value"] for fact in card["body"][-3]["facts"]}
    assert facts["Payment received"].replace("\\", "") == "2 (15.00 EUR) in Zoho; ledger: 1 missing, 1 (10.00 EUR)"
    assert card["body"][-1]["text"].replace("\\", "") == (
        "mlc reconcile acme-eu --report --from 2026-10-01 --to 2026-10-31"
    )
