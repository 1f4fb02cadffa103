"""The commands by which a stack is operated, against its tables, queues and secrets."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from typer.testing import CliRunner, Result

from ml_connector import audit, limits
from ml_connector.audit import verify
from ml_connector.aws.audit_table import AuditTable
from ml_connector.aws.connections_table import ConnectionsTable
from ml_connector.aws.deliveries_table import DeliveriesTable
from ml_connector.aws.graph_rows import SubscriptionList
from ml_connector.aws.limits_table import LimitsTable
from ml_connector.aws.queues import DeliveriesQueue
from ml_connector.aws.schedules import TurnList
from ml_connector.aws.secrets import EndpointSecrets, SecretStore
from ml_connector.aws.token_agenda import TokenAgenda
from ml_connector.config.apply import VERSIONS, apply
from ml_connector.config.load import parse
from ml_connector.connections import Connection, token_hash
from ml_connector.errors import Missing, NeedsAttention, Undeliverable
from ml_connector.events import Delivery
from ml_connector.limits import Limiter
from ml_connector.ports import AuditEntry, Memory
from ml_connector.rounds import Turn
from ml_connector.rows import shown_of
from ml_connector.subscriptions import Subscription
from ml_connector.tokens import Due
from mlc import destroy, options, parked, reconcile
from mlc.main import app
from mlc.stack import Stack
from tests.fakes import delivery, payload, record_of
from tests.integration.conftest import REGION, Aws

EXAMPLE = Path(__file__).parents[2] / "connections" / "example.toml"
NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
WHO = "kim (arn:aws:iam::123456789012:user/kim)"
TODAY = f"{datetime.now(UTC):%Y-%m-%d}"


class Desk:
    """A stack in which the example is in force."""

    def __init__(self, aws: Aws) -> None:
        self.aws = aws
        self.table = ConnectionsTable(aws.dynamodb, "connections", lambda: 0.0)
        self.secrets = SecretStore(aws.secretsmanager, "stack", "key", denied_is_missing=False)
        self.audit = AuditTable(aws.dynamodb, "audit", timedelta(days=400))
        self.deliveries = DeliveriesTable(aws.dynamodb, "delivery", self.audit)

    def mlc(self, *words: str | Path, typed: str | None = None) -> Result:
        return CliRunner().invoke(app, [str(word) for word in words], input=typed, catch_exceptions=False)

    def json(self, *words: str | Path, code: int = 0) -> Any:
        done = self.mlc(*words, "--json")
        assert done.exit_code == code, done.output
        return json.loads(done.stdout)

    def apply(self, old: str = "", new: str = "", now: datetime = NOW) -> None:
        text = EXAMPLE.read_text("utf-8").replace(old, new) if old else EXAMPLE.read_text("utf-8")
        apply(parse(text.encode(), "x.toml"), self.table, self.secrets, now, WHO)

    def enter(self, number: str = "INV-000412", **changes: Any) -> AuditEntry:
        """An attempt at a record, with its row; as the engine writes both."""
        first = {
            "record_id": "5820000000417203",
            "outcome": "delivered",
            "at": f"{TODAY}T00:00:01.000000Z",
            "attempt": 1,
        }
        known: dict[str, Any] = first | changes
        entry = AuditEntry(
            connection="acme-eu", module="invoice", number=number, event="invoice.created", version="v~1",
            origin="webhook", destination="ledger", correlation_id="call", delivery="d" * 32, **known,
        )  # fmt: skip
        key = f"acme-eu#invoice#{entry.record_id}"
        before = self.deliveries.of_record(key).get("ledger", Memory())
        entry = audit.seal(audit.fit(entry), before.chain)
        self.deliveries.write(key, "ledger", replace(before, state="done", chain=entry.hash), entry)
        return entry


@pytest.fixture
def desk(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    outputs = {
        "ConnectionsTableName": "connections", "LimitsTableName": "limits", "AuditTableName": "audit",
        "DeliveryTableName": "delivery", "AuditRetentionDays": "400", "SecretsPrefix": "stack", "SecretsKeyArn": "key",
        "DeliveriesQueueUrl": aws.deliveries_url, "ParkedQueueUrl": aws.parked_url,
    }  # fmt: skip
    described = {"Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()]}
    monkeypatch.setattr(Stack, "_described", described)
    session = boto3.Session(region_name=REGION)
    monkeypatch.setattr(Stack, "__post_init__", lambda stack: setattr(stack, "session", session))
    monkeypatch.setattr(parked, "identity", lambda _: WHO)
    here = Desk(aws)
    here.apply()
    return here


# --- connections ---------------------------------------------------------------------------------------------------


def test_what_is_in_force_and_who_put_it_there(desk: Desk) -> None:
    """One line per connection; its configuration in a few lines, whole as JSON."""
    (row,) = desk.json("connections", "list")
    assert (row["connection"], row["version"], row["by"], row["organization_id"]) == ("acme-eu", 1, WHO, "20064550123")
    shown = desk.mlc("connections", "show", "acme-eu").stdout
    assert "acme-eu, version 1, applied 2026-11-22 08:00 UTC by kim" in shown
    assert "destination ledger: monday board 1234567890" in shown
    assert "route 2: invoice.created, min_amount 10000, currency EUR → large-invoices" in shown
    whole = desk.json("connections", "show", "acme-eu")["configuration"]
    assert whole["zoho"]["organization_id"] == "20064550123"


def test_history_says_who_changed_what(desk: Desk) -> None:
    """Newest first, with the keys of the file and both values."""
    desk.apply("min_amount = 10000", "min_amount = 5000", NOW + timedelta(days=1))
    newest, oldest = desk.json("connections", "history", "acme-eu")
    assert (newest["version"], newest["at"], newest["by"], newest["in_force"]) == (2, "2026-11-23T08:00:00Z", WHO, True)
    assert newest["differences"] == [{"key": "routes.2.when.min_amount", "before": "10000", "after": "5000"}]
    assert (oldest["version"], oldest["in_force"], oldest["differences"]) == (1, False, [])
    assert "routes.2.when.min_amount: 10000 → 5000" in desk.mlc("connections", "history", "acme-eu").stdout


def test_history_is_bounded_and_versions_count_on(desk: Desk) -> None:
    """Fifty are kept."""
    for number in range(2, VERSIONS + 4):
        desk.apply("min_amount = 10000", f"min_amount = {number}")
    held = [row["version"] for row in desk.json("connections", "history", "acme-eu")]
    assert held == list(range(VERSIONS + 3, 3, -1))


def test_rollback_is_a_new_version_that_says_what_the_old_one_said(desk: Desk) -> None:
    """Addresses stay; the functions read it; a second one changes nothing."""
    before = desk.secrets.get("acme-eu", "webhooks", max_age=0)
    first = desk.json("connections", "show", "acme-eu")["configuration"]
    desk.apply("min_amount = 10000", "min_amount = 5000")
    done = desk.json("connections", "rollback", "acme-eu", "1", "--yes")
    assert (done["version"], done["changed"], done["from"]) == (3, True, 1)
    assert done["differences"] == [{"key": "routes.2.when.min_amount", "before": "5000", "after": "10000"}]
    now = desk.json("connections", "show", "acme-eu")["configuration"]
    assert {**now, "version": 1} == first
    assert desk.secrets.get("acme-eu", "webhooks", max_age=0) == before
    assert desk.json("connections", "rollback", "acme-eu", "1", "--yes")["changed"] is False
    assert desk.json("connections", "history", "acme-eu")[0]["by"] == WHO


def test_rollback_asks_and_needs_a_version_that_is_kept(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what it would change, on stderr; no is no."""
    desk.apply("min_amount = 10000", "min_amount = 5000")
    nobody = desk.mlc("connections", "rollback", "acme-eu", "1")
    assert (nobody.exit_code, "say --yes" in nobody.stderr) == (2, True)
    monkeypatch.setattr(options, "terminal", lambda: True)
    refused = desk.mlc("connections", "rollback", "acme-eu", "1", typed="n\n")
    assert refused.exit_code == 1
    assert "routes.2.when.min_amount: 5000 → 10000" in refused.stderr
    assert desk.json("connections", "list")[0]["version"] == 2
    unknown = desk.mlc("connections", "rollback", "acme-eu", "9", "--yes")
    assert (unknown.exit_code, "is not kept; kept: 1, 2" in unknown.stderr) == (3, True)


