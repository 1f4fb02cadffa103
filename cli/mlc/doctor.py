"""`mlc doctor`: is everything as it must be, and if not, what to type. Checks are data: a name and a small function.

They stand in the order in which their faults hurt, run side by side, and none keeps the others waiting (findings.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Annotated

import typer
from rich.text import Text

from mlc import doctor_file, doctor_limits, doctor_stack, doctor_zoho
from mlc.doctor_stack import SITE_CHECKS, Site
from mlc.findings import SECONDS, Finding, State, Task, Verdict, run, verdict
from mlc.options import AsJson, on_stack
from mlc.output import Exit, line, named, near, say
from mlc.patient import Check, Patient
from mlc.stack import NoStack, Stack

FIRST = 4.0
"""Seconds for the stack itself, without which nothing else can be looked at."""


def teams(patient: Patient) -> Verdict:
    """Credentials and channels of each Teams destination; a test card where that is asked for."""
    from mlc import doctor_teams

    if not (names := doctor_teams.destinations(patient.connection)):
        return Verdict("skipped", "no destination is in Teams")
    wrong, right = doctor_teams.faults(patient.at, patient.connection, post=patient.post)
    return verdict(wrong, "; ".join(right) or f"credentials of {', '.join(names)} are stored")


def monday(patient: Patient) -> Verdict:
    """The token, and the board of each monday destination."""
    from mlc import doctor_monday

    if not doctor_monday.destinations(patient.connection):
        return Verdict("skipped", "no destination is on monday.com")
    wrong, right = doctor_monday.faults(patient.at, patient.connection)
    return verdict(wrong, "; ".join(right))


CHECKS: Sequence[tuple[str, Check]] = (
    ("credentials", doctor_zoho.credentials),
    ("tokens", doctor_zoho.tokens),
    ("organization", doctor_zoho.organization),
    ("permissions", doctor_zoho.permissions),
    ("webhooks", doctor_zoho.webhooks),
    ("teams", teams),
    ("monday", monday),
    ("notes", doctor_file.notes),
    ("routes", doctor_file.routes),
    ("limits", doctor_limits.left),
    ("file", doctor_file.file),
)
"""Of each connection; those of the stack are doctor_stack.SITE_CHECKS."""


def examine(
    at: Stack, names: Sequence[str], *, post: bool = False, monotonic: Callable[[], float] = time.monotonic
) -> list[Finding]:
    """Everything about these connections; about all if none is named. `post`: test cards are posted and deleted."""
    begun = monotonic()
    known: list[str] = []
    (first,) = run([("stack", "", lambda: _stack(at, known))], each=FIRST, monotonic=monotonic)
    if first.state == "wrong" and not known:
        return [first]
    for name in names:
        if name not in known:
            what = f"there is no connection {name!r}; {near(name, known)}"
            return [
                first,
                Finding("connection", name, "wrong", what, "nothing else was looked at", ("mlc connections list",)),
            ]
    patients = [Patient(at, name, post) for name in names or known]
    site = Site.of(at)
    # Built here, once: boto3 builds its clients for one thread at a time.
    at.secrets, at.zoho_api, at.installations, at.limits  # noqa: B018
    tasks: list[Task] = [(name, "", partial(check, site)) for name, check in SITE_CHECKS]
    if patients:
        tasks.append(("clock", "", lambda: doctor_stack.clock(site, patients[0].connection.region)))
    tasks += [(name, each.name, partial(check, each)) for each in patients for name, check in CHECKS]
    found = [first, *run(tasks, SECONDS - (monotonic() - begun), monotonic=monotonic)]
    if not patients:
        none = "no connection is applied"
        found.append(Finding("connection", "", "wrong", none, "nothing is taken in", ("mlc connections apply FILE",)))
    only = patients[0].name if len(patients) == 1 else ""
    return [_called(each, each.connection or only) for each in found]


def _called(finding: Finding, connection: str) -> Finding:
    """With the connection's name in what is to be typed, if it is known which one it is."""
    types = tuple(each.replace("CONNECTION", connection or "CONNECTION") for each in finding.type)
    return replace(finding, what=named(finding.what, connection), type=types)


def _stack(at: Stack, known: list[str]) -> Verdict:
    """The stack itself; fills in the connections that it has, if it is one that this mlc can read."""
    try:
        said = doctor_stack.version_and_state(at)
    except NoStack as error:
        return Verdict("wrong", str(error), "nothing else was looked at", (f"mlc doctor --stack {error.nearest}",))
    if doctor_stack.readable(at):
        known.extend(at.connections.names())
    return said


# --- the command ---------------------------------------------------------------------------------------------------


@on_stack
def doctor(
    at: Stack,
    connection: Annotated[list[str] | None, typer.Argument(help="Names of connections; all if left out.")] = None,
    post: Annotated[
        bool, typer.Option("--post", help="Also post a test card to each Teams channel and person, and delete it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check the stack and its connections: what is wrong, why that matters, and what to type. It changes no setting.

    Takes at most about ten seconds. Exit code 3 if something is wrong.
    """
    found = examine(at, connection or [], post=post)
    wrong = sum(each.state == "wrong" for each in found)
    say(
        {"problems": wrong, "findings": [asdict(each) for each in found]},
        as_json=as_json,
        people=lambda: _show(found),
    )
    if wrong:
        raise typer.Exit(Exit.FOUND_PROBLEMS)


_SIGNS: Mapping[State, tuple[str, str]] = {
    "ok": ("✓", "green"),
    "wrong": ("✗", "red"),
    "note": ("!", "yellow"),
    "skipped": ("–", "dim"),
}


def _show(found: Iterable[Finding]) -> None:
    for connection, findings in _grouped(found):
        line(connection or "in general", "bold")
        for each in findings:
            line(Text.assemble("  ", _SIGNS[each.state], f" {each.check:<14}", each.what))
            if each.why and each.state in ("wrong", "note"):
                line(f"{'':18}{each.why}", "dim")
            for command in each.type:
                line(f"{'':18}{command}", "cyan")


def _grouped(found: Iterable[Finding]) -> Iterator[tuple[str, list[Finding]]]:
    groups: dict[str, list[Finding]] = {}
    for each in found:
        groups.setdefault(each.connection, []).append(each)
    yield from groups.items()
