"""The vendors' clients and the shared limits: asked before every call, told what every answer says of them."""

from __future__ import annotations

import random
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from ml_connector import limits, regions
from ml_connector.delivery import Courier
from ml_connector.destinations import Registry, Toolbox
from ml_connector.errors import ConnectorError, RetryLater, Throttled
from ml_connector.limits import Budget, Limiter
from ml_connector.ports import Memory
from ml_connector.vendors.zoho import ZohoBooks
from sandbox.vendors import default_world as w
from tests.contract.test_against_standins import Company
from tests.fakes import AccessTokens, Clock, Desk, Says, Wire, connection, delivery, http, record_of, toolbox
from tests.unit.test_limits import Buckets

PLACES = ("ledger", "finance", "purchasing")
BUSY = Says(429, {"error": {"code": "Throttled"}}, {"Retry-After": "37"})


@dataclass
class Ledger:
    """Limits that write down what they are asked and told."""

    empty: bool = False
    taken: list[tuple[Budget, bool]] = field(default_factory=list)
    closings: list[float | None] = field(default_factory=list)
    scarcity: list[float] = field(default_factory=list)

    def take(self, budget: Budget, *, optional: bool = False) -> None:
        if self.empty:
            raise Throttled("all calls are made", 9)
        self.taken.append((budget, optional))

    def closed(self, budget: Budget, seconds: float | None) -> None:
        self.closings.append(seconds)

    def scarce(self, budget: Budget, seconds: float) -> None:
        self.scarcity.append(seconds)


def sent(place: str, ledger: Ledger, *answers: Says, **settings: Any) -> tuple[Wire, ConnectorError | None]:
    wire = Wire(*answers)
    acme = connection()
    acme = replace(acme, destinations={**acme.destinations, place: {**acme.destinations[place], **settings}})
    destination = Registry(replace(toolbox(wire), limits=ledger)).destination(acme, place)
    each = delivery(place)
    try:
        destination.send(destination.plan(each.event, record_of(each), Memory()))
    except ConnectorError as error:
        return wire, error
    return wire, None


def books(ledger: Ledger, *answers: Says, optional: bool = False) -> ZohoBooks:
    return ZohoBooks(http(Wire(*answers), regions.HOSTS), AccessTokens(), ledger, optional=optional)


# --- before the call -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", PLACES)
def test_empty_bucket_means_no_call(place: str) -> None:
    """Nothing is sent, so nothing can have happened: it comes back when there is room."""
    wire, error = sent(place, Ledger(empty=True), Says())
    assert type(error) is Throttled
    assert error.after == 9
    assert wire.calls == []


def test_throttled_create_is_not_unknown() -> None:
    """The delivery waits, and the next attempt neither looks for anything nor uses another key."""
    desk = Desk()
    desk.vendor.faults = [Throttled("all calls are made", 9)]
    courier: Courier = desk.courier()
    with pytest.raises(RetryLater) as later:
        courier.carry(delivery())
    assert later.value.after == 9
    assert desk.deliveries.of(delivery()).state == "waiting"
    desk.clock.advance(9)
    assert courier.carry(delivery()).outcome == "delivered"
    assert (len(desk.vendor.items), desk.vendor.looks) == (1, 0)
    assert len({request.idempotency_key for request in desk.vendor.requests}) == 1


def test_budgets_are_the_vendors_accounts() -> None:
    """A board draws on its account, by plan; a channel on its app in its tenant; a workflow on itself."""
    ledger = Ledger()
    for place in PLACES:
        sent(place, ledger, Says())
    sent("ledger", ledger, Says(), plan="pro")
    books(ledger, Says(200, {"code": 0, "invoice": {"invoice_id": "1"}})).fetch(connection(), "invoice", "1")
    acme = connection()
    assert [budget for budget, _ in ledger.taken] == [
        limits.monday("monday-token-sEcReT", "basic"),
        limits.teams(
            acme.microsoft["tenant_id"],
            acme.microsoft["client_id"],
            acme.destinations["finance"]["team_id"],
            acme.destinations["finance"]["channel_id"],
            posts=True,
        ),
        limits.workflows("acme-eu", "purchasing"),
        limits.monday("monday-token-sEcReT", "pro"),
        limits.zoho(acme.region, acme.organization_id),
    ]


