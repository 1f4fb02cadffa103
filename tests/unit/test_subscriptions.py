"""Graph subscriptions are renewed well before they end (contracts: microsoft-teams 7.5)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest

from ml_connector.errors import Gone, NeedsAttention, RetryLater, Undeliverable
from ml_connector.subscriptions import Renewals, Subscription
from tests.fakes import Clock


@dataclass
class Listed:
    rows: dict[str, Subscription] = field(default_factory=dict)

    def all(self) -> Iterable[Subscription]:
        return list(self.rows.values())

    def set(self, subscription: Subscription) -> None:
        self.rows[subscription.id] = subscription


@dataclass
class Graph:
    answers: dict[str, Exception | str] = field(default_factory=dict)
    renewed: list[tuple[str, str, str]] = field(default_factory=list)

    def renew(self, connection: str, subscription_id: str, until: str) -> str:
        self.renewed.append((connection, subscription_id, until))
        answer = self.answers.get(subscription_id, until)
        if isinstance(answer, Exception):
            raise answer
        return answer


def run(*rows: Subscription, **answers: Exception | str) -> tuple[dict[str, int], Listed, Graph]:
    listed, graph = Listed({row.id: row for row in rows}), Graph(answers)
    return Renewals(listed, graph, Clock()).run(), listed, graph


def subscription(identity: str = "s1", expires: str = "2026-11-23T08:00:00Z", state: str = "ok") -> Subscription:
    return Subscription("acme-eu", identity, "/teams/1/channels/2/messages", expires, state)


def test_what_ends_within_36_hours_is_renewed_for_70() -> None:
    """Asked for 4,200 minutes, a little under Graph's limit; what Graph makes of it is kept."""
    counts, listed, graph = run(subscription(), s1="2026-11-25T05:00:00.0000000Z")
    assert counts == {"renewed": 1, "gone": 0, "failed": 0}
    assert graph.renewed == [("acme-eu", "s1", "2026-11-25T06:00:00Z")]
    assert listed.rows["s1"].expires == "2026-11-25T05:00:00.0000000Z"


def test_what_graph_answered_is_readable_at_the_next_run() -> None:
    """Graph writes seven decimals of a second."""
    assert run(subscription(expires="2026-11-25T05:00:00.0000000Z"))[0]["renewed"] == 0


@pytest.mark.parametrize(("expires", "renewed"), [("2026-11-23T20:00:00Z", 1), ("2026-11-23T20:00:01Z", 0)])
def test_what_has_more_time_is_left_alone(expires: str, renewed: int) -> None:
    """36 hours hold six runs; nothing is renewed sooner."""
    assert run(subscription(expires=expires))[0]["renewed"] == renewed


def test_subscription_that_graph_lost_is_marked() -> None:
    """404: renewing cannot help any more, and is not tried again."""
    counts, listed, _ = run(subscription(), s1=Gone("gone", 404))
    assert (counts["gone"], listed.rows["s1"].state) == (1, "gone")
    assert run(subscription(state="gone"))[2].renewed == []


@pytest.mark.parametrize("error", [RetryLater("503"), Undeliverable("403"), NeedsAttention("connect again")])
def test_failure_is_tried_again_and_stops_nobody(error: Exception) -> None:
    """One subscription's trouble is its own; its row stays as it was for the next run."""
    counts, listed, _ = run(subscription("s1"), subscription("s2"), s1=error)
    assert counts == {"renewed": 1, "gone": 0, "failed": 1}
    assert listed.rows["s1"] == subscription("s1")
