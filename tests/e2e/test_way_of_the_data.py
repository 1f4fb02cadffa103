"""The main job on the deployed template: a signed webhook becomes a card and an item, once, in order, with proof."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from ml_connector.modules import CORE
from sandbox.aws import FunctionFailed
from sandbox.session import Box
from sandbox.sites import Site
from sandbox.soak import PATIENCE
from sandbox.vendors import default_world as world

pytestmark = pytest.mark.e2e


def item_of(box: Box, module: str, identity: str) -> dict[str, Any]:
    external = f"zb:{box.organization}:{module}:{identity}"
    (item,) = [item for item in box.items() if item["text"]["zb_doc_id"] == external]
    return item


def story_of(box: Box, identity: str) -> list[dict[str, Any]]:
    """Entries of a record, oldest first."""
    return [entry for entry in reversed(box.audit()) if entry["record_id"] == identity]


def card_of(box: Box, identity: str) -> dict[str, Any]:
    """The one message in the channel that shows the record."""
    (message,) = [message for message in box.messages() if identity in str(message["card"])]
    return message


def address(box: Box, event: str) -> str:
    endpoints = box.secrets.get(box.connection, "webhooks")["endpoints"]
    return f"{box.stack.webhook_url}/webhooks/zoho/{endpoints[f'zoho.{event}']['token']}"


@pytest.mark.parametrize("module", CORE)
def test_a_record_created_in_zoho_arrives_in_teams_and_on_monday(box: Box, module: str) -> None:
    """Each of the connection's five modules becomes one card and one item, each with its receipt in the audit trail."""
    made = box.zoho.create(box.organization, module)
    assert [hook["status"] for hook in made["webhooks"]] == [202]
    assert box.settled()
    item, message = item_of(box, module, made["id"]), card_of(box, made["id"])
    receipts = {entry["destination"]: entry for entry in story_of(box, made["id"])}
    assert receipts["ledger"]["external_id"] == item["id"]
    assert receipts["finance"]["external_id"] == message["id"]
    assert {entry["outcome"] for entry in receipts.values()} <= {"delivered", "accepted"}
    assert message["id"] in receipts["finance"]["link"]


def test_one_name_follows_a_call_from_the_webhook_to_the_receipts(box: Box) -> None:
    """Whoever searches the logs for it finds all of the way; each line has connection, record and delivery."""
    made = box.zoho.create(box.organization, "invoice")["id"]
    assert box.settled()
    story = story_of(box, made)
    (call,) = {entry["correlation_id"] for entry in story}
    written = [line for name in ("ingest", "delivery") for line in box.stack.records(name)]
    lines = [line for line in written if line.get("correlation_id") == call]
    assert {(line["connection"], line["record"]) for line in lines} == {(box.connection, f"invoice/{made}")}
    taken, *attempts = sorted(lines, key=lambda line: line["service"] != "ingest")
    assert (taken["message"], len(attempts)) == ("accepted", len(story))
    assert sorted(taken["deliveries"]) == sorted(line["delivery"] for line in attempts)
    receipts = {(entry["delivery"], entry.get("external_id", "")) for entry in story}
    assert {(line["delivery"], line.get("external_id", "")) for line in attempts} == receipts


def test_a_change_updates_the_same_card_and_the_same_item(box: Box) -> None:
    """Changes never make a second item or message."""
    invoice = box.zoho.create(box.organization, "invoice")["id"]
    box.settled()
    item, message = item_of(box, "invoice", invoice), card_of(box, invoice)
    box.zoho.advance(5)
    box.zoho.update(box.organization, "invoice", invoice, {"status": "paid", "balance": 0})
    box.settled()
    assert item_of(box, "invoice", invoice)["id"] == item["id"]
    assert item_of(box, "invoice", invoice)["text"]["zb_status"] == "Paid"
    assert item_of(box, "invoice", invoice)["text"]["zb_balance"] == "0"
    assert card_of(box, invoice)["id"] == message["id"]
    assert card_of(box, invoice)["edits"] == 1


def test_the_same_webhook_many_times_has_one_effect(box: Box) -> None:
    """Duplicates are recognised wherever they come from."""
    made = box.zoho.create(box.organization, "bill", copies=4)
    box.settled()
    delivered = [entry for entry in story_of(box, made["id"]) if entry["outcome"] == "delivered"]
    assert sorted(entry["destination"] for entry in delivered) == ["finance", "ledger"]
    item_of(box, "bill", made["id"])
    assert card_of(box, made["id"])["edits"] == 0


