"""Watches over the tokens that need a person, and has one told: once when it begins, once when it is over."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from ml_connector.connections import Connection
from ml_connector.notices import Notices
from ml_connector.ports import Clock, Connections
from ml_connector.retry import Policy
from ml_connector.times import stamp
from ml_connector.tokens import Agenda, Due

_NAMES = {
    "zoho": "Zoho Books",
    "microsoft.bot": "The Teams bot",
    "microsoft.graph": "Microsoft Graph",
    "microsoft.delegated": "The Teams service account",
    "monday": "monday.com",
}


@dataclass(frozen=True, slots=True)
class Incident:
    """A token that needs a person `since` then, and whether one was told."""

    connection: str
    kind: str
    since: str
    told: bool = False


class Incidents(Protocol):
    """The open ones. A token has at most one."""

    def all(self) -> Iterable[Incident]: ...

    def open(self, incident: Incident) -> bool:
        """False if the token has one already."""
        ...

    def told(self, incident: Incident) -> None: ...

    def close(self, incident: Incident) -> None: ...


@dataclass(frozen=True, slots=True)
class Attention:
    """Runs after each run of the tokens; what it could not tell it tells in a later one."""

    agenda: Agenda
    incidents: Incidents
    connections: Connections
    notices: Notices
    clock: Clock

    def run(self, left: timedelta = timedelta(seconds=20)) -> int:
        """How many tokens need a person. No telling is begun after `left`."""
        until = self.clock() + left
        known = {(each.connection, each.kind): each for each in self.incidents.all()}
        count = 0
        for due in self.agenda.all():
            incident = known.pop((due.connection, due.kind), None)
            needed = due.state == "needs_attention"
            count += needed
            if self.clock() >= until:
                continue
            if needed:
                self._begins(due, incident)
            elif incident and not due.reason and due.due_at > stamp(self.clock()):
                # Not every row without a refusal is well: a consent alone proves nothing until a token was issued.
                self._ends(incident)
        for incident in known.values():
            # Somebody has ended the access itself: there is nothing to put right any more.
            self.incidents.close(incident)
        return count

    def _begins(self, due: Due, incident: Incident | None) -> None:
        if incident is None:
            incident = Incident(due.connection, due.kind, stamp(self.clock()))
            if not self.incidents.open(incident):
                return  # another run is about it
        connection = self.connections.connection(due.connection)
        if connection is None or incident.told:
            return
        hours = round(Policy.of(connection.retry).horizon.total_seconds() / 3600)
        text = (
            f"{due.reason.rstrip('.')}.\n"
            f"Nothing is lost meanwhile: events are still taken in, and what needs this access is tried for {hours} "
            "hours and then parked until somebody sends it again."
        )
        title = f"{_name(due.kind)} must be connected again"
        if self.notices.tell(connection, _key(incident), title, text, _facts(connection, incident), due.command):
            self.incidents.told(incident)

    def _ends(self, incident: Incident) -> None:
        connection = self.connections.connection(incident.connection)
        told = True
        if incident.told and connection is not None and connection.admin:
            told = self.notices.tell(
                connection,
                f"{_key(incident)}.over",
                f"{_name(incident.kind)} works again",
                "What was waiting goes out within half an hour.",
                _facts(connection, incident),
                good=True,
            )
        if told:
            self.incidents.close(incident)


def _facts(connection: Connection, incident: Incident) -> dict[str, str]:
    since = datetime.fromisoformat(incident.since)
    return {"Organization": connection.organization_id, "Since": f"{since.day} {since:%b %Y, %H:%M} UTC"}


def _key(incident: Incident) -> str:
    return f"token.{incident.kind}.{incident.since}"


def _name(kind: str) -> str:
    return _NAMES.get(kind, kind)
