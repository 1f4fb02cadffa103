"""The dead-man's switch: who is silent, and who has only nothing to say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_connector.connections import Connection
from ml_connector.ports import AuditEntry
from ml_connector.silence import AT_MOST, ENOUGH, EVERY, LEARNING, LEAST, MARGIN, MEMORY, Heard, Silence, learnt
from ml_connector.times import exact_stamp, stamp
from tests.fakes import NOW, Clock, connection

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def entry(
    modified: datetime,
    *,
    origin: str = "webhook",
    module: str = "invoice",
    record: str = "1",
    outcome: str = "delivered",
) -> AuditEntry:
    """Of an attempt made just after the change."""
    return AuditEntry(
        at=exact_stamp(modified), connection="acme-eu", module=module, record_id=record, number="INV-1",
        event=f"{module}.updated", version=f"{stamp(modified)}~ab", origin=origin, destination="ledger",
        outcome=outcome, attempt=1, correlation_id="c-1",
    )  # fmt: skip


def found(count: int, since: datetime, **changes: str) -> list[AuditEntry]:
    """Records that reconcile brought, a minute apart."""
    return [
        entry(since + timedelta(minutes=at), origin="reconcile", record=f"r-{at}", **changes) for at in range(count)
    ]


def working_weeks(weeks: int, until: datetime) -> Heard:
    """What is known of a company that works from Monday to Friday, nine to five, looked at each hour."""
    heard, now = Heard("acme-eu"), until - weeks * 7 * DAY
    while now < until:
        now += HOUR
        works = now.weekday() < 5 and 9 <= now.hour < 17
        heard = learnt(heard, [entry(now)] if works else [], now)
        assert heard.state == "", now
    return heard


def test_weekend_is_no_silence() -> None:
    """Once two weekends are known, the next ones are as usual, and a long one with a Monday off is, too."""
    friday = datetime(2026, 11, 20, 17, tzinfo=UTC)
    heard = working_weeks(4, friday)
    assert heard.usual == MARGIN * timedelta(hours=65), "from Friday at four to Monday at nine"
    assert learnt(heard, [], friday + 3 * DAY + 16 * HOUR).state == "", "Tuesday at nine"
    assert learnt(heard, [], friday + 4 * DAY + 12 * HOUR).state == "quiet", "Wednesday"


def test_quiet_ends_with_the_next_webhook_and_is_learnt_from() -> None:
    """What was unusual once is so no more."""
    heard = working_weeks(3, datetime(2026, 11, 20, 17, tzinfo=UTC))
    late = datetime(2026, 11, 30, 9, tzinfo=UTC)
    assert learnt(heard, [], late).state == "quiet"
    back = learnt(heard, [entry(late)], late)
    assert back.state == ""
    assert learnt(back, [], late + 10 * DAY).state == ""


def test_nobody_is_called_silent_before_it_is_known() -> None:
    """A connection of few days has no habits, and one whose webhooks never came lives on reconcile alone."""
    new = learnt(Heard("acme-eu"), [entry(NOW)], NOW)
    assert learnt(new, [], NOW + LEARNING - HOUR).state == ""
    assert learnt(new, [], NOW + LEARNING + HOUR).state == "quiet"
    assert learnt(Heard("acme-eu"), found(50, NOW), NOW + 50 * DAY).state == ""


def test_what_reconcile_alone_brings_makes_deaf() -> None:
    """Webhooks are dead while Zoho works: that needs neither a fortnight nor a weekend to be seen."""
    heard = learnt(Heard("acme-eu"), [entry(NOW)], NOW)
    few = learnt(heard, found(ENOUGH - 1, NOW + HOUR), NOW + 2 * HOUR)
    assert few.state == "", "of one or two the webhooks may have been lost"
    deaf = learnt(few, found(ENOUGH, NOW + 3 * HOUR), NOW + 4 * HOUR)
    assert (deaf.state, deaf.deaf) == ("deaf", ["invoice"])
    assert learnt(deaf, [entry(NOW + 5 * HOUR)], NOW + 5 * HOUR).state == ""


def test_same_record_again_is_no_other_one() -> None:
    """Several destinations, attempts and looks tell of one and the same."""
    heard = learnt(Heard("acme-eu"), [entry(NOW)], NOW)
    again = [entry(NOW + HOUR, origin="reconcile")] * 5
    assert learnt(learnt(heard, again, NOW + HOUR), again, NOW + 2 * HOUR).state == ""


def test_one_module_may_be_deaf_alone() -> None:
    """A single rule in Zoho is off: the others' webhooks do not hide that."""
    heard = learnt(Heard("acme-eu"), [entry(NOW), entry(NOW, module="bill")], NOW)
    entries = [*found(ENOUGH, NOW + HOUR, module="bill"), entry(NOW + 2 * HOUR)]
    assert learnt(heard, entries, NOW + 2 * HOUR).deaf == ["bill"]


