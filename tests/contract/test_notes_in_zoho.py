"""Notes against the strict stand-in of Zoho, in one process: scopes, dates of orders, lost answers, and the trap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from ml_connector.connections import Endpoint
from ml_connector.errors import RetryLater
from ml_connector.events import Delivery
from ml_connector.intake import deliveries_of
from ml_connector.modules import MODULES
from ml_connector.records import read
from ml_connector.sources import Inbound
from ml_connector.sources.zoho_books import translate
from sandbox.vendors import zoho_webhooks
from sandbox.vendors.zoho_state import Hook, Organization
from tests.contract.test_against_standins import Company

ABLE = [name for name, module in MODULES.items() if module.comments]
PERMITTED = ("invoice", "bill", "purchase_order")
"""Modules for which the default world's token may create."""


class Office(Company):
    """The default world, and everything that happens in it is noted in Zoho, and told to the channel."""

    def __init__(self) -> None:
        super().__init__()
        self.connection = replace(
            self.connection,
            version=2,
            destinations={**self.connection.destinations, "notes": {"type": "zoho_comment"}},
            routes=({"events": ["*"], "when": {}, "to": ["finance", "notes"]},),
        )
        self.sent: list[tuple[str, bytes, Mapping[str, str]]] = []
        self.world.post = self._post

    @property
    def org(self) -> Organization:
        return self.world.zoho.organizations[self.connection.organization_id]

    def _post(self, url: str, body: bytes, headers: Mapping[str, str], /, *, method: str = "POST") -> int:
        self.sent.append((url, body, headers))
        return 202

    def notes(self, record_id: str) -> list[str]:
        """What stands on a record, the oldest first."""
        return [str(comment["description"]) for comment in reversed(self.org.comments.get(record_id, []))]

    def save(self, module: str, record_id: str = "", **fields: Any) -> str:
        """The bookkeeper saves; the rules of the module run. Returns the record's id."""
        path = f"/zoho/{self.connection.organization_id}/records/{module}" + (f"/{record_id}" if record_id else "")
        saved = self.control("PATCH" if record_id else "POST", path, {"fields": fields})["record"]
        return str(saved[MODULES[module].id_field])

    def listen(self, module: str) -> None:
        for action in ("created", "updated"):
            url = f"https://stack.example/{module}/{action}"
            self.org.hooks.append(Hook(url, MODULES[module].path, action))

    def come_to_rest(self) -> int:
        """All webhooks are carried, and those that follow from that; returns how many there were."""
        for count in range(100):
            zoho_webhooks.settle(self.world)
            if not self.sent:
                return count
            url, body, headers = self.sent.pop(0)
            module, action = url.split("/")[-2:]
            call = Inbound("zoho", "", "", {"content-type": headers["Content-Type"]}, body)
            endpoint = Endpoint("e", "acme-eu", "zoho", module, action)
            event, record = translate(call, endpoint, self.connection, received_at="", correlation_id=f"call-{count}")
            for each in deliveries_of(self.connection, event, record):
                self.carries(each)
            self.clock.advance(5)
        raise AssertionError("it never becomes still")


@pytest.fixture
def office() -> Office:
    return Office()


def outcomes(office: Office, destination: str) -> list[str]:
    return [entry.outcome for entry in office.deliveries.audit.entries if entry.destination == destination]


@pytest.mark.parametrize("module", PERMITTED)
def test_a_note_is_written(office: Office, module: str) -> None:
    """In each module for which there is the right to."""
    each = office.saves(module)
    assert office.carries(each, "notes").outcome == "delivered"
    (note,) = office.notes(each.event.record_id)
    assert note.startswith(f"[ml-connector {Delivery(each.event, 'notes').id[:8]}] {MODULES[module].label} created: ")
    assert "Routed to: finance, notes." in note


