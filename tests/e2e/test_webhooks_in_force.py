"""Webhooks installed by API: what people change in Zoho is found and put right, and secrets change without a gap."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from sandbox.session import Box
from sandbox.sites import Site
from sandbox.soak import PATIENCE

pytestmark = pytest.mark.e2e

Mlc = Callable[..., Any]


@pytest.fixture
def site(box: Box, numbers: Iterator[int], mlc: Mlc, consent: Callable[..., requests.Response]) -> Site:
    """A company whose invoices go to its channel and board, connected and with its webhooks installed by `mlc`."""
    site = Site(next(numbers), PATIENCE, modules=("invoice",))
    box.open(site, connected=False)
    assert consent(site).ok
    assert {step["do"] for step in mlc("webhooks", "install", site.connection)["steps"]} == {"create"}
    return site


def test_what_people_change_in_zoho_is_found_and_put_right(box: Box, site: Site, mlc: Mlc) -> None:
    """A rule switched off, an address changed, a webhook deleted: verify says so, install repairs, events flow."""
    assert mlc("webhooks", "verify", site.connection)["findings"] == []
    assert mlc("webhooks", "install", site.connection)["steps"] == []
    there = box.zoho.installed(site.organization)
    hooks = {each["webhook_name"].split(" ")[2]: each["webhook_id"] for each in there["webhooks"]}
    rules = {each["webhook_id"]: each["workflow_id"] for each in there["workflows"]}
    box.zoho.tamper(site.organization, "workflows", rules[hooks["created"]], is_active=False)
    box.zoho.tamper(site.organization, "webhooks", hooks["updated"], url="https://example.com/elsewhere")
    box.zoho.tamper(site.organization, "webhooks", hooks["deleted"])

    found = mlc("webhooks", "verify", site.connection, code=3)["findings"]
    said = {(each["event"], each["what"]) for each in found}
    assert ("invoice.created", "rule: its rule is switched off") in said
    assert ("invoice.updated", "webhook: it calls another address") in said
    assert ("invoice.deleted", "webhook: it is not there") in said
    assert {each["type"] for each in found} == {f"mlc webhooks install {site.connection}"}
    mlc("webhooks", "install", site.connection)
    assert mlc("webhooks", "verify", site.connection)["findings"] == []

    made = box.zoho.create(site.organization, "invoice")["id"]
    box.zoho.advance(1)
    box.zoho.update(site.organization, "invoice", made, {"status": "paid"})
    box.zoho.delete(site.organization, "invoice", made)
    assert box.settled()
    told = list(box.trail.of_record(site.connection, "invoice", made))
    events = {entry.event for entry in told if entry.destination == "ledger" and entry.outcome == "delivered"}
    assert events == {"invoice.created", "invoice.updated", "invoice.deleted"}


def test_a_secret_is_changed_without_refusing_a_single_call(box: Box, site: Site, mlc: Mlc) -> None:
    """While two secrets are live, calls signed with either are taken; when the old one has ended, it is refused."""
    made = [box.zoho.create(site.organization, "invoice")]
    token, (old,) = endpoint(box, site)
    mlc("webhooks", "rotate", site.connection, "--endpoint", "invoice.created")
    assert len(endpoint(box, site)[1]) == 2
    made.append(box.zoho.create(site.organization, "invoice"))
    late = box.zoho.create(site.organization, "invoice", webhook="lose")
    assert call(box, token, old, late["record"]) == 202

    refused = mlc("webhooks", "rotate", site.connection, "--finish", code=3)["refused"]
    assert "may still come" in refused["invoice.created"]
    assert mlc("webhooks", "rotate", site.connection, "--finish", "--after", "0")["finished"] == ["invoice.created"]
    # Ingest remembers secrets for five minutes, a new environment of it remembers nothing.
    while box.stack.kill_one("ingest"):
        pass
    assert call(box, token, old, late["record"]) == 401
    made.append(box.zoho.create(site.organization, "invoice"))
    assert [hook["status"] for each in made for hook in each["webhooks"]] == [202] * 3
    assert box.settled()
    numbers = sorted(item["text"]["zb_number"] for item in box.zoho.items(site.board))
    assert numbers == sorted(each["record"]["invoice_number"] for each in (*made, late))


def endpoint(box: Box, site: Site) -> tuple[str, list[str]]:
    """Path token and live secrets of what hears of new invoices."""
    found = box.secrets.get(site.connection, "webhooks", max_age=0)["endpoints"]["zoho.invoice.created"]
    return found["token"], found["secrets"]


def call(box: Box, token: str, secret: str, invoice: dict[str, Any]) -> int:
    """A webhook signed by hand: the status that ingest answers with."""
    body = json.dumps({"invoice": invoice})
    signature = hmac.new(secret.encode(), body.encode(), hashlib.sha256).hexdigest()
    headers = {"X-Zoho-Webhook-Signature": signature, "Content-Type": "application/json"}
    url = f"{box.stack.webhook_url}/webhooks/zoho/{token}"
    return requests.post(url, data=body, headers=headers, timeout=30).status_code
