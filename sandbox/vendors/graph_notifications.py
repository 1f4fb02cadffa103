"""Change notifications of Graph: what happens in a channel goes to whoever has subscribed to it.

contracts: microsoft-teams 7.3 (items), 7.4 (answers, retries), 7.6 (lifecycle events). Sent in the background: the
server calls `settle` when something is due, tests and the control API call it themselves. How often Graph challenges is
not documented (7.6): here at half of the time that the token has left, then every quarter of an hour.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import batched, groupby

from sandbox.vendors.graph_refusals import may
from sandbox.vendors.world import Channel, Message, Notice, Subscription, World

_BATCH = 100
_FIRST_RETRY, _LONGEST_RETRY, _GIVEN_UP = 10.0, 1800.0, 4 * 3600.0
_CHALLENGES = 900.0
_KEPT = 2000
EVENTS = ("reauthorizationRequired", "subscriptionRemoved", "missed")
READ_MESSAGES = ("ChannelMessage.Read.Group", "ChannelMessage.Read.All")
READ_CHANNELS = ("ChannelSettings.Read.Group", "Channel.ReadBasic.All")


# --- what happens -----------------------------------------------------------------------------------------------


def message_changed(world: World, channel: Channel, message: Message, kind: str) -> None:
    """`kind`: created, updated or deleted. Its thread is touched, for delta; subscribers of the channel are told."""
    world.microsoft.last_revision += 1
    for each in channel.messages:
        if each.id in (message.id, message.thread):
            each.revision = world.microsoft.last_revision
    if kind == "deleted":
        message.deleted_at = world.clock.now()
    where = f"teams('{channel.team_id}')/channels('{channel.channel_id}')/messages('{message.thread}')"
    if message.id != message.thread:
        where += f"/replies('{message.id}')"
    watched = (f"teams/{channel.team_id}/channels/{channel.channel_id}/messages", "teams/getAllMessages")
    _tell(world, channel, watched, kind, where, "#Microsoft.Graph.chatMessage", message.id)


def channel_changed(world: World, channel: Channel, kind: str) -> None:
    """`kind`: created, updated or deleted. Graph has no subscription to messages of a channel that is gone."""
    where = f"teams('{channel.team_id}')/channels('{channel.channel_id}')"
    watched = (f"teams/{channel.team_id}/channels", "teams/getAllChannels")
    _tell(world, channel, watched, kind, where, "#Microsoft.Graph.Channel", channel.channel_id)
    if kind == "deleted":
        own = f"teams/{channel.team_id}/channels/{channel.channel_id}/messages"
        for each in [one for one in world.microsoft.subscriptions.values() if resource_of(one) == own]:
            remove(world, each)


def _tell(
    world: World, channel: Channel, watched: tuple[str, str], kind: str, where: str, what: str, identity: str
) -> None:
    if not channel.team_id:
        return  # a person's chat, which nobody can subscribe to here
    expire(world)
    for one in world.microsoft.subscriptions.values():
        kinds = one.shown["changeType"].split(",")
        if one.tenant_id != channel.tenant_id or resource_of(one) not in watched or kind not in kinds:
            continue
        item = {
            "subscriptionId": one.shown["id"],
            "changeType": kind,
            "tenantId": one.tenant_id,
            "clientState": one.shown["clientState"],
            "subscriptionExpirationDateTime": datetime.fromtimestamp(one.expires_at, UTC).isoformat(timespec="seconds"),
            "resource": where,
            "resourceData": {"id": identity, "@odata.type": what, "@odata.id": where},
        }
        post, now = world.microsoft.notifying, world.clock.now()
        if post.lose > 0:
            post.lose -= 1
            continue
        for _ in range(post.copies):
            url = one.shown["notificationUrl"]
            post.outbox.append(Notice(one.shown["id"], url, item, now, now + post.delay))


def lifecycle(world: World, one: Subscription, event: str) -> None:
    """Tell of the subscription itself, where a lifecycle URL was given. Raises ValueError for an unknown event."""
    if event not in EVENTS:
        raise ValueError(f"lifecycle events are {', '.join(EVENTS)}")
    url, now = one.shown["lifecycleNotificationUrl"], world.clock.now()
    if not url:
        return
    item = {
        "subscriptionId": one.shown["id"],
        "subscriptionExpirationDateTime": one.shown["expirationDateTime"],
        "tenantId": one.tenant_id,
        "clientState": one.shown["clientState"],
        "lifecycleEvent": event,
    }
    world.microsoft.notifying.outbox.append(Notice(one.shown["id"], url, item, now, now))


def remove(world: World, one: Subscription) -> None:
    """Graph takes a subscription away, and says so."""
    lifecycle(world, one, "subscriptionRemoved")
    del world.microsoft.subscriptions[one.shown["id"]]


def resource_of(one: Subscription) -> str:
    return str(one.shown["resource"]).strip("/")


# --- a subscription's life --------------------------------------------------------------------------------------


def expire(world: World) -> None:
    """What has ended is forgotten; nobody is told of that."""
    now = world.clock.now()
    for key, one in list(world.microsoft.subscriptions.items()):
        if one.expires_at <= now:
            del world.microsoft.subscriptions[key]


def authorize(world: World, one: Subscription, until: float) -> None:
    """With the token of a call, which ends at `until`: what was held back goes out now."""
    now = world.clock.now()
    one.authorized_until = until
    one.challenge_at = now + max(0.0, min(until, one.expires_at) - now) / 2
    for notice in world.microsoft.notifying.outbox:
        if notice.subscription_id == one.shown["id"] and notice.held:
            notice.due, notice.held = now, False


def _allowed(world: World, one: Subscription) -> bool:
    """Whether the app may still read what it has subscribed to, and its token lives (7.4)."""
    resource = resource_of(one).split("/")
    app = world.microsoft.apps.get((one.tenant_id, one.shown["applicationId"]))
    roles = READ_MESSAGES if resource[-1] in ("messages", "getAllMessages") else READ_CHANNELS
    if len(resource) < 3:
        return world.clock.now() < one.authorized_until
    permitted = app is not None and may(world, app.client_id, set(app.graph_roles), roles, resource[1])
    return permitted and world.clock.now() < one.authorized_until


# --- sending ----------------------------------------------------------------------------------------------------


def wait(world: World) -> float | None:
    """Seconds until `settle` has something to do, 0.0 if it has; None if nothing is coming."""
    with world.lock:
        moments = [notice.due for notice in world.microsoft.notifying.outbox]
        moments += [one.challenge_at for one in world.microsoft.subscriptions.values()]
        return max(0.0, min(moments) - world.clock.now()) if moments else None


def settle(world: World) -> list[Notice]:
    """Send what is due, in batches of one address each; outside the lock. Gives back what was tried."""
    with world.lock:
        expire(world)
        _challenge(world)
        due = _take(world)
    due.sort(key=lambda notice: notice.url)
    for url, notices in groupby(due, key=lambda notice: notice.url):
        for batch in batched(notices, _BATCH, strict=False):
            body = json.dumps({"value": [notice.item for notice in batch]}).encode()
            answer = world.ask(url, body, {"Content-Type": "application/json; charset=utf-8"})
            with world.lock:
                _answered(world, batch, answer.status)
    return due


def _challenge(world: World) -> None:
    now = world.clock.now()
    for one in world.microsoft.subscriptions.values():
        if one.challenge_at <= now:
            lifecycle(world, one, "reauthorizationRequired")
            one.challenge_at = now + _CHALLENGES


def _take(world: World) -> list[Notice]:
    """What is to be tried now, in order, or the last first; what nobody may have just now is put off, or given up."""
    post, now = world.microsoft.notifying, world.clock.now()
    ready: list[Notice] = []
    for notice in [each for each in post.outbox if each.due <= now]:
        one = world.microsoft.subscriptions.get(notice.subscription_id)
        if notice.lifecycle or (one and _allowed(world, one)):
            post.outbox.remove(notice)
            ready.append(notice)
        elif one is None:
            post.outbox.remove(notice)
        else:
            notice.held = True
            _again(world, notice)
    return ready[::-1] if post.reorder else ready


def _answered(world: World, batch: tuple[Notice, ...], status: int) -> None:
    post = world.microsoft.notifying
    for notice in batch:
        notice.status = status
        if 200 <= status < 300:
            notice.attempts += 1
            _done(world, notice)
        else:
            post.outbox.append(notice)
            _again(world, notice)


def _done(world: World, notice: Notice) -> None:
    world.microsoft.notifying.sent = [*world.microsoft.notifying.sent, notice][-_KEPT:]


def _again(world: World, notice: Notice) -> None:
    """At a growing interval, for four hours; then it is lost, and Graph says `missed`."""
    now = world.clock.now()
    notice.attempts += 1
    notice.due = now + min(_FIRST_RETRY * 2.0 ** min(notice.attempts - 1, 10), _LONGEST_RETRY)
    if now - notice.at < _GIVEN_UP:
        return
    outbox = world.microsoft.notifying.outbox
    outbox.remove(notice)
    _done(world, notice)
    one = world.microsoft.subscriptions.get(notice.subscription_id)
    told = any(
        each.subscription_id == notice.subscription_id and each.item.get("lifecycleEvent") == "missed"
        for each in outbox
    )
    if one and not notice.lifecycle and not told:
        lifecycle(world, one, "missed")
