"""What webhooks miss or do not say: reconcile, deletions, payments, and the report that everything is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sandbox.session import Box
from sandbox.sites import Site
from sandbox.soak import PATIENCE, shown_in

pytestmark = pytest.mark.e2e

Mlc = Callable[..., Any]

UNPAID = {"status": "sent", "payment_made": 0, "line_items": [{"name": "Oven", "rate": 100, "quantity": 1}]}


@pytest.fixture
def site(box: Box, numbers: Iterator[int]) -> Site:
    site = Site(next(numbers), PATIENCE, modules=("invoice", "bill", "customer_payment"))
    box.open(site)
    return site


def entered(ago: timedelta = timedelta(minutes=5)) -> dict[str, str]:
    """Fields of what was entered a while ago: what is younger than two minutes, reconcile leaves to its webhook."""
    at = f"{datetime.now(UTC) - ago:%Y-%m-%dT%H:%M:%S+0000}"
    return dict.fromkeys(("created_time", "last_modified_time", "updated_time"), at)


def reconciled(box: Box, site: Site) -> dict[str, Any]:
    """What one run found, when all of it was delivered."""
    found: dict[str, Any] = box.stack.invoke("reconcile", {"connection": site.connection})[site.connection]
    assert found["failed"] == {}
    assert box.settled()
    return found


def story(box: Box, site: Site, module: str, identity: str) -> set[tuple[str, str, str, str]]:
    trail = box.trail.of_record(site.connection, module, identity)
    return {(entry.event, entry.destination, entry.origin, entry.outcome) for entry in trail}


def test_a_lost_webhook_is_found_by_the_next_run(box: Box, site: Site) -> None:
    """It is delivered once: a second run finds nothing, and when the webhook comes after all, it changes nothing."""
    lost = box.zoho.create(site.organization, "bill", entered(), webhook="hold")
    assert reconciled(box, site)["missing"] == 1
    told = {("bill.created", name, "reconcile", "delivered") for name in ("bills", "ledger")}
    assert story(box, site, "bill", lost["id"]) == told
    assert len(box.zoho.items(site.board)) == 1
    assert reconciled(box, site)["missing"] == 0
    assert box.zoho.send_again(site.organization, lost["webhooks"][0]["id"]) == [202]
    assert box.settled()
    assert {entry for entry in story(box, site, "bill", lost["id"]) if entry[3] == "delivered"} == told
    assert [message["edits"] for message in box.zoho.messages(site.channels["bills"])] == [0]


def test_what_is_older_than_the_connection_comes_with_a_backfill(box: Box, site: Site, mlc: Mlc) -> None:
    """Without it the books of before stay where they are; with it they are told as new."""
    fields = entered(timedelta(days=2))
    for module in site.modules:
        box.zoho.create(site.organization, module, fields, webhook="lose")
    assert reconciled(box, site)["missing"] == 0
    found = mlc("reconcile", site.connection, "--from", fields["created_time"][:10], "--backfill")
    assert found["missing"] == len(site.modules)
    assert box.settled()
    assert len(box.zoho.items(site.board)) == len(site.modules)
    assert {entry["event"] for entry in box.audit(site.connection)} == {f"{module}.created" for module in site.modules}


def test_what_the_calendar_brings_is_told_once(box: Box, numbers: Iterator[int]) -> None:
    """Zoho makes an invoice overdue at midnight, by no edit and with no webhook."""
    routes = [{"events": ["invoice.overdue"], "to": ["invoices"]}]
    site = Site(next(numbers), PATIENCE, modules=("invoice",), routes=routes)
    box.open(site)
    due = f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}"
    made = box.zoho.create(site.organization, "invoice", {**UNPAID, "due_date": due})["id"]
    assert box.settled()
    assert box.zoho.messages(site.channels["invoices"]) == []
    assert [each["id"] for each in box.zoho.midnight(site.organization)] == [made]
    assert reconciled(box, site)["missing"] == 1
    assert story(box, site, "invoice", made) == {("invoice.overdue", "invoices", "reconcile", "delivered")}
    assert reconciled(box, site)["missing"] == 0


def test_a_webhook_about_a_record_that_is_gone_harms_nobody(box: Box, numbers: Iterator[int]) -> None:
    """What must be fetched and is not there, a while later neither, is not parked: nobody has it, nobody misses it."""
    site = Site(next(numbers), PATIENCE, modules=("bill",), zoho={"enrich": "always"})
    box.open(site)
    made = box.zoho.create(site.organization, "bill", webhook="hold")
    box.zoho.delete(site.organization, "bill", made["id"], webhook="lose")
    assert box.zoho.send_again(site.organization, made["webhooks"][0]["id"]) == [202]
    assert box.settled()
    outcomes = {(name, outcome) for _, name, _, outcome in story(box, site, "bill", made["id"])}
    assert outcomes == {(name, outcome) for name in ("bills", "ledger") for outcome in ("retry", "skipped")}
    assert box.zoho.items(site.board) == []


def test_a_webhook_that_we_refused_is_found_in_zohos_own_history(
    box: Box, numbers: Iterator[int], mlc: Mlc, consent: Callable[..., Any]
) -> None:
    """It is too young for the lists; but Zoho tells that a webhook of it has failed."""
    routes = [{"events": ["invoice.created"], "to": ["invoices", "ledger"]}]
    site = Site(next(numbers), PATIENCE, modules=("invoice",), routes=routes)
    box.open(site, connected=False)
    assert consent(site).ok
    mlc("webhooks", "install", site.connection)
    refused = box.zoho.create(site.organization, "invoice", signed="forged")
    assert [hook["status"] for hook in refused["webhooks"]] == [401]
    found = reconciled(box, site)
    assert (found["missing"], found["witness"]) == (1, 1)
    assert len(box.zoho.items(site.board)) == 1


def test_a_deleted_record_is_marked_on_its_card_and_its_item(box: Box, site: Site) -> None:
    """Both stay where they are and say Deleted; what was never there is not told."""
    made = box.zoho.create(site.organization, "invoice")
    assert box.settled()
    box.zoho.delete(site.organization, "invoice", made["id"])
    never = box.zoho.create(site.organization, "invoice", webhook="lose")["id"]
    box.zoho.delete(site.organization, "invoice", never)
    assert box.settled()
    (item,) = box.zoho.items(site.board)
    (message,) = box.zoho.messages(site.channels["invoices"])
    assert item["text"]["zb_status"] == "Deleted"
    assert item["text"]["zb_number"] == made["record"]["invoice_number"]
    assert "Deleted" in str(message["card"])
    assert made["record"]["invoice_number"] in str(message["card"])
    assert message["edits"] == 1
    outcomes = {outcome for _, _, _, outcome in story(box, site, "invoice", never)}
    assert outcomes == {"skipped"}


def test_a_payment_makes_its_invoice_paid_for_a_route_that_asks_for_only_that(box: Box, numbers: Iterator[int]) -> None:
    """Zoho says "edited" of every change; the one that brought the status is told, once."""
    routes = [{"events": ["invoice.paid"], "to": ["invoices", "ledger"]}]
    site = Site(next(numbers), PATIENCE, modules=("invoice", "customer_payment"), routes=routes)
    box.open(site)
    made = box.zoho.create(site.organization, "invoice", UNPAID)
    box.zoho.advance(1)
    box.zoho.update(site.organization, "invoice", made["id"], {"reference_number": "PO 7"})
    assert box.settled()
    assert box.zoho.items(site.board) == []
    for amount in (1.0, made["record"]["balance"] - 1):
        box.zoho.advance(1)
        box.zoho.pay(site.organization, {made["id"]: amount})
    assert box.settled()
    box.zoho.advance(1)
    box.zoho.update(site.organization, "invoice", made["id"], {"reference_number": "PO 8"})
    assert box.settled()
    assert story(box, site, "invoice", made["id"]) == {
        ("invoice.paid", name, "webhook", "delivered") for name in ("invoices", "ledger")
    }
    (message,) = box.zoho.messages(site.channels["invoices"])
    assert (message["edits"], shown_in(message["card"])["Reference"]) == (0, "PO 7")
    (item,) = box.zoho.items(site.board)
    assert item["text"]["zb_status"] == "Paid"


def test_the_report_is_whole_until_something_is_missing(box: Box, site: Site, mlc: Mlc) -> None:
    """Counts and sums agree, exit code 0; a lost record makes it 3, and reconcile makes it whole again."""
    for _ in range(2):
        box.zoho.create(site.organization, "invoice", entered())
    box.zoho.create(site.organization, "bill", entered())
    assert box.settled()
    today = f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}"
    report = ("reconcile", site.connection, "--report", "--from", today)
    assert mlc(*report)["whole"] is True
    lost = box.zoho.create(site.organization, "invoice", entered(), webhook="lose")["id"]
    found = mlc(*report, code=3)
    assert found["whole"] is False
    missing = {(each["id"], each["destination"], each["state"]) for each in found["records"]}
    assert missing == {(lost, name, "missing") for name in ("invoices", "ledger")}
    assert reconciled(box, site)["missing"] == 1
    assert mlc(*report)["whole"] is True
