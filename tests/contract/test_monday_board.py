"""Deliveries to a whole board, against the strict stand-in: lines, groups and payments."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ml_connector.config.model import Monday
from ml_connector.events import Delivery
from ml_connector.intake import paid_by
from ml_connector.records import read
from sandbox.vendors import default_world as w
from sandbox.vendors.monday_state import MondayGroup
from tests.contract.test_against_standins import Company


def settings(**changes: Any) -> dict[str, Any]:
    """What a file without a word about columns and lines says."""
    plain = Monday(type="monday", board_id=int(w.MONDAY_BOARD), plan="pro", group=w.MONDAY_GROUP)
    return {**plain.compiled(plain.model_dump(mode="json", exclude_none=True, by_alias=True)), **changes}


class Ledger(Company):
    """The default board, with groups by state, as a file's default destination."""

    def __init__(self) -> None:
        super().__init__()
        for name in ("paid", "bin"):
            self.board.groups[name] = MondayGroup(name, name.capitalize())
        self.use()

    @property
    def board(self) -> Any:
        return self.world.monday.boards[w.MONDAY_BOARD]

    def use(self, **changes: Any) -> None:
        file = settings(groups={"paid": "paid", "deleted": "bin"}, **changes)
        version = self.connection.version + 1
        self.connection = replace(self.connection, version=version, destinations={"ledger": file})

    def person(self, do: str, **what: Any) -> None:
        self.control("POST", f"/monday/people/{w.MONDAY_PERSON}", {"do": do, **what})

    def subitems(self, item: dict[str, Any]) -> list[tuple[str, str, str]]:
        """Name, position and total of the live ones."""
        return [
            (each["name"], each["text"]["zb_line_no"], each["text"]["zb_line_total"])
            for each in item["subitems"]
            if each["state"] == "active"
        ]


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


def lines(*names: str, total: float = 10) -> list[dict[str, Any]]:
    return [
        {"line_item_id": f"4{number}", "name": name, "quantity": 1, "rate": total, "item_total": total}
        for number, name in enumerate(names)
    ]


def test_whole_life_of_an_invoice(ledger: Ledger) -> None:
    """Created with its lines, changed, paid and deleted: one item, always as Zoho's newest state."""
    created = ledger.saves("invoice", {"line_items": lines("Oven", "Delivery")})
    ledger.carries(created)
    (item,) = ledger.items()
    assert ledger.subitems(item) == [("Oven", "1", "10"), ("Delivery", "2", "10")]
    ledger.clock.advance(60)
    changed = [{**lines("Oven")[0], "item_total": 12}, {**lines("Fee")[0], "line_item_id": "77"}]
    ledger.carries(ledger.saves("invoice", {"line_items": changed}, created.event.record_id))
    ledger.clock.advance(60)
    paid = ledger.saves("invoice", {"status": "paid", "balance": 0}, created.event.record_id)
    ledger.carries(paid)
    (item,) = ledger.items()
    assert ledger.subitems(item) == [("Oven", "1", "12"), ("Fee", "2", "10")]
    assert (item["text"]["zb_status"], item["text"]["zb_balance"], item["group"]) == ("Paid", "0", "paid")
    gone = replace(paid.event, action="deleted", version=paid.event.version.deletion("2027-01-01T00:00:00Z"))
    ledger.carries(Delivery(replace(gone, payload={"invoice_id": gone.record_id}), "ledger"))
    (item,) = ledger.items()
    assert (item["text"]["zb_status"], item["group"]) == ("Deleted", "bin")


@pytest.mark.parametrize("points", [10_000_000, 1_000_000], ids=["pro", "a trial's points"])
def test_500_lines(ledger: Ledger, points: int) -> None:
    """Within the points of a minute, whichever the account has; what does not fit waits its minute (5.1)."""
    ledger.control("PATCH", f"/monday/accounts/{w.MONDAY_ACCOUNT}", {"complexity_per_minute": points})
    names = [f"Position {number}" for number in range(500)]
    result = ledger.carries(ledger.saves("invoice", {"line_items": lines(*names)}), limit=60)
    assert result.outcome == "delivered"
    (item,) = ledger.items()
    assert [name for name, _, _ in ledger.subitems(item)] == names


@pytest.mark.parametrize("kind", ["timeout_before", "timeout_after", "html", "partial"])
def test_trouble_with_lines_never_makes_a_second_one(ledger: Ledger, kind: str) -> None:
    """Whatever happens on the way to or from monday."""
    ledger.fault(kind, vendor="monday", contains="CreateLines", count=2)
    assert ledger.carries(ledger.saves("invoice", {"line_items": lines("Oven", "Tray")})).outcome == "delivered"
    (item,) = ledger.items()
    assert sorted(name for name, _, _ in ledger.subitems(item)) == ["Oven", "Tray"]


def test_every_module_reaches_the_default_board(ledger: Ledger) -> None:
    """Those with lines and those without."""
    for module in ("invoice", "bill", "purchase_order", "customer_payment", "vendor_payment", "credit_note"):
        assert ledger.carries(ledger.saves(module)).outcome == "delivered", module
    assert len(ledger.items()) == 6


@pytest.mark.parametrize("payments", ["own", "both", "invoice"])
def test_payment_and_the_item_of_its_invoice(ledger: Ledger, payments: str) -> None:
    """Paid in part, and Zoho tells nothing of the invoice: its item shows the new balance all the same."""
    ledger.use(payments=payments)
    invoice = ledger.saves("invoice", {"total": 100, "balance": 100, "status": "sent"})
    ledger.carries(invoice)
    ledger.clock.advance(60)
    path = f"/zoho/{w.ZOHO_ORGANIZATION}/payments/customerpayments"
    paid = ledger.control("POST", path, {"amounts": {invoice.event.record_id: 40}, "webhook": "lose"})["record"]
    record = read("customer_payment", paid)
    event = replace(invoice.event, module="customer_payment", record_id=record.id, version=record.version, payload=paid)
    first = (Delivery(event, "ledger"),)
    outcomes = [ledger.carries(each).outcome for each in (*first, *paid_by(ledger.connection, event, record, first))]
    assert (
        outcomes
        == {
            "own": ["delivered"],
            "both": ["delivered", "delivered"],
            "invoice": ["skipped", "delivered"],
        }[payments]
    )
    items = {each["name"].split()[0]: each["text"] for each in ledger.items()}
    assert ("Payment" in items) is (payments != "invoice")
    wanted = ("100", "Sent") if payments == "own" else ("60", "Partially paid")
    assert (items["Invoice"]["zb_balance"], items["Invoice"]["zb_status"]) == wanted
