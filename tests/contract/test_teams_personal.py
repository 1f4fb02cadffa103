"""A person's chat with the bot, against the strict stand-ins (contracts: microsoft-teams 2)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from ml_connector.connections import Connection
from ml_connector.destinations import Registry, Toolbox
from ml_connector.destinations.teams import notice
from ml_connector.errors import Gone, NeedsAttention, RetryLater, Throttled, Undeliverable, Unknown
from ml_connector.limits import Limiter
from ml_connector.notices import Notice
from ml_connector.ports import Destination, Memory, Receipt, Request
from sandbox.vendors import default_world as w
from sandbox.vendors.world import Channel, MicrosoftUser
from tests.contract.test_against_standins import Company
from tests.fakes import delivery, record_of
from tests.unit.test_limits import Buckets

FINANCE = {"type": "teams", "transport": "bot", "team_id": w.MICROSOFT_TEAM, "channel_id": w.CHANNEL_FINANCE}


class Office:
    """A connection that tells one person, by object id or as `person` says."""

    def __init__(self, person: str = w.MICROSOFT_BOSS) -> None:
        self.company = Company()
        self.world = self.company.world
        self.app = self.world.microsoft.apps[w.MICROSOFT_TENANT, w.MICROSOFT_CLIENT_ID]
        self.boss: MicrosoftUser = self.world.microsoft.users[w.MICROSOFT_BOSS]
        boss: Mapping[str, Any] = {"type": "teams", "transport": "bot", "person": person}
        self.connection: Connection = replace(
            self.company.connection, destinations={"finance": FINANCE, "boss": boss}, admin="boss"
        )

    @property
    def destination(self) -> Destination:
        return self.company.registry.destination(self.connection, "boss")

    @property
    def chats(self) -> list[Channel]:
        return [each for each in self.world.microsoft.channels.values() if each.person]

    @property
    def messages(self) -> list[Any]:
        return [message for chat in self.chats for message in chat.messages]

    def planned(self, memory: Memory | None = None, **changes: Any) -> Request:
        each = delivery("boss", **changes)
        return self.destination.plan(each.event, record_of(each), memory or Memory())

    def sent(self, memory: Memory | None = None, **changes: Any) -> Receipt:
        self.company.clock.advance(1.1)
        return self.destination.send(self.planned(memory, **changes))

    def calls(self, vendor: str = "bot") -> list[str]:
        return [f"{each['method']} {each['path']}" for each in self.world.requests if each["vendor"] == vendor]


def remembered(receipt: Receipt) -> Memory:
    return Memory("done", external_id=receipt.external_id, thread_id=receipt.thread_id, target=w.MICROSOFT_BOSS, rev=1)


# --- messages --------------------------------------------------------------------------------------------------------


def test_each_record_is_a_message_that_is_kept_up_to_date() -> None:
    """The id in the receipt is the message's own: with it the card is changed in its place, whatever came after."""
    office = Office()
    first = office.sent()
    office.sent(invoice_id="460000000098766", invoice_number="INV-000413")
    assert office.sent(remembered(first), action="updated", status="paid").outcome == "updated"
    one, other = office.messages
    assert (first.outcome, first.external_id, first.link) == ("created", one.id, "")
    assert (one.edits, "Paid" in json.dumps(one.card), other.edits) == (1, True, 0)
    assert one.summary


def test_what_happened_is_told_after_the_card() -> None:
    """A short message that names its record, for a chat has no threads; the card goes on standing for the record."""
    office = Office()
    office.company.connection = office.connection
    saved = office.company.saves("invoice", {"status": "sent"})
    office.company.carries(saved, "boss")
    for status in ("viewed", "void"):
        office.company.clock.advance(60)
        changed = office.company.saves("invoice", {"status": status}, saved.event.record_id)
        assert office.company.carries(changed, "boss").outcome == "delivered"
    card, *told = office.messages
    assert (card.edits, [each.edits for each in told]) == (2, [0, 0])
    assert office.company.deliveries.of(replace(saved, destination="boss")).external_id == card.id
    for message, word in zip(told, ("Viewed", "Void"), strict=True):
        text = json.dumps(message.card)
        assert word in text
        assert changed.event.payload is not None
        assert changed.event.payload["invoice_number"] in text
    entries = [each for each in office.company.deliveries.audit.entries if each.destination == "boss"]
    assert [each.external_id for each in entries] == [each.id for each in office.messages]
    assert office.company.deliveries.faults() == []


