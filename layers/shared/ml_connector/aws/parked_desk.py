"""What waits for a person: looked at, sent again, or dropped. For `mlc parked` and the dashboard's button.

Looking does not consume: messages are received, hidden while we work, and made visible again. Should whoever looks be
killed, they come back by themselves after HIDDEN seconds. Nothing is deleted before what replaces it is safe, and
nothing is done before the audit trail says who does it. A crash in between leaves the message parked; sending it twice
ends in one effect, because of the name it is queued under (for five minutes) and because of the delivery's version
guard (for ever).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any

from ml_connector import audit, parked
from ml_connector.digests import given_up
from ml_connector.errors import ConnectorError
from ml_connector.events import Delivery
from ml_connector.gathering import MODULE
from ml_connector.modules import MODULES
from ml_connector.ports import AuditEntry, Conflict, Deliveries, Shelved
from ml_connector.rows import superseded
from ml_connector.states import move
from ml_connector.times import exact_stamp

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

HIDDEN = 300
"""Seconds that messages are hidden from others while we work on them."""
UNREADABLE = "unreadable"


class Busy(ConnectorError):
    """A worker has the record right now."""


@dataclass(frozen=True, slots=True)
class Held:
    """A message of the parked queue that is in our hands."""

    id: str
    handle: str
    sent: datetime
    ends: datetime
    parked: parked.Parked

    @property
    def delivery(self) -> Delivery | None:
        """None if nobody can read the message."""
        return self.parked.delivery

    @property
    def number(self) -> str:
        """The document's number, if the message holds the record."""
        event = self.delivery.event if self.delivery else None
        shape = MODULES.get(event.module) if event else None
        return str((event.payload or {}).get(shape.number_field, "")) if event and shape else ""

    @property
    def content(self) -> Any:
        """The message as it was, read if it is JSON."""
        try:
            return json.loads(self.parked.text)
        except (ValueError, RecursionError):
            return self.parked.text

    @property
    def row(self) -> dict[str, Any]:
        """For programs; without the payload."""
        why, event = self.parked.why, self.delivery.event if self.delivery else None
        known = {
            "record": f"{event.module}/{event.record_id}",
            "number": self.number,
            "event": event.name,
            "version": str(event.version),
            "destination": self.delivery.destination if self.delivery else "",
            "delivery": self.delivery.id if self.delivery else "",
            "call": event.correlation_id,
        } if event else {"event": UNREADABLE}  # fmt: skip
        return _filled(
            {
                "id": self.id,
                **known,
                "reason": why.reason,
                "at": why.at or exact_stamp(self.sent),
                "attempts": why.attempts,
                "first_attempt_at": why.first_attempt_at,
                "status": why.status,
                "kept_until": exact_stamp(self.ends),
            }
        )


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which parked deliveries of a connection. What is left out does not matter."""

    connection: str
    what: Sequence[str] = ()
    """Ids of parked messages (or their beginnings), Zoho ids, document numbers, delivery ids."""
    destination: str = ""
    reason: str = ""
    """A part of the reason, in any case."""
    unreadable: bool = False
    """Also messages that nobody can read, and that may be any connection's."""

    @property
    def narrow(self) -> bool:
        """Whether it is less than all of the connection."""
        return bool(self.what or self.destination or self.reason)

    def __call__(self, held: Held) -> bool:
        """An unreadable message is always meant when its id is given."""
        if held.delivery is None:
            named = any(_begins(held.id, each) for each in self.what)
            return named or (self.unreadable and not self.narrow)
        event = held.delivery.event
        names = (event.record_id, f"{event.module}/{event.record_id}", held.number, held.delivery.id)
        return (
            event.connection == self.connection
            and (not self.what or any(each in names or _begins(held.id, each) for each in self.what))
            and self.destination in ("", held.delivery.destination)
            and self.reason.casefold() in held.parked.why.reason.casefold()
        )


