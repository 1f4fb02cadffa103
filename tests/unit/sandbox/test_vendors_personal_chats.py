"""What the stand-in of Teams gives and refuses about people's chats with the bot (contracts: microsoft-teams 2)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from vendors_desk import Desk, activity

from sandbox.vendors import default_world as w
from sandbox.vendors.world import MicrosoftUser

BOT, GRAPH = "https://api.botframework.com", "https://graph.microsoft.com"
THREAD = quote(w.MICROSOFT_TEAM_THREAD, safe="")


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.world.unlimited |= {"bot", "graph"}
    return desk


def wanted(*members: str, **changes: Any) -> dict[str, Any]:
    given = [{"id": member} for member in members or (w.MICROSOFT_BOSS,)]
    return {"isGroup": False, "tenantId": w.MICROSOFT_TENANT, "members": given} | changes


def opened(desk: Desk) -> tuple[str, str]:
    """A token, and the path of the chat's activities."""
    token = desk.microsoft_token(BOT)
    chat = desk.bot("POST", "conversations", token, wanted()).json()["id"]
    return token, f"conversations/{quote(chat, safe='')}/activities"


def test_a_chat_is_the_same_each_time_and_empty(desk: Desk) -> None:
    """Without an activity nothing is written; with one the answer has no id of it."""
    token = desk.microsoft_token(BOT)
    first = desk.bot("POST", "conversations", token, wanted())
    assert (first.status, desk.world.microsoft.channels[first.json()["id"]].messages) == (201, [])
    again = desk.bot("POST", "conversations", token, wanted(activity=activity()))
    assert again.json() == first.json(), "no activityId"
    assert len(desk.world.microsoft.channels[first.json()["id"]].messages) == 1


def test_a_chat_has_no_threads(desk: Desk) -> None:
    """What makes a thread's conversation of a channel's makes none of a chat's (1.2.4)."""
    token, path = opened(desk)
    message = desk.bot("POST", path, token, activity()).json()["id"]
    thread = path.replace("/activities", f"%3Bmessageid%3D{message}/activities")
    assert desk.bot("POST", thread, token, activity()).json()["error"]["code"] == "BadSyntax"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (wanted(w.MICROSOFT_BOSS, w.MICROSOFT_USER), 400, "BadSyntax"),
        (wanted(members=[]), 400, "BadSyntax"),
        (wanted(members=None), 400, "BadSyntax"),
        (wanted(tenantId=""), 400, "BadSyntax"),
        (wanted(tenantId="00000000-0000-4000-a000-000000000000"), 403, "NotEnoughPermissions"),
        (wanted("asha.rao@harbour.example"), 400, "Bad Argument"),
        (wanted("29:1nobody"), 400, "Bad Argument"),
        (wanted(w.MICROSOFT_USER), 403, "ForbiddenOperationException"),
    ],
    ids=["group", "nobody", "no members", "no tenant", "other tenant", "address", "stranger", "not installed"],
)
def test_what_is_no_chat(desk: Desk, body: dict[str, Any], status: int, code: str) -> None:
    """Exactly one person, by id, who has the app."""
    answer = desk.bot("POST", "conversations", desk.microsoft_token(BOT), body)
    assert (answer.status, answer.json()["error"]["code"]) == (status, code)


def test_messages_of_a_chat_are_edited_and_deleted(desk: Desk) -> None:
    """By the id that the activity's own answer has."""
    token, path = opened(desk)
    one, other = (desk.bot("POST", path, token, activity(summary=name)).json()["id"] for name in "ab")
    assert desk.bot("PUT", f"{path}/{one}", token, activity(summary="c")).status == 200
    assert desk.bot("DELETE", f"{path}/{other}", token).status == 200
    assert (
        desk.bot("PUT", f"{path}/{other}", token, activity()).json()["error"]["code"]
        == "ActivityNotFoundInConversation"
    )
    (chat,) = (each for each in desk.world.microsoft.channels.values() if each.person)
    assert [(message.summary, message.edits, message.deleted) for message in chat.messages] == [
        ("c", 1, False),
        ("b", 0, True),
    ]


def test_a_person_may_block_the_bot_or_remove_the_app(desk: Desk) -> None:
    """Then nothing is written, edits included."""
    token, path = opened(desk)
    one = desk.bot("POST", path, token, activity()).json()["id"]
    for change, code in (
        ({"blocks_bots": True}, "ConversationBlockedByUser"),
        ({"installed": []}, "ForbiddenOperationException"),
    ):
        assert desk.control("PATCH", f"teams/users/{w.MICROSOFT_BOSS}", change).status == 200
        for method, where in (("POST", path), ("PUT", f"{path}/{one}")):
            answer = desk.bot(method, where, token, activity())
            assert (answer.status, answer.json()["error"]["code"]) == (403, code)


def test_a_chat_with_one_person_is_throttled_as_a_conversation(desk: Desk) -> None:
    """Seven calls a second, the ones that ask for the chat included."""
    desk.world.unlimited.discard("bot")
    token = desk.microsoft_token(BOT)
    answers = [desk.bot("POST", "conversations", token, wanted()).status for _ in range(8)]
    assert answers == [201] * 7 + [429]


def test_roster_names_members_as_this_bot_knows_them(desk: Desk) -> None:
    """By pages of 50 at least; its ids are taken where object ids are not."""
    team = desk.world.microsoft.teams[w.MICROSOFT_TEAM]
    for number in range(60):
        user = MicrosoftUser(f"u{number}", w.MICROSOFT_TENANT, f"U {number}", f"u{number}@harbour.example")
        desk.world.microsoft.users[user.user_id] = user
        team.members.append(user.user_id)
    team.members.append(w.MICROSOFT_BOSS)
    desk.world.microsoft.apps[w.MICROSOFT_TENANT, w.MICROSOFT_CLIENT_ID].roster_ids_only = True
    token = desk.microsoft_token(BOT)
    first = desk.bot("GET", f"conversations/{THREAD}/pagedmembers?pageSize=1", token).json()
    more = f"conversations/{THREAD}/pagedmembers?pageSize=50&continuationToken={first['continuationToken']}"
    second = desk.bot("GET", more, token).json()
    assert (len(first["members"]), len(second["members"]), "continuationToken" in second) == (50, 12, False)
    (boss,) = (each for each in second["members"] if each["aadObjectId"] == w.MICROSOFT_BOSS)
    assert boss["id"].startswith("29:")
    assert desk.bot("POST", "conversations", token, wanted()).status == 400
    assert desk.bot("POST", "conversations", token, wanted(boss["id"])).status == 201


def test_graph_finds_people_and_their_apps_with_permission_only(desk: Desk) -> None:
    """By object id or address, whatever its letters; the rest is 403 and 404."""
    paths = (
        f"users/{w.MICROSOFT_BOSS_UPN.upper()}",
        f"users/{w.MICROSOFT_BOSS}/teamwork/installedApps?$filter=externalId eq 'x'",
    )
    token = desk.microsoft_token(GRAPH)
    assert [desk.graph("GET", path, token).status for path in paths] == [403, 403]
    app = desk.world.microsoft.apps[w.MICROSOFT_TENANT, w.MICROSOFT_CLIENT_ID]
    app.graph_roles += ["User.ReadBasic.All", "TeamsAppInstallation.ReadForUser.All"]
    token = desk.microsoft_token(GRAPH)
    assert desk.graph("GET", paths[0], token).json()["id"] == w.MICROSOFT_BOSS
    assert desk.graph("GET", paths[1], token).json() == {"value": []}
    assert desk.graph("GET", "users/nobody@harbour.example", token).status == 404
