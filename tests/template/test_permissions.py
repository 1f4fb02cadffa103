"""Each function may do what its code does, and nothing else: what it does is read from the code (aws_calls.py)."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import pytest

from scripts.expand_template import ROOT, Template, logical_id
from tests.aws_calls import ANY, SECRETS, Call, calls

FOLDERS = sorted(path.parent.name for path in ROOT.glob("functions/*/app.py"))

CREDENTIALS = ("zoho", "microsoft", "monday")
"""What `*` may be where the code names a secret by the kind of a token (tokens.py)."""
ONLY_MLC = {"secretsmanager:CreateSecret", "secretsmanager:RestoreSecret"}
"""In the code of all who write secrets, and refused to functions: what they write was made by `mlc`."""
TAKES_FROM_A_QUEUE = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
"""What Lambda itself does, in the function's name, for an event source mapping."""
BY_SERVICES = ("kms:Decrypt", "kms:GenerateDataKey")
"""What tables, queues and secrets do with the key, in the function's name; ours to narrow is only `kms:ViaService`."""


NEVER = {
    ("renew_subscriptions", "zoho"),  # it asks for tokens of Microsoft and monday only
    ("ops_retry", "~shelf#*#*"),  # what it writes takes nothing off a digest's shelf
}
"""What the code's types allow and its values do not: by function, and by whose rows or secrets."""


def places(template: Template) -> dict[str, str]:
    """Logical id of a table or queue -> the variable that functions read its name from."""
    return {
        value["Ref"]: name
        for it in template["Resources"].values()
        if it["Type"] == "AWS::Lambda::Function"
        for name, value in it["Properties"].get("Environment", {}).get("Variables", {}).items()
        if isinstance(value, dict) and "Ref" in value and name.endswith(("_TABLE", "_URL"))
    }


def functions(template: Template) -> list[str]:
    return [name for name in FOLDERS if logical_id(name) in template["Resources"]]


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def grants(document: dict[str, Any], known: dict[str, str]) -> Iterator[Call]:
    """What a policy allows, in the words of aws_calls."""
    for statement in document["Statement"]:
        (keys,) = [each["dynamodb:LeadingKeys"] for each in statement.get("Condition", {}).values()
                   if "dynamodb:LeadingKeys" in each] or [[ANY]]  # fmt: skip
        for action in as_list(statement["Action"]):
            for resource in as_list(statement["Resource"]):
                on, of = place(resource, known)
                for key in [of] if of else keys:
                    yield Call(action, on, key)


def place(resource: Any, known: dict[str, str]) -> tuple[str, str]:
    """Which table, queue or index an ARN names, or SECRETS and which of them."""
    match resource:
        case {"Fn::GetAtt": [logical, "Arn"]}:
            return known.get(logical, logical), ""
        case {"Fn::Sub": str(text)} if index := re.fullmatch(r"\$\{(\w+)\.Arn\}(/index/\w+)", text):
            return known[index[1]] + index[2], ""
        case {"Fn::Sub": str(text)} if secret := re.search(
            r":secret:\$\{AWS::StackName\}/(?:\*/)?([\w-]+)-\?{6}$", text
        ):
            return SECRETS, secret[1]
    return str(resource), ""


def policies(template: Template, function: str) -> tuple[list[dict[str, Any]], list[str]]:
    """Its own, and the names of the template's that it shares."""
    role = template["Resources"][logical_id(function) + "Role"]["Properties"]
    shared = [each["Ref"] for each in role.get("ManagedPolicyArns", []) if isinstance(each, dict)]
    return [each["PolicyDocument"] for each in role.get("Policies", [])], shared


def by_aws(template: Template, function: str) -> set[Call]:
    """Of AWS's services in the function's name: they take what it is to work on, and put down that it failed."""
    known, found = places(template), set[Call]()
    for it in template["Resources"].values():
        properties = it.get("Properties", {})
        if logical_id(function) not in str(properties.get("FunctionName")):
            continue
        if it["Type"] == "AWS::Lambda::EventSourceMapping":
            on = place(properties["EventSourceArn"], known)[0]
            found |= {Call(action, on) for action in TAKES_FROM_A_QUEUE}
        if it["Type"] == "AWS::Lambda::EventInvokeConfig":
            on = place(properties["DestinationConfig"]["OnFailure"]["Destination"], known)[0]
            found.add(Call("sqs:SendMessage", on))
    return found


