"""Our DynamoDB adapters (design 7)."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ml_connector.attention import Incident
from ml_connector.audit import fit, seal
from ml_connector.aws import items
from ml_connector.aws.audit_table import AuditTable
from ml_connector.aws.connections_table import LIVE_WITHIN, ConnectionsTable
from ml_connector.aws.deliveries_table import DeliveriesTable
from ml_connector.aws.leases import Leases
from ml_connector.aws.notices_table import Incidents, NoticeBoard
from ml_connector.aws.schedules import Cursors, TurnList
from ml_connector.aws.silence_rows import SilenceRows
from ml_connector.aws.token_agenda import TokenAgenda
from ml_connector.clouds import CLOUDS
from ml_connector.connections import Endpoint
from ml_connector.events import Version
from ml_connector.gaps import Gap, Reading
from ml_connector.ports import AuditEntry, Conflict, Memory, Request
from ml_connector.rounds import Turn
from ml_connector.silence import Heard
from ml_connector.tokens import Due
from ml_connector.vendors.microsoft import message_link
from tests.fakes import TEAM, TENANT, Clock
from tests.integration.conftest import Aws

KEY = "acme-eu#invoice#460000000098765"
REQUEST = Request(
    "create", "POST", "https://api.monday.com/v2", {"query": "…", "variables": {"a": "Ölß 🧾"}}, "k-1", "x"
)
WHOLE = Memory(
    state="unknown",
    version=Version("2026-11-22T08:00:00Z", "aa"),
    pending=Version("", "bb"),
    step=2,
    external_id="77",
    thread_id="19:x@thread.tacv2;messageid=1",
    link="https://acme.monday.com/1",
    generation=2,
    request=REQUEST,
    attempts=3,
    first_attempt_at="2026-11-22T08:00:00.000000Z",
    looked_at="2026-11-22T08:30:00.000000Z",
    lease_until="2026-11-22T08:31:00.000000Z",
    owner="2026/11/22/[$LATEST]0123456789abcdef",
    chain="0123456789abcdef0123456789abcdef",
    number="INV-000412",
    target="1234567890",
    doubt=Version("2026-11-22T08:05:00Z", "fedcba9876543210"),
    amount="1284.50",
    currency="EUR",
    date="2026-11-20",
    shown='{"status":"sent"}',
    gathered="finance.busy-20261122T0800Z",
    again="1a2b3c4d5e6f",
)


# --- deliveries --------------------------------------------------------------------------------------------------


@pytest.fixture
def deliveries(aws: Aws) -> DeliveriesTable:
    return DeliveriesTable(aws.dynamodb, "delivery", AuditTable(aws.dynamodb, "audit", timedelta(days=400)))


def test_memory_comes_back_whole(deliveries: DeliveriesTable) -> None:
    """Every field, the exact request included; a row that is not there is a new memory."""
    assert deliveries.read(KEY, "ledger") == Memory()
    written = deliveries.write(KEY, "ledger", WHOLE)
    assert written == replace(WHOLE, rev=1)
    assert deliveries.read(KEY, "ledger") == written
    kept = [each for each in fields(Memory) if each.name != "links"]
    assert not [each.name for each in kept if getattr(written, each.name) == each.default], "none left out"


def test_rows_of_another_release_are_read(deliveries: DeliveriesTable, aws: Aws) -> None:
    """While one takes the place of the other, or is taken back: what a request leaves unsaid is not stored, for the
    release before may not know it; and what the release after says besides does not keep us from reading the rest.
    """
    key = items.dump({"pk": KEY, "sk": "ledger"})
    deliveries.write(KEY, "ledger", Memory(state="unknown", request=REQUEST))

    def stored() -> dict[str, Any]:
        row = items.load(aws.dynamodb.get_item(TableName="delivery", Key=key)["Item"])
        request: dict[str, Any] = json.loads(zlib.decompress(bytes(row["request"])))
        return request

    assert set(stored()) == {"operation", "method", "url", "body", "idempotency_key", "target"}
    later = zlib.compress(json.dumps({**stored(), "unheard_of": 1}).encode())
    row = aws.dynamodb.get_item(TableName="delivery", Key=key)["Item"]
    aws.dynamodb.put_item(TableName="delivery", Item={**row, "request": {"B": later}})
    assert deliveries.read(KEY, "ledger").request == REQUEST


def test_every_write_names_the_revision_it_has_read(deliveries: DeliveriesTable) -> None:
    """The second of two writers is refused, and changes nothing."""
    first = deliveries.write(KEY, "ledger", Memory(state="sending"))
    with pytest.raises(Conflict):
        deliveries.write(KEY, "ledger", Memory(state="sending"))
    second = deliveries.write(KEY, "ledger", replace(first, state="done"))
    with pytest.raises(Conflict):
        deliveries.write(KEY, "ledger", replace(first, state="waiting"))
    assert deliveries.read(KEY, "ledger") == second


def test_row_and_entry_are_written_both_or_neither(deliveries: DeliveriesTable, audit: AuditTable, aws: Aws) -> None:
    """A writer that comes too late leaves no entry either, and an entry that is there already stops its row."""

    def written() -> tuple[str, list[AuditEntry]]:
        trail = audit.of_record(ENTRY.connection, ENTRY.module, ENTRY.record_id)
        return deliveries.read(KEY, "ledger").state, list(trail)

    first = deliveries.write(KEY, "ledger", Memory(state="sending"), ENTRY)
    assert written() == ("sending", [ENTRY])
    with pytest.raises(Conflict):
        deliveries.write(KEY, "ledger", Memory(state="parked"), _later(2))
    assert written() == ("sending", [ENTRY])
    with pytest.raises(Conflict):
        deliveries.write(KEY, "ledger", replace(first, state="done"), replace(ENTRY, reason="another text"))
    assert written() == ("sending", [ENTRY])
    deliveries.write(KEY, "ledger", replace(first, state="done"), _later(3))
    assert written() == ("done", [ENTRY, _later(3)])


class _Busy:
    """DynamoDB that cancels transactions, once for each tuple of codes, before it takes them."""

    def __init__(self, real: Any, *cancels: tuple[str, ...]) -> None:
        self._real = real
        self.exceptions = real.exceptions
        self.left = list(cancels)

    def transact_write_items(self, **request: Any) -> Any:
        if not self.left:
            return self._real.transact_write_items(**request)
        answer: Any = {
            "Error": {"Code": "TransactionCanceledException", "Message": "cancelled"},
            "CancellationReasons": [{"Code": code} for code in self.left.pop(0)],
        }
        raise self.exceptions.TransactionCanceledException(answer, "TransactWriteItems")


@pytest.mark.parametrize("code", ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"])
def test_what_stands_in_the_way_for_a_moment_is_waited_for(aws: Aws, code: str) -> None:
    """The effect may be behind us: its row and entry are tried four times before the message has to come back."""
    slept: list[float] = []

    def written(times: int) -> Memory:
        client: Any = _Busy(aws.dynamodb, *[("None", code)] * times)
        table = DeliveriesTable(
            client, "delivery", AuditTable(aws.dynamodb, "audit", timedelta(days=400)), slept.append
        )
        return table.write(KEY, "ledger", Memory(state="done"), ENTRY)

    with pytest.raises(aws.dynamodb.exceptions.TransactionCanceledException):
        written(4)
    assert slept == [0.05, 0.2, 0.8]
    assert written(3).rev == 1
    assert slept == [0.05, 0.2, 0.8] * 2


def test_single_write_waits_for_another_workers_transaction(aws: Aws) -> None:
    """A claim that meets the noting of a person's reply: a moment, then the row decides."""
    slept: list[float] = []

    class Crossed(_Busy):
        def put_item(self, **request: Any) -> Any:
            if self.left:
                self.left.pop()
                error: Any = {"Error": {"Code": "TransactionConflictException", "Message": "ongoing"}}
                raise self.exceptions.TransactionConflictException(error, "PutItem")
            return self._real.put_item(**request)

    def claimed(times: int, rev: int) -> Memory:
        client: Any = Crossed(aws.dynamodb, *[("",)] * times)
        return DeliveriesTable(client, "delivery", sleep=slept.append).write(KEY, "ledger", Memory("sending", rev=rev))

    with pytest.raises(aws.dynamodb.exceptions.TransactionConflictException):
        claimed(4, 0)
    assert claimed(3, 0).rev == 1
    assert slept == [0.05, 0.2, 0.8] * 2
    with pytest.raises(Conflict):
        claimed(1, 0)


