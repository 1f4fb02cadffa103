"""Every way into Teams against the strict stand-ins: people, imports, feeds, national clouds, certificates."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from ml_connector.clouds import CLOUDS
from ml_connector.delivery import Result
from ml_connector.errors import Gone, NeedsAttention, RetryLater, Undeliverable
from ml_connector.events import Version
from ml_connector.ports import AuditEntry, Destination, Memory, Receipt, Request
from ml_connector.service_account import KIND
from ml_connector.tokens import RECHECK
from sandbox.vendors import default_world as w
from sandbox.vendors.faults import Fault
from sandbox.vendors.world import Channel
from sandbox.vendors.world import Clock as WorldClock
from tests.contract.test_against_standins import Company
from tests.fakes import delivery, record_of

CHANNEL = {"type": "teams", "team_id": w.MICROSOFT_TEAM, "channel_id": w.CHANNEL_FINANCE}
PERSON = {**CHANNEL, "transport": "delegated", "edits": False}
EDITOR = {**PERSON, "edits": True}
IMPORT = {**CHANNEL, "transport": "graph_import", "author": {"id": w.MICROSOFT_USER, "displayName": "Books"}}
FEED = {**CHANNEL, "transport": "activity", "people": [w.MICROSOFT_USER]}


class Tenant:
    """One Teams destination of the default world, with whatever credentials it needs."""

    def __init__(self, settings: Mapping[str, Any], cloud: str = "global") -> None:
        self.company = Company()
        self.world = self.company.world
        self.app = self.world.microsoft.apps[w.MICROSOFT_TENANT, w.MICROSOFT_CLIENT_ID]
        self.app.cloud = cloud
        self.store(
            client_secret=w.MICROSOFT_CLIENT_SECRET,
            cloud=cloud,
            delegated={"refresh_token": w.MICROSOFT_REFRESH_TOKEN, "scopes": ["ChannelMessage.Send"]},
        )
        plain = self.company.connection
        microsoft = {**plain.microsoft, "cloud": cloud}
        self.connection = replace(plain, destinations={"place": dict(settings)}, microsoft=microsoft)

    def store(self, **credentials: Any) -> None:
        registration = {"tenant_id": w.MICROSOFT_TENANT, "client_id": w.MICROSOFT_CLIENT_ID}
        self.company.secrets.put("acme-eu", "microsoft", {**registration, **credentials})

    @property
    def stored(self) -> Mapping[str, Any]:
        return self.company.secrets.stored["acme-eu", "microsoft"]

    @property
    def channel(self) -> Channel:
        return self.world.microsoft.channels[w.CHANNEL_FINANCE]

    @property
    def destination(self) -> Destination:
        return self.company.registry.destination(self.connection, "place")

    def planned(self, memory: Memory | None = None, **changes: Any) -> Request:
        each = delivery("place", **changes)
        return self.destination.plan(each.event, record_of(each), memory or Memory())

    def sent(self, memory: Memory | None = None, **changes: Any) -> Receipt:
        self.company.clock.advance(1.1)
        return self.destination.send(self.planned(memory, **changes))

    def calls(self, vendor: str) -> int:
        return sum(each["vendor"] == vendor for each in self.world.requests)


def remembered(receipt: Receipt, request: Request) -> Memory:
    return Memory("done", external_id=receipt.external_id, thread_id=receipt.thread_id, target=request.target, rev=1)


# --- as a person -----------------------------------------------------------------------------------------------------


def test_person_posts_a_card_that_teams_shows() -> None:
    """The card is a text with its marker; the receipt leads to the message."""
    tenant = Tenant(PERSON)
    receipt = tenant.sent()
    (message,) = tenant.channel.messages
    assert (message.sender, receipt.outcome, receipt.external_id) == (w.MICROSOFT_USER, "created", message.id)
    assert message.card is not None
    assert receipt.thread_id == f"{w.CHANNEL_FINANCE};messageid={message.id}"
    assert message.id in receipt.link


def test_later_versions_are_replies_in_one_thread() -> None:
    """Without the permission to change messages; each reply goes to the root, also after other replies."""
    tenant = Tenant(PERSON)
    memory = remembered(tenant.sent(), tenant.planned())
    for status in ("paid", "void"):
        receipt = tenant.sent(memory, action="updated", status=status)
        memory = remembered(receipt, tenant.planned())
    root, *replies = tenant.channel.messages
    assert [each.thread for each in replies] == [root.id] * 2
    assert root.edits == 0


def test_later_versions_take_the_cards_place_with_the_permission() -> None:
    """PATCH, if an administrator has consented to it."""
    tenant = Tenant(EDITOR)
    token = tenant.world.microsoft.refresh_tokens[w.MICROSOFT_REFRESH_TOKEN]
    token.scopes.append("ChannelMessage.ReadWrite")
    kept = {"refresh_token": token.token, "scopes": ["ChannelMessage.Send", "ChannelMessage.ReadWrite"]}
    tenant.store(client_secret=w.MICROSOFT_CLIENT_SECRET, delegated=kept)
    memory = remembered(tenant.sent(), tenant.planned())
    assert tenant.sent(memory, action="updated", status="paid").outcome == "updated"
    (message,) = tenant.channel.messages
    assert (message.edits, "Paid" in json.dumps(message.card)) == (1, True)
    message.deleted = True
    with pytest.raises(Gone):
        tenant.sent(memory, action="updated", status="void")


def test_edit_without_the_permission_is_for_a_person() -> None:
    """The file says `edits`, and nobody has consented: a sentence, not a second message."""
    tenant = Tenant(EDITOR)
    memory = remembered(tenant.sent(), tenant.planned())
    with pytest.raises(Undeliverable, match="consent is missing"):
        tenant.sent(memory, action="updated", status="paid")
    assert len(tenant.channel.messages) == 1


def test_reply_to_a_deleted_thread_begins_a_new_one() -> None:
    """What people removed is gone; the engine then posts anew."""
    tenant = Tenant(PERSON)
    memory = remembered(tenant.sent(), tenant.planned())
    tenant.channel.messages[0].deleted = True
    with pytest.raises(Gone):
        tenant.sent(memory, action="updated", status="paid")


def test_account_outside_the_team_is_named_so() -> None:
    """Graph hides it in a text within a text."""
    tenant = Tenant(PERSON)
    tenant.world.microsoft.teams[w.MICROSOFT_TEAM].members.clear()
    with pytest.raises(Undeliverable, match="no member of the team"):
        tenant.sent()


def test_lost_post_is_found_and_lost_reply_too() -> None:
    """By the card's id, which names the version: an earlier card of the record is not taken for it."""
    tenant = Tenant(PERSON)
    first = tenant.planned()
    memory = remembered(tenant.destination.send(first), first)
    at = tenant.company.clock().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    tried = replace(memory, state="unknown", first_attempt_at=at)
    second = tenant.planned(memory, action="updated", status="paid")
    assert tenant.destination.settle(second, replace(tried, request=second)) is None
    tenant.company.clock.advance(2)
    reply = tenant.destination.send(second)
    found = tenant.destination.settle(second, replace(tried, request=second))
    assert found is not None
    assert (found.external_id, found.thread_id) == (reply.external_id, memory.thread_id)
    root = tenant.destination.settle(first, replace(tried, request=first))
    assert root is not None
    assert root.external_id == memory.external_id


