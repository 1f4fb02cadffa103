"""The template's alarms, judged by what the local stack has: CloudWatch's part of the sandbox.

alarms = Alarms(stack)
alarms.states()    # [{"name": "ParkedAlarm", "state": "ok", "value": 0.0, ...}, ...]
"""

from __future__ import annotations

import logging
import operator
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import fmean, quantiles
from typing import Any, Protocol

from sandbox.metric_math import NotUnderstood, Series
from sandbox.metric_math import value as formula
from sandbox.metrics import Metric, Metrics, Point, Stack

KEPT_SECONDS = 2.0
"""So long an answer is given again: several open pages cost no more than one."""
NO_DATA = "no data"

_log = logging.getLogger(__name__)
_STATES = {"ok": "OK", "alarm": "ALARM", NO_DATA: "INSUFFICIENT_DATA"}
_COMPARISONS: dict[str, tuple[str, Callable[[float, float], bool]]] = {
    "GreaterThanThreshold": (">", operator.gt),
    "GreaterThanOrEqualToThreshold": ("≥", operator.ge),
    "LessThanThreshold": ("<", operator.lt),
    "LessThanOrEqualToThreshold": ("≤", operator.le),
}


class Alarms:
    """The alarms of a deployed stack. `states` may be called from any thread."""

    def __init__(self, stack: Stack, metrics: Metrics | None = None, clock: Callable[[], float] = time.time) -> None:
        self._stack, self._clock = stack, clock
        self._metrics = metrics or Metrics(stack, clock)
        self._alarms = [
            Alarm.of(name, stack.deployment.properties(name), stack.deployment.value)
            for name in stack.deployment.of_type("AWS::CloudWatch::Alarm")
        ]
        self._lock = threading.Lock()
        self._looked, self._found = float("-inf"), list[dict[str, Any]]()

    def states(self) -> list[dict[str, Any]]:
        """In the template's order: `{name, alarm, about, state, metric, value, comparison, threshold, runbook}`.

        name: logical id, the runbook's heading; alarm: CloudWatch's name; state: "ok", "alarm", or "no data" where
        nobody measures it here; value: of the newest period that has one, or None; comparison: ">" where more than the
        threshold is bad. The local CloudWatch is told of each change, so `describe_alarms` says the same.
        """
        with self._lock:
            if self._clock() - self._looked >= KEPT_SECONDS:
                self._metrics.look()
                before = {each["name"]: each["state"] for each in self._found}
                self._found = [
                    each.judged(self._metrics, self._clock(), before.get(each.name, NO_DATA)) for each in self._alarms
                ]
                self._tell(before)
                self._looked = self._clock()
            return [dict(each) for each in self._found]

    def _tell(self, before: Mapping[str, str]) -> None:
        cloudwatch = self._stack.client("cloudwatch")
        for each in self._found:
            if each["state"] != before.get(each["name"]):
                cloudwatch.set_alarm_state(
                    AlarmName=each["alarm"],
                    StateValue=_STATES[each["state"]],
                    StateReason=f"{each['metric']} is {each['value']} here",
                )


class Judge(Protocol):
    def states(self) -> list[dict[str, Any]]: ...


@contextmanager
def judging(alarms: Judge, every: float = 5.0) -> Iterator[None]:
    """Meanwhile the alarms are judged though no page is open, so that the local CloudWatch knows. `every`: seconds."""
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(every):
            try:
                alarms.states()
            except Exception as error:  # a local AWS in trouble; the next look tries again
                _log.warning("the alarms cannot be judged: %s", type(error).__name__)

    thread = threading.Thread(target=run, name="alarms", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=10)


@dataclass(frozen=True)
class Query:
    """One line of an alarm's `Metrics`: either `metric` with its statistic, or an `expression` over other lines."""

    id: str
    expression: str = ""
    metric: Metric | None = None
    statistic: str = ""
    period: int = 60
    label: str = ""
    """What people read instead of an expression."""


