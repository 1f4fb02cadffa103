"""What is measured of a delivery."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from ml_connector.clouds import CLOUDS, hosts
from ml_connector.destinations import KINDS
from ml_connector.events import Version
from ml_connector.measures import OTHER, days_of_secrets, took, vendor, vendor_of_host, waited
from ml_connector.regions import REGIONS
from ml_connector.vendors import monday, monday_accounts
from tests.fakes import NOW, connection, delivery


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_of_destination_has_a_vendor(kind: str) -> None:
    """A new kind is counted by its vendor, not as `other`."""
    known = replace(connection(), destinations={"there": {"type": kind}})
    assert vendor(replace(delivery(), destination="there"), known) != OTHER


@pytest.mark.parametrize(
    ("module", "name"),
    [("teams_message", "microsoft"), ("graph_resync", "microsoft"), ("monday_item", "monday"), ("digest", OTHER)],
)
def test_messages_without_a_destination_are_counted_by_what_they_are_about(module: str, name: str) -> None:
    """Their destination is a channel or an item; the connection may not have been read yet."""
    each = delivery()
    each = replace(each, event=replace(each.event, module=module), destination="19:x@thread.tacv2")
    assert vendor(each, connection()) == vendor(each, None) == name


def test_every_host_that_is_called_has_its_vendor() -> None:
    """By the tables of data centres and clouds themselves."""
    assert {vendor_of_host(each.api) for each in REGIONS.values()} == {"zoho"}
    assert {vendor_of_host(host) for host in monday.HOSTS | monday_accounts.HOSTS} == {"monday"}
    assert {vendor_of_host(host) for cloud in CLOUDS.values() for host in hosts(cloud)} == {"microsoft"}


def test_a_host_that_nobody_knows_is_nobodys() -> None:
    """What a new kind of destination calls is not counted as Microsoft's, as its deliveries are not."""
    assert vendor_of_host("api.sales.example") == OTHER


def test_end_of_a_secret_is_what_its_file_says() -> None:
    """Microsoft does not let us read it; a connection that does not say it is not counted."""
    known = [connection("acme-eu", microsoft={"secret_ends": "2026-12-22"}), connection("acme-us")]
    assert days_of_secrets(known, NOW.date()) == {"acme-eu": 30}


def test_waiting_counts_from_when_it_was_due() -> None:
    """In its lane since it was sent; after a wait of its own since the end of that, be it three days."""
    sent = NOW - timedelta(seconds=42)
    assert waited(delivery(), sent, NOW) == 42
    due = replace(delivery(), not_before="2026-11-22T07:59:50.000000Z")
    assert waited(due, NOW - timedelta(days=3), NOW) == 10


def test_what_is_early_or_alone_is_not_late() -> None:
    """A message that hides until its time, and one whose further waits it does not tell."""
    early = replace(delivery(), not_before="2026-11-22T08:00:01.000000Z")
    assert waited(early, NOW - timedelta(days=1), NOW) is None
    assert waited(replace(delivery(), alone=True), NOW - timedelta(days=1), NOW) is None


def test_latency_is_from_zohos_change_to_the_receipt() -> None:
    """Zoho tells it to the second; a clock of theirs that is ahead makes no negative time."""
    each = delivery()
    modified = replace(each, event=replace(each.event, version=Version("2026-11-22T07:59:57Z", "ab")))
    assert took(modified, "delivered", NOW) == took(modified, "accepted", NOW) == 3
    assert took(modified, "delivered", NOW - timedelta(seconds=9)) == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"origin": "reconcile"},
        {"origin": "replay"},
        {"version": Version("", "ab")},
        {"version": Version.deletion("2026-11-22T07:00:00Z")},
        {"module": "feedback"},
    ],
)
def test_what_has_no_such_time_is_not_measured(changes: dict[str, object]) -> None:
    """A backfill of last year would say that a delivery takes a year."""
    each = delivery()
    assert took(replace(each, event=replace(each.event, **changes)), "delivered", NOW) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("outcome", ["skipped", "gathered", "moved", "parked"])
def test_what_is_no_receipt_is_not_measured(outcome: str) -> None:
    """Nothing arrived."""
    assert took(delivery(), outcome, NOW) is None
