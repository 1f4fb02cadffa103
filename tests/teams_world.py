"""Teams as Graph shows it, and our side of what it tells, whole but for AWS and HTTP: what is notified goes through the
real source, queue messages through the real carriers, into a delivery table that refuses what the real one would."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from ml_connector import graph_carriers
from ml_connector.channel_watch import Channel, ChannelWatch
from ml_connector.connections import Connection, Endpoint, token_hash
from ml_connector.errors import Gone, RetryLater, Undeliverable
from ml_connector.events import Delivery, Version
from ml_connector.feedback import Feedback
from ml_connector.notices import Notices
from ml_connector.notifications import Notifications
from ml_connector.ports import AuditEntry, Memory, Receipt, Request
from ml_connector.replies import Replies
from ml_connector.resync import Reading, Resync
from ml_connector.sources import Inbound
from ml_connector.sources.graph import CHANNEL, LIFECYCLE, MESSAGE, RESYNC, place_of
from ml_connector.step_carrier import StepCarrier
from ml_connector.subscriptions import Address, Renewals, Subscription
from tests import fakes
from tests.fakes import CHANNEL as CHANNEL_ID
from tests.fakes import TEAM, Clock

TOKEN = "graph-token-".ljust(43, "x")
KEY = "graph-key-sEcReT"
BASE = "https://api.example/webhooks"
HOUR = timedelta(hours=1)


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def connection(name: str = "acme-eu", **changes: Any) -> Connection:
    """Its bot channel is routed to, and where people are told."""
    settings = {"routes": [{"events": ["invoice.*"], "when": {}, "to": ["finance"]}], "admin": "boss"}
    boss = {"boss": {"type": "teams", "transport": "bot", "team_id": TEAM, "channel_id": "19:boss@thread.tacv2"}}
    made = fakes.connection(name, **{**settings, **changes})
    return replace(made, destinations={**made.destinations, **boss})


@dataclass
class Graph:
    """`messages` by id: a reply names its `root`. A subscription stops telling an hour after it was last authorised."""

    clock: Clock
    subs: dict[str, dict[str, Any]] = field(default_factory=dict)
    messages: dict[str, dict[str, Any]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=lambda: {CHANNEL_ID: "Finance"})
    faults: list[Exception] = field(default_factory=list)
    refusals: dict[str, Exception] = field(default_factory=dict)
    down: bool = False
    refuses_address: bool = False
    calls: list[str] = field(default_factory=list)
    made: int = 0
    page: int = 50

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if self.faults:
            raise self.faults.pop(0)
        if name in self.refusals:
            raise self.refusals[name]
        if self.down:
            raise RetryLater("Graph answered 503: it is out of order", status=503)

    def _live(self, identity: str) -> dict[str, Any] | None:
        found = self.subs.get(identity)
        if found and found["expires"] <= self.clock():
            del self.subs[identity]
            return None
        return found

    # --- what the product calls

    def subscribe(self, connection: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        self._call("subscribe")
        if self.refuses_address:
            raise Undeliverable("Graph answered 400: InvalidRequest Subscription validation request failed.", 400)
        if any(self._live(each) and self.subs[each]["resource"] == body["resource"] for each in list(self.subs)):
            raise Undeliverable("Graph has a subscription to this already", 409)
        self.made += 1
        identity = f"sub-{self.made}"
        self.subs[identity] = dict(body) | {
            "id": identity,
            "expires": datetime.fromisoformat(body["expirationDateTime"]),
            "authorised": self.clock() + HOUR,
        }
        return self._shown(identity)

    def _shown(self, identity: str) -> dict[str, Any]:
        return {name: value for name, value in self.subs[identity].items() if name not in ("expires", "authorised")}

    def renew(self, connection: str, subscription_id: str, until: str) -> str:
        self._call("renew")
        if not (found := self._live(subscription_id)):
            raise Gone("Graph does not know this subscription any more", 404)
        found["expires"], found["authorised"] = datetime.fromisoformat(until), self.clock() + HOUR
        return until

    def unsubscribe(self, connection: str, subscription_id: str) -> None:
        self._call("unsubscribe")
        self.subs.pop(subscription_id, None)

    def subscriptions(self, connection: str) -> Iterator[Mapping[str, Any]]:
        self._call("subscriptions")
        yield from [self._shown(each) for each in list(self.subs) if self._live(each)]

    def channel(self, connection: str, team_id: str, channel_id: str) -> Mapping[str, Any]:
        self._call("channel")
        if channel_id not in self.names:
            raise Undeliverable("Graph answered 404: team, channel or message does not exist (any more)", 404)
        return {"id": channel_id, "displayName": self.names[channel_id]}

    def message(self, connection: str, team_id: str, channel_id: str, root: str, message_id: str) -> Mapping[str, Any]:
        self._call("message")
        if message_id not in self.messages:
            raise Undeliverable("Graph answered 404", 404)
        return self.messages[message_id]

    def changed(self, connection: str, team_id: str, channel_id: str, since: str, link: str = "") -> Mapping[str, Any]:
        self._call("changed")
        since, _, skip = (link or since).partition("|")
        chains = sorted({each["replyToId"] for each in self.messages.values() if each["createdDateTime"] > since})
        shown = chains[int(skip or 0) : int(skip or 0) + self.page]
        value = [
            {"id": root, "replies": [each for each in self.messages.values() if each["replyToId"] == root]}
            for root in shown
        ]
        done = int(skip or 0) + len(shown)
        return {"value": value, **({"@odata.nextLink": f"{since}|{done}"} if done < len(chains) else {})}

    # --- what people do

    def reply(self, root: str, identity: str, who: str = "Anna Müller") -> dict[str, Any]:
        """Somebody replies; gives back the notification's resource."""
        self.messages[identity] = {
            "id": identity,
            "replyToId": root,
            "createdDateTime": stamp(self.clock()),
            "messageType": "message",
            "webUrl": f"https://teams.example/l/message/{identity}",
            "from": {"user": {"id": f"id-of-{who}", "displayName": who}},
        }
        return self.item(f"teams('{TEAM}')/channels('{CHANNEL_ID}')/messages('{root}')/replies('{identity}')")

    def item(self, resource: str, change: str = "created") -> dict[str, Any]:
        """A notification of it, without what the subscription adds."""
        return {"changeType": change, "resource": resource, "resourceData": {"@odata.type": "#microsoft.graph.x"}}

    def told(self, item: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Whom Graph tells: live and authorised subscriptions to the item's resource."""
        place = place_of(str(item["resource"]))
        assert place
        team = f"/teams/{place.team}/channels"
        wanted = f"{team}/{place.channel}/messages" if place.root else team
        return [
            {**item, "subscriptionId": each, "clientState": self.subs[each]["clientState"]}
            for each in list(self.subs)
            if self._live(each)
            and self.subs[each]["resource"] == wanted
            and item["changeType"] in self.subs[each]["changeType"].split(",")
            and self.subs[each]["authorised"] > self.clock()
        ]


@dataclass
class Rows:
    """The rows of aws/graph_rows.py."""

    subs: dict[tuple[str, str], Subscription] = field(default_factory=dict)
    readings: dict[tuple[str, str], Reading] = field(default_factory=dict)
    known: dict[tuple[str, str], Channel] = field(default_factory=dict)

    def all(self) -> list[Subscription]:
        return list(self.subs.values())

    def get(self, connection: str, slot: str) -> Subscription | None:
        return self.subs.get((connection, slot))

    def set(self, subscription: Subscription) -> None:
        self.subs[subscription.connection, subscription.slot] = subscription

    def remove(self, subscription: Subscription) -> None:
        self.subs.pop((subscription.connection, subscription.slot), None)
        self.readings.pop((subscription.connection, subscription.slot), None)

    def begin(self, connection: str, slot: str, since: str) -> None:
        self.readings.setdefault((connection, slot), Reading(since))


@dataclass
class _Readings:
    rows: Rows

    def get(self, connection: str, slot: str) -> Reading | None:
        return self.rows.readings.get((connection, slot))

    def set(self, connection: str, slot: str, reading: Reading) -> None:
        self.rows.readings[connection, slot] = reading


@dataclass
class Channels:
    rows: Rows

    def get(self, connection: str, channel_id: str) -> Channel | None:
        return self.rows.known.get((connection, channel_id))

    def set(self, channel: Channel) -> None:
        self.rows.known[channel.connection, channel.id] = channel


@dataclass
class Trail:
    audit: fakes.Audit

    def of_record(self, connection: str, module: str, record_id: str) -> list[AuditEntry]:
        return [
            e for e in self.audit.entries if (e.connection, e.module, e.record_id) == (connection, module, record_id)
        ]

    def of_external_id(self, external_id: str) -> list[AuditEntry]:
        return [each for each in self.audit.entries if each.external_id == external_id]


@dataclass
class Board:
    """Remembers what was told; a row is never open again."""

    told: set[tuple[str, str]] = field(default_factory=set)

    def claim(self, connection: str, key: str, *, now: int, until: int, expires_at: int) -> Any:
        return "told" if (connection, key) in self.told else "mine"

    def close(self, connection: str, key: str, *, again_at: int | None, expires_at: int) -> None:
        if again_at is None:
            self.told.add((connection, key))


@dataclass
class Admin:
    """The admin channel: what was posted there, or why nothing can be."""

    posts: list[str] = field(default_factory=list)
    fault: Exception | None = None

    def destination(self, connection: Connection, name: str) -> Any:
        return self

    def send(self, request: Request) -> Receipt:
        if self.fault:
            raise self.fault
        self.posts.append(request.about)
        return Receipt("created", "m-1")


@dataclass
class World:
    clock: Clock = field(default_factory=Clock)
    connections: fakes.Connections = field(default_factory=lambda: fakes.Connections({"acme-eu": connection()}))
    deliveries: fakes.Deliveries = field(default_factory=fakes.Deliveries)
    rows: Rows = field(default_factory=Rows)
    queue: fakes.Queue = field(default_factory=fakes.Queue)
    admin: Admin = field(default_factory=Admin)
    board: Board = field(default_factory=Board)
    recorded: list[str] = field(default_factory=list)
    addresses: bool = True
    open: bool = True
    """Whether our address answers."""
    lost: list[Any] = field(default_factory=list)
    graph: Any = None
    """A model, unless it is given."""

    def __post_init__(self) -> None:
        self.graph = self.graph or Graph(self.clock)
        for name in self.connections.held:
            self.connections.endpoints[token_hash(self.token(name))] = Endpoint(
                "graph", name, "graph", "graph", "notified"
            )
        secrets = {(name, "graph"): {"token": self.token(name), "key": KEY} for name in self.connections.held}
        self.notifications = Notifications(self.connections, fakes.Secrets(dict(secrets)), self.queue, self.clock)
        self.renewals = Renewals(self.rows, self.graph, self.address, self.queue, self.clock)
        trail = Trail(self.deliveries.audit)
        self.feedback = Feedback(self.deliveries, trail, self.clock, self.recorded.append)
        self.replies = Replies(self.connections, trail, self.graph, self.feedback, lambda name: "id-of-the-account")
        told = lambda connection, notice: Request("create", "POST", "", {"text": notice.text}, about=notice.title)  # noqa: E731
        notices = Notices(self.board, self.admin, told, self.clock, lambda connection, key, error: None)
        self.watch = ChannelWatch(self.connections, Channels(self.rows), self.graph, notices, self.clock)
        self.resync = Resync(_Readings(self.rows), self.graph, self.replies, self.clock, lambda seconds: None)
        steps = {
            MESSAGE: graph_carriers.message(self.replies),
            CHANNEL: graph_carriers.channel(self.watch, self.rows),
            LIFECYCLE: graph_carriers.lifecycle(self.renewals),
            RESYNC: graph_carriers.resync(self.resync),
        }
        self.carriers = {name: StepCarrier(self.connections, self.clock, step) for name, step in steps.items()}
        self.waiting: list[tuple[datetime, datetime, int, Delivery]] = []

    def token(self, name: str) -> str:
        return f"{name}-{TOKEN}"[:43]

    def address(self, name: str) -> Address | None:
        return Address(BASE, self.token(name), KEY) if self.addresses else None

    def run(self) -> dict[str, int]:
        """An hour's run of the schedule."""
        return self.renewals.run(self.connections.held.values(), "run-1")

    def card(
        self, identity: str = "1000", record: str = "460000000098765", module: str = "invoice", **more: Any
    ) -> None:
        """A card of ours is in the channel: a row and its entry."""
        key, destination = f"acme-eu#{module}#{record}", more.pop("destination", "finance")
        memory = Memory(state="done", version=Version("2026-11-22T07:50:00Z", "f1"), external_id=identity)
        entry = AuditEntry(
            at="2026-11-22T07:59:00.000000Z", connection="acme-eu", module=module, record_id=record,
            number="INV-000412", event="invoice.created", version=str(memory.version), origin="webhook",
            destination=destination, outcome="delivered", attempt=1, correlation_id="c", external_id=identity,
            delivery="d1",
        )  # fmt: skip
        from ml_connector import audit

        sealed = audit.seal(replace(audit.fit(entry), **more), self.deliveries.read(key, destination).chain)
        before = self.deliveries.read(key, destination)
        self.deliveries.write(key, destination, replace(memory, rev=before.rev, chain=sealed.hash), sealed)

    def notify(self, *items: Mapping[str, Any], name: str = "acme-eu") -> Any:
        """Graph calls our address."""
        body = json.dumps({"value": items}).encode()
        call = Inbound("graph", self.token(name), "", {"content-type": "application/json"}, body)
        return self.notifications.receive(call, "call-1")

    def tell(self, item: Mapping[str, Any]) -> None:
        """Graph tells its subscribers; what cannot be told is lost after its retries."""
        told = self.graph.told(item)
        if told and self.open:
            self.notify(*told)
        else:
            self.lost.append(item)

    def work(self) -> list[str]:
        """Works off the queue, waits included as far as the clock has come; what each came to."""
        came = []
        now = self.clock()
        self.waiting += [(now, now, 1, each) for each in self.queue.sent]
        self.queue.sent.clear()
        for due, first, receives, each in [entry for entry in self.waiting if entry[0] <= now]:
            self.waiting.remove((due, first, receives, each))
            try:
                result = self.carriers[each.event.module].carry(Delivery.from_json(each.to_json()), receives, first)
            except RetryLater as later:
                again = now + timedelta(seconds=max(1, later.after or 1))
                self.waiting.append((again, first, receives + 1, each))
                came.append("later")
            else:
                came.append(f"{result.outcome}: {result.reason}" if result.reason else result.outcome)
        if self.queue.sent:
            came += self.work()
        return came

    @property
    def acknowledged(self) -> list[AuditEntry]:
        return [each for each in self.deliveries.audit.entries if each.outcome == "acknowledged"]
