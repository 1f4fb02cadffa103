"""Our vendor clients against the strict stand-ins, in one process: documents, encodings, cards, tokens, orders.

The transport hands each call to the stand-ins' ASGI application, the way the sandbox addresses them; no socket.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse

from ml_connector import regions
from ml_connector.connections import Connection, Endpoint
from ml_connector.delivery import Courier, Result
from ml_connector.destinations import Registry, Toolbox
from ml_connector.errors import NeedsAttention, NotAllowed, RetryLater, Undeliverable
from ml_connector.events import Delivery, Event
from ml_connector.modules import ACTIONS, MODULES
from ml_connector.records import read, timestamp
from ml_connector.sources import Inbound, zoho_books
from ml_connector.tokens import Tokens
from ml_connector.vendors import microsoft
from ml_connector.vendors.http import Http
from ml_connector.vendors.zoho import ZohoBooks
from ml_connector.vendors.zoho_accounts import ZohoAccounts
from ml_connector.vendors.zoho_settings import ZohoSettings
from ml_connector.webhook_plan import Change, plan, wanted
from ml_connector.webhook_setup import RulesUnavailable, Setup, look
from sandbox.vendors import control
from sandbox.vendors import default_world as w
from sandbox.vendors.app import create_app
from sandbox.vendors.faults import Fault
from sandbox.vendors.wire import Call
from sandbox.vendors.world import Clock as WorldClock
from sandbox.vendors.world import Subscription, World
from tests.fakes import (
    Agenda,
    Clock,
    Connections,
    Deliveries,
    Leases,
    Parked,
    Secrets,
    connection,
    monday_settings,
)
from tests.unit.zoho_automation import Installations

START = 1_795_000_000.0


class InProcess(HTTPAdapter):
    """Drives the ASGI application by hand: it waits for nothing, so no event loop is needed."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._app = create_app(world)

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        url = urlsplit(str(request.url))
        body = request.body.encode() if isinstance(request.body, str) else request.body or b""
        scope: dict[str, Any] = {
            "type": "http",
            "method": request.method,
            "path": unquote(url.path),
            "raw_path": url.path.encode(),
            "query_string": url.query.encode(),
            "headers": [(name.lower().encode(), str(value).encode()) for name, value in request.headers.items()],
        }
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def keep(message: Any) -> None:
            sent.append(message)

        try:
            self._app(scope, receive, keep).__await__().send(None)
        except StopIteration:
            pass
        except ConnectionResetError as error:
            raise requests.ConnectionError(error) from error
        content = b"".join(message.get("body", b"") for message in sent[1:])
        headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        raw = HTTPResponse(BytesIO(content), headers, sent[0]["status"], preload_content=False)
        return self.build_response(request, raw)