@dataclass(frozen=True)
class Alarm:
    name: str
    alarm: str
    about: str
    queries: tuple[Query, ...]
    """The last one is what is compared."""
    threshold: float | None
    comparison: str
    evaluated: int
    needed: int
    """So many of the `evaluated` newest periods must breach."""
    missing: str
    """How a period without data counts: breaching, notBreaching, ignore, missing."""

    @classmethod
    def of(cls, name: str, properties: Mapping[str, Any], value: Callable[[Any], Any]) -> Alarm:
        """From the template's properties; `value` resolves its expressions."""
        evaluated = int(properties["EvaluationPeriods"])
        threshold = properties.get("Threshold")
        return cls(
            name=name,
            alarm=str(value(properties["AlarmName"])),
            about=str(value(properties.get("AlarmDescription", ""))),
            queries=_queries(properties, value),
            threshold=None if threshold is None else float(value(threshold)),
            comparison=properties["ComparisonOperator"],
            evaluated=evaluated,
            needed=int(properties.get("DatapointsToAlarm", evaluated)),
            missing=properties.get("TreatMissingData", "missing"),
        )

    def judged(self, metrics: Metrics, now: float, before: str) -> dict[str, Any]:
        """What `Alarms.states` says of it. `before`: its state so far, which stays where missing data is ignored."""
        series = self._series(metrics, now)
        compared = self.queries[-1]
        sign, compare = _COMPARISONS.get(self.comparison, ("", None))
        threshold, state = self.threshold, NO_DATA
        if series is not None and compare is not None and threshold is not None:
            breaching = [None if each is None else compare(each, threshold) for each in series]
            state = self._state(breaching, before)
        return {
            "name": self.name,
            "alarm": self.alarm,
            "about": self.about,
            "state": state,
            "metric": compared.metric.name if compared.metric else compared.label,
            "value": next((each for each in series or () if each is not None), None),
            "comparison": sign,
            "threshold": threshold,
            "runbook": f"docs/runbook.md#{self.name.lower()}",
        }

    def _state(self, breaching: Sequence[bool | None], before: str) -> str:
        filled = {"breaching": True, "notBreaching": False}.get(self.missing)
        judged = [filled if each is None else each for each in breaching]
        if all(each is None for each in judged):
            return before if self.missing == "ignore" else NO_DATA
        return "alarm" if judged.count(True) >= self.needed else "ok"

    def _series(self, metrics: Metrics, now: float) -> Series | None:
        """The compared value of the newest periods, the newest first; None where that cannot be known here."""
        known: dict[str, Series] = {}
        for each in self.queries:
            if each.metric is None:
                try:
                    known[each.id] = formula(each.expression, known, [one.id for one in self.queries if one.metric])
                except NotUnderstood:
                    return None
                continue
            points = metrics.points(each.metric)
            if points is None or not _known(each.statistic):
                return None
            known[each.id] = periods(points, each.statistic, each.period, self.evaluated, now)
        return known[self.queries[-1].id]


def _queries(properties: Mapping[str, Any], value: Callable[[Any], Any]) -> tuple[Query, ...]:
    def metric(of: Mapping[str, Any]) -> Metric:
        dimensions = frozenset((each["Name"], str(value(each["Value"]))) for each in of.get("Dimensions", ()))
        return Metric(str(value(of["Namespace"])), of["MetricName"], dimensions)

    if "Metrics" not in properties:
        statistic = properties.get("Statistic") or properties.get("ExtendedStatistic", "")
        return (Query("m", metric=metric(properties), statistic=statistic, period=int(properties["Period"])),)
    queries, compared = list[Query](), list[Query]()
    for each in properties["Metrics"]:
        if "Expression" in each:
            expression = str(value(each["Expression"]))
            query = Query(each["Id"], expression=expression, label=each.get("Label", expression))
        else:
            stat = each["MetricStat"]
            query = Query(each["Id"], metric=metric(stat["Metric"]), statistic=stat["Stat"], period=int(stat["Period"]))
        (compared if each.get("ReturnData", True) else queries).append(query)
    # What is measured comes first: an expression may name a metric that stands behind it.
    queries.sort(key=lambda query: bool(query.expression))
    return (*queries, *compared)


def periods(points: Sequence[Point], statistic: str, seconds: int, count: int, now: float) -> Series:
    """The statistic of the `count` newest periods up to `now`, the newest first; None for one without points."""
    found: list[list[float]] = [[] for _ in range(count)]
    for point in points:
        # What is measured while we look belongs to the newest.
        index = int(max(0.0, now - point.at) // seconds)
        if index < count:
            found[index].append(point.value)
    return [_statistic(statistic, values) if values else None for values in found]


def _known(statistic: str) -> bool:
    return statistic in _STATISTICS or re.fullmatch(r"p\d\d(\.\d)?", statistic) is not None


def _statistic(name: str, values: list[float]) -> float:
    if name in _STATISTICS:
        return _STATISTICS[name](values)
    if len(values) == 1:
        return values[0]
    return quantiles(values, n=1000, method="inclusive")[round(float(name[1:]) * 10) - 1]


_STATISTICS: dict[str, Callable[[list[float]], float]] = {
    "Sum": sum,
    "Average": fmean,
    "Minimum": min,
    "Maximum": max,
    "SampleCount": lambda values: float(len(values)),
}
