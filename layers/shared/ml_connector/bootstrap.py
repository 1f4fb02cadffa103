"""The only module that builds real things. Each function asks for its use case; nothing else is imported for it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from random import SystemRandom
from typing import TYPE_CHECKING
from uuid import uuid4

from ml_connector.aws import clients
from ml_connector.aws.connections_table import ConnectionsTable
from ml_connector.aws.secrets import EndpointSecrets, SecretStore, Written
from ml_connector.errors import ConnectorError, Throttled

if TYPE_CHECKING:
    from ml_connector.attention import Attention
    from ml_connector.aws.known_table import KnownTable
    from ml_connector.aws.queues import DeliveriesQueue
    from ml_connector.clouds import Cloud
    from ml_connector.connections import Connection
    from ml_connector.consent import Consent
    from ml_connector.delivery import Courier
    from ml_connector.intake import Intake
    from ml_connector.lanes import Lanes
    from ml_connector.limits import Limiter, Unreachable
    from ml_connector.month_end import MonthEnd
    from ml_connector.notices import Notices
    from ml_connector.reconcile import Reconcile
    from ml_connector.rounds import Rounds
    from ml_connector.service_account import ServiceAccount
    from ml_connector.subscriptions import Renewals
    from ml_connector.tokens import Due, Tokens
    from ml_connector.vendors.http import Http
    from ml_connector.vendors.zoho import ZohoBooks

LEASE = timedelta(seconds=float(os.environ.get("LEASE_SECONDS", 100)))
"""How long a claim holds: longer than the delivery function may run, shorter than a message is hidden.
The template leaves it alone; the sandbox shortens both, so that tests of crashes do not take minutes."""
ATTENTION = timedelta(seconds=float(os.environ.get("ATTENTION_SECONDS", 300)))
"""How often a delivery is tried, at most, that waits for a person; the sandbox shortens it for the same reason."""
MISSING = timedelta(seconds=float(os.environ.get("MISSING_SECONDS", 60)))
"""After which Zoho is believed that it does not have a record; shortened there as well."""


def utc_now() -> datetime:
    return datetime.now(UTC)


@cache
def connections() -> ConnectionsTable:
    return ConnectionsTable(clients.dynamodb(), os.environ["CONNECTIONS_TABLE"])


@cache
def secrets() -> SecretStore:
    # Who has no limits table writes no secret.
    table = os.environ.get("LIMITS_TABLE", "")
    return SecretStore(
        clients.secretsmanager(),
        os.environ["SECRETS_PREFIX"],
        os.environ.get("SECRETS_KEY", ""),
        written=Written(clients.dynamodb(), table, utc_now) if table else None,
    )


@cache
def queue() -> DeliveriesQueue:
    from ml_connector.aws.queues import DeliveriesQueue

    return DeliveriesQueue(clients.sqs(), os.environ["DELIVERIES_QUEUE_URL"])


@cache
def intake() -> Intake:
    from ml_connector.intake import Intake

    return Intake(connections(), EndpointSecrets(secrets()), queue(), utc_now, known())


@cache
def known() -> KnownTable:
    from ml_connector.aws.known_table import KnownTable

    return KnownTable(clients.dynamodb(), os.environ["DELIVERY_TABLE"])


@cache
def http(allowed: frozenset[str]) -> Http:
    from ml_connector.vendors.http import Http

    return Http(allowed, os.environ.get("SANDBOX_URL", ""))


@cache
def tokens() -> Tokens:
    from ml_connector import regions
    from ml_connector.aws.leases import Leases
    from ml_connector.aws.token_agenda import TokenAgenda
    from ml_connector.tokens import Tokens
    from ml_connector.vendors import microsoft, zoho_accounts

    return Tokens(
        secrets=secrets(),
        leases=Leases(clients.dynamodb(), os.environ["LIMITS_TABLE"], utc_now),
        agenda=TokenAgenda(connections()),
        issuers={
            "zoho": zoho_accounts.ZohoAccounts(http(regions.HOSTS)),
            **microsoft.issuers(http),
        },
        clock=utc_now,
        limits=limiter(),
        faulted=_faulted,
    )


def _faulted(due: Due, error: Exception) -> None:
    from aws_lambda_powertools import Logger

    Logger().error("failed", exc_info=error, extra={"connection": due.connection, "token": due.kind})


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
        attention=ATTENTION,
        missing=MISSING,
    )


@cache
def lanes(faulted: Callable[[Exception], None] = lambda error: None) -> Lanes:
    from ml_connector.carriers import Carriers
    from ml_connector.lanes import Lanes

    return Lanes(Carriers(courier(), {}), queue(), utc_now, faulted)


@cache
def notices() -> Notices:
    from ml_connector.aws.notices_table import NoticeBoard
    from ml_connector.destinations import Registry, Toolbox
    from ml_connector.destinations.teams.notice import request
    from ml_connector.notices import Notices

    return Notices(
        board=NoticeBoard(clients.dynamodb(), os.environ["CONNECTIONS_TABLE"]),
        destinations=Registry(Toolbox(http, tokens(), secrets(), utc_now, limiter())),
        render=request,
        clock=utc_now,
        failed=_untold,
    )


def _untold(connection: Connection, key: str, error: Exception) -> None:
    from aws_lambda_powertools import Logger, Metrics
    from aws_lambda_powertools.metrics import MetricUnit

    # Our own errors hold no secret; of others only the name is sure not to.
    reason = str(error) if isinstance(error, ConnectorError) else type(error).__name__
    extra = {"connection": connection.name, "notice": key, "reason": reason}
    Logger().warning("nobody could be told", extra=extra)
    Metrics().add_metric("NoticesFailed", MetricUnit.Count, 1)


@cache
def attention() -> Attention:
    from ml_connector.attention import Attention
    from ml_connector.aws.notices_table import Incidents
    from ml_connector.aws.token_agenda import TokenAgenda

    return Attention(TokenAgenda(connections()), Incidents(connections()), connections(), notices(), utc_now)


@cache
def reconcile() -> Reconcile:
    from ml_connector.aws.deliveries_table import DeliveriesTable
    from ml_connector.aws.schedules import Cursors
    from ml_connector.reconcile import Reconcile

    return Reconcile(
        books=reconcile_books(),
        cursors=Cursors(connections()),
        deliveries=DeliveriesTable(clients.dynamodb(), os.environ["DELIVERY_TABLE"]),
        queue=queue(),
        clock=utc_now,
        known=known(),
    )


@cache
def rounds(faulted: Callable[[str, Exception], None] = lambda name, error: None) -> Rounds:
    from ml_connector.aws.schedules import TurnList
    from ml_connector.rounds import Rounds
    from ml_connector.vendors.zoho_settings import ZohoSettings

    books = reconcile_books()
    return Rounds(
        connections=connections(),
        turns=TurnList(connections()),
        reconcile=reconcile(),
        calls=books,
        history=ZohoSettings(books.api, _breathe),
        notices=notices(),
        clock=utc_now,
        chance=SystemRandom().random,
        every=timedelta(minutes=int(os.environ["RECONCILE_MINUTES"])),
        faulted=faulted,
        also=month_end().run,
    )


@cache
def month_end() -> MonthEnd:
    from ml_connector.aws.deliveries_table import DeliveriesTable
    from ml_connector.aws.month_shelf import MonthShelf
    from ml_connector.aws.organizations import Organizations
    from ml_connector.completeness import Completeness
    from ml_connector.month_end import MonthEnd

    rows = DeliveriesTable(clients.dynamodb(), os.environ["DELIVERY_TABLE"])

    def completeness(connection: Connection) -> Completeness:
        connected = Organizations(connections()).of(connection.name)
        return Completeness(reconcile_books(), rows, utc_now, connected.organization.currency if connected else "")

    return MonthEnd(completeness, MonthShelf(connections()), notices(), utc_now)


def _breathe(seconds: float) -> None:
    """Waits between two calls of Zoho's settings; what takes longer is left to another run."""
    if seconds > 5:
        raise Throttled("Zoho's settings are busy", seconds)
    time.sleep(seconds)


