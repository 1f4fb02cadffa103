"""Who carries what is decided by what the event is about."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from ml_connector.carriers import Carriers
from ml_connector.delivery import Result
from ml_connector.events import Delivery, Event, Version

DELIVERY = Delivery(
    Event("acme-eu", "invoice", "1", "created", Version("2026-11-22T10:00:00Z", "a"), "webhook", "", "", None),
    "finance",
)


class Named:
    def __init__(self, name: str) -> None:
        self.name = name

    def carry(self, delivery: Delivery, receives: int = 1, first_received: datetime | None = None) -> Result:
        return Result(self.name)


def test_what_has_a_carrier_of_its_own_goes_there_and_all_else_to_the_courier() -> None:
    carriers = Carriers(Named("courier"), {"digest": lambda: Named("digests")})
    digest = replace(DELIVERY, event=replace(DELIVERY.event, module="digest"))
    assert [carriers.carry(each).outcome for each in (DELIVERY, digest)] == ["courier", "digests"]


def test_a_carrier_is_made_only_when_it_is_needed() -> None:
    def never() -> Named:
        pytest.fail("an invoice is not the digests' business")

    assert Carriers(Named("courier"), {"digest": never}).carry(DELIVERY).outcome == "courier"
