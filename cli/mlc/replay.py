"""`mlc replay`: records sent to their destinations once more, in the state that they have in Zoho by now.

First a dry run: each record is fetched, routed and planned by the code of the delivery function, and held against what
the delivery table says is there. Then, said by a person, the deliveries are queued. The version guard still holds: an
older version goes nowhere, and a version that is there already is left out unless it is asked for (`Delivery.again`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Protocol
from uuid import uuid4

import typer
from rich.text import Text

from ml_connector import audit, stories
from ml_connector.aws.parked_desk import Busy
from ml_connector.changes import changes
from ml_connector.errors import ConnectorError, Missing, NeedsAttention, Throttled
from ml_connector.events import DELETED, Delivery, Event, Version
from ml_connector.modules import MODULES
from ml_connector.ports import Conflict, Deliveries, Destinations, Memory, NothingThere, Request
from ml_connector.records import BadRecord, Record, deleted, read
from ml_connector.routing import destinations_for, unsaid_by
from ml_connector.rows import DUPLICATE, superseded
from ml_connector.states import move
from ml_connector.statuses import asked, came_into
from ml_connector.times import exact_stamp
from mlc import trail
from mlc.options import AsJson, Name, Yes, date_option, on_stack, sure, word
from mlc.output import Exit, fail, line, printable, say, table, watch
from mlc.stack import Stack, utc_now

if TYPE_CHECKING:
    from ml_connector.connections import Connection

SHOWN = 50
"""Deliveries shown to people; --json has all."""
CALLS = 100
"""API calls of Zoho from which on a person is asked first."""
_UNDER_WAY = ("sending", "waiting", "unknown")
_ADDS = ("workflows", "activity")
"""Transports of which no message can be changed (destinations/teams/transports.py)."""
_ONLY_NEW = "it was told of it, and its routes take no changes; --destination {} sends it all the same"


class Books(Protocol):
    def fetch(self, connection: Connection, module: str, record_id: str) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Step:
    """One record at one destination. `do` is what would be done: `create`, `update`, `nothing` or `failed`.

    `why` says why nothing is done, what failed, or what people should know before. `changes` are facts that differ from
    what is known to be there, before and after; empty if they are not known.
    """

    module: str
    record_id: str
    number: str
    destination: str
    do: str
    why: str = ""
    changes: Mapping[str, tuple[str, str]] | None = None
    request: Request | None = None
    delivery: Delivery | None = None


@dataclass(frozen=True, slots=True)
class Planner:
    """Plans as the delivery function would, and makes no call but to Zoho for the record."""

    connection: Connection
    books: Books
    deliveries: Deliveries
    destinations: Destinations
    clock: Callable[[], datetime]
    call: str
    """The name of this replay: its deliveries' correlation id and asking."""
    only: Sequence[str] = ()
    again: bool = False
    accepted: Callable[[str, str, str], str] = lambda module, record_id, destination: ""
    """When the destination last took a message of the record, as people read it; "" if that is not known."""

    def plan(self, module: str, record_id: str) -> Iterator[Step]:
        """One step for each destination that routes lead to, or that has the record.

        Raises NeedsAttention and Throttled, which the next record would meet as well.
        """
        try:
            record = self._record(module, record_id)
        except (NeedsAttention, Throttled):
            raise
        except (ConnectorError, BadRecord) as error:
            yield Step(module, record_id, "", "", "failed", str(error))
            return
        rows = self.deliveries.of_record(f"{self.connection.name}#{module}#{record_id}")
        events = self._events(record, rows)
        for name in dict.fromkeys([*events, *rows]):
            if not self.only or name in self.only:
                if event := events.get(name):
                    yield self._step(record, name, event)
                else:
                    why = _ONLY_NEW.format(name) if name in events else "no route leads there any more"
                    yield self._nothing(record, name, why)

    def _record(self, module: str, record_id: str) -> Record:
        try:
            return read(module, self.books.fetch(self.connection, module, record_id))
        except Missing:
            return deleted(module, {MODULES[module].id_field: record_id})

    def _events(self, record: Record, rows: Mapping[str, Memory]) -> dict[str, Event | None]:
        """Where routes lead, and with which event: who has nothing yet is told of a new record.

        Who was told of it and takes new ones only is told again only if a person names it (else None), and then of a
        change: nobody hears twice that a record is new.
        """
        deletes = record.status == DELETED
        stamp = exact_stamp(self.clock())
        event = Event(
            connection=self.connection.name,
            module=record.module,
            record_id=record.id,
            action=DELETED if deletes else "updated",
            version=Version.deletion(stamp) if deletes else record.version,
            origin="replay",
            received_at=stamp,
            correlation_id=self.call,
            payload=record.raw,
        )
        if deletes:
            unsaid = unsaid_by(record, self.connection.routes)
            return dict.fromkeys(destinations_for(self.connection, event, record, unsaid), event)
        if asked(self.connection, record.module):
            event = came_into(event, record)
        made = replace(event, action="created", status="")
        # A version that is in doubt may be there.
        told = {name for name, row in rows.items() if row.version or row.doubt}
        found: dict[str, Event | None] = dict.fromkeys(destinations_for(self.connection, event, record), event)
        for name in destinations_for(self.connection, made, record):
            if name not in told:
                found[name] = made
            else:
                found.setdefault(name, event if name in self.only else None)
        return found

    def _nothing(self, record: Record, name: str, why: str) -> Step:
        return Step(record.module, record.id, record.number, name, "nothing", why)

    def _step(self, record: Record, name: str, event: Event) -> Step:
        memory = self.deliveries.read(f"{self.connection.name}#{record.module}#{record.id}", name)
        # What such a transport has posted is never changed: whatever is sent is a message more.
        another = memory.version and self.connection.destinations[name].get("transport") in _ADDS

        def step(do: str, why: str = "", **more: Any) -> Step:
            return Step(record.module, record.id, record.number or memory.number, name, do, why, **more)

        if memory.state in _UNDER_WAY:
            return step("nothing", "it is under way already")
        there = superseded(event.version, memory.version)
        if another and not there and _as_there(event.version, memory.version):
            there = DUPLICATE
        if there and not (self.again and there == DUPLICATE):
            return step("nothing", there)
        try:
            request = self.destinations.destination(self.connection, name).plan(event, record, memory)
        except NothingThere as nothing:
            return step("nothing", str(nothing) or "nothing of it is there to mark")
        except ConnectorError as error:
            return step("failed", str(error))
        delivery = Delivery(event, name, again=self.call if self.again else "")
        why = ""
        if another:
            when = self.accepted(record.module, record.id, name)
            why = f"a second message follows, beside the one there{f' (accepted {when})' if when else ''}"
        return step(request.operation, why, changes=changes(memory, record), request=request, delivery=delivery)


