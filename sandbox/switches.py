"""Trouble that people switch on and off on the page. Each says what will happen, and what repairs it."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from sandbox.vendors import default_world as world
from sandbox.vendors.client import Control

RETRY_AFTER = 5
"""Seconds that a busy Teams asks for."""


@dataclass(frozen=True)
class Switch:
    """`pane` is the vendor that it stands at. A `fault` is a rule of the stand-ins (`sandbox.vendors.faults.Fault`)."""

    name: str
    pane: str
    label: str
    effect: str
    repair: str
    fault: Mapping[str, Any] = field(default_factory=dict)


SWITCHES = {
    each.name: each
    for each in (
        Switch(
            "teams-busy", "teams", "Teams is busy",
            "429 for every call: cards wait, nothing is lost.",
            "Switch it off, and what waits arrives by itself.",
            {"kind": "status", "vendor": "bot", "status": 429, "retry_after": RETRY_AFTER, "count": None},
        ),
        Switch(
            "teams-refuses", "teams", "Teams refuses the bot",
            "403 for every post: cards are parked at once, and an alarm tells.",
            "Switch it off, then press Retry at the audit trail.",
        ),
        Switch(
            "monday-down", "monday", "monday is down",
            "503 for every call: items wait, Teams goes on.",
            "Switch it off, and within a minute or two every item is there, once.",
            {"kind": "status", "vendor": "monday", "status": 503, "count": None},
        ),
        Switch(
            "zoho-revoked", "zoho", "Zoho’s consent is revoked",
            "Webhooks still arrive; reconcile and notes wait for a person.",
            "Switch it off: consent is given anew, and what waits goes out within minutes.",
        ),
    )
}  # fmt: skip


def states(on: Container[str] = ()) -> list[dict[str, Any]]:
    """Of all switches: `[{name, pane, label, effect, repair, on}]`."""
    names = ("name", "pane", "label", "effect", "repair")
    return [{name: getattr(each, name) for name in names} | {"on": each.name in on} for each in SWITCHES.values()]


class Office(Protocol):
    """What the switches need beside the stand-ins."""

    def lose_consent(self) -> None:
        """Zoho's users take their consent back, and the product notices."""
        ...

    def give_consent(self) -> None:
        """`mlc auth zoho`, and the administrator who accepts."""
        ...


class Switches:
    """The four switches of a sandbox; all are off at first."""

    def __init__(self, zoho: Control, office: Office) -> None:
        self._zoho = zoho
        self._on: dict[str, None] = {}
        self._ways: Mapping[str, tuple[Callable[[], object], Callable[[], object]]] = {
            "teams-refuses": (
                lambda: zoho.install(world.CHANNEL_FINANCE, []),
                lambda: zoho.install(world.CHANNEL_FINANCE, [world.MICROSOFT_CLIENT_ID]),
            ),
            "zoho-revoked": (office.lose_consent, office.give_consent),
        }

    def states(self) -> list[dict[str, Any]]:
        return states(self._on)

    def turn(self, name: str, *, on: bool) -> Switch:
        """Raises KeyError for an unknown one. What is so already stays as it is."""
        switch = SWITCHES[name]
        if on == (name in self._on):
            return switch
        if ways := self._ways.get(name):
            ways[not on]()
        if on:
            self._on[name] = None
        else:
            del self._on[name]
        if switch.fault:
            self._zoho.clear_faults()
            for each in self._on:
                if SWITCHES[each].fault:
                    self._zoho.fault(**SWITCHES[each].fault)
        return switch
