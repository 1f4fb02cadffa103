"""What other connectors broke on. Ours: 0 lost, 0 doubled, 0 out of order, 0 on an old state."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from ml_connector.modules import MODULES
from sandbox.session import Box
from sandbox.sites import Site
from sandbox.soak import PATIENCE, VENDORS, Figures, compare

pytestmark = pytest.mark.e2e

RECORDS = 15


@pytest.fixture(scope="module")
def site(running: Box, numbers: Iterator[int]) -> Site:
    opened = Site(next(numbers), {**PATIENCE, "unknown": "repeat"})
    running.open(opened)
    return opened


def events(box: Box, site: Site, versions: int = 1, copies: int = 1) -> None:
    """Some records of every kind, each with so many versions."""
    made: list[tuple[str, str]] = []
    for number in range(RECORDS):
        module = tuple(MODULES)[number % len(MODULES)]
        made.append((module, box.zoho.create(site.organization, module, says(module, 1), copies=copies)["id"]))
    for version in range(2, versions + 1):
        for module, identity in made:
            box.zoho.update(site.organization, module, identity, says(module, version), copies=copies)


def says(module: str, version: int) -> dict[str, Any]:
    """Fields by which board and card tell a version."""
    amount = {"amount": version} if module.endswith("payment") else {"total": version}
    return {"reference_number": f"v{version}", **amount}


def right(box: Box, site: Site) -> None:
    """Zoho, the channels, the board and the audit trail tell the same, once."""
    assert box.settled(90)
    figures = Figures()
    findings = compare(box, [site], figures)
    assert figures.bad() == {}, "\n".join(findings)


def test_every_webhook_twice(box: Box, site: Site) -> None:
    """A popular peer delivered 200 of 200 twice."""
    before = seen(box, site)
    events(box, site, versions=2, copies=2)
    right(box, site)
    messages, items = seen(box, site)
    assert (messages - before[0], items - before[1]) == (RECORDS, RECORDS)


@pytest.mark.parametrize("answer", [{"status": 503}, {"status": 429}, {"status": 429, "retry_after": 2}])
def test_a_destination_that_refuses_everything_for_a_while(box: Box, site: Site, answer: Mapping[str, Any]) -> None:
    """A destination that answered 503 or 429 for 40 s: the peer lost 200 of 200."""
    # A 429 closes the bucket for all: few calls are refused where a careless peer has them all refused.
    # A post to Teams that got a 5xx is looked for twice, a minute apart: that is for `make soak`.
    vendors = ("monday",) if answer["status"] == 503 else VENDORS
    for vendor in vendors:
        box.zoho.fault("status", vendor=vendor, count=4 * RECORDS if answer["status"] == 503 else 6, **answer)
    before = seen(box, site)
    events(box, site)
    right(box, site)
    assert [fault["count"] for fault in box.zoho.faults()] == [0] * len(vendors), "the outage was not long enough"
    messages, items = seen(box, site)
    assert (messages - before[0], items - before[1]) == (RECORDS, RECORDS)


def test_one_answer_in_five_is_a_503(box: Box, site: Site) -> None:
    """With retries on, the peer had 19 of 20 records out of order and 9 left on an old state."""
    box.zoho.fault("status", vendor="monday", status=503, probability=0.2, count=None, seed=5)
    box.zoho.fault("status", vendor="bot", method="PUT", status=503, probability=0.2, count=None, seed=6)
    events(box, site, versions=4)
    right(box, site)


def test_a_process_killed_in_mid_flight(box: Box, site: Site) -> None:
    """The killed process had sent its call: the next one finds out and makes no second item."""
    box.zoho.fault("slow", vendor="monday", contains="create_item", slow_ms=800, count=1)
    made = box.zoho.create(site.organization, "bill", says("bill", 1))["id"]
    until = time.monotonic() + 10
    while not any(item["text"]["zb_doc_id"].endswith(made) for item in box.zoho.items(site.board)):
        assert time.monotonic() < until, "the call was never made"
    killed = False
    while not killed and time.monotonic() < until:
        killed = box.stack.kill_one("delivery")
    assert killed
    box.zoho.update(site.organization, "bill", made, says("bill", 2))
    right(box, site)


def seen(box: Box, site: Site) -> tuple[int, int]:
    """How many messages and items people see."""
    messages = sum(len(box.zoho.messages(channel)) for channel in site.channels.values())
    return messages, len(box.zoho.items(site.board))