def test_a_time_to_come_does_not_keep_anybody_alive() -> None:
    """Zoho's clock and ours are two, and either may have been wrong: what was heard was heard by now."""
    heard = learnt(Heard("acme-eu"), [entry(NOW + 400 * DAY)], NOW)
    assert heard.newest == stamp(NOW)
    assert learnt(heard, found(ENOUGH, NOW + HOUR), NOW + 2 * HOUR).state == "deaf"
    assert learnt(heard, [], NOW + LEARNING + HOUR).state == "quiet"


def test_module_without_webhooks_is_not_missed() -> None:
    """Of credit notes no webhook was ever installed; reconcile is their way in."""
    heard = learnt(Heard("acme-eu"), [entry(NOW)], NOW)
    assert learnt(heard, found(9, NOW + HOUR, module="credit_note"), NOW + 2 * HOUR).state == ""


def test_what_reconcile_brings_in_vain_makes_nobody_deaf() -> None:
    """Our own note on a record may count as a change to Zoho, of which no webhook need tell: nothing was missed."""
    heard = learnt(Heard("acme-eu"), [entry(NOW)], NOW)
    assert learnt(heard, found(9, NOW + HOUR, outcome="skipped"), NOW + 2 * HOUR).state == ""


def test_backfill_and_calendar_make_nobody_deaf() -> None:
    """What they bring was modified before the last webhook."""
    heard = learnt(Heard("acme-eu"), [entry(NOW)], NOW)
    assert learnt(heard, found(9, NOW - 300 * DAY), NOW + HOUR).state == ""


def test_retry_of_an_old_webhook_is_no_sign_of_life() -> None:
    """Monday has been down for two days: what is tried again today came in before."""
    heard = learnt(Heard("acme-eu"), [entry(NOW)], NOW)
    deaf = learnt(heard, found(ENOUGH, NOW + HOUR), NOW + 2 * HOUR)
    assert learnt(deaf, [entry(NOW - DAY), entry(NOW)], NOW + 3 * HOUR).state == "deaf"


@pytest.mark.parametrize("version", ["~ab", "2026-11-23T08:00:00Z~deleted"])
def test_versions_without_zohos_time_tell_nothing(version: str) -> None:
    """A deletion's time is ours, and a payload may have none."""
    odd = AuditEntry(**{**_fields(entry(NOW)), "version": version})
    assert learnt(Heard("acme-eu"), [odd], NOW) == Heard("acme-eu", looked_at=stamp(NOW))


def _fields(each: AuditEntry) -> dict[str, str | int]:
    return {name: getattr(each, name) for name in each.__dataclass_fields__}


@given(st.lists(st.integers(1, 40 * 24), min_size=1, max_size=60), st.integers(1, 5))
def test_longest_silence_of_the_quarter_is_never_forgotten(gaps: list[int], batch: int) -> None:
    """However the entries are cut into looks: what counts is the longest silence that ended within MEMORY."""
    times = [NOW]
    for hours in gaps:
        times.append(times[-1] + hours * HOUR)
    heard = Heard("acme-eu")
    for at in range(0, len(times), batch):
        part = times[at : at + batch]
        heard = learnt(heard, [entry(each) for each in reversed(part)], part[-1])
    recent = [hours for hours, end in zip(gaps, times[1:], strict=True) if end >= times[-1] - MEMORY]
    assert heard.usual == max(LEAST, MARGIN * max(recent) * HOUR)


# --- whom it looks at ------------------------------------------------------------------------------------------------


@dataclass
class Bench:
    clock: Clock = field(default_factory=Clock)
    rows: dict[str, Heard] = field(default_factory=dict)
    entries: list[AuditEntry] = field(default_factory=list)
    looks: list[tuple[str, str, str]] = field(default_factory=list)
    told: list[tuple[str, str]] = field(default_factory=list)
    fell: list[str] = field(default_factory=list)
    applied: tuple[str, ...] = ("acme-eu",)
    modules: tuple[str, ...] = ("invoice", "bill")
    broken: str = ""
    """The connection of which nothing can be read."""
    faults: list[str] = field(default_factory=list)

    def all(self) -> list[Heard]:
        return list(self.rows.values())

    def set(self, heard: Heard) -> None:
        self.rows[heard.connection] = heard

    def names(self) -> tuple[str, ...]:
        return self.applied

    def written_since(self, connection: str, since: str, until: str) -> Iterator[AuditEntry]:
        self.looks.append((connection, since, until))
        if connection == self.broken:
            raise ValueError(connection)
        yield from self.entries

    def tell(self, about: object, key: str, title: str, text: str, facts: object, command: str) -> bool:
        self.told.append((key, command))
        return True

    def run(self, *, goes_on: bool = True) -> int:
        switch = Silence(
            _Connections(self.applied, self.modules), self, self, self, self.clock,
            lambda heard, text: self.fell.append(heard.connection),
            lambda name, error: self.faults.append(f"{name}: {type(error).__name__}"),
        )  # fmt: skip
        return switch.run(lambda: goes_on)


