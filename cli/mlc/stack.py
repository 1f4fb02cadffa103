"""The deployed stack as `mlc` sees it: CloudFormation's outputs say where everything is."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from ml_connector.aws.audit_table import AuditTable
from ml_connector.aws.connections_table import ConnectionsTable
from ml_connector.aws.deliveries_table import DeliveriesTable
from ml_connector.aws.secrets import SecretStore
from ml_connector.connections import Connection
from ml_connector.errors import ConfigError
from mlc.parked import ParkedQueue

if TYPE_CHECKING:
    import boto3


@dataclass
class Stack:
    """One stack in one account and region. AWS_ENDPOINT_URL points at a local AWS."""

    name: str
    profile: str | None = None
    region: str | None = None
    session: boto3.Session = field(init=False)

    def __post_init__(self) -> None:
        import boto3  # takes half of the time that `mlc --help` would take

        self.session = boto3.Session(profile_name=self.profile, region_name=self.region)

    @cached_property
    def outputs(self) -> dict[str, str]:
        client = self.session.client("cloudformation")
        try:
            stacks = client.describe_stacks(StackName=self.name)["Stacks"]
        except client.exceptions.ClientError as error:
            if "does not exist" in str(error):
                raise ConfigError(f"there is no stack {self.name!r} here; name it with --stack or MLC_STACK") from error
            raise
        return {each["OutputKey"]: each["OutputValue"] for each in stacks[0].get("Outputs", [])}

    @cached_property
    def connections(self) -> ConnectionsTable:
        return ConnectionsTable(self.session.client("dynamodb"), self.outputs["ConnectionsTableName"])

    @cached_property
    def audit(self) -> AuditTable:
        retention = timedelta(days=int(self.outputs["AuditRetentionDays"]))
        return AuditTable(self.session.client("dynamodb"), self.outputs["AuditTableName"], retention)

    @cached_property
    def deliveries(self) -> DeliveriesTable:
        return DeliveriesTable(self.session.client("dynamodb"), self.outputs["DeliveryTableName"], self.audit)

    @cached_property
    def parked(self) -> ParkedQueue:
        return ParkedQueue(
            self.session.client("sqs"), self.outputs["ParkedQueueUrl"], self.outputs["DeliveriesQueueUrl"]
        )

    @cached_property
    def secrets(self) -> SecretStore:
        return SecretStore(
            self.session.client("secretsmanager"),
            self.outputs["SecretsPrefix"],
            self.outputs["SecretsKeyArn"],
            denied_is_missing=False,
        )

    @property
    def webhook_url(self) -> str:
        """Base address of the webhooks. MLC_WEBHOOK_URL replaces it where the stack's own name does not resolve."""
        return os.environ.get("MLC_WEBHOOK_URL") or self.outputs["WebhookUrl"]

    def connection(self, name: str) -> Connection:
        """The applied connection. Raises ConfigError with the names that there are."""
        if found := self.connections.connection(name):
            return found
        known = ", ".join(self.connections.names())
        way_out = f"there are {known}" if known else "none is applied yet: mlc connections apply FILE"
        raise ConfigError(f"there is no connection {name!r}; {way_out}")

    def webhook_address(self, token: str) -> str:
        return f"{self.webhook_url}/zoho/{token}"
