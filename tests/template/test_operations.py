"""What tells of trouble: alarms, the dashboard, saved queries and the metrics that they look at (docs/metrics.md)."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from functions.delivery.app import METRICS
from scripts.expand_template import ROOT, Template, logical_id

RUNBOOK = (ROOT / "docs/runbook.md").read_text(encoding="utf-8")
METRICS_PAGE = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
PACKAGE = ROOT / "layers/shared/ml_connector"
FUNCTIONS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/app.py"))
OWN = "MlConnector/${AWS::StackName}"
AWS: Mapping[str, Mapping[tuple[str, ...], set[str]]] = {
    "AWS/SQS": {
        ("QueueName",): {
            "ApproximateNumberOfMessagesVisible", "ApproximateNumberOfMessagesNotVisible",
            "ApproximateAgeOfOldestMessage", "NumberOfMessagesSent", "NumberOfMessagesReceived",
            "NumberOfMessagesDeleted", "NumberOfEmptyReceives",
        }
    },
    "AWS/Lambda": {("FunctionName",): {"Errors", "Throttles", "Invocations", "Duration"}},
    "AWS/ApiGateway": {("ApiId",): {"5xx", "4xx", "Count", "Latency"}},
    "AWS/DynamoDB": {
        ("TableName",): {"ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits"},
        ("GlobalSecondaryIndexName", "TableName"): {"ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits"},
    },
    "AWS/Logs": {("LogGroupName",): {"IncomingBytes"}},
}  # fmt: skip
"""What AWS counts by which dimensions, as far as we look at it. An HTTP API's are 4xx and 5xx, a REST API's are not."""
KINDS = {
    "QueueName": "AWS::SQS::Queue",
    "FunctionName": "AWS::Serverless::Function",
    "ApiId": "AWS::Serverless::HttpApi",
    "TableName": "AWS::DynamoDB::Table",
    "LogGroupName": "AWS::Logs::LogGroup",
}


class Looked(NamedTuple):
    """A metric that somebody looks at. `where` names who; values are as the template writes them."""

    where: str
    namespace: str
    name: str
    dimensions: Mapping[str, str]


def resources(template: Template, kind: str) -> dict[str, dict[str, Any]]:
    return {name: each["Properties"] for name, each in template["Resources"].items() if each["Type"] == kind}


def alarms(template: Template) -> dict[str, dict[str, Any]]:
    return resources(template, "AWS::CloudWatch::Alarm")


def text(value: Any) -> str:
    """A value of the template as `Fn::Sub` writes it."""
    match value:
        case {"Ref": str(name)}:
            return f"${{{name}}}"
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            return f"${{{name}.{attribute}}}"
        case {"Fn::Sub": str(written)}:
            return written
    return str(value)


def by_alarms(template: Template) -> Iterator[Looked]:
    for name, alarm in alarms(template).items():
        stated = [alarm] if "MetricName" in alarm else []
        stated += [each["MetricStat"]["Metric"] for each in alarm.get("Metrics", []) if "MetricStat" in each]
        assert stated, name
        for each in stated:
            dimensions = {one["Name"]: text(one["Value"]) for one in each["Dimensions"]}
            yield Looked(name, text(each["Namespace"]), each["MetricName"], dimensions)


def body(template: Template) -> dict[str, Any]:
    """The dashboard, its numbers filled in."""
    written, values = template["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    for name in values:
        written = written.replace(f"${{{name}}}", "0.0000133334")
    found: dict[str, Any] = json.loads(written)
    return found


def lines(template: Template) -> Iterator[tuple[str, list[str], dict[str, Any]]]:
    """Of each line of a widget: the widget's title, its words, and how it is drawn."""
    for widget in body(template)["widgets"]:
        for line in widget["properties"].get("metrics", []):
            options = line[-1] if isinstance(line[-1], dict) else {}
            yield widget["properties"]["title"], [word for word in line if isinstance(word, str)], options


def by_dashboard(template: Template) -> Iterator[Looked]:
    for title, words, options in lines(template):
        if words:
            namespace, name, *dimensions = words
            yield Looked(title, namespace, name, dict(zip(dimensions[::2], dimensions[1::2], strict=True)))
        for space, names, metric in re.findall(
            r"""\{"?([\w/${}:.]+)"?,([\w,]+)\} MetricName="(\w+)\"""", options.get("expression", "")
        ):
            yield Looked(title, space, metric, dict.fromkeys(names.split(","), "*"))


