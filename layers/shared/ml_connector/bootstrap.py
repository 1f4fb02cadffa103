"""The only module that builds real things. Each function asks for its use case; nothing else is imported for it."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

from ml_connector.aws import clients
from ml_connector.aws.connections_table import ConnectionsTable
from ml_connector.aws.secrets import EndpointSecrets, SecretStore

if TYPE_CHECKING:
    from ml_connector.aws.queues import DeliveriesQueue
    from ml_connector.consent import Consent
    from ml_connector.delivery import Courier
    from ml_connector.intake import Intake
    from ml_connector.reconcile import Reconcile
    from ml_connector.subscriptions import Renewals
    from ml_connector.tokens import Tokens
    from ml_connector.vendors.http import Http

LEASE = timedelta(seconds=100)
"""How long a claim holds: longer than the delivery function may run, shorter than a message is hidden."""


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
def courier() -> Courier:
    from ml_connector import regions
    from ml_connector.aws.audit_table import AuditTable
    from ml_connector.aws.deliveries_table import DeliveriesTable
    from ml_connector.aws.queues import ParkedDeliveries
    from ml_connector.delivery import Courier
    from ml_connector.destinations import Registry, Toolbox
    from ml_connector.vendors.zoho import ZohoBooks

    return Courier(
        connections=connections(),
        destinations=Registry(Toolbox(http, tokens(), secrets(), utc_now)),
        deliveries=DeliveriesTable(clients.dynamodb(), os.environ["DELIVERY_TABLE"]),
        audit=AuditTable(
            clients.dynamodb(), os.environ["AUDIT_TABLE"], timedelta(days=int(os.environ["AUDIT_RETENTION_DAYS"]))
        ),
        parked=ParkedDeliveries(clients.sqs(), os.environ["PARKED_QUEUE_URL"]),
        books=ZohoBooks(http(regions.HOSTS), tokens()),
        clock=utc_now,
        lease=LEASE,
    )


@cache
def reconcile() -> Reconcile:
    from ml_connector import regions
    from ml_connector.aws.deliveries_table import DeliveriesTable
    from ml_connector.aws.schedules import Cursors
    from ml_connector.reconcile import Reconcile
    from ml_connector.vendors.zoho import ZohoBooks

    return Reconcile(
        books=ZohoBooks(http(regions.HOSTS), tokens()),
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