def test_repeated_call_is_counted_again() -> None:
    """A call with a new token is another call."""
    ledger = Ledger()
    sent("finance", ledger, Says(401, {"error": {"code": "AuthorizationHeaderMissing"}}), Says(201, {}))
    assert len(ledger.taken) == 2


def test_reads_that_can_wait_say_so() -> None:
    """Reconcile leaves its share to deliveries."""
    for optional in (False, True):
        ledger = Ledger()
        books(ledger, Says(200, {"code": 0, "invoices": []}), optional=optional).page(connection(), "invoice", 1)
        assert [each for _, each in ledger.taken] == [optional]


def test_reads_that_can_wait_have_a_share_of_the_day() -> None:
    """What its connection gives reconcile is counted by all instances; deliveries are not held to it."""
    for optional, share in ((False, None), (True, 200)):
        ledger = Ledger()
        zoho = books(ledger, Says(200, {"code": 0, "invoices": []}), optional=optional)
        zoho.allow(connection(), 200)
        zoho.page(connection(), "invoice", 1)
        acme = connection()
        assert [budget for budget, _ in ledger.taken] == [limits.zoho(acme.region, acme.organization_id, share)]


@pytest.mark.parametrize(("reserve", "scarcity"), [(0, []), (4, []), (5, [60]), (80, [60])])
def test_the_reserve_is_the_connections_own(reserve: int, scarcity: list[float]) -> None:
    """So many percent of the day's calls are left to the customer's other integrations."""
    ledger = Ledger()
    day = {"X-Rate-Limit-Limit": "2000", "X-Rate-Limit-Remaining": "99", "X-Rate-Limit-Reset": "60"}
    answer = Says(200, {"code": 0, "invoice": {"invoice_id": "1"}}, day)
    zoho = {"region": "eu", "organization_id": "1", "modules": ["invoice"], "reserve": reserve}
    books(ledger, answer).fetch(connection(zoho=zoho), "invoice", "1")
    assert ledger.scarcity == scarcity


# --- after the call --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", PLACES)
def test_busy_vendor_closes_for_all(place: str) -> None:
    """A 429 empties the bucket until Retry-After, so that other instances do not run into it too."""
    ledger = Ledger()
    _, error = sent(place, ledger, BUSY)
    assert type(error) is RetryLater
    assert ledger.closings == [37]


@pytest.mark.parametrize("place", PLACES)
def test_other_troubles_close_nothing(place: str) -> None:
    """Only "too many" says something about limits."""
    for status in (400, 403, 404, 500, 503):
        ledger = Ledger()
        sent(place, ledger, Says(status))
        assert ledger.closings == []


@pytest.mark.parametrize(
    ("status", "body", "headers", "closings"),
    [
        (429, {"errors": [{"message": "x", "extensions": {"code": "DAILY_LIMIT_EXCEEDED"}}]}, {}, [16 * 3600 + 60]),
        (200, {"error_code": "ComplexityException", "error_message": "reset in 3 seconds"}, {}, [3]),
        (429, b"<html>", {"Retry-After": "4"}, [4]),
        # The answer is good, and says that it was the last one of this minute.
        (200, {"data": {"item": {"id": "7"}}}, {"RateLimit": '"minuteRate";r=0;t=38, "concurrency";r=39'}, [38]),
        (200, {"data": {"item": {"id": "7"}}}, {"RateLimit": '"complexityMinute";r=0;t=45'}, [45]),
        (200, {"data": {"item": {"id": "7"}}}, {"RateLimit": '"minuteRate";r=10;t=38, "concurrency";r=0'}, []),
        (423, {"errors": [{"message": "currently locked", "extensions": {"code": "x"}}]}, {}, []),
        (409, {"errors": [{"message": "x", "extensions": {"code": "IDEMPOTENCY_CONFLICT"}}]}, {}, []),
    ],
)
def test_what_monday_says_of_its_limits(status: int, body: Any, headers: dict[str, str], closings: list[float]) -> None:
    """By code, by header, in any layout (contracts: monday 5)."""
    ledger = Ledger()
    sent("ledger", ledger, Says(status, body, headers))
    assert ledger.closings == closings


