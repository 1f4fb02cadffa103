"""The Microsoft stand-ins refuse what Entra, the Bot Connector, Workflows and Graph refuse."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from vendors_desk import CARD_TYPE, START, Desk, activity, card, conversation, entra_form, entra_url

from sandbox.vendors import cards
from sandbox.vendors import default_world as w

BOT, GRAPH = "https://api.botframework.com", "https://graph.microsoft.com"


# --- Entra


@pytest.mark.parametrize(
    ("url", "form", "status", "error", "number"),
    [
        (entra_url(), entra_form(grant_type=""), 400, "invalid_request", 900144),
        (entra_url(), entra_form(grant_type="password"), 400, "unsupported_grant_type", 70003),
        (entra_url("common"), entra_form(), 400, "invalid_request", 9001023),
        (entra_url("00000000-0000-4000-a000-000000000000"), entra_form(), 400, "invalid_request", 90002),
        (entra_url("botframework.com"), entra_form(), 400, "unauthorized_client", 700016),
        (entra_url(), entra_form(client_id="nobody"), 400, "unauthorized_client", 700016),
        (entra_url(), entra_form(client_secret=""), 401, "invalid_client", 7000218),
        (entra_url(), entra_form(client_secret="wrong"), 401, "invalid_client", 7000215),
        (entra_url(), entra_form(scope=""), 400, "invalid_scope", 70011),
        (entra_url(), entra_form(scope=f"{GRAPH}/User.Read"), 400, "invalid_scope", 70011),
        (entra_url(), entra_form(scope=f"{GRAPH}/.default {BOT}/.default"), 400, "invalid_scope", 28002),
        (entra_url(), entra_form(scope="https://vault.azure.net/.default"), 400, "invalid_resource", 500011),
    ],
)
def test_wrong_token_requests_name_their_aadsts_number(
    desk: Desk, url: str, form: dict[str, str], status: int, error: str, number: int
) -> None:
    """The error word decides, the number explains."""
    answer = desk.ask("POST", url, form=form)
    content = answer.json()
    assert (answer.status, content["error"], content["error_codes"]) == (status, error, [number])
    assert content["error_description"].startswith(f"AADSTS{number}: ")


def test_expired_secrets_and_disabled_apps_are_refused(desk: Desk) -> None:
    """Two everyday reasons why a connection dies."""
    app = desk.world.microsoft.apps[w.MICROSOFT_TENANT, w.MICROSOFT_CLIENT_ID]
    app.secrets[w.MICROSOFT_CLIENT_SECRET] = START
    assert desk.ask("POST", entra_url(), form=entra_form()).json()["error_codes"] == [7000222]
    app.enabled = False
    assert desk.ask("POST", entra_url(), form=entra_form()).json()["error_codes"] == [7000112]


def test_a_token_request_must_be_a_form(desk: Desk) -> None:
    """JSON is not read."""
    assert desk.ask("POST", entra_url(), content=entra_form()).json()["error_codes"] == [900144]


def test_tokens_live_3599_seconds_and_have_one_audience(desk: Desk) -> None:
    """A bot token is worth nothing at Graph, and the other way round."""
    answer = desk.ask("POST", entra_url(), form=entra_form()).json()
    assert (answer["token_type"], answer["expires_in"], answer["ext_expires_in"]) == ("Bearer", 3599, 3599)
    bot, graph = answer["access_token"], desk.microsoft_token(GRAPH)
    refused = desk.graph("GET", "subscriptions", bot)
    assert (refused.status, refused.json()["error"]["code"]) == (401, "InvalidAuthenticationToken")
    assert desk.bot("POST", "conversations", graph, conversation()).status == 401
    desk.world.clock.advance(3598)
    assert desk.bot("POST", "conversations", bot, conversation()).status == 201
    desk.world.clock.advance(1)
    assert desk.bot("POST", "conversations", bot, conversation()).status == 401
    assert desk.graph("GET", "subscriptions", graph).status == 401


# --- Bot Connector


def _channel(channel_id: str) -> dict[str, Any]:
    return {"channel": {"id": channel_id}}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (conversation(isGroup=False), 400, "BadSyntax"),
        (conversation(isGroup=None), 400, "BadSyntax"),
        (conversation(tenantId=None), 400, "BadSyntax"),
        (conversation(tenantId="other"), 403, "NotEnoughPermissions"),
        (conversation(activity=None), 400, "BadSyntax"),
        (conversation(channelData=None), 400, "BadSyntax"),
        (conversation(channelData=_channel("19:nowhere@thread.tacv2")), 404, "ConversationNotFound"),
        (conversation(channelData=_channel(w.CHANNEL_WITHOUT_BOT)), 403, "BotNotInConversationRoster"),
        (conversation(activity={"type": "message"}), 400, "Bad Argument"),
        (conversation(activity=activity(type="typing")), 400, "Bad Argument"),
        (conversation(activity=activity(text=5)), 400, "Bad Argument"),
        (conversation(activity=activity(attachments={})), 400, "Bad Argument"),
        (
            conversation(activity=activity(attachments=[{"contentType": "text/html", "content": {}}])),
            400,
            "Bad Argument",
        ),
        (
            conversation(activity=activity(attachments=[{"contentType": CARD_TYPE, "content": json.dumps(card())}])),
            400,
            "Bad Argument",
        ),
        (
            conversation(activity=activity(attachments=[{"contentType": CARD_TYPE, "content": card(version="1.6")}])),
            400,
            "Bad Argument",
        ),
        (conversation(activity={"type": "message", "text": "x" * 51_300}), 413, "MessageSizeTooBig"),
        ([1], 400, "BadSyntax"),
    ],
)
def test_wrong_posts_are_refused_and_leave_nothing(desk: Desk, body: Any, status: int, code: str) -> None:
    """Every rule of creating a conversation, each broken once."""
    answer = desk.bot("POST", "conversations", desk.microsoft_token(BOT), body)
    assert (answer.status, answer.json()["error"]["code"]) == (status, code)
    assert "MS-CV" in answer.headers
    assert all(not channel.messages for channel in desk.world.microsoft.channels.values())


def test_a_body_beyond_ascii_needs_its_charset(desk: Desk) -> None:
    """Umlauts arrive broken otherwise."""
    raw = json.dumps(conversation(activity={"type": "message", "text": "Müller"}), ensure_ascii=False).encode()
    head = {"Authorization": f"Bearer {desk.microsoft_token(BOT)}", "Content-Type": "application/json"}
    url = "https://smba.trafficmanager.net/teams/v3/conversations"
    assert desk.ask("POST", url, raw=raw, headers=head).status == 400
    head["Content-Type"] = "application/json; charset=utf-8"
    assert desk.ask("POST", url, raw=raw, headers=head).status == 201


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff"])
def test_a_body_that_is_not_json_is_bad_syntax(desk: Desk, raw: bytes) -> None:
    """Never a 500."""
    head = {"Authorization": f"Bearer {desk.microsoft_token(BOT)}", "Content-Type": "application/json; charset=utf-8"}
    url = "https://smba.trafficmanager.net/teams/v3/conversations"
    assert desk.ask("POST", url, raw=raw, headers=head).json()["error"]["code"] == "BadSyntax"


def test_bots_that_are_not_registered_or_blocked(desk: Desk) -> None:
    """No bot registration is 401, an administrator's block is 403."""
    token = desk.microsoft_token(BOT)
    desk.world.microsoft.channels[w.CHANNEL_FINANCE].blocked_by_admin = True
    answer = desk.bot("POST", "conversations", token, conversation())
    assert (answer.status, answer.json()["error"]["code"]) == (403, "BotDisabledByAdmin")
    desk.world.microsoft.apps[w.MICROSOFT_TENANT, w.MICROSOFT_CLIENT_ID].bot = False
    answer = desk.bot("POST", "conversations", token, conversation())
    assert (answer.status, answer.json()["error"]["code"]) == (401, "BotNotRegistered")


