"""A connection as the functions see it: what `mlc connections apply` has checked and stored, as plain data.

The checking is done by ml_connector.config before anything is stored; nothing here needs pydantic at a cold start.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ml_connector.formats import Formats

ZOHO: Mapping[str, Any] = {
    "enrich": "missing",
    "manage_webhooks": True,
    "reconcile_share": 20,
    "reserve": 10,
    "webhooks_per_day": 1000,
}
"""What holds for connections that were applied before these could be said."""


@dataclass(frozen=True, slots=True)
class Connection:
    """One Zoho Books organization and all that belongs to it."""

    name: str
    version: int
    region: str
    organization_id: str
    modules: tuple[str, ...]
    destinations: Mapping[str, Mapping[str, Any]]
    routing: str
    routes: tuple[Mapping[str, Any], ...]
    retry: Mapping[str, Any]
    microsoft: Mapping[str, Any]
    locale: str
    time_zone: str
    applied_at: str
    zoho: Mapping[str, Any] = field(default_factory=dict)
    """How Zoho is used: the settings of ZOHO, described in config/model.py."""
    admin: str = ""
    """The Teams destination that is told when a person must act; "" for none."""
    formats: Formats = field(default_factory=Formats)
    """How amounts and dates are written in its locale."""

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Connection:
        return cls(
            name=data["connection"],
            version=data["version"],
            region=data["zoho"]["region"],
            organization_id=data["zoho"]["organization_id"],
            modules=tuple(data["zoho"]["modules"]),
            destinations=data["destinations"],
            routing=data["routing"],
            routes=tuple(data["routes"]),
            retry=data["retry"],
            microsoft=data["microsoft"],
            locale=data["locale"],
            time_zone=data["time_zone"],
            applied_at=data["applied_at"],
            zoho={**ZOHO, **data["zoho"]},
            admin=data.get("admin", ""),
            formats=Formats.of(data.get("formats", {})),
        )


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One inbound address. It fixes the connection, the source, and for Zoho the module and what happened to it."""

    id: str
    connection: str
    source: str
    module: str
    action: str


TOKEN = re.compile(r"[A-Za-z0-9_-]{32,64}\Z")
"""What an endpoint's path token looks like: nothing else is looked up."""


def token_hash(token: str) -> str:
    """What is stored of an endpoint's path token: whoever reads the table cannot call the endpoint."""
    return hashlib.sha256(token.encode()).hexdigest()