@pytest.mark.parametrize(
    "codes", [("ConditionalCheckFailed", "None"), ("TransactionConflict", "ConditionalCheckFailed")]
)
def test_failed_condition_is_a_conflict_at_once(aws: Aws, codes: tuple[str, str]) -> None:
    """Somebody else has written: no repetition changes that."""
    slept: list[float] = []
    client: Any = _Busy(aws.dynamodb, codes)
    table = DeliveriesTable(client, "delivery", AuditTable(aws.dynamodb, "audit", timedelta(days=400)), slept.append)
    with pytest.raises(Conflict):
        table.write(KEY, "ledger", Memory(state="done"), ENTRY)
    assert slept == []


def test_record_is_known_at_each_of_its_destinations(deliveries: DeliveriesTable) -> None:
    """One row per destination; other records stay out."""
    deliveries.write(KEY, "ledger", Memory(state="done"))
    deliveries.write(KEY, "finance", Memory(state="parked"))
    deliveries.write(KEY + "1", "ledger", Memory(state="done"))
    assert {name: memory.state for name, memory in deliveries.of_record(KEY).items()} == {
        "ledger": "done",
        "finance": "parked",
    }


def test_largest_request_fits_an_item(deliveries: DeliveriesTable, aws: Aws) -> None:
    """A card of 26 kB takes a small part of DynamoDB's 400 kB."""
    large = replace(WHOLE, request=replace(REQUEST, body={"card": "x" * 26_000}))
    deliveries.write(KEY, "ledger", large)
    row = aws.dynamodb.get_item(TableName="delivery", Key=items.dump({"pk": KEY, "sk": "ledger"}))["Item"]
    assert len(row["request"]["B"]) < 26_000
    assert deliveries.read(KEY, "ledger").request == large.request


