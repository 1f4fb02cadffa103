"""`mlc doctor`: is everything as it must be, and if not, what to type. Checks are data: a name and a small function.

They are listed in the order in which their faults hurt, run side by side, and none may keep the others waiting.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cached_property
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Annotated, Any, Literal

import typer
from rich.text import Text

from ml_connector.aws.organizations import Organizations
from ml_connector.aws.token_agenda import TokenAgenda
from ml_connector.connections import Connection
from ml_connector.consent import Connected, scopes
from ml_connector.errors import ConnectorError, NeedsAttention, NotAllowed
from ml_connector.gathering import zone_of
from ml_connector.regions import HOSTS, REGIONS
from ml_connector.tokens import Due, remedy
from ml_connector.webhook_setup import RulesUnavailable
from mlc.auth import accounts, redirect_uri
from mlc.options import AsJson, on_stack
from mlc.output import Exit, line, of_aws, say
from mlc.stack import Stack, utc_now
from mlc.webhook_desk import open_desk

SECONDS = 10.0
"""What is not found out by then is said to be so."""
WORKERS = 16
SKEW = timedelta(seconds=60)
"""A link for a consent ends by this computer's clock and is checked by Amazon's."""
LATE = timedelta(minutes=15)
"""A token that is overdue for so long was passed over by many runs of the schedule."""
SHOWN = 3
"""Of several faults of one kind."""
OUTPUTS = ("ConnectionsTableName", "LimitsTableName", "SecretsPrefix", "OAuthCallbackUrl", "WebhookUrl")

State = Literal["ok", "wrong", "note", "skipped"]
"""A note is no fault: something that one may want to know."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`what` was found, `why` it matters, and what to `type`. `connection` is "" for what concerns all."""

    check: str
    connection: str
    state: State
    what: str
    why: str = ""
    type: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check says, before it is known which check that was."""

    state: State
    what: str
    why: str = ""
    type: tuple[str, ...] = ()


@dataclass
class Patient:
    """A connection, and what is stored about it. Each thing is read when the first check wants it."""

    at: Stack
    connection: Connection
    post: bool = False
    """Whether test cards may be posted."""

    @property
    def name(self) -> str:
        return self.connection.name

    @cached_property
    def credentials(self) -> Mapping[str, Any]:
        return self.at.secrets.get(self.name, "zoho", max_age=0.0)

    @cached_property
    def known(self) -> Connected | None:
        return Organizations(self.at.connections).of(self.name)

    @cached_property
    def due(self) -> Due | None:
        return TokenAgenda(self.at.connections).of(self.name, "zoho")


Check = Callable[[Patient], Verdict]


# --- the checks ----------------------------------------------------------------------------------------------------


def credentials(patient: Patient) -> Verdict:
    """Client and refresh token are there, and for the data centre that the file says."""
    stored, name = patient.credentials, patient.name
    why = "without them nothing can be read from Zoho Books, and no webhook can be installed"
    if lacking := [each for each in ("client_id", "client_secret") if not stored.get(each)]:
        return Verdict(
            "wrong",
            f"the Zoho credentials lack {' and '.join(lacking)}",
            why,
            (f"mlc credentials set {name} zoho", f"mlc auth zoho {name}"),
        )
    if not stored.get("refresh_token"):
        return Verdict("wrong", "nobody has given access to Zoho Books yet", why, (f"mlc auth zoho {name}",))
    here, there = patient.connection.region.upper(), str(stored.get("region", "")).upper()
    if here != there:
        return Verdict(
            "wrong",
            f"the file says data centre {here}, but access was given in {there or 'none that we know'}",
            "a token is worth nothing in another data centre",
            (f"mlc credentials set {name} zoho", f"mlc auth zoho {name}"),
        )
    return Verdict("ok", f"client and refresh token of data centre {here} are stored")


def token(patient: Patient) -> Verdict:
    """The schedule's own record of how the last refresh went."""
    due, name = patient.due, patient.name
    why = "events are still taken in and wait; after the retry time they are parked"
    if not patient.credentials.get("refresh_token"):
        return Verdict("skipped", "there is no token without access")
    if due is None:
        return Verdict("wrong", "no refresh of the token is planned", why, (f"mlc auth zoho {name}",))
    if due.state != "ok":
        return Verdict("wrong", due.reason or due.state, why, (due.command or remedy(name, "zoho", "consent"),))
    overdue = utc_now() - datetime.fromisoformat(due.due_at)
    if overdue > LATE:
        return Verdict(
            "wrong",
            f"the token was due for a refresh {_minutes(overdue)} ago" + (f": {due.reason}" if due.reason else ""),
            f"the schedule that refreshes tokens seems not to run; {why}",
            (f"aws logs tail /aws/lambda/{patient.at.name}-refresh-tokens --since 1h",),
        )
    when = "within the next minutes" if overdue > timedelta(0) else f"at {due.due_at[11:16]} UTC"
    return Verdict("ok", f"the token is refreshed {when}")


