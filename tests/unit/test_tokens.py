"""Access tokens: refreshed in time, by one writer (design 3 and 7; contracts: zoho-books 4.6, microsoft-teams 6.2)."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ml_connector.errors import NeedsAttention, RetryLater, Throttled, Unknown
from ml_connector.limits import Budget, Limiter
from ml_connector.ports import Issued
from ml_connector.regions import HOSTS
from ml_connector.tokens import RECHECK, SPREAD, TOO_SOON, WORKERS, Due, Tokens
from ml_connector.vendors.zoho import ZohoBooks
from tests.fakes import NOW, Agenda, Clock, Issuer, Leases, Says, Secrets, Wire, connection, http
from tests.unit.test_limits import Buckets

KINDS = ("zoho", "microsoft.bot", "microsoft.graph")
NONE = {"refreshed": 0, "failed": 0, "waiting": 0, "faulted": 0}


class Bench:
    """A stack: one store, one lease table, one agenda; every `process` has a cache of its own."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.issuer = Issuer()
        self.leases = Leases()
        self.agenda = Agenda()
        self.secrets = Secrets(clock=self.clock)
        self.secrets.stored["acme-eu", "zoho"] = {"client_id": "1000.X", "refresh_token": "r"}
        self.secrets.stored["acme-eu", "microsoft"] = {"client_id": "a"}

    def process(self, **parts: Any) -> Tokens:
        """Without jitter and with one worker, unless `parts` say otherwise."""
        usual: dict[str, Any] = {
            "issuers": dict.fromkeys(KINDS, self.issuer), "jitter": lambda low, high: low, "workers": 1,
        }  # fmt: skip
        return Tokens(self.secrets.view(), self.leases, self.agenda, clock=self.clock, **usual | parts)

    def due(self, kind: str = "zoho") -> Due:
        return self.agenda.dues["acme-eu", kind]

    def stored(self, purpose: str = "zoho") -> dict[str, Any]:
        return dict(self.secrets.stored["acme-eu", purpose])


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_token_is_issued_once_and_shared(bench: Bench) -> None:
    """All instances work with one token."""
    first, second = bench.process(), bench.process()
    assert {each.access_token("acme-eu", "zoho") for each in (first, first, second)} == {"token-1"}
    assert bench.issuer.issued == 1


def test_schedule_refreshes_in_the_55th_minute(bench: Bench) -> None:
    """Zoho's hour is renewed after 55 minutes, not before, and once."""
    bench.process().access_token("acme-eu", "zoho")
    assert bench.due() == Due("acme-eu", "zoho", "2026-11-22T08:55:00Z", "ok", expires_at="2026-11-22T09:00:00Z")
    bench.clock.advance(55 * 60 - 1)
    assert bench.process().refresh_due() == NONE
    bench.clock.advance(1)
    assert bench.process().refresh_due() == NONE | {"refreshed": 1}
    assert bench.process().refresh_due() == NONE
    assert bench.issuer.issued == 2
    assert bench.due().due_at == "2026-11-22T09:50:00Z"


@pytest.mark.parametrize(("minutes", "issued"), [(55.9, 1), (56, 2), (59.9, 2), (61, 2)])
def test_token_is_never_used_in_its_last_four_minutes(bench: Bench, minutes: float, issued: int) -> None:
    """A call may take a minute: if the schedule was late, the function refreshes the token itself."""
    bench.process().access_token("acme-eu", "zoho")
    bench.clock.advance(minutes * 60)
    assert bench.process().access_token("acme-eu", "zoho") == f"token-{issued}"


def test_own_cache_does_not_outlive_the_token(bench: Bench) -> None:
    """A function that kept the secret looks at the clock, not at its cache alone."""
    process = bench.process()
    process.access_token("acme-eu", "zoho")
    bench.clock.advance(57 * 60)
    assert process.access_token("acme-eu", "zoho") == "token-2"


