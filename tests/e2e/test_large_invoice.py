"""A record that passes SQS's size limit arrives whole."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from sandbox.session import Box
from sandbox.sites import Site
from sandbox.soak import PATIENCE

pytestmark = pytest.mark.e2e

LINES = 4000
COLUMNS = {
    "lines_count": {"from": "length(lines)", "type": "numbers"},
    "last_line": {"from": "lines[-1].name", "type": "text"},
    "total": {"from": "amount", "type": "numbers"},
}


def test_an_invoice_of_two_megabytes_arrives_whole(box: Box, numbers: Iterator[int]) -> None:
    """4,000 lines: it travels as ids, delivery fetches it from Zoho, the board sees every line, the card folds them."""
    site = Site(next(numbers), PATIENCE, COLUMNS)
    box.open(site)
    lines = [{"name": f"Part {n}", "rate": 2, "quantity": 1, "description": "d" * 320} for n in range(1, LINES + 1)]
    made = box.zoho.create(site.organization, "invoice", {"line_items": lines})
    assert len(json.dumps(made["record"])) > 2_000_000
    assert [hook["status"] for hook in made["webhooks"]] == [202]
    assert box.settled()

    (item,) = box.zoho.items(site.board)
    assert (item["text"]["lines_count"], item["text"]["last_line"]) == (str(LINES), f"Part {LINES}")
    assert float(item["text"]["total"]) == 2 * LINES
    (message,) = box.zoho.messages(site.channels["invoices"])
    assert "more lines" in json.dumps(message["card"])
    assert not message["over_28_kb"]
    trail = list(box.trail.of_record(site.connection, "invoice", made["id"]))
    assert [entry.outcome for entry in trail] == ["delivered", "delivered"]
    fetched = [call for call in box.zoho.requests("zoho") if made["id"] in call["path"]]
    assert [call["status"] for call in fetched] == [200, 200]

    box.zoho.advance(5)
    box.zoho.update(site.organization, "invoice", made["id"], {"status": "paid"})
    assert box.settled()
    (message,) = box.zoho.messages(site.channels["invoices"])
    assert "Paid" in json.dumps(message["card"])
