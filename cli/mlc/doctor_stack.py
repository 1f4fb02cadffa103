"""What `mlc doctor` looks at in the stack itself: whether all that the template made is there, and works.

The stack's list of resources says what there must be, so that a new table or alarm is looked at without being named
here. Nothing is changed; the rights that it takes are in docs/commands.md.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import Any

from ml_connector.regions import HOSTS, REGIONS
from mlc.auth import redirect_uri
from mlc.findings import Fault, Verdict, once, verdict
from mlc.output import minutes
from mlc.stack import Stack, utc_now
from mlc.status import queue

OUTPUTS = ("ConnectionsTableName", "LimitsTableName", "SecretsPrefix", "OAuthCallbackUrl", "WebhookUrl", "Version")
SERVICES = ("cloudformation", "lambda", "scheduler", "dynamodb", "sqs", "kms", "cloudwatch", "sns", "sts")
SKEW = timedelta(seconds=60)
"""A link for a consent ends by this computer's clock and is checked by Amazon's."""
OLD = timedelta(minutes=10)
"""A delivery that is under way for longer has met trouble."""
_SETTLED = ("CREATE_COMPLETE", "UPDATE_COMPLETE")
_TAKEN_BACK = ("UPDATE_ROLLBACK_COMPLETE",)
_DEPLOY = "make deploy"
_STILL = "nothing is taken in or sent as it should be"


@dataclass
class Site:
    """A stack, and the clients that look at it: made for one thread, before many use them."""

    at: Stack
    clients: Mapping[str, Any]

    @classmethod
    def of(cls, at: Stack) -> Site:
        from botocore.config import Config

        session: Any = at.session  # typed by service, of which these are several
        config = Config(connect_timeout=2, read_timeout=4, retries={"total_max_attempts": 2, "mode": "standard"})
        return cls(at, {name: session.client(name, config=config) for name in SERVICES})

    @once
    def resources(self) -> list[tuple[str, str, str]]:
        """Type, name in the template and physical id of everything that the stack has."""
        pages = self.clients["cloudformation"].get_paginator("list_stack_resources").paginate(StackName=self.at.name)
        return [
            (each["ResourceType"], each["LogicalResourceId"], each.get("PhysicalResourceId", ""))
            for page in pages
            for each in page["StackResourceSummaries"]
            if each["ResourceStatus"] != "DELETE_COMPLETE"
        ]

    def of_type(self, kind: str) -> list[str]:
        """Physical ids."""
        return [identity for each, _, identity in self.resources if each == kind]


# --- the checks, as SITE_CHECKS lists them ---------------------------------------------------------------------------


def version_and_state(at: Stack) -> Verdict:
    """The stack is there, is not half-way between two versions, and is of this mlc's own version."""
    ours = version("ml-connector")
    theirs = at.outputs.get("Version", "")
    newer = "its tables or functions may not be what this mlc takes them for"
    if lacking := [each for each in OUTPUTS if each not in at.outputs]:
        what = f"the stack is older than this mlc ({ours}): it has no {', '.join(lacking)}"
        return Verdict("wrong", what, newer, (_DEPLOY,))
    if _numbers(theirs) < _numbers(ours):
        return Verdict("wrong", f"the stack is of version {theirs}, this mlc of {ours}", newer, (_DEPLOY,))
    if _numbers(theirs) > _numbers(ours):
        what = f"the stack is of version {theirs}, newer than this mlc ({ours})"
        return Verdict("wrong", what, newer, ("git pull", "make setup"))
    events = f"aws cloudformation describe-stack-events --stack-name {at.name}"
    if at.state.endswith("IN_PROGRESS"):
        return Verdict("note", f"the stack is being changed right now ({at.state}): look again in a few minutes")
    if at.state in _TAKEN_BACK:
        what = f"the last deployment failed and was taken back; version {theirs} runs"
        return Verdict("wrong", what, "what it was to bring is not there", (events, _DEPLOY))
    if at.state not in _SETTLED:
        return Verdict("wrong", f"the stack is in state {at.state}", _STILL, (events,))
    return Verdict("ok", f"stack {at.name} of version {theirs} is there; {redirect_uri(at)}")