def test_one_writer_at_a_time(bench: Bench) -> None:
    """While one instance refreshes, another waits instead of using up Zoho's ten tokens."""
    other: list[RetryLater] = []

    def meanwhile() -> None:
        with pytest.raises(RetryLater) as caught:
            bench.process().access_token("acme-eu", "zoho")
        other.append(caught.value)

    bench.issuer.meanwhile = meanwhile
    assert bench.process().access_token("acme-eu", "zoho") == "token-1"
    assert (bench.issuer.issued, other[0].after) == (1, 3)
    assert bench.leases.taken == set()


def test_refused_token_is_replaced_once(bench: Bench) -> None:
    """A token that the vendor refuses is refreshed; who still holds the refused one gets the new one."""
    first, second = bench.process(), bench.process()
    refused = first.access_token("acme-eu", "zoho")
    second.access_token("acme-eu", "zoho")
    assert first.access_token("acme-eu", "zoho", rejected=refused) == "token-2"
    assert second.access_token("acme-eu", "zoho", rejected=refused) == "token-2"
    assert bench.issuer.issued == 2


def test_token_that_another_instance_refreshed_meanwhile_is_taken(bench: Bench) -> None:
    """The store is read again under the lease."""
    process = bench.process()
    process.access_token("acme-eu", "zoho")
    bench.clock.advance(56.5 * 60)
    assert bench.process().access_token("acme-eu", "zoho") == "token-2"
    assert process.access_token("acme-eu", "zoho") == "token-2"
    assert bench.issuer.issued == 2


def test_two_audiences_share_one_secret(bench: Bench) -> None:
    """One app registration, two tokens; refreshing one leaves the other and the credentials alone."""
    process = bench.process()
    bot, graph = (process.access_token("acme-eu", kind) for kind in KINDS[1:])
    assert bot != graph
    stored = bench.stored("microsoft")
    assert (set(stored["tokens"]), stored["client_id"]) == ({"microsoft.bot", "microsoft.graph"}, "a")


def test_refused_credentials_are_recorded(bench: Bench) -> None:
    """A person must act: the agenda says so, and it is looked at again in an hour."""
    bench.issuer.faults = [NeedsAttention("Zoho does not know this refresh token any more")]
    bench.agenda.set(Due("acme-eu", "zoho", "2026-11-22T07:59:00Z", "ok"))
    assert bench.process().refresh_due() == NONE | {"failed": 1}
    assert (bench.due().state, bench.due().due_at) == ("needs_attention", "2026-11-22T09:00:00Z")
    assert "refresh token" in bench.due().reason
    bench.clock.advance(3600)
    assert bench.process().refresh_due()["refreshed"] == 1
    assert bench.due().state == "ok"


def test_failed_refresh_keeps_the_token_that_still_lives(bench: Bench) -> None:
    """Trouble at the accounts server in the 55th minute costs nothing until the 56th."""
    bench.process().access_token("acme-eu", "zoho")
    bench.clock.advance(55 * 60)
    bench.issuer.faults = [RetryLater("Zoho's accounts server answered 500")]
    process = bench.process()
    assert process.refresh_due()["waiting"] == 1
    assert process.access_token("acme-eu", "zoho") == "token-1"


def test_unanswered_issuer_leaves_nothing_open(bench: Bench) -> None:
    """A token that may have been issued is no harm, and what waits for it was not sent: tried again, never unknown."""
    bench.issuer.faults = [Unknown("login.microsoftonline.com gave no readable answer", 7, 504)]
    with pytest.raises(RetryLater) as caught:
        bench.process().access_token("acme-eu", "microsoft.bot")
    assert (type(caught.value), caught.value.after, caught.value.status) == (RetryLater, 7, 504)
    assert bench.process().access_token("acme-eu", "microsoft.bot") == "token-1"


def test_credentials_that_a_person_changes_meanwhile_stay(bench: Bench) -> None:
    """The token that comes back belongs to the old ones: it is dropped, and the next one is asked for with the new."""
    new = {"client_id": "1000.X", "refresh_token": "new"}
    bench.issuer.meanwhile = lambda: bench.secrets.stored.update({("acme-eu", "zoho"): new})
    with pytest.raises(RetryLater, match="just changed") as caught:
        bench.process().access_token("acme-eu", "zoho")
    assert (type(caught.value), bench.stored()) == (RetryLater, new)
    bench.issuer.meanwhile = lambda: None
    assert bench.process().access_token("acme-eu", "zoho") == "token-2"
    assert bench.stored()["refresh_token"] == "new"


