"""How a card gets to a channel. The bot can edit what it has posted; a Workflows webhook can only post."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ml_connector.connections import Connection
from ml_connector.destinations import Secrets
from ml_connector.destinations.teams.card import card, summary
from ml_connector.errors import Undeliverable, Unknown
from ml_connector.events import Event
from ml_connector.ports import CannotTell, Memory, Receipt, Request
from ml_connector.records import Record
from ml_connector.vendors.http import Answer
from ml_connector.vendors.microsoft import (
    BotConnector,
    Workflows,
    activity_url,
    conversations_url,
    message_link,
)

_CARD = "application/vnd.microsoft.card.adaptive"


class Bot:
    """Bot Connector (1.2): the first event of a record posts a card, later ones put the new state in its place."""

    def __init__(self, settings: Mapping[str, Any], connection: Connection, connector: BotConnector) -> None:
        self._settings = settings
        self._connection = connection
        self._connector = connector

    def plan(self, event: Event, record: Record, memory: Memory) -> Request:
        activity = {
            "type": "message",
            "summary": summary(event, record),
            "attachments": [{"contentType": _CARD, "content": card(event, record, self._connection)}],
        }
        if memory.external_id:
            return Request(
                operation="update",
                method="PUT",
                url=activity_url(memory.thread_id, memory.external_id),
                body=activity,
                about=record.title,
            )
        return Request(
            operation="create",
            method="POST",
            url=conversations_url(),
            body={
                "isGroup": True,
                "tenantId": self._connection.microsoft["tenant_id"],
                "channelData": {"channel": {"id": self._settings["channel_id"]}},
                "activity": activity,
            },
            about=record.title,
        )

    def send(self, request: Request) -> Receipt:
        answer = self._connector.call(self._connection.name, request.method, request.url, request.body)
        if request.operation == "update":
            return Receipt("updated", status=answer.status, request_id=answer.headers.get("ms-cv", ""))
        data = answer.json()
        if not isinstance(data, dict) or not data.get("activityId") or not data.get("id"):
            raise Unknown("Teams answered without a message id", status=answer.status)
        message_id = str(data["activityId"])
        return Receipt(
            "created",
            external_id=message_id,
            thread_id=str(data["id"]),
            link=message_link(
                self._settings["channel_id"],
                message_id,
                self._settings["team_id"],
                self._connection.microsoft["tenant_id"],
            ),
            status=answer.status,
            request_id=answer.headers.get("ms-cv", ""),
        )

    def settle(self, request: Request, memory: Memory) -> Receipt | None:
        """The Connector takes no idempotency key and lists no messages (8.4)."""
        raise CannotTell


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
