"""When a delivery comes back: exponential back-off with full jitter, not sooner than the vendor asked."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

LONGEST = 11 * 3600.0
"""Seconds that anything can make us wait: SQS hides a message for 12 hours at most."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How patiently a connection's deliveries are tried. Seconds, but for the horizon."""

    base: float = 2.0
    """Before the first retry, at most."""
    cap: float = 6 * 3600.0
    """Between two attempts, at most, unless the vendor asks for more."""
    horizon: timedelta = timedelta(hours=76)
    """For how long at all: an outage from Friday evening is bridged until Monday."""

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Self:
        """From a connection's `[retry]`."""
        return cls(
            base=float(settings.get("base_seconds", cls().base)),
            cap=float(settings.get("cap_seconds", cls().cap)),
            horizon=timedelta(hours=float(settings.get("horizon_hours", 76))),
        )


def wait(
    attempts: int,
    asked: float | None,
    policy: Policy = Policy(),
    uniform: Callable[[float, float], float] = random.uniform,
) -> int:
    """Whole seconds until the next attempt, 1 to 11 h. `attempts` made so far, `asked` the vendor's Retry-After."""
    ceiling = min(policy.cap, policy.base * 2.0 ** min(max(attempts - 1, 0), 20))
    seconds = min(max(uniform(0, ceiling), asked or 0), LONGEST)
    return max(1, math.ceil(seconds))


def given_up(first: datetime, now: datetime, policy: Policy = Policy()) -> bool:
    return now - first >= policy.horizon
