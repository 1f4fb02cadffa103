"""The sandbox's page in a browser: what a newcomer presses, and what comes of it. One sandbox for all tests."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from sandbox.secrecy import leaks
from sandbox.session import Box
from tests.browser.visitor import Visitor

pytestmark = pytest.mark.browser


def test_a_new_invoice_becomes_a_card_and_an_item(visitor: Visitor) -> None:
    """One click in Zoho, one card in the channel, one item on the board."""
    number = visitor.new()
    expect(visitor.record(number)).to_have_count(1)
    expect(visitor.card(number)).to_have_count(1)
    expect(visitor.card(number)).to_contain_text("18,970.00 EUR")
    expect(visitor.item(number)).to_have_count(1)


def test_a_change_and_a_payment_show_on_the_same_card_and_item(visitor: Visitor) -> None:
    """The card is edited and its thread says why; nothing comes twice."""
    number = visitor.new()
    card, item = visitor.card(number), visitor.item(number)
    expect(card).to_have_count(1)
    expect(item).to_have_count(1)
    post = card.locator("> article")
    known = post.get_attribute("data-id"), item.get_attribute("data-item")

    visitor.press(visitor.record(number).get_by_test_id("do-change"))
    expect(item).to_contain_text("19,015")
    expect(card).to_contain_text("19,015.00 EUR")
    visitor.press(visitor.record(number).get_by_test_id("do-pay"))
    expect(item).to_contain_text("Paid")
    expect(card).to_contain_text("Paid")
    expect(card.locator(".replies article").filter(has_text="paid")).to_have_count(1)
    assert (post.get_attribute("data-id"), item.get_attribute("data-item")) == known
    expect(visitor.record(number).get_by_test_id("do-pay")).to_have_count(0)


def test_a_void_order_is_void_everywhere(visitor: Visitor) -> None:
    """In Zoho, in the channel and on the board."""
    number = visitor.new("purchase_order")
    expect(visitor.item(number)).to_have_count(1)
    visitor.press(visitor.record(number).get_by_test_id("do-void"))
    expect(visitor.record(number).locator(".status")).to_have_text(re.compile("void", re.IGNORECASE))
    expect(visitor.item(number)).to_contain_text("Void")
    expect(visitor.card(number)).to_contain_text("Void")


def test_what_a_lost_webhook_left_out_is_found(visitor: Visitor) -> None:
    """Nobody was called: only reconcile brings the bill."""
    said = visitor.press("do-lose")
    number = re.findall(r"[A-Z]+-\d+", said)[0]
    expect(visitor.record(number)).to_have_count(1)
    expect(visitor.item(number)).to_have_count(0)
    assert "1 missing" in visitor.press("do-reconcile")
    expect(visitor.item(number)).to_have_count(1)
    expect(visitor.card(number)).to_have_count(1)


def test_a_forgery_is_refused_and_changes_nothing(visitor: Visitor) -> None:
    """The answer is 401, the page counts it, the alarm for forged signatures goes off, and no pane shows the lie."""
    visitor.some()
    before = visitor.count("refused")
    said = visitor.press("do-forge")
    assert "401" in said
    expect(visitor.page.locator("#counts .figure.refused dd")).to_have_text(str(before + 1))
    expect(visitor.alarm("WebhookSignaturesAlarm")).to_have_attribute("data-state", "alarm")
    expect(visitor.page.locator("#teams")).not_to_contain_text("Mallory")
    expect(visitor.page.locator("#board")).not_to_contain_text("Mallory")


def test_a_status_set_on_the_board_comes_back_to_zoho(visitor: Visitor) -> None:
    """As a note on the record, in the person's name; the item keeps what she set."""
    number = visitor.some("bill")
    item = visitor.item(number)
    choice = item.get_by_test_id("item-status")
    visitor.after(lambda: choice.select_option("Approved"))
    expect(visitor.record(number).locator(".note")).to_contain_text("Asha Rao")
    expect(choice).to_have_value("Approved")


def test_a_story_opens_from_a_card(visitor: Visitor) -> None:
    """The widget that CloudWatch shows tells the record's way, from the webhook to both receipts."""
    number = visitor.some()
    visitor.card(number).get_by_test_id("story").first.click()
    story = visitor.page.frame_locator("#widget").locator("body")
    expect(story).to_contain_text(number)
    expect(story).to_contain_text("finance")
    expect(story).to_contain_text("ledger")


