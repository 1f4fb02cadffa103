"""What `mlc doctor` looks at on monday.com: whether the token is taken, and each board is seen with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ml_connector.connections import Connection
from ml_connector.errors import ConnectorError, NeedsAttention
from ml_connector.vendors import monday
from mlc.stack import Stack, utc_now

Fault = tuple[str, str, str]
"""What was found, why it matters, what to type."""

_WHY = "items for this board wait, and are parked after the retry time"


def destinations(connection: Connection) -> Mapping[str, Mapping[str, Any]]:
    return {name: each for name, each in connection.destinations.items() if each["type"] == "monday"}


def faults(at: Stack, connection: Connection) -> tuple[list[Fault], list[str]]:
    """What is wrong, and what was found to be right. One call for all boards."""
    places = destinations(connection)
    again = f"mlc credentials set {connection.name} monday"
    token = str(at.secrets.get(connection.name, "monday", max_age=0.0).get("token", ""))
    if not token:
        return [("no monday token is stored", _WHY, again)], []
    plan = next(iter(places.values())).get("plan", "basic")
    api = monday.MondayApi(at.http(monday.HOSTS), lambda: token, utc_now, at.limiter, plan)
    ids = sorted({str(each["board_id"]) for each in places.values()})
    try:
        data = api.call({"query": monday.BOARDS, "variables": {"ids": ids}}).data
    except NeedsAttention as error:
        return [(error.reason, _WHY, again)], []
    except ConnectorError as error:
        return [(str(error), "it may be down", "")], []
    seen = {str(each["id"]): str(each["name"]) for each in data.get("boards") or () if each}
    wrong = [
        (f"{name}: the token's user does not see board {each['board_id']}", _WHY, again)
        for name, each in places.items()
        if str(each["board_id"]) not in seen
    ]
    right = [f"{name}: {seen[str(each['board_id'])]}" for name, each in places.items() if str(each["board_id"]) in seen]
    return wrong, right
