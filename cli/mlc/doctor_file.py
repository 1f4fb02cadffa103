"""What `mlc doctor` reads in the connection's file: what it leaves unsaid, and routes and destinations to nowhere."""

from __future__ import annotations

from datetime import timedelta

from ml_connector.gathering import zone_of
from ml_connector.routing import reachable
from mlc.findings import Verdict
from mlc.patient import Patient
from mlc.stack import utc_now

_APPLY = "mlc connections apply FILE"


def routes(patient: Patient) -> Verdict:
    """What is taken in and goes nowhere, routes that lead to nobody, destinations that nothing reaches."""
    connection = patient.connection
    if not connection.destinations:
        return Verdict("note", "no destination is named yet: events are taken in, and go nowhere", "", (_APPLY,))
    led_to = {name for route in connection.routes for name in route["to"]}
    if missing := sorted(led_to - set(connection.destinations)):
        what = f"routes lead to {', '.join(missing)}, which is no destination"
        return Verdict("wrong", what, "what they match is parked", (_APPLY,))
    told = led_to | {each.get("feedback") for each in connection.destinations.values()} | {connection.admin}
    found = [f"nothing leads to destination {name}" for name in connection.destinations if name not in told]
    found += [f"no route hears of module {name}" for name in connection.modules if not reachable(connection, name)]
    if found:
        return Verdict("note", "; ".join(found), "perhaps a route is missing: nobody is told of these", (_APPLY,))
    return Verdict("ok", f"{len(connection.routes)} routes lead to {len(led_to)} destinations")


def notes(patient: Patient) -> Verdict:
    """Zoho cannot be asked beforehand; the right to write them is a matter of `permissions`."""
    names = [name for name, each in patient.connection.destinations.items() if each["type"] == "zoho_comment"]
    if not names:
        return Verdict("skipped", "no destination is a note in Zoho Books")
    return Verdict("ok", f"{', '.join(names)}: written with the access above; whether notes arrive cannot be asked")


def file(patient: Patient) -> Verdict:
    """What the connection's file leaves unsaid, and may have meant otherwise. Nothing is asked of a vendor."""
    connection, found = patient.connection, []
    if not connection.admin:
        found.append("nobody is told when access ends: set admin, the name of a Teams destination")
    theirs = patient.known.organization.time_zone if patient.known else ""
    if theirs and not _same_clock(theirs, connection.time_zone):
        found.append(
            f"time_zone is {connection.time_zone}, but the organization's is {theirs}: quiet hours and digests are "
            f"in {connection.time_zone}"
        )
    if not found:
        return Verdict("ok", f"who is told, and times in {connection.time_zone}, are said")
    return Verdict("note", "; ".join(found), "", (_APPLY,))


def _same_clock(one: str, other: str) -> bool:
    """Whether two time zones show the same time, in summer as in winter: some have several names."""
    moments = [utc_now() + timedelta(days=days) for days in (0, 182)]
    return all(
        each.astimezone(zone_of(one)).utcoffset() == each.astimezone(zone_of(other)).utcoffset() for each in moments
    )
