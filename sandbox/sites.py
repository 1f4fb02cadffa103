"""More companies for the sandbox: each with books, channels and a board of its own, in the default tenant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ml_connector.config.model import ConnectionFile
from ml_connector.modules import MODULES
from sandbox.vendors import default_world as world

LEDGER = "ledger"
"""The name of a site's monday destination; its Teams destinations are called like the modules."""
OFFICE = "office"
"""The Teams destination that is told when a person must act, of sites that have one."""


@dataclass(frozen=True)
class Site:
    """One company. Every module has a channel of its own, and all have the board.

    `retry`, `zoho` (what it says besides) and `routes` are the connection file's; without routes all that happens to a
    module goes to its channel and onto the board. `notes` is the name of a zoho_comment destination, `ledger` what the
    file says of the board besides. Unless `digest` says otherwise, every message is posted, however many there are.
    """

    number: int
    retry: Mapping[str, Any] = field(default_factory=dict)
    columns: Mapping[str, Any] | None = None
    modules: Sequence[str] = tuple(MODULES)
    routes: Sequence[Mapping[str, Any]] = ()
    zoho: Mapping[str, Any] = field(default_factory=dict)
    office: bool = False
    notes: str = ""
    ledger: Mapping[str, Any] = field(default_factory=dict)
    digest: Mapping[str, Any] = field(default_factory=lambda: {"above": 0})

    @property
    def connection(self) -> str:
        return f"site-{self.number}"

    @property
    def organization(self) -> str:
        return f"{20064560000 + self.number}"

    @property
    def board(self) -> str:
        return f"{1234560000 + self.number}"

    @property
    def refresh_token(self) -> str:
        return f"1000.site{self.number:028}.{'0' * 32}"

    @property
    def monday_token(self) -> str:
        return f"sandbox-monday-token-of-site-{self.number}"

    @property
    def person(self) -> str:
        """The id of a user who works on the board, and is called Asha Rao."""
        return f"9{self.board}"

    @property
    def channels(self) -> dict[str, str]:
        """Channel by Teams destination."""
        return {
            destination_of(module): f"19:site{self.number}{module.replace('_', '')}@thread.tacv2"
            for module in self.modules
        } | ({OFFICE: f"19:site{self.number}office@thread.tacv2"} if self.office else {})

    def file(self) -> ConnectionFile:
        """The connection file, as if it were read from TOML."""
        place = {"type": "teams", "team_id": world.MICROSOFT_TEAM, "digest": dict(self.digest)}
        ledger: dict[str, Any] = {"type": "monday", "board_id": int(self.board), "group": world.MONDAY_GROUP}
        if self.columns:
            ledger["columns"] = self.columns
        # Newer releases pace themselves by the account's plan.
        known = ConnectionFile.model_json_schema()["$defs"]["Monday"]["properties"]
        if "plan" in known:
            ledger["plan"] = "pro"
        if self.columns and "lines" in known:
            ledger["lines"] = "none"
        ledger |= self.ledger
        return ConnectionFile.model_validate(
            {
                "connection": self.connection,
                "zoho": {
                    "region": world.ZOHO_REGION,
                    "organization_id": self.organization,
                    "modules": list(self.modules),
                    **self.zoho,
                },
                "microsoft": {"tenant_id": world.MICROSOFT_TENANT, "client_id": world.MICROSOFT_CLIENT_ID},
                "destinations": {
                    **{name: {**place, "channel_id": channel} for name, channel in self.channels.items()},
                    LEDGER: ledger,
                    **({self.notes: {"type": "zoho_comment"}} if self.notes else {}),
                },
                "routes": list(self.routes)
                or [{"events": [f"{module}.*"], "to": [destination_of(module), LEDGER]} for module in self.modules],
                "retry": dict(self.retry),
                "admin": OFFICE if self.office else None,
            }
        )

    def seed(self) -> dict[str, Any]:
        """What the stand-ins must know of it (the shape of `default_world.seed()`)."""
        place = {"team_id": world.MICROSOFT_TEAM, "tenant_id": world.MICROSOFT_TENANT}
        columns = [
            *world.board_columns(),
            *({"id": name, "title": name, "type": each["type"]} for name, each in (self.columns or {}).items()),
        ]
        return {
            "zoho": {
                "organizations": [
                    {"organization_id": self.organization, "name": f"Site {self.number}", "dc": world.ZOHO_REGION}
                ],
                "refresh_tokens": [
                    {
                        "token": self.refresh_token,
                        "client_id": world.ZOHO_CLIENT_ID,
                        "dc": world.ZOHO_REGION,
                        "organization_ids": [self.organization],
                        "scopes": world.ZOHO_SCOPES,
                    }
                ],
            },
            "microsoft": {
                "channels": [
                    place | {"channel_id": channel, "name": name, "installed": [world.MICROSOFT_CLIENT_ID]}
                    for name, channel in self.channels.items()
                ]
            },
            "monday": {
                "accounts": [{"account_id": self.board, "slug": self.connection, "plan": "pro"}],
                "users": [
                    {"token": self.monday_token, "user_id": self.board, "account_id": self.board},
                    {
                        "token": f"{self.monday_token}-person",
                        "user_id": self.person,
                        "account_id": self.board,
                        "name": "Asha Rao",
                    },
                ],
                "boards": [
                    {
                        "board_id": self.board,
                        "account_id": self.board,
                        "name": f"Zoho Books of site {self.number}",
                        "columns": columns,
                        "subitem_columns": world.line_columns(),
                        "groups": [{"id": world.MONDAY_GROUP, "title": "Zoho Books"}],
                    }
                ],
            },
        }


def destination_of(module: str) -> str:
    return module.replace("_", "-") + "s"
