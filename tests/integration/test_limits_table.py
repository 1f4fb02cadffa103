"""The limits table: the counting of ml_connector.limits, in DynamoDB's words."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError

from ml_connector.aws.limits_table import LimitsTable
from ml_connector.errors import Throttled
from ml_connector.limits import Budget, Limiter, Unreachable, Window, monday, teams, zoho
from tests.fakes import CHANNEL, TENANT, Clock
from tests.integration.conftest import Aws

ZOHO = zoho("eu", "20081234567")
FEW = Budget("zoho", "few", {"": (Window(3, 60), Window(5, 86_400, slots=0))})


class Client:
    """The real client; counts the updates, and fails when it is told to."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.exceptions = client.exceptions
        self.updates = 0
        self.fault: Exception | None = None

    def update_item(self, **given: Any) -> Any:
        self.updates += 1
        if self.fault:
            raise self.fault
        return self._client.update_item(**given)


@pytest.fixture
def client(aws: Aws) -> Client:
    return Client(aws.dynamodb)


def limiter(client: Any, clock: Clock, faults: list[Unreachable] | None = None) -> Limiter:
    return Limiter(LimitsTable(client, "limits"), clock, (faults if faults is not None else []).append)


def item(aws: Aws, budget: Budget) -> dict[str, Any]:
    found: dict[str, Any] = aws.dynamodb.get_item(TableName="limits", Key={"pk": {"S": f"limit#{budget.key}"}})["Item"]
    return found


def test_one_update_per_call(aws: Aws, client: Client) -> None:
    """A take costs one write; an instance's first one, of a budget that others use, two."""
    clock = Clock()
    first, second = limiter(client, clock), limiter(client, clock)
    first.take(ZOHO)
    assert client.updates == 1
    second.take(ZOHO)
    assert client.updates == 3
    for _ in range(20):
        clock.advance(7)
        first.take(ZOHO)
        second.take(ZOHO)
    assert client.updates == 3 + 40
    assert item(aws, ZOHO)["n"] == {"N": "42"}


def test_instances_share_what_is_left(client: Client) -> None:
    """What one has taken, another cannot take; the wait is until the slot of the first call has left the window."""
    clock = Clock()
    instances = [limiter(client, clock) for _ in range(4)]
    for each in instances[:3]:
        each.take(FEW)
    with pytest.raises(Throttled) as refused:
        instances[3].take(FEW)
    assert refused.value.after == 66
    clock.advance(65)
    with pytest.raises(Throttled):
        instances[0].take(FEW)
    clock.advance(1)
    instances[3].take(FEW)


def test_calendar_window_ends_at_midnight(client: Client) -> None:
    """Of the day's five calls none is left after five, and all are at 00:00 UTC."""
    clock = Clock()
    one = limiter(client, clock)
    for _ in range(5):
        one.take(FEW)
        clock.advance(66)
    with pytest.raises(Throttled) as refused:
        limiter(client, clock).take(FEW)
    assert refused.value.after == 16 * 3600 - 5 * 66
    clock.advance(refused.value.after or 0)
    limiter(client, clock).take(FEW)


def test_refusal_of_the_vendor_reaches_every_instance(client: Client) -> None:
    """A 429 seen by one instance spares the others theirs; a shorter pause does not end a longer one."""
    clock = Clock()
    one, other = limiter(client, clock), limiter(client, clock)
    other.take(ZOHO)
    one.closed(ZOHO, 30)
    one.closed(ZOHO, 10)
    other.closed(ZOHO, 20)
    with pytest.raises(Throttled) as refused:
        other.take(ZOHO)
    assert refused.value.after == 30
    clock.advance(30)
    other.take(ZOHO)


def test_a_channel_that_is_closed_closes_no_other(client: Client) -> None:
    """One item per tenant, one meter per channel."""
    clock = Clock()
    one = limiter(client, clock)
    here, there = (teams(TENANT, "app", "team", each, posts=False) for each in (CHANNEL, "19:other@thread.tacv2"))
    assert here.key == there.key
    one.take(here)
    one.closed(here, 30)
    one.take(there)
    with pytest.raises(Throttled):
        limiter(client, clock).take(here)


def test_optional_calls_leave_the_rest(client: Client) -> None:
    """When the day's quota is scarce, what can wait does, and deliveries go on."""
    clock = Clock()
    one, other = limiter(client, clock), limiter(client, clock)
    one.scarce(ZOHO, 3600)
    before = client.updates
    one.scarce(ZOHO, 3599)
    assert client.updates == before
    other.take(ZOHO)
    with pytest.raises(Throttled) as refused:
        other.take(ZOHO, optional=True)
    assert refused.value.after == 3600


def test_items_stay_small_and_end(aws: Aws, client: Client) -> None:
    """Under steady load old notes are removed: an item stays below 1 kB, one write unit, and outlives its windows."""
    clock = Clock()
    budget = teams(TENANT, "app", "team", CHANNEL, posts=True)
    instances = [limiter(client, clock) for _ in range(3)]
    for turn in range(300):
        clock.advance(2.1)
        instances[turn % 3].take(budget)
    held = item(aws, budget)
    assert sum(len(name) + len(str(value)) - 9 for name, value in held.items()) < 1024
    assert int(held["expires_at"]["N"]) > clock().timestamp() + 2 * 86_400


def test_no_secret_is_stored(aws: Aws, client: Client) -> None:
    """A monday account is known by a digest of its token."""
    limiter(client, Clock()).take(monday("monday-token-sEcReT", "pro"))
    (held,) = aws.dynamodb.scan(TableName="limits")["Items"]
    assert "sEcReT" not in str(held)


@pytest.mark.parametrize(
    "fault",
    [
        ClientError({"Error": {"Code": "ResourceNotFoundException", "Message": "…"}}, "UpdateItem"),
        ClientError({"Error": {"Code": "ThrottlingException", "Message": "…"}}, "UpdateItem"),
        ConnectTimeoutError(endpoint_url="https://dynamodb"),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_unreachable_table_limits_nothing(client: Client, fault: Exception) -> None:
    """It fails open, says so, and is not asked with every call; half a minute later it counts again."""
    clock, faults = Clock(), list[Unreachable]()
    one = limiter(client, clock, faults)
    client.fault = fault
    for _ in range(10):
        one.take(FEW)
    one.closed(FEW, 30)
    assert (client.updates, len(faults)) == (1, 1)
    client.fault = None
    clock.advance(30)
    for _ in range(3):
        one.take(FEW)
    with pytest.raises(Throttled):
        one.take(FEW)
