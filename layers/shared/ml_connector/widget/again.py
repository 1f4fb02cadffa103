"""The button "Send again": what it may ask for, and what is said afterwards."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ml_connector.widget import asked as asking
from ml_connector.widget import pages
from ml_connector.widget.frame import Frame

if TYPE_CHECKING:
    from ml_connector.ports import Clock

_CONNECTION = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_DELIVERY = re.compile(r"[0-9a-f]{32}")

Send = Callable[[str, str, str], Sequence[Mapping[str, Any]]]
"""Connection, delivery id, who asks: what became of each parked message of that delivery, its `done` and `why`."""


@dataclass(frozen=True, slots=True)
class Done:
    """What came of it, for people; `well` if it is on its way, or need not be."""

    text: str
    well: bool
    connection: str = ""
    delivery: str = ""


@dataclass(frozen=True, slots=True)
class Again:
    """Sends the one parked delivery that a button names again, as `mlc parked retry` does."""

    send: Send
    clock: Clock
    widget_arn: str
    retry_arn: str

    def press(self, event: Mapping[str, Any], who: str) -> Done:
        """Refuses what is no button of ours. Raises what the tables and queues raise when they cannot be read."""
        connection, delivery = (event.get(name) for name in ("connection", "delivery"))
        if not (isinstance(connection, str) and _CONNECTION.fullmatch(connection)):
            return Done("Nothing was sent: the call does not say which connection.", False)
        if not (isinstance(delivery, str) and _DELIVERY.fullmatch(delivery)):
            return Done("Nothing was sent: the call does not say which delivery.", False, connection)
        found = self.send(connection, delivery, who)
        if not found:
            text = (
                f"Nothing of {connection} is parked under this name, or somebody else has it in hand. It may have been "
                "sent again or dropped already: its story says so."
            )
            return Done(text, False, connection, delivery)
        return replace(_said(found), connection=connection, delivery=delivery)

    def page(self, event: Mapping[str, Any], done: Done) -> str:
        """The HTML that says so, with ways on; `event` is CloudWatch's, of the button."""
        frame = Frame(self.widget_arn, self.retry_arn, replace(asking.read(event), view="parked"))
        return frame.whole(pages.sent(frame, done.text, well=done.well), now=self.clock())


def _said(found: Sequence[Mapping[str, Any]]) -> Done:
    name = str(found[0].get("number") or found[0].get("record") or found[0]["id"])
    place = found[0].get("destination", "")
    if failed := next((each for each in found if each["done"] == "failed"), None):
        return Done(f"{name} stays parked for {place}: {failed['why']}", False)
    if not any(each["done"] == "sent" for each in found):
        return Done(f"{name} need not be sent to {place}: {found[0]['done']}. It is parked no more.", True)
    return Done(f"{name} is on its way to {place} again. Its story tells how it ends.", True)
