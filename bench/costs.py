"""What a stack costs a month: list prices times what the code uses. `python -m bench.costs` prints the table.

Counted: a test compares it with what the functions do. Assumed: nobody has measured it on AWS; take your own bill's.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from scripts.expand_template import ROOT, read

PAGE = ROOT / "docs" / "costs.md"
MILLION, GB, HOURS, MINUTES = 1e6, 1e9, 730, 43_800

PRICES = {
    "HTTP API, million calls": (1.00, "https://www.apigatewaycost.com/aws"),
    "Lambda, million calls": (0.20, "https://cloudchipr.com/blog/aws-lambda-pricing"),
    "Lambda arm64, million GB-seconds": (13.3334, "https://cloudchipr.com/blog/aws-lambda-pricing"),
    "SQS FIFO, million requests": (0.50, "https://cloudburn.io/blog/amazon-sqs-pricing"),
    "DynamoDB, million write units": (0.625, "https://airbyte.com/data-engineering-resources/dynamodb-pricing"),
    "DynamoDB, million read units": (0.125, "https://airbyte.com/data-engineering-resources/dynamodb-pricing"),
    "DynamoDB, GB-month": (0.25, "https://aws.amazon.com/dynamodb/pricing/"),
    "DynamoDB backup (PITR), GB-month": (0.20, "https://finops.com.py/services/dynamodb/backups"),
    "CloudWatch logs, GB taken in": (
        0.50,
        "https://www.factualminds.com/blog/amazon-cloudwatch-pricing-metrics-logs-alarms-dashboards/",
    ),
    "CloudWatch metric": (0.30, "https://signoz.io/guides/cloudwatch-pricing"),
    "CloudWatch alarm, metric that it looks at": (0.10, "https://c3x.dev/resources/aws/aws_cloudwatch_metric_alarm"),
    "CloudWatch dashboard": (
        3.00,
        "https://www.factualminds.com/blog/amazon-cloudwatch-pricing-metrics-logs-alarms-dashboards/",
    ),
    "X-Ray, million traces": (5.00, "https://aws.amazon.com/xray/pricing/"),
    "KMS key": (1.00, "https://www.wring.co/blog/aws-kms-pricing-guide"),
    "KMS, 10,000 requests": (0.03, "https://www.wring.co/blog/aws-kms-pricing-guide"),
    "Secret": (0.40, "https://hivebook.wiki/wiki/aws-secrets-manager-rotated-secrets-dynamic-db-credentials-kms"),
    "Secrets Manager, 10,000 calls": (
        0.05,
        "https://hivebook.wiki/wiki/aws-secrets-manager-rotated-secrets-dynamic-db-credentials-kms",
    ),
    "EventBridge Scheduler, million calls": (1.00, "https://cloudburn.io/blog/amazon-eventbridge-pricing"),
    "Data out, GB": (0.09, "https://awsforengineers.com/blog/aws-api-gateway-pricing-explained"),
}
"""US dollars in us-east-1, and where they were read on 2026-11-22: AWS's own pages show most by script only."""

COUNTED = {
    "DynamoDB write units of a Teams delivery": 10,
    "DynamoDB write units of a monday delivery with subitems": 13,
    "DynamoDB read units of a delivery": 1,
    "SQS requests of an event": 1,
    "SQS requests of a delivery": 2,
    "kB of a delivery's audit entry": 1,
    "kB of a delivery's row": 1,
    "Secrets of a connection": 6,
    "Kinds of tokens of a connection": 3,
}
ASSUMED = {
    "Milliseconds of ingest": 50,
    "Milliseconds of a delivery": 600,
    "Milliseconds of a scheduled run": 200,
    "Milliseconds of a connection's turn of reconcile": 3_000,
    "kB of log for an event": 2.5,
    "kB of log for a delivery": 2.5,
    "kB sent out by a delivery": 6,
    "Events of one record": 3,
    "Custom metrics": 90,
}
DELIVERIES = 2
"""Of each event: one card in Teams and one item on monday."""
ZOHO_WEBHOOKS = 30_000
"""Webhooks of one organization a month: Zoho sends 1,000 a day (contracts: zoho-books 1.8)."""
SCALES = (10_000, 1_000_000, 100_000_000)
_MEMORY = 0.5
"""GB of a function."""
_IDLE_RECEIVES = 5 * 3 * MINUTES
"""Of an empty queue: five readers, each asking for twenty seconds."""
_SCHEDULED = 2 * MINUTES + HOURS
"""Runs of the three schedules."""
_TURNS = 4 * HOURS
"""Of reconcile, for each connection."""
_MONTHS = 12
"""That audit entries have gathered; they expire after 400 days."""


