"""Microsoft Teams. `transport` chooses the way (contracts: microsoft-teams 0); `bot` is the default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ml_connector import limits
from ml_connector.clouds import cloud_of, hosts
from ml_connector.connections import Connection
from ml_connector.destinations import Toolbox
from ml_connector.destinations.teams.cards import Cards
from ml_connector.gathering import above
from ml_connector.limits import FREE, Share
from ml_connector.ports import Destination
from ml_connector.vendors import microsoft


def connect(name: str, settings: Mapping[str, Any], connection: Connection, tools: Toolbox) -> Destination:
    """The transport's module is imported only if a connection uses it."""
    app, transport = connection.microsoft, settings["transport"]
    cloud = cloud_of(app)
    http = tools.http(hosts(cloud))
    cards = Cards(settings, connection, tools.clock)
    crowd = above(settings) if tools.gathers else 0
    if transport == "workflows":
        from ml_connector.destinations.teams.workflow import WorkflowsWebhook

        share = Share(tools.limits, limits.workflows(connection.name, name, crowd=crowd))
        return WorkflowsWebhook(name, cards, microsoft.Workflows(http, share), tools.secrets)
    tenant, client = app["tenant_id"], app["client_id"]
    reads = FREE
    if settings.get("channel_id"):
        reads = Share(tools.limits, limits.graph_reads(tenant, client, settings["channel_id"]))
    reader = microsoft.Graph(http, tools.tokens, cloud, reads=reads, pause=tools.pause)
    if transport == "activity":
        from ml_connector.destinations.teams.activity_feed import ActivityFeed

        share = Share(tools.limits, limits.activities(tenant, client, several=len(settings["people"]) > 1))
        return ActivityFeed(cards, microsoft.Graph(http, tools.tokens, cloud, share=share))
    if settings.get("person"):
        from ml_connector.destinations.teams.personal import Personal

        share = Share(tools.limits, limits.personal(tenant, client, settings["person"]))
        return Personal(cards, microsoft.BotConnector(http, tools.tokens, share, personal=True), reader)
    team, channel = settings["team_id"], settings["channel_id"]
    if transport in ("delegated", "graph_import"):
        from ml_connector.destinations.teams.graph_posts import Delegated, GraphImport

        share, edits = (
            Share(tools.limits, limits.graph(tenant, client, team, channel, crowd=each)) for each in (crowd, 0)
        )
        if transport == "graph_import":
            importer = microsoft.Graph(http, tools.tokens, cloud, share=share)
            return GraphImport(cards, importer, reader)
        person = microsoft.Graph(http, tools.tokens, cloud, "microsoft.delegated", share, edits)
        return Delegated(cards, person, reader)
    from ml_connector.destinations.teams.bot import Bot

    posts, edits = (
        Share(tools.limits, limits.teams(tenant, client, team, channel, posts=each, crowd=crowd))
        for each in (True, False)
    )
    return Bot(cards, microsoft.BotConnector(http, tools.tokens, posts, edits), reader)
