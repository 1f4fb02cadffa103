"""What is no record but must be done: one step, tried again for as long as there is patience.

Of what Graph tells nothing is parked: a person could do nothing about a lost notification, and the daily look finds
what it told (graph_carriers.py). What monday tells nobody else finds: that is parked (board_feedback.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from ml_connector import retry
from ml_connector.connections import Connection
from ml_connector.delivery import Result
from ml_connector.errors import NeedsAttention, RetryLater, Throttled, Undeliverable
from ml_connector.events import Delivery
from ml_connector.parked import Why, wrap
from ml_connector.ports import Clock, Connections, ParkedQueue
from ml_connector.times import exact_stamp

IGNORED, LOOKED = "ignored", "looked"
PATIENCE = retry.Policy(cap=1800.0, horizon=timedelta(hours=25))
"""By then the daily look has come by."""
ATTENTION = 300.0
Step = Callable[[Connection, Delivery], Result]


@dataclass(frozen=True, slots=True)
class StepCarrier:
    """Takes one `step`, again and again for `patience`; whatever no repetition can change ends it.

    What ends without success is `parked` for a person, where there is such a queue; else it is given up.
    """

    connections: Connections
    clock: Clock
    step: Step
    patience: retry.Policy = PATIENCE
    parked: ParkedQueue | None = None

    def carry(self, delivery: Delivery, receives: int = 1, first_received: datetime | None = None) -> Result:
        connection = self.connections.connection(delivery.event.connection)
        if connection is None:
            return Result(IGNORED, "the connection is not configured any more")
        now = self.clock()
        try:
            return self.step(connection, delivery)
        except Throttled:
            # No call was made: its lane waits, and it is no attempt.
            raise
        except NeedsAttention as error:
            wait, reason, status = ATTENTION, error.reason, error.status
        except Undeliverable as error:
            return self._end(delivery, error.reason, error.status, receives, first_received or now)
        except RetryLater as error:
            wait, reason, status = error.after or 0.0, error.reason, error.status
        if retry.given_up(first_received or now, now, self.patience):
            return self._end(delivery, f"given up: {reason}", status, receives, first_received or now)
        raise RetryLater(reason, retry.wait(receives, wait, self.patience), status)

    def _end(
        self, delivery: Delivery, reason: str, status: int | None, receives: int, first_received: datetime
    ) -> Result:
        if self.parked is None:
            return Result(IGNORED, reason)
        since = exact_stamp(first_received)
        at = exact_stamp(self.clock())
        why = Why(reason, at, receives, since, status or 0)
        self.parked.park(wrap(delivery.to_json(), why), key=f"{delivery.id}#{since}", reason=reason)
        return Result("parked", reason)
