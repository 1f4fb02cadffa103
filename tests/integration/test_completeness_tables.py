"""What the completeness report reads of the delivery table, and what a month's end keeps."""

from __future__ import annotations

from typing import Any

import pytest

from ml_connector.aws.connections_table import ConnectionsTable
from ml_connector.aws.deliveries_table import DeliveriesTable
from ml_connector.aws.known_table import KnownTable
from ml_connector.aws.month_shelf import MonthShelf
from ml_connector.errors import RetryLater
from ml_connector.events import Version
from ml_connector.month_end import Progress
from ml_connector.ports import Memory
from tests.completeness_world import Month
from tests.integration.conftest import Aws

DONE = Memory("done", Version("2026-10-20T08:00:00Z", "f"), amount="1.10", currency="EUR", date="2026-10-20")


class Counting:
    """DynamoDB that counts, and gives no more than so many rows at a call."""

    def __init__(self, real: Any, *most: int) -> None:
        self._real = real
        self.most = list(most)
        self.calls: list[int] = []

    def batch_get_item(self, RequestItems: Any) -> Any:  # noqa: N803 - boto3's name
        ((table, asked),) = RequestItems.items()
        keys = asked["Keys"]
        self.calls.append(len(keys))
        most = self.most.pop(0) if self.most else len(keys)
        answer: Any = {"Responses": {table: []}, "UnprocessedKeys": {}}
        if most:
            answer = self._real.batch_get_item(RequestItems={table: {"Keys": keys[:most]}})
        if keys[most:]:
            answer["UnprocessedKeys"] = {table: {"Keys": keys[most:]}}
        return answer


def filled(aws: Aws, count: int) -> list[tuple[str, str]]:
    table = DeliveriesTable(aws.dynamodb, "delivery")
    places = [(f"acme-eu#invoice#{number}", "ledger") for number in range(count)]
    for key, name in places:
        table.write(key, name, DONE)
    return places


def test_rows_are_read_a_hundred_at_a_time(aws: Aws) -> None:
    """Ten thousand records are a hundred calls for each destination; a place asked for twice is read once."""
    places = filled(aws, 230)
    counting = Counting(aws.dynamodb)
    lacking = ("acme-eu#invoice#999", "ledger")
    found = DeliveriesTable(counting, "delivery").of_places([*places, lacking, *places[:50]])  # type: ignore[arg-type]
    assert counting.calls == [100, 100, 31]
    assert set(found) == set(places)
    assert {(memory.amount, memory.currency, memory.date) for memory in found.values()} == {
        ("1.10", "EUR", "2026-10-20")
    }
    assert DeliveriesTable(counting, "delivery").of_places([]) == {}  # type: ignore[arg-type]
    assert len(counting.calls) == 3, "nothing to read is no call"


def test_what_dynamodb_leaves_out_is_asked_for_again(aws: Aws) -> None:
    """It gives 16 MB at a time, and less when it is busy: a row left out would be a record called missing."""
    places = filled(aws, 120)
    slept: list[float] = []
    counting = Counting(aws.dynamodb, 40, 0, 0, 100, 7)
    found = DeliveriesTable(counting, "delivery", sleep=slept.append).of_places(places)  # type: ignore[arg-type]
    assert set(found) == set(places)
    assert slept == [0.05, 0.2], "only while it gives nothing at all"


def test_a_busy_table_ends_in_an_error(aws: Aws) -> None:
    """Not in a report that calls everything missing."""
    places = filled(aws, 1)
    counting = Counting(aws.dynamodb, *[0] * 9)
    table = DeliveriesTable(counting, "delivery", sleep=lambda seconds: None)  # type: ignore[arg-type]
    with pytest.raises(RetryLater):
        table.of_places(places)
    assert len(counting.calls) == 4


def test_rows_of_some_days_are_found(aws: Aws) -> None:
    """Both days included; other connections' rows, what is known of a status, and rows without a date are not."""
    table = DeliveriesTable(aws.dynamodb, "delivery")
    for number, date in enumerate(("2026-09-30", "2026-10-01", "2026-10-31", "2026-11-01", "")):
        table.write(f"acme#invoice#{number}", "ledger", Memory("done", DONE.version, date=date))
    table.write("acme-eu#invoice#1", "ledger", DONE)
    KnownTable(aws.dynamodb, "delivery").learn("acme#invoice#1", Version("2026-10-20T08:00:00Z", "f"), "sent")
    found = dict(table.dated("acme", "2026-10-01", "2026-10-31"))
    assert {key for key, _ in found} == {"acme#invoice#1", "acme#invoice#2"}
    assert found["acme#invoice#2", "ledger"].date == "2026-10-31"


def test_report_over_the_real_table(aws: Aws) -> None:
    """The fakes and the table agree."""
    month = Month()
    for number in (1, 2, 3):
        month.has(number, "10.00")
    for number, amount in ((1, "10.00"), (2, "11.00"), (9, "10.00")):
        month.shows(number, amount)
    by_fakes = month.report()
    table = DeliveriesTable(aws.dynamodb, "delivery")
    for (key, name), memory in month.table.rows.items():
        table.write(key, name, memory)
    month.table = table  # type: ignore[assignment]
    assert month.report() == by_fakes
    assert {item.state for item in by_fakes[1]} == {"delivered", "different", "missing", "gone"}


def test_a_month_half_counted_comes_back_whole(aws: Aws) -> None:
    """Figures, what is left, and whether it was told; a connection that has none has none."""
    shelf = MonthShelf(ConnectionsTable(aws.dynamodb, "connections"))
    assert shelf.get("acme-eu") is None
    month = Month()
    month.has(1, "0.10")
    month.shows(2, "1000.01")
    tally, _ = month.report()
    tally.failed["bill"] = "the access lacks a scope"
    tally.unreadable["invoice"] = 3
    for progress in (
        Progress("2026-10", ("invoice", "bill"), "2026-10-17", tally),
        Progress("2026-10", (), "2026-10-31", tally, told=True),
    ):
        shelf.set("acme-eu", progress)
        assert shelf.get("acme-eu") == progress
    assert shelf.get("acme") is None
