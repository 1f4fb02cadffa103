"""The only module that builds real things. Each function asks for its use case; nothing else is imported for it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from random import SystemRandom
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ml_connector import reports
from ml_connector.aws import clients
from ml_connector.aws.connections_table import ConnectionsTable
from ml_connector.aws.secrets import EndpointSecrets, SecretStore, Written
from ml_connector.errors import Throttled
from ml_connector.times import stamp

if TYPE_CHECKING:
    from ml_connector.attention import Attention
    from ml_connector.aws.audit_table import AuditTable
    from ml_connector.aws.deliveries_table import DeliveriesTable
    from ml_connector.aws.known_table import KnownTable
    from ml_connector.aws.leases import Leases
    from ml_connector.aws.queues import DeliveriesQueue
    from ml_connector.board_check import Nightly
    from ml_connector.board_feedback import BoardFeedback
    from ml_connector.board_webhooks import Address, BoardWebhooks
    from ml_connector.carriers import Carrier
    from ml_connector.channel_watch import ChannelWatch
    from ml_connector.connections import Connection
    from ml_connector.consent import Consent
    from ml_connector.daily import Daily
    from ml_connector.delivery import Courier
    from ml_connector.digests import Digests
    from ml_connector.intake import Intake
    from ml_connector.lanes import Lanes
    from ml_connector.limits import Limiter
    from ml_connector.monday_consent import MondayConsent
    from ml_connector.month_end import MonthEnd
    from ml_connector.notices import Notices
    from ml_connector.notifications import BoardCalls, Notifications
    from ml_connector.reconcile import Reconcile
    from ml_connector.replies import Replies
    from ml_connector.resync import Resync
    from ml_connector.rounds import Rounds
    from ml_connector.service_account import ServiceAccount
    from ml_connector.silence import Silence
    from ml_connector.step_carrier import Step, StepCarrier
    from ml_connector.subscriptions import Renewals
    from ml_connector.tokens import Tokens
    from ml_connector.vendors.http import Http
    from ml_connector.vendors.microsoft import Graphs
    from ml_connector.vendors.monday import MondayApi
    from ml_connector.vendors.monday_webhooks import MondayWebhooks
    from ml_connector.vendors.zoho import ZohoBooks
    from ml_connector.widget.again import Again
    from ml_connector.widget.look import Widget

LEASE = timedelta(seconds=float(os.environ.get("LEASE_SECONDS", 100)))
"""How long a claim holds: longer than the delivery function may run, shorter than a message is hidden.
The template leaves it alone; the sandbox shortens both, so that tests of crashes do not take minutes."""
ATTENTION = timedelta(seconds=float(os.environ.get("ATTENTION_SECONDS", 300)))
"""How often a delivery is tried, at most, that waits for a person; the sandbox shortens it for the same reason."""
MISSING = timedelta(seconds=float(os.environ.get("MISSING_SECONDS", 60)))
"""After which Zoho is believed that it does not have a record, and Teams a channel; shortened there as well."""


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


def trail(page: int | None = None) -> AuditTable:
    """`page`: how many entries are read at a time, for who may stop after a few."""
    from ml_connector.aws.audit_table import AuditTable

    retention = timedelta(days=int(os.environ["AUDIT_RETENTION_DAYS"]))
    return AuditTable(clients.dynamodb(), os.environ["AUDIT_TABLE"], retention, page)


def rows(audit: AuditTable | None = None) -> DeliveriesTable:
    """For reading; whoever writes rows writes the trail with them."""
    from ml_connector.aws.deliveries_table import DeliveriesTable

    return DeliveriesTable(clients.dynamodb(), os.environ["DELIVERY_TABLE"], audit)


@cache
def http(allowed: frozenset[str]) -> Http:
    from ml_connector.vendors.http import Http

    return Http(allowed, os.environ.get("SANDBOX_URL", ""), too_many=reports.too_many)


def leases() -> Leases:
    from ml_connector.aws.leases import Leases

    return Leases(clients.dynamodb(), os.environ["LIMITS_TABLE"], utc_now)


@cache
def tokens() -> Tokens:
    from ml_connector import regions
    from ml_connector.aws.token_agenda import TokenAgenda
    from ml_connector.tokens import Tokens
    from ml_connector.vendors import microsoft, monday_accounts, zoho_accounts

    return Tokens(
        secrets=secrets(),
        leases=leases(),
        agenda=TokenAgenda(connections()),
        issuers={
            "zoho": zoho_accounts.ZohoAccounts(http(regions.HOSTS)),
            **microsoft.issuers(http),
            "monday": monday_accounts.MondayAccounts(http(monday_accounts.HOSTS), utc_now),
        },
        clock=utc_now,
        limits=limiter(),
        faulted=reports.token_faulted,
    )


@cache
def limiter() -> Limiter:
    from ml_connector.aws.limits_table import LimitsTable
    from ml_connector.limits import Limiter

    table = LimitsTable(clients.dynamodb(), os.environ["LIMITS_TABLE"])
    return Limiter(table, utc_now, reports.uncounted, int(os.environ.get("LIMITS_PERCENT", "100")))


@cache
def courier() -> Courier:
    from ml_connector import regions
    from ml_connector.aws.queues import ParkedDeliveries
    from ml_connector.delivery import Courier, Gathering
    from ml_connector.destinations import Registry, Toolbox
    from ml_connector.vendors.zoho import ZohoBooks

    tools = Toolbox(http, tokens(), secrets(), utc_now, limiter(), time.sleep)
    return Courier(
        connections=connections(),
        destinations=Registry(tools),
        deliveries=rows(trail()),
        parked=ParkedDeliveries(clients.sqs(), os.environ["PARKED_QUEUE_URL"]),
        books=ZohoBooks(http(regions.HOSTS), tokens(), limiter()),
        clock=utc_now,
        lease=LEASE,
        owner=os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME") or uuid4().hex,
        attention=ATTENTION,
        missing=MISSING,
        gathering=Gathering(Registry(replace(tools, gathers=True)), queue()),
    )


@cache
def digests() -> Digests:
    from ml_connector.aws.shelf_table import ShelfTable
    from ml_connector.destinations.teams.digest import request
    from ml_connector.digests import Digests, Pages, blank
    from ml_connector.gathering import MODULE

    plain = courier()
    shelf = ShelfTable(clients.dynamodb(), os.environ["DELIVERY_TABLE"])
    carrier = replace(plain, destinations=Pages(plain.destinations, request), gathering=None, others={MODULE: blank})
    return Digests(connections(), shelf, carrier, plain.deliveries, queue(), utc_now)


@cache
def lanes(faulted: Callable[[Exception], None] = lambda error: None) -> Lanes:
    from ml_connector.carriers import Carriers
    from ml_connector.lanes import Lanes

    others: dict[str, Callable[[], Carrier]] = {
        "digest": digests, **_graph_carriers(), "monday_item": _board_carrier, "feedback": _notes,
    }  # fmt: skip
    return Lanes(Carriers(courier(), others), queue(), utc_now, faulted)


@cache
def _board_carrier() -> StepCarrier:
    """Of what monday tells. Nobody else finds it, so it is tried as long as a delivery is, and parked."""
    from ml_connector import retry
    from ml_connector.step_carrier import StepCarrier

    step = board_feedback().step
    return StepCarrier(connections(), utc_now, step, patience=retry.Policy(), parked=courier().parked)


@cache
def _notes() -> Courier:
    """Of notes in Zoho about what people did elsewhere."""
    from ml_connector import feedback

    return replace(courier(), gathering=None, others={feedback.MODULE: feedback.noted})


@cache
def board_feedback() -> BoardFeedback:
    from ml_connector.aws.board_hooks import BoardHooks
    from ml_connector.board_feedback import BoardFeedback
    from ml_connector.destinations.monday.groups import group_of
    from ml_connector.feedback import Feedback

    hooks = BoardHooks(connections())

    def us(connection: Connection, board: str) -> str:
        row = hooks.get(connection.name, board)
        return row.user if row else ""

    return BoardFeedback(
        rows=rows(),
        trail=trail(),
        feedback=Feedback(rows(trail()), trail(), utc_now),
        board=_board,
        us=us,
        group_of=group_of,
        queue=queue(),
        notices=notices(),
        clock=utc_now,
    )


@cache
def board_webhooks() -> BoardWebhooks:
    from ml_connector.aws.board_hooks import BoardHooks
    from ml_connector.board_webhooks import BoardWebhooks, address_of

    def address(connection: Connection, board: str) -> Address | None:
        kept = secrets().get(connection.name, "boards"), secrets().get(connection.name, "monday")
        return address_of(*kept, os.environ["WEBHOOKS_URL"], board)

    return BoardWebhooks(BoardHooks(connections()), _board, address, utc_now, reports.hooks_faulted)


def _board(connection: Connection, name: str) -> MondayWebhooks:
    from ml_connector.vendors.monday_webhooks import MondayWebhooks

    return MondayWebhooks(_monday_api(connection, connection.destinations[name]))


def _monday_api(connection: Connection, settings: Mapping[str, Any], *, optional: bool = False) -> MondayApi:
    from ml_connector.vendors import monday
    from ml_connector.vendors.monday_token import Access

    access = Access(secrets(), tokens(), connection.name)
    return monday.MondayApi(
        http(monday.HOSTS),
        access.token,
        utc_now,
        limiter(),
        settings.get("plan", "basic"),
        reserve=settings.get("reserve", 0),
        optional=optional,
        renew=access.renew,
        account=access.account,
    )


def _graph_carriers() -> dict[str, Callable[[], StepCarrier]]:
    """Of what Graph tells, by module; nothing of it is imported before there is such a message."""
    # As in sources/graph.py, which a delivery need not import.
    made = {
        "teams_message": lambda of: of.message(replies()),
        "teams_channel": lambda of: of.channel(channel_watch(), _graph_rows().SubscriptionList(connections())),
        "graph_lifecycle": lambda of: of.lifecycle(renewals()),
        "graph_resync": lambda of: of.resync(resync()),
    }

    def carrier(step: Callable[[Any], Step]) -> StepCarrier:
        from ml_connector import graph_carriers
        from ml_connector.step_carrier import StepCarrier

        return StepCarrier(connections(), utc_now, step(graph_carriers))

    return {module: cache(partial(carrier, step)) for module, step in made.items()}


def _graph_rows() -> Any:
    from ml_connector.aws import graph_rows

    return graph_rows


@cache
def graphs() -> Graphs:
    from ml_connector.vendors import microsoft

    return microsoft.Graphs(http, tokens(), lambda name: secrets().get(name, "microsoft"), limiter())


@cache
def replies() -> Replies:
    from ml_connector.feedback import Feedback
    from ml_connector.replies import Replies

    def account(connection: str) -> str:
        return str(secrets().get(connection, "microsoft").get("delegated", {}).get("user_id", ""))

    feedback = Feedback(rows(trail()), trail(), utc_now, reports.recorded)
    return Replies(connections(), trail(), graphs(), feedback, account)


@cache
def channel_watch() -> ChannelWatch:
    from ml_connector.channel_watch import ChannelWatch

    return ChannelWatch(connections(), _graph_rows().Channels(connections()), graphs(), notices(), utc_now, MISSING)


@cache
def resync() -> Resync:
    from ml_connector.resync import Resync

    return Resync(_graph_rows().Readings(connections()), graphs(), replies(), utc_now, time.sleep)


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
        failed=reports.untold,
    )


@cache
def attention() -> Attention:
    from ml_connector.attention import Attention
    from ml_connector.aws.notices_table import Incidents
    from ml_connector.aws.token_agenda import TokenAgenda

    return Attention(TokenAgenda(connections()), Incidents(connections()), connections(), notices(), utc_now)


@cache
def reconcile() -> Reconcile:
    from ml_connector.aws.schedules import Cursors
    from ml_connector.reconcile import Reconcile

    return Reconcile(
        books=reconcile_books(),
        cursors=Cursors(connections()),
        deliveries=rows(),
        queue=queue(),
        clock=utc_now,
        known=known(),
    )


@cache
def silence(faulted: Callable[[str, Exception], None] = lambda name, error: None) -> Silence:
    from ml_connector.aws.silence_rows import SilenceRows
    from ml_connector.silence import Silence

    rows, read = SilenceRows(connections()), trail(page=100)
    return Silence(connections(), rows, read, notices(), utc_now, reports.fell_silent, faulted)


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
        also=_also,
    )


def _also(connection: Connection, goes_on: Callable[[], bool]) -> None:
    """What is done with the time that a turn leaves. One thing's fault does not keep the other from being done."""
    # The last to be entered is the first to be run.
    with ExitStack() as work:
        if any(each["type"] == "monday" for each in connection.destinations.values()):
            work.callback(nightly().run, connection, goes_on)
        work.callback(month_end().run, connection, goes_on)
        work.callback(daily().run, connection, goes_on)


