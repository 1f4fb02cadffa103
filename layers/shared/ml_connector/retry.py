"""When a delivery comes back: exponential back-off with full jitter, not sooner than the vendor asked."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from datetime import datetime, timedelta

BASE = 2.0
"""Seconds before the first retry, at most."""
CAP = 6 * 3600.0
"""Seconds between two attempts, at most, unless the vendor asks for more."""
LONGEST = 11 * 3600.0
"""Seconds that a vendor can make us wait: SQS hides a message for 12 hours at most."""
HORIZON = timedelta(hours=76)
"""How long a delivery is tried: an outage from Friday evening is bridged until Monday."""


def wait(attempts: int, asked: float | None, uniform: Callable[[float, float], float] = random.uniform) -> int:
    """Whole seconds until the next attempt, 1 to 11 h. `attempts` made so far, `asked` the vendor's Retry-After."""
    ceiling = min(CAP, BASE * 2.0 ** min(max(attempts - 1, 0), 20))
    seconds = min(max(uniform(0, ceiling), asked or 0), LONGEST)
    return max(1, math.ceil(seconds))


def given_up(first_attempt: datetime, now: datetime, horizon: timedelta = HORIZON) -> bool:
    return now - first_attempt >= horizon
