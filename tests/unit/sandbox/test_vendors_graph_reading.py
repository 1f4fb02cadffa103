"""What the stand-in of Graph shows of a channel's messages, and how often (contracts: microsoft-teams 3, 7.8, 8)."""

from __future__ import annotations

from typing import Any

import pytest
from vendors_desk import Desk, activity, conversation

from sandbox.vendors import default_world as w
from sandbox.vendors.wire import Answer

BOT, GRAPH = "https://api.botframework.com", "https://graph.microsoft.com"
CHANNEL = f"teams/{w.MICROSOFT_TEAM}/channels/{w.CHANNEL_FINANCE}"
MESSAGES = f"{CHANNEL}/messages"
PEOPLE = f"teams/channels/{w.CHANNEL_FINANCE}/messages"


class Reader:
    """An app that reads the finance channel, and the bot and the people who write there. Limits are off."""

    def __init__(self, desk: Desk) -> None:
        desk.world.unlimited |= {"graph", "bot"}
        self.desk = desk
        self.token = desk.microsoft_token(GRAPH)
        self.bot = desk.microsoft_token(BOT)

    def get(self, path: str) -> Answer:
        return self.desk.graph("GET", path.partition("/v1.0/")[2] or path, self.token)

    def post(self) -> str:
        self.desk.world.clock.advance(1)
        return str(self.desk.bot("POST", "conversations", self.bot, conversation()).json()["activityId"])

    def reply(self, root: str, text: str = "Looks right", **who: str) -> str:
        self.desk.world.clock.advance(1)
        return str(self.desk.control("POST", f"{PEOPLE}/{root}/replies", {"text": text, **who}).json()["id"])

    def round(self, path: str) -> tuple[list[dict[str, Any]], str]:
        """All pages of a delta round, and the link of the next."""
        found: list[dict[str, Any]] = []
        while True:
            page = self.get(path).json()
            found += page["value"]
            if "@odata.deltaLink" in page:
                assert "@odata.nextLink" not in page
                return found, page["@odata.deltaLink"]
            path = page["@odata.nextLink"]


@pytest.fixture
def reader(desk: Desk) -> Reader:
    return Reader(desk)


# --- single messages -------------------------------------------------------------------------------------------------


def test_reply_of_a_person_names_them(reader: Reader) -> None:
    """Display name and object id, below its own root only."""
    root = reader.post()
    key = reader.reply(root, "Paid by cheque", user_id="u-1", name="Noor Haddad")
    shown = reader.get(f"{MESSAGES}/{root}/replies/{key}").json()
    assert shown["from"]["user"]["displayName"] == "Noor Haddad"
    assert (shown["from"]["user"]["id"], shown["from"]["application"]) == ("u-1", None)
    assert (shown["replyToId"], shown["body"]["content"]) == (root, "Paid by cheque")
    assert reader.get(f"{MESSAGES}/{root}").json()["from"]["application"]["id"] == w.MICROSOFT_CLIENT_ID
    other = reader.post()
    for path in (f"{MESSAGES}/{key}", f"{MESSAGES}/{other}/replies/{key}", f"{MESSAGES}/1", f"{MESSAGES}/1/replies"):
        assert reader.get(path).json()["error"]["code"] == "NotFound"


def test_deleted_and_edited_messages_say_when(reader: Reader) -> None:
    """A deleted one is still there, without its text."""
    root = reader.post()
    key = reader.reply(root)
    path = f"{MESSAGES}/{root}/replies/{key}"
    reader.desk.world.clock.advance(60)
    reader.desk.control("PATCH", f"{PEOPLE}/{key}", {"text": "No, wrong"})
    edited = reader.get(path).json()
    assert edited["body"]["content"] == "No, wrong"
    assert edited["lastEditedDateTime"] == edited["lastModifiedDateTime"] > edited["createdDateTime"]
    reader.desk.world.clock.advance(60)
    reader.desk.control("DELETE", f"{PEOPLE}/{key}")
    gone = reader.get(path).json()
    assert gone["deletedDateTime"] == gone["lastModifiedDateTime"] > edited["lastModifiedDateTime"]
    assert gone["body"]["content"] == ""


