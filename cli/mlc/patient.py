"""A connection that `mlc doctor` examines, and what is stored about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ml_connector.aws.organizations import Organizations
from ml_connector.aws.token_agenda import TokenAgenda
from ml_connector.connections import Connection
from ml_connector.consent import Connected
from ml_connector.tokens import Due
from mlc.findings import Verdict, once
from mlc.stack import Stack

KINDS = ("zoho", "microsoft.bot", "microsoft.delegated", "monday")
"""Tokens that the schedule refreshes, those first without which nothing can be read."""


@dataclass
class Patient:
    """A connection. Each thing about it is read once, when the first check wants it."""

    at: Stack
    name: str
    post: bool = False
    """Whether test cards may be posted."""

    @once
    def connection(self) -> Connection:
        return self.at.connection(self.name)

    @once
    def credentials(self) -> Mapping[str, Any]:
        """Zoho's."""
        return self.at.secrets.get(self.name, "zoho", max_age=0.0)

    @once
    def known(self) -> Connected | None:
        return Organizations(self.at.connections).of(self.name)

    @once
    def due(self) -> Mapping[str, Due]:
        """When each token is refreshed next, by KINDS; without those that are not."""
        agenda = TokenAgenda(self.at.connections)
        every = {kind: agenda.of(self.name, kind) for kind in KINDS}
        return {kind: due for kind, due in every.items() if due}


Check = Callable[[Patient], Verdict]
