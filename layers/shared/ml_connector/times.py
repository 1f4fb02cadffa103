"""Moments as text: UTC, of one length, so that later is greater. Rows, messages and entries hold them so."""

from __future__ import annotations

from datetime import UTC, datetime


def stamp(moment: datetime) -> str:
    """To the second, as Zoho's own times come: `2026-11-22T13:50:45Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def exact_stamp(moment: datetime) -> str:
    """To the microsecond: `2026-11-22T13:50:45.000123Z`. Not to be compared with what `stamp` gives."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def seconds_until(text: str, now: datetime) -> float:
    """Seconds from now; negative if it has passed, 0 if there is no time."""
    return (datetime.fromisoformat(text) - now).total_seconds() if text else 0.0