# --- connections -------------------------------------------------------------------------------------------------


@pytest.fixture
def table(aws: Aws) -> tuple[ConnectionsTable, Clock]:
    clock = Clock()
    return ConnectionsTable(aws.dynamodb, "connections", clock.monotonic), clock


def test_endpoint_is_found_by_its_hash(table: tuple[ConnectionsTable, Clock]) -> None:
    """An unknown one is looked for every time: a new endpoint works at once."""
    connections, _ = table
    assert connections.endpoint("hash") is None
    connections.put(
        "endpoint#hash", "-", id="zoho.invoice.created", connection="acme-eu", source="zoho", module="invoice",
        action="created",
    )  # fmt: skip
    assert connections.endpoint("hash") == Endpoint("zoho.invoice.created", "acme-eu", "zoho", "invoice", "created")


def test_change_is_live_within_a_minute(table: tuple[ConnectionsTable, Clock]) -> None:
    """What was read is worked with for a minute, then read again; a removal counts too."""
    connections, clock = table
    row: dict[str, Any] = {"id": "a", "connection": "acme-eu", "source": "zoho", "module": "bill", "action": "created"}
    connections.put("endpoint#hash", "-", **row)
    assert connections.endpoint("hash")
    connections.delete("endpoint#hash", "-")
    clock.advance(LIVE_WITHIN - 1)
    assert connections.endpoint("hash") is not None
    clock.advance(1)
    assert connections.endpoint("hash") is None


def test_nonce_is_spent_once(table: tuple[ConnectionsTable, Clock]) -> None:
    """`only_new` says False the second time and leaves the row as it is."""
    connections, _ = table
    assert connections.put("oauth#n", "-", only_new=True, expires_at=1) is True
    assert connections.put("oauth#n", "-", only_new=True, expires_at=2) is False
    assert connections.get("oauth#n", "-") == {"pk": "oauth#n", "sk": "-", "expires_at": 1}


def test_list_of_connections(table: tuple[ConnectionsTable, Clock]) -> None:
    """What the schedules walk."""
    connections, _ = table
    for name in ("beta-us", "acme-eu"):
        connections.put("connections", name, at="2026-11-22T08:00:00Z")
    assert connections.names() == ["acme-eu", "beta-us"]


def test_update_leaves_other_attributes(table: tuple[ConnectionsTable, Clock]) -> None:
    """Reserved words are no obstacle."""
    connections, _ = table
    connections.put("tokens", "acme-eu#zoho", state="ok", due_at="x")
    connections.update("tokens", "acme-eu#zoho", state="needs_attention", name="n")
    assert connections.get("tokens", "acme-eu#zoho") == {
        "pk": "tokens", "sk": "acme-eu#zoho", "state": "needs_attention", "due_at": "x", "name": "n",
    }  # fmt: skip


