"""The card of a digest: how many of what, with their sums by currency, and the largest (docs/adr/0013-digests.md).

Its texts are few and short, so it stays far below what any transport takes; a test builds the longest.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from ml_connector import gathering
from ml_connector.connections import Connection
from ml_connector.destinations.teams.card import MAX_SUMMARY, cut, escape
from ml_connector.destinations.teams.transports import post
from ml_connector.destinations.teams.words import Words
from ml_connector.events import Payload
from ml_connector.modules import MODULES
from ml_connector.ports import Request
from ml_connector.regions import REGIONS, web_link

CURRENCIES = 6
"""Sums of one line; of others it says that there are more."""
LINKS = 4
"""Buttons: a card shows no more of them at once."""
_TEXT = 80
_ISOLATE, _END = "\u2068", "\u2069"


def request(connection: Connection, name: str, digest: str, facts: Payload) -> Request:
    """The post to a destination. By connection and `digest` it is found again if its answer is lost."""
    drawing = _Drawing(connection, connection.destinations[name], facts)
    headline = drawing.headline()
    return post(connection, name, drawing.card(f"zoho-digest-{connection.name}-{digest}"), drawing.summary(), headline)


class _Drawing:
    def __init__(self, connection: Connection, settings: Mapping[str, Any], facts: Payload) -> None:
        self.connection = connection
        self.formats = connection.formats
        self.facts = facts
        self.labels: Mapping[str, str] = settings.get("card", {}).get("labels", {})
        self.words = Words(self.labels)

    def card(self, identity: str) -> dict[str, Any]:
        return {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.5",
            "fallbackText": self.summary(),
            "msteams": {"width": "Full"},
            **({"rtl": True} if self.formats.rtl else {}),
            "body": [self._header(identity), self._counts(), *self._others(), *self._largest(), *self._parked()],
            "actions": self._links(),
        }

    def headline(self) -> str:
        return self.words.phrase(f"digest_{self.facts['kind']}", count=self._number(self.facts["count"]))

    def summary(self) -> str:
        """One line for notifications: plain text."""
        return cut(f"{self.headline()}: {', '.join(map(self._event, self.facts['events']))}", MAX_SUMMARY)

    # --- parts -----------------------------------------------------------------------------------------------------

    def _header(self, identity: str) -> dict[str, Any]:
        since = datetime.fromisoformat(self.facts["since"])
        local = since.astimezone(gathering.zone_of(self.connection.time_zone))
        moment = f"{self.formats.day(local.date())} {local:%H:%M}"
        return {
            "type": "Container",
            # By this a post whose answer was lost is found again in the channel.
            "id": identity,
            "style": "accent",
            "bleed": True,
            "items": [
                _text(self.headline(), weight="bolder", size="medium"),
                _text(self.words.phrase("since", time=self._apart([moment])), isSubtle=True, spacing="none"),
            ],
        }

    def _counts(self) -> dict[str, Any]:
        facts = []
        for each in self.facts["events"]:
            sums = [self._amount(total, currency) for currency, total in each["sums"].items()]
            rest = ["…"] if len(sums) > CURRENCIES else []
            # A fact without a value is shown by no client as it should be.
            value = self._apart([*sums[:CURRENCIES], *rest]) or "—"
            facts.append({"title": escape(self._event(each), _TEXT), "value": value})
        return {"type": "FactSet", "facts": facts}

    def _others(self) -> list[dict[str, Any]]:
        count = self.facts.get("others", 0)
        return [_text(self.words.phrase("digest_others", count=self._number(count)), isSubtle=True)] if count else []

    def _largest(self) -> list[dict[str, Any]]:
        largest = self.facts.get("largest", [])
        if not largest:
            return []
        return [
            _text(self.words.phrase("largest"), weight="bolder", spacing="medium"),
            *({"type": "TextBlock", "text": self._one(each), "wrap": True, "spacing": "small"} for each in largest),
        ]

    def _one(self, each: Mapping[str, str]) -> str:
        shape = MODULES[each["module"]]
        link = web_link(self.connection.region, self.connection.organization_id, shape.route, each["id"])
        name = escape(f"{self._label(each['module'])} {each.get('number') or each['id']}", _TEXT)
        amount = self._amount(each["amount"], each.get("currency", ""))
        return self._apart([f"[{name}]({link})", escape(each.get("party", ""), _TEXT), escape(amount, _TEXT)])

    def _parked(self) -> list[dict[str, Any]]:
        count = self.facts.get("parked", 0)
        return [_text(self.words.phrase("parked", count=self._number(count)), color="attention")] if count else []

    def _links(self) -> list[dict[str, Any]]:
        """To Zoho's lists, one for each kind of record (contracts: zoho-books 9)."""
        root = f"https://{REGIONS[self.connection.region].web}/app/{self.connection.organization_id}#"
        return [
            {
                "type": "Action.OpenUrl",
                "title": cut(self.words.phrase("all", label=self.words.many(module)), _TEXT),
                "url": f"{root}/{MODULES[module].route}",
            }
            for module in self.facts["modules"][:LINKS]
        ]

    # --- words -----------------------------------------------------------------------------------------------------

    def _event(self, each: Mapping[str, Any]) -> str:
        """`98 new invoices`."""
        module, _, what = each["event"].partition(".")
        number = self._number(each["count"]) + ("+" if each.get("more") else "")
        return self.words.count(module, what, number, one=each["count"] == 1)

    def _label(self, module: str) -> str:
        return self.labels.get(module) or MODULES[module].label

    def _amount(self, amount: str, currency: str) -> str:
        return self.formats.amount(Decimal(amount), currency)

    def _number(self, count: int) -> str:
        return self.formats.number(Decimal(count))

    def _apart(self, parts: list[str]) -> str:
        """Texts side by side: where lines run from right to left, each keeps its own order."""
        parts = [part for part in parts if part]
        return " · ".join(f"{_ISOLATE}{part}{_END}" if self.formats.rtl else part for part in parts)


def _text(text: str, **style: Any) -> dict[str, Any]:
    return {"type": "TextBlock", "text": escape(text), "wrap": True, **style}
