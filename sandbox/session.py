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
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests

from ml_connector.aws import queues
from ml_connector.aws.audit_table import AuditTable
from ml_connector.aws.connections_table import ConnectionsTable
from ml_connector.aws.deliveries_table import DeliveriesTable
from ml_connector.aws.secrets import SecretStore
from ml_connector.config.apply import apply, endpoint_id
from ml_connector.config.load import load
from ml_connector.config.model import ConnectionFile
from ml_connector.connections import Connection
from ml_connector.modules import ACTIONS
from mlc import credentials
from mlc.credentials import Vendor
from sandbox import onboarding
from sandbox.aws import BUILD, LocalStack, local_stack
from sandbox.aws.emulator import ROOT
from sandbox.aws.processes import free_port
from sandbox.sites import Site
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
    rows: DeliveriesTable
    stand_ins: StandIns

    organization: str = world.ZOHO_ORGANIZATION

    def enter(
        self,
        file: ConnectionFile,
        site: Site | None = None,
        workflows: Mapping[str, str] | None = None,
        *,
        consented: bool = False,
    ) -> Connection:
        """`mlc connections apply` and `mlc credentials set`. `consented`: with the site's own refresh token of Zoho."""
        # As if it had been in force for a while: reconcile tells what is older than the connection as changed, not new.
        apply(file, self.connections, self.secrets, datetime.now(UTC) - timedelta(hours=1))
        connection = self.connections.connection(file.connection)
        assert connection is not None  # noqa: S101 - it was applied in the line above
        client = {"client_id": world.ZOHO_CLIENT_ID, "client_secret": world.ZOHO_CLIENT_SECRET}
        for vendor, values in {
            Vendor.ZOHO: {**client, **({"refresh_token": site.refresh_token} if site and consented else {})},
            Vendor.MICROSOFT: {"client_secret": world.MICROSOFT_CLIENT_SECRET},
            Vendor.MONDAY: {"token": site.monday_token if site else world.MONDAY_TOKEN},
            **({Vendor.WORKFLOWS: dict(workflows)} if workflows else {}),
        }.items():
            credentials.store(self.connections, self.secrets, connection, vendor, values)
        return connection

    def connect(
        self, file: ConnectionFile, site: Site | None = None, workflows: Mapping[str, str] | None = None
    ) -> None:
        """What a person does once: `enter`, and connecting Zoho.

        A site comes with a consent and with webhooks made by hand. Without one Zoho's consent page is opened, and
        the webhooks are installed by API.
        """
        connection = self.enter(file, site, workflows, consented=True)
        if site is None:
            passed: list[float] = []

            def pause(seconds: float) -> None:
                passed.append(seconds)
                self.zoho.advance(seconds)

            at = onboarding.LocalMlc(self.stack, pause)
            onboarding.agree(at, self.stack, self.zoho, connection)
            onboarding.install_webhooks(at, connection)
            # Back to everybody's time: people compare what they see with their watches.
            self.zoho.advance(-sum(passed))
            return
        endpoints = self.secrets.get(connection.name, "webhooks")["endpoints"]
        for module in connection.modules:
            for action in ACTIONS:
                endpoint = endpoints[endpoint_id(module, action)]
                url = f"{self.stack.webhook_url}/webhooks/zoho/{endpoint['token']}"
                self.zoho.hook(connection.organization_id, url, endpoint["secrets"][0], module, action)

    def open(self, *sites: Site, connected: bool = True) -> None:
        """More companies. Those that are not `connected` have no access to Zoho and no webhooks yet."""
        for site in sites:
            self.zoho.seed(site.seed())
            if connected:
                self.connect(site.file(), site)
            else:
                self.enter(site.file(), site)
        self.stack.invoke("refresh_tokens", {})

    def listen(self) -> None:
        """From now on Graph tells of the channels of all connections: what the hourly schedule does."""
        self.stack.invoke("renew_subscriptions", {})

    def settled(self, seconds: float = 60.0) -> bool:
        """Waits until no delivery is queued or under way; False if some still are after that time."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if not self.waiting():
                return True
            time.sleep(0.05)
        return False

    def audit(self, connection: str = "") -> list[dict[str, Any]]:
        """Every entry of a connection (the example's) since the sandbox runs, newest first."""
        today = datetime.now(UTC).date()
        days = (str(today), str(today - timedelta(days=1)))
        return [asdict(entry) for day in days for entry in self.trail.of_day(connection or self.connection, day)]

    def messages(self) -> list[dict[str, Any]]:
        """The Teams channel's posts, oldest first."""
        return self.zoho.messages(world.CHANNEL_FINANCE)

    def items(self) -> list[dict[str, Any]]:
        """The monday board's items, oldest first."""
        return self.zoho.items(world.MONDAY_BOARD)

    def waiting(self) -> int:
        """Deliveries that are queued, under way or put off."""
        return sum(queues.counts(self.stack.client("sqs"), self.stack.outputs["DeliveriesQueueUrl"]))

    def parked(self) -> int:
        """Those that nobody has in hand."""
        ready, _ = queues.counts(self.stack.client("sqs"), self.stack.outputs["ParkedQueueUrl"])
        return ready


@contextmanager
def sandbox(
    build: Path = BUILD,
    folder: Path | None = None,
    *,
    prewarm: Sequence[str] = ("ingest", "delivery"),
    hidden_seconds: int | None = None,
    limits_percent: int = 100_000,
    digests: bool = False,
    retry: Mapping[str, Any] | None = None,
    connected: bool = True,
    progress: Callable[[str], None] = lambda _: None,
) -> Iterator[Box]:
    """Starts everything, connects the example connection, and removes it all at the end.

    `hidden_seconds`: after how long a message comes back whose function was killed, instead of the template's time.
    `limits_percent`: how much of the vendors' limits we count down ourselves; so much that only the stand-ins' do.
    `digests`: as the example connection has them; without, every message is posted, however many there are.
    `retry`: how patiently the example connection's deliveries are tried, if not as its file says.
    `connected`: whether there is an example connection.
    """
    progress("starting the stand-ins of Zoho Books, Microsoft and monday.com")
    with vendors() as stand_ins:
        parameters = {
            "SandboxUrl": stand_ins.base,
            "LimitsPercent": str(limits_percent),
            "PythonRuntime": f"python{sys.version_info.major}.{sys.version_info.minor}",
            "Architecture": "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64",
        }
        with local_stack(build, parameters, folder, parallel=("delivery",), progress=progress) as stack:
            _say_where_webhooks_are(stack)
            if hidden_seconds:
                _hide_for(stack, hidden_seconds)
            stack.prewarm(*prewarm)
            box = _box(stack, stand_ins)
            if not connected:
                yield box
                return
            file = _bent(load(CONNECTION_FILE), digests=digests, retry=retry)
            progress(
                f"connecting {file.connection}: {CONNECTION_FILE.relative_to(ROOT)}, Zoho's consent, webhooks by API"
            )
            progress(
                "it counts as applied an hour ago: so reconcile tells of a bill some minutes old as new, not changed"
            )
            box.connect(file, workflows={"large-invoices": world.WORKFLOW_URL})
            box.connection = file.connection
            stack.invoke("refresh_tokens", {})
            yield box


def _bent(file: ConnectionFile, *, digests: bool, retry: Mapping[str, Any] | None) -> ConnectionFile:
    data = file.model_dump(mode="json", by_alias=True, exclude_none=True)
    if retry:
        data["retry"] = {**data.get("retry", {}), **retry}
    for each in data["destinations"].values():
        if each["type"] == "teams" and not digests:
            each["digest"] = {"above": 0}
    return ConnectionFile.model_validate(data)


class StandIns:
    """The stand-ins as a process of their own. What they know outlives a restart."""

    def __init__(self, keep: Path) -> None:
        port = free_port()
        self.base = f"http://127.0.0.1:{port}"
        self._command = [sys.executable, "-m", "sandbox.vendors", "--port", str(port), "--keep", str(keep)]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, cwd=ROOT)
        for _ in range(400):
            if self._process.poll() is not None:
                raise RuntimeError(f"the stand-ins ended at once with exit code {self._process.returncode}")
            try:
                requests.get(f"{self.base}/_control/health", timeout=5).raise_for_status()
                return
            except requests.ConnectionError:
                time.sleep(0.05)
        raise RuntimeError("the stand-ins did not start within 20 seconds")

    def stop(self) -> None:
        """Answers what is under way, then ends."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def restart(self) -> None:
        self.stop()
        self.start()


@contextmanager
def vendors() -> Iterator[StandIns]:
    with tempfile.TemporaryDirectory() as folder:
        stand_ins = StandIns(Path(folder) / "world")
        try:
            stand_ins.start()
            yield stand_ins
        finally:
            stand_ins.stop()


def _box(stack: LocalStack, stand_ins: StandIns) -> Box:
    return Box(
        stack,
        Control(stand_ins.base),
        connection="",
        connections=ConnectionsTable(stack.client("dynamodb"), stack.outputs["ConnectionsTableName"]),
        secrets=SecretStore(
            stack.client("secretsmanager"), stack.outputs["SecretsPrefix"], stack.outputs["SecretsKeyArn"]
        ),
        trail=AuditTable(stack.client("dynamodb"), stack.outputs["AuditTableName"], timedelta(days=1)),
        rows=DeliveriesTable(stack.client("dynamodb"), stack.outputs["DeliveryTableName"]),
        stand_ins=stand_ins,
    )


def _hide_for(stack: LocalStack, seconds: int) -> None:
    """How long a message is hidden, and with it a claim holds: what a killed function leaves behind comes back sooner
    than in production, by the same way. So does what waits for a person, or for a record that Zoho does not have."""
    stack.client("sqs").set_queue_attributes(
        QueueUrl=stack.outputs["DeliveriesQueueUrl"], Attributes={"VisibilityTimeout": str(seconds)}
    )
    stack.set_variables("DeliveryFunction", LEASE_SECONDS=str(seconds - 2), ATTENTION_SECONDS="2", MISSING_SECONDS="5")


def _say_where_webhooks_are(stack: LocalStack) -> None:
    """The API's own name resolves in AWS only: who tells Microsoft Graph where to call gets the local address."""
    for function in ("RenewSubscriptionsFunction", "DeliveryFunction"):
        stack.set_variables(function, WEBHOOKS_URL=f"{stack.webhook_url}/webhooks")
