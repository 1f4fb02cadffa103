"""Through the bot: a card that is kept up to date (contracts: microsoft-teams 1.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ml_connector.clouds import cloud_of
from ml_connector.connections import Connection
from ml_connector.destinations.teams.cards import Cards
from ml_connector.destinations.teams.looking import found, mark_of
from ml_connector.errors import Unknown
from ml_connector.events import DELETED, Event
from ml_connector.ports import Memory, NothingThere, Receipt, Request
from ml_connector.records import Record
from ml_connector.vendors.microsoft import BotConnector, Graph, activity_url, conversations_url, message_link

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
    """Bot Connector (1.2): the first event of a record posts a card, later ones put the new state in its place."""

    covered = True

    def __init__(self, cards: Cards, connector: BotConnector, graph: Graph) -> None:
        self._cards = cards
        self._settings = cards.settings
        self._connection = cards.connection
        self._connector = connector
        self._graph = graph

    def plan(self, event: Event, record: Record, memory: Memory) -> Request:
        message = activity(self._cards.card(event, record, memory), self._cards.line(event, record))
        channel = self._settings["channel_id"]
        there = memory.external_id and memory.target in ("", channel)
        if event.action == DELETED and not there:
            raise NothingThere
        if there:
            return Request(
                operation="update",
                method="PUT",
                url=activity_url(memory.thread_id, memory.external_id, cloud_of(self._connection.microsoft)),
                body=message,
                target=channel,
                about=record.title,
            )
        return bot_post(self._connection, channel, message, record.title)

    def send(self, request: Request) -> Receipt:
        answer = self._connector.call(self._connection.name, request.method, request.url, request.body)
        if request.operation == "update":
            return Receipt("updated", status=answer.status, request_id=answer.headers.get("ms-cv", ""))
        data = answer.json()
        if not isinstance(data, dict) or not data.get("activityId") or not data.get("id"):
            raise Unknown("Teams answered without a message id", status=answer.status)
        return self._receipt(request.target, str(data["activityId"]), answer.status, answer.headers.get("ms-cv", ""))

    def settle(self, request: Request, memory: Memory) -> Receipt | None:
        """Looks for the card in the channel, where Graph lets the app read it: the Connector lists nothing."""
        # What tells a record's card from all others is the id of its first element.
        mark = mark_of(str(request.body["activity"]["attachments"][0]["content"]["body"][0]["id"]))
        posts = self._graph.messages(self._connection.name, self._settings["team_id"], request.target)
        post = found(posts, mark, memory)
        return self._receipt(request.target, str(post["id"]), 200, "") if post else None

    def _receipt(self, channel: str, message_id: str, status: int, request_id: str) -> Receipt:
        microsoft = self._connection.microsoft
        return Receipt(
            "created",
            external_id=message_id,
            thread_id=f"{channel};messageid={message_id}",
            link=message_link(
                channel, message_id, self._settings["team_id"], microsoft["tenant_id"], cloud_of(microsoft)
            ),
            status=status,
            request_id=request_id,
        )
