"""The Teams app of a connection: what a Teams administrator uploads (contracts: microsoft-teams 1.2.1)."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from ml_connector.connections import Connection

ICONS = Path(__file__).parent / "icons"
"""Drawn by scripts/teams-icons."""
SCHEMA = "https://developer.microsoft.com/json-schemas/teams/v1.25/MicrosoftTeams.schema.json"
PERMISSIONS: Mapping[str, str] = {
    "ChannelMessage.Read.Group": "Application",
    "ChannelSettings.Read.Group": "Application",
    "TeamSettings.Read.Group": "Application",
    "TeamsActivity.Send.Group": "Application",
    "TeamsActivity.Send.User": "Application",
}
"""Granted by whoever installs the app, for that team only: reading it, and notifying its people. None of them posts."""
_WHEN = (1980, 1, 1, 0, 0, 0)
"""In the archive, so that the same app is the same file."""


@dataclass(frozen=True, slots=True)
class Look:
    """How the app presents itself."""

    name: str
    developer: str
    website: str
    version: str


def manifest_id(connection: Connection) -> str:
    """The app's own id: the same for every connection that shares its registration, so that it is one app."""
    microsoft = connection.microsoft
    return str(uuid5(NAMESPACE_URL, f"ml-connector:{microsoft['tenant_id']}:{microsoft['client_id']}".lower()))


def manifest(connection: Connection, look: Look) -> dict[str, Any]:
    client, site = connection.microsoft["client_id"], look.website.rstrip("/")
    return {
        "$schema": SCHEMA,
        "manifestVersion": "1.25",
        "version": look.version,
        "id": manifest_id(connection),
        "developer": {
            "name": look.developer,
            "websiteUrl": site,
            "privacyUrl": f"{site}/privacy",
            "termsOfUseUrl": f"{site}/terms",
        },
        "name": {"short": look.name, "full": f"{look.name} for Microsoft Teams"},
        "description": {
            "short": "Accounting events from Zoho Books",
            "full": "Shows invoices, bills, purchase orders and payments from Zoho Books in channels, and keeps them "
            "up to date. It only posts; it answers nothing.",
        },
        "icons": {"color": "color.png", "outline": "outline.png"},
        "accentColor": "#2D6CDF",
        # Asked for from 1.25 on; it says that private and shared channels are fine too.
        "supportsChannelFeatures": "tier1",
        "bots": [{"botId": client, "scopes": ["team", "personal"], "isNotificationOnly": True}],
        "webApplicationInfo": {"id": client, "resource": f"api://{client}"},
        "authorization": {
            "permissions": {
                "resourceSpecific": [{"name": name, "type": kind} for name, kind in PERMISSIONS.items()],
            }
        },
    }


def package(connection: Connection, look: Look) -> bytes:
    """The archive, byte for byte the same for the same app."""
    content = json.dumps(manifest(connection, look), indent=2, ensure_ascii=False).encode()
    files = {"manifest.json": content, **{name: (ICONS / name).read_bytes() for name in ("color.png", "outline.png")}}
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in files.items():
            packed.writestr(zipfile.ZipInfo(name, _WHEN), data, zipfile.ZIP_DEFLATED)
    return archive.getvalue()


def steps(connection: Connection, file: str, teams: Sequence[str], people: Sequence[str] = ()) -> list[str]:
    """What an administrator does with it, once. `people`: whose chats with the bot are told."""
    microsoft, name = connection.microsoft, connection.name
    return [
        f"Azure portal: the app registration {microsoft['client_id']} of tenant {microsoft['tenant_id']} has a bot: "
        "an Azure Bot of type Single Tenant with the Teams channel on, or one made in the Teams Developer Portal.",
        f"Teams admin centre > Teams apps > Manage apps > Upload: {file}. Allow it for those who shall install it.",
        *(
            [
                f"In each team ({', '.join(teams) or 'that a destination names'}): Manage team > Apps > More apps, "
                f"choose it, Add; the owner agrees to what it may read. Or: mlc teams install {name}",
                "In a private or shared channel, also enable the app for the channel (Manage channel > Apps).",
            ]
            if teams or not people
            else []
        ),
        *(
            [
                f"For each person ({', '.join(people)}): Teams admin centre > Teams apps > Setup policies, one that "
                f"installs it, assigned to them; or they add it in Teams > Apps. Or: mlc teams install {name}"
            ]
            if people
            else []
        ),
        f"mlc doctor {name} --post    posts a test card to each channel and person and takes it away again (a workflow "
        "cannot).",
    ]
