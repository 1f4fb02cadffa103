"""How a message gets to Teams: one module per transport. What each can and cannot do: docs/teams.md.

| transport | posts as | changes its messages | proof | module |
| --- | --- | --- | --- | --- |
| bot | the app | yes, and replies | id and link; of a person's chat the id | bot, personal |
| workflows | Flow bot | no: a new message | none: "accepted" | workflow |
| delegated | a service account | with `edits`; and replies | id and link | graph_posts |
| graph_import | whom the file names, in migration mode | no: a reply | id and link | graph_posts |
| activity | the app, to people | no: a new notification | none: "accepted" | activity_feed |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ml_connector.connections import Connection
from ml_connector.destinations.teams.bot import activity, bot_post
from ml_connector.destinations.teams.graph_posts import graph_post
from ml_connector.destinations.teams.personal import personal_post
from ml_connector.destinations.teams.workflow import workflow_post
from ml_connector.errors import Undeliverable
from ml_connector.ports import Request


def post(connection: Connection, name: str, content: Mapping[str, Any], text: str, about: str) -> Request:
    """A card as a message of its own at a Teams destination; `text` is for the notification, where there is one."""
    settings = connection.destinations[name]
    match settings.get("transport"):
        case "bot" if settings.get("person"):
            return personal_post(settings["person"], activity(content, text), about)
        case "bot":
            return bot_post(connection, settings["channel_id"], activity(content, text), about)
        case "workflows":
            return workflow_post(name, content, about)
        case "delegated":
            return graph_post(connection, settings, content, about)
    raise Undeliverable(f"destination {name!r} takes records only, not messages; name another one")
