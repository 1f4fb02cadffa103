"""The whole product on one machine: stand-ins, local AWS, the real template, and the example connection applied.

with sandbox() as box:
    box.zoho.create(box.organization, "invoices")
    box.settled()
    box.audit(), box.messages(), box.items()
"""

from __future__ import annotations

import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests

from ml_connector.aws.audit_table import AuditTable
from ml_connector.aws.connections_table import ConnectionsTable
from ml_connector.aws.secrets import SecretStore
from ml_connector.config.apply import apply, endpoint_id
from ml_connector.config.load import load
from ml_connector.modules import ACTIONS
from mlc import credentials
from mlc.credentials import Vendor
from sandbox.aws import BUILD, LocalStack, local_stack
from sandbox.aws.emulator import ROOT
from sandbox.aws.processes import free_port
from sandbox.vendors import default_world as world
from sandbox.vendors.client import Control

CONNECTION_FILE = ROOT / "connections" / "example.toml"


@dataclass
class Box:
    """A running sandbox. `zoho` plays the bookkeeper and looks into what the vendors were told."""

    stack: LocalStack
    zoho: Control
    connection: str
    connections: ConnectionsTable
    secrets: SecretStore
    trail: AuditTable

    organization: str = world.ZOHO_ORGANIZATION

    def settled(self, seconds: float = 60.0) -> bool:
        """Waits until no delivery is queued or under way; False if some still are after that time."""
        until = time.monotonic() + seconds
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        sqs = self.stack.client("sqs")
        while time.monotonic() < until:
            answer = sqs.get_queue_attributes(
                QueueUrl=self.stack.outputs["DeliveriesQueueUrl"], AttributeNames=list(names)
            )
            if not any(int(answer["Attributes"][name]) for name in names):
                return True
            time.sleep(0.05)
        return False

    def audit(self) -> list[dict[str, Any]]:
        """Every entry of the connection since the sandbox runs, newest first."""
        today = datetime.now(UTC).date()
        days = (str(today), str(today - timedelta(days=1)))
        return [asdict(entry) for day in days for entry in self.trail.of_day(self.connection, day)]

    def messages(self) -> list[dict[str, Any]]:
        """The Teams channel's posts, oldest first."""
        return self.zoho.messages(world.CHANNEL_FINANCE)

    def items(self) -> list[dict[str, Any]]:
        """The monday board's items, oldest first."""
        return self.zoho.items(world.MONDAY_BOARD)

    def parked(self) -> int:
        answer = self.stack.client("sqs").get_queue_attributes(
            QueueUrl=self.stack.outputs["ParkedQueueUrl"], AttributeNames=["ApproximateNumberOfMessages"]
        )
        return int(answer["Attributes"]["ApproximateNumberOfMessages"])


@contextmanager
def sandbox(
    build: Path = BUILD,
    folder: Path | None = None,
    *,
    prewarm: Sequence[str] = ("ingest", "delivery"),
    progress: Callable[[str], None] = lambda _: None,
) -> Iterator[Box]:
    """Starts everything, connects the example connection, and removes it all at the end."""
    progress("starting the stand-ins of Zoho Books, Microsoft and monday.com")
    with vendors() as base:
        parameters = {
            "SandboxUrl": base,
            "PythonRuntime": f"python{sys.version_info.major}.{sys.version_info.minor}",
            "Architecture": "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64",
        }
        with local_stack(
            build, parameters, folder, prewarm=prewarm, parallel=("delivery",), progress=progress
        ) as stack:
            progress(f"applying {CONNECTION_FILE.relative_to(ROOT)}")
            yield _connected(stack, Control(base))


@contextmanager
def vendors() -> Iterator[str]:
    """The stand-ins as a process of their own; their base address."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    process = subprocess.Popen([sys.executable, "-m", "sandbox.vendors", "--port", str(port)], cwd=ROOT)
    try:
        for _ in range(400):
            if process.poll() is not None:
                raise RuntimeError(f"the stand-ins ended at once with exit code {process.returncode}")
            try:
                requests.get(f"{base}/_control/health", timeout=5).raise_for_status()
                break
            except requests.ConnectionError:
                time.sleep(0.05)
        else:
            raise RuntimeError("the stand-ins did not start within 20 seconds")
        yield base
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _connected(stack: LocalStack, control: Control) -> Box:
    """What a person does once, by `mlc connections apply`, `mlc credentials set` and in Zoho's settings."""
    file = load(CONNECTION_FILE)
    connections = ConnectionsTable(stack.client("dynamodb"), stack.outputs["ConnectionsTableName"])
    secrets = SecretStore(
        stack.client("secretsmanager"), stack.outputs["SecretsPrefix"], stack.outputs["SecretsKeyArn"]
    )
    apply(file, connections, secrets, datetime.now(UTC))
    connection = connections.connection(file.connection)
    assert connection is not None  # noqa: S101 - it was applied in the line above
    for vendor, values in {
        Vendor.ZOHO: {
            "client_id": world.ZOHO_CLIENT_ID,
            "client_secret": world.ZOHO_CLIENT_SECRET,
            "refresh_token": world.ZOHO_REFRESH_TOKEN,
        },
        Vendor.MICROSOFT: {"client_secret": world.MICROSOFT_CLIENT_SECRET},
        Vendor.MONDAY: {"token": world.MONDAY_TOKEN},
        Vendor.WORKFLOWS: {"large-invoices": world.WORKFLOW_URL},
    }.items():
        credentials.store(connections, secrets, connection, vendor, values)
    endpoints = secrets.get(connection.name, "webhooks")["endpoints"]
    for module in connection.modules:
        for action in ACTIONS:
            endpoint = endpoints[endpoint_id(module, action)]
            url = f"{stack.webhook_url}/webhooks/zoho/{endpoint['token']}"
            control.hook(world.ZOHO_ORGANIZATION, url, endpoint["secrets"][0], module, action)
    stack.invoke("refresh_tokens", {})
    trail = AuditTable(stack.client("dynamodb"), stack.outputs["AuditTableName"], timedelta(days=1))
    return Box(stack, control, connection.name, connections, secrets, trail)