@cache
def daily() -> Daily:
    from ml_connector.aws.shelf_table import NotedDays
    from ml_connector.daily import Daily, parked

    waiting = partial(parked, trail().in_state, rows().read, utc_now)
    return Daily(reconcile_books(), NotedDays(connections()), waiting, queue(), utc_now, reports.no_figures)


@cache
def nightly() -> Nightly:
    from ml_connector.aws.board_nights import BoardNights
    from ml_connector.board_check import BoardCheck, Nightly, neighbours
    from ml_connector.vendors.monday_boards import MondayBoards

    def check(connection: Connection, name: str) -> BoardCheck:
        settings = connection.destinations[name]
        return BoardCheck(
            connection,
            name,
            settings,
            MondayBoards(_monday_api(connection, settings, optional=True)),
            rows(),
            neighbours=lambda: neighbours(connection, name, map(connections().connection, connections().names())),
            trail=trail(),
        )

    return Nightly(check, BoardNights(connections()), notices(), utc_now)


@cache
def month_end() -> MonthEnd:
    from ml_connector.aws.month_shelf import MonthShelf
    from ml_connector.aws.organizations import Organizations
    from ml_connector.completeness import Completeness
    from ml_connector.month_end import MonthEnd

    def completeness(connection: Connection) -> Completeness:
        connected = Organizations(connections()).of(connection.name)
        return Completeness(reconcile_books(), rows(), utc_now, connected.organization.currency if connected else "")

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
    from ml_connector.subscriptions import Address, Renewals

    def address(connection: str) -> Address | None:
        stored = secrets().get(connection, "graph")
        if not stored.get("token") or not stored.get("key"):
            return None
        return Address(os.environ["WEBHOOKS_URL"], stored["token"], stored["key"])

    rows = _graph_rows().SubscriptionList(connections())
    return Renewals(rows, graphs(), address, queue(), utc_now, reports.not_renewed)