def test_lost_answer_of_what_was_told_is_for_a_person_to_look() -> None:
    """The card shows it already; nobody can see whether the message came, and a second one would be told twice."""
    office = Office()
    office.company.connection = office.connection
    saved = office.company.saves("invoice", {"status": "sent"})
    office.company.carries(saved, "boss")
    office.company.clock.advance(60)
    changed = office.company.saves("invoice", {"status": "void"}, saved.event.record_id)
    office.company.fault("timeout_after", vendor="bot", method="POST", path="*/activities")
    assert office.company.carries(changed, "boss").outcome == "parked"
    assert [each.edits for each in office.messages] == [1, 0]
    (reason,) = office.company.parked.reasons
    assert f"{changed.event.payload['invoice_number']} · Void" in reason, "the card is there: it is not what is missing"


def test_chat_is_asked_for_once() -> None:
    """The second record costs one call; nobody but the person is in the chat."""
    office = Office()
    office.sent()
    before = len(office.calls())
    office.sent(invoice_id="460000000098766")
    (call,) = office.calls()[before:]
    assert call.endswith("/activities")
    assert [(each.person, each.team_id) for each in office.chats] == [(w.MICROSOFT_BOSS, "")]


def test_lost_answer_about_the_chat_is_no_lost_message() -> None:
    """Asking for the chat makes nothing, so it is asked again; only of a message may it be unknown."""
    office = Office()
    office.company.fault("timeout_after", vendor="bot")
    with pytest.raises(RetryLater) as raised:
        office.sent()
    assert not isinstance(raised.value, Unknown)
    office.sent()
    assert len(office.messages) == 1
    office.company.fault("timeout_after", vendor="bot")
    with pytest.raises(Unknown):
        office.sent(invoice_id="460000000098766")
    assert len(office.messages) == 2


def test_message_that_was_deleted_is_gone() -> None:
    """What the record needs then is a new one."""
    office = Office()
    memory = remembered(office.sent())
    office.messages[0].deleted = True
    with pytest.raises(Gone):
        office.sent(memory, action="updated", status="paid")


def test_notices_reach_a_person() -> None:
    """The one who must act may be told in person (`admin`)."""
    office = Office()
    told = Notice("Zoho refuses the token", "Connect again.", {}, "mlc auth zoho acme-eu")
    office.destination.send(notice.request(office.connection, told))
    (message,) = office.messages
    assert "Zoho refuses the token" in json.dumps(message.card)


@pytest.mark.parametrize(("policy", "outcome", "messages"), [("park", "parked", 1), ("repeat", "delivered", 2)])
def test_message_whose_answer_was_lost_is_for_a_person_to_look(policy: str, outcome: str, messages: int) -> None:
    """Nobody else may read the chat: parked and not guessed, unless the file says to repeat, which the trail marks."""
    office = Office()
    office.company.connection = replace(office.connection, retry={"unknown": policy})
    saved = office.company.saves("invoice")
    office.company.fault("timeout_after", vendor="bot", path="*/activities")
    assert office.company.carries(saved, "boss").outcome == outcome
    assert len(office.messages) == messages
    reasons = [entry.reason for entry in office.company.deliveries.audit.entries if entry.destination == "boss"]
    assert any("duplicate" in reason for reason in reasons) is (policy == "repeat")


# --- who it is -------------------------------------------------------------------------------------------------------