# --- what the code counts -----------------------------------------------------------------------------------------


def outcomes() -> set[str]:
    """Of deliveries: what any `Result` of the package may be called, and any step of a feed."""
    code = "\n".join(path.read_text(encoding="utf-8") for path in PACKAGE.glob("*.py"))
    return set(re.findall(r'\bResult\(\s*"(\w+)"', code)) | {"delivered", "accepted"}


def counted() -> set[tuple[str, str, tuple[str, ...]]]:
    """Function (`*` for any that uses the module), name and dimensions of every metric, from the calls that make it."""
    found = set()
    files = [(path.parent.name, path) for path in (ROOT / "functions").glob("*/app.py")]
    files += [("*", path) for path in PACKAGE.rglob("*.py")]
    for service, path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            name = (
                node.args[0] if node.args else next((each.value for each in node.keywords if each.arg == "name"), None)
            )
            if called not in ("add_metric", "single_metric", "_by_vendor") or name is None:
                continue
            by = {"_by_vendor": ("service", "vendor"), "add_metric": ("service",)}.get(called) or _added(path)
            for each in _names(service, name):
                found.add((service, each, by))
    return found


def _names(service: str, name: ast.expr) -> set[str]:
    if isinstance(name, ast.Constant):
        return {str(name.value)}
    if isinstance(name, ast.Name):  # _by_vendor's own parameter: told by its callers
        return set()
    if service == "delivery":
        return {METRICS.get(each, f"Deliveries{each.capitalize()}") for each in outcomes()} | set(METRICS.values())
    assert service == "refresh_tokens", f"{service}: {ast.unparse(name)} is a name that this test cannot read"
    return {f"Tokens{each.capitalize()}" for each in ("refreshed", "failed", "waiting", "faulted")}


def _added(path: Path) -> tuple[str, ...]:
    """Dimensions of a file's single metrics; ingest's are those of the place where a call came in."""
    named = set(re.findall(r'add_dimension\("(\w+)"', path.read_text(encoding="utf-8")))
    return tuple(sorted({"service", *(named or {"connection", "endpoint"})}))


def documented() -> dict[str, tuple[str, set[tuple[str, ...]]]]:
    """Name -> who counts it and by what, of the page's table."""
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]+) \| ([^|]+) \|", METRICS_PAGE, re.M)
    return {
        name: (service.strip(), {tuple(sorted(("service", *re.findall(r"`(\w+)`", one)))) for one in by.split(";")})
        for name, _, service, by in rows
    }


def test_every_metric_is_on_the_page_as_it_is_counted() -> None:
    """Names and dimensions are public: none is counted that the page does not tell of, none is told of in vain."""
    code: dict[str, set[tuple[str, ...]]] = {}
    for _, name, by in counted():
        code.setdefault(name, set()).add(by)
    assert code == {name: by for name, (_, by) in documented().items()}


def test_page_says_who_counts() -> None:
    """The function's name is the value of the dimension `service`."""
    services = {name: {service for service, each, _ in counted() if each == name} for name in documented()}
    said = {name: {service} for name, (service, _) in documented().items()}
    several = {name for name, who in services.items() if who == {"*"}}
    assert {name: who for name, who in said.items() if name not in several} == {
        name: who for name, who in services.items() if name not in several
    }
    assert all(said[name] <= {"several", *FUNCTIONS} for name in several)


@pytest.mark.parametrize("look", [by_alarms, by_dashboard])
def test_what_is_looked_at_is_counted(source: Template, look: Any) -> None:
    """By name and by its very dimensions: of a typo CloudWatch says nothing, and the alarm is always OK."""
    known = {(service, name, tuple(sorted(by))) for service, name, by in counted()}
    looked = list(look(source))
    assert len(looked) > 10
    for each in looked:
        if each.namespace != OWN:
            assert each.name in AWS[each.namespace][tuple(sorted(each.dimensions))], each
            continue
        by = tuple(sorted(each.dimensions))
        services = FUNCTIONS if each.dimensions["service"] == "*" else [each.dimensions["service"]]
        assert any((one, each.name, by) in known for one in (*services, "*")), each


