"""`mlc parked` and `mlc audit` on the queues and tables of the template."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from typer.testing import CliRunner, Result

from ml_connector.audit import seal
from ml_connector.aws.audit_table import AuditTable
from ml_connector.aws.deliveries_table import DeliveriesTable
from ml_connector.aws.parked_desk import HIDDEN, ParkedDesk, Wanted, retry
from ml_connector.aws.queues import DeliveriesQueue, ParkedDeliveries
from ml_connector.config.model import Retry
from ml_connector.events import Delivery
from ml_connector.parked import CRASHED, Why, wrap
from ml_connector.ports import AuditEntry
from ml_connector.reconcile import OVERLAP
from mlc import main, options
from mlc.parked import identity
from scripts.expand_template import read
from tests.fakes import delivery
from tests.integration.conftest import Aws
from tests.integration.test_tables import ENTRY

ACME = Wanted("acme-eu")
BY_KIM = ("acme-eu", "kim")


@pytest.fixture
def queue(aws: Aws) -> ParkedDesk:
    return ParkedDesk(aws.sqs, aws.parked_url, aws.deliveries_url, wait=0)


@pytest.fixture
def audit(aws: Aws) -> AuditTable:
    return AuditTable(aws.dynamodb, "audit", timedelta(days=400))


@pytest.fixture
def deliveries(aws: Aws, audit: AuditTable) -> DeliveriesTable:
    return DeliveriesTable(aws.dynamodb, "delivery", audit)


@pytest.fixture
def stack(aws: Aws, queue: ParkedDesk, audit: AuditTable, deliveries: DeliveriesTable, monkeypatch: Any) -> Any:
    """What `mlc` sees."""
    session = boto3.Session(region_name="eu-central-1")
    known = SimpleNamespace(connection=lambda name: name)
    stack = SimpleNamespace(
        parked=queue, audit=audit, deliveries=deliveries, session=session, connections=known,
        connection=known.connection,
    )  # fmt: skip
    monkeypatch.setattr(options, "Stack", lambda *_: stack)
    return stack


def mlc(*words: str) -> Result:
    return CliRunner().invoke(main.app, words, catch_exceptions=False)


def park(aws: Aws, *deliveries: Delivery, reason: str = "refused") -> None:
    for number, each in enumerate(deliveries):
        ParkedDeliveries(aws.sqs, aws.parked_url).park(
            wrap(each.to_json(), Why(reason)), key=f"{each.id}#{number}", reason=reason
        )


def resent(aws: Aws) -> list[Delivery]:
    """What stands in the deliveries queue, as a worker gets it."""
    found: list[Delivery] = []
    while messages := aws.messages(aws.deliveries_url):
        found += [Delivery.from_json(each["Body"]) for each in messages]
        for each in messages:
            aws.sqs.delete_message(QueueUrl=aws.deliveries_url, ReceiptHandle=each["ReceiptHandle"])
    return found


def versions(count: int) -> list[Delivery]:
    """Of one record, the oldest first."""
    return [delivery(last_modified_time=f"2026-11-22T08:{minute:02}:00+0100") for minute in range(count)]


# --- looking -----------------------------------------------------------------------------------------------------


def test_looking_takes_nothing_away(queue: ParkedDesk, aws: Aws) -> None:
    """All are seen, more than ten of one record too, and all are there for the next look."""
    park(aws, *versions(14), delivery("finance"))
    for _ in range(3):
        with queue.looking() as found:
            assert len(found) == 15
            assert aws.counts(aws.parked_url) == (0, 15)
        assert queue.unseen == 0
        assert aws.counts(aws.parked_url) == (15, 0)


def test_looking_ends_well_when_it_is_cut_short(queue: ParkedDesk, aws: Aws) -> None:
    """Ctrl-C leaves nothing hidden."""
    park(aws, delivery())
    with pytest.raises(KeyboardInterrupt), queue.looking():
        raise KeyboardInterrupt
    assert aws.counts(aws.parked_url) == (1, 0)


def test_what_somebody_else_holds_is_counted(queue: ParkedDesk, aws: Aws) -> None:
    """Better an honest number than a list that only looks whole."""
    park(aws, delivery("ledger"), delivery("finance"))
    aws.sqs.receive_message(QueueUrl=aws.parked_url, MaxNumberOfMessages=1)
    with queue.looking() as found:
        assert (len(found), queue.unseen) == (1, 1)


def test_what_the_queue_put_aside_itself_is_seen(queue: ParkedDesk, aws: Aws) -> None:
    """Bare deliveries, in the lane they came from: ten of them, and the rest when these are gone."""
    for number in range(12):
        each = delivery(invoice_id=str(number))
        aws.sqs.send_message(
            QueueUrl=aws.parked_url, MessageBody=each.to_json(), MessageGroupId="lane", MessageDeduplicationId=each.id
        )
    with queue.looking() as found:
        assert {each.parked.why.reason for each in found} == {CRASHED}
        assert len(found) + queue.unseen == 12


def test_message_is_kept_for_as_long_as_it_says(queue: ParkedDesk, aws: Aws) -> None:
    """By the queue's own setting."""
    aws.sqs.set_queue_attributes(QueueUrl=aws.parked_url, Attributes={"MessageRetentionPeriod": "1209600"})
    park(aws, delivery())
    with queue.looking() as (held,):
        assert held.ends - held.sent == timedelta(days=14)


