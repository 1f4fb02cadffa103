"""What people do on a board comes back to Zoho: monday's webhooks on the deployed template, made by `mlc`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sandbox.session import Box
from sandbox.sites import LEDGER, Site

pytestmark = pytest.mark.e2e

Mlc = Callable[..., Any]
NOTES = "notes"


@pytest.fixture
def site(box: Box, numbers: Iterator[int], mlc: Mlc) -> Iterator[Site]:
    """A company whose invoices go onto a board that monday tells us of."""
    routes = [{"events": ["invoice.*"], "to": [LEDGER]}]
    board = {"feedback": NOTES, "lines": "none"}
    site = Site(next(numbers), modules=("invoice",), routes=routes, notes=NOTES, ledger=board)
    box.open(site)
    # Its consent does not reach Zoho's settings: those webhooks are made by hand.
    done = mlc("webhooks", "install", site.connection, code=3)["boards"]
    assert [each["did"] for each in done["steps"]] == ["made"] * 4, done
    assert not done["problems"]
    yield site
    box.zoho.telling(copies=1)


def waited(look: Callable[[], Any], seconds: float = 30) -> Any:
    until = time.monotonic() + seconds
    while not (found := look()) and time.monotonic() < until:
        time.sleep(0.1)
    return found


def changed(box: Box, site: Site) -> list[dict[str, Any]]:
    return [each for each in box.audit(site.connection) if each["outcome"] == "changed"]


def notes(box: Box, site: Site, record: str) -> list[str]:
    written = [str(each["description"]) for each in box.zoho.comments(site.organization, record)]
    return [note for note in written if note.startswith("[ml-connector ")]


def events(box: Box, site: Site) -> list[dict[str, Any]]:
    return [each for each in box.zoho.monday_events() if str(each["event"]["boardId"]) == site.board]


def item_of(box: Box, site: Site) -> dict[str, Any]:
    (item,) = waited(lambda: [each for each in box.zoho.items(site.board) if each["state"] == "active"])
    assert box.settled(30)
    return dict(item)


def test_persons_status_is_noted_in_zoho_and_our_own_is_not(box: Box, site: Site, mlc: Mlc) -> None:
    """Told three times; one entry, one note, with who and when. Our updates fire webhooks, too, and beget nothing."""
    record = box.zoho.create(site.organization, "invoice")["id"]
    item = item_of(box, site)
    box.zoho.advance(2)
    box.zoho.update(site.organization, "invoice", record, {"status": "overdue"})
    (own,) = waited(lambda: events(box, site))
    assert waited(lambda: own["id"] in [each["id"] for each in events(box, site) if each["statuses"] == [200]])
    assert box.settled(30)
    assert changed(box, site) == []

    box.zoho.telling(copies=3)
    box.zoho.person(site.person, "set", item=item["id"], column="zb_status", value={"label": "Paid"})
    (note,) = waited(lambda: notes(box, site, record))
    assert box.settled(30)
    (entry,) = changed(box, site)
    assert (entry["by"], entry["external_id"], entry["event"]) == (
        f"Asha Rao ({site.person})",
        item["id"],
        "item.status",
    )
    assert entry["reason"] == "status from Overdue to Paid"
    assert "changed the status from Overdue to Paid on monday.com" in note
    assert "Asha Rao" in note
    assert notes(box, site, record) == [note]
    assert {status for each in events(box, site) for status in each["statuses"]} == {200}
    assert {each["outcome"] for each in mlc("audit", "show", site.connection, item["id"])} >= {"delivered", "changed"}
    # By the document's number the note's own delivery is found, too.
    told = {(each["destination"], each["outcome"]) for each in mlc("audit", "show", site.connection, entry["number"])}
    assert told >= {(LEDGER, "changed"), (NOTES, "delivered")}
    mlc("audit", "verify", site.connection)
    assert box.zoho.records(site.organization)["records"]["invoices"][record]["status"] == "overdue"


def test_item_that_a_person_deleted_is_made_anew(box: Box, site: Site, mlc: Mlc) -> None:
    """gone = "recreate": with the same external id, and who did it in the trail."""
    box.zoho.create(site.organization, "invoice")
    item = item_of(box, site)
    box.zoho.person(site.person, "delete", item=item["id"])
    assert waited(lambda: changed(box, site))
    new = item_of(box, site)
    assert new["id"] != item["id"]
    assert new["text"]["zb_doc_id"] == item["text"]["zb_doc_id"]
    assert [each["event"] for each in changed(box, site)] == ["item.deleted"]
    mlc("audit", "verify", site.connection)


def test_webhook_that_monday_lost_is_made_anew(box: Box, site: Site) -> None:
    """The schedule looks once a day; what it failed at, each hour."""
    lost = next(each for each in box.zoho.monday_webhooks() if each["board_id"] == site.board)
    box.zoho.remove_monday_webhook(lost["id"])
    row = next(each for each in box.connections.query("board_webhooks") if each["sk"].startswith(f"{site.connection}#"))
    box.connections.update("board_webhooks", row["sk"], looked_at="2026-01-01T00:00:00Z")
    box.listen()
    found = [each for each in box.zoho.monday_webhooks() if each["board_id"] == site.board]
    assert sorted(each["event"] for each in found).count(lost["event"]) == 1
    assert len(found) == 4