def organization(patient: Patient) -> Verdict:
    """Zoho itself is asked, with the token that the functions use."""
    connection, name = patient.connection, patient.name
    if not patient.credentials.get("refresh_token"):
        return Verdict("skipped", "not asked: there is no access")
    try:
        access_token = patient.at.tokens.access_token(name, "zoho")
    except NeedsAttention as error:
        return Verdict(
            "wrong",
            error.reason,
            "nothing can be read from Zoho Books",
            (remedy(name, "zoho", error.remedy),),
        )
    visible = accounts(patient.at).organizations(connection.region, access_token)
    chosen = next((each for each in visible if each.id == connection.organization_id), None)
    if chosen is None:
        return Verdict(
            "wrong",
            f"organization {connection.organization_id} is not among the {len(visible)} that the user can see",
            "every read is refused",
            (f"mlc auth organizations {name}", f"mlc auth zoho {name}"),
        )
    if not chosen.active:
        return Verdict("wrong", f"organization {chosen.name} ({chosen.id}) is not active", "every read is refused")
    return Verdict("ok", f"{chosen.name} ({chosen.id}), {chosen.time_zone}, {chosen.currency}")


def permissions(patient: Patient) -> Verdict:
    """What was agreed to, against what the connection's file needs by now."""
    if patient.known is None or not patient.credentials.get("refresh_token"):
        return Verdict("skipped", "not known: the refresh token was not got by mlc")
    if lacking := sorted(set(scopes(patient.connection)) - set(patient.known.scopes)):
        return Verdict(
            "wrong",
            f"access was given without {', '.join(lacking)}",
            "the file asks for more than it did then; scopes cannot be added to a refresh token",
            (f"mlc auth zoho {patient.name}",),
        )
    return Verdict("ok", "all that the connection's file needs was agreed to")


def webhooks(patient: Patient) -> Verdict:
    """Webhooks and rules in Zoho against what shall be there. Two calls: `mlc webhooks verify` looks more closely."""
    if not patient.credentials.get("refresh_token"):
        return Verdict("skipped", "not looked at: there is no access")
    name, why = patient.name, "what no webhook brings is only found by reconcile"
    desk = open_desk(patient.at, name)
    try:
        found = desk.findings(deep=False)
    except NotAllowed as error:
        return Verdict("wrong", error.reason, why, (f"mlc auth zoho {name}", f"mlc webhooks manual {name}"))
    except RulesUnavailable as error:
        return Verdict("wrong", error.reason, why, (f"mlc webhooks manual {name}",))
    except NeedsAttention as error:
        return Verdict("wrong", error.reason, why, (remedy(name, "zoho", error.remedy),))
    if not found:
        return Verdict("ok", f"{len(desk.chosen(()))} webhooks with their rules are in order")
    what = "; ".join(f"{each.event}: {each.what}" for each in found[:SHOWN])
    more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return Verdict("wrong", what + more, found[0].why, tuple(dict.fromkeys(each.type for each in found)))


def teams(patient: Patient) -> Verdict:
    """Credentials and channels of each Teams destination; a test card where that is asked for."""
    from mlc import doctor_teams

    if not (names := doctor_teams.destinations(patient.connection)):
        return Verdict("skipped", "no destination is in Teams")
    wrong, right = doctor_teams.faults(patient.at, patient.connection, post=patient.post)
    if wrong:
        types = tuple(dict.fromkeys(each[2] for each in wrong if each[2]))
        return Verdict("wrong", "; ".join(each[0] for each in wrong), wrong[0][1], types)
    return Verdict("ok", "; ".join(right) or f"credentials of {', '.join(names)} are stored")


def monday(patient: Patient) -> Verdict:
    """The token, and the board of each monday destination."""
    from mlc import doctor_monday

    if not doctor_monday.destinations(patient.connection):
        return Verdict("skipped", "no destination is on monday.com")
    wrong, right = doctor_monday.faults(patient.at, patient.connection)
    if wrong:
        types = tuple(dict.fromkeys(each[2] for each in wrong if each[2]))
        return Verdict("wrong", "; ".join(each[0] for each in wrong), wrong[0][1], types)
    return Verdict("ok", "; ".join(right))


def notes(patient: Patient) -> Verdict:
    """Zoho cannot be asked beforehand; the right to write them is a matter of `permissions`."""
    names = [name for name, each in patient.connection.destinations.items() if each["type"] == "zoho_comment"]
    if not names:
        return Verdict("skipped", "no destination is a note in Zoho Books")
    return Verdict("ok", f"{', '.join(names)}: written with the access above; whether notes arrive cannot be asked")


def file(patient: Patient) -> Verdict:
    """What the connection's file leaves unsaid, and may have meant otherwise. Nothing is asked of a vendor."""
    connection, found = patient.connection, []
    if not connection.destinations:
        found.append("no destination is named yet: events are taken in, and go nowhere")
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
    return Verdict("note", "; ".join(found), "", ("mlc connections apply FILE",))