def readable(at: Stack) -> bool:
    """Whether this mlc finds in it what it needs to look at anything else."""
    return all(each in at.outputs for each in OUTPUTS if each != "Version")


def functions(site: Site) -> Verdict:
    """Each function is active, and the queue is read."""
    client, faults = site.clients["lambda"], list[Fault]()
    names = site.of_type("AWS::Lambda::Function")
    for name in names:
        held = _there(client.get_function_configuration, FunctionName=name)
        if held is None:
            faults.append((f"function {name} is gone", _STILL, _DEPLOY))
        elif held.get("State", "Active") not in ("Active", "Inactive"):
            faults.append((f"function {name} is {held['State']}: {held.get('StateReason', '')}", _STILL, _DEPLOY))
        elif held.get("LastUpdateStatus", "Successful") == "Failed":
            what = f"function {name} runs old code: {held.get('LastUpdateStatusReason', 'its update failed')}"
            faults.append((what, _STILL, _DEPLOY))
    # In a sandbox another program reads the queue.
    for identity in () if site.at.sandbox else site.of_type("AWS::Lambda::EventSourceMapping"):
        held = _there(client.get_event_source_mapping, UUID=identity)
        state = held["State"] if held else "gone"
        if state not in ("Enabled", "Creating", "Enabling", "Updating"):
            again = f"aws lambda update-event-source-mapping --uuid {identity} --enabled" if held else _DEPLOY
            faults.append((f"the queue is not read: its event source mapping is {state}", "deliveries wait", again))
    read = "" if site.at.sandbox else ", and the queue is read"
    return verdict(faults, f"{len(names)} functions are active{read}")


def tables(site: Site) -> Verdict:
    """Each table is there and active, and can be restored to any second of the last weeks."""
    client, faults = site.clients["dynamodb"], list[Fault]()
    names = site.of_type("AWS::DynamoDB::Table")
    for name in names:
        held = _there(client.describe_table, TableName=name)
        if held is None:
            faults.append((f"table {name} is gone", _STILL, "docs/runbook.md"))
            continue
        if (state := held["Table"]["TableStatus"]) not in ("ACTIVE", "UPDATING"):
            faults.append((f"table {name} is {state}", _STILL, f"aws dynamodb describe-table --table-name {name}"))
        if site.at.sandbox:
            continue  # a local AWS keeps nothing
        backups = client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
        recovery = backups.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus", "DISABLED")
        if recovery != "ENABLED":
            again = (
                f"aws dynamodb update-continuous-backups --table-name {name} "
                "--point-in-time-recovery-specification PointInTimeRecoveryEnabled=true"
            )
            faults.append((f"table {name} cannot be restored", "what is deleted by mistake is lost", again))
    kept = "" if site.at.sandbox else " and can be restored to any second"
    return verdict(faults, f"{len(names)} tables are active{kept}")


def key(site: Site) -> Verdict:
    """Without the key nothing can be read: secrets, queues and tables are under it."""
    client, faults = site.clients["kms"], list[Fault]()
    for identity in site.of_type("AWS::KMS::Key"):
        held = _there(client.describe_key, KeyId=identity)
        state = held["KeyMetadata"]["KeyState"] if held else "gone"
        why = "secrets, queues and tables cannot be read"
        if state == "PendingDeletion":
            faults.append((f"key {identity} is going to be deleted", f"{why} ever again then",
                           f"aws kms cancel-key-deletion --key-id {identity}"))  # fmt: skip
        elif state != "Enabled":
            faults.append((f"key {identity} is {state}", why, f"aws kms enable-key --key-id {identity}"))
    for alias in site.of_type("AWS::KMS::Alias"):
        if _there(client.describe_key, KeyId=alias) is None:
            faults.append((f"{alias} leads to no key", "the key is hard to find in the console", _DEPLOY))
    return verdict(faults, "the key of secrets, queues and tables is enabled")


