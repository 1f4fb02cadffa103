"""Through Graph: as a person whose refresh token is stored, or into a channel that is being imported into.

A message's card is a text here, with a marker in the HTML (contracts: microsoft-teams 1.4, 4). A record is a thread:
where messages can be changed, its first one shows the state of now; what has happened is told in replies.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html import escape
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from ml_connector.clouds import cloud_of
from ml_connector.connections import Connection
from ml_connector.destinations.teams.bot import CARD
from ml_connector.destinations.teams.cards import Cards
from ml_connector.destinations.teams.looking import found, mark_of
from ml_connector.destinations.teams.reply import identity
from ml_connector.errors import Unknown
from ml_connector.events import DELETED, Event
from ml_connector.modules import MODULES
from ml_connector.ports import Memory, NothingThere, Receipt, Request
from ml_connector.records import Record
from ml_connector.regions import web_link
from ml_connector.vendors.microsoft import Graph, message_link, messages_url

MOST_BYTES = 25_000
"""Of the whole message as JSON: a post may have about 28 KB, and nothing larger is tried (4)."""

_IDENTITY = re.compile(r"zoho-[\w-]+")


def card_message(content: Mapping[str, Any]) -> dict[str, Any]:
    """A message that shows one card. The marker's id is made of it: the same card is the same message."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    marker = str(uuid5(NAMESPACE_URL, text))
    return {
        "body": {"contentType": "html", "content": f'<attachment id="{marker}"></attachment>'},
        "attachments": [
            {
                "id": marker,
                "contentType": CARD,
                "contentUrl": None,
                "content": text,
                "name": None,
                "thumbnailUrl": None,
            }
        ],
    }


def _size(message: Mapping[str, Any]) -> int:
    """In bytes, as it travels."""
    return len(json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode())


def graph_post(connection: Connection, settings: Mapping[str, Any], content: Mapping[str, Any], about: str) -> Request:
    """A new thread in a channel."""
    return Request(
        operation="create",
        method="POST",
        url=messages_url(cloud_of(connection.microsoft), settings["team_id"], settings["channel_id"]),
        body=card_message(content),
        target=_target(settings),
        about=about,
    )


def _target(settings: Mapping[str, Any]) -> str:
    """The channel, as this transport sees it: what the bot has posted there is not a person's to change."""
    return f"{settings['channel_id']}#{settings['transport']}"