def applied() -> Iterator[Connection]:
    """All connections in force."""
    yield from filter(None, map(connections().connection, connections().names()))


@cache
def notifications() -> Notifications:
    from ml_connector.notifications import Notifications

    return Notifications(connections(), secrets(), queue(), utc_now)


@cache
def board_calls() -> BoardCalls:
    from ml_connector.notifications import BoardCalls

    return BoardCalls(connections(), secrets(), queue(), utc_now)


def _due_at_once(kind: str, connection: str) -> None:
    """A token has changed: the schedule looks when it ends."""
    from ml_connector.aws.token_agenda import TokenAgenda
    from ml_connector.tokens import Due

    TokenAgenda(connections()).set(Due(connection, kind, stamp(utc_now()), "ok"))


@cache
def consent() -> Consent:
    from ml_connector import regions
    from ml_connector.aws.organizations import ConsentLinks, Organizations
    from ml_connector.consent import Consent
    from ml_connector.vendors.zoho_accounts import ZohoAccounts

    return Consent(
        connections=partial(connections().connection, fresh=True),
        secrets=secrets(),
        leases=leases(),
        accounts=ZohoAccounts(http(regions.HOSTS)),
        links=ConsentLinks(connections()),
        organizations=Organizations(connections()),
        tokens_changed=partial(_due_at_once, "zoho"),
        key=lambda: secrets().text("oauth-state"),
        clock=utc_now,
        pause=time.sleep,
    )


