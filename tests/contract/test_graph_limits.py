"""Reading a channel under Graph's limits, and what a refused call leaves behind for Microsoft's support.

Against the strict stand-ins, with the shared limits: one read a second in a channel (contracts: microsoft-teams 8).
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable
from dataclasses import replace

import pytest

from ml_connector.clouds import CLOUDS, hosts
from ml_connector.destinations import Registry, Toolbox
from ml_connector.destinations.teams.looking import MOST_POSTS
from ml_connector.errors import RetryLater, Throttled, Undeliverable, Unknown
from ml_connector.limits import Limiter, graph_reads
from ml_connector.ports import Memory, Receipt, Request
from ml_connector.vendors import microsoft
from ml_connector.vendors.microsoft.graph import PATIENCE
from sandbox.vendors import default_world as w
from sandbox.vendors.bot_connector import add_message
from sandbox.vendors.faults import Fault
from tests.contract.test_against_standins import Company
from tests.fakes import AccessTokens, Says, Wire, delivery, http, record_of
from tests.unit.test_limits import Buckets

READS = "/v1.0/teams/*/messages"


class Search:
    """A card that was posted and whose answer was lost, in a channel where others write too."""

    def __init__(self, pause: Callable[[float], None] | None = None) -> None:
        self.company = Company()
        self.world = self.company.world
        self.limiter = Limiter(Buckets(), self.company.clock)
        self.pauses: list[float] = []
        self.meanwhile: Callable[[], object] = lambda: None
        company = self.company
        tools = Toolbox(
            company.http, company.tokens, company.secrets, company.clock, self.limiter, pause=pause or self._pause
        )
        self.company.registry = Registry(tools)
        self.delivery = delivery("finance")
        self.destination = self.company.registry.destination(company.connection, "finance")
        self.request: Request = self.destination.plan(self.delivery.event, record_of(self.delivery), Memory())
        at = company.clock().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        self.memory = Memory("unknown", request=self.request, first_attempt_at=at)

    def _pause(self, seconds: float) -> None:
        assert 0 < seconds <= PATIENCE
        self.pauses.append(seconds)
        self.company.clock.advance(seconds)
        self.meanwhile()

    def post(self) -> str:
        return self.destination.send(self.request).external_id

    def others_write(self, posts: int) -> None:
        channel = self.world.microsoft.channels[w.CHANNEL_FINANCE]
        for number in range(posts):
            add_message(self.world, channel, w.MICROSOFT_USER, f"Post {number}", "", None)

    def look(self) -> Receipt | None:
        return self.destination.settle(self.request, self.memory)

    def reads(self) -> list[int]:
        return [each["status"] for each in self.world.requests if each["vendor"] == "graph" and each["method"] == "GET"]

    def rival_reads(self) -> None:
        """Another instance of ours takes the channel's next read, if there is one."""
        team = self.company.connection.destinations["finance"]
        budget = graph_reads(w.MICROSOFT_TENANT, w.MICROSOFT_CLIENT_ID, team["channel_id"])
        try:
            self.limiter.take(budget)
        except Throttled:
            self.company.clock.advance(0.1)


# --- looking ---------------------------------------------------------------------------------------------------------


def test_look_through_a_busy_channel_is_made_in_one_go() -> None:
    """Four pages, a second apart: Graph never has to refuse, and nobody begins from the first page again."""
    search = Search()
    key = search.post()
    search.others_write(MOST_POSTS - 1)
    found = search.look()
    assert found is not None
    assert found.external_id == key
    assert search.reads() == [200] * 4
    assert 3 <= sum(search.pauses) <= 6


def test_look_that_finds_at_once_does_not_wait() -> None:
    """Most do: the newest posts come first."""
    search = Search()
    search.post()
    assert search.look() is not None
    assert (search.reads(), search.pauses) == ([200], [])


