"""Zoho's times: to the second, in the organization's zone, the offset without a colon (contracts: zoho-books 6.1)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from sandbox.vendors.zoho_state import Organization


def stamp(at: float, zone: str) -> str:
    """`2026-03-04T10:15:27-0500`."""
    return datetime.fromtimestamp(at, ZoneInfo(zone)).strftime("%Y-%m-%dT%H:%M:%S%z")


def moment(text: str) -> float:
    """The reverse of `stamp`; raises ValueError, also for a trailing Z."""
    if text.endswith("Z"):
        raise ValueError("Zoho wants an offset")
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z").timestamp()


def day_of(at: float, zone: str) -> date:
    """The date in a zone."""
    return datetime.fromtimestamp(at, ZoneInfo(zone)).date()


def today_in(org: Organization, at: float) -> tuple[str, int]:
    """The organization's date and the seconds until its midnight (8)."""
    local = datetime.fromtimestamp(at, UTC).astimezone(ZoneInfo(org.time_zone))
    midnight = datetime.combine(local.date() + timedelta(days=1), datetime.min.time(), local.tzinfo)
    return local.date().isoformat(), int(midnight.timestamp() - at)
