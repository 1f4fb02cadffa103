"""What `mlc doctor` says of the stack itself, each fault by itself; the answers are shaped as AWS's are."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ml_connector.regions import REGIONS
from mlc import doctor_stack
from mlc.doctor_stack import SITE_CHECKS, Site, clock, version_and_state
from mlc.findings import Verdict
from tests.doctor_world import NOW, Place, told
from tests.fakes import Says

RESOURCES = {
    "ingest": "AWS::Lambda::Function", "delivery": "AWS::Lambda::Function",
    "uuid-1": "AWS::Lambda::EventSourceMapping", "audit": "AWS::DynamoDB::Table", "key-1": "AWS::KMS::Key",
    "alias/stack": "AWS::KMS::Alias", "https://sqs/1/deliveries.fifo": "AWS::SQS::Queue",
    "https://sqs/1/parked.fifo": "AWS::SQS::Queue", "https://sqs/1/failed": "AWS::SQS::Queue",
    "stack-reconcile": "AWS::Scheduler::Schedule", "stack-parked": "AWS::CloudWatch::Alarm",
    "topic": "AWS::SNS::Topic",
}  # fmt: skip
WIRED = {"AlarmName": "stack-parked", "ActionsEnabled": True, "AlarmActions": ["topic"], "StateValue": "OK"}
LISTENER = {"SubscriptionArn": "arn:aws:sns:eu:1:topic:x", "Endpoint": "ops@example.com"}
PARKED = "arn:aws:sqs:eu:1:parked.fifo"


def gone(*_: Any, **__: Any) -> Any:
    raise ClientError({"Error": {"Code": "ResourceNotFoundException", "Message": "not there"}}, "Describe")


class Account:
    """An account in which all is well; a test changes what its rule is about."""

    def __init__(self, sandbox: str = "") -> None:
        self.metrics: list[dict[str, Any]] = []
        self.subscriptions = [LISTENER]
        self.alarms = [WIRED]
        self.queues = {
            "deliveries": self.counts(redrive=PARKED),
            "parked": self.counts(arn=PARKED),
            "failed": self.counts(),
        }
        recovery = {"PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": "ENABLED"}}
        self.calls: dict[str, Any] = {
            "get_function_configuration": lambda **_: {"State": "Active", "LastUpdateStatus": "Successful"},
            "get_event_source_mapping": lambda **_: {"State": "Enabled"},
            "describe_table": lambda **_: {"Table": {"TableStatus": "ACTIVE"}},
            "describe_continuous_backups": lambda **_: {"ContinuousBackupsDescription": recovery},
            "describe_key": lambda **_: {"KeyMetadata": {"KeyState": "Enabled"}},
            "get_queue_attributes": self._attributes,
            "get_metric_statistics": lambda **_: {"Datapoints": self.metrics},
            "get_schedule": lambda **_: {"State": "ENABLED"},
            "describe_alarms": lambda **_: {"MetricAlarms": self.alarms, "CompositeAlarms": []},
            "get_caller_identity": lambda: {"ResponseMetadata": {"HTTPHeaders": {}}},
            "get_paginator": self._pages,
        }
        outputs = {
            "DeliveriesQueueUrl": "deliveries",
            "ParkedQueueUrl": "parked",
            "SchedulesDeadLetterQueueUrl": "failed",
        }
        client = SimpleNamespace(**{name: self._calls(name) for name in self.calls})
        session = SimpleNamespace(client=lambda name, config=None: client)
        self.at: Any = SimpleNamespace(
            name="stack",
            sandbox=sandbox,
            session=session,
            outputs={key: f"https://sqs/1/{name}{'' if name == 'failed' else '.fifo'}" for key, name in outputs.items()}
            | {"AlarmsTopicArn": "topic"},
        )

    @staticmethod
    def counts(ready: int = 0, arn: str = "", redrive: str = "") -> dict[str, str]:
        policy = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": redrive})} if redrive else {}
        return {
            "ApproximateNumberOfMessages": str(ready), "ApproximateNumberOfMessagesNotVisible": "0", "QueueArn": arn,
            **policy,
        }  # fmt: skip

    def _calls(self, name: str) -> Callable[..., Any]:
        return lambda *words, **named: self.calls[name](*words, **named)

    def _attributes(self, *, QueueUrl: str, AttributeNames: Any) -> Any:  # noqa: N803 - boto3's
        return {"Attributes": self.queues[QueueUrl.rpartition("/")[2].removesuffix(".fifo")]}

    def _pages(self, name: str) -> Any:
        pages: dict[str, Any] = {
            "list_stack_resources": {
                "StackResourceSummaries": [
                    {
                        "ResourceType": kind,
                        "LogicalResourceId": identity,
                        "PhysicalResourceId": identity,
                        "ResourceStatus": "CREATE_COMPLETE",
                    }
                    for identity, kind in RESOURCES.items()
                ]
            },
            "list_subscriptions_by_topic": {"Subscriptions": self.subscriptions},
        }
        return SimpleNamespace(paginate=lambda **_: [pages[name]])

    def look(self, check: str) -> Verdict:
        return told(dict(SITE_CHECKS)[check](Site.of(self.at)))


def test_what_is_well_is_said_to_be() -> None:
    """Every check, so that silence is none."""
    account = Account()
    assert {name: account.look(name).state for name, _ in SITE_CHECKS} == dict.fromkeys(dict(SITE_CHECKS), "ok")


@pytest.mark.parametrize(
    ("check", "call", "answer", "says", "type"),
    [
        ("functions", "get_function_configuration", gone, "function ingest is gone", "make deploy"),
        (
            "functions", "get_function_configuration", {"State": "Failed", "StateReason": "no role"},
            "function ingest is Failed: no role", "make deploy",
        ),
        (
            "functions", "get_function_configuration",
            {"State": "Active", "LastUpdateStatus": "Failed", "LastUpdateStatusReason": "no layer"},
            "function ingest runs old code: no layer", "make deploy",
        ),
        ("functions", "get_event_source_mapping", {"State": "Disabled"}, "is Disabled", "aws lambda update-event"),
        ("functions", "get_event_source_mapping", gone, "the queue is not read", "make deploy"),
        ("tables", "describe_table", gone, "table audit is gone", "docs/runbook.md"),
        ("tables", "describe_table", {"Table": {"TableStatus": "ARCHIVED"}}, "audit is ARCHIVED", "aws dynamodb desc"),
        (
            "tables", "describe_continuous_backups", {"ContinuousBackupsDescription": {}},
            "table audit cannot be restored", "aws dynamodb update-continuous-backups --table-name audit",
        ),
        (
            "key", "describe_key", {"KeyMetadata": {"KeyState": "PendingDeletion"}},
            "going to be deleted", "aws kms cancel-key-deletion --key-id key-1",
        ),
        ("key", "describe_key", {"KeyMetadata": {"KeyState": "Disabled"}}, "is Disabled", "aws kms enable-key"),
        ("queues", "get_queue_attributes", gone, "queue deliveries.fifo is gone", "make deploy"),
        ("schedules", "get_schedule", {"State": "DISABLED"}, "stack-reconcile is switched off", "in AWS's console"),
        ("schedules", "get_schedule", gone, "stack-reconcile is gone", "make deploy"),
        ("alarms", "describe_alarms", {"MetricAlarms": []}, "alarms are gone: stack-parked", "make deploy"),
    ],
)  # fmt: skip
def test_fault_is_told_with_what_to_type(check: str, call: str, answer: Any, says: str, type: str) -> None:
    """One by one, in an account in which all else is well."""
    account = Account()
    account.calls[call] = answer if callable(answer) else lambda **_: answer
    verdict = account.look(check)
    assert (verdict.state, says in verdict.what) == ("wrong", True), verdict
    assert any(each.startswith(type) for each in verdict.type), verdict.type


def test_nothing_is_said_of_what_was_not_looked_at() -> None:
    """A local AWS has no backups, and another program reads its queue: neither is claimed."""
    real, local = Account(), Account("http://127.0.0.1:1")
    for check, claim in (("tables", "can be restored"), ("functions", "the queue is read")):
        assert claim in real.look(check).what
        assert claim not in local.look(check).what


def test_parked_queue_that_nothing_leads_to_is_a_fault() -> None:
    """What kills its function would be tried until it is lost."""
    account = Account()
    account.queues["deliveries"] = account.counts()
    verdict = account.look("queues")
    assert (verdict.state, "goes to nowhere" in verdict.what, verdict.type) == ("wrong", True, ("make deploy",))


def test_backlog_is_told_from_ten_minutes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the age of the oldest delivery, whatever the number."""
    monkeypatch.setattr(doctor_stack, "utc_now", lambda: NOW)
    account = Account()
    account.metrics = [{"Timestamp": NOW, "Maximum": 540.0}]
    assert "the oldest for 9 minutes" in account.look("queues").what
    account.metrics = [{"Timestamp": NOW, "Maximum": 1800.0}]
    verdict = account.look("queues")
    assert (verdict.state, verdict.what) == ("wrong", "the oldest delivery is under way for 30 minutes")