def test_block_of_the_accounts_server_is_waited_out(bench: Bench) -> None:
    """Ten tokens in ten minutes, then a block: the schedule asks again after it, not every minute."""
    bench.agenda.set(Due("acme-eu", "zoho", "2026-11-22T08:00:00Z", "ok"))
    bench.issuer.faults = [RetryLater("Zoho gives no more tokens for a while", 600)]
    assert bench.process().refresh_due()["waiting"] == 1
    bench.clock.advance(599)
    assert bench.process().refresh_due() == NONE
    bench.clock.advance(1)
    assert bench.process().refresh_due()["refreshed"] == 1


def test_token_that_ends_first_is_what_counts(bench: Bench) -> None:
    """In minutes, also while a vendor gives none and below zero; not of one that waits for a person."""
    assert bench.process().minutes_left() is None
    bench.process().access_token("acme-eu", "zoho")
    bench.issuer.lifetime = 1800
    bench.process().access_token("acme-eu", "microsoft.bot")
    assert bench.process().minutes_left() == 30
    bench.clock.advance(1800)
    bench.issuer.faults = [RetryLater("busy", 600)] * 2
    bench.process().refresh_due()
    assert bench.process().minutes_left() == 0
    bench.clock.advance(600)
    assert bench.process().minutes_left() == -10
    bench.agenda.set(replace(bench.due("microsoft.bot"), state="needs_attention"))
    assert bench.process().minutes_left() == 20


def test_agenda_is_put_right_without_a_refresh(bench: Bench) -> None:
    """A token that was made elsewhere, as by the consent, is not made again; its next date is noted once."""
    bench.process().access_token("acme-eu", "zoho")
    bench.agenda.set(Due("acme-eu", "zoho", "2026-11-22T08:00:00Z", "ok"))
    bench.process().refresh_due()
    assert bench.due().due_at == "2026-11-22T08:55:00Z"
    assert bench.issuer.issued == 1


def test_missing_credentials_need_a_person(bench: Bench) -> None:
    """Without a secret there is nothing to try."""
    with pytest.raises(NeedsAttention, match="no zoho credentials"):
        bench.process().access_token("beta-us", "zoho")


def test_one_connections_trouble_is_its_own(bench: Bench) -> None:
    """A revoked connection does not keep the next one's token from being refreshed."""
    bench.secrets.stored["beta-us", "zoho"] = {"refresh_token": "r"}
    for index, name in enumerate(("acme-eu", "beta-us")):
        bench.agenda.set(Due(name, "zoho", f"2026-11-22T07:5{index}:00Z", "ok"))
    bench.issuer.faults = [NeedsAttention("revoked")]
    assert bench.process().refresh_due() == NONE | {"refreshed": 1, "failed": 1}


def test_run_without_time_leaves_the_rest(bench: Bench) -> None:
    """The function ends before Lambda ends it; what is left is due in the next run."""
    for name in ("a", "b", "c"):
        bench.secrets.stored[name, "zoho"] = {"refresh_token": "r"}
        bench.agenda.set(Due(name, "zoho", "2026-11-22T07:00:00Z", "ok"))
    bench.issuer.meanwhile = lambda: bench.clock.advance(60)
    assert bench.process().refresh_due(timedelta(seconds=100)) == NONE | {"refreshed": 2, "waiting": 1}
    assert [due.connection for due in bench.agenda.all() if due.due_at < f"{NOW:%Y-%m-%dT%H:%M:%SZ}"] == ["c"]


# --- together, but not all at once -------------------------------------------------------------------------------