def test_card_of_500_lines_fits() -> None:
    """A card grows as a text; what Graph would refuse is not sent."""
    tenant = Tenant(PERSON)
    lines = [{"line_item_id": str(n), "name": 'a "quoted" name ' * 12, "item_total": "9.99"} for n in range(500)]
    request = tenant.planned(line_items=lines, notes='"' * 50_000)
    assert len(json.dumps(request.body, ensure_ascii=False).encode()) <= 25_000
    assert tenant.sent(line_items=lines).outcome == "created"


@pytest.mark.parametrize("after", [True, False], ids=["with Retry-After", "without"])
def test_throttled_person_waits(after: bool) -> None:
    """One message a second in a channel; the header has been missing (8.2)."""
    tenant = Tenant(PERSON)
    tenant.destination.send(tenant.planned())
    if not after:
        tenant.world.faults.rules.append(Fault("status", "graph", status=429))
    with pytest.raises(RetryLater) as caught:
        tenant.destination.send(tenant.planned())
    assert caught.value.after == (1 if after else None)


# --- a record is one thread ------------------------------------------------------------------------------------------


class Thread(Tenant):
    """A record at one destination, with the engine and the vendors' stand-ins; `edits`: its card can be changed."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self.vendor = "bot" if settings["transport"] == "bot" else "graph"
        self.edits = self.vendor == "bot" or settings.get("edits", False)
        scopes = ["ChannelMessage.Send", "ChannelMessage.ReadWrite"]
        self.world.microsoft.refresh_tokens[w.MICROSOFT_REFRESH_TOKEN].scopes[:] = scopes
        signed_in = {"refresh_token": w.MICROSOFT_REFRESH_TOKEN, "scopes": scopes}
        self.store(client_secret=w.MICROSOFT_CLIENT_SECRET, delegated=signed_in)
        self.company.connection = self.connection
        # A reply so soon after the change of the card: our own count would have it wait (limits.py).
        self.world.unlimited.add("graph")
        self.record = ""

    def happens(self, **fields: Any) -> Result:
        """The record is saved with these fields, and its delivery carried to its end."""
        self.company.clock.advance(60)
        each = self.company.saves("invoice", fields, self.record)
        self.record = each.event.record_id
        return self.company.carries(each, "place")

    def trouble(self, kind: str, *, replies: bool = True, **rule: Any) -> None:
        """With the next reply, or the next change of the card."""
        paths = {"bot": "*messageid=*/activities", "graph": "*/replies"}
        change = {"method": "PUT" if self.vendor == "bot" else "PATCH"}
        where = {"method": "POST", "path": paths[self.vendor]} if replies else change
        self.company.fault(kind, vendor=self.vendor, **where, **rule)

    @property
    def root(self) -> Any:
        (root,) = self.company.posts(w.CHANNEL_FINANCE)
        return root

    @property
    def told(self) -> list[str]:
        replies = [each for each in self.company.messages() if each.thread != each.id]
        assert {each.thread for each in replies} <= {each.id for each in self.channel.messages}
        return [each.card["body"][0].get("text", "a card") for each in replies]

    @property
    def row(self) -> Memory:
        return self.company.deliveries.read(f"acme-eu#invoice#{self.record}", "place")

    @property
    def entry(self) -> AuditEntry:
        return self.company.deliveries.audit.entries[-1]


BOT = {**CHANNEL, "transport": "bot"}
THREADS = {"bot": BOT, "delegated, edits": EDITOR, "delegated": PERSON}
DUE = {"total": "1200", "balance": "1200", "status": "sent"}
PAID = {"balance": "0", "status": "paid", "last_payment_date": "2026-11-12"}
SAYS = "Paid: 1,200.00 EUR on 12 Nov 2026"


@pytest.fixture(params=THREADS)
def thread(request: pytest.FixtureRequest) -> Thread:
    """An invoice of which a channel has heard once."""
    thread = Thread(THREADS[request.param])
    assert thread.happens(**DUE).outcome == "delivered"
    return thread


def test_first_event_begins_the_thread(thread: Thread) -> None:
    """A card, and nothing to tell besides."""
    assert (thread.row.external_id, thread.entry.external_id, thread.told) == (thread.root.id, thread.root.id, [])


def test_change_is_shown_by_the_card_and_told_in_the_thread(thread: Thread) -> None:
    """One delivery, one entry, which leads to the reply; the row goes on naming the card."""
    assert thread.happens(**PAID).outcome == "delivered"
    assert thread.told == [SAYS]
    root, reply = thread.company.messages()
    assert (root.edits, "Paid" in json.dumps(root.card)) == (thread.edits, thread.edits)
    assert ("Harbour" in json.dumps(reply.card)) is not thread.edits, "where the card stays, the reply says how it is"
    assert [each.outcome for each in thread.company.deliveries.audit.entries] == ["delivered"] * 2
    assert (thread.entry.external_id, thread.entry.link.count(reply.id)) == (reply.id, 2)
    assert f"parentMessageId={root.id}" in thread.entry.link
    assert (thread.row.external_id, thread.row.thread_id.rpartition("=")[2]) == (root.id, root.id)
    assert thread.row.link.count(root.id) == 3


def test_every_change_is_told_in_the_same_thread(thread: Thread) -> None:
    """Also after other replies; voiding marks the card and removes nothing."""
    thread.happens(due_date="2026-12-24")
    thread.happens(status="void")
    assert thread.told[-1] == "Void"
    root, *replies = thread.company.messages()
    assert [each.thread for each in replies] == [root.id] * 2
    assert ("Void" in json.dumps(root.card)) is thread.edits


def test_deletion_is_told_and_removes_nothing(thread: Thread) -> None:
    """The card is marked where it can be."""
    each = thread.company.saves("invoice", {}, thread.record)
    version = Version.deletion("2026-11-22T08:00:00Z")
    event = replace(each.event, action="deleted", version=version, payload={"invoice_id": thread.record})
    assert thread.company.carries(replace(each, event=event), "place").outcome == "delivered"
    assert thread.told == ["Deleted in Zoho Books"]
    assert ("Deleted" in json.dumps(thread.root.card)) is thread.edits


def test_nothing_to_tell_is_no_reply(thread: Thread) -> None:
    """A field of the card alone has changed: where the card cannot show it, the thread gets the card of now."""
    thread.happens(custom_fields=[{"api_name": "cf_centre", "value": "Bakery"}])
    assert (thread.root.edits, thread.told) == (1, []) if thread.edits else (0, [""])


def test_replies_can_be_turned_off() -> None:
    """The card alone is kept up to date."""
    thread = Thread({**BOT, "card": {"replies": False}})
    for fields in (DUE, PAID):
        thread.happens(**fields)
    assert (thread.root.edits, thread.told) == (1, [])


def test_unanswered_reply_is_found_in_the_thread(thread: Thread) -> None:
    """It was posted and its answer lost: looked for by its mark, it is not told again, nor the card edited again."""
    thread.trouble("timeout_after")
    assert thread.happens(**PAID).outcome == "delivered"
    assert (thread.told, thread.root.edits) == ([SAYS], int(thread.edits))
    assert (thread.entry.reason, thread.row.external_id) == ("found by looking", thread.root.id)
    assert thread.row.version is not None
    assert thread.happens(status="void").outcome == "delivered"
    assert len(thread.told) == 2


def test_reply_that_never_was_is_made_once(thread: Thread) -> None:
    """Not found twice, a minute apart; an earlier reply of the record is not taken for it."""
    thread.happens(due_date="2026-12-24")
    thread.trouble("timeout_before")
    assert thread.happens(**PAID).outcome == "delivered"
    assert (len(thread.told), thread.told[-1]) == (2, SAYS)
    assert thread.root.edits == 2 * thread.edits


@pytest.mark.parametrize("replies", [True, False], ids=["reply", "edit"])
def test_refused_for_now_it_waits(thread: Thread, replies: bool) -> None:
    """429 with Retry-After, for either: what is done is not done again, and nothing is told twice."""
    if not replies and not thread.edits:
        return
    thread.trouble("status", replies=replies, status=429, retry_after=7)
    assert thread.happens(**PAID).outcome == "delivered"
    assert (thread.told, thread.root.edits) == ([SAYS], int(thread.edits))
    assert thread.company.deliveries.audit.outcomes == ["delivered", "retry", "delivered"]


def test_removed_card_begins_a_new_thread(thread: Thread) -> None:
    """Whatever finds it out: the new card says all there is."""
    old = thread.root
    old.deleted = True
    assert thread.happens(**PAID).outcome == "delivered"
    assert thread.root.id not in ("", old.id)
    assert (thread.told, thread.row.external_id) == ([], thread.root.id)
    thread.happens(due_date="2026-12-24")
    assert [each.thread for each in thread.company.messages()] == [thread.root.id] * 2


def test_card_removed_while_it_is_told_begins_a_new_thread() -> None:
    """The change is there, and then the message is not."""
    thread = Thread(BOT)
    thread.happens(**DUE)
    thread.trouble("status", status=404, body={"error": {"code": "ActivityNotFoundInConversation"}})
    thread.happens(**PAID)
    assert len(thread.company.posts()) == 2, "the one of which Teams has said that it is gone, and the new one"
    assert (thread.told, thread.row.external_id, thread.row.step) == ([], thread.company.posts()[-1].id, 0)


def test_channel_that_is_restored_has_the_thread_that_it_had(thread: Thread) -> None:
    """While it is deleted, what comes is parked; sent again afterwards, it begins no second thread."""
    thread.channel.deleted = True
    assert thread.happens(**PAID).outcome == "parked"
    thread.channel.deleted = False
    assert thread.happens(due_date="2026-12-24").outcome == "delivered"
    assert thread.row.external_id == thread.root.id
    (told,) = thread.told
    assert told.startswith(f"{SAYS} · Due: "), "of both"


def test_import_tells_every_version_in_the_records_thread() -> None:
    """Text, since cards are not imported; the row goes on naming the first message."""
    thread = Thread(IMPORT)
    thread.app.graph_roles = ["Teamwork.Migrate.All", "ChannelMessage.Read.All"]
    thread.channel.migration = True
    for fields in (DUE, PAID, {"status": "void"}):
        assert thread.happens(**fields).outcome == "delivered"
    root, *replies = thread.company.messages()
    assert [each.thread for each in replies] == [root.id] * 2
    assert (thread.row.external_id, thread.entry.external_id) == (root.id, replies[-1].id)


def test_workflow_says_with_each_version_which_document_it_is_about() -> None:
    """It knows no threads: a new message, that names number and Zoho id, and what has changed."""
    company = Company()
    created = company.saves("invoice", DUE)
    company.carries(created, "purchasing")
    company.clock.advance(60)
    company.carries(company.saves("invoice", PAID, created.event.record_id), "purchasing")
    assert created.event.payload is not None
    number = created.event.payload["invoice_number"]
    _, later = (json.dumps(each.card, ensure_ascii=False) for each in company.messages(w.CHANNEL_PURCHASING))
    assert all(part in later for part in (number, created.event.record_id, "Sent → Paid"))


# --- its tokens ------------------------------------------------------------------------------------------------------


def test_refresh_token_rotates_and_the_new_one_is_kept() -> None:
    """With each access token comes the next refresh token, which is used from then on."""
    tenant = Tenant(PERSON)
    tenant.sent()
    first = tenant.stored["delegated"]["refresh_token"]
    assert first != w.MICROSOFT_REFRESH_TOKEN
    assert tenant.stored["tokens"][KIND]["access_token"] in tenant.world.microsoft.tokens
    tenant.company.clock.advance(3600)
    tenant.sent(action="updated")
    assert tenant.stored["delegated"]["refresh_token"] not in (first, w.MICROSOFT_REFRESH_TOKEN)
    assert tenant.stored["client_secret"] == w.MICROSOFT_CLIENT_SECRET


@pytest.mark.parametrize(
    ("trouble", "says"),
    [("revoked", "revoked"), ("expired", "inactivity"), ("blocked", "sign in again"), ("disabled", "disabled")],
)
def test_account_that_is_shut_out_must_sign_in_again(trouble: str, says: str) -> None:
    """A sentence, and the command that helps; Microsoft is not asked again for every delivery that waits."""
    tenant = Tenant(PERSON)
    token = tenant.world.microsoft.refresh_tokens[w.MICROSOFT_REFRESH_TOKEN]
    user = tenant.world.microsoft.users[w.MICROSOFT_USER]
    match trouble:
        case "revoked":
            token.revoked = True
        case "expired":
            token.expires_at = 0
        case "blocked":
            user.blocked = 50076
        case "disabled":
            user.enabled = False
    for _ in range(3):
        with pytest.raises(NeedsAttention, match=says) as caught:
            tenant.sent()
        assert caught.value.remedy == "consent"
    assert tenant.calls("entra") == 1
    due = tenant.company.tokens.agenda.dues["acme-eu", KIND]  # type: ignore[attr-defined]
    assert (due.state, due.command) == ("needs_attention", "mlc auth microsoft acme-eu")
    # Put right at Microsoft's side, it works again by itself.
    token.revoked, token.expires_at, user.blocked, user.enabled = False, 9e9, 0, True
    tenant.company.clock.advance(RECHECK.total_seconds())
    assert tenant.sent().outcome == "created"


def test_nobody_signed_in_yet() -> None:
    """The command stands in the sentence's place: it is the agenda's."""
    tenant = Tenant(PERSON)
    tenant.store(client_secret=w.MICROSOFT_CLIENT_SECRET)
    with pytest.raises(NeedsAttention, match="nobody has signed in"):
        tenant.sent()
    assert tenant.calls("entra") == 0


# --- an app alone ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [False, True], ids=["403", "401"])
def test_app_alone_is_refused_and_asks_for_no_other_token(role: bool) -> None:
    """Both faces of the refusal are for a person; a 401 `Unauthorized` costs no token, or it would for ever."""
    tenant = Tenant(IMPORT)
    tenant.app.graph_roles = ["Teamwork.Migrate.All"] if role else []
    says = "migration mode" if role else "consent is missing"
    for _ in range(2):
        with pytest.raises(Undeliverable, match=says) as caught:
            tenant.sent()
        assert not isinstance(caught.value, NeedsAttention)
    assert (tenant.calls("entra"), tenant.calls("graph")) == (1, 2)


def test_import_goes_into_a_channel_in_migration_mode() -> None:
    """Text with its own time and author, and a thread per record; a lost one is found."""
    tenant = Tenant(IMPORT)
    tenant.app.graph_roles = ["Teamwork.Migrate.All", "ChannelMessage.Read.All"]
    tenant.channel.migration = True
    first = tenant.planned()
    assert set(first.body) == {"createdDateTime", "from", "body"}
    memory = remembered(tenant.sent(), first)
    tenant.sent(memory, action="updated", status="paid")
    root, reply = tenant.channel.messages
    assert (root.sender, root.card, reply.thread) == (w.MICROSOFT_USER, None, root.id)
    assert "INV-000412" in root.html
    at = "2026-11-18T11:00:00.000000Z"
    found = tenant.destination.settle(first, Memory("unknown", request=first, first_attempt_at=at))
    assert found is not None
    assert found.external_id == root.id


def test_imported_names_are_text() -> None:
    """HTML in a customer's name is shown, not obeyed."""
    tenant = Tenant(IMPORT)
    body = tenant.planned(customer_name="<img src=x onerror=alert(1)> & Söhne").body["body"]["content"]
    assert "<img" not in body
    assert "&lt;img" in body


