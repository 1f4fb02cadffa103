"""Notifications of Graph: only what bears a client state of ours is taken, and nothing but ids (microsoft-teams 7)."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.ingest import app
from ml_connector.errors import InboundRejected, NotQueued
from ml_connector.notifications import Heard
from ml_connector.sources.graph import MAX_BODY, channels_of, client_state, messages_of, place_of, slot_of
from tests import fakes
from tests.fakes import CHANNEL, TEAM
from tests.teams_world import KEY, World

MESSAGES, CHANNELS = messages_of(TEAM, CHANNEL), channels_of(TEAM)
REPLY = f"teams('{TEAM}')/channels('{CHANNEL}')/messages('1000')/replies('2000')"


def item(resource: str = REPLY, change: str = "created", watched: str = MESSAGES, **changes: Any) -> dict[str, Any]:
    return {
        "subscriptionId": "sub-1",
        "changeType": change,
        "clientState": client_state(KEY, slot_of(watched)),
        "resource": resource,
        "resourceData": {"id": "2000", "@odata.type": "#Microsoft.Graph.chatMessage"},
        **changes,
    }


def http(world: World, body: bytes = b"", query: str = "", token: str = "") -> dict[str, Any]:
    return {
        "requestContext": {"requestId": "call-1"},
        "pathParameters": {"source": "graph", "token": token or world.token("acme-eu")},
        "rawQueryString": query,
        "headers": {"content-type": "application/json"},
        "body": body.decode(),
    }


def ask(world: World, event: dict[str, Any]) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "notifications", lambda: world.notifications)
        answer: dict[str, Any] = app.handler(event, None)
    return answer


def test_address_is_confirmed_with_the_decoded_token_and_nothing_else() -> None:
    """Graph creates no subscription otherwise; as text, which no browser takes for a page (7.2)."""
    world = World()
    answer = ask(world, http(world, query="validationToken=Validation%3A+Testing+%3Cb%3E%2B1"))
    assert (answer["statusCode"], answer["body"]) == (200, "Validation: Testing <b>+1")
    assert answer["headers"] == {"content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff"}
    assert world.queue.sent == []


@pytest.mark.parametrize(
    ("query", "token", "status"),
    [
        ("validationToken=x", "x" * 43, 404),
        ("validationToken=x", "no token", 404),
        ("validationToken=" + "x" * 2049, "", 400),
        ("validationToken=", "", 400),
        ("validationToken=%ff", "", 400),
        ("&".join(f"{n}=1" for n in range(40)), "", 400),
    ],
)
def test_stranger_or_a_monstrous_token_gets_one_plain_refusal(query: str, token: str, status: int) -> None:
    """Nobody can have us echo what they like at an address that does not exist."""
    world = World()
    answer = ask(world, http(world, query=query, token=token))
    assert (answer["statusCode"], answer["body"]) == (status, '{"message":"rejected"}')


def test_items_are_queued_before_they_are_acknowledged() -> None:
    """One message each, 202; the message holds ids only."""
    world = World()
    lifecycle = {"subscriptionId": "sub-1", "lifecycleEvent": "missed", "clientState": item()["clientState"]}
    renamed = item(f"teams('{TEAM}')/channels('{CHANNEL}')", "updated", CHANNELS)
    answer = ask(world, http(world, json.dumps({"value": [item(), lifecycle, renamed]}).encode()))
    assert answer["statusCode"] == 202
    assert [(each.event.module, each.event.record_id, each.event.action) for each in world.queue.sent] == [
        ("teams_message", "2000", "created"),
        ("graph_lifecycle", slot_of(MESSAGES), "missed"),
        ("teams_channel", CHANNEL, "updated"),
    ]
    assert world.queue.sent[0].event.payload == {"team": TEAM, "channel": CHANNEL, "root": "1000", "message": "2000"}
    assert {each.event.origin for each in world.queue.sent} == {"graph"}


def test_what_was_not_queued_is_not_acknowledged() -> None:
    """503: Graph tells it again for hours. The same when we cannot read our own key."""
    world = World(queue=fakes.Queue(refuses=True))
    body = json.dumps({"value": [item()]}).encode()
    assert ask(world, http(world, body))["statusCode"] == 503
    world = World()
    world.notifications = type(world.notifications)(world.connections, fakes.Secrets(), world.queue, world.clock)
    assert ask(world, http(world, body))["statusCode"] == 503
    with pytest.raises(NotQueued):
        world.notify(item())


@pytest.mark.parametrize(
    "wrong",
    [
        {"clientState": None},
        {"clientState": ""},
        {"clientState": 7},
        {"clientState": "é"},
        {"clientState": client_state("another key", slot_of(MESSAGES))},
        {"clientState": slot_of(MESSAGES)},
    ],
)
def test_wrong_client_state_is_dropped_counted_and_still_answered_202(
    wrong: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """The others of the call are taken; a refusal would only have it repeated (7.3)."""
    world = World()
    answer = ask(world, http(world, json.dumps({"value": [item(**wrong), item()]}).encode()))
    assert answer["statusCode"] == 202
    assert len(world.queue.sent) == 1
    assert '"NotificationsRejected":[1.0]' in capsys.readouterr().out


def test_state_of_one_channel_is_worth_nothing_for_another() -> None:
    """It stands for the watched resource, not for the address."""
    world = World()
    other = f"teams('{TEAM}')/channels('19:other@thread.tacv2')/messages('1000')/replies('2000')"
    assert world.notify(item(other)).queued == 0
    assert world.notify(item(f"teams('{TEAM}')/channels('{CHANNEL}')", "deleted", MESSAGES)).queued == 0


@pytest.mark.parametrize(
    ("resource", "change"),
    [
        (f"teams('{TEAM}')/channels('{CHANNEL}')/messages('1000')", "created"),
        (REPLY, "updated"),
        (REPLY, "deleted"),
        (REPLY, "stolen"),
        ("users('1')/messages('2')", "created"),
        (REPLY.replace("2000", "2" * 201), "created"),
    ],
)
def test_what_acknowledges_nothing_costs_no_message(resource: str, change: str) -> None:
    """New threads, edits and removals: our own cards come back as these."""
    assert World().notify(item(resource, change)).queued == 0


def test_same_item_twice_is_one_message() -> None:
    """Graph tells at least once; SQS knows a message by its deduplication id for five minutes."""
    world = World()
    assert world.notify(item(), item()).queued == 1
    world.notify(item(subscriptionExpirationDateTime="later"))
    assert len({each.id for each in world.queue.sent}) == 1


def test_both_forms_of_a_resource_are_read() -> None:
    """Graph writes both (7.3); case and slashes at the ends make no other slot."""
    assert place_of(REPLY) == place_of(f"/teams/{TEAM}/channels/{CHANNEL}/messages/1000/replies/2000")
    assert slot_of(MESSAGES.upper()) == slot_of(MESSAGES.strip("/"))
    assert place_of("teams('1')/channels('2')/tabs('3')") is None
    assert len(client_state(KEY, slot_of(MESSAGES))) <= 128


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"value":1}', b"\xff", b"[" * 100_000])
def test_what_is_no_notification_is_refused(body: bytes) -> None:
    """400, and nothing is queued."""
    world = World()
    with pytest.raises(InboundRejected) as refused:
        world.notifications.receive(
            type("Call", (), {"token": world.token("acme-eu"), "source": "graph", "query": "", "body": body})(), "c"
        )
    assert (refused.value.status, refused.value.connection) == (400, "acme-eu")


def test_body_is_bounded() -> None:
    """Before it is parsed."""
    world = World()
    answer = ask(world, http(world, b" " * (MAX_BODY + 1)))
    assert answer["statusCode"] == 413


def test_storm_is_one_look_through_each_channel() -> None:
    """Thousands of items: one message each would take longer than Graph waits, and a second's read each after that."""
    world = World()
    storm = [item(REPLY.replace("2000", str(number))) for number in range(2000, 4000)]
    other = "19:other@thread.tacv2"
    elsewhere = item(REPLY.replace(CHANNEL, other), watched=messages_of(TEAM, other))
    lifecycle = {"subscriptionId": "sub-1", "lifecycleEvent": "missed", "clientState": item()["clientState"]}
    assert world.notify(*storm, elsewhere, lifecycle).queued == 3
    assert [(each.event.module, each.event.record_id) for each in world.queue.sent] == [
        ("graph_lifecycle", slot_of(MESSAGES)),
        ("graph_resync", slot_of(MESSAGES)),
        ("graph_resync", slot_of(messages_of(TEAM, other))),
    ]
    assert world.queue.sent[1].event.payload == {"team": TEAM, "channel": CHANNEL}


