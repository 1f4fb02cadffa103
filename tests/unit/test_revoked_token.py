"""A revoked refresh token, for an hour or three days, and then a new consent: nothing is lost, and people are told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from ml_connector.attention import Attention
from ml_connector.connections import Connection
from ml_connector.delivery import ATTENTION_AT_MOST
from ml_connector.destinations import Registry
from ml_connector.destinations.teams import notice
from ml_connector.events import Delivery
from ml_connector.notices import Notices
from ml_connector.regions import HOSTS
from ml_connector.tokens import Tokens
from ml_connector.vendors.zoho_accounts import ZohoAccounts
from tests import fakes
from tests.unit.test_attention import Incidents
from tests.unit.test_long_outage import Line
from tests.unit.test_notices import MADE, Board

RECORDS = 24


@dataclass
class Company:
    """A connection whose deliveries need Zoho's own record, with the schedule of every minute."""

    desk: fakes.Desk = field(default_factory=fakes.Desk)

    def __post_init__(self) -> None:
        self.clock = self.desk.clock
        self.refresh_token = "r-1"
        self.accounts = fakes.Wire(self._issue)
        self.teams = fakes.Wire(MADE)
        stored = {
            ("acme-eu", "zoho"): {
                "region": "eu", "client_id": "1000.X", "client_secret": "s", "refresh_token": self.refresh_token,
            }
        }  # fmt: skip
        self.secrets = fakes.Secrets(dict(stored), self.clock)
        self.agenda, self.leases = fakes.Agenda(), fakes.Leases()
        self.desk.connections.held["acme-eu"] = fakes.connection(admin="finance")
        self.notices = Notices(
            Board(), Registry(fakes.toolbox(self.teams, self.clock)), notice.request, self.clock, lambda *failure: None
        )
        self.incidents = Incidents()
        self.desk.books = self  # type: ignore[assignment]
        self.desk.vendor = Everybody(self.clock)
        self.line = Line(self.desk)
        self.needed: list[int] = []

    def _issue(self, request: Any) -> fakes.Says:
        if f"refresh_token={self.refresh_token}" not in str(request.body):
            return fakes.Says(200, {"error": "invalid_code"})
        return fakes.Says(200, {"access_token": f"t-{len(self.accounts.calls)}", "expires_in": 3600})

    def tokens(self) -> Tokens:
        """Of an instance that has just started."""
        issuer = ZohoAccounts(fakes.http(self.accounts, HOSTS, clock=self.clock))
        return Tokens(self.secrets.view(), self.leases, self.agenda, {"zoho": issuer}, self.clock, workers=1)

    def fetch(self, connection: Connection, module: str, record_id: str) -> Mapping[str, Any]:
        self.tokens().access_token(connection.name, "zoho")
        return fakes.payload(module, invoice_id=record_id)

    def revoke(self) -> None:
        """At Zoho, by somebody: the access tokens end with it."""
        self.refresh_token = "r-2"
        credentials = self.secrets.stored["acme-eu", "zoho"]
        self.secrets.stored["acme-eu", "zoho"] = {**credentials, "tokens": {}}

    def consent(self) -> None:
        """What the oauth page does (consent.py)."""
        credentials = self.secrets.stored["acme-eu", "zoho"]
        self.secrets.stored["acme-eu", "zoho"] = {**credentials, "refresh_token": self.refresh_token}
        due = self.agenda.dues["acme-eu", "zoho"]
        self.agenda.set(replace(due, due_at=f"{self.clock():%Y-%m-%dT%H:%M:%SZ}", state="ok", reason="", command=""))

    def live(self, minutes: float) -> None:
        end = self.clock() + timedelta(minutes=minutes)
        while self.clock() < end:
            self.line.run(until=self.clock())
            self.tokens().refresh_due()
            watch = Attention(self.agenda, self.incidents, self.desk.connections, self.notices, self.clock)
            self.needed.append(watch.run())
            self.clock.advance(60)

    def event(self, number: int) -> Delivery:
        each = fakes.delivery(invoice_id=f"46000000000{number:04}", thin=True)
        self.line.put(each, each.lane, self.clock())
        return each


class Everybody:
    """A vendor of each record's own."""

    covered = False

    def __init__(self, clock: fakes.Clock) -> None:
        self.clock = clock
        self.vendors: dict[str, fakes.ModelVendor] = {}

    def plan(self, event: Any, record: Any, memory: Any) -> Any:
        vendor = self.vendors.setdefault(record.id, fakes.ModelVendor(self.clock))
        return replace(vendor.plan(event, record, memory), url=record.id)

    def send(self, request: Any) -> Any:
        return self.vendors[request.url].send(request)


@pytest.mark.parametrize("hours", [1, 72])
def test_nothing_is_lost_while_a_person_is_awaited(hours: int) -> None:
    """Events come in all the time; after the consent each is delivered once, within half an hour; none is parked."""
    company = Company()
    company.event(0)
    company.live(2)
    assert len(company.desk.vendor.vendors) == 1
    company.revoke()
    asked = len(company.accounts.calls)
    for number in range(1, RECORDS):
        company.event(number)
        company.live(hours * 60 / RECORDS)

    assert len(company.desk.vendor.vendors) == 1, "nothing can be fetched"
    assert company.needed[-1] == 1
    assert len(company.accounts.calls) - asked <= hours + 1, "Zoho is asked once an hour, whatever waits"
    due = company.agenda.dues["acme-eu", "zoho"]
    assert (due.state, due.command) == ("needs_attention", "mlc auth zoho acme-eu")
    assert "revoked" in due.reason
    assert len(company.teams.calls) == 1, "a person was told once"

    company.consent()
    company.live(ATTENTION_AT_MOST / 60 + 2)
    assert {vendor.creates for vendor in company.desk.vendor.vendors.values()} == {1}
    assert len(company.desk.vendor.vendors) == RECORDS
    assert (company.desk.parked.reasons, company.line.due, company.desk.deliveries.faults()) == ([], [], [])
    assert (company.needed[-1], company.incidents.all(), len(company.teams.calls)) == (0, [], 2)


def test_what_waited_longer_than_the_horizon_is_parked_not_lost() -> None:
    """Four days without a person: kept in the parked queue with the sentence that says what to do."""
    company = Company()
    company.revoke()
    each = company.event(1)
    company.live(77 * 60)
    (reason,) = company.desk.parked.reasons
    assert reason.startswith("gave up after 76 hours: Zoho does not know this refresh token any more")
    company.consent()
    company.live(2)
    company.line.put(each, each.lane, company.clock())
    company.live(2)
    assert [vendor.creates for vendor in company.desk.vendor.vendors.values()] == [1]
