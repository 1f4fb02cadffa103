"""Every call that a courier makes to the world, seen from outside: a place to stop it, found by itself.

All of the courier's ports are wrapped, whatever they are called and whatever methods they have, and what they hand out
with methods of its own (a destination) too. So a new port or a new call is covered without being listed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import Any

from ml_connector.delivery import Courier
from ml_connector.ports import Memory

DATA = (str, int, float, type(None), datetime, timedelta, Memory, dict, tuple, list)
"""What has no calls to wrap."""


class Crash(BaseException):
    """The process dies: no handler of ours sees it."""


class Points:
    """Names each point, `before` and `after` a call, in `seen`, and calls `at` with its number and name."""

    def __init__(self, at: Callable[[int, str], None] = lambda number, name: None) -> None:
        self.seen: list[str] = []
        self._at = at

    def courier(self, courier: Courier) -> Courier:
        ports: dict[str, Any] = {each.name: getattr(courier, each.name) for each in fields(courier)}
        return replace(courier, **{name: self.wrap(name, port) for name, port in ports.items()})

    def wrap(self, name: str, thing: Any) -> Any:
        """The thing with points around its calls; data as it is."""
        if isinstance(thing, DATA) or type(thing).__module__.startswith("ml_connector."):
            return thing
        return _Wrapped(self, name, thing)

    def pass_by(self, name: str) -> None:
        self.seen.append(name)
        self._at(len(self.seen), name)


class _Wrapped:
    def __init__(self, points: Points, name: str, thing: Any) -> None:
        self._points, self._name, self._thing = points, name, thing

    def __getattr__(self, name: str) -> Any:
        each = getattr(self._thing, name)
        return each if isinstance(each, DATA) else self._around(f"{self._name}.{name}", each)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._around(self._name, self._thing)(*args, **kwargs)

    def _around(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self._points.pass_by(f"before {name}")
            try:
                answer = method(*args, **kwargs)
            finally:
                # A call that ends in an error has a point behind it too.
                self._points.pass_by(f"after {name}")
            return self._points.wrap(name, answer)

        return call


def crash_at(*numbers: int) -> Callable[[int, str], None]:
    def at(number: int, name: str) -> None:
        if number in numbers:
            raise Crash(name)

    return at
