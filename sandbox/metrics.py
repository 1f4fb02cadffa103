"""What CloudWatch would have measured on the local stack: the functions' own metrics, their calls, and the queues.

Own metrics come from the EMF lines of the functions' logs, as in AWS; what the services measure there by themselves is
read from the local services. Everything else nobody measures here, and it is said to be so.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from botocore.exceptions import ClientError

from sandbox.aws.host import Call


class Point(NamedTuple):
    at: float
    """Seconds since 1970."""
    value: float


class Metric(NamedTuple):
    """A metric as CloudWatch knows it: the same name with other dimensions is another metric."""

    namespace: str
    name: str
    dimensions: frozenset[tuple[str, str]]


class Stack(Protocol):
    """What is needed of `sandbox.aws.LocalStack`."""

    deployment: Any

    def client(self, service: str) -> Any: ...
    def records(self, name: str) -> list[dict[str, Any]]: ...
    def calls(self, name: str) -> list[Call]: ...


_QUEUE = {
    "ApproximateNumberOfMessagesVisible": "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible": "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed": "ApproximateNumberOfMessagesDelayed",
}
"""CloudWatch's name -> the queue's attribute."""
_CALLS: Mapping[str, Callable[[Call], float]] = {
    "Invocations": lambda call: float(not call.throttled),
    "Errors": lambda call: float(call.failed),
    "Throttles": lambda call: float(call.throttled),
    "Duration": lambda call: call.took,
}
_MINUTE = 60


class Metrics:
    """One look at a time: `look()`, then `points(metric)`."""

    def __init__(self, stack: Stack, clock: Callable[[], float] = time.time) -> None:
        self._stack, self._clock = stack, clock
        self._own: dict[Metric, list[Point]] = {}
        self._queues: dict[Metric, dict[int, Point]] = defaultdict(dict)

    def look(self) -> None:
        """Reads what the functions have told since they run."""
        self._own = defaultdict(list)
        for name in self._stack.deployment.of_type("AWS::Lambda::Function"):
            for line in self._stack.records(name):
                for metric, point in emf(line):
                    self._own[metric].append(point)

    def points(self, metric: Metric) -> list[Point] | None:
        """In any order; [] if it was not told so far, None if nobody measures it here."""
        if metric.namespace == "AWS/SQS":
            return self._queue(metric)
        if metric.namespace == "AWS/Lambda":
            return self._function(metric)
        return None if metric.namespace.startswith("AWS/") else self._own.get(metric, [])

    def _queue(self, metric: Metric) -> list[Point] | None:
        """A queue tells CloudWatch its state once a minute: the newest look is that of its minute."""
        match sorted(metric.dimensions), _QUEUE.get(metric.name):
            case [("QueueName", name)], str(attribute):
                sqs = self._stack.client("sqs")
                try:
                    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
                except ClientError:
                    return None
                value = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[attribute])["Attributes"][attribute]
                seen, minute = self._queues[metric], int(self._clock() // _MINUTE)
                seen[minute] = Point(minute * _MINUTE, float(value))
                return list(seen.values())
        return None

    def _function(self, metric: Metric) -> list[Point] | None:
        match sorted(metric.dimensions), _CALLS.get(metric.name):
            case [("FunctionName", name)], figure if figure:
                try:
                    return [Point(call.at, figure(call)) for call in self._stack.calls(name)]
                except KeyError:
                    return None
        return None


def emf(line: Mapping[str, Any]) -> Iterator[tuple[Metric, Point]]:
    """The metrics of a line of a log in the embedded metric format; none of any other line.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    told = line.get("_aws", {})
    for directive in told.get("CloudWatchMetrics", []):
        for names in directive["Dimensions"]:
            dimensions = frozenset((name, str(line[name])) for name in names)
            for each in directive["Metrics"]:
                values = line.get(each["Name"], [])
                for value in values if isinstance(values, list) else [values]:
                    metric = Metric(directive["Namespace"], each["Name"], dimensions)
                    yield metric, Point(told["Timestamp"] / 1000, float(value))