@cache
def reconcile_books() -> ZohoBooks:
    from ml_connector import regions
    from ml_connector.vendors.zoho import ZohoBooks

    return ZohoBooks(http(regions.HOSTS), tokens(), limiter(), optional=True)


@cache
def renewals() -> Renewals:
    from ml_connector.aws.schedules import SubscriptionList
    from ml_connector.clouds import cloud_of
    from ml_connector.subscriptions import Renewals
    from ml_connector.vendors import microsoft

    def cloud(connection: str) -> Cloud:
        return cloud_of(secrets().get(connection, "microsoft"))

    return Renewals(SubscriptionList(connections()), microsoft.Graphs(http, tokens(), cloud), utc_now)


@cache
def consent() -> Consent:
    from ml_connector import regions
    from ml_connector.aws.leases import Leases
    from ml_connector.aws.organizations import ConsentLinks, Organizations
    from ml_connector.aws.token_agenda import TokenAgenda
    from ml_connector.consent import Consent
    from ml_connector.tokens import Due
    from ml_connector.vendors.zoho_accounts import ZohoAccounts

    def due_at_once(connection: str) -> None:
        now = utc_now().strftime("%Y-%m-%dT%H:%M:%SZ")
        TokenAgenda(connections()).set(Due(connection, "zoho", now, "ok"))

    return Consent(
        connections=partial(connections().connection, fresh=True),
        secrets=secrets(),
        leases=Leases(clients.dynamodb(), os.environ["LIMITS_TABLE"], utc_now),
        accounts=ZohoAccounts(http(regions.HOSTS)),
        links=ConsentLinks(connections()),
        organizations=Organizations(connections()),
        tokens_changed=due_at_once,
        key=lambda: secrets().text("oauth-state"),
        clock=utc_now,
        pause=time.sleep,
    )


@cache
def service_account() -> ServiceAccount:
    from ml_connector.aws.leases import Leases
    from ml_connector.aws.organizations import ConsentLinks
    from ml_connector.aws.token_agenda import TokenAgenda
    from ml_connector.service_account import KIND, ServiceAccount
    from ml_connector.tokens import Due
    from ml_connector.vendors.microsoft.sign_in import SignIn

    def due_at_once(connection: str) -> None:
        now = utc_now().strftime("%Y-%m-%dT%H:%M:%SZ")
        TokenAgenda(connections()).set(Due(connection, KIND, now, "ok"))

    return ServiceAccount(
        connections=partial(connections().connection, fresh=True),
        secrets=secrets(),
        leases=Leases(clients.dynamodb(), os.environ["LIMITS_TABLE"], utc_now),
        accounts=SignIn(http),
        links=ConsentLinks(connections()),
        tokens_changed=due_at_once,
        key=lambda: secrets().text("oauth-state"),
        clock=utc_now,
        pause=time.sleep,
    )