@pytest.mark.parametrize("module", sorted(set(ABLE) - set(PERMITTED)))
def test_without_the_scope_it_waits_and_goes_on_with_it(office: Office, module: str) -> None:
    """57: nothing is parked while a person connects again."""
    each = office.saves(module)
    with pytest.raises(RetryLater, match="connect again"):
        office.courier().carry(Delivery(each.event, "notes"))
    for access in office.world.zoho.access_tokens.values():
        access.scopes.append(f"ZohoBooks.{MODULES[module].scope}.CREATE")
    assert office.carries(each, "notes").outcome == "delivered"
    assert len(office.notes(each.event.record_id)) == 1
    assert office.parked.kept == {}


@pytest.mark.parametrize("module", sorted(set(MODULES) - set(ABLE)))
def test_where_there_is_no_endpoint_the_trail_says_so(office: Office, module: str) -> None:
    """A payment, an expense or a vendor credit takes no note, and no call is made to find that out."""
    each = office.saves(module)
    result = office.carries(each, "notes")
    assert result.outcome == "skipped"
    assert result.reason == f"Zoho has no endpoint for notes on {MODULES[module].label.lower()}"


@pytest.mark.parametrize("needed", [False, True])
@pytest.mark.parametrize("dates", [{"expected_delivery_date": "2026-12-24"}, {"delivery_date": "2026-12-24"}], ids=str)
def test_a_note_never_changes_an_orders_date(office: Office, needed: bool, dates: dict[str, str]) -> None:
    """Whether Zoho wants a date or not: it gets the order's own or none."""
    office.org.switches.order_comment_needs_date = needed
    each = office.saves("purchase_order", dates)
    before = dict(office.org.records["purchaseorders"][each.event.record_id])
    assert office.carries(each, "notes").outcome == "delivered"
    after = office.org.records["purchaseorders"][each.event.record_id]
    changed = {name for name, value in after.items() if before.get(name) != value} - {"last_modified_time"}
    # Where the order had a delivery date only, Zoho has it as the expected one too: the same day.
    assert {after[name] for name in changed} <= {"2026-12-24"}
    assert len(office.notes(each.event.record_id)) == 1


@pytest.mark.parametrize("kind", ["timeout_after", "html", "timeout_before", "status"])
def test_a_lost_answer_never_makes_a_second_note(office: Office, kind: str) -> None:
    """It is looked for, and written once more only after two looks."""
    each = office.saves("invoice")
    office.fault(kind, vendor="zoho", method="POST", path="*/comments", after=kind == "html")
    assert office.carries(each, "notes").outcome == "delivered"
    assert len(office.notes(each.event.record_id)) == 1
    assert office.deliveries.faults() == []


def test_a_record_deleted_before_its_note(office: Office) -> None:
    """Nobody is alarmed about a note that nobody can write."""
    each = office.saves("invoice")
    office.org.records["invoices"].clear()
    assert office.carries(each, "notes").outcome == "skipped"
    assert office.parked.kept == {}


@pytest.mark.parametrize("trap", [True, False])
def test_notes_do_not_lead_to_notes(office: Office, trap: bool) -> None:
    """Every rule is on and everything is routed everywhere: three changes make three notes, then it is still."""
    office.org.switches.comments_edit = trap
    office.listen("invoice")
    record = office.save("invoice", status="draft")
    assert office.come_to_rest() == (2 if trap else 1)
    for status in ("sent", "paid"):
        office.save("invoice", record, status=status)
        office.come_to_rest()
    office.save("invoice", record, notes="Thank you")  # nobody is shown this
    office.come_to_rest()
    told = [note.partition("] ")[2].partition(":")[0] for note in office.notes(record)]
    assert told == ["Invoice created", "Invoice updated", "Invoice updated"]
    assert outcomes(office, "notes").count("delivered") == 3
    # The channel is not bothered with what the notes did either.
    assert outcomes(office, "finance").count("delivered") == 3
    row = office.deliveries.read(f"acme-eu#invoice#{record}", "notes")
    assert row.version is not None
    newest = office.books.fetch(office.connection, "invoice", record)
    assert row.version == read("invoice", newest).version, "reconcile finds nothing"
