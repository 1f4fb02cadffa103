"""The chain of audit entries: what cannot be done to it unseen; and an entry's size."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_connector.audit import MAX_ITEM, fit, seal, verify
from ml_connector.aws.audit_table import AuditTable
from ml_connector.ports import AuditEntry

START = datetime(2026, 11, 22, 8, tzinfo=UTC)
OUTCOMES = ("retry", "unknown", "delivered", "skipped", "parked", "dropped", "accepted")


def entry(place: int, destination: str = "ledger", **changes: object) -> AuditEntry:
    made = AuditEntry(
        at=f"{START + timedelta(seconds=place):%Y-%m-%dT%H:%M:%S.%fZ}",
        connection="acme-eu",
        module="invoice",
        record_id="460000000098765",
        number="INV-000412",
        event="invoice.updated",
        version="2026-11-22T07:50:00Z~0123456789abcdef",
        origin="webhook",
        destination=destination,
        outcome=OUTCOMES[place % len(OUTCOMES)],
        attempt=place,
        correlation_id="call-1",
        delivery="0123456789abcdef0123456789abcdef",
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def chain(length: int, destination: str = "ledger") -> list[AuditEntry]:
    entries: list[AuditEntry] = []
    for number in range(length):
        entries.append(seal(fit(entry(number, destination)), entries[-1].hash if entries else ""))
    return entries


def heads(*chains: list[AuditEntry]) -> dict[str, str]:
    return {each[-1].destination: each[-1].hash for each in chains}


def test_whole_trail_has_no_faults() -> None:
    """Of several destinations, in any order of reading; and no trail at all is whole too."""
    ledger, finance = chain(5), chain(3, "finance")
    assert verify([*ledger, *finance], heads(ledger, finance)) == []
    assert verify([*reversed(finance), *ledger], heads(ledger, finance)) == []
    assert verify([], {}) == []


@given(st.integers(0, 6), st.sampled_from([each.name for each in fields(AuditEntry) if each.name != "destination"]))
def test_changed_entry_is_found(index: int, name: str) -> None:
    """Whichever entry and whichever of its fields."""
    entries = chain(7)
    value = getattr(entries[index], name)
    entries[index] = replace(entries[index], **{name: value + 1 if isinstance(value, int) else f"{value}x"})
    assert verify(entries, heads(chain(7)))


@given(st.integers(0, 6))
def test_entry_changed_with_its_own_hash_is_found(index: int) -> None:
    """Whoever makes the hash anew would have to make all later ones anew, and the row's."""
    whole = chain(7)
    entries = list(whole)
    entries[index] = seal(replace(entries[index], reason="nothing to see here"), entries[index].previous)
    assert verify(entries, heads(whole))


@given(st.integers(0, 6))
def test_removed_entry_is_found(index: int) -> None:
    """The first, the last, or one between."""
    entries = chain(7)
    assert verify(entries[:index] + entries[index + 1 :], heads(entries))


YEARS_LATER = "2028-01-01"


def old_and_new() -> list[AuditEntry]:
    """Four old entries, then three of years later."""
    entries: list[AuditEntry] = []
    for place in range(7):
        made = entry(place, **({"at": f"2029-06-01T08:00:0{place}.000000Z"} if place > 3 else {}))
        entries.append(seal(fit(made), entries[-1].hash if entries else ""))
    return entries


@given(st.sets(st.integers(0, 3)))
def test_expired_entries_are_not_missed(gone: set[int]) -> None:
    """They go one by one, in no order; but only those that are old enough."""
    entries = old_and_new()
    left = [each for place, each in enumerate(entries) if place not in gone]
    assert verify(left, heads(entries), YEARS_LATER) == []
    assert bool(verify(left, heads(entries), "2026-11-21")) == bool(gone)


@given(st.integers(4, 6))
def test_removed_entry_is_found_behind_expired_ones(index: int) -> None:
    """What is not old enough must be there."""
    entries = old_and_new()
    assert verify(entries[4:index] + entries[index + 1 :], heads(entries), YEARS_LATER)


def test_trail_that_has_expired_as_a_whole() -> None:
    """Is no trail that was removed."""
    assert verify([], heads(chain(3)), YEARS_LATER) == []


def test_trail_that_is_gone_is_found() -> None:
    """All entries of a record, or all of one destination."""
    ledger, finance = chain(3), chain(3, "finance")
    assert verify([], heads(ledger)) == ["ledger: all entries are missing"]
    assert verify(finance, heads(ledger, finance)) == ["ledger: all entries are missing"]


def test_row_that_is_gone_is_found() -> None:
    """Entries without the row that they belong to."""
    assert len(verify(chain(3), {})) == 3


@given(st.integers(0, 7))
def test_inserted_entry_is_found(index: int) -> None:
    """A forged entry has a hash, but no place."""
    entries = chain(7)
    forged = seal(fit(entry(99)), entries[index - 1].hash if index else "")
    assert verify([*entries[:index], forged, *entries[index:]], heads(entries))


@given(st.permutations(range(5)))
def test_reordered_entries_are_found(order: list[int]) -> None:
    """Order is what the hashes say, and times are in the hashes: exchanging the times of entries is a change."""
    entries = chain(5)
    moved = [replace(each, at=entries[place].at) for each, place in zip(entries, order, strict=True)]
    assert bool(verify(moved, heads(entries))) == (order != list(range(5)))


def test_two_destinations_do_not_lend_each_other_entries() -> None:
    """An entry moved to another destination's chain is missing here, and foreign there."""
    ledger, finance = chain(3), chain(3, "finance")
    moved = [*ledger[:-1], *finance, replace(ledger[-1], destination="finance")]
    assert {fault.partition(":")[0] for fault in verify(moved, heads(ledger, finance))} == {"ledger", "finance"}


TEXT = st.text(st.characters(codec="utf-8"), max_size=600)


@given(
    number=TEXT,
    external_id=TEXT,
    request_id=TEXT,
    reason=TEXT,
    link=st.text(st.characters(codec="ascii"), max_size=300),
    outcome=st.sampled_from(OUTCOMES),
)
def test_entry_is_at_most_one_kilobyte(**texts: str) -> None:
    """One write unit, whatever vendors and records say, keys of the indexes included."""
    long = entry(
        3, "d" * 40, connection="c" * 40, module="customer_payment", event="customer_payment.updated",
        record_id="4" * 19, status=503, duration_ms=89_999, correlation_id="6f1d2c3b-0000-4000-a000-0000000000aa",
        **texts,
    )  # fmt: skip
    kept = seal(fit(long), "f" * 32)
    item = AuditTable(None, "audit", timedelta(days=400)).put(kept)["Item"]  # type: ignore[arg-type]
    size = sum(len(name) + len(str(next(iter(value.values()))).encode()) for name, value in item.items())
    assert size <= MAX_ITEM


@pytest.mark.parametrize("outcome", ["parked", "retry", "dropped"])
def test_reason_has_the_room_that_is_left(outcome: str) -> None:
    """What needs a person is said in at least two hundred characters."""
    kept = fit(entry(1, outcome=outcome, link="https://teams.microsoft.com/" + "x" * 250, reason="r" * 2000))
    assert len(kept.reason) >= 200