def test_post_reply_edit_delete(desk: Desk) -> None:
    """The life of a thread; ids are digits that grow, and the encoded conversation id works."""
    token = desk.microsoft_token(BOT)
    made = desk.bot("POST", "conversations", token, conversation())
    root = made.json()["activityId"]
    assert made.status == 201
    assert root.isdigit()
    assert made.json()["id"] == f"{w.CHANNEL_FINANCE};messageid={root}"
    thread = f"conversations/{quote(made.json()['id'], safe='')}/activities"
    reply = desk.bot("POST", thread, token, {"type": "message", "text": "paid"})
    assert (reply.status, int(reply.json()["id"]) > int(root)) == (201, True)
    edit = desk.bot("PUT", f"{thread}/{root}", token, activity(summary="Invoice paid"))
    assert (edit.status, edit.json()) == (200, {"id": root})
    (shown,) = desk.control("GET", f"teams/channels/{quote(w.CHANNEL_FINANCE, safe='')}/messages").json()["messages"]
    assert (shown["edits"], shown["summary"], shown["replies"][0]["text"]) == (1, "Invoice paid", "paid")
    assert desk.bot("DELETE", f"{thread}/{root}", token).status == 200
    assert desk.bot("PUT", f"{thread}/{root}", token, activity()).json()["error"]["code"] == (
        "ActivityNotFoundInConversation"
    )