class SharedClock(Clock):
    """The vendors' time is ours."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def __call__(self) -> datetime:
        return datetime.fromtimestamp(self._world.clock.now(), UTC)

    def advance(self, seconds: float) -> None:
        self._world.clock.advance(seconds)

    def monotonic(self) -> float:
        return self._world.clock.now()


class Company:
    """The default world as one connection, with the product's own clients, registry, tokens and courier."""

    def __init__(self) -> None:
        self.world = World(w.seed(), WorldClock(START, frozen=True))
        self.clock = SharedClock(self.world)
        stored: dict[tuple[str, str], Any] = {
            ("acme-eu", "zoho"): {
                "region": w.ZOHO_REGION,
                "client_id": w.ZOHO_CLIENT_ID,
                "client_secret": w.ZOHO_CLIENT_SECRET,
                "refresh_token": w.ZOHO_REFRESH_TOKEN,
            },
            ("acme-eu", "microsoft"): {
                "tenant_id": w.MICROSOFT_TENANT,
                "client_id": w.MICROSOFT_CLIENT_ID,
                "client_secret": w.MICROSOFT_CLIENT_SECRET,
            },
            ("acme-eu", "monday"): {"token": w.MONDAY_TOKEN},
            ("acme-eu", "workflows"): {"purchasing": w.WORKFLOW_URL},
        }
        self.secrets = Secrets(stored, self.clock)
        self.tokens = Tokens(
            self.secrets,
            Leases(),
            Agenda(),
            {
                "zoho": ZohoAccounts(self.http(regions.HOSTS)),
                **microsoft.issuers(self.http),
            },
            self.clock,
        )
        self.books = ZohoBooks(self.http(regions.HOSTS), self.tokens)
        self.connection = self.connected()
        self.deliveries, self.parked = Deliveries(), Parked()
        self.registry = Registry(Toolbox(self.http, self.tokens, self.secrets, self.clock, pause=self.clock.advance))

    def http(self, hosts: frozenset[str]) -> Http:
        client = Http(hosts, "http://sandbox", self.clock.monotonic)
        client._session.mount("http://sandbox", InProcess(self.world))
        return client

    def connected(self, channel: str = w.CHANNEL_FINANCE, **settings: Any) -> Connection:
        bot = {"type": "teams", "transport": "bot", "team_id": w.MICROSOFT_TEAM, "channel_id": channel}
        board = monday_settings(board_id=int(w.MONDAY_BOARD), group=w.MONDAY_GROUP, **settings)
        return connection(
            zoho={"region": w.ZOHO_REGION, "organization_id": w.ZOHO_ORGANIZATION, "modules": list(MODULES)},
            microsoft={"tenant_id": w.MICROSOFT_TENANT, "client_id": w.MICROSOFT_CLIENT_ID},
            destinations={
                "finance": bot,
                "purchasing": {"type": "teams", "transport": "workflows"},
                "ledger": board,
            },
        )

    def courier(self) -> Courier:
        return Courier(
            connections=Connections({"acme-eu": self.connection}),
            destinations=self.registry,
            deliveries=self.deliveries,
            parked=self.parked,
            books=self.books,
            clock=self.clock,
            lease=timedelta(seconds=100),
            owner="worker-1",
            jitter=lambda _, asked, __: max(1, round(asked or 1)),
        )

    def control(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        answer = control.handle(self.world, Call(method, "_control", path, {}, json.dumps(body or {}).encode()))
        assert answer.status == 200, answer.body
        return answer.json()

    def saves(self, module: str, fields: dict[str, Any] | None = None, record_id: str = "") -> Delivery:
        """The bookkeeper saves a record; what its webhook would carry, for any destination."""
        path = f"/zoho/{w.ZOHO_ORGANIZATION}/records/{module}" + (f"/{record_id}" if record_id else "")
        body = {"fields": fields or {}, "webhook": "lose"}
        saved = self.control("PATCH" if record_id else "POST", path, body)["record"]
        record = read(module, saved)
        event = Event(
            "acme-eu", module, record.id, "updated" if record_id else "created", record.version, "webhook",
            "2026-11-18T11:06:40.000000Z", "call-1", saved,
        )  # fmt: skip
        return Delivery(event, "ledger")

    def carries(self, each: Delivery, destination: str = "", *, limit: int = 30) -> Result:
        """Until it is done, with the waits that it asks for."""
        wanted = Delivery(each.event, destination or each.destination)
        for receives in range(1, limit):
            try:
                return self.courier().carry(wanted, receives, self.clock())
            except RetryLater as later:
                self.clock.advance(later.after or 1)
        raise AssertionError("it never ends")

    def items(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.control("GET", f"/monday/boards/{w.MONDAY_BOARD}")["items"]
        return found

    def posts(self, channel: str = w.CHANNEL_FINANCE) -> list[Any]:
        """The messages that begin a thread."""
        return [message for message in self.messages(channel) if message.thread == message.id]

    def messages(self, channel: str = w.CHANNEL_FINANCE) -> list[Any]:
        return [message for message in self.world.microsoft.channels[channel].messages if not message.deleted]

    def fault(self, kind: str, **rule: Any) -> None:
        self.world.faults.rules.append(Fault(kind, **rule))


@pytest.fixture
def company() -> Company:
    return Company()


# --- the five modules --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", MODULES)
def test_every_module_reaches_every_place(company: Company, module: str) -> None:
    """Created and updated: one item and one card, kept up to date; a workflow posts each state."""
    created = company.saves(module)
    assert [company.carries(created, name).outcome for name in ("finance", "purchasing", "ledger")] == [
        "delivered",
        "accepted",
        "delivered",
    ]
    company.clock.advance(60)
    changed = company.saves(module, {"reference_number": "PO-77"}, created.event.record_id)
    for name in ("finance", "purchasing", "ledger"):
        company.carries(changed, name)
    (item,) = company.items()
    (post,) = company.posts()
    assert item["name"].startswith(MODULES[module].label)
    assert item["raw"]["zb_doc_id"] == f"zb:{w.ZOHO_ORGANIZATION}:{module}:{created.event.record_id}"
    assert "PO-77" in json.dumps(post.card)
    assert post.edits == 1
    assert len(company.posts(w.CHANNEL_PURCHASING)) == 2
    assert company.parked.kept == {}


@pytest.mark.parametrize("module", MODULES)
def test_fetched_record_is_the_webhooks(company: Company, module: str) -> None:
    """A read of the same state is the same version: webhook and reconcile never deliver twice."""
    saved = company.saves(module)
    fetched = read(module, company.books.fetch(company.connection, module, saved.event.record_id))
    assert fetched.version == saved.event.version


@pytest.mark.parametrize("module", MODULES)
def test_list_finds_what_changed(company: Company, module: str) -> None:
    """Reconcile's list names the record with its id and its time."""
    old = company.saves(module)
    company.clock.advance(3600)
    new = company.saves(module)
    since = company.clock() - timedelta(minutes=10)
    page = company.books.page(company.connection, module, 1)
    times = {str(row[MODULES[module].id_field]): timestamp(row["last_modified_time"]) for row in page.rows}
    assert list(times) == [new.event.record_id, old.event.record_id]
    assert [time >= since.strftime("%Y-%m-%dT%H:%M:%SZ") for time in times.values()] == [True, False]


def test_values_are_written_as_each_column_wants_them(company: Company) -> None:
    """What people see on the board."""
    company.carries(company.saves("invoice", {"customer_name": "Müller & Söhne", "status": "partially_paid"}))
    (item,) = company.items()
    text = item["text"]
    assert (text["zb_party"], text["zb_status"], text["zb_currency"]) == ("Müller & Söhne", "Partially paid", "EUR")
    assert text["zb_link"].endswith("#/invoices/" + item["raw"]["zb_doc_id"].rpartition(":")[2])


def test_party_can_be_renamed(company: Company) -> None:
    """The item's name follows the record."""
    created = company.saves("invoice", {"customer_name": "Old Ltd"})
    company.carries(created)
    company.clock.advance(60)
    company.carries(company.saves("invoice", {"customer_name": "New Ltd"}, created.event.record_id))
    assert [item["name"].rpartition(" · ")[2] for item in company.items()] == ["New Ltd"]


HOSTILE = {
    "500 lines": {"line_items": [{"name": "x" * 300, "quantity": 1, "rate": 1} for _ in range(500)]},
    "injection": {"reference_number": "[x](https://evil.example) {{DATE(x)}} **b**", "customer_name": "]\n# *"},
    "right to left": {"customer_name": "شركة الميناء \u202eevil"},
    "long": {"customer_name": "n" * 500},
    "empty": {"customer_name": "", "reference_number": "", "due_date": ""},
}


@pytest.mark.parametrize("fields", HOSTILE.values(), ids=HOSTILE)
def test_odd_records_are_taken_everywhere(company: Company, fields: dict[str, Any]) -> None:
    """Nothing that a record holds makes a vendor refuse it."""
    each = company.saves("invoice", fields)
    assert [company.carries(each, name).outcome for name in ("finance", "purchasing", "ledger")] == [
        "delivered",
        "accepted",
        "delivered",
    ]
    (run,) = company.world.microsoft.workflows[0].runs
    assert not run["error"]


# --- trouble -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["timeout_before", "timeout_after", "html", "partial"])
def test_trouble_at_monday_never_makes_a_second_item(company: Company, kind: str) -> None:
    """Whatever happens on the way to or from it, within the life of the key."""
    company.fault(kind, vendor="monday", contains="CreateRecord", count=2)
    assert company.carries(company.saves("invoice")).outcome == "delivered"
    assert len(company.items()) == 1


@pytest.mark.parametrize("lag", [0.0, 50.0])
def test_item_of_an_unanswered_create_is_found_after_the_key_has_ended(company: Company, lag: float) -> None:
    """After 25 minutes it is looked for, twice if need be, because the index may lag."""
    company.fault("timeout_after", vendor="monday", contains="CreateRecord")
    each = company.saves("invoice")
    with pytest.raises(RetryLater):
        company.courier().carry(each)
    company.clock.advance(31 * 60)
    company.control("PATCH", f"/monday/accounts/{w.MONDAY_ACCOUNT}", {"index_lag": 31 * 60 + lag})
    assert company.carries(each).outcome == "delivered"
    assert len(company.items()) == 1


def test_lost_create_is_made_after_two_looks(company: Company) -> None:
    """Nothing was made: it is made then, once."""
    company.fault("timeout_before", vendor="monday", contains="CreateRecord")
    each = company.saves("invoice")
    with pytest.raises(RetryLater):
        company.courier().carry(each)
    company.clock.advance(31 * 60)
    assert company.carries(each).outcome == "delivered"
    assert len(company.items()) == 1


@pytest.mark.parametrize("state", ["archived", "deleted"])
def test_removed_item_is_made_anew(company: Company, state: str) -> None:
    """A change of the record brings a removed item back, as a new one."""
    created = company.saves("bill")
    company.carries(created)
    (item,) = company.items()
    company.control("PATCH", f"/monday/items/{item['id']}", {"state": state})
    company.clock.advance(60)
    company.carries(company.saves("bill", {"reference_number": "x"}, created.event.record_id))
    assert [item["state"] for item in company.items()] == [state, "active"]


def test_missing_label_is_parked_with_a_reason(company: Company) -> None:
    """A status that the board does not know is told, not made up."""
    result = company.carries(company.saves("invoice", {"status": "levitating"}))
    assert result.outcome == "parked"
    assert "Levitating" in result.reason


def test_unanswered_post_to_teams_is_found_by_looking(company: Company) -> None:
    """The Connector knows no key and lists nothing, but Graph shows the channel: changes go to the found message."""
    company.fault("timeout_after", vendor="bot")
    created = company.saves("invoice")
    result = company.carries(created, "finance")
    assert (result.outcome, result.reason) == ("delivered", "found by looking")
    (message,) = company.posts()
    assert result.receipt is not None
    assert result.receipt.external_id == message.id
    company.clock.advance(60)
    company.carries(company.saves("invoice", {"status": "paid"}, created.event.record_id), "finance")
    assert len(company.posts()) == 1
    assert "Paid" in json.dumps(company.posts()[0].card)


def test_post_that_never_was_is_made_after_a_second_look(company: Company) -> None:
    """The call was lost on its way: not found twice, a minute apart, it is sent again."""
    company.fault("timeout_before", vendor="bot")
    assert company.carries(company.saves("invoice"), "finance").outcome == "delivered"
    assert len(company.posts()) == 1
    assert company.deliveries.audit.outcomes == ["unknown", "unknown", "delivered"]


def test_unanswered_post_to_a_channel_that_we_may_not_read_is_parked(company: Company) -> None:
    """Without the permission nobody can tell: one message at most, and a person looks."""
    (app,) = company.world.microsoft.apps.values()
    app.graph_roles.clear()
    company.fault("timeout_after", vendor="bot")
    assert company.carries(company.saves("invoice"), "finance").outcome == "parked"
    assert len(company.posts()) == 1


def test_deleted_message_is_posted_anew(company: Company) -> None:
    """A change after somebody deleted the card posts a new one."""
    created = company.saves("invoice")
    company.carries(created, "finance")
    company.posts()[0].deleted = True
    company.clock.advance(60)
    company.carries(company.saves("invoice", {"status": "paid"}, created.event.record_id), "finance")
    assert len(company.posts()) == 1


def test_bot_that_is_not_installed_is_told(company: Company) -> None:
    """The reason says what to do."""
    company.connection = company.connected(channel=w.CHANNEL_WITHOUT_BOT)
    result = company.carries(company.saves("invoice"), "finance")
    assert (result.outcome, "not installed" in result.reason) == ("parked", True)


def test_burst_waits_for_the_channels_limit(company: Company) -> None:
    """Seven posts a second and no more: the rest wait as long as Teams says, and all arrive."""
    for each in [company.saves("invoice") for _ in range(12)]:
        assert company.carries(each, "finance").outcome == "delivered"
    assert len(company.posts()) == 12
    assert "retry" in company.deliveries.audit.outcomes


# --- tokens ------------------------------------------------------------------------------------------------------


def test_ended_tokens_are_replaced(company: Company) -> None:
    """Two hours later every token is renewed, without anybody noticing."""
    created = company.saves("invoice")
    company.carries(created, "finance")
    company.books.fetch(company.connection, "invoice", created.event.record_id)
    company.clock.advance(7200)
    company.books.fetch(company.connection, "invoice", created.event.record_id)
    company.carries(company.saves("invoice", {"status": "paid"}, created.event.record_id), "finance")
    assert len(company.posts()) == 1


def test_token_that_a_vendor_forgot_is_replaced(company: Company) -> None:
    """A 401 before the token's time: one refresh, one more call."""
    created = company.saves("invoice")
    company.carries(created, "finance")
    company.books.fetch(company.connection, "invoice", created.event.record_id)
    company.world.microsoft.tokens.clear()
    company.world.zoho.access_tokens.clear()
    company.books.fetch(company.connection, "invoice", created.event.record_id)
    assert company.carries(company.saves("invoice"), "finance").outcome == "delivered"


def test_revoked_refresh_token_needs_a_person(company: Company) -> None:
    """Zoho says so with HTTP 200."""
    company.world.zoho.refresh_tokens.clear()
    with pytest.raises(NeedsAttention):
        company.books.fetch(company.connection, "invoice", "1")


def test_eleventh_token_in_ten_minutes_is_waited_for(company: Company) -> None:
    """Access Denied, with HTTP 200 as well."""
    accounts = ZohoAccounts(company.http(regions.HOSTS))
    for _ in range(10):
        accounts.issue(company.secrets.get("acme-eu", "zoho"))
    with pytest.raises(RetryLater) as caught:
        accounts.issue(company.secrets.get("acme-eu", "zoho"))
    assert caught.value.after == 600


def test_code_is_exchanged_once(company: Company) -> None:
    """The consent's code gives both tokens and is spent."""
    accounts = ZohoAccounts(company.http(regions.HOSTS))
    arguments = ("eu", w.ZOHO_CLIENT_ID, w.ZOHO_CLIENT_SECRET, w.ZOHO_SELF_CLIENT_CODE, "")
    grant = accounts.exchange(*arguments)
    assert (grant.issued.lifetime, bool(grant.refresh_token)) == (3600, True)
    with pytest.raises(NeedsAttention):
        accounts.exchange(*arguments)


def test_missing_record_is_undeliverable(company: Company) -> None:
    """Deleted before it could be read."""
    with pytest.raises(Undeliverable, match="does not exist"):
        company.books.fetch(company.connection, "invoice", "999")


# --- webhooks, rules and what they send --------------------------------------------------------------------------

SECRET = "Standin{}Secret0123456789"
ADDRESS = "https://hooks.example/webhooks/zoho/"


class Automation(Company):
    """The company with an administrator's consent; what Zoho's webhooks carry is kept as ingest would get it."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[Inbound] = []
        self.status = 202
        self.world.post = self._hear
        grant = self.world.zoho.refresh_tokens[w.ZOHO_REFRESH_TOKEN]
        grant.scopes = [*grant.scopes, *(f"ZohoBooks.settings.{verb}" for verb in ("CREATE", "UPDATE", "DELETE"))]
        self.settings = ZohoSettings(self.books.api, self.clock.advance, self.clock.monotonic)
        self.installations = Installations()
        names = [f"zoho.{module}.{action}" for module in MODULES for action in ACTIONS]
        self.endpoints = {
            name: {"token": name.replace(".", "-"), "secrets": [SECRET.format(number)]}
            for number, name in enumerate(names)
        }

    def _hear(self, url: str, body: bytes, headers: Mapping[str, str], /, *, method: str = "POST") -> int:
        assert method == "POST"
        address, _, query = url.removeprefix(ADDRESS).partition("?")
        names = {name.lower(): value for name, value in headers.items()}
        self.heard.append(Inbound("zoho", address, query, names, body))
        return self.status

    def install(self) -> list[Change]:
        """What was changed; raises if a step failed."""
        every = wanted(self.connection, self.endpoints, ADDRESS.__add__)
        installed = self.installations.all("acme-eu")
        todo = plan(every, look(self.settings, self.connection, every, installed), installed)
        done = list(Setup(self.settings, self.installations, self.clock).carry_out(self.connection, todo, every))
        assert [each.failed for each in done if each.failed] == []
        return [each.change for each in done]

    def said(self) -> list[tuple[str, str, str]]:
        """What ingest makes of all that was heard: event, record, version."""
        events = []
        for call in self.heard:
            _, module, action = call.token.split("-")
            endpoint = Endpoint(f"zoho.{module}.{action}", "acme-eu", "zoho", module, action)
            zoho_books.verify(call, self.endpoints[endpoint.id]["secrets"], lambda: [])
            event, _ = zoho_books.translate(
                call, endpoint, self.connection, received_at="2026-11-18T11:06:40.000000Z", correlation_id="c"
            )
            events.append((event.name, event.record_id, event.version.fingerprint))
        self.heard.clear()
        return events

    def acts(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.control(method, f"/zoho/{w.ZOHO_ORGANIZATION}/{path}", body)
        return answer


@pytest.fixture
def automation() -> Automation:
    return Automation()


@pytest.mark.parametrize("edit_refused", [False, True])
def test_installed_webhooks_of_every_module_are_heard(automation: Automation, edit_refused: bool) -> None:
    """Created, edited, deleted in all ten modules: each call verifies with its own secret and is what it says."""
    automation.acts("PATCH", "", edit_refused=edit_refused)
    assert len(automation.install()) == 2 * len(MODULES) * len(ACTIONS)
    assert automation.install() == []
    for module in MODULES:
        made = automation.acts("POST", f"records/{module}")
        record_id, version = made["id"], read(module, made["record"]).version.fingerprint
        also = [(f"{module}.updated", record_id, version)] if edit_refused else []
        assert sorted(automation.said()) == sorted([(f"{module}.created", record_id, version), *also])
        automation.clock.advance(5)
        edited = automation.acts("PATCH", f"records/{module}/{record_id}", fields={"reference_number": "PO-77"})
        version = read(module, edited["record"]).version.fingerprint
        assert automation.said() == [(f"{module}.updated", record_id, version)]
        automation.acts("DELETE", f"records/{module}/{record_id}")
        assert [event[:2] for event in automation.said()] == [(f"{module}.deleted", record_id)]


BODIES: dict[str, dict[str, Any]] = {
    "raw": {"body_type": "application/json", "raw_data": "${JSONString}"},
    "form": {"form_data": [{"param_name": "JSONString", "param_value": "${JSONString}"}]},
    "query": {
        "query_parameters": [{"param_name": "b", "param_value": "x y"}, {"param_name": "a", "param_value": "ü&"}]
    },
    "form and query": {
        "query_parameters": [{"param_name": "z", "param_value": "1+1"}],
        "form_data": [
            {"param_name": "name", "param_value": "${INVOICE.CUSTOMER_NAME}"},
            {"param_name": "JSONString", "param_value": "${JSONString}"},
        ],
    },
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_every_way_to_send_a_record_is_understood(automation: Automation, body: dict[str, Any]) -> None:
    """Where somebody set a webhook up otherwise than we do: signed as Zoho signs it, it is read all the same."""
    endpoint = automation.endpoints["zoho.invoice.created"]
    webhook = {
        "webhook_name": "by hand", "entity": "invoice", "url": ADDRESS + endpoint["token"],
        "secret": endpoint["secrets"][0], **body,
    }  # fmt: skip
    key = automation.settings.create_webhook(automation.connection, webhook)
    actions = [{"action_type": "webhook", "action_id": key}]
    rule = {"workflow_name": "r", "entity": "invoice", "rule_type": "add", "instant_actions": actions}
    automation.settings.create_rule(automation.connection, rule)
    made = automation.acts("POST", "records/invoice", fields={"customer_name": "Müller & Söhne <b>+</b>"})
    version = read("invoice", made["record"]).version.fingerprint
    assert automation.said() == [("invoice.created", made["id"], version)]


@pytest.mark.parametrize("organization", [False, True])
def test_payments_may_come_below_another_key(automation: Automation, organization: bool) -> None:
    """Nobody has published the webhook of a payment."""
    keys = {"customerpayments": "customer_payment", "vendorpayments": "vendor_payment"}
    automation.acts("PATCH", "", payload_keys=keys, payload_organization=organization)
    automation.install()
    for module in ("customer_payment", "vendor_payment"):
        automation.acts("POST", f"records/{module}")
    assert [event[0] for event in automation.said()] == ["customer_payment.created", "vendor_payment.created"]


def test_a_payment_tells_of_itself_and_of_its_invoices(automation: Automation) -> None:
    """The invoice comes as paid."""
    automation.install()
    invoice = automation.acts("POST", "records/invoice", fields={"total": 119})["id"]
    automation.heard.clear()
    automation.acts("POST", "payments/customer_payment", amounts={invoice: 119})
    payloads = [json.loads(call.body) for call in automation.heard]
    assert [event[0] for event in automation.said()] == ["customer_payment.created", "invoice.updated"]
    assert (payloads[1]["invoice"]["status"], payloads[1]["invoice"]["balance"]) == ("paid", 0.0)


def test_a_plan_without_rules_leaves_nothing_behind(automation: Automation) -> None:
    """The webhook that was made before the refusal is removed, so that its name is free."""
    automation.acts("PATCH", "", plan_name="Standard")
    with pytest.raises(RulesUnavailable):
        automation.install()
    assert automation.acts("GET", "settings") == {"webhooks": [], "workflows": []}


def test_settings_without_their_scope_say_so(company: Company) -> None:
    """57: a new consent, or by hand."""
    settings = ZohoSettings(company.books.api, company.clock.advance, company.clock.monotonic)
    assert settings.webhooks(company.connection) == []
    with pytest.raises(NotAllowed):
        settings.create_webhook(company.connection, {"webhook_name": "x", "url": ADDRESS})


def test_what_people_undo_is_put_right(automation: Automation) -> None:
    """A rule switched off, a webhook that calls elsewhere, one that is gone: as before after one more run."""
    automation.install()
    shown = automation.acts("GET", "settings")
    rules = {rule["workflow_name"]: rule["workflow_id"] for rule in shown["workflows"]}
    webhooks = [each["webhook_id"] for each in shown["webhooks"]]
    automation.acts("PATCH", f"settings/workflows/{next(iter(rules.values()))}", is_active=False)
    automation.acts(
        "PATCH", f"settings/webhooks/{webhooks[1]}", url="https://evil.example/", secret="EvilSecret0123456789"
    )
    automation.acts("DELETE", f"settings/webhooks/{webhooks[2]}")
    automation.acts("DELETE", f"settings/workflows/{list(rules.values())[3]}")
    assert automation.install() != []
    assert automation.install() == []
    invoice = automation.acts("POST", "records/invoice")["id"]
    automation.acts("PATCH", f"records/invoice/{invoice}", fields={"reference_number": "x"})
    automation.acts("DELETE", f"records/invoice/{invoice}")
    automation.acts("POST", "records/bill")
    events = ["invoice.created", "invoice.updated", "invoice.deleted", "bill.created"]
    assert [event[0] for event in automation.said()] == events


def test_failed_webhooks_are_found_and_sent_again(automation: Automation) -> None:
    """Zoho's own history, by its days; twelve failures are resent in two calls."""
    automation.install()
    automation.status = 500
    made = [automation.acts("POST", "records/bill")["id"] for _ in range(12)]
    automation.status = 202
    automation.acts("POST", "records/invoice")
    automation.heard.clear()
    days = ("2026-11-18", "2026-11-18")
    failed = list(automation.settings.history(automation.connection, *days, failed=True))
    assert sorted(entry.record_id for entry in failed) == sorted(made)
    assert {(entry.module, entry.answer) for entry in failed} == {("bill", "500")}
    for some in (failed[:10], failed[10:]):
        automation.settings.resend(automation.connection, [entry.id for entry in some])
    automation.acts("POST", "webhooks/settle")
    assert sorted(event[1] for event in automation.said()) == sorted(made)
    assert list(automation.settings.history(automation.connection, *days, failed=True)) == []
    assert len(list(automation.settings.history(automation.connection, *days))) == 13


# --- limits ------------------------------------------------------------------------------------------------------


def test_too_many_calls_at_once_wait_a_moment(company: Company) -> None:
    """1070: ten under way and no more."""
    invoice = company.saves("invoice").event.record_id
    organization = company.world.zoho.organizations[w.ZOHO_ORGANIZATION]
    organization.busy_until = [company.clock.monotonic() + 60] * 10
    with pytest.raises(RetryLater) as caught:
        company.books.fetch(company.connection, "invoice", invoice)
    assert caught.value.after == 5
    company.clock.advance(60)
    company.books.fetch(company.connection, "invoice", invoice)


def test_a_used_up_day_waits_for_midnight(company: Company) -> None:
    """45: until the organization's day ends."""
    company.control("PATCH", f"/zoho/{w.ZOHO_ORGANIZATION}", {"plan_name": "Free", "calls_today": 0})
    invoice = company.saves("invoice").event.record_id
    company.books.fetch(company.connection, "invoice", invoice)
    company.control("PATCH", f"/zoho/{w.ZOHO_ORGANIZATION}", {"calls_today": 1000})
    with pytest.raises(RetryLater) as caught:
        company.books.fetch(company.connection, "invoice", invoice)
    assert caught.value.after == 11 * 3600 + 53 * 60 + 20  # 12:06:40 in Berlin


# --- subscriptions -----------------------------------------------------------------------------------------------


def test_subscription_is_renewed_by_graph(company: Company) -> None:
    """70 hours are within Graph's limit; a removed one is Gone."""
    shown = {
        "id": "s1",
        "applicationId": w.MICROSOFT_CLIENT_ID,
        "resource": f"/teams/{w.MICROSOFT_TEAM}/channels",
        "lifecycleNotificationUrl": "https://example.com/",
        "notificationUrl": "https://example.com/",
    }
    now = company.world.clock.now()
    company.world.microsoft.subscriptions["s1"] = Subscription(shown, w.MICROSOFT_TENANT, now + 3600, now, now)
    graph = microsoft.Graph(company.http(microsoft.HOSTS), company.tokens)
    until = (company.clock() + timedelta(minutes=4200)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert datetime.fromisoformat(graph.renew("acme-eu", "s1", until)) == datetime.fromisoformat(until)
    with pytest.raises(Undeliverable, match="does not know"):
        graph.renew("acme-eu", "s2", until)
