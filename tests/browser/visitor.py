"""Somebody who looks at the page and presses its buttons."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

from playwright.sync_api import Browser, Locator, Page, expect

PATIENCE_MS = 20_000
"""From a button to what comes of it, on a slow machine."""


@dataclass
class Visitor:
    page: Page
    complaints: list[str] = field(default_factory=list)
    """What the browser wrote to its console or could not do: errors, refused scripts, failed requests."""

    @classmethod
    @contextmanager
    def opens(
        cls, chrome: Browser, address: str, width: int = 1280, height: int = 900, **options: Any
    ) -> Iterator[Self]:
        expect.set_options(timeout=PATIENCE_MS)
        context = chrome.new_context(viewport={"width": width, "height": height}, reduced_motion="reduce", **options)
        context.set_default_timeout(PATIENCE_MS)
        somebody = cls(context.new_page())
        somebody._listen()
        try:
            somebody.page.goto(address)
            expect(somebody.page.locator("#live")).to_have_text("live")
            yield somebody
        finally:
            context.close()

    def _listen(self) -> None:
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on(
            "console",
            lambda told: (
                self.complaints.append(f"{told.type}: {told.text}") if told.type in ("error", "warning") else None
            ),
        )

    def press(self, button: str | Locator, patience_ms: int = PATIENCE_MS) -> str:
        """Presses a button, by its test id or found already: what the page says then, which is also shown."""
        found = self.page.get_by_test_id(button) if isinstance(button, str) else button
        return self.after(found.click, patience_ms)

    def after(self, deed: Callable[[], object], patience_ms: int = PATIENCE_MS) -> str:
        """What the page says after a deed."""
        with self.page.expect_response(lambda answer: "/api/do/" in answer.url, timeout=patience_ms) as sent:
            deed()
        assert sent.value.ok, sent.value.text()
        said = str(sent.value.json()["said"])
        expect(self.page.locator("#said")).to_contain_text(said)
        return said

    def new(self, module: str = "invoice") -> str:
        """Makes a record: its number."""
        said = self.press(f"do-create-{module}")
        found = re.search(r"[A-Z]+-\d+", said)
        assert found, said
        return found[0]

    def some(self, module: str = "invoice") -> str:
        """The number of a record that is delivered already, or of a new one.

        More new ones in a minute than the channel takes one by one would be told in a digest.
        """
        expect(self.page.locator("#books > *").first).to_be_visible()
        there = self.page.locator(f"[data-testid=record][data-module={module}]")
        number = (there.first.get_attribute("data-number") if there.count() else None) or self.new(module)
        expect(self.card(number)).to_have_count(1)
        expect(self.item(number)).to_have_count(1)
        return number

    def record(self, number: str) -> Locator:
        return self.page.locator(f'[data-testid=record][data-number="{number}"]')

    def card(self, number: str) -> Locator:
        """The record's post in Teams, with its thread: its card says the record's id, other cards name the number."""
        identity = self.record(number).get_attribute("data-id")
        return self.page.locator(f'#messages .post:has(> article.message:has-text("{identity}"))')

    def item(self, number: str) -> Locator:
        return self.page.locator("tr[data-item]").filter(has_text=number)

    def alarm(self, name: str) -> Locator:
        return self.page.locator(f'[data-alarm="{name}"]')

    def count(self, name: str) -> int:
        return int(self.page.locator(f"#counts .figure.{name} dd").inner_text())