def test_what_waits_for_a_person_is_a_fault() -> None:
    """With the command that shows it."""
    account = Account()
    account.queues["parked"] = account.counts(2, arn=PARKED)
    verdict = account.look("queues")
    assert (verdict.state, verdict.what) == ("wrong", "about 2 deliveries wait for a person")
    assert verdict.type == ("mlc parked list CONNECTION",)


def test_failed_runs_of_schedules_are_told() -> None:
    """The message says which one it was."""
    account = Account()
    account.queues["failed"] = account.counts(3)
    verdict = account.look("schedules")
    assert (verdict.state, "about 3 runs" in verdict.what) == ("wrong", True)
    assert verdict.type[0].startswith("aws sqs receive-message")


@pytest.mark.parametrize("alarm", [{**WIRED, "AlarmActions": []}, {**WIRED, "ActionsEnabled": False}])
def test_alarm_that_tells_nobody_is_a_fault(alarm: dict[str, Any]) -> None:
    """Without an action, or with its actions switched off."""
    account = Account()
    account.alarms = [alarm]
    verdict = account.look("alarms")
    assert (verdict.state, verdict.what) == ("wrong", "alarms that tell nobody: stack-parked")


@pytest.mark.parametrize(
    ("subscriptions", "says"),
    [
        ([], "nobody has subscribed"),
        ([{**LISTENER, "SubscriptionArn": "PendingConfirmation"}], "ops@example.com has not confirmed"),
    ],
)
def test_alarms_that_nobody_hears_are_a_fault(subscriptions: list[dict[str, str]], says: str) -> None:
    """A confirmed subscription is what makes one heard; a sandbox has nobody to tell."""
    account = Account()
    account.subscriptions = subscriptions
    verdict = account.look("alarms")
    assert (verdict.state, says in verdict.what) == ("wrong", True)
    assert verdict.type
    sandbox = Account("http://127.0.0.1:1")
    sandbox.subscriptions = subscriptions
    assert sandbox.look("alarms").state == "ok"