@cache
def service_account() -> ServiceAccount:
    from ml_connector.aws.organizations import ConsentLinks
    from ml_connector.service_account import KIND, ServiceAccount
    from ml_connector.vendors.microsoft.sign_in import SignIn

    return ServiceAccount(
        connections=partial(connections().connection, fresh=True),
        secrets=secrets(),
        leases=leases(),
        accounts=SignIn(http),
        links=ConsentLinks(connections()),
        tokens_changed=partial(_due_at_once, KIND),
        key=lambda: secrets().text("oauth-state"),
        clock=utc_now,
        pause=time.sleep,
    )


@cache
def monday_consent() -> MondayConsent:
    from ml_connector.aws.organizations import ConsentLinks
    from ml_connector.monday_consent import KIND, MondayConsent
    from ml_connector.vendors import monday, monday_accounts, monday_boards

    return MondayConsent(
        connections=partial(connections().connection, fresh=True),
        secrets=secrets(),
        leases=leases(),
        accounts=monday_accounts.MondayAccounts(http(monday_accounts.HOSTS), utc_now),
        whoami=lambda token: monday_boards.whoami(monday.MondayApi(http(monday.HOSTS), lambda: token, utc_now)),
        links=ConsentLinks(connections()),
        tokens_changed=partial(_due_at_once, KIND),
        key=lambda: secrets().text("oauth-state"),
        clock=utc_now,
        pause=time.sleep,
    )