class ParkedDesk:
    """The parked queue, and the queue that its messages go back to. `wait`: seconds for a look that finds nothing."""

    def __init__(self, client: SQSClient, url: str, deliveries_url: str, wait: int = 1) -> None:
        self._client = client
        self._url = url
        self._deliveries_url = deliveries_url
        self._wait = wait
        self.unseen = 0
        """About how many messages the last look could not see: in other hands, or behind ten of their group."""

    @contextmanager
    def looking(self) -> Iterator[list[Held]]:
        """All messages, oldest version of a record first; those that are not deleted become visible again."""
        about = self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=["All"])["Attributes"]
        held: dict[str, Held] = {}
        try:
            self._receive(held, timedelta(seconds=int(about["MessageRetentionPeriod"])))
            known = int(about["ApproximateNumberOfMessages"]) + int(about["ApproximateNumberOfMessagesNotVisible"])
            self.unseen = max(0, known - len(held))
            yield sorted(held.values(), key=_order)
        finally:
            self._release([each for each in held.values() if each.id not in self._deleted])

    def _receive(self, held: dict[str, Held], retention: timedelta) -> None:
        """Until nothing new comes. While a message is in flight, SQS gives out no more of its group."""
        self._deleted: set[str] = set()
        while True:
            messages = self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=10,
                VisibilityTimeout=HIDDEN,
                WaitTimeSeconds=self._wait,
                AttributeNames=["SentTimestamp"],
            ).get("Messages", [])
            new = [each for each in messages if each["MessageId"] not in held]
            # Also those that have come again, because we were slow: only their newest handle counts.
            held.update({each["MessageId"]: _held(each, retention) for each in messages})
            if not new:
                return

    def _release(self, held: Sequence[Held]) -> None:
        for start in range(0, len(held), 10):
            self._client.change_message_visibility_batch(
                QueueUrl=self._url,
                Entries=[
                    {"Id": str(index), "ReceiptHandle": each.handle, "VisibilityTimeout": 0}
                    for index, each in enumerate(held[start : start + 10])
                ],
            )

    def send_again(self, held: Held) -> None:
        """Into the lane it came from. Sent twice within five minutes, it is one message."""
        delivery = held.delivery
        self._client.send_message(
            QueueUrl=self._deliveries_url,
            MessageBody=parked.again(delivery, held.parked.why.asked).to_json() if delivery else held.parked.text,
            MessageGroupId=delivery.lane if delivery else UNREADABLE,
            MessageDeduplicationId=hashlib.sha256(f"{held.id}#again".encode()).hexdigest(),
        )

    def delete(self, held: Held) -> None:
        """For good."""
        self._client.delete_message(QueueUrl=self._url, ReceiptHandle=held.handle)
        self._deleted.add(held.id)


def retry(
    queue: ParkedDesk,
    deliveries: Deliveries,
    wanted: Callable[[Held], bool],
    connection: str,
    who: str,
    origin: str = "mlc",
) -> list[dict[str, Any]]:
    """Sends them again, older versions of a record first. `done`: sent, or why not (then it stays parked).

    The trail names `who`, and as `origin` the way by which it was asked for.
    """

    def act(held: Held, done: str) -> None:
        if done == "sent":
            queue.send_again(held)

    return _each(queue, wanted, lambda held: _note(deliveries, held, connection, who, "resent", origin=origin), act)


def drop(
    queue: ParkedDesk,
    deliveries: Deliveries,
    wanted: Callable[[Held], bool],
    connection: str,
    who: str,
    shelf: Callable[[str, str], Iterable[Shelved]],
) -> list[dict[str, Any]]:
    """Gives them up; of a digest, all that it was to tell of. `shelf` says what that is: connection, digest."""

    def note(held: Held) -> str:
        event = held.delivery.event if held.delivery else None
        if held.delivery and event and event.module == MODULE:
            # If another run has told it meanwhile, that sees to them.
            told = deliveries.read(event.record_key, held.delivery.destination).version
            for each in () if told else shelf(event.connection, event.record_id):
                why = replace(held.parked.why, reason=f"its digest {event.record_id}: {held.parked.why.reason}")
                member = replace(held, parked=replace(held.parked, why=why, delivery=each.delivery))
                _note(deliveries, member, connection, who, "dropped", each)
        return _note(deliveries, held, connection, who, "dropped")

    return _each(queue, wanted, note)