@pytest.mark.parametrize(
    ("status", "code", "headers", "closings", "scarcity"),
    [
        (429, 44, {}, [60], []),
        (429, 1070, {}, [5], []),
        (429, 45, {"X-Rate-Limit-Reset": "5400"}, [5400], []),
        (200, 0, {"X-Rate-Limit-Limit": "2000", "X-Rate-Limit-Remaining": "199", "X-Rate-Limit-Reset": "60"}, [], [60]),
        (200, 0, {"X-Rate-Limit-Limit": "2000", "X-Rate-Limit-Remaining": "0", "X-Rate-Limit-Reset": "60"}, [], [60]),
        (200, 0, {"X-Rate-Limit-Limit": "2000", "X-Rate-Limit-Remaining": "200", "X-Rate-Limit-Reset": "60"}, [], []),
        (200, 0, {"X-Rate-Limit-Limit": "?", "X-Rate-Limit-Remaining": "-1"}, [], []),
    ],
)
def test_what_zoho_says_of_its_limits(
    status: int, code: int, headers: dict[str, str], closings: list[float], scarcity: list[float]
) -> None:
    """Its codes close; its headers speak of the day's quota, of which a tenth is kept (contracts: zoho-books 8)."""
    ledger = Ledger()
    answer = Says(status, {"code": code, "invoice": {"invoice_id": "1"}}, headers)
    with nullcontext() if code == 0 else pytest.raises(RetryLater):
        books(ledger, answer).fetch(connection(), "invoice", "1")
    assert (ledger.closings, ledger.scarcity) == (closings, scarcity)


# --- against the stand-ins: a 429 of theirs would end the test -------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "calls", "percent"), [("finance", 200, 100), ("purchasing", 60, 100), ("ledger", 600, 10)]
)
def test_no_burst_runs_into_a_vendors_limit(name: str, calls: int, percent: int) -> None:
    """Five instances, as fast as they may: the stand-in, with its exact sliding windows, never has to refuse."""
    company, buckets, chance = Company(), Buckets(), random.Random(3)
    for account in company.world.monday.accounts.values():
        # A tenth of what its plan allows a minute.
        account.calls_per_minute = 250
    connected = company.connected(plan="pro")
    limiters = [Limiter(buckets, company.clock, percent=percent) for _ in range(5)]
    places = [
        Registry(Toolbox(company.http, company.tokens, company.secrets, company.clock, each)).destination(
            connected, name
        )
        for each in limiters
    ]
    event = company.saves("invoice")
    request = places[0].plan(event.event, record_of(event), Memory())
    done = 0
    while done < calls:
        try:
            chance.choice(places).send(replace(request, idempotency_key=f"k-{done}" if request.idempotency_key else ""))
            done += 1
        except Throttled as refused:
            company.clock.advance(refused.after or 0)
        if chance.random() < 0.1:
            company.clock.advance(chance.random())


def test_zoho_never_has_to_refuse() -> None:
    """Deliveries' fetches and reconcile's reads from several instances stay within the organization's minute."""
    company, buckets, chance = Company(), Buckets(), random.Random(4)
    record = company.saves("invoice").event.record_id
    readers = [
        ZohoBooks(company.http(regions.HOSTS), company.tokens, Limiter(buckets, company.clock), optional=optional)
        for optional in (False, False, True)
    ]
    done = 0
    while done < 400:
        try:
            chance.choice(readers).fetch(company.connection, "invoice", record)
            done += 1
        except Throttled as refused:
            company.clock.advance((refused.after or 0) / 2)
    assert w.ZOHO_ORGANIZATION in str(list(buckets.held))


def test_clock_of_the_fakes_is_ours() -> None:
    """The limiter's times are those of its clock, not of the machine."""
    clock, buckets = Clock(), Buckets()
    Limiter(buckets, clock).take(limits.zoho("eu", "1"))
    (item,) = buckets.held.values()
    assert f"60.{int(clock().timestamp()) // 6}" in item
