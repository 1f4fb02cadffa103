"""When a delivery comes back: exponential back-off with full jitter, never sooner than the vendor asked."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta

BASE = 2.0
"""Seconds before the first retry, at most."""
CAP = 6 * 3600.0
"""Seconds between two attempts, at most: half of what SQS can hide a message for."""
HORIZON = timedelta(hours=76)
"""How long a delivery is tried: an outage from Friday evening is bridged until Monday."""


def wait(attempts: int, asked: float | None, uniform: Callable[[float, float], float] = random.uniform) -> int:
    """Whole seconds until the next attempt, 1 to 6 h. `attempts` made so far, `asked` the vendor's Retry-After."""
    ceiling = min(CAP, BASE * 2.0 ** min(max(attempts, 1), 20))
    seconds = max(uniform(0, ceiling), asked or 0)
    return max(1, min(round(seconds), int(CAP)))


def given_up(first_attempt: datetime, now: datetime, horizon: timedelta = HORIZON) -> bool:
    return now - first_attempt >= horizon