@pytest.mark.parametrize("lost", [1, 3, 6])
def test_look_waits_for_its_turn_among_others(lost: int) -> None:
    """Other instances are quicker several times in a row, for every page: it is made all the same, in one go."""
    search = Search()
    search.post()
    search.others_write(100)
    turns = 0

    def rival() -> None:
        nonlocal turns
        turns += 1
        if turns % (lost + 1):
            search.rival_reads()

    search.meanwhile = rival
    search.rival_reads()
    assert search.look() is not None
    assert search.reads() == [200] * 3
    assert len(search.pauses) == 3 * (lost + 1)


def test_look_without_a_turn_is_made_later_and_nobody_is_asked() -> None:
    """Others always read: it gives up after some seconds, the row stays as it is, and later it finds the post."""
    search = Search()
    company = search.company
    search.world.faults.rules.append(Fault("timeout_after", "bot", path="/teams/v3/conversations"))
    event = company.saves("invoice")
    wanted = replace(event, destination="finance")
    with pytest.raises(RetryLater):
        company.courier().carry(wanted, 1, company.clock())
    search.meanwhile = search.rival_reads
    for receives in range(2, 6):
        company.clock.advance(60)
        search.rival_reads()
        with pytest.raises(Throttled):
            company.courier().carry(wanted, receives, company.clock())
        assert company.deliveries.of(wanted).state == "unknown"
    search.meanwhile = lambda: None
    assert company.carries(event, "finance").outcome == "delivered"
    assert (len(company.posts()), company.parked.reasons) == (1, [])


@pytest.mark.parametrize("header", [{}, {"Retry-After": "2"}], ids=["without Retry-After", "with"])
def test_page_that_graph_refuses_is_asked_for_again(header: dict[str, str]) -> None:
    """Somebody else's reads count too, and the header has been missing (8.2)."""
    search = Search()
    key = search.post()
    search.others_write(60)
    search.world.faults.rules.append(Fault("status", "graph", path=READS, status=429, headers=header, skip=1))
    found = search.look()
    assert found is not None
    assert found.external_id == key
    assert [each for each in search.reads() if each != 429] == [200, 200]


@pytest.mark.parametrize(
    ("status", "after"), [(429, 60), (429, None), (503, 1), (504, None)], ids=["long", "again", "busy", "down"]
)
def test_long_waits_are_not_made_inside_the_call(status: int, after: int | None) -> None:
    """A worker is everybody's: it comes back later, when Graph says if it says so; and at the latest after a while."""
    search = Search()
    search.post()
    search.others_write(60)
    rule = Fault("status", "graph", path=READS, skip=1, count=None, status=status, retry_after=after)
    search.world.faults.rules.append(rule)
    with pytest.raises(RetryLater) as caught:
        search.look()
    # What our own count says by then is a little less than what Graph said.
    assert after is None or after - 2 < (caught.value.after or 0) <= after
    assert sum(search.pauses) <= (PATIENCE if (status, after) == (429, None) else 2)


def test_without_a_pause_nobody_waits() -> None:
    """Where nothing may wait, the second page comes another time."""
    wire = Wire(Says(200, {"value": [{}], "@odata.nextLink": "https://graph.microsoft.com/v1.0/next"}), Says(429))
    graph = microsoft.Graph(http(wire, microsoft.HOSTS), AccessTokens())
    with pytest.raises(RetryLater):
        list(graph.messages("acme-eu", "t", "c"))
    assert len(wire.calls) == 2


# --- ids for Microsoft's support -------------------------------------------------------------------------------------


def test_every_call_of_graph_has_an_id_of_its_own() -> None:
    """A GUID, from a maker that tests replace; a repeated call is another one."""
    ids = iter(("id-1", "id-2"))
    wire = Wire(Says(401, {"error": {"code": "InvalidAuthenticationToken"}}), Says(200, {"value": []}))
    graph = microsoft.Graph(http(wire, microsoft.HOSTS), AccessTokens(), new_id=lambda: next(ids))
    list(graph.pages("acme-eu", "/teams"))
    assert [call.headers["client-request-id"] for call in wire.calls] == ["id-1", "id-2"]
    made = microsoft.Graph(http(Wire(Says(200, {})), microsoft.HOSTS), AccessTokens())._new_id()
    assert str(uuid.UUID(made)) == made


