"""Teams, channels, people and installed apps, through Graph as the app itself (contracts: microsoft-teams 1.2.1, 2, 3).

Only `mlc` asks for these.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ml_connector.clouds import Cloud
from ml_connector.vendors.microsoft.graph import Graph, channel_path


@dataclass(frozen=True, slots=True)
class Channel:
    """`kind` is `standard`, `private` or `shared`."""

    id: str
    name: str
    kind: str = ""
    link: str = ""
    archived: bool = False


@dataclass(frozen=True, slots=True)
class Team:
    id: str
    name: str


class Directory:
    """Of one connection's tenant. Every method raises RetryLater, or Undeliverable where a permission is missing."""

    def __init__(self, graph: Graph, connection: str, cloud: Cloud) -> None:
        self._graph = graph
        self._connection = connection
        self._root = f"https://{cloud.graph}/v1.0"

    def teams(self) -> Iterator[Team]:
        """All of the tenant: needs Team.ReadBasic.All, which an installed app alone does not give."""
        for row in self._graph.pages(self._connection, "/teams?$select=id,displayName"):
            yield Team(str(row.get("id", "")), str(row.get("displayName", "")))

    def team(self, team_id: str) -> Team:
        row = self._graph.read(self._connection, f"/teams/{quote(team_id, safe='')}")
        return Team(str(row.get("id", team_id)), str(row.get("displayName", "")))

    def channels(self, team_id: str) -> Iterator[Channel]:
        path = f"/teams/{quote(team_id, safe='')}/channels?$select=id,displayName,membershipType,webUrl,isArchived"
        yield from (_channel(row) for row in self._graph.pages(self._connection, path))

    def channel(self, team_id: str, channel_id: str) -> Channel:
        return _channel(self._graph.read(self._connection, channel_path(team_id, channel_id)))

    def catalogued(self, manifest_id: str) -> str:
        """The id by which the organization's catalogue knows an uploaded app; "" if it is not there."""
        path = f"/appCatalogs/teamsApps?$filter=externalId eq '{manifest_id}'"
        rows = self._graph.pages(self._connection, path)
        return next((str(row.get("id", "")) for row in rows), "")

    def installed(self, home: str, manifest_id: str) -> bool:
        """`home`: of a team (`team_home`) or of a person (`person_home`)."""
        where = f"$expand=teamsApp&$filter=teamsApp/externalId eq '{manifest_id}'"
        return any(True for _ in self._graph.pages(self._connection, f"{home}/installedApps?{where}"))

    def install(self, home: str, app_id: str, permissions: Mapping[str, str]) -> None:
        """With consent to its resource-specific permissions: name → type. `home` as for `installed`."""
        body: dict[str, Any] = {
            "teamsApp@odata.bind": f"{self._root}/appCatalogs/teamsApps/{app_id}",
            "consentedPermissionSet": {
                "resourceSpecificPermissions": [
                    {"permissionValue": name, "permissionType": kind} for name, kind in permissions.items()
                ]
            },
        }
        self._graph.post(self._connection, "POST", f"{self._root}{home}/installedApps", body)


def team_home(team_id: str) -> str:
    """Where a team's apps are."""
    return f"/teams/{quote(team_id, safe='')}"


def person_home(person: str) -> str:
    """Where the apps of a person are, by object id or address."""
    return f"/users/{quote(person, safe='')}/teamwork"


def _channel(row: Mapping[str, Any]) -> Channel:
    return Channel(
        id=str(row.get("id", "")),
        name=str(row.get("displayName", "")),
        kind=str(row.get("membershipType", "")),
        link=str(row.get("webUrl") or ""),
        archived=row.get("isArchived") is True,
    )