def test_nobody_unknown_writes(reader: Reader) -> None:
    """A test that names a person Entra does not have means somebody else."""
    answer = reader.desk.control("POST", PEOPLE, {"text": "Hello", "user_id": "nobody"})
    assert (answer.status, "give a name" in answer.json()["error"]) == (400, True)


@pytest.mark.parametrize("query", ["$filter=from eq 'x'", "$orderby=createdDateTime", "$expand=attachments"])
def test_other_parameters_of_lists_are_refused(reader: Reader, query: str) -> None:
    """Only `$top` and `$expand=replies` are known (3): what is not known must not look as if it worked."""
    assert reader.get(f"{MESSAGES}?{query}").status == 400


def test_next_page_keeps_what_was_asked_for(reader: Reader) -> None:
    """The link is followed as it is."""
    for _ in range(3):
        reader.reply(reader.post())
    first = reader.get(f"{MESSAGES}?$top=2&$expand=replies").json()
    second = reader.get(first["@odata.nextLink"]).json()
    assert [len(each["replies"]) for each in first["value"] + second["value"]] == [1, 1, 1]


# --- delta -----------------------------------------------------------------------------------------------------------


def test_delta_gives_posts_page_by_page_and_then_what_changed(reader: Reader) -> None:
    """First everything, then nothing, then the post that was edited."""
    posts = [reader.post() for _ in range(5)]
    found, link = reader.round(f"{MESSAGES}/delta?$top=2")
    assert [each["id"] for each in found] == posts
    assert reader.round(link)[0] == []
    thread = f"{w.CHANNEL_FINANCE};messageid={posts[1]}"
    reader.desk.bot("PUT", f"conversations/{thread}/activities/{posts[1]}", reader.bot, activity())
    changed, link = reader.round(link)
    assert [each["id"] for each in changed] == [posts[1]]
    assert reader.round(link)[0] == []


@pytest.mark.parametrize("expand", [False, True])
def test_delta_has_replies_only_if_asked(reader: Reader, expand: bool) -> None:
    """The page says: without the replies. A new one brings its post, and `$expand=replies`, asked once, brings it."""
    first, second = reader.post(), reader.post()
    _, link = reader.round(f"{MESSAGES}/delta" + ("?$expand=replies" if expand else ""))
    key = reader.reply(first)
    (changed,), link = reader.round(link)
    assert changed["id"] == first
    assert [each["id"] for each in changed.get("replies", [])] == ([key] if expand else [])
    reader.desk.control("DELETE", f"{PEOPLE}/{key}")
    reader.reply(second)
    assert [each["id"] for each in reader.round(link)[0]] == [first, second]


def test_nothing_is_lost_between_the_pages_of_a_round(reader: Reader) -> None:
    """What is touched while a round is read comes in the next one, if not in this."""
    posts = [reader.post() for _ in range(4)]
    page = reader.get(f"{MESSAGES}/delta?$top=2").json()
    seen = [each["id"] for each in page["value"]]
    reader.reply(posts[0])
    reader.reply(posts[3])
    late = reader.post()
    rest, link = reader.round(page["@odata.nextLink"])
    again, _ = reader.round(link)
    assert seen + [each["id"] for each in rest] == posts[:3]
    assert [each["id"] for each in again] == [posts[0], posts[3], late]


def test_delta_filters_by_the_thread_and_forgets_after_eight_months(reader: Reader) -> None:
    """A reply makes its thread young again; of what is older nothing is told."""
    old, young = reader.post(), reader.post()
    reader.desk.world.clock.advance(3600)
    reader.token = reader.desk.microsoft_token(GRAPH)
    since = "2026-11-18T12:00:00Z"
    reader.reply(young)
    found, _ = reader.round(f"{MESSAGES}/delta?$filter=lastModifiedDateTime gt {since}")
    assert [each["id"] for each in found] == [young]
    assert {each["id"] for each in reader.round(f"{MESSAGES}/delta")[0]} == {old, young}
    reader.desk.world.clock.advance(245 * 86_400)
    reader.token = reader.desk.microsoft_token(GRAPH)
    assert reader.round(f"{MESSAGES}/delta")[0] == []


