"""`mlc status`: how it goes right now, on one screen. Each figure says where it comes from, or that it is not known.

flow, last entry     the audit trail of the last hour
queue, parked        SQS's own counts, which it calls approximate; they are of all connections
oldest               CloudWatch, a few minutes late
tokens, subscriptions, reconcile     what their schedules have noted
limits               the table that all functions share
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ml_connector.audit import Outcome
from ml_connector.aws import queues
from ml_connector.aws.graph_rows import SubscriptionList
from ml_connector.aws.schedules import TurnList
from ml_connector.aws.token_agenda import TokenAgenda
from ml_connector.times import stamp
from mlc import output
from mlc.options import AsJson, on_stack, terminal
from mlc.output import Exit, fail, printable, say
from mlc.stack import Stack, utc_now

if TYPE_CHECKING:
    from ml_connector.ports import AuditEntry

HOUR = timedelta(hours=1)
MOST = 2000
"""Entries read of each connection: with more of them in the hour, the figures are lower bounds and marked so."""
OUTCOMES = tuple(each for each in Outcome if each not in (Outcome.RESENT, Outcome.DROPPED))
LAG = timedelta(minutes=10)
"""How far back CloudWatch is asked for the age of the oldest message: it is a few minutes late."""


@dataclass(frozen=True, slots=True)
class Flow:
    """A connection's last hour: attempts by outcome. `whole` is False if there were more than MOST."""

    outcomes: Mapping[str, int]
    last_at: str
    whole: bool


def look(at: Stack, names: Sequence[str], now: datetime) -> dict[str, Any]:
    """All that is shown, for programs. Times are UTC; what is not known is None."""
    known = at.connections.names()
    for name in names:
        at.connection(name)
    due = list(TokenAgenda(at.connections).all())
    subscriptions = list(SubscriptionList(at.connections).all())
    turns = {turn.connection: turn.at(now) for turn in TurnList(at.connections).all()}
    rows = []
    for name in names or known:
        turn = turns.get(name)
        rows.append(
            {
                "connection": name,
                "last_hour": asdict(flow(at.audit.of_day, name, now)),
                "tokens": [
                    {"kind": each.kind, "state": each.state, "due_at": each.due_at, "reason": each.reason}
                    for each in due
                    if each.connection == name
                ],
                "subscriptions": [
                    {"resource": each.resource, "state": each.state, "expires": each.expires, "reason": each.reason}
                    for each in subscriptions
                    if each.connection == name
                ],
                "reconcile": {"due_at": turn.due_at, "calls_today": turn.spent, "calls_a_day": turn.quota or None}
                if turn
                else None,
                "webhooks_today": turn.webhooks if turn and turn.counted_at else None,
            }
        )
    return {
        "stack": at.name,
        "at": stamp(now),
        "queue": queue(at, now),
        "connections": rows,
        "limits": list(closed(at, now)),
    }


def flow(of_day: Callable[[str, str], Iterable[AuditEntry]], connection: str, now: datetime) -> Flow:
    since = f"{now - HOUR:%Y-%m-%dT%H:%M:%S}"
    # One day, or the two that the hour lies in, the later one first.
    days = dict.fromkeys(f"{moment:%Y-%m-%d}" for moment in (now, now - HOUR))
    every = (entry for day in days for entry in of_day(connection, day))
    counts: Counter[str] = Counter()
    last, whole = "", True
    for entry in takewhile(lambda entry: entry.at >= since, every):
        if counts.total() == MOST:
            whole = False
            break
        last = last or entry.at
        counts[entry.outcome] += 1
    return Flow(dict(counts), last, whole)


def queue(at: Stack, now: datetime) -> dict[str, Any]:
    """`hidden` are under way or wait for their time; SQS does not say which."""
    ready, hidden = _counts(at, "DeliveriesQueueUrl")
    parked = sum(_counts(at, "ParkedQueueUrl"))
    schedules = sum(_counts(at, "SchedulesDeadLetterQueueUrl")) if "SchedulesDeadLetterQueueUrl" in at.outputs else None
    return {
        "ready": ready,
        "hidden": hidden,
        "oldest_seconds": _oldest(at, now),
        "parked": parked,
        "failed_schedules": schedules,
    }


def _counts(at: Stack, output_key: str) -> tuple[int, int]:
    return queues.counts(at.session.client("sqs"), at.outputs[output_key])


