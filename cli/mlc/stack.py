"""The deployed stack as `mlc` sees it: CloudFormation's outputs say where everything is."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import timedelta
from fnmatch import fnmatchcase
from functools import cached_property

import boto3

from ml_connector.aws.audit_table import AuditTable
from ml_connector.aws.connections_table import ConnectionsTable
from ml_connector.aws.secrets import SecretStore
from ml_connector.errors import ConfigError


@dataclass
class Stack:
    """One stack in one account and region. AWS_ENDPOINT_URL points at a local AWS."""

    name: str
    profile: str | None = None
    region: str | None = None
    session: boto3.Session = field(init=False)

    def __post_init__(self) -> None:
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
        return AuditTable(self.session.client("dynamodb"), self.outputs["AuditTableName"], timedelta(days=400))

    @cached_property
    def secrets(self) -> SecretStore:
        return SecretStore(
            self.session.client("secretsmanager"), self.outputs["SecretsPrefix"], self.outputs["SecretsKeyArn"]
        )

    @property
    def webhook_url(self) -> str:
        """Base address of the webhooks. MLC_WEBHOOK_URL replaces it where the stack's own name does not resolve."""
        return os.environ.get("MLC_WEBHOOK_URL") or self.outputs["WebhookUrl"]

    def expected(self, connection: str, event: str) -> int:
        """How many destinations an event certainly goes to."""
        configured = self.connections.connection(connection)
        if configured is None:
            return 0
        matching = [route for route in configured.routes if any(fnmatchcase(event, each) for each in route["events"])]
        always = [route for route in matching if not route.get("when")]
        return len({name for route in always or matching for name in route["to"]})

    def webhook_address(self, token: str) -> str:
        return f"{self.webhook_url}/zoho/{token}"
