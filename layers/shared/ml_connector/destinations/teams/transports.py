"""How a message gets to Teams: one module per transport. What each can and cannot do: docs/teams.md.

| transport | posts as | changes its messages | proof | module |
| --- | --- | --- | --- | --- |
| bot | the app | yes | id and link | bot |
| workflows | Flow bot | no: a new message | none: "accepted" | workflow |
| delegated | a service account | with `edits`, else a reply in the thread | id and link | graph_posts |
| graph_import | whom the file names, in migration mode | no: a reply | id and link | graph_posts |
| activity | the app, to people | no: a new notification | none: "accepted" | activity_feed |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ml_connector.connections import Connection
from ml_connector.destinations.teams.bot import Bot, activity, bot_post
from ml_connector.destinations.teams.graph_posts import graph_post
from ml_connector.destinations.teams.looking import MOST_POSTS, PAGE, SKEW
from ml_connector.destinations.teams.workflow import WorkflowsWebhook, workflow_post
from ml_connector.errors import Undeliverable
from ml_connector.ports import Request

__all__ = [
    "MOST_POSTS", "PAGE", "SKEW", "Bot", "WorkflowsWebhook", "activity", "bot_post", "post", "workflow_post",
]  # fmt: skip


def post(connection: Connection, name: str, content: Mapping[str, Any], text: str, about: str) -> Request:
    """A card as a message of its own at a Teams destination; `text` is for the notification, where there is one."""
    settings = connection.destinations[name]
    match settings["transport"]:
        case "bot":
            return bot_post(connection, settings["channel_id"], activity(content, text), about)
        case "workflows":
            return workflow_post(name, content, about)
        case "delegated":
            return graph_post(connection, settings, content, about)
    raise Undeliverable(f"destination {name!r} takes records only, not messages; name another one")
