"""Who carries which delivery: what its event is about decides. Records are the courier's; all else has its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ml_connector.delivery import Result
from ml_connector.events import Delivery


class Carrier(Protocol):
    def carry(self, delivery: Delivery, receives: int = 1, first_received: datetime | None = None) -> Result:
        """Raises RetryLater, with `after` set to the seconds to wait, when the message must come back."""
        ...


@dataclass(frozen=True, slots=True)
class Carriers:
    """`others` by the event's module; each is made when it is first needed, so that nobody else waits for it."""

    courier: Carrier
    others: Mapping[str, Callable[[], Carrier]]

    def carry(self, delivery: Delivery, receives: int = 1, first_received: datetime | None = None) -> Result:
        make = self.others.get(delivery.event.module)
        return (make() if make else self.courier).carry(delivery, receives, first_received)
