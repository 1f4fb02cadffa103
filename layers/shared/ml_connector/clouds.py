"""Microsoft's clouds (contracts: microsoft-teams 1.2.2, 6.4). What is not in this table is not called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Cloud(NamedTuple):
    """Host names of one cloud. Tokens of one are worth nothing in another."""

    authority: str
    graph: str
    bot: str
    """The resource of the bot service's tokens."""
    service: str
    """Host where bots post without having heard from the channel; "" if none is documented."""
    web: str
    """Host of links that open Teams. Those outside the global cloud are not in the contract: from Microsoft's pages."""
    edits: bool = True
    """Whether Graph lets a user's message be changed (1.4)."""
    workflows: bool = True
    """Whether Workflows webhooks post there: elsewhere there is no Flow bot (1.3)."""
    moved: str = ""
    """Host for bots of tenants that `service` answers with InvalidBotApiHost (1.2.5)."""

    @property
    def graph_scope(self) -> str:
        return f"https://{self.graph}/.default"

    @property
    def bot_scope(self) -> str:
        return f"https://{self.bot}/.default"


CLOUDS: Mapping[str, Cloud] = {
    "global": Cloud(
        "login.microsoftonline.com",
        "graph.microsoft.com",
        "api.botframework.com",
        "smba.trafficmanager.net",
        "teams.microsoft.com",
        moved="smba.infra.gcc.teams.microsoft.com",
    ),
    "gcc": Cloud(
        "login.microsoftonline.com",
        "graph.microsoft.com",
        "api.botframework.com",
        "smba.infra.gcc.teams.microsoft.com",
        "teams.microsoft.com",
        workflows=False,
    ),
    "gcch": Cloud(
        "login.microsoftonline.us",
        "graph.microsoft.us",
        "api.botframework.us",
        "smba.infra.gov.teams.microsoft.us",
        "gov.teams.microsoft.us",
        edits=False,
        workflows=False,
    ),
    "dod": Cloud(
        "login.microsoftonline.us",
        "dod-graph.microsoft.us",
        "api.botframework.us",
        "smba.infra.dod.teams.microsoft.us",
        "dod.teams.microsoft.us",
        edits=False,
        workflows=False,
    ),
    "china": Cloud(
        "login.partner.microsoftonline.cn",
        "microsoftgraph.chinacloudapi.cn",
        "api.botframework.azure.cn",
        "",
        "teams.microsoftonline.cn",
        edits=False,
        workflows=False,
    ),
}

FLOWS = frozenset({"*.logic.azure.com", "*.environment.api.powerplatform.com"})
"""Where Workflows webhooks are."""


def cloud_of(microsoft: Mapping[str, Any]) -> Cloud:
    """Of a connection's [microsoft], or of stored credentials; what was stored before there was a choice is global."""
    return CLOUDS[str(microsoft.get("cloud", "global"))]


def hosts(cloud: Cloud) -> frozenset[str]:
    """What may be called in this cloud, and nothing of any other."""
    return frozenset({cloud.authority, cloud.graph, *filter(None, [cloud.service, cloud.moved])}) | (
        FLOWS if cloud.workflows else frozenset()
    )