def test_second_storm_is_looked_at_again() -> None:
    """The first look may have been over before it."""
    world = World()
    storm = [item(REPLY.replace("2000", str(number))) for number in range(2000, 2200)]
    world.notify(*storm)
    world.clock.advance(1)
    world.notify(*storm)
    assert len({each.id for each in world.queue.sent}) == 2


def test_channel_that_changes_twice_in_a_minute_is_looked_at_twice() -> None:
    """SQS takes the same id once in five minutes: the second name would be seen by nobody before the daily look."""
    world = World()
    renamed = item(f"teams('{TEAM}')/channels('{CHANNEL}')", "updated", CHANNELS)
    assert world.notify(renamed, renamed).queued == 1
    world.clock.advance(20)
    world.notify(renamed)
    assert len({each.id for each in world.queue.sent}) == 2


def test_key_that_was_made_anew_is_read_again() -> None:
    """The secret is kept in memory for minutes: what Graph tells under the new key must not be dropped for so long."""
    world = World()
    secrets = world.notifications.secrets
    kept = dict(secrets.get("acme-eu", "graph"))
    world.notifications = replace(world.notifications, secrets=Kept({**kept, "key": "the old one"}, kept))
    assert world.notify(item()) == Heard("acme-eu", queued=1)
    assert world.notify(item(clientState="forged")) == Heard("acme-eu", dropped=1)


