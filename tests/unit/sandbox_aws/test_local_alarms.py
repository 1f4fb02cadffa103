"""The sandbox judges the template's alarms as CloudWatch does, by what the local stack has."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.alarms import KEPT_SECONDS, Alarms, judging, periods
from sandbox.aws.deploy import Deployment, take_formulas
from sandbox.aws.host import Call
from sandbox.metric_math import NotUnderstood, value
from sandbox.metrics import Metric, Point, emf

NOW = 1_795_360_000.0
OWN = "MlConnector/ml-connector"
PARKED: dict[str, Any] = {
    "AlarmName": {"Fn::Sub": "${AWS::StackName}-parked"},
    "AlarmDescription": "Deliveries wait.",
    "Namespace": "AWS/SQS",
    "MetricName": "ApproximateNumberOfMessagesVisible",
    "Dimensions": [{"Name": "QueueName", "Value": {"Fn::GetAtt": ["ParkedQueue", "QueueName"]}}],
    "Statistic": "Maximum",
    "Period": 60,
    "EvaluationPeriods": 1,
    "Threshold": 0,
    "ComparisonOperator": "GreaterThanThreshold",
    "TreatMissingData": "notBreaching",
}
FORGED: dict[str, Any] = {
    **PARKED,
    "Namespace": {"Fn::Sub": "MlConnector/${AWS::StackName}"},
    "MetricName": "SignatureFailures",
    "Dimensions": [{"Name": "service", "Value": "ingest"}],
    "Statistic": "Sum",
    "Period": 300,
}


class FakeStack:
    """A stack of one function, `ingest`, one queue and one alarm."""

    def __init__(self, alarm: Mapping[str, Any]) -> None:
        self.lines: list[dict[str, Any]] = []
        self.made: list[Call] = []
        self.waiting = 0
        self.told: list[tuple[str, str]] = []
        self.deployment = Deployment(
            stack="ml-connector",
            outputs={},
            template={
                "Resources": {
                    "IngestFunction": {"Type": "AWS::Lambda::Function"},
                    "ParkedQueue": {"Type": "AWS::SQS::Queue"},
                    "AnAlarm": {"Type": "AWS::CloudWatch::Alarm", "Properties": alarm},
                }
            },
            physical={
                "IngestFunction": "ml-connector-ingest",
                "ParkedQueue": "http://127.0.0.1:1/0/ml-connector-parked.fifo",
                "AnAlarm": "ml-connector-an-alarm",
            },
            folders=dict[str, Path](),
            parameters={"Most": "3"},
        )

    def records(self, name: str) -> list[dict[str, Any]]:
        return self.lines

    def calls(self, name: str) -> list[Call]:
        if name != "ml-connector-ingest":
            raise KeyError(name)
        return self.made

    def client(self, service: str) -> FakeStack:
        return self

    def get_queue_url(self, **words: str) -> dict[str, str]:
        if words["QueueName"] != "ml-connector-parked.fifo":
            raise ClientError({}, "GetQueueUrl")
        return {"QueueUrl": "parked"}

    def get_queue_attributes(self, **words: Any) -> dict[str, Any]:
        return {"Attributes": {name: str(self.waiting) for name in words["AttributeNames"]}}

    def set_alarm_state(self, **words: str) -> None:
        self.told.append((words["AlarmName"], words["StateValue"]))


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def line(at: float, name: str = "SignatureFailures", *values: float, **dimensions: str) -> dict[str, Any]:
    """A line of a log as Powertools writes it."""
    dimensions = dimensions or {"service": "ingest"}
    told = {"Namespace": OWN, "Dimensions": [list(dimensions)], "Metrics": [{"Name": name, "Unit": "Count"}]}
    return {
        "_aws": {"Timestamp": int(at * 1000), "CloudWatchMetrics": [told]},
        name: list(values or [1.0]),
        **dimensions,
    }


def state(stack: FakeStack) -> tuple[str, float | None]:
    (only,) = Alarms(stack, clock=Clock()).states()
    return only["state"], only["value"]


def test_a_parked_delivery_raises_the_alarm_and_its_end_clears_it() -> None:
    """The queue's own count decides, and the local CloudWatch is told each change once."""
    stack, clock = FakeStack(PARKED), Clock()
    alarms = Alarms(stack, clock=clock)
    assert [each["state"] for each in alarms.states()] == ["ok"]
    stack.waiting = 2
    clock.now += KEPT_SECONDS
    (found,) = alarms.states()
    assert found == {
        "name": "AnAlarm",
        "alarm": "ml-connector-parked",
        "about": "Deliveries wait.",
        "state": "alarm",
        "metric": "ApproximateNumberOfMessagesVisible",
        "value": 2.0,
        "comparison": ">",
        "threshold": 0.0,
        "runbook": "docs/runbook.md#analarm",
    }
    clock.now += KEPT_SECONDS
    alarms.states()
    stack.waiting = 0
    clock.now += KEPT_SECONDS
    assert [each["state"] for each in alarms.states()] == ["ok"]
    assert stack.told == [("ml-connector-parked", word) for word in ("OK", "ALARM", "OK")]