@dataclass(frozen=True)
class Month:
    """One month's use."""

    events: int

    @property
    def connections(self) -> int:
        """As many organizations as Zoho's own limit of webhooks asks for."""
        return math.ceil(self.events / ZOHO_WEBHOOKS)

    @property
    def deliveries(self) -> int:
        return self.events * DELIVERIES

    def lines(self) -> Iterator[tuple[str, float]]:
        """What the bill says, in US dollars."""
        yield "HTTP API", self.events / MILLION * _price("HTTP API, million calls")
        yield "Lambda", self._lambda()
        yield "SQS", self._sqs()
        yield "DynamoDB: reads and writes", self._units()
        yield "DynamoDB: storage and backup", self._storage()
        yield "CloudWatch: logs", self._logs()
        yield "CloudWatch: metrics, alarms, dashboard", self._watching()
        yield "X-Ray", sum(map(_traced, self._calls())) / MILLION * _price("X-Ray, million traces")
        yield "KMS, Secrets Manager", self._secrets()
        yield "EventBridge Scheduler", _SCHEDULED / MILLION * _price("EventBridge Scheduler, million calls")
        sent = self.deliveries * ASSUMED["kB sent out by a delivery"] * 1e3
        yield "Data out", sent / GB * _price("Data out, GB")

    def _calls(self) -> tuple[float, ...]:
        return self.events, self.deliveries, _SCHEDULED

    def _lambda(self) -> float:
        seconds = (
            self.events * ASSUMED["Milliseconds of ingest"]
            + self.deliveries * ASSUMED["Milliseconds of a delivery"]
            + _SCHEDULED * ASSUMED["Milliseconds of a scheduled run"]
            + self.connections * _TURNS * ASSUMED["Milliseconds of a connection's turn of reconcile"]
        ) / 1e3
        calls = sum(self._calls()) / MILLION * _price("Lambda, million calls")
        return calls + seconds * _MEMORY / MILLION * _price("Lambda arm64, million GB-seconds")

    def _sqs(self) -> float:
        requests = (
            self.events * COUNTED["SQS requests of an event"]
            + self.deliveries * COUNTED["SQS requests of a delivery"]
            + _IDLE_RECEIVES
        )
        return requests / MILLION * _price("SQS FIFO, million requests")

    def _units(self) -> float:
        writes = self.events * (
            COUNTED["DynamoDB write units of a Teams delivery"]
            + COUNTED["DynamoDB write units of a monday delivery with subitems"]
        )
        reads = self.deliveries * COUNTED["DynamoDB read units of a delivery"] + _SCHEDULED
        units = writes * _price("DynamoDB, million write units") + reads * _price("DynamoDB, million read units")
        return units / MILLION

    def _storage(self) -> float:
        audit = self.deliveries * _MONTHS * COUNTED["kB of a delivery's audit entry"]
        rows = self.deliveries / ASSUMED["Events of one record"] * _MONTHS * COUNTED["kB of a delivery's row"]
        stored = (3 * audit + rows) * 1e3  # an entry stands in two indexes, too
        backed_up = (audit + rows) * 1e3
        return stored / GB * _price("DynamoDB, GB-month") + backed_up / GB * _price("DynamoDB backup (PITR), GB-month")

    def _logs(self) -> float:
        kilobytes = (
            self.events * ASSUMED["kB of log for an event"]
            + (self.deliveries + _SCHEDULED) * ASSUMED["kB of log for a delivery"]
        )
        return kilobytes * 1e3 / GB * _price("CloudWatch logs, GB taken in")

    def _watching(self) -> float:
        return (
            ASSUMED["Custom metrics"] * _price("CloudWatch metric")
            + alarm_metrics() * _price("CloudWatch alarm, metric that it looks at")
            + _price("CloudWatch dashboard")
        )

    def _secrets(self) -> float:
        """A token lives an hour; each renewal reads and writes its secret. Every call is one to KMS, too."""
        secrets = self.connections * COUNTED["Secrets of a connection"] + 1
        calls = self.connections * (COUNTED["Kinds of tokens of a connection"] * HOURS * 2 + _TURNS)
        per_call = _price("Secrets Manager, 10,000 calls") + _price("KMS, 10,000 requests")
        return _price("KMS key") + secrets * _price("Secret") + calls / 10_000 * per_call


