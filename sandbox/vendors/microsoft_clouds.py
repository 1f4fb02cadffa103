"""Microsoft's clouds as the stand-ins know them (contracts: microsoft-teams 1.2.2, 6.4)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cloud:
    """Hosts of one cloud; `bot` is the resource of the bot service's tokens, `service` "" where none is documented."""

    name: str
    authority: str
    graph: str
    bot: str
    service: str


CLOUDS = {
    one.name: one
    for one in (
        Cloud(
            "global",
            "login.microsoftonline.com",
            "graph.microsoft.com",
            "https://api.botframework.com",
            "smba.trafficmanager.net",
        ),
        Cloud(
            "gcc",
            "login.microsoftonline.com",
            "graph.microsoft.com",
            "https://api.botframework.com",
            "smba.infra.gcc.teams.microsoft.com",
        ),
        Cloud(
            "gcch",
            "login.microsoftonline.us",
            "graph.microsoft.us",
            "https://api.botframework.us",
            "smba.infra.gov.teams.microsoft.us",
        ),
        Cloud(
            "dod",
            "login.microsoftonline.us",
            "dod-graph.microsoft.us",
            "https://api.botframework.us",
            "smba.infra.dod.teams.microsoft.us",
        ),
        Cloud(
            "china",
            "login.partner.microsoftonline.cn",
            "microsoftgraph.chinacloudapi.cn",
            "https://api.botframework.azure.cn",
            "",
        ),
    )
}
AUTHORITIES = frozenset(one.authority for one in CLOUDS.values())
GRAPHS = frozenset(one.graph for one in CLOUDS.values())
SERVICES = frozenset(one.service for one in CLOUDS.values() if one.service)