def test_removed_connection_takes_nothing_in_and_keeps_what_is_needed_to_come_back(desk: Desk) -> None:
    """No address, no schedule; secrets, history and reconcile's places stay, and a rollback brings all of it back."""
    webhooks = desk.secrets.get("acme-eu", "webhooks", max_age=0)
    tokens = [each["token"] for each in webhooks["endpoints"].values()]
    TokenAgenda(desk.table).set(Due("acme-eu", "zoho", "2026-11-22T08:55:00Z", "ok"))
    TokenAgenda(desk.table).set(Due("acme-eu-2", "zoho", "2026-11-22T08:55:00Z", "ok"))
    done = desk.json("connections", "remove", "acme-eu", "--yes")
    assert (done["removed"], done["secrets"]) == (True, ["webhooks", "graph", "boards"])
    assert desk.table.names() == []
    assert desk.table.connection("acme-eu", fresh=True) is None
    assert [desk.table.endpoint(token_hash(token)) for token in tokens] == [None] * len(tokens)
    assert [each.connection for each in TokenAgenda(desk.table).all()] == ["acme-eu-2"]
    assert list(desk.table.query("cursor#acme-eu"))
    assert desk.mlc("connections", "show", "acme-eu").exit_code == 3
    assert desk.json("connections", "rollback", "acme-eu", "1", "--yes")["version"] == 2
    endpoint = desk.table.endpoint(token_hash(tokens[0]))
    assert endpoint is not None
    assert list(EndpointSecrets(desk.secrets).secrets(endpoint))


