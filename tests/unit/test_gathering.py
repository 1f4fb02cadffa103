"""When messages are gathered: quiet hours by the connection's clock, and minutes of a crowded channel."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_connector import gathering
from ml_connector.connections import Connection
from ml_connector.gathering import ABOVE, DAYS, Slot, above, busy, quiet
from tests.fakes import CHANNEL, TEAM, connection

NIGHT = {"from": "19:00", "to": "07:00"}
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Apia")


def at(hours: dict[str, Any] | None, zone: str = "Europe/Berlin", **changes: Any) -> Connection:
    bot = {"type": "teams", "transport": "bot", "team_id": TEAM, "channel_id": CHANNEL, **changes}
    digest = {"digest": {"above": 15, "quiet": hours}} if hours else {}
    return connection(time_zone=zone, destinations={"finance": {**bot, **digest}})


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def slot(hours: dict[str, Any], moment: str, zone: str = "Europe/Berlin") -> tuple[str, str] | None:
    found = quiet(at(hours, zone), "finance", utc(moment))
    return (f"{found.begins:%m-%d %H:%M}", f"{found.ends:%m-%d %H:%M}") if found else None


@pytest.mark.parametrize(
    ("hours", "moment", "found"),
    [
        # Berlin is an hour ahead of UTC in winter.
        (NIGHT, "2026-11-24 17:59", None),
        (NIGHT, "2026-11-24 18:00", ("11-24 18:00", "11-25 06:00")),
        (NIGHT, "2026-11-25 05:59", ("11-24 18:00", "11-25 06:00")),
        (NIGHT, "2026-11-25 06:00", None),
        ({"from": "12:00", "to": "13:00"}, "2026-11-24 11:30", ("11-24 11:00", "11-24 12:00")),
        # Friday's night, the weekend and Monday's morning are one.
        ({**NIGHT, "days": ["sat", "sun"]}, "2026-11-21 12:00", ("11-20 18:00", "11-23 06:00")),
        ({"days": ["sun"]}, "2026-11-22 12:00", ("11-21 23:00", "11-22 23:00")),
        ({"days": ["sun"]}, "2026-11-21 22:59", None),
        # The night in which the clocks go forward is an hour shorter, the other one longer.
        (NIGHT, "2026-03-29 02:00", ("03-28 18:00", "03-29 05:00")),
        (NIGHT, "2026-10-25 02:00", ("10-24 17:00", "10-25 06:00")),
        # An end that comes twice is the first of both; one that never comes is when it would have been.
        ({"from": "22:00", "to": "02:30"}, "2026-10-25 00:29", ("10-24 20:00", "10-25 00:30")),
        ({"from": "22:00", "to": "02:30"}, "2026-10-25 01:15", None),
        ({"from": "22:00", "to": "02:30"}, "2026-03-29 01:15", ("03-28 21:00", "03-29 01:30")),
    ],
)
def test_quiet_hours_are_those_of_the_connections_clock(
    hours: dict[str, Any], moment: str, found: tuple[str, str] | None
) -> None:
    """Also where the clocks change, and stretches that touch are one."""
    assert slot(hours, moment) == found


@settings(max_examples=300, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    begins=st.integers(0, 23 * 60),
    length=st.integers(1, 23 * 60),
    days=st.sets(st.sampled_from(DAYS), max_size=6),
    minutes=st.integers(0, 366 * 24 * 60),
)
def test_all_of_a_slot_have_the_same_slot(zone: str, begins: int, length: int, days: set[str], minutes: int) -> None:
    """Whoever gathers in it names the same digest; nothing before it or after it does, whatever the clocks do."""
    ends = (begins + length) % (24 * 60)
    hours = {
        "from": f"{begins // 60:02}:{begins % 60:02}", "to": f"{ends // 60:02}:{ends % 60:02}", "days": sorted(days),
    }  # fmt: skip
    there, moment = at(hours, zone), utc("2026-01-01 00:00") + timedelta(minutes=minutes)
    found = quiet(there, "finance", moment)
    if found is None:
        return
    assert found.begins <= moment < found.ends <= moment + timedelta(days=9)
    inside = (found.begins, found.begins + (moment - found.begins) / 2, found.ends - timedelta(seconds=1))
    assert [quiet(there, "finance", each) for each in inside] == [found] * 3
    assert quiet(there, "finance", found.begins - timedelta(seconds=1)) is None
    assert quiet(there, "finance", found.ends) is None
    assert found.digest("finance") == f"finance.quiet-{found.begins:%Y%m%dT%H%MZ}"
    assert gathering.begun(found.digest("finance")) == found.begins.replace(second=0)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ABOVE),
        ({"digest": {"above": 3}}, 3),
        ({"digest": {"above": 0}}, 0),
        ({"transport": "workflows"}, ABOVE),
        ({"transport": "graph_import"}, 0),
        ({"transport": "activity"}, 0),
        ({"person": "ada@acme.example"}, 0),
    ],
)
def test_only_what_posts_cards_to_a_channel_has_digests(changes: dict[str, Any], expected: int) -> None:
    """Connections that were applied before digests could be said have them, too."""
    settings = at(None, **changes).destinations["finance"]
    assert above(settings) == expected
    quieted = at({"days": ["sun"]}, "UTC", **{"digest": {}, **changes})
    assert (quiet(quieted, "finance", utc("2026-11-22 12:00")) is not None) == gathering.posts_cards(settings)


def test_a_busy_slot_is_the_minute_that_it_is() -> None:
    """All that comes in it waits for its end."""
    moment = datetime(2026, 11, 22, 12, 0, 59, 999999, UTC)
    assert busy(moment) == Slot("busy", utc("2026-11-22 12:00"), utc("2026-11-22 12:01"))
    assert gathering.kind_of(busy(moment).digest("finance")) == "busy"


def test_without_a_database_of_zones_hours_are_utc() -> None:
    """Better an hour off than nothing delivered."""
    found = quiet(at(NIGHT, "Nowhere/Atall"), "finance", utc("2026-11-24 19:00"))
    assert found is not None
    assert found.ends == utc("2026-11-25 07:00")


def test_a_time_zone_that_the_runtime_does_not_know_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    """Quiet hours at the wrong time must have a reason that can be found; one line is enough."""
    for _ in range(3):
        assert gathering.zone_of("Europe/Atlantis") is UTC
    assert [each.message for each in caplog.records] == [
        "time zone Europe/Atlantis is not known here: days and quiet hours are UTC's"
    ]