def test_many_open_pages_cost_one_look() -> None:
    """An answer is given again for two seconds."""
    stack, clock = FakeStack(PARKED), Clock()
    alarms = Alarms(stack, clock=clock)
    alarms.states()
    stack.waiting = 1
    clock.now += KEPT_SECONDS / 2
    assert [each["state"] for each in alarms.states()] == ["ok"]
    clock.now += KEPT_SECONDS / 2
    assert [each["state"] for each in alarms.states()] == ["alarm"]


def test_own_metrics_come_from_the_log_with_exactly_their_dimensions() -> None:
    """As in CloudWatch a metric of other dimensions is another metric, and an old one is out of the period."""
    stack = FakeStack(FORGED)
    stack.lines = [line(NOW - 10, connection="acme-eu", service="ingest"), line(NOW - 301), {"message": "no metric"}]
    assert state(stack) == ("ok", None)
    stack.lines.append(line(NOW - 299, "SignatureFailures", 1.0, 2.0))
    assert state(stack) == ("alarm", 3.0)


def test_a_metric_in_milliseconds_and_lists_is_read_whole() -> None:
    """The embedded format's times are milliseconds, its values numbers or lists, and each dimension set counts."""
    told = line(NOW, "Age", 1.5, 2.5)
    told["_aws"]["CloudWatchMetrics"][0]["Dimensions"].append([])
    own = Metric(OWN, "Age", frozenset({("service", "ingest")}))
    everywhere = Metric(OWN, "Age", frozenset())
    points = [Point(NOW, 1.5), Point(NOW, 2.5)]
    assert list(emf(told)) == [(each, point) for each in (own, everywhere) for point in points]
    assert [point for _, point in emf({**told, "Age": 7})] == [Point(NOW, 7.0)] * 2


@pytest.mark.parametrize(
    ("missing", "expected"),
    [("breaching", "alarm"), ("notBreaching", "ok"), ("missing", "no data"), ("ignore", "no data")],
)
def test_a_period_without_data_counts_as_the_alarm_says(missing: str, expected: str) -> None:
    """TreatMissingData decides."""
    assert state(FakeStack({**FORGED, "TreatMissingData": missing})) == (expected, None)


def test_a_state_stays_where_missing_data_is_ignored() -> None:
    """`ignore` keeps what was known last."""
    stack, clock = FakeStack({**FORGED, "TreatMissingData": "ignore"}), Clock()
    alarms = Alarms(stack, clock=clock)
    stack.lines = [line(NOW)]
    assert [each["state"] for each in alarms.states()] == ["alarm"]
    clock.now += 1000
    assert [each["state"] for each in alarms.states()] == ["alarm"]


@pytest.mark.parametrize(
    "change",
    [
        {"Namespace": "AWS/DynamoDB", "MetricName": "ThrottledRequests"},
        {"MetricName": "ApproximateAgeOfOldestMessage"},
        {"Dimensions": [{"Name": "QueueName", "Value": "another"}]},
        {"Namespace": "AWS/Lambda", "MetricName": "Errors", "Dimensions": [{"Name": "FunctionName", "Value": "x"}]},
        {"Statistic": None, "ExtendedStatistic": "tm99"},
        {"ComparisonOperator": "LessThanLowerThreshold"},
    ],
)
def test_what_nobody_measures_here_is_no_data_and_never_ok(change: dict[str, Any]) -> None:
    """The page must not say that all is well where it cannot know, even if missing data is no breach."""
    assert state(FakeStack({**PARKED, **change}))[0] == "no data"


def test_some_of_the_periods_may_be_enough() -> None:
    """DatapointsToAlarm of EvaluationPeriods, and a threshold that is a parameter."""
    alarm = {**FORGED, "Period": 60, "EvaluationPeriods": 3, "DatapointsToAlarm": 2, "Threshold": {"Ref": "Most"}}
    stack = FakeStack(alarm)
    stack.lines = [line(NOW - 5, "SignatureFailures", 4.0), line(NOW - 125, "SignatureFailures", 3.0)]
    assert state(stack) == ("ok", 4.0)
    stack.lines.append(line(NOW - 130))
    assert state(stack) == ("alarm", 4.0)


