"""The audit widget on the deployed template, called as CloudWatch calls it: through Lambda, with its own roles."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sandbox.page.widget import Invoke, by_lambda
from sandbox.session import Box
from sandbox.sites import Site
from sandbox.soak import PATIENCE
from tests.widget_world import Page, asks

pytestmark = pytest.mark.e2e


@pytest.fixture
def site(box: Box, numbers: Iterator[int]) -> Site:
    site = Site(next(numbers), PATIENCE)
    box.open(site)
    return site


@pytest.fixture
def invoke(box: Box) -> Invoke:
    return by_lambda(box.stack.client("lambda"))


@pytest.fixture
def look(box: Box, invoke: Invoke) -> Callable[..., Page]:
    def page(view: str = "", /, **said: Any) -> Page:
        return Page(invoke(box.stack.outputs["OpsWidgetFunctionArn"], asks(view, **said)))

    return page


def test_it_describes_itself(box: Box, invoke: Invoke) -> None:
    """In Markdown, as the console shows it to whoever adds the widget."""
    assert invoke(box.stack.outputs["OpsWidgetFunctionArn"], {"describe": True}).startswith("## ml-connector")


def test_story_of_a_delivered_invoice(box: Box, site: Site, look: Callable[..., Page]) -> None:
    """Found by its number and by the item that it became; with its receipts, on every page that leads there."""
    record = box.zoho.create(site.organization, "invoice", {"customer_name": "Harbour Lane Bakery"})
    assert box.settled()
    entries = box.audit(site.connection)
    number = entries[0]["number"]
    item = next(each for each in entries if each["destination"] == "ledger")
    assert f"Invoice {number}" in look().text
    story = look("search", form={"what": number, "connection": site.connection})
    for page in (story, look("search", what=item["external_id"]), look("search", what=item["link"])):
        assert f"Zoho id {record['id']}" in page.text
        assert "Created in ledger" in page.text
        assert "told by a webhook" in page.text
    assert ("a", "href", item["link"]) in story.attributes
    assert "ledger up to date" in story.text
    health = look("connections", connection=site.connection).text
    assert "delivered" in health
    assert "none in" not in health


def test_parked_delivery_is_sent_again_and_arrives(
    box: Box, site: Site, invoke: Invoke, look: Callable[..., Page], mlc: Callable[..., Any]
) -> None:
    """Seen with its reason; after that is gone, one press of the button makes one item, and the trail is whole."""
    body = {"errors": [{"message": "no such column", "extensions": {"code": "InvalidColumnIdException"}}]}
    box.zoho.fault("status", vendor="monday", status=200, body=body, contains="refused", count=None)
    box.zoho.create(site.organization, "bill", {"vendor_name": "refused"})
    assert box.settled()
    page = look("parked", connection=site.connection)
    assert "no such column" in page.text
    (button,) = [call for call in page.calls if "confirmation" in call[0]]
    assert button[0]["endpoint"] == box.stack.outputs["OpsRetryFunctionArn"]

    box.zoho.clear_faults()
    junk = Page(invoke(button[0]["endpoint"], {"connection": site.connection, "delivery": "INV-1", **asks()}))
    assert "Nothing was sent" in junk.text
    done = Page(invoke(button[0]["endpoint"], {**json.loads(button[1]), **asks()}))
    assert "is on its way to ledger again" in done.text
    assert box.settled()
    assert len(box.zoho.items(site.board)) == 1
    assert "Nothing waits for a person." in look("parked", connection=site.connection).text
    assert mlc("parked", "list", site.connection) == []

    way = [said for _, said in done.calls if '"record"' in said]
    story = Page(invoke(box.stack.outputs["OpsWidgetFunctionArn"], {**json.loads(way[0]), **asks()}))
    places = [story.text.find(part) for part in ("Parked: ledger", "Sent again by a person", "Created in ledger")]
    assert -1 not in places
    assert places == sorted(places)
    assert "CloudWatch dashboard of" in story.text
    assert mlc("audit", "verify", site.connection)["faults"] == []