@pytest.mark.parametrize(
    ("method", "suffix", "tail", "status", "code"),
    [
        ("POST", ";messageid=0", "", 400, "BadSyntax"),
        ("POST", ";messageid=x", "", 400, "BadSyntax"),
        ("POST", ";messageid=123", "", 404, "ActivityNotFoundInConversation"),
        ("POST", ";messageid={reply}", "", 404, "ActivityNotFoundInConversation"),
        ("PUT", "", "/{root}", 404, "ActivityNotFoundInConversation"),
        ("PUT", ";messageid={root}", "/1", 404, "ActivityNotFoundInConversation"),
        ("DELETE", ";messageid={root}", "/1", 404, "ActivityNotFoundInConversation"),
    ],
)
def test_wrong_threads_and_activities(desk: Desk, method: str, suffix: str, tail: str, status: int, code: str) -> None:
    """The thread suffix routes; an edit needs it and the message's own id."""
    token = desk.microsoft_token(BOT)
    made = desk.bot("POST", "conversations", token, conversation()).json()
    root, thread = made["activityId"], quote(made["id"], safe="")
    reply = desk.bot("POST", f"conversations/{thread}/activities", token, activity()).json()["id"]
    place = quote(w.CHANNEL_FINANCE + suffix.format(root=root, reply=reply), safe="")
    path = f"conversations/{place}/activities{tail.format(root=root)}"
    answer = desk.bot(method, path, token, activity())
    assert (answer.status, answer.json()["error"]["code"]) == (status, code)


def test_other_senders_messages_cannot_be_edited(desk: Desk) -> None:
    """Only the bot's own."""
    token = desk.microsoft_token(BOT)
    root = desk.bot("POST", "conversations", token, conversation()).json()["activityId"]
    desk.world.microsoft.channels[w.CHANNEL_FINANCE].messages[0].sender = "someone else"
    path = f"conversations/{quote(f'{w.CHANNEL_FINANCE};messageid={root}', safe='')}/activities/{root}"
    assert desk.bot("PUT", path, token, activity()).status == 403


@pytest.mark.parametrize(("pause", "fits"), [(0.0, 7), (0.15, 8), (0.6, 60)])
def test_the_rates_of_a_conversation(desk: Desk, pause: float, fits: int) -> None:
    """7 in a second, 8 in two, 60 in thirty; then 429 with Retry-After, and after it the door is open."""
    token = desk.microsoft_token(BOT)
    desk.world.clock.advance(0.5)
    if pause == 0.6:
        pause = 0.45  # eight in two seconds are 0.25 apart at best
    for _ in range(fits):
        assert desk.bot("POST", "conversations", token, conversation()).status == 201
        desk.world.clock.advance(pause)
    answer = desk.bot("POST", "conversations", token, conversation())
    assert (answer.status, answer.json()["error"]["code"]) == (429, "Throttled")
    desk.world.clock.advance(int(answer.headers["Retry-After"]))
    assert desk.bot("POST", "conversations", token, conversation()).status == 201


def test_the_bot_lists_its_team(desk: Desk) -> None:
    """By thread id, and only where it is installed."""
    token = desk.microsoft_token(BOT)
    thread = quote(w.MICROSOFT_TEAM_THREAD, safe="")
    assert desk.bot("GET", f"teams/{thread}", token).json()["aadGroupId"] == w.MICROSOFT_TEAM
    names = [one["name"] for one in desk.bot("GET", f"teams/{thread}/conversations", token).json()["conversations"]]
    assert names == ["finance", "purchasing", "board room"]
    for channel in desk.world.microsoft.channels.values():
        channel.installed = []
    assert desk.bot("GET", f"teams/{thread}", token).status == 403


