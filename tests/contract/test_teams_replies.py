"""Subscriptions, notifications and replies against the strict stand-in: what Graph really sends, we understand.

Graph's calls to our address are handed to ingest's own handler; its queue messages to the real carriers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest

from functions.ingest import app
from ml_connector.limits import UNLIMITED
from ml_connector.vendors import microsoft
from sandbox.vendors import control_graph, graph_notifications
from sandbox.vendors import default_world as w
from sandbox.vendors.wire import Answer
from tests import fakes
from tests.contract.test_against_standins import Company
from tests.fakes import delivery
from tests.teams_world import World, connection

ROUTES = [{"events": ["*"], "when": {}, "to": ["finance"]}]


class Office:
    """A company whose finance channel has a card, and our side of what Graph tells of it."""

    def __init__(self) -> None:
        self.company = Company()
        bot = {"type": "teams", "transport": "bot", "team_id": w.MICROSOFT_TEAM, "channel_id": w.CHANNEL_FINANCE}
        applied = connection(
            microsoft={"tenant_id": w.MICROSOFT_TENANT, "client_id": w.MICROSOFT_CLIENT_ID},
            destinations={"finance": bot},
            routes=ROUTES,
        )
        self.company.connection = applied
        credentials = lambda name: self.company.secrets.get(name, "microsoft")  # noqa: E731
        self.ours = World(
            clock=self.company.clock,
            connections=fakes.Connections({"acme-eu": applied}),
            deliveries=self.company.deliveries,
            graph=microsoft.Graphs(self.company.http, self.company.tokens, credentials, UNLIMITED),
        )
        self.world = self.company.world
        self.world.ask = self.called
        self.answers: list[int] = []

    def called(self, url: str, body: bytes, headers: Mapping[str, str], /) -> Answer:
        """Graph calls: as API Gateway hands it over."""
        parts = urlsplit(url)
        assert parts.path.startswith("/webhooks/graph/")
        event = {
            "requestContext": {"requestId": "call-1"},
            "pathParameters": {"source": "graph", "token": parts.path.rpartition("/")[2]},
            "rawQueryString": parts.query,
            "headers": dict(headers),
            "body": body.decode(),
        }
        answer = app.handler(event, None)
        self.answers.append(answer["statusCode"])
        return Answer(answer["statusCode"], answer["body"].encode(), answer["headers"])

    def settle(self) -> list[str]:
        """Graph sends what is due, and we work it off; a second apart, as Graph allows reads."""
        came = []
        for _ in range(4):
            graph_notifications.settle(self.world)
            came += self.ours.work()
            self.company.clock.advance(1)
        return came

    def card(self) -> str:
        """A card of an invoice; its id."""
        self.company.courier().carry(delivery("finance"))
        self.company.clock.advance(2)
        identity: str = self.company.deliveries.of(delivery("finance")).external_id
        return identity

    def does(self, method: str, *path: str, **body: Any) -> Any:
        with self.world.lock:
            return control_graph.route(self.world, method, path, body)

    def reply(self, root: str, **body: Any) -> str:
        body = {"text": "On it", "user_id": "u-anna", "name": "Anna Müller", **body}
        identity: str = self.does("POST", "teams", "channels", w.CHANNEL_FINANCE, "messages", root, "replies", **body)[
            "id"
        ]
        return identity


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> Office:
    made = Office()
    monkeypatch.setattr(app, "notifications", lambda: made.ours.notifications)
    assert made.ours.run()["created"] == 2
    assert made.answers == [200] * 4
    made.settle()
    made.answers.clear()
    return made


def test_reply_to_a_card_is_acknowledged(office: Office) -> None:
    """By whom and when; of its text nothing is anywhere."""
    root = office.card()
    identity = office.reply(root)
    came = office.settle()
    assert "acknowledged" in came
    (entry,) = office.ours.acknowledged
    assert (entry.external_id, entry.by) == (identity, "Anna Müller (u-anna)")
    assert "/l/message/" in entry.link
    assert "On it" not in str(office.ours.deliveries.audit.entries)
    assert office.ours.deliveries.faults() == []
    assert set(office.answers) == {202}


def test_our_own_cards_and_edits_and_others_threads_are_no_acknowledgements(office: Office) -> None:
    """A card, its edit, a person's own thread and the reply to that; a reply that is edited and taken back."""
    root = office.card()
    office.company.courier().carry(delivery("finance", modified="2026-11-22T09:00:00+0100", status="paid"))
    thread = office.does(
        "POST", "teams", "channels", w.CHANNEL_FINANCE, "messages", text="Lunch?", user_id="u-anna", name="A"
    )
    office.reply(thread["id"])
    gone = office.reply(root)
    office.does("DELETE", "teams", "channels", w.CHANNEL_FINANCE, "messages", gone)
    assert "acknowledged" not in office.settle()
    assert office.ours.acknowledged == []