def test_address_is_looked_up_once() -> None:
    """By Graph, with the permission for it; Teams takes no addresses."""
    office = Office(w.MICROSOFT_BOSS_UPN)
    office.app.graph_roles.append("User.ReadBasic.All")
    office.sent()
    office.sent(invoice_id="460000000098766")
    assert len(office.messages) == 2
    assert len([call for call in office.calls("graph") if "/users/" in call]) == 1


def test_where_object_ids_are_not_taken_the_roster_helps() -> None:
    """The bot's own name for the person, from the roster of a team that the file names."""
    office = Office()
    office.app.roster_ids_only = True
    office.world.microsoft.teams[w.MICROSOFT_TEAM].members.append(w.MICROSOFT_BOSS)
    receipt = office.sent()
    (message,) = office.messages
    assert receipt.external_id == message.id
    assert sum("pagedmembers" in call for call in office.calls()) == 1


@pytest.mark.parametrize(
    ("trouble", "says"),
    [
        ("not installed", "mlc teams install CONNECTION --person PERSON"),
        ("blocked", "only they can unblock it"),
        ("policy", "Teams administrator's policy"),
        ("stranger", "put person right and apply"),
        ("unlisted", "put person right and apply"),
        ("no permission", "User.ReadBasic.All"),
        ("no such address", "nobody in the tenant has the address nobody@harbour.example"),
    ],
)
def test_what_stands_in_the_way_is_for_a_person(trouble: str, says: str) -> None:
    """A sentence and the next step; no message, and no other credentials are asked for."""
    persons = {
        "stranger": "00000000-0000-4000-a000-0000000000aa",
        "no permission": w.MICROSOFT_BOSS_UPN,
        "no such address": "nobody@harbour.example",
    }
    office = Office(persons.get(trouble, w.MICROSOFT_BOSS))
    match trouble:
        case "not installed":
            office.boss.installed.clear()
        case "blocked":
            office.boss.blocks_bots = True
        case "policy":
            office.sent()
            office.chats[0].blocked_by_admin = True
        case "unlisted":
            office.app.roster_ids_only = True
        case "no such address":
            office.app.graph_roles.append("User.ReadBasic.All")
    before = len(office.messages)
    with pytest.raises(Undeliverable) as raised:
        office.sent(invoice_id="460000000098766")
    assert says in raised.value.reason
    assert not isinstance(raised.value, NeedsAttention | Gone)
    assert len(office.messages) == before


def test_installing_sets_it_going_again() -> None:
    """A parked message that is sent again needs no new worker."""
    office = Office()
    office.boss.installed.clear()
    with pytest.raises(Undeliverable):
        office.sent()
    office.boss.installed.append(w.MICROSOFT_CLIENT_ID)
    assert office.sent().outcome == "created"


def test_expired_secret_is_the_connections_matter() -> None:
    """Credentials are not mistaken for an unknown person, although Entra ID answers 400 or 401 too."""
    office = Office()
    office.app.secrets.clear()
    with pytest.raises(NeedsAttention, match="client secret"):
        office.sent()


# --- limits ----------------------------------------------------------------------------------------------------------


def test_bursts_stay_below_what_a_bot_may_send_to_one_person() -> None:
    """Seven a second and sixty in thirty, the call for the chat included: our own count says no before Teams does."""
    office = Office()
    limiter = Limiter(Buckets(), office.company.clock)
    tools = Toolbox(office.company.http, office.company.tokens, office.company.secrets, office.company.clock, limiter)
    destination = Registry(tools).destination(office.connection, "boss")
    sent = held = 0
    for number in range(200):
        request = office.planned(invoice_id=str(460000000098766 + number))
        try:
            destination.send(request)
            sent += 1
        except Throttled as throttled:
            held += 1
            office.company.clock.advance(throttled.after or 1)
    assert len(office.messages) == sent > 100
    assert held > 0
    assert not [each for each in office.world.requests if each["status"] == 429]
