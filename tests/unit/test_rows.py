"""What a row says of the versions that may be there."""

from __future__ import annotations

import pytest

from ml_connector import rows
from ml_connector.events import Version
from ml_connector.ports import Memory

OLD, NEW = Version("2026-11-22T08:00:01Z", "a"), Version("2026-11-22T08:00:02Z", "b")
GONE = Version.deletion("2026-11-22T08:00:00.000000Z")


@pytest.mark.parametrize(
    ("known", "now", "stays"),
    [
        (None, None, None),
        (OLD, None, OLD),
        (None, NEW, NEW),
        (OLD, NEW, NEW),
        (NEW, OLD, NEW),
        (GONE, NEW, GONE),
        (NEW, GONE, GONE),
    ],
)
def test_the_newest_of_what_may_be_there_stays_in_doubt(
    known: Version | None, now: Version | None, stays: Version | None
) -> None:
    """A deletion is the last one, however our clock and Zoho's compare: a change heard late must not undo it."""
    assert rows.in_doubt(Memory(doubt=known, pending=now)) == stays
