"""A notice to the people who run a connection, as a card (contracts: microsoft-teams 5)."""

from __future__ import annotations

from typing import Any

from ml_connector.connections import Connection
from ml_connector.destinations.teams.card import MAX_SUMMARY, cut, escape
from ml_connector.destinations.teams.transports import post
from ml_connector.notices import Notice
from ml_connector.ports import Request

MAX_PARAGRAPH = 600
MAX_PARAGRAPHS = 5
MAX_FACTS = 12
"""With these the longest notice stays below the card's MAX_BYTES (a test builds it)."""


def request(connection: Connection, notice: Notice) -> Request:
    """The post to the connection's admin channel. A notice is never edited: each is a message of its own."""
    return post(connection, connection.admin, card(connection, notice), _summary(connection, notice), notice.title)


def card(connection: Connection, notice: Notice) -> dict[str, Any]:
    """Title, paragraphs, facts, and what to type. Which connection it is about always stands first."""
    style = "good" if notice.good else "attention"
    paragraphs = [each for each in notice.text.splitlines() if each.strip()]
    facts = {"Connection": connection.name, **notice.facts}
    body: list[dict[str, Any]] = [
        {
            "type": "Container",
            "style": style,
            "bleed": True,
            "items": [_text(notice.title, weight="bolder", size="medium")],
        },
        *(_text(each, MAX_PARAGRAPH) for each in paragraphs[:MAX_PARAGRAPHS]),
        {
            "type": "FactSet",
            "facts": [
                {"title": escape(title), "value": escape(value)}
                for title, value in list(facts.items())[:MAX_FACTS]
                if value
            ],
        },
    ]
    if notice.command:
        body += [_text("Type:", spacing="medium"), _text(notice.command, MAX_PARAGRAPH, fontType="monospace")]
    return {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.5",
        "fallbackText": _summary(connection, notice),
        "msteams": {"width": "Full"},
        "body": body,
    }


def _text(text: str, length: int = MAX_PARAGRAPH, **style: str) -> dict[str, Any]:
    return {"type": "TextBlock", "text": escape(text, length), "wrap": True, **style}


def _summary(connection: Connection, notice: Notice) -> str:
    return cut(f"{connection.name}: {notice.title}", MAX_SUMMARY)