def _as_there(version: Version, there: Version | None) -> bool:
    """Whether it shows what is there: the same fingerprint, or of the same second, read from elsewhere."""
    return there is not None and (
        version.fingerprint == there.fingerprint or (version.at != "" and version.at == there.at)
    )


def note(deliveries: Deliveries, step: Step, who: str, clock: Callable[[], datetime]) -> None:
    """Says in the trail who sends it again. Raises Busy if a worker has the record."""
    assert step.delivery  # noqa: S101 - for the type checker
    event = step.delivery.event
    for _ in range(5):
        now = exact_stamp(clock())
        memory = deliveries.read(event.record_key, step.destination)
        if memory.state == "sending" and memory.lease_until > now:
            raise Busy(f"a worker has {event.module} {event.record_id} right now; try again in two minutes")
        entry = replace(
            audit.entry_of(step.delivery, memory, now, "resent"),
            number=step.number,
            origin="mlc",
            reason=f"by {who}; replayed{', though it is there' if step.delivery.again else ''}",
        )
        sealed = audit.closed(entry, memory.chain)
        after = memory if memory.state == "sending" else move(memory, "fail")
        try:
            deliveries.write(event.record_key, step.destination, replace(after, chain=sealed.hash), sealed)
        except Conflict:
            continue
        return
    raise Busy(f"the row of {event.module} {event.record_id} keeps changing; try again")