# --- cards


@pytest.mark.parametrize(
    "wrong",
    [
        card(type="Card"),
        card(version=None),
        card(version="1.6"),
        card(version=1.5),
        card(fallbackText=None),
        card(fallbackText=" "),
        card(colour="red"),
        card(msteams={"width": "Full", "height": 1}),
        card(body=[{"type": "TextBlock"}]),
        card(body=[{"type": "TextBlock", "text": "x", "bold": True}]),
        card(body=[{"type": "Badge", "text": "x"}]),
        card(body=[{"text": "x"}]),
        card(body=[{"type": "TextBlock", "text": "{{DATE(2026-11-22)}}"}]),
        card(body=[{"type": "FactSet", "facts": [{"title": "a"}]}]),
        card(body=[{"type": "FactSet", "facts": [{"title": "a", "value": 5}]}]),
        card(body=[{"type": "Container", "items": [{"type": "TextBlock", "text": "x", "nope": 1}]}]),
        card(actions=[{"type": "Action.OpenUrl", "title": "x"}]),
        card(actions=[{"type": "Action.OpenUrl", "url": "https://a.b", "style": "positive"}]),
        card(body=[{"type": "Media", "sources": []}]),
        [],
        "card",
    ],
)
def test_wrong_cards_have_problems(wrong: Any) -> None:
    """What Teams would not show as meant is refused."""
    assert cards.problems(wrong)


@pytest.mark.parametrize(
    "good",
    [
        card(),
        card(msteams={"width": "Full"}),
        card(body=[{"type": "Badge", "text": "x", "fallback": {"type": "TextBlock", "text": "x"}}]),
        card(body=[{"type": "ColumnSet", "columns": [{"type": "Column", "width": "auto", "items": []}]}]),
        card(body=[{"type": "Container", "style": "attention", "items": [{"type": "TextBlock", "text": "x"}]}]),
        card(
            body=[
                {
                    "type": "Table",
                    "columns": [{"width": 2}, {"width": "80px", "horizontalCellContentAlignment": "right"}],
                    "rows": [
                        {
                            "type": "TableRow",
                            "cells": [{"type": "TableCell", "items": [{"type": "TextBlock", "text": "x"}]}],
                        }
                    ],
                }
            ]
        ),
        card(
            body=[{"type": "ActionSet", "actions": [{"type": "Action.ToggleVisibility", "targetElements": ["lines"]}]}],
            actions=[{"type": "Action.OpenUrl", "title": "Open", "url": "https://a.b"}],
        ),
    ],
)
def test_good_cards_have_none(good: Any) -> None:
    """The elements we use pass."""
    assert cards.problems(good) == []


# --- Workflows


def _message(**changes: Any) -> dict[str, Any]:
    return {
        "type": "message",
        "attachments": [{"contentType": CARD_TYPE, "contentUrl": None, "content": card()} | changes],
    }


@pytest.mark.parametrize(
    ("method", "url", "headers", "body", "status"),
    [
        ("GET", w.WORKFLOW_URL, {}, None, 404),
        ("POST", w.WORKFLOW_URL, {"Authorization": "Bearer x"}, _message(), 401),
        ("POST", w.WORKFLOW_URL[:-1], {}, _message(), 401),
        ("POST", w.WORKFLOW_URL.replace("%2F", "/"), {}, _message(), 401),
        ("POST", w.WORKFLOW_URL.replace("abcd", "abce"), {}, _message(), 404),
        ("POST", "https://prod-01.westeurope.logic.azure.com/workflows/x/triggers/manual", {}, _message(), 404),
        ("POST", w.WORKFLOW_URL, {}, {"attachments": _message()["attachments"]}, 400),
        ("POST", w.WORKFLOW_URL, {}, {"type": "message", "attachments": []}, 400),
        ("POST", w.WORKFLOW_URL, {}, _message(contentUrl=""), 400),
        ("POST", w.WORKFLOW_URL, {}, _message(contentType="text/html"), 400),
        ("POST", w.WORKFLOW_URL, {}, _message(content=json.dumps(card())), 400),
    ],
)
def test_wrong_workflow_calls_are_refused(
    desk: Desk, method: str, url: str, headers: dict[str, str], body: Any, status: int
) -> None:
    """The URL counts byte for byte, the envelope is fixed, and a token makes the call fail."""
    assert desk.ask(method, url, content=body, headers=headers).status == status
    assert desk.world.microsoft.workflows[0].runs == []