# --- activity feeds --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("people", [[w.MICROSOFT_USER], ["books@harbour.example"], [w.MICROSOFT_USER] * 2])
def test_people_are_notified(people: list[str]) -> None:
    """One by id or address, several by ids; "accepted", for nothing says that anybody saw it."""
    tenant = Tenant({**FEED, "people": people})
    tenant.app.graph_roles = ["TeamsActivity.Send"]
    receipt = tenant.sent()
    assert (receipt.outcome, receipt.external_id) == ("accepted", "")
    seen = tenant.world.microsoft.notifications
    assert [each["user_id"] for each in seen] == [w.MICROSOFT_USER] * len(people)
    assert seen[0]["topic"]["webUrl"].startswith("https://teams.microsoft.com/l/channel/19%3A")


def test_person_without_the_app_is_named() -> None:
    """The Teams app must be there for them."""
    tenant = Tenant(FEED)
    tenant.app.graph_roles = ["TeamsActivity.Send"]
    for channel in tenant.world.microsoft.channels.values():
        channel.installed.clear()
    with pytest.raises(Undeliverable):
        tenant.sent()


# --- clouds ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize("transport", ["bot", "delegated"])
def test_national_clouds(cloud: str, transport: str) -> None:
    """Authority, scope, service and Graph are all of the tenant's own cloud; nothing else is called."""
    tenant = Tenant({**CHANNEL, "transport": transport, "edits": False}, cloud)
    if transport == "bot" and not CLOUDS[cloud].service:
        with pytest.raises(Undeliverable, match="delegated"):
            tenant.sent()
        return
    assert tenant.sent().outcome == "created"
    hosts = {each["host"] for each in tenant.world.requests}
    assert hosts == {CLOUDS[cloud].authority, CLOUDS[cloud].service if transport == "bot" else CLOUDS[cloud].graph}