def test_alarm_that_rings_is_named() -> None:
    """It has told somebody, so that it is a note here; the runbook has its heading."""
    account = Account()
    account.alarms = [{**WIRED, "StateValue": "ALARM"}]
    verdict = account.look("alarms")
    assert (verdict.state, verdict.what) == ("note", "ringing now: stack-parked")


def test_every_right_that_it_takes_is_on_the_page() -> None:
    """Whoever is given what docs/commands.md names gets no note instead of an answer."""
    page = (Path(__file__).parents[2] / "docs" / "commands.md").read_text("utf-8").partition("## Rights")[2]
    calls = [*Account().calls, "list_stack_resources", "list_subscriptions_by_topic", "describe_stacks", "list_stacks"]
    named = set(re.findall(r"[a-z]+:([A-Z]\w+)", page))
    assert {"".join(map(str.capitalize, call.split("_"))) for call in calls} - {"GetPaginator"} <= named


# --- version and state -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "state", "verdict", "says", "type"),
    [
        ("1.2.0", "CREATE_COMPLETE", "ok", "of version 1.2.0 is there", ()),
        ("1.1.9", "UPDATE_COMPLETE", "wrong", "the stack is of version 1.1.9, this mlc of 1.2.0", ("make deploy",)),
        ("1.10.0", "UPDATE_COMPLETE", "wrong", "newer than this mlc", ("git pull", "make setup")),
        ("1.2.0", "UPDATE_IN_PROGRESS", "note", "is being changed right now", ()),
        ("1.2.0", "UPDATE_ROLLBACK_COMPLETE", "wrong", "was taken back; version 1.2.0 runs", ("make deploy",)),
        ("1.2.0", "UPDATE_ROLLBACK_FAILED", "wrong", "in state UPDATE_ROLLBACK_FAILED", ()),
    ],
)
def test_version_and_state(
    version: str, state: str, verdict: str, says: str, type: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stack's version is compared with mlc's own, number by number; a deployment that failed is told."""
    monkeypatch.setattr(doctor_stack, "version", lambda name: "1.2.0")
    place = Place()
    place.outputs["Version"], place.state = version, state
    found = told(version_and_state(place))  # type: ignore[arg-type]
    assert (found.state, says in found.what) == (verdict, True), found
    assert set(type) <= set(found.type)


# --- clock -------------------------------------------------------------------------------------------------------


def _date(seconds: int) -> dict[str, str]:
    return {"date": format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)}


@pytest.mark.parametrize(
    ("zoho", "amazon", "state", "says"),
    [
        (0, 0, "ok", "right"),
        (59, -59, "ok", "right"),
        (100, 0, "wrong", "100 seconds behind Zoho's"),
        (0, -7200, "wrong", "2 hours ahead of Amazon's"),
        (None, 0, "ok", "right"),
        (None, None, "skipped", "neither"),
    ],
)
def test_clock(zoho: int | None, amazon: int | None, state: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against Zoho's and Amazon's, by calls that anybody may make."""
    monkeypatch.setattr(doctor_stack, "utc_now", lambda: NOW)
    place = Place(Says(401, {"code": 14}, {} if zoho is None else {"Date": _date(zoho)["date"]}))
    headers = {} if amazon is None else _date(amazon)
    sts = SimpleNamespace(get_caller_identity=lambda: {"ResponseMetadata": {"HTTPHeaders": headers}})
    verdict = told(clock(Site(place, {"sts": sts}), "sa"))  # type: ignore[arg-type]
    assert (verdict.state, says in verdict.what) == (state, True), verdict
    assert place.wire.calls[0].url == f"https://{REGIONS['sa'].api}/books/v3/organizations"
    assert "Authorization" not in place.wire.calls[0].headers