def _runs(desk: Desk) -> list[tuple[str, str]]:
    return [(run["status"], run["error"]) for run in desk.world.microsoft.workflows[0].runs]


def test_accepted_is_not_delivered(desk: Desk) -> None:
    """202 with an empty body in all cases; a wrong or big card fails in the run history only."""
    big = card(body=[{"type": "TextBlock", "text": "x" * 29_000}])
    for content in (card(), card(version="2.0"), big, card(actions=[{"type": "Action.Submit", "title": "x"}])):
        answer = desk.ask("POST", w.WORKFLOW_URL.replace(":443", ""), content=_message(content=content))
        assert (answer.status, answer.body) == (202, b"")
    assert [status for status, _ in _runs(desk)] == ["Succeeded", "Failed", "Failed", "Failed"]
    assert _runs(desk)[2][1] == "Request Entity too large"
    assert len(desk.world.microsoft.channels[w.CHANNEL_PURCHASING].messages) == 1


def test_the_26th_post_in_five_minutes_fails_unseen(desk: Desk) -> None:
    """The Flow bot posts 25 times in 300 seconds; the caller still gets 202."""
    for _ in range(26):
        assert desk.ask("POST", w.WORKFLOW_URL, content=_message()).status == 202
    assert _runs(desk)[-1][0] == "Failed"
    desk.world.clock.advance(300)
    desk.ask("POST", w.WORKFLOW_URL, content=_message())
    assert _runs(desk)[-1][0] == "Succeeded"


def test_a_workflow_that_is_off_is_404(desk: Desk) -> None:
    """Switched off looks like gone."""
    desk.world.microsoft.workflows[0].enabled = False
    answer = desk.ask("POST", w.WORKFLOW_URL, content=_message())
    assert (answer.status, answer.json()["error"]["code"]) == (404, "WorkflowTriggerIsNotEnabled")


# --- Graph

RESOURCE = f"/teams/{w.MICROSOFT_TEAM}/channels/{w.CHANNEL_FINANCE}/messages"


def _in(minutes: float) -> str:
    return (datetime.fromtimestamp(START, UTC) + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S.0000000Z")


def _subscription(**changes: Any) -> dict[str, Any]:
    good: dict[str, Any] = {
        "changeType": "created,updated,deleted",
        "resource": RESOURCE,
        "notificationUrl": "https://api.example.com/graph",
        "lifecycleNotificationUrl": "https://api.example.com/graph",
        "expirationDateTime": _in(4200),
        "clientState": "s",
    }
    return {key: value for key, value in (good | changes).items() if value is not None}


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"changeType": None}, 400, "InvalidRequest"),
        ({"changeType": "created,moved"}, 400, "InvalidRequest"),
        ({"notificationUrl": None}, 400, "InvalidRequest"),
        ({"notificationUrl": "http://api.example.com/graph"}, 400, "InvalidRequest"),
        ({"resource": None}, 400, "InvalidRequest"),
        ({"resource": "/drives"}, 400, "InvalidRequest"),
        ({"expirationDateTime": None}, 400, "InvalidRequest"),
        ({"expirationDateTime": "tomorrow"}, 400, "InvalidRequest"),
        ({"expirationDateTime": _in(-1)}, 400, "InvalidRequest"),
        ({"expirationDateTime": _in(4321)}, 400, "InvalidRequest"),
        ({"lifecycleNotificationUrl": None, "expirationDateTime": _in(61)}, 400, "InvalidRequest"),
        ({"clientState": "x" * 129}, 400, "InvalidRequest"),
        ({"includeResourceData": True}, 400, "InvalidRequest"),
        ({"resource": "/teams/getAllMessages"}, 403, "Forbidden"),
        ({"resource": f"/teams/{w.MICROSOFT_TEAM}/channels/19:x@thread.tacv2/messages"}, 404, "NotFound"),
        ({"resource": "/teams/nobody"}, 404, "NotFound"),
    ],
)
def test_wrong_subscriptions_are_refused(desk: Desk, changes: dict[str, Any], status: int, code: str) -> None:
    """Above all: more than an hour needs the lifecycle URL, and three days are the end."""
    answer = desk.graph("POST", "subscriptions", desk.microsoft_token(GRAPH), _subscription(**changes))
    assert (answer.status, answer.json()["error"]["code"]) == (status, code)
    assert desk.world.microsoft.subscriptions == {}


