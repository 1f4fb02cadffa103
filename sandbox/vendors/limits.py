"""Counting calls in sliding windows."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence


class SlidingWindow:
    """At most `n` calls in any `seconds`, for each of the given (n, seconds) pairs. A refused call does not count."""

    def __init__(self, *limits: tuple[int, float]) -> None:
        self.limits: Sequence[tuple[int, float]] = limits
        self._taken: deque[float] = deque()

    def wait(self, now: float) -> float:
        """Seconds until one more call fits; 0.0 when it fits now."""
        longest = max(seconds for _, seconds in self.limits)
        while self._taken and self._taken[0] <= now - longest:
            self._taken.popleft()
        wait = 0.0
        for n, seconds in self.limits:
            if len(self._taken) >= n and self._taken[-n] > now - seconds:
                wait = max(wait, self._taken[-n] + seconds - now)
        return wait

    def take(self, now: float) -> float:
        """Count one call if it fits; returns what `wait` says."""
        wait = self.wait(now)
        if not wait:
            self._taken.append(now)
        return wait

    def count(self, now: float) -> None:
        """Count one call whether it fits or not, as a vendor does that counts refused calls too."""
        self.wait(now)
        self._taken.append(now)

    def used(self, now: float) -> int:
        """Calls inside the longest window."""
        self.wait(now)
        return len(self._taken)