@pytest.mark.parametrize("what", ["https://example.com/nope", "INV-999999"])
def test_a_search_for_nothing_says_so_and_stays(visitor: Visitor, what: str) -> None:
    """Also after the trail has refreshed itself; then a number that is there is found."""
    number = visitor.some()
    trail = visitor.page.frame_locator("#widget")
    field = trail.locator("input.what")
    for asked, answer in ((what, f"Nothing is known of “{what}”"), (number.lower(), number)):
        field.fill(asked)
        field.press("Enter")
        expect(trail.locator("body")).to_contain_text(answer)
        expect(trail.get_by_role("button", name="Clear")).to_be_visible()
        visitor.page.wait_for_timeout(4000)
        expect(trail.locator("body")).to_contain_text(answer)
        expect(field).to_have_value(asked)


def test_a_number_on_a_card_is_in_one_line(visitor: Visitor) -> None:
    """A column that is too narrow would break it between its digits."""
    card = visitor.card(visitor.some("bill"))
    for said in ("1,500", "630.00 EUR"):
        assert card.get_by_text(said, exact=True).last.evaluate(LINES) == 1, said


def test_trouble_in_teams_is_told_repaired_and_loses_nothing(
    visitor: Visitor, box: Box, mlc: Callable[..., Any]
) -> None:
    """From a card's link one command tells the story; a refused post is parked, alarmed, and sent again by another."""
    told = visitor.some()
    link = visitor.card(told).get_by_test_id("copy-link").first.get_attribute("data-link")
    assert link
    story = mlc("audit", "show", box.connection, link)
    assert {each["number"] for each in story} == {told}
    assert {(each["destination"], each["outcome"]) for each in story} >= {
        ("finance", "delivered"),
        ("ledger", "delivered"),
    }

    switch = visitor.page.get_by_test_id("switch-teams-refuses")
    visitor.press(switch)
    expect(switch).to_have_attribute("aria-checked", "true")
    number = visitor.new()
    parked = visitor.alarm("ParkedAlarm")
    expect(parked).to_have_attribute("data-state", "alarm")
    expect(visitor.item(number)).to_have_count(1)
    expect(visitor.card(number)).to_have_count(0)
    (waiting,) = mlc("parked", "list", box.connection)
    assert (waiting["number"], waiting["destination"]) == (number, "finance")

    visitor.press(switch)
    (sent,) = mlc("parked", "retry", box.connection, "--all")
    assert sent["done"] == "sent"
    expect(visitor.card(number)).to_have_count(1)
    expect(parked).to_have_attribute("data-state", "ok")
    assert mlc("parked", "list", box.connection) == []
    outcomes = [
        each["outcome"] for each in mlc("audit", "show", box.connection, number) if each["destination"] == "finance"
    ]
    assert outcomes == ["parked", "resent", "delivered"]


@pytest.mark.parametrize("by", ["the page", "the widget"])
def test_what_is_parked_is_sent_again_by_a_button(visitor: Visitor, by: str) -> None:
    """The page's own, or the widget's, which asks first and calls a second function, as on the dashboard."""
    switch = visitor.page.get_by_test_id("switch-teams-refuses")
    visitor.press(switch)
    number = visitor.new("bill")
    retry = visitor.page.get_by_test_id("do-retry")
    expect(retry).to_be_visible()
    visitor.press(switch)
    if by == "the page":
        assert "1 sent again" in visitor.press(retry)
    else:
        widget = visitor.page.frame_locator("#widget")
        widget.get_by_text("Parked", exact=False).first.click()
        waiting = widget.locator(".card").filter(has_text=number)
        waiting.get_by_text("Send again").click()
        expect(widget.locator("#confirm-text")).to_contain_text(number)
        widget.get_by_test_id("confirm").click()
    expect(visitor.card(number)).to_have_count(1)
    expect(retry).to_be_hidden()


def test_a_busy_teams_is_waited_for_and_holds_up_nobody_else(visitor: Visitor) -> None:
    """Answered 429 the change waits, and the page says so; the board has it already. Then it arrives by itself."""
    number = visitor.some("bill")
    switch = visitor.page.get_by_test_id("switch-teams-busy")
    visitor.press(switch)
    visitor.press(visitor.record(number).get_by_test_id("do-change"))
    expect(visitor.item(number)).to_contain_text("675")
    expect(visitor.page.get_by_test_id("queue-retrying")).to_contain_text("1")
    expect(visitor.card(number)).not_to_contain_text("675.00")
    visitor.press(switch)
    expect(visitor.card(number)).to_contain_text("675.00")
    expect(visitor.page.get_by_test_id("queue-retrying")).to_contain_text("0")