@pytest.mark.parametrize(("chance", "due_at"), [(0.0, "08:55:00"), (0.5, "08:53:30"), (1.0, "08:52:00")])
def test_tokens_of_one_minute_drift_apart(bench: Bench, chance: float, due_at: str) -> None:
    """Each is due up to three minutes before its 55th, by its own chance; and is then refreshed, not put off."""
    process = bench.process(jitter=lambda low, high: low + chance * (high - low))
    process.access_token("acme-eu", "zoho")
    assert bench.due().due_at == f"2026-11-22T{due_at}Z"
    bench.clock.advance(55 * 60 - chance * SPREAD.total_seconds())
    assert process.refresh_due()["refreshed"] == 1
    assert bench.issuer.issued == 2


def test_several_are_refreshed_at_the_same_time(bench: Bench) -> None:
    """Eight workers, no more: a thousand tokens take a minute, not ten, and no vendor is flooded."""
    workers: set[int] = set()
    all_at_work = threading.Barrier(WORKERS)

    class Slow:
        def issue(self, credentials: Mapping[str, Any]) -> Issued:
            workers.add(threading.get_ident())
            all_at_work.wait(10)
            return Issued("t", 3600)

    for number in range(3 * WORKERS):
        bench.secrets.stored[f"c{number}", "zoho"] = {"refresh_token": "r"}
        bench.agenda.set(Due(f"c{number}", "zoho", "2026-11-22T07:00:00Z", "ok"))
    counts = bench.process(issuers={"zoho": Slow()}, workers=WORKERS).refresh_due()
    assert counts == NONE | {"refreshed": 3 * WORKERS}
    assert len(workers) == WORKERS
    assert all("tokens" in bench.secrets.stored[f"c{number}", "zoho"] for number in range(3 * WORKERS))


def test_fault_of_one_connection_is_told_and_stops_no_other(bench: Bench) -> None:
    """A secret that somebody broke by hand: the others are refreshed, and the run says which it was."""
    faults: list[tuple[str, str]] = []
    bench.secrets.stored["broken", "zoho"] = {"tokens": "not a table"}
    for name in ("broken", "acme-eu"):
        bench.agenda.set(Due(name, "zoho", "2026-11-22T07:00:00Z", "ok"))
    process = bench.process(faulted=lambda due, error: faults.append((due.connection, type(error).__name__)))
    assert process.refresh_due() == NONE | {"refreshed": 1, "faulted": 1}
    assert faults == [("broken", "AttributeError")]


# --- never too many ----------------------------------------------------------------------------------------------


class Counted(Issuer):
    """Notes when it was asked."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock
        self.asked: list[float] = []

    def issue(self, credentials: Mapping[str, Any]) -> Issued:
        self.asked.append(self.clock.monotonic())
        return super().issue(credentials)

    def most_within(self, seconds: float) -> int:
        return max(sum(at <= each < at + seconds for each in self.asked) for at in self.asked)


def test_issuer_whose_answers_are_lost_is_asked_nine_times_in_ten_minutes(bench: Bench) -> None:
    """Each may have made a token, and Zoho would block the refresh token at the eleventh (zoho-books 4.6)."""
    issuer, buckets = Counted(bench.clock), Buckets()
    for _ in range(400):
        issuer.faults = [Unknown("no readable answer")]
        with pytest.raises(RetryLater):
            bench.process(issuers={"zoho": issuer}, limits=Limiter(buckets, bench.clock)).access_token(
                "acme-eu", "zoho"
            )
        bench.clock.advance(7)
    assert issuer.most_within(600) == 9


class Refusing:
    """Zoho Books of an organization that refuses whatever token it is shown, as long as `refuses`."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.refuses = True
        self.wire = Wire(self._answer)
        self.secrets = bench.secrets.view()
        self.process = replace(bench.process(), secrets=self.secrets)

    def _answer(self, request: Any) -> Says:
        if self.refuses:
            return Says(401, {"code": 14, "message": "Invalid value passed for authtoken."})
        return Says(200, {"code": 0, "invoice": {"invoice_id": "1"}})

    def read(self) -> Exception | None:
        try:
            ZohoBooks(http(self.wire, HOSTS), self.process).fetch(connection(), "invoice", "1")
        except (NeedsAttention, RetryLater) as error:
            return error
        return None

    def live(self, minutes: int, every: int = 10) -> list[str]:
        """Reads that often, with the schedule of every minute; the states of the agenda, as they follow each other."""
        states: list[str] = []
        for minute in range(minutes):
            if minute % every == 0:
                self.read()
            self.process.refresh_due()
            if states[-1:] != [self.bench.due().state]:
                states.append(self.bench.due().state)
            self.bench.clock.advance(60)
        return states