def test_a_subscription_is_renewed_until_it_expires(desk: Desk) -> None:
    """Renewing after expiry is 404: it must be created anew."""
    token = desk.microsoft_token(GRAPH)
    made = desk.graph("POST", "subscriptions", token, _subscription(expirationDateTime=_in(50)))
    key = made.json()["id"]
    assert made.status == 201
    twice = desk.graph("POST", "subscriptions", token, _subscription())
    assert (twice.status, twice.json()["error"]["code"]) == (403, "Forbidden")
    patch = desk.graph("PATCH", f"subscriptions/{key}", token, {"expirationDateTime": _in(55)})
    assert (patch.status, patch.json()["expirationDateTime"]) == (200, _in(55))
    wrong = desk.graph("PATCH", f"subscriptions/{key}", token, {"lifecycleNotificationUrl": "https://a.b"})
    assert wrong.status == 400
    assert desk.graph("POST", f"subscriptions/{key}/reauthorize", token).status == 204
    assert len(desk.graph("GET", "subscriptions", token).json()["value"]) == 1
    desk.world.clock.advance(56 * 60)
    gone = desk.graph("PATCH", f"subscriptions/{key}", token, {"expirationDateTime": _in(120)})
    assert (gone.status, gone.json()["error"]["code"]) == (404, "ResourceNotFound")
    assert desk.graph("GET", "subscriptions", token).json()["value"] == []


def test_less_than_45_minutes_become_45(desk: Desk) -> None:
    """Silently."""
    token = desk.microsoft_token(GRAPH)
    made = desk.graph("POST", "subscriptions", token, _subscription(expirationDateTime=_in(1)))
    assert made.json()["expirationDateTime"] == _in(45)


@pytest.mark.parametrize("tail", ["messages", "messages/1/replies"])
def test_an_app_alone_never_posts(desk: Desk, tail: str) -> None:
    """403 without the migration role, and with it a 401 that no new token cures."""
    path = f"teams/{w.MICROSOFT_TEAM}/channels/{w.CHANNEL_FINANCE}/{tail}"
    answer = desk.graph("POST", path, desk.microsoft_token(GRAPH), {})
    assert (answer.status, answer.json()["error"]["code"]) == (403, "Forbidden")
    app = desk.world.microsoft.apps[w.MICROSOFT_TENANT, w.MICROSOFT_CLIENT_ID]
    app.graph_roles = ["Teamwork.Migrate.All"]
    answer = desk.graph("POST", path, desk.microsoft_token(GRAPH), {})
    assert (answer.status, answer.json()["error"]["code"]) == (401, "Unauthorized")


def test_channel_reads_need_their_role(desk: Desk) -> None:
    """Posts newest first, with the card as text; `$top` is at most 50."""
    desk.world.unlimited.add("graph")
    bot, token = desk.microsoft_token(BOT), desk.microsoft_token(GRAPH)
    for _ in range(3):
        desk.bot("POST", "conversations", bot, conversation())
    path = f"teams/{w.MICROSOFT_TEAM}/channels/{quote(w.CHANNEL_FINANCE, safe='')}"
    assert desk.graph("GET", path, token).json()["displayName"] == "finance"
    page = desk.graph("GET", f"{path}/messages?$top=2", token).json()
    assert [int(one["id"]) for one in page["value"]] == sorted((int(one["id"]) for one in page["value"]), reverse=True)
    assert json.loads(page["value"][0]["attachments"][0]["content"]) == card()
    rest = desk.graph("GET", page["@odata.nextLink"].partition("/v1.0/")[2], token).json()
    assert (len(rest["value"]), "@odata.nextLink" in rest) == (1, False)
    assert desk.graph("GET", f"{path}/messages?$top=51", token).status == 400
    desk.world.microsoft.apps[w.MICROSOFT_TENANT, w.MICROSOFT_CLIENT_ID].graph_roles = []
    assert desk.graph("GET", f"{path}/messages", desk.microsoft_token(GRAPH)).status == 403
