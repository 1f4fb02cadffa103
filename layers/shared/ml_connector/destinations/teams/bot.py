"""Through the bot: a card that is kept up to date, and what happened in its thread (contracts: microsoft-teams 1.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from ml_connector.clouds import cloud_of
from ml_connector.connections import Connection
from ml_connector.destinations.teams.card import cut
from ml_connector.destinations.teams.cards import Cards
from ml_connector.destinations.teams.looking import found, mark_of
from ml_connector.errors import Unknown
from ml_connector.events import DELETED, Event
from ml_connector.ports import Memory, NothingThere, Receipt, Request
from ml_connector.records import Record
from ml_connector.vendors.microsoft import (
    BotConnector,
    Graph,
    activity_url,
    conversations_url,
    message_link,
    thread_url,
)

MOST_ABOUT = 80
CARD = "application/vnd.microsoft.card.adaptive"


def activity(content: Mapping[str, Any], text: str) -> dict[str, Any]:
    """A message with one card, which is an object here; `text` is for the notification."""
    return {"type": "message", "summary": text, "attachments": [{"contentType": CARD, "content": content}]}


def bot_post(connection: Connection, channel: str, message: Mapping[str, Any], about: str) -> Request:
    """A new thread in a channel (1.2.3)."""
    return Request(
        operation="create",
        method="POST",
        url=conversations_url(cloud_of(connection.microsoft)),
        body={
            "isGroup": True,
            "tenantId": connection.microsoft["tenant_id"],
            "channelData": {"channel": {"id": channel}},
            "activity": message,
        },
        target=channel,
        about=about,
    )


class Bot:
    """Bot Connector (1.2): a record's first event posts a card. Later ones put the new state in its place, and then add
    a reply if there is something to tell.
    """

    covered = True
    _place = "channel_id"
    """The setting that says where it goes."""
    _alone = False
    """Whether a reply stands by itself and must say what it is about."""

    def __init__(self, cards: Cards, connector: BotConnector, graph: Graph) -> None:
        self._cards = cards
        self._settings = cards.settings
        self._connection = cards.connection
        self._cloud = cloud_of(cards.connection.microsoft)
        self._connector = connector
        self._graph = graph

    def plan(self, event: Event, record: Record, memory: Memory) -> Request:
        place = self._settings[self._place]
        there = memory.external_id and memory.target in ("", place)
        if event.action == DELETED and not there:
            raise NothingThere
        reply = self._cards.reply(event, record, memory, state=self._alone) if there else None
        if reply and memory.step:
            return Request(
                operation="create",
                method="POST",
                url=thread_url(memory.thread_id, self._cloud),
                body=activity(reply.card, reply.text),
                target=place,
                about=f"what was told of {cut(reply.text, MOST_ABOUT)}",
                within=True,
            )
        message = activity(self._cards.card(event, record, memory), self._cards.line(event, record))
        if not there:
            return self._new(place, message, record.title)
        return Request(
            operation="update",
            method="PUT",
            url=activity_url(memory.thread_id, memory.external_id, self._cloud),
            body=message,
            target=place,
            about=record.title,
            more=reply is not None,
        )

    def _new(self, place: str, message: Mapping[str, Any], about: str) -> Request:
        return bot_post(self._connection, place, message, about)

    def send(self, request: Request) -> Receipt:
        answer = self._connector.call(self._connection.name, request.method, request.url, request.body)
        if request.operation == "update":
            return Receipt("updated", status=answer.status, request_id=answer.headers.get("ms-cv", ""))
        data = answer.json()
        needed = ("id",) if request.within else ("activityId", "id")
        if not isinstance(data, dict) or not all(data.get(name) for name in needed):
            raise Unknown("Teams answered without a message id", status=answer.status)
        return self._receipt(request, str(data[needed[0]]), answer.status, answer.headers.get("ms-cv", ""))

    def settle(self, request: Request, memory: Memory) -> Receipt | None:
        """Looks for it in the channel or the thread, where Graph lets the app read: the Connector lists nothing."""
        if request.target != self._settings["channel_id"]:
            return None
        place = (self._connection.name, self._settings["team_id"], request.target)
        message = request.body if request.within else request.body["activity"]
        # What tells a message from all others is the id of its card's first element.
        mark = mark_of(str(message["attachments"][0]["content"]["body"][0]["id"]))
        root = _root(request)
        posts = self._graph.replies(*place, root) if root else self._graph.messages(*place)
        post = found(posts, mark, memory.first_attempt_at)
        return self._receipt(request, str(post["id"]), 200, "") if post else None

    def _receipt(self, request: Request, message_id: str, status: int, request_id: str) -> Receipt:
        channel, root = request.target, _root(request)
        team, tenant = self._settings["team_id"], self._connection.microsoft["tenant_id"]
        return Receipt(
            "created",
            external_id=message_id,
            thread_id=f"{channel};messageid={root or message_id}",
            link=message_link(channel, message_id, team, tenant, self._cloud, root),
            status=status,
            request_id=request_id,
        )


def _root(request: Request) -> str:
    """The first message of the thread that a reply is for; "" of a new thread."""
    return unquote(request.url).rpartition(";messageid=")[2].removesuffix("/activities") if request.within else ""