def test_second_new_token_that_is_refused_is_a_matter_for_a_person(bench: Bench) -> None:
    """Another is not asked for; the agenda says what to do; each call that waits costs one of Books, and no token."""
    books = Refusing(bench)
    assert isinstance(books.read(), NeedsAttention)
    assert bench.due().state == "ok", "one of them may be ill luck"
    bench.clock.advance(60)
    error = books.read()
    assert (type(error), "only just issued" in str(error)) == (NeedsAttention, True)
    assert (bench.due().state, bench.due().command) == ("needs_attention", "mlc auth zoho acme-eu")
    stored = bench.stored()
    for _ in range(50):
        bench.clock.advance(60)
        before = len(books.wire.calls)
        assert isinstance(books.read(), NeedsAttention)
        assert len(books.wire.calls) - before == 1
    assert (bench.issuer.issued, bench.stored()) == (2, stored)


@pytest.mark.parametrize("every", [1, 10, 29, 31, 59])
def test_organization_that_refuses_every_token_costs_no_hundred_versions_a_day(bench: Bench, every: int) -> None:
    """Secrets Manager keeps a hundred, and more than one in ten minutes is not for it; one person is told once."""
    books = Refusing(bench)
    states = books.live(24 * 60, every)
    assert bench.issuer.issued < 60
    assert books.secrets.puts < 80
    assert states in (["ok", "needs_attention"], ["ok"])
    assert states == ["ok", "needs_attention"] or every > TOO_SOON.total_seconds() / 60


def test_what_was_put_right_at_the_vendor_is_found_and_the_trial_ends(bench: Bench) -> None:
    """Without a new consent: one token an hour is tried, and one that nobody refuses for its life ends the matter."""
    books = Refusing(bench)
    books.live(90)
    books.refuses = False
    assert books.live(180) == ["needs_attention", "ok"]
    assert (books.read(), bench.stored()["refusals"]) == (None, {})


def test_token_that_is_refused_after_a_while_is_replaced_as_ever(bench: Bench) -> None:
    """Zoho pushes old ones out (15 per refresh token): that says nothing of the next."""
    first = bench.process().access_token("acme-eu", "zoho")
    second = bench.process().access_token("acme-eu", "zoho", rejected=first)
    bench.clock.advance(TOO_SOON.total_seconds())
    assert bench.process().access_token("acme-eu", "zoho", rejected=second) == "token-3"
    assert bench.due().state == "ok"


def test_long_lived_token_on_trial_is_neither_kept_nor_believed(bench: Bench) -> None:
    """One of a day that was refused is replaced after the hour; the next is no proof until it is due itself."""
    bench.issuer.lifetime = 24 * 3600
    token = ""
    for _ in range(2):
        token = bench.process().access_token("acme-eu", "microsoft.bot", rejected=token)
    with pytest.raises(NeedsAttention, match="only just issued"):
        bench.process().access_token("acme-eu", "microsoft.bot", rejected=token)
    kind = "microsoft.bot"
    assert bench.due(kind).command == "mlc credentials set acme-eu microsoft"
    bench.clock.advance(RECHECK.total_seconds())
    row = bench.due(kind)
    assert (bench.process().refresh_due()["refreshed"], bench.issuer.issued) == (1, 3)
    bench.agenda.set(row)  # as a run sees it that reads the list a moment too early
    bench.process().refresh_due()
    assert (bench.due(kind).state, bench.due(kind).due_at, bench.issuer.issued) == (
        "needs_attention", "2026-11-23T08:55:00Z", 3,
    )  # fmt: skip
    bench.clock.advance(24 * 3600 - 300)
    bench.process().refresh_due()
    assert (bench.due(kind).state, bench.issuer.issued) == ("ok", 4)