def test_functions_errors_are_counted_in_one_formula() -> None:
    """Metric math over calls of functions and own metrics; a query may come after the expression that names it."""
    dimensions = [{"Name": "FunctionName", "Value": {"Ref": "IngestFunction"}}]

    def query(id_: str, name: str) -> dict[str, Any]:
        metric = {"Namespace": "AWS/Lambda", "MetricName": name, "Dimensions": dimensions}
        return {"Id": id_, "ReturnData": False, "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}}

    stack = FakeStack(
        {
            "AlarmName": "errors",
            "Metrics": [
                {"Id": "share", "Expression": "IF(calls > 0, 100 * errors / calls, 0)", "Label": "%"},
                query("errors", "Errors"),
                query("calls", "Invocations"),
            ],
            "EvaluationPeriods": 1,
            "Threshold": 20,
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        }
    )
    assert state(stack) == ("no data", None)
    stack.made = [Call(NOW - 1, 5.0, failed=number < 2, throttled=False) for number in range(8)]
    stack.made.append(Call(NOW - 1, 0.1, failed=False, throttled=True))
    assert state(stack) == ("alarm", 25.0)
    stack.made = [each for each in stack.made if not each.failed] + stack.made[:1]
    assert state(stack) == ("ok", pytest.approx(100 / 7))
    assert [each["metric"] for each in Alarms(stack, clock=Clock()).states()] == ["%"]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("a + b", [4.0, None]),
        ("FILL(b, 0) - a", [2.0, -2.0]),
        ("SUM([a, b])", [4.0, 2.0]),
        ("SUM(METRICS())", [4.0, 2.0]),
        ('MAX(METRICS("b"))', [3.0, None]),
        ("MAX(a)", [2.0, 2.0]),
        ("MIN([a, b, 2])", [1.0, 2.0]),
        ("AVG([a, 3])", [2.0, 2.5]),
        ("a / 0", [None, None]),
        ("-a * 2", [-2.0, -4.0]),
        ("IF(a > 1, 7)", [None, 7.0]),
        ("a > 0 AND a < 2", [1.0, 0.0]),
        ("a < 1 || a >= 2", [0.0, 1.0]),
    ],
)
def test_formulas_are_computed_period_by_period(expression: str, expected: list[float | None]) -> None:
    """CloudWatch's metric math; what is missing stays missing unless it is filled."""
    assert value(expression, {"a": [1.0, 2.0], "b": [3.0, None], "sum": [9.0, 9.0]}, "ab") == expected


@pytest.mark.parametrize(
    "expression", ["ANOMALY_DETECTION_BAND(a)", "nobody", "a +", "[a, b]", "__import__('os')", "a.real", "RATE(a)"]
)
def test_a_formula_that_is_not_understood_is_said_to_be_so(expression: str) -> None:
    """And nothing of it is run."""
    with pytest.raises(NotUnderstood):
        value(expression, {"a": [1.0], "b": [1.0]}, "ab")
    alarm = {
        "AlarmName": "formula",
        "Metrics": [{"Id": "e", "Expression": expression}],
        "EvaluationPeriods": 1,
        "Threshold": 0,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
    }
    assert state(FakeStack(alarm)) == ("no data", None)


@pytest.mark.parametrize(
    ("statistic", "expected"),
    [
        ("Sum", 5050.0),
        ("Average", 50.5),
        ("Minimum", 1.0),
        ("Maximum", 100.0),
        ("SampleCount", 100.0),
        ("p50", 50.5),
        ("p99", 99.01),
    ],
)
def test_each_statistic(statistic: str, expected: float) -> None:
    """Over all points of the period; a point from the future counts as now."""
    points = [Point(NOW - number % 50 + 1, float(number + 1)) for number in range(100)]
    assert periods(points, statistic, 60, 2, NOW) == [pytest.approx(expected), None]


def test_an_alarm_with_a_formula_can_be_deployed_to_the_local_aws() -> None:
    """It stands there by its name and with its actions, and the formula is kept for us."""
    metrics = [{"Id": "e", "Expression": "1"}]
    template = {
        "Resources": {
            "Math": {"Type": "AWS::CloudWatch::Alarm", "Properties": {"Metrics": metrics, "AlarmActions": ["topic"]}},
            "Plain": {"Type": "AWS::CloudWatch::Alarm", "Properties": dict(PARKED)},
        }
    }
    assert take_formulas(template) == {"Math": metrics}
    left = template["Resources"]["Math"]["Properties"]
    assert (left["AlarmActions"], left["MetricName"], "Metrics" in left) == (["topic"], "Math", False)
    assert template["Resources"]["Plain"]["Properties"] == PARKED


def test_alarms_are_judged_though_nobody_looks_at_the_page() -> None:
    """So that `mlc doctor` in a second terminal knows of them; a look that fails is followed by the next one."""
    looked = threading.Event()
    looks: list[int] = []

    class Judge:
        def states(self) -> list[dict[str, Any]]:
            looks.append(len(looks))
            if len(looks) == 1:
                raise OSError("the local AWS is restarting")
            looked.set()
            return []

    with judging(Judge(), every=0.001):
        assert looked.wait(5)
    assert not [each for each in threading.enumerate() if each.name == "alarms"]