def _same_clock(one: str, other: str) -> bool:
    """Whether two time zones show the same time, in summer as in winter: some have several names."""
    moments = [utc_now() + timedelta(days=days) for days in (0, 182)]
    return all(
        each.astimezone(zone_of(one)).utcoffset() == each.astimezone(zone_of(other)).utcoffset() for each in moments
    )


CHECKS: Sequence[tuple[str, Check]] = (
    ("credentials", credentials),
    ("token", token),
    ("organization", organization),
    ("permissions", permissions),
    ("webhooks", webhooks),
    ("teams", teams),
    ("monday", monday),
    ("notes", notes),
    ("file", file),
)


def clock(at: Stack, region: str) -> Verdict:
    """This computer's, against the `Date` of Zoho's answer to a call that needs no token to be answered."""
    answer = at.http(HOSTS).call("GET", f"https://{REGIONS[region].api}/books/v3/organizations")
    now = utc_now()
    try:
        theirs = parsedate_to_datetime(answer.headers.get("date", "")).astimezone(UTC)
    except ValueError:
        return Verdict("skipped", "Zoho's answer holds no date")
    skew = theirs - now
    if abs(skew) > SKEW:
        return Verdict(
            "wrong",
            f"this computer's clock is {_minutes(abs(skew))} {'behind' if skew > timedelta(0) else 'ahead'}",
            "links for a consent seem to have ended, and tokens seem to live longer than they do",
            ("sudo timedatectl set-ntp true",),
        )
    return Verdict("ok", "this computer's clock is right")


# --- running them --------------------------------------------------------------------------------------------------

Task = tuple[str, str, Callable[[], Verdict]]
"""Check, connection, and what finds out."""


def examine(at: Stack, names: Sequence[str], *, post: bool = False) -> list[Finding]:
    """Everything about these connections; about all if none is named. `post`: test cards are posted and deleted."""
    found, known = _stack(at, names)
    if found.state != "ok":
        return [found]
    patients = [Patient(at, at.connection(name), post) for name in names or known]
    if not patients:
        nothing = "no connection is applied"
        return [
            found,
            Finding("connection", "", "wrong", nothing, "nothing is taken in", ("mlc connections apply FILE",)),
        ]
    # Built here, once: boto3 builds its clients for one thread at a time.
    at.secrets, at.zoho_api, at.installations  # noqa: B018
    tasks: list[Task] = [
        ("clock", "", lambda: clock(at, patients[0].connection.region)),
        *((name, each.name, _on(check, each)) for each in patients for name, check in CHECKS),
    ]
    return [found, *run(tasks)]


def run(
    tasks: Sequence[Task], seconds: float = SECONDS, monotonic: Callable[[], float] = time.monotonic
) -> list[Finding]:
    """The findings in the order of the tasks, after at most that time: what hangs is left behind."""
    todo: SimpleQueue[tuple[int, Task]] = SimpleQueue()
    done: SimpleQueue[tuple[int, Finding]] = SimpleQueue()
    for each in enumerate(tasks):
        todo.put(each)

    def work() -> None:
        while True:
            try:
                index, task = todo.get_nowait()
            except Empty:
                return
            done.put((index, _found(task)))

    for _ in range(min(WORKERS, len(tasks))):
        Thread(target=work, daemon=True).start()
    until = monotonic() + seconds
    findings = {
        index: Finding(name, connection, "wrong", f"no answer within {seconds:.0f} seconds", "it may be down", ())
        for index, (name, connection, _) in enumerate(tasks)
    }
    for _ in tasks:
        try:
            index, finding = done.get(timeout=max(0.0, until - monotonic()))
        except Empty:
            break
        findings[index] = finding
    return [findings[index] for index in range(len(tasks))]


def _found(task: Task) -> Finding:
    name, connection, check = task
    try:
        verdict = check()
    except ConnectorError as error:
        verdict = Verdict("wrong", str(error))
    except Exception as error:
        verdict = Verdict("wrong", of_aws(error) or f"a fault in mlc: {type(error).__name__}; please report it")
    return Finding(name, connection, verdict.state, verdict.what, verdict.why, verdict.type)


def _stack(at: Stack, names: Sequence[str]) -> tuple[Finding, list[str]]:
    """The stack itself, and the connections that it has."""
    known: list[str] = []

    def look() -> Verdict:
        if lacking := [each for each in OUTPUTS if each not in at.outputs]:
            return Verdict(
                "wrong", f"the stack is older than this mlc: it has no {', '.join(lacking)}", "", ("make deploy",)
            )
        known.extend(at.connections.names())
        return Verdict("ok", f"stack {at.name} is there, with {len(known)} connection(s); {redirect_uri(at)}")

    return _found(("stack", "", look)), known


def _on(check: Check, patient: Patient) -> Callable[[], Verdict]:
    return lambda: check(patient)


def _minutes(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    return f"{seconds} seconds" if seconds < 120 else f"{seconds // 60} minutes"


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
