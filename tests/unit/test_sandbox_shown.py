"""What the sandbox's page shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sandbox.shown import NEWEST, books, linked, retries

ROOT = Path(__file__).parents[2]


def bill(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "bill_id": str(number), "bill_number": f"BILL-{number}", "vendor_name": "Northwind", "total": 12.5,
        "currency_code": "EUR", "status": "partially_paid", "balance": 3, **fields,
    }  # fmt: skip


def test_books_have_an_end() -> None:
    """The newest records only, and how many there are."""
    many = NEWEST + 2
    shown = books({"records": {"bills": {str(n): bill(n) for n in range(1, many + 1)}}, "comments": {}})
    assert (shown["many"], len(shown["records"])) == (many, NEWEST)
    assert shown["records"][0]["id"] == str(many)


def test_only_our_notes_are_shown() -> None:
    """Without the mark that they are found by; what Zoho or a colleague wrote is not ours."""
    comments = {"1": [{"description": "[ml-connector 3f2a91c0] Asha paid."}, {"description": "Bill created."}]}
    (row,) = books({"records": {"bills": {"1": bill(1)}}, "comments": comments})["records"]
    assert row["notes"] == ["Asha paid."]
    assert (row["amount"], row["status"]) == ("12.50", "partially paid")


def entry(delivery: str, outcome: str, destination: str = "finance", reason: str = "") -> dict[str, str]:
    return {"delivery": delivery, "outcome": outcome, "destination": destination, "reason": reason, "at": "t"}


def test_a_retry_is_open_until_it_ends() -> None:
    """By destination, with the newest reason; what arrived or was parked since is none."""
    newest_first = [
        entry("a", "retry", reason="429"), entry("b", "delivered"), entry("c", "unknown", "ledger", "503"),
        entry("d", "unknown"), entry("a", "unknown"), entry("b", "retry"),
    ]  # fmt: skip
    assert [(one["destination"], one["many"], one["reason"]) for one in retries(newest_first)] == [
        ("finance", 2, "429"), ("ledger", 1, "503"),
    ]  # fmt: skip


def test_replies_have_links_too() -> None:
    """Each message its own; what the trail does not know has none."""
    (post,) = linked([{"id": "1", "replies": [{"id": "2", "replies": []}]}], {"2": "https://x"})
    assert (post["link"], post["replies"][0]["link"]) == ("", "https://x")