@dataclass(frozen=True)
class _Connections:
    applied: tuple[str, ...]
    modules: tuple[str, ...]

    def names(self) -> tuple[str, ...]:
        return self.applied

    def connection(self, name: str) -> Connection | None:
        return replace(connection(name), modules=self.modules) if name != "gone" else None


def test_each_connection_is_looked_at_once_an_hour() -> None:
    """The schedule runs every minute; a look reads what was written since the last one, and a minute before."""
    bench = Bench()
    bench.run()
    bench.clock.advance(EVERY.total_seconds() - 1)
    bench.run()
    assert bench.looks == [("acme-eu", "2026-11-22T06:59:00Z", "2026-11-22T08:00:00Z")]
    bench.clock.advance(1)
    bench.run()
    assert bench.looks[1:] == [("acme-eu", "2026-11-22T07:59:00Z", "2026-11-22T09:00:00Z")]


def test_silence_is_told_once_and_counted_until_it_ends() -> None:
    """One line of log and one notice with what to type; the count stays between looks; who was removed is not in it."""
    bench = Bench(entries=[entry(NOW - HOUR), *found(ENOUGH, NOW - HOUR / 2)])
    assert bench.run() == 1
    bench.clock.advance(60)
    assert bench.run() == 1
    bench.entries = []
    bench.clock.advance(EVERY.total_seconds())
    assert bench.run() == 1
    assert bench.fell == ["acme-eu"]
    assert set(bench.told) == {("silence.deaf.2026-11-22T07:00:00Z", "mlc webhooks verify acme-eu")}
    bench.applied = ()
    assert bench.run() == 0


def test_quiet_is_told_in_its_own_words() -> None:
    """Perhaps there is nothing to tell; perhaps Zoho does not let us see it."""
    bench = Bench(rows={"acme-eu": learnt(Heard("acme-eu"), [entry(NOW - 30 * DAY)], NOW - 30 * DAY)})
    assert bench.run() == 1
    assert bench.rows["acme-eu"].state == "quiet"
    assert bench.told[0][0].startswith("silence.quiet.")


def test_without_time_nothing_is_begun_and_the_count_is_that_of_before() -> None:
    """The longest not looked at are the first of the next run."""
    deaf = learnt(Heard("a"), [entry(NOW - 9 * HOUR), *found(ENOUGH, NOW - 8 * HOUR)], NOW - 2 * HOUR)
    bench = Bench(rows={"a": deaf}, applied=("a", "b"))
    assert (bench.run(goes_on=False), bench.looks) == (1, [])
    bench.run()
    assert [name for name, _, _ in bench.looks] == ["b", "a"]


def test_one_connections_fault_hides_no_other_one() -> None:
    """What cannot be read of one, minute after minute, is told; the others are looked at and counted."""
    bench = Bench(entries=[entry(NOW - HOUR), *found(ENOUGH, NOW - HOUR / 2)], applied=("a", "b"), broken="a")
    assert bench.run() == 1
    assert (bench.faults, bench.fell) == (["a: ValueError"], ["b"])


def test_module_that_the_file_no_longer_names_is_not_missed() -> None:
    """Nor when it comes back: then reconcile brings first what has changed since."""
    bench = Bench(entries=[entry(NOW - HOUR, module="bill"), *found(ENOUGH, NOW - HOUR / 2, module="bill")])
    assert bench.run() == 1
    bench.modules, bench.entries = ("invoice",), []
    bench.clock.advance(EVERY.total_seconds())
    assert bench.run() == 0
    assert bench.rows["acme-eu"].newest == stamp(NOW - HOUR), "it was heard then, all the same"
    bench.modules, bench.entries = ("invoice", "bill"), found(9, NOW, module="bill")
    bench.clock.advance(EVERY.total_seconds())
    assert bench.run() == 0


def test_connection_that_was_removed_meanwhile_leaves_no_row() -> None:
    """Applied again, it begins anew."""
    bench = Bench(entries=[entry(NOW)], applied=("gone",))
    assert (bench.run(), bench.rows) == (0, {})


def test_look_is_bounded() -> None:
    """A storm of retries is not read to its end every hour."""
    taken: list[int] = []

    class Endless(Bench):
        def written_since(self, connection: str, since: str, until: str) -> Iterator[AuditEntry]:
            while True:
                taken.append(1)
                yield entry(NOW, origin="mlc")

    Endless().run()
    assert len(taken) == AT_MOST