def test_wrong_cloud_is_said() -> None:
    """What to write where."""
    tenant = Tenant({**CHANNEL, "transport": "bot"})
    tenant.app.cloud = "gcch"
    with pytest.raises(Undeliverable, match="another cloud"):
        tenant.sent()


# --- certificates ----------------------------------------------------------------------------------------------------


def certificate() -> tuple[str, str]:
    """A key and a certificate of its own making, as PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ml-connector")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return private.decode(), signed.public_bytes(pem).decode()


def test_certificate_in_place_of_a_secret() -> None:
    """PS256 over the tenant's token endpoint (6.1); the stand-in checks signature, thumbprint, audience and time."""
    tenant = Tenant({**CHANNEL, "transport": "bot"})
    # MSAL dates its assertion by the machine's clock.
    tenant.world.clock = WorldClock(datetime.now(UTC).timestamp(), frozen=True)
    key, public = certificate()
    tenant.app.secrets.clear()
    tenant.store(private_key=key, certificate=public)
    with pytest.raises(NeedsAttention, match="certificate does not match"):
        tenant.sent()
    tenant.app.certificates.append(public)
    tenant.store(private_key=key, certificate=public)
    assert tenant.sent().outcome == "created"
    assert "PRIVATE KEY" not in str(tenant.world.requests)


@pytest.mark.parametrize("broken", ["private_key", "certificate"])
def test_unreadable_certificate_is_said_without_repeating_it(broken: str) -> None:
    """A pasted fragment must not end up in a log."""
    tenant = Tenant({**CHANNEL, "transport": "bot"})
    key, public = certificate()
    tenant.store(**{"private_key": key, "certificate": public, broken: "-----BEGIN sEcReT"})
    with pytest.raises(NeedsAttention, match="PEM") as caught:
        tenant.sent()
    assert "sEcReT" not in str(caught.value)