def test_refusal_names_both_ids_and_its_reason_stays_the_same() -> None:
    """The ids stand beside the reason: parked messages and notices are told apart by that."""
    company = Company()
    graph = microsoft.Graph(company.http(microsoft.HOSTS), company.tokens, new_id=lambda: "mine")
    errors = []
    for _ in range(2):
        with pytest.raises(Undeliverable) as caught:
            graph.read("acme-eu", "/teams/nobody")
        errors.append(caught.value)
    first, second = errors
    assert first.reason == second.reason
    assert first.request_id.endswith(" mine")
    assert first.request_id != second.request_id
    assert "mine" not in first.reason


def test_call_without_an_answer_is_known_by_our_id() -> None:
    """Nothing else tells it."""
    wire = Wire(TimeoutError("read"))
    graph = microsoft.Graph(http(wire, microsoft.HOSTS), AccessTokens(), new_id=lambda: "mine")
    with pytest.raises(Unknown) as caught:
        graph.read("acme-eu", "/teams")
    assert caught.value.request_id == "mine"


@pytest.mark.parametrize("status", [403, 503])
def test_audit_entry_of_a_refusal_names_the_call(status: int) -> None:
    """Parked or tried again: with it, Microsoft's support finds what the bot service did."""
    company = Company()
    fault = Fault("status", "bot", status=status, headers={"MS-CV": "cv-1.0"})
    company.world.faults.rules.append(fault)
    event = replace(company.saves("invoice"), destination="finance")
    with contextlib.suppress(RetryLater):
        company.courier().carry(event, 1, company.clock())
    assert [each.request_id for each in company.deliveries.audit.entries] == ["cv-1.0"]


# --- tenants that have moved -----------------------------------------------------------------------------------------


def test_bot_of_a_gcc_tenant_finds_its_host_and_stays_there() -> None:
    """`InvalidBotApiHost`: the same call once more at the GCC host, posts and edits after it there at once (1.2.5)."""
    search = Search()
    search.world.microsoft.apps[w.MICROSOFT_TENANT, w.MICROSOFT_CLIENT_ID].cloud = "gcc"
    key = search.post()
    receipt = search.look()
    assert receipt is not None
    done = Memory("done", external_id=key, thread_id=receipt.thread_id, target=search.request.target, rev=1)
    changed = delivery("finance", action="updated", status="paid")
    search.destination.send(search.destination.plan(changed.event, record_of(changed), done))
    calls = [(each["host"], each["status"]) for each in search.world.requests if each["vendor"] == "bot"]
    usual, moved = CLOUDS["global"].service, CLOUDS["gcc"].service
    assert calls == [(usual, 403), (moved, 201), (moved, 200)]


def test_tenant_that_no_host_knows_is_for_a_person() -> None:
    """Asked once at each: then it is said."""
    refused = Says(403, {"error": {"code": "InvalidBotApiHost"}})
    wire = Wire(refused)
    connector = microsoft.BotConnector(http(wire, hosts(CLOUDS["global"])), AccessTokens())
    for calls in (2, 3):
        with pytest.raises(Undeliverable, match="gcc"):
            connector.call("acme-eu", "POST", microsoft.conversations_url(CLOUDS["global"]), {})
        assert len(wire.calls) == calls


@pytest.mark.parametrize("cloud", ["gcc", "gcch", "dod"])
def test_no_token_goes_to_another_cloud(cloud: str) -> None:
    """Only the public cloud has tenants that are served elsewhere."""
    wire = Wire(Says(403, {"error": {"code": "InvalidBotApiHost"}}))
    connector = microsoft.BotConnector(http(wire, hosts(CLOUDS[cloud])), AccessTokens())
    with pytest.raises(Undeliverable):
        connector.call("acme-eu", "POST", microsoft.conversations_url(CLOUDS[cloud]), {})
    assert [str(call.url).split("/")[2] for call in wire.calls] == [CLOUDS[cloud].service]
