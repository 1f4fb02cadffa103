"""From the previous release to this one and back, while it is in use: nothing is lost, nothing is there twice."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ml_connector.modules import ACTIONS
from sandbox.aws import BUILD
from sandbox.session import Box, sandbox
from sandbox.sites import LEDGER, Site
from sandbox.vendors import default_world as world
from tests.previous_release import Release, previous_release

pytestmark = pytest.mark.e2e

SITE = Site(1, modules=("invoice",))
FILE = f"""
connection = "{SITE.connection}"

[zoho]
region = "{world.ZOHO_REGION}"
organization_id = "{SITE.organization}"
modules = ["invoice"]

[microsoft]
tenant_id = "{world.MICROSOFT_TENANT}"
client_id = "{world.MICROSOFT_CLIENT_ID}"

[destinations.invoices]
type = "teams"
team_id = "{world.MICROSOFT_TEAM}"
channel_id = "{SITE.channels["invoices"]}"

[destinations.{LEDGER}]
type = "monday"
board_id = {SITE.board}
group = "{world.MONDAY_GROUP}"

[[routes]]
events = ["invoice.*"]
to = ["invoices", "{LEDGER}"]

[retry]
base_seconds = 0.2
cap_seconds = 5
"""
CREDENTIALS = {
    "zoho": {
        "client_id": world.ZOHO_CLIENT_ID,
        "client_secret": world.ZOHO_CLIENT_SECRET,
        "refresh_token": SITE.refresh_token,
    },
    "microsoft": {"client_secret": world.MICROSOFT_CLIENT_SECRET},
    "monday": {"token": SITE.monday_token},
}


@pytest.fixture(scope="module")
def previous() -> Release:
    return previous_release()


@pytest.fixture
def box(previous: Release) -> Iterator[Box]:
    """A sandbox of the previous release's functions and template."""
    with sandbox(previous.build(), hidden_seconds=12, connected=False) as box:
        yield box


def connect(box: Box, previous: Release, file: Any) -> None:
    """With the previous release's own command line: so its data is as it was written then."""
    environment = box.stack.environment()
    box.zoho.seed(SITE.seed())
    previous.mlc("connections", "apply", file, environment=environment)
    for vendor, values in CREDENTIALS.items():
        words = ("credentials", "set", SITE.connection, vendor, "--from-stdin")
        previous.mlc(*words, environment=environment, given=json.dumps(values))
        # The local AWS gives a new secret another version than was asked for: it would be doubted for two minutes.
        box.stack.client("dynamodb").delete_item(
            TableName=box.stack.outputs["LimitsTableName"],
            Key={"pk": {"S": f"written#{box.stack.outputs['SecretsPrefix']}/{SITE.connection}/{vendor}"}},
        )
    endpoints = box.secrets.get(SITE.connection, "webhooks")["endpoints"]
    for action in ACTIONS:
        endpoint = endpoints[f"zoho.invoice.{action}"]
        url = f"{box.stack.webhook_url}/webhooks/zoho/{endpoint['token']}"
        box.zoho.hook(SITE.organization, url, endpoint["secrets"][0], "invoice", action)
    box.stack.invoke("refresh_tokens", {})


def create(box: Box, party: str) -> str:
    made = box.zoho.create(SITE.organization, "invoice", {"customer_name": party})
    assert [hook["status"] for hook in made["webhooks"]] == [202]
    return str(made["id"])


def pay(box: Box, invoice: str) -> None:
    box.zoho.advance(5)
    made = box.zoho.update(SITE.organization, "invoice", invoice, {"status": "paid", "balance": 0})
    assert [hook["status"] for hook in made["webhooks"]] == [202]


def items(box: Box) -> dict[str, dict[str, Any]]:
    """By the record's id; fails where a record has two."""
    found = [(item["text"]["zb_doc_id"].rsplit(":", 1)[1], item) for item in box.zoho.items(SITE.board)]
    assert len(dict(found)) == len(found)
    return dict(found)


def cards(box: Box, *invoices: str) -> dict[str, dict[str, Any]]:
    """By the record's id, of the threads' first messages; fails where a record has none, or two."""
    posted = box.zoho.messages(SITE.channels["invoices"])
    found = {}
    for invoice in invoices:
        (found[invoice],) = [each for each in posted if invoice in str(each["card"])]
    return found


def test_an_upgrade_in_place_keeps_everything(
    box: Box, previous: Release, tmp_path: Any, mlc: Callable[..., Any]
) -> None:
    """What is delivered, queued, tried again or parked is the next release's: the same items and messages, once.

    And back: the previous release works with what this one has written.
    """
    file = tmp_path / "site.toml"
    file.write_text(FILE)
    connect(box, previous, file)
    still, changed = create(box, "Untouched"), create(box, "Changed afterwards")
    assert box.settled()
    body = {"errors": [{"message": "no such column", "extensions": {"code": "InvalidColumnIdException"}}]}
    box.zoho.fault("status", vendor="monday", status=200, body=body, contains="Refused", count=None)
    parked = create(box, "Refused")
    (old,) = _until(lambda: mlc("parked", "list", SITE.connection))
    assert old["record"].endswith(parked)
    box.zoho.fault("status", vendor="monday", status=429, headers={"Retry-After": "2"}, contains="Busy", count=None)
    waiting = create(box, "Busy")
    _until(lambda: mlc("audit", "list", SITE.connection, "--state", "retry"))
    before, told = items(box), cards(box, still, changed, parked, waiting)
    assert set(before) == {still, changed}
    kept = {name: value for name, value in box.stack.outputs.items() if name.endswith(("Name", "Url", "Id", "Arn"))}

    with box.stack.paused("delivery"):
        queued = create(box, "Queued")
        pay(box, changed)
        box.stack.release(BUILD)

    assert BUILD in box.stack.spec("delivery").task.parents
    assert kept.items() <= box.stack.outputs.items()
    assert mlc("parked", "list", SITE.connection) == [old]
    new = create(box, "Of the new release")
    pay(box, still)
    box.zoho.clear_faults()
    (sent,) = mlc("parked", "retry", SITE.connection, "--all")
    assert sent["done"] == "sent"
    assert box.settled()
    pay(box, parked)
    assert box.settled()

    every = (still, changed, parked, waiting, queued, new)
    after, seen = items(box), cards(box, *every)
    assert set(after) == set(every)
    assert {each: after[each]["id"] for each in before} == {each: item["id"] for each, item in before.items()}
    assert {each: seen[each]["id"] for each in told} == {each: card["id"] for each, card in told.items()}
    paid = {still, changed, parked}
    assert {each for each in every if after[each]["text"]["zb_status"] == "Paid"} == paid
    assert {each for each in every if "Paid" in str(seen[each]["card"])} == paid
    assert mlc("parked", "list", SITE.connection) == []
    assert mlc("audit", "verify", SITE.connection) == {"records": len(every), "faults": []}

    box.stack.release(previous.build())
    pay(box, new)
    assert box.settled()
    back = items(box)
    assert {each: item["id"] for each, item in back.items()} == {each: item["id"] for each, item in after.items()}
    assert back[new]["text"]["zb_status"] == "Paid"
    assert cards(box, new)[new]["id"] == seen[new]["id"]


def _until(look: Callable[[], Any], seconds: float = 30) -> Any:
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end
        time.sleep(0.2)
    return found
