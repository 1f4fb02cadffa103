"""`mlc doctor` says whether Teams is heard, until when, and why not."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from ml_connector.sources.graph import channels_of, messages_of, slot_of
from mlc import doctor_graph
from tests.fakes import CHANNEL, NOW, TEAM
from tests.teams_world import connection

MESSAGES, CHANNELS = slot_of(messages_of(TEAM, CHANNEL)), slot_of(channels_of(TEAM))


class Table:
    """The connections table's rows, by pk and sk."""

    def __init__(self, **rows: dict[str, dict[str, Any]]) -> None:
        self.rows = rows

    def query(self, pk: str) -> Iterator[dict[str, Any]]:
        yield from ({"pk": pk, "sk": sk, **row} for sk, row in self.rows.get(pk, {}).items())

    def get(self, pk: str, sk: str, *, consistent: bool = False) -> dict[str, Any] | None:
        return self.rows.get(pk, {}).get(sk)


def heard(table: Table, monkeypatch: pytest.MonkeyPatch) -> tuple[list[doctor_graph.Fault], list[str]]:
    monkeypatch.setattr(doctor_graph, "utc_now", lambda: NOW)
    stack: Any = SimpleNamespace(name="ml-connector", connections=table)
    return doctor_graph.heard(stack, connection())


def row(**changes: Any) -> dict[str, Any]:
    alive = {"id": "s-1", "expires": "2026-11-25T05:00:00.0000000Z", "state": "ok", "serves": "acme-aa,acme-eu"}
    return {"resource": "/teams/1", **alive, **changes}


def test_what_is_heard_and_until_when(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where another connection has the subscription of the same channel."""
    table = Table(subscriptions={f"acme-aa#{MESSAGES}": row(), f"acme-eu#{CHANNELS}": row(serves="acme-eu")})
    wrong, right = heard(table, monkeypatch)
    assert wrong == []
    assert right == [
        "finance: replies are heard; the subscription ends 25 Nov, 05:00 UTC and is renewed before",
        "finance: changes of the team's channels are heard; the subscription ends 25 Nov, 05:00 UTC and is renewed "
        "before",
    ]


def test_new_connection_waits_for_the_next_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """That is no fault."""
    wrong, right = heard(Table(), monkeypatch)
    assert (wrong, [each.partition("heard")[2] for each in right]) == ([], [" from the next hourly run on"] * 2)


def test_missing_permission_is_said_and_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever does not grant it does without."""
    reason = "Graph answered 403: a permission is missing"
    bare = row(id="", expires="", state="refused", reason=reason, serves="acme-eu")
    wrong, right = heard(Table(subscriptions={f"acme-eu#{MESSAGES}": bare, f"acme-eu#{CHANNELS}": bare}), monkeypatch)
    assert (wrong, right[0]) == ([], f"finance: replies are not heard: {reason}")


@pytest.mark.parametrize(
    ("changes", "says", "types"),
    [
        ({"state": "failed", "reason": "Graph answered 503"}, "Graph answered 503", "aws logs tail"),
        ({"expires": "2026-11-21T05:00:00Z"}, "it has ended", "aws logs tail"),
        ({"state": "waiting", "reason": "The client secret has expired."}, "has expired", "mlc credentials set"),
    ],
)
def test_what_does_not_work_is_a_fault(
    changes: dict[str, Any], says: str, types: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its reason, why it matters and what to type."""
    table = Table(subscriptions={f"acme-eu#{MESSAGES}": row(**changes), f"acme-eu#{CHANNELS}": row()})
    ((what, why, type_),), right = heard(table, monkeypatch)
    assert (says in what, "replies" in why, type_.startswith(types), len(right)) == (True, True, True, 1)


def test_deleted_channel_is_named_with_its_destination(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it is back or the file names another."""
    gone = {"name": "Billing", "missing_at": "2026-11-21T08:00:00Z", "gone_at": "2026-11-21T08:01:00Z"}
    (fault,), _ = heard(Table(channels={f"acme-eu#{CHANNEL}": gone}), monkeypatch)
    assert fault == (
        "finance: the channel Billing was deleted in Teams (21 Nov, 08:01 UTC)",
        "what routes send there is parked",
        "mlc teams channels acme-eu",
    )