def test_repeated_and_reordered_notifications_make_one_entry(office: Office) -> None:
    """At least once, in no order (7.4)."""
    office.does("PATCH", "graph", "notifying", copies=3, reorder=True)
    root = office.card()
    for _ in range(3):
        office.reply(root)
    office.settle()
    office.company.clock.advance(1)
    office.settle()
    assert len(office.ours.acknowledged) == 3


def test_lost_notifications_are_found_by_the_daily_look(office: Office) -> None:
    """Graph's delta, with the threads' replies, from the last look on."""
    office.does("PATCH", "graph", "notifying", lose=100)
    root = office.card()
    found = [office.reply(root) for _ in range(2)]
    office.settle()
    assert office.ours.acknowledged == []
    office.does("PATCH", "graph", "notifying", lose=0)
    for _ in range(25):
        office.company.clock.advance(3600)
        office.ours.run()
    office.settle()
    assert sorted(each.external_id for each in office.ours.acknowledged) == found


@pytest.mark.parametrize("event", ["reauthorizationRequired", "missed"])
def test_lifecycle_events_are_answered(office: Office, event: str) -> None:
    """By control; the stand-in also challenges by itself."""
    for each in office.ours.rows.all():
        office.does("POST", "graph", "subscriptions", each.id, "lifecycle", event=event)
    before = {each.id for each in office.ours.rows.all()}
    came = office.settle()
    assert [each for each in came if each.startswith("looked")]
    assert {each.id for each in office.ours.rows.all()} == before


def test_half_a_day_of_ending_tokens_is_heard_through(office: Office) -> None:
    """Each hour the access behind the subscriptions ends; Graph's challenges and our runs keep it up (7.4)."""
    root = office.card()
    found = []
    for tick in range(72):
        if tick % 6 == 3:
            office.ours.run()
        found.append(office.reply(root))
        office.settle()
        assert [each.external_id for each in office.ours.acknowledged] == found
        office.company.clock.advance(596)
    assert {each.id for each in office.ours.rows.all()} == {*office.world.microsoft.subscriptions}


def test_removed_subscription_is_there_again_and_its_gap_closed(office: Office) -> None:
    """Removed, then a reply, and only then our turn."""
    root = office.card()
    (messages,) = [each for each in office.ours.rows.all() if each.resource.endswith("messages")]
    office.does("DELETE", "graph", "subscriptions", messages.id)
    office.reply(root)
    office.settle()
    office.settle()
    (again,) = [each for each in office.ours.rows.all() if each.resource.endswith("messages")]
    assert again.id not in ("", messages.id)
    assert len(office.ours.acknowledged) == 1


def test_lapsed_subscription_is_made_anew(office: Office) -> None:
    """After four days without a run."""
    office.company.clock.advance(100 * 3600)
    counts = office.ours.run()
    assert (counts["gone"], counts["created"], counts["failed"]) == (2, 2, 0)


def test_second_subscription_to_the_same_is_adopted(office: Office) -> None:
    """403 with a limit's text (7.1): the list shows ours."""
    before = {each.id for each in office.ours.rows.all()}
    office.ours.rows.subs.clear()
    assert office.ours.run()["created"] == 2
    assert {each.id for each in office.ours.rows.all()} == before


def test_missing_permission_is_said(office: Office) -> None:
    """The app was installed without its consent, and has no role of the tenant either."""
    channel = office.world.microsoft.channels[w.CHANNEL_FINANCE]
    for each in office.world.microsoft.channels.values():
        each.installed.clear()
    application = office.world.microsoft.apps[w.MICROSOFT_TENANT, w.MICROSOFT_CLIENT_ID]
    application.graph_roles = ()
    office.ours.rows.subs.clear()
    office.world.microsoft.subscriptions.clear()
    counts = office.ours.run()
    assert channel.team_id
    assert (counts["refused"], counts["created"]) == (2, 0)
    assert all("permission" in each.reason for each in office.ours.rows.all())


def test_channel_is_renamed_deleted_and_restored(office: Office) -> None:
    """People are told of each, once."""
    channel = office.world.microsoft.channels[w.CHANNEL_FINANCE]
    old = channel.name
    channel.name = "Accounting"
    with office.world.lock:
        graph_notifications.channel_changed(office.world, channel, "updated")
    office.settle()
    office.does("POST", "teams", "channels", w.CHANNEL_FINANCE, "delete")
    office.settle()
    office.company.clock.advance(61)
    office.settle()
    assert office.ours.rows.known["acme-eu", w.CHANNEL_FINANCE].gone_at
    office.does("POST", "teams", "channels", w.CHANNEL_FINANCE, "restore")
    for _ in range(2):
        office.company.clock.advance(3600)
        office.ours.run()
        office.settle()
    assert office.ours.admin.posts == [
        f"The Teams channel {old} is called Accounting now",
        "The Teams channel Accounting was deleted",
        "The Teams channel Accounting is back",
    ]
    assert not office.ours.rows.known["acme-eu", w.CHANNEL_FINANCE].gone_at
