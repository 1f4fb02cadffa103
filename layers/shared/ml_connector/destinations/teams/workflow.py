"""Through a Workflows webhook, which can only post (contracts: microsoft-teams 1.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ml_connector.destinations import Secrets
from ml_connector.destinations.teams.bot import CARD
from ml_connector.destinations.teams.cards import Cards
from ml_connector.errors import Undeliverable
from ml_connector.events import DELETED, Event
from ml_connector.ports import CannotTell, Memory, NothingThere, Receipt, Request
from ml_connector.records import Record
from ml_connector.vendors.microsoft import Workflows


def workflow_post(name: str, content: Mapping[str, Any], about: str) -> Request:
    """The one shape that a Workflows webhook takes (1.3)."""
    return Request(
        operation="create",
        method="POST",
        # The real address is a secret and is put in when the request is sent.
        url=f"workflows:{name}",
        body={"type": "message", "attachments": [{"contentType": CARD, "contentUrl": None, "content": content}]},
        about=about,
    )


class WorkflowsWebhook:
    """Workflows (1.3): every version is a new message, a deletion too; "accepted" is all that the answer says."""

    covered = True

    def __init__(self, name: str, cards: Cards, workflows: Workflows, secrets: Secrets) -> None:
        self._name = name
        self._cards = cards
        self._connection = cards.connection
        self._workflows = workflows
        self._secrets = secrets

    def plan(self, event: Event, record: Record, memory: Memory) -> Request:
        if event.action == DELETED and memory.version is None:
            raise NothingThere
        return workflow_post(self._name, self._cards.card(event, record, memory), record.title)

    def send(self, request: Request) -> Receipt:
        url = self._secrets.get(self._connection.name, "workflows").get(self._name)
        if not url:
            raise Undeliverable(
                f"no workflow address is stored for {self._name!r}; "
                f"set it with `mlc credentials set {self._connection.name} workflows`"
            )
        answer = self._workflows.post(str(url), request.body)
        return Receipt("accepted", status=answer.status)

    def settle(self, request: Request, memory: Memory) -> Receipt | None:
        if request.target:
            return None
        raise CannotTell
