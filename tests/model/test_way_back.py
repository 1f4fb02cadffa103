"""Random days at a board: people and we set its status, monday tells late, twice, in any order; what comes of it."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.ingest import app
from ml_connector.board_webhooks import Hook
from sandbox.vendors import default_world as w
from tests.board_world import ASHA, Office

LABELS = {"sent": "Sent", "overdue": "Overdue", "paid": "Paid"}
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["person", "zoho"]),
        st.sampled_from(sorted(LABELS)),
        st.booleans(),  # whether monday is heard before the next step
    ),
    max_size=8,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS, copies=st.integers(1, 3), reverse=st.booleans(), twice=st.booleans())
def test_each_change_of_a_person_is_told_once_and_none_of_ours(
    steps: list[tuple[str, str, bool]], copies: int, reverse: bool, twice: bool
) -> None:
    """Entries are of people; each has its note; whatever a person set last and still stands there is told."""
    office = Office()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "board_calls", lambda: office.calls)
        office.install()
        if twice:
            board, url = (
                office.board(office.company.connection, "ledger"),
                office.address(office.company.connection, w.MONDAY_BOARD).url,
            )
            board.add(w.MONDAY_BOARD, url, Hook("change_column_value"))
        item, each = office.invoice()
        delivering = office.world.monday.delivering
        delivering.copies, delivering.reverse = copies, reverse
        shown = "Sent"
        stands = False  # whether what the board shows was set by a person
        for who, status, heard in steps:
            office.clock.advance(2)
            label = LABELS[status]
            if who == "person":
                office.sets(item, label)
                stands = stands or label != shown
            else:
                office.company.carries(office.company.saves("invoice", {"status": status}, each.event.record_id))
                stands = stands and label == shown
            shown = label
            if heard:
                office.settle()
                assert not stands or office.changed[-1].reason.endswith(f"to {shown}")
        office.settle()
    assert {entry.by for entry in office.changed} <= {ASHA}
    assert len(office.notes(each)) == len(office.changed)
    assert not stands or office.changed[-1].reason.endswith(f"to {shown}")
    assert office.company.deliveries.faults() == []