def test_an_older_version_never_overwrites_a_newer_one(box: Box) -> None:
    """Webhooks come in any order; what people see only moves forward."""
    bill = box.zoho.create(box.organization, "bill")["id"]
    box.zoho.advance(5)
    late = box.zoho.update(box.organization, "bill", bill, {"status": "open"}, webhook="hold")["webhooks"][0]["id"]
    box.zoho.advance(5)
    box.zoho.update(box.organization, "bill", bill, {"status": "paid"})
    box.settled()
    assert box.zoho.send_again(box.organization, late) == [202]
    box.settled()
    assert item_of(box, "bill", bill)["text"]["zb_status"] == "Paid"
    skipped = [entry for entry in story_of(box, bill) if entry["outcome"] == "skipped"]
    assert {entry["destination"] for entry in skipped} == {"finance", "ledger"}


@pytest.mark.parametrize("signed", ["forged", "missing"])
def test_a_forged_webhook_is_refused_and_costs_nothing(box: Box, signed: Any) -> None:
    """No message, no entry, one plain 401."""
    before = len(box.audit()), len(box.items()), len(box.messages())
    made = box.zoho.create(box.organization, "invoice", signed=signed)
    assert [hook["status"] for hook in made["webhooks"]] == [401]
    box.settled()
    assert (len(box.audit()), len(box.items()), len(box.messages())) == before


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"url": "/webhooks/zoho/" + "x" * 43}, 404),
        ({"url": "/webhooks/nobody/" + "x" * 43}, 404),
        ({"data": b""}, 401),
        ({"data": b"\xff\xfe" * 100, "headers": {"X-Zoho-Webhook-Signature": "0" * 64}}, 401),
        ({"headers": {"X-Zoho-Webhook-Signature": "t=1,v=" + "0" * 64}}, 401),
    ],
)
def test_a_bad_call_gets_one_plain_answer(box: Box, change: dict[str, Any], status: int) -> None:
    """Strangers learn nothing from an answer but its status."""
    url = box.stack.webhook_url + change["url"] if "url" in change else address(box, "invoice.created")
    answer = requests.post(url, data=change.get("data", b"{}"), headers=change.get("headers", {}), timeout=30)
    assert (answer.status_code, answer.json()) == (status, {"message": "rejected"})


def test_a_webhook_of_one_event_does_not_pass_at_another_address(box: Box) -> None:
    """The path is not signed, so each endpoint has a secret of its own."""
    body = b'{"invoice": {"invoice_id": "1"}}'
    secret = box.secrets.get(box.connection, "webhooks")["endpoints"]["zoho.invoice.created"]["secrets"][0]
    import hashlib
    import hmac

    headers = {
        "X-Zoho-Webhook-Signature": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(),
        "Content-Type": "application/json",
    }
    right = requests.post(address(box, "invoice.created"), data=body, headers=headers, timeout=30)
    other = requests.post(address(box, "invoice.updated"), data=body, headers=headers, timeout=30)
    assert (right.status_code, other.status_code) == (202, 401)


def test_a_busy_destination_is_waited_for_and_holds_up_nobody_else(box: Box) -> None:
    """Retry-After is obeyed, by one attempt more; monday's trouble delays no Teams message."""
    box.zoho.fault("status", vendor="monday", status=429, headers={"Retry-After": "2"}, count=1)
    began = time.monotonic()
    made = box.zoho.create(box.organization, "purchase_order")
    box.settled()
    assert time.monotonic() - began >= 2
    story = [(entry["destination"], entry["outcome"]) for entry in story_of(box, made["id"])]
    assert story.count(("ledger", "retry")) == 1
    assert story.index(("finance", "delivered")) < story.index(("ledger", "delivered"))
    item_of(box, "purchase_order", made["id"])


def test_an_answer_that_never_came_makes_no_second_item(box: Box) -> None:
    """The item was made, the answer was lost: the next attempt gets monday's kept answer and adopts the item. The
    answer might be that of an even earlier attempt, so the values are written once more."""
    box.zoho.fault("timeout_after", vendor="monday", contains="create_item", count=1)
    made = box.zoho.create(box.organization, "invoice")
    box.settled()
    item = item_of(box, "invoice", made["id"])
    story = [
        (entry["outcome"], entry["operation"], entry["external_id"], entry["reason"])
        for entry in story_of(box, made["id"])
        if entry["destination"] == "ledger"
    ]
    assert story[0][:3] == ("unknown", "create", "")
    assert story[1:] == [
        ("delivered", "create", item["id"], "found by looking"),
        ("delivered", "update", item["id"], ""),
    ]