@pytest.mark.parametrize("look", [by_alarms, by_dashboard])
def test_what_is_looked_at_is_of_this_stack(source: Template, look: Any) -> None:
    """A queue, a function, a table of the template, of the right kind, and by what CloudWatch calls it."""
    for each in look(source):
        for name, value in each.dimensions.items():
            if name in KINDS:
                logical, _, attribute = value.removeprefix("${").removesuffix("}").partition(".")
                assert source["Resources"][logical]["Type"] == KINDS[name], each
                assert attribute == ("QueueName" if name == "QueueName" else ""), each
            elif name == "GlobalSecondaryIndexName":
                table = each.dimensions["TableName"].strip("${}")
                indexes = source["Resources"][table]["Properties"]["GlobalSecondaryIndexes"]
                assert value in {index["IndexName"] for index in indexes}, each


def test_dimensions_stay_few() -> None:
    """No metric is counted by record, delivery or anything else that grows with the business."""
    dimensions = {dimension for _, _, by in counted() for dimension in by}
    assert dimensions == {"service", "vendor", "connection", "endpoint"}
    by_endpoint = {name for _, name, by in counted() if "endpoint" in by or "connection" in by}
    assert by_endpoint == {"SignatureFailures"}, "only of a failed signature, at an address that was applied"


# --- alarms ------------------------------------------------------------------------------------------------------


def test_alarms_speak(source: Template) -> None:
    """There and back, with a sentence; and what it means that nobody has counted is said, not left to a default."""
    for name, alarm in alarms(source).items():
        assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": "AlarmsTopic"}], name
        assert alarm["TreatMissingData"] in ("notBreaching", "breaching"), name
        assert 40 < len(alarm["AlarmDescription"]) < 300, name


def test_alarms_are_in_the_runbook(source: Template) -> None:
    """Its heading is the alarm's logical name, and says what it means, what to check, how to fix it, how to see it."""
    parts = re.split(r"^## (.+)$", RUNBOOK, flags=re.M)
    chapters = dict(zip(parts[1::2], parts[2::2], strict=True))
    for name in alarms(source):
        asked = re.findall(r"^\*\*(Means|Check|Fix|Verify)\.\*\* \S", chapters[name], re.M)
        assert asked == ["Means", "Check", "Fix", "Verify"], name
    assert [name for name in chapters if name.endswith("Alarm") and name not in alarms(source)] == []


def test_alarms_of_formulas_are_whole(source: Template) -> None:
    """One formula is returned, of metrics that are there; nothing is counted twice."""
    for name, alarm in alarms(source).items():
        queries = alarm.get("Metrics", [])
        if not queries:
            continue
        returned = [each for each in queries if each.get("ReturnData", True)]
        assert len(returned) == 1, name
        ids = [each["Id"] for each in queries if "MetricStat" in each]
        used = set(re.findall(r"\b[a-z]\w*\b", returned[0]["Expression"]))
        assert used <= set(ids), name
        assert used == set(ids) or "METRICS()" in returned[0]["Expression"], name
        assert len(set(ids)) == len(ids) <= 10, name
        assert len({each["MetricStat"]["Period"] for each in queries if "MetricStat" in each}) == 1, name


def test_alarms_look_no_further_than_cloudwatch_does(source: Template) -> None:
    """A day for periods below an hour, a week for longer ones."""
    for name, alarm in alarms(source).items():
        periods = [alarm["Period"]] if "Period" in alarm else []
        periods += [each["MetricStat"]["Period"] for each in alarm.get("Metrics", []) if "MetricStat" in each]
        for period in periods:
            assert period % 60 == 0
            assert period * alarm["EvaluationPeriods"] <= (86_400 if period < 3600 else 7 * 86_400), name


def test_every_function_is_watched(source: Template) -> None:
    """One that is added is added to the alarm."""
    watched = {
        each.dimensions["FunctionName"].strip("${}")
        for each in by_alarms(source)
        if each.where == "FunctionErrorsAlarm" and each.name == "Errors"
    }
    assert watched == {logical_id(function) for function in FUNCTIONS}


# --- the dashboard -----------------------------------------------------------------------------------------------


def test_widgets_stand_beside_each_other(source: Template) -> None:
    """On a grid of 24 columns, none over another."""
    widgets = body(source)["widgets"]
    places = [(each["x"], each["y"], each["x"] + each["width"], each["y"] + each["height"]) for each in widgets]
    assert all(left >= 0 and right <= 24 for left, _, right, _ in places)
    for one, other in combinations(places, 2):
        apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
        assert apart, (one, other)


def test_dashboard_shows_every_alarm(source: Template) -> None:
    """By its ARN."""
    (widget,) = (each for each in body(source)["widgets"] if each["type"] == "alarm")
    assert sorted(widget["properties"]["alarms"]) == sorted(f"${{{name}.Arn}}" for name in alarms(source))