def test_what_is_known_of_webhooks(table: tuple[ConnectionsTable, Clock]) -> None:
    """As it was set; of one that was never heard as little as there is."""
    rows = SilenceRows(table[0])
    known = [
        Heard("acme-eu", looked_at="2026-11-22T08:00:00Z"),
        Heard(
            "acme-us",
            looked_at="2026-11-22T08:00:00Z",
            since="2026-09-01T08:00:00Z",
            last={"invoice": "2026-11-20T08:00:00Z"},
            found={"invoice": ("1", "2", "3")},
            silences=(("2026-11-02T09:00:00Z", 234_000), ("2026-11-16T09:00:00Z", 230_400)),
            state="deaf",
        ),
    ]
    for each in known:
        rows.set(each)
    assert list(rows.all()) == known


def test_what_was_read_lately_costs_no_call(table: tuple[ConnectionsTable, Clock], aws: Aws) -> None:
    """A metric is not worth a read, and must not fail."""
    connections, _ = table
    assert connections.read_lately("acme-eu") is None
    applied = {
        "connection": "acme-eu", "version": 1, "zoho": {"region": "eu", "organization_id": "2", "modules": []},
        "destinations": {}, "routing": "all", "routes": [], "retry": {}, "microsoft": {}, "locale": "en",
        "time_zone": "UTC", "applied_at": "2026-11-22T08:00:00Z",
    }  # fmt: skip
    connections.put("connection#acme-eu", "current", data=json.dumps(applied))
    assert connections.read_lately("acme-eu") is None
    assert connections.connection("acme-eu") == connections.read_lately("acme-eu")


def test_what_the_schedules_remember(table: tuple[ConnectionsTable, Clock]) -> None:
    """Dues and cursors come back as they were set."""
    connections, _ = table
    agenda, cursors = TokenAgenda(connections), Cursors(connections)
    dues = [
        Due("acme-eu", "microsoft.bot", "2026-11-22T08:55:00Z", "ok", expires_at="2026-11-22T09:00:00Z"),
        Due("acme-eu", "zoho", "2026-11-22T09:00:00Z", "needs_attention", "revoked", "mlc auth zoho acme-eu"),
    ]
    for due in dues:
        agenda.set(due)
    assert list(agenda.all()) == dues
    assert agenda.of("acme-eu", "zoho") == dues[1]
    agenda.remove("acme-eu", "zoho")
    assert (agenda.of("acme-eu", "zoho"), list(agenda.all())) == (None, dues[:1])
    assert cursors.all("acme-eu") == {}
    readings = {
        "invoice": Reading("2026-11-22T07:58:00Z"),
        "bill~backfill": Reading(
            "2026-11-22T08:00:00Z",
            (
                Gap("2026-03-01T00:00:00Z", "2026-11-22T08:00:00Z", 7, "2026-05-01T08:00:00Z", "created"),
                Gap("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"),
            ),
        ),
    }
    for track, reading in readings.items():
        cursors.set("acme-eu", track, reading)
    assert cursors.all("acme-eu") == readings


def test_turn_is_claimed_once(table: tuple[ConnectionsTable, Clock]) -> None:
    """Of all that have read it, one moves its due time; a connection that never had a turn has one like any other."""
    turns = TurnList(table[0])
    assert turns.get("acme-eu") is None
    first = Turn("acme-eu")
    assert [turns.claim(first, "2026-11-22T08:10:00Z") for _ in range(2)] == [True, False]
    done = Turn(
        "acme-eu", "2026-11-22T08:15:00Z", 5000, "2026-11-22", 12, "2026-11-22T23:00:00Z", 810, "2026-11-22T08:00:00Z"
    )
    turns.set(done)
    assert (list(turns.all()), turns.get("acme-eu")) == ([done], done)
    assert [turns.claim(done, f"2026-11-22T08:2{number}:00Z") for number in range(2)] == [True, False]
    assert turns.get("acme-eu") == replace(done, due_at="2026-11-22T08:20:00Z")


def test_notice_has_one_teller(aws: Aws) -> None:
    """Claimed by one at a time, until it is told; a claim that ran out, or was given back, is free."""
    board = NoticeBoard(aws.dynamodb, "connections")

    def claim(now: int) -> str:
        return board.claim("acme-eu", "token.zoho", now=now, until=now + 600, expires_at=now + 10**6)

    assert [claim(1000), claim(1001), claim(1599)] == ["mine", "busy", "busy"]
    assert claim(1600) == "mine"
    board.close("acme-eu", "token.zoho", again_at=1700, expires_at=10**6)
    assert [claim(1699), claim(1700)] == ["busy", "mine"]
    board.close("acme-eu", "token.zoho", again_at=None, expires_at=10**6)
    assert [claim(1701), claim(10**5)] == ["told", "told"]
    assert board.claim("beta-us", "token.zoho", now=1, until=2, expires_at=3) == "mine"
    (row,) = (each for each in aws.dynamodb.scan(TableName="connections")["Items"] if "again_at" not in each)
    assert row["expires_at"] == {"N": "1000000"}


