"""A stack with the connection acme-eu, as the checks of `mlc doctor` see it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from ml_connector.connections import Connection
from ml_connector.consent import Connected
from ml_connector.errors import ConfigError
from ml_connector.ports import Organization
from mlc.doctor_stack import OUTPUTS
from mlc.findings import Verdict
from mlc.patient import Patient
from tests.fakes import ORGANIZATION, AccessTokens, Clock, Says, Secrets, Wire, connection, http

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
WHOLE = {"region": "eu", "client_id": "1000.X", "client_secret": "sEcReT", "refresh_token": "sEcReT"}
CONNECT = ("mlc auth zoho acme-eu",)
STORE = ("mlc credentials set acme-eu zoho",)
HARBOUR = Organization(ORGANIZATION, "Harbour Supplies", "Europe/Berlin", "EUR")


@dataclass
class Table:
    """The connections table in memory."""

    rows: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    known: dict[str, Connection] = field(default_factory=lambda: {"acme-eu": connection()})

    def get(self, pk: str, sk: str, *, consistent: bool = False) -> dict[str, Any] | None:
        return self.rows.get((pk, sk))

    def put(self, pk: str, sk: str, **attributes: Any) -> None:
        self.rows[pk, sk] = {"pk": pk, "sk": sk, **attributes}

    def names(self) -> list[str]:
        return list(self.known)


@dataclass
class Tokens(AccessTokens):
    fault: Exception | None = None

    def access_token(self, connection: str, kind: str, *, rejected: str = "") -> str:
        if self.fault:
            raise self.fault
        return super().access_token(connection, kind)


class Numbers(dict[str, dict[str, int]]):
    """The limits table: no budget has been drawn on."""

    def get(self, key: str) -> dict[str, int]:  # type: ignore[override]
        return super().get(key, {})


class Place:
    """A stack with the connection acme-eu, as the checks see it."""

    def __init__(self, *answers: Says, credentials: Mapping[str, Any] = WHOLE, **due: str) -> None:
        self.name = "stack"
        self.outputs = {**dict.fromkeys(OUTPUTS, "x"), "Version": version("ml-connector")}
        self.state = "UPDATE_COMPLETE"
        self.connections = Table()
        self.secrets = Secrets({("acme-eu", "zoho"): credentials}, Clock(NOW))
        self.tokens = Tokens()
        self.wire = Wire(*(answers or (Says(),)))
        self.zoho_api = self.installations = None
        self.limits = Numbers()
        if due:
            self.connections.put("tokens", "acme-eu#zoho", **due)

    def http(self, hosts: frozenset[str]) -> Any:
        return http(self.wire, hosts)

    def connection(self, name: str) -> Connection:
        if name not in self.connections.known:
            raise ConfigError(f"there is no connection {name!r}; there are acme-eu")
        return self.connections.known[name]

    def remember(self, *granted: str) -> None:
        each = Connected("acme-eu", "eu", HARBOUR, granted, "2026-11-01T00:00:00Z", "ola")
        self.connections.put("organizations", "acme-eu", data=json.dumps(asdict(each)))

    @property
    def patient(self) -> Patient:
        return Patient(self, "acme-eu")  # type: ignore[arg-type]


def told(verdict: Verdict) -> Verdict:
    """Whatever is wrong comes with the reason why that matters, and holds no secret."""
    assert verdict.why or verdict.state != "wrong"
    assert "sEcReT" not in str(verdict)
    return verdict
