"""What `mlc doctor` says of what is heard from Teams: subscriptions, and channels that have gone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from ml_connector.aws.graph_rows import Channels, SubscriptionList
from ml_connector.connections import Connection
from ml_connector.sources.graph import channels_of, messages_of, slot_of
from ml_connector.subscriptions import Subscription
from ml_connector.watches import watched
from mlc.stack import Stack, utc_now

Fault = tuple[str, str, str]
"""What was found, why it matters, what to type."""

_WHY = {
    "messages": "replies to cards are not recorded as acknowledgements until then; the daily look finds them later",
    "channels": "nobody is told when a channel is renamed or deleted",
}


def heard(at: Stack, connection: Connection) -> tuple[list[Fault], list[str]]:
    """What is wrong, and what is right, of every channel that a route leads to."""
    rows = {(row.slot, name): row for row in SubscriptionList(at.connections).all() for name in row.serves}
    wrong: list[Fault] = list(_gone(at, connection))
    right: list[str] = []
    for name, settings in watched(connection).items():
        team, channel = settings["team_id"], settings["channel_id"]
        for what, resource in (("messages", messages_of(team, channel)), ("channels", channels_of(team))):
            row = rows.get((slot_of(resource), connection.name))
            label = f"{name}: " + ("replies" if what == "messages" else "changes of the team's channels")
            if row and row.state == "ok" and _alive(row):
                right.append(f"{label} are heard; the subscription ends {_when(row.expires)} and is renewed before")
            elif row and row.state == "refused" and not _alive(row):
                # Whoever does not grant the permission does without: that is no fault.
                right.append(f"{label} are not heard: {row.reason}")
            elif row:
                wrong.append((f"{label} are not heard: {row.reason or 'it has ended'}", _WHY[what], _step(at, row)))
            else:
                right.append(f"{label} are heard from the next hourly run on")
    return wrong, right


def _gone(at: Stack, connection: Connection) -> Iterator[Fault]:
    for name, settings in watched(connection).items():
        known = Channels(at.connections).get(connection.name, settings["channel_id"])
        if known and known.gone_at:
            what = f"{name}: the channel {known.name or known.id} was deleted in Teams ({_when(known.gone_at)})"
            yield what, "what routes send there is parked", f"mlc teams channels {connection.name}"


def _alive(row: Subscription) -> bool:
    return bool(row.id) and datetime.fromisoformat(row.expires) > utc_now()


def _step(at: Stack, row: Subscription) -> str:
    if row.state == "waiting":
        return f"mlc credentials set {row.connection} microsoft"
    return f"aws logs tail /aws/lambda/{at.name}-renew-subscriptions --since 2h"


def _when(stamp: str) -> str:
    moment = datetime.fromisoformat(stamp)
    return f"{moment.day} {moment:%b, %H:%M} UTC"