@pytest.mark.parametrize(
    "query",
    [
        "$deltatoken=latest",
        "$skiptoken=rubbish",
        "$top=51",
        "$filter=createdDateTime gt 2026-11-18T00:00:00Z",
        "$filter=lastModifiedDateTime gt yesterday",
        "$select=id",
    ],
)
def test_what_delta_does_not_know(reader: Reader, query: str) -> None:
    """Above all no `latest`: the first round must be read."""
    assert reader.get(f"{MESSAGES}/delta?{query}").status == 400


def test_delta_link_is_of_one_channel(reader: Reader) -> None:
    """Another channel's is refused."""
    link = reader.round(f"{MESSAGES}/delta")[1]
    assert (
        reader.get(link.replace("sandboxfinance0000000000000000001", "sandboxpurchasing00000000000001")).status == 400
    )


# --- permissions and limits ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [CHANNEL, MESSAGES, f"{MESSAGES}/delta", f"teams/{w.MICROSOFT_TEAM}/channels"])
def test_resource_specific_consent_ends_with_the_app(desk: Desk, path: str) -> None:
    """`....Group` is given for a team that has the app; `....All` is for the tenant."""
    desk.world.unlimited.add("graph")
    for channel in desk.world.microsoft.channels.values():
        channel.installed.clear()
    assert desk.graph("GET", path, desk.microsoft_token(GRAPH)).json()["error"]["code"] == "Forbidden"
    app = desk.world.microsoft.apps[w.MICROSOFT_TENANT, w.MICROSOFT_CLIENT_ID]
    app.graph_roles = ["ChannelMessage.Read.All", "Channel.ReadBasic.All"]
    assert desk.graph("GET", path, desk.microsoft_token(GRAPH)).status == 200


def test_one_read_a_second_in_a_channel(desk: Desk) -> None:
    """Lists, single messages and delta share it, another channel has its own; who asks too early waits anew."""
    token = desk.microsoft_token(GRAPH)
    other = MESSAGES.replace(w.CHANNEL_FINANCE, w.CHANNEL_PURCHASING)
    assert desk.graph("GET", MESSAGES, token).status == 200
    assert desk.graph("GET", other, token).status == 200
    refused = desk.graph("GET", f"{MESSAGES}/delta", token)
    assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
    desk.world.clock.advance(0.6)
    assert desk.graph("GET", MESSAGES, token).status == 429
    desk.world.clock.advance(0.6)
    assert desk.graph("GET", MESSAGES, token).status == 429
    desk.world.clock.advance(1)
    assert desk.graph("GET", MESSAGES, token).status == 200


def test_twenty_reads_a_second_in_a_tenant(desk: Desk) -> None:
    """Whichever of the channels (8.1)."""
    place = desk.world.microsoft.channels[w.CHANNEL_FINANCE]
    for number in range(21):
        key = f"19:channel{number}@thread.tacv2"
        desk.world.sow({"microsoft": {"channels": [
            {"channel_id": key, "team_id": place.team_id, "tenant_id": place.tenant_id, "name": str(number)}
        ]}})  # fmt: skip
    token = desk.microsoft_token(GRAPH)
    paths = [MESSAGES.replace(w.CHANNEL_FINANCE, f"19:channel{number}@thread.tacv2") for number in range(21)]
    assert [desk.graph("GET", path, token).status for path in paths] == [200] * 20 + [429]


def test_caller_is_told_its_own_id(desk: Desk) -> None:
    """`client-request-id` comes back, in headers and in a refusal's body, beside Graph's own (8.3)."""
    url = f"https://graph.microsoft.com/v1.0/{MESSAGES}"
    headers = {"client-request-id": "mine"}
    refused = desk.ask("GET", url, headers=headers)
    inner = refused.json()["error"]["innerError"]
    assert (refused.headers["client-request-id"], inner["client-request-id"]) == ("mine", "mine")
    assert refused.headers["request-id"] == inner["request-id"] != "mine"
