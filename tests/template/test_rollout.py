"""`ROLLOUT=… make deploy`: an alias per function, shifted by CodeDeploy, taken back when the release alarm rings."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts.expand_template import ROOT, Template, expand, logical_id
from scripts.rollout import ALARM, ALIAS, KINDS, with_rollout
from tests.template.test_template import FUNCTIONS, of_type

TOOLS = Path(sys.executable).parent
CANARY = "Canary10Percent5Minutes"
RELEASE, NEXT = "a1" * 32, "b2" * 32


@pytest.fixture(scope="module")
def rolled(source: Template) -> Template:
    return expand(with_rollout(source, CANARY, RELEASE))


def aliases(template: Template) -> set[str]:
    return {name for name, it in template["Resources"].items() if it["Type"] == "AWS::Lambda::Alias"}


def test_without_it_there_are_no_versions(expanded: Template) -> None:
    """Off by default: functions, and what calls them, are as they always were."""
    kinds = {resource["Type"] for resource in expanded["Resources"].values()}
    assert not {
        kind for kind in kinds if "CodeDeploy" in kind or kind in ("AWS::Lambda::Alias", "AWS::Lambda::Version")
    }


def test_every_function_is_shifted_and_taken_back(rolled: Template) -> None:
    """Each alias moves as ROLLOUT says; at the alarm, or when somebody says so, CodeDeploy moves it back."""
    for function in map(logical_id, FUNCTIONS):
        alias = rolled["Resources"][f"{function}Alias{ALIAS}"]
        group = rolled["Resources"][f"{function}DeploymentGroup"]["Properties"]
        assert alias["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]["DeploymentGroupName"] == {
            "Ref": f"{function}DeploymentGroup"
        }
        assert group["DeploymentConfigName"]["Fn::Sub"][1] == {"ConfigName": CANARY}
        assert group["AlarmConfiguration"] == {"Enabled": True, "Alarms": [{"Name": {"Ref": ALARM}}]}
        assert "DEPLOYMENT_STOP_ON_ALARM" in group["AutoRollbackConfiguration"]["Events"]


def test_whatever_calls_a_function_calls_its_alias(rolled: Template) -> None:
    """What went past the alias would be the new release at once: routes, the queue, schedules and their role."""
    assert aliases(rolled) == {f"{logical_id(function)}Alias{ALIAS}" for function in FUNCTIONS}
    called: list[Any] = [
        operation["x-amazon-apigateway-integration"]["uri"]
        for path in rolled["Resources"]["Api"]["Properties"]["Body"]["paths"].values()
        for operation in path.values()
    ]
    called += [it["FunctionName"] for it in of_type(rolled, "AWS::Lambda::EventSourceMapping").values()]
    called += [it["Target"]["Arn"] for it in of_type(rolled, "AWS::Scheduler::Schedule").values()]
    called += [it["FunctionName"] for it in of_type(rolled, "AWS::Lambda::Permission").values()]
    assert len(called) >= 6
    assert [each for each in map(json.dumps, called) if f"Alias{ALIAS}" not in each] == []
    for config in of_type(rolled, "AWS::Lambda::EventInvokeConfig").values():
        assert config["Qualifier"] == ALIAS
    (started, *_) = of_type(rolled, "AWS::IAM::Role")["SchedulesRole"]["Policies"][0]["PolicyDocument"]["Statement"]
    names = [arn["Fn::Sub"] for arn in started["Resource"]]
    assert {name for name in names if not name.endswith(f":{ALIAS}")} == {
        name.removesuffix(f":{ALIAS}") for name in names if name.endswith(f":{ALIAS}")
    }


def test_each_release_is_a_version_and_the_same_one_is_none(source: Template, rolled: Template) -> None:
    """Whatever makes a release, a layer or a parameter alike, is in its hash: SAM alone would see neither."""
    versions = set(of_type(rolled, "AWS::Lambda::Version"))
    assert len(versions) == len(FUNCTIONS)
    assert set(of_type(expand(with_rollout(source, CANARY, RELEASE)), "AWS::Lambda::Version")) == versions
    assert not set(of_type(expand(with_rollout(source, CANARY, NEXT)), "AWS::Lambda::Version")) & versions


def test_other_parameters_are_another_release(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `sam deploy` is told counts as the code does; without ROLLOUT it makes no difference."""
    told = runpy.run_path(str(ROOT / "scripts/build"))["rollout"]
    monkeypatch.delenv("ROLLOUT", raising=False)
    monkeypatch.setenv("DEPLOY_ARGS", "--parameter-overrides LogLevel=INFO")
    assert told() == ()
    monkeypatch.setenv("ROLLOUT", CANARY)
    before = told()
    assert before[0] == CANARY
    monkeypatch.setenv("DEPLOY_ARGS", "--parameter-overrides LogLevel=WARN")
    assert told() != before


def test_lambda_takes_the_descriptions(rolled: Template) -> None:
    """SAM adds the release's hash to them; Lambda takes 256 characters."""
    for function in of_type(rolled, "AWS::Lambda::Function").values():
        assert function["Description"].endswith(RELEASE)
        assert len(function["Description"]) <= 256


def test_alarm_hears_every_function_and_ingest(rolled: Template) -> None:
    """Within a minute, of any error behind an alias and of webhooks that were not queued; it may have ten metrics."""
    alarm = rolled["Resources"][ALARM]["Properties"]
    formula, *metrics = alarm["Metrics"]
    assert len(metrics) <= 10
    assert all(metric["Id"] in formula["Expression"] for metric in metrics)
    assert {metric["MetricStat"]["Period"] for metric in metrics} == {60}
    names = {it["FunctionName"]["Fn::Sub"] for it in of_type(rolled, "AWS::Lambda::Function").values()}
    heard = [
        {each["Name"]: each["Value"] for each in metric["MetricStat"]["Metric"]["Dimensions"]} for metric in metrics
    ]
    assert {each["Resource"]["Fn::Sub"] for each in heard if "Resource" in each} == {
        f"{name}:{ALIAS}" for name in names
    }
    assert {"service": "ingest"} in heard


def test_unknown_kind_is_refused(source: Template) -> None:
    """A typo is told with what there is, before anything is deployed."""
    with pytest.raises(ValueError, match=f"Canary5Percent is not known.*{CANARY}"):
        with_rollout(source, "Canary5Percent", RELEASE)
    assert CANARY in KINDS


def test_expansion_is_clean_with_a_rollout(rolled: Template, tmp_path: Path) -> None:
    """The linter has nothing to say, circular references included."""
    file = tmp_path / "rolled.json"
    file.write_text(json.dumps(rolled))
    done = subprocess.run([TOOLS / "cfn-lint", "--regions", "eu-central-1", "--", file], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