def _oldest(at: Stack, now: datetime) -> int | None:
    """Seconds, as CloudWatch last knew; None if it does not know, as on a local AWS."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        answer = at.session.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/SQS",
            MetricName="ApproximateAgeOfOldestMessage",
            Dimensions=[{"Name": "QueueName", "Value": at.outputs["DeliveriesQueueUrl"].rpartition("/")[2]}],
            StartTime=now - LAG,
            EndTime=now,
            Period=60,
            Statistics=["Maximum"],
        )
    except (BotoCoreError, ClientError):
        return None
    newest = max(answer["Datapoints"], key=lambda each: each["Timestamp"], default=None)
    return int(newest["Maximum"]) if newest else None


def closed(at: Stack, now: datetime) -> Iterator[dict[str, str]]:
    """Budgets that take no calls for a while: a vendor asked for it, or little is left of its day."""
    ms = now.timestamp() * 1000
    words = {"u": "it asked for a pause", "o": "little is left of the day's calls"}
    for key, view in sorted(at.limits.all().items()):
        for ending, why in words.items():
            until = max((value for name, value in view.items() if name.endswith(ending)), default=0)
            if until > ms:
                moment = datetime.fromtimestamp(until / 1000, UTC)
                yield {"budget": key, "why": why, "until": stamp(moment)}


# --- for people ----------------------------------------------------------------------------------------------------


_NOTES = {
    Outcome.UNKNOWN: "no answer came; it is looked up and tried again",
    Outcome.PARKED: "within this hour, whether put right by now or not; those that wait stand above",
}
"""Outcomes that do not speak for themselves, told if there are any."""


def screen(found: Mapping[str, Any]) -> RenderableType:
    held = found["queue"]
    oldest = held["oldest_seconds"]
    head = Table(box=None, header_style="bold", pad_edge=False, title_justify="left")
    head.title = f"{found['stack']}  {found['at'][:19].replace('T', ' ')} UTC"
    for name in ("in the queue", "under way or waiting", "oldest", "parked now", "failed schedules"):
        head.add_column(name)
    empty = not (held["ready"] or held["hidden"])
    head.add_row(
        _about(held["ready"]),
        _about(held["hidden"]),
        "–" if empty else "not known" if oldest is None else _span(oldest),
        Text(str(held["parked"]), style="red" if held["parked"] else ""),
        Text(_or(held["failed_schedules"]), style="red" if held["failed_schedules"] else ""),
    )
    body = Table(box=None, header_style="bold", pad_edge=False, title="last hour, by outcome", title_justify="left")
    access = Table(
        box=None, header_style="bold", pad_edge=False, title="access, and Zoho's today", title_justify="left"
    )
    for grid, names, cells in (
        (body, ("connection", *OUTCOMES, "last"), _flow),
        (access, ("connection", "tokens", "subscriptions", "Zoho calls", "webhooks"), _access),
    ):
        for name in names:
            grid.add_column(name, overflow="fold")
        for row in found["connections"]:
            grid.add_row(*(each if isinstance(each, Text) else Text(printable(each)) for each in cells(row)))
    limits = [
        Text(printable(f"{each['budget']}: {each['why']}, until {each['until'][11:19]} UTC"), style="yellow")
        for each in found["limits"]
    ]
    outcomes = {name for row in found["connections"] for name in row["last_hour"]["outcomes"]}
    notes = [Text(f"{name}: {text}", style="dim") for name, text in _NOTES.items() if name in outcomes]
    if not found["connections"]:
        limits.append(Text("no connection is applied yet: mlc connections apply FILE", style="yellow"))
    return Group(head, Text(), body, *notes, Text(), access, *([Text()] if limits else []), *limits)


def _about(count: int) -> str:
    return f"about {count}" if count else "–"


def _flow(row: Mapping[str, Any]) -> list[str | Text]:
    counts, hour = row["last_hour"]["outcomes"], row["last_hour"]
    more = "" if hour["whole"] else "≥ "
    return [
        row["connection"],
        *(
            Text(more + str(counts.get(name, 0)), style="red" if name == Outcome.PARKED and counts.get(name) else "")
            for name in OUTCOMES
        ),
        hour["last_at"][11:19] or "none",
    ]


def _access(row: Mapping[str, Any]) -> list[str | Text]:
    turn = row["reconcile"]
    calls = f"{turn['calls_today']} of {_or(turn['calls_a_day'])}" if turn else "not known"
    return [
        row["connection"],
        _tokens(row["tokens"]),
        _subscriptions(row["subscriptions"]),
        calls,
        _or(row["webhooks_today"]),
    ]


def _tokens(tokens: Sequence[Mapping[str, str]]) -> Text:
    """When the next one is refreshed, or which needs a person."""
    if wrong := [each for each in tokens if each["state"] != "ok"]:
        return Text("; ".join(f"{each['kind']}: {printable(each['reason'] or each['state'])}" for each in wrong), "red")
    due = min((each["due_at"] for each in tokens), default="")
    return Text(f"{len(tokens)} ok, next at {due[11:16]}" if due else "none")


def _subscriptions(every: Sequence[Mapping[str, str]]) -> Text:
    if wrong := [each for each in every if each["state"] != "ok"]:
        return Text(f"{len(wrong)} of {len(every)} {wrong[0]['state']}: {printable(wrong[0]['reason'])}", "red")
    ends = min((each["expires"] for each in every if each["expires"]), default="")
    return Text(f"{len(every)} ok, until {ends[:16].replace('T', ' ')}" if ends else "none")


def _or(value: int | None) -> str:
    return "not known" if value is None else str(value)


def _span(seconds: int) -> str:
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"


# --- the command ---------------------------------------------------------------------------------------------------


@on_stack
def status(
    at: Stack,
    connection: Annotated[list[str] | None, typer.Argument(help="Names of connections; all if left out.")] = None,
    live: Annotated[bool, typer.Option("--watch", "-w", help="Look again and again, until Ctrl-C.")] = False,
    every: Annotated[float, typer.Option(min=1, max=3600, help="With --watch: seconds between two looks.")] = 5.0,
    as_json: AsJson = False,
) -> None:
    """How it goes right now: flow, backlog, what is parked, limits, tokens and subscriptions. It judges nothing.

    What is wrong, and what to do about it, says mlc doctor.
    """
    if live and (as_json or not terminal()):
        fail("--watch is for people at a terminal; a program asks again with --json", Exit.USAGE)
    if live:
        watching(lambda: screen(look(at, connection or (), utc_now())), lambda: time.sleep(every))
        return
    found = look(at, connection or (), utc_now())
    say(found, as_json=as_json, people=lambda: output.console.print(screen(found)))


def watching(draw: Callable[[], RenderableType], pause: Callable[[], None]) -> None:
    """Until Ctrl-C, which is no failure."""
    from rich.live import Live

    try:
        with Live(draw(), console=output.console, auto_refresh=False) as shown:
            while True:
                pause()
                shown.update(draw(), refresh=True)
    except KeyboardInterrupt:
        return