def test_formulas_of_the_dashboard_are_whole(source: Template) -> None:
    """Each id that a formula names is a line of its own widget, and each hidden line is one that a formula uses."""
    for widget in body(source)["widgets"]:
        options = [line[-1] for line in widget["properties"].get("metrics", []) if isinstance(line[-1], dict)]
        ids = [each["id"] for each in options if "id" in each]
        assert len(set(ids)) == len(ids)
        formulas = [
            each["expression"] for each in options if "expression" in each and "SEARCH" not in each["expression"]
        ]
        used = {word for formula in formulas for word in re.findall(r"\b[a-z]\w*\b", formula)}
        hidden = {each["id"] for each in options if each.get("visible") is False}
        assert used == hidden, widget["properties"].get("title")


def test_dashboard_and_queries_are_named_after_the_stack(source: Template) -> None:
    """Two stacks of one account have one each."""
    assert source["Resources"]["Dashboard"]["Properties"]["DashboardName"] == {"Ref": "AWS::StackName"}
    for query in resources(source, "AWS::Logs::QueryDefinition").values():
        assert query["Name"]["Fn::Sub"].startswith("${AWS::StackName}/")


def test_prices_go_with_the_processor(source: Template) -> None:
    """arm64 costs a fifth less, and the parameter says which it is."""
    values = source["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"][1]
    assert values == {"GbSecond": {"Fn::If": ["OnArm", "0.0000133334", "0.0000166667"]}}
    memory = {name: each["MemorySize"] for name, each in resources(source, "AWS::Serverless::Function").items()}
    prefixes = {"b_": 512, "s_": 256}
    for _, words, options in lines(source):
        if words[1:2] == ["Duration"]:
            assert memory[words[3].strip("${}")] == prefixes[options["id"][:2]], words


# --- logs and traces ---------------------------------------------------------------------------------------------


def test_saved_queries_ask_what_is_logged(source: Template) -> None:
    """Their groups are the stack's, and each field is one that some function writes."""
    queries = resources(source, "AWS::Logs::QueryDefinition")
    assert len(queries) == 3
    code = "\n".join((ROOT / "functions" / each / "app.py").read_text(encoding="utf-8") for each in FUNCTIONS)
    logged = {word for pair in re.findall(r'"(\w+)"[:\]]|\b(\w+)=', code) for word in pair if word}
    by_powertools = {"timestamp", "message", "level", "service"}
    for query in queries.values():
        assert all(source["Resources"][each["Ref"]]["Type"] == "AWS::Logs::LogGroup" for each in query["LogGroupNames"])
        asked = re.findall(r"^fields (.+)$|filter (\w+)|\bby (.+)$", query["QueryString"], re.M)
        fields = {field.strip(" @") for group in asked for part in group for field in part.split(",") if part}
        assert fields <= logged | by_powertools, fields - logged - by_powertools


def test_one_call_has_one_name_everywhere() -> None:
    """`correlation_id`, in every log line that knows it: whoever follows a call searches for one field."""
    for function in FUNCTIONS:
        code = (ROOT / "functions" / function / "app.py").read_text(encoding="utf-8")
        assert not re.findall(r'"call": |\bcall=', code), function


def test_tracing_is_active_and_costs_no_import(source: Template) -> None:
    """Lambda traces by itself; importing the X-Ray SDK takes 300 ms of every cold start."""
    assert source["Globals"]["Function"]["Tracing"] == "Active"
    for path in [*PACKAGE.rglob("*.py"), *(ROOT / "functions").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [each.name for each in node.names] if isinstance(node, ast.Import) else []
            assert not [each for each in names if "xray" in each or each.endswith("tracing")], path
    assert "xray" not in (ROOT / "locks/layer.txt").read_text(encoding="utf-8")


def test_a_look_at_what_is_parked_clears_no_alarm(source: Template) -> None:
    """Who lists or sends again hides all of it for that time: it waits for a person all the same."""
    looked = [each for each in by_alarms(source) if each.where == "ParkedAlarm"]
    assert {each.name for each in looked} == {
        "ApproximateNumberOfMessagesVisible", "ApproximateNumberOfMessagesNotVisible",
    }  # fmt: skip
    assert {each.dimensions["QueueName"] for each in looked} == {"${ParkedQueue.QueueName}"}
