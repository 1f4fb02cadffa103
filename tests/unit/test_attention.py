"""Somebody is told when a token needs a person, and when it is well again (ml_connector.attention)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from ml_connector.attention import Attention, Incident
from ml_connector.destinations import Registry
from ml_connector.destinations.teams import notice
from ml_connector.notices import AGAIN, Notices
from ml_connector.tokens import Due
from tests.fakes import Agenda, Clock, Connections, Says, Wire, connection, toolbox
from tests.unit.test_notices import MADE, Board, texts

REVOKED = Due(
    "acme-eu", "zoho", "2026-11-22T09:00:00Z", "needs_attention",
    "Zoho does not know this refresh token any more: access was revoked", "mlc auth zoho acme-eu",
)  # fmt: skip
WELL = Due("acme-eu", "zoho", "2026-11-22T09:00:00Z", "ok")


class Incidents:
    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], Incident] = {}

    def all(self) -> list[Incident]:
        return list(self.rows.values())

    def open(self, incident: Incident) -> bool:
        return self.rows.setdefault((incident.connection, incident.kind), incident) is incident

    def told(self, incident: Incident) -> None:
        self.rows[incident.connection, incident.kind] = replace(incident, told=True)

    def close(self, incident: Incident) -> None:
        del self.rows[incident.connection, incident.kind]


class Watch:
    """The run of every minute, over a Teams of ours."""

    def __init__(self, *answers: Says, admin: str = "finance") -> None:
        self.clock = Clock()
        self.agenda, self.incidents = Agenda(), Incidents()
        self.connections = Connections({"acme-eu": connection(admin=admin)})
        self.wire = Wire(*answers or (MADE,))
        registry = Registry(toolbox(self.wire, self.clock))
        self.notices = Notices(Board(), registry, notice.request, self.clock, lambda *failure: None)

    def minute(self, *dues: Due) -> int:
        self.agenda.dues = {(due.connection, due.kind): due for due in dues}
        self.clock.advance(60)
        return Attention(self.agenda, self.incidents, self.connections, self.notices, self.clock).run()

    @property
    def told(self) -> list[list[str]]:
        return [
            texts(self.wire.sent(index)["activity"]["attachments"][0]["content"]["body"])
            for index in range(len(self.wire.calls))
        ]


def test_an_incident_is_told_once_and_so_is_its_end() -> None:
    """Whatever the number of runs: what happened with what to type, and later that it is over."""
    watch = Watch()
    assert [watch.minute(REVOKED) for _ in range(3)] == [1, 1, 1]
    ((title, reason, meanwhile, *_, organization, since, _, command),) = watch.told
    assert title == "Zoho Books must be connected again"
    assert "access was revoked" in reason
    assert "Nothing is lost" in meanwhile
    assert "76 hours" in meanwhile
    assert (organization, since, command) == ("20081234567", "22 Nov 2026, 08:01 UTC", "mlc auth zoho acme-eu")

    assert [watch.minute(WELL) for _ in range(3)] == [0, 0, 0]
    assert [each[0] for each in watch.told] == ["Zoho Books must be connected again", "Zoho Books works again"]
    assert watch.incidents.all() == []


def test_a_second_incident_is_told_anew() -> None:
    """Each has its own matter."""
    watch = Watch()
    for due in (REVOKED, WELL, REVOKED, WELL):
        watch.minute(due)
    assert [each[0].rpartition(" ")[2] for each in watch.told] == ["again"] * 4
    assert len(watch.told) == 4


@pytest.mark.parametrize(
    "due",
    [
        replace(WELL, due_at="2026-11-22T08:00:00Z"),
        replace(WELL, reason="Zoho gives no more tokens for a while"),
    ],
)
def test_a_consent_alone_is_no_proof(due: Due) -> None:
    """ "Works again" is said when a token was issued, not when one is about to be asked for."""
    watch = Watch()
    watch.minute(REVOKED)
    watch.minute(due)
    assert len(watch.told) == 1
    watch.minute(WELL)
    assert len(watch.told) == 2


def test_what_could_not_be_told_is_told_in_a_later_run() -> None:
    """Teams is down for a while: the incident is not forgotten, nor told twice."""
    watch = Watch(Says(429, {}, {"Retry-After": "600"}), MADE)
    for _ in range(30):
        watch.minute(REVOKED)
    assert len(watch.wire.calls) == 2
    assert watch.incidents.all() == [Incident("acme-eu", "zoho", "2026-11-22T08:01:00Z", told=True)]


def test_what_ended_before_anybody_was_told_stays_untold() -> None:
    """No "works again" about what nobody has heard of."""
    watch = Watch(Says(429, {}, {"Retry-After": "600"}))
    watch.minute(REVOKED)
    watch.minute(WELL)
    assert (len(watch.wire.calls), watch.incidents.all()) == (1, [])


def test_end_is_told_later_too() -> None:
    """The row stays until the end is told."""
    watch = Watch(MADE, Says(503, {}), MADE)
    watch.minute(REVOKED)
    watch.minute(WELL)
    assert len(watch.incidents.all()) == 1
    watch.clock.advance(AGAIN.total_seconds())
    watch.minute(replace(WELL, due_at="2026-11-22T10:00:00Z"))
    assert (len(watch.wire.calls), watch.incidents.all()) == (3, [])


def test_access_that_was_ended_on_purpose_is_no_incident() -> None:
    """`mlc auth revoke` takes the token off the agenda: nothing works again, and nothing is wrong."""
    watch = Watch()
    watch.minute(REVOKED)
    assert (watch.minute(), watch.incidents.all(), len(watch.told)) == (0, [], 1)


def test_without_admin_the_alarm_still_counts() -> None:
    """Nobody to tell: the count goes on, and whoever is named later is told while it lasts."""
    watch = Watch(admin="")
    assert (watch.minute(REVOKED), watch.wire.calls) == (1, [])
    watch.connections.held["acme-eu"] = connection(admin="finance")
    watch.minute(REVOKED)
    assert len(watch.told) == 1
    watch.connections.held["acme-eu"] = connection(admin="")
    watch.minute(WELL)
    assert watch.incidents.all() == []


def test_two_runs_at_once_open_one_incident() -> None:
    """The second finds the row of the first and leaves the telling to it."""
    watch = Watch()
    watch.incidents.open(Incident("acme-eu", "zoho", "2026-11-22T08:00:30Z"))
    stale = watch.incidents.all
    watch.incidents.all = lambda: []  # type: ignore[method-assign]
    assert watch.minute(REVOKED) == 1
    assert watch.wire.calls == []
    watch.incidents.all = stale  # type: ignore[method-assign]
    watch.minute(REVOKED)
    assert len(watch.told) == 1


def test_connection_that_is_gone_is_counted_only() -> None:
    """There is nobody to tell of it."""
    watch = Watch()
    watch.connections.held = {}
    assert [watch.minute(REVOKED), watch.minute(WELL)] == [1, 0]
    assert (watch.wire.calls, watch.incidents.all()) == ([], [])


def test_no_telling_is_begun_without_time() -> None:
    """The run ends before Lambda ends it; the count is whole all the same."""
    watch = Watch()
    watch.agenda.dues = {("acme-eu", "zoho"): REVOKED}
    attention = Attention(watch.agenda, watch.incidents, watch.connections, watch.notices, watch.clock)
    assert attention.run(timedelta(0)) == 1
    assert watch.wire.calls == []
