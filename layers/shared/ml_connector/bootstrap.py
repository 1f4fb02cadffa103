"""The only module that builds real things. Each function asks for its use case; nothing else is imported for it."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING
from uuid import uuid4

from ml_connector.aws import clients
from ml_connector.aws.connections_table import ConnectionsTable
from ml_connector.aws.secrets import EndpointSecrets, SecretStore

if TYPE_CHECKING:
    from ml_connector.aws.queues import DeliveriesQueue
    from ml_connector.consent import Consent
    from ml_connector.delivery import Courier
    from ml_connector.intake import Intake
    from ml_connector.lanes import Lanes
    from ml_connector.limits import Limiter, Unreachable
    from ml_connector.reconcile import Reconcile
    from ml_connector.subscriptions import Renewals
    from ml_connector.tokens import Tokens
    from ml_connector.vendors.http import Http

LEASE = timedelta(seconds=float(os.environ.get("LEASE_SECONDS", 100)))
"""How long a claim holds: longer than the delivery function may run, shorter than a message is hidden.
The template leaves it alone; the sandbox shortens both, so that tests of crashes do not take minutes."""


def utc_now() -> datetime:
    return datetime.now(UTC)


@cache
def connections() -> ConnectionsTable:
    return ConnectionsTable(clients.dynamodb(), os.environ["CONNECTIONS_TABLE"])


@cache
def secrets() -> SecretStore:
    return SecretStore(clients.secretsmanager(), os.environ["SECRETS_PREFIX"], os.environ.get("SECRETS_KEY", ""))


@cache
def queue() -> DeliveriesQueue:
    from ml_connector.aws.queues import DeliveriesQueue

    return DeliveriesQueue(clients.sqs(), os.environ["DELIVERIES_QUEUE_URL"])


@cache
def intake() -> Intake:
    from ml_connector.intake import Intake

    return Intake(connections(), EndpointSecrets(secrets()), queue(), utc_now)


@cache
def http(allowed: frozenset[str]) -> Http:
    from ml_connector.vendors.http import Http

    return Http(allowed, os.environ.get("SANDBOX_URL", ""))


@cache
def tokens() -> Tokens:
    from ml_connector import regions
    from ml_connector.aws.leases import Leases
    from ml_connector.aws.schedules import TokenAgenda
    from ml_connector.tokens import Tokens
    from ml_connector.vendors import microsoft, zoho

    entra = http(microsoft.HOSTS)
    return Tokens(
        secrets=secrets(),
        leases=Leases(clients.dynamodb(), os.environ["LIMITS_TABLE"], utc_now),
        agenda=TokenAgenda(connections()),
        issuers={
            "zoho": zoho.ZohoAccounts(http(regions.HOSTS)),
            "microsoft.bot": microsoft.Entra(entra, microsoft.BOT_SCOPE),
            "microsoft.graph": microsoft.Entra(entra, microsoft.GRAPH_SCOPE),
        },
        clock=utc_now,
    )


@cache
def limiter() -> Limiter:
    from ml_connector.aws.limits_table import LimitsTable
    from ml_connector.limits import Limiter

    table = LimitsTable(clients.dynamodb(), os.environ["LIMITS_TABLE"])
    return Limiter(table, utc_now, _uncounted, int(os.environ.get("LIMITS_PERCENT", "100")))


def _uncounted(error: Unreachable) -> None:
    from aws_lambda_powertools import Logger, Metrics
    from aws_lambda_powertools.metrics import MetricUnit

    Logger().warning("calls are not counted: the limits table cannot be reached", extra={"reason": str(error)})
    Metrics().add_metric("LimitsUnreachable", MetricUnit.Count, 1)


@cache
def courier() -> Courier:
    from ml_connector import regions
    from ml_connector.aws.audit_table import AuditTable
    from ml_connector.aws.deliveries_table import DeliveriesTable
    from ml_connector.aws.queues import ParkedDeliveries
    from ml_connector.delivery import Courier
    from ml_connector.destinations import Registry, Toolbox
    from ml_connector.vendors.zoho import ZohoBooks

    retention = timedelta(days=int(os.environ["AUDIT_RETENTION_DAYS"]))
    audit = AuditTable(clients.dynamodb(), os.environ["AUDIT_TABLE"], retention)
    return Courier(
        connections=connections(),
        destinations=Registry(Toolbox(http, tokens(), secrets(), utc_now, limiter())),
        deliveries=DeliveriesTable(clients.dynamodb(), os.environ["DELIVERY_TABLE"], audit),
        parked=ParkedDeliveries(clients.sqs(), os.environ["PARKED_QUEUE_URL"]),
        books=ZohoBooks(http(regions.HOSTS), tokens(), limiter()),
        clock=utc_now,
        lease=LEASE,
        owner=os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME") or uuid4().hex,
    )


@cache
def lanes(faulted: Callable[[Exception], None] = lambda error: None) -> Lanes:
    from ml_connector.lanes import Lanes

    return Lanes(courier(), queue(), utc_now, faulted)


@cache
def reconcile() -> Reconcile:
    from ml_connector import regions
    from ml_connector.aws.deliveries_table import DeliveriesTable
    from ml_connector.aws.schedules import Cursors
    from ml_connector.reconcile import Reconcile
    from ml_connector.vendors.zoho import ZohoBooks

    return Reconcile(
        books=ZohoBooks(http(regions.HOSTS), tokens(), limiter(), optional=True),
        cursors=Cursors(connections()),
        deliveries=DeliveriesTable(clients.dynamodb(), os.environ["DELIVERY_TABLE"]),
        queue=queue(),
        clock=utc_now,
    )


@cache
def renewals() -> Renewals:
    from ml_connector.aws.schedules import SubscriptionList
    from ml_connector.subscriptions import Renewals
    from ml_connector.vendors import microsoft

    return Renewals(SubscriptionList(connections()), microsoft.Graph(http(microsoft.HOSTS), tokens()), utc_now)


def consent(redirect_uri: str) -> Consent:
    from ml_connector import regions
    from ml_connector.aws.schedules import TokenAgenda
    from ml_connector.consent import Consent
    from ml_connector.tokens import Due
    from ml_connector.vendors.zoho import ZohoAccounts

    def due_at_once(connection: str) -> None:
        now = utc_now().strftime("%Y-%m-%dT%H:%M:%SZ")
        TokenAgenda(connections()).set(Due(connection, "zoho", now, "ok"))

    return Consent(
        secrets=secrets(),
        accounts=ZohoAccounts(http(regions.HOSTS)),
        spend=lambda nonce, ends: connections().put(f"oauth#{nonce}", "-", only_new=True, expires_at=ends),
        tokens_changed=due_at_once,
        key=lambda: secrets().text("oauth-state"),
        clock=utc_now,
        redirect_uri=redirect_uri,
    )