def _price(name: str) -> float:
    return PRICES[name][0]


def _traced(calls: float) -> float:
    """X-Ray's own rule: one call a second, and five in a hundred of the others."""
    free = min(calls, HOURS * 3600)
    return free + (calls - free) * 0.05


def alarm_metrics() -> int:
    """Metrics that the template's alarms look at: that is what is billed."""
    resources = [each for each in read()["Resources"].values() if each["Type"] == "AWS::CloudWatch::Alarm"]
    looked_at = (each["Properties"].get("Metrics", [{"MetricStat": {}}]) for each in resources)
    return sum("MetricStat" in metric for metrics in looked_at for metric in metrics)


# --- the page --------------------------------------------------------------------------------------------------------


def table() -> str:
    """A month's bill at three scales, as Markdown."""
    months = [Month(events) for events in SCALES]
    bills = [dict(month.lines()) for month in months]
    totals = [sum(bill.values()) for bill in bills]
    rows = [
        ("events a month", *(f"{month.events:,}" for month in months)),
        ("Zoho organizations that this takes", *(f"{month.connections:,}" for month in months)),
        *((name, *(_dollars(bill[name]) for bill in bills)) for name in bills[0]),
        ("**a month**", *(f"**{_dollars(total)}**" for total in totals)),
        ("per 1,000 events", *(_dollars(total / events * 1000) for total, events in zip(totals, SCALES, strict=True))),
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in (rows[0], ("---", *("---:",) * len(SCALES)), *rows[1:]))


def _dollars(amount: float) -> str:
    return f"${amount:,.0f}" if amount >= 100 else f"${amount:,.2f}"


def _numbers(of: Mapping[str, float]) -> str:
    return "\n".join(["| | |", "| --- | ---: |", *(f"| {name} | {value:,.10g} |" for name, value in of.items())])


def _prices() -> str:
    rows = (f"| {name} | ${price:.10g} | [{urlsplit(url).netloc}]({url}) |" for name, (price, url) in PRICES.items())
    return "\n".join(["| | price | read at |", "| --- | ---: | --- |", *rows])


def page(text: str) -> str:
    """docs/costs.md with its tables made anew: each stands between two comments."""
    made = {"bill": table(), "prices": _prices(), "counted": _numbers(COUNTED), "assumed": _numbers(ASSUMED)}
    parts = re.split(r"(<!-- (\w+) -->\n).*?(<!-- end -->)", text, flags=re.S)
    # In turns: text, first comment, its name, last comment.
    for at in range(1, len(parts), 4):
        parts[at + 1] = f"{made[parts[at + 1]]}\n"
    return "".join(parts)


if __name__ == "__main__":
    print(table())
