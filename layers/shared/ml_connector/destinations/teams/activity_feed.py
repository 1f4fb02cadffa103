"""A notification in named people's activity feed, beside what channels get (contracts: microsoft-teams 1.5)."""

from __future__ import annotations

from urllib.parse import quote

from ml_connector.clouds import cloud_of
from ml_connector.destinations.teams.card import cut
from ml_connector.destinations.teams.cards import Cards
from ml_connector.events import DELETED, Event
from ml_connector.ports import CannotTell, Memory, NothingThere, Receipt, Request
from ml_connector.records import Record
from ml_connector.vendors.microsoft import Graph

PREVIEW = 150
"""Characters that are shown."""


class ActivityFeed:
    """Every version is a notification of its own; 204 says that it was taken, not that anybody saw it."""

    covered = True

    def __init__(self, cards: Cards, graph: Graph) -> None:
        self._cards = cards
        self._settings = cards.settings
        self._connection = cards.connection
        self._graph = graph

    def plan(self, event: Event, record: Record, memory: Memory) -> Request:
        if event.action == DELETED and memory.version is None:
            raise NothingThere
        line = self._cards.line(event, record)
        body = {
            "topic": {"source": "text", "value": cut(record.title, PREVIEW), "webUrl": self._place()},
            # Reserved for free text: a manifest need not declare it.
            "activityType": "systemDefault",
            "previewText": {"content": cut(line, PREVIEW)},
            "templateParameters": [{"name": "systemDefaultText", "value": cut(line, PREVIEW)}],
        }
        people = self._settings["people"]
        root = f"https://{cloud_of(self._connection.microsoft).graph}/v1.0"
        if len(people) == 1:
            url = f"{root}/users/{quote(people[0], safe='')}/teamwork/sendActivityNotification"
        else:
            url = f"{root}/teamwork/sendActivityNotificationToRecipients"
            kind = "microsoft.graph.aadUserNotificationRecipient"
            body["recipients"] = [{"@odata.type": kind, "userId": person} for person in people]
        return Request(operation="create", method="POST", url=url, body=body, about=record.title)

    def _place(self) -> str:
        """Where the notification leads: a Teams link, nothing else is taken. The channel that is told of the record."""
        microsoft, channel = self._connection.microsoft, self._settings["channel_id"]
        return (
            f"https://{cloud_of(microsoft).web}/l/channel/{quote(channel, safe='')}/channel"
            f"?groupId={self._settings['team_id']}&tenantId={microsoft['tenant_id']}"
        )

    def send(self, request: Request) -> Receipt:
        answer = self._graph.post(self._connection.name, request.method, request.url, request.body)
        return Receipt("accepted", status=answer.status, request_id=answer.headers.get("request-id", ""))

    def settle(self, request: Request, memory: Memory) -> Receipt | None:
        if request.target:
            return None
        raise CannotTell