# --- the command ---------------------------------------------------------------------------------------------------


@on_stack
def replay(
    at: Stack,
    connection: Name,
    record: Annotated[
        list[str] | None, typer.Option("--record", help="Number, id or link of a record; may be said several times.")
    ] = None,
    since: Annotated[datetime | None, date_option("--since", "First UTC day on which something happened.")] = None,
    until: Annotated[datetime | None, date_option("--until", "Last UTC day; today if left out.")] = None,
    destination: Annotated[
        list[str] | None, typer.Option("--destination", help="Only there; may be said several times.")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Also what is there in this very version, such as an item that was spoilt.")
    ] = False,
    send: Annotated[bool, typer.Option("--send/--dry-run", help="Send it; else only show what would be sent.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="Show the exact bodies of the requests.")] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Send records to their destinations once more, as they are in Zoho now and as routes and mappings are now.

    Shows first what each destination would get, and what would change there; with --send it asks, and queues it.
    Each record takes one API call of Zoho. Exit code 1 if something failed, 3 if there is no such record.
    """
    if bool(record) == bool(since):
        fail("say which: --record INV-000412, or --since 2026-11-20 and perhaps --until", Exit.USAGE)
    if (until and not since) or (since and until and until < since):
        fail("--until goes with --since, and does not lie before it", Exit.USAGE)
    configured = at.connection(connection)
    for each in destination or ():
        word(each, configured.destinations, f"destination of {connection}")
    records = chosen(at, connection, record or (), since, until)
    if not records:
        fail(f"nothing is known of that in connection {connection!r}", Exit.FOUND_PROBLEMS)
    if len(records) > CALLS:
        sure(f"{len(records)} records are looked up in Zoho, with an API call each. Go on?", yes=yes)
    name = f"replay-{uuid4().hex[:12]}"
    with watch(as_json, "records") as show:
        waits: Callable[[str, float], None] = lambda why, seconds: show(f"{why}; going on in {seconds:.0f} s", 0, None)  # noqa: E731
        planner = _planner(at, configured, name, destination or (), waits, again=again)
        steps: list[Step] = []
        for done, (module, identity) in enumerate(records):
            show("records looked up", done, len(records))
            steps += planner.plan(module, identity)
    todo = [each for each in steps if each.delivery]
    if not as_json:
        show_plan(steps, raw=raw)
    sent: list[dict[str, Any]] = []
    if send and todo:
        sure(f"Send {len(todo)} to {connection}?", yes=yes)
        sent = carry_out(at, todo, as_json=as_json)
    failed = any(each.do == "failed" for each in steps) or any(each["done"] == "failed" for each in sent)

    def people() -> None:
        if not todo:
            line("nothing is to be sent")
        elif not send:
            line(f"Nothing was sent. To send these {len(todo)}: the same command with --send", "yellow")
        else:
            good = sum(each["done"] == "sent" for each in sent)
            line(f"{good} of {len(todo)} queued; mlc audit show {connection} … tells what becomes of them")
            for each in sent:
                if each["done"] == "failed":
                    line(f"  {each['record']} at {each['destination']}: {each['why']}", "red")

    data = {"replay": name, "records": len(records), "planned": [_row(each) for each in steps], "sent": sent}
    say(data, as_json=as_json, people=people)
    if failed:
        raise typer.Exit(Exit.FAILED)


def chosen(
    at: Stack, connection: str, named: Iterable[str], since: datetime | None, until: datetime | None
) -> list[tuple[str, str]]:
    """Module and id of what is named, or of what something happened to on these days; each once, oldest first."""
    found = [key for what in named for key in stories.records(at.audit, at.deliveries, connection, what)]
    if since:
        entries = trail.chosen(at.audit, at.deliveries, connection, since=since, until=until)
        found += [(each.module, each.record_id) for each in entries]
    return [key for key in dict.fromkeys(found) if key[0] in MODULES]


def carry_out(at: Stack, steps: Sequence[Step], *, as_json: bool) -> list[dict[str, Any]]:
    """Notes and queues each. One that fails keeps no other from being sent."""
    from botocore.exceptions import BotoCoreError, ClientError

    from ml_connector.aws.queues import DeliveriesQueue
    from mlc.parked import identity

    queue = DeliveriesQueue(at.session.client("sqs"), at.outputs["DeliveriesQueueUrl"])
    who, sent = identity(at.session), []
    with watch(as_json, "deliveries") as show:
        for done, step in enumerate(steps):
            show("deliveries queued", done, len(steps))
            assert step.delivery  # noqa: S101 - for the type checker
            row = {"record": f"{step.module}/{step.record_id}", "destination": step.destination}
            try:
                note(at.deliveries, step, who, utc_now)
                # Under a name of this replay: the queue may have taken the same delivery a minute ago.
                queue.move(step.delivery, f"{step.delivery.event.correlation_id}-{step.delivery.id}")
            except (ConnectorError, ClientError, BotoCoreError) as error:
                sent.append({**row, "done": "failed", "why": str(error)})
            else:
                sent.append({**row, "done": "sent", "delivery": step.delivery.id})
    return sent


def _planner(
    at: Stack,
    connection: Connection,
    name: str,
    only: Sequence[str],
    waits: Callable[[str, float], None],
    *,
    again: bool,
) -> Planner:
    from ml_connector.destinations import Registry, Toolbox
    from mlc.completeness import PatientLists
    from mlc.preview import NoSecrets
    from mlc.reconcile import PATIENCE, office

    nothing = NoSecrets()
    registry = Registry(Toolbox(at.http, nothing, nothing, utc_now))
    # Zoho's calls are those of reconcile, so that a long replay leaves enough of the day's for deliveries.
    books = PatientLists(office(at, connection.name).books, PATIENCE, waits)

    def accepted(module: str, record_id: str, destination: str) -> str:
        entries = at.audit.of_record(connection.name, module, record_id)
        every = [each.at for each in entries if (each.destination, each.outcome) == (destination, "accepted")]
        return f"{every[-1][:10]} {every[-1][11:16]} UTC" if every else ""

    return Planner(connection, books, at.deliveries, registry, utc_now, name, only, again, accepted)


# --- for programs and people ---------------------------------------------------------------------------------------


def _row(step: Step) -> dict[str, Any]:
    request = step.request
    return {
        "record": f"{step.module}/{step.record_id}",
        "number": step.number,
        "destination": step.destination,
        "do": step.do,
        "why": step.why,
        "changes": {name: {"before": old, "after": new} for name, (old, new) in (step.changes or {}).items()},
        "request": {"operation": request.operation, "body": request.body} if request else None,
    }


_STYLES = {"create": "green", "update": "yellow", "nothing": "dim", "failed": "red"}


def show_plan(steps: Sequence[Step], *, raw: bool) -> None:
    """A line per delivery with what would change; of one record also what people would see."""
    table(
        ("record", "destination", "", "what would change there"),
        [
            (
                f"{MODULES[each.module].label} {each.number or each.record_id}",
                each.destination,
                Text(each.do, style=_STYLES[each.do]),
                each.why or _differs(each),
            )
            for each in steps[:SHOWN]
        ],
    )
    if len(steps) > SHOWN:
        line(f"{len(steps) - SHOWN} more: --json has all", "dim")
    if raw or len({(each.module, each.record_id) for each in steps}) == 1:
        from mlc.preview import show_requests

        show_requests({each.destination: asdict(each.request) for each in steps if each.request}, raw=raw)


def _differs(step: Step) -> str:
    if step.do == "create":
        return "it is not there yet, or a new message follows"
    told = [f"{name}: {_fact(old)} → {_fact(new)}" for name, (old, new) in (step.changes or {}).items()]
    return printable("; ".join(told)) or "nothing that we know of: it is made as it should be"


def _fact(text: str) -> str:
    return text or "(none)"
