"""What is heard from Graph, on the wire: subscriptions, and the reading of what it told (microsoft-teams 7, 8)."""

from __future__ import annotations

from typing import Any

import pytest

from ml_connector.errors import NeedsAttention, RetryLater, Throttled, Undeliverable
from ml_connector.limits import Budget, Unlimited
from ml_connector.vendors import microsoft
from ml_connector.vendors.microsoft import Graphs
from tests.fakes import CHANNEL, TEAM, AccessTokens, Says, Wire, http

ROOT = "https://graph.microsoft.com/v1.0"
IN_CHANNEL = f"{ROOT}/teams/{TEAM}/channels/19%3Afinancechannel%40thread.tacv2"


class Limits(Unlimited):
    """Remembers what was drawn on; `full` refuses."""

    def __init__(self, *, full: bool = False) -> None:
        self.taken: list[Budget] = []
        self.full = full

    def take(self, budget: Budget, *, optional: bool = False) -> None:
        self.taken.append(budget)
        if self.full:
            raise Throttled("graph: 1 calls in 1 s are made", 0.7)


def graphs(wire: Wire, limits: Limits | None = None) -> Graphs:
    stored = {"cloud": "global", "tenant_id": "t-1", "client_id": "c-1"}
    return Graphs(lambda hosts: http(wire, hosts), AccessTokens(), lambda name: stored, limits or Limits())


def code(name: str) -> dict[str, Any]:
    return {"error": {"code": name, "message": "no"}}


def test_subscription_is_asked_for_as_it_is_given() -> None:
    """And Graph's answer handed on: its id, and the expiry that it granted."""
    wire = Wire(Says(201, {"id": "s-1", "expirationDateTime": "2026-11-25T06:00:00Z"}))
    made = graphs(wire).subscribe("acme-eu", {"resource": "/teams/1/channels"})
    assert (made["id"], wire.calls[0].method, wire.calls[0].url) == ("s-1", "POST", f"{ROOT}/subscriptions")
    assert wire.sent() == {"resource": "/teams/1/channels"}


@pytest.mark.parametrize(
    ("outcome", "status", "body"),
    [
        (Undeliverable, 400, code("InvalidRequest")),
        (NeedsAttention, 401, code("InvalidAuthenticationToken")),
        (Undeliverable, 403, code("Forbidden")),
        (Undeliverable, 404, code("NotFound")),
        (Undeliverable, 409, code("Conflict")),
        (RetryLater, 429, code("TooManyRequests")),
        (RetryLater, 503, b"<html>"),
        (RetryLater, 201, b"<html>"),
    ],
)
def test_refused_subscription(outcome: type[Exception], status: int, body: Any) -> None:
    """What the caller decides by: 403 and 409 may mean that there is one already."""
    with pytest.raises(outcome) as caught:
        graphs(Wire(Says(status, body))).subscribe("acme-eu", {})
    if isinstance(caught.value, Undeliverable) and not isinstance(caught.value, NeedsAttention):
        assert caught.value.status == status


def test_refusal_of_a_subscription_says_what_graph_says() -> None:
    """403 is a missing permission, or a limit: only Graph's own words tell which (7.1)."""
    limit = {"error": {"code": "Forbidden", "message": "The limit of 10000 subscriptions per tenant was reached."}}
    with pytest.raises(Undeliverable, match="limit of 10000 subscriptions") as caught:
        graphs(Wire(Says(403, limit))).subscribe("acme-eu", {})
    assert caught.value.status == 403


@pytest.mark.parametrize("status", [400, 403, 404])
def test_refusal_of_a_subscription_repeats_no_secret(status: int) -> None:
    """Its reason is logged and shown, and Graph may quote what it was asked: the address, the client state."""
    token, state = "t0kEn-of-the-path".ljust(43, "x"), "slot.sEcReT"
    address = f"https://api.example/webhooks/graph/{token}"
    body = {"notificationUrl": address, "lifecycleNotificationUrl": address, "clientState": state}
    said = {"error": {"code": "InvalidRequest", "message": f"{'x' * 150} {address} does not answer, {state} neither"}}
    with pytest.raises(Undeliverable, match="graph/… does") as caught:
        graphs(Wire(Says(status, said))).subscribe("acme-eu", body)
    assert (caught.value.status, token[:6] in str(caught.value), "sEcReT" in str(caught.value)) == (
        status,
        False,
        False,
    )


@pytest.mark.parametrize("status", [204, 404])
def test_ended_subscription_has_ended(status: int) -> None:
    """Whoever ended it."""
    wire = Wire(Says(status))
    graphs(wire).unsubscribe("acme-eu", "s/1")
    assert (wire.calls[0].method, wire.calls[0].url) == ("DELETE", f"{ROOT}/subscriptions/s%2F1")


def test_subscription_that_cannot_be_ended_is_said() -> None:
    """The caller decides that it may end by itself."""
    with pytest.raises(RetryLater):
        graphs(Wire(Says(503))).unsubscribe("acme-eu", "s1")


def test_list_of_subscriptions_is_followed() -> None:
    """Page by page."""
    wire = Wire(
        Says(200, {"value": [{"id": "1"}], "@odata.nextLink": f"{ROOT}/subscriptions?$skiptoken=x"}),
        Says(200, {"value": [{"id": "2"}]}),
    )
    assert [each["id"] for each in graphs(wire).subscriptions("acme-eu")] == ["1", "2"]


def test_reads_of_a_channel_draw_on_its_budget() -> None:
    """Its messages, its changes, itself: one a second, whoever of us reads (8.1)."""
    limits = Limits()
    wire = Wire(Says(200, {"value": []}))
    feed = graphs(wire, limits)
    feed.message("acme-eu", TEAM, CHANNEL, "1000", "2/000")
    feed.channel("acme-eu", TEAM, CHANNEL)
    feed.changed("acme-eu", TEAM, CHANNEL, "2026-11-22T08:00:00Z")
    feed.changed("acme-eu", TEAM, CHANNEL, "", f"{ROOT}/next")
    assert [each.url for each in wire.calls] == [
        f"{IN_CHANNEL}/messages/1000/replies/2%2F000",
        f"{IN_CHANNEL}?$select=id,displayName,webUrl",
        f"{IN_CHANNEL}/messages/delta?$top=50&$expand=replies&$filter=lastModifiedDateTime%20gt%202026-11-22T08:00:00Z",
        f"{ROOT}/next",
    ]
    assert len(limits.taken) == 4
    assert {each.account for each in limits.taken} == {"t-1#c-1"}
    with pytest.raises(Throttled):
        graphs(wire, Limits(full=True)).channel("acme-eu", TEAM, CHANNEL)


def test_next_page_is_on_graphs_own_host() -> None:
    """Whatever an answer names."""
    with pytest.raises(Undeliverable, match="not its own"):
        graphs(Wire(Says())).changed("acme-eu", TEAM, CHANNEL, "", "https://evil.example/v1.0/next")
    assert microsoft.HOSTS
