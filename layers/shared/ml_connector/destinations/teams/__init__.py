"""Microsoft Teams. `transport` chooses the way: `bot` (default) or `workflows` (contracts: microsoft-teams 0)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ml_connector import limits
from ml_connector.connections import Connection
from ml_connector.destinations import Toolbox
from ml_connector.destinations.teams.transports import Bot, WorkflowsWebhook
from ml_connector.limits import Share
from ml_connector.ports import Destination
from ml_connector.vendors import microsoft


def connect(name: str, settings: Mapping[str, Any], connection: Connection, tools: Toolbox) -> Destination:
    http = tools.http(microsoft.HOSTS)
    if settings["transport"] == "workflows":
        share = Share(tools.limits, limits.workflows(connection.name, name))
        return WorkflowsWebhook(name, connection, microsoft.Workflows(http, share), tools.secrets)
    app = connection.microsoft
    share = Share(tools.limits, limits.teams(app["tenant_id"], app["client_id"], settings["channel_id"]))
    return Bot(
        settings, connection, microsoft.BotConnector(http, tools.tokens, share), microsoft.Graph(http, tools.tokens)
    )
