"""Lets a new release take over little by little: an alias per function, shifted by CodeDeploy, taken back on an alarm.

    ROLLOUT=Canary10Percent5Minutes make deploy ENV=prod

`scripts/build` calls this on the template that `sam build` has written. It is no parameter of the stack, because SAM
takes no condition on an alias (docs/adr/0018-rollout-when-built.md). Without ROLLOUT the template stays as it is.
"""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from typing import Any

import yaml

Template = dict[str, Any]

KINDS = (
    "Canary10Percent5Minutes",
    "Canary10Percent10Minutes",
    "Canary10Percent15Minutes",
    "Canary10Percent30Minutes",
    "Linear10PercentEvery1Minute",
    "Linear10PercentEvery2Minutes",
    "Linear10PercentEvery3Minutes",
    "Linear10PercentEvery10Minutes",
    "AllAtOnce",
)
"""CodeDeploy's own (https://docs.aws.amazon.com/codedeploy/latest/userguide/deployment-configurations.html)."""
ALIAS = "live"
ALARM = "ReleaseAlarm"


def with_rollout(template: Template, kind: str, release: str) -> Template:
    """The SAM template with aliases and CodeDeploy. The given one, intrinsic functions in long form, stays as it is.

    `release` is a hash of all that makes the functions. SAM itself looks at a function's own code and at unresolved
    parameters only: of a change in a layer, or of a parameter's value, it would publish nothing. Raises ValueError for
    an unknown kind.
    """
    if kind not in KINDS:
        raise ValueError(f"ROLLOUT={kind} is not known; one of {', '.join(KINDS)}")
    template = copy.deepcopy(template)
    resources = template["Resources"]
    functions = [name for name, it in resources.items() if it["Type"] == "AWS::Serverless::Function"]
    for name in functions:
        resources[name]["Properties"] |= {
            "AutoPublishAlias": ALIAS,
            "AutoPublishCodeSha256": release,
            "DeploymentPreference": {"Type": kind, "Alarms": [{"Ref": ALARM}]},
        }
    # HTTP routes and schedules follow the alias by themselves; what is written out beside SAM does not.
    for it in resources.values():
        if it["Type"] == "AWS::Lambda::EventSourceMapping":
            it["Properties"]["FunctionName"] = {"Ref": f"{_function_of(it)}.Alias"}
    (invoke, *_) = resources["SchedulesRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    invoke["Resource"] += [{"Fn::Sub": f"{arn['Fn::Sub']}:{ALIAS}"} for arn in invoke["Resource"]]
    resources[ALARM] = _alarm([resources[name]["Properties"]["FunctionName"]["Fn::Sub"] for name in functions])
    return template


def _function_of(mapping: dict[str, Any]) -> str:
    name = mapping["Properties"]["FunctionName"]["Fn::GetAtt"]
    return str(name.split(".")[0] if isinstance(name, str) else name[0])


def _alarm(names: list[str]) -> dict[str, Any]:
    """Rings at the first error of any function, of whichever version, and when ingest cannot queue.

    By the functions' names: references would go in a circle, from the API's functions to those that tell its address.
    One alarm takes ten metrics (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_limits.html).
    """
    errors = [
        _metric(
            f"errors{n}",
            "AWS/Lambda",
            "Errors",
            FunctionName={"Fn::Sub": name},
            Resource={"Fn::Sub": f"{name}:{ALIAS}"},
        )
        for n, name in enumerate(names)
    ]
    queued = _metric("notqueued", {"Fn::Sub": "MlConnector/${AWS::StackName}"}, "WebhooksNotQueued", service="ingest")
    return {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmName": {"Fn::Sub": "${AWS::StackName}-release"},
            "AlarmDescription": "Functions fail: a release that takes over is taken back. docs/deploy.md, Blue/green.",
            "Metrics": [
                {
                    "Id": "failures",
                    "Label": "failures",
                    # Not "+": it gives nothing where one of them has no data, as a function that was not called.
                    "Expression": f"SUM([{', '.join(each['Id'] for each in (*errors, queued))}])",
                    "ReturnData": True,
                },
                *errors,
                queued,
            ],
            "EvaluationPeriods": 1,
            "Threshold": 0,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "notBreaching",
            "AlarmActions": [{"Ref": "AlarmsTopic"}],
        },
    }


def _metric(identity: str, namespace: Any, name: str, **dimensions: Any) -> dict[str, Any]:
    found = [{"Name": key, "Value": value} for key, value in dimensions.items()]
    metric = {"Namespace": namespace, "MetricName": name, "Dimensions": found}
    return {"Id": identity, "ReturnData": False, "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}}


if __name__ == "__main__":
    path, chosen, built_from = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    try:
        changed = with_rollout(yaml.safe_load(path.read_text()), chosen, built_from)
    except ValueError as error:
        raise SystemExit(str(error)) from None
    path.write_text(yaml.safe_dump(changed, sort_keys=False))