class Kept:
    """A secret that has changed since it was read."""

    def __init__(self, before: dict[str, Any], now: dict[str, Any]) -> None:
        self.before, self.now = before, now

    def get(self, connection: str, purpose: str, *, max_age: float = 300.0) -> dict[str, Any]:
        return self.before if max_age > 15 else self.now


@pytest.mark.parametrize("odd", ["\ud800", "\u202e", "\x00", "é"])
def test_ids_that_are_none_are_dropped(odd: str) -> None:
    """Half a character, or one that no id has: nothing of it goes on, and nothing breaks."""
    world = World()
    channel = CHANNEL + odd
    with suppress(UnicodeEncodeError):
        watched = messages_of(TEAM, channel)
        assert world.notify(item(REPLY.replace(CHANNEL, channel), watched=watched)).queued == 0
    for resource in (REPLY.replace("2000", f"2000{odd}"), REPLY.replace(CHANNEL, channel)):
        assert world.notify(item(resource)).queued == 0
    assert world.notify(item(subscriptionId=odd, id=[odd])).queued == 1


@pytest.mark.parametrize("steps", ["..", ".", "1/../2", "2?x=1", "2#x"])
def test_id_is_no_path(steps: str) -> None:
    """It becomes part of an address of Graph's."""
    assert World().notify(item(REPLY.replace("2000", steps))).queued == 0


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from(["resource", "changeType", "clientState", "lifecycleEvent", "subscriptionId", "id"])


@given(changes=st.lists(st.dictionaries(keys, plain, max_size=4), max_size=3), alone=plain)
def test_nothing_that_graph_could_send_breaks_ingest(changes: list[dict[str, Any]], alone: Any) -> None:
    """Whatever stands in an item, the answer is 202 or one plain 4xx."""
    world = World()
    for value in ([item(**each) for each in changes], alone):
        answer = ask(world, http(world, json.dumps({"value": value}).encode()))
        assert answer["statusCode"] in (202, 400)