def test_new_consent_ends_the_trial_at_once(bench: Bench) -> None:
    """What was refused belonged to the old one."""
    books = Refusing(bench)
    books.live(20)
    bench.secrets.stored["acme-eu", "zoho"] = {"client_id": "1000.X", "refresh_token": "new"}
    books.refuses = False
    assert books.read() is None
    assert bench.due().state == "ok"


# --- Secrets Manager is eventually consistent --------------------------------------------------------------------


@pytest.mark.parametrize("fault", [None, NeedsAttention("Zoho does not know this refresh token", remedy="consent")])
def test_refresh_never_writes_older_credentials_over_newer(bench: Bench, fault: Exception | None) -> None:
    """Right after a consent the old ones may be read: nothing is asked for with them, and nothing of them is stored."""
    old, new = bench.stored(), {"client_id": "1000.X", "refresh_token": "fresh"}
    bench.secrets.stored["acme-eu", "zoho"] = new
    bench.secrets.lagging["acme-eu", "zoho"] = old
    bench.agenda.set(Due("acme-eu", "zoho", "2026-11-22T08:00:00Z", "ok"))
    bench.issuer.faults = [fault] if fault else []
    assert bench.process().refresh_due() == NONE | {"waiting": 1}
    with pytest.raises(RetryLater, match="just changed"):
        bench.process().access_token("acme-eu", "zoho")
    assert (bench.stored(), bench.due().state, bench.issuer.issued) == (new, "ok", 0)
    bench.secrets.lagging.clear()
    bench.issuer.faults = []
    assert bench.process().refresh_due() == NONE | {"refreshed": 1}
    assert bench.stored()["refresh_token"] == "fresh"


def test_calls_of_one_refused_token_share_one_refresh(bench: Bench) -> None:
    """Ten workers find the same token refused: the first refreshes it, the others take what it got."""
    processes = [bench.process() for _ in range(10)]
    tokens = {process.access_token("acme-eu", "zoho") for process in processes}
    (refused,) = tokens
    assert {process.access_token("acme-eu", "zoho", rejected=refused) for process in processes} == {"token-2"}
    assert bench.issuer.issued == 2


def test_too_many_tokens_is_a_matter_of_time_not_of_a_person(bench: Bench) -> None:
    """What our own count refuses is put off by as long as it says; no delivery's lane waits for it (not Throttled)."""

    class Full:
        def take(self, budget: Budget, *, optional: bool = False) -> None:
            raise Throttled("tokens: 9 calls in 600 s are made", 480)

    bench.agenda.set(Due("acme-eu", "zoho", "2026-11-22T08:00:00Z", "ok"))
    process = bench.process(limits=Full())
    with pytest.raises(RetryLater) as caught:
        process.access_token("acme-eu", "zoho")
    assert (type(caught.value), caught.value.after, bench.issuer.issued) == (RetryLater, 480, 0)
    assert (bench.due().due_at, bench.due().state) == ("2026-11-22T08:08:00Z", "ok")


# --- refused credentials -----------------------------------------------------------------------------------------


def refused(bench: Bench, remedy: str = "consent") -> None:
    bench.issuer.faults = [NeedsAttention("Zoho does not know this refresh token any more", remedy=remedy)]
    with pytest.raises(NeedsAttention):
        bench.process().access_token("acme-eu", "zoho")


@pytest.mark.parametrize(
    ("remedy", "command"), [("consent", "mlc auth zoho acme-eu"), ("credentials", "mlc credentials set acme-eu zoho")]
)
def test_agenda_says_what_to_type(bench: Bench, remedy: str, command: str) -> None:
    """Whoever meets the refusal first writes down reason and remedy, for doctor, alarm and notice."""
    refused(bench, remedy)
    assert bench.due() == Due(
        "acme-eu", "zoho", "2026-11-22T09:00:00Z", "needs_attention",
        "Zoho does not know this refresh token any more", command,
    )  # fmt: skip