# --- sending again -----------------------------------------------------------------------------------------------


def test_record_is_sent_again_in_order(queue: ParkedDesk, aws: Aws, deliveries: DeliveriesTable) -> None:
    """Older versions first, however they were parked; marked as a replay; nothing stays parked."""
    each = versions(14)
    park(aws, *reversed(each))
    done = retry(queue, deliveries, ACME, *BY_KIM)
    assert [row["done"] for row in done] == ["sent"] * 14
    again = resent(aws)
    assert [one.event.version for one in again] == [one.event.version for one in each]
    assert {one.event.origin for one in again} == {"replay"}
    assert aws.counts(aws.parked_url) == (0, 0)


def test_queue_does_not_take_it_for_the_first_one(queue: ParkedDesk, aws: Aws, deliveries: DeliveriesTable) -> None:
    """Within five minutes of its first sending it would be swallowed under its old name."""
    DeliveriesQueue(aws.sqs, aws.deliveries_url).send([delivery()])
    assert len(resent(aws)) == 1
    park(aws, delivery())
    retry(queue, deliveries, ACME, *BY_KIM)
    assert len(resent(aws)) == 1


def test_crash_between_sending_and_deleting(
    queue: ParkedDesk, aws: Aws, deliveries: DeliveriesTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stays parked; sent again, it is the same message; and once delivered, it only goes."""
    park(aws, delivery())

    def crash(_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(queue, "delete", crash)
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                retry(queue, deliveries, ACME, *BY_KIM)
    assert aws.counts(aws.parked_url) == (1, 0)
    (again,) = resent(aws)
    memory = deliveries.read(again.event.record_key, again.destination)
    deliveries.write(
        again.event.record_key, again.destination, replace(memory, state="done", version=again.event.version)
    )
    (row,) = retry(queue, deliveries, ACME, *BY_KIM)
    assert "already there" in row["done"]
    assert (aws.counts(aws.parked_url), resent(aws)) == ((0, 0), [])


def test_others_stay_and_are_not_hidden(queue: ParkedDesk, aws: Aws, deliveries: DeliveriesTable) -> None:
    """What was not chosen can be received at once."""
    park(aws, delivery("ledger"), delivery("finance"))
    retry(queue, deliveries, Wanted("acme-eu", destination="finance"), *BY_KIM)
    assert aws.counts(aws.parked_url) == (1, 0)
    assert [each.destination for each in resent(aws)] == ["finance"]


def test_answer_goes_with_the_question(queue: ParkedDesk, aws: Aws, deliveries: DeliveriesTable) -> None:
    """What a person was asked when it was parked stands in the delivery that is sent again."""
    asked = wrap(delivery().to_json(), Why("Look there", asked=4))
    ParkedDeliveries(aws.sqs, aws.parked_url).park(asked, key="1", reason="Look there")
    park(aws, delivery("finance"))
    retry(queue, deliveries, ACME, *BY_KIM)
    assert {each.destination: each.asked for each in resent(aws)} == {"ledger": 4, "finance": None}


def test_hiding_outlasts_the_work() -> None:
    """Long enough for a thousand messages, and far below what keeps a message from being looked at for a day."""
    assert 60 <= HIDDEN <= 900


# --- dropping ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("words", "outcome"), [(("drop", "--yes"), "dropped"), (("retry",), "resent")])
def test_person_leaves_an_entry(stack: Any, aws: Aws, audit: AuditTable, words: Sequence[str], outcome: str) -> None:
    """On the real tables: the entry stands in the chain, found by its state and by the record; the chain is whole."""
    park(aws, delivery(), reason="the board is gone")
    assert mlc("parked", words[0], "acme-eu", "--all", *words[1:]).exit_code == 0
    (entry,) = audit.in_state("acme-eu", outcome)
    assert "arn:aws" in entry.reason
    assert "the board is gone" in entry.reason
    assert aws.counts(aws.parked_url) == (0, 0)
    assert mlc("audit", "verify", "acme-eu").exit_code == 0


def test_identity_says_who(aws: Aws) -> None:
    """The name on this computer and the one that AWS knows; no key."""
    who = identity(boto3.Session(region_name="eu-central-1"))
    assert "arn:aws" in who
    assert "testing" not in who


# --- audit -------------------------------------------------------------------------------------------------------


def write(deliveries: DeliveriesTable, entries: Sequence[AuditEntry]) -> None:
    """Attempts one after the other: each row with its entry."""
    for each in entries:
        key = f"{each.connection}#{each.module}#{each.record_id}"
        memory = deliveries.read(key, each.destination)
        sealed = seal(each, memory.chain)
        deliveries.write(key, each.destination, replace(memory, state="done", chain=sealed.hash), sealed)


def later(second: int, **changes: Any) -> AuditEntry:
    return replace(ENTRY, at=f"2026-11-22T08:00:{second:02}.000000Z", **changes)


def test_story_is_found_by_every_name(stack: Any, deliveries: DeliveriesTable) -> None:
    """Number, Zoho id, item id, links; one look per index, however old it is."""
    old = replace(ENTRY, at="2021-01-01T08:00:00.000000Z")
    write(deliveries, [old, later(1, record_id="2", number="INV-2", external_id="78")])
    for what in ("INV-000412", "460000000098765", "invoice/460000000098765", "77", ENTRY.link):
        result = mlc("audit", "show", "acme-eu", what, "--json")
        assert [entry["record_id"] for entry in json.loads(result.stdout)] == ["460000000098765"], what
    assert mlc("audit", "show", "acme-eu", "INV-9").exit_code == 3
    assert mlc("audit", "show", "beta-us", "INV-000412").exit_code == 3


def test_number_that_two_records_have_tells_both_stories(stack: Any, deliveries: DeliveriesTable) -> None:
    """Two vendors may number their bills alike."""
    write(deliveries, [later(1, module="bill", record_id="1"), later(2, module="bill", record_id="2")])
    entries = json.loads(mlc("audit", "show", "acme-eu", "INV-000412", "--json").stdout)
    assert [entry["record_id"] for entry in entries] == ["1", "2"]


def test_number_is_kept_by_the_row(deliveries: DeliveriesTable, aws: Aws) -> None:
    """A claim, or an entry that does not know it, leaves the index as it is: that costs one write per row."""
    key = "acme-eu#invoice#460000000098765"
    write(deliveries, [ENTRY, later(1, number=""), later(2, number="INV-0", outcome="skipped")])
    deliveries.write(key, "ledger", replace(deliveries.read(key, "ledger"), state="sending"))
    assert deliveries.of_number("acme-eu", "INV-000412") == [key]
    write(deliveries, [later(3, number="INV-413")])
    assert (deliveries.of_number("acme-eu", "INV-000412"), deliveries.of_number("acme-eu", "INV-413")) == ([], [key])


def test_number_of_any_length_is_found(stack: Any, deliveries: DeliveriesTable) -> None:
    """Entries keep sixty bytes of it."""
    from ml_connector.audit import fit

    write(deliveries, [fit(later(1, number="番" * 40))])
    assert mlc("audit", "show", "acme-eu", "番" * 40).exit_code == 0


def test_whole_trail_is_verified(stack: Any, deliveries: DeliveriesTable) -> None:
    """Of one record, or of all of the connection."""
    write(deliveries, [ENTRY, later(1), later(2, destination="finance"), later(3, record_id="2", number="INV-2")])
    one = mlc("audit", "verify", "acme-eu", "INV-000412", "--json")
    assert (one.exit_code, json.loads(one.stdout)) == (0, {"records": 1, "faults": []})
    every = mlc("audit", "verify", "acme-eu", "--json")
    assert (every.exit_code, json.loads(every.stdout)["records"]) == (0, 2)
    assert mlc("audit", "verify", "acme-eu", "INV-9").exit_code == 3


def test_changed_trail_is_found(stack: Any, deliveries: DeliveriesTable, aws: Aws) -> None:
    """Exit code 3 and the record's name, whether an entry was changed or removed, or all of them, or the row."""
    write(deliveries, [ENTRY, later(1), later(2)])
    rows = aws.dynamodb.scan(TableName="audit")["Items"]
    (row,) = aws.dynamodb.scan(TableName="delivery")["Items"]

    def fault() -> str:
        result = mlc("audit", "verify", "acme-eu", "--json")
        assert result.exit_code == 3
        first = json.loads(result.stdout)["faults"][0]
        assert first["record"] == "invoice/460000000098765"
        return str(first["fault"])

    def remove(table: str, *items: Any) -> None:
        for item in items:
            aws.dynamodb.delete_item(TableName=table, Key={"pk": item["pk"], "sk": item["sk"]})

    aws.dynamodb.put_item(TableName="audit", Item=rows[0] | {"status": {"N": "201"}})
    assert "was changed" in fault()
    aws.dynamodb.put_item(TableName="audit", Item=rows[0])
    assert mlc("audit", "verify", "acme-eu").exit_code == 0
    remove("audit", rows[1])
    assert "missing" in fault()
    remove("audit", rows[0], rows[2])
    assert "all entries are missing" in fault()
    for each in rows:
        aws.dynamodb.put_item(TableName="audit", Item=each)
    remove("delivery", row)
    assert "does not belong" in fault()


def test_entry_written_meanwhile_is_no_fault(
    stack: Any, deliveries: DeliveriesTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Verification runs beside the work: a record that moves is looked at again."""
    write(deliveries, [ENTRY])
    of_record = stack.audit.of_record
    news = [later(1), later(2)]

    def moving(*record: str) -> Any:
        if news:
            write(deliveries, [news.pop()])
        return of_record(*record)

    monkeypatch.setattr(stack.audit, "of_record", moving)
    assert mlc("audit", "verify", "acme-eu", "invoice/460000000098765").exit_code == 0


# --- how long things are remembered ------------------------------------------------------------------------------


def test_memory_outlives_every_way_of_repeating(deliveries: DeliveriesTable, aws: Aws) -> None:
    """Rows never expire: the table forgets nothing, and no row says when. A change after years finds its item."""
    assert "TimeToLiveSpecification" not in read()["Resources"]["DeliveryTable"]["Properties"]
    write(deliveries, [ENTRY])
    (row,) = aws.dynamodb.scan(TableName="delivery")["Items"]
    assert "expires_at" not in row


def test_messages_outlive_the_patience_of_any_connection() -> None:
    """SQS forgets after its retention: a delivery must have ended long before, and reconcile looks back no further."""
    resources = read()["Resources"]
    kept = {name: timedelta(seconds=resources[name]["Properties"]["MessageRetentionPeriod"]) for name in
            ("DeliveriesQueue", "ParkedQueue")}  # fmt: skip
    longest = timedelta(
        hours=next(each.le for each in Retry.model_fields["horizon_hours"].metadata if hasattr(each, "le"))
    )
    assert longest + timedelta(hours=12) + OVERLAP < kept["DeliveriesQueue"]
    assert kept["ParkedQueue"] == timedelta(days=14), "SQS's longest"
