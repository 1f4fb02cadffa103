"""`make bench`: what the bundle costs, measured on the deployed template in one run. A table, then one JSON line.

    --runs N      cold starts per function (7 at least)
    --events N    events of the throughput measurement

Figures are medians of this machine; compare the ratios, which come from the same run.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import os
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import requests
from rich.console import Console
from rich.table import Table

from bench.cold_start import ColdStart, Subject, floor, measure, medians
from ml_connector.config.apply import endpoint_id
from ml_connector.events import Delivery, Event
from ml_connector.records import read
from mlc.samples import sample
from sandbox.aws import BUILD
from sandbox.aws.runtime import FunctionSpec, Rie
from sandbox.session import Box, sandbox

LIMITS = {
    "ingest cold start / floor": 1.3,
    "ingest warm over its floor, ms": 3.0,
    "delivery cold start / floor": 1.6,
    "dependency layer, MB": 25.0,
    "ingest peak memory, MB": 128.0,
    "delivery peak memory, MB": 192.0,
    "webhook to both receipts, s": 1.0,
}

DELIVERIES = {"delivery": "ledger", "delivery to Teams": "finance"}
"""What is started: a delivery to monday and one to Teams. The slower start counts."""

_numbers = count(1)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--events", type=int, default=200)
    given = parser.parse_args()
    console = Console(highlight=False)
    with tempfile.TemporaryDirectory() as name, sandbox(progress=lambda step: console.print(f"· {step}")) as box:
        folder = Path(name)
        for vendor in ("zoho", "bot", "workflows", "monday"):
            box.zoho.limits(**{vendor: False})
        console.print("· cold starts")
        cold = _cold(box, folder, max(7, given.runs))
        console.print("· warm calls")
        warm = _warm(box, folder)
        console.print("· calls")
        calls = _calls(box)
        console.print("· latency and throughput")
        latency = _latency(box)
        speed = _throughput(box, given.events)
    figures = {
        "ingest cold start / floor": round(cold["ingest"].ratio(cold["ingest floor"]), 2),
        "ingest warm over its floor, ms": round(warm["ingest"] - warm["ingest floor"], 2),
        "delivery cold start / floor": round(max(cold[name].ratio(cold["delivery floor"]) for name in DELIVERIES), 2),
        "dependency layer, MB": round(_size(BUILD / "DependenciesLayer"), 1),
        "ingest peak memory, MB": round(max(cold["ingest"].rss_mb, warm["ingest rss"])),
        "delivery peak memory, MB": round(max(warm["delivery rss"], *(cold[name].rss_mb for name in DELIVERIES))),
        "webhook to both receipts, s": round(latency, 3),
    }
    others = {
        "ingest warm, ms": round(warm["ingest"], 2),
        "delivery warm, ms": round(warm["delivery"], 2),
        "shared layer, MB": round(_size(BUILD / "SharedLayer"), 2),
        "layers zipped, MB": round(sum(_zipped(BUILD / layer) for layer in ("DependenciesLayer", "SharedLayer")), 1),
        **speed,
        **calls,
    }
    _print(console, cold, figures, others)
    cold_data = {name: {key: round(value, 1) for key, value in vars(each).items()} for name, each in cold.items()}
    print(json.dumps({"cold": cold_data, "figures": figures, "others": others, "limits": LIMITS}))


# --- events ----------------------------------------------------------------------------------------------------------


def _payload(record: int) -> dict[str, Any]:
    now = datetime.now(UTC) + timedelta(seconds=record)
    return sample("invoice", f"{9_000_000_000_000 + record}", f"B{record:05}", now)


def _signed(box: Box, body: bytes) -> tuple[str, dict[str, str]]:
    """Path token and headers of a webhook `invoice.created` with this body."""
    endpoint = box.secrets.get(box.connection, "webhooks")["endpoints"][endpoint_id("invoice", "created")]
    signature = hmac.new(endpoint["secrets"][0].encode(), body, hashlib.sha256).hexdigest()
    return endpoint["token"], {"content-type": "application/json", "x-zoho-webhook-signature": signature}


def _http_event(box: Box) -> dict[str, Any]:
    body = json.dumps(_payload(next(_numbers)))
    token, headers = _signed(box, body.encode())
    return {
        "version": "2.0",
        "routeKey": "POST /webhooks/{source}/{token}",
        "rawPath": "/webhooks/zoho/x",
        "rawQueryString": "",
        "headers": headers,
        "pathParameters": {"source": "zoho", "token": token},
        "requestContext": {"requestId": "bench", "http": {"method": "POST"}},
        "body": body,
        "isBase64Encoded": False,
    }


def _queue_event(box: Box, destination: str = DELIVERIES["delivery"]) -> dict[str, Any]:
    payload = _payload(next(_numbers))["invoice"]
    record = read("invoice", payload)
    event = Event(
        connection=box.connection,
        module="invoice",
        record_id=record.id,
        action="created",
        version=record.version,
        origin="webhook",
        received_at="",
        correlation_id="bench",
        payload=payload,
    )
    delivery = Delivery(event, destination)
    now = str(int(time.time() * 1000))
    attributes = {
        "ApproximateReceiveCount": "1",
        "ApproximateFirstReceiveTimestamp": now,
        "SentTimestamp": now,
        "MessageGroupId": delivery.lane,
        "MessageDeduplicationId": delivery.id,
    }
    record_ = {
        "messageId": delivery.id,
        "receiptHandle": "bench",
        "body": delivery.to_json(),
        "attributes": attributes,
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:deliveries.fifo",
        "awsRegion": "us-east-1",
    }
    return {"Records": [record_]}


# --- calls -----------------------------------------------------------------------------------------------------------


def _calls(box: Box) -> dict[str, float]:
    """AWS calls of one event in intake and of one successful delivery, counted at the clients, caches warm."""
    for function in ("ingest", "delivery"):
        os.environ.update(box.stack.spec(function).environment)
    os.environ.update(box.stack.environment())
    from ml_connector import bootstrap
    from ml_connector.aws import clients
    from ml_connector.sources import Inbound

    counted: Counter[str] = Counter()

    def count(model: Any, params: dict[str, Any], **_: Any) -> None:
        table = (
            json.loads(params["body"]).get("TableName", "") if model.service_model.service_name == "dynamodb" else ""
        )
        counted[f"{model.name} limits" if table == os.environ["LIMITS_TABLE"] else model.name] += 1

    for client in (clients.dynamodb(), clients.sqs(), clients.secretsmanager()):
        client.meta.events.register("before-call", count)

    def receive() -> None:
        event = _http_event(box)
        path = event["pathParameters"]
        call = Inbound(path["source"], path["token"], "", event["headers"], event["body"].encode())
        bootstrap.intake().receive(call, "bench")

    def deliver() -> None:
        delivery = Delivery.from_json(_queue_event(box)["Records"][0]["body"])
        assert bootstrap.courier().carry(delivery).outcome == "delivered"

    found: dict[str, float] = {}
    with box.stack.paused("delivery"):
        for name, work in (("intake", receive), ("delivery", deliver)):
            work()
            counted.clear()
            work()
            found |= {f"{name}: {operation}": count for operation, count in sorted(counted.items())}
    return found


# --- measurements ----------------------------------------------------------------------------------------------------


def _floors(box: Box, folder: Path) -> dict[str, tuple[str, Subject]]:
    message = json.dumps(_payload(0))
    entry = {"Id": "0", "MessageBody": message, "MessageGroupId": "bench", "MessageDeduplicationId": "bench"}
    batch = {"QueueUrl": box.stack.outputs["DeliveriesQueueUrl"], "Entries": [entry]}
    key = {"pk": {"S": "bench"}, "sk": {"S": "bench"}}
    # Not the delivery table: the function may only query that one. The floor's call stays what it always was.
    read_row = {"TableName": box.stack.spec("delivery").environment["CONNECTIONS_TABLE"], "Key": key}
    return {
        "ingest": ("ingest floor", floor(box.stack.spec("ingest"), folder / "f1", "sqs", "send_message_batch", batch)),
        "delivery": (
            "delivery floor",
            floor(box.stack.spec("delivery"), folder / "f2", "dynamodb", "get_item", read_row),
        ),
    }


def _cold(box: Box, folder: Path, runs: int) -> dict[str, ColdStart]:
    """Each start gets an event of its own, so that none finds its work already done."""
    samples: dict[str, list[ColdStart]] = {}
    floors = _floors(box, folder)
    with box.stack.paused("delivery"):
        for turn in range(runs):
            subjects = {
                "ingest": Subject(box.stack.spec("ingest"), _http_event(box)),
                **{
                    name: Subject(box.stack.spec("delivery"), _queue_event(box, destination))
                    for name, destination in DELIVERIES.items()
                },
                **dict(floors.values()),
                **{
                    name: Subject(box.stack.spec(name), {})
                    for name in ("refresh_tokens", "renew_subscriptions", "reconcile")
                },
                "oauth": Subject(
                    box.stack.spec("oauth"), {"pathParameters": {"vendor": "nobody"}, "requestContext": {}}
                ),
            }
            order = list(subjects)
            for name in order if turn % 2 == 0 else reversed(order):
                samples.setdefault(name, []).append(measure({name: subjects[name]}, folder / "cold", 1)[name])
    made = Counter(each["destination"] for each in box.audit() if each["outcome"] == "delivered")
    assert all(made[to] == runs for to in DELIVERIES.values()), "a delivery failed: its time would mean nothing"
    return {name: medians(found) for name, found in samples.items()}


def _warm(box: Box, folder: Path, calls: int = 60, skip: int = 10) -> dict[str, float]:
    """Medians in ms, and the peak memory of both functions in MB. Function and floor take turns."""
    floors = _floors(box, folder)
    found: dict[str, float] = {}
    with box.stack.paused("delivery"):
        for name, events in (("ingest", _http_event), ("delivery", _queue_event)):
            label, base = floors[name]
            with _rie(box.stack.spec(name), folder) as subject, _rie(base.spec, folder) as other:
                times: dict[str, list[float]] = {name: [], label: []}
                for _ in range(calls):
                    for key, rie, event in ((name, subject, events(box)), (label, other, {})):
                        answer = rie.invoke(json.dumps(event).encode())
                        failed = isinstance(answer.value, dict) and answer.value.get("batchItemFailures")
                        assert not failed, "a delivery failed: its time would mean nothing"
                        times[key].append(rie.invoke_ms)
                found |= {key: median(each[skip:]) for key, each in times.items()}
                found[f"{name} rss"] = subject.rss_mb
    return found


def _rie(spec: FunctionSpec, folder: Path) -> Rie:
    return Rie(spec, folder / f"warm-{next(_numbers)}.log")


def _latency(box: Box, records: int = 15) -> float:
    """Median seconds from Zoho's sending to the later of the two receipts, one record at a time."""
    box.settled()
    found = []
    for _ in range(records):
        began = datetime.now(UTC)
        made = box.zoho.create(box.organization, "bill")["id"]
        box.settled()
        ends = [entry["at"] for entry in box.audit() if entry["record_id"] == made and entry["outcome"] == "delivered"]
        assert len(ends) == 2, "a delivery is missing"
        found.append((datetime.fromisoformat(max(ends)) - began).total_seconds())
    return median(found)