def queues(site: Site) -> Verdict:
    """The queues are there and lead to each other; nothing waits for a person, or for too long."""
    client, faults = site.clients["sqs"], list[Fault]()
    held: dict[str, Mapping[str, str]] = {}
    for url in site.of_type("AWS::SQS::Queue"):
        answer = _there(client.get_queue_attributes, QueueUrl=url, AttributeNames=["All"])
        if answer is None:
            faults.append((f"queue {url.rpartition('/')[2]} is gone", _STILL, _DEPLOY))
        else:
            held[url] = answer["Attributes"]
    deliveries, parked = (held.get(site.at.outputs[key], {}) for key in ("DeliveriesQueueUrl", "ParkedQueueUrl"))
    if deliveries and parked:
        leads_to = json.loads(deliveries.get("RedrivePolicy", "{}")).get("deadLetterTargetArn")
        if leads_to != parked["QueueArn"]:
            why = "a delivery that kills its function is tried until it is lost"
            faults.append(
                (f"what fails for good goes to {leads_to or 'nowhere'}, not to the parked queue", why, _DEPLOY)
            )
    return (
        verdict(faults, f"{len(held)} queues are there, and what fails for good is kept") if faults else _backlog(site)
    )


def _backlog(site: Site) -> Verdict:
    at = site.at
    found, faults = queue(at, utc_now()), list[Fault]()
    if found["parked"]:
        why = "they are kept for 14 days, and then lost"
        faults.append((f"about {found['parked']} deliveries wait for a person", why, "mlc parked list CONNECTION"))
    if (oldest := found["oldest_seconds"]) and oldest > OLD.total_seconds():
        what = f"the oldest delivery is under way for {minutes(timedelta(seconds=oldest))}"
        faults.append((what, "what people see is that old", "mlc audit list CONNECTION --state retry"))
    known = f", the oldest for {minutes(timedelta(seconds=oldest))}" if oldest else ""
    return verdict(faults, f"queues are there; about {found['ready'] + found['hidden']} deliveries under way{known}")


def schedules(site: Site) -> Verdict:
    """What runs by itself does: tokens, subscriptions, reconcile."""
    client, faults = site.clients["scheduler"], list[Fault]()
    names = site.of_type("AWS::Scheduler::Schedule")
    why = "tokens end, subscriptions end, or nobody finds what webhooks missed"
    for name in names:
        held = _there(client.get_schedule, Name=name)
        if held is None:
            faults.append((f"schedule {name} is gone", why, _DEPLOY))
        elif held.get("State", "ENABLED") != "ENABLED":
            faults.append(
                (f"schedule {name} is switched off", why, f"in AWS's console: EventBridge Scheduler > {name}")
            )
    if failed := queue(site.at, utc_now())["failed_schedules"]:
        url = site.at.outputs["SchedulesDeadLetterQueueUrl"]
        look = f"aws sqs receive-message --queue-url {url} --message-attribute-names All"
        faults.append((f"about {failed} runs of schedules failed within the last day", why, look))
    return verdict(faults, f"{len(names)} schedules are on, and none of their runs failed within the last day")


