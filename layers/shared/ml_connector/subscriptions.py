"""Graph subscriptions end after three days at most; they are renewed well before (contracts: microsoft-teams 7.5)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from ml_connector.errors import Gone, RetryLater, Undeliverable
from ml_connector.ports import Clock

RENEW_BELOW = timedelta(hours=36)
RENEW_TO = timedelta(minutes=4200)
"""A little under Graph's limit of 4,320 minutes."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """One subscription of a connection; `state` is `ok` or `gone`."""

    connection: str
    id: str
    resource: str
    expires: str
    state: str = "ok"


class SubscriptionList(Protocol):
    def all(self) -> Iterable[Subscription]: ...

    def set(self, subscription: Subscription) -> None: ...


class Graph(Protocol):
    def renew(self, connection: str, subscription_id: str, until: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Renewals:
    subscriptions: SubscriptionList
    graph: Graph
    clock: Clock

    def run(self) -> dict[str, int]:
        """Renews what has less than 36 hours left. Counts of `renewed`, `gone` and `failed`."""
        counts = {"renewed": 0, "gone": 0, "failed": 0}
        for subscription in self.subscriptions.all():
            now = self.clock()
            if subscription.state != "ok" or datetime.fromisoformat(subscription.expires) - now > RENEW_BELOW:
                continue
            until = (now + RENEW_TO).strftime("%Y-%m-%dT%H:%M:%SZ")
            try:
                expires = self.graph.renew(subscription.connection, subscription.id, until)
            except Gone:
                counts["gone"] += 1
                self.subscriptions.set(replace(subscription, state="gone"))
            except (RetryLater, Undeliverable):
                counts["failed"] += 1  # the next run tries again; 36 hours hold six of them
            else:
                counts["renewed"] += 1
                self.subscriptions.set(replace(subscription, expires=expires))
        return counts