def test_refused_credentials_are_not_shown_to_the_vendor_again_and_again(bench: Bench) -> None:
    """A thousand deliveries wait for a person: the vendor is asked once an hour, not by each of them."""
    refused(bench)
    bench.issuer.meanwhile = lambda: pytest.fail("the vendor was asked again")
    before = bench.secrets.stored["acme-eu", "zoho"]
    for _ in range(11):
        bench.clock.advance(300)
        with pytest.raises(NeedsAttention, match="does not know this refresh token"):
            bench.process().access_token("acme-eu", "zoho")
    assert bench.secrets.stored["acme-eu", "zoho"] is before, "nor is the secret written"


def test_refused_credentials_are_tried_again_within_the_hour(bench: Bench) -> None:
    """Somebody may have put it right at the vendor's side, where we see nothing of it."""
    refused(bench)
    bench.clock.advance(RECHECK.total_seconds())
    assert bench.process().refresh_due() == NONE | {"refreshed": 1}
    assert (bench.due().state, bench.due().reason, bench.due().command) == ("ok", "", "")
    assert bench.stored()["refusals"] == {}


def test_new_credentials_work_at_once(bench: Bench) -> None:
    """What was refused were the old ones: a new consent is not kept waiting for the hour."""
    refused(bench)
    bench.secrets.stored["acme-eu", "zoho"] = bench.stored() | {"refresh_token": "new"}
    assert bench.process().access_token("acme-eu", "zoho") == "token-1"


def test_busy_vendor_takes_no_refusal_back(bench: Bench) -> None:
    """Still a person's matter, though the last answer was only "busy"."""
    refused(bench)
    bench.clock.advance(RECHECK.total_seconds())
    bench.issuer.faults = [RetryLater("Zoho gives no more tokens for a while", 600)]
    assert bench.process().refresh_due()["waiting"] == 1
    assert (bench.due().state, bench.due().due_at) == ("needs_attention", "2026-11-22T09:10:00Z")
    assert "refresh token" in bench.due().reason


def test_token_outlives_a_refused_refresh(bench: Bench) -> None:
    """Refused in the 55th minute: until the 56th the old token is as good as it was."""
    bench.process().access_token("acme-eu", "zoho")
    bench.clock.advance(55 * 60)
    bench.issuer.faults = [NeedsAttention("revoked")]
    assert bench.process().refresh_due()["failed"] == 1
    assert bench.process().access_token("acme-eu", "zoho") == "token-1"
    bench.clock.advance(60)
    with pytest.raises(NeedsAttention, match="revoked"):
        bench.process().access_token("acme-eu", "zoho")


def test_one_audiences_refusal_is_not_the_others(bench: Bench) -> None:
    """Both stand in one secret; neither writes over the other."""
    process = bench.process()
    bench.issuer.faults = [NeedsAttention("Grant admin consent.")]
    with pytest.raises(NeedsAttention):
        process.access_token("acme-eu", "microsoft.graph")
    assert process.access_token("acme-eu", "microsoft.bot") == "token-1"
    with pytest.raises(NeedsAttention, match="Grant admin consent"):
        process.access_token("acme-eu", "microsoft.graph")


def test_refusal_is_not_written_over_what_a_person_stores_meanwhile(bench: Bench) -> None:
    """The refusal is of the old credentials: the new ones stay, and are tried."""
    new = {"client_id": "1000.X", "refresh_token": "new"}
    bench.issuer.meanwhile = lambda: bench.secrets.stored.update({("acme-eu", "zoho"): new})
    bench.issuer.faults = [NeedsAttention("revoked")]
    with pytest.raises(RetryLater, match="just changed"):
        bench.process().access_token("acme-eu", "zoho")
    assert bench.stored() == new


def test_secret_that_went_missing_needs_a_person(bench: Bench) -> None:
    """It was on the agenda, so there was one."""
    del bench.secrets.stored["acme-eu", "zoho"]
    bench.agenda.set(Due("acme-eu", "zoho", "2026-11-22T07:00:00Z", "ok"))
    assert bench.process().refresh_due()["failed"] == 1
    assert (bench.due().state, bench.due().command) == ("needs_attention", "mlc credentials set acme-eu zoho")
