"""Through the bot to one person: a card in the chat between the two (contracts: microsoft-teams 2).

Making a message takes two calls. The first asks for the chat: Teams gives the same one each time and nothing appears in
it. Only the second makes a message, and only its answer has the id that edits need: a chat that is asked for together
with its first message gives no id of that (2).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from ml_connector.destinations.teams.bot import Bot
from ml_connector.destinations.teams.cards import Cards
from ml_connector.errors import NeedsAttention, RetryLater, Undeliverable, Unknown
from ml_connector.ports import CannotTell, Memory, Receipt, Request
from ml_connector.vendors.microsoft import BotConnector, Graph, conversations_url, thread_url

_OBJECT_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
PAGE = 500
"""Members of a team on a page of its roster, the most there may be."""
MOST_PAGES = 20


def personal_post(person: str, message: Mapping[str, Any], about: str) -> Request:
    """A message in the bot's chat with `person`: an object id, or an address."""
    # Which chat that is, Teams says when the message is sent.
    return Request(operation="create", method="POST", url=f"chat:{person}", body=message, target=person, about=about)


class Personal(Bot):
    """As in a channel: a card of each record, the new state in its place, and a message after it if there is something
    to tell. A chat has no threads, so that message names its record.
    """

    _place = "person"
    _alone = True

    def __init__(self, cards: Cards, connector: BotConnector, graph: Graph) -> None:
        super().__init__(cards, connector, graph)
        self._chats: dict[str, str] = {}

    def _new(self, place: str, message: Mapping[str, Any], about: str) -> Request:
        return personal_post(place, message, about)

    def send(self, request: Request) -> Receipt:
        opens = request.operation == "create" and not request.within
        chat = self._chat(request.target) if opens else ""
        url = thread_url(chat, self._cloud) if opens else request.url
        try:
            answer = self._connector.call(self._connection.name, request.method, url, request.body)
        except Undeliverable:
            # Whoever puts it right may have made another chat of it.
            self._chats.clear()
            raise
        request_id = answer.headers.get("ms-cv", "")
        if request.operation == "update":
            return Receipt("updated", status=answer.status, request_id=request_id)
        data = answer.json()
        if not isinstance(data, dict) or not data.get("id"):
            raise Unknown("Teams answered without a message id", status=answer.status)
        return Receipt(
            "created", external_id=str(data["id"]), thread_id=chat, status=answer.status, request_id=request_id
        )

    def settle(self, request: Request, memory: Memory) -> Receipt | None:
        """Nobody but the person may read the chat."""
        if request.target != self._settings["person"]:
            return None
        raise CannotTell

    # --- the chat

    def _chat(self, person: str) -> str:
        """Its conversation id, asked for once per worker. Raises RetryLater or Undeliverable."""
        if person not in self._chats:
            identity = person if _OBJECT_ID.fullmatch(person) else self._object_id(person)
            self._chats[person] = self._opened(person, identity)
        return self._chats[person]

    def _object_id(self, address: str) -> str:
        try:
            user = self._graph.read(self._connection.name, f"/users/{quote(address, safe='')}?$select=id")
        except NeedsAttention:
            raise
        except Undeliverable as error:
            says = {
                403: "the app may not look up addresses: name the person by the object id in Entra ID, or grant the "
                "permission User.ReadBasic.All",
                404: f"nobody in the tenant has the address {address}; put person right and apply",
            }
            raise _told(says.get(error.status or 0, error.reason), error) from error
        return str(user.get("id", ""))

    def _opened(self, person: str, identity: str) -> str:
        try:
            return self._conversation(identity)
        except NeedsAttention:
            raise
        except Undeliverable as error:
            if error.status != 400:
                raise
            # Where the object id is not taken, the bot's own name for the person is: rosters of its teams have it (2).
            member = self._on_a_roster(identity)
            if not member:
                reason = f"Teams knows no {person} whom the bot could write to; put person right and apply"
                raise _told(f"{reason} ({error.reason})", error) from error
        return self._conversation(member)

    def _conversation(self, member: str) -> str:
        body = {"isGroup": False, "tenantId": self._connection.microsoft["tenant_id"], "members": [{"id": member}]}
        chat = self._asked("POST", conversations_url(self._cloud), body).get("id")
        if not chat:
            raise RetryLater("Teams answered without the id of the chat")
        return str(chat)

    def _on_a_roster(self, identity: str) -> str:
        """The person's `29:…` in the first team of the connection's destinations that has them; "" if none has."""
        places = self._connection.destinations.values()
        for team in dict.fromkeys(each["team_id"] for each in places if each.get("team_id")):
            try:
                path = f"/teams/{quote(team, safe='')}?$select=internalId"
                thread = str(self._graph.read(self._connection.name, path).get("internalId") or "")
                if found := self._on_roster(thread, identity):
                    return found
            except NeedsAttention:
                raise
            except Undeliverable:
                continue  # The app is not in this team, or may not read it.
        return ""

    def _on_roster(self, thread: str, identity: str) -> str:
        roster = f"{conversations_url(self._cloud)}/{quote(thread, safe='')}/pagedmembers?pageSize={PAGE}"
        url = roster if thread else ""
        for _ in range(MOST_PAGES if url else 0):
            page = self._asked("GET", url)
            for member in page.get("members") or ():
                if identity.lower() in (str(member.get(key)).lower() for key in ("aadObjectId", "objectId")):
                    return str(member["id"])
            more = page.get("continuationToken")
            if not more:
                break
            url = f"{roster}&continuationToken={quote(str(more), safe='')}"
        return ""

    def _asked(self, method: str, url: str, body: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        """What leaves no message behind may be asked again, whatever became of it."""
        try:
            data = self._connector.call(self._connection.name, method, url, body).json()
        except Unknown as error:
            later = RetryLater(error.reason, error.after, error.status)
            later.request_id = error.request_id
            raise later from error
        if not isinstance(data, dict):
            raise RetryLater("Teams' answer is not readable")
        return data


def _told(reason: str, error: Undeliverable) -> Undeliverable:
    """The same refusal in words that fit."""
    told = Undeliverable(reason, error.status)
    told.request_id = error.request_id
    return told
