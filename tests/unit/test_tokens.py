"""Access tokens: refreshed in time, by one writer (design 3 and 7; contracts: zoho-books 4.6, microsoft-teams 6.2)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from ml_connector.errors import NeedsAttention, RetryLater, Unknown
from ml_connector.tokens import Due, Tokens
from tests.fakes import NOW, Agenda, Clock, Issuer, Leases, Secrets

KINDS = ("zoho", "microsoft.bot", "microsoft.graph")


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

    def process(self) -> Tokens:
        return Tokens(
            self.secrets.view(), self.leases, self.agenda, dict.fromkeys(KINDS, self.issuer), self.clock
        )  # fmt: skip

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
    assert bench.due() == Due("acme-eu", "zoho", "2026-11-22T08:55:00Z", "ok")
    bench.clock.advance(55 * 60 - 1)
    assert bench.process().refresh_due() == {"refreshed": 0, "failed": 0, "waiting": 0}
    bench.clock.advance(1)
    assert bench.process().refresh_due() == {"refreshed": 1, "failed": 0, "waiting": 0}
    assert bench.process().refresh_due() == {"refreshed": 0, "failed": 0, "waiting": 0}
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
    assert bench.process().refresh_due() == {"refreshed": 0, "failed": 1, "waiting": 0}
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
    assert bench.process().refresh_due() == {"refreshed": 0, "failed": 0, "waiting": 0}
    bench.clock.advance(1)
    assert bench.process().refresh_due()["refreshed"] == 1


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
    assert bench.process().refresh_due() == {"refreshed": 1, "failed": 1, "waiting": 0}


def test_run_without_time_leaves_the_rest(bench: Bench) -> None:
    """The function ends before Lambda ends it; what is left is due in the next run."""
    for name in ("a", "b", "c"):
        bench.secrets.stored[name, "zoho"] = {"refresh_token": "r"}
        bench.agenda.set(Due(name, "zoho", "2026-11-22T07:00:00Z", "ok"))
    bench.issuer.meanwhile = lambda: bench.clock.advance(60)
    assert bench.process().refresh_due(timedelta(seconds=100)) == {"refreshed": 2, "failed": 0, "waiting": 1}
    assert [due.connection for due in bench.agenda.all() if due.due_at < f"{NOW:%Y-%m-%dT%H:%M:%SZ}"] == ["c"]