def _each(
    queue: ParkedDesk,
    wanted: Callable[[Held], bool],
    note: Callable[[Held], str],
    act: Callable[[Held, str], None] = lambda held, done: None,
) -> list[dict[str, Any]]:
    """Notes what is to be done, does it, deletes. One failure does not keep the others from being handled.

    All of a row are noted before the first is sent: from then on a worker may hold the row.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # takes its time, which `mlc --help` should not

    done: dict[str, dict[str, Any]] = {}

    @contextmanager
    def failing(held: Held) -> Iterator[None]:
        try:
            yield
        except (ConnectorError, ClientError, BotoCoreError) as error:
            done[held.id] = {"done": "failed", "why": str(error)}

    with queue.looking() as found:
        chosen = list(filter(wanted, found))
        for _, group in groupby(chosen, key=_row):
            row = list(group)
            for held in row:
                with failing(held):
                    done[held.id] = {"done": note(held)}
            for held in row:
                if "why" not in done[held.id]:
                    with failing(held):
                        act(held, done[held.id]["done"])
                        queue.delete(held)
    return [{**held.row, **done[held.id]} for held in chosen]


def _note(
    deliveries: Deliveries,
    held: Held,
    connection: str,
    who: str,
    outcome: str,
    shelved: Shelved | None = None,
    origin: str = "mlc",
) -> str:
    """Writes the entry that says who did it, and returns what is to be done: to send nothing if there is no need to.

    The row keeps its state, unless it waited for a digest, off whose shelf it is taken. What nobody can read gets an
    entry under its own id.
    """
    event = held.delivery.event if held.delivery else None
    names = (event.connection, event.module, event.record_id) if event else (connection, UNREADABLE, held.id)
    destination = held.delivery.destination if held.delivery else "-"
    for _ in range(5):
        now = exact_stamp(datetime.now(UTC))
        memory = deliveries.read("#".join(names), destination)
        if memory.state == "sending" and memory.lease_until > now:
            raise Busy(f"a worker has {names[1]} {names[2]} right now; try again in two minutes")
        # Sent before by a run that crashed, or overtaken by a newer version: there is nothing left to do.
        there = superseded(event.version, memory.version) if event and outcome == "resent" else ""
        known = (
            audit.entry_of(held.delivery, memory, now, outcome) if held.delivery else _unreadable(held, connection, now)
        )
        entry = replace(
            known,
            number=held.number or memory.number,
            origin=origin,
            outcome="skipped" if there else outcome,
            status=held.parked.why.status,
            reason=f"by {who}; {there or f'was parked because: {held.parked.why.reason}'}",
        )
        entry = audit.closed(entry, memory.chain)
        # A crashed worker's claim stays as it is: the next attempt finds out what came of it.
        after = memory if memory.state == "sending" else move(memory, "park")
        after = given_up(after, shelved) if shelved else after
        try:
            deliveries.write("#".join(names), destination, replace(after, chain=entry.hash), entry, taken=shelved)
        except Conflict:
            continue
        return there or {"resent": "sent"}.get(outcome, outcome)
    raise Busy(f"the row of {names[1]} {names[2]} keeps changing; try again")


def _unreadable(held: Held, connection: str, at: str) -> AuditEntry:
    """Of a message that names nothing: it stands under its own id, with the connection of whoever looks."""
    return AuditEntry(
        at=at, connection=connection, module=UNREADABLE, record_id=held.id, number="", event=UNREADABLE, version="",
        origin="", destination="-", outcome="", attempt=0, correlation_id="", delivery=held.id,
    )  # fmt: skip


def _held(message: MessageTypeDef, retention: timedelta) -> Held:
    sent = datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1000, UTC)
    return Held(
        id=message["MessageId"],
        handle=message["ReceiptHandle"],
        sent=sent,
        ends=sent + retention,
        parked=parked.unwrap(message["Body"]),
    )


def _order(held: Held) -> tuple[str, str, str, datetime]:
    delivery = held.delivery
    if delivery is None:
        return "", "", "", held.sent
    return delivery.event.record_key, delivery.destination, delivery.event.version.at, held.sent


def _row(held: Held) -> tuple[str, str]:
    delivery = held.delivery
    return (delivery.event.record_key, delivery.destination) if delivery else (UNREADABLE, held.id)


def _begins(identity: str, what: str) -> bool:
    """Eight digits tell parked messages apart."""
    return len(what) >= 8 and identity.startswith(what)


def _filled(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value not in ("", None, 0)}