def test_an_unanswered_post_to_teams_is_found_by_looking(box: Box) -> None:
    """The Connector cannot say whether a post happened; the channel can: nothing is repeated and nobody is asked."""
    parked = box.parked()
    box.zoho.fault("timeout_after", vendor="bot", count=1)
    made = box.zoho.create(box.organization, "bill")
    box.settled()
    message = card_of(box, made["id"])
    story = [entry for entry in story_of(box, made["id"]) if entry["destination"] == "finance"]
    assert [(entry["outcome"], entry["external_id"]) for entry in story] == [
        ("unknown", ""),
        ("delivered", message["id"]),
    ]
    assert story[-1]["reason"] == "found by looking"
    assert message["id"] in story[-1]["link"]
    assert box.parked() == parked


def test_an_unanswered_post_to_a_channel_that_we_may_not_read_is_parked(box: Box, numbers: Iterator[int]) -> None:
    """Without the app's permission to read it nobody can tell: by default a person looks."""
    site = Site(next(numbers), PATIENCE, modules=("bill",))
    box.open(site)
    parked = box.parked()
    box.zoho.fault("timeout_after", vendor="bot", count=1)
    # As Graph answers without the role; a token that has it already keeps it for an hour.
    box.zoho.fault("status", vendor="graph", status=403, count=1)
    made = box.zoho.create(site.organization, "bill")
    box.settled()
    (message,) = box.zoho.messages(site.channels["bills"])
    assert made["id"] in str(message["card"])
    story = reversed(box.audit(site.connection))
    assert [entry["outcome"] for entry in story if entry["destination"] == "bills"] == ["unknown", "parked"]
    assert box.parked() == parked + 1


def test_each_function_may_do_only_its_own_work(box: Box) -> None:
    """The roles are enforced here as in AWS: ingest's may not read Zoho's credentials."""
    import boto3

    spec = box.stack.spec("ingest")
    client = boto3.client(
        "secretsmanager",
        endpoint_url=box.stack.endpoint,
        region_name="us-east-1",
        aws_access_key_id=spec.environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=spec.environment["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=spec.environment["AWS_SESSION_TOKEN"],
    )
    client.get_secret_value(SecretId=f"ml-connector/{box.connection}/webhooks")
    with pytest.raises(client.exceptions.ClientError, match="AccessDenied"):
        client.get_secret_value(SecretId=f"ml-connector/{box.connection}/zoho")


def test_tokens_are_refreshed_when_due_and_not_before(box: Box) -> None:
    """A token is refreshed at its 55th minute; until then the schedule costs one small read."""
    counts = box.stack.invoke("refresh_tokens", {})
    # Other tests' companies were never connected: these need attention, and are not asked for again.
    assert {name: count for name, count in counts.items() if name != "need_attention"} == {
        "refreshed": 0, "failed": 0, "waiting": 0, "faulted": 0,
    }  # fmt: skip
    box.connections.put("tokens", f"{box.connection}#zoho", due_at="2020-01-01T00:00:00Z", state="ok")
    assert box.stack.invoke("refresh_tokens", {})["failed"] == 0


def test_nothing_secret_is_in_any_log(box: Box) -> None:
    """Logs hold no credential, token, path token or signing secret."""
    secrets: list[str] = [world.ZOHO_CLIENT_SECRET, world.ZOHO_REFRESH_TOKEN, world.MONDAY_TOKEN]
    secrets += [world.MICROSOFT_CLIENT_SECRET, world.WORKFLOW_URL, world.WORKFLOW_URL.rpartition("sig=")[2]]
    for endpoint in box.secrets.get(box.connection, "webhooks")["endpoints"].values():
        secrets += [endpoint["token"], *endpoint["secrets"]]
    for vendor in ("zoho", "microsoft"):
        tokens = box.secrets.get(box.connection, vendor, max_age=0).get("tokens", {})
        secrets += [token["access_token"] for token in tokens.values()]
    for function in ("ingest", "delivery", "refresh_tokens", "reconcile"):
        log = "\n".join(box.stack.logs(function))
        assert [secret for secret in secrets if secret in log] == []


def test_a_function_error_is_an_error(box: Box) -> None:
    """The harness itself: a failing invocation is not taken for a result."""
    with pytest.raises(FunctionFailed):
        box.stack.invoke("ingest", {"not": "an event"})
