"""The deployed stack as `mlc` sees it: CloudFormation's outputs say where everything is."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ml_connector.aws.audit_table import AuditTable
from ml_connector.aws.connections_table import ConnectionsTable
from ml_connector.aws.deliveries_table import DeliveriesTable
from ml_connector.aws.known_table import KnownTable
from ml_connector.aws.parked_desk import ParkedDesk
from ml_connector.aws.secrets import SecretStore, Written
from ml_connector.aws.shelf_table import ShelfTable
from ml_connector.connections import Connection
from ml_connector.errors import ConfigError
from ml_connector.times import stamp
from mlc.output import near

if TYPE_CHECKING:
    import boto3

    from ml_connector.aws.installations import Installations
    from ml_connector.aws.leases import Leases
    from ml_connector.aws.limits_table import LimitsTable
    from ml_connector.limits import Limiter
    from ml_connector.tokens import Tokens
    from ml_connector.vendors.http import Http
    from ml_connector.vendors.zoho import ZohoBooks
    from ml_connector.vendors.zoho_api import ZohoApi
    from ml_connector.vendors.zoho_settings import ZohoSettings

_THERE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")
_LOOPBACK = re.compile(r"http://127\.0\.0\.1:[0-9]{2,5}")


def utc_now() -> datetime:
    return datetime.now(UTC)


class NoStack(ConfigError):
    """There is no stack of this name; `nearest` may have been meant ("NAME" if none is near)."""

    def __init__(self, message: str, nearest: str) -> None:
        super().__init__(message)
        self.nearest = nearest


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
    def _described(self) -> dict[str, Any]:
        client = self.session.client("cloudformation")
        try:
            stacks = client.describe_stacks(StackName=self.name)["Stacks"]
        except client.exceptions.ClientError as error:
            if "does not exist" in str(error):
                others = self._others(client)
                raise NoStack(
                    f"there is no stack {self.name!r} in {self.session.region_name}: name it with --stack or "
                    f"MLC_STACK, its region with --region, its account with --profile; {near(self.name, others)}",
                    next(iter(get_close_matches(self.name, others, n=1)), "NAME"),
                ) from error
            raise
        return dict(stacks[0])

    def _others(self, client: Any) -> list[str]:
        """The stacks of this region and account, as far as we may see them."""
        try:
            pages = client.get_paginator("list_stacks").paginate(StackStatusFilter=_THERE)
            return [each["StackName"] for page in pages for each in page["StackSummaries"]]
        except client.exceptions.ClientError:
            return []

    @cached_property
    def outputs(self) -> dict[str, str]:
        return {each["OutputKey"]: each["OutputValue"] for each in self._described.get("Outputs", [])}

    @property
    def state(self) -> str:
        """As CloudFormation calls it: CREATE_COMPLETE, UPDATE_ROLLBACK_FAILED."""
        return str(self._described["StackStatus"])

    @cached_property
    def sandbox(self) -> str:
        """Where the stand-ins of the vendors listen, for the stack of a sandbox; "" in production."""
        given = {each["ParameterKey"]: each["ParameterValue"] for each in self._described.get("Parameters", [])}
        url = given.get("SandboxUrl", "")
        return url if _LOOPBACK.fullmatch(url) else ""

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
    def shelf(self) -> ShelfTable:
        return ShelfTable(self.session.client("dynamodb"), self.outputs["DeliveryTableName"])

    @cached_property
    def known(self) -> KnownTable:
        return KnownTable(self.session.client("dynamodb"), self.outputs["DeliveryTableName"])

    @cached_property
    def parked(self) -> ParkedDesk:
        return ParkedDesk(
            self.session.client("sqs"), self.outputs["ParkedQueueUrl"], self.outputs["DeliveriesQueueUrl"]
        )

    @cached_property
    def secrets(self) -> SecretStore:
        return SecretStore(
            self.session.client("secretsmanager"),
            self.outputs["SecretsPrefix"],
            self.outputs["SecretsKeyArn"],
            denied_is_missing=False,
            written=Written(self.session.client("dynamodb"), self.outputs["LimitsTableName"], utc_now),
        )

    # --- the vendors: with the tokens, leases and limits that the functions share

    def http(self, allowed: frozenset[str]) -> Http:
        from ml_connector.vendors.http import Http

        return Http(allowed, self.sandbox)

    @cached_property
    def leases(self) -> Leases:
        from ml_connector.aws.leases import Leases

        return Leases(self.session.client("dynamodb"), self.outputs["LimitsTableName"], utc_now)

    @cached_property
    def tokens(self) -> Tokens:
        from ml_connector import regions
        from ml_connector.aws.token_agenda import TokenAgenda
        from ml_connector.tokens import Tokens
        from ml_connector.vendors import microsoft, monday_accounts
        from ml_connector.vendors.zoho_accounts import ZohoAccounts

        return Tokens(
            secrets=self.secrets,
            leases=self.leases,
            agenda=TokenAgenda(self.connections),
            issuers={
                "zoho": ZohoAccounts(self.http(regions.HOSTS)),
                **microsoft.issuers(self.http),
                "monday": monday_accounts.MondayAccounts(self.http(monday_accounts.HOSTS), utc_now),
            },
            clock=utc_now,
            limits=self.limiter,
        )

    def due_at_once(self, connection: str, kind: str) -> None:
        """Tells the schedule of a token that has just changed."""
        from ml_connector.aws.token_agenda import TokenAgenda
        from ml_connector.tokens import Due

        TokenAgenda(self.connections).set(Due(connection, kind, stamp(utc_now()), "ok"))

    @cached_property
    def limits(self) -> LimitsTable:
        from ml_connector.aws.limits_table import LimitsTable

        return LimitsTable(self.session.client("dynamodb"), self.outputs["LimitsTableName"])

    @cached_property
    def limiter(self) -> Limiter:
        from ml_connector.limits import Limiter

        return Limiter(self.limits, utc_now)

    @cached_property
    def zoho_api(self) -> ZohoApi:
        from ml_connector import regions
        from ml_connector.vendors.zoho_api import ZohoApi

        return ZohoApi(self.http(regions.HOSTS), self.tokens, self.limiter)

    @cached_property
    def books(self) -> ZohoBooks:
        from ml_connector import regions
        from ml_connector.vendors.zoho import ZohoBooks

        return ZohoBooks(self.http(regions.HOSTS), self.tokens, self.limiter)

    def zoho_settings(self, waits: Callable[[float, str], None]) -> ZohoSettings:
        """Paced; `waits` is told when a call has to wait for longer than that."""
        from ml_connector.vendors.zoho_settings import ZohoSettings

        return ZohoSettings(self.zoho_api, time.sleep, waits=waits)

    # --- webhooks

    @cached_property
    def installations(self) -> Installations:
        from ml_connector.aws.installations import Installations

        return Installations(self.connections)

    @property
    def webhook_url(self) -> str:
        """Base address of the webhooks. MLC_WEBHOOK_URL replaces it where the stack's own name does not resolve."""
        return os.environ.get("MLC_WEBHOOK_URL") or self.outputs["WebhookUrl"]

    def connection(self, name: str) -> Connection:
        """The applied connection. Raises ConfigError with the names that there are."""
        if found := self.connections.connection(name):
            return found
        known = self.connections.names()
        way_out = near(name, known) if known else "none is applied yet: mlc connections apply FILE"
        raise ConfigError(f"there is no connection {name!r}; {way_out}")

    def only(self) -> str:
        """The name of the one connection that is applied. Raises ConfigError with the names if there are others."""
        known = self.connections.names()
        if len(known) == 1:
            return known[0]
        raise ConfigError(
            f"say which connection: {', '.join(sorted(known))}"
            if known
            else "no connection is applied yet: mlc connections apply FILE"
        )

    def webhook_address(self, token: str) -> str:
        return f"{self.webhook_url}/zoho/{token}"