def called(template: Template, function: str) -> set[Call]:
    found = {each for each in calls(function) if each.action not in ONLY_MLC} | by_aws(template, function)
    tokens = {each for each in found if each.on == SECRETS and each.of == ANY}
    found = (found - tokens) | {Call(each.action, SECRETS, kind) for each in tokens for kind in CREDENTIALS}
    return {each for each in found if (function, each.of) not in NEVER}


def too_much(template: Template) -> list[str]:
    """What is allowed and never done. Of a policy that functions share, what none of them does."""
    known, found = places(template), []
    work = {function: called(template, function) for function in functions(template)}
    sharing: dict[str, set[Call]] = {}
    for function in functions(template):
        own, shared = policies(template, function)
        for document in own:
            found += [f"{function}: {grant}" for grant in grants(document, known) if not used(grant, work[function])]
        for name in shared:
            sharing.setdefault(name, set()).update(work[function])
    for name, done in sharing.items():
        document = template["Resources"][name]["Properties"]["PolicyDocument"]
        found += [f"{name}: {grant}" for grant in grants(document, known) if not used(grant, done)]
    return found


def used(grant: Call, done: set[Call]) -> bool:
    return grant.action in BY_SERVICES or any(
        each.action == grant.action and meets(each, grant) and (each.of == ANY or grant.of != ANY) for each in done
    )


def meets(call: Call, grant: Call) -> bool:
    """Whether it may be what this grant is for."""
    same = call.on == ANY or grant.on in call.on.split("|")
    return same and (call.of == ANY or fnmatchcase(call.of, grant.of))


def too_little(template: Template) -> list[str]:
    """What is done and not allowed: it would fail in AWS."""
    known, found = places(template), []
    for function in functions(template):
        own, shared = policies(template, function)
        own += [template["Resources"][name]["Properties"]["PolicyDocument"] for name in shared]
        allowed = {grant for document in own for grant in grants(document, known)}
        found += [f"{function}: {each}" for each in called(template, function) if not permitted(each, allowed)]
    return found


def permitted(call: Call, allowed: set[Call]) -> bool:
    return any(grant.action == call.action and meets(call, grant) for grant in allowed)


def test_no_function_may_do_more_than_its_code_does(expanded: Template) -> None:
    """A permission outlives the code that needed it, unless something asks: on which table, which of its rows too."""
    assert too_much(expanded) == []


def test_every_function_may_do_what_its_code_does(expanded: Template) -> None:
    """A missing permission shows in AWS only, and there perhaps once a month."""
    assert too_little(expanded) == []


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("dynamodb:Scan", {"Fn::GetAtt": ["ConnectionsTable", "Arn"]}),
        ("dynamodb:DeleteItem", {"Fn::GetAtt": ["AuditTable", "Arn"]}),
        ("sqs:SendMessage", {"Fn::GetAtt": ["ParkedQueue", "Arn"]}),
        ("dynamodb:Query", {"Fn::Sub": "${AuditTable.Arn}/index/external"}),
        ("secretsmanager:GetSecretValue", {"Fn::Sub": "arn:x:secret:${AWS::StackName}/*/zoho-??????"}),
        ("s3:GetObject", {"Fn::Sub": "arn:${AWS::Partition}:s3:::*"}),
    ],
)
def test_what_is_granted_beyond_is_named(expanded: Template, action: str, resource: dict[str, Any]) -> None:
    """The rule above is able to fail, and says whose permission it is."""
    wider = copy.deepcopy(expanded)
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    wider["Resources"]["IngestFunctionRole"]["Properties"]["Policies"][-1]["PolicyDocument"]["Statement"].append(
        statement
    )
    (found,) = set(too_much(wider)) - set(too_much(expanded))
    assert found.startswith("ingest: ")
    assert action in found


def test_rows_beyond_are_named(expanded: Template) -> None:
    """A condition that is taken away opens all rows of a table."""
    wider = copy.deepcopy(expanded)
    for document in policies(wider, "oauth")[0]:
        for statement in document["Statement"]:
            statement.pop("Condition", None)
    assert [each for each in set(too_much(wider)) - set(too_much(expanded)) if "PutItem" in each]


def test_what_is_taken_away_is_named(expanded: Template) -> None:
    """The second rule is able to fail, too."""
    narrower = copy.deepcopy(expanded)
    for document in policies(narrower, "delivery")[0]:
        document["Statement"] = [each for each in document["Statement"] if each.get("Sid") != "AppendToAudit"]
    (found,) = set(too_little(narrower)) - set(too_little(expanded))
    assert found == f"delivery: {Call('dynamodb:PutItem', 'AUDIT_TABLE')}"
