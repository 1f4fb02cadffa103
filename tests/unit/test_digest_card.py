"""The card of a digest: small enough for every transport, safe with any text, found again by its mark."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ml_connector.destinations.teams.digest import CURRENCIES, LINKS, request
from ml_connector.digests import EVENTS, LARGEST
from ml_connector.errors import Undeliverable
from ml_connector.modules import MODULES
from sandbox.vendors import cards
from tests.fakes import CHANNEL, TEAM, connection

STRANGE = "[click](https://evil.example) **b** <at>all</at> {{DATE(2026-11-22)}} " * 9
DIGEST = "finance.busy-20261122T0741Z"
LONGEST = {
    "kind": "busy", "count": 123_456, "since": "2026-11-22T07:41:00+00:00", "others": 12_345, "parked": 99,
    "modules": sorted(MODULES),
    "events": [
        {
            "event": f"{list(MODULES)[number % len(MODULES)]}.partially_paid", "count": 99_999, "more": True,
            "sums": {f"A{x}{y}": "9" * 24 for x in "ABC" for y in "ABC"},
        }
        for number in range(EVENTS)
    ],
    "largest": [
        {
            "module": "customer_payment", "id": f"46000000009876{number}", "number": "9" * 100, "party": STRANGE,
            "amount": "9" * 24, "currency": "EUR",
        }
        for number in range(LARGEST)
    ],
}  # fmt: skip
DESTINATIONS = {
    "bot": {"type": "teams", "transport": "bot", "team_id": TEAM, "channel_id": CHANNEL},
    "delegated": {"type": "teams", "transport": "delegated", "team_id": TEAM, "channel_id": CHANNEL},
    "workflows": {"type": "teams", "transport": "workflows"},
}


def drawn(transport: str, facts: dict[str, Any] = LONGEST) -> tuple[dict[str, Any], int]:
    """The card, and how many bytes its whole message has."""
    there = connection(destinations={"finance": DESTINATIONS[transport]})
    body = request(there, "finance", DIGEST, facts).body
    first = body.get("activity", body)["attachments"][0]["content"]
    return json.loads(first) if isinstance(first, str) else first, len(json.dumps(body, ensure_ascii=False).encode())


@pytest.mark.parametrize("transport", DESTINATIONS)
def test_the_longest_digest_goes_through_every_transport(transport: str) -> None:
    """All limits reached, with texts from outside that are as long and as strange as can be."""
    card, size = drawn(transport)
    assert size < 25_000
    assert cards.problems(card) == []


def test_what_is_too_much_is_said_to_be_more() -> None:
    """Nothing is left out silently."""
    card, _ = drawn("bot")
    text = json.dumps(card, ensure_ascii=False)
    assert "and 12,345 other events" in text
    assert text.count("· …") == EVENTS
    assert "99,999+" in text
    facts = card["body"][1]["facts"]
    assert {fact["value"].count(".00 ") for fact in facts} == {CURRENCIES}
    assert len(card["actions"]) == LINKS


def test_texts_from_outside_are_shown_as_they_stand() -> None:
    """No link, no mention and no function comes from a party's name."""
    text = json.dumps(drawn("bot")[0])
    assert "](https://evil" not in text
    assert "{{DATE" not in text


def test_a_digest_is_found_again_by_its_own_mark() -> None:
    """Two connections that post to one channel have digests of the same slot: each finds its own."""
    card, _ = drawn("bot")
    assert card["body"][0]["id"] == f"zoho-digest-acme-eu-{DIGEST}"


def test_a_destination_that_takes_no_digest_any_more_parks_it() -> None:
    """The file was applied with something else under its name: a person hears of it, and nobody crashes."""
    there = connection(destinations={"finance": {"type": "monday", "board_id": 1}})
    with pytest.raises(Undeliverable, match="records only"):
        request(there, "finance", DIGEST, LONGEST)


@pytest.mark.parametrize(
    ("event", "count", "labels", "said"),
    [
        ("invoice.created", 24, {}, "24 new invoices"),
        ("invoice.created", 1, {}, "1 new invoice"),
        ("invoice.overdue", 1985, {}, "1,985 invoices overdue"),
        ("customer_payment.created", 2, {}, "2 new payments received"),
        ("invoice.paid", 2, {"many.invoice": "Rechnungen", "status.paid": "bezahlt"}, "2 Rechnungen bezahlt"),
        ("invoice.paid", 1, {"many.invoice": "Rechnungen", "invoice": "Rechnung"}, "1 Rechnung paid"),
        ("bill.created", 2, {"digest_new": "{label}: {count} nouvelles", "bill": "Facture"}, "Facture: 2 nouvelles"),
    ],
)
def test_a_notification_says_what_happened_in_the_destinations_words(
    event: str, count: int, labels: dict[str, str], said: str
) -> None:
    """One or several, in the words of the file or ours."""
    facts = {**LONGEST, "kind": "busy", "count": count, "events": [{"event": event, "count": count, "sums": {}}]}
    there = connection(destinations={"finance": {**DESTINATIONS["bot"], "card": {"labels": labels}}})
    assert request(there, "finance", DIGEST, facts).body["activity"]["summary"].endswith(f"while it was busy: {said}")


def test_an_empty_day_is_a_card_all_the_same() -> None:
    """Nothing happened is news, too."""
    card, _ = drawn("bot", {"kind": "daily", "count": 0, "since": LONGEST["since"], "modules": [], "events": []})
    assert cards.problems(card) == []
