"""What was installed in Zoho for each endpoint, in the connections table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields

from ml_connector.aws.connections_table import ConnectionsTable
from ml_connector.webhook_plan import Installed

_NAMES = tuple(field.name for field in fields(Installed))


class Installations:
    """Implements webhook_setup.Installations. Of a secret it holds the hash: whoever reads the table cannot sign."""

    def __init__(self, table: ConnectionsTable) -> None:
        self._table = table

    def all(self, connection: str) -> Mapping[str, Installed]:
        return {
            row["sk"]: Installed(**{name: row.get(name, "") for name in _NAMES})
            for row in self._table.query(f"webhooks#{connection}")
        }

    def set(self, connection: str, endpoint: str, installed: Installed) -> None:
        self._table.put(f"webhooks#{connection}", endpoint, **asdict(installed))

    def forget(self, connection: str, endpoint: str) -> None:
        self._table.delete(f"webhooks#{connection}", endpoint)