class GraphPosts:
    """What delegated posting and importing have in common: a thread per record."""

    covered = True
    _marks = "attachments"

    def __init__(self, cards: Cards, graph: Graph, reader: Graph) -> None:
        """`reader` looks for lost posts, with the app's own permission to read the channel."""
        self._cards = cards
        self._settings = cards.settings
        self._connection = cards.connection
        self._cloud = cloud_of(cards.connection.microsoft)
        self._graph = graph
        self._reader = reader

    def plan(self, event: Event, record: Record, memory: Memory) -> Request:
        there = memory.external_id and memory.target in ("", _target(self._settings))
        if event.action == DELETED and not there:
            raise NothingThere
        root = memory.thread_id.rpartition(";messageid=")[2] if there else ""
        reply = self._reply(event, record, memory) if there else None
        edit = bool(there) and self._edits and not (reply and memory.step)
        within = bool(there) and not edit
        place = (self._cloud, self._settings["team_id"], self._settings["channel_id"])
        return Request(
            operation="update" if edit else "create",
            method="PATCH" if edit else "POST",
            url=messages_url(*place, root, replies=within),
            body=reply if reply and within else self._message(event, record, memory),
            target=_target(self._settings),
            about=f"a message in the thread of {record.title}" if within else record.title,
            more=edit and reply is not None,
            within=within,
        )

    @property
    def _edits(self) -> bool:
        return False

    def _message(self, event: Event, record: Record, memory: Memory) -> dict[str, Any]:
        raise NotImplementedError

    def _reply(self, event: Event, record: Record, memory: Memory) -> dict[str, Any] | None:
        """What has happened, in short; without it, what cannot be changed is said anew."""
        return None

    def _mark(self, body: Mapping[str, Any]) -> str:
        raise NotImplementedError

    def send(self, request: Request) -> Receipt:
        answer = self._graph.post(self._connection.name, request.method, request.url, request.body)
        request_id = answer.headers.get("request-id", "")
        if request.operation == "update":
            return Receipt("updated", status=answer.status, request_id=request_id)
        data = answer.json()
        if not isinstance(data, dict) or not data.get("id"):
            raise Unknown("Graph answered without a message id", status=answer.status)
        return self._receipt(data, answer.status, request_id)

    def settle(self, request: Request, memory: Memory) -> Receipt | None:
        """Looks for the message in the channel or, if it was a reply, in its thread."""
        if request.target != _target(self._settings):
            return None
        place = (self._connection.name, self._settings["team_id"], self._settings["channel_id"])
        # A request that the release before has stored does not say that it is within anything.
        root = memory.thread_id.rpartition(";messageid=")[2] if request.url.endswith("/replies") else ""
        posts = self._reader.replies(*place, root) if root else self._reader.messages(*place)
        # What is imported is dated as it says itself.
        attempt = min(memory.first_attempt_at, str(request.body.get("createdDateTime", memory.first_attempt_at)))
        post = found(posts, mark_of(self._mark(request.body)), attempt, self._marks)
        return self._receipt({"replyToId": root, **post}, 200, "") if post else None

    def _receipt(self, message: Mapping[str, Any], status: int, request_id: str) -> Receipt:
        channel, message_id = self._settings["channel_id"], str(message["id"])
        root = str(message.get("replyToId") or message_id)
        tenant = self._connection.microsoft["tenant_id"]
        return Receipt(
            "created",
            external_id=message_id,
            thread_id=f"{channel};messageid={root}",
            link=str(message.get("webUrl") or "")
            or message_link(channel, message_id, self._settings["team_id"], tenant, self._cloud, root),
            status=status,
            request_id=request_id,
        )


class Delegated(GraphPosts):
    """As a service account (1.4). Its messages are changed in place only with the permission for it (`edits`)."""

    @property
    def _edits(self) -> bool:
        return bool(self._settings.get("edits"))

    def _message(self, event: Event, record: Record, memory: Memory) -> dict[str, Any]:
        # As a text a card is larger; what it shows of the lines folds until it fits.
        for lines in (None, 5, 0):
            content = self._cards.card(event, record, memory, lines)
            first, *others = content["body"]
            # In a thread of several cards of one record each must be told from the others.
            first = {**first, "id": identity(event, record)}
            message = card_message({**content, "body": [first, *others]})
            if _size(message) <= MOST_BYTES:
                break
        return message

    def _reply(self, event: Event, record: Record, memory: Memory) -> dict[str, Any] | None:
        # A card that stays as it is says no more how things are.
        reply = self._cards.reply(event, record, memory, state=not self._edits)
        return card_message(reply.card) if reply else None

    def _mark(self, body: Mapping[str, Any]) -> str:
        first: str = json.loads(body["attachments"][0]["content"])["body"][0]["id"]
        return first


class GraphImport(GraphPosts):
    """Into a channel in migration mode, with `Teamwork.Migrate.All`; cards are not taken there, text is (1.1)."""

    _marks = "body"

    def _message(self, event: Event, record: Record, memory: Memory) -> dict[str, Any]:
        mark = identity(event, record)
        url = web_link(
            self._connection.region, self._connection.organization_id, MODULES[record.module].route, record.id
        )
        text, link = escape(self._cards.line(event, record)), f'<a href="{escape(url)}">{escape(mark)}</a>'
        return {
            # Imported messages carry their own time and author.
            "createdDateTime": event.received_at,
            "from": {"user": {**self._settings["author"], "userIdentityType": "aadUser"}},
            "body": {"contentType": "html", "content": f"<p>{text}</p><p>{link}</p>"},
        }

    def _mark(self, body: Mapping[str, Any]) -> str:
        mark: str = _IDENTITY.findall(body["body"]["content"])[-1]
        return mark