def test_secrets_go_by_choice_and_the_connection_can_come_back_at_once(desk: Desk) -> None:
    """Though AWS keeps a deleted secret's name for a week; its addresses are new ones."""
    before = desk.secrets.get("acme-eu", "webhooks", max_age=0)
    done = desk.json("connections", "remove", "acme-eu", "--secrets", "--yes")
    assert any("restored within 7 days" in text for text in done["left"])
    assert desk.secrets.get("acme-eu", "webhooks", max_age=0) == {}
    desk.apply()
    after = desk.secrets.get("acme-eu", "webhooks", max_age=0)
    assert set(after["endpoints"]) == set(before["endpoints"])
    assert after != before


def test_removal_says_what_is_left_before_it_asks(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """And with no for an answer nothing is removed."""
    desk.table.put("webhooks#acme-eu", "zoho.invoice.created", webhook_id="1")
    monkeypatch.setattr(options, "terminal", lambda: True)
    done = desk.mlc("connections", "remove", "acme-eu", typed="n\n")
    assert done.exit_code == 1
    assert "1 webhooks in Zoho go on calling" in done.stderr
    assert "mlc webhooks remove acme-eu" in done.stderr
    assert desk.table.names() == ["acme-eu"]


# --- audit ---------------------------------------------------------------------------------------------------------


def test_what_is_under_way_is_found_however_old_it_is(desk: Desk) -> None:
    """Through the index of states: no day need be named, and a day bounds it."""
    old = desk.enter(outcome="retry", at="2026-03-01T08:00:00.000000Z")
    new = desk.enter("INV-7", record_id="7", outcome="retry")
    desk.enter("INV-8", record_id="8")
    under_way = ("audit", "list", "acme-eu", "--state", "retry")
    assert [row["at"] for row in desk.json(*under_way)] == [new.at, old.at]
    assert [row["at"] for row in desk.json(*under_way, "--since", TODAY)] == [new.at]
    assert [row["number"] for row in desk.json("audit", "list", "acme-eu", "--state", "delivered")] == ["INV-8"]
    assert len(desk.json("audit", "list", "acme-eu")) == 2


@pytest.mark.parametrize(
    "what",
    [
        "inv-000412",
        " INV-000412 ",
        "5820000000417203",
        "https://acme.monday.com/boards/1234567890/pulses/2000000017",
        "https://teams.microsoft.com/l/message/19%3Ax%40thread.tacv2/99?tenantId=1&parentMessageId=2000000017",
        "https://books.zoho.eu/app/20064550123#/invoices/5820000000417203",
    ],
)
def test_a_record_is_found_by_what_people_paste(desk: Desk, what: str) -> None:
    """A number in either case, an id, an address from Zoho, monday, or Teams, also that of a reply in the thread."""
    desk.enter(external_id="2000000017")
    assert [row["number"] for row in desk.json("audit", "show", "acme-eu", what)] == ["INV-000412"]


def test_a_list_can_be_of_records_and_days(desk: Desk) -> None:
    """Newest first; days that lie the wrong way round are told before anything is read."""
    for day in (20, 21, 22):
        desk.enter(at=f"2026-11-{day}T08:00:00.000000Z", attempt=day)
    desk.enter("INV-7", record_id="7", at="2026-11-21T09:00:00.000000Z")
    days = ("--since", "2026-11-20", "--until", "2026-11-21")
    assert [row["at"][8:13] for row in desk.json("audit", "list", "acme-eu", *days)] == ["21T09", "21T08", "20T08"]
    named = desk.json("audit", "list", "acme-eu", "inv-000412", "INV-7", "--since", "2026-11-21")
    assert [(row["number"], row["at"][8:13]) for row in named] == [
        ("INV-000412", "22T08"), ("INV-7", "21T09"), ("INV-000412", "21T08"),
    ]  # fmt: skip
    assert desk.mlc("audit", "list", "acme-eu", "--since", "2026-11-02", "--until", "2026-11-01").exit_code == 2
    shown = desk.mlc("audit", "list", "acme-eu", *days, "--limit", "3").stdout
    assert "the newest 3; more with --limit" in shown


def test_a_story_says_what_was_changed_there_as_far_as_the_trail_knows(desk: Desk) -> None:
    """An update, not another item; and the number that a document had before. What was made is not said twice."""
    desk.enter("INV-000411", at="2026-11-20T08:00:00.000000Z", operation="create")
    desk.enter("INV-000412", at="2026-11-21T08:00:00.000000Z", operation="update")
    shown = desk.mlc("audit", "show", "acme-eu", "5820000000417203").stdout
    assert "(create)" not in shown
    assert shown.index("delivered\n") < shown.index("delivered (update)") < shown.index("number was INV-000411")


@pytest.mark.parametrize("form", ["csv", "json", "ndjson"])
def test_an_export_has_every_entry_whole(desk: Desk, tmp_path: Path, form: str) -> None:
    """Oldest first, with its hashes: from JSON the chain can be verified again; in CSV no text is a formula."""
    entries = [desk.enter("=INV", at=f"2026-11-{day}T08:00:00.000000Z", attempt=day) for day in (20, 21, 22)]
    file = tmp_path / f"trail.{form}"
    done = desk.mlc("audit", "export", "acme-eu", "--since", "2026-11-01", "--until", "2026-11-21", "-o", file)
    assert (done.exit_code, done.stdout, "2 entries written" in done.stderr) == (0, "", True)
    assert list(tmp_path.iterdir()) == [file]
    text = file.read_text("utf-8")
    if form == "csv":
        rows = list(csv.DictReader(StringIO(text)))
        assert [(row["at"], row["number"]) for row in rows] == [(each.at, "'=INV") for each in entries[:2]]
        return
    rows = json.loads(text) if form == "json" else [json.loads(each) for each in text.splitlines()]
    assert [AuditEntry(**row) for row in rows] == entries[:2]
    assert verify([AuditEntry(**row) for row in rows], {"ledger": entries[1].hash}) == []


def test_an_export_can_be_of_records_or_of_a_state(desk: Desk) -> None:
    """To stdout, for a pipe; nothing found is exit code 3."""
    desk.enter(outcome="parked", at="2026-11-20T08:00:00.000000Z")
    desk.enter("INV-7", record_id="7", at="2026-11-21T08:00:00.000000Z")
    everything = desk.mlc("audit", "export", "acme-eu").stdout.splitlines()
    assert [json.loads(row)["number"] for row in everything] == ["INV-000412", "INV-7"]
    assert [row["number"] for row in desk.json("audit", "export", "acme-eu", "inv-7")] == ["INV-7"]
    assert [row["outcome"] for row in desk.json("audit", "export", "acme-eu", "--state", "parked")] == ["parked"]
    assert desk.json("audit", "export", "acme-eu", "--state", "unknown", code=3) == []


def test_what_cannot_be_an_export_is_said_before_anything_is_read(desk: Desk, tmp_path: Path) -> None:
    """Exit code 2, or 1 for a file that cannot be written."""
    assert desk.mlc("audit", "export", "acme-eu", "--json", "--format", "csv").exit_code == 2
    assert desk.mlc("audit", "export", "acme-eu", "--since", "2026-11-02", "--until", "2026-11-01").exit_code == 2
    done = desk.mlc("audit", "export", "acme-eu", "-o", tmp_path / "nowhere" / "x.csv")
    assert (done.exit_code, "cannot write" in done.stderr) == (1, True)


def test_digest_says_how_many_records_it_told_of_and_which(desk: Desk) -> None:
    """By its id, as the records' own entries name it."""
    digest = "ledger.busy-20261122T0809Z"
    day = datetime.now(UTC).date()
    for number in (1, 2):
        reason = f"told in the digest {digest}"
        desk.enter(f"INV-{number}", record_id=str(number), at=f"{day}T08:10:07.000000Z", reason=reason)
    desk.enter("INV-3", record_id="3", at=f"{day}T08:10:07.000000Z", reason="told in the digest of another minute")
    posted = AuditEntry(
        at=f"{day}T08:10:06.000000Z", connection="acme-eu", module="digest", record_id=digest, number="",
        event="digest.made", version="v~1", origin="digest", destination="ledger", outcome="accepted", attempt=1,
        correlation_id="call", delivery="f" * 32,
    )  # fmt: skip
    posted = audit.seal(posted, "")
    desk.deliveries.write(f"acme-eu#digest#{digest}", "ledger", Memory("done", chain=posted.hash), posted)
    (entry,) = desk.json("audit", "show", "acme-eu", digest)
    assert [each["number"] for each in entry["told"]] == ["INV-1", "INV-2"]
    assert "told of 2 records: INV-1, INV-2" in desk.mlc("audit", "show", "acme-eu", digest).stdout


# --- replay --------------------------------------------------------------------------------------------------------


@dataclass
class Zoho:
    """Zoho Books as far as a replay asks it."""

    records: dict[str, dict[str, Any]] = field(default_factory=dict)

    def fetch(self, connection: Connection, module: str, record_id: str) -> dict[str, Any]:
        if record_id not in self.records:
            raise Missing("Zoho has no such record", 404)
        return self.records[record_id]


@pytest.fixture
def zoho(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Zoho:
    """It has invoice INV-000412, which is on the board in an older state; the channel never got it."""
    zoho = Zoho({"460000000098765": payload(status="paid", balance="0")})
    monkeypatch.setattr(reconcile, "office", lambda *_: SimpleNamespace(books=zoho))
    before = delivery(status="sent", modified="2026-11-21T08:00:00+0100")
    row = Memory(
        "done", before.event.version, external_id="2000000017", number="INV-000412", **shown_of(record_of(before))
    )
    entry = AuditEntry(
        at="2026-11-21T08:00:00.000000Z", connection="acme-eu", module="invoice", record_id="460000000098765",
        number="INV-000412", event="invoice.created", version=str(before.event.version), origin="webhook",
        destination="ledger", outcome="delivered", attempt=1, correlation_id="call", delivery="d" * 32,
    )  # fmt: skip
    entry = audit.seal(entry, "")
    desk.deliveries.write("acme-eu#invoice#460000000098765", "ledger", replace(row, chain=entry.hash), entry)
    return zoho


def queued(desk: Desk) -> list[Delivery]:
    return [Delivery.from_json(each["Body"]) for each in desk.aws.messages(desk.aws.deliveries_url)]


REPLAY = ("replay", "acme-eu", "--record", "inv-000412")


def test_a_dry_run_shows_what_each_destination_would_get_and_sends_nothing(desk: Desk, zoho: Zoho) -> None:
    """What changes on the board, and the card that the channel never had."""
    planned = {row["destination"]: row for row in desk.json(*REPLAY)["planned"]}
    assert {name: row["do"] for name, row in planned.items()} == {"finance": "create", "ledger": "update"}
    assert planned["ledger"]["changes"] == {
        "balance": {"before": "1284.5", "after": "0"},
        "status": {"before": "sent", "after": "paid"},
    }
    shown = desk.mlc(*REPLAY).stdout
    assert "balance: 1284.5 → 0; status: sent → paid" in shown
    assert "finance: a card in Teams" in shown
    assert "Nothing was sent" in shown
    assert queued(desk) == []


def test_what_is_sent_is_queued_as_a_replay_and_the_trail_says_who_wanted_it(desk: Desk, zoho: Zoho) -> None:
    """With the record as Zoho has it; the chain stays whole."""
    done = desk.json(*REPLAY, "--send", "--yes")
    assert [each["done"] for each in done["sent"]] == ["sent", "sent"]
    every = {each.destination: each for each in queued(desk)}
    assert {name: each.event.name for name, each in every.items()} == {
        "finance": "invoice.created", "ledger": "invoice.updated",
    }  # fmt: skip
    for each in every.values():
        assert (each.event.origin, each.event.correlation_id, each.again) == ("replay", done["replay"], "")
        assert (each.event.payload or {})["status"] == "paid"
    resent = [row for row in desk.json("audit", "show", "acme-eu", "INV-000412") if row["outcome"] == "resent"]
    assert {row["destination"] for row in resent} == {"finance", "ledger"}
    assert all(row["reason"] == f"by {WHO}; replayed" for row in resent)
    assert desk.json("audit", "verify", "acme-eu")["faults"] == []


def test_what_is_there_is_left_out_unless_it_is_asked_for(desk: Desk, zoho: Zoho) -> None:
    """The same version; and with --again the message says so, for the version guard."""
    zoho.records["460000000098765"] = payload(status="sent", modified="2026-11-21T08:00:00+0100")
    only = (*REPLAY, "--destination", "ledger")
    (row,) = desk.json(*only)["planned"]
    assert (row["do"], "already there" in row["why"]) == ("nothing", True)
    assert desk.json(*only, "--send", "--yes")["sent"] == []
    done = desk.json(*only, "--again", "--send", "--yes")
    (each,) = queued(desk)
    assert (each.destination, each.again, each.key.endswith(done["replay"])) == ("ledger", done["replay"], True)


@dataclass
class Large:
    """Invoice INV-000412 is large, and the channel of large invoices, which hears of new ones only, was told of it."""

    desk: Desk
    zoho: Zoho

    def told(self, **now: Any) -> None:
        each = delivery(total="20000", modified="2026-11-21T08:00:00+0100")
        row = Memory("done", each.event.version, number="INV-000412", **shown_of(record_of(each)))
        entry = AuditEntry(
            at="2026-11-21T07:00:05.000000Z", connection="acme-eu", module="invoice", record_id=each.event.record_id,
            number="INV-000412", event="invoice.created", version=str(each.event.version), origin="webhook",
            destination="large-invoices", outcome="accepted", attempt=1, correlation_id="call", delivery="e" * 32,
        )  # fmt: skip
        entry = audit.seal(entry, "")
        self.desk.deliveries.write(each.event.record_key, "large-invoices", replace(row, chain=entry.hash), entry)
        self.zoho.records[each.event.record_id] = payload(total="20000", **now)

    def planned(self, *words: str) -> tuple[str, str]:
        every = self.desk.json(*REPLAY, *words)["planned"]
        (row,) = (row for row in every if row["destination"] == "large-invoices")
        return row["do"], row["why"]


@pytest.fixture
def large(desk: Desk, zoho: Zoho) -> Large:
    return Large(desk, zoho)


def test_channel_of_new_records_is_not_told_again_of_one_that_changed(large: Large) -> None:
    """Named by a person it is, and then of a change, not of a new invoice."""
    large.told(status="paid", balance="0", modified="2026-11-22T08:00:00+0100")
    do, why = large.planned()
    assert (do, "--destination large-invoices" in why) == ("nothing", True)
    named = ("--destination", "large-invoices")
    do, why = large.planned(*named)
    assert (do, why) == ("create", "a second message follows, beside the one there (accepted 2026-11-21 07:00 UTC)")
    large.desk.json(*REPLAY, *named, "--send", "--yes")
    (sent,) = queued(large.desk)
    assert sent.event.name == "invoice.updated"


@pytest.mark.parametrize(
    "now",
    [
        {"modified": "2026-11-21T08:00:00+0100", "reference_number": "as the API has it"},
        {"modified": "2026-11-22T08:00:00+0100"},
    ],
    ids=["the same second", "nothing new to show"],
)
def test_message_that_cannot_be_changed_is_repeated_only_when_asked_for(large: Large, now: dict[str, str]) -> None:
    """What was read from elsewhere, or saved without a change, is what is there."""
    large.desk.apply('events = ["invoice.created"]', 'events = ["invoice.*"]')
    large.told(**now)
    do, why = large.planned()
    assert (do, "already there" in why) == ("nothing", True)
    do, why = large.planned("--again")
    assert (do, "a second message follows" in why) == ("create", True)


def test_days_choose_what_happened_on_them(desk: Desk, zoho: Zoho) -> None:
    """Each record once."""
    desk.enter("INV-7", record_id="7", at="2026-11-20T08:00:00.000000Z")
    of = [
        row["record"]
        for row in desk.json("replay", "acme-eu", "--since", "2026-11-21", "--until", "2026-11-21")["planned"]
    ]
    assert set(of) == {"invoice/460000000098765"}
    assert desk.mlc("replay", "acme-eu", "--since", "2026-11-19", "--until", "2026-11-19").exit_code == 3


def test_deleted_record_is_marked_where_it_is_and_nowhere_else(desk: Desk, zoho: Zoho) -> None:
    """Zoho does not have it any more."""
    zoho.records.clear()
    planned = {row["destination"]: row["do"] for row in desk.json(*REPLAY)["planned"]}
    assert planned == {"finance": "nothing", "ledger": "update"}


def test_what_every_record_would_meet_ends_the_replay(desk: Desk, zoho: Zoho, monkeypatch: pytest.MonkeyPatch) -> None:
    """No access, or no calls left: said once, nothing is sent. One record's fault is that record's."""

    def raising(error: Exception) -> None:
        def fetch(*_: object) -> dict[str, Any]:
            raise error

        monkeypatch.setattr(zoho, "fetch", fetch)

    raising(NeedsAttention("nobody has given access to Zoho Books"))
    done = desk.mlc(*REPLAY, "--send", "--yes")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "nobody has given access" in done.stderr
    raising(Undeliverable("Zoho's answer holds no invoice"))
    (row,) = desk.json(*REPLAY, "--send", "--yes", code=1)["planned"]
    assert (row["do"], row["why"]) == ("failed", "Zoho's answer holds no invoice")
    assert queued(desk) == []


def test_a_worker_that_has_the_record_is_not_disturbed(desk: Desk, zoho: Zoho) -> None:
    """It is under way: another message would only wait behind it."""
    key = "acme-eu#invoice#460000000098765"
    row = desk.deliveries.read(key, "ledger")
    desk.deliveries.write(key, "ledger", replace(row, state="sending", lease_until="2099-01-01T00:00:00Z"))
    planned = {row["destination"]: row for row in desk.json(*REPLAY)["planned"]}
    assert planned["ledger"]["why"] == "it is under way already"


def test_a_wrong_replay_is_refused_before_zoho_is_asked(desk: Desk) -> None:
    """Exit code 2, with what there is."""
    for words in ((), ("--record", "1", "--since", "2026-11-20"), ("--record", "1", "--until", "2026-11-20")):
        assert desk.mlc("replay", "acme-eu", *words).exit_code == 2
    done = desk.mlc("replay", "acme-eu", "--record", "1", "--destination", "legder")
    assert (done.exit_code, "did you mean 'ledger'?" in done.stderr) == (2, True)


# --- status --------------------------------------------------------------------------------------------------------


def test_status_has_a_figure_or_says_that_it_is_not_known(desk: Desk) -> None:
    """Flow, backlog, parked, tokens, subscriptions, reconcile and limits, each from where it is kept."""
    now = datetime.now(UTC)
    soon = f"{now + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    desk.enter(at=f"{now - timedelta(minutes=2):%Y-%m-%dT%H:%M:%S.%fZ}")
    desk.enter("INV-7", record_id="7", outcome="parked", at=f"{now - timedelta(minutes=1):%Y-%m-%dT%H:%M:%S.%fZ}")
    desk.enter("INV-8", record_id="8", at=f"{now - timedelta(minutes=61):%Y-%m-%dT%H:%M:%S.%fZ}")
    DeliveriesQueue(desk.aws.sqs, desk.aws.deliveries_url).send([delivery(), delivery("finance")])
    TokenAgenda(desk.table).set(Due("acme-eu", "zoho", soon, "ok"))
    SubscriptionList(desk.table).set(Subscription("acme-eu", "s", "/teams/x", id="1", expires=soon, state="ok"))
    TurnList(desk.table).set(Turn("acme-eu", soon, 5000, f"{now:%Y-%m-%d}", 12, soon, webhooks=7, counted_at=soon))
    limiter = Limiter(LimitsTable(desk.aws.dynamodb, "limits"), lambda: now)
    limiter.closed(limits.zoho("eu", "20064550123"), 90)
    found = desk.json("status")
    assert (found["queue"]["ready"], found["queue"]["parked"], found["queue"]["oldest_seconds"]) == (2, 0, None)
    (row,) = found["connections"]
    assert row["last_hour"]["outcomes"] == {"delivered": 1, "parked": 1}
    assert row["tokens"] == [{"kind": "zoho", "state": "ok", "due_at": soon, "reason": ""}]
    assert [each["expires"] for each in row["subscriptions"]] == [soon]
    assert (row["reconcile"]["calls_today"], row["reconcile"]["calls_a_day"], row["webhooks_today"]) == (12, 5000, 7)
    assert [(each["budget"], each["why"]) for each in found["limits"]] == [
        ("zoho#eu#20064550123", "it asked for a pause")
    ]
    shown = desk.mlc("status", "acme-eu").stdout
    assert "about 2" in shown
    assert "not known" in shown
    assert "12 of 5000" in shown


def test_status_of_a_stack_that_has_just_been_deployed(aws: Aws, desk: Desk) -> None:
    """No connection, nothing in any queue: it says what to do."""
    desk.json("connections", "remove", "acme-eu", "--yes")
    assert desk.json("status")["connections"] == []
    assert "mlc connections apply FILE" in desk.mlc("status").stdout
    assert desk.mlc("status", "acme-us").exit_code == 3


# --- destroy -------------------------------------------------------------------------------------------------------


@dataclass
class CloudFormation:
    """Deletes a stack of two resources, one with each look; `refuses` says why it cannot."""

    left: list[str] = field(default_factory=lambda: ["Function", "Queue"])
    deleting: bool = False
    refuses: str = ""

    def describe_stacks(self, *, StackName: str) -> Any:  # noqa: N803 - boto3's
        status = "DELETE_IN_PROGRESS" if self.deleting else "CREATE_COMPLETE"
        if self.deleting and self.refuses:
            status = "DELETE_FAILED"
        elif self.deleting and not self.left:
            status = "DELETE_COMPLETE"
        stack = {"StackId": "arn:stack/1", "StackStatus": status, "StackStatusReason": self.refuses}
        return {"Stacks": [stack]}

    def delete_stack(self, *, StackName: str) -> None:  # noqa: N803
        assert StackName == "arn:stack/1"
        self.deleting = True

    def get_paginator(self, name: str) -> Any:
        assert name == "list_stack_resources"
        return SimpleNamespace(paginate=self._resources)

    def _resources(self, *, StackName: str) -> list[Any]:  # noqa: N803
        if self.deleting and self.left:
            self.left.pop()
        return [{"StackResourceSummaries": [{"ResourceStatus": "CREATE_COMPLETE"}] * len(self.left)}]


@pytest.fixture
def deployed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> CloudFormation:
    """What CloudFormation does with the stack. No time passes between two looks."""
    cloudformation, session = CloudFormation(), boto3.Session(region_name=REGION)
    client = lambda name: cloudformation if name == "cloudformation" else session.client(name)  # noqa: E731
    monkeypatch.setattr(Stack, "__post_init__", lambda stack: setattr(stack, "session", SimpleNamespace(client=client)))
    monkeypatch.setattr(destroy, "BETWEEN", 0)
    return cloudformation


def test_stack_goes_and_the_trail_stays(desk: Desk, deployed: CloudFormation, tmp_path: Path) -> None:
    """Said with its name; exported first; the tables, their key and the secrets are named."""
    entry = desk.enter(at="2026-11-20T08:00:00.000000Z")
    DeliveriesQueue(desk.aws.sqs, desk.aws.deliveries_url).send([delivery()])
    desk.table.put("webhooks#acme-eu", "zoho.invoice.created", webhook_id="1")
    file = tmp_path / "trail.ndjson"
    done = desk.mlc("destroy", "--stack", "stack", "--confirm", "stack", "--export", file)
    assert done.exit_code == 0, done.stderr
    assert deployed.left == []
    assert AuditEntry(**json.loads(file.read_text("utf-8"))) == entry
    assert "about 1 deliveries under way are lost" in done.stderr
    assert "stays: audit, the audit trail" in done.stderr
    assert "stack/acme-eu/webhooks" in done.stderr
    assert "first mlc webhooks remove acme-eu" in done.stderr
    secret = desk.secrets.get("acme-eu", "webhooks", max_age=0)["endpoints"]["zoho.invoice.created"]["token"]
    assert secret not in done.output


def test_nothing_goes_without_the_stacks_own_name(
    desk: Desk, deployed: CloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 2 in a script and for a wrong name; a dry run deletes nothing."""
    assert desk.mlc("destroy", "--stack", "stack").exit_code == 2
    assert desk.mlc("destroy", "--stack", "stack", "--confirm", "stak").exit_code == 2
    assert desk.json("destroy", "--stack", "stack", "--dry-run")["destroyed"] is False
    monkeypatch.setattr(options, "terminal", lambda: True)
    assert desk.mlc("destroy", "--stack", "stack", typed="yes\n").exit_code == 2
    assert not deployed.deleting
    assert desk.mlc("destroy", "--stack", "stack", typed="stack\n").exit_code == 0
    assert deployed.left == []


def test_what_cloudformation_cannot_delete_is_told(desk: Desk, deployed: CloudFormation) -> None:
    """With its reason; exit code 1."""
    deployed.refuses = "The following resource(s) failed to delete: [Queue]."
    done = desk.mlc("destroy", "--stack", "stack", "--confirm", "stack")
    assert (done.exit_code, "failed to delete: [Queue]" in done.stderr) == (1, True)
