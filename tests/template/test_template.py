"""What template.yaml promises: nothing undeployed, unkept, unencrypted or wider than it must be."""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from scripts.expand_template import ROOT, Template, logical_id

FUNCTIONS = (
    "ingest", "delivery", "refresh_tokens", "renew_subscriptions", "reconcile", "oauth", "ops_widget", "ops_retry",
)  # fmt: skip
PURPOSES = ("webhooks", "graph", "boards", "zoho", "microsoft", "monday", "workflows")


def of_type(template: Template, kind: str) -> dict[str, dict[str, Any]]:
    """Logical id -> properties of the resources of one type."""
    return {name: it.get("Properties", {}) for name, it in template["Resources"].items() if it["Type"] == kind}


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements(template: Template, role: str) -> Iterator[dict[str, Any]]:
    """What a role is allowed: its own policies and those of the template that it names."""
    properties = template["Resources"][role]["Properties"]
    documents = [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
    documents += [
        template["Resources"][policy["Ref"]]["Properties"]["PolicyDocument"]
        for policy in properties.get("ManagedPolicyArns", [])
        if isinstance(policy, dict)
    ]
    for document in documents:
        yield from document["Statement"]


def allowed(template: Template, role: str, action: str) -> list[Any]:
    """The resources on which a role may do this."""
    return [
        resource
        for statement in statements(template, role)
        if any(fnmatch.fnmatchcase(action, granted) for granted in as_list(statement["Action"]))
        for resource in as_list(statement["Resource"])
    ]


def arn_of(name: str) -> dict[str, list[str]]:
    return {"Fn::GetAtt": [name, "Arn"]}


# --- functions ---------------------------------------------------------------------------------------------------


def test_folders_and_functions_match(source: Template) -> None:
    """Every folder below functions/ is deployed once, under its own name, and nothing else is."""
    folders = {path.parent.name for path in (ROOT / "functions").glob("*/app.py")}
    deployed = of_type(source, "AWS::Serverless::Function")
    assert {name: properties["CodeUri"] for name, properties in deployed.items()} == {
        logical_id(folder): f"functions/{folder}/" for folder in folders
    }
    assert folders == set(FUNCTIONS)


def test_function_folders_hold_one_module() -> None:
    """A function folder holds app.py and nothing else: what is worth naming twice lives in the layer."""
    files = {
        path.relative_to(ROOT / "functions").as_posix()
        for path in (ROOT / "functions").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert files - {"__init__.py"} == {f"{function}/app.py" for function in FUNCTIONS}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_logs_are_json_and_end(expanded: Template, function: str) -> None:
    """Every function writes JSON to a log group of the stack, which forgets after a while."""
    properties = expanded["Resources"][logical_id(function)]["Properties"]
    group = properties["LoggingConfig"]["LogGroup"]["Ref"]
    assert properties["LoggingConfig"]["LogFormat"] == "JSON"
    assert of_type(expanded, "AWS::Logs::LogGroup")[group]["LogGroupName"] == {
        "Fn::Sub": "/aws/lambda/" + properties["FunctionName"]["Fn::Sub"]
    }


def test_every_log_group_has_a_retention(expanded: Template) -> None:
    """No log is kept for ever."""
    groups = of_type(expanded, "AWS::Logs::LogGroup")
    assert {name for name, group in groups.items() if "RetentionInDays" not in group} == set()


def test_variables_are_read_and_given(source: Template) -> None:
    """A variable that the code reads is given by the template; one that nobody reads is not."""
    given = set(source["Globals"]["Function"]["Environment"]["Variables"])
    for properties in of_type(source, "AWS::Serverless::Function").values():
        given |= set(properties["Environment"]["Variables"])
    code = [*(ROOT / "layers/shared/ml_connector").rglob("*.py"), *(ROOT / "functions").rglob("*.py")]
    read = {
        name for path in code for name in re.findall(r'environ(?:\[|\.get\()\s*"([A-Z_]+)"', path.read_text("utf-8"))
    }
    # What starts so is read by Powertools, or given by Lambda itself.
    ours = {name for name in given | read if not name.startswith(("POWERTOOLS_", "AWS_LAMBDA_"))}
    assert (given & ours, read & ours) == (ours, ours)


def test_sandbox_parameter_cannot_redirect_a_deployed_stack(source: Template) -> None:
    """The only local hook is empty by default and takes loopback addresses only."""
    parameter = source["Parameters"]["SandboxUrl"]
    assert parameter["Default"] == ""
    for address in ("", "http://127.0.0.1:8080"):
        assert re.search(parameter["AllowedPattern"], address)
    for address in (
        "https://example.com",
        "http://127.0.0.1.example.com:80",
        "http://127.0.0.1:80/x",
        "http://10.0.0.1:80",
    ):
        assert not re.search(parameter["AllowedPattern"], address)


# --- the way in --------------------------------------------------------------------------------------------------


def test_access_log_never_shows_the_path(source: Template) -> None:
    """The path of a webhook holds its token: the access log names the route instead."""
    log = json.loads(source["Resources"]["Api"]["Properties"]["AccessLogSettings"]["Format"])
    assert "$context.routeKey" in log.values()
    assert not [field for field in log.values() if re.search(r"\.(path|protocol|resourcePath)$", field)]


def test_api_is_throttled(source: Template) -> None:
    """A flood is stopped before it costs anything."""
    limits = source["Resources"]["Api"]["Properties"]["DefaultRouteSettings"]
    assert limits["ThrottlingRateLimit"] <= 1000
    assert limits["ThrottlingBurstLimit"] <= 2000


def test_two_routes(expanded: Template) -> None:
    """Webhooks and the OAuth callback come in; nothing else does."""
    paths = expanded["Resources"]["Api"]["Properties"]["Body"]["paths"]
    assert {(verb, path) for path, verbs in paths.items() for verb in verbs} == {
        ("post", "/webhooks/{source}/{token}"),
        ("get", "/oauth/{vendor}/callback"),
    }


# --- queues ------------------------------------------------------------------------------------------------------


def test_queues_have_a_dead_letter_queue_or_are_one(expanded: Template) -> None:
    """Nothing falls out of a queue unseen."""
    queues = of_type(expanded, "AWS::SQS::Queue")
    last_resorts = {"ParkedQueue", "SchedulesDeadLetterQueue"}
    for name in queues.keys() - last_resorts:
        assert queues[name]["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0] in last_resorts
    watched = {
        dimension["Value"]["Fn::GetAtt"][0]
        for alarm in of_type(expanded, "AWS::CloudWatch::Alarm").values()
        for metric in (
            alarm,
            *(each["MetricStat"]["Metric"] for each in alarm.get("Metrics", ()) if "MetricStat" in each),
        )
        if metric.get("Namespace") == "AWS/SQS"
        for dimension in metric["Dimensions"]
    }
    assert last_resorts <= watched


def test_what_waits_is_kept_for_two_weeks(expanded: Template) -> None:
    """A delivery survives a long outage and a longer holiday."""
    queues = of_type(expanded, "AWS::SQS::Queue")
    for name in ("DeliveriesQueue", "ParkedQueue"):
        assert queues[name]["MessageRetentionPeriod"] == 14 * 24 * 3600
        assert queues[name]["FifoQueue"] is True


def test_high_throughput_fifo(expanded: Template) -> None:
    """Order is per record and destination: no group waits for another one's quota."""
    queue = of_type(expanded, "AWS::SQS::Queue")["DeliveriesQueue"]
    assert (queue["DeduplicationScope"], queue["FifoThroughputLimit"]) == ("messageGroup", "perMessageGroupId")


def test_a_message_stays_hidden_while_it_is_worked_on(expanded: Template) -> None:
    """The visibility time-out is longer than the function may run."""
    (mapping,) = of_type(expanded, "AWS::Lambda::EventSourceMapping").values()
    queue = expanded["Resources"][mapping["EventSourceArn"]["Fn::GetAtt"][0]]["Properties"]
    function = expanded["Resources"][mapping["FunctionName"]["Fn::GetAtt"][0]]["Properties"]
    assert queue["VisibilityTimeout"] >= function["Timeout"] + 60
    assert mapping["BatchSize"] == 1
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


# --- tables ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", ["ConnectionsTable", "DeliveryTable", "AuditTable", "LimitsTable"])
def test_tables(expanded: Template, table: str) -> None:
    """Tables cost nothing idle, can be restored to any second, are encrypted by our key, and forget by themselves.

    The delivery table does not: it is the memory of what was done.
    """
    properties = expanded["Resources"][table]["Properties"]
    assert properties["BillingMode"] == "PAY_PER_REQUEST"
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert properties["SSESpecification"] == {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": arn_of("Key")}
    forgets = None if table == "DeliveryTable" else {"AttributeName": "expires_at", "Enabled": True}
    assert properties.get("TimeToLiveSpecification") == forgets


@pytest.mark.parametrize("resource", ["ConnectionsTable", "DeliveryTable", "AuditTable", "Key"])
def test_proof_outlives_the_stack(expanded: Template, resource: str) -> None:
    """Deleting or replacing the stack's resources deletes no record of what was done, nor the key that opens it."""
    kept = expanded["Resources"][resource]
    assert kept["DeletionPolicy"].startswith("Retain")
    assert kept["UpdateReplacePolicy"] == "Retain"


def test_all_tables_are_tested(expanded: Template) -> None:
    """A new table is added to the rules above."""
    tables = of_type(expanded, "AWS::DynamoDB::Table").keys()
    assert tables == {"ConnectionsTable", "DeliveryTable", "AuditTable", "LimitsTable"}


# --- the key and the roles ---------------------------------------------------------------------------------------


def test_one_key_for_all(expanded: Template) -> None:
    """Queues, secrets and the alarms' topic are encrypted by the stack's own key, which rotates."""
    assert expanded["Resources"]["Key"]["Properties"]["EnableKeyRotation"] is True
    for kind, field in (
        ("AWS::SQS::Queue", "KmsMasterKeyId"),
        ("AWS::SecretsManager::Secret", "KmsKeyId"),
        ("AWS::SNS::Topic", "KmsMasterKeyId"),
    ):
        found = of_type(expanded, kind)
        assert found
        assert {name: it.get(field) for name, it in found.items()} == dict.fromkeys(found, arn_of("Key"))


def test_producers_and_consumers_may_use_the_key(expanded: Template) -> None:
    """SQS encrypts in the caller's name: without the key, sending or receiving fails in AWS (not on a local one)."""
    for role in of_type(expanded, "AWS::IAM::Role"):
        touches = {
            action
            for statement in statements(expanded, role)
            for action in as_list(statement["Action"])
            if action.startswith(("sqs:", "secretsmanager:", "dynamodb:"))
        }
        assert touches, role
        assert allowed(expanded, role, "kms:Decrypt") == [arn_of("Key")], role
        assert allowed(expanded, role, "kms:GenerateDataKey") == [arn_of("Key")], role


def test_nothing_is_allowed_on_everything(expanded: Template) -> None:
    """No statement of a role names all resources or all actions of a service."""
    for role in of_type(expanded, "AWS::IAM::Role"):
        for statement in statements(expanded, role):
            assert statement["Effect"] == "Allow"
            assert "*" not in as_list(statement["Resource"]), (role, statement)
            assert not [action for action in as_list(statement["Action"]) if "*" in action], (role, statement)


def test_only_plain_managed_policies(expanded: Template) -> None:
    """SAM's convenience must not widen a role: of AWS's policies only those for logs and traces are attached."""
    attached = {
        policy.rpartition("/")[2]
        for role in of_type(expanded, "AWS::IAM::Role").values()
        for policy in role.get("ManagedPolicyArns", [])
        if isinstance(policy, str)
    }
    assert attached == {"AWSLambdaBasicExecutionRole", "AWSXrayWriteOnlyAccess"}


READERS = {
    "webhooks": {"ingest"},
    "graph": {"ingest", "delivery", "renew_subscriptions"},
    "boards": {"ingest", "renew_subscriptions"},
    "zoho": {"delivery", "refresh_tokens", "reconcile", "oauth"},
    "microsoft": {"delivery", "refresh_tokens", "renew_subscriptions", "reconcile", "oauth"},
    "monday": {"delivery", "refresh_tokens", "renew_subscriptions", "reconcile", "oauth"},
    "workflows": {"delivery", "refresh_tokens", "reconcile"},
}
WRITERS = {
    "zoho": {"delivery", "refresh_tokens", "reconcile", "oauth"},
    "monday": {"delivery", "refresh_tokens", "renew_subscriptions", "reconcile", "oauth"},
    "microsoft": {"delivery", "refresh_tokens", "renew_subscriptions", "reconcile", "oauth"},
}


@pytest.mark.parametrize("purpose", PURPOSES)
def test_secrets_are_for_those_who_need_them(expanded: Template, purpose: str) -> None:
    """Who sends cannot read what verifies, and the other way round; fixed credentials cannot be overwritten."""
    # A connection may be called like a purpose; that must open nothing.
    for connection in ("acme-eu", "zoho-eu"):
        arn = "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:${AWS::StackName}"
        arn += f"/{connection}/{purpose}-a1B2c3"

        def who(action: str, arn: str = arn) -> set[str]:
            return {
                function
                for function in FUNCTIONS
                for resource in allowed(expanded, logical_id(function) + "Role", f"secretsmanager:{action}")
                if fnmatch.fnmatchcase(arn.replace("$", ""), resource["Fn::Sub"].replace("$", ""))
            }

        assert who("GetSecretValue") == READERS[purpose]
        assert who("PutSecretValue") == WRITERS.get(purpose, set())


def test_who_writes_the_audit_trail(expanded: Template) -> None:
    """The trail is append-only: two roles may add to it, none may change or delete."""
    for function in FUNCTIONS:
        role = logical_id(function) + "Role"
        assert (arn_of("AuditTable") in allowed(expanded, role, "dynamodb:PutItem")) == (
            function in ("delivery", "ops_retry")
        )
        for action in ("UpdateItem", "DeleteItem", "BatchWriteItem"):
            assert arn_of("AuditTable") not in allowed(expanded, role, f"dynamodb:{action}")


def test_who_may_look_cannot_change_anything(expanded: Template) -> None:
    """The dashboard's widget reads; what its button does is another function's, which others may be kept from."""
    actions = {
        action.partition(":")[2]
        for statement in statements(expanded, "OpsWidgetFunctionRole")
        for action in as_list(statement["Action"])
    }
    assert actions == {"GetItem", "Query", "GetQueueAttributes", "Decrypt", "GenerateDataKey"}


def test_the_two_functions_of_the_widget_know_each_other(source: Template) -> None:
    """By name, because each names the other; the dashboard shows the one that looks."""
    functions = of_type(source, "AWS::Serverless::Function")
    for function in ("OpsWidgetFunction", "OpsRetryFunction"):
        variables = functions[function]["Environment"]["Variables"]
        for variable, named in (
            ("WIDGET_FUNCTION_ARN", "OpsWidgetFunction"),
            ("RETRY_FUNCTION_ARN", "OpsRetryFunction"),
        ):
            arn = variables[variable]["Fn::Sub"]
            assert arn.partition(":function:")[2] == functions[named]["FunctionName"]["Fn::Sub"]
    written, _ = of_type(source, "AWS::CloudWatch::Dashboard")["Dashboard"]["DashboardBody"]["Fn::Sub"]
    assert '"endpoint": "${OpsWidgetFunction.Arn}"' in written


def test_configuration_cannot_be_written_by_a_function(expanded: Template) -> None:
    """What a person applied stays: functions write only their own notes in the connections table."""
    notes = {
        "tokens", "subscriptions", "reconcile", "completeness", "cursor#*", "oauth#*", "organizations", "attention",
        "notices#*", "resync", "channels", "boards", "board_webhooks", "digests", "silence",
    }  # fmt: skip
    for role in of_type(expanded, "AWS::IAM::Role"):
        for statement in statements(expanded, role):
            writes = {"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"} & set(
                as_list(statement["Action"])
            )
            if writes and arn_of("ConnectionsTable") in as_list(statement["Resource"]):
                (condition,) = statement["Condition"].values()
                assert set(condition["dynamodb:LeadingKeys"]) <= notes


def test_rows_of_deliveries_are_never_deleted(expanded: Template) -> None:
    """They are the memory that makes a repetition one; only what waited for a digest is taken away, by one function."""
    found = {
        (role, json.dumps(statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]))
        for role in of_type(expanded, "AWS::IAM::Role")
        for statement in statements(expanded, role)
        if "dynamodb:DeleteItem" in as_list(statement["Action"])
        and arn_of("DeliveryTable") in as_list(statement["Resource"])
    }
    assert found == {("DeliveryFunctionRole", '["~shelf#*"]')}


# --- schedules ---------------------------------------------------------------------------------------------------


def test_schedules_report_their_failures(expanded: Template) -> None:
    """A run that cannot be started, and one that fails, both reach the queue that is alarmed."""
    schedules = of_type(expanded, "AWS::Scheduler::Schedule")
    targets = {schedule["Target"]["Arn"]["Fn::GetAtt"][0] for schedule in schedules.values()}
    assert targets == {"RefreshTokensFunction", "RenewSubscriptionsFunction", "ReconcileFunction"}
    assert [s["Target"]["DeadLetterConfig"]["Arn"] for s in schedules.values()] == [
        arn_of("SchedulesDeadLetterQueue")
    ] * 3
    assert all("RetryPolicy" in schedule["Target"] for schedule in schedules.values())
    failures = {
        config["FunctionName"]["Ref"]: config["DestinationConfig"]["OnFailure"]["Destination"]
        for config in of_type(expanded, "AWS::Lambda::EventInvokeConfig").values()
    }
    assert failures == dict.fromkeys(targets, arn_of("SchedulesDeadLetterQueue"))


def test_schedules_may_start_what_they_start(expanded: Template) -> None:
    """The schedules' role names exactly the scheduled functions."""
    named = {
        resource["Fn::Sub"].partition(":function:")[2]
        for resource in allowed(expanded, "SchedulesRole", "lambda:InvokeFunction")
    }
    scheduled = {
        expanded["Resources"][schedule["Target"]["Arn"]["Fn::GetAtt"][0]]["Properties"]["FunctionName"]["Fn::Sub"]
        for schedule in of_type(expanded, "AWS::Scheduler::Schedule").values()
    }
    assert named == scheduled


def test_two_stacks_can_live_in_one_account(expanded: Template) -> None:
    """Whatever has a name of its own carries the stack's; a host name is its owner's choice."""
    names = [
        (logical, value)
        for logical, resource in expanded["Resources"].items()
        for field in (
            "Name",
            "FunctionName",
            "QueueName",
            "TopicName",
            "AlarmName",
            "AliasName",
            "LogGroupName",
            "LayerName",
        )
        if (value := resource.get("Properties", {}).get(field)) is not None
        and resource["Type"]
        not in (
            "AWS::Lambda::EventInvokeConfig",
            "AWS::Lambda::EventSourceMapping",
            "AWS::Lambda::Permission",
            "AWS::Route53::RecordSet",
        )
    ]
    assert len(names) > 20
    assert [name for name in names if "AWS::StackName" not in json.dumps(name[1])] == []


# --- outputs -----------------------------------------------------------------------------------------------------


def test_people_are_told_what_things_are(source: Template) -> None:
    """Every parameter and output says in words what it is."""
    for section in ("Parameters", "Outputs"):
        assert [name for name, it in source[section].items() if not it.get("Description")] == []