def test_incidents_are_kept_until_they_end(table: tuple[ConnectionsTable, Clock]) -> None:
    """A token has one at most; opening it anew changes nothing of what is known."""
    connections, _ = table
    incidents = Incidents(connections)
    first = Incident("acme-eu", "zoho", "2026-11-22T08:00:00Z")
    assert incidents.open(first)
    assert not incidents.open(Incident("acme-eu", "zoho", "2026-11-22T09:00:00Z"))
    assert list(incidents.all()) == [first]
    incidents.told(first)
    assert list(incidents.all()) == [Incident("acme-eu", "zoho", "2026-11-22T08:00:00Z", told=True)]
    incidents.close(first)
    assert list(incidents.all()) == []


# --- audit -------------------------------------------------------------------------------------------------------

ENTRY = AuditEntry(
    at="2026-11-22T08:00:00.000001Z",
    connection="acme-eu",
    module="invoice",
    record_id="460000000098765",
    number="INV-000412",
    event="invoice.created",
    version="2026-11-22T07:50:00Z~0123456789abcdef",
    origin="webhook",
    destination="ledger",
    outcome="delivered",
    attempt=1,
    correlation_id="call-1",
    operation="create",
    external_id="77",
    link="https://acme.monday.com/boards/1/pulses/77",
    status=200,
    request_id="r-1",
    duration_ms=412,
    delivery="0123456789abcdef0123456789abcdef",
)


@pytest.fixture
def audit(aws: Aws) -> AuditTable:
    return AuditTable(aws.dynamodb, "audit", timedelta(days=400))


Append = Callable[[AuditEntry], object]


def test_trail_is_read_back_from_now_to_where_it_was_left(audit: AuditTable, append: Append) -> None:
    """Over midnight, newest first, of one connection, and nothing that is older."""
    times = ["2026-11-20T08:00", "2026-11-21T22:30", "2026-11-21T23:59", "2026-11-22T00:01", "2026-11-22T08:00"]
    for at in times:
        append(replace(ENTRY, at=f"{at}:00.000001Z"))
    append(replace(ENTRY, connection="acme-us", at="2026-11-22T07:00:00.000001Z"))
    found = audit.written_since("acme-eu", "2026-11-21T23:00:00Z", "2026-11-22T09:00:00Z")
    assert [entry.at[:16] for entry in found] == times[:1:-1]


@pytest.fixture
def append(audit: AuditTable, aws: Aws) -> Append:
    """Entries as they are, without the row that they tell of."""
    return lambda entry: aws.dynamodb.put_item(**audit.put(entry))


def _later(seconds: int, **changes: Any) -> AuditEntry:
    return replace(ENTRY, at=f"2026-11-22T08:00:{seconds:02}.000000Z", **changes)


def test_trail_of_a_record_is_in_order(audit: AuditTable, append: Append) -> None:
    """Oldest first, every entry as it was written."""
    entries = [
        ENTRY,
        _later(2, outcome="skipped", external_id="", link="", reason="duplicate"),
        _later(5, number="", status=0, attempt=0),
    ]
    for entry in reversed(entries):
        append(entry)
    append(_later(3, record_id="1"))
    assert list(audit.of_record("acme-eu", "invoice", "460000000098765")) == entries


def test_trail_of_a_day_is_newest_first(audit: AuditTable, append: Append) -> None:
    """A UTC day of one connection, over all records."""
    first, second = ENTRY, _later(9, record_id="1")
    for entry in (first, second, replace(ENTRY, at="2026-11-23T00:00:00.000000Z"), _later(4, connection="beta-us")):
        append(entry)
    assert list(audit.of_day("acme-eu", "2026-11-22")) == [second, first]


def test_way_back_from_the_item(audit: AuditTable, append: Append) -> None:
    """From a monday item or a Teams message to the Zoho record."""
    for entry in (ENTRY, _later(2, operation="update"), _later(3, external_id="78"), _later(4, external_id="")):
        append(entry)
    assert [entry.operation for entry in audit.of_external_id("77")] == ["create", "update"]


