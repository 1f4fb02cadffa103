"""What `mlc doctor` says of monday.com, against the strict stand-in."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ml_connector.limits import UNLIMITED
from mlc import doctor_monday
from sandbox.vendors import default_world as w
from tests.contract.test_against_standins import Company

AGAIN = "mlc credentials set acme-eu monday"


def examined(company: Company) -> tuple[list[doctor_monday.Fault], list[str]]:
    at: Any = SimpleNamespace(http=company.http, secrets=company.secrets, limiter=UNLIMITED)
    return doctor_monday.faults(at, company.connection)


def test_a_board_that_is_seen_is_told_by_its_name() -> None:
    wrong, right = examined(Company())
    assert (wrong, right) == ([], ["ledger: Zoho Books"])


@pytest.mark.parametrize(
    ("trouble", "says"),
    [("none", "no monday token is stored"), ("wrong", "monday refuses the token"), ("board", "does not see board")],
)
def test_what_would_stop_every_item_is_found_before_the_first(trouble: str, says: str) -> None:
    """With a sentence and what to type; the token is in neither."""
    company = Company()
    match trouble:
        case "none":
            del company.secrets.stored["acme-eu", "monday"]
        case "wrong":
            company.secrets.stored["acme-eu", "monday"] = {"token": "sEcReT"}
        case "board":
            del company.world.monday.boards[w.MONDAY_BOARD]
    ((what, why, types),), right = examined(company)
    assert says in what
    assert (bool(why), types, right) == (True, AGAIN, [])
    assert "sEcReT" not in what
