"""Sends a signed webhook to the deployed stack, as Zoho would, and follows it in the audit trail (`mlc send-test`).

What the payload is and where it must go is worked out here first, by the code that ingest runs.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import requests

from ml_connector.audit import SETTLED
from ml_connector.config.apply import endpoint_id
from ml_connector.connections import Connection, Endpoint
from ml_connector.errors import ConfigError, ConnectorError, InboundRejected
from ml_connector.events import Delivery
from ml_connector.intake import deliveries_of
from ml_connector.ports import AuditEntry, Known
from ml_connector.sources import Inbound, signature
from ml_connector.sources.zoho_books import translate
from ml_connector.statuses import derive
from mlc import trail
from mlc.output import Exit, console, plain
from mlc.samples import sample, told
from mlc.stack import Stack

CONTENT_TYPE = "application/json"
ENDED = (*SETTLED, "parked")
REPEATED = 3.0
"""Seconds to wait for news of what is there already: the queue swallows what it was sent less than 5 minutes ago."""


@dataclass(frozen=True, slots=True)
class Done:
    """What came of it. `problem` says what a person must know if the exit code is not 0."""

    status: int
    seconds: float
    expected: tuple[str, ...] = ()
    entries: Sequence[Mapping[str, Any]] = ()
    note: str = ""
    problem: str = ""
    exit: Exit = Exit.DONE

    def for_programs(self) -> dict[str, Any]:
        if self.status != 202:
            return {"status": self.status, "reason": self.note}
        return {
            "status": self.status,
            "seconds": self.seconds,
            "expected": list(self.expected),
            "entries": list(self.entries),
            **({"reason": reason} if (reason := self.problem or self.note) else {}),
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """What the payload is, by our own reading of it: its deliveries, or why ingest would refuse it."""

    deliveries: tuple[Delivery, ...] = ()
    refusal: str = ""
    ids: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ids", {each.id: each.destination for each in self.deliveries})

    @property
    def destinations(self) -> tuple[str, ...]:
        return tuple(self.ids.values())

    def made(self, entry: AuditEntry) -> bool:
        """True if the entry tells of one of these deliveries. Where the payload gives no version, the stack does."""
        event = self.deliveries[0].event
        if (event.payload is None and not event.version.at) or event.version.deletes:
            return entry.origin == event.origin and entry.destination in self.destinations
        return entry.delivery in self.ids


def send_and_follow(
    stack: Stack,
    name: str,
    event: str,
    body: bytes | None,
    seconds: float,
    tick: Callable[[float], None] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
) -> Done:
    """Posts the body, or a made-up record, to the endpoint of `event`. Raises ConnectorError if nobody answers."""
    connection = stack.connection(name)
    module, action, wanted = told(event)
    endpoint = stack.secrets.get(name, "webhooks", max_age=0.0).get("endpoints", {}).get(endpoint_id(module, action))
    if endpoint is None:
        raise ConfigError(f"connection {name!r} has no endpoint for {event!r}: its modules do not include {module!r}")
    if body is None:
        now = datetime.now(UTC)
        identity, number = now.strftime("%y%m%d%H%M%S%f"), f"TEST-{now:%H%M%S}"
        body = json.dumps(sample(module, identity, number, now, action=action, status=wanted)).encode()
    plan = _plan(connection, module, action, body, stack.known)
    before = list(_entries(stack, plan))
    started = monotonic()
    status = _post(stack.webhook_address(endpoint["token"]), endpoint["secrets"][-1], body)
    took = round(monotonic() - started, 3)
    if status != 202:
        why = plan.refusal or "nothing is wrong with the payload itself; the log of the ingest function says more"
        return Done(status, took, note=why, problem=f"the stack answered {status}, not 202: {why}", exit=Exit.FAILED)
    if plan.refusal:
        return Done(status, took, problem=f"accepted, but this mlc cannot read it: {plan.refusal}", exit=Exit.FAILED)
    if not plan.deliveries:
        return Done(status, took, problem="accepted, but no route matches: nothing is sent", exit=Exit.FOUND_PROBLEMS)
    return _follow(stack, plan, before, status, took, seconds, tick, monotonic)


def _plan(connection: Connection, module: str, action: str, body: bytes, known: Known) -> Plan:
    if not body.strip():
        return Plan(refusal="body_unreadable: the file is empty")
    call = Inbound("zoho", "", "", {"content-type": CONTENT_TYPE}, body)
    endpoint = Endpoint(endpoint_id(module, action), connection.name, "zoho", module, action)
    try:
        event, record = translate(call, endpoint, connection, received_at="", correlation_id="")
    except InboundRejected as refusal:
        return Plan(refusal=explained(refusal))
    return Plan(deliveries_of(connection, derive(connection, event, record, known), record))


def explained(refusal: InboundRejected) -> str:
    """`record_unusable: invoice_id is missing`."""
    detail = str(refusal)
    return refusal.reason if detail == refusal.reason else f"{refusal.reason}: {detail}"


def _post(url: str, secret: str, body: bytes) -> int:
    """The status. Raises ConnectorError, which names the host only: the path is a bearer secret."""
    signed = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    try:
        return requests.post(
            url,
            data=body,
            headers={"Content-Type": CONTENT_TYPE, signature.HEADER: signed},
            timeout=30,
            allow_redirects=False,
        ).status_code
    except requests.RequestException as error:
        kind = type(error).__name__
    raise ConnectorError(f"{urlsplit(url).netloc} cannot be reached ({kind})")


def _entries(stack: Stack, plan: Plan) -> list[AuditEntry]:
    """All that the trail knows of the record, oldest first."""
    if not plan.deliveries:
        return []
    event = plan.deliveries[0].event
    return list(stack.audit.of_record(event.connection, event.module, event.record_id))


def _follow(
    stack: Stack,
    plan: Plan,
    before: Sequence[AuditEntry],
    status: int,
    took: float,
    seconds: float,
    tick: Callable[[float], None],
    monotonic: Callable[[], float],
) -> Done:
    """Waits until each delivery has ended, for at most `seconds`; less for those that had ended before."""
    version = str(plan.deliveries[0].event.version)
    there = {
        entry.destination for entry in before if entry.version == version and entry.outcome in ("delivered", "accepted")
    }
    begun = monotonic()
    while True:
        new = [entry for entry in _entries(stack, plan) if entry not in before and plan.made(entry)]
        open_ = set(plan.destinations) - {entry.destination for entry in new if entry.outcome in ENDED}
        passed = monotonic() - begun
        if not open_ or passed >= seconds or (open_ <= there and passed >= REPEATED):
            break
        tick(0.2)
    entries = [plain(asdict(entry)) for entry in new]
    failed = sorted({entry.destination for entry in new if entry.outcome == "parked"})
    late = sorted(open_ - there)
    if failed:
        problem = f"parked, with the reason in the trail: {', '.join(failed)}"
    elif late:
        problem = f"not delivered within {seconds:g} s: {', '.join(late)}; mlc audit show tells how it goes on"
    else:
        problem = ""
    repeated = not problem and set(plan.destinations) <= there
    note = "already delivered: nothing to do" if repeated else ""
    return Done(status, took, plan.destinations, entries, note, problem, Exit.FAILED if problem else Exit.DONE)


def show(done: Done) -> None:
    """For people. What is wrong is said elsewhere, on stderr."""
    if done.status != 202:
        return
    console.print(f"[green]✓[/] accepted in {done.seconds * 1000:.0f} ms")
    if done.note:
        console.print(f"[green]✓[/] {done.note}")
    if done.entries:
        trail.show(done.entries)