@cache
def widget() -> Widget:
    from ml_connector.aws import queues
    from ml_connector.aws.graph_rows import SubscriptionList
    from ml_connector.aws.schedules import TurnList
    from ml_connector.aws.silence_rows import SilenceRows
    from ml_connector.aws.token_agenda import TokenAgenda
    from ml_connector.widget.look import SIZE, Notes, Widget

    return Widget(
        connections=connections(),
        trail=trail(page=2 * SIZE),
        rows=rows(),
        notes=Notes(
            TokenAgenda(connections()).all,
            SubscriptionList(connections()).all,
            TurnList(connections()).all,
            SilenceRows(connections()).all,
        ),
        backlog=partial(queues.counts, clients.sqs(), os.environ["DELIVERIES_QUEUE_URL"]),
        parked=partial(queues.counts, clients.sqs(), os.environ["PARKED_QUEUE_URL"]),
        clock=utc_now,
        widget_arn=os.environ["WIDGET_FUNCTION_ARN"],
        retry_arn=os.environ["RETRY_FUNCTION_ARN"],
    )


@cache
def again() -> Again:
    from ml_connector.aws.parked_desk import ParkedDesk, Wanted, retry
    from ml_connector.widget.again import Again

    parked = ParkedDesk(clients.sqs(), os.environ["PARKED_QUEUE_URL"], os.environ["DELIVERIES_QUEUE_URL"])

    def send(connection: str, delivery: str, who: str) -> list[dict[str, Any]]:
        return retry(parked, rows(trail()), Wanted(connection, (delivery,)), connection, who, origin="dashboard")

    return Again(send, utc_now, os.environ["WIDGET_FUNCTION_ARN"], os.environ["RETRY_FUNCTION_ARN"])