def _throughput(box: Box, events: int, clients: int = 8) -> dict[str, float]:
    """A burst of events over as many records, two destinations each."""
    bodies = [json.dumps(_payload(next(_numbers))).encode() for _ in range(events)]
    cpu, began = _cpu(), time.monotonic()

    def post(body: bytes) -> int:
        token, headers = _signed(box, body)
        return requests.post(
            f"{box.stack.webhook_url}/webhooks/zoho/{token}", data=body, headers=headers, timeout=60
        ).status_code

    with ThreadPoolExecutor(clients) as pool:
        assert set(pool.map(post, bodies)) == {202}, "a webhook was not accepted"
    assert box.settled(300), "deliveries are still under way"
    seconds = time.monotonic() - began
    return {
        "events per second": round(events / seconds, 1),
        "function CPU-seconds per 1,000 events": round((_cpu() - cpu) / events * 1000, 1),
    }


def _cpu() -> float:
    """CPU seconds of the functions' own processes so far."""
    return sum(sum(process.cpu_times()[:2]) for process in _functions())


def _functions() -> Iterator[psutil.Process]:
    for process in psutil.Process().children(recursive=True):
        try:
            if "awslambdaric" in process.cmdline() and "rie" not in process.name():
                yield process
        except psutil.Error:
            continue


def _size(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def _zipped(folder: Path) -> float:
    with tempfile.TemporaryFile() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in folder.rglob("*"):
                archive.write(path, path.relative_to(folder))
        return file.tell() / 1e6


def _print(console: Console, cold: dict[str, ColdStart], figures: dict[str, float], others: dict[str, float]) -> None:
    grid = Table("cold start (median)", "init ms", "first call ms", "wall ms", "peak MB", box=None)
    for name, each in cold.items():
        grid.add_row(name, *(f"{value:.0f}" for value in vars(each).values()))
    console.print(grid)
    grid = Table("figure", "measured", "limit", "", box=None)
    for name, value in figures.items():
        good = value <= LIMITS[name]
        grid.add_row(name, str(value), str(LIMITS[name]), "[green]reached[/]" if good else "[red]missed[/]")
    for name, value in others.items():
        grid.add_row(name, str(value))
    console.print(grid)


if __name__ == "__main__":
    main()