def test_what_needs_a_look_is_found_by_its_state(audit: AuditTable, append: Append) -> None:
    """Parked, unknown and waiting deliveries are indexed; what is settled costs no index."""
    for second, outcome in enumerate(("delivered", "accepted", "skipped", "parked", "unknown", "retry", "parked")):
        append(_later(second, outcome=outcome))
    found = {
        state: len(list(audit.in_state("acme-eu", state))) for state in ("parked", "unknown", "retry", "delivered")
    }
    assert found == {"parked": 2, "unknown": 1, "retry": 1, "delivered": 0}


def test_pages_are_all_read(audit: AuditTable, append: Append) -> None:
    """A trail longer than one answer of DynamoDB (1 MB), of entries as large as they get."""
    for number in range(1100):
        moment = datetime(2026, 11, 22, 8, tzinfo=UTC) + timedelta(milliseconds=number)
        append(fit(replace(ENTRY, at=moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), reason="r" * 2000)))
    every = list(audit.of_record("acme-eu", "invoice", "460000000098765"))
    assert len(every) == 1100
    assert list(audit.of_record("acme-eu", "invoice", "460000000098765", newest_first=True)) == every[::-1]


def test_entry_stays_below_one_kilobyte(audit: AuditTable, append: Append, aws: Aws) -> None:
    """Whatever vendors and records say: longest names, a long number, a long reason in three-byte characters."""
    longest = replace(
        ENTRY,
        connection="c" * 40,
        module="customer_payment",
        event="customer_payment.updated",
        record_id="4" * 19,
        number="番" * 500,
        destination="d" * 40,
        correlation_id="6f1d2c3b-0000-4000-a000-0000000000aa",
        outcome="parked",
        reason="理" * 1000,
        external_id="1794301234567",
        request_id="x" * 400,
        link=message_link("19:" + "c" * 64 + "@thread.tacv2", "1794301234567", TEAM, TENANT, CLOUDS["global"]),
    )
    append(seal(fit(longest), "0" * 32))
    (row,) = aws.dynamodb.scan(TableName="audit")["Items"]
    size = sum(len(name) + len(next(iter(value.values())).encode()) for name, value in row.items())
    assert size <= 1024
    (entry,) = audit.of_record(longest.connection, longest.module, longest.record_id)
    assert (set(entry.reason), len(entry.reason.encode()) > 180) == ({"理"}, True), (
        "long enough, cut between characters"
    )


def test_entries_end_by_policy(append: Append, aws: Aws) -> None:
    """400 days after they were written."""
    append(ENTRY)
    (row,) = aws.dynamodb.scan(TableName="audit")["Items"]
    ends = datetime.fromtimestamp(int(row["expires_at"]["N"]), UTC)
    assert ends.date().isoformat() == "2027-12-27"


# --- leases ------------------------------------------------------------------------------------------------------


def test_lease_has_one_holder(aws: Aws) -> None:
    """The second is told so; after the first has let go, or after its time, it is free."""
    clock = Clock()
    leases = Leases(aws.dynamodb, "limits", clock)
    with leases.held("acme-eu#zoho", 90) as mine, leases.held("acme-eu#zoho", 90) as other:
        assert (mine, other) == (True, False)
    with leases.held("acme-eu#zoho", 90) as mine:
        assert mine
        clock.advance(91)
        with leases.held("acme-eu#zoho", 90) as heir:
            assert heir
        # The heir has let go; the first one's end must not disturb whoever comes next.
    assert aws.dynamodb.scan(TableName="limits")["Items"] == []


def test_late_holder_does_not_end_its_heirs_lease(aws: Aws) -> None:
    """A function that was frozen too long takes nothing away."""
    clock = Clock()
    leases = Leases(aws.dynamodb, "limits", clock)
    late = leases.held("x", 90)
    assert late.__enter__()
    clock.advance(91)
    with leases.held("x", 90) as heir:
        late.__exit__(None, None, None)
        with leases.held("x", 90) as third:
            assert (heir, third) == (True, False)


def test_lease_is_let_go_on_failure(aws: Aws) -> None:
    """An error inside does not keep the others out."""
    leases = Leases(aws.dynamodb, "limits", Clock())
    with pytest.raises(KeyError), leases.held("x", 90):
        raise KeyError
    with leases.held("x", 90) as mine:
        assert mine


# --- items -------------------------------------------------------------------------------------------------------


def test_items_are_plain() -> None:
    """Text, whole numbers and bytes; nothing and empty texts are left out; other types are a fault of ours."""
    plain = {"s": "a", "n": 0, "b": b"\x00"}
    assert items.load(items.dump({**plain, "empty": "", "none": None})) == plain
    with pytest.raises(TypeError):
        items.load({"x": {"L": []}})