def test_everything_works_from_the_keyboard(visitor: Visitor) -> None:
    """Tab reaches the first button, Enter presses it, and the focus stays; a switch turns by the space bar."""
    page = visitor.page
    button = page.get_by_test_id("do-create-invoice")
    _tab_to(page, button)
    before = visitor.count("accepted")
    visitor.after(lambda: page.keyboard.press("Enter"))
    expect(button).to_be_focused()
    expect(page.locator("#counts .figure.accepted dd")).to_have_text(str(before + 1))
    switch = page.get_by_test_id("switch-monday-down")
    _tab_to(page, switch)
    for state in ("true", "false"):
        visitor.after(lambda: page.keyboard.press("Space"))
        expect(switch).to_have_attribute("aria-checked", state)
        expect(switch).to_be_focused()


def _tab_to(page: Page, wanted: Any, most: int = 200) -> None:
    for _ in range(most):
        page.keyboard.press("Tab")
        if wanted.evaluate("each => each === document.activeElement"):
            outline = wanted.evaluate("each => getComputedStyle(each).outlineStyle")
            assert outline != "none", "who tabs must see where the focus is"
            return
    raise AssertionError(f"not reached with {most} times Tab")


LINES = """each => { const text = document.createRange(); text.selectNodeContents(each);
  return new Set([...text.getClientRects()].map(one => one.top)).size }"""
NAMELESS = """() => [...document.querySelectorAll("button, a[href], select, input, iframe, [role=switch]")]
  .filter(each => each.checkVisibility())
  .filter(each => !(each.textContent.trim() || each.ariaLabel || each.title || each.labels?.length
    || each.getAttribute("aria-labelledby")) || (each.tagName === "SELECT" && !each.ariaLabel && !each.labels.length))
  .map(each => each.outerHTML.slice(0, 120))"""
DOUBLE_IDS = """() => { const ids = [...document.querySelectorAll("[id]")].map(each => each.id);
  return ids.filter((each, at) => ids.indexOf(each) !== at) }"""
DANGLING = """() => ["aria-labelledby", "aria-describedby", "aria-controls"].flatMap(name =>
  [...document.querySelectorAll(`[${name}]`)].flatMap(each => each.getAttribute(name).split(/\\s+/))
  .filter(id => !document.getElementById(id)))"""
WIDE = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 844)])
def test_the_page_is_readable_and_labelled(chrome: Browser, address: str, width: int, height: int, scheme: str) -> None:
    """No sideways scrolling, every control has a name, every reference a target, headings and landmarks are there."""
    with Visitor.opens(chrome, address, width, height, color_scheme=scheme) as somebody:
        page = somebody.page
        expect(page.locator("tr[data-item]").first).to_be_visible()
        assert page.evaluate(WIDE) <= 0
        assert page.evaluate(NAMELESS) == []
        assert page.evaluate(DOUBLE_IDS) == []
        assert page.evaluate(DANGLING) == []
        assert page.evaluate("document.documentElement.lang") == "en"
        assert page.locator("h1").count() == 1
        assert page.locator("main").count() == 1
        assert page.locator("main section h2").count() == page.locator("main section.panel").count() >= 4
        assert somebody.complaints == []


def test_a_burst_is_taken_whole(visitor: Visitor, box: Box) -> None:
    """200 invoices at once: each webhook is answered 202, each becomes an item, once; the channel gets a digest."""
    accepted, there = visitor.count("accepted"), len(box.items())
    assert "200" in visitor.press("do-burst", 90_000)
    expect(visitor.page.locator("#counts .figure.accepted dd")).to_have_text(str(accepted + 200))
    expect(visitor.page.locator("#counts .figure.gathered dd")).not_to_have_text("0")
    assert box.settled(180)
    records = [item["text"]["zb_doc_id"] for item in box.items()]
    assert len(records) == len(set(records)) == there + 200


def test_nothing_secret_is_shown_or_written(visitor: Visitor, box: Box, address: str) -> None:
    """After all that was done above: neither in what the page is told and shows, nor in any log, table or queue."""
    told = [
        requests.get(f"{address}api/{name}", timeout=30)
        for name in ("books", "channel", "board", "operations", "place")
    ]
    assert [answer.status_code for answer in told] == [200] * len(told)
    shown = [frame.content() for frame in visitor.page.frames]
    assert leaks(box, [*(answer.text for answer in told), *shown]) == []
