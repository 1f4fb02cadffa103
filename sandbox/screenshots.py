"""`make screenshots`: the page's main states as images, for the README.

Starts a sandbox of its own, does in the browser what a visitor would do, and writes docs/screenshots/*.png. Times and
ids are those of the run; everything else is the same each time. Exit code 1 where there is no Chromium.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sandbox.aws.emulator import ROOT
from sandbox.browser import browser
from sandbox.serving import serve
from sandbox.session import Box, sandbox

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, ViewportSize

FOLDER = ROOT / "docs" / "screenshots"
DESK, PHONE, WIDGET = (1280, 1000), (390, 844), (760, 900)


def main() -> int:
    FOLDER.mkdir(exist_ok=True)
    try:
        with browser() as chrome, sandbox(digests=True, progress=print) as box, serve(box) as address:
            draw(chrome, address, box)
    except LookupError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def draw(chrome: Browser, address: str, box: Box) -> None:
    """All five states. What is done is done in windows of their own, so that no message of it is in a picture."""
    with look(chrome, address) as desk:
        for module in ("customer_payment", "purchase_order", "bill", "invoice"):
            press(desk, f"do-create-{module}")
        box.settled()
        invoice = desk.locator("[data-testid=record][data-module=invoice]").first
        number = invoice.get_attribute("data-number")
        press(desk, "do-change", invoice)
        box.settled()
        press(desk, "do-pay", invoice)
        box.settled()
        bill = desk.locator("tr[data-item]").filter(has_text="BILL-").first
        bill.get_by_test_id("item-status").select_option("Approved")
        desk.locator("[data-testid=record] .note").first.wait_for()
    with look(chrome, address) as desk:
        save(desk, "page")
    with look(chrome, address, color_scheme="dark") as desk:
        save(desk, "dark")
    with look(chrome, address, PHONE) as phone:
        save(phone, "phone")
    with window(chrome, f"{address}widget/?find={number}", WIDGET) as widget:
        widget.get_by_text("up to date").first.wait_for()
        save(widget, "story")
    with look(chrome, address) as desk:
        press(desk, "switch-teams-refuses")
        press(desk, "do-create-invoice")
        press(desk, "do-forge")
        for alarm in ("ParkedAlarm", "WebhookSignaturesAlarm"):
            desk.locator(f'[data-alarm="{alarm}"][data-state="alarm"]').wait_for(state="attached")
    with look(chrome, address) as desk:
        desk.locator("#alarms").get_by_test_id("alarms-summary").click()
        save(desk, "trouble")


@contextmanager
def look(chrome: Browser, address: str, size: tuple[int, int] = DESK, **options: Any) -> Iterator[Page]:
    """A window of that size on the page, which shows what there is."""
    with window(chrome, address, size, **options) as page:
        page.locator("#live", has_text="live").wait_for()
        yield page


@contextmanager
def window(chrome: Browser, address: str, size: tuple[int, int], **options: Any) -> Iterator[Page]:
    viewport: ViewportSize = {"width": size[0], "height": size[1]}
    context = chrome.new_context(
        viewport=viewport, reduced_motion="reduce", locale="en-GB", timezone_id="UTC", **options
    )
    try:
        page = context.new_page()
        page.goto(address)
        yield page
    finally:
        context.close()


def press(page: Page, button: str, inside: Any = None) -> None:
    """Presses a button and waits for what the page says of it."""
    with page.expect_response(lambda answer: "/api/do/" in answer.url) as sent:
        (inside or page).get_by_test_id(button).click()
    if not sent.value.ok:
        raise RuntimeError(f"{button}: {sent.value.text()}")


def save(page: Page, name: str) -> None:
    """`name`.png of the window. The page asks for news each second: two are waited for."""
    page.wait_for_timeout(2500)
    file = FOLDER / f"{name}.png"
    page.screenshot(path=file, animations="disabled", caret="hide")
    print(f"{file.relative_to(ROOT)} {file.stat().st_size // 1024} kB")


if __name__ == "__main__":
    sys.exit(main())
