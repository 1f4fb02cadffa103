"""How a card gets to a channel. The bot can edit what it has posted; a Workflows webhook can only post."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from ml_connector.connections import Connection
from ml_connector.destinations import Secrets
from ml_connector.destinations.teams.card import card, summary
from ml_connector.errors import NeedsAttention, Undeliverable, Unknown
from ml_connector.events import Event
from ml_connector.ports import CannotTell, Memory, Receipt, Request
from ml_connector.records import Record
from ml_connector.vendors.http import Answer
from ml_connector.vendors.microsoft import (
    BotConnector,
    Graph,
    Workflows,
    activity_url,
    conversations_url,
    message_link,
)

MOST_POSTS = 200
"""Posts of a channel that are looked through, four pages."""
PAGE = 50
"""Old posts one after the other that prove that only older ones follow: Graph promises no order (3)."""
SKEW = timedelta(minutes=5)
"""How far Microsoft's clock and ours may be apart."""

_CARD = "application/vnd.microsoft.card.adaptive"


class Bot:
    """Bot Connector (1.2): the first event of a record posts a card, later ones put the new state in its place."""

    def __init__(
        self, settings: Mapping[str, Any], connection: Connection, connector: BotConnector, graph: Graph
    ) -> None:
        self._settings = settings
        self._connection = connection
        self._connector = connector
        self._graph = graph

    def plan(self, event: Event, record: Record, memory: Memory) -> Request:
        activity = {
            "type": "message",
            "summary": summary(event, record),
            "attachments": [{"contentType": _CARD, "content": card(event, record, self._connection)}],
        }
        channel = self._settings["channel_id"]
        if memory.external_id and memory.target in ("", channel):
            return Request(
                operation="update",
                method="PUT",
                url=activity_url(memory.thread_id, memory.external_id),
                body=activity,
                target=channel,
                about=record.title,
            )
        return Request(
            operation="create",
            method="POST",
            url=conversations_url(),
            body={
                "isGroup": True,
                "tenantId": self._connection.microsoft["tenant_id"],
                "channelData": {"channel": {"id": channel}},
                "activity": activity,
            },
            target=channel,
            about=record.title,
        )

    def send(self, request: Request) -> Receipt:
        answer = self._connector.call(self._connection.name, request.method, request.url, request.body)
        if request.operation == "update":
            return Receipt("updated", status=answer.status, request_id=answer.headers.get("ms-cv", ""))
        data = answer.json()
        if not isinstance(data, dict) or not data.get("activityId") or not data.get("id"):
            raise Unknown("Teams answered without a message id", status=answer.status)
        return self._receipt(request.target, str(data["activityId"]), answer.status, answer.headers.get("ms-cv", ""))

    def settle(self, request: Request, memory: Memory) -> Receipt | None:
        """Looks for the card in the channel, where Graph lets the app read it (8.4, 3): the Connector lists nothing.

        A channel with more than MOST_POSTS since the attempt is not read through: then nobody can tell.
        """
        mark = _mark(request.body["activity"])
        since = datetime.fromisoformat(memory.first_attempt_at) - SKEW
        old = 0
        try:
            posts = self._graph.messages(self._connection.name, self._settings["team_id"], request.target)
            for number, post in enumerate(posts):
                if number == MOST_POSTS:
                    raise CannotTell
                old = old + 1 if datetime.fromisoformat(str(post.get("createdDateTime"))) < since else 0
                if old == PAGE:
                    return None
                if not old and not post.get("deletedDateTime") and mark.search(json.dumps(post.get("attachments"))):
                    return self._receipt(request.target, str(post["id"]), 200, "")
        except NeedsAttention:
            raise
        except (Undeliverable, ValueError) as error:
            raise CannotTell from error
        return None

    def _receipt(self, channel: str, message_id: str, status: int, request_id: str) -> Receipt:
        return Receipt(
            "created",
            external_id=message_id,
            thread_id=f"{channel};messageid={message_id}",
            link=message_link(channel, message_id, self._settings["team_id"], self._connection.microsoft["tenant_id"]),
            status=status,
            request_id=request_id,
        )


def _mark(activity: Mapping[str, Any]) -> re.Pattern[str]:
    """What tells a record's card from all others: the id of its first element, and no longer one."""
    return re.compile(re.escape(str(activity["attachments"][0]["content"]["body"][0]["id"])) + r"(?!\w)")


class WorkflowsWebhook:
    """Workflows (1.3): every version is a new message; "accepted" is all that the answer says."""

    def __init__(self, name: str, connection: Connection, workflows: Workflows, secrets: Secrets) -> None:
        self._name = name
        self._connection = connection
        self._workflows = workflows
        self._secrets = secrets

    def plan(self, event: Event, record: Record, memory: Memory) -> Request:
        content = card(event, record, self._connection)
        return Request(
            operation="create",
            method="POST",
            # The real address is a secret and is put in when the request is sent.
            url=f"workflows:{self._name}",
            body={
                "type": "message",
                "attachments": [{"contentType": _CARD, "contentUrl": None, "content": content}],
            },
            about=record.title,
        )

    def send(self, request: Request) -> Receipt:
        url = self._secrets.get(self._connection.name, "workflows").get(self._name)
        if not url:
            raise Undeliverable(
                f"no workflow address is stored for {self._name!r}; "
                f"set it with `mlc credentials set {self._connection.name} workflows`"
            )
        answer: Answer = self._workflows.post(str(url), request.body)
        return Receipt("accepted", status=answer.status)

    def settle(self, request: Request, memory: Memory) -> Receipt | None:
        raise CannotTell