def alarms(site: Site) -> Verdict:
    """Alarms tell somebody, who wants to hear it. Those that ring are named."""
    names = site.of_type("AWS::CloudWatch::Alarm") + site.of_type("AWS::CloudWatch::CompositeAlarm")
    if not names:
        return Verdict("wrong", "the stack has no alarms", "nobody is told of trouble", (_DEPLOY,))
    held: list[dict[str, Any]] = []
    for start in range(0, len(names), 100):  # as many as one call takes
        answer = site.clients["cloudwatch"].describe_alarms(
            AlarmNames=names[start : start + 100], AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )
        held += [*answer.get("MetricAlarms", ()), *answer.get("CompositeAlarms", ())]
    why, faults = "trouble is found by whoever misses something", list[Fault]()
    if gone := sorted(set(names) - {each["AlarmName"] for each in held}):
        faults.append((f"alarms are gone: {', '.join(gone)}", why, _DEPLOY))
    if silent := sorted(each["AlarmName"] for each in held if not (each["ActionsEnabled"] and each["AlarmActions"])):
        again = f"aws cloudwatch enable-alarm-actions --alarm-names {' '.join(silent)}"
        faults.append((f"alarms that tell nobody: {', '.join(silent)}", why, again))
    if not site.at.sandbox:
        faults += _unheard(site, why)
    if faults:
        return verdict(faults, "")
    if ringing := sorted(each["AlarmName"] for each in held if each.get("StateValue") == "ALARM"):
        return Verdict("note", f"ringing now: {', '.join(ringing)}", "", ("docs/runbook.md: a heading for each alarm",))
    return Verdict("ok", f"{len(names)} alarms are wired, and none rings")


def _unheard(site: Site, why: str) -> Iterator[Fault]:
    topic = site.at.outputs.get("AlarmsTopicArn", "")
    pages = site.clients["sns"].get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
    listed = [each for page in pages for each in page["Subscriptions"]]
    open_ = [each["Endpoint"] for each in listed if each["SubscriptionArn"] == "PendingConfirmation"]
    if open_:
        what = f"{', '.join(open_)} has not confirmed that it wants the alarms"
        yield what, why, "open the mail of AWS Notifications and follow its link; or subscribe anew"
    elif not [each for each in listed if each["SubscriptionArn"].startswith("arn:")]:
        again = f"aws sns subscribe --topic-arn {topic} --protocol email --notification-endpoint YOU@YOUR.SITE"
        yield "nobody has subscribed to the alarms", why, again


def clock(site: Site, region: str) -> Verdict:
    """This computer's, against Amazon's and Zoho's: by calls that anybody may make."""
    answer = site.at.http(HOSTS).call("GET", f"https://{REGIONS[region].api}/books/v3/organizations")
    zohos = _skew(answer.headers.get("date", ""))
    told = site.clients["sts"].get_caller_identity()["ResponseMetadata"]["HTTPHeaders"].get("date", "")
    amazons = _skew(told)
    known = {"Amazon's": amazons, "Zoho's": zohos}
    wrong = {whose: skew for whose, skew in known.items() if skew is not None and abs(skew) > SKEW}
    if not wrong:
        if zohos is amazons is None:
            return Verdict("skipped", "neither Amazon nor Zoho says what time it is")
        return Verdict("ok", "this computer's clock is right")
    whose, skew = next(iter(wrong.items()))
    what = f"this computer's clock is {minutes(abs(skew))} {'behind' if skew > timedelta(0) else 'ahead of'} {whose}"
    why = "links for a consent seem to have ended, and tokens seem to live longer than they do"
    return Verdict("wrong", what, why, ("sudo timedatectl set-ntp true",))


def _skew(header: str) -> timedelta | None:
    """By how much a clock is behind the one that wrote the header; None if it wrote none."""
    try:
        return parsedate_to_datetime(header).astimezone(UTC) - utc_now()
    except ValueError:
        return None


Check = Callable[[Site], Verdict]
SITE_CHECKS: Sequence[tuple[str, Check]] = (
    ("functions", functions),
    ("tables", tables),
    ("key", key),
    ("queues", queues),
    ("schedules", schedules),
    ("alarms", alarms),
)


def _there(ask: Callable[..., Any], **what: Any) -> Any:
    """The answer; None if AWS says that there is no such thing."""
    from botocore.exceptions import ClientError

    try:
        return ask(**what)
    except ClientError as error:
        code = error.response["Error"].get("Code", "")
        if "NotFound" in code or "NonExistent" in code:
            return None
        raise


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(each) for each in text.split(".") if each.isdecimal())
